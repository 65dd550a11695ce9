#include <math.h>
#include <stdio.h>

#include "commands.h"

/* A figure with the digits that its size deserves. */
static void figure(double value, int width, int digits)
{
    (void)printf("  %*.*f", width, digits, value);
}

void trb__print_report(const trb_report *r, const char *split)
{
    (void)printf("\n%zu samples (%s)\n", r->samples, split);
    (void)printf("%-16s  %8s  %7s  %7s  %7s  %8s  %10s  %9s\n", "model", "accuracy", "NLL", "Brier", "ECE", "MU",
                 "parameters", "ms/sample");
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        (void)printf("%-16s", row->name);
        figure(row->metrics.accuracy, 8, 4);
        figure(row->metrics.nll, 7, 4);
        figure(row->metrics.brier, 7, 4);
        figure(row->metrics.ece, 7, 4);
        if (row->several)
            figure(row->metrics.mu, 8, 5);
        else
            (void)printf("  %8s", "-");
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
