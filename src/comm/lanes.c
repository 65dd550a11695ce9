/* Checks that there are enough lanes for all ranks, and says which lanes a rank of an exchange has. */
#include "segments.h"

static trb_status check_servers(const trb_exchange_opts *how, size_t lanes, int ranks)
{
    const uint64_t S = how->servers, P = (uint64_t)ranks;
    if (P <= S)
        return trb_fail(TRB_ECONFIG,
                        "exchange: server on %d rank%s with server.ranks = %llu leaves no worker; start at least %llu "
                        "ranks, or use exchange: ordered",
                        ranks, ranks == 1 ? "" : "s", (unsigned long long)S, (unsigned long long)S + 1);
    const uint64_t W = P - S;
    if (W > lanes)
        return trb_fail(TRB_ECONFIG,
                        "%llu workers (%d ranks, server.ranks = %llu) share a batch of %zu lanes; use at most %llu "
                        "ranks, or at least %llu lanes",
                        (unsigned long long)W, ranks, (unsigned long long)S, lanes, (unsigned long long)(lanes + S),
                        (unsigned long long)W);
    if (how->staleness == 0 || lanes % W == 0) return TRB_OK;
    uint64_t fits = W;
    while (lanes % fits != 0) fits--;
    return trb_fail(TRB_ECONFIG,
                    "server.staleness above 0 cuts a batch into equal shares, but %zu lanes are no multiple of %llu "
                    "workers; use %llu ranks, or %llu lanes",
                    lanes, (unsigned long long)W, (unsigned long long)(fits + S),
                    (unsigned long long)((lanes / W + 1) * W));
}

trb_status trb_exchange_check(const trb_exchange_opts *how, const trb_grid_shape *shape, int ranks)
{
    if (how->kind == TRB_EXCHANGE_SERVER) return check_servers(how, shape->lanes, ranks);
    return trb_grid_check(shape, ranks);
}

size_t trb_exchange_servers(const trb_exchange_opts *how)
{
    return how->kind == TRB_EXCHANGE_SERVER ? (size_t)how->servers : 0;
}

void trb__mark_lanes(const trb_exchange *x, int rank, int mark, int *of)
{
    const trb_lanes l = trb_grid_lanes(&x->grid, x->part, rank);
    for (size_t i = 0; i < l.count; i++) of[l.first + i * l.step] = mark;
}
