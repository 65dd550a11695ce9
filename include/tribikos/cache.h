/** The cache: the outputs of all members, stored so that the training of students need not load the members.
 *
 * This page is the manual of the format. shard.h writes and checks shards; reader.h reads them by batch. A cache is a
 * folder with one manifest and the shards that it lists:
 *
 *     cache/manifest.h5
 *     cache/v00/m000-s00000.h5        view 00, member 000, shard 00000
 *     cache/v03/x-s00000.h5           inputs of view 03, shard 00000
 *     cache/v00/all-s00000.h5         in a cache of statistics: view 00, all members, shard 00000
 *
 * Letters: N samples of the data set, ids 0..N-1 in file order; K outputs; M members; V views; R = shard_rows. Shard s
 * of a view and member holds the samples [s R, min(N, (s+1) R)). Names: at least 2 digits for the view, 3 for the
 * member, 5 for the shard. tools/python/cache_write.py writes such a folder from arrays.
 *
 * Everything is little-endian, and types are exactly those given here. In h5py, a uint64 attribute is numpy.uint64(n);
 * a text is either a str or, as here, bytes of fixed length (numpy.bytes_), UTF-8. Open files for writing with
 * libver=("v110", "v110"), and prefer texts of fixed length: HDF5's own checksums cover them, while the library crashes
 * on flipped bits elsewhere. A digest is XXH3-64 of the named values one after the other without gaps: numbers as
 * uint64, texts without a final zero, arrays in their stored type and row-major order. Each column of the table is
 * hashed as a whole before the next one.
 *
 * A shard is an HDF5 file of one *kind*, which decides its values, its name, its format and the member that it names:
 *
 *     kind        file            values                   types             format                 member
 *     logits      m000-s00000.h5  /logits [rows][K]        float16, float32  "tribikos shard"       its number, from 0
 *     top         m000-s00000.h5  /top [rows][n]           float16, float32  "tribikos top"         its number, from 0
 *                                 /class [rows][k]         uint16
 *     statistics  all-s00000.h5   /statistics [rows][2K+1] float32           "tribikos statistics"  2^64 - 2
 *     inputs      x-s00000.h5     /x [rows][C][H][W]       uint8, float16    "tribikos inputs"      2^64 - 1
 *
 * Every value is finite. Chunks have `block` rows (all rows if there are fewer), with Fletcher32 and optionally shuffle
 * and deflate; other packings are read too. Beside the values there is
 *     /sample_id  [rows]     int64, first_row, first_row + 1, ...
 * and there are the root attributes
 *     format          text    as above
 *     version         uint64  1
 *     member, view    uint64
 *     view_recipe     text    "identity" for view 0; for other views the text that, with the seed, determines their
 *                             pixels: trb_view_text() (augment.h), e.g. "crop 4, flip", or "cutout 8, mean
 *                             0123456789abcdef", since cutout sets pixels to the mean of normalisation
 *     view_seed       uint64  0 for view 0, which needs no random numbers
 *     first_row, rows uint64
 *     block           uint64  rows in each call that computed the logits, which decides their last bits; also the rows
 *                             of a chunk
 *     member_digest   uint64  digest of the member's weights file; for a teacher from elsewhere, any number that stands
 *                             for it, the same in all its shards; for statistics and inputs, which belong to all
 *                             members, the digest of the manifest's /member_digest
 *     data_digest     uint64  digest of the data set: the bytes of all samples as stored (uint8 or float32), then all
 *                             labels as int32 (targets as float32), then offsets if there are any (data.h); in a cache
 *                             without labels, of the samples alone
 *     payload_digest  uint64  digest of the values, then /sample_id, in the stored types (before filters). For top, the
 *                             values are row after row: its numbers of /top, then its numbers of /class
 *     inputs_digest   uint64  only for logits, top and statistics of a view with stored inputs: payload_digest of the shard
 *                             of inputs from which they were computed
 *
 * Logits are raw, of temperature 1 (regression: K = 2, mean and log variance, in standardised units).
 *
 * Top replaces logits of many classes: a row has a member's k most probable classes, /class, and in /top their
 * log-probabilities of temperature 1, in descending order (of equal logits the smaller class comes first), then, if
 * k < K, the logarithm of the probability of all other classes together; n = k + 1, or k if k = K. top.h says what
 * students learn from them, and why n numbers suffice for every temperature. A value is at most 0; classes are below K
 * and different in a row. It exists only for classes, and for K up to 65536. Rounding to float16 changes a
 * log-probability by up to a part in 2048, so a probability near 1 keeps more digits than in logits of that type.
 *
 * Statistics replace the logits of M members. They are what a student with one output distribution learns from the
 * members at temperature 1: 2K + 1 numbers in each row instead of M K. They are TRB_STATISTICS, trb_statistics()
 * (dirichlet.h): mean smoothed log-probability [K], mean probability [K], 1/precision of the members' proxy Dirichlet.
 * They exist only for classes and only in float32: in float16, probabilities below 6e-8 are 0, and the precision would
 * be off by a part in 2000. No program under tools/ writes them or top; teachers from elsewhere bring logits.
 *
 * Inputs are what the members saw and what their students will see. Most views have none, because their pixels can be
 * made again from the samples. Inputs are stored for a view whose pixels depend on the members: uint8 if the data set
 * has bytes, before normalisation; float16 if it has floats, normalised; rows of a table are [rows][C][1][1]. If you
 * fill a cache from elsewhere, include the inputs of such views; tools/python/cache_write.py does it.
 *
 * The manifest is an HDF5 file with
 *     /shard/member, /shard/view, /shard/first_row, /shard/rows, /shard/payload_digest
 *                             [S] uint64: the table of shards, ordered by view, member, first_row; S = V M ceil(N/R),
 *                             for statistics V ceil(N/R). The shards of inputs follow, ordered by view, first_row
 *     /member_digest [M]      uint64
 *     /label [N] int32, each in 0..K-1 (classes), or /target [N] float32, finite (regression); neither with the
 *                             feature unlabelled
 *     /logits [V][M][N][K]    (for top /top and /class) a virtual data set over the shards, for h5py users; nothing else reads it. For a missing
 *                             shard it shows zeros without an error, so only the table and the digests prove that a
 *                             cache is complete. For statistics it is /statistics [V][1][N][2K+1]
 * and the root attributes
 *     format "tribikos cache"; version 1, or 5 if there are features; task "classes" or "regression"; dtype "float16"
 *     or "float32"; samples N, outputs K, members M, views V, block, shard_rows R (a multiple of block), data_digest:
 *     uint64;
 *     view_00_recipe (text of at most 255 bytes), view_00_seed (uint64), ... for each view, at most 1000;
 *     features        text    with version 5: words, separated by blanks, for what a reader must support besides
 *                             logits. The words are kinds of shards: "statistics" or "top" instead of logits, "inputs"
 *                             of some views; "unlabelled": there are no labels or targets. A reader refuses a word that it
 *                             does not know
 *     with the feature top: top (uint64), the number k
 *     with the feature inputs: inputs_dtype "uint8" or "float16"; channels, height, width (uint64); and view_00_stored
 *     (uint64), ... for each view, 1 if its inputs are stored;
 *     schema          text    what inputs and classes are called, and what has been subtracted from targets far from
 *                             zero (target_offset): the text form of schema.h; absent if there is nothing to say. It is
 *                             no part of the digest
 *     blas            text    the kernels that computed the logits; "" if unknown; if there were several, "A; B", each
 *                             followed by " on " and the processor if that is known
 *     processor       text    trb_machine_name() (machine.h) of rank 0, which wrote the manifest; absent if unknown,
 *                             as in files of earlier versions
 *     digest          uint64  digest of, in this order: the texts task and dtype; with the features statistics, top and
 *                             unlabelled these words, k after top; N, K, M, V, block, R, data_digest; each view's recipe text and
 *                             seed; with the feature inputs inputs_dtype, channels, height, width and each view's
 *                             stored;
 *                             /shard/member, view, first_row, rows, payload_digest; /member_digest; /label or
 *                             /target, if there is one
 * Earlier versions of the program wrote version 2 for the feature inputs, 3 for statistics, 4 for both. Such manifests
 * can be read. Earlier programs refuse version 5. A manifest without features has version 1, and every program reads
 * it. The manifest is written last. A cache without a manifest is not finished.
 *
 * A cache without labels has samples for which nobody knows the labels (a transfer set), or labels that mean nothing to
 * the members (a set out of distribution). It belongs to every data set with the same samples, with labels or without.
 *
 * Sets for evaluation. The cache covers the training set. Members whose weights are not in RUN/members, because they
 * were trained elsewhere, can be evaluated on another set only if their logits of this set are stored too. Each such
 * set is a cache of its own, with one view, below the cache of the training set:
 *     cache/eval/NAME/manifest.h5
 *     cache/eval/NAME/v00/m000-s00000.h5
 * NAME is for people. A set is found by its data_digest (trb_cache_find_set()), and its member_digest must be those of
 * the training set's cache. Test sets have labels; sets out of distribution have none.
 */
