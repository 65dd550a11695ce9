/* Tables on stdout: the report of `tribikos eval`, and the plan of `tribikos plan`. */
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

trb_status trb__show(const char *fmt, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, fmt);
    const int n = vasprintf(&line, fmt, args);
    va_end(args);
    if (n < 0) return trb_fail(TRB_ENOMEM, "no memory for a line of output");
    (void)puts(trb_printable(line));
    free(line);
    return TRB_OK;
}

bool trb__stdout_unread(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

trb_status trb__one_operand(const trb__arguments *a, const char *what)
{
    if (a->n_operands == 1 && a->n_flags == 0) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "`tribikos %s` takes one %s and no flags", a->command->name, what);
}

/* Four significant digits, for figures in the units of the target, which may be of any size; and three, for times below
 * a microsecond. */
enum { ANY_SIZE = -1 /* of trb_number_figure() */, SHORT = -2 };

/* Print a figure; a dash stands for an unknown one. */
static void figure(double value, int width, int digits)
{
    char text[TRB_NUMBER_BYTES];
    if (isnan(value))
        (void)printf("  %*s", width, "-");
    else if (digits == SHORT)
        (void)printf("  %*.3g", width, value);
    else
        (void)printf("  %*s", width, trb_number_figure(value, digits, text));
}

/* A column of the table of models. */
typedef struct {
    trb_figure is; /* heading and place in trb_metrics */
    int width, digits;
    bool several; /* only for models that have model uncertainty */
    bool root;    /* show the square root: a deviation, of a variance */
} column;

#define COLUMN(heading, name, ...)                                                                                     \
    {                                                                                                                  \
        .is = {heading, offsetof(trb_metrics, name)}, __VA_ARGS__                                                      \
    }
static const column of_classes[] = {
    COLUMN("accuracy", accuracy, .width = 8, .digits = 4),
    COLUMN("NLL", nll, .width = 7, .digits = 4),
    COLUMN("cNLL", calibrated_nll, .width = 7, .digits = 4),
    COLUMN("Brier", brier, .width = 7, .digits = 4),
    COLUMN("ECE", ece, .width = 7, .digits = 4),
    COLUMN("MU", mu, .width = 8, .digits = 5, .several = true),
    COLUMN("MU ratio", mu_ratio, .width = 8, .digits = 3),
    {.width = 0},
};
static const column of_regression[] = {
    COLUMN("RMSE", rmse, .width = 9, .digits = ANY_SIZE),
    COLUMN("NLL", nll, .width = 9, .digits = ANY_SIZE),
    COLUMN("NLL(mom.)", nll_moments, .width = 9, .digits = ANY_SIZE),
    COLUMN("CRPS", crps, .width = 9, .digits = ANY_SIZE),
    COLUMN("coverage", coverage, .width = 9, .digits = ANY_SIZE),
    COLUMN("width", width, .width = 9, .digits = ANY_SIZE),
    COLUMN("model sd", model_variance, .width = 9, .digits = ANY_SIZE, .several = true, .root = true),
    COLUMN("data sd", data_variance, .width = 9, .digits = ANY_SIZE, .root = true),
    {.width = 0},
};

/* The second table: how good the uncertainties are. */
static const column errors_of_classes[] = {
    COLUMN("AUROC MU", error_auroc_model, .width = 8, .digits = 4),
    COLUMN("AUROC TU", error_auroc_total, .width = 8, .digits = 4),
    COLUMN("AURC MU", aurc_model, .width = 8, .digits = 5),
    COLUMN("AURC TU", aurc_total, .width = 8, .digits = 5),
    COLUMN("class ECE", classwise_ece, .width = 9, .digits = 5),
    COLUMN("MU corr.", mu_spearman, .width = 8, .digits = 3),
    COLUMN("coverage", conformal_coverage, .width = 8, .digits = 4),
    COLUMN("set size", conformal_size, .width = 8, .digits = 3),
    {.width = 0},
};
static const column errors_of_regression[] = {
    COLUMN("AURC model", aurc_model, .width = 10, .digits = ANY_SIZE),
    COLUMN("AURC total", aurc_total, .width = 10, .digits = ANY_SIZE),
    COLUMN("corr.", mu_spearman, .width = 6, .digits = 3),
    COLUMN("coverage", conformal_coverage, .width = 8, .digits = 4),
    COLUMN("width", conformal_size, .width = 9, .digits = ANY_SIZE),
    {.width = 0},
};

