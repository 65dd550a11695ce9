/* Convolutions by oneDNN (conv.h): which algorithm and layouts each pass has, conversions between layouts, and running
 * the passes. */
#include "primitive.h"

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/precision.h"

struct trb_conv {
    trb_conv_spec spec;
    trb_layout src, dst; /* the layouts in which the library computes */
    trb__primitive forward, data, weights;
    /* Conversions, NULL if there is nothing to convert. pack, pack_back: the weights for the forward and the backward
     * pass; unpack: the gradient by the weights. If the neighbour has another layout: enter: x; enter_back: dy for the
     * gradient by x; leave: dx. */
    trb_reorder *pack, *pack_back, *unpack, *enter, *enter_back, *leave;
    void *packed, *packed_back, *gradient, *entered, *entered_back, *left;
    float *folded, *shift;      /* weights and bias into which normalisation is folded */
    const float *weight, *bias; /* the loaded ones */
    /* One convolution for each group, where that is faster. Its channels are copied out of the rows and back. */
    trb_conv **part;         /* [groups], or NULL */
    size_t x_bytes, y_bytes; /* of a part's row */
    void *x_part, *y_part, *dx_part;
};

/* ---- descriptors */

/* The parameters in PyTorch's layout, and how the windows move. */
typedef struct {
    trb__tensor weights, bias;
    trb__windows windows;
} extent;

static extent extent_of(const trb_conv_spec *s)
{
    const dnnl_dim_t C = (dnnl_dim_t)s->in.c, N = (dnnl_dim_t)s->filters;
    const dnnl_dim_t G = (dnnl_dim_t)s->groups, k = (dnnl_dim_t)s->kernel, S = (dnnl_dim_t)s->stride,
                     P = (dnnl_dim_t)s->pad;
    extent e = {.weights = {.n = 4, .dims = {N, C, k, k}, .type = dnnl_f32, .tag = dnnl_oihw},
                .bias = {.n = 1, .dims = {N}, .type = dnnl_f32, .tag = dnnl_a},
                .windows = {.strides = {S, S}, .pad = {P, P}}};
    if (G > 1) e.weights = (trb__tensor){.n = 5, .dims = {G, N / G, C / G, k, k}, .type = dnnl_f32, .tag = dnnl_goihw};
    return e;
}

/* The input's layout, in the precision that is set now. */
static trb_layout layout_of_source(const trb_conv_spec *s, int block)
{
    return (trb_layout){
        .rows = s->rows, .shape = s->in, .block = block, .bf16 = trb_precision_get() == TRB_PRECISION_BF16};
}

static trb_layout layout_of_result(const trb_conv_spec *s, int block)
{
    trb_layout l = layout_of_source(s, block);
    l.shape = (trb_shape){s->filters, (s->in.h + 2 * s->pad - s->kernel) / s->stride + 1,
                          (s->in.w + 2 * s->pad - s->kernel) / s->stride + 1};
    return l;
}

/* Describes one pass; *pd is NULL if the library has no such convolution. `forward` describes the forward pass. */
static trb_status describe(const trb_conv_spec *s, dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm,
                           const trb_layout *src, const trb_layout *dst, dnnl_primitive_desc_t forward,
                           dnnl_primitive_desc_t *pd)
{
    const extent e = extent_of(s);
    const trb__tensor x = trb__images(src), y = trb__images(dst);
    trb__tensor w = e.weights;
    if (!trb__pads_wrongly() || src->block != 1 || dst->block != 1) w.tag = dnnl_format_tag_any;
    if (pass != dnnl_backward_weights) w.type = x.type;
    dnnl_engine_t engine = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t ops = NULL;
    *pd = NULL;
    TRB_TRY(trb__engine(&engine));
    dnnl_status_t st = dnnl_primitive_attr_create(&attributes);
    if (st == dnnl_success) st = dnnl_post_ops_create(&ops);
    if (st == dnnl_success) st = trb__append(ops, s->sum, s->relu);
    if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(attributes, ops);
    if (st == dnnl_success)
        st = trb__describe_conv(pass, algorithm, &x, &w, s->bias || s->fold ? &e.bias : NULL, &y, &e.windows,
                                attributes, engine, forward, pd);
    if (ops != NULL) (void)dnnl_post_ops_destroy(ops);
    if (attributes != NULL) (void)dnnl_primitive_attr_destroy(attributes);
    return st == dnnl_unimplemented ? TRB_OK : trb__dnnl(st, "a convolution");
}

