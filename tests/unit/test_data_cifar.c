/* CIFAR-10 and CIFAR-100: records by hand, joined files, plain and packed; the real set's published figures if it lies unpacked. */
#include "data_fixture.h"
#include "scratch.h"

enum { RECORD = 3073, PIXELS = 3072 };

static void fill(size_t n, uint8_t first, uint8_t *records)
{
    for (size_t i = 0; i < n; i++) {
        records[i * RECORD] = (uint8_t)((first + i) % 10);
        for (size_t j = 0; j < PIXELS; j++) records[i * RECORD + 1 + j] = (uint8_t)(first + 31 * i + j);
    }
}

static void joined(void **state)
{
    (void)state;
    static uint8_t a[3 * RECORD], b[2 * RECORD];
    char *files[] = {"a", "b"};
    fill(3, 0, a);
    fill(2, 9, b);
    fixture_write(scratch, "a", false, sizeof a, a);
    fixture_write(scratch, "b", true, sizeof b, b);
    trb_data d;
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 2, files, &d), TRB_OK);
    assert_int_equal(d.n, 5);
    assert_int_equal(d.shape.c, 3);
    assert_int_equal(d.shape.h, 32);
    assert_int_equal(d.shape.w, 32);
    assert_int_equal(d.classes, 10);
    const int32_t labels[] = {0, 1, 2, 9, 0};
    assert_memory_equal(d.label, labels, sizeof labels);
    for (size_t i = 0; i < 5; i++)
        assert_memory_equal((uint8_t *)d.x + i * PIXELS, (i < 3 ? a + i * RECORD : b + (i - 3) * RECORD) + 1, PIXELS);
    trb_data_clear(&d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

/* How much a packed file holds shows only while it is read. */
static void packed_and_long(void **state)
{
    (void)state;
    enum { LONG = 1000 };
    uint8_t *records = malloc((size_t)LONG * RECORD);
    char *files[] = {"a"};
    assert_non_null(records);
    fill(LONG, 0, records);
    fixture_write(scratch, "a", true, (size_t)LONG * RECORD, records);
    trb_data d;
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 1, files, &d), TRB_OK);
    assert_int_equal(d.n, LONG);
    for (size_t i = 0; i < LONG; i++)
        assert_memory_equal((uint8_t *)d.x + i * PIXELS, records + i * RECORD + 1, PIXELS);
    trb_data_clear(&d);
    free(records);
}

static void refused(void **state)
{
    (void)state;
    static uint8_t a[2 * RECORD + 1];
    char *files[] = {"a"};
    fill(2, 0, a);
    const size_t sizes[] = {0, 1, RECORD - 1, RECORD + 1, 2 * RECORD + 1};
    for (size_t i = 0; i < 5; i++) {
        for (int packed = 0; packed < 2; packed++) {
            fixture_write(scratch, "a", packed != 0, sizes[i], a);
            fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 1, files, TRB_EINPUT,
                                   "whole records of 3073 bytes");
        }
    }
    a[RECORD] = 10;
    fixture_write(scratch, "a", false, 2 * RECORD, a);
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 1, files, TRB_EINPUT, "label 10 in record 1");
}

/* CIFAR-100's second byte is the label, its first must be a coarse one all the same. */
static void hundred(void **state)
{
    (void)state;
    enum { LONGER = RECORD + 1 };
    static uint8_t a[3 * LONGER];
    char *files[] = {"a"};
    for (size_t i = 0; i < 3; i++) {
        a[i * LONGER] = (uint8_t)(19 - i);
        a[i * LONGER + 1] = (uint8_t)(99 - i);
        for (size_t j = 0; j < PIXELS; j++) a[i * LONGER + 2 + j] = (uint8_t)(31 * i + j);
    }
    fixture_write(scratch, "a", true, sizeof a, a);
    trb_data d;
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR100, scratch, 1, files, &d), TRB_OK);
    assert_int_equal(d.n, 3);
    assert_int_equal(d.classes, 100);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(d.label[i], 99 - (int)i);
        assert_memory_equal((uint8_t *)d.x + i * PIXELS, a + i * LONGER + 2, PIXELS);
    }
    trb_data_clear(&d);
    fixture_write(scratch, "a", false, 2 * RECORD, a);
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR100, scratch, 1, files, TRB_EINPUT,
                           "whole records of 3074 bytes");
    a[LONGER + 1] = 100;
    fixture_write(scratch, "a", false, sizeof a, a);
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR100, scratch, 1, files, TRB_EINPUT,
                           "label 100 in record 1, expected 0 to 99");
    a[0] = 20;
    fixture_write(scratch, "a", false, sizeof a, a);
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR100, scratch, 1, files, TRB_EINPUT,
                           "label 20 in record 0, expected 0 to 19");
}

static void real(void **state)
{
    (void)state;
    char root[256];
    if (!fixture_real("cifar10/data_batch_1.bin", root)) return;
    trb_data d;
    char *files[] = {"cifar10/data_batch_1.bin"};
    const size_t published[] = {1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981};
    size_t count[10] = {0};
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, root, 1, files, &d), TRB_OK);
    for (size_t i = 0; i < d.n; i++) count[d.label[i]]++;
    for (size_t k = 0; k < 10; k++) assert_int_equal(count[k], published[k]);
    trb_data_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(joined), cmocka_unit_test(packed_and_long),
                                       cmocka_unit_test(refused), cmocka_unit_test(hundred), cmocka_unit_test(real)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
