/* Keeping a step: what rank 0 collects is what all ranks have, while steps go on; and who goes on from it ends where
 * the others do, whichever exchange it takes. Wishes reach all. With shares in no common steps, exactly those before a
 * step are in what is kept. */
#include <math.h>
#include <time.h>

#include "mpi/check.h"
#include "mpi/plain.h"
#include "tribikos/rng.h"

#include "../../src/comm/internal.h"

enum { LANES = 8, STEPS = 6 };

static trb_net *small_net(void)
{
    /* Several segments, one of running statistics. */
    trb_net *net = NULL;
    CHECK(trb_net_create("dense 600, norm, relu, dense 7", (trb_shape){101, 1, 1}, 1, &net) == TRB_OK);
    return net;
}

static void lane_gradient(size_t lane, uint64_t step, size_t n, float *g)
{
    for (size_t i = 0; i < n; i++) g[i] = 1e-3F * (float)((i * 7 + lane * 131 + step * 29) % 997 + 1);
}

/* Slabs of a checkpoint; on every rank. */
typedef struct {
    size_t n_slabs;
    float *slab[3];
} state;

static void reserve(size_t n, state *s)
{
    for (int i = 0; i < 3; i++) CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof(float), &s->slab[i]) == TRB_OK);
}

static void release(state *s)
{
    for (int i = 0; i < 3; i++) trb_free(s->slab[i]);
}

static void collect(trb_comm *w, trb_exchange *x, size_t n, state *to)
{
    for (size_t i = 0; i < to->n_slabs; i++) {
        if (trb_comm_rank(w) == 0) memcpy(to->slab[i], trb_exchange_kept_slab(x, 0, i), n * sizeof *to->slab[i]);
        CHECK(trb_comm_bcast(w, to->slab[i], n * sizeof *to->slab[i], 0) == TRB_OK);
    }
}

/* In pieces that end where no segment does. */
static void go_on(trb_exchange *x, size_t n, uint64_t from, size_t slabs, const state *begin)
{
    enum { PIECE = 7777 };
    for (size_t i = 0; i < slabs; i++)
        for (size_t at = 0; at < n; at += PIECE)
            trb_exchange_put(x, i, at, n - at < PIECE ? n - at : PIECE, begin->slab[i] + at);
    trb_exchange_resume(x, from);
}

/* Steps [from, to); what the steps of `keeps` make is kept in `kept`, in turn. */
static void train(trb_comm *w, const trb_exchange_opts *how, const trb_net *net, const trb_optim *o, uint64_t from,
                  uint64_t to, const state *begin, const uint64_t keeps[2], state *kept, float *params)
{
    const size_t n = trb_net_size(net), moments = trb_optim_moments(o);
    const uint64_t P = (uint64_t)trb_comm_size(w), r = (uint64_t)trb_comm_rank(w);
    trb_exchange *x = NULL;
    trb_net_init(net, TRB_INIT_HE, 1, 0, params);
    CHECK(open_plain(w, how, net, o, LANES, STEPS, params, &x) == TRB_OK);
    if (begin != NULL) go_on(x, n, from, 1 + moments, begin);
    if (kept != NULL) CHECK(trb_exchange_keep_open(x, w, 0, 1) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    const size_t before = trb_mem_allocations();
    for (uint64_t s = from, k = 0; s < to; s++) {
        const bool keep = kept != NULL && k < 2 && s == keeps[k];
        if (keep) trb_exchange_keep(x);
        trb_exchange_wish(x, (unsigned)((r + s) % P));
        for (size_t i = 0, l = own.first; i < own.count; i++, l += own.step) {
            lane_gradient(l, s, n, trb_exchange_gradient(x));
            trb_exchange_lane_done(x);
        }
        CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
        CHECK(trb_exchange_pull(x) == TRB_OK);
        CHECK(trb_exchange_wished(x) == P - 1);
        bool through = false;
        if (kept != NULL) CHECK(trb_exchange_kept(x, &through) == TRB_OK);
        if (kept == NULL || k == 2 || s + 1 < (k == 0 ? keeps[1] : to) || s < keeps[k]) continue;
        /* By now other steps have gone over what was kept. */
        CHECK(trb_exchange_kept_wait(x) == TRB_OK);
        CHECK(trb_mem_allocations() == before);
        kept[k].n_slabs = 1 + moments;
        collect(w, x, n, &kept[k++]);
    }
    CHECK(trb_exchange_gather(x) == TRB_OK);
    trb_exchange_close(x);
}

static void go_on_anywhere(trb_comm *w)
{
    static const trb_exchange_opts ways[] = {{.kind = TRB_EXCHANGE_ORDERED},
                                             {.kind = TRB_EXCHANGE_ALLREDUCE},
                                             {.kind = TRB_EXCHANGE_SERVER, .servers = 1},
                                             {.kind = TRB_EXCHANGE_SERVER, .servers = 2}};
    static const trb_optim optimisers[] = {{.kind = TRB_OPTIM_SGD, .lr = 0.1, .total_steps = STEPS},
                                           {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .total_steps = STEPS},
                                           {.kind = TRB_OPTIM_ADAMW,
                                            .lr = 0.01,
                                            .beta1 = 0.9,
                                            .beta2 = 0.999,
                                            .eps = 1e-8,
                                            .weight_decay = 0.1,
                                            .clip = 1,
                                            .schedule = TRB_SCHEDULE_COSINE,
                                            .total_steps = STEPS}};
    static const uint64_t keeps[2] = {1, 3};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net);
    float *whole = NULL, *reference = NULL, *params = NULL;
    state kept[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) reserve(n, &kept[i]);
    CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof *whole, &whole) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof *whole, &reference) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof *whole, &params) == TRB_OK);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        for (size_t j = 0; j < sizeof optimisers / sizeof *optimisers; j++) {
            const trb_optim *o = &optimisers[j];
            if (check_plain(&ways[i], LANES, trb_comm_size(w)) != TRB_OK) continue;
            train(w, &ways[i], net, o, 0, STEPS, NULL, keeps, kept, whole);
            for (int k = 0; k < 2; k++) {
                train(w, &ways[i], net, o, 0, keeps[k] + 1, NULL, NULL, NULL, reference);
                CHECK(memcmp(kept[k].slab[0], reference, n * sizeof *reference) == 0);
                train(w, &ways[i], net, o, keeps[k] + 1, STEPS, &kept[k], NULL, NULL, params);
                CHECK(memcmp(params, whole, n * sizeof *whole) == 0);
                if (ways[i].kind == TRB_EXCHANGE_ALLREDUCE) continue;
                train(w, &ways[0], net, o, keeps[k] + 1, STEPS, &kept[k], NULL, NULL, params);
                CHECK(memcmp(params, whole, n * sizeof *whole) == 0);
            }
        }
    }
    trb_fail_clear();
    for (int i = 0; i < 2; i++) release(&kept[i]);
    trb_free(whole);
    trb_free(reference);
    trb_free(params);
    trb_net_destroy(net);
}

