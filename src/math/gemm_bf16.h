/** Matrix products with bfloat16 operands and single precision sums. */
#ifndef TRB_MATH_GEMM_BF16_H
#define TRB_MATH_GEMM_BF16_H

#include <stdbool.h>

#include "tribikos/status.h"

/** Whether a product is faster in bfloat16, the rounding of its operands included. The answer depends on m only for the
 * gradient by the weights (A transposed). In a layer's other products m is the number of rows, which may be smaller in
 * a last block, and the answer must be the same there. */
bool trb__gemm_bf16_leads(bool ta, size_t m, size_t n, size_t k);

/** trb_gemm() with beta 0. */
trb_status trb__gemm_bf16(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                          size_t ldb, float *c, size_t ldc);

/** Free what products keep for later calls. */
void trb__gemm_bf16_release(void);

#endif
