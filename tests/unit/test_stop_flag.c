/* Signals, time and other ranks say that a run is to stop; who is impatient, or waits too long, ends it at once. */
#include "asserts.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tribikos/stop.h"

static atomic_int ended;

static void end(int status)
{
    atomic_store(&ended, status);
}

static const int signals[] = {SIGUSR1, SIGTERM};

/* Another thread takes the signal. */
static int reason_after(int number)
{
    (void)kill(getpid(), number);
    for (int i = 0; i < 5000 && trb_stop_reason() != number; i++) (void)usleep(1000);
    return trb_stop_reason();
}

static int status_after(int number)
{
    if (number != 0) (void)kill(getpid(), number);
    for (int i = 0; i < 5000 && atomic_load(&ended) == 0; i++) (void)usleep(1000);
    return atomic_exchange(&ended, 0);
}

static int start(void **state)
{
    (void)state;
    atomic_store(&ended, 0);
    return trb_stop_start(end) == TRB_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    trb_stop_close();
    return 0;
}

static void names(void **state)
{
    (void)state;
    assert_int_equal(trb_stop_signal("USR1"), SIGUSR1);
    assert_int_equal(trb_stop_signal("HUP"), SIGHUP);
    assert_int_equal(trb_stop_signal("KILL"), 0);
    assert_int_equal(trb_stop_signal("SIGUSR1"), 0);
}

static void a_signal(void **state)
{
    (void)state;
    trb_stop_open(2, signals, 0.0, 0);
    assert_int_equal(trb_stop_reason(), 0);
    assert_ok(trb_stop_check());
    assert_int_equal(reason_after(SIGTERM), SIGTERM);
    assert_fails(trb_stop_check(), TRB_STOPPED, "stopped by SIGTERM");
    trb_stop_heard(SIGUSR1); /* the own reason goes first */
    assert_int_equal(trb_stop_reason(), SIGTERM);
    assert_int_equal(atomic_load(&ended), 0);
}

/* A batch system, a launcher and a script each deliver one; a user who wants it to end at once waits a moment. */
static void a_second_signal(void **state)
{
    (void)state;
    trb_stop_open(2, signals, 0.0, 0);
    assert_int_equal(reason_after(SIGTERM), SIGTERM);
    (void)kill(getpid(), SIGTERM);
    (void)kill(getpid(), SIGUSR1);
    (void)usleep(1100000);
    assert_int_equal(atomic_load(&ended), 0);
    assert_int_equal(status_after(SIGUSR1), 128 + SIGUSR1);
}

static void before_the_configuration(void **state)
{
    (void)state;
    assert_int_equal(reason_after(SIGUSR2), SIGUSR2);
    static const int usr2[] = {SIGUSR2};
    trb_stop_open(1, usr2, 0.0, 0);
    assert_int_equal(trb_stop_reason(), SIGUSR2);
}

/* How a child of this process ends that a signal does not stop. */
static int status_of_child(void (*child)(void))
{
    int status = 0;
    const pid_t pid = fork(); /* which has no other thread: its own is started anew */
    if (pid == 0) {
        if (trb_stop_start(end) == TRB_OK) child();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void unwanted(void)
{
    trb_stop_open(2, signals, 0.0, 0);
    (void)kill(getpid(), SIGUSR2);
    (void)sleep(5);
}

static void unwanted_but_remembered(void)
{
    (void)reason_after(SIGUSR2);
    trb_stop_open(2, signals, 0.0, 0);
}

static void ignored(void)
{
    (void)signal(SIGHUP, SIG_IGN);
    (void)kill(getpid(), SIGHUP);
    (void)usleep(300000);
}

static void the_default_effect(void **state)
{
    (void)state;
    trb_stop_close();
    const int by_thread = status_of_child(unwanted), on_opening = status_of_child(unwanted_but_remembered);
    assert_true(WIFSIGNALED(by_thread) && WTERMSIG(by_thread) == SIGUSR2);
    assert_true(WIFSIGNALED(on_opening) && WTERMSIG(on_opening) == SIGUSR2);
    assert_int_equal(status_of_child(ignored), 0);
}

static void another_rank(void **state)
{
    (void)state;
    trb_stop_open(0, NULL, 0.0, 0);
    trb_stop_heard(0);
    assert_ok(trb_stop_check());
    trb_stop_heard(SIGUSR2);
    trb_stop_heard(0);
    assert_fails(trb_stop_check(), TRB_STOPPED, "stopped by SIGUSR2");
}

static void the_time(void **state)
{
    (void)state;
    char began[32];
    (void)snprintf(began, sizeof began, "%lld", (long long)time(NULL) - 100);
    assert_int_equal(setenv("SLURM_JOB_START_TIME", began, 1), 0);
    trb_stop_open(0, NULL, 1000.0, 0);
    assert_ok(trb_stop_check());
    trb_stop_open(0, NULL, 99.0, 0);
    assert_ok(trb_stop_check()); /* nothing is done yet */
    trb_stop_progress();
    assert_int_equal(trb_stop_reason(), -1);
    assert_fails(trb_stop_check(), TRB_STOPPED, "run.time_limit");
    assert_int_equal(unsetenv("SLURM_JOB_START_TIME"), 0);
    trb_stop_open(0, NULL, 99.0, 0); /* from now on */
    trb_stop_progress();
    assert_ok(trb_stop_check());
}

static void too_late(void **state)
{
    (void)state;
    trb_stop_open(2, signals, 0.0, 1);
    assert_int_equal(reason_after(SIGUSR1), SIGUSR1);
    assert_int_equal(atomic_load(&ended), 0);
    assert_int_equal(status_after(0), 1);
}

static void too_late_after_the_limit(void **state)
{
    (void)state;
    trb_stop_open(2, signals, 1.0, 1);
    trb_stop_progress();
    assert_int_equal(status_after(0), 1);
}

/* No thread lets a signal through that somebody catches, and nobody catches one that this module minds. */
static void no_handler(void **state)
{
    (void)state;
    sigset_t blocked;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    static const int minded[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof minded / sizeof *minded; i++) {
        struct sigaction now;
        assert_int_equal(sigismember(&blocked, minded[i]), 1);
        assert_int_equal(sigaction(minded[i], NULL, &now), 0);
        assert_true(now.sa_handler == SIG_DFL);
    }
    struct sigaction pipe_action;
    assert_int_equal(sigaction(SIGPIPE, NULL, &pipe_action), 0);
    assert_true(pipe_action.sa_handler == SIG_IGN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names),        CASE(a_signal), CASE(a_second_signal), CASE(before_the_configuration), CASE(the_default_effect),
        CASE(another_rank), CASE(the_time), CASE(too_late),       CASE(too_late_after_the_limit), CASE(no_handler)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
