/* The evaluation of classes: results of one block for each model. */
#include <math.h>

#include "eval.h"

static trb_status block(const trb__set *set, trb_predict *predict, size_t at, size_t rows, size_t heads, size_t K,
                        const float *z, const trb__result *r)
{
    const trb_metrics_out out = {.sums = r->sums, .log_p = r->kept, .row = r->row, .by_class = r->by_class};
    return trb_metrics_block(predict, rows, heads, K, z, set->alien ? NULL : set->label + at, set->bins, &out);
}

static void follow(const trb__set *set, size_t i, size_t M, size_t K, const float *members, const float *z,
                   const trb__result *r)
{
    if (r->sums == NULL) return;
    trb_metrics_fidelity(trb__set_rows(set, i), M, K, members, z, r->sums + i * TRB_METRIC_SUMS);
}

static size_t width(size_t heads, size_t K)
{
    (void)heads;
    return K;
}

/* Convert logarithms to probabilities. */
static trb_h5_shape show(size_t n, size_t heads, size_t K, float *kept)
{
    (void)heads;
    for (size_t i = 0; i < n * K; i++) kept[i] = (float)exp((double)kept[i]);
    return (trb_h5_shape){TRB_F32, 2, {n, K}};
}

static double conformal_score(const trb__set *set, size_t i, size_t K, const trb__result *r)
{
    return -(double)r->kept[i * K + (size_t)set->label[i]];
}

static trb__prediction_set conformal_set(const trb__set *set, size_t i, size_t K, const trb__result *r, double q)
{
    trb__prediction_set is = {.covers = conformal_score(set, i, K, r) <= q ? 1.0 : 0.0};
    for (size_t k = 0; k < K; k++) is.size += -(double)r->kept[i * K + k] <= q ? 1.0 : 0.0;
    return is;
}

const trb__eval_task trb__task_classes = {TRB_METRIC_SUMS,  width, block,           follow,
                                          trb_metrics_from, show,  conformal_score, conformal_set};
