/* Calibration: one temperature for each model, and the calibrated NLL of ensembles of fewer members. */
#include <math.h>
#include <string.h>

#include "eval.h"
#include "temperature.h"
#include "tribikos/calibration.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"
#include "tribikos/text.h"

enum { SUMS = TRB__TEMPERATURE_SUMS, WINDOWS_MOST = 16 };

/* Room for the sums of this rank's blocks, and of all blocks. */
typedef struct {
    double *mine, *all;
} room;

static trb_status room_open(const trb__set *a, const trb__set *b, room *at)
{
    const size_t count = a->count > b->count ? a->count : b->count,
                 blocks = a->blocks > b->blocks ? a->blocks : b->blocks;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, count * SUMS, sizeof *at->mine, &at->mine));
    return trb_alloc(TRB_MEM_OTHER, blocks * SUMS, sizeof *at->all, &at->all);
}

/* Predictions of one model for a set, as a fit takes them. */
static trb__held held_of(const room *at, const trb__set *set, size_t K, const float *log_p)
{
    return (trb__held){.n = set->n,
                       .rows = set->batch,
                       .blocks = set->blocks,
                       .first = set->first,
                       .count = set->count,
                       .K = K,
                       .log_p = log_p,
                       .label = set->label,
                       .mine = at->mine,
                       .all = at->all};
}

/* The temperature of a slot: the one of its weights file, so that a report is about what predictions from this file are;
 * else fitted here. Collective over world. */
static trb_status temperature_of(trb_comm *world, const room *at, const trb__models *models, size_t slot,
                                 const trb__set *held, const float *log_p, double *T, bool *open)
{
    const trb__loaded *model = trb__slot_model(models, slot);
    const trb__held on = held_of(at, held, models->K, log_p);
    double b = 1.0;
    *open = false;
    *T = model != NULL ? model->temperature : 0.0;
    if (*T > 0.0) return TRB_OK;
    TRB_TRY(trb__held_fit(world, &on, &b, open));
    *T = 1.0 / b;
    return TRB_OK;
}

/* The calibrated figures of one model. Collective over world. \param[out] m  at rank 0 */
static trb_status calibrate(trb_comm *world, const trb__set *set, size_t K, const float *log_p, double T,
                            trb_metrics *m)
{
    const bool leads = trb_comm_rank(world) == 0;
    double *mine = NULL, *sums = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, set->count * TRB_METRIC_SUMS, sizeof *mine, &mine);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, leads ? set->blocks * TRB_METRIC_SUMS : 0, sizeof *sums, &sums);
    for (size_t i = 0; st == TRB_OK && i < set->count; i++)
        st = trb_metrics_tempered(trb__set_rows(set, i), K, log_p + i * set->batch * K, set->label + i * set->batch,
                                  1.0 / T, set->bins, mine + i * TRB_METRIC_SUMS);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__join_blocks(world, set, mine, TRB_METRIC_SUMS * sizeof *mine, sums));
    if (leads) {
        const trb_metrics tempered = trb_metrics_from(set->blocks, sums, set->n, set->bins);
        m->temperature = T;
        m->calibrated_nll = tempered.nll;
        m->calibrated_brier = tempered.brier;
        m->calibrated_ece = tempered.ece;
    }
done:
    trb_free(sums);
    trb_free(mine);
    return st;
}

/* Ensembles of 2..M-1 members. Members are thought of as a circle, and an ensemble is a window of neighbours on it. The
 * result for each size is the mean over windows whose beginnings are evenly spaced: one at every member if there are at
 * most WINDOWS_MOST members. Collective over world. */
