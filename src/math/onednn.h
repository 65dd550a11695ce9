/** Everything that differs between oneDNN 2 and 3: how tensors and operations are described to the library.
 *
 * In version 2 the descriptor of a tensor is a plain struct; in version 3 it is an object that has to be freed. Version
 * 2 describes a primitive in two calls, with a descriptor of the operation first; version 3 does it in one. Here a
 * tensor is plain data with both versions. All functions are local and return the library's status. */
#ifndef TRB_MATH_ONEDNN_H
#define TRB_MATH_ONEDNN_H

#include <stdbool.h>

#include <dnnl.h>

#if DNNL_VERSION_MAJOR < 2 || (DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR < 6)
#error "oneDNN is too old: 2.6 or newer is needed"
#endif

/** The library's own descriptor of a tensor, borrowed. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t trb__md;
#else
typedef const dnnl_memory_desc_t *trb__md;
#endif

/** 1 if the backward pass of normalisation does not accept the shift, which it does not need. */
enum { TRB__NO_SHIFT = DNNL_VERSION_MAJOR >= 3 };

/** 1 if the library has Winograd's algorithm for processors, which version 3 has dropped. */
enum { TRB__WINOGRAD = DNNL_VERSION_MAJOR < 3 };

/** Whether the library converts weights wrongly if their channels do not fill a block. It then leaves out most of them.
 * Version 3 does so where the processor tells no sizes of its caches, as in some virtual machines: it takes the
 * first-level cache for empty, and cuts the conversion into pieces that it does not support with padding (seen with
 * 3.7.2). Asks the library at the first call, by a conversion of four numbers. */
bool trb__pads_wrongly(void);

/** A tensor as plain data. */
typedef struct {
    int n; /* dimensions */
    dnnl_dims_t dims;
    dnnl_data_type_t type;
    dnnl_format_tag_t tag; /* dnnl_format_tag_any: the library chooses; dnnl_format_tag_undef: as `strides` say */
    dnnl_dims_t strides;
} trb__tensor;

/** The library's own descriptor, owned: made by trb__desc_make(), and if that succeeded freed by trb__desc_drop(). */
typedef struct {
    dnnl_memory_desc_t md;
} trb__desc;
dnnl_status_t trb__desc_make(const trb__tensor *t, trb__desc *d);
void trb__desc_drop(trb__desc *d);
trb__md trb__desc_md(const trb__desc *d);

/** How windows move over an image: [2] each, by height and width. */
typedef struct {
    dnnl_dims_t kernel; /* read for pooling only */
    dnnl_dims_t strides, pad;
} trb__windows;

/** Descriptions of primitives. `pass` is dnnl_forward_training, dnnl_forward_inference, dnnl_backward (normalisation),
 * dnnl_backward_data or dnnl_backward_weights (convolution and pooling). In a backward pass a tensor stands for the
 * gradient by it, and `forward` is the description of the forward pass. `bias` and `attributes` may be NULL. A
 * convolution whose weights have a given layout is one that does not convert them. */
dnnl_status_t trb__describe_conv(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, const trb__tensor *src,
                                 const trb__tensor *weights, const trb__tensor *bias, const trb__tensor *dst,
                                 const trb__windows *windows, dnnl_primitive_attr_t attributes, dnnl_engine_t engine,
                                 dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd);
dnnl_status_t trb__describe_norm(dnnl_prop_kind_t pass, const trb__tensor *images, float epsilon, unsigned flags,
                                 dnnl_engine_t engine, dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd);
dnnl_status_t trb__describe_pool(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, const trb__tensor *src,
                                 const trb__tensor *dst, const trb__windows *windows, dnnl_engine_t engine,
                                 dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd);
dnnl_status_t trb__describe_product(const trb__tensor *a, const trb__tensor *b, const trb__tensor *c,
                                    dnnl_engine_t engine, dnnl_primitive_desc_t *pd);

/** Append what a convolution does after its products: if `sum`, it adds the old y; then, if `relu`, y = max(0, y). */
dnnl_status_t trb__append(dnnl_post_ops_t ops, bool sum, bool relu);

#endif
