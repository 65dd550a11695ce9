/** Shards: written, and told good from missing, damaged and somebody else's. cache.h describes the files.
 *
 * A writer makes one file and takes its rows in runs of any length; the bytes do not depend on the runs. Like all files
 * a shard appears under its name when it is whole. A cache is complete when its manifest lists it, which
 * trb_manifest_publish() does last.
 */
#ifndef TRB_SHARD_H
#define TRB_SHARD_H

#include "tribikos/cache.h"

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

#endif
