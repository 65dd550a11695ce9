/* Data sets read block by block have the rows that are read at once: texts of several pieces in all encodings, with quoted line
 * feeds across pieces; readers that pass over the rows of others; what is wrong is said with the right line. */
#include "data_fixture.h"
#include "fault_walk.h"
#include "scratch.h"

#include "tribikos/stream.h"
#include "tribikos/text.h"

static char *one[] = {"a"}, *two[] = {"a", "b"}, *dropped[] = {"1"};

enum { ROWS = 60000 }; /* some 3 MiB: pieces have one */

/* A row is a number, a quoted text with a comma, quotes and a line feed, and a label: the word and a digit. */
static char *make_text(size_t rows, const char *word, const char *line_end)
{
    trb_text t = {0};
    char *text = NULL;
    for (size_t i = 0; i < rows; i++)
        trb_text_add(&t, "%zu.5,\"a, \"\"and\"\"%s%s\",%s%zu%s", i, line_end, i % 7 == 0 ? " a longer text" : "", word,
                     i % 3, line_end);
    assert_ok(trb_text_take(&t, &text));
    return text;
}

static trb_data_files files_of(size_t n, char **names)
{
    return (trb_data_files){.task = TRB_TASK_CLASSES,
                            .format = TRB_FORMAT_TABLE,
                            .root = scratch,
                            .n_files = n,
                            .files = names,
                            .header = TRB_HEADER_NO,
                            .n_drop = 1,
                            .drop = dropped,
                            .labels = TRB_LABELS_IF_THERE};
}

/* Reader r of P takes every P-th block of n rows. */
static void read_part(trb_data_files f, const trb_data *all, size_t n, size_t r, size_t P)
{
    trb_data_stream *s = NULL;
    trb_stream_rows rows;
    size_t at = 0, got = n;
    const size_t row = trb_shape_size(all->shape) * trb_dtype_bytes(all->type);
    f.schema = all->schema;
    assert_ok(trb_stream_open(&f, &s));
    assert_true(trb_shape_same(trb_stream_like(s)->shape, all->shape));
    for (size_t b = 0; got == n; b++, at += got) {
        const bool mine = b % P == r;
        assert_ok(trb_stream_next(s, n, &got, mine ? &rows : NULL));
        if (!mine) continue;
        assert_int_equal(rows.data.n, got);
        if (got == 0) continue;
        assert_memory_equal(rows.data.x, (const char *)all->x + at * row, got * row);
        if (all->label != NULL) assert_memory_equal(rows.data.label, all->label + at, got * sizeof *all->label);
        for (size_t i = 0; i < got; i++) assert_int_equal(rows.id[i], at + i);
    }
    assert_int_equal(at, all->n);
    assert_true(trb_stream_share(s) >= 1.0);
    trb_stream_close(s);
}

static void same(trb_data_files f)
{
    trb_data all;
    assert_ok(trb_data_load(&f, &all));
    read_part(f, &all, 1000, 0, 1);
    for (size_t r = 0; r < 3; r++) read_part(f, &all, 7001, r, 3);
    trb_data_clear(&all);
}

static size_t to_utf16(const char *text, bool big, char *out)
{
    const size_t length = strlen(text);
    size_t n = 0;
    for (size_t i = 0; i <= length; i++) { /* the mark, then ASCII */
        const unsigned unit = i == 0 ? 0xfeffU : (unsigned char)text[i - 1];
        out[n + (big ? 0 : 1)] = (char)(unit >> 8);
        out[n + (big ? 1 : 0)] = (char)(unit & 0xffU);
        n += 2;
    }
    return n;
}

static void encodings(void **state)
{
    (void)state;
#define UE "\xc3\xbc\xc3\x9c\xc3\xbc\xc3\x9c\xc3\xbc\xc3\x9c"
    /* Mostly of two bytes a character, so that a piece would often end inside one. */
    static const char *const words[] = {"plain", UE UE UE UE UE, "gr\xfc\xdf"}, *const ends[] = {"\n", "\r\n", "\r"};
    for (size_t i = 0; i < 3; i++) {
        char *text = make_text(brief() ? ROWS / 2 : ROWS, words[i], ends[i]);
        fixture_write(scratch, "a", false, strlen(text), text);
        same(files_of(1, one));
        fixture_write(scratch, "a", true, strlen(text), text);
        same(files_of(1, one));
        trb_free(text);
    }
    for (int big = 0; big < 2; big++) {
        char *text = make_text(brief() ? ROWS / 2 : ROWS, "plain", "\r\n"), *wide = malloc(2 * strlen(text) + 4);
        assert_non_null(wide);
        fixture_write(scratch, "a", false, to_utf16(text, big == 1, wide), wide);
        same(files_of(1, one));
        free(wide);
        trb_free(text);
    }
}

