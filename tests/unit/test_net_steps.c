/* What a training step promises besides its numbers: no allocation, any number of rows up to the workspace's, the same
 * bits in every workspace, dropout that follows the sample. */
#include "numbers.h"

#include "tribikos/loss.h"
#include "tribikos/optim.h"

enum { D = 7, ROWS = 8 };

typedef struct {
    trb_net *net;
    float *params, *x;
} model;

static model make(const char *layers, size_t heads)
{
    model m = {0};
    assert_ok(trb_net_create(layers, (trb_shape){D, 1, 1}, heads, &m.net));
    m.params = room(trb_net_size(m.net), sizeof(float));
    trb_net_init(m.net, TRB_INIT_HE, 3, 0, m.params);
    m.x = normals(ROWS * D, 1.0F, 1);
    return m;
}

static void clear(model m)
{
    trb_net_destroy(m.net);
    trb_free(m.params), trb_free(m.x);
}

static trb_work *workspace(model m, size_t rows, bool training)
{
    trb_work *work = NULL;
    assert_ok(trb_work_create(m.net, rows, training, &work));
    return work;
}

static size_t outputs(model m)
{
    return trb_net_heads(m.net) * trb_net_outputs(m.net);
}

static const char *const hydra = "dense 6, relu, dropout 0.4, split, dense 5, relu, dense 4";
static const int64_t ids[ROWS] = {4, 9, 1, 77, 0, 5, 6, 12};

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    const model m = make(hydra, 3);
    const size_t n = trb_net_size(m.net);
    trb_work *work = workspace(m, ROWS, true);
    float *grad = room(n, sizeof *grad), *m1 = room(n, sizeof *m1), *m2 = room(n, sizeof *m2);
    float *t = normals(ROWS * outputs(m), 3.0F, 2), *dz = room(ROWS * outputs(m), sizeof *dz);
    const trb_optim adam = {.kind = TRB_OPTIM_ADAM, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    const size_t before = trb_mem_allocations();
    double first = 0.0, loss = 0.0;
    for (uint64_t step = 1; step <= 60; step++) {
        const trb_draw draw = {.seed = 1, .member = 0, .epoch = step, .sample = ids};
        const float *z = NULL;
        assert_ok(trb_net_forward(m.net, work, m.params, ROWS, m.x, &draw, &z));
        assert_ok(trb_loss_kd(ROWS, 3, 4, ROWS, 2.0F, z, t, &loss, dz));
        assert_ok(trb_net_backward(m.net, work, m.params, dz, grad, NULL));
        trb_optim_update(&adam, m.net, step, 1.0F, 0, n, m.params, grad, m1, m2);
        if (step == 1) first = loss;
    }
    assert_int_equal(trb_mem_allocations(), before);
    assert_true(loss < 0.7 * first); /* and it learns */
    trb_work_destroy(work);
    trb_free(grad), trb_free(m1), trb_free(m2), trb_free(t), trb_free(dz);
    clear(m);
}

/* A lane of fewer rows than the workspace holds: as in a workspace of its size, bit for bit, without touching the rest.
 */
static void fewer_rows_than_room(void **state)
{
    (void)state;
    const model m = make(hydra, 3);
    trb_work *wide = workspace(m, ROWS, true), *tight = workspace(m, 3, true);
    const size_t n = trb_net_size(m.net);
    float *dz = normals(ROWS * outputs(m), 1.0F, 3), *g1 = room(n, sizeof *g1), *g2 = room(n, sizeof *g2);
    const trb_draw draw = {.seed = 1, .member = 0, .epoch = 1, .sample = ids};
    const float *z1 = NULL, *z2 = NULL;
    assert_ok(trb_net_forward(m.net, wide, m.params, ROWS, m.x, &draw, &z1)); /* leaves its traces */
    assert_ok(trb_net_forward(m.net, wide, m.params, 3, m.x, &draw, &z1));
    assert_ok(trb_net_forward(m.net, tight, m.params, 3, m.x, &draw, &z2));
    assert_memory_equal(z1, z2, 3 * outputs(m) * sizeof *z1);
    assert_ok(trb_net_backward(m.net, wide, m.params, dz, g1, NULL));
    assert_ok(trb_net_backward(m.net, tight, m.params, dz, g2, NULL));
    assert_memory_equal(g1, g2, n * sizeof *g1);
    trb_work_destroy(wide), trb_work_destroy(tight);
    trb_free(dz), trb_free(g1), trb_free(g2);
    clear(m);
}

