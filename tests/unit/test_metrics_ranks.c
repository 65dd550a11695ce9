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

/* Of errors among six samples: found first, found last, not told apart, and by hand with ties. */
static void risk_by_coverage(void **state)
{
    (void)state;
    const double none[6] = {0, 0, 0, 0, 0, 0}, same[6] = {2, 2, 2, 2, 2, 2}, order[6] = {1, 2, 3, 4, 5, 6},
                 last[6] = {0, 0, 0, 0, 1, 1}, first[6] = {1, 1, 0, 0, 0, 0}, third[6] = {0, 0, 1, 0, 0, 0},
                 tied[6] = {1, 2, 2, 2, 3, 3}, squares[6] = {0.25, 4, 1, 0, 9, 2.25};
    double area = -1.0;
    assert_ok(trb_aurc(6, order, none, &area));
    assert_true(area == 0.0);
    /* Two errors of six samples: 1/6 (1/5 + 2/6) if uncertainty finds both; 1/6 (1 + 1 + 2/3 + 2/4 + 2/5 + 2/6) if it
     * takes them for the surest ones. */
    assert_ok(trb_aurc(6, order, last, &area));
    assert_near(area, (1.0 / 5 + 2.0 / 6) / 6, near);
    assert_ok(trb_aurc(6, order, first, &area));
    assert_near(area, (2 + 2.0 / 3 + 2.0 / 4 + 2.0 / 5 + 2.0 / 6) / 6, near);
    /* A constant knows nothing: the area is the error rate, wherever the errors are. */
    assert_ok(trb_aurc(6, same, last, &area));
    assert_near(area, 2.0 / 6, near);
    assert_ok(trb_aurc(6, same, first, &area));
    assert_near(area, 2.0 / 6, near);
    /* The second, third or fourth place has the error with equal probability. */
    assert_ok(trb_aurc(6, tied, third, &area));
    assert_near(area, (1.0 / 3 / 2 + 2.0 / 3 / 3 + 1.0 / 4 + 1.0 / 5 + 1.0 / 6) / 6, near);
    assert_ok(trb_aurc(6, order, squares, &area));
    assert_near(area, (0.25 + 4.25 / 2 + 5.25 / 3 + 5.25 / 4 + 14.25 / 5 + 16.5 / 6) / 6, near);
    assert_ok(trb_aurc(1, order, squares, &area));
    assert_true(area == 0.25);
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
        cmocka_unit_test(with_ties),
        cmocka_unit_test(without_ties),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(risk_by_coverage),
        cmocka_unit_test(what_is_constant_has_no_correlation),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
