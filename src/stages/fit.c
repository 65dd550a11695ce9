#include <stdio.h>

#include "internal.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"

trb_status trb__fit_check(const trb_fit_opts *o, const trb__samples *s, const char *who)
{
    if (o->batch > s->n_train)
        return trb_fail(TRB_ECONFIG, "%s: a batch of %llu rows is larger than the training part of %zu samples", who,
                        (unsigned long long)o->batch, s->n_train);
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

/* What a step needs; reserved once, so that no step allocates. */
typedef struct {
    const trb__fit *fit;
    trb_exchange *x;
    trb_work *work;
    trb_feed *feed;                   /* a lane a part */
    size_t steps, rows, first, count; /* rows a lane; this rank's lanes */
    int64_t *order, *mine;            /* [samples]; [steps][count * rows] */
    uint16_t *view;                   /* [steps][count * rows]; NULL if there is only one */
    float *dz;                        /* one lane's */
    double *loss;                     /* [count] sums over the epoch's steps */
} loop;

static trb_status reserve(loop *l)
{
    const trb__fit *f = l->fit;
    const size_t M = trb_net_heads(f->net), K = trb_net_outputs(f->net);
    TRB_TRY(trb_work_create(f->net, l->rows, true, &l->work));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, f->samples->n_train, sizeof *l->order, &l->order));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, l->steps * l->count * l->rows, sizeof *l->mine, &l->mine));
    if (f->views > 1) TRB_TRY(trb_alloc(TRB_MEM_DATA, l->steps * l->count * l->rows, sizeof *l->view, &l->view));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, l->rows * M * K, sizeof *l->dz, &l->dz));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, l->count, sizeof *l->loss, &l->loss));
    return trb_feed_open(f->augment, l->rows, &l->feed);
}

static void release(loop *l)
{
    trb_feed_close(l->feed);
    trb_work_destroy(l->work);
    trb_free(l->order);
    trb_free(l->mine);
    trb_free(l->view);
    trb_free(l->dz);
    trb_free(l->loss);
}

static trb_status lane(loop *l, size_t i, uint64_t epoch, const int64_t *sample)
{
    const trb__fit *f = l->fit;
    const trb_draw draw = {.seed = f->opts->seed, .member = f->stream, .epoch = epoch, .sample = sample};
    const float *x = NULL, *z = NULL;
    const trb_mix *mix = NULL;
    double loss = 0.0;
    TRB_TRY(trb_feed_next(l->feed, &x, &mix));
    TRB_TRY(trb_net_forward(f->net, l->work, f->params, l->rows, x, &draw, &z));
    TRB_TRY(f->loss(f->ctx, i * l->rows, l->rows, f->opts->batch, sample, mix, z, &loss, l->dz));
    TRB_TRY(trb_net_backward(f->net, l->work, f->params, l->dz, trb_exchange_gradient(l->x), NULL));
    l->loss[i] += loss;
    return TRB_OK;
}

/* One step. A rank that fails takes part in the exchange all the same; its status rides along. */
static trb_status step(loop *l, uint64_t epoch, const int64_t *sample)
{
    trb_status st = trb_fault("train.step");
    if (st == TRB_OK && l->fit->next != NULL) st = l->fit->next(l->fit->ctx);
    for (size_t i = 0; i < l->count; i++) {
        if (st == TRB_OK) st = lane(l, i, epoch, sample + i * l->rows);
        trb_exchange_lane_done(l->x);
    }
    TRB_TRY(trb_exchange_push(l->x, st));
    return trb_exchange_pull(l->x);
}

/* Whoever reads ahead by the last plan borrows its buffer. Not so the feed, which has served all of it when an epoch
 * ends, and is closed before the buffer is released. */
static trb_status drop_plan(loop *l)
{
    return l->fit->plan == NULL ? TRB_OK : l->fit->plan(l->fit->ctx, 0, 0, NULL, NULL);
}

/* This rank's samples of an epoch, step after step: its lanes are neighbours within a batch. */
static trb_status plan_epoch(loop *l, uint64_t epoch)
{
    const trb__fit *f = l->fit;
    TRB_TRY(drop_plan(l));
    trb_data_order(f->opts->seed, f->stream, epoch, f->samples->n_train, f->samples->train, l->order);
    const size_t n = l->count * l->rows;
    for (size_t s = 0; s < l->steps; s++)
        for (size_t i = 0; i < n; i++) l->mine[s * n + i] = l->order[s * f->opts->batch + l->first * l->rows + i];
    for (size_t i = 0; l->view != NULL && i < l->steps * n; i++) {
        trb_rng rng = trb_rng_open(f->opts->seed, TRB_USE_CHOICE, f->stream, epoch, (uint64_t)l->mine[i]);
        l->view[i] = (uint16_t)trb_rng_below(&rng, f->views);
    }
    trb_feed_plan(l->feed, epoch, l->steps * l->count, l->mine, l->view);
    return f->plan == NULL ? TRB_OK : f->plan(f->ctx, l->steps, n, l->mine, l->view);
}

trb_status trb__fit_run(trb_comm *group, const trb__fit *f)
{
    loop l = {.fit = f, .steps = f->samples->n_train / f->opts->batch, .rows = f->opts->batch / f->opts->lanes};
    const trb_optim opt = optimiser(f, l.steps);
    trb_progress progress;
    char note[32] = "";
    TRB_TRY(trb_exchange_open(group, f->exchange, f->net, &opt, f->opts->lanes, f->params, &l.x));
    trb_exchange_lanes(l.x, &l.first, &l.count);
    trb_status st = trb_agree(group, reserve(&l));
    if (st == TRB_OK) trb_work_watch(l.work, trb_exchange_ready, l.x);
    trb_progress_begin(&progress, f->epochs * l.steps, "steps", "%s", f->label);
    for (uint64_t e = 0; st == TRB_OK && e < f->epochs; e++) {
        const uint64_t epoch = f->first_epoch + e;
        for (size_t i = 0; i < l.count; i++) l.loss[i] = 0.0;
        TRB_GO(trb_agree(group, plan_epoch(&l, epoch)));
        for (size_t s = 0; s < l.steps; s++) {
            TRB_GO(step(&l, epoch, l.mine + s * l.count * l.rows));
            trb_progress_update(&progress, e * l.steps + s + 1, note);
            if (f->between != NULL) f->between(f->between_ctx);
        }
        double loss = 0.0;
        TRB_GO(trb_exchange_sum(l.x, l.loss, &loss));
        loss /= (double)l.steps;
        (void)snprintf(note, sizeof note, "(loss %.4g)", loss);
        if (f->metrics != NULL)
            st = trb_jsonl_line(f->metrics, "phase:u epoch:u steps:u loss:f lr:f", (unsigned long long)f->phase,
                                (unsigned long long)(e + 1), (unsigned long long)((e + 1) * l.steps), loss,
                                trb_optim_rate(&opt, (e + 1) * l.steps));
        TRB_GO(trb_agree(group, st));
    }
    if (st == TRB_OK) trb_progress_end(&progress, note);
done:
    (void)drop_plan(&l);
    release(&l);
    trb_exchange_close(l.x);
    return st;
}
