/** The types of stored numbers, and half precision (IEEE 754 binary16), which is used in files but never for computing.
 *
 * All functions are local.
 */
#ifndef TRB_DTYPE_H
#define TRB_DTYPE_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    TRB_U8,
    TRB_I32,
    TRB_I64,
    TRB_U64,
    TRB_F16,
    TRB_F32,
    TRB_F64,
    /* In files of other programs only: */
    TRB_BOOL, /* a byte that is 0 or 1 */
    TRB_I8,
    TRB_I16,
    TRB_U16,
    TRB_U32
} trb_dtype;
enum { TRB_DTYPES = TRB_U32 + 1 };

size_t trb_dtype_bytes(trb_dtype t);
const char *trb_dtype_name(trb_dtype t); /* "float16", as NumPy calls it */

/** Convert float32 to float16, rounding to nearest even; and float16 to float32, which is exact. */
void trb_f16_from_f32(size_t n, const float *from, uint16_t *to);
void trb_f32_from_f16(size_t n, const uint16_t *from, float *to);

#endif
