/* A network cut into its body and windows on its heads does what the whole network does; copies between them; what a
 * pass says it needs and has ready. */
#include "numbers.h"

#include "tribikos/net.h"

enum { ROWS = 6, M = 6, CUTS = 4 };
static const int64_t ids[ROWS] = {4, 0, 3, 9, 1, 2};
static const trb_draw training = {.sample = ids};

typedef struct {
    const char *layers;
    trb_shape input;
} part_case;

/* Heads of one layer and of several, whose first layer has weights or not; a relu fused across the split; blocks,
 * normalisation and shortcuts in the heads; channels that fill oneDNN's blocks and that do not. */
static const part_case cases[] = {
    {"dense 20, relu, split, dense 12, relu, dense 5", {10, 1, 1}},
    {"dense 20, split, relu, dense 12, tanh, dense 7, relu, dense 5", {10, 1, 1}},
    {"name split1, dense 16, relu, norm, split, name split2, fork, dense 16, relu, norm, add, relu, dense 3",
     {10, 1, 1}},
    {"conv 16 3 pad 1, norm, relu, split, fork, conv 16 3 pad 1, norm, relu, conv 16 3 pad 1, norm, add, relu, "
     "globalpool, dense 4",
     {3, 6, 6}},
    {"conv 5 3 pad 1 bias, relu, maxpool 2, split, norm, relu, fork, conv 6 3 pad 1, norm, tanh, shortcut, conv 6 1, "
     "norm, add, dense 4",
     {2, 8, 6}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* How the heads are shared out: the numbers of heads of the windows. */
static const size_t cuts[CUTS][M] = {{6}, {1, 1, 1, 1, 1, 1}, {3, 3}, {1, 3, 2}};

/* The library multiplies matrices of other shapes for fewer heads, and a gradient by the features is a sum over the
 * windows instead of one product: a few dozen roundings of sums of some hundred terms. */
static const double near = 500 * ROUNDING;

/* What nobody has written. */
static const float nobody = 1e30F;

static void fill(size_t n, float *x, float value)
{
    for (size_t i = 0; i < n; i++) x[i] = value;
}

/* Parameters that make every tensor matter. */
static float *params_of(const trb_net *net)
{
    float *p = normals(trb_net_size(net), 0.4F, 1);
    for (size_t i = trb_net_trained(net); i < trb_net_size(net); i++) p[i] = fabsf(p[i]) + 0.5F;
    return p;
}

/* The tensor of that name, NULL if there is none. */
static const trb_param *tensor(const trb_net *net, const char *name)
{
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (strcmp(trb_net_param(net, i)->name, name) == 0) return trb_net_param(net, i);
    return NULL;
}

/* A network, its parts, and what both computed. */
typedef struct {
    trb_net *whole, *body, *behind;
    size_t D, F, K; /* inputs, features, outputs */
    float *params, *body_params, *behind_params;
    float *x, *dz;           /* [ROWS][D], [ROWS][M][K] */
    float *z, *grad, *dx;    /* of the whole */
    float *part_z, *part_dx; /* of the parts */
    float *body_grad, *behind_grad, *features, *df;
} bench;

static bench set_up(const part_case *c)
{
    bench b = {.whole = NULL};
    assert_ok(trb_net_create(c->layers, c->input, M, &b.whole));
    assert_ok(trb_net_cut(b.whole, M, &b.body, &b.behind));
    b.D = trb_net_inputs(b.whole), b.F = trb_net_inputs(b.behind), b.K = trb_net_outputs(b.whole);
    b.params = params_of(b.whole);
    b.body_params = room(trb_net_size(b.body), sizeof(float));
    b.behind_params = room(trb_net_size(b.behind), sizeof(float));
    assert_ok(trb_net_copy(b.whole, b.params, b.body, 0, 1, b.body_params));
    assert_ok(trb_net_copy(b.whole, b.params, b.behind, 0, M, b.behind_params));
    b.x = normals(ROWS * b.D, 1.0F, 2), b.dz = normals(ROWS * M * b.K, 1.0F, 3);
    b.z = room(ROWS * M * b.K, sizeof(float)), b.part_z = room(ROWS * M * b.K, sizeof(float));
    b.dx = room(ROWS * b.D, sizeof(float)), b.part_dx = room(ROWS * b.D, sizeof(float));
    b.grad = room(trb_net_size(b.whole), sizeof(float));
    b.body_grad = room(trb_net_size(b.body), sizeof(float));
    b.behind_grad = room(trb_net_size(b.behind), sizeof(float));
    b.features = room(ROWS * b.F, sizeof(float)), b.df = room(ROWS * b.F, sizeof(float));
    return b;
}

static void tear_down(bench *b)
{
    trb_net_destroy(b->whole), trb_net_destroy(b->body), trb_net_destroy(b->behind);
    float *const blocks[] = {b->params,   b->body_params, b->behind_params, b->x,       b->dz,        b->z,
                             b->grad,     b->dx,          b->part_z,        b->part_dx, b->body_grad, b->behind_grad,
                             b->features, b->df};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

static void pass_of_the_whole(bench *b, const trb_draw *draw)
{
    trb_work *work = NULL;
    const float *z = NULL;
    assert_ok(trb_work_create(b->whole, ROWS, true, &work));
    assert_ok(trb_net_forward(b->whole, work, b->params, ROWS, b->x, draw, &z));
    memcpy(b->z, z, ROWS * M * b->K * sizeof *z);
    assert_ok(trb_net_backward(b->whole, work, b->params, b->dz, b->grad, b->dx));
    trb_work_destroy(work);
}

/* Of the rows of [ROWS][M][K], what the heads [first, first + n) have, into or out of [ROWS][n][K]. */
static void share_rows(bench *b, float *all, size_t first, size_t n, float *some, bool into)
{
    for (size_t r = 0; r < ROWS; r++) {
        float *a = all + (r * M + first) * b->K, *s = some + r * n * b->K;
        memcpy(into ? s : a, into ? a : s, n * b->K * sizeof *a);
    }
}

/* Whether a place of the slab of `behind` belongs to one of the heads [first, first + n). */
static bool is_of(const trb_net *behind, size_t place, size_t first, size_t n)
{
    for (size_t i = 0; i < trb_net_n_params(behind); i++) {
        const trb_param *p = trb_net_param(behind, i);
        const size_t one = p->count / M;
        if (place >= p->offset + first * one && place < p->offset + (first + n) * one) return true;
    }
    return false;
}

/* The heads [first, first + n): outputs, gradients, and their part of the gradient by the features. */
static void pass_of_a_window(bench *b, const trb_draw *draw, size_t first, size_t n)
{
    const size_t size = trb_net_size(b->behind);
    trb_net *window = NULL;
    trb_work *work = NULL;
    const float *z = NULL;
    float *some = room(ROWS * n * b->K, sizeof *some), *df = room(ROWS * b->F, sizeof *df);
    float *before = room(size, sizeof *before), *params = room(size, sizeof *params);
    assert_ok(trb_net_window(b->behind, first, n, &window));
    assert_int_equal(trb_net_heads(window), n);
    assert_int_equal(trb_net_size(window), size);
    assert_int_equal(trb_net_trained(window), trb_net_trained(b->behind));
    /* What belongs to others is not even read. */
    for (size_t i = 0; i < size; i++) params[i] = is_of(b->behind, i, first, n) ? b->behind_params[i] : NAN;
    assert_ok(trb_work_create(window, ROWS, true, &work));
    assert_ok(trb_net_forward(window, work, params, ROWS, b->features, draw, &z));
    memcpy(some, z, ROWS * n * b->K * sizeof *z);
    share_rows(b, b->part_z, first, n, some, false);
    share_rows(b, b->dz, first, n, some, true);
    memcpy(before, b->behind_grad, size * sizeof *before);
    assert_ok(trb_net_backward(window, work, params, some, b->behind_grad, df));
    for (size_t i = 0; i < size; i++) {
        if (is_of(b->behind, i, first, n))
            assert_true(before[i] == nobody && b->behind_grad[i] != nobody);
        else
            assert_true(b->behind_grad[i] == before[i]);
    }
    for (size_t i = 0; i < ROWS * b->F; i++) b->df[i] += df[i];
    trb_work_destroy(work);
    trb_net_destroy(window);
    trb_free(some), trb_free(df), trb_free(before), trb_free(params);
}

static void pass_of_the_parts(bench *b, const trb_draw *draw, const size_t *cut)
{
    trb_work *work = NULL;
    const float *features = NULL;
    assert_ok(trb_work_create(b->body, ROWS, true, &work));
    assert_ok(trb_net_forward(b->body, work, b->body_params, ROWS, b->x, draw, &features));
    memcpy(b->features, features, ROWS * b->F * sizeof *features);
    fill(ROWS * b->F, b->df, 0.0F);
    fill(trb_net_size(b->behind), b->behind_grad, nobody);
    for (size_t i = 0, first = 0; first < M; first += cut[i++]) pass_of_a_window(b, draw, first, cut[i]);
    assert_ok(trb_net_backward(b->body, work, b->body_params, b->df, b->body_grad, b->part_dx));
    trb_work_destroy(work);
}

static void compare(size_t n, const float *got, const float *expected, bool exact, const char *what)
{
    double largest = 0.0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)expected[i]));
    for (size_t i = 0; i < n; i++)
        assert_near_at((double)got[i], (double)expected[i], exact ? 0.0 : near * largest, what, i, __FILE__, __LINE__);
}

