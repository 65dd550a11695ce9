/* Validation after an epoch: the held-out samples are cut into batches of the training's size, and each rank computes
 * the lanes that it also has in a step. A block is the part of the samples that one lane has. The last blocks may have
 * fewer samples, or none: the call keeps its shape, and what fills it up does not count. */
#include "validate.h"

#include <math.h>
#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"
#include "tribikos/metrics_gaussian.h"
#include "tribikos/stop.h"

/* The numbers of a block: the loss of each head lane, times the block's samples; then sums of metrics. A network that
 * is cut has only the first, because no rank has the outputs of all heads. */
struct trb__validation {
    const trb__fit *fit;
    const trb__dataset *s;
    const trb_net *net; /* the part that takes the samples */
    const float *params;
    trb_work *work;
    trb__heads *heads;
    trb_lanes own, row;
    size_t rows, steps, blocks, head_lanes, sums, width;
    int64_t *sample; /* [steps][lanes of the row][rows] */
    float *x, *dz;   /* [rows][D], [rows][outputs] */
    int32_t *label;  /* [rows] */
    float *target;   /* [rows] */
    double *metrics; /* [TRB_METRIC_SUMS] of one block, or of all */
    double *lost;    /* [lanes of the row][head lanes of this rank] of a round */
    double *all;     /* [blocks][width] */
};

static bool is_regression(const trb__validation *v)
{
    return v->s->data.task == TRB_TASK_REGRESSION;
}

/* The number of the block that lane `lane`, counted over all, has in a step; `blocks` and more: it has none. */
static size_t block_at(const trb__validation *v, size_t step, size_t lane)
{
    return step * v->fit->opts->lanes + lane;
}

static size_t rows_of(const trb__validation *v, size_t block)
{
    const size_t at = block * v->rows, n = v->s->n_val;
    return at >= n ? 0 : n - at < v->rows ? n - at : v->rows;
}

static trb_status reserve(trb__validation *v)
{
    const size_t outputs = trb_net_heads(v->net) * trb_net_outputs(v->net), n = v->row.count * v->rows;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, v->blocks * v->width, sizeof *v->all, &v->all));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, TRB_METRIC_SUMS, sizeof *v->metrics, &v->metrics));
    if (v->row.count == 0) return TRB_OK; /* a server */
    TRB_TRY(trb_alloc(TRB_MEM_DATA, v->steps * n, sizeof *v->sample, &v->sample));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, v->row.count * v->head_lanes, sizeof *v->lost, &v->lost));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, v->rows * trb_net_inputs(v->net), sizeof *v->x, &v->x));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, v->rows * outputs, sizeof *v->dz, &v->dz));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, v->rows, sizeof *v->label, &v->label));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, v->rows, sizeof *v->target, &v->target));
    for (size_t s = 0; s < v->steps; s++) {
        for (size_t i = 0; i < n; i++) {
            const size_t at = block_at(v, s, v->row.first) * v->rows + i, last = v->s->n_val - 1;
            v->sample[s * n + i] = v->s->val[at < last ? at : last];
        }
    }
    return TRB_OK;
}

trb_status trb__validation_open(const trb__fit *f, trb_work *work, trb__heads *heads, trb__validation **out)
{
    const trb__network *n = f->network;
    const size_t L = f->opts->lanes, rows = f->opts->batch / L;
    trb__validation *v = NULL;
    if (f->samples->n_val == 0 || f->predict == NULL || trb_exchange_is_free(n->part[TRB_BODY].x)) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *v, &v));
    *out = v;
    *v = (trb__validation){.fit = f,
                           .s = f->samples,
                           .net = n->part[TRB_BODY].net,
                           .params = n->part[TRB_BODY].params,
                           .work = work,
                           .heads = heads,
                           .own = f->grid->lanes,
                           .row = f->grid->row_lanes,
                           .rows = rows,
                           .blocks = (f->samples->n_val + rows - 1) / rows,
                           .head_lanes = n->head_lanes};
    v->steps = (v->blocks + L - 1) / L;
    if (heads == NULL && trb_data_labelled(&f->samples->data))
        v->sums = is_regression(v) ? (size_t)TRB_METRIC_GAUSSIAN_SUMS : (size_t)TRB_METRIC_SUMS_ONE_BIN;
    v->width = v->head_lanes + v->sums;
    return reserve(v);
}

