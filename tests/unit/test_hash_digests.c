/* Digests: XXH3's published values, and that neither pieces matter nor where bytes come from. */
#include "numbers.h"
#include "scratch.h"

#include "tribikos/hash.h"

static void digests_are_xxh3(void **state)
{
    (void)state;
    char hex[17];
    assert_true(trb_hash_bytes("", 0) == 0x2d06800538d394c2);
    assert_true(trb_hash_text("") == 0x2d06800538d394c2);
    assert_true(trb_hash_text("abc") == 0x78af5f94892f3950);
    assert_true(trb_hash_bytes("abcdef", 3) == trb_hash_text("abc"));
    trb_hash_hex(0x78af5f94892f3950, hex);
    assert_string_equal(hex, "78af5f94892f3950");
    trb_hash_hex(1, hex);
    assert_string_equal(hex, "0000000000000001");
}

static void pieces_do_not_matter(void **state)
{
    (void)state;
    enum { N = 5000 };
    unsigned char bytes[N];
    for (size_t i = 0; i < N; i++) bytes[i] = (unsigned char)(i * i >> 3);
    const uint64_t whole = trb_hash_bytes(bytes, N);
    for (size_t piece = 1; piece <= N; piece = 3 * piece + 1) {
        trb_hash *h = NULL;
        assert_ok(trb_hash_open(&h));
        for (size_t at = 0; at < N; at += piece) trb_hash_add(h, bytes + at, at + piece < N ? piece : N - at);
        assert_true(trb_hash_value(h) == whole);
        assert_true(trb_hash_value(h) == whole); /* asking changes nothing */
        trb_hash_close(h);
    }
    trb_hash *h = NULL;
    assert_ok(trb_hash_open(&h));
    assert_true(trb_hash_value(h) == trb_hash_bytes("", 0));
    trb_hash_close(h);
}

static void every_bit_counts(void **state)
{
    (void)state;
    unsigned char bytes[40] = {0};
    const uint64_t zeros = trb_hash_bytes(bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_true(trb_hash_bytes(bytes, sizeof bytes) != zeros);
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

/* Of a file: the same, whatever its size; what cannot be read has none. */
static void files_too(void **state)
{
    (void)state;
    enum { N = (1 << 20) + 77 };
    unsigned char *bytes = calloc(N, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < N; i++) bytes[i] = (unsigned char)(i * i >> 5);
    const size_t sizes[] = {0, 1, 1 << 20, N};
    uint64_t digest = 7;
    for (size_t i = 0; i < 4; i++) {
        spill(in_scratch("file"), bytes, sizes[i]);
        assert_ok(trb_hash_file(in_scratch("file"), &digest));
        assert_true(digest == trb_hash_bytes(bytes, sizes[i]));
    }
    digest = 7;
    assert_int_equal(trb_hash_file(in_scratch("none"), &digest), TRB_EIO);
    assert_non_null(strstr(trb_fail_message(), "/none: cannot be opened: "));
    trb_fail_clear();
    assert_int_equal(trb_hash_file(scratch, &digest), TRB_EIO); /* a folder */
    trb_fail_clear();
    assert_true(digest == 7);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_xxh3),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test_setup_teardown(files_too, scratch_make, scratch_remove),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
