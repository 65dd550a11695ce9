/** Statistics of ranks: how well a score tells two sets apart, and how far two scores agree. Exact with ties. All
 * functions are local. */
#ifndef TRB_RANKS_H
#define TRB_RANKS_H

#include <stddef.h>

#include "tribikos/status.h"

/** Out of distribution is the positive class: a high score says that a sample is.
 *
 *   auroc  probability that a sample out of distribution has a higher score than one in distribution, ties counted
 *          half: the area under the curve of true by false positives
 *   aupr   average precision: over all thresholds, (recall - recall before) * precision, without interpolation
 *   fpr95  the smallest share of false positives of any threshold that finds at least 95 % of what is out
 */
typedef struct {
    double auroc, aupr, fpr95;
} trb_detection;

/** \param[in] in [n_in], out [n_out]  scores, finite; at least one each   \return TRB_OK; TRB_ENOMEM */
trb_status trb_detect(size_t n_in, const double *in, size_t n_out, const double *out, trb_detection *d);

/** Pearson's correlation of n pairs; NaN where a side is constant. */
double trb_pearson(size_t n, const double *x, const double *y);
/** Spearman's: Pearson's of the ranks, ties given their mean rank. \return TRB_OK; TRB_ENOMEM */
trb_status trb_spearman(size_t n, const double *x, const double *y, double *rho);

#endif