static void compare_gradients(const bench *b, const trb_net *part, const float *grad, bool exact)
{
    for (size_t i = 0; i < trb_net_n_params(part); i++) {
        const trb_param *p = trb_net_param(part, i), *q = tensor(b->whole, p->name);
        assert_int_equal(p->count, q->count);
        compare(p->count, grad + p->offset, b->grad + q->offset, exact, p->name);
    }
}

/* One window with all heads makes the same calls as the whole where no layout lies between: the same bits. (No layer
 * with a bias stands in front of a normalisation: its gradient would be nothing but roundings.) */
static void parts_are_the_whole(void **state)
{
    (void)state;
    for (size_t c = 0; c < N_CASES; c++) {
        bench b = set_up(&cases[c]);
        for (int draws = 0; draws < 2; draws++) {
            const trb_draw *draw = draws == 1 ? &training : NULL;
            pass_of_the_whole(&b, draw);
            for (size_t k = 0; k < CUTS; k++) {
                const bool exact = cases[c].input.h == 1 && cuts[k][0] == M;
                pass_of_the_parts(&b, draw, cuts[k]);
                compare(ROWS * M * b.K, b.part_z, b.z, exact, cases[c].layers);
                compare_gradients(&b, b.behind, b.behind_grad, exact);
                compare_gradients(&b, b.body, b.body_grad, exact);
                compare(ROWS * b.D, b.part_dx, b.dx, exact, "dx");
            }
        }
        tear_down(&b);
    }
}

