/* Builds texts piece by piece (trb_text of text.h): plain, as JSON numbers, as JSON strings. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

trb_text trb_text_in(char *room, size_t bytes)
{
    room[0] = '\0';
    return (trb_text){.at = room, .room = bytes, .fixed = true};
}

/* Make room for `more` bytes and the zero byte. */
static trb_status grow(trb_text *t, size_t more)
{
    char *at = NULL;
    const size_t need = t->n + more + 1, twice = 2 * t->room, room = need > twice ? need : twice;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, 1, &at));
    if (t->n > 0) memcpy(at, t->at, t->n);
    trb_free(t->at);
    t->at = at;
    t->room = room;
    return TRB_OK;
}

static void add(trb_text *t, const char *fmt, va_list args)
{
    va_list again;
    if (t->st != TRB_OK) return;
    va_copy(again, args);
    const int printed = vsnprintf(t->at == NULL ? NULL : t->at + t->n, t->room - t->n, fmt, args);
    const size_t n = printed < 0 ? 0 : (size_t)printed;
    if (printed < 0) {
        t->st = trb_fail(TRB_EINTERNAL, "a text of 2 GiB or more in one piece");
    } else if (t->n + n < t->room) {
        t->n += n;
    } else if (t->fixed) {
        t->n = t->room - 1;
        memcpy(t->at + t->room - 4, "...", 4);
    } else if ((t->st = grow(t, n)) == TRB_OK) {
        (void)vsnprintf(t->at + t->n, t->room - t->n, fmt, again);
        t->n += n;
    }
    va_end(again);
}

void trb_text_add(trb_text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(t, fmt, args);
    va_end(args);
}

void trb_text_number(trb_text *t, double value)
{
    char text[TRB_NUMBER_BYTES] = "null";
    if (isfinite(value)) trb_number_print(value, text);
    trb_text_add(t, "%s", text);
}

void trb_text_quoted(trb_text *t, const char *text)
{
    trb_text_add(t, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            trb_text_add(t, "\\%c", *p);
        else if (*p == '\n')
            trb_text_add(t, "\\n");
        else if ((unsigned char)*p < 0x20)
            trb_text_add(t, "\\u%04x", (unsigned)*p);
        else
            trb_text_add(t, "%c", *p);
    }
    trb_text_add(t, "\"");
}

trb_status trb_text_take(trb_text *t, char **out)
{
    trb_text_add(t, "%s", ""); /* so that a text without a piece is "" and not NULL */
    const trb_status st = t->st;
    if (st == TRB_OK) {
        *out = t->at;
        t->at = NULL;
    }
    trb_text_clear(t);
    return st;
}

void trb_text_clear(trb_text *t)
{
    trb_free(t->at);
    *t = (trb_text){0};
}

trb_status trb_text_of(char **out, const char *fmt, ...)
{
    trb_text t = {0};
    va_list args;
    va_start(args, fmt);
    add(&t, fmt, args);
    va_end(args);
    return trb_text_take(&t, out);
}
