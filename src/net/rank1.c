/* Layers whose weights the heads share, each head with factors of its own (Wen, Tran and Ba 2020, arXiv:2002.06715,
 * sec. 3): W_m = W o (s_m r_m^T).
 *
 * A dense layer has many weights and few activations. So it scales its inputs and outputs, and multiplies the rows of
 * all heads by W in one product. A convolution has few weights and many activations. So it computes the heads' filters
 * W_m and convolves as usual, which lets normalisation, sums and relus be joined to it; the backward pass splits the
 * gradient by W_m into those by W, s and r. */
#include "layer.h"

#include <string.h>

#include "tribikos/blas.h"
#include "tribikos/memory.h"
#include "tribikos/wide.h"

trb_status trb__rank1_factors(trb_net *net, trb__layer *l, size_t inputs, size_t outputs)
{
    const trb__param_spec r = {.name = "r", .ndim = 1, .shape = {inputs}, .factor = true};
    const trb__param_spec s = {.name = "s", .ndim = 1, .shape = {outputs}, .factor = true};
    if (!l->argument.rank1) return TRB_OK;
    TRB_TRY(trb__net_add_param(net, l, &r, &l->r));
    return trb__net_add_param(net, l, &s, &l->s);
}

/* ---- dense */

/* The scratch memory of a step, each [rows][M][...]. xr: the scaled inputs, and in the backward pass then the gradient
 * by them. u: the products, which the gradient by s needs. du: for training, the gradient by the products. */
typedef struct {
    size_t M, n, k; /* heads, outputs, inputs of one */
    float *xr, *u, *du;
} dense;

static dense dense_of(const trb__work_step *s)
{
    const trb__layer *l = s->l;
    const size_t M = l->y_copies, n = l->argument.units, k = l->x_width / l->x_copies;
    float *u = s->scratch + s->rows * M * k;
    return (dense){.M = M, .n = n, .k = k, .xr = s->scratch, .u = u, .du = u + s->rows * M * n};
}

trb_status trb__rank1_dense_open(trb__work_step *s, size_t rows, bool training)
{
    const trb__layer *l = s->l;
    const size_t width = l->y_copies * (l->x_width / l->x_copies) + (training ? 2 : 1) * l->y_width;
    return trb_alloc(TRB_MEM_ACTIVATIONS, rows, width * sizeof *s->scratch, &s->scratch);
}

/* Where the input of head m in a row begins; in the first layer after the split all heads have one input. */
static inline size_t input_of(const trb__layer *l, const dense *d, size_t row, size_t m)
{
    return row * l->x_width + (l->x_copies > 1 ? m * d->k : 0);
}

TRB_WIDE static void scale_inputs(const trb__layer *l, const dense *d, const trb__pass *p)
{
    for (size_t row = 0; row < p->rows; row++)
        for (size_t m = 0; m < d->M; m++) {
            const float *restrict x = (const float *)p->x + input_of(l, d, row, m);
            const float *restrict r = p->params + l->r + m * d->k;
            float *restrict xr = d->xr + (row * d->M + m) * d->k;
            for (size_t i = 0; i < d->k; i++) xr[i] = x[i] * r[i];
        }
}

TRB_WIDE static void scale_outputs(const trb__layer *l, const dense *d, const trb__pass *p, float *to)
{
    for (size_t row = 0; row < p->rows; row++) {
        const float *restrict u = d->u + row * l->y_width, *restrict factor = p->params + l->s;
        float *restrict y = to + row * l->y_width;
        for (size_t j = 0; j < l->y_width; j++) y[j] = u[j] * factor[j];
    }
}

trb_status trb__rank1_dense_forward(const trb__work_step *s, const trb__pass *p, float *to)
{
    const trb__layer *l = s->l;
    const dense d = dense_of(s);
    scale_inputs(l, &d, p);
    TRB_TRY(trb_gemm(false, true, p->rows * d.M, d.n, d.k, d.xr, d.k, p->params + l->weight, d.k, 0.0F, d.u, d.n));
    scale_outputs(l, &d, p, to);
    return TRB_OK;
}

/* du = dy o s, ds = sum over rows of dy o u. */
TRB_WIDE static void back_over_outputs(const trb__layer *l, const dense *d, const trb__pass *p, const float *dy)
{
    const float *restrict factor = p->params + l->s;
    float *restrict ds = p->grad == NULL ? NULL : p->grad + l->s;
    if (ds != NULL) memset(ds, 0, l->y_width * sizeof *ds);
    for (size_t row = 0; row < p->rows; row++) {
        const float *restrict g = dy + row * l->y_width, *restrict u = d->u + row * l->y_width;
        float *restrict du = d->du + row * l->y_width;
        for (size_t j = 0; j < l->y_width; j++) du[j] = g[j] * factor[j];
        for (size_t j = 0; j < l->y_width && ds != NULL; j++) ds[j] += g[j] * u[j];
    }
}

