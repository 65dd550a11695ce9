/* The last item of a recipe: gaussian, ods or confods, a step away from the row that the other items have made. */
#include <math.h>

#include "internal.h"

static const double PI = 3.14159265358979323846, PIXEL_MAX = 255.0;

/* Clip a value to the range of bytes; floats have no known range. */
static float clipped(const trb_data *d, double x)
{
    return (float)(d->type == TRB_U8 ? fmin(fmax(x, 0.0), PIXEL_MAX) : x);
}

/* Uniform in [0, 1) with 53 bits. */
static double fraction(trb_rng *rng)
{
    return (double)(trb_rng_u64(rng) >> 11) * 0x1p-53;
}

void trb__step_gaussian(const trb_data *d, float size, trb_rng *rng, float *x)
{
    const size_t D = trb_shape_size(d->shape);
    for (size_t i = 0; i < D; i += 2) {
        const double u = fraction(rng) + 0x1p-53, v = fraction(rng), r = (double)size * sqrt(-2.0 * log(u));
        x[i] = clipped(d, (double)x[i] + r * cos(2.0 * PI * v));
        if (i + 1 < D) x[i + 1] = clipped(d, (double)x[i + 1] + r * sin(2.0 * PI * v));
    }
}

/* With p = softmax(z / T), dz_k = p_k (w_k - w . p) / T. If a member is sure, nearly all of p is one p_t; then
 * w_k - w . p is the difference of two nearly equal numbers and only rounding is left. The equal expression
 * (w_k - w_t) - sum_j p_j (w_j - w_t) avoids that. */
double trb__step_direction(size_t K, double T, const float *z, const float *w, float *dz)
{
    size_t t = 0;
    for (size_t k = 1; k < K; k++)
        if (z[k] > z[t]) t = k;
    double sum = 0.0, sum_plain = 0.0, away = 0.0, largest = 0.0;
    for (size_t k = 0; k < K; k++) {
        const double e = exp(((double)z[k] - (double)z[t]) / T);
        sum += e;
        sum_plain += exp((double)z[k] - (double)z[t]);
        away += e * ((double)w[k] - (double)w[t]);
    }
    for (int scaled = 0; scaled < 2; scaled++) /* first find the largest value, then divide all values by it */
        for (size_t k = 0; k < K; k++) {
            const double v = exp(((double)z[k] - (double)z[t]) / T) * ((double)w[k] - (double)w[t] - away / sum);
            if (scaled == 0)
                largest = fmax(largest, fabs(v));
            else
                dz[k] = largest > 0.0 ? (float)(v / largest) : 0.0F;
        }
    return 1.0 / sum_plain;
}

void trb__step_along(const trb_data *d, double size, const float *x, const float *g, void *stored)
{
    const size_t area = d->shape.h * d->shape.w, D = d->shape.c * area;
    uint8_t *bytes = stored;
    double squares = 0.0;
    for (size_t k = 0; k < D; k++) {
        const double by = d->type == TRB_U8 ? (double)g[k] * (double)d->scale[k / area] : (double)g[k];
        squares += by * by;
    }
    const double factor = squares > 0.0 ? size * sqrt((double)D / squares) : 0.0;
    for (size_t k = 0; k < D; k++) {
        const double by = d->type == TRB_U8 ? (double)g[k] * (double)d->scale[k / area] : (double)g[k];
        const float moved = clipped(d, (double)x[k] + factor * by);
        if (d->type == TRB_U8)
            bytes[k] = (uint8_t)lrintf(moved);
        else
            trb_f16_from_f32(1, &moved, (uint16_t *)stored + k);
    }
}
