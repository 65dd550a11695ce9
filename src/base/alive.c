/* Signs of life (alive.h): this thread's function that gives one, and waiting that keeps giving them. */
#include "tribikos/alive.h"

#include <stddef.h>
#include <time.h>

static _Thread_local void (*give)(void);

void trb_alive_open(void (*sign)(void))
{
    give = sign;
}

void trb_alive(void)
{
    if (give != NULL) give();
}

/* When a wait has to be interrupted for the next sign of life: in 0.1 s. */
static struct timespec soon(void)
{
    enum { WAIT_NS = 100000000, A_SECOND_NS = 1000000000 };
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += WAIT_NS;
    t.tv_sec += t.tv_nsec / A_SECOND_NS;
    t.tv_nsec %= A_SECOND_NS;
    return t;
}

void trb_alive_wait(pthread_cond_t *changed, pthread_mutex_t *lock)
{
    const struct timespec until = soon();
    (void)pthread_cond_clockwait(changed, lock, CLOCK_MONOTONIC, &until);
    trb_alive();
}

void trb_alive_join(pthread_t thread)
{
    for (;;) {
        const struct timespec until = soon();
        if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0) return;
        trb_alive();
    }
}
