/* A table's file that is read piece by piece, so that it may be larger than the memory. A piece is made of whole lines:
 *
 *   raw     bytes as they are in the file, up to a place at which no character and no pair of CR and LF is cut
 *   bytes   the same as UTF-8: the lines of this piece, then a line that is not whole, which begins the next piece
 *
 * A text is the same whether it is read whole or in pieces, but for one thing: whether bytes are UTF-8 or Latin-1 is
 * decided by the first piece that is not ASCII. A later piece that contradicts UTF-8 is refused. */
#include "table.h"

#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/text.h"

enum { PIECE = 1 << 20, LINES = 128, ENOUGH = 1 << 24, LONGEST = 1 << 26 };

/* The bytes of `raw` that can be converted: not a part of a character, nor a CR whose LF may follow. */
static size_t usable(const trb__window *w)
{
    const uint8_t *at = w->raw.at;
    size_t n = w->raw.n;
    if (w->ended) return n;
    if (w->as != TRB__UTF16) {
        while (n > 0 && at[n - 1] != '\n' && !(at[n - 1] == '\r' && n < w->raw.n)) n--;
        return n;
    }
    n -= n % 2;
    const bool big = at[0] == 0xfe;
    const unsigned unit = n < 2 ? 0U
                          : big ? (unsigned)at[n - 2] << 8 | at[n - 1]
                                : (unsigned)at[n - 1] << 8 | at[n - 2];
    return n > w->mark && ((unit >= 0xd800 && unit < 0xdc00) || unit == '\r') ? n - 2 : n;
}

/* Convert the first bytes of `raw`, and add them to the table's. UTF-16 is converted with its mark in front. */
static trb_status convert(trb__window *w)
{
    trb__bytes piece = {NULL, 0, 0};
    const size_t n = usable(w);
    trb_status st = TRB_OK;
    if (n <= w->mark && !w->ended) return TRB_OK;
    TRB_TRY(trb__bytes_room(&piece, n + 1));
    memcpy(piece.at, w->raw.at, n);
    piece.n = n;
    w->raw.n -= n - w->mark;
    memmove(w->raw.at + w->mark, w->raw.at + n, w->raw.n - w->mark);
    TRB_GO(trb__text_convert(w->table.path, &piece, &w->as));
    TRB_GO(trb__bytes_room(&w->table.bytes, piece.n + 1));
    memcpy(w->table.bytes.at + w->table.bytes.n, piece.at, piece.n + 1);
    w->table.bytes.n += piece.n;
done:
    trb_free(piece.at);
    return st;
}

/* Read more of the file, and convert it. */
static trb_status read_more(trb__window *w)
{
    size_t got = 0;
    TRB_TRY(trb__bytes_room(&w->raw, PIECE));
    TRB_TRY(trb__source_some(&w->source, PIECE, w->raw.at + w->raw.n, &got));
    w->raw.n += got;
    w->ended = got < PIECE;
    if (w->raw.n + w->table.bytes.n > LONGEST && !w->ended)
        return trb_fail(TRB_EINPUT,
                        "%s: a line is longer than %d MiB; is there a quote that begins a field and no quote that ends "
                        "it?",
                        w->table.path, LONGEST >> 20);
    return convert(w);
}

/* Let the table show the lines that are whole. */
static void show(trb__window *w, size_t mark)
{
    trb__table *t = &w->table;
    t->at = (const char *)t->bytes.at + mark;
    t->end = (const char *)t->bytes.at + t->bytes.n;
    t->quotes = t->bytes.n > 0 && memchr(t->bytes.at, '"', t->bytes.n) != NULL;
}

static void cut(trb__window *w)
{
    trb__table *t = &w->table;
    if (!w->ended) t->end = trb__text_whole(t);
    w->text_n = (size_t)(t->end - (const char *)t->bytes.at);
}

static size_t lines_of(const trb__bytes *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n && n < LINES; i++) n += b->at[i] == '\n';
    return n;
}

trb_status trb__window_open(const char *path, char by, trb__window *w)
{
    size_t n = 0;
    *w = (trb__window){.table = {.path = path, .chosen = by != '\0'}};
    TRB_TRY(trb__source_open(path, &w->source));
    const uint8_t *head = trb__source_head(&w->source, &n);
    TRB_TRY(trb__expect_table(path, head, n));
    w->as = trb_text_is_utf16(head, n) ? TRB__UTF16 : TRB__ASCII;
    w->mark = w->as == TRB__UTF16 ? 2 : 0;
    do {
        TRB_TRY(read_more(w));
        n = lines_of(&w->table.bytes);
    } while (!w->ended && n < (w->table.bytes.n < ENOUGH ? LINES : 3));
    show(w, w->table.bytes.n >= 3 && memcmp(w->table.bytes.at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    w->table.separator = by != '\0' ? by : trb__text_separator(&w->table);
    cut(w);
    return trb__text_closed(&w->table, 0);
}

trb_status trb__window_next(trb__window *w, trb__cursor *c, bool *more)
{
    trb__table *t = &w->table;
    t->bytes.n -= w->text_n;
    memmove(t->bytes.at, t->bytes.at + w->text_n, t->bytes.n);
    w->text_n = 0;
    *more = false;
    do {
        if (!w->ended) TRB_TRY(read_more(w));
        show(w, 0);
        cut(w);
    } while (w->text_n == 0 && !w->ended);
    *more = w->text_n > 0;
    c->next = t->at;
    return trb__text_closed(t, c->line + c->more);
}

void trb__window_close(trb__window *w)
{
    trb__source_close(&w->source);
    trb_free(w->raw.at);
    trb__table_close(&w->table);
    *w = (trb__window){0};
}
