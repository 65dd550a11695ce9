/* The stage that predicts what a configuration will need, before anything is written. Sizes follow from the layout of
 * files, times from a few calls of the configured networks with random weights. */
#include <math.h>
#include <string.h>

#include "space.h"
#include "steps.h"
#include "tribikos/clock.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"

/* A call is repeated for MEASURE_S seconds and at least CALLS times, but only twice if that takes more than LONG_S
 * seconds. */
static const double MEASURE_S = 0.05, LONG_S = 0.5;
enum { GRADIENT_ROWS = 64, CALLS = 4 };

/* Kinds of calls: logits, steps of a training, gradients with respect to the inputs. */
typedef enum { INFERS, TRAINS, FOLLOWS } kind;

/* Times of one network in one kind of call. Most members have the same layers, so each time is measured once. */
typedef struct {
    uint64_t layers; /* digest of its list */
    size_t heads, rows;
    kind kind;
    double call_s, update_s; /* a call of `rows` rows; one update of all parameters, if it trains */
} timing;

typedef struct {
    const trb_config *c;
    const trb_data *data;
    timing *known;
    size_t n_known;
    trb_progress progress; /* counts networks: members, then students */
} meter;

static trb_status time_call(const trb_net *net, trb_work *work, const float *params, const timing *t, const float *x,
                            const int64_t *sample, const float *dz, float *grad, float *dx)
{
    const trb_draw draw = {.seed = 1, .sample = sample};
    const float *z = NULL;
    TRB_TRY(trb_net_forward(net, work, params, t->rows, x, t->kind == TRAINS ? &draw : NULL, &z));
    return t->kind == INFERS ? TRB_OK : trb_net_backward(net, work, params, dz, grad, dx);
}

/* Time an update by Adam, the most expensive optimiser. */
static void time_update(const trb_net *net, float *slabs, timing *t)
{
    const size_t n = trb_net_size(net);
    const trb_optim adam = {.kind = TRB_OPTIM_ADAM,
                            .lr = 1e-9,
                            .beta1 = 0.9,
                            .beta2 = 0.999,
                            .eps = 1e-8,
                            .total_steps = CALLS,
                            .lanes = 1};
    t->update_s = HUGE_VAL; /* the shortest time counts, as for calls */
    for (uint64_t i = 1; i <= CALLS; i++) {
        const double start = trb_busy_s();
        trb_optim_update(&adam, net, i, 1.0F, 0, n, slabs, slabs + n, slabs + 2 * n, slabs + 3 * n);
        t->update_s = fmin(t->update_s, trb_busy_s() - start);
    }
}

static trb_status time_calls(const trb_net *net, timing *t)
{
    trb_status st = TRB_OK;
    trb_work *work = NULL;
    float *slabs = NULL, *x = NULL, *dz = NULL, *dx = NULL; /* slabs: parameters, gradient, two moments */
    const bool trains = t->kind == TRAINS;
    int64_t *sample = NULL;
    trb_rng rng = trb_rng_open(1, TRB_USE_TEST, 0, 0, 0);
    const size_t n = trb_net_size(net), D = trb_net_inputs(net), outputs = trb_net_heads(net) * trb_net_outputs(net);
    TRB_GO(trb_alloc(TRB_MEM_WEIGHTS, trains ? 4 * n : n, sizeof *slabs, &slabs));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, t->rows * D, sizeof *x, &x));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, t->rows * outputs, sizeof *dz, &dz));
    if (t->kind == FOLLOWS) TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, t->rows * D, sizeof *dx, &dx));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, t->rows, sizeof *sample, &sample));
    TRB_GO(trb_work_create(net, t->rows, t->kind != INFERS, &work));
    trb_net_init(net, TRB_INIT_HE, 1, 0, slabs);
    for (size_t i = 0; i < t->rows * D; i++) x[i] = trb_rng_uniform(&rng);
    for (size_t i = 0; i < t->rows * outputs; i++) dz[i] = 1e-3F * trb_rng_uniform(&rng);
    /* The shortest time counts, and never the first call alone, in which oneDNN generates its kernels (0.3 s and more).
     * Busy time of this thread is measured instead of wall time, because other programs may compute on the same
     * machine, as on a login node. With several threads, this one does its own part and then waits actively for the
     * others. */
    const double begun = trb_now_s();
    t->call_s = HUGE_VAL;
    for (size_t i = 0; i < CALLS || trb_now_s() - begun < MEASURE_S; i++) {
        const double start = trb_busy_s();
        TRB_GO(time_call(net, work, slabs, t, x, sample, dz, trains ? slabs + n : NULL, dx));
        t->call_s = fmin(t->call_s, trb_busy_s() - start);
        if (i > 0 && trb_now_s() - begun > LONG_S) break;
    }
    if (trains) time_update(net, slabs, t);
done:
    trb_work_destroy(work);
    trb_free(sample);
    trb_free(dx);
    trb_free(dz);
    trb_free(x);
    trb_free(slabs);
    return st;
}

