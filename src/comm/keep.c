/* Keeping a step for a checkpoint. Every rank copies the part that it owns right after the update, and sends the copy
 * as one message while the next steps are computed. Rank 0 of `to` has a table of where the parts of each message
 * belong and receives them in place.
 *
 *   flag    meaning                                         what ends it
 *   wanted  trb_exchange_keep() was called                  the next step begins
 *   on      this step is kept; parts are copied             all parts of this rank are updated; messages are begun
 *   sends   messages are in flight                          they are complete: the step is through
 *
 * A new step may be wanted while messages of an earlier one are still in flight; its begin then waits for them. */
#include <string.h>

#include "segments.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

struct trb__keep {
    trb_comm *to;
    size_t part, slabs, owned; /* slabs: how many a part has, for parameters and moments */
    float *own;                /* [slabs][owned]; NULL on the rank that collects */
    float *whole;              /* [parts][slabs][size] on the rank that collects, else NULL */
    bool wanted, on, sends;    /* the states above */
    bool contributes;
    int n_messages;
    MPI_Datatype *type;   /* [ranks of `to`] where a rank's message belongs; on other ranks [1]: the own copy */
    MPI_Request *request; /* likewise */
};

/* These tags differ from those of the segments, which count from 0. */
static int tag(const trb_exchange *x)
{
    return 30000 + (x->keep->to == x->group ? 0 : 1);
}

/* The MPI type of one rank's message in the memory of the rank that collects: in each slab, what that rank owns of each
 * segment. */
static trb_status make_type(const trb_exchange *x, const uint64_t *range, size_t part, MPI_Datatype *type)
{
    const trb__keep *k = x->keep;
    const size_t n = k->slabs * x->n_segments;
    int *length = NULL;
    MPI_Aint *at = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *length, &length);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n, sizeof *at, &at);
    for (size_t j = 0; st == TRB_OK && j < k->slabs; j++) {
        for (size_t i = 0; i < x->n_segments; i++) {
            length[j * x->n_segments + i] = (int)(range[2 * i + 1] - range[2 * i]); /* a segment's length fits */
            at[j * x->n_segments + i] =
                (MPI_Aint)((((part * k->slabs) + j) * x->size + range[2 * i]) * sizeof *k->whole);
        }
    }
    if (st == TRB_OK)
        st = trb__mpi(MPI_Type_create_hindexed((int)n, length, at, MPI_FLOAT, type), "MPI_Type_create_hindexed");
    if (st == TRB_OK) st = trb__mpi(MPI_Type_commit(type), "MPI_Type_commit");
    trb_free(length);
    trb_free(at);
    return st;
}

/* Rank 0 learns what each rank of `to` has: the number of its part, and what it owns of each segment. */
static trb_status exchange_table(trb_exchange *x, uint64_t *mine, uint64_t *all)
{
    const size_t n = 2 * x->n_segments + 1;
    const trb__keep *k = x->keep;
    mine[0] = k->part;
    for (size_t i = 0; i < x->n_segments; i++) {
        const trb__segment *s = &x->segment[i];
        mine[1 + 2 * i] = s->own_lo;
        mine[2 + 2 * i] = k->contributes ? s->own_hi : s->own_lo;
    }
    TRB_TRY(trb_comm_gather(k->to, mine, 1, n * sizeof *mine, all));
    trb_status st = TRB_OK;
    for (int r = 1; all != NULL && st == TRB_OK && r < k->to->size; r++)
        st = make_type(x, all + (size_t)r * n + 1, (size_t)all[(size_t)r * n], &k->type[r]);
    if (st == TRB_OK && all == NULL) {
        int owned = 0;
        st = trb_to_int(k->owned, &owned);
        if (st == TRB_OK) st = trb__mpi(MPI_Type_contiguous(owned, MPI_FLOAT, &k->type[0]), "MPI_Type_contiguous");
        if (st == TRB_OK) st = trb__mpi(MPI_Type_commit(&k->type[0]), "MPI_Type_commit");
    }
    return trb_agree(k->to, st);
}

