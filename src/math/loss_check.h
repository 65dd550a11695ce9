/** What losses refuse; defined in loss.c. */
#ifndef TRB__LOSS_CHECK_H
#define TRB__LOSS_CHECK_H

#include <stddef.h>

#include "tribikos/status.h"

/** Refuse a number in x [n][K] that is not finite. \param[in] whose  numbers, for the message   \param[in] first
 * number of row 0 among all rows and heads   \param[in] M  heads a row */
trb_status trb__loss_finite(size_t n, size_t K, const float *x, const char *whose, size_t first, size_t M);
/** Refuse more than TRB_LOSS_K_MAX outputs. */
trb_status trb__loss_classes(size_t K);

#endif
