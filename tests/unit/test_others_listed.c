/* Networks of another configuration in one message: those that differ alike stand together, and a long list is cut. */
#include <stdio.h>

#include "asserts.h"
#include "tribikos/memory.h"

#include "../../src/stages/internal.h"

static void add(trb__others *o, const char *name, const char *difference)
{
    char *copy = NULL;
    assert_ok(trb_strdup(difference, &copy));
    assert_ok(trb__others_add(o, name, copy));
}

static void members(void **state)
{
    (void)state;
    trb__others o = {0};
    assert_ok(trb__others_refuse_members(&o, "r/members"));
    add(&o, "m000", "A");
    assert_fails(trb__others_refuse_members(&o, "r/members"), TRB_EINTEGRITY,
                 "1 trained member in r/members is of another configuration (m000: A); use another run.dir, or set the "
                 "values back; removing its folder to train anew loses the weights");
    add(&o, "m001", "B");
    for (int m = 2; m < 10; m++) {
        char name[16];
        (void)snprintf(name, sizeof name, "m%03d", m);
        add(&o, name, "A");
    }
    assert_fails(trb__others_refuse_members(&o, "r/members"), TRB_EINTEGRITY,
                 "10 trained members in r/members are of another configuration (m000, m002, m003, m004, m005, m006, "
                 "m007, m008 and 1 more: A; m001: B); use another run.dir, or set the values back; removing their "
                 "folders to train anew");
    trb__others_clear(&o);
}

static void students(void **state)
{
    (void)state;
    trb__others o = {0};
    assert_ok(trb__others_refuse_students(&o, "r/student", 3));
    add(&o, "hydra", "A");
    assert_fails(trb__others_refuse_students(&o, "r/student", 3), TRB_EINTEGRITY,
                 "1 trained student in r/student is of another configuration (hydra: A); --retrain=hydra of `tribikos "
                 "distill` and `tribikos run` trains it again");
    assert_fails(trb__others_refuse_students(&o, "r/student", 1), TRB_EINTEGRITY, "(hydra: A); --retrain=all of");
    add(&o, "kd", "A");
    assert_fails(trb__others_refuse_students(&o, "r/student", 3), TRB_EINTEGRITY,
                 "2 trained students in r/student are of another configuration (hydra, kd: A); --retrain=hydra,kd of "
                 "`tribikos distill` and `tribikos run` trains them again");
    trb__others_clear(&o);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members), cmocka_unit_test(students)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
