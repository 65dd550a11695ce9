/* Layouts of images in memory, conversion between them, and operations that work element by element. */
#include "bf16.h"
#include "primitive.h"

#include <stdint.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/wide.h"

/* The library's names of the layouts [C / block][H][W][block]. */
static const struct {
    int block;
    dnnl_format_tag_t tag;
} orders[] = {{TRB__ANY_ORDER, dnnl_format_tag_any},
              {1, dnnl_nchw},
              {0, dnnl_nhwc},
              {4, dnnl_nChw4c},
              {8, dnnl_nChw8c},
              {16, dnnl_nChw16c},
              {32, dnnl_nChw32c}};
enum { ORDERS = sizeof orders / sizeof *orders };

trb__tensor trb__images(const trb_layout *l)
{
    trb__tensor t = {
        .n = 4,
        .dims = {(dnnl_dim_t)l->rows, (dnnl_dim_t)l->shape.c, (dnnl_dim_t)l->shape.h, (dnnl_dim_t)l->shape.w},
        .type = l->bf16 ? dnnl_bf16 : dnnl_f32};
    for (size_t i = 0; i < ORDERS; i++)
        if (orders[i].block == l->block) t.tag = orders[i].tag;
    return t;
}

bool trb__layout_find(const_dnnl_primitive_desc_t pd, int arg, trb_layout *l)
{
    const trb__md md = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    for (size_t i = 1; i < ORDERS; i++) {
        trb_layout candidate = *l;
        candidate.block = orders[i].block;
        const trb__tensor t = trb__images(&candidate);
        trb__desc d;
        if (trb__desc_make(&t, &d) != dnnl_success) continue;
        const bool same = dnnl_memory_desc_equal(md, trb__desc_md(&d)) != 0;
        trb__desc_drop(&d);
        if (same) {
            *l = candidate;
            return true;
        }
    }
    return false;
}

trb_layout trb_layout_plain(size_t rows, trb_shape s)
{
    return (trb_layout){.rows = rows, .shape = s, .block = 1};
}

bool trb_layout_same(const trb_layout *a, const trb_layout *b)
{
    return a->rows == b->rows && trb_shape_same(a->shape, b->shape) && a->block == b->block && a->bf16 == b->bf16;
}

bool trb_layout_is_plain(const trb_layout *l)
{
    return l->block == 1 && !l->bf16;
}

static size_t elements(const trb_layout *l)
{
    const size_t block = l->block > 1 ? (size_t)l->block : 1, blocks = (l->shape.c + block - 1) / block;
    return l->rows * blocks * block * l->shape.h * l->shape.w;
}

size_t trb_layout_bytes(const trb_layout *l)
{
    return elements(l) * (l->bf16 ? sizeof(uint16_t) : sizeof(float));
}

bool trb_layout_whole(const trb_layout *part, size_t M, trb_layout *whole)
{
    /* Within a row, channels or blocks of channels must be the outermost index, without padding. */
    if (part->block == 0 ? part->shape.h * part->shape.w > 1 : part->shape.c % (size_t)part->block != 0) return false;
    *whole = *part;
    whole->shape.c *= M;
    return true;
}

struct trb_reorder {
    trb__primitive primitive;
};

trb_status trb__reorder_make(trb__md from, trb__md to, trb_reorder **out)
{
    static const int args[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t pd = NULL;
    trb_reorder *r = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb__engine(&engine));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *r, &r));
    TRB_GO(trb__dnnl(dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL), "a change of layout"));
    TRB_GO(trb__primitive_make(pd, 2, args, &r->primitive));
done:
    if (pd != NULL) (void)dnnl_primitive_desc_destroy(pd);
    if (st == TRB_OK)
        *out = r;
    else
        trb_reorder_destroy(r);
    return st;
}

