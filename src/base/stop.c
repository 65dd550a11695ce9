/* One thread takes the signals of the whole process by sigtimedwait(); stop.h says why. It also wakes up four times a
 * second, to notice the end of run.grace.
 *
 *   state                  signal that stops the run    time limit             run.grace over
 *   runs                   is told to stop              is told to stop (*)
 *   told to stop           ends at once, 128 + signal                          ends at once, status of TRB_EIO
 *
 * (*) only after trb_stop_progress(). A signal within a second of the first one is ignored. */
#include "tribikos/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tribikos/clock.h"
#include "tribikos/fault.h"

static const struct {
    const char *name;
    int number;
} known[] = {{"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"INT", SIGINT}, {"HUP", SIGHUP}};
enum { KNOWN = sizeof known / sizeof *known, REMEMBERED = 3 /* until the configuration is read: the first three */ };

static atomic_int caught;         /* the first signal */
static atomic_int heard;          /* why another rank is to stop */
static atomic_uint wanted;        /* bit i: known[i] stops the run */
static atomic_uint grace;         /* seconds; 0: no end */
static atomic_llong deadline;     /* Unix time; 0: none */
static atomic_bool progressed;    /* this run has done something that the next run need not do again */
static void (*leave)(int status); /* does not change while the thread runs */
static pthread_t thread;
static bool is_started;

int trb_stop_signal(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].number;
    return 0;
}

/* This thread cannot use log.h, which belongs to the main thread. */
static void say(const char *line)
{
    const ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
    (void)ignored;
}

static bool is_wanted(int number)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].number == number) return (atomic_load(&wanted) >> i & 1U) != 0;
    return false;
}

/* Lets a signal do what it would do in a program that does not block it: usually it ends the process, but nothing
 * happens if it is ignored (nohup). */
static void default_effect(int number)
{
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, number);
    (void)raise(number); /* sends it to this thread, which alone unblocks it */
    (void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    (void)pthread_sigmask(SIG_BLOCK, &one, NULL);
}

static void take(int number, double *first_s)
{
    static const double same_s = 1.0;
    int none = 0;
    if (!is_wanted(number)) {
        default_effect(number);
    } else if (atomic_compare_exchange_strong(&caught, &none, number)) {
        *first_s = trb_now_s();
    } else if (trb_now_s() - *first_s > same_s) {
        say("tribikos: a second signal: the run ends at once; what it saved before remains\n");
        leave(128 + number);
    }
}

/* The time limit counts only after some progress. Otherwise a run whose start takes longer than its limit would be
 * restarted for ever. */
static bool is_late(void)
{
    const long long end = atomic_load(&deadline);
    return end != 0 && atomic_load(&progressed) && time(NULL) >= end;
}

/* \param[in,out] since_s  when the run was first told to stop; 0: it was not */
static void watch_grace(double *since_s)
{
    const unsigned most_s = atomic_load(&grace);
    if (most_s == 0 || (atomic_load(&caught) == 0 && !is_late())) return;
    if (*since_s == 0.0) *since_s = trb_now_s();
    if (trb_now_s() - *since_s < (double)most_s) return;
    say("tribikos: error: no end within run.grace after the signal or the time limit; what the run saved before "
        "remains; give it more time, or use a smaller step\n");
    atomic_store(&grace, 0);
    leave(trb_status_exit(TRB_EIO));
}

/* The signals that this module waits for. */
static void known_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    for (size_t i = 0; i < KNOWN; i++) (void)sigaddset(set, known[i].number);
}

static void *wait_for_signals(void *unused)
{
    static const struct timespec look_up = {.tv_nsec = 250000000};
    double first_s = 0.0, since_s = 0.0;
    sigset_t set;
    known_signals(&set);
    for (;;) {
        const int number = sigtimedwait(&set, NULL, &look_up);
        if (number > 0) take(number, &first_s);
        watch_grace(&since_s);
    }
    return unused;
}

trb_status trb_stop_start(void (*end)(int status))
{
    sigset_t set;
    known_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a run survives that the reader of its stderr ends */
    leave = end;
    atomic_store(&caught, 0);
    atomic_store(&wanted, (1U << REMEMBERED) - 1U);
    trb_fault_signals(trb_stop_reason);
    TRB_TRY(trb_fault("thread.start"));
    const int why = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (why != 0) return trb_fail(TRB_EIO, "cannot start the thread that waits for signals: %s", strerror(why));
    is_started = true;
    return TRB_OK;
}

void trb_stop_open(size_t n, const int *signals, double limit_s, unsigned grace_s)
{
    unsigned set = 0;
    for (size_t i = 0; i < KNOWN; i++)
        for (size_t k = 0; k < n; k++)
            if (signals[k] == known[i].number) set |= 1U << i;
    atomic_store(&wanted, set);
    const int remembered = atomic_load(&caught);
    if (remembered != 0 && !is_wanted(remembered)) default_effect(remembered);
    const char *start = getenv("SLURM_JOB_START_TIME");
    const long long began = start == NULL ? 0 : strtoll(start, NULL, 10);
    const long long from = began > 0 ? began : (long long)time(NULL);
    atomic_store(&heard, 0);
    atomic_store(&progressed, false);
    atomic_store(&grace, grace_s);
    atomic_store(&deadline, limit_s > 0.0 ? from + (long long)limit_s : 0);
}

void trb_stop_close(void)
{
    if (!is_started) return;
    (void)pthread_cancel(thread);
    (void)pthread_join(thread, NULL);
    is_started = false;
}

void trb_stop_progress(void)
{
    atomic_store(&progressed, true);
}

int trb_stop_reason(void)
{
    const int number = atomic_load(&caught);
    if (number != 0) return number;
    return is_late() ? -1 : atomic_load(&heard);
}

void trb_stop_heard(int reason)
{
    if (reason != 0) atomic_store(&heard, reason);
}

trb_status trb_stop_check(void)
{
    const int reason = trb_stop_reason();
    if (reason == 0) return TRB_OK;
    for (size_t i = 0; i < KNOWN; i++)
        if (reason == known[i].number)
            return trb_fail(TRB_STOPPED, "stopped by SIG%s; the same command goes on", known[i].name);
    return trb_fail(TRB_STOPPED, "stopped at the end of run.time_limit; the same command goes on");
}
