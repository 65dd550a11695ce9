/** Files: written aside, checked, published; HDF5 (serial) behind one small interface.
 *
 * A file under its final name is whole. It is written to NAME.tmp.HOST.PID in the same folder, closed with the result
 * checked, synced, renamed, and the folder is synced. A crash leaves at most a .tmp file that nobody reads and that the
 * next stage which writes into the folder removes. The same calls give the same bytes: no time stamps, no addresses.
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
#ifndef TRB_STORE_H
#define TRB_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tribikos/status.h"

typedef enum { TRB_U8, TRB_I32, TRB_I64, TRB_U64, TRB_F16, TRB_F32, TRB_F64 } trb_dtype;

size_t trb_dtype_bytes(trb_dtype t);
const char *trb_dtype_name(trb_dtype t); /* "float16", as NumPy calls it */

/** Round to nearest even, and back; exact for what is representable. */
void trb_f16_from_f32(size_t n, const float *from, uint16_t *to);
void trb_f32_from_f16(size_t n, const uint16_t *from, float *to);

/* ---- folders and plain files */

/** Make a folder and its parents. TRB_EIO says which one failed and why. */
trb_status trb_mkdirs(const char *path);
bool trb_file_exists(const char *path);
/** Open a file: a FIFO, which would be waited for, a device, a socket or a folder is refused. \param[in] flags  of
 * open(2); with O_NOFOLLOW a symbolic link is refused too   \param[out] fd  closed by execve(2)
 * \return TRB_OK; TRB_ECONFIG if there is no file of this name; TRB_EIO */
trb_status trb_file_open(const char *path, int flags, int *fd);
/** Remove the .tmp files that crashed writers left in a folder; those of living processes stay (jobs of an array may
 * write the same config.yaml at the same time), and those of other hosts for a day. Reads the whole folder: for the
 * beginning of a stage. */
void trb_folder_sweep(const char *folder);
/** Publish text as a file (written aside, synced, renamed). */
trb_status trb_file_publish_text(const char *path, const char *text);

/* ---- HDF5 */

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

/* ---- weights files */

#include "tribikos/net.h"

/** A weights file.
 *
 *   one float32 data set a tensor, names and shapes of net.h's parameter table ("body.0.weight" [out][in],
 *   "heads.0.bias" [M][out])
 *   "input.mean", "input.scale" [input_c] float32: a sample enters the network as (value - mean[c]) * scale[c];
 *   regression: "target.mean", "target.scale" [1] float64: a target is mean + scale * output
 *   attributes: format "tribikos weights"; version 1; layers (net.h's list); input_c, input_h, input_w; heads;
 *   config (what the network was trained with, one "key: value" a line); config_digest (XXH3 of that text);
 *   blas (kernels and threads, see trb_weights_write()); program (trb_version(); absent from files of before there was one,
 *   and of programs that did not set it); digest (XXH3 of `layers`, the four sizes as uint64, the constants above and the
 *   slab's bytes)
 */
typedef struct {
    char *layers, *config, *blas;
    trb_shape input;
    size_t heads;
    uint64_t digest, config_digest;
} trb_weights_info;

/** How values are normalised on the way in and out; borrowed pointers. target_scale 0: no targets (classes). */
typedef struct {
    const float *mean, *scale; /* [input.c] */
    double target_mean, target_scale;
} trb_norm;

void trb_weights_info_clear(trb_weights_info *info); /* releases the strings */

/** Publish a network's parameters. TRB_ENUM, naming the tensor, if one is not finite.
 * \param[in] config  the text to store   \param[in] blas  what computed them: trb_blas_name(); or, if others took part,
 * all in their order, "A; B", each with " on " and the processor behind it if that is known
 * \param[out] digest may be NULL */
trb_status trb_weights_write(const char *path, const trb_net *net, const float *params, trb_norm norm,
                             const char *config, const char *blas, uint64_t *digest);

/** Open a weights file, build its network, read and check everything.
 * \param[out] info    NULL to skip; cleared by trb_weights_info_clear()
 * \param[out] net,params  owned by the caller (trb_net_destroy, trb_free); both may be NULL to check only
 * \return TRB_OK; TRB_ECONFIG if absent; TRB_EINTEGRITY if anything is not what it says */
