/* The peak memory of rank 0 while a configuration's networks are trained. Rank 0 needs most, because checkpoints are
 * collected there. Trainings are opened as they will be opened, in groups whose other ranks do not exist, and the
 * counters of memory.h are read. Checkpoints and cached logits are not reserved: they are large, and their sizes follow
 * from the configuration. */
#include <math.h>
#include <string.h>

#include "checkpoint.h"
#include "tribikos/memory.h"
#include "tribikos/top.h"

/* Raise the figures of a stage to those of one of its trainings. NaN stays: if one training is unknown, so is the
 * stage. */
static void raise_to(trb_plan_stage *stage, double begin, double resume)
{
    if (isnan(stage->begin_bytes)) return;
    stage->begin_bytes = fmax(stage->begin_bytes, begin);
    stage->resume_bytes = fmax(stage->resume_bytes, resume);
}

/* Measure a training and raise the stage's figures to it. \param[in] more  bytes that are held at the same time */
static trb_status add_training(const trb__fit *f, double more, trb_plan_stage *stage)
{
    size_t bytes = 0;
    const trb_status st = trb__fit_measure(f, &bytes);
    if (st == TRB_ECONFIG) { /* so many ranks cannot share it; the training itself will report that */
        trb_fail_clear();
        stage->begin_bytes = stage->resume_bytes = NAN;
        return TRB_OK;
    }
    TRB_TRY(st);
    const size_t trained = trb__network_size(f->network), size = trb_net_size(f->network->net);
    const size_t piece = size < TRB_CHECKPOINT_PIECE ? size : TRB_CHECKPOINT_PIECE;
    const double begin = more + (double)(bytes + trb__saver_bytes(f) + trained * sizeof(float));
    const double resume = begin + (f->place->c->checkpoint.keep > 0 ? (double)(piece * sizeof(float)) : 0.0);
    raise_to(stage, begin, resume);
    return TRB_OK;
}

/* How many ranks are in the group of rank 0. */
static int group_of(const trb_config *c, size_t ranks, const trb_fit_opts *o)
{
    const size_t servers = trb_exchange_servers(&c->exchange);
    const size_t each = ranks / c->members.count, most = o->lanes + servers;
    return (int)(each < 1 ? 1 : each < most ? each : most);
}

/* Whether two members need the same memory. Most members do, and need not be measured again. */
static bool is_alike(const trb_fit_opts *a, const trb_fit_opts *b)
{
    return strcmp(a->layers, b->layers) == 0 && a->batch == b->batch && a->lanes == b->lanes &&
           a->optimizer == b->optimizer && (a->momentum > 0.0) == (b->momentum > 0.0) &&
           (a->clip > 0.0) == (b->clip > 0.0) && (a->adversarial > 0.0) == (b->adversarial > 0.0) && a->keep == b->keep;
}

static trb_status measure_member(const trb_config *c, const trb__dataset *s, size_t m, size_t ranks,
                                 trb_plan_stage *stage)
{
    const trb_fit_opts *o = &c->member[m];
    trb__place place = {.c = c};
    trb_comm *group = NULL;
    trb_net *net = NULL;
    trb__network network = {.n_parts = 0};
    trb_augment *augment = NULL;
    TRB_TRY(trb_comm_pretend(group_of(c, ranks, o), &group));
    const trb_grid grid = trb_grid_plain(group, o->lanes, trb_exchange_servers(&c->exchange));
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS);
    trb_status st = trb__member_net(c, m, &s->data, &net);
    if (st == TRB_OK) st = trb__network_open(net, NULL, &network);
    if (st == TRB_OK)
        st = trb_augment_create(&s->data, 1, &o->augment, o->seed, TRB_USE_AUGMENT, m, s->n_train, s->train, &augment);
    const double more = (double)(trb_mem_bytes(TRB_MEM_KINDS) - before);
    trb__fit fit = {.grid = &grid,
                    .opts = o,
                    .epochs = o->epochs,
                    .exchange = &c->exchange,
                    .network = &network,
                    .place = &place,
                    .samples = s,
                    .predict = trb_predict_mixture,
                    .augment = augment};
    if (st == TRB_OK) st = add_training(&fit, more, stage);
    trb_augment_destroy(augment);
    trb__network_close(&network);
    trb_comm_close(group);
    return st;
}

