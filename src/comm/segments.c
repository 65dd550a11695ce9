/* Operations on one segment that all kinds of exchange use: its parts, sending, receiving, tags. */
#include "segments.h"

void trb__part(size_t lo, size_t hi, int d, int radix, size_t *part_lo, size_t *part_hi)
{
    size_t first = 0, count = 0;
    trb_share((hi - lo + TRB__BLOCK - 1) / TRB__BLOCK, d, radix, &first, &count);
    *part_lo = lo + first * TRB__BLOCK;
    *part_hi = lo + (first + count) * TRB__BLOCK;
    if (*part_hi > hi) *part_hi = hi;
}

trb_status trb__settled(trb__segment *s, bool *done)
{
    int through = 1;
    if (s->n_requests > 0)
        TRB_TRY(trb__mpi(MPI_Testall(s->n_requests, s->request, &through, MPI_STATUSES_IGNORE), "MPI_Testall"));
    *done = through != 0;
    if (*done) s->n_requests = 0;
    return TRB_OK;
}

void trb__add_pieces(const trb_exchange *x, const trb__segment *s)
{
    float *slab = x->slabs + s->lo;
    for (size_t i = x->n_pieces; i-- > 1;) trb__add(s->hi - s->lo, slab + (i - 1) * x->size, slab + i * x->size);
}

int trb__tag(const trb_exchange *x, const trb__segment *s, bool spreads)
{
    return 2 * (int)(s - x->segment) + (spreads ? 1 : 0);
}

trb_status trb__send(trb_exchange *x, trb__segment *s, const float *from, size_t n, int rank)
{
    if (n == 0) return TRB_OK;
    x->work.bytes_sent += n * sizeof *from;
    return trb__mpi(MPI_Isend(from, (int)n, MPI_FLOAT, rank, trb__tag(x, s, s->next == TRB__SPREAD), x->group->mpi,
                              &s->request[s->n_requests++]),
                    "MPI_Isend");
}

trb_status trb__receive(trb_exchange *x, trb__segment *s, float *to, size_t n, int rank)
{
    if (n == 0) return TRB_OK;
    return trb__mpi(MPI_Irecv(to, (int)n, MPI_FLOAT, rank, trb__tag(x, s, s->next == TRB__SPREAD), x->group->mpi,
                              &s->request[s->n_requests++]),
                    "MPI_Irecv");
}

bool trb_exchange_is_free(const trb_exchange *x)
{
    return x->how.kind == TRB_EXCHANGE_SERVER && x->how.staleness > 0;
}
