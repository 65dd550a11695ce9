/** Parameter exchange: it takes the gradients of all lanes and gives updated parameters to all ranks.
 *
 * A batch is cut into L lanes, and a rank computes some of them (grid.h). The gradient of a lane is a whole slab. The
 * slab is cut into segments. A segment is sent as soon as the rank has computed it in its last lane, while the backward
 * pass goes on with earlier layers. Updated parameters arrive during the next forward pass; a layer waits only for its
 * own. So messages overlap with computation, and the fewer lanes a rank has, the larger is the part of a step that can
 * overlap. Messages move only when MPI is called, that is, at each trb_exchange_ready() and trb_exchange_needs(); call
 * these often. No thread is needed.
 *
 * ordered: lanes are summed in one fixed binary tree: the sum over lanes [a, b) is the sum over [a, m) plus the sum
 * over [m, b), m = a + the largest power of two below b - a. The tree does not depend on the ranks, so neither do the
 * bits: for any number of ranks P from 1 to L the parameters are the same. Every rank owns a slice of each segment.
 * Each rank adds up the complete subtrees of its lanes and sends the sums to the owners. An owner adds them in tree
 * order, runs the optimiser on its slice, and spreads the new slice. So moments are held once, not P times. P is split
 * into factors, those of the ranks a node first, and ranks meet factor by factor: log2 P messages if P is a power of
 * two.
 *
 * allreduce: each rank adds up its lanes, MPI_Iallreduce sums over ranks, and every rank updates all parameters. The
 * bits depend on the number of ranks and on the MPI library.
 *
 * server: the first ranks of the group are servers. They hold the parameters in slices and run the optimiser; the
 * others, the workers, compute the lanes. With staleness 0 a step gives the same bits as `ordered`, and the servers are
 * the owners. With staleness s > 0 there are no common steps (stale synchronous parallel, Ho et al. 2013, NIPS, sec.
 * 3). A step's lanes are cut into W shares, where W is the number of workers. A worker claims one share at a time, in
 * the order of the samples. It may begin when all workers have finished the shares that are more than s steps older.
 * So a slow worker gets fewer shares. Each share is one update, applied when all of it has arrived: the mean gradient
 * over its rows, at 1/W of the learning rate (Adam: 1/sqrt(W)), with a schedule W times as long. The bits depend on
 * which workers were fast.
 *
 * Use, a step:   for each of my lanes: compute into trb_exchange_gradient(), calling trb_exchange_needs() and
 *                trb_exchange_ready() on the way (trb_work_watch), then trb_exchange_lane_done();
 *                trb_exchange_push(); trb_exchange_pull().
 * Servers do the same without lanes. With staleness above 0 a server calls trb_exchange_serve() instead, once for the
 * whole training, and a worker begins each step with trb_exchange_claim(). At the end all ranks call
 * trb_exchange_gather().
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
    uint64_t servers;   /* kind server: how many ranks are servers, at least 1 */
    uint64_t staleness; /* kind server: in steps, or TRB_UNBOUNDED */
} trb_exchange_opts;

typedef struct trb_exchange trb_exchange;

/** Check that this number of ranks can train with this exchange and grid. Local.
 * \return TRB_OK; TRB_ECONFIG with the numbers and the nearest ones that work */
trb_status trb_exchange_check(const trb_exchange_opts *how, const trb_grid_shape *shape, int ranks);
/** How many ranks are servers. Local. */
size_t trb_exchange_servers(const trb_exchange_opts *how);

/** Open an exchange. Collective over the group of the grid's ranks that share this part (trb_grid_group()).
 *
 * \param[in] grid  copied; its groups are borrowed until the close; its L replaces opt->lanes; it must have the
 * servers of `how`   \param[in] net  borrowed until the close
 * \param[in] steps  how many steps the training takes; used only with staleness above 0
 * \param[in,out] params  [trb_net_size] the same on all ranks; borrowed until the close, updated by the exchange
 * \return the agreed status; also as trb_exchange_check()
 */
trb_status trb_exchange_open(const trb_grid *grid, trb_grid_part part, const trb_exchange_opts *how, const trb_net *net,
                             const trb_optim *opt, uint64_t steps, float *params, trb_exchange **out);
/** Close an exchange; completes what is in flight. Collective over group, unless communication failed. NULL allowed. */
void trb_exchange_close(trb_exchange *x);

/** The lanes of this rank: none for a server; with staleness above 0, as many as a worker claims at a time. Local. */
trb_lanes trb_exchange_lanes(const trb_exchange *x);

/** Wait until the trained parameters [from, to) are those of this step.
 * \param[in,out] exchange  a trb_exchange, as a void pointer so that trb_work_watch() can call this */
void trb_exchange_needs(void *exchange, size_t from, size_t to);

/** Where to write the gradient of the rank's next lane, in ascending order of lanes: [trb_net_size]; every element must
 * be written. Call it after the lane's forward pass, because it waits for all messages of the previous step. */
float *trb_exchange_gradient(trb_exchange *x);

/** Report that the trained part of the current lane's gradient is complete from offset `from` on, and move messages.
 * Local, does not wait. \param[in,out] exchange  a trb_exchange, as a void pointer so that trb_work_watch() can call
 * this */
void trb_exchange_ready(void *exchange, size_t from);

/** Report that the slab of the last trb_exchange_gradient() is complete. Local, does not wait. */
void trb_exchange_lane_done(trb_exchange *x);

