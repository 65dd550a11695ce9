#include "tribikos/net.h"

#include <string.h>

#include "layer.h"
#include "tribikos/memory.h"

struct trb_work {
    size_t rows; /* capacity */
    bool training;
    size_t last_rows; /* of the last forward pass, 0 before it */
    bool last_drew;   /* it had dropout masks */
    const float **x;  /* [layers] where the last forward pass had each layer's input */
    float **y;        /* [layers] where its output goes */
    uint8_t **mask;   /* [layers] NULL for kinds without */
    float *g[2];      /* between which the gradient alternates on its way back */
    float *slab;      /* all activations and g */
    uint8_t *masks;
};

/* How wide the two gradient buffers must be: this walks as trb_net_backward does. */
static void gradient_widths(const trb_net *net, size_t width[2])
{
    size_t side = 0;
    for (size_t i = net->n_layers; i-- > 0;) {
        const trb__layer *l = &net->layer[i];
        if (!l->kind->elementwise) {
            if (i == 0) break; /* writes to the caller's dx */
            side = 1 - side;
        }
        if (width[side] < l->x_width) width[side] = l->x_width;
    }
}

/* How wide the two buffers must be between which outputs alternate at inference. */
static void output_widths(const trb_net *net, size_t width[2])
{
    for (size_t i = 0, side = 0; i < net->n_layers; i++) {
        const trb__layer *l = &net->layer[i];
        if (l->over_x || l->kind->training_only) continue;
        if (width[side] < l->y_width) width[side] = l->y_width;
        side = 1 - side;
    }
}

static size_t up_to_line(size_t floats)
{
    enum { LINE = 16 };
    return (floats + LINE - 1) / LINE * LINE;
}

/* Cut the slab: training keeps every output and has two buffers for gradients, at inference outputs alternate between
 * the two buffers. Without a slab only the floats are counted. */
static size_t lay_out(const trb_net *net, trb_work *work, float *slab)
{
    size_t width[2] = {0, 0}, used = 0;
    float *buffer[2] = {NULL, NULL};
    if (work->training)
        gradient_widths(net, width);
    else
        output_widths(net, width);
    for (size_t side = 0; side < 2; side++) {
        if (slab != NULL) buffer[side] = slab + used;
        used += up_to_line(work->rows * width[side]);
    }
    if (work->training) memcpy(work->g, buffer, sizeof buffer);
    for (size_t i = 0, side = 0; i < net->n_layers; i++) {
        const trb__layer *l = &net->layer[i];
        if (l->over_x) {
            work->y[i] = work->y[i - 1];
        } else if (work->training) {
            if (slab != NULL) work->y[i] = slab + used;
            used += up_to_line(work->rows * l->y_width);
        } else if (!l->kind->training_only) {
            work->y[i] = buffer[side];
            side = 1 - side;
        }
    }
    return used;
}

trb_status trb_work_create(const trb_net *net, size_t rows, bool training, trb_work **out)
{
    trb_work *work = NULL;
    trb_status st = trb_alloc(TRB_MEM_ACTIVATIONS, 1, sizeof *work, &work);
    if (st != TRB_OK) return st;
    work->rows = rows;
    work->training = training;
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, net->n_layers, sizeof *work->x, &work->x));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, net->n_layers, sizeof *work->y, &work->y));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, net->n_layers, sizeof *work->mask, &work->mask));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, lay_out(net, work, NULL), sizeof(float), &work->slab));
    (void)lay_out(net, work, work->slab);
    size_t mask_width = 0;
    for (size_t i = 0; i < net->n_layers && training; i++)
        if (net->layer[i].kind->masks) mask_width += net->layer[i].y_width;
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, mask_width, rows, &work->masks));
    uint8_t *mask = work->masks;
    for (size_t i = 0; i < net->n_layers && training; i++) {
        if (!net->layer[i].kind->masks) continue;
        work->mask[i] = mask;
        mask += rows * net->layer[i].y_width;
    }
done:
    if (st == TRB_OK)
        *out = work;
    else
        trb_work_destroy(work);
    return st;
}

void trb_work_destroy(trb_work *work)
{
    if (work == NULL) return;
    trb_free(work->x);
    trb_free(work->y);
    trb_free(work->mask);
    trb_free(work->slab);
    trb_free(work->masks);
    trb_free(work);
}

trb_status trb_net_forward(const trb_net *net, trb_work *work, const float *params, size_t rows, const float *x,
                           const trb_draw *draw, const float **z)
{
    if (rows == 0 || rows > work->rows)
        return trb_fail(TRB_EINTERNAL, "forward pass of %zu rows in a workspace for 1 to %zu", rows, work->rows);
    if (draw != NULL && !work->training)
        return trb_fail(TRB_EINTERNAL, "dropout masks are drawn in a workspace for inference");
    work->last_rows = rows;
    work->last_drew = draw != NULL;
    for (size_t i = 0; i < net->n_layers; i++) {
        const trb__layer *l = &net->layer[i];
        work->x[i] = x;
        if (l->kind->training_only && draw == NULL) continue;
        const trb__pass pass = {
            .rows = rows, .params = params, .draw = draw, .x = x, .y = work->y[i], .mask = work->mask[i]};
        TRB_TRY(l->kind->forward(l, &pass));
        x = work->y[i];
    }
    *z = x;
    return TRB_OK;
}

trb_status trb_net_backward(const trb_net *net, trb_work *work, const float *params, const float *dz, float *grad,
                            float *dx)
{
    if (!work->training || work->last_rows == 0)
        return trb_fail(TRB_EINTERNAL, "backward pass without a forward pass in a workspace for training");
    const size_t rows = work->last_rows;
    const float *dy = dz;
    size_t side = 0;
    for (size_t i = net->n_layers; i-- > 0 && (i >= net->first_trained || dx != NULL);) {
        const trb__layer *l = &net->layer[i];
        if (l->kind->training_only && !work->last_drew) continue;
        float *to = work->g[side];
        if (!l->kind->elementwise) {
            side = 1 - side;
            to = i == 0 ? dx : i == net->first_trained && dx == NULL ? NULL : work->g[side];
        } else if (dy != to) { /* the caller's dz stays as it is */
            memcpy(to, dy, rows * l->y_width * sizeof *to);
        }
        const trb__pass pass = {
            .rows = rows, .params = params, .grad = grad, .x = work->x[i], .y = work->y[i], .mask = work->mask[i]};
        TRB_TRY(l->kind->backward(l, &pass, dy, to));
        dy = to;
    }
    if (dx != NULL && dy != dx) memcpy(dx, dy, rows * trb_net_inputs(net) * sizeof *dx);
    return TRB_OK;
}
