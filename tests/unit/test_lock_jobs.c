/* Locks between processes: taken, refused, released; dead holders, silent ones, ones that live on; several takers. */
#include "scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "fault_walk.h"
#include "small_disk.h"
#include "synced.h"
#include "tribikos/clock.h"
#include "tribikos/jsonl.h"
#include "tribikos/lock.h"
#include "tribikos/log.h"

/* SHORT where silence is to be waited out, LONG where a living process must have come to its beat in time. */
static const double SHORT = 0.3, LONG = 6.0;
static const char *const DEAD = "00000000000000000000000000000dad";

static int entries(void)
{
    const int n = count_files(in_scratch(".lock"), "");
    return n < 0 ? 0 : n - 2;
}

static bool holds(const char *folder, const char *token)
{
    size_t bytes = 0;
    const char *path = in_scratch(".lock/%s", folder);
    if (!trb_file_exists(path)) return false;
    char *text = slurp(path, &bytes);
    const bool found = strstr(text, token) != NULL;
    free(text);
    return found;
}

/* A lock as a job elsewhere has left it. */
static void leave(const char *name, const char *machine, long pid, double seconds)
{
    char text[512];
    const int n = snprintf(text, sizeof text,
                           "tribikos lock 1\nhost node7\nmachine %s\nprocess %ld\nstarted 1\nsince long ago\njob 4711\n"
                           "seconds %g\ntoken %s\n",
                           machine, pid, seconds, DEAD);
    (void)mkdir(in_scratch(".lock"), 0777); /* no call that may be made to fail */
    spill(in_scratch(".lock/%s", name), text, (size_t)n);
    spill(in_scratch(".lock/beat.%s", DEAD), "7\n", 2);
}

/* This machine as a lock names it; found by a child, since a process that has passed a fault point looks at TRB_FAULT no
 * more. */
static const char *here(void)
{
    static char name[128];
    int names[2];
    assert_int_equal(pipe(names), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        trb_lock *l = NULL;
        if (trb_lock_open(scratch, LONG, NULL, &l) != TRB_OK || trb_lock_take(l, "here") != TRB_OK) _exit(1);
        char *text = slurp(in_scratch(".lock/here"), NULL);
        (void)sscanf(strstr(text, "machine"), "machine %127[^\n]", name);
        free(text);
        trb_lock_close(l);
        _exit(write(names[1], name, sizeof name) != sizeof name);
    }
    assert_int_equal(read(names[0], name, sizeof name), sizeof name);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(names[0]);
    (void)close(names[1]);
    return name;
}

/* A child that takes locks, says its status, and lives until it is told to end: to release them if it is told 'r'.
 * Before that it may be told to publish a file ('p') and says how that went. */
typedef struct {
    pid_t pid;
    int to, from;
} child;

static void live(int in, int out, double seconds, size_t n, const char *const *folder)
{
    trb_lock *l = NULL;
    trb_jsonl *lines = NULL;
    trb_status st = trb_lock_open(scratch, seconds, NULL, &l);
    for (size_t i = 0; st == TRB_OK && i < n; i++) st = trb_lock_take(l, folder[i]);
    if (st == TRB_OK) st = trb_mkdirs(in_scratch("%s", folder[0]));
    if (st == TRB_OK) st = trb_jsonl_open(in_scratch("%s/metrics", folder[0]), NULL, &lines);
    if (st != TRB_OK) {
        trb_lock_close(l);
        l = NULL;
    }
    for (char told = 'o'; told != 'r';) {
        if (write(out, &st, sizeof st) != sizeof st || read(in, &told, 1) != 1) _exit(1);
        trb_fail_clear();
        if (told == 'p') st = trb_file_publish_text(in_scratch("%s/result", folder[0]), "child\n");
        if (told == 'l') st = trb_jsonl_line(lines, "epoch:u", 1ULL);
        if (told == 'e') (void)kill(getpid(), SIGKILL);
    }
    (void)trb_jsonl_close(lines);
    trb_lock_close(l);
    _exit(0);
}

