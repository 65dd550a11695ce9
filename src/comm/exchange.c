#include <math.h>
#include <mpi.h>
#include <string.h>

#include "internal.h"
#include "tree.h"
#include "tribikos/exchange.h"
#include "tribikos/memory.h"

/* Slices begin and end at multiples of this many parameters, whatever the number of ranks: squares for the norm are
 * summed by such blocks, and a block of weights, gradient and moments stays in the first-level cache. */
enum { BLOCK = 2048 };

/* A complete subtree of lanes: whose it is and where its sum lies on this rank. */
typedef struct {
    trb__span span;
    int rank;
    float *sum; /* the start of my slice within it; NULL on ranks that do not hold or receive it */
} piece;

typedef struct {
    size_t into, from; /* indices of pieces */
} addition;

struct trb_exchange {
    trb_comm *group;
    const trb_net *net;
    trb_optim opt;
    size_t lanes, size, first, count;
    float *params;
    uint64_t step;
    trb_status status; /* of my push */

    /* Slabs of my lanes: a stack of spans whose k-th entry lies in slab k. */
    float *slabs;
    trb__span *stack;
    size_t depth;

    /* All subtrees of all ranks, in lane order, and how their owner adds them. */
    piece *pieces;
    addition *additions;
    size_t n_pieces, n_mine, n_additions;

    /* My slice [lo, hi) of the parameters. */
    size_t lo, hi;
    float *received, *m, *v;
    double *squares; /* [blocks of all ranks] */
    int *slice_count, *slice_start;

    MPI_Request *requests, agreement;
    int n_requests, worst;
};

static void slice_of(const trb_exchange *x, int rank, size_t *lo, size_t *hi)
{
    size_t first = 0, count = 0;
    trb_share((x->size + BLOCK - 1) / BLOCK, rank, x->group->size, &first, &count);
    *lo = first * BLOCK;
    *hi = (first + count) * BLOCK;
    if (*hi > x->size) *hi = x->size;
    if (*lo > *hi) *lo = *hi;
}

/* Lists every rank's subtrees; they depend on the lanes and the group alone, so every rank finds the same list. */
static trb_status list_pieces(trb_exchange *x)
{
    trb_status st = TRB_OK;
    size_t *waiting = NULL;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *x->pieces, &x->pieces));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *x->additions, &x->additions));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *x->stack, &x->stack));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *waiting, &waiting));
    for (int r = 0; r < x->group->size; r++) {
        size_t first = 0, count = 0;
        trb_share(x->lanes, r, x->group->size, &first, &count);
        const size_t n = trb__subtrees(x->lanes, first, count, x->stack, NULL);
        for (size_t i = 0; i < n; i++) x->pieces[x->n_pieces++] = (piece){.span = x->stack[i], .rank = r};
    }
    /* The additions that are left, as indices: the stack holds the piece into which a span was added up. */
    trb__span *span = x->stack;
    size_t n = 0;
    for (size_t i = 0; i < x->n_pieces; i++) {
        span[n] = x->pieces[i].span;
        waiting[n++] = i;
        while (n >= 2 && trb__siblings(x->lanes, span[n - 2].lo, span[n - 1].lo, span[n - 1].hi)) {
            x->additions[x->n_additions++] = (addition){.into = waiting[n - 2], .from = waiting[n - 1]};
            span[n - 2].hi = span[n - 1].hi;
            n--;
        }
    }
done:
    trb_free(waiting);
    return st;
}

static trb_status reserve(trb_exchange *x)
{
    const int P = x->group->size;
    size_t deepest = 0;
    x->n_mine = trb__subtrees(x->lanes, x->first, x->count, x->stack, &deepest);
    const size_t slice = x->hi - x->lo, moments = trb_optim_moments(&x->opt), others = x->n_pieces - x->n_mine;
    TRB_TRY(trb_alloc(TRB_MEM_GRADIENTS, deepest * x->size, sizeof *x->slabs, &x->slabs));
    TRB_TRY(trb_alloc(TRB_MEM_GRADIENTS, others * slice, sizeof *x->received, &x->received));
    if (moments > 0) TRB_TRY(trb_alloc(TRB_MEM_MOMENTS, slice, sizeof *x->m, &x->m));
    if (moments > 1) TRB_TRY(trb_alloc(TRB_MEM_MOMENTS, slice, sizeof *x->v, &x->v));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (x->size + BLOCK - 1) / BLOCK, sizeof *x->squares, &x->squares));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, others + x->n_mine * (size_t)P, sizeof(MPI_Request), &x->requests));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * (size_t)P, sizeof(int), &x->slice_count));
    x->slice_start = x->slice_count + P;
    int total = 0;
    TRB_TRY(trb_to_int(x->size, &total));
    for (int r = 0; r < P; r++) {
        size_t lo = 0, hi = 0;
        slice_of(x, r, &lo, &hi);
        x->slice_start[r] = (int)lo;
        x->slice_count[r] = (int)(hi - lo);
    }
    float *at = x->received;
    size_t mine = 0;
    for (size_t i = 0; i < x->n_pieces; i++) {
        if (x->pieces[i].rank == x->group->rank) {
            x->pieces[i].sum = x->slabs + mine++ * x->size + x->lo;
        } else {
            x->pieces[i].sum = at;
            at += slice;
        }
    }
    return TRB_OK;
}