static void joined(void **state)
{
    (void)state;
    char *a = make_text(2500, "x", "\n"), *b = make_text(1000, "y", "\n");
    fixture_write(scratch, "a", false, strlen(a), a);
    fixture_write(scratch, "b", false, strlen(b), b);
    same(files_of(2, two));
    trb_free(a);
    trb_free(b);
}

/* Rows with missing values are left out, and the others keep their numbers. */
static void left_out(void **state)
{
    (void)state;
    static const char text[] = "1,k,0\n,k,1\n3,k,2\n?,k,0\n5,k,1\n";
    static const int64_t wanted[] = {0, 2, 4};
    trb_data_files f = files_of(1, one);
    trb_schema schema = {0};
    trb_data_stream *s = NULL;
    trb_stream_rows rows;
    size_t got = 0;
    fixture_write(scratch, "a", false, strlen(text), text);
    f.missing = TRB_MISSING_DROP;
    assert_ok(trb_data_survey(&f, &schema));
    f.schema = &schema;
    assert_ok(trb_stream_open(&f, &s));
    assert_ok(trb_stream_next(s, 2, &got, &rows));
    assert_int_equal(got, 2);
    assert_memory_equal(rows.id, wanted, sizeof *wanted * 2);
    assert_ok(trb_stream_next(s, 2, &got, &rows));
    assert_int_equal(got, 1);
    assert_memory_equal(rows.id, wanted + 2, sizeof *wanted);
    assert_int_equal(trb_stream_like(s)->n_dropped, 2);
    trb_stream_close(s);
    trb_schema_clear(&schema);
}

/* \param[in] line  what a message says */
static void refuse(const char *text, const char *line)
{
    static const char head[] = "1,x,x0\n2,y,x1\n3,z,x2\n";
    trb_data_files f = files_of(1, one);
    trb_schema schema = {0};
    trb_data_stream *s = NULL;
    trb_stream_rows rows;
    size_t got = 1000;
    trb_status st = TRB_OK;
    fixture_write(scratch, "a", false, strlen(head), head);
    assert_ok(trb_data_survey(&f, &schema));
    f.schema = &schema;
    fixture_write(scratch, "a", false, strlen(text), text);
    st = trb_stream_open(&f, &s);
    while (st == TRB_OK && got == 1000) st = trb_stream_next(s, 1000, &got, &rows);
    assert_int_equal(st, TRB_EINPUT);
    if (strstr(trb_fail_message(), line) == NULL) print_error("%s\n", trb_fail_message());
    assert_non_null(strstr(trb_fail_message(), line));
    trb_fail_clear();
    trb_stream_close(s);
    trb_schema_clear(&schema);
}

static void refused(void **state)
{
    (void)state;
    char *text = make_text(ROWS, "x", "\n"), *damaged = NULL;
    assert_ok(trb_text_of(&damaged, "%s7,\"never ends,0\n8,x,1\n", text));
    /* Each row has two lines. */
    refuse(damaged, "a:120001: column 1: a field begins with a quote, but no quote ends it");
    trb_free(damaged);
    assert_ok(trb_text_of(&damaged, "%s7,x,0,9\n", text));
    refuse(damaged, "a:120001: expected 3 columns, as in the rows before, got 4");
    trb_free(damaged);
    assert_ok(trb_text_of(&damaged, "%sseven,x,0\n", text));
    refuse(damaged, "a:120001: column 0: expected a number, got `seven`");
    trb_free(damaged);
    trb_free(text);
}

static trb_status stream_once(void *ctx)
{
    trb_data_files f = *(const trb_data_files *)ctx;
    trb_schema schema = {0};
    trb_data_stream *s = NULL;
    trb_stream_rows rows;
    size_t got = 0;
    TRB_TRY(trb_data_survey(&f, &schema));
    f.schema = &schema;
    trb_status st = trb_stream_open(&f, &s);
    if (st == TRB_OK) st = trb_stream_next(s, 2, &got, &rows);
    if (st == TRB_OK) st = trb_stream_next(s, 2, &got, NULL);
    trb_stream_close(s);
    trb_schema_clear(&schema);
    return st;
}

static void each_passage(void **state)
{
    (void)state;
    static const char text[] = "1,x,0\n2,y,1\n3,z,2\n";
    trb_data_files f = files_of(1, one);
    fixture_write(scratch, "a", true, strlen(text), text);
    assert_true(fault_walk("alloc", stream_once, &f) >= 10);
    assert_true(fault_walk("file.open", stream_once, &f) >= 2);
    assert_true(fault_walk("file.read", stream_once, &f) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_passage), cmocka_unit_test(encodings),
                                       cmocka_unit_test(joined), cmocka_unit_test(left_out), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