static child bear(double seconds, size_t n, const char *const *folder)
{
    int to[2], from[2];
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* or cmocka would go on with the tests in the child */
        (void)close(to[1]);
        live(to[0], from[1], seconds, n, folder);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    return (child){.pid = pid, .to = to[1], .from = from[0]};
}

static trb_status said(const child *c)
{
    trb_status st = TRB_EINTERNAL;
    assert_int_equal(read(c->from, &st, sizeof st), sizeof st);
    return st;
}

static void tell(const child *c, char what)
{
    assert_int_equal(write(c->to, &what, 1), 1);
}

static void end(const child *c, char how)
{
    tell(c, how);
    assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
    (void)close(c->to);
    (void)close(c->from);
}

static trb_lock *take(double seconds, const char *folder)
{
    trb_lock *l = NULL;
    assert_ok(trb_lock_open(scratch, seconds, NULL, &l));
    assert_ok(trb_lock_take(l, folder));
    return l;
}

static int threads(void)
{
    return count_files("/proc/self/task", "");
}

static void taken_and_released(void **state)
{
    (void)state;
    trb_lock *l = NULL, *joined = NULL, *none = NULL;
    const int before = threads();
    assert_ok(trb_lock_open(scratch, LONG, NULL, &l));
    assert_ok(trb_lock_take(l, "members/m003"));
    assert_ok(trb_lock_take(l, "cache"));
    assert_int_equal(threads(), before + 1);
    assert_true(holds("members.m003", trb_lock_token(l)) && holds("cache", trb_lock_token(l)));
    assert_int_equal(entries(), 3);
    assert_ok(trb_lock_check(in_scratch("members/m003/checkpoint/0.h5")));
    assert_ok(trb_lock_check(in_scratch("cache/manifest.h5")));
    assert_ok(trb_lock_check(in_scratch("config.yaml")));
    assert_ok(trb_lock_check("/elsewhere/report/report.json"));
    assert_fails(trb_lock_check(in_scratch("members/m004/weights.h5")), TRB_EIO, "members.m004");
    char *token = NULL;
    assert_ok(trb_strdup(trb_lock_token(l), &token));
    trb_lock_close(l);
    assert_int_equal(threads(), before);
    assert_int_equal(entries(), 0);
    assert_ok(trb_lock_check(in_scratch("cache/manifest.h5")));
    assert_ok(trb_lock_join(scratch, token, &joined));
    assert_fails(trb_lock_check(in_scratch("cache/manifest.h5")), TRB_EIO, "is gone");
    trb_lock_close(joined);
    trb_free(token);

    assert_ok(trb_lock_open(scratch, 0.0, NULL, &none));
    assert_null(none);
    assert_ok(trb_lock_take(none, "cache"));
    assert_string_equal(trb_lock_token(none), "");
    assert_ok(trb_lock_join(scratch, "", &joined));
    assert_null(joined);
    trb_lock_close(none);
    assert_int_equal(entries(), 0);
}

/* Another process of the job publishes under the first one's lock. */
static void joined(void **state)
{
    (void)state;
    trb_lock *l = take(LONG, "cache");
    int status = 0;
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        trb_lock *mine = NULL;
        bool good = trb_lock_join(scratch, trb_lock_token(l), &mine) == TRB_OK;
        good = good && trb_lock_check(in_scratch("cache/v00/m000-s00000.h5")) == TRB_OK;
        trb_lock_close(mine);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(entries(), 2); /* neither lock nor beat are the joined one's to remove */
    trb_lock_close(l);
}

static void refused(void **state)
{
    (void)state;
    trb_lock *l = NULL;
    char name[64];
    const child c = bear(LONG, 1, (const char *[]){"members/m003"});
    assert_ok(said(&c));
    (void)snprintf(name, sizeof name, ".lock/members.m003 is held by process %d on ", (int)c.pid);
    const double start = trb_now_s();
    assert_ok(trb_lock_open(scratch, LONG, NULL, &l));
    assert_ok(trb_lock_take(l, "members/m002"));
    assert_fails(trb_lock_take(l, "members/m003"), TRB_ECONFIG, name);
    assert_true(trb_now_s() - start < LONG); /* by its first beat */
    trb_lock_close(l);
    assert_int_equal(entries(), 2);
    tell(&c, 'p');
    assert_ok(said(&c));
    l = take(LONG, "members/m004");
    end(&c, 'r');
    assert_ok(trb_lock_take(l, "members/m003"));
    trb_lock_close(l);
    assert_int_equal(entries(), 0);
}

