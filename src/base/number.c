/* Reads and prints numbers in the C locale, whatever locale the process has. */
#include "tribikos/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <math.h>
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

/* Reads the digits at `at`. \param[in,out] whole,digits  the number so far, without its point, and its digits without
 * leading zeros   \return where the digits end */
static const char *take_digits(const char *at, const char *end, uint64_t *whole, int *digits)
{
    for (; at < end && *at >= '0' && *at <= '9' && *digits < 19; at++) {
        *whole = *whole * 10 + (uint64_t)(*at - '0');
        *digits += *whole > 0;
    }
    return at;
}

/* Reads what nearly all numbers in files are: at most 2^53 without the point, times or divided by at most 10^22. Both
 * are doubles without an error, so one operation rounds the result once, as strtod() does. Source: Clinger 1990, How to
 * read floating point numbers accurately. \return false: strtod() has to read it */
static bool read_short(const char *text, size_t n, double *value)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *at = text, *const end = text + n;
    uint64_t whole = 0;
    int digits = 0, exponent = 0;
    const bool negative = n > 0 && *at == '-';
    if (n > 0 && (*at == '-' || *at == '+')) at++;
    const char *from = at;
    at = take_digits(at, end, &whole, &digits);
    ptrdiff_t read = at - from;
    if (at < end && *at == '.') {
        from = ++at;
        at = take_digits(at, end, &whole, &digits);
        read += at - from;
        if (at - from > 22) return false;
        exponent = -(int)(at - from);
    }
    if (at < end && (*at == 'e' || *at == 'E') && end - at >= 2) {
        uint64_t size = 0;
        int unused = 0;
        const bool small = *++at == '-';
        if (end - at >= 2 && (*at == '-' || *at == '+')) at++;
        from = at;
        at = take_digits(at, end, &size, &unused);
        if (at == from || unused > 2) return false;
        exponent += small ? -(int)size : (int)size;
    }
    if (at != end || read == 0 || (*end != '\0' && strchr("0123456789.eE", *end) != NULL)) return false;
    if (whole > UINT64_C(1) << 53 || exponent < -22 || exponent > 22) return false;
    const double size = exponent < 0 ? (double)whole / power[-exponent] : (double)whole * power[exponent];
    *value = negative ? -size : size;
    return true;
}

bool trb_number_read(const char *text, size_t n, double *value)
{
    if (read_short(text, n, value)) return true;
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

const char *trb_number_figure(double value, int decimals, char text[TRB_NUMBER_BYTES])
{
    const bool fixed = decimals >= 0 && fabs(value) < 1e6;
    (void)snprintf(text, TRB_NUMBER_BYTES, fixed ? "%.*f" : "%.*g", fixed ? decimals : 4, value);
    return text;
}

const char *trb_number_count(size_t n, const char *noun, char text[TRB_NUMBER_BYTES])
{
    const size_t length = strlen(noun);
    const char *end = length > 1 ? noun + length - 2 : "";
    const bool hisses = strcmp(end, "ch") == 0 || strcmp(end, "sh") == 0 || (end[0] != '\0' && strchr("sx", end[1]));
    (void)snprintf(text, TRB_NUMBER_BYTES, "%zu %s%s", n, noun, n == 1 ? "" : hisses ? "es" : "s");
    return text;
}
