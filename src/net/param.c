/* The table of parameters, to which layers append their tensors. */
#include <stdio.h>

#include "layer.h"

trb_status trb__net_add_param(trb_net *net, trb__layer *l, const trb__param_spec *t, size_t *offset)
{
    size_t *end = t->statistic ? &net->size : &net->trained; /* settle() later joins both */
    size_t one = 1, all = 0;                                 /* floats of a copy, and of all copies in the slab */
    const bool each = l->head && !t->shared;
    trb_param *p = &net->param[net->n_params];
    *p = (trb_param){.head = each,
                     .decays = t->decays,
                     .statistic = t->statistic,
                     .factor = t->factor,
                     .start = t->start,
                     .fan_in = t->fan_in,
                     .fan_out = t->fan_out};
    (void)snprintf(p->name, sizeof p->name, "%s.%s%s%zu.%s", l->head ? "heads" : "body", l->name,
                   l->name[0] != '\0' ? "." : "", l->position, t->name);
    if (each) p->shape[p->ndim++] = net->heads;
    bool fits = true;
    for (size_t i = 0; i < t->ndim; i++) {
        p->shape[p->ndim++] = t->shape[i];
        fits = fits && !__builtin_mul_overflow(one, t->shape[i], &one);
    }
    fits = fits && !__builtin_mul_overflow(one, each ? net->share.of : 1, &all);
    p->count = one * (each ? net->heads : 1);
    p->offset = *end + (each ? net->share.first * one : 0);
    fits = fits && !__builtin_add_overflow(*end, all, end);
    if (!fits || *end > PTRDIFF_MAX / sizeof(float) / 2)
        return trb_fail(TRB_ECONFIG, "layers: with %s there are more parameters than an address can hold", p->name);
    if (!t->statistic) l->end = p->offset + p->count;
    net->n_params++;
    *offset = p->offset;
    return TRB_OK;
}
