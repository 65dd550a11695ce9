/* The grid of ranks (grid.h): who computes what, and what the ranks of a row send each other in a round.
 *
 * A round: trb_rounds_gather() brings up to G items to all columns. For each item, in order, a column answers with all
 * its head lanes, adds them up as far as the tree allows, and sends the pieces to the item's column. trb_rounds_sum()
 * then receives the pieces of this column's own item and adds them up. */
#include "tribikos/grid.h"

#include <limits.h>

#include "internal.h"
#include "tree.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

/* ---- who computes what */

trb_status trb_grid_check(const trb_grid_shape *shape, int ranks)
{
    const int columns = (int)shape->columns, rows = ranks / columns;
    if (ranks % columns != 0)
        return trb_fail(TRB_ECONFIG, "%d ranks in rows of %d head groups; use %d ranks", ranks, columns,
                        rows > 0 ? rows * columns : columns);
    if ((size_t)rows <= shape->lanes) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "%d ranks share a batch of %zu lanes; use at most %zu ranks, or at least %d lanes",
                    ranks, shape->lanes, shape->lanes * shape->columns, rows);
}

typedef struct {
    int row, column, rows; /* row -1: this rank is a server, or there are too few ranks for a row */
} place;

static place place_of(const trb_grid *g, int r)
{
    const int servers = (int)g->shape.servers, columns = (int)g->shape.columns;
    const int rows = (g->world->size - servers) / columns;
    if (r < servers || rows == 0) return (place){.row = -1, .rows = rows};
    return (place){.row = (r - servers) / columns, .column = (r - servers) % columns, .rows = rows};
}

static trb_lanes of_row(const trb_grid *g, int row, int rows)
{
    trb_lanes lanes = {.step = 1};
    if (row >= 0) trb_share(g->shape.lanes, row, rows, &lanes.first, &lanes.count);
    return lanes;
}

trb_comm *trb_grid_group(const trb_grid *g, trb_grid_part part)
{
    return part == TRB_BODY ? g->world : g->column;
}

trb_lanes trb_grid_lanes(const trb_grid *g, trb_grid_part part, int r)
{
    const place at = place_of(g, part == TRB_BODY ? r : 0);
    if (part == TRB_HEADS) return of_row(g, r, at.rows); /* a column has one rank of each row */
    const trb_lanes row = of_row(g, at.row, at.rows);
    const size_t first = (size_t)at.column, step = g->shape.columns;
    return (trb_lanes){
        .first = row.first + first, .count = row.count > first ? (row.count - first - 1) / step + 1 : 0, .step = step};
}

/* ---- groups */

static trb_grid without_groups(trb_comm *world, const trb_grid_shape *shape)
{
    trb_grid g = {.shape = *shape, .world = world};
    const place at = place_of(&g, world->rank);
    g.at = (size_t)at.column;
    g.lanes = trb_grid_lanes(&g, TRB_BODY, world->rank);
    g.row_lanes = of_row(&g, at.row, at.rows);
    trb_share(shape->head_lanes, at.column, (int)shape->columns, &g.head_lane, &g.n_lanes);
    trb_share(shape->members, at.column, (int)shape->columns, &g.member, &g.n_members);
    return g;
}

trb_grid trb_grid_plain(trb_comm *world, size_t lanes, size_t servers)
{
    const trb_grid_shape shape = {.lanes = lanes, .servers = servers, .columns = 1, .head_lanes = 1, .members = 1};
    return without_groups(world, &shape);
}

trb_status trb_grid_open(trb_comm *world, const trb_grid_shape *shape, trb_grid *out)
{
    *out = without_groups(world, shape);
    if (shape->head_lanes == 1) return TRB_OK;
    const place at = place_of(out, world->rank);
    TRB_TRY(trb_comm_split(world, at.row, &out->row));
    return trb_comm_split(world, at.column, &out->column);
}

trb_status trb_grid_pretend(trb_comm *world, const trb_grid_shape *shape, trb_grid *out)
{
    *out = without_groups(world, shape);
    if (shape->head_lanes == 1) return TRB_OK;
    const int rows = place_of(out, 0).rows;
    TRB_TRY(trb_comm_pretend((int)shape->columns, &out->row));
    return trb_comm_pretend(rows > 0 ? rows : 1, &out->column);
}

void trb_grid_close(trb_grid *g)
{
    trb_comm_close(g->column);
    trb_comm_close(g->row);
    g->row = g->column = NULL;
}

