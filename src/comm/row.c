#include "tribikos/row.h"

#include <limits.h>

#include "internal.h"
#include "tree.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

struct trb_row {
    trb_comm *comm;
    size_t H, n;
    size_t first, own;   /* this column's head lanes */
    size_t item, lane;   /* under way: which item, how many of its head lanes are answered */
    size_t depth, n_own; /* pieces of the item on the stack; how many they are when all lanes are answered */
    trb__span *stack;    /* [own] */
    trb__meeting meeting;
    float *features;    /* [G][n] */
    float *slabs;       /* [G][own][n] pieces of each item */
    float *received;    /* [pieces of others][n] */
    float **piece;      /* [pieces] of this column's item */
    int *count, *start; /* [G] of a gather */
    MPI_Request *request;
    int n_requests;
    double waited_s;
    uint64_t bytes_sent;
};

static trb_status plan(trb_row *r)
{
    int *party = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, r->H, sizeof *party, &party));
    for (int c = 0; c < r->comm->size; c++) {
        size_t first = 0, count = 0;
        trb_share(r->H, c, r->comm->size, &first, &count);
        for (size_t h = first; h < first + count; h++) party[h] = c;
    }
    const trb_status st = trb__meet(r->H, party, &r->meeting);
    trb_free(party);
    return st;
}

static trb_status reserve(trb_row *r)
{
    const size_t G = (size_t)r->comm->size;
    if (r->n > INT_MAX / G) /* MPI's places in the gathered items are int */
        return trb_fail(TRB_ECONFIG, "%zu columns of %zu numbers each are more than MPI can count (%d)", G, r->n,
                        INT_MAX);
    TRB_TRY(plan(r));
    const size_t pieces = r->meeting.n_pieces;
    for (size_t i = 0; i < pieces; i++) r->n_own += r->meeting.whose[i] == r->comm->rank;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, r->own, sizeof *r->stack, &r->stack));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, G * r->n, sizeof *r->features, &r->features));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, G * r->own * r->n, sizeof *r->slabs, &r->slabs));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, (pieces - r->n_own) * r->n, sizeof *r->received, &r->received));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, pieces, sizeof *r->piece, &r->piece));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * G, sizeof *r->count, &r->count));
    r->start = r->count + G;
    return trb_alloc(TRB_MEM_OTHER, pieces + G * r->n_own, sizeof *r->request, &r->request);
}

trb_status trb_row_open(trb_comm *row, size_t H, size_t n, trb_row **out)
{
    trb_row *r = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *r, &r);
    if (st == TRB_OK) {
        r->comm = row;
        r->H = H;
        r->n = n;
        trb_share(H, row->rank, row->size, &r->first, &r->own);
        st = reserve(r);
    }
    st = trb_agree(row, st);
    if (st == TRB_OK)
        *out = r;
    else
        trb_row_close(r);
    return st;
}

void trb_row_close(trb_row *r)
{
    if (r == NULL) return;
    trb__meeting_clear(&r->meeting);
    void *const blocks[] = {r->stack, r->features, r->slabs, r->received, r->piece, r->count, r->request};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(r);
}

size_t trb_row_own(const trb_row *r)
{
    return r->own;
}

trb_status trb_row_gather(trb_row *r, size_t items, const float *mine, const float **all)
{
    MPI_Request request;
    const int n = (int)r->n;
    for (int c = 0; c < r->comm->size; c++) {
        r->count[c] = (size_t)c < items ? n : 0;
        r->start[c] = (size_t)c < items ? c * n : 0;
    }
    *all = r->features;
    if (mine == NULL) mine = r->slabs; /* anything, so that the others get as much as they wait for */
    TRB_TRY(trb__mpi(MPI_Iallgatherv(mine, r->count[r->comm->rank], MPI_FLOAT, r->features, r->count, r->start,
                                     MPI_FLOAT, r->comm->mpi, &request),
                     "MPI_Iallgatherv"));
    const double since = trb_now_s();
    const trb_status st = trb__wait(r->comm, &request, "MPI_Iallgatherv");
    r->waited_s += trb_now_s() - since;
    r->bytes_sent += (size_t)(r->count[r->comm->rank] * (r->comm->size - 1)) * sizeof *mine;
    return st;
}

void trb_row_worked(const trb_row *r, double *waited_s, uint64_t *bytes_sent)
{
    *waited_s = r->waited_s;
    *bytes_sent = r->bytes_sent;
}

float *trb_row_answer(trb_row *r)
{
    return r->slabs + (r->item * r->own + r->depth) * r->n;
}

/* The pieces of an item, which are the complete subtrees of this column's head lanes, to the column whose item it is.
 * They go in the order of head lanes, and messages between two ranks do not overtake each other. */
static trb_status send_pieces(trb_row *r)
{
    if ((int)r->item == r->comm->rank) return TRB_OK;
    r->bytes_sent += r->depth * r->n * sizeof *r->slabs;
    for (size_t i = 0; i < r->depth; i++)
        TRB_TRY(trb__mpi(MPI_Isend(r->slabs + (r->item * r->own + i) * r->n, (int)r->n, MPI_FLOAT, (int)r->item, 0,
                                   r->comm->mpi, &r->request[r->n_requests++]),
                         "MPI_Isend"));
    return TRB_OK;
}

static trb_status receive_pieces(trb_row *r)
{
    float *to = r->received, *own = r->slabs + (size_t)r->comm->rank * r->own * r->n;
    for (size_t i = 0; i < r->meeting.n_pieces; i++) {
        const int whose = r->meeting.whose[i];
        r->piece[i] = whose == r->comm->rank ? own : to;
        if (whose == r->comm->rank) {
            own += r->n;
            continue;
        }
        TRB_TRY(trb__mpi(MPI_Irecv(to, (int)r->n, MPI_FLOAT, whose, 0, r->comm->mpi, &r->request[r->n_requests++]),
                         "MPI_Irecv"));
        to += r->n;
    }
    return TRB_OK;
}

trb_status trb_row_answered(trb_row *r)
{
    const size_t lane = r->first + r->lane, top = r->depth;
    float *slab = trb_row_answer(r);
    r->depth = trb__push_span(r->H, r->stack, r->depth, (trb__span){lane, lane + 1});
    for (size_t i = top + 1; i > r->depth; i--, slab -= r->n) trb__add(r->n, slab - r->n, slab);
    if (++r->lane < r->own) return TRB_OK;
    TRB_TRY(send_pieces(r));
    r->item++;
    r->lane = r->depth = 0;
    return TRB_OK;
}

trb_status trb_row_sum(trb_row *r, size_t items, const float **sum)
{
    const bool has_item = (size_t)r->comm->rank < items;
    const double since = trb_now_s();
    int through = 0;
    if (has_item) TRB_TRY(receive_pieces(r));
    for (;; trb__waits(r->comm, since)) {
        TRB_TRY(trb__mpi(MPI_Testall(r->n_requests, r->request, &through, MPI_STATUSES_IGNORE), "MPI_Testall"));
        if (through) break;
    }
    r->waited_s += trb_now_s() - since;
    r->n_requests = 0;
    r->item = 0;
    for (size_t i = 0; has_item && i < r->meeting.n_additions; i++)
        trb__add(r->n, r->piece[r->meeting.addition[i].into], r->piece[r->meeting.addition[i].from]);
    *sum = has_item ? r->piece[0] : NULL;
    return TRB_OK;
}
