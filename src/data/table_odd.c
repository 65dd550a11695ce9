/* Fields that are numbers for people, but not for the reader: what they look like, and how to write them. */
#include "table.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const trb__oddity infinite = {"infinite values", "write finite numbers, or leave the fields empty"},
                         money = {"amounts of money", "write plain numbers, such as 1200"},
                         percent = {"percentages", "write plain numbers, such as 12"},
                         date = {"dates or times", "write numbers, such as days since a first day"},
                         thousands = {"numbers with marks in them", "write plain numbers, such as 1234.5"};

static bool is_infinite(const char *at, size_t n)
{
    if (n > 0 && (*at == '-' || *at == '+')) at++, n--;
    return (n == 3 && strncasecmp(at, "inf", 3) == 0) || (n == 8 && strncasecmp(at, "infinity", 8) == 0);
}

/* Whether there is a digit, and nothing that an amount may not have. */
static bool is_amount(const char *at, size_t n)
{
    bool digit = false;
    for (size_t i = 0; i < n; i++) {
        if (memchr("0123456789.,' +-", at[i], 16) == NULL) return false;
        digit = digit || isdigit((unsigned char)at[i]);
    }
    return digit;
}

static bool is_money(const char *at, size_t n)
{
    static const char *const marks[] = {"$", "€", "£", "¥", "USD", "EUR", "GBP"};
    if (n > 1 && (*at == '-' || *at == '+')) at++, n--;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const size_t k = strlen(marks[i]);
        if (n <= k) continue;
        if (memcmp(at, marks[i], k) == 0 && is_amount(at + k, n - k)) return true;
        if (memcmp(at + n - k, marks[i], k) == 0 && is_amount(at, n - k)) return true;
    }
    return false;
}

static size_t digits_of(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && isdigit((unsigned char)*at)) at++;
    return (size_t)(at - from);
}

/* 9:30, 09:30:15.5 */
static bool is_time(const char *at, const char *end)
{
    const size_t hours = digits_of(at, end);
    return hours >= 1 && hours <= 2 && end - at >= (ptrdiff_t)hours + 3 && at[hours] == ':' &&
           digits_of(at + hours + 1, end) == 2;
}

/* 2024-01-05, 5.1.2024, 01/05/24, 05-Jan-2024, and with a time after it. */
static bool is_date(const char *at, const char *end)
{
    const size_t first = digits_of(at, end);
    const char mark = at + first < end ? at[first] : '\0';
    if (first < 1 || first > 4 || mark == '\0' || strchr("-/.", mark) == NULL) return false;
    at += first + 1;
    size_t middle = digits_of(at, end);
    if (middle == 0)
        while (middle < 3 && at + middle < end && isalpha((unsigned char)at[middle])) middle++;
    if (middle < 1 || middle > 3 || at + middle >= end || at[middle] != mark) return false;
    at += middle + 1;
    const size_t last = digits_of(at, end);
    if (first != 4 && last != 4 && (first > 2 || last != 2)) return false;
    return last >= 1 && (at + last == end || at[last] == 'T' || at[last] == ' ');
}

const trb__oddity *trb__field_oddity(const trb__field *f)
{
    const char *end = f->at + f->n;
    if (f->n == 0) return NULL;
    if (is_infinite(f->at, f->n)) return &infinite;
    if (end[-1] == '%' && is_amount(f->at, f->n - 1)) return &percent;
    if (is_money(f->at, f->n)) return &money;
    if (is_date(f->at, end) || is_time(f->at, end)) return &date;
    return trb__field_grouped(f) ? &thousands : NULL;
}
