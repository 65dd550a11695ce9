/* The table of `tribikos compare`: the figures of each group of runs, as text (which is Markdown too), CSV or JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

/* ---- the columns */

typedef enum { PLAIN, RATIO, DIFFERENCE } relation; /* to the ensemble of the same run */
typedef enum { ALWAYS, POSITIVE } presence;         /* POSITIVE: 0 means that the model has no such figure */

/* A column: `figure` of a model, as it is or against the ensemble's. */
typedef struct {
    const char *title, *figure;
    relation to;
    int decimals; /* -1: four significant digits, in the target's unit; 0: a whole number */
    bool ranged;  /* the text shows the range over seeds too */
    presence is;
} column;

static const column of_classes[] = {
    {"accuracy", "accuracy", PLAIN, 4, false, ALWAYS},
    {"NLL", "nll", PLAIN, 4, false, ALWAYS},
    {"NLL / ensemble's", "nll", RATIO, 3, true, ALWAYS},
    {"Brier", "brier", PLAIN, 4, false, ALWAYS},
    {"ECE", "ece", PLAIN, 4, false, ALWAYS},
    {"MU", "mu", PLAIN, 4, false, POSITIVE},
    {"MU / ensemble's", "mu_ratio", PLAIN, 3, true, ALWAYS},
    {"DEE", "deep_ensemble_equivalent", PLAIN, 1, true, ALWAYS},
    {"parameters", "parameters", PLAIN, 0, false, ALWAYS},
    {.title = NULL},
};
static const column of_regression[] = {
    {"RMSE", "rmse", PLAIN, -1, false, ALWAYS},
    {"NLL", "nll", PLAIN, -1, false, ALWAYS},
    {"NLL - ensemble's", "nll", DIFFERENCE, 4, true, ALWAYS},
    {"CRPS", "crps", PLAIN, -1, false, ALWAYS},
    {"coverage", "coverage", PLAIN, 4, false, ALWAYS},
    {"model variance / ensemble's", "model_variance", RATIO, 3, true, POSITIVE},
    {"parameters", "parameters", PLAIN, 0, false, ALWAYS},
    {.title = NULL},
};

typedef struct {
    double mean, least, largest;
} range;

enum { KEY = 256, CELL = 128 };

static double figure_of(const trb__run *run, const column *c, const char *model)
{
    char key[KEY];
    (void)snprintf(key, sizeof key, "models.%s.%s", model, c->figure);
    const double value = trb_tree_number(run->report, key);
    const bool is_ensemble = strcmp(model, "ensemble") == 0;
    if (c->is == POSITIVE && !(value > 0.0)) return (double)NAN;
    if (strcmp(c->figure, "mu_ratio") == 0 && is_ensemble) return (double)NAN;
    if (c->to == PLAIN) return value;
    (void)snprintf(key, sizeof key, "models.ensemble.%s", c->figure);
    const double ensemble = is_ensemble ? (double)NAN : trb_tree_number(run->report, key);
    return c->to == DIFFERENCE ? value - ensemble : value / ensemble;
}

static double auroc_of(const trb__run *run, const char *set, const char *model)
{
    char key[KEY];
    (void)snprintf(key, sizeof key, "ood.%s.models.%s.model_uncertainty.auroc", set, model);
    return trb_tree_number(run->report, key);
}

/* A table: rows are models of groups, or students that differ in their seed alone; columns are those above, then the
 * AUROC of each set. */
typedef struct {
    const trb__runs *runs;
    const column *columns;
    size_t n_models, n_sets, n_columns;
    char (*model)[TRB__ROW_BYTES], (*set)[TRB__ROW_BYTES];
} table;

static const column auroc_column = {"AUROC", "auroc", PLAIN, 4, true, ALWAYS};

static const column *column_at(const table *t, size_t i)
{
    return i < t->n_columns ? &t->columns[i] : &auroc_column;
}

static bool has_figures(const trb__run *run, const char *model)
{
    char key[KEY];
    (void)snprintf(key, sizeof key, "models.%s", model);
    return trb_tree_find(run->report, key) < trb_tree_n(run->report);
}

/* The next model of a run in the row of this name. \param[in,out] at  0 at first   \return NULL after the last one */
static const char *next_model(const trb__run *run, const char *row, size_t *at)
{
    const trb_config *c = run->c;
    for (; *at < c->n_students; ++*at)
        if (strcmp(run->row[*at], row) == 0 && has_figures(run, c->student[*at].name)) return c->student[(*at)++].name;
    if (*at > c->n_students || !has_figures(run, row)) return NULL;
    *at = c->n_students + 1;
    for (size_t s = 0; s < c->n_students; s++)
        if (strcmp(c->student[s].name, row) == 0) return NULL; /* a student, which was met above or is in another row */
    return row;
}

