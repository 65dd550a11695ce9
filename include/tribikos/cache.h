/** The cache: what the members said, kept so that they need never be loaded again.
 *
 * This page is the manual of the format. shard.h writes and checks shards; reader.h reads them by batch. A folder holds
 * one manifest and the shards that it lists:
 *
 *     cache/manifest.h5
 *     cache/v00/m000-s00000.h5        view 00, member 000, shard 00000
 *     cache/v03/x-s00000.h5           inputs of view 03, shard 00000
 *     cache/v00/all-s00000.h5         of a cache of statistics: view 00, all members, shard 00000
 *
 * Letters: N samples of the data set, ids 0..N-1 in file order; K outputs; M members; V views; R = shard_rows. Shard s
 * of a view and member holds the samples [s R, min(N, (s+1) R)). Names: at least 2 digits for the view, 3 for the
 * member, 5 for the shard. tools/python/cache_write.py writes such a folder from arrays.
 *
 * Everything is little-endian, types exactly as said. In h5py: a uint64 attribute is numpy.uint64(n); a text is either
 * a str or, as here, bytes of fixed length (numpy.bytes_), UTF-8. Open files for writing with libver=("v110", "v110"),
 * and prefer the fixed texts: these are covered by HDF5's own checksums, while the library crashes on flipped bits
 * elsewhere. A digest is XXH3-64, taken over the named values one after the other without gaps: numbers as uint64,
 * texts without a final zero, arrays in their stored type and row-major order. A column of the table is hashed whole
 * before the next.
 *
 * A shard is an HDF5 file of one *kind*, which decides its values, its name, its format and the member that it names:
 *
 *     kind        file            values                   types             format                 member
 *     logits      m000-s00000.h5  /logits [rows][K]        float16, float32  "tribikos shard"       its number, from 0
 *     statistics  all-s00000.h5   /statistics [rows][2K+1] float32           "tribikos statistics"  2^64 - 2
 *     inputs      x-s00000.h5     /x [rows][C][H][W]       uint8, float16    "tribikos inputs"      2^64 - 1
 *
 * Every value is finite. Chunks are of `block` rows (all rows if there are fewer), Fletcher32 on, shuffle + deflate
 * optional; other packings are read too. Beside the values there is
 *     /sample_id  [rows]     int64, first_row, first_row + 1, ...
 * and there are the root attributes
 *     format          text    as above
 *     version         uint64  1
 *     member, view    uint64
 *     view_recipe     text    "identity" for view 0; of the others what makes their pixels, with the seed, from the
 *                             samples: trb_view_text() (augment.h), e.g. "crop 4, flip", or "cutout 8, mean
 *                             0123456789abcdef", since what is cut out is set to the mean of normalisation
 *     view_seed       uint64  0 for view 0, which is made of nothing
 *     first_row, rows uint64
 *     block           uint64  rows a call when the logits were computed, which decides their last bits; a chunk's
 *                             rows
 *     member_digest   uint64  digest of the member's weights file; of a teacher from elsewhere, any number that stands
 *                             for it, the same in all its shards; of statistics and inputs, which are of all members,
 *                             digest of the manifest's /member_digest
 *     data_digest     uint64  digest of the data set: the bytes of all samples as stored (uint8 or float32), then all
 *                             labels as int32 (targets as float32)
 *     payload_digest  uint64  digest of the values, then /sample_id, in the stored types (before filters)
 *     inputs_digest   uint64  of logits and statistics of a view whose inputs are stored: payload_digest of the shard
 *                             of inputs that they are of
 *
 * Logits are raw, of temperature 1 (regression: K = 2, mean and log variance, in standardised units).
 *
 * Statistics stand in place of the logits of M members: what students that answer with one distribution learn of them
 * at temperature 1, 2K + 1 numbers a row instead of M K. They are TRB_STATISTICS, trb_statistics() (dirichlet.h): mean
 * smoothed log-probability [K], mean probability [K], 1/precision of the members' proxy Dirichlet. They are for
 * classes, and float32 alone: probabilities below 6e-8 are 0 in float16, and the precision would be off by a part in
 * 2000. Nothing under tools/ writes them: teachers from elsewhere bring logits.
 *
 * Inputs are what the members saw and their students are to see. Views that everybody makes from the samples have none.
 * Of a view whose pixels depend on the members they are stored: uint8 of a data set of bytes, before normalisation;
 * float16 of one of floats, normalised; rows of a table are [rows][C][1][1]. Whoever fills a cache from elsewhere
 * brings the inputs of such views along; tools/python/cache_write.py does it.
 *
 * The manifest is an HDF5 file with
 *     /shard/member, /shard/view, /shard/first_row, /shard/rows, /shard/payload_digest
 *                             [S] uint64: the table of shards, ordered by view, member, first_row; S = V M ceil(N/R),
 *                             of statistics V ceil(N/R). After them the shards of inputs, ordered by view, first_row
 *     /member_digest [M]      uint64
 *     /label [N] int32, each in 0..K-1 (classes), or /target [N] float32, finite (regression)
 *     /logits [V][M][N][K]    a virtual data set over the shards, for h5py users; nothing else reads it. Over a missing
 *                             shard it shows zeros without an error: completeness is judged by the table and the
 *                             digests, never by "it opens". Of statistics it is /statistics [V][1][N][2K+1]
 * and the root attributes
 *     format "tribikos cache"; version 1, or 5 if there are features; task "classes" or "regression"; dtype "float16"
 *     or "float32"; samples N, outputs K, members M, views V, block, shard_rows R (a multiple of block), data_digest:
 *     uint64;
 *     view_00_recipe (text of at most 255 bytes), view_00_seed (uint64), ... for each view, at most 1000;
 *     features        text    with version 5: what a reader has to know of besides logits, words with blanks between
 *                             them. The words are kinds of shards: "statistics" instead of logits, "inputs" of some
 *                             views. A reader refuses a word that it does not know
 *     with the feature inputs: inputs_dtype "uint8" or "float16"; channels, height, width (uint64); and view_00_stored
 *     (uint64), ... for each view, 1 if its inputs are stored;
 *     blas            text    the kernels that computed the logits; "" if unknown; of several "A; B", each with " on "
 *                             and the processor after it if that is known
 *     processor       text    trb_machine_name() (machine.h) of rank 0, which wrote the manifest; absent if unknown,
 *                             as in files of earlier versions
 *     digest          uint64  digest of, in this order: the texts task and dtype; with the feature statistics this
 *                             word; N, K, M, V, block, R, data_digest; each view's recipe text and seed; with the
 *                             feature inputs inputs_dtype, channels, height, width and each view's stored;
 *                             /shard/member, view, first_row, rows, payload_digest; /member_digest; /label or /target
 * Earlier versions of the program wrote version 2 for the feature inputs, 3 for statistics, 4 for both; such manifests
 * are read. Those programs refuse version 5. A manifest without features has version 1, and every program reads it.
 * The manifest is written last. A cache without one is not finished.
 */
