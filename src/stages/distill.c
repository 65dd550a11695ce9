#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

/* A student's teachers: what the cache says of each row, step by step. In a grid a rank reads what its column's members
 * say of the row's lanes, head lane by head lane. */
typedef struct {
    const trb__method *method;
    const trb_student_opts *o;
    trb_reader *reader;
    const float *said; /* [rows of the step][said_width]: logits [M][K], or statistics */
    size_t said_width;
    bool sums;             /* they are statistics of all members */
    size_t M, of, K;       /* members that are read, of so many */
    size_t rows, row_rows; /* of a lane; of the row's lanes together */
    uint64_t steps;        /* of the training with one head */
    float T;               /* of this step */
    trb_row *row;          /* while one head follows all members together; NULL outside a grid */
    size_t columns;        /* of the row */
    float *statistics;     /* [rows][width] of a lane; in a grid [own lanes][rows][width] of the step */
    double *work;          /* [TRB_STATISTICS_WORK(K)] */
    size_t parts;          /* this rank's head lanes */
    float *part;           /* [rows][M / parts][K] */
    const trb_data *data;
    int32_t *label; /* [rows] of a lane; NULL if they have no weight */
    /* The plan's, [steps][planned_rows], and where this step's are; NULL: all rows show view 0. */
    const uint16_t *planned, *view;
    size_t planned_rows;
} teachers;

static size_t width(const teachers *t)
{
    return t->method->sets * t->K;
}

static trb_status plan(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view)
{
    teachers *t = ctx;
    t->planned = view;
    t->planned_rows = rows;
    return trb_reader_plan(t->reader, steps, sample, view);
}

/* What the members of one head lane say of a lane: [rows][M / parts][K]. */
static const float *part_of(const teachers *t, size_t at, size_t i)
{
    const size_t n = t->M / t->parts * t->K;
    const float *from = t->said + at * t->said_width + i * n;
    if (t->parts == 1) return from;
    for (size_t r = 0; r < t->rows; r++) memcpy(t->part + r * n, from + r * t->said_width, n * sizeof *from);
    return t->part;
}

/* Statistics of this rank's lanes, of which each column of the row has the part of its members. */
static trb_status gather_statistics(teachers *t, trb_status st)
{
    const size_t n = t->rows * width(t), lanes = t->row_rows / t->rows;
    for (size_t first = 0, round = 0; first < lanes; first += t->columns, round++) {
        const size_t items = lanes - first < t->columns ? lanes - first : t->columns;
        const float *sum = NULL;
        for (size_t j = 0; j < items; j++) {
            for (size_t i = 0; i < t->parts; i++) {
                float *s = trb_row_answer(t->row);
                const float *said = st == TRB_OK ? part_of(t, (first + j) * t->rows, i) : NULL;
                if (st == TRB_OK)
                    st = t->method->statistics(t->rows, t->M / t->parts, t->of, t->K, t->T, said, t->work, s);
                const trb_status answered = trb_row_answered(t->row);
                if (st == TRB_OK) st = answered;
            }
        }
        const trb_status summed = trb_row_sum(t->row, items, &sum);
        if (st == TRB_OK) st = summed;
        if (st == TRB_OK && sum != NULL) memcpy(t->statistics + round * n, sum, n * sizeof *sum);
    }
    return st;
}

static trb_status next(void *ctx, uint64_t step, trb_status st)
{
    teachers *t = ctx;
    t->T = (float)t->method->temperature(t->o, (double)step / (double)t->steps);
    t->view = t->planned;
    if (t->planned != NULL) t->planned += t->planned_rows;
    if (st == TRB_OK) st = trb_reader_next(t->reader, &t->said);
    return t->row == NULL ? st : gather_statistics(t, st);
}

/* The label is the sample's own: rows that show another view have none. */
static trb_status add_labels(const teachers *t, const trb__lane *l, size_t M, const float *z, double *loss, float *dz)
{
    if (t->label == NULL) return TRB_OK;
    for (size_t r = 0; r < l->rows; r++)
        t->label[r] = t->view == NULL || t->view[l->at + r] == 0 ? t->data->label[l->sample[r]] : -1;
    return trb_loss_add_labels(l->rows, M, t->K, l->batch, (float)t->o->label_weight, z, t->label, loss, dz);
}

