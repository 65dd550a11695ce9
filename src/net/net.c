#include "tribikos/net.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "layer.h"
#include "tribikos/memory.h"
#include "tribikos/rng.h"

trb_status trb__net_add_param(trb_net *net, const trb__layer *l, const char *name, size_t ndim, const size_t *shape,
                              size_t fan_in, size_t fan_out, bool decays, size_t *offset)
{
    trb_param *p = &net->param[net->n_params];
    *p = (trb_param){
        .offset = net->size, .count = 1, .head = l->head, .decays = decays, .fan_in = fan_in, .fan_out = fan_out};
    (void)snprintf(p->name, sizeof p->name, "%s.%zu.%s", l->head ? "heads" : "body", l->position, name);
    if (l->head) p->shape[p->ndim++] = net->heads;
    for (size_t i = 0; i < ndim; i++) p->shape[p->ndim++] = shape[i];
    bool fits = true;
    for (size_t i = 0; i < p->ndim; i++) fits = fits && !__builtin_mul_overflow(p->count, p->shape[i], &p->count);
    fits = fits && !__builtin_add_overflow(net->size, p->count, &net->size);
    if (!fits || net->size > PTRDIFF_MAX / sizeof(float))
        return trb_fail(TRB_ECONFIG, "layers: with %s there are more parameters than an address can hold", p->name);
    net->n_params++;
    *offset = p->offset;
    return TRB_OK;
}

static trb_status add_layer(trb_net *net, const trb__item *item, bool head, size_t position)
{
    trb__layer *l = &net->layer[net->n_layers];
    const trb__layer *before = net->n_layers > 0 ? l - 1 : NULL;
    TRB_TRY(trb__item_kind(item, &l->kind, &l->argument));
    l->head = head;
    l->position = position;
    l->in = l->out = before != NULL ? before->out : net->input;
    l->x_copies = before != NULL ? before->y_copies : 1;
    l->y_copies = head ? net->heads : 1;
    l->over_x = l->kind->in_place && before != NULL && before->kind->overwritable;
    l->x_width = l->y_width = l->x_copies * trb_shape_size(l->in);
    if (l->kind->setup != NULL) TRB_TRY(l->kind->setup(net, l));
    if (__builtin_mul_overflow(l->y_copies, trb_shape_size(l->out), &l->y_width))
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": too wide for %zu heads", item->number, item->text,
                        net->heads);
    net->n_layers++;
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

/* The shortest text that reads back as the same number. */
static void print_number(double value, char *text, size_t n)
{
    double back = -1.0;
    (void)snprintf(text, n, "%.0f", value);
    (void)sscanf(text, "%lf", &back);
    for (int digits = 1; digits <= 17 && back != value; digits++) {
        (void)snprintf(text, n, "%.*g", digits, value);
        (void)sscanf(text, "%lf", &back);
    }
}

static trb_status print_list(const trb_net *net, char **out)
{
    enum { LONGEST = 48 };
    const size_t room = (net->n_layers + 1) * LONGEST;
    char *text = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, 1, &text));
    size_t used = 0;
    for (size_t i = 0; i < net->n_layers; i++) {
        const trb__layer *l = &net->layer[i];
        char argument[32] = "";
        if (l->kind->takes != TRB__NOTHING) {
            argument[0] = ' ';
            print_number(l->argument, argument + 1, sizeof argument - 1);
        }
        used += (size_t)snprintf(text + used, room - used, "%s%s%s%s", i > 0 ? ", " : "",
                                 l->head && l->position == 0 ? "split, " : "", l->kind->name, argument);
    }
    *out = text;
    return TRB_OK;
}

