/* metrics.jsonl: what is written reads back as the same numbers. */
#include "scratch.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "synced.h"
#include "tribikos/jsonl.h"

static void lines(void **state)
{
    (void)state;
    trb_jsonl *j = NULL;
    spill(in_scratch("m.jsonl"), "left over\n", 10);
    assert_ok(trb_jsonl_open(in_scratch("m.jsonl"), NULL, &j));
    assert_ok(trb_jsonl_line(j, "epoch:u loss:f name:s", 18446744073709551615ULL, 0.1, "a \"b\" \\ \n\x01 é"));
    assert_ok(trb_jsonl_line(j, "a:f b:f c:f", NAN, -INFINITY, 1e300));
    assert_ok(trb_jsonl_line(j, "x:f", 1.0 / 3));
    synced[0] = '\0';
    assert_ok(trb_jsonl_close(j));
    assert_string_equal(synced, in_scratch("m.jsonl"));
    char *found = slurp(in_scratch("m.jsonl"), NULL);
    const char *wanted = "{\"epoch\": 18446744073709551615, \"loss\": 0.10000000000000001, \"name\": "
                         "\"a \\\"b\\\" \\\\ \\n\\u0001 é\"}\n"
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
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit tiny = {.rlim_cur = 4, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    assert_ok(trb_jsonl_open(in_scratch("full.jsonl"), NULL, &j));
    assert_fails(trb_jsonl_line(j, "x:u", 1ULL), TRB_EIO, "full.jsonl: cannot write: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)trb_jsonl_close(j);
    trb_fail_clear();
    assert_ok(trb_jsonl_open(in_scratch("m.jsonl"), NULL, &j));
    assert_fails(trb_jsonl_line(j, "x:q", 1ULL), TRB_EINTERNAL, "bad line format");
    assert_ok(trb_jsonl_close(j));
    assert_ok(trb_jsonl_close(NULL));
}

/* Nobody's file is written through a link, and nothing that is no file is waited for. */
static void odd_files(void **state)
{
    (void)state;
    trb_jsonl *j = NULL;
    spill(in_scratch("target"), "mine\n", 5);
    assert_int_equal(symlink("target", in_scratch("link.jsonl")), 0);
    assert_fails(trb_jsonl_open(in_scratch("link.jsonl"), NULL, &j), TRB_ECONFIG,
                 "link.jsonl: expected a file, got a symbolic link");
    char *found = slurp(in_scratch("target"), NULL);
    assert_string_equal(found, "mine\n");
    free(found);
    assert_int_equal(mkfifo(in_scratch("fifo.jsonl"), 0666), 0);
    assert_fails(trb_jsonl_open(in_scratch("fifo.jsonl"), NULL, &j), TRB_ECONFIG, "got a FIFO");
    assert_fails(trb_jsonl_open("/dev/null", NULL, &j), TRB_ECONFIG, "/dev/null: expected a file, got a device");
    assert_fails(trb_jsonl_open(scratch, NULL, &j), TRB_ECONFIG, "got a folder");
    assert_null(j);
}

static int unsynced(void)
{
    trb_jsonl *j = NULL;
    if (trb_jsonl_open(in_scratch("s.jsonl"), NULL, &j) != TRB_OK) return 1;
    return trb_jsonl_close(j) == TRB_EIO ? 0 : 1;
}

/* First of all tests: faults are read once a process. */
static void sync_fails(void **state)
{
    (void)state;
    assert_int_equal(with_fault("file.sync:1", unsynced), 0);
    assert_int_equal(with_fault("file.sync:2", unsynced), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sync_fails), cmocka_unit_test(lines), cmocka_unit_test(at_once),
                                       cmocka_unit_test(failures), cmocka_unit_test(odd_files)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
