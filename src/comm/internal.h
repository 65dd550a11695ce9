/** What the files of src/comm share. Each uses only those before it in this order: mpi, progress, launcher, guard;
 * watch; comm; queue, node, pretend; tree, add, grid; lanes, segments, keep, update; ordered, allreduce, server;
 * exchange. */
#ifndef TRB_COMM_INTERNAL_H
#define TRB_COMM_INTERNAL_H

#include <mpi.h>

#include "tribikos/comm.h"

#if defined(MPICH_VERSION) && defined(__GNUC__) && !defined(__clang__)
/* In MPICH, MPI_STATUSES_IGNORE is the address 1, which GCC takes for an array without room. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif

struct trb_comm {
    MPI_Comm mpi;
    int rank, size;
    int world_rank; /* this rank in the job, which messages name */
    int *member;    /* [size] the ranks in the job of the group's ranks */
};

/** An MPI return code as a status. Our communicators have MPI_ERRORS_RETURN set, so calls return. */
trb_status trb__mpi(int code, const char *call);

/** Wait for a request that ranks of c have to answer, under the limits of trb_comm_watch(). */
trb_status trb__wait(const trb_comm *c, MPI_Request *request, const char *call);

/** For a caller that polls by itself: call this between two polls. It moves exchanges, gives signs of life and checks
 * the limits. \param[in] since  when the wait began */
void trb__waits(const trb_comm *c, double since);

/** Something that makes progress whenever this rank waits or calls MPI around a layer: an exchange. */
typedef struct trb__ongoing trb__ongoing;
struct trb__ongoing {
    void (*move)(void *ctx); /* makes what progress it can without waiting */
    void *ctx;
    trb__ongoing *next;
};
/** Add it to the list, until it is removed. \param[in] o  borrowed */
void trb__progress_add(trb__ongoing *o);
void trb__progress_remove(trb__ongoing *o);
/** Move all of them. A rank with several exchanges may wait for one of them while another rank needs progress in a
 * different one first. So every wait moves all exchanges. */
void trb__move_all(void);

/** Give and read signs of life if they are due; called during work. */
void trb__signs_of_life(void);

/** Start signs of life, on MPI_COMM_WORLD, which nothing else may use. Local. */
trb_status trb__watch_open(const trb_comm *world);
/** Stop them. Collective over the job, right after a barrier, because this call itself is not watched. */
void trb__watch_close(void);

/** Call these before and after a call of MPI that cannot be polled. The watch's limits then hold for its duration
 * (guard.c). */
void trb__enter(const char *call);
void trb__leave(void);
/** Start a thread that watches this call until trb__unguard(). After stall_s seconds rank 0 warns that the call has not
 * returned; after timeout_s seconds the thread ends the process. Local.
 * \param[in] call  name of the call, borrowed   \param[in] stall_s,timeout_s  0: never */
void trb__guard(const char *call, double stall_s, double timeout_s);
void trb__unguard(void);

/** Make another communicator of the ranks of c. Collective over c; waits as trb__wait() does. */
trb_status trb__duplicate(const trb_comm *c, MPI_Comm *out);
/** Split c by node (MPI_Comm_split_type). Collective over c. Call it right after an agreement, because the call itself
 * cannot say which rank it waits for. */
trb_status trb__split_by_node(const trb_comm *c, MPI_Comm *out);

/** The number of processes that the launcher or the batch system says it started, from the environment; `variable` is
 * the variable that says so, or NULL if none does, and then 1 is returned. And the number of this process, which is
 * needed before MPI starts; 0 if it is not known. */
long trb__announced_size(const char **variable);
long trb__announced_rank(void);
/* How many processes the batch system starts on a node; 0 if it does not say. */
long trb__announced_on_node(void);

/** Make sure that the launcher ends after this job is aborted. Call it before the abort.
 *
 * Open MPI's launcher waits until all its daemons report their end. The daemon of a host that cannot be reached reports
 * nothing, so the launcher, and with it the allocation, would wait for many minutes. This starts a separate process
 * that kills the launcher if it is still there some seconds after the abort. Other launchers (srun) are left alone. */
void trb__see_to_the_end(void);
/** Whether a process with this name (from /proc/PID/comm) is a launcher that may be killed: one of Open MPI 4 or 5, or
 * of MPICH. */
bool trb__is_launcher(const char *command);

#endif
