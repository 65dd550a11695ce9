/* Files that are not what they say: a status, a line, and memory in proportion to the file. */
#include "data_fixture.h"
#include "scratch.h"

#include <sys/resource.h>

enum { N = 5, SIDE = 4, IMAGES = 16 + N * SIDE * SIDE, LABELS = 8 + N };

static uint8_t images[IMAGES], labels[LABELS];

static int setup(void **state)
{
    (void)fixture_put_u32(images, 0x803);
    (void)fixture_put_u32(images + 4, N);
    (void)fixture_put_u32(images + 8, SIDE);
    (void)fixture_put_u32(images + 12, SIDE);
    for (size_t i = 16; i < IMAGES; i++) images[i] = (uint8_t)(i * 7);
    (void)fixture_put_u32(labels, 0x801);
    (void)fixture_put_u32(labels + 4, N);
    for (size_t i = 8; i < LABELS; i++) labels[i] = (uint8_t)(i - 8);
    return scratch_make(state);
}

static void refuse(trb_status status, const char *fragment)
{
    char *files[] = {"x", "y"};
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, files, status, fragment);
}

/* Both as a plain and as a packed file. */
static void refuse_images(size_t n, const uint8_t *bytes, const char *plain, const char *gz)
{
    fixture_write(scratch, "y", false, LABELS, labels);
    fixture_write(scratch, "x", false, n, bytes);
    refuse(TRB_EINPUT, plain);
    fixture_write(scratch, "x", true, n, bytes);
    refuse(TRB_EINPUT, gz);
}

static void good_first(void **state)
{
    (void)state;
    /* What the other tests change is right before the change. */
    trb_data d;
    char *files[] = {"x", "y"};
    fixture_write(scratch, "x", true, IMAGES, images);
    fixture_write(scratch, "y", false, LABELS, labels);
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, files, &d), TRB_OK);
    trb_data_clear(&d);
}

static void missing_or_odd(void **state)
{
    (void)state;
    char *gone[] = {"gone", "y"}, *one[] = {"x"}, *dir[] = {".", "y"};
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, gone, TRB_ECONFIG, "/gone: cannot be read");
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 1, one, TRB_ECONFIG, "pairs of files");
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 0, one, TRB_ECONFIG, "at least one file");
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, dir, TRB_ECONFIG, "expected a file");
    fixture_write(scratch, "x", false, IMAGES, images);
    fixture_write(scratch, "y", false, LABELS, labels);
    char *files[] = {"x", "y"};
    fixture_expect_failure(TRB_TASK_REGRESSION, TRB_FORMAT_IDX, scratch, 2, files, TRB_ECONFIG, "data.format: hdf5");
}

static void truncated(void **state)
{
    (void)state;
    refuse_images(0, images, "truncated", "truncated");
    refuse_images(3, images, "truncated: expected 4 more bytes, got 3", "truncated");
    refuse_images(14, images, "truncated", "truncated");
    refuse_images(16, images, "promises 80 bytes of data, the file has 0", "promises 80 bytes of data, got 0");
    refuse_images(IMAGES - 1, images, "promises 80 bytes of data, the file has 79",
                  "promises 80 bytes of data, got 79");
}

static void oversized(void **state)
{
    (void)state;
    uint8_t more[IMAGES + 1] = {0};
    memcpy(more, images, IMAGES);
    refuse_images(sizeof more, more, "promises 80 bytes of data, the file has 81",
                  "more bytes than its header promises");
}

static void wrong_magic(void **state)
{
    (void)state;
    uint8_t bad[IMAGES];
    static const struct {
        size_t at;
        uint8_t is;
        const char *said;
    } changes[] = {{0, 1, "begins with the bytes 01 00 08 03"}, {1, 1, "begins with the bytes 00 01 08 03"},
                   {2, 7, "begins with the bytes 00 00 07 03"}, {2, 10, "begins with the bytes 00 00 0a 03"},
                   {3, 0, "begins with the bytes 00 00 08 00"}, {3, 6, "begins with the bytes 00 00 08 06"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        memcpy(bad, images, IMAGES);
        bad[changes[i].at] = changes[i].is;
        refuse_images(IMAGES, bad, changes[i].said, changes[i].said);
    }
    /* One dimension fewer: the third one then counts as data. */
    memcpy(bad, images, IMAGES);
    bad[3] = 2;
    refuse_images(IMAGES, bad, "promises 20 bytes of data, the file has 84", "more bytes than its header promises");
    /* Images and labels changed places. */
    fixture_write(scratch, "x", false, LABELS, labels);
    fixture_write(scratch, "y", false, IMAGES, images);
    refuse(TRB_EINPUT,
           "/x: expected samples, got [5], one value each, and samples [5][4][4] where labels are expected");
}

static void zero_dimensions(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t bad[IMAGES];
        memcpy(bad, images, IMAGES);
        (void)fixture_put_u32(bad + 4 + 4 * i, 0);
        refuse_images(IMAGES, bad, " is 0", " is 0");
    }
}

