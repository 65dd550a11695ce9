/* Shards: numbering, writing, and telling good from missing, damaged and somebody else's. */
#include "ensemble.h"

#include <hdf5.h>

#include <math.h>

#include "small_disk.h"
#include "tribikos/hash.h"

static trb_cache_spec fault_spec;

static int publish_must_fail(void)
{
    uint64_t payload = 7;
    const trb_status st = ensemble_write(in_scratch("fault"), &fault_spec, 0, 16, &payload);
    return is_fault(st) && payload == 7 ? 0 : 1;
}

static void faults(void **state)
{
    (void)state;
    fault_spec = ensemble_spec(100, 3, 2, 1);
    const char *points[] = {"file.create:1", "file.write:2", "file.sync:1", "file.rename:1", "alloc:3", "alloc:6"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        assert_int_equal(with_fault(points[i], publish_must_fail), 0);
        assert_true(count_files(in_scratch("fault/v00"), "m000") <= 0); /* -1: not even the folder */
    }
}

/* Units run by view, member, rows, and cover every sample of every member and view once. */
static void numbering(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(150, 3, 2, 3);
    assert_int_equal(trb_cache_units(&spec), 3 * 2 * 3);
    size_t unit = 0;
    for (size_t v = 0; v < 3; v++)
        for (size_t m = 0; m < 2; m++)
            for (size_t first = 0; first < 150; first += 64, unit++) {
                const trb_cache_unit u = trb_cache_unit_at(&spec, unit);
                assert_true(u.view == v && u.member == m && u.first_row == first);
                assert_int_equal(u.rows, first == 128 ? 22 : 64);
            }
}

/* What the manual page promises, read through the store: names, attributes, types, digest. */
static void format(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 2);
    const trb_dtype types[] = {TRB_F32, TRB_F16};
    for (int t = 0; t < 2; t++) {
        spec.dtype = types[t];
        trb_h5 *h = NULL;
        uint64_t payload = 0, value = 0;
        assert_ok(ensemble_write(in_scratch("cache"), &spec, 7, 16, &payload)); /* view 1, member 1, second shard */
        assert_ok(trb_h5_open(in_scratch("cache/v01/m001-s00001.h5"), &h));
        const struct {
            const char *name;
            uint64_t value;
        } wanted[] = {{"version", 1},
                      {"member", 1},
                      {"view", 1},
                      {"view_seed", 11},
                      {"first_row", 64},
                      {"rows", 36},
                      {"block", spec.block},
                      {"member_digest", ensemble_digest[1]},
                      {"data_digest", spec.data_digest},
                      {"payload_digest", payload}};
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            assert_ok(trb_h5_get_u64(h, wanted[i].name, &value));
            assert_true(value == wanted[i].value);
        }
        expect_text(h, "format", "tribikos shard");
        expect_text(h, "view_recipe", "mixup 0.5");
        assert_ok(trb_h5_expect(h, "sample_id", (trb_h5_shape){TRB_I64, 1, {36}}));
        assert_ok(trb_h5_expect(h, "logits", (trb_h5_shape){spec.dtype, 2, {36, 3}}));
        int64_t ids[36];
        float wide[36 * 3];
        uint16_t half[36 * 3];
        const bool is_half = spec.dtype == TRB_F16;
        assert_ok(trb_h5_read_rows(h, "sample_id", TRB_I64, 0, 36, ids));
        assert_ok(trb_h5_read_rows(h, "logits", spec.dtype, 0, 36, is_half ? (void *)half : wide));
        trb_hash *hash = NULL;
        assert_ok(trb_hash_open(&hash));
        trb_hash_add(hash, is_half ? (void *)half : wide, is_half ? sizeof half : sizeof wide);
        trb_hash_add(hash, ids, sizeof ids);
        assert_true(trb_hash_value(hash) == payload);
        trb_hash_close(hash);
        if (is_half) trb_f32_from_f16(36 * 3, half, wide);
        for (size_t i = 0; i < 36 * 3; i++) assert_true(wide[i] == ensemble_logit(1, 1, 64 + i / 3, i % 3));
        for (size_t i = 0; i < 36; i++) assert_int_equal(ids[i], 64 + i);
        trb_h5_close(h);
    }
}

