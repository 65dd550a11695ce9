/** Statistics of ranks: how well a score separates two sets, and how well two scores agree. Ties are treated exactly.
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

/** Pearson's correlation of n pairs; NaN if x or y is constant. */
double trb_pearson(size_t n, const double *x, const double *y);
/** Spearman's correlation: Pearson's correlation of the ranks, where ties have their mean rank. \return TRB_OK;
 * TRB_ENOMEM */
trb_status trb_spearman(size_t n, const double *x, const double *y, double *rho);

#endif
