/** The training of one network: what it takes, and the walk over its epochs, steps and lanes (fit.c). */
#ifndef TRB_STAGES_FIT_H
#define TRB_STAGES_FIT_H

#include "internal.h"
#include "network.h"

/** A lane of a step, as a loss sees it. */
typedef struct {
    size_t number;         /* of this rank's */
    size_t at;             /* rows [at, at + rows) of those that the plan named for the step */
    size_t heads;          /* which of this rank's head lanes; 0 if the network is in one part */
    size_t rows, batch;    /* of the lane, of all lanes */
    const int64_t *sample; /* [rows] */
    const trb_mix *mix;    /* [rows] with whom each is mixed; NULL if none is */
} trb__lane;

/** One training of one network by the ranks of a grid, data-parallel by lanes. Each rank is told of all rows that the
 * lanes of its row have. */
typedef struct {
    const trb_grid *grid;
    const trb_fit_opts *opts;
    uint64_t epochs, first_epoch; /* first_epoch keys order and masks, so that a second phase goes on, not over */
    uint64_t schedule_from, schedule_epochs; /* where the schedule stands at the beginning, and how long it is */
    uint64_t stream;                         /* the network's number in its random streams */
    const trb_exchange_opts *exchange;
    trb__network *network; /* parameters of its parts are updated */
    const trb__dataset *samples;
    trb_augment *augment;          /* what the network sees of a sample; used by this training alone */
    const trb_stored_rows *stored; /* of so many rows a part as a lane has; NULL if none of its views is stored */
    /** Above 1: each sample is seen as one of so many views, drawn anew every epoch from the stream (seed,
     * TRB_USE_CHOICE, `stream`, epoch, sample): trb_rng_below(views); or, with `clean` above 0, view 0 if
     * trb_rng_uniform() is below it, else 1 + trb_rng_below(views - 1). */
    size_t views;
    double clean;

    struct trb__place *place; /* NULL: no checkpoints */
    trb_checkpoint *from;     /* what it goes on from, instead of its parameters, if that is not NULL and n_slabs is
                                 not 0; cleared when it is used */

    /** Learn which samples this rank, or its row, will see in an epoch, and as which views (NULL: view 0):
     * [steps][rows], borrowed until the next call; 0 steps ends the last plan. NULL if of no interest. */
    trb_status (*plan)(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view);
    /** Before a step's lanes, on every rank that computes some; may be collective over a row. NULL if of no interest.
     * \param[in] step  steps of this training before it   \param[in] st  how the step goes, to be handed on */
    trb_status (*next)(void *ctx, uint64_t step, trb_status st);
    /** Loss of one lane and its gradient by the outputs. */
    trb_status (*loss)(void *ctx, const trb__lane *lane, const float *z, double *loss, float *dz);
    void *ctx;

    void (*between)(void *); /* called between steps; NULL for nothing */
    void *between_ctx;
    trb_jsonl *metrics; /* NULL where this rank does not write */
    const char *label;  /* for progress */
    int phase;          /* for metrics */
} trb__fit;

/** Collective over the grid. \return the agreed status; parameters are defined only if it is TRB_OK. TRB_STOPPED: a
 * checkpoint is written, if there are any */
trb_status trb__fit_run(const trb__fit *fit);

/** Bytes that a training takes on rank 0, but for parameters and checkpoints: it is opened, in a grid without others
 * (trb_grid_pretend()). Local. \return TRB_OK; TRB_ECONFIG if so many ranks cannot share it; TRB_ENOMEM */
trb_status trb__fit_measure(const trb__fit *fit, size_t *bytes);

/** Refuse a batch or an augmentation that does not fit the samples. Local. \param[in] who  for the message, e.g.
 * "member 3" */
trb_status trb__fit_check(const trb_fit_opts *o, const trb__dataset *s, const char *who);

#endif
