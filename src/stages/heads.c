#include <string.h>

#include "heads.h"
#include "tribikos/memory.h"

struct trb__half {
    const trb__fit *fit;
    const trb_grid *grid;
    const trb__heads *heads;
    trb_exchange *x;
    trb_rounds *rounds;
    size_t own, lanes, rows; /* own head lanes; lanes of the row; rows a lane */
    trb_work **work;         /* [own] */
    float *dz;
    double *loss, *sums; /* [own][lanes]; [H], behind them [own] */
};

static trb_status reserve(trb__half *h)
{
    const trb__fit *f = h->fit;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->own, sizeof *h->work, &h->work));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->own * h->lanes, sizeof *h->loss, &h->loss));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->grid->shape.head_lanes + h->own, sizeof *h->sums, &h->sums));
    for (size_t i = 0; i < h->own; i++) {
        TRB_TRY(trb_work_create(h->heads->lane[i], h->rows, true, &h->work[i]));
        /* The others' gradients are in the same slab, so it is complete where the last head lane's is. */
        trb_work_watch(h->work[i], trb_exchange_needs, i + 1 == h->own ? trb_exchange_ready : NULL, h->x);
    }
    const size_t answers = h->rows * trb_net_heads(h->heads->lane[0]) * trb_net_outputs(f->heads->net);
    return trb_alloc(TRB_MEM_ACTIVATIONS, answers, sizeof *h->dz, &h->dz);
}

trb_status trb__half_open(const trb__fit *f, const trb_optim *opt, uint64_t steps, trb__half **out)
{
    trb_comm *group = f->grid->world;
    const size_t rows = f->opts->batch / f->opts->lanes;
    trb__half *h = NULL;
    trb_status st = trb_agree(group, trb_alloc(TRB_MEM_OTHER, 1, sizeof *h, &h));
    if (st != TRB_OK) {
        trb_free(h);
        return st;
    }
    h->fit = f;
    h->grid = f->grid;
    h->heads = f->heads;
    h->rows = rows;
    h->own = f->grid->n_lanes;
    st = trb_rounds_open(f->grid, rows * trb_net_inputs(f->heads->net), &h->rounds);
    TRB_GO(trb_agree(group, st));
    st = trb_exchange_open(f->grid, TRB_HEADS, f->exchange, f->heads->net, opt, steps, f->heads->params, &h->x);
    TRB_GO(trb_agree(group, st));
    h->lanes = trb_exchange_lanes(h->x).count;
    TRB_GO(trb_agree(group, reserve(h)));
    *out = h;
    h = NULL;
done:
    trb__half_close(h);
    return st;
}

void trb__half_close(trb__half *h)
{
    if (h == NULL) return;
    trb_exchange_close(h->x);
    trb_rounds_close(h->rounds);
    for (size_t i = 0; h->work != NULL && i < h->own; i++) trb_work_destroy(h->work[i]);
    void *const blocks[] = {h->work, h->dz, h->loss, h->sums};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(h);
}

/* One head lane on the features of one lane. Its dropout has a stream of its own, which follows the body's. */
static trb_status head_lane(trb__half *h, uint64_t epoch, size_t lane, size_t i, const int64_t *sample,
                            const float *features, float *dx)
{
    const trb__fit *f = h->fit;
    const trb_draw draw = {
        .seed = f->opts->seed, .member = f->stream + 1 + h->grid->head_lane + i, .epoch = epoch, .sample = sample};
    const trb__lane l = {.number = lane,
                         .at = lane * h->rows,
                         .heads = i,
                         .rows = h->rows,
                         .batch = f->opts->batch * h->grid->shape.head_lanes, /* each has 1/H of the heads */
                         .sample = sample};
    const trb_net *net = h->heads->lane[i];
    const float *z = NULL;
    double loss = 0.0;
    TRB_TRY(trb_net_forward(net, h->work[i], h->heads->params, h->rows, features, &draw, &z));
    TRB_TRY(f->loss(f->ctx, &l, z, &loss, h->dz));
    TRB_TRY(trb_net_backward(net, h->work[i], h->heads->params, h->dz, trb_exchange_gradient(h->x), dx));
    h->loss[i * h->lanes + lane] += loss;
    return TRB_OK;
}

trb_status trb__half_round(trb__half *h, trb_status st, uint64_t epoch, size_t first, size_t items,
                           const int64_t *sample, const float *z, const float **dz)
{
    const size_t F = trb_net_inputs(h->heads->net);
    const float *features = NULL;
    const trb_status gathered = trb_rounds_gather(h->rounds, items, z, &features);
    if (st == TRB_OK) st = gathered;
    for (size_t j = 0; j < items; j++) {
        for (size_t i = 0; i < h->own; i++) {
            float *dx = trb_rounds_answer(h->rounds);
            if (st == TRB_OK)
                st = head_lane(h, epoch, first + j, i, sample + j * h->rows, features + j * h->rows * F, dx);
            const trb_status answered = trb_rounds_answered(h->rounds);
            if (st == TRB_OK) st = answered;
        }
        trb_exchange_lane_done(h->x);
    }
    const trb_status summed = trb_rounds_sum(h->rounds, items, dz);
    return st == TRB_OK ? summed : st;
}

trb_exchange *trb__half_exchange(trb__half *h)
{
    return h->x;
}

void trb__half_worked(const trb__half *h, double *waited_s, uint64_t *bytes_sent)
{
    const trb_exchange_work work = trb_exchange_worked(h->x);
    trb_rounds_worked(h->rounds, waited_s, bytes_sent);
    *waited_s += work.waited_s;
    *bytes_sent += work.bytes_sent;
}

trb_status trb__half_loss(trb__half *h, double *sum)
{
    double *mine = h->sums + h->grid->shape.head_lanes;
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < h->own; i++) st = trb_exchange_sum(h->x, h->loss + i * h->lanes, &mine[i]);
    TRB_TRY(trb_agree(h->grid->world, st)); /* a column's ranks agree on it among themselves, a row's on the next */
    TRB_TRY(trb_agree(h->grid->world, trb_comm_allgather(h->grid->row, mine, h->own, h->sums)));
    memset(h->loss, 0, h->own * h->lanes * sizeof *h->loss);
    *sum = 0.0;
    for (size_t i = 0; i < h->grid->shape.head_lanes; i++) *sum += h->sums[i];
    return TRB_OK;
}

/* Where lane k of head lane i of this rank is among all. */
static size_t place_of(const trb__half *h, size_t i, size_t k)
{
    const trb_lanes lanes = trb_exchange_lanes(h->x);
    return (h->grid->head_lane + i) * h->fit->opts->lanes + lanes.first + k * lanes.step;
}

trb_status trb__half_sums(trb__half *h, double *all)
{
    for (size_t i = 0; i < h->own; i++)
        for (size_t k = 0; k < h->lanes; k++) all[place_of(h, i, k)] = h->loss[i * h->lanes + k];
    return trb_comm_fill(h->grid->world, all, h->grid->shape.head_lanes * h->fit->opts->lanes);
}

void trb__half_go_on(trb__half *h, const double *all)
{
    for (size_t i = 0; i < h->own; i++)
        for (size_t k = 0; k < h->lanes; k++) h->loss[i * h->lanes + k] = all[place_of(h, i, k)];
}