static trb_status build(trb_net *net, const char *layers)
{
    trb__item item = {0};
    size_t split = 0, position = 0; /* split: its item number, 0 if there is none yet */
    for (const char *cursor = layers; cursor != NULL; position++) {
        TRB_TRY(trb__list_next(&cursor, &item));
        if (trb__item_is_split(&item)) {
            if (split > 0)
                return trb_fail(TRB_ECONFIG, "layers: item %zu: a second split; the first is item %zu", item.number,
                                split);
            split = item.number;
            position = (size_t)-1;
            continue;
        }
        if (split > 0 && position == 0 && strcmp(item.word, "dense") != 0)
            return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": the layer behind the split must be dense",
                            item.number, item.text);
        TRB_TRY(add_layer(net, &item, split > 0, position));
    }
    if (split == item.number) return trb_fail(TRB_ECONFIG, "layers: nothing behind the split, expected a dense layer");
    if (net->n_params == 0)
        return trb_fail(TRB_ECONFIG, "layers: \"%s\" has no dense layer, so there is nothing to train", layers);
    if (split == 0 && net->heads != 1)
        return trb_fail(TRB_ECONFIG, "layers: \"%s\" has no split, so it has one head, not %zu", layers, net->heads);
    return TRB_OK;
}

trb_status trb_net_create(const char *layers, trb_shape input, size_t M, trb_net **out)
{
    size_t inputs = 0, items = 1;
    if (__builtin_mul_overflow(input.c, input.h, &inputs) || __builtin_mul_overflow(inputs, input.w, &inputs) ||
        inputs == 0)
        return trb_fail(TRB_ECONFIG, "a network cannot have inputs of shape %zu x %zu x %zu", input.c, input.h,
                        input.w);
    if (M == 0) return trb_fail(TRB_ECONFIG, "a network needs at least one head");
    for (const char *c = layers; *c != '\0'; c++) items += *c == ',';

    trb_net *net = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *net, &net);
    if (st != TRB_OK) return st;
    net->input = input;
    net->heads = M;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, items, sizeof *net->layer, &net->layer));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 2 * items, sizeof *net->param, &net->param));
    TRB_GO(build(net, layers));
    fuse_relus(net);
    TRB_GO(print_list(net, &net->layers));
    net->outputs = trb_shape_size(net->layer[net->n_layers - 1].out);
    while (net->layer[net->first_trained].kind->elementwise) net->first_trained++;
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
    trb_free(net->layer);
    trb_free(net->param);
    trb_free(net);
}

const char *trb_net_layers(const trb_net *net)
{
    return net->layers;
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

void trb_net_init(const trb_net *net, trb_init how, uint64_t seed, uint64_t member, float *params)
{
    for (size_t i = 0; i < net->n_params; i++) {
        const trb_param *p = &net->param[i];
        float *w = params + p->offset;
        if (!p->decays) {
            memset(w, 0, p->count * sizeof *w);
            continue;
        }
        trb_rng rng = trb_rng_open(seed, TRB_USE_INIT, member, 0, i);
        const float deviation = (float)sqrt(2.0 / (double)p->fan_in);
        const float limit = (float)sqrt(6.0 / (double)(p->fan_in + p->fan_out));
        for (size_t j = 0; j < p->count; j++)
            w[j] =
                how == TRB_INIT_HE ? deviation * trb_rng_normal(&rng) : limit * (2.0F * trb_rng_uniform(&rng) - 1.0F);
    }
}

trb_status trb_net_spread(const trb_net *one, const float *from, const trb_net *many, float *to)
{
    if (strcmp(one->layers, many->layers) != 0 || one->heads != 1 ||
        trb_shape_size(one->input) != trb_shape_size(many->input))
        return trb_fail(TRB_EINTERNAL, "spread: from \"%s\" with %zu heads and %zu inputs to \"%s\" with %zu inputs",
                        one->layers, one->heads, trb_net_inputs(one), many->layers, trb_net_inputs(many));
    for (size_t i = 0; i < one->n_params; i++) {
        const trb_param *p = &one->param[i], *q = &many->param[i];
        for (size_t done = 0; done < q->count; done += p->count)
            memcpy(to + q->offset + done, from + p->offset, p->count * sizeof *to);
    }
    return TRB_OK;
}
