#include "tribikos/metrics.h"

#include <math.h>
#include <string.h>

#include "tribikos/memory.h"

/* Layout of a block's sums: first these, then three numbers a bin. */
enum { CORRECT, NLL, BRIER, TOTAL, DATA, KL, DISAGREE, BINS };
enum { BIN_ROWS, BIN_CONFIDENCE, BIN_CORRECT, BIN_SUMS };

/* Scratch of one row, all double. */
typedef struct {
    double *p, *log_p; /* [M][K] */
    double *mean;      /* [K] probability */
    double *sum_log;   /* [K] sum over heads of log_p */
    double *votes;     /* [K] heads whose largest logit is here */
} scratch;

static size_t first_max(size_t K, const double *x)
{
    size_t best = 0;
    for (size_t k = 1; k < K; k++) best = x[k] > x[best] ? k : best;
    return best;
}

static double log_sum_exp(size_t n, const double *x, size_t stride)
{
    double max = x[0], sum = 0.0;
    for (size_t i = 1; i < n; i++) max = x[i * stride] > max ? x[i * stride] : max;
    for (size_t i = 0; i < n; i++) sum += exp(x[i * stride] - max);
    return max + log(sum);
}

/* Log-probabilities come from the logits, never from a probability, so that no figure meets log 0. */
static void fill(size_t M, size_t K, const float *z, const scratch *s)
{
    memset(s->mean, 0, 3 * K * sizeof *s->mean); /* mean, sum_log and votes lie in one run */
    for (size_t m = 0; m < M; m++) {
        double *p = s->p + m * K, *log_p = s->log_p + m * K;
        for (size_t k = 0; k < K; k++) log_p[k] = (double)z[m * K + k];
        const double log_S = log_sum_exp(K, log_p, 1);
        s->votes[first_max(K, log_p)] += 1.0;
        for (size_t k = 0; k < K; k++) {
            log_p[k] -= log_S;
            p[k] = exp(log_p[k]);
            s->mean[k] += p[k];
            s->sum_log[k] += log_p[k];
        }
    }
    for (size_t k = 0; k < K; k++) s->mean[k] /= (double)M;
}

/* Likewise of one Dirichlet. \return by how much a draw is less uncertain than the mean */
static double fill_dirichlet(trb_dirichlet kind, size_t K, const float *z, const scratch *s)
{
    double total = 0.0, data = 0.0;
    trb_dirichlet_predict(kind, K, z, s->p, s->log_p, &total, &data);
    memset(s->votes, 0, K * sizeof *s->votes);
    memcpy(s->mean, s->p, K * sizeof *s->mean);
    memcpy(s->sum_log, s->log_p, K * sizeof *s->sum_log);
    return total - data;
}

static void add_row(size_t M, size_t K, size_t y, size_t bins, const scratch *s, double *sums)
{
    const double heads = (double)M;
    const size_t guess = first_max(K, s->mean);
    const double correct = guess == y ? 1.0 : 0.0, confidence = s->mean[guess];
    double brier = 0.0, total = 0.0, data = 0.0, kl = 0.0, agree = 0.0;
    for (size_t k = 0; k < K; k++) {
        const double p = s->mean[k], error = p - (k == y ? 1.0 : 0.0);
        brier += error * error;
        total -= p > 0.0 ? p * log(p) : 0.0;
        agree += s->votes[k] * (s->votes[k] - 1.0);
    }
    /* The sum over all pairs of KL(p_i || p_j) is M sum_i sum_k p_i (log p_i - mean over j of log p_j): M K steps
     * instead of M^2 K. */
    for (size_t m = 0; m < M; m++) {
        for (size_t k = 0; k < K; k++) {
            const double p = s->p[m * K + k], log_p = s->log_p[m * K + k];
            data -= p * log_p;
            kl += p * (log_p - s->sum_log[k] / heads);
        }
    }
    sums[CORRECT] += correct;
    sums[NLL] -= log_sum_exp(M, s->log_p + y, K) - log(heads);
    sums[BRIER] += brier;
    sums[TOTAL] += total;
    sums[DATA] += data / heads;
    if (M > 1) {
        sums[KL] += kl / (heads - 1.0);
        sums[DISAGREE] += 1.0 - agree / (heads * (heads - 1.0));
    }
    const size_t bin = (size_t)(confidence * (double)bins);
    double *of_bin = sums + BINS + BIN_SUMS * (bin < bins ? bin : bins - 1);
    of_bin[BIN_ROWS] += 1.0;
    of_bin[BIN_CONFIDENCE] += confidence;
    of_bin[BIN_CORRECT] += correct;
}

