/** Matrix products, on the kernels that this processor deserves.
 *
 * OpenBLAS chooses its kernels when it is loaded and does not know every processor: one that is newer than the library
 * may get kernels of half the speed. trb_blas_open() therefore decides first, from the processor's own feature bits
 * alone, and only then loads the library (dlopen). A user's OPENBLAS_CORETYPE wins. oneDNN looks at the processor by
 * itself. Which library computes a product, and in which pieces, depends on its shape alone (measured; see
 * src/math/blas.c), so the bits of a product depend on its shape, its operands, the processor and the thread count, and
 * on nothing else. The name of the kernels and the thread count are recorded wherever bits depend on them.
 */
#ifndef TRB_BLAS_H
#define TRB_BLAS_H

#include <stdbool.h>

#include "tribikos/status.h"

/** Load the library and fix its thread count. Local; call once before any other function of this folder; a second call
 * may only change the thread count. \param[in] threads  BLAS threads a rank, >= 1; 1 is fastest on layer-sized shapes
 * \return TRB_OK; TRB_ECONFIG if threads < 1, if there cannot be so many, or if the processor lacks what
 * OPENBLAS_CORETYPE asks for; TRB_EIO if the library cannot be loaded */
trb_status trb_blas_open(int threads);

/** Give back what products of bf16 keep from one call to the next: a primitive for each shape, made at its first use,
 * and the rounded operands. Local; they are made anew if needed. */
void trb_blas_close(void);

/** Libraries, kernels, thread count and precision (precision.h) as recorded, e.g.
 * "OpenBLAS 0.3.21 SkylakeX, oneDNN 2.6.3 isa 0xe7, 1 thread, bf16" (without the last word in single precision; isa is
 * oneDNN's dnnl_cpu_isa_t, the processor's features that it uses). Local; borrowed; "" before trb_blas_open(). */
const char *trb_blas_name(void);
/** The first part of it, libraries and kernels. */
const char *trb_blas_libraries(void);

/** C = op(A) op(B) + beta C, row-major, single precision. Local.
 *
 * \param[in]     ta,tb  whether A, B are used transposed
 * \param[in]     m,n,k  op(A) is [m][k], op(B) is [k][n], C is [m][n]; each at least 1
 * \param[in]     lda,ldb,ldc  elements from one stored row to the next
 * \param[in]     beta   0 (C is overwritten, never read) or 1
 * \return TRB_OK; TRB_ECONFIG if a size does not fit the library's int; TRB_EINTERNAL if the library refuses
 */
trb_status trb_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                    size_t ldb, float beta, float *c, size_t ldc);

#endif
