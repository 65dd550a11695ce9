/* The evaluation of regression: results of one block for each model. */
#include <math.h>

#include "eval.h"
#include "tribikos/metrics_gaussian.h"

static trb_status block(const trb__set *set, trb_predict *predict, size_t at, size_t rows, size_t heads, size_t K,
                        const float *z, const trb__result *r)
{
    double unused[TRB_METRIC_GAUSSIAN_SUMS], mean;
    (void)predict;
    TRB_TRY(trb_metrics_gaussian_block(rows, heads, z, set->target + at, set->data->target_mean,
                                       set->data->target_scale, r->sums == NULL ? unused : r->sums, r->kept));
    for (size_t b = 0; r->row != NULL && b < rows; b++) {
        r->row[b] = trb_gaussian_figures(heads, z + b * heads * K, set->data->target_scale, &mean);
        const double error = set->data->target_mean + set->data->target_scale * mean - (double)set->target[at + b];
        r->row[b].loss = error * error;
    }
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

static double conformal_score(const trb__set *set, size_t i, size_t K, const trb__result *r)
{
    (void)set;
    (void)K;
    return r->row[i].loss / r->row[i].total;
}

static trb__prediction_set conformal_set(const trb__set *set, size_t i, size_t K, const trb__result *r, double q)
{
    const double score = conformal_score(set, i, K, r);
    return (trb__prediction_set){.covers = score <= q ? 1.0 : 0.0, .size = 2.0 * sqrt(q * r->row[i].total)};
}

const trb__eval_task trb__task_regression = {TRB_METRIC_GAUSSIAN_SUMS, width,        block, NULL, from, show,
                                             conformal_score,          conformal_set};