/* What the loss takes of a cache's statistics. */
static void pick(const teachers *t, size_t rows, const float *said, float *s)
{
    const size_t n = t->K + (t->method->targets != NULL), from = t->method->cached * t->K;
    for (size_t r = 0; r < rows; r++) memcpy(s + r * n, said + r * t->said_width + from, n * sizeof *s);
}

static trb_status loss_of_one(void *ctx, const trb__lane *l, const float *z, double *loss, float *dz)
{
    const teachers *t = ctx;
    const trb__method *method = t->method;
    const float *said = t->said + l->at * t->said_width;
    float *s = t->statistics;
    if (t->row != NULL)
        s += l->number * l->rows * width(t);
    else if (t->sums)
        pick(t, l->rows, said, s);
    else
        TRB_TRY(method->statistics(l->rows, t->M, t->of, t->K, t->T, said, t->work, s));
    if (method->targets != NULL && !t->sums) method->targets(l->rows, t->K, s);
    TRB_TRY(method->loss(l->rows, t->K, l->batch, t->T, z, s, loss, dz));
    return add_labels(t, l, 1, z, loss, dz);
}

static trb_status loss_of_each(void *ctx, const trb__lane *l, const float *z, double *loss, float *dz)
{
    const teachers *t = ctx;
    const size_t M = t->M / t->parts;
    TRB_TRY(t->method->each(l->rows, M, t->K, l->batch, t->T, z, part_of(t, l->at, l->heads), loss, dz));
    return add_labels(t, l, M, z, loss, dz);
}

/* All that one student's training holds on this rank. */
typedef struct {
    trb_comm *world, *row, *column; /* row, column: of a grid */
    const trb_config *c;
    const trb_student_opts *o;
    const trb__samples *s;
    const trb_cache_spec *spec;
    trb_exchange_opts exchange;
    trb__reading reading, inputs;
    trb_stored_rows stored;
    teachers t;
    trb_augment *views;
    trb_jsonl *metrics;
    trb__place place;
    trb_checkpoint from;
    /* What is trained first (one head; or all, if they share their weights), copies of its head, and what it folds
     * into.
     */
    trb_net *one, *many, *plain, *matched; /* matched: the heads, spread as the members are */
    float *params_one, *params_many, *params_plain;
    /* In a grid: the body, the heads of this column, and those by head lane. */
    trb_net *body, *behind, **lane;
    float *params_body, *params_behind;
    size_t n_lanes, m0, m_count; /* this column's head lanes, and its members */
    size_t own_rows;             /* of a lane, if this rank has some */
    char label[TRB_NAME_MAX + 48];
} student;

static bool in_grid(const student *d)
{
    return d->o->head_lanes > 1;
}

static bool has_heads(const student *d)
{
    return d->t.method->heads == TRB__COPIED_HEADS;
}

static bool shares_weights(const student *d)
{
    return d->t.method->heads == TRB__SHARING_HEADS || d->t.method->heads == TRB__FOLDED_HEADS;
}

static void release(student *d)
{
    (void)trb_jsonl_close(d->metrics);
    trb_checkpoint_clear(&d->from);
    trb_augment_destroy(d->views);
    trb_row_close(d->t.row);
    for (size_t i = 0; d->lane != NULL && i < d->n_lanes; i++) trb_net_destroy(d->lane[i]);
    trb_net *const nets[] = {d->one, d->many, d->plain, d->matched, d->body, d->behind};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) trb_net_destroy(nets[i]);
    void *const blocks[] = {d->params_one,    d->params_many,  d->params_plain, d->lane,   d->params_body,
                            d->params_behind, d->t.statistics, d->t.work,       d->t.part, d->t.label};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_comm_close(d->column);
    trb_comm_close(d->row);
}

static trb_status reserve_params(const trb_net *net, float **params)
{
    return trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof **params, params);
}

