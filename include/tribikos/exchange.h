/** Parameter exchange: lanes of gradients in, updated parameters out.
 *
 * A global batch is cut into L lanes, of which a rank computes some (grid.h). A lane's gradient is a whole slab. The
 * slab is cut into segments; a segment is on its way as soon as the rank's last lane has computed it, while the
 * backward pass goes on with the layers before. Updated parameters come in while the next forward pass computes; a
 * layer waits for its own only. The fewer lanes a rank has, the larger is the part of a step behind which messages can
 * hide. They move when MPI is called: at each trb_exchange_ready() and trb_exchange_needs(), which is why these should
 * be called often. No thread is needed.
 *
 * ordered: lanes are summed in one fixed binary tree: the sum over lanes [a, b) is the sum over [a, m) plus the sum
 * over [m, b), m = a + the largest power of two below b - a. The tree does not know the ranks, so neither do the bits:
 * for any P from 1 to L the parameters are the same. Every rank is the parameter server of its own slice of each
 * segment: the sums of the ranks' complete subtrees travel to the slices' owners, who add them in tree order, run the
 * optimiser on their slice (so moments are held once, not P times) and spread the new slice. P is taken apart into its
 * factors and the ranks of a node, and ranks meet factor by factor: log2 P messages for powers of two.
 *
 * allreduce: the lanes of a rank are summed, MPI_Iallreduce sums over ranks, and every rank updates everything. The
 * bits depend on the number of ranks and on the MPI library.
 *
 * server: the first ranks of the group are servers. They hold the parameters in slices and run the optimiser; the
 * others, the workers, compute the lanes. With staleness 0 a step is that of ordered, with the servers as owners, bits
 * included. With staleness s > 0 there are no common steps (stale synchronous parallel, Ho et al. 2013, NIPS, sec. 3):
 * a step's lanes are cut in as many shares as there are workers, which a worker claims one at a time, in the order of
 * the samples, as soon as no share that is more than s steps behind it is still being computed by someone; so a slow
 * worker gets fewer of them. Each share is an update of its own, applied when all of it has arrived: the mean gradient
 * over its rows at 1/W of the learning rate (Adam: 1/sqrt(W)), W workers, with the schedule W times as long. The bits
 * depend on who was fast.
 *
 * Use, a step:   for each of my lanes: compute into trb_exchange_gradient(), calling trb_exchange_needs() and
 *                trb_exchange_ready() on the way (trb_work_watch), then trb_exchange_lane_done();
 *                trb_exchange_push(); trb_exchange_pull().
 * Servers take part with no lanes. With staleness above 0 a server calls trb_exchange_serve() instead, once, and a
 * worker begins each step with trb_exchange_claim(). At the end all call trb_exchange_gather().
 */
#ifndef TRB_EXCHANGE_H
#define TRB_EXCHANGE_H

#include <stdbool.h>

#include "tribikos/grid.h"
#include "tribikos/optim.h"

typedef enum { TRB_EXCHANGE_ORDERED, TRB_EXCHANGE_ALLREDUCE, TRB_EXCHANGE_SERVER } trb_exchange_kind;

#define TRB_UNBOUNDED UINT64_MAX

typedef struct {
    trb_exchange_kind kind;
    uint64_t servers;   /* of kind server: how many ranks, at least 1 */
    uint64_t staleness; /* of kind server: steps, or TRB_UNBOUNDED */
} trb_exchange_opts;

typedef struct trb_exchange trb_exchange;

/** Whether `ranks` ranks can train so. Local. \return TRB_OK; TRB_ECONFIG with the numbers and the nearest ones that
 * work */
trb_status trb_exchange_check(const trb_exchange_opts *how, const trb_grid_shape *shape, int ranks);
/** How many ranks are servers. Local. */
size_t trb_exchange_servers(const trb_exchange_opts *how);

/** Collective over the group, which is that of the grid's ranks that share this part.
 *
 * \param[in] grid  copied; its groups are borrowed until close; L takes the place of opt->lanes; its servers are those of
 * `how`   \param[in] net  borrowed until close
 * \param[in] steps  that will be taken; matters to staleness above 0 only
 * \param[in,out] params  [trb_net_size] the same on all ranks; borrowed until close, updated by pull
 * \return the agreed status; that of trb_exchange_check()
 */
trb_status trb_exchange_open(const trb_grid *grid, trb_grid_part part, const trb_exchange_opts *how, const trb_net *net,
                             const trb_optim *opt, uint64_t steps, float *params, trb_exchange **out);
/** Collective over group unless communication failed: what is under way is brought to its end. NULL allowed. */
void trb_exchange_close(trb_exchange *x);

/** The lanes of this rank: none for a server; of a worker with staleness above 0, as many as it claims at a time. Local.
 */
trb_lanes trb_exchange_lanes(const trb_exchange *x);

/** Wait until the trained parameters [from, to) are those of this step. \param[in,out] exchange  a trb_exchange; of
 * this type so that trb_work_watch() can call it */
void trb_exchange_needs(void *exchange, size_t from, size_t to);

/** Where the gradient of the rank's next lane goes (lanes in ascending order): [trb_net_size], every element must be
 * written. To be called behind the lane's forward pass, as it waits for all that is under way. */
float *trb_exchange_gradient(trb_exchange *x);

/** Say that in the lane under way the trained part of the slab is complete from `from` on, and move messages. Local,
 * does not wait. \param[in,out] exchange  a trb_exchange; of this type so that trb_work_watch() can call it */
void trb_exchange_ready(void *exchange, size_t from);