static void inference_needs_less_and_says_the_same(void **state)
{
    (void)state;
    static const char *const lists[] = {"dense 6, relu, dropout 0.4, split, dense 5, relu, dense 4",
                                        "dropout 0.5, dense 9, dropout 0.5, dense 3, tanh, relu, dense 8, dropout 0.1",
                                        "relu, tanh, dense 4, tanh, dropout 0.5, relu"};
    for (size_t i = 0; i < 3; i++) {
        const model m = make(lists[i], i == 0 ? 3 : 1);
        const size_t none = trb_mem_bytes(TRB_MEM_ACTIVATIONS);
        trb_work *training = workspace(m, ROWS, true);
        const size_t with = trb_mem_bytes(TRB_MEM_ACTIVATIONS) - none;
        trb_work *inference = workspace(m, ROWS, false);
        assert_true(trb_mem_bytes(TRB_MEM_ACTIVATIONS) - none - with < with);
        const float *z1 = NULL, *z2 = NULL;
        assert_ok(trb_net_forward(m.net, training, m.params, ROWS, m.x, NULL, &z1));
        assert_ok(trb_net_forward(m.net, inference, m.params, ROWS, m.x, NULL, &z2));
        assert_memory_equal(z1, z2, ROWS * outputs(m) * sizeof *z1);
        trb_work_destroy(training), trb_work_destroy(inference);
        clear(m);
    }
}

/* The heads' products are made together; each head must still be the network that its parameters describe. */
static void a_head_is_a_network_of_its_own(void **state)
{
    (void)state;
    enum { HEADS = 3, K = 4 };
    const model many = make("dense 6, relu, split, dense 5, relu, dense 4", HEADS);
    const model one = make("dense 6, relu, split, dense 5, relu, dense 4", 1);
    trb_work *work = workspace(many, ROWS, false), *alone = workspace(one, ROWS, false);
    const float *z = NULL, *y = NULL;
    assert_ok(trb_net_forward(many.net, work, many.params, ROWS, many.x, NULL, &z));
    for (size_t h = 0; h < HEADS; h++) {
        for (size_t i = 0; i < trb_net_n_params(one.net); i++) {
            const trb_param *p = trb_net_param(one.net, i), *q = trb_net_param(many.net, i);
            memcpy(one.params + p->offset, many.params + q->offset + (q->head ? h * p->count : 0),
                   p->count * sizeof(float));
        }
        assert_ok(trb_net_forward(one.net, alone, one.params, ROWS, many.x, NULL, &y));
        for (size_t b = 0; b < ROWS; b++) /* sums of at most 7 products of magnitude 1, over three layers */
            for (size_t k = 0; k < K; k++)
                assert_near((double)z[(b * HEADS + h) * K + k], (double)y[b * K + k], 64 * ROUNDING);
    }
    trb_work_destroy(work), trb_work_destroy(alone);
    clear(many), clear(one);
}

