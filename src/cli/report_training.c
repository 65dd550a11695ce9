/* The section of `tribikos report` with the curves of trainings, from metrics.jsonl. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

typedef struct {
    size_t n, n_bad; /* n_bad: lines before the last one that cannot be read; their values are NaN */
    double *phase, *loss, *held;
} training;

static void clear_training(training *t)
{
    trb_free(t->phase);
    trb_free(t->loss);
    trb_free(t->held);
    *t = (training){0};
}

/* Take a line of metrics.jsonl. \param[in] last  the last one of a training that runs may be cut: it is no line yet */
static trb_status take_line(const char *path, const char *line, bool last, training *t)
{
    trb_tree *tree = NULL;
    const trb_status st = trb_tree_read(path, line, &tree);
    if (st != TRB_OK && trb_status_is_failure(st)) return st;
    const bool whole = st == TRB_OK && isfinite(trb_tree_number(tree, "phase"));
    if (st != TRB_OK) trb_fail_clear();
    if (whole || !last) {
        t->phase[t->n] = whole ? trb_tree_number(tree, "phase") : t->n > 0 ? t->phase[t->n - 1] : 0.0;
        t->loss[t->n] = whole ? trb_tree_number(tree, "loss") : (double)NAN;
        t->held[t->n] = whole ? trb_tree_number(tree, "validation_loss") : (double)NAN;
        t->n++;
        t->n_bad += !whole;
    }
    trb_tree_destroy(tree);
    return TRB_OK;
}

/* Read metrics.jsonl of a network. \param[out] t  empty if there is none */
static trb_status read_training(const char *dir, const char *kind, const char *name, training *t)
{
    char path[2 * TRB__PATH], *text = NULL;
    size_t lines = 1;
    *t = (training){0};
    (void)snprintf(path, sizeof path, "%s/%s/%s/metrics.jsonl", dir, kind, name);
    if (!trb_file_exists(path)) return TRB_OK;
    TRB_TRY(trb_file_read_text(path, TRB__REPORT_BYTES, &text));
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) lines++;
    trb_status st = trb_alloc(TRB_MEM_OTHER, lines, sizeof *t->phase, &t->phase);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, lines, sizeof *t->loss, &t->loss);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, lines, sizeof *t->held, &t->held);
    for (char *line = text, *end = NULL; st == TRB_OK && line != NULL && *line != '\0'; line = end) {
        end = strchr(line, '\n');
        if (end != NULL) *end++ = '\0';
        if (*line != '\0') st = take_line(path, line, end == NULL || *end == '\0', t);
    }
    trb_free(text);
    return st;
}

/* Add epochs [first, end) of a curve. If there are many, some are left out, but not the last one. */
static trb_status add_epochs(trb__chart *c, const char *name, int colour, trb__stroke stroke, bool silent,
                             const double *value, size_t first, size_t end)
{
    enum { MOST = 100 };
    trb__series *line = NULL;
    const size_t n = end - first, step = (n + MOST - 1) / MOST;
    bool any = false;
    for (size_t i = first; i < end; i++) any = any || !isnan(value[i]);
    if (!any) return TRB_OK;
    TRB_TRY(trb__chart_series(c, colour, stroke, n / step + 1, name, &line));
    line->silent = silent;
    line->n = 0;
    for (size_t i = first; i < end; i++) {
        if ((i - first) % step != 0 && i + 1 != end) continue;
        line->x[line->n] = (double)(i + 1);
        line->y[line->n++] = value[i];
    }
    return TRB_OK;
}

static void name_curve(char name[TRB__SERIES_NAME], const char *network, const char *what)
{
    (void)snprintf(name, TRB__SERIES_NAME, "%s%s", network, what);
}

static trb_status add_member(trb__chart *c, const char *name, const training *t, bool first)
{
    char text[TRB__SERIES_NAME];
    name_curve(text, first ? "training loss, each member" : name, first ? "" : ", training loss");
    TRB_TRY(add_epochs(c, text, TRB__FIRST_COLOUR, TRB__SOLID, !first, t->loss, 0, t->n));
    name_curve(text, first ? "held-out samples" : name, first ? "" : ", held-out samples");
    return add_epochs(c, text, TRB__FIRST_COLOUR + 1, TRB__DASHED, !first, t->held, 0, t->n);
}

/* The phases of a student's training follow each other. */
static trb_status add_student(trb__chart *c, int colour, const training *t)
{
    char text[TRB__SERIES_NAME];
    for (size_t i = 0, end = 0; i < t->n; i = end) {
        while (end < t->n && !(t->phase[end] > t->phase[i])) end++;
        const bool all = i == 0 && end == t->n;
        (void)snprintf(text, sizeof text, all ? "training loss" : "training loss, phase %.0f", t->phase[i]);
        TRB_TRY(add_epochs(c, text, colour, end == t->n ? TRB__SOLID : TRB__DASHED, false, t->loss, i, end));
    }
    return add_epochs(c, "held-out samples", colour, TRB__DOTTED, false, t->held, 0, t->n);
}

