/** Random numbers that do not depend on which rank draws them.
 *
 * Counter-based (Philox4x64-10; Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", through the
 * Random123 library): a number is a pure function of (seed, use, member, epoch, item, index). The rank is
 * no part of it. So any rank can draw any number, in any order, and a resumed run needs no saved generator state.
 */
#ifndef TRB_RNG_H
#define TRB_RNG_H

#include <stddef.h>
#include <stdint.h>

/** What a stream is used for. Streams of two uses never share numbers, whatever their other coordinates are. */
typedef enum {
    TRB_USE_INIT = 1,
    TRB_USE_ORDER,
    TRB_USE_DROPOUT,
    TRB_USE_SPLIT,
    TRB_USE_VIEW,
    TRB_USE_TEST,
    TRB_USE_AUGMENT,
    TRB_USE_CHOICE,  /* which view a student takes of a sample */
    TRB_USE_CORRUPT, /* corruptions of samples, for evaluation */
    TRB_USE_MEMBER   /* which member's gradient a block of a stored view follows */
} trb_use;

/** A stream: its coordinates, and the block drawn last. Plain data: a copy continues from the same place on its own. */
typedef struct {
    uint64_t key[2];     /* seed; use and member */
    uint64_t counter[4]; /* item, epoch, block index, 0 */
    uint64_t block[4];
    unsigned used; /* words of `block` that were handed out */
} trb_rng;

/** Open the stream of (seed, use, member, epoch, item). Local.
 *
 * \param[in] member  network number: the member, or for a student the number that its seed stands for
 * \param[in] item    a sample's id, a tensor's number: what distinguishes streams of one use
 */
trb_rng trb_rng_open(uint64_t seed, trb_use use, uint64_t member, uint64_t epoch, uint64_t item);

/** Next 64 random bits. Local. */
uint64_t trb_rng_u64(trb_rng *r);

/** Uniform in [0, 1): 24 random bits, exact in float. Local. */
float trb_rng_uniform(trb_rng *r);

/** Standard normal (Box-Muller in double, rounded once). Local. */
float trb_rng_normal(trb_rng *r);

/** Uniform integer in [0, n), without bias (Lemire 2019, arXiv:1805.10941). Local. n > 0 */
uint64_t trb_rng_below(trb_rng *r, uint64_t n);

/** A random permutation of 0..n-1 (Fisher-Yates). Local. \param[out] order [n], overwritten */
void trb_rng_permutation(trb_rng *r, size_t n, int64_t *order);

#endif