static void print_figures(const column *c, const trb_report_row *row)
{
    for (; c->width > 0; c++) {
        const double value = trb_metrics_value(&row->metrics, &c->is);
        figure(c->several && !row->several ? (double)NAN : c->root ? sqrt(value) : value, c->width, c->digits);
    }
}

static int wider(int width, const char *name)
{
    const int n = (int)strlen(name);
    return n > width ? n : width;
}

static int name_width(const trb_report *r)
{
    int width = 16;
    for (size_t i = 0; i < r->n; i++) width = wider(width, r->row[i].name);
    return width;
}

static void print_models(const trb_report *r)
{
    const column *columns = r->task == TRB_TASK_REGRESSION ? of_regression : of_classes;
    const int names = name_width(r);
    (void)printf("%-*s", names, "model");
    for (const column *c = columns; c->width > 0; c++) (void)printf("  %*s", c->width, c->is.name);
    (void)printf("  %10s  %9s\n", "parameters", "ms/sample");
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        (void)printf("%-*s", names, row->name);
        print_figures(columns, row);
        if (row->params > 0)
            (void)printf("  %10llu", (unsigned long long)row->params);
        else
            (void)printf("  %10s", "-");
        figure(row->ms_per_sample, 9, row->ms_per_sample < 0.001 ? SHORT : 5);
        (void)putchar('\n');
    }
}

static void print_errors(const trb_report *r)
{
    const bool classes = r->task == TRB_TASK_CLASSES;
    const int names = name_width(r);
    (void)printf("\n%s\n%-*s",
                 classes
                     ? "what uncertainty is worth: errors found by model (MU) and total uncertainty (TU); prediction "
                       "sets for 90 %"
                     : "what uncertainty is worth: squared error by model and total variance; intervals for 90 %",
                 names, "model");
    const column *columns = classes ? errors_of_classes : errors_of_regression;
    for (const column *c = columns; c->width > 0; c++) (void)printf("  %*s", c->width, c->is.name);
    (void)putchar('\n');
    for (size_t i = 0; i < r->n; i++) {
        (void)printf("%-*s", names, r->row[i].name);
        print_figures(columns, &r->row[i]);
        (void)putchar('\n');
    }
}

/* Print one line of a group: the mean, the least or the largest of each figure. */
static void print_group(const trb_report *r, const column *columns, size_t n, const size_t *row, const char *what,
                        int names)
{
    (void)printf("%-*s", names, what);
    for (const column *c = columns; c->width > 0; c++) {
        double sum = 0.0, least = INFINITY, largest = -INFINITY;
        bool known = !c->several || r->row[row[0]].several;
        for (size_t i = 0; i < n; i++) {
            double value = trb_metrics_value(&r->row[row[i]].metrics, &c->is);
            if (c->root) value = sqrt(value);
            known = known && !isnan(value);
            sum += value;
            least = fmin(least, value);
            largest = fmax(largest, value);
        }
        const double value = strcmp(what, "  least") == 0     ? least
                             : strcmp(what, "  largest") == 0 ? largest
                                                              : sum / (double)n;
        figure(known ? value : (double)NAN, c->width, c->digits);
    }
    (void)putchar('\n');
}

void trb__name_seeds(const char *student, size_t n, char text[TRB__ROW_BYTES])
{
    static const char part[] = "-seed-";
    const char *at = strstr(student, part), *after = at;
    if (at != NULL) after = at + sizeof part - 1 + strspn(at + sizeof part - 1, "0123456789");
    (void)snprintf(text, TRB__ROW_BYTES, "%.*s%s, %zu seeds",
                   (int)(at != NULL ? (size_t)(at - student) : strlen(student)), student, at != NULL ? after : "", n);
}

/* Collect the rows of the students that differ from student s in nothing but their seed. \return how many there are */
static size_t find_group(const trb_report *r, const trb_config *c, size_t s, size_t *row)
{
    size_t n = 0, first = 0;
    for (size_t i = s; i < c->n_students; i++) {
        if (trb_config_but_seed(c, i, &first) != TRB_OK || first != s) continue;
        for (size_t k = 0; k < r->n; k++)
            if (strcmp(r->row[k].name, c->student[i].name) == 0) row[n++] = k;
    }
    return n;
}

