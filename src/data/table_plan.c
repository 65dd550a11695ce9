/* Which column of a file is which input. A schema with names finds columns by their names, wherever they stand. Without
 * names on both sides, columns stand where they stand in the training files; a file without labels may lack the
 * target's column, or have the inputs alone. */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* How many inputs, from the first on, are of its column. */
static size_t inputs_of_column(const trb_schema *s, size_t first)
{
    size_t n = 1;
    while (first + n < s->n_inputs && s->input[first + n].column == s->input[first].column) n++;
    return n;
}

static size_t columns_of_inputs(const trb_schema *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_inputs; i += inputs_of_column(s, i)) n++;
    return n;
}

/* Find a column of the training files by its name. Several columns may have one name; then it is the one that stands
 * where it stood there, in a file of as many columns, and no other.
 * \param[in] own  where it stood   \param[out] at  names.n if there is none that has no place yet */
static trb_status find(const trb__table *t, const trb_schema *s, const trb__match *p, size_t own, const char *name,
                       size_t *at)
{
    const trb__names *names = &p->names;
    size_t n = 0;
    *at = names->n;
    for (size_t j = 0; j < names->n; j++) {
        if (strcmp(names->name[j], name) != 0) continue;
        *at = j;
        n++;
    }
    if (names->n == s->n_columns && own < names->n && strcmp(names->name[own], name) == 0) {
        *at = own;
        n = 1;
    }
    if (n > 1)
        return trb_fail(TRB_EINPUT,
                        "%s: its header calls %zu columns %s, which does not tell which of them is column %zu of the "
                        "training files; rename them",
                        t->path, n, name[0] != '\0' ? name : "\"\"", own);
    if (n > 0 && (p->place[*at].count > 0 || (p->labelled && p->target == *at))) *at = names->n;
    return TRB_OK;
}

/* Whether the schema has a column of this name. */
static bool knows(const trb_schema *s, const char *name)
{
    if (s->target != NULL && strcmp(s->target, name) == 0) return true;
    for (size_t i = 0; i < s->n_inputs; i++)
        if (strcmp(s->input[i].name, name) == 0) return true;
    return false;
}

/* Names of columns in a sentence. */
typedef struct {
    char room[400];
    trb_text text;
    size_t n;
} name_list;

static void add_name(name_list *l, const char *name)
{
    trb_text_add(&l->text, "%s%.40s", l->n++ > 0 ? ", " : "", name[0] != '\0' ? name : "\"\"");
}

static trb_status refuse_names(const trb__table *t, const trb_schema *s, const trb__match *p, const bool *missing,
                               bool target)
{
    name_list lacks = {.n = 0}, has = {.n = 0};
    char more[sizeof has.room + 64] = "";
    lacks.text = trb_text_in(lacks.room, sizeof lacks.room);
    has.text = trb_text_in(has.room, sizeof has.room);
    for (size_t i = 0; i < s->n_inputs; i += inputs_of_column(s, i))
        if (missing[i]) add_name(&lacks, s->input[i].name);
    if (target) add_name(&lacks, s->target != NULL ? s->target : "of the target");
    for (size_t j = 0; j < p->names.n; j++)
        if (!knows(s, p->names.name[j])) add_name(&has, p->names.name[j]);
    if (has.n > 0)
        (void)snprintf(more, sizeof more, ", and it has the column%s %s, which they do not have", has.n == 1 ? "" : "s",
                       has.room);
    return trb_fail(TRB_EINPUT,
                    "%s: its header lacks the column%s %s, which the training files have%s; rename its columns, or set "
                    "`data.header: no` if its first row holds values",
                    t->path, lacks.n == 1 ? "" : "s", lacks.room, more);
}

/* Training files without labels or targets do not tell which column of another file has them. If it has one column more
 * than they have, and all others are inputs, that is the one. */
