/* IDX, on files made here and on the real sets against their published figures. */
#include "data_fixture.h"
#include "scratch.h"

#include <math.h>

#include "tribikos/hash.h"

static int64_t *all_ids(size_t n)
{
    int64_t *ids = NULL;
    assert_int_equal(trb_alloc(TRB_MEM_OTHER, n, sizeof *ids, &ids), TRB_OK);
    for (size_t i = 0; i < n; i++) ids[i] = (int64_t)i;
    return ids;
}

static void made_by_hand(void **state)
{
    (void)state;
    uint8_t images[16 + 3 * 4], labels[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 7};
    memcpy(images, "\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\2", 16);
    for (uint8_t i = 0; i < 12; i++) images[16 + i] = (uint8_t)(i * 20);
    char *files[] = {"x", "y", "x", "y"};
    uint64_t digest[2];
    for (int packed = 0; packed < 2; packed++) {
        trb_data d;
        fixture_write(scratch, "x", packed != 0, sizeof images, images);
        fixture_write(scratch, "y", packed != 0, sizeof labels, labels);
        /* The pair twice: files are joined in order. */
        assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 4, files, &d), TRB_OK);
        assert_int_equal(d.n, 6);
        assert_int_equal(d.shape.c, 1);
        assert_int_equal(d.shape.h, 2);
        assert_int_equal(d.shape.w, 2);
        assert_int_equal(d.type, TRB_U8);
        assert_int_equal(d.classes, 8);
        assert_null(d.target);
        const int32_t expected[] = {2, 0, 7, 2, 0, 7};
        assert_memory_equal(d.label, expected, sizeof expected);
        assert_memory_equal(d.x, images + 16, 12);
        assert_memory_equal((uint8_t *)d.x + 12, images + 16, 12);
        uint8_t bytes[24 + sizeof expected];
        memcpy(bytes, images + 16, 12);
        memcpy(bytes + 12, images + 16, 12);
        memcpy(bytes + 24, expected, sizeof expected);
        assert_true(d.digest == trb_hash_bytes(bytes, sizeof bytes));
        digest[packed] = d.digest;
        trb_data_clear(&d);
        assert_null(d.x);
    }
    assert_true(digest[0] == digest[1]);

    /* An absolute name does without the root. */
    trb_data d;
    char x[160], y[160];
    fixture_path(scratch, "x", x);
    fixture_path(scratch, "y", y);
    char *absolute[] = {x, y};
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, "/nowhere", 2, absolute, &d), TRB_OK);
    trb_data_clear(&d);
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, "", 2, absolute, &d), TRB_OK);
    trb_data_clear(&d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void check_real(const char *root, char *images, char *labels, size_t n, const size_t *histogram, double mean,
                       double deviation)
{
    trb_data d;
    char *files[] = {images, labels};
    assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, root, 2, files, &d), TRB_OK);
    assert_int_equal(d.n, n);
    assert_int_equal(trb_shape_size(d.shape), 784);
    assert_int_equal(d.classes, 10);
    size_t count[10] = {0};
    for (size_t i = 0; i < n; i++) count[d.label[i]]++;
    for (size_t k = 0; k < 10; k++) assert_int_equal(count[k], histogram[k]);
    if (mean > 0.0) {
        /* Published to five decimals of pixels / 255. */
        int64_t *ids = all_ids(n);
        assert_int_equal(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, n, ids), TRB_OK);
        assert_true(fabs((double)d.mean[0] / 255.0 - mean) < 6e-6);
        assert_true(fabs(1.0 / (255.0 * (double)d.scale[0]) - deviation) < 6e-6);
        trb_free(ids);
    }
    trb_data_clear(&d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void real_mnist(void **state)
{
    (void)state;
    char root[256];
    if (!fixture_real("mnist/train-images-idx3-ubyte.gz", root)) return;
    const size_t train[] = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
    const size_t test[] = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
    check_real(root, "mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz", 60000, train, 0.13066,
               0.30811);
    check_real(root, "mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz", 10000, test, 0.0, 0.0);
}

static void real_kmnist(void **state)
{
    (void)state;
    char root[256];
    if (!fixture_real("kmnist/t10k-images-idx3-ubyte.gz", root)) return;
    const size_t each[] = {1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000};
    check_real(root, "kmnist/t10k-images-idx3-ubyte.gz", "kmnist/t10k-labels-idx1-ubyte.gz", 10000, each, 0.0, 0.0);
}

static void real_fashion(void **state)
{
    (void)state;
    const char *root = "/usr/share/datasets/fashion-mnist";
    if (access(root, R_OK) != 0) {
        (void)fprintf(stderr, "SKIPPED: no %s\n", root);
        return;
    }
    const size_t train[] = {6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000};
    /* 0.2860 and 0.3530 are the figures in use for this set; five decimals from its bytes with NumPy. */
    check_real(root, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 60000, train, 0.28604, 0.35302);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(made_by_hand), cmocka_unit_test(real_mnist),
                                       cmocka_unit_test(real_kmnist), cmocka_unit_test(real_fashion)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
