/* A rank that is slow but alive is named by rank 0, with what it is at, seldom, and nobody else is; so is a rank that is
 * silent, even if nobody waits for it; without a timeout nothing more happens to them. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mpi/check.h"
#include "tribikos/clock.h"
#include "tribikos/log.h"

#include "../../src/comm/internal.h"

/* Wait for all others while the last rank works on for some seconds. */
static void wait_for_the_last(trb_comm *group, double work_s)
{
    const double start = trb_now_s();
    const bool last = trb_comm_rank(group) == trb_comm_size(group) - 1;
    trb_comm_phase("waiting", 1);
    if (last) trb__waits(group, start); /* it waited before, but does not any more */
    for (uint64_t step = 1; last && trb_now_s() - start < work_s; step++) {
        trb_comm_phase("hard at work", step);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    CHECK(trb_comm_barrier(group) == TRB_OK);
}

/* What this rank says from now on, instead of showing it. */
typedef struct {
    FILE *said;
    int screen;
} listener;

static listener listen_to_me(trb_comm *w)
{
    const listener l = {.said = tmpfile(), .screen = dup(STDERR_FILENO)};
    trb_log_open(trb_comm_rank(w) == 0, 10.0);
    CHECK(l.said != NULL && l.screen >= 0 && dup2(fileno(l.said), STDERR_FILENO) >= 0);
    return l;
}

static void stop_listening(listener l)
{
    CHECK(dup2(l.screen, STDERR_FILENO) >= 0 && close(l.screen) == 0);
    rewind(l.said);
}

static bool begins_with(const char *line, const char *text)
{
    return strncmp(line, text, strlen(text)) == 0;
}

static void the_slow_are_named(trb_comm *w, trb_comm *group)
{
    const int P = trb_comm_size(w);
    char line[256], name[64];
    int named = 0;
    if (P == 1) return;
    (void)snprintf(name, sizeof name, "warning: waiting for rank %d (", P - 1);
    const listener l = listen_to_me(w);
    trb_comm_watch(0.2, 0.0);
    if (group != NULL) wait_for_the_last(group, 1.5);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    trb_comm_watch(0.0, 0.0);
    stop_listening(l);
    while (fgets(line, sizeof line, l.said) != NULL) {
        if (begins_with(line, "warning: nothing has been heard")) continue; /* a busy machine keeps ranks waiting too */
        CHECK(begins_with(line, name) && strstr(line, " s behind: hard at work, step ") != NULL);
        named++;
    }
    CHECK(fclose(l.said) == 0);
    if (trb_comm_rank(w) == 0) CHECK(named >= 1 && named <= 4); /* after 0.2, 0.4, 0.8 s, and a bit later each time */
    if (trb_comm_rank(w) > 0) CHECK(named == 0);
}

/* The last rank says nothing for a while, and the others work on. */
static void the_silent_are_named(trb_comm *w)
{
    const int P = trb_comm_size(w);
    const bool last = trb_comm_rank(w) == P - 1;
    char line[256], name[64];
    int named = 0;
    if (P == 1) return;
    (void)snprintf(name, sizeof name, "warning: nothing has been heard of rank %d (", P - 1);
    const listener l = listen_to_me(w);
    trb_comm_phase("silent", 7);
    trb_comm_watch(0.2, 0.0); /* gives a sign at once */
    CHECK(trb_comm_barrier(w) == TRB_OK);
    const double start = trb_now_s();
    while (trb_now_s() - start < 1.5) {
        if (!last) trb_comm_phase("at work", 1);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    stop_listening(l);
    while (fgets(line, sizeof line, l.said) != NULL)
        named += begins_with(line, name) && strstr(line, "; it was last at: silent, step 7") != NULL;
    CHECK(fclose(l.said) == 0);
    if (trb_comm_rank(w) == 0) CHECK(named >= 1 && named <= 4);
    if (trb_comm_rank(w) > 0) CHECK(named == 0);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    trb_comm_watch(0.0, 0.0);
}

/* Of all ranks, and of the first and the last alone, where the others wait too. */
static void in_any_group(trb_comm *w)
{
    const int r = trb_comm_rank(w), P = trb_comm_size(w), ends = r == 0 || r == P - 1;
    trb_comm *group = NULL;
    CHECK(trb_comm_split(w, ends, &group) == TRB_OK);
    the_slow_are_named(w, w);
    the_slow_are_named(w, ends ? group : NULL);
    trb_comm_close(group);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {in_any_group, the_silent_are_named};
    return run_tests(argc, argv, 2, tests);
}