static trb_status find_further(const trb__table *t, const trb_data_files *f, const trb_schema *s, trb__match *p)
{
    const bool named = p->names.name != NULL && s->header;
    size_t n = 0;
    if (s->target_column != TRB_NO_COLUMN || f->labels == TRB_LABELS_IGNORED) return TRB_OK;
    for (size_t j = named ? 0 : s->n_columns; j < p->names.n && p->names.n == s->n_columns + 1; j++) {
        if (named && knows(s, p->names.name[j])) continue;
        p->target = j;
        n++;
    }
    p->labelled = n == 1;
    if (p->labelled || f->labels != TRB_LABELS_NEEDED) return TRB_OK;
    return trb_fail(TRB_EINPUT,
                    "%s: the training files have no labels or targets (`data.target: none`), so here one column more, "
                    "besides the inputs, was expected to have them",
                    t->path);
}

static trb_status by_names(const trb__table *t, const trb_data_files *f, const trb_schema *s, trb__match *p)
{
    bool *missing = NULL, any = false;
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, s->n_inputs, sizeof *missing, &missing));
    if (f->labels != TRB_LABELS_IGNORED && s->target != NULL) {
        TRB_GO(find(t, s, p, s->target_column, s->target, &p->target));
        p->labelled = p->target < p->names.n;
    }
    TRB_GO(find_further(t, f, s, p));
    for (size_t i = 0; i < s->n_inputs; i += inputs_of_column(s, i)) {
        size_t j = 0;
        TRB_GO(find(t, s, p, s->input[i].column, s->input[i].name, &j));
        missing[i] = j == p->names.n;
        any = any || missing[i];
        if (!missing[i]) p->place[j] = (trb__input_range){i, inputs_of_column(s, i)};
    }
    const bool lacks_target = f->labels == TRB_LABELS_NEEDED && !p->labelled;
    if (any || lacks_target) st = refuse_names(t, s, p, missing, lacks_target);
done:
    trb_free(missing);
    return st;
}

static trb_status by_numbers(const trb__table *t, const trb_data_files *f, const trb_schema *s, trb__match *p)
{
    const size_t n = p->names.n, alone = columns_of_inputs(s);
    const bool targets = s->target_column != TRB_NO_COLUMN, free = f->labels != TRB_LABELS_NEEDED;
    TRB_TRY(find_further(t, f, s, p));
    const bool all = n == s->n_columns || p->labelled, less = targets && n + 1 == s->n_columns;
    size_t k = 0;
    if (!all && !(free && (less || n == alone)) && s->n_columns == 0)
        return trb_fail(TRB_EINPUT,
                        "%s: expected the %zu inputs alone, since nothing says which columns of the training files "
                        "they were, got %zu columns%s",
                        t->path, alone, n,
                        n == alone + 1 ? "; if only one is no input, --data.target=COLUMN names it" : "");
    if (!all && !(free && (less || n == alone)))
        return trb_fail(TRB_EINPUT, "%s: expected %zu columns, as in the training files, got %zu", t->path,
                        s->n_columns, n);
    for (size_t i = 0; i < s->n_inputs; i += inputs_of_column(s, i), k++) {
        const size_t own = s->input[i].column;
        p->place[all ? own : less ? own - (own > s->target_column) : k] = (trb__input_range){i, inputs_of_column(s, i)};
    }
    if (!targets) return TRB_OK;
    p->labelled = all && f->labels != TRB_LABELS_IGNORED;
    p->target = s->target_column;
    return TRB_OK;
}

trb_status trb__table_match(const trb__table *t, const trb_data_files *f, const trb_schema *s, trb__match *p)
{
    *p = (trb__match){0};
    TRB_TRY(trb__table_names(t, f->header, s, &p->names));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, p->names.n, sizeof *p->place, &p->place));
    p->headerless = (p->names.name != NULL) != s->header;
    return p->names.name != NULL && s->header ? by_names(t, f, s, p) : by_numbers(t, f, s, p);
}

void trb__match_clear(trb__match *p)
{
    trb__names_clear(&p->names);
    trb_free(p->place);
    *p = (trb__match){0};
}

/* ---- what is wrong with a field */

/* What to do about a field that is neither the expected number nor a plain word. \return text; "": nothing */
static const char *advise(const trb__cursor *c, char text[160])
{
    const char by = trb__field_separator(c);
    text[0] = '\0';
    if (by != '\0')
        (void)snprintf(text, 160, "; if %s separates fields, set `data.separator: \"%s\"`",
                       by == '\t' ? "a tab" : (const char[]){by, '\0'}, by == '\t' ? "tab" : (const char[]){by, '\0'});
    else if (trb__field_grouped(&c->field))
        (void)snprintf(text, 160, "; write numbers without marks between thousands");
    return text;
}

