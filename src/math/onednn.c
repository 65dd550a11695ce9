/* Descriptions of tensors and primitives for oneDNN 3 (first part) and oneDNN 2 (second part); onednn.h says what
 * differs.
 */
#include "onednn.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t make(const trb__tensor *t, dnnl_memory_desc_t *md)
{
    return t->tag == dnnl_format_tag_undef
               ? dnnl_memory_desc_create_with_strides(md, t->n, t->dims, t->type, t->strides)
               : dnnl_memory_desc_create_with_tag(md, t->n, t->dims, t->type, t->tag);
}

void trb__desc_drop(trb__desc *d)
{
    (void)dnnl_memory_desc_destroy(d->md);
}

trb__md trb__desc_md(const trb__desc *d)
{
    return d->md;
}

static const dnnl_dims_t dense; /* no dilation */

static dnnl_status_t conv(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, const trb__md md[4], const trb__windows *w,
                          dnnl_primitive_attr_t attributes, dnnl_engine_t engine, dnnl_primitive_desc_t forward,
                          dnnl_primitive_desc_t *pd)
{
    if (pass == dnnl_backward_data)
        return dnnl_convolution_backward_data_primitive_desc_create(
            pd, engine, algorithm, md[0], md[1], md[3], w->strides, dense, w->pad, w->pad, forward, attributes);
    if (pass == dnnl_backward_weights)
        return dnnl_convolution_backward_weights_primitive_desc_create(
            pd, engine, algorithm, md[0], md[1], md[2], md[3], w->strides, dense, w->pad, w->pad, forward, attributes);
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, pass, algorithm, md[0], md[1], md[2], md[3],
                                                          w->strides, dense, w->pad, w->pad, attributes);
}

static dnnl_status_t norm(dnnl_prop_kind_t pass, trb__md md, float epsilon, unsigned flags, dnnl_engine_t engine,
                          dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd)
{
    if (pass == dnnl_backward)
        return dnnl_batch_normalization_backward_primitive_desc_create(pd, engine, pass, md, md, md, epsilon, flags,
                                                                       forward, NULL);
    return dnnl_batch_normalization_forward_primitive_desc_create(pd, engine, pass, md, md, epsilon, flags, NULL);
}

static dnnl_status_t pool(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, trb__md src, trb__md dst,
                          const trb__windows *w, dnnl_engine_t engine, dnnl_primitive_desc_t forward,
                          dnnl_primitive_desc_t *pd)
{
    if (pass == dnnl_backward_data)
        return dnnl_pooling_backward_primitive_desc_create(pd, engine, algorithm, src, dst, w->strides, w->kernel,
                                                           dense, w->pad, w->pad, forward, NULL);
    return dnnl_pooling_forward_primitive_desc_create(pd, engine, pass, algorithm, src, dst, w->strides, w->kernel,
                                                      dense, w->pad, w->pad, NULL);
}

static dnnl_status_t product(trb__md a, trb__md b, trb__md c, dnnl_engine_t engine, dnnl_primitive_desc_t *pd)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, a, b, NULL, c, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F, 0, dnnl_data_type_undef);
}

static dnnl_status_t append_relu(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0F, 0.0F);
}

/* Pass over implementations that convert all arguments themselves. */
static dnnl_status_t without_conversion(dnnl_primitive_desc_t *pd)
{
    static const char converting[] = "jit_uni_ncsp";
    const char *name = converting;
    dnnl_status_t st = dnnl_primitive_desc_query(*pd, dnnl_query_impl_info_str, 0, &name);
    while (st == dnnl_success && strncmp(name, converting, sizeof converting - 1) == 0) {
        st = dnnl_primitive_desc_next_impl(*pd);
        if (st == dnnl_success) st = dnnl_primitive_desc_query(*pd, dnnl_query_impl_info_str, 0, &name);
    }
    if (st == dnnl_success) return st;
    (void)dnnl_primitive_desc_destroy(*pd);
    *pd = NULL;
    return st == dnnl_last_impl_reached ? dnnl_unimplemented : st;
}

