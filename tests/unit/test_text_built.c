/* Texts that are put together: growing and in a given room, JSON, and what happens when there is no memory. */
#include "numbers.h"

#include "fault_walk.h"
#include "tribikos/text.h"

static void grows(void **state)
{
    (void)state;
    trb_text t = {0};
    char *text = NULL, wanted[4000] = "";
    for (int i = 0; i < 500; i++) {
        trb_text_add(&t, "%d,%s", i, i % 7 == 0 ? "seven;" : "");
        (void)sprintf(wanted + strlen(wanted), "%d,%s", i, i % 7 == 0 ? "seven;" : "");
        assert_string_equal(t.at, wanted);
        assert_int_equal(t.n, strlen(wanted));
    }
    assert_ok(trb_text_take(&t, &text));
    assert_string_equal(text, wanted);
    assert_null(t.at);
    trb_free(text);
    assert_ok(trb_text_take(&t, &text)); /* of nothing */
    assert_string_equal(text, "");
    trb_free(text);
    assert_ok(trb_text_of(&text, "%s/%02d", "a", 7));
    assert_string_equal(text, "a/07");
    trb_free(text);
    trb_text_add(&t, "dropped");
    trb_text_clear(&t);
}

static void in_room(void **state)
{
    (void)state;
    char room[12];
    memset(room, 'x', sizeof room);
    trb_text t = trb_text_in(room, sizeof room);
    assert_string_equal(room, "");
    trb_text_add(&t, "%s", "12345");
    trb_text_add(&t, "%s", "678901"); /* 11 bytes and the zero byte: just full */
    assert_string_equal(room, "12345678901");
    trb_text_add(&t, "%s", "");
    assert_string_equal(room, "12345678901");
    trb_text_add(&t, "%s", "2");
    assert_string_equal(room, "12345678...");
    trb_text_add(&t, "%s", "more");
    assert_string_equal(room, "12345678...");
    assert_int_equal(t.n, 11);
    assert_int_equal(t.st, TRB_OK);
}

static void json(void **state)
{
    (void)state;
    char room[200];
    trb_text t = trb_text_in(room, sizeof room);
    trb_text_quoted(&t, "a \"b\" \\ \n\x01\t é");
    assert_string_equal(room, "\"a \\\"b\\\" \\\\ \\n\\u0001\\u0009 é\"");
    t = trb_text_in(room, sizeof room);
    const double values[] = {0.1, NAN, -INFINITY, 3.0, 1e300};
    for (size_t i = 0; i < 5; i++) {
        if (i > 0) trb_text_add(&t, " ");
        trb_text_number(&t, values[i]);
    }
    assert_string_equal(room, "0.10000000000000001 null null 3 1.0000000000000001e+300");
}

/* One failure of many additions is enough to fail, and is told at the end. */
static trb_status build(void *unused)
{
    trb_text t = {0};
    char *text = NULL;
    (void)unused;
    for (int i = 0; i < 100; i++) trb_text_add(&t, "piece %d", i);
    trb_text_quoted(&t, "end");
    TRB_TRY(trb_text_take(&t, &text));
    trb_free(text);
    return TRB_OK;
}

static void no_memory(void **state)
{
    (void)state;
    assert_true(fault_walk("alloc", build, NULL) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory), /* before anything passes a point */
        cmocka_unit_test(grows),
        cmocka_unit_test(in_room),
        cmocka_unit_test(json),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
