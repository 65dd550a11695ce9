/* Layers on images: convolution, batch normalisation, pooling, sums; and the two kinds that workspaces insert, changes
 * of layout and copies for the heads. */
#include "images.h"

#include <string.h>

#include "tribikos/memory.h"

/* Convolution. In the heads, the first convolution reads the one input that all heads share, with the filters of all
 * heads; in later ones each head is a group. With rank1 the heads' filters are made of shared filters and factors
 * (rank1.c). */

trb_status trb__conv_setup(trb_net *net, trb__layer *l)
{
    const trb__argument *a = &l->argument;
    const size_t k = a->kernel, C = l->in.c, N = a->units;
    if (k > l->in.h + 2 * a->pad || k > l->in.w + 2 * a->pad)
        return trb_fail(TRB_ECONFIG, "conv %zu %zu: a window of %zu x %zu does not fit into %zu x %zu with padding %zu",
                        N, k, k, k, l->in.h, l->in.w, a->pad);
    l->out = (trb_shape){N, (l->in.h + 2 * a->pad - k) / a->stride + 1, (l->in.w + 2 * a->pad - k) / a->stride + 1};
    const trb__param_spec weight = {.name = "weight",
                                    .ndim = 4,
                                    .shape = {N, C, k, k},
                                    .fan_in = C * k * k,
                                    .fan_out = N * k * k,
                                    .decays = true,
                                    .shared = a->rank1};
    const trb__param_spec bias = {.name = "bias", .ndim = 1, .shape = {N}};
    TRB_TRY(trb__net_add_param(net, l, &weight, &l->weight));
    TRB_TRY(trb__rank1_factors(net, l, C, N));
    return a->bias ? trb__net_add_param(net, l, &bias, &l->bias) : TRB_OK;
}

trb_status trb__conv_open(trb__work_step *s, size_t rows, bool training)
{
    const trb__layer *l = s->l;
    const trb_conv_spec spec = {.rows = rows,
                                .in = {l->x_copies * l->in.c, l->in.h, l->in.w},
                                .groups = l->x_copies,
                                .filters = l->y_copies * l->out.c,
                                .kernel = l->argument.kernel,
                                .stride = l->argument.stride,
                                .pad = l->argument.pad,
                                .bias = l->argument.bias,
                                .training = training,
                                .fold = s->norm != NULL,
                                .sum = s->sum,
                                .relu = s->relu};
    trb_conv *conv = NULL;
    TRB_TRY(trb_conv_create(&spec, &s->x_layout, &s->y_layout, &conv));
    s->op = conv;
    return l->argument.rank1 ? trb__rank1_conv_open(s, training) : TRB_OK;
}

void trb__conv_close(trb__work_step *s)
{
    trb_conv_destroy(s->op);
}

/* At inference with running statistics; in training without, because the statistics of the batch are used. */
static trb_norm_params norm_params(const trb__layer *l, const trb__pass *p)
{
    return (trb_norm_params){.scale = p->params + l->weight,
                             .shift = p->params + l->bias,
                             .mean = p->trains ? NULL : p->params + l->mean,
                             .variance = p->trains ? NULL : p->params + l->variance};
}

trb_status trb__conv_step(const trb__work_step *s, const trb__pass *p)
{
    const trb__layer *l = s->l;
    if (p->loads) {
        trb_norm_params norm = {0};
        const float *w = p->params + l->weight;
        if (l->argument.rank1) trb__rank1_expand(l, p->params, s->scratch);
        if (l->argument.rank1) w = s->scratch;
        if (s->norm != NULL) norm = norm_params(s->norm, p);
        TRB_TRY(trb_conv_load(s->op, w, l->argument.bias ? p->params + l->bias : NULL, &norm));
    }
    return trb_conv_forward(s->op, p->x, s->y);
}

trb_status trb__conv_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    const trb__layer *l = s->l;
    if (p->grad == NULL) return trb_conv_backward(s->op, p->x, dy, NULL, NULL, dx);
    float *db = l->argument.bias ? p->grad + l->bias : NULL;
    if (!l->argument.rank1) return trb_conv_backward(s->op, p->x, dy, p->grad + l->weight, db, dx);
    float *dw = s->scratch + trb__rank1_filters(l);
    TRB_TRY(trb_conv_backward(s->op, p->x, dy, dw, db, dx));
    trb__rank1_collect(l, p->params, dw, p->grad);
    return TRB_OK;
}

/* Batch normalisation. */

trb_status trb__norm_setup(trb_net *net, trb__layer *l)
{
    const size_t C = l->in.c;
    const trb__param_spec scale = {.name = "weight", .ndim = 1, .shape = {C}, .start = 1.0F};
    const trb__param_spec shift = {.name = "bias", .ndim = 1, .shape = {C}};
    const trb__param_spec mean = {.name = "running_mean", .ndim = 1, .shape = {C}, .statistic = true};
    const trb__param_spec variance = {.name = "running_var", .ndim = 1, .shape = {C}, .statistic = true, .start = 1.0F};
    TRB_TRY(trb__net_add_param(net, l, &scale, &l->weight));
    TRB_TRY(trb__net_add_param(net, l, &shift, &l->bias));
    TRB_TRY(trb__net_add_param(net, l, &mean, &l->mean));
    return trb__net_add_param(net, l, &variance, &l->variance);
}

trb_status trb__norm_open(trb__work_step *s, size_t rows, bool training)
{
    (void)rows;
    s->y_layout = s->x_layout;
    trb_norm_op *norm = NULL;
    TRB_TRY(trb_norm_create(&s->x_layout, s->relu, training, &norm));
    s->op = norm;
    return TRB_OK;
}

