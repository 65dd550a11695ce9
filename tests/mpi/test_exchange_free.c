/* Servers without common steps: every share is handed out once and applied once, nobody runs further ahead than
 * allowed, a slow worker gets less, and a failing one ends it for all. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "mpi/check.h"
#include "mpi/plain.h"

enum { LANES = 12, STEPS = 30 };

static trb_net *small_net(void)
{
    trb_net *net = NULL;
    CHECK(trb_net_create("dense 600, norm, relu, dense 7", (trb_shape){101, 1, 1}, 1, &net) == TRB_OK);
    return net;
}

/* What server 0 was told: lanes applied of each step, how many steps a share was ahead of the first that had one
 * missing, at most, and whether that was more than allowed. */
typedef struct {
    uint64_t staleness;
    bool flat;    /* every lane's gradient is 1 */
    bool endless; /* but the last rank's are infinite */
    size_t applied[STEPS];
    double loss;
    uint64_t ahead;
    uint64_t stale[TRB_STALENESS_BINS];
    bool too_far;
} book;

static bool note(void *ctx, uint64_t step, size_t lanes, double loss)
{
    book *b = ctx;
    CHECK(step < STEPS);
    b->applied[step] += lanes;
    b->loss += loss;
    uint64_t first = 0;
    while (first < step && b->applied[first] == LANES) first++;
    if (b->ahead < step - first) b->ahead = step - first;
    b->too_far = b->ahead > b->staleness;
    return false;
}

/* One training in which lane l's gradient is l + 1 everywhere, unless it is to be flat. Whole numbers add up to the
 * same in any order.
 * \param[in] slow_s,fails  of the last rank   \param[out] mine  lanes that this rank computed
 * \return how it went on this rank */
static trb_status train(trb_comm *w, const trb_exchange_opts *how, const trb_optim *o, double slow_s, bool fails,
                        float *params, book *b, size_t *mine)
{
    trb_net *net = small_net();
    trb_exchange *x = NULL;
    trb_status st = TRB_OK;
    const size_t n = trb_net_size(net);
    const uint64_t workers = (uint64_t)trb_comm_size(w) - how->servers;
    const bool last = trb_comm_rank(w) == trb_comm_size(w) - 1;
    for (size_t i = 0; i < n; i++) params[i] = 0.0F;
    *mine = 0;
    CHECK(open_plain(w, how, net, o, LANES, STEPS, params, &x) == TRB_OK);
    CHECK(trb_exchange_is_free(x));
    trb_lanes own = trb_exchange_lanes(x);
    if (own.count == 0) st = trb_exchange_serve(x, note, NULL, b);
    for (uint64_t step = 0; own.count > 0;) {
        CHECK(trb_exchange_claim(x, &step, &own) == TRB_OK);
        if (step == STEPS) break;
        double loss = 0.0;
        for (size_t l = own.first; l < own.first + own.count; l++) {
            float *g = trb_exchange_gradient(x);
            for (size_t i = 0; i < n; i++) g[i] = b->flat ? 1.0F : (float)(l + 1);
            if (last && b->endless) g[0] = INFINITY;
            trb_exchange_ready(x, n / 2);
            trb_exchange_lane_done(x);
            loss += (double)(l + 1);
        }
        if (last && slow_s > 0.0) nanosleep(&(struct timespec){.tv_nsec = (long)(slow_s * 1e9)}, NULL);
        *mine += own.count;
        if (last && fails) st = trb_fail(TRB_ENUM, "row 3 is not finite");
        CHECK(trb_exchange_push(x, st, loss) == TRB_OK);
        CHECK(trb_exchange_pull(x) == st);
    }
    st = trb_agree(w, st);
    /* While a share is computed nobody is at one that is further away in either direction. */
    const trb_exchange_work work = trb_exchange_worked(x);
    for (size_t i = 0; i < TRB_STALENESS_BINS; i++)
        CHECK(work.stale[i] == 0 || how->staleness > TRB_STALENESS_BINS || i < (2 * how->staleness + 1) * workers);
    memcpy(b->stale, work.stale, sizeof b->stale);
    CHECK(trb_exchange_gather(x) == TRB_OK);
    trb_exchange_close(x);
    trb_net_destroy(net);
    return st;
}

static bool cannot_share(trb_comm *w, int servers)
{
    const int workers = trb_comm_size(w) - servers;
    return workers < 1 || LANES % workers != 0;
}

