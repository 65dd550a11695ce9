/* The layers of a network as nodes of an ONNX graph.
 *
 * A value is [N][copies * c][h][w], or flat: [N][copies * c * h * w]. Both have the same order in memory, which is that
 * of the passes: rows, copies, then a copy's own shape. So the copies of heads are groups of channels to convolutions,
 * normalisation and pools. Dense layers of several copies are one batched product. */
#include "graph.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"

typedef struct {
    trb__label name;
    size_t copies;
    trb_shape one;
    bool flat;
} value;

typedef struct {
    trb__graph *g;
    const trb_trained *t;
    value now, saved;
} builder;

static int64_t signed_of(size_t n)
{
    return (int64_t)n;
}

static void flatten(builder *b, value *v)
{
    if (v->flat) return;
    const int64_t dim[2] = {0, signed_of(v->copies * trb_shape_size(v->one))};
    v->name = trb__reshape(b->g, v->name.text, 2, dim);
    v->flat = true;
}

static void unflatten(builder *b, value *v)
{
    if (!v->flat) return;
    const int64_t dim[4] = {0, signed_of(v->copies * v->one.c), signed_of(v->one.h), signed_of(v->one.w)};
    v->name = trb__reshape(b->g, v->name.text, 4, dim);
    v->flat = false;
}

/* Copies a value that all heads share, so that every head has its own. */
static void widen(builder *b, value *v, size_t copies)
{
    if (v->copies == copies) return;
    const int64_t repeats[4] = {1, signed_of(copies), 1, 1};
    const trb__label times = trb__tensor_put(b->g, "", TRB__ONNX_INT64, 1, &(size_t){v->flat ? 2 : 4}, repeats);
    v->name = trb__apply(b->g, "Tile", v->name.text, times.text);
    v->copies = copies;
}

/* ---- tensors: the names are those of the network's table */

static trb__label tensor_at(builder *b, size_t offset, size_t ndim, const size_t *dim, const float *values)
{
    const trb_net *net = b->t->net;
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (trb_net_param(net, i)->offset == offset)
            return trb__floats(b->g, trb_net_param(net, i)->name, ndim, dim, values);
    return trb__floats(b->g, "", ndim, dim, values);
}

static trb__label vector_at(builder *b, size_t offset, size_t n)
{
    return tensor_at(b, offset, 1, &n, b->t->params + offset);
}

/* [m][n], one row for each head. */
static trb__label rows_at(builder *b, size_t offset, size_t m, size_t n)
{
    return tensor_at(b, offset, 2, (const size_t[]){m, n}, b->t->params + offset);
}

/* Weights [copies][n][k] as [copies][k][n], which MatMul takes. */
static trb_status transposed_at(builder *b, size_t offset, size_t copies, size_t n, size_t k, trb__label *name)
{
    const float *from = b->t->params + offset;
    float *w = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, copies * n * k, sizeof *w, &w));
    for (size_t m = 0; m < copies; m++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < k; j++) w[(m * k + j) * n + i] = from[(m * n + i) * k + j];
    *name = tensor_at(b, offset, copies > 1 ? 3 : 2,
                      copies > 1 ? (const size_t[]){copies, k, n} : (const size_t[]){k, n}, w);
    trb_free(w);
    return TRB_OK;
}

/* ---- dense layers */

static trb_status dense_heads(builder *b, const trb_layer_view *l, size_t k)
{
    const size_t M = l->y_copies, n = l->units;
    const int64_t apart[3] = {0, signed_of(l->x_copies), signed_of(k)}, flat[2] = {0, signed_of(M * n)};
    trb__label v = trb__reshape(b->g, b->now.name.text, 3, apart), w;
    TRB_TRY(transposed_at(b, l->weight, l->rank1 ? 1 : M, n, k, &w));
    if (l->rank1) { /* all heads share W: y = ((x o r) W^T) o s */
        v = trb__apply(b->g, "Mul", v.text, rows_at(b, l->r, M, k).text);
        v = trb__apply(b->g, "MatMul", v.text, w.text);
        v = trb__apply(b->g, "Mul", v.text, rows_at(b, l->s, M, n).text);
    } else {
        v = trb__transpose_012(b->g, v.text);
        v = trb__apply(b->g, "MatMul", v.text, w.text);
        v = trb__transpose_012(b->g, v.text);
    }
    v = trb__apply(b->g, "Add", v.text, rows_at(b, l->bias, M, n).text);
    b->now.name = trb__reshape(b->g, v.text, 2, flat);
    return TRB_OK;
}