static void a_cut_keeps_names_and_shapes(void **state)
{
    (void)state;
    trb_net *whole = NULL, *body = NULL, *behind = NULL;
    char *list = NULL;
    assert_ok(trb_net_insert_split("resnet20 10", "stage3.block3", &list));
    assert_ok(trb_net_create(list, (trb_shape){3, 32, 32}, 5, &whole));
    assert_ok(trb_net_cut(whole, 2, &body, &behind));
    assert_int_equal(trb_net_heads(body), 1);
    assert_int_equal(trb_net_heads(behind), 2);
    assert_true(trb_shape_same(trb_net_shape(body), (trb_shape){3, 32, 32}));
    assert_true(trb_shape_same(trb_net_shape(behind), (trb_shape){64, 8, 8}));
    assert_int_equal(trb_net_outputs(body), 64 * 8 * 8);
    assert_int_equal(trb_net_outputs(behind), 10);
    assert_true(strncmp(trb_net_layers(behind), "split, name stage3.block3, fork, conv 64 3", 42) == 0);
    const size_t n = strlen(trb_net_layers(body));
    assert_true(strncmp(trb_net_layers(body), trb_net_layers(whole), n) == 0);
    assert_string_equal(trb_net_layers(whole) + n + 2, trb_net_layers(behind));
    assert_int_equal(trb_net_n_params(body) + trb_net_n_params(behind), trb_net_n_params(whole));
    for (size_t i = 0; i < trb_net_n_params(whole); i++) {
        const trb_param *p = trb_net_param(whole, i), *q = tensor(p->head ? behind : body, p->name);
        assert_non_null(q);
        assert_int_equal(q->head, p->head);
        assert_int_equal(q->ndim, p->ndim);
        for (size_t d = 0; d < p->ndim; d++) assert_int_equal(q->shape[d], d == 0 && p->head ? 2 : p->shape[d]);
    }
    trb_net_destroy(whole), trb_net_destroy(body), trb_net_destroy(behind);
    trb_free(list);
}

