/** Students whose output is a Dirichlet distribution over class probabilities: the statistics of the members that they
 * learn from, their losses, and their predictions.
 *
 * One head gives K logits z, from which the concentrations alpha follow. alpha_0 = sum_k alpha_k is the precision, psi
 * the digamma function, l = log. All functions are local and compute in double. They return TRB_OK; TRB_ECONFIG if K is
 * not in 2..TRB_LOSS_K_MAX; or TRB_ENUM with a line that names the row if a logit is not finite or a precision is above
 * 1e30. After a failure the outputs are not defined.
 *
 * Statistics are sums over the M members given, divided by `of`, the number of members of the ensemble, as in loss.h.
 * `work` is scratch memory for TRB_STATISTICS_WORK(K) numbers. `batch` is as in loss.h.
 */
#ifndef TRB_DIRICHLET_H
#define TRB_DIRICHLET_H

#include <stddef.h>

#include "tribikos/status.h"

#define TRB_STATISTICS_WORK(K) (3 * (K))

/** Distribution distillation (EnDD: Malinin, Mlodozeniec and Gales 2019, arXiv:1905.00076): a Dirichlet is
 * fitted to the members' tempered probabilities by maximum likelihood. Its sufficient statistics are
 *
 *   s_bk = 1/of sum_{m < M} l((1 - e) p_bmk + e/K),   p_bm = softmax(t_bm/T),  e = TRB_ENDD_SMOOTHING
 *
 * A confident member has probabilities near 0, whose logarithms are unbounded and would dominate s. So probabilities
 * are smoothed towards 1/K, and s is at least l(e/K).
 *
 * \param[in] t  [rows][M][K]   \param[out] s  [rows][K]
 */
#define TRB_ENDD_SMOOTHING 1e-4
trb_status trb_endd_statistics(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                               float *s);

/** Its loss (same source), with alpha = exp(z/T).
 *
 *   loss = 1/batch sum_b -( l Gamma(alpha_0) - sum_k l Gamma(alpha_k) + sum_k (alpha_k - 1) s_bk )      [nats]
 *   dz   = 1/(batch T) alpha_k ( psi(alpha_k) - psi(alpha_0) - s_bk )
 *
 * There is no factor T^2 as with soft targets. The spread of tempered log-probabilities shrinks like 1/T, so the
 * precision that fits them grows like T^2, and this compensates the 1/T^2 in the curvature by z. The loss is minus the
 * logarithm of a density and may be negative.
 *
 * \param[in] z  [rows][K]   \param[in] s  [rows][K]
 */
trb_status trb_loss_endd(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s, double *loss,
                         float *dz);

/** Distribution distillation with proxy targets (Proxy-EnDD2: Ryabinin, Malinin and Gales 2021, arXiv:2105.06987).
 * Its statistics are mean probability and mean log-probability,
 *
 *   pi_bk = 1/of sum_{m < M} p_bmk,   q_bk = 1/of sum_{m < M} l p_bmk,   p_bm = softmax(t_bm/T)
 *
 * \param[in] t  [rows][M][K]   \param[out] s  [rows][2][K]: pi, q
 */
trb_status trb_proxy_endd_statistics(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                                     float *s);

/** Turn these statistics into what the loss needs (same source). The proxy of the members is a Dirichlet with
 *
 *   beta_0 = (K - 1) / (2 MKL),  MKL = sum_k pi_k (l pi_k - q_k),   beta = beta_0 pi + 1
 *
 * It is stored as pi and w = 1/beta_0 = 2 MKL/(K - 1), so that members that agree exactly are no special case.
 *
 * \param[in,out] s  [rows][2][K] statistics of all members; overwritten from the beginning by [rows][K + 1]: pi, w
 */
void trb_proxy_endd_targets(size_t rows, size_t K, float *s);

/** Its loss, with alpha = exp(z/T) + 1: reverse KL divided by beta_0, without the term that does not depend on the
 * student, 1/beta_0 ( sum_k l Gamma(beta_k) - l Gamma(beta_0 + K) + l Gamma(K) ):
 *
 *   KL(Dir(alpha) || Dir(beta)) / beta_0 = -E_{p ~ Dir(alpha)}[ sum_k pi_k l p_k ] + w KL(Dir(alpha) || Dir(1)) + ...
 *   loss = 1/batch sum_b ( psi(alpha_0) - sum_k pi_k psi(alpha_k) + w KL(Dir(alpha) || Dir(1)) )      [nats]
 *   KL(Dir(alpha) || Dir(1)) = l Gamma(alpha_0) - sum_k l Gamma(alpha_k) - l Gamma(K)
 *                              + sum_k (alpha_k - 1) (psi(alpha_k) - psi(alpha_0))
 *   dz   = 1/(batch T) exp(z_k/T) ( psi'(alpha_0) - pi_k psi'(alpha_k)
 *                                   + w ( (alpha_k - 1) psi'(alpha_k) - (alpha_0 - K) psi'(alpha_0) ) )
 *
 * \param[in] z  [rows][K]   \param[in] s  [rows][K + 1]: pi, w
 */
trb_status trb_loss_proxy_endd(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s,
                               double *loss, float *dz);

/** The statistics of all members at temperature 1 that both losses need, which a cache can hold instead of logits
 * (cache.h). Each row has the s of distribution distillation, then pi and w, with the same bits as from the functions
 * above.
 *
 * \param[in] t  [rows][M][K]   \param[out] s  [rows][TRB_STATISTICS(K)]
 */
#define TRB_STATISTICS(K) (2 * (K) + 1)
trb_status trb_statistics(size_t rows, size_t M, size_t K, const float *t, double *work, float *s);

/** How concentrations follow from logits at temperature 1. */
typedef enum {
    TRB_DIRICHLET_NONE,      /* there are none: the student's heads are categorical */
    TRB_DIRICHLET_EXP,       /* alpha = exp(z): endd */
    TRB_DIRICHLET_EXP_PLUS_1 /* alpha = exp(z) + 1: proxy-endd */
} trb_dirichlet;

/** The prediction of one Dirichlet: its mean p, the total uncertainty H(p), and the data uncertainty, which is the mean
 * entropy of a draw. Their difference is the model uncertainty (Malinin and Gales 2018, arXiv:1802.10501). In nats.
 *
 *   p_k = alpha_k/alpha_0,   data = -sum_k p_k ( psi(alpha_k + 1) - psi(alpha_0 + 1) )
 *
 * p and log p are computed from the logits in the log domain, so for any finite logits they are not NaN, and log p is
 * finite.
 *
 * \param[in] kind  not NONE   \param[in] z  [K], finite   \param[out] p,log_p  [K] */
void trb_dirichlet_predict(trb_dirichlet kind, size_t K, const float *z, double *p, double *log_p, double *total,
                           double *data);

#endif
