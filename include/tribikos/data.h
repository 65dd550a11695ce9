/** Data sets: samples stay as they are stored, and are normalised when they are copied into a batch.
 *
 * Formats (data.format). Several files are joined in the order in which they are listed:
 *   idx      pairs of IDX files, samples then labels: an array of whole numbers or floats each
 *   cifar10  records of 1 label byte and 3072 pixel bytes (red, green, blue plane)
 *   cifar100 records of a coarse label byte, which is not used, a fine label byte, and the same pixels
 *   hdf5     arrays: the data sets `x`, samples, and `y`, labels or targets, or as `x` and `y` of trb_data_files say
 *   npy      pairs of NumPy's npy files, samples then labels, or npz archives with arrays named as for hdf5
 *   table    lines of fields, as in CSV files (RFC 4180: a field may stand between double quotes). The first row shows
 *            what separates fields: a comma, a semicolon, a tab, a vertical bar, or blanks. Numbers have a decimal
 *            point; unless commas or blanks separate fields, a decimal comma is read too. Marks between thousands are
 *            refused, and so are commas that may be either. Lines end in LF, CR or both;
 *            the text is UTF-8, Latin-1, or UTF-16 with a byte order mark. Blank lines and lines that begin with # do
 *            not count. Rows and columns count from 0
 *
 * Arrays (idx, hdf5, npy). Samples are [N][D], [N][H][W], or images of 4 dimensions, see trb_axes, which lie in
 * memory as [N][C][H][W]. Samples of uint8 stay uint8. Bool, other whole numbers and floats of 16 to 64 bits become
 * float32, and the schema's offsets are subtracted first. Labels are [N] or [N][1] whole numbers, also as floats, or
 * [N][K] with a single 1 in each row. Targets are [N] or [N][1] of any of these types.
 *
 * All files but those of hdf5 and npz may be packed by gzip, xz or zstd, told by their first bytes; xz and zstd only if
 * the program was built with liblzma and libzstd. A packed file must be whole to its last byte.
 *
 * Every size in a header is checked against the file before memory is reserved. All functions are local. Either every
 * rank reads everything for itself, or ranks that share memory read one part each (trb_data_part_*). The result is the
 * same.
 */
#ifndef TRB_DATA_H
#define TRB_DATA_H

#include "tribikos/dtype.h"
#include "tribikos/net.h"
#include "tribikos/schema.h"

typedef enum {
    TRB_FORMAT_IDX,
    TRB_FORMAT_CIFAR10,
    TRB_FORMAT_CIFAR100,
    TRB_FORMAT_HDF5,
    TRB_FORMAT_TABLE,
    TRB_FORMAT_NPY,
    TRB_FORMAT_IMAGES /* folders, which a run packs (pack.h) and then reads as hdf5; no function here reads them */
} trb_format;
typedef enum { TRB_TASK_CLASSES, TRB_TASK_REGRESSION } trb_task;
/** Whether a set needs labels or targets. Without them `label` and `target` are NULL and `classes` is 0. */
typedef enum { TRB_LABELS_NEEDED, TRB_LABELS_IF_THERE, TRB_LABELS_IGNORED } trb_labels;
/** Whether the first line of a table names its columns. AUTO looks at the first rows, and refuses what is ambiguous. */
typedef enum { TRB_HEADER_AUTO, TRB_HEADER_YES, TRB_HEADER_NO } trb_header;
/** What becomes of a missing value of a table: an empty field, nan, NA, N/A, null or ?, and among numbers also none, -
 * or a point. It is refused; its row is left out; or the mean of the column's training values takes its place (`fill`
 * of the schema). A label or target has no such mean. */
typedef enum { TRB_MISSING_REFUSE, TRB_MISSING_DROP, TRB_MISSING_MEAN } trb_missing;
typedef enum { TRB_NORMALIZE_NONE, TRB_NORMALIZE_UNIT, TRB_NORMALIZE_STANDARD, TRB_NORMALIZE_GIVEN } trb_normalize;

