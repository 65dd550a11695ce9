/* Resizing of images, in the way and with the bytes of Pillow's Image.resize(..., BILINEAR), which antialiases: each new
 * pixel is a weighted mean of all pixels below a triangle. First columns, then rows; after each of the two passes values
 * are rounded to bytes. Weights are whole numbers, 2^22 for 1.
 *
 * Along one side, with n old and m new pixels, scale = n / m, and r = max(scale, 1):
 *
 *   centre(i) = (i + 1/2) scale                        in old pixels
 *   weight(i, j) ~ max(0, 1 - |j + 1/2 - centre(i)| / r)   for j from centre - r to centre + r, each rounded; sum 1
 */
#include "image.h"

#include <math.h>
#include <string.h>

#include "tribikos/memory.h"

enum { BITS = 22 };

/* The weights of new pixels [first, first + n) along a side. */
typedef struct {
    size_t n, room; /* room: weights of a pixel, of which `count` are used */
    size_t *from, *count;
    int32_t *weight; /* [n][room] */
} weights;

static void weights_clear(weights *w)
{
    trb_free(w->from);
    trb_free(w->count);
    trb_free(w->weight);
    *w = (weights){0};
}

static size_t clip(double at, size_t side)
{
    const long i = (long)(at + 0.5);
    return i < 0 ? 0 : (size_t)i > side ? side : (size_t)i;
}

static void weigh(weights *w, size_t i, double centre, double reach, size_t side, double *value)
{
    const size_t from = clip(centre - reach, side), end = clip(centre + reach, side);
    double sum = 0.0;
    w->from[i] = from;
    w->count[i] = end - from;
    for (size_t k = 0; k < end - from; k++) {
        const double distance = fabs(((double)(k + from) - centre + 0.5) * (1.0 / reach));
        value[k] = distance < 1.0 ? 1.0 - distance : 0.0;
        sum += value[k];
    }
    for (size_t k = 0; k < end - from; k++)
        w->weight[i * w->room + k] = (int32_t)(0.5 + value[k] / sum * (double)(1 << BITS));
}

static trb_status weights_make(size_t old, size_t now, size_t first, size_t n, weights *w)
{
    trb_status st = TRB_OK;
    double *value = NULL;
    const double scale = (double)old / (double)now, reach = scale > 1.0 ? scale : 1.0;
    *w = (weights){.n = n, .room = (size_t)ceil(reach) * 2 + 1};
    TRB_GO(trb_alloc(TRB_MEM_DATA, n, sizeof *w->from, &w->from));
    TRB_GO(trb_alloc(TRB_MEM_DATA, n, sizeof *w->count, &w->count));
    TRB_GO(trb_alloc(TRB_MEM_DATA, n * w->room, sizeof *w->weight, &w->weight));
    TRB_GO(trb_alloc(TRB_MEM_DATA, w->room, sizeof *value, &value));
    for (size_t i = 0; i < n; i++) weigh(w, i, ((double)(first + i) + 0.5) * scale, reach, old, value);
done:
    trb_free(value);
    if (st != TRB_OK) weights_clear(w);
    return st;
}

/* The mean of pixels that lie `step` bytes apart, rounded. */
static uint8_t mean(const uint8_t *at, size_t step, size_t n, const int32_t *weight)
{
    int32_t sum = 1 << (BITS - 1);
    for (size_t k = 0; k < n; k++) sum += at[k * step] * weight[k];
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > UINT8_MAX ? UINT8_MAX : sum);
}

/* Rows [first, first + h) of an image of `width` pixels become rows of w->n pixels. */
static void pass_columns(const uint8_t *from, size_t width, size_t c, size_t first, size_t h, const weights *w,
                         uint8_t *to)
{
    for (size_t y = 0; y < h; y++) {
        const uint8_t *row = from + (first + y) * width * c;
        for (size_t x = 0; x < w->n; x++)
            for (size_t k = 0; k < c; k++)
                *to++ = mean(row + w->from[x] * c + k, c, w->count[x], w->weight + x * w->room);
    }
}

/* The rows from `first` on become w->n rows of `bytes` bytes. */
static void pass_rows(const uint8_t *from, size_t bytes, size_t first, const weights *w, uint8_t *to)
{
    for (size_t y = 0; y < w->n; y++) {
        const uint8_t *column = from + (w->from[y] - first) * bytes;
        for (size_t x = 0; x < bytes; x++) *to++ = mean(column + x, bytes, w->count[y], w->weight + y * w->room);
    }
}

/* Half of what a side has too many pixels, a half rounded to an even number, as Python's round(). */
static size_t margin(size_t side, size_t size)
{
    const size_t more = side - size, half = more / 2;
    return half + (more % 2 == 1 && half % 2 == 1);
}

/* Cut out size x size pixels whose first one lies at (x, y). */
static void cut(trb__image *im, size_t x, size_t y, size_t size)
{
    uint8_t *to = im->pixel.at;
    for (size_t row = 0; row < size; row++, to += size * im->c)
        memmove(to, im->pixel.at + ((y + row) * im->w + x) * im->c, size * im->c);
    im->w = im->h = size;
    im->pixel.n = size * size * im->c;
}

trb_status trb__image_fit(trb__image *im, size_t size)
{
    trb_status st = TRB_OK;
    weights column = {0}, row = {0};
    const size_t side = im->w < im->h ? im->w : im->h;
    if (size == 0) return TRB_OK;
    const size_t w = im->w <= im->h ? size : size * im->w / side, h = im->h <= im->w ? size : size * im->h / side;
    const size_t x = margin(w, size), y = margin(h, size);
    if (side == size) {
        cut(im, x, y, size);
        return TRB_OK;
    }
    TRB_GO(weights_make(im->w, w, x, size, &column));
    TRB_GO(weights_make(im->h, h, y, size, &row));
    const size_t first = row.from[0], rows = row.from[size - 1] + row.count[size - 1] - first;
    im->scratch.n = 0;
    TRB_GO(trb__bytes_room(&im->scratch, rows * size * im->c));
    pass_columns(im->pixel.at, im->w, im->c, first, rows, &column, im->scratch.at);
    im->pixel.n = 0;
    TRB_GO(trb__bytes_room(&im->pixel, size * size * im->c));
    pass_rows(im->scratch.at, size * im->c, first, &row, im->pixel.at);
    im->pixel.n = size * size * im->c;
    im->w = im->h = size;
done:
    weights_clear(&row);
    weights_clear(&column);
    return st;
}