/* Average over seeds: students that differ in nothing else have a row of their means, and rows of least and largest. */
static trb_status print_seeds(const trb_report *r, const trb_config *c)
{
    enum { SEEDS = 10 }; /* what trb__name_seeds() may add to a name */
    const column *columns = r->task == TRB_TASK_REGRESSION ? of_regression : of_classes;
    const int names = name_width(r) + SEEDS;
    size_t *row = NULL;
    bool any = false;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, r->n, sizeof *row, &row));
    for (size_t s = 0; s < c->n_students; s++) {
        const size_t n = find_group(r, c, s, row);
        char name[TRB__ROW_BYTES];
        if (n < 2) continue;
        if (!any) {
            (void)printf("\nstudents that differ in their seed alone: mean and range\n%-*s", names, "model");
            for (const column *k = columns; k->width > 0; k++) (void)printf("  %*s", k->width, k->is.name);
            (void)putchar('\n');
        }
        any = true;
        trb__name_seeds(c->student[s].name, n, name);
        print_group(r, columns, n, row, name, names);
        print_group(r, columns, n, row, "  least", names);
        print_group(r, columns, n, row, "  largest", names);
    }
    trb_free(row);
    return TRB_OK;
}

/* Each set has three columns: AUROC by model uncertainty, by total uncertainty and by the largest probability. If the
 * set's name is wider than they are, the first column is widened. */
static void print_ood(const trb_report *r, const trb_config *c)
{
    enum { WIDTH = 6, OTHERS = (TRB_SCORES - 1) * (WIDTH + 2) };
    const int names = name_width(r);
    (void)printf("\nAUROC, out of distribution, by model uncertainty (MU), total uncertainty (TU), largest probability "
                 "(maxP)\n%-*s",
                 names, "");
    for (size_t i = 0; i < c->eval.n_ood; i++) (void)printf("  %*s", WIDTH + OTHERS, c->eval.ood[i].name);
    (void)printf("\n%-*s", names, "model");
    for (size_t i = 0; i < c->eval.n_ood; i++)
        (void)printf("  %*s  %*s  %*s", wider(WIDTH + OTHERS, c->eval.ood[i].name) - OTHERS, "MU", WIDTH, "TU", WIDTH,
                     "maxP");
    (void)putchar('\n');
    for (size_t row = 0; row < r->n; row++) {
        (void)printf("%-*s", names, r->row[row].name);
        for (size_t i = 0; i < c->eval.n_ood; i++)
            for (size_t k = 0; k < TRB_SCORES; k++)
                figure(r->ood[(i * r->n + row) * TRB_SCORES + k].auroc,
                       k == 0 ? wider(WIDTH + OTHERS, c->eval.ood[i].name) - OTHERS : WIDTH, 4);
        (void)putchar('\n');
    }
}

/* Print the accuracy for every corruption, and the means over all of them. */
static void print_corruptions(const trb_report *r, const trb_config *c)
{
    const size_t copies = c->eval.n_corruptions * TRB_CORRUPT_STRENGTHS;
    const int names = name_width(r);
    (void)printf("\ncorrupted samples, means over %d strengths: accuracy each; accuracy, NLL, ECE of all\n%-*s",
                 TRB_CORRUPT_STRENGTHS, names, "model");
    for (size_t i = 0; i < c->eval.n_corruptions; i++) (void)printf("  %8s", c->eval.corruptions[i]);
    (void)printf("  %8s  %7s  %7s\n", "all", "NLL", "ECE");
    for (size_t row = 0; row < r->n; row++) {
        double accuracy = 0.0, nll = 0.0, ece = 0.0;
        (void)printf("%-*s", names, r->row[row].name);
        for (size_t i = 0; i < c->eval.n_corruptions; i++) {
            double of_this = 0.0;
            for (size_t s = 0; s < TRB_CORRUPT_STRENGTHS; s++) {
                const trb_metrics *m = &r->corrupted[(i * TRB_CORRUPT_STRENGTHS + s) * r->n + row];
                of_this += m->accuracy / TRB_CORRUPT_STRENGTHS;
                accuracy += m->accuracy / (double)copies;
                nll += m->nll / (double)copies;
                ece += m->ece / (double)copies;
            }
            figure(of_this, 8, 4);
        }
        figure(accuracy, 8, 4);
        figure(nll, 7, 4);
        figure(ece, 7, 4);
        (void)putchar('\n');
    }
}

void trb__print_report(const trb_report *r, const trb_config *c)
{
    (void)printf("\n%s (%s)\n", TRB_COUNT(r->samples, "sample"), c->eval.split);
    print_models(r);
    (void)print_seeds(r, c); /* without memory there is no such table */
    print_errors(r);
    if (c->eval.n_ood > 0) print_ood(r, c);
    if (c->eval.n_corruptions > 0) print_corruptions(r, c);
}

