#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "report.h"
#include "tribikos/clock.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

/* A network under evaluation. */
typedef struct {
    trb_net *net;
    float *params;
    trb_work *work;
    double seconds; /* this rank's forward passes */
} model;

/* What is evaluated: which rows, which networks, and this rank's run of blocks. */
typedef struct {
    const trb_config *c;
    const trb_data *trained_on;
    const char *followed; /* how a student's text must end: the members that are there; "" if they are not known */
    const trb_data *data; /* the set that `id` counts in */
    int64_t *id;          /* [n] rows to evaluate */
    size_t n, batch, blocks, first, count, bins;
    size_t M, S, K;   /* members, students, outputs */
    model *member;    /* [M]; NULL if the members' logits come from the cache */
    model *student;   /* [S] */
    trb_cache *cache; /* or NULL */
    trb__reading reading;
    int64_t *plan; /* [count][batch] */
} evaluation;

/* Results of this rank's blocks: sums [count][n_sums] and predictions [rows][width] a model. */
typedef struct {
    double *sums;
    size_t width;
    float *p;
} result;

/* The truth of a block's rows: labels or targets. */
typedef struct {
    int32_t *label;
    float *target;
} truth;

static bool is_regression(const evaluation *e)
{
    return e->data->task == TRB_TASK_REGRESSION;
}

static size_t n_sums(const evaluation *e)
{
    return is_regression(e) ? TRB_METRIC_GAUSSIAN_SUMS : TRB_METRIC_SUMS;
}

/* What is kept of a prediction: the mean probabilities, or all Gaussians of the mixture. */
static size_t width_of(const evaluation *e, size_t heads)
{
    return is_regression(e) ? heads * e->K : e->K;
}

static size_t heads_of(const evaluation *e, size_t i)
{
    return i < e->M ? 1 : i == e->M ? e->M : trb_net_heads(e->student[i - e->M - 1].net);
}

/* Figures of block i of a model of so many heads. */
static trb_status score(const evaluation *e, size_t i, size_t rows, size_t heads, trb_dirichlet kind, const float *z,
                        const truth *t, result *r)
{
    double *sums = r->sums + i * n_sums(e);
    float *p = r->p == NULL ? NULL : r->p + i * e->batch * r->width;
    if (is_regression(e))
        return trb_metrics_gaussian_block(rows, heads, z, t->target, e->data->target_mean, e->data->target_scale, sums,
                                          p);
    if (kind == TRB_DIRICHLET_NONE) return trb_metrics_block(rows, heads, e->K, z, t->label, e->bins, sums, p);
    return trb_metrics_block_dirichlet(kind, rows, e->K, z, t->label, e->bins, sums, p);
}

static size_t rows_of(const evaluation *e, size_t block)
{
    const size_t at = block * e->batch;
    return e->n - at < e->batch ? e->n - at : e->batch;
}

static trb_dirichlet kind_of(const evaluation *e, size_t s)
{
    return trb__method_of(e->c->student[s].method, e->data->task)->dirichlet;
}

static trb_status load_model(const char *path, size_t rows, size_t K, const trb_data *data, model *m)
{
    TRB_TRY(trb_weights_read(path, NULL, &m->net, &m->params));
    const trb_shape is = trb_net_shape(m->net), asked = data->shape;
    if (!trb_shape_same(is, asked))
        return trb_fail(TRB_EINTEGRITY, "%s takes samples of %zu x %zu x %zu, the data set has %zu x %zu x %zu", path,
                        is.c, is.h, is.w, asked.c, asked.h, asked.w);
    if (data->task == TRB_TASK_REGRESSION && trb_net_outputs(m->net) != 2)
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, regression has 2 (mean, log variance)", path,
                        trb_net_outputs(m->net));
    if (trb_net_outputs(m->net) < data->classes)
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, the data set has labels 0 to %zu", path,
                        trb_net_outputs(m->net), data->classes - 1);
    if (K != 0 && trb_net_outputs(m->net) != K)
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, the others have %zu", path, trb_net_outputs(m->net), K);
    return trb_work_create(m->net, rows, false, &m->work);
}

