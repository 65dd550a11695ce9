#include "tribikos/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} known[] = {{"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"INT", SIGINT}, {"HUP", SIGHUP}};
enum { KNOWN = sizeof known / sizeof *known };

static volatile sig_atomic_t caught; /* the first signal */
static volatile unsigned grace;
static void (*leave)(int status);
static int heard;
static bool is_open;
static time_t deadline; /* 0: none */
static struct sigaction before[KNOWN], alarm_before;

int trb_stop_signal(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].number;
    return 0;
}

static void say(const char *why, size_t n)
{
    ssize_t ignored = write(STDERR_FILENO, why, n);
    (void)ignored;
}

static void on_signal(int number)
{
    static const char again[] = "tribikos: a second signal: ending at once; what was kept before stands\n";
    if (caught != 0) {
        say(again, sizeof again - 1);
        leave(128 + number);
    }
    caught = number;
    if (grace > 0) (void)alarm(grace);
}

static void on_alarm(int number)
{
    static const char late[] = "tribikos: error: no end within run.grace after the signal; what was kept before "
                               "stands; give more time, or a smaller step\n";
    (void)number;
    say(late, sizeof late - 1);
    leave(trb_status_exit(TRB_EIO));
}

trb_status trb_stop_open(size_t n, const int *signals, double limit_s, unsigned grace_s, void (*end)(int status))
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, late = {.sa_handler = on_alarm};
    (void)sigemptyset(&action.sa_mask);
    (void)sigemptyset(&late.sa_mask);
    caught = 0;
    heard = 0;
    grace = grace_s;
    leave = end;
    for (size_t i = 0; i < KNOWN; i++) {
        (void)sigaction(known[i].number, NULL, &before[i]);
        for (size_t k = 0; k < n; k++)
            if (signals[k] == known[i].number && sigaction(known[i].number, &action, NULL) != 0)
                return trb_fail(TRB_EIO, "SIG%s cannot be caught: %s", known[i].name, strerror(errno));
    }
    (void)sigaction(SIGALRM, &late, &alarm_before);
    is_open = true;
    deadline = 0;
    if (limit_s > 0.0) {
        const char *start = getenv("SLURM_JOB_START_TIME");
        const long long began = start == NULL ? 0 : strtoll(start, NULL, 10);
        deadline = (began > 0 ? (time_t)began : time(NULL)) + (time_t)limit_s;
    }
    return TRB_OK;
}

void trb_stop_close(void)
{
    if (!is_open) return;
    (void)alarm(0);
    for (size_t i = 0; i < KNOWN; i++) (void)sigaction(known[i].number, &before[i], NULL);
    (void)sigaction(SIGALRM, &alarm_before, NULL);
    is_open = false;
    deadline = 0;
    heard = 0;
    caught = 0;
}

static bool is_late(void)
{
    return deadline != 0 && time(NULL) >= deadline;
}

int trb_stop_reason(void)
{
    if (caught != 0) return caught;
    return is_late() ? -1 : heard;
}

void trb_stop_heard(int reason)
{
    if (reason != 0) heard = reason;
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