/** Say that the slab of the last trb_exchange_gradient() is complete. Local, does not wait. */
void trb_exchange_lane_done(trb_exchange *x);

/** Say what this rank wishes for the next step, before push, which takes it along.
 * \param[in] wish  a small number, 0 for none */
void trb_exchange_wish(trb_exchange *x, unsigned wish);
/** The greatest wish of all ranks, behind pull. Local. */
unsigned trb_exchange_wished(const trb_exchange *x);

/** Say how this rank's lanes went. Collective over group, does not wait for others. \param[in] st  a failure rides
 * along, so a failing rank calls lane_done for each of its lanes and push as well, whatever its slabs hold
 * \param[in] loss  of these lanes, for who watches trb_exchange_serve() */
trb_status trb_exchange_push(trb_exchange *x, trb_status st, double loss);

/** End the step; parameters may still be on their way: who reads them calls trb_exchange_needs() or
 * trb_exchange_gather() first. Collective over group.
 * \return the agreed status of all ranks' pushes (with staleness above 0 this rank's alone); TRB_ENUM if gradients are
 * clipped and their norm is not finite. If it is a failure the parameters are lost (some may be updated), and all that
 * is left to do is trb_exchange_close() */
trb_status trb_exchange_pull(trb_exchange *x);

/** Whether there are no common steps: kind server, staleness above 0. Local. */
bool trb_exchange_is_free(const trb_exchange *x);

/** A worker's next share, and the parameters to compute it with. Waits for server 0.
 * \param[out] step  from 0; `steps` if nothing is left   \param[out] lanes  of the step */
trb_status trb_exchange_claim(trb_exchange *x, uint64_t *step, trb_lanes *lanes);

/** Serve until all workers have been told that nothing is left: no share, or one of them failed. On the server's rank.
 * \param[in] told  NULL, or called on server 0 for each share that was applied, with its number of lanes and its loss;
 * returns whether the parameters shall be kept at the next beginning of a step
 * \param[in] kept  called on server 0 when all servers' parts of all shares before `step`, and of no other, are in what
 * trb_exchange_kept_slab() shows (if steps can be kept), and nobody computes; returns TRB_OK to go on; TRB_STOPPED, or
 * a failure, to hand out nothing more, which is then returned. NULL if `told` never asks */
trb_status trb_exchange_serve(trb_exchange *x, bool (*told)(void *ctx, uint64_t step, size_t lanes, double loss),
                              trb_status (*kept)(void *ctx, uint64_t step), void *ctx);

/** Whether the moments of all parameters that this rank updates are finite. One that has overflowed stays so. Local,
 * between two steps. \return TRB_OK; TRB_ENUM, which names the parameter by its place in the slab */
trb_status trb_exchange_finite(const trb_exchange *x);

/** All parameters to all ranks. Collective over group. */
trb_status trb_exchange_gather(trb_exchange *x);

/** Go on after so many steps. Local; before the first step. Parameters and moments after them come by
 * trb_exchange_put(). */
void trb_exchange_resume(trb_exchange *x, uint64_t step);
/** Values [at, at + n) of a slab [trb_net_size]: parameters (which 0), or a moment (1, 2), of which this rank copies its
 * own part. Local; before the first step. */
void trb_exchange_put(trb_exchange *x, size_t which, size_t at, size_t n, const float *values);

/** Keeping what a step makes of parameters and moments, for a checkpoint: owners copy what they update while it is in
 * their caches, and send it to one rank while the next steps are computed.
 *
 * Several exchanges may be kept by one rank: each is a part of the same size in its memory.
 * \param[in] to  whose rank 0 collects: the exchange's group, or one that holds it
 * \param[in] part,parts  this exchange is one of so many that `to` is made of; else 0 and 1
 * Collective over `to`. \return the agreed status */
trb_status trb_exchange_keep_open(trb_exchange *x, trb_comm *to, size_t part, size_t parts);
/** Keep the next step (not with staleness above 0). On all ranks; not before kept says that the last one is through. */
void trb_exchange_keep(trb_exchange *x);
/** Move what was kept. Local, does not wait. \param[out] through  the rank that collects has everything; others are rid
 * of it */
trb_status trb_exchange_kept(trb_exchange *x, bool *through);
/** The same until it is through; all ranks have to do one or the other. */
trb_status trb_exchange_kept_wait(trb_exchange *x);
/** On the rank that collects: parameters (which 0) or a moment (1, 2) of a part, [trb_net_size]; until the next keep.
 * Parameters that are nobody's are 0. Local. */
const float *trb_exchange_kept_slab(const trb_exchange *x, size_t part, size_t which);

/** What this rank's exchange has cost up to now. */
enum { TRB_STALENESS_BINS = 17 };
typedef struct {
    double waited_s;                    /* for parameters, for other ranks' part of a step, for a share */
    double kept_s;                      /* copying what steps that were kept made */
    uint64_t bytes_sent;                /* allreduce: bytes given to the library, which may send more */
    uint64_t stale[TRB_STALENESS_BINS]; /* server 0: shares by the number of other shares that were applied between
                                           the worker's getting its parameters and the share's application; the last
                                           for more */
} trb_exchange_work;
trb_exchange_work trb_exchange_worked(const trb_exchange *x); /* Local. */

/** Sum [n] doubles, one a lane, in the same tree, whoever holds them. Collective over group.
 * \param[in] mine  [count of my lanes]   \param[out] sum  the same bits on every rank */
trb_status trb_exchange_sum(trb_exchange *x, const double *mine, double *sum);

#endif
