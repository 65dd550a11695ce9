/** Calibration: the temperature of a model, its calibration errors, and the size of the ensemble that it is worth.
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

/** Calibration error of all classes, not only of the most probable one: the static calibration error of Nixon et al.
 * 2019 (arXiv:1904.01685), which Kull et al. 2019 (arXiv:1910.12656) call class-wise ECE. The probabilities p_k of each
 * class k are cut into equal bins of [0, 1], the last one closed; B_kb are the rows of a bin, y their labels:
 *
 *   1/K sum_k sum_b 1/n |sum over B_kb of ([y = k] - p_k)|
 *
 * \param[in] sums  [K][bins] the inner sums in units of 2^-32, added up by trb_metrics_block() over all n rows, n < 2^31.
 *                  They are whole numbers, so ranks may add them in any order. A row's share is rounded by at most
 *                  2^-33, and so is the result */
double trb_classwise_ece(size_t n, size_t K, size_t bins, const int64_t *sums);

/** Split-conformal prediction at a level of 90 %. Each row of a calibration set has a score s, which is large if the
 * model would not have expected the row's label. The threshold q is the ceil(0.9 (n + 1))-th smallest of the n scores. A
 * prediction set for another row has all labels whose score is at most q. If the rows are exchangeable, at least 90 % of
 * such sets have the right label in them, whatever the model is (Vovk et al. 2005; Angelopoulos and Bates 2021,
 * arXiv:2107.07511, eq. 1). Scores are not of calibrated probabilities, because the temperature has seen the same rows.
 *
 *   classes      LAC, the sets that are smallest on average (Sadinle et al. 2019, arXiv:1609.00451): s = 1 - p_y, so the
 *                set is {k: p_k >= 1 - q}. -log p_y, which is compared here, has the same order. A set may be empty
 *   regression   intervals in units of the predicted deviation (Lei et al. 2018, arXiv:1604.04173, sec. 5.2):
 *                s = |y - mu| / s(x), so the interval is mu +- q s(x). The square of s is compared
 *
 * \param[in,out] score  [n], sorted afterwards   \return q; INFINITY if n < 9: then every label is in every set */
double trb_conformal_threshold(size_t n, double *score);

/** Add a member to a mixture of probabilities: sum = log(exp(sum) + exp(log_p)) for n values. */
void trb_mixture_add(size_t n, const float *log_p, float *sum);

/** Deep-ensemble equivalent: the smallest real m >= 1 for which an ensemble of m members is as good as the model, with
 * linear interpolation between whole m (Ashukha et al. 2020, sec. 4). It is 1 for a model that is worse than one
 * member, and M for one that is better than the ensemble of M.
 * \param[in] nll [M], calibrated, of ensembles of 1..M members   \param[in] is  calibrated, of the model */
double trb_ensemble_equivalent(size_t M, const double *nll, double is);

#endif
