/* Tables: what separates numbers, which rows and columns are taken, and how what is wrong is said. */
#include "data_fixture.h"
#include "fault_walk.h"
#include "scratch.h"

#include <math.h>

static char *one[] = {"a"};

static void put(const char *name, const char *text)
{
    fixture_write(scratch, name, false, strlen(text), text);
}

static trb_data_files of(trb_task task, const char *text)
{
    put("a", text);
    return (trb_data_files){.task = task, .format = TRB_FORMAT_TABLE, .root = scratch, .n_files = 1, .files = one};
}

static void expect(const trb_data_files *f, size_t n, size_t D, const float *x, const float *target,
                   const int32_t *label)
{
    trb_data d;
    assert_ok(trb_data_load(f, &d));
    assert_int_equal(d.n, n);
    assert_true(d.shape.c == D && d.shape.h == 1 && d.shape.w == 1);
    assert_int_equal(d.type, TRB_F32);
    assert_memory_equal(d.x, x, n * D * sizeof *x);
    if (target != NULL) assert_memory_equal(d.target, target, n * sizeof *target);
    if (label != NULL) assert_memory_equal(d.label, label, n * sizeof *label);
    assert_true((d.target == NULL) == (target == NULL) && (d.label == NULL) == (label == NULL));
    trb_data_clear(&d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void refuse(const trb_data_files *f, trb_status status, const char *wanted)
{
    trb_data d;
    assert_fails(trb_data_load(f, &d), status, wanted);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static const trb_task K = TRB_TASK_CLASSES, R = TRB_TASK_REGRESSION;

/* The same three rows, written in the ways that are met. */
static void separators(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1,2.5,-3\n4,5,6e1\n7,8,9\n",
        "1, 2.5 ,-3 \n 4 ,\t5,60\n7,8,.9e1",
        " 1  2.5 -3\n\t4 5\t60 \n\n7 8 9\n \t\n",
        "1,2.5,-3\r\n4,5,60\r\n\r\n7,8,9\r\n",
        ("\xef\xbb\xbf"
         "1 2.5 -3\n4,5,60\n7 8 +9"),
        "a,b c,d\n1,2.5,-3\n4,5,60\n7,8,9\n",
        "\n# one two three four\n1 2.5 -3\n4 5 60\n7 8 9\n",
        "\"x;y\" \"a \"\"b\"\"\" c\r\n1 2.5 -3\r\n4 5 60\r\n7 8 9",
        "1;2.5;-3\n4;5;60\n7;8;9\n",
        "a;b;c\n1;2,5;-3\n4;5;60\n7;8;9,0\n",
        "1|2.5|-3\n4|5|60\n7|8|9\n",
        "a b\tc d\te\n1\t2,5\t-3\n4\t5\t60\n7\t8\t9",
        "1,2.5,-3\r4,5,60\r7,8,9\r",
        "1 2.5 -3\r4 5 60\r\r7 8 9",
        "\"1\",\"2.5\",\"-3\"\n\"4\",\"5\",\"60\"\n7,\"8\",9\n",
        "# made by hand\n1,2.5,-3\n# three more\n4,5,60\n7,8,9\n",
        "# a,b,c\n1,2.5,-3\n4,5,60\n7,8,9\n",
        "\"the first\none\",b,c\n1,2.5,-3\n4,5,60\n7,8,9\n",
        "Gr\xf6\xdf"
        "e,b,c\n1,2.5,-3\n4,5,60\n7,8,9\n",
    };
    const float x[] = {1, 2.5F, 4, 5, 7, 8}, y[] = {-3, 60, 9};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const trb_data_files f = of(R, texts[i]);
        expect(&f, 3, 2, x, y, NULL);
        fixture_write(scratch, "a", true, strlen(texts[i]), texts[i]);
        expect(&f, 3, 2, x, y, NULL);
    }
}

static void labels(void **state)
{
    (void)state;
    const trb_data_files f = of(K, "0.5 2\n-1e-3 0.0\n3 32767\n");
    expect(&f, 3, 1, (const float[]){0.5F, -1e-3F, 3}, NULL, (const int32_t[]){2, 0, 32767});
}

/* Rows that end in a separator, and separators that the first rows do not show. */
static void chosen_separators(void **state)
{
    (void)state;
    char *last[] = {(char[]){"-1"}};
    const float x[] = {1, 2, 3, 4};
    static const char *const trailing[] = {"1,2,0,\n3,4,1,\n", "a,b,y,\n1,2,0,\n3,4,1,\n", "a,b,y\n1,2,0,\n3,4,1,\n",
                                           "a;b;y\n1;2;0;\n3;4;1;"};
    for (size_t i = 0; i < 4; i++) {
        trb_data_files f = of(K, trailing[i]);
        f.n_drop = 1;
        f.drop = last;
        expect(&f, 2, 2, x, NULL, (const int32_t[]){0, 1});
    }
    static const struct {
        const char *by, *text;
        float x[2];
    } cases[] = {
        {";", "1,25;0\n1,5;1\n", {1.25F, 1.5F}},     {"|", "1,25|0\n1,5|1\n", {1.25F, 1.5F}},
        {"tab", "1,25\t0\n1,5\t1\n", {1.25F, 1.5F}}, {"blank", "1 0\n1.5 1\n", {1, 1.5F}},
        {",", "1,0;1\n1.5,1;0\n", {1, 1.5F}},        {"auto", "1,0\n1.5,1\n", {1, 1.5F}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trb_data_files f = of(K, cases[i].text);
        assert_true(trb_data_separator(cases[i].by, &f.separator));
        expect(&f, 2, 1, cases[i].x, NULL, (const int32_t[]){0, 1});
    }
    char by = 'x';
    assert_false(trb_data_separator("::", &by) || by != 'x');
    /* Three digits after the comma are decimals if another number tells. */
    const trb_data_files f = of(R, "1;1,234\n0,345;7\n");
    expect(&f, 2, 1, (const float[]){1, 0.345F}, (const float[]){1.234F, 7}, NULL);
}

/* Columns by number, range and file; rows by file, in its order. What is not chosen need not be a number. */
static void choices(void **state)
{
    (void)state;
    trb_data_files f = of(R, "name y a b c\nx 1 10 20 30\ny 2 11 21 31\nz 3 12 22 ?\n");
    char *columns[] = {"3", "list"}, *range[] = {"2-3"}, *rows[] = {"rows"};
    put("list", "2");
    put("rows", "2 0\n");
    put("rest", "1\r\n");
    f.features = columns;
    f.n_features = 2;
    f.target = "1";
    expect(&f, 3, 2, (const float[]){20, 10, 21, 11, 22, 12}, (const float[]){1, 2, 3}, NULL);
    f.features = range;
    f.n_features = 1;
    f.target = "rest";
    f.rows = rows;
    f.n_rows = 1;
    expect(&f, 2, 2, (const float[]){12, 22, 10, 20}, (const float[]){3, 1}, NULL);
    f.target = "4";
    put("rows", "1");
    expect(&f, 1, 2, (const float[]){11, 21}, (const float[]){31}, NULL);
}

static void joined(void **state)
{
    (void)state;
    char *files[] = {"a", "b"}, *rows[] = {"r0", "r1"};
    trb_data_files f = of(R, "1 2\n3 4\n");
    put("b", "5,6\n7,8");
    put("r0", "1");
    put("r1", "1,0");
    f.files = files;
    f.n_files = 2;
    expect(&f, 4, 1, (const float[]){1, 3, 5, 7}, (const float[]){2, 4, 6, 8}, NULL);
    f.rows = rows;
    f.n_rows = 1;
    refuse(&f, TRB_ECONFIG, "data: 2 tables, but 1 file that lists rows");
    f.n_rows = 2;
    expect(&f, 3, 1, (const float[]){3, 7, 5}, (const float[]){4, 8, 6}, NULL);
    put("b", "5 6 7");
    put("r1", "0");
    refuse(&f, TRB_EINPUT, "/b: expected 2 columns, as in the training files, got 3");
}

static void refused_values(void **state)
{
    (void)state;
    static const struct {
        trb_task task;
        const char *text, *line;
    } bad[] = {
        {TRB_TASK_REGRESSION, "", "/a: expected rows of numbers, got none"},
        {TRB_TASK_REGRESSION, "x y\n\n", "/a: expected rows of numbers, got none"},
        {TRB_TASK_REGRESSION, "1\n2\n", "/a: expected at least 2 columns, inputs and a target, got 1"},
        {TRB_TASK_REGRESSION, "notes\n1 2 3\n", "/a:1: the header has 1 names, but the rows have 3 columns"},
        {TRB_TASK_REGRESSION, "1;0.5\n0,5;1\n",
         "/a:2: a number has a decimal comma, but line 1 has one with a decimal point"},
        {TRB_TASK_REGRESSION, "1;2\n1;1.234,5\n",
         "column 1: expected a number, got `1.234,5`; write numbers without marks between thousands"},
        {TRB_TASK_REGRESSION, "1\t2\n1\t-1,234.5\n", "got `-1,234.5`; write numbers without marks between thousands"},
        {TRB_TASK_REGRESSION, "1;2\n1;1.234.567\n", "got `1.234.567`; write numbers without marks between"},
        {TRB_TASK_REGRESSION, "\"1,234.5\",2\n\"1,100\",3\n",
         "got `1,234.5`; write numbers without marks between thousands"},
        {TRB_TASK_REGRESSION, "1;2\n1;1,234\n12,345;7\n",
         "a:2: a number has a comma before its last three digits, as all others have; is it a decimal comma"},
        {TRB_TASK_REGRESSION, "a\tb\n1\t1,234\n", "a:2: a number has a comma before its last three digits"},
        {TRB_TASK_REGRESSION, "1,2\n3,5\n4,5;1\n", "got `5;1`; if ; separates fields, set `data.separator: \";\"`"},
        {TRB_TASK_REGRESSION, "a,\"b\n1,2\n", "/a:1: column 1: a field begins with a quote, but no quote ends it"},
        {TRB_TASK_REGRESSION, "1 2\n\n1 2 3\n", "/a:3: expected 2 columns, as in the rows before, got 3"},
        {TRB_TASK_REGRESSION, "1,2,3\n1,2\n", "/a:2: expected 3 columns, as in the rows before, got 2"},
        {TRB_TASK_REGRESSION, "1,2\n1,2,\n", "/a:2: expected 2 columns, as in the rows before, got 3"},
        {TRB_TASK_REGRESSION, "x,y\n1,NA\n",
         "/a:2: column 1 (y): expected a label or target, got `NA`; `data.missing: drop`"},
        {TRB_TASK_REGRESSION, "x,2\n1,2\n",
         "/a:1: it cannot be told whether this line, with `x` in it, is a header or a row"},
        {TRB_TASK_REGRESSION, "1,2\n,2\n",
         "/a:2: column 0: expected a number, got nothing; `data.missing: drop` leaves such rows out, `mean` takes"},
        {TRB_TASK_REGRESSION, "1 2\n0x1 2\n", "column 0: expected a number, got `0x1`"},
        {TRB_TASK_REGRESSION, "1 2\nnan 2\n", "column 0: expected a number, got `nan`"},
        {TRB_TASK_REGRESSION, "1 2\n1 -inf\n", "column 1: expected a number, got `-inf`"},
        {TRB_TASK_REGRESSION, "1 2\n1e 2\n", "column 0: expected a number, got `1e`"},
        {TRB_TASK_REGRESSION, "1,2\n1 2,3\n", "column 0: expected a number, got `1 2`"},
        {TRB_TASK_REGRESSION, "1 2\n3e38 1e39\n", "column 1: expected a number that float32 can hold, got `1e39`"},
        {TRB_TASK_REGRESSION, "1 2\n1 \x01\xff\n", "column 1: expected a number, got `?\xc3\xbf`"},
        {TRB_TASK_REGRESSION, "1 2\n1 wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\n",
         "got `wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww...`"},
        {TRB_TASK_CLASSES, "1 2\n1 2.5\n",
         "/a:2: column 1: expected a label, a whole number from 0 to 32767, got `2.5`; for numbers to be predicted set "
         "`data.task: regression`"},
        {TRB_TASK_CLASSES, "1,0.25\n1,0.5\n", "got `0.25`; for numbers to be predicted set `data.task: regression`"},
        {TRB_TASK_REGRESSION, "a,y\n1,no\n",
         "/a:2: column 1 (y): expected a number, got `no`; the target has words: set `data.task: classes`, or another "
         "`data.target`"},
        {TRB_TASK_REGRESSION, "a,y\nno,1\n", "got `no`; `data.categories` reads columns of words, `data.drop` leaves"},
        /* The wrong separator, from the first rows: what follows is no label. */
        {TRB_TASK_CLASSES, "0.5,0;1\n1.5,1;0\n",
         "/a:1: column 1: expected a word, got `0;1`; if ; separates fields, set `data.separator: \";\"`, else "
         "`data.separator: \",\"`"},
        {TRB_TASK_CLASSES, "1,234.5;0\n1,100.5;1\n",
         "got `234.5;0`; if ; separates fields, set `data.separator: \";\"`"},
        {TRB_TASK_CLASSES, "1,234.5|no\n1,100.5|yes\n", "if | separates fields, set `data.separator: \"|\"`"},
        {TRB_TASK_CLASSES, "1\t1,234.5\n1\t1,100.5\n", "got `1,234.5`; write numbers without marks between thousands"},
        /* A separator at the end of each row. */
        {TRB_TASK_CLASSES, "1,2,0,\n3,4,1,\n",
         "/a: its rows end in a separator, so the last column, 3, is empty; leave it out with `data.drop: [-1]`"},
        {TRB_TASK_CLASSES, "a,b,y,\n1,2,0,\n3,4,1,\n", "/a: its rows end in a separator, so the last column, 3,"},
        {TRB_TASK_CLASSES, "a,b,y\n1,2,0,\n3,4,1,\n", "/a: its rows end in a separator, so the last column, 3,"},
        {TRB_TASK_REGRESSION, "a;y\n1;2;\n3;4;\n", "/a: its rows end in a separator, so the last column, 2,"},
        {TRB_TASK_CLASSES, "a,b,notes\n1,2,\n3,4,\n",
         "/a:2: column 2 (notes): expected a label or target, got nothing"},
        {TRB_TASK_CLASSES, "1 2\n1 -1\n", "got `-1`; `data.categories: [1]` takes the labels as words"},
        {TRB_TASK_CLASSES, "1 2\n1 32768\n", "got `32768`"},
        {TRB_TASK_CLASSES, "1 2\n1 dog\n", "got `dog`"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const trb_data_files f = of(bad[i].task, bad[i].text);
        refuse(&f, TRB_EINPUT, bad[i].line);
    }
    fixture_write(scratch, "a", false, 6, "1 2\0\n1");
    const trb_data_files f = {.task = R, .format = TRB_FORMAT_TABLE, .root = scratch, .n_files = 1, .files = one};
    refuse(&f, TRB_EINPUT, "/a: expected a table of text, got a binary file (byte 3 is zero)");
}

static void refused_choices(void **state)
{
    (void)state;
    trb_data_files f = of(R, "1 2 3\n4 5 6\n");
    char *entry[] = {""}, *rows[] = {"rows"};
    static const struct {
        const char *features, *target, *line;
        trb_status status;
    } bad[] = {
        {"3", "",
         "data.features: expected a column, counted from 0 to 2 (-1 is the last), a range such as 0-2, or a file",
         TRB_ECONFIG},
        {"1-0", "", "got 1-0; ", TRB_ECONFIG},
        {"0-99999999999999999999", "", "got 0-99999999999999999999; ", TRB_ECONFIG},
        {"0-2", "", "data.features: column 2 is the target", TRB_ECONFIG},
        {"twice", "", "/twice:2: column 1 is listed twice", TRB_EINPUT},
        {"gone", "", "got gone; /", TRB_ECONFIG},
        {"-4", "", "got -4; ", TRB_ECONFIG},
        {"0,1-", "", "got 0,1-; ", TRB_ECONFIG},
        {"0", "3", "data.target: expected a column, counted from 0 to 2", TRB_ECONFIG},
        {"0", "1-2", "data.target: expected one column, got 2", TRB_ECONFIG},
        {"0", "empty", "/empty: expected numbers of columns, got none", TRB_EINPUT},
    };
    put("twice", "1\n1\n");
    put("empty", " \n");
    f.features = entry;
    f.n_features = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[40];
        (void)strcpy(text, bad[i].features);
        entry[0] = text;
        f.target = bad[i].target;
        refuse(&f, bad[i].status, bad[i].line);
    }
    f.n_features = 0;
    f.target = NULL;
    f.rows = rows;
    f.n_rows = 1;
    static const char *const lists[][2] = {
        {"0\n2\n", "/rows:2: expected rows from 0 to 1, got 2"},
        {"0 1 0", "/rows:1: row 0 is listed twice"},
        {"1\n-1", "/rows:2: column 0: expected a row, a whole number from 0 to 1, got `-1`"},
        {"1 1.0", "/rows:1: column 1: expected a row, a whole number from 0 to 1, got `1.0`"},
        {"", "/rows: expected numbers of rows, got none"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        put("rows", lists[i][0]);
        refuse(&f, TRB_EINPUT, lists[i][1]);
    }
}

/* Columns that hardly differ, or not at all, are left at their scale. */
static void constant_columns(void **state)
{
    (void)state;
    const trb_data_files f = of(R, "1 0 0 7 4\n3 0 1e-40 7 6\n");
    const int64_t ids[] = {0, 1};
    float x[8];
    trb_data d;
    assert_ok(trb_data_load(&f, &d));
    assert_ok(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 2, ids));
    trb_data_rows(&d, 2, ids, x);
    const float wanted[] = {-1, 0, 0, 0, 1, 0, 0, 0};
    for (size_t i = 0; i < 8; i++) assert_true(fabsf(x[i] - wanted[i]) < 1e-6F);
    assert_true(d.target_mean == 5.0 && d.target_scale == 1.0);
    trb_data_clear(&d);
}

static void each_passage(void **state)
{
    (void)state;
    char *features[] = {"list"}, *rows[] = {"rows"};
    trb_data_files f = of(R, "1 2 3\n4 5 6\n");
    put("list", "0 1");
    put("rows", "1");
    f.features = features;
    f.n_features = 1;
    f.rows = rows;
    f.n_rows = 1;
    assert_true(fault_walk("alloc", fixture_load_once, &f) >= 12);
    assert_true(fault_walk("file.open", fixture_load_once, &f) >= 3);
    assert_true(fault_walk("file.read", fixture_load_once, &f) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_passage),      cmocka_unit_test(separators),      cmocka_unit_test(labels),
        cmocka_unit_test(chosen_separators), cmocka_unit_test(choices),         cmocka_unit_test(joined),
        cmocka_unit_test(refused_values),    cmocka_unit_test(refused_choices), cmocka_unit_test(constant_columns)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