static void unload(size_t n, model *m)
{
    for (size_t i = 0; m != NULL && i < n; i++) {
        trb_work_destroy(m[i].work);
        trb_free(m[i].params);
        trb_net_destroy(m[i].net);
    }
    trb_free(m);
}

static trb_status load_models(evaluation *e, bool members)
{
    if (members) {
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, e->M, sizeof *e->member, &e->member));
        for (size_t m = 0; m < e->M; m++) {
            TRB_TRY(load_model(trb__run_path(e->c, "members/m%03zu/weights.h5", m).text, e->batch, e->K, e->data,
                               &e->member[m]));
            e->K = trb_net_outputs(e->member[m].net);
        }
    }
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, e->S, sizeof *e->student, &e->student));
    for (size_t s = 0; s < e->S; s++) {
        const trb__path path = trb__run_path(e->c, "student/%s/weights.h5", e->c->student[s].name);
        char *config = NULL;
        bool found = false;
        TRB_TRY(trb__student_text(e->c, s, e->trained_on, NULL, &config));
        const trb_status st = trb__weights_found(path.text, config, e->followed, &found, NULL);
        trb_free(config);
        TRB_TRY(st);
        if (!found)
            return trb_fail(TRB_ECONFIG, "student %s is not trained yet (no %s); run `tribikos distill` first",
                            e->c->student[s].name, path.text);
        TRB_TRY(load_model(path.text, e->batch, e->K, e->data, &e->student[s]));
        e->K = trb_net_outputs(e->student[s].net);
    }
    return TRB_OK;
}

/* The members' logits of the training set lie in the cache; it serves them when there are no weights. */
static trb_status open_reader(trb_comm *world, evaluation *e)
{
    const trb_cache_spec *spec = trb_cache_spec_of(e->cache);
    e->M = spec->M;
    e->K = spec->K;
    TRB_TRY(trb_agree(world, trb_alloc(TRB_MEM_OTHER, e->count * e->batch, sizeof *e->plan, &e->plan)));
    for (size_t i = 0; i < e->count * e->batch; i++) {
        const size_t at = e->first * e->batch + i; /* the last block is filled up with its last row */
        e->plan[i] = e->id[at < e->n ? at : e->n - 1];
    }
    TRB_TRY(trb__reading_open(world, 0, e->cache, 1, 0, e->M, e->batch, e->c->cache.memory, &e->reading));
    return trb_agree(world, trb_reader_plan(e->reading.reader, e->count, e->plan, NULL));
}

static trb_status forward(model *m, size_t rows, const float *x, const float **z)
{
    const double start = trb_now_s();
    const trb_status st = trb_net_forward(m->net, m->work, m->params, rows, x, NULL, z);
    m->seconds += trb_now_s() - start;
    return st;
}

/* All models on one block. `r` has a slot a member (metrics only), one for the ensemble, one a student. */
static trb_status evaluate_block(evaluation *e, size_t i, float *x, float *all, float *own, truth *t, result *r)
{
    const size_t rows = rows_of(e, e->first + i), K = e->K, M = e->M;
    const int64_t *id = e->id + (e->first + i) * e->batch;
    const float *z = NULL;
    TRB_TRY(trb_fault("eval.unit"));
    TRB_TRY(trb_stop_check());
    trb_data_rows(e->data, rows, id, x);
    for (size_t b = 0; b < rows; b++) {
        if (is_regression(e))
            t->target[b] = e->data->target[id[b]];
        else
            t->label[b] = e->data->label[id[b]];
    }
    const float *members = all;
    if (e->reading.reader != NULL) TRB_TRY(trb_reader_next(e->reading.reader, &members));
    for (size_t m = 0; m < M; m++) {
        if (e->member != NULL) {
            TRB_TRY(forward(&e->member[m], rows, x, &z));
            for (size_t b = 0; b < rows; b++) memcpy(all + (b * M + m) * K, z + b * K, K * sizeof *z);
        }
        for (size_t b = 0; b < rows; b++) memcpy(own + b * K, members + (b * M + m) * K, K * sizeof *own);
        TRB_TRY(score(e, i, rows, 1, TRB_DIRICHLET_NONE, own, t, &r[m]));
    }
    if (M > 0) TRB_TRY(score(e, i, rows, M, TRB_DIRICHLET_NONE, members, t, &r[M]));
    for (size_t s = 0; s < e->S; s++) {
        TRB_TRY(forward(&e->student[s], rows, x, &z));
        TRB_TRY(score(e, i, rows, trb_net_heads(e->student[s].net), kind_of(e, s), z, t, &r[M + 1 + s]));
    }
    return TRB_OK;
}

