/* Memory may be refused at any allocation of parsing, printing and identities: they then fail cleanly. */
#include "config_fixture.h"
#include "fault_walk.h"

static trb_status parse_and_print(void *ctx)
{
    (void)ctx;
    trb_config *c = NULL;
    char *text[4] = {NULL};
    char *flags[] = {"--members={count: 2, overrides: {1: {lr: 0.5, layers: [resnet8 10]}}}",
                     "--members=1",
                     "--student.kd.lr=2",
                     "--student.grid.seed=[1, 2]",
                     "--students=[kd, hydra-seed-2]",
                     "--run.dir=$TRB_A/x"};
    size_t first = 0;
    trb_status st = trb_config_parse("t.yaml", SMALL, sizeof flags / sizeof *flags, flags, &c);
    if (st == TRB_OK) st = trb_config_but_seed(c, 1, &first);
    if (st == TRB_OK) st = trb_config_print(c, &text[0]);
    if (st == TRB_OK) st = trb_config_help(&text[1]);
    if (st == TRB_OK) st = trb_identity_member(c, 1, NULL, &text[2]);
    if (st == TRB_OK) st = trb_identity_student(c, 1, NULL, NULL, &text[3]);
    for (int i = 0; i < 4; i++) trb_free(text[i]);
    trb_config_destroy(c);
    return st;
}

static void each_allocation(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRB_A", "a", 1), 0);
    assert_true(fault_walk("alloc", parse_and_print, NULL) > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation)};
    return cmocka_run_group_tests(tests, NULL, nothing_held);
}
