/* What an owner does with a sum: the norm of the gradient, and the update by the optimiser. */
#include <math.h>

#include "segments.h"

/* The update works on UPDATE parameters at a time, which fit into the first-level cache with their gradient and
 * moments. */
enum { UPDATE = 2048 };

void trb__update(trb_exchange *x, const trb__segment *s)
{
    for (size_t at = s->own_lo; at < s->own_hi; at += UPDATE) {
        const size_t end = at + UPDATE < s->own_hi ? at + UPDATE : s->own_hi, in = at - s->own_lo;
        trb_optim_update(&x->opt, x->net, x->step, x->scale, at, end, x->params + at, s->sum + in,
                         x->m == NULL ? NULL : x->m + s->moments + in, x->v == NULL ? NULL : x->v + s->moments + in);
        trb__keep_copy(x, s, at, end);
    }
}

trb_status trb__find_scale(trb_exchange *x, double factor)
{
    x->scale = (float)factor;
    if (x->squares == NULL) return TRB_OK;
    for (size_t i = 0; i < x->n_blocks; i++) x->squares[i] = 0.0;
    for (size_t i = 0; i < x->n_trained; i++) { /* running statistics do not count in the norm */
        const trb__segment *s = &x->segment[i];
        double *square = x->squares + s->blocks + (s->own_lo - s->lo) / TRB__BLOCK;
        for (size_t k = 0; k < s->own_hi - s->own_lo; k++)
            square[k / TRB__BLOCK] += (double)s->sum[k] * (double)s->sum[k];
    }
    /* Each block has one owner and is 0 elsewhere, so the sum over ranks adds no rounding. */
    if (x->group->size > 1 && x->kind->has_owners && !trb_exchange_is_free(x)) {
        MPI_Request request;
        TRB_TRY(trb__mpi(
            MPI_Iallreduce(MPI_IN_PLACE, x->squares, (int)x->n_blocks, MPI_DOUBLE, MPI_SUM, x->group->mpi, &request),
            "MPI_Iallreduce"));
        TRB_TRY(trb__wait(x->group, &request, "MPI_Iallreduce"));
    }
    double total = 0.0;
    for (size_t i = 0; i < x->n_blocks; i++) total += x->squares[i];
    const double norm = factor * sqrt(total);
    if (!isfinite(norm))
        return trb_fail(TRB_ENUM, "step %llu: the gradient's norm is not finite; try a smaller learning rate",
                        (unsigned long long)x->step);
    if (norm > x->opt.clip) x->scale = (float)(factor * (x->opt.clip / norm));
    return TRB_OK;
}

trb_status trb__update_all(trb_exchange *x, double factor)
{
    TRB_TRY(trb__find_scale(x, factor));
    for (size_t i = 0; i < x->n_segments; i++) trb__update(x, &x->segment[i]);
    return TRB_OK;
}