/* A sample's mask is its own: wherever it stands in a batch, whatever the batch; another one each epoch and layer. */
static void dropout_follows_the_sample(void **state)
{
    (void)state;
    enum { WIDTH = 2000 };
    trb_net *net = NULL;
    trb_work *work = NULL;
    assert_ok(trb_net_create("dropout 0.3, dropout 0.3, dense 1", (trb_shape){WIDTH, 1, 1}, 1, &net));
    assert_ok(trb_work_create(net, 2, true, &work));
    float *params = room(trb_net_size(net), sizeof *params), *x = room(2 * WIDTH, sizeof *x);
    float *grad = room(trb_net_size(net), sizeof *grad), *dx[3];
    for (size_t i = 0; i < WIDTH; i++) params[i] = 1.0F;
    for (size_t i = 0; i < 2 * WIDTH; i++) x[i] = 1.0F;
    const int64_t batches[3][2] = {{5, 8}, {8, 5}, {5, 8}};
    const float ones[2] = {1.0F, 1.0F}, *z = NULL;
    for (size_t i = 0; i < 3; i++) {
        const trb_draw draw = {.seed = 1, .member = 0, .epoch = i == 2, .sample = batches[i]};
        dx[i] = room(2 * WIDTH, sizeof(float));
        assert_ok(trb_net_forward(net, work, params, 2, x, &draw, &z));
        assert_ok(trb_net_backward(net, work, params, ones, grad, dx[i])); /* dx: the product of both masks */
    }
    assert_memory_equal(dx[0], dx[1] + WIDTH, WIDTH * sizeof(float));
    assert_memory_equal(dx[0] + WIDTH, dx[1], WIDTH * sizeof(float));
    assert_memory_not_equal(dx[0], dx[0] + WIDTH, WIDTH * sizeof(float));
    assert_memory_not_equal(dx[0], dx[2], WIDTH * sizeof(float));
    /* Kept by both layers if they draw independently: 0.49 of 4000, deviation sqrt(4000 * 0.49 * 0.51) = 32; kept
     * ones count 1/0.49. With one mask for both it would be 0.7. */
    size_t kept = 0;
    for (size_t i = 0; i < 2 * WIDTH; i++) {
        if (dx[0][i] == 0.0F) continue;
        kept++;
        assert_near((double)dx[0][i], 1.0 / 0.49, 8 * ROUNDING);
    }
    assert_in_range(kept, 1960 - 160, 1960 + 160);
    for (size_t i = 0; i < 3; i++) trb_free(dx[i]);
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_free(params), trb_free(x), trb_free(grad);
}

/* A weight that is not a number must reach the loss, through every kind of layer. */
static void numbers_that_are_none_are_not_hidden(void **state)
{
    (void)state;
    const model m = make("dense 6, relu, dense 5, relu, tanh, relu, dense 4", 1);
    trb_work *work = workspace(m, ROWS, false);
    const float *z = NULL;
    m.params[3] = NAN;
    assert_ok(trb_net_forward(m.net, work, m.params, ROWS, m.x, NULL, &z));
    assert_true(isnan(z[0]));
    trb_work_destroy(work);
    clear(m);
}

static void misuse_is_told(void **state)
{
    (void)state;
    const model m = make(hydra, 3);
    trb_work *training = workspace(m, 4, true), *inference = workspace(m, 4, false);
    float *grad = room(trb_net_size(m.net), sizeof *grad), *dz = room(ROWS * outputs(m), sizeof *dz);
    const trb_draw draw = {.sample = ids};
    const float *z = NULL;
    assert_fails(trb_net_backward(m.net, training, m.params, dz, grad, NULL), TRB_EINTERNAL, "without a forward pass");
    assert_fails(trb_net_forward(m.net, training, m.params, 5, m.x, NULL, &z), TRB_EINTERNAL, "5 rows");
    assert_fails(trb_net_forward(m.net, training, m.params, 0, m.x, NULL, &z), TRB_EINTERNAL, "0 rows");
    assert_fails(trb_net_forward(m.net, inference, m.params, 4, m.x, &draw, &z), TRB_EINTERNAL, "inference");
    assert_ok(trb_net_forward(m.net, inference, m.params, 4, m.x, NULL, &z));
    assert_fails(trb_net_backward(m.net, inference, m.params, dz, grad, NULL), TRB_EINTERNAL, "training");
    trb_work_destroy(training), trb_work_destroy(inference);
    trb_free(grad), trb_free(dz);
    clear(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(fewer_rows_than_room),
        cmocka_unit_test(inference_needs_less_and_says_the_same),
        cmocka_unit_test(a_head_is_a_network_of_its_own),
        cmocka_unit_test(dropout_follows_the_sample),
        cmocka_unit_test(numbers_that_are_none_are_not_hidden),
        cmocka_unit_test(misuse_is_told),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
