#include "tribikos/status.h"

#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char message[TRB_FAIL_BYTES];

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

/* What files and flags say of themselves is quoted in lines, and must not break them, nor command a terminal. */
static void make_printable(char *line)
{
    for (; *line != '\0'; line++)
        if ((*line > '\0' && *line < ' ') || *line == 0x7f) *line = '?';
}

trb_status trb_fail(trb_status st, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&lock);
    if (message[0] == '\0') {
        (void)vsnprintf(message, sizeof message, fmt, args);
        make_printable(message);
    }
    pthread_mutex_unlock(&lock);
    va_end(args);
    return st;
}

trb_status trb_fail_of(trb_status st, const char *fmt, ...)
{
    if (st == TRB_OK) return st;
    char line[TRB_FAIL_BYTES];
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&lock);
    const int n = vsnprintf(line, sizeof line, fmt, args);
    if (n >= 0 && (size_t)n < sizeof line) {
        (void)snprintf(line + n, sizeof line - (size_t)n, "%s", message);
        memcpy(message, line, sizeof message);
        make_printable(message);
    }
    pthread_mutex_unlock(&lock);
    va_end(args);
    return st;
}

const char *trb_fail_message(void)
{
    return message;
}

void trb_fail_clear(void)
{
    pthread_mutex_lock(&lock);
    message[0] = '\0';
    pthread_mutex_unlock(&lock);
}

trb_status trb_to_int(size_t n, int *out)
{
    if (n > INT_MAX) return trb_fail(TRB_ECONFIG, "a size of %zu exceeds what BLAS and MPI can count (%d)", n, INT_MAX);
    *out = (int)n;
    return TRB_OK;
}
