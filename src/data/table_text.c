/* A table's file as lines and fields. What files differ in (encoding, line ends, marks) is made one when the file is
 * opened, so that the cursor, through which every field goes twice, stays simple. */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tribikos/alive.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

/* ---- one text */

static trb_status from_utf16(const char *path, trb__bytes *text)
{
    bool whole = true;
    trb__bytes to = {NULL, 0, 0};
    TRB_TRY(trb__bytes_room(&to, text->n / 2 * 3 + 1));
    to.n = trb_text_from_utf16(text->at, text->n, (char *)to.at, &whole);
    trb_free(text->at);
    *text = to;
    if (whole) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: begins as UTF-16, but is not all of it; save it as UTF-8", path);
}

/* The first byte at or after `at` that is not ASCII, or `end`. Nearly all texts are ASCII, so this goes eight bytes at
 * a time. */
static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
    uint64_t eight = 0;
    for (; end - at >= 8; at += 8) {
        memcpy(&eight, at, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0) break;
    }
    while (at < end && *at < 0x80) at++;
    return at;
}

static bool is_utf8(const uint8_t *at, const uint8_t *end)
{
    while ((at = skip_ascii(at, end)) < end) {
        const int more = *at >= 0xc2 && *at < 0xe0 ? 1 : (*at & 0xf0) == 0xe0 ? 2 : *at >= 0xf0 && *at < 0xf5 ? 3 : 0;
        if (more == 0 || end - at <= more) return false;
        for (int i = 1; i <= more; i++)
            if ((at[i] & 0xc0) != 0x80) return false;
        at += more + 1;
    }
    return true;
}

/* Bytes that are not UTF-8 are Latin-1, in which a byte is a character. */
static trb_status from_latin1(trb__bytes *text)
{
    trb__bytes to = {NULL, 0, 0};
    size_t high = 0;
    for (size_t i = 0; i < text->n; i++) high += text->at[i] >= 0x80;
    TRB_TRY(trb__bytes_room(&to, text->n + high + 1));
    for (size_t i = 0; i < text->n; i++) {
        const uint8_t code = text->at[i];
        if (code >= 0x80) to.at[to.n++] = (uint8_t)(0xc0 | code >> 6);
        to.at[to.n++] = code < 0x80 ? code : (uint8_t)(0x80 | (code & 0x3f));
    }
    trb_free(text->at);
    *text = to;
    return TRB_OK;
}

/* A carriage return that no line feed follows ends a line, too. */
static void end_lines(trb__bytes *text)
{
    uint8_t *at = text->at, *const end = text->at + text->n;
    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
        if (at + 1 == end || at[1] != '\n') *at = '\n';
        at++;
    }
}

/* Where a file is read piece by piece, its first character that is not ASCII decides for the rest. */
static trb_status to_utf8(const char *path, trb__bytes *text, trb__encoding *as)
{
    const uint8_t *end = text->at + text->n;
    if (skip_ascii(text->at, end) == end) return TRB_OK;
    const bool good = is_utf8(text->at, end);
    if (*as == TRB__ASCII) *as = good ? TRB__UTF8 : TRB__LATIN1;
    if (*as == TRB__LATIN1) return from_latin1(text);
    if (good || *as == TRB__UTF16) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: begins as UTF-8, but is not all of it; save it as UTF-8", path);
}

trb_status trb__text_convert(const char *path, trb__bytes *text, trb__encoding *as)
{
    if (*as == TRB__UTF16) TRB_TRY(from_utf16(path, text));
    const uint8_t *zero = text->n > 0 ? memchr(text->at, '\0', text->n) : NULL;
    if (zero != NULL)
        return trb_fail(TRB_EINPUT,
                        "%s: expected a table of text, got a binary file (byte %zu is zero); see `data.format`", path,
                        (size_t)(zero - text->at));
    TRB_TRY(to_utf8(path, text, as));
    TRB_TRY(trb__bytes_room(text, 1));
    text->at[text->n] = '\0';
    end_lines(text);
    return TRB_OK;
}