static trb_status windows(trb_comm *world, const room *at, const trb__models *models, const trb__set *held,
                          const trb__result *r_held, const trb__set *set, const trb__result *r, double *nll)
{
    const size_t M = models->M, K = models->K, W = M < WINDOWS_MOST ? M : WINDOWS_MOST;
    float *log_held = NULL, *log_p = NULL; /* log of the sum of probabilities over the window */
    double b = 1.0, sums[SUMS];
    bool open = false;
    trb_progress progress;
    trb_status st = trb_alloc(TRB_MEM_OTHER, held->rows * K, sizeof *log_held, &log_held);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, set->rows * K, sizeof *log_p, &log_p);
    TRB_GO(trb_agree(world, st));
    trb_progress_begin(&progress, M > 2 ? W * (M - 2) : 0, "ensembles", "calibrate");
    for (size_t w = 0; w < W && M > 2; w++) {
        const size_t start = w * M / W;
        memcpy(log_held, r_held[start].kept, held->rows * K * sizeof *log_held);
        memcpy(log_p, r[start].kept, set->rows * K * sizeof *log_p);
        for (size_t m = 2; m < M; m++) {
            const size_t next = (start + m - 1) % M;
            TRB_GO(trb_agree(world, trb_stop_check()));
            trb_comm_phase("calibrating ensembles, windows", w * M + m);
            trb_progress_update(&progress, w * (M - 2) + m - 2, "");
            trb_mixture_add(held->rows * K, r_held[next].kept, log_held);
            trb_mixture_add(set->rows * K, r[next].kept, log_p);
            const trb__held fit_on = held_of(at, held, K, log_held), on = held_of(at, set, K, log_p);
            TRB_GO(trb__held_fit(world, &fit_on, &b, &open));
            TRB_GO(trb__held_sums(world, &on, b, sums));
            nll[m - 1] += open ? (double)NAN : sums[0] / (double)set->n / (double)W;
        }
    }
    progress.done = progress.total;
    trb_progress_end(&progress, "");
done:
    trb_free(log_p);
    trb_free(log_held);
    return st;
}

static void add_name(const trb_config *c, size_t M, size_t slot, trb_text *names)
{
    if (names->n > 0) trb_text_add(names, ", ");
    if (slot < M)
        trb_text_add(names, "member %zu", slot);
    else
        trb_text_add(names, "%s", slot == M ? "the ensemble" : c->student[slot - M - 1].name);
}

/* The deep-ensemble equivalent of each slot, NaN if one of the figures that it compares is not known. */
static void compare_sizes(size_t M, size_t slots, const double *nll, trb_metrics *each)
{
    bool known = true;
    for (size_t m = 0; m < M; m++) known = known && !isnan(nll[m]);
    for (size_t slot = 0; slot < slots; slot++)
        each[slot].deep_ensemble_equivalent = known && !isnan(each[slot].calibrated_nll)
                                                  ? trb_ensemble_equivalent(M, nll, each[slot].calibrated_nll)
                                                  : (double)NAN;
}

trb_status trb__calibrate(trb_comm *world, const trb_config *c, const trb__models *models, const trb__set *held,
                          const trb__result *r_held, const trb__set *set, const trb__result *r, trb_metrics *each,
                          double *nll)
{
    const size_t M = models->M, slots = trb__slots(models);
    const bool members = held->members && set->members && M > 0;
    bool whole = true; /* no member has lost rows */
    room at = {0};
    char names[256];
    trb_text without = trb_text_in(names, sizeof names);
    trb_status st = trb_agree(world, room_open(held, set, &at));
    for (size_t slot = members ? 0 : M + 1; st == TRB_OK && slot < slots; slot++) {
        double T = 1.0;
        bool open = false;
        if (r_held[slot].lost > 0 || r[slot].lost > 0) {
            whole = whole && slot >= M;
            continue;
        }
        trb_comm_phase("calibrating, models", slot + 1);
        st = temperature_of(world, &at, models, slot, held, r_held[slot].kept, &T, &open);
        if (st == TRB_OK && !open) st = calibrate(world, set, models->K, r[slot].kept, T, &each[slot]);
        if (open) add_name(c, M, slot, &without);
    }
    if (without.n > 0)
        trb_warn(
            "%zu held-out sample%s give%s no best temperature for %s: the best would be 0, as all samples are right, "
            "or "
            "infinite, as the model knows nothing of them. The calibrated figures of these are left out; hold out more "
            "(data.validation)",
            held->n, held->n == 1 ? "" : "s", held->n == 1 ? "s" : "", names);
    if (st == TRB_OK && members) {
        if (whole) st = windows(world, &at, models, held, r_held, set, r, nll);
        for (size_t m = 1; !whole && m < M; m++) nll[m] = NAN;
        nll[0] = 0.0;
        for (size_t m = 0; m < M; m++) nll[0] += each[m].calibrated_nll / (double)M;
        nll[M - 1] = each[M].calibrated_nll; /* also if M is 1: then the ensemble is the member */
        compare_sizes(M, slots, nll, each);
    }
    trb_free(at.all);
    trb_free(at.mine);
    return st;
}
