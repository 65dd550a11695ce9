/* The training of one network: epochs and steps.
 *
 * | exchange | ranks | loop |
 * | in step | all | in_step(): every rank takes part in every step |
 * | free, by servers | workers | trb__work_freely(): claims a share of lanes, computes it, claims the next one |
 * | free, by servers | servers | trb__serve_parameters(): applies shares, writes metrics and checkpoints |
 *
 * A step in step with others:
 *
 * | 1 | keep it for a checkpoint, if rank 0 wished so in the step before, or any rank wished to stop |
 * | 2 | trb__loop_step(): compute the lanes; exchange gradients, the status and wishes for the next step |
 * | 3 | after the last step of an epoch: sum the losses, check the moments, write a line of metrics |
 * | 4 | hand a kept step to the saver; stop if a rank wished so |
 */
#include "costs.h"
#include "fit_loop.h"
#include "tribikos/clock.h"
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

/* A step that was kept, or the last one, is over: give its losses to the saver, and stop if a rank wished so. */
static trb_status save_checkpoint(trb__loop *l, unsigned wished)
{
    trb_comm *world = l->fit->grid->world;
    if (l->saver != NULL) {
        double *sums = trb__saver_sums(l->saver);
        if (l->taken % l->steps != 0) TRB_TRY(trb__losses_show(&l->losses, sums)); /* none yet at the end of an epoch */
        trb__loop_saving(l, trb__saver_kept(l->saver, l->taken));
    }
    if (wished < TRB__WISH_STOP) return TRB_OK;
    trb__loop_saving(l, trb__saver_finish(l->saver));
    TRB_TRY(trb_agree(world, l->saved));
    trb_stop_heard((int)wished - TRB__WISH_STOP - 1);
    return trb__loop_stopped(l);
}

/* Check the moments at the end of every epoch. A checkpoint is checked before it is written; without this check,
 * whether a run fails would depend on whether a checkpoint is due. */
static trb_status check_moments(const trb__loop *l)
{
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < l->fit->network->n_parts; i++)
        st = trb_exchange_finite(l->fit->network->part[i].x);
    return trb_fail_of(st, "%s: ", l->fit->label);
}

static trb_status finish_epoch(trb__loop *l, uint64_t e)
{
    double loss = 0.0;
    TRB_TRY(trb__losses_total(&l->losses, &loss));
    return trb__epochs_end(l->epochs, check_moments(l), e, loss);
}

/* All ranks take every step together. */
static trb_status in_step(trb__loop *l)
{
    trb_comm *world = l->fit->grid->world;
    unsigned wished = TRB__WISH_NOTHING;
    for (uint64_t e = l->taken / l->steps; !trb__epochs_over(l->epochs, l->taken); e++) {
        const uint64_t epoch = l->fit->first_epoch + e;
        const size_t first = l->taken % l->steps;
        l->planned = l->steps - first;
        TRB_TRY(trb_agree(world, trb__loop_plan(l, epoch, first)));
        for (size_t s = 0; s < l->planned; s++) {
            l->taken++;
            double start = trb_now_s();
            if (wished != TRB__WISH_NOTHING) trb__loop_saving(l, trb__saver_keep(l->saver));
            trb__saver_hold(l->saver, trb_now_s() - start);
            const int64_t *sample = l->row.count == 0 ? NULL : l->sample + s * l->row.count * l->rows;
            TRB_TRY(trb__loop_step(l, l->saved, l->taken - 1, sample));
            if (l->taken % l->steps == 0) TRB_TRY(finish_epoch(l, e));
            start = trb_now_s();
            if (wished != TRB__WISH_NOTHING) TRB_TRY(save_checkpoint(l, wished));
            wished = trb_exchange_wished(l->x);
            trb__loop_saving(l, trb__saver_go_on(l->saver));
            trb__saver_hold(l->saver, trb_now_s() - start);
            trb__loop_between(l, l->taken);
        }
    }
    trb__loop_saving(l, trb__saver_finish(l->saver));
    return trb_agree(world, l->saved);
}

/* Continue where the run of the checkpoint was, if there is one. Collective over the grid. */
static trb_status go_on(trb__loop *l)
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
static trb_status open_all(const trb__fit *f, trb__loop *l)
{
    trb__network *n = f->network;
    *l = (trb__loop){.fit = f, .steps = f->samples->n_train / f->opts->batch, .rows = f->opts->batch / f->opts->lanes};
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
    TRB_TRY(trb_agree(f->grid->world, trb__loop_reserve(l)));
    return trb_agree(f->grid->world, trb__epochs_open(f, l->steps, &l->opt, l->work, l->heads, &l->epochs));
}

static void close_all(trb__loop *l)
{
    trb__saver_close(l->saver);
    trb__epochs_close(l->epochs);
    trb__loop_release(l);
    trb__heads_close(l->heads);
    trb__losses_close(&l->losses);
    for (size_t i = l->fit->network->n_parts; i-- > 0;) {
        trb_exchange_close(l->fit->network->part[i].x);
        l->fit->network->part[i].x = NULL;
    }
}

trb_status trb__fit_measure(const trb__fit *f, size_t *bytes)
{
    trb__loop l = {.fit = f};
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS);
    const trb_status st = open_all(f, &l);
    *bytes = trb_mem_bytes(TRB_MEM_KINDS) - before;
    close_all(&l);
    return st;
}

trb_status trb__fit_run(const trb__fit *f)
{
    trb_comm *group = f->grid->world;
    trb__loop l = {.fit = f};
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
        st = l.own.count == 0 ? trb__serve_parameters(&l) : trb__work_freely(&l);
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
    (void)trb__loop_unplan(&l);
    close_all(&l);
    return st;
}