typedef struct {
    trb_task task;
    size_t n;           /* N */
    trb_shape shape;    /* of a sample */
    trb_dtype type;     /* TRB_U8 or TRB_F32 */
    bool lent;          /* x and label or target are borrowed; their owner must outlive this */
    void *x;            /* [N][C*H*W] of that type */
    int32_t *label;     /* [N]; classes only */
    float *target;      /* [N]; regression only, in the unit of the file, less the schema's offset */
    size_t classes;     /* K: largest label + 1; 0 for regression */
    size_t labels_from; /* what was subtracted from the labels of the files */
    /* XXH3 of the bytes of x, then of the labels (int32) or targets (float32), little-endian; if the schema has an
     * offset, then of all offsets (float64): those of the inputs, that of the target */
    uint64_t digest;
    /* XXH3 of the bytes of x alone; if an input has an offset, of that value and the offsets of the inputs. Equal to
     * `digest` if there are no labels. */
    uint64_t digest_x;
    /* Values and targets lie here with the schema's offsets subtracted, and so do all constants below. In the file's
     * unit, a mean is offset + mean, both as doubles.
     * A sample enters a batch as (value - mean[c]) * scale[c]. c is its channel, or its column if h = w = 1. */
    float *mean, *scale;              /* [shape.c] */
    double target_mean, target_scale; /* regression: z = (y - mean) / scale; 0, 1 until trb_data_normalize() */
    const trb_schema *schema;         /* by which the files were read; borrowed; NULL: nothing is known */
    trb_schema *own;                  /* the same if reading has made it; NULL: another owner */
    size_t n_missing, n_dropped;      /* tables: missing values that means replace; rows that were left out */
    size_t n_headerless;              /* tables: files without the header that the schema has, or with one more */
} trb_data;

/** The files of a data set. All pointers are borrowed. */
typedef struct {
    trb_task task;
    trb_format format;
    const char *root; /* folder in front of relative names; "" for none */
    size_t n_files;
    char *const *files; /* names, in order */
    /* For tables only. A file that lists rows or columns contains their numbers, separated as in a table or by
     * lines. A list of columns has entries: a name of the header, a number ("3"), a number from the end ("-1"), a range
     * ("0-7"), or the name of a file that lists some. */
    size_t n_rows;         /* 0: all rows; else n_files */
    char *const *rows;     /* names of files: rows[i] lists the wanted rows of table files[i] */
    size_t n_features;     /* 0: all columns except the target */
    char *const *features; /* entries */
    const char *target;    /* one entry; NULL or "": the last column that is not dropped; "none": there is none */
    size_t n_drop, n_categories;
    char *const *drop;       /* entries: columns that are left out */
    char *const *categories; /* entries: columns of words; each word becomes an input that is 1 or 0. The target may be
                              * one of them if it has labels: whole numbers are then words, too, such as -1 and 1 */
    trb_header header;
    trb_missing missing;
    char separator; /* of tables: what separates fields: , ; | tab, or a blank; 0: the first rows show it */
    trb_labels labels;
    bool predicted;     /* predictions are asked for. Inputs may be infinite or NaN, so that one bad row does not end a
                         * prediction. No row of a table is left out for its label or target; one that is missing is
                         * refused */
    size_t labels_from; /* is subtracted from every label: the label of class 0 in the files */
    trb_axes layout;    /* of arrays of images. AUTO: by their sizes, see trb_axes */
    const char *x, *y;  /* for hdf5 and npz: names of arrays; NULL or "": x and y */
    /* By which to read; then features, target, drop and categories are not looked at. NULL: as the files themselves
     * say. */
    const trb_schema *schema;
} trb_data_files;

/** Tell the format of a file by its first bytes, and by its size for the files of CIFAR. What is known to be no data
 * set (a web page, an archive) is refused; any other text is taken for a table.
 * \return TRB_OK; TRB_ECONFIG if there is no such file; TRB_EINPUT */
trb_status trb_data_guess(const char *path, trb_format *format);

/** The character that a text names, for trb_data_files.separator: itself, "tab", "blank", or "auto" (0).
 * \return false if it names none; `by` is untouched then */
