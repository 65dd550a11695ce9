/** Networks: a list of layers, with at most one split into a body and M heads.
 *
 * Layer list, as in configurations and in every weights file: items separated by commas,
 *
 *   dense N                  y = x W^T + b, W [N][inputs]; flattens its input
 *   conv N K [stride S] [pad P] [bias]
 *                            N filters of K x K, cross-correlation, W [N][channels][K][K]; stride 1, pad 0, no bias
 *                            unless said otherwise
 *   norm                     batch normalisation of each channel (Ioffe and Szegedy 2015, arXiv:1502.03167, alg. 1),
 *                            eps 1e-5; at inference by running statistics
 *   relu, tanh
 *   maxpool K [stride S] [pad P], avgpool K [stride S] [pad P]
 *                            over K x K; stride K, pad 0 unless said otherwise; padding counts as 0 in a mean
 *   globalpool               mean over all positions of a channel
 *   dropout P                at training: zeroes with probability P, scales the rest by 1/(1-P)
 *   fork ... add             y = x + what entered at the fork
 *   fork ... shortcut ... add
 *                            what entered at the fork also goes through the layers between shortcut and add
 *   split                    body before it, heads behind it
 *   rank1 dense ..., rank1 conv ...
 *                            behind the split: all heads share W, head m's weights are W o (s_m r_m^T), that is
 *                            y = ((x o r_m) W^T) o s_m + b_m with r_m by input (of conv by channel) and s_m by output
 *                            (Wen, Tran and Ba 2020, BatchEnsemble, arXiv:2002.06715, sec. 3)
 *   spread S                 behind the split: y_m = c + S (x_m - c), c the mean of x_m over the heads: heads differ S
 *                            times as much, and so do their gradients; S from 0.001 to 1000. One head stays as it is
 *   name X                   names what follows, e.g. "name stage3.block1"
 *   lenet5 K, resnetD K, wrnD-W K
 *                            a preset with K outputs, which expands into the above; see trb_net_expand()
 *
 * Without a split the whole list is body and M is 1. With it the heads all have one shape, and a tensor of the heads
 * lies as [M][...]: the first layer with weights behind the split is one call for all heads. Only what heads share, the
 * weight of a rank1 layer, lies as in the body; its r [M][inputs], s [M][outputs] and bias are the heads'. A fork and
 * its add lie on the same side of the split.
 *
 * Parameters are one slab described by one table: names as in a PyTorch state_dict with the name in the list and the
 * position behind it ("body.stage3.block1.2.weight"; without names "body.0.weight", and behind the split from 0 again:
 * "heads.2.bias"), shapes in PyTorch's layout. Running statistics of batch normalisation are entries of the table too
 * (running_mean, running_var) and lie behind all trained parameters. Gradients and moments have the same layout; in a
 * gradient, the place of running statistics holds the batch's own. A network holds no parameters itself and is not
 * changed by use: many workspaces may share it.
 *
 * All functions are local. Shapes: B rows, M heads, K outputs of the last layer.
 */
#ifndef TRB_NET_H
#define TRB_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "tribikos/shape.h"
#include "tribikos/status.h"

typedef struct {
    char name[80];          /* "heads.2.weight" */
    size_t ndim;            /* 1..5 */
    size_t shape[5];        /* head: shape[0] = M */
    size_t offset;          /* in the slab, in floats */
    size_t count;           /* floats */
    bool head;              /* the heads have one each */
    bool decays;            /* weight decay applies (not to biases, factors, nor the scales of batch normalisation) */
    bool statistic;         /* not trained: an average over steps of what is found in its place in the gradient */
    bool factor;            /* r or s of a rank1 layer */
    float start;            /* initial value of what is not drawn */
    size_t fan_in, fan_out; /* of one head's copy, for initialisation */
} trb_param;

#define TRB_SPREAD_MIN 0.001
#define TRB_SPREAD_MAX 1000.0

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

/** Write out the presets of a list.
 *
 *   lenet5 K   LeNet-5 (LeCun et al. 1998) with relu, max pooling and full connections: 6 and 16 filters of 5 x 5, then
 *              120, 84, K units; for 28 x 28, which a pad of 2 sets into LeNet's own frame of 32 x 32 (an image of
 *              32 x 32 is padded too: its last maps are 6 x 6 instead of 5 x 5)
 *   resnetD K  residual network of depth D = 6n + 2 (He et al. 2016, arXiv:1512.03385, sec. 4.2), 1x1 projections where
 *              the shape changes; names stem, stage1.block1 ... stage3.blockn, pool, fc
 *   wrnD-W K   wide residual network of depth D = 6n + 4, W times as wide, pre-activated (Zagoruyko and Komodakis 2016,
 *              arXiv:1605.07146); same names
 *
 * The rest of the list is kept, in canonical form. A preset may stand anywhere in it, but as names must differ only
 * once.
 *
 * \param[out] out  a new string, released with trb_free() \return TRB_OK; TRB_ECONFIG if an item is not understood, a
 * preset does not exist in that depth, or a name is given twice or names no layer */
