/* Metrics of class probabilities (metrics.h): predictions of one row, sums of a block, figures from the sums. */
#include "tribikos/metrics.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tribikos/memory.h"

/* The layout of a block's sums: first these, then three numbers for each bin. */
enum { CORRECT, NLL, BRIER, TOTAL, DATA, KL, DISAGREE, FIDELITY, BINS };
enum { BIN_ROWS, BIN_CONFIDENCE, BIN_CORRECT, BIN_SUMS };

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

static void softmax(size_t K, const float *z, double *p, double *log_p)
{
    double max = (double)z[0], sum = 0.0;
    for (size_t k = 1; k < K; k++) max = (double)z[k] > max ? (double)z[k] : max;
    for (size_t k = 0; k < K; k++) {
        p[k] = exp((double)z[k] - max);
        sum += p[k];
    }
    const double log_sum = max + log(sum);
    for (size_t k = 0; k < K; k++) {
        p[k] /= sum;
        log_p[k] = (double)z[k] - log_sum;
    }
}

size_t trb_predict_work(size_t M, size_t K)
{
    return 2 * M * K + 2 * K;
}

/* If a mean probability is too small, its logarithm is computed from the logits, so that no figure contains log 0. */
void trb_predict_mixture(size_t M, size_t K, const float *z, double *work, trb_prediction *out)
{
    const double heads = (double)M;
    double *each = work, *log_each = each + M * K; /* [M][K] */
    double *sum_log = log_each + M * K;            /* [K] sum over heads of log_each */
    double *votes = sum_log + K;                   /* [K] number of heads whose largest logit is this one */
    memset(out->p, 0, K * sizeof *out->p);
    memset(sum_log, 0, 2 * K * sizeof *sum_log); /* and votes */
    for (size_t m = 0; m < M; m++) {
        double *p = each + m * K, *log_p = log_each + m * K;
        softmax(K, z + m * K, p, log_p);
        votes[first_max(K, log_p)] += 1.0;
        for (size_t k = 0; k < K; k++) {
            out->p[k] += p[k];
            sum_log[k] += log_p[k];
        }
    }
    double agree = 0.0;
    out->total = out->data = out->kl = out->disagree = 0.0;
    for (size_t k = 0; k < K; k++) {
        out->p[k] /= heads;
        out->log_p[k] = M == 1               ? log_each[k]
                        : out->p[k] > 1e-290 ? log(out->p[k])
                                             : log_sum_exp(M, log_each + k, K) - log(heads);
        out->total -= out->p[k] * out->log_p[k];
        agree += votes[k] * (votes[k] - 1.0);
    }
    /* The sum over all pairs of KL(p_i || p_j) is M sum_i sum_k p_i (log p_i - mean over j of log p_j): M K steps
     * instead of M^2 K. */
    for (size_t m = 0; m < M; m++) {
        for (size_t k = 0; k < K; k++) {
            const double p = each[m * K + k], log_p = log_each[m * K + k];
            out->data -= p * log_p;
            out->kl += p * (log_p - sum_log[k] / heads);
        }
    }
    out->data /= heads;
    out->kl = M > 1 ? out->kl / (heads - 1.0) : 0.0;
    out->disagree = M > 1 ? 1.0 - agree / (heads * (heads - 1.0)) : 0.0;
}

static void predict_dirichlet(trb_dirichlet kind, size_t K, const float *z, trb_prediction *out)
{
    out->kl = out->disagree = 0.0;
    trb_dirichlet_predict(kind, K, z, out->p, out->log_p, &out->total, &out->data);
}

static void predict_exp(size_t M, size_t K, const float *z, double *work, trb_prediction *out)
{
    (void)M;
    (void)work;
    predict_dirichlet(TRB_DIRICHLET_EXP, K, z, out);
}

static void predict_exp_plus_1(size_t M, size_t K, const float *z, double *work, trb_prediction *out)
{
    (void)M;
    (void)work;
    predict_dirichlet(TRB_DIRICHLET_EXP_PLUS_1, K, z, out);
}

