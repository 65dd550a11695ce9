/** What every test of the library needs: cmocka, and calls that must succeed or fail, which say why they did not. */
#ifndef TRB_TEST_ASSERTS_H
#define TRB_TEST_ASSERTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/status.h"

/** Under valgrind, which takes fifty times as long, and which judges memory: where the cases of a test differ in their
 * numbers and hardly in the ways they take, it takes a part of them. The other builds take them all. */
static inline bool brief(void)
{
    return getenv("TRB_BRIEF") != NULL;
}

#define assert_ok(call) assert_ok_at((call), #call, __FILE__, __LINE__)
static inline void assert_ok_at(trb_status st, const char *call, const char *file, int line)
{
    if (st == TRB_OK) return;
    print_error("%s: %s\n", call, trb_fail_message());
    _fail(file, line);
}

/** The call fails with `st` and its line holds `part`. */
#define assert_fails(call, st, part)                                                                                   \
    (trb_fail_clear(), assert_fails_at((call), #call, (st), (part), __FILE__, __LINE__))
static inline void assert_fails_at(trb_status got, const char *call, trb_status expected, const char *part,
                                   const char *file, int line)
{
    if (got != expected || strstr(trb_fail_message(), part) == NULL) {
        print_error("%s: expected status %d with \"%s\", got %d: %s\n", call, expected, part, got, trb_fail_message());
        _fail(file, line);
    }
    trb_fail_clear();
}

#endif
