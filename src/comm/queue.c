/* The queue of items (comm.h). The first rank of a group asks rank 0 of the world with the status of its last item, and
 * receives the number of its next one; `n` means that nothing is left. The messages have a communicator of their own,
 * so that they never meet other traffic. */
#include <mpi.h>

#include "internal.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

enum { TAG_ASK = 1, TAG_ANSWER = 2 };

struct trb_queue {
    trb_comm *world, *group;
    MPI_Comm mpi;
    int rank;
    uint64_t n, next; /* next is used on rank 0 only */
    uint64_t *holds;  /* rank 0: [ranks of the world] the item of the group that this rank leads, from 1; 0: none */
    void (*idle)(void *ctx);
    void *idle_ctx;
    int groups_left; /* rank 0: groups that have not yet been told that nothing is left */
};

trb_status trb_queue_open(trb_comm *world, trb_comm *group, size_t n, trb_queue **out)
{
    trb_queue *q = NULL;
    uint64_t *holds = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *q, &q);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, (size_t)world->size, sizeof *holds, &holds);
    st = trb_agree(world, st);
    if (st != TRB_OK) {
        trb_free(holds);
        trb_free(q);
        return st;
    }
    q->holds = holds;
    q->world = world;
    q->group = group;
    q->rank = world->rank;
    q->n = n;
    const int leads = group != NULL && group->rank == 0;
    MPI_Request request;
    st = trb__duplicate(world, &q->mpi);
    if (st == TRB_OK)
        st = trb__mpi(MPI_Iallreduce(&leads, &q->groups_left, 1, MPI_INT, MPI_SUM, q->mpi, &request), "MPI_Iallreduce");
    if (st == TRB_OK) st = trb__wait(world, &request, "MPI_Iallreduce");
    if (st != TRB_OK) {
        trb_free(holds);
        trb_free(q);
        return st;
    }
    *out = q;
    return TRB_OK;
}

/* Rank 0: the next item for the group of this rank, which asks. After a failure nothing is handed out any more. */
static uint64_t answer(trb_queue *q, int rank, int status)
{
    if (status != TRB_OK) q->next = q->n;
    q->holds[rank] = q->next < q->n ? q->next + 1 : 0;
    if (q->next < q->n) return q->next++;
    q->groups_left--;
    return q->n;
}

void trb_queue_serve(void *queue)
{
    trb_queue *q = queue;
    trb__signs_of_life();
    if (q == NULL || q->rank != 0) return;
    for (;;) {
        int waiting = 0, status = 0;
        MPI_Status from;
        if (MPI_Iprobe(MPI_ANY_SOURCE, TAG_ASK, q->mpi, &waiting, &from) != MPI_SUCCESS || !waiting) return;
        (void)MPI_Recv(&status, 1, MPI_INT, from.MPI_SOURCE, TAG_ASK, q->mpi, MPI_STATUS_IGNORE);
        const uint64_t item = answer(q, from.MPI_SOURCE, status);
        /* This does not block: it is eight bytes, and the receiver already waits for them. */
        (void)MPI_Send(&item, 1, MPI_UINT64_T, from.MPI_SOURCE, TAG_ANSWER, q->mpi);
    }
}

trb_status trb_queue_next(trb_queue *q, trb_status st, size_t *item)
{
    uint64_t next = q->n;
    if (q->rank == 0) {
        trb_queue_serve(q);
        next = answer(q, 0, st);
    } else if (q->group->rank == 0) {
        const int status = st;
        TRB_TRY(trb__mpi(MPI_Send(&status, 1, MPI_INT, 0, TAG_ASK, q->mpi), "MPI_Send"));
        MPI_Request request;
        TRB_TRY(trb__mpi(MPI_Irecv(&next, 1, MPI_UINT64_T, 0, TAG_ANSWER, q->mpi, &request), "MPI_Irecv"));
        TRB_TRY(trb__wait(q->world, &request, "MPI_Irecv"));
    }
    TRB_TRY(trb_comm_bcast(q->group, &next, sizeof next, 0));
    *item = next;
    return TRB_OK;
}

size_t trb_queue_handed(const trb_queue *q)
{
    return q->next;
}

bool trb_queue_holds(const trb_queue *q, int rank, size_t *item)
{
    if (q->holds[rank] == 0) return false;
    *item = q->holds[rank] - 1;
    return true;
}

void trb_queue_idle(trb_queue *q, void (*idle)(void *ctx), void *ctx)
{
    q->idle = idle;
    q->idle_ctx = ctx;
}

void trb_queue_close(trb_queue *q)
{
    if (q == NULL) return;
    const double since = trb_now_s();
    /* Rank 0 stays until it has told every group that nothing is left. The other ranks only come here after that. */
    while (q->rank == 0 && q->groups_left > 0) {
        trb__waits(q->world, since);
        trb_queue_serve(q);
        if (q->idle != NULL) q->idle(q->idle_ctx);
    }
    (void)MPI_Comm_free(&q->mpi);
    trb_free(q->holds);
    trb_free(q);
}