static trb_status reserve(trb_exchange *x, size_t parts, uint64_t **mine, uint64_t **all)
{
    trb__keep *k = x->keep;
    const bool collects = k->to->rank == 0;
    const size_t ranks = collects ? (size_t)k->to->size : 1, n = 2 * x->n_segments + 1;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof **mine, mine));
    if (collects) TRB_TRY(trb_alloc(TRB_MEM_OTHER, ranks * n, sizeof **all, all));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, ranks, sizeof *k->type, &k->type));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, ranks, sizeof *k->request, &k->request));
    k->n_messages = (int)ranks;
    for (size_t r = 0; r < ranks; r++) {
        k->type[r] = MPI_DATATYPE_NULL;
        k->request[r] = MPI_REQUEST_NULL;
    }
    if (collects) return trb_alloc(TRB_MEM_CHECKPOINT, parts * k->slabs * x->size, sizeof *k->whole, &k->whole);
    return trb_alloc(TRB_MEM_CHECKPOINT, k->slabs * k->owned, sizeof *k->own, &k->own);
}

trb_status trb_exchange_keep_open(trb_exchange *x, trb_comm *to, size_t part, size_t parts)
{
    uint64_t *mine = NULL, *all = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *x->keep, &x->keep);
    if (st == TRB_OK) {
        x->keep->to = to;
        x->keep->part = part;
        x->keep->slabs = 1 + trb_optim_moments(&x->opt);
        x->keep->contributes = x->kind->has_owners || x->group->rank == 0;
        for (size_t i = 0; x->keep->contributes && i < x->n_segments; i++)
            x->keep->owned += x->segment[i].own_hi - x->segment[i].own_lo;
        st = reserve(x, parts, &mine, &all);
    }
    st = trb_agree(to, st);
    if (st == TRB_OK) st = exchange_table(x, mine, all);
    trb_free(mine);
    trb_free(all);
    return st;
}

/* Completes messages in flight first, because others wait for them, even after a step that failed. */
void trb__keep_close(trb_exchange *x)
{
    trb__keep *k = x->keep;
    if (k == NULL) return;
    k->wanted = false;
    if (k->request != NULL) (void)trb_exchange_kept_wait(x);
    for (int r = 0; k->type != NULL && r < k->n_messages; r++)
        if (k->type[r] != MPI_DATATYPE_NULL) (void)MPI_Type_free(&k->type[r]);
    void *const blocks[] = {k->own, k->whole, k->type, k->request};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(k);
    x->keep = NULL;
}

void trb_exchange_keep(trb_exchange *x)
{
    x->keep->wanted = true;
}

void trb__keep_copy(trb_exchange *x, const trb__segment *s, size_t from, size_t to)
{
    const trb__keep *k = x->keep;
    if (k == NULL || !k->on || !k->contributes) return;
    const double start = trb_now_s();
    const size_t in = s->moments + (from - s->own_lo);
    const float *const kept[] = {x->params + from, x->m == NULL ? NULL : x->m + in, x->v == NULL ? NULL : x->v + in};
    for (size_t j = 0; j < k->slabs; j++) {
        float *place =
            k->own == NULL ? k->whole + (k->part * k->slabs + j) * x->size + from : k->own + j * k->owned + in;
        memcpy(place, kept[j], (to - from) * sizeof *place);
    }
    x->work.kept_s += trb_now_s() - start;
}

/* Whether this rank has updated all that it owns in this step. */
static bool is_updated(const trb_exchange *x)
{
    for (size_t i = 0; i < x->n_segments; i++)
        if (x->segment[i].next == TRB__SUM || x->segment[i].next == TRB__UPDATE) return false;
    return true;
}

