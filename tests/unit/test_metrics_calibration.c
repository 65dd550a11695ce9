/* Temperatures and what is made of them, against NumPy in double (tools/develop/golden_torch.py), and identities. */
#include "numbers.h"

#include "tribikos/calibration.h"

enum { N = 90, HALF = 45, K = 5, BINS = 15 };

/* log p is single precision: it is wrong by at most 2^-24 of some tens of nats, and so is what follows from it. */
static const double near = 1e-6;

typedef struct {
    float *log_p; /* [N][K] */
    int32_t *label;
    trb_row_figures row[N];
} inputs;

static inputs read_inputs(const char *name, size_t heads)
{
    trb_h5 *h = golden_open("metrics.h5");
    float *z = golden_read(h, name, TRB_F32, N * heads * K);
    inputs in = {.log_p = room(N * K, sizeof(float)), .label = golden_read(h, "label", TRB_I32, N)};
    const trb_metrics_out out = {.log_p = in.log_p, .row = in.row};
    assert_ok(trb_metrics_block(trb_predict_mixture, N, heads, K, z, in.label, BINS, &out));
    trb_free(z);
    trb_h5_close(h);
    return in;
}

static void clear(inputs in)
{
    trb_free(in.log_p), trb_free(in.label);
}

static double fit(size_t n, const float *log_p, const int32_t *label, unsigned *steps)
{
    trb_temperature t = trb_temperature_begin();
    double sums[3];
    do trb_temperature_sums(n, K, log_p, label, t.b, sums);
    while (!trb_temperature_step(&t, sums));
    if (steps != NULL) *steps = t.steps;
    return t.b;
}

static trb_metrics at(size_t n, const float *log_p, const int32_t *label, double b)
{
    double sums[TRB_METRIC_SUMS];
    assert_ok(trb_metrics_tempered(n, K, log_p, label, b, BINS, sums));
    return trb_metrics_from(1, sums, n, BINS);
}

static void one_temperature_is_numpys(void **state)
{
    (void)state;
    const inputs in = read_inputs("sure", 1);
    trb_h5 *h = golden_open("metrics.h5");
    double T = golden_number(h, "temperature"), *expected = golden_read(h, "calibrated", TRB_F64, 3);
    unsigned steps = 0;
    const double b = fit(HALF, in.log_p, in.label, &steps);
    const trb_metrics m = at(N - HALF, in.log_p + HALF * K, in.label + HALF, b);
    assert_true(T > 2.0);
    assert_near(1.0 / b, T, near * T);
    assert_true(steps < 20);
    assert_near(m.nll, expected[0], near);
    assert_near(m.brier, expected[1], near);
    assert_near(m.ece, expected[2], near);
    float *p = room(N * K, sizeof(float));
    double nll = 0.0;
    trb_temperature_apply(N - HALF, K, in.log_p + HALF * K, b, p);
    for (size_t i = 0; i < N - HALF; i++)
        nll -= log((double)p[i * K + (size_t)in.label[HALF + i]]) / (double)(N - HALF);
    assert_near(nll, expected[0], near);
    trb_free(p);
    trb_free(expected);
    trb_h5_close(h);
    clear(in);
}

/* f' and f'' are those of f, by central differences: a step of 1e-4 leaves an error of 1e-8 times higher derivatives,
 * which are some tens a row here. */
static void sums_are_derivatives(void **state)
{
    (void)state;
    const inputs in = read_inputs("sure", 1);
    const double step = 1e-4;
    for (double b = 0.2; b < 2.0; b *= 2) {
        double low[3], middle[3], high[3];
        trb_temperature_sums(N, K, in.log_p, in.label, b - step, low);
        trb_temperature_sums(N, K, in.log_p, in.label, b, middle);
        trb_temperature_sums(N, K, in.log_p, in.label, b + step, high);
        assert_near((high[0] - low[0]) / (2 * step), middle[1], 1e-5 * N);
        assert_near((high[1] - low[1]) / (2 * step), middle[2], 1e-5 * N);
        assert_near(middle[0] / N, at(N, in.log_p, in.label, b).nll, 1e-12);
    }
    clear(in);
}

