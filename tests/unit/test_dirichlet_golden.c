/* Students that answer with a Dirichlet, and the functions behind them, against PyTorch in double
 * (tools/develop/golden_torch.py), and what must hold of them. */
#include "numbers.h"

#include <float.h>

#include "tribikos/dirichlet.h"
#include "tribikos/gamma.h"

enum { B = 7, M = 3, K = 10 };

static double work[TRB_STATISTICS_WORK(K)];

typedef struct {
    trb_h5 *h;
    float *z, *t, *s, *dz; /* s: room for statistics */
} inputs;

static inputs read_inputs(void)
{
    trb_h5 *h = golden_open("dirichlet.h5");
    return (inputs){.h = h,
                    .z = golden_read(h, "z", TRB_F32, B * K),
                    .t = golden_read(h, "t", TRB_F32, B * M * K),
                    .s = room(B * 2 * K, sizeof(float)),
                    .dz = room(B * K, sizeof(float))};
}

static void clear(inputs in)
{
    trb_free(in.z), trb_free(in.t), trb_free(in.s), trb_free(in.dz);
    trb_h5_close(in.h);
}

static double *golden(trb_h5 *h, const char *of, const char *what, size_t n)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", of, what);
    return golden_read(h, path, TRB_F64, n);
}

static void gamma_functions(void **state)
{
    (void)state;
    enum { N = 97 + 11 + 20 };
    static const struct {
        const char *name;
        double (*f)(double);
    } functions[] = {{"digamma", trb_digamma}, {"trigamma", trb_trigamma}, {"log_gamma", trb_log_gamma}};
    trb_h5 *h = golden_open("dirichlet.h5");
    double *x = golden(h, "gamma", "x", N);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        double *expected = golden(h, "gamma", functions[i].name, N);
        for (size_t k = 0; k < N; k++)
            assert_near(functions[i].f(x[k]), expected[k], 4e-15 * fmax(1.0, fabs(expected[k])));
        trb_free(expected);
    }
    /* Recurrence and the ends of the range. */
    for (double y = 1e-3; y < 1e3; y *= 1.7) {
        assert_near(trb_digamma(y + 1.0), trb_digamma(y) + 1.0 / y, 4e-15 * fmax(1.0, 1.0 / y));
        assert_near(trb_trigamma(y + 1.0), trb_trigamma(y) - 1.0 / (y * y), 4e-15 * fmax(1.0, 1.0 / (y * y)));
    }
    assert_true(isfinite(trb_digamma(DBL_MIN)) && isfinite(trb_digamma(1e300)) && isfinite(trb_trigamma(1e-150)));
    trb_free(x);
    trb_h5_close(h);
}

/* The reference has the members themselves. Statistics are rounded to single precision once, from where each s_k is
 * wrong by up to ROUNDING |s_k|, as alpha_k times that in loss and gradient. */
static void check_endd(const char *name, float T)
{
    inputs in = read_inputs();
    double *s = golden(in.h, name, "s", B * K), *dz = golden(in.h, name, "dz", B * K), loss = 0.0, off = 0.0;
    double *expected = golden(in.h, name, "loss", 1);
    assert_ok(trb_endd_statistics(B, M, M, K, T, in.t, work, in.s));
    for (size_t i = 0; i < B * K; i++) assert_near((double)in.s[i], s[i], 1.001 * ROUNDING * fabs(s[i]));
    assert_ok(trb_loss_endd(B, K, B, T, in.z, in.s, &loss, in.dz));
    for (size_t i = 0; i < B * K; i++) {
        const double alpha = exp((double)in.z[i] / (double)T), wrong = ROUNDING * alpha * fabs(s[i]) / B;
        assert_near((double)in.dz[i], dz[i], 1.001 * (wrong / (double)T + ROUNDING * fabs(dz[i])));
        off += ROUNDING * (alpha + 1.0) * fabs(s[i]) / B;
    }
    assert_near(loss, expected[0], off);
    trb_free(s), trb_free(dz), trb_free(expected);
    clear(in);
}

static void endd(void **state)
{
    (void)state;
    check_endd("endd", 1.0F);
    check_endd("endd_tempered", 2.5F);
}