/* Networks and files of this rank. */
static trb_status prepare(student *d, size_t index)
{
    const size_t K = d->spec->K, rows = d->o->fit.batch / d->o->fit.lanes;
    const int columns = (int)d->o->head_groups, r = trb_comm_rank(d->world), P = trb_comm_size(d->world);
    const trb_exchange_opts by_rows = {
        .kind = d->exchange.kind, .servers = d->exchange.servers, .staleness = d->exchange.staleness};
    const size_t lanes = trb_exchange_share(&by_rows, d->o->fit.lanes, r / columns, P / columns).count;
    const size_t own = trb_exchange_share(&d->exchange, d->o->fit.lanes, r, P).count;
    d->n_lanes = d->o->head_lanes / d->o->head_groups;
    d->m_count = d->spec->M / d->o->head_groups;
    d->m0 = (size_t)(r % columns) * d->m_count;
    const bool sums = d->spec->holds == TRB_SHARD_STATISTICS; /* then there is no grid */
    d->own_rows = own > 0 ? rows : 0;
    d->t = (teachers){.method = trb__method_of(d->o->method, d->s->data.task),
                      .o = d->o,
                      .said_width = sums ? TRB_STATISTICS(K) : d->m_count * K,
                      .sums = sums,
                      .M = d->m_count,
                      .of = d->spec->M,
                      .K = K,
                      .rows = rows,
                      .row_rows = lanes * rows,
                      .steps = (d->o->phase1_epochs + d->o->fit.epochs) * (d->s->n_train / d->o->fit.batch),
                      .columns = (size_t)columns,
                      .parts = d->n_lanes,
                      .data = &d->s->data};
    TRB_TRY(trb__student_net(d->c, index, &d->s->data, shares_weights(d) ? d->spec->M : 1, &d->one));
    TRB_TRY(reserve_params(d->one, &d->params_one));
    if (has_heads(d)) TRB_TRY(trb__student_net(d->c, index, &d->s->data, d->spec->M, &d->many));
    TRB_TRY(trb__views_create(d->c, d->s, d->o->views, &d->views));
    if (d->o->label_weight > 0.0) TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *d->t.label, &d->t.label));
    const size_t lanes_at_once = in_grid(d) ? own : 1;
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, lanes_at_once * rows * width(&d->t), sizeof *d->t.statistics, &d->t.statistics));
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, TRB_STATISTICS_WORK(K), sizeof *d->t.work, &d->t.work));
    if (in_grid(d))
        TRB_TRY(trb_alloc(TRB_MEM_CACHE, rows * d->m_count / d->n_lanes * K, sizeof *d->t.part, &d->t.part));
    if (r > 0) return TRB_OK;
    TRB_TRY(trb_mkdirs(trb__run_path(d->c, "student/%s", d->o->name).text));
    return trb_jsonl_open(trb__run_path(d->c, "student/%s/metrics.jsonl", d->o->name).text, d->from.metrics,
                          &d->metrics);
}

static trb__fit first_phase(student *d)
{
    const trb_student_opts *o = d->o;
    return (trb__fit){.opts = &o->fit,
                      .epochs = o->phase1_epochs + (has_heads(d) ? 0 : o->fit.epochs),
                      .schedule_epochs = o->phase1_epochs + (has_heads(d) && o->restart ? 0 : o->fit.epochs),
                      .stream = TRB_STUDENT_STREAM,
                      .exchange = &d->exchange,
                      .net = d->one,
                      .params = d->params_one,
                      .place = &d->place,
                      .from = &d->from,
                      .samples = d->s,
                      .augment = d->views,
                      .stored = d->stored.next == NULL ? NULL : &d->stored,
                      .views = o->views,
                      .clean = o->clean,
                      .plan = plan,
                      .next = next,
                      .loss = shares_weights(d) ? loss_of_each : loss_of_one,
                      .ctx = &d->t,
                      .metrics = d->metrics,
                      .label = d->label,
                      .phase = 1};
}

static void second_phase(student *d, trb__fit *fit)
{
    fit->first_epoch = fit->epochs;
    fit->schedule_from = d->o->restart ? 0 : fit->epochs;
    if (d->o->restart) fit->schedule_epochs = d->o->fit.epochs;
    fit->epochs = d->o->fit.epochs;
    fit->loss = loss_of_each;
    fit->phase = 2;
    (void)snprintf(d->label, sizeof d->label, "student %s, %zu heads", d->o->name, d->spec->M);
}

