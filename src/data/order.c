/* Which samples are held out, and the order of an epoch. Both follow from seeds and numbers alone, never from ranks. */
#include "tribikos/data.h"

#include "tribikos/memory.h"
#include "tribikos/rng.h"

trb_status trb_data_split(uint64_t seed, size_t N, size_t n_val, int64_t *train, int64_t *val)
{
    if (n_val >= N)
        return trb_fail(TRB_ECONFIG, "`data.validation` is %zu, but the training set has only %zu samples", n_val, N);
    int64_t *order = NULL;
    bool *held_out = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, N, sizeof *order, &order));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, N, sizeof *held_out, &held_out));
    trb_rng r = trb_rng_open(seed, TRB_USE_SPLIT, 0, 0, 0);
    trb_rng_permutation(&r, N, order);
    for (size_t i = N - n_val; i < N; i++) held_out[order[i]] = true;
    for (size_t i = 0; i < N; i++) {
        if (held_out[i])
            *val++ = (int64_t)i;
        else
            *train++ = (int64_t)i;
    }
done:
    trb_free(order);
    trb_free(held_out);
    return st;
}

void trb_data_order(uint64_t seed, uint64_t member, uint64_t epoch, size_t n, const int64_t *ids, int64_t *order)
{
    trb_rng r = trb_rng_open(seed, TRB_USE_ORDER, member, epoch, 0);
    trb_rng_permutation(&r, n, order);
    for (size_t i = 0; i < n; i++) order[i] = ids[order[i]];
}
