/* Reader of tables: one row of numbers in each line, as in CSV files and the UCI collection. It walks over the text
 * twice: once to count rows and columns, so that every size is known before memory is reserved, and once to read the
 * values. The values then take at most twice the memory of the text, since each one needs a character and a
 * separator. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

/* A position in a text. It moves from one line that is not blank to the next, and from field to field in a line. */
typedef struct {
    const char *path;
    const char *next, *end; /* the next line, the end of the text; a zero byte follows the text */
    size_t line;            /* from 1 */
    const char *field, *line_end;
    size_t n, column; /* the field's length in bytes, and its number from 0 */
    bool commas;      /* this line has commas, so blanks do not separate its fields */
} cursor;

static trb_status read_text(const char *path, trb__bytes *text)
{
    trb_status st = TRB_OK;
    trb__source s = {NULL, NULL, 0, false};
    TRB_TRY(trb__source_open(path, &s));
    TRB_GO(trb__source_append_all(&s, text));
    TRB_GO(trb__bytes_room(text, 1));
    text->at[text->n] = '\0';
done:
    trb__source_close(&s);
    return st;
}

static cursor begin(const char *path, const trb__bytes *text)
{
    static const char mark[] = "\xef\xbb\xbf"; /* the byte order mark that some programs write before UTF-8 */
    const char *at = (const char *)text->at;
    const size_t skip = strncmp(at, mark, 3) == 0 ? 3 : 0;
    return (cursor){.path = path, .next = at + skip, .end = at + text->n};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Remove the blanks at both ends of [from, to). */
static void trim(const char **from, const char **to)
{
    while (*from < *to && is_blank(**from)) ++*from;
    while (*from < *to && is_blank((*to)[-1])) --*to;
}

/* The field that begins at `at`. */
static void take_field(cursor *c, const char *at)
{
    const char *to = at;
    if (c->commas) {
        while (to < c->line_end && *to != ',') to++;
        const char *rest = to;
        trim(&at, &rest);
        c->n = (size_t)(rest - at);
    } else {
        while (to < c->line_end && !is_blank(*to)) to++;
        c->n = (size_t)(to - at);
    }
    c->field = at;
}

/* Move to the first field of the next line that is not blank. \return false at the end of the text */
static bool next_line(cursor *c)
{
    while (c->next < c->end) {
        const char *at = c->next, *newline = memchr(at, '\n', (size_t)(c->end - at));
        c->line_end = newline != NULL ? newline : c->end;
        c->next = newline != NULL ? newline + 1 : c->end;
        trb_alive_at(c->line++);
        trim(&at, &c->line_end);
        if (at == c->line_end) continue;
        c->commas = memchr(at, ',', (size_t)(c->line_end - at)) != NULL;
        c->column = 0;
        take_field(c, at);
        return true;
    }
    return false;
}

/* Move to the next field of the line. \return false if the current field is the last one */
static bool next_field(cursor *c)
{
    const char *at = c->field + c->n;
    while (at < c->line_end && is_blank(*at)) at++;
    if (at == c->line_end) return false;
    if (c->commas) at++;
    c->column++;
    take_field(c, at);
    return true;
}

/* A field as a message shows it. */
static const char *shown(const cursor *c, char text[48])
{
    size_t n = 0;
    if (c->n == 0) return "nothing";
    text[n++] = '`';
    for (; n <= c->n && n <= 40; n++) text[n] = c->field[n - 1] < ' ' || c->field[n - 1] > '~' ? '?' : c->field[n - 1];
    (void)strcpy(text + n, c->n > 40 ? "...`" : "`");
    return text;
}

/* Reads digits as an index. \param[out] rest  where the digits end */
static bool read_index(const char *text, const char *end, const char **rest, size_t *value)
{
    size_t v = 0;
    const char *at = text;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (size_t)(*at - '0'), &v)) return false;
    *rest = at;
    *value = v;
    return at > text;
}

/* Which of `limit` rows or columns are wanted, and in which order. None is wanted twice. */
typedef struct {
    size_t limit, n;
    size_t *place; /* [limit] 1 + its position among the wanted ones; 0: not wanted */
} choice;

