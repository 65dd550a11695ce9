/* Time limits for calls of MPI that cannot be polled: MPI_Init, MPI_Comm_split, MPI_Finalize. They return only when all
 * ranks have made them. Meanwhile a thread watches the clock. It must not call MPI and receives no signs of life. So it
 * can say how long the call has taken, but not which rank is missing, and it can end only this process; the launcher
 * then ends the others. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/clock.h"
#include "tribikos/log.h"

static struct {
    const char *call; /* NULL: there is no thread */
    double stall_s, timeout_s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void wait_a_little(double s)
{
    const double at = trb_now_s() + s;
    const struct timespec until = {.tv_sec = (time_t)at, .tv_nsec = (long)(1e9 * fmod(at, 1.0))};
    (void)pthread_cond_clockwait(&guard.changed, &guard.lock, CLOCK_MONOTONIC, &until);
}

static void give_up(double waited)
{
    (void)fprintf(
        stderr,
        "tribikos: rank %ld: %s has not returned for %.0f s (comm.timeout): it waits for all processes of the "
        "job. Is a node, or the network, down?\n",
        trb__announced_rank(), guard.call, waited);
    trb__see_to_the_end();
    _exit(trb_status_exit(TRB_ECOMM));
}

static void *look_at_the_clock(void *unused)
{
    enum { LOOKS = 4 }; /* how often it looks before a limit is reached */
    const double stall = guard.stall_s, timeout = guard.timeout_s;
    const double tick = fmin(1.0, fmin(stall > 0.0 ? stall : 4.0, timeout > 0.0 ? timeout : 4.0) / LOOKS);
    double waited = 0.0, last = trb_now_s(), warn_at = stall;
    (void)pthread_mutex_lock(&guard.lock);
    while (!guard.over) {
        wait_a_little(tick);
        waited += fmin(trb_now_s() - last, 2.0 * tick); /* time in which the job was suspended does not count */
        last = trb_now_s();
        if (guard.over) break;
        if (timeout > 0.0 && waited >= timeout) give_up(waited);
        if (stall <= 0.0 || waited < warn_at) continue;
        warn_at = 2.0 * waited;
        if (trb__announced_rank() == 0)
            trb_warn("%s has not returned for %.0f s: it waits for all processes of the job", guard.call, waited);
    }
    (void)pthread_mutex_unlock(&guard.lock);
    return unused;
}

void trb__guard(const char *call, double stall_s, double timeout_s)
{
    if (stall_s <= 0.0 && timeout_s <= 0.0) return;
    guard.call = call;
    guard.stall_s = stall_s;
    guard.timeout_s = timeout_s;
    guard.over = false;
    /* If the thread cannot be started, the call is made without limits. */
    if (pthread_create(&guard.thread, NULL, look_at_the_clock, NULL) != 0) guard.call = NULL;
}

void trb__unguard(void)
{
    if (guard.call == NULL) return;
    (void)pthread_mutex_lock(&guard.lock);
    guard.over = true;
    (void)pthread_cond_signal(&guard.changed);
    (void)pthread_mutex_unlock(&guard.lock);
    (void)pthread_join(guard.thread, NULL);
    guard.call = NULL;
}
