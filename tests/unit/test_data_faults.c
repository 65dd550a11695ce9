/* Every allocation, opening and reading of a load may fail: the load then fails cleanly. */
#include "data_fixture.h"
#include "fault_walk.h"
#include "scratch.h"

static trb_status load(void *folder)
{
    char *files[] = {"x", "y"};
    trb_data d;
    const trb_status st = fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, folder, 2, files, &d);
    if (st == TRB_OK) trb_data_clear(&d);
    return st;
}

static void each_passage(void **state)
{
    (void)state;
    uint8_t images[18] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 6},
            labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    fixture_write(scratch, "x", true, sizeof images, images);
    fixture_write(scratch, "y", false, sizeof labels, labels);
    /* Passages that a load of two files surely has. */
    assert_true(fault_walk("alloc", load, scratch) >= 5);
    assert_true(fault_walk("file.open", load, scratch) >= 2);
    assert_true(fault_walk("file.read", load, scratch) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_passage)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
