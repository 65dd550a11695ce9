/* One step of a training: its samples, its lanes or the rounds of a network that is cut, and its exchange. */
#include <math.h>
#include <string.h>

#include "fit_loop.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

static void await_parameters(void *ctx, size_t from, size_t to)
{
    trb_exchange_needs(((trb__loop *)ctx)->x, from, to);
}

/* The gradient of a lane is the sum of two passes. The exchange learns only of the second pass, after the gradient of
 * the first one has been added. */
static void gradient_is_ready(void *ctx, size_t from)
{
    trb__loop *l = ctx;
    if (l->summed == SIZE_MAX) return;
    for (size_t i = from; i < l->summed; i++) l->gradient[i] += l->unmoved[i];
    l->summed = from;
    trb_exchange_ready(l->x, from);
}

static trb_status reserve_adversary(trb__loop *l)
{
    const trb__fit *f = l->fit;
    const trb__dataset *s = f->samples;
    const size_t D = trb_net_inputs(l->net);
    float *least = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, D, sizeof *l->reach, &l->reach));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, l->rows * D, sizeof *l->moved, &l->moved));
    TRB_TRY(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(l->net), sizeof *l->unmoved, &l->unmoved));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, D, sizeof *least, &least));
    for (size_t i = 0; i < s->n_train; i++) {
        trb_data_rows(&s->data, 1, s->train + i, l->moved);
        for (size_t k = 0; k < D; k++) {
            least[k] = i == 0 ? l->moved[k] : fminf(least[k], l->moved[k]);
            l->reach[k] = i == 0 ? l->moved[k] : fmaxf(l->reach[k], l->moved[k]);
        }
    }
    for (size_t k = 0; k < D; k++) l->reach[k] = (float)f->opts->adversarial * (l->reach[k] - least[k]);
    trb_free(least);
    l->summed = SIZE_MAX;
    trb_work_watch(l->work, await_parameters, gradient_is_ready, l);
    return TRB_OK;
}

trb_status trb__loop_reserve(trb__loop *l)
{
    const trb__fit *f = l->fit;
    const size_t outputs = trb_net_heads(l->net) * trb_net_outputs(l->net);
    const size_t rows = l->planned * l->row.count * l->rows, fed = l->planned * l->own.count * l->rows;
    TRB_TRY(trb__losses_open(f->grid, f->network, &l->losses));
    if (l->row.count == 0) { /* a server */
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, f->epochs, sizeof *l->epoch_loss, &l->epoch_loss));
        return trb_alloc(TRB_MEM_OTHER, f->epochs, sizeof *l->epoch_lanes, &l->epoch_lanes);
    }
    TRB_TRY(trb_work_create(l->net, l->rows, true, &l->work));
    trb_work_watch(l->work, trb_exchange_needs, trb_exchange_ready, l->x);
    TRB_TRY(trb_alloc(TRB_MEM_DATA, f->samples->n_train, sizeof *l->order, &l->order));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *l->sample, &l->sample));
    if (f->views > 1) TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *l->view, &l->view));
    if (l->fit->grid->shape.columns > 1) {
        TRB_TRY(trb_alloc(TRB_MEM_DATA, fed, sizeof *l->fed, &l->fed));
        if (f->views > 1) TRB_TRY(trb_alloc(TRB_MEM_DATA, fed, sizeof *l->fed_view, &l->fed_view));
    } else {
        l->fed = l->sample;
        l->fed_view = l->view;
    }
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, l->rows * outputs, sizeof *l->dz, &l->dz));
    if (f->opts->adversarial > 0.0) TRB_TRY(reserve_adversary(l));
    return trb_feed_open(f->augment, l->rows, f->stored, &l->feed);
}

