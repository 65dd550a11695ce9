/* Normalisation, against figures that can be worked out by hand and against sums in long double. */
#include "data_fixture.h"

#include <math.h>

/* A data set in the test's own memory: only the constants are allocated, as the loader does. */
static trb_data borrow(trb_task task, trb_dtype type, size_t n, trb_shape shape, void *x)
{
    trb_data d = {.task = task, .n = n, .shape = shape, .type = type, .x = x, .target_scale = 1.0, .classes = 2};
    assert_int_equal(trb_alloc(TRB_MEM_DATA, shape.c, sizeof *d.mean, &d.mean), TRB_OK);
    assert_int_equal(trb_alloc(TRB_MEM_DATA, shape.c, sizeof *d.scale, &d.scale), TRB_OK);
    return d;
}

static void give_back(trb_data *d)
{
    d->x = NULL;
    d->target = NULL;
    trb_data_clear(d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void bytes_by_channel(void **state)
{
    (void)state;
    enum { ROWS = 7, C = 3, AREA = 35, SIZE = C * AREA };
    uint8_t x[ROWS * SIZE];
    float out[2 * SIZE];
    const int64_t ids[] = {0, 2, 3, 6}, rows[] = {5, 1};
    for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * i * 7 + i / AREA % C * 50);
    trb_data d = borrow(TRB_TASK_CLASSES, TRB_U8, ROWS, (trb_shape){C, 5, 7}, x);
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 4, ids), TRB_OK);
    for (size_t c = 0; c < C; c++) {
        long double sum = 0, squares = 0;
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < AREA; j++) sum += x[(size_t)ids[i] * SIZE + c * AREA + j];
        const long double mean = sum / (4 * AREA);
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < AREA; j++) {
                const long double away = x[(size_t)ids[i] * SIZE + c * AREA + j] - mean;
                squares += away * away;
            }
        /* Rounded once to float: half a unit in the last place, 2^-24, and a bit for the double arithmetic. */
        assert_true(fabsl((long double)d.mean[c] / mean - 1) < 7e-8L);
        assert_true(fabsl((long double)d.scale[c] * sqrtl(squares / (4 * AREA)) - 1) < 7e-8L);
    }
    trb_data_rows(&d, 2, rows, out);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < SIZE; k++) {
            const float expected = ((float)x[(size_t)rows[i] * SIZE + k] - d.mean[k / AREA]) * d.scale[k / AREA];
            assert_true(out[i * SIZE + k] == expected);
        }

    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_UNIT, 4, ids), TRB_OK);
    trb_data_rows(&d, 1, rows, out);
    for (size_t k = 0; k < SIZE; k++) assert_true(fabsf(out[k] - (float)x[5 * SIZE + k] / 255.0F) < 1e-6F);
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_NONE, 4, ids), TRB_OK);
    trb_data_rows(&d, 1, rows, out);
    for (size_t k = 0; k < SIZE; k++) assert_true(out[k] == (float)x[5 * SIZE + k]);
    give_back(&d);
}

static void columns(void **state)
{
    (void)state;
    /* Column 0: 1, 3 (mean 2, deviation 1); 1 and 2: constant; 3: large mean, small spread. */
    float x[] = {1, 0.1F, 4.0F, 1e6F, 3, 0.1F, 4.0F, 1e6F + 2, 9, 9, 9, 9};
    float target[] = {10, 14, 99}, out[12];
    const int64_t ids[] = {0, 1}, all[] = {0, 1, 2};
    trb_data d = borrow(TRB_TASK_REGRESSION, TRB_F32, 3, (trb_shape){4, 1, 1}, x);
    d.target = target;
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 2, ids), TRB_OK);
    assert_true(d.mean[0] == 2.0F && d.scale[0] == 1.0F);
    assert_true(d.mean[1] == 0.1F && d.scale[1] == 1.0F);
    assert_true(d.mean[3] == 1e6F + 1 && d.scale[3] == 1.0F);
    assert_true(d.target_mean == 12.0 && d.target_scale == 2.0);
    trb_data_rows(&d, 3, all, out);
    const float expected[] = {-1, 0, 0, -1, 1, 0, 0, 1, 7, (9.0F - 0.1F), 5, 9.0F - (1e6F + 1)};
    for (size_t i = 0; i < 12; i++) assert_true(out[i] == expected[i]);

    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_UNIT, 2, ids), TRB_OK);
    assert_true(d.mean[0] == 0.0F && d.scale[0] == 1.0F && d.target_mean == 12.0 && d.target_scale == 2.0);
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_NONE, 2, ids), TRB_OK);
    assert_true(d.target_mean == 0.0 && d.target_scale == 1.0);
    trb_fail_clear();
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 0, ids), TRB_ECONFIG);
    trb_fail_clear();
    target[1] = 10;
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 2, ids), TRB_EINPUT);
    trb_fail_clear();
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_NONE, 2, ids), TRB_OK);
    give_back(&d);
}

/* A column that varies in the last bit alone is constant, and must not be blown up ten million times. */
static void rounding_is_no_spread(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    float x[2 * ROWS];
    int64_t ids[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        x[2 * i] = i % 2 == 0 ? 0.1F : nextafterf(0.1F, 1.0F);
        x[2 * i + 1] = i % 3 == 0 ? -12345.678F : nextafterf(-12345.678F, 0.0F);
        ids[i] = (int64_t)i;
    }
    trb_data d = borrow(TRB_TASK_CLASSES, TRB_F32, ROWS, (trb_shape){2, 1, 1}, x);
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, ROWS, ids), TRB_OK);
    assert_true(d.scale[0] == 1.0F && d.scale[1] == 1.0F);
    give_back(&d);
}

