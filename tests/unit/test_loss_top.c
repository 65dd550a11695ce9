/* The most probable classes of a member, and the loss of heads that follow them: against PyTorch in double
 * (tools/develop/golden_torch.py), against differences, and in the limit of all classes. */
#include "numbers.h"

#include "tribikos/top.h"

enum { B = 7, M = 3, K = 10 };
static const float T = 4.0F;
/* As in test_loss_golden.c; besides, u of the tail is rounded to float32: 16 roundings of the largest gradient more. */
static const double near = 48 * ROUNDING;

static void check(trb_h5 *h, size_t k, const char *name, size_t heads, const float *t)
{
    char path[64];
    float *z = golden_read(h, heads == 1 ? "one" : "z", TRB_F32, B * heads * K);
    float *work = room(TRB_TOP_WORK(K), sizeof *work), *dz = room(B * heads * K, sizeof *dz);
    double loss = 0.0;
    (void)snprintf(path, sizeof path, "%zu/%s/loss", k, name);
    const double expected = golden_number(h, path);
    (void)snprintf(path, sizeof path, "%zu/%s/dz", k, name);
    double *gradient = golden_read(h, path, TRB_F64, B * heads * K);
    assert_ok(trb_loss_top(B, heads, M, K, k, B, T, z, t, work, &loss, dz));
    assert_near(loss, expected, near * fabs(expected));
    assert_all_near(B * heads * K, dz, gradient, near);
    trb_free(z), trb_free(work), trb_free(dz), trb_free(gradient);
}

static void golden(void **state)
{
    (void)state;
    static const size_t ks[] = {1, 4, 9, 10};
    trb_h5 *h = golden_open("top.h5");
    float *t = golden_read(h, "t", TRB_F32, B * M * K), *work = room(TRB_TOP_WORK(K), sizeof *work);
    for (size_t i = 0; i < 4; i++) {
        const size_t k = ks[i], n = TRB_TOP(k, K), outcomes = TRB_TOP_OUTCOMES(k, K);
        char path[64];
        (void)snprintf(path, sizeof path, "%zu/row", k);
        double *wanted = golden_read(h, path, TRB_F64, B * M * n);
        float *row = room(B * M * n, sizeof *row);
        assert_ok(trb_top_select(B * M, K, k, t, work, row));
        for (size_t j = 0; j < B * M * n; j++)
            assert_near((double)row[j], wanted[j], j % n < outcomes ? 8 * ROUNDING * fmax(1e-3, fabs(wanted[j])) : 0.0);
        check(h, k, "each", M, row);
        check(h, k, "one", 1, row);
        trb_free(row), trb_free(wanted);
    }
    trb_free(t), trb_free(work);
    trb_h5_close(h);
}

/* The order of a row: descending values, and of equal ones the smaller class first, as a sort gives it. */
static void order(void **state)
{
    (void)state;
    enum { ROWS = 40, MANY = 257 };
    float *z = normals(ROWS * MANY, 2.0F, 1), *work = room(TRB_TOP_WORK(MANY), sizeof *work);
    for (size_t i = 0; i < ROWS * MANY; i++) z[i] = roundf(z[i]); /* many are equal */
    for (size_t i = 0; i < MANY; i++) z[i] = (float)i, z[MANY + i] = -(float)i, z[2 * MANY + i] = 1.0F;
    for (size_t k = 1; k <= MANY; k += 64) {
        const size_t n = TRB_TOP(k, MANY);
        float *t = room(ROWS * n, sizeof *t);
        assert_ok(trb_top_select(ROWS, MANY, k, z, work, t));
        for (size_t r = 0; r < ROWS; r++) {
            const float *class = t + r * n + TRB_TOP_OUTCOMES(k, MANY), *row = z + r * MANY;
            for (size_t j = 0; j < k; j++) {
                size_t before = 0; /* classes that come before the one at j */
                const size_t c = (size_t) class[j];
                for (size_t i = 0; i < MANY; i++) before += row[i] > row[c] || (row[i] >= row[c] && i < c);
                assert_int_equal(before, j);
            }
        }
        trb_free(t);
    }
    trb_free(z), trb_free(work);
}

/* Central differences of the loss with respect to each logit. The error of a difference is h^2/6 of the third
 * derivative, which is of order 1e-6 for h = 1e-2 (of logits/T), and the rounding of z + h, which is avoided: h is a
 * power of 2, and logits are multiples of it. */
