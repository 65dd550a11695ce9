/* Workspaces: planning a network's layers as steps, the memory of the steps, forward and backward passes, times. */
#include "tribikos/net.h"

#include <string.h>

#include "layer.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

/* As the place of a value: it is in the caller's memory, not in one of the workspace's places. */
#define CALLER SIZE_MAX

/* A value that passes through the network: the output of the last step, or the one that a fork saved. */
typedef struct {
    trb_layout layout;
    size_t copies, place;
    bool overwritable; /* only the next step reads it */
} value;

struct trb_work {
    const trb_net *net;
    size_t rows;  /* capacity */
    size_t slice; /* rows of a pass */
    bool training;
    bool fixed;                                       /* some step is made for exactly `slice` rows */
    bool measures;                                    /* measures the time of each step */
    void (*needs)(void *ctx, size_t from, size_t to); /* see trb_work_watch() */
    void (*ready)(void *ctx, size_t from);
    void *watcher;
    size_t last_rows; /* of the last forward pass, 0 if there was none */
    bool last_drew;   /* it drew dropout masks and took the statistics of its batch */
    size_t n_steps, first_trained;
    trb__work_step *step;
    size_t n_places, *bytes; /* [places] */
    char *slab;              /* all places and g */
    void *g[3];              /* gradients: the current one, the saved one, and room for the next */
    float *padded;           /* [slice][D] the caller's last rows, filled up */
    float *z;                /* [rows][M][K] the outputs of all slices */
    uint8_t *masks;
};

/* ---- planning: from layers to steps
 *
 * A place is a region of the workspace for one value. In training every output is kept, so each has its own place. At
 * inference three places are enough: for the current value, for the one that a fork saved, and for the next output. */

enum { STEPS_A_LAYER = 4, INFERENCE_PLACES = 3 };

typedef struct {
    trb_work *work;
    value now, saved;
    bool forked;
} planner;

static size_t place_for(planner *p, const trb_layout *l)
{
    trb_work *w = p->work;
    size_t place = w->n_places;
    if (!w->training) {
        for (place = 0; place == p->now.place || (p->forked && place == p->saved.place);) place++;
    }
    if (place >= w->n_places) w->n_places = place + 1;
    const size_t bytes = trb_layout_bytes(l);
    if (w->bytes[place] < bytes) w->bytes[place] = bytes;
    return place;
}

/* Begin a step that reads the value `v`. */
static trb__work_step *new_step(planner *p, const trb__layer_kind *kind, const trb__layer *l, const value *v)
{
    trb_work *w = p->work;
    trb__work_step *s = &w->step[w->n_steps++];
    *s = (trb__work_step){.kind = kind, .l = l, .rows = w->slice, .copies = v->copies, .place = v->place};
    s->x_layout = s->y_layout = v->layout;
    s->on_saved = v == &p->saved;
    return s;
}

/* End the planning of a step, whose output replaces the value. */
static trb_status end_step(planner *p, trb__work_step *s, value *v)
{
    if (s->kind->open != NULL) TRB_TRY(s->kind->open(s, p->work->slice, p->work->training));
    const bool in_place = s->kind->in_place && v->overwritable;
    if (!s->sum && !in_place) s->place = place_for(p, &s->y_layout);
    *v = (value){.layout = s->y_layout, .copies = s->copies, .place = s->place};
    v->overwritable = !p->work->training || (s->kind->overwritable && !s->relu);
    return TRB_OK;
}

static trb_status change_layout(planner *p, value *v, const trb_layout *to)
{
    if (trb_layout_same(&v->layout, to)) return TRB_OK;
    trb__work_step *s = new_step(p, &trb__reorder_kind, NULL, v);
    s->y_layout = *to;
    return end_step(p, s, v);
}

static trb_status to_plain(planner *p, value *v, trb_shape one)
{
    const trb_layout plain = trb_layout_plain(p->work->slice, (trb_shape){v->copies * one.c, one.h, one.w});
    return change_layout(p, v, &plain);
}

/* Plan to copy a value that has one copy, so that every head has its own. */
static trb_status copy_to_heads(planner *p, value *v, trb_shape one, size_t M)
{
    trb_layout whole;
    if (!trb_layout_whole(&v->layout, M, &whole)) {
        TRB_TRY(to_plain(p, v, one));
        whole = trb_layout_plain(p->work->slice, (trb_shape){M * one.c, one.h, one.w});
    }
    trb__work_step *s = new_step(p, &trb__copy_kind, NULL, v);
    s->y_layout = whole;
    s->copies = M;
    return end_step(p, s, v);
}