trb_predict *trb_predict_of(trb_dirichlet kind)
{
    switch (kind) {
    case TRB_DIRICHLET_EXP:
        return predict_exp;
    case TRB_DIRICHLET_EXP_PLUS_1:
        return predict_exp_plus_1;
    case TRB_DIRICHLET_NONE:
        break;
    }
    return trb_predict_mixture;
}

/* Adds what follows from a row's probabilities and its label. */
static void add_row(size_t K, const double *p, const double *log_p, size_t guess, size_t y, size_t bins, double *sums)
{
    const double correct = guess == y ? 1.0 : 0.0, confidence = p[guess];
    double brier = 0.0;
    for (size_t k = 0; k < K; k++) {
        const double error = p[k] - (k == y ? 1.0 : 0.0);
        brier += error * error;
    }
    sums[CORRECT] += correct;
    sums[NLL] -= log_p[y];
    sums[BRIER] += brier;
    const size_t bin = (size_t)(confidence * (double)bins);
    double *of_bin = sums + BINS + BIN_SUMS * (bin < bins ? bin : bins - 1);
    of_bin[BIN_ROWS] += 1.0;
    of_bin[BIN_CONFIDENCE] += confidence;
    of_bin[BIN_CORRECT] += correct;
}

/* Adds a row to the gaps of all classes, in units of 2^-32, so that the order of additions does not matter. */
static void add_by_class(size_t K, const double *p, size_t y, size_t bins, int64_t *gap)
{
    for (size_t k = 0; k < K; k++, gap += bins) {
        const size_t bin = (size_t)(p[k] * (double)bins);
        gap[bin < bins ? bin : bins - 1] += llrint(((k == y ? 1.0 : 0.0) - p[k]) * 0x1p32);
    }
}

static trb_row_figures figures_of(size_t K, const trb_prediction *s, size_t guess, bool correct)
{
    const double right = correct ? 1.0 : 0.0;
    trb_row_figures row = {.total = s->total, .data = s->data, .correct = right, .loss = 1.0 - right};
    for (size_t k = 0; k < K; k++) row.doubt += k != guess ? s->p[k] : 0.0;
    return row;
}

trb_status trb_metrics_block(trb_predict *predict, size_t rows, size_t M, size_t K, const float *z,
                             const int32_t *label, size_t bins, const trb_metrics_out *out)
{
    for (size_t i = 0; i < rows * M * K; i++)
        if (!isfinite(z[i]))
            return trb_fail(TRB_ENUM, "metrics: the logits of row %zu of the block, head %zu hold %g", i / (M * K),
                            i / K % M, (double)z[i]);
    trb_prediction s = {0};
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * K + trb_predict_work(M, K), sizeof *s.p, &s.p));
    s.log_p = s.p + K;
    if (out->sums != NULL) memset(out->sums, 0, TRB_METRIC_SUMS * sizeof *out->sums);
    for (size_t b = 0; b < rows; b++) {
        predict(M, K, z + b * M * K, s.log_p + K, &s);
        const size_t guess = first_max(K, s.p);
        if (out->sums != NULL) {
            add_row(K, s.p, s.log_p, guess, (size_t)label[b], bins, out->sums);
            out->sums[TOTAL] += s.total;
            out->sums[DATA] += s.data;
            out->sums[KL] += s.kl;
            out->sums[DISAGREE] += s.disagree;
        }
        if (out->by_class != NULL) add_by_class(K, s.p, (size_t)label[b], bins, out->by_class);
        if (out->row != NULL) out->row[b] = figures_of(K, &s, guess, label != NULL && guess == (size_t)label[b]);
        for (size_t k = 0; k < K && out->log_p != NULL; k++) /* a difference of two floats may exceed a float */
            out->log_p[b * K + k] = (float)fmax(s.log_p[k], -(double)FLT_MAX);
    }
    trb_free(s.p);
    return TRB_OK;
}

