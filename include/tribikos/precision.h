/** Precision: how the layers that are made from now on multiply.
 *
 * bf16: convolutions, and matrix products where it pays, take bfloat16 operands (8 bits of mantissa) and add up in single
 * precision; weights, statistics, losses and updates stay single.
 */
#ifndef TRB_PRECISION_H
#define TRB_PRECISION_H

#include "tribikos/status.h"

typedef enum { TRB_PRECISION_F32, TRB_PRECISION_BF16 } trb_precision;

/** Local. \return TRB_OK; TRB_ECONFIG if oneDNN finds no processor with bfloat16 products (avx512_bf16) */
trb_status trb_precision_set(trb_precision p);
/** Local. f32 unless it was set. */
trb_precision trb_precision_get(void);

#endif