trb_status trb_net_expand(const char *layers, char **out);

/** Insert a split into a list that has none. \param[in] at  a layer's position in the expanded list, from 0 and names
 * not counted; or a name; or the first part of names, for the first that begins so ("stage3" for "stage3.block1")
 * \param[out] out  the expanded list, a new string, released with trb_free() \return TRB_OK; TRB_ECONFIG if there is no
 * such place, naming those that there are, it lies between a fork and its add, or the list has a split already */
trb_status trb_net_insert_split(const char *layers, const char *at, char **out);

/** Make a list of rank1 layers of one without, which may have presets: "dense 200, relu, dense 10" becomes
 * "split, rank1 dense 200, relu, rank1 dense 10". A split elsewhere moves to the front: all is heads' then, norms too.
 * \param[out] out  the expanded list, a new string, released with trb_free() \return TRB_OK; TRB_ECONFIG if it has
 * rank1 already, or no layer that takes it */
trb_status trb_net_rank1(const char *layers, char **out);

size_t trb_net_inputs(const trb_net *net);  /* D */
size_t trb_net_outputs(const trb_net *net); /* K: outputs of a head */
size_t trb_net_heads(const trb_net *net);   /* M */
trb_shape trb_net_shape(const trb_net *net);

/** The parameter table, in slab order, and the slab's length in floats. Borrowed. */
size_t trb_net_n_params(const trb_net *net);
const trb_param *trb_net_param(const trb_net *net, size_t i);
size_t trb_net_size(const trb_net *net);
/** The trained part of the slab is [0, trb_net_trained); running statistics lie behind it. */
size_t trb_net_trained(const trb_net *net);

/** Multiply-adds of one sample's forward pass, in the layers with weights. */
double trb_net_macs(const trb_net *net);

typedef enum { TRB_INIT_HE, TRB_INIT_GLOROT } trb_init;

/** Draw initial weights; biases and running means are zero, scales and running variances of batch normalisation one.
 *
 * he: N(0, 2/fan_in) (He et al. 2015, arXiv:1502.01852, eq. 10); glorot: U(-a, a), a = sqrt(6/(fan_in + fan_out))
 * (Glorot and Bengio 2010, eq. 16). Factors of rank1 layers are random signs (arXiv:2002.06715, sec. 3). Keyed by
 * (seed, init, member, tensor): independent of everything else.
 *
 * \param[out] params  [trb_net_size], overwritten
 */
void trb_net_init(const trb_net *net, trb_init how, uint64_t seed, uint64_t member, float *params);
/** Draw the factors alone anew, from N(1, deviation^2): heads whose weights stay near their mean, which folding needs.
 * The keys are those of trb_net_init(). */
void trb_net_init_factors(const trb_net *net, double deviation, uint64_t seed, uint64_t member, float *params);

/** Cut a network at its split, for ranks that share the body and hold some of the heads each. Parameters keep their
 * names. The random streams of dropout begin anew in each part: give them different members in trb_draw.
 *
 * \param[in]  heads   of `behind`; those of `net` do not matter
 * \param[out] body    the layers before the split, whose outputs are the features
 * \param[out] behind  the split and the layers behind it, whose input is of the features' shape
 * \return TRB_OK; TRB_ECONFIG if there is no split or no layer with weights before it, or a layer is of all heads at
 * once: rank1, spread
 */
trb_status trb_net_cut(const trb_net *net, size_t heads, trb_net **body, trb_net **behind);

/** A network of the heads [first, first + n) of `net`, which borrows nothing but lies in the same slab: offsets, sizes
 * and the slabs that it takes are those of `net`, of which it reads and writes the places of its own heads (and of the
 * body and of what heads share, if there is any). For workspaces, passes and trb_net_copy(); what takes a slab for all
 * of a network's own, as trb_net_init(), exchanges and files do, wants `net`.
 * \return TRB_OK; TRB_EINTERNAL if `net` has no such heads; TRB_ECONFIG if it has a spread, and these are not all of
 * them
 */
trb_status trb_net_window(const trb_net *net, size_t first, size_t n, trb_net **out);

/** Fill every tensor of `to` that `from` has too, by its name. Those of heads go to the heads [first, first + n) of
 * `to`: as they are if `from` has n, else each as a copy of its only one. To tensors of the body first and n do not
 * matter, nor to what heads share. So one head becomes many (first 0, n = M), a network its parts, and parts the heads
 * of the whole; some heads are read through a window.
 * \return TRB_OK; TRB_EINTERNAL if shapes or numbers of heads do not fit, or no name is in both; `to_params` may then
 * be filled in part */
trb_status trb_net_copy(const trb_net *from, const float *params, const trb_net *to, size_t first, size_t n,
                        float *to_params);

