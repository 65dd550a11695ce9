/** The derivatives of log Gamma, and log Gamma itself, for positive numbers. All functions are local.
 *
 * digamma and trigamma: recurrence up to 10, from there the asymptotic series (Abramowitz and Stegun 1964, 6.3.5,
 * 6.3.18, 6.4.6, 6.4.12), whose first term left out is below 1e-16. Right to 4e-15 of the larger of 1 and the value.
 */
#ifndef TRB_GAMMA_H
#define TRB_GAMMA_H

/** log Gamma(x), the C library's, without its global sign. \param[in] x  > 0, normal */
double trb_log_gamma(double x);
/** psi(x) = d/dx log Gamma(x). \param[in] x  > 0, normal */
double trb_digamma(double x);
/** psi'(x). \param[in] x  > 1e-150 */
double trb_trigamma(double x);

#endif