/* A holder that ended without releasing, first a zombie and then without a trace: no wait; what else it has left is
 * removed with the end of who met it. */
static void gone(void **state)
{
    (void)state;
    for (int reaped = 0; reaped < 2; reaped++) {
        const child c = bear(LONG, 3, (const char *[]){"a", "b", "c"});
        assert_ok(said(&c));
        if (reaped) {
            end(&c, 'e');
        } else {
            (void)kill(c.pid, SIGKILL);
        }
        const double start = trb_now_s();
        trb_lock *l = take(LONG, "b");
        assert_true(trb_now_s() - start < LONG / 2);
        assert_int_equal(entries(), 4);
        trb_lock_close(l);
        assert_int_equal(entries(), 0);
        if (!reaped) assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
    }
    /* Its number is another process's by now: one that started at another time. */
    leave("a", here(), (long)getppid(), LONG);
    const double start = trb_now_s();
    trb_lock *l = take(LONG, "a");
    assert_true(trb_now_s() - start < LONG / 2);
    trb_lock_close(l);
    assert_int_equal(entries(), 0);
}

static int idled;
static void idle(void)
{
    idled++;
}

/* Of a holder elsewhere nothing is known but its silence, which is waited out once. */
static void silent(void **state)
{
    (void)state;
    trb_lock *l = NULL;
    leave("a", "another", 1, SHORT);
    leave("b", "another", 1, SHORT);
    leave("c", "another", 1, SHORT);
    double start = trb_now_s();
    assert_ok(trb_lock_open(scratch, SHORT, idle, &l));
    assert_ok(trb_lock_take(l, "a"));
    assert_true(trb_now_s() - start >= SHORT);
    assert_true(idled >= 10);
    start = trb_now_s();
    const int before = idled;
    assert_ok(trb_lock_take(l, "b"));
    assert_int_equal(idled, before);
    trb_lock_close(l);
    assert_int_equal(entries(), 0);

    leave("a", "another", 1, 3 * SHORT); /* the more patient one's period holds */
    start = trb_now_s();
    trb_lock_close(take(SHORT, "a"));
    assert_true(trb_now_s() - start >= 3 * SHORT);

    spill(in_scratch(".lock/a"), "tribikos lock 1\nhost no", 23); /* its writer died in the midst of it */
    start = trb_now_s();
    trb_lock_close(take(SHORT, "a"));
    assert_true(trb_now_s() - start >= SHORT);
    assert_int_equal(entries(), 0);
}

/* A holder elsewhere that beats, at the very end of the period, is alive. */
static int looks;
static void beat_late(void)
{
    if (++looks == 50) spill(in_scratch(".lock/beat.%s", DEAD), "8\n", 2);
}

static void alive(void **state)
{
    (void)state;
    trb_lock *l = NULL;
    leave("a", "another", 1, SHORT);
    assert_ok(trb_lock_open(scratch, SHORT, beat_late, &l));
    assert_fails(trb_lock_take(l, "a"), TRB_ECONFIG, "process 1 on node7, Slurm job 4711, since long ago");
    trb_lock_close(l);
    assert_true(holds("a", DEAD));
    (void)unlink(in_scratch(".lock/a"));
    (void)unlink(in_scratch(".lock/beat.%s", DEAD));
}

