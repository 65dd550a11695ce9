/** Matrix products by OpenBLAS and oneDNN, with the fastest kernels for this processor.
 *
 * OpenBLAS chooses its kernels when it is loaded, but does not know every processor: a processor that is newer than the
 * library may get kernels of half the speed. So trb_blas_open() first chooses them from the processor's feature bits,
 * and then loads the library (dlopen). If the user has set OPENBLAS_CORETYPE, that is used. oneDNN chooses well by
 * itself.
 *
 * Which library computes a product, and in which pieces, depends on its shape and the precision only (measured; see
 * src/math/blas.c). So the bits of a product depend on its shape, its operands, the precision, the processor and the
 * thread count, and on nothing else. Files whose bits depend on them record the names of the kernels and the thread
 * count.
 */
#ifndef TRB_BLAS_H
#define TRB_BLAS_H

#include <stdbool.h>
#include <stddef.h>

#include "tribikos/status.h"

/** Check that the address space has room for the buffers of one thread, and for so many bytes more. trb_blas_open() would
 * refuse it later, but where there is less, MPI may not start, and then ends the process in its own words. Local; call
 * it before MPI starts. \return TRB_OK; TRB_ENOMEM */
trb_status trb_blas_room(size_t more);

/** Load the library and set its thread count. Local. Call it before any other function of this folder; a later call can
 * only change the thread count. \param[in] threads  BLAS threads a rank, >= 1; 1 is fastest on layer-sized shapes
 * \return TRB_OK; TRB_ECONFIG if threads < 1, if the libraries give another number, or if the processor lacks what
 * OPENBLAS_CORETYPE needs; TRB_ENOMEM if threads or their buffers are refused; TRB_EIO if the library cannot be loaded
 */
trb_status trb_blas_open(int threads);

/** Free what bf16 products keep for later calls: a primitive for each shape, and a buffer for rounded operands. Local;
 * they are made again if needed. */
void trb_blas_close(void);

/** Libraries, kernels, thread count and precision (precision.h) as files record them, e.g.
 * "OpenBLAS 0.3.21 SkylakeX, oneDNN 2.6.3 isa 0xe7, 1 thread, bf16". In single precision the last word is missing. isa
 * is oneDNN's dnnl_cpu_isa_t: the processor features that it uses. Local; borrowed; "" before trb_blas_open(). */
const char *trb_blas_name(void);
/** The first part of that text: libraries and kernels. */
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
