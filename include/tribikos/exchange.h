/** Parameter exchange: lanes of gradients in, updated parameters out.
 *
 * A global batch is cut into L lanes; rank r of the group computes a contiguous run of them (trb_share). A lane's
 * gradient is a whole slab. The slab is cut into segments; a segment is on its way as soon as the rank's last lane has
 * computed it, while the backward pass goes on with the layers before. Messages move when MPI is called: at each
 * trb_exchange_ready(), which is why it should be called often, and in trb_exchange_pull(). No thread is needed.
 *
 * ordered: lanes are summed in one fixed binary tree: the sum over lanes [a, b) is the sum over [a, m) plus the sum over
 * [m, b), m = a + the largest power of two below b - a. The tree does not know the ranks, so neither do the bits: for
 * any P from 1 to L the parameters are the same. Every rank is the parameter server of its own slice of each segment:
 * the sums of the ranks' complete subtrees travel to the slices' owners, who add them in tree order, run the optimiser
 * on their slice (so moments are held once, not P times) and spread the new slice. P is taken apart into its factors and
 * the ranks of a node, and ranks meet factor by factor: log2 P messages for powers of two.
 *
 * allreduce: the lanes of a rank are summed, MPI_Iallreduce sums over ranks, and every rank updates everything. The bits
 * depend on the number of ranks and on the MPI library.
 *
 * Use, a step:   for each of my lanes: compute into trb_exchange_gradient(), calling trb_exchange_ready() on the way
 *                (trb_work_watch), then trb_exchange_lane_done();
 *                trb_exchange_push(); trb_exchange_pull().
 */
#ifndef TRB_EXCHANGE_H
#define TRB_EXCHANGE_H

#include "tribikos/comm.h"
#include "tribikos/optim.h"

typedef enum { TRB_EXCHANGE_ORDERED, TRB_EXCHANGE_ALLREDUCE } trb_exchange_kind;

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

/** Say that in the lane under way the trained part of the slab is complete from `from` on, and move messages. Local,
 * does not wait. \param[in,out] exchange  a trb_exchange; of this type so that trb_work_watch() can call it */
void trb_exchange_ready(void *exchange, size_t from);

/** Say that the slab of the last trb_exchange_gradient() is complete. Local, does not wait. */
void trb_exchange_lane_done(trb_exchange *x);

/** Say how this rank's lanes went. Collective over group, does not wait for others. \param[in] st  a failure rides
 * along, so a failing rank calls lane_done for each of its lanes and push as well, whatever its slabs hold */
trb_status trb_exchange_push(trb_exchange *x, trb_status st);

/** Finish the step. Collective over group.
 * \return the agreed status of all ranks' pushes. TRB_ENUM if gradients are clipped and their norm is not finite. If it is
 * a failure the parameters are lost (some may be updated), and all that is left to do is trb_exchange_close() */
trb_status trb_exchange_pull(trb_exchange *x);

/** What this rank's exchange has cost up to now. */
typedef struct {
    double waited_s;     /* in trb_exchange_pull() */
    uint64_t bytes_sent; /* allreduce: bytes given to the library, which may send more */
} trb_exchange_work;
trb_exchange_work trb_exchange_worked(const trb_exchange *x); /* Local. */

/** Sum [n] doubles, one a lane, in the same tree, whoever holds them. Collective over group.
 * \param[in] mine  [count of my lanes]   \param[out] sum  the same bits on every rank */
trb_status trb_exchange_sum(trb_exchange *x, const double *mine, double *sum);

#endif
