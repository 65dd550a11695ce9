/* Losses and their gradients against PyTorch in double (tools/develop/golden_torch.py), and identities. */
#include "numbers.h"

#include "tribikos/loss.h"

enum { B = 7, M = 3, K = 10 };
static const float T = 4.0F;

/* An exponential is within 2 roundings of the true one plus those of its argument ((z - max)/T, below 8 in magnitude
 * here, two roundings: up to 16 roundings of the result); scaling and subtracting add a few. 32 roundings of the
 * largest gradient bound it. Losses add up in double, from the same exponentials. */
static const double near = 32 * ROUNDING;

static void check(const char *name, size_t n, double loss, const float *dz)
{
    char path[64];
    trb_h5 *h = golden_open("loss.h5");
    (void)snprintf(path, sizeof path, "%s/loss", name);
    const double expected = golden_number(h, path);
    assert_near(loss, expected, near * fabs(expected));
    (void)snprintf(path, sizeof path, "%s/dz", name);
    double *gradient = golden_read(h, path, TRB_F64, n);
    assert_all_near(n, dz, gradient, near);
    trb_free(gradient);
    trb_h5_close(h);
}

/* The golden inputs, and room for a gradient. */
typedef struct {
    float *z, *t, *one, *pair, *y, *weight, *dz;
    int32_t *label, *other;
} inputs;

static inputs read_inputs(void)
{
    trb_h5 *h = golden_open("loss.h5");
    const inputs in = {.z = golden_read(h, "z", TRB_F32, B * M * K),
                       .t = golden_read(h, "t", TRB_F32, B * M * K),
                       .one = golden_read(h, "one", TRB_F32, B * K),
                       .pair = golden_read(h, "pair", TRB_F32, B * M * 2),
                       .y = golden_read(h, "y", TRB_F32, B),
                       .label = golden_read(h, "label", TRB_I32, B),
                       .other = golden_read(h, "other", TRB_I32, B),
                       .weight = golden_read(h, "weight", TRB_F32, B),
                       .dz = room(B * M * K, sizeof(float))};
    trb_h5_close(h);
    return in;
}

static void clear(inputs in)
{
    trb_free(in.z), trb_free(in.t), trb_free(in.one), trb_free(in.pair), trb_free(in.y), trb_free(in.dz);
    trb_free(in.label), trb_free(in.other), trb_free(in.weight);
}

static void cross_entropy(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0, alone = 0.0;
    assert_ok(trb_loss_ce(B, M, K, B, in.z, in.label, &loss, in.dz));
    check("ce", B * M * K, loss, in.dz);
    assert_ok(trb_loss_ce(B, M, K, B, in.z, in.label, &alone, NULL));
    assert_true(alone == loss);
    clear(in);
}

static void mixed_cross_entropy(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0, alone = 0.0, plain = 0.0;
    assert_ok(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &loss, in.dz));
    check("ce_mixed", B * M * K, loss, in.dz);
    assert_ok(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &alone, NULL));
    assert_true(alone == loss);

    /* A row that is all its own is a row with one label, to the last bit; so is one mixed with its like by halves, but
     * for the two roundings of taking 1/(B M) away in two parts. */
    float *dz = room(B * M * K, sizeof *dz);
    for (size_t i = 0; i < B; i++) {
        in.weight[i] = i % 2 == 0 ? 1.0F : 0.5F;
        if (i % 2 == 1) in.other[i] = in.label[i];
    }
    assert_ok(trb_loss_ce(B, M, K, B, in.z, in.label, &plain, dz));
    assert_ok(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &loss, in.dz));
    assert_near(loss, plain, 1e-14 * plain);
    for (size_t i = 0; i < B * M * K; i++)
        assert_near((double)in.dz[i], (double)dz[i], i / (M * K) % 2 == 0 ? 0.0 : 2 * ROUNDING / (B * M));

    /* Central differences with a step of 2^-10, as rounded. A row's share of the loss is 1/(B M) of a function whose
     * third derivative is below 1/4: they are off by at most 2^-20/24 of that. The logarithm of a sum of exponentials,
     * each wrong by some 2^-22, is divided by two steps: 2^-13 = 1.2e-4. */
    for (size_t i = 0; i < B; i++) in.weight[i] = (float)i / 8.0F;
    for (size_t i = 0; i < B; i++) in.other[i] = (in.label[i] + 3) % K;
    assert_ok(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &loss, in.dz));
    for (size_t i = 0; i < B * M * K; i += 7) {
        const float z = in.z[i], up = z + 0x1p-10F, down = z - 0x1p-10F;
        double above = 0.0, below = 0.0;
        in.z[i] = up;
        assert_ok(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &above, NULL));
        in.z[i] = down;
        assert_ok(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &below, NULL));
        in.z[i] = z;
        assert_near((above - below) / ((double)up - (double)down), (double)in.dz[i], 2e-4 / (B * M));
    }
    trb_free(dz);
    clear(in);
}

