/* Arrays that files hold: samples and labels, whatever the format. A format opens its arrays and reads their rows; what
 * the values mean, and how they become samples, is decided here once for all formats. */
#ifndef TRB__DATA_ARRAY_H
#define TRB__DATA_ARRAY_H

#include "internal.h"

#include "tribikos/text.h"

enum { TRB__ARRAY_DIMS = 5 };

typedef struct trb__array trb__array;
struct trb__array {
    const char *path; /* borrowed */
    const char *name; /* of the array in the file; NULL: the file holds one array. Borrowed */
    trb_dtype type;
    size_t ndim, dim[TRB__ARRAY_DIMS];
    size_t rows;             /* how many rows a call should read, at least 1 */
    trb_axes layout;         /* of images; TRB_AXES_AUTO unless the file tells it */
    const int32_t *class_of; /* [n_classes] of labels: the class that label k stands for; NULL: k itself. Borrowed */
    size_t n_classes;
    bool sure; /* the file is known to hold as many values as `dim` says */
    /* Append rows [first, first + n) to `rows`: values of `type`, little-endian, the last index the fastest. Rows are
     * read in ascending order, each at most once; rows in between are passed by `skip`. */
    trb_status (*read)(const trb__array *a, size_t first, size_t n, trb__bytes *rows);
    /* Pass over n rows. NULL: rows need not be passed. */
    trb_status (*skip)(const trb__array *a, size_t n);
    /* Check that nothing follows the last row, which has been read. NULL: nothing can. */
    trb_status (*end)(const trb__array *a);
    void *of;
};

/* The arrays of a unit. */
typedef struct trb__arrays trb__arrays;
struct trb__arrays {
    trb__array x, y;
    bool labelled; /* y is there */
    void (*close)(trb__arrays *a);
    void *of[2];
};

/* A format: opens the arrays of a unit. After a failure there is nothing to close. */
typedef trb_status trb__arrays_open(const trb__unit *u, trb__arrays *a);

/* Append the samples of a unit. */
trb_status trb__arrays_read(const trb__unit *u, trb__arrays_open *open, trb__samples *s);
/* The rows of a unit, piece by piece. An array whose first index is the fastest is held whole. */
trb_status trb__arrays_rows(const trb__unit *u, trb__arrays_open *open, trb__samples *like, trb__rows *r);
/* Decide layout and offsets by all files of a training set. */
trb_status trb__arrays_survey(const trb_data_files *f, trb__arrays_open *open, trb_schema *s);

/* An array that is the only thing in a file, or in an entry of an archive: a header, then the values. */
typedef struct {
    trb__source source;
    bool big;         /* values are big-endian */
    bool fortran;     /* the first index is the fastest */
    trb__bytes whole; /* all values, if they are not stored row by row */
} trb__stored;

/* Read the header of an IDX or an NPY file and describe its array. `s` has been opened, and must outlive the array. */
trb_status trb__stored_idx(trb__stored *s, trb__array *a);
trb_status trb__stored_npy(trb__stored *s, trb__array *a);
void trb__stored_close(trb__stored *s);
/* Open a file of one array in the format of `f`: an IDX or NPY file. */
trb_status trb__stored_open(const trb_data_files *f, const char *path, trb__stored *s, trb__array *a);

/* The arrays of a pair of such files; a file without a partner has samples only. */
trb__arrays_open trb__pair_open;

/* The name of an array: the given one, or the usual one if that is NULL or empty. */
static inline const char *trb__name_of(const char *given, const char *usual)
{
    return given != NULL && given[0] != '\0' ? given : usual;
}

/* An entry of a zip archive. */
typedef struct {
    size_t from, packed; /* where its bytes begin, and how many they are */
    bool deflated;
    uint32_t crc;
} trb__entry;
/* Find the array `name`, which is the entry NAME.npy. \param[out] found
 * \param[in,out] names  the names of the arrays are added */
trb_status trb__zip_find(const char *path, const char *name, bool *found, trb__entry *e, trb_text *names);

#endif
