/** An ONNX graph while it is built: nodes and tensors, in the encoding of protobuf (buffer.h). Field numbers are those of
 * onnx.proto; they never change.
 *
 * The files of this folder that make formats use only those before them in this order: trained; buffer, graph; layers;
 * onnx, safetensors, plain_c; export. */
#ifndef TRB_MODEL_GRAPH_H
#define TRB_MODEL_GRAPH_H

#include "tribikos/export.h"

typedef enum { TRB__ONNX_FLOAT = 1, TRB__ONNX_INT64 = 7, TRB__ONNX_DOUBLE = 11 } trb__onnx_type;

/** What a value of the graph is called. */
typedef struct {
    char text[112];
} trb__label;

typedef struct {
    trb_buffer nodes, tensors; /* fields of GraphProto */
    size_t n_values;
    const char *prefix; /* of the names of one network's tensors */
} trb__graph;

/** Attributes of a node, each appended to `to`. */
void trb__attribute_int(trb_buffer *to, const char *name, int64_t value);
void trb__attribute_ints(trb_buffer *to, const char *name, size_t n, const int64_t *value);
void trb__attribute_float(trb_buffer *to, const char *name, float value);

/** Append a node with up to five inputs; a NULL ends them.
 * \param[in] attributes  cleared; NULL: none   \return the name of its output */
trb__label trb__node(trb__graph *g, const char *op, trb_buffer *attributes, const char *a, const char *b, const char *c,
                     const char *d, const char *e);
/** A node with one or two inputs and no attributes. */
trb__label trb__apply(trb__graph *g, const char *op, const char *a, const char *b);
/** The last node of an output: give a value the name and the type with which it leaves the graph. */
void trb__output_as(trb__graph *g, const char *value, const char *name, trb__onnx_type type);
void trb__output(trb__graph *g, const char *value, const char *name); /* float32 */

/** Append a tensor. \param[in] name  after the prefix; "" makes one up \return its name */
trb__label trb__tensor_put(trb__graph *g, const char *name, trb__onnx_type type, size_t ndim, const size_t *dim,
                           const void *values);
trb__label trb__scalar(trb__graph *g, double value); /* double */
trb__label trb__floats(trb__graph *g, const char *name, size_t ndim, const size_t *dim, const float *values);
/** Give a value another shape: 0 keeps a size, as of the batch; -1 is not used. */
trb__label trb__reshape(trb__graph *g, const char *value, size_t ndim, const int64_t *dim);
trb__label trb__cast(trb__graph *g, const char *value, trb__onnx_type type);
trb__label trb__transpose_012(trb__graph *g, const char *value); /* swaps the first two of three */
/** ReduceSum, ReduceMean or ReduceLogSumExp over one axis. */
trb__label trb__reduce(trb__graph *g, const char *op, const char *value, int64_t axis, bool keep);

/** Append the layers of a network (layers.c).
 * \param[in] x       input [N][C][H][W], or [N][D] if H = W = 1, not normalised
 * \param[in] type    of the input; double if the network has offsets
 * \param[out] logits [N][M][K] */
trb_status trb__layers_put(trb__graph *g, const trb_trained *t, const char *x, trb__onnx_type type, trb__label *logits);

/** The filters of all heads [copies][filters][channels][k][k] of a rank-one convolution (layers.c).
 * \param[out] w  released with trb_free() */
trb_status trb__filters_of(const trb_layer_view *l, const float *params, float **w);

#endif
