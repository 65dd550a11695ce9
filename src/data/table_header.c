/* Whether a table's first line names its columns. The rules, by what stands above what:
 *
 *   words above numbers                            a header
 *   quoted numbers above numbers without quotes    a header
 *   0, 1, 2, ... above numbers with fractions      a header: pandas writes it for columns without names
 *   other numbers, nothing, or nan                 a row
 *   numbers and words above words                  a row
 *   whole numbers at equal steps, in all columns
 *   or in those that are not above words           unclear, unless as above
 *   words and numbers above numbers                unclear
 *   words above words alone                        unclear
 *
 * A row that is taken for a header is lost, and a header that is taken for a row is a wrong sample. So what is unclear
 * is refused, and data.header decides. */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

enum { LOOK = 100 }; /* rows below the first line that are looked at */

typedef enum { MISSING, NUMBER, WORD } kind;

/* A column: its field in the first line, and what stands below. */
typedef struct {
    kind top;
    double value;
    bool quoted;
    bool numbers, words, fractions;
    bool filled; /* a field is not empty */
} column;

static kind kind_of(trb__cursor *c, double *value)
{
    if (trb__field_number(c, value)) return NUMBER;
    return trb__field_missing(&c->field, false) ? MISSING : WORD;
}

/* \param[out] first,width  fields of the first line, and of the second one; 0: there is none
 * \param[out] column  [larger of the two], released by the caller */
static trb_status look(const trb__table *t, size_t *first, size_t *width, column **out)
{
    trb__cursor c = trb__table_begin(t);
    column *k = NULL;
    *first = *width = 0;
    for (size_t line = 0; line < 2 && trb__next_line(&c); line++) {
        do *(line == 0 ? first : width) += 1;
        while (trb__next_field(&c));
    }
    const size_t n = *first > *width ? *first : *width, shift = *width == *first + 1;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, n, sizeof *k, &k));
    *out = k;
    c = trb__table_begin(t);
    if (!trb__next_line(&c)) return TRB_OK;
    do {
        column *at = &k[c.column + shift];
        at->top = kind_of(&c, &at->value);
        at->quoted = c.field.quoted;
    } while (trb__next_field(&c));
    for (size_t row = 0; row < LOOK && trb__next_line(&c); row++) do {
            double value = 0.0;
            column *at = &k[c.column < n ? c.column : n - 1];
            const kind is = kind_of(&c, &value);
            at->numbers = at->numbers || (is == NUMBER && !c.field.quoted) || (is == NUMBER && at->top == WORD);
            at->fractions = at->fractions || (is == NUMBER && value != floor(value));
            at->words = at->words || is == WORD;
            at->filled = at->filled || c.field.n > 0;
        } while (trb__next_field(&c));
    return TRB_OK;
}

typedef enum { ROW, HEADER, COUNT, UNCLEAR } verdict;

/* For the numbers of a first line; words among them are not looked at. */
static verdict judge_numbers(size_t columns, const column *k)
{
    size_t n = 0, fractions = 0;
    double first = 0.0, last = 0.0, step = 0.0;
    for (size_t i = 0; i < columns; i++) {
        const double by = k[i].value - last;
        if (k[i].top == WORD) continue;
        if (k[i].top != NUMBER || k[i].value != floor(k[i].value)) return ROW;
        if (n == 0) first = k[i].value;
        if (n == 1) step = by;
        if (n > 0 && (!(step > 0.0) || by > step || by < step)) return ROW;
        last = k[i].value;
        n++;
        fractions += k[i].fractions;
    }
    if (n < 2) return ROW;
    const bool from_0 = first < 1.0 && first > -1.0 && step < 2.0;
    if (from_0 && n > 2 && 2 * fractions >= n) return COUNT;
    if (n == 2 && !from_0) return ROW;
    return n < 4 && fractions == 0 ? ROW : UNCLEAR;
}

