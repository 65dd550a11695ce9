/** Networks: a list of layers, with at most one split into a body and M heads.
 *
 * Layer list, as in configurations and in every weights file: items separated by commas,
 *
 *   dense N        y = x W^T + b, W [N][inputs]; flattens its input
 *   relu, tanh
 *   dropout P      at training: zeroes with probability P, scales the rest by 1/(1-P)
 *   split          body before it, heads behind it; the first layer behind it must be dense
 *
 * Without a split the whole list is body and M is 1. With it the heads all have one shape, and a tensor of the heads
 * lies as [M][...]: the first dense layer behind the split is one matrix product for all heads.
 *
 * Parameters are one slab described by one table: names as in a PyTorch state_dict with positions in the list
 * ("body.0.weight", "heads.2.bias"; the position behind the split starts at 0 again), shapes in PyTorch's layout.
 * Gradients and moments have the same layout. A network holds no parameters itself and is not changed by use: many
 * workspaces may share it.
 *
 * All functions are local. Shapes: B rows, M heads, K outputs of the last layer.
 */
#ifndef TRB_NET_H
#define TRB_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "tribikos/status.h"

/** Shape of one sample: channels, height, width; a table row is {D, 1, 1}. */
typedef struct {
    size_t c, h, w;
} trb_shape;

static inline size_t trb_shape_size(trb_shape s)
{
    return s.c * s.h * s.w;
}

typedef struct {
    char name[40];          /* "heads.2.weight" */
    size_t ndim;            /* 1..3 */
    size_t shape[4];        /* heads: shape[0] = M */
    size_t offset;          /* in the slab, in floats */
    size_t count;           /* floats */
    bool head;              /* belongs to the heads */
    bool decays;            /* weight decay applies (not to biases) */
    size_t fan_in, fan_out; /* of one head's copy, for initialisation */
} trb_param;

typedef struct trb_net trb_net;
typedef struct trb_work trb_work;

/** Build a network from its layer list.
 *
 * \param[in]  layers   the list; see above
 * \param[in]  input    shape of a sample
 * \param[in]  M        number of heads, >= 1; must be 1 without a split
 * \param[out] out      owned by the caller
 * \return TRB_OK; TRB_ECONFIG with a line that names the position in the list, what was found and what fits
 */
trb_status trb_net_create(const char *layers, trb_shape input, size_t M, trb_net **out);
void trb_net_destroy(trb_net *net);

/** The list in canonical form ("dense 200, relu, split, dense 10"); borrowed. */
const char *trb_net_layers(const trb_net *net);

/** Insert a split into a list that has none, in front of the layer at position `at` (0-based, as in the parameter names
 * of the unsplit network). \param[out] out  a new string, released with trb_free() \return TRB_OK; TRB_ECONFIG if there
 * is no such position, it is no dense layer, or the list has a split already */
trb_status trb_net_insert_split(const char *layers, size_t at, char **out);

size_t trb_net_inputs(const trb_net *net);  /* D */
size_t trb_net_outputs(const trb_net *net); /* K: units of the last dense layer */
size_t trb_net_heads(const trb_net *net);   /* M */
trb_shape trb_net_shape(const trb_net *net);

/** The parameter table, in slab order, and the slab's length in floats. Borrowed. */
size_t trb_net_n_params(const trb_net *net);
const trb_param *trb_net_param(const trb_net *net, size_t i);
size_t trb_net_size(const trb_net *net);

typedef enum { TRB_INIT_HE, TRB_INIT_GLOROT } trb_init;

/** Draw initial weights; biases are zero.
 *
 * he: N(0, 2/fan_in) (He et al. 2015, arXiv:1502.01852, eq. 10); glorot: U(-a, a), a = sqrt(6/(fan_in + fan_out))
 * (Glorot and Bengio 2010, eq. 16). Keyed by (seed, init, member, tensor): independent of everything else.
 *
 * \param[out] params  [trb_net_size], overwritten
 */
void trb_net_init(const trb_net *net, trb_init how, uint64_t seed, uint64_t member, float *params);

/** Copy the parameters of a one-head network into every head of a network of the same list with M heads (the step from
 * phase 1 to phase 2). \return TRB_OK; TRB_EINTERNAL if the two lists differ */
trb_status trb_net_spread(const trb_net *one, const float *from, const trb_net *many, float *to);

/** Activations and scratch for up to `rows` rows; everything that a step needs, so that a step allocates nothing.
 * \param[in] training  false leaves out what only the backward pass needs */
trb_status trb_work_create(const trb_net *net, size_t rows, bool training, trb_work **out);
void trb_work_destroy(trb_work *work);

/** Coordinates of the dropout masks of a batch; see rng.h. */
typedef struct {
    uint64_t seed, member, epoch;
    const int64_t *sample; /* [rows] sample ids; borrowed for the call */
} trb_draw;

/** Forward pass.
 *
 * \param[in]  x     [rows][D]; borrowed until the backward pass of the same workspace is over
 * \param[in]  draw  where dropout masks come from; NULL: inference, dropout does nothing
 * \param[out] z     the outputs [rows][M][K], borrowed from the workspace until its next forward pass
 */
trb_status trb_net_forward(const trb_net *net, trb_work *work, const float *params, size_t rows, const float *x,
                           const trb_draw *draw, const float **z);

/** Backward pass of the last forward pass (which must have been of a training workspace, same params and rows).
 *
 * \param[in]  dz    [rows][M][K] gradient of the loss by the outputs
 * \param[out] grad  [trb_net_size], overwritten
 * \param[out] dx    [rows][D] gradient by the inputs; NULL to skip (training skips it)
 */
trb_status trb_net_backward(const trb_net *net, trb_work *work, const float *params, const float *dz, float *grad,
                            float *dx);

#endif