static trb_status choose(choice *c, trb_status st, const char *where, const char *what, size_t i)
{
    if (i >= c->limit) return trb_fail(st, "%s: expected %ss from 0 to %zu, got %zu", where, what, c->limit - 1, i);
    if (c->place[i] != 0) return trb_fail(st, "%s: %s %zu is listed twice", where, what, i);
    c->place[i] = ++c->n;
    return TRB_OK;
}

/* Choose the numbers that a file lists. A line may have any number of them. */
static trb_status choose_listed(const char *root, const char *name, const char *what, choice *wanted)
{
    trb_status st = TRB_OK;
    trb__bytes text = {NULL, 0, 0};
    char *path = NULL, *where = NULL, got[48];
    TRB_GO(trb__data_path(root, name, &path));
    TRB_GO(read_text(path, &text));
    const size_t room = strlen(path) + 24, before = wanted->n;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, room, 1, &where));
    cursor c = begin(path, &text);
    while (next_line(&c)) {
        (void)snprintf(where, room, "%s:%zu", path, c.line);
        do {
            const char *rest = NULL;
            size_t i = 0;
            if (!read_index(c.field, c.field + c.n, &rest, &i) || rest != c.field + c.n)
                TRB_GO(trb_fail(TRB_EINPUT, "%s: column %zu: expected a %s, a whole number from 0 to %zu, got %s",
                                where, c.column, what, wanted->limit - 1, shown(&c, got)));
            TRB_GO(choose(wanted, TRB_EINPUT, where, what, i));
        } while (next_field(&c));
    }
    if (wanted->n == before) st = trb_fail(TRB_EINPUT, "%s: expected numbers of %ss, got none", path, what);
done:
    trb_free(where);
    trb_free(path);
    trb_free(text.at);
    return st;
}

/* Choose what an entry of a key names: a column (3), a range of columns (0-7), or a file that lists columns. */
static trb_status choose_entry(const char *key, const char *root, const char *entry, choice *wanted)
{
    const char *end = entry + strlen(entry), *at = NULL;
    size_t first = 0, last = 0;
    if (!read_index(entry, end, &at, &first)) return choose_listed(root, entry, "column", wanted);
    last = first;
    if (at < end && *at == '-' && !read_index(at + 1, end, &at, &last)) at = entry;
    if (at < end) return choose_listed(root, entry, "column", wanted);
    if (last < first || last >= wanted->limit)
        return trb_fail(TRB_ECONFIG, "%s: expected columns from 0 to %zu, as the table has them, got %s", key,
                        wanted->limit - 1, entry);
    for (size_t i = first; i <= last; i++) TRB_TRY(choose(wanted, TRB_ECONFIG, key, "column", i));
    return TRB_OK;
}

typedef struct {
    size_t rows, columns;
    bool header;
    choice feature, row; /* row.place NULL: all */
    size_t target;
} table;

/* Count rows and columns. */
static trb_status measure(cursor c, table *t)
{
    size_t first = 0;
    while (next_line(&c)) {
        size_t numbers = 0;
        double value = 0.0;
        const bool top = first == 0;
        do numbers += top && trb_number_read(c.field, c.n, &value);
        while (next_field(&c));
        if (top) first = c.line;
        /* A first line without any number is a header. It may have another number of fields than the rows. */
        if (top && numbers == 0) {
            t->header = true;
            continue;
        }
        if (t->rows == 0) t->columns = c.column + 1;
        if (c.column + 1 != t->columns)
            return trb_fail(TRB_EINPUT, "%s:%zu: expected %zu columns, as in the rows before, got %zu", c.path, c.line,
                            t->columns, c.column + 1);
        t->rows++;
    }
    if (t->rows == 0) return trb_fail(TRB_EINPUT, "%s: expected rows of numbers, got none", c.path);
    if (t->columns < 2)
        return trb_fail(TRB_EINPUT,
                        "%s: expected at least 2 columns, inputs and a target, got 1; commas or blanks separate them",
                        c.path);
    return TRB_OK;
}

