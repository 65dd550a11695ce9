/* The kinds of layers. */
#include "layer.h"

#include <math.h>
#include <string.h>

#include "tribikos/blas.h"
#include "tribikos/rng.h"

/* Dense. The copies of x are multiplied one by one, each by its part of the weights [y_copies * units][inputs]: one
 * product in the body, one for all heads in the first layer behind the split (which has one copy of x), one a head
 * in later layers. */

static trb_status dense_setup(trb_net *net, trb__layer *l)
{
    const size_t inputs = trb_shape_size(l->in), units = (size_t)l->argument;
    l->out = (trb_shape){units, 1, 1};
    TRB_TRY(trb__net_add_param(net, l, "weight", 2, (size_t[]){units, inputs}, inputs, units, true, &l->weight));
    return trb__net_add_param(net, l, "bias", 1, &units, inputs, units, false, &l->bias);
}

/* A value that is not a number must reach the loss, which reports it: hence v < 0 and not v > 0. */
static inline float clip(float v)
{
    return v < 0.0F ? 0.0F : v;
}

static trb_status dense_forward(const trb__layer *l, const trb__pass *p)
{
    const size_t n = l->y_width / l->x_copies, k = l->x_width / l->x_copies;
    for (size_t i = 0; i < l->x_copies; i++)
        TRB_TRY(trb_gemm(false, true, p->rows, n, k, p->x + i * k, l->x_width, p->params + l->weight + i * n * k, k,
                         0.0F, p->y + i * n, l->y_width));
    const float *restrict bias = p->params + l->bias;
    for (size_t r = 0; r < p->rows; r++) {
        float *restrict y = p->y + r * l->y_width;
        if (l->fused)
            for (size_t j = 0; j < l->y_width; j++) y[j] = clip(y[j] + bias[j]);
        else
            for (size_t j = 0; j < l->y_width; j++) y[j] += bias[j];
    }
    return TRB_OK;
}

static trb_status dense_backward(const trb__layer *l, const trb__pass *p, const float *dy, float *dx)
{
    const size_t n = l->y_width / l->x_copies, k = l->x_width / l->x_copies;
    if (!l->fused) {
        float *restrict db = p->grad + l->bias;
        memset(db, 0, l->y_width * sizeof *db);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t j = 0; j < l->y_width; j++) db[j] += dy[r * l->y_width + j];
    }
    for (size_t i = 0; i < l->x_copies; i++) {
        const size_t w = l->weight + i * n * k;
        TRB_TRY(trb_gemm(true, false, n, k, p->rows, dy + i * n, l->y_width, p->x + i * k, l->x_width, 0.0F,
                         p->grad + w, k));
        if (dx != NULL)
            TRB_TRY(trb_gemm(false, false, p->rows, k, n, dy + i * n, l->y_width, p->params + w, k, 0.0F, dx + i * k,
                             l->x_width));
    }
    return TRB_OK;
}

/* Relu and tanh: the gradient follows from the output. */

static trb_status relu_forward(const trb__layer *l, const trb__pass *p)
{
    for (size_t i = 0; i < p->rows * l->y_width && !l->fused; i++) p->y[i] = clip(p->x[i]);
    return TRB_OK;
}

static trb_status relu_backward(const trb__layer *l, const trb__pass *p, const float *dy, float *dx)
{
    (void)dy;
    if (!l->fused) {
        const float *restrict y = p->y;
        float *restrict d = dx;
        for (size_t i = 0; i < p->rows * l->y_width; i++) d[i] = y[i] > 0.0F ? d[i] : 0.0F;
        return TRB_OK;
    }
    float *restrict db = p->grad + l->bias;
    memset(db, 0, l->y_width * sizeof *db);
    for (size_t r = 0; r < p->rows; r++) {
        const float *restrict y = p->y + r * l->y_width;
        float *restrict d = dx + r * l->y_width;
        for (size_t j = 0; j < l->y_width; j++) {
            d[j] = y[j] > 0.0F ? d[j] : 0.0F;
            db[j] += d[j];
        }
    }
    return TRB_OK;
}

static trb_status tanh_forward(const trb__layer *l, const trb__pass *p)
{
    for (size_t i = 0; i < p->rows * l->y_width; i++) p->y[i] = tanhf(p->x[i]);
    return TRB_OK;
}

static trb_status tanh_backward(const trb__layer *l, const trb__pass *p, const float *dy, float *dx)
{
    (void)dy;
    const float *restrict y = p->y;
    float *restrict d = dx;
    for (size_t i = 0; i < p->rows * l->y_width; i++) d[i] *= 1.0F - y[i] * y[i];
    return TRB_OK;
}

/* Dropout. A sample's stream is shared by all dropout layers, each of which begins at a block of its own; a block of
 * the generator makes eight decisions of 32 bits. */

enum { DECISIONS = 8 };

static trb_status dropout_setup(trb_net *net, trb__layer *l)
{
    for (const trb__layer *before = net->layer; before < l; before++)
        if (before->kind == l->kind) l->first_block = before->first_block + before->y_width / DECISIONS + 1;
    return TRB_OK;
}

static trb_status dropout_forward(const trb__layer *l, const trb__pass *p)
{
    const trb_draw *draw = p->draw;
    const uint32_t threshold = (uint32_t)(l->argument * 0x1p32);
    const float scale = (float)(1.0 / (1.0 - l->argument));
    for (size_t r = 0; r < p->rows; r++) {
        const float *x = p->x + r * l->x_width;
        float *y = p->y + r * l->y_width;
        uint8_t *mask = p->mask + r * l->y_width;
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

static trb_status dropout_backward(const trb__layer *l, const trb__pass *p, const float *dy, float *dx)
{
    (void)dy;
    const float scale = (float)(1.0 / (1.0 - l->argument));
    const uint8_t *restrict mask = p->mask;
    float *restrict d = dx;
    for (size_t i = 0; i < p->rows * l->y_width; i++) d[i] = mask[i] != 0 ? d[i] * scale : 0.0F;
    return TRB_OK;
}

const trb__kind trb__kinds[] = {
    {.name = "dense",
     .takes = TRB__UNITS,
     .overwritable = true,
     .setup = dense_setup,
     .forward = dense_forward,
     .backward = dense_backward},
    {.name = "relu", .elementwise = true, .in_place = true, .forward = relu_forward, .backward = relu_backward},
    {.name = "tanh", .elementwise = true, .in_place = true, .forward = tanh_forward, .backward = tanh_backward},
    {.name = "dropout",
     .takes = TRB__PROBABILITY,
     .elementwise = true,
     .training_only = true,
     .masks = true,
     .setup = dropout_setup,
     .forward = dropout_forward,
     .backward = dropout_backward},
};
const size_t trb__n_kinds = sizeof trb__kinds / sizeof *trb__kinds;
