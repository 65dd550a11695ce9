/* Maximum and mean pooling by oneDNN (conv.h). */
#include "primitive.h"

#include <stdint.h>
#include <string.h>

#include "tribikos/memory.h"

struct trb_pool {
    trb__primitive forward, backward;
    void *where; /* positions of the maxima, for the backward pass */
};

trb_status trb_pool_create(const trb_pool_spec *s, const trb_layout *in, trb_layout *out, trb_pool **pool)
{
    static const int forward_args[] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WORKSPACE};
    static const int backward_args[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, DNNL_ARG_WORKSPACE};
    const dnnl_alg_kind_t algorithm = s->max ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
    const dnnl_dim_t S = (dnnl_dim_t)s->stride, P = (dnnl_dim_t)s->pad, H = (dnnl_dim_t)s->kernel_h,
                     W = (dnnl_dim_t)s->kernel_w;
    const trb__windows windows = {.kernel = {H, W}, .strides = {S, S}, .pad = {P, P}};
    const bool remembers = s->max && s->training;
    trb_layout y = *in;
    dnnl_primitive_desc_t pd = NULL, back = NULL;
    dnnl_engine_t engine = NULL;
    trb_pool *p = NULL;
    trb_status st = TRB_OK;
    y.shape.h = (s->in.h + 2 * s->pad - s->kernel_h) / s->stride + 1;
    y.shape.w = (s->in.w + 2 * s->pad - s->kernel_w) / s->stride + 1;
    const trb__tensor src = trb__images(in), dst = trb__images(&y);
    TRB_GO(trb__engine(&engine));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *p, &p));
    TRB_GO(trb__dnnl(trb__describe_pool(s->training ? dnnl_forward_training : dnnl_forward_inference, algorithm, &src,
                                        &dst, &windows, engine, NULL, &pd),
                     "pooling"));
    TRB_GO(trb__primitive_make(pd, remembers ? 3 : 2, forward_args, &p->forward));
    *out = y;
    if (!s->training) goto done;
    if (remembers) TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, trb__bytes_of(pd, DNNL_ARG_WORKSPACE), 1, &p->where));
    TRB_GO(trb__dnnl(trb__describe_pool(dnnl_backward_data, algorithm, &src, &dst, &windows, engine, pd, &back),
                     "pooling's gradient"));
    TRB_GO(trb__primitive_make(back, remembers ? 3 : 2, backward_args, &p->backward));
done:
    if (pd != NULL) (void)dnnl_primitive_desc_destroy(pd);
    if (back != NULL) (void)dnnl_primitive_desc_destroy(back);
    if (st == TRB_OK)
        *pool = p;
    else
        trb_pool_destroy(p);
    return st;
}

void trb_pool_destroy(trb_pool *p)
{
    if (p == NULL) return;
    trb__primitive_clear(&p->forward);
    trb__primitive_clear(&p->backward);
    trb_free(p->where);
    trb_free(p);
}

trb_status trb_pool_forward(trb_pool *p, const void *x, void *y)
{
    return trb__primitive_run(&p->forward, (void *const[]){trb__unconst(x), y, p->where});
}

trb_status trb_pool_backward(trb_pool *p, const void *dy, void *dx)
{
    return trb__primitive_run(&p->backward, (void *const[]){trb__unconst(dy), dx, p->where});
}
