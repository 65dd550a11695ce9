/* The watch: signs of life between ranks, so that a job with a dead rank ends instead of waiting for ever.
 *
 * Each rank tells rank 0 at intervals what it does and whether it waits. Rank 0 tells all others that it lives, and
 * which rank has been silent for longest. Both also say whether the run is to stop. Signs are sent and read wherever a
 * rank polls: after layers, between steps, after each piece of a file, and while it waits. A rank that is stuck
 * elsewhere falls silent.
 *
 *   a rank is   because                                         what happens
 *   alive       its last sign is younger than stall_s           nothing; but rank 0 warns if it has waited longer than
 *                                                               stall_s for a rank that does not wait itself
 *   silent      no sign of it for stall_s                       rank 0 warns, and again when the silence has doubled
 *   dead        no sign for timeout_s, and a rank waits for it  the rank that waits ends the job
 *
 * Silence is measured on a clock that nearly stands still while this rank does not read signs (advance_clock). Signs
 * travel on MPI_COMM_WORLD, which nothing else uses, so that they can begin before any other communicator exists. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/alive.h"
#include "tribikos/clock.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

typedef struct {
    char host[64], phase[64];
    uint64_t step;
    uint32_t waits;
    int32_t ends;    /* no sign follows */
    int32_t stop;    /* why the run is to stop, or 0 */
    int32_t silent;  /* from rank 0: the rank that has been silent for longest */
    double silent_s; /* and for how long; 0: none is silent */
    uint64_t item;   /* what it works on, from 1; 0: nothing (trb_comm_work) */
    double before, done;
} sign;

static struct {
    bool on;
    int rank, size;
    double stall_s, timeout_s, interval_s;
    double due, warn_at; /* the next sign, the next warning of a wait */
    double looked, clock;
    sign mine, *sent, *last, incoming;
    int ended;      /* how many of the others have sent their last sign */
    double *heard;  /* [size] when the last sign of each rank came, on `clock` */
    double *warned; /* [size] how long the silence was at rank 0's last warning; 0: no warning */
    MPI_Request *sending, receiving;
} watch = {.interval_s = 1.0};

void trb_comm_watch(double stall_s, double timeout_s)
{
    watch.stall_s = stall_s;
    watch.timeout_s = timeout_s;
    watch.interval_s = 1.0;
    if (stall_s > 0.0 && stall_s / 4 < watch.interval_s) watch.interval_s = stall_s / 4;
    if (timeout_s > 0.0 && timeout_s / 4 < watch.interval_s) watch.interval_s = timeout_s / 4;
    for (int r = 0; watch.on && r < watch.size; r++) watch.heard[r] = watch.clock;
    watch.due = 0.0;
    trb__signs_of_life();
}

void trb__enter(const char *call)
{
    /* MPI_Init of a large job may take this long although no rank is dead. */
    enum { LEAST_S = 120 };
    trb__guard(call, watch.stall_s, watch.timeout_s > 0.0 ? fmax(watch.timeout_s, LEAST_S) : 0.0);
}

void trb__leave(void)
{
    trb__unguard();
}

static trb_status reserve(size_t P)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.last, &watch.last));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.sent, &watch.sent));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.heard, &watch.heard));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.warned, &watch.warned));
    return trb_alloc(TRB_MEM_OTHER, P, sizeof *watch.sending, &watch.sending);
}

static trb_status listen(void)
{
    return trb__mpi(
        MPI_Irecv(&watch.incoming, sizeof(sign), MPI_BYTE, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &watch.receiving),
        "MPI_Irecv");
}

trb_status trb__watch_open(const trb_comm *world)
{
    if (world->size == 1) return TRB_OK;
    watch.rank = world->rank;
    watch.size = world->size;
    TRB_TRY(reserve((size_t)world->size));
    for (int r = 0; r < world->size; r++) watch.sending[r] = MPI_REQUEST_NULL;
    (void)gethostname(watch.mine.host, sizeof watch.mine.host - 1);
    TRB_TRY(listen());
    watch.on = true;
    watch.looked = trb_now_s();
    trb_alive_open(trb__signs_of_life);
    trb__signs_of_life();
    return TRB_OK;
}

/* The ranks that this one exchanges signs with: rank 0 with all others, each other rank with rank 0. */
static int first_other(void)
{
    return watch.rank == 0 ? 1 : 0;
}

static int end_of_others(void)
{
    return watch.rank == 0 ? watch.size : 1;
}

static int others(void)
{
    return end_of_others() - first_other();
}

/* Receives all signs that are still in flight, because MPI may complain or fail at its end if a message was not
 * received. All ranks are here, so this takes only as long as a message. */
