/* Detection and correlation against their definitions over all pairs (tools/develop/golden_torch.py), and cases by hand. */
#include "numbers.h"

#include "tribikos/ranks.h"

enum { INSIDE = 60, OUTSIDE = 47 };

/* Sums of some hundred doubles. */
static const double near = 1e-13;

static void golden(const char *name)
{
    char place[40];
    trb_h5 *h = golden_open("metrics.h5");
    (void)snprintf(place, sizeof place, "%s/in", name);
    double *in = golden_read(h, place, TRB_F64, INSIDE);
    (void)snprintf(place, sizeof place, "%s/out", name);
    double *out = golden_read(h, place, TRB_F64, OUTSIDE);
    (void)snprintf(place, sizeof place, "%s/detection", name);
    double *detection = golden_read(h, place, TRB_F64, 3);
    (void)snprintf(place, sizeof place, "%s/correlation", name);
    double *correlation = golden_read(h, place, TRB_F64, 2);
    trb_detection d;
    assert_ok(trb_detect(INSIDE, in, OUTSIDE, out, &d));
    assert_near(d.auroc, detection[0], near);
    assert_near(d.aupr, detection[1], near);
    assert_near(d.fpr95, detection[2], near);
    double rho = 0.0;
    assert_near(trb_pearson(OUTSIDE, in, out), correlation[0], near);
    assert_ok(trb_spearman(OUTSIDE, in, out, &rho));
    assert_near(rho, correlation[1], near);
    /* A score turned round finds what is in distribution. */
    for (size_t i = 0; i < INSIDE; i++) in[i] = -in[i];
    for (size_t i = 0; i < OUTSIDE; i++) out[i] = -out[i];
    assert_ok(trb_detect(INSIDE, in, OUTSIDE, out, &d));
    assert_near(d.auroc, 1.0 - detection[0], near);
    trb_free(in), trb_free(out), trb_free(detection), trb_free(correlation);
    trb_h5_close(h);
}

static void with_ties(void **state)
{
    (void)state;
    golden("coarse");
}

static void without_ties(void **state)
{
    (void)state;
    golden("fine");
}

static void by_hand(void **state)
{
    (void)state;
    trb_detection d;
    const double low[3] = {0.0, 1.0, 2.0}, high[2] = {3.0, 4.0}, equal[2] = {1.0, 1.0};
    assert_ok(trb_detect(3, low, 2, high, &d));
    assert_true(d.auroc == 1.0 && d.aupr == 1.0 && d.fpr95 == 0.0);
    assert_ok(trb_detect(2, high, 3, low, &d));
    assert_true(d.auroc == 0.0 && d.fpr95 == 1.0);
    assert_ok(trb_detect(2, equal, 2, equal, &d));
    assert_true(d.auroc == 0.5 && d.aupr == 0.5 && d.fpr95 == 1.0);
    assert_ok(trb_detect(3, low, 2, equal, &d));
    assert_true(d.auroc == 0.5 && d.aupr == 0.5);
    assert_near(d.fpr95, 2.0 / 3.0, near);
    /* 19 of 20 are 95 %, 18 are not: one may be missed. */
    double out[20];
    for (size_t i = 0; i < 20; i++) out[i] = i == 0 ? -1.0 : 5.0;
    assert_ok(trb_detect(3, low, 20, out, &d));
    assert_true(d.fpr95 == 0.0);
    out[1] = -1.0;
    assert_ok(trb_detect(3, low, 20, out, &d));
    assert_true(d.fpr95 == 1.0);
}

static void what_is_constant_has_no_correlation(void **state)
{
    (void)state;
    const double x[4] = {0.1, 0.1, 0.1, 0.1}, y[4] = {1, 2, 3, 5}, monotone[4] = {1, 4, 9, 1000};
    double rho = 0.0;
    assert_true(isnan(trb_pearson(4, x, y)));
    assert_ok(trb_spearman(4, x, y, &rho));
    assert_true(isnan(rho));
    assert_ok(trb_spearman(4, y, monotone, &rho));
    assert_near(rho, 1.0, near);
    assert_true(trb_pearson(4, y, monotone) < 0.99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_ties),       cmocka_unit_test(without_ties),
        cmocka_unit_test(by_hand),         cmocka_unit_test(what_is_constant_has_no_correlation),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
