/** Groups of ranks, agreement between them, the watch over dead ranks, shared memory of a node, a queue of items.
 *
 * No rank may return on a local failure while others go on to a collective call: they would wait for ever. So each rank
 * does its local part, then all call trb_agree(), then all take the same branch. Where a header says `Collective over
 * C`, every rank of C must make the call, and all ranks must make such calls in the same order.
 */
#ifndef TRB_COMM_H
#define TRB_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "tribikos/memory.h"

typedef struct trb_comm trb_comm;

/** Start MPI (thread level FUNNELED: only the thread that calls this may call functions of this folder), within
 * the limits of trb_comm_watch(). Collective over all processes of the job.
 * \param[out] world  the group of all ranks, closed by trb_comm_stop()
 * \return TRB_OK; TRB_ECONFIG; TRB_ECOMM */
trb_status trb_comm_start(int *argc, char ***argv, trb_comm **world);

/** Whether this process is to do the work of a command that needs no MPI: it was started by no launcher, or it is rank 0
 * as the launcher says. Any other process is told so in a warning. Local. */
bool trb_comm_leads(void);
/** Whether the launcher has started more ranks on this node than it has cores. Local. */
bool trb_comm_crowded(void);
/** Refuse a world of one process although the launcher or batch system says that there are several: each of them would
 * run the whole job as rank 0 of 1. Commands that only look at a configuration need no launcher, also inside an
 * allocation, and do not call this. Local.
 * \return TRB_OK; TRB_ECONFIG */
trb_status trb_comm_expect_launched(const trb_comm *world);

/** The MPI library and its version, e.g. "Open MPI v4.1.4". Local, also before MPI is started; borrowed. */
const char *trb_comm_library(void);

/** End MPI after all ranks have come here. Collective over world. */
void trb_comm_stop(trb_comm *world);

/** Abort the whole job, because other ranks might wait for ever. Prints the recorded line with this rank's number.
 * Local; does not return. */
void trb_comm_panic(trb_status st) __attribute__((noreturn));

int trb_comm_rank(const trb_comm *c); /* Local. */
int trb_comm_size(const trb_comm *c); /* Local. */

/** Split c into groups of ranks with equal colour, ordered by rank. Collective over c. \param[out] out closed by
 * trb_comm_close() */
trb_status trb_comm_split(trb_comm *c, int color, trb_comm **out);
void trb_comm_close(trb_comm *c); /* Collective over c; NULL allowed. */

/** A group in which this rank is rank 0 of `size` without the other ranks. Objects opened in it take as much memory as
 * in a real group, which `tribikos plan` measures; nothing may be sent. Local. \param[out] out  closed by
 * trb_comm_close() */
trb_status trb_comm_pretend(int size, trb_comm **out);

/** How many of `ranks` ranks a node gets: as many as the batch system says, or else one for each `threads` processors
 * of this machine. Local. \return 1 or more */
size_t trb_comm_node_ranks(size_t ranks, size_t threads);

/** Split c into groups of ranks that are on one node, and so can share memory, and have equal colour. Collective over
 * c. */
trb_status trb_comm_node(trb_comm *c, int color, trb_comm **out);

/** Set how long a wait for other ranks may take. Local. Call it before trb_comm_start() too; otherwise starting has no
 * limits.
 *
 * Ranks send each other signs of life while they work, wait and read files (alive.h). Rank 0 warns after stall_s
 * seconds in one wait, and names the ranks that it waits for: rank, host, what it does, seconds. It also warns if it
 * has had no sign of a rank for stall_s seconds, even if no rank waits for that one. If a rank waits for one that has
 * given no sign for timeout_s seconds, it ends the job.
 *
 * Rank 0 receives the signs of all others. The others receive those of rank 0, which also names the rank that has been
 * silent for longest. Time during which a rank does not read signs, because it is busy or the whole job is suspended,
 * does not count as silence of the others.
 *
 * Some calls of MPI cannot be polled (starting and ending it, splitting groups). For them the limits hold for the
 * duration of the call, with a timeout of at least two minutes, and messages cannot name the rank that is missing.
 * \param[in] stall_s,timeout_s  0: never, as before the first call */
void trb_comm_watch(double stall_s, double timeout_s);

/** Set what this rank is doing, for messages, and give a sign of life. Call it at least every few seconds. Local,
 * cheap. */
void trb_comm_phase(const char *phase, uint64_t step);

/** Set what this rank, as the first one of its group, works on: item number `item` of a queue, of which the share
 * `done` is done, and `before` was done before this job. Signs of life tell it to rank 0. Local, cheap.
 * \param[in] working  false: it works on no item */
void trb_comm_work(bool working, size_t item, double before, double done);
/** What a rank works on, as rank 0 of the world knows it from its own calls and from signs of life. Local.
 * \return false if the rank works on no item, or is no first one of a group */
bool trb_comm_work_of(int rank, size_t *item, double *before, double *done);

/** Agree on a status: the worst of all ranks; among equals that of the lowest rank. Collective over c.
 *
 * Every rank passes its own status, TRB_OK if all went well. Every rank returns the agreed status. If it is a failure,
 * every rank's recorded line becomes that of the rank that failed, with its number in the job and its host in front
 * ("rank 3 (node7): ..."). No rank is named if the group has only one, if all ranks failed alike, after a stop, or if
 * the configuration is wrong.
 */
