/** Groups of ranks, and how they agree.
 *
 * The rule of the house: no rank returns on a local failure while others head for a collective. The local part runs,
 * then all call trb_agree(), then all branch the same way. Wherever a header says `Collective over C`, every rank of C
 * must make the call, in the same order.
 */
#ifndef TRB_COMM_H
#define TRB_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "tribikos/memory.h"

typedef struct trb_comm trb_comm;

/** Start MPI (thread level FUNNELED: only the thread that calls this may call anything of this folder), and watch over
 * it as trb_comm_watch() says. Collective over all processes of the job.
 * \param[out] world  the group of all ranks, closed by trb_comm_stop()
 * \return TRB_OK; TRB_ECONFIG if this process is alone although its launcher or batch system started several ranks
 * (each would believe that it is rank 0 of 1); TRB_ECOMM */
trb_status trb_comm_start(int *argc, char ***argv, trb_comm **world);

/** The MPI and its version, e.g. "Open MPI v4.1.4". Local; also before MPI is started; borrowed. */
const char *trb_comm_library(void);

/** End MPI, when all ranks have come here. Collective over world. */
void trb_comm_stop(trb_comm *world);

/** End the whole job at once because a peer may be waiting for ever: prints the recorded line with this rank's number.
 * Local; does not return. */
void trb_comm_panic(trb_status st) __attribute__((noreturn));

int trb_comm_rank(const trb_comm *c); /* Local. */
int trb_comm_size(const trb_comm *c); /* Local. */

/** Split into groups of equal colour, ordered by rank. Collective over c. \param[out] out closed by trb_comm_close() */
trb_status trb_comm_split(trb_comm *c, int color, trb_comm **out);
void trb_comm_close(trb_comm *c); /* Collective over c; NULL allowed. */

/** A group in which this rank is rank 0 of `size`, and alone. What is opened in it takes the memory that it takes in a
 * real group; nothing may be sent. Local. \param[out] out  closed by trb_comm_close() */
trb_status trb_comm_pretend(int size, trb_comm **out);

/** The same among ranks on one host, which can share memory: a node's ranks of one colour. Collective over c. */
trb_status trb_comm_node(trb_comm *c, int color, trb_comm **out);

/** How long waiting may take from now on. Local; call it before trb_comm_start() too, or starting has no limits.
 *
 * A rank that waits polls, and ranks give each other signs of life while they work and wait, and while they read files
 * (alive.h). After stall_s seconds in one wait rank 0 warns who is behind: rank, host, what it is at, seconds; after
 * stall_s seconds without a sign of a rank it warns too, also if nobody waits for that rank. A rank that has not been
 * heard of for timeout_s seconds while another waits for it ends the job. Only rank 0 hears of all others; the others
 * hear of rank 0, and through it of the rank that has been silent for longest. Time during which a rank does not
 * listen, because it is busy or because the whole job is suspended, is no silence of the others.
 * Where MPI cannot be polled (starting and ending it, splitting groups), the limits hold for the time that the call
 * takes, at least two minutes, and nobody can say who is missing.
 * \param[in] stall_s,timeout_s  0: never, as before the first call */
void trb_comm_watch(double stall_s, double timeout_s);

/** Say what this rank is at, and that it is alive; call it at least every few seconds. Local, cheap. */
void trb_comm_phase(const char *phase, uint64_t step);

/** Agree on a status: the worst of all ranks', the lowest rank's among equals. Collective over c.
 *
 * Every rank returns the same status, and if it is a failure every rank's recorded line becomes the culprit's, with the
 * culprit's rank in the job and its host in front ("rank 3 (node7): ..."; no rank is named if the group has only one,
 * if all ranks failed alike, or if the configuration is at fault). A rank that is fine passes TRB_OK.
 */
trb_status trb_agree(trb_comm *c, trb_status st);

/** The same for ranks that share the reading of files: a file that is not what it says would have been met by each of
 * them alone, so no rank is named (but for TRB_EIO and worse, which may be the reader's own). Collective over c. */
trb_status trb_agree_on_files(trb_comm *c, trb_status st);

