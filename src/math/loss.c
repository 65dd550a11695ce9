/* Losses over classes and their gradients (loss.h). */
#include "tribikos/loss.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "loss_check.h"
#include "tribikos/wide.h"

/* e^x for x <= 0, with an error of at most 2 units in the last place; 0 for x < -87. It has no branch and no call, so
 * that compilers vectorise loops over it; with expf() of the C library they would be 5 times slower. And its bits do
 * not depend on the C library. Cephes' polynomial (Moshier) on |r| <= ln(2)/2, x = n ln 2 + r. */
static inline float exp_neg(float x)
{
    const float magic = 0x1.8p23F; /* adding it rounds to an integer, which is then in the low bits */
    const float shifted = x * 1.44269504F + magic;
    const float n = shifted - magic;
    const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000U; /* the exponent field of 2^n */
    float two_n;
    memcpy(&two_n, &bits, sizeof two_n);
    return x < -87.0F ? 0.0F : p * two_n;
}

/* Rows are processed in runs of about RUN numbers. So the exponentials of a run are one loop for any K, and stay in the
 * first-level cache. For a row that is longer than RUN they are computed in pieces, and a second time where they are
 * needed twice, so that the stack does not grow with K. */
enum { RUN = 1024 };

static size_t run_rows(size_t K)
{
    return K < RUN ? RUN / K : 1;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static float largest(size_t K, const float *x)
{
    float m = x[0];
    for (size_t k = 1; k < K; k++) m = x[k] > m ? x[k] : m;
    return m;
}

/* e = exp((x - max) / T) for n numbers. */
static void exp_piece(size_t n, float T, const float *x, float max, float *e)
{
    const float inverse_T = 1.0F / T;
    for (size_t k = 0; k < n; k++) e[k] = (x[k] - max) * inverse_T;
    for (size_t k = 0; k < n; k++) e[k] = exp_neg(e[k]);
}

/* e = exp((x - max x) / T) for n <= RUN rows, with the maximum and the sum of each. */
TRB_WIDE static void exp_rows(size_t n, size_t K, float T, const float *x, float *e, float *max, double *sum)
{
    const float inverse_T = 1.0F / T;
    for (size_t r = 0; r < n; r++) {
        const float *row = x + r * K;
        max[r] = largest(K, row);
        for (size_t k = 0; k < K; k++) e[r * K + k] = (row[k] - max[r]) * inverse_T;
    }
    for (size_t i = 0; i < n * K; i++) e[i] = exp_neg(e[i]);
    for (size_t r = 0; r < n; r++) {
        sum[r] = 0.0;
        for (size_t k = 0; k < K; k++) sum[r] += (double)e[r * K + k];
    }
}

void trb__exp_rows(size_t n, size_t K, float T, const float *x, float *e, float *max, double *sum)
{
    exp_rows(n, K, T, x, e, max, sum);
}

/* A run of rows: their maxima, sums and exponentials; for a row longer than RUN one piece of its exponentials. */
typedef struct {
    float e[RUN], max[RUN];
    double sum[RUN];
} run;

static void run_make(run *w, size_t n, size_t K, float T, const float *x)
{
    if (K <= RUN) {
        exp_rows(n, K, T, x, w->e, w->max, w->sum);
        return;
    }
    w->max[0] = largest(K, x);
    w->sum[0] = 0.0;
    for (size_t k0 = 0; k0 < K; k0 += RUN) {
        const size_t piece = least(RUN, K - k0);
        exp_piece(piece, T, x + k0, w->max[0], w->e);
        for (size_t k = 0; k < piece; k++) w->sum[0] += (double)w->e[k];
    }
}

/* The exponentials [k0, k0 + RUN) of row r, up to the end of the row. \param[in] x  that row */
static const float *run_piece(run *w, size_t r, size_t K, float T, const float *x, size_t k0)
{
    if (K <= RUN) return w->e + r * K;
    exp_piece(least(RUN, K - k0), T, x + k0, w->max[0], w->e);
    return w->e;
}

trb_status trb__loss_finite(size_t n, size_t K, const float *x, const char *whose, size_t first, size_t M)
{
    int bad = 0;
    for (size_t i = 0; i < n * K; i++) bad |= !(fabsf(x[i]) <= FLT_MAX);
    if (bad == 0) return TRB_OK;
    size_t i = 0;
    while (isfinite(x[i])) i++;
    return trb_fail(TRB_ENUM,
                    "loss: %s of row %zu, head %zu hold %g; a smaller learning rate or gradient clipping may help",
                    whose, (first + i / K) / M, (first + i / K) % M, (double)x[i]);
}

trb_status trb__loss_classes(size_t K)
{
    if (K <= TRB_LOSS_K_MAX) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "loss: %zu outputs a head, at most %d are supported", K, TRB_LOSS_K_MAX);
}

