/** Parameter exchange: lanes of gradients in, updated parameters out.
 *
 * A global batch is cut into L lanes; rank r of the group computes a contiguous run of them (trb_share). A lane's
 * gradient is a whole slab. Lanes are summed in one fixed binary tree: the sum over lanes [a, b) is the sum over [a, m)
 * plus the sum over [m, b), m = a + the largest power of two below b - a. The tree does not know the ranks, so neither
 * do the bits.
 *
 * ordered: every rank is the parameter server of its own slice of the slab. push: the sums of the rank's complete
 * subtrees travel, slice by slice, to the slices' owners. pull: owners add them in tree order, run the optimiser on
 * their slice (so moments are held once, not P times) and the new slices are gathered by all. For any P from 1 to L the
 * parameters are the same bits.
 *
 * Use, a step:   for each of my lanes: compute into trb_exchange_gradient(), then trb_exchange_lane_done();
 *                trb_exchange_push(); trb_exchange_pull().
 */
#ifndef TRB_EXCHANGE_H
#define TRB_EXCHANGE_H

#include "tribikos/comm.h"
#include "tribikos/optim.h"

typedef enum { TRB_EXCHANGE_ORDERED } trb_exchange_kind;

typedef struct trb_exchange trb_exchange;

/** Collective over group.
 *
 * \param[in] net  borrowed until close   \param[in] lanes  L, at least the group's size; takes the place of opt->lanes
 * \param[in,out] params  [trb_net_size] the same on all ranks; borrowed until close, updated by pull
 * \return the agreed status; TRB_ECONFIG if there are more ranks than lanes
 */
trb_status trb_exchange_open(trb_comm *group, trb_exchange_kind kind, const trb_net *net, const trb_optim *opt,
                             size_t lanes, float *params, trb_exchange **out);
void trb_exchange_close(trb_exchange *x); /* Local. NULL allowed. */

/** The lanes of this rank. Local. */
void trb_exchange_lanes(const trb_exchange *x, size_t *first, size_t *count);

/** Where the gradient of the rank's next lane goes (lanes in ascending order): [trb_net_size], every element must be
 * written. Local. */
float *trb_exchange_gradient(trb_exchange *x);

/** Say that the slab of the last trb_exchange_gradient() is complete. Local. */
void trb_exchange_lane_done(trb_exchange *x);

/** Start sending. Collective over group, does not wait for others. \param[in] st  how this rank's lanes went; a failure
 * rides along, so a failing rank calls push as well, whatever its slabs hold */
trb_status trb_exchange_push(trb_exchange *x, trb_status st);

/** Finish the step. Collective over group.
 * \return the agreed status of all ranks' pushes; if it is a failure the parameters are as before the step everywhere.
 * TRB_ENUM if gradients are clipped and their norm is not finite. */
trb_status trb_exchange_pull(trb_exchange *x);

/** Sum [n] doubles, one a lane, in the same tree, whoever holds them. Collective over group.
 * \param[in] mine  [count of my lanes]   \param[out] sum  the same bits on every rank */
trb_status trb_exchange_sum(trb_exchange *x, const double *mine, double *sum);

#endif
