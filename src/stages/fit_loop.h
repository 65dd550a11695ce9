/** What the files of a training share: the state of its loop, one step (fit_step.c), and the loops of an exchange that
 * is free (fit_free.c). All functions are local unless they say otherwise. */
#ifndef TRB_STAGES_FIT_LOOP_H
#define TRB_STAGES_FIT_LOOP_H

#include "epoch.h"
#include "tribikos/log.h"

/** Wishes for the next step. KEEP: keep what it makes of parameters and moments. STOP or above: also make it the last
 * step, for a reason of stop.h, which is at least -1. */
enum { TRB__WISH_NOTHING, TRB__WISH_KEEP, TRB__WISH_STOP };

/** Everything that steps need. It is reserved once, so that no step allocates memory. */
typedef struct {
    const trb__fit *fit;
    /* The part that takes the samples: the whole network, or its body. */
    const trb_net *net;
    float *params;
    trb_exchange *x;
    trb__heads *heads; /* NULL if the network is in one part */
    trb__losses losses;
    trb__saver *saver; /* NULL: no checkpoints */
    trb_status saved;  /* status of writing checkpoints */
    uint64_t taken;    /* steps that are done, those of earlier runs included */
    trb_work *work;
    trb_feed *feed;              /* one lane in each part */
    trb_lanes own, row;          /* the lanes of this rank, and of its row (grid.h) */
    size_t steps, rows, planned; /* steps in each epoch; rows in each lane; how many steps are planned ahead */
    int64_t *order, *sample;     /* [samples]; [planned][lanes of the row][rows] */
    uint16_t *view;              /* as `sample`; NULL if there is only one */
    int64_t *fed;                /* [planned][own lanes][rows]; the same array as `sample` if a row has one rank */
    uint16_t *fed_view;
    float *dz; /* of one lane */
    /* Adversarial training; NULL without it. */
    float *reach;     /* [D] how far an input is moved */
    float *moved;     /* [rows][D] */
    float *gradient;  /* where the exchange wants the lane's gradient */
    float *unmoved;   /* [trb_net_size] gradient of the samples as they are */
    size_t summed;    /* on the second pass, `unmoved` is added to `gradient` from here on; else SIZE_MAX */
    uint64_t ordered; /* the epoch of `order`, counted from 1 */
    trb_optim opt;
    trb_progress progress;
    trb__epochs *epochs;
    trb_status failed; /* of a server: status of writing metrics */
    /* On a server: losses and lanes applied in each epoch, lanes applied in total, epochs that are complete. */
    double *epoch_loss;
    uint64_t *epoch_lanes, lanes, ended;
} trb__loop;

/** Reserve the memory of steps. \param[in,out] l  its exchanges must be open; the caller must call trb__loop_release()
 * after a failure too */
trb_status trb__loop_reserve(trb__loop *l);
void trb__loop_release(trb__loop *l);

/** Choose the samples of the next `planned` steps of an epoch, from step number `step` of it on. */
trb_status trb__loop_plan(trb__loop *l, uint64_t epoch, size_t step);
/** End the last plan of the readers, which borrow its arrays. */
trb_status trb__loop_unplan(trb__loop *l);

/** Take one step. A rank that has failed still takes part in the exchange, which carries its status to the others.
 * Collective over the grid, unless the exchange is free.
 * \param[in] st  this rank's status so far   \param[in] number  steps before this one
 * \param[in] sample  ids of the row's lanes   \return the status of all ranks */
trb_status trb__loop_step(trb__loop *l, trb_status st, uint64_t number, const int64_t *sample);

/** Show how far the training is. \param[in] steps  that are done */
void trb__loop_between(trb__loop *l, uint64_t steps);
/** Note the status of writing. The next step tells it to all ranks. */
void trb__loop_saving(trb__loop *l, trb_status st);
/** TRB_STOPPED, with the network's name in the message, if the job was asked to stop. */
trb_status trb__loop_stopped(const trb__loop *l);

/** All steps of a worker: it claims the next share of lanes when it has finished one. */
trb_status trb__work_freely(trb__loop *l);
/** All steps of a server: it applies shares, and writes metrics and checkpoints. */
trb_status trb__serve_parameters(trb__loop *l);

#endif
