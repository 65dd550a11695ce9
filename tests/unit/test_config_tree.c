/* YAML and JSON as keys and values: report.json, which this program writes, and what is damaged or foreign. */
#include <math.h>

#include "asserts.h"
#include "tribikos/memory.h"
#include "tribikos/tree.h"

static trb_tree *read_tree(const char *text)
{
    trb_tree *t = NULL;
    assert_ok(trb_tree_read("f", text, &t));
    return t;
}

static void json(void **state)
{
    (void)state;
    trb_tree *t =
        read_tree("{\"program\": \"a \\\"b\\\"\\nc\",\n\"n\": 12, \"none\": null, \"models\": {\n  \"kd\": {\"nll\": "
                  "0.05, \"bad\": [1.5, null, \"x, y\"]}},\n\"sets\": [{\"name\": \"one\"}, [2, [3]], 4]}");
    char *line = NULL;
    assert_string_equal(trb_tree_text(t, "program"), "a \"b\"\nc");
    assert_true(trb_tree_number(t, "n") == 12.0 && trb_tree_number(t, "models.kd.nll") == 0.05);
    assert_null(trb_tree_text(t, "none"));
    assert_null(trb_tree_text(t, "nothing"));
    assert_null(trb_tree_text(t, "models")); /* a section has no value */
    assert_true(isnan(trb_tree_number(t, "none")) && isnan(trb_tree_number(t, "program")));
    const size_t list = trb_tree_find(t, "models.kd.bad");
    assert_int_equal(trb_tree_size(t, list), 3);
    assert_string_equal(trb_tree_at(t, list, 2), "x, y");
    assert_ok(trb_tree_line(t, list, &line));
    assert_string_equal(line, "[1.5, null, x, y]");
    trb_free(line);
    assert_ok(trb_tree_line(t, trb_tree_find(t, "n"), &line));
    assert_string_equal(line, "12");
    trb_free(line);
    assert_null(trb_tree_text(t, "models.kd.bad")); /* a list is no single value */
    assert_true(trb_tree_is_section(t, trb_tree_find(t, "models.kd")) && !trb_tree_is_section(t, list));
    assert_int_equal(trb_tree_find(t, "models.ensemble"), trb_tree_n(t));
    /* Lists that hold others. */
    assert_string_equal(trb_tree_text(t, "sets.0.name"), "one");
    assert_string_equal(trb_tree_at(t, trb_tree_find(t, "sets.1"), 0), "2");
    assert_string_equal(trb_tree_at(t, trb_tree_find(t, "sets.1.1"), 0), "3");
    assert_int_equal(trb_tree_size(t, trb_tree_find(t, "sets")), 1); /* its own values: 4 */
    assert_string_equal(trb_tree_at(t, trb_tree_find(t, "sets"), 0), "4");
    for (size_t i = 1; i < trb_tree_n(t); i++) assert_true(strcmp(trb_tree_key(t, i - 1), trb_tree_key(t, i)) < 0);
    trb_tree_destroy(t);

    t = read_tree("a: {b: ~}\nc: text\n"); /* YAML as well */
    assert_string_equal(trb_tree_text(t, "c"), "text");
    trb_tree_destroy(t);
    t = read_tree("");
    assert_int_equal(trb_tree_n(t), 0);
    trb_tree_destroy(t);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"{\"a\": 1", "not valid YAML"},       {"{\"a\": 1, \"a\": 2}", "f:1: key `a`: given twice"},
        {"[1, 2]", "f:1: expected a section"}, {"words", "f:1: expected a section"},
        {"{\"a\": *b}", "an alias"},           {"{\"a\": 1}\n---\n{\"b\": 1}", "expected one document"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        trb_tree *t = NULL;
        assert_fails(trb_tree_read("f", bad[i].text, &t), TRB_ECONFIG, bad[i].said);
        assert_null(t);
    }
    /* No depth reaches the end of the stack: a key has at most 255 bytes. */
    char deep[4096] = "a: ";
    memset(deep + 3, '[', sizeof deep - 4);
    trb_tree *t = NULL;
    assert_fails(trb_tree_read("f", deep, &t), TRB_ECONFIG, "the key is too long");
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(json), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
