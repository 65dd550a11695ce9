/* What the files of this folder share: a growing block of bytes, files that may be packed, samples of several files
 * joined, the readers of all formats, and the steps and moves of augmentation. */
#ifndef TRB__DATA_INTERNAL_H
#define TRB__DATA_INTERNAL_H

#include "tribikos/augment.h"

typedef struct {
    uint8_t *at;
    size_t n, capacity;
} trb__bytes;

/* Reserve room for exactly `more` bytes after the n that are there. */
trb_status trb__bytes_room(trb__bytes *b, size_t more);

/* A file that is read from beginning to end. Its first bytes show whether it is packed with gzip, xz or zstd. */
typedef struct trb__stream trb__stream;
typedef struct {
    trb__stream *stream;
    const char *path;  /* borrowed */
    size_t file_bytes; /* of the file, or of the part that is read */
    bool packed;
} trb__source;

/* The attribute `format` of HDF5 files that trb_pack() has written. */
#define TRB__PACK_FORMAT "tribikos images"

/* The first unpacked bytes of a file are kept: they tell what it is. */
enum { TRB__HEAD = 512 };

trb_status trb__source_open(const char *path, trb__source *s);
/* Open `bytes` bytes of a file, an entry of a zip archive. \param[in] crc  CRC-32 of the unpacked bytes */
trb_status trb__source_open_part(const char *path, size_t from, size_t bytes, bool deflated, uint32_t crc,
                                 trb__source *s);
void trb__source_close(trb__source *s);
/* The first unpacked bytes, up to TRB__HEAD, whatever has been read since. Borrowed. */
const uint8_t *trb__source_head(const trb__source *s, size_t *n);
/* Refuse the file: what was expected, and what it looks like. */
trb_status trb__source_unlike(const trb__source *s, const char *expected);
/* How much of the file has been read, from 0 to 1. */
double trb__source_share(const trb__source *s);
/* Read up to n bytes; fewer only at the end of the file, which is then checked as by trb__source_expect_end(). */
trb_status trb__source_some(trb__source *s, size_t n, void *out, size_t *got);
/* Pass over up to n bytes; fewer only at the end. A packed file is unpacked all the same. */
trb_status trb__source_skip(trb__source *s, size_t n, size_t *got);
/* Read exactly n bytes; TRB_EINPUT if the file ends before. */
trb_status trb__source_read(trb__source *s, size_t n, void *out);
/* A header that ends here promises that exactly `bytes` bytes follow; TRB_EINPUT if the size of a plain file says
 * otherwise. */
trb_status trb__source_promise(trb__source *s, size_t bytes);
/* Append exactly n bytes, all or a part of what was promised. No more memory is reserved than the size of the file
 * makes plausible, so that a damaged header does not exhaust the memory. */
trb_status trb__source_append(trb__source *s, size_t n, trb__bytes *b);
/* Append the rest of the file. */
trb_status trb__source_append_all(trb__source *s, trb__bytes *b);
/* Return TRB_EINPUT unless the file ends here, and unpacks without damage up to its end. */
trb_status trb__source_expect_end(trb__source *s);

/* What a file is that begins with these bytes, in words: "a web page; the download has failed". The more bytes, up to
 * TRB__HEAD, the more kinds are known. NULL: unknown. The text is static. */
const char *trb__looks_like(const uint8_t *at, size_t n);
/* Refuse a file that begins with these bytes: what was expected, and what it looks like. */
trb_status trb__unlike(trb_status st, const char *path, const char *expected, const uint8_t *at, size_t n);

/* Refuse a file that begins with these bytes if it is known to be no table; TRB_EINPUT. An empty one is none of these.
 */
trb_status trb__expect_table(const char *path, const uint8_t *at, size_t n);

/* The samples of all files that have been read so far. */
typedef struct {
    trb_task task;
    size_t n; /* samples */
    trb_shape shape;
    trb_dtype type;
    trb__bytes x;                              /* [n][C*H*W] of that type */
    trb__bytes y;                              /* [n] int32_t labels or float targets */
    bool unlabelled;                           /* the files have no labels or targets: y is empty */
    size_t n_missing, n_dropped, n_headerless; /* as in trb_data */
    /* Filled only when rows are read piece by piece, if rows are left out, or have a key: */
    trb__bytes row; /* [n] int64_t which row of its file each is */
    trb__bytes key; /* n texts, each with its zero byte */
} trb__samples;

