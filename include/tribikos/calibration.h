/** Calibration: the temperature of a model, its calibration error, and the size of the ensemble that it is worth.
 *
 * A model's mean probabilities p are tempered after averaging (Ashukha et al. 2020, arXiv:2002.06470, sec. 3.2):
 * p_T = p^(1/T) / sum p^(1/T). T minimises the negative log-likelihood of samples other than those
 * reported. With b = 1 / T and l = log p, the negative log-likelihood of a row with label y,
 *
 *   f(b) = log sum_k exp(b l_k) - b l_y,   f'(b) = E[l] - l_y,   f''(b) = Var[l]   (of k distributed as p_T)
 *
 * is convex. So Newton's method finds the only minimum, if steps are kept in the interval that the signs of f' leave.
 *
 * All functions are local.
 */
#ifndef TRB_CALIBRATION_H
#define TRB_CALIBRATION_H

#include <stdbool.h>

#include "tribikos/metrics.h"

/** The state of a fit of b in [1/100, 100]. The caller computes the sums at `b` and makes a step, until a step reports
 * that b is the result. If there is no minimum, as when all rows are right, the fit ends where hardly anything can be
 * gained, or at an end of the range. Then `open` is true, and b says nothing about the model. */
typedef struct {
    double b, low, high;
    unsigned steps;
    bool open; /* once a step has reported the result: b is no minimum; a larger or a smaller one would be better yet */
} trb_temperature;

trb_temperature trb_temperature_begin(void);
/** Sums of f, f' and f'' at b over rows. \param[in] log_p [rows][K]   \param[out] sums  overwritten */
void trb_temperature_sums(size_t rows, size_t K, const float *log_p, const int32_t *label, double b, double sums[3]);
/** \param[in] sums  at t->b, over all rows   \return whether t->b is the result */
bool trb_temperature_step(trb_temperature *t, const double sums[3]);

/** Mean probabilities at a temperature: p^(1/T) / sum p^(1/T).
 * \param[in] log_p  [rows][K]   \param[in] b  1 / T   \param[out] p  [rows][K] */
void trb_temperature_apply(size_t rows, size_t K, const float *log_p, double b, float *p);

/** Adaptive calibration error: the sum over bins of |sum of correct - sum of confidence| / n, where confidence = max p.
 * Rows are sorted by confidence, rows of equal confidence by their place, and cut into bins with equal numbers of rows
 * (equal mass as in Nixon et al. 2019, arXiv:1904.01685, but for the largest probability only).
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb_adaptive_ece(size_t n, const trb_row_figures *row, size_t bins, double *ece);

/** Add a member to a mixture of probabilities: sum = log(exp(sum) + exp(log_p)) for n values. */
void trb_mixture_add(size_t n, const float *log_p, float *sum);

/** Deep-ensemble equivalent: the smallest real m >= 1 for which an ensemble of m members is as good as the model, with
 * linear interpolation between whole m (Ashukha et al. 2020, sec. 4). It is 1 for a model that is worse than one
 * member, and M for one that is better than the ensemble of M.
 * \param[in] nll [M], calibrated, of ensembles of 1..M members   \param[in] is  calibrated, of the model */
double trb_ensemble_equivalent(size_t M, const double *nll, double is);

#endif
