/** What the files of this folder share: the opened cache, the table of kinds of shards, and reading a shard. */
#ifndef TRB_CACHE_INTERNAL_H
#define TRB_CACHE_INTERNAL_H

#include "tribikos/h5.h"
#include "tribikos/reader.h"
#include "tribikos/shard.h"

/* The version of a shard, and of a manifest without features. */
enum { TRB__VERSION = 1, TRB__NAME_BYTES = 64 };

struct trb_cache {
    char *dir, *blas, *processor, *schema;
    trb_cache_spec spec; /* its arrays are the ones below */
    uint64_t digest;
    uint64_t *member_digest, *payload;
    trb_view *view;
    int32_t *label;
    float *target;
};

/** "classes" or "regression", as in the manifest. Local. */
const char *trb__task_name(trb_task task);

/** Says what is wrong with the sizes of a spec. NULL means that they are right and that no product of them overflows.
 * Local. */
const char *trb__spec_fault(const trb_cache_spec *spec);

/** How many of the first `views` views have stored inputs. Local. */
size_t trb__stored_views(const trb_cache_spec *spec, size_t views);

/** The form of a kind of shards (kinds.c). */
typedef struct {
    const char *name;    /* the kind, in `cache.holds` and in a manifest's features */
    const char *format;  /* the attribute `format` of the file */
    const char *dataset; /* the data set with the values */
    trb_h5_shape (*shape)(const trb_cache_spec *spec, size_t rows); /* type and extent of `rows` rows, as stored */
    /* The numbers of a row's classes, which are stored in a data set of their own; NULL if there are none. */
    trb_h5_shape (*classes)(const trb_cache_spec *spec, size_t rows);
    bool floats;        /* callers write and get float32, whatever type is stored; else the stored type */
    uint64_t member;    /* the attribute `member` if a shard is of all members; else 0 */
    const char *prefix; /* stands for the member in the file's name if a shard is of all members; else NULL */
    const char *value;  /* the word for one value in messages */
    const char *whose;  /* the word for who computed the values in messages */
} trb__form;
extern const trb__form trb__form_of[TRB_SHARD_KINDS];

/** The data set that has the classes, of kinds that have any. */
#define TRB__CLASS "class"

/** Values in one row of a shard; and classes beside them, 0 for most kinds. Local. */
size_t trb__values(const trb_cache_spec *spec, trb_shard_kind kind);
size_t trb__classes(const trb_cache_spec *spec, trb_shard_kind kind);

/** A row as it is stored, in memory: its values, then its classes, without a gap. Callers write and get floats, if the
 * kind says so: the values, then the classes as whole numbers. Convert n rows. Local. */
void trb__rows_store(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const void *from, char *to);
void trb__rows_load(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const char *from, float *to);
/** Bytes of a row as callers write and get it. Local. */
size_t trb__served_bytes(const trb_cache_spec *spec, trb_shard_kind kind);
/** Whether a row as it is stored differs from what callers write and get. Local. */
bool trb__rows_differ(const trb_cache_spec *spec, trb_shard_kind kind);

/** Check n rows as they are stored: values are finite; of the kind top, values are at most 0, and classes are below K
 * and different. Local. \param[out] bad  the number of the first bad value, counted over all values of the rows, if the
 * result is one of a value; else of the first bad class */
typedef enum { TRB__SOUND, TRB__NOT_FINITE, TRB__ABOVE_0, TRB__NO_CLASS, TRB__CLASS_TWICE } trb__row_fault;
trb__row_fault trb__rows_fault(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const char *rows,
                               size_t *bad);

/** Write or read n rows as they are stored, from row `first` of a shard on. Local. */
trb_status trb__rows_put(trb_h5 *h, const trb_cache_spec *spec, trb_shard_kind kind, size_t first, size_t n,
                         const char *rows);
trb_status trb__rows_get(trb_h5 *h, const trb_cache_spec *spec, trb_shard_kind kind, size_t first, size_t n,
                         char *rows);

/** Whether the cache has shards of this kind. Local. */
bool trb__has(const trb_cache_spec *spec, trb_shard_kind kind);

/** The attributes `member` and `member_digest` of a unit's shard. Local. */
uint64_t trb__unit_member(trb_cache_unit u);
uint64_t trb__unit_member_digest(const trb_cache_spec *spec, trb_cache_unit u);

/** A shard's name below the cache's folder, "v00/m000-s00000.h5". Local. */
void trb__shard_name(const trb_cache_spec *spec, size_t unit, char name[TRB__NAME_BYTES]);

/** "dir/name". Local. \param[out] path released with trb_free() */
trb_status trb__path_in(const char *dir, const char *name, char **path);

/** The number of the first of n stored numbers that is not finite; n if all are finite. Local. */
size_t trb__find_nonfinite(trb_dtype type, size_t n, const void *values);

/** Open a shard of an opened cache again. Its attributes must still be those that the manifest lists. Its payload is
 * not read. Local. TRB_EINTEGRITY if it is missing, or is another shard */
trb_status trb__shard_reopen(const trb_cache *c, size_t unit, trb_h5 **h);

/** Refuse a unit's shard if its payload digest is not the wanted one. Local.
 * \param[in] says  where the wanted one comes from, for the message */
trb_status trb__payload_expect(const char *dir, const trb_cache_spec *spec, size_t unit, uint64_t is, uint64_t wanted,
                               const char *says);

/** Read rows [first, first + n) of a shard's values, which must be finite. Local.
 * \param[in] first,n  rows within the shard   \param[in] unit  to name samples in messages */
trb_status trb__shard_rows(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit unit, size_t first, size_t n,
                           void *rows);

/** Receives rows [first, first + n) of a shard, as stored, while they are read. */
typedef void (*trb__sink)(void *ctx, trb_cache_unit unit, size_t first, size_t n, const void *rows);

/** Read a shard from end to end and check everything in it. Local.
 * \param[in]  sink    NULL if the rows are not wanted
 * \param[out] payload its digest
 * \param[out] foreign true if the shard is complete, but not what spec and unit describe (TRB_EINTEGRITY) */
trb_status trb__shard_read(const char *dir, const trb_cache_spec *spec, size_t unit, trb__sink sink, void *ctx,
                           uint64_t *payload, bool *foreign);

/** The same for a shard that the manifest lists; its digest must be the listed one. Local. */
trb_status trb__unit_read(const trb_cache *c, size_t unit, trb__sink sink, void *ctx);

#endif
