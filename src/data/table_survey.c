/* The survey of tables: what the training files decide for all later ones. It reads every value once: columns of the
 * header that keys choose, words, means that stand for missing values, offsets. And it warns of columns that a user
 * seldom wants as inputs. */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* More different words than this are texts or names, and no categories. */
enum { CATEGORIES = 4096 };

typedef struct {
    trb__spread spread;
    double together; /* sum of products of the distances from both means, this input's and the target's */
    size_t missing;
    bool holds_words;
    trb__words words;
    trb__index index;
    trb__twin twin; /* of the target */
    double value;   /* of this row, of a word its id; NAN: missing */
    trb__field field;
} input;

typedef struct {
    trb_data_files *f;
    trb_schema s; /* one input for each column until the survey ends */
    trb__names names;
    input *in; /* [s.n_inputs] */
    input target;
    size_t rows, dropped, comments, missing_rows;
    size_t comma_file, comma_line; /* where a number has a decimal comma; line 0: nowhere */
    bool labels_needed;
    bool labels_are_words; /* data.categories has the target: a number is a word, too */
    bool decimals;         /* such a comma cannot separate thousands */
} survey;

/* ---- columns */

/* Whether data.target is `none`, and no column is called so. */
static bool has_no_target(const survey *v)
{
    if (v->f->target == NULL || strcmp(v->f->target, "none") != 0) return false;
    for (size_t i = 0; v->names.name != NULL && i < v->names.n; i++)
        if (strcmp(v->names.name[i], "none") == 0) return false;
    return true;
}

static trb_status choose_target(survey *v, const trb__table *t, const trb__wanted *dropped)
{
    const trb_data_files *f = v->f;
    if (has_no_target(v)) {
        if (v->labels_needed)
            return trb_fail(TRB_ECONFIG,
                            "data.target: none: tables without labels or targets train no members; expected a column");
        v->s.target_column = TRB_NO_COLUMN;
        v->f->labels = TRB_LABELS_IGNORED;
        return TRB_OK;
    }
    trb__wanted target = {.limit = v->names.n};
    size_t last = v->names.n;
    while (last > 0 && dropped->place[last - 1] != 0) last--;
    if (last == 0) return trb_fail(TRB_ECONFIG, "data.drop: all %zu columns are left out", v->names.n);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, v->names.n, sizeof *target.place, &target.place));
    trb_status st = TRB_OK;
    if (f->target == NULL || f->target[0] == '\0') {
        v->s.target_column = last - 1;
        goto done;
    }
    TRB_GO(
        trb__choose_entries("data.target", f->root, t, &v->names, 1, &(char *){(char *)(uintptr_t)f->target}, &target));
    if (target.n != 1) TRB_GO(trb_fail(TRB_ECONFIG, "data.target: expected one column, got %zu", target.n));
    for (size_t i = 0; i < v->names.n; i++)
        if (target.place[i] != 0) v->s.target_column = i;
    if (dropped->place[v->s.target_column] != 0)
        st = trb_fail(TRB_ECONFIG, "data.drop: column %zu is the target (`data.target`)", v->s.target_column);
done:
    trb_free(target.place);
    return st;
}

/* Choose the inputs. \param[out] feature  its places are reserved */
static trb_status choose_inputs(survey *v, const trb__table *t, const trb__wanted *dropped, trb__wanted *feature)
{
    const trb_data_files *f = v->f;
    const size_t target = v->s.target_column;
    TRB_TRY(trb__choose_entries("data.features", f->root, t, &v->names, f->n_features, f->features, feature));
    for (size_t i = 0; f->n_features == 0 && i < v->names.n; i++)
        if (i != target) feature->place[i] = ++feature->n;
    if (target != TRB_NO_COLUMN && feature->place[target] != 0)
        return trb_fail(TRB_ECONFIG, "data.features: column %zu is the target (`data.target`), and no input", target);
    for (size_t i = 0; i < v->names.n; i++)
        if (dropped->place[i] != 0) feature->place[i] = 0;
    return TRB_OK;
}

static trb_status put_inputs(survey *v, const trb__wanted *feature)
{
    size_t n = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, feature->n, sizeof *v->s.input, &v->s.input));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, feature->n, sizeof *v->in, &v->in));
    for (size_t k = 1; k <= feature->n; k++)
        for (size_t i = 0; i < v->names.n; i++) {
            if (feature->place[i] != k) continue;
            trb_schema_input *in = &v->s.input[n++];
            *in = (trb_schema_input){.column = i, .fill = NAN};
            v->s.n_inputs = n;
            if (v->names.name != NULL) TRB_TRY(trb_strdup(v->names.name[i], &in->name));
        }
    if (n == 0) return trb_fail(TRB_ECONFIG, "data.drop: no column is left as an input");
    return TRB_OK;
}

