/* Heads that share weights: what each is as a network of its own, how lists are made, and what folding makes of them.
 * */
#include "numbers.h"

#include "tribikos/net.h"

enum { M = 3, ROWS = 6 };
static const int64_t ids[ROWS] = {4, 0, 3, 9, 1, 2};
static const trb_draw training = {.seed = 1, .sample = ids};

/* Sums of some hundred products in another order, over a few layers. */
static const double near = 500 * ROUNDING;

static const struct {
    const char *plain, *list;
    trb_shape input;
} cases[] = {
    {"dense 12, relu, dropout 0.2, dense 9, tanh, dense 5",
     "split, rank1 dense 12, relu, dropout 0.2, rank1 dense 9, tanh, rank1 dense 5",
     {10, 1, 1}},
    {"name stem, conv 16 3 pad 1, norm, relu, fork, conv 16 3 pad 1 bias, norm, relu, conv 16 3 pad 1, add, relu, name "
     "fc, "
     "globalpool, dense 4",
     "split, name stem, rank1 conv 16 3 pad 1, norm, relu, fork, rank1 conv 16 3 pad 1 bias, norm, relu, rank1 conv 16 "
     "3 "
     "pad 1, add, relu, name fc, globalpool, rank1 dense 4",
     {3, 6, 5}},
    {"conv 5 3, maxpool 2, dense 4", "split, rank1 conv 5 3, maxpool 2, rank1 dense 4", {2, 6, 6}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static float *params_of(const trb_net *net)
{
    float *p = normals(trb_net_size(net), 0.4F, 1);
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *q = trb_net_param(net, i);
        for (size_t j = 0; j < q->count && q->factor; j++) p[q->offset + j] += 1.0F;
        for (size_t j = 0; j < q->count && q->statistic; j++) p[q->offset + j] = fabsf(p[q->offset + j]) + 0.5F;
    }
    return p;
}

/* The tensor of a table that a tensor of the plain network is of, "heads.0.s" for "body.0.weight" and "s". */
static const trb_param *tensor(const trb_net *net, const char *plain, const char *last)
{
    char name[96];
    const char *dot = strrchr(plain, '.');
    (void)snprintf(name, sizeof name, "heads%.*s.%s", (int)(dot - plain - 4), plain + 4, last);
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (strcmp(trb_net_param(net, i)->name, name) == 0) return trb_net_param(net, i);
    return NULL;
}

/* The factor at element j of a weight: of one head, or (head M) of all on average. */
static double factor_of(const trb_net *net, const float *params, const trb_param *weight, size_t head, size_t j)
{
    const trb_param *r = tensor(net, weight->name, "r"), *s = tensor(net, weight->name, "s");
    double sum = 0.0;
    if (r == NULL) return 1.0;
    const size_t C = r->shape[1], N = s->shape[1], n = j / (weight->count / N), c = j / (weight->count / (N * C)) % C;
    for (size_t m = 0; m < M; m++)
        if (head == M || m == head)
            sum += (double)params[s->offset + m * N + n] * (double)params[r->offset + m * C + c];
    return head == M ? sum / M : sum;
}

/* The plain network that a head is. */
static void take_head(const trb_net *net, const float *params, size_t m, const trb_net *plain, float *to)
{
    for (size_t i = 0; i < trb_net_n_params(plain); i++) {
        const trb_param *p = trb_net_param(plain, i), *q = tensor(net, p->name, strrchr(p->name, '.') + 1);
        assert_non_null(q);
        assert_int_equal(q->count, q->head ? M * p->count : p->count);
        for (size_t j = 0; j < p->count; j++)
            to[p->offset + j] = q->head ? params[q->offset + m * p->count + j]
                                        : (float)((double)params[q->offset + j] * factor_of(net, params, p, m, j));
    }
}

static void lists_are_made(void **state)
{
    (void)state;
    char *out = NULL;
    for (size_t i = 0; i < N_CASES; i++) {
        assert_ok(trb_net_rank1(cases[i].plain, &out));
        assert_string_equal(out, cases[i].list);
        trb_free(out);
    }
    assert_ok(trb_net_rank1("resnet20 10", &out));
    trb_net *net = NULL, *plain = NULL;
    assert_ok(trb_net_create(out, (trb_shape){3, 32, 32}, 4, &net));
    assert_string_equal(trb_net_layers(net), out);
    trb_free(out);
    assert_ok(trb_net_plain(net, &plain));
    assert_ok(trb_net_expand("resnet20 10", &out));
    assert_string_equal(trb_net_layers(plain), out);
    trb_free(out);
    trb_net_destroy(net), trb_net_destroy(plain);

    assert_ok(trb_net_rank1("dense 3, relu, split, dense 2", &out));
    assert_string_equal(out, "split, rank1 dense 3, relu, rank1 dense 2");
    trb_free(out);

    out = NULL;
    assert_fails(trb_net_rank1("relu, rank1 dense 2", &out), TRB_ECONFIG, "item 2, \"rank1 dense 2\": a list of rank1");
    assert_fails(trb_net_rank1("relu, norm", &out), TRB_ECONFIG, "\"relu, norm\" has no dense layer and no conv");
    assert_fails(trb_net_rank1("dens 3", &out), TRB_ECONFIG, "did you mean \"dense\"");
    assert_null(out);
}

static void the_table_has_what_is_shared_once(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t ndim, shape[4], offset;
        bool head, decays, factor, statistic;
    } expected[] = {
        {"heads.0.weight", 4, {4, 2, 3, 3}, 0, false, true, false, false},
        {"heads.0.r", 2, {3, 2}, 72, true, false, true, false},
        {"heads.0.s", 2, {3, 4}, 78, true, false, true, false},
        {"heads.1.weight", 2, {3, 4}, 90, true, false, false, false},
        {"heads.1.bias", 2, {3, 4}, 102, true, false, false, false},
        {"heads.2.weight", 2, {5, 16}, 114, false, true, false, false},
        {"heads.2.r", 2, {3, 16}, 194, true, false, true, false},
        {"heads.2.s", 2, {3, 5}, 242, true, false, true, false},
        {"heads.2.bias", 2, {3, 5}, 257, true, false, false, false},
        {"heads.1.running_mean", 2, {3, 4}, 272, true, false, false, true},
        {"heads.1.running_var", 2, {3, 4}, 284, true, false, false, true},
    };
    enum { TENSORS = sizeof expected / sizeof *expected };
    trb_net *net = NULL;
    assert_ok(trb_net_create("split, rank1 conv 4 3, norm, rank1 dense 5", (trb_shape){2, 4, 4}, M, &net));
    assert_int_equal(trb_net_n_params(net), TENSORS);
    assert_int_equal(trb_net_size(net), 296);
    for (size_t i = 0; i < TENSORS; i++) {
        const trb_param *p = trb_net_param(net, i);
        assert_string_equal(p->name, expected[i].name);
        assert_int_equal(p->ndim, expected[i].ndim);
        for (size_t d = 0; d < p->ndim; d++) assert_int_equal(p->shape[d], expected[i].shape[d]);
        assert_int_equal(p->offset, expected[i].offset);
        assert_true(p->head == expected[i].head && p->decays == expected[i].decays && p->factor == expected[i].factor &&
                    p->statistic == expected[i].statistic);
    }
    assert_int_equal(trb_net_param(net, 0)->fan_in, 18);
    trb_net_destroy(net);
}

