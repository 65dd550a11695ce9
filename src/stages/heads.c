/* The heads of a network that is cut: computes each head lane of this rank on all lanes of the row. */
#include "heads.h"

#include <math.h>

#include "tribikos/memory.h"

struct trb__heads {
    const trb__fit *fit;
    const trb__network *network;
    trb__losses *losses;
    trb_rounds *rounds;
    size_t rows;     /* in each lane */
    trb_work **work; /* one for each head lane of this rank */
    float *dz;
};

static trb_status reserve(trb__heads *h)
{
    const trb__network *n = h->network;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n->n_lanes, sizeof *h->work, &h->work));
    for (size_t i = 0; i < n->n_lanes; i++) {
        TRB_TRY(trb_work_create(n->lane[i], h->rows, true, &h->work[i]));
        /* All head lanes write into one slab of gradients, so a segment is complete when the last head lane has it. */
        trb_work_watch(h->work[i], trb_exchange_needs, i + 1 == n->n_lanes ? trb_exchange_ready : NULL,
                       n->part[TRB_HEADS].x);
    }
    const size_t answers = h->rows * trb_net_heads(n->lane[0]) * trb_net_outputs(n->lane[0]);
    return trb_alloc(TRB_MEM_ACTIVATIONS, answers, sizeof *h->dz, &h->dz);
}

trb_status trb__heads_open(const trb__fit *f, trb__losses *losses, trb__heads **out)
{
    trb_comm *world = f->grid->world;
    trb__heads *h = NULL;
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, 1, sizeof *h, &h));
    if (st != TRB_OK) {
        trb_free(h);
        return st;
    }
    *h = (trb__heads){.fit = f, .network = f->network, .losses = losses, .rows = f->opts->batch / f->opts->lanes};
    st = trb_rounds_open(f->grid, h->rows * trb_net_inputs(f->network->part[TRB_HEADS].net), &h->rounds);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_agree(world, reserve(h)));
    *out = h;
    h = NULL;
done:
    trb__heads_close(h);
    return st;
}

void trb__heads_close(trb__heads *h)
{
    if (h == NULL) return;
    trb_rounds_close(h->rounds);
    for (size_t i = 0; h->work != NULL && i < h->network->n_lanes; i++) trb_work_destroy(h->work[i]);
    trb_free(h->work);
    trb_free(h->dz);
    trb_free(h);
}

/* Compute one head lane on the features of one lane. Each head lane has its own stream for dropout, numbered after that
 * of the body. */
static trb_status head_lane(trb__heads *h, uint64_t epoch, size_t lane, size_t i, const int64_t *sample,
                            const float *features, float *dx)
{
    const trb__fit *f = h->fit;
    const trb__network_part *part = &h->network->part[TRB_HEADS];
    const trb_draw draw = {
        .seed = f->opts->seed, .member = f->stream + 1 + h->network->head_lane + i, .epoch = epoch, .sample = sample};
    const trb__lane l = {.number = lane,
                         .at = lane * h->rows,
                         .heads = i,
                         .rows = h->rows,
                         .batch = f->opts->batch * h->network->head_lanes, /* a head lane has 1/H of the heads */
                         .sample = sample};
    const trb_net *net = h->network->lane[i];
    const float *z = NULL;
    double loss = 0.0;
    TRB_TRY(trb_net_forward(net, h->work[i], part->params, h->rows, features, &draw, &z));
    TRB_TRY(f->loss(f->ctx, &l, z, &loss, h->dz));
    TRB_TRY(trb_net_backward(net, h->work[i], part->params, h->dz, trb_exchange_gradient(part->x), dx));
    trb__losses_add(h->losses, i, lane, loss);
    return TRB_OK;
}

trb_status trb__heads_round(trb__heads *h, trb_status st, uint64_t epoch, size_t first, size_t items,
                            const int64_t *sample, const float *z, const float **dz)
{
    const trb__network_part *part = &h->network->part[TRB_HEADS];
    const size_t F = trb_net_inputs(part->net);
    const float *features = NULL;
    const trb_status gathered = trb_rounds_gather(h->rounds, items, z, &features);
    if (st == TRB_OK) st = gathered;
    for (size_t j = 0; j < items; j++) {
        for (size_t i = 0; i < h->network->n_lanes; i++) {
            float *dx = trb_rounds_answer(h->rounds);
            if (st == TRB_OK)
                st = head_lane(h, epoch, first + j, i, sample + j * h->rows, features + j * h->rows * F, dx);
            const trb_status answered = trb_rounds_answered(h->rounds);
            if (st == TRB_OK) st = answered;
        }
        trb_exchange_lane_done(part->x);
    }
    const trb_status summed = trb_rounds_sum(h->rounds, items, dz);
    return st == TRB_OK ? summed : st;
}

static trb_status judge_lane(trb__heads *h, size_t lane, size_t i, size_t rows, const int64_t *sample,
                             const float *features, double *lost)
{
    const trb__fit *f = h->fit;
    const trb__lane l = {.number = lane,
                         .at = lane * h->rows,
                         .heads = i,
                         .rows = rows,
                         .batch = rows * h->network->head_lanes,
                         .sample = sample};
    const float *z = NULL;
    *lost = 0.0;
    if (rows == 0) return TRB_OK;
    TRB_TRY(trb_net_forward(h->network->lane[i], h->work[i], h->network->part[TRB_HEADS].params, h->rows, features,
                            NULL, &z));
    const trb_status st = f->loss(f->ctx, &l, z, lost, h->dz);
    if (st == TRB_ENUM) {
        trb_fail_clear();
        *lost = NAN;
        return TRB_OK;
    }
    *lost *= (double)rows;
    return st;
}

trb_status trb__heads_judge(trb__heads *h, trb_status st, size_t first, size_t items, const int64_t *sample,
                            const float *z, size_t real, double *lost)
{
    const size_t F = trb_net_inputs(h->network->part[TRB_HEADS].net), n = h->network->n_lanes;
    const float *features = NULL;
    const trb_status gathered = trb_rounds_gather(h->rounds, items, z, &features);
    if (st == TRB_OK) st = gathered;
    for (size_t j = 0; j < items; j++) {
        const size_t before = j * h->rows, rows = real <= before            ? 0
                                                  : real - before < h->rows ? real - before
                                                                            : h->rows;
        for (size_t i = 0; st == TRB_OK && i < n; i++)
            st = judge_lane(h, first + j, i, rows, sample + before, features + before * F, lost + j * n + i);
    }
    return st;
}

void trb__heads_worked(const trb__heads *h, double *waited_s, uint64_t *bytes_sent)
{
    *waited_s = 0.0;
    *bytes_sent = 0;
    if (h != NULL) trb_rounds_worked(h->rounds, waited_s, bytes_sent);
}
