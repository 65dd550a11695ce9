/* The ordered exchange: the same bits as one rank that holds every lane, for every optimiser and lane count, whether
 * segments leave during the backward pass or behind it; the tree is the one that the header defines; ranks meet factor
 * by factor; a failure on one rank reaches all. And allreduce: the same sums, but for rounding. */
#include <math.h>
#include <stdlib.h>

#include "mpi/check.h"
#include "mpi/plain.h"
#include "tribikos/rng.h"

static const trb_exchange_opts ordered = {.kind = TRB_EXCHANGE_ORDERED};
static const trb_exchange_opts allreduce = {.kind = TRB_EXCHANGE_ALLREDUCE};

/* That this rank has sent, but for signs of life: the exchanges' calls come here first. */
static int messages;

int MPI_Isend(const void *buf, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request)
{
    messages += comm != MPI_COMM_WORLD;
    return PMPI_Isend(buf, count, type, to, tag, comm, request);
}

static trb_net *small_net(void)
{
    /* Two full segments and one of two blocks, so that with more ranks some own nothing of it; and one of running
     * statistics. */
    trb_net *net = NULL;
    CHECK(trb_net_create("dense 600, norm, relu, dense 7", (trb_shape){101, 1, 1}, 1, &net) == TRB_OK);
    return net;
}

/* The gradient of a lane at a step: a pure function of both, of many magnitudes so that the order of additions shows.
 * Lanes begin at places of their own in one list of random numbers, as these take longer to draw than all the rest. */
static void lane_gradient(size_t lane, uint64_t step, size_t n, float *g)
{
    enum { DRAWN = 1 << 16 };
    static float drawn[DRAWN];
    trb_rng r = trb_rng_open(7, TRB_USE_TEST, 0, 0, 0);
    for (size_t i = 0; drawn[DRAWN - 1] == 0.0F && i < DRAWN; i++) {
        const float size = (float)(1 << trb_rng_below(&r, 16));
        drawn[i] = trb_rng_normal(&r) * size;
    }
    for (size_t i = 0; i < n; i++) g[i] = drawn[(i + 4093 * lane + 1021 * (size_t)step) % DRAWN];
}

typedef struct {
    trb_exchange_opts exchange;
    bool early;     /* segments are said to be ready layer by layer */
    size_t columns; /* of the grid */
} way;

static void train(trb_comm *c, way how, const trb_net *net, const trb_optim *o, size_t lanes, uint64_t steps,
                  float *params, double *sum)
{
    const trb_grid_shape shape = {.lanes = lanes,
                                  .servers = trb_exchange_servers(&how.exchange),
                                  .columns = how.columns,
                                  .head_lanes = how.columns,
                                  .members = how.columns};
    trb_grid grid;
    const size_t n = trb_net_size(net);
    trb_exchange *x = NULL;
    double loss[16];
    trb_net_init(net, TRB_INIT_HE, 1, 0, params);
    CHECK(trb_grid_open(c, &shape, &grid) == TRB_OK);
    CHECK(trb_exchange_open(&grid, TRB_BODY, &how.exchange, net, o, steps, params, &x) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    const size_t before = trb_mem_allocations();
    for (uint64_t s = 0; s < steps; s++) {
        for (size_t k = 0, l = own.first; k < own.count; k++, l += own.step) {
            float *g = trb_exchange_gradient(x);
            lane_gradient(l, s, n, g);
            for (size_t i = how.early ? trb_net_n_params(net) : 0; i-- > 0;)
                if (!trb_net_param(net, i)->statistic) trb_exchange_ready(x, trb_net_param(net, i)->offset);
            trb_exchange_lane_done(x);
        }
        CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
        CHECK(trb_exchange_pull(x) == TRB_OK);
    }
    CHECK(trb_mem_allocations() == before);
    for (size_t k = 0; k < own.count; k++) loss[k] = 1.0 / (double)(3 + own.first + k * own.step);
    CHECK(trb_exchange_sum(x, loss, sum) == TRB_OK);
    CHECK(trb_exchange_gather(x) == TRB_OK);
    trb_exchange_close(x);
    trb_grid_close(&grid);
}

static void same_bits_as_one_rank(trb_comm *w)
{
    const trb_optim optimisers[] = {
        {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true, .total_steps = 9},
        {.kind = TRB_OPTIM_ADAM, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .total_steps = 9},
        {.kind = TRB_OPTIM_ADAMW,
         .lr = 0.01,
         .beta1 = 0.9,
         .beta2 = 0.999,
         .eps = 1e-8,
         .weight_decay = 0.1,
         .clip = 1.0,
         .total_steps = 9},
    };
    trb_net *net = small_net();
    trb_comm *alone = NULL;
    float *mine = NULL, *reference = NULL;
    CHECK(trb_comm_split(w, trb_comm_rank(w), &alone) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *mine, &mine) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *mine, &reference) == TRB_OK);
    for (size_t o = 0; o < sizeof optimisers / sizeof *optimisers; o++) {
        for (size_t lanes = (size_t)trb_comm_size(w); lanes <= 8; lanes++) {
            double sum = 0.0, expected = 0.0;
            const way late = {ordered, false, 1}, early = {ordered, lanes % 2 == 0, 1};
            train(w, early, net, &optimisers[o], lanes, 2, mine, &sum);
            train(alone, late, net, &optimisers[o], lanes, 2, reference, &expected);
            CHECK(memcmp(mine, reference, trb_net_size(net) * sizeof *mine) == 0);
            CHECK(memcmp(&sum, &expected, sizeof sum) == 0);
            for (int servers = 1; servers < trb_comm_size(w); servers += 2) {
                const way served = {{.kind = TRB_EXCHANGE_SERVER, .servers = (uint64_t)servers}, lanes % 2 == 1, 1};
                train(w, served, net, &optimisers[o], lanes, 2, mine, &sum);
                CHECK(memcmp(mine, reference, trb_net_size(net) * sizeof *mine) == 0);
                CHECK(memcmp(&sum, &expected, sizeof sum) == 0);
            }
        }
    }
    trb_free(reference);
    trb_free(mine);
    trb_comm_close(alone);
    trb_net_destroy(net);
}

