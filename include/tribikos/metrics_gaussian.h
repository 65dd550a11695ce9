/** Metrics of predicted Gaussians, one for each member or head. As with classes (metrics.h), a block's sums are plain
 * data, and sums of blocks are added in the order of the blocks, whichever ranks computed them.
 *
 * The prediction for a row is the mixture F = 1/M sum_m N(mu_m, s_m^2); y is the target. All numbers are in the
 * target's unit u. A network's outputs (z_0, z_1) stand for
 * mu = target_mean + target_scale z_0, s = target_scale exp(z_1 / 2).
 *
 *   rmse            root of the mean of (mu - y)^2, mu = 1/M sum_m mu_m   [u]
 *   nll             mean of -log of the mixture's density at y   [nats, of a density in 1/u]
 *   nll_moments     the same for N(mu, s^2) with the mixture's mean and variance
 *                   s^2 = 1/M sum_m (s_m^2 + mu_m^2) - mu^2, as reported by
 *                   Lakshminarayanan et al. 2017 (arXiv:1612.01474, sec. 2.4)
 *   crps            mean of the continuous ranked probability score, the integral over t of (F(t) - [y <= t])^2, of the
 *                   mixture in closed form (Grimit et al. 2006, Q. J. R. Meteorol. Soc. 132, eq. 5)   [u]:
 *                   1/M sum_m A(y - mu_m, s_m^2) - 1/(2 M^2) sum_{m,n} A(mu_m - mu_n, s_m^2 + s_n^2),
 *                   A(d, v) = d (2 Phi(d/sqrt v) - 1) + 2 sqrt v phi(d/sqrt v)
 *   coverage        fraction of rows with y in the mixture's central 95 % interval: 0.025 <= F(y) <= 0.975
 *   width           mean width of that interval, between exact quantiles of the mixture   [u]
 *   model_variance  mean of the variance of the means, 1/M sum_m (mu_m - mu)^2   [u^2]
 *   data_variance   mean of the mean variance, 1/M sum_m s_m^2   [u^2]
 *
 * All functions are local.
 */
#ifndef TRB_METRICS_GAUSSIAN_H
#define TRB_METRICS_GAUSSIAN_H

#include "tribikos/metrics.h"

enum { TRB_METRIC_GAUSSIAN_SUMS = 8 };

/** Sums of one block.
 *
 * \param[in]  z            [rows][M][2] mean and log variance in standardised units, finite
 * \param[in]  y            [rows] targets, in the target's unit
 * \param[in]  mean,scale   target_mean and target_scale, as in trb_data; scale > 0
 * \param[out] sums         [TRB_METRIC_GAUSSIAN_SUMS], overwritten
 * \param[out] p            [rows][M][2] each Gaussian's mean and standard deviation in the target's unit; NULL to skip
 * \return TRB_OK; TRB_ENUM if an output is not finite, or a log variance is not within -400 to 400, with row and head;
 * TRB_ENOMEM
 */
trb_status trb_metrics_gaussian_block(size_t rows, size_t M, const float *z, const float *y, double mean, double scale,
                                      double *sums, float *p);

/** What rows' mixtures say, in the target's unit. Each pointer but `z` may be NULL.
 * \param[in]  z,mean,scale  as above
 * \param[out] each      [rows][M][2] each Gaussian's mean and standard deviation
 * \param[out] low,high  [rows] the mixture's central 95 % interval, between exact quantiles
 * \return as trb_metrics_gaussian_block() */
trb_status trb_gaussian_rows(size_t rows, size_t M, const float *z, double mean, double scale, double *each,
                             double *low, double *high);

/** Compute the figures from the sums of all blocks; figures of classes are NaN.
 * \param[in] sums  [blocks][TRB_METRIC_GAUSSIAN_SUMS] in block order   \param[in] n  rows in all blocks, > 0 */
trb_metrics trb_metrics_gaussian_from(size_t blocks, const double *sums, size_t n);

/** The variances of a row's mixture, in the squared unit of the target: `total`, and `data`, the mean of the variances.
 * `doubt` is NaN, because there is no largest probability.
 * \param[in]  z     [M][2]   \param[in] scale  target_scale   \param[out] mean  of the mixture, in standardised
 * units */
trb_row_figures trb_gaussian_figures(size_t M, const float *z, double scale, double *mean);

#endif