#ifndef TRB_CACHE_H
#define TRB_CACHE_H

#include "tribikos/data.h"

typedef struct {
    char recipe[256];
    uint64_t seed;
    bool stored; /* its inputs are in the cache */
} trb_view;

/** A kind of shards. A cache holds logits, statistics or the most probable classes of its members (`cache.holds`), and
 * inputs of some views. */
typedef enum {
    TRB_SHARD_LOGITS,
    TRB_SHARD_STATISTICS,
    TRB_SHARD_TOP,
    TRB_SHARD_INPUTS,
    TRB_SHARD_KINDS
} trb_shard_kind;
const char *trb_shard_kind_name(trb_shard_kind kind); /* Local. "logits", "statistics", "top", "inputs" */
bool trb_shard_of_member(trb_shard_kind kind);        /* Local. Whether each shard is of one member */

/** The description of a cache: of which data, members and views, and in which layout. Plain data, borrowed pointers. */
typedef struct {
    trb_task task;
    trb_shard_kind holds; /* TRB_SHARD_LOGITS, TRB_SHARD_STATISTICS or TRB_SHARD_TOP */
    size_t top;           /* k of TRB_SHARD_TOP, 1..K; else 0 */
    trb_dtype dtype;      /* TRB_F16 or TRB_F32 */
    int deflate;          /* 0..9; packing, which does not change the values */
    size_t N, K, M, V, block, shard_rows;
    uint64_t data_digest;
    const uint64_t *member_digest; /* [M] */
    const trb_view *view;          /* [V] */
    /* If inputs are stored: their shape and type, and the payload digests of their shards, beginning with the first
     * one. inputs_payload is not read while inputs are written; NULL if the digests are not known. */
    trb_shape shape;
    trb_dtype x_dtype; /* TRB_U8 or TRB_F16 */
    const uint64_t *inputs_payload;
    /* NULL: the cache has no labels or targets. */
    const int32_t *label; /* [N]; classes */
    const float *target;  /* [N]; regression */
    const char *schema;   /* its text form; NULL: there is nothing to say */
} trb_cache_spec;

