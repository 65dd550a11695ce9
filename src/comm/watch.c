#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/clock.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

/* Signs of life. Each rank tells rank 0 now and then what it is at and whether it waits, and rank 0 tells all others
 * that it lives; both say whether the run is to stop. They are sent and read wherever a rank polls: behind layers,
 * between steps, and while it waits; a rank that is stuck elsewhere falls silent. */

typedef struct {
    char phase[64];
    uint64_t step;
    uint32_t waits;
    int32_t stop; /* why the run is to stop, or 0 */
} sign;

typedef struct {
    char text[64];
} host;

static struct {
    bool on;
    MPI_Comm mpi;
    int rank, size;
    double stall_s, timeout_s, interval_s;
    double due, warn_at; /* the next sign, the next warning */
    sign mine, *sent, *last, incoming;
    double *heard; /* [size] when, on this rank's clock */
    host *host;
    MPI_Request *sending, receiving;
} watch;

trb_status trb_comm_watch(trb_comm *world, double stall_s, double timeout_s)
{
    host mine = {""};
    trb_status st = TRB_OK;
    trb_comm_unwatch();
    if (world->size == 1) return TRB_OK;
    watch.rank = world->rank;
    watch.size = world->size;
    watch.stall_s = stall_s;
    watch.timeout_s = timeout_s;
    watch.interval_s = 1.0;
    if (stall_s > 0.0 && stall_s / 4 < watch.interval_s) watch.interval_s = stall_s / 4;
    if (timeout_s > 0.0 && timeout_s / 4 < watch.interval_s) watch.interval_s = timeout_s / 4;
    const size_t P = (size_t)world->size;
    st = trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.last, &watch.last);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.sent, &watch.sent);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.heard, &watch.heard);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.host, &watch.host);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.sending, &watch.sending);
    st = trb_agree(world, st);
    (void)gethostname(mine.text, sizeof mine.text - 1);
    if (st == TRB_OK) st = trb_comm_gather(world, &mine, 1, sizeof mine, watch.host);
    if (st == TRB_OK) st = trb__mpi(MPI_Comm_dup(world->mpi, &watch.mpi), "MPI_Comm_dup");
    if (st == TRB_OK)
        st =
            trb__mpi(MPI_Irecv(&watch.incoming, sizeof(sign), MPI_BYTE, MPI_ANY_SOURCE, 0, watch.mpi, &watch.receiving),
                     "MPI_Irecv");
    watch.on = st == TRB_OK;
    for (size_t r = 0; watch.on && r < P; r++) {
        watch.sending[r] = MPI_REQUEST_NULL;
        watch.heard[r] = trb_now_s();
    }
    if (!watch.on) trb_comm_unwatch();
    return st;
}

void trb_comm_unwatch(void)
{
    if (watch.on) {
        /* Nobody receives the last signs any more, but they are small enough to be on their way without a receiver. */
        (void)MPI_Waitall(watch.size, watch.sending, MPI_STATUSES_IGNORE);
        (void)MPI_Cancel(&watch.receiving);
        (void)MPI_Wait(&watch.receiving, MPI_STATUS_IGNORE);
        (void)MPI_Comm_free(&watch.mpi);
    }
    void *const blocks[] = {watch.last, watch.sent, watch.heard, watch.host, watch.sending};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    memset(&watch, 0, sizeof watch);
}

static void send_to(int r)
{
    int through = 1;
    if (watch.sending[r] != MPI_REQUEST_NULL) (void)MPI_Test(&watch.sending[r], &through, MPI_STATUS_IGNORE);
    if (!through) return; /* it does not read them; one is enough */
    watch.sent[r] = watch.mine;
    (void)MPI_Isend(&watch.sent[r], sizeof(sign), MPI_BYTE, r, 0, watch.mpi, &watch.sending[r]);
}

void trb__alive(void)
{
    if (!watch.on) return;
    const double now = trb_now_s();
    if (now < watch.due) return;
    watch.due = now + watch.interval_s;
    watch.mine.stop = trb_stop_reason();
    for (int r = watch.rank == 0 ? 1 : 0; r < (watch.rank == 0 ? watch.size : 1); r++) send_to(r);
    for (;;) {
        int there = 0;
        MPI_Status from;
        if (MPI_Test(&watch.receiving, &there, &from) != MPI_SUCCESS || !there) return;
        trb_stop_heard(watch.incoming.stop);
        watch.last[from.MPI_SOURCE] = watch.incoming;
        watch.heard[from.MPI_SOURCE] = now;
        if (MPI_Irecv(&watch.incoming, sizeof(sign), MPI_BYTE, MPI_ANY_SOURCE, 0, watch.mpi, &watch.receiving) !=
            MPI_SUCCESS)
            return;
    }
}

