/* Random streams: the generator's published answers, and independence of who draws what when. */
#include "numbers.h"

/* Random123's kat_vectors, "philox4x64 10": counter, key, answer. */
static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b}},
        {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
         {UINT64_MAX, UINT64_MAX},
         {0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}},
        {{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
         {0x452821e638d01377, 0xbe5466cf34e90c6c},
         {0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6}},
    };
    for (size_t i = 0; i < 3; i++) {
        trb_rng r = {.used = 4};
        memcpy(r.counter, known[i].counter, sizeof r.counter);
        memcpy(r.key, known[i].key, sizeof r.key);
        for (size_t j = 0; j < 4; j++) assert_true(trb_rng_u64(&r) == known[i].answer[j]);
    }
}

/* A stream is where its coordinates say: key (seed; use and member), counter (item, epoch, block). */
static void coordinates_are_the_counter(void **state)
{
    (void)state;
    trb_rng r = trb_rng_open(11, TRB_USE_ORDER, 5, 7, 13), direct = {.used = 4};
    direct.key[0] = 11, direct.key[1] = ((uint64_t)TRB_USE_ORDER << 48) ^ 5;
    direct.counter[0] = 13, direct.counter[1] = 7;
    for (size_t i = 0; i < 4; i++) assert_true(trb_rng_u64(&r) == trb_rng_u64(&direct));
    direct = (trb_rng){.key = {direct.key[0], direct.key[1]}, .counter = {13, 7, 1, 0}, .used = 4};
    assert_true(trb_rng_u64(&r) == trb_rng_u64(&direct)); /* the second block */
}

static void streams_differ_in_every_coordinate(void **state)
{
    (void)state;
    trb_rng streams[] = {
        trb_rng_open(1, TRB_USE_INIT, 0, 0, 0), trb_rng_open(2, TRB_USE_INIT, 0, 0, 0),
        trb_rng_open(1, TRB_USE_VIEW, 0, 0, 0), trb_rng_open(1, TRB_USE_INIT, 1, 0, 0),
        trb_rng_open(1, TRB_USE_INIT, 0, 1, 0), trb_rng_open(1, TRB_USE_INIT, 0, 0, 1),
    };
    enum { COUNT = sizeof streams / sizeof *streams };
    uint64_t first[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        first[i] = trb_rng_u64(&streams[i]);
        for (size_t j = 0; j < i; j++) assert_true(first[i] != first[j]);
    }
}

/* Streams drawn one after the other or turn by turn, or forked on the way, give the same numbers. */
static void the_order_of_drawing_does_not_matter(void **state)
{
    (void)state;
    enum { DRAWS = 11 };
    uint64_t one[DRAWS], two[DRAWS];
    trb_rng a = trb_rng_open(1, TRB_USE_TEST, 0, 0, 1), b = trb_rng_open(1, TRB_USE_TEST, 0, 0, 2);
    for (size_t i = 0; i < DRAWS; i++) one[i] = trb_rng_u64(&a);
    for (size_t i = 0; i < DRAWS; i++) two[i] = trb_rng_u64(&b);
    a = trb_rng_open(1, TRB_USE_TEST, 0, 0, 1), b = trb_rng_open(1, TRB_USE_TEST, 0, 0, 2);
    for (size_t i = 0; i < DRAWS; i++) {
        assert_true(trb_rng_u64(&b) == two[i]);
        trb_rng fork = a;
        assert_true(trb_rng_u64(&fork) == one[i]);
        assert_true(trb_rng_u64(&a) == one[i]);
    }
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void a_permutation_is_one(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 300; n = 2 * n + 1) {
        int64_t order[512];
        trb_rng r = trb_rng_open(3, TRB_USE_TEST, 0, 0, n);
        trb_rng_permutation(&r, n, order);
        qsort(order, n, sizeof *order, ascending);
        for (size_t i = 0; i < n; i++) assert_int_equal(order[i], i);
    }
}

/* All 24 orders of four things, 24000 times: each 1000 times, deviation sqrt(1000 * 23/24) = 31; five deviations. */
static void permutations_are_equally_likely(void **state)
{
    (void)state;
    size_t count[256] = {0}, kinds = 0;
    trb_rng r = trb_rng_open(4, TRB_USE_TEST, 0, 0, 0);
    for (size_t i = 0; i < 24000; i++) {
        int64_t o[4];
        trb_rng_permutation(&r, 4, o);
        count[o[0] + 4 * o[1] + 16 * o[2] + 64 * o[3]]++;
    }
    for (size_t i = 0; i < 256; i++) {
        if (count[i] == 0) continue;
        kinds++;
        assert_in_range(count[i], 1000 - 155, 1000 + 155);
    }
    assert_int_equal(kinds, 24);
}

/* n = 3 * 2^62 is where taking the high product without rejection shows most: of the four quarters of [0, 2^64) that
 * map to [0, n), results divisible by 3 would come twice as often as others. 30000 draws: 10000 each, deviation 82. */
static void below_has_no_bias(void **state)
{
    (void)state;
    size_t count[3] = {0};
    const uint64_t n = (uint64_t)3 << 62;
    trb_rng r = trb_rng_open(5, TRB_USE_TEST, 0, 0, 0);
    for (size_t i = 0; i < 30000; i++) {
        const uint64_t v = trb_rng_below(&r, n);
        assert_true(v < n);
        count[v % 3]++;
    }
    for (size_t i = 0; i < 3; i++) assert_in_range(count[i], 10000 - 410, 10000 + 410);
    for (size_t i = 0; i < 100; i++) assert_int_equal(trb_rng_below(&r, 1), 0);
}

/* 100000 draws: a mean is off by its deviation / 316; five of those. */
static void distributions_have_their_moments(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    trb_rng r = trb_rng_open(6, TRB_USE_TEST, 0, 0, 0);
    double uniform = 0.0, normal = 0.0, square = 0.0, fourth = 0.0;
    for (size_t i = 0; i < DRAWS; i++) {
        const float u = trb_rng_uniform(&r);
        const double g = (double)trb_rng_normal(&r);
        assert_true(u >= 0.0F && u < 1.0F && isfinite(g));
        uniform += (double)u / DRAWS, normal += g / DRAWS, square += g * g / DRAWS, fourth += g * g * g * g / DRAWS;
    }
    assert_near(uniform, 0.5, 5.0 * sqrt(1.0 / 12.0) / 316.0);
    assert_near(normal, 0.0, 5.0 / 316.0);
    assert_near(square, 1.0, 5.0 * sqrt(2.0) / 316.0);
    assert_near(fourth, 3.0, 5.0 * sqrt(96.0) / 316.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(coordinates_are_the_counter),
        cmocka_unit_test(streams_differ_in_every_coordinate),
        cmocka_unit_test(the_order_of_drawing_does_not_matter),
        cmocka_unit_test(a_permutation_is_one),
        cmocka_unit_test(permutations_are_equally_likely),
        cmocka_unit_test(below_has_no_bias),
        cmocka_unit_test(distributions_have_their_moments),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
