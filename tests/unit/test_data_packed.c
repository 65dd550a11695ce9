/* Packed files: several streams, and what is damaged in any of them, for all formats and all programs that pack. */
#include "data_fixture.h"
#include "scratch.h"

static const uint8_t xz_a[] = {0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00,
                               0x21, 0x01, 0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x0b, 0x31,
                               0x2c, 0x32, 0x2c, 0x30, 0x0a, 0x33, 0x2c, 0x34, 0x2c, 0x31, 0x0a, 0x00, 0xbe, 0x39,
                               0x5b, 0xa6, 0x50, 0x4b, 0xd0, 0xc3, 0x00, 0x01, 0x24, 0x0c, 0xa6, 0x18, 0xd8, 0xd8,
                               0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a};
static const uint8_t xz_b[] = {0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02,
                               0x00, 0x21, 0x01, 0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00,
                               0x05, 0x35, 0x2c, 0x36, 0x2c, 0x32, 0x0a, 0x00, 0x00, 0x00, 0x70, 0xc3, 0xc6,
                               0x80, 0x3a, 0x75, 0xd7, 0x53, 0x00, 0x01, 0x1e, 0x06, 0xc1, 0x2f, 0xa4, 0x1d,
                               0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a};
static const uint8_t zst_a[] = {0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x0c, 0x61, 0x00, 0x00, 0x31, 0x2c, 0x32, 0x2c,
                                0x30, 0x0a, 0x33, 0x2c, 0x34, 0x2c, 0x31, 0x0a, 0xa0, 0x3e, 0x08, 0x6c};
static const uint8_t zst_b[] = {0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x06, 0x31, 0x00, 0x00, 0x35,
                                0x2c, 0x36, 0x2c, 0x32, 0x0a, 0x55, 0x77, 0x13, 0xde};
static const char text_a[] = "1,2,0\n3,4,1\n", text_b[] = "5,6,2\n";

enum { MOST = 4096 };
typedef struct {
    size_t n;
    uint8_t at[MOST];
} bytes;

static void add(bytes *b, size_t n, const void *more)
{
    assert_true(b->n + n <= MOST);
    memcpy(b->at + b->n, more, n);
    b->n += n;
}

/* One member of a gzip file. */
static void add_gzip(bytes *b, size_t n, const void *plain)
{
    fixture_write(scratch, "member", true, n, plain);
    size_t packed = 0;
    char *at = slurp(in_scratch("member"), &packed);
    add(b, packed, at);
    free(at);
}

static trb_status read_table(const bytes *b, trb_data *d)
{
    char *files[] = {"packed"};
    spill(in_scratch("packed"), b->at, b->n);
    return fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_TABLE, scratch, 1, files, d);
}

static void expect_rows(const bytes *b, size_t n)
{
    static const float x[] = {1, 2, 3, 4, 5, 6};
    trb_data d;
    assert_ok(read_table(b, &d));
    assert_int_equal(d.n, n);
    assert_memory_equal(d.x, x, n * 2 * sizeof *x);
    trb_data_clear(&d);
}

