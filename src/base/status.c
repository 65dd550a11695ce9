/* Keeps the one line that says why something failed (status.h). */
#include "tribikos/status.h"

#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/text.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char shared[TRB_FAIL_BYTES];
static _Thread_local char *apart; /* NULL: this thread uses the shared line */

static char *message(void)
{
    return apart != NULL ? apart : shared;
}

const char *trb_status_text(trb_status st)
{
    switch (st) {
#define X(name, value, exit_status, text)                                                                              \
    case name:                                                                                                         \
        return text;
        TRB_STATUS_TABLE(X)
#undef X
    }
    return "unknown status";
}

int trb_status_exit(trb_status st)
{
    switch (st) {
#define X(name, value, exit_status, text)                                                                              \
    case name:                                                                                                         \
        return exit_status;
        TRB_STATUS_TABLE(X)
#undef X
    }
    return 1;
}

bool trb_status_is_failure(trb_status st)
{
    return trb_status_exit(st) == 1;
}

/* Puts words in front of the message. A line that becomes too long is cut in the middle, because it begins with what
 * happened and ends with what to do. The function allocates nothing, since memory may be what is missing. */
static void put_in_front(const char *fmt, va_list args)
{
    static char line[16 * TRB_FAIL_BYTES]; /* room for lines with several paths */
    static const char gap[] = " ... ";
    enum { HALF = (TRB_FAIL_BYTES - sizeof gap) / 2 };
    char *to = message();
    if (vsnprintf(line, sizeof line, fmt, args) < 0) line[0] = '\0';
    size_t n = strlen(line);
    (void)snprintf(line + n, sizeof line - n, "%s", to);
    n += strlen(line + n);
    if (n < TRB_FAIL_BYTES)
        memcpy(to, line, n + 1);
    else
        (void)snprintf(to, TRB_FAIL_BYTES, "%.*s%s%s", HALF, line, gap, line + n - HALF);
    (void)trb_printable(to);
}

trb_status trb_fail(trb_status st, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&lock);
    if (message()[0] == '\0') put_in_front(fmt, args);
    pthread_mutex_unlock(&lock);
    va_end(args);
    return st;
}

trb_status trb_fail_of(trb_status st, const char *fmt, ...)
{
    if (st == TRB_OK) return st;
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&lock);
    put_in_front(fmt, args);
    pthread_mutex_unlock(&lock);
    va_end(args);
    return st;
}

const char *trb_fail_message(void)
{
    return message();
}

void trb_fail_apart(char *room)
{
    apart = room;
    if (room != NULL) room[0] = '\0';
}

void trb_fail_clear(void)
{
    pthread_mutex_lock(&lock);
    message()[0] = '\0';
    pthread_mutex_unlock(&lock);
}

trb_status trb_to_int(size_t n, int *out)
{
    if (n > INT_MAX) return trb_fail(TRB_ECONFIG, "a size of %zu exceeds what BLAS and MPI can count (%d)", n, INT_MAX);
    *out = (int)n;
    return TRB_OK;
}
