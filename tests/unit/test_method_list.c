/* The methods as their descriptions have them: each is whole, and what is asked about it fits what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tribikos/method.h"

/* Functions of one task. */
static void is_whole(const trb_method *m, const trb_lesson *l)
{
    const bool follows_all = m->heads != TRB_SHARING_HEADS;
    if (l == NULL) return;
    assert_int_equal(l->loss != NULL, follows_all);
    assert_int_equal(l->statistics != NULL, follows_all);
    assert_int_equal(l->sets > 0, follows_all);
    assert_int_equal(l->each != NULL, m->heads != TRB_ONE_HEAD);
    assert_int_equal(l->temperature != NULL, l->tempered_by != NULL);
    if (l->cached != TRB_CACHED_NOT) assert_int_equal(m->heads, TRB_ONE_HEAD);
}

static void each_is_whole(void **state)
{
    (void)state;
    const trb_method *m = NULL;
    char needs[TRB_METHOD_NEEDS];
    for (size_t i = 0; (m = trb_method_at(i)) != NULL; i++) {
        const trb_lesson *classes = trb_method_lesson(m, TRB_TASK_CLASSES);
        const trb_lesson *regression = trb_method_lesson(m, TRB_TASK_REGRESSION);
        assert_ptr_equal(trb_method_find(m->name), m);
        assert_true(m->help[0] >= 'A' && m->help[0] <= 'Z' && m->help[strlen(m->help) - 1] == '.');
        assert_true(classes != NULL || regression != NULL);
        is_whole(m, classes);
        is_whole(m, regression);
        if (regression != NULL) assert_int_equal(regression->cached, TRB_CACHED_NOT);
        if (m->dirichlet != TRB_DIRICHLET_NONE) assert_null(regression);
        assert_in_range(strlen(trb_method_needs(m, needs)), 1, TRB_METHOD_NEEDS - 2);
    }
    assert_null(trb_method_find("hydr"));
    assert_null(trb_method_find(""));
}

static void heads(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t first, second;
        bool several;
    } rows[] = {{"hydra", 1, 7, true},
                {"kd", 1, 1, false},
                {"endd", 1, 1, false},
                {"batchensemble", 7, 7, true},
                {"latentbe", 7, 7, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const trb_method *m = trb_method_find(rows[i].name);
        assert_int_equal(trb_method_heads(m, 1, 7), rows[i].first);
        assert_int_equal(trb_method_heads(m, 2, 7), rows[i].second);
        assert_int_equal(trb_method_several(m), rows[i].several);
    }
}

static double temperature(const char *name, trb_task task, double done)
{
    const trb_tempering o = {.temperature = 4.0, .anneal_from = 11.0, .anneal_share = 0.5};
    return trb_lesson_temperature(trb_method_lesson(trb_method_find(name), task), &o, done);
}

static void temperatures(void **state)
{
    (void)state;
    assert_true(temperature("hydra", TRB_TASK_CLASSES, 0.0) == 4.0);
    assert_true(temperature("latentbe", TRB_TASK_CLASSES, 0.9) == 4.0);
    assert_true(temperature("proxy-endd", TRB_TASK_CLASSES, 0.0) == 1.0);
    assert_true(temperature("hydra", TRB_TASK_REGRESSION, 0.0) == 1.0);
    assert_true(temperature("endd", TRB_TASK_CLASSES, 0.0) == 11.0);
    assert_true(temperature("endd", TRB_TASK_CLASSES, 0.25) == 6.0);
    assert_true(temperature("endd", TRB_TASK_CLASSES, 0.5) == 1.0);
    assert_true(temperature("endd", TRB_TASK_CLASSES, 0.75) == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_whole), cmocka_unit_test(heads),
                                       cmocka_unit_test(temperatures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