static trb_status put_dense(builder *b, const trb_layer_view *l)
{
    const size_t k = trb_shape_size(l->in), n = l->y_copies * l->units;
    flatten(b, &b->now);
    if (l->rank1 || l->x_copies > 1) return dense_heads(b, l, k);
    trb_buffer how = {0};
    trb__attribute_int(&how, "transB", 1);
    const trb__label w = rows_at(b, l->weight, n, k), bias = vector_at(b, l->bias, n);
    b->now.name = trb__node(b->g, "Gemm", &how, b->now.name.text, w.text, bias.text, NULL, NULL);
    return TRB_OK;
}

/* ---- layers on images */

static void window(trb_buffer *how, const trb_layer_view *l)
{
    const int64_t k = signed_of(l->kernel), s = signed_of(l->stride), p = signed_of(l->pad);
    trb__attribute_ints(how, "kernel_shape", 2, (const int64_t[]){k, k});
    trb__attribute_ints(how, "strides", 2, (const int64_t[]){s, s});
    trb__attribute_ints(how, "pads", 4, (const int64_t[]){p, p, p, p});
}

trb_status trb__filters_of(const trb_layer_view *l, const float *params, float **w)
{
    const size_t N = l->units, C = l->in.c, k2 = l->kernel * l->kernel;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, l->y_copies * N * C, k2 * sizeof **w, w));
    float *to = *w;
    for (size_t m = 0; m < l->y_copies; m++) {
        const float *from = params + l->weight;
        for (size_t n = 0; n < N; n++)
            for (size_t c = 0; c < C; c++)
                for (size_t i = 0; i < k2; i++) *to++ = *from++ * (params[l->s + m * N + n] * params[l->r + m * C + c]);
    }
    return TRB_OK;
}

static trb_status put_conv(builder *b, const trb_layer_view *l)
{
    const size_t filters = l->y_copies * l->units;
    const size_t dim[4] = {filters, l->in.c, l->kernel, l->kernel};
    float *own = NULL;
    trb_buffer how = {0};
    unflatten(b, &b->now);
    if (l->rank1) TRB_TRY(trb__filters_of(l, b->t->params, &own));
    const trb__label w = tensor_at(b, l->weight, 4, dim, own != NULL ? own : b->t->params + l->weight);
    trb_free(own);
    trb__label bias = {""};
    if (l->biased) bias = vector_at(b, l->bias, filters);
    window(&how, l);
    trb__attribute_int(&how, "group", signed_of(l->x_copies));
    b->now.name = trb__node(b->g, "Conv", &how, b->now.name.text, w.text, l->biased ? bias.text : NULL, NULL, NULL);
    return TRB_OK;
}

static const float epsilon = 1e-5F; /* of batch normalisation (net.h) */

static void put_norm(builder *b, const trb_layer_view *l)
{
    const size_t C = l->y_copies * l->in.c;
    trb_buffer how = {0};
    unflatten(b, &b->now);
    widen(b, &b->now, l->y_copies);
    trb__attribute_float(&how, "epsilon", epsilon);
    const trb__label scale = vector_at(b, l->weight, C), shift = vector_at(b, l->bias, C);
    const trb__label mean = vector_at(b, l->mean, C), variance = vector_at(b, l->variance, C);
    b->now.name =
        trb__node(b->g, "BatchNormalization", &how, b->now.name.text, scale.text, shift.text, mean.text, variance.text);
}

static void put_pool(builder *b, const trb_layer_view *l)
{
    const bool max = strcmp(l->kind, "maxpool") == 0;
    trb_buffer how = {0};
    unflatten(b, &b->now);
    if (strcmp(l->kind, "globalpool") == 0) {
        b->now.name = trb__apply(b->g, "GlobalAveragePool", b->now.name.text, NULL);
        return;
    }
    window(&how, l);
    if (!max) trb__attribute_int(&how, "count_include_pad", 1);
    b->now.name = trb__node(b->g, max ? "MaxPool" : "AveragePool", &how, b->now.name.text, NULL, NULL, NULL, NULL);
}

/* ---- other layers */

