/* A data set that several read, a part each, is the data set that one reads. */
#include "data_fixture.h"
#include "fault_walk.h"
#include "scratch.h"

enum { MOST = 7, UNITS = 4, D = 6 };

/* What P readers do, here one after the other. \param[out] d  lies in `room` */
static trb_status read_in_parts(trb_task task, trb_format format, size_t n_files, char *const *files, size_t P,
                                void **room, trb_data *d)
{
    trb_status st = TRB_OK;
    trb_data_part *part[MOST] = {NULL};
    const trb_data_files all = {.task = task, .format = format, .root = scratch, .n_files = n_files, .files = files};
    size_t bytes = 0;
    *room = NULL;
    for (size_t r = 0; r < P; r++) TRB_GO(trb_data_part_open(&all, r, P, &part[r]));
    for (size_t r = 0; r < P; r++)
        for (size_t i = 0; i < trb_data_part_units(part[r]); i++)
            *trb_data_part_unit(part[r], i) = *trb_data_part_unit(part[i % P], i);
    for (size_t r = 0; r < P; r++) TRB_GO(trb_data_part_room(part[r], &bytes));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, bytes, 1, room));
    for (size_t r = 0; r < P; r++) trb_data_part_put(part[r], *room);
    st = trb_data_part_join(part[P - 1], *room, d);
done:
    for (size_t r = 0; r < P; r++) trb_data_part_close(part[r]);
    if (st != TRB_OK) trb_free(*room);
    return st;
}