/* Shared weights begin as a plain layer's, factors as signs or around one; more heads leave the first ones as they are.
 */
static void factors_are_drawn(void **state)
{
    (void)state;
    enum { MANY = 50 };
    trb_net *one = NULL, *many = NULL, *plain = NULL;
    assert_ok(trb_net_create("split, rank1 dense 30", (trb_shape){40, 1, 1}, 1, &one));
    assert_ok(trb_net_create("split, rank1 dense 30", (trb_shape){40, 1, 1}, MANY, &many));
    assert_ok(trb_net_create("dense 30", (trb_shape){40, 1, 1}, 1, &plain));
    float *a = room(trb_net_size(one), sizeof *a), *b = room(trb_net_size(many), sizeof *b);
    float *c = room(trb_net_size(plain), sizeof *c);
    trb_net_init(one, TRB_INIT_HE, 3, 4, a);
    trb_net_init(many, TRB_INIT_HE, 3, 4, b);
    trb_net_init(plain, TRB_INIT_HE, 3, 4, c);
    assert_memory_equal(a, c, 1200 * sizeof *a);
    assert_memory_equal(b, c, 1200 * sizeof *a);
    for (size_t i = 1; i < 3; i++) {
        const trb_param *p = trb_net_param(one, i), *q = trb_net_param(many, i);
        double sum = 0.0;
        assert_memory_equal(a + p->offset, b + q->offset, p->count * sizeof *a);
        for (size_t j = 0; j < q->count; j++) {
            assert_true(fabsf(b[q->offset + j]) == 1.0F);
            sum += (double)b[q->offset + j];
        }
        assert_near(sum / (double)q->count, 0.0, 5 / sqrt((double)q->count));
    }
    const double deviation = 0.3;
    trb_net_init_factors(one, deviation, 3, 4, a);
    trb_net_init_factors(many, deviation, 3, 4, b);
    assert_memory_equal(a, c, 1200 * sizeof *a); /* and nothing else */
    assert_memory_equal(a + trb_net_param(one, 3)->offset, c + 1200, 30 * sizeof *a);
    for (size_t i = 1; i < 3; i++) {
        const trb_param *p = trb_net_param(one, i), *q = trb_net_param(many, i);
        double sum = 0.0, squares = 0.0;
        assert_memory_equal(a + p->offset, b + q->offset, p->count * sizeof *a);
        for (size_t j = 0; j < q->count; j++) {
            sum += (double)b[q->offset + j];
            squares += ((double)b[q->offset + j] - 1.0) * ((double)b[q->offset + j] - 1.0);
        }
        /* 1500 and 2000 draws: five deviations of the mean and of the variance. */
        assert_near(sum / (double)q->count, 1.0, 5 * deviation / sqrt((double)q->count));
        assert_near(sqrt(squares / (double)q->count), deviation, 0.08 * deviation);
    }
    assert_memory_not_equal(a + 1200, a + 1240, 30 * sizeof *a);
    trb_net_destroy(one), trb_net_destroy(many), trb_net_destroy(plain);
    trb_free(a), trb_free(b), trb_free(c);
}