static void test_set_takes_those_of_training(void **state)
{
    (void)state;
    uint8_t x[] = {0, 10, 20, 30}, y[] = {100, 110};
    const int64_t ids[] = {0, 1};
    trb_data train = borrow(TRB_TASK_CLASSES, TRB_U8, 2, (trb_shape){2, 1, 1}, x);
    trb_data test = borrow(TRB_TASK_CLASSES, TRB_U8, 1, (trb_shape){2, 1, 1}, y);
    assert_int_equal(trb_data_normalize(&train, TRB_NORMALIZE_STANDARD, 2, ids), TRB_OK);
    assert_int_equal(trb_data_normalize_as(&test, &train), TRB_OK);
    float out[2];
    trb_data_rows(&test, 1, ids, out);
    assert_true(out[0] == (100.0F - 10.0F) * 0.1F && out[1] == (110.0F - 20.0F) * 0.1F);

    trb_fail_clear();
    train.classes = 2;
    test.classes = 3; /* the networks may have outputs for it */
    assert_int_equal(trb_data_normalize_as(&test, &train), TRB_OK);
    test.classes = train.classes = 1;
    test.shape = (trb_shape){1, 2, 1};
    assert_int_equal(trb_data_normalize_as(&test, &train), TRB_ECONFIG);
    test.shape = train.shape;
    test.type = TRB_F32;
    assert_int_equal(trb_data_normalize_as(&test, &train), TRB_ECONFIG);
    trb_fail_clear();
    train.x = NULL;
    trb_data_clear(&train);
    give_back(&test);
}

/* As torchvision does it: bytes become [0, 1] first, floats stay. */
static void constants_may_be_given(void **state)
{
    (void)state;
    uint8_t bytes[] = {0, 255, 51, 102};
    float floats[] = {1.0F, 2.0F};
    const double mean[] = {0.2, 0.4}, std[] = {0.5, 0.1};
    /* In bytes, 255 times as much: the inverse of 255e-42 and -255e37 are beyond what a float32 can hold. */
    const double bad_std[][2] = {{0.5, 0.0}, {0.5, -1.0}, {0.5, 1e-42}, {0.5, 1e-300}}, bad_mean[] = {0.5, -1e37};
    const int64_t ids[] = {0};
    float out[4];
    trb_data d = borrow(TRB_TASK_CLASSES, TRB_U8, 1, (trb_shape){2, 1, 2}, bytes);
    assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_GIVEN, 1, ids), TRB_OK);
    assert_int_equal(trb_data_normalize_by(&d, 2, mean, 2, std), TRB_OK);
    trb_data_rows(&d, 1, ids, out);
    const double expected[] = {-0.4, 1.6, -2.0, 0.0}, one_std[] = {-0.4, 1.6, -0.4, 0.0};
    for (size_t i = 0; i < 4; i++) assert_true(fabs((double)out[i] - expected[i]) < 1e-5);
    assert_int_equal(trb_data_normalize_by(&d, 2, mean, 1, std), TRB_OK);
    trb_data_rows(&d, 1, ids, out);
    for (size_t i = 0; i < 4; i++) assert_true(fabs((double)out[i] - one_std[i]) < 1e-5);
    assert_int_equal(trb_data_normalize_by(&d, 3, mean, 1, std), TRB_ECONFIG);
    assert_non_null(strstr(trb_fail_message(), "`data.mean`: expected 1 number or 2, one a channel, got 3"));
    trb_fail_clear();
    assert_int_equal(trb_data_normalize_by(&d, 1, mean, 0, std), TRB_ECONFIG);
    assert_non_null(strstr(trb_fail_message(), "`data.std`: expected 1 number or 2, one a channel, got 0"));
    trb_fail_clear();
    for (size_t i = 0; i < sizeof bad_std / sizeof *bad_std; i++) {
        assert_int_equal(trb_data_normalize_by(&d, 1, mean, 2, bad_std[i]), TRB_ECONFIG);
        assert_non_null(strstr(trb_fail_message(), "`data.std`: expected numbers above 0 whose inverse"));
        trb_fail_clear();
    }
    assert_int_equal(trb_data_normalize_by(&d, 2, bad_mean, 2, std), TRB_ECONFIG);
    assert_non_null(strstr(trb_fail_message(), "`data.mean`: expected numbers that float32 can hold, got -1e+37"));
    trb_fail_clear();
    give_back(&d);

    d = borrow(TRB_TASK_CLASSES, TRB_F32, 1, (trb_shape){2, 1, 1}, floats);
    assert_int_equal(trb_data_normalize_by(&d, 2, mean, 2, std), TRB_OK);
    trb_data_rows(&d, 1, ids, out);
    assert_true(fabs((double)out[0] - 1.6) < 1e-5 && fabs((double)out[1] - 16.0) < 1e-5);
    give_back(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_by_channel), cmocka_unit_test(columns), cmocka_unit_test(rounding_is_no_spread),
        cmocka_unit_test(constants_may_be_given), cmocka_unit_test(test_set_takes_those_of_training)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