/** Set this rank's wish for the next step, such as to stop or to keep it; the next push sends it.
 * \param[in] wish  a small number, 0 for none */
void trb_exchange_wish(trb_exchange *x, unsigned wish);
/** The largest wish of all ranks, after pull. Local. */
unsigned trb_exchange_wished(const trb_exchange *x);

/** Report how this rank's lanes went. Collective over group, does not wait for others.
 * \param[in] st  status of the lanes. A rank that failed must still call lane_done for each of its lanes, and push,
 * whatever its slabs hold
 * \param[in] loss  of these lanes, passed to `told` of trb_exchange_serve() */
trb_status trb_exchange_push(trb_exchange *x, trb_status st, double loss);

/** End the step. Parameters may still be in flight: call trb_exchange_needs() or trb_exchange_gather() before reading
 * them. Collective over group.
 * \return the agreed status of all ranks' pushes (with staleness above 0 that of this rank only); TRB_ENUM if gradients
 * are clipped and their norm is not finite. After a failure the parameters are lost, because some may be updated; only
 * trb_exchange_close() may follow */
trb_status trb_exchange_pull(trb_exchange *x);

/** Whether there are no common steps: kind server, staleness above 0. Local. */
bool trb_exchange_is_free(const trb_exchange *x);

/** Claim a worker's next share, and fetch the parameters for it. Waits for server 0.
 * \param[out] step  the share's step, from 0; `steps` if no share is left   \param[out] lanes  the share's lanes */
trb_status trb_exchange_claim(trb_exchange *x, uint64_t *step, trb_lanes *lanes);

/** Serve until all workers have been told that no share is left, or that a worker has failed. Called on servers.
 * \param[in] told  NULL, or called on server 0 for each share that was applied, with its number of lanes and its loss.
 * It returns whether the parameters are to be kept at the next beginning of a step
 * \param[in] kept  called on server 0 between two steps, when no worker computes and trb_exchange_kept_slab() (if steps
 * can be kept) has the parameters after exactly all shares before `step`. It returns TRB_OK to continue; TRB_STOPPED or
 * a failure ends the serving and is returned. NULL if `told` never asks */
trb_status trb_exchange_serve(trb_exchange *x, bool (*told)(void *ctx, uint64_t step, size_t lanes, double loss),
                              trb_status (*kept)(void *ctx, uint64_t step), void *ctx);

/** Check that the moments of all parameters that this rank updates are finite; one that has overflowed never recovers.
 * Local, between two steps. \return TRB_OK; TRB_ENUM with the parameter's offset in the slab */
trb_status trb_exchange_finite(const trb_exchange *x);

/** Wait until all ranks have all parameters. Collective over group. */
trb_status trb_exchange_gather(trb_exchange *x);

/** Continue after this many steps. Local; before the first step. trb_exchange_put() sets the parameters and moments
 * after those steps. */
void trb_exchange_resume(trb_exchange *x, uint64_t step);
/** Set the values [at, at + n) of a slab [trb_net_size]: parameters (which 0), or a moment (1, 2), where this rank
 * copies only the part that it owns. Local; before the first step. */
void trb_exchange_put(trb_exchange *x, size_t which, size_t at, size_t n, const float *values);

/** Prepare to keep steps for checkpoints. To keep a step, owners copy parameters and moments as they update them, while
 * they are in the processor's caches, and send them to one rank while the next steps are computed.
 *
 * One rank may collect several exchanges: each is a part of the same size in its memory. Collective over `to`.
 * \param[in] to  the group whose rank 0 collects: the exchange's group, or one that contains it
 * \param[in] part,parts  the number of this exchange among the exchanges that `to` consists of; else 0 and 1
 * \return the agreed status */
trb_status trb_exchange_keep_open(trb_exchange *x, trb_comm *to, size_t part, size_t parts);
/** Keep the next step (not with staleness above 0). On all ranks, after trb_exchange_kept() has reported that the last
 * one is through. */
void trb_exchange_keep(trb_exchange *x);
/** Advance the keeping. Local, does not wait. \param[out] through  the rank that collects has received everything;
 * another rank has sent its part */
trb_status trb_exchange_kept(trb_exchange *x, bool *through);
/** The same, but waits until it is through. While this waits, all other ranks must call this or the function above. */
trb_status trb_exchange_kept_wait(trb_exchange *x);
/** On the rank that collects: parameters (which 0) or a moment (1, 2) of a part, [trb_net_size], valid until the next
 * keep. Places that no rank owns are 0. Local. */
const float *trb_exchange_kept_slab(const trb_exchange *x, size_t part, size_t which);

/** What the exchange has cost this rank so far. */
enum { TRB_STALENESS_BINS = 17 };
typedef struct {
    double waited_s;                    /* waiting for parameters, for other ranks' parts of a step, for a share */
    double kept_s;                      /* copying parameters and moments of kept steps */
    uint64_t bytes_sent;                /* allreduce: bytes given to the library, which may send more */
    uint64_t stale[TRB_STALENESS_BINS]; /* server 0: shares by the number of other shares that were applied between
                                           the worker's getting its parameters and the share's application; the last
                                           for more */
} trb_exchange_work;
trb_exchange_work trb_exchange_worked(const trb_exchange *x); /* Local. */

/** Sum doubles, one a lane, in the same tree for any distribution of lanes. Collective over group.
 * \param[in] mine  [count of my lanes]   \param[out] sum  the same bits on every rank */
trb_status trb_exchange_sum(trb_exchange *x, const double *mine, double *sum);

#endif