/* The bytes that a rank needs to keep its part of the cache, or to stream it. */
static double cached(const trb_config *c, const trb__dataset *s, const trb_student_opts *o, size_t K)
{
    const size_t top = c->cache.top, members = c->members.count / o->head_groups;
    const size_t row = c->cache.holds == TRB_SHARD_STATISTICS ? TRB_STATISTICS(K)
                       : c->cache.holds == TRB_SHARD_TOP      ? members * TRB_TOP(top, K)
                                                              : members * K;
    const size_t classes = c->cache.holds == TRB_SHARD_TOP ? members * top : 0; /* which are stored in 2 bytes */
    const double stored = (double)((row - classes) * trb_dtype_bytes(c->cache.dtype) + classes * sizeof(uint16_t));
    const double kept = (double)(o->views * s->data.n) * stored;
    const double step = (double)(o->fit.batch * row) * sizeof(float);
    return fmin(kept + step, (double)c->cache.memory);
}

/* How many of them the ranks of a node hold together: cached logits that are kept. In head groups, ranks hold parts of
 * their own. */
static double kept_together(const trb_config *c, const trb_student_opts *o, double cached_bytes)
{
    return o->head_groups > 1 || cached_bytes >= (double)c->cache.memory ? 0.0 : cached_bytes;
}

/* The bytes that rank 0 holds while it puts a network together from its parts. */
static double joining(const trb__network *n)
{
    const trb__network_part *heads = &n->part[TRB_HEADS];
    return sizeof(float) * (double)(trb_net_size(n->net) + trb__network_size(n) + heads->of * trb_net_size(heads->net));
}

static trb_status measure_student(const trb_config *c, const trb__dataset *s, size_t i, size_t K, int P,
                                  trb_plan_stage *stage)
{
    const trb_student_opts *o = &c->student[i];
    const bool copied = o->method->heads == TRB_COPIED_HEADS;
    const trb_grid_shape shape = trb__student_grid(c, i);
    trb__place place = {.c = c};
    trb_comm *world = NULL;
    trb_grid grid;
    trb_net *net = NULL;
    trb__network one = {.n_parts = 0}, many = {.n_parts = 0};
    trb_augment *views = NULL;
    TRB_TRY(trb_comm_pretend(P, &world));
    trb_status st = trb_grid_pretend(world, &shape, &grid);
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS), first = trb_method_heads(o->method, 1, c->members.count);
    if (st == TRB_OK) st = trb__student_net(c, i, &s->data, first, &net);
    if (st == TRB_OK) st = trb__network_open(net, NULL, &one);
    if (st == TRB_OK && copied) st = trb__student_net(c, i, &s->data, c->members.count, &net);
    if (st == TRB_OK && copied) st = trb__network_open(net, grid.row != NULL ? &grid : NULL, &many);
    if (st == TRB_OK) st = trb__views_create(c, s, o->views, &views);
    const double logits = cached(c, s, o, K);
    double more = logits + (double)(trb_mem_bytes(TRB_MEM_KINDS) - before);
    stage->shared_bytes = kept_together(c, o, logits);
    trb__fit fit = {.grid = &grid,
                    .opts = &o->fit,
                    .epochs = o->phase1_epochs + (copied ? 0 : o->fit.epochs),
                    .exchange = &c->exchange,
                    .network = &one,
                    .place = &place,
                    .samples = s,
                    .predict = trb_predict_mixture,
                    .augment = views,
                    .views = o->views};
    if (st == TRB_OK) st = add_training(&fit, more, stage);
    if (st == TRB_OK && copied) {
        more += (double)trb_net_size(one.net) * sizeof(float); /* the parameters of phase 1 stay in memory */
        fit.epochs = o->fit.epochs;
        fit.network = &many;
        st = add_training(&fit, more, stage);
        if (many.n_parts > 1) raise_to(stage, more + joining(&many), more + joining(&many));
    }
    trb_augment_destroy(views);
    trb__network_close(&one);
    trb__network_close(&many);
    trb_grid_close(&grid);
    trb_comm_close(world);
    return st;
}

trb_status trb__plan_memory(const trb_config *c, const trb__dataset *s, size_t K, size_t ranks, trb_plan_stage *members,
                            trb_plan_stage *students)
{
    const double held = (double)trb_mem_bytes(TRB_MEM_KINDS); /* mostly the data set */
    for (size_t m = 0; m < c->members.count; m++)
        if (m == 0 || !is_alike(&c->member[m], &c->member[m - 1])) TRB_TRY(measure_member(c, s, m, ranks, members));
    members->begin_bytes += held;
    members->resume_bytes += held;
    members->shared_bytes = held;
    for (size_t i = 0; i < c->n_students; i++) {
        TRB_TRY(measure_student(c, s, i, K, (int)ranks, &students[i]));
        students[i].begin_bytes += held;
        students[i].resume_bytes += held;
        students[i].shared_bytes += held;
    }
    return TRB_OK;
}
