/* Arrays: layouts, types, orders, labels, offsets, names that are patterns; and what is refused. Most are npy files,
 * which are the shortest to write; what is decided is the same for idx, hdf5 and npz. tests/run/arrays.sh compares with
 * NumPy. */
#include "../../src/data/internal.h"
#include "data_fixture.h"
#include "scratch.h"

#include <float.h>
#include <math.h>

#include "tribikos/hash.h"

/* Write an npy file. `shape` is "2, 3" */
static void put(const char *name, const char *descr, bool fortran, const char *shape, size_t bytes, const void *values)
{
    char header[256], file[32768];
    const int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n", descr,
                           fortran ? "True" : "False", shape);
    assert_true(10 + (size_t)n + bytes <= sizeof file);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (char)n;
    file[9] = (char)(n >> 8);
    memcpy(file + 10, header, (size_t)n);
    if (bytes > 0) memcpy(file + 10 + n, values, bytes);
    spill(in_scratch("%s", name), file, 10 + (size_t)n + bytes);
}

static trb_data_files pair(trb_task task)
{
    static char *files[] = {"x.npy", "y.npy"};
    return (trb_data_files){.task = task, .format = TRB_FORMAT_NPY, .root = scratch, .n_files = 2, .files = files};
}

static void refuse(const trb_data_files *f, trb_status st, const char *words)
{
    trb_data d;
    assert_fails(trb_data_load(f, &d), st, words);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

/* What [2][a][b][c] is taken for. */
static const struct {
    size_t a, b, c;
    char is; /* c: [C][H][W]; h: [H][W][C]; ?: refused */
} layouts[] = {
    {3, 32, 32, 'c'},  {1, 28, 28, 'c'},  {4, 20, 20, 'c'},  {3, 8, 2, '?'},   {32, 32, 3, 'h'},  {8, 8, 3, 'h'},
    {28, 28, 1, 'h'},  {9, 9, 4, 'h'},    {24, 32, 3, 'h'},  {20, 10, 3, 'h'}, {3, 8, 3, '?'},    {4, 4, 3, '?'},
    {1, 28, 1, '?'},   {16, 3, 3, '?'},   {16, 40, 3, 'h'},  {16, 50, 3, '?'}, {16, 5, 3, '?'},   {50, 1, 1, '?'},
    {100, 30, 3, '?'}, {16, 8, 8, 'c'},   {2, 28, 28, 'c'},  {64, 8, 8, 'c'},  {20, 20, 13, 'h'}, {30, 30, 13, 'h'},
    {13, 30, 30, 'c'}, {8, 8, 2, 'h'},    {16, 4, 2, '?'},   {64, 16, 2, '?'}, {5, 5, 3, 'h'},    {512, 2, 2, 'c'},
    {16, 16, 12, 'h'}, {12, 16, 16, 'c'}, {16, 16, 40, '?'}, {32, 32, 5, 'h'}, {24, 32, 6, 'h'},  {6, 6, 2, 'h'},
    {5, 6, 6, 'c'},    {1, 22, 200, 'c'}, {10, 12, 11, '?'}, {6, 8, 4, '?'},   {1, 1, 50, '?'},   {3, 4, 4, '?'},
};

static void layout(void **state)
{
    (void)state;
    static uint8_t x[24000];
    const uint8_t y[] = {0, 1};
    put("y.npy", "|u1", false, "2,", 2, y);
    for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 37 + i / 251);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const size_t a = layouts[i].a, b = layouts[i].b, c = layouts[i].c, size = a * b * c;
        char shape[64];
        trb_data d;
        trb_data_files f = pair(TRB_TASK_CLASSES);
        assert_true(2 * size <= sizeof x);
        (void)snprintf(shape, sizeof shape, "2, %zu, %zu, %zu", a, b, c);
        put("x.npy", "|u1", false, shape, 2 * size, x);
        if (layouts[i].is == '?') refuse(&f, TRB_EINPUT, "set `data.layout` to nchw or to nhwc");
        for (int how = 0; how < 3; how++) {
            const bool last = how == 0 ? layouts[i].is == 'h' : how == 2;
            if (how == 0 && layouts[i].is == '?') continue;
            f.layout = (trb_axes[]){TRB_AXES_AUTO, TRB_AXES_NCHW, TRB_AXES_NHWC}[how];
            assert_ok(trb_data_load(&f, &d));
            const trb_shape is = last ? (trb_shape){c, a, b} : (trb_shape){a, b, c};
            if (memcmp(&d.shape, &is, sizeof is) != 0)
                fail_msg("%s: got %zu x %zu x %zu", shape, d.shape.c, d.shape.h, d.shape.w);
            if (!last) assert_memory_equal(d.x, x, 2 * size);
            for (size_t r = 0; r < 2; r++)
                for (size_t k = 0; last && k < c; k++)
                    for (size_t j = 0; j < a * b; j++)
                        assert_int_equal(((uint8_t *)d.x)[r * size + k * a * b + j], x[r * size + j * c + k]);
            trb_data_clear(&d);
            /* The survey decides the same, and a test set whose own sizes do not tell follows it. */
            trb_schema s = {0};
            assert_ok(trb_data_survey(&f, &s));
            assert_int_equal(s.layout, last ? TRB_AXES_NHWC : TRB_AXES_NCHW);
            assert_int_equal(s.n_inputs, 0);
            f.layout = TRB_AXES_AUTO;
            f.schema = &s;
            if (layouts[i].is == '?') {
                assert_ok(trb_data_load(&f, &d));
                assert_memory_equal(&d.shape, &is, sizeof is);
                trb_data_clear(&d);
            }
            f.schema = NULL;
        }
    }
}

