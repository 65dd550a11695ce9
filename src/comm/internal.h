/** What the files of src/comm share. Each uses only those before it in this order: mpi, progress, launcher, guard; watch;
 * comm; queue, node, pretend; tree, add, row; lanes, segments, keep, update; ordered, allreduce, server; exchange. */
#ifndef TRB_COMM_INTERNAL_H
#define TRB_COMM_INTERNAL_H

#include <mpi.h>

#include "tribikos/comm.h"

#if defined(MPICH_VERSION) && defined(__GNUC__) && !defined(__clang__)
/* There MPI_STATUSES_IGNORE is the address 1, which GCC takes for an array without room. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif

struct trb_comm {
    MPI_Comm mpi;
    int rank, size;
    int world_rank; /* of the job; what messages name */
    int *member;    /* [size] the ranks of the group in the job */
};

/** An MPI return code as a status; MPI_ERRORS_RETURN is set on every communicator of ours. */
trb_status trb__mpi(int code, const char *call);

/** Wait for a request that ranks of c serve, as trb_comm_watch() says. */
trb_status trb__wait(const trb_comm *c, MPI_Request *request, const char *call);

/** The same for who polls by himself: between two polls; exchanges go on meanwhile. \param[in] since  when the waiting
 * began */
void trb__waits(const trb_comm *c, double since);

/** Something that goes on while this rank waits, and whenever it calls MPI around a layer: an exchange. */
typedef struct trb__ongoing trb__ongoing;
struct trb__ongoing {
    void (*move)(void *ctx); /* as far as it goes without waiting */
    void *ctx;
    trb__ongoing *next;
};
/** From now on, until it is removed. \param[in] o  borrowed */
void trb__progress_add(trb__ongoing *o);
void trb__progress_remove(trb__ongoing *o);
/** Move all of them. Any of a rank's several exchanges may be what another rank waits for, before it goes on to what
 * this one waits for, so that they move together; whoever waits does it. */
void trb__move_all(void);

/** Give and read signs of life, if it is time; for who works. */
void trb__signs_of_life(void);

/** Signs of life from now on, on MPI_COMM_WORLD, which nothing else may use. Local. */
trb_status trb__watch_open(const trb_comm *world);
/** Collective over the job, whose ranks should just have met. */
void trb__watch_close(void);

/** Around a call of MPI that cannot be polled: the watch's limits hold for it as far as they can (guard.c). */
void trb__enter(const char *call);
void trb__leave(void);
/** From now until trb__unguard() a thread says after stall_s seconds that the call waits, if this is rank 0, and ends
 * the process after timeout_s. Local. \param[in] call  borrowed   \param[in] stall_s,timeout_s  0: never */
void trb__guard(const char *call, double stall_s, double timeout_s);
void trb__unguard(void);

/** A communicator of its own for the ranks of c. Collective over c; waits as trb__wait() does. */
trb_status trb__duplicate(const trb_comm *c, MPI_Comm *out);
/** MPI_Comm_split_type by node. Collective over c, whose ranks should just have agreed on something: the call itself
 * cannot say whom it waits for. */
trb_status trb__split_by_node(const trb_comm *c, MPI_Comm *out);

/** The number of processes that were started, and the variable that says so (NULL: none does, and 1 is returned); the
 * number of this one, known before MPI is, or 0. */
long trb__announced_size(const char **variable);
long trb__announced_rank(void);

/** Open MPI's launcher ends a job only when all its daemons say that they are done, and the one of a host that cannot
 * be reached says nothing: the launcher, and with it the allocation, would wait for many minutes. So if it is still
 * there some seconds after the job was aborted, a process that has nothing to do with the job any more kills it. Others
 * (srun) are left alone. Call it before the job is aborted. */
void trb__see_to_the_end(void);
/** Whether a process of this name, as /proc/PID/comm has it, is a launcher that may be killed: one of Open MPI 4 or 5,
 * or of MPICH. */
bool trb__is_launcher(const char *command);

#endif
