#include "tribikos/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tribikos/log.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* A name that no code passes would test nothing. */
static const char *const points[] = {"alloc",       "file.create", "file.write", "file.sync",
                                     "file.rename", "file.open",   "file.read",  "train.step",
                                     "cache.unit",  "cache.chunk", "eval.unit",  "thread.start"};
static bool armed, wrong, any_rank;
static enum { FAILS, DIES, SLEEPS, STOPS, SIGNALS } action;
static char wanted[64];
static long nth, wanted_rank;
static int my_rank = -1;
static atomic_long passed;

static void parse(void)
{
    const char *spec = getenv("TRB_FAULT");
    if (spec == NULL || spec[0] == '\0') return;
    char text[128];
    strncpy(text, spec, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    char *save = NULL;
    const char *point = strtok_r(text, ":", &save), *count = strtok_r(NULL, ":", &save);
    const char *rank = strtok_r(NULL, ":", &save), *how = strtok_r(NULL, "", &save);
    static const char *const actions[] = {[DIES] = "kill", [SLEEPS] = "sleep", [STOPS] = "stop", [SIGNALS] = "usr1"};
    for (int a = DIES; how != NULL && a <= SIGNALS; a++)
        if (strcmp(actions[a], how) == 0) action = (unsigned)a;
    for (size_t i = 0; point != NULL && i < sizeof points / sizeof *points; i++)
        if (strcmp(points[i], point) == 0) armed = count != NULL && (how == NULL || action != FAILS);
    wrong = !armed;
    if (wrong) return;
    strncpy(wanted, point, sizeof wanted - 1);
    nth = strtol(count, NULL, 10);
    any_rank = rank == NULL || strcmp(rank, "*") == 0;
    if (!any_rank) wanted_rank = strtol(rank, NULL, 10);
}

void trb_fault_rank(int rank)
{
    my_rank = rank;
}

trb_status trb_fault(const char *point)
{
    (void)pthread_once(&once, parse);
    if (wrong)
        return trb_fail(TRB_ECONFIG,
                        "TRB_FAULT=%s: expected POINT:NTH[:RANK[:kill|sleep|stop|usr1]], POINT as in fault.h",
                        getenv("TRB_FAULT"));
    if (!armed || strcmp(point, wanted) != 0) return TRB_OK;
    if (!any_rank && my_rank != wanted_rank) return TRB_OK;
    if (atomic_fetch_add(&passed, 1) + 1 != nth) return TRB_OK;
    switch (action) {
    case DIES:
        (void)kill(getpid(), SIGKILL);
        break;
    case STOPS:
        (void)kill(getpid(), SIGSTOP);
        return TRB_OK;
    case SIGNALS:
        (void)kill(getpid(), SIGUSR1);
        return TRB_OK;
    case SLEEPS:
        trb_warn("asleep for a second at %s, passage %ld (TRB_FAULT)", point, nth);
        (void)sleep(1);
        return TRB_OK;
    case FAILS:
        break;
    }
    return trb_fail(TRB_EIO, "fault injected at %s, passage %ld (TRB_FAULT)", point, nth);
}
