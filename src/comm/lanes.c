#include "segments.h"

/* Who computes which lanes, and whether there are enough. */

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

trb_status trb_exchange_check(const trb_exchange_opts *how, size_t lanes, int ranks)
{
    const int columns = how->columns > 1 ? (int)how->columns : 1, rows = ranks / columns;
    if (how->kind == TRB_EXCHANGE_SERVER) return check_servers(how, lanes, ranks);
    if (ranks % columns != 0)
        return trb_fail(TRB_ECONFIG, "%d ranks in rows of %d head groups; use %d ranks", ranks, columns,
                        rows > 0 ? rows * columns : columns);
    if ((size_t)rows <= lanes) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "%d ranks share a batch of %zu lanes; use at most %zu ranks, or at least %d lanes",
                    ranks, lanes, lanes * (size_t)columns, rows);
}

trb_lanes trb_exchange_share(const trb_exchange_opts *how, size_t lanes, int r, int P)
{
    const int S = how->kind == TRB_EXCHANGE_SERVER ? (int)how->servers : 0;
    const int columns = how->columns > 1 ? (int)how->columns : 1;
    trb_lanes mine = {.step = (size_t)columns};
    if (r < S) return mine;
    size_t first = 0, count = 0;
    const size_t column = (size_t)((r - S) % columns);
    trb_share(lanes, (r - S) / columns, (P - S) / columns, &first, &count);
    mine.first = first + column;
    if (count > column) mine.count = (count - column - 1) / (size_t)columns + 1;
    return mine;
}

void trb__mark_lanes(const trb_exchange *x, int rank, int mark, int *of)
{
    const trb_lanes l = trb_exchange_share(&x->how, x->lanes, rank, x->group->size);
    for (size_t i = 0; i < l.count; i++) of[l.first + i * l.step] = mark;
}