bool trb_cache_labelled(const trb_cache_spec *spec); /* Local. Whether there are labels, or targets in regression */

/** The place of a shard. Units are numbered so that the shards of one member and view are neighbours; shards of inputs
 * have the last numbers. */
typedef struct {
    trb_shard_kind kind;
    size_t view, member, first_row, rows; /* member is 0 if the shard is of all members */
} trb_cache_unit;

size_t trb_cache_units(const trb_cache_spec *spec);                         /* Local. S */
size_t trb_cache_logits_units(const trb_cache_spec *spec);                  /* Local. Units that are not inputs */
size_t trb_cache_inputs_unit(const trb_cache_spec *spec, trb_cache_unit u); /* Local. The inputs of u's logits */
trb_cache_unit trb_cache_unit_at(const trb_cache_spec *spec, size_t i);     /* Local. */
/** The file of a shard, below the cache's folder. Local. \param[out] path  released with trb_free() */
trb_status trb_shard_path(const char *dir, const trb_cache_spec *spec, size_t i, char **path);
/** Bytes of one row of values, as stored before packing. Local. */
size_t trb_shard_row_bytes(const trb_cache_spec *spec, trb_shard_kind kind);

/** Publish the manifest. One rank calls this last, after all ranks have agreed that their shards are published. Local.
 * \param[in] payload  [S] payload digests in unit order   \param[in] blas,processor  as above, "" if unknown */