/* The bytes of a shard depend on what it says, not on the runs in which it arrived. */
static void same_bytes(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 1);
    uint64_t payload[3];
    const size_t runs[3] = {16, 5, 1};
    char *bytes[3];
    size_t n[3];
    for (spec.deflate = 0; spec.deflate < 2; spec.deflate++) {
        for (int i = 0; i < 3; i++) {
            assert_ok(ensemble_write(in_scratch("run%d", i), &spec, 1, runs[i], &payload[i]));
            bytes[i] = slurp(in_scratch("run%d/v00/m000-s00001.h5", i), &n[i]);
            assert_true(payload[i] == payload[0] && n[i] == n[0] && memcmp(bytes[i], bytes[0], n[0]) == 0);
        }
        for (int i = 0; i < 3; i++) free(bytes[i]);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 1);
    trb_shard *s = NULL;
    uint64_t payload = 7;
    float rows[16][3] = {{0}};
    spec.dtype = TRB_F16;
    assert_ok(trb_shard_create(in_scratch("r"), &spec, 3, &s));
    assert_ok(trb_shard_write(s, 16, rows[0]));
    rows[2][1] = NAN;
    assert_fails(trb_shard_write(s, 16, rows[0]), TRB_ENUM, "member 1 says nan for output 1 of sample 82 (view 0)");
    rows[2][1] = 65520;
    assert_fails(trb_shard_write(s, 16, rows[0]), TRB_ENUM, "which float16 cannot hold");
    rows[2][1] = 0;
    assert_fails(trb_shard_publish(s, &payload), TRB_EINTERNAL, "expected 36");
    assert_ok(trb_shard_create(in_scratch("r"), &spec, 3, &s));
    for (int i = 0; i < 2; i++) assert_ok(trb_shard_write(s, 16, rows[0]));
    assert_fails(trb_shard_write(s, 16, rows[0]), TRB_EINTERNAL, "more rows written than its 36");
    trb_shard_abandon(s);
    trb_shard_abandon(NULL);
    assert_true(payload == 7);
    assert_int_equal(count_files(in_scratch("r/v00"), "m"), 0);
    spec.shard_rows = 60;
    assert_fails(trb_shard_create(in_scratch("r"), &spec, 3, &s), TRB_ECONFIG, "shard_rows is not a multiple of block");
}

static void damage(const char *path, size_t at)
{
    size_t n = 0;
    char *bytes = slurp(path, &n);
    bytes[at < n ? at : n - 1] ^= 4;
    spill(path, bytes, n);
    free(bytes);
}

