/* `tribikos init`: looks at the files of a training set, and prints a configuration that runs. What it chooses is a
 * beginning: small networks, few epochs, a tenth of the samples held out, on which the report is made. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "tribikos/census.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

static const char *const formats[] = {
    [TRB_FORMAT_IDX] = "idx",      [TRB_FORMAT_CIFAR10] = "cifar10", [TRB_FORMAT_CIFAR100] = "cifar100",
    [TRB_FORMAT_HDF5] = "hdf5",    [TRB_FORMAT_TABLE] = "table",     [TRB_FORMAT_NPY] = "npy",
    [TRB_FORMAT_IMAGES] = "images"};

/* More distinct labels than this among few samples each are targets, not classes. So few distinct whole numbers may be
 * labels although they are read as targets. So many columns are warned of. */
enum { MANY_CLASSES = 100, ROWS_A_CLASS = 5, FEW_LABELS = 10, WARNED = 10 };

/* Labels are taken for classes unless they cannot be, or are too many for the samples. */
static trb_status load(trb_data_files *files, trb_data *d)
{
    files->task = TRB_TASK_CLASSES;
    trb_status st = trb_data_load(files, d);
    const bool classes = st == TRB_OK && (d->classes <= MANY_CLASSES || d->n >= ROWS_A_CLASS * d->classes);
    if (classes || st == TRB_ECONFIG || st == TRB_EIO || st == TRB_ENOMEM) return st;
    if (files->format != TRB_FORMAT_TABLE && files->format != TRB_FORMAT_HDF5 && files->format != TRB_FORMAT_NPY)
        return st;
    char *why = NULL;
    if (st == TRB_OK)
        trb_data_clear(d);
    else
        TRB_TRY(trb_strdup(trb_fail_message(), &why));
    trb_fail_clear();
    files->task = TRB_TASK_REGRESSION;
    const trb_status as_targets = trb_data_load(files, d);
    /* If it is neither, the first reason says more. */
    if (as_targets != TRB_OK && why != NULL) (void)trb_fail(as_targets, "%s", why);
    trb_free(why);
    return as_targets;
}

/* A name as YAML: between double quotes, as in JSON, where it could mean something else. */
static void print_list(size_t n, char *const *name)
{
    for (size_t i = 0; i < n; i++) {
        trb_text quoted = {0};
        char *text = NULL;
        trb_text_quoted(&quoted, name[i]);
        if (trb_text_take(&quoted, &text) == TRB_OK) (void)printf("%s%s", i > 0 ? ", " : "", text);
        trb_free(text);
    }
}

/* What a table needs, and the keys that say it. */
typedef struct {
    trb_table_advice advice;
    char (*entry)[48]; /* [n_columns] how a key names a column */
    char **drop, **categories;
} needs;

/* A column by its number; as a range if another column is called so. */
static void name_column(const trb_table_advice *a, size_t i, char entry[48])
{
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", i);
    bool taken = false;
    for (size_t j = 0; j < a->n_columns; j++)
        taken = taken || (j != i && a->column[j].name != NULL && strcmp(a->column[j].name, number) == 0);
    (void)snprintf(entry, 48, taken ? "%s-%s" : "%s", number, number);
}

/* The last column that is not dropped is the target anyway. */
static void choose_target(trb_data_files *files, const needs *n)
{
    size_t last = n->advice.n_columns;
    while (last > 0 && n->advice.column[last - 1].drop != NULL) last--;
    if (n->advice.target + 1 < last) files->target = n->entry[n->advice.target];
}

static trb_status find_needs(trb_data_files *files, needs *n)
{
    const trb_table_advice *a = &n->advice;
    if (files->format != TRB_FORMAT_TABLE) return TRB_OK;
    TRB_TRY(trb_table_advise(files, &n->advice));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, a->n_columns, sizeof *n->entry, &n->entry));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, a->n_columns, sizeof *n->drop, &n->drop));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, a->n_columns, sizeof *n->categories, &n->categories));
    for (size_t i = 0; i < a->n_columns; i++) {
        name_column(a, i, n->entry[i]);
        if (a->column[i].drop != NULL) n->drop[files->n_drop++] = n->entry[i];
        if (a->column[i].words) n->categories[files->n_categories++] = n->entry[i];
    }
    choose_target(files, n);
    files->drop = n->drop;
    files->categories = n->categories;
    files->missing = a->missing;
    return TRB_OK;
}

