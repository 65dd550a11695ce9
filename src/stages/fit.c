/* The training of one network: epochs, steps, and the lanes and rounds of a step.
 *
 * | exchange | ranks | loop |
 * | in step | all | in_step(): every rank takes part in every step |
 * | free, by servers | workers | work_freely(): claims a share of lanes, computes it, claims the next one |
 * | free, by servers | servers | serve_parameters(): applies shares, writes metrics and checkpoints |
 *
 * A step in step with others:
 *
 * | 1 | keep it for a checkpoint, if rank 0 wished so in the step before, or any rank wished to stop |
 * | 2 | compute the lanes, or the rounds of a network that is cut |
 * | 3 | end_step(): exchange gradients, the status and wishes for the next step |
 * | 4 | after the last step of an epoch: sum the losses, check the moments, write a line of metrics |
 * | 5 | hand a kept step to the saver; stop if a rank wished so |
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "costs.h"
#include "epoch.h"
#include "tribikos/clock.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/stop.h"

trb_status trb__fit_check(const trb_fit_opts *o, const trb__dataset *s, const char *who)
{
    if (o->batch > s->n_train)
        return trb_fail(TRB_ECONFIG, "%s: a batch of %llu rows is larger than the training part of %s", who,
                        (unsigned long long)o->batch, TRB_COUNT(s->n_train, "sample"));
    if (o->augment.mixup > 0.0 && s->data.task != TRB_TASK_CLASSES)
        return trb_fail(TRB_ECONFIG, "%s: augment: mixup mixes the losses of two labels; data.task is regression", who);
    return trb_fail_of(trb_recipe_check(&o->augment, s->data.shape), "%s: augment: ", who);
}

static trb_optim optimiser(const trb__fit *f, uint64_t steps)
{
    const trb_fit_opts *o = f->opts;
    return (trb_optim){.kind = o->optimizer,
                       .lr = o->lr,
                       .momentum = o->momentum,
                       .beta1 = o->beta1,
                       .beta2 = o->beta2,
                       .eps = o->eps,
                       .weight_decay = o->weight_decay,
                       .nesterov = o->nesterov,
                       .clip = o->clip,
                       .schedule = o->schedule,
                       .warmup_steps = (uint64_t)(o->warmup * (double)steps),
                       .first_step = f->schedule_from * steps,
                       .total_steps = f->schedule_epochs * steps,
                       .decay_steps = (uint64_t)(o->decay_epochs * (double)steps),
                       .gamma = o->gamma};
}

/* Wishes for the next step. KEEP: keep what it makes of parameters and moments. STOP or above: also make it the last
 * step, for a reason of stop.h, which is at least -1. */
enum { NOTHING, KEEP, STOP };

/* Everything that steps need. It is reserved once, so that no step allocates memory. */
typedef struct {
    const trb__fit *fit;
    /* The part that takes the samples: the whole network, or its body. */
    const trb_net *net;
    float *params;
    trb_exchange *x;
    trb__heads *heads; /* NULL if the network is in one part */
    trb__losses losses;
    trb__saver *saver; /* NULL: no checkpoints */
    trb_status saved;  /* status of writing checkpoints */
    uint64_t taken;    /* steps that are done, those of earlier runs included */
    trb_work *work;
    trb_feed *feed;              /* one lane in each part */
    trb_lanes own, row;          /* the lanes of this rank, and of its row (grid.h) */
    size_t steps, rows, planned; /* steps in each epoch; rows in each lane; how many steps are planned ahead */
    int64_t *order, *sample;     /* [samples]; [planned][lanes of the row][rows] */
    uint16_t *view;              /* as `sample`; NULL if there is only one */
    int64_t *fed;                /* [planned][own lanes][rows]; the same array as `sample` if a row has one rank */
    uint16_t *fed_view;
    float *dz; /* of one lane */
    /* Adversarial training; NULL without it. */
    float *reach;     /* [D] how far an input is moved */
    float *moved;     /* [rows][D] */
    float *gradient;  /* where the exchange wants the lane's gradient */
    float *unmoved;   /* [trb_net_size] gradient of the samples as they are */
    size_t summed;    /* on the second pass, `unmoved` is added to `gradient` from here on; else SIZE_MAX */
    uint64_t ordered; /* the epoch of `order`, counted from 1 */
    trb_optim opt;
    trb_progress progress;
    trb__epochs *epochs;
    trb_status failed; /* of a server: status of writing metrics */
    /* On a server: losses and lanes applied in each epoch, lanes applied in total, epochs that are complete. */
    double *epoch_loss;
    uint64_t *epoch_lanes, lanes, ended;
} loop;