static void check(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 1);
    uint64_t payload = 0, found = 7;
    bool good = true;
    assert_ok(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found));
    assert_false(good);
    assert_true(found == 7);
    assert_ok(ensemble_write(in_scratch("c"), &spec, 1, 16, &payload));
    assert_ok(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found));
    assert_true(good && found == payload);
    const char *path = "c/v00/m000-s00001.h5";
    size_t n = 0;
    char *bytes = slurp(in_scratch("%s", path), &n);
    /* Damage to a logit, truncation, no HDF5 at all: to be written again; and no message is left behind. */
    float logit = ensemble_logit(0, 0, 64 + 20, 1);
    const char *where = memmem(bytes, n, &logit, sizeof logit);
    assert_non_null(where);
    damage(in_scratch("%s", path), (size_t)(where - bytes));
    assert_ok(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found));
    assert_false(good);
    for (int i = 0; i < 3; i++) {
        good = true;
        spill(in_scratch("%s", path), bytes, i == 0 ? n / 2 : i == 1 ? n - 1 : 0);
        assert_ok(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found));
        assert_false(good);
        assert_string_equal(trb_fail_message(), "");
    }
    spill(in_scratch("%s", path), bytes, n);
    free(bytes);
    /* Whole, but somebody else's: refused with both values, and not called bad. */
    good = true;
    ensemble_digest[0] = 0x1234;
    assert_fails(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found), TRB_EINTEGRITY,
                 "is of a member with digest fedcba9800000000, expected 0000000000001234");
    ensemble_digest[0] = 0xfedcba9800000000u;
    spec.data_digest = 1;
    assert_fails(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found), TRB_EINTEGRITY,
                 "is of the data set with digest dadadadadadadada, expected 0000000000000001");
    spec.data_digest = 0xdadadadadadadadau;
    const trb_view other = {"identity", 3, false}, another = {"mixup 1", 0, false};
    spec.view = &other;
    assert_fails(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found), TRB_EINTEGRITY,
                 "expected [identity], seed 3 (`cache.view_recipes`, `cache.view_seed`)");
    spec.view = &another;
    assert_fails(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found), TRB_EINTEGRITY,
                 "is of the view [identity], seed 0, expected [mixup 1], seed 0");
    spec.view = ensemble_view;
    spec.dtype = TRB_F16;
    assert_fails(trb_shard_check(in_scratch("c"), &spec, 1, &good, &found), TRB_EINTEGRITY,
                 "data set logits is float32 [36][3], expected float16 [36][3]");
    spec.dtype = TRB_F32;
    assert_int_equal(rename(in_scratch("%s", path), in_scratch("c/v00/m001-s00001.h5")), 0);
    assert_fails(trb_shard_check(in_scratch("c"), &spec, 3, &good, &found), TRB_EINTEGRITY, "member is 0, expected 1");
    assert_true(good && found == payload);
}

/* A disk that fills up while a shard is written. */
static void full_disk(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(4096, 60, 1, 1);
    trb_cache_spec wide = spec;
    char disk[128];
    uint64_t payload = 7;
    wide.shard_rows = 4096;
    (void)snprintf(disk, sizeof disk, "%s", in_scratch("disk"));
    if (!small_disk_mount(disk, 256)) skip();
    assert_fails(ensemble_write(disk, &wide, 0, 16, &payload), TRB_EIO, "v00/m000-s00000.h5");
    assert_fails(ensemble_write(disk, &wide, 0, 16, &payload), TRB_EIO, "No space left on device");
    assert_true(payload == 7);
    char folder[160];
    (void)snprintf(folder, sizeof folder, "%s/v00", disk);
    assert_int_equal(count_files(folder, "m000"), 0);
    assert_ok(ensemble_write(disk, &spec, 0, 16, &payload));
    small_disk_unmount(disk);
}

/* Inputs have units of their own, behind those of logits; logits are of the inputs that they name, inputs of all
 * members.
 */