/* The times of a network in one kind of call. \param[out] t  measured now or before */
static trb_status measure(meter *k, const trb_net *net, size_t rows, kind kind, timing *t)
{
    *t =
        (timing){.layers = trb_hash_text(trb_net_layers(net)), .heads = trb_net_heads(net), .rows = rows, .kind = kind};
    for (size_t i = 0; i < k->n_known; i++) {
        const timing *is = &k->known[i];
        if (is->layers != t->layers || is->heads != t->heads || is->rows != rows || is->kind != kind) continue;
        *t = *is;
        return TRB_OK;
    }
    TRB_TRY(time_calls(net, t));
    k->known[k->n_known++] = *t;
    return TRB_OK;
}

/* Seconds that one rank needs for `epochs` epochs of a network. */
static double training_s(const meter *k, const trb_fit_opts *o, const timing *t, double epochs)
{
    const uint64_t n_train = k->data->n - k->c->data.validation;
    const double passes = o->adversarial > 0.0 ? 2.0 : 1.0; /* for each lane */
    return epochs * (double)(n_train / o->batch) * (passes * (double)o->lanes * t->call_s + t->update_s);
}

/* If n equal pieces of work are divided among `ranks` ranks: the share of the whole that the busiest rank has. */
static double busiest_share(double n, double ranks)
{
    return ceil(n / ranks) / n;
}

static trb_status plan_members(meter *k, size_t ranks, trb_plan *p)
{
    const trb_config *c = k->c;
    const double M = (double)c->members.count, N = (double)k->data->n;
    trb_plan_stage *train = &p->stage[0], *inputs = &p->stage[1], *logits = &p->stage[2];
    size_t stored = 0;
    for (size_t v = 0; v < p->n_views; v++) stored += p->view[v].stored;
    for (size_t m = 0; m < c->members.count; m++) {
        const trb_fit_opts *o = &c->member[m];
        const double each = (double)ranks / M, lanes = (double)o->lanes;
        trb_net *net = NULL;
        timing trains = {0}, gives = {0}, follows = {0};
        trb_progress_update(&k->progress, m, "");
        TRB_TRY(trb__member_net(c, m, k->data, &net));
        trb_status st = measure(k, net, o->batch / o->lanes, TRAINS, &trains);
        if (st == TRB_OK) st = measure(k, net, c->cache.block, INFERS, &gives);
        if (st == TRB_OK && stored > 0) st = measure(k, net, GRADIENT_ROWS, FOLLOWS, &follows);
        trb_net_destroy(net);
        TRB_TRY(st);
        const double alone = training_s(k, o, &trains, (double)o->epochs);
        train->one_s += alone;
        /* Several ranks for each member, or several members for each rank. */
        train->all_s += each >= 1.0 ? alone * busiest_share(lanes, fmin(floor(each), lanes)) / M
                                    : alone * busiest_share(M, (double)ranks);
        logits->one_s += (double)c->cache.views * N * gives.call_s / (double)c->cache.block;
        inputs->one_s += (double)stored * N * follows.call_s / (double)GRADIENT_ROWS / M; /* a block needs one member */
    }
    const double shards = ceil(N / (double)c->cache.shard_rows);
    const double units = (double)c->cache.views * shards * (c->cache.holds == TRB_SHARD_STATISTICS ? 1.0 : M);
    logits->all_s = logits->one_s * busiest_share(units, (double)ranks);
    if (stored > 0) inputs->all_s = inputs->one_s * busiest_share((double)stored * shards, (double)ranks);
    return TRB_OK;
}

/* Add the seconds of `epochs` epochs of student s with `heads` heads. */
static trb_status add_epochs(meter *k, size_t s, size_t heads, uint64_t epochs, double *seconds)
{
    const trb_fit_opts *o = &k->c->student[s].fit;
    trb_net *net = NULL;
    timing t = {0};
    if (epochs == 0) return TRB_OK;
    TRB_TRY(trb__student_net(k->c, s, k->data, heads, &net));
    const trb_status st = measure(k, net, o->batch / o->lanes, TRAINS, &t);
    trb_net_destroy(net);
    *seconds += training_s(k, o, &t, (double)epochs);
    return st;
}

static trb_status plan_student(meter *k, size_t s, size_t ranks, trb_plan_stage *stage)
{
    const trb_student_opts *o = &k->c->student[s];
    const size_t M = k->c->members.count;
    TRB_TRY(add_epochs(k, s, trb_method_heads(o->method, 1, M), o->phase1_epochs, &stage->one_s));
    TRB_TRY(add_epochs(k, s, trb_method_heads(o->method, 2, M), o->fit.epochs, &stage->one_s));
    /* With head groups, the columns of a row share its lanes, so at most as many ranks as lanes compute. */
    stage->all_s = stage->one_s * busiest_share((double)o->fit.lanes, fmin((double)ranks, (double)o->fit.lanes));
    (void)snprintf(stage->name, sizeof stage->name, "distill %s", o->name);
    return TRB_OK;
}

