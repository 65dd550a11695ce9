/** The heads of a training whose network is cut: a step takes as many rounds (grid.h) as the row's lanes need. */
#ifndef TRB_STAGES_HEADS_H
#define TRB_STAGES_HEADS_H

#include "fit.h"
#include "losses.h"

typedef struct trb__heads trb__heads;

/** Collective over the grid. \param[in] f  its exchanges are open   \param[in] losses  where they are added up; borrowed
 * until the close   \return the agreed status */
trb_status trb__heads_open(const trb__fit *f, trb__losses *losses, trb__heads **out);
void trb__heads_close(trb__heads *h); /* Local. NULL allowed. */

/** Loss and gradients of a round. Collective over the row.
 * \param[in] st  how the step goes; the status handed on is returned   \param[in] first  of the row's lanes
 * \param[in] items  of them in this round   \param[in] z  features of this rank's lane, NULL if it has none or failed
 * \param[in] sample  [items][rows]   \param[out] dz  gradient by the features, borrowed until the next round */
trb_status trb__heads_round(trb__heads *h, trb_status st, uint64_t epoch, size_t first, size_t items,
                            const int64_t *sample, const float *z, const float **dz);

/** What rounds have cost. Local. \param[in] h  NULL: nothing */
void trb__heads_worked(const trb__heads *h, double *waited_s, uint64_t *bytes_sent);

#endif