/* The values 0, 1, 2 ... 11 as an array [3][4] of every type, in both orders of bytes and of indices. */
static void types(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        size_t bytes;
    } kinds[] = {{"u1", 1}, {"i1", 1}, {"u2", 2}, {"i2", 2}, {"u4", 4}, {"i4", 4},
                 {"u8", 8}, {"i8", 8}, {"f2", 2}, {"f4", 4}, {"f8", 8}};
    static const uint16_t halves[] = {0,      0x3c00, 0x4000, 0x4200, 0x4400, 0x4500,
                                      0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980};
    const float expected[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int big = 0; big < 2; big++)
            for (int fortran = 0; fortran < 2; fortran++) {
                uint8_t x[96], y[24];
                char descr[8];
                const size_t size = kinds[k].bytes;
                for (size_t i = 0; i < 12; i++) {
                    const size_t at = fortran != 0 ? (i % 4) * 3 + i / 4 : i;
                    const float f4 = (float)i;
                    const double f8 = (double)i;
                    const uint64_t whole = i;
                    const void *value = kinds[k].code[0] != 'f' ? (const void *)&whole
                                        : size == 2             ? (const void *)&halves[i]
                                        : size == 4             ? (const void *)&f4
                                                                : (const void *)&f8;
                    for (size_t j = 0; j < size; j++)
                        x[at * size + (big != 0 ? size - 1 - j : j)] = ((const uint8_t *)value)[j];
                }
                memcpy(y, x, 3 * size); /* the labels are 0, 1, 2 or, in Fortran's order, 0, 4, 8 */
                (void)snprintf(descr, sizeof descr, "%c%s", size == 1 ? '|' : big != 0 ? '>' : '<', kinds[k].code);
                put("x.npy", descr, fortran != 0, "3, 4", 12 * size, x);
                put("y.npy", descr, false, "3,", 3 * size, y);
                trb_data d;
                const trb_data_files f = pair(TRB_TASK_CLASSES), r = pair(TRB_TASK_REGRESSION);
                assert_ok(trb_data_load(&f, &d));
                assert_int_equal(d.n, 3);
                assert_int_equal(d.type, k == 0 ? TRB_U8 : TRB_F32);
                for (size_t i = 0; i < 12; i++)
                    assert_true((d.type == TRB_U8 ? (float)((uint8_t *)d.x)[i] : ((float *)d.x)[i]) == expected[i]);
                for (int32_t i = 0; i < 3; i++) assert_int_equal(d.label[i], fortran != 0 ? 4 * i : i);
                trb_data_clear(&d);
                assert_ok(trb_data_load(&r, &d));
                for (int i = 0; i < 3; i++) assert_true(d.target[i] == (float)(fortran != 0 ? 4 * i : i));
                trb_data_clear(&d);
            }
    const uint8_t flags[] = {0, 1, 1, 0, 1, 1};
    const float as_floats[] = {0, 1, 1, 0, 1, 1};
    trb_data d;
    const trb_data_files f = pair(TRB_TASK_CLASSES);
    put("x.npy", "|b1", false, "3, 2", 6, flags);
    put("y.npy", "|b1", false, "3,", 3, flags);
    assert_ok(trb_data_load(&f, &d));
    assert_memory_equal(d.x, as_floats, sizeof as_floats);
    assert_int_equal(d.classes, 2);
    trb_data_clear(&d);
}

