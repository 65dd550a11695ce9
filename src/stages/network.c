/* Networks in parts: cuts a network into body and heads, and puts them together again. */
#include "network.h"

#include "tribikos/memory.h"

static trb_status cut_heads(trb__network *n, const trb_grid *g)
{
    trb__network_part *body = &n->part[TRB_BODY], *heads = &n->part[TRB_HEADS];
    const size_t each = g->n_members / g->n_lanes;
    TRB_TRY(trb_net_cut(n->net, g->n_members, &body->net, &heads->net));
    n->n_parts = 2;
    n->head_lanes = g->shape.head_lanes;
    n->head_lane = g->head_lane;
    n->n_lanes = g->n_lanes;
    heads->at = g->at;
    heads->of = g->shape.columns;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n->n_lanes, sizeof *n->lane, &n->lane));
    for (size_t i = 0; i < n->n_lanes; i++) TRB_TRY(trb_net_window(heads->net, i * each, each, &n->lane[i]));
    return TRB_OK;
}

trb_status trb__network_open(trb_net *net, const trb_grid *cut, trb__network *out)
{
    *out = (trb__network){.net = net, .n_parts = 1, .part = {{.net = net, .of = 1}}, .head_lanes = 1, .n_lanes = 1};
    return cut == NULL ? TRB_OK : cut_heads(out, cut);
}

trb_status trb__network_reserve(trb__network *n)
{
    for (size_t i = 0; i < n->n_parts; i++) {
        trb__network_part *p = &n->part[i];
        TRB_TRY(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(p->net), sizeof *p->params, &p->params));
    }
    if (n->n_parts == 1) n->params = n->part[TRB_BODY].params;
    return TRB_OK;
}

void trb__network_close(trb__network *n)
{
    for (size_t i = 0; n->lane != NULL && i < n->n_lanes; i++) trb_net_destroy(n->lane[i]);
    trb_free(n->lane);
    for (size_t i = 0; i < n->n_parts; i++) {
        if (n->part[i].net != n->net) trb_net_destroy(n->part[i].net);
        if (n->part[i].params != n->params) trb_free(n->part[i].params);
    }
    trb_free(n->params);
    trb_net_destroy(n->net);
    *n = (trb__network){.n_parts = 0};
}

size_t trb__network_size(const trb__network *n)
{
    size_t size = 0;
    for (size_t i = 0; i < n->n_parts; i++) size += trb_net_size(n->part[i].net);
    return size;
}

trb_status trb__network_fill(const trb__network *n, const float *const *slab, size_t every, float *whole)
{
    for (size_t i = 0; i < n->n_parts; i++) {
        const trb__network_part *p = &n->part[i];
        const size_t heads = trb_net_heads(p->net), stride = every * trb_net_size(p->net);
        for (size_t k = 0; k < p->of; k++)
            TRB_TRY(trb_net_copy(p->net, slab[i] + k * stride, n->net, k * heads, heads, whole));
    }
    return TRB_OK;
}

/* The ranks of the first row of the grid together hold all parameters, so only they send. */
trb_status trb__network_join(trb__network *n, const trb_grid *g)
{
    if (n->n_parts == 1) return TRB_OK;
    const bool leads = trb_comm_rank(g->world) == 0, in_first_row = trb_comm_rank(g->column) == 0;
    const trb__network_part *heads = &n->part[TRB_HEADS];
    const size_t size = trb_net_size(heads->net);
    float *all = NULL;
    trb_status st = TRB_OK;
    if (leads) st = trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(n->net), sizeof *n->params, &n->params);
    if (leads && st == TRB_OK) st = trb_alloc(TRB_MEM_WEIGHTS, heads->of * size, sizeof *all, &all);
    TRB_GO(trb_agree(g->world, st));
    if (in_first_row) st = trb_comm_gather(g->row, heads->params, size, sizeof *all, all);
    if (leads && st == TRB_OK)
        st = trb__network_fill(n, (const float *const[]){n->part[TRB_BODY].params, all}, 1, n->params);
    st = trb_agree(g->world, st);
done:
    trb_free(all);
    return st;
}