static void await_parameters(void *ctx, size_t from, size_t to)
{
    trb_exchange_needs(((loop *)ctx)->x, from, to);
}

/* The gradient of a lane is the sum of two passes. The exchange learns only of the second pass, after the gradient of
 * the first one has been added. */
static void gradient_is_ready(void *ctx, size_t from)
{
    loop *l = ctx;
    if (l->summed == SIZE_MAX) return;
    for (size_t i = from; i < l->summed; i++) l->gradient[i] += l->unmoved[i];
    l->summed = from;
    trb_exchange_ready(l->x, from);
}

static trb_status reserve_adversary(loop *l)
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

static trb_status reserve(loop *l)
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

static void release(loop *l)
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

static trb_status forward_lane(loop *l, uint64_t epoch, const int64_t *sample, const float *x, const float **z)
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
static trb_status move_inputs(loop *l, uint64_t epoch, const int64_t *sample, const float *x, const float **z)
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
static trb_status backward_of_both(loop *l)
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
static size_t rows_before(const loop *l, size_t i)
{
    return (l->own.first + i * l->own.step - l->row.first) * l->rows;
}

/* Put the network's name before the message of a new failure: many networks are trained, and some diverge. */
static trb_status named(const loop *l, trb_status before, trb_status now)
{
    return before == TRB_OK ? trb_fail_of(now, "%s: ", l->fit->label) : now;
}

/* Compute loss and gradient of this rank's lane i. */
static trb_status train_lane(loop *l, size_t i, uint64_t epoch, const int64_t *sample)
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
static trb_status take_round(loop *l, trb_status st, uint64_t epoch, size_t first, const int64_t *sample)
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

static trb_status take_lanes(loop *l, trb_status st, uint64_t epoch, const int64_t *sample)
{
    for (size_t i = 0; i < l->own.count; i++) {
        if (st == TRB_OK) st = named(l, st, train_lane(l, i, epoch, sample + rows_before(l, i)));
        trb_exchange_lane_done(l->x);
    }
    return st;
}

/* What this rank wishes for the next step. */
static unsigned own_wishes(loop *l)
{
    const int reason = trb_stop_reason();
    if (reason != 0) return (unsigned)(STOP + 1 + reason);
    return trb__saver_due(l->saver, l->taken + 1) ? KEEP : NOTHING;
}

/* End a step: exchange the gradients of all parts. The body comes last: all ranks share it, so a failure that it
 * reports is the same for all of them. Only the ranks of a column share the heads, and may know of a failure that
 * others do not. */
static trb_status end_step(loop *l, trb_status st)
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

/* Take one step. A rank that has failed still takes part in the exchange, which carries its status to the others.
 * \param[in] number  steps before this one   \param[in] sample  ids of the row's lanes */
static trb_status take_step(loop *l, trb_status st, uint64_t number, const int64_t *sample)
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

/* End the last plan of the readers, which borrow its arrays. The feed needs no such call: it has served the whole plan
 * at the end of an epoch, and is closed before the arrays are released. */
static trb_status drop_plan(loop *l)
{
    return l->fit->plan == NULL || l->row.count == 0 ? TRB_OK : l->fit->plan(l->fit->ctx, 0, 0, NULL, NULL);
}