static void forget_needs(needs *n)
{
    trb_free(n->categories);
    trb_free(n->drop);
    trb_free(n->entry);
    trb_table_advice_clear(&n->advice);
}

static void print_column(const trb_table_advice *a, size_t i, trb_text *t)
{
    trb_text_add(t, "%s%zu", t->n > 0 ? ", " : "", i);
    if (a->column[i].name != NULL)
        trb_text_add(t, " (%.40s)", a->column[i].name[0] != '\0' ? a->column[i].name : "no name");
}

/* A column whose fields are no numbers. */
static void describe_odd(const trb_table_advice *a, size_t i, trb_text *t)
{
    const trb_column_advice *k = &a->column[i];
    char text[80];
    trb_text column = trb_text_in(text, sizeof text);
    print_column(a, i, &column);
    trb_text_add(t,
                 k->words ? "column %s is read as words, but it has %s, such as %s; to have one input, %s"
                          : "column %s is left out, because it has %s, such as %s; to use it, %s",
                 text, k->looks, k->example, k->way);
}

/* What a user should know of columns: as comments, and as warnings. */
static void print_odd(const char *path, const trb_table_advice *a)
{
    size_t n = 0;
    char text[400];
    for (size_t i = 0; i < a->n_columns; i++) {
        trb_text t = trb_text_in(text, sizeof text);
        if (a->column[i].looks == NULL) continue;
        describe_odd(a, i, &t);
        (void)printf("  # %s\n", trb_printable(text));
        if (n++ < WARNED) trb_warn("%s: %s", path, text);
    }
    if (n > WARNED) trb_warn("%s: and so with %s more, see the comments", path, TRB_COUNT(n - WARNED, "column"));
    if (a->n_columns == 0 || a->target == a->n_columns || a->target == a->last) return;
    trb_text t = trb_text_in(text, sizeof text);
    char last[80], target[80];
    trb_text of_last = trb_text_in(last, sizeof last), of_target = trb_text_in(target, sizeof target);
    print_column(a, a->last, &of_last);
    print_column(a, a->target, &of_target);
    trb_text_add(&t, "column %s counts the rows, so column %s is the one to predict; `data.target` chooses another",
                 last, target);
    (void)printf("  # %s\n", trb_printable(text));
    trb_warn("%s: %s", path, text);
}

static void print_needs(const trb_data_files *files, const trb_table_advice *a)
{
    char dropped[600], words[400], gaps[400], number[TRB_NUMBER_BYTES];
    trb_text drop = trb_text_in(dropped, sizeof dropped), word = trb_text_in(words, sizeof words),
             gap = trb_text_in(gaps, sizeof gaps);
    for (size_t i = 0; i < a->n_columns; i++) {
        const trb_column_advice *k = &a->column[i];
        if (k->drop != NULL) {
            print_column(a, i, &drop);
            trb_text_add(&drop, " %s", k->drop);
        }
        if (k->words) print_column(a, i, &word);
        if (k->words && i == a->target) trb_text_add(&word, ", labels that do not count from 0");
        if (k->missing == 0) continue;
        print_column(a, i, &gap);
        trb_text_add(&gap, ": %s", trb_number_grouped(k->missing, number));
    }
    if (files->n_drop > 0) {
        (void)printf("  drop: [");
        print_list(files->n_drop, files->drop);
        (void)printf("] # column %s\n", trb_printable(dropped));
    }
    if (files->n_categories > 0) {
        (void)printf("  categories: [");
        print_list(files->n_categories, files->categories);
        (void)printf("] # words: column %s\n", trb_printable(words));
    }
    if (files->target != NULL) (void)printf("  target: \"%s\"\n", files->target);
    if (files->missing != TRB_MISSING_REFUSE)
        (void)printf("  missing: %s # missing values, by columns: %s\n",
                     files->missing == TRB_MISSING_DROP ? "drop" : "mean", trb_printable(gaps));
}

/* Layers of a member, and where the heads of a student begin. \param[out] split  its text */
static void choose_layers(const trb_data *d, char layers[160], const char **split)
{
    const size_t K = d->task == TRB_TASK_CLASSES ? d->classes : 2,
                 side = d->shape.h < d->shape.w ? d->shape.h : d->shape.w;
    *split = "2";
    if (side >= 24 && d->shape.c == 1) {
        (void)snprintf(layers, 160, "lenet5 %zu", K);
        *split = "conv2";
    } else if (side >= 24) {
        (void)snprintf(layers, 160, "cifar-resnet8 %zu", K);
        *split = "stage3.block1";
    } else if (side >= 6) {
        (void)snprintf(layers, 160, "conv 16 3 pad 1, relu, conv 32 3 pad 1, relu, globalpool, dense %zu", K);
    } else {
        (void)snprintf(layers, 160, "dense 64, relu, dense 64, relu, dense %zu", K);
    }
}