static void differences(void **state)
{
    (void)state;
    const float h = 0x1p-6F;
    float *z = normals(B * K, 2.0F, 3), *t = normals(B * M * K, 3.0F, 4), *work = room(TRB_TOP_WORK(K), sizeof *work);
    float *row = room(B * M * TRB_TOP(4, K), sizeof *row), *dz = room(B * K, sizeof *dz), *no = room(B * K, sizeof *no);
    double loss = 0.0, above = 0.0, below = 0.0;
    for (size_t i = 0; i < B * K; i++) z[i] = roundf(z[i] / h) * h;
    assert_ok(trb_top_select(B * M, K, 4, t, work, row));
    assert_ok(trb_loss_top(B, 1, M, K, 4, B, 2.0F, z, row, work, &loss, dz));
    for (size_t i = 0; i < B * K; i++) {
        const float was = z[i];
        z[i] = was + h;
        assert_ok(trb_loss_top(B, 1, M, K, 4, B, 2.0F, z, row, work, &above, no));
        z[i] = was - h;
        assert_ok(trb_loss_top(B, 1, M, K, 4, B, 2.0F, z, row, work, &below, no));
        z[i] = was;
        assert_near((double)dz[i], (above - below) / (2.0 * (double)h), 2e-5);
    }
    trb_free(z), trb_free(t), trb_free(work), trb_free(row), trb_free(dz), trb_free(no);
}

/* With k = K: the loss of logits, and the gradient of the mean of the members. A student that agrees about all outcomes
 * has nothing to learn, whatever it does within the tail. */
static void limits(void **state)
{
    (void)state;
    float *z = normals(B * M * K, 3.0F, 5), *t = normals(B * M * K, 3.0F, 6),
          *work = room(TRB_TOP_WORK(K), sizeof *work);
    float *row = room(B * M * TRB_TOP(K, K), sizeof *row), *dz = room(B * M * K, sizeof *dz);
    float *wanted = room(B * M * K, sizeof *wanted);
    double loss = 0.0, other = 0.0, expected[B * M * K];
    assert_ok(trb_top_select(B * M, K, K, t, work, row));
    assert_ok(trb_loss_top(B, M, M, K, K, B, T, z, row, work, &loss, dz));
    assert_ok(trb_loss_kd(B, M, K, B, T, z, t, &other, wanted));
    assert_near(loss, other, near * other);
    for (size_t i = 0; i < B * M * K; i++) expected[i] = (double)wanted[i];
    assert_all_near(B * M * K, dz, expected, near);
    assert_ok(trb_loss_top(B, 1, M, K, K, B, T, z, row, work, &loss, dz));
    assert_ok(loss_kd_mean(B, M, K, B, T, z, t, &other, wanted));
    assert_true(loss > other);
    for (size_t i = 0; i < B * K; i++) expected[i] = (double)wanted[i];
    assert_all_near(B * K, dz, expected, near);
    assert_ok(trb_top_select(1, K, 2, t, work, row));
    const size_t a = (size_t)row[3], b = (size_t)row[4];
    double tail = 0.0;
    for (size_t k = 0; k < K; k++) tail += k == a || k == b ? 0.0 : exp((double)t[k]);
    for (size_t k = 0, i = 0; k < K; k++)
        z[k] = k == a || k == b ? t[k] : (float)log(tail * (double)(++i) / ((K - 2) * (K - 1) / 2)); /* 1 : 2 : 3 ... */
    assert_ok(trb_loss_top(1, 1, 1, K, 2, 1, T, z, row, work, &loss, dz));
    assert_near(loss, 0.0, 1e-6);
    for (size_t k = 0; k < K; k++) assert_near((double)dz[k], 0.0, 2e-6);
    trb_free(z), trb_free(t), trb_free(work), trb_free(row), trb_free(dz), trb_free(wanted);
}

/* A tail far below the rounding of 1 is neither lost nor infinite, on both sides; a logit that is not finite is named. */
static void extremes(void **state)
{
    (void)state;
    float z[4] = {300.0F, -300.0F, -301.0F, 0.0F}, t[4] = {200.0F, 0.0F, -1000.0F, -1000.0F}, work[TRB_TOP_WORK(4)];
    float row[TRB_TOP(2, 4)], dz[4];
    double loss = 0.0;
    assert_ok(trb_top_select(1, 4, 2, t, work, row));
    assert_near((double)row[1], -200.0, 1e-4);
    assert_near((double)row[2], -1200.0 + log(2.0), 1e-3);
    assert_ok(trb_loss_top(1, 1, 1, 4, 2, 1, 1.0F, z, row, work, &loss, dz));
    assert_near(loss, 0.0, 1e-6);
    t[0] = -1000.0F; /* now the member is sure of class 1, which the student finds impossible */
    assert_ok(trb_top_select(1, 4, 2, t, work, row));
    assert_ok(trb_loss_top(1, 1, 1, 4, 2, 1, 1.0F, z, row, work, &loss, dz));
    assert_near(loss, 600.0, 1e-3);
    assert_near((double)dz[0], 1.0, 1e-6);
    assert_near((double)dz[1], -1.0, 1e-6);
    t[2] = NAN;
    assert_fails(trb_top_select(1, 4, 2, t, work, row), TRB_ENUM, "output 2 of row 0");
    z[1] = INFINITY;
    assert_fails(trb_loss_top(1, 1, 1, 4, 2, 1, 1.0F, z, row, work, &loss, dz), TRB_ENUM,
                 "the student's logits of row 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden),      cmocka_unit_test(order),
                                       cmocka_unit_test(differences), cmocka_unit_test(limits),
                                       cmocka_unit_test(extremes),    cmocka_unit_test(nothing_is_held)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
