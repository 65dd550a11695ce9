/* Images of PNG and JPEG files: decoded, turned as a viewer would turn them, made grey or coloured, resized. */
#ifndef TRB__DATA_IMAGE_H
#define TRB__DATA_IMAGE_H

#include "internal.h"

enum { TRB__PIXELS_MOST = 100000000 }; /* of an image; larger ones are refused before memory is reserved */

/* One image: rows from top to bottom, in a row pixels from left to right, of c bytes each. */
typedef struct {
    size_t w, h, c;     /* c: 1, grey, or 3, red, green, blue */
    unsigned turn;      /* how a viewer turns it: the orientation of EXIF, 1 to 8 */
    trb__bytes pixel;   /* [h][w][c] */
    trb__bytes file;    /* the file that was read last */
    trb__bytes scratch; /* pixels on their way */
} trb__image;

/* Read a PNG or JPEG file of 8 bits a channel. One kept image serves for many files: its memory is used again. The
 * image is turned as its EXIF data say.
 * \return TRB_OK; TRB_EINPUT, with the reason, if the file is no such image, is damaged, or has more than
 * TRB__PIXELS_MOST pixels, does not exist or is no file; TRB_ECONFIG if the program was built without its library */
trb_status trb__image_read(const char *path, trb__image *im);
void trb__image_clear(trb__image *im);

/* The decoders. `im` has the file, and gets all else. */
trb_status trb__png_decode(const char *path, trb__image *im);
trb_status trb__jpeg_decode(const char *path, trb__image *im);
/* Reserve the pixels of an image of w x h pixels of c bytes, which needs at least `least` bytes of a file. Refuse it if
 * there are too many pixels, or too few bytes. */
trb_status trb__image_room(const char *path, trb__image *im, size_t w, size_t h, size_t c, size_t least);

/* The orientation that EXIF data tell, 1 to 8; 1 if they tell none. They may be hostile. */
unsigned trb__exif_turn(const uint8_t *at, size_t n);
/* Turn the image as im->turn says. */
trb_status trb__image_turn(trb__image *im);
/* Make an image grey or coloured. Grey is (19595 R + 38470 G + 7471 B + 32768) / 65536, as Pillow's convert("L"). */
trb_status trb__image_recolour(trb__image *im, size_t c);
/* Resize the image so that its short side has `size` pixels, then cut out the middle `size` x `size` pixels: the bytes
 * are those of torchvision's Resize(size) and CenterCrop(size), by Pillow's BILINEAR filter. 0 changes nothing. */
trb_status trb__image_fit(trb__image *im, size_t size);

#endif