trb_status trb_exchange_open(trb_comm *group, trb_exchange_kind kind, const trb_net *net, const trb_optim *opt,
                             size_t lanes, float *params, trb_exchange **out)
{
    (void)kind;
    const int P = group->size;
    if (lanes < (size_t)P)
        return trb_fail(TRB_ECONFIG,
                        "%d ranks share a batch of %zu lanes; use at most %zu ranks or a multiple of %d lanes", P,
                        lanes, lanes, P);
    trb_exchange *x = NULL;
    trb_status st = trb_agree(group, trb_alloc(TRB_MEM_OTHER, 1, sizeof *x, &x));
    if (st != TRB_OK) {
        trb_free(x);
        return st;
    }
    x->group = group;
    x->net = net;
    x->opt = *opt;
    x->opt.lanes = lanes;
    x->lanes = lanes;
    x->size = trb_net_size(net);
    x->params = params;
    trb_share(lanes, group->rank, P, &x->first, &x->count);
    slice_of(x, group->rank, &x->lo, &x->hi);
    st = list_pieces(x);
    if (st == TRB_OK) st = reserve(x);
    st = trb_agree(group, st);
    if (st == TRB_OK)
        *out = x;
    else
        trb_exchange_close(x);
    return st;
}

void trb_exchange_close(trb_exchange *x)
{
    if (x == NULL) return;
    void *const blocks[] = {x->slabs, x->stack, x->pieces,  x->additions, x->received,
                            x->m,     x->v,     x->squares, x->requests,  x->slice_count};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(x);
}

void trb_exchange_lanes(const trb_exchange *x, size_t *first, size_t *count)
{
    *first = x->first;
    *count = x->count;
}

static void add(size_t n, float *restrict into, const float *restrict from)
{
    for (size_t i = 0; i < n; i++) into[i] += from[i];
}

float *trb_exchange_gradient(trb_exchange *x)
{
    return x->slabs + x->depth * x->size;
}

void trb_exchange_lane_done(trb_exchange *x)
{
    const size_t lane = x->depth == 0 ? x->first : x->stack[x->depth - 1].hi;
    x->stack[x->depth++] = (trb__span){lane, lane + 1};
    /* What this rank alone can add, it adds at once, so that the stack stays as deep as the tree is high. */
    while (x->depth >= 2) {
        trb__span *left = &x->stack[x->depth - 2], *right = left + 1;
        if (!trb__siblings(x->lanes, left->lo, right->lo, right->hi)) return;
        float *into = x->slabs + (x->depth - 2) * x->size;
        add(x->size, into, into + x->size);
        left->hi = right->hi;
        x->depth--;
    }
}

trb_status trb_exchange_push(trb_exchange *x, trb_status st)
{
    x->status = st;
    x->depth = 0;
    x->n_requests = 0;
    if (x->group->size == 1) return TRB_OK;
    x->worst = st;
    TRB_TRY(trb__mpi(MPI_Iallreduce(MPI_IN_PLACE, &x->worst, 1, MPI_INT, MPI_MIN, x->group->mpi, &x->agreement),
                     "MPI_Iallreduce"));
    const int me = x->group->rank;
    for (size_t i = 0, mine = 0; i < x->n_pieces; i++) {
        const piece *p = &x->pieces[i];
        if (p->rank != me) {
            TRB_TRY(trb__mpi(MPI_Irecv(p->sum, x->slice_count[me], MPI_FLOAT, p->rank, (int)i, x->group->mpi,
                                       &x->requests[x->n_requests++]),
                             "MPI_Irecv"));
            continue;
        }
        const float *slab = x->slabs + mine++ * x->size;
        for (int r = 0; r < x->group->size; r++) {
            if (r == me) continue;
            TRB_TRY(trb__mpi(MPI_Isend(slab + x->slice_start[r], x->slice_count[r], MPI_FLOAT, r, (int)i, x->group->mpi,
                                       &x->requests[x->n_requests++]),
                             "MPI_Isend"));
        }
    }
    return TRB_OK;
}

