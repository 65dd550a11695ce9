/* What the files of this folder share: a growing block of bytes, files that may be packed, samples of several files
 * joined, the readers of all formats, and the steps and moves of augmentation. */
#ifndef TRB__DATA_INTERNAL_H
#define TRB__DATA_INTERNAL_H

#include <zlib.h>

#include "tribikos/augment.h"

typedef struct {
    uint8_t *at;
    size_t n, capacity;
} trb__bytes;

/* Reserve room for exactly `more` bytes after the n that are there. */
trb_status trb__bytes_room(trb__bytes *b, size_t more);

/* A file that is read from beginning to end. Its first bytes show whether it is packed with gzip. */
typedef struct {
    gzFile gz;
    const char *path; /* borrowed */
    size_t file_bytes;
    bool packed;
} trb__source;

trb_status trb__source_open(const char *path, trb__source *s);
void trb__source_close(trb__source *s);
/* Read exactly n bytes; TRB_EINPUT if the file ends before. */
trb_status trb__source_read(trb__source *s, size_t n, void *out);
/* Append exactly n bytes, where a header claims n. No more memory is reserved than the size of the file makes
 * plausible, so that a damaged header does not exhaust the memory. */
trb_status trb__source_append(trb__source *s, size_t n, trb__bytes *b);
/* Append the rest of the file. */
trb_status trb__source_append_all(trb__source *s, trb__bytes *b);
/* Return TRB_EINPUT unless the file ends here. */
trb_status trb__source_expect_end(trb__source *s);

/* The samples of all files that have been read so far. */
typedef struct {
    trb_task task;
    size_t n; /* samples */
    trb_shape shape;
    trb_dtype type;
    trb__bytes x; /* [n][C*H*W] of that type */
    trb__bytes y; /* [n] int32_t labels or float targets; empty if there are none */
} trb__samples;

/* Refuse a file whose samples have another type or shape than those of the first file. */
trb_status trb__samples_expect(trb__samples *s, const char *path, trb_dtype type, trb_shape shape);
/* Refuse a file that has labels if those before have none, and the other way round. */
trb_status trb__samples_labelled(const trb__samples *s, const char *path, bool labelled);
trb_status trb__samples_add_labels(trb__samples *s, const char *path, size_t n, const uint8_t *label);

/* ROOT/NAME, or NAME alone if it is absolute or there is no root. \param[out] out  released with trb_free() */
trb_status trb__data_path(const char *root, const char *name, char **out);

/* A unit: what a reader reads in one call, one file or one pair of files. */
typedef struct {
    const trb_data_files *of;
    char *path[2];    /* the second of a pair: labels */
    const char *rows; /* for a table, the name of a file that lists the wanted rows; NULL for all rows */
} trb__unit;

/* The readers of the formats. Each appends the samples of a unit. */
trb_status trb__idx_read(const trb__unit *u, trb__samples *s);
trb_status trb__cifar10_read(const trb__unit *u, trb__samples *s);
trb_status trb__cifar100_read(const trb__unit *u, trb__samples *s);
trb_status trb__hdf5_read(const trb__unit *u, trb__samples *s);
trb_status trb__table_read(const trb__unit *u, trb__samples *s);

/* How many units the files are; TRB_ECONFIG if a unit is incomplete. \param[out] width  files in each unit */
trb_status trb__data_units(const trb_data_files *f, size_t *width, size_t *n_units);
/* Append the samples of unit i. */
trb_status trb__data_unit_read(const trb_data_files *f, size_t i, trb__samples *s);
/* Fill in what follows from the values of a whole set: digest, classes, neutral constants of normalisation.
 * \param[in,out] d  x and its description are set
 * \param[in] y  [n] labels or targets; `d` keeps it; NULL if there are none */
trb_status trb__data_describe(trb_data *d, void *y);

/* A map of the plane: the value of pixel (row, column) comes from the position a (row, column) + b. */
typedef struct {
    double a[2][2], b[2];
} trb__affine;
/* Move an image by the map, with bilinear interpolation. Around the image are pixels of value 0, normalised as
 * in `d`. */
void trb__affine_move(const trb_data *d, const trb__affine *map, const float *restrict from, float *restrict to);

/* The steps of a recipe on a row x of `d`, in the unit that augment.h describes. */
void trb__step_gaussian(const trb_data *d, float size, trb_rng *rng, float *x);
/* The gradient of w . softmax(z / T) by z, its largest value 1. \return max_k softmax(z)_k */
double trb__step_direction(size_t K, double T, const float *z, const float *w, float *dz);
/* Move x by `size` along g, the gradient by normalised values. \param[out] stored  the row as the cache stores it */
void trb__step_along(const trb_data *d, double size, const float *x, const float *g, void *stored);

/* Normalise values [at, at + n) of the whole data set, which all belong to one channel. */
void trb__data_run(const trb_data *d, size_t channel, size_t at, size_t n, float *to);

#endif