static void every_share_counts_once(trb_comm *w)
{
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.25};
    const uint64_t bounds[] = {1, 4, TRB_UNBOUNDED};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net), trained = trb_net_trained(net);
    trb_net_destroy(net);
    float *params = NULL;
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *params, &params) == TRB_OK);
    for (int servers = 1; servers <= 2; servers++) {
        if (cannot_share(w, servers)) continue;
        for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
            const trb_exchange_opts how = {
                .kind = TRB_EXCHANGE_SERVER, .servers = (uint64_t)servers, .staleness = bounds[i]};
            const double all = STEPS * LANES * (LANES + 1) / 2.0;
            book b = {.staleness = bounds[i]};
            size_t mine = 0;
            CHECK(train(w, &how, &o, 0.0, false, params, &b, &mine) == TRB_OK);
            /* Shares of lr / W times W are not exact where W is 3. */
            for (size_t k = 0; k < trained; k++) CHECK(fabs((double)params[k] + 0.25 * all) <= 1e-6 * all);
            double lanes[16] = {0}, total = 0.0;
            CHECK(trb_comm_allgather(w, &(double){(double)mine}, 1, lanes) == TRB_OK);
            for (int r = 0; r < trb_comm_size(w); r++) total += lanes[r];
            CHECK(total == STEPS * LANES);
            if (trb_comm_rank(w) > 0) continue;
            for (size_t s = 0; s < STEPS; s++) CHECK(b.applied[s] == LANES);
            CHECK(b.loss == all && !b.too_far);
        }
    }
    trb_free(params);
}

/* Along a gradient that is always the same Adam goes by the learning rate, whatever the gradient's size: a share by
 * that of a step / sqrt(W). W shares decay the weights by what a step does. */
static void shares_suit_adam(trb_comm *w)
{
    if (cannot_share(w, 1)) return;
    const double W = trb_comm_size(w) - 1, lr = 0.25, decay = 0.5;
    const trb_optim_kind kinds[] = {TRB_OPTIM_ADAM, TRB_OPTIM_ADAMW};
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_SERVER, .servers = 1, .staleness = TRB_UNBOUNDED};
    trb_net *net = small_net();
    float *params = NULL;
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const bool decays = kinds[i] == TRB_OPTIM_ADAMW;
        const trb_optim o = {.kind = kinds[i],
                             .lr = lr,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .eps = 1e-8,
                             .weight_decay = decays ? decay : 0.0};
        book b = {.staleness = TRB_UNBOUNDED, .flat = true};
        size_t mine = 0;
        CHECK(train(w, &how, &o, 0.0, false, params, &b, &mine) == TRB_OK);
        double expected = 0.0;
        for (size_t share = 0; share < STEPS * (size_t)W; share++)
            expected = (1.0 - (decays ? lr * decay / W : 0.0)) * expected - lr / sqrt(W);
        CHECK(fabs((double)params[0] - expected) <= 1e-4 * fabs(expected));
    }
    trb_free(params);
    trb_net_destroy(net);
}

/* W shares go as far along the schedule as a step does, each by a gradient that is clipped as the step's would be;
 * running statistics move by each share's rows alone. The rate is asked W times as often, which differs by less than a
 * rate a bend. */
static void shares_follow_the_schedule(trb_comm *w)
{
    if (cannot_share(w, 1)) return;
    const int shares = STEPS * (trb_comm_size(w) - 1);
    const trb_optim schedules[] = {
        {.lr = 0.25, .schedule = TRB_SCHEDULE_COSINE, .first_step = 10, .total_steps = 10 + STEPS},
        {.lr = 0.25, .schedule = TRB_SCHEDULE_STEP, .warmup_steps = 12, .decay_steps = 9, .gamma = 0.5},
        {.lr = 0.25, .clip = 1.0}};
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_SERVER, .servers = 1, .staleness = TRB_UNBOUNDED};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net);
    float *params = NULL;
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *params, &params) == TRB_OK);
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
        book b = {.staleness = TRB_UNBOUNDED, .flat = true};
        size_t mine = 0;
        double rates = 0.0;
        for (uint64_t t = 1; t <= STEPS; t++) rates += trb_optim_rate(&schedules[i], t);
        CHECK(train(w, &how, &schedules[i], 0.0, false, params, &b, &mine) == TRB_OK);
        const double along = schedules[i].clip > 0.0 ? 1.0 / sqrt((double)trb_net_trained(net)) : LANES;
        CHECK(fabs((double)params[0] + along * rates) <= 0.05 * along * rates);
        CHECK(fabs((double)params[n - 1] - (1.0 - pow(1.0 - TRB_STATISTICS_MOMENTUM, shares))) <= 1e-4);
    }
    trb_free(params);
    trb_net_destroy(net);
}

