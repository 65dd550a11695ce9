/* Matrix products in bfloat16 by oneDNN: which products, the rounding of operands, and one primitive for each shape. */
#include "gemm_bf16.h"

#include "bf16.h"
#include "primitive.h"
#include "tribikos/memory.h"
#include "tribikos/wide.h"

/* Measured on one core of a Zen 4 (oneDNN 2.6), GFLOP/s with the rounding of both operands, against trb_gemm in single
 * precision: 128x4000x200 NT 185/87, 128x200x4000 NN 180/106, 4000x200x128 TN 192/107, 32x4000x200 NT 158/65,
 * 32x200x784 NT 157/93, 128x10x200 NT 93/44. Narrow products give logits or read the gradient of logits. They
 * cost little and stay in single precision, so that a network's outputs are not rounded. */
enum { NARROW = 32, SMALL = 1 << 12 };

bool trb__gemm_bf16_leads(bool ta, size_t m, size_t n, size_t k)
{
    return n >= NARROW && k >= NARROW && n * k >= SMALL && (!ta || m >= NARROW);
}

/* A product's shape, and the primitive made for it at its first use. */
typedef struct {
    bool ta, tb;
    size_t m, n, k, ldc;
    trb__primitive primitive;
} product;

static product *products;
static size_t n_products, room_for;
static uint16_t *rounded; /* both operands, one after the other */
static size_t rounded_size;

static trb_status make(product *p)
{
    static const int args[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    const dnnl_dim_t m = (dnnl_dim_t)p->m, n = (dnnl_dim_t)p->n, k = (dnnl_dim_t)p->k;
    const trb__tensor a = {.n = 2, .dims = {m, k}, .type = dnnl_bf16, .strides = {p->ta ? 1 : k, p->ta ? m : 1}},
                      b = {.n = 2, .dims = {k, n}, .type = dnnl_bf16, .strides = {p->tb ? 1 : n, p->tb ? k : 1}},
                      c = {.n = 2, .dims = {m, n}, .type = dnnl_f32, .strides = {(dnnl_dim_t)p->ldc, 1}};
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t pd = NULL;
    TRB_TRY(trb__engine(&engine));
    TRB_TRY(trb__dnnl(trb__describe_product(&a, &b, &c, engine, &pd), "a product"));
    const trb_status st = trb__primitive_make(pd, 3, args, &p->primitive);
    (void)dnnl_primitive_desc_destroy(pd);
    if (st != TRB_OK) trb__primitive_clear(&p->primitive);
    return st;
}

static trb_status find(const product *like, product **out)
{
    for (size_t i = 0; i < n_products; i++) {
        product *p = &products[i];
        if (p->ta == like->ta && p->tb == like->tb && p->m == like->m && p->n == like->n && p->k == like->k &&
            p->ldc == like->ldc) {
            *out = p;
            return TRB_OK;
        }
    }
    if (n_products == room_for) {
        product *more = NULL;
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * room_for + 16, sizeof *more, &more));
        if (n_products > 0) memcpy(more, products, n_products * sizeof *more);
        trb_free(products);
        products = more;
        room_for = 2 * room_for + 16;
    }
    product *p = &products[n_products];
    *p = *like;
    TRB_TRY(make(p));
    n_products++;
    *out = p;
    return TRB_OK;
}

TRB_WIDE static void round_all(size_t rows, size_t columns, const float *restrict from, size_t ld,
                               uint16_t *restrict to)
{
    for (size_t r = 0; r < rows; r++, from += ld, to += columns)
        for (size_t i = 0; i < columns; i++) to[i] = trb__narrow(from[i]);
}

trb_status trb__gemm_bf16(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                          size_t ldb, float *c, size_t ldc)
{
    const product like = {.ta = ta, .tb = tb, .m = m, .n = n, .k = k, .ldc = ldc};
    const size_t size = (m + n) * k;
    product *p = NULL;
    TRB_TRY(find(&like, &p));
    if (size > rounded_size) {
        trb_free(rounded);
        rounded = NULL;
        rounded_size = 0;
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, size, sizeof *rounded, &rounded));
        rounded_size = size;
    }
    round_all(ta ? k : m, ta ? m : k, a, lda, rounded);
    round_all(tb ? n : k, tb ? k : n, b, ldb, rounded + m * k);
    return trb__primitive_run(&p->primitive, (void *const[]){rounded, rounded + m * k, c});
}

void trb__gemm_bf16_release(void)
{
    for (size_t i = 0; i < n_products; i++) trb__primitive_clear(&products[i].primitive);
    trb_free(products);
    trb_free(rounded);
    products = NULL;
    rounded = NULL;
    n_products = room_for = rounded_size = 0;
}
