/* Networks derived from others: with rank1 layers, folded into one head, with another factor of spread. */
#include <string.h>

#include "layer.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

trb_status trb_net_rank1(const char *layers, char **out)
{
    char *list = NULL;
    trb_text text = {0};
    trb__list_item item = {0};
    bool any = false;
    trb_status st = TRB_OK;
    TRB_TRY(trb_net_expand(layers, &list));
    trb_text_add(&text, "split");
    for (const char *cursor = list; cursor != NULL;) {
        TRB_GO(trb__list_next(&cursor, &item));
        if (item.is == TRB__SPLIT) continue;
        if (item.is == TRB__LAYER && item.argument.rank1)
            TRB_GO(trb_fail(TRB_ECONFIG,
                            "layers: item %zu, \"%s\": a list of rank1 layers is made of one without rank1",
                            item.number, item.text));
        if (item.is == TRB__LAYER) item.argument.rank1 = item.kind->takes_rank1;
        any = any || item.argument.rank1;
        trb_text_add(&text, ", ");
        trb__list_item_print(&item, &text);
    }
    if (!any) TRB_GO(trb_fail(TRB_ECONFIG, "layers: \"%.200s\" has no dense layer and no conv for rank1", list));
    st = trb_text_take(&text, out);
done:
    trb_text_clear(&text);
    trb_free(list);
    return st;
}

trb_status trb_net_plain(const trb_net *net, trb_net **out)
{
    char *list = NULL;
    trb_text text = {0};
    trb__list_item item = {0};
    bool any = false;
    for (size_t i = 0; i < net->n_layers; i++) {
        const trb__layer *l = &net->layer[i];
        any = any || l->argument.rank1;
        if (l->kind->across_heads)
            return trb_fail(TRB_ECONFIG,
                            "layers: \"%.200s\" does not fold: one head has nothing for %s to act on; drop it",
                            net->layers, l->kind->name);
        if (l->head && l->kind->takes_rank1 && !l->argument.rank1)
            return trb_fail(TRB_ECONFIG,
                            "layers: \"%.200s\" does not fold: behind the split, %s of layer %s%s%zu is not rank1",
                            net->layers, l->kind->name, l->name, l->name[0] != '\0' ? "." : "", l->position);
    }
    if (!any) return trb_fail(TRB_ECONFIG, "layers: \"%.200s\" has no rank1 layer, so nothing folds", net->layers);
    trb_status st = TRB_OK;
    for (const char *cursor = net->layers; cursor != NULL;) {
        TRB_GO(trb__list_next(&cursor, &item));
        if (item.is == TRB__SPLIT) continue;
        item.argument.rank1 = false;
        if (text.n > 0) trb_text_add(&text, ", ");
        trb__list_item_print(&item, &text);
    }
    TRB_GO(trb_text_take(&text, &list));
    st = trb_net_create(list, net->input, 1, out);
done:
    trb_text_clear(&text);
    trb_free(list);
    return st;
}

/* Computes W o (mean over m of s_m r_m^T) for a tensor [outputs][inputs][...]. */
static void fold_weight(size_t M, const trb_param *p, const float *w, const float *r, const float *s, float *to)
{
    const size_t N = p->shape[0], C = p->shape[1], window = p->count / (N * C);
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < C; c++, w += window, to += window) {
            double sum = 0.0;
            for (size_t m = 0; m < M; m++) sum += (double)s[m * N + n] * (double)r[m * C + c];
            for (size_t i = 0; i < window; i++) to[i] = (float)((double)w[i] * (sum / (double)M));
        }
}

static void mean_of_heads(size_t M, const trb_param *p, const float *from, float *to)
{
    const size_t one = p->count / M;
    for (size_t i = 0; i < one; i++) {
        double sum = 0.0;
        for (size_t m = 0; m < M; m++) sum += (double)from[m * one + i];
        to[i] = (float)(sum / (double)M);
    }
}

/* Both tables have the same tensors in the same order, except that in `net` factors follow their weights: r, then s. */
void trb_net_fold(const trb_net *net, const float *params, const trb_net *plain, float *to)
{
    const trb_param *q = plain->param;
    for (const trb_param *p = net->param; p < net->param + net->n_params; p++, q++) {
        const float *from = params + p->offset;
        const bool shared = p + 1 < net->param + net->n_params && p[1].factor;
        if (shared)
            fold_weight(net->heads, p, from, params + p[1].offset, params + p[2].offset, to + q->offset);
        else if (p->head)
            mean_of_heads(net->heads, p, from, to + q->offset);
        else
            memcpy(to + q->offset, from, p->count * sizeof *to);
        if (shared) p += 2;
    }
}

static const trb__layer *last_spread(const trb_net *net)
{
    const trb__layer *last = &net->layer[net->n_layers - 1];
    return last->kind->across_heads ? last : NULL;
}

double trb_net_spread(const trb_net *net)
{
    return last_spread(net) == NULL ? 1.0 : last_spread(net)->argument.factor;
}

trb_status trb_net_respread(const trb_net *net, double S, trb_net **out)
{
    const size_t kept =
        last_spread(net) == NULL ? strlen(net->layers) : (size_t)(strrchr(net->layers, ',') - net->layers);
    char *list = NULL, factor[TRB_NUMBER_BYTES];
    trb_number_print(S, factor);
    TRB_TRY(trb_text_of(&list, "%.*s, spread %s", (int)kept, net->layers, factor));
    const trb_status st = trb__net_make(list, net->input, net->heads, net->share, out);
    trb_free(list);
    return st;
}
