/* A rank that is slow but alive is named by rank 0, with what it is at, seldom, and nobody else is; without a timeout
 * nothing more happens to it. */
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

static void the_slow_are_named(trb_comm *w, trb_comm *group)
{
    const int P = trb_comm_size(w);
    char line[256], name[64];
    int named = 0;
    if (P == 1) return;
    trb_log_open(trb_comm_rank(w) == 0, 10.0);
    (void)snprintf(name, sizeof name, "warning: waiting for rank %d (", P - 1);
    FILE *said = tmpfile();
    const int screen = dup(STDERR_FILENO);
    CHECK(said != NULL && screen >= 0 && dup2(fileno(said), STDERR_FILENO) >= 0);
    CHECK(trb_comm_watch(w, 0.2, 0.0) == TRB_OK);
    if (group != NULL) wait_for_the_last(group, 1.5);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    trb_comm_unwatch();
    CHECK(dup2(screen, STDERR_FILENO) >= 0 && close(screen) == 0);
    rewind(said);
    for (; fgets(line, sizeof line, said) != NULL; named++)
        CHECK(strncmp(line, name, strlen(name)) == 0 && strstr(line, " s behind: hard at work, step ") != NULL);
    CHECK(fclose(said) == 0);
    if (trb_comm_rank(w) == 0) CHECK(named >= 1 && named <= 4); /* after 0.2, 0.4, 0.8 s, and a bit later each time */
    if (trb_comm_rank(w) > 0) CHECK(named == 0);
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
    const mpi_test tests[] = {in_any_group};
    return run_tests(argc, argv, 1, tests);
}