/* Choose the samples of the next steps of an epoch. The lanes of a row are neighbours within a batch. */
static trb_status plan_steps(loop *l, uint64_t epoch, size_t step)
{
    const trb__fit *f = l->fit;
    if (l->row.count == 0) return TRB_OK;
    TRB_TRY(drop_plan(l));
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

static void between_steps(loop *l, uint64_t steps)
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

/* Note the status of writing. The next step tells it to all ranks. */
static void note_saving(loop *l, trb_status st)
{
    if (l->saved == TRB_OK) l->saved = st;
}

static trb_status stop_status(const loop *l)
{
    return trb_fail_of(trb_stop_check(), "%s: ", l->fit->label);
}

/* A step that was kept, or the last one, is over: give its losses to the saver, and stop if a rank wished so. */
static trb_status save_checkpoint(loop *l, unsigned wished)
{
    trb_comm *world = l->fit->grid->world;
    if (l->saver != NULL) {
        double *sums = trb__saver_sums(l->saver);
        if (l->taken % l->steps != 0) TRB_TRY(trb__losses_show(&l->losses, sums)); /* none yet at the end of an epoch */
        note_saving(l, trb__saver_kept(l->saver, l->taken));
    }
    if (wished < STOP) return TRB_OK;
    note_saving(l, trb__saver_finish(l->saver));
    TRB_TRY(trb_agree(world, l->saved));
    trb_stop_heard((int)wished - STOP - 1);
    return stop_status(l);
}

/* Check the moments at the end of every epoch. A checkpoint is checked before it is written; without this check,
 * whether a run fails would depend on whether a checkpoint is due. */
static trb_status check_moments(const loop *l)
{
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < l->fit->network->n_parts; i++)
        st = trb_exchange_finite(l->fit->network->part[i].x);
    return trb_fail_of(st, "%s: ", l->fit->label);
}

static trb_status finish_epoch(loop *l, uint64_t e)
{
    double loss = 0.0;
    TRB_TRY(trb__losses_total(&l->losses, &loss));
    return trb__epochs_end(l->epochs, check_moments(l), e, loss);
}

/* All ranks take every step together. */
static trb_status in_step(loop *l)
{
    trb_comm *world = l->fit->grid->world;
    unsigned wished = NOTHING;
    for (uint64_t e = l->taken / l->steps; !trb__epochs_over(l->epochs, l->taken); e++) {
        const uint64_t epoch = l->fit->first_epoch + e;
        const size_t first = l->taken % l->steps;
        l->planned = l->steps - first;
        TRB_TRY(trb_agree(world, plan_steps(l, epoch, first)));
        for (size_t s = 0; s < l->planned; s++) {
            l->taken++;
            double start = trb_now_s();
            if (wished != NOTHING) note_saving(l, trb__saver_keep(l->saver));
            trb__saver_hold(l->saver, trb_now_s() - start);
            const int64_t *sample = l->row.count == 0 ? NULL : l->sample + s * l->row.count * l->rows;
            TRB_TRY(take_step(l, l->saved, l->taken - 1, sample));
            if (l->taken % l->steps == 0) TRB_TRY(finish_epoch(l, e));
            start = trb_now_s();
            if (wished != NOTHING) TRB_TRY(save_checkpoint(l, wished));
            wished = trb_exchange_wished(l->x);
            note_saving(l, trb__saver_go_on(l->saver));
            trb__saver_hold(l->saver, trb_now_s() - start);
            between_steps(l, l->taken);
        }
    }
    note_saving(l, trb__saver_finish(l->saver));
    return trb_agree(world, l->saved);
}

