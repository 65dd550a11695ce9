/** What the losses share: checks of their inputs, and exponentials; defined in loss.c. */
#ifndef TRB__LOSS_CHECK_H
#define TRB__LOSS_CHECK_H

#include <stddef.h>

#include "tribikos/status.h"

/** Fail if a number in x [n][K] is not finite.
 * \param[in] whose  what the numbers are, for the message   \param[in] M  heads a row
 * \param[in] first  number of row 0 of x, counted over all rows and heads */
trb_status trb__loss_finite(size_t n, size_t K, const float *x, const char *whose, size_t first, size_t M);
/** Fail if K is more than TRB_LOSS_K_MAX outputs. */
trb_status trb__loss_classes(size_t K);

/** e = exp((x - max x) / T) for n rows, with the maximum and the sum of each; an x may be -INFINITY if another one of
 * its row is not. e may be x.
 * \param[in] x  [n][K]   \param[out] e  [n][K]   \param[out] max,sum  [n] */
void trb__exp_rows(size_t n, size_t K, float T, const float *x, float *e, float *max, double *sum);

#endif