static dnnl_prop_kind_t forward_pass(const trb_conv_spec *s)
{
    return s->training ? dnnl_forward_training : dnnl_forward_inference;
}

/* ---- which algorithm
 *
 * Measured on one core of a Zen 4 (AVX-512, oneDNN 2.6), GFLOP/s counted by the definition of the convolution,
 * float32, 32 rows, forward / backward data / backward weights:
 *     3x3, 16 channels on 32 x 32:  direct  80/102/ 96   Winograd  74/ 77/103   brgemm on [H][W][16] 101 forward
 *     3x3, 32 channels on 16 x 16:  direct 116/116/ 98   Winograd 183/183/177
 *     3x3, 64 channels on  8 x  8:  direct 130/130/ 90   Winograd 228/227/212
 * In bfloat16 there is no Winograd: direct 200/201/148, 252/251/190, 255/249/136. There is none for groups either: a
 * step of 32 rows of a ResNet-20 with ten heads of one block took 125 ms with grouped convolutions, and 101 ms with ten
 * convolutions by Winograd, copying their channels included (both on a busy machine).
 *
 * oneDNN 3 has no Winograd for processors. On one core of a Zen 5 a step of ResNet-20 (128 images, 4 lanes) takes 154
 * ms with oneDNN 2.6.3 and 166 ms with 3.7.2, whose direct convolutions reach 0.84 of the core's peak.
 * With the layout [H][W][C] for all layers it takes 184 ms, for layers of 64 channels only 183 ms, of 32 and more 206
 * ms. */

enum { WINOGRAD_CHANNELS = 32 };

static bool winograd_leads(const trb_conv_spec *s)
{
    return TRB__WINOGRAD && trb_precision_get() == TRB_PRECISION_F32 && s->groups == 1 && s->kernel == 3 &&
           s->stride == 1 && s->in.c >= WINOGRAD_CHANNELS && s->filters >= WINOGRAD_CHANNELS;
}

/* With exactly one block of channels, the layout [C / block][H][W][block] has the same bytes as [H][W][C], for which
 * the library has a faster forward pass. */
static bool one_block(const trb_layout *l)
{
    return l->block > 1 && (size_t)l->block == l->shape.c;
}

static trb_layout channels_last(trb_layout l)
{
    l.block = 0;
    return l;
}

/* Whether the name of the library's implementation begins with this family, e.g. "ref". */
static bool is_of(dnnl_primitive_desc_t pd, const char *family)
{
    const char *name = "";
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           strncmp(name, family, strlen(family)) == 0;
}

static void drop(dnnl_primitive_desc_t *pd)
{
    if (*pd != NULL) (void)dnnl_primitive_desc_destroy(*pd);
    *pd = NULL;
}

static trb_status describe_by(const trb_conv_spec *s, dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm,
                              const trb_layout *src, const trb_layout *dst, dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_desc_t forward = NULL;
    trb_status st = TRB_OK;
    if (pass != forward_pass(s)) st = describe(s, forward_pass(s), algorithm, src, dst, NULL, &forward);
    if (st == TRB_OK) st = describe(s, pass, algorithm, src, dst, forward, pd);
    drop(&forward);
    return st;
}

static trb_status describe_best(const trb_conv_spec *s, dnnl_prop_kind_t pass, const trb_layout *src,
                                const trb_layout *dst, dnnl_primitive_desc_t *pd)
{
    *pd = NULL;
    if (winograd_leads(s)) TRB_TRY(describe_by(s, pass, dnnl_convolution_winograd, src, dst, pd));
    if (*pd == NULL && pass == forward_pass(s) && one_block(src) && one_block(dst)) {
        const trb_layout from = channels_last(*src), to = channels_last(*dst);
        TRB_TRY(describe(s, pass, dnnl_convolution_direct, &from, &to, NULL, pd));
        if (*pd != NULL && !is_of(*pd, "brg")) drop(pd);
    }
    if (*pd == NULL) TRB_TRY(describe_by(s, pass, dnnl_convolution_direct, src, dst, pd));
    if (*pd == NULL)
        return trb_fail(TRB_EINTERNAL,
                        "oneDNN has no %s of a convolution of %zu x %zu x %zu by %zu filters of %zu x %zu",
                        pass == dnnl_backward_data      ? "gradient by the input"
                        : pass == dnnl_backward_weights ? "gradient by the weights"
                                                        : "forward pass",
                        s->in.c, s->in.h, s->in.w, s->filters, s->kernel, s->kernel);
    return TRB_OK;
}

