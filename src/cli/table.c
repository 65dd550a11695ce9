#include <math.h>
#include <stdio.h>

#include "commands.h"

/* A figure with the digits that its size deserves; what is not known is a dash. */
static void figure(double value, int width, int digits)
{
    if (isnan(value))
        (void)printf("  %*s", width, "-");
    else
        (void)printf("  %*.*f", width, digits, value);
}

static void print_heads(trb_task task)
{
    if (task == TRB_TASK_REGRESSION)
        (void)printf("%-16s  %9s  %9s  %9s  %9s  %9s  %9s  %9s  %9s", "model", "RMSE", "NLL", "NLL(mom.)", "CRPS",
                     "coverage", "width", "model sd", "data sd");
    else
        (void)printf("%-16s  %8s  %7s  %7s  %7s  %7s  %8s  %8s", "model", "accuracy", "NLL", "cNLL", "Brier", "ECE",
                     "MU", "MU ratio");
    (void)printf("  %10s  %9s\n", "parameters", "ms/sample");
}

static void print_figures(trb_task task, const trb_report_row *row)
{
    const trb_metrics *m = &row->metrics;
    const trb_metrics_gaussian *g = &row->gaussian;
    if (task == TRB_TASK_REGRESSION) { /* in a unit that may be of any size */
        const double shown[] = {g->rmse, g->nll, g->nll_moments, g->crps, g->coverage, g->width};
        for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) (void)printf("  %9.4g", shown[i]);
        if (row->several)
            (void)printf("  %9.4g", sqrt(g->model_variance));
        else
            (void)printf("  %9s", "-");
        (void)printf("  %9.4g", sqrt(g->data_variance));
        return;
    }
    figure(m->accuracy, 8, 4);
    figure(m->nll, 7, 4);
    figure(m->calibrated_nll, 7, 4);
    figure(m->brier, 7, 4);
    figure(m->ece, 7, 4);
    figure(row->several ? m->mu : (double)NAN, 8, 5);
    figure(m->mu_ratio, 8, 3);
}

static void print_models(const trb_report *r)
{
    print_heads(r->task);
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        (void)printf("%-16s", row->name);
        print_figures(r->task, row);
        if (row->params > 0)
            (void)printf("  %10llu", (unsigned long long)row->params);
        else
            (void)printf("  %10s", "-");
        figure(row->ms_per_sample, 9, 5);
        (void)putchar('\n');
    }
}

/* A set's columns: AUROC by model uncertainty, total uncertainty, largest probability. */
static void print_ood(const trb_report *r, const trb_config *c)
{
    enum { WIDTH = 6, SET = TRB_SCORES * (WIDTH + 2) - 2 };
    (void)printf("\nAUROC, out of distribution, by model uncertainty (MU), total uncertainty (TU), largest probability "
                 "(maxP)\n%-16s",
                 "");
    for (size_t i = 0; i < c->eval.n_ood; i++) (void)printf("  %*.*s", SET, SET, c->eval.ood[i].name);
    (void)printf("\n%-16s", "model");
    for (size_t i = 0; i < c->eval.n_ood; i++) (void)printf("  %*s  %*s  %*s", WIDTH, "MU", WIDTH, "TU", WIDTH, "maxP");
    (void)putchar('\n');
    for (size_t row = 0; row < r->n; row++) {
        (void)printf("%-16s", r->row[row].name);
        for (size_t i = 0; i < c->eval.n_ood; i++)
            for (size_t k = 0; k < TRB_SCORES; k++) figure(r->ood[(i * r->n + row) * TRB_SCORES + k].auroc, WIDTH, 4);
        (void)putchar('\n');
    }
}

/* Accuracy of every corruption, and the means over all of them. */
static void print_corruptions(const trb_report *r, const trb_config *c)
{
    const size_t copies = c->eval.n_corruptions * TRB_CORRUPT_STRENGTHS;
    (void)printf("\ncorrupted samples, means over %d strengths: accuracy each; accuracy, NLL, ECE of all\n%-16s",
                 TRB_CORRUPT_STRENGTHS, "model");
    for (size_t i = 0; i < c->eval.n_corruptions; i++) (void)printf("  %8s", c->eval.corruptions[i]);
    (void)printf("  %8s  %7s  %7s\n", "all", "NLL", "ECE");
    for (size_t row = 0; row < r->n; row++) {
        double accuracy = 0.0, nll = 0.0, ece = 0.0;
        (void)printf("%-16s", r->row[row].name);
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
    (void)printf("\n%zu samples (%s)\n", r->samples, c->eval.split);
    print_models(r);
    if (c->eval.n_ood > 0) print_ood(r, c);
    if (c->eval.n_corruptions > 0) print_corruptions(r, c);
}

/* So many bytes as a few digits and a unit. */
static const char *size_text(double bytes, char text[24])
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t u = 0;
    for (; bytes >= 999.5 && u + 1 < sizeof unit / sizeof *unit; u++) bytes /= 1000.0;
    (void)snprintf(text, 24, "%.*f %s", u > 0 && bytes < 99.95 ? 1 : 0, bytes, unit[u]);
    return text;
}

/* So long as a few digits and a unit. */
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

static void print_times(const char *what, double one_s, double all_s)
{
    char one[24], all[24];
    (void)printf("%-40s  %12s  %12s\n", what, time_text(one_s, one), time_text(all_s, all));
}

void trb__print_plan(const trb_plan *p)
{
    char text[24], ranks[32];
    size_t files = 1; /* the manifest */
    double bytes = 0.0, one = 0.0, all = 0.0;
    (void)printf("%5s  %-48s  %6s  %9s\n", "view", "recipe", "files", "bytes");
    for (size_t v = 0; v < p->n_views; v++) {
        const trb_plan_view *view = &p->view[v];
        (void)printf("%5zu  %-48s  %6zu  %9s%s\n", v, view->recipe, view->files, size_text(view->bytes, text),
                     view->stored ? "  with inputs" : "");
        files += view->files;
        bytes += view->bytes;
    }
    (void)printf("%5s  %zu samples%*s  %6zu  %9s\n\n", "all", p->samples,
                 (int)(40 - snprintf(NULL, 0, "%zu", p->samples)), "", files, size_text(bytes, text));
    (void)snprintf(ranks, sizeof ranks, "%zu %s", p->ranks, p->ranks == 1 ? "rank" : "ranks");
    (void)printf("%-40s  %12s  %12s\n", "computing", "1 rank", ranks);
    for (size_t i = 0; i < p->n_stages; i++) {
        const trb_plan_stage *stage = &p->stage[i];
        one += stage->one_s;
        all += stage->all_s;
        if (stage->one_s > 0.0) print_times(stage->name, stage->one_s, stage->all_s);
    }
    print_times("all", one, all);
}
