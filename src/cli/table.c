#include <math.h>
#include <stdio.h>

#include "commands.h"

/* A figure with the digits that its size deserves. */
static void figure(double value, int width, int digits)
{
    (void)printf("  %*.*f", width, digits, value);
}

static void figures(trb_task task, const trb_report_row *row)
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
    figure(m->brier, 7, 4);
    figure(m->ece, 7, 4);
    if (row->several)
        figure(m->mu, 8, 5);
    else
        (void)printf("  %8s", "-");
}

void trb__print_report(const trb_report *r, const char *split)
{
    (void)printf("\n%zu samples (%s)\n", r->samples, split);
    if (r->task == TRB_TASK_REGRESSION)
        (void)printf("%-16s  %9s  %9s  %9s  %9s  %9s  %9s  %9s  %9s", "model", "RMSE", "NLL", "NLL(mom.)", "CRPS",
                     "coverage", "width", "model sd", "data sd");
    else
        (void)printf("%-16s  %8s  %7s  %7s  %7s  %8s", "model", "accuracy", "NLL", "Brier", "ECE", "MU");
    (void)printf("  %10s  %9s\n", "parameters", "ms/sample");
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        (void)printf("%-16s", row->name);
        figures(r->task, row);
        if (row->params > 0)
            (void)printf("  %10llu", (unsigned long long)row->params);
        else
            (void)printf("  %10s", "-");
        if (isnan(row->ms_per_sample))
            (void)printf("  %9s", "-");
        else
            figure(row->ms_per_sample, 9, 5);
        (void)putchar('\n');
    }
}