/* Stopped, taken for dead, and continued: while the lock is another's, and when that one is done. */
static void lives_on(void **state)
{
    (void)state;
    for (int done = 0; done < 2; done++) {
        const child c = bear(SHORT, 2, (const char *[]){"x", "y"});
        assert_ok(said(&c));
        tell(&c, 'p');
        assert_ok(said(&c));
        assert_int_equal(kill(c.pid, SIGSTOP), 0);
        trb_lock *l = take(SHORT, "x");
        assert_ok(trb_file_publish_text(in_scratch("x/result"), "parent\n"));
        if (done) {
            trb_lock_close(l);
            assert_int_equal(entries(), 0);
        }
        assert_int_equal(kill(c.pid, SIGCONT), 0);
        tell(&c, 'p');
        assert_int_equal(said(&c), TRB_EIO);
        tell(&c, 'l');
        assert_int_equal(said(&c), TRB_EIO);
        end(&c, 'r');
        char *text = slurp(in_scratch("x/result"), NULL);
        assert_string_equal(text, "parent\n");
        free(text);
        assert_int_equal(count_files(in_scratch("x"), ".tmp."), 0);
        if (!done) {
            assert_true(holds("x", trb_lock_token(l)));
            trb_lock_close(l);
        }
        assert_int_equal(entries(), 0);
    }
}

/* Many want the lock of a dead job at the same moment: one has it, the others see that it lives. */
static void race(const char *machine, double seconds)
{
    enum { N = 8 };
    child c[N];
    int won = 0, refused = 0;
    leave("x", machine, machine[0] == 'a' ? 1 : 99999999, seconds);
    for (size_t i = 0; i < N; i++) c[i] = bear(seconds, 1, (const char *[]){"x"});
    for (size_t i = 0; i < N; i++) {
        const trb_status st = said(&c[i]);
        won += st == TRB_OK;
        refused += st == TRB_ECONFIG;
    }
    assert_int_equal(won, 1);
    assert_int_equal(refused, N - 1);
    for (size_t i = 0; i < N; i++) end(&c[i], 'r');
    assert_int_equal(entries(), 0);
}

static void many_takers(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) race(here(), 3.0);
    race("another", 2.0);
}

/* Who was taking a lock over died in between. */
static void claim_left(void **state)
{
    (void)state;
    char claim[64];
    (void)snprintf(claim, sizeof claim, "x.%s", DEAD);
    leave("x", "another", 1, SHORT);
    spill(in_scratch(".lock/%s", claim), "", 0);
    trb_lock *l = take(SHORT, "x");
    assert_ok(trb_lock_check(in_scratch("x/result")));
    trb_lock_close(l);
    assert_int_equal(entries(), 0);
}

static trb_status take_two(void *ctx)
{
    trb_lock *l = NULL;
    leave("a", ctx, 99999999, SHORT);
    trb_status st = trb_lock_open(scratch, SHORT, NULL, &l);
    if (st == TRB_OK) st = trb_lock_take(l, "a");
    if (st == TRB_OK) st = trb_lock_take(l, "b");
    if (st == TRB_OK) st = trb_lock_check(in_scratch("b/result"));
    trb_lock_close(l);
    const bool left = trb_file_exists(in_scratch(".lock/b")) || entries() > (st == TRB_OK ? 0 : 2);
    return left ? TRB_EINTERNAL : st;
}

/* This process has passed no point yet: these two tests come first. */
static void faults(void **state)
{
    (void)state;
    char machine[128];
    (void)strcpy(machine, here());
    assert_int_equal(fault_walk("file.create", take_two, machine), 4);
    assert_int_equal(fault_walk("file.write", take_two, machine), 5);
    assert_true(fault_walk("file.open", take_two, machine) >= 5);
    assert_int_equal(fault_walk("file.rename", take_two, machine), 1);
    assert_int_equal(fault_walk("thread.start", take_two, machine), 1);
    assert_int_equal(fault_walk("alloc", take_two, machine), 5);
    assert_int_equal(entries(), 0);
}

/* One job is stopped at a point, and another takes the lock meanwhile. \return what the first says when it goes on */
static trb_status overtaken(const char *point, double seconds)
{
    (void)setenv("TRB_FAULT", point, 1);
    const child late = bear(seconds, 1, (const char *[]){"x"});
    (void)unsetenv("TRB_FAULT");
    assert_int_equal(waitpid(late.pid, NULL, WUNTRACED), late.pid);
    const child quick = bear(seconds, 1, (const char *[]){"x"});
    assert_ok(said(&quick));
    assert_int_equal(kill(late.pid, SIGCONT), 0);
    const trb_status st = said(&late);
    tell(&quick, 'p');
    assert_ok(said(&quick));
    end(&late, 'r');
    end(&quick, 'r');
    assert_int_equal(entries(), 0);
    return st;
}