/* The last rank is slow: with no bound it computes only what it has time for, with common steps it would be half. */
static void the_slow_get_less(trb_comm *w)
{
    if (trb_comm_size(w) != 3) return;
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.25};
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_SERVER, .servers = 1, .staleness = TRB_UNBOUNDED};
    float *params = NULL;
    book b = {.staleness = TRB_UNBOUNDED};
    size_t mine = 0;
    trb_net *net = small_net();
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    CHECK(train(w, &how, &o, 0.5, false, params, &b, &mine) == TRB_OK);
    if (trb_comm_rank(w) == 2) CHECK(mine > 0 && mine < STEPS * LANES / 4);
    trb_free(params);
    trb_net_destroy(net);
}

/* Who waits for a slow rank has gone as far ahead as it may, and so many shares are applied while the slow one computes
 * its own. */
static void the_bound_is_used_up(trb_comm *w)
{
    if (trb_comm_size(w) != 3) return;
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.25};
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_SERVER, .servers = 1, .staleness = 2};
    float *params = NULL;
    book b = {.staleness = 2};
    size_t mine = 0;
    trb_net *net = small_net();
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    CHECK(train(w, &how, &o, 0.1, false, params, &b, &mine) == TRB_OK);
    uint64_t shares = 0;
    for (size_t i = 0; i < TRB_STALENESS_BINS; i++) shares += b.stale[i];
    if (trb_comm_rank(w) == 0) CHECK(b.ahead == 2 && !b.too_far && shares == 2 * STEPS && b.stale[4] + b.stale[5] > 0);
    trb_free(params);
    trb_net_destroy(net);
}

/* \param[in] clip  above 0: it is server 0 that fails, at the last rank's share */
static void a_failure_ends_it_for_all(trb_comm *w, double clip, const char *says)
{
    if (cannot_share(w, 1)) return;
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.25, .clip = clip};
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_SERVER, .servers = 1, .staleness = 2};
    const int P = trb_comm_size(w);
    float *params = NULL;
    book b = {.staleness = 2, .endless = clip > 0.0};
    size_t mine = 0;
    trb_net *net = small_net();
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    CHECK(train(w, &how, &o, 0.0, clip == 0.0, params, &b, &mine) == TRB_ENUM);
    CHECK(strstr(trb_fail_message(), says) != NULL);
    /* The failing share is not in it, and it was the last rank's only one. */
    if (trb_comm_rank(w) == 0 && clip == 0.0) CHECK(fabs((double)params[0] + 0.25 * b.loss) <= 1e-6 * b.loss);
    if (trb_comm_rank(w) == P - 1) CHECK(mine == LANES / (size_t)(P - 1));
    trb_free(params);
    trb_net_destroy(net);
    trb_fail_clear();
}

static void failures_end_it_for_all(trb_comm *w)
{
    a_failure_ends_it_for_all(w, 0.0, "row 3 is not finite");
    a_failure_ends_it_for_all(w, 1.0, "the gradient's norm is not finite");
}

static void what_cannot_be_shared_is_refused(trb_comm *w)
{
    static const struct {
        uint64_t servers, staleness;
        size_t lanes;
        int ranks;
        const char *says;
    } cases[] = {
        {1, 0, 8, 1, "start at least 2 ranks"},
        {3, 0, 8, 3, "start at least 4 ranks"},
        {1, 0, 4, 6, "use at most 5 ranks, or at least 5 lanes"},
        {1, 1, 8, 4, "use 3 ranks, or 9 lanes"},
    };
    (void)w;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const trb_exchange_opts how = {
            .kind = TRB_EXCHANGE_SERVER, .servers = cases[i].servers, .staleness = cases[i].staleness};
        CHECK(check_plain(&how, cases[i].lanes, cases[i].ranks) == TRB_ECONFIG);
        CHECK(strstr(trb_fail_message(), cases[i].says) != NULL);
        trb_fail_clear();
    }
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {
        every_share_counts_once, shares_suit_adam,        shares_follow_the_schedule,      the_slow_get_less,
        the_bound_is_used_up,    failures_end_it_for_all, what_cannot_be_shared_is_refused};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
