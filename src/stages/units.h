/** What a rank needs to write shards in the cache stage, one after the other (cache.c, inputs.c). */
#ifndef TRB_STAGES_UNITS_H
#define TRB_STAGES_UNITS_H

#include "internal.h"
#include "tribikos/log.h"
#include "tribikos/shard.h"

/** The state of a rank that writes shards. It keeps the weights of one member, because neighbouring units mostly
 * belong to the same member. */
typedef struct {
    const trb_config *c;
    const trb_cache_spec *spec;
    const char *dir;
    trb_queue *queue;
    trb_augment *views;
    trb_progress progress; /* in blocks */
    double all, later;     /* for the progress (outlook.h); 0 if not known */
    size_t blocks;         /* done: those of the units before this one, and of this one so far */

    bool loaded, trains; /* `trains`: the workspace is for gradients */
    size_t member;
    trb_net *net;
    float *params;
    trb_work *work;

    int64_t *sample;  /* [block] */
    uint16_t *view;   /* [block] */
    float *input;     /* [block][D] */
    char *stored;     /* [rows of a shard][D] inputs as stored; NULL if no view has stored inputs */
    size_t stored_is; /* the unit whose inputs are in `stored`; SIZE_MAX if there are none yet */
} trb__writer;

/** Load the weights of a member, unless they are loaded already: for gradients in calls of `rows` rows, or for
 * inference by blocks if rows is 0. Local. */
trb_status trb__writer_load(trb__writer *w, size_t member, size_t rows);
void trb__writer_unload(trb__writer *w);

/** Call this before a block is computed: it reports progress and fails if the job must stop. Local. */
trb_status trb__writer_go_on(trb__writer *w);

/** Write a shard of inputs (augment.h: ods, confods). A block of view v follows the gradient of member trb_rng_below(M)
 * from the stream (view's seed, TRB_USE_MEMBER, 0, v, block); blocks are counted from sample 0. Each member is loaded
 * once. Local. \param[out] payload  its digest */
trb_status trb__inputs_write(trb__writer *w, size_t unit, uint64_t *payload);

#endif