/* Head m is the plain network of the weights W o (s_m r_m^T), in training and at inference. */
static void heads_are_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        trb_net *net = NULL, *plain = NULL;
        trb_work *work[2] = {NULL}, *own_work[2] = {NULL};
        assert_ok(trb_net_create(cases[i].list, cases[i].input, M, &net));
        assert_ok(trb_net_plain(net, &plain));
        assert_string_equal(trb_net_layers(plain), cases[i].plain);
        const size_t D = trb_net_inputs(net), K = trb_net_outputs(net);
        float *params = params_of(net), *own = room(trb_net_size(plain), sizeof *own), *x = normals(ROWS * D, 1.0F, 2);
        for (size_t trains = 0; trains < 2; trains++) {
            assert_ok(trb_work_create(net, ROWS, trains == 1, &work[trains]));
            assert_ok(trb_work_create(plain, ROWS, trains == 1, &own_work[trains]));
            const float *z = NULL, *own_z = NULL;
            const bool draws = trains == 1 && strstr(cases[i].list, "dropout") == NULL;
            const trb_draw *draw = draws ? &training : NULL;
            assert_ok(trb_net_forward(net, work[trains], params, ROWS, x, draw, &z));
            for (size_t m = 0; m < M; m++) {
                take_head(net, params, m, plain, own);
                assert_ok(trb_net_forward(plain, own_work[trains], own, ROWS, x, draw, &own_z));
                double largest = 0.0;
                for (size_t j = 0; j < ROWS * K; j++) largest = fmax(largest, fabs((double)own_z[j]));
                for (size_t j = 0; j < ROWS * K; j++)
                    assert_near_at((double)z[(j / K * M + m) * K + j % K], (double)own_z[j], near * largest,
                                   cases[i].list, j, __FILE__, __LINE__);
            }
            trb_work_destroy(work[trains]), trb_work_destroy(own_work[trains]);
        }
        trb_net_destroy(net), trb_net_destroy(plain);
        trb_free(params), trb_free(own), trb_free(x);
    }
}