static bool has_weights(const trb__work_step *s)
{
    return s->l != NULL && s->l->kind->weights;
}

static bool is(const trb__layer *l, const char *kind)
{
    return strcmp(l->kind->name, kind) == 0;
}

/* The layer after layer i, or NULL. */
static const trb__layer *behind(const trb_net *net, size_t i)
{
    return i + 1 < net->n_layers ? &net->layer[i + 1] : NULL;
}

/* At inference, join the layers that follow to a convolution (norm, add, relu); i moves to the last one joined. */
static trb_status join_to_conv(planner *p, trb__work_step **step, size_t *i)
{
    const trb_net *net = p->work->net;
    const trb__layer *l = &net->layer[*i], *next = behind(net, *i);
    const trb__layer *norm = NULL;
    bool sum = false;
    if (next != NULL && is(next, "norm") && next->y_copies == l->y_copies) {
        norm = next;
        next = behind(net, ++*i);
    }
    /* A convolution cannot overwrite its own input, as it would if it came directly after the fork. */
    if (next != NULL && is(next, "add") && p->saved.place != CALLER && p->saved.place != p->now.place &&
        !trb_layout_is_plain(&p->saved.layout)) {
        if (p->saved.copies < l->y_copies) TRB_TRY(copy_to_heads(p, &p->saved, l->out, l->y_copies));
        sum = p->saved.copies == l->y_copies && !trb_layout_is_plain(&p->saved.layout);
    }
    trb__work_step *s = *step = new_step(p, l->kind, l, &p->now);
    s->norm = norm;
    if (sum) {
        s->sum = true;
        s->y_layout = p->saved.layout;
        s->place = p->saved.place;
        next = behind(net, ++*i);
    }
    if (next != NULL && is(next, "relu")) {
        s->relu = true;
        ++*i;
    }
    return TRB_OK;
}

static trb_status plan_add(planner *p, const trb__layer *l, size_t *i)
{
    const trb__layer *next = behind(p->work->net, *i);
    value *narrow = p->now.copies < p->saved.copies ? &p->now : &p->saved;
    if (p->now.copies != p->saved.copies) TRB_TRY(copy_to_heads(p, narrow, l->in, l->y_copies));
    TRB_TRY(change_layout(p, &p->saved, &p->now.layout));
    trb__work_step *s = new_step(p, l->kind, l, &p->now);
    if (next != NULL && is(next, "relu")) {
        s->relu = true;
        ++*i;
    }
    TRB_TRY(end_step(p, s, &p->now));
    p->forked = false;
    return TRB_OK;
}

/* Plan layer i and the layers that are joined to it. */
static trb_status plan_layer(planner *p, size_t *i)
{
    const trb_net *net = p->work->net;
    const trb__layer *l = &net->layer[*i], *next = behind(net, *i);
    if (l->kind->training_only && !p->work->training) return TRB_OK;
    if (l->kind->across_heads && l->x_copies == 1) return TRB_OK;
    switch (l->kind->path) {
    case TRB__FORKS:
        (void)new_step(p, l->kind, l, &p->now);
        p->now.overwritable = false;
        p->saved = p->now;
        p->forked = true;
        return TRB_OK;
    case TRB__SWAPS: {
        const value saved = p->saved;
        (void)new_step(p, l->kind, l, &p->now);
        p->saved = p->now;
        p->now = saved;
        return TRB_OK;
    }
    case TRB__ADDS:
        return plan_add(p, l, i);
    case TRB__WORKS:
        break;
    }
    if (l->kind->plain) TRB_TRY(to_plain(p, &p->now, l->in));
    if (p->now.copies < l->y_copies && !l->kind->takes_one) TRB_TRY(copy_to_heads(p, &p->now, l->in, l->y_copies));
    trb__work_step *s = NULL;
    if (is(l, "conv") && !p->work->training) {
        TRB_TRY(join_to_conv(p, &s, i));
    } else {
        s = new_step(p, l->kind, l, &p->now);
        if (is(l, "norm") && next != NULL && is(next, "relu")) {
            s->relu = true;
            ++*i;
        }
    }
    s->copies = l->y_copies;
    if (l->kind->plain)
        s->y_layout = trb_layout_plain(p->work->slice, (trb_shape){l->y_copies * l->out.c, l->out.h, l->out.w});
    TRB_TRY(end_step(p, s, &p->now));
    if (s->sum) p->forked = false;
    return TRB_OK;
}

