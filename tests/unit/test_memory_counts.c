/* Memory: aligned, zeroed, counted. */
#include "numbers.h"

/* Many blocks twice, so that some of the second round lie where others were written before. */
static void blocks_are_aligned_zeroed_and_writable(void **state)
{
    (void)state;
    enum { BLOCKS = 200 };
    unsigned char *block[BLOCKS];
    for (int round = 0; round < 2; round++) {
        for (size_t b = 0; b < BLOCKS; b++) {
            const size_t n = 13 * b;
            assert_ok(trb_alloc(TRB_MEM_DATA, n, 1, &block[b]));
            assert_int_equal((uintptr_t)block[b] % 64, 0);
            for (size_t i = 0; i < n; i++) assert_int_equal(block[b][i], 0);
            memset(block[b], 0xff, n);
        }
        for (size_t b = 0; b < BLOCKS; b++) trb_free(block[b]);
    }
    trb_free(NULL);
}

static void every_kind_is_counted(void **state)
{
    (void)state;
    void *block[TRB_MEM_KINDS];
    const size_t before = trb_mem_allocations();
    size_t all = 0;
    for (trb_mem k = 0; k < TRB_MEM_KINDS; k++) {
        assert_ok(trb_alloc(k, 3 + k, 7, &block[k]));
        all += 7 * (3 + (size_t)k);
        assert_int_equal(trb_mem_bytes(k), 7 * (3 + k));
        assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), all);
        for (trb_mem j = 0; j < k; j++) assert_string_not_equal(trb_mem_name(j), trb_mem_name(k));
    }
    assert_int_equal(trb_mem_allocations() - before, TRB_MEM_KINDS);
    for (trb_mem k = 0; k < TRB_MEM_KINDS; k++) {
        trb_free(block[k]);
        assert_int_equal(trb_mem_bytes(k), 0);
    }
    assert_int_equal(trb_mem_allocations() - before, TRB_MEM_KINDS);
    assert_string_equal(trb_mem_name(TRB_MEM_CACHE), "cache");
}

/* A block that grows from nothing to megabytes keeps what it holds, and what is new is zero. */
static void blocks_are_resized(void **state)
{
    (void)state;
    /* The last ones end in the same page. */
    static const size_t sizes[] = {
        0,       1,        1000, 65536,   (1 << 20) - 1,    1 << 20,        (1 << 20) + 1,
        5 << 20, 40 << 20, 700,  2 << 20, (2 << 20) + 3000, (2 << 20) + 10, (2 << 20) + 3000};
    unsigned char *block = NULL;
    size_t was = 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const size_t n = sizes[k], kept = was < n ? was : n;
        assert_ok(trb_resize(TRB_MEM_DATA, n, &block));
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_int_equal(trb_mem_bytes(TRB_MEM_DATA), n);
        for (size_t i = 0; i < n; i++)
            if (block[i] != (i < kept ? (unsigned char)(i % 251 + 1) : 0)) fail_msg("size %zu, byte %zu", n, i);
        for (size_t i = kept; i < n; i++) block[i] = (unsigned char)(i % 251 + 1);
        was = n;
    }
    unsigned char *same = block;
    assert_fails(trb_resize(TRB_MEM_DATA, SIZE_MAX - 64, &block), TRB_ENOMEM, "memory for data");
    assert_fails(trb_resize(TRB_MEM_DATA, SIZE_MAX / 2, &block), TRB_ENOMEM, "refused by the system");
    assert_true(block == same && block[was - 1] == (was - 1) % 251 + 1);
    trb_free(block);
    assert_int_equal(trb_mem_bytes(TRB_MEM_DATA), 0);
}

static void there_is_a_limit(void **state)
{
    (void)state;
    const size_t own = trb_mem_limit();
    assert_true(own >= 64 << 20 && own < (size_t)1 << 50);
    trb_mem_limit_set(1000);
    assert_int_equal(trb_mem_limit(), 1000);
    trb_mem_limit_set(0);
    assert_int_equal(trb_mem_limit(), own);
}

static void the_impossible_is_refused(void **state)
{
    (void)state;
    int mark = 0;
    void *out = &mark;
    assert_fails(trb_alloc(TRB_MEM_WEIGHTS, SIZE_MAX / 4 + 2, 4, &out), TRB_ENOMEM,
                 "memory for weights"); /* wraps to 4 */
    assert_fails(trb_alloc(TRB_MEM_WEIGHTS, SIZE_MAX / 2, 3, &out), TRB_ENOMEM, "memory for weights");
    assert_fails(trb_alloc(TRB_MEM_WEIGHTS, SIZE_MAX - 64, 1, &out), TRB_ENOMEM, "memory for weights");
    assert_ptr_equal(out, &mark);
    assert_int_equal(trb_mem_bytes(TRB_MEM_WEIGHTS), 0);
}

static void texts_are_copied(void **state)
{
    (void)state;
    char text[] = "three heads", *copy = NULL;
    assert_ok(trb_strdup(text, &copy));
    text[0] = 'T';
    assert_string_equal(copy, "three heads");
    assert_int_equal(trb_mem_bytes(TRB_MEM_OTHER), sizeof text);
    trb_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_zeroed_and_writable),
        cmocka_unit_test(every_kind_is_counted),
        cmocka_unit_test(blocks_are_resized),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(the_impossible_is_refused),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