/* One head with factors of one: the plain network's outputs and gradients, bit for bit. */
static void one_head_of_ones_is_the_plain_network(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        trb_net *net = NULL, *plain = NULL;
        trb_work *work = NULL, *own_work = NULL;
        assert_ok(trb_net_create(cases[i].list, cases[i].input, 1, &net));
        assert_ok(trb_net_plain(net, &plain));
        assert_ok(trb_work_create(net, ROWS, true, &work));
        assert_ok(trb_work_create(plain, ROWS, true, &own_work));
        const size_t D = trb_net_inputs(net), K = trb_net_outputs(net), size = trb_net_size(plain);
        float *own = params_of(plain), *params = room(trb_net_size(net), sizeof *params);
        float *x = normals(ROWS * D, 1.0F, 2), *dz = normals(ROWS * K, 1.0F, 3), *dx = room(ROWS * D, sizeof *dx);
        float *grad = room(trb_net_size(net), sizeof *grad), *own_grad = room(size, sizeof *grad);
        float *own_dx = room(ROWS * D, sizeof *dx);
        const float *z = NULL, *own_z = NULL;
        for (size_t j = 0; j < trb_net_size(net); j++) params[j] = 1.0F;
        for (size_t j = 0; j < trb_net_n_params(plain); j++) {
            const trb_param *p = trb_net_param(plain, j), *q = tensor(net, p->name, strrchr(p->name, '.') + 1);
            memcpy(params + q->offset, own + p->offset, p->count * sizeof *own);
        }
        assert_ok(trb_net_forward(net, work, params, ROWS, x, &training, &z));
        assert_ok(trb_net_forward(plain, own_work, own, ROWS, x, &training, &own_z));
        assert_memory_equal(z, own_z, ROWS * K * sizeof *z);
        for (size_t j = 0; j < trb_net_size(net); j++) grad[j] = NAN; /* is overwritten, not added to */
        assert_ok(trb_net_backward(net, work, params, dz, grad, dx));
        for (size_t j = 0; j < trb_net_size(net); j++) assert_true(isfinite(grad[j]));
        assert_ok(trb_net_backward(plain, own_work, own, dz, own_grad, own_dx));
        assert_memory_equal(dx, own_dx, ROWS * D * sizeof *dx);
        for (size_t j = 0; j < trb_net_n_params(plain); j++) {
            const trb_param *p = trb_net_param(plain, j), *q = tensor(net, p->name, strrchr(p->name, '.') + 1);
            assert_memory_equal(grad + q->offset, own_grad + p->offset, p->count * sizeof *grad);
        }
        trb_net_fold(net, params, plain, own_grad);
        assert_memory_equal(own_grad, own, size * sizeof *own);
        trb_work_destroy(work), trb_work_destroy(own_work);
        trb_net_destroy(net), trb_net_destroy(plain);
        trb_free(own), trb_free(params), trb_free(x), trb_free(dz), trb_free(dx), trb_free(grad), trb_free(own_grad);
        trb_free(own_dx);
    }
}

/* A body stays as it is, what heads share is weighted by the mean of their factors, all else of theirs is averaged. */
static void folding_averages(void **state)
{
    (void)state;
    trb_net *net = NULL, *plain = NULL;
    const char *list = "name a, dense 8, norm, relu, split, name b, rank1 dense 7, norm, relu, name c, rank1 dense 3";
    assert_ok(trb_net_create(list, (trb_shape){10, 1, 1}, M, &net));
    assert_ok(trb_net_plain(net, &plain));
    assert_string_equal(trb_net_layers(plain),
                        "name a, dense 8, norm, relu, name b, dense 7, norm, relu, name c, dense 3");
    float *params = params_of(net), *folded = room(trb_net_size(plain), sizeof *folded);
    for (size_t i = 0; i < trb_net_size(plain); i++) folded[i] = NAN;
    trb_net_fold(net, params, plain, folded);
    size_t bodies = 0;
    for (size_t i = 0; i < trb_net_n_params(plain); i++) {
        const trb_param *p = trb_net_param(plain, i), *q = tensor(net, p->name, strrchr(p->name, '.') + 1);
        if (q == NULL) {
            assert_memory_equal(folded + p->offset, params + trb_net_param(net, i < 4 ? i : i + 4)->offset,
                                p->count * sizeof *folded);
            bodies++;
            continue;
        }
        for (size_t j = 0; j < p->count; j++) {
            double expected = 0.0;
            for (size_t m = 0; m < M && q->head; m++) expected += (double)params[q->offset + m * p->count + j] / M;
            if (!q->head) expected = (double)params[q->offset + j] * factor_of(net, params, p, M, j);
            assert_near_at((double)folded[p->offset + j], expected, 4 * ROUNDING, p->name, j, __FILE__, __LINE__);
        }
    }
    assert_int_equal(bodies, 6);
    trb_net_destroy(net), trb_net_destroy(plain);
    trb_free(params), trb_free(folded);

    plain = NULL;
    assert_ok(trb_net_create("dense 3, split, rank1 dense 4, name x, relu, dense 2", (trb_shape){10, 1, 1}, M, &net));
    assert_fails(trb_net_plain(net, &plain), TRB_ECONFIG,
                 "does not fold: behind the split, dense of layer x.1 is not rank1");
    trb_net_destroy(net);
    assert_ok(trb_net_create("dense 3", (trb_shape){10, 1, 1}, 1, &net));
    assert_fails(trb_net_plain(net, &plain), TRB_ECONFIG, "\"dense 3\" has no rank1 layer");
    trb_net_destroy(net);
    assert_null(plain);
}

