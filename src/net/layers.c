/* The table of all layer kinds, and the kinds that work on rows of numbers; those on images are in images.c. */
#include "images.h"

#include <math.h>
#include <string.h>

#include "tribikos/blas.h"
#include "tribikos/rng.h"
#include "tribikos/wide.h"

/* Dense layers; rank1.c has the products of rank1. The copies of x are multiplied one by one, each by its part of the
 * weights [y_copies * units][inputs]. This is one product in the body, one for all heads together in the first layer
 * after the split (which has one copy of x), and one for each head in later layers. */

static trb_status dense_setup(trb_net *net, trb__layer *l)
{
    const size_t inputs = trb_shape_size(l->in), units = l->argument.units;
    const trb__param_spec weight = {.name = "weight",
                                    .ndim = 2,
                                    .shape = {units, inputs},
                                    .fan_in = inputs,
                                    .fan_out = units,
                                    .decays = true,
                                    .shared = l->argument.rank1};
    const trb__param_spec bias = {.name = "bias", .ndim = 1, .shape = {units}};
    l->out = (trb_shape){units, 1, 1};
    TRB_TRY(trb__net_add_param(net, l, &weight, &l->weight));
    TRB_TRY(trb__rank1_factors(net, l, inputs, units));
    return trb__net_add_param(net, l, &bias, &l->bias);
}

static trb_status dense_open(trb__work_step *s, size_t rows, bool training)
{
    return s->l->argument.rank1 ? trb__rank1_dense_open(s, rows, training) : TRB_OK;
}

/* A NaN must pass through to the loss, which reports it. So the test is v < 0, not v > 0. */
static inline float clip(float v)
{
    return v < 0.0F ? 0.0F : v;
}

/* Multiplies without adding the bias. */
static trb_status multiply(const trb__work_step *s, const trb__pass *p, float *y)
{
    const trb__layer *l = s->l;
    const float *x = p->x;
    const size_t n = l->y_width / l->x_copies, k = l->x_width / l->x_copies;
    for (size_t i = 0; i < l->x_copies; i++)
        TRB_TRY(trb_gemm(false, true, p->rows, n, k, x + i * k, l->x_width, p->params + l->weight + i * n * k, k, 0.0F,
                         y + i * n, l->y_width));
    return TRB_OK;
}

TRB_WIDE static void add_bias(size_t rows, size_t width, const float *restrict bias, bool clips, float *restrict y)
{
    for (size_t r = 0; r < rows; r++, y += width) {
        if (clips)
            for (size_t j = 0; j < width; j++) y[j] = clip(y[j] + bias[j]);
        else
            for (size_t j = 0; j < width; j++) y[j] += bias[j];
    }
}

TRB_WIDE static void sum_rows(size_t rows, size_t width, const float *restrict dy, float *restrict db)
{
    memset(db, 0, width * sizeof *db);
    for (size_t r = 0; r < rows; r++, dy += width)
        for (size_t j = 0; j < width; j++) db[j] += dy[j];
}

static trb_status dense_forward(const trb__work_step *s, const trb__pass *p)
{
    const trb__layer *l = s->l;
    TRB_TRY(l->argument.rank1 ? trb__rank1_dense_forward(s, p, s->y) : multiply(s, p, s->y));
    add_bias(p->rows, l->y_width, p->params + l->bias, l->fused, s->y);
    return TRB_OK;
}

