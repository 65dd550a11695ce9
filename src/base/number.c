/* Numbers in texts, read and printed in the C locale. */
#include "tribikos/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t plain;

/* The C library has this locale ready. If it refused all the same, the process's own one would stay in use. */
static void find_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* strtod() and printf() follow the locale. \return the thread's own one, for uselocale() */
static locale_t enter_plain(void)
{
    (void)pthread_once(&once, find_plain);
    return uselocale(plain);
}

bool trb_number_read(const char *text, size_t n, double *value)
{
    static const char allowed[] = "0123456789.eE+-";
    for (size_t i = 0; i < n; i++)
        if (memchr(allowed, text[i], sizeof allowed - 1) == NULL) return false;
    if (n == 0) return false;
    const locale_t own = enter_plain();
    char *end = NULL;
    const double read = strtod(text, &end);
    (void)uselocale(own);
    if (end != text + n) return false;
    *value = read;
    return true;
}

void trb_number_print(double value, char text[TRB_NUMBER_BYTES])
{
    trb_number_shortest(value, 17, text);
}

void trb_number_shortest(double value, int digits, char text[TRB_NUMBER_BYTES])
{
    const locale_t own = enter_plain();
    do (void)snprintf(text, TRB_NUMBER_BYTES, "%.*g", digits, value);
    while (digits++ < 17 && strtod(text, NULL) != value);
    (void)uselocale(own);
}
