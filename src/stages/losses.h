/** The losses of a training since the beginning of its epoch. There is one sum for each head lane and lane that a rank
 * computes, so that their total has the same bits for any number of ranks. */
#ifndef TRB_STAGES_LOSSES_H
#define TRB_STAGES_LOSSES_H

#include "network.h"

typedef struct {
    const trb_grid *grid;
    const trb__network *network;
    trb_exchange *x; /* of the part that ends in outputs */
    size_t lanes;    /* of x on this rank */
    double *sum;     /* [head lanes of this rank][lanes] */
    double *all;     /* [all head lanes] sums over lanes, followed by scratch [head lanes of this rank] */
} trb__losses;

/** Local. \param[in] n  its exchanges must be open
 * \param[out] out  closed by trb__losses_close(), after a failure too */
trb_status trb__losses_open(const trb_grid *g, const trb__network *n, trb__losses *out);
void trb__losses_close(trb__losses *l); /* Local. */

/** Add a loss. Local. \param[in] head_lane,lane  counted on this rank */
void trb__losses_add(trb__losses *l, size_t head_lane, size_t lane, double loss);
/** Set all to 0. Local. */
void trb__losses_reset(trb__losses *l);
/** The sum of this rank's losses. Local. */
double trb__losses_mine(const trb__losses *l);

/** The sum over all lanes and head lanes. Sets all sums to 0 afterwards. Collective over the grid.
 * \return TRB_OK; a failure on which ranks have not agreed yet */
trb_status trb__losses_total(trb__losses *l, double *sum);

/** Collect all sums in the order of a checkpoint. Collective over the grid.
 * \param[in,out] all  [head lanes][lanes], zeros at first */
trb_status trb__losses_show(const trb__losses *l, double *all);
/** Take this rank's sums from those of a checkpoint. Local. */
void trb__losses_resume(trb__losses *l, const double *all);

#endif
