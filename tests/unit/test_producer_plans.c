/* A producer: items come in order and stay while they are in use; plans are dropped at any moment; failures reach
 * whoever asks; an early close ends the thread; and who waits gives signs of life. Nothing here depends on how fast the
 * machine is, but for limits of many seconds. */
#include "numbers.h"

#include <stdatomic.h>
#include <time.h>

#include "fault_walk.h"
#include "tribikos/alive.h"
#include "tribikos/clock.h"
#include "tribikos/producer.h"

enum { SLOTS = TRB_PRODUCER_SLOTS, ITEMS = 60, NEVER = 1000 };

/* What make() looks at, and what it leaves. */
typedef struct {
    size_t salt, fails_at; /* of the plan */
    long takes_ns;
    bool lasts; /* each item takes until it is not wanted any more */
    int signs;  /* item i takes until there were i + 1 times as many signs of life */
    trb_producer *p;
    size_t slot[SLOTS];
    atomic_size_t calls, asked; /* items begun; the item that the user asks for */
    atomic_bool busy;
} shop;

static void pause_ns(long ns)
{
    (void)nanosleep(&(struct timespec){ns / 1000000000, ns % 1000000000}, NULL);
}

static atomic_int signs;

static void count(void)
{
    atomic_fetch_add(&signs, 1);
}

static trb_status make(void *ctx, size_t item, size_t slot)
{
    shop *s = ctx;
    atomic_store(&s->busy, true);
    atomic_fetch_add(&s->calls, 1);
    const bool fits = slot == item % SLOTS && item < atomic_load(&s->asked) + SLOTS; /* not the one in use */
    while (s->lasts && trb_producer_is_wanted(s->p)) pause_ns(100000);
    if (s->takes_ns > 0) pause_ns(s->takes_ns);
    const double until = trb_now_s() + 60.0;
    while (atomic_load(&signs) < s->signs * (int)(item + 1) && trb_now_s() < until) pause_ns(1000000);
    s->slot[slot] = s->salt + item;
    const bool fails = item == s->fails_at;
    atomic_store(&s->busy, false);
    if (!fits) return trb_fail(TRB_EINTERNAL, "item %zu comes too early or into a wrong slot", item);
    return fails ? trb_fail(TRB_EINTEGRITY, "item %zu is rotten", item) : TRB_OK;
}

static shop *opened(long takes_ns)
{
    shop *s = NULL;
    assert_ok(trb_alloc(TRB_MEM_OTHER, 1, sizeof *s, &s));
    s->takes_ns = takes_ns;
    s->fails_at = NEVER;
    assert_ok(trb_producer_open("the thread of a test", make, s, &s->p));
    return s;
}

/* Begin a plan. */
static void plan(shop *s, size_t salt, size_t items)
{
    assert_ok(trb_producer_plan(s->p, 0));
    assert_false(atomic_load(&s->busy)); /* nobody looks at what follows */
    s->salt = salt;
    memset(s->slot, 0, sizeof s->slot);
    atomic_store(&s->asked, 0);
    assert_ok(trb_producer_plan(s->p, items));
}

static void take(shop *s, size_t item)
{
    size_t slot = NEVER;
    atomic_store(&s->asked, item);
    assert_ok(trb_producer_next(s->p, &slot));
    assert_int_equal(slot, item % SLOTS);
    assert_int_equal(s->slot[slot], s->salt + item);
}

static void closed(shop *s, trb_status wanted)
{
    assert_int_equal(trb_producer_close(s->p), wanted);
    trb_fail_clear();
    assert_false(atomic_load(&s->busy));
    trb_free(s);
}

/* Plans of all lengths, the maker or the user being slow, each third dropped half-way. */
static void in_order(void **state)
{
    (void)state;
    for (long slow = 0; slow < 2; slow++) {
        shop *s = opened(slow * 100000);
        size_t slot = 0;
        assert_fails(trb_producer_next(s->p, &slot), TRB_EINTERNAL, "has only 0 items");
        for (size_t n = 0; n < ITEMS; n++) {
            const size_t items = n % 7 == 0 ? 0 : n, wanted = n % 3 == 2 ? items / 2 : items;
            plan(s, 1000 * n, items);
            for (size_t i = 0; i < wanted; i++) {
                take(s, i);
                if (slow == 0 && n % 4 == 1) pause_ns(50000);
                assert_int_equal(s->slot[i % SLOTS], 1000 * n + i); /* it stays while it is in use */
            }
            if (wanted == items) assert_fails(trb_producer_next(s->p, &slot), TRB_EINTERNAL, "plan of a producer");
        }
        closed(s, TRB_OK);
    }
    assert_ok(trb_producer_close(NULL));
}