/* Computed in double, as by the layer itself: S multiplies the rounding errors of the difference. */
static void put_spread(builder *b, const trb_layer_view *l)
{
    if (l->x_copies == 1) return;
    const size_t size = trb_shape_size(l->in);
    const int64_t apart[3] = {0, signed_of(l->x_copies), signed_of(size)};
    const int64_t flat[2] = {0, signed_of(l->x_copies * size)};
    const trb__label x = trb__cast(b->g, trb__reshape(b->g, b->now.name.text, 3, apart).text, TRB__ONNX_DOUBLE);
    const trb__label mean = trb__reduce(b->g, "ReduceMean", x.text, 1, true);
    const trb__label off = trb__apply(b->g, "Sub", x.text, mean.text);
    const trb__label more = trb__apply(b->g, "Mul", off.text, trb__scalar(b->g, l->factor).text);
    const trb__label y = trb__apply(b->g, "Add", mean.text, more.text);
    b->now.name = trb__reshape(b->g, trb__cast(b->g, y.text, TRB__ONNX_FLOAT).text, 2, flat);
    b->now.flat = true;
}

static void put_add(builder *b, const trb_layer_view *l)
{
    unflatten(b, &b->now);
    unflatten(b, &b->saved);
    widen(b, &b->now, l->y_copies);
    widen(b, &b->saved, l->y_copies);
    b->now.name = trb__apply(b->g, "Add", b->now.name.text, b->saved.name.text);
}

static trb_status put_layer(builder *b, const trb_layer_view *l)
{
    const value before = b->now;
    if (strcmp(l->kind, "dropout") == 0) return TRB_OK;
    if (strcmp(l->kind, "fork") == 0) {
        b->saved = b->now;
        return TRB_OK;
    }
    if (strcmp(l->kind, "shortcut") == 0) {
        b->now = b->saved;
        b->saved = before;
        return TRB_OK;
    }
    if (strcmp(l->kind, "dense") == 0)
        TRB_TRY(put_dense(b, l));
    else if (strcmp(l->kind, "conv") == 0)
        TRB_TRY(put_conv(b, l));
    else if (strcmp(l->kind, "norm") == 0)
        put_norm(b, l);
    else if (strcmp(l->kind, "relu") == 0)
        b->now.name = trb__apply(b->g, "Relu", b->now.name.text, NULL);
    else if (strcmp(l->kind, "tanh") == 0)
        b->now.name = trb__apply(b->g, "Tanh", b->now.name.text, NULL);
    else if (strcmp(l->kind, "spread") == 0)
        put_spread(b, l);
    else if (strcmp(l->kind, "add") == 0)
        put_add(b, l);
    else if (strstr(l->kind, "pool") != NULL)
        put_pool(b, l);
    else
        return trb_fail(TRB_EINTERNAL, "no ONNX node is known for the layer %s", l->kind);
    b->now.copies = l->y_copies;
    b->now.one = l->out;
    return TRB_OK;
}

/* (x - mean) * scale of each channel, after its offset was subtracted in double. */
static void normalize(builder *b, const trb_norm *norm, trb__onnx_type type)
{
    const size_t C = b->now.one.c, dim[3] = {C, 1, 1}, ndim = b->now.flat ? 1 : 3;
    if (norm->offset != NULL) {
        const trb__label offset = trb__tensor_put(b->g, "input.offset", TRB__ONNX_DOUBLE, ndim, dim, norm->offset);
        b->now.name = trb__apply(b->g, "Sub", b->now.name.text, offset.text);
    }
    if (type != TRB__ONNX_FLOAT) b->now.name = trb__cast(b->g, b->now.name.text, TRB__ONNX_FLOAT);
    const trb__label mean = trb__floats(b->g, "input.mean", ndim, dim, norm->mean);
    const trb__label scale = trb__floats(b->g, "input.scale", ndim, dim, norm->scale);
    b->now.name = trb__apply(b->g, "Sub", b->now.name.text, mean.text);
    b->now.name = trb__apply(b->g, "Mul", b->now.name.text, scale.text);
}

trb_status trb__layers_put(trb__graph *g, const trb_trained *t, const char *x, trb__onnx_type type, trb__label *logits)
{
    const trb_shape input = t->info.input;
    builder b = {.g = g, .t = t, .now = {.copies = 1, .one = input, .flat = input.h * input.w == 1}};
    (void)snprintf(b.now.name.text, sizeof b.now.name.text, "%s", x);
    normalize(&b, &t->info.norm, type);
    for (size_t i = 0; i < trb_net_n_layers(t->net); i++) {
        const trb_layer_view l = trb_net_layer(t->net, i);
        TRB_TRY(put_layer(&b, &l));
    }
    const int64_t dim[3] = {0, signed_of(trb_net_heads(t->net)), signed_of(trb_net_outputs(t->net))};
    *logits = trb__reshape(g, b.now.name.text, 3, dim);
    return TRB_OK;
}
