/* Statistics of ranks: detection of out-of-distribution samples, risk by coverage, correlations (ranks.h). */
#include "tribikos/ranks.h"

#include <math.h>
#include <stdlib.h>

#include "tribikos/memory.h"

typedef struct {
    double score;
    size_t at;
} scored;

static int by_score(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    if (a->score != b->score) return a->score < b->score ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

/* The end of the run of equal scores that begins at i. */
static size_t run_end(size_t n, const scored *s, size_t i)
{
    size_t end = i + 1;
    while (end < n && s[end].score == s[i].score) end++;
    return end;
}

trb_status trb_detect(size_t n_in, const double *in, size_t n_out, const double *out, trb_detection *d)
{
    const size_t n = n_in + n_out;
    scored *s = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *s, &s));
    for (size_t i = 0; i < n; i++) s[i] = (scored){i < n_in ? -in[i] : -out[i - n_in], i}; /* highest score first */
    qsort(s, n, sizeof *s, by_score);
    const double inside = (double)n_in, outside = (double)n_out;
    double wins = 0.0, fpr95 = 1.0;
    size_t found = 0, alarms = 0; /* true and false positives at the current threshold */
    *d = (trb_detection){0};
    for (size_t i = 0, end = 0; i < n; i = end) {
        const size_t before = found;
        size_t false_here = 0;
        end = run_end(n, s, i);
        for (size_t j = i; j < end; j++) false_here += s[j].at < n_in;
        found += end - i - false_here;
        alarms += false_here;
        /* A sample found here scores above all in-distribution samples not yet reached, and ties with those of this
         * run. */
        wins += (double)(found - before) * ((double)(n_in - alarms) + 0.5 * (double)false_here);
        d->aupr += (double)(found - before) / outside * ((double)found / (double)end);
        if (20 * found >= 19 * n_out) fpr95 = fmin(fpr95, (double)alarms / inside);
    }
    d->auroc = wins / (inside * outside);
    d->fpr95 = fpr95;
    trb_free(s);
    return TRB_OK;
}

trb_status trb_aurc(size_t n, const double *score, const double *loss, double *aurc)
{
    scored *s = NULL;
    double kept = 0.0, sum = 0.0; /* losses of the samples before this run; risks */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *s, &s));
    for (size_t i = 0; i < n; i++) s[i] = (scored){score[i], i};
    qsort(s, n, sizeof *s, by_score);
    for (size_t i = 0, end = 0; i < n; i = end) {
        double lost = 0.0;
        end = run_end(n, s, i);
        for (size_t j = i; j < end; j++) lost += loss[s[j].at];
        for (size_t k = i + 1; k <= end; k++) /* of k - i samples of the run, this is the expected loss */
            sum += (kept + lost * ((double)(k - i) / (double)(end - i))) / (double)k;
        kept += lost;
    }
    trb_free(s);
    *aurc = sum / (double)n;
    return TRB_OK;
}

double trb_pearson(size_t n, const double *x, const double *y)
{
    double x_mean = 0.0, y_mean = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (size_t i = 0; i < n; i++) { /* relative to the first value, so that a constant gives exactly 0 */
        x_mean += (x[i] - x[0]) / (double)n;
        y_mean += (y[i] - y[0]) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        const double dx = x[i] - x[0] - x_mean, dy = y[i] - y[0] - y_mean;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return xx > 0.0 && yy > 0.0 ? xy / (sqrt(xx) * sqrt(yy)) : NAN;
}

/* The mean ranks of x, from 0. */
static void rank(size_t n, const double *x, scored *s, double *ranks)
{
    for (size_t i = 0; i < n; i++) s[i] = (scored){x[i], i};
    qsort(s, n, sizeof *s, by_score);
    for (size_t i = 0, end = 0; i < n; i = end) {
        end = run_end(n, s, i);
        for (size_t j = i; j < end; j++) ranks[s[j].at] = 0.5 * (double)(i + end - 1);
    }
}

trb_status trb_spearman(size_t n, const double *x, const double *y, double *rho)
{
    scored *s = NULL;
    double *ranks = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n, sizeof *s, &s));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 2 * n, sizeof *ranks, &ranks));
    rank(n, x, s, ranks);
    rank(n, y, s, ranks + n);
    *rho = trb_pearson(n, ranks, ranks + n);
done:
    trb_free(ranks);
    trb_free(s);
    return st;
}
