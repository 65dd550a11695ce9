/** Precision: the type of the operands of products, in all layers that are made after it is set.
 *
 * With bf16, convolutions, and matrix products where it is faster, round their operands to bfloat16 (8 bits of
 * mantissa) and add up in single precision. Weights, statistics, losses and updates stay in single precision.
 */
#ifndef TRB_PRECISION_H
#define TRB_PRECISION_H

#include "tribikos/status.h"

typedef enum { TRB_PRECISION_F32, TRB_PRECISION_BF16 } trb_precision;

/** Set the precision. Local. \return TRB_OK; TRB_ECONFIG for bf16 if the processor has no bfloat16 products
 * (avx512_bf16) */
trb_status trb_precision_set(trb_precision p);
/** The precision, f32 if it was never set. Local. */
trb_precision trb_precision_get(void);

#endif