trb_status trb_manifest_publish(const char *dir, const trb_cache_spec *spec, const uint64_t *payload, const char *blas,
                                const char *processor);

/** A cache that was opened for reading. */
typedef struct trb_cache trb_cache;

/** Read the manifest and check that it is consistent. Local. TRB_ECONFIG if there is none; TRB_EINTEGRITY */
trb_status trb_cache_open(const char *dir, trb_cache **out);
void trb_cache_close(trb_cache *c);
const trb_cache_spec *trb_cache_spec_of(const trb_cache *c); /* borrowed */
const char *trb_cache_dir(const trb_cache *c);
const char *trb_cache_blas(const trb_cache *c);              /* kernels that computed the logits; "" if not known */
const char *trb_cache_processor(const trb_cache *c);         /* the processor; "" if not known */
uint64_t trb_cache_payload(const trb_cache *c, size_t unit); /* a shard's digest according to the manifest */
uint64_t trb_cache_digest(const trb_cache *c);               /* of the manifest itself */

/** Refuse a cache of another data set. A cache without labels is compared with the samples alone. Local.
 * TRB_EINTEGRITY names both digests (or counts). */
trb_status trb_cache_expect_data(const trb_cache *c, const trb_data *data);
/** Refuse a cache whose member m is not the one with this weights digest. Local. */
trb_status trb_cache_expect_member(const trb_cache *c, size_t m, uint64_t digest);
/** Refuse a cache that holds something else than the key cache.holds asks for: TRB_EINTEGRITY names both. Local. */
trb_status trb_cache_expect_holds(const trb_cache *c, trb_shard_kind holds);
/** Refuse a cache whose shards are not stored in this way: cache.holds, cache.dtype, cache.block and cache.shard_rows.
 * TRB_EINTEGRITY names the key and both values. Local. */
trb_status trb_cache_expect_form(const trb_cache *c, const trb_cache_spec *spec);
/** Refuse a cache with other views than these, which the keys cache.view* ask for: TRB_EINTEGRITY names both, and says
 * what to do. Local. \param[in] view [V] */
trb_status trb_cache_expect_views(const trb_cache *c, size_t V, const trb_view *view);

/** Find members' logits of a set that is evaluated: the first folder below DIR/eval, by name, whose manifest has the
 * digest of this data set. Local.
 * \param[in]  dir   the cache of the training set, RUN/cache; it need not be there
 * \param[out] out   closed by the caller; NULL if there is none
 * \return TRB_OK; TRB_EINTEGRITY if a manifest is bad; TRB_EIO if the folder of the sets cannot be read */
trb_status trb_cache_find_set(const char *dir, const trb_data *data, trb_cache **out);

/** Check every byte of one shard of an opened cache. Local. TRB_OK or TRB_EINTEGRITY, naming the file and the fault. */
trb_status trb_cache_verify_unit(const trb_cache *c, size_t unit);

#endif