static double inverse_precision(const float *s)
{
    double mkl = 0.0;
    for (size_t k = 0; k < K; k++) mkl += s[k] > 0.0F ? (double)s[k] * (log((double)s[k]) - (double)s[K + k]) : 0.0;
    return 2.0 * mkl / (K - 1);
}

/* Likewise: pi is wrong by ROUNDING pi, and w = 1/beta_0 by 2/(K - 1) ROUNDING sum_k pi_k (|log pi_k| + 1 + |q_k|), and
 * by ROUNDING w, since it is rounded itself. */
static void proxy_endd(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double *s = golden(in.h, "proxy_endd", "s", B * 2 * K), *dz = golden(in.h, "proxy_endd", "dz", B * K);
    double *expected = golden(in.h, "proxy_endd", "loss", 1), loss = 0.0, off = 0.0;
    assert_ok(trb_proxy_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s));
    for (size_t i = 0; i < B * 2 * K; i++)
        assert_near((double)in.s[i], s[i], 1.001 * ROUNDING * fabs(s[i]) + 1e-15 * (s[i] > 0.0));
    trb_proxy_endd_targets(B, K, in.s);
    assert_ok(trb_loss_proxy_endd(B, K, B, 1.0F, in.z, in.s, &loss, in.dz));
    for (size_t b = 0; b < B; b++) {
        const double *pi = s + b * 2 * K, *q = pi + K;
        double w = ROUNDING * (double)in.s[b * (K + 1) + K], sum = 0.0, flat = 0.0;
        for (size_t k = 0; k < K; k++) {
            w += 2.0 / (K - 1) * ROUNDING * pi[k] * (fabs(log(pi[k])) + 1.0 + fabs(q[k]));
            sum += exp((double)in.z[b * K + k]);
        }
        for (size_t k = 0; k < K; k++) {
            const double e = exp((double)in.z[b * K + k]), slope = trb_trigamma(e + 1.0);
            const double pull = fabs(e * slope - sum * trb_trigamma(sum + K));
            assert_near((double)in.dz[b * K + k], dz[b * K + k],
                        1.001 * (e / B * (ROUNDING * pi[k] * slope + w * pull) + ROUNDING * fabs(dz[b * K + k])) +
                            1e-12);
            off += ROUNDING * pi[k] * fabs(trb_digamma(e + 1.0)) / B;
            flat += fabs(e * (trb_digamma(e + 1.0) - trb_digamma(sum + K)) - trb_log_gamma(e + 1.0));
        }
        off += w * (flat + trb_log_gamma(sum + K)) / B;
    }
    assert_near(loss, expected[0], off);
    trb_free(s), trb_free(dz), trb_free(expected);
    clear(in);
}

/* Central differences with a step of 2^-10, as rounded: the third derivatives of these losses are a small multiple of
 * the gradient and of alpha. */
static void differences(void **state)
{
    (void)state;
    inputs in = read_inputs();
    for (int proxy = 0; proxy < 2; proxy++) {
        const float T = 2.5F;
        trb_status (*const loss_of)(size_t, size_t, size_t, float, const float *, const float *, double *, float *) =
            proxy ? trb_loss_proxy_endd : trb_loss_endd;
        assert_ok((proxy ? trb_proxy_endd_statistics : trb_endd_statistics)(B, M, M, K, T, in.t, work, in.s));
        if (proxy) trb_proxy_endd_targets(B, K, in.s);
        double loss = 0.0, above = 0.0, below = 0.0;
        float *ignored = room(B * K, sizeof *ignored);
        assert_ok(loss_of(B, K, 2 * B, T, in.z, in.s, &loss, in.dz));
        for (size_t i = 0; i < B * K; i++) {
            const float z = in.z[i], up = z + 0x1p-10F, down = z - 0x1p-10F;
            in.z[i] = up;
            assert_ok(loss_of(B, K, 2 * B, T, in.z, in.s, &above, ignored));
            in.z[i] = down;
            assert_ok(loss_of(B, K, 2 * B, T, in.z, in.s, &below, ignored));
            in.z[i] = z;
            assert_near((above - below) / ((double)up - (double)down), (double)in.dz[i],
                        1e-6 * (1.0 + exp((double)z / (double)T)));
        }
        trb_free(ignored);
    }
    clear(in);
}

/* A student that is its proxy has nothing to learn: dz is 0 at alpha = beta. This is what the paper's form of the
 * divergence is derived from. */
