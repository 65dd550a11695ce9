/* Counts over the rows of a data set: labels, targets, constant inputs, columns that look like labels, copies of rows;
 * and labels that are counted from another number than 0. */
#include "data_fixture.h"
#include "scratch.h"

#include <math.h>

#include "tribikos/census.h"

static char *one[] = {"a"};

static trb_data_files of(trb_task task, const char *text)
{
    fixture_write(scratch, "a", false, strlen(text), text);
    return (trb_data_files){.task = task, .format = TRB_FORMAT_TABLE, .root = scratch, .n_files = 1, .files = one};
}

static trb_data load(trb_task task, const char *text)
{
    const trb_data_files f = of(task, text);
    trb_data d;
    assert_ok(trb_data_load(&f, &d));
    return d;
}

static void expect_labels(const char *text, size_t n, const int64_t *ids, const char *occur, const char *missing)
{
    trb_data d = load(TRB_TASK_CLASSES, text);
    trb_label_counts c;
    char got[64];
    assert_ok(trb_labels_count(&d, n, ids, d.classes, &c));
    trb_text t = trb_text_in(got, sizeof got);
    trb_labels_list(&c, true, &t);
    assert_string_equal(got, occur);
    t = trb_text_in(got, sizeof got);
    trb_labels_list(&c, false, &t);
    assert_string_equal(got, missing);
    trb_label_counts_clear(&c);
    trb_data_clear(&d);
}

static void labels_are_counted(void **state)
{
    (void)state;
    trb_data d = load(TRB_TASK_CLASSES, "7 1\n7 3\n7 3\n7 5\n7 3\n7 5\n");
    trb_label_counts c;
    assert_ok(trb_labels_count(&d, d.n, NULL, 7, &c));
    assert_true(c.classes == 7 && c.rows == 6 && c.seen == 3 && c.first == 1 && c.last == 5);
    assert_true(c.least == 1 && c.most == 3 && c.n[3] == 3 && c.n[6] == 0);
    trb_label_counts_clear(&c);
    const int64_t ids[] = {1, 3};
    assert_ok(trb_labels_count(&d, 2, ids, 6, &c));
    assert_true(c.seen == 2 && c.first == 3 && c.least == 1 && c.most == 1 && c.n[1] == 0);
    trb_label_counts_clear(&c);
    trb_data_clear(&d);
}

static void labels_are_listed(void **state)
{
    (void)state;
    expect_labels("7 0\n7 1\n7 2\n7 255\n", 4, NULL, "0 to 2, 255", "3 to 254");
    expect_labels("7 1\n7 2\n", 2, NULL, "1, 2", "0");
    expect_labels("7 4\n7 2\n7 0\n", 3, NULL, "0, 2, 4", "1, 3");
    const int64_t ids[] = {0, 0};
    expect_labels("7 4\n7 2\n7 0\n", 1, ids, "4", "0 to 3");
    expect_labels("7 0\n7 2\n7 4\n7 6\n7 8\n7 10\n7 12\n7 14\n7 16\n7 18\n", 10, NULL, "0, 2, 4, 6, 8, 10, 12, 14, ...",
                  "1, 3, 5, 7, 9, 11, 13, 15, ...");
}

static void labels_may_begin_anywhere(void **state)
{
    (void)state;
    trb_data_files f = of(TRB_TASK_CLASSES, "7 1\n7 3\n7 2\n");
    trb_data d;
    f.labels_from = 1;
    assert_ok(trb_data_load(&f, &d));
    assert_true(d.classes == 3 && d.label[0] == 0 && d.label[1] == 2 && d.label[2] == 1);
    const uint64_t digest = d.digest;
    trb_label_counts c;
    char got[16];
    trb_text t = trb_text_in(got, sizeof got);
    assert_ok(trb_labels_count(&d, d.n, NULL, d.classes, &c));
    trb_labels_list(&c, true, &t);
    assert_string_equal(got, "1 to 3"); /* as in the file */
    trb_label_counts_clear(&c);
    trb_data_clear(&d);
    d = load(TRB_TASK_CLASSES, "7 0\n7 2\n7 1\n"); /* the same data set, counted from 0 */
    assert_true(d.digest == digest);
    trb_data_clear(&d);
    f = of(TRB_TASK_CLASSES, "7 2\n7 1\n");
    f.labels_from = 2;
    assert_fails(trb_data_load(&f, &d), TRB_EINPUT, "/a: sample 1, counted from 0, has label 1; expected at least 2");
}

