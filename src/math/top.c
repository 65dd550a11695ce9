/* The most probable classes of a member, and the loss of students that follow them (top.h). */
#include "tribikos/top.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "loss_check.h"

typedef struct {
    float value;
    size_t class;
} candidate;

/* Whether class a comes after class b in the order of a row. */
static bool is_after(float a, size_t a_class, float b, size_t b_class)
{
    return a < b || (!(a > b) && a_class > b_class);
}

/* Candidates are a heap in a row of t: the values in t[0, k), their classes in t[n, n + k). The root is the last one in
 * order, so it is the next to be replaced. */
typedef struct {
    float *value, *class;
} heap;

static candidate at(heap h, size_t i)
{
    return (candidate){h.value[i], (size_t)h.class[i]};
}

static void put(heap h, size_t i, candidate c)
{
    h.value[i] = c.value;
    h.class[i] = (float)c.class;
}

static bool comes_after(candidate a, candidate b)
{
    return is_after(a.value, a.class, b.value, b.class);
}

/* Let `c` sink from the root of the first n candidates to its place. */
static void sink(heap h, size_t n, candidate c)
{
    size_t i = 0;
    for (size_t child = 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && comes_after(at(h, child + 1), at(h, child))) child++;
        if (!comes_after(at(h, child), c)) break;
        put(h, i, at(h, child));
        i = child;
    }
    put(h, i, c);
}

/* Add the candidate number n to a heap of n. */
static void rise(heap h, size_t n, candidate c)
{
    size_t i = n;
    while (i > 0 && comes_after(c, at(h, (i - 1) / 2))) {
        put(h, i, at(h, (i - 1) / 2));
        i = (i - 1) / 2;
    }
    put(h, i, c);
}

/* The k largest of z, in order. */
static void largest(size_t K, size_t k, const float *z, heap h)
{
    for (size_t c = 0; c < k; c++) rise(h, c, (candidate){z[c], c});
    for (size_t c = k; c < K; c++) /* a later class replaces an earlier one only if it is larger */
        if (z[c] > h.value[0]) sink(h, k, (candidate){z[c], c});
    for (size_t n = k; n > 1; n--) {
        const candidate last = at(h, 0), moved = at(h, n - 1);
        sink(h, n - 1, moved);
        put(h, n - 1, last);
    }
}

/* The logarithm of the sum of exp z over all classes but those k; e = exp(z - the largest of them), 0 for those k. */
static double tail_of(size_t K, size_t k, const float *class, const float *z, float *e, double *sum)
{
    float max = 0.0F;
    memcpy(e, z, K * sizeof *z);
    for (size_t j = 0; j < k; j++) e[(size_t) class[j]] = -INFINITY;
    trb__exp_rows(1, K, 1.0F, e, e, &max, sum);
    return (double)max + log(*sum);
}

/* Turn a row's k largest logits into log-probabilities, and add the tail. */
static void normalise(size_t K, size_t k, const float *z, float *e, float *t)
{
    const size_t n = TRB_TOP_OUTCOMES(k, K);
    const double max = (double)t[0];
    double sum = 0.0, tail = 0.0, rest = 0.0;
    for (size_t j = 0; j < k; j++) sum += exp((double)t[j] - max);
    if (k < K) {
        rest = tail_of(K, k, t + n, z, e, &tail);
        sum += exp(rest - max);
    }
    const double log_sum = log(sum);
    for (size_t j = 0; j < k; j++) t[j] = (float)(((double)t[j] - max) - log_sum);
    if (k < K) t[k] = (float)fmin((rest - max) - log_sum, 0.0);
}

trb_status trb_top_select(size_t rows, size_t K, size_t k, const float *z, float *work, float *t)
{
    const size_t n = TRB_TOP_OUTCOMES(k, K);
    TRB_TRY(trb__loss_classes(K));
    for (size_t r = 0; r < rows; r++, z += K, t += TRB_TOP(k, K)) {
        for (size_t c = 0; c < K; c++)
            if (!isfinite(z[c]))
                return trb_fail(TRB_ENUM, "output %zu of row %zu is %g, which is not finite", c, r, (double)z[c]);
        largest(K, k, z, (heap){t, t + n});
        normalise(K, k, z, work, t);
    }
    return TRB_OK;
}

/* The divergence of one head from one member, times T; its gradient is added to dz.
 * \param[in] share  of du, T/(batch M) */
static double follow(size_t K, size_t k, float T, double share, const float *z, const float *t, float *work, float *dz)
{
    const size_t n = TRB_TOP_OUTCOMES(k, K);
    const float *class = t + n;
    float *e = work, *u = work + K, *a = u + n, *b = a + n; /* K + 3n <= 4K numbers */
    float u_max = 0.0F, t_max = 0.0F;
    double tail = 1.0, S_z = 0.0, S_t = 0.0, cross = 0.0;
    for (size_t j = 0; j < k; j++) u[j] = z[(size_t) class[j]];
    if (k < K) u[k] = (float)tail_of(K, k, class, z, e, &tail);
    trb__exp_rows(1, n, T, u, a, &u_max, &S_z);
    trb__exp_rows(1, n, T, t, b, &t_max, &S_t);
    for (size_t j = 0; j < n; j++) cross += (double)b[j] * ((double)t[j] - (double)u[j]);
    const float by_z = (float)(share / S_z), by_t = (float)(share / S_t);
    for (size_t j = 0; j < n; j++) a[j] = by_z * a[j] - by_t * b[j];
    if (k < K) {
        const float by_tail = (float)((double)a[k] / tail);
        for (size_t i = 0; i < K; i++) dz[i] += by_tail * e[i];
    }
    for (size_t j = 0; j < k; j++) dz[(size_t) class[j]] += a[j];
    return cross / S_t - ((double)t_max - (double)u_max) + (double)T * log(S_z / S_t);
}

trb_status trb_loss_top(size_t rows, size_t heads, size_t M, size_t K, size_t k, size_t batch, float T, const float *z,
                        const float *t, float *work, double *loss, float *dz)
{
    TRB_TRY(trb__loss_classes(K));
    const double share = (double)T / ((double)batch * (double)M);
    double total = 0.0;
    memset(dz, 0, rows * heads * K * sizeof *dz);
    for (size_t b = 0; b < rows; b++)
        for (size_t m = 0; m < M; m++, t += TRB_TOP(k, K)) {
            const size_t at_head = (b * heads + m % heads) * K;
            if (m < heads) TRB_TRY(trb__loss_finite(1, K, z + at_head, "the student's logits", b * heads + m, heads));
            total += follow(K, k, T, share, z + at_head, t, work, dz + at_head);
        }
    *loss = share * total;
    return TRB_OK;
}
