/* Computes figures from the results of a walk: from sums, from rows, from classes, from scores of out-of-distribution
 * sets. */
#include <math.h>

#include "eval.h"
#include "tribikos/calibration.h"
#include "tribikos/memory.h"

trb_status trb__figures(trb_comm *world, const trb__models *models, const trb__set *set, const trb__eval_task *task,
                        const trb__result *r, trb_metrics *each)
{
    const bool leads = trb_comm_rank(world) == 0;
    double *sums = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, leads ? set->blocks * task->sums : 0, sizeof *sums, &sums);
    TRB_GO(trb_agree(world, st));
    for (size_t slot = set->members ? 0 : models->M + 1; slot < trb__slots(models); slot++) {
        TRB_GO(trb__join_blocks(world, set, r[slot].sums, task->sums * sizeof *sums, sums));
        if (!leads) continue;
        each[slot] = r[slot].lost > 0 ? trb_metrics_unknown() : task->from(set->blocks, sums, set->n, set->bins);
        const bool follows = slot > models->M && set->members && trb__slot_heads(models, slot) == models->M;
        if (!follows) each[slot].fidelity_kl = NAN;
    }
done:
    trb_free(sums);
    return st;
}

static double score_of(const trb_row_figures *row, size_t which)
{
    return which == TRB_SCORE_MODEL ? row->total - row->data : which == TRB_SCORE_TOTAL ? row->total : row->doubt;
}

/* Rank 0: how well a score finds wrong predictions. \param[in] score,room  [n] */
static trb_status find_errors(size_t n, const trb_row_figures *row, const double *score, double *room, double *auroc)
{
    trb_detection found = {0};
    size_t right = 0, wrong = 0;
    for (size_t i = 0; i < n; i++) /* the right ones from the front, the wrong ones from the back */
        room[row[i].correct > 0.0 ? right++ : n - ++wrong] = score[i];
    if (right == 0 || wrong == 0) return TRB_OK;
    TRB_TRY(trb_detect(right, room, wrong, room + right, &found));
    *auroc = found.auroc;
    return TRB_OK;
}

/* Rank 0: what one uncertainty is worth. \param[in] room  [2][n]   \param[out] auroc  of classes only */
static trb_status judge(const trb__set *set, const trb_row_figures *row, size_t which, double *room, double *auroc,
                        double *aurc)
{
    double *score = room, *loss = room + set->n;
    for (size_t i = 0; i < set->n; i++) {
        score[i] = score_of(&row[i], which);
        loss[i] = row[i].loss;
    }
    TRB_TRY(trb_aurc(set->n, score, loss, aurc));
    return set->data->task == TRB_TASK_CLASSES ? find_errors(set->n, row, score, loss, auroc) : TRB_OK;
}

/* Rank 0: the figures of one slot that need all rows. */
static trb_status judge_slot(const trb__set *set, const trb_row_figures *row, bool several, double *room,
                             trb_metrics *m)
{
    if (set->data->task == TRB_TASK_CLASSES) TRB_TRY(trb_adaptive_ece(set->n, row, set->bins, &m->adaptive_ece));
    if (several) TRB_TRY(judge(set, row, TRB_SCORE_MODEL, room, &m->error_auroc_model, &m->aurc_model));
    return judge(set, row, TRB_SCORE_TOTAL, room, &m->error_auroc_total, &m->aurc_total);
}

trb_status trb__figures_by_row(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                               trb_metrics *each)
{
    const bool leads = trb_comm_rank(world) == 0;
    const size_t M = models->M, n = leads ? set->n : 0;
    trb_row_figures *row = NULL;
    double *room = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *row, &row);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, 2 * n, sizeof *room, &room);
    TRB_GO(trb_agree(world, st));
    for (size_t slot = set->members ? 0 : M + 1; slot < trb__slots(models); slot++) {
        const bool several = trb__slot_several(models, slot);
        TRB_GO(trb__join_rows(world, set, r[slot].row, sizeof *row, row));
        const bool compares = M > 1 && set->members && slot >= M && several && r[M].lost == 0;
        if (leads && r[slot].lost == 0 && compares) each[slot].mu_ratio = each[slot].mu / each[M].mu;
        if (leads && r[slot].lost == 0) st = judge_slot(set, row, several, room, &each[slot]);
        TRB_GO(trb_agree(world, st));
    }
done:
    trb_free(room);
    trb_free(row);
    return st;
}

