/* What passes promise beyond their numbers: that joined layers do what layers do, bits, and telling what is wrong. */
#include "numbers.h"

#include "tribikos/blas.h"
#include "tribikos/net.h"

static const int64_t ids[16] = {0};
static const trb_draw training = {.sample = ids};

/* Both sides are in single precision, and fold, add and convolve in another order: a few dozen roundings of sums of
 * some hundred terms. */
static const double near = 500 * ROUNDING;

/* What inference joins together is what training does step by step, with running statistics: for forks at odd places,
 * with more rows than a slice, and every row by itself. */
static void joined_layers_are_layers(void **state)
{
    (void)state;
    enum { ROWS = 70, ALONE = 5 };
    static const struct {
        const char *layers;
        size_t heads;
    } cases[] = {
        {"conv 16 3 pad 1, norm, relu, fork, conv 16 3 pad 1, norm, add, relu, dense 2", 1},
        {"conv 16 3 pad 1, fork, conv 16 3 pad 1, add", 1},
        {"conv 16 1, fork, shortcut, conv 16 1, add, dense 2", 1},
        {"conv 16 1, fork, dropout 0.5, shortcut, conv 16 1, add, relu, dense 2", 1},
        {"conv 16 3 pad 1, fork, add, relu, dense 2", 1},
        {"fork, conv 3 3 pad 1, add, relu, fork, relu, add, dense 2", 1},
        {"conv 16 3 pad 1, relu, fork, norm, add, tanh, dense 2", 1},
        {"conv 32 3 pad 1, norm, relu, fork, conv 32 3 pad 1, norm, relu, conv 32 3 pad 1, norm, add, relu, dense 3",
         1},
        {"conv 16 1, split, fork, conv 16 3 pad 1, add, dense 2", 1},
        {"conv 16 1, split, fork, conv 16 3 pad 1, add, dense 2", 3},
        {"conv 16 1, split, conv 16 1, fork, conv 16 3 pad 1, norm, add, relu, dense 2", 3},
        {"conv 32 1, split, conv 32 1, fork, conv 32 3 pad 1, norm, add, relu, fork, conv 32 3 pad 1, add, dense 2", 2},
        {"conv 5 3 pad 1, split, fork, shortcut, conv 5 1, norm, add, avgpool 2, dense 2", 3},
        {"conv 16 3 pad 1, maxpool 2, split, norm, conv 7 3 pad 1, norm, relu, fork, relu, add, dense 2", 2},
        {"dense 7, norm, relu, fork, dense 7, add, dense 2", 1},
        {"split, rank1 conv 16 3 pad 1, norm, relu, fork, rank1 conv 16 3 pad 1, norm, add, relu, rank1 dense 2", 3},
        {"split, norm, rank1 conv 32 1 bias, fork, rank1 conv 32 3 pad 1, norm, add, relu, rank1 dense 2", 2},
        {"split, rank1 dense 7, norm, relu, fork, rank1 dense 7, add, rank1 dense 2", 3},
        {"conv 16 1, split, conv 16 3 pad 1, spread 3, norm, relu, fork, conv 16 3 pad 1, spread 2, add, relu, spread "
         "0.5, dense 2, relu, spread 4",
         3},
        {"conv 16 1, split, conv 16 3 pad 1, spread 3, norm, relu, dense 2, spread 4", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trb_net *net = NULL;
        trb_work *work = NULL, *inference = NULL, *alone = NULL;
        assert_ok(trb_net_create(cases[i].layers, (trb_shape){3, 6, 5}, cases[i].heads, &net));
        assert_ok(trb_work_create(net, ROWS, true, &work));
        assert_ok(trb_work_create(net, ROWS, false, &inference));
        assert_ok(trb_work_create(net, 1, false, &alone));
        const size_t D = trb_net_inputs(net), width = cases[i].heads * trb_net_outputs(net);
        float *params = normals(trb_net_size(net), 0.3F, 1), *x = normals(ROWS * D, 1.0F, 2);
        for (size_t k = trb_net_trained(net); k < trb_net_size(net); k++) params[k] = fabsf(params[k]) + 0.5F;
        const float *z = NULL, *joined = NULL, *one = NULL;
        assert_ok(trb_net_forward(net, work, params, ROWS, x, NULL, &z));
        assert_ok(trb_net_forward(net, inference, params, ROWS, x, NULL, &joined));
        double largest = 0.0;
        for (size_t k = 0; k < ROWS * width; k++) largest = fmax(largest, fabs((double)z[k]));
        for (size_t k = 0; k < ROWS * width; k++)
            assert_near_at((double)joined[k], (double)z[k], near * largest, cases[i].layers, k, __FILE__, __LINE__);
        for (size_t r = 0; r < ROWS; r += ROWS / ALONE) {
            assert_ok(trb_net_forward(net, alone, params, 1, x + r * D, NULL, &one));
            for (size_t k = 0; k < width; k++)
                assert_near_at((double)one[k], (double)z[r * width + k], near * largest, cases[i].layers, r, __FILE__,
                               __LINE__);
        }
        trb_work_destroy(work), trb_work_destroy(inference), trb_work_destroy(alone);
        trb_net_destroy(net);
        trb_free(params), trb_free(x);
    }
}

/* A lane's slab begins anywhere, and so may its rows. */
static void bits_do_not_depend_on_alignment(void **state)
{
    (void)state;
    enum { ROWS = 4, OFFSETS = 16 };
    static const char layers[] = "conv 32 3 pad 1 bias, norm, relu, conv 32 3 pad 1, norm, relu, maxpool 2, split, "
                                 "conv 16 3, norm, relu, conv 20 1, globalpool, dense 40, relu, dense 3";
    trb_net *net = NULL;
    trb_work *work = NULL;
    assert_ok(trb_net_create(layers, (trb_shape){3, 8, 8}, 2, &net));
    assert_ok(trb_work_create(net, ROWS, true, &work));
    const size_t size = trb_net_size(net), D = ROWS * trb_net_inputs(net), Z = ROWS * 2 * 3;
    float *params = normals(size, 0.2F, 1), *x = normals(D, 1.0F, 2), *dz = normals(Z, 1.0F, 3);
    float *grad = room(size, sizeof *grad), *first = room(Z, sizeof *first);
    float *params2 = room(size + OFFSETS, sizeof *params), *x2 = room(D + OFFSETS, sizeof *x);
    float *grad2 = room(size + OFFSETS, sizeof *grad), *dz2 = room(Z + OFFSETS, sizeof *dz);
    const float *z = NULL;
    assert_ok(trb_net_forward(net, work, params, ROWS, x, &training, &z));
    memcpy(first, z, Z * sizeof *z);
    assert_ok(trb_net_backward(net, work, params, dz, grad, NULL));
    for (size_t o = 1; o < OFFSETS; o++) {
        const float *p = memcpy(params2 + o, params, size * sizeof *p);
        const float *d = memcpy(dz2 + 3 * o % OFFSETS, dz, Z * sizeof *d);
        const float *from = memcpy(x2 + 5 * o % OFFSETS, x, D * sizeof *from);
        assert_ok(trb_net_forward(net, work, p, ROWS, from, &training, &z));
        assert_memory_equal(z, first, Z * sizeof *z);
        assert_ok(trb_net_backward(net, work, p, d, grad2 + 7 * o % OFFSETS, NULL));
        assert_memory_equal(grad2 + 7 * o % OFFSETS, grad, size * sizeof *grad);
    }
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_free(params), trb_free(x), trb_free(dz), trb_free(grad), trb_free(first);
    trb_free(params2), trb_free(x2), trb_free(grad2), trb_free(dz2);
}

static void bits_do_not_depend_on_alignment_in_bfloat16(void **state)
{
    bfloat16_or_skip();
    bits_do_not_depend_on_alignment(state);
    assert_ok(trb_precision_set(TRB_PRECISION_F32));
}

/* A relu behind a norm would turn it into a zero, and the loss would look sound. */
static void what_is_not_a_number_is_told(void **state)
{
    (void)state;
    trb_net *net = NULL;
    trb_work *work = NULL;
    const float *z = NULL;
    assert_ok(
        trb_net_create("name stem, conv 16 3, norm, relu, conv 5 3, relu, dense 2", (trb_shape){3, 6, 6}, 1, &net));
    assert_ok(trb_work_create(net, 2, true, &work));
    float *params = normals(trb_net_size(net), 0.2F, 1), *x = normals(2 * trb_net_inputs(net), 1.0F, 2);
    assert_ok(trb_net_forward(net, work, params, 2, x, &training, &z));
    x[7] = NAN;
    assert_fails(trb_net_forward(net, work, params, 2, x, &training, &z), TRB_ENUM, "stem.1: batch normalisation");
    assert_fails(trb_net_backward(net, work, params, z, params, NULL), TRB_EINTERNAL, "without a forward pass");
    x[7] = 0.0F;
    params[trb_net_param(net, 3)->offset] = NAN; /* of the second convolution */
    assert_ok(trb_net_forward(net, work, params, 2, x, &training, &z));
    assert_true(isnan(z[0]));
    assert_fails(trb_net_forward(net, work, params, 1, x, &training, &z), TRB_EINTERNAL, "1 images");
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_free(params), trb_free(x);
}

static void operations_are_counted(void **state)
{
    (void)state;
    trb_net *net = NULL;
    trb_work *work = NULL;
    assert_ok(trb_net_create("resnet20 10", (trb_shape){3, 32, 32}, 1, &net));
    /* The stem; six convolutions of stage 1; in stages 2 and 3 a first one with half the channels, its projection, and
     * five more; the last layer. */
    const double each = 16 * 16 * 9 * 32 * 32, stage = each / 2 + each / 18 + 5 * each;
    assert_true(trb_net_macs(net) == 3 * 16 * 9 * 32 * 32 + 6 * each + 2 * stage + 640);
    trb_net_destroy(net);

    const double conv = 2 * 2 * 2 * 9, dense = 3 * 5 * 8;
    assert_ok(trb_net_create("conv 2 3, norm, relu, split, dense 5", (trb_shape){1, 4, 4}, 3, &net));
    assert_true(trb_net_macs(net) == conv + dense);
    assert_ok(trb_work_create(net, 2, true, &work));
    float *params = normals(trb_net_size(net), 0.2F, 1), *x = normals(2 * 16, 1.0F, 2);
    float *grad = room(trb_net_size(net), sizeof *grad);
    const float *z = NULL;
    trb_time times[TRB_TIMES_MAX];
    trb_work_measure(work);
    assert_ok(trb_net_forward(net, work, params, 2, x, &training, &z));
    assert_ok(trb_net_backward(net, work, params, z, grad, NULL));
    const size_t n = trb_work_measured(work, times);
    double there = 0.0, back = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(times[i].kind, "conv") == 0) assert_true(times[i].forward_s > 0.0 && times[i].backward_s > 0.0);
        there += times[i].forward_macs, back += times[i].backward_macs;
    }
    assert_true(there == conv + dense);
    assert_true(back == conv + 2 * dense); /* the first layer has no gradient by its input */
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_free(params), trb_free(x), trb_free(grad);
}

