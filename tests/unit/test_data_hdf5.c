/* HDF5: types, shapes, joined files, and what is refused. */
#include "data_fixture.h"
#include "scratch.h"

#include <math.h>

#include <hdf5.h>

/* Publish NAME with /x and /y; a NULL pointer leaves one out. */
static void put(const char *name, trb_h5_shape x, const void *x_values, trb_h5_shape y, const void *y_values)
{
    char path[160];
    trb_h5 *h = NULL;
    fixture_path(scratch, name, path);
    assert_int_equal(trb_h5_create(path, &h), TRB_OK);
    if (x_values != NULL) assert_int_equal(trb_h5_put(h, "/x", x, x_values), TRB_OK);
    if (y_values != NULL) assert_int_equal(trb_h5_put(h, "/y", y, y_values), TRB_OK);
    assert_int_equal(trb_h5_publish(h), TRB_OK);
}

static void refuse(trb_task task, trb_status status, const char *fragment)
{
    char *files[] = {"a"};
    fixture_expect_failure(task, TRB_FORMAT_HDF5, scratch, 1, files, status, fragment);
}

static void classes(void **state)
{
    (void)state;
    const uint8_t x[2 * 12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    const uint8_t y8[] = {3, 255};
    const int32_t y32[] = {3, 255};
    const int64_t y64[] = {3, 255};
    const trb_h5_shape shapes[] = {{TRB_U8, 2, {2, 12}}, {TRB_U8, 3, {2, 3, 4}}, {TRB_U8, 4, {2, 3, 2, 2}}};
    const trb_shape expected[] = {{12, 1, 1}, {1, 3, 4}, {3, 2, 2}};
    const trb_dtype types[] = {TRB_U8, TRB_I32, TRB_I64};
    const void *labels[] = {y8, y32, y64};
    char *files[] = {"a", "a"};
    for (size_t i = 0; i < 3; i++) {
        trb_data d;
        put("a", shapes[i], x, (trb_h5_shape){types[i], 1, {2}}, labels[i]);
        assert_int_equal(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_HDF5, scratch, 2, files, &d), TRB_OK);
        assert_int_equal(d.n, 4);
        assert_memory_equal(&d.shape, &expected[i], sizeof d.shape);
        assert_int_equal(d.classes, 256);
        const int32_t all[] = {3, 255, 3, 255};
        assert_memory_equal(d.label, all, sizeof all);
        assert_memory_equal((uint8_t *)d.x + 24, x, 24);
        trb_data_clear(&d);
    }
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void regression(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3, 4, 5, 6}, y32[] = {0.5F, -1.0F, 2.0F};
    const double y64[] = {0.5, -1.0, 2.0};
    char *files[] = {"a"};
    for (int wide = 0; wide < 2; wide++) {
        trb_data d;
        put("a", (trb_h5_shape){TRB_F32, 2, {3, 2}}, x, (trb_h5_shape){wide != 0 ? TRB_F64 : TRB_F32, 1, {3}},
            wide != 0 ? (const void *)y64 : y32);
        assert_int_equal(fixture_load(TRB_TASK_REGRESSION, TRB_FORMAT_HDF5, scratch, 1, files, &d), TRB_OK);
        assert_int_equal(d.type, TRB_F32);
        assert_int_equal(d.classes, 0);
        assert_null(d.label);
        assert_memory_equal(d.target, y32, sizeof y32);
        assert_memory_equal(d.x, x, sizeof x);
        trb_data_clear(&d);
    }
}