static trb_status dense_backward(const trb__work_step *s, const trb__pass *p, const void *dy_, void *dx_)
{
    const trb__layer *l = s->l;
    const float *x = p->x, *dy = dy_;
    float *dx = dx_;
    const size_t n = l->y_width / l->x_copies, k = l->x_width / l->x_copies;
    if (!l->fused && p->grad != NULL) sum_rows(p->rows, l->y_width, dy, p->grad + l->bias);
    if (l->argument.rank1) return trb__rank1_dense_backward(s, p, dy, dx);
    for (size_t i = 0; i < l->x_copies; i++) {
        const size_t w = l->weight + i * n * k;
        if (p->grad != NULL)
            TRB_TRY(trb_gemm(true, false, n, k, p->rows, dy + i * n, l->y_width, x + i * k, l->x_width, 0.0F,
                             p->grad + w, k));
        if (dx != NULL)
            TRB_TRY(trb_gemm(false, false, p->rows, k, n, dy + i * n, l->y_width, p->params + w, k, 0.0F, dx + i * k,
                             l->x_width));
    }
    return TRB_OK;
}

/* Relu and tanh: the backward pass needs only the output. */

TRB_WIDE static void clip_all(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = clip(x[i]);
}

TRB_WIDE static void let_through(size_t n, const float *restrict y, float *restrict d)
{
    for (size_t i = 0; i < n; i++) d[i] = y[i] > 0.0F ? d[i] : 0.0F;
}

/* The same, and sums over rows of the gradients that are let through, for the bias. */
TRB_WIDE static void let_through_rows(size_t rows, size_t width, const float *restrict y, float *restrict d,
                                      float *restrict db)
{
    memset(db, 0, width * sizeof *db);
    for (size_t r = 0; r < rows; r++, y += width, d += width)
        for (size_t j = 0; j < width; j++) {
            d[j] = y[j] > 0.0F ? d[j] : 0.0F;
            db[j] += d[j];
        }
}

static trb_status relu_forward(const trb__work_step *s, const trb__pass *p)
{
    if (!trb_layout_is_plain(&s->x_layout))
        trb_layout_relu(&s->x_layout, p->x, s->y);
    else if (!s->l->fused)
        clip_all(p->rows * s->l->y_width, p->x, s->y);
    return TRB_OK;
}

static trb_status relu_backward(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    const trb__layer *l = s->l;
    if (!trb_layout_is_plain(&s->x_layout))
        trb_layout_relu_back(&s->x_layout, s->y, dy, dx);
    else if (!l->fused || p->grad == NULL)
        let_through(p->rows * l->y_width, s->y, dx);
    else
        let_through_rows(p->rows, l->y_width, s->y, dx, p->grad + l->bias);
    return TRB_OK;
}

static trb_status tanh_forward(const trb__work_step *s, const trb__pass *p)
{
    const float *x = p->x;
    float *y = s->y;
    for (size_t i = 0; i < p->rows * s->l->y_width; i++) y[i] = tanhf(x[i]);
    return TRB_OK;
}

static trb_status tanh_backward(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    (void)dy;
    const float *restrict y = s->y;
    float *restrict d = dx;
    for (size_t i = 0; i < p->rows * s->l->y_width; i++) d[i] *= 1.0F - y[i] * y[i];
    return TRB_OK;
}

/* Dropout. All dropout layers share one random stream for a sample, and each begins at its own block of the stream. One
 * block of the generator gives eight decisions of 32 bits each. */

enum { DECISIONS = 8 };

static trb_status dropout_setup(trb_net *net, trb__layer *l)
{
    for (const trb__layer *before = net->layer; before < l; before++)
        if (before->kind == l->kind) l->first_block = before->first_block + before->y_width / DECISIONS + 1;
    return TRB_OK;
}

static trb_status dropout_forward(const trb__work_step *s, const trb__pass *p)
{
    const trb__layer *l = s->l;
    const trb_draw *draw = p->draw;
    const uint32_t threshold = (uint32_t)(l->argument.probability * 0x1p32);
    const float scale = (float)(1.0 / (1.0 - l->argument.probability));
    for (size_t r = 0; r < p->rows; r++) {
        const float *x = (const float *)p->x + r * l->x_width;
        float *y = (float *)s->y + r * l->y_width;
        uint8_t *mask = s->mask + r * l->y_width;
        trb_rng rng = trb_rng_open(draw->seed, TRB_USE_DROPOUT, draw->member, draw->epoch, (uint64_t)draw->sample[r]);
        rng.counter[2] = l->first_block;
        uint64_t bits = 0;
        for (size_t j = 0; j < l->y_width; j++) {
            bits = j % 2 == 0 ? trb_rng_u64(&rng) : bits >> 32;
            mask[j] = (uint32_t)bits >= threshold;
            y[j] = mask[j] != 0 ? x[j] * scale : 0.0F;
        }
    }
    return TRB_OK;
}

