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
 *
 * All functions are local.
 */
#ifndef TRB_CHECKPOINT_H
#define TRB_CHECKPOINT_H

#include "tribikos/net.h"

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

#endif
