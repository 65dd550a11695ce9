/* A failure is one line, whatever is quoted in it. */
#include "asserts.h"

static void one_line(void **state)
{
    (void)state;
    char wide[2 * TRB_FAIL_BYTES];
    (void)trb_fail(TRB_EINPUT, "key `%s`", "a\nb\x1b[2J\x7f\xc3\xa9");
    assert_string_equal(trb_fail_message(), "key `a?b?[2J?\xc3\xa9`");
    (void)trb_fail_of(TRB_EINPUT, "%s: ", "c\r");
    assert_string_equal(trb_fail_message(), "c?: key `a?b?[2J?\xc3\xa9`");
    trb_fail_clear();
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    (void)trb_fail(TRB_EINPUT, "%s", wide);
    assert_int_equal(strlen(trb_fail_message()), TRB_FAIL_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