/* Every member's head begins as a copy of the first phase's. */
static trb_status train_whole(student *d, trb__fit *fit)
{
    trb_status st = reserve_params(d->many, &d->params_many);
    if (st == TRB_OK) st = trb_net_copy(d->one, d->params_one, d->many, 0, d->spec->M, d->params_many);
    TRB_TRY(trb_agree(d->world, st));
    fit->net = d->many;
    fit->params = d->params_many;
    return trb__fit_run(d->world, fit);
}

static trb_status cut(student *d)
{
    const size_t heads = d->m_count / d->n_lanes;
    TRB_TRY(trb_net_cut(d->many, d->m_count, &d->body, &d->behind));
    TRB_TRY(reserve_params(d->body, &d->params_body));
    TRB_TRY(reserve_params(d->behind, &d->params_behind));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, d->n_lanes, sizeof *d->lane, &d->lane));
    for (size_t i = 0; i < d->n_lanes; i++) TRB_TRY(trb_net_window(d->behind, i * heads, heads, &d->lane[i]));
    TRB_TRY(trb_net_copy(d->one, d->params_one, d->body, 0, 0, d->params_body));
    return trb_net_copy(d->one, d->params_one, d->behind, 0, d->m_count, d->params_behind);
}

/* Rank 0 puts the student together, from the columns of the first row. */
static trb_status join(student *d)
{
    const size_t n = trb_net_size(d->behind), G = (size_t)trb_comm_size(d->row);
    const bool leads = trb_comm_rank(d->world) == 0;
    float *all = NULL;
    trb_status st = TRB_OK;
    if (trb_comm_rank(d->column) > 0) return trb_agree(d->world, TRB_OK);
    if (leads) st = reserve_params(d->many, &d->params_many);
    if (st == TRB_OK && leads) st = trb_alloc(TRB_MEM_WEIGHTS, G * n, sizeof *all, &all);
    TRB_GO(trb_agree(d->world, st));
    TRB_GO(trb_comm_gather(d->row, d->params_behind, n, sizeof *all, all));
    if (!leads) goto done;
    TRB_GO(trb_net_copy(d->body, d->params_body, d->many, 0, 0, d->params_many));
    for (size_t g = 0; g < G; g++)
        TRB_GO(trb_net_copy(d->behind, all + g * n, d->many, g * d->m_count, d->m_count, d->params_many));
done:
    trb_free(all);
    return st;
}

static trb_status train_in_grid(student *d, trb__fit *fit)
{
    TRB_TRY(trb_agree(d->world, cut(d)));
    const trb__heads heads = {.row = d->row,
                              .column = d->column,
                              .net = d->behind,
                              .params = d->params_behind,
                              .lanes = d->o->head_lanes,
                              .lane = d->lane};
    fit->net = d->body;
    fit->params = d->params_body;
    fit->heads = &heads;
    d->place.net = d->many;
    TRB_TRY(trb__fit_run(d->world, fit));
    return trb_agree(d->world, join(d));
}

/* Heads of random signs differ most; heads that are to be folded have to stay together. Fashion-MNIST, 10,000 samples,
 * 4 members, NLL of batchensemble and of latentbe, MU ratio of batchensemble to the ensemble (NLL 0.3935; kd 0.4089):
 * signs 0.4078, 2.09, 0.77; a deviation of 0.5 0.4091, 0.4613, 0.55; of 0.25 0.4077, 0.4130, 0.34; of 0.1 0.4053,
 * 0.4067, 0.24. */
static void init(student *d)
{
    const trb_fit_opts *o = &d->o->fit;
    const double own = d->t.method->heads == TRB__FOLDED_HEADS ? 0.1 : 0.0;
    const double deviation = d->o->factors > 0.0 ? d->o->factors : own;
    trb_net_init(d->one, o->init, o->seed, TRB_STUDENT_STREAM, d->params_one);
    if (deviation > 0.0) trb_net_init_factors(d->one, deviation, o->seed, TRB_STUDENT_STREAM, d->params_one);
}