/* The temperature 1 changes nothing, and what is tempered by 2 needs half of the temperature. */
static void temperatures_multiply(void **state)
{
    (void)state;
    const inputs in = read_inputs("sure", 1);
    float *half = room(N * K, sizeof *half);
    double nll = 0.0;
    for (size_t i = 0; i < N * K; i++) half[i] = 0.5F * in.log_p[i];
    for (size_t i = 0; i < N; i++) nll -= (double)in.log_p[i * K + (size_t)in.label[i]] / N;
    assert_near(at(N, in.log_p, in.label, 1.0).nll, nll, near);
    assert_near(fit(N, half, in.label, NULL), 2.0 * fit(N, in.log_p, in.label, NULL), near);
    trb_free(half);
    clear(in);
}

/* Where the likelihood has no minimum the range ends the search; also where log p is as low as a float can be. */
static void a_fit_always_ends(void **state)
{
    (void)state;
    const float sure[2][K] = {{-0.01F, -5, -6, -7, -8}, {-6, -0.01F, -5, -7, -8}};
    const int32_t right[2] = {0, 1}, wrong[2] = {4, 4};
    const double most = fit(2, sure[0], right, NULL);
    assert_true(most <= 100.0 && at(2, sure[0], right, most).nll < 1e-15);
    assert_near(fit(2, sure[0], wrong, NULL), 0.01, 1e-10);
    const float low[2][K] = {{0, -3e38F, -3e38F, -3e38F, -3e38F}, {-3e38F, 0, -3e38F, -3e38F, -3e38F}};
    const int32_t mixed[2] = {0, 2};
    const double b = fit(2, low[0], mixed, NULL);
    assert_true(b >= 0.01 && b <= 100.0);
    const float flat[1][K] = {{-1.6F, -1.6F, -1.6F, -1.6F, -1.6F}};
    assert_true(isfinite(fit(1, flat[0], right, NULL)));
}

static bool is_open(size_t n, const float *log_p, const int32_t *label)
{
    trb_temperature t = trb_temperature_begin();
    double sums[3];
    do trb_temperature_sums(n, K, log_p, label, t.b, sums);
    while (!trb_temperature_step(&t, sums));
    return t.open;
}

/* A temperature is one only if a larger and a smaller one would be worse. All rows right, or all wrong: there is none. */
static void a_fit_without_a_minimum_is_open(void **state)
{
    (void)state;
    const inputs in = read_inputs("sure", 1);
    assert_false(is_open(HALF, in.log_p, in.label));
    assert_false(is_open(N, in.log_p, in.label));
    clear(in);
    const float sure[2][K] = {{-0.01F, -5, -6, -7, -8}, {-6, -0.01F, -5, -7, -8}};
    const float near_right[1][K] = {{-0.7F, -0.8F, -9, -9, -9}}, spread[1][K] = {{-0.1F, -40, -50, -60, -70}};
    const int32_t right[2] = {0, 1}, wrong[2] = {4, 4}, both[2] = {0, 0};
    assert_true(is_open(2, sure[0], right));
    assert_true(is_open(1, near_right[0], right));
    assert_true(is_open(1, spread[0], right));
    assert_true(is_open(2, sure[0], wrong));
    assert_false(is_open(2, sure[0], both));
    const float flat[1][K] = {{-1.6F, -1.6F, -1.6F, -1.6F, -1.6F}}; /* any temperature is as good */
    assert_false(is_open(1, flat[0], right));
}