void trb_softmax(size_t rows, size_t K, float T, const float *z, float *p)
{
    float max[RUN];
    double sum[RUN];
    const size_t step = run_rows(K);
    for (size_t r0 = 0; r0 < rows; r0 += step) {
        const size_t n = least(step, rows - r0);
        exp_rows(n, K, T, z + r0 * K, p + r0 * K, max, sum);
        for (size_t r = 0; r < n; r++) {
            const float scale = (float)(1.0 / sum[r]);
            for (size_t k = 0; k < K; k++) p[(r0 + r) * K + k] *= scale;
        }
    }
}

/* Cross entropy; a row has one label if `other` and `weight` are NULL. */
static trb_status cross_entropy(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                                const int32_t *other, const float *weight, double *loss, float *dz)
{
    TRB_TRY(trb__loss_classes(K));
    run w;
    double total = 0.0;
    const double share = 1.0 / ((double)batch * (double)M);
    const size_t step = run_rows(K);
    for (size_t r0 = 0; r0 < rows * M; r0 += step) {
        const size_t n = least(step, rows * M - r0);
        TRB_TRY(trb__loss_finite(n, K, z + r0 * K, "the logits", r0, M));
        if (dz == NULL)
            run_make(&w, n, K, 1.0F, z + r0 * K);
        else
            exp_rows(n, K, 1.0F, z + r0 * K, dz + r0 * K, w.max, w.sum);
        for (size_t r = 0; r < n; r++) {
            const size_t b = (r0 + r) / M, y = (size_t)label[b], o = other == NULL ? y : (size_t)other[b];
            const float *zr = z + (r0 + r) * K;
            const double p = weight == NULL ? 1.0 : (double)weight[b];
            total += log(w.sum[r]) - p * ((double)zr[y] - (double)w.max[r]);
            if (weight != NULL) total -= (1.0 - p) * ((double)zr[o] - (double)w.max[r]);
            if (dz == NULL) continue;
            float *d = dz + (r0 + r) * K;
            const float scale = (float)(share / w.sum[r]);
            for (size_t k = 0; k < K; k++) d[k] *= scale;
            d[y] -= (float)(share * p);
            if (weight != NULL) d[o] -= (float)(share * (1.0 - p));
        }
    }
    *loss = share * total;
    return TRB_OK;
}

trb_status trb_loss_ce(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                       double *loss, float *dz)
{
    return cross_entropy(rows, M, K, batch, z, label, NULL, NULL, loss, dz);
}

trb_status trb_loss_ce_mixed(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                             const int32_t *other, const float *weight, double *loss, float *dz)
{
    return cross_entropy(rows, M, K, batch, z, label, other, weight, loss, dz);
}

/* Add `share` of the target of one label. */
static void add_target(size_t K, size_t y, double share, const float *weight, double smoothing, float *q)
{
    const double even = share * smoothing / (double)K;
    for (size_t k = 0; smoothing > 0.0 && k < K; k++)
        q[k] += (float)(even * (weight == NULL ? 1.0 : (double)weight[k]));
    q[y] += (float)(share * (1.0 - smoothing) * (weight == NULL ? 1.0 : (double)weight[y]));
}

void trb_label_targets(size_t rows, size_t K, const int32_t *label, const int32_t *other, const float *mix,
                       const float *class_weight, double smoothing, float *q)
{
    memset(q, 0, rows * K * sizeof *q);
    for (size_t b = 0; b < rows; b++, q += K) {
        const double own = other == NULL ? 1.0 : (double)mix[b];
        add_target(K, (size_t)label[b], own, class_weight, smoothing, q);
        if (other != NULL) add_target(K, (size_t)other[b], 1.0 - own, class_weight, smoothing, q);
    }
}

trb_status trb_loss_targets(size_t rows, size_t K, size_t batch, const float *z, const float *q, double *loss,
                            float *dz)
{
    TRB_TRY(trb__loss_classes(K));
    float max[RUN];
    double sum[RUN], total = 0.0;
    const double share = 1.0 / (double)batch;
    const size_t step = run_rows(K);
    for (size_t r0 = 0; r0 < rows; r0 += step) {
        const size_t n = least(step, rows - r0);
        TRB_TRY(trb__loss_finite(n, K, z + r0 * K, "the logits", r0, 1));
        exp_rows(n, K, 1.0F, z + r0 * K, dz + r0 * K, max, sum);
        for (size_t r = 0; r < n; r++) {
            const float *zr = z + (r0 + r) * K, *qr = q + (r0 + r) * K;
            float *d = dz + (r0 + r) * K;
            double all = 0.0, cross = 0.0;
            for (size_t k = 0; k < K; k++) {
                all += (double)qr[k];
                cross += (double)qr[k] * ((double)zr[k] - (double)max[r]);
            }
            total += all * log(sum[r]) - cross;
            const float by_z = (float)(share * all / sum[r]), by_q = (float)share;
            for (size_t k = 0; k < K; k++) d[k] = by_z * d[k] - by_q * qr[k];
        }
    }
    *loss = share * total;
    return TRB_OK;
}

