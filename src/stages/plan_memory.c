/* What rank 0 will hold at most while a configuration's networks are trained. It holds most: checkpoints are collected
 * there. Trainings are opened as they will be, in groups without others, and the counters of memory.h are read; what
 * would only be larger than it is dear, checkpoints and cached logits, follows from its sizes. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"

/* What is not known of one of its trainings is not known of a stage. */
static void raise_to(trb_plan_stage *stage, double begin, double resume)
{
    if (isnan(stage->begin_bytes)) return;
    stage->begin_bytes = fmax(stage->begin_bytes, begin);
    stage->resume_bytes = fmax(stage->resume_bytes, resume);
}

/* A training of some network on P ranks. \param[in] more  held besides */
static trb_status add_training(trb__fit *f, int P, size_t columns, double more, trb_plan_stage *stage)
{
    const size_t trained = trb_net_size(f->net) + (f->heads == NULL ? 0 : trb_net_size(f->heads->net));
    size_t bytes = 0;
    const trb_status st = trb__fit_measure(f, P, &bytes);
    if (st == TRB_ECONFIG) { /* so many ranks cannot share it, which the training itself says */
        trb_fail_clear();
        stage->begin_bytes = stage->resume_bytes = NAN;
        return TRB_OK;
    }
    TRB_TRY(st);
    const size_t size = trb_net_size(f->place->net != NULL ? f->place->net : f->net);
    const size_t piece = size < TRB_CHECKPOINT_PIECE ? size : TRB_CHECKPOINT_PIECE;
    const double begin = more + (double)(bytes + trb__saver_bytes(f, columns) + trained * sizeof(float));
    const double resume = begin + (f->place->c->checkpoint.keep > 0 ? (double)(piece * sizeof(float)) : 0.0);
    raise_to(stage, begin, resume);
    return TRB_OK;
}

/* Ranks of the group that rank 0 is in. */
static int group_of(const trb_config *c, size_t ranks, const trb_fit_opts *o)
{
    const size_t servers = c->exchange.kind == TRB_EXCHANGE_SERVER ? (size_t)c->exchange.servers : 0;
    const size_t each = ranks / c->members.count, most = o->lanes + servers;
    return (int)(each < 1 ? 1 : each < most ? each : most);
}

/* Most members take as much as the one before. */
static bool is_alike(const trb_fit_opts *a, const trb_fit_opts *b)
{
    return strcmp(a->layers, b->layers) == 0 && a->batch == b->batch && a->lanes == b->lanes &&
           a->optimizer == b->optimizer && (a->momentum > 0.0) == (b->momentum > 0.0) &&
           (a->clip > 0.0) == (b->clip > 0.0) && (a->adversarial > 0.0) == (b->adversarial > 0.0);
}

static trb_status measure_member(const trb_config *c, const trb__samples *s, size_t m, size_t ranks,
                                 trb_plan_stage *stage)
{
    const trb_fit_opts *o = &c->member[m];
    trb__place place = {.c = c};
    trb_net *net = NULL;
    trb_augment *augment = NULL;
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS);
    trb_status st = trb__member_net(c, m, &s->data, &net);
    if (st == TRB_OK)
        st = trb_augment_create(&s->data, 1, &o->augment, o->seed, TRB_USE_AUGMENT, m, s->n_train, s->train, &augment);
    const double more = (double)(trb_mem_bytes(TRB_MEM_KINDS) - before);
    trb__fit fit = {.opts = o,
                    .epochs = o->epochs,
                    .exchange = &c->exchange,
                    .net = net,
                    .place = &place,
                    .samples = s,
                    .augment = augment};
    if (st == TRB_OK) st = add_training(&fit, group_of(c, ranks, o), 1, more, stage);
    trb_augment_destroy(augment);
    trb_net_destroy(net);
    return st;
}

/* What a rank keeps of the cache, or streams with. */
static double cached(const trb_config *c, const trb__samples *s, const trb_student_opts *o, size_t K)
{
    const bool statistics = c->cache.holds == TRB_SHARD_STATISTICS;
    const size_t row = statistics ? TRB_STATISTICS(K) : c->members.count / o->head_groups * K;
    const double kept = (double)(o->views * s->data.n * row) * (double)trb_dtype_bytes(c->cache.dtype);
    const double step = (double)(o->fit.batch * row) * sizeof(float);
    return fmin(kept + step, (double)c->cache.memory);
}

