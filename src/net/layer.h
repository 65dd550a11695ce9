/** What the files of this folder share: the layers of a network, what each kind does, and the steps of a pass.
 *
 * A kind is one entry of the table trb__layer_kinds. A pass over the network is one loop over steps that knows no kind by
 * name. A layer's rows are [copies][size of the shape]: one copy in the body, M in the heads; the first layer of the
 * heads that has weights reads one copy and writes M.
 *
 * Each file uses only those before it in this order: param; rank1, spread, images; layers (the table); list, preset; net;
 * split, parts, variant; work, optim.
 */
#ifndef TRB_NET_LAYER_H
#define TRB_NET_LAYER_H

#include "tribikos/conv.h"
#include "tribikos/net.h"
#include "tribikos/text.h"

typedef struct trb__layer trb__layer;
typedef struct trb__work_step trb__work_step;

/** One step's view of a forward or backward pass. */
typedef struct {
    size_t rows;
    const float *params;
    float *grad;          /* NULL in a forward pass, and in a backward pass if nobody wants it */
    const trb_draw *draw; /* NULL at inference */
    bool trains;          /* the forward pass drew masks and took statistics of its batch */
    bool loads;           /* the first pass with these parameters */
    const void *x;        /* what the step reads */
    const void *saved;    /* what the fork saved, as it is now; for add */
} trb__pass;

/** What an item of a list may say behind its word: nothing; units; a probability; a factor; filters and a window; a
 * window. */
typedef enum { TRB__NO_ARGUMENT, TRB__UNITS, TRB__PROBABILITY, TRB__FACTOR, TRB__FILTERS, TRB__WINDOW } trb__takes;

typedef struct {
    size_t units;               /* or filters */
    size_t kernel, stride, pad; /* a square window */
    bool bias;                  /* "bias" was said */
    bool rank1;                 /* "rank1" stood in front of the word */
    double probability, factor;
} trb__argument;

/** A pass has a value on its way and, between fork and add, a saved one. */
typedef enum { TRB__WORKS, TRB__FORKS, TRB__SWAPS, TRB__ADDS } trb__flow;

typedef struct {
    const char *name;
    trb__takes takes;
    trb__flow path;
    bool weights;       /* has parameters, so that there is a copy a head */
    bool takes_one;     /* in the heads it can read one copy and write M */
    bool takes_rank1;   /* the heads can share its weights, each with factors of its own */
    bool across_heads;  /* in the heads only, and all of them at once; does nothing to one copy */
    bool plain;         /* reads and writes float32 [rows][copies][size] only */
    bool elementwise;   /* the gradient is worked on in place: dx holds dy at the call */
    bool in_place;      /* may overwrite its input, because its backward pass reads y and not x */
    bool overwritable;  /* the layer behind may overwrite its output, which its own backward pass does not read */
    bool training_only; /* does nothing at inference */
    bool masks;         /* keeps a byte an element from forward to backward */
    /* Shapes and parameters, from l->argument and l->in; NULL: shape is kept, no parameters. */
    trb_status (*setup)(trb_net *net, trb__layer *l);
    /* Make s->op and answer with s->y_layout, from s->x_layout; NULL: the layout is kept (a plain kind's is plain). */
    trb_status (*open)(trb__work_step *s, size_t rows, bool training);
    void (*close)(trb__work_step *s);
    trb_status (*forward)(const trb__work_step *s, const trb__pass *p);
    /* dx NULL, only where `takes_one`: nobody wants it */
    trb_status (*backward)(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);
} trb__layer_kind;

extern const trb__layer_kind trb__layer_kinds[];
extern const size_t trb__n_layer_kinds;

/** Kinds that are in no list: a change of layout, and the copies of what the body says, one a head. */
extern const trb__layer_kind trb__reorder_kind, trb__copy_kind;

struct trb__layer {
    const trb__layer_kind *kind;
    trb__argument argument;
    bool head;
    const char *name;  /* the name it stands behind, "" for none; borrowed */
    size_t position;   /* from 0 behind the name, or in the body or in the heads, as in the names of parameters */
    trb_shape in, out; /* of one copy */
    size_t x_copies, y_copies, x_width, y_width;
    size_t weight, bias;   /* offsets in the slab */
    size_t r, s;           /* factors of inputs and outputs, with rank1 */
    size_t end;            /* where the last of these ends */
    size_t mean, variance; /* running ones */
    /* A dense layer and the relu behind it share their passes over memory: going forward the dense layer adds the bias
     * and clips, going back the relu masks the gradient and sums it up into the bias gradient (`bias` is the dense
     * layer's). */
    bool fused;
    uint64_t first_block; /* where this layer's random numbers begin in a sample's stream */
};

