/** The ends of a training's epochs: validation, a line of metrics, the best weights, early stopping. */
#ifndef TRB_STAGES_EPOCH_H
#define TRB_STAGES_EPOCH_H

#include "checkpoint.h"
#include "validate.h"

/** metrics.jsonl has a line for each epoch:
 *
 *   "phase": 1 or 2, "epoch": from 1 in each phase, "steps": done in this phase
 *   "loss": the mean training loss over the epoch's steps, while the network changes; "lr": the rate at its end
 *   with samples held out, those of validate.h after the epoch:
 *   "validation_loss": in the unit of "loss"; early stopping and the best weights follow it
 *   "validation_nll", and "validation_accuracy" or, in regression, "validation_rmse": as in report.json. They are
 *   absent while heads are cut into head lanes, because no rank has the outputs of all heads
 *
 * An unknown figure is null. No line has a time, so the file has the same bytes for any number of ranks. */
typedef struct trb__epochs trb__epochs;

/** Local. \param[in] steps  in each epoch   \param[in] opt  copied   \param[in] work,heads  as trb__validation_open()
 * \param[out] out  closed by trb__epochs_close(), after a failure too */
trb_status trb__epochs_open(const trb__fit *f, size_t steps, const trb_optim *opt, trb_work *work, trb__heads *heads,
                            trb__epochs **out);
void trb__epochs_close(trb__epochs *x); /* Local. NULL allowed. */

/** The best validation loss so far, and its weights, for checkpoints. Local; borrowed until the close. */
trb__best *trb__epochs_best(trb__epochs *x);

/** End epoch number e, from 0: validate, and write its line. Collective over the grid.
 * \param[in] st  this rank's status of the epoch   \param[in] loss  sum over its steps   \return the agreed status */
trb_status trb__epochs_end(trb__epochs *x, trb_status st, uint64_t e, double loss);
/** The same without validation, for a server that ends epochs alone. Local. */
trb_status trb__epochs_line(trb__epochs *x, uint64_t e, double loss);

/** Whether the training is over after `taken` steps: all epochs are done, or `early_stopping` says so. Local; the same
 * on every rank after the same ends of epochs. */
bool trb__epochs_over(const trb__epochs *x, uint64_t taken);

/** Let the network have the weights that are kept, and log what follows from validation. Collective over the grid,
 * after the last gather. \param[in] taken  steps that are done   \return the agreed status */
trb_status trb__epochs_finish(trb__epochs *x, uint64_t taken);

/** What is shown of the last epoch, as "(loss 0.31, validation 0.33, accuracy 0.902)". Local; borrowed. */
const char *trb__epochs_note(const trb__epochs *x);

#endif