/* A step fails while what was kept is on its way: all close, and nobody waits. */
static void failure_behind(trb_comm *w)
{
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_ORDERED};
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net);
    float *params = NULL;
    trb_exchange *x = NULL;
    CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof *params, &params) == TRB_OK);
    CHECK(open_plain(w, &how, net, &o, LANES, STEPS, params, &x) == TRB_OK);
    CHECK(trb_exchange_keep_open(x, w, 0, 1) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    trb_status st = TRB_OK;
    for (uint64_t s = 0; st == TRB_OK; s++) {
        const bool fails = s == 1 && trb_comm_rank(w) == trb_comm_size(w) - 1;
        bool through = false;
        trb_exchange_keep(x);
        for (size_t i = 0; i < own.count; i++) {
            lane_gradient(i, s, n, trb_exchange_gradient(x));
            trb_exchange_lane_done(x);
        }
        CHECK(trb_exchange_push(x, fails ? trb_fail(TRB_EIO, "no more") : TRB_OK, 0.0) == TRB_OK);
        st = trb_exchange_pull(x);
        if (s == 0 && trb_comm_rank(w) > 0) CHECK(trb_exchange_kept(x, &through) == TRB_OK);
        if (s == 0) CHECK(trb_exchange_kept_wait(x) == TRB_OK);
    }
    CHECK(st == TRB_EIO);
    trb_exchange_close(x);
    trb_free(params);
    trb_net_destroy(net);
}

static size_t moves;

static void count_moves(void *ctx)
{
    (void)ctx;
    moves++;
}

/* A step is kept while copies of the one before are still on their way to rank 0, which is late: the others wait as
 * they do everywhere, and move other exchanges meanwhile. */
static void one_after_the_other(trb_comm *w)
{
    const trb_exchange_opts how = {.kind = TRB_EXCHANGE_ORDERED};
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9};
    trb_net *net = small_net();
    const size_t n = trb_net_size(net);
    float *params = NULL;
    trb_exchange *x = NULL;
    trb__ongoing other = {.move = count_moves};
    bool through = true;
    CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof *params, &params) == TRB_OK);
    CHECK(open_plain(w, &how, net, &o, LANES, STEPS, params, &x) == TRB_OK);
    CHECK(trb_exchange_keep_open(x, w, 0, 1) == TRB_OK);
    const trb_lanes own = trb_exchange_lanes(x);
    for (uint64_t s = 0; s < 2; s++) {
        trb_exchange_keep(x);
        for (size_t i = 0; i < own.count; i++) {
            float *gradient = trb_exchange_gradient(x);
            if (s == 1 && i == 0 && !through) CHECK(moves > 0);
            lane_gradient(i, s, n, gradient);
            trb_exchange_lane_done(x);
        }
        CHECK(trb_exchange_push(x, TRB_OK, 0.0) == TRB_OK);
        CHECK(trb_exchange_pull(x) == TRB_OK);
        if (s == 1) break;
        CHECK(trb_exchange_gather(x) == TRB_OK && trb_comm_barrier(w) == TRB_OK);
        trb__progress_add(&other);
        if (trb_comm_rank(w) == 0) (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        if (trb_comm_rank(w) > 0) CHECK(trb_exchange_kept(x, &through) == TRB_OK);
        moves = 0;
    }
    trb__progress_remove(&other);
    CHECK(trb_exchange_kept_wait(x) == TRB_OK);
    trb_exchange_close(x);
    trb_free(params);
    trb_net_destroy(net);
}

