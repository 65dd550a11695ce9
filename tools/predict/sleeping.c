/* Layers that sleep, and a wait that does: hosts which share the processors of one machine must not take them from
 * each other. */
#include <time.h>

#include "../../src/comm/internal.h"
#include "model.h"
#include "tribikos/clock.h"

static void sleep_until(double end)
{
    for (double left = end - trb_now_s(); left > 0.0; left = end - trb_now_s()) {
        const struct timespec t = {(time_t)left, (long)(1e9 * (left - (double)(time_t)left))};
        (void)nanosleep(&t, NULL);
    }
}

void model_compute(double seconds)
{
    sleep_until(trb_now_s() + seconds);
}

/* In front of the function of that name (the linker's --wrap). */
void __real_trb__waits(const trb_comm *c, double since);
void __wrap_trb__waits(const trb_comm *c, double since);
void __wrap_trb__waits(const trb_comm *c, double since)
{
    static const double POLL_S = 5e-5;
    sleep_until(trb_now_s() + POLL_S);
    __real_trb__waits(c, since);
}
