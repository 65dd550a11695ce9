/** Metrics of predicted class probabilities, gathered block by block so that the sums do not depend on who adds them.
 *
 * A block's sums are plain data ([TRB_METRIC_SUMS] doubles); blocks are merged in block order, whichever ranks computed
 * them, so the figures are bit-identical for every rank count.
 *
 *   p_m    a head's or member's probabilities, p = 1/M sum_m p_m; y the label; H the entropy, all in nats
 *   accuracy            share of rows with argmax p = y (the first maximum counts)
 *   nll                 mean of -log p[y]
 *   brier               mean of sum_k (p_k - [k = y])^2, in [0, 2]
 *   ece                 expected calibration error, `bins` equal bins of max p, the last one closed (Guo et al. 2017,
 *                       arXiv:1706.04599, eq. 3)
 *   total_uncertainty   mean of H(p)
 *   data_uncertainty    mean of 1/M sum_m H(p_m)
 *   mu                  model uncertainty, the mutual information: total - data (Hydra, arXiv:2001.04694, eq. 6)
 *   pairwise_kl         mean over ordered pairs i != j of KL(p_i || p_j); 0 if M = 1
 *   disagreement        mean over unordered pairs of [argmax p_i != argmax p_j]; 0 if M = 1
 */
#ifndef TRB_METRICS_H
#define TRB_METRICS_H

#include <stdint.h>

#include "tribikos/dirichlet.h"
#include "tribikos/status.h"

enum { TRB_METRIC_BINS_MAX = 100, TRB_METRIC_SUMS = 8 + 3 * TRB_METRIC_BINS_MAX };

typedef struct {
    double accuracy, nll, brier, ece, mu, total_uncertainty, data_uncertainty, pairwise_kl, disagreement;
} trb_metrics;

/** Sums of one block. Local.
 *
 * \param[in]  z     [rows][M][K] logits, finite   \param[in] label [rows], each in [0, K)
 * \param[in]  bins  of the calibration error, 1..TRB_METRIC_BINS_MAX
 * \param[out] sums  [TRB_METRIC_SUMS], overwritten
 * \param[out] p     [rows][K] mean probabilities; NULL to skip
 * \return TRB_OK; TRB_ENUM if a logit is not finite; TRB_ENOMEM
 */
trb_status trb_metrics_block(size_t rows, size_t M, size_t K, const float *z, const int32_t *label, size_t bins,
                             double *sums, float *p);

/** The same of one Dirichlet a row (dirichlet.h): p is its mean, data_uncertainty the mean of the entropies of its
 * draws; pairwise_kl and disagreement are 0. \param[in] kind  NONE: one categorical distribution
 * \param[in] z  [rows][K] */
trb_status trb_metrics_block_dirichlet(trb_dirichlet kind, size_t rows, size_t K, const float *z, const int32_t *label,
                                       size_t bins, double *sums, float *p);

/** The figures from the sums of all blocks. Local.
 * \param[in] sums  [blocks][TRB_METRIC_SUMS] in block order   \param[in] n  rows in all blocks, > 0 */
trb_metrics trb_metrics_from(size_t blocks, const double *sums, size_t n, size_t bins);

/** The same figures one after another, for tables and files: name and value by index; the name is NULL behind the last.
 * Local. */
const char *trb_metrics_name(size_t i);
double trb_metrics_value(const trb_metrics *m, size_t i);

/** Mean of several. Local. */
trb_metrics trb_metrics_mean(size_t n, const trb_metrics *each);

#endif