void trb__validation_close(trb__validation *v)
{
    if (v == NULL) return;
    void *const blocks[] = {v->sample, v->x, v->dz, v->label, v->target, v->metrics, v->lost, v->all};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(v);
}

/* Outputs that overflow are no failure of the validation: whether the training fails must not depend on it. */
static trb_status or_unknown(trb_status st, size_t n, double *numbers)
{
    if (st != TRB_ENUM) return st;
    trb_fail_clear();
    for (size_t i = 0; i < n; i++) numbers[i] = NAN;
    return TRB_OK;
}

/* Sums of metrics of a block. \param[in] z  [rows][heads][K] */
static trb_status judge(trb__validation *v, size_t rows, const int64_t *sample, const float *z, double *sums)
{
    const trb_data *d = &v->s->data;
    const size_t M = trb_net_heads(v->net), K = trb_net_outputs(v->net);
    trb_status st = TRB_OK;
    if (v->sums == 0) return TRB_OK; /* without labels there is only the loss */
    if (is_regression(v)) {
        for (size_t i = 0; i < rows; i++) v->target[i] = d->target[sample[i]];
        st = trb_metrics_gaussian_block(rows, M, z, v->target, d->target_mean, d->target_scale, v->metrics, NULL);
    } else {
        for (size_t i = 0; i < rows; i++) v->label[i] = d->label[sample[i]];
        st = trb_metrics_block(v->fit->predict, rows, M, K, z, v->label, 1, &(trb_metrics_out){.sums = v->metrics});
    }
    TRB_TRY(or_unknown(st, v->sums, v->metrics));
    memcpy(sums, v->metrics, v->sums * sizeof *sums);
    return TRB_OK;
}

static trb_status forward(trb__validation *v, const int64_t *sample, const float **z)
{
    trb_data_rows(&v->s->data, v->rows, sample, v->x);
    return trb_net_forward(v->net, v->work, v->params, v->rows, v->x, NULL, z);
}

/* Compute the block of this rank's lane i. */
static trb_status judge_lane(trb__validation *v, size_t step, size_t i)
{
    const size_t lane = v->own.first + i * v->own.step, block = block_at(v, step, lane), rows = rows_of(v, block);
    const size_t at = (lane - v->row.first) * v->rows;
    const int64_t *sample = v->sample + step * v->row.count * v->rows + at;
    const trb__lane l = {.number = i, .at = at, .rows = rows, .batch = rows, .sample = sample};
    const float *z = NULL;
    if (rows == 0) return TRB_OK;
    double *numbers = v->all + block * v->width;
    TRB_TRY(forward(v, sample, &z));
    TRB_TRY(judge(v, rows, sample, z, numbers + v->head_lanes));
    if (!v->fit->follows) return TRB_OK;
    TRB_TRY(or_unknown(v->fit->loss(v->fit->ctx, &l, z, numbers, v->dz), 1, numbers));
    *numbers *= (double)rows;
    return TRB_OK;
}