static void the_proxy_is_the_optimum(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0;
    assert_ok(trb_proxy_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s));
    for (size_t b = 2; b < B; b++) { /* rows whose members differ */
        float *s = in.s + b * 2 * K;
        const double w = inverse_precision(s);
        trb_proxy_endd_targets(1, K, s);
        for (size_t k = 0; k < K; k++) in.z[k] = (float)log((double)s[k] / w);
        assert_ok(trb_loss_proxy_endd(1, K, 1, 1.0F, in.z, s, &loss, in.dz));
        for (size_t k = 0; k < K; k++) assert_near((double)in.dz[k], 0.0, 4e-6 * fmin(1.0, (double)s[k] / w));
    }
    clear(in);
}

/* A class that has no probability in single precision takes no part in the precision: the proxy of the others is the
 * optimum still. */
static void a_class_may_be_out_of_reach(void **state)
{
    (void)state;
    const float t[2 * 3] = {2.0F, -1.0F, -200.0F, -1.0F, 2.0F, -200.0F};
    float s[6], z[3], dz[3];
    double loss = 0.0;
    assert_ok(trb_proxy_endd_statistics(1, 2, 2, 3, 1.0F, t, work, s));
    assert_true(s[2] == 0.0F && s[5] < -200.0F);
    const double p = 1.0 / (1.0 + exp(-3.0)), w = log(0.5) - 0.5 * (log(p) + log(1.0 - p)); /* K - 1 = 2 */
    z[0] = z[1] = (float)log(0.5 / w);
    z[2] = -80.0F;
    trb_proxy_endd_targets(1, 3, s);
    assert_ok(trb_loss_proxy_endd(1, 3, 1, 1.0F, z, s, &loss, dz));
    for (size_t k = 0; k < 3; k++) assert_near((double)dz[k], 0.0, 1e-6);
}

/* Where members agree, rounding may not leave a reward for being ever more sure: to follow them is all of the loss. */
static void agreement_rewards_nothing(void **state)
{
    (void)state;
    enum { ROWS = 64 };
    float *t = normals(ROWS * K, 5.0F, 4), two[2 * K], s[2 * K], z[K], dz[K];
    size_t below = 0;
    for (size_t b = 0; b < ROWS; b++) {
        double loss = 0.0, alpha0 = 0.0, follow = 0.0;
        for (size_t i = 0; i < 2 * K; i++) two[i] = t[b * K + i % K];
        assert_ok(trb_proxy_endd_statistics(1, 2, 2, K, 1.0F, two, work, s));
        for (size_t k = 0; k < K; k++) {
            z[k] = (float)log((double)s[k] * 1e12);
            alpha0 += exp((double)z[k]) + 1.0;
            follow -= (double)s[k] * trb_digamma(exp((double)z[k]) + 1.0);
        }
        below += inverse_precision(s) < 0.0;
        trb_proxy_endd_targets(1, K, s);
        assert_ok(trb_loss_proxy_endd(1, K, 1, 1.0F, z, s, &loss, dz));
        assert_true(loss > follow + trb_digamma(alpha0) - 1e-12);
    }
    assert_in_range(below, 1, ROWS);
    trb_free(t);
}

/* Every column of a grid has some of the members: what they make of them adds up. */
static void parts_add_up(void **state)
{
    (void)state;
    float *t = normals(4 * K, 5.0F, 3), whole[2 * K], a[2 * K], b[2 * K];
    for (int proxy = 0; proxy < 2; proxy++) {
        trb_status (*const statistics)(size_t, size_t, size_t, size_t, float, const float *, double *, float *) =
            proxy ? trb_proxy_endd_statistics : trb_endd_statistics;
        assert_ok(statistics(1, 4, 4, K, 3.0F, t, work, whole));
        assert_ok(statistics(1, 1, 4, K, 3.0F, t, work, a));
        assert_ok(statistics(1, 3, 4, K, 3.0F, t + K, work, b));
        for (size_t i = 0; i < (size_t)(1 + proxy) * K; i++)
            assert_near((double)a[i] + (double)b[i], (double)whole[i], 3 * ROUNDING * fabs((double)whole[i]));
    }
    trb_free(t);
}