/* Rows whose ranks take the row's lanes in turn, of which some have none where a row has fewer lanes than ranks. By
 * allreduce they add zero to the sums, but for rounding the same; two steps, so that it is not what lay there
 * before. */
static void same_sums_in_rows(trb_comm *w)
{
    const int P = trb_comm_size(w);
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .clip = 1.0};
    trb_net *net = small_net();
    trb_comm *alone = NULL;
    const size_t n = trb_net_size(net), trained = trb_net_trained(net);
    float *mine = NULL, *reference = NULL;
    CHECK(trb_comm_split(w, trb_comm_rank(w), &alone) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *mine, &mine) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *mine, &reference) == TRB_OK);
    for (int columns = 2; columns <= P; columns++) {
        if (P % columns != 0) continue;
        for (size_t lanes = (size_t)(P / columns); lanes <= 8; lanes++) {
            double sum = 0.0, expected = 0.0;
            way in_rows = {ordered, lanes % 2 == 0, (size_t)columns};
            train(alone, (way){ordered, false, 1}, net, &o, lanes, 2, reference, &expected);
            train(w, in_rows, net, &o, lanes, 2, mine, &sum);
            CHECK(memcmp(mine, reference, n * sizeof *mine) == 0);
            CHECK(memcmp(&sum, &expected, sizeof sum) == 0);
            in_rows.exchange.kind = TRB_EXCHANGE_ALLREDUCE;
            train(w, in_rows, net, &o, lanes, 2, mine, &sum);
            for (size_t i = 0; i < trained; i++) CHECK(fabs((double)mine[i] - (double)reference[i]) <= 1e-5);
            CHECK(memcmp(&sum, &expected, sizeof sum) == 0);
        }
    }
    trb_free(reference);
    trb_free(mine);
    trb_comm_close(alone);
    trb_net_destroy(net);
}

/* Parameters that a layer was waited for are those of the step, while others may be on their way: each step begins with
 * a forward pass that compares them, layer by layer, with those of a rank that trains alone; or, in two of the steps,
 * as if layers were a single parameter, the last or the first of a segment. */