static trb_status fold(student *d)
{
    TRB_TRY(trb_net_plain(d->one, &d->plain));
    TRB_TRY(reserve_params(d->plain, &d->params_plain));
    trb_net_fold(d->one, d->params_one, d->plain, d->params_plain);
    return TRB_OK;
}

static trb_status write_weights(const student *d)
{
    const trb_net *trained = has_heads(d) ? d->many : d->one;
    const trb_net *net = d->plain != NULL ? d->plain : d->matched != NULL ? d->matched : trained;
    const float *params = d->plain != NULL ? d->params_plain : has_heads(d) ? d->params_many : d->params_one;
    return trb_weights_write(trb__run_path(d->c, "student/%s/weights.h5", d->o->name).text, net, params,
                             trb__samples_norm(d->s), d->place.config, d->place.blas, NULL);
}

/* Phase 1 trains one head on all members together; phase 2 gives every member a copy of it. A student of another kind
 * is phase 1 alone, for as many epochs as both phases have, so that methods are compared at equal training. */
static trb_status train_student(student *d)
{
    init(d);
    (void)snprintf(d->label, sizeof d->label, has_heads(d) ? "student %s, one head" : "student %s", d->o->name);
    trb__fit fit = first_phase(d);
    if (d->from.phase <= 1 || !has_heads(d)) TRB_TRY(trb__fit_run(d->world, &fit));
    trb_row_close(d->t.row);
    d->t.row = NULL;
    if (has_heads(d)) {
        second_phase(d, &fit);
        TRB_TRY(in_grid(d) ? train_in_grid(d, &fit) : train_whole(d, &fit));
    }
    return TRB_OK;
}

/* With as many rows a call as a lane has, so that what did for the training does for this. */
static trb_status match_uncertainty(student *d, const trb_cache *cache, const char *who)
{
    const trb_net *net = has_heads(d) ? d->many : d->one;
    double S = 1.0;
    TRB_TRY(trb__match_uncertainty(d->world, cache, d->c->cache.memory, d->s, net,
                                   has_heads(d) ? d->params_many : d->params_one, d->t.rows, who, &S));
    return trb_agree(d->world, trb_net_respread(net, S, &d->matched));
}

static trb_status finish(student *d)
{
    trb_status st = TRB_OK;
    if (trb_comm_rank(d->world) == 0) {
        st = trb_jsonl_close(d->metrics);
        d->metrics = NULL;
        if (st == TRB_OK && d->t.method->heads == TRB__FOLDED_HEADS) st = fold(d);
        if (st == TRB_OK) st = write_weights(d);
        if (st == TRB_OK) trb_checkpoint_remove(d->place.folder.text, d->c->checkpoint.keep);
    }
    return trb_agree(d->world, st);
}

trb_status trb__student_ranks(const trb_config *c, size_t index, int ranks)
{
    const trb_student_opts *o = &c->student[index];
    trb_exchange_opts exchange = c->exchange;
    exchange.columns = o->head_groups;
    return trb_fail_of(trb_exchange_check(&exchange, o->fit.lanes, ranks), "student %s: ", o->name);
}