/** Check that all ranks hold the same 64 bits. Collective over c.
 * \param[in] what  names the thing in the message, e.g. "the configuration"
 * \return TRB_OK; TRB_ECONFIG naming the first rank that differs from rank 0, on every rank */
trb_status trb_comm_same(trb_comm *c, uint64_t value, const char *what);

/** Rank 0's text to all. Collective over c. \param[in] text  read on rank 0 only
 * \param[out] out  a new string on every rank, released with trb_free() */
trb_status trb_comm_bcast_text(trb_comm *c, const char *text, char **out);
trb_status trb_comm_bcast(trb_comm *c, void *bytes, size_t n, int root); /* Collective over c. */
trb_status trb_comm_barrier(trb_comm *c);                                /* Collective over c. */

/** Gather `n` items of `size` bytes from every rank at rank 0, in rank order; n may differ. Collective over c.
 * \param[out] all  at rank 0: [sum of n][size], must be large enough; others: ignored, may be NULL */
trb_status trb_comm_gather(trb_comm *c, const void *items, size_t n, size_t size, void *all);

/** Everyone's `n` doubles to everyone, in rank order; n may differ. Collective over c.
 * \param[out] all  [sum of n] */
trb_status trb_comm_allgather(trb_comm *c, const double *items, size_t n, double *all);

/** Everyone's doubles to everyone, where each belongs to one rank and is 0 on all others. Collective over c.
 * \param[in,out] values  [n] */
trb_status trb_comm_fill(trb_comm *c, double *values, size_t n);

/** The part of `n` things that rank r of P has: a contiguous run, sizes differing by at most one. Local.
 * first = floor(n r / P). */
void trb_share(size_t n, int r, int P, size_t *first, size_t *count);

/** Memory that the ranks of a node hold once.
 *
 * The first rank makes a nameless file in memory, the others open it where the system shows that rank's open files, so
 * nothing is left behind however a job ends, and a container's small /dev/shm does not matter. It is not a window of
 * MPI: in Open MPI 4.1 a rank that is refused the memory returns from MPI_Win_allocate_shared and the others wait in it
 * for ever, which no agreement before it can prevent. */
typedef struct trb_shared trb_shared;

/** Collective over node, a group of trb_comm_node(). The pages are there when it returns; no access can fail for want
 * of them.
 * \param[in]  bytes  the same on every rank; counted as `kind` on the first one
 * \param[out] out    zeroed memory, the same for all; NULL on every rank if there is only one, or if memory cannot be
 * shared here (said once on rank 0): then each rank has to hold its own
 * \return TRB_OK, also without memory; a failure of something else */
trb_status trb_shared_open(trb_comm *node, trb_mem kind, size_t bytes, trb_shared **out);
/** Its first byte, at the beginning of a page. What one rank writes, the others read after their next agreement. Local.
 */
void *trb_shared_at(const trb_shared *s);
void trb_shared_close(trb_shared *s); /* Local: the others keep theirs. NULL allowed. */

/** A queue of items 0..n-1 that are handed out one by one to whoever is free.
 *
 * Rank 0 of `world` holds the counter and answers between its own steps (trb_queue_serve), so no rank has to be kept
 * aside. A group whose item failed reports it; nothing is handed out from then on, but items under way elsewhere are
 * finished, so that nothing done is lost. */
typedef struct trb_queue trb_queue;

/** Collective over world. \param[in] group  the group this rank works in, borrowed; NULL for a rank that only waits
 * (not rank 0), which goes straight to trb_queue_close() */
trb_status trb_queue_open(trb_comm *world, trb_comm *group, size_t n, trb_queue **out);

/** Next item for this group. Collective over the group. \param[in] st how the previous item went on this group (agreed)
 * \param[out] item  n if there is none left (or a group failed)
 * \return TRB_OK, or a communication failure */
trb_status trb_queue_next(trb_queue *q, trb_status st, size_t *item);

/** Answer waiting groups; a no-op but on rank 0 of world. Local, never blocks; call it between steps. */
void trb_queue_serve(void *q);

/** Collective over world; every group must have been told that nothing is left. */
void trb_queue_close(trb_queue *q);

#endif
