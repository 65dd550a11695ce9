/* Networks that are parts of another one (cut at the split, windows), and copies of parameters between them by name. */
#include "tribikos/net.h"

#include <string.h>

#include "layer.h"
#include "tribikos/memory.h"

/* Cuts a list before its split. \param[out] rest  the list from the split on */
static trb_status cut_list(char *list, const char **rest)
{
    const char *cursor = list;
    trb__list_item item = {0};
    do {
        *rest = cursor;
        TRB_TRY(trb__list_next(&cursor, &item));
    } while (item.is != TRB__SPLIT);
    list[*rest - list - 1] = '\0'; /* the comma */
    return TRB_OK;
}

/* Why the heads cannot be separated from each other; NULL if they can. */
static const char *tie_of(const trb_net *net)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        if (net->layer[i].argument.rank1) return "the heads share the weights of its rank1 layers";
        if (net->layer[i].kind->across_heads) return "spread takes the mean over all heads";
    }
    return NULL;
}

trb_status trb_net_cut(const trb_net *net, size_t heads, trb_net **body, trb_net **top)
{
    const trb__layer *first = net->layer; /* first layer after the split */
    while (first < net->layer + net->n_layers && !first->head) first++;
    if (first == net->layer + net->n_layers)
        return trb_fail(TRB_ECONFIG,
                        "layers: \"%.200s\" has no split, so it cannot be cut into a body and heads; put a split "
                        "where its heads shall begin",
                        net->layers);
    if (tie_of(net) != NULL)
        return trb_fail(TRB_ECONFIG,
                        "layers: \"%.200s\" cannot be cut: %s, so no rank can hold some heads alone; keep all heads "
                        "together",
                        net->layers, tie_of(net));
    if (net->param[0].head)
        return trb_fail(TRB_ECONFIG,
                        "layers: \"%.200s\" cannot be cut: no layer before the split has weights, so there is no body "
                        "to share; put the split behind a layer with weights",
                        net->layers);
    char *list = NULL;
    const char *rest = NULL;
    trb_net *front = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_strdup(net->layers, &list));
    TRB_GO(cut_list(list, &rest));
    TRB_GO(trb_net_create(list, net->input, 1, &front));
    TRB_GO(trb_net_create(rest, first[-1].out, heads, top));
    *body = front;
    front = NULL;
done:
    trb_net_destroy(front);
    trb_free(list);
    return st;
}

trb_status trb_net_window(const trb_net *net, size_t first, size_t n, trb_net **out)
{
    if (n == 0 || first > net->heads || n > net->heads - first)
        return trb_fail(TRB_EINTERNAL, "a window on %zu heads from head %zu of a network of %zu", n, first, net->heads);
    for (size_t i = 0; i < net->n_layers && n < net->heads; i++)
        if (net->layer[i].kind->across_heads)
            return trb_fail(TRB_ECONFIG,
                            "layers: \"%.200s\": no window shows %zu of %zu heads: %s takes the mean over all heads; "
                            "keep all heads together",
                            net->layers, n, net->heads, net->layer[i].kind->name);
    const trb__head_share share = {.first = net->share.first + first, .of = net->share.of};
    return trb__net_make(net->layers, net->input, n, share, out);
}

static const trb_param *find(const trb_net *net, const char *name)
{
    for (size_t i = 0; i < net->n_params; i++)
        if (strcmp(net->param[i].name, name) == 0) return &net->param[i];
    return NULL;
}

/* Whether two tensors of one name have the same shape, apart from the number of heads. */
static bool same_shape(const trb_param *p, const trb_param *q)
{
    const size_t at = p->head;
    return p->ndim == q->ndim && memcmp(p->shape + at, q->shape + at, (p->ndim - at) * sizeof *p->shape) == 0;
}

trb_status trb_net_copy(const trb_net *from, const float *params, const trb_net *to, size_t first, size_t n,
                        float *to_params)
{
    size_t found = 0;
    for (size_t i = 0; i < to->n_params; i++) {
        const trb_param *q = &to->param[i], *p = find(from, q->name);
        if (p == NULL) continue;
        if (!same_shape(p, q))
            return trb_fail(TRB_EINTERNAL, "copy: %s has %zu floats a head in one network, %zu in the other", q->name,
                            p->count / (p->head ? from->heads : 1), q->count / (q->head ? to->heads : 1));
        if (q->head && (first > to->heads || n > to->heads - first || (from->heads != n && from->heads != 1)))
            return trb_fail(TRB_EINTERNAL, "copy: %s of %zu heads to %zu heads from head %zu on of %zu", q->name,
                            from->heads, n, first, to->heads);
        const size_t one = q->head ? q->count / to->heads : q->count, copies = q->head ? n : 1;
        float *place = to_params + q->offset + (q->head ? first * one : 0);
        for (size_t m = 0; m < copies; m++)
            memcpy(place + m * one, params + p->offset + (from->heads > 1 ? m * one : 0), one * sizeof *place);
        found++;
    }
    if (found == 0)
        return trb_fail(TRB_EINTERNAL, "copy: \"%.200s\" and \"%.200s\" have no parameter of one name", from->layers,
                        to->layers);
    return TRB_OK;
}
