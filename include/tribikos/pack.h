/** Images in folders, packed into one HDF5 file, which `data.format: hdf5` reads.
 *
 * A folder has a subfolder for each class, whose name is the name of the class. In these lie PNG files (grey, RGB or a
 * palette, of up to 8 bits a channel) and JPEG files (grey or colours other than CMYK), told by their first bytes. Names
 * end in .png, .jpg or .jpeg, in any case. Classes and files are taken in the order of the bytes of their names; names
 * that begin with a point are passed over.
 *
 * An image is turned as its EXIF data say, so that it lies as a viewer shows it. Its ICC profile and gamma are not
 * looked at. Refused are: 16 bits a channel, transparent pixels, CMYK, damaged and truncated files, more than 100
 * million pixels, and two images that differ in size or channels unless `size` or `channels` make them alike.
 *
 * The pixels are those that Pillow gives, to the byte, if it has the same libjpeg:
 *
 *   channels  Image.convert("L") or Image.convert("RGB")
 *   size      torchvision's Resize(size), then CenterCrop(size), on images of Pillow: the short side gets `size` pixels,
 *             by Pillow's BILINEAR filter, which antialiases; then the middle size x size pixels are cut out
 *
 * The HDF5 file:
 *
 *   /x     [N][C][H][W] uint8, in chunks of about a megabyte with checksums
 *   /y     [N] int32: the number of the class, counted from 0 in the order of names
 *   /file  [N][L] uint8: CLASS/NAME of the file, padded with zero bytes; in NumPy f["file"][:].view("S%d" % L)
 *   attributes: `format` ("tribikos images"), `schema` (schema.h: the names of the classes), `size`, `channels` and `skip_bad`
 *          as in trb_pack_options, `left_out`: how many files
 *
 * and in a file for a run (RUN/data), for every file by name, packed or left out
 *   /listed       [n][L] uint8: its name
 *   /listed_stat  [n][3] int64: bytes, time of the last change in ns, XXH3 of its bytes
 *
 * Names of classes lead: where a test file has fewer classes than the training files, its labels are matched by name.
 */
#ifndef TRB_PACK_H
#define TRB_PACK_H

#include "tribikos/net.h"

enum { TRB_PACK_SIZE_MOST = 8192 };

typedef enum { TRB_IMAGE_AS_IS = 0, TRB_IMAGE_GREY = 1, TRB_IMAGE_RGB = 3 } trb_image_channels;

typedef struct {
    size_t size;                 /* pixels of both sides, up to TRB_PACK_SIZE_MOST; 0: as they are, all alike */
    trb_image_channels channels; /* TRB_IMAGE_AS_IS: all are alike */
    bool skip_bad;               /* leave out what is no image, or a damaged one, with a warning */
    bool of_run; /* for a run: messages name keys of the configuration, not flags of `tribikos pack`, and the file
                      * also has what trb_pack_check() needs */
} trb_pack_options;

typedef struct {
    size_t n, classes; /* images that were packed */
    trb_shape shape;   /* of each */
    size_t bad;        /* images that were left out */
} trb_packed;

/** Pack a folder. Memory holds the names of all files, one chunk and one image. Shows its progress. Local.
 * \param[in] output  is written aside and renamed; one that exists is replaced
 * \return TRB_OK; TRB_ECONFIG if there is no such folder; TRB_EINPUT if it or a file in it is not as described;
 * TRB_EIO */
trb_status trb_pack(const char *folder, const char *output, const trb_pack_options *o, trb_packed *out);

/** Check that a file that was packed for a run is of this folder and of these options, and that the folder has not
 * changed: names, sizes and times, and where only the time is another one, the bytes. Local.
 * \return TRB_OK; TRB_ECONFIG, with what has changed; TRB_EINTEGRITY if the file is not as trb_pack() writes it */
trb_status trb_pack_check(const char *folder, const char *packed, const trb_pack_options *o);

#endif