trb_status trb__student_check(const trb_config *c, size_t index, const trb__samples *samples, size_t M, size_t K)
{
    const trb_student_opts *o = &c->student[index];
    char who[TRB_NAME_MAX + 16];
    trb_net *net = NULL;
    (void)snprintf(who, sizeof who, "student %s", o->name);
    const trb__method *method = trb__method_of(o->method, samples->data.task);
    const trb__head_kind heads = method->heads;
    const bool several = heads != TRB__ONE_HEAD;
    TRB_TRY(trb__student_net(c, index, &samples->data, several ? M : 1, &net));
    const size_t outputs = trb_net_outputs(net);
    trb_net *body = NULL, *behind = NULL, *plain = NULL;
    trb_status st = heads == TRB__FOLDED_HEADS ? trb_fail_of(trb_net_plain(net, &plain), "%s: ", who) : TRB_OK;
    trb_net_destroy(plain);
    if (st == TRB_OK && several && o->head_lanes > 1)
        st = trb_fail_of(trb_net_cut(net, 1, &body, &behind), "%s: head_lanes above 1: ", who);
    int fits = 0; /* rank 0 gathers all heads in the end */
    if (st == TRB_OK && behind != NULL)
        st = trb_fail_of(trb_to_int(trb_net_size(behind) * M, &fits), "%s: head_lanes above 1: ", who);
    trb_net_destroy(body);
    trb_net_destroy(behind);
    trb_net_destroy(net);
    TRB_TRY(st);
    if (outputs != K) return trb_fail(TRB_ECONFIG, "%s has %zu outputs, the members have %zu", who, outputs, K);
    if (method->dirichlet != TRB_DIRICHLET_NONE && K < 2)
        return trb_fail(TRB_ECONFIG, "%s: method %s fits a distribution over 2 or more classes, got %zu output", who,
                        method->name, K);
    return trb__fit_check(&o->fit, samples, who);
}

/* What is known before the first student is trained: whether each can be, and whether it is there already. Rank 0 locks
 * those that are not. */
static trb_status check_students(trb_comm *world, const trb_config *c, const trb__samples *s,
                                 const trb_cache_spec *spec, uint64_t *found, trb_lock **lock)
{
    size_t left = 0;
    for (size_t i = 0; i < c->n_students; i++) {
        bool there = false;
        char folder[TRB_NAME_MAX + 16], *config = NULL;
        TRB_TRY(trb__student_check(c, i, s, spec->M, spec->K));
        TRB_TRY(trb__student_ranks(c, i, trb_comm_size(world)));
        if (trb_comm_rank(world) != 0) continue;
        TRB_TRY(trb__student_text(c, i, &s->data, spec, &config));
        (void)snprintf(folder, sizeof folder, "student/%s", c->student[i].name);
        const trb_status st = trb__lock_missing(c, folder, config, lock, &there);
        trb_free(config);
        TRB_TRY(st);
        found[i] = there;
        if (there) trb_info("distill: student %s is there already", c->student[i].name);
        if (there)
            trb_checkpoint_remove(trb__run_path(c, "student/%s/checkpoint", c->student[i].name).text,
                                  c->checkpoint.keep);
        left += !there;
    }
    return left == 0 ? TRB_OK : trb__resume_check(c, left);
}

/* What has been read of the cache, which with head groups is less. */
static trb_status report_reading(const student *d)
{
    const size_t P = (size_t)trb_comm_size(d->world);
    double *all = NULL, most = 0.0, total = 0.0;
    TRB_TRY(trb_agree(d->world, trb_alloc(TRB_MEM_OTHER, P, sizeof *all, &all)));
    const double mine = (d->reading.reader == NULL ? 0.0 : (double)trb_reader_read(d->reading.reader)) +
                        (d->inputs.reader == NULL ? 0.0 : (double)trb_reader_read(d->inputs.reader));
    const trb_status st = trb_comm_allgather(d->world, &mine, 1, all);
    for (size_t r = 0; st == TRB_OK && r < P; r++) {
        total += all[r];
        most = all[r] > most ? all[r] : most;
    }
    trb_free(all);
    if (st == TRB_OK)
        trb_info("student %s: %.1f MB of the cache were read, by a rank up to %.1f MB", d->o->name, total * 1e-6,
                 most * 1e-6);
    return st;
}

/* What members say and the stored inputs share `cache.memory`. Collective over world; the status is agreed. */
static trb_status open_readings(student *d, const trb_cache *cache)
{
    const int column = trb_comm_rank(d->world) % (int)d->o->head_groups;
    const trb_selection said = {d->spec->holds, d->o->views, d->m0, d->m_count};
    const size_t memory = d->c->cache.memory, for_inputs = trb__inputs_share(cache, said, memory);
    trb_status st = trb__reading_open(d->world, column, cache, said, d->t.row_rows, memory - for_inputs, &d->reading);
    if (st == TRB_OK)
        st = trb__inputs_open(d->world, cache, d->o->views, d->own_rows, for_inputs, &d->inputs, &d->stored);
    if (st != TRB_ECONFIG) return st;
    return trb_fail_of(st, "`cache.memory`, of whose %zu bytes %zu are for %s and %zu for stored inputs: ", memory,
                       memory - for_inputs, trb_shard_kind_name(said.kind), for_inputs);
}