trb_status trb_agree(trb_comm *c, trb_status st);

/** The same for ranks that divide the reading of files among them. No rank is named if a file is malformed or damaged,
 * because it would be so for any rank; TRB_EIO and worse may be the fault of the rank and name it. Collective over c.
 */
trb_status trb_agree_on_files(trb_comm *c, trb_status st);

/** Check that `value` is the same on all ranks. Collective over c.
 * \param[in] what  names the thing in the message, e.g. "the configuration"
 * \return TRB_OK; TRB_ECONFIG naming the first rank that differs from rank 0, on every rank */
trb_status trb_comm_same(trb_comm *c, uint64_t value, const char *what);

/** Send rank 0's text to all ranks. Collective over c. \param[in] text  read on rank 0 only
 * \param[out] out  a new string on every rank, released with trb_free() */
trb_status trb_comm_bcast_text(trb_comm *c, const char *text, char **out);
trb_status trb_comm_bcast(trb_comm *c, void *bytes, size_t n, int root); /* Collective over c. */
trb_status trb_comm_barrier(trb_comm *c);                                /* Collective over c. */

/** Gather `n` items of `size` bytes from every rank at rank 0, in rank order; n may differ. Collective over c.
 * \param[out] all  at rank 0: [sum of n][size], must be large enough; others: ignored, may be NULL */
trb_status trb_comm_gather(trb_comm *c, const void *items, size_t n, size_t size, void *all);

/** Gather `n` doubles from every rank at every rank, in rank order; n may differ. Collective over c.
 * \param[out] all  [sum of n] */
trb_status trb_comm_allgather(trb_comm *c, const double *items, size_t n, double *all);

/** Complete an array on all ranks, where each value belongs to one rank and is 0 on all others. Collective over c.
 * \param[in,out] values  [n] */
trb_status trb_comm_fill(trb_comm *c, double *values, size_t n);

/** The share of rank r of P in `n` things: a contiguous run; sizes differ by at most one. Local.
 * first = floor(n r / P). */
void trb_share(size_t n, int r, int P, size_t *first, size_t *count);

/** Memory that all ranks of a node share, so that the node holds it once.
 *
 * The first rank makes a file in memory without a name, and the others open it through /proc. So nothing remains
 * however the job ends, and a container's small /dev/shm does not matter. It is not a window of MPI: if Open MPI 4.1
 * refuses the memory to one rank, that rank returns from MPI_Win_allocate_shared and the others wait in it for ever,
 * which no agreement before the call can prevent. */
typedef struct trb_shared trb_shared;

/** Collective over node, a group of trb_comm_node(). All pages are reserved when it returns, so no later access can run
 * out of memory.
 * \param[in]  bytes  the same on every rank; counted as `kind` on the first one
 * \param[out] out    the shared memory, zeroed; NULL on every rank if the node has only one, or if memory cannot be
 * shared here (rank 0 prints this once). Then each rank has to hold its own copy
 * \return TRB_OK, also if `out` is NULL; or a failure that is not a lack of memory */
trb_status trb_shared_open(trb_comm *node, trb_mem kind, size_t bytes, trb_shared **out);
/** Its first byte, at the beginning of a page. Other ranks see what a rank has written after the next agreement. Local.
 */
void *trb_shared_at(const trb_shared *s);
void trb_shared_close(trb_shared *s); /* Local: other ranks still have it. NULL allowed. */

/** A queue that hands out items 0..n-1 one by one to groups of ranks as they become free.
 *
 * Rank 0 of `world` holds the counter and answers between its own steps (trb_queue_serve), so no rank has to be
 * reserved for this. If an item fails, no more items are handed out; items under way in other groups are finished, so
 * that their work is not lost. */
typedef struct trb_queue trb_queue;

/** Collective over world. \param[in] group  the group that this rank works in, borrowed; NULL for a rank that takes no
 * items (not for rank 0) and calls trb_queue_close() at once */
trb_status trb_queue_open(trb_comm *world, trb_comm *group, size_t n, trb_queue **out);

/** Next item for this group. Collective over the group. \param[in] st  the agreed status of this group's previous item
 * \param[out] item  n if no item is left, or an item of any group has failed
 * \return TRB_OK, or a communication failure */
trb_status trb_queue_next(trb_queue *q, trb_status st, size_t *item);

/** Answer groups that ask for an item; does nothing on other ranks than rank 0 of world. Local, never blocks; call it
 * between steps. */
void trb_queue_serve(void *q);

/** How many items were handed out so far, and which one the group has that a rank of world leads; rank 0 of world only.
 * Local. \return false if that group has none */
size_t trb_queue_handed(const trb_queue *q);
bool trb_queue_holds(const trb_queue *q, int rank, size_t *item);

/** Call a function on rank 0 of world while it waits in trb_queue_close(). Local. */
void trb_queue_idle(trb_queue *q, void (*idle)(void *ctx), void *ctx);

/** Collective over world. Every group must have got the answer that no item is left. */
void trb_queue_close(trb_queue *q);

#endif
