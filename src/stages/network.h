/** A network while it is trained. It has one part, or two: the body, and the heads of this rank's column (grid.h). */
#ifndef TRB_STAGES_NETWORK_H
#define TRB_STAGES_NETWORK_H

#include "tribikos/exchange.h"

/** The parameters that one exchange carries. The heads of a network that is cut are divided among the `of` columns of
 * the grid; this rank holds division number `at`. Otherwise `of` is 1. */
typedef struct {
    trb_net *net;
    float *params; /* [trb_net_size] */
    size_t at, of;
    trb_exchange *x; /* while it is trained */
} trb__network_part;

typedef struct {
    trb_net *net;  /* the whole network */
    float *params; /* of the whole network; if it is cut, only on rank 0 after trb__network_join() */
    size_t n_parts;
    trb__network_part part[2]; /* by trb_grid_part */
    size_t head_lanes;         /* of the whole network; 1 if it has one part */
    size_t head_lane, n_lanes; /* this rank's head lanes: the first one, and how many */
    trb_net **lane;            /* [n_lanes] windows on the part of the heads; NULL if the network has one part */
} trb__network;

/** Local. \param[in] net  adopted, after a failure too
 * \param[in] cut   the grid whose columns share the heads; NULL: one part
 * \param[out] out  closed by trb__network_close(), after a failure too */
trb_status trb__network_open(trb_net *net, const trb_grid *cut, trb__network *out);
/** Reserve the parameters of all parts and set them to 0. Local. */
trb_status trb__network_reserve(trb__network *n);
void trb__network_close(trb__network *n); /* Local; zeros allowed. */

/** How many parameters a rank holds in all parts. Local. */
size_t trb__network_size(const trb__network *n);

/** Put a slab of the whole network together from slabs of the parts. Local.
 * \param[in] slab   for each part, the slab of division 0; those of the other divisions follow it in memory
 * \param[in] every  the distance from one division to the next, in units of [trb_net_size of the part]
 * \param[out] whole  [trb_net_size of the whole network] */
trb_status trb__network_fill(const trb__network *n, const float *const *slab, size_t every, float *whole);

/** Collect all parameters on rank 0. Collective over the grid in which the network is cut. \return the agreed status */
trb_status trb__network_join(trb__network *n, const trb_grid *g);

#endif