bool trb_data_separator(const char *text, char *by);

/** What tables need so that they can be read: which columns to drop, which hold words, and what becomes of missing
 * values. */
typedef struct {
    char *name;       /* NULL: columns have no names */
    const char *drop; /* why it is no input, as the end of a sentence; NULL: it is one, or the target. Static */
    bool words;       /* for `categories`: it is one of words, or the target and its labels do not count from 0 */
    size_t missing;   /* missing values, unless it is dropped */
    /* If its fields are no numbers, and it is dropped, or they are numbers for people, such as 12%: what they look
     * like, and how to write them, both static; and the first of them. Else NULL. */
    const char *looks, *way;
    char *example;
} trb_column_advice;
typedef struct {
    size_t n_columns;
    size_t last, target; /* the last column that is not empty; the target: the last of these that does not count the
                          * rows, either. n_columns: there is none */
    trb_column_advice *column;
    trb_missing missing;
} trb_table_advice;
/** Look at all values. Of `files`, features, target, drop, categories, missing and rows are not looked at. Local.
 * \param[out] out  trb_table_advice_clear(); untouched on failure
 * \return as trb_data_load() */
trb_status trb_table_advise(const trb_data_files *files, trb_table_advice *out);
void trb_table_advice_clear(trb_table_advice *a);

/** Whether a name of `files` or `rows` is a pattern as in the shell: it has *, ? or [. */
bool trb_data_has_patterns(const trb_data_files *files);
/** Replace each pattern by the names of the files that match, in the order of their bytes. A name of a file that exists
 * is no pattern. In formats of pairs two patterns that follow each other must match as many files, which then
 * alternate.
 * Ranks may see different files for a moment, so one of them calls this for all.
 * \param[out] text  the names of files, a line each, a blank line, the names of rows; trb_free()
 * \return TRB_OK; TRB_ECONFIG if nothing matches, with the pattern */
trb_status trb_data_match(const trb_data_files *files, char **text);
/** Take the names that trb_data_match() has found.
 * \param[in,out] files  its names then point into `text`   \param[in] text  is changed, and must stay
 * \param[out] names     the array of names, which must stay; trb_free() */
trb_status trb_data_take_names(trb_data_files *files, char *text, char ***names);

/** Look at all files, and decide how they and all later ones are read: header, names of columns, words, layout,
 * offsets. Says in a line what a user should know. A format without anything to decide gives an empty schema.
 * \param[in] files  files->schema is not looked at   \param[out] out  cleared by the caller; untouched on failure
 * \return as trb_data_load() */
trb_status trb_data_survey(const trb_data_files *files, trb_schema *out);
/** Whether the format has anything to decide. */
bool trb_data_surveyed(trb_format format);

/** Read a data set. Without files->schema this is trb_data_survey() first.
 *
 * \return TRB_OK; TRB_ECONFIG if a file is missing or the list does not fit the format; TRB_EINPUT if the contents are
 * wrong: magic bytes, truncation, too many bytes, counts that disagree, zero rows, a field that is no number, labels
 * below 0 or beyond the classes that a loss supports, values not finite; TRB_EINTEGRITY if an HDF5 file is damaged,
 * lacks a data set or has its values in other files. `out` is untouched on failure
 */
trb_status trb_data_load(const trb_data_files *files, trb_data *out);
void trb_data_clear(trb_data *d);
/** Whether the set has labels or targets. */
bool trb_data_labelled(const trb_data *d);
/** "zlib 1.2.13". Borrowed. */
const char *trb_data_library(void);

/** What one unit of a data set holds. A unit is one file, or for idx one pair of files. Plain numbers, so that ranks
 * can send them to each other. */
typedef struct {
    size_t n;
    trb_shape shape;
    trb_dtype type;
    bool unlabelled;                           /* has no labels or targets */
    size_t n_missing, n_dropped, n_headerless; /* as in trb_data */
} trb_data_unit;