/* The second phase of heads that are shared among G columns. */
static trb_status measure_grid(trb__fit *f, const trb_student_opts *o, const trb_net *many, int P, double more,
                               trb_plan_stage *stage)
{
    const size_t M = trb_net_heads(many), G = o->head_groups, n_lanes = o->head_lanes / G, heads = M / o->head_lanes;
    trb_net *body = NULL, *behind = NULL, **lane = NULL;
    trb_comm *row = NULL, *column = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_comm_pretend((int)G, &row));
    TRB_GO(trb_comm_pretend(P / (int)G > 0 ? P / (int)G : 1, &column));
    TRB_GO(trb_net_cut(many, M / G, &body, &behind));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n_lanes, sizeof *lane, &lane));
    for (size_t i = 0; i < n_lanes; i++) TRB_GO(trb_net_window(behind, i * heads, heads, &lane[i]));
    const trb__heads half = {.row = row, .column = column, .net = behind, .lanes = o->head_lanes, .lane = lane};
    f->net = body;
    f->heads = &half;
    f->place->net = many;
    TRB_GO(add_training(f, P, G, more, stage));
    /* In the end rank 0 puts the student together. */
    const double joined =
        more + sizeof(float) * (double)(trb_net_size(body) + trb_net_size(many) + (G + 1) * trb_net_size(behind));
    raise_to(stage, joined, joined);
done:
    for (size_t i = 0; lane != NULL && i < n_lanes; i++) trb_net_destroy(lane[i]);
    trb_free(lane);
    trb_net_destroy(body);
    trb_net_destroy(behind);
    trb_comm_close(row);
    trb_comm_close(column);
    return st;
}

static trb_status measure_student(const trb_config *c, const trb__samples *s, size_t i, size_t K, int P,
                                  trb_plan_stage *stage)
{
    const trb_student_opts *o = &c->student[i];
    const trb__head_kind heads = trb__method_of(o->method, s->data.task)->heads;
    const bool copied = heads == TRB__COPIED_HEADS;
    trb_exchange_opts exchange = c->exchange;
    trb__place place = {.c = c};
    trb_net *one = NULL, *many = NULL;
    trb_augment *views = NULL;
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS), first = heads == TRB__ONE_HEAD || copied ? 1 : c->members.count;
    exchange.columns = o->head_groups;
    trb_status st = trb__student_net(c, i, &s->data, first, &one);
    if (st == TRB_OK && copied) st = trb__student_net(c, i, &s->data, c->members.count, &many);
    if (st == TRB_OK) st = trb__views_create(c, s, o->views, &views);
    double more = cached(c, s, o, K) + (double)(trb_mem_bytes(TRB_MEM_KINDS) - before);
    trb__fit fit = {.opts = &o->fit,
                    .epochs = o->phase1_epochs + (copied ? 0 : o->fit.epochs),
                    .exchange = &exchange,
                    .net = one,
                    .place = &place,
                    .samples = s,
                    .augment = views,
                    .views = o->views};
    if (st == TRB_OK) st = add_training(&fit, P, 1, more, stage);
    if (st == TRB_OK && copied) {
        more += (double)trb_net_size(one) * sizeof(float); /* the first phase's stay */
        fit.epochs = o->fit.epochs;
        fit.net = many;
        st = o->head_lanes > 1 ? measure_grid(&fit, o, many, P, more, stage) : add_training(&fit, P, 1, more, stage);
    }
    trb_augment_destroy(views);
    trb_net_destroy(one);
    trb_net_destroy(many);
    return st;
}

trb_status trb__plan_memory(const trb_config *c, const trb__samples *s, size_t K, size_t ranks, trb_plan_stage *members,
                            trb_plan_stage *students)
{
    const double held = (double)trb_mem_bytes(TRB_MEM_KINDS); /* the data set, and little else */
    for (size_t m = 0; m < c->members.count; m++)
        if (m == 0 || !is_alike(&c->member[m], &c->member[m - 1])) TRB_TRY(measure_member(c, s, m, ranks, members));
    members->begin_bytes += held;
    members->resume_bytes += held;
    for (size_t i = 0; i < c->n_students; i++) {
        TRB_TRY(measure_student(c, s, i, K, (int)ranks, &students[i]));
        students[i].begin_bytes += held;
        students[i].resume_bytes += held;
    }
    return TRB_OK;
}