static void refused(void **state)
{
    (void)state;
    const trb_h5_shape xs = {TRB_U8, 2, {2, 2}}, ys = {TRB_U8, 1, {2}};
    const uint8_t x[] = {1, 2, 3, 4}, y[] = {0, 1};
    const int32_t negative[] = {0, -1};
    const int64_t large[] = {0, 32768};
    const float nan_x[] = {1, 2, 3, NAN}, inf_y[] = {0, INFINITY};
    const double huge_y[] = {0, 1e300};
    const trb_task K = TRB_TASK_CLASSES, R = TRB_TASK_REGRESSION;
    char *gone[] = {"gone"};
    fixture_expect_failure(K, TRB_FORMAT_HDF5, scratch, 1, gone, TRB_ECONFIG, "/gone");
    put("a", xs, NULL, ys, y);
    refuse(K, TRB_EINTEGRITY, "/a: there is no data set `x` in it; it holds y uint8 [2]; set `data.x` to one of them");
    put("a", xs, x, ys, NULL);
    refuse(K, TRB_EINTEGRITY,
           "/a: there is no data set `y` in it; it holds x uint8 [2][2]; set `data.y` to one of them");
    put("a", (trb_h5_shape){TRB_U8, 1, {4}}, x, ys, y);
    refuse(K, TRB_EINPUT, "got 1 dimensions");
    put("a", (trb_h5_shape){TRB_U8, 5, {2, 1, 1, 1, 2}}, x, ys, y);
    refuse(K, TRB_EINPUT, "got 5 dimensions");
    put("a", (trb_h5_shape){TRB_U8, 2, {4, 1}}, x, ys, y);
    refuse(K, TRB_EINPUT, "/a: y: 2 labels, but 4 samples in ");
    put("a", xs, x, (trb_h5_shape){TRB_U8, 3, {2, 1, 1}}, y);
    refuse(K, TRB_EINPUT, "/a: y: expected one label a row: [N], [N][1], or one-hot [N][classes], got [2][1][1]");
    put("a", xs, x, (trb_h5_shape){TRB_U8, 2, {2, 2}}, x);
    refuse(K, TRB_EINPUT, "/a: y: row 0: expected one label, or 2 values of which one is 1");
    refuse(R, TRB_EINPUT, "/a: y: expected one target a row: [N] or [N][1], got [2][2]");
    put("a", xs, x, (trb_h5_shape){TRB_I32, 1, {2}}, negative);
    refuse(K, TRB_EINPUT, "label -1 in row 1");
    put("a", xs, x, (trb_h5_shape){TRB_I64, 1, {2}}, large);
    refuse(K, TRB_EINPUT, "label 32768 in row 1, expected a whole number from 0 to 32767");
    put("a", (trb_h5_shape){TRB_F32, 2, {2, 2}}, nan_x, ys, y);
    refuse(K, TRB_EINPUT, "value 1 of row 1 is not finite");
    put("a", xs, x, (trb_h5_shape){TRB_F32, 1, {2}}, inf_y);
    refuse(K, TRB_EINPUT, "/a: y: label inf in row 1, expected a whole number from 0 to 32767");
    refuse(R, TRB_EINPUT, "target of row 1 is not finite");
    put("a", xs, x, (trb_h5_shape){TRB_F64, 1, {2}}, huge_y);
    refuse(R, TRB_EINPUT, "target of row 1 is beyond what float32 can hold");
    fixture_write(scratch, "a", false, 4, x);
    refuse(K, TRB_EINTEGRITY, "/a");
}

/* Extents that no memory may be reserved for: without stored values, empty, and of a virtual set, which reads zeros
 * where a source is missing. */
/* Labels that are not needed may be absent, in all files; labels that are ignored are not even looked at. */
static void unlabelled(void **state)
{
    (void)state;
    const trb_h5_shape xs = {TRB_U8, 2, {2, 2}}, ys = {TRB_U8, 1, {2}};
    const uint8_t x[] = {1, 2, 3, 4}, y[] = {0, 1};
    char *files[] = {"a", "b"};
    trb_data_files set = {.format = TRB_FORMAT_HDF5, .root = scratch, .n_files = 2, .files = files};
    trb_data d, with;
    put("a", xs, x, ys, NULL);
    put("b", xs, x, ys, NULL);
    for (set.task = TRB_TASK_CLASSES; set.task <= TRB_TASK_REGRESSION; set.task++) {
        const int64_t ids[] = {0, 1, 2, 3};
        set.labels = TRB_LABELS_IF_THERE;
        assert_ok(trb_data_load(&set, &d));
        assert_true(d.n == 4 && d.classes == 0 && d.label == NULL && d.target == NULL && !trb_data_labelled(&d));
        assert_true(d.digest == d.digest_x);
        assert_ok(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 4, ids));
        assert_true(d.target_mean == 0.0 && d.target_scale == 1.0);
        trb_data_clear(&d);
        set.labels = TRB_LABELS_NEEDED;
        assert_fails(trb_data_load(&set, &d), TRB_EINTEGRITY, "there is no data set `y` in it");
    }
    set.task = TRB_TASK_CLASSES;
    put("b", xs, x, ys, y);
    set.labels = TRB_LABELS_IF_THERE;
    assert_fails(trb_data_load(&set, &d), TRB_EINPUT, "b: has labels or targets, but the files before have none");
    set.labels = TRB_LABELS_IGNORED;
    assert_ok(trb_data_load(&set, &d));
    set.n_files = 1;
    files[0] = "b";
    set.labels = TRB_LABELS_IF_THERE;
    assert_ok(trb_data_load(&set, &with));
    assert_true(trb_data_labelled(&with) && with.digest != with.digest_x && !trb_data_labelled(&d));
    trb_data_clear(&d);
    set.labels = TRB_LABELS_IGNORED;
    assert_ok(trb_data_load(&set, &d));
    assert_true(d.digest == with.digest_x);
    trb_data_clear(&d);
    trb_data_clear(&with);
}

