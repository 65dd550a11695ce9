/* A failure is one line, whatever is quoted in it, and harmless for a terminal; so is all that is said. */
#include "asserts.h"

#include <pthread.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tribikos/log.h"
#include "tribikos/text.h"

static void one_line(void **state)
{
    (void)state;
    (void)trb_fail(TRB_EINPUT, "key `%s`", "a\nb\x1b[2J\x7f\xc3\xa9");
    assert_string_equal(trb_fail_message(), "key `a?b?[2J?\xc3\xa9`");
    (void)trb_fail_of(TRB_EINPUT, "%s: ", "c\r");
    assert_string_equal(trb_fail_message(), "c?: key `a?b?[2J?\xc3\xa9`");
    trb_fail_clear();
}

/* What happened stands at the beginning of a line, what to do at its end. */
static void long_line(void **state)
{
    (void)state;
    char wide[4 * TRB_FAIL_BYTES];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    (void)trb_fail(TRB_EINPUT, "begin %s end", wide);
    for (int i = 0; i < 2; i++) {
        const char *line = trb_fail_message();
        assert_in_range(strlen(line), TRB_FAIL_BYTES - 8, TRB_FAIL_BYTES - 1);
        assert_memory_equal(line, i == 0 ? "begin w" : "rank 3: begin w", 7);
        assert_string_equal(line + strlen(line) - 5, "w end");
        assert_non_null(strstr(line, "w ... w"));
        (void)trb_fail_of(TRB_EINPUT, "rank 3: ");
    }
    trb_fail_clear();
}

static void printable(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d", "plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d"},
        {"\x1b]0;title\x07", "?]0;title?"},
        {"\xc2\x9b"
         "2J",
         "??2J"}, /* U+009B, the same as ESC [ */
        {"\xc2\xa0 \xc2\x80", "\xc2\xa0 ??"},
        {"\x9b"
         "2J \x85",
         "?2J ?"}, /* on terminals of 8 bits */
        {"\xe0\x82\x9b"
         "2J",
         "???2J"}, /* U+009B, longer than need be */
        {"\xf0\x80\x82\x9b", "????"},
        {"\xc3", "?"}, /* breaks off */
        {"\xe2\x82", "??"},
        {"\xe2\x82\x1b[", "???["},
        {"\xf8\x88\x80\x80\x80\xff", "??????"},
        {"\xf5\x80\x80\x80", "????"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        (void)strcpy(text, cases[i].from);
        assert_string_equal(trb_printable(text), cases[i].to);
    }
}

/* stderr in a pipe. */
static void said(void **state)
{
    (void)state;
    int pipes[2];
    char got[512] = "";
    const int before = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipes), 0);
    assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
    trb_progress progress;
    trb_info("of %s", "a\x1b[31m");
    trb_warn("of %s", "b\nc");
    trb_error("of %s", "d\xc2\x9b");
    const char *longest = "0123456789012345678901234567890123456789"; /* as long as a name may be */
    trb_progress_begin(&progress, 2, "steps", "student %s, 1000000 heads", longest);
    assert_non_null(strstr(progress.label, "9, 1000000 heads"));
    trb_progress_begin(&progress, 2, "steps", "student %s", "e\x1b[2J");
    progress.drawn = true;
    trb_progress_end(&progress, "");
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    (void)close(before);
    (void)close(pipes[1]);
    assert_true(read(pipes[0], got, sizeof got - 1) > 0);
    (void)close(pipes[0]);
    const char *wanted = "of a?[31m\nwarning: of b?c\ntribikos: error: of d??\nstudent e?[2J: 0 steps in ";
    assert_memory_equal(got, wanted, strlen(wanted));
}

static void *fails_apart(void *room)
{
    trb_fail_apart(room);
    (void)trb_fail(TRB_EIO, "apart");
    (void)trb_fail_of(TRB_EIO, "%s ", trb_fail_message());
    return NULL;
}

static void a_thread_of_its_own(void **state)
{
    (void)state;
    char room[TRB_FAIL_BYTES] = "old";
    pthread_t thread;
    trb_fail_clear();
    (void)trb_fail(TRB_EIO, "shared");
    assert_int_equal(pthread_create(&thread, NULL, fails_apart, room), 0);
    (void)pthread_join(thread, NULL);
    assert_string_equal(room, "apart apart");
    assert_string_equal(trb_fail_message(), "shared");
    trb_fail_clear();
}

/* What each level prints. */
static void levels(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "warning: w\nn\n",
        "i\nwarning: w\nn\nlong epoch in 12.0s\np: half; 1 of 2\n",
        "i\nwarning: w\nn\nrank 7: d\nlong epoch in 12.0s\nshort epoch in 0.5s\np: half; 1 of 2\n",
    };
    trb_log_rank(7);
    for (int level = TRB_LOG_QUIET; level <= TRB_LOG_VERBOSE; level++) {
        int pipes[2];
        char got[512] = "";
        const int before = dup(STDERR_FILENO);
        assert_int_equal(pipe(pipes), 0);
        assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
        trb_log_set((trb_log_level)level);
        trb_log_open(true, 0.0);
        trb_info("i");
        trb_warn("w");
        trb_notice("n");
        trb_detail("d");
        trb_log_epoch(12.0, "long epoch");
        trb_log_epoch(0.5, "short epoch");
        trb_progress progress;
        trb_progress_begin(&progress, 2, "steps", "p");
        trb_progress_share(&progress, 0.0, 0.0, "half; 1 of 2");
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        (void)close(before);
        (void)close(pipes[1]);
        assert_true(read(pipes[0], got, sizeof got - 1) > 0);
        (void)close(pipes[0]);
        char *left = strstr(got, "; ? left");
        if (left != NULL) (void)strcpy(left, "\n");
        assert_string_equal(got, wanted[level]);
    }
    trb_log_set(TRB_LOG_NORMAL);
    trb_log_open(true, 10.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_of_its_own), cmocka_unit_test(one_line), cmocka_unit_test(long_line),
        cmocka_unit_test(printable),           cmocka_unit_test(said),     cmocka_unit_test(levels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
