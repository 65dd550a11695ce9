/* The prediction of one block: what each row's columns hold, and what labels or targets say of it (predict.h). */
#include <math.h>
#include <string.h>

#include "predict.h"
#include "tribikos/calibration.h"
#include "tribikos/memory.h"
#include "tribikos/metrics_gaussian.h"

_Static_assert((int)TRB__PREDICT_LOST >= (int)TRB_METRIC_GAUSSIAN_SUMS, "room for the sums of each task");

static bool of_regression(const trb__block *b)
{
    return b->model->net[0].task == TRB_TASK_REGRESSION;
}

static size_t first_max(size_t K, const float *p)
{
    size_t best = 0;
    for (size_t k = 1; k < K; k++) best = p[k] > p[best] ? k : best;
    return best;
}

/* Probabilities of logarithms, with the bits of predictions.h5. */
static void from_logs(size_t n, const float *log_p, float *p)
{
    for (size_t i = 0; i < n; i++) p[i] = (float)exp((double)log_p[i]);
}

static trb_status heads_of_classes(const trb__predictor *model, size_t rows, const float *z, float *p)
{
    const size_t M = model->M, K = model->K;
    float *log_p = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, rows * M * K, sizeof *log_p, &log_p));
    /* A single head may stand for a distribution; several are softmaxes. */
    const trb_status st = trb_metrics_block(M == 1 ? model->predict : trb_predict_mixture, rows * M, 1, K, z, NULL, 1,
                                            &(trb_metrics_out){.log_p = log_p});
    if (st == TRB_OK) from_logs(rows * M * K, log_p, p);
    trb_free(log_p);
    return st;
}

/* \param[in] at  the row of the columns at which z begins   \param[in,out] sums  is added to if there are labels */
static trb_status classes(const trb__block *b, const trb_data *d, size_t at, size_t rows, const float *z, double *sums)
{
    const size_t M = b->model->M, K = b->model->K;
    const trb__columns *t = b->to;
    const bool labelled = d->label != NULL;
    double own[TRB_METRIC_SUMS];
    const trb_metrics_out out = {.sums = labelled ? own : NULL, .log_p = b->log_p, .row = b->row};
    TRB_TRY(trb_metrics_block(b->model->predict, rows, M, K, z, labelled ? d->label + at : NULL, 1, &out));
    for (size_t i = 0; labelled && i < TRB_METRIC_SUMS_ONE_BIN; i++) sums[i] += own[i];
    from_logs(rows * K, b->log_p, t->probabilities + at * K);
    if (t->calibrated != NULL) trb_temperature_apply(rows, K, b->log_p, b->model->b, t->calibrated + at * K);
    for (size_t i = 0; i < rows; i++) {
        const trb_row_figures f = b->row[i];
        t->number[at + i] = (int32_t)(first_max(K, t->probabilities + (at + i) * K) + b->labels_from);
        t->total[at + i] = f.total;
        t->data[at + i] = f.data;
        t->model[at + i] = b->model->several ? f.total - f.data : 0.0;
    }
    return t->heads == NULL ? TRB_OK : heads_of_classes(b->model, rows, z, t->heads + at * M * K);
}

