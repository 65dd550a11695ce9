/** The heads' half of a training whose network is cut. */
#ifndef TRB_STAGES_HEADS_H
#define TRB_STAGES_HEADS_H

#include "fit.h"

/** The heads' half of a training (heads.c): as many rounds a step as the row's lanes take, G at a time. */
typedef struct trb__half trb__half;
/** Collective over the grid; \return the agreed status. */
trb_status trb__half_open(const trb__fit *f, const trb_optim *opt, uint64_t steps, trb__half **out);
void trb__half_close(trb__half *h); /* Collective over the column. NULL allowed. */
/** Loss and gradients of a round. Collective over the row.
 * \param[in] st  how the step goes; the status handed on is returned   \param[in] first  of the row's lanes
 * \param[in] items  of them in this round   \param[in] z  features of this rank's lane, NULL if it has none or failed
 * \param[in] sample  [items][rows]   \param[out] dz  gradient by the features, borrowed until the next round */
trb_status trb__half_round(trb__half *h, trb_status st, uint64_t epoch, size_t first, size_t items,
                           const int64_t *sample, const float *z, const float **dz);
trb_exchange *trb__half_exchange(trb__half *h);
/** What exchange and rows have cost. Local. */
void trb__half_worked(const trb__half *h, double *waited_s, uint64_t *bytes_sent);
/** The losses of all rounds since the last call, summed over lanes and heads. Collective over the grid. \return the agreed
 * status */
trb_status trb__half_loss(trb__half *h, double *sum);

/** The losses since then, as a checkpoint has them. Collective over the grid. \param[in,out] all  [H][L] zeros */
trb_status trb__half_sums(trb__half *h, double *all);
void trb__half_go_on(trb__half *h, const double *all); /* Local: the losses are these. */

#endif