static trb_status evaluate(evaluation *e, result *r)
{
    const size_t D = trb_shape_size(e->data->shape);
    float *x = NULL, *all = NULL, *own = NULL;
    truth t = {0};
    trb_progress progress;
    trb_status st = TRB_OK;
    for (size_t i = 0; i < e->M + 1 + e->S; i++) {
        TRB_GO(trb_alloc(TRB_MEM_OTHER, e->count * n_sums(e), sizeof *r[i].sums, &r[i].sums));
        r[i].width = width_of(e, heads_of(e, i));
        if (i >= e->M) TRB_GO(trb_alloc(TRB_MEM_OTHER, e->count * e->batch * r[i].width, sizeof *r[i].p, &r[i].p));
    }
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, e->batch * D, sizeof *x, &x));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, e->batch * e->M * e->K, sizeof *all, &all));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, e->batch * e->K, sizeof *own, &own));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, e->batch, sizeof *t.label, &t.label));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, e->batch, sizeof *t.target, &t.target));
    trb_progress_begin(&progress, e->count, "blocks", "evaluate");
    for (size_t i = 0; i < e->count; i++) {
        TRB_GO(evaluate_block(e, i, x, all, own, &t, r));
        trb_progress_update(&progress, i + 1, "");
        trb_comm_phase("evaluating, blocks", i + 1);
    }
    trb_progress_end(&progress, "");
done:
    trb_free(t.label);
    trb_free(t.target);
    trb_free(own);
    trb_free(all);
    trb_free(x);
    return st;
}

/* Rank 0 joins one model's blocks in block order; the figures then do not depend on who computed which. */
static trb_status join(trb_comm *world, const evaluation *e, const result *r, trb_report_row *m, float *p)
{
    double *sums = NULL;
    trb_status st = TRB_OK;
    if (trb_comm_rank(world) == 0) st = trb_alloc(TRB_MEM_OTHER, e->blocks * n_sums(e), sizeof *sums, &sums);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_comm_gather(world, r->sums, e->count, n_sums(e) * sizeof *sums, sums));
    if (r->p != NULL) {
        size_t rows = 0;
        for (size_t i = 0; i < e->count; i++) rows += rows_of(e, e->first + i);
        TRB_GO(trb_comm_gather(world, r->p, rows, r->width * sizeof *p, p));
    }
    if (trb_comm_rank(world) == 0 && is_regression(e)) m->gaussian = trb_metrics_gaussian_from(e->blocks, sums, e->n);
    if (trb_comm_rank(world) == 0 && !is_regression(e)) m->metrics = trb_metrics_from(e->blocks, sums, e->n, e->bins);
done:
    trb_free(sums);
    return st;
}

/* Milliseconds a sample of n networks, over all ranks; NaN if nothing was computed. Collective over world. */
static trb_status measure(trb_comm *world, const evaluation *e, size_t n, const model *m, double *ms)
{
    double mine[2] = {0.0, 0.0}, *all = NULL, seconds = 0.0, rows = 0.0;
    for (size_t i = 0; m != NULL && i < n; i++) mine[0] += m[i].seconds;
    for (size_t i = 0; m != NULL && i < e->count; i++) mine[1] += (double)rows_of(e, e->first + i);
    const size_t P = (size_t)trb_comm_size(world);
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, 2 * P, sizeof *all, &all));
    if (st == TRB_OK) st = trb_comm_allgather(world, mine, 2, all);
    for (size_t r = 0; st == TRB_OK && r < P; r++) {
        seconds += all[2 * r];
        rows += all[2 * r + 1];
    }
    *ms = rows > 0.0 ? 1e3 * seconds / rows : NAN;
    trb_free(all);
    return st;
}

