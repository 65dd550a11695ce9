/* Batch normalisation by oneDNN, with the statistics of the batch or with given ones (conv.h). */
#include "primitive.h"

#include <math.h>

#include "tribikos/memory.h"

/* Which statistics are used: those of the batch, or given ones. Each way has its own primitives. */
typedef enum { OF_BATCH, GIVEN, WAYS } way;

struct trb_norm_op {
    size_t channels, count; /* count: values a channel */
    way last;
    trb__primitive forward[WAYS], backward[WAYS];
    float *mean, *variance; /* of the batch, biased; one array after the other */
    float *unwanted;        /* [2][channels] gradients by scale and shift if the caller does not want them */
    void *mask[WAYS];       /* where the relu's input was positive */
};

static trb_status make(trb_norm_op *n, const trb_layout *l, bool relu, bool training, way w)
{
    static const int forward_args[] = {DNNL_ARG_SRC,      DNNL_ARG_SCALE, DNNL_ARG_SHIFT,    DNNL_ARG_MEAN,
                                       DNNL_ARG_VARIANCE, DNNL_ARG_DST,   DNNL_ARG_WORKSPACE};
    static const int backward_args[] = {DNNL_ARG_SHIFT,      DNNL_ARG_SRC,      DNNL_ARG_SCALE,    DNNL_ARG_MEAN,
                                        DNNL_ARG_VARIANCE,   DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_SCALE,
                                        DNNL_ARG_DIFF_SHIFT, DNNL_ARG_WORKSPACE};
    const int n_forward = sizeof forward_args / sizeof *forward_args,
              n_backward = sizeof backward_args / sizeof *backward_args - TRB__NO_SHIFT;
    const trb__tensor images = trb__images(l);
    const unsigned flags = (unsigned)dnnl_use_scale | (unsigned)dnnl_use_shift |
                           (relu ? (unsigned)dnnl_fuse_norm_relu : 0U) |
                           (w == GIVEN ? (unsigned)dnnl_use_global_stats : 0U);
    const bool masked = relu && training;
    dnnl_primitive_desc_t pd = NULL, back = NULL;
    dnnl_engine_t engine = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb__engine(&engine));
    TRB_GO(trb__dnnl(trb__describe_norm(training ? dnnl_forward_training : dnnl_forward_inference, &images,
                                        TRB_NORM_EPS, flags, engine, NULL, &pd),
                     "batch normalisation"));
    TRB_GO(trb__primitive_make(pd, n_forward - !masked, forward_args, &n->forward[w]));
    if (!training) goto done;
    if (masked) TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, trb__bytes_of(pd, DNNL_ARG_WORKSPACE), 1, &n->mask[w]));
    TRB_GO(trb__dnnl(trb__describe_norm(dnnl_backward, &images, TRB_NORM_EPS, flags, engine, pd, &back),
                     "batch normalisation's gradient"));
    TRB_GO(trb__primitive_make(back, n_backward - !masked, backward_args + TRB__NO_SHIFT, &n->backward[w]));
done:
    if (pd != NULL) (void)dnnl_primitive_desc_destroy(pd);
    if (back != NULL) (void)dnnl_primitive_desc_destroy(back);
    return st;
}

trb_status trb_norm_create(const trb_layout *layout, bool relu, bool training, trb_norm_op **out)
{
    trb_norm_op *n = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *n, &n));
    n->channels = layout->shape.c;
    n->count = layout->rows * layout->shape.h * layout->shape.w;
    trb_status st = trb_alloc(TRB_MEM_ACTIVATIONS, 4 * n->channels, sizeof *n->mean, &n->mean);
    if (st == TRB_OK) {
        n->variance = n->mean + n->channels;
        n->unwanted = n->variance + n->channels;
        st = make(n, layout, relu, training, GIVEN);
    }
    if (st == TRB_OK && training) st = make(n, layout, relu, training, OF_BATCH);
    if (st == TRB_OK)
        *out = n;
    else
        trb_norm_destroy(n);
    return st;
}

void trb_norm_destroy(trb_norm_op *n)
{
    if (n == NULL) return;
    for (int w = 0; w < WAYS; w++) {
        trb__primitive_clear(&n->forward[w]);
        trb__primitive_clear(&n->backward[w]);
        trb_free(n->mask[w]);
    }
    trb_free(n->mean);
    trb_free(n);
}

trb_status trb_norm_forward(trb_norm_op *n, const trb_norm_params *p, const void *x, void *y)
{
    n->last = p->mean == NULL ? OF_BATCH : GIVEN;
    void *const data[] = {trb__unconst(x),
                          trb__unconst(p->scale),
                          trb__unconst(p->shift),
                          n->last == OF_BATCH ? n->mean : trb__unconst(p->mean),
                          n->last == OF_BATCH ? n->variance : trb__unconst(p->variance),
                          y,
                          n->mask[n->last]};
    TRB_TRY(trb__primitive_run(&n->forward[n->last], data));
    for (size_t c = 0; n->last == OF_BATCH && c < 2 * n->channels; c++)
        if (!isfinite(n->mean[c]))
            return trb_fail(TRB_ENUM,
                            "batch normalisation: channel %zu has values that are not finite; try a smaller learning "
                            "rate",
                            c % n->channels);
    return TRB_OK;
}

trb_status trb_norm_backward(trb_norm_op *n, const trb_norm_params *p, const void *x, const void *dy, float *dscale,
                             float *dshift, void *dx)
{
    void *const data[] = {trb__unconst(p->shift),
                          trb__unconst(x),
                          trb__unconst(p->scale),
                          n->last == OF_BATCH ? n->mean : trb__unconst(p->mean),
                          n->last == OF_BATCH ? n->variance : trb__unconst(p->variance),
                          trb__unconst(dy),
                          dx,
                          dscale != NULL ? dscale : n->unwanted,
                          dshift != NULL ? dshift : n->unwanted + n->channels,
                          n->mask[n->last]};
    return trb__primitive_run(&n->backward[n->last], data + TRB__NO_SHIFT);
}

void trb_norm_statistics(const trb_norm_op *n, float *mean, float *variance)
{
    const double unbiased = n->count > 1 ? (double)n->count / (double)(n->count - 1) : 1.0;
    for (size_t c = 0; c < n->channels; c++) {
        mean[c] = n->mean[c];
        variance[c] = (float)(unbiased * (double)n->variance[c]);
    }
}
