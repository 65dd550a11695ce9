/* `tribikos cache CONFIG --report`: what each way to store the cache costs. */
#include <stdio.h>

#include "commands.h"

trb_status trb__take_storage(const char *value, trb__arguments *a)
{
    (void)value;
    a->storage = true;
    return TRB_OK;
}

static trb_status show(const trb_storages *s)
{
    const trb_metrics *as_is = s->form[0].model;
    TRB_TRY(trb__show("what is lost on %zu held-out samples if the cache stores less than float32; changes after +-",
                      s->samples));
    TRB_TRY(trb__show("%-16s %9s %-9s %9s %10s %9s %10s %10s %10s", "stored", "bytes/row", "model", "nll", "+-", "ece",
                      "+-", "mu", "+-"));
    for (size_t f = 0; f < s->n; f++)
        for (size_t m = 0; m <= s->M; m++) {
            const trb_metrics *is = &s->form[f].model[m], *was = &as_is[m];
            char model[24] = "ensemble", mu[32] = "";
            if (m < s->M) (void)snprintf(model, sizeof model, "m%03zu", m);
            if (m == s->M) (void)snprintf(mu, sizeof mu, " %10.6f %+10.6f", is->mu, is->mu - was->mu);
            TRB_TRY(trb__show("%-16s %9zu %-9s %9.4f %+10.5f %9.4f %+10.5f%s", s->form[f].name, s->form[f].bytes, model,
                              is->nll, is->nll - was->nll, is->ece, is->ece - was->ece, mu));
        }
    return TRB_OK;
}

trb_status trb__show_storage(trb_comm *world, const trb_config *c)
{
    trb_storages s = {0};
    trb_status st = trb_stage_storage(world, c, &s);
    if (st == TRB_OK) st = trb_agree(world, trb_comm_rank(world) == 0 ? show(&s) : TRB_OK);
    trb_storages_clear(&s);
    return st;
}
