/* Shared inside src/data: bytes that grow while they are read, files told plain from packed, samples that are joined,
 * values that are normalised. */
#ifndef TRB__DATA_INTERNAL_H
#define TRB__DATA_INTERNAL_H

#include <zlib.h>

#include "tribikos/augment.h"

typedef struct {
    uint8_t *at;
    size_t n, capacity;
} trb__bytes;

/* Room for exactly `more` bytes behind the n that are there. */
trb_status trb__bytes_room(trb__bytes *b, size_t more);

/* A file that is read from front to back; gzip is told by its first bytes. */
typedef struct {
    gzFile gz;
    const char *path; /* borrowed */
    size_t file_bytes;
    bool packed;
} trb__source;

trb_status trb__source_open(const char *path, trb__source *s);
void trb__source_close(trb__source *s);
/* Exactly n bytes; TRB_EINPUT if the file ends before. */
trb_status trb__source_read(trb__source *s, size_t n, void *out);
/* Append exactly n bytes, where n is what a header claims: room is reserved no further than the file makes plausible.
 */
trb_status trb__source_append(trb__source *s, size_t n, trb__bytes *b);
/* Append whatever is left. */
trb_status trb__source_append_all(trb__source *s, trb__bytes *b);
/* TRB_EINPUT unless the file ends here. */
trb_status trb__source_expect_end(trb__source *s);

/* What the files read so far hold together. */
typedef struct {
    trb_task task;
    size_t n; /* samples */
    trb_shape shape;
    trb_dtype type;
    trb__bytes x; /* [n][C*H*W] of that type */
    trb__bytes y; /* [n] int32_t labels or float targets */
} trb__samples;

/* Further files must hold samples like the first one's. */
trb_status trb__samples_expect(trb__samples *s, const char *path, trb_dtype type, trb_shape shape);
trb_status trb__samples_add_labels(trb__samples *s, const char *path, size_t n, const uint8_t *label);

/* The name itself if it is absolute or there is no root. \param[out] out  trb_free() */
trb_status trb__data_path(const char *root, const char *name, char **out);

/* What a reader reads at once: a file, or a pair of files. */
typedef struct {
    const trb_data_files *of;
    char *path[2];    /* the second of a pair: labels */
    const char *rows; /* of a table: name of a file that lists those wanted; NULL for all */
} trb__unit;

/* The readers: append the samples of a unit. */
trb_status trb__idx_read(const trb__unit *u, trb__samples *s);
trb_status trb__cifar10_read(const trb__unit *u, trb__samples *s);
trb_status trb__cifar100_read(const trb__unit *u, trb__samples *s);
trb_status trb__hdf5_read(const trb__unit *u, trb__samples *s);
trb_status trb__table_read(const trb__unit *u, trb__samples *s);

/* Units of so many files; TRB_ECONFIG unless they are whole units. \param[out] width  files a unit */
trb_status trb__data_units(const trb_data_files *f, size_t *width, size_t *n_units);
/* Append the samples of unit i. */
trb_status trb__data_unit_read(const trb_data_files *f, size_t i, trb__samples *s);
/* What follows from a whole set's values: d->x, y [n] and what describes them in, the rest out. */
trb_status trb__data_describe(trb_data *d, void *y);

/* A map of the plane: pixel (row, column) comes from a (row, column) + b. */
typedef struct {
    double a[2][2], b[2];
} trb__affine;
/* An image where the map puts it, interpolated; around it are pixels of value 0, normalised as those of `d`. */
void trb__affine_move(const trb_data *d, const trb__affine *map, const float *restrict from, float *restrict to);

/* The steps of a recipe, in the unit that augment.h says: of a row x, whose samples are those of `d`. */
void trb__step_gaussian(const trb_data *d, float size, trb_rng *rng, float *x);
/* The gradient of w . softmax(z / T) by z, its largest value 1. \return max_k softmax(z)_k */
double trb__step_direction(size_t K, double T, const float *z, const float *w, float *dz);
/* So far along g, which is by normalised values. */
void trb__step_along(const trb_data *d, double size, const float *x, const float *g, void *stored);

/* Values [at, at + n) of the whole data set, all of one channel, normalised. */
void trb__data_run(const trb_data *d, size_t channel, size_t at, size_t n, float *to);

#endif
