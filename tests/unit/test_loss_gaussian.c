/* Losses of means and log variances and their gradients, against PyTorch in double (tools/develop/golden_torch.py), central
 * differences, and identities. */
#include "numbers.h"

#include <float.h>

enum { B = 7, M = 3 };

/* Everything is computed in double from the same singles; a gradient is rounded once. */
static const double near = 1e-13, near_gradient = 1.01 * ROUNDING;

typedef struct {
    float *z, *t, *one, *y, *dz;
} inputs;

static inputs read_inputs(void)
{
    trb_h5 *h = golden_open("gaussian.h5");
    const inputs in = {.z = golden_read(h, "z", TRB_F32, B * M * 2),
                       .t = golden_read(h, "t", TRB_F32, B * M * 2),
                       .one = golden_read(h, "one", TRB_F32, B * 2),
                       .y = golden_read(h, "y", TRB_F32, B),
                       .dz = room(B * M * 2, sizeof(float))};
    trb_h5_close(h);
    return in;
}

static void clear(inputs in)
{
    trb_free(in.z), trb_free(in.t), trb_free(in.one), trb_free(in.y), trb_free(in.dz);
}

static void check(const char *name, size_t n, double loss, double tolerance, const float *dz, double of_gradient)
{
    char path[64];
    trb_h5 *h = golden_open("gaussian.h5");
    (void)snprintf(path, sizeof path, "%s/loss", name);
    const double expected = golden_number(h, path);
    assert_near(loss, expected, tolerance * fabs(expected));
    (void)snprintf(path, sizeof path, "%s/dz", name);
    double *gradient = golden_read(h, path, TRB_F64, n);
    assert_all_near(n, dz, gradient, of_gradient);
    trb_free(gradient);
    trb_h5_close(h);
}

static trb_status on_all(size_t members, const inputs *in, double *loss)
{
    TRB_TRY(trb_gaussian_moments(B, members, members, in->t, in->dz));
    return trb_loss_moments(B, B, in->one, in->dz, loss, in->dz);
}

static void losses_are_torchs(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0;
    assert_ok(trb_loss_gaussian(B, M, B, in.z, in.y, &loss, in.dz));
    check("nll", B * M * 2, loss, near, in.dz, near_gradient);
    assert_ok(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &loss, in.dz));
    check("kl", B * M * 2, loss, near, in.dz, near_gradient);
    /* The moments pass through single precision: mean and variance are off by a few roundings of values below 10, over
     * variances above 1/4. */
    assert_ok(on_all(M, &in, &loss));
    check("moments", B * 2, loss, 100 * ROUNDING, in.dz, 100 * ROUNDING);
    double *same = NULL;
    trb_h5 *h = golden_open("gaussian.h5");
    same = golden_read(h, "mean_kl/dz", TRB_F64, B * 2); /* the mean over members has this gradient too */
    assert_all_near(B * 2, in.dz, same, 100 * ROUNDING);
    trb_free(same);
    trb_h5_close(h);
    clear(in);
}

/* With a step of 2^-10 as rounded: the third derivatives of a row's part are below 100 here, so that differences are off
 * by at most 100 * 2^-20 / 6, times its share 1/(B M). */
static void gradients_are_differences(void **state)
{
    (void)state;
    inputs in = read_inputs();
    float *other = room(B * M * 2, sizeof *other);
    double loss = 0.0, above = 0.0, below = 0.0;
    assert_ok(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &loss, in.dz));
    for (size_t i = 0; i < B * M * 2; i++) {
        const float z = in.z[i], up = z + 0x1p-10F, down = z - 0x1p-10F;
        in.z[i] = up;
        assert_ok(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &above, other));
        in.z[i] = down;
        assert_ok(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &below, other));
        in.z[i] = z;
        assert_near((above - below) / ((double)up - (double)down), (double)in.dz[i], 2e-5 / (B * M));
    }
    trb_free(other);
    clear(in);
}

/* A head that equals its member has nothing to learn, to the last bit; one that nearly does, the square of the rest. */
static void nothing_to_learn_from_oneself(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 1.0;
    assert_ok(trb_loss_gaussian_kl(B, M, B, in.t, in.t, &loss, in.dz));
    assert_true(loss == 0.0);
    for (size_t i = 0; i < B * M * 2; i++) assert_true(in.dz[i] == 0.0F);
    for (int e = 1; e < 20; e++) { /* across the place where the series takes over */
        const float d = ldexpf(1.0F, -e), t[2] = {0.5F, d}, z[2] = {0.5F, 0.0F};
        assert_ok(trb_loss_gaussian_kl(1, 1, 1, z, t, &loss, in.dz));
        const double x = (double)d, series = x * x / 2 + x * x * x / 6 + pow(x, 4) / 24 + pow(x, 5) / 120 +
                                             pow(x, 6) / 720 + pow(x, 7) / 5040 + pow(x, 8) / 40320 +
                                             pow(x, 9) / 362880;
        assert_near(loss, 0.5 * series, 1e-6 * ldexp(1.0, -11 * e) + 1e-13 * series);
    }
    clear(in);
}

