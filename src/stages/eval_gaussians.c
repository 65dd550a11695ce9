/* The evaluation of regression: results of one block for each model. */
#include "eval.h"
#include "tribikos/metrics_gaussian.h"

static trb_status block(const trb__set *set, trb_predict *predict, size_t at, size_t rows, size_t heads, size_t K,
                        const float *z, const trb__result *r)
{
    double unused[TRB_METRIC_GAUSSIAN_SUMS], mean;
    (void)predict;
    TRB_TRY(trb_metrics_gaussian_block(rows, heads, z, set->target + at, set->data->target_mean,
                                       set->data->target_scale, r->sums == NULL ? unused : r->sums, r->kept));
    for (size_t b = 0; r->row != NULL && b < rows; b++)
        r->row[b] = trb_gaussian_figures(heads, z + b * heads * K, set->data->target_scale, &mean);
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
