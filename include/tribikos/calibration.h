/** Calibration: one temperature for a model, and what an ensemble of which size a model is worth.
 *
 * A model's mean probabilities p are tempered after averaging (Ashukha et al. 2020, arXiv:2002.06470, sec. 3.2):
 * p_T = p^(1/T) / sum p^(1/T). T minimises the negative log-likelihood of samples that are not reported on. With
 * b = 1 / T and l = log p the likelihood of a row with label y,
 *
 *   f(b) = log sum_k exp(b l_k) - b l_y,   f'(b) = E[l] - l_y,   f''(b) = Var[l]   (of k distributed as p_T)
 *
 * is convex, so that Newton's steps, kept within what the signs of f' have left possible, find the one minimum.
 *
 * All functions are local.
 */
#ifndef TRB_CALIBRATION_H
#define TRB_CALIBRATION_H

#include <stdbool.h>

#include "tribikos/metrics.h"

/** A fit under way, of b in [1/100, 100]: the caller sums at `b`, and steps, until the step says that it is done. Where
 * there is no minimum (all rows right, say) it ends where nothing is left to gain, or at an end of the range. */
typedef struct {
    double b, low, high;
    unsigned steps;
} trb_temperature;

trb_temperature trb_temperature_begin(void);
/** Sums of f, f' and f'' at b over rows. \param[in] log_p [rows][K]   \param[out] sums  overwritten */
void trb_temperature_sums(size_t rows, size_t K, const float *log_p, const int32_t *label, double b, double sums[3]);
/** \param[in] sums  at t->b, over all rows   \return whether t->b is the result */
bool trb_temperature_step(trb_temperature *t, const double sums[3]);

/** Adaptive ECE: sum over bins of |sum of correct - sum of confidence| / n, confidence = max p, in bins of equally many
 * rows, which are sorted by confidence, those of one confidence by their place (equal mass as in Nixon et al. 2019,
 * arXiv:1904.01685, of the largest probability alone).
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb_adaptive_ece(size_t n, const trb_row_figures *row, size_t bins, double *ece);

/** Add a member to a mixture: sum = log(exp(sum) + exp(log_p)), n values. */
void trb_mixture_add(size_t n, const float *log_p, float *sum);

/** Deep-ensemble equivalent: the smallest real m >= 1 at which an ensemble is as good, linear between whole m (Ashukha
 * et al. 2020, sec. 4). So a model that is worse than one member has 1 too; one that is better than all M has M.
 * \param[in] nll [M], calibrated, of ensembles of 1..M members   \param[in] is  the model's */
double trb_ensemble_equivalent(size_t M, const double *nll, double is);

#endif