static void receive_last_signs(void)
{
    sign end = {.ends = 1};
    (void)MPI_Waitall(watch.size, watch.sending, MPI_STATUSES_IGNORE);
    for (int r = first_other(); r < end_of_others(); r++)
        (void)MPI_Isend(&end, sizeof end, MPI_BYTE, r, 0, MPI_COMM_WORLD, &watch.sending[r]);
    while (watch.ended < others()) { /* a rank that left the barrier first may have sent its last sign into it */
        if (MPI_Wait(&watch.receiving, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
        watch.ended += watch.incoming.ends;
        if (watch.ended < others() && listen() != TRB_OK) break;
    }
    (void)MPI_Waitall(watch.size, watch.sending, MPI_STATUSES_IGNORE);
}

void trb__watch_close(void)
{
    if (watch.on) {
        watch.on = false;
        trb_alive_open(NULL);
        receive_last_signs();
    }
    void *const blocks[] = {watch.last, watch.sent, watch.heard, watch.warned, watch.sending};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

static void send_to(int r)
{
    int through = 1;
    if (watch.sending[r] != MPI_REQUEST_NULL) (void)MPI_Test(&watch.sending[r], &through, MPI_STATUS_IGNORE);
    if (!through) return; /* it has not read the last sign, so it needs no other */
    watch.sent[r] = watch.mine;
    (void)MPI_Isend(&watch.sent[r], sizeof(sign), MPI_BYTE, r, 0, MPI_COMM_WORLD, &watch.sending[r]);
}

static void read_signs(void)
{
    while (watch.ended < others()) {
        int there = 0;
        MPI_Status from;
        if (MPI_Test(&watch.receiving, &there, &from) != MPI_SUCCESS || !there) return;
        trb_stop_heard(watch.incoming.stop);
        watch.last[from.MPI_SOURCE] = watch.incoming;
        watch.heard[from.MPI_SOURCE] = watch.clock;
        watch.warned[from.MPI_SOURCE] = 0.0;
        watch.ended += watch.incoming.ends;
        if (watch.ended < others() && listen() != TRB_OK) return;
    }
}

static bool is_in(const trb_comm *c, int r)
{
    for (int i = 0; i < c->size; i++)
        if (c->member[i] == r) return true;
    return false;
}

static double silence(int r)
{
    return watch.clock - watch.heard[r];
}

static const char *host_of(int r)
{
    return watch.last[r].host[0] == '\0' ? "never heard of" : watch.last[r].host;
}

/* A rank names no phase before the data set is read. */
static const char *phase_of(const sign *s)
{
    return s->phase[0] == '\0' ? "starting" : s->phase;
}

enum { NAMED = 4 };

/* Rank 0 warns of silent ranks, whether another rank waits for them or not. name_the_slow() warns of those that rank 0
 * itself waits for. */
static void name_the_silent(const trb_comm *waited)
{
    int n = 0;
    for (int r = 1; r < watch.size; r++) {
        const double s = silence(r);
        if (s < watch.stall_s || s < 2.0 * watch.warned[r] || (waited != NULL && is_in(waited, r))) continue;
        watch.warned[r] = s;
        if (++n > NAMED) continue;
        trb_warn("nothing has been heard of rank %d (%s) for %.0f s; it was last at: %s, step %llu", r, host_of(r), s,
                 phase_of(&watch.last[r]), (unsigned long long)watch.last[r].step);
    }
    if (n > NAMED) trb_warn("... nor of %d more ranks", n - NAMED);
}

/* Rank 0 finds the rank that has been silent for longest, to tell the others. */
static void find_the_silent(void)
{
    watch.mine.silent_s = 0.0;
    for (int r = 1; r < watch.size; r++) {
        if (silence(r) <= watch.mine.silent_s) continue;
        watch.mine.silent = r;
        watch.mine.silent_s = silence(r);
    }
}

/* While a rank computes, or is suspended with all others, it reads no signs, and silence means nothing. So for such a
 * gap its clock advances by a second at most. */
static void advance_clock(double now)
{
    const double most = watch.timeout_s > 0.0 && watch.timeout_s < 4.0 ? watch.timeout_s / 4 : 1.0;
    const double gap = now - watch.looked;
    watch.clock += gap < most ? gap : most;
    watch.looked = now;
}

/* \param[in] waited  the group that this rank waits for; NULL: it works */
static void look(const trb_comm *waited, double now)
{
    advance_clock(now);
    if (now < watch.due) return;
    watch.due = now + watch.interval_s;
    read_signs();
    if (watch.rank == 0) find_the_silent();
    watch.mine.stop = trb_stop_reason();
    watch.mine.waits = waited != NULL;
    for (int r = first_other(); r < end_of_others(); r++) send_to(r);
    if (watch.rank == 0 && watch.stall_s > 0.0) name_the_silent(waited);
}

void trb__signs_of_life(void)
{
    if (watch.on) look(NULL, trb_now_s());
}

void trb_comm_phase(const char *phase, uint64_t step)
{
    if (!watch.on) return;
    if (strcmp(phase, watch.mine.phase) != 0) watch.due = 0.0; /* a new phase is sent at once */
    (void)snprintf(watch.mine.phase, sizeof watch.mine.phase, "%s", phase);
    watch.mine.step = step;
    trb__signs_of_life();
}

void trb_comm_work(bool working, size_t item, double before, double done)
{
    watch.mine.item = working ? item + 1 : 0;
    watch.mine.before = before;
    watch.mine.done = done;
}

bool trb_comm_work_of(int rank, size_t *item, double *before, double *done)
{
    const sign *s = rank == watch.rank || !watch.on ? &watch.mine : &watch.last[rank];
    if (s->item == 0) return false;
    *item = s->item - 1;
    *before = s->before;
    *done = s->done;
    return true;
}

/* The longest silence of a rank of c, from what this rank hears itself and from what rank 0 says. */
static double longest_silence(const trb_comm *c, int *who)
{
    double longest = -1.0;
    for (int i = 0; i < c->size; i++) {
        const int r = c->member[i];
        if (r == watch.rank || (watch.rank != 0 && r != 0) || silence(r) <= longest) continue;
        longest = silence(r);
        *who = r;
    }
    const sign *said = &watch.last[0];
    if (watch.rank == 0 || said->silent_s <= longest || said->silent == watch.rank || !is_in(c, said->silent))
        return longest;
    *who = said->silent;
    return said->silent_s;
}

static void name_the_slow(const trb_comm *c, double waited_s)
{
    int n = 0;
    for (int i = 0; i < c->size; i++) {
        const int r = c->member[i];
        const sign *s = &watch.last[r];
        if (r == watch.rank || (s->waits && silence(r) < watch.stall_s)) continue;
        if (++n > NAMED) continue;
        trb_warn("waiting for rank %d (%s), %.0f s behind: %s, step %llu, last heard of %.0f s ago", r, host_of(r),
                 silence(r) > waited_s ? silence(r) : waited_s, phase_of(s), (unsigned long long)s->step, silence(r));
    }
    if (n > NAMED) trb_warn("... and for %d more ranks", n - NAMED);
}

static void end_the_job(int who, double silent_s)
{
    const sign *last = &watch.last[who], *mine = &watch.mine;
    char name[80] = "", at[120] = "";
    trb__see_to_the_end();
    trb_fail_clear();
    if (watch.rank == 0) (void)snprintf(name, sizeof name, " (%s)", host_of(who));
    if (watch.rank == 0 || who == 0)
        (void)snprintf(at, sizeof at, "; it was last at `%s`, step %llu", phase_of(last),
                       (unsigned long long)last->step);
    trb_comm_panic(trb_fail(TRB_ECOMM,
                            "no sign of life from rank %d%s for %.0f s (comm.timeout), which this rank waits for at "
                            "`%s`, step %llu%s. Is its node, or the network, down?",
                            who, name, silent_s, phase_of(mine), (unsigned long long)mine->step, at));
}

void trb__waits(const trb_comm *c, double since)
{
    trb__move_all();
#ifndef OPEN_MPI /* Open MPI yields by itself if ranks share a core */
    (void)sched_yield();
#endif
    if (!watch.on) return;
    const double now = trb_now_s();
    look(c, now);
    if (now - since < watch.interval_s) return;
    if (watch.rank == 0 && watch.stall_s > 0.0 && now - since > watch.stall_s && now > watch.warn_at) {
        name_the_slow(c, now - since);
        watch.warn_at = now + (now - since); /* each time the wait has doubled */
    }
    int who = 0;
    const double silent_s = watch.timeout_s > 0.0 ? longest_silence(c, &who) : 0.0;
    if (watch.timeout_s > 0.0 && silent_s >= watch.timeout_s) end_the_job(who, silent_s);
}

trb_status trb__wait(const trb_comm *c, MPI_Request *request, const char *call)
{
    const double since = trb_now_s();
    for (int through = 0;;) {
        TRB_TRY(trb__mpi(MPI_Test(request, &through, MPI_STATUS_IGNORE), call));
        if (through) return TRB_OK;
        trb__waits(c, since);
    }
}
