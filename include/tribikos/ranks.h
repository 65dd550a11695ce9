/** Statistics of ranks: how well a score separates two sets or orders losses, and how well two scores agree. Ties are
 * treated exactly.
 *
 * All functions are local. */
#ifndef TRB_RANKS_H
#define TRB_RANKS_H

#include <stddef.h>

#include "tribikos/status.h"

/** Detection of out-of-distribution samples. They are the positive class: a high score means out-of-distribution.
 *
 *   auroc  probability that an out-of-distribution sample has a higher score than an in-distribution one, where ties
 *          count half: the area under the curve of true against false positives
 *   aupr   average precision: over all thresholds, (recall - recall before) * precision, without interpolation
 *   fpr95  the smallest rate of false positives of any threshold that finds at least 95 % of the positive samples
 */
typedef struct {
    double auroc, aupr, fpr95;
} trb_detection;

/** \param[in] in [n_in], out [n_out]  scores, finite; at least one each   \return TRB_OK; TRB_ENOMEM */
trb_status trb_detect(size_t n_in, const double *in, size_t n_out, const double *out, trb_detection *d);

/** Area under the risk-coverage curve. A model that may refuse answers those samples whose score is lowest; its risk at
 * a coverage of k / n is the mean loss of the k samples with the lowest scores (El-Yaniv and Wiener 2010; Geifman and
 * El-Yaniv 2017, arXiv:1705.08500). The area is the mean over all coverages (Geifman et al. 2019, arXiv:1805.08206):
 *
 *   aurc = 1/n sum_{k=1}^n 1/k (sum of the losses of the k samples)
 *
 * Samples of equal score are in random order: the result is the mean over all orders. So it is the mean loss if all
 * scores are equal.
 * \param[in] score,loss  [n] finite, n > 0   \return TRB_OK; TRB_ENOMEM */
trb_status trb_aurc(size_t n, const double *score, const double *loss, double *aurc);

/** Pearson's correlation of n pairs; NaN if x or y is constant. */
double trb_pearson(size_t n, const double *x, const double *y);
/** Spearman's correlation: Pearson's correlation of the ranks, where ties have their mean rank. \return TRB_OK;
 * TRB_ENOMEM */
trb_status trb_spearman(size_t n, const double *x, const double *y, double *rho);

#endif