/* Before it makes the claim to a dead one's lock; and before it reads back whose the lock is that it has made, while it
 * has given no sign of life. */
static void slow_takers(void **state)
{
    (void)state;
    leave("x", here(), 99999999, LONG);
    assert_int_equal(overtaken("file.create:2:*:stop", LONG), TRB_ECONFIG);
    assert_int_equal(overtaken("file.open:1:*:stop", 1.0), TRB_ECONFIG);
}

static void full_disk(void **state)
{
    (void)state;
    char path[512];
    trb_lock *l = NULL;
    (void)strcpy(path, in_scratch("disk"));
    if (!small_disk_mount(path, 16)) skip();
    assert_ok(trb_lock_open(path, LONG, NULL, &l));
    char ballast[16384] = "";
    FILE *fp = fopen(in_scratch("disk/ballast"), "wb");
    assert_non_null(fp);
    (void)fwrite(ballast, 1, sizeof ballast, fp);
    (void)fclose(fp);
    assert_fails(trb_lock_take(l, "cache"), TRB_EIO, "/.lock/cache: cannot write: No space left on device");
    assert_false(trb_file_exists(in_scratch("disk/.lock/cache")));
    trb_lock_close(l);
    small_disk_unmount(path);
}

/* What is no lock is not waited for, nor followed; a lock is on the disk before anything is written under it. */
static void odd_locks(void **state)
{
    (void)state;
    trb_lock *l = NULL;
    (void)mkdir(in_scratch(".lock"), 0777);
    assert_int_equal(mkfifo(in_scratch(".lock/a"), 0666), 0);
    assert_int_equal(symlink("elsewhere", in_scratch(".lock/b")), 0);
    (void)setenv("SLURM_JOB_ID", "7\nseconds 0", 1); /* which is to stay one line */
    assert_ok(trb_lock_open(scratch, SHORT, NULL, &l));
    (void)unsetenv("SLURM_JOB_ID");
    assert_fails(trb_lock_take(l, "a"), TRB_ECONFIG, "/.lock/a: expected a file, got a FIFO");
    assert_fails(trb_lock_take(l, "b"), TRB_ECONFIG, "/.lock/b: expected a file, got a symbolic link");
    assert_ok(trb_lock_take(l, "c"));
    assert_string_equal(synced, in_scratch(".lock/c"));
    assert_fails(trb_lock_check(in_scratch("a/result")), TRB_ECONFIG, "got a FIFO");
    trb_lock_close(l);
    assert_int_equal(entries(), 2);
    assert_false(trb_file_exists(in_scratch(".lock/elsewhere")));
    (void)unlink(in_scratch(".lock/a"));
    (void)unlink(in_scratch(".lock/b"));
}

static void no_folder(void **state)
{
    (void)state;
    trb_lock *l = NULL;
    (void)rmdir(in_scratch(".lock"));
    spill(in_scratch(".lock"), "", 0);
    assert_fails(trb_lock_open(scratch, LONG, NULL, &l), TRB_EIO, ".lock: cannot make the folder");
    assert_null(l);
    (void)unlink(in_scratch(".lock"));
}

int main(void)
{
    trb_log_open(false, 0.0);
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_takers), cmocka_unit_test(faults),
        cmocka_unit_test(full_disk),   cmocka_unit_test(taken_and_released),
        cmocka_unit_test(joined),      cmocka_unit_test(refused),
        cmocka_unit_test(gone),        cmocka_unit_test(silent),
        cmocka_unit_test(alive),       cmocka_unit_test(lives_on),
        cmocka_unit_test(many_takers), cmocka_unit_test(claim_left),
        cmocka_unit_test(odd_locks),   cmocka_unit_test(no_folder),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
