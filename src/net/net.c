/* Networks: built from a list, their properties, their initial weights. */
#include "tribikos/net.h"

#include <math.h>
#include <string.h>

#include "layer.h"
#include "tribikos/memory.h"
#include "tribikos/rng.h"

enum { TENSORS = 4 }; /* the most that a layer has */

/* The most numbers that a row may have anywhere in a network: with more, sizes in bytes might not fit the libraries'
 * integers. */
enum { WIDTH_MAX = 1 << 30 };

/* Moves running statistics to the end, after all trained parameters, in the slab and in the table. */
static trb_status settle(trb_net *net)
{
    trb_param *sorted = NULL;
    size_t n = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, net->n_params, sizeof *sorted, &sorted));
    for (int statistic = 0; statistic < 2; statistic++)
        for (size_t i = 0; i < net->n_params; i++) {
            if (net->param[i].statistic != (statistic == 1)) continue;
            sorted[n] = net->param[i];
            sorted[n++].offset += statistic == 1 ? net->trained : 0;
        }
    for (size_t i = 0; i < net->n_layers; i++) {
        net->layer[i].mean += net->trained;
        net->layer[i].variance += net->trained;
    }
    net->size += net->trained;
    trb_free(net->param);
    net->param = sorted;
    return TRB_OK;
}

/* How far the list has been read, and what its items up to there have said. */
typedef struct {
    size_t split; /* its item number, 0 before it */
    const char *name;
    size_t position;
    bool forked, swapped;
    trb_shape saved; /* between fork and add */
    size_t saved_copies;
} course;

/* Sets shapes for fork, shortcut and add, and keeps track of the saved value. */
static trb_status follow(const trb__list_item *item, course *at, trb__layer *l)
{
    const trb_shape in = l->in;
    const size_t copies = l->x_copies;
    switch (l->kind->path) {
    case TRB__WORKS:
        return TRB_OK;
    case TRB__FORKS:
        if (at->forked)
            return trb_fail(TRB_ECONFIG, "layers: item %zu, \"fork\": the fork before it has no add yet", item->number);
        at->forked = true;
        at->saved = in;
        at->saved_copies = copies;
        return TRB_OK;
    case TRB__SWAPS:
    case TRB__ADDS:
        break;
    }
    if (!at->forked || (at->swapped && l->kind->path == TRB__SWAPS))
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": %s", item->number, item->text,
                        at->forked ? "the fork before it has a shortcut already" : "there is no fork before it");
    if (l->kind->path == TRB__SWAPS) {
        l->out = at->saved;
        l->y_copies = at->saved_copies;
        at->saved = in;
        at->saved_copies = copies;
        at->swapped = true;
        return TRB_OK;
    }
    if (!trb_shape_same(in, at->saved))
        return trb_fail(TRB_ECONFIG,
                        "layers: item %zu, \"add\": %zu x %zu x %zu cannot be added to %zu x %zu x %zu; give both ways "
                        "the same shape, e.g. by \"shortcut, conv %zu 1 ...\"",
                        item->number, in.c, in.h, in.w, at->saved.c, at->saved.h, at->saved.w,
                        at->swapped ? at->saved.c : in.c);
    if (at->saved_copies > copies) l->y_copies = at->saved_copies;
    at->forked = at->swapped = false;
    return TRB_OK;
}

static trb_status add_layer(trb_net *net, const trb__list_item *item, course *at)
{
    trb__layer *l = &net->layer[net->n_layers];
    const trb__layer *before = net->n_layers > 0 ? l - 1 : NULL;
    l->kind = item->kind;
    l->argument = item->argument;
    l->head = at->split > 0;
    l->name = at->name;
    l->position = at->position++;
    l->in = l->out = before != NULL ? before->out : net->input;
    l->x_copies = before != NULL ? before->y_copies : 1;
    l->y_copies = l->head && l->kind->weights ? net->heads : l->x_copies;
    l->x_width = l->x_copies * trb_shape_size(l->in);
    if (l->argument.rank1 && !l->head)
        return trb_fail(TRB_ECONFIG,
                        "layers: item %zu, \"%s\": rank1 stands behind the split, where there are heads to share the "
                        "layer's weights",
                        item->number, item->text);
    if (l->kind->across_heads && !l->head)
        return trb_fail(TRB_ECONFIG,
                        "layers: item %zu, \"%s\": %s stands behind the split, where there are heads that differ from "
                        "their mean",
                        item->number, item->text, l->kind->name);
    TRB_TRY(follow(item, at, l));
    if (l->kind->setup != NULL) TRB_TRY(trb_fail_of(l->kind->setup(net, l), "layers: item %zu: ", item->number));
    if (__builtin_mul_overflow(l->out.c, l->out.h, &l->y_width) ||
        __builtin_mul_overflow(l->y_width, l->out.w, &l->y_width) ||
        __builtin_mul_overflow(l->y_width, l->y_copies, &l->y_width) || l->y_width > WIDTH_MAX)
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": too wide for %zu heads", item->number, item->text,
                        net->heads);
    net->n_layers++;
    return TRB_OK;
}