/* ---- a convolution a group */

static size_t weights_a_filter(const trb_conv_spec *s)
{
    return s->in.c / s->groups * s->kernel * s->kernel;
}

static trb_conv_spec spec_of_part(const trb_conv_spec *s)
{
    trb_conv_spec part = *s;
    part.groups = 1;
    part.in.c /= s->groups;
    part.filters /= s->groups;
    part.bias = s->bias || s->fold;
    part.fold = false;
    return part;
}

/* The layout of one part of a row; false if `whole` cannot be cut into parts. */
static bool layout_of_part(const trb_layout *whole, size_t parts, trb_layout *part)
{
    trb_layout back;
    *part = *whole;
    part->shape.c /= parts;
    return trb_layout_whole(part, parts, &back) && trb_layout_same(&back, whole);
}

static trb_status make_parts(trb_conv *c)
{
    const size_t G = c->spec.groups;
    const trb_conv_spec spec = spec_of_part(&c->spec);
    trb_layout in, out;
    if (G == 1 || !winograd_leads(&spec) || !layout_of_part(&c->src, G, &in) || !layout_of_part(&c->dst, G, &out))
        return TRB_OK;
    c->x_bytes = trb_layout_bytes(&in) / spec.rows;
    c->y_bytes = trb_layout_bytes(&out) / spec.rows;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, spec.rows, c->x_bytes, &c->x_part));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, spec.rows, c->y_bytes, &c->y_part));
    if (spec.training) TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, spec.rows, c->x_bytes, &c->dx_part));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, G, sizeof(trb_conv *), &c->part));
    for (size_t g = 0; g < G; g++) {
        trb_layout got = out;
        TRB_TRY(trb_conv_create(&spec, &in, &got, &c->part[g]));
        if (!trb_layout_same(&got, &out)) return trb_fail(TRB_EINTERNAL, "a group's layout is not that of the whole");
    }
    return TRB_OK;
}

/* Copies one part of every row out of the rows (take), or back into them (put). */
static void take(size_t rows, size_t parts, size_t g, size_t bytes, const void *whole, void *part)
{
    for (size_t r = 0; r < rows; r++)
        memcpy((char *)part + r * bytes, (const char *)whole + (r * parts + g) * bytes, bytes);
}

static void put(size_t rows, size_t parts, size_t g, size_t bytes, const void *part, void *whole)
{
    for (size_t r = 0; r < rows; r++)
        memcpy((char *)whole + (r * parts + g) * bytes, (const char *)part + r * bytes, bytes);
}

static trb_status load_parts(trb_conv *c)
{
    const size_t G = c->spec.groups, N = c->spec.filters / G, each = N * weights_a_filter(&c->spec);
    for (size_t g = 0; g < G; g++)
        TRB_TRY(trb_conv_load(c->part[g], c->weight + g * each, c->bias == NULL ? NULL : c->bias + g * N, NULL));
    return TRB_OK;
}

static trb_status forward_parts(trb_conv *c, const void *x, void *y)
{
    const size_t rows = c->spec.rows, G = c->spec.groups;
    for (size_t g = 0; g < G; g++) {
        take(rows, G, g, c->x_bytes, x, c->x_part);
        if (c->spec.sum) take(rows, G, g, c->y_bytes, y, c->y_part);
        TRB_TRY(trb_conv_forward(c->part[g], c->x_part, c->y_part));
        put(rows, G, g, c->y_bytes, c->y_part, y);
    }
    return TRB_OK;
}

static trb_status backward_parts(trb_conv *c, const void *x, const void *dy, float *dweight, float *dbias, void *dx)
{
    const size_t rows = c->spec.rows, G = c->spec.groups, N = c->spec.filters / G,
                 each = N * weights_a_filter(&c->spec);
    for (size_t g = 0; g < G; g++) {
        if (dweight != NULL) take(rows, G, g, c->x_bytes, x, c->x_part);
        take(rows, G, g, c->y_bytes, dy, c->y_part);
        TRB_TRY(trb_conv_backward(c->part[g], c->x_part, c->y_part, dweight == NULL ? NULL : dweight + g * each,
                                  dbias == NULL ? NULL : dbias + g * N, dx == NULL ? NULL : c->dx_part));
        if (dx != NULL) put(rows, G, g, c->x_bytes, c->dx_part, dx);
    }
    return TRB_OK;
}

