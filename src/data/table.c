/* Reader of tables: one row of values in each line, as in CSV files and the UCI collection. It reads by a schema, which
 * the survey of the training files has made (table_survey.c). Lines are counted first, so that memory is reserved once.
 * A number then takes at most twice the memory of the text, since it needs a character and a separator; a word takes a
 * number for each word of its column. */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/loss.h"
#include "tribikos/memory.h"

static trb_status put_missing(trb__placing *r, const trb__cursor *c, size_t to)
{
    const trb__input_range place = r->plan.place[c->column];
    const bool word = place.count > 0 && r->schema->input[place.first].category != NULL;
    const bool fills = !isnan(r->schema->input[place.first].fill);
    if (r->f->missing == TRB_MISSING_REFUSE)
        return trb__refuse_missing(c, &r->plan, word, fills ? TRB_MISSING_REFUSE : TRB_MISSING_DROP);
    if (r->f->missing == TRB_MISSING_DROP) {
        r->left_out[to] = true;
        return TRB_OK;
    }
    for (size_t i = place.first; i < place.first + place.count; i++) {
        const trb_schema_input *in = &r->schema->input[i];
        if (isnan(in->fill))
            return trb_fail(TRB_EINPUT,
                            "%s:%zu: column %zu: the value is missing, and no mean of it is known; train with "
                            "`data.missing: mean`, or leave such rows out with `drop`",
                            c->of->path, c->line, c->column);
        r->x[to * r->schema->n_inputs + i] = (float)(in->fill - in->offset);
    }
    r->n_missing++;
    return TRB_OK;
}

static trb_status put_number(trb__placing *r, trb__cursor *c, size_t to)
{
    double value = 0.0;
    const size_t i = r->plan.place[c->column].first;
    if (!trb__field_number(c, &value)) {
        if (trb__field_missing(&c->field, false)) return put_missing(r, c, to);
        return trb__refuse_number(c, &r->plan, true);
    }
    const float stored = (float)(value - r->schema->input[i].offset);
    if (!isfinite(stored) && !r->f->predicted) return trb__refuse_number(c, &r->plan, false);
    r->x[to * r->schema->n_inputs + i] = stored;
    return TRB_OK;
}

/* Find a word among n that are in order; n if it is not among them. */
static size_t find_input(const trb_schema_input *in, size_t n, const char *word)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = in[mid].category != NULL ? strcmp(in[mid].category, word) : -1;
        if (order == 0) return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return n;
}

static size_t find_class(const trb_schema *s, const char *word)
{
    size_t low = 0, high = s->n_classes;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = strcmp(s->class_name[mid], word);
        if (order == 0) return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return s->n_classes;
}

static trb_status refuse_word(const trb__placing *r)
{
    char got[48], column[80];
    const trb__cursor *c = &r->unknown;
    const bool label = r->plan.place[c->column].count == 0;
    const size_t n = label ? r->schema->n_classes : r->plan.place[c->column].count;
    const char *what = label ? "labels" : "words",
               *way = !label || !r->f->predicted ? ""
                      : r->schema->target_column == TRB_NO_COLUMN /* then `none` means the training files */
                          ? "; leave this column out to predict without labels"
                          : "; --data.target=none predicts without labels";
    (void)trb__column_shown(&r->plan.names, c->column, column);
    (void)trb__field_shown(&c->field, got);
    if (n == 0)
        return trb_fail(TRB_EINPUT, "%s:%zu: column %s: expected a %s, got %s%s", c->of->path, c->line, column,
                        r->f->task == TRB_TASK_CLASSES ? "label, a whole number" : "target, a number", got, way);
    return trb_fail(TRB_EINPUT, "%s:%zu: column %s: expected one of the %zu %s of the training files, got %s%s",
                    c->of->path, c->line, column, n, what, got, way);
}

static trb_status put_word(trb__placing *r, const trb__cursor *c, size_t to)
{
    char word[TRB__WORD_BYTES];
    const trb__input_range place = r->plan.place[c->column];
    if (trb__field_missing(&c->field, true)) return put_missing(r, c, to);
    const size_t k =
        trb__field_word(&c->field, word) ? find_input(r->schema->input + place.first, place.count, word) : place.count;
    if (k == place.count && r->unknown.of == NULL) r->unknown = *c;
    for (size_t i = 0; i < place.count; i++) r->x[to * r->schema->n_inputs + place.first + i] = i == k ? 1.0F : 0.0F;
    return TRB_OK;
}

static trb_status put_label(trb__placing *r, trb__cursor *c, size_t to)
{
    char word[TRB__WORD_BYTES];
    double value = 0.0;
    const trb_schema *s = r->schema;
    if (s->n_classes > 0) {
        const size_t k = trb__field_label(&c->field, word) ? find_class(s, word) : s->n_classes;
        r->y[to] = (int32_t)k;
        if (k < s->n_classes) return TRB_OK;
    } else if (trb__field_number(c, &value) && value >= 0.0 && value < TRB_LOSS_K_MAX && value == floor(value)) {
        r->y[to] = (int32_t)value;
        return TRB_OK;
    }
    if (!r->f->predicted && trb__field_missing(&c->field, true)) {
        if (r->left_out == NULL) return trb__refuse_missing(c, &r->plan, false, TRB_MISSING_DROP);
        r->left_out[to] = true;
        return TRB_OK;
    }
    if (s->n_classes == 0 && !r->f->predicted) return trb__refuse_label(c, &r->plan);
    if (r->unknown.of == NULL) r->unknown = *c;
    return TRB_OK;
}