static void expect_same(trb_task task, trb_format format, size_t n_files, char *const *files)
{
    trb_data one, d;
    void *room = NULL;
    assert_ok(fixture_load(task, format, scratch, n_files, files, &one));
    const size_t row = trb_shape_size(one.shape) * trb_dtype_bytes(one.type);
    for (size_t P = 1; P <= MOST; P++) {
        assert_ok(read_in_parts(task, format, n_files, files, P, &room, &d));
        assert_int_equal(d.n, one.n);
        assert_memory_equal(&d.shape, &one.shape, sizeof d.shape);
        assert_int_equal(d.type, one.type);
        assert_int_equal(d.task, task);
        assert_int_equal(d.classes, one.classes);
        assert_true(d.digest == one.digest);
        assert_memory_equal(d.x, one.x, one.n * row);
        if (task == TRB_TASK_CLASSES)
            assert_memory_equal(d.label, one.label, one.n * sizeof *one.label);
        else
            assert_memory_equal(d.target, one.target, one.n * sizeof *one.target);
        assert_int_equal((size_t)(task == TRB_TASK_CLASSES ? (void *)d.label : (void *)d.target) % 64, 0);
        assert_memory_equal(d.mean, one.mean, one.shape.c * sizeof *d.mean);
        assert_memory_equal(d.scale, one.scale, one.shape.c * sizeof *d.scale);
        assert_true(d.target_scale == one.target_scale);
        assert_true((d.schema == NULL) == (one.schema == NULL) && d.own == d.schema);
        assert_true(trb_schema_moves(d.schema) == trb_schema_moves(one.schema));
        if (d.schema != NULL) assert_int_equal(d.schema->n_inputs, one.schema->n_inputs);
        trb_data_clear(&d); /* what was lent is not its own */
        trb_free(room);
    }
    trb_data_clear(&one);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

/* Pairs x0, y0, ...: 2, 3, 4, 5 images of 2 x 3, the last ones packed. */
static char *idx_files[] = {"x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3"};

static void write_idx(size_t width_of_unit_1)
{
    for (uint32_t u = 0; u < UNITS; u++) {
        uint8_t x[16 + 64], y[8 + 8];
        const uint32_t n = u + 2, width = u == 1 ? (uint32_t)width_of_unit_1 : 3;
        (void)fixture_put_u32(x, 0x803);
        (void)fixture_put_u32(x + 4, n);
        (void)fixture_put_u32(x + 8, 2);
        (void)fixture_put_u32(x + 12, width);
        (void)fixture_put_u32(y, 0x801);
        (void)fixture_put_u32(y + 4, n);
        for (size_t i = 16; i < sizeof x; i++) x[i] = (uint8_t)(i * 41 + u * 7);
        for (size_t i = 8; i < sizeof y; i++) y[i] = (uint8_t)(i + u);
        fixture_write(scratch, idx_files[2 * u], u > 1, 16 + n * 2 * width, x);
        fixture_write(scratch, idx_files[2 * u + 1], u > 1, 8 + n, y);
    }
}

static void same_pairs(void **state)
{
    (void)state;
    write_idx(3);
    expect_same(TRB_TASK_CLASSES, TRB_FORMAT_IDX, 8, idx_files);
    expect_same(TRB_TASK_CLASSES, TRB_FORMAT_IDX, 2, idx_files);
}

static void same_targets(void **state)
{
    (void)state;
    char *files[] = {"a", "b", "a"};
    for (size_t f = 0; f < 2; f++) {
        char path[160];
        trb_h5 *h = NULL;
        float x[5 * D], y[5];
        const size_t n = 5 - 2 * f;
        for (size_t i = 0; i < n * D; i++) x[i] = (float)i * 0.5F - (float)f;
        for (size_t i = 0; i < n; i++) y[i] = (float)i - 7.5F * (float)f;
        fixture_path(scratch, files[f], path);
        assert_ok(trb_h5_create(path, &h));
        assert_ok(trb_h5_put(h, "/x", (trb_h5_shape){TRB_F32, 2, {n, D}}, x));
        assert_ok(trb_h5_put(h, "/y", (trb_h5_shape){TRB_F32, 1, {n}}, y));
        assert_ok(trb_h5_publish(h));
    }
    expect_same(TRB_TASK_REGRESSION, TRB_FORMAT_HDF5, 3, files);
}

static void same_tables(void **state)
{
    (void)state;
    static const char first[] = "a,b,y\n1,2,3\n4,5,6\n", second[] = "7 8 9\n";
    char *files[] = {"t0", "t1", "t0"};
    fixture_write(scratch, "t0", true, sizeof first - 1, first);
    fixture_write(scratch, "t1", false, sizeof second - 1, second);
    expect_same(TRB_TASK_REGRESSION, TRB_FORMAT_TABLE, 3, files);
    expect_same(TRB_TASK_CLASSES, TRB_FORMAT_TABLE, 2, files);
    static const char far[] = "1600000004.695,3\n1600000104.25,4\n1600000200.5,5\n";
    fixture_write(scratch, "t1", false, sizeof far - 1, far);
    char *moved[] = {"t1", "t1"};
    expect_same(TRB_TASK_REGRESSION, TRB_FORMAT_TABLE, 2, moved);
}

/* Whoever reads the wrong file: the line is the one of a reader alone. */
static void same_failures(void **state)
{
    (void)state;
    trb_data d;
    void *room = NULL;
    char *gone[] = {"x0", "y0", "x2", "y2", "x3", "gone"};
    write_idx(4);
    for (size_t P = 1; P <= MOST; P++) {
        assert_fails(read_in_parts(TRB_TASK_CLASSES, TRB_FORMAT_IDX, 8, idx_files, P, &room, &d), TRB_EINPUT,
                     "/x1: samples of 1 x 2 x 4 uint8, but 1 x 2 x 3 uint8 in the files before");
        assert_fails(read_in_parts(TRB_TASK_CLASSES, TRB_FORMAT_IDX, 6, gone, P, &room, &d), TRB_ECONFIG,
                     "/gone: cannot be read: No such file");
        assert_fails(read_in_parts(TRB_TASK_CLASSES, TRB_FORMAT_IDX, 3, gone, P, &room, &d), TRB_ECONFIG,
                     "expected pairs of files, samples and labels, got 3 files");
        assert_fails(read_in_parts(TRB_TASK_REGRESSION, TRB_FORMAT_IDX, 2, idx_files, P, &room, &d), TRB_ECONFIG,
                     "needs numbers, as `data.format: hdf5`");
    }
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static trb_status read_and_drop(void *ctx)
{
    (void)ctx;
    trb_data d;
    void *room = NULL;
    TRB_TRY(read_in_parts(TRB_TASK_CLASSES, TRB_FORMAT_IDX, 8, idx_files, 2, &room, &d));
    trb_data_clear(&d);
    trb_free(room);
    return TRB_OK;
}

static void each_passage(void **state)
{
    (void)state;
    write_idx(3);
    assert_true(fault_walk("alloc", read_and_drop, NULL) >= 20);
    assert_true(fault_walk("file.open", read_and_drop, NULL) >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_passage), cmocka_unit_test(same_pairs),
                                       cmocka_unit_test(same_targets), cmocka_unit_test(same_tables),
                                       cmocka_unit_test(same_failures)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