trb_status trb__refuse_number(const trb__cursor *c, const trb__match *p, bool finite)
{
    char got[48], column[80], advice[160];
    const bool target = p->labelled && c->column == p->target;
    const char *what = advise(c, advice);
    const trb__oddity *odd = trb__field_oddity(&c->field);
    if (what[0] == '\0' && odd != NULL)
        (void)snprintf(advice, sizeof advice, "; %s", odd->way);
    else if (what[0] == '\0' && finite)
        what = target ? "; the target has words: set `data.task: classes`, or another `data.target`"
                      : "; `data.categories` reads columns of words, `data.drop` leaves columns out";
    return trb_fail(TRB_EINPUT, "%s:%zu: column %s: expected a number%s, got %s%s", c->of->path, c->line,
                    trb__column_shown(&p->names, c->column, column), finite ? "" : " that float32 can hold",
                    trb__field_shown(&c->field, got), what);
}

trb_status trb__refuse_label(const trb__cursor *c, const trb__match *p)
{
    char got[48], column[80], advice[160];
    double value = 0.0;
    trb__cursor copy = *c;
    const char *way = advice;
    if (!trb__field_number(&copy, &value))
        way = advise(c, advice);
    else if (value != floor(value))
        way = "; for numbers to be predicted set `data.task: regression`";
    else
        (void)snprintf(advice, sizeof advice, "; `data.categories: [%zu]` takes the labels as words", c->column);
    return trb_fail(TRB_EINPUT, "%s:%zu: column %s: expected a label, a whole number from 0 to %d, got %s%s",
                    c->of->path, c->line, trb__column_shown(&p->names, c->column, column), TRB_LOSS_K_MAX - 1,
                    trb__field_shown(&c->field, got), way);
}

trb_status trb__refuse_word(const trb__cursor *c, const trb__match *p)
{
    char got[48], column[80], advice[160];
    double value = 0.0;
    trb__cursor copy = *c;
    if (c->field.quoted || trb__field_number(&copy, &value)) return TRB_OK;
    const char *what = advise(c, advice);
    if (what[0] == '\0') return TRB_OK;
    const char *own = c->by == ' ' ? "blank" : ",";
    return trb_fail(TRB_EINPUT, "%s:%zu: column %s: expected a word, got %s%s%s%s%s", c->of->path, c->line,
                    trb__column_shown(&p->names, c->column, column), trb__field_shown(&c->field, got), what,
                    trb__field_separator(c) != '\0' ? ", else `data.separator: \"" : ", or put quotes around words",
                    trb__field_separator(c) != '\0' ? own : "", trb__field_separator(c) != '\0' ? "\"`" : "");
}

trb_status trb__refuse_missing(const trb__cursor *c, const trb__match *p, bool word, trb_missing how)
{
    char got[48], column[80];
    return trb_fail(TRB_EINPUT, "%s:%zu: column %s: expected a %s, got %s; `data.missing: drop` leaves such rows out%s",
                    c->of->path, c->line, trb__column_shown(&p->names, c->column, column),
                    p->labelled && c->column == p->target ? "label or target"
                    : word                                ? "word, as `data.categories` says"
                                                          : "number",
                    trb__field_shown(&c->field, got),
                    how != TRB_MISSING_REFUSE ? ""
                    : word                    ? ", `mean` takes the share of each word in the column"
                                              : ", `mean` takes the column's mean");
}

trb_status trb__refuse_width(const trb__cursor *c, const trb__match *p)
{
    return trb_fail(TRB_EINPUT, "%s:%zu: expected %zu columns, as in the rows before, got %zu", c->of->path, c->line,
                    p->names.n, c->column + 1);
}

trb_status trb__expect_decimals(const trb__cursor *c)
{
    if (c->points == 0 || c->commas == 0) return TRB_OK;
    const bool comma = c->commas > c->points;
    return trb_fail(
        TRB_EINPUT,
        "%s:%zu: a number has a decimal %s, but line %zu has one with a decimal %s; expected one of the two",
        c->of->path, comma ? c->commas : c->points, comma ? "comma" : "point", comma ? c->points : c->commas,
        comma ? "point" : "comma");
}