/* Mean and range over the runs of a group, and over the students of a row; NaN if one of them does not have the
 * figure. */
static range cell(const table *t, size_t group, size_t model, size_t i)
{
    range r = {0.0, INFINITY, -INFINITY};
    size_t n = 0;
    for (size_t k = 0; k < t->runs->n; k++) {
        const trb__run *run = &t->runs->run[k];
        size_t at = 0;
        if (run->group != group) continue;
        for (const char *name = NULL; (name = next_model(run, t->model[model], &at)) != NULL; n++) {
            const double value =
                i < t->n_columns ? figure_of(run, &t->columns[i], name) : auroc_of(run, t->set[i - t->n_columns], name);
            r.mean += value;
            r.least = isnan(value) || value < r.least ? value : r.least;
            r.largest = isnan(value) || value > r.largest ? value : r.largest;
        }
    }
    r.mean = n > 0 ? r.mean / (double)n : (double)NAN;
    if (isnan(r.mean)) r.least = r.largest = (double)NAN;
    return r;
}

/* Whether a group has a row at all. */
static bool has_row(const table *t, size_t group, const char *row)
{
    size_t at = 0;
    return next_model(trb__run_of(t->runs, group), row, &at) != NULL;
}

/* ---- models and sets */

static trb_status list_name(const char *name, size_t *n, char (**names)[TRB__ROW_BYTES])
{
    char(*more)[TRB__ROW_BYTES] = NULL;
    for (size_t k = 0; k < *n; k++)
        if (strcmp((*names)[k], name) == 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, *n + 1, sizeof *more, &more));
    if (*n > 0) memcpy(more, *names, *n * sizeof *more);
    trb_free(*names);
    *names = more;
    (void)snprintf(more[(*n)++], sizeof *more, "%s", name);
    return TRB_OK;
}

/* Add the names of the sections directly below `under` that are not listed yet; of a student, that of its row. */
static trb_status add_names(const trb__run *run, const char *under, size_t *n, char (**names)[TRB__ROW_BYTES])
{
    const size_t length = strlen(under);
    const bool models = strcmp(under, "models.") == 0;
    for (size_t i = 0; i < trb_tree_n(run->report); i++) {
        const char *key = trb_tree_key(run->report, i), *name = key + length;
        if (strncmp(key, under, length) != 0 || strchr(name, '.') != NULL || !trb_tree_is_section(run->report, i))
            continue;
        for (size_t s = 0; models && s < run->c->n_students; s++)
            if (strcmp(run->c->student[s].name, key + length) == 0) name = run->row[s];
        TRB_TRY(list_name(name, n, names));
    }
    return TRB_OK;
}

/* The place of a model in the table: members, their mean, the ensemble, then the students in the order of
 * `students`. */
static size_t place_of(const trb__runs *r, const char *name)
{
    size_t place = 3;
    if (name[0] == 'm' && name[1] != '\0' && name[1 + strspn(name + 1, "0123456789")] == '\0') return 0;
    if (strcmp(name, "member_mean") == 0) return 1;
    if (strcmp(name, "ensemble") == 0) return 2;
    for (size_t i = 0; i < r->n; i++)
        for (size_t s = 0; s < r->run[i].c->n_students; s++, place++)
            if (strcmp(r->run[i].row[s], name) == 0) return place;
    return place;
}

static void sort_models(table *t)
{
    for (size_t i = 1; i < t->n_models; i++) {
        char moved[TRB__ROW_BYTES];
        size_t at = i;
        memcpy(moved, t->model[i], sizeof moved);
        for (; at > 0 && place_of(t->runs, t->model[at - 1]) > place_of(t->runs, moved); at--)
            memcpy(t->model[at], t->model[at - 1], sizeof moved);
        memcpy(t->model[at], moved, sizeof moved);
    }
}

/* ---- text */

/* "A", "B", ..., "Z", "A1", ... */
static const char *group_name(size_t group, char text[24])
{
    (void)snprintf(text, 24, group < 26 ? "%c" : "%c%zu", (int)('A' + group % 26), group / 26);
    return text;
}

static void add_figure(trb_text *t, const column *c, double value)
{
    char number[TRB_NUMBER_BYTES];
    if (c->decimals == 0)
        trb_text_add(t, "%s", trb_number_grouped((size_t)(value + 0.5), number));
    else
        trb_text_add(t, "%s", trb_number_figure(value, c->decimals, number));
}

static const char *cell_text(const table *t, size_t group, size_t model, size_t i, char text[CELL])
{
    const column *c = column_at(t, i);
    const range r = cell(t, group, model, i);
    trb_text out = trb_text_in(text, CELL);
    if (isnan(r.mean)) return "-";
    add_figure(&out, c, r.mean);
    if (!c->ranged || !(r.least < r.largest)) return text;
    trb_text_add(&out, " (");
    add_figure(&out, c, r.least);
    trb_text_add(&out, " to ");
    add_figure(&out, c, r.largest);
    trb_text_add(&out, ")");
    return text;
}

