/* Keyed random numbers (rng.h) from blocks of Philox4x64-10, four words of 64 bits each. */
#include "tribikos/rng.h"

#include <math.h>
#include <string.h>

#include <Random123/philox.h>

trb_rng trb_rng_open(uint64_t seed, trb_use use, uint64_t member, uint64_t epoch, uint64_t item)
{
    trb_rng r = {.key = {seed, ((uint64_t)use << 48) ^ member}, .counter = {item, epoch, 0, 0}, .used = 4};
    return r;
}

uint64_t trb_rng_u64(trb_rng *r)
{
    if (r->used == 4) {
        philox4x64_ctr_t c;
        philox4x64_key_t k;
        memcpy(c.v, r->counter, sizeof r->counter);
        memcpy(k.v, r->key, sizeof r->key);
        c = philox4x64(c, k);
        memcpy(r->block, c.v, sizeof r->block);
        r->counter[2]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

float trb_rng_uniform(trb_rng *r)
{
    return (float)(trb_rng_u64(r) >> 40) * 0x1p-24F;
}

float trb_rng_normal(trb_rng *r)
{
    /* u lies in (0, 1], so that its logarithm is finite. */
    const double u = ((double)(trb_rng_u64(r) >> 11) + 1.0) * 0x1p-53;
    const double v = (double)(trb_rng_u64(r) >> 11) * 0x1p-53;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v));
}

uint64_t trb_rng_below(trb_rng *r, uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)trb_rng_u64(r) * n;
    /* Without this rejection some results would be more likely than others. */
    if ((uint64_t)product < n) {
        const uint64_t threshold = -n % n;
        while ((uint64_t)product < threshold) product = (wide)trb_rng_u64(r) * n;
    }
    return (uint64_t)(product >> 64);
}

void trb_rng_permutation(trb_rng *r, size_t n, int64_t *order)
{
    for (size_t i = 0; i < n; i++) {
        const size_t j = (size_t)trb_rng_below(r, i + 1);
        order[i] = order[j];
        order[j] = (int64_t)i;
    }
}