static trb_status plan_views(const trb_config *c, const trb_data *data, size_t K, trb_plan *p)
{
    trb_cache_spec spec = trb__run_cache_spec(c, data);
    trb_view *view = NULL;
    TRB_TRY(trb__views(c, data, &view));
    spec.K = K;
    spec.view = view;
    for (size_t v = 0; v < spec.V; v++) {
        trb_plan_view *to = &p->view[v];
        to->stored = view[v].stored;
        if (v > 0)
            trb_recipe_text(&c->cache.recipe[(v - 1) % c->cache.n_recipes], to->recipe);
        else
            (void)snprintf(to->recipe, sizeof to->recipe, "%s", view[v].recipe);
    }
    for (size_t i = 0; i < trb_cache_units(&spec); i++) {
        const trb_cache_unit u = trb_cache_unit_at(&spec, i);
        p->view[u.view].files++;
        p->view[u.view].bytes += trb__unit_bytes(&spec, u);
    }
    trb_free(view);
    return TRB_OK;
}

/* The plan may be made on another machine than the run, so a small disk gives a warning only, and so does a memory that
 * other ranks may have. */
static trb_status warn_of_space(const trb_config *c, const trb__dataset *s, size_t K, size_t ranks)
{
    trb_status st = trb__space_check(c, s, K);
    if (st == TRB_OK) st = trb__memory_check(c, s, ranks);
    if (st != TRB_ECONFIG) return st;
    trb_warn("`run` would refuse this here: %s", trb_fail_message());
    trb_fail_clear();
    return TRB_OK;
}

static trb_status plan_stages(const trb_config *c, const trb__dataset *s, size_t ranks, trb_plan *p)
{
    enum { BEFORE = 3 };
    meter k = {.c = c, .data = &s->data};
    size_t K = 0;
    TRB_TRY(trb__common_outputs(c, &s->data, &K));
    TRB_TRY(warn_of_space(c, s, K, ranks));
    p->ranks = ranks;
    p->node_ranks = trb_comm_node_ranks(ranks, (size_t)c->math.threads);
    p->samples = s->data.n;
    p->n_views = c->cache.views;
    p->n_stages = BEFORE + c->n_students;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, p->n_views, sizeof *p->view, &p->view));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, p->n_stages, sizeof *p->stage, &p->stage));
    TRB_TRY(plan_views(c, &s->data, K, p));
    (void)strcpy(p->stage[0].name, "train");
    const trb_shard_kind kinds[] = {TRB_SHARD_INPUTS, c->cache.holds};
    for (size_t i = 0; i < 2; i++)
        (void)snprintf(p->stage[1 + i].name, sizeof p->stage[1 + i].name, "cache, %s", trb_shard_kind_name(kinds[i]));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 3 * c->members.count + 2 * c->n_students, sizeof *k.known, &k.known));
    TRB_TRY(trb__steps_say_members(c, s, c->members.only));
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(trb__steps_say_student(c, i, s, c->members.count));
    trb_progress_begin(&k.progress, c->members.count + c->n_students, "networks", "plan");
    trb_status st = plan_members(&k, ranks, p);
    for (size_t i = 0; i < c->n_students && st == TRB_OK; i++) {
        trb_progress_update(&k.progress, c->members.count + i, "");
        st = plan_student(&k, i, ranks, &p->stage[BEFORE + i]);
    }
    trb_free(k.known);
    if (st == TRB_OK) st = trb__plan_memory(c, s, K, ranks, &p->stage[0], &p->stage[BEFORE]);
    TRB_TRY(st);
    k.progress.done = k.progress.total;
    trb_progress_end(&k.progress, "");
    return TRB_OK;
}

/* A number of ranks that does not fit gives a warning only: each stage is a job of its own and may get other ranks. */
static void warn_of_ranks(const trb_config *c, size_t ranks)
{
    for (size_t i = 0; i < c->n_students; i++)
        if (trb__student_ranks(c, i, (int)ranks) != TRB_OK) {
            trb_warn("on so many ranks `distill` refuses %s", trb_fail_message());
            trb_fail_clear();
        }
}

trb_status trb_stage_plan(trb_comm *world, const trb_config *c, size_t ranks, trb_plan *out)
{
    trb__dataset s = {0};
    const size_t P = ranks == 0 ? (size_t)trb_comm_size(world) : ranks;
    *out = (trb_plan){0};
    TRB_TRY(trb__images_ready(world, c, false, false));
    TRB_TRY(trb__images_ready(world, c, true, false));
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_NEEDED, &s));
    trb_status st = trb__check(world, c, &s);
    if (st == TRB_OK) warn_of_ranks(c, P);
    if (st == TRB_OK) st = trb_agree(world, plan_stages(c, &s, P, out));
    trb__dataset_clear(&s);
    if (st != TRB_OK) trb_plan_clear(out);
    return st;
}

void trb_plan_clear(trb_plan *p)
{
    trb_free(p->view);
    trb_free(p->stage);
    *p = (trb_plan){0};
}