static void counts_disagree(void **state)
{
    (void)state;
    uint8_t fewer[LABELS - 1];
    memcpy(fewer, labels, sizeof fewer);
    (void)fixture_put_u32(fewer + 4, N - 1);
    fixture_write(scratch, "x", false, IMAGES, images);
    fixture_write(scratch, "y", false, sizeof fewer, fewer);
    refuse(TRB_EINPUT, "4 labels, but 5 samples");
    fixture_write(scratch, "y", false, LABELS - 2, labels);
    refuse(TRB_EINPUT, "promises 5 bytes of data, the file has 3");
}

static void shapes_disagree(void **state)
{
    (void)state;
    uint8_t wide[IMAGES];
    memcpy(wide, images, IMAGES);
    (void)fixture_put_u32(wide + 8, 2);
    (void)fixture_put_u32(wide + 12, 8);
    fixture_write(scratch, "x", false, IMAGES, images);
    fixture_write(scratch, "y", false, LABELS, labels);
    fixture_write(scratch, "wide", false, IMAGES, wide);
    char *files[] = {"x", "y", "wide", "y"};
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 4, files, TRB_EINPUT, "1 x 2 x 8");
}

static void damaged_gzip(void **state)
{
    (void)state;
    uint8_t packed[4096];
    char path[160];
    fixture_write(scratch, "y", false, LABELS, labels);
    fixture_write(scratch, "x", true, IMAGES, images);
    fixture_path(scratch, "x", path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t n = fread(packed, 1, sizeof packed, f);
    assert_int_equal(fclose(f), 0);
    assert_in_range(n, 50, sizeof packed - 1);
    /* Cut anywhere, also in its own header and in the checksum at its end. */
    for (size_t cut = 2; cut < n; cut++) {
        fixture_write(scratch, "x", false, cut, packed);
        refuse(TRB_EINPUT, "");
    }
    packed[n - 6] ^= 0x10; /* checksum */
    fixture_write(scratch, "x", false, n, packed);
    refuse(TRB_EINPUT, "damaged or truncated gzip");
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Headers that promise far more than the file holds must not be believed. */
static void absurd_sizes(void **state)
{
    (void)state;
    const long before = peak_kib();
    uint8_t bad[IMAGES];
    memcpy(bad, images, IMAGES);
    (void)fixture_put_u32(bad + 4, 1U << 26); /* 1 GiB of images; reserved memory is zeroed, so it would show */
    refuse_images(IMAGES, bad, "promises 1073741824 bytes of data, the file has 80", "5 labels, but 67108864 samples");
    uint8_t as_many[LABELS];
    memcpy(as_many, labels, LABELS);
    (void)fixture_put_u32(as_many + 4, 1U << 26);
    fixture_write(scratch, "x", true, IMAGES, bad);
    fixture_write(scratch, "y", true, LABELS, as_many);
    refuse(TRB_EINPUT, "/x: truncated: its header promises 1073741824 bytes of data, got 80");
    assert_true(peak_kib() - before < 64L << 10);
    for (size_t i = 1; i <= 3; i++) (void)fixture_put_u32(bad + 4 * i, 0xffffffffU);
    refuse_images(IMAGES, bad, "more values than an address can hold", "more values than an address can hold");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_first),      cmocka_unit_test(missing_or_odd),  cmocka_unit_test(truncated),
        cmocka_unit_test(oversized),       cmocka_unit_test(wrong_magic),     cmocka_unit_test(zero_dimensions),
        cmocka_unit_test(counts_disagree), cmocka_unit_test(shapes_disagree), cmocka_unit_test(damaged_gzip),
        cmocka_unit_test(absurd_sizes),

    };
    return cmocka_run_group_tests(tests, setup, scratch_remove);
}
