/** Included in front of all that is compiled for the simulation: calls of MPI that simulated.c stands between. */
#ifndef PREDICT_SIMULATED_H
#define PREDICT_SIMULATED_H

#include <mpi.h>

int simulated_init_thread(int *argc, char ***argv, int wanted, int *level);
int simulated_idup(MPI_Comm c, MPI_Comm *out, MPI_Request *request);
int simulated_isend(const void *from, int n, MPI_Datatype type, int to, int tag, MPI_Comm c, MPI_Request *request);
int simulated_irecv(void *to, int n, MPI_Datatype type, int from, int tag, MPI_Comm c, MPI_Request *request);
int simulated_iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm c,
                         MPI_Request *request);
int simulated_ibcast(void *bytes, int n, MPI_Datatype type, int root, MPI_Comm c, MPI_Request *request);
int simulated_testall(int n, MPI_Request *request, int *through, MPI_Status *ignored);

#define MPI_Init_thread simulated_init_thread
#define MPI_Comm_split_type(c, type, key, info, out) MPI_Comm_dup(MPI_COMM_SELF, out)
#define MPI_Comm_idup simulated_idup
#define MPI_Isend simulated_isend
#define MPI_Irecv simulated_irecv
#define MPI_Iallreduce simulated_iallreduce
#define MPI_Ibcast simulated_ibcast
#define MPI_Testall simulated_testall

#endif