/** One step of a pass in a workspace: a layer with what was joined to it, or one of the kinds that are in no list. */
struct trb__work_step {
    const trb__layer_kind *kind;
    const trb__layer *l;
    const trb__layer *norm; /* inference: folded into this convolution */
    bool relu;              /* the relu behind it is done here */
    bool sum;               /* inference: adds to what the fork saved, in place */
    bool on_saved;          /* works on what the fork saved */
    size_t rows, copies;    /* copies in y */
    trb_layout x_layout, y_layout;
    size_t place; /* which of the workspace's places y lies in */
    void *y;
    uint8_t *mask; /* [rows][y_width] if the kind has masks, else NULL */
    const void *x; /* where the last forward pass had the input */
    void *op;
    float *scratch;    /* what a layer with rank1 keeps from one loop to the next, else NULL; the workspace frees it */
    double seconds[2]; /* spent forward and backward, if that is measured */
};

/** A network's heads, as some of those whose parameters lie in a slab. */
typedef struct {
    size_t first, of; /* the heads [first, first + n) of so many */
} trb__head_share;

struct trb_net {
    char *layers; /* canonical list */
    char *names;  /* what layers' names point to */
    trb_shape input;
    size_t heads, outputs;
    trb__head_share share; /* of the slab's heads, which of them these are */
    size_t n_layers, n_params, size, trained;
    trb__layer *layer;
    trb_param *param;
};

/** A tensor of a layer, one copy of it. */
typedef struct {
    const char *name;
    size_t ndim, shape[4];
    size_t fan_in, fan_out;
    bool decays, statistic, factor;
    bool shared; /* the heads have one copy together */
    float start;
} trb__param_spec;

/** Append a tensor to the table: `name` behind the prefix, one copy of `shape` in the body, M in the heads if they do
 * not share it.
 * \param[out] offset  where it lies in the slab, of a statistic counted from the end of the trained part */
trb_status trb__net_add_param(trb_net *net, trb__layer *l, const trb__param_spec *t, size_t *offset);

/** trb_net_create() of M heads whose parameters are a share of the heads of a slab. */
trb_status trb__net_make(const char *layers, trb_shape input, size_t M, trb__head_share share, trb_net **out);

/** Layers with rank1 (rank1.c). factors: append r [inputs] and s [outputs] to the table, nothing without rank1. open:
 * what a dense layer needs. expand: w [M][N][C][k][k] becomes the heads' own filters. collect: from their gradient,
 * that of the shared filters and of the factors. */
trb_status trb__rank1_factors(trb_net *net, trb__layer *l, size_t inputs, size_t outputs);
trb_status trb__rank1_dense_open(trb__work_step *s, size_t rows, bool training);
trb_status trb__rank1_dense_forward(const trb__work_step *s, const trb__pass *p, float *y);
trb_status trb__rank1_dense_backward(const trb__work_step *s, const trb__pass *p, const float *dy, float *dx);
trb_status trb__rank1_conv_open(trb__work_step *s, bool training);
size_t trb__rank1_filters(const trb__layer *l); /* floats of the heads' own filters */
void trb__rank1_expand(const trb__layer *l, const float *params, float *w);
void trb__rank1_collect(const trb__layer *l, const float *params, const float *dw, float *grad);

/** Spread (spread.c). */
trb_status trb__spread_forward(const trb__work_step *s, const trb__pass *p);
trb_status trb__spread_backward(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);

/** Multiply-adds of one sample, of all copies. */
double trb__layer_macs(const trb__layer *l);

/** One item of a layer list: what stands between two commas. */
enum { TRB__ITEM_BYTES = 64 };
typedef enum { TRB__LAYER, TRB__SPLIT, TRB__NAME } trb__list_item_is;
typedef struct {
    size_t number;              /* from 1 */
    char text[TRB__ITEM_BYTES]; /* as found, every run of blanks as one */
    trb__list_item_is is;
    char name[TRB__ITEM_BYTES];  /* of a name */
    const trb__layer_kind *kind; /* of a layer */
    trb__argument argument;      /* of a layer, checked */
} trb__list_item;

/** Take the next item off an expanded list. \param[in,out] cursor  where to read on; NULL behind the last item
 * \return TRB_OK; TRB_ECONFIG names item, what was found and what fits (an unknown word: the nearest known one) */
trb_status trb__list_next(const char **cursor, trb__list_item *item);

/** Add an item in canonical form, as in "conv 16 3 stride 2 pad 1"; reads back as the same item. */
void trb__list_item_print(const trb__list_item *item, trb_text *text);

#endif