/* At inference images pass through the network in slices of a few, so that the output of a layer is still in the cache
 * when the next layer reads it. ResNet-20 in slices of 16, 32, 64, 128 (one core of a Zen 4) computes 1670, 1740, 1650,
 * 1660 images a second in float32, and 2770 to 2790 in bfloat16. */
enum { SLICE = 32 };

static trb_status plan(trb_work *w)
{
    const trb_net *net = w->net;
    for (size_t i = 0; i < net->n_layers; i++)
        w->fixed = w->fixed || (!net->layer[i].kind->plain && !net->layer[i].kind->elementwise);
    w->slice = w->fixed && !w->training && w->rows > SLICE ? SLICE : w->rows;
    planner p = {.work = w, .now = {.copies = 1, .place = CALLER}};
    p.now.layout = trb_layout_plain(w->slice, net->input);
    for (size_t i = 0; i < net->n_layers; i++) TRB_TRY(plan_layer(&p, &i));
    TRB_TRY(to_plain(&p, &p.now, net->layer[net->n_layers - 1].out));
    while (!has_weights(&w->step[w->first_trained])) w->first_trained++;
    return TRB_OK;
}

/* ---- memory */

static size_t up_to_line(size_t bytes)
{
    enum { LINE = 64 };
    return (bytes + LINE - 1) / LINE * LINE;
}

/* Numbers that a row has at the end of the network. */
static size_t width_of(const trb_net *net)
{
    return net->layer[net->n_layers - 1].y_width;
}

static trb_status reserve(trb_work *w)
{
    const size_t D = trb_shape_size(w->net->input);
    size_t total = 0, largest = w->slice * D * sizeof(float), mask_width = 0;
    for (size_t i = 0; i < w->n_places; i++) {
        total += up_to_line(w->bytes[i]);
        if (largest < w->bytes[i]) largest = w->bytes[i];
    }
    const size_t n_g = w->training ? sizeof w->g / sizeof *w->g : 0;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, total + n_g * up_to_line(largest), 1, &w->slab));
    for (size_t i = 0; i < n_g; i++) w->g[i] = w->slab + total + i * up_to_line(largest);
    char *at = w->slab;
    for (size_t place = 0; place < w->n_places; place++) {
        for (size_t i = 0; i < w->n_steps; i++)
            if (w->step[i].place == place) w->step[i].y = at;
        at += up_to_line(w->bytes[place]);
    }
    if (w->fixed && !w->training) {
        TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, w->slice * D, sizeof(float), &w->padded));
        TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, w->rows * width_of(w->net), sizeof(float), &w->z));
    }
    if (!w->training) return TRB_OK;
    for (size_t i = 0; i < w->n_steps; i++)
        if (w->step[i].kind->masks) mask_width += w->step[i].l->y_width;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, mask_width, w->rows, &w->masks));
    uint8_t *mask = w->masks;
    for (size_t i = 0; i < w->n_steps; i++) {
        if (!w->step[i].kind->masks) continue;
        w->step[i].mask = mask;
        mask += w->rows * w->step[i].l->y_width;
    }
    return TRB_OK;
}

trb_status trb_work_create(const trb_net *net, size_t rows, bool training, trb_work **out)
{
    const size_t steps = STEPS_A_LAYER * net->n_layers + 1;
    trb_work *w = NULL;
    int fits = 0;
    TRB_TRY(trb_to_int(rows, &fits));
    trb_status st = trb_alloc(TRB_MEM_ACTIVATIONS, 1, sizeof *w, &w);
    if (st != TRB_OK) return st;
    w->net = net;
    w->rows = rows;
    w->training = training;
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, steps, sizeof *w->step, &w->step));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, steps + INFERENCE_PLACES, sizeof *w->bytes, &w->bytes));
    TRB_GO(plan(w));
    TRB_GO(reserve(w));
done:
    if (st == TRB_OK)
        *out = w;
    else
        trb_work_destroy(w);
    return st;
}