/* With g the gradient by the scaled inputs: dr = sum over rows of g o x, and dx = g o r, summed over heads if they have
 * one input. */
TRB_WIDE static void back_over_inputs(const trb__layer *l, const dense *d, const trb__pass *p, float *to)
{
    if (p->grad != NULL) memset(p->grad + l->r, 0, d->M * d->k * sizeof *p->grad);
    if (to != NULL) memset(to, 0, p->rows * l->x_width * sizeof *to);
    for (size_t row = 0; row < p->rows; row++)
        for (size_t m = 0; m < d->M; m++) {
            const size_t at = input_of(l, d, row, m);
            const float *restrict x = (const float *)p->x + at, *restrict g = d->xr + (row * d->M + m) * d->k;
            const float *restrict r = p->params + l->r + m * d->k;
            float *restrict dr = p->grad == NULL ? NULL : p->grad + l->r + m * d->k;
            for (size_t i = 0; i < d->k && dr != NULL; i++) dr[i] += g[i] * x[i];
            if (to == NULL) continue;
            float *restrict dx = to + at;
            for (size_t i = 0; i < d->k; i++) dx[i] += g[i] * r[i];
        }
}

trb_status trb__rank1_dense_backward(const trb__work_step *s, const trb__pass *p, const float *dy, float *dx)
{
    const trb__layer *l = s->l;
    const dense d = dense_of(s);
    const size_t rows = p->rows * d.M;
    back_over_outputs(l, &d, p, dy);
    if (p->grad != NULL) {
        scale_inputs(l, &d, p);
        TRB_TRY(trb_gemm(true, false, d.n, d.k, rows, d.du, d.n, d.xr, d.k, 0.0F, p->grad + l->weight, d.k));
    }
    TRB_TRY(trb_gemm(false, false, rows, d.k, d.n, d.du, d.n, p->params + l->weight, d.k, 0.0F, d.xr, d.k));
    back_over_inputs(l, &d, p, dx);
    return TRB_OK;
}

/* ---- convolution */

size_t trb__rank1_filters(const trb__layer *l)
{
    return l->y_copies * l->out.c * l->in.c * l->argument.kernel * l->argument.kernel;
}

/* Allocates the heads' filters, and for training the gradient by them. */
trb_status trb__rank1_conv_open(trb__work_step *s, bool training)
{
    return trb_alloc(TRB_MEM_ACTIVATIONS, trb__rank1_filters(s->l), (training ? 2 : 1) * sizeof *s->scratch,
                     &s->scratch);
}

void trb__rank1_expand(const trb__layer *l, const float *params, float *w)
{
    const size_t N = l->out.c, C = l->in.c, window = l->argument.kernel * l->argument.kernel;
    for (size_t m = 0; m < l->y_copies; m++) {
        const float *from = params + l->weight;
        for (size_t n = 0; n < N; n++)
            for (size_t c = 0; c < C; c++, w += window, from += window) {
                const float factor = params[l->s + m * N + n] * params[l->r + m * C + c];
                for (size_t i = 0; i < window; i++) w[i] = from[i] * factor;
            }
    }
}

/* dW = sum over heads of dW_m o (s_m r_m^T); with e = dW_m o W, summed over a window, ds_m = e r_m, dr_m = e^T s_m. */
void trb__rank1_collect(const trb__layer *l, const float *params, const float *dw, float *grad)
{
    const size_t M = l->y_copies, N = l->out.c, C = l->in.c, window = l->argument.kernel * l->argument.kernel;
    memset(grad + l->weight, 0, N * C * window * sizeof *grad);
    memset(grad + l->r, 0, M * C * sizeof *grad);
    memset(grad + l->s, 0, M * N * sizeof *grad);
    for (size_t m = 0; m < M; m++) {
        const float *w = params + l->weight, *r = params + l->r + m * C, *s = params + l->s + m * N;
        float *to = grad + l->weight, *dr = grad + l->r + m * C, *ds = grad + l->s + m * N;
        for (size_t n = 0; n < N; n++)
            for (size_t c = 0; c < C; c++, w += window, dw += window, to += window) {
                const float factor = s[n] * r[c];
                float e = 0.0F;
                for (size_t i = 0; i < window; i++) {
                    to[i] += dw[i] * factor;
                    e += dw[i] * w[i];
                }
                ds[n] += e * r[c];
                dr[c] += e * s[n];
            }
    }
}
