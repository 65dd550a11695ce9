/* Sums of losses for each lane and head lane. */
#include "losses.h"

#include <string.h>

#include "tribikos/memory.h"

trb_status trb__losses_open(const trb_grid *g, const trb__network *n, trb__losses *out)
{
    trb_exchange *x = n->part[n->n_parts - 1].x;
    *out = (trb__losses){.grid = g, .network = n, .x = x, .lanes = trb_exchange_lanes(x).count};
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n->n_lanes * out->lanes, sizeof *out->sum, &out->sum));
    return trb_alloc(TRB_MEM_OTHER, n->head_lanes + n->n_lanes, sizeof *out->all, &out->all);
}

void trb__losses_close(trb__losses *l)
{
    trb_free(l->sum);
    trb_free(l->all);
}

void trb__losses_add(trb__losses *l, size_t head_lane, size_t lane, double loss)
{
    l->sum[head_lane * l->lanes + lane] += loss;
}

void trb__losses_reset(trb__losses *l)
{
    memset(l->sum, 0, l->network->n_lanes * l->lanes * sizeof *l->sum);
}

double trb__losses_mine(const trb__losses *l)
{
    double sum = 0.0;
    for (size_t i = 0; i < l->network->n_lanes * l->lanes; i++) sum += l->sum[i];
    return sum;
}

/* Sum over lanes, for each head lane of the network, on all ranks. */
static trb_status sum_lanes(trb__losses *l)
{
    const trb__network *n = l->network;
    double *mine = l->all + n->head_lanes;
    trb_status st = TRB_OK;
    if (n->n_parts == 1) return trb_exchange_sum(l->x, l->sum, l->all);
    for (size_t i = 0; st == TRB_OK && i < n->n_lanes; i++)
        st = trb_exchange_sum(l->x, l->sum + i * l->lanes, &mine[i]);
    TRB_TRY(trb_agree(l->grid->world, st)); /* columns sum separately, so one may fail alone; rows come next */
    return trb_agree(l->grid->world, trb_comm_allgather(l->grid->row, mine, n->n_lanes, l->all));
}

trb_status trb__losses_total(trb__losses *l, double *sum)
{
    TRB_TRY(sum_lanes(l));
    trb__losses_reset(l);
    *sum = 0.0;
    for (size_t i = 0; i < l->network->head_lanes; i++) *sum += l->all[i];
    return TRB_OK;
}

/* The place of lane k of this rank's head lane i among all sums of the training. */
static size_t place_of(const trb__losses *l, size_t i, size_t k)
{
    const trb_lanes lanes = trb_exchange_lanes(l->x);
    return (l->network->head_lane + i) * l->grid->shape.lanes + lanes.first + k * lanes.step;
}

trb_status trb__losses_show(const trb__losses *l, double *all)
{
    for (size_t i = 0; i < l->network->n_lanes; i++)
        for (size_t k = 0; k < l->lanes; k++) all[place_of(l, i, k)] = l->sum[i * l->lanes + k];
    return trb_comm_fill(l->grid->world, all, l->network->head_lanes * l->grid->shape.lanes);
}

void trb__losses_resume(trb__losses *l, const double *all)
{
    for (size_t i = 0; i < l->network->n_lanes; i++)
        for (size_t k = 0; k < l->lanes; k++) l->sum[i * l->lanes + k] = all[place_of(l, i, k)];
}
