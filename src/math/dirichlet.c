/* Distribution distillation (dirichlet.h): statistics of the members, losses, and predictions of a Dirichlet. */
#include "tribikos/dirichlet.h"

#include <math.h>
#include <string.h>

#include "loss_check.h"
#include "tribikos/gamma.h"
#include "tribikos/loss.h"

static trb_status expect_classes(size_t K)
{
    if (K < 2) return trb_fail(TRB_ECONFIG, "loss: a Dirichlet is over 2 or more classes, got %zu", K);
    return trb__loss_classes(K);
}

static trb_status expect_precision(double alpha0, size_t row)
{
    if (alpha0 <= 1e30) return TRB_OK;
    return trb_fail(TRB_ENUM,
                    "loss: the student's Dirichlet of row %zu has a precision of %g, expected at most 1e30; a smaller "
                    "learning rate or gradient clipping may help",
                    row, alpha0);
}

/* log_p = log softmax(x / T). */
static void log_softmax(size_t K, double T, const float *x, double *log_p)
{
    double max = (double)x[0], sum = 0.0;
    for (size_t k = 1; k < K; k++) max = (double)x[k] > max ? (double)x[k] : max;
    for (size_t k = 0; k < K; k++) {
        log_p[k] = ((double)x[k] - max) / T;
        sum += exp(log_p[k]);
    }
    const double log_sum = log(sum);
    for (size_t k = 0; k < K; k++) log_p[k] -= log_sum;
}

trb_status trb_endd_statistics(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                               float *s)
{
    TRB_TRY(expect_classes(K));
    double *sum = work, *log_p = work + K;
    const double e = TRB_ENDD_SMOOTHING;
    for (size_t b = 0; b < rows; b++, s += K) {
        memset(sum, 0, K * sizeof *sum);
        TRB_TRY(trb__loss_finite(M, K, t, "the members' logits", b * M, M));
        for (size_t m = 0; m < M; m++, t += K) {
            log_softmax(K, (double)T, t, log_p);
            for (size_t k = 0; k < K; k++) sum[k] += log((1.0 - e) * exp(log_p[k]) + e / (double)K);
        }
        for (size_t k = 0; k < K; k++) s[k] = (float)(sum[k] / (double)of);
    }
    return TRB_OK;
}

/* How many values of a row are kept from the first pass over it to the second. Values beyond are computed again, so
 * that the stack does not grow with K. */
enum { KEPT = 1024 };

static double alpha_of(float z, float T)
{
    return exp(fmax((double)z / (double)T, -700.0)); /* alpha > 0, because psi is not defined at 0 */
}

trb_status trb_loss_endd(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s, double *loss,
                         float *dz)
{
    TRB_TRY(expect_classes(K));
    double kept[KEPT], total = 0.0;
    const double share = 1.0 / (double)batch, by_z = share / (double)T;
    for (size_t b = 0; b < rows; b++, z += K, s += K, dz += K) {
        TRB_TRY(trb__loss_finite(1, K, z, "the student's logits", b, 1));
        double alpha0 = 0.0;
        for (size_t k = 0; k < K; k++) {
            const double alpha = alpha_of(z[k], T);
            if (k < KEPT) kept[k] = alpha;
            alpha0 += alpha;
        }
        TRB_TRY(expect_precision(alpha0, b));
        const double psi0 = trb_digamma(alpha0);
        total -= trb_log_gamma(alpha0);
        for (size_t k = 0; k < K; k++) {
            const double alpha = k < KEPT ? kept[k] : alpha_of(z[k], T);
            total += trb_log_gamma(alpha) - (alpha - 1.0) * (double)s[k];
            dz[k] = (float)(by_z * alpha * (trb_digamma(alpha) - psi0 - (double)s[k]));
        }
    }
    *loss = share * total;
    return TRB_OK;
}

/* Sums over the members of a row: of probabilities in work[0, K), of their logarithms in work[K, 2K). */
static void add_members(size_t M, size_t K, float T, const float *t, double *work)
{
    double *restrict p = work, *restrict sum = work + K, *restrict log_p = work + 2 * K;
    memset(work, 0, 2 * K * sizeof *work);
    for (size_t m = 0; m < M; m++, t += K) {
        log_softmax(K, (double)T, t, log_p);
        for (size_t k = 0; k < K; k++) {
            p[k] += exp(log_p[k]);
            sum[k] += log_p[k];
        }
    }
}

trb_status trb_proxy_endd_statistics(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                                     float *s)
{
    TRB_TRY(expect_classes(K));
    const double *p = work, *sum = work + K;
    for (size_t b = 0; b < rows; b++, t += M * K, s += 2 * K) {
        TRB_TRY(trb__loss_finite(M, K, t, "the members' logits", b * M, M));
        add_members(M, K, T, t, work);
        for (size_t k = 0; k < K; k++) {
            s[k] = (float)(p[k] / (double)of);
            s[K + k] = (float)(sum[k] / (double)of);
        }
    }
    return TRB_OK;
}