typedef struct {
    const trb_net *net;
    const float *grad;
    size_t calls, from; /* what was said last */
} watcher;

static void check_ready(void *ctx, size_t from)
{
    watcher *w = ctx;
    assert_true(from < w->from);
    for (size_t i = from; i < trb_net_trained(w->net); i++) assert_true(w->grad[i] == w->grad[i]);
    w->from = from;
    w->calls++;
}

/* A gradient that is said to be ready is written, and at the end all of it was said to be. */
static void gradients_are_told_when_they_are_ready(void **state)
{
    (void)state;
    enum { ROWS = 4, WEIGHTED = 10 };
    static const char layers[] = "conv 16 3 pad 1 bias, norm, relu, fork, conv 32 3 pad 1, norm, shortcut, conv 32 1, "
                                 "norm, add, relu, split, conv 16 3, norm, relu, dense 9, relu, dense 3";
    trb_net *net = NULL;
    trb_work *work = NULL;
    assert_ok(trb_net_create(layers, (trb_shape){3, 8, 8}, 2, &net));
    assert_ok(trb_work_create(net, ROWS, true, &work));
    const size_t n = trb_net_size(net);
    float *params = normals(n, 0.2F, 1), *x = normals(ROWS * 192, 1.0F, 2), *grad = room(n, sizeof *grad);
    watcher w = {.net = net, .grad = grad, .from = n};
    const float *z = NULL;
    for (size_t i = 0; i < n; i++) grad[i] = NAN;
    trb_work_watch(work, NULL, check_ready, &w);
    assert_ok(trb_net_forward(net, work, params, ROWS, x, &training, &z));
    assert_ok(trb_net_backward(net, work, params, z, grad, NULL));
    assert_int_equal(w.calls, WEIGHTED);
    assert_int_equal(w.from, 0);
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_free(params), trb_free(x), trb_free(grad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_layers_are_layers),
        cmocka_unit_test(bits_do_not_depend_on_alignment),
        cmocka_unit_test(bits_do_not_depend_on_alignment_in_bfloat16),
        cmocka_unit_test(what_is_not_a_number_is_told),
        cmocka_unit_test(operations_are_counted),
        cmocka_unit_test(gradients_are_told_when_they_are_ready),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