/* What a cache holds of all members is what the losses get from them, bit by bit. */
static void of_a_cache(void **state)
{
    (void)state;
    inputs in = read_inputs();
    float cached[B * TRB_STATISTICS(K)];
    assert_ok(trb_statistics(B, M, K, in.t, work, cached));
    assert_ok(trb_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s));
    for (size_t b = 0; b < B; b++) assert_memory_equal(cached + b * TRB_STATISTICS(K), in.s + b * K, K * sizeof(float));
    assert_ok(trb_proxy_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s));
    trb_proxy_endd_targets(B, K, in.s);
    for (size_t b = 0; b < B; b++)
        assert_memory_equal(cached + b * TRB_STATISTICS(K) + K, in.s + b * (K + 1), (K + 1) * sizeof(float));
    /* Nor is a class lost on which a member's log-probability is beyond single precision. */
    const float sure[2 * 2] = {3e38F, -3e38F, 3e38F, -3e38F};
    assert_ok(trb_statistics(1, 2, 2, sure, work, cached));
    for (size_t i = 0; i < TRB_STATISTICS(2); i++) assert_true(isfinite(cached[i]));
    assert_fails(trb_statistics(1, 1, 1, in.t, work, cached), TRB_ECONFIG, "2 or more classes, got 1");
    clear(in);
}

/* Members that agree and are sure, and students that are far from them. */
static void extremes(void **state)
{
    (void)state;
    const float sure[2 * 3] = {80.0F, -80.0F, -3e38F, 80.0F, -80.0F, -3e38F};
    float s[6], dz[3];
    double loss = 0.0;
    assert_ok(trb_endd_statistics(1, 2, 2, 3, 1.0F, sure, work, s));
    assert_near((double)s[2], log(TRB_ENDD_SMOOTHING / 3.0), 1e-5);
    static const float students[][3] = {
        {0.0F, 0.0F, 0.0F}, {60.0F, -60.0F, -60.0F}, {-3e38F, -900.0F, -100.0F}, {40.0F, 40.0F, 40.0F}};
    for (size_t i = 0; i < 4; i++) {
        assert_ok(trb_loss_endd(1, 3, 1, 1.0F, students[i], s, &loss, dz));
        assert_true(isfinite(loss) && isfinite(dz[0]) && isfinite(dz[1]) && isfinite(dz[2]));
    }
    assert_fails(trb_loss_endd(1, 3, 1, 1.0F, (float[]){70.0F, 0.0F, 0.0F}, s, &loss, dz), TRB_ENUM,
                 "row 0 has a precision of 2.5");
    assert_fails(trb_loss_endd(1, 3, 1, 1.0F, (float[]){3e38F, 0.0F, 0.0F}, s, &loss, dz), TRB_ENUM, "inf");

    assert_ok(trb_proxy_endd_statistics(1, 2, 2, 3, 1.0F, sure, work, s));
    trb_proxy_endd_targets(1, 3, s);
    for (size_t i = 0; i < 4; i++) {
        assert_ok(trb_loss_proxy_endd(1, 3, 1, 1.0F, students[i], s, &loss, dz));
        assert_true(isfinite(loss) && isfinite(dz[0]) && isfinite(dz[1]) && isfinite(dz[2]));
        if (i == 1) assert_near((double)dz[0], 0.0, 1e-7); /* follows them, without a pull to be less sure */
    }
    assert_fails(trb_loss_proxy_endd(1, 3, 1, 1.0F, (float[]){70.0F, 0.0F, 0.0F}, s, &loss, dz), TRB_ENUM,
                 "row 0 has a precision of 2.5");
}