/* The item is made to its end before the plan is gone, but need not be if it asks. */
static void dropped(void **state)
{
    (void)state;
    shop *s = opened(0);
    for (size_t n = 0; n < 100; n++) {
        s->lasts = n % 2 == 0;
        plan(s, n, 1);
        while (n % 5 == 0 && atomic_load(&s->calls) == 0) pause_ns(1000);
        assert_ok(trb_producer_plan(s->p, 0));
        assert_false(atomic_load(&s->busy));
        const size_t calls = atomic_load(&s->calls);
        pause_ns(n % 10 == 0 ? 1000000 : 0);
        assert_int_equal(atomic_load(&s->calls), calls);
        atomic_store(&s->calls, 0);
    }
    s->lasts = false;
    plan(s, 7, 3);
    for (size_t i = 0; i < 3; i++) take(s, i);
    closed(s, TRB_OK);
}

/* What was made before the failure is served; the failure stays. */
static void a_failure(void **state)
{
    (void)state;
    for (size_t bad = 0; bad < 5; bad++) {
        shop *s = opened(0);
        size_t slot = NEVER;
        s->fails_at = bad;
        plan(s, 100, ITEMS);
        for (size_t i = 0; i < bad; i++) take(s, i);
        atomic_store(&s->asked, bad);
        assert_int_equal(trb_producer_next(s->p, &slot), TRB_EINTEGRITY);
        char wanted[40];
        (void)snprintf(wanted, sizeof wanted, "item %zu is rotten", bad);
        assert_string_equal(trb_fail_message(), wanted);
        assert_int_equal(trb_producer_next(s->p, &slot), TRB_EINTEGRITY);
        assert_int_equal(slot, NEVER);
        const size_t calls = atomic_load(&s->calls);
        assert_int_equal(calls, bad + 1);
        assert_int_equal(trb_producer_plan(s->p, ITEMS), TRB_EINTEGRITY);
        assert_int_equal(trb_producer_next(s->p, &slot), TRB_EINTEGRITY);
        assert_int_equal(atomic_load(&s->calls), calls); /* nothing is made any more */
        closed(s, TRB_EINTEGRITY);
    }
}

/* Whatever the thread is at: making an item that nobody waits for, waiting for a slot, waiting for a plan. */
static void closed_early(void **state)
{
    (void)state;
    shop *s = opened(0);
    closed(s, TRB_OK); /* no plan */
    s = opened(0);
    s->lasts = true;
    plan(s, 0, ITEMS);
    while (atomic_load(&s->calls) == 0) pause_ns(1000);
    closed(s, TRB_OK); /* in the midst of an item */
    s = opened(0);
    plan(s, 0, ITEMS);
    for (const double until = trb_now_s() + 60.0; atomic_load(&s->calls) < SLOTS && trb_now_s() < until;)
        pause_ns(1000);
    pause_ns(2000000);
    assert_int_equal(atomic_load(&s->calls), SLOTS); /* and no more, as nothing is given back */
    closed(s, TRB_OK);
}

static void waits(void **state)
{
    (void)state;
    shop *s = opened(0);
    s->signs = 2;
    trb_alive_open(count);
    plan(s, 0, 2);
    take(s, 0);
    assert_true(atomic_load(&signs) >= 2);
    assert_ok(trb_producer_plan(s->p, 0)); /* waits for item 1 */
    assert_true(atomic_load(&signs) >= 4);
    trb_alive_open(NULL);
    closed(s, TRB_OK);
}

static trb_status open_and_close(void *unused)
{
    (void)unused;
    trb_producer *p = NULL;
    TRB_TRY(trb_producer_open("the thread of a test", make, NULL, &p));
    return trb_producer_close(p);
}

static void faults(void **state)
{
    (void)state;
    assert_int_equal(fault_walk("thread.start", open_and_close, NULL), 1);
    assert_int_equal(fault_walk("alloc", open_and_close, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults), /* before anything passes a point */
        cmocka_unit_test(in_order),     cmocka_unit_test(dropped), cmocka_unit_test(a_failure),
        cmocka_unit_test(closed_early), cmocka_unit_test(waits),   cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
