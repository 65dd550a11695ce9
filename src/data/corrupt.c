/* Damaged copies of images: noise, blur, contrast, rotation, shift. corrupt.h has their sources and parameters. */
#include "tribikos/corrupt.h"

#include <math.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/rng.h"
#include "tribikos/text.h"

static const char *const names[TRB_CORRUPT_KINDS] = {"none", "noise", "blur", "contrast", "rotation", "shift"};

static const double noise_scale[TRB_CORRUPT_STRENGTHS] = {0.04, 0.06, 0.08, 0.09, 0.10};
static const double blur_sigma[TRB_CORRUPT_STRENGTHS] = {0.4, 0.6, 0.7, 0.8, 1.0};
static const double contrast_scale[TRB_CORRUPT_STRENGTHS] = {0.75, 0.5, 0.4, 0.3, 0.15};
static const double rotation_degrees = 15.0, shift_share = 2.0 / 28.0; /* for each strength */
enum { BLUR_RADIUS = 4 };                                              /* of the widest blur, 4 deviations of 1 pixel */

const char *trb_corrupt_name(trb_corruption how)
{
    return names[how];
}

trb_status trb_corrupt_find(const char *name, trb_corruption *how)
{
    for (int k = TRB_CORRUPT_NONE + 1; k < TRB_CORRUPT_KINDS; k++) {
        if (strcmp(names[k], name) != 0) continue;
        *how = (trb_corruption)k;
        return TRB_OK;
    }
    return trb_fail(TRB_ECONFIG, "expected any of noise, blur, contrast, rotation, shift, got `%s`; did you mean `%s`?",
                    name, trb_nearest(name, TRB_CORRUPT_KINDS - 1, names + 1));
}

trb_status trb_corrupt_check(const trb_data *d)
{
    const trb_shape s = d->shape;
    if (s.h < 2 || s.w < 2)
        return trb_fail(TRB_ECONFIG, "samples of %zu x %zu x %zu are no images, and only images can be corrupted", s.c,
                        s.h, s.w);
    if (d->type == TRB_U8) return TRB_OK;
    const float *x = d->x;
    const size_t size = trb_shape_size(s);
    for (size_t i = 0; i < d->n * size; i++)
        if (!(x[i] >= 0.0F && x[i] <= 1.0F))
            return trb_fail(TRB_ECONFIG,
                            "pixels must be bytes, or floats in [0, 1], to be corrupted; sample %zu has %g", i / size,
                            (double)x[i]);
    return TRB_OK;
}

static float cut(double v)
{
    return (float)fmin(fmax(v, 0.0), 1.0);
}

static void add_noise(trb_shape s, double scale, trb_rng rng, const float *from, float *to)
{
    const size_t size = trb_shape_size(s);
    for (size_t i = 0; i < size; i++) to[i] = cut((double)from[i] + scale * (double)trb_rng_normal(&rng));
}

/* Blur one line of n pixels, which are `stride` apart in memory. A Gaussian is separable: rows first, then columns. */
static void blur_line(size_t n, size_t stride, int radius, const double *weight, const float *from, float *to)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (int k = -radius; k <= radius; k++) {
            const ptrdiff_t at = (ptrdiff_t)i + k, last = (ptrdiff_t)n - 1;
            sum += weight[k + radius] * (double)from[(size_t)(at < 0 ? 0 : at > last ? last : at) * stride];
        }
        to[i * stride] = (float)sum;
    }
}

static void blur(trb_shape s, double sigma, const float *from, float *between, float *to)
{
    const int radius = (int)(4.0 * sigma + 0.5);
    double weight[2 * BLUR_RADIUS + 1], all = 0.0;
    for (int k = -radius; k <= radius; k++) all += weight[k + radius] = exp(-0.5 * k * k / (sigma * sigma));
    for (int k = 0; k <= 2 * radius; k++) weight[k] /= all;
    for (size_t line = 0; line < s.c * s.h; line++)
        blur_line(s.w, 1, radius, weight, from + line * s.w, between + line * s.w);
    for (size_t c = 0; c < s.c; c++)
        for (size_t j = 0; j < s.w; j++)
            blur_line(s.h, s.w, radius, weight, between + c * s.h * s.w + j, to + c * s.h * s.w + j);
}