/* Weights of classes and label smoothing, alone and together, of plain and of mixed samples. */
static void weighted_and_smoothed_labels(void **state)
{
    (void)state;
    inputs in = read_inputs();
    trb_h5 *h = golden_open("loss.h5");
    float *class_weight = golden_read(h, "class_weight", TRB_F32, K), *q = room(B * K, sizeof *q);
    const struct {
        const char *name;
        bool mixed, weighted;
        double smoothing;
    } cases[] = {{"weighted", false, true, 0.0},
                 {"smoothed", false, false, 0.125},
                 {"weighted_smoothed", false, true, 0.125},
                 {"weighted_mixed", true, true, 0.125}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double loss = 0.0;
        trb_label_targets(B, K, in.label, cases[i].mixed ? in.other : NULL, in.weight,
                          cases[i].weighted ? class_weight : NULL, cases[i].smoothing, q);
        assert_ok(trb_loss_targets(B, K, B, in.one, q, &loss, in.dz));
        check(cases[i].name, B * K, loss, in.dz);
    }
    /* Without both it is the cross entropy; and lanes add up. */
    double plain = 0.0, loss = 0.0, part = 0.0;
    float *dz = room(B * K, sizeof *dz);
    assert_ok(trb_loss_ce(B, 1, K, B, in.one, in.label, &plain, dz));
    trb_label_targets(B, K, in.label, NULL, NULL, NULL, 0.0, q);
    assert_ok(trb_loss_targets(B, K, B, in.one, q, &loss, in.dz));
    assert_near(loss, plain, 1e-14 * plain);
    for (size_t i = 0; i < B * K; i++) assert_near((double)in.dz[i], (double)dz[i], 2 * ROUNDING / B);
    assert_ok(trb_loss_targets(3, K, B, in.one, q, &loss, dz));
    assert_ok(trb_loss_targets(B - 3, K, B, in.one + 3 * K, q + 3 * K, &part, dz + 3 * K));
    assert_near(loss + part, plain, 1e-14 * plain);
    assert_memory_equal(dz, in.dz, B * K * sizeof *dz);
    in.one[5 * K] = NAN;
    assert_fails(trb_loss_targets(B, K, B, in.one, q, &loss, dz), TRB_ENUM, "row 5, head 0");
    assert_fails(trb_loss_targets(1, TRB_LOSS_K_MAX + 1, 1, in.one, q, &loss, dz), TRB_ECONFIG, "32769");
    trb_free(dz), trb_free(q), trb_free(class_weight);
    trb_h5_close(h);
    clear(in);
}

static void heads_follow_members(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0;
    assert_ok(trb_loss_kd(B, M, K, B, T, in.z, in.t, &loss, in.dz));
    check("kd", B * M * K, loss, in.dz);
    clear(in);
}

static void one_head_follows_the_mean(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0;
    assert_ok(loss_kd_mean(B, M, K, B, T, in.one, in.t, &loss, in.dz));
    check("kd_mean", B * K, loss, in.dz);
    clear(in);
    /* A class that has no probability in single precision adds nothing: 0 log 0 is 0. */
    const float sure[3] = {0.0F, 100.0F, -100.0F}, z[3] = {0.0F, 0.0F, 0.0F};
    float q[3], dz[3];
    assert_ok(trb_soft_targets(1, 1, 1, 3, 1.0F, sure, q));
    assert_true(q[0] == 0.0F && q[1] == 1.0F && q[2] == 0.0F);
    assert_ok(trb_loss_soft(1, 3, 1, 1.0F, z, q, &loss, dz));
    assert_near(loss, log(3.0), 1e-12);
    assert_near((double)dz[0], 1.0 / 3, ROUNDING);
}

