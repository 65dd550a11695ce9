/* Layouts, conversion between them, and what is done element by element. */
#include "bf16.h"
#include "primitive.h"

#include <stdint.h>
#include <string.h>

#include "tribikos/memory.h"

trb_status trb_layout_plain(size_t rows, trb_shape s, trb_layout *out)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)s.c, (dnnl_dim_t)s.h, (dnnl_dim_t)s.w};
    memset(out, 0, sizeof *out);
    return trb__dnnl(dnnl_memory_desc_init_by_tag(trb__md(out), 4, dims, dnnl_f32, dnnl_nchw), "a layout");
}

bool trb_layout_same(const trb_layout *a, const trb_layout *b)
{
    return dnnl_memory_desc_equal(trb__md_of(a), trb__md_of(b)) != 0;
}

bool trb_layout_is_plain(const trb_layout *l)
{
    const dnnl_dim_t *d = trb__md_of(l)->dims;
    trb_layout plain;
    return trb_layout_plain((size_t)d[0], (trb_shape){(size_t)d[1], (size_t)d[2], (size_t)d[3]}, &plain) == TRB_OK &&
           trb_layout_same(l, &plain);
}

size_t trb_layout_bytes(const trb_layout *l)
{
    return dnnl_memory_desc_get_size(trb__md_of(l));
}

bool trb_layout_whole(const trb_layout *part, size_t M, trb_layout *whole)
{
    const dnnl_memory_desc_t *md = trb__md_of(part);
    const dnnl_blocking_desc_t *in = &md->format_desc.blocking;
    const dnnl_dim_t parts = (dnnl_dim_t)M, area = md->dims[2] * md->dims[3];
    if (md->format_kind != dnnl_blocked || in->inner_nblks > 1 || (in->inner_nblks == 1 && in->inner_idxs[0] != 1))
        return false;
    /* Channels (or blocks of them) must be outermost within a row, without padding. */
    const dnnl_dim_t block = in->inner_nblks == 1 ? in->inner_blks[0] : 1;
    if (md->dims[1] % block != 0 || in->strides[1] != area * block || in->strides[0] != md->dims[1] * area)
        return false;
    *whole = *part;
    dnnl_memory_desc_t *w = trb__md(whole);
    w->dims[1] = w->padded_dims[1] = md->dims[1] * parts;
    w->format_desc.blocking.strides[0] = in->strides[0] * parts;
    return true;
}

struct trb_reorder {
    trb__primitive primitive;
};

trb_status trb_reorder_create(const trb_layout *from, const trb_layout *to, trb_reorder **out)
{
    static const int args[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t pd = NULL;
    trb_reorder *r = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb__engine(&engine));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *r, &r));
    TRB_GO(trb__dnnl(dnnl_reorder_primitive_desc_create(&pd, trb__md_of(from), engine, trb__md_of(to), engine, NULL),
                     "a change of layout"));
    TRB_GO(trb__primitive_make(pd, 2, args, &r->primitive));
done:
    if (pd != NULL) (void)dnnl_primitive_desc_destroy(pd);
    if (st == TRB_OK)
        *out = r;
    else
        trb_reorder_destroy(r);
    return st;
}

void trb_reorder_destroy(trb_reorder *r)
{
    if (r == NULL) return;
    trb__primitive_clear(&r->primitive);
    trb_free(r);
}

trb_status trb_reorder_run(trb_reorder *r, const void *from, void *to)
{
    return trb__primitive_run(&r->primitive, (void *const[]){trb__unconst(from), to});
}

/* ---- element by element; padding is zero on both sides of each of these and stays so */

static bool is_bf16(const trb_layout *l)
{
    return trb__md_of(l)->data_type == dnnl_bf16;
}

static size_t elements(const trb_layout *l)
{
    return trb_layout_bytes(l) / (is_bf16(l) ? sizeof(uint16_t) : sizeof(float));
}

void trb_layout_relu(const trb_layout *l, const void *x, void *y)
{
    const size_t n = elements(l);
    if (is_bf16(l)) { /* the sign is that of the 16 bits */
        const uint16_t *a = x;
        uint16_t *to = y;
        for (size_t i = 0; i < n; i++) to[i] = (a[i] & 0x8000U) != 0 && (a[i] & 0x7FFFU) <= 0x7F80U ? 0 : a[i];
    } else {
        const float *a = x;
        float *to = y;
        for (size_t i = 0; i < n; i++) to[i] = a[i] < 0.0F ? 0.0F : a[i];
    }
}

void trb_layout_relu_back(const trb_layout *l, const void *y, const void *dy, void *dx)
{
    const size_t n = elements(l);
    if (is_bf16(l)) {
        const uint16_t *a = y, *d = dy;
        uint16_t *to = dx;
        for (size_t i = 0; i < n; i++) to[i] = (uint16_t)(a[i] - 1U) < 0x7FFFU ? d[i] : 0;
    } else {
        const float *a = y, *d = dy;
        float *to = dx;
        for (size_t i = 0; i < n; i++) to[i] = a[i] > 0.0F ? d[i] : 0.0F;
    }
}

void trb_layout_add(const trb_layout *l, const void *a, const void *b, bool relu, void *y)
{
    const size_t n = elements(l);
    if (is_bf16(l)) {
        const uint16_t *p = a, *q = b;
        uint16_t *to = y;
        for (size_t i = 0; i < n; i++) {
            const float sum = trb__widen(p[i]) + trb__widen(q[i]);
            to[i] = trb__narrow(relu && sum < 0.0F ? 0.0F : sum);
        }
    } else {
        const float *p = a, *q = b;
        float *to = y;
        for (size_t i = 0; i < n; i++) {
            const float sum = p[i] + q[i];
            to[i] = relu && sum < 0.0F ? 0.0F : sum;
        }
    }
}

void trb_layout_spread(const trb_layout *l, size_t rows, size_t M, const void *x, void *y)
{
    const size_t part = trb_layout_bytes(l) / rows / M;
    for (size_t i = 0; i < rows * M; i++) memcpy((char *)y + i * part, (const char *)x + i / M * part, part);
}

void trb_layout_gather(const trb_layout *l, size_t rows, size_t M, const void *y, void *x)
{
    const size_t part = elements(l) / rows / M;
    for (size_t r = 0; r < rows; r++) {
        if (is_bf16(l)) {
            const uint16_t *from = (const uint16_t *)y + r * M * part;
            uint16_t *to = (uint16_t *)x + r * part;
            for (size_t j = 0; j < part; j++) {
                float sum = trb__widen(from[j]);
                for (size_t m = 1; m < M; m++) sum += trb__widen(from[m * part + j]);
                to[j] = trb__narrow(sum);
            }
        } else {
            const float *from = (const float *)y + r * M * part;
            float *to = (float *)x + r * part;
            memcpy(to, from, part * sizeof *to);
            for (size_t m = 1; m < M; m++)
                for (size_t j = 0; j < part; j++) to[j] += from[m * part + j];
        }
    }
}