/* ---- making one */

/* Whether this pass has weights in blocks that are not full although the library converts them wrongly. */
static bool pads_wrongly(const trb_conv_spec *s, const_dnnl_primitive_desc_t pd, dnnl_prop_kind_t pass)
{
    const int arg = pass == dnnl_backward_weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
    const bool narrow = trb_precision_get() == TRB_PRECISION_BF16 && pass != dnnl_backward_weights;
    const size_t bytes = s->filters * weights_a_filter(s) * (narrow ? sizeof(uint16_t) : sizeof(float));
    static atomic_flag said = ATOMIC_FLAG_INIT;
    const bool wrongly = trb__pads_wrongly() && trb__bytes_of(pd, arg) > bytes;
    if (wrongly && !atomic_flag_test_and_set(&said))
        trb_warn("this oneDNN converts weights wrongly on this processor, whose caches it cannot see; layers whose "
                 "channels do not fill a block use slower code");
    return wrongly;
}

/* Whether one of the passes is not to be had in these layouts, since the library converts its weights wrongly or has
 * only its reference code, which is a hundred times slower than other code. This happens if a block of channels is not
 * full (LeNet's 6). In the plain layout the library multiplies matrices instead.
 * \param[in] first  the convolution reads samples, whose gradient training does not need */
static trb_status falls_back(const trb_conv_spec *s, dnnl_primitive_desc_t forward, const trb_layout *src,
                             const trb_layout *dst, bool first, bool *slow)
{
    static const dnnl_prop_kind_t backward[] = {dnnl_backward_data, dnnl_backward_weights};
    *slow = is_of(forward, "ref") || pads_wrongly(s, forward, forward_pass(s));
    for (size_t i = first ? 1 : 0; s->training && !*slow && i < sizeof backward / sizeof *backward; i++) {
        dnnl_primitive_desc_t pd = NULL;
        TRB_TRY(describe_by(s, backward[i], dnnl_convolution_direct, src, dst, &pd));
        *slow = pd != NULL && (is_of(pd, "ref") || pads_wrongly(s, pd, backward[i]));
        drop(&pd);
    }
    return TRB_OK;
}

/* Lets the library choose the layouts of the result and, if the input is plain, of the source; otherwise the source
 * keeps the layout of the layer before. The library is asked as for training: for inference it would choose [H][W][C],
 * for which it has no Winograd. */
static trb_status choose_layouts(trb_conv *c, const trb_layout *in, trb_layout *out)
{
    const trb_conv_spec *s = &c->spec;
    trb_conv_spec asked = *s;
    asked.training = true;
    asked.sum = asked.relu = false;
    const bool first = trb_layout_is_plain(in);
    dnnl_primitive_desc_t pd = NULL;
    bool slow = false;
    c->src = first ? layout_of_source(s, TRB__ANY_ORDER) : *in;
    c->dst = s->sum ? *out : layout_of_result(s, TRB__ANY_ORDER);
    TRB_TRY(describe(&asked, dnnl_forward_training, dnnl_convolution_direct, &c->src, &c->dst, NULL, &pd));
    slow = pd == NULL || !trb__layout_find(pd, DNNL_ARG_SRC, &c->src) || !trb__layout_find(pd, DNNL_ARG_DST, &c->dst);
    const trb_status st = slow ? TRB_OK : falls_back(s, pd, &c->src, &c->dst, first, &slow);
    drop(&pd);
    TRB_TRY(st);
    if (slow && !s->sum) {
        c->src = layout_of_source(s, 1);
        c->dst = layout_of_result(s, 1);
    }
    *out = c->dst;
    return TRB_OK;
}

/* Makes a conversion and a buffer for its result (with `back`, for its source); nothing if both layouts are the same.
 */
static trb_status convert_images(const trb_layout *from, const trb_layout *to, bool back, trb_reorder **r, void **room)
{
    if (trb_layout_same(from, to)) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, trb_layout_bytes(back ? from : to), 1, room));
    return trb_reorder_create(from, to, r);
}

