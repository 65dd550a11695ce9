/** What the files of src/comm share. */
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

/** Bring all exchanges of this rank on as far as they go without waiting; whoever waits does. */
void trb__progress(void);

/** Give and read signs of life, if it is time. */
void trb__alive(void);

#endif
