/** What the files of this folder share: the layers of a network, what each kind does, and the steps of a pass.
 *
 * A kind is one entry of the table trb__layer_kinds. A pass over the network is one loop over steps, which does
 * not distinguish kinds. A row of a layer is [copies][size of the shape]: one copy in the body, M copies in the heads.
 * The first layer of the heads that has weights reads one copy and writes M.
 *
 * Each file uses only those before it in this order: param; rank1, spread, images; layers (the table); list, preset;
 * net; split, parts, variant; work, optim.
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
    float *grad;          /* NULL in a forward pass, and in a backward pass without gradients by parameters */
    const trb_draw *draw; /* NULL at inference */
    bool trains;          /* the forward pass drew masks and took statistics of its batch */
    bool loads;           /* the first pass with these parameters */
    const void *x;        /* the step's input */
    const void *saved;    /* for add: the saved value, as it is now */
} trb__pass;

/** What follows the word of an item in a list: nothing; units; a probability; a factor; filters and a window; a window.
 */
typedef enum { TRB__NO_ARGUMENT, TRB__UNITS, TRB__PROBABILITY, TRB__FACTOR, TRB__FILTERS, TRB__WINDOW } trb__takes;

typedef struct {
    size_t units;               /* or filters */
    size_t kernel, stride, pad; /* a square window */
    bool bias;                  /* the item has "bias" */
    bool rank1;                 /* "rank1" is in front of the word */
    double probability, factor;
} trb__argument;

/** What a step does to the values of a pass, which are the current one and, between fork and add, a saved one: it
 * computes, saves, swaps them, or adds them. */
typedef enum { TRB__WORKS, TRB__FORKS, TRB__SWAPS, TRB__ADDS } trb__flow;

typedef struct {
    const char *name;
    trb__takes takes;
    trb__flow path;
    bool weights;       /* has parameters, so each head has its own copy */
    bool takes_one;     /* in the heads it can read one copy and write M */
    bool takes_rank1;   /* the heads can share its weights, each with its own factors */
    bool across_heads;  /* only in the heads, and on all of them at once; does nothing to one copy */
    bool plain;         /* reads and writes float32 [rows][copies][size] only */
    bool elementwise;   /* the gradient is worked on in place: dx holds dy at the call */
    bool in_place;      /* may overwrite its input, because its backward pass reads y and not x */
    bool overwritable;  /* the next layer may overwrite its output, because its own backward pass does not read y */
    bool training_only; /* does nothing at inference */
    bool masks;         /* keeps one byte an element from the forward to the backward pass */
    /* Set shapes and parameters from l->argument and l->in. NULL: the shape is kept, and there are no parameters. */
    trb_status (*setup)(trb_net *net, trb__layer *l);
    /* Make s->op, and set s->y_layout from s->x_layout. NULL: the layout is kept (that of a plain kind is plain). */
    trb_status (*open)(trb__work_step *s, size_t rows, bool training);
    void (*close)(trb__work_step *s);
    trb_status (*forward)(const trb__work_step *s, const trb__pass *p);
    /* dx may be NULL if `takes_one`: it is not needed */
    trb_status (*backward)(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);
} trb__layer_kind;

extern const trb__layer_kind trb__layer_kinds[];
extern const size_t trb__n_layer_kinds;

/** Kinds that appear in no list: a change of layout, and the copy of the body's output for each head. */
extern const trb__layer_kind trb__reorder_kind, trb__copy_kind;

struct trb__layer {
    const trb__layer_kind *kind;
    trb__argument argument;
    bool head;
    const char *name;  /* the name before it in the list, "" for none; borrowed */
    size_t position;   /* from 0, after the name or in the body or heads, as in the names of parameters */
    trb_shape in, out; /* shapes of one copy */
    size_t x_copies, y_copies, x_width, y_width;
    size_t weight, bias;   /* offsets in the slab */
    size_t r, s;           /* factors of inputs and outputs, with rank1 */
    size_t end;            /* where the last of these tensors ends */
    size_t mean, variance; /* offsets of running statistics */
    /* A dense layer and the relu after it share their passes over memory. Forward, the dense layer adds the bias and
     * clips. Backward, the relu masks the gradient and sums it up for the gradient by the bias; the relu's `bias` is
     * that of the dense layer. */
    bool fused;
    uint64_t first_block; /* where this layer's random numbers begin in the stream of a sample */
};

/** One step of a pass in a workspace: a layer with the layers that are computed with it, or a kind that is in no list.
 */