/* The same for weights: between PyTorch's layout and the layout of this argument of a primitive. */
static trb_status convert_weights(const trb_conv_spec *s, const_dnnl_primitive_desc_t pd, int arg, bool back,
                                  trb_reorder **r, void **room)
{
    const extent e = extent_of(s);
    const trb__md packed = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    trb__desc plain;
    trb_status st = TRB_OK;
    TRB_TRY(trb__dnnl(trb__desc_make(&e.weights, &plain), "weights"));
    const trb__md given = trb__desc_md(&plain);
    if (dnnl_memory_desc_equal(given, packed) == 0) {
        st = trb_alloc(TRB_MEM_ACTIVATIONS, trb__bytes_of(pd, arg), 1, room);
        if (st == TRB_OK) st = trb__reorder_make(back ? packed : given, back ? given : packed, r);
    }
    trb__desc_drop(&plain);
    return st;
}

static trb_status make_forward(trb_conv *c, const trb_layout *in)
{
    static const int args[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
    dnnl_primitive_desc_t pd = NULL;
    trb_status st = TRB_OK;
    TRB_GO(describe_best(&c->spec, forward_pass(&c->spec), &c->src, &c->dst, &pd));
    TRB_GO(trb__primitive_make(pd, c->spec.bias || c->spec.fold ? 4 : 3, args, &c->forward));
    TRB_GO(convert_weights(&c->spec, pd, DNNL_ARG_WEIGHTS, false, &c->pack, &c->packed));
    TRB_GO(convert_images(in, &c->src, false, &c->enter, &c->entered));
done:
    drop(&pd);
    return st;
}

/* Describes the gradient by the input. For a first layer, whose input is plain and has few channels, the library has
 * only reference code if the output is in blocks. In the plain layout it multiplies matrices instead: the gradient by
 * 64 samples of 3 x 32 x 32 for 16 filters of 3 x 3 takes 5 ms, conversion included, instead of 900 ms.
 * \param[in,out] src,dst  the layouts wanted; the layouts that are used */
static trb_status describe_data(const trb_conv_spec *s, trb_layout *src, trb_layout *dst, dnnl_primitive_desc_t *pd)
{
    const trb_layout from = layout_of_source(s, 1), to = layout_of_result(s, 1);
    dnnl_primitive_desc_t plain = NULL;
    TRB_TRY(describe_best(s, dnnl_backward_data, src, dst, pd));
    if (!is_of(*pd, "ref") && !pads_wrongly(s, *pd, dnnl_backward_data)) return TRB_OK;
    TRB_TRY(describe_by(s, dnnl_backward_data, dnnl_convolution_direct, &from, &to, &plain));
    if (plain == NULL) return TRB_OK;
    drop(pd);
    *pd = plain;
    *src = from;
    *dst = to;
    return TRB_OK;
}

static trb_status make_backward(trb_conv *c, const trb_layout *in)
{
    static const int data_args[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC};
    static const int weights_args[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS};
    dnnl_primitive_desc_t data = NULL, weights = NULL;
    trb_layout dx = c->src, dy = c->dst;
    trb_status st = TRB_OK;
    TRB_GO(describe_data(&c->spec, &dx, &dy, &data));
    TRB_GO(describe_best(&c->spec, dnnl_backward_weights, &c->src, &c->dst, &weights));
    TRB_GO(trb__primitive_make(data, 3, data_args, &c->data));
    TRB_GO(trb__primitive_make(weights, c->spec.bias ? 4 : 3, weights_args, &c->weights));
    TRB_GO(convert_weights(&c->spec, data, DNNL_ARG_WEIGHTS, false, &c->pack_back, &c->packed_back));
    TRB_GO(convert_weights(&c->spec, weights, DNNL_ARG_DIFF_WEIGHTS, true, &c->unpack, &c->gradient));
    TRB_GO(convert_images(&c->dst, &dy, false, &c->enter_back, &c->entered_back));
    TRB_GO(convert_images(&dx, in, true, &c->leave, &c->left));
done:
    drop(&data);
    drop(&weights);
    return st;
}

trb_status trb_conv_create(const trb_conv_spec *spec, const trb_layout *in, trb_layout *out, trb_conv **conv)
{
    trb_conv *c = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *c, &c));
    c->spec = *spec;
    trb_status st = choose_layouts(c, in, out);
    if (st == TRB_OK && spec->fold) {
        st = trb_alloc(TRB_MEM_WEIGHTS, spec->filters * weights_a_filter(spec), sizeof *c->folded, &c->folded);
        if (st == TRB_OK) st = trb_alloc(TRB_MEM_WEIGHTS, spec->filters, sizeof *c->shift, &c->shift);
    }
    if (st == TRB_OK && trb_layout_same(in, &c->src)) st = make_parts(c);
    if (st == TRB_OK && c->part == NULL) st = make_forward(c, in);
    if (st == TRB_OK && c->part == NULL && spec->training) st = make_backward(c, in);
    if (st == TRB_OK)
        *conv = c;
    else
        trb_conv_destroy(c);
    return st;
}

