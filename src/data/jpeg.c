/* Decoder of JPEG images, by libjpeg, with its own settings: the same pixels as Pillow gives. libjpeg leaves by
 * longjmp() where it fails, so each of its steps is a function of its own, which reserves nothing. */
#include "image.h"

#ifndef TRB_WITH_LIBJPEG
trb_status trb__jpeg_decode(const char *path, trb__image *im)
{
    (void)im;
    return trb_fail(TRB_ECONFIG, "%s: is a JPEG image, and this program was built without libjpeg", path);
}
#else

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "tribikos/memory.h"

/* A scan of a progressive image passes over the whole image, and may be a few bytes long. Usual files have ten. */
enum { SCANS_MOST = 100 };

typedef struct {
    struct jpeg_decompress_struct of;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const trb__bytes *file;
    uint8_t *pixel;
    bool damaged;
    char why[JMSG_LENGTH_MAX];
} reader;

/* What libjpeg calls knows its own structure, which is the first part of the reader. */
static reader *reader_of(j_common_ptr of)
{
    return (reader *)(void *)of;
}

static void fail(j_common_ptr of)
{
    reader *r = reader_of(of);
    if (!r->damaged) of->err->format_message(of, r->why);
    longjmp(r->back, 1);
}

/* Where data are damaged, libjpeg warns, and makes pixels up. Its other warnings are about data beside the image. */
static void note(j_common_ptr of, int level)
{
    reader *r = reader_of(of);
    const int code = of->err->msg_code;
    if (level >= 0 || r->damaged || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
    of->err->format_message(of, r->why);
    r->damaged = true;
}

static void ignore(j_common_ptr of)
{
    (void)of;
}

static void count_scans(j_common_ptr of)
{
    reader *r = reader_of(of);
    if (r->of.input_scan_number <= SCANS_MOST) return;
    (void)snprintf(r->why, sizeof r->why, "it has more than %d scans", SCANS_MOST);
    r->damaged = true;
    longjmp(r->back, 1);
}

static bool guarded(reader *r, void (*step)(reader *r))
{
    if (setjmp(r->back) != 0) return false;
    step(r);
    return true;
}

static void read_header(reader *r)
{
    jpeg_create_decompress(&r->of);
    r->of.progress = &r->progress;
    jpeg_mem_src(&r->of, r->file->at, r->file->n);
    jpeg_save_markers(&r->of, JPEG_APP0 + 1, 0xffff);
    (void)jpeg_read_header(&r->of, TRUE);
    r->of.out_color_space = r->of.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
}

static void read_pixels(reader *r)
{
    (void)jpeg_start_decompress(&r->of);
    const size_t bytes = (size_t)r->of.output_width * (size_t)r->of.output_components;
    while (r->of.output_scanline < r->of.output_height) {
        JSAMPROW row = r->pixel + r->of.output_scanline * bytes;
        (void)jpeg_read_scanlines(&r->of, &row, 1);
    }
    (void)jpeg_finish_decompress(&r->of);
}

static unsigned turn_of(const reader *r)
{
    static const char name[] = "Exif\0"; /* and one zero byte more */
    for (jpeg_saved_marker_ptr m = r->of.marker_list; m != NULL; m = m->next)
        if (m->data_length > sizeof name && memcmp(m->data, name, sizeof name) == 0)
            return trb__exif_turn(m->data + sizeof name, m->data_length - sizeof name);
    return 1;
}

static trb_status refuse(const char *path, const reader *r)
{
    const bool no_memory = !r->damaged && r->errors.msg_code == JERR_OUT_OF_MEMORY;
    return trb_fail(no_memory ? TRB_ENOMEM : TRB_EINPUT, "%s: %s: %s", path,
                    no_memory ? "cannot be read" : "damaged or truncated JPEG image", r->why);
}

static trb_status decode(const char *path, reader *r, trb__image *im)
{
    enum {
        MOST_PACKED = 2048
    }; /* twice what a block of 8 x 8 values in one bit can give, with colours of few pixels */
    if (!guarded(r, read_header)) return refuse(path, r);
    const int c = r->of.num_components;
    if (r->of.jpeg_color_space == JCS_CMYK || r->of.jpeg_color_space == JCS_YCCK)
        return trb_fail(TRB_EINPUT, "%s: its colours are CMYK, as printers use them; convert it to RGB", path);
    if (r->of.data_precision != 8 || (c != 1 && c != 3))
        return trb_fail(TRB_EINPUT, "%s: has %d channels of %d bits, expected 1 or 3 of 8 bits", path, c,
                        r->of.data_precision);
    const size_t w = r->of.image_width, h = r->of.image_height;
    TRB_TRY(trb__image_room(path, im, w, h, (size_t)c, w * h * (size_t)c / MOST_PACKED));
    im->turn = turn_of(r);
    r->pixel = im->pixel.at;
    if (guarded(r, read_pixels) && !r->damaged) return TRB_OK;
    return refuse(path, r);
}

trb_status trb__jpeg_decode(const char *path, trb__image *im)
{
    reader *r = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *r, &r));
    r->of.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = fail;
    r->errors.emit_message = note;
    r->errors.output_message = ignore;
    r->progress.progress_monitor = count_scans;
    r->file = &im->file;
    const trb_status st = decode(path, r, im);
    jpeg_destroy_decompress(&r->of);
    trb_free(r);
    return st;
}
#endif