static trb_status post(trb_exchange *x)
{
    trb__keep *k = x->keep;
    if (k->own != NULL)
        return k->owned == 0 ? TRB_OK
                             : trb__mpi(MPI_Isend(k->own, (int)k->slabs, k->type[0], 0, tag(x), k->to->mpi, k->request),
                                        "MPI_Isend");
    for (int r = 1; r < k->to->size; r++) {
        int bytes = 0;
        TRB_TRY(trb__mpi(MPI_Type_size(k->type[r], &bytes), "MPI_Type_size"));
        if (bytes != 0)
            TRB_TRY(trb__mpi(MPI_Irecv(k->whole, 1, k->type[r], r, tag(x), k->to->mpi, &k->request[r]), "MPI_Irecv"));
    }
    return TRB_OK;
}

static trb_status test_messages(trb__keep *k)
{
    int there = 1;
    TRB_TRY(trb__mpi(MPI_Testall(k->n_messages, k->request, &there, MPI_STATUSES_IGNORE), "MPI_Testall"));
    k->sends = there == 0;
    return TRB_OK;
}

trb_status trb_exchange_kept(trb_exchange *x, bool *through)
{
    trb__keep *k = x->keep;
    *through = !k->wanted && !k->on && !k->sends;
    if (k->on && !is_updated(x)) return TRB_OK;
    if (k->on) {
        k->on = false;
        k->sends = true;
        TRB_TRY(post(x));
    }
    if (!k->sends) return TRB_OK;
    TRB_TRY(test_messages(k));
    *through = !k->sends;
    return TRB_OK;
}

/* The previous step is complete here, so its copies are sent before new ones take their place. If this step is kept
 * while copies of an earlier one are still in flight, as when the run is to stop, all ranks wait here until those have
 * arrived. */
trb_status trb__keep_begin(trb_exchange *x)
{
    trb__keep *k = x->keep;
    bool through = false;
    if (k == NULL) return TRB_OK;
    if (k->on) TRB_TRY(trb_exchange_kept(x, &through));
    const double since = trb_now_s();
    while (k->wanted && k->sends) {
        TRB_TRY(test_messages(k));
        if (k->sends) trb__waits(k->to, since);
    }
    k->on = k->wanted;
    k->wanted = false;
    return TRB_OK;
}

trb_status trb_exchange_kept_wait(trb_exchange *x)
{
    const double since = trb_now_s();
    for (bool through = false;;) {
        TRB_TRY(x->broken);
        TRB_TRY(trb_exchange_kept(x, &through));
        if (through) return TRB_OK;
        trb__waits(x->keep->to, since);
    }
}

trb_status trb__keep_now(trb_exchange *x)
{
    if (x->keep == NULL) return TRB_OK;
    TRB_TRY(trb_exchange_kept_wait(x));
    x->keep->on = true;
    for (size_t i = 0; i < x->n_segments; i++) {
        const trb__segment *s = &x->segment[i];
        trb__keep_copy(x, s, s->own_lo, s->own_hi);
    }
    bool through = false;
    return trb_exchange_kept(x, &through);
}

const float *trb_exchange_kept_slab(const trb_exchange *x, size_t part, size_t which)
{
    const trb__keep *k = x->keep;
    return k->whole + (part * k->slabs + which) * x->size;
}

/* Copies those of the values [at, at + n) of a slab of moments that this rank owns in the segment. */
static void put_moment(const trb__segment *s, float *moment, size_t at, size_t n, const float *values)
{
    const size_t lo = s->own_lo > at ? s->own_lo : at, hi = s->own_hi < at + n ? s->own_hi : at + n;
    if (lo < hi) memcpy(moment + s->moments + (lo - s->own_lo), values + (lo - at), (hi - lo) * sizeof *moment);
}

void trb_exchange_put(trb_exchange *x, size_t which, size_t at, size_t n, const float *values)
{
    float *const moment[] = {x->m, x->v};
    if (which == 0)
        memcpy(x->params + at, values, n * sizeof *values);
    else
        for (size_t i = 0; i < x->n_segments; i++) put_moment(&x->segment[i], moment[which - 1], at, n, values);
}

void trb_exchange_resume(trb_exchange *x, uint64_t step)
{
    const uint64_t updates = trb_exchange_is_free(x) ? (uint64_t)x->group->size - x->how.servers : 1;
    x->step = step * updates;
}