trb_status trb_weights_read(const char *path, trb_weights_info *info, trb_net **net, float **params);

/* ---- checkpoints */

/** A checkpoint: where a training of one network stands. Its bytes do not depend on who trains.
 *
 *   "weights", "moment1", "moment2" (as many as the optimiser has) [trb_net_size] float32: slabs of net.h's layout
 *   "loss_sums" float64: what the losses of the epoch under way add up to, one a lane, head lanes one after the other
 *   "metrics" uint8: metrics.jsonl up to here; absent if empty
 *   attributes: format "tribikos checkpoint"; version 1; layers, input_c, input_h, input_w, heads, config, blas as in a
 *   weights file; processor (trb_machine_name(); files of earlier versions have none); phase (from 1) and step (taken
 *   in the phase), from which order, views and masks follow; digest (XXH3 of all of it but blas and processor)
 *
 * Checkpoints of one training lie in a folder of their own in N slots, "0.h5" to "N-1.h5", of which the next one takes
 * the place of the oldest. One under its name is complete: the rename is the last that is done to it.
 */
enum { TRB_CHECKPOINT_SLABS = 3, TRB_CHECKPOINT_PATH = 1100, TRB_CHECKPOINT_PIECE = 1 << 18 };
typedef struct {
    char *config, *metrics, *blas, *processor; /* processor: "" if it is not known */
    uint64_t phase, step, digest;
    size_t n_sums, n_slabs;
    double *sum;
    const float *slab[TRB_CHECKPOINT_SLABS]; /* to be written; of one that was read they are nowhere */
    const trb_net *net;
    trb_net *built; /* of one that was read: what `net` borrows */
} trb_checkpoint;

/** Publish a checkpoint. TRB_ENUM if a value is not finite. \param[out] digest  may be NULL */
trb_status trb_checkpoint_write(const char *path, const trb_checkpoint *c, uint64_t *digest);
/** The same in a slot of a folder, which is made if need be. */
trb_status trb_checkpoint_publish(const char *folder, size_t slot, const trb_checkpoint *c);

/** Takes values [at, at + n) of a slab, at most TRB_CHECKPOINT_PIECE, while a checkpoint is read: slab by slab, from
 * their beginning to their end. */
typedef trb_status trb_checkpoint_taker(void *ctx, size_t slab, size_t at, size_t n, const float *values);

/** Read and check everything, a piece at a time: a checkpoint may be several times as large as what a rank holds.
 * \param[in] take  NULL if nobody wants the slabs. What it was given is good only if TRB_OK is returned
 * \param[out] c  trb_checkpoint_clear() \return TRB_OK; TRB_ECONFIG if absent; TRB_EINTEGRITY if anything is not what
 * it says; a failure of `take` */
trb_status trb_checkpoint_read(const char *path, trb_checkpoint_taker *take, void *ctx, trb_checkpoint *c);
void trb_checkpoint_clear(trb_checkpoint *c);

/** Read the newest checkpoint of a folder that is good.
 * \param[in] damaged  told of each that is not   \param[out] c  config is NULL if there is none
 * \param[out] slot,path  of it */
trb_status trb_checkpoint_newest(const char *folder, size_t slots, void (*damaged)(const char *why), trb_checkpoint *c,
                                 size_t *slot, char path[TRB_CHECKPOINT_PATH]);
/** Remove all slots, and the folder if nothing else is in it. */
void trb_checkpoint_remove(const char *folder, size_t slots);

/* ---- metrics.jsonl: one JSON object a line, numbers that round-trip (%.17g; not-finite ones as null) */

typedef struct trb_jsonl trb_jsonl;
/** Begin a file anew (whatever an unfinished run left is replaced; a symbolic link is refused). \param[in] text  what it begins with, NULL for
 * nothing */
trb_status trb_jsonl_open(const char *path, const char *text, trb_jsonl **out);
/** All that is in it. \param[out] text  trb_free() */
trb_status trb_jsonl_text(const trb_jsonl *j, char **text);
/** One line. \param[in] fmt  names and kinds, e.g. "epoch:u loss:f lr:f"; u: unsigned long long, f: double, s: text */
trb_status trb_jsonl_line(trb_jsonl *j, const char *fmt, ...);
trb_status trb_jsonl_close(trb_jsonl *j); /* after a sync; NULL allowed */

#endif
