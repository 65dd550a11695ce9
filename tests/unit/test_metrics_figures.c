/* Metrics against NumPy in double (tools/develop/golden_torch.py), and identities. */
#include "numbers.h"

#include <float.h>

#include "tribikos/metrics.h"

enum { N = 90, M = 4, K = 5, BINS = 15, FIGURES = 9 };

/* Everything is double on both sides: sums of N rows of M K terms of magnitude below 10, each with a few roundings of
 * 2^-53. */
static const double near = 1e-12;

typedef struct {
    float *z;
    int32_t *label;
} inputs;

static inputs read_inputs(void)
{
    trb_h5 *h = golden_open("metrics.h5");
    const inputs in = {golden_read(h, "z", TRB_F32, N * M * K), golden_read(h, "label", TRB_I32, N)};
    trb_h5_close(h);
    return in;
}

static void clear(inputs in)
{
    trb_free(in.z), trb_free(in.label);
}

/* The sums of a block and, if `log_p` is asked for, log p. */
static trb_status block(size_t rows, size_t heads, size_t k, const float *z, const int32_t *label, size_t bins,
                        double *sums, float *log_p)
{
    const trb_metrics_out out = {.sums = sums, .log_p = log_p};
    return trb_metrics_block(trb_predict_mixture, rows, heads, k, z, label, bins, &out);
}

/* Figures of rows cut into blocks of `rows`. */
static trb_metrics by_blocks(size_t rows, size_t heads, const float *z, const int32_t *label)
{
    const size_t blocks = (N + rows - 1) / rows;
    double *sums = room(blocks * TRB_METRIC_SUMS, sizeof *sums);
    for (size_t b = blocks; b-- > 0;) { /* in whatever order they are computed */
        const size_t first = b * rows, n = first + rows < N ? rows : N - first;
        assert_ok(block(n, heads, K, z + first * heads * K, label + first, BINS, sums + b * TRB_METRIC_SUMS, NULL));
    }
    const trb_metrics m = trb_metrics_from(blocks, sums, N, BINS);
    trb_free(sums);
    return m;
}

static void check(const char *name, const trb_metrics *m)
{
    trb_h5 *h = golden_open("metrics.h5");
    double *expected = golden_read(h, name, TRB_F64, FIGURES);
    for (size_t i = 0; i < FIGURES; i++)
        assert_near_at(trb_metrics_value(m, &trb_figures_classes[i]), expected[i], near, trb_figures_classes[i].name, i,
                       __FILE__, __LINE__);
    /* What takes more than sums is not known yet. */
    for (size_t i = FIGURES; trb_figures_classes[i].name != NULL; i++)
        assert_true(isnan(trb_metrics_value(m, &trb_figures_classes[i])) ||
                    strcmp(trb_figures_classes[i].name, "fidelity_kl") == 0);
    trb_free(expected);
    trb_h5_close(h);
}

static void an_ensemble_is_numpys(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    const trb_metrics m = by_blocks(32, M, in.z, in.label);
    check("ensemble", &m);
    assert_true(m.mu == (m.total_uncertainty - m.data_uncertainty) ||
                fabs(m.mu - (m.total_uncertainty - m.data_uncertainty)) < near);
    assert_true(m.mu > 0.01 && m.pairwise_kl > 0.01 && m.disagreement > 0.01 && m.ece > 0.01);
    clear(in);
}

static void a_single_head_is_numpys(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    float *z = room(N * K, sizeof *z);
    for (size_t b = 0; b < N; b++) memcpy(z + b * K, in.z + b * M * K, K * sizeof *z);
    const trb_metrics m = by_blocks(N, 1, z, in.label);
    check("first_head", &m);
    assert_true(m.mu == 0.0);
    assert_true(m.pairwise_kl == 0.0 && m.disagreement == 0.0);
    /* One head leaves no model uncertainty to any row, to the last bit. */
    trb_row_figures row[N];
    assert_ok(trb_metrics_block(trb_predict_mixture, N, 1, K, z, NULL, BINS, &(trb_metrics_out){.row = row}));
    for (size_t b = 0; b < N; b++) assert_true(row[b].total == row[b].data);
    trb_free(z);
    clear(in);
}

