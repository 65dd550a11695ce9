/* Corruptions against PyTorch in double (tools/develop/golden_torch.py); noise by its moments and its keys. */
#include "numbers.h"

#include "tribikos/corrupt.h"

enum { N = 3, C = 2, H = 12, W = 10, SIZE = C * H * W, STRENGTHS = TRB_CORRUPT_STRENGTHS };

/* Pixels are singles in [0, 1], rounded when they are read, made and normalised. */
static const double near = 8 * ROUNDING;

static float zero[C] = {0.0F, 0.0F}, unit[C] = {1.0F / 255.0F, 1.0F / 255.0F}, ones[C] = {1.0F, 1.0F};

static trb_data images(void *x, size_t n, trb_dtype type)
{
    return (trb_data){
        .n = n, .shape = {C, H, W}, .type = type, .x = x, .mean = zero, .scale = type == TRB_U8 ? unit : ones};
}

static void golden(trb_corruption how)
{
    trb_h5 *h = golden_open("corrupt.h5");
    uint8_t *bytes = golden_read(h, "x", TRB_U8, N * SIZE);
    double *expected = golden_read(h, trb_corrupt_name(how), TRB_F64, STRENGTHS * N * SIZE);
    float *floats = room(N * SIZE, sizeof *floats), *x = room(N * SIZE, sizeof *x), *y = room(N * SIZE, sizeof *y);
    const int64_t ids[N] = {2, 0, 1};
    for (size_t i = 0; i < N * SIZE; i++) floats[i] = (float)bytes[i] / 255.0F;
    trb_data d = images(bytes, N, TRB_U8), f = images(floats, N, TRB_F32);
    assert_ok(trb_corrupt_check(&d));
    assert_ok(trb_corrupt_check(&f));
    for (unsigned s = 1; s <= STRENGTHS; s++) {
        assert_ok(trb_corrupt_rows(&d, how, s, 1, N, ids, x));
        assert_ok(trb_corrupt_rows(&f, how, s, 1, N, ids, y));
        for (size_t i = 0; i < N; i++) {
            const double *to = expected + ((s - 1) * N + (size_t)ids[i]) * SIZE;
            for (size_t j = 0; j < SIZE; j++) {
                assert_near_at((double)x[i * SIZE + j], to[j], near, trb_corrupt_name(how), s, __FILE__, __LINE__);
                assert_near((double)y[i * SIZE + j], to[j], near);
            }
        }
    }
    /* What a network gets is normalised like any other sample. */
    float mean[C] = {100.0F, 20.0F}, scale[C] = {0.02F, 0.05F};
    d.mean = mean, d.scale = scale;
    assert_ok(trb_corrupt_rows(&d, how, 2, 1, N, ids, y));
    d.mean = zero, d.scale = unit;
    assert_ok(trb_corrupt_rows(&d, how, 2, 1, N, ids, x));
    for (size_t j = 0; j < N * SIZE; j++) {
        const size_t c = j / (H * W) % C;
        assert_near((double)y[j], ((double)x[j] * 255.0 - (double)mean[c]) * (double)scale[c], 255 * 0.05 * near);
    }
    trb_free(bytes), trb_free(expected), trb_free(floats), trb_free(x), trb_free(y);
    trb_h5_close(h);
}

static void blur(void **state)
{
    (void)state;
    golden(TRB_CORRUPT_BLUR);
}

static void contrast(void **state)
{
    (void)state;
    golden(TRB_CORRUPT_CONTRAST);
}

static void rotation(void **state)
{
    (void)state;
    golden(TRB_CORRUPT_ROTATION);
}

static void shift(void **state)
{
    (void)state;
    golden(TRB_CORRUPT_SHIFT);
}

/* On a grey that it does not leave, noise has mean 0 and the deviation of its strength: over n values the mean is off by
 * less than 5 deviations / sqrt(n), the deviation by less than 5 in sqrt(2 n) of itself, but once in a million. */