/* Convert weights of one channel, one filter and four numbers to blocks of 16 x 16. */
static dnnl_status_t convert_four(dnnl_engine_t engine, const float *from, float *to)
{
    static const dnnl_dims_t dims = {1, 1, 2, 2};
    dnnl_memory_desc_t md[2] = {NULL, NULL};
    dnnl_memory_t memory[2] = {NULL, NULL};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t st = dnnl_memory_desc_create_with_tag(&md[0], 4, dims, dnnl_f32, dnnl_oihw);
    if (st == dnnl_success) st = dnnl_memory_desc_create_with_tag(&md[1], 4, dims, dnnl_f32, dnnl_OIhw16i16o);
    if (st == dnnl_success) st = dnnl_memory_create(&memory[0], md[0], engine, (void *)(uintptr_t)from);
    if (st == dnnl_success) st = dnnl_memory_create(&memory[1], md[1], engine, to);
    if (st == dnnl_success) st = dnnl_reorder_primitive_desc_create(&pd, md[0], engine, md[1], engine, NULL);
    if (st == dnnl_success) st = dnnl_primitive_create(&reorder, pd);
    if (st == dnnl_success) st = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    const dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, memory[0]}, {DNNL_ARG_TO, memory[1]}};
    if (st == dnnl_success) st = dnnl_primitive_execute(reorder, stream, 2, arg);
    if (st == dnnl_success) st = dnnl_stream_wait(stream);
    if (stream != NULL) (void)dnnl_stream_destroy(stream);
    if (reorder != NULL) (void)dnnl_primitive_destroy(reorder);
    if (pd != NULL) (void)dnnl_primitive_desc_destroy(pd);
    for (int i = 0; i < 2; i++) {
        if (memory[i] != NULL) (void)dnnl_memory_destroy(memory[i]);
        if (md[i] != NULL) (void)dnnl_memory_desc_destroy(md[i]);
    }
    return st;
}

static bool pads_wrongly;
static void find_pads(void)
{
    enum { BLOCK = 16 * 16, NUMBERS = 4 };
    static const float from[NUMBERS] = {1.0F, 2.0F, 3.0F, 4.0F};
    float to[NUMBERS * BLOCK] = {0.0F};
    dnnl_engine_t engine = NULL;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) return;
    const bool done = convert_four(engine, from, to) == dnnl_success;
    for (size_t i = 0; done && i < NUMBERS * BLOCK; i++)
        if (to[i] != (i % BLOCK == 0 ? from[i / BLOCK] : 0.0F)) pads_wrongly = true;
    (void)dnnl_engine_destroy(engine);
}

bool trb__pads_wrongly(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, find_pads);
    return pads_wrongly;
}

#else

bool trb__pads_wrongly(void)
{
    return false;
}

static dnnl_status_t without_conversion(dnnl_primitive_desc_t *pd)
{
    (void)pd; /* version 2 has no such implementations */
    return dnnl_success;
}

static dnnl_status_t make(const trb__tensor *t, dnnl_memory_desc_t *md)
{
    return t->tag == dnnl_format_tag_undef ? dnnl_memory_desc_init_by_strides(md, t->n, t->dims, t->type, t->strides)
                                           : dnnl_memory_desc_init_by_tag(md, t->n, t->dims, t->type, t->tag);
}

void trb__desc_drop(trb__desc *d)
{
    (void)d;
}

trb__md trb__desc_md(const trb__desc *d)
{
    return &d->md;
}

static dnnl_status_t conv(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, const trb__md md[4], const trb__windows *w,
                          dnnl_primitive_attr_t attributes, dnnl_engine_t engine, dnnl_primitive_desc_t forward,
                          dnnl_primitive_desc_t *pd)
{
    dnnl_convolution_desc_t d;
    const dnnl_status_t st =
        pass == dnnl_backward_data
            ? dnnl_convolution_backward_data_desc_init(&d, algorithm, md[0], md[1], md[3], w->strides, w->pad, w->pad)
        : pass == dnnl_backward_weights ? dnnl_convolution_backward_weights_desc_init(
                                              &d, algorithm, md[0], md[1], md[2], md[3], w->strides, w->pad, w->pad)
                                        : dnnl_convolution_forward_desc_init(&d, pass, algorithm, md[0], md[1], md[2],
                                                                             md[3], w->strides, w->pad, w->pad);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &d, attributes, engine, forward);
}

static dnnl_status_t norm(dnnl_prop_kind_t pass, trb__md md, float epsilon, unsigned flags, dnnl_engine_t engine,
                          dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd)
{
    dnnl_batch_normalization_desc_t d;
    const dnnl_status_t st = pass == dnnl_backward
                                 ? dnnl_batch_normalization_backward_desc_init(&d, pass, md, md, epsilon, flags)
                                 : dnnl_batch_normalization_forward_desc_init(&d, pass, md, epsilon, flags);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &d, NULL, engine, forward);
}

