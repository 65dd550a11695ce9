/** A network as the exchange sees it: layers with a place in the slab, and the seconds that computing a lane takes. */
#ifndef PREDICT_MODEL_H
#define PREDICT_MODEL_H

#include "tribikos/net.h"

typedef struct {
    size_t from, to; /* its parameters in the slab */
    double forward_s, backward_s;
} layer;

/* Layers whose parameters are exchanged together. */
typedef struct {
    size_t n_layers, trained, size; /* in floats; running statistics come after the first `trained` */
    layer *layer;
} part;

typedef struct {
    size_t rows, features; /* of a lane; floats that a row has between body and heads */
    part body, heads;      /* with one head group the heads lie behind the body in the same slab */
} model;

/** What adding, or updating, a float takes; set by model_read(). */
extern struct model_rates {
    double add_s, update_s;
} model_rates;

/** Read a file of tools/predict as one of `groups` head groups has it, all computing `speed` times as fast.
 * \param[out] m  zeroed before; to be cleared, also after a failure */
trb_status model_read(const char *path, size_t groups, double speed, model *m);
void model_clear(model *m);

/** A network of a part's size, for trb_exchange_open(). Released with trb_free(). */
trb_status model_net(const part *p, trb_net **out);

/** Take the time that a layer takes: by sleeping, or in the simulation by its clock. */
void model_compute(double seconds);

#endif