/* The mean of KLs over members is least at the Gaussian of the mixture's moments, where this loss is 0. */
static void one_head_is_drawn_to_the_moments(void **state)
{
    (void)state;
    const float t[2][2] = {{-1.0F, 0.0F}, {3.0F, 1.3862943611F}}; /* variances 1 and 4: mean 1, variance 2.5 + 4 */
    const float z[2] = {1.0F, 1.8718021769F};
    float q[2], dz[2];
    double loss = 0.0;
    assert_ok(trb_gaussian_moments(1, 2, 2, t[0], q));
    assert_near((double)q[0], 1.0, ROUNDING);
    assert_near((double)q[1], 7.5, 16 * ROUNDING);
    assert_ok(trb_loss_moments(1, 1, z, q, &loss, dz));
    assert_near(loss, 0.0, 1e-12);
    assert_near((double)dz[0], 0.0, 0.0);
    assert_near((double)dz[1], 0.0, 16 * ROUNDING);

    /* Parts of the members add up to what all say. */
    float half[2][2];
    for (size_t m = 0; m < 2; m++) assert_ok(trb_gaussian_moments(1, 1, 2, t[m], half[m]));
    for (size_t k = 0; k < 2; k++) assert_near((double)(half[0][k] + half[1][k]), (double)q[k], 8 * ROUNDING);
}

static void lanes_add_up(void **state)
{
    (void)state;
    inputs in = read_inputs();
    const size_t lane[][2] = {{0, 3}, {3, 1}, {4, 3}};
    float *part = room(B * M * 2, sizeof *part);
    double whole = 0.0, sum = 0.0, share = 0.0;
    assert_ok(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &whole, in.dz));
    for (size_t i = 0; i < 3; i++) {
        const size_t at = lane[i][0] * M * 2;
        assert_ok(trb_loss_gaussian_kl(lane[i][1], M, B, in.z + at, in.t + at, &share, part + at));
        sum += share;
    }
    assert_near(sum, whole, 1e-14 * whole);
    assert_memory_equal(part, in.dz, B * M * 2 * sizeof *part);
    trb_free(part);
    clear(in);
}

/* Far apart, but nothing that a double cannot hold: log variances of 80 and -80. */
static void extremes_are_exact_or_refused(void **state)
{
    (void)state;
    double loss = 0.0;
    float dz[2], q[2];
    const float narrow[2] = {0.0F, -80.0F}, wide[2] = {0.0F, 80.0F}, beyond[2] = {0.0F, -90.0F},
                beside[2] = {1.0F, -90.0F};
    assert_ok(trb_loss_gaussian_kl(1, 1, 1, wide, narrow, &loss, dz));
    assert_near(loss, 0.5 * (159.0), 1e-12);
    assert_true(dz[0] == 0.0F && dz[1] == 0.5F);
    assert_fails(trb_loss_gaussian_kl(1, 1, 1, narrow, wide, &loss, dz), TRB_ENUM, "log variance -80");
    const float never[2] = {0.5F, -800.0F}; /* whose precision no double holds */
    assert_ok(trb_loss_gaussian_kl(1, 1, 1, never, never, &loss, dz));
    assert_true(loss == 0.0 && dz[0] == 0.0F && dz[1] == 0.0F);
    assert_fails(trb_loss_gaussian_kl(1, 1, 1, beside, beyond, &loss, dz), TRB_ENUM, "row 0, head 0");
    assert_fails(trb_loss_gaussian(1, 1, 1, beside, &(float){0.0F}, &loss, dz), TRB_ENUM, "log variance -90");
    const float endless[3][2] = {{0.0F, 0.0F}, {0.5F, 176.0F}, {0.0F, 90.0F}};
    assert_fails(trb_gaussian_moments(1, 3, 3, endless[0], q), TRB_ENUM, "mean 0.5, log variance 176");
    /* A variance that is lost beside the mean's square is taken for what rounding leaves. */
    const float far[2] = {1000.0F, -30.0F};
    assert_ok(trb_gaussian_moments(1, 1, 1, far, q));
    assert_ok(trb_loss_moments(1, 1, far, q, &loss, dz));
    assert_true(loss > 0.0 && isfinite(dz[0]) && dz[1] < 0.0F);
    /* One that no single holds is the smallest that one does. */
    assert_ok(trb_gaussian_moments(1, 1, 1, (const float[2]){0.0F, -200.0F}, q));
    assert_true(q[0] == 0.0F && q[1] == 0.0F);
    assert_ok(trb_loss_moments(1, 1, (const float[2]){0.0F, 0.0F}, q, &loss, dz));
    assert_near(loss, 0.5 * (126 * log(2.0) - 1.0), 1e-12);
}

static void what_is_not_finite_is_named(void **state)
{
    (void)state;
    inputs in = read_inputs();
    const float bad[] = {NAN, INFINITY, -INFINITY};
    double loss = 0.0;
    for (size_t i = 0; i < 3; i++) {
        const size_t at = (5 * M + 2) * 2 + i % 2;
        const float z = in.z[at], t = in.t[at], one = in.one[8];
        in.z[at] = bad[i];
        assert_fails(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &loss, in.dz), TRB_ENUM,
                     "student's outputs (mean, log variance) of row 5, head 2");
        in.z[at] = z, in.t[at] = bad[i];
        assert_fails(trb_loss_gaussian_kl(B, M, B, in.z, in.t, &loss, in.dz), TRB_ENUM,
                     "member's outputs (mean, log variance) of row 5, head 2");
        assert_fails(trb_gaussian_moments(B, M, M, in.t, in.dz), TRB_ENUM, "row 5, head 2");
        in.t[at] = t, in.one[8] = bad[i];
        assert_fails(on_all(M, &in, &loss), TRB_ENUM, "row 4, head 0");
        in.one[8] = one;
    }
    clear(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_torchs),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(nothing_to_learn_from_oneself),
        cmocka_unit_test(one_head_is_drawn_to_the_moments),
        cmocka_unit_test(lanes_add_up),
        cmocka_unit_test(extremes_are_exact_or_refused),
        cmocka_unit_test(what_is_not_finite_is_named),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