#ifndef TRB_CACHE_H
#define TRB_CACHE_H

#include "tribikos/data.h"

typedef struct {
    char recipe[256];
    uint64_t seed;
    bool stored; /* its inputs are in the cache */
} trb_view;

/** A kind of shards. A cache holds the first or the second of what its members said (`cache.holds`). */
typedef enum { TRB_SHARD_LOGITS, TRB_SHARD_STATISTICS, TRB_SHARD_INPUTS, TRB_SHARD_KINDS } trb_shard_kind;
const char *trb_shard_kind_name(trb_shard_kind kind); /* Local. "logits", "statistics", "inputs" */

/** What a cache is of. Plain data, borrowed pointers. */
typedef struct {
    trb_task task;
    trb_shard_kind holds; /* TRB_SHARD_LOGITS or TRB_SHARD_STATISTICS */
    trb_dtype dtype;      /* TRB_F16 or TRB_F32 */
    int deflate;          /* 0..9; how it is packed, not what it says */
    size_t N, K, M, V, block, shard_rows;
    uint64_t data_digest;
    const uint64_t *member_digest; /* [M] */
    const trb_view *view;          /* [V] */
    /* Where inputs are stored: of what shape and type, and payload digests of their shards, from the first on; not
     * looked at while those are written, NULL if they are not known. */
    trb_shape shape;
    trb_dtype x_dtype; /* TRB_U8 or TRB_F16 */
    const uint64_t *inputs_payload;
    const int32_t *label; /* [N]; classes */
    const float *target;  /* [N]; regression */
} trb_cache_spec;