static void needed_parameters_are_there(trb_comm *w)
{
    enum { LANES = 8, STEPS = 4, SEGMENT = 31744 };
    const trb_exchange_opts ways[] = {ordered, {.kind = TRB_EXCHANGE_SERVER, .servers = 1}};
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .total_steps = STEPS};
    trb_net *net = small_net();
    trb_comm *alone = NULL;
    const size_t n = trb_net_size(net);
    float *expected = NULL, *params = NULL;
    double sum = 0.0;
    CHECK(trb_comm_split(w, trb_comm_rank(w), &alone) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, (STEPS + 1) * sizeof *expected, &expected) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *params, &params) == TRB_OK);
    for (uint64_t s = 0; s <= STEPS; s++)
        train(alone, (way){ordered, false, 1}, net, &o, LANES, s, expected + s * n, &sum);
    for (size_t i = 0; i < (trb_comm_size(w) > 1 ? sizeof ways / sizeof *ways : 1); i++) {
        trb_exchange *x = NULL;
        trb_net_init(net, TRB_INIT_HE, 1, 0, params);
        CHECK(open_plain(w, &ways[i], net, &o, LANES, STEPS, params, &x) == TRB_OK);
        const trb_lanes own = trb_exchange_lanes(x);
        for (uint64_t s = 0; s <= STEPS; s++) {
            for (size_t p = 0; own.count > 0 && s % 2 == 0 && p < trb_net_n_params(net); p++) {
                const trb_param *t = trb_net_param(net, p);
                if (t->statistic) continue;
                trb_exchange_needs(x, t->offset, t->offset + t->count);
                CHECK(memcmp(params + t->offset, expected + s * n + t->offset, t->count * sizeof *params) == 0);
            }
            for (size_t at = s == 1 ? SEGMENT - 1 : 0; own.count > 0 && s % 2 == 1 && at < n; at += SEGMENT) {
                trb_exchange_needs(x, at, at + 1);
                CHECK(params[at] == expected[s * n + at]);
            }
            if (s == STEPS) break;
            for (size_t k = 0, l = own.first; k < own.count; k++, l += own.step) {
                lane_gradient(l, s, n, trb_exchange_gradient(x));
                trb_exchange_lane_done(x);
            }
            CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
            CHECK(trb_exchange_pull(x) == TRB_OK);
        }
        CHECK(trb_exchange_gather(x) == TRB_OK);
        CHECK(memcmp(params, expected + STEPS * n, n * sizeof *params) == 0);
        trb_exchange_close(x);
    }
    trb_free(params);
    trb_free(expected);
    trb_comm_close(alone);
    trb_net_destroy(net);
}

/* One step up to its push, of gradients that are 1 everywhere. */
static void push_ones(trb_exchange *x, size_t n)
{
    for (size_t k = 0; k < trb_exchange_lanes(x).count; k++) {
        float *g = trb_exchange_gradient(x);
        for (size_t i = 0; i < n; i++) g[i] = 1.0F;
        trb_exchange_lane_done(x);
    }
    CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
}

/* A rank's exchanges move together, whichever of them it waits in; and what is under way is brought to its end by a
 * close, in any order. */
static void several_are_open(trb_comm *w)
{
    enum { LANES = 8, OPEN = 3 };
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 1.0};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net), trained = trb_net_trained(net);
    float *params = NULL;
    trb_exchange *x[OPEN];
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, OPEN * sizeof *params, &params) == TRB_OK);
    memset(params, 0, OPEN * n * sizeof *params);
    for (size_t i = 0; i < OPEN; i++)
        CHECK(open_plain(w, &ordered, net, &o, LANES, 1, params + i * n, &x[i]) == TRB_OK);
    for (size_t i = 0; i < OPEN; i++) push_ones(x[i], n);
    for (size_t i = 0; i < OPEN; i++) CHECK(trb_exchange_pull(x[i]) == TRB_OK);
    for (size_t i = 0; i < OPEN; i++) {
        const size_t at = ((size_t)trb_comm_rank(w) + i) % OPEN;
        trb_exchange_needs(x[at], 0, trained);
        CHECK(params[at * n] == -(float)LANES && params[at * n + trained - 1] == -(float)LANES);
    }
    for (size_t i = 0; i < OPEN; i++) push_ones(x[i], n);
    for (size_t i = 0; i < OPEN; i++) CHECK(trb_exchange_pull(x[i]) == TRB_OK);
    for (size_t i = 0; i < OPEN; i++) {
        const size_t at = (i + 1) % OPEN;
        trb_exchange_close(x[at]);
        for (size_t k = 0; k < trained; k++) CHECK(params[at * n + k] == -2.0F * (float)LANES);
    }
    trb_free(params);
    trb_net_destroy(net);
}

/* Ranks meet factor by factor, on the way to the sum and on the way back, and what is spread waits for the end of the
 * step: until then the line is left to the sums. */
