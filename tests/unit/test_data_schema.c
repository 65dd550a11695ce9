/* The schema: its text form, and what it says. */
#include "asserts.h"

#include <math.h>

#include "tribikos/memory.h"
#include "tribikos/schema.h"

static const char *const FULL = "{\"header\": true, \"layout\": \"auto\", \"columns\": 4, \"inputs\": [\n"
                                "{\"column\": 0, \"name\": \"a \\\"b\\\\\\n\\u0007\", \"fill\": 41.5},\n"
                                "{\"column\": 1, \"name\": \"\xc3\xb6\", \"category\": \"Oslo\"},\n"
                                "{\"column\": 1, \"name\": \"\xc3\xb6\", \"category\": \"Rome\"},\n"
                                "{\"column\": 2, \"name\": \"\", \"offset\": 1600000000.125}],\n"
                                "\"target\": {\"column\": 3, \"name\": \"kind\", \"offset\": -7e+20}, \"classes\": [\n"
                                "\"no\",\n"
                                "\"yes\"]}";

static void round_trip(void **state)
{
    (void)state;
    trb_schema s = {0};
    char *text = NULL;
    assert_ok(trb_schema_read("w.h5", FULL, &s));
    assert_true(s.header && s.layout == TRB_AXES_AUTO && s.n_columns == 4 && s.n_inputs == 4 && s.n_classes == 2);
    assert_string_equal(s.input[0].name, "a \"b\\\n\a");
    assert_true(s.input[0].fill == 41.5 && isnan(s.input[1].fill) && s.input[0].category == NULL);
    assert_string_equal(s.input[2].category, "Rome");
    assert_true(s.input[3].offset == 1600000000.125 && s.input[3].column == 2 && s.target_column == 3);
    assert_string_equal(s.target, "kind");
    assert_true(s.target_offset == -7e20);
    assert_string_equal(s.class_name[1], "yes");
    assert_true(trb_schema_says(&s) && trb_schema_moves(&s));
    assert_ok(trb_schema_write(&s, &text));
    assert_string_equal(text, FULL);
    trb_free(text);
    trb_schema_clear(&s);
    assert_ok(trb_schema_write(&s, &text));
    assert_ok(trb_schema_read("w.h5", text, &s));
    assert_false(trb_schema_says(&s) || trb_schema_moves(&s) || trb_schema_says(NULL) || trb_schema_moves(NULL));
    trb_free(text);
    trb_schema_clear(&s);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

/* Each text cut off anywhere, and texts that say what cannot be. */
static void hostile(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "w.h5: schema: expected `{` at byte 0, got the end"},
        {"[]", "expected `{` at byte 0, got `[`"},
        {"{\"header\": maybe}", "expected true or false at byte 11, got `m`"},
        {"{\"layout\": \"chw\"}", "expected the layout auto, nchw or nhwc"},
        {"{\"columns\": 1e400}", "expected a finite number"},
        {"{\"columns\": -1}", "expected a whole number"},
        {"{\"columns\": 1.5}", "expected a whole number"},
        {"{\"wheels\": 4}", "expected a key of a schema"},
        {"{\"inputs\": [{\"colour\": 4}]}", "expected a key of an input"},
        {"{\"target\": {\"category\": \"a\"}}", "expected a key of the target"},
        {"{\"inputs\": [{}], \"inputs\": [{}]}", "expected each key once"},
        {"{\"classes\": [\"a\"], \"classes\": []}", "expected each key once"},
        {"{\"inputs\": [{\"name\": \"a\", \"name\": \"b\"}]}", "expected each key once"},
        {"{\"target\": {\"name\": \"a\\u0000\"}}", "expected the rest of a string"},
        {"{\"target\": {\"name\": \"a\\x\"}}", "expected the rest of a string"},
        {"{\"inputs\": [{\"offset\": nan}]}", "expected a finite number"},
        {"{} {}", "expected the end"},
        {"{\"columns\": 2, \"inputs\": [{\"column\": 2}]}", "contradict each other"},
        {"{\"columns\": 2, \"target\": {\"column\": 2}}", "contradict each other"},
        {"{\"header\": true, \"inputs\": [{\"column\": 0}]}", "contradict each other"},
        {"{\"classes\": [\"b\", \"a\"]}", "contradict each other"},
        {"{\"classes\": [\"a\", \"a\"]}", "contradict each other"},
        {"{\"inputs\": [{\"category\": \"b\"}, {\"category\": \"a\"}]}", "contradict each other"},
    };
    trb_schema s = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(trb_schema_read("w.h5", bad[i][0], &s), TRB_EINTEGRITY, bad[i][1]);
    for (size_t n = 0; n < strlen(FULL); n++) {
        char cut[512] = "";
        memcpy(cut, FULL, n);
        assert_fails(trb_schema_read("w.h5", cut, &s), TRB_EINTEGRITY, "w.h5: schema: ");
    }
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
