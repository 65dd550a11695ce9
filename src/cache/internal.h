/** What the files of this folder share. */
#ifndef TRB_CACHE_INTERNAL_H
#define TRB_CACHE_INTERNAL_H

#include "tribikos/h5.h"
#include "tribikos/reader.h"
#include "tribikos/shard.h"

/* Of a shard, and of a manifest without features. */
enum { TRB__VERSION = 1, TRB__NAME_BYTES = 64 };

struct trb_cache {
    char *dir, *blas, *processor;
    trb_cache_spec spec; /* its arrays are the ones below */
    uint64_t digest;
    uint64_t *member_digest, *payload;
    trb_view *view;
    int32_t *label;
    float *target;
};

/** What is wrong with the sizes of a spec, NULL if nothing; afterwards no product of them overflows. Local. */
const char *trb__spec_fault(const trb_cache_spec *spec);

/** How many of the first views have stored inputs. Local. */
size_t trb__stored_views(const trb_cache_spec *spec, size_t views);

/** The form of a kind of shards (kinds.c). */
typedef struct {
    const char *name;    /* of the kind: in `cache.holds`, and in a manifest's features */
    const char *format;  /* of the file */
    const char *dataset; /* the values */
    trb_h5_shape (*shape)(const trb_cache_spec *spec, size_t rows); /* of the values of so many rows, as stored */
    bool floats;        /* values come and are served as float32, however they are stored; else as stored */
    uint64_t member;    /* what files name in place of a member, if a shard is of all members; else 0 */
    const char *prefix; /* the same in the file's name; else NULL */
    const char *value;  /* one value, in messages */
    const char *whose;  /* whose the values are, in messages */
} trb__form;
extern const trb__form trb__form_of[TRB_SHARD_KINDS];

/** Values in one row of a shard. Local. */
size_t trb__values(const trb_cache_spec *spec, trb_shard_kind kind);

/** Whether there are shards of this kind in the cache. Local. */
bool trb__has(const trb_cache_spec *spec, trb_shard_kind kind);

/** The member that a unit's shard names, and the digest of that member or of all. Local. */
uint64_t trb__unit_member(trb_cache_unit u);
uint64_t trb__unit_member_digest(const trb_cache_spec *spec, trb_cache_unit u);

/** A shard's name below the cache's folder, "v00/m000-s00000.h5". Local. */
void trb__shard_name(const trb_cache_spec *spec, size_t unit, char name[TRB__NAME_BYTES]);

/** "dir/name". Local. \param[out] path released with trb_free() */
trb_status trb__path_in(const char *dir, const char *name, char **path);

/** A shard's name with the folder in front. Local. \param[out] path released with trb_free() */
trb_status trb__shard_path(const char *dir, const trb_cache_spec *spec, size_t unit, char **path);

/** The first of n stored values that is not finite, n if all are. Local. */
size_t trb__find_nonfinite(trb_dtype type, size_t n, const void *values);

/** Open a shard of an opened cache once more: it must still say of itself what the manifest lists. Its payload is not
 * read. Local. TRB_EINTEGRITY if there is none, or another one */
trb_status trb__shard_reopen(const trb_cache *c, size_t unit, trb_h5 **h);

/** Refuse a unit's shard if its payload digest is not the wanted one. Local. \param[in] says  who wants it */
trb_status trb__payload_expect(const char *dir, const trb_cache_spec *spec, size_t unit, uint64_t is, uint64_t wanted,
                               const char *says);

/** Read rows [first, first + n) of a shard's values, which must be finite. Local.
 * \param[in] first,n  rows within the shard; unit names the samples in messages */
trb_status trb__shard_rows(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit unit, size_t first, size_t n,
                           void *rows);

/** Takes rows [first, first + n) of a shard, as stored, while they are read. */
typedef void (*trb__sink)(void *ctx, trb_cache_unit unit, size_t first, size_t n, const void *rows);

/** Read a shard from end to end and check everything in it. Local.
 * \param[in]  sink    NULL if nobody wants the rows
 * \param[out] payload its digest
 * \param[out] foreign true if the shard is whole but of something else than spec and unit say (TRB_EINTEGRITY) */
trb_status trb__shard_read(const char *dir, const trb_cache_spec *spec, size_t unit, trb__sink sink, void *ctx,
                           uint64_t *payload, bool *foreign);

/** The same, as the manifest lists it. Local. */
trb_status trb__unit_read(const trb_cache *c, size_t unit, trb__sink sink, void *ctx);

#endif
