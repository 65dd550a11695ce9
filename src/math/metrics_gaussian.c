/* Metrics of predicted Gaussians and their mixture (metrics_gaussian.h). */
#include "tribikos/metrics_gaussian.h"

#include <math.h>
#include <string.h>

#include "tribikos/memory.h"

/* A block's sums; each gives one figure. */
enum { SQUARES, NLL, NLL_MOMENTS, CRPS, COVERED, WIDTH, MODEL, DATA };
_Static_assert(DATA + 1 == TRB_METRIC_GAUSSIAN_SUMS, "one sum a figure");

static const double log_2pi = 1.8378770664093454836, root_half = 0.70710678118654752440;
static const double tail = 0.025, normal_quantile = 1.9599639845400542355; /* Phi(-normal_quantile) = tail */

/* The Gaussians of one row. */
typedef struct {
    size_t M;
    double *mean, *deviation; /* [M] */
    double *log_density;      /* [M] at the target */
} mixture;

/* A(d, v) of the CRPS with s = sqrt(v), which is E|X| for X ~ N(d, v). */
static double expected_distance(double d, double s)
{
    const double u = d / s;
    return d * erf(u * root_half) + 2.0 * s * exp(-0.5 * (u * u + log_2pi));
}

static double crps(const mixture *f, double y)
{
    double to_target = 0.0, apart = 0.0;
    for (size_t m = 0; m < f->M; m++) {
        to_target += expected_distance(y - f->mean[m], f->deviation[m]);
        apart += expected_distance(0.0, sqrt(2.0) * f->deviation[m]);
        for (size_t n = 0; n < m; n++)
            apart += 2.0 * expected_distance(f->mean[m] - f->mean[n], hypot(f->deviation[m], f->deviation[n]));
    }
    const double heads = (double)f->M;
    return to_target / heads - apart / (2.0 * heads * heads);
}

/* The probability of the mixture beyond x: above x if sign is 1, below x if it is -1. */
static double beyond(const mixture *f, double x, double sign)
{
    double sum = 0.0;
    for (size_t m = 0; m < f->M; m++) sum += 0.5 * erfc(sign * (x - f->mean[m]) / f->deviation[m] * root_half);
    return sum / (double)f->M;
}

/* The point beyond which 2.5 % of the mixture lie, on the side of `sign`. It lies between the smallest and the largest
 * of the same points of the single Gaussians, so bisection between them cannot fail. It ends at 1e-12 of the first
 * width, which no printed figure shows, or when no double is left between the ends. */
static double quantile(const mixture *f, double sign)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t m = 0; m < f->M; m++) {
        const double own = f->mean[m] + sign * normal_quantile * f->deviation[m];
        low = fmin(low, own);
        high = fmax(high, own);
    }
    const double enough = 1e-12 * (high - low);
    while (high - low > enough) {
        const double middle = low + 0.5 * (high - low);
        if (middle <= low || middle >= high) break;
        if ((beyond(f, middle, sign) > tail) == (sign > 0.0))
            low = middle;
        else
            high = middle;
    }
    return low + 0.5 * (high - low);
}

static double log_mean_exp(size_t n, const double *x)
{
    double max = x[0], sum = 0.0;
    for (size_t i = 1; i < n; i++) max = fmax(max, x[i]);
    for (size_t i = 0; i < n; i++) sum += exp(x[i] - max);
    return max + log(sum / (double)n);
}

static void add_row(const mixture *f, double y, double *sums)
{
    const double heads = (double)f->M;
    double mean = 0.0, model = 0.0, data = 0.0;
    for (size_t m = 0; m < f->M; m++) mean += f->mean[m];
    mean /= heads;
    for (size_t m = 0; m < f->M; m++) {
        const double off = f->mean[m] - mean, u = (y - f->mean[m]) / f->deviation[m];
        model += off * off;
        data += f->deviation[m] * f->deviation[m];
        f->log_density[m] = -0.5 * (log_2pi + u * u) - log(f->deviation[m]);
    }
    model /= heads;
    data /= heads;
    const double error = y - mean, variance = model + data;
    sums[SQUARES] += error * error;
    sums[NLL] -= log_mean_exp(f->M, f->log_density);
    sums[NLL_MOMENTS] += 0.5 * (log_2pi + log(variance) + error * error / variance);
    sums[CRPS] += crps(f, y);
    sums[COVERED] += beyond(f, y, 1.0) >= tail && beyond(f, y, -1.0) >= tail ? 1.0 : 0.0;
    sums[WIDTH] += quantile(f, 1.0) - quantile(f, -1.0);
    sums[MODEL] += model;
    sums[DATA] += data;
}