static trb_status read_text(const char *path, trb__bytes *text)
{
    trb_status st = TRB_OK;
    trb__source s = {0};
    TRB_TRY(trb__source_open(path, &s));
    TRB_GO(trb__source_append_all(&s, text));
    TRB_GO(trb__expect_table(path, text->at, text->n < TRB__HEAD ? text->n : TRB__HEAD));
    trb__encoding as = trb_text_is_utf16(text->at, text->n) ? TRB__UTF16 : TRB__ASCII;
    st = trb__text_convert(path, text, &as);
done:
    trb__source_close(&s);
    return st;
}

/* ---- lines and fields */

/* With tabs between fields, a tab is no blank: an empty field lies between two of them. */
static bool is_blank(char ch, char by)
{
    return ch == ' ' || ch == '\r' || (ch == '\t' && by != '\t');
}

static bool separates(char ch, char by)
{
    return by == ' ' ? is_blank(ch, by) : ch == by;
}

/* Where the quoted text that begins after `at`, a quote, ends: at a quote that no second one follows. NULL: nowhere */
static const char *closing(const char *at, const char *end)
{
    while (++at < end)
        if (*at == '"') {
            if (at + 1 == end || at[1] != '"') return at;
            at++;
        }
    return NULL;
}

/* The line feed that ends the line at `at`, or the end of the text. Line feeds between quotes end no line. Only at the
 * beginning of a field do quotes open a text. \param[out] open  set if such a text does not end */
static const char *find_line_end(const trb__table *t, const char *at, bool *open)
{
    const char *end = t->end, *feed = memchr(at, '\n', (size_t)(end - at));
    if (feed == NULL) feed = end;
    for (bool fresh = true; t->quotes && at < feed; at++) {
        if (*at == '"' && fresh) {
            const char *close = closing(at, end);
            *open = *open || close == NULL;
            if (close == NULL) return feed;
            at = close;
            if (close > feed && (feed = memchr(close, '\n', (size_t)(end - close))) == NULL) feed = end;
        }
        fresh = *at == ' ' || *at == '\t' || *at == (t->separator != '\0' ? t->separator : ',');
    }
    return feed;
}

/* The field that begins at `at`. Where quotes do not enclose all of it, they are part of it. */
static void take_field(trb__cursor *c, const char *at)
{
    const char *to = at, *end = c->line_end;
    if (at < end && *at == '"') {
        const char *close = closing(at, end), *after = close != NULL ? close + 1 : at;
        while (close != NULL && c->by != ' ' && after < end && is_blank(*after, c->by)) after++;
        if (close != NULL && (after == end || separates(*after, c->by))) {
            c->field = (trb__field){at + 1, (size_t)(close - at - 1), true};
            c->rest = after;
            return;
        }
    }
    const char by = c->by; /* two loops, so that each is simple */
    if (by == ' ')
        while (to < end && !is_blank(*to, by)) to++;
    else
        while (to < end && *to != by) to++;
    c->rest = to;
    while (to > at && is_blank(to[-1], c->by)) to--;
    c->field = (trb__field){at, (size_t)(to - at), false};
}

static size_t feeds_in(const char *at, const char *end)
{
    size_t n = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) n++, at++;
    return n;
}

trb__cursor trb__table_begin(const trb__table *t)
{
    return (trb__cursor){.of = t, .next = t->at};
}

/* Move to the next line that counts, without looking at its fields. \return where it begins; NULL at the end */
static const char *find_line(trb__cursor *c)
{
    const char by = c->of->separator;
    bool open = false;
    while (c->next < c->of->end) {
        const char *at = c->next;
        c->line_end = find_line_end(c->of, at, &open);
        c->next = c->line_end < c->of->end ? c->line_end + 1 : c->of->end;
        c->line += 1 + c->more;
        c->more = c->of->quotes ? feeds_in(at, c->line_end) : 0;
        while (at < c->line_end && is_blank(*at, by)) at++;
        while (c->line_end > at && is_blank(c->line_end[-1], by)) c->line_end--;
        if (at == c->line_end) continue;
        if (*at == '#') {
            c->comments += c->rows > 0;
            if (c->rows == 0) c->comment = at;
            continue;
        }
        trb_alive_at(c->rows++);
        return at;
    }
    return NULL;
}