typedef struct {
    trb_exchange *x;
    size_t n, lanes, trained;
    uint64_t step; /* of what was kept last */
    int times;
    state at;
} book;

static bool ask(void *ctx, uint64_t step, size_t lanes, double loss)
{
    book *b = ctx;
    (void)step, (void)loss;
    b->lanes += lanes;
    return b->lanes > (size_t)(2 * b->times + 1) * LANES;
}

/* Whole numbers add up to the same in any order, but lr / W times W is not exact where W is 3. */
static trb_status look(void *ctx, uint64_t step)
{
    book *b = ctx;
    const double expected = -0.25 * (double)step * LANES * (LANES + 1) / 2.0;
    CHECK(step > b->step && step < STEPS && b->lanes == step * LANES);
    memcpy(b->at.slab[0], trb_exchange_kept_slab(b->x, 0, 0), b->n * sizeof *b->at.slab[0]);
    for (size_t i = 0; i < b->trained; i++) CHECK(fabs((double)b->at.slab[0][i] - expected) < 1e-4);
    b->step = step;
    return ++b->times < 2 ? TRB_OK : trb_fail(TRB_STOPPED, "enough");
}

static trb_status run_free(trb_comm *w, const trb_exchange_opts *how, const trb_net *net, uint64_t from, book *b,
                           float *params)
{
    const trb_optim o = {.kind = TRB_OPTIM_SGD, .lr = 0.25};
    trb_status st = TRB_OK;
    CHECK(open_plain(w, how, net, &o, LANES, STEPS, params, &b->x) == TRB_OK);
    CHECK(trb_exchange_keep_open(b->x, w, 0, 1) == TRB_OK);
    trb_exchange_resume(b->x, from);
    trb_lanes own = trb_exchange_lanes(b->x);
    if (own.count == 0) st = trb_exchange_serve(b->x, from == 0 ? ask : NULL, look, b);
    for (uint64_t step = 0; own.count > 0;) {
        CHECK(trb_exchange_claim(b->x, &step, &own) == TRB_OK);
        if (step == STEPS) break;
        CHECK(step >= from);
        for (size_t l = own.first; l < own.first + own.count; l++) {
            float *g = trb_exchange_gradient(b->x);
            for (size_t i = 0; i < b->n; i++) g[i] = (float)(l + 1);
            trb_exchange_lane_done(b->x);
        }
        CHECK(trb_exchange_push(b->x, TRB_OK, 0.0) == TRB_OK);
        CHECK(trb_exchange_pull(b->x) == TRB_OK);
    }
    st = trb_agree(w, st);
    if (st == TRB_OK) CHECK(trb_exchange_gather(b->x) == TRB_OK);
    trb_exchange_close(b->x);
    return st;
}

static void shares_before_a_step(trb_comm *w)
{
    trb_net *net = small_net();
    const size_t n = trb_net_size(net);
    float *params = NULL;
    CHECK(trb_alloc(TRB_MEM_OTHER, n, sizeof *params, &params) == TRB_OK);
    for (uint64_t servers = 1; servers <= 3; servers++) {
        const trb_exchange_opts how = {.kind = TRB_EXCHANGE_SERVER, .servers = servers, .staleness = TRB_UNBOUNDED};
        if (check_plain(&how, LANES, trb_comm_size(w)) != TRB_OK) continue;
        book b = {.n = n, .trained = trb_net_trained(net)};
        reserve(n, &b.at);
        memset(params, 0, n * sizeof *params);
        CHECK(run_free(w, &how, net, 0, &b, params) == TRB_STOPPED);
        trb_fail_clear();
        CHECK(trb_comm_bcast(w, &b.step, sizeof b.step, 0) == TRB_OK);
        CHECK(trb_comm_bcast(w, b.at.slab[0], n * sizeof *params, 0) == TRB_OK);
        memcpy(params, b.at.slab[0], n * sizeof *params);
        CHECK(run_free(w, &how, net, b.step, &b, params) == TRB_OK);
        const double all = 0.25 * STEPS * LANES * (LANES + 1) / 2.0;
        for (size_t i = 0; i < b.trained; i++) CHECK(fabs((double)params[i] + all) < 1e-4);
        release(&b.at);
    }
    trb_fail_clear();
    trb_free(params);
    trb_net_destroy(net);
}

int main(int argc, char **argv)
{
    static const mpi_test tests[] = {go_on_anywhere, failure_behind, one_after_the_other, shares_before_a_step};
    return run_tests(argc, argv, sizeof tests / sizeof tests[0], tests);
}
