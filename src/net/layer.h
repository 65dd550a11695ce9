/** What the files of this folder share: the layers of a network and what each kind does.
 *
 * A kind is one entry of the table trb__kinds. A pass over the network is one loop over the layers that knows no kind
 * by name. A layer's rows are [copies][size of the shape]: one copy in the body, M in the heads; the first layer of the
 * heads reads one copy and writes M.
 */
#ifndef TRB_NET_LAYER_H
#define TRB_NET_LAYER_H

#include "tribikos/net.h"

typedef struct trb__layer trb__layer;

/** One layer's view of a forward or backward pass. */
typedef struct {
    size_t rows;
    const float *params;
    float *grad;          /* NULL in a forward pass */
    const trb_draw *draw; /* NULL at inference */
    const float *x;       /* [rows][x_width] */
    float *y;             /* [rows][y_width]; x itself if the layer works in place */
    uint8_t *mask;        /* [rows][y_width] if the kind has masks, else NULL */
} trb__pass;

typedef enum { TRB__NOTHING, TRB__UNITS, TRB__PROBABILITY } trb__argument;

typedef struct {
    const char *name;
    trb__argument takes;
    bool elementwise;   /* the gradient is worked on in place: dx holds dy at the call */
    bool in_place;      /* may overwrite its input, because its backward pass reads y and not x */
    bool overwritable;  /* the layer behind may overwrite its output, which its own backward pass does not read */
    bool training_only; /* does nothing at inference */
    bool masks;         /* keeps a byte an element from forward to backward */
    /* Shapes and parameters, from l->argument and l->in; NULL: shape is kept, no parameters. */
    trb_status (*setup)(trb_net *net, trb__layer *l);
    trb_status (*forward)(const trb__layer *l, const trb__pass *p);
    /* dx NULL: nobody wants it */
    trb_status (*backward)(const trb__layer *l, const trb__pass *p, const float *dy, float *dx);
} trb__kind;

extern const trb__kind trb__kinds[];
extern const size_t trb__n_kinds;

struct trb__layer {
    const trb__kind *kind;
    double argument;
    bool head;
    size_t position;   /* in the body or in the heads, from 0, as in the names of parameters */
    trb_shape in, out; /* of one copy */
    size_t x_copies, y_copies, x_width, y_width;
    size_t weight, bias; /* offsets in the slab */
    bool over_x;         /* y is x */
    /* A dense layer and the relu behind it share their passes over memory: going forward the dense layer adds the bias
     * and clips, going back the relu masks the gradient and sums it up into the bias gradient (`bias` is the dense
     * layer's). */
    bool fused;
    uint64_t first_block; /* where this layer's random numbers begin in a sample's stream */
};

struct trb_net {
    char *layers; /* canonical list */
    trb_shape input;
    size_t heads, outputs;
    size_t n_layers, n_params, size;
    trb__layer *layer;
    trb_param *param;
    size_t first_trained; /* the first layer with parameters */
};

/** Append a tensor of layer l to the table: `name` behind the prefix, one copy of `shape` in the body, M in the heads.
 * \param[out] offset  where it lies in the slab */
trb_status trb__net_add_param(trb_net *net, const trb__layer *l, const char *name, size_t ndim, const size_t *shape,
                              size_t fan_in, size_t fan_out, bool decays, size_t *offset);

/** One item of a layer list. */
enum { TRB__ITEM_BYTES = 64 };
typedef struct {
    size_t number;              /* from 1 */
    char text[TRB__ITEM_BYTES]; /* as found, without blanks around it */
    char word[TRB__ITEM_BYTES], argument[TRB__ITEM_BYTES];
} trb__item;

/** Take the next item off a list. \param[in,out] cursor  where to read on; NULL behind the last item
 * \return TRB_OK; TRB_ECONFIG if the item is empty or too long */
trb_status trb__list_next(const char **cursor, trb__item *item);

/** The kind and the checked argument of an item that is not "split". TRB_ECONFIG names item and nearest known word. */
trb_status trb__item_kind(const trb__item *item, const trb__kind **kind, double *argument);

bool trb__item_is_split(const trb__item *item);

#endif