void trb_conv_destroy(trb_conv *c)
{
    if (c == NULL) return;
    for (size_t g = 0; c->part != NULL && g < c->spec.groups; g++) trb_conv_destroy(c->part[g]);
    trb__primitive_clear(&c->forward);
    trb__primitive_clear(&c->data);
    trb__primitive_clear(&c->weights);
    trb_reorder *const reorders[] = {c->pack, c->pack_back, c->unpack, c->enter, c->enter_back, c->leave};
    for (size_t i = 0; i < sizeof reorders / sizeof *reorders; i++) trb_reorder_destroy(reorders[i]);
    void *const rooms[] = {c->packed, c->packed_back, c->gradient, c->entered, c->entered_back, c->left,
                           c->folded, c->shift,       c->part,     c->x_part,  c->y_part,       c->dx_part};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) trb_free(rooms[i]);
    trb_free(c);
}

/* ---- running it */

/* Weights and bias of a convolution that equals the convolution followed by the normalisation. */
static void fold(trb_conv *c, const float *weight, const float *bias, const trb_norm_params *p)
{
    const size_t N = c->spec.filters, each = weights_a_filter(&c->spec);
    for (size_t n = 0; n < N; n++) {
        const float scale = p->scale[n] / sqrtf(p->variance[n] + TRB_NORM_EPS);
        c->shift[n] = p->shift[n] + ((bias == NULL ? 0.0F : bias[n]) - p->mean[n]) * scale;
        for (size_t i = 0; i < each; i++) c->folded[n * each + i] = weight[n * each + i] * scale;
    }
}

trb_status trb_conv_load(trb_conv *c, const float *weight, const float *bias, const trb_norm_params *norm)
{
    if (c->spec.fold) {
        fold(c, weight, bias, norm);
        weight = c->folded;
        bias = c->shift;
    }
    c->weight = weight;
    c->bias = bias;
    if (c->part != NULL) return load_parts(c);
    return c->pack == NULL ? TRB_OK : trb_reorder_run(c->pack, weight, c->packed);
}

trb_status trb_conv_forward(trb_conv *c, const void *x, void *y)
{
    if (c->part != NULL) return forward_parts(c, x, y);
    if (c->enter != NULL) TRB_TRY(trb_reorder_run(c->enter, x, c->entered));
    void *const data[] = {c->enter != NULL ? c->entered : trb__unconst(x),
                          c->pack != NULL ? c->packed : trb__unconst(c->weight), y, trb__unconst(c->bias)};
    return trb__primitive_run(&c->forward, data);
}

trb_status trb_conv_backward(trb_conv *c, const void *x, const void *dy, float *dweight, float *dbias, void *dx)
{
    if (c->part != NULL) return backward_parts(c, x, dy, dweight, dbias, dx);
    if (dweight != NULL) {
        void *const weights[] = {c->enter != NULL ? c->entered : trb__unconst(x), trb__unconst(dy),
                                 c->unpack != NULL ? c->gradient : dweight, dbias};
        TRB_TRY(trb__primitive_run(&c->weights, weights));
        if (c->unpack != NULL) TRB_TRY(trb_reorder_run(c->unpack, c->gradient, dweight));
    }
    if (dx == NULL) return TRB_OK;
    if (c->pack_back != NULL) TRB_TRY(trb_reorder_run(c->pack_back, c->weight, c->packed_back));
    if (c->enter_back != NULL) TRB_TRY(trb_reorder_run(c->enter_back, dy, c->entered_back));
    void *const data[] = {c->enter_back != NULL ? c->entered_back : trb__unconst(dy),
                          c->pack_back != NULL ? c->packed_back : trb__unconst(c->weight),
                          c->leave != NULL ? c->left : dx};
    TRB_TRY(trb__primitive_run(&c->data, data));
    return c->leave == NULL ? TRB_OK : trb_reorder_run(c->leave, c->left, dx);
}