static void lower_contrast(trb_shape s, double scale, const float *from, float *to)
{
    const size_t area = s.h * s.w;
    for (size_t c = 0; c < s.c; c++, from += area, to += area) {
        double mean = 0.0;
        for (size_t i = 0; i < area; i++) mean += (double)from[i];
        mean /= (double)area;
        for (size_t i = 0; i < area; i++) to[i] = cut(((double)from[i] - mean) * scale + mean);
    }
}

/* The pixel at a row and column; 0 outside the image. */
static double pixel(trb_shape s, const float *plane, double row, double column)
{
    if (row < 0.0 || column < 0.0 || row >= (double)s.h || column >= (double)s.w) return 0.0;
    return (double)plane[(size_t)row * s.w + (size_t)column];
}

static void rotate(trb_shape s, double degrees, const float *from, float *to)
{
    const double angle = degrees * (acos(-1.0) / 180.0), cosine = cos(angle), sine = sin(angle);
    const double middle_row = 0.5 * (double)(s.h - 1), middle_column = 0.5 * (double)(s.w - 1);
    for (size_t i = 0; i < s.h; i++) {
        for (size_t j = 0; j < s.w; j++) {
            /* Rows count downwards, so a pixel that turns counter-clockwise comes from a position clockwise of it. */
            const double down = (double)i - middle_row, right = (double)j - middle_column;
            const double row = middle_row + sine * right + cosine * down;
            const double column = middle_column + cosine * right - sine * down;
            const double top = floor(row), left = floor(column), y = row - top, x = column - left;
            for (size_t c = 0; c < s.c; c++) {
                const float *plane = from + c * s.h * s.w;
                const double upper = (1.0 - x) * pixel(s, plane, top, left) + x * pixel(s, plane, top, left + 1.0);
                const double lower =
                    (1.0 - x) * pixel(s, plane, top + 1.0, left) + x * pixel(s, plane, top + 1.0, left + 1.0);
                to[(c * s.h + i) * s.w + j] = (float)((1.0 - y) * upper + y * lower);
            }
        }
    }
}

static void shift(trb_shape s, size_t by, const float *from, float *to)
{
    for (size_t line = 0; line < s.c * s.h; line++, from += s.w, to += s.w)
        for (size_t j = 0; j < s.w; j++) to[(j + by) % s.w] = from[j];
}

static void corrupt(trb_shape s, trb_corruption how, unsigned strength, trb_rng rng, const float *from, float *between,
                    float *to)
{
    switch (how) {
    case TRB_CORRUPT_NOISE:
        add_noise(s, noise_scale[strength - 1], rng, from, to);
        break;
    case TRB_CORRUPT_BLUR:
        blur(s, blur_sigma[strength - 1], from, between, to);
        break;
    case TRB_CORRUPT_CONTRAST:
        lower_contrast(s, contrast_scale[strength - 1], from, to);
        break;
    case TRB_CORRUPT_ROTATION:
        rotate(s, rotation_degrees * strength, from, to);
        break;
    case TRB_CORRUPT_SHIFT:
        shift(s, (size_t)lround(shift_share * strength * (double)s.w), from, to);
        break;
    case TRB_CORRUPT_NONE:
    case TRB_CORRUPT_KINDS:
        break;
    }
}

trb_status trb_corrupt_rows(const trb_data *d, trb_corruption how, unsigned strength, uint64_t seed, size_t n,
                            const int64_t *ids, float *x)
{
    const size_t size = trb_shape_size(d->shape), area = d->shape.h * d->shape.w;
    const float unit = d->type == TRB_U8 ? 255.0F : 1.0F;
    float *image = NULL;
    if (how == TRB_CORRUPT_NONE) {
        trb_data_rows(d, n, ids, x);
        return TRB_OK;
    }
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, 2 * size, sizeof *image, &image));
    for (size_t i = 0; i < n; i++, x += size) {
        const size_t first = (size_t)ids[i] * size;
        for (size_t j = 0; j < size; j++)
            image[j] =
                d->type == TRB_U8 ? (float)((const uint8_t *)d->x)[first + j] / unit : ((const float *)d->x)[first + j];
        const trb_rng rng = trb_rng_open(seed, TRB_USE_CORRUPT, (uint64_t)how, strength, (uint64_t)ids[i]);
        corrupt(d->shape, how, strength, rng, image, image + size, x);
        for (size_t j = 0; j < size; j++) x[j] = (x[j] * unit - d->mean[j / area]) * d->scale[j / area];
    }
    trb_free(image);
    return TRB_OK;
}
