/* The keys that tables need (data.h): columns that are no inputs are dropped, columns of words become categories, and
 * missing values are replaced or left out. It looks at every value once, before the survey, which would refuse them. */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"

/* WORDS: more different words than this, or than half of the rows, are texts or names, and no categories.
 * CLASSES: more different numbers than this are hardly labels if they do not count from 0, and more different dates or
 * amounts are hardly words. */
enum { WORDS = 100, CLASSES = 10 };

typedef struct {
    size_t numbers, texts, missing; /* fields that are numbers, words, and neither */
    bool grouped;                   /* one has marks between thousands, which the reader refuses as a word */
    char example[48];               /* the first text */
    const trb__oddity *odd;         /* what all texts look like */
    trb__words words;               /* the first different fields */
    trb__index index;
} column;

typedef struct {
    const trb_data_files *f;
    trb__names names; /* of the first file */
    column *column;   /* [names.n] */
    size_t rows;
} look;

static void take_text(column *k, const trb__field *f)
{
    const trb__oddity *odd = trb__field_oddity(f);
    if (k->texts++ == 0) {
        (void)trb__field_shown(f, k->example);
        k->odd = odd;
    }
    if (k->odd != odd) k->odd = NULL;
    k->grouped = k->grouped || (!f->quoted && trb__field_grouped(f));
}

static trb_status take_field(trb__cursor *c, column *k, size_t row)
{
    char word[TRB__WORD_BYTES];
    double value = 0.0;
    size_t id = 0;
    const bool number = trb__field_number(c, &value);
    if (!number && trb__field_missing(&c->field, k->texts > 0)) {
        k->missing++;
        return TRB_OK;
    }
    k->numbers += number;
    if (!number) take_text(k, &c->field);
    if (number && isfinite(value)) TRB_TRY(trb__index_add(&k->index, row, value));
    if (k->words.n > WORDS || !trb__field_label(&c->field, word)) return TRB_OK;
    return trb__words_count(&k->words, word, &id);
}

/* Which column of the first file a column of this one is. */
static size_t same_column(const look *l, const trb__names *names, size_t j)
{
    size_t i = 0;
    if (l->names.name == NULL || names->name == NULL) return j;
    if (j < l->names.n && strcmp(l->names.name[j], names->name[j]) == 0) return j;
    while (i < l->names.n && strcmp(l->names.name[i], names->name[j]) != 0) i++;
    return i;
}

static trb_status take_rows(look *l, const trb__table *t, const trb__names *names)
{
    trb__cursor c = trb__table_begin(t);
    if (names->skip) (void)trb__next_line(&c);
    for (size_t row = 0; trb__next_line(&c); row++, l->rows++) do {
            const size_t i = c.column < names->n ? same_column(l, names, c.column) : l->names.n;
            if (i < l->names.n) TRB_TRY(take_field(&c, &l->column[i], row));
        } while (trb__next_field(&c));
    return TRB_OK;
}

static trb_status take_file(look *l, size_t i)
{
    trb_status st = TRB_OK;
    trb__table t = {0};
    trb__names names = {0};
    char *path = NULL;
    TRB_GO(trb__data_path(l->f->root, l->f->files[i], &path));
    TRB_GO(trb__table_open(path, l->f->separator, &t));
    TRB_GO(trb__table_names(&t, l->f->header, NULL, i == 0 ? &l->names : &names));
    if (i == 0) TRB_GO(trb_alloc(TRB_MEM_OTHER, l->names.n, sizeof *l->column, &l->column));
    st = take_rows(l, &t, i == 0 ? &l->names : &names);
done:
    trb__names_clear(&names);
    trb__table_close(&t);
    trb_free(path);
    return st;
}

static bool is_empty(const column *k)
{
    return k->numbers + k->texts == 0;
}

/* Why a column is no input; NULL if it is one. */
static const char *no_input(const look *l, size_t i)
{
    const column *k = &l->column[i];
    const char *name = l->names.name != NULL ? l->names.name[i] : NULL;
    if (is_empty(k)) return "is empty";
    if (k->texts == 0) return trb__index_looks(&k->index, l->rows, i, name);
    if (k->grouped || (k->odd != NULL && k->words.n > CLASSES)) return "has no plain numbers";
    if (k->words.n <= WORDS && 2 * k->words.n <= l->rows) return NULL;
    return k->texts < k->numbers ? "has words among its numbers" : "has texts or names, few of them twice";
}

