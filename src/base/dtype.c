/* The types of stored numbers: their sizes, their names, and conversion to and from half precision. */
#include "tribikos/dtype.h"

#include <string.h>

#include "tribikos/wide.h"

size_t trb_dtype_bytes(trb_dtype t)
{
    static const size_t bytes[TRB_DTYPES] = {1, 4, 8, 8, 2, 4, 8, 1, 1, 2, 2, 4};
    return bytes[t];
}

const char *trb_dtype_name(trb_dtype t)
{
    static const char *const names[TRB_DTYPES] = {"uint8",   "int32", "int64", "uint64", "float16", "float32",
                                                  "float64", "bool",  "int8",  "int16",  "uint16",  "uint32"};
    return names[t];
}

/* Conversion to and from IEEE 754 binary16. There are no branches, so that compilers can vectorise the loops for every
 * processor: the results for all cases are computed, and one is selected. */

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounds to nearest, ties to even. A NaN stays a NaN and becomes quiet. */
static inline uint16_t narrow(float value)
{
    const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    /* Below 2^-14 a half is subnormal, a multiple of 2^-24. Floats from 0.5 to 1 have the same spacing, so adding 0.5
     * rounds to it. */
    const uint32_t subnormal = bits_of(from_bits(magnitude) + 0.5F) - 0x3f000000u;
    /* The exponent's bias changes from 127 to 15. If rounding carries into the exponent, the result is right. */
    const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    const uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
    const uint32_t number = magnitude >= 0x477ff000u ? 0x7c00u : finite; /* 65520 and above round to infinity */
    return (uint16_t)(sign | (magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : number));
}

static inline float widen(uint16_t half)
{
    const uint32_t magnitude = half & 0x7fffu, sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t finite = bits_of(from_bits(magnitude << 13) * 0x1p112F); /* exact; subnormals become normal */
    const uint32_t quiet = magnitude > 0x7c00u ? 0x400000u : 0u;
    return from_bits(sign | (magnitude >= 0x7c00u ? 0x7f800000u | magnitude << 13 | quiet : finite));
}

TRB_WIDE static void narrow_all(size_t n, const float *restrict from, uint16_t *restrict to)
{
    for (size_t i = 0; i < n; i++) to[i] = narrow(from[i]);
}

TRB_WIDE static void widen_all(size_t n, const uint16_t *restrict from, float *restrict to)
{
    for (size_t i = 0; i < n; i++) to[i] = widen(from[i]);
}

void trb_f16_from_f32(size_t n, const float *from, uint16_t *to)
{
    narrow_all(n, from, to);
}

void trb_f32_from_f16(size_t n, const uint16_t *from, float *to)
{
    widen_all(n, from, to);
}