static void what_is_refused(void **state)
{
    (void)state;
    inputs in = read_inputs();
    double loss = 0.0;
    assert_ok(trb_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s));
    in.t[(5 * M + 2) * K + 9] = NAN;
    assert_fails(trb_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s), TRB_ENUM, "members' logits of row 5, head 2");
    assert_fails(trb_proxy_endd_statistics(B, M, M, K, 1.0F, in.t, work, in.s), TRB_ENUM,
                 "members' logits of row 5, head 2");
    in.z[6 * K] = INFINITY;
    assert_fails(trb_loss_endd(B, K, B, 1.0F, in.z, in.s, &loss, in.dz), TRB_ENUM, "student's logits of row 6, head 0");
    assert_fails(trb_loss_proxy_endd(B, K, B, 1.0F, in.z, in.s, &loss, in.dz), TRB_ENUM, "student's logits of row 6");
    assert_fails(trb_endd_statistics(1, 1, 1, 1, 1.0F, in.z, work, in.s), TRB_ECONFIG, "2 or more classes, got 1");
    assert_fails(trb_loss_proxy_endd(1, 1, 1, 1.0F, in.z, in.s, &loss, in.dz), TRB_ECONFIG, "got 1");
    assert_fails(trb_loss_endd(1, TRB_LOSS_K_MAX + 1, 1, 1.0F, in.z, in.s, &loss, in.dz), TRB_ECONFIG, "32769");
    clear(in);
}

static void predictions(void **state)
{
    (void)state;
    inputs in = read_inputs();
    static const char *const names[] = {NULL, "exp", "exp_plus_1"};
    double p[K], log_p[K], total = 0.0, data = 0.0;
    for (int kind = TRB_DIRICHLET_EXP; kind <= TRB_DIRICHLET_EXP_PLUS_1; kind++) {
        double *mean = golden(in.h, names[kind], "p", B * K), *totals = golden(in.h, names[kind], "total", B);
        double *datas = golden(in.h, names[kind], "data", B);
        for (size_t b = 0; b < B; b++) {
            trb_dirichlet_predict((trb_dirichlet)kind, K, in.z + b * K, p, log_p, &total, &data);
            for (size_t k = 0; k < K; k++) assert_near(p[k], mean[b * K + k], 1e-14);
            for (size_t k = 0; k < K; k++) assert_near(log_p[k], log(mean[b * K + k]), 1e-13);
            assert_near(total, totals[b], 1e-13);
            assert_near(data, datas[b], 1e-13);
        }
        trb_free(mean), trb_free(totals), trb_free(datas);
        static const float far[][3] = {
            {3e38F, 0.0F, -3e38F}, {-3e38F, -3e38F, -3e38F}, {700.0F, 699.0F, 0.0F}, {-900.0F, -901.0F, 3.0F}};
        for (size_t i = 0; i < 4; i++) {
            trb_dirichlet_predict((trb_dirichlet)kind, 3, far[i], p, log_p, &total, &data);
            assert_near(p[0] + p[1] + p[2], 1.0, 1e-12);
            assert_true(isfinite(log_p[0]) && isfinite(log_p[1]) && isfinite(log_p[2]));
            assert_true(isfinite(total) && isfinite(data) && data > -1e-12 && total > data - 1e-12);
        }
    }
    clear(in);
}

/* The mean entropy of a draw by its definition: Dir(3, 2) of two classes has the density 12 p^2 (1 - p). */
static void data_uncertainty_is_a_mean_entropy(void **state)
{
    (void)state;
    enum { STEPS = 100000 };
    const float z[2] = {logf(3.0F), logf(2.0F)}, less[2] = {logf(2.0F), 0.0F};
    double p[2], log_p[2], total = 0.0, data = 0.0, expected = 0.0;
    for (int i = 0; i < STEPS; i++) {
        const double x = (i + 0.5) / STEPS;
        expected -= (x * log(x) + (1.0 - x) * log(1.0 - x)) * 12.0 * x * x * (1.0 - x) / STEPS;
    }
    trb_dirichlet_predict(TRB_DIRICHLET_EXP, 2, z, p, log_p, &total, &data);
    assert_near(data, expected, 1e-7); /* the logits' rounding */
    trb_dirichlet_predict(TRB_DIRICHLET_EXP_PLUS_1, 2, less, p, log_p, &total, &data);
    assert_near(data, expected, 1e-7);
    assert_near(total, -(0.6 * log(0.6) + 0.4 * log(0.4)), 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gamma_functions),
        cmocka_unit_test(endd),
        cmocka_unit_test(proxy_endd),
        cmocka_unit_test(differences),
        cmocka_unit_test(the_proxy_is_the_optimum),
        cmocka_unit_test(a_class_may_be_out_of_reach),
        cmocka_unit_test(agreement_rewards_nothing),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(of_a_cache),
        cmocka_unit_test(extremes),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(predictions),
        cmocka_unit_test(data_uncertainty_is_a_mean_entropy),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
