/* Metrics of predicted Gaussians against NumPy in double (tools/develop/golden_torch.py), by hand, and identities. */
#include "numbers.h"

#include "tribikos/metrics_gaussian.h"

enum { N = 40, M = 3, SUMS = TRB_METRIC_GAUSSIAN_SUMS };

/* Both sides are double; integrals and zeros of the reference are good to some 1e-12 of what they are made of. */
static const double near = 1e-10;

typedef struct {
    float *z, *y;
    double *unit;
} inputs;

static inputs read_inputs(void)
{
    trb_h5 *h = golden_open("gaussian.h5");
    const inputs in = {golden_read(h, "rows/z", TRB_F32, N * M * 2), golden_read(h, "rows/y", TRB_F32, N),
                       golden_read(h, "unit", TRB_F64, 2)};
    trb_h5_close(h);
    return in;
}

static void clear(inputs in)
{
    trb_free(in.z), trb_free(in.y), trb_free(in.unit);
}

static trb_metrics by_blocks(size_t rows, size_t heads, const inputs *in, const float *z)
{
    const size_t blocks = (N + rows - 1) / rows;
    double *sums = room(blocks * SUMS, sizeof *sums);
    for (size_t b = blocks; b-- > 0;) { /* in whatever order they are computed */
        const size_t first = b * rows, n = first + rows < N ? rows : N - first;
        assert_ok(trb_metrics_gaussian_block(n, heads, z + first * heads * 2, in->y + first, in->unit[0], in->unit[1],
                                             sums + b * SUMS, NULL));
    }
    const trb_metrics m = trb_metrics_gaussian_from(blocks, sums, N);
    trb_free(sums);
    return m;
}

static void check(const char *name, const trb_metrics *m)
{
    trb_h5 *h = golden_open("gaussian.h5");
    double *expected = golden_read(h, name, TRB_F64, SUMS);
    for (size_t i = 0; i < SUMS; i++)
        assert_near_at(trb_metrics_value(m, &trb_figures_regression[i]), expected[i], near * fmax(1.0, expected[i]),
                       trb_figures_regression[i].name, i, __FILE__, __LINE__);
    assert_null(trb_figures_regression[SUMS].name);
    trb_free(expected);
    trb_h5_close(h);
}

static void a_mixture_is_numpys(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    const trb_metrics m = by_blocks(16, M, &in, in.z);
    check("figures/mixture", &m);
    assert_true(m.model_variance > 1.0 && m.coverage > 0.5 && m.coverage < 1.0 && m.nll_moments < m.nll);
    clear(in);
}

static void a_single_gaussian_is_numpys(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    float *z = room(N * 2, sizeof *z);
    for (size_t b = 0; b < N; b++) memcpy(z + b * 2, in.z + b * M * 2, 2 * sizeof *z);
    const trb_metrics m = by_blocks(N, 1, &in, z);
    check("figures/first", &m);
    assert_true(m.model_variance == 0.0);
    assert_near(m.nll, m.nll_moments, 1e-13 * m.nll);
    trb_free(z);
    clear(in);
}

static void blocks_add_up(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    const trb_metrics whole = by_blocks(N, M, &in, in.z), first = by_blocks(7, M, &in, in.z),
                      again = by_blocks(7, M, &in, in.z);
    for (size_t i = 0; i < SUMS; i++) {
        assert_near(trb_metrics_value(&first, &trb_figures_regression[i]),
                    trb_metrics_value(&whole, &trb_figures_regression[i]), 1e-11);
        assert_true(trb_metrics_value(&first, &trb_figures_regression[i]) ==
                    trb_metrics_value(&again, &trb_figures_regression[i]));
    }
    clear(in);
}