trb_status trb_reorder_create(const trb_layout *from, const trb_layout *to, trb_reorder **out)
{
    const trb__tensor a = trb__images(from), b = trb__images(to);
    trb__desc of_a, of_b;
    TRB_TRY(trb__dnnl(trb__desc_make(&a, &of_a), "a layout"));
    trb_status st = trb__dnnl(trb__desc_make(&b, &of_b), "a layout");
    if (st == TRB_OK) {
        st = trb__reorder_make(trb__desc_md(&of_a), trb__desc_md(&of_b), out);
        trb__desc_drop(&of_b);
    }
    trb__desc_drop(&of_a);
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

/* ---- element by element. Padding is zero in the operands of each of these functions, and so in the result. */

TRB_WIDE static void relu_f32(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] < 0.0F ? 0.0F : x[i];
}

/* Clears negative numbers by their sign bit; a NaN stays. */
TRB_WIDE static void relu_bf16(size_t n, const uint16_t *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (x[i] & 0x8000U) != 0 && (x[i] & 0x7FFFU) <= 0x7F80U ? 0 : x[i];
}

void trb_layout_relu(const trb_layout *l, const void *x, void *y)
{
    if (l->bf16)
        relu_bf16(elements(l), x, y);
    else
        relu_f32(elements(l), x, y);
}

/* Each gradient is read even where it is not used, so that the loop has no branch. */
TRB_WIDE static void relu_back_f32(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        const float d = dy[i];
        dx[i] = y[i] > 0.0F ? d : 0.0F;
    }
}

TRB_WIDE static void relu_back_bf16(size_t n, const uint16_t *y, const uint16_t *dy, uint16_t *dx)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t d = dy[i];
        dx[i] = (uint16_t)(y[i] - 1U) < 0x7FFFU ? d : 0;
    }
}

void trb_layout_relu_back(const trb_layout *l, const void *y, const void *dy, void *dx)
{
    if (l->bf16)
        relu_back_bf16(elements(l), y, dy, dx);
    else
        relu_back_f32(elements(l), y, dy, dx);
}

TRB_WIDE static void add_f32(size_t n, const float *a, const float *b, bool relu, float *y)
{
    for (size_t i = 0; i < n; i++) {
        const float sum = a[i] + b[i];
        y[i] = relu && sum < 0.0F ? 0.0F : sum;
    }
}

TRB_WIDE static void add_bf16(size_t n, const uint16_t *a, const uint16_t *b, bool relu, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) {
        const float sum = trb__widen(a[i]) + trb__widen(b[i]);
        y[i] = trb__narrow(relu && sum < 0.0F ? 0.0F : sum);
    }
}

void trb_layout_add(const trb_layout *l, const void *a, const void *b, bool relu, void *y)
{
    if (l->bf16)
        add_bf16(elements(l), a, b, relu, y);
    else
        add_f32(elements(l), a, b, relu, y);
}

void trb_layout_spread(const trb_layout *l, size_t rows, size_t M, const void *x, void *y)
{
    const size_t part = trb_layout_bytes(l) / rows / M;
    for (size_t i = 0; i < rows * M; i++) memcpy((char *)y + i * part, (const char *)x + i / M * part, part);
}

/* One row: the sum of its M parts. */
TRB_WIDE static void gather_f32(size_t part, size_t M, const float *restrict from, float *restrict to)
{
    memcpy(to, from, part * sizeof *to);
    for (size_t m = 1; m < M; m++)
        for (size_t j = 0; j < part; j++) to[j] += from[m * part + j];
}

TRB_WIDE static void gather_bf16(size_t part, size_t M, const uint16_t *restrict from, uint16_t *restrict to)
{
    for (size_t j = 0; j < part; j++) {
        float sum = trb__widen(from[j]);
        for (size_t m = 1; m < M; m++) sum += trb__widen(from[m * part + j]);
        to[j] = trb__narrow(sum);
    }
}

void trb_layout_gather(const trb_layout *l, size_t rows, size_t M, const void *y, void *x)
{
    const size_t part = elements(l) / rows / M;
    for (size_t r = 0; r < rows; r++) {
        if (l->bf16)
            gather_bf16(part, M, (const uint16_t *)y + r * M * part, (uint16_t *)x + r * part);
        else
            gather_f32(part, M, (const float *)y + r * M * part, (float *)x + r * part);
    }
}