static void labels_may_be_words(void **state)
{
    (void)state;
    expect_labels("7 cat\n7 ant\n7 bee\n7 dog\n7 ant\n", 5, NULL, "`ant`, `bee`, `cat`, `dog`", "");
    expect_labels("7 cat\n7 ant\n7 bee\n7 dog\n7 ant\n", 2, NULL, "`ant`, `cat`", "`bee`, `dog`");
}

static void targets_have_a_range(void **state)
{
    (void)state;
    trb_data d = load(TRB_TASK_REGRESSION, "7 1\n7 -1\n7 3\n7 5\n");
    const trb_target_range r = trb_targets_range(&d, d.n, NULL);
    assert_true(r.least == -1.0 && r.most == 5.0 && r.mean == 2.0 && fabs(r.deviation - sqrt(5.0)) < 1e-15);
    const int64_t ids[] = {2, 3};
    const trb_target_range part = trb_targets_range(&d, 2, ids);
    assert_true(part.least == 3.0 && part.mean == 4.0 && part.deviation == 1.0);
    trb_data_clear(&d);
}

static void constant_inputs_are_counted(void **state)
{
    (void)state;
    size_t n = 9;
    trb_data d = load(TRB_TASK_REGRESSION, "7 1 2 4\n7 1 2 5\n7 3 2 6\n");
    assert_ok(trb_inputs_constant(&d, &n));
    assert_int_equal(n, 2);
    d.shape = (trb_shape){1, 3, 1};
    assert_ok(trb_inputs_constant(&d, &n));
    assert_int_equal(n, 0);
    trb_data_clear(&d);
}

static void expect_column(const char *text, size_t column)
{
    trb_data d = load(TRB_TASK_CLASSES, text);
    size_t at = 99;
    assert_ok(trb_inputs_like_labels(&d, &at));
    assert_int_equal(at, column);
    trb_data_clear(&d);
}

static void a_column_may_look_like_labels(void **state)
{
    (void)state;
    expect_column("0.5 0 0\n2 1 0\n3 1 0\n1 0 0\n", 1);
    expect_column("7 1 0\n7 2 0\n7 1 0\n7 2 0\n", 1); /* from 1 */
    expect_column("1 0\n2 0\n3 0\n4 0\n", 1);         /* all differ: a number of the row */
    expect_column("0 0\n2 0\n0 0\n2 0\n", 1);         /* a gap */
    expect_column("-1 0\n0 0\n-1 0\n0 0\n", 1);
    expect_column("0 200 0\n0 200 0\n", 2);
}

static void copies_of_rows_are_counted(void **state)
{
    (void)state;
    size_t n = 9;
    trb_data a = load(TRB_TASK_CLASSES, "1 2 0\n3 4 0\n5 6 0\n"), b = load(TRB_TASK_CLASSES, "3 4 1\n7 8 0\n3 4 0\n");
    assert_ok(trb_rows_copied(&a, 3, NULL, &b, 3, NULL, &n));
    assert_int_equal(n, 2); /* labels do not count */
    assert_ok(trb_rows_copied(&b, 3, NULL, &a, 3, NULL, &n));
    assert_int_equal(n, 1);
    const int64_t first[] = {0, 2}, rest[] = {1};
    assert_ok(trb_rows_copied(&a, 2, first, &b, 3, NULL, &n));
    assert_int_equal(n, 0);
    assert_ok(trb_rows_copied(&b, 2, first, &b, 1, rest, &n)); /* parts of one data set */
    assert_int_equal(n, 0);
    assert_ok(trb_rows_copied(&b, 1, (const int64_t[]){0}, &b, 1, (const int64_t[]){2}, &n));
    assert_int_equal(n, 1);
    assert_ok(trb_rows_copied(&a, 3, NULL, &b, 0, NULL, &n));
    assert_int_equal(n, 0);
    trb_data_clear(&a);
    trb_data_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_counted),
        cmocka_unit_test(labels_are_listed),
        cmocka_unit_test(labels_may_begin_anywhere),
        cmocka_unit_test(labels_may_be_words),
        cmocka_unit_test(targets_have_a_range),
        cmocka_unit_test(constant_inputs_are_counted),
        cmocka_unit_test(a_column_may_look_like_labels),
        cmocka_unit_test(copies_of_rows_are_counted),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
