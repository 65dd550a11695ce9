/** Metrics of predicted class probabilities, computed block by block, so that they do not depend on the number of
 * ranks.
 *
 * A block's sums are plain data ([TRB_METRIC_SUMS] doubles). Sums of blocks are added in the order of the blocks,
 * whichever ranks computed them, so the figures have the same bits for every number of ranks. All functions are local.
 *
 *   p_m    a head's or member's probabilities, p = 1/M sum_m p_m; y the label; H the entropy, all in nats
 *   accuracy            fraction of rows with argmax p = y (of equal maxima the first counts)
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
 * A figure that has no meaning is NaN. These need more than one pass, or several models:
 *
 *   adaptive_ece        as ece, but each bin has the same number of rows: trb_adaptive_ece()
 *   temperature         T, fitted on other samples than those reported: calibration.h
 *   calibrated_nll, calibrated_brier, calibrated_ece    of p^(1/T) / sum p^(1/T)
 *   deep_ensemble_equivalent    trb_ensemble_equivalent()
 *   error_auroc_model, error_auroc_total    how well each uncertainty finds the wrong predictions: trb_detect() of
 *                       wrong rows among right ones (Hendrycks and Gimpel 2017, arXiv:1610.02136); unknown if all are
 *                       right or all wrong
 *   aurc_model, aurc_total    area under the risk-coverage curve by each uncertainty, with loss 1 for a wrong
 *                       prediction: trb_aurc() of ranks.h
 *   classwise_ece       calibration error of all classes: trb_classwise_ece() of calibration.h
 *   conformal_coverage, conformal_size    of split-conformal prediction sets: trb_conformal_threshold()
 *   mu_ratio            mu divided by that of the ensemble
 *   mu_pearson, mu_spearman     correlation over rows of a student's model uncertainty with the ensemble's: ranks.h
 *   fidelity_kl         mean over rows and m of KL(p_m of the members || p_m of the student's heads)
 *
 * metrics_gaussian.h describes the figures of regression, among them another nll.
 */
#ifndef TRB_METRICS_H
#define TRB_METRICS_H

#include <stdint.h>

#include "tribikos/dirichlet.h"
#include "tribikos/status.h"

enum { TRB_METRIC_BINS_MAX = 100, TRB_METRIC_SUMS = 8 + 3 * TRB_METRIC_BINS_MAX };
/** With one bin, only so many of a block's sums are used, the first ones. */
enum { TRB_METRIC_SUMS_ONE_BIN = 8 + 3 };

typedef struct {
    double accuracy, nll, brier, ece, mu, total_uncertainty, data_uncertainty, pairwise_kl, disagreement;
    double adaptive_ece, temperature, calibrated_nll, calibrated_brier, calibrated_ece, deep_ensemble_equivalent;
    double mu_ratio, mu_pearson, mu_spearman, fidelity_kl;
    double error_auroc_model, error_auroc_total, aurc_model, aurc_total, classwise_ece;
    double conformal_coverage, conformal_size;
    double rmse, nll_moments, crps, coverage, width, model_variance, data_variance; /* of regression */
} trb_metrics;

/** A model's prediction for one row. */
typedef struct {
    double *p, *log_p;  /* [K] p, and its logarithm, which is finite even if p is rounded to 0 */
    double total, data; /* total uncertainty H(p), data uncertainty */
    double kl, disagree;
} trb_prediction;

/** A function that computes a prediction from a model's logits.
 * \param[in] z [M][K], finite   \param[out] work  [trb_predict_work()], scratch memory
 * \param[in,out] out  p and log_p point to [K] each */
typedef void trb_predict(size_t M, size_t K, const float *z, double *work, trb_prediction *out);
size_t trb_predict_work(size_t M, size_t K);
/** Prediction by the mixture of the softmaxes of M heads. */
trb_predict trb_predict_mixture;
/** Prediction by one Dirichlet of this kind (dirichlet.h), M = 1: p is its mean, data uncertainty the mean entropy of
 * its draws; pairwise_kl and disagreement are 0. For TRB_DIRICHLET_NONE it is the mixture. */
trb_predict *trb_predict_of(trb_dirichlet kind);

/** Figures of one row. */
typedef struct {
    double total, data; /* uncertainty; model uncertainty is their difference */
    double doubt;       /* 1 - max p, as the sum over the other classes, which is accurate for max p near 1 */
    double correct;     /* 1 or 0 */
    double loss;        /* 1 - correct; of regression the squared error */
} trb_row_figures;

/** Where a block's results are written; each may be NULL. */
typedef struct {
    double *sums;         /* [TRB_METRIC_SUMS], overwritten */
    float *log_p;         /* [rows][K] */
    trb_row_figures *row; /* [rows] */
    int64_t *by_class;    /* [K][bins] is added to: see trb_classwise_ece() */
} trb_metrics_out;

/** Results of one block.
 *
 * \param[in] z      [rows][M][K] logits
 * \param[in] label  [rows], each in [0, K); NULL if the samples are not of the model's classes: then sums and by_class
 *                   must be NULL, `correct` is 0, and `loss` means nothing
 * \param[in] bins   number of bins of the calibration error, 1..TRB_METRIC_BINS_MAX
 * \return TRB_OK; TRB_ENUM if a logit is not finite; TRB_ENOMEM
 */
trb_status trb_metrics_block(trb_predict *predict, size_t rows, size_t M, size_t K, const float *z,
                             const int32_t *label, size_t bins, const trb_metrics_out *out);

/** Add the sum for fidelity_kl to a block's sums. \param[in] members,heads  [rows][M][K] logits, finite */
void trb_metrics_fidelity(size_t rows, size_t M, size_t K, const float *members, const float *heads, double *sums);

/** A row's log-probabilities at a temperature. \param[in] log_p  [K]   \param[in] b  1 / T, > 0
 * \param[out] tempered  [K] log of p^b / sum p^b */
void trb_temper(size_t K, const float *log_p, double b, double *tempered);
/** Sums of one block at a temperature: those of accuracy, nll, brier and ece; the others are 0.
 * \param[in] log_p  [rows][K]   \param[in] b  1 / T, > 0   \param[out] sums  [TRB_METRIC_SUMS], overwritten
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb_metrics_tempered(size_t rows, size_t K, const float *log_p, const int32_t *label, double b, size_t bins,
                                double *sums);

/** Compute the figures from the sums of all blocks. fidelity_kl is 0 if trb_metrics_fidelity() was not called; figures
 * that need more than sums are NaN.
 * \param[in] sums  [blocks][TRB_METRIC_SUMS] in block order   \param[in] n  rows in all blocks, > 0 */
trb_metrics trb_metrics_from(size_t blocks, const double *sums, size_t n, size_t bins);

/** A figure by its name, for tables and files. */
typedef struct {
    const char *name;
    size_t offset; /* in trb_metrics */
} trb_figure;
/** All figures of a task, in the order in which files list them; the name after the last one is NULL. */
extern const trb_figure trb_figures_classes[], trb_figures_regression[];
/** The value of one figure. */
double trb_metrics_value(const trb_metrics *m, const trb_figure *f);

/** Metrics with all figures NaN. */
trb_metrics trb_metrics_unknown(void);
/** The mean of several metrics, figure by figure. */
trb_metrics trb_metrics_mean(size_t n, const trb_metrics *each);

#endif