static void what_cannot_be_cut_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *says;
    } wrong[] = {
        {"dense 4, relu, dense 3",
         "\"dense 4, relu, dense 3\" has no split, so it cannot be cut into a body and heads; "
         "put a split"},
        {"name split1, dense 3", "has no split"},
        {"split, dense 3", "no layer before the split has weights, so there is no body to share; put the split behind"},
        {"dense 4, split, rank1 dense 3", "the heads share the weights of its rank1 layers"},
        {"split, rank1 dense 3", "the heads share the weights of its rank1 layers"},
        {"dense 4, split, dense 3, spread 1.7",
         "\"dense 4, split, dense 3, spread 1.7\" cannot be cut: spread takes the mean over all heads, so no rank"},
        {"relu, split, dense 3", "\"relu, split, dense 3\" cannot be cut: no layer before the split has weights"},
    };
    trb_net *net = NULL, *body = NULL, *behind = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_ok(trb_net_create(wrong[i].layers, (trb_shape){10, 1, 1}, 1, &net));
        assert_fails(trb_net_cut(net, 2, &body, &behind), TRB_ECONFIG, wrong[i].says);
        trb_net_destroy(net);
    }
    assert_ok(trb_net_create("dense 4, split, dense 3", (trb_shape){10, 1, 1}, 3, &net));
    assert_fails(trb_net_cut(net, 0, &body, &behind), TRB_ECONFIG, "at least one head");
    assert_null(body);
    assert_fails(trb_net_window(net, 0, 0, &body), TRB_EINTERNAL, "a window on 0 heads");
    assert_fails(trb_net_window(net, 2, 2, &body), TRB_EINTERNAL, "2 heads from head 2 of a network of 3");
    assert_fails(trb_net_window(net, 4, SIZE_MAX, &body), TRB_EINTERNAL, "from head 4");
    assert_null(body);
    trb_net_destroy(net);
    assert_ok(trb_net_create("dense 4, split, dense 3, spread 2, relu", (trb_shape){10, 1, 1}, 3, &net));
    assert_fails(trb_net_window(net, 0, 2, &body), TRB_ECONFIG,
                 "no window shows 2 of 3 heads: spread takes the mean over all heads");
    assert_null(body);
    assert_ok(trb_net_window(net, 0, 3, &body));
    trb_net_destroy(body);
    trb_net_destroy(net);
}

static const char hydra[] = "dense 8, norm, relu, split, dense 5, norm, relu, dense 2";
static const trb_shape ten = {10, 1, 1};

