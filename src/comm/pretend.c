/* A group in which this rank is alone, to measure what a rank of a real group would hold. */
#include "internal.h"

trb_status trb_comm_pretend(int size, trb_comm **out)
{
    trb_comm *c = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *c, &c));
    c->mpi = MPI_COMM_NULL;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, (size_t)size, sizeof *c->member, &c->member));
    TRB_GO(trb__mpi(MPI_Comm_dup(MPI_COMM_SELF, &c->mpi), "MPI_Comm_dup"));
    (void)MPI_Comm_set_errhandler(c->mpi, MPI_ERRORS_RETURN);
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &c->world_rank);
    for (int r = 0; r < size; r++) c->member[r] = c->world_rank;
    c->size = size;
    *out = c;
    return TRB_OK;
done:
    if (c != NULL) trb_free(c->member);
    trb_free(c);
    return st;
}