static void expect_damaged(const bytes *b, const char *words)
{
    trb_data d;
    assert_fails(read_table(b, &d), TRB_EINPUT, words);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

/* Two streams are one file, with zero bytes between and after them. Cut anywhere but between them, or with one bit
 * changed anywhere where it matters, it is refused. */
static void check_streams(size_t n_a, const uint8_t *a, size_t n_b, const uint8_t *b, const char *words)
{
    static const uint8_t zeros[16] = {0};
    bytes whole = {0}, padded = {0}, garbage = {0};
    add(&whole, n_a, a);
    expect_rows(&whole, 2);
    add(&whole, n_b, b);
    expect_rows(&whole, 3);
    add(&padded, n_a, a);
    add(&padded, 4, zeros);
    add(&padded, n_b, b);
    add(&padded, 16, zeros);
    expect_rows(&padded, 3);
    add(&garbage, whole.n, whole.at);
    add(&garbage, 5, "abcde");
    expect_damaged(&garbage, words);
    for (size_t cut = 8; cut < whole.n; cut++) {
        bytes part = whole;
        part.n = cut;
        if (cut != n_a) expect_damaged(&part, words);
    }
}

/* One bit of the second stream is changed: the file is refused, or the bit is one that says nothing, such as those that
 * fill the last byte of deflate, and the rows are right. \param[in] from,to  bytes that matter but for such bits */
static void check_bits(const bytes *a, const bytes *b, size_t from, size_t to)
{
    size_t accepted = 0;
    for (size_t i = from; i < to; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes whole = *a, changed = *b;
            trb_data d;
            changed.at[i] ^= (uint8_t)(1U << bit);
            add(&whole, changed.n, changed.at);
            if (read_table(&whole, &d) == TRB_OK) {
                trb_data_clear(&d);
                expect_rows(&whole, 3);
                accepted++;
            } else {
                expect_damaged(&whole, "stream 2 in it");
            }
        }
    assert_in_range(accepted, 0, 7);
}

static void gzip(void **state)
{
    (void)state;
    bytes a = {0}, b = {0};
    add_gzip(&a, sizeof text_a - 1, text_a);
    add_gzip(&b, sizeof text_b - 1, text_b);
    check_streams(a.n, a.at, b.n, b.at, "damaged or truncated gzip file");
    check_bits(&a, &b, 0, 3); /* then time and system, which say nothing of the contents */
    check_bits(&a, &b, 10, b.n);
}

static void xz(void **state)
{
    (void)state;
    bytes a = {0}, b = {0};
    trb_data d;
    add(&a, sizeof xz_a, xz_a);
    if (strstr(trb_data_library(), "liblzma") == NULL) {
        assert_fails(read_table(&a, &d), TRB_ECONFIG, "is packed by xz, and this program was built without liblzma");
        return;
    }
    check_streams(sizeof xz_a, xz_a, sizeof xz_b, xz_b, "damaged or truncated xz file");
    add(&b, sizeof xz_b, xz_b);
    check_bits(&a, &b, 0, b.n);
}

static void zstd(void **state)
{
    (void)state;
    bytes a = {0}, b = {0};
    trb_data d;
    add(&a, sizeof zst_a, zst_a);
    if (strstr(trb_data_library(), "libzstd") == NULL) {
        assert_fails(read_table(&a, &d), TRB_ECONFIG, "is packed by zstd, and this program was built without libzstd");
        return;
    }
    check_streams(sizeof zst_a, zst_a, sizeof zst_b, zst_b, "damaged or truncated zstd file");
    add(&b, sizeof zst_b, zst_b);
    check_bits(&a, &b, b.n - 4, b.n); /* the checksum at the end */
}

/* The other formats read packed files in the same way. */
static void other_formats(void **state)
{
    (void)state;
    static uint8_t record[3073] = {5};
    const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 6};
    const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    bytes b = {0};
    char *pair[] = {"x", "y"}, *one[] = {"x"};
    fixture_write(scratch, "y", false, sizeof labels, labels);
    add_gzip(&b, 10, images);
    add_gzip(&b, sizeof images - 10, images + 10);
    trb_data d;
    spill(in_scratch("x"), b.at, b.n);
    assert_ok(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, pair, &d));
    trb_data_clear(&d);
    add(&b, 1, "x");
    spill(in_scratch("x"), b.at, b.n);
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, pair, TRB_EINPUT, "truncated gzip file");
    b.n = 0;
    add_gzip(&b, sizeof record, record);
    add_gzip(&b, sizeof record, record);
    spill(in_scratch("x"), b.at, b.n);
    assert_ok(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 1, one, &d));
    assert_int_equal(d.n, 2);
    trb_data_clear(&d);
    b.at[b.n / 2] ^= 1; /* the magic byte of the second member: both have the same length */
    spill(in_scratch("x"), b.at, b.n);
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_CIFAR10, scratch, 1, one, TRB_EINPUT, "stream 2 in it");
}

/* A small file that unpacks to more than there is memory is refused before memory ends. */
static void limit(void **state)
{
    (void)state;
    enum { TEXT = 12 << 20, HELD = 4 << 20 };
    char *one[] = {"large"}, *text = malloc(TEXT);
    trb_data d;
    assert_non_null(text);
    for (size_t i = 0; i < TEXT; i += 4) memcpy(text + i, "1,2\n", 4);
    fixture_write(scratch, "large", true, TEXT, text);
    trb_mem_limit_set(HELD);
    trb_mem_peak_begin();
    assert_fails(fixture_load(TRB_TASK_REGRESSION, TRB_FORMAT_TABLE, scratch, 1, one, &d), TRB_ENOMEM,
                 "/large: unpacks to more than 2 MiB, and 3 MiB are held already, of 4 MiB that this process can have");
    assert_in_range(trb_mem_peak(), 1, HELD + 4096);
    /* A plain file, too; and a header that promises too much. */
    fixture_write(scratch, "large", false, TEXT, text);
    assert_fails(fixture_load(TRB_TASK_REGRESSION, TRB_FORMAT_TABLE, scratch, 1, one, &d), TRB_ENOMEM,
                 "/large: has 12 MiB, and 0 MiB are held already, of 4 MiB");
    const uint8_t header[] = {0, 0, 8, 2, 0, 0xb7, 0x1b, 0, 0, 0, 0, 1};
    memcpy(text, header, sizeof header);
    fixture_write(scratch, "large", true, TEXT, text);
    const uint8_t labels[] = {0, 0, 8, 1, 0, 0xb7, 0x1b, 0};
    memcpy(text, labels, sizeof labels);
    fixture_write(scratch, "labels", true, TEXT, text);
    char *pair[] = {"large", "labels"};
    fixture_expect_failure(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, pair, TRB_ENOMEM, "unpacks to more than");
    trb_mem_limit_set(0);
    free(text);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gzip), cmocka_unit_test(xz), cmocka_unit_test(zstd),
                                       cmocka_unit_test(other_formats), cmocka_unit_test(limit)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