static void labels(void **state)
{
    (void)state;
    const uint8_t x[6] = {0}, columns[] = {2, 0, 1}, hot[] = {0, 0, 1, 1, 0, 0, 0, 1, 0},
                  two[] = {0, 0, 1, 1, 0, 1, 0, 1, 0};
    const float whole[] = {2, 0, 1}, half[] = {2, 0.5F, 1}, nan[] = {2, NAN, 1};
    const int16_t below[] = {2, -1, 1};
    const uint64_t far[] = {2, 1ULL << 63, 1};
    const trb_data_files f = pair(TRB_TASK_CLASSES), r = pair(TRB_TASK_REGRESSION);
    trb_data d;
    const struct {
        const char *descr, *shape;
        size_t bytes;
        const void *at;
        const char *refused; /* NULL: they are 2, 0, 1 */
    } cases[] = {
        {"|u1", "3,", 3, columns, NULL},
        {"|u1", "3, 1", 3, columns, NULL},
        {"|u1", "3, 3", 9, hot, NULL},
        {"<f4", "3,", 12, whole, NULL},
        {"<f4", "3, 1", 12, whole, NULL},
        {"<f4", "3,", 12, half,
         "y.npy: label 0.5 in row 1, expected a whole number from 0 to 32767; for numbers to be"},
        {"<f4", "3,", 12, nan, "y.npy: label nan in row 1"},
        {"<i2", "3,", 6, below,
         "y.npy: label -1 in row 1, expected a whole number from 0 to 32767; store labels -1 and 1 as 0"},
        {"<u8", "3,", 24, far, "in row 1, expected a whole number from 0 to 32767"},
        {"|u1", "3, 3", 9, two, "y.npy: row 1: expected one label, or 3 values of which one is 1"},
        {"|u1", "3, 1, 3", 9, hot,
         "y.npy: expected one label a row: [N], [N][1], or one-hot [N][classes], got [3][1][3]"},
        {"|u1", "2,", 2, columns, "y.npy: 2 labels, but 3 samples in "},
    };
    put("x.npy", "|u1", false, "3, 2", 6, x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int32_t expected[] = {2, 0, 1};
        put("y.npy", cases[i].descr, false, cases[i].shape, cases[i].bytes, cases[i].at);
        if (cases[i].refused != NULL) {
            refuse(&f, TRB_EINPUT, cases[i].refused);
            continue;
        }
        assert_ok(trb_data_load(&f, &d));
        assert_memory_equal(d.label, expected, sizeof expected);
        assert_int_equal(d.classes, 3);
        trb_data_clear(&d);
    }
    put("y.npy", "|u1", false, "3, 3", 9, hot);
    refuse(&r, TRB_EINPUT, "y.npy: expected one target a row: [N] or [N][1], got [3][3]");
}