static void adaptive_bins_are_numpys(void **state)
{
    (void)state;
    const inputs in = read_inputs("z", 4);
    trb_h5 *h = golden_open("metrics.h5");
    double *expected = golden_read(h, "adaptive_ece", TRB_F64, 2), ece = 0.0;
    assert_ok(trb_adaptive_ece(N, in.row, 15, &ece));
    assert_near(ece, expected[0], 1e-12);
    assert_ok(trb_adaptive_ece(N, in.row, 7, &ece));
    assert_near(ece, expected[1], 1e-12);
    /* One bin is the difference of the means; more bins than rows are as many as rows. */
    double gap = 0.0, each = 0.0;
    for (size_t i = 0; i < N; i++) {
        gap += (in.row[i].correct - (1.0 - in.row[i].doubt)) / N;
        each += fabs(in.row[i].correct - (1.0 - in.row[i].doubt)) / N;
    }
    assert_ok(trb_adaptive_ece(N, in.row, 1, &ece));
    assert_near(ece, fabs(gap), 1e-12);
    assert_ok(trb_adaptive_ece(N, in.row, 1000, &ece));
    assert_near(ece, each, 1e-12);
    /* Rows of one confidence stay in their places: bins of 1, 1 and 2 of them. */
    trb_row_figures equal[4] = {{.doubt = 0.25, .correct = 1.0}, {.doubt = 0.25}, {.doubt = 0.25}, {.doubt = 0.25}};
    assert_ok(trb_adaptive_ece(4, equal, 3, &ece));
    assert_near(ece, (0.25 + 0.75 + 1.5) / 4, 1e-15);
    trb_free(expected);
    trb_h5_close(h);
    clear(in);
}

/* The sums of blocks may be added in any order; by NumPy's way, each class and bin for itself. */
static void every_class_is_calibrated(void **state)
{
    (void)state;
    enum { M = 4, SOME = 37 };
    const inputs in = read_inputs("z", M);
    trb_h5 *h = golden_open("metrics.h5");
    float *z = golden_read(h, "z", TRB_F32, N * M * K);
    int64_t sums[2][K * BINS] = {{0}};
    for (size_t part = 0; part < 2; part++)
        assert_ok(trb_metrics_block(trb_predict_mixture, part == 0 ? SOME : N - SOME, M, K, z + part * SOME * M * K,
                                    in.label + part * SOME, BINS, &(trb_metrics_out){.by_class = sums[part]}));
    for (size_t i = 0; i < K * BINS; i++) sums[0][i] += sums[1][i];
    double expected = 0.0;
    for (size_t k = 0; k < K; k++)
        for (size_t bin = 0; bin < BINS; bin++) {
            double gap = 0.0;
            for (size_t i = 0; i < N; i++) {
                const double p = exp((double)in.log_p[i * K + k]);
                if ((size_t)fmin(p * BINS, BINS - 1) == bin) gap += ((size_t)in.label[i] == k ? 1.0 : 0.0) - p;
            }
            expected += fabs(gap) / N / K;
        }
    assert_near(trb_classwise_ece(N, K, BINS, sums[0]), expected, near);
    assert_true(expected > 0.01);
    trb_free(z);
    trb_h5_close(h);
    clear(in);
}

/* By hand: a model that is sure and right has no error; one that is sure and wrong is wrong by 1 in two of K classes. */
static void classes_by_hand(void **state)
{
    (void)state;
    const float sure[2 * K] = {200.0F, 0, 0, 0, 0, 0, 200.0F};
    const int32_t right[2] = {0, 1}, wrong[2] = {1, 0};
    int64_t sums[K * BINS] = {0};
    assert_ok(trb_metrics_block(trb_predict_mixture, 2, 1, K, sure, right, BINS, &(trb_metrics_out){.by_class = sums}));
    assert_true(trb_classwise_ece(2, K, BINS, sums) == 0.0);
    memset(sums, 0, sizeof sums);
    assert_ok(trb_metrics_block(trb_predict_mixture, 2, 1, K, sure, wrong, BINS, &(trb_metrics_out){.by_class = sums}));
    assert_near(trb_classwise_ece(2, K, BINS, sums), 2.0 * 2 / 2 / K, 1e-15);
}

