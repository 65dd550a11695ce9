/** The cache: what the members said, kept so that they need never be loaded again.
 *
 * This page is the manual of the format. A folder holds one manifest and the shards it lists:
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
 * elsewhere. A digest is XXH3-64, taken over the named values one behind the other without gaps: numbers as uint64,
 * texts without a final zero, arrays in their stored type and row-major order. A column of the table is hashed whole
 * before the next.
 *
 * A shard is an HDF5 file with
 *     /logits     [rows][K]  float16 or float32: raw logits, temperature 1 (regression: K = 2, mean and log variance,
 *                            in standardised units). Every value finite. Chunks of `block` rows (all rows if there are
 *                            fewer), Fletcher32 on, shuffle + deflate optional; other packings are read too.
 *     /sample_id  [rows]     int64, first_row, first_row + 1, ...
 * and the root attributes
 *     format          text    "tribikos shard"
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
 *                             for it, the same in all its shards
 *     data_digest     uint64  digest of the data set: the bytes of all samples as stored (uint8 or float32), then all
 *                             labels as int32 (targets as float32)
 *     payload_digest  uint64  digest of /logits, then /sample_id, in the stored types (before filters)
 *     inputs_digest   uint64  only of a view whose inputs are stored: payload_digest of the shard of inputs that these
 *                             logits are of
 *
 * Views that everybody makes from the samples have logits alone. Of a view whose pixels depend on the members the
 * inputs are stored too: what its members saw and its students are to see. A shard of inputs is as one of logits, but
 *     /x              [rows][C][H][W] (rows of a table [rows][C][1][1]) instead of /logits: uint8 of a data set of
 *                             bytes, before normalisation; float16 of one of floats, normalised. Every value finite
 *     format          text    "tribikos inputs"
 *     member          uint64  2^64 - 1
 *     member_digest   uint64  digest of the manifest's /member_digest: inputs are of all members
 *     payload_digest  uint64  digest of /x, then /sample_id
 * Whoever fills a cache from elsewhere brings the inputs of such views along; tools/python/cache_write.py does it.
 *
 * A cache of statistics holds, in place of the logits of M members, what students that answer with one distribution
 * learn of them at temperature 1: 2K + 1 numbers a row instead of M K. It is for classes, and is float32 alone:
 * probabilities below 6e-8 are 0 in float16, and the precision would be off by a part in 2000. Its shards are those of
 * the logits of one member, but
 *     /statistics     [rows][2K+1] instead of /logits: TRB_STATISTICS, trb_statistics() (dirichlet.h): mean smoothed
 *                     log-probability [K], mean probability [K], 1/precision of the members' proxy Dirichlet
 *     format          text    "tribikos statistics"
 *     member          uint64  2^64 - 2
 *     member_digest   uint64  digest of the manifest's /member_digest
 * Nothing under tools/ writes it: teachers from elsewhere bring logits.
 *
 * The manifest is an HDF5 file with
 *     /shard/member, /shard/view, /shard/first_row, /shard/rows, /shard/payload_digest
 *                             [S] uint64: the table of shards, ordered by view, member, first_row; S = V M ceil(N/R),
 *                             of statistics V ceil(N/R). Behind them the shards of inputs, ordered by view, first_row
 *     /member_digest [M]      uint64
 *     /label [N] int32, each in 0..K-1 (classes), or /target [N] float32, finite (regression)
 *     /logits [V][M][N][K]    a virtual data set over the shards, for h5py users; nothing else reads it. Over a missing
 *                             shard it shows zeros without an error: completeness is judged by the table and the
 *                             digests, never by "it opens". Of statistics it is /statistics [V][1][N][2K+1]
 * and the root attributes
 *     format "tribikos cache"; version 1; task "classes" or "regression"; dtype "float16" or "float32";
 *     samples N, outputs K, members M, views V, block, shard_rows R (a multiple of block), data_digest: uint64;
 *     view_00_recipe (text of at most 255 bytes), view_00_seed (uint64), ... for each view, at most 1000;
 *     if inputs are stored, version is 2, and there are inputs_dtype "uint8" or "float16"; channels, height, width
 *     (uint64); and view_00_stored (uint64), ... for each view, 1 if its inputs are;
 *     of statistics, version is 3, with stored inputs 4, and there is holds "statistics" (text);
 *     blas: the kernels that computed the logits (text; "" if unknown; of several "A; B")
 *     digest          uint64  digest of, in this order: the texts task and dtype; with versions 3 and 4 the text
 *                             holds; N, K, M, V, block, R, data_digest; each view's recipe text and seed; with versions
 *                             2 and 4 inputs_dtype, channels, height, width and each view's stored; /shard/member,
 *                             view, first_row, rows, payload_digest; /member_digest; /label or /target
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

/** What is kept of what the members said. */
typedef enum { TRB_HOLDS_LOGITS, TRB_HOLDS_STATISTICS } trb_holds;
const char *trb_holds_name(trb_holds holds); /* Local. "logits", "statistics" */

