/* What was read of a data set, as a line and as JSON (describe.h). */
#include "describe.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tribikos/census.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/number.h"

/* What is said of a set. */
typedef struct {
    const trb__read_set *set;
    trb_label_counts labels; /* classes with labels only */
    trb_target_range range;  /* regression with targets only */
    size_t constant;         /* inputs of a table that are the same in all samples */
    size_t held, copies;     /* rows that are held out; how many of these, or of another set, are training rows */
} facts;

static bool has_labels(const trb__read_set *set)
{
    return !set->unlabelled &&
           (set->data->task == TRB_TASK_REGRESSION ? set->data->target != NULL : set->data->label != NULL);
}

static trb_status copies_of(const trb__read_set *set, size_t *copies)
{
    const trb_data *d = set->data, *from = set->trained_on;
    const trb__dataset *s = set->parts;
    if (s != NULL && s->n_val > 0) return trb_rows_copied(d, s->n_train, s->train, d, s->n_val, s->val, copies);
    return from == NULL ? TRB_OK : trb_rows_copied(from, from->n, NULL, d, d->n, NULL, copies);
}

/* \param[out] f  released with trb_label_counts_clear(&f->labels) if this succeeds */
static trb_status gather(const trb__read_set *set, facts *f)
{
    const trb_data *d = set->data;
    *f = (facts){.set = set, .held = set->parts == NULL ? 0 : set->parts->n_val};
    TRB_TRY(trb_inputs_constant(d, &f->constant));
    TRB_TRY(copies_of(set, &f->copies));
    if (!has_labels(set)) return TRB_OK;
    if (d->task == TRB_TASK_CLASSES) return trb_labels_count(d, d->n, NULL, d->classes, &f->labels);
    f->range = trb_targets_range(d, d->n, NULL);
    return TRB_OK;
}

static bool is_table(const trb_data *d)
{
    return d->shape.h == 1 && d->shape.w == 1;
}

/* The names of the inputs, of many only the first ones and the last one. */
static void add_names(const trb_schema *s, trb_text *t)
{
    enum { FIRST = 6 };
    if (s == NULL || s->n_inputs == 0 || s->input[0].name == NULL) return;
    trb_text_add(t, " (");
    for (size_t i = 0; i < s->n_inputs; i++) {
        const trb_schema_input *in = &s->input[i];
        if (i >= FIRST && i + 1 < s->n_inputs) continue;
        trb_text_add(t, "%s%s%s%s",
                     i == 0      ? ""
                     : i > FIRST ? ", ... "
                                 : ", ",
                     in->name, in->category != NULL ? "=" : "", in->category != NULL ? in->category : "");
    }
    trb_text_add(t, ")");
}

static void add_shape(const trb_data *d, trb_text *t)
{
    const char *type = trb_dtype_name(d->type);
    if (is_table(d))
        trb_text_add(t, "%zu %s %s", d->shape.c, type, d->shape.c == 1 ? "input" : "inputs");
    else
        trb_text_add(t, "%zu x %zu x %zu %s%s", d->shape.c, d->shape.h, d->shape.w, type,
                     d->schema != NULL && d->schema->layout == TRB_AXES_NHWC ? " (read as [N][H][W][C])" : "");
    add_names(d->schema, t);
}

static void add_classes(const trb_label_counts *n, const char *column, trb_text *t)
{
    trb_text_add(t, ", %s", TRB_COUNT(n->seen, "class"));
    if (column != NULL) trb_text_add(t, " of `%s`", column);
    trb_text_add(t, " (");
    if (n->seen < n->last + 1) {
        trb_text_add(t, "labels ");
        trb_labels_list(n, true, t);
        trb_text_add(t, "; ");
    }
    if (n->least == n->most)
        trb_text_add(t, "%" PRIu64 " each)", n->least);
    else
        trb_text_add(t, "%" PRIu64 " to %" PRIu64 " each)", n->least, n->most);
}

static void add_outputs(const facts *f, trb_text *t)
{
    const trb_data *d = f->set->data;
    const char *column = d->schema == NULL ? NULL : d->schema->target;
    const bool far = d->schema != NULL && (d->schema->target_offset < 0.0 || d->schema->target_offset > 0.0);
    /* Digits: of targets far from zero the first ones say little. */
    const int least = far ? 10 : 6, mean = far ? 10 : 4;
    if (!has_labels(f->set))
        trb_text_add(t, f->set->unlabelled ? ", labels are not used" : ", no labels");
    else if (d->task == TRB_TASK_CLASSES)
        add_classes(&f->labels, column, t);
    else
        trb_text_add(t, ", target%s%s%s from %.*g to %.*g (mean %.*g, deviation %.4g)", column == NULL ? "" : " `",
                     column == NULL ? "" : column, column == NULL ? "" : "`", least, f->range.least, least,
                     f->range.most, mean, f->range.mean, f->range.deviation);
}

/* How many rows are compared with those of the training part. */
static size_t compared(const facts *f)
{
    return f->set->trained_on != NULL ? f->set->data->n : f->held;
}

static bool many_copies(const facts *f)
{
    return f->copies > 0 && f->copies * 100 >= compared(f);
}