/* Refuse a file whose samples have another type or shape than those of the first file. */
trb_status trb__samples_expect(trb__samples *s, const char *path, trb_dtype type, trb_shape shape);
/* Refuse a file with labels after one without, and the other way round. */
trb_status trb__samples_expect_labels(trb__samples *s, const char *path, bool unlabelled);
/* Add n samples with their labels, unless these are not wanted. */
trb_status trb__samples_add_labels(trb__samples *s, const char *path, trb_labels wanted, size_t n,
                                   const uint8_t *label);

/* ROOT/NAME, or NAME alone if it is absolute or there is no root. \param[out] out  released with trb_free() */
trb_status trb__data_path(const char *root, const char *name, char **out);

/* A unit: what a reader reads in one call, one file or one pair of files. */
typedef struct {
    const trb_data_files *of;
    size_t i;         /* which unit of the data set it is */
    char *path[2];    /* the second of a pair: labels; NULL if it has none */
    const char *rows; /* for a table, the name of a file that lists the wanted rows; NULL for all rows */
} trb__unit;

/* How many units the files are; TRB_ECONFIG if a unit is incomplete. \param[out] width  files in each unit */
trb_status trb__data_units(const trb_data_files *f, size_t *width, size_t *n_units);
/* The names of unit i. trb__unit_close() releases them, after a failure too. */
trb_status trb__unit_open(const trb_data_files *f, size_t width, size_t i, trb__unit *u);
void trb__unit_close(trb__unit *u);

/* The rows of a unit that are read piece by piece, in their order. The unit must stay. */
typedef struct trb__rows trb__rows;
struct trb__rows {
    /* Append the next rows, at most n, to `s`; or pass over them without reading more than needed. `got` is below n
     * only at the end, and there the file has been checked to its last byte. */
    trb_status (*next)(trb__rows *r, size_t n, bool wanted, trb__samples *s, size_t *got);
    double (*share)(const trb__rows *r); /* how much of the unit has been passed, from 0 to 1 */
    void (*close)(trb__rows *r);
    size_t at;           /* rows that were passed, with those that are left out */
    const char *key;     /* what the column of keys is called, "" without a name; NULL: rows have no keys. Borrowed */
    bool points, commas; /* tables: numbers with a decimal point, or comma, were seen so far */
    void *of;
};
/* Opens a unit. \param[in,out] like  the type, shape and labels of the units before (with n above 0); its own
 * \param[out] r  closed by r->close() after a success */
typedef trb_status trb__rows_open(const trb__unit *u, trb__samples *like, trb__rows *r);
trb__rows_open trb__idx_rows, trb__cifar10_rows, trb__cifar100_rows, trb__hdf5_rows, trb__npy_rows, trb__table_rows;
/* That of a format. */
trb__rows_open *trb__rows_of(trb_format format);

/* Count the labels that were appended from `first` bytes on from 0. \param[in] row  the row of the first one */
trb_status trb__labels_shift(const trb_data_files *f, const char *path, size_t first, size_t row, trb__samples *s);

/* The readers of the formats. Each appends the samples of a unit. */
trb_status trb__idx_read(const trb__unit *u, trb__samples *s);
trb_status trb__cifar10_read(const trb__unit *u, trb__samples *s);
trb_status trb__cifar100_read(const trb__unit *u, trb__samples *s);
trb_status trb__hdf5_read(const trb__unit *u, trb__samples *s);
trb_status trb__npy_read(const trb__unit *u, trb__samples *s);
trb_status trb__table_read(const trb__unit *u, trb__samples *s);

/* The surveys of the formats that have one: they look at all units, and decide the schema. `out` is empty at first. */
trb_status trb__table_survey(const trb_data_files *f, trb_schema *out);
/* What the files of a training set say about how all sets are read. */
trb_status trb__idx_survey(const trb_data_files *f, trb_schema *s);
trb_status trb__hdf5_survey(const trb_data_files *f, trb_schema *s);
trb_status trb__npy_survey(const trb_data_files *f, trb_schema *s);

/* Values of one column or channel, one after the other: mean, squared distances from it, and the largest distance by
 * which rounding to float32 moves a value. */
typedef struct {
    size_t n;
    double mean, squares, moved;
} trb__spread;
void trb__spread_add(trb__spread *s, double value);
/* The offset of such a column: 0, unless rounding moves a value by more than 1e-4 of the standard deviation. Then it is
 * the mean, rounded to a float32, so that most differences are exact. All other data keep their bits. */
double trb__spread_offset(const trb__spread *s);

/* Append the samples of unit i. */
trb_status trb__data_unit_read(const trb_data_files *f, size_t i, trb__samples *s);
/* Fill in what follows from the values of a whole set: digest, classes, neutral constants of normalisation.
 * \param[in,out] d  x, its description and the schema are set   \param[in] y  [n] labels or targets; `d` keeps it; NULL
 * if there are none */
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