/** What a cache is of. Plain data, borrowed pointers. */
typedef struct {
    trb_task task;
    trb_holds holds;
    trb_dtype dtype; /* TRB_F16 or TRB_F32 */
    int deflate;     /* 0..9; how it is packed, not what it says */
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

/** In the place of a member: the inputs of a view, and statistics, which are of all members. */
#define TRB_INPUTS SIZE_MAX
#define TRB_ALL (SIZE_MAX - 1)

/** A shard's place. Units are numbered so that the shards of one member and view are neighbours, those of inputs last.
 */
typedef struct {
    size_t view, member, first_row, rows;
} trb_cache_unit;

size_t trb_cache_units(const trb_cache_spec *spec);                         /* Local. S */
size_t trb_cache_logits_units(const trb_cache_spec *spec);                  /* Local. The first ones, not of inputs */
size_t trb_cache_inputs_unit(const trb_cache_spec *spec, trb_cache_unit u); /* Local. The inputs of u's logits */
trb_cache_unit trb_cache_unit_at(const trb_cache_spec *spec, size_t i);     /* Local. */

/** Look whether a unit's shard is there and whole: attributes, shape, every byte by digest, every value finite. Local.
 *
 * \param[out] good    false if the shard is missing or damaged, and has to be written
 * \param[out] payload its digest if good
 * \return TRB_OK; TRB_EINTEGRITY, naming both values, if the shard is whole but of another member, data set, view, type
 * or extent: then it is somebody's result and is not overwritten; TRB_EIO. The recorded line (status.h) is cleared when
 * a shard is found damaged.
 */
trb_status trb_shard_check(const char *dir, const trb_cache_spec *spec, size_t unit, bool *good, uint64_t *payload);

/** Write one shard: open, then its rows in ascending runs of any length, then publish (or abandon). Local; one writer a
 * file; dir and spec are borrowed until then. The bytes do not depend on the runs. Rows are checked to be finite as
 * stored (float16 ends at 65504): TRB_ENUM names sample and member. */
typedef struct trb_shard trb_shard;
trb_status trb_shard_create(const char *dir, const trb_cache_spec *spec, size_t unit, trb_shard **out);
/** \param[in] values  logits: float [rows][K]; statistics: float [rows][2K+1]; inputs: [rows][C][H][W] in their stored
 * type */
trb_status trb_shard_write(trb_shard *s, size_t rows, const void *values);
trb_status trb_shard_publish(trb_shard *s, uint64_t *payload); /* the handle is gone afterwards */
void trb_shard_abandon(trb_shard *s);                          /* NULL allowed */

/** Read a shard of inputs, every byte of which is checked; its digest must be the one in spec->inputs_payload. Local.
 * \param[in] unit  trb_cache_inputs_unit()   \param[out] x  [rows of the unit][C][H][W] as stored
 * \return TRB_OK; TRB_EINTEGRITY */
trb_status trb_inputs_read(const char *dir, const trb_cache_spec *spec, size_t unit, void *x);

/** Publish the manifest: the last act, by one rank, after all agreed that their shards are published. Local.
 * \param[in] payload  [S] payload digests in unit order   \param[in] blas  trb_blas_name() */
trb_status trb_manifest_publish(const char *dir, const trb_cache_spec *spec, const uint64_t *payload, const char *blas);

/** A cache that was opened for reading. */
typedef struct trb_cache trb_cache;

/** Read the manifest and check it against itself. Local. TRB_ECONFIG if there is none; TRB_EINTEGRITY */
trb_status trb_cache_open(const char *dir, trb_cache **out);
void trb_cache_close(trb_cache *c);
const trb_cache_spec *trb_cache_spec_of(const trb_cache *c); /* borrowed */
const char *trb_cache_dir(const trb_cache *c);
const char *trb_cache_blas(const trb_cache *c);              /* what computed the logits; "" if it is not known */
uint64_t trb_cache_payload(const trb_cache *c, size_t unit); /* a shard's digest as the manifest has it */
uint64_t trb_cache_digest(const trb_cache *c);               /* the manifest's own */

/** Refuse a cache that is not of this data set. Local. TRB_EINTEGRITY names both digests (or counts). */
trb_status trb_cache_expect_data(const trb_cache *c, const trb_data *data);
/** Refuse a cache whose member m is not the one with this weights digest. Local. */
trb_status trb_cache_expect_member(const trb_cache *c, size_t m, uint64_t digest);
/** Refuse a cache that holds something else than the key cache.holds asks for: TRB_EINTEGRITY names both. Local. */
trb_status trb_cache_expect_holds(const trb_cache *c, trb_holds holds);
/** Refuse a cache whose views are not these, those that the keys cache.view* ask for: TRB_EINTEGRITY names both, and
 * what to do. Local. \param[in] view [V] */
trb_status trb_cache_expect_views(const trb_cache *c, size_t V, const trb_view *view);

/** Check one shard of an opened cache, every byte. Local. TRB_OK or TRB_EINTEGRITY naming the file and the fault. */
trb_status trb_cache_verify_unit(const trb_cache *c, size_t unit);

/** Reading by batch.
 *
 * A reader serves the logits of the first `views` views and the members [m0, m0 + m_count) in the order of a plan: step
 * after step, `rows` rows each. If what it serves (all samples of its views and members, in the stored precision, and
 * one step) fits `memory` bytes it is read once and kept. Otherwise a thread reads ahead: it takes the plan window by
 * window, reads each chunk that a window needs once, in file order, and fills one window while the other is served; the
 * two windows, of at least two steps each, and their index fill `memory`. What is served is the same either way. A plan
 * names samples and, if there are several, views.
 *
 * Nothing is served that is not the payload which the manifest lists. Every shard is read as a whole at the opening, and
 * checked by digest. A streamed one is opened again for each window: it must still be the shard that the manifest lists,
 * by its attributes, and each chunk must have the digest (its *mark*) that the same rows had at the opening.
 *
 * With m0 = TRB_ALL and m_count = 1 it serves statistics, which is what a cache of them has in place of its members.
 * With m0 = TRB_INPUTS and m_count = 1 it serves stored inputs instead. Rows of a plan whose view has none are passed
 * over, and what is served in their place may be anything.
 */
typedef struct trb_reader trb_reader;

/** Local. Opens only the shards of its views and members. \param[in] c borrowed until close
 * \return TRB_OK; TRB_EINTEGRITY naming the bad shard; TRB_ECONFIG, naming the least that works, if memory cannot hold
 * two windows */
trb_status trb_reader_open(const trb_cache *c, size_t views, size_t m0, size_t m_count, size_t rows, size_t memory,
                           trb_reader **out);
/** Bytes that a reader keeps, and how many of them `memory` has room for beside a step. Local. */
size_t trb_reader_bytes(const trb_cache *c, size_t views, size_t m0, size_t m_count);
size_t trb_reader_room(const trb_cache *c, size_t m0, size_t m_count, size_t rows, size_t memory);
/** How many marks a reader has that streams. Local. */
size_t trb_reader_marks(const trb_cache *c, size_t views, size_t m0, size_t m_count);
/** What readers of a node share that are opened together, with the same views and members. Reader `part` of `parts`
 * reads its part of the shards at the opening, every parts-th one: nothing may be served before all are opened. */
typedef struct {
    size_t part, parts;
    void *kept;      /* NULL, or [trb_reader_bytes()] until their close: then they keep, whatever `memory` says */
    uint64_t *marks; /* NULL, or [trb_reader_marks()] until their close, for readers that stream */
} trb_reader_share;
/** Open a reader as one of several. Local. One that lacks shared room for what it finds out reads every shard itself. */
trb_status trb_reader_open_part(const trb_cache *c, size_t views, size_t m0, size_t m_count, size_t rows, size_t memory,
                                trb_reader_share share, trb_reader **out);
/** Begin a plan (an epoch's). Local. Any plan before it is dropped.
 * \param[in] sample [steps][rows] ids   \param[in] view [steps][rows] or NULL for view 0; both borrowed until the next
 * plan or the close */
trb_status trb_reader_plan(trb_reader *r, size_t steps, const int64_t *sample, const uint16_t *view);
/** The next step's logits, or statistics. Local.
 * \param[out] t  [rows][m_count][K], or [rows][2K+1]; borrowed until the next call
 * \return TRB_OK; what went wrong in the thread (TRB_EINTEGRITY for a shard that has changed since the opening): then
 * only the close is left */
trb_status trb_reader_next(trb_reader *r, const float **t);
/** The same for inputs. \param[out] x  [rows][C][H][W] as stored */
trb_status trb_reader_next_inputs(trb_reader *r, const void **x);
bool trb_reader_streams(const trb_reader *r); /* Local. */
size_t trb_reader_read(const trb_reader *r);  /* Local. Bytes of rows that it has read from shards so far. */
/** End the thread after at most one chunk, release everything. Local. NULL allowed.
 * \return TRB_OK, or the thread's failure, also if no step met it */
trb_status trb_reader_close(trb_reader *r);

#endif