/* The same of files that several readers read into shared memory. */
static void unlabelled_parts(void **state)
{
    (void)state;
    const trb_h5_shape xs = {TRB_U8, 2, {2, 2}}, ys = {TRB_U8, 1, {2}};
    const uint8_t x[] = {1, 2, 3, 4}, y[] = {0, 1};
    char *files[] = {"a", "b"};
    const trb_data_files set = {
        .format = TRB_FORMAT_HDF5, .root = scratch, .n_files = 2, .files = files, .labels = TRB_LABELS_IF_THERE};
    for (int mixed = 0; mixed < 2; mixed++) {
        trb_data_part *p[2] = {NULL, NULL};
        size_t bytes = 0;
        put("a", xs, x, ys, NULL);
        put("b", xs, x, ys, mixed ? y : NULL);
        for (size_t r = 0; r < 2; r++) assert_ok(trb_data_part_open(&set, r, 2, &p[r]));
        *trb_data_part_unit(p[0], 1) = *trb_data_part_unit(p[1], 1);
        *trb_data_part_unit(p[1], 0) = *trb_data_part_unit(p[0], 0);
        if (mixed) {
            assert_fails(trb_data_part_room(p[0], &bytes), TRB_EINPUT,
                         "b: has labels or targets, but the files before");
        } else {
            void *room = NULL;
            trb_data d, whole;
            assert_ok(trb_data_part_room(p[0], &bytes));
            assert_ok(trb_alloc(TRB_MEM_DATA, bytes, 1, &room));
            for (size_t r = 0; r < 2; r++) trb_data_part_put(p[r], room);
            assert_ok(trb_data_part_join(p[1], room, &d));
            assert_ok(trb_data_load(&set, &whole));
            assert_true(d.n == 4 && !trb_data_labelled(&d) && d.digest == whole.digest);
            trb_data_clear(&whole);
            trb_data_clear(&d);
            trb_free(room);
        }
        for (size_t r = 0; r < 2; r++) trb_data_part_close(p[r]);
    }
}

static void absurd_extent(void **state)
{
    (void)state;
    const hsize_t extents[3][2] = {{1000000000, 1000000}, {0, 4}, {1000000000, 1000000}};
    const trb_status statuses[] = {TRB_EINTEGRITY, TRB_EINPUT, TRB_EINTEGRITY};
    const char *const fragments[] = {"stored", "empty", "is virtual: its values are in other files"};
    for (int i = 0; i < 3; i++) {
        char path[160];
        fixture_path(scratch, "a", path);
        const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        const hid_t space = H5Screate_simple(2, extents[i], NULL), how = H5Pcreate(H5P_DATASET_CREATE);
        if (i == 2) assert_true(H5Pset_virtual(how, space, "gone.h5", "/x", space) >= 0);
        const hid_t set = H5Dcreate2(file, "/x", H5T_STD_U8LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
        assert_true(set >= 0);
        assert_true(H5Dclose(set) >= 0 && H5Pclose(how) >= 0 && H5Sclose(space) >= 0 && H5Fclose(file) >= 0);
        refuse(TRB_TASK_CLASSES, statuses[i], fragments[i]);
    }
}

/* Labels that need not be there: all files have them, or none. */
static void optional_labels(void **state)
{
    (void)state;
    const uint8_t x[] = {1, 2, 3, 4}, y[] = {0, 1};
    char *both[] = {"a", "b"};
    trb_data_files f = {
        .format = TRB_FORMAT_HDF5, .root = scratch, .n_files = 2, .files = both, .labels = TRB_LABELS_IF_THERE};
    trb_data d;
    put("a", (trb_h5_shape){TRB_U8, 2, {2, 2}}, x, (trb_h5_shape){TRB_U8, 1, {2}}, y);
    put("b", (trb_h5_shape){TRB_U8, 2, {2, 2}}, x, (trb_h5_shape){TRB_U8, 1, {2}}, NULL);
    assert_fails(trb_data_load(&f, &d), TRB_EINPUT, "/b: has no labels or targets, but the files before have some");
    f.labels = TRB_LABELS_IGNORED;
    assert_ok(trb_data_load(&f, &d));
    assert_int_equal(d.n, 4);
    assert_null(d.label);
    assert_int_equal(d.classes, 0);
    trb_data_clear(&d);
    f.labels = TRB_LABELS_IF_THERE;
    f.n_files = 1;
    assert_ok(trb_data_load(&f, &d));
    assert_int_equal(d.classes, 2);
    trb_data_clear(&d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes),         cmocka_unit_test(regression),
                                       cmocka_unit_test(refused),         cmocka_unit_test(optional_labels),
                                       cmocka_unit_test(absurd_extent),   cmocka_unit_test(unlabelled),
                                       cmocka_unit_test(unlabelled_parts)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
