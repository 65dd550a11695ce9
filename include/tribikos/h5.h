/** The one interface to HDF5. A file is written under a temporary name, checked and published, as file.h describes.
 *
 * Files have the format of HDF5 1.10 (libver v110), whose checksums cover all metadata. Texts are written with a fixed
 * length, which h5py shows as bytes; texts that h5py stored as str are read as well. A flipped bit in such a file is
 * either detected or has no effect. One exception is the mapping of a virtual data set, which no checksum covers; this
 * module never reads it. Types, extents, filters and the number of stored bytes are checked before memory is reserved.
 * HDF5 1.10.8 itself crashes on files that were made to deceive it, with wrong structures under right checksums
 * (tests/fuzz, TRB_FUZZ_CHECKSUMS). Do not open files from people you do not trust.
 *
 * HDF5 is thread-safe only if it was built so. Every function of this header therefore takes one process-wide lock, and
 * a reader thread and the main thread may both use it. All functions are local. Messages name file and object.
 */
#ifndef TRB_H5_H
#define TRB_H5_H

#include <stdbool.h>

#include "tribikos/dtype.h"
#include "tribikos/text.h"

typedef struct trb_h5 trb_h5;

/** "HDF5 1.10.8". Borrowed. */
const char *trb_h5_library(void);

enum { TRB_H5_MAX_DIM = 5 };
typedef struct {
    trb_dtype type;
    size_t ndim, dim[TRB_H5_MAX_DIM];
} trb_h5_shape;

/** Begin a file under a temporary name next to `path`. Only trb_h5_publish() gives it its final name. */
trb_status trb_h5_create(const char *path, trb_h5 **out);
/** Close, sync and rename. Releases the handle in any case; on failure the .tmp file is removed. */
trb_status trb_h5_publish(trb_h5 *h);
/** Open for reading. TRB_ECONFIG if there is no such file; TRB_EINTEGRITY if it is not HDF5 or is truncated. */
trb_status trb_h5_open(const char *path, trb_h5 **out);
/** Close a file that was opened, or discard one that was created: its .tmp file is removed. NULL allowed. */
void trb_h5_close(trb_h5 *h);
const char *trb_h5_path(const trb_h5 *h); /* the final name; borrowed */

/** Attributes of the root group. The get functions return TRB_EINTEGRITY if the attribute is absent or of another type.
 * A text has at most TRB_H5_TEXT_MAX bytes: a longer one is refused, TRB_ECONFIG when it is written and TRB_EINTEGRITY
 * when it is read. The caller releases texts with trb_free(). */
enum { TRB_H5_TEXT_MAX = 16 << 20 };
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
    bool grows; /* trb_h5_write_rows() adds rows at the end; needs chunk_rows */
} trb_h5_layout;

/** Create a data set, and the groups in its name ("/a/b"). Its values are written by rows afterwards. */
trb_status trb_h5_make(trb_h5 *h, const char *name, trb_h5_shape shape, trb_h5_layout layout);
/** Write or read rows [first, first + n) of a data set. `type` is the type in memory and must equal the stored one.
 * Memory is little-endian, whatever the file is. */
trb_status trb_h5_write_rows(trb_h5 *h, const char *name, size_t first, size_t n, const void *rows);
trb_status trb_h5_read_rows(trb_h5 *h, const char *name, trb_dtype type, size_t first, size_t n, void *rows);
/** Create a contiguous data set and write all its values. */
trb_status trb_h5_put(trb_h5 *h, const char *name, trb_h5_shape shape, const void *values);
/** Type and extent. No value is read. TRB_EINTEGRITY if the data set is absent, has a type that is none of trb_dtype in
 * either order of bytes (h5py's bool is one) or too many dimensions, claims more values than the file's bytes can hold,
 * or keeps its values in other files (virtual or external). */
trb_status trb_h5_describe(trb_h5 *h, const char *name, trb_h5_shape *shape);
/** How many rows a call of trb_h5_read_rows() should read: a few megabytes, and whole chunks. */
trb_status trb_h5_rows_a_call(trb_h5 *h, const char *name, size_t *rows);
/** Check that a data set exists with exactly this type and extent (before any memory is reserved for it). */
trb_status trb_h5_expect(trb_h5 *h, const char *name, trb_h5_shape shape);

/** One piece of a virtual data set: rows [0, rows) of the source data set in file `path` (relative to the virtual
 * file's folder) appear as [v][m][first, first + rows)[K]. */
typedef struct {
    char path[64];
    size_t v, m, first, rows;
} trb_h5_piece;
/** Create a virtual data set [V][M][N][K] for users of h5py. HDF5 shows zeros, without an error, for a piece whose file
 * is missing, so the data set does not prove that the files are complete. */
trb_status trb_h5_make_virtual(trb_h5 *h, const char *name, trb_h5_shape shape, const char *source, size_t n,
                               const trb_h5_piece *pieces);

/** Add names, types and extents of all data sets, as in "labels int64 [100], x uint8 [100][28][28]". No failure is
 * recorded. */
void trb_h5_list(trb_h5 *h, trb_text *t);
/** Call `visit` for every data set of the file, in the order of names. */
trb_status trb_h5_each(trb_h5 *h, trb_status (*visit)(void *ctx, const char *name, const trb_h5_shape *shape),
                       void *ctx);
/** Call `visit` for every root attribute, in the order of names, with its value as text. */
trb_status trb_h5_each_attr(trb_h5 *h, trb_status (*visit)(void *ctx, const char *name, const char *value), void *ctx);

#endif