static void inputs(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 4);
    ensemble_store(&spec, TRB_F16);
    ensemble_make(in_scratch("i"), &spec);
    assert_int_equal(trb_cache_logits_units(&spec), 16);
    assert_int_equal(trb_cache_units(&spec), 20);
    for (size_t i = 16; i < 20; i++) {
        const trb_cache_unit u = trb_cache_unit_at(&spec, i);
        assert_true(u.kind == TRB_SHARD_INPUTS && u.view == (i < 18 ? 1 : 3));
        assert_true(u.first_row == i % 2 * 64 && u.rows == (i % 2 == 0 ? 64 : 36));
        assert_int_equal(trb_cache_inputs_unit(&spec, u), i);
        assert_true(trb_file_exists(in_scratch("i/v%02zu/x-s%05zu.h5", u.view, i % 2)));
    }
    bool good = false;
    uint64_t payload = 0;
    for (size_t i = 0; i < 20; i++) {
        assert_ok(trb_shard_check(in_scratch("i"), &spec, i, &good, &payload));
        assert_true(good && (i < 16 || payload == ensemble_inputs_payload[i - 16]));
    }
    ensemble_inputs_payload[3]++; /* view 3, samples from 64 on */
    for (size_t i = 0; i < 20; i++) {
        assert_ok(trb_shard_check(in_scratch("i"), &spec, i, &good, &payload));
        assert_int_equal(good, i != 13 && i != 15);
    }
    ensemble_inputs_payload[3]--;
    ensemble_digest[1]++;
    assert_fails(trb_shard_check(in_scratch("i"), &spec, 17, &good, &payload), TRB_EINTEGRITY,
                 "v01/x-s00001.h5: is of members with digest");
    ensemble_digest[1]--;
    spec.x_dtype = TRB_U8;
    assert_fails(trb_shard_check(in_scratch("i"), &spec, 17, &good, &payload), TRB_EINTEGRITY,
                 "data set x is float16 [36][2][3][2], expected uint8 [36][2][3][2]");
    spec.x_dtype = TRB_F16;
    trb_shard *s = NULL;
    const uint16_t rows[2 * ENSEMBLE_D] = {[ENSEMBLE_D + 5] = 0x7c00};
    assert_ok(trb_shard_create(in_scratch("i"), &spec, 17, &s));
    assert_fails(trb_shard_write(s, 2, rows), TRB_ENUM,
                 "input 5 of sample 65 (view 1) is not a finite number that float16 can hold");
    trb_shard_abandon(s);
    trb_view wrong[4];
    memcpy(wrong, spec.view, sizeof wrong);
    wrong[0].stored = true;
    spec.view = wrong;
    assert_fails(trb_shard_create(in_scratch("i"), &spec, 0, &s), TRB_ECONFIG,
                 "view 0, the sample itself, has stored inputs");
}

/* Statistics have one unit for all members, inputs theirs behind; they name all members and the inputs that they are
 * of. */
static void statistics(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 4);
    spec.holds = TRB_SHARD_STATISTICS;
    ensemble_store(&spec, TRB_U8);
    ensemble_make(in_scratch("s"), &spec);
    assert_int_equal(trb_cache_logits_units(&spec), 8);
    assert_int_equal(trb_cache_units(&spec), 12);
    bool good = false;
    uint64_t payload = 0, value = 0;
    for (size_t i = 0; i < 12; i++) {
        const trb_cache_unit u = trb_cache_unit_at(&spec, i);
        assert_true(u.kind == (i < 8 ? TRB_SHARD_STATISTICS : TRB_SHARD_INPUTS) && u.view == (i < 8    ? i / 2
                                                                                              : i < 10 ? 1
                                                                                                       : 3));
        assert_true(u.first_row == i % 2 * 64 && u.rows == (i % 2 == 0 ? 64 : 36));
        assert_ok(trb_shard_check(in_scratch("s"), &spec, i, &good, &payload));
        assert_true(good);
    }
    trb_h5 *h = NULL;
    assert_ok(trb_h5_open(in_scratch("s/v03/all-s00001.h5"), &h));
    expect_text(h, "format", "tribikos statistics");
    assert_ok(trb_h5_get_u64(h, "member", &value));
    assert_true(value == UINT64_MAX - 1);
    assert_ok(trb_h5_get_u64(h, "member_digest", &value));
    assert_true(value == trb_hash_bytes(ensemble_digest, 2 * sizeof *ensemble_digest));
    assert_ok(trb_h5_get_u64(h, "inputs_digest", &value));
    assert_true(value == ensemble_inputs_payload[3]);
    assert_ok(trb_h5_expect(h, "statistics", (trb_h5_shape){TRB_F32, 2, {36, 7}}));
    trb_h5_close(h);
    ensemble_inputs_payload[3]++;
    for (size_t i = 0; i < 8; i++) {
        assert_ok(trb_shard_check(in_scratch("s"), &spec, i, &good, &payload));
        assert_int_equal(good, i != 7);
    }
    ensemble_inputs_payload[3]--;
    ensemble_digest[0]++;
    assert_fails(trb_shard_check(in_scratch("s"), &spec, 6, &good, &payload), TRB_EINTEGRITY,
                 "v03/all-s00000.h5: is of members with digest");
    ensemble_digest[0]--;
    trb_shard *s = NULL;
    const float rows[2 * 7] = {[7 + 6] = INFINITY};
    assert_ok(trb_shard_create(in_scratch("s"), &spec, 3, &s));
    assert_fails(trb_shard_write(s, 2, rows), TRB_ENUM,
                 "statistic 6 of sample 65 (view 1) is inf, which float32 cannot hold as a finite number");
    trb_shard_abandon(s);
    spec.dtype = TRB_F16;
    assert_fails(trb_shard_create(in_scratch("s"), &spec, 0, &s), TRB_ECONFIG,
                 "statistics are of classes, and float32");
    spec.dtype = TRB_F32;
    spec.task = TRB_TASK_REGRESSION;
    assert_fails(trb_shard_create(in_scratch("s"), &spec, 0, &s), TRB_ECONFIG, "statistics are of classes");
}