/* One head becomes a body and three of six heads; these become the heads 2 to 4 of the whole, and are read back. */
static void copies_go_by_names(void **state)
{
    (void)state;
    trb_net *one = NULL, *whole = NULL, *body = NULL, *some = NULL, *window = NULL, *inner = NULL;
    assert_ok(trb_net_create(hydra, ten, 1, &one));
    assert_ok(trb_net_create(hydra, ten, M, &whole));
    assert_ok(trb_net_cut(whole, 3, &body, &some));
    const size_t n_body = trb_net_size(body), n_some = trb_net_size(some), n_whole = trb_net_size(whole);
    float *from = normals(trb_net_size(one), 1.0F, 1), *body_params = room(n_body, sizeof(float));
    float *some_params = room(n_some, sizeof(float)), *back = room(n_some, sizeof(float));
    float *whole_params = room(n_whole, sizeof(float));
    fill(n_body, body_params, nobody), fill(n_some, some_params, nobody), fill(n_whole, whole_params, nobody);

    assert_ok(trb_net_copy(one, from, body, 0, 1, body_params));
    assert_ok(trb_net_copy(one, from, some, 0, 3, some_params));
    size_t written = 0;
    for (size_t i = 0; i < trb_net_n_params(one); i++) {
        const trb_param *p = trb_net_param(one, i), *q = tensor(p->head ? some : body, p->name);
        const float *copy = p->head ? some_params : body_params;
        assert_int_equal(q->count, p->head ? 3 * p->count : p->count);
        for (size_t j = 0; j < q->count; j++) assert_true(copy[q->offset + j] == from[p->offset + j % p->count]);
        written += q->count;
    }
    assert_int_equal(written, n_body + n_some);

    for (size_t j = 0; j < n_some; j++) some_params[j] = (float)j; /* the heads differ from here on */
    assert_ok(trb_net_copy(body, body_params, whole, 2, 3, whole_params));
    assert_ok(trb_net_copy(some, some_params, whole, 2, 3, whole_params));
    for (size_t i = 0; i < trb_net_n_params(whole); i++) {
        const trb_param *q = trb_net_param(whole, i), *p = tensor(q->head ? some : body, q->name);
        const float *copy = (q->head ? some_params : body_params) + p->offset, *got = whole_params + q->offset;
        const size_t each = q->head ? q->count / M : 0;
        for (size_t j = 0; j < q->count; j++) {
            const bool theirs = q->head && (j < 2 * each || j >= 5 * each);
            assert_true(got[j] == (theirs ? nobody : copy[j - 2 * each]));
        }
    }

    /* Through a window, and through a window on a window. */
    assert_ok(trb_net_window(whole, 1, 4, &window));
    assert_ok(trb_net_window(window, 1, 3, &inner));
    assert_int_equal(trb_net_size(inner), n_whole);
    assert_ok(trb_net_copy(inner, whole_params, some, 0, 3, back));
    assert_memory_equal(back, some_params, n_some * sizeof *back);
    fill(n_whole, whole_params, nobody);
    assert_ok(trb_net_copy(some, some_params, inner, 0, 3, whole_params));
    assert_ok(trb_net_copy(inner, whole_params, some, 0, 3, back));
    assert_memory_equal(back, some_params, n_some * sizeof *back);

    trb_net_destroy(one), trb_net_destroy(whole), trb_net_destroy(body), trb_net_destroy(some);
    trb_net_destroy(window), trb_net_destroy(inner);
    trb_free(from), trb_free(body_params), trb_free(some_params), trb_free(back), trb_free(whole_params);
}