/* Reads a row's Gaussians. With variances from e^-400 to e^400 no square, sum or scaled value overflows. */
static trb_status fill(size_t row, const float *z, double mean, double scale, const mixture *f)
{
    for (size_t m = 0; m < f->M; m++, z += 2) {
        if (!isfinite(z[0]) || !(fabsf(z[1]) <= 400.0F))
            return trb_fail(TRB_ENUM,
                            "metrics: row %zu of the block, head %zu: mean %g and log variance %g are no Gaussian to "
                            "compute with; expected finite numbers, the log variance within -400 to 400",
                            row, m, (double)z[0], (double)z[1]);
        f->mean[m] = mean + scale * (double)z[0];
        f->deviation[m] = scale * exp(0.5 * (double)z[1]);
    }
    return TRB_OK;
}

trb_status trb_metrics_gaussian_block(size_t rows, size_t M, const float *z, const float *y, double mean, double scale,
                                      double *sums, float *p)
{
    mixture f = {.M = M};
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 3 * M, sizeof *f.mean, &f.mean));
    f.deviation = f.mean + M;
    f.log_density = f.deviation + M;
    memset(sums, 0, TRB_METRIC_GAUSSIAN_SUMS * sizeof *sums);
    trb_status st = TRB_OK;
    for (size_t b = 0; b < rows && st == TRB_OK; b++) {
        st = fill(b, z + b * M * 2, mean, scale, &f);
        if (st == TRB_OK) add_row(&f, (double)y[b], sums);
        for (size_t m = 0; m < M && p != NULL && st == TRB_OK; m++) {
            p[(b * M + m) * 2] = (float)f.mean[m];
            p[(b * M + m) * 2 + 1] = (float)f.deviation[m];
        }
    }
    trb_free(f.mean);
    return st;
}

trb_status trb_gaussian_rows(size_t rows, size_t M, const float *z, double mean, double scale, double *each,
                             double *low, double *high)
{
    mixture f = {.M = M};
    trb_status st = TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * M, sizeof *f.mean, &f.mean));
    f.deviation = f.mean + M;
    for (size_t b = 0; b < rows; b++) {
        TRB_GO(fill(b, z + b * M * 2, mean, scale, &f));
        for (size_t m = 0; m < M && each != NULL; m++) {
            each[(b * M + m) * 2] = f.mean[m];
            each[(b * M + m) * 2 + 1] = f.deviation[m];
        }
        if (low != NULL) low[b] = quantile(&f, -1.0);
        if (high != NULL) high[b] = quantile(&f, 1.0);
    }
done:
    trb_free(f.mean);
    return st;
}

trb_row_figures trb_gaussian_figures(size_t M, const float *z, double scale, double *mean)
{
    const double heads = (double)M;
    double middle = 0.0, data = 0.0, model = 0.0;
    for (size_t m = 0; m < M; m++) {
        middle += (double)z[2 * m] / heads;
        data += exp((double)z[2 * m + 1]) / heads;
    }
    for (size_t m = 0; m < M; m++) model += pow((double)z[2 * m] - middle, 2.0) / heads;
    *mean = middle;
    return (trb_row_figures){.total = scale * scale * (data + model), .data = scale * scale * data, .doubt = NAN};
}

const trb_figure trb_figures_regression[TRB_METRIC_GAUSSIAN_SUMS + 1] = {
#define FIGURE(sum, name) [sum] = {#name, offsetof(trb_metrics, name)}
    FIGURE(SQUARES, rmse),     FIGURE(NLL, nll),     FIGURE(NLL_MOMENTS, nll_moments), FIGURE(CRPS, crps),
    FIGURE(COVERED, coverage), FIGURE(WIDTH, width), FIGURE(MODEL, model_variance),    FIGURE(DATA, data_variance),
#undef FIGURE
};

trb_metrics trb_metrics_gaussian_from(size_t blocks, const double *sums, size_t n)
{
    trb_metrics m = trb_metrics_unknown();
    for (size_t i = 0; i < TRB_METRIC_GAUSSIAN_SUMS; i++) {
        double sum = 0.0;
        for (size_t b = 0; b < blocks; b++) sum += sums[b * TRB_METRIC_GAUSSIAN_SUMS + i];
        *(double *)((char *)&m + trb_figures_regression[i].offset) = sum / (double)n;
    }
    m.rmse = sqrt(m.rmse);
    return m;
}
