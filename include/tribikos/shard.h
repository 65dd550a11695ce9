/** Shards: writing them, and telling good ones from missing, damaged and foreign ones. cache.h describes the files.
 *
 * A writer makes one file and takes its rows in runs of any length; the bytes do not depend on the runs. Like all
 * files, a shard gets its final name when it is complete. A cache is complete when trb_manifest_publish() has written
 * its manifest.
 */
#ifndef TRB_SHARD_H
#define TRB_SHARD_H

#include "tribikos/cache.h"

/** Check whether a unit's shard exists and is complete: attributes, shape, every byte by digest, every value finite.
 * Local.
 *
 * | the shard | the result |
 * | is as spec and unit say | TRB_OK, good |
 * | is missing or damaged | TRB_OK, not good: it has to be written |
 * | is whole, but of another member, data set, view, type or extent | TRB_EINTEGRITY: a result that must be kept |
 * | cannot be read | TRB_EIO |
 *
 * \param[out] good    false if the shard is missing or damaged, and has to be written
 * \param[out] payload its digest if good
 * \return as above; TRB_EINTEGRITY names both values. The recorded line (status.h) is cleared when a shard is found
 * damaged.
 */
trb_status trb_shard_check(const char *dir, const trb_cache_spec *spec, size_t unit, bool *good, uint64_t *payload);

/** Write one shard: create it, write its rows in ascending runs of any length, then publish or abandon it. Local; one
 * writer for each file; dir and spec are borrowed until the end. The bytes do not depend on the runs. Values must be
 * finite in the stored type (float16 ends at 65504): TRB_ENUM names sample and member. */
typedef struct trb_shard trb_shard;
trb_status trb_shard_create(const char *dir, const trb_cache_spec *spec, size_t unit, trb_shard **out);
/** \param[in] values  logits: float [rows][K]; statistics: float [rows][2K+1]; top: float [rows][TRB_TOP(k, K)], as
 * trb_top_select() (top.h) makes them; inputs: [rows][C][H][W] in their stored type */
trb_status trb_shard_write(trb_shard *s, size_t rows, const void *values);
trb_status trb_shard_publish(trb_shard *s, uint64_t *payload); /* releases the handle in any case */
void trb_shard_abandon(trb_shard *s);                          /* NULL allowed */

/** Read a shard of inputs and check every byte. Its digest must be the one in spec->inputs_payload. Local.
 * \param[in] unit  trb_cache_inputs_unit()   \param[out] x  [rows of the unit][C][H][W] as stored
 * \return TRB_OK; TRB_EINTEGRITY */
trb_status trb_inputs_read(const char *dir, const trb_cache_spec *spec, size_t unit, void *x);

#endif