void trb_comm_phase(const char *phase, uint64_t step)
{
    if (!watch.on) return;
    (void)snprintf(watch.mine.phase, sizeof watch.mine.phase, "%s", phase);
    watch.mine.step = step;
    watch.mine.waits = 0;
    trb__alive();
}

/* Open MPI's launcher ends a job only when all its daemons say that they are done, and the one of a host that cannot be
 * reached says nothing: the launcher, and with it the allocation, would wait for many minutes. So if it is still there
 * some seconds after the job was aborted, a process that has nothing to do with the job any more kills it. Other
 * launchers (srun) are left alone. */
static void see_to_the_end(void)
{
    enum { GRACE_S = 10 };
    static const char *const launchers[] = {"mpirun\n", "mpiexec\n", "orterun\n", "orted\n"};
    const pid_t launcher = getppid();
    char path[40], name[32] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)launcher);
    if (fork() != 0) return;
    (void)setsid();
    (void)sleep(GRACE_S);
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, name, sizeof name - 1) < 0) _exit(0);
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (strcmp(name, launchers[i]) == 0) (void)kill(launcher, SIGKILL);
    _exit(0);
}

/* The longest that a rank of c which this one hears of has been silent. */
static double longest_silence(const trb_comm *c, double now, int *who)
{
    double longest = -1.0;
    for (int i = 0; i < c->size; i++) {
        const int r = c->member[i];
        if (r == watch.rank || (watch.rank != 0 && r != 0) || now - watch.heard[r] <= longest) continue;
        longest = now - watch.heard[r];
        *who = r;
    }
    return longest;
}

/* No phase is named before the data set is read. */
static const char *phase_of(const sign *s)
{
    return s->phase[0] == '\0' ? "starting" : s->phase;
}

static void name_the_slow(const trb_comm *c, double now, double since)
{
    enum { NAMED = 4 };
    int n = 0;
    for (int i = 0; i < c->size; i++) {
        const int r = c->member[i];
        const double silent = now - watch.heard[r];
        const sign *s = &watch.last[r];
        if (r == watch.rank || (s->waits && silent < watch.stall_s)) continue;
        if (++n > NAMED) continue;
        trb_warn("waiting for rank %d (%s), %.0f s behind: %s, step %llu, last heard of %.0f s ago", r,
                 watch.host[r].text, silent > now - since ? silent : now - since, phase_of(s),
                 (unsigned long long)s->step, silent);
    }
    if (n > NAMED) trb_warn("... and for %d more ranks", n - NAMED);
}

void trb__waits(const trb_comm *c, double since)
{
    trb__progress();
#ifndef OPEN_MPI /* which does this by itself where ranks share a core */
    (void)sched_yield();
#endif
    if (!watch.on) return;
    const double now = trb_now_s();
    watch.mine.waits = 1;
    trb__alive();
    if (now - since < watch.interval_s) return;
    if (watch.rank == 0 && watch.stall_s > 0.0 && now - since > watch.stall_s && now > watch.warn_at) {
        name_the_slow(c, now, since);
        watch.warn_at = now + (now - since); /* less and less often */
    }
    int who = 0;
    const double silence = longest_silence(c, now, &who);
    if (watch.timeout_s <= 0.0 || silence < watch.timeout_s) return;
    see_to_the_end();
    trb_fail_clear();
    char name[80] = "";
    if (watch.rank == 0) (void)snprintf(name, sizeof name, " (%s)", watch.host[who].text);
    const sign *last = &watch.last[who], *mine = &watch.mine;
    trb_comm_panic(trb_fail(TRB_ECOMM,
                            "no sign of life from rank %d%s for %.0f s (comm.timeout), which this rank waits for at "
                            "`%s`, step %llu; it was last at `%s`, step %llu. Is its node, or the network, down?",
                            who, name, silence, phase_of(mine), (unsigned long long)mine->step, phase_of(last),
                            (unsigned long long)last->step));
}

trb_status trb__wait(const trb_comm *c, MPI_Request *request, const char *call)
{
    const double since = trb_now_s();
    for (int through = 0;;) {
        TRB_TRY(trb__mpi(MPI_Test(request, &through, MPI_STATUS_IGNORE), call));
        if (through) break;
        trb__waits(c, since);
    }
    watch.mine.waits = 0;
    return TRB_OK;
}
