/** Metrics of predicted class probabilities, gathered block by block so that the sums do not depend on who adds them.
 *
 * A block's sums are plain data ([TRB_METRIC_SUMS] doubles); blocks are merged in block order, whichever ranks computed
 * them, so the figures are bit-identical for every rank count. All functions are local.
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
 *
 * Figures are NaN where they have no meaning. These take more than one pass or model:
 *
 *   adaptive_ece        as ece, in bins of equally many rows: trb_adaptive_ece()
 *   temperature         T, fitted on samples apart from those reported: calibration.h
 *   calibrated_nll, calibrated_brier, calibrated_ece    of p^(1/T) / sum p^(1/T)
 *   deep_ensemble_equivalent    trb_ensemble_equivalent()
 *   mu_ratio            mu divided by that of the ensemble
 *   mu_pearson, mu_spearman     correlation over rows of a student's model uncertainty with the ensemble's: ranks.h
 *   fidelity_kl         mean over rows and m of KL(p_m of the members || p_m of the student's heads)
 *
 * Those of regression, among them nll once more, are described in metrics_gaussian.h.
 */
#ifndef TRB_METRICS_H
#define TRB_METRICS_H

#include <stdint.h>

#include "tribikos/dirichlet.h"
#include "tribikos/status.h"

enum { TRB_METRIC_BINS_MAX = 100, TRB_METRIC_SUMS = 8 + 3 * TRB_METRIC_BINS_MAX };

typedef struct {
    double accuracy, nll, brier, ece, mu, total_uncertainty, data_uncertainty, pairwise_kl, disagreement;
    double adaptive_ece, temperature, calibrated_nll, calibrated_brier, calibrated_ece, deep_ensemble_equivalent;
    double mu_ratio, mu_pearson, mu_spearman, fidelity_kl;
    double rmse, nll_moments, crps, coverage, width, model_variance, data_variance; /* of regression */
} trb_metrics;

/** What a model says of a row. */
typedef struct {
    double *p, *log_p;  /* [K] p, and its logarithm, which is finite also where p is not above 0 */
    double total, data; /* total uncertainty H(p), data uncertainty */
    double kl, disagree;
} trb_prediction;

/** How a model's logits state a prediction.
 * \param[in] z [M][K], finite   \param[out] work  [trb_predict_work()]   \param[in,out] out  p and log_p have room */
typedef void trb_predict(size_t M, size_t K, const float *z, double *work, trb_prediction *out);
size_t trb_predict_work(size_t M, size_t K);
/** The mixture of the M heads' softmaxes. */
trb_predict trb_predict_mixture;
/** One Dirichlet of that kind (dirichlet.h), M = 1: p is its mean, data uncertainty the mean entropy of its draws;
 * pairwise_kl and disagreement are 0. Of NONE the mixture. */
trb_predict *trb_predict_of(trb_dirichlet kind);

/** Figures of one row. */
typedef struct {
    double total, data; /* uncertainty; model uncertainty is their difference */
    double doubt;       /* 1 - max p, summed from the other classes, so that it does not vanish near 1 */
    double correct;     /* 1 or 0 */
} trb_row_figures;

/** Where a block's results go; each may be NULL if nobody asks. */
typedef struct {
    double *sums;         /* [TRB_METRIC_SUMS], overwritten */
    float *log_p;         /* [rows][K] */
    trb_row_figures *row; /* [rows] */
} trb_metrics_out;

/** Results of one block.
 *
 * \param[in] z      [rows][M][K] logits
 * \param[in] label  [rows], each in [0, K); NULL if the classes are none of the model's: then sums must be NULL, and
 *                   `correct` is 0
 * \param[in] bins   of the calibration error, 1..TRB_METRIC_BINS_MAX
 * \return TRB_OK; TRB_ENUM if a logit is not finite; TRB_ENOMEM
 */
trb_status trb_metrics_block(trb_predict *predict, size_t rows, size_t M, size_t K, const float *z,
                             const int32_t *label, size_t bins, const trb_metrics_out *out);

/** Add to a block's sums what fidelity_kl needs. \param[in] members,heads  [rows][M][K] logits, finite */
void trb_metrics_fidelity(size_t rows, size_t M, size_t K, const float *members, const float *heads, double *sums);

/** Sums of one block at a temperature: those of nll, brier and ece; the others are 0.
 * \param[in] log_p  [rows][K]   \param[in] b  1 / T, > 0   \param[out] sums  [TRB_METRIC_SUMS], overwritten
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb_metrics_tempered(size_t rows, size_t K, const float *log_p, const int32_t *label, double b, size_t bins,
                                double *sums);

/** The figures from the sums of all blocks. fidelity_kl is 0 if nothing was added for it; what needs more is NaN.
 * \param[in] sums  [blocks][TRB_METRIC_SUMS] in block order   \param[in] n  rows in all blocks, > 0 */
trb_metrics trb_metrics_from(size_t blocks, const double *sums, size_t n, size_t bins);

/** A figure by its name, for tables and files. */
typedef struct {
    const char *name;
    size_t offset; /* in trb_metrics */
} trb_figure;
/** All that there are of a task, in the order of files; the name is NULL behind the last. */
extern const trb_figure trb_figures_classes[], trb_figures_regression[];
double trb_metrics_value(const trb_metrics *m, const trb_figure *f);

/** All NaN. */
trb_metrics trb_metrics_unknown(void);
/** Mean of several, figure by figure. */
trb_metrics trb_metrics_mean(size_t n, const trb_metrics *each);

#endif