/* As classes(). */
static trb_status gaussians(const trb__block *b, const trb_data *d, size_t at, size_t rows, const float *z,
                            double *sums)
{
    const size_t M = b->model->M;
    const trb__columns *t = b->to;
    const trb_norm *norm = &b->model->net[0].info.norm;
    double own[TRB_METRIC_GAUSSIAN_SUMS], mean = 0.0;
    double *each = t->heads_gaussian == NULL ? NULL : t->heads_gaussian + at * M * 2;
    TRB_TRY(trb_gaussian_rows(rows, M, z, norm->target_mean, norm->target_scale, each, t->low + at, t->high + at));
    if (d->target != NULL) { /* targets are differences from the schema's offset */
        TRB_TRY(trb_metrics_gaussian_block(rows, M, z, d->target + at,
                                           norm->target_mean - b->model->net[0].schema.target_offset,
                                           norm->target_scale, own, NULL));
        for (size_t i = 0; i < TRB_METRIC_GAUSSIAN_SUMS; i++) sums[i] += own[i];
    }
    for (size_t i = 0; i < rows; i++) {
        const trb_row_figures f = trb_gaussian_figures(M, z + i * M * 2, norm->target_scale, &mean);
        t->mean[at + i] = norm->target_mean + norm->target_scale * mean;
        t->std[at + i] = sqrt(f.total);
        t->data_std[at + i] = sqrt(f.data);
        t->model_std[at + i] = sqrt(f.total > f.data ? f.total - f.data : 0.0); /* equal heads: rounding */
    }
    return TRB_OK;
}

/* Mark rows whose inputs are not finite, and put zeros there: a layer such as ReLU may make a number of them.
 * \return how many */
static size_t mark(trb__block *b, size_t rows)
{
    const size_t D = trb_shape_size(b->model->norm.shape);
    size_t n = 0;
    for (size_t i = 0; i < rows; i++) {
        float *x = b->x + i * D;
        bool finite = true;
        for (size_t j = 0; j < D; j++) finite = finite && isfinite(x[j]);
        b->bad[i] = !finite;
        if (finite) continue;
        memset(x, 0, D * sizeof *x);
        n++;
    }
    return n;
}

static void lose(const trb__block *b, const trb_stream_rows *r, size_t at, bool input, double *sums)
{
    trb__columns_lose(b->to, at);
    if (sums[TRB__PREDICT_LOST]++ > 0.0) return;
    sums[TRB__PREDICT_LOST_FIRST] = (double)r->id[at];
    sums[TRB__PREDICT_LOST_INPUT] = input ? 1.0 : 0.0;
}

trb_status trb__block_predict(trb__block *b, const trb_stream_rows *r, size_t at, size_t rows, double *sums)
{
    const size_t width = b->model->M * b->model->K;
    trb_status (*predict)(const trb__block *, const trb_data *, size_t, size_t, const float *, double *) =
        of_regression(b) ? gaussians : classes;
    const float *z = NULL;
    const size_t bad = mark(b, rows);
    memset(sums, 0, TRB__PREDICT_SUMS * sizeof *sums);
    TRB_TRY(trb__predictor_logits(b->model, rows, b->x, &z));
    if (bad == 0) {
        const trb_status st = predict(b, &r->data, at, rows, z, sums);
        if (st != TRB_ENUM) return st;
        trb_fail_clear();
        memset(sums, 0, TRB__PREDICT_SUMS * sizeof *sums);
    }
    for (size_t i = 0; i < rows; i++) {
        const trb_status st = b->bad[i] ? TRB_ENUM : predict(b, &r->data, at + i, 1, z + i * width, sums);
        if (st != TRB_OK && st != TRB_ENUM) return st;
        if (st == TRB_OK) continue;
        trb_fail_clear();
        lose(b, r, at + i, b->bad[i], sums);
    }
    return TRB_OK;
}

trb_status trb__block_open(trb__predictor *model, const trb__columns *to, size_t batch, size_t labels_from,
                           trb__block *b)
{
    *b = (trb__block){.model = model, .to = to, .labels_from = labels_from};
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, batch * trb_shape_size(model->norm.shape), sizeof *b->x, &b->x));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, batch * model->K, sizeof *b->log_p, &b->log_p));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, batch, sizeof *b->row, &b->row));
    return trb_alloc(TRB_MEM_OTHER, batch, sizeof *b->bad, &b->bad);
}

void trb__block_close(trb__block *b)
{
    trb_free(b->bad);
    trb_free(b->row);
    trb_free(b->log_p);
    trb_free(b->x);
    *b = (trb__block){.model = NULL};
}
