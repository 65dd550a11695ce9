/* Decoder of PNG images, by libpng. libpng leaves by longjmp() where it fails, so each of its steps is a function of its
 * own, which reserves nothing. */
#include "image.h"

#ifndef TRB_WITH_LIBPNG
trb_status trb__png_decode(const char *path, trb__image *im)
{
    (void)im;
    return trb_fail(TRB_ECONFIG, "%s: is a PNG image, and this program was built without libpng", path);
}
#else

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "tribikos/memory.h"

typedef struct {
    png_structp png;
    png_infop info;
    const uint8_t *at; /* the rest of the file */
    size_t n;
    png_uint_32 w, h;
    int depth, colour;
    size_t channels, stored; /* of the decoded image; bytes of the stored pixels, which deflate has packed */
    uint8_t *pixel;
    bool no_memory;
    char why[120];
} reader;

static void fail(png_structp png, png_const_charp text)
{
    reader *r = png_get_error_ptr(png);
    (void)snprintf(r->why, sizeof r->why, "%s", text);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

static void take(png_structp png, png_bytep to, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->n) png_error(png, "it ends too early");
    memcpy(to, r->at, n);
    r->at += n;
    r->n -= n;
}

/* The longest row takes less. Only data beside the image, such as a profile, can claim more, and do without it. */
enum { BLOCK_MOST = 32 << 20 };

static png_voidp allocate(png_structp png, png_alloc_size_t n)
{
    reader *r = png_get_mem_ptr(png);
    void *block = NULL;
    if (n > BLOCK_MOST) return NULL;
    if (trb_alloc(TRB_MEM_DATA, n, 1, &block) != TRB_OK) r->no_memory = true;
    return block;
}

static void release(png_structp png, png_voidp block)
{
    (void)png;
    trb_free(block);
}

static bool guarded(reader *r, void (*step)(reader *r))
{
    if (setjmp(png_jmpbuf(r->png)) != 0) return false;
    step(r);
    return true;
}

static void read_header(reader *r)
{
    png_set_read_fn(r->png, r, take);
    png_read_info(r->png, r->info);
    r->depth = png_get_bit_depth(r->png, r->info);
    r->colour = png_get_color_type(r->png, r->info);
    r->w = png_get_image_width(r->png, r->info);
    r->h = png_get_image_height(r->png, r->info);
    r->stored = ((size_t)r->w * png_get_channels(r->png, r->info) * (size_t)r->depth + 7) / 8 * r->h;
    if (r->depth == 16) return;
    png_set_palette_to_rgb(r->png);
    if (r->colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(r->png);
    if (png_get_valid(r->png, r->info, PNG_INFO_tRNS) != 0) png_set_tRNS_to_alpha(r->png);
    (void)png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->channels = png_get_channels(r->png, r->info);
}

/* Each pass of an interlaced image completes the rows of the passes before. */
static void read_pixels(reader *r)
{
    const int passes = png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < r->h; y++) png_read_row(r->png, r->pixel + y * r->w * r->channels, NULL);
    png_read_end(r->png, r->info);
}

static unsigned turn_of(reader *r)
{
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 n = 0;
    png_bytep at = NULL;
    if (png_get_eXIf_1(r->png, r->info, &n, &at) != 0) return trb__exif_turn(at, n);
#endif
    return 1;
}

/* Opacity is dropped where every pixel is opaque. \param[in] c  channels with it */
static trb_status drop_opacity(const char *path, trb__image *im, size_t c)
{
    uint8_t *to = im->pixel.at;
    const uint8_t *from = to;
    for (size_t i = 0; i < im->w * im->h; i++, from += c, to += c - 1) {
        if (from[c - 1] != UINT8_MAX)
            return trb_fail(TRB_EINPUT,
                            "%s: pixel %zu of row %zu is transparent, which this program does not read; draw the image "
                            "on a background",
                            path, i % im->w, i / im->w);
        memmove(to, from, c - 1);
    }
    im->c = c - 1;
    return TRB_OK;
}

static trb_status decode(const char *path, reader *r, trb__image *im)
{
    enum { MOST_PACKED = 1032 }; /* deflate cannot pack better */
    if (!guarded(r, read_header)) return trb_fail(TRB_EINPUT, "%s: damaged PNG image: %s", path, r->why);
    if (r->depth == 16)
        return trb_fail(TRB_EINPUT,
                        "%s: has channels of 16 bits, expected 8; store such images as an array (`data.format: npy` or "
                        "`hdf5`), or write them with 8 bits",
                        path);
    TRB_TRY(trb__image_room(path, im, r->w, r->h, r->channels, r->stored / MOST_PACKED));
    r->pixel = im->pixel.at;
    if (!guarded(r, read_pixels)) return trb_fail(TRB_EINPUT, "%s: damaged or truncated PNG image: %s", path, r->why);
    im->turn = turn_of(r);
    return r->channels % 2 == 0 ? drop_opacity(path, im, r->channels) : TRB_OK;
}

trb_status trb__png_decode(const char *path, trb__image *im)
{
    reader r = {.at = im->file.at, .n = im->file.n};
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, fail, ignore, &r, allocate, release);
    if (r.png != NULL) r.info = png_create_info_struct(r.png);
    const trb_status st =
        r.info != NULL ? decode(path, &r, im) : trb_fail(TRB_ENOMEM, "%s: no memory for libpng", path);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return r.no_memory ? TRB_ENOMEM : st;
}
#endif