static void few_messages_and_sums_first(trb_comm *w)
{
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 1.0};
    trb_net *net = NULL;
    trb_exchange *x = NULL;
    float params[4040] = {0}; /* one segment of eight blocks */
    int met = 0;
    CHECK(trb_net_create("dense 40", (trb_shape){100, 1, 1}, 1, &net) == TRB_OK && trb_net_size(net) == 4040);
    for (int rest = trb_comm_size(w), d = 2; rest > 1; d++)
        for (; rest % d == 0; rest /= d) met += d - 1;
    CHECK(open_plain(w, &ordered, net, &o, (size_t)trb_comm_size(w), 1, params, &x) == TRB_OK);
    messages = 0;
    push_ones(x, trb_net_size(net));
    while (messages < met) trb_exchange_needs(x, 0, 0);
    for (int i = 0; i < 20; i++) {
        trb_exchange_needs(x, 0, 0);
        CHECK(trb_comm_barrier(w) == TRB_OK);
    }
    CHECK(messages == met);
    CHECK(trb_exchange_pull(x) == TRB_OK);
    CHECK(trb_exchange_gather(x) == TRB_OK);
    CHECK(messages == 2 * met);
    trb_exchange_close(x);
    trb_net_destroy(net);
}

/* Running statistics move towards the mean over lanes, and have no part in the norm that clips the rest. */
static void statistics_are_averaged_and_not_clipped(trb_comm *w)
{
    enum { LANES = 8 };
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 1.0, .clip = 1.0, .schedule = TRB_SCHEDULE_CONSTANT};
    trb_net *net = small_net();
    trb_exchange *x = NULL;
    float *params = NULL;
    const size_t n = trb_net_size(net), trained = trb_net_trained(net);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *params, &params) == TRB_OK);
    for (size_t i = 0; i < n; i++) params[i] = 0.5F;
    CHECK(open_plain(w, &ordered, net, &o, LANES, 1, params, &x) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    for (size_t k = 0, l = own.first; k < own.count; k++, l += own.step) {
        float *g = trb_exchange_gradient(x);
        for (size_t i = 0; i < n; i++) g[i] = i < trained ? 0.0F : (float)(l + 1);
        g[11] = 0.25F; /* the sum over lanes is 2, clipped to 1 */
        trb_exchange_lane_done(x);
    }
    CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
    CHECK(trb_exchange_pull(x) == TRB_OK);
    CHECK(trb_exchange_gather(x) == TRB_OK);
    CHECK(trained < n && params[11] == -0.5F && params[12] == 0.5F);
    for (size_t i = trained; i < n; i++) CHECK(params[i] == 0.5F + 0.1F * (4.5F - 0.5F));
    trb_exchange_close(x);
    trb_free(params);
    trb_net_destroy(net);
}

/* The definition of the header, word for word. */
static double tree(const double *v, size_t a, size_t b)
{
    if (b - a == 1) return v[a];
    size_t half = 1;
    while (2 * half < b - a) half *= 2;
    return tree(v, a, a + half) + tree(v, a + half, b);
}

static void the_tree_is_the_documented_one(trb_comm *w)
{
    trb_net *net = small_net();
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.0};
    float *params = NULL;
    double values[16], loss[16];
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    for (size_t lanes = (size_t)trb_comm_size(w); lanes <= 16; lanes++) {
        trb_exchange *x = NULL;
        double sum = 0.0;
        for (size_t l = 0; l < lanes; l++) values[l] = 1.0 / (double)(1 + l * l) * (l % 2 == 0 ? 1e8 : 1e-8);
        CHECK(open_plain(w, &ordered, net, &o, lanes, 1, params, &x) == TRB_OK);
        const trb_lanes own = trb_exchange_lanes(x);
        memcpy(loss, values + own.first, own.count * sizeof *loss);
        CHECK(trb_exchange_sum(x, loss, &sum) == TRB_OK);
        CHECK(sum == tree(values, 0, lanes));
        trb_exchange_close(x);
    }
    trb_free(params);
    trb_net_destroy(net);
}

/* By one step of plain descent, whose result is linear in the sum. */
static void allreduce_sums_what_ordered_sums(trb_comm *w)
{
    const size_t lanes = 8;
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 1.0};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net);
    float *mine = NULL, *reduced = NULL;
    double sum = 0.0, most = 0.0;
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *mine, &mine) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *reduced, &reduced) == TRB_OK);
    train(w, (way){ordered, true, 1}, net, &o, lanes, 1, mine, &sum);
    train(w, (way){allreduce, true, 1}, net, &o, lanes, 1, reduced, &sum);
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)mine[i] - (double)reduced[i]);
        if (!(off <= most)) most = off;
    }
    CHECK(most <= 1.0);                         /* of sums up to 1e5, in single precision */
    CHECK(trb_comm_size(w) > 2 || most == 0.0); /* two summands have one order */
    trb_free(reduced);
    trb_free(mine);
    trb_net_destroy(net);
}