bool trb__next_line(trb__cursor *c)
{
    const char *at = find_line(c);
    if (at == NULL) return false;
    c->by = c->of->separator;
    if (c->by == '\0') c->by = memchr(at, ',', (size_t)(c->line_end - at)) != NULL ? ',' : ' ';
    c->column = 0;
    take_field(c, at);
    return true;
}

bool trb__next_field(trb__cursor *c)
{
    const char *at = c->rest;
    if (c->by != ' ') {
        if (at == c->line_end) return false;
        at++;
    }
    while (at < c->line_end && is_blank(*at, c->by)) at++;
    if (c->by == ' ' && at == c->line_end) return false;
    c->column++;
    take_field(c, at);
    return true;
}

size_t trb__table_lines(const trb__table *t)
{
    trb__cursor c = trb__table_begin(t);
    while (find_line(&c) != NULL) continue;
    return c.rows;
}

/* ---- fields */

static size_t digits_at(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    return (size_t)(at - from);
}

/* Where the digits, in groups of three after the first group, end; `at` if they are not so grouped. */
static const char *grouped(const char *at, const char *end, char mark)
{
    const size_t n = digits_at(at, end);
    const char *to = at + n;
    if (n < 1 || n > 3 || *at == '0') return at;
    while (to < end && *to == mark && digits_at(to + 1, end) == 3) to += 4;
    return to - at > 3 ? to : at;
}

/* After the sign. */
static const char *unsigned_part(const trb__field *f)
{
    return f->n > 0 && (*f->at == '-' || *f->at == '+') ? f->at + 1 : f->at;
}

bool trb__field_grouped(const trb__field *f)
{
    static const char marks[] = ",.' ";
    const char *at = unsigned_part(f), *end = f->at + f->n;
    for (size_t i = 0; i + 1 < sizeof marks; i++) {
        const char *to = grouped(at, end, marks[i]);
        if (to == at) continue;
        if (to == end) return true;
        return (*to == '.' || *to == ',') && to + 1 + digits_at(to + 1, end) == end;
    }
    return false;
}

char trb__field_separator(const trb__cursor *c)
{
    static const char all[] = ";|\t";
    const trb__field *f = &c->field;
    const char *end = f->at + f->n;
    double value = 0.0;
    if (f->quoted || c->of->chosen || (c->by != ',' && c->by != ' ')) return '\0';
    for (size_t i = 0; i + 1 < sizeof all; i++) {
        const char *first = memchr(f->at, all[i], f->n), *last = first;
        if (first == NULL) continue;
        for (const char *at = first; at < end; at++)
            if (*at == all[i]) last = at + 1;
        if (trb_number_read(f->at, (size_t)(first - f->at), &value) ||
            trb_number_read(last, (size_t)(end - last), &value))
            return all[i];
    }
    return '\0';
}

bool trb__field_number(trb__cursor *c, double *value)
{
    enum { LONGEST = 64 };
    const trb__field *f = &c->field;
    const char by = c->of->separator;
    const bool plain = by == '\0' || by == ',' || by == ' ';
    const char *comma = plain ? NULL : memchr(f->at, ',', f->n);
    char text[LONGEST];
    if (comma == NULL) {
        if (!trb_number_read(f->at, f->n, value)) return false;
        if (!plain && memchr(f->at, '.', f->n) != NULL) c->points = c->points > 0 ? c->points : c->line;
        return true;
    }
    if (f->n >= LONGEST || comma + 1 == f->at + f->n || memchr(f->at, '.', f->n) != NULL) return false;
    memcpy(text, f->at, f->n);
    text[f->n] = '\0';
    text[comma - f->at] = '.';
    if (!trb_number_read(text, f->n, value)) return false;
    if (c->commas == 0) c->commas = c->line;
    if (c->decimals == 0 && grouped(unsigned_part(f), f->at + f->n, ',') != f->at + f->n) c->decimals = c->line;
    return true;
}

