/** What the files of src/comm share. */
#ifndef TRB_COMM_INTERNAL_H
#define TRB_COMM_INTERNAL_H

#include <mpi.h>

#include "tribikos/comm.h"

struct trb_comm {
    MPI_Comm mpi;
    int rank, size;
    int world_rank; /* of the job; what messages name */
};

/** An MPI return code as a status; MPI_ERRORS_RETURN is set on every communicator of ours. */
trb_status trb__mpi(int code, const char *call);

#endif