static void a_failure_reaches_all(trb_comm *w, const trb_exchange_opts *how, double clip)
{
    trb_net *net = small_net();
    const size_t n = trb_net_size(net), lanes = 8;
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .clip = clip};
    float *params = NULL;
    trb_exchange *x = NULL;
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, n, sizeof *params, &params) == TRB_OK);
    trb_net_init(net, TRB_INIT_HE, 1, 0, params);
    CHECK(open_plain(w, how, net, &o, lanes, 1, params, &x) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    const bool fails = trb_comm_rank(w) == trb_comm_size(w) - 1;
    for (size_t k = 0, l = own.first; k < own.count; k++, l += own.step) {
        float *g = trb_exchange_gradient(x);
        for (size_t i = 0; fails && i < n; i++) g[i] = NAN;
        if (!fails) lane_gradient(l, 0, n, g);
        trb_exchange_lane_done(x);
    }
    CHECK(trb_exchange_push(x, fails ? trb_fail(TRB_ENUM, "row 3 is not finite") : TRB_OK, 0.0) == TRB_OK);
    CHECK(trb_exchange_pull(x) == TRB_ENUM);
    CHECK(strstr(trb_fail_message(), "row 3 is not finite") != NULL);
    trb_exchange_close(x);
    trb_free(params);
    trb_net_destroy(net);
    trb_fail_clear();
}

static void failures_reach_all(trb_comm *w)
{
    a_failure_reaches_all(w, &ordered, 0.0);
    a_failure_reaches_all(w, &ordered, 1.0);
    a_failure_reaches_all(w, &allreduce, 0.0);
    const trb_exchange_opts server = {.kind = TRB_EXCHANGE_SERVER, .servers = 1};
    if (trb_comm_size(w) == 1) return;
    a_failure_reaches_all(w, &server, 0.0);
    a_failure_reaches_all(w, &server, 1.0);
}

/* A norm that clips nothing is met when every rank's word on the step is in already. */
static void a_norm_that_is_not_finite_ends_it(trb_comm *w, const trb_exchange_opts *how)
{
    enum { LANES = 8 };
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .clip = 1.0};
    trb_net *net = small_net();
    trb_exchange *x = NULL;
    float *params = NULL;
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    CHECK(open_plain(w, how, net, &o, LANES, 1, params, &x) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    for (size_t k = 0, l = own.first; k < own.count; k++, l += own.step) {
        float *g = trb_exchange_gradient(x);
        lane_gradient(l, 0, trb_net_size(net), g);
        if (l == LANES - 1) g[11] = INFINITY;
        trb_exchange_lane_done(x);
    }
    CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
    CHECK(trb_exchange_pull(x) == TRB_ENUM);
    CHECK(strstr(trb_fail_message(), "norm is not finite") != NULL);
    trb_exchange_close(x);
    trb_free(params);
    trb_net_destroy(net);
    trb_fail_clear();
}

static void norms_that_are_not_finite_end_it(trb_comm *w)
{
    const trb_exchange_opts server = {.kind = TRB_EXCHANGE_SERVER, .servers = 1};
    a_norm_that_is_not_finite_ends_it(w, &ordered);
    a_norm_that_is_not_finite_ends_it(w, &allreduce);
    if (trb_comm_size(w) > 1) a_norm_that_is_not_finite_ends_it(w, &server);
}

static void more_ranks_than_lanes_are_refused(trb_comm *w)
{
    if (trb_comm_size(w) == 1) return;
    trb_net *net = small_net();
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1};
    trb_exchange *x = NULL;
    float unused = 0.0F;
    CHECK(open_plain(w, &ordered, net, &o, 1, 1, &unused, &x) == TRB_ECONFIG && x == NULL);
    trb_net_destroy(net);
    trb_fail_clear();
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {same_bits_as_one_rank,
                              same_sums_in_rows,
                              needed_parameters_are_there,
                              several_are_open,
                              few_messages_and_sums_first,
                              statistics_are_averaged_and_not_clipped,
                              the_tree_is_the_documented_one,
                              allreduce_sums_what_ordered_sums,
                              failures_reach_all,
                              norms_that_are_not_finite_end_it,
                              more_ranks_than_lanes_are_refused};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
