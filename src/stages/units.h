/** Shards that the cache stage writes, one after the other on each rank. */
#ifndef TRB_STAGES_UNITS_H
#define TRB_STAGES_UNITS_H

#include "internal.h"
#include "tribikos/log.h"
#include "tribikos/shard.h"

/** What a rank writes with. The member whose weights are loaded seldom changes. */
typedef struct {
    const trb_config *c;
    const trb_cache_spec *spec;
    const char *dir;
    trb_queue *queue;
    trb_augment *views;
    trb_progress progress; /* in blocks */
    size_t blocks;         /* of the units before this one, and of this one so far */

    bool loaded, trains; /* `trains`: for gradients */
    size_t member;
    trb_net *net;
    float *params;
    trb_work *work;

    int64_t *sample;  /* [block] */
    uint16_t *view;   /* [block] */
    float *input;     /* [block][D] */
    char *stored;     /* [rows of a shard][D] inputs as stored; NULL if no view has some */
    size_t stored_is; /* the unit that they are of; SIZE_MAX if there are none yet */
} trb__writer;

/** Have the weights of a member, for gradients in calls of `rows` rows, or for inference by blocks if rows is 0. Local.
 */
trb_status trb__writer_load(trb__writer *w, size_t member, size_t rows);
void trb__writer_unload(trb__writer *w);

/** Before a block is computed: whether the job is to go on. Local. */
trb_status trb__writer_go_on(trb__writer *w);

/** Write a shard of inputs (augment.h: ods, confods). The member whose gradient a block of view v follows is
 * trb_rng_below(M) from the stream (view's seed, TRB_USE_MEMBER, 0, v, block), blocks counted from sample 0; each
 * member is loaded once. Local. \param[out] payload  its digest */
trb_status trb__inputs_write(trb__writer *w, size_t unit, uint64_t *payload);

#endif
