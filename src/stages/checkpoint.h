/** Checkpoints of a training: finding the one to resume from, and writing new ones while steps go on (checkpoint.c). */
#ifndef TRB_STAGES_CHECKPOINT_H
#define TRB_STAGES_CHECKPOINT_H

#include "fit.h"

/** The best validation loss of a training so far. */
typedef struct {
    uint64_t epoch; /* after which it was measured, from 1; 0: none is known */
    double loss;
    float *params;  /* [trb_net_size] the weights then; NULL if they are not kept, and on other ranks than 0 */
    uint64_t taken; /* how often `params` was written */
} trb__best;

/** Where the checkpoints of a training are, and to which training they belong. */
typedef struct trb__place {
    const trb_config *c;
    trb__path folder;
    const char *who;     /* "member 3" */
    char *config, *blas; /* identity of the network, and what computes it, as the weights file will have them */
    char from[TRB_CHECKPOINT_PATH]; /* the checkpoint to resume from; rank 0 only */
    size_t slot;                    /* the slot of the next checkpoint; rank 0 only */
} trb__place;

/** Refuse a file name in `run.resume` unless exactly one network will be trained. Local. \param[in] n  networks */
trb_status trb__resume_check(const trb_config *c, size_t n);

/** Find the checkpoint from which the training resumes, as `run.resume` says. Rank 0 reads and checks all of it without
 * holding it in memory; all ranks get its numbers and sums of losses. Collective over group.
 * \param[in,out] place  slot and from are set; blas then names also what computed the checkpoint
 * \param[out] out  released with trb_checkpoint_clear(). n_slabs is 0 if there is none and the training begins. Only
 *                  rank 0 has texts and a network
 * \return the agreed status */
trb_status trb__checkpoint_find(trb_comm *group, const trb_config *c, trb__place *place, trb_checkpoint *out);

/** Refuse a checkpoint that is not of this training, or that has more than `steps` steps. Only rank 0 has the network
 * that the file describes, so all ranks must agree before one of them uses the checkpoint. Local. */
trb_status trb__checkpoint_check(const trb_checkpoint *c, const trb__fit *f, uint64_t steps);
/** Take parameters and moments from a checkpoint that all ranks have accepted. Rank 0 reads the file again, which must
 * still be the one that was found, and broadcasts it in pieces. Each rank copies what it holds. Collective over the
 * grid; before the first step. \param[in,out] best  gets the checkpoint's   \return the agreed status; after a failure
 * parameters and moments are undefined */
trb_status trb__checkpoint_use(const trb_checkpoint *c, const trb__fit *f, trb__best *best);

/** Writes checkpoints of one training (checkpoint.c). Rank 0 of the grid decides when one is due, all ranks *keep* a
 * step (they copy what it makes of parameters and moments), and when rank 0 has all copies, a thread writes them. A
 * NULL for s means a training without checkpoints. */
typedef struct trb__saver trb__saver;
/** Collective over the grid. \param[in] steps  in each epoch   \param[in] best  borrowed until the close
 * \param[out] out  NULL if no checkpoints are wanted */
trb_status trb__saver_open(const trb__fit *f, size_t steps, const trb__best *best, trb__saver **out);
/** Bytes that the saver needs on rank 0, without sums and texts. Local. */
size_t trb__saver_bytes(const trb__fit *f);
void trb__saver_close(trb__saver *s); /* Local; waits until a file that is being written is finished. */
/** Whether to keep the step after which `taken` steps are done. Always false on other ranks than 0. If true, the caller
 * must keep that step. Local. */
bool trb__saver_due(trb__saver *s, uint64_t taken);
/** Keep the next step. Called on all ranks. \return on rank 0 the status of writing the last file */
trb_status trb__saver_keep(trb__saver *s);
/** Room for the sums of losses of the current epoch, [head lanes][lanes], set to 0. The caller fills it. Local. */
double *trb__saver_sums(trb__saver *s);
/** Tell the saver that the kept step is over, sums are filled, and metrics are those of this step. Local. */
trb_status trb__saver_kept(trb__saver *s, uint64_t taken);
/** Continue without waiting: send or receive copies, begin to write a file, or see whether it is written. Local.
 * \return on rank 0 the status of writing the file */
trb_status trb__saver_go_on(trb__saver *s);
/** Count seconds for which a step was delayed; log what checkpoints have cost, if it was a twentieth of the training
 * or more. Local. \param[in] step_s  of one step   \param[in] steps  of this job */
void trb__saver_hold(trb__saver *s, double seconds);
void trb__saver_report(const trb__saver *s, double step_s, uint64_t steps);
/** Wait until the kept step is written. Called on all ranks. \return on rank 0 the status of writing the file */
trb_status trb__saver_finish(trb__saver *s);

#endif