/* Copies of one head are that head. */
static void equal_heads_are_one(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    for (size_t b = 0; b < N; b++)
        for (size_t m = 1; m < M; m++) memcpy(in.z + (b * M + m) * 2, in.z + b * M * 2, 2 * sizeof *in.z);
    const trb_metrics m = by_blocks(16, M, &in, in.z);
    for (size_t i = 0; i < SUMS; i++) { /* the sixth figure, model_variance, is rounding */
        trb_h5 *h = golden_open("gaussian.h5");
        double *first = golden_read(h, "figures/first", TRB_F64, SUMS);
        assert_near(trb_metrics_value(&m, &trb_figures_regression[i]), first[i], near * fmax(1.0, first[i]));
        trb_free(first);
        trb_h5_close(h);
    }
    clear(in);
}

/* N(0, 1) and its scores at 0, whose unit is 10 with zero at 5; and two Gaussians so far apart that each has its own
 * half of the mass: the outer 2.5 % are 5 % of each. */
static void a_case_by_hand(void **state)
{
    (void)state;
    const double pi = acos(-1.0);
    const float one[2] = {0.0F, 0.0F}, y = 5.0F, two[2][2] = {{-100.0F, 0.0F}, {100.0F, 0.0F}};
    double sums[SUMS];
    float p[4];
    assert_ok(trb_metrics_gaussian_block(1, 1, one, &y, 5.0, 10.0, sums, p));
    trb_metrics m = trb_metrics_gaussian_from(1, sums, 1);
    assert_true(m.rmse == 0.0 && m.coverage == 1.0 && m.data_variance == 100.0 && p[0] == 5.0F && p[1] == 10.0F);
    assert_near(m.nll, 0.5 * log(2.0 * pi) + log(10.0), 1e-14);
    assert_near(m.crps, 10.0 * (sqrt(2.0 / pi) - 1.0 / sqrt(pi)), 1e-13);
    assert_near(m.width, 20.0 * 1.9599639845400542, 1e-12);
    assert_ok(trb_metrics_gaussian_block(1, 2, two[0], &(float){0.0F}, 0.0, 1.0, sums, p));
    m = trb_metrics_gaussian_from(1, sums, 1);
    assert_near(m.width, 2.0 * (100.0 + 1.6448536269514722), 1e-9);
    assert_true(m.model_variance == 10000.0 && m.data_variance == 1.0 && m.coverage == 1.0);
    assert_near(m.nll, 5000.0 + 0.5 * log(2.0 * pi), 1e-11);
    assert_near(m.nll_moments, 0.5 * log(2.0 * pi * 10001.0), 1e-13);
    /* Inside the gap F is 1/2, so that the score is 100/4 on either side but for the Gaussians' own part. */
    assert_near(m.crps, 100.0 - (100.0 + 1.0 / sqrt(pi)) / 2.0, 1e-12);
}

static void what_is_no_gaussian_is_named(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    double sums[SUMS];
    const float bad[] = {NAN, 401.0F, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        in.z[(3 * M + 2) * 2 + 1] = bad[i];
        assert_fails(trb_metrics_gaussian_block(N, M, in.z, in.y, 0.0, 1.0, sums, NULL), TRB_ENUM,
                     "row 3 of the block, head 2");
    }
    in.z[(3 * M + 2) * 2 + 1] = 0.0F;
    in.z[(3 * M + 2) * 2] = INFINITY;
    assert_fails(trb_metrics_gaussian_block(N, M, in.z, in.y, 0.0, 1.0, sums, NULL), TRB_ENUM,
                 "row 3 of the block, head 2: mean inf");
    /* Whatever may pass gives finite figures. */
    const float wild[2][2] = {{3e38F, 400.0F}, {-3e38F, -400.0F}};
    assert_ok(trb_metrics_gaussian_block(1, 2, wild[0], &(float){1e30F}, 0.0, 1.0, sums, NULL));
    const trb_metrics m = trb_metrics_gaussian_from(1, sums, 1);
    for (size_t i = 0; i < SUMS; i++) assert_true(isfinite(trb_metrics_value(&m, &trb_figures_regression[i])));
    clear(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mixture_is_numpys), cmocka_unit_test(a_single_gaussian_is_numpys),
        cmocka_unit_test(blocks_add_up),       cmocka_unit_test(equal_heads_are_one),
        cmocka_unit_test(a_case_by_hand),      cmocka_unit_test(what_is_no_gaussian_is_named),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