static dnnl_status_t pool(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, trb__md src, trb__md dst,
                          const trb__windows *w, dnnl_engine_t engine, dnnl_primitive_desc_t forward,
                          dnnl_primitive_desc_t *pd)
{
    dnnl_pooling_desc_t d;
    const dnnl_status_t st =
        pass == dnnl_backward_data
            ? dnnl_pooling_backward_desc_init(&d, algorithm, src, dst, w->strides, w->kernel, w->pad, w->pad)
            : dnnl_pooling_forward_desc_init(&d, pass, algorithm, src, dst, w->strides, w->kernel, w->pad, w->pad);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &d, NULL, engine, forward);
}

static dnnl_status_t product(trb__md a, trb__md b, trb__md c, dnnl_engine_t engine, dnnl_primitive_desc_t *pd)
{
    dnnl_matmul_desc_t d;
    const dnnl_status_t st = dnnl_matmul_desc_init(&d, a, b, NULL, c);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &d, NULL, engine, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F);
}

static dnnl_status_t append_relu(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_relu, 0.0F, 0.0F);
}

#endif

/* ---- the same for both */

dnnl_status_t trb__desc_make(const trb__tensor *t, trb__desc *d)
{
    return make(t, &d->md);
}

/* Descriptors of up to four tensors; md is NULL where there is no tensor. Must be closed, also after a failure. */
enum { MOST = 4 };
typedef struct {
    size_t n;
    trb__desc own[MOST];
    trb__md md[MOST];
} descs;

static dnnl_status_t open(const trb__tensor *const *t, size_t n, descs *d)
{
    dnnl_status_t st = dnnl_success;
    *d = (descs){.n = n};
    for (size_t i = 0; st == dnnl_success && i < n; i++) {
        if (t[i] == NULL) continue;
        st = trb__desc_make(t[i], &d->own[i]);
        if (st == dnnl_success) d->md[i] = trb__desc_md(&d->own[i]);
    }
    return st;
}

static void close(descs *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->md[i] != NULL) trb__desc_drop(&d->own[i]);
}

dnnl_status_t trb__describe_conv(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, const trb__tensor *src,
                                 const trb__tensor *weights, const trb__tensor *bias, const trb__tensor *dst,
                                 const trb__windows *windows, dnnl_primitive_attr_t attributes, dnnl_engine_t engine,
                                 dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd)
{
    descs d;
    dnnl_status_t st = open((const trb__tensor *const[]){src, weights, bias, dst}, 4, &d);
    if (st == dnnl_success) st = conv(pass, algorithm, d.md, windows, attributes, engine, forward, pd);
    if (st == dnnl_success && weights->tag != dnnl_format_tag_any) st = without_conversion(pd);
    close(&d);
    return st;
}

dnnl_status_t trb__describe_norm(dnnl_prop_kind_t pass, const trb__tensor *images, float epsilon, unsigned flags,
                                 dnnl_engine_t engine, dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd)
{
    descs d;
    dnnl_status_t st = open(&images, 1, &d);
    if (st == dnnl_success) st = norm(pass, d.md[0], epsilon, flags, engine, forward, pd);
    close(&d);
    return st;
}

dnnl_status_t trb__describe_pool(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, const trb__tensor *src,
                                 const trb__tensor *dst, const trb__windows *windows, dnnl_engine_t engine,
                                 dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd)
{
    descs d;
    dnnl_status_t st = open((const trb__tensor *const[]){src, dst}, 2, &d);
    if (st == dnnl_success) st = pool(pass, algorithm, d.md[0], d.md[1], windows, engine, forward, pd);
    close(&d);
    return st;
}

dnnl_status_t trb__describe_product(const trb__tensor *a, const trb__tensor *b, const trb__tensor *c,
                                    dnnl_engine_t engine, dnnl_primitive_desc_t *pd)
{
    descs d;
    dnnl_status_t st = open((const trb__tensor *const[]){a, b, c}, 3, &d);
    if (st == dnnl_success) st = product(d.md[0], d.md[1], d.md[2], engine, pd);
    close(&d);
    return st;
}

dnnl_status_t trb__append(dnnl_post_ops_t ops, bool sum, bool relu)
{
    dnnl_status_t st = sum ? append_sum(ops) : dnnl_success;
    if (st == dnnl_success && relu) st = append_relu(ops);
    return st;
}
