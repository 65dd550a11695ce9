/** A checkpoint: the state of the training of one network. Its bytes do not depend on the number of ranks.
 *
 *   "weights", "moment1", "moment2" (as many as the optimiser has) [trb_net_size] float32: slabs of net.h's layout
 *   "loss_sums" float64: sums of the losses in the current epoch, one for each lane; head lanes follow one another
 *   "metrics" uint8: the contents of metrics.jsonl up to this step; absent if empty
 *   "best_loss" [1] float64, and attribute best_epoch: the least validation loss so far, and the epoch that ended with
 *   it, from 1; both absent if none is watched (early stopping, keeping the best weights), or none is known yet
 *   "best" [trb_net_size] float32: the weights at the end of that epoch; absent if they are not kept
 *   attributes: format "tribikos checkpoint"; version 1; layers, input_c, input_h, input_w, heads, config, blas as in a
 *   weights file; processor (trb_machine_name(); files of earlier versions have none); phase (from 1) and step (steps
 *   done in this phase), which determine order, views and masks; digest (XXH3 of everything except blas and processor)
 *
 * The checkpoints of one training have a folder of their own with N slots, "0.h5" to "N-1.h5". A new checkpoint
 * replaces the oldest. A file under its final name is complete, because the rename is the last step of writing it.
 *
 * All functions are local.
 */
#ifndef TRB_CHECKPOINT_H
#define TRB_CHECKPOINT_H

#include "tribikos/net.h"

/** TRB_CHECKPOINT_BEST: the number of the best weights, after those of the slabs from which a training continues. */
enum { TRB_CHECKPOINT_SLABS = 3, TRB_CHECKPOINT_BEST = 3, TRB_CHECKPOINT_PATH = 1100, TRB_CHECKPOINT_PIECE = 1 << 18 };
typedef struct {
    char *config, *metrics, *blas, *processor; /* processor: "" if it is not known */
    uint64_t phase, step, digest;
    size_t n_sums, n_slabs;
    double *sum;
    const float *slab[TRB_CHECKPOINT_SLABS]; /* only for writing; reading passes slabs to a trb_checkpoint_taker */
    uint64_t best_epoch;                     /* 0: no best validation loss is known */
    double best_loss;
    bool has_best;     /* the weights of that epoch are there */
    const float *best; /* [trb_net_size] only for writing, as the slabs */
    const trb_net *net;
    trb_net *built; /* only after reading: owns the network that `net` points to */
} trb_checkpoint;

/** Publish a checkpoint. TRB_ENUM if a value is not finite. \param[out] digest  may be NULL */
trb_status trb_checkpoint_write(const char *path, const trb_checkpoint *c, uint64_t *digest);
/** The same for a slot of a folder. Creates the folder if it does not exist. */
trb_status trb_checkpoint_publish(const char *folder, size_t slot, const trb_checkpoint *c);

/** Receives values [at, at + n) of a slab while a checkpoint is read. n is at most TRB_CHECKPOINT_PIECE. Slabs come one
 * after the other, each from its beginning to its end; the best weights come last, as TRB_CHECKPOINT_BEST. */
typedef trb_status trb_checkpoint_taker(void *ctx, size_t slab, size_t at, size_t n, const float *values);

/** Read and check everything, one piece at a time, because a checkpoint may be several times as large as what a rank
 * holds in memory.
 * \param[in] take  NULL if the slabs are not wanted. The values that it received are valid only if this function
 *                  returns TRB_OK
 * \param[out] c    released with trb_checkpoint_clear()
 * \return TRB_OK; TRB_ECONFIG if absent; TRB_EINTEGRITY if the contents contradict the description; a failure of `take`
 */
trb_status trb_checkpoint_read(const char *path, trb_checkpoint_taker *take, void *ctx, trb_checkpoint *c);
void trb_checkpoint_clear(trb_checkpoint *c);

/** Find the newest undamaged checkpoint of a folder.
 * \param[in] damaged  called with a message for each damaged checkpoint
 * \param[out] c  config is NULL if there is none   \param[out] slot,path  where it is */
trb_status trb_checkpoint_newest(const char *folder, size_t slots, void (*damaged)(const char *why), trb_checkpoint *c,
                                 size_t *slot, char path[TRB_CHECKPOINT_PATH]);
/** Remove all slots, and the folder if nothing else is in it. */
void trb_checkpoint_remove(const char *folder, size_t slots);

#endif
