/* As many threads as were asked for, or none at all: the environment decides nothing that nobody records. */
#include "asserts.h"

#include <omp.h>
#include <stdlib.h>

#include "tribikos/blas.h"

static void the_load_does_not_decide(void **state)
{
    (void)state;
    omp_set_dynamic(1);
    assert_ok(trb_blas_open(2));
    assert_int_equal(omp_get_dynamic(), 0);
    assert_int_equal(omp_get_max_threads(), 2);
    assert_non_null(strstr(trb_blas_name(), ", 2 threads"));
}

static void fewer_are_refused(void **state)
{
    (void)state;
    const int levels = omp_get_max_active_levels();
    omp_set_max_active_levels(0);
    assert_fails(trb_blas_open(2), TRB_ECONFIG, "math.threads: expected 2 threads, got 1 of OpenMP");
    assert_ok(trb_blas_open(1));
    omp_set_max_active_levels(levels);
    assert_ok(trb_blas_open(2));
    assert_true(trb_blas_open(1024) != TRB_OK); /* more than OpenBLAS is built for, and than memory */
    assert_non_null(strstr(trb_fail_message(), "OpenBLAS"));
    trb_fail_clear();
    assert_fails(trb_blas_open(0), TRB_ECONFIG, "at least 1, got 0");
    assert_ok(trb_blas_open(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_load_does_not_decide), cmocka_unit_test(fewer_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