static trb_status choose_columns(const trb_data_files *f, table *t)
{
    choice target = {.limit = t->columns};
    TRB_TRY(trb_alloc(TRB_MEM_DATA, t->columns, sizeof *target.place, &target.place));
    trb_status st = f->target == NULL || f->target[0] == '\0'
                        ? choose(&target, TRB_ECONFIG, "data.target", "column", t->columns - 1)
                        : choose_entry("data.target", f->root, f->target, &target);
    if (st == TRB_OK && target.n != 1)
        st = trb_fail(TRB_ECONFIG, "data.target: expected one column, got %zu", target.n);
    for (size_t i = 0; st == TRB_OK && i < t->columns; i++)
        if (target.place[i] != 0) t->target = i;
    trb_free(target.place);
    TRB_TRY(st);

    t->feature.limit = t->columns;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, t->columns, sizeof *t->feature.place, &t->feature.place));
    for (size_t i = 0; i < f->n_features; i++)
        TRB_TRY(choose_entry("data.features", f->root, f->features[i], &t->feature));
    for (size_t i = 0; f->n_features == 0 && i < t->columns; i++)
        if (i != t->target) t->feature.place[i] = ++t->feature.n;
    if (t->feature.place[t->target] != 0)
        return trb_fail(TRB_ECONFIG, "data.features: column %zu is the target (`data.target`), and no input",
                        t->target);
    return TRB_OK;
}

/* Convert the field to a label or to a float, which is an input or a target. */
static trb_status read_value(const cursor *c, bool label, void *out)
{
    char got[48];
    double value = 0.0;
    const bool number = trb_number_read(c->field, c->n, &value);
    if (label && (!number || value < 0.0 || value >= TRB_LOSS_K_MAX || value != floor(value)))
        return trb_fail(TRB_EINPUT, "%s:%zu: column %zu: expected a label, a whole number from 0 to %d, got %s",
                        c->path, c->line, c->column, TRB_LOSS_K_MAX - 1, shown(c, got));
    if (!number || !isfinite((float)value))
        return trb_fail(TRB_EINPUT, "%s:%zu: column %zu: expected a number%s, got %s", c->path, c->line, c->column,
                        number ? " that float32 can hold" : "", shown(c, got));
    if (label)
        *(int32_t *)out = (int32_t)value;
    else
        *(float *)out = (float)value;
    return TRB_OK;
}

/* \param[out] x [rows wanted][features]   \param[out] y [rows wanted] */
static trb_status read_values(cursor c, const table *t, bool labels, float *x, int32_t *y)
{
    if (t->header) (void)next_line(&c);
    for (size_t r = 0; r < t->rows; r++) {
        (void)next_line(&c);
        if (t->row.place != NULL && t->row.place[r] == 0) continue;
        const size_t to = t->row.place != NULL ? t->row.place[r] - 1 : r;
        do {
            const size_t feature = t->feature.place[c.column];
            if (feature > 0) TRB_TRY(read_value(&c, false, x + to * t->feature.n + feature - 1));
            if (c.column == t->target) TRB_TRY(read_value(&c, labels, y + to));
        } while (next_field(&c));
    }
    return TRB_OK;
}

trb_status trb__table_read(const trb__unit *u, trb__samples *s)
{
    const trb_data_files *f = u->of;
    const char *path = u->path[0], *rows = u->rows;
    trb_status st = TRB_OK;
    trb__bytes text = {NULL, 0, 0};
    table t = {0};
    TRB_GO(read_text(path, &text));
    const cursor c = begin(path, &text);
    TRB_GO(measure(c, &t));
    TRB_GO(choose_columns(f, &t));
    size_t n = t.rows;
    if (rows != NULL) {
        t.row.limit = t.rows;
        TRB_GO(trb_alloc(TRB_MEM_DATA, t.rows, sizeof *t.row.place, &t.row.place));
        TRB_GO(choose_listed(f->root, rows, "row", &t.row));
        n = t.row.n;
    }
    TRB_GO(trb__samples_expect(s, path, TRB_F32, (trb_shape){t.feature.n, 1, 1}));
    const size_t x_bytes = n * t.feature.n * sizeof(float), y_bytes = n * sizeof(int32_t);
    TRB_GO(trb__bytes_room(&s->x, x_bytes));
    TRB_GO(trb__bytes_room(&s->y, y_bytes));
    TRB_GO(read_values(c, &t, s->task == TRB_TASK_CLASSES, (float *)(void *)(s->x.at + s->x.n),
                       (int32_t *)(void *)(s->y.at + s->y.n)));
    s->x.n += x_bytes;
    s->y.n += y_bytes;
    s->n += n;
done:
    trb_free(t.row.place);
    trb_free(t.feature.place);
    trb_free(text.at);
    return st;
}