/* A worker: it claims the next share when it has finished one. If it fails, no worker gets another share. */
static trb_status work_freely(loop *l)
{
    trb_status st = TRB_OK;
    for (;;) {
        uint64_t at = 0;
        TRB_TRY(trb_exchange_claim(l->x, &at, &l->own));
        if (at == l->fit->epochs * l->steps) return st;
        const uint64_t epoch = l->fit->first_epoch + at / l->steps;
        l->row = l->own;
        trb__losses_reset(&l->losses);
        st = take_step(l, plan_steps(l, epoch, at % l->steps), at, l->sample);
    }
}

/* A server has applied a share. Shares of several epochs may arrive mixed; the lines of epochs are written in order.
 * \return whether to keep the state, for a checkpoint or to stop */
static bool take_server_losses(void *ctx, uint64_t step, size_t lanes, double loss)
{
    loop *l = ctx;
    const uint64_t lanes_a_step = l->fit->opts->lanes;
    l->epoch_loss[step / l->steps] += loss;
    l->epoch_lanes[step / l->steps] += lanes;
    l->lanes += lanes;
    for (uint64_t e = l->ended; l->failed == TRB_OK && e < l->fit->epochs; e = ++l->ended) {
        if (l->epoch_lanes[e] < lanes_a_step * l->steps) break;
        l->failed = trb__epochs_line(l->epochs, e, l->epoch_loss[e]);
    }
    const uint64_t taken = l->lanes / lanes_a_step;
    between_steps(l, taken);
    note_saving(l, trb__saver_go_on(l->saver));
    if (trb_stop_reason() == 0 && l->failed == TRB_OK && l->saved == TRB_OK) return trb__saver_due(l->saver, taken);
    note_saving(l, trb__saver_finish(l->saver)); /* keeping overwrites the memory that is being written to a file */
    return true;
}

/* A server has applied exactly the shares before this step: give its losses to the saver. */
static trb_status save_server_state(void *ctx, uint64_t taken)
{
    loop *l = ctx;
    if (l->saver != NULL) {
        double *sums = trb__saver_sums(l->saver);
        if (taken % l->steps != 0) sums[0] = l->epoch_loss[taken / l->steps];
        note_saving(l, trb__saver_kept(l->saver, taken));
    }
    note_saving(l, trb_stop_reason() != 0 ? trb__saver_finish(l->saver) : trb__saver_go_on(l->saver));
    if (l->saved == TRB_OK) l->saved = l->failed;
    return l->saved != TRB_OK ? l->saved : stop_status(l);
}

static trb_status serve_parameters(loop *l)
{
    TRB_TRY(trb_exchange_serve(l->x, take_server_losses, save_server_state, l));
    note_saving(l, trb__saver_finish(l->saver));
    return l->saved != TRB_OK ? l->saved : l->failed;
}

/* Continue where the run of the checkpoint was, if there is one. Collective over the grid. */
static trb_status go_on(loop *l)
{
    const trb__fit *f = l->fit;
    trb_checkpoint *from = f->from;
    if (from == NULL || from->n_slabs == 0) return TRB_OK;
    TRB_TRY(trb_agree(f->grid->world, trb__checkpoint_check(from, f, f->epochs * l->steps)));
    TRB_TRY(trb__checkpoint_use(from, f, trb__epochs_best(l->epochs)));
    l->taken = l->progress.from = from->step;
    trb__losses_resume(&l->losses, from->sum);
    if (l->epoch_loss != NULL) {
        const uint64_t epoch = l->taken / l->steps;
        l->lanes = l->taken * f->opts->lanes;
        l->ended = epoch;
        for (size_t i = 0; epoch < f->epochs && i < f->opts->lanes; i++) l->epoch_loss[epoch] += from->sum[i];
        if (epoch < f->epochs) l->epoch_lanes[epoch] = l->taken % l->steps * f->opts->lanes;
    }
    trb_checkpoint_clear(from);
    return TRB_OK;
}

/* Open everything that steps need, except checkpoints. Collective over the grid. \return the agreed status; the caller
 * must call close_all() in any case */