bool trb__field_missing(const trb__field *f, bool word)
{
    static const char *const texts[] = {"", "nan", "NA", "N/A", "null", "<NA>", "?", "none", "-", "."};
    const size_t n = word ? 7 : sizeof texts / sizeof *texts;
    if (word && f->quoted) return f->n == 0;
    for (size_t i = 0; f->n <= 4 && i < n; i++)
        if (strlen(texts[i]) == f->n && strncasecmp(texts[i], f->at, f->n) == 0) return true;
    return false;
}

bool trb__field_word(const trb__field *f, char word[TRB__WORD_BYTES])
{
    size_t n = 0;
    if (f->n >= TRB__WORD_BYTES) return false;
    for (size_t i = 0; i < f->n; i++) {
        word[n++] = f->at[i];
        if (f->quoted && f->at[i] == '"') i++; /* two quotes stand for one */
    }
    word[n] = '\0';
    return true;
}

bool trb__field_label(const trb__field *f, char word[TRB__WORD_BYTES])
{
    double value = 0.0;
    if (!trb_number_read(f->at, f->n, &value) || value != floor(value) || fabs(value) > 0x1p53)
        return trb__field_word(f, word);
    (void)snprintf(word, TRB__WORD_BYTES, "%.0f", value + 0.0); /* -0 is 0 */
    return true;
}

const char *trb__field_shown(const trb__field *f, char text[48])
{
    size_t n = 0;
    if (f->n == 0) return "nothing";
    text[n++] = '`';
    for (; n <= f->n && n <= 40; n++) text[n] = f->at[n - 1];
    (void)strcpy(text + n, f->n > 40 ? "...`" : "`");
    return text;
}

bool trb__read_index(const char *text, const char *end, const char **rest, size_t *value)
{
    size_t v = 0;
    const char *at = text;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (size_t)(*at - '0'), &v)) return false;
    *rest = at;
    *value = v;
    return at > text;
}

/* ---- what separates fields */

/* Whether the text of a field is one value: it has no separator in it, and no blank between two numbers. */
static bool is_one_value(const trb__cursor *c, char by)
{
    static const char all[] = ",;|\t";
    const trb__field *f = &c->field;
    double value = 0.0;
    trb__cursor copy = *c;
    if (f->quoted || trb__field_number(&copy, &value)) return true;
    for (size_t i = 0; i < f->n; i++)
        if (memchr(all, f->at[i], sizeof all - 1) != NULL) return false;
    return by == ' ' || f->n == 0 || memchr(f->at, ' ', f->n) == NULL ||
           strspn(f->at, "0123456789+-.eE ") <
               f->n; /* f->n is within the text, so the count stops at its end or after */
}

/* Whether the second line, or a single one, looks as if this character separated its fields. Without `values`: whether
 * both lines have as many fields. Tabs may be there to align
 * columns; then several stand between two fields, and the lines differ. */
static bool fits(trb__table t, char separator, bool values)
{
    size_t columns[2] = {0, 0}, empty = 0, line = 0;
    bool good = true;
    t.separator = separator;
    trb__cursor c = trb__table_begin(&t);
    for (; line < 2 && trb__next_line(&c); line++) {
        good = true;
        do {
            good = good && (!values || is_one_value(&c, c.by));
            empty += line == 0 && c.field.n == 0;
            columns[line]++;
        } while (trb__next_field(&c));
    }
    if (line == 0 || columns[line - 1] < 2 || !good) return false;
    if (!values) return columns[0] == columns[line - 1];
    if (separator != '\t' || line == 1) return empty == 0 || separator != '\t';
    return empty == 0 && (columns[0] == columns[1] || columns[0] + 1 == columns[1]);
}

