/** The validation of a training: how good the network is on the held-out samples, after each epoch. */
#ifndef TRB_STAGES_VALIDATE_H
#define TRB_STAGES_VALIDATE_H

#include "heads.h"

/** Figures on the held-out samples. NaN: not known. */
typedef struct {
    double loss;     /* of a member its NLL, without augmentation; of a student its loss against the members. In the
                        unit of the training loss */
    double nll;      /* of the mean prediction by the labels; of targets in their own unit */
    double accuracy; /* classes only */
    double rmse;     /* regression only, in the target's unit */
} trb__validated;

typedef struct trb__validation trb__validation;

/** Local. The held-out samples are computed as the training's batches are: in lanes, by the ranks that have them, so
 * that figures have the same bits for any number of ranks.
 * \param[in] work   the workspace of the training, which is used between two steps; borrowed, as `heads` is
 * \param[in] heads  NULL if the network is in one part
 * \param[out] out   NULL if no samples are held out or judged, or there are no common steps; closed by
 *                   trb__validation_close(), after a failure too */
trb_status trb__validation_open(const trb__fit *f, trb_work *work, trb__heads *heads, trb__validation **out);
void trb__validation_close(trb__validation *v); /* Local. NULL allowed. */

/** Compute the figures with the parameters of now, in evaluation mode. Nothing that a training continues from changes.
 * Figures are NaN if outputs overflow. Collective over the grid, after a step.
 * \param[out] out  the same bits on every rank   \return the agreed status */
trb_status trb__validation_run(trb__validation *v, trb__validated *out);

#endif