/* Of classes [N][K] probabilities; of regression [N][heads][2]. */
static trb_status add_predictions(const evaluation *e, trb__predictions *file, const char *name, size_t heads,
                                  const float *p)
{
    if (is_regression(e)) return trb__predictions_add(file, name, (trb_h5_shape){TRB_F32, 3, {e->n, heads, 2}}, p);
    return trb__predictions_add(file, name, (trb_h5_shape){TRB_F32, 2, {e->n, e->K}}, p);
}

static trb_status collect(trb_comm *world, const evaluation *e, const result *r, trb_report *report)
{
    const bool leads = trb_comm_rank(world) == 0;
    const size_t M = e->M;
    trb_metrics *each = NULL;
    trb_metrics_gaussian *each_gaussian = NULL;
    size_t width = 0;
    float *p = NULL;
    trb__predictions *file = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, M, sizeof *each, &each);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, M, sizeof *each_gaussian, &each_gaussian);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, 2 + e->S, sizeof *report->row, &report->row);
    for (size_t i = M; i < M + 1 + e->S; i++) width = r[i].width > width ? r[i].width : width;
    if (st == TRB_OK && leads) st = trb_alloc(TRB_MEM_OTHER, e->n * width, sizeof *p, &p);
    if (st == TRB_OK && leads) st = trb_mkdirs(trb__run_path(e->c, "report").text);
    if (st == TRB_OK && leads)
        st = trb__predictions_create(trb__run_path(e->c, "report/predictions.h5").text, e->data, e->n, e->id, &file);
    TRB_GO(trb_agree(world, st));
    report->task = e->data->task;
    report->samples = e->n;
    if (M > 0) {
        trb_report_row *mean = &report->row[report->n++], *ensemble = &report->row[report->n++];
        for (size_t m = 0; m < M; m++) {
            TRB_GO(join(world, e, &r[m], mean, NULL));
            each[m] = mean->metrics;
            each_gaussian[m] = mean->gaussian;
            if (e->member != NULL) ensemble->params += trb_net_trained(e->member[m].net);
        }
        (void)snprintf(mean->name, sizeof mean->name, "member_mean");
        mean->metrics = trb_metrics_mean(M, each);
        mean->gaussian = trb_metrics_gaussian_mean(M, each_gaussian);
        mean->params = ensemble->params / M;
        (void)snprintf(ensemble->name, sizeof ensemble->name, "ensemble");
        ensemble->several = M > 1;
        TRB_GO(measure(world, e, M, e->member, &ensemble->ms_per_sample));
        mean->ms_per_sample = ensemble->ms_per_sample / (double)M;
        TRB_GO(join(world, e, &r[M], ensemble, p));
        if (leads) st = add_predictions(e, file, "ensemble", M, p);
        TRB_GO(trb_agree(world, st));
    }
    for (size_t s = 0; s < e->S; s++) {
        trb_report_row *row = &report->row[report->n++];
        (void)snprintf(row->name, sizeof row->name, "%s", e->c->student[s].name);
        row->several = trb_net_heads(e->student[s].net) > 1 || kind_of(e, s) != TRB_DIRICHLET_NONE;
        row->params = trb_net_trained(e->student[s].net);
        TRB_GO(measure(world, e, 1, &e->student[s], &row->ms_per_sample));
        TRB_GO(join(world, e, &r[M + 1 + s], row, p));
        if (leads) st = add_predictions(e, file, row->name, trb_net_heads(e->student[s].net), p);
        TRB_GO(trb_agree(world, st));
    }
    if (leads) {
        st = trb__predictions_publish(file);
        file = NULL;
        if (st == TRB_OK)
            st = trb__report_publish(trb__run_path(e->c, "report/report.json").text, e->c->eval.split, report);
    }
    TRB_GO(trb_agree(world, st));
    st = trb_comm_bcast(world, report->row, report->n * sizeof *report->row, 0);
