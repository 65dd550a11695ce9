/** Matrix products with bfloat16 operands and single precision sums. */
#ifndef TRB_MATH_GEMM_BF16_H
#define TRB_MATH_GEMM_BF16_H

#include <stdbool.h>

#include "tribikos/status.h"

/** Whether a product is worth rounding its operands for. Of a layer's products only the gradient by the weights (op(A)
 * transposed) is judged by m; in the others m is the rows, which may be fewer in a last block. */
bool trb__gemm_bf16_leads(bool ta, size_t m, size_t n, size_t k);

/** trb_gemm() with beta 0. */
trb_status trb__gemm_bf16(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                          size_t ldb, float *c, size_t ldc);

/** Give back what products keep from one to the next. */
void trb__gemm_bf16_release(void);

#endif
