/* Networks that are made of others: with rank1 layers, folded into one head, spread by another factor. */
#include <stdio.h>
#include <string.h>

#include "layer.h"
#include "tribikos/memory.h"

trb_status trb_net_rank1(const char *layers, char **out)
{
    char *list = NULL, *text = NULL;
    trb__item item = {0};
    size_t items = 1;
    bool any = false;
    trb_status st = TRB_OK;
    TRB_TRY(trb_net_expand(layers, &list));
    for (const char *c = list; *c != '\0'; c++) items += *c == ',';
    TRB_GO(trb_alloc(TRB_MEM_OTHER, items + 1, TRB__ITEM_BYTES + 2, &text));
    char *end = stpcpy(text, "split");
    for (const char *cursor = list; cursor != NULL;) {
        TRB_GO(trb__list_next(&cursor, &item));
        if (item.is == TRB__SPLIT) continue;
        if (item.is == TRB__LAYER && item.argument.rank1)
            TRB_GO(trb_fail(TRB_ECONFIG,
                            "layers: item %zu, \"%s\": a list of rank1 layers is made of one without rank1",
                            item.number, item.text));
        if (item.is == TRB__LAYER) item.argument.rank1 = item.kind->takes_rank1;
        any = any || item.argument.rank1;
        end = stpcpy(end, ", ");
        trb__item_print(&item, TRB__ITEM_BYTES, end);
        end += strlen(end);
    }
    if (!any) TRB_GO(trb_fail(TRB_ECONFIG, "layers: \"%.200s\" has no dense layer and no conv for rank1", list));
    *out = text;
    text = NULL;
done:
    trb_free(text);
    trb_free(list);
    return st;
}

trb_status trb_net_plain(const trb_net *net, trb_net **out)
{
    char *text = NULL;
    trb__item item = {0};
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
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, strlen(net->layers) + TRB__ITEM_BYTES, 1, &text));
    char *end = text;
    trb_status st = TRB_OK;
    for (const char *cursor = net->layers; cursor != NULL;) {
        TRB_GO(trb__list_next(&cursor, &item));
        if (item.is == TRB__SPLIT) continue;
        item.argument.rank1 = false;
        if (end > text) end = stpcpy(end, ", ");
        trb__item_print(&item, TRB__ITEM_BYTES, end);
        end += strlen(end);
    }
    st = trb_net_create(text, net->input, 1, out);
done:
    trb_free(text);
    return st;
}

/* W o the mean of s_m r_m^T, of a tensor [outputs][inputs][...]. */
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

/* Both tables have the same tensors in the same order, but for the factors, which lie behind their weights: r, then s.
 * */
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
    const size_t room = strlen(net->layers) + TRB__ITEM_BYTES;
    const size_t kept =
        last_spread(net) == NULL ? strlen(net->layers) : (size_t)(strrchr(net->layers, ',') - net->layers);
    char *list = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, 1, &list));
    (void)snprintf(list, room, "%.*s, spread %.17g", (int)kept, net->layers, S);
    const trb_status st = trb__net_create(list, net->input, net->heads, net->share, out);
    trb_free(list);
    return st;
}