/** A shard's place. Units are numbered so that the shards of one member and view are neighbours, those of inputs last.
 */
typedef struct {
    trb_shard_kind kind;
    size_t view, member, first_row, rows; /* member: of logits; else 0, for the shard is of all members */
} trb_cache_unit;

size_t trb_cache_units(const trb_cache_spec *spec);                         /* Local. S */
size_t trb_cache_logits_units(const trb_cache_spec *spec);                  /* Local. The first ones, not of inputs */
size_t trb_cache_inputs_unit(const trb_cache_spec *spec, trb_cache_unit u); /* Local. The inputs of u's logits */
trb_cache_unit trb_cache_unit_at(const trb_cache_spec *spec, size_t i);     /* Local. */
/** Bytes of one row of values, as stored before packing. Local. */
size_t trb_shard_row_bytes(const trb_cache_spec *spec, trb_shard_kind kind);

/** Publish the manifest: the last act, by one rank, after all agreed that their shards are published. Local.
 * \param[in] payload  [S] payload digests in unit order   \param[in] blas,processor  as above, "" if unknown */
trb_status trb_manifest_publish(const char *dir, const trb_cache_spec *spec, const uint64_t *payload, const char *blas,
                                const char *processor);

/** A cache that was opened for reading. */
typedef struct trb_cache trb_cache;

/** Read the manifest and check it against itself. Local. TRB_ECONFIG if there is none; TRB_EINTEGRITY */
trb_status trb_cache_open(const char *dir, trb_cache **out);
void trb_cache_close(trb_cache *c);
const trb_cache_spec *trb_cache_spec_of(const trb_cache *c); /* borrowed */
const char *trb_cache_dir(const trb_cache *c);
const char *trb_cache_blas(const trb_cache *c);              /* what computed the logits; "" if it is not known */
const char *trb_cache_processor(const trb_cache *c);         /* and on what */
uint64_t trb_cache_payload(const trb_cache *c, size_t unit); /* a shard's digest as the manifest has it */
uint64_t trb_cache_digest(const trb_cache *c);               /* the manifest's own */

/** Refuse a cache that is not of this data set. Local. TRB_EINTEGRITY names both digests (or counts). */
trb_status trb_cache_expect_data(const trb_cache *c, const trb_data *data);
/** Refuse a cache whose member m is not the one with this weights digest. Local. */
trb_status trb_cache_expect_member(const trb_cache *c, size_t m, uint64_t digest);
/** Refuse a cache that holds something else than the key cache.holds asks for: TRB_EINTEGRITY names both. Local. */
trb_status trb_cache_expect_holds(const trb_cache *c, trb_shard_kind holds);
/** Refuse a cache whose views are not these, those that the keys cache.view* ask for: TRB_EINTEGRITY names both, and
 * what to do. Local. \param[in] view [V] */
trb_status trb_cache_expect_views(const trb_cache *c, size_t V, const trb_view *view);

/** Check one shard of an opened cache, every byte. Local. TRB_OK or TRB_EINTEGRITY naming the file and the fault. */
trb_status trb_cache_verify_unit(const trb_cache *c, size_t unit);

#endif
