/* The evaluation of regression: results of one block for each model. */
#include <math.h>

#include "eval.h"
#include "tribikos/metrics_gaussian.h"

/* The variances of a row's mixture of Gaussians, in the squared unit of the target. There is no largest probability. */
static trb_row_figures figures_of(size_t heads, const float *z, double scale)
{
    double mean = 0.0, data = 0.0, model = 0.0;
    for (size_t m = 0; m < heads; m++) {
        mean += (double)z[2 * m] / (double)heads;
        data += exp((double)z[2 * m + 1]) / (double)heads;
    }
    for (size_t m = 0; m < heads; m++) model += pow((double)z[2 * m] - mean, 2.0) / (double)heads;
    return (trb_row_figures){.total = scale * scale * (data + model), .data = scale * scale * data, .doubt = NAN};
}

static trb_status block(const trb__set *set, trb_predict *predict, size_t i, size_t heads, size_t K, const float *z,
                        const trb__result *r)
{
    const size_t at = i * set->batch, rows = trb__set_rows(set, i);
    double unused[TRB_METRIC_GAUSSIAN_SUMS];
    (void)predict;
    TRB_TRY(trb_metrics_gaussian_block(rows, heads, z, set->target + at, set->data->target_mean,
                                       set->data->target_scale,
                                       r->sums == NULL ? unused : r->sums + i * TRB_METRIC_GAUSSIAN_SUMS,
                                       r->kept == NULL ? NULL : r->kept + at * heads * K));
    for (size_t b = 0; r->row != NULL && b < rows; b++)
        r->row[at + b] = figures_of(heads, z + b * heads * K, set->data->target_scale);
    return TRB_OK;
}

static size_t width(size_t heads, size_t K)
{
    return heads * K;
}

static trb_h5_shape show(size_t n, size_t heads, size_t K, float *kept)
{
    (void)kept;
    return (trb_h5_shape){TRB_F32, 3, {n, heads, K}};
}

static trb_metrics from(size_t blocks, const double *sums, size_t n, size_t bins)
{
    (void)bins;
    return trb_metrics_gaussian_from(blocks, sums, n);
}

const trb__eval_task trb__task_regression = {TRB_METRIC_GAUSSIAN_SUMS, width, block, NULL, from, show};
