/* The pixels of an image in memory: reserved, turned, made grey or coloured. */
#include "image.h"

#include <string.h>

#include "tribikos/memory.h"

void trb__image_clear(trb__image *im)
{
    trb_free(im->pixel.at);
    trb_free(im->file.at);
    trb_free(im->scratch.at);
    *im = (trb__image){0};
}

/* Make a block hold n bytes, whose values do not matter. */
static trb_status room(trb__bytes *b, size_t n)
{
    b->n = 0;
    TRB_TRY(trb__bytes_room(b, n));
    b->n = n;
    return TRB_OK;
}

trb_status trb__image_room(const char *path, trb__image *im, size_t w, size_t h, size_t c, size_t least)
{
    if (w == 0 || h == 0) return trb_fail(TRB_EINPUT, "%s: has %zu x %zu pixels", path, w, h);
    if (w > TRB__PIXELS_MOST / h)
        return trb_fail(TRB_EINPUT, "%s: has %zu x %zu pixels; images of up to %d pixels are read", path, w, h,
                        TRB__PIXELS_MOST);
    if (least > im->file.n)
        return trb_fail(TRB_EINPUT, "%s: claims %zu x %zu pixels, which its %zu bytes cannot hold", path, w, h,
                        im->file.n);
    im->w = w;
    im->h = h;
    im->c = c;
    return room(&im->pixel, w * h * c);
}

/* The image is now what lies in scratch. */
static void swap(trb__image *im)
{
    const trb__bytes pixel = im->pixel;
    im->pixel = im->scratch;
    im->scratch = pixel;
}

trb_status trb__image_turn(trb__image *im)
{
    const unsigned turn = im->turn;
    const bool swapped = turn >= 5, mirror_x = turn == 2 || turn == 3 || turn == 7 || turn == 8,
               mirror_y = turn == 3 || turn == 4 || turn == 6 || turn == 7;
    const size_t w = swapped ? im->h : im->w, h = swapped ? im->w : im->h, c = im->c;
    if (turn <= 1) return TRB_OK;
    TRB_TRY(room(&im->scratch, w * h * c));
    uint8_t *to = im->scratch.at;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++, to += c) {
            const size_t a = swapped ? y : x, b = swapped ? x : y;
            const size_t from_x = mirror_x ? im->w - 1 - a : a, from_y = mirror_y ? im->h - 1 - b : b;
            memcpy(to, im->pixel.at + (from_y * im->w + from_x) * c, c);
        }
    swap(im);
    im->w = w;
    im->h = h;
    return TRB_OK;
}

trb_status trb__image_recolour(trb__image *im, size_t c)
{
    if (c == im->c) return TRB_OK;
    const size_t n = im->w * im->h;
    TRB_TRY(room(&im->scratch, n * c));
    const uint8_t *from = im->pixel.at;
    uint8_t *to = im->scratch.at;
    for (size_t i = 0; i < n && c == 3; i++) memset(to + 3 * i, from[i], 3);
    for (size_t i = 0; i < n && c == 1; i++, from += 3)
        to[i] = (uint8_t)((from[0] * 19595U + from[1] * 38470U + from[2] * 7471U + 32768U) >> 16);
    swap(im);
    im->c = c;
    return TRB_OK;
}