static int by_loss(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The loss of a first epoch may be larger than all others by orders of magnitude. The axis leaves out values that are far
 * above the median, in units of what lies below it. */
static trb_status cut_outliers(trb__chart *c)
{
    enum { FAR = 200 };
    double *value = NULL;
    size_t n = 0;
    for (size_t s = 0; s < c->n; s++) n += c->series[s].n;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *value, &value));
    n = 0;
    for (size_t s = 0; s < c->n; s++)
        for (size_t i = 0; i < c->series[s].n; i++)
            if (isfinite(c->series[s].y[i])) value[n++] = c->series[s].y[i];
    qsort(value, n, sizeof *value, by_loss);
    if (n > 0) {
        const double median = value[n / 2], most = median + FAR * (median - value[0]);
        size_t last = n - 1;
        while (value[last] > most && last > n / 2) last--;
        c->cut = median > value[0] && last + 1 < n;
        c->y_most = value[last];
    }
    trb_free(value);
    return TRB_OK;
}

static void say_damage(const char *folder, const char *name, const training *t, trb_text *said)
{
    if (t->n_bad > 0)
        trb__html_missing(said, "%zu of %zu lines of %s/%s/metrics.jsonl cannot be read; the curves lack these epochs.",
                          t->n_bad, t->n, folder, name);
}

static trb_status add_members(const trb__sheet *s, trb__chart *c, size_t *n, size_t *shown, trb_text *said)
{
    enum { MOST = 20 };
    char path[TRB__PATH], **name = NULL;
    (void)snprintf(path, sizeof path, "%s/members", s->dir);
    TRB_TRY(trb__names_in(path, n, &name));
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < *n && *shown < MOST; i++) {
        training t;
        st = read_training(s->dir, "members", name[i], &t);
        if (st == TRB_OK && t.n > 0) st = add_member(c, name[i], &t, (*shown)++ == 0);
        say_damage("members", name[i], &t, said);
        clear_training(&t);
    }
    trb__names_free(*n, name);
    return st;
}

/* Losses of different methods are not of one kind, so each student has a chart. */
static trb_status draw_student(const trb__sheet *s, const trb__sheet_model *m, size_t number, size_t *drawn,
                               trb_text *said, trb_text *out)
{
    char id[40], title[TRB_NAME_MAX + 16];
    trb__chart c = {
        .id = id, .title = title, .x_label = "epoch", .x_whole = true, .y_label = "loss (nats)", .y_log = true};
    training t;
    (void)snprintf(id, sizeof id, "training-student-%zu", number);
    (void)snprintf(title, sizeof title, "Student %s", m->name);
    trb_status st = read_training(s->dir, "student", m->name, &t);
    if (st == TRB_OK) st = add_student(&c, m->colour, &t);
    if (st == TRB_OK) st = cut_outliers(&c);
    if (st == TRB_OK) trb__chart_draw(&c, out);
    *drawn += t.n > 0;
    say_damage("student", m->name, &t, said);
    clear_training(&t);
    trb__chart_clear(&c);
    return st;
}

trb_status trb__sheet_training(const trb__sheet *s, trb_text *out)
{
    trb__chart members = {.id = "training-members",
                          .title = "Members",
                          .x_label = "epoch",
                          .x_whole = true,
                          .y_label = "loss (nats)",
                          .y_log = true};
    trb_text said = {0};
    char *damage = NULL;
    size_t n = 0, shown = 0, drawn = 0;
    trb__html_open(out, "training", "Training",
                   "The mean loss of each epoch. Members learn the labels; students learn what the members predict, so "
                   "their losses are of other kinds. A held-out loss that rises while the training loss falls shows "
                   "overfitting. An axis may end below single values that are far beyond all others.");
    trb_status st = add_members(s, &members, &n, &shown, &said);
    if (st == TRB_OK) st = cut_outliers(&members);
    trb_text_add(out, "<div class=\"grid\">\n");
    if (st == TRB_OK) trb__chart_draw(&members, out);
    for (size_t i = 0; st == TRB_OK && i < s->n_models; i++)
        if (s->model[i].student && s->model[i].colour >= 0) st = draw_student(s, &s->model[i], i, &drawn, &said, out);
    trb_text_add(out, "</div>\n");
    if (members.n == 0)
        trb__html_missing(out, "There are no curves of members: members/ has no metrics.jsonl. They may be trained "
                               "elsewhere.");
    else if (n > shown)
        trb__html_missing(out, "Shown are %zu of %zu members.", shown, n);
    if (drawn == 0) trb__html_missing(out, "There are no curves of students: no student has a metrics.jsonl.");
    const trb_status taken = trb_text_take(&said, &damage);
    if (taken == TRB_OK) trb_text_add(out, "%s", damage);
    trb_free(damage);
    trb__chart_clear(&members);
    trb_text_add(out, "</section>\n");
    return st != TRB_OK ? st : taken;
}
