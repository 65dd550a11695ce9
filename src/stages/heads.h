/** The heads of a training whose network is cut into a body and heads. In each step, the ranks of a row of the grid
 * work on the heads of all their lanes together, in as many rounds (grid.h) as the row's lanes need. */
#ifndef TRB_STAGES_HEADS_H
#define TRB_STAGES_HEADS_H

#include "fit.h"
#include "losses.h"

typedef struct trb__heads trb__heads;

/** Collective over the grid. \param[in] f  its exchanges must be open
 * \param[in] losses  gets the losses; borrowed until the close   \return the agreed status */
trb_status trb__heads_open(const trb__fit *f, trb__losses *losses, trb__heads **out);
void trb__heads_close(trb__heads *h); /* Local. NULL allowed. */

/** Loss and gradients of a round: lanes [first, first + items) of the row. Collective over the row.
 * \param[in] st      status of the step so far
 * \param[in] z       features of this rank's lane; NULL if it has none or failed
 * \param[in] sample  [items][rows]
 * \param[out] dz     gradient by the features, borrowed until the next round
 * \return st, or a failure of its own */
trb_status trb__heads_round(trb__heads *h, trb_status st, uint64_t epoch, size_t first, size_t items,
                            const int64_t *sample, const float *z, const float **dz);

/** Losses of a round of validation, in evaluation mode and without gradients. Collective over the row.
 * \param[in] st,first,items,sample,z  as above   \param[in] real  how many of the samples, from the first on, count
 * \param[out] lost  [items][head lanes of this rank] the loss of an item's samples that count, times their number; NaN
 *                   if outputs overflow
 * \return st, or a failure of its own */
trb_status trb__heads_judge(trb__heads *h, trb_status st, size_t first, size_t items, const int64_t *sample,
                            const float *z, size_t real, double *lost);

/** What rounds have cost. Local. \param[in] h  NULL gives zeros */
void trb__heads_worked(const trb__heads *h, double *waited_s, uint64_t *bytes_sent);

#endif