/* ---- rounds */

struct trb_rounds {
    trb_comm *comm;
    size_t H, n;
    size_t first, own;   /* this column's head lanes */
    size_t item, lane;   /* the item under way, and how many of its head lanes are answered */
    size_t depth, n_own; /* pieces of the item on the stack now, and when all lanes are answered */
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

static trb_status plan(trb_rounds *r)
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

static trb_status reserve(trb_rounds *r)
{
    const size_t G = (size_t)r->comm->size;
    if (r->n > INT_MAX / G) /* MPI counts positions in the gathered items in int */
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

trb_status trb_rounds_open(const trb_grid *g, size_t n, trb_rounds **out)
{
    trb_rounds *r = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *r, &r);
    if (st == TRB_OK) {
        r->comm = g->row;
        r->H = g->shape.head_lanes;
        r->n = n;
        r->first = g->head_lane;
        r->own = g->n_lanes;
        st = reserve(r);
    }
    st = trb_agree(g->row, st);
    if (st == TRB_OK)
        *out = r;
    else
        trb_rounds_close(r);
    return st;
}

void trb_rounds_close(trb_rounds *r)
{
    if (r == NULL) return;
    trb__meeting_clear(&r->meeting);
    void *const blocks[] = {r->stack, r->features, r->slabs, r->received, r->piece, r->count, r->request};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(r);
}

trb_status trb_rounds_gather(trb_rounds *r, size_t items, const float *mine, const float **all)
{
    MPI_Request request;
    const int n = (int)r->n;
    for (int c = 0; c < r->comm->size; c++) {
        r->count[c] = (size_t)c < items ? n : 0;
        r->start[c] = (size_t)c < items ? c * n : 0;
    }
    *all = r->features;
    if (mine == NULL) mine = r->slabs; /* any numbers: the others expect n of them */
    TRB_TRY(trb__mpi(MPI_Iallgatherv(mine, r->count[r->comm->rank], MPI_FLOAT, r->features, r->count, r->start,
                                     MPI_FLOAT, r->comm->mpi, &request),
                     "MPI_Iallgatherv"));
    const double since = trb_now_s();
    const trb_status st = trb__wait(r->comm, &request, "MPI_Iallgatherv");
    r->waited_s += trb_now_s() - since;
    r->bytes_sent += (size_t)(r->count[r->comm->rank] * (r->comm->size - 1)) * sizeof *mine;
    return st;
}

void trb_rounds_worked(const trb_rounds *r, double *waited_s, uint64_t *bytes_sent)
{
    *waited_s = r->waited_s;
    *bytes_sent = r->bytes_sent;
}

float *trb_rounds_answer(trb_rounds *r)
{
    return r->slabs + (r->item * r->own + r->depth) * r->n;
}

/* Sends the pieces of an item, which are the complete subtrees of this column's head lanes, to the item's column. One
 * tag is enough: pieces are sent in the order of head lanes, and messages between two ranks do not overtake each other.
 */
static trb_status send_pieces(trb_rounds *r)
{
    if ((int)r->item == r->comm->rank) return TRB_OK;
    r->bytes_sent += r->depth * r->n * sizeof *r->slabs;
    for (size_t i = 0; i < r->depth; i++)
        TRB_TRY(trb__mpi(MPI_Isend(r->slabs + (r->item * r->own + i) * r->n, (int)r->n, MPI_FLOAT, (int)r->item, 0,
                                   r->comm->mpi, &r->request[r->n_requests++]),
                         "MPI_Isend"));
    return TRB_OK;
}

static trb_status receive_pieces(trb_rounds *r)
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

/* Adds the answer to the subtrees that it completes. The last head lane of an item completes its pieces, which are
 * sent. */
trb_status trb_rounds_answered(trb_rounds *r)
{
    const size_t lane = r->first + r->lane, top = r->depth;
    float *slab = trb_rounds_answer(r);
    r->depth = trb__push_span(r->H, r->stack, r->depth, (trb__span){lane, lane + 1});
    for (size_t i = top + 1; i > r->depth; i--, slab -= r->n) trb__add(r->n, slab - r->n, slab);
    if (++r->lane < r->own) return TRB_OK;
    TRB_TRY(send_pieces(r));
    r->item++;
    r->lane = r->depth = 0;
    return TRB_OK;
}

trb_status trb_rounds_sum(trb_rounds *r, size_t items, const float **sum)
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