void trb__loop_release(trb__loop *l)
{
    trb_feed_close(l->feed);
    trb_work_destroy(l->work);
    if (l->fit->grid->shape.columns > 1) {
        trb_free(l->fed);
        trb_free(l->fed_view);
    }
    void *const blocks[] = {l->order,       l->sample, l->view,  l->dz,     l->epoch_loss,
                            l->epoch_lanes, l->reach,  l->moved, l->unmoved};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

static trb_status forward_lane(trb__loop *l, uint64_t epoch, const int64_t *sample, const float *x, const float **z)
{
    const trb__fit *f = l->fit;
    const trb_draw draw = {.seed = f->opts->seed, .member = f->stream, .epoch = epoch, .sample = sample};
    return trb_net_forward(l->net, l->work, l->params, l->rows, x, &draw, z);
}

/* Adversarial training (Lakshminarayanan et al. 2017, arXiv:1612.01474, sec. 2.4; Goodfellow et al. 2015,
 * arXiv:1412.6572, eq. 1 with alpha 1/2). Half of a lane's loss is that of its samples. The other half is that of the
 * same samples, moved by a share of each input's range in the direction in which the first half grows:
 * x' = x + reach sign(dloss/dx). This function makes the backward pass of the first half and the forward pass of the
 * second one. Both have the same masks of dropout. `dz` is halved already.
 * \param[out] z  outputs for x' */
static trb_status move_inputs(trb__loop *l, uint64_t epoch, const int64_t *sample, const float *x, const float **z)
{
    const size_t D = trb_net_inputs(l->net);
    TRB_TRY(trb_net_backward(l->net, l->work, l->params, l->dz, l->unmoved, l->moved));
    for (size_t i = 0; i < l->rows * D; i++) {
        const float by = l->moved[i] == 0.0F ? 0.0F : copysignf(l->reach[i % D], l->moved[i]);
        l->moved[i] = x[i] + by;
    }
    return forward_lane(l, epoch, sample, l->moved, z);
}

/* The gradient of both halves. Normalisation layers get the mean of the statistics of both. */
static trb_status backward_of_both(trb__loop *l)
{
    const size_t trained = trb_net_trained(l->net), n = trb_net_size(l->net);
    l->gradient = trb_exchange_gradient(l->x);
    l->summed = trained;
    const trb_status st = trb_net_backward(l->net, l->work, l->params, l->dz, l->gradient, NULL);
    l->summed = SIZE_MAX;
    for (size_t i = trained; i < n; i++) l->gradient[i] = 0.5F * (l->gradient[i] + l->unmoved[i]);
    return st;
}

/* The first row of this rank's lane i, counted over the lanes of its row of the grid. */
static size_t rows_before(const trb__loop *l, size_t i)
{
    return (l->own.first + i * l->own.step - l->row.first) * l->rows;
}

/* Put the network's name before the message of a new failure: many networks are trained, and some diverge. */
static trb_status named(const trb__loop *l, trb_status before, trb_status now)
{
    return before == TRB_OK ? trb_fail_of(now, "%s: ", l->fit->label) : now;
}

/* Compute loss and gradient of this rank's lane i. */
static trb_status train_lane(trb__loop *l, size_t i, uint64_t epoch, const int64_t *sample)
{
    const trb__fit *f = l->fit;
    trb__lane lane = {.number = i,
                      .at = rows_before(l, i),
                      .rows = l->rows,
                      .batch = l->reach == NULL ? f->opts->batch : 2 * f->opts->batch,
                      .sample = sample};
    const float *x = NULL, *z = NULL;
    double loss = 0.0;
    TRB_TRY(trb_feed_next(l->feed, &x, &lane.mix));
    TRB_TRY(forward_lane(l, epoch, sample, x, &z));
    TRB_TRY(f->loss(f->ctx, &lane, z, &loss, l->dz));
    trb__losses_add(&l->losses, 0, i, loss);
    if (l->reach == NULL) return trb_net_backward(l->net, l->work, l->params, l->dz, trb_exchange_gradient(l->x), NULL);
    TRB_TRY(move_inputs(l, epoch, sample, x, &z));
    TRB_TRY(f->loss(f->ctx, &lane, z, &loss, l->dz));
    trb__losses_add(&l->losses, 0, i, loss);
    return backward_of_both(l);
}

/* A round of a network that is cut: one lane of each column, as long as the row has lanes left. */
static trb_status take_round(trb__loop *l, trb_status st, uint64_t epoch, size_t first, const int64_t *sample)
{
    const size_t left = l->row.count - first, columns = l->fit->grid->shape.columns, column = l->fit->grid->at;
    const size_t items = left < columns ? left : columns;
    const bool mine = column < items;
    const trb_mix *mix = NULL;
    const float *x = NULL, *z = NULL, *dz = NULL;
    if (st == TRB_OK && mine) st = trb_feed_next(l->feed, &x, &mix);
    if (st == TRB_OK && mine) st = forward_lane(l, epoch, sample + column * l->rows, x, &z);
    st = trb__heads_round(l->heads, st, epoch, first, items, sample, st == TRB_OK ? z : NULL, &dz);
    if (st == TRB_OK && mine) st = trb_net_backward(l->net, l->work, l->params, dz, trb_exchange_gradient(l->x), NULL);
    if (mine) trb_exchange_lane_done(l->x);
    return st;
}

static trb_status take_lanes(trb__loop *l, trb_status st, uint64_t epoch, const int64_t *sample)
{
    for (size_t i = 0; i < l->own.count; i++) {
        if (st == TRB_OK) st = named(l, st, train_lane(l, i, epoch, sample + rows_before(l, i)));
        trb_exchange_lane_done(l->x);
    }
    return st;
}

/* What this rank wishes for the next step. */
static unsigned own_wishes(trb__loop *l)
{
    const int reason = trb_stop_reason();
    if (reason != 0) return (unsigned)(TRB__WISH_STOP + 1 + reason);
    return trb__saver_due(l->saver, l->taken + 1) ? TRB__WISH_KEEP : TRB__WISH_NOTHING;
}

/* End a step: exchange the gradients of all parts. The body comes last: all ranks share it, so a failure that it
 * reports is the same for all of them. Only the ranks of a column share the heads, and may know of a failure that
 * others do not. */
static trb_status end_step(trb__loop *l, trb_status st)
{
    const trb__network *n = l->fit->network;
    const double loss = trb__losses_mine(&l->losses);
    trb_status pushed = TRB_OK;
    for (size_t i = n->n_parts; i-- > 0;) {
        const trb_status s = trb_exchange_push(n->part[i].x, st, loss);
        if (pushed == TRB_OK) pushed = s;
    }
    TRB_TRY(pushed);
    for (size_t i = n->n_parts; i-- > 0;) {
        const trb_status pulled = trb_exchange_pull(n->part[i].x);
        if (pulled != TRB_OK || i + 1 == n->n_parts) st = pulled;
    }
    return st;
}

trb_status trb__loop_step(trb__loop *l, trb_status st, uint64_t number, const int64_t *sample)
{
    const uint64_t epoch = l->fit->first_epoch + number / l->steps;
    if (st == TRB_OK) st = trb_fault("train.step");
    if (l->row.count > 0 && l->fit->next != NULL) st = l->fit->next(l->fit->ctx, number, st);
    if (l->heads != NULL)
        for (size_t first = 0; first < l->row.count; first += l->fit->grid->shape.columns)
            st = named(l, st, take_round(l, st, epoch, first, sample + first * l->rows));
    else
        st = take_lanes(l, st, epoch, sample);
    if (st == TRB_OK) st = trb_fault("agree");
    trb_exchange_wish(l->x, own_wishes(l));
    return end_step(l, st);
}

/* The feed needs no such call: it has served the whole plan at the end of an epoch, and is closed before the arrays are
 * released. */
trb_status trb__loop_unplan(trb__loop *l)
{
    return l->fit->plan == NULL || l->row.count == 0 ? TRB_OK : l->fit->plan(l->fit->ctx, 0, 0, NULL, NULL);
}

/* The lanes of a row are neighbours within a batch. */
trb_status trb__loop_plan(trb__loop *l, uint64_t epoch, size_t step)
{
    const trb__fit *f = l->fit;
    if (l->row.count == 0) return TRB_OK;
    TRB_TRY(trb__loop_unplan(l));
    if (l->ordered != epoch + 1)
        trb_data_order(f->opts->seed, f->stream, epoch, f->samples->n_train, f->samples->train, l->order);
    l->ordered = epoch + 1;
    const size_t n = l->row.count * l->rows;
    for (size_t s = 0; s < l->planned; s++)
        memcpy(l->sample + s * n, l->order + (step + s) * f->opts->batch + l->row.first * l->rows,
               n * sizeof *l->sample);
    for (size_t i = 0; l->view != NULL && i < l->planned * n; i++) {
        trb_rng rng = trb_rng_open(f->opts->seed, TRB_USE_CHOICE, f->stream, epoch, (uint64_t)l->sample[i]);
        if (f->clean == 0.0)
            l->view[i] = (uint16_t)trb_rng_below(&rng, f->views);
        else
            l->view[i] = trb_rng_uniform(&rng) < f->clean ? 0 : (uint16_t)(1 + trb_rng_below(&rng, f->views - 1));
    }
    for (size_t s = 0; f->grid->shape.columns > 1 && s < l->planned; s++) {
        for (size_t i = 0; i < l->own.count; i++) {
            const size_t from = s * n + rows_before(l, i), to = (s * l->own.count + i) * l->rows;
            memcpy(l->fed + to, l->sample + from, l->rows * sizeof *l->fed);
            if (l->view != NULL) memcpy(l->fed_view + to, l->view + from, l->rows * sizeof *l->view);
        }
    }
    TRB_TRY(trb_feed_plan(l->feed, epoch, l->planned * l->own.count, l->fed, l->fed_view));
    return f->plan == NULL ? TRB_OK : f->plan(f->ctx, l->planned, n, l->sample, l->view);
}

void trb__loop_between(trb__loop *l, uint64_t steps)
{
    trb_stop_progress();
    trb_comm_phase(l->fit->label, steps);
    const trb__fit *f = l->fit;
    trb_progress *p = &l->progress;
    const char *note = trb__epochs_note(l->epochs);
    if (f->show == NULL)
        trb_progress_update(p, steps, note);
    else if (f->show(f->show_ctx, p->from, p->done = steps, p->total, l->steps, note))
        p->drawn = true;
    if (l->fit->between != NULL) l->fit->between(l->fit->between_ctx);
}

void trb__loop_saving(trb__loop *l, trb_status st)
{
    if (l->saved == TRB_OK) l->saved = st;
}

trb_status trb__loop_stopped(const trb__loop *l)
{
    return trb_fail_of(trb_stop_check(), "%s: ", l->fit->label);
}