static verdict judge(size_t n, size_t width, const column *k)
{
    size_t words = 0, numbers = 0, above = 0, quoted = 0;
    for (size_t i = 0; i < n; i++) {
        words += k[i].top == WORD;
        numbers += k[i].top == NUMBER;
        above += k[i].top == WORD && k[i].numbers && !k[i].words;
        quoted += k[i].top == NUMBER && k[i].quoted && k[i].numbers;
    }
    if (width == 0) return numbers == 0 && words > 0 ? HEADER : ROW;
    if (numbers > 0 && quoted == numbers) return HEADER;
    if (numbers == 0 && words > 0) return above > 0 ? HEADER : UNCLEAR;
    if (numbers > 0 && above > 0) return UNCLEAR;
    const verdict counts = judge_numbers(n, k);
    return words == 0 || counts == ROW ? counts : UNCLEAR;
}

/* ---- names */

/* The names in the fields from `c` on. If there is one name fewer than columns, the first column holds the rows' names,
 * as R writes it, and is called "". But if rows end in a separator and the header does not, the last column is.
 * \param[in] empty  the last column has no value in the first rows */
static trb_status read_names(trb__cursor c, size_t width, bool empty, trb__names *names)
{
    char word[TRB__WORD_BYTES];
    trb__cursor count = c;
    while (trb__next_field(&count)) continue;
    const size_t found = count.column + 1, n = width == 0 ? found : width;
    if (found != n && found + 1 != n)
        return trb_fail(
            TRB_EINPUT,
            "%s:%zu: the header has %zu names, but the rows have %zu columns; put # in front of it if it is "
            "no header",
            c.of->path, c.line, found, n);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *names->name, &names->name));
    names->n = n;
    const size_t shift = empty ? 0 : n - found;
    if (found < n) TRB_TRY(trb_strdup("", &names->name[empty ? n - 1 : 0]));
    do {
        if (!trb__field_word(&c.field, word))
            return trb_fail(TRB_EINPUT, "%s:%zu: column %zu: its name is longer than %d bytes", c.of->path, c.line,
                            c.column, TRB__WORD_BYTES - 1);
        TRB_TRY(trb_strdup(word, &names->name[c.column + shift]));
    } while (trb__next_field(&c));
    return TRB_OK;
}

void trb__names_clear(trb__names *names)
{
    for (size_t i = 0; names->name != NULL && i < names->n; i++) trb_free(names->name[i]);
    trb_free(names->name);
    *names = (trb__names){0};
}

/* A line that begins with # and stands above the rows, as NumPy writes a header. */
static bool comment_as_line(const trb__table *t, size_t width, trb__table *line)
{
    trb__cursor c = trb__table_begin(t);
    if (!trb__next_line(&c) || c.comment == NULL) return false;
    *line = *t;
    line->at = c.comment + 1;
    const char *feed = memchr(line->at, '\n', (size_t)(t->end - line->at));
    line->end = feed != NULL ? feed : t->end;
    c = trb__table_begin(line);
    if (!trb__next_line(&c)) return false;
    const bool apart = c.by != ' '; /* words with blanks between are more likely a sentence */
    double value = 0.0;
    do
        if (kind_of(&c, &value) == NUMBER) return false;
    while (trb__next_field(&c));
    return apart && c.column + 1 == width;
}

/* Whether the first line has all names of a schema. */
static bool has_names(const trb__names *names, const trb_schema *known)
{
    for (size_t i = 0; i < known->n_inputs; i++) {
        size_t j = 0;
        while (j < names->n && strcmp(names->name[j], known->input[i].name) != 0) j++;
        if (j == names->n) return false;
    }
    return true;
}

static trb_status unclear(const trb__table *t, size_t n, const column *k)
{
    trb__cursor c = trb__table_begin(t);
    char top[48];
    (void)trb__next_line(&c);
    for (size_t i = 0; i + 1 < n && !(k[i].top == WORD && k[i].numbers); i++) (void)trb__next_field(&c);
    return trb_fail(
        TRB_EINPUT,
        "%s:%zu: it cannot be told whether this line, with %s in it, is a header or a row; set `data.header` "
        "to yes or no",
        t->path, c.line, trb__field_shown(&c.field, top));
}

/* What the first line is in the light of the training files: with their names it is a header, and where they have none,
 * a line that might be either is a row. */
