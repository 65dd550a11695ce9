/** Operations on images: convolution, batch normalisation, pooling, sums. oneDNN computes them.
 *
 * An operation is made once for a fixed shape and holds all it needs, so that running it allocates nothing of ours.
 * Activations have the layout that the library prefers, which a trb_layout describes: an operation takes the layout of
 * its input and returns that of its output. A gradient has the layout of its activations. Parameters and their
 * gradients are plain float32 in PyTorch's layouts, in every precision (precision.h); an operation packs them for
 * itself.
 *
 * Which algorithm computes an operation depends on its shape, the precision and the processor only (src/math/conv.c).
 * So its bits depend on these and on the thread count (blas.h). All functions are local; a status is TRB_OK,
 * TRB_ENOMEM, or TRB_EINTERNAL with the library's word.
 * Letters: B rows, G groups, C channels of all groups together, N filters of all groups together, H, W; k kernel.
 */
#ifndef TRB_CONV_H
#define TRB_CONV_H

#include <stdbool.h>

#include "tribikos/shape.h"
#include "tribikos/status.h"

/** The layout of a batch of images in memory, and their type: one row after the other, each [C / block][H][W][block],
 * with the last block filled up with zeros. */
typedef struct {
    size_t rows;
    trb_shape shape;
    int block; /* channels side by side: 1, 4, 8, 16 or 32; 0: all of them, [H][W][C] */
    bool bf16; /* else float32 */
} trb_layout;

/** float32 [rows][c][h][w]. */
trb_layout trb_layout_plain(size_t rows, trb_shape s);
bool trb_layout_is_plain(const trb_layout *l);
bool trb_layout_same(const trb_layout *a, const trb_layout *b);
size_t trb_layout_bytes(const trb_layout *l);
/** The layout in which every row holds M images of layout `part` one after the other, as M times the channels. False if
 * `part` does not allow that, because a block of channels would belong to two images. */
bool trb_layout_whole(const trb_layout *part, size_t M, trb_layout *whole);

/** Operations on each element. x, y, a, b have the same layout, and y may be one of the inputs.
 * relu: y = max(0, x). relu_back: dx = dy where y > 0, else 0. add: y = a + b, then max(0, y) if `relu`. */
void trb_layout_relu(const trb_layout *l, const void *x, void *y);
void trb_layout_relu_back(const trb_layout *l, const void *y, const void *dy, void *dx);
void trb_layout_add(const trb_layout *l, const void *a, const void *b, bool relu, void *y);
/** `l` is the layout of M parts together (trb_layout_whole). spread: copies x to every part of y. gather: x = sum over
 * the parts of y, in order. */
void trb_layout_spread(const trb_layout *l, size_t rows, size_t M, const void *x, void *y);
void trb_layout_gather(const trb_layout *l, size_t rows, size_t M, const void *y, void *x);

/** Conversion from one layout to another of the same shape. */
typedef struct trb_reorder trb_reorder;
trb_status trb_reorder_create(const trb_layout *from, const trb_layout *to, trb_reorder **out);
void trb_reorder_destroy(trb_reorder *r);
trb_status trb_reorder_run(trb_reorder *r, const void *from, void *to);

/** Parameters of batch normalisation over C channels; borrowed.
 *   y = (x - mean) / sqrt(variance + eps) * scale + shift        (Ioffe and Szegedy 2015, arXiv:1502.03167, alg. 1)
 */
typedef struct {
    const float *scale, *shift, *mean, *variance; /* [C] each */
} trb_norm_params;
#define TRB_NORM_EPS 1e-5F

/** Convolution (cross-correlation). */
typedef struct {
    size_t rows;
    trb_shape in;   /* C, H, W */
    size_t groups;  /* G: the filters of a group read only the group's channels */
    size_t filters; /* N */
    size_t kernel, stride, pad;
    bool bias;
    bool training;  /* has a backward pass */
    bool fold;      /* inference: normalisation is folded into weights and bias (arXiv:1502.03167, alg. 2, 11) */
    bool sum, relu; /* inference: y = conv(x) + y; y = max(0, conv(x) [+ y]) */
} trb_conv_spec;

typedef struct trb_conv trb_conv;

/** \param[in]     in   layout of x
 *  \param[in,out] out  with `sum`, the layout of y; otherwise set to it */
trb_status trb_conv_create(const trb_conv_spec *spec, const trb_layout *in, trb_layout *out, trb_conv **conv);
void trb_conv_destroy(trb_conv *conv);
/** Set the parameters for the following passes; they are borrowed until the next call.
 * \param[in] weight [N][C/G][k][k]   \param[in] bias [N]; NULL without   \param[in] norm  read only with
 * `fold` */
trb_status trb_conv_load(trb_conv *conv, const float *weight, const float *bias, const trb_norm_params *norm);
trb_status trb_conv_forward(trb_conv *conv, const void *x, void *y);
/** The gradients of the last forward pass. \param[out] dweight,dbias  shaped as the parameters, NULL to skip both
 * \param[out] dx  NULL to skip */
trb_status trb_conv_backward(trb_conv *conv, const void *x, const void *dy, float *dweight, float *dbias, void *dx);

/** Batch normalisation, optionally followed by a relu. The output has the layout of the input. */
typedef struct trb_norm_op trb_norm_op;
trb_status trb_norm_create(const trb_layout *layout, bool relu, bool training, trb_norm_op **out);
void trb_norm_destroy(trb_norm_op *n);
/** \param[in] p  if mean and variance are NULL, those of this batch are used (only if made for training)
 * \return also TRB_ENUM if a mean or variance of the batch is not finite, which a relu would hide */
trb_status trb_norm_forward(trb_norm_op *n, const trb_norm_params *p, const void *x, void *y);
/** The gradients of the last forward pass. If it used given statistics, they count as constants.
 * \param[out] dscale,dshift [C]; NULL to skip both */
trb_status trb_norm_backward(trb_norm_op *n, const trb_norm_params *p, const void *x, const void *dy, float *dscale,
                             float *dshift, void *dx);
/** The statistics of the last forward pass's batch. \param[out] mean [C]  \param[out] variance [C], unbiased, as
 * in PyTorch */
void trb_norm_statistics(const trb_norm_op *n, float *mean, float *variance);

/** Pooling over windows; in a mean, padding counts as zeros. */
typedef struct {
    bool max; /* else the mean */
    size_t rows;
    trb_shape in;
    size_t kernel_h, kernel_w, stride, pad;
    bool training;
} trb_pool_spec;
typedef struct trb_pool trb_pool;
trb_status trb_pool_create(const trb_pool_spec *spec, const trb_layout *in, trb_layout *out, trb_pool **pool);
void trb_pool_destroy(trb_pool *pool);
trb_status trb_pool_forward(trb_pool *pool, const void *x, void *y);
trb_status trb_pool_backward(trb_pool *pool, const void *dy, void *dx);

#endif
