/** An exchange among all ranks of a group, each of which is a row of a grid. */
#ifndef TRB_TESTS_MPI_PLAIN_H
#define TRB_TESTS_MPI_PLAIN_H

#include "tribikos/exchange.h"

static inline trb_status open_plain(trb_comm *w, const trb_exchange_opts *how, const trb_net *net, const trb_optim *o,
                                    size_t lanes, uint64_t steps, float *params, trb_exchange **x)
{
    const trb_grid grid = trb_grid_plain(w, lanes, trb_exchange_servers(how));
    return trb_exchange_open(&grid, TRB_BODY, how, net, o, steps, params, x);
}

static inline trb_status check_plain(const trb_exchange_opts *how, size_t lanes, int ranks)
{
    const trb_grid_shape shape = {.lanes = lanes, .servers = trb_exchange_servers(how), .columns = 1};
    return trb_exchange_check(how, &shape, ranks);
}

#endif