/* Labels that are not needed: absent, ignored, or there all the same. */
static void without_labels(void **state)
{
    (void)state;
    const uint8_t x[6] = {1, 2, 3, 4, 5, 6}, y[] = {2, 0, 1};
    trb_data d;
    put("x.npy", "|u1", false, "3, 2", 6, x);
    put("y.npy", "|u1", false, "3,", 3, y);
    char *two[] = {"x.npy", "x.npy"}, *both[] = {"x.npy", "y.npy", "x.npy", "y.npy"};
    const uint64_t digest = trb_hash_bytes(x, sizeof x);
    trb_data_files f = pair(TRB_TASK_CLASSES);
    for (int how = 0; how < 5; how++) {
        f.labels = how == 4 ? TRB_LABELS_IF_THERE : TRB_LABELS_IGNORED;
        f.n_files = (size_t[]){1, 2, 2, 4, 2}[how];
        f.files = how == 1 || how == 2 ? two : both;
        if (how == 2) f.task = TRB_TASK_REGRESSION;
        assert_ok(trb_data_load(&f, &d));
        assert_int_equal(d.n, how == 0 || how == 4 ? 3 : 6);
        assert_int_equal(d.classes, how == 4 ? 3 : 0);
        assert_true((d.label != NULL) == (how == 4));
        assert_null(d.target);
        if (how == 0) assert_true(d.digest == digest);
        trb_data_clear(&d);
        f.task = TRB_TASK_CLASSES;
    }
    /* Labels of every shape that is read where they are needed. */
    static const struct {
        const char *shape;
        size_t bytes;
        uint8_t y[9];
    } shapes[] = {{"3, 1", 3, {2, 0, 1}}, {"3, 3", 9, {0, 0, 1, 1, 0, 0, 0, 1, 0}}};
    f.files = both;
    f.n_files = 2;
    f.labels = TRB_LABELS_IF_THERE;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        put("y.npy", "|u1", false, shapes[i].shape, shapes[i].bytes, shapes[i].y);
        assert_ok(trb_data_load(&f, &d));
        assert_true(d.n == 3 && d.label != NULL && d.label[0] == 2 && d.label[1] == 0 && d.label[2] == 1);
        trb_data_clear(&d);
    }
    put("y.npy", "|u1", false, "3,", 3, y);
    f.n_files = 1;
    f.labels = TRB_LABELS_NEEDED;
    refuse(&f, TRB_ECONFIG,
           "expected pairs of files, samples and labels, got 1 file; a list is written [samples, labels]");
    char *swapped[] = {"y.npy", "x.npy"};
    put("x.npy", "|u1", false, "3, 1, 2", 6, x);
    f.files = swapped;
    f.n_files = 2;
    refuse(&f, TRB_EINPUT, "y.npy: expected samples, got [3], one value each, and samples [3][1][2] where labels are");
}