void trb_work_destroy(trb_work *w)
{
    if (w == NULL) return;
    for (size_t i = 0; i < w->n_steps; i++) {
        if (w->step[i].kind->close != NULL) w->step[i].kind->close(&w->step[i]);
        trb_free(w->step[i].scratch);
    }
    trb_free(w->step);
    trb_free(w->bytes);
    trb_free(w->slab);
    trb_free(w->padded);
    trb_free(w->z);
    trb_free(w->masks);
    trb_free(w);
}

/* ---- passes */

/* One pass of all steps over `rows` rows. */
static trb_status pass_forward(trb_work *w, const float *params, size_t rows, const float *x, const trb_draw *draw,
                               bool loads, const float **z)
{
    const void *now = x, *saved = NULL;
    for (size_t i = 0; i < w->n_steps; i++) {
        trb__work_step *s = &w->step[i];
        const void **on = s->on_saved ? &saved : &now, *was = now;
        s->x = *on;
        if (s->kind->path == TRB__FORKS) {
            saved = now;
        } else if (s->kind->path == TRB__SWAPS) {
            now = saved;
            saved = was;
        } else if (!s->kind->training_only || draw != NULL) {
            if (w->needs != NULL && has_weights(s)) w->needs(w->watcher, s->l->weight, s->l->end);
            const double start = w->measures ? trb_now_s() : 0.0;
            const trb__pass pass = {.rows = rows,
                                    .params = params,
                                    .draw = draw,
                                    .trains = draw != NULL,
                                    .loads = loads,
                                    .x = s->x,
                                    .saved = saved};
            TRB_TRY(s->kind->forward(s, &pass));
            *on = s->y;
            if (w->measures) s->seconds[0] += trb_now_s() - start;
        }
    }
    *z = now;
    return TRB_OK;
}

/* Computes slices of a fixed number of rows; the last one is filled up with zeros. */
static trb_status forward_in_slices(trb_work *w, const float *params, size_t rows, const float *x, const float **z)
{
    const size_t D = trb_shape_size(w->net->input), width = width_of(w->net);
    for (size_t at = 0; at < rows; at += w->slice) {
        const size_t n = rows - at < w->slice ? rows - at : w->slice;
        const float *from = x + at * D, *out = NULL;
        if (n < w->slice) {
            memcpy(w->padded, from, n * D * sizeof *from);
            memset(w->padded + n * D, 0, (w->slice - n) * D * sizeof *from);
            from = w->padded;
        }
        TRB_TRY(pass_forward(w, params, w->slice, from, NULL, at == 0, &out));
        memcpy(w->z + at * width, out, n * width * sizeof *out);
    }
    *z = w->z;
    return TRB_OK;
}

trb_status trb_net_forward(const trb_net *net, trb_work *w, const float *params, size_t rows, const float *x,
                           const trb_draw *draw, const float **z)
{
    (void)net;
    if (rows == 0 || rows > w->rows)
        return trb_fail(TRB_EINTERNAL, "forward pass of %zu rows in a workspace for 1 to %zu", rows, w->rows);
    if (draw != NULL && !w->training)
        return trb_fail(TRB_EINTERNAL, "dropout masks are drawn in a workspace for inference");
    if (w->fixed && w->training && rows < w->rows)
        return trb_fail(TRB_EINTERNAL, "forward pass of %zu images in a training workspace for %zu", rows, w->rows);
    w->last_rows = 0;
    if (w->fixed && !w->training) return forward_in_slices(w, params, rows, x, z);
    TRB_TRY(pass_forward(w, params, rows, x, draw, true, z));
    w->last_rows = rows;
    w->last_drew = draw != NULL;
    return TRB_OK;
}

/* The gradients by the current value and by the saved one, on the way back. */
typedef struct {
    const trb_work *w;
    const void *now, *saved;
} gradients;

static void *room(const gradients *g)
{
    size_t i = 0;
    while (g->w->g[i] == g->now || g->w->g[i] == g->saved) i++;
    return g->w->g[i];
}

/* The place of the current gradient if it may be changed there; NULL if it is the caller's or also the saved one. */
static void *own(const gradients *g)
{
    for (size_t i = 0; i < sizeof g->w->g / sizeof *g->w->g; i++)
        if (g->w->g[i] == g->now && g->now != g->saved) return g->w->g[i];
    return NULL;
}

