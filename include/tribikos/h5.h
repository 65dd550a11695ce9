/** HDF5 (serial) behind one small interface. Files are written aside, checked and published as file.h says.
 *
 * Files are written in the format of HDF5 1.10 (libver v110), whose checksums cover what describes the data, and texts
 * with a fixed length, which h5py shows as bytes; texts that h5py stored as str are read as well. A flipped bit in such
 * a file is found, or is without effect; only the mapping of a virtual data set is not covered, and is never read here.
 * Types, extents, filters and what is stored are checked before memory is reserved. HDF5 1.10.8 itself does not survive
 * files made to deceive it, with wrong structures under right checksums (tests/fuzz, TRB_FUZZ_CHECKSUMS): open none of
 * people you do not trust.
 *
 * HDF5 is thread-safe only where it was built so: every function of this header takes one process-wide lock, so a
 * reader thread and the main thread may both use it. All functions are local. Messages name file and object.
 */
#ifndef TRB_H5_H
#define TRB_H5_H

#include <stdbool.h>

#include "tribikos/dtype.h"
#include "tribikos/status.h"

typedef struct trb_h5 trb_h5;

/** "HDF5 1.10.8". Borrowed. */
const char *trb_h5_library(void);

enum { TRB_H5_MAX_DIM = 5 };
typedef struct {
    trb_dtype type;
    size_t ndim, dim[TRB_H5_MAX_DIM];
} trb_h5_shape;

/** Begin a file aside of `path`. It appears under its name only by trb_h5_publish(). */
trb_status trb_h5_create(const char *path, trb_h5 **out);
/** Close, sync and rename. The handle is gone afterwards, whatever is returned; on failure the .tmp file is removed. */
trb_status trb_h5_publish(trb_h5 *h);
/** Open for reading. TRB_ECONFIG if there is no such file; TRB_EINTEGRITY if it is not HDF5 or is truncated. */
trb_status trb_h5_open(const char *path, trb_h5 **out);
/** Close a file that was opened, or give up one that was created (the .tmp file is removed). NULL allowed. */
void trb_h5_close(trb_h5 *h);
const char *trb_h5_path(const trb_h5 *h); /* the final name; borrowed */

/** Attributes of the root group. get: TRB_EINTEGRITY if absent or of another kind. Texts are the caller's (trb_free).
 */
trb_status trb_h5_put_u64(trb_h5 *h, const char *name, uint64_t value);
trb_status trb_h5_put_text(trb_h5 *h, const char *name, const char *value);
trb_status trb_h5_get_u64(trb_h5 *h, const char *name, uint64_t *value);
trb_status trb_h5_get_text(trb_h5 *h, const char *name, char **value);
bool trb_h5_has(trb_h5 *h, const char *dataset);
bool trb_h5_has_attr(trb_h5 *h, const char *name);

/** Layout of a data set that is written in pieces: rows are the first dimension. */
typedef struct {
    size_t chunk_rows; /* 0: contiguous, no filters */
    int deflate;       /* 0: none; 1..9: shuffle and deflate */
    bool fletcher32;
} trb_h5_layout;

/** Make a data set ("/a/b": groups are made on the way); values are written by rows afterwards. */
trb_status trb_h5_make(trb_h5 *h, const char *name, trb_h5_shape shape, trb_h5_layout layout);
/** Write, read rows [first, first + n) of a data set; `type` is the type in memory and must be the stored one. */
trb_status trb_h5_write_rows(trb_h5 *h, const char *name, size_t first, size_t n, const void *rows);
trb_status trb_h5_read_rows(trb_h5 *h, const char *name, trb_dtype type, size_t first, size_t n, void *rows);
/** A whole contiguous data set at once. */
trb_status trb_h5_put(trb_h5 *h, const char *name, trb_h5_shape shape, const void *values);
/** Type and extent. TRB_EINTEGRITY if absent, of a type or rank that this project never writes, claiming more than the
 * file's bytes can hold, or with its values in other files (virtual or external). Nothing is read. */
trb_status trb_h5_describe(trb_h5 *h, const char *name, trb_h5_shape *shape);
/** Check that a data set exists with exactly this type and extent (before any memory is reserved for it). */
trb_status trb_h5_expect(trb_h5 *h, const char *name, trb_h5_shape shape);

/** One piece of a virtual data set: rows [0, rows) of `dataset` in file `path` (relative to the virtual file's folder)
 * appear as [v][m][first, first + rows)[K]. */
typedef struct {
    char path[64];
    size_t v, m, first, rows;
} trb_h5_piece;
/** Make a virtual data set [V][M][N][K]. A piece whose file is missing reads as zeros with status 0: a view for h5py
 * users that says nothing about completeness. */
trb_status trb_h5_make_virtual(trb_h5 *h, const char *name, trb_h5_shape shape, const char *source, size_t n,
                               const trb_h5_piece *pieces);

/** Visit every data set of the file in name order. */
trb_status trb_h5_each(trb_h5 *h, trb_status (*visit)(void *ctx, const char *name, const trb_h5_shape *shape),
                       void *ctx);
/** Visit every root attribute in name order, its value as text. */
trb_status trb_h5_each_attr(trb_h5 *h, trb_status (*visit)(void *ctx, const char *name, const char *value), void *ctx);

#endif