static trb_status put_target(trb__placing *r, trb__cursor *c, size_t to)
{
    double value = 0.0;
    if (!trb__field_number(c, &value)) {
        if (r->f->predicted) {
            if (r->unknown.of == NULL) r->unknown = *c;
            return TRB_OK;
        }
        if (!trb__field_missing(&c->field, false)) return trb__refuse_number(c, &r->plan, true);
        if (r->left_out == NULL) return trb__refuse_missing(c, &r->plan, false, TRB_MISSING_DROP);
        r->left_out[to] = true;
        return TRB_OK;
    }
    const float stored = (float)(value - r->schema->target_offset);
    if (!isfinite(stored)) return trb__refuse_number(c, &r->plan, false);
    memcpy(r->y + to, &stored, sizeof stored);
    return TRB_OK;
}

static trb_status put_field(trb__placing *r, trb__cursor *c, size_t to)
{
    const trb__match *p = &r->plan;
    if (p->place[c->column].count > 0)
        return r->schema->input[p->place[c->column].first].category != NULL ? put_word(r, c, to) : put_number(r, c, to);
    if (!p->labelled || c->column != p->target) return TRB_OK;
    return r->f->task == TRB_TASK_CLASSES ? put_label(r, c, to) : put_target(r, c, to);
}

trb_status trb__table_put(trb__placing *r, trb__cursor *c, size_t to)
{
    do
        if (c->column < r->plan.names.n) TRB_TRY(put_field(r, c, to));
    while (trb__next_field(c));
    if (c->column + 1 != r->plan.names.n) return trb__refuse_width(c, &r->plan);
    if (r->unknown.of != NULL && (r->left_out == NULL || !r->left_out[to])) return refuse_word(r);
    r->unknown.of = NULL;
    return TRB_OK;
}

static trb_status put_rows(trb__placing *r, const trb__table *t)
{
    trb__cursor c = trb__table_begin(t);
    if (r->plan.names.skip) (void)trb__next_line(&c);
    for (size_t row = 0; trb__next_line(&c); row++) {
        if (r->row.place != NULL && r->row.place[row] == 0) continue;
        TRB_TRY(trb__table_put(r, &c, r->row.place != NULL ? r->row.place[row] - 1 : row));
    }
    return trb__expect_decimals(&c);
}

/* Close the gaps of rows that are left out. \return how many remain */
static size_t close_gaps(const trb__placing *r)
{
    const size_t D = r->schema->n_inputs;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->left_out != NULL && r->left_out[i]) continue;
        if (n < i) {
            memmove(r->x + n * D, r->x + i * D, D * sizeof *r->x);
            if (r->plan.labelled) r->y[n] = r->y[i];
        }
        n++;
    }
    return n;
}

/* Find columns and rows, and reserve memory. */
static trb_status prepare(trb__placing *r, const trb__unit *u, const trb__table *t, trb__samples *s)
{
    const trb_data_files *f = u->of;
    TRB_TRY(trb__table_match(t, f, f->schema, &r->plan));
    r->n = trb__table_lines(t) - r->plan.names.skip;
    if (u->rows != NULL) {
        r->row.limit = r->n;
        TRB_TRY(trb_alloc(TRB_MEM_DATA, r->n, sizeof *r->row.place, &r->row.place));
        TRB_TRY(trb__choose_listed(f->root, u->rows, "row", &r->row));
        r->n = r->row.n;
    }
    if (f->missing == TRB_MISSING_DROP) TRB_TRY(trb_alloc(TRB_MEM_DATA, r->n, sizeof *r->left_out, &r->left_out));
    TRB_TRY(trb__samples_expect(s, u->path[0], TRB_F32, (trb_shape){f->schema->n_inputs, 1, 1}));
    TRB_TRY(trb__samples_expect_labels(s, u->path[0], !r->plan.labelled));
    TRB_TRY(trb__bytes_room(&s->x, r->n * f->schema->n_inputs * sizeof(float)));
    TRB_TRY(trb__bytes_room(&s->y, r->plan.labelled ? r->n * sizeof(int32_t) : 0));
    r->x = (float *)(void *)(s->x.at + s->x.n);
    if (r->plan.labelled) r->y = (int32_t *)(void *)(s->y.at + s->y.n);
    return TRB_OK;
}

trb_status trb__table_read(const trb__unit *u, trb__samples *s)
{
    trb__placing r = {.f = u->of, .schema = u->of->schema};
    trb__table t = {0};
    trb_status st = TRB_OK;
    TRB_GO(trb__table_open(u->path[0], u->of->separator, &t));
    TRB_GO(prepare(&r, u, &t, s));
    TRB_GO(put_rows(&r, &t));
    const size_t n = close_gaps(&r);
    s->x.n += n * r.schema->n_inputs * sizeof(float);
    s->y.n += r.plan.labelled ? n * sizeof(int32_t) : 0;
    s->n += n;
    s->n_missing += r.n_missing;
    s->n_dropped += r.n - n;
    s->n_headerless += r.plan.headerless;
    if (n == 0) st = trb_fail(TRB_EINPUT, "%s: no rows are left: values are missing in all of them", u->path[0]);
done:
    trb_free(r.left_out);
    trb_free(r.row.place);
    trb__match_clear(&r.plan);
    trb__table_close(&t);
    return st;
}