void trb__norm_close(trb__work_step *s)
{
    trb_norm_destroy(s->op);
}

trb_status trb__norm_step(const trb__work_step *s, const trb__pass *p)
{
    const trb__layer *l = s->l;
    const trb_norm_params params = norm_params(l, p);
    return trb_fail_of(trb_norm_forward(s->op, &params, p->x, s->y), "%s%s%zu: ", l->name,
                       l->name[0] != '\0' ? "." : "layer ", l->position);
}

trb_status trb__norm_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    const trb__layer *l = s->l;
    const trb_norm_params params = norm_params(l, p);
    if (p->grad == NULL) return trb_norm_backward(s->op, &params, p->x, dy, NULL, NULL, dx);
    TRB_TRY(trb_norm_backward(s->op, &params, p->x, dy, p->grad + l->weight, p->grad + l->bias, dx));
    if (p->trains) {
        trb_norm_statistics(s->op, p->grad + l->mean, p->grad + l->variance);
    } else { /* inference: this leaves the running statistics as they are */
        const size_t bytes = l->y_copies * l->in.c * sizeof(float);
        memcpy(p->grad + l->mean, p->params + l->mean, bytes);
        memcpy(p->grad + l->variance, p->params + l->variance, bytes);
    }
    return TRB_OK;
}

/* Pooling; copies are just more channels. */

trb_status trb__pool_setup(trb_net *net, trb__layer *l)
{
    (void)net;
    const trb__argument *a = &l->argument;
    const size_t k = a->kernel;
    if (k > l->in.h + 2 * a->pad || k > l->in.w + 2 * a->pad)
        return trb_fail(TRB_ECONFIG, "%s %zu: a window of %zu x %zu does not fit into %zu x %zu with padding %zu",
                        l->kind->name, k, k, k, l->in.h, l->in.w, a->pad);
    l->out =
        (trb_shape){l->in.c, (l->in.h + 2 * a->pad - k) / a->stride + 1, (l->in.w + 2 * a->pad - k) / a->stride + 1};
    return TRB_OK;
}

trb_status trb__globalpool_setup(trb_net *net, trb__layer *l)
{
    (void)net;
    l->out = (trb_shape){l->in.c, 1, 1};
    return TRB_OK;
}

static trb_status pool_open(trb__work_step *s, size_t rows, bool training, bool max)
{
    const trb__layer *l = s->l;
    const bool global = l->argument.kernel == 0;
    const trb_pool_spec spec = {.max = max,
                                .rows = rows,
                                .in = {l->x_copies * l->in.c, l->in.h, l->in.w},
                                .kernel_h = global ? l->in.h : l->argument.kernel,
                                .kernel_w = global ? l->in.w : l->argument.kernel,
                                .stride = global ? 1 : l->argument.stride,
                                .pad = l->argument.pad,
                                .training = training};
    trb_pool *pool = NULL;
    TRB_TRY(trb_pool_create(&spec, &s->x_layout, &s->y_layout, &pool));
    s->op = pool;
    return TRB_OK;
}

trb_status trb__maxpool_open(trb__work_step *s, size_t rows, bool training)
{
    return pool_open(s, rows, training, true);
}

trb_status trb__avgpool_open(trb__work_step *s, size_t rows, bool training)
{
    return pool_open(s, rows, training, false);
}

void trb__pool_close(trb__work_step *s)
{
    trb_pool_destroy(s->op);
}

trb_status trb__pool_step(const trb__work_step *s, const trb__pass *p)
{
    return trb_pool_forward(s->op, p->x, s->y);
}

trb_status trb__pool_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    (void)p;
    return trb_pool_backward(s->op, dy, dx);
}

trb_status trb__add_step(const trb__work_step *s, const trb__pass *p)
{
    trb_layout_add(&s->x_layout, p->x, p->saved, s->relu, s->y);
    return TRB_OK;
}

/* A change of layout, and back in the backward pass. */

typedef struct {
    trb_reorder *there, *back;
} both_ways;

static trb_status reorder_open(trb__work_step *s, size_t rows, bool training)
{
    (void)rows;
    both_ways *b = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *b, &b));
    s->op = b;
    TRB_TRY(trb_reorder_create(&s->x_layout, &s->y_layout, &b->there));
    return training ? trb_reorder_create(&s->y_layout, &s->x_layout, &b->back) : TRB_OK;
}

static void reorder_close(trb__work_step *s)
{
    both_ways *b = s->op;
    if (b == NULL) return;
    trb_reorder_destroy(b->there);
    trb_reorder_destroy(b->back);
    trb_free(b);
}

static trb_status reorder_step(const trb__work_step *s, const trb__pass *p)
{
    return trb_reorder_run(((both_ways *)s->op)->there, p->x, s->y);
}

static trb_status reorder_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    (void)p;
    return trb_reorder_run(((both_ways *)s->op)->back, dy, dx);
}

const trb__layer_kind trb__reorder_kind = {.name = "reorder",
                                           .overwritable = true,
                                           .open = reorder_open,
                                           .close = reorder_close,
                                           .forward = reorder_step,
                                           .backward = reorder_back};

static trb_status copy_step(const trb__work_step *s, const trb__pass *p)
{
    trb_layout_spread(&s->y_layout, s->rows, s->copies, p->x, s->y);
    return TRB_OK;
}

static trb_status copy_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    (void)p;
    trb_layout_gather(&s->y_layout, s->rows, s->copies, dy, dx);
    return TRB_OK;
}

const trb__layer_kind trb__copy_kind = {
    .name = "copy", .overwritable = true, .forward = copy_step, .backward = copy_back};