static void say_line(const facts *f)
{
    char line[1024], number[TRB_NUMBER_BYTES];
    const trb_data *d = f->set->data;
    trb_text t = trb_text_in(line, sizeof line);
    trb_text_add(&t, "%s: %s sample%s of ", f->set->name, trb_number_grouped(d->n, number), d->n == 1 ? "" : "s");
    add_shape(d, &t);
    add_outputs(f, &t);
    if (f->set->format == TRB_FORMAT_TABLE && d->schema != NULL)
        trb_text_add(&t, ", header: %s", d->schema->header ? "names the columns" : "none");
    if (f->constant > 0) trb_text_add(&t, ", %zu of %zu inputs constant", f->constant, d->shape.c);
    if (d->n_missing > 0) trb_text_add(&t, ", %s filled", TRB_COUNT(d->n_missing, "missing value"));
    if (f->held > 0) trb_text_add(&t, ", %s held out", trb_number_grouped(f->held, number));
    if (f->copies > 0 && !many_copies(f))
        trb_text_add(&t, ", %s of them also in the training %s", TRB_COUNT(f->copies, f->held > 0 ? "sample" : "row"),
                     f->held > 0 ? "part" : "set");
    trb_info("%s", line);
}

/* A set to be reported on, all of whose samples have one label. */
static void warn_of_one_class(const facts *f)
{
    char name[64];
    trb_text label = trb_text_in(name, sizeof name);
    if (f->set->parts != NULL || f->labels.seen != 1) return;
    trb_label_add(&f->labels, f->labels.first, &label);
    trb_warn("%s: all samples have label %s; figures from them say nothing of other classes", f->set->name, name);
}

static void warn_of_copies(const facts *f)
{
    char copies[TRB_NUMBER_BYTES], all[TRB_NUMBER_BYTES];
    if (!many_copies(f)) return;
    (void)trb_number_grouped(f->copies, copies);
    (void)trb_number_grouped(compared(f), all);
    if (f->set->parts != NULL)
        trb_warn("data.validation: %s of %s held-out samples have the same inputs as a sample of the training part; "
                 "figures and temperatures from them are too good. Is a file listed twice, or are samples repeated?",
                 copies, all);
    else
        trb_warn("%s: %s of %s samples have the same inputs as a sample of the training set; figures from them are too "
                 "good. Are training files among those of this set?",
                 f->set->name, copies, all);
}

/* Whether this set is described for the first time, and on this rank. Only then are its facts gathered. */
static bool is_first(const trb__read_set *set)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s %" PRIu64 " %" PRIu64 " %zu", set->name, set->data->digest,
                   set->trained_on != NULL ? set->trained_on->digest : 0, set->parts != NULL ? set->parts->n_val : 0);
    return trb_log_first(trb_hash_text(text));
}

trb_status trb__describe(const trb__read_set *set)
{
    facts f;
    if (!is_first(set)) return TRB_OK;
    TRB_TRY(gather(set, &f));
    say_line(&f);
    warn_of_one_class(&f);
    warn_of_copies(&f);
    trb_label_counts_clear(&f.labels);
    return TRB_OK;
}

static void put_names(const trb_schema *s, trb_text *t)
{
    if (s == NULL) return;
    trb_text_add(t, ", \"header\": %s", s->header ? "true" : "false");
    if (s->target != NULL) {
        trb_text_add(t, ", \"target_name\": ");
        trb_text_quoted(t, s->target);
    }
    if (s->n_inputs == 0 || s->input[0].name == NULL) return;
    trb_text_add(t, ", \"inputs\": [");
    for (size_t i = 0; i < s->n_inputs; i++) {
        trb_text_add(t, "%s", i > 0 ? ", " : "");
        trb_text_quoted(t, s->input[i].name);
    }
    trb_text_add(t, "]");
}

static void put_outputs(const facts *f, trb_text *t)
{
    if (!has_labels(f->set)) return;
    if (f->set->data->task == TRB_TASK_CLASSES) {
        trb_text_add(t, ", \"samples_of_class\": [");
        for (size_t k = 0; k < f->labels.classes; k++) trb_text_add(t, "%s%" PRIu64, k > 0 ? ", " : "", f->labels.n[k]);
        trb_text_add(t, "]");
        return;
    }
    const double value[] = {f->range.least, f->range.most, f->range.mean, f->range.deviation};
    static const char *const name[] = {"least", "most", "mean", "deviation"};
    trb_text_add(t, ", \"target\": {");
    for (size_t i = 0; i < 4; i++) {
        trb_text_add(t, "%s\"%s\": ", i > 0 ? ", " : "", name[i]);
        trb_text_number(t, value[i]);
    }
    trb_text_add(t, "}");
}

trb_status trb__describe_json(const trb__read_set *set, trb_text *t)
{
    facts f;
    char hex[17];
    const trb_data *d = set->data;
    TRB_TRY(gather(set, &f));
    trb_hash_hex(d->digest, hex);
    trb_text_add(t, "{\"samples\": %zu, \"shape\": [%zu, %zu, %zu], \"type\": \"%s\", \"digest\": \"%s\"", d->n,
                 d->shape.c, d->shape.h, d->shape.w, trb_dtype_name(d->type), hex);
    put_outputs(&f, t);
    put_names(d->schema, t);
    if (is_table(d)) trb_text_add(t, ", \"constant_inputs\": %zu", f.constant);
    if (set->parts != NULL) trb_text_add(t, ", \"held_out\": %zu", f.held);
    if (compared(&f) > 0) trb_text_add(t, ", \"copies_of_training_rows\": %zu", f.copies);
    trb_text_add(t, "}");
    trb_label_counts_clear(&f.labels);
    return TRB_OK;
}