char trb__text_separator(const trb__table *t)
{
    static const char order[] = {'\t', '\0', ';', '|'};
    for (size_t i = 0; i < 2 * sizeof order; i++)
        if (fits(*t, order[i % sizeof order], i < sizeof order)) return order[i % sizeof order];
    return '\0';
}

trb_status trb__expect_separator(const trb__table *t)
{
    static const struct {
        char by;
        const char *name;
    } known[] = {{',', "a comma"}, {';', "a semicolon"}, {'|', "a vertical bar"}, {'\t', "a tab"}, {' ', "a blank"}};
    const size_t n = sizeof known / sizeof *known;
    size_t own = 0, other = n;
    trb__cursor c = trb__table_begin(t);
    if (!t->chosen || !trb__next_line(&c) || trb__next_field(&c)) return TRB_OK;
    while (own < n && known[own].by != t->separator) own++;
    for (size_t i = 0; other == n && i < 2 * n; i++)
        if (fits(*t, known[i % n].by, i < n)) other = i % n;
    const bool found = other < n;
    return trb_fail(
        TRB_EINPUT, "%s:%zu: `data.separator` says that %s separates fields, but the first row has none; %s%s", t->path,
        c.line, own < n ? known[own].name : "another character", found ? known[other].name : "no other character",
        found ? " seems to separate them; leave `data.separator` out" : " seems to do so, either");
}

/* A text between quotes that does not end would take the rest of the file with it. */
trb_status trb__text_closed(const trb__table *t, size_t line)
{
    trb__cursor c = trb__table_begin(t);
    c.line = line;
    while (t->quotes && trb__next_line(&c)) do
            if (c.field.n > 0 && !c.field.quoted && *c.field.at == '"' && closing(c.field.at, t->end) == NULL)
                return trb_fail(TRB_EINPUT, "%s:%zu: column %zu: a field begins with a quote, but no quote ends it",
                                t->path, c.line, c.column);
        while (trb__next_field(&c));
    return TRB_OK;
}

bool trb_data_separator(const char *text, char *by)
{
    static const struct {
        const char *text;
        char by;
    } known[] = {{"auto", '\0'}, {",", ','}, {";", ';'}, {"|", '|'}, {"tab", '\t'}, {"\t", '\t'}, {"blank", ' '}};
    size_t i = 0;
    const size_t n = sizeof known / sizeof *known;
    while (i < n && strcmp(known[i].text, text) != 0) i++;
    if (i < n) *by = known[i].by;
    return i < n;
}

const char *trb__text_whole(const trb__table *t)
{
    const char *at = t->at, *feed = NULL;
    bool open = false;
    if (!t->quotes) {
        feed = t->end > at ? memrchr(at, '\n', (size_t)(t->end - at)) : NULL;
        return feed == NULL ? at : feed + 1;
    }
    while (at < t->end && (feed = find_line_end(t, at, &open)) < t->end && !open) at = feed + 1;
    return at;
}

trb_status trb__table_open(const char *path, char by, trb__table *t)
{
    static const char mark[] = "\xef\xbb\xbf"; /* the byte order mark that some programs write before UTF-8 */
    *t = (trb__table){.path = path, .chosen = by != '\0'};
    TRB_TRY(read_text(path, &t->bytes));
    const char *at = (const char *)t->bytes.at;
    t->at = at + (strncmp(at, mark, 3) == 0 ? 3 : 0);
    t->end = at + t->bytes.n;
    t->quotes = memchr(t->at, '"', (size_t)(t->end - t->at)) != NULL;
    t->separator = t->chosen ? by : trb__text_separator(t);
    return trb__text_closed(t, 0);
}

void trb__table_close(trb__table *t)
{
    trb_free(t->bytes.at);
    *t = (trb__table){0};
}
