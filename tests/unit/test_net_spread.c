/* Heads that are spread around their mean, beyond what PyTorch says of them (test_net_golden.c). */
#include "numbers.h"

#include "tribikos/net.h"

enum { M = 3, ROWS = 7 };
static const trb_shape ten = {10, 1, 1};

typedef struct {
    trb_net *net;
    trb_work *work;
    const float *z;
    size_t n; /* floats of z */
} pass;

static pass run(const char *layers, trb_shape shape, size_t heads, bool training, const float *params, const float *x)
{
    pass p = {.net = NULL};
    assert_ok(trb_net_create(layers, shape, heads, &p.net));
    assert_ok(trb_work_create(p.net, ROWS, training, &p.work));
    assert_ok(trb_net_forward(p.net, p.work, params, ROWS, x, NULL, &p.z));
    p.n = ROWS * heads * trb_net_outputs(p.net);
    return p;
}

static void end(pass *p)
{
    trb_work_destroy(p->work);
    trb_net_destroy(p->net);
}

/* Of M heads, to the bit: c + S (x_m - c) in double, rounded once. Wider than one of the layer's chunks. */
static void deviations_are_multiplied(void **state)
{
    (void)state;
    enum { WIDTH = 130 };
    float *params = normals(10000, 0.3F, 1), *x = normals(ROWS * 10, 1.0F, 2);
    for (int training = 0; training < 2; training++) {
        pass plain = run("dense 8, relu, split, dense 130", ten, M, training == 1, params, x);
        pass spread = run("dense 8, relu, split, dense 130, spread 1.7", ten, M, training == 1, params, x);
        for (size_t row = 0; row < ROWS; row++)
            for (size_t k = 0; k < WIDTH; k++) {
                const float *from = plain.z + row * M * WIDTH + k;
                const double c = ((double)from[0] + (double)from[WIDTH] + (double)from[2 * WIDTH]) / M;
                for (size_t m = 0; m < M; m++)
                    assert_near((double)spread.z[(row * M + m) * WIDTH + k], c + 1.7 * ((double)from[m * WIDTH] - c),
                                1e-7 * fmax(1.0, fabs((double)from[m * WIDTH])));
            }
        end(&plain), end(&spread);
    }
    trb_free(params), trb_free(x);
}

/* Of images too, whose convolutions keep channels in layouts of their own. */
static void images_as_well(void **state)
{
    (void)state;
    const trb_shape image = {2, 5, 4};
    float *params = normals(20000, 0.2F, 1), *x = normals(ROWS * trb_shape_size(image), 1.0F, 2);
    for (int training = 0; training < 2; training++) {
        pass plain = run("conv 16 3 pad 1, split, conv 20 3 pad 1, relu", image, M, training == 1, params, x);
        pass spread =
            run("conv 16 3 pad 1, split, conv 20 3 pad 1, relu, spread 3", image, M, training == 1, params, x);
        const size_t K = trb_net_outputs(plain.net);
        double largest = 0.0;
        for (size_t i = 0; i < plain.n; i++) {
            const float *from = plain.z + i / (M * K) * M * K + i % K;
            const double c = ((double)from[0] + (double)from[K] + (double)from[2 * K]) / M;
            assert_near((double)spread.z[i], c + 3.0 * ((double)plain.z[i] - c), 1e-5);
            largest = fmax(largest, fabs((double)plain.z[i] - c));
        }
        assert_true(largest > 0.1);
        end(&plain), end(&spread);
    }
    trb_free(params), trb_free(x);
}

/* One head, as in the first phase of a Hydra, gives the bits of a list without; so do heads that are copies of it, and
 * its gradient. */
