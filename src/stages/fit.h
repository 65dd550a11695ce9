/** The training of one network: its description, and the loop over epochs, steps and lanes (fit.c). A *lane* is one of
 * the equal parts of a batch. */
#ifndef TRB_STAGES_FIT_H
#define TRB_STAGES_FIT_H

#include "internal.h"
#include "network.h"
#include "tribikos/metrics.h"

/** A lane of a step, for the function that computes its loss. */
typedef struct {
    size_t number;         /* among this rank's lanes; for heads that are cut off, among the lanes of its row */
    size_t at;             /* the lane has rows [at, at + rows) of those that the plan names for the step */
    size_t heads;          /* which of this rank's head lanes; 0 if the network is in one part */
    size_t rows, batch;    /* rows of the lane; rows of all lanes */
    const int64_t *sample; /* [rows] */
    const trb_mix *mix;    /* [rows] the partner of each row; NULL if none is mixed */
} trb__lane;

/** One training of one network by the ranks of a grid, data-parallel by lanes. Each rank learns the samples of all
 * lanes of its row of the grid. */
typedef struct {
    const trb_grid *grid;
    const trb_fit_opts *opts;
    uint64_t epochs, first_epoch; /* first_epoch keys order and masks, so that a second phase gets new ones */
    uint64_t schedule_from, schedule_epochs; /* the schedule's epoch at the beginning, and its length */
    uint64_t stream;                         /* the network's number in its random streams */
    const trb_exchange_opts *exchange;
    trb__network *network; /* parameters of its parts are updated */
    const trb__dataset *samples;
    trb_augment *augment;          /* makes what the network sees of a sample; used by this training alone */
    const trb_stored_rows *stored; /* serves the rows of a lane in each part; NULL if no view is stored */
    /** Above 1: each sample is seen in one of so many views, drawn again in every epoch from the stream (seed,
     * TRB_USE_CHOICE, `stream`, epoch, sample): trb_rng_below(views); or, with `clean` above 0, view 0 if
     * trb_rng_uniform() is below it, else 1 + trb_rng_below(views - 1). */
    size_t views;
    double clean;

    struct trb__place *place; /* NULL: no checkpoints */
    trb_checkpoint *from;     /* resume from it instead of from the parameters, unless it is NULL or n_slabs is 0;
                                 cleared when it is used */

    /** Called with the samples that this rank's row will see in the next steps, and their views (NULL: view 0):
     * [steps][rows], borrowed until the next call; 0 steps ends the last plan. NULL if not needed. */
    trb_status (*plan)(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view);
    /** Called before the lanes of a step, on every rank that computes some; may be collective over a row of the grid.
     * NULL if not needed.
     * \param[in] step  steps of this training before it
     * \param[in] st    status of the step so far   \return st, or a failure of its own */
    trb_status (*next)(void *ctx, uint64_t step, trb_status st);
    /** Computes the loss of one lane and its gradient by the outputs. */
    trb_status (*loss)(void *ctx, const trb__lane *lane, const float *z, double *loss, float *dz);
    void *ctx;

    /** How held-out samples are judged, unless `predict` is NULL: by the prediction that `predict` makes of the outputs
     * of classes; and, if the network follows others, by `loss` too. For that, `plan` and `next` are also called for
     * the held-out samples, between two epochs, with the training's last step as `step`. */
    trb_predict *predict;
    bool follows;

    /** Shows how far this training is, in place of its own progress; NULL if not needed. \param[in] before  steps of
     * earlier jobs   \param[in] each  steps in each epoch   \return whether a line was shown */
    bool (*show)(void *ctx, uint64_t before, uint64_t done, uint64_t steps, uint64_t each, const char *note);
    void *show_ctx;
    double work, later; /* for the own progress, as in trb_progress */

    void (*between)(void *); /* called between steps; NULL if not needed */
    void *between_ctx;
    trb_jsonl *metrics; /* NULL on ranks that do not write */
    const char *label;  /* for progress */
    int phase;          /* for metrics */
} trb__fit;

/** Train. Collective over the grid. \return the agreed status; parameters are defined only if it is TRB_OK. TRB_STOPPED
 * if the job was asked to stop; then a checkpoint is written, unless the training has none */
trb_status trb__fit_run(const trb__fit *fit);

/** Measure the bytes that a training needs on rank 0, without parameters and checkpoints. It opens the training in a
 * grid whose other ranks do not exist (trb_grid_pretend()). Local.
 * \return TRB_OK; TRB_ECONFIG if so many ranks cannot share it; TRB_ENOMEM */
trb_status trb__fit_measure(const trb__fit *fit, size_t *bytes);

/** Refuse a batch or an augmentation that does not fit the samples. Local. \param[in] who  for the message, e.g.
 * "member 3" */
trb_status trb__fit_check(const trb_fit_opts *o, const trb__dataset *s, const char *who);

#endif
