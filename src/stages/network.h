/** A network while it is trained: in one part, or in two, the body and the heads of this rank's column (grid.h). */
#ifndef TRB_STAGES_NETWORK_H
#define TRB_STAGES_NETWORK_H

#include "tribikos/exchange.h"

/** What one exchange carries. The ranks of a row hold `of` different ones of it, which lie in different heads of the
 * network; this rank holds number `at`. */
typedef struct {
    trb_net *net;
    float *params; /* [trb_net_size] */
    size_t at, of;
    trb_exchange *x; /* while it is trained */
} trb__network_part;

typedef struct {
    trb_net *net;  /* all of it */
    float *params; /* of all of it; if it is cut only on rank 0, after trb__network_join() */
    size_t n_parts;
    trb__network_part part[2]; /* by trb_grid_part */
    size_t head_lanes;         /* of all its heads; 1 in one part */
    size_t head_lane, n_lanes; /* this rank's: the first one, how many */
    trb_net **lane;            /* [n_lanes] windows on the heads' part, if there is one; else NULL */
} trb__network;

/** Local. \param[in] net  adopted, also after a failure   \param[in] cut  the grid among whose columns the heads are
 * shared; NULL: one part   \param[out] out  closed by trb__network_close(), also after a failure */
trb_status trb__network_open(trb_net *net, const trb_grid *cut, trb__network *out);
/** Have parameters of all parts, zeros. Local. */
trb_status trb__network_reserve(trb__network *n);
void trb__network_close(trb__network *n); /* Local; zeros allowed. */

/** How many parameters a rank holds in all parts. Local. */
size_t trb__network_size(const trb__network *n);

/** Put a slab of the whole network together from slabs of the parts. Local.
 * \param[in] slab  by part: that of its number 0; the others' follow it
 * \param[in] every  from one to the next so many times [trb_net_size of the part]
 * \param[out] whole  [trb_net_size of all] */
trb_status trb__network_fill(const trb__network *n, const float *const *slab, size_t every, float *whole);

/** Have all parameters on rank 0. Collective over the grid in which it is cut; \return the agreed status */
trb_status trb__network_join(trb__network *n, const trb_grid *g);

#endif
