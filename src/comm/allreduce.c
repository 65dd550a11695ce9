/* The exchange `allreduce`: MPI's own reduction, segment by segment. Each rank adds up its lanes, MPI_Iallreduce sums
 * over the ranks, and every rank updates all parameters with moments of its own. Nothing is left to spread. */
#include <string.h>

#include "segments.h"
#include "tribikos/memory.h"

static trb_status allreduce_open(trb_exchange *x)
{
    MPI_Request *requests = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->n_segments, sizeof *requests, &requests));
    for (size_t i = 0; i < x->n_segments; i++) {
        trb__segment *s = &x->segment[i];
        s->request = requests + i;
        s->own_lo = s->lo;
        s->own_hi = s->hi;
        s->sum = x->slabs + s->lo;
    }
    return TRB_OK;
}

static void allreduce_close(trb_exchange *x)
{
    if (x->segment != NULL) trb_free(x->segment[0].request);
}

static trb_status allreduce_sum(trb_exchange *x, trb__segment *s, bool *done)
{
    if (!s->posted) {
        const size_t n = s->hi - s->lo;
        float *slab = x->slabs + s->lo;
        if (x->mine.count > 0)
            trb__add_pieces(x, s);
        else
            memset(slab, 0, n * sizeof *slab);
        s->posted = true;
        if (x->group->size > 1) {
            TRB_TRY(
                trb__mpi(MPI_Iallreduce(MPI_IN_PLACE, slab, (int)n, MPI_FLOAT, MPI_SUM, x->group->mpi, &s->request[0]),
                         "MPI_Iallreduce"));
            s->n_requests = 1;
            x->work.bytes_sent += n * sizeof *slab;
        }
    }
    TRB_TRY(trb__settled(s, done));
    s->posted = !*done;
    return TRB_OK;
}

static trb_status allreduce_spread(trb_exchange *x, trb__segment *s, bool *done)
{
    (void)x, (void)s;
    *done = true;
    return TRB_OK;
}

const trb__exchange_ops trb__allreduce = {false,         allreduce_open,   allreduce_close,
                                          allreduce_sum, allreduce_spread, NULL};
