/* ONNX graphs in the encoding of protobuf (graph.h). Tensors are written as raw bytes, which are little-endian. */
#include "graph.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"

/* ---- attributes of nodes */

enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };

void trb__attribute_ints(trb_buffer *to, const char *name, size_t n, const int64_t *value)
{
    trb_buffer a = {0};
    trb_buffer_text(&a, ATTRIBUTE_NAME, name);
    for (size_t i = 0; i < n; i++) trb_buffer_number(&a, ATTRIBUTE_INTS, (uint64_t)value[i]);
    trb_buffer_number(&a, ATTRIBUTE_TYPE, TYPE_INTS);
    trb_buffer_message(to, NODE_ATTRIBUTE, &a);
}

void trb__attribute_int(trb_buffer *to, const char *name, int64_t value)
{
    trb_buffer a = {0};
    trb_buffer_text(&a, ATTRIBUTE_NAME, name);
    trb_buffer_number(&a, ATTRIBUTE_I, (uint64_t)value);
    trb_buffer_number(&a, ATTRIBUTE_TYPE, TYPE_INT);
    trb_buffer_message(to, NODE_ATTRIBUTE, &a);
}

void trb__attribute_float(trb_buffer *to, const char *name, float value)
{
    trb_buffer a = {0};
    trb_buffer_text(&a, ATTRIBUTE_NAME, name);
    trb_buffer_float(&a, ATTRIBUTE_F, value);
    trb_buffer_number(&a, ATTRIBUTE_TYPE, TYPE_FLOAT);
    trb_buffer_message(to, NODE_ATTRIBUTE, &a);
}

/* ---- nodes and tensors */

enum { GRAPH_NODE = 1, GRAPH_TENSOR = 5 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };

static trb__label new_label(trb__graph *g, const char *what)
{
    trb__label label;
    (void)snprintf(label.text, sizeof label.text, "%s_%zu", what, g->n_values++);
    return label;
}

static void put_node(trb__graph *g, const char *op, trb_buffer *attributes, const char *const *input,
                     const char *output)
{
    trb_buffer node = {0};
    for (size_t i = 0; input[i] != NULL; i++) trb_buffer_text(&node, NODE_INPUT, input[i]);
    trb_buffer_text(&node, NODE_OUTPUT, output);
    trb_buffer_text(&node, NODE_NAME, output);
    trb_buffer_text(&node, NODE_OP, op);
    if (attributes != NULL) {
        if (node.st == TRB_OK) node.st = attributes->st;
        trb_buffer_add(&node, attributes->at, attributes->n);
        trb_buffer_clear(attributes);
    }
    trb_buffer_message(&g->nodes, GRAPH_NODE, &node);
}

trb__label trb__node(trb__graph *g, const char *op, trb_buffer *attributes, const char *a, const char *b, const char *c,
                     const char *d, const char *e)
{
    const trb__label output = new_label(g, op);
    put_node(g, op, attributes, (const char *const[]){a, b, c, d, e, NULL}, output.text);
    return output;
}

trb__label trb__apply(trb__graph *g, const char *op, const char *a, const char *b)
{
    return trb__node(g, op, NULL, a, b, NULL, NULL, NULL);
}

static void attribute_type(trb_buffer *to, trb__onnx_type type)
{
    trb__attribute_int(to, "to", (int64_t)type);
}

void trb__output_as(trb__graph *g, const char *value, const char *name, trb__onnx_type type)
{
    trb_buffer to = {0};
    attribute_type(&to, type);
    put_node(g, "Cast", &to, (const char *const[]){value, NULL}, name);
}

void trb__output(trb__graph *g, const char *value, const char *name)
{
    trb__output_as(g, value, name, TRB__ONNX_FLOAT);
}

trb__label trb__tensor_put(trb__graph *g, const char *name, trb__onnx_type type, size_t ndim, const size_t *dim,
                           const void *values)
{
    trb__label label = {""};
    trb_buffer t = {0};
    size_t bytes = type == TRB__ONNX_FLOAT ? 4 : 8;
    if (name[0] == '\0')
        label = new_label(g, "constant");
    else
        (void)snprintf(label.text, sizeof label.text, "%s%s", g->prefix, name);
    for (size_t d = 0; d < ndim; d++) {
        trb_buffer_number(&t, TENSOR_DIM, dim[d]);
        bytes *= dim[d];
    }
    trb_buffer_number(&t, TENSOR_TYPE, (uint64_t)type);
    trb_buffer_text(&t, TENSOR_NAME, label.text);
    trb_buffer_bytes(&t, TENSOR_RAW, values, bytes);
    trb_buffer_message(&g->tensors, GRAPH_TENSOR, &t);
    return label;
}

trb__label trb__scalar(trb__graph *g, double value)
{
    return trb__tensor_put(g, "", TRB__ONNX_DOUBLE, 0, NULL, &value);
}

trb__label trb__floats(trb__graph *g, const char *name, size_t ndim, const size_t *dim, const float *values)
{
    return trb__tensor_put(g, name, TRB__ONNX_FLOAT, ndim, dim, values);
}

trb__label trb__reshape(trb__graph *g, const char *value, size_t ndim, const int64_t *dim)
{
    const trb__label shape = trb__tensor_put(g, "", TRB__ONNX_INT64, 1, &ndim, dim);
    return trb__apply(g, "Reshape", value, shape.text);
}

trb__label trb__cast(trb__graph *g, const char *value, trb__onnx_type type)
{
    trb_buffer to = {0};
    attribute_type(&to, type);
    return trb__node(g, "Cast", &to, value, NULL, NULL, NULL, NULL);
}

trb__label trb__transpose_012(trb__graph *g, const char *value)
{
    trb_buffer to = {0};
    trb__attribute_ints(&to, "perm", 3, (const int64_t[]){1, 0, 2});
    return trb__node(g, "Transpose", &to, value, NULL, NULL, NULL, NULL);
}

trb__label trb__reduce(trb__graph *g, const char *op, const char *value, int64_t axis, bool keep)
{
    trb_buffer how = {0};
    trb__attribute_int(&how, "keepdims", keep);
    if (strcmp(op, "ReduceSum") == 0) { /* since opset 13 the axes of this one alone are an input */
        const trb__label axes = trb__tensor_put(g, "", TRB__ONNX_INT64, 1, &(size_t){1}, &axis);
        return trb__node(g, op, &how, value, axes.text, NULL, NULL, NULL);
    }
    trb__attribute_ints(&how, "axes", 1, &axis);
    return trb__node(g, op, &how, value, NULL, NULL, NULL, NULL);
}
