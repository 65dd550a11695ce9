/* The evaluation of classes: results of one block for each model. */
#include <math.h>

#include "eval.h"

static trb_status block(const trb__set *set, trb_predict *predict, size_t at, size_t rows, size_t heads, size_t K,
                        const float *z, const trb__result *r)
{
    const trb_metrics_out out = {.sums = r->sums, .log_p = r->kept, .row = r->row};
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

const trb__eval_task trb__task_classes = {TRB_METRIC_SUMS, width, block, follow, trb_metrics_from, show};