static trb_status judge_by(const trb__table *t, const trb_schema *known, size_t width, bool empty, verdict *is)
{
    trb__names names = {0};
    trb__cursor c = trb__table_begin(t);
    if (!known->header) {
        if (*is == UNCLEAR || *is == COUNT) *is = ROW;
        return TRB_OK;
    }
    (void)trb__next_line(&c);
    const trb_status st = read_names(c, width, empty, &names);
    if (st == TRB_OK && has_names(&names, known)) *is = HEADER;
    trb__names_clear(&names);
    if (st == TRB_EINPUT) trb_fail_clear(); /* other counts are no names of the schema */
    return st == TRB_EINPUT ? TRB_OK : st;
}

/* \param[in,out] comment  in: a line with # may be a header; out: it is */
static trb_status decide(const trb__table *t, const trb_schema *known, size_t n, size_t width, const column *k,
                         bool *comment, bool *header)
{
    verdict is = judge(n, width, k);
    if (known != NULL) TRB_TRY(judge_by(t, known, width, !k[n - 1].filled, &is));
    *header = is == HEADER || is == COUNT;
    *comment = *comment && !*header;
    if (is == UNCLEAR && !*comment) return unclear(t, n, k);
    if (is == COUNT && known == NULL)
        trb_warn_once(
            "%s: its first line, 0 to %zu, is taken for a header, since there are fractions below it; if it is a "
            "row, set `data.header: no`",
            t->path, n - 1);
    return TRB_OK;
}

/* Whether a file has at least two columns. Training files have inputs and a target. */
static bool several_columns(const trb_schema *known)
{
    return known == NULL || (known->n_inputs > 1 && known->input[known->n_inputs - 1].column != known->input[0].column);
}

trb_status trb__table_names(const trb__table *t, trb_header how, const trb_schema *known, trb__names *names)
{
    size_t first = 0, width = 0;
    column *k = NULL;
    trb__table line = {0};
    trb_status st = TRB_OK;
    bool header = how == TRB_HEADER_YES;
    *names = (trb__names){0};
    if (several_columns(known)) TRB_GO(trb__expect_separator(t));
    TRB_GO(look(t, &first, &width, &k));
    if (first == 0) TRB_GO(trb_fail(TRB_EINPUT, "%s: expected rows of numbers, got none", t->path));
    bool comment = how == TRB_HEADER_AUTO && comment_as_line(t, first, &line);
    if (how == TRB_HEADER_AUTO) TRB_GO(decide(t, known, first > width ? first : width, width, k, &comment, &header));
    if (header && width == 0)
        TRB_GO(trb_fail(TRB_EINPUT, "%s: expected rows of numbers, got none below the header", t->path));
    names->skip = header;
    names->n = header ? width : first;
    if (header || comment) {
        trb__cursor c = trb__table_begin(comment ? &line : t);
        (void)trb__next_line(&c);
        st = read_names(c, names->n, !k[names->n - 1].filled, names);
    }
    const char *last = names->name != NULL && st == TRB_OK ? names->name[names->n - 1] : "";
    names->empty =
        width > 0 && last[0] == '\0' && !k[names->n - 1].filled && (header || k[names->n - 1].top == MISSING);
done:
    trb_free(k);
    if (st != TRB_OK) trb__names_clear(names);
    return st;
}

const char *trb__column_shown(const trb__names *names, size_t column, char text[80])
{
    if (names->name == NULL || column >= names->n)
        (void)snprintf(text, 80, "%zu", column);
    else
        (void)snprintf(text, 80, "%zu (%.50s)", column,
                       names->name[column][0] != '\0' ? names->name[column] : "no name");
    return text;
}

const char *trb__names_shown(size_t n, char *const *name, char text[512])
{
    enum { MOST = 12 };
    trb_text t = trb_text_in(text, 512);
    for (size_t i = 0; i < n && i < MOST; i++)
        trb_text_add(&t, "%s%.40s", i > 0 ? ", " : "", name[i][0] != '\0' ? name[i] : "\"\"");
    if (n > MOST) trb_text_add(&t, " and %zu more", n - MOST);
    return text;
}