/* Bytes as text, with a unit: "5.6 MB". */
const char *trb__size_text(double bytes, char text[24])
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t u = 0;
    for (; bytes >= 999.5 && u + 1 < sizeof unit / sizeof *unit; u++) bytes /= 1000.0;
    (void)snprintf(text, 24, "%.*f %s", u > 0 && bytes < 99.95 ? 1 : 0, bytes, unit[u]);
    return text;
}

/* Seconds as text, with a unit: "1.50 h". */
static const char *time_text(double seconds, char text[24])
{
    const double minutes = seconds / 60.0, hours = minutes / 60.0;
    const double value = seconds < 99.95 ? seconds : minutes < 99.95 ? minutes : hours;
    (void)snprintf(text, 24, "%.*f %s",
                   value < 9.995   ? 2
                   : value < 99.95 ? 1
                                   : 0,
                   value,
                   seconds < 99.95   ? "s"
                   : minutes < 99.95 ? "min"
                                     : "h");
    return text;
}

/* A training takes more memory if it goes on from a checkpoint; other stages have no difference (NaN: not known). */
static void print_memory(int names, const char *what, double begin, double resume)
{
    char text[24], again[24];
    if (isnan(begin))
        (void)printf("%-*s  %12s  %12s\n", names, what, "-", "-");
    else
        (void)printf("%-*s  %12s  %12s\n", names, what, trb__size_text(begin, text), trb__size_text(resume, again));
}

static void print_times(int names, const char *what, double one_s, double all_s)
{
    char one[24], all[24];
    (void)printf("%-*s  %12s  %12s\n", names, what, time_text(one_s, one), time_text(all_s, all));
}

/* The ranks of a node share data sets and cached logits. */
static void print_node_memory(const trb_plan *p, int names)
{
    const double n = (double)p->node_ranks;
    char text[24];
    (void)printf("\n%-*s  %9zu %s\n", names, "memory of a node at most", p->node_ranks,
                 p->node_ranks == 1 ? "rank" : "ranks");
    for (size_t i = 0; i < p->n_stages; i++) {
        const trb_plan_stage *s = &p->stage[i];
        if (s->begin_bytes == 0.0) continue;
        const double bytes = s->shared_bytes + n * (s->resume_bytes - s->shared_bytes);
        (void)printf("%-*s  %12s\n", names, s->name, isnan(bytes) ? "-" : trb__size_text(bytes, text));
    }
}

void trb__print_plan(const trb_plan *p)
{
    char text[24], ranks[32];
    size_t files = 1; /* the manifest */
    double bytes = 0.0, one = 0.0, all = 0.0;
    (void)printf("%5s  %-48s  %6s  %9s\n", "view", "recipe", "files", "bytes");
    for (size_t v = 0; v < p->n_views; v++) {
        const trb_plan_view *view = &p->view[v];
        (void)printf("%5zu  %-48s  %6zu  %9s%s\n", v, view->recipe, view->files, trb__size_text(view->bytes, text),
                     view->stored ? "  with inputs" : "");
        files += view->files;
        bytes += view->bytes;
    }
    (void)printf("%5s  %zu samples%*s  %6zu  %9s\n\n", "all", p->samples,
                 (int)(40 - snprintf(NULL, 0, "%zu", p->samples)), "", files, trb__size_text(bytes, text));
    (void)snprintf(ranks, sizeof ranks, "%zu %s", p->ranks, p->ranks == 1 ? "rank" : "ranks");
    int names = 40;
    for (size_t i = 0; i < p->n_stages; i++) names = wider(names, p->stage[i].name);
    (void)printf("%-*s  %12s  %12s\n", names, "computing", "1 rank", ranks);
    for (size_t i = 0; i < p->n_stages; i++) {
        const trb_plan_stage *stage = &p->stage[i];
        one += stage->one_s;
        all += stage->all_s;
        if (stage->one_s > 0.0) print_times(names, stage->name, stage->one_s, stage->all_s);
    }
    print_times(names, "all", one, all);
    (void)printf("\n%-*s  %12s  %12s\n", names, "memory of a rank at most", "beginning", "resuming");
    for (size_t i = 0; i < p->n_stages; i++)
        if (p->stage[i].begin_bytes != 0.0)
            print_memory(names, p->stage[i].name, p->stage[i].begin_bytes, p->stage[i].resume_bytes);
    print_node_memory(p, names);
}