/** A part of a data set: every P-th unit from unit r on. P readers that share memory read one part each:
 *
 * | call, by every reader | what it does |
 * | trb_data_part_open() | reads the units of its own part |
 * | the caller | exchanges what the units hold (trb_data_part_unit()) |
 * | trb_data_part_room() | checks that units fit together, says how many bytes the whole set needs |
 * | trb_data_part_put() | copies its units into the shared memory; then the caller waits for all readers |
 * | trb_data_part_join() | describes the whole set, which all readers now share |
 */
typedef struct trb_data_part trb_data_part;

/** Read a part. Arguments are borrowed until the close. All readers give the same files->schema; without one, each of
 * them surveys all files, and the joined set owns the schema. Failures are those of trb_data_load() for these units
 * alone. */
trb_status trb_data_part_open(const trb_data_files *files, size_t r, size_t P, trb_data_part **out);
size_t trb_data_part_units(const trb_data_part *p); /* how many the whole set has */
/** Unit i. The caller fills in the units of other parts. Borrowed. */
trb_data_unit *trb_data_part_unit(trb_data_part *p, size_t i);
/** \param[out] bytes  how much memory the whole set needs
 * \return TRB_OK; TRB_EINPUT if units hold different kinds of samples, or only some of them have labels */
trb_status trb_data_part_room(const trb_data_part *p, size_t *bytes);
/** Copy the part's samples to their place in `room` and release them. \param[out] room  aligned to 64 bytes */
void trb_data_part_put(trb_data_part *p, void *room);
/** The data set that trb_data_load() would give. It takes the schema that the part has surveyed, so this is the last
 * call before the close. \param[in] room  filled by all parts; borrowed by `out` */
trb_status trb_data_part_join(trb_data_part *p, void *room, trb_data *out);
void trb_data_part_close(trb_data_part *p); /* NULL allowed */

/** Fix the constants of normalisation.
 *
 * none: values as they are; unit: bytes / 255 (floats as they are); standard: mean and standard deviation of each
 * channel or column over the rows `ids`, accumulated in integers for bytes and in double for floats, where a constant
 * column keeps scale 1; given: inputs as they are, until trb_data_normalize_by(). Regression targets are standardised
 * over the same rows unless `how` is none or there are none; TRB_EINPUT if all targets are equal.
 */
trb_status trb_data_normalize(trb_data *d, trb_normalize how, size_t n, const int64_t *ids);

/** Fix given constants: x = (v - mean) / std with v = byte / 255 (floats as they are), as torchvision's ToTensor and
 * Normalize. `mean` and `std` have one number for all channels (columns), or one number for each.
 * \return TRB_OK; TRB_ECONFIG, naming the key, if the count is another one, if a mean is not finite as a float32, if a
 * std is not above 0, or if its inverse is not finite as a float32 */
trb_status trb_data_normalize_by(trb_data *d, size_t n_mean, const double *mean, size_t n_std, const double *std);

/** Use the constants of another data set (a test set takes those of its training set).
 * Labels are not compared: a network may have outputs for classes of which its training set has no sample.
 * TRB_ECONFIG if the sample shapes differ. */
trb_status trb_data_normalize_as(trb_data *d, const trb_data *other);

/** Rows `ids`, normalised. \param[in] ids [n], each in [0, N)  \param[out] x [n][C*H*W] */
void trb_data_rows(const trb_data *d, size_t n, const int64_t *ids, float *x);

/** Split ids 0..N-1 into a training and a validation part. The validation part is the last n_val ids of a permutation
 * that the seed gives. Both parts are in ascending order.
 * \param[out] train [N - n_val]   \param[out] val [n_val]
 * \return TRB_OK; TRB_ECONFIG unless n_val < N */
trb_status trb_data_split(uint64_t seed, size_t N, size_t n_val, int64_t *train, int64_t *val);

/** Order of an epoch: a permutation of `ids` from (seed, member, epoch), never from the rank. \param[out] order [n] */
void trb_data_order(uint64_t seed, uint64_t member, uint64_t epoch, size_t n, const int64_t *ids, int64_t *order);

#endif