/* Blocks of any size agree up to the order of summation; the same blocks give the same bits. */
static void blocks_add_up(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    const trb_metrics whole = by_blocks(N, M, in.z, in.label), first = by_blocks(7, M, in.z, in.label);
    const trb_metrics again = by_blocks(7, M, in.z, in.label);
    for (size_t i = 0; i < FIGURES; i++) {
        assert_near(trb_metrics_value(&first, &trb_figures_classes[i]),
                    trb_metrics_value(&whole, &trb_figures_classes[i]), near);
        assert_true(trb_metrics_value(&first, &trb_figures_classes[i]) ==
                    trb_metrics_value(&again, &trb_figures_classes[i]));
    }
    clear(in);
}

/* KL(p || p) = 0: heads that are copies of one another add nothing but data uncertainty. */
static void equal_heads_do_not_differ(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    for (size_t b = 0; b < N; b++)
        for (size_t m = 1; m < M; m++) memcpy(in.z + (b * M + m) * K, in.z + b * M * K, K * sizeof *in.z);
    const trb_metrics m = by_blocks(32, M, in.z, in.label);
    assert_near(m.pairwise_kl, 0.0, near);
    assert_near(m.mu, 0.0, near);
    assert_true(m.disagreement == 0.0);
    clear(in);
}

/* By hand: two rows of two heads of two classes. */
static void a_case_by_hand(void **state)
{
    (void)state;
    const float l = 1.09861228867F; /* log 3: probabilities 3/4 and 1/4 */
    const float z[2][2][2] = {{{l, 0}, {0, l}}, {{l, 0}, {l, 0}}};
    const int32_t label[2] = {1, 0};
    double sums[TRB_METRIC_SUMS];
    float p[4];
    assert_ok(block(2, 2, 2, &z[0][0][0], label, 4, sums, p));
    const trb_metrics m = trb_metrics_from(1, sums, 2, 4);
    /* log 3 is rounded to single precision. */
    const double rounded = 4 * ROUNDING, h = -0.75 * log(0.75) - 0.25 * log(0.25);
    assert_near(exp((double)p[0]), 0.5, rounded);
    assert_near(exp((double)p[2]), 0.75, rounded);
    assert_near(m.nll, 0.5 * (log(2.0) + log(4.0 / 3.0)), rounded);
    assert_near(m.brier, 0.5 * (0.5 + 0.125), rounded);
    assert_near(m.total_uncertainty, 0.5 * (log(2.0) + h), rounded);
    assert_near(m.data_uncertainty, h, rounded);
    assert_near(m.pairwise_kl, 0.5 * 0.5 * log(3.0), rounded);
    assert_near(m.disagreement, 0.5, 0.0);
    assert_near(m.ece, 0.5 * (0.5 + 0.25), rounded);
    /* Row 0 is a tie (or a rounding away from it) and counts as the first maximum. */
    assert_near(m.accuracy, 0.5, 0.0);
}

static void certainty_is_finite(void **state)
{
    (void)state;
    const float z[2][2] = {{0.0F, 3000.0F}, {3000.0F, 0.0F}};
    const int32_t label[1] = {0};
    double sums[TRB_METRIC_SUMS];
    assert_ok(block(1, 1, 2, z[0], label, 15, sums, NULL));
    trb_metrics m = trb_metrics_from(1, sums, 1, 15);
    assert_true(m.nll == 3000.0 && m.accuracy == 0.0 && m.ece == 1.0 && m.brier == 2.0);
    assert_true(m.total_uncertainty == 0.0 && m.data_uncertainty == 0.0 && m.mu == 0.0);
    assert_ok(block(1, 2, 2, z[0], label, 15, sums, NULL));
    m = trb_metrics_from(1, sums, 1, 15);
    assert_near(m.nll, log(2.0), near);
    assert_near(m.pairwise_kl, 3000.0, near * 3000.0);
}

/* Where no head leaves a class a probability, its logarithm is that of the heads' mean all the same; one that is below
 * what a single holds is the lowest of them, from which a temperature can be fitted. */
static void a_class_without_probability_has_a_logarithm(void **state)
{
    (void)state;
    const float z[2][2] = {{0.0F, 2000.0F}, {0.0F, 2000.0F}}, beyond[2] = {-3e38F, 3e38F};
    const int32_t label[1] = {0};
    double sums[TRB_METRIC_SUMS];
    float log_p[2];
    assert_ok(block(1, 2, 2, z[0], label, 15, sums, log_p));
    assert_near(trb_metrics_from(1, sums, 1, 15).nll, 2000.0, near);
    assert_true(log_p[0] == -2000.0F && log_p[1] == 0.0F);
    assert_ok(block(1, 1, 2, beyond, label, 15, sums, log_p));
    assert_true(log_p[0] == -FLT_MAX && log_p[1] == 0.0F);
}