/* Of 19 scores the 18th, as 0.9 * 20 is 18; of 9 the last; of 8 none is enough. */
static void thresholds_by_hand(void **state)
{
    (void)state;
    double score[20];
    for (size_t i = 0; i < 20; i++) score[i] = (double)((7 * i) % 20); /* 0 to 19, out of order */
    double some[19];
    size_t n = 0;
    for (size_t i = 0; i < 20; i++)
        if (score[i] > 0.0) some[n++] = score[i];
    assert_true(trb_conformal_threshold(19, some) == 18.0);
    assert_true(trb_conformal_threshold(20, score) == 18.0); /* the 19th of 0 to 19 */
    const double nine[9] = {5, 3, 8, 1, 9, 2, 7, 4, 6};
    memcpy(some, nine, sizeof nine);
    assert_true(trb_conformal_threshold(9, some) == 9.0);
    assert_true(isinf(trb_conformal_threshold(8, some)));
}

/* Members added one by one are their mixture, but for a common factor that a temperature does not see. */
static void members_add_up(void **state)
{
    (void)state;
    enum { M = 4 };
    const inputs in = read_inputs("z", M);
    trb_h5 *h = golden_open("metrics.h5");
    float *z = golden_read(h, "z", TRB_F32, N * M * K), *sum = room(N * K, sizeof *sum),
          *one = room(N * K, sizeof *one);
    for (size_t m = 0; m < M; m++) {
        float *own = room(N * K, sizeof *own);
        for (size_t i = 0; i < N; i++) memcpy(own + i * K, z + (i * M + m) * K, K * sizeof *own);
        const trb_metrics_out out = {.log_p = one};
        assert_ok(trb_metrics_block(trb_predict_mixture, N, 1, K, own, in.label, BINS, &out));
        if (m == 0)
            memcpy(sum, one, N * K * sizeof *sum);
        else
            trb_mixture_add(N * K, one, sum);
        trb_free(own);
    }
    for (size_t i = 0; i < N * K; i++) assert_near((double)sum[i] - log(M), (double)in.log_p[i], near);
    assert_near(fit(N, sum, in.label, NULL), fit(N, in.log_p, in.label, NULL), near);
    trb_free(z), trb_free(sum), trb_free(one);
    trb_h5_close(h);
    clear(in);
}

static void equivalents_are_between_members(void **state)
{
    (void)state;
    const double nll[4] = {0.5, 0.3, 0.2, 0.15};
    assert_true(trb_ensemble_equivalent(4, nll, 0.5) == 1.0);
    assert_true(trb_ensemble_equivalent(4, nll, 0.7) == 1.0); /* worse than one */
    assert_near(trb_ensemble_equivalent(4, nll, 0.4), 1.5, 1e-12);
    assert_near(trb_ensemble_equivalent(4, nll, 0.2), 3.0, 1e-12);
    assert_near(trb_ensemble_equivalent(4, nll, 0.16), 3.8, 1e-12);
    assert_true(trb_ensemble_equivalent(4, nll, 0.15) == 4.0);
    assert_true(trb_ensemble_equivalent(4, nll, 0.01) == 4.0); /* better than all */
    assert_true(trb_ensemble_equivalent(1, nll, 0.01) == 1.0);
    /* Where another member does harm, the first size that is good enough counts. */
    const double bump[3] = {0.5, 0.3, 0.4};
    assert_near(trb_ensemble_equivalent(3, bump, 0.35), 1.75, 1e-12);
    assert_near(trb_ensemble_equivalent(3, bump, 0.3), 2.0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_temperature_is_numpys),
        cmocka_unit_test(sums_are_derivatives),
        cmocka_unit_test(temperatures_multiply),
        cmocka_unit_test(a_fit_always_ends),
        cmocka_unit_test(a_fit_without_a_minimum_is_open),
        cmocka_unit_test(adaptive_bins_are_numpys),
        cmocka_unit_test(every_class_is_calibrated),
        cmocka_unit_test(classes_by_hand),
        cmocka_unit_test(thresholds_by_hand),
        cmocka_unit_test(members_add_up),
        cmocka_unit_test(equivalents_are_between_members),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