/* Write one row of a shard of `top`, whose numbers are wrong at one place. */
static trb_status write_wrong(const trb_cache_spec *spec, size_t at, float number)
{
    float row[TRB_TOP(2, 5)] = {-0.5F, -1.0F, -2.0F, 3.0F, 1.0F};
    trb_shard *s = NULL;
    row[at] = number;
    TRB_TRY(trb_shard_create(in_scratch("wrong"), spec, 3, &s));
    const trb_status st = trb_shard_write(s, 1, row);
    trb_shard_abandon(s);
    return st;
}

/* Shards of the most probable classes are of one member; their digest is of rows, values before classes; and no program
 * reads a row that is no row of log-probabilities, even if its digest is right. */
static void top(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 5, 2, 2);
    uint64_t payload = 0, value = 0;
    bool good = false;
    trb_h5 *h = NULL;
    spec.holds = TRB_SHARD_TOP;
    spec.top = 2;
    spec.dtype = TRB_F16;
    ensemble_make(in_scratch("top"), &spec);
    assert_int_equal(trb_shard_row_bytes(&spec, TRB_SHARD_TOP), 10);
    for (size_t i = 0; i < 8; i++) {
        const trb_cache_unit u = trb_cache_unit_at(&spec, i);
        assert_true(u.kind == TRB_SHARD_TOP && u.view == i / 4 && u.member == i / 2 % 2);
        assert_ok(trb_shard_check(in_scratch("top"), &spec, i, &good, &payload));
        assert_true(good);
    }
    uint16_t rows[36][5], values[36][3], classes[36][2];
    assert_ok(trb_h5_open(in_scratch("top/v01/m001-s00001.h5"), &h));
    expect_text(h, "format", "tribikos top");
    assert_ok(trb_h5_get_u64(h, "member", &value));
    assert_int_equal(value, 1);
    assert_ok(trb_h5_read_rows(h, "top", TRB_F16, 0, 36, values));
    assert_ok(trb_h5_read_rows(h, "class", TRB_U16, 0, 36, classes));
    int64_t ids[36];
    assert_ok(trb_h5_read_rows(h, "sample_id", TRB_I64, 0, 36, ids));
    trb_h5_close(h);
    for (size_t n = 0; n < 36; n++) {
        memcpy(rows[n], values[n], sizeof values[n]);
        memcpy(rows[n] + 3, classes[n], sizeof classes[n]);
        assert_int_equal(classes[n][1], (size_t)ensemble_number(&spec, TRB_SHARD_TOP, 1, 1, 64 + n, 4));
    }
    char both[sizeof rows + sizeof ids];
    memcpy(both, rows, sizeof rows);
    memcpy(both + sizeof rows, ids, sizeof ids);
    assert_true(trb_hash_bytes(both, sizeof both) == payload);
    assert_ok(write_wrong(&spec, 0, -0.25F));
    assert_fails(write_wrong(&spec, 1, -1e6F), TRB_ENUM,
                 "member 1 says -1e+06 for log-probability 1 of sample 64 (view 0), which float16 cannot hold");
    assert_fails(write_wrong(&spec, 2, 1.0F), TRB_EINTERNAL, "no log-probabilities of different classes");
    assert_fails(write_wrong(&spec, 3, 5.0F), TRB_EINTERNAL, "no log-probabilities of different classes");
    assert_fails(write_wrong(&spec, 3, 1.0F), TRB_EINTERNAL, "no log-probabilities of different classes");
    static const struct {
        size_t top;
        trb_task task;
        const char *says;
    } wrong[] = {{0, TRB_TASK_CLASSES, "top is not a number from 1 to the number of outputs"},
                 {6, TRB_TASK_CLASSES, "top is not a number from 1"},
                 {2, TRB_TASK_REGRESSION, "top is of classes"}};
    trb_shard *s = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        spec.top = wrong[i].top;
        spec.task = wrong[i].task;
        assert_fails(trb_shard_create(in_scratch("wrong"), &spec, 0, &s), TRB_ECONFIG, wrong[i].says);
    }
    spec.holds = TRB_SHARD_LOGITS;
    assert_fails(trb_shard_create(in_scratch("wrong"), &spec, 0, &s), TRB_ECONFIG, "top is not 0");
}