static trb_status put_categories(survey *v, const trb__wanted *category)
{
    char shown[80];
    for (size_t i = 0; i < v->names.n; i++) {
        size_t k = 0;
        if (category->place[i] == 0) continue;
        if (i == v->s.target_column && v->f->task == TRB_TASK_CLASSES) {
            v->labels_are_words = true;
            continue;
        }
        while (k < v->s.n_inputs && v->s.input[k].column != i) k++;
        if (k == v->s.n_inputs)
            return trb_fail(TRB_ECONFIG, "data.categories: column %s is no input",
                            trb__column_shown(&v->names, i, shown));
        v->in[k].holds_words = true;
    }
    return TRB_OK;
}

static trb_status choose_columns(survey *v, const trb__table *t)
{
    const trb_data_files *f = v->f;
    const size_t n = v->names.n;
    trb__wanted dropped = {.limit = n}, feature = {.limit = n}, category = {.limit = n};
    trb_status st = TRB_OK;
    if (n < 2)
        return trb_fail(TRB_EINPUT,
                        "%s: expected at least 2 columns, inputs and a target, got 1; commas, semicolons, tabs, | or "
                        "blanks separate them",
                        t->path);
    TRB_GO(trb_alloc(TRB_MEM_DATA, n, sizeof *dropped.place, &dropped.place));
    TRB_GO(trb_alloc(TRB_MEM_DATA, n, sizeof *feature.place, &feature.place));
    TRB_GO(trb_alloc(TRB_MEM_DATA, n, sizeof *category.place, &category.place));
    TRB_GO(trb__choose_entries("data.drop", f->root, t, &v->names, f->n_drop, f->drop, &dropped));
    TRB_GO(choose_target(v, t, &dropped));
    TRB_GO(choose_inputs(v, t, &dropped, &feature));
    if (v->names.empty && (v->s.target_column == n - 1 || feature.place[n - 1] != 0))
        TRB_GO(trb_fail(TRB_EINPUT,
                        "%s: its rows end in a separator, so the last column, %zu, is empty; leave it out with "
                        "`data.drop: [-1]`",
                        t->path, n - 1));
    TRB_GO(put_inputs(v, &feature));
    TRB_GO(trb__choose_entries("data.categories", f->root, t, &v->names, f->n_categories, f->categories, &category));
    TRB_GO(put_categories(v, &category));
    v->s.n_columns = n;
    v->s.header = v->names.name != NULL;
    if (v->s.header && v->s.target_column != TRB_NO_COLUMN)
        TRB_GO(trb_strdup(v->names.name[v->s.target_column], &v->s.target));
done:
    trb_free(category.place);
    trb_free(feature.place);
    trb_free(dropped.place);
    return st;
}

/* ---- rows */

static trb_status take_missing(survey *v, input *in, const trb__cursor *c, const trb__match *p, bool *missing)
{
    if (v->f->missing == TRB_MISSING_REFUSE || (in == &v->target && v->f->missing == TRB_MISSING_MEAN))
        return trb__refuse_missing(c, p, in->holds_words, in == &v->target ? TRB_MISSING_DROP : TRB_MISSING_REFUSE);
    in->value = NAN;
    in->missing++;
    *missing = true;
    return TRB_OK;
}

static trb_status take_word(survey *v, input *in, trb__cursor *c, const trb__match *p, bool *missing)
{
    if (trb__field_missing(&c->field, true)) return take_missing(v, in, c, p, missing);
    in->field = c->field;
    in->value = 0.0;
    return trb__refuse_word(c, p);
}

static trb_status take_number(survey *v, input *in, trb__cursor *c, const trb__match *p, bool *missing)
{
    if (trb__field_number(c, &in->value)) return isfinite(in->value) ? TRB_OK : trb__refuse_number(c, p, false);
    if (trb__field_missing(&c->field, false)) return take_missing(v, in, c, p, missing);
    return trb__refuse_number(c, p, true);
}

