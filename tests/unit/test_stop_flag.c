/* Signals, time and other ranks say that a run is to stop; who is impatient, or waits too long, ends it at once. */
#include "asserts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tribikos/stop.h"

static volatile sig_atomic_t ended;

static void end(int status)
{
    ended = status;
}

static const int signals[] = {SIGUSR1, SIGTERM};

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
    assert_ok(trb_stop_open(2, signals, 0.0, 0, end));
    assert_int_equal(trb_stop_reason(), 0);
    assert_ok(trb_stop_check());
    (void)raise(SIGTERM);
    assert_int_equal(trb_stop_reason(), SIGTERM);
    assert_fails(trb_stop_check(), TRB_STOPPED, "stopped by SIGTERM");
    trb_stop_heard(SIGUSR1); /* the own reason goes first */
    assert_int_equal(trb_stop_reason(), SIGTERM);
    assert_int_equal(ended, 0);
    (void)raise(SIGUSR1);
    assert_int_equal(ended, 128 + SIGUSR1);
    trb_stop_close();
    struct sigaction now;
    assert_int_equal(sigaction(SIGTERM, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_DFL);
    assert_int_equal(trb_stop_reason(), 0);
    ended = 0;
}

static void another_rank(void **state)
{
    (void)state;
    assert_ok(trb_stop_open(0, NULL, 0.0, 0, end));
    trb_stop_heard(0);
    assert_ok(trb_stop_check());
    trb_stop_heard(SIGUSR2);
    trb_stop_heard(0);
    assert_fails(trb_stop_check(), TRB_STOPPED, "stopped by SIGUSR2");
    trb_stop_close();
}

static void the_time(void **state)
{
    (void)state;
    char began[32];
    (void)snprintf(began, sizeof began, "%lld", (long long)time(NULL) - 100);
    assert_int_equal(setenv("SLURM_JOB_START_TIME", began, 1), 0);
    assert_ok(trb_stop_open(0, NULL, 1000.0, 0, end));
    assert_ok(trb_stop_check());
    assert_ok(trb_stop_open(0, NULL, 99.0, 0, end));
    assert_int_equal(trb_stop_reason(), -1);
    assert_fails(trb_stop_check(), TRB_STOPPED, "run.time_limit");
    assert_int_equal(unsetenv("SLURM_JOB_START_TIME"), 0);
    assert_ok(trb_stop_open(0, NULL, 99.0, 0, end)); /* from now on */
    assert_ok(trb_stop_check());
    trb_stop_close();
}

static void too_late(void **state)
{
    (void)state;
    assert_ok(trb_stop_open(2, signals, 0.0, 1, end));
    (void)raise(SIGUSR1);
    assert_int_equal(ended, 0);
    for (int i = 0; ended == 0 && i < 100; i++) (void)usleep(50000);
    assert_int_equal(ended, 1);
    trb_stop_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(a_signal),
                                       cmocka_unit_test(another_rank), cmocka_unit_test(the_time),
                                       cmocka_unit_test(too_late)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