static void copies_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    trb_net *whole = NULL, *two = NULL, *wide = NULL, *flat = NULL, *other = NULL;
    assert_ok(trb_net_create(hydra, ten, M, &whole));
    assert_ok(trb_net_create(hydra, ten, 2, &two));
    assert_ok(trb_net_create("dense 8, norm, relu, split, dense 6, norm, relu, dense 2", ten, M, &wide));
    assert_ok(trb_net_create("conv 8 1, split, conv 5 1", (trb_shape){10, 1, 1}, M, &flat));
    assert_ok(trb_net_create("name a, dense 8", ten, 1, &other));
    float *params = normals(trb_net_size(wide), 1.0F, 1), *to = room(trb_net_size(wide), sizeof *to);
    assert_fails(trb_net_copy(wide, params, whole, 0, M, to), TRB_EINTERNAL,
                 "heads.0.weight has 48 floats a head in one network, 40");
    assert_fails(trb_net_copy(whole, params, flat, 0, M, to), TRB_EINTERNAL, "body.0.weight has 80 floats");
    assert_fails(trb_net_copy(other, params, whole, 0, 1, to), TRB_EINTERNAL, "have no parameter of one name");
    assert_fails(trb_net_copy(two, params, whole, 0, M, to), TRB_EINTERNAL,
                 "of 2 heads to 6 heads from head 0 on of 6");
    assert_fails(trb_net_copy(two, params, whole, 5, 2, to), TRB_EINTERNAL,
                 "of 2 heads to 2 heads from head 5 on of 6");
    assert_fails(trb_net_copy(two, params, whole, 7, 2, to), TRB_EINTERNAL, "from head 7 on of 6");
    trb_net_destroy(whole), trb_net_destroy(two), trb_net_destroy(wide), trb_net_destroy(flat);
    trb_net_destroy(other);
    trb_free(params), trb_free(to);
}

/* ---- what passes say */

typedef struct {
    const trb_net *net;
    const float *all; /* the parameters */
    float *params;    /* those that have arrived */
    const float *grad;
    size_t needed, given, told, from; /* calls, trained parameters given, calls, what was said last */
    size_t end;                       /* of what was needed last */
    bool window;                      /* others' parameters lie between */
} watcher;

static void give(void *ctx, size_t from, size_t to)
{
    watcher *w = ctx;
    bool begins = false, ends = false;
    assert_int_equal(w->told, 0);
    assert_true(from >= w->end && from < to && to <= trb_net_trained(w->net));
    if (!w->window) assert_int_equal(from, w->end);
    memcpy(w->params + from, w->all + from, (to - from) * sizeof *w->params);
    for (size_t i = 0; i < trb_net_n_params(w->net); i++) {
        const trb_param *p = trb_net_param(w->net, i);
        if (p->offset < from || p->offset >= to || p->statistic) continue;
        assert_true(p->offset + p->count <= to);
        begins = begins || p->offset == from;
        ends = ends || p->offset + p->count == to;
        w->given += p->count;
    }
    assert_true(begins && ends);
    w->end = to;
    w->needed++;
}

static void take(void *ctx, size_t from)
{
    watcher *w = ctx;
    bool begins = false;
    assert_true(from < w->from);
    for (size_t i = 0; i < trb_net_n_params(w->net); i++) {
        const trb_param *p = trb_net_param(w->net, i);
        begins = begins || p->offset == from;
        for (size_t j = 0; j < p->count && p->offset >= from && !p->statistic; j++)
            assert_true(w->grad[p->offset + j] != nobody);
    }
    assert_true(begins);
    w->from = from;
    w->told++;
}