/* Labels are numbers or words. The first row decides which. */
static trb_status take_label(survey *v, trb__cursor *c, const trb__match *p, bool *missing)
{
    input *in = &v->target;
    char got[48];
    const bool number = trb__field_number(c, &in->value), first = in->spread.n == 0 && in->words.n == 0;
    if (!number && trb__field_missing(&c->field, true)) return take_missing(v, in, c, p, missing);
    if (first) in->holds_words = !number || v->labels_are_words;
    if (number && in->holds_words && !v->labels_are_words)
        return trb_fail(TRB_EINPUT,
                        "%s:%zu: column %zu: expected a label that is a word, as in the rows before, got %s",
                        c->of->path, c->line, c->column, trb__field_shown(&c->field, got));
    in->field = c->field;
    if (in->holds_words) return trb__refuse_word(c, p);
    if (!number || in->value < 0.0 || in->value >= TRB_LOSS_K_MAX || in->value != floor(in->value))
        return trb__refuse_label(c, p);
    return TRB_OK;
}

static trb_status take_row(survey *v, trb__cursor *c, const trb__match *p, bool *missing)
{
    do {
        if (c->column >= p->names.n) continue;
        const trb__input_range place = p->place[c->column];
        if (place.count > 0) {
            input *in = &v->in[place.first];
            TRB_TRY((in->holds_words ? take_word : take_number)(v, in, c, p, missing));
        } else if (p->labelled && c->column == p->target) {
            TRB_TRY(v->f->task == TRB_TASK_CLASSES ? take_label(v, c, p, missing)
                                                   : take_number(v, &v->target, c, p, missing));
        }
    } while (trb__next_field(c));
    return c->column + 1 == p->names.n ? TRB_OK : trb__refuse_width(c, p);
}

static trb_status add_word(const survey *v, input *in, const char *path)
{
    char word[TRB__WORD_BYTES];
    size_t id = 0;
    const bool label = in == &v->target;
    const size_t most = label ? TRB_LOSS_K_MAX : CATEGORIES;
    const char *key = label ? "data.target" : "data.categories";
    if (!(label ? trb__field_label : trb__field_word)(&in->field, word))
        return trb_fail(TRB_EINPUT, "%s: %s: a word is longer than %d bytes", path, key, TRB__WORD_BYTES - 1);
    TRB_TRY(trb__words_count(&in->words, word, &id));
    in->value = (double)id;
    if (in->words.n > most)
        return trb_fail(TRB_EINPUT, "%s: %s: a column has more than %zu different words", path, key, most);
    in->spread.n++;
    return TRB_OK;
}

/* Add the values of a row that is kept. */
static trb_status add_row(survey *v, const char *path, size_t row)
{
    input *y = &v->target;
    const bool numeric = !y->holds_words;
    const double away = numeric ? y->value - y->spread.mean : 0.0; /* from the mean of the rows before */
    if (numeric)
        trb__spread_add(&y->spread, y->value);
    else
        TRB_TRY(add_word(v, y, path));
    for (size_t i = 0; i < v->s.n_inputs; i++) {
        input *in = &v->in[i];
        if (isnan(in->value)) continue;
        if (in->holds_words) {
            TRB_TRY(add_word(v, in, path));
        } else {
            trb__spread_add(&in->spread, in->value);
            in->together += away * (in->value - in->spread.mean);
            TRB_TRY(trb__index_add(&in->index, row, in->value));
        }
        TRB_TRY(trb__twin_add(&in->twin, y->value, in->value));
    }
    v->rows++;
    return TRB_OK;
}

static trb_status take_rows(survey *v, size_t i, const trb__table *t, const trb__match *p, const trb__wanted *wanted)
{
    trb__cursor c = trb__table_begin(t);
    trb_status st = TRB_OK;
    if (p->names.skip) (void)trb__next_line(&c);
    for (size_t row = 0; trb__next_line(&c); row++) {
        bool missing = false;
        if (wanted != NULL && wanted->place[row] == 0) continue;
        TRB_TRY(take_row(v, &c, p, &missing));
        v->missing_rows += missing;
        if (missing && v->f->missing == TRB_MISSING_DROP)
            v->dropped++;
        else
            st = add_row(v, t->path, row);
        TRB_TRY(st);
    }
    v->comments += c.comments;
    v->decimals = v->decimals || c.decimals > 0;
    if (c.commas > 0) {
        v->comma_line = c.commas;
        v->comma_file = i;
    }
    return trb__expect_decimals(&c);
}