static trb_status dropout_backward(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    (void)dy;
    const trb__layer *l = s->l;
    const float scale = (float)(1.0 / (1.0 - l->argument.probability));
    const uint8_t *restrict mask = s->mask;
    float *restrict d = dx;
    for (size_t i = 0; i < p->rows * l->y_width; i++) d[i] = mask[i] != 0 ? d[i] * scale : 0.0F;
    return TRB_OK;
}

const trb__layer_kind trb__layer_kinds[] = {
    {.name = "dense",
     .takes = TRB__UNITS,
     .weights = true,
     .takes_one = true,
     .takes_rank1 = true,
     .plain = true,
     .overwritable = true,
     .setup = dense_setup,
     .open = dense_open,
     .forward = dense_forward,
     .backward = dense_backward},
    {.name = "relu", .elementwise = true, .in_place = true, .forward = relu_forward, .backward = relu_backward},
    {.name = "tanh",
     .plain = true,
     .elementwise = true,
     .in_place = true,
     .forward = tanh_forward,
     .backward = tanh_backward},
    {.name = "dropout",
     .takes = TRB__PROBABILITY,
     .plain = true,
     .elementwise = true,
     .training_only = true,
     .masks = true,
     .setup = dropout_setup,
     .forward = dropout_forward,
     .backward = dropout_backward},
    {.name = "spread",
     .takes = TRB__FACTOR,
     .across_heads = true,
     .plain = true,
     .elementwise = true,
     .in_place = true,
     .overwritable = true,
     .forward = trb__spread_forward,
     .backward = trb__spread_backward},
    {.name = "conv",
     .takes = TRB__FILTERS,
     .weights = true,
     .takes_one = true,
     .takes_rank1 = true,
     .overwritable = true,
     .setup = trb__conv_setup,
     .open = trb__conv_open,
     .close = trb__conv_close,
     .forward = trb__conv_step,
     .backward = trb__conv_back},
    {.name = "norm",
     .weights = true,
     .setup = trb__norm_setup,
     .open = trb__norm_open,
     .close = trb__norm_close,
     .forward = trb__norm_step,
     .backward = trb__norm_back},
    {.name = "maxpool",
     .takes = TRB__WINDOW,
     .overwritable = true,
     .setup = trb__pool_setup,
     .open = trb__maxpool_open,
     .close = trb__pool_close,
     .forward = trb__pool_step,
     .backward = trb__pool_back},
    {.name = "avgpool",
     .takes = TRB__WINDOW,
     .overwritable = true,
     .setup = trb__pool_setup,
     .open = trb__avgpool_open,
     .close = trb__pool_close,
     .forward = trb__pool_step,
     .backward = trb__pool_back},
    {.name = "globalpool",
     .overwritable = true,
     .setup = trb__globalpool_setup,
     .open = trb__avgpool_open,
     .close = trb__pool_close,
     .forward = trb__pool_step,
     .backward = trb__pool_back},
    {.name = "fork", .path = TRB__FORKS},
    {.name = "shortcut", .path = TRB__SWAPS},
    {.name = "add", .path = TRB__ADDS, .forward = trb__add_step},
};
const size_t trb__n_layer_kinds = sizeof trb__layer_kinds / sizeof *trb__layer_kinds;
_Static_assert(sizeof trb__layer_kinds / sizeof *trb__layer_kinds + 2 <= TRB_TIMES_MAX,
               "each kind, reorder and copy have a time");
