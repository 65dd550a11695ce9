/* Every allocation, opening and reading of a load may fail: the load then fails cleanly. */
#include "data_fixture.h"

#include <sys/wait.h>

enum { TRIES = 60 };

/* A child a passage, since TRB_FAULT is looked at once a process. \return 0: loaded, 1: failed as it should, 2: not
 * clean */
static int load_with_fault(const char *folder, const char *point, int nth)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char fault[40];
        char *files[] = {"x", "y"};
        trb_data d;
        (void)snprintf(fault, sizeof fault, "%s:%d", point, nth);
        (void)setenv("TRB_FAULT", fault, 1);
        const trb_status st = trb_data_load(TRB_TASK_CLASSES, TRB_FORMAT_IDX, folder, 2, files, &d);
        if (st == TRB_OK) trb_data_clear(&d);
        const bool clean = trb_mem_bytes(TRB_MEM_KINDS) == 0 && (st == TRB_OK || st == TRB_EIO);
        _exit(!clean ? 2 : st == TRB_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void each_passage(void **state)
{
    (void)state;
    char folder[64];
    uint8_t images[18] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 6},
            labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    fixture_make(folder);
    fixture_write(folder, "x", true, sizeof images, images);
    fixture_write(folder, "y", false, sizeof labels, labels);
    const char *const points[] = {"alloc", "file.open", "file.read"};
    const int at_least[] = {5, 2, 8}; /* passages that a load of two files surely has */
    for (size_t p = 0; p < 3; p++) {
        int nth = 1, outcome = 1;
        for (; nth < TRIES && outcome == 1; nth++) outcome = load_with_fault(folder, points[p], nth);
        assert_int_equal(outcome, 0);
        assert_true(nth - 2 >= at_least[p]);
    }
    fixture_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_passage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
