/* log Gamma and its first two derivatives (gamma.h). */
#include "tribikos/gamma.h"

#include <math.h>

/* The recurrence raises x to this value, from which the series are accurate. */
static const double START = 10.0;

double trb_log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

double trb_digamma(double x)
{
    double shift = 0.0;
    for (; x < START; x += 1.0) shift -= 1.0 / x;
    const double y = 1.0 / (x * x);
    /* Bernoulli numbers B_2n / 2n, n = 7 to 1 */
    double s = 1.0 / 12.0;
    s = -691.0 / 32760.0 + y * s;
    s = 1.0 / 132.0 + y * s;
    s = -1.0 / 240.0 + y * s;
    s = 1.0 / 252.0 + y * s;
    s = -1.0 / 120.0 + y * s;
    s = 1.0 / 12.0 + y * s;
    return log(x) - 0.5 / x - y * s + shift;
}

double trb_trigamma(double x)
{
    double shift = 0.0;
    for (; x < START; x += 1.0) shift += 1.0 / (x * x);
    const double y = 1.0 / (x * x);
    /* Bernoulli numbers B_2n, n = 8 to 1 */
    double s = -3617.0 / 510.0;
    s = 7.0 / 6.0 + y * s;
    s = -691.0 / 2730.0 + y * s;
    s = 5.0 / 66.0 + y * s;
    s = -1.0 / 30.0 + y * s;
    s = 1.0 / 42.0 + y * s;
    s = -1.0 / 30.0 + y * s;
    s = 1.0 / 6.0 + y * s;
    return (1.0 + 0.5 / x + y * s) / x + shift;
}