/* A quarter of the loss is the labels', in rows where they are known. */
static void labels_are_mixed_in(void **state)
{
    (void)state;
    inputs in = read_inputs();
    trb_h5 *h = golden_open("loss.h5");
    int32_t *known = golden_read(h, "known", TRB_I32, B);
    double loss = 0.0, alone = 0.0;
    assert_ok(trb_loss_kd(B, M, K, B, T, in.z, in.t, &loss, in.dz));
    assert_ok(trb_loss_add_labels(B, M, K, B, 0.25F, in.z, known, &loss, in.dz));
    check("kd_labels", B * M * K, loss, in.dz);
    assert_ok(loss_kd_mean(B, M, K, B, T, in.one, in.t, &loss, in.dz));
    assert_ok(trb_loss_add_labels(B, 1, K, B, 0.25F, in.one, known, &loss, in.dz));
    check("kd_mean_labels", B * K, loss, in.dz);

    /* With all the weight it is the cross entropy, with none it changes nothing. */
    float *dz = room(B * M * K, sizeof *dz);
    assert_ok(trb_loss_ce(B, M, K, B, in.z, in.label, &alone, dz));
    assert_ok(trb_loss_add_labels(B, M, K, B, 1.0F, in.z, in.label, &loss, in.dz));
    assert_true(loss == alone);
    assert_memory_equal(in.dz, dz, B * M * K * sizeof *dz);
    assert_ok(trb_loss_add_labels(B, M, K, B, 0.0F, in.z, in.label, &loss, in.dz));
    assert_true(loss == alone);
    assert_memory_equal(in.dz, dz, B * M * K * sizeof *dz);
    in.z[(5 * M + 2) * K + 9] = INFINITY;
    assert_fails(trb_loss_add_labels(B, M, K, B, 0.5F, in.z, in.label, &loss, in.dz), TRB_ENUM, "row 5, head 2");
    trb_free(dz), trb_free(known);
    trb_h5_close(h);
    clear(in);
}

static void gaussian(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0;
    assert_ok(trb_loss_gaussian(B, M, B, in.pair, in.y, &loss, in.dz));
    check("gaussian", B * M * 2, loss, in.dz);
    clear(in);
}

static void softmax_is_a_distribution(void **state)
{
    (void)state;
    inputs in = read_inputs();
    trb_h5 *h = golden_open("loss.h5");
    double *expected = golden_read(h, "softmax", TRB_F64, B * M * K);
    trb_softmax(B * M, K, T, in.z, in.dz);
    assert_all_near(B * M * K, in.dz, expected, near);
    for (size_t r = 0; r < B * M; r++) {
        double sum = 0.0;
        for (size_t k = 0; k < K; k++) sum += (double)in.dz[r * K + k];
        assert_near(sum, 1.0, near);
    }
    trb_softmax(B * M, K, T, in.z, in.z); /* in place */
    assert_memory_equal(in.z, in.dz, B * M * K * sizeof(float));
    trb_free(expected);
    trb_h5_close(h);
    clear(in);
}

/* The exponential behind all of them, over its whole range: against the C library's in double. With the other logit at
 * 0, softmax(-x) / softmax(0) = exp(-x). */
static void exponentials_are_accurate(void **state)
{
    (void)state;
    for (int i = 0; i <= 86 * 64; i++) {
        const float z[2] = {0.0F, -(float)i / 64.0F};
        float p[2];
        trb_softmax(1, 2, 1.0F, z, p);
        const double expected = exp((double)z[1]) / (1.0 + exp((double)z[1]));
        assert_near((double)p[1], expected, 6 * ROUNDING * expected);
    }
    const float far[3] = {0.0F, -100.0F, -3e38F};
    float p[3];
    trb_softmax(1, 3, 1.0F, far, p);
    assert_true(p[0] == 1.0F && p[1] == 0.0F && p[2] == 0.0F);
}

/* A student that equals its members has nothing to learn, to the last bit; and KL is never negative. */
static void nothing_to_learn_from_oneself(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 1.0;
    assert_ok(trb_loss_kd(B, M, K, B, T, in.t, in.t, &loss, in.dz));
    assert_true(loss == 0.0);
    for (size_t i = 0; i < B * M * K; i++) assert_true(in.dz[i] == 0.0F);
    /* Here q passes through single precision once. */
    assert_ok(loss_kd_mean(B, 1, K, B, T, in.one, in.one, &loss, in.dz));
    assert_near(loss, 0.0, 16 * near);
    clear(in);
}