/* Columns far from zero: what float32 would lose is kept. */
static void offsets(void **state)
{
    (void)state;
    enum { N = 100 };
    static double x[N][3], y[N];
    trb_data d, plain;
    trb_schema s = {0};
    trb_data_files f = pair(TRB_TASK_REGRESSION);
    for (size_t i = 0; i < N; i++) {
        x[i][0] = (double)(i % 7) - 3.0;           /* near zero */
        x[i][1] = 1.6e9 + 0.25 * (double)(i % 11); /* a time: float32 has steps of 128 */
        x[i][2] = 1e-3 + 1e-9 * (double)(i % 5);   /* small, but narrow */
        y[i] = 5e8 + 0.5 * (double)(i % 13);
    }
    put("x.npy", "<f8", false, "100, 3", sizeof x, x);
    put("y.npy", "<f8", false, "100,", sizeof y, y);
    assert_ok(trb_data_survey(&f, &s));
    assert_int_equal(s.n_inputs, 3);
    assert_true(s.input[0].offset == 0.0 && isnan(s.input[0].fill));
    f.schema = &s;
    assert_ok(trb_data_load(&f, &d));
    for (size_t i = 0; i < N; i++) {
        for (size_t c = 0; c < 3; c++) {
            const double spread = c == 0 ? 3.0 : c == 1 ? 1.25 : 2e-9;
            assert_true(fabs((double)((float *)d.x)[3 * i + c] + s.input[c].offset - x[i][c]) <
                        spread * (double)FLT_EPSILON + fabs(x[i][c]) * DBL_EPSILON * 2.0);
        }
        assert_true(fabs((double)d.target[i] + s.target_offset - y[i]) < 1e-6);
    }
    trb_data_clear(&d);
    trb_schema_clear(&s);
    /* Float32 and bytes have no more digits than they have, so nothing is moved, and the bits are those of before. */
    static float x4[N], y4[N];
    for (size_t i = 0; i < N; i++) {
        x4[i] = 1e6F + (float)(i % 3);
        y4[i] = 1e6F + (float)(i % 5);
    }
    put("x.npy", "<f4", false, "100, 1", sizeof x4, x4);
    put("y.npy", "<f4", false, "100,", sizeof y4, y4);
    f.schema = NULL;
    assert_ok(trb_data_load(&f, &plain));
    assert_memory_equal(plain.x, x4, sizeof x4);
    assert_ok(trb_data_survey(&f, &s));
    assert_int_equal(s.n_inputs, 0);
    assert_true(s.target_offset == 0.0);
    f.schema = &s;
    assert_ok(trb_data_load(&f, &d));
    assert_true(d.digest == plain.digest);
    trb_data_clear(&d);
    trb_data_clear(&plain);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void images_move_by_channel(void **state)
{
    (void)state;
    static double x[10][4][4][3];
    const uint8_t y[10] = {0, 1};
    trb_schema s = {0};
    trb_data d;
    trb_data_files f = pair(TRB_TASK_CLASSES);
    for (size_t i = 0; i < 480; i++) (&x[0][0][0][0])[i] = (i % 3 == 1 ? 1e7 : 0.0) + 0.125 * (double)(i % 8);
    put("x.npy", "<f8", false, "10, 4, 4, 3", sizeof x, x);
    put("y.npy", "|u1", false, "10,", sizeof y, y);
    f.layout = TRB_AXES_NHWC;
    assert_ok(trb_data_survey(&f, &s));
    assert_int_equal(s.n_inputs, 3);
    assert_true(s.input[0].offset == 0.0 && s.input[2].offset == 0.0 && fabs(s.input[1].offset - 1e7) < 1.0);
    f.schema = &s;
    assert_ok(trb_data_load(&f, &d));
    for (size_t r = 0; r < 10; r++)
        for (size_t c = 0; c < 3; c++)
            for (size_t j = 0; j < 16; j++)
                assert_true(fabs((double)((float *)d.x)[(r * 3 + c) * 16 + j] + s.input[c].offset -
                                 (&x[0][0][0][0])[(r * 16 + j) * 3 + c]) < 1e-6);
    trb_data_clear(&d);
    trb_schema_clear(&s);
}

/* Headers that are damaged, or that say what cannot be read. */
static void npy_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *words;
    } cases[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "it holds Python objects (a pickle)"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "it holds records of several types"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", "it holds neither whole numbers nor floats"},
        {"{'descr': '<U5', 'fortran_order': False, 'shape': (2,), }", "it holds neither whole numbers nor floats"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (2,), }", "it holds neither whole numbers nor floats"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "it holds a single number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }", "dimension 1 is 0"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1), }", "more than 5 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
         "more values than an address"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "more values than an address"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "a shape that is none"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", "a shape that is none"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", "its header has no shape"},
        {"{'descr': '<f4', 'shape': (2,), }", "lacks `descr`, `fortran_order` or `shape`"},
        {"{'fortran_order': False, 'shape': (2,), 'descr': '", "its header has no byte order"},
        {"", "lacks `descr`, `fortran_order` or `shape`"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "promises 24 bytes of data, the file has 8"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1000000000), }", "promises 8000000000 bytes of data"},
    };
    const trb_data_files f = pair(TRB_TASK_CLASSES);
    const uint8_t y[] = {0, 1};
    put("y.npy", "|u1", false, "2,", 2, y);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[400] = "\x93NUMPY\1\0";
        const size_t n = strlen(cases[i].header);
        file[8] = (char)n;
        memcpy(file + 10, cases[i].header, n);
        for (int packed = 0; packed < 2; packed++) {
            fixture_write(scratch, "x.npy", packed != 0, 10 + n + 8, file);
            refuse(&f, TRB_EINPUT, packed == 0 || i < 16 ? cases[i].words : "data, got 8");
        }
    }
    fixture_write(scratch, "x.npy", false, 12, "\x93NUMPY\4\0v\0{}");
    refuse(&f, TRB_EINPUT, "NumPy array of version 4, expected 1 to 3");
    fixture_write(scratch, "x.npy", false, 12, "\x93NUMPY\1\0\xff\xff{}");
    refuse(&f, TRB_EINPUT, "its header has 65535 bytes");
}

/* IDX of other types: whole numbers of 32 bits and floats, big-endian. */
static void idx_types(void **state)
{
    (void)state;
    const uint8_t x[] = {0, 0, 0x0d, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0x3f, 0x80, 0, 0, 0xc0, 0x40, 0, 0};
    const uint8_t y[] = {0, 0, 0x0c, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 1};
    const float values[] = {1.0F, -3.0F};
    char *files[] = {"x", "y"};
    trb_data d;
    fixture_write(scratch, "x", false, sizeof x, x);
    fixture_write(scratch, "y", false, sizeof y, y);
    assert_ok(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, scratch, 2, files, &d));
    assert_memory_equal(d.x, values, sizeof values);
    assert_int_equal(d.label[0], 256);
    assert_int_equal(d.label[1], 1);
    trb_data_clear(&d);
}