/* Forward and backward with parameters that are not numbers until they are asked for. */
static void watch(const trb_net *net, size_t weighted)
{
    const size_t n = trb_net_size(net), trained = trb_net_trained(net),
                 Z = ROWS * trb_net_heads(net) * trb_net_outputs(net);
    trb_work *work = NULL;
    const float *z = NULL;
    float *all = params_of(net), *x = normals(ROWS * trb_net_inputs(net), 1.0F, 2), *first = room(Z, sizeof *first);
    float *grad = room(n, sizeof *grad), *params = room(n, sizeof *params);
    assert_ok(trb_work_create(net, ROWS, true, &work));
    assert_ok(trb_net_forward(net, work, all, ROWS, x, &training, &z));
    memcpy(first, z, Z * sizeof *z);

    size_t own = 0;
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (!trb_net_param(net, i)->statistic) own += trb_net_param(net, i)->count;
    memcpy(params, all, n * sizeof *params);
    fill(trained, params, NAN);
    fill(n, grad, nobody);
    watcher w = {.net = net, .all = all, .params = params, .grad = grad, .from = n, .window = own < trained};
    trb_work_watch(work, give, take, &w);
    assert_ok(trb_net_forward(net, work, params, ROWS, x, &training, &z));
    assert_memory_equal(z, first, Z * sizeof *z);
    assert_int_equal(w.needed, weighted);
    assert_int_equal(w.given, own);
    assert_ok(trb_net_backward(net, work, params, z, grad, NULL));
    assert_int_equal(w.told, weighted);
    assert_int_equal(w.from, trb_net_param(net, 0)->offset);

    /* One without the other, and neither. */
    w = (watcher){.net = net, .all = all, .params = params, .grad = grad, .from = n, .window = own < trained};
    trb_work_watch(work, give, NULL, &w);
    assert_ok(trb_net_forward(net, work, params, ROWS, x, &training, &z));
    assert_ok(trb_net_backward(net, work, params, z, grad, NULL));
    assert_int_equal(w.needed, weighted);
    trb_work_watch(work, NULL, NULL, NULL);
    assert_ok(trb_net_forward(net, work, params, ROWS, x, &training, &z));
    assert_int_equal(w.needed, weighted);
    trb_work_destroy(work);

    /* Inference reads parameters in another order. */
    assert_ok(trb_work_create(net, ROWS, false, &work));
    trb_work_watch(work, give, take, &w);
    assert_ok(trb_net_forward(net, work, params, ROWS, x, NULL, &z));
    assert_int_equal(w.needed, weighted);
    trb_work_destroy(work);
    trb_free(all), trb_free(x), trb_free(first), trb_free(grad), trb_free(params);
}

static void parameters_are_asked_for_before_they_are_read(void **state)
{
    (void)state;
    static const char layers[] = "conv 16 3 pad 1 bias, norm, relu, fork, conv 32 3 pad 1, norm, shortcut, conv 32 1, "
                                 "norm, add, relu, split, conv 16 3, norm, relu, dense 9, relu, dense 3";
    trb_net *whole = NULL, *body = NULL, *behind = NULL, *window = NULL;
    assert_ok(trb_net_create(layers, (trb_shape){3, 8, 8}, M, &whole));
    watch(whole, 10);
    assert_ok(trb_net_cut(whole, M, &body, &behind));
    watch(body, 6);
    watch(behind, 4);
    assert_ok(trb_net_window(behind, 1, 3, &window));
    watch(window, 4);
    trb_net_destroy(whole), trb_net_destroy(body), trb_net_destroy(behind), trb_net_destroy(window);

    /* What heads share is asked for with each window's own. */
    assert_ok(trb_net_create("split, rank1 conv 16 3 pad 1 bias, norm, relu, rank1 conv 8 1, rank1 dense 9, relu, "
                             "rank1 dense 3",
                             (trb_shape){3, 8, 8}, M, &whole));
    watch(whole, 5);
    assert_ok(trb_net_window(whole, 1, 3, &window));
    watch(window, 5);
    trb_net_destroy(whole), trb_net_destroy(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_whole),
        cmocka_unit_test(a_cut_keeps_names_and_shapes),
        cmocka_unit_test(what_cannot_be_cut_is_refused),
        cmocka_unit_test(copies_go_by_names),
        cmocka_unit_test(copies_that_do_not_fit_are_refused),
        cmocka_unit_test(parameters_are_asked_for_before_they_are_read),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
