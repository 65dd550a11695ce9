/** log Gamma and its first two derivatives, for positive numbers. All functions are local.
 *
 * digamma and trigamma: a recurrence raises x to at least 10; from there the asymptotic series is used (Abramowitz and
 * Stegun 1964, 6.3.5, 6.3.18, 6.4.6, 6.4.12). Its first omitted term is below 1e-16. The error is at most 4e-15 times
 * the larger of 1 and the value.
 */
#ifndef TRB_GAMMA_H
#define TRB_GAMMA_H

/** log Gamma(x) by the C library, without its global variable for the sign. \param[in] x  > 0, normal */
double trb_log_gamma(double x);
/** psi(x) = d/dx log Gamma(x). \param[in] x  > 0, normal */
double trb_digamma(double x);
/** psi'(x). \param[in] x  > 1e-150 */
double trb_trigamma(double x);

#endif
