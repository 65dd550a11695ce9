/** Data sets: samples as they are stored, normalised on the way into a batch.
 *
 * Formats (data.format); several files are joined in the order given:
 *   idx      pairs of IDX files, images then labels (unsigned bytes, big-endian header); plain or .gz, told by content
 *   cifar10  records of 1 label byte and 3072 pixel bytes (red, green, blue plane)
 *   cifar100 records of a coarse label byte, which is not used, a fine one, and the same pixels
 *   hdf5     /x [N][...] of uint8 or float32 with 1 to 3 sample dimensions (D | H, W | C, H, W),
 *            /y [N] integer labels (uint8, int32, int64) or, for regression, float32 or float64 targets
 *   table    lines of decimal numbers with commas, or else blanks or tabs, between them, plain or .gz; a first line
 *            without any number is a header; blank lines do not count; rows and columns are counted from 0
 *
 * Every size in a header is checked against the file before memory is reserved. All functions are local. Either every
 * rank reads everything for itself, or several that share memory read a part each (trb_data_part_*); what they hold is
 * the same.
 */
#ifndef TRB_DATA_H
#define TRB_DATA_H

#include "tribikos/dtype.h"
#include "tribikos/net.h"

typedef enum { TRB_FORMAT_IDX, TRB_FORMAT_CIFAR10, TRB_FORMAT_CIFAR100, TRB_FORMAT_HDF5, TRB_FORMAT_TABLE } trb_format;
typedef enum { TRB_TASK_CLASSES, TRB_TASK_REGRESSION } trb_task;
typedef enum { TRB_NORMALIZE_NONE, TRB_NORMALIZE_UNIT, TRB_NORMALIZE_STANDARD, TRB_NORMALIZE_GIVEN } trb_normalize;

typedef struct {
    trb_task task;
    size_t n;        /* N */
    trb_shape shape; /* of a sample */
    trb_dtype type;  /* TRB_U8 or TRB_F32 */
    bool lent;       /* x and label or target belong to someone else, who outlives this */
    void *x;         /* [N][C*H*W] of that type */
    int32_t *label;  /* [N]; classes only */
    float *target;   /* [N]; regression only, in the unit of the file */
    size_t classes;  /* K: largest label + 1; 0 for regression */
    uint64_t digest; /* XXH3 of the bytes of x, then of the labels (int32) or targets (float32), little-endian */
    /* A sample enters a batch as (value - mean[c]) * scale[c], c its channel (images) or column (h = w = 1). */
    float *mean, *scale;              /* [shape.c] */
    double target_mean, target_scale; /* regression: z = (y - mean) / scale; 0, 1 until trb_data_normalize() */
} trb_data;

/** What is to be read. Borrowed. */
typedef struct {
    trb_task task;
    trb_format format;
    const char *root; /* folder in front of relative names; "" for none */
    size_t n_files;
    char *const *files; /* names, in order */
    /* Of tables alone. A file that lists rows or columns holds their numbers, separated like a table's or by lines. */
    size_t n_rows;         /* 0: all rows; else n_files */
    char *const *rows;     /* names of files, each of which lists the rows of the table in its place */
    size_t n_features;     /* 0: all columns but the target */
    char *const *features; /* columns ("3"), ranges of them ("0-7"), names of files that list some */
    const char *target;    /* a column or the name of a file that lists one; NULL or "": the last column */
} trb_data_files;

/** Read a data set.
 *
 * \return TRB_OK; TRB_ECONFIG if a file is missing or the list does not fit the format; TRB_EINPUT for anything wrong
 * inside: magic, truncation, bytes too many, counts that disagree, zero rows, what is no number, labels below 0 or of
 * more classes than a loss takes, values not finite; TRB_EINTEGRITY if an HDF5 file is damaged, lacks a data set or has
 * its values elsewhere. `out` is untouched on failure
 */
trb_status trb_data_load(const trb_data_files *files, trb_data *out);
void trb_data_clear(trb_data *d);
/** "zlib 1.2.13". Borrowed. */
const char *trb_data_library(void);

/** What one unit of a data set holds: a file, of idx a pair. Plain numbers, for others to know. */
typedef struct {
    size_t n;
    trb_shape shape;
    trb_dtype type;
} trb_data_unit;

/** A part of a data set, on its way into memory that P readers share: every P-th unit from unit r on.
 *
 * Each of the readers opens its part; they tell each other of their units; each asks what room all need, and puts its
 * samples into the same memory; when all have done so, each joins. */
typedef struct trb_data_part trb_data_part;

/** Read a part; arguments, borrowed until the close, and failures as of trb_data_load(), if these units were all. */
trb_status trb_data_part_open(const trb_data_files *files, size_t r, size_t P, trb_data_part **out);
size_t trb_data_part_units(const trb_data_part *p); /* of the whole set */
/** Unit i; those of other parts are for the caller to fill in. Borrowed. */
trb_data_unit *trb_data_part_unit(trb_data_part *p, size_t i);
/** \param[out] bytes  that the whole set needs \return TRB_OK; TRB_EINPUT if units hold different kinds of samples */
trb_status trb_data_part_room(const trb_data_part *p, size_t *bytes);
/** Put the part's samples where they belong, and hold them no longer. \param[out] room  aligned to 64 bytes */
void trb_data_part_put(trb_data_part *p, void *room);
/** What trb_data_load() would give. \param[in] room  lent to `out`, filled by all parts */
trb_status trb_data_part_join(const trb_data_part *p, void *room, trb_data *out);
void trb_data_part_close(trb_data_part *p); /* NULL allowed */

/** Fix the constants of normalisation.
 *
 * none: values as they are; unit: bytes / 255 (floats as they are); standard: mean and standard deviation a channel or
 * column over the rows `ids`, accumulated in integers for bytes and in double for floats; a constant column keeps
 * scale 1; given: inputs as they are, until trb_data_normalize_by(). Regression targets are standardised over the same
 * rows unless `how` is none; TRB_EINPUT if they are all the same.
 */
trb_status trb_data_normalize(trb_data *d, trb_normalize how, size_t n, const int64_t *ids);

/** Fix given constants: x = (v - mean) / std with v = byte / 255 (floats as they are), as torchvision's ToTensor and
 * Normalize. One number of each for all channels (columns), or one for each.
 * \return TRB_OK; TRB_ECONFIG, naming the key, if there are others, or as a float32 a mean is not finite, or a std does
 * not lie above 0 or its inverse is not finite */
trb_status trb_data_normalize_by(trb_data *d, size_t n_mean, const double *mean, size_t n_std, const double *std);

/** Use the constants of another data set (a test set takes those of its training set).
 * TRB_ECONFIG if the sample shapes differ; for classes also if this set has more classes than the other. */
trb_status trb_data_normalize_as(trb_data *d, const trb_data *other);

/** Rows `ids`, normalised. \param[in] ids [n], each in [0, N)  \param[out] x [n][C*H*W] */
void trb_data_rows(const trb_data *d, size_t n, const int64_t *ids, float *x);

/** Split ids 0..N-1 into a training and a validation part: a permutation from the seed, its last n_val ids, both parts
 * in ascending order. \param[out] train [N - n_val]  \param[out] val [n_val] \return TRB_OK; TRB_ECONFIG unless n_val <
 * N */
trb_status trb_data_split(uint64_t seed, size_t N, size_t n_val, int64_t *train, int64_t *val);

/** Order of an epoch: a permutation of `ids` from (seed, member, epoch), never from the rank. \param[out] order [n] */
void trb_data_order(uint64_t seed, uint64_t member, uint64_t epoch, size_t n, const int64_t *ids, int64_t *order);

#endif