/* A bin has its lower end, the last one its upper end too: 1/2 is in the second of two, with what is sure. */
static void bins_have_their_lower_ends(void **state)
{
    (void)state;
    const float z[2][2] = {{0.0F, 0.0F}, {3000.0F, 0.0F}};
    const int32_t label[2] = {0, 1};
    double sums[TRB_METRIC_SUMS];
    assert_ok(block(2, 1, 2, z[0], label, 2, sums, NULL));
    assert_near(trb_metrics_from(1, sums, 2, 2).ece, 0.5 * fabs((1.0 + 0.0) - (0.5 + 1.0)), 1e-15);
}

static void a_logit_that_is_not_finite_is_named(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    double sums[TRB_METRIC_SUMS];
    in.z[(3 * M + 2) * K + 1] = NAN;
    assert_fails(block(N, M, K, in.z, in.label, BINS, sums, NULL), TRB_ENUM, "row 3 of the block, head 2");
    clear(in);
}

static void means_are_taken_figure_by_figure(void **state)
{
    (void)state;
    const trb_metrics two[2] = {{.accuracy = 1.0, .ece = 0.5, .data_variance = 4.0}, {.accuracy = 0.0, .ece = 0.25}};
    const trb_metrics mean = trb_metrics_mean(2, two);
    assert_true(mean.accuracy == 0.5 && mean.ece == 0.375 && mean.data_variance == 2.0 && mean.nll == 0.0);
}

/* A Dirichlet that is exp(z) has the mean of a categorical distribution of these logits, whose figures it has but for
 * its draws, which are less uncertain; one of both kinds is what dirichlet.h says. */
static void a_dirichlet_has_draws(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    const size_t n = N * M;
    int32_t *label = room(n, sizeof *label);
    float *p = room(n * K, sizeof *p), *q = room(n * K, sizeof *q);
    double sums[3][TRB_METRIC_SUMS], mean[K], log_p[K], total = 0.0, data = 0.0;
    for (size_t i = 0; i < n; i++) label[i] = in.label[i / M];
    const trb_metrics_out one = {.sums = sums[1], .log_p = q}, other = {.sums = sums[2]};
    assert_ok(block(n, 1, K, in.z, label, BINS, sums[0], p));
    assert_ok(trb_metrics_block(trb_predict_of(TRB_DIRICHLET_EXP), n, 1, K, in.z, label, BINS, &one));
    assert_memory_equal(p, q, n * K * sizeof *p);
    assert_ok(trb_metrics_block(trb_predict_of(TRB_DIRICHLET_EXP_PLUS_1), n, 1, K, in.z, label, BINS, &other));
    const trb_metrics plain = trb_metrics_from(1, sums[0], n, BINS), exp = trb_metrics_from(1, sums[1], n, BINS);
    const trb_metrics plus = trb_metrics_from(1, sums[2], n, BINS);
    assert_near(exp.nll, plain.nll, near);
    assert_near(exp.total_uncertainty, plain.total_uncertainty, near);
    assert_true(exp.accuracy == plain.accuracy && fabs(exp.brier - plain.brier) < near && exp.ece == plain.ece);
    for (int kind = TRB_DIRICHLET_EXP; kind <= TRB_DIRICHLET_EXP_PLUS_1; kind++) {
        const trb_metrics *m = kind == TRB_DIRICHLET_EXP ? &exp : &plus;
        double nll = 0.0, totals = 0.0, datas = 0.0;
        for (size_t i = 0; i < n; i++) {
            trb_dirichlet_predict((trb_dirichlet)kind, K, in.z + i * K, mean, log_p, &total, &data);
            nll -= log_p[label[i]] / (double)n;
            totals += total / (double)n;
            datas += data / (double)n;
        }
        assert_near(m->nll, nll, near);
        assert_near(m->total_uncertainty, totals, near);
        assert_near(m->data_uncertainty, datas, near);
        assert_near(m->mu, totals - datas, near);
        assert_true(m->mu > 0.01 && m->pairwise_kl == 0.0 && m->disagreement == 0.0);
    }
    trb_free(label), trb_free(p), trb_free(q);
    clear(in);
}

