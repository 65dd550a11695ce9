/* Memory may be refused at any allocation of parsing and printing: they then fail cleanly. */
#include "config_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

/* A child a passage, since TRB_FAULT is looked at once a process. \return 0: done, 1: failed as it should, 2: not clean
 */
static int walk_with_fault(int nth)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char fault[40];
        trb_config *c = NULL;
        char *text[2] = {NULL, NULL};
        char *flags[] = {"--members={count: 2, overrides: {1: {lr: 0.5}}}", "--members=1", "--student.kd.lr=2"};
        (void)snprintf(fault, sizeof fault, "alloc:%d", nth);
        (void)setenv("TRB_FAULT", fault, 1);
        trb_status st = trb_config_parse("t.yaml", SMALL, 3, flags, &c);
        if (st == TRB_OK) st = trb_config_print(c, &text[0]);
        if (st == TRB_OK) st = trb_config_help(&text[1]);
        for (int i = 0; i < 2; i++) trb_free(text[i]);
        trb_config_destroy(c);
        const bool clean = trb_mem_bytes(TRB_MEM_KINDS) == 0 && (st == TRB_OK || st == TRB_EIO);
        _exit(!clean ? 2 : st == TRB_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void each_allocation(void **state)
{
    (void)state;
    int nth = 1, outcome = 1;
    for (; nth < 10000 && outcome == 1; nth++) outcome = walk_with_fault(nth);
    assert_int_equal(outcome, 0);
    assert_true(nth > 300); /* every one of several hundred was refused in its turn */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation)};
    return cmocka_run_group_tests(tests, NULL, nothing_held);
}
