/* Split-conformal prediction (calibration.h): a threshold from the validation part, prediction sets for the rows that are
 * reported. */
#include <math.h>

#include "eval.h"
#include "tribikos/calibration.h"
#include "tribikos/memory.h"

/* The threshold, the same on every rank. Collective over world. \param[in] mine,all  room for scores */
static trb_status threshold(trb_comm *world, const trb__eval_task *task, const trb__set *held, size_t K,
                            const trb__result *r, double *mine, double *all, double *q)
{
    for (size_t i = 0; i < held->rows; i++) mine[i] = task->conformal_score(held, i, K, r);
    TRB_TRY(trb__join_rows(world, held, mine, sizeof *mine, all));
    if (trb_comm_rank(world) == 0) *q = trb_conformal_threshold(held->n, all);
    return trb_comm_bcast(world, q, sizeof *q, 0);
}

/* The figures of one slot at rank 0. Collective over world. */
static trb_status cover(trb_comm *world, const trb__eval_task *task, const trb__set *set, size_t K,
                        const trb__result *r, double q, trb__prediction_set *mine, trb__prediction_set *all,
                        trb_metrics *m)
{
    const double n = (double)set->n;
    double covers = 0.0, size = 0.0;
    for (size_t i = 0; i < set->rows; i++) mine[i] = task->conformal_set(set, i, K, r, q);
    TRB_TRY(trb__join_rows(world, set, mine, sizeof *mine, all));
    if (trb_comm_rank(world) != 0) return TRB_OK;
    for (size_t i = 0; i < set->n; i++) {
        covers += all[i].covers;
        size += all[i].size;
    }
    if (!isfinite(size)) return TRB_OK; /* an interval without an end is no interval */
    m->conformal_coverage = covers / n;
    m->conformal_size = size / n;
    return TRB_OK;
}

trb_status trb__conformal(trb_comm *world, const trb__models *models, const trb__eval_task *task, const trb__set *held,
                          const trb__result *r_held, const trb__set *set, const trb__result *r, trb_metrics *each)
{
    const bool leads = trb_comm_rank(world) == 0, members = held->members && set->members && models->M > 0;
    double *score = NULL, *scores = NULL, q = NAN;
    trb__prediction_set *mine = NULL, *all = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, held->rows, sizeof *score, &score);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, leads ? held->n : 0, sizeof *scores, &scores);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, set->rows, sizeof *mine, &mine);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, leads ? set->n : 0, sizeof *all, &all);
    TRB_GO(trb_agree(world, st));
    for (size_t slot = members ? 0 : models->M + 1; slot < trb__slots(models); slot++) {
        if (r_held[slot].lost > 0 || r[slot].lost > 0) continue;
        TRB_GO(threshold(world, task, held, models->K, &r_held[slot], score, scores, &q));
        TRB_GO(cover(world, task, set, models->K, &r[slot], q, mine, all, &each[slot]));
    }
done:
    trb_free(all);
    trb_free(mine);
    trb_free(scores);
    trb_free(score);
    return st;
}