static trb_status add_split(const trb__list_item *item, course *at)
{
    if (at->split > 0)
        return trb_fail(TRB_ECONFIG, "layers: item %zu: a second split; the first is item %zu", item->number,
                        at->split);
    if (at->forked)
        return trb_fail(TRB_ECONFIG,
                        "layers: item %zu: a split between fork and add; put it before the fork or after the add",
                        item->number);
    at->split = item->number;
    at->name = "";
    at->position = 0;
    return TRB_OK;
}

static void fuse_relus(trb_net *net)
{
    for (size_t i = 1; i < net->n_layers; i++) {
        trb__layer *dense = &net->layer[i - 1], *relu = &net->layer[i];
        if (strcmp(dense->kind->name, "dense") != 0 || strcmp(relu->kind->name, "relu") != 0) continue;
        dense->fused = relu->fused = true;
        relu->bias = dense->bias;
    }
}

static trb_status build(trb_net *net)
{
    trb__list_item item = {0};
    course at = {.name = ""};
    char *names = net->names;
    for (const char *cursor = net->layers; cursor != NULL;) {
        TRB_TRY(trb__list_next(&cursor, &item));
        switch (item.is) {
        case TRB__SPLIT:
            TRB_TRY(add_split(&item, &at));
            break;
        case TRB__NAME:
            at.name = names;
            at.position = 0;
            names = stpcpy(names, item.name) + 1;
            break;
        case TRB__LAYER:
            TRB_TRY(add_layer(net, &item, &at));
            break;
        }
    }
    if (at.forked) return trb_fail(TRB_ECONFIG, "layers: the last fork of \"%s\" has no add", net->layers);
    if (net->n_params == 0)
        return trb_fail(TRB_ECONFIG, "layers: \"%s\" has no layer with weights, so there is nothing to train",
                        net->layers);
    if (at.split > 0 && !net->param[net->n_params - 1].head)
        return trb_fail(TRB_ECONFIG, "layers: no layer with weights behind the split, expected e.g. a dense layer");
    if (at.split == 0 && net->heads != 1)
        return trb_fail(TRB_ECONFIG, "layers: \"%s\" has no split, so it has one head, not %zu", net->layers,
                        net->heads);
    return TRB_OK;
}

trb_status trb_net_create(const char *layers, trb_shape input, size_t M, trb_net **out)
{
    return trb__net_make(layers, input, M, (trb__head_share){.of = M}, out);
}

trb_status trb__net_make(const char *layers, trb_shape input, size_t M, trb__head_share share, trb_net **out)
{
    size_t inputs = 0, items = 1;
    if (__builtin_mul_overflow(input.c, input.h, &inputs) || __builtin_mul_overflow(inputs, input.w, &inputs) ||
        inputs == 0 || inputs > WIDTH_MAX)
        return trb_fail(TRB_ECONFIG, "a network cannot have inputs of shape %zu x %zu x %zu", input.c, input.h,
                        input.w);
    if (M == 0) return trb_fail(TRB_ECONFIG, "a network needs at least one head");

    trb_net *net = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *net, &net));
    TRB_GO(trb_net_expand(layers, &net->layers)); /* also makes the list canonical */
    for (const char *c = net->layers; *c != '\0'; c++) items += *c == ',';
    net->input = input;
    net->heads = M;
    net->share = share;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, items, sizeof *net->layer, &net->layer));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, items, TENSORS * sizeof *net->param, &net->param));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, items, TRB__ITEM_BYTES, &net->names));
    TRB_GO(build(net));
    TRB_GO(settle(net));
    fuse_relus(net);
    net->outputs = trb_shape_size(net->layer[net->n_layers - 1].out);
done:
    if (st == TRB_OK)
        *out = net;
    else
        trb_net_destroy(net);
    return st;
}

void trb_net_destroy(trb_net *net)
{
    if (net == NULL) return;
    trb_free(net->layers);
    trb_free(net->names);
    trb_free(net->layer);
    trb_free(net->param);
    trb_free(net);
}

const char *trb_net_layers(const trb_net *net)
{
    return net->layers;
}

size_t trb_net_n_layers(const trb_net *net)
{
    return net->n_layers;
}

