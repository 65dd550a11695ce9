/* Clocks: seconds since an arbitrary moment, and seconds of processor time of this thread. */
#include "tribikos/clock.h"

#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double trb_now_s(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double trb_busy_s(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}