/* A shard with right digests and wrong rows: a program from elsewhere has written it. */
static void wrong_rows(void **state)
{
    (void)state;
    static const struct {
        const char *set, *says;
        bool of_classes;
        uint16_t is;
    } wrong[] = {{"top", "log-probability 1 of sample 70 is above 0", false, 0x3c00},
                 {"top", "log-probability 1 of sample 70 is not finite", false, 0xfc00},
                 {"class", "class 1 of sample 70 is not below the 5 outputs", true, 5},
                 {"class", "class 1 of sample 70 is there twice", true, 0}};
    trb_cache_spec spec = ensemble_spec(100, 5, 2, 2);
    spec.holds = TRB_SHARD_TOP;
    spec.top = 2;
    spec.dtype = TRB_F16;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bool good = true;
        uint64_t payload = 0;
        uint16_t rows[36][3];
        const size_t width = wrong[i].of_classes ? 2 : 3;
        const hsize_t dim[2] = {36, width};
        ensemble_make(in_scratch("odd"), &spec);
        const hid_t f = H5Fopen(in_scratch("odd/v01/m001-s00001.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
        const hid_t set = H5Dopen2(f, wrong[i].set, H5P_DEFAULT), type = H5Dget_type(set);
        const hid_t space = H5Screate_simple(2, dim, NULL);
        assert_true(H5Dread(set, type, space, H5S_ALL, H5P_DEFAULT, rows) >= 0);
        uint16_t *flat = &rows[0][0];
        flat[6 * width + 1] = wrong[i].is;
        if (wrong[i].of_classes) flat[6 * width] = 0;
        assert_true(H5Dwrite(set, type, space, H5S_ALL, H5P_DEFAULT, rows) >= 0);
        (void)H5Sclose(space), (void)H5Tclose(type), (void)H5Dclose(set), (void)H5Fclose(f);
        assert_ok(trb_shard_check(in_scratch("odd"), &spec, 7, &good, &payload));
        assert_false(good);
        assert_fails(ensemble_verify(in_scratch("odd")), TRB_EINTEGRITY, wrong[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),     cmocka_unit_test(numbering),       cmocka_unit_test(format),
        cmocka_unit_test(same_bytes), cmocka_unit_test(what_is_refused), cmocka_unit_test(check),
        cmocka_unit_test(inputs),     cmocka_unit_test(full_disk),       cmocka_unit_test(statistics),
        cmocka_unit_test(top),        cmocka_unit_test(wrong_rows),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
