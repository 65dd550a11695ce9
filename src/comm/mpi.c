/* Return codes of MPI as statuses, and the abort of the whole job. */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

trb_status trb__mpi(int code, const char *call)
{
    if (code == MPI_SUCCESS) return TRB_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    (void)MPI_Error_string(code, text, &n);
    return trb_fail(TRB_ECOMM, "%s failed: %s", call, text);
}

void trb_comm_panic(trb_status st)
{
    int rank = 0;
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    (void)fprintf(stderr, "tribikos: rank %d: %s\n", rank, trb_fail_message());
    (void)MPI_Abort(MPI_COMM_WORLD, trb_status_exit(st));
    abort();
}
