/* The loops of ranks that take no step together: workers and servers, if `server.staleness` is above 0. */
#include "fit_loop.h"
#include "tribikos/stop.h"

/* If a worker fails, no worker gets another share. */
trb_status trb__work_freely(trb__loop *l)
{
    trb_status st = TRB_OK;
    for (;;) {
        uint64_t at = 0;
        TRB_TRY(trb_exchange_claim(l->x, &at, &l->own));
        if (at == l->fit->epochs * l->steps) return st;
        const uint64_t epoch = l->fit->first_epoch + at / l->steps;
        l->row = l->own;
        trb__losses_reset(&l->losses);
        st = trb__loop_step(l, trb__loop_plan(l, epoch, at % l->steps), at, l->sample);
    }
}

/* A server has applied a share. Shares of several epochs may arrive mixed; the lines of epochs are written in order.
 * \return whether to keep the state, for a checkpoint or to stop */
static bool take_server_losses(void *ctx, uint64_t step, size_t lanes, double loss)
{
    trb__loop *l = ctx;
    const uint64_t lanes_a_step = l->fit->opts->lanes;
    l->epoch_loss[step / l->steps] += loss;
    l->epoch_lanes[step / l->steps] += lanes;
    l->lanes += lanes;
    for (uint64_t e = l->ended; l->failed == TRB_OK && e < l->fit->epochs; e = ++l->ended) {
        if (l->epoch_lanes[e] < lanes_a_step * l->steps) break;
        l->failed = trb__epochs_line(l->epochs, e, l->epoch_loss[e]);
    }
    const uint64_t taken = l->lanes / lanes_a_step;
    trb__loop_between(l, taken);
    trb__loop_saving(l, trb__saver_go_on(l->saver));
    if (trb_stop_reason() == 0 && l->failed == TRB_OK && l->saved == TRB_OK) return trb__saver_due(l->saver, taken);
    trb__loop_saving(l,
                     trb__saver_finish(l->saver)); /* keeping overwrites the memory that is being written to a file */
    return true;
}

/* A server has applied exactly the shares before this step: give its losses to the saver. */
static trb_status save_server_state(void *ctx, uint64_t taken)
{
    trb__loop *l = ctx;
    if (l->saver != NULL) {
        double *sums = trb__saver_sums(l->saver);
        if (taken % l->steps != 0) sums[0] = l->epoch_loss[taken / l->steps];
        trb__loop_saving(l, trb__saver_kept(l->saver, taken));
    }
    trb__loop_saving(l, trb_stop_reason() != 0 ? trb__saver_finish(l->saver) : trb__saver_go_on(l->saver));
    if (l->saved == TRB_OK) l->saved = l->failed;
    return l->saved != TRB_OK ? l->saved : trb__loop_stopped(l);
}

trb_status trb__serve_parameters(trb__loop *l)
{
    TRB_TRY(trb_exchange_serve(l->x, take_server_losses, save_server_state, l));
    trb__loop_saving(l, trb__saver_finish(l->saver));
    return l->saved != TRB_OK ? l->saved : l->failed;
}
