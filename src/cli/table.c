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
