/* Pooling. */
#include "primitive.h"

#include <stdint.h>
#include <string.h>

#include "tribikos/memory.h"

struct trb_pool {
    trb__primitive forward, backward;
    void *where; /* of the maxima */
};

trb_status trb_pool_create(const trb_pool_spec *s, const trb_layout *in, trb_layout *out, trb_pool **pool)
{
    static const int forward_args[] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WORKSPACE};
    static const int backward_args[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, DNNL_ARG_WORKSPACE};
    const dnnl_alg_kind_t algorithm = s->max ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
    const dnnl_dim_t S = (dnnl_dim_t)s->stride, P = (dnnl_dim_t)s->pad, H = (dnnl_dim_t)s->kernel_h,
                     W = (dnnl_dim_t)s->kernel_w;
    const dnnl_dims_t strides = {S, S}, pad = {P, P}, kernel = {H, W};
    const dnnl_dims_t dims = {(dnnl_dim_t)s->rows, (dnnl_dim_t)s->in.c, ((dnnl_dim_t)s->in.h + 2 * P - H) / S + 1,
                              ((dnnl_dim_t)s->in.w + 2 * P - W) / S + 1};
    const bool remembers = s->max && s->training;
    dnnl_pooling_desc_t d;
    dnnl_memory_desc_t dst;
    dnnl_primitive_desc_t pd = NULL, back = NULL;
    dnnl_engine_t engine = NULL;
    trb_pool *p = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb__engine(&engine));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *p, &p));
    TRB_GO(trb__dnnl(dnnl_memory_desc_init_by_tag(&dst, 4, dims, trb__md_of(in)->data_type, dnnl_format_tag_any),
                     "a layout"));
    TRB_GO(trb__dnnl(dnnl_pooling_forward_desc_init(&d, s->training ? dnnl_forward_training : dnnl_forward_inference,
                                                    algorithm, trb__md_of(in), &dst, strides, kernel, pad, pad),
                     "pooling"));
    TRB_GO(trb__dnnl(dnnl_primitive_desc_create(&pd, &d, NULL, engine, NULL), "pooling"));
    TRB_GO(trb__primitive_make(pd, remembers ? 3 : 2, forward_args, &p->forward));
    *out = trb__layout_of(pd, DNNL_ARG_DST);
    if (!s->training) goto done;
    if (remembers) {
        const trb_layout where = trb__layout_of(pd, DNNL_ARG_WORKSPACE);
        TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, trb_layout_bytes(&where), 1, &p->where));
    }
    TRB_GO(trb__dnnl(
        dnnl_pooling_backward_desc_init(&d, algorithm, trb__md_of(in), trb__md_of(out), strides, kernel, pad, pad),
        "pooling's gradient"));
    TRB_GO(trb__dnnl(dnnl_primitive_desc_create(&back, &d, NULL, engine, pd), "pooling's gradient"));
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
