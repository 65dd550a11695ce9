/** bfloat16: the upper half of a float32. */
#ifndef TRB_MATH_BF16_H
#define TRB_MATH_BF16_H

#include <stdint.h>
#include <string.h>

static inline float trb__widen(uint16_t b)
{
    const uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/** Rounds to nearest, ties to even; a NaN stays a NaN. */
static inline uint16_t trb__narrow(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16, quiet = (bits >> 16) | 0x40U;
    return (uint16_t)((bits & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded);
}

#endif