static void noise(void **state)
{
    (void)state;
    enum { MANY = 60 };
    static const double deviation[STRENGTHS] = {0.04, 0.06, 0.08, 0.09, 0.10};
    uint8_t *grey = room(MANY * SIZE, 1);
    float *x = room(MANY * SIZE, sizeof *x), *y = room(MANY * SIZE, sizeof *y);
    int64_t ids[MANY];
    memset(grey, 127, MANY * SIZE);
    for (size_t i = 0; i < MANY; i++) ids[i] = (int64_t)i;
    trb_data d = images(grey, MANY, TRB_U8);
    const double n = (double)MANY * SIZE;
    for (unsigned s = 1; s <= STRENGTHS; s++) {
        double sum = 0.0, squares = 0.0;
        assert_ok(trb_corrupt_rows(&d, TRB_CORRUPT_NOISE, s, 1, MANY, ids, x));
        for (size_t i = 0; i < MANY * SIZE; i++) {
            const double e = (double)x[i] - 127.0 / 255.0;
            sum += e, squares += e * e;
        }
        assert_near(sum / n, 0.0, 5 * deviation[s - 1] / sqrt(n));
        assert_near(sqrt(squares / n), deviation[s - 1], 5 * deviation[s - 1] / sqrt(2 * n));
    }
    /* A sample's noise is its own, whatever stands beside it; another seed's is another. */
    const int64_t two[2] = {41, 7};
    assert_ok(trb_corrupt_rows(&d, TRB_CORRUPT_NOISE, STRENGTHS, 1, 2, two, y));
    assert_memory_equal(y, x + 41 * SIZE, SIZE * sizeof *x);
    assert_memory_equal(y + SIZE, x + 7 * SIZE, SIZE * sizeof *x);
    assert_memory_not_equal(y, y + SIZE, SIZE * sizeof *x);
    assert_ok(trb_corrupt_rows(&d, TRB_CORRUPT_NOISE, STRENGTHS, 2, 2, two, y));
    assert_memory_not_equal(y, x + 41 * SIZE, SIZE * sizeof *x);
    /* And a strength's: value after value from the stream that the manual page names. */
    for (unsigned s = 1; s <= STRENGTHS; s++) {
        trb_rng rng = trb_rng_open(1, TRB_USE_CORRUPT, TRB_CORRUPT_NOISE, s, 7);
        assert_ok(trb_corrupt_rows(&d, TRB_CORRUPT_NOISE, s, 1, 2, two, y));
        for (size_t j = 0; j < SIZE; j++)
            assert_near((double)y[SIZE + j], 127.0 / 255.0 + deviation[s - 1] * (double)trb_rng_normal(&rng), near);
    }
    /* Black and white stay within the range. */
    memset(grey, 0, SIZE), memset(grey + SIZE, 255, SIZE);
    assert_ok(trb_corrupt_rows(&d, TRB_CORRUPT_NOISE, STRENGTHS, 1, 2, ids, x));
    for (size_t i = 0; i < 2 * SIZE; i++) assert_true(x[i] >= 0.0F && (double)x[i] <= 1.0 + near);
    trb_free(grey), trb_free(x), trb_free(y);
}

static void none_is_the_sample(void **state)
{
    (void)state;
    uint8_t bytes[SIZE];
    float x[SIZE], y[SIZE];
    const int64_t id = 0;
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(7 * i);
    trb_data d = images(bytes, 1, TRB_U8);
    trb_data_rows(&d, 1, &id, x);
    assert_ok(trb_corrupt_rows(&d, TRB_CORRUPT_NONE, 0, 1, 1, &id, y));
    assert_memory_equal(x, y, sizeof x);
}

static void what_is_no_image_is_refused(void **state)
{
    (void)state;
    float x[SIZE] = {0.0F};
    trb_corruption how = TRB_CORRUPT_NONE;
    trb_data d = images(x, 1, TRB_F32);
    x[SIZE - 1] = 1.5F;
    assert_fails(trb_corrupt_check(&d), TRB_ECONFIG, "sample 0 has 1.5");
    x[SIZE - 1] = -0.1F;
    assert_fails(trb_corrupt_check(&d), TRB_ECONFIG, "in [0, 1]");
    d.shape = (trb_shape){SIZE, 1, 1};
    assert_fails(trb_corrupt_check(&d), TRB_ECONFIG, "240 x 1 x 1 are no images");
    d.shape = (trb_shape){1, SIZE, 1};
    assert_fails(trb_corrupt_check(&d), TRB_ECONFIG, "1 x 240 x 1 are no images");
    assert_fails(trb_corrupt_find("rotatoin", &how), TRB_ECONFIG, "did you mean `rotation`?");
    assert_fails(trb_corrupt_find("none", &how), TRB_ECONFIG, "noise, blur, contrast, rotation, shift");
    for (int k = TRB_CORRUPT_NOISE; k < TRB_CORRUPT_KINDS; k++) {
        assert_ok(trb_corrupt_find(trb_corrupt_name((trb_corruption)k), &how));
        assert_int_equal(how, k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blur),
        cmocka_unit_test(contrast),
        cmocka_unit_test(rotation),
        cmocka_unit_test(shift),
        cmocka_unit_test(noise),
        cmocka_unit_test(none_is_the_sample),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
