/* Calibration (calibration.h): the fit of a temperature by Newton's method, and calibration errors. */
#include "tribikos/calibration.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tribikos/memory.h"

static const double b_most = 100.0, b_near = 1e-12; /* b_near: relative */
static const double gain_least = 1e-16;             /* nats, over all rows together */
static const double step_most = 1e-3;               /* relative to b */
enum { STEPS_MOST = 200 };

trb_temperature trb_temperature_begin(void)
{
    return (trb_temperature){.b = 1.0, .low = 1.0 / b_most, .high = b_most};
}

void trb_temperature_sums(size_t rows, size_t K, const float *log_p, const int32_t *label, double b, double sums[3])
{
    sums[0] = sums[1] = sums[2] = 0.0;
    for (size_t i = 0; i < rows; i++) {
        const float *l = log_p + i * K;
        const double y = (double)l[label[i]];
        double max = (double)l[0], S = 0.0, first = 0.0, second = 0.0;
        for (size_t k = 1; k < K; k++) max = (double)l[k] > max ? (double)l[k] : max;
        for (size_t k = 0; k < K; k++) { /* moments around the largest l_k avoid cancellation */
            const double away = (double)l[k] - max, e = exp(b * away);
            S += e;
            first += e * away;
            second += e * away * away;
        }
        first /= S;
        sums[0] += log(S) + b * (max - y);
        sums[1] += first + (max - y);
        sums[2] += fmax(second / S - first * first, 0.0);
    }
}

bool trb_temperature_step(trb_temperature *t, const double sums[3])
{
    const double b = t->b;
    /* At a minimum, Newton's step is next to nothing. Without one, it stays as long as before. */
    t->open = fabs(sums[1]) > step_most * b * sums[2];
    if (sums[1] * sums[1] <= gain_least * sums[2]) return true; /* a Newton step gains half of sums[1]^2 / sums[2] */
    if (sums[1] > 0.0)
        t->high = b;
    else
        t->low = b;
    /* Newton's step, or the geometric middle of the interval if the step leaves it. */
    double next = b - sums[1] / sums[2]; /* if f'' is 0, next is not between low and high */
    if (!(next > t->low && next < t->high)) next = sqrt(t->low * t->high);
    t->b = next;
    return fabs(next - b) <= b_near * b || ++t->steps == STEPS_MOST;
}

/* A row to be sorted by doubt, the most confident first; rows of equal doubt by their place. */
typedef struct {
    double doubt, correct;
    size_t at;
} placed;

static int by_doubt(const void *left, const void *right)
{
    const placed *a = left, *b = right;
    if (a->doubt != b->doubt) return a->doubt < b->doubt ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

void trb_temperature_apply(size_t rows, size_t K, const float *log_p, double b, float *p)
{
    for (size_t i = 0; i < rows; i++, log_p += K, p += K) {
        double max = (double)log_p[0], S = 0.0;
        for (size_t k = 1; k < K; k++) max = (double)log_p[k] > max ? (double)log_p[k] : max;
        for (size_t k = 0; k < K; k++) S += exp(b * ((double)log_p[k] - max));
        for (size_t k = 0; k < K; k++) p[k] = (float)(exp(b * ((double)log_p[k] - max)) / S);
    }
}

trb_status trb_adaptive_ece(size_t n, const trb_row_figures *row, size_t bins, double *ece)
{
    placed *p = NULL;
    double gap = 0.0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *p, &p));
    for (size_t i = 0; i < n; i++) p[i] = (placed){row[i].doubt, row[i].correct, i};
    qsort(p, n, sizeof *p, by_doubt);
    for (size_t bin = 0; bin < bins; bin++) {
        double sum = 0.0;
        for (size_t i = bin * n / bins; i < (bin + 1) * n / bins; i++) sum += p[i].correct - (1.0 - p[i].doubt);
        gap += fabs(sum);
    }
    trb_free(p);
    *ece = gap / (double)n;
    return TRB_OK;
}

double trb_classwise_ece(size_t n, size_t K, size_t bins, const int64_t *sums)
{
    double gap = 0.0;
    for (size_t i = 0; i < K * bins; i++) gap += fabs((double)sums[i]) * 0x1p-32;
    return gap / (double)n / (double)K;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double trb_conformal_threshold(size_t n, double *score)
{
    const size_t at = (9 * (n + 1) + 9) / 10;
    if (at > n) return INFINITY;
    qsort(score, n, sizeof *score, by_value);
    return score[at - 1];
}

void trb_mixture_add(size_t n, const float *log_p, float *sum)
{
    for (size_t i = 0; i < n; i++) {
        const double a = (double)sum[i], b = (double)log_p[i];
        sum[i] = (float)(fmax(a, b) + log1p(exp(-fabs(a - b))));
    }
}

double trb_ensemble_equivalent(size_t M, const double *nll, double is)
{
    if (!(nll[0] > is)) return 1.0;
    for (size_t m = 1; m < M; m++)
        if (nll[m] <= is) return (double)m + (nll[m - 1] - is) / (nll[m - 1] - nll[m]);
    return (double)M;
}