trb_status trb__figures_by_class(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                                 trb_metrics *each)
{
    const bool leads = trb_comm_rank(world) == 0;
    const size_t n = models->K * set->bins, P = (size_t)trb_comm_size(world);
    int64_t *all = NULL; /* [P][n], summed into the first [n] */
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, leads ? P * n : 0, sizeof *all, &all));
    for (size_t slot = set->members ? 0 : models->M + 1; st == TRB_OK && slot < trb__slots(models); slot++) {
        st = trb_comm_gather(world, r[slot].by_class, n, sizeof *all, all);
        if (!leads || st != TRB_OK || r[slot].lost > 0) continue;
        for (size_t i = n; i < P * n; i++) all[i % n] += all[i];
        each[slot].classwise_ece = trb_classwise_ece(set->n, models->K, set->bins, all);
    }
    trb_free(all);
    return st;
}

trb_status trb__correlate(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                          trb_metrics *each)
{
    const bool leads = trb_comm_rank(world) == 0;
    const size_t M = models->M, n = leads ? set->n : 0;
    trb_row_figures *row = NULL;
    double *ensemble = NULL, *own = NULL;
    if (M < 2 || !set->members) return TRB_OK;
    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *row, &row);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n, sizeof *ensemble, &ensemble);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n, sizeof *own, &own);
    TRB_GO(trb_agree(world, st));
    for (size_t slot = M; slot < trb__slots(models); slot++) {
        if (!trb__slot_several(models, slot)) continue;
        TRB_GO(trb__join_rows(world, set, r[slot].row, sizeof *row, row));
        double *to = slot == M ? ensemble : own;
        for (size_t i = 0; i < n; i++) to[i] = score_of(&row[i], TRB_SCORE_MODEL);
        if (leads && slot > M && r[M].lost == 0 && r[slot].lost == 0) {
            each[slot].mu_pearson = trb_pearson(n, own, ensemble);
            st = trb_spearman(n, own, ensemble, &each[slot].mu_spearman);
        }
        TRB_GO(trb_agree(world, st));
    }
done:
    trb_free(own);
    trb_free(ensemble);
    trb_free(row);
    return st;
}

/* Rank 0: how well each score separates two sets. \param[in] scores  room for the scores of both sets */
static trb_status detect(const trb__set *in, const trb_row_figures *row_in, const trb__set *out,
                         const trb_row_figures *row_out, bool several, double *scores, trb_detection *found)
{
    const size_t end = isnan(row_in[0].doubt) ? TRB_SCORE_MAX : TRB_SCORES; /* regression has no max p */
    for (size_t k = several ? 0 : TRB_SCORE_TOTAL; k < end; k++) {
        for (size_t i = 0; i < in->n; i++) scores[i] = score_of(&row_in[i], k);
        for (size_t i = 0; i < out->n; i++) scores[in->n + i] = score_of(&row_out[i], k);
        TRB_TRY(trb_detect(in->n, scores, out->n, scores + in->n, &found[k]));
    }
    return TRB_OK;
}

trb_status trb__figures_of_ood(trb_comm *world, const trb__models *models, const trb__set *in, const trb__result *r_in,
                               const trb__set *out, const trb__result *r_out, trb_detection *found)
{
    const bool leads = trb_comm_rank(world) == 0, members = in->members && out->members;
    const size_t n_in = leads ? in->n : 0, n_out = leads ? out->n : 0;
    trb_row_figures *row_in = NULL, *row_out = NULL;
    double *scores = NULL;
    for (size_t i = 0; i < trb__slots(models) * TRB_SCORES; i++) found[i] = (trb_detection){NAN, NAN, NAN};
    trb_status st = trb_alloc(TRB_MEM_OTHER, n_in, sizeof *row_in, &row_in);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n_out, sizeof *row_out, &row_out);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n_in + n_out, sizeof *scores, &scores);
    TRB_GO(trb_agree(world, st));
    for (size_t slot = members ? 0 : models->M + 1; slot < trb__slots(models); slot++) {
        TRB_GO(trb__join_rows(world, in, r_in[slot].row, sizeof *row_in, row_in));
        TRB_GO(trb__join_rows(world, out, r_out[slot].row, sizeof *row_out, row_out));
        if (leads && r_in[slot].lost == 0 && r_out[slot].lost == 0)
            st = detect(in, row_in, out, row_out, trb__slot_several(models, slot), scores, &found[slot * TRB_SCORES]);
        TRB_GO(trb_agree(world, st));
    }
done:
    trb_free(scores);
    trb_free(row_out);
    trb_free(row_in);
    return st;
}