static trb_status open_all(const trb__fit *f, loop *l)
{
    trb__network *n = f->network;
    *l = (loop){.fit = f, .steps = f->samples->n_train / f->opts->batch, .rows = f->opts->batch / f->opts->lanes};
    l->opt = optimiser(f, l->steps);
    for (size_t i = 0; i < n->n_parts; i++) {
        trb__network_part *p = &n->part[i];
        const trb_status st = trb_exchange_open(f->grid, (trb_grid_part)i, f->exchange, p->net, &l->opt,
                                                f->epochs * l->steps, p->params, &p->x);
        TRB_TRY(trb_agree(f->grid->world, st));
    }
    l->net = n->part[TRB_BODY].net;
    l->params = n->part[TRB_BODY].params;
    l->x = n->part[TRB_BODY].x;
    l->own = f->grid->lanes;
    l->row = f->grid->row_lanes;
    l->planned = trb_exchange_is_free(l->x) ? 1 : l->steps;
    if (n->n_parts > 1) TRB_TRY(trb__heads_open(f, &l->losses, &l->heads));
    TRB_TRY(trb_agree(f->grid->world, reserve(l)));
    return trb_agree(f->grid->world, trb__epochs_open(f, l->steps, &l->opt, l->work, l->heads, &l->epochs));
}

static void close_all(loop *l)
{
    trb__saver_close(l->saver);
    trb__epochs_close(l->epochs);
    release(l);
    trb__heads_close(l->heads);
    trb__losses_close(&l->losses);
    for (size_t i = l->fit->network->n_parts; i-- > 0;) {
        trb_exchange_close(l->fit->network->part[i].x);
        l->fit->network->part[i].x = NULL;
    }
}

trb_status trb__fit_measure(const trb__fit *f, size_t *bytes)
{
    loop l = {.fit = f};
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS);
    const trb_status st = open_all(f, &l);
    *bytes = trb_mem_bytes(TRB_MEM_KINDS) - before;
    close_all(&l);
    return st;
}

trb_status trb__fit_run(const trb__fit *f)
{
    trb_comm *group = f->grid->world;
    loop l = {.fit = f};
    trb_mem_peak_begin();
    trb_status st = open_all(f, &l);
    const uint64_t steps = f->epochs * l.steps;
    const bool free = st == TRB_OK && trb_exchange_is_free(l.x);
    if (st == TRB_OK && trb_log_verbose() && l.work != NULL) trb_work_measure(l.work);
    if (st == TRB_OK) st = trb__saver_open(f, l.steps, trb__epochs_best(l.epochs), &l.saver);
    trb_progress_begin(&l.progress, steps, "steps", "%s", f->label);
    l.progress.work = f->work;
    l.progress.later = f->later;
    if (st == TRB_OK) st = go_on(&l);
    const double begun = trb_now_s();
    if (st == TRB_OK && !free) st = in_step(&l);
    if (st == TRB_OK && free) {
        st = l.own.count == 0 ? serve_parameters(&l) : work_freely(&l);
        if (st == TRB_OK) st = check_moments(&l);
        if (st == TRB_ECOMM) trb_comm_panic(st); /* other ranks may be waiting for this one */
        st = trb_agree(group, st);
    }
    for (size_t i = 0; st == TRB_OK && i < f->network->n_parts; i++)
        st = trb_agree(group, trb_exchange_gather(f->network->part[i].x));
    if (st == TRB_OK) trb_progress_end(&l.progress, trb__epochs_note(l.epochs));
    const double took_s = trb_now_s() - begun;
    const uint64_t made = l.taken - l.progress.from;
    if (st == TRB_OK && !free && made > 0) trb__saver_report(l.saver, took_s / (double)made, made);
    if (st == TRB_OK && !free) st = trb__epochs_finish(l.epochs, l.taken);
    if (st == TRB_OK) st = trb__costs_report(f, l.heads, l.work, took_s, made);
    (void)drop_plan(&l);
    close_all(&l);
    return st;
}