static const char *title_of(const table *t, size_t i, char text[CELL])
{
    if (i < t->n_columns) return t->columns[i].title;
    (void)snprintf(text, CELL, "AUROC %s", t->set[i - t->n_columns]);
    return text;
}

static int width_of(const table *t, size_t i)
{
    char text[CELL];
    size_t width = strlen(title_of(t, i, text));
    for (size_t m = 0; m < t->n_models; m++)
        for (size_t g = 0; g < t->runs->groups; g++) {
            const size_t n = strlen(cell_text(t, g, m, i, text));
            width = n > width ? n : width;
        }
    return (int)width;
}

/* The runs of each group, with their seeds. */
static void print_groups(const trb__runs *r)
{
    char name[24], *dir = NULL;
    for (size_t g = 0; g < r->groups; g++) {
        (void)printf("%s:", group_name(g, name));
        for (size_t i = 0; i < r->n; i++) {
            if (r->run[i].group != g || trb_strdup(r->run[i].dir, &dir) != TRB_OK) continue;
            (void)printf(" %s (seed %llu)", trb_printable(dir), (unsigned long long)r->run[i].c->run.seed);
            trb_free(dir);
        }
        (void)puts("");
    }
    (void)puts("");
}

/* The keys that differ, one a row, with the value in each group. */
static trb_status print_differences(const trb__runs *r)
{
    char name[24];
    if (r->n_different == 0) return TRB_OK;
    (void)printf("| key |");
    for (size_t g = 0; g < r->groups; g++) (void)printf(" %s |", group_name(g, name));
    (void)printf("\n| --- |");
    for (size_t g = 0; g < r->groups; g++) (void)printf(" --- |");
    (void)puts("");
    for (size_t i = 0; i < r->n_different; i++) {
        (void)printf("| %s |", r->different[i]);
        for (size_t g = 0; g < r->groups; g++) {
            char *value = NULL;
            TRB_TRY(trb__run_value(trb__run_of(r, g), r->different[i], &value));
            (void)printf(" %s |", trb_printable(value));
            trb_free(value);
        }
        (void)puts("");
    }
    (void)puts("");
    return TRB_OK;
}

static trb_status print_text(const table *t)
{
    const size_t columns = t->n_columns + t->n_sets;
    const bool several = t->runs->groups > 1;
    int *width = NULL, names = 5;
    char text[CELL], name[24];
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, columns, sizeof *width, &width));
    for (size_t i = 0; i < columns; i++) width[i] = width_of(t, i);
    for (size_t m = 0; m < t->n_models; m++)
        names = (int)strlen(t->model[m]) > names ? (int)strlen(t->model[m]) : names;
    print_groups(t->runs);
    trb_status st = print_differences(t->runs);
    (void)printf("| %-*s |%s", names, "model", several ? " runs |" : "");
    for (size_t i = 0; i < columns; i++) (void)printf(" %*s |", width[i], title_of(t, i, text));
    (void)printf("\n| --- |%s", several ? " --- |" : "");
    for (size_t i = 0; i < columns; i++) (void)printf(" ---: |");
    (void)puts("");
    for (size_t m = 0; st == TRB_OK && m < t->n_models; m++)
        for (size_t g = 0; g < t->runs->groups; g++) {
            if (!has_row(t, g, t->model[m])) continue;
            (void)printf("| %-*s |", names, t->model[m]);
            if (several) (void)printf(" %-4s |", group_name(g, name));
            for (size_t i = 0; i < columns; i++) (void)printf(" %*s |", width[i], cell_text(t, g, m, i, text));
            (void)puts("");
        }
    trb_free(width);
    return st;
}

/* ---- CSV and JSON */

/* The name of a column for programs: "nll", "nll_ratio" (to the ensemble's), "auroc_kmnist". */
static void add_name(trb_text *out, const table *t, size_t i)
{
    static const char *const end[] = {[PLAIN] = "", [RATIO] = "_ratio", [DIFFERENCE] = "_difference"};
    const column *c = column_at(t, i);
    trb_text_add(out, "%s%s", c->figure, end[c->to]);
    if (i >= t->n_columns) trb_text_add(out, "_%s", t->set[i - t->n_columns]);
}