/* The last column that is not empty, and does not count the rows if `values`; `n` if there is none. */
static size_t last_column(const look *l, bool values)
{
    size_t i = l->names.n;
    for (const column *k = l->column; i > 0; i--)
        if (!is_empty(&k[i - 1]) && !(values && trb__index_counts(&k[i - 1].index, l->rows))) return i - 1;
    return l->names.n;
}

/* Whether labels are whole numbers that do not count from 0 or 1: a few with one below 0, or two that are no
 * neighbours. */
static bool are_words(const column *k)
{
    const trb__index *x = &k->index;
    const bool few = k->words.n <= CLASSES && k->words.n >= 2 && k->numbers >= 5 * k->words.n;
    return few && k->texts == 0 && x->n == k->numbers && x->whole &&
           (x->least < 0.0 || (k->words.n == 2 && x->most - x->least > 1.0));
}

static trb_status expect_target(const look *l, size_t i)
{
    char shown[80];
    const column *k = &l->column[i];
    if (i == l->names.n || k->odd == NULL || (k->words.n <= CLASSES && k->numbers == 0)) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: column %s would be predicted, but it has %s, such as %s; %s", l->f->files[0],
                    trb__column_shown(&l->names, i, shown), k->odd->what, k->example, k->odd->way);
}

static trb_status decide_column(const look *l, const trb_table_advice *a, size_t i, trb_column_advice *to)
{
    const column *k = &l->column[i];
    if (l->names.name != NULL) TRB_TRY(trb_strdup(l->names.name[i], &to->name));
    to->drop = i == a->target ? NULL : no_input(l, i);
    to->words = i == a->target ? are_words(k) : to->drop == NULL && k->texts > 0;
    to->missing = to->drop == NULL ? k->missing : 0;
    if (k->texts == 0 || i == a->target || (to->drop == NULL && k->odd == NULL)) return TRB_OK;
    to->looks = k->odd != NULL ? k->odd->what : "texts";
    to->way = k->odd != NULL ? k->odd->way : "write numbers, or few words that repeat";
    return trb_strdup(k->example, &to->example);
}

static trb_status decide(const look *l, trb_table_advice *a)
{
    const size_t n = l->names.n;
    size_t inputs = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *a->column, &a->column));
    a->n_columns = n;
    a->last = last_column(l, false);
    a->target = last_column(l, true);
    TRB_TRY(expect_target(l, a->target));
    for (size_t i = 0; i < n; i++) {
        trb_column_advice *to = &a->column[i];
        TRB_TRY(decide_column(l, a, i, to));
        if (to->missing > 0 && a->missing != TRB_MISSING_DROP)
            a->missing = i == a->target ? TRB_MISSING_DROP : TRB_MISSING_MEAN;
        inputs += i != a->target && to->drop == NULL;
    }
    /* A table of one column may be learnt from its row's number. */
    for (size_t i = 0; inputs == 0 && i < n; i++)
        if (i != a->target && l->column[i].numbers > 0 && l->column[i].texts == 0) a->column[i].drop = NULL;
    return TRB_OK;
}

trb_status trb_table_advise(const trb_data_files *files, trb_table_advice *out)
{
    look l = {.f = files};
    trb_table_advice a = {0};
    trb_status st = TRB_OK;
    for (size_t i = 0; i < files->n_files; i++) TRB_GO(take_file(&l, i));
    st = decide(&l, &a);
done:
    for (size_t i = 0; l.column != NULL && i < l.names.n; i++) {
        trb__words_clear(&l.column[i].words);
        trb__index_clear(&l.column[i].index);
    }
    trb_free(l.column);
    trb__names_clear(&l.names);
    if (st == TRB_OK)
        *out = a;
    else
        trb_table_advice_clear(&a);
    return st;
}

void trb_table_advice_clear(trb_table_advice *a)
{
    for (size_t i = 0; a->column != NULL && i < a->n_columns; i++) {
        trb_free(a->column[i].name);
        trb_free(a->column[i].example);
    }
    trb_free(a->column);
    *a = (trb_table_advice){0};
}