static trb_status block(trb_dirichlet kind, size_t rows, size_t M, size_t K, const float *z, const int32_t *label,
                        size_t bins, double *sums, float *p)
{
    for (size_t i = 0; i < rows * M * K; i++)
        if (!isfinite(z[i]))
            return trb_fail(TRB_ENUM, "metrics: the logits of row %zu of the block, head %zu hold %g", i / (M * K),
                            i / K % M, (double)z[i]);
    scratch s;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * M * K + 3 * K, sizeof(double), &s.p));
    s.log_p = s.p + M * K;
    s.mean = s.log_p + M * K;
    s.sum_log = s.mean + K;
    s.votes = s.sum_log + K;
    memset(sums, 0, TRB_METRIC_SUMS * sizeof *sums);
    for (size_t b = 0; b < rows; b++) {
        if (kind == TRB_DIRICHLET_NONE)
            fill(M, K, z + b * M * K, &s);
        else
            sums[DATA] -= fill_dirichlet(kind, K, z + b * K, &s);
        add_row(M, K, (size_t)label[b], bins, &s, sums);
        for (size_t k = 0; k < K && p != NULL; k++) p[b * K + k] = (float)s.mean[k];
    }
    trb_free(s.p);
    return TRB_OK;
}

trb_status trb_metrics_block(size_t rows, size_t M, size_t K, const float *z, const int32_t *label, size_t bins,
                             double *sums, float *p)
{
    return block(TRB_DIRICHLET_NONE, rows, M, K, z, label, bins, sums, p);
}

trb_status trb_metrics_block_dirichlet(trb_dirichlet kind, size_t rows, size_t K, const float *z, const int32_t *label,
                                       size_t bins, double *sums, float *p)
{
    return block(kind, rows, 1, K, z, label, bins, sums, p);
}

trb_metrics trb_metrics_from(size_t blocks, const double *sums, size_t n, size_t bins)
{
    double all[TRB_METRIC_SUMS] = {0};
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 0; i < TRB_METRIC_SUMS; i++) all[i] += sums[b * TRB_METRIC_SUMS + i];
    double gap = 0.0;
    for (size_t i = 0; i < bins; i++)
        gap += fabs(all[BINS + BIN_SUMS * i + BIN_CORRECT] - all[BINS + BIN_SUMS * i + BIN_CONFIDENCE]);
    const double rows = (double)n;
    return (trb_metrics){.accuracy = all[CORRECT] / rows,
                         .nll = all[NLL] / rows,
                         .brier = all[BRIER] / rows,
                         .ece = gap / rows,
                         .mu = (all[TOTAL] - all[DATA]) / rows,
                         .total_uncertainty = all[TOTAL] / rows,
                         .data_uncertainty = all[DATA] / rows,
                         .pairwise_kl = all[KL] / rows,
                         .disagreement = all[DISAGREE] / rows};
}

/* One table for all that walks over the figures. */
static const struct {
    const char *name;
    size_t offset;
} figures[] = {
#define FIGURE(name)                                                                                                   \
    {                                                                                                                  \
#name, offsetof(trb_metrics, name)                                                                             \
    }
    FIGURE(accuracy),
    FIGURE(nll),
    FIGURE(brier),
    FIGURE(ece),
    FIGURE(mu),
    FIGURE(total_uncertainty),
    FIGURE(data_uncertainty),
    FIGURE(pairwise_kl),
    FIGURE(disagreement),
#undef FIGURE
};
enum { FIGURES = sizeof figures / sizeof *figures };

static double *figure(trb_metrics *m, size_t i)
{
    return (double *)((char *)m + figures[i].offset);
}

const char *trb_metrics_name(size_t i)
{
    return i < FIGURES ? figures[i].name : NULL;
}

double trb_metrics_value(const trb_metrics *m, size_t i)
{
    trb_metrics copy = *m;
    return *figure(&copy, i);
}

trb_metrics trb_metrics_mean(size_t n, const trb_metrics *each)
{
    trb_metrics mean = {0};
    for (size_t i = 0; i < FIGURES; i++) {
        double *sum = figure(&mean, i);
        for (size_t j = 0; j < n; j++) *sum += trb_metrics_value(&each[j], i);
        *sum /= (double)n;
    }
    return mean;
}