trb_status trb_loss_kd(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                       double *loss, float *dz)
{
    TRB_TRY(trb__loss_classes(K));
    run w;
    float t_max[RUN];
    double S_t[RUN], total = 0.0;
    const double share = (double)T / ((double)batch * (double)M);
    const size_t step = run_rows(K);
    for (size_t r0 = 0; r0 < rows * M; r0 += step) {
        const size_t n = least(step, rows * M - r0);
        TRB_TRY(trb__loss_finite(n, K, z + r0 * K, "the student's logits", r0, M));
        TRB_TRY(trb__loss_finite(n, K, t + r0 * K, "the member's logits", r0, M));
        run_make(&w, n, K, T, z + r0 * K);
        exp_rows(n, K, T, t + r0 * K, dz + r0 * K, t_max, S_t);
        for (size_t r = 0; r < n; r++) {
            const float *zr = z + (r0 + r) * K, *tr = t + (r0 + r) * K;
            float *d = dz + (r0 + r) * K; /* holds exp((t - max t)/T) */
            const double S_z = w.sum[r];
            /* T KL = sum_k p_t ((t - max t) - (z - max z)) - T log S_t + T log S_z */
            double cross = 0.0;
            for (size_t k = 0; k < K; k++) cross += (double)d[k] * ((double)tr[k] - (double)zr[k]);
            total += cross / S_t[r] - ((double)t_max[r] - (double)w.max[r]) + (double)T * log(S_z / S_t[r]);
            const float by_z = (float)(share / S_z), by_t = (float)(share / S_t[r]);
            for (size_t k0 = 0; k0 < K; k0 += RUN, d += RUN) {
                const float *e_z = run_piece(&w, r, K, T, zr, k0);
                for (size_t k = 0; k < least(RUN, K - k0); k++) d[k] = by_z * e_z[k] - by_t * d[k];
            }
        }
    }
    *loss = share * total;
    return TRB_OK;
}

trb_status trb_soft_targets(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, float *q)
{
    TRB_TRY(trb__loss_classes(K));
    run w;
    const size_t step = run_rows(K);
    memset(q, 0, rows * K * sizeof *q);
    for (size_t b = 0; b < rows; b++, q += K) {
        for (size_t m0 = 0; m0 < M; m0 += step) {
            const size_t n = least(step, M - m0);
            const float *tr = t + (b * M + m0) * K;
            TRB_TRY(trb__loss_finite(n, K, tr, "the members' logits", b * M + m0, M));
            run_make(&w, n, K, T, tr);
            for (size_t m = 0; m < n; m++) {
                const float scale = (float)(1.0 / (w.sum[m] * (double)of));
                for (size_t k0 = 0; k0 < K; k0 += RUN) {
                    const float *e = run_piece(&w, m, K, T, tr, k0);
                    for (size_t k = 0; k < least(RUN, K - k0); k++) q[k0 + k] += scale * e[k];
                }
            }
        }
    }
    return TRB_OK;
}

trb_status trb_loss_soft(size_t rows, size_t K, size_t batch, float T, const float *z, const float *q, double *loss,
                         float *dz)
{
    TRB_TRY(trb__loss_classes(K));
    run w;
    double total = 0.0;
    const double share = (double)T / (double)batch;
    for (size_t b = 0; b < rows; b++, z += K, q += K, dz += K) {
        TRB_TRY(trb__loss_finite(1, K, z, "the student's logits", b, 1));
        run_make(&w, 1, K, T, z);
        const double log_S = log(w.sum[0]), scale = share / w.sum[0];
        for (size_t k0 = 0; k0 < K; k0 += RUN) {
            const float *e = run_piece(&w, 0, K, T, z, k0);
            for (size_t k = k0; k < k0 + least(RUN, K - k0); k++) {
                const double log_p = ((double)z[k] - (double)w.max[0]) / (double)T - log_S, p = (double)q[k];
                total += p > 0.0 ? p * (log(p) - log_p) : 0.0;
                dz[k] = (float)(scale * (double)e[k - k0] - share * p);
            }
        }
    }
    *loss = share * (double)T * total;
    return TRB_OK;
}

trb_status trb_loss_add_labels(size_t rows, size_t M, size_t K, size_t batch, float w, const float *z,
                               const int32_t *label, double *loss, float *dz)
{
    TRB_TRY(trb__loss_classes(K));
    run own;
    double total = 0.0;
    const double share = (double)w / ((double)batch * (double)M);
    for (size_t i = 0; i < rows * M * K; i++) dz[i] *= 1.0F - w;
    for (size_t r = 0; r < rows * M; r++, z += K, dz += K) {
        if (label[r / M] < 0) continue;
        const size_t y = (size_t)label[r / M];
        TRB_TRY(trb__loss_finite(1, K, z, "the logits", r, M));
        run_make(&own, 1, K, 1.0F, z);
        total += log(own.sum[0]) - ((double)z[y] - (double)own.max[0]);
        const float scale = (float)(share / own.sum[0]);
        for (size_t k0 = 0; k0 < K; k0 += RUN) {
            const float *e = run_piece(&own, 0, K, 1.0F, z, k0);
            for (size_t k = 0; k < least(RUN, K - k0); k++) dz[k0 + k] += scale * e[k];
        }
        dz[y] -= (float)share;
    }
    *loss = (1.0 - (double)w) * *loss + share * total;
    return TRB_OK;
}
