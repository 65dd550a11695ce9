/* Injects the faults that TRB_FAULT asks for, or counts how often each point is passed (fault.h). */
#include "tribikos/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "tribikos/log.h"

/* All points, in the order of the count file. Tests walk this list: a point that is missing would not be tested. */
static const char *const points[] = {"alloc",      "agree",      "file.folder",   "file.create",
                                     "file.write", "file.sync",  "file.rename",   "file.open",
                                     "file.read",  "train.step", "cache.unit",    "cache.chunk",
                                     "eval.unit",  "match.unit", "validate.step", "thread.start"};
enum { POINTS = sizeof points / sizeof *points };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum { OFF, WRONG, COUNTS, TRACES, FAILS, DIES, SLEEPS, STOPS, SIGNALS } mode;
static size_t wanted;
static bool any_rank;
static long nth, wanted_rank;
static int my_rank = -1;
static int (*reason)(void); /* why the run is to stop, 0 for none; NULL: no thread takes signals */
static atomic_long passed;
static char count_file[1024]; /* of the passages, or of the trace */
static int trace_fd = -1;
static atomic_long changes;             /* of files, so far */
static atomic_long passages[POINTS][2]; /* [0] before this rank's number was known, [1] since then */

static size_t find(const char *point)
{
    size_t i = 0;
    while (i < POINTS && strcmp(points[i], point) != 0) i++;
    return i;
}

/* The file is appended to with one write, so that the lines of several ranks do not mix. */
static void tell_counts(void)
{
    FILE *f = fopen(count_file, "ae");
    for (size_t i = 0; f != NULL && i < POINTS; i++)
        for (int known = 0; known <= (my_rank >= 0); known++)
            (void)fprintf(f, "%d %s %ld\n", known ? my_rank : -1, points[i], atomic_load(&passages[i][known]));
    if (f == NULL || fclose(f) != 0) trb_warn("%s: the passages cannot be written: %s", count_file, strerror(errno));
}

/* FNV-1a over the return addresses, counted from where their library lies, so that all processes of a program have the
 * same ones; hash.h comes after this file. */
static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *into)
{
    uint64_t *hash = into, at = _Unwind_GetIP(context);
    Dl_info library;
    if (dladdr((void *)(uintptr_t)at, &library) != 0) at -= (uint64_t)(uintptr_t)library.dli_fbase;
    *hash = (*hash ^ at) * 0x100000001b3u;
    return _URC_NO_REASON;
}

/* Append a line on a passage to the trace. */
static void tell_passage(size_t point, long number)
{
    uint64_t stack = 0xcbf29ce484222325u;
    (void)_Unwind_Backtrace(add_frame, &stack);
    const bool changes_files = strncmp(points[point], "file.", 5) == 0 && strcmp(points[point], "file.open") != 0 &&
                               strcmp(points[point], "file.read") != 0;
    const long before = changes_files ? atomic_fetch_add(&changes, 1) : atomic_load(&changes);
    if (dprintf(trace_fd, "%d %s %ld %016" PRIx64 " %ld\n", my_rank, points[point], number, stack, before) < 0)
        trb_warn("%s: a passage cannot be written: %s", count_file, strerror(errno));
}

static void parse(void)
{
    const char *spec = getenv("TRB_FAULT");
    if (spec == NULL || spec[0] == '\0') return;
    if (strncmp(spec, "count:", 6) == 0) {
        (void)snprintf(count_file, sizeof count_file, "%s", spec + 6);
        mode = atexit(tell_counts) == 0 ? COUNTS : WRONG;
        return;
    }
    if (strncmp(spec, "trace:", 6) == 0) {
        (void)snprintf(count_file, sizeof count_file, "%s", spec + 6);
        trace_fd = open(count_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        mode = trace_fd >= 0 ? TRACES : WRONG;
        return;
    }
    char text[128];
    (void)snprintf(text, sizeof text, "%s", spec);
    char *save = NULL;
    const char *point = strtok_r(text, ":", &save), *count = strtok_r(NULL, ":", &save);
    const char *rank = strtok_r(NULL, ":", &save), *how = strtok_r(NULL, "", &save);
    static const char *const actions[] = {[DIES] = "kill", [SLEEPS] = "sleep", [STOPS] = "stop", [SIGNALS] = "usr1"};
    mode = how == NULL ? FAILS : WRONG;
    for (int a = DIES; how != NULL && a <= SIGNALS; a++)
        if (strcmp(actions[a], how) == 0) mode = (unsigned)a;
    wanted = point == NULL ? POINTS : find(point);
    if (wanted == POINTS || count == NULL) mode = WRONG;
    if (mode == WRONG) return;
    nth = strtol(count, NULL, 10);
    any_rank = rank == NULL || strcmp(rank, "*") == 0;
    if (!any_rank) wanted_rank = strtol(rank, NULL, 10);
}

void trb_fault_rank(int rank)
{
    my_rank = rank;
}

void trb_fault_signals(int (*taken)(void))
{
    reason = taken;
}

/* Another thread takes the signal. Wait until it has (at most a second), so that the code after this passage sees the
 * stop. */
static void signal_this_process(void)
{
    (void)kill(getpid(), SIGUSR1);
    for (int i = 0; i < 1000 && reason != NULL && reason() == 0; i++) (void)usleep(1000);
}

static trb_status fire(void)
{
    const char *point = points[wanted];
    if (mode == DIES) (void)kill(getpid(), SIGKILL);
    if (mode == STOPS) (void)kill(getpid(), SIGSTOP);
    if (mode == SIGNALS) signal_this_process();
    if (mode == SLEEPS) {
        trb_warn("asleep for a second at %s, passage %ld (TRB_FAULT)", point, nth);
        (void)sleep(1);
    }
    if (mode != FAILS) return TRB_OK;
    const bool memory = strcmp(point, "alloc") == 0;
    return trb_fail(memory ? TRB_ENOMEM : TRB_EIO, "fault injected at %s, passage %ld (TRB_FAULT): %s", point, nth,
                    strerror(memory ? ENOMEM : EIO));
}

trb_status trb_fault(const char *point)
{
    (void)pthread_once(&once, parse);
    if (mode == OFF) return TRB_OK;
    if (mode == WRONG)
        return trb_fail(TRB_ECONFIG,
                        "TRB_FAULT=%s: expected POINT:NTH[:RANK[:kill|sleep|stop|usr1]], count:FILE or trace:FILE, "
                        "POINT as in fault.h",
                        getenv("TRB_FAULT"));
    const size_t i = find(point);
    if (i == POINTS) return trb_fail(TRB_EINTERNAL, "%s is not among the points that can fail", point);
    const bool counts = mode == COUNTS || mode == TRACES;
    const long number = counts ? atomic_fetch_add(&passages[i][my_rank >= 0], 1) + 1 : 0;
    if (mode == TRACES) tell_passage(i, number);
    if (counts || i != wanted || (!any_rank && my_rank != wanted_rank)) return TRB_OK;
    return atomic_fetch_add(&passed, 1) + 1 == nth ? fire() : TRB_OK;
}