/* Add up one block of my slice in tree order; the sum ends in the first piece. */
static const float *sum_block(const trb_exchange *x, size_t at, size_t n)
{
    for (size_t i = 0; i < x->n_additions; i++)
        add(n, x->pieces[x->additions[i].into].sum + at, x->pieces[x->additions[i].from].sum + at);
    return x->pieces[0].sum + at;
}

static size_t block_end(const trb_exchange *x, size_t at)
{
    return at + BLOCK < x->hi ? at + BLOCK : x->hi;
}

/* The factor that brings the gradient's norm down to opt.clip: squares by fixed blocks, blocks in slab order. */
static trb_status clip_scale(trb_exchange *x, float *scale)
{
    double *mine = x->squares + x->lo / BLOCK;
    size_t n_mine = 0;
    for (size_t at = x->lo; at < x->hi; at = block_end(x, at)) {
        const size_t n = block_end(x, at) - at;
        const float *g = sum_block(x, at - x->lo, n);
        const size_t trained = trb_net_trained(x->net); /* running statistics have no part in the norm */
        double sum = 0.0;
        for (size_t i = 0; i < n && at + i < trained; i++) sum += (double)g[i] * (double)g[i];
        mine[n_mine++] = sum;
    }
    const size_t blocks = (x->size + BLOCK - 1) / BLOCK;
    if (x->group->size > 1) {
        int *counts = x->slice_count, *starts = x->slice_start;
        const int P = x->group->size;
        /* Counted in blocks for this one call. */
        for (int r = 0; r < P; r++) {
            counts[r] = (counts[r] + BLOCK - 1) / BLOCK;
            starts[r] = starts[r] / BLOCK;
        }
        const trb_status st = trb__mpi(
            MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, x->squares, counts, starts, MPI_DOUBLE, x->group->mpi),
            "MPI_Allgatherv");
        for (int r = 0; r < P; r++) {
            size_t lo = 0, hi = 0;
            slice_of(x, r, &lo, &hi);
            starts[r] = (int)lo;
            counts[r] = (int)(hi - lo);
        }
        TRB_TRY(st);
    }
    double total = 0.0;
    for (size_t i = 0; i < blocks; i++) total += x->squares[i];
    const double norm = sqrt(total);
    if (!isfinite(norm))
        return trb_fail(TRB_ENUM, "step %llu: the gradient's norm is not finite; try a smaller learning rate",
                        (unsigned long long)x->step + 1);
    *scale = norm > x->opt.clip ? (float)(x->opt.clip / norm) : 1.0F;
    return TRB_OK;
}

trb_status trb_exchange_pull(trb_exchange *x)
{
    const bool alone = x->group->size == 1;
    if (!alone) {
        TRB_TRY(trb__mpi(MPI_Wait(&x->agreement, MPI_STATUS_IGNORE), "MPI_Wait"));
        TRB_TRY(trb__mpi(MPI_Waitall(x->n_requests, x->requests, MPI_STATUSES_IGNORE), "MPI_Waitall"));
        if (x->worst != TRB_OK) return trb_agree(x->group, x->status);
    } else if (x->status != TRB_OK) {
        return x->status;
    }
    const bool clips = x->opt.clip > 0.0;
    float scale = 1.0F;
    if (clips) TRB_TRY(clip_scale(x, &scale));
    x->step++;
    for (size_t at = x->lo; at < x->hi; at = block_end(x, at)) {
        const size_t end = block_end(x, at), in = at - x->lo;
        const float *g = clips ? x->pieces[0].sum + in : sum_block(x, in, end - at);
        trb_optim_update(&x->opt, x->net, x->step, scale, at, end, x->params + at, g, x->m == NULL ? NULL : x->m + in,
                         x->v == NULL ? NULL : x->v + in);
    }
    if (alone) return TRB_OK;
    return trb__mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, x->params, x->slice_count, x->slice_start,
                                   MPI_FLOAT, x->group->mpi),
                    "MPI_Allgatherv");
}

trb_status trb_exchange_sum(trb_exchange *x, const double *mine, double *sum)
{
    trb_status st = TRB_OK;
    double *all = NULL;
    trb__span *span = NULL;
    size_t n = 0;
    st = trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *all, &all);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *span, &span);
    TRB_GO(trb_agree(x->group, st));
    TRB_GO(trb_comm_allgather(x->group, mine, x->count, all));
    for (size_t lane = 0; lane < x->lanes; lane++) {
        span[n] = (trb__span){lane, lane + 1};
        all[n++] = all[lane]; /* n <= lane: the stack grows behind the reading position */
        while (n >= 2 && trb__siblings(x->lanes, span[n - 2].lo, span[n - 1].lo, span[n - 1].hi)) {
            all[n - 2] += all[n - 1];
            span[n - 2].hi = span[n - 1].hi;
            n--;
        }
    }
    *sum = all[0];
done:
    trb_free(span);
    trb_free(all);
    return st;
}