trb_layer_view trb_net_layer(const trb_net *net, size_t i)
{
    const trb__layer *l = &net->layer[i];
    const trb__argument *a = &l->argument;
    const bool dense = l->kind->takes == TRB__UNITS;
    return (trb_layer_view){.kind = l->kind->name,
                            .units = a->units,
                            .kernel = a->kernel,
                            .stride = a->stride,
                            .pad = a->pad,
                            .biased = dense || a->bias,
                            .rank1 = a->rank1,
                            .factor = a->factor,
                            .head = l->head,
                            .in = l->in,
                            .out = l->out,
                            .x_copies = l->x_copies,
                            .y_copies = l->y_copies,
                            .weight = l->weight,
                            .bias = l->bias,
                            .r = l->r,
                            .s = l->s,
                            .mean = l->mean,
                            .variance = l->variance};
}

size_t trb_net_inputs(const trb_net *net)
{
    return trb_shape_size(net->input);
}

size_t trb_net_outputs(const trb_net *net)
{
    return net->outputs;
}

size_t trb_net_heads(const trb_net *net)
{
    return net->heads;
}

trb_shape trb_net_shape(const trb_net *net)
{
    return net->input;
}

size_t trb_net_n_params(const trb_net *net)
{
    return net->n_params;
}

const trb_param *trb_net_param(const trb_net *net, size_t i)
{
    return &net->param[i];
}

size_t trb_net_size(const trb_net *net)
{
    return net->size;
}

size_t trb_net_trained(const trb_net *net)
{
    return net->trained;
}

/* Each output is a sum over its inputs, as many as an output channel has weights. */
double trb__layer_macs(const trb__layer *l)
{
    if (l->argument.units == 0) return 0.0;
    const bool window = l->kind->takes == TRB__FILTERS;
    const size_t inputs = window ? l->in.c * l->argument.kernel * l->argument.kernel : trb_shape_size(l->in);
    return (double)l->y_width * (double)inputs;
}

double trb_net_macs(const trb_net *net)
{
    double macs = 0.0;
    for (size_t i = 0; i < net->n_layers; i++) macs += trb__layer_macs(&net->layer[i]);
    return macs;
}

size_t trb_net_weighted(const trb_net *net)
{
    size_t n = 0;
    for (size_t i = 0; i < net->n_layers; i++) {
        const trb__takes takes = net->layer[i].kind->takes;
        n += net->layer[i].kind->weights && (takes == TRB__UNITS || takes == TRB__FILTERS);
    }
    return n;
}

trb_status trb_net_check_norms(const trb_net *net, size_t rows)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        const trb__layer *l = &net->layer[i];
        if (strcmp(l->kind->name, "norm") != 0 || rows * l->in.h * l->in.w > 1) continue;
        return trb_fail(TRB_ECONFIG,
                        "layer %s%s%s%zu, a norm over %zu channels, would see one value of each channel, so its output "
                        "would always be 0; take more rows",
                        l->head ? "heads." : "body.", l->name, l->name[0] != '\0' ? "." : "", l->position, l->in.c);
    }
    return TRB_OK;
}

void trb_net_init(const trb_net *net, trb_init how, uint64_t seed, uint64_t member, float *params)
{
    for (size_t i = 0; i < net->n_params; i++) {
        const trb_param *p = &net->param[i];
        float *w = params + p->offset;
        if (!p->decays && !p->factor) {
            for (size_t j = 0; j < p->count; j++) w[j] = p->start;
            continue;
        }
        trb_rng rng = trb_rng_open(seed, TRB_USE_INIT, member, 0, i);
        if (p->factor) {
            for (size_t j = 0; j < p->count; j++) w[j] = trb_rng_normal(&rng) < 0.0F ? -1.0F : 1.0F;
            continue;
        }
        const float deviation = (float)sqrt(2.0 / (double)p->fan_in);
        const float limit = (float)sqrt(6.0 / (double)(p->fan_in + p->fan_out));
        for (size_t j = 0; j < p->count; j++)
            w[j] =
                how == TRB_INIT_HE ? deviation * trb_rng_normal(&rng) : limit * (2.0F * trb_rng_uniform(&rng) - 1.0F);
    }
}

void trb_net_init_factors(const trb_net *net, double deviation, uint64_t seed, uint64_t member, float *params)
{
    for (size_t i = 0; i < net->n_params; i++) {
        const trb_param *p = &net->param[i];
        trb_rng rng = trb_rng_open(seed, TRB_USE_INIT, member, 0, i);
        for (size_t j = 0; p->factor && j < p->count; j++)
            params[p->offset + j] = 1.0F + (float)deviation * trb_rng_normal(&rng);
    }
}
