/* A sign of life reaches its hook from the thread that opened it, and from no other. */
#include "asserts.h"

#include <pthread.h>

#include "tribikos/alive.h"

static int signs;

static void count(void)
{
    signs++;
}

static void *live(void *unused)
{
    trb_alive();
    return unused;
}

static void one_thread(void **state)
{
    (void)state;
    pthread_t other;
    trb_alive(); /* nobody listens */
    trb_alive_open(count);
    trb_alive();
    assert_int_equal(signs, 1);
    assert_int_equal(pthread_create(&other, NULL, live, NULL), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(signs, 1);
    trb_alive();
    assert_int_equal(signs, 2);
    trb_alive_open(NULL);
    trb_alive();
    assert_int_equal(signs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
