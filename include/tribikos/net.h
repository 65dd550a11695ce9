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
 *   split                    the layers before it are the body, those after it the heads
 *   rank1 dense ..., rank1 conv ...
 *                            after the split: all heads share W; the weights of head m are W o (s_m r_m^T), that is
 *                            y = ((x o r_m) W^T) o s_m + b_m. r_m has one factor an input (conv: an input channel),
 *                            s_m one an output
 *                            (Wen, Tran and Ba 2020, BatchEnsemble, arXiv:2002.06715, sec. 3)
 *   spread S                 after the split: y_m = c + S (x_m - c), where c is the mean of x_m over the heads. Heads
 *                            differ S times as much, and so do their gradients. S is from 0.001 to 1000. It does
 *                            nothing to a single head
 *   name X                   names the layers that follow, e.g. "name stage3.block1"
 *   lenet5 K, cifar-resnetD K, wrnD-W K
 *                            a preset with K outputs, which expands into the above; see trb_net_expand()
 *
 * Without a split the whole list is the body, and M is 1. With a split all heads have the same layers, and a tensor of
 * the heads is [M][...], so the first layer with weights after the split is one call for all heads. Only the weight of
 * a rank1 layer, which heads share, has the shape it has in a body; its r [M][inputs], s [M][outputs] and bias belong
 * to the heads. A fork and its add must lie on the same side of the split.
 *
 * All parameters lie in one slab, which one table describes. Names are as in a PyTorch state_dict, with the name in the
 * list and the position after that name: "body.stage3.block1.2.weight". Without names it is "body.0.weight", and
 * positions begin at 0 again after the split: "heads.2.bias". Shapes are PyTorch's. Running statistics of batch
 * normalisation (running_mean, running_var) are entries of the table too, after all trained parameters. Gradients and
 * moments have the same layout; in a gradient, the statistics of the batch lie in the place of the running ones. A
 * network does not hold parameters and does not change in use, so many workspaces may share it.
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
    bool head;              /* each head has its own */
    bool decays;            /* weight decay applies (not to biases, factors, nor the scales of batch normalisation) */
    bool statistic;         /* not trained: the average over steps of the same place of the gradient */
    bool factor;            /* r or s of a rank1 layer */
    float start;            /* initial value, if it is not drawn at random */
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

/** Replace the presets of a list by their layers.
 *
 *   lenet5 K   LeNet-5 (LeCun et al. 1998) with relu, max pooling and full connections: 6 and 16 filters of 5 x 5, then
 *              120, 84, K units; for 28 x 28, which a pad of 2 brings to LeNet's size of 32 x 32. An image of
 *              32 x 32 is padded too, so its last maps are 6 x 6 instead of 5 x 5
 *   cifar-resnetD K
 *              residual network for CIFAR of depth D = 6n + 2 (He et al. 2016, arXiv:1512.03385, sec. 4.2), 1x1
 *              projections where the shape changes; names stem, stage1.block1 ... stage3.blockn, pool, fc. Lists of
 *              earlier versions name it resnetD K, which is read too
 *   wrnD-W K   wide residual network of depth D = 6n + 4, W times as wide, pre-activated (Zagoruyko and Komodakis 2016,
 *              arXiv:1605.07146); same names
 *
 * The rest of the list is kept, in canonical form. A preset may stand anywhere, but only once, because names must
 * differ.
 *
 * \param[out] out  a new string, released with trb_free() \return TRB_OK; TRB_ECONFIG if an item is not understood, a
 * preset does not exist in that depth, or a name is given twice or has no layer after it */
trb_status trb_net_expand(const char *layers, char **out);

/** Insert a split into a list that has none.
 * \param[in] at  the layer before which it is inserted: its position in the expanded list, from 0 and without names; or
 * its name; or the first part of a name, which means the first name with this part ("stage3" for "stage3.block1")
 * \param[out] out  the expanded list, a new string, released with trb_free()
 * \return TRB_OK; TRB_ECONFIG if there is no such place (the line lists the places), if the place is between a fork and
 * its add, or if the list has a split already */
trb_status trb_net_insert_split(const char *layers, const char *at, char **out);

/** Turn all layers that allow it into rank1 layers: "dense 200, relu, dense 10" becomes
 * "split, rank1 dense 200, relu, rank1 dense 10". The list may have presets. The split moves to the front, so that all
 * layers belong to the heads, norms too.
 * \param[out] out  the expanded list, a new string, released with trb_free() \return TRB_OK; TRB_ECONFIG if the
 * list has rank1 layers already, or no layer that can be one */
trb_status trb_net_rank1(const char *layers, char **out);

/** What a layer does, for those who compute it elsewhere. The layers of a body have one copy. A layer of the heads that
 * has weights writes M copies, one for each head; the others write as many as they read. Offsets are in the slab. */