void trb_metrics_fidelity(size_t rows, size_t M, size_t K, const float *members, const float *heads, double *sums)
{
    double sum = 0.0;
    for (size_t i = 0; i < rows * M; i++) {
        const float *t = members + i * K, *z = heads + i * K;
        double t_max = (double)t[0], z_max = (double)z[0], t_S = 0.0, z_S = 0.0, kl = 0.0;
        for (size_t k = 1; k < K; k++) {
            t_max = (double)t[k] > t_max ? (double)t[k] : t_max;
            z_max = (double)z[k] > z_max ? (double)z[k] : z_max;
        }
        for (size_t k = 0; k < K; k++) {
            t_S += exp((double)t[k] - t_max);
            z_S += exp((double)z[k] - z_max);
        }
        t_max += log(t_S);
        z_max += log(z_S);
        for (size_t k = 0; k < K; k++) {
            const double log_t = (double)t[k] - t_max, log_z = (double)z[k] - z_max;
            kl += exp(log_t) * (log_t - log_z);
        }
        sum += kl;
    }
    sums[FIDELITY] += sum / (double)M;
}

void trb_temper(size_t K, const float *log_p, double b, double *tempered)
{
    for (size_t k = 0; k < K; k++) tempered[k] = b * (double)log_p[k];
    const double log_S = log_sum_exp(K, tempered, 1);
    for (size_t k = 0; k < K; k++) tempered[k] -= log_S;
}

trb_status trb_metrics_tempered(size_t rows, size_t K, const float *log_p, const int32_t *label, double b, size_t bins,
                                double *sums)
{
    double *p = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * K, sizeof *p, &p));
    double *tempered = p + K;
    memset(sums, 0, TRB_METRIC_SUMS * sizeof *sums);
    for (size_t i = 0; i < rows; i++) {
        trb_temper(K, log_p + i * K, b, tempered);
        for (size_t k = 0; k < K; k++) p[k] = exp(tempered[k]);
        add_row(K, p, tempered, first_max(K, p), (size_t)label[i], bins, sums);
    }
    trb_free(p);
    return TRB_OK;
}

const trb_figure trb_figures_classes[] = {
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
    FIGURE(adaptive_ece),
    FIGURE(classwise_ece),
    FIGURE(temperature),
    FIGURE(calibrated_nll),
    FIGURE(calibrated_brier),
    FIGURE(calibrated_ece),
    FIGURE(deep_ensemble_equivalent),
    FIGURE(mu_ratio),
    FIGURE(mu_pearson),
    FIGURE(mu_spearman),
    FIGURE(fidelity_kl),
#undef FIGURE
    {NULL, 0},
};

/* All figures as an array of doubles, to do the same with each. */
enum { FIGURES = sizeof(trb_metrics) / sizeof(double) };

static double *values(trb_metrics *m)
{
    return (double *)m;
}

double trb_metrics_value(const trb_metrics *m, const trb_figure *f)
{
    return *(const double *)((const char *)m + f->offset);
}

trb_metrics trb_metrics_unknown(void)
{
    trb_metrics m;
    for (size_t i = 0; i < FIGURES; i++) values(&m)[i] = NAN;
    return m;
}

trb_metrics trb_metrics_mean(size_t n, const trb_metrics *each)
{
    trb_metrics mean = {0};
    for (size_t i = 0; i < FIGURES; i++) {
        for (size_t j = 0; j < n; j++) values(&mean)[i] += ((const double *)&each[j])[i];
        values(&mean)[i] /= (double)n;
    }
    return mean;
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
    trb_metrics m = trb_metrics_unknown();
    m.accuracy = all[CORRECT] / rows;
    m.nll = all[NLL] / rows;
    m.brier = all[BRIER] / rows;
    m.ece = gap / rows;
    m.mu = (all[TOTAL] - all[DATA]) / rows;
    m.total_uncertainty = all[TOTAL] / rows;
    m.data_uncertainty = all[DATA] / rows;
    m.pairwise_kl = all[KL] / rows;
    m.disagreement = all[DISAGREE] / rows;
    m.fidelity_kl = all[FIDELITY] / rows;
    return m;
}