/* One head becomes many: what is shared stays one. */
static void copies_keep_what_is_shared(void **state)
{
    (void)state;
    trb_net *one = NULL, *many = NULL;
    assert_ok(trb_net_create(cases[0].list, cases[0].input, 1, &one));
    assert_ok(trb_net_create(cases[0].list, cases[0].input, M, &many));
    float *from = params_of(one), *to = room(trb_net_size(many), sizeof *to);
    assert_ok(trb_net_copy(one, from, many, 0, M, to));
    for (size_t i = 0; i < trb_net_n_params(one); i++) {
        const trb_param *p = trb_net_param(one, i), *q = trb_net_param(many, i);
        for (size_t m = 0; m < (q->head ? M : 1); m++)
            assert_memory_equal(to + q->offset + m * p->count, from + p->offset, p->count * sizeof *to);
    }
    trb_net_destroy(one), trb_net_destroy(many);
    trb_free(from), trb_free(to);
}

/* Any number of rows up to the workspace's, and no allocation in a pass. */
static void passes_of_fewer_rows(void **state)
{
    (void)state;
    trb_net *net = NULL;
    trb_work *wide = NULL, *tight = NULL;
    assert_ok(trb_net_create(cases[0].list, cases[0].input, M, &net));
    assert_ok(trb_work_create(net, ROWS, true, &wide));
    assert_ok(trb_work_create(net, 2, true, &tight));
    const size_t size = trb_net_size(net), D = trb_net_inputs(net), Z = M * trb_net_outputs(net);
    float *params = params_of(net), *x = normals(ROWS * D, 1.0F, 2), *dz = normals(ROWS * Z, 1.0F, 3);
    float *g1 = room(size, sizeof *g1), *g2 = room(size, sizeof *g2);
    const float *z1 = NULL, *z2 = NULL;
    const size_t before = trb_mem_allocations();
    assert_ok(trb_net_forward(net, wide, params, ROWS, x, &training, &z1)); /* leaves its traces */
    assert_ok(trb_net_forward(net, wide, params, 2, x, &training, &z1));
    assert_ok(trb_net_forward(net, tight, params, 2, x, &training, &z2));
    assert_memory_equal(z1, z2, 2 * Z * sizeof *z1);
    assert_ok(trb_net_backward(net, wide, params, dz, g1, NULL));
    assert_ok(trb_net_backward(net, tight, params, dz, g2, NULL));
    assert_memory_equal(g1, g2, size * sizeof *g1);
    assert_int_equal(trb_mem_allocations(), before);
    trb_work_destroy(wide), trb_work_destroy(tight);
    trb_net_destroy(net);
    trb_free(params), trb_free(x), trb_free(dz), trb_free(g1), trb_free(g2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_made),
        cmocka_unit_test(the_table_has_what_is_shared_once),
        cmocka_unit_test(factors_are_drawn),
        cmocka_unit_test(heads_are_networks),
        cmocka_unit_test(one_head_of_ones_is_the_plain_network),
        cmocka_unit_test(folding_averages),
        cmocka_unit_test(copies_keep_what_is_shared),
        cmocka_unit_test(passes_of_fewer_rows),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
