/* Orders and splits: permutations that depend on seed, member and epoch, and on nothing else. */
#include "data_fixture.h"

enum { N = 1000 };

static void order(uint64_t seed, uint64_t member, uint64_t epoch, int64_t *out)
{
    int64_t ids[N];
    for (size_t i = 0; i < N; i++) ids[i] = (int64_t)(3 * i + 1);
    trb_data_order(seed, member, epoch, N, ids, out);
}

static void is_a_permutation_of_the_ids(void **state)
{
    (void)state;
    int64_t o[N];
    bool seen[N] = {false};
    order(1, 0, 0, o);
    size_t fixed = 0;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(o[i] % 3, 1);
        const size_t k = (size_t)o[i] / 3;
        assert_true(k < N && !seen[k]);
        seen[k] = true;
        fixed += k == i;
    }
    /* The number of fixed points is Poisson with mean 1. */
    assert_in_range(fixed, 0, 10);
}

static void depends_on_its_coordinates_alone(void **state)
{
    (void)state;
    int64_t a[N], b[N];
    order(1, 2, 3, a);
    order(1, 2, 3, b);
    assert_memory_equal(a, b, sizeof a);
    const uint64_t others[][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}, {1, 3, 2}, {2, 1, 3}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        order(others[i][0], others[i][1], others[i][2], b);
        assert_memory_not_equal(a, b, sizeof a);
    }
}

static void split_parts(void **state)
{
    (void)state;
    int64_t train[N], val[N], again[N], other[N];
    bool seen[N] = {false};
    const size_t n_val = 100;
    assert_int_equal(trb_data_split(7, N, n_val, train, val), TRB_OK);
    for (size_t i = 0; i < N; i++) {
        const int64_t id = i < n_val ? val[i] : train[i - n_val];
        assert_true(id >= 0 && id < N && !seen[id]);
        seen[id] = true;
        if (i > 0 && i != n_val) assert_true(id > (i < n_val ? val[i - 1] : train[i - n_val - 1]));
    }
    /* Drawn from everywhere, not cut off at an end: the mean of 100 of 0..999 is 499.5 with deviation 27. */
    double mean = 0.0;
    for (size_t i = 0; i < n_val; i++) mean += (double)val[i] / (double)n_val;
    assert_true(mean > 499.5 - 6 * 27 && mean < 499.5 + 6 * 27);
    assert_int_equal(trb_data_split(7, N, n_val, train, again), TRB_OK);
    assert_memory_equal(val, again, n_val * sizeof *val);
    assert_int_equal(trb_data_split(8, N, n_val, train, other), TRB_OK);
    assert_memory_not_equal(val, other, n_val * sizeof *val);
    assert_int_equal(trb_data_split(7, N, 0, train, val), TRB_OK);
    for (size_t i = 0; i < N; i++) assert_int_equal(train[i], i);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void split_refuses(void **state)
{
    (void)state;
    int64_t ids[4];
    trb_fail_clear();
    assert_int_equal(trb_data_split(1, 4, 4, ids, ids), TRB_ECONFIG);
    assert_non_null(strstr(trb_fail_message(), "data.validation"));
    assert_int_equal(trb_data_split(1, 0, 0, ids, ids), TRB_ECONFIG);
    trb_fail_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_a_permutation_of_the_ids),
                                       cmocka_unit_test(depends_on_its_coordinates_alone),
                                       cmocka_unit_test(split_parts), cmocka_unit_test(split_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