/* \param[in] makers  who computes it, and who has computed the cache */
static trb_status distill(trb_comm *world, const trb_config *c, const trb__samples *s, const trb_cache *cache,
                          const char *makers, size_t i)
{
    const trb_student_opts *o = &c->student[i];
    const int G = (int)o->head_groups, r = trb_comm_rank(world);
    student d = {.world = world, .c = c, .o = o, .s = s, .spec = trb_cache_spec_of(cache), .exchange = c->exchange};
    char who[TRB_NAME_MAX + 16];
    (void)snprintf(who, sizeof who, "student %s", o->name);
    d.exchange.columns = o->head_groups;
    d.place = (trb__place){.c = c, .folder = trb__run_path(c, "student/%s/checkpoint", o->name), .who = who};
    trb_status st = trb_fail_of(trb_stop_check(), "before %s: ", who);
    if (st == TRB_OK) st = trb__student_text(c, i, &s->data, d.spec, &d.place.config);
    if (st == TRB_OK) st = trb_strdup(makers, &d.place.blas);
    TRB_GO(trb_agree(world, st));
    if (r == 0) trb_folder_sweep(trb__run_path(c, "student/%s", o->name).text);
    if (r == 0) trb_folder_sweep(d.place.folder.text);
    TRB_GO(trb__checkpoint_find(world, c, &d.place, &d.from));
    TRB_GO(trb_agree(world, prepare(&d, i)));
    TRB_GO(open_readings(&d, cache));
    d.t.reader = d.reading.reader;
    if (in_grid(&d)) {
        TRB_GO(trb_comm_split(world, r / G, &d.row));
        TRB_GO(trb_comm_split(world, r % G, &d.column));
        st = trb_row_open(d.row, o->head_lanes, d.t.rows * width(&d.t), &d.t.row);
        TRB_GO(trb_agree(world, st));
    }
    TRB_GO(train_student(&d));
    TRB_GO(report_reading(&d));
    st = trb__reading_close(&d.reading);
    const trb_status also = trb__reading_close(&d.inputs);
    TRB_GO(trb_agree(world, st != TRB_OK ? st : also));
    if (o->match_uncertainty && (has_heads(&d) || d.t.method->heads == TRB__SHARING_HEADS))
        TRB_GO(match_uncertainty(&d, cache, who));
    st = finish(&d);
done:
    (void)trb__reading_close(&d.reading);
    (void)trb__reading_close(&d.inputs);
    release(&d);
    trb_free(d.place.config);
    trb_free(d.place.blas);
    return st;
}

trb_status trb_stage_distill(trb_comm *world, const trb_config *c)
{
    trb__samples s = {0};
    trb_cache *cache = NULL;
    uint64_t *found = NULL;
    char *makers = NULL;
    trb_lock *lock = NULL;
    TRB_TRY(trb__samples_load(world, c, &s));
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->n_students, sizeof *found, &found);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__cache_open(world, c, &s.data, &cache));
    st = check_students(world, c, &s, trb_cache_spec_of(cache), found, &lock);
    TRB_GO(trb__lock_share(world, c, st, &lock));
    TRB_GO(trb_comm_bcast(world, found, c->n_students * sizeof *found, 0));
    size_t first = 0;
    while (first < c->n_students && found[first]) first++;
    st = trb_strdup(trb_blas_name(), &makers);
    if (st == TRB_OK && first < c->n_students)
        st = trb__makers(trb_cache_dir(cache), trb_cache_blas(cache), trb_cache_processor(cache), &makers);
    TRB_GO(trb_agree(world, st));
    for (size_t i = first; i < c->n_students; i++)
        if (!found[i]) TRB_GO(distill(world, c, &s, cache, makers, i));
done:
    trb_free(makers);
    trb_lock_close(lock);
    trb_free(found);
    trb_cache_close(cache);
    trb__samples_clear(&s);
    return st;
}