/* Each figure has three columns: mean, least and largest. An unknown figure is an empty field. */
static void compose_csv(trb_text *out, const table *t)
{
    static const char *const what[] = {"", "_least", "_largest"};
    char name[24];
    trb_text_add(out, "runs,model");
    for (size_t i = 0; i < t->n_columns + t->n_sets; i++)
        for (size_t k = 0; k < 3; k++) {
            trb_text_add(out, ",");
            add_name(out, t, i);
            trb_text_add(out, "%s", what[k]);
        }
    trb_text_add(out, "\n");
    for (size_t m = 0; m < t->n_models; m++)
        for (size_t g = 0; g < t->runs->groups; g++) {
            if (!has_row(t, g, t->model[m])) continue;
            const char *quote = strchr(t->model[m], ',') != NULL ? "\"" : "";
            trb_text_add(out, "%s,%s%s%s", group_name(g, name), quote, t->model[m], quote);
            for (size_t i = 0; i < t->n_columns + t->n_sets; i++) {
                const range r = cell(t, g, m, i);
                const double value[] = {r.mean, r.least, r.largest};
                for (size_t k = 0; k < 3; k++) {
                    trb_text_add(out, ",");
                    if (!isnan(value[k])) trb_text_number(out, value[k]);
                }
            }
            trb_text_add(out, "\n");
        }
}

static trb_status add_groups(trb_text *out, const trb__runs *r)
{
    char name[24];
    for (size_t g = 0; g < r->groups; g++) {
        const char *comma = "";
        trb_text_add(out, "%s\n  {\"name\": \"%s\", \"runs\": [", g > 0 ? "," : "", group_name(g, name));
        for (size_t i = 0; i < r->n; i++) {
            if (r->run[i].group != g) continue;
            trb_text_add(out, "%s{\"folder\": ", comma);
            trb_text_quoted(out, r->run[i].dir);
            trb_text_add(out, ", \"seed\": %llu}", (unsigned long long)r->run[i].c->run.seed);
            comma = ", ";
        }
        trb_text_add(out, "], \"differs\": {");
        for (size_t i = 0; i < r->n_different; i++) {
            char *value = NULL;
            TRB_TRY(trb__run_value(trb__run_of(r, g), r->different[i], &value));
            trb_text_add(out, "%s\"%s\": ", i > 0 ? ", " : "", r->different[i]);
            trb_text_quoted(out, value);
            trb_free(value);
        }
        trb_text_add(out, "}}");
    }
    return TRB_OK;
}

/* Each figure is a list: mean, least, largest. */
static trb_status compose_json(trb_text *out, const table *t)
{
    const char *comma = "";
    char name[24];
    trb_text_add(out, "{\"groups\": [");
    TRB_TRY(add_groups(out, t->runs));
    trb_text_add(out, "],\n\"models\": [");
    for (size_t m = 0; m < t->n_models; m++)
        for (size_t g = 0; g < t->runs->groups; g++) {
            if (!has_row(t, g, t->model[m])) continue;
            trb_text_add(out, "%s\n  {\"group\": \"%s\", \"model\": \"%s\"", comma, group_name(g, name), t->model[m]);
            for (size_t i = 0; i < t->n_columns + t->n_sets; i++) {
                const range r = cell(t, g, m, i);
                trb_text_add(out, ", \"");
                add_name(out, t, i);
                trb_text_add(out, "\": [");
                trb_text_number(out, r.mean);
                trb_text_add(out, ", ");
                trb_text_number(out, r.least);
                trb_text_add(out, ", ");
                trb_text_number(out, r.largest);
                trb_text_add(out, "]");
            }
            trb_text_add(out, "}");
            comma = ",";
        }
    trb_text_add(out, "]}\n");
    return TRB_OK;
}

/* ---- the table */

static trb_status print(const table *t, trb__table_format format)
{
    trb_text out = {0};
    char *text = NULL;
    if (format == TRB__TEXT) return print_text(t);
    trb_status st = TRB_OK;
    if (format == TRB__CSV)
        compose_csv(&out, t);
    else
        st = compose_json(&out, t);
    const trb_status taken = trb_text_take(&out, &text);
    if (st == TRB_OK) st = taken;
    if (st == TRB_OK) (void)fputs(text, stdout);
    trb_free(text);
    return st;
}

trb_status trb__compare_print(const trb__runs *r, trb__table_format format)
{
    const bool classes = r->run[0].c->data.task == TRB_TASK_CLASSES;
    table t = {.runs = r, .columns = classes ? of_classes : of_regression};
    trb_status st = TRB_OK;
    while (t.columns[t.n_columns].title != NULL) t.n_columns++;
    for (size_t i = 0; st == TRB_OK && i < r->n; i++) {
        st = add_names(&r->run[i], "models.", &t.n_models, &t.model);
        if (st == TRB_OK && classes) st = add_names(&r->run[i], "ood.", &t.n_sets, &t.set);
    }
    sort_models(&t);
    if (st == TRB_OK) st = print(&t, format);
    trb_free(t.model);
    trb_free(t.set);
    return st;
}
