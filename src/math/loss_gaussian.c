/* Losses of regression and their gradients, for outputs that are mean and log variance (loss.h). */
#include <float.h>
#include <math.h>

#include "tribikos/loss.h"

/* Fails if an output is not finite. \param[in] number  of the head or member, counted over all rows, M a row */
static trb_status expect_finite(const float *x, const char *whose, size_t number, size_t M)
{
    if (fabsf(x[0]) <= FLT_MAX && fabsf(x[1]) <= FLT_MAX) return TRB_OK;
    return trb_fail(TRB_ENUM,
                    "loss: %s (mean, log variance) of row %zu, head %zu hold %g; a smaller learning rate or gradient "
                    "clipping may help",
                    whose, number / M, number % M, (double)(fabsf(x[0]) <= FLT_MAX ? x[1] : x[0]));
}

/* 1/variance, kept finite, so that an error of 0 contributes 0 for any variance. */
static double precision_of(double log_variance)
{
    return fmin(exp(-log_variance), DBL_MAX);
}

/* Stores a gradient, and fails if it is too large for single precision: 1/variance is if the log variance is below -88.
 */
static trb_status put(double by_mean, double by_log_variance, const float *z, size_t number, size_t M, float *dz)
{
    dz[0] = (float)by_mean;
    dz[1] = (float)by_log_variance;
    if (fabsf(dz[0]) <= FLT_MAX && fabsf(dz[1]) <= FLT_MAX) return TRB_OK;
    return trb_fail(TRB_ENUM,
                    "loss: the gradient of row %zu, head %zu is not finite, of mean %g and log variance %g; a smaller "
                    "learning rate or gradient clipping may help",
                    number / M, number % M, (double)z[0], (double)z[1]);
}

trb_status trb_loss_gaussian(size_t rows, size_t M, size_t batch, const float *z, const float *y, double *loss,
                             float *dz)
{
    const double log_2pi = 1.8378770664093454836, share = 1.0 / ((double)batch * (double)M);
    double total = 0.0;
    for (size_t r = 0; r < rows * M; r++, z += 2, dz += 2) {
        TRB_TRY(expect_finite(z, "the outputs", r, M));
        const double s = (double)z[1], precision = precision_of(s), error = (double)z[0] - (double)y[r / M];
        total += 0.5 * (log_2pi + s + error * error * precision);
        TRB_TRY(put(share * error * precision, share * 0.5 * (1.0 - error * error * precision), z, r, M, dz));
    }
    *loss = share * total;
    return TRB_OK;
}

/* e^d - 1 - d. The terms cancel if the variances are nearly equal, so a series is used near 0. */
static double excess(double d)
{
    if (fabs(d) > 0x1p-8) return expm1(d) - d;
    return d * d * (1.0 / 2 + d * (1.0 / 6 + d * (1.0 / 24 + d * (1.0 / 120 + d * (1.0 / 720)))));
}

trb_status trb_loss_gaussian_kl(size_t rows, size_t M, size_t batch, const float *z, const float *t, double *loss,
                                float *dz)
{
    const double share = 1.0 / ((double)batch * (double)M);
    double total = 0.0;
    for (size_t r = 0; r < rows * M; r++, z += 2, t += 2, dz += 2) {
        TRB_TRY(expect_finite(z, "the student's outputs", r, M));
        TRB_TRY(expect_finite(t, "the member's outputs", r, M));
        const double s = (double)z[1], d = (double)t[1] - s, precision = precision_of(s),
                     error = (double)z[0] - (double)t[0];
        const double far = error * error * precision;
        total += 0.5 * (excess(d) + far);
        TRB_TRY(put(share * error * precision, -0.5 * share * (expm1(d) + far), z, r, M, dz));
    }
    *loss = share * total;
    return TRB_OK;
}

trb_status trb_gaussian_moments(size_t rows, size_t M, size_t of, const float *t, float *q)
{
    for (size_t b = 0; b < rows; b++, q += 2) {
        double mean = 0.0, square = 0.0;
        for (size_t m = 0; m < M; m++, t += 2) {
            TRB_TRY(expect_finite(t, "the members' outputs", b * M + m, M));
            mean += (double)t[0];
            square += exp((double)t[1]) + (double)t[0] * (double)t[0];
        }
        q[0] = (float)(mean / (double)of);
        q[1] = (float)(square / (double)of);
        if (q[1] <= FLT_MAX) continue;
        const float *widest = t - 2 * M;
        for (const float *of_row = widest; of_row < t; of_row += 2) widest = of_row[1] > widest[1] ? of_row : widest;
        return trb_fail(TRB_ENUM,
                        "loss: a member's variance is beyond single precision: mean %g, log variance %g; train members "
                        "with a smaller learning rate, weight_decay or clip",
                        (double)widest[0], (double)widest[1]);
    }
    return TRB_OK;
}

trb_status trb_loss_moments(size_t rows, size_t batch, const float *z, const float *q, double *loss, float *dz)
{
    const double share = 1.0 / (double)batch;
    double total = 0.0;
    for (size_t b = 0; b < rows; b++, z += 2, q += 2, dz += 2) {
        TRB_TRY(expect_finite(z, "the student's outputs", b, 1));
        const double mean = (double)q[0], square = (double)q[1];
        /* A variance far below the square of the mean may be lost in the rounding of the two moments. */
        const double variance = fmax(square - mean * mean, fmax((double)FLT_EPSILON * square, (double)FLT_MIN));
        const double s = (double)z[1], d = log(variance) - s, precision = precision_of(s), error = (double)z[0] - mean;
        const double far = error * error * precision;
        total += 0.5 * (excess(d) + far);
        TRB_TRY(put(share * error * precision, -0.5 * share * (expm1(d) + far), z, b, 1, dz));
    }
    *loss = share * total;
    return TRB_OK;
}