/* The contribution of one class to the mean KL. */
static double part_of_kl(float pi, float q)
{
    return pi > 0.0F ? (double)pi * (log((double)pi) - (double)q) : 0.0;
}

/* 1/beta_0. If members agree, rounding may have made the mean KL slightly negative. */
static float inverse_precision(size_t K, double kl)
{
    return (float)fmax(0.0, 2.0 * kl / (double)(K - 1));
}

void trb_proxy_endd_targets(size_t rows, size_t K, float *s)
{
    float *to = s;
    for (size_t b = 0; b < rows; b++, s += 2 * K, to += K + 1) {
        double kl = 0.0;
        for (size_t k = 0; k < K; k++) kl += part_of_kl(s[k], s[K + k]);
        memmove(to, s, K * sizeof *s);
        to[K] = inverse_precision(K, kl);
    }
}

trb_status trb_statistics(size_t rows, size_t M, size_t K, const float *t, double *work, float *s)
{
    TRB_TRY(expect_classes(K));
    const double *p = work, *sum = work + K;
    for (size_t b = 0; b < rows; b++, t += M * K, s += TRB_STATISTICS(K)) {
        double kl = 0.0;
        TRB_TRY(trb_endd_statistics(1, M, M, K, 1.0F, t, work, s));
        add_members(M, K, 1.0F, t, work);
        for (size_t k = 0; k < K; k++) {
            s[K + k] = (float)(p[k] / (double)M);
            kl += part_of_kl(s[K + k], (float)(sum[k] / (double)M));
        }
        s[2 * K] = inverse_precision(K, kl);
    }
    return TRB_OK;
}

trb_status trb_loss_proxy_endd(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s,
                               double *loss, float *dz)
{
    TRB_TRY(expect_classes(K));
    double kept[KEPT], total = 0.0; /* alpha - 1 */
    const double share = 1.0 / (double)batch, by_z = share / (double)T, log_flat = trb_log_gamma((double)K);
    for (size_t b = 0; b < rows; b++, z += K, s += K + 1, dz += K) {
        TRB_TRY(trb__loss_finite(1, K, z, "the student's logits", b, 1));
        double sum = 0.0; /* alpha_0 - K */
        for (size_t k = 0; k < K; k++) {
            const double e = exp((double)z[k] / (double)T);
            if (k < KEPT) kept[k] = e;
            sum += e;
        }
        const double alpha0 = sum + (double)K, w = (double)s[K];
        TRB_TRY(expect_precision(alpha0, b));
        const double psi0 = trb_digamma(alpha0), slope0 = trb_trigamma(alpha0);
        double follow = psi0, flat = trb_log_gamma(alpha0) - log_flat;
        for (size_t k = 0; k < K; k++) {
            const double e = k < KEPT ? kept[k] : exp((double)z[k] / (double)T), alpha = e + 1.0, pi = (double)s[k];
            const double psi = trb_digamma(alpha), slope = trb_trigamma(alpha);
            follow -= pi * psi;
            flat += e * (psi - psi0) - trb_log_gamma(alpha);
            dz[k] = (float)(by_z * e * (slope0 - pi * slope + w * (e * slope - sum * slope0)));
        }
        total += follow + w * flat;
    }
    *loss = share * total;
    return TRB_OK;
}

void trb_dirichlet_predict(trb_dirichlet kind, size_t K, const float *z, double *p, double *log_p, double *total,
                           double *data)
{
    double max = -INFINITY, sum = 0.0;
    for (size_t k = 0; k < K; k++) {
        const double x = (double)z[k];
        log_p[k] = kind == TRB_DIRICHLET_EXP ? x : fmax(x, 0.0) + log1p(exp(-fabs(x))); /* log alpha_k */
        max = log_p[k] > max ? log_p[k] : max;
    }
    for (size_t k = 0; k < K; k++) sum += exp(log_p[k] - max);
    const double log_sum = log(sum);
    /* Above e^600 the model uncertainty is too small for a double. */
    const double alpha0 = exp(fmin(max + log_sum, 600.0)), psi0 = trb_digamma(alpha0 + 1.0);
    *total = *data = 0.0;
    for (size_t k = 0; k < K; k++) {
        log_p[k] = (log_p[k] - max) - log_sum;
        p[k] = exp(log_p[k]);
        *total -= p[k] * log_p[k];
        *data -= p[k] * (trb_digamma(p[k] * alpha0 + 1.0) - psi0);
    }
}