/* What is said of rows adds up to what is said of blocks; rows of other classes are said everything of but that. */
static void rows_are_those_of_the_sums(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    trb_row_figures row[N], alien[N];
    double sums[TRB_METRIC_SUMS], total = 0.0, data = 0.0, correct = 0.0;
    const trb_metrics_out out = {.sums = sums, .row = row}, of_alien = {.row = alien};
    assert_ok(trb_metrics_block(trb_predict_mixture, N, M, K, in.z, in.label, BINS, &out));
    assert_ok(trb_metrics_block(trb_predict_mixture, N, M, K, in.z, NULL, BINS, &of_alien));
    const trb_metrics m = trb_metrics_from(1, sums, N, BINS);
    float *log_p = room(N * K, sizeof *log_p);
    assert_ok(block(N, M, K, in.z, in.label, BINS, sums, log_p));
    for (size_t i = 0; i < N; i++) {
        float most = -INFINITY;
        for (size_t k = 0; k < K; k++) most = fmaxf(most, log_p[i * K + k]);
        assert_near(row[i].doubt, 1.0 - exp((double)most), 8 * ROUNDING); /* log p is single */
        assert_true(alien[i].correct == 0.0 && alien[i].total == row[i].total && alien[i].doubt == row[i].doubt);
        total += row[i].total / N;
        data += row[i].data / N;
        correct += row[i].correct / N;
    }
    assert_near(total, m.total_uncertainty, near);
    assert_near(data, m.data_uncertainty, near);
    assert_near(correct, m.accuracy, near);
    trb_free(log_p);
    clear(in);
}

/* A row that is certain in single precision still has its rank. */
static void doubt_does_not_vanish(void **state)
{
    (void)state;
    const float z[2][2] = {{60.0F, 0.0F}, {61.0F, 0.0F}};
    trb_row_figures row[2];
    const trb_metrics_out out = {.row = row};
    assert_ok(trb_metrics_block(trb_predict_mixture, 2, 1, 2, z[0], NULL, BINS, &out));
    assert_true(row[0].doubt > row[1].doubt && row[1].doubt > 0.0);
}

static void fidelity_is_torchs(void **state)
{
    (void)state;
    const inputs in = read_inputs();
    trb_h5 *h = golden_open("metrics.h5");
    float *heads = golden_read(h, "heads", TRB_F32, N * M * K);
    double sums[2][TRB_METRIC_SUMS], expected = golden_number(h, "fidelity");
    for (size_t b = 0; b < 2; b++) {
        assert_ok(block(N / 2, M, K, heads + b * N / 2 * M * K, in.label, BINS, sums[b], NULL));
        trb_metrics_fidelity(N / 2, M, K, in.z + b * N / 2 * M * K, heads + b * N / 2 * M * K, sums[b]);
    }
    assert_near(trb_metrics_from(2, sums[0], N, BINS).fidelity_kl, expected, near);
    assert_ok(block(N, M, K, in.z, in.label, BINS, sums[0], NULL));
    trb_metrics_fidelity(N, M, K, in.z, in.z, sums[0]);
    assert_true(trb_metrics_from(1, sums[0], N, BINS).fidelity_kl == 0.0);
    /* Two calls for two halves of a block add up. */
    for (size_t b = 0; b < 2; b++)
        trb_metrics_fidelity(N / 2, M, K, in.z + b * N / 2 * M * K, heads + b * N / 2 * M * K, sums[0]);
    assert_near(trb_metrics_from(1, sums[0], N, BINS).fidelity_kl, expected, near);
    trb_free(heads);
    trb_h5_close(h);
    clear(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ensemble_is_numpys),
        cmocka_unit_test(a_single_head_is_numpys),
        cmocka_unit_test(blocks_add_up),
        cmocka_unit_test(equal_heads_do_not_differ),
        cmocka_unit_test(a_case_by_hand),
        cmocka_unit_test(certainty_is_finite),
        cmocka_unit_test(a_class_without_probability_has_a_logarithm),
        cmocka_unit_test(bins_have_their_lower_ends),
        cmocka_unit_test(a_logit_that_is_not_finite_is_named),
        cmocka_unit_test(means_are_taken_figure_by_figure),
        cmocka_unit_test(a_dirichlet_has_draws),
        cmocka_unit_test(rows_are_those_of_the_sums),
        cmocka_unit_test(doubt_does_not_vanish),
        cmocka_unit_test(fidelity_is_torchs),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
