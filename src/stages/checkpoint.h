/** Checkpoints of a training: which one it goes on from, and writing new ones beside the steps (checkpoint.c). */
#ifndef TRB_STAGES_CHECKPOINT_H
#define TRB_STAGES_CHECKPOINT_H

#include "fit.h"

/** Where the checkpoints of a training are, and of what. */
typedef struct trb__place {
    const trb_config *c;
    trb__path folder;
    const char *who;     /* "member 3" */
    char *config, *blas; /* text of what is trained, and what computes it, as the weights file will have them */
    char from[TRB_CHECKPOINT_PATH]; /* the checkpoint that it goes on from; rank 0 */
    size_t slot;                    /* the next one to be written; rank 0 */
} trb__place;

/** Refuse `run.resume` with a file's name if another number of networks than one is to be trained. Local. */
trb_status trb__resume_check(const trb_config *c, size_t n);

/** What the training shall go on from, by `run.resume`. Rank 0 reads and checks all of it, without holding it; all ranks
 * get numbers and sums. Collective over group.
 * \param[in,out] place  slot and from are found; blas names the checkpoint's makers too
 * \param[out] out  trb_checkpoint_clear(); n_slabs is 0 if there is nothing: it begins. On other ranks than 0 there are
 * no texts and no network
 * \return the agreed status */
trb_status trb__checkpoint_find(trb_comm *group, const trb_config *c, trb__place *place, trb_checkpoint *out);

/** Refuse a checkpoint that is not of this training, of so many steps. Only rank 0 has the network that the file names,
 * so that no rank may use one before all have agreed. Local. */
trb_status trb__checkpoint_check(const trb_checkpoint *c, const trb__fit *f, uint64_t steps);
/** Go on from a checkpoint that all have let pass: parameters and moments. Rank 0 reads it once more, it must still be
 * the one that was found, and hands it round in pieces, of which each rank takes what it holds. Collective over the
 * grid; before the first step. \return the agreed status; after a failure parameters and moments are lost */
trb_status trb__checkpoint_use(const trb_checkpoint *c, const trb__fit *f);

/** Writing checkpoints of one training (checkpoint.c): rank 0 of the grid decides when one is due, all ranks keep a
 * step, and when all is with rank 0 a thread writes it. NULL for s is a training without. */
typedef struct trb__saver trb__saver;
/** Collective over the grid. \param[in] steps  an epoch   \param[out] out  NULL if none are to be written */
trb_status trb__saver_open(const trb__fit *f, size_t steps, trb__saver **out);
/** Bytes that it takes on rank 0, but for sums and texts. Local. */
size_t trb__saver_bytes(const trb__fit *f);
void trb__saver_close(trb__saver *s); /* Local; a file that is being written is finished. */
/** Whether the step that ends with so many taken shall be kept; false but on rank 0. If true, it will be. Local. */
bool trb__saver_due(trb__saver *s, uint64_t taken);
/** Keep the next step. On all ranks; \return how the file before went, on rank 0 */
trb_status trb__saver_keep(trb__saver *s);
/** Where the losses of the epoch under way belong, [head lanes][lanes], all 0 now. Local. */
double *trb__saver_sums(trb__saver *s);
/** The step is over, sums are filled, metrics are those of this step. Local. */
trb_status trb__saver_kept(trb__saver *s, uint64_t taken);
/** Move, begin to write, and look whether it is written. Local, does not wait. \return how the file went, on rank 0 */
trb_status trb__saver_go_on(trb__saver *s);
/** Count seconds for which steps were held up; say what checkpoints have cost. Local. \param[in] step_s  a step's */
void trb__saver_hold(trb__saver *s, double seconds);
void trb__saver_report(const trb__saver *s, double step_s);
/** Wait until what was kept is written. On all ranks; \return how it went, on rank 0 */
trb_status trb__saver_finish(trb__saver *s);

#endif
