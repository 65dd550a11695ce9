/* The ends of a training's epochs.
 *
 * Every rank learns the same figures of the validation, so every rank takes the same decisions. Only rank 0 of the grid
 * has the best weights: it writes them into checkpoints, and sends them to the others at the end. */
#include "epoch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/clock.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"

struct trb__epochs {
    const trb__fit *fit;
    trb__validation *validation; /* NULL: none */
    trb_optim opt;
    size_t steps; /* in each epoch */
    trb__best best;
    double begun_s; /* when the epoch began */
    char note[96];
};

static bool keeps_best(const trb__epochs *x)
{
    return x->fit->opts->keep == TRB_KEEP_BEST;
}

static bool watches(const trb__epochs *x)
{
    return x->validation != NULL && (keeps_best(x) || x->fit->opts->early_stopping > 0);
}

trb_status trb__epochs_open(const trb__fit *f, size_t steps, const trb_optim *opt, trb_work *work, trb__heads *heads,
                            trb__epochs **out)
{
    trb__epochs *x = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *x, &x));
    *out = x;
    *x = (trb__epochs){.fit = f, .steps = steps, .opt = *opt, .begun_s = trb_now_s()};
    TRB_TRY(trb__validation_open(f, work, heads, &x->validation));
    if (!watches(x) || !keeps_best(x) || trb_comm_rank(f->grid->world) != 0) return TRB_OK;
    return trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(f->network->net), sizeof *x->best.params, &x->best.params);
}

void trb__epochs_close(trb__epochs *x)
{
    if (x == NULL) return;
    trb__validation_close(x->validation);
    trb_free(x->best.params);
    trb_free(x);
}

trb__best *trb__epochs_best(trb__epochs *x)
{
    return &x->best;
}

const char *trb__epochs_note(const trb__epochs *x)
{
    return x->note;
}

/* Write the line of an epoch, and the note. */
static trb_status write_line(trb__epochs *x, uint64_t e, double loss, const trb__validated *v)
{
    const trb__fit *f = x->fit;
    const bool regression = f->samples->data.task == TRB_TASK_REGRESSION;
    const double third = v == NULL ? NAN : regression ? v->rmse : v->accuracy;
    const char *format = "phase:u epoch:u steps:u loss:f lr:f";
    loss /= (double)x->steps;
    if (v == NULL) {
        (void)snprintf(x->note, sizeof x->note, "(loss %.4g)", loss);
    } else if (f->network->n_parts > 1 || isnan(third)) { /* cut, or held-out samples without labels */
        format = "phase:u epoch:u steps:u loss:f lr:f validation_loss:f";
        (void)snprintf(x->note, sizeof x->note, "(loss %.4g, validation %.4g)", loss, v->loss);
    } else {
        format = regression ? "phase:u epoch:u steps:u loss:f lr:f validation_loss:f validation_nll:f validation_rmse:f"
                            : "phase:u epoch:u steps:u loss:f lr:f validation_loss:f validation_nll:f "
                              "validation_accuracy:f";
        (void)snprintf(x->note, sizeof x->note, "(loss %.4g, validation %.4g, %s %.4g)", loss, v->loss,
                       regression ? "RMSE" : "accuracy", third);
    }
    const double now = trb_now_s(), took_s = now - x->begun_s;
    x->begun_s = now;
    trb_log_epoch(took_s, "%s: epoch %llu of %llu %s", f->label, (unsigned long long)(e + 1),
                  (unsigned long long)f->epochs, x->note);
    if (f->metrics == NULL) return TRB_OK;
    /* Values that the format does not name are not read. */
    return trb_jsonl_line(f->metrics, format, (unsigned long long)f->phase, (unsigned long long)(e + 1),
                          (unsigned long long)((e + 1) * x->steps), loss, trb_optim_rate(&x->opt, (e + 1) * x->steps),
                          v == NULL ? NAN : v->loss, v == NULL ? NAN : v->nll, third);
}

trb_status trb__epochs_line(trb__epochs *x, uint64_t e, double loss)
{
    return write_line(x, e, loss, NULL);
}

static void take_best(trb__epochs *x, uint64_t e, double loss)
{
    if (!watches(x) || !isfinite(loss) || (x->best.epoch > 0 && !(loss < x->best.loss))) return;
    x->best.epoch = e + 1;
    x->best.loss = loss;
    if (x->best.params == NULL) return;
    memcpy(x->best.params, x->fit->network->params, trb_net_size(x->fit->network->net) * sizeof *x->best.params);
    x->best.taken++;
}

trb_status trb__epochs_end(trb__epochs *x, trb_status st, uint64_t e, double loss)
{
    trb_comm *world = x->fit->grid->world;
    trb__validated v = {0};
    if (x->validation == NULL) return trb_agree(world, st == TRB_OK ? write_line(x, e, loss, NULL) : st);
    TRB_TRY(trb_agree(world, st));
    TRB_TRY(trb__validation_run(x->validation, &v));
    take_best(x, e, v.loss);
    return trb_agree(world, write_line(x, e, loss, &v));
}

bool trb__epochs_over(const trb__epochs *x, uint64_t taken)
{
    const uint64_t done = taken / x->steps, patience = x->fit->opts->early_stopping;
    if (done >= x->fit->epochs) return true;
    return watches(x) && patience > 0 && taken % x->steps == 0 && done >= x->best.epoch + patience;
}

trb_status trb__epochs_finish(trb__epochs *x, uint64_t taken)
{
    const trb__fit *f = x->fit;
    const uint64_t done = taken / x->steps;
    const unsigned long long best = (unsigned long long)x->best.epoch;
    if (watches(x) && done > 0 && best == 0)
        return trb_fail(
            TRB_ENUM,
            "%s: the validation loss was no finite number after any of the %llu epochs, so none is the best "
            "one; a lower learning rate may help",
            f->label, (unsigned long long)done);
    if (done < f->epochs)
        trb_info("%s: stopped early after epoch %llu of %llu; the validation loss is lowest after epoch %llu, %.4g",
                 f->label, (unsigned long long)done, (unsigned long long)f->epochs, best, x->best.loss);
    if (!watches(x) || !keeps_best(x) || x->best.epoch == 0) return TRB_OK;
    trb_info("%s: keeps the weights after epoch %llu of %llu, whose validation loss is %.4g", f->label, best,
             (unsigned long long)f->epochs, x->best.loss);
    if (x->best.epoch == done) return TRB_OK;
    const size_t bytes = trb_net_size(f->network->net) * sizeof *f->network->params;
    if (x->best.params != NULL) memcpy(f->network->params, x->best.params, bytes);
    return trb_agree(f->grid->world, trb_comm_bcast(f->grid->world, f->network->params, bytes, 0));
}
