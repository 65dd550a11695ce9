/* Reads and prints numbers in the C locale, whatever locale the process has. */
#include "tribikos/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t plain;

/* The C library always has the locale "C". If newlocale() failed all the same, the process's own locale would stay in
 * use. */
static void find_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Switches this thread to the C locale, which strtod() and printf() then follow. \return the locale it had, to be given
 * back to uselocale() */
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

const char *trb_number_grouped(size_t n, char text[TRB_NUMBER_BYTES])
{
    char digits[TRB_NUMBER_BYTES];
    const size_t length = (size_t)snprintf(digits, sizeof digits, "%zu", n);
    char *to = text;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}
