/* Normalisation: takes constants from a training set and applies them when rows are copied into a batch. */
#include "tribikos/data.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "internal.h"
#include "tribikos/alive.h"
#include "tribikos/memory.h"
#include "tribikos/wide.h"

/* The deviation of a constant column may consist of rounding errors only. Then 1 is used, so that they are not
 * enlarged. Below FLT_MIN the inverse would exceed what a float32 holds. */
static double guarded(double mean, double deviation)
{
    return deviation > (double)FLT_EPSILON * fabs(mean) && deviation >= (double)FLT_MIN ? deviation : 1.0;
}

void trb__spread_add(trb__spread *s, double value)
{
    const double moved = fabs(value - (double)(float)value), away = value - s->mean;
    s->n++;
    s->mean += away / (double)s->n;
    s->squares += away * (value - s->mean);
    if (moved > s->moved) s->moved = moved;
}

double trb__spread_offset(const trb__spread *s)
{
    const double deviation = s->n > 0 ? sqrt(s->squares / (double)s->n) : 0.0;
    return deviation > 0.0 && isfinite((float)s->mean) && s->moved > 1e-4 * deviation ? (double)(float)s->mean : 0.0;
}

/* What has been subtracted from the values of channel or column c. */
static double offset_of(const trb_data *d, size_t c)
{
    return d->schema != NULL && c < d->schema->n_inputs ? d->schema->input[c].offset : 0.0;
}

/* Bytes: sums of values and of squares in integers, which are exact. */
static trb_status standardize_bytes(trb_data *d, size_t n, const int64_t *ids)
{
    __extension__ typedef unsigned __int128 wide;
    const size_t channels = d->shape.c, area = d->shape.h * d->shape.w;
    uint64_t *sum = NULL; /* [channels] of values, [channels] of squares */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * channels, sizeof *sum, &sum));
    uint64_t *squares = sum + channels;
    for (size_t i = 0; i < n; i++) {
        trb_alive_at(i);
        const uint8_t *x = (const uint8_t *)d->x + (size_t)ids[i] * channels * area;
        for (size_t c = 0; c < channels; c++, x += area) {
            uint64_t s = 0, q = 0;
            for (size_t j = 0; j < area; j++) {
                s += x[j];
                q += (unsigned)x[j] * x[j];
            }
            sum[c] += s;
            squares[c] += q;
        }
    }
    const double count = (double)n * (double)area;
    for (size_t c = 0; c < channels; c++) {
        const wide spread =
            (wide)squares[c] * ((wide)n * area) - (wide)sum[c] * sum[c]; /* count^2 times the variance */
        d->mean[c] = (float)((double)sum[c] / count);
        d->scale[c] = (float)(1.0 / guarded((double)sum[c] / count, sqrt((double)spread) / count));
    }
    trb_free(sum);
    return TRB_OK;
}

/* Floats: two passes in double. The second one sums squared distances from the mean, without cancellation. */
static trb_status standardize_floats(trb_data *d, size_t n, const int64_t *ids)
{
    const size_t channels = d->shape.c, area = d->shape.h * d->shape.w;
    const double count = (double)n * (double)area;
    double *mean = NULL; /* [channels] means, [channels] sums of squared distances */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * channels, sizeof *mean, &mean));
    double *squares = mean + channels;
    for (size_t i = 0; i < n; i++) {
        trb_alive_at(i);
        const float *x = (const float *)d->x + (size_t)ids[i] * channels * area;
        for (size_t k = 0; k < channels * area; k++) mean[k / area] += (double)x[k];
    }
    for (size_t c = 0; c < channels; c++) mean[c] /= count;
    for (size_t i = 0; i < n; i++) {
        trb_alive_at(i);
        const float *x = (const float *)d->x + (size_t)ids[i] * channels * area;
        for (size_t k = 0; k < channels * area; k++) {
            const double away = (double)x[k] - mean[k / area];
            squares[k / area] += away * away;
        }
    }
    for (size_t c = 0; c < channels; c++) {
        d->mean[c] = (float)mean[c];
        d->scale[c] = (float)(1.0 / guarded(mean[c], sqrt(squares[c] / count)));
    }
    trb_free(mean);
    return TRB_OK;
}

static trb_status standardize_targets(trb_data *d, size_t n, const int64_t *ids)
{
    const double offset = d->schema != NULL ? d->schema->target_offset : 0.0;
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)d->target[ids[i]];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double away = (double)d->target[ids[i]] - mean;
        squares += away * away;
    }
    d->target_mean = mean;
    d->target_scale = sqrt(squares / (double)n);
    if (guarded(mean, d->target_scale) == d->target_scale) return TRB_OK;
    return trb_fail(TRB_EINPUT,
                    "data: the targets of all %zu training rows are %.*g, there is nothing to learn; expected several "
                    "values (is it the right column?)",
                    n, offset < 0.0 || offset > 0.0 ? 10 : 6, mean + offset);
}

trb_status trb_data_normalize(trb_data *d, trb_normalize how, size_t n, const int64_t *ids)
{
    if (n == 0) return trb_fail(TRB_ECONFIG, "data: no rows to take the constants of normalisation from");
    for (size_t c = 0; c < d->shape.c; c++) {
        d->mean[c] = (float)(0.0 - offset_of(d, c));
        d->scale[c] = how == TRB_NORMALIZE_UNIT && d->type == TRB_U8 ? 1.0F / 255.0F : 1.0F;
    }
    if (how == TRB_NORMALIZE_STANDARD)
        TRB_TRY(d->type == TRB_U8 ? standardize_bytes(d, n, ids) : standardize_floats(d, n, ids));
    d->target_mean = d->schema != NULL ? 0.0 - d->schema->target_offset : 0.0;
    d->target_scale = 1.0;
    if (d->target != NULL && how != TRB_NORMALIZE_NONE) return standardize_targets(d, n, ids);
    return TRB_OK;
}