/* A round of a network that is cut (fit_step.c). */
static trb_status judge_round(trb__validation *v, trb_status st, size_t step, size_t first)
{
    const size_t left = v->row.count - first, columns = v->fit->grid->shape.columns, column = v->fit->grid->at;
    const size_t items = left < columns ? left : columns, mine = v->fit->network->n_lanes;
    const int64_t *sample = v->sample + (step * v->row.count + first) * v->rows;
    size_t block = block_at(v, step, v->row.first + first);
    const size_t at = block * v->rows, real = at < v->s->n_val ? v->s->n_val - at : 0;
    const float *z = NULL;
    double *lost = v->lost;
    if (st == TRB_OK && column < items) st = forward(v, sample + column * v->rows, &z);
    st = trb__heads_judge(v->heads, st, first, items, sample, z, real, lost);
    for (size_t j = 0; j < items; j++, block++, lost += mine)
        for (size_t i = 0; block < v->blocks && i < mine; i++)
            v->all[block * v->width + v->fit->network->head_lane + i] = lost[i];
    return st;
}

static trb_status judge_step(trb__validation *v, trb_status st, size_t step)
{
    const trb__fit *f = v->fit;
    if (st == TRB_OK) st = trb_fault("validate.step");
    /* Temperatures are those of the end of the training, so that the losses of all epochs can be compared. */
    if (f->next != NULL) st = f->next(f->ctx, f->epochs * (v->s->n_train / f->opts->batch), st);
    if (v->heads != NULL)
        for (size_t first = 0; first < v->row.count; first += f->grid->shape.columns)
            st = judge_round(v, st, step, first);
    else
        for (size_t i = 0; st == TRB_OK && i < v->own.count; i++) st = judge_lane(v, step, i);
    return st;
}

/* Compute this rank's blocks. A rank that has failed still takes part in what its row does together. */
static trb_status judge_all(trb__validation *v)
{
    const trb__fit *f = v->fit;
    trb_status st = TRB_OK;
    memset(v->all, 0, v->blocks * v->width * sizeof *v->all);
    if (v->row.count == 0) return TRB_OK;
    if (f->plan != NULL) st = f->plan(f->ctx, v->steps, v->row.count * v->rows, v->sample, NULL);
    for (size_t s = 0; s < v->steps; s++) {
        st = judge_step(v, st, s);
        trb_stop_progress();
        trb_alive();
        if (f->between != NULL) f->between(f->between_ctx);
    }
    return st;
}

/* The figures from the numbers of all blocks, which are added in the order of the blocks. */
static trb__validated figures(trb__validation *v)
{
    trb__validated out = {.loss = 0.0, .nll = NAN, .accuracy = NAN, .rmse = NAN};
    const double n = (double)v->s->n_val;
    memset(v->metrics, 0, TRB_METRIC_SUMS * sizeof *v->metrics);
    for (size_t b = 0; b < v->blocks; b++) {
        const double *numbers = v->all + b * v->width;
        for (size_t i = 0; i < v->head_lanes; i++) out.loss += numbers[i];
        for (size_t i = 0; i < v->sums; i++) v->metrics[i] += numbers[v->head_lanes + i];
    }
    out.loss /= n;
    if (v->sums == 0) return out;
    const trb_metrics m = is_regression(v) ? trb_metrics_gaussian_from(1, v->metrics, v->s->n_val)
                                           : trb_metrics_from(1, v->metrics, v->s->n_val, 1);
    out.nll = m.nll;
    out.accuracy = is_regression(v) ? NAN : m.accuracy;
    out.rmse = is_regression(v) ? m.rmse : NAN;
    if (!v->fit->follows) out.loss = is_regression(v) ? m.nll - log(v->s->data.target_scale) : m.nll;
    return out;
}

trb_status trb__validation_run(trb__validation *v, trb__validated *out)
{
    const trb__network *n = v->fit->network;
    trb_comm *world = v->fit->grid->world;
    trb_status st = TRB_OK;
    for (size_t i = 0; i < n->n_parts; i++) {
        const trb_status gathered = trb_exchange_gather(n->part[i].x);
        if (st == TRB_OK) st = gathered;
    }
    TRB_TRY(trb_agree(world, st));
    TRB_TRY(trb_agree(world, judge_all(v)));
    TRB_TRY(trb_comm_fill(world, v->all, v->blocks * v->width));
    *out = figures(v);
    return TRB_OK;
}
