#include "tribikos/store.h"

#include <string.h>

#ifdef __F16C__
#include <immintrin.h>
#endif

/* IEEE 754 binary16 in portable integer arithmetic; also the remainder of the vector loops, so that both agree is
 * tested. */
static uint16_t narrow(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu)); /* NaN, made quiet */
    if (magnitude >= 0x477ff000u) return sign | 0x7c00u; /* 65520 and above round to infinity */
    uint32_t mantissa = magnitude, shift = 13;
    if (magnitude < 0x38800000u) { /* below 2^-14: subnormal, in units of 2^-24 */
        if (magnitude < 0x33000000u) return sign;
        shift = 126 - (magnitude >> 23);
        mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    } else {
        mantissa -= 112u << 23; /* from bias 127 to bias 15 */
    }
    const uint32_t half = 1u << (shift - 1), rest = mantissa & ((1u << shift) - 1);
    uint32_t result = mantissa >> shift;
    if (rest > half || (rest == half && (result & 1u))) result++; /* a carry into the exponent is right as it is */
    return (uint16_t)(sign | result);
}

static float widen(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, mantissa = half & 0x3ffu;
    uint32_t bits = 0;
    float value = 0;
    if (exponent == 0) { /* zero or subnormal: an exact product */
        value = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
    } else if (exponent == 31) {
        bits = 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0u);
    } else {
        bits = (exponent + 112) << 23 | mantissa << 13;
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void trb_f16_from_f32(size_t n, const float *from, uint16_t *to)
{
    size_t i = 0;
#ifdef __F16C__
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++) to[i] = narrow(from[i]);
}

void trb_f32_from_f16(size_t n, const uint16_t *from, float *to)
{
    size_t i = 0;
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
#endif
    for (; i < n; i++) to[i] = widen(from[i]);
}