trb_status trb_data_normalize_by(trb_data *d, size_t n_mean, const double *mean, size_t n_std, const double *std)
{
    const size_t channels = d->shape.c;
    const double unit = d->type == TRB_U8 ? 255.0 : 1.0;
    const bool good_mean = n_mean == 1 || n_mean == channels, good_std = n_std == 1 || n_std == channels;
    if (!good_mean || !good_std)
        return trb_fail(TRB_ECONFIG, "`data.%s`: expected 1 number or %zu, one a channel, got %zu",
                        good_mean ? "std" : "mean", channels, good_mean ? n_std : n_mean);
    for (size_t c = 0; c < channels; c++) {
        const double average = mean[n_mean == 1 ? 0 : c], deviation = std[n_std == 1 ? 0 : c];
        d->mean[c] = (float)(average * unit - offset_of(d, c));
        d->scale[c] = (float)(1.0 / (deviation * unit));
        if (!isfinite(d->mean[c]))
            return trb_fail(TRB_ECONFIG, "`data.mean`: expected numbers that float32 can hold, got %g", average);
        if (!(deviation > 0.0) || !isfinite(d->scale[c]))
            return trb_fail(TRB_ECONFIG, "`data.std`: expected numbers above 0 whose inverse float32 can hold, got %g",
                            deviation);
    }
    return TRB_OK;
}

trb_status trb_data_normalize_as(trb_data *d, const trb_data *other)
{
    const trb_shape a = d->shape, b = other->shape;
    if (a.c != b.c || a.h != b.h || a.w != b.w || d->type != other->type || d->task != other->task)
        return trb_fail(TRB_ECONFIG,
                        "data: test samples of %zu x %zu x %zu %s do not match training samples of %zu x %zu x %zu %s",
                        a.c, a.h, a.w, trb_dtype_name(d->type), b.c, b.h, b.w, trb_dtype_name(other->type));
    if (d->schema != other->schema && (trb_schema_moves(d->schema) || trb_schema_moves(other->schema)))
        return trb_fail(TRB_ECONFIG,
                        "data: values far from zero are read as differences from the training set's means; "
                        "expected a set of the training set's format");
    memcpy(d->mean, other->mean, a.c * sizeof *d->mean);
    memcpy(d->scale, other->scale, a.c * sizeof *d->scale);
    d->target_mean = other->target_mean;
    d->target_scale = other->target_scale;
    return TRB_OK;
}

/* One loop for each type and kind of shape, so that each is simple enough for the compiler to vectorise. */
TRB_WIDE static void bytes_area(size_t n, const uint8_t *restrict from, float mean, float scale, float *restrict to)
{
    for (size_t j = 0; j < n; j++) to[j] = ((float)from[j] - mean) * scale;
}

TRB_WIDE static void floats_area(size_t n, const float *restrict from, float mean, float scale, float *restrict to)
{
    for (size_t j = 0; j < n; j++) to[j] = (from[j] - mean) * scale;
}

TRB_WIDE static void bytes_columns(size_t n, const uint8_t *restrict from, const float *restrict mean,
                                   const float *restrict scale, float *restrict to)
{
    for (size_t j = 0; j < n; j++) to[j] = ((float)from[j] - mean[j]) * scale[j];
}

TRB_WIDE static void floats_columns(size_t n, const float *restrict from, const float *restrict mean,
                                    const float *restrict scale, float *restrict to)
{
    for (size_t j = 0; j < n; j++) to[j] = (from[j] - mean[j]) * scale[j];
}

void trb__data_run(const trb_data *d, size_t channel, size_t at, size_t n, float *to)
{
    if (d->type == TRB_U8)
        bytes_area(n, (const uint8_t *)d->x + at, d->mean[channel], d->scale[channel], to);
    else
        floats_area(n, (const float *)d->x + at, d->mean[channel], d->scale[channel], to);
}

enum { AHEAD = 2 };

void trb_data_rows(const trb_data *d, size_t n, const int64_t *ids, float *x)
{
    const size_t area = d->shape.h * d->shape.w, channels = d->shape.c, size = channels * area;
    const size_t row_bytes = size * trb_dtype_bytes(d->type);
    for (size_t i = 0; i < n; i++, x += size) {
        /* The rows of a batch are scattered in memory, so the processor cannot predict the next one; `ids` says it. */
        if (i + AHEAD < n) {
            const char *next = (const char *)d->x + (size_t)ids[i + AHEAD] * row_bytes;
            for (size_t j = 0; j < row_bytes; j += 64) __builtin_prefetch(next + j);
        }
        const size_t row = (size_t)ids[i] * size;
        const uint8_t *bytes = (const uint8_t *)d->x + row;
        const float *floats = (const float *)d->x + row;
        if (area == 1 && d->type == TRB_U8)
            bytes_columns(size, bytes, d->mean, d->scale, x);
        else if (area == 1)
            floats_columns(size, floats, d->mean, d->scale, x);
        else
            for (size_t c = 0; c < channels; c++) trb__data_run(d, c, row + c * area, area, x + c * area);
    }
}