typedef struct {
    const char *kind;           /* the word in the list, e.g. "conv"; borrowed */
    size_t units;               /* of dense; filters of conv */
    size_t kernel, stride, pad; /* of conv, maxpool, avgpool */
    bool biased;                /* has a bias */
    bool rank1;
    double factor;     /* of spread */
    bool head;         /* after the split */
    trb_shape in, out; /* of one copy */
    size_t x_copies, y_copies;
    size_t weight, bias;   /* of dense, conv and norm */
    size_t r, s;           /* with rank1 */
    size_t mean, variance; /* of norm: running statistics */
} trb_layer_view;
/** The number of layers, and layer i in the order of the list. Dropout is among them, and does nothing at inference. */
size_t trb_net_n_layers(const trb_net *net);
trb_layer_view trb_net_layer(const trb_net *net, size_t i);

size_t trb_net_inputs(const trb_net *net);  /* D */
size_t trb_net_outputs(const trb_net *net); /* K: outputs of a head */
size_t trb_net_heads(const trb_net *net);   /* M */
trb_shape trb_net_shape(const trb_net *net);

/** The parameter table, in slab order, and the slab's length in floats. Borrowed. */
size_t trb_net_n_params(const trb_net *net);
const trb_param *trb_net_param(const trb_net *net, size_t i);
size_t trb_net_size(const trb_net *net);
/** The trained part of the slab is [0, trb_net_trained); running statistics follow it. */
size_t trb_net_trained(const trb_net *net);

/** How many dense and convolution layers the list has; those of the heads count once. */
size_t trb_net_weighted(const trb_net *net);

/** Refuse a batch of `rows` rows in which a batch normalisation would take the statistics of a channel over one value,
 * so that its output is always 0. \return TRB_OK; TRB_ECONFIG names the layer */
trb_status trb_net_check_norms(const trb_net *net, size_t rows);

/** Multiply-adds of one sample's forward pass, in the layers with weights. */
double trb_net_macs(const trb_net *net);

typedef enum { TRB_INIT_HE, TRB_INIT_GLOROT } trb_init;

/** Draw initial weights; biases and running means are zero, scales and running variances of batch normalisation one.
 *
 * he: N(0, 2/fan_in) (He et al. 2015, arXiv:1502.01852, eq. 10); glorot: U(-a, a), a = sqrt(6/(fan_in + fan_out))
 * (Glorot and Bengio 2010, eq. 16). Factors of rank1 layers are random signs (arXiv:2002.06715, sec. 3). The
 * numbers depend on (seed, init, member, tensor) only.
 *
 * \param[out] params  [trb_net_size], overwritten
 */
void trb_net_init(const trb_net *net, trb_init how, uint64_t seed, uint64_t member, float *params);
/** Draw only the factors again, from N(1, deviation^2). Then the heads' weights stay near their mean, which folding
 * needs. The keys are those of trb_net_init(). */
void trb_net_init_factors(const trb_net *net, double deviation, uint64_t seed, uint64_t member, float *params);

/** Cut a network at its split, for ranks that share the body but hold only some of the heads. Parameters keep their
 * names. The random streams of dropout start again in each part: give the parts different members in trb_draw.
 *
 * \param[in]  heads   number of heads of `top`; that of `net` does not matter
 * \param[out] body    the layers before the split, whose outputs are the features
 * \param[out] top     the split and the layers after it; its input has the shape of the features
 * \return TRB_OK; TRB_ECONFIG if there is no split or no layer with weights before it, or a layer needs all heads
 * at once: rank1, spread
 */
trb_status trb_net_cut(const trb_net *net, size_t heads, trb_net **body, trb_net **top);

/** A window: a network that has only the heads [first, first + n) of `net`, but uses the slabs of `net`. Offsets and
 * sizes are those of `net`. The window reads and writes only the places of its own heads, of the body, and of what
 * heads share. Use it for workspaces, passes and trb_net_copy(). Functions that treat a slab as a network's own, such
 * as trb_net_init(), exchanges and files, need `net` itself. A window borrows nothing.
 * \return TRB_OK; TRB_EINTERNAL if `net` has no such heads; TRB_ECONFIG if it has a spread and the window
 * does not have all heads
 */
trb_status trb_net_window(const trb_net *net, size_t first, size_t n, trb_net **out);

/** Copy every tensor of `to` that `from` has too, by name. Tensors of heads are copied to the heads [first, first + n)
 * of `to`: if `from` has n heads, head by head; if it has one head, as n copies of it. For the body, and for tensors
 * that heads share, first and n do not matter. Uses: one head becomes many (first 0, n = M), a network is copied to its
 * parts, parts are copied to the heads of the whole. To read only some heads, make `from` a window.
 * \return TRB_OK; TRB_EINTERNAL if shapes or numbers of heads do not fit, or no name is in both. `to_params` may then
 * be filled partly */
trb_status trb_net_copy(const trb_net *from, const float *params, const trb_net *to, size_t first, size_t n,
                        float *to_params);

/** The network with one head into which a network of rank1 layers folds: the same list without split and rank1.
 * \return TRB_OK; TRB_ECONFIG if no layer is rank1, if a layer after the split could be rank1 but is not, or if a layer
 * is spread */