/* \param[in] expected  the names, with a space after each, then of rows */
static void expect_names(trb_format format, trb_labels wanted, size_t n, char **files, const char *expected)
{
    char *text = NULL, **names = NULL, all[512] = "";
    trb_data_files f = {.format = format, .root = scratch, .n_files = n, .files = files, .labels = wanted};
    assert_true(trb_data_has_patterns(&f));
    assert_ok(trb_data_match(&f, &text));
    assert_ok(trb_data_take_names(&f, text, &names));
    for (size_t i = 0; i < f.n_files; i++) (void)snprintf(all + strlen(all), 64, "%s ", f.files[i]);
    assert_string_equal(all, expected);
    trb_free(names);
    trb_free(text);
}

static void patterns(void **state)
{
    (void)state;
    const uint8_t x[4] = {0}, y[2] = {0, 1};
    static const char *const parts[] = {"x-2.npy", "x-10.npy", "x-1.npy"}, *const marks[] = {"y-2.npy", "y-10.npy",
                                                                                             "y-1.npy"};
    char plain_root[64];
    (void)strcpy(plain_root, scratch);
    (void)strcat(scratch, "/odd [r]*\\"); /* a root that would be a pattern */
    assert_int_equal(mkdir(scratch, 0700), 0);
    for (size_t i = 0; i < 3; i++) {
        put(parts[i], "|u1", false, "2, 2", 4, x);
        put(marks[i], "|u1", false, "2,", 2, y);
        spill(in_scratch("part-%zu.csv", i), "1,2\n", 4);
    }
    spill(in_scratch("%s", "[a].csv"), "1,2\n", 4);
    char *csv[] = {"part-*.csv", "[a].csv", "part-1.csv"}, *pairs[] = {"x-*.npy", "y-*.npy"}, *alone[] = {"x-*.npy"};
    char *odd[] = {"x-[12].npy", "y-?.npy", "x-10.npy", "y-10.npy"}, *none[] = {"part-9*"},
         *uneven[] = {"x-*.npy", "y-1*.npy"};
    expect_names(TRB_FORMAT_TABLE, TRB_LABELS_NEEDED, 3, csv, "part-0.csv part-1.csv part-2.csv [a].csv part-1.csv ");
    expect_names(TRB_FORMAT_NPY, TRB_LABELS_NEEDED, 2, pairs, "x-1.npy y-1.npy x-10.npy y-10.npy x-2.npy y-2.npy ");
    expect_names(TRB_FORMAT_NPY, TRB_LABELS_IGNORED, 2, pairs, "x-1.npy y-1.npy x-10.npy y-10.npy x-2.npy y-2.npy ");
    expect_names(TRB_FORMAT_NPY, TRB_LABELS_IGNORED, 1, alone, "x-1.npy x-10.npy x-2.npy ");
    expect_names(TRB_FORMAT_NPY, TRB_LABELS_NEEDED, 4, odd, "x-1.npy y-1.npy x-2.npy y-2.npy x-10.npy y-10.npy ");
    char *text = NULL;
    trb_data_files f = {.format = TRB_FORMAT_TABLE, .root = scratch, .n_files = 1, .files = none};
    assert_fails(trb_data_match(&f, &text), TRB_ECONFIG, "part-9*`; see `data.root`");
    f = (trb_data_files){.format = TRB_FORMAT_NPY, .root = scratch, .n_files = 2, .files = uneven};
    assert_fails(trb_data_match(&f, &text), TRB_ECONFIG, "3 files match `x-*.npy`, but 2 match `y-1*.npy`");
    (void)strcpy(scratch, plain_root);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),         cmocka_unit_test(types),     cmocka_unit_test(labels),
        cmocka_unit_test(without_labels), cmocka_unit_test(offsets),   cmocka_unit_test(images_move_by_channel),
        cmocka_unit_test(npy_refused),    cmocka_unit_test(idx_types), cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