done:
    trb__predictions_abandon(file);
    trb_free(p);
    trb_free(each_gaussian);
    trb_free(each);
    return st;
}

/* The rows to evaluate: the test set, or a part of the training set. Collective over world. */
static trb_status choose_rows(trb_comm *world, const trb_config *c, const trb__samples *s, trb__samples *test,
                              evaluation *e)
{
    const bool of_train = strcmp(c->eval.split, "test") != 0, val = strcmp(c->eval.split, "validation") == 0;
    if (!of_train) TRB_TRY(trb__test_load(world, c, s, test));
    e->trained_on = &s->data;
    e->data = of_train ? &s->data : &test->data;
    e->n = !of_train ? test->data.n : val ? s->n_val : s->n_train;
    trb_status st = trb_alloc(TRB_MEM_DATA, e->n, sizeof *e->id, &e->id);
    if (e->n == 0) st = trb_fail(TRB_ECONFIG, "eval.split: the %s part has no samples", c->eval.split);
    for (size_t i = 0; st == TRB_OK && i < e->n; i++) e->id[i] = !of_train ? (int64_t)i : val ? s->val[i] : s->train[i];
    return trb_agree(world, st);
}

trb_status trb_stage_eval(trb_comm *world, const trb_config *c, trb_report *report)
{
    trb__samples s = {0}, test = {0};
    evaluation e = {.c = c, .M = c->members.count, .S = c->n_students, .batch = c->eval.batch, .bins = c->eval.bins};
    uint64_t *digest = NULL;
    char *followed = NULL;
    result *r = NULL;
    trb_lock *lock = NULL;
    *report = (trb_report){0};
    TRB_TRY(trb__samples_load(world, c, &s));
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, e.M, sizeof *digest, &digest));
    if (st == TRB_OK) st = choose_rows(world, c, &s, &test, &e);
    if (st != TRB_OK) goto done;
    e.blocks = (e.n + e.batch - 1) / e.batch;
    trb_share(e.blocks, trb_comm_rank(world), trb_comm_size(world), &e.first, &e.count);
    TRB_GO(trb__member_digests(world, c, &s.data, false, digest));
    bool weights = true;
    for (size_t m = 0; m < e.M; m++) weights = weights && digest[m] != 0;
    if (!weights && e.data == &test.data) {
        trb_warn(
            "no weights of all members in %s, and the cache holds the training set alone: only students are evaluated",
            trb__run_path(c, "members").text);
        e.M = 0;
    }
    if (!weights && e.data != &test.data) {
        TRB_GO(trb__cache_open(world, c, &s.data, &e.cache));
        TRB_GO(open_reader(world, &e));
    }
    st = trb__members_text(weights ? e.M : 0, digest, &followed);
    e.followed = followed;
    if (st == TRB_OK) st = load_models(&e, weights);
    if (st == TRB_OK && trb_comm_rank(world) == 0) st = trb__lock(c, "report", &lock);
    TRB_GO(trb__lock_share(world, c, st, &lock));
    st = trb_alloc(TRB_MEM_OTHER, e.M + 1 + e.S, sizeof *r, &r);
    if (st == TRB_OK) st = evaluate(&e, r);
    TRB_GO(trb_agree(world, st));
    st = collect(world, &e, r, report);
done:
    trb_lock_close(lock);
    for (size_t i = 0; r != NULL && i < e.M + 1 + e.S; i++) {
        trb_free(r[i].sums);
        trb_free(r[i].p);
    }
    trb_free(r);
    (void)trb__reading_close(&e.reading);
    trb_cache_close(e.cache);
    trb_free(e.plan);
    unload(e.M, e.member);
    unload(e.S, e.student);
    trb_free(e.id);
    trb_free(followed);
    trb_free(digest);
    trb__samples_clear(&test);
    trb__samples_clear(&s);
    if (st != TRB_OK) trb_report_clear(report);
    return st;
}

void trb_report_clear(trb_report *r)
{
    trb_free(r->row);
    *r = (trb_report){0};
}