trb_status trb_net_plain(const trb_net *net, trb_net **out);
/** Average the heads' weights (Nam et al. 2022, LatentBE, arXiv:2206.15047): rank1 weights become W o (1/M sum_m s_m
 * r_m^T). Biases and batch normalisation, with its running statistics, become the mean over heads; the body stays.
 * \param[in]  plain     made by trb_net_plain(net)
 * \param[out] plain_params  [trb_net_size(plain)], overwritten */
void trb_net_fold(const trb_net *net, const float *params, const trb_net *plain, float *plain_params);

/** The factor S of the spread that ends the list, 1 if the list does not end in a spread. */
double trb_net_spread(const trb_net *net);
/** The same network with another factor: its list ends in `spread S`, which replaces a spread at the end or is
 * appended. Its parameters are those of `net`, in the same slab.
 * \return TRB_OK; TRB_ECONFIG if there is no split, or S is out of range */
trb_status trb_net_respread(const trb_net *net, double S, trb_net **out);

/** Make a workspace: activations and scratch memory for up to `rows` rows. It has all that a step needs, so that a step
 * allocates nothing. If the list has layers on images (conv, norm, pooling, fork and add), a training pass takes
 * exactly `rows` rows; batch normalisation takes its statistics over them.
 * \param[in] net       borrowed until the workspace is destroyed
 * \param[in] training  false: without what only the backward pass needs, with batch normalisation folded into
 *                      convolutions, and images computed in slices of a fixed number of rows */
trb_status trb_work_create(const trb_net *net, size_t rows, bool training, trb_work **out);
void trb_work_destroy(trb_work *work);

/** Set functions that the passes of a training workspace call, so that an exchange can overlap with them.
 *
 * needs(ctx, from, to) is called in each forward pass before every layer with weights: the pass is about to read the
 * trained parameters [from, to) of the slab. Layers come in the order of the list, each once.
 * ready(ctx, from) is called in each backward pass after every layer with weights: the trained part of the gradient is
 * complete from offset `from` of the slab on. Layers come in reverse order, so `from` falls to 0.
 *
 * In a window, offsets are those of the window's heads; parameters of other heads lie between them. [from, to) begins
 * and ends at the window's own parameters, and what is complete from `from` on are only its own.
 * \param[in] needs,ready  NULL: do not call it */
void trb_work_watch(trb_work *work, void (*needs)(void *ctx, size_t from, size_t to),
                    void (*ready)(void *ctx, size_t from), void *ctx);

/** The time that a workspace's passes spend on one kind of layer. If layers are computed together, the time counts for
 * the first of them: a relu counts to its norm, and at inference norm, add and relu count to their convolution. */
typedef struct {
    const char *kind; /* the word in the list, or "reorder", "copy" for what changes layouts and copies; borrowed */
    double forward_s, backward_s;
    /* For one sample: multiply-adds, and bytes of activations that are read and written. */
    double forward_macs, backward_macs, forward_bytes, backward_bytes;
} trb_time;
enum { TRB_TIMES_MAX = 24 }; /* at least the number of kinds; the compiler checks it (src/net/layers.c) */
/** Begin to measure, from zero. */
void trb_work_measure(trb_work *work);
/** \param[out] times  [TRB_TIMES_MAX]   \return how many were written */
size_t trb_work_measured(const trb_work *work, trb_time *times);

/** Coordinates of a batch's random dropout masks (rng.h). */
typedef struct {
    uint64_t seed, member, epoch;
    const int64_t *sample; /* [rows] sample ids; borrowed for the call */
} trb_draw;

/** Forward pass.
 *
 * The bits of the outputs depend on the parameters and on all `rows` rows of the call. In a call with other rows a
 * sample may get logits that differ in the last bits, because the libraries choose other kernels for other shapes.
 *
 * \param[in]  x     [rows][D]; borrowed until the backward pass of the same workspace is over
 * \param[in]  draw  coordinates of dropout masks; batch normalisation then uses the statistics of these rows. NULL:
 *                   inference; dropout does nothing, and batch normalisation uses running statistics
 * \param[out] z     the outputs [rows][M][K], borrowed from the workspace until its next forward pass
 */
trb_status trb_net_forward(const trb_net *net, trb_work *work, const float *params, size_t rows, const float *x,
                           const trb_draw *draw, const float **z);

/** Backward pass of the last forward pass, which must have been in a training workspace with the same params. If that
 * forward pass was one of inference (draw NULL), running statistics count as constants.
 *
 * \param[in]  dz    [rows][M][K] gradient of the loss by the outputs
 * \param[out] grad  [trb_net_size], overwritten; NULL to skip; dx has the same bits either way
 * \param[out] dx    [rows][D] gradient by the inputs; NULL to skip (training skips it)
 */
trb_status trb_net_backward(const trb_net *net, trb_work *work, const float *params, const float *dz, float *grad,
                            float *dx);

#endif