static trb_status take_file(survey *v, size_t i)
{
    trb_status st = TRB_OK;
    trb__table t = {0};
    trb__match p = {0};
    trb__wanted wanted = {0};
    char *path = NULL;
    TRB_GO(trb__data_path(v->f->root, v->f->files[i], &path));
    TRB_GO(trb__table_open(path, v->f->separator, &t));
    if (i == 0) {
        TRB_GO(trb__table_names(&t, v->f->header, NULL, &v->names));
        TRB_GO(choose_columns(v, &t));
    }
    TRB_GO(trb__table_match(&t, v->f, &v->s, &p));
    if (v->f->n_rows > 0) {
        wanted.limit = trb__table_lines(&t) - p.names.skip;
        TRB_GO(trb_alloc(TRB_MEM_DATA, wanted.limit, sizeof *wanted.place, &wanted.place));
        TRB_GO(trb__choose_listed(v->f->root, v->f->rows[i], "row", &wanted));
    }
    st = take_rows(v, i, &t, &p, v->f->n_rows > 0 ? &wanted : NULL);
done:
    trb_free(wanted.place);
    trb__match_clear(&p);
    trb__table_close(&t);
    trb_free(path);
    return st;
}

/* A comma before three digits may separate thousands as well. Programs write all numbers of a file in one way, so one
 * number tells. */
static trb_status expect_decimals(const survey *v)
{
    if (v->comma_line == 0) return TRB_OK;
    if (!v->decimals)
        return trb_fail(
            TRB_EINPUT,
            "%s:%zu: a number has a comma before its last three digits, as all others have; is it a decimal "
            "comma, or does it separate thousands? Write decimal points, or no commas",
            v->f->files[v->comma_file], v->comma_line);
    trb_info_once("data.train: numbers have decimal commas, for example in line %zu of %s", v->comma_line,
                  v->f->files[v->comma_file]);
    return TRB_OK;
}

/* ---- what is said */

static void say_missing(const survey *v)
{
    char list[400], column[80];
    trb_text t = trb_text_in(list, sizeof list);
    if (v->missing_rows == 0) return;
    for (size_t i = 0; i < v->s.n_inputs; i++)
        if (v->in[i].missing > 0)
            trb_text_add(&t, "%s%s: %zu", t.n > 0 ? ", " : "",
                         trb__column_shown(&v->names, v->s.input[i].column, column), v->in[i].missing);
    if (v->target.missing > 0) trb_text_add(&t, "%sthe target: %zu", t.n > 0 ? ", " : "", v->target.missing);
    trb_info_once("data.train: values are missing in %zu of %zu rows (columns %s); %s", v->missing_rows,
                  v->rows + v->dropped, list,
                  v->f->missing == TRB_MISSING_DROP ? "these rows are left out (`data.missing: drop`)"
                                                    : "means of the columns take their places (`data.missing: mean`)");
}

/* Whether an input is the target in another unit. */
static bool follows_target(const survey *v, const input *in)
{
    const trb__spread *y = &v->target.spread;
    return !in->holds_words && !v->target.holds_words && v->rows >= 5 && in->spread.n == v->rows && y->squares > 0.0 &&
           in->together * in->together > 0.99999 * in->spread.squares * y->squares;
}

static void warn_of_column(const survey *v, const trb_schema_input *s, input *in)
{
    char shown[80];
    const char *column = trb__column_shown(&v->names, s->column, shown), *index = NULL;
    if (!in->holds_words)
        index = trb__index_looks(&in->index, v->rows, s->column, s->name);
    else if (v->rows >= 10 && in->words.n == v->rows)
        index = "has another word in each row, as a name of the row";
    if (index != NULL)
        trb_warn_once("data.train: column %s %s, and is an input; leave it out with `data.drop: [%zu]`", column, index,
                      s->column);
    const bool follows = follows_target(v, in), twin = trb__twin_is(&in->twin);
    if (follows || twin)
        trb_warn_once("data.train: column %s is the target %s, and is an input; leave it out with `data.drop: [%zu]` "
                      "unless it is known before the target",
                      column, follows ? "up to scale and offset" : "under other names: each has one value of its own",
                      s->column);
}

/* Other files are matched by name, so columns of one name must be told apart by their places. */
static void say_names(const survey *v)
{
    const trb__names *names = &v->names;
    for (size_t i = 0; names->name != NULL && i < names->n; i++)
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names->name[i], names->name[j]) != 0) continue;
            trb_info_once(
                "data.train: columns %zu and %zu are both called %s; in other files, columns of one name must "
                "stand in the same places",
                j, i, names->name[i][0] != '\0' ? names->name[i] : "\"\"");
            return;
        }
}