struct trb__work_step {
    const trb__layer_kind *kind;
    const trb__layer *l;
    const trb__layer *norm; /* inference: the normalisation that is folded into this convolution */
    bool relu;              /* this step also does the relu that follows */
    bool sum;               /* inference: adds its result to the saved value, in place */
    bool on_saved;          /* works on the saved value */
    size_t rows, copies;    /* copies in y */
    trb_layout x_layout, y_layout;
    size_t place; /* which of the workspace's places y lies in */
    void *y;
    uint8_t *mask; /* [rows][y_width] if the kind has masks, else NULL */
    const void *x; /* the input of the last forward pass */
    void *op;
    float *scratch;    /* memory of a rank1 layer, else NULL; the workspace frees it */
    double seconds[2]; /* spent in forward and backward passes, if measured */
};

/** Which of the heads whose parameters lie in the slab are this network's heads (a window has only some). */
typedef struct {
    size_t first, of; /* the heads [first, first + n) of so many */
} trb__head_share;

struct trb_net {
    char *layers; /* canonical list */
    char *names;  /* storage of the layers' names */
    trb_shape input;
    size_t heads, outputs;
    trb__head_share share; /* which of the slab's heads these are */
    size_t n_layers, n_params, size, trained;
    trb__layer *layer;
    trb_param *param;
};

/** One copy of a tensor of a layer. */
typedef struct {
    const char *name;
    size_t ndim, shape[4];
    size_t fan_in, fan_out;
    bool decays, statistic, factor;
    bool shared; /* the heads have one copy together */
    float start;
} trb__param_spec;

/** Append a tensor to the table: one copy of `shape` in the body, or if heads share it; otherwise M copies.
 * \param[out] offset  where it lies in the slab; for a statistic counted from the end of the trained part */
trb_status trb__net_add_param(trb_net *net, trb__layer *l, const trb__param_spec *t, size_t *offset);

/** trb_net_create() with M heads, whose parameters are those of some of the heads of a slab. */
trb_status trb__net_make(const char *layers, trb_shape input, size_t M, trb__head_share share, trb_net **out);

/** Layers with rank1 (rank1.c). factors: appends r [inputs] and s [outputs] to the table if the layer is rank1. open:
 * allocates the scratch memory. expand: computes the heads' own filters w [M][N][C][k][k]. collect: computes the
 * gradients by the shared filters and by the factors from the gradient by the heads' own filters. */
trb_status trb__rank1_factors(trb_net *net, trb__layer *l, size_t inputs, size_t outputs);
trb_status trb__rank1_dense_open(trb__work_step *s, size_t rows, bool training);
trb_status trb__rank1_dense_forward(const trb__work_step *s, const trb__pass *p, float *y);
trb_status trb__rank1_dense_backward(const trb__work_step *s, const trb__pass *p, const float *dy, float *dx);
trb_status trb__rank1_conv_open(trb__work_step *s, bool training);
size_t trb__rank1_filters(const trb__layer *l); /* floats of the heads' own filters */
void trb__rank1_expand(const trb__layer *l, const float *params, float *w);
void trb__rank1_collect(const trb__layer *l, const float *params, const float *dw, float *grad);

/** The layer `spread` (spread.c). */
trb_status trb__spread_forward(const trb__work_step *s, const trb__pass *p);
trb_status trb__spread_backward(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);

/** Multiply-adds for one sample, over all copies. */
double trb__layer_macs(const trb__layer *l);

/** One item of a layer list: what stands between two commas. */
enum { TRB__ITEM_BYTES = 64 };
typedef enum { TRB__LAYER, TRB__SPLIT, TRB__NAME } trb__list_item_is;
typedef struct {
    size_t number;              /* from 1 */
    char text[TRB__ITEM_BYTES]; /* as found, but every run of blanks is one blank */
    trb__list_item_is is;
    char name[TRB__ITEM_BYTES];  /* of a name */
    const trb__layer_kind *kind; /* of a layer */
    trb__argument argument;      /* of a layer, checked */
} trb__list_item;

/** Read the next item of an expanded list. \param[in,out] cursor  where to read on; NULL after the last item
 * \return TRB_OK; TRB_ECONFIG names item, what was found and what fits (an unknown word: the nearest known one) */
trb_status trb__list_next(const char **cursor, trb__list_item *item);

/** Add an item in canonical form, e.g. "conv 16 3 stride 2 pad 1", which is read back as the same item. */
void trb__list_item_print(const trb__list_item *item, trb_text *text);

#endif
