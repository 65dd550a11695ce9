/* Faults on purpose: the chosen passage fails, no other. A process reads the variable once, hence a child a case. */
#include "numbers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tribikos/clock.h"
#include "tribikos/fault.h"

/* What a child of this rank sees in eight passages of two points in turn: a string of '.' and 'x'. \return how it ended
 */
static int passages(const char *spec, int rank, char seen[9])
{
    int ends[2], how = -1;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (spec == NULL)
            (void)unsetenv("TRB_FAULT");
        else
            (void)setenv("TRB_FAULT", spec, 1);
        trb_fault_rank(rank);
        for (int i = 0; i < 8; i++) {
            const trb_status st = trb_fault(i % 2 == 0 ? "file.write" : "file.sync");
            const char mark = st == TRB_OK ? '.' : st == TRB_EIO ? 'x' : '?';
            if (write(ends[1], &mark, 1) != 1) _exit(1);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    size_t n = 0;
    while (n < 8 && read(ends[0], seen + n, 1) == 1) n++;
    seen[n] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    return how;
}

static void the_chosen_passage_fails(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int rank;
        const char *seen;
    } cases[] = {
        {NULL, 0, "........"},
        {"", 0, "........"},
        {"file.write:1", 0, "x......."},
        {"file.write:3", 0, "....x..."},
        {"file.sync:4", 0, ".......x"},
        {"file.sync:5", 0, "........"},
        {"file:1", 0, "????????"},
        {"file.write", 0, "????????"},
        {"file.write:1:*:kil", 0, "????????"},
        {"file.write:1:*:kill:now", 0, "????????"},
        {"file.write:2:1", 1, "..x....."},
        {"file.write:2:1", 0, "........"},
        {"file.write:2:*", 3, "..x....."},
        {"file.write:2:0", -1, "........"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char seen[9];
        assert_int_equal(passages(cases[i].spec, cases[i].rank, seen), 0);
        assert_string_equal(seen, cases[i].seen);
    }
}

static void a_node_can_die(void **state)
{
    (void)state;
    char seen[9];
    const int how = passages("file.write:2:*:kill", 0, seen);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    assert_string_equal(seen, "..");
    assert_int_equal(passages("file.write:2:1:kill", 0, seen), 0);
}

static void a_disk_can_be_slow(void **state)
{
    (void)state;
    char seen[9];
    const double begin = trb_now_s();
    assert_int_equal(passages("file.write:2:*:sleep", 0, seen), 0);
    assert_string_equal(seen, "........");
    assert_true(trb_now_s() - begin >= 1.0);
}

static void passages_are_counted(void **state)
{
    (void)state;
    char path[] = "/tmp/trb-count-XXXXXX", spec[64], line[64];
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(spec, sizeof spec, "count:%s", path);
    for (int rank = 0; rank < 2; rank++) {
        const pid_t child = fork();
        if (child == 0) {
            (void)setenv("TRB_FAULT", spec, 1);
            bool fine = trb_fault("alloc") == TRB_OK;
            trb_fault_rank(rank);
            for (int i = 0; i < 3 + rank; i++) fine = fine && trb_fault("file.sync") == TRB_OK;
            exit(fine ? 0 : 1);
        }
        int how = -1;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_int_equal(how, 0);
    }
    const struct {
        const char *line;
        int times;
    } expected[] = {{"-1 alloc 1\n", 2},    {"0 alloc 0\n", 1},     {"-1 file.sync 0\n", 2},
                    {"0 file.sync 3\n", 1}, {"1 file.sync 4\n", 1}, {"1 agree 0\n", 1}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        int found = 0;
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        while (fgets(line, sizeof line, f) != NULL) found += strcmp(line, expected[i].line) == 0;
        (void)fclose(f);
        assert_int_equal(found, expected[i].times);
    }
    (void)unlink(path);
}

/* As memory that is refused, so that whoever can do with less does; and a point that no list names is no point. */
static void kinds_of_failure(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("TRB_FAULT", "alloc:2", 1);
        const bool fine =
            trb_fault("alloc") == TRB_OK && trb_fault("alloc") == TRB_ENOMEM && trb_fault("file.sink") == TRB_EINTERNAL;
        _exit(fine ? 0 : 1);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_passage_fails), cmocka_unit_test(a_node_can_die),
        cmocka_unit_test(a_disk_can_be_slow),       cmocka_unit_test(passages_are_counted),
        cmocka_unit_test(kinds_of_failure),         cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