/* Lanes of 3, 1 and 3 rows: the shares of the loss add up, the gradients are the same bits. */
static void lanes_add_up(void **state)
{
    (void)state;
    inputs in = read_inputs();
    const size_t lane[][2] = {{0, 3}, {3, 1}, {4, 3}};
    float *part = room(B * M * K, sizeof *part);
    double whole = 0.0, sum = 0.0, share = 0.0;
    assert_ok(trb_loss_kd(B, M, K, B, T, in.z, in.t, &whole, in.dz));
    for (size_t i = 0; i < 3; i++) {
        const size_t at = lane[i][0] * M * K;
        assert_ok(trb_loss_kd(lane[i][1], M, K, B, T, in.z + at, in.t + at, &share, part + at));
        sum += share;
    }
    assert_near(sum, whole, 1e-14 * whole);
    assert_memory_equal(part, in.dz, B * M * K * sizeof *part);
    trb_free(part);
    clear(in);
}

/* More classes than a run of rows holds, against the definition in double. */
static void many_classes(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    float *z = normals(2 * MANY, 2.0F, 1), *dz = room(2 * MANY, sizeof *dz);
    const int32_t label[2] = {2999, 17};
    double loss = 0.0, expected = 0.0;
    assert_ok(trb_loss_ce(2, 1, MANY, 2, z, label, &loss, dz));
    for (size_t b = 0; b < 2; b++) {
        double sum = 0.0;
        for (size_t k = 0; k < MANY; k++) sum += exp((double)z[b * MANY + k]);
        expected += (log(sum) - (double)z[b * MANY + (size_t)label[b]]) / 2.0;
        for (size_t k = 0; k < MANY; k++) {
            const double p = exp((double)z[b * MANY + k]) / sum - (k == (size_t)label[b] ? 1.0 : 0.0);
            assert_near((double)dz[b * MANY + k], p / 2.0, near);
        }
    }
    assert_near(loss, expected, near * expected);
    assert_fails(trb_loss_ce(1, 1, TRB_LOSS_K_MAX + 1, 1, z, label, &loss, NULL), TRB_ECONFIG, "32769");
    trb_free(z), trb_free(dz);
}

static void a_logit_that_is_not_finite_is_named(void **state)
{
    (void)state;
    inputs in = read_inputs();
    const float bad[] = {NAN, INFINITY, -INFINITY};
    double loss = 0.0;
    for (size_t i = 0; i < 3; i++) {
        const size_t at = (5 * M + 2) * K + 9; /* row 5, head 2 */
        const float z = in.z[at], t = in.t[at];
        in.z[at] = bad[i];
        assert_fails(trb_loss_ce(B, M, K, B, in.z, in.label, &loss, in.dz), TRB_ENUM, "row 5, head 2");
        assert_fails(trb_loss_ce_mixed(B, M, K, B, in.z, in.label, in.other, in.weight, &loss, in.dz), TRB_ENUM,
                     "row 5, head 2");
        assert_fails(trb_loss_kd(B, M, K, B, T, in.z, in.t, &loss, in.dz), TRB_ENUM,
                     "student's logits of row 5, head 2");
        in.z[at] = z, in.t[at] = bad[i];
        assert_fails(trb_loss_kd(B, M, K, B, T, in.z, in.t, &loss, in.dz), TRB_ENUM,
                     "member's logits of row 5, head 2");
        assert_fails(loss_kd_mean(B, M, K, B, T, in.one, in.t, &loss, in.dz), TRB_ENUM, "row 5, head 2");
        in.t[at] = t;
        in.one[6 * K] = bad[i];
        assert_fails(loss_kd_mean(B, M, K, B, T, in.one, in.t, &loss, in.dz), TRB_ENUM, "row 6, head 0");
        in.pair[(4 * M + 1) * 2 + 1] = bad[i];
        assert_fails(trb_loss_gaussian(B, M, B, in.pair, in.y, &loss, in.dz), TRB_ENUM, "row 4, head 1");
    }
    clear(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy),
        cmocka_unit_test(mixed_cross_entropy),
        cmocka_unit_test(weighted_and_smoothed_labels),
        cmocka_unit_test(heads_follow_members),
        cmocka_unit_test(one_head_follows_the_mean),
        cmocka_unit_test(labels_are_mixed_in),
        cmocka_unit_test(gaussian),
        cmocka_unit_test(softmax_is_a_distribution),
        cmocka_unit_test(exponentials_are_accurate),
        cmocka_unit_test(nothing_to_learn_from_oneself),
        cmocka_unit_test(lanes_add_up),
        cmocka_unit_test(many_classes),
        cmocka_unit_test(a_logit_that_is_not_finite_is_named),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
