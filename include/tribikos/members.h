/** How good the members of a cache are, by the cache's own labels, and whether their outputs are logits at all.
 *
 * Members from elsewhere are files that some program has written. A cache with right digests can still hold
 * probabilities instead of logits, one member twice, or rows in another order than the labels. These functions look at
 * the logits of view 0. All functions are local.
 */
#ifndef TRB_MEMBERS_H
#define TRB_MEMBERS_H

#include "tribikos/cache.h"

typedef struct trb_members trb_members;

/** \param[in] c  borrowed until the destroy */
trb_status trb_members_create(const trb_cache *c, trb_members **out);
void trb_members_destroy(trb_members *f); /* NULL allowed */
/** Check every byte of one shard, as trb_cache_verify_unit(), and add up what it says of its member. */
trb_status trb_members_read(trb_members *f, size_t unit);

/** The figures of a member whose shards of view 0 were all read. */
typedef struct {
    /* NAN unless the cache has labels and logits of classes. */
    double accuracy;
    double nll;    /* nats a sample */
    double chance; /* the accuracy that its answers would have if the labels were shuffled, and three deviations more */
} trb_member_figures;
trb_member_figures trb_members_figures(const trb_members *f, size_t m);
/** Say in one sentence why a member's outputs are suspicious, and what to do. \return NULL if they are not */
enum { TRB_MEMBERS_DOUBT = 400 };
const char *trb_members_doubt(const trb_members *f, size_t m, char text[TRB_MEMBERS_DOUBT]);

/** Refuse a cache whose member m gives probabilities in the first block of view 0, in all rows. It reads one block, and
 * no digest. \return TRB_OK; TRB_EINTEGRITY */
trb_status trb_members_expect_logits(const trb_cache *c, size_t m);

#endif