static void print_names(const trb_schema *s)
{
    if (s == NULL || s->n_inputs == 0 || s->input[0].name == NULL) return;
    char text[400];
    trb_text names = trb_text_in(text, sizeof text);
    for (size_t i = 0; i < s->n_inputs; i++)
        if (i == 0 || s->input[i].category == NULL || s->input[i].column != s->input[i - 1].column)
            trb_text_add(&names, "%s%s", i > 0 ? ", " : "", s->input[i].name);
    (void)printf("  # inputs: %s\n", trb_printable(text));
    if (s->target != NULL) (void)printf("  # data.target, the column to predict: %s\n", trb_printable(s->target));
}

static bool has_words(const trb_data *d)
{
    return d->schema != NULL && d->schema->n_classes > 0;
}

/* Describe the labels. If they are not counted from 0, the configuration counts them from the first that occurs. */
static trb_status print_labels(trb_data *d)
{
    char text[200];
    trb_label_counts counts = {0};
    trb_text list = trb_text_in(text, sizeof text);
    if (has_words(d)) {
        for (size_t k = 0; k < d->schema->n_classes; k++)
            trb_text_add(&list, "%s%s", k > 0 ? ", " : "", d->schema->class_name[k]);
        (void)printf("  # %s: %s\n", TRB_COUNT(d->classes, "class"), trb_printable(text));
        return TRB_OK;
    }
    TRB_TRY(trb_labels_count(d, d->n, NULL, d->classes, &counts));
    trb_labels_list(&counts, true, &list);
    (void)printf("  # %s, labels %s\n", TRB_COUNT(counts.seen, "class"), text);
    if (counts.first > 0) (void)printf("  labels_from: %zu # the label of the first class\n", counts.first);
    d->classes -= counts.first;
    trb_label_counts_clear(&counts);
    return TRB_OK;
}

/* Whether targets are a few whole numbers, and so may be labels that arrays cannot have, such as -1 and 1.
 * \param[out] list  them, in the order in which they occur */
static bool may_be_labels(const trb_data *d, trb_text *list)
{
    double seen[FEW_LABELS];
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        size_t k = 0;
        const double y = (double)d->target[i] + (d->schema != NULL ? d->schema->target_offset : 0.0);
        while (k < n && fabs(seen[k] - y) > 0.0) k++;
        if (k < n) continue;
        if (n == FEW_LABELS || fabs(y - round(y)) > 0.0) return false;
        seen[n++] = y;
        trb_text_add(list, "%s%.0f", k > 0 ? ", " : "", y);
    }
    return n > 1 && d->n >= ROWS_A_CLASS * n;
}

static void print_targets(const trb_data_files *files, const trb_data *d)
{
    char text[200];
    trb_text list = trb_text_in(text, sizeof text);
    if (files->format == TRB_FORMAT_TABLE || !may_be_labels(d, &list)) return;
    (void)printf("  # the targets are %s only; if they are labels, store them as 0, 1, ...\n", text);
    trb_warn("%s: the targets are %s only; if they are labels, store them as 0, 1, ...", files->files[0], text);
}

/* What the flags have said about the files. */
static void print_given(const trb_config *c)
{
    if (c->data.layout != TRB_AXES_AUTO)
        (void)printf("  layout: %s\n", c->data.layout == TRB_AXES_NCHW ? "nchw" : "nhwc");
    if (c->data.header != TRB_HEADER_AUTO)
        (void)printf("  header: %s\n", c->data.header == TRB_HEADER_YES ? "yes" : "no");
    const struct {
        const char *key, *usual;
        char *value;
    } texts[] = {{"x", "x", c->data.x}, {"y", "y", c->data.y}, {"separator", "auto", c->data.separator}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].value, texts[i].usual) == 0) continue;
        (void)printf("  %s: ", texts[i].key);
        print_list(1, &texts[i].value);
        (void)printf("\n");
    }
}