static void say_columns(survey *v)
{
    char shown[80];
    say_names(v);
    for (size_t i = 0; i < v->s.n_inputs; i++) {
        const double offset = v->in[i].holds_words ? 0.0 : trb__spread_offset(&v->in[i].spread);
        warn_of_column(v, &v->s.input[i], &v->in[i]);
        if (fabs(offset) > 0.0)
            trb_info_once("data.train: column %s is far from zero; %.9g is subtracted before it becomes a float32",
                          trb__column_shown(&v->names, v->s.input[i].column, shown), offset);
    }
    const double offset = v->f->task == TRB_TASK_REGRESSION ? trb__spread_offset(&v->target.spread) : 0.0;
    if (fabs(offset) > 0.0)
        trb_info_once("data.train: the target is far from zero; %.9g is subtracted before it becomes a float32",
                      offset);
}

/* ---- the schema */

static trb_status finish_column(const survey *v, size_t i, trb_schema *out)
{
    const trb_schema_input *s = &v->s.input[i];
    const input *in = &v->in[i];
    const bool fills = v->f->missing == TRB_MISSING_MEAN;
    char shown[80];
    if (in->spread.n == 0)
        return trb_fail(TRB_EINPUT,
                        "data.train: column %s: all its values are missing; leave it out with `data.drop: [%zu]`",
                        trb__column_shown(&v->names, s->column, shown), s->column);
    for (size_t k = 0; k < (in->holds_words ? in->words.n : 1); k++) {
        trb_schema_input *to = &out->input[out->n_inputs++];
        *to = (trb_schema_input){.column = s->column, .fill = NAN};
        if (s->name != NULL) TRB_TRY(trb_strdup(s->name, &to->name));
        if (in->holds_words)
            TRB_TRY(trb_strdup(in->words.word[k].text, &to->category));
        else
            to->offset = trb__spread_offset(&in->spread);
        if (fills)
            to->fill = in->holds_words ? (double)in->words.word[k].count / (double)in->spread.n : in->spread.mean;
    }
    return TRB_OK;
}

static trb_status finish(survey *v, trb_schema *out)
{
    const trb__words *labels = &v->target.words;
    size_t n = 0;
    if (v->rows == 0) return trb_fail(TRB_EINPUT, "data.train: no rows are left: values are missing in all of them");
    for (size_t i = 0; i < v->s.n_inputs; i++) n += v->in[i].holds_words ? v->in[i].words.n : 1;
    out->header = v->s.header;
    out->n_columns = v->s.n_columns;
    out->target_column = v->s.target_column;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *out->input, &out->input));
    for (size_t i = 0; i < v->s.n_inputs; i++) TRB_TRY(finish_column(v, i, out));
    if (v->s.target != NULL) TRB_TRY(trb_strdup(v->s.target, &out->target));
    if (v->f->task == TRB_TASK_REGRESSION) out->target_offset = trb__spread_offset(&v->target.spread);
    if (labels->n == 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, labels->n, sizeof *out->class_name, &out->class_name));
    for (size_t k = 0; k < labels->n; k++) {
        out->n_classes = k + 1;
        TRB_TRY(trb_strdup(labels->word[k].text, &out->class_name[k]));
    }
    return TRB_OK;
}

trb_status trb__table_survey(const trb_data_files *f, trb_schema *out)
{
    trb_data_files files = *f;
    survey v = {.f = &files, .labels_needed = f->labels == TRB_LABELS_NEEDED};
    trb_status st = TRB_OK;
    if (f->labels != TRB_LABELS_IGNORED) files.labels = TRB_LABELS_NEEDED;
    for (size_t i = 0; i < f->n_files; i++) TRB_GO(take_file(&v, i));
    TRB_GO(expect_decimals(&v));
    TRB_GO(finish(&v, out));
    say_missing(&v);
    say_columns(&v);
    if (v.comments > 0)
        trb_info_once("data.train: %zu lines between the rows begin with # and are no rows", v.comments);
done:
    for (size_t i = 0; v.in != NULL && i < v.s.n_inputs; i++) {
        trb__words_clear(&v.in[i].words);
        trb__index_clear(&v.in[i].index);
        trb__twin_clear(&v.in[i].twin);
    }
    trb__words_clear(&v.target.words);
    trb_free(v.in);
    trb__names_clear(&v.names);
    trb_schema_clear(&v.s);
    return st;
}
