/* What the training tables decide: header, names, words, missing values, offsets. And how later tables are read by it. */
#include "data_fixture.h"
#include "fault_walk.h"
#include "scratch.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"

#include <fcntl.h>
#include <math.h>

static char *train[] = {"a"}, *later[] = {"b"};
static const trb_task K = TRB_TASK_CLASSES, R = TRB_TASK_REGRESSION;

static trb_data_files of(trb_task task, char **files, const char *text)
{
    fixture_write(scratch, files[0], false, strlen(text), text);
    return (trb_data_files){.task = task, .format = TRB_FORMAT_TABLE, .root = scratch, .n_files = 1, .files = files};
}

/* {text, how, whether there is a header, or the words of the refusal} */
static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        trb_header how;
        int header; /* 1, 0; -1: refused */
        const char *line;
    } cases[] = {
        {"a,b,y\n1,2,3\n", TRB_HEADER_AUTO, 1, NULL},
        {"1.5,2,3\n4,5,6\n", TRB_HEADER_AUTO, 0, NULL},
        {"1,2,3\n4,5,6\n", TRB_HEADER_AUTO, 0, NULL},
        {"0,1,2\n0.5,1.5,2\n", TRB_HEADER_AUTO, 1, NULL},
        {"0,1,2,3,4\n-1.1,0.7,2.3,1.6,0\n", TRB_HEADER_AUTO, 1, NULL},
        {"0,1,2,3,4\n7,8,9,3,1\n", TRB_HEADER_AUTO, -1, "/a:1: it cannot be told whether this line, with `"},
        {"1,2,3,4,5\n0.7,0.8,0.9,3,1\n", TRB_HEADER_AUTO, -1, "set `data.header` to yes or no"},
        {"2019,2020,2021,2022\n5,6,7,8\n", TRB_HEADER_AUTO, -1, "it cannot be told"},
        {"2019,2020,2021,2022\n5,6,7,8\n", TRB_HEADER_YES, 1, NULL},
        {"2019,2020,2021,2022\n5,6,7,8\n", TRB_HEADER_NO, 0, NULL},
        {"0,1\n0.5,1.5\n", TRB_HEADER_AUTO, -1, "it cannot be told"},
        {"0,1\n2,0\n", TRB_HEADER_AUTO, 0, NULL},
        {"\"0\",\"1\"\n2,0\n", TRB_HEADER_AUTO, 1, NULL},
        {"\"0\",\"5\"\n\"2\",\"0\"\n", TRB_HEADER_AUTO, 0, NULL},
        {"400,410,y\n0.1,0.2,0\n", TRB_HEADER_AUTO, -1, "this line, with `y` in it, is a header or a row"},
        {"400,410,y\n0.1,0.2,0\n", TRB_HEADER_YES, 1, NULL},
        {"400,410,y\n0.1,0.2,0\n", TRB_HEADER_NO, -1,
         "/a:2: column 2: expected a label that is a word, as in the rows before, got `0`"},
        {",,\n1,2,3\n", TRB_HEADER_AUTO, -1, "/a:1: column 0: expected a number, got nothing"},
        {"nan,nan,nan\n1,2,3\n", TRB_HEADER_AUTO, -1, "/a:1: column 0: expected a number, got `nan`"},
        {"?,?,?\n1,2,3\n", TRB_HEADER_AUTO, -1, "/a:1: column 0: expected a number, got `?`"},
        {",a,y\n1,2,3\n", TRB_HEADER_AUTO, 1, NULL},
        {"a y\n1 2 3\n", TRB_HEADER_AUTO, 1, NULL},
        {"5.1,3.5,cat\n4.9,3,dog\n", TRB_HEADER_AUTO, 0, NULL},
        {"red,cat\nblue,dog\n", TRB_HEADER_AUTO, -1, "it cannot be told"},
        {"0,1,2,3,label\n5.1,3.5,1.4,0.2,setosa\n", TRB_HEADER_AUTO, -1, "this line, with `label` in it"},
        {"0,1,2,3,label\n5.1,3.5,1.4,0.2,setosa\n", TRB_HEADER_YES, 1, NULL},
        {"1,2,3,4,cat\n4,7,8,1,dog\n", TRB_HEADER_AUTO, -1, "it cannot be told"},
        {"1,2,cat\n4,7,dog\n", TRB_HEADER_AUTO, 0, NULL},
        {"5,cat\n6,dog\n", TRB_HEADER_AUTO, 0, NULL},
        {"# a,b,y\n1.5,2,3\n", TRB_HEADER_AUTO, 1, NULL},
        {"# a,b,y\n0,1,2,3\n", TRB_HEADER_AUTO, 0, NULL},
        {"# text, and more, of it\na,b,y\n1,2,3\n", TRB_HEADER_AUTO, 1, NULL},
        {"# a,b,y\n1.5,2,3\n", TRB_HEADER_NO, 0, NULL},
        {"a,b,y\n", TRB_HEADER_AUTO, -1, "expected rows of numbers, got none below the header"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trb_data_files f = of(K, train, cases[i].text);
        trb_schema s = {0};
        f.header = cases[i].how;
        if (cases[i].header < 0) {
            assert_fails(trb_data_survey(&f, &s), TRB_EINPUT, cases[i].line);
            continue;
        }
        trb_fail_clear();
        if (trb_data_survey(&f, &s) != TRB_OK) fail_msg("case %zu: %s", i, trb_fail_message());
        if (s.header != (cases[i].header == 1)) fail_msg("case %zu: header %d", i, s.header);
        trb_schema_clear(&s);
    }
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

/* Reads `text` by the schema of `first`. */
static trb_status read_by(trb_data_files *f, const char *first, const char *text, trb_schema *s, trb_data *d)
{
    *f = (trb_data_files){.task = f->task,
                          .format = TRB_FORMAT_TABLE,
                          .root = scratch,
                          .n_files = 1,
                          .files = train,
                          .n_features = f->n_features,
                          .features = f->features,
                          .target = f->target,
                          .n_drop = f->n_drop,
                          .drop = f->drop,
                          .n_categories = f->n_categories,
                          .categories = f->categories,
                          .header = f->header,
                          .missing = f->missing,
                          .labels = f->labels};
    fixture_write(scratch, "a", false, strlen(first), first);
    fixture_write(scratch, "b", false, strlen(text), text);
    TRB_TRY(trb_data_survey(f, s));
    f->files = later;
    f->schema = s;
    const trb_status st = trb_data_load(f, d);
    if (st != TRB_OK) trb_schema_clear(s);
    return st;
}

static void expect_rows(trb_data_files f, const char *first, const char *text, size_t n, size_t D, const float *x,
                        const float *y)
{
    trb_schema s = {0};
    trb_data d;
    assert_ok(read_by(&f, first, text, &s, &d));
    assert_true(d.n == n && d.shape.c == D && d.schema == &s);
    for (size_t i = 0; i < n * D; i++) assert_true(fabsf(((float *)d.x)[i] - x[i]) < 1e-6F);
    for (size_t i = 0; y != NULL && i < n; i++)
        assert_true(f.task == K ? (float)d.label[i] == y[i] : d.target[i] == y[i]);
    if (y == NULL) assert_true(d.label == NULL && d.target == NULL && d.classes == 0);
    trb_data_clear(&d);
    trb_schema_clear(&s);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void expect_refusal(trb_data_files f, const char *first, const char *text, trb_status status, const char *line)
{
    trb_schema s = {0};
    trb_data d;
    assert_fails(read_by(&f, first, text, &s, &d), status, line);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

static void names(void **state)
{
    (void)state;
    const char *abc = "a,b,y\n1.5,2,3\n4,5,6\n";
    const float x[] = {1, 2}, y[] = {7};
    const trb_data_files r = {.task = R}, none = {.task = R, .labels = TRB_LABELS_IGNORED},
                         some = {.task = R, .labels = TRB_LABELS_IF_THERE};
    expect_rows(r, abc, "a,b,y\n1,2,7\n", 1, 2, x, y);
    expect_rows(r, abc, "y;b;a\n7;2;1\n", 1, 2, x, y);
    expect_rows(r, abc, "b,extra,a,y\n2,9,1,7\n", 1, 2, x, y);
    expect_rows(r, abc, "1,2,7\n", 1, 2, x, y);
    expect_rows(r, "1.5,2,3\n4,5,6\n", "y,q,p\n1,2,7\n", 1, 2, x, y);
    expect_rows(r, "0,1,2\n.5,.6,.7\n", "2,1,0\n7,2,1\n", 1, 2, x, y);
    expect_rows(none, abc, "b,a\n2,1\n", 1, 2, x, NULL);
    expect_rows(none, abc, "b,a,y\n2,1,word\n", 1, 2, x, NULL);
    expect_rows(none, abc, "1,2\n", 1, 2, x, NULL);
    expect_rows(none, "1.5,2,3\n4,5,6\n", "1,2\n", 1, 2, x, NULL);
    expect_rows(some, abc, "b,a\n2,1\n", 1, 2, x, NULL);
    expect_rows(some, abc, "y,b,a\n7,2,1\n", 1, 2, x, y);
    /* A file of a schema without names: a row that counts is a row. */
    const trb_data_files plain = {.task = R, .header = TRB_HEADER_AUTO};
    expect_rows(plain, "1.5,2,3\n4,5,6\n", "0,1,2\n0.5,1.5,3\n", 2, 2, (const float[]){0, 1, 0.5F, 1.5F},
                (const float[]){2, 3});
    /* Several columns have one name: each stays where it is, or the file is refused. */
    char *second[] = {(char[]){"1"}};
    trb_data_files twins = {.task = R, .n_features = 1, .features = second};
    expect_rows(twins, "a,a,y\n1,2,7\n", "a,a,y\n1,2,7\n", 1, 1, (const float[]){2}, y);
    expect_rows(r, "x,y,y\n1,2,7\n", "x,y,y\n1,2,7\n", 1, 2, x, y);
    expect_rows(r, "a,a,y\n1,2,7\n", "a,a,y\n1,2,7\n", 1, 2, x, y);
    expect_rows(twins, "a,a,y\n1,2,7\n", "y,a\n7,2\n", 1, 1, (const float[]){2}, y);
    expect_refusal(twins, "a,a,y\n1,2,7\n", "a,a,y,z\n1,2,7,0\n", TRB_EINPUT,
                   "/b: its header calls 2 columns a, which does not tell which of them is column 1 of the training");
    expect_refusal(r, "x,y,y\n1,2,7\n", "y,x,y\n1,2,7\n", TRB_EINPUT, "calls 2 columns y");
    trb_data_files first = none;
    first.target = "0";
    expect_rows(first, "3.5,1,2\n4,5,6\n", "1,2\n", 1, 2, x, NULL);
    expect_refusal(r, abc, "a,c,y\n1,2,7\n", TRB_EINPUT,
                   "/b: its header lacks the column b, which the training files have, and it has the column c, which "
                   "they do not have");
    expect_refusal(r, abc, "a,b\n1,2\n", TRB_EINPUT, "its header lacks the column y, which the training files have; ");
    expect_refusal(none, abc, "y,b\n1,2\n", TRB_EINPUT,
                   "its header lacks the column a, which the training files have; ");
    expect_refusal(r, abc, "1,2\n", TRB_EINPUT, "/b: expected 3 columns, as in the training files, got 2");
    expect_refusal(some, abc, "1\n", TRB_EINPUT, "got 1");
}

static void choices(void **state)
{
    (void)state;
    static const struct {
        const char *features, *target, *drop, *line; /* line NULL: x = b, a and y */
    } cases[] = {
        {"b a", "y", "", NULL},
        {"2 1", "-1", "", NULL},
        {"-2 1", "3", "", NULL},
        {"2,1", "", "", NULL},
        {"b 0-1", "y", "i", NULL},
        {"b a i", "", "0", NULL},
        {"b z", "", "",
         "data.features: expected a column, counted from 0 to 3 (-1 is the last), a range such as 0-3, a name "
         "(i, a, b, y), or a file that lists some, got z"},
        {"b", "q", "", "data.target: expected a column"},
        {"b", "4.0", "", "data.target: expected a column, counted from 0 to 3"},
        {"b y", "y", "", "data.features: column 3 is the target"},
        {"b b", "", "", "data.features: column 2 is listed twice"},
        {"b", "y", "y", "data.drop: column 3 is the target (`data.target`)"},
        {"b", "y", "b", "data.drop: no column is left as an input"},
        {"b", "", "0-3", "data.drop: all 4 columns are left out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[40], target[8], drop[8], *features[4], *drops[] = {drop}, *save = NULL;
        size_t n = 0;
        (void)strcpy(text, cases[i].features);
        (void)strcpy(target, cases[i].target);
        (void)strcpy(drop, cases[i].drop);
        for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
            features[n++] = word;
        const trb_data_files f = {.task = R,
                                  .n_features = n,
                                  .features = features,
                                  .target = target,
                                  .n_drop = drop[0] != '\0',
                                  .drop = drops};
        const char *table = "i,a,b,y\n9,1,2.5,7\n";
        if (cases[i].line == NULL)
            expect_rows(f, table, table, 1, 2, (const float[]){2.5F, 1}, (const float[]){7});
        else
            expect_refusal(f, table, table, TRB_ECONFIG, cases[i].line);
    }
    /* The last column that is not dropped is the target; a name may be a number. */
    char *last[] = {(char[]){"-1"}}, *years[] = {(char[]){"2020"}};
    expect_rows((trb_data_files){.task = R, .n_drop = 1, .drop = last}, "a,y,z\n1,7,3\n", "a,y,z\n1,7,3\n", 1, 1,
                (const float[]){1}, (const float[]){7});
    expect_rows((trb_data_files){.task = R, .n_features = 1, .features = years, .header = TRB_HEADER_YES},
                "2019,2020,y\n1,2,7\n", "2019,2020,y\n1,2,7\n", 1, 1, (const float[]){2}, (const float[]){7});
    expect_refusal(
        (trb_data_files){.task = R, .n_features = 1, .features = (char *[]){(char[]){"1"}}, .header = TRB_HEADER_YES},
        "1,0,y\n1,2,7\n", "", TRB_ECONFIG, "1 is column 1 by its number, but column 0 is called so; use 0-0");
    expect_refusal((trb_data_files){.task = R, .n_features = 1, .features = (char *[]){(char[]){"a"}}},
                   "a,a,y\n1,2,7\n", "", TRB_ECONFIG, "columns 0 and 1 are both called a");
}

static void missing(void **state)
{
    (void)state;
    const char *table = "a,b,y\n1,,2\n3,5,4\nNaN,7,6\n8,9,n/a\n";
    const trb_data_files drop = {.task = R, .missing = TRB_MISSING_DROP},
                         mean = {.task = R, .missing = TRB_MISSING_MEAN};
    expect_rows(drop, table, table, 1, 2, (const float[]){3, 5}, (const float[]){4});
    expect_rows(mean, "a,b,y\n1,,2\n3,5,4\n?,7,6\n", "y,b,a\n1,null,\n", 1, 2, (const float[]){2, 6},
                (const float[]){1});
    expect_refusal(mean, table, table, TRB_EINPUT,
                   "/a:5: column 2 (y): expected a label or target, got `n/a`; `data.missing: "
                   "drop` leaves such rows out");
    expect_refusal((trb_data_files){.task = R}, "a,y\n1,2\n", "a,y\n-,2\n", TRB_EINPUT,
                   "/b:2: column 0 (a): expected a number, got `-`");
    expect_refusal(drop, "a,b,y\n1,,2\n", "", TRB_EINPUT, "no rows are left");
    expect_refusal(mean, "a,b,y\n1,,2\n", "", TRB_EINPUT, "column 1 (b): all its values are missing");
    trb_schema s = {0};
    trb_data_files f = of(R, train, table);
    trb_data d;
    f.missing = TRB_MISSING_DROP;
    assert_ok(trb_data_load(&f, &d));
    assert_true(d.n == 1 && d.n_dropped == 3 && d.n_missing == 0 && d.schema == d.own && d.own != NULL);
    trb_data_clear(&d);
    (void)s;
    /* Rows that a file lists keep their order. */
    char *rows[] = {"rows"};
    fixture_write(scratch, "rows", false, 5, "3 0 1");
    f = of(R, train, "a,y\n1,2\n,4\n5,6\n7,8\n");
    f.missing = TRB_MISSING_DROP;
    f.rows = rows;
    f.n_rows = 1;
    assert_ok(trb_data_load(&f, &d));
    assert_true(d.n == 2 && ((float *)d.x)[0] == 7.0F && ((float *)d.x)[1] == 1.0F && d.target[0] == 8.0F);
    trb_data_clear(&d);
}

static void words(void **state)
{
    (void)state;
    const char *table = "city,a,kind\nRome,1,no\nOslo,2,yes\n\"Rome\",3,\"yes\"\n";
    char *city[] = {(char[]){"city"}}, *y[] = {(char[]){"kind"}};
    const trb_data_files f = {.task = K, .n_categories = 1, .categories = city};
    trb_data_files mean = f;
    mean.missing = TRB_MISSING_MEAN;
    expect_rows(f, table, "a,kind,city\n5,yes,Rome\n", 1, 3, (const float[]){0, 1, 5}, (const float[]){1});
    expect_rows(mean, table, "a,kind,city\n5,yes,\n", 1, 3, (const float[]){1 / 3.0F, 2 / 3.0F, 5}, (const float[]){1});
    expect_refusal(
        f, "city,a,kind\nRome,1,no\n,2,yes\n", "", TRB_EINPUT,
        "/a:3: column 0 (city): expected a word, as `data.categories` says, got nothing; `data.missing: drop` "
        "leaves such rows out, `mean` takes the share of each word in the column");
    expect_refusal(f, table, "a,kind,city\n5,yes,\n", TRB_EINPUT,
                   "/b:2: column 2 (city): expected a word, as `data.categories` says, got nothing");
    expect_refusal(f, table, "a,kind,city\n5,yes,Paris\n", TRB_EINPUT,
                   "/b:2: column 2 (city): expected one of the 2 words of the training files, got `Paris`");
    expect_refusal(f, table, "a,kind,city\n5,maybe,Oslo\n", TRB_EINPUT,
                   "/b:2: column 1 (kind): expected one of the 2 labels of the training files, got `maybe`");
    expect_refusal((trb_data_files){.task = K}, table, "", TRB_EINPUT,
                   "/a:2: column 0 (city): expected a number, got `Rome`; `data.categories` reads columns of words");
    expect_refusal((trb_data_files){.task = R, .n_categories = 1, .categories = y}, table, "", TRB_ECONFIG,
                   "data.categories: column 2 (kind) is no input");
    /* Labels that are numbers are words if the target is among the categories; a number is one word in any form. */
    const trb_data_files signs = {.task = K, .n_categories = 1, .categories = y};
    expect_rows(signs, "a,kind\n1,+1\n2,-1\n", "a,kind\n5,1.0\n", 1, 1, (const float[]){5}, (const float[]){1});
    expect_refusal(signs, "a,kind\n1,+1\n2,-1\n", "a,kind\n5,2\n", TRB_EINPUT,
                   "/b:2: column 1 (kind): expected one of the 2 labels of the training files, got `2`");
    expect_refusal((trb_data_files){.task = K}, "a,k\n1,no\n2,3\n", "", TRB_EINPUT,
                   "/a:3: column 1: expected a label that is a word, as in the rows before, got `3`");
    expect_refusal((trb_data_files){.task = K}, "a,k\n1,3\n2,no\n", "", TRB_EINPUT,
                   "/a:3: column 1 (k): expected a label");
    expect_rows((trb_data_files){.task = K}, "a,\"k\n\"\"1\"\"\"\n1,\"\"\"x, y\"\"\"\n2,z\n",
                "\"k\n\"\"1\"\"\",a\n\"\"\"x, y\"\"\",3\n", 1, 1, (const float[]){3}, (const float[]){0});
    trb_schema s = {0};
    trb_data_files own = of(K, train, "a,\"k \"\"1\"\"\"\n1,\"\"\"x, y\"\"\"\n2,z\n");
    assert_ok(trb_data_survey(&own, &s));
    assert_string_equal(s.target, "k \"1\"");
    assert_string_equal(s.class_name[0], "\"x, y\"");
    trb_schema_clear(&s);
    own = of(K, train, table);
    trb_data d;
    own.n_categories = 1;
    own.categories = city;
    assert_ok(trb_data_survey(&own, &s));
    assert_true(s.n_inputs == 3 && s.n_classes == 2 && s.n_columns == 3 && s.target_column == 2);
    assert_string_equal(s.input[0].category, "Oslo");
    assert_string_equal(s.class_name[0], "no");
    own.schema = &s;
    assert_ok(trb_data_load(&own, &d));
    assert_int_equal(d.classes, 2);
    const uint64_t digest = d.digest;
    trb_data_clear(&d);
    trb_free(s.class_name[1]);
    assert_ok(trb_strdup("yet", &s.class_name[1]));
    fixture_write(scratch, "a", false, 27, "city,a,kind\nRome,1,no\nOslo,2");
    own = of(K, train, "city,a,kind\nRome,1,no\nOslo,2,yet\n\"Rome\",3,\"yet\"\n");
    own.schema = &s;
    assert_ok(trb_data_load(&own, &d));
    assert_true(d.digest == digest); /* the same labels by other names */
    trb_data_clear(&d);
    trb_schema_clear(&s);
}

/* Far from zero, float32 has steps of 128; the differences keep their digits. Close to it, nothing changes. */
static void offsets(void **state)
{
    (void)state;
    trb_data_files f = of(R, train, "1600000004.695,1600000001.5,3\n1600000104.25,1600000002.5,4\n1600000200.5,0,5\n");
    trb_data d;
    const int64_t ids[] = {0, 1, 2};
    float x[6];
    f.target = "0";
    assert_ok(trb_data_load(&f, &d));
    const trb_schema *s = d.schema;
    assert_true(d.digest_x == trb_hash_bytes(d.x, 6 * sizeof(float))); /* only the target is moved */
    assert_true(s->target_offset == 1600000128.0 && s->input[0].offset == 0.0 && s->input[1].offset == 0.0);
    assert_true(fabs((double)d.target[0] + s->target_offset - 1600000004.695) < 1e-4);
    trb_data_clear(&d);

    f = of(R, train, "1600000004.695,3\n1600000104.25,4\n1600000200.5,5\n");
    assert_ok(trb_data_load(&f, &d));
    assert_true(d.schema->input[0].offset == 1600000128.0 && d.schema->target_offset == 0.0);
    assert_ok(trb_data_normalize(&d, TRB_NORMALIZE_STANDARD, 3, ids));
    trb_data_rows(&d, 3, ids, x);
    const double value[] = {4.695, 104.25, 200.5}, mean = (4.695 + 104.25 + 200.5) / 3;
    double squares = 0.0;
    for (size_t i = 0; i < 3; i++) squares += (value[i] - mean) * (value[i] - mean) / 3;
    for (size_t i = 0; i < 3; i++) assert_true(fabs((double)x[i] - (value[i] - mean) / sqrt(squares)) < 1e-5);
    /* Given constants are in the file's unit; without normalisation a value enters as it is. */
    const double given = 1600000100.0, ten = 10.0;
    assert_ok(trb_data_normalize_by(&d, 1, &given, 1, &ten));
    trb_data_rows(&d, 3, ids, x);
    assert_true(fabs((double)x[1] - 0.425) < 1e-6);
    assert_ok(trb_data_normalize(&d, TRB_NORMALIZE_NONE, 3, ids));
    trb_data_rows(&d, 3, ids, x);
    assert_true(x[0] == (float)1600000004.695);
    trb_data_clear(&d);

    /* The same differences from another offset are other data. */
    f = of(R, train, "1600000004.695,3\n1600000104.25,4\n1600000200.5,5\n");
    assert_ok(trb_data_load(&f, &d));
    const uint64_t digest = d.digest;
    const float first = ((float *)d.x)[0];
    trb_data_clear(&d);
    f = of(R, train, "1600001284.695,3\n1600001384.25,4\n1600001480.5,5\n");
    assert_ok(trb_data_load(&f, &d));
    assert_true(((float *)d.x)[0] == first && d.digest != digest);
    trb_data_clear(&d);

    f = of(R, train, "16777217,1\n16777219,2\n16777214,3\n");
    assert_ok(trb_data_load(&f, &d));
    assert_true(trb_schema_moves(d.schema));
    trb_data_clear(&d);
    f = of(R, train, "10000001,1\n10000003,2\n10000002,3\n7,4\n");
    assert_ok(trb_data_load(&f, &d));
    assert_false(trb_schema_moves(d.schema));
    trb_data_clear(&d);
}

static void utf16(void **state)
{
    (void)state;
    const char text[] = "\xff\xfe"
                        "a\0,\0y\0\n\0"
                        "\x3d\xd8\x00\xde"
                        "1\0,\0"
                        "2\0";
    fixture_write(scratch, "a", false, sizeof text - 1, text);
    trb_data_files f = {.task = R, .format = TRB_FORMAT_TABLE, .root = scratch, .n_files = 1, .files = train};
    trb_data d;
    assert_fails(trb_data_load(&f, &d), TRB_EINPUT,
                 "/a:2: column 0 (a): expected a number, got `\xf0\x9f\x98\x80"
                 "1`");
    const char big[] = "\xfe\xff\0a\0,\0y\0\r\0\n\0"
                       "5\0,\0"
                       "2";
    fixture_write(scratch, "a", false, sizeof big - 1, big);
    assert_ok(trb_data_load(&f, &d));
    assert_true(d.n == 1 && ((float *)d.x)[0] == 5.0F && d.target[0] == 2.0F);
    trb_data_clear(&d);
    fixture_write(scratch, "a", false, sizeof text - 2, text);
    assert_fails(trb_data_load(&f, &d), TRB_EINPUT, "/a: begins as UTF-16, but is not all of it; save it as UTF-8");
}

/* Tables without labels or targets. */
static void no_target(void **state)
{
    (void)state;
    const char *abc = "a,b,c\n1,2,7\n4,5,8\n", *plain = "1.5,2,3\n4,5,6\n";
    const float x[] = {1, 2, 7}, y[] = {2};
    char *drop[] = {(char[]){"0"}}, *a[] = {(char[]){"a"}};
    const trb_data_files some = {.task = K, .labels = TRB_LABELS_IF_THERE, .target = "none"};
    expect_rows(some, abc, "a,b,c\n1,2,7\n", 1, 3, x, NULL);
    expect_rows(some, abc, "c,b,a\n7,2,1\n", 1, 3, x, NULL);
    expect_rows(some, plain, "1,2,7\n", 1, 3, x, NULL);
    /* A further column of a later file has them. */
    expect_rows(some, abc, "a,kind,b,c\n1,2,2,7\n", 1, 3, x, y);
    expect_rows(some, plain, "1,2,7,2\n", 1, 3, x, y);
    trb_data_files one = some;
    one.n_drop = 1;
    one.drop = drop;
    expect_rows(one, abc, abc, 2, 2, (const float[]){2, 7, 5, 8}, NULL);
    one.n_features = 1;
    one.features = a;
    expect_refusal(one, abc, abc, TRB_ECONFIG, "data.drop: no column is left as an input");
    expect_refusal((trb_data_files){.task = K, .target = "none"}, abc, abc, TRB_ECONFIG,
                   "data.target: none: tables without labels or targets train no members; expected a column");
    expect_rows((trb_data_files){.task = R, .target = "none"}, "a,none\n1,2\n", "a,none\n1,2\n", 1, 1, x, y);
    /* What is needed of a test set. */
    trb_schema s = {0}, again = {0};
    trb_data_files f = of(K, train, abc);
    char *text = NULL;
    trb_data d;
    f.target = "none";
    f.labels = TRB_LABELS_IF_THERE;
    assert_ok(trb_data_survey(&f, &s));
    assert_ok(trb_schema_write(&s, &text));
    assert_non_null(strstr(text, "\"target\": {}"));
    assert_ok(trb_schema_read("w.h5", text, &again));
    assert_true(again.target_column == TRB_NO_COLUMN && again.n_columns == 3);
    f.schema = &again;
    f.labels = TRB_LABELS_NEEDED;
    assert_fails(trb_data_load(&f, &d), TRB_EINPUT,
                 "/a: the training files have no labels or targets (`data.target: none`), so here one column more,");
    trb_free(text);
    trb_schema_clear(&s);
    trb_schema_clear(&again);
}

/* What the survey prints. Released by free(). */
static char *said(const trb_data_files *f)
{
    trb_schema s = {0};
    const int before = dup(STDERR_FILENO), to = open(in_scratch("said"), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(before >= 0 && to >= 0);
    trb_log_open(true, 1.0);
    (void)dup2(to, STDERR_FILENO);
    const trb_status st = trb_data_survey(f, &s);
    (void)dup2(before, STDERR_FILENO);
    (void)close(before);
    (void)close(to);
    assert_ok(st);
    trb_schema_clear(&s);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    size_t n = 0;
    return slurp(in_scratch("said"), &n);
}

/* Says `line`, or gives no warning if it is NULL. Lines are printed once, so every case has its own. */
static void expect_said(const trb_data_files *f, const char *line)
{
    char *text = said(f);
    if (line == NULL && strstr(text, "warning") != NULL) fail_msg("expected no warning, got %s", text);
    if (line != NULL && strstr(text, line) == NULL) fail_msg("expected `%s` in `%s`", line, text);
    free(text);
}

static long shuffled(long i)
{
    return i * 37 % 100;
}
static long shuffled_from_1(long i)
{
    return 1 + i * 41 % 100;
}
static long sampled(long i)
{
    return i * 91 % 151;
}
static long ascending(long i)
{
    return i;
}
static long far(long i)
{
    return 5000 + i * 7919 % 100000;
}
static long repeated(long i)
{
    return i * 37 % 100 / 2;
}
static long years(long i)
{
    return 1900 + i * 37 % 100;
}
static long counts(long i)
{
    return i * i % 97;
}
static long wide(long i)
{
    return i * 7919 % 1000003;
}
static long quarters(long i)
{
    return i % 4;
}

/* An index of rows, wherever it stands and in whatever order, and measurements that are none. */
static void index_columns(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long (*value)(long i);
        const char *line;
    } cases[] = {
        {"a0", ascending, "column 1 (a0) counts the rows, and is an input; leave it out with `data.drop: [1]`"},
        {"a1", shuffled, "column 1 (a1) has each whole number of a range once, as an index of rows, and is an input;"},
        {"a2", shuffled_from_1, "column 1 (a2) has each whole number of a range once"},
        {"a3", sampled, "column 1 (a3) has whole numbers that never repeat, as an index of rows, and is an input;"},
        {"id", far, "column 1 (id) has the name of an index of rows, and is an input; leave it out with"},
        {"ID", repeated, "column 1 (ID) has the name of an index"},
        {"PassengerId", far, "column 1 (PassengerId) has the name of an index"},
        {"sample_id", far, "column 1 (sample_id) has the name of an index"},
        {"Unnamed: 0", far, "column 1 (Unnamed: 0) has the name of an index"},
        {"index", far, "column 1 (index) has the name of an index"},
        {"key", far, "column 1 (key) has the name of an index"},
        {"key", quarters, NULL}, /* as the key of a piece of music */
        {"index", repeated, NULL},
        {"acid", repeated, NULL},
        {"a4", repeated, NULL},
        {"a5", years, NULL},
        {"a6", counts, NULL},
        {"a7", wide, NULL},
        {"a8", quarters, NULL},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char text[4000];
        int n = snprintf(text, sizeof text, "a,%s,y\n", cases[k].name);
        for (long i = 0; i < 100; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%ld.5,%ld,%ld\n", i * 31 % 50, cases[k].value(i),
                          i * i % 3);
        const trb_data_files f = of(K, train, text);
        expect_said(&f, cases[k].line);
    }
    /* Each file of a set may count its own rows; a column of a few rows, or with fractions, may do so by accident. */
    char *both[] = {"a", "b"};
    const char *ten = "a,c,y\n.5,0,1\n.1,1,0\n.5,2,1\n.7,3,0\n.5,4,1\n.5,5,1\n";
    (void)of(K, train, ten);
    trb_data_files f = of(K, later, ten);
    f.files = both;
    f.n_files = 2;
    expect_said(&f, "column 1 (c) counts the rows");
    f = of(K, train, ten);
    expect_said(&f, NULL);
    f = of(K, train, "id,b,y\n1.5,3,1\n2.5,1,0\n3.5,3,1\n");
    expect_said(&f, NULL);
}

/* A second target among the inputs, whatever its values are called. */
static void second_targets(void **state)
{
    (void)state;
    static const struct {
        const char *name, *code[3], *kind[3];
        trb_task task;
        size_t other; /* this row has another code; 0: none */
        const char *line;
    } cases[] = {
        {"b0",
         {"7", "3", "5"},
         {"ash", "fir", "oak"},
         K,
         0,
         "column 1 (b0) is the target under other names: each has one value of its own, and is an input; leave it out "
         "with `data.drop: [1]` unless it is known before the target"},
        {"b1", {"7", "3", "5"}, {"0", "1", "2"}, K, 0, "column 1 (b1) is the target under other names"},
        {"b2", {"7", "3", "5"}, {"10", "11", "19"}, R, 0, "column 1 (b2) is the target under other names"},
        {"b3", {"ash", "fir", "oak"}, {"0", "1", "2"}, K, 0, "column 1 (b3) is the target under other names"},
        {"b4", {"ash", "fir", "oak"}, {"x", "y", "z"}, K, 0, "column 1 (b4) is the target under other names"},
        {"b5", {"-4", "-2", "0"}, {"0", "1", "2"}, K, 0, "column 1 (b5) is the target up to scale and offset"},
        {"b6", {"7", "3", "3"}, {"ash", "fir", "oak"}, K, 0, NULL},
        {"b7", {"7", "3", "5"}, {"ash", "fir", "oak"}, K, 40, NULL},
        {"b8", {"7", "7", "7"}, {"ash", "fir", "oak"}, K, 0, NULL},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char text[4000], *column[] = {(char[]){"1"}};
        int n = snprintf(text, sizeof text, "a,%s,y\n", cases[k].name);
        for (size_t i = 0; i < 60; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%zu.5,%s,%s\n", i * 31 % 50,
                          cases[k].code[(i + (i > 0 && i == cases[k].other)) % 3], cases[k].kind[i % 3]);
        trb_data_files f = of(cases[k].task, train, text);
        f.n_categories = cases[k].code[0][0] == 'a';
        f.categories = column;
        expect_said(&f, cases[k].line);
    }
    /* Few rows, or hardly more rows than labels, say nothing. */
    trb_data_files f = of(K, train, "a,c9,y\n.5,7,k\n.1,3,l\n.5,7,k\n.7,3,l\n");
    expect_said(&f, NULL);
    f = of(R, train,
           "a,c8,y\n.5,7,1\n.1,3,2\n.5,6,3\n.7,11,8\n.7,1,9\n.7,12,5\n.6,15,0\n.6,51,7\n.6,10,4\n.1,13,20\n.2,17,22\n");
    expect_said(&f, NULL);
    /* A word in each row. */
    char names[600] = "name,b,y\n", *first[] = {(char[]){"0"}};
    for (int i = 0; i < 12; i++)
        (void)snprintf(names + strlen(names), sizeof names - strlen(names), "w%d,%d,%d\n", i, i / 2 % 3, i % 2);
    f = of(K, train, names);
    f.n_categories = 1;
    f.categories = first;
    expect_said(&f,
                "column 0 (name) has another word in each row, as a name of the row, and is an input; leave it out");
}

static trb_status advise_once(void *files)
{
    trb_table_advice a = {0};
    TRB_TRY(trb_table_advise(files, &a));
    trb_table_advice_clear(&a);
    return TRB_OK;
}

static void each_passage(void **state)
{
    (void)state;
    char *city[] = {(char[]){"city"}}, *drop[] = {(char[]){"i"}};
    trb_data_files f = of(K, train, "i,city,a,kind\n1,Rome,1,no\n2,Oslo,,yes\n3,Rome,3,yes\n");
    f.n_categories = f.n_drop = 1;
    f.categories = city;
    f.drop = drop;
    f.missing = TRB_MISSING_DROP;
    assert_true(fault_walk("alloc", fixture_load_once, &f) >= 30);
    assert_true(fault_walk("alloc", advise_once, &f) >= 20);
    assert_true(fault_walk("file.open", fixture_load_once, &f) >= 2);
    assert_true(fault_walk("file.read", fixture_load_once, &f) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_passage),  cmocka_unit_test(headers),       cmocka_unit_test(names),
        cmocka_unit_test(choices),       cmocka_unit_test(missing),       cmocka_unit_test(words),
        cmocka_unit_test(offsets),       cmocka_unit_test(utf16),         cmocka_unit_test(no_target),
        cmocka_unit_test(index_columns), cmocka_unit_test(second_targets)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