static trb_status print_config(const trb_config *given, const trb_data_files *files, const trb_table_advice *a,
                               trb_data *d)
{
    char layers[160], samples[TRB_NUMBER_BYTES];
    const char *split = NULL;
    size_t held_out = d->n / 10, batch = 8;
    while (batch < 128 && batch * 40 < d->n) batch *= 2;
    (void)printf("# Made by `tribikos init`: a beginning, to be changed. `tribikos config --help` explains every key.\n"
                 "#     mpirun -n 2 tribikos run THIS_FILE\n"
                 "run:\n  dir: runs/first\n\ndata:\n  task: %s\n  format: %s\n  train: [",
                 d->task == TRB_TASK_CLASSES ? "classes" : "regression", formats[files->format]);
    print_list(files->n_files, files->files);
    (void)printf("]\n");
    print_given(given);
    (void)printf("  # %s samples of ", trb_number_grouped(d->n, samples));
    if (d->shape.h * d->shape.w == 1)
        (void)printf("%s\n", TRB_COUNT(d->shape.c, "input"));
    else
        (void)printf("%zu x %zu x %zu\n", d->shape.c, d->shape.h, d->shape.w);
    print_names(d->schema);
    print_needs(files, a);
    print_odd(files->files[0], a);
    if (d->task == TRB_TASK_CLASSES)
        TRB_TRY(print_labels(d));
    else
        print_targets(files, d);
    choose_layers(d, layers, &split);
    (void)printf("  validation: %zu # held out of the training\n"
                 "  # test: [FILE] # then leave out eval.split\n\n"
                 "members:\n  count: 4\n\n"
                 "train: # one member\n  layers: [%s]\n  epochs: 10\n  batch: %zu\n\n"
                 "students: [hydra, kd] # a head a member, and one head for the mean of all\n"
                 "student:\n  split: %s # where the heads begin\n  phase1_epochs: 5\n  epochs: 10\n  batch: %zu\n\n"
                 "eval:\n  split: validation\n",
                 held_out < 1 ? 1 : held_out, layers, batch, split, batch);
    return TRB_OK;
}

/* Read the flags: of the configuration's keys only those that say how to read the files. */
static trb_status read_flags(const trb__arguments *a, trb_format format, trb_config **c)
{
    static const char *const keys[] = {"layout", "x", "y", "header", "separator"};
    enum { KEYS = sizeof keys / sizeof *keys };
    char *text = NULL;
    for (size_t i = 0; i < a->n_flags; i++) {
        size_t k = 0;
        const char *key = strncmp(a->flag[i], "--data.", 7) == 0 ? a->flag[i] + 7 : "";
        while (k < KEYS && (strncmp(key, keys[k], strlen(keys[k])) != 0 || key[strlen(keys[k])] != '=')) k++;
        if (k == KEYS)
            return trb_fail(TRB_ECONFIG,
                            "`tribikos init` takes --data.layout, --data.x, --data.y, --data.header and "
                            "--data.separator, each with =VALUE, and no other flags, got %s",
                            a->flag[i]);
    }
    TRB_TRY(trb_text_of(&text, "run: {dir: .}\nstudents: []\ndata: {format: %s, train: [x]}\n", formats[format]));
    const trb_status st = trb_config_parse("tribikos init", text, a->n_flags, a->flag, c);
    trb_free(text);
    return st;
}

trb_status trb__command_init(const trb__arguments *a)
{
    trb_data d = {0};
    trb_config *c = NULL;
    needs n = {0};
    trb_status st = TRB_OK;
    if (a->n_operands == 0)
        return trb_fail(TRB_ECONFIG, "`tribikos init` takes the files of a training set, e.g. train.csv");
    trb_data_files files = {.root = "", .n_files = a->n_operands, .files = a->operand, .labels = TRB_LABELS_NEEDED};
    TRB_TRY(trb_data_guess(a->operand[0], &files.format));
    TRB_TRY(read_flags(a, files.format, &c));
    files.layout = c->data.layout;
    files.header = c->data.header;
    files.x = c->data.x;
    files.y = c->data.y;
    (void)trb_data_separator(c->data.separator, &files.separator);
    TRB_GO(find_needs(&files, &n));
    TRB_GO(load(&files, &d));
    st = d.n < 20 ? trb_fail(TRB_EINPUT, "%s: has %s; at least 20 are needed to hold some out", a->operand[0],
                             TRB_COUNT(d.n, "sample"))
                  : print_config(c, &files, &n.advice, &d);
done:
    trb_data_clear(&d);
    forget_needs(&n);
    trb_config_destroy(c);
    return st;
}