/* One step of the backward pass: the gradient by the step's input takes the place of the gradient by its output. */
static trb_status step_back(trb__work_step *s, const trb__pass *pass, gradients *g, bool wanted)
{
    const void **on = s->on_saved ? &g->saved : &g->now, *was = g->now;
    void *to = NULL;
    switch (s->kind->path) {
    case TRB__FORKS:
        to = room(g);
        trb_layout_add(&s->x_layout, g->now, g->saved, false, to);
        g->now = to;
        g->saved = NULL;
        return TRB_OK;
    case TRB__SWAPS:
        g->now = g->saved;
        g->saved = was;
        return TRB_OK;
    case TRB__ADDS:
        if (s->relu) {
            to = own(g) != NULL ? own(g) : room(g);
            trb_layout_relu_back(&s->y_layout, s->y, g->now, to);
            g->now = to;
        }
        g->saved = g->now;
        return TRB_OK;
    case TRB__WORKS:
        break;
    }
    if (s->kind->elementwise) {
        to = own(g);
        if (to == NULL) {
            to = room(g);
            memcpy(to, g->now, trb_layout_bytes(&s->y_layout) / s->rows * pass->rows);
        }
    } else if (wanted || !s->kind->takes_one) {
        to = room(g);
    }
    TRB_TRY(s->kind->backward(s, pass, *on, to));
    *on = to;
    return TRB_OK;
}

trb_status trb_net_backward(const trb_net *net, trb_work *w, const float *params, const float *dz, float *grad,
                            float *dx)
{
    if (!w->training || w->last_rows == 0)
        return trb_fail(TRB_EINTERNAL, "backward pass without a forward pass in a workspace for training");
    gradients g = {.w = w, .now = dz};
    for (size_t i = w->n_steps; i-- > 0 && (i >= w->first_trained || dx != NULL);) {
        trb__work_step *s = &w->step[i];
        if (s->kind->training_only && !w->last_drew) continue;
        const trb__pass pass = {
            .rows = w->last_rows, .params = params, .grad = grad, .trains = w->last_drew, .x = s->x};
        const double start = w->measures ? trb_now_s() : 0.0;
        TRB_TRY(step_back(s, &pass, &g, i > w->first_trained || dx != NULL));
        if (w->measures) s->seconds[1] += trb_now_s() - start;
        if (w->ready != NULL && grad != NULL && has_weights(s)) w->ready(w->watcher, s->l->weight);
    }
    if (dx != NULL) memcpy(dx, g.now, w->last_rows * trb_shape_size(net->input) * sizeof *dx);
    return TRB_OK;
}

void trb_work_watch(trb_work *w, void (*needs)(void *ctx, size_t from, size_t to),
                    void (*ready)(void *ctx, size_t from), void *ctx)
{
    w->needs = w->training ? needs : NULL;
    w->ready = ready;
    w->watcher = ctx;
}

/* ---- where the time goes */

void trb_work_measure(trb_work *w)
{
    w->measures = true;
    for (size_t i = 0; i < w->n_steps; i++) w->step[i].seconds[0] = w->step[i].seconds[1] = 0.0;
}

size_t trb_work_measured(const trb_work *w, trb_time *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_steps; i++) {
        const trb__work_step *s = &w->step[i];
        size_t at = 0;
        while (at < n && strcmp(rows[at].kind, s->kind->name) != 0) at++;
        if (at == n) rows[n++] = (trb_time){.kind = s->kind->name};
        const double macs = s->l == NULL ? 0.0 : trb__layer_macs(s->l);
        const double x = (double)(trb_layout_bytes(&s->x_layout) / s->rows),
                     y = (double)(trb_layout_bytes(&s->y_layout) / s->rows);
        rows[at].forward_s += s->seconds[0];
        rows[at].backward_s += s->seconds[1];
        rows[at].forward_macs += macs;
        /* The first layer computes no gradient by its input, unless the factors on the input need it. */
        rows[at].backward_macs +=
            i == w->first_trained && !(s->l->argument.rank1 && s->l->kind->plain) ? macs : 2.0 * macs;
        if (s->kind->path == TRB__WORKS || s->kind->path == TRB__ADDS)
            rows[at].forward_bytes += x + y + (s->kind->path == TRB__ADDS ? x : 0.0);
        rows[at].backward_bytes += 2.0 * x + y; /* reads the input again, and two gradients */
    }
    return n;
}
