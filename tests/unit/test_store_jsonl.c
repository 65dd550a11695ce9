/* metrics.jsonl: what is written reads back as the same numbers. */
#include "scratch.h"

#include <math.h>

#include "tribikos/store.h"

static void lines(void **state)
{
    (void)state;
    trb_jsonl *j = NULL;
    spill(in_scratch("m.jsonl"), "left over\n", 10);
    assert_ok(trb_jsonl_open(in_scratch("m.jsonl"), NULL, &j));
    assert_ok(trb_jsonl_line(j, "epoch:u loss:f name:s", 18446744073709551615ULL, 0.1, "a \"b\" \\ \n\x01 é"));
    assert_ok(trb_jsonl_line(j, "a:f b:f c:f", NAN, -INFINITY, 1e300));
    assert_ok(trb_jsonl_line(j, "x:f", 1.0 / 3));
    assert_ok(trb_jsonl_close(j));
    char *found = slurp(in_scratch("m.jsonl"), NULL);
    const char *wanted = "{\"epoch\": 18446744073709551615, \"loss\": 0.10000000000000001, \"name\": "
                         "\"a \\\"b\\\" \\\\ \\u000a\\u0001 é\"}\n"
                         "{\"a\": null, \"b\": null, \"c\": 1.0000000000000001e+300}\n";
    assert_int_equal(strncmp(found, wanted, strlen(wanted)), 0);
    double third = 0;
    assert_int_equal(sscanf(found + strlen(wanted), "{\"x\": %lf}\n", &third), 1);
    assert_true(third == 1.0 / 3);
    free(found);
}

/* Whoever follows a run sees a line as soon as it is said. */
static void at_once(void **state)
{
    (void)state;
    trb_jsonl *j = NULL;
    assert_ok(trb_jsonl_open(in_scratch("n.jsonl"), NULL, &j));
    assert_ok(trb_jsonl_line(j, "x:u", 7ULL));
    char *found = slurp(in_scratch("n.jsonl"), NULL);
    assert_string_equal(found, "{\"x\": 7}\n");
    free(found);
    assert_ok(trb_jsonl_close(j));
}

static void failures(void **state)
{
    (void)state;
    trb_jsonl *j = NULL;
    assert_fails(trb_jsonl_open(in_scratch("no/m.jsonl"), NULL, &j), TRB_EIO, "No such file or directory");
    assert_null(j);
    assert_ok(trb_jsonl_open("/dev/full", NULL, &j));
    assert_fails(trb_jsonl_line(j, "x:u", 1ULL), TRB_EIO, "/dev/full: cannot write: No space left on device");
    (void)trb_jsonl_close(j);
    trb_fail_clear();
    assert_ok(trb_jsonl_open(in_scratch("m.jsonl"), NULL, &j));
    assert_fails(trb_jsonl_line(j, "x:q", 1ULL), TRB_EINTERNAL, "bad line format");
    assert_ok(trb_jsonl_close(j));
    assert_ok(trb_jsonl_close(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(at_once), cmocka_unit_test(failures)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