/** The network of one head into which one of rank1 layers folds: its list without split and rank1.
 * \return TRB_OK; TRB_ECONFIG if no layer is rank1, or one behind the split could be but is not, or one is a spread */
trb_status trb_net_plain(const trb_net *net, trb_net **out);
/** Average the heads in the space of weights (Nam et al. 2022, LatentBE, arXiv:2206.15047): W o (1/M sum_m s_m
 * r_m^T), and of biases and batch normalisation, running statistics among it, the mean over heads; the body as it is.
 * \param[in]  plain     made by trb_net_plain(net)
 * \param[out] plain_params  [trb_net_size(plain)], overwritten */
void trb_net_fold(const trb_net *net, const float *params, const trb_net *plain, float *plain_params);

/** By how much the heads' outputs are spread at last: S of the spread that ends the list, 1 if none does. */
double trb_net_spread(const trb_net *net);
/** The same network but for that: its list ends in `spread S`, in place of the spread that ends it or behind the last
 * layer. Its parameters are those of `net`, in the same slab.
 * \return TRB_OK; TRB_ECONFIG if there is no split, or S is out of range */
trb_status trb_net_respread(const trb_net *net, double S, trb_net **out);

/** Activations and scratch for up to `rows` rows; everything that a step needs, so that a step allocates nothing. If
 * the list has other layers than dense, relu, tanh and dropout, a training pass takes exactly `rows` rows, over which
 * batch normalisation takes its statistics.
 * \param[in] net       borrowed until the workspace is destroyed
 * \param[in] training  false leaves out what only the backward pass needs, folds batch normalisation into convolutions,
 *                      and computes images in slices of a fixed number of rows */
trb_status trb_work_create(const trb_net *net, size_t rows, bool training, trb_work **out);
void trb_work_destroy(trb_work *work);

/** Have passes of a workspace for training tell how far they are.
 *
 * needs(ctx, from, to): in each forward pass before every layer with weights; the trained parameters [from, to) of the
 * slab are about to be read. From the beginning of the list to its end, each once.
 * ready(ctx, from): in each backward pass behind every layer with weights; the trained part of the gradient is complete
 * from offset `from` of the slab on. From the end of the list to its beginning, so `from` falls to 0.
 *
 * Of a window these are its own heads' places, between which others' lie: [from, to) begins and ends at its own, and
 * what is complete from `from` on is its own.
 * \param[in] needs,ready  NULL: no more */
void trb_work_watch(trb_work *work, void (*needs)(void *ctx, size_t from, size_t to),
                    void (*ready)(void *ctx, size_t from), void *ctx);

/** Where the time of a workspace's passes goes, by kind of layer. What is computed together counts to the layer that
 * comes first: a relu to its norm, at inference norm, add and relu to their convolution. */
typedef struct {
    const char *kind; /* the word in the list, or "reorder", "copy" for what changes layouts and copies; borrowed */
    double forward_s, backward_s;
    /* Of one sample: multiply-adds, and bytes of activations that are read and written. */
    double forward_macs, backward_macs, forward_bytes, backward_bytes;
} trb_time;
enum { TRB_TIMES_MAX = 24 }; /* at least as many as there are kinds, which the compiler checks (src/net/layers.c) */
/** Measure from now on. */
void trb_work_measure(trb_work *work);
/** \param[out] times  [TRB_TIMES_MAX]   \return how many were written */
size_t trb_work_measured(const trb_work *work, trb_time *times);

/** Coordinates of the dropout masks of a batch; see rng.h. */
typedef struct {
    uint64_t seed, member, epoch;
    const int64_t *sample; /* [rows] sample ids; borrowed for the call */
} trb_draw;

/** Forward pass.
 *
 * The outputs' bits follow from the parameters and from all `rows` rows of the call. In a call of other rows the same
 * sample may get logits that differ in their last bits, because the libraries choose other kernels for other shapes.
 *
 * \param[in]  x     [rows][D]; borrowed until the backward pass of the same workspace is over
 * \param[in]  draw  where dropout masks come from; batch normalisation is then by the statistics of these rows. NULL:
 *                   inference; dropout does nothing, normalisation is by running statistics
 * \param[out] z     the outputs [rows][M][K], borrowed from the workspace until its next forward pass
 */
trb_status trb_net_forward(const trb_net *net, trb_work *work, const float *params, size_t rows, const float *x,
                           const trb_draw *draw, const float **z);

/** Backward pass of the last forward pass (which must have been of a training workspace, same params and rows). Behind
 * a forward pass of inference, running statistics are constants.
 *
 * \param[in]  dz    [rows][M][K] gradient of the loss by the outputs
 * \param[out] grad  [trb_net_size], overwritten; NULL to skip, which leaves dx the same bits
 * \param[out] dx    [rows][D] gradient by the inputs; NULL to skip (training skips it)
 */
trb_status trb_net_backward(const trb_net *net, trb_work *work, const float *params, const float *dz, float *grad,
                            float *dx);

#endif