static void one_head_stays_as_it_is(void **state)
{
    (void)state;
    static const struct {
        trb_shape shape;
        const char *plain, *spread;
    } cases[] = {
        {{10, 1, 1},
         "dense 8, relu, split, dense 7, relu, dense 3",
         "dense 8, relu, split, spread 2, dense 7, spread 1.7, relu, dense 3, spread 0.3"},
        {{2, 5, 4},
         "conv 16 3 pad 1, split, conv 16 3, norm, relu, dense 3",
         "conv 16 3 pad 1, split, conv 16 3, norm, spread 1.7, relu, dense 3, spread 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int training = 0; training < 2; training++) {
            const size_t D = trb_shape_size(cases[i].shape);
            float *params = normals(10000, 0.3F, 1), *x = normals(ROWS * D, 1.0F, 2), *copies = room(30000, sizeof *x);
            for (size_t k = 0; k < 10000; k++) params[k] = fabsf(params[k]);
            pass plain = run(cases[i].plain, cases[i].shape, 1, training == 1, params, x);
            pass spread = run(cases[i].spread, cases[i].shape, 1, training == 1, params, x);
            trb_time times[TRB_TIMES_MAX]; /* there is no such step */
            for (size_t k = trb_work_measured(spread.work, times); k-- > 0;)
                assert_string_not_equal(times[k].kind, "spread");
            assert_int_equal(trb_net_size(plain.net), trb_net_size(spread.net));
            assert_memory_equal(plain.z, spread.z, plain.n * sizeof *plain.z);
            trb_net *many = NULL;
            assert_ok(trb_net_create(cases[i].spread, cases[i].shape, M, &many));
            assert_ok(trb_net_copy(spread.net, params, many, 0, M, copies));
            pass all = run(cases[i].spread, cases[i].shape, M, training == 1, copies, x);
            const size_t K = trb_net_outputs(many);
            for (size_t k = 0; k < all.n; k++)
                assert_near((double)all.z[k], (double)spread.z[k / (M * K) * K + k % K],
                            200 * ROUNDING * fmax(1.0, fabs((double)all.z[k])));
            if (training == 1) {
                float *a = room(10000, sizeof *a), *b = room(10000, sizeof *b);
                assert_ok(trb_net_backward(plain.net, plain.work, params, plain.z, a, NULL));
                assert_ok(trb_net_backward(spread.net, spread.work, params, spread.z, b, NULL));
                assert_memory_equal(a, b, trb_net_size(plain.net) * sizeof *a);
                trb_free(a), trb_free(b);
            }
            end(&plain), end(&spread), end(&all);
            trb_net_destroy(many);
            trb_free(params), trb_free(x), trb_free(copies);
        }
}

/* The list that is asked for; and the slab stays what it was, whose heads the new list spreads further. */
static void lists_end_in_another_spread(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        double was, S;
        const char *becomes;
    } cases[] = {
        {"dense 8, split, dense 3", 1.0, 1.5512, "dense 8, split, dense 3, spread 1.5512"},
        {"dense 8, split, name fc, dense 3, spread 1.50", 1.5, 2.25, "dense 8, split, name fc, dense 3, spread 2.25"},
        {"dense 8, split, spread 2, dense 3", 1.0, 1000.0, "dense 8, split, spread 2, dense 3, spread 1000"},
        {"split, rank1 dense 3, spread 2", 2.0, 0.001, "split, rank1 dense 3, spread 0.001"},
        {"split, dense 3, spread 2, relu", 1.0, 1.0, "split, dense 3, spread 2, relu, spread 1"},
        {"split, dense 3", 1.0, 1.2345678901234567, "split, dense 3, spread 1.2345678901234567"},
    };
    float *params = normals(1000, 0.3F, 1), *x = normals(ROWS * 10, 1.0F, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trb_net *net = NULL, *other = NULL;
        assert_ok(trb_net_create(cases[i].list, ten, M, &net));
        assert_true(trb_net_spread(net) == cases[i].was);
        assert_ok(trb_net_respread(net, cases[i].S, &other));
        assert_string_equal(trb_net_layers(other), cases[i].becomes);
        assert_true(trb_net_spread(other) == cases[i].S);
        assert_int_equal(trb_net_size(other), trb_net_size(net));
        assert_int_equal(trb_net_heads(other), M);
        for (size_t k = 0; k < trb_net_n_params(net); k++) {
            assert_string_equal(trb_net_param(net, k)->name, trb_net_param(other, k)->name);
            assert_int_equal(trb_net_param(net, k)->offset, trb_net_param(other, k)->offset);
        }
        pass before = run(cases[i].list, ten, M, false, params, x);
        pass after = run(trb_net_layers(other), ten, M, false, params, x);
        const double factor = cases[i].S / cases[i].was;
        const size_t K = trb_net_outputs(net);
        for (size_t j = 0; j < ROWS * K; j++) { /* the difference of two heads */
            const size_t at = j / K * M * K + j % K;
            const double was = (double)before.z[at] - (double)before.z[at + K];
            const double is = (double)after.z[at] - (double)after.z[at + K];
            assert_near(is, factor * was, 1e-5 * fmax(1.0, factor));
        }
        end(&before), end(&after);
        trb_net_destroy(net), trb_net_destroy(other);
    }
    trb_free(params), trb_free(x);
    trb_net *net = NULL, *other = NULL;
    assert_ok(trb_net_create("dense 3", ten, 1, &net));
    assert_fails(trb_net_respread(net, 1.5, &other), TRB_ECONFIG, "spread stands behind the split");
    trb_net_destroy(net);
    assert_ok(trb_net_create("split, dense 3", ten, M, &net));
    assert_fails(trb_net_respread(net, 1001.0, &other), TRB_ECONFIG, "a factor from 0.001 to 1000");
    trb_net_destroy(net);
    assert_ok(trb_net_create("split, rank1 dense 3, spread 2", ten, M, &net));
    assert_fails(trb_net_plain(net, &other), TRB_ECONFIG, "does not fold: one head has nothing for spread to act on");
    trb_net_destroy(net);
    assert_null(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deviations_are_multiplied), cmocka_unit_test(images_as_well),
        cmocka_unit_test(one_head_stays_as_it_is),   cmocka_unit_test(lists_end_in_another_spread),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
