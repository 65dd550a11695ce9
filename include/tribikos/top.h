/** The most probable classes of a member, with the rest in one bucket: what a cache of `top` holds, and the loss of
 * students that follow it.
 *
 * A row of a member has K logits z. It becomes n = TRB_TOP_OUTCOMES(k, K) *outcomes*: its k largest logits (of equal
 * ones the smaller class is the larger) and, if k < K, the *tail*, which stands for the other K - k classes together.
 * Its row here has TRB_TOP(k, K) numbers, all log-probabilities of temperature 1, in nats, at most 0:
 *
 *     [k]     log p_c = z_c - log sum_i exp z_i, in descending order
 *     [0, 1]  the logarithm of the tail's probability, log sum_{i not of the k} exp z_i - log sum_i exp z_i; if k < K
 *     [k]     the classes c of these k numbers, as whole numbers, which float32 holds exactly
 *
 * A student's logits are *grouped* into the same n outcomes: u_j = z_c for the member's classes c, and for the tail
 * u = log sum of exp z over the student's other classes, computed relative to the largest of them. Then both sides are
 * tempered:
 *
 *     p_T = softmax(log p / T),   q_T = softmax(u / T)   over the n outcomes
 *
 * Why this is exact at any T: p_T and q_T are functions of the n log-probabilities of temperature 1 alone, so the n
 * stored numbers suffice for every T, and KL(p_T || q_T) is a true divergence. It is 0 only if student and member agree
 * about all n outcomes, since tempering is one-to-one. It is not the divergence of all K tempered outputs: within the
 * tail the student is free. At T = 1 it is a lower bound of that divergence (grouping outcomes never increases a KL
 * divergence); at other T the tail counts as one outcome, where K - k tempered outputs would count each. With k = K
 * there is no tail, and softmax(log p / T) = softmax(z / T): all is as with logits, up to rounding.
 *
 * A sum of the stored numbers that is not exactly 1, as after rounding to float16, is harmless: softmax normalises.
 *
 * Sources: a bucket for the tail beside the top k makes the truncated divergence a true one, as in RFC 7856 of verl
 * (volcengine/verl, 2026). Without it, probabilities of the k classes alone teach students to be too sure: Anshumann et
 * al. 2025, arXiv:2503.16870, who draw random classes instead, with weights that make the loss of all K classes right
 * in the mean. Here nothing is random, and the loss is exact for n outcomes instead of unbiased for K.
 *
 * All functions are local. `batch` and failures are as in loss.h. `work` is scratch memory for TRB_TOP_WORK(K) numbers.
 */
#ifndef TRB_TOP_H
#define TRB_TOP_H

#include <stddef.h>

#include "tribikos/status.h"

#define TRB_TOP_OUTCOMES(k, K) ((k) + ((k) < (K) ? 1 : 0))
#define TRB_TOP(k, K) (TRB_TOP_OUTCOMES(k, K) + (k))
#define TRB_TOP_WORK(K) (4 * (K))

/** Select the k most probable classes of each row.
 * \param[in] k  1..K   \param[in] z  [rows][K]   \param[out] t  [rows][TRB_TOP(k, K)]
 * \return TRB_OK; TRB_ENUM, naming row and class, if a logit is not finite */
trb_status trb_top_select(size_t rows, size_t K, size_t k, const float *z, float *work, float *t);

/** Distillation from the most probable classes (source above; with k = K it is trb_loss_kd()). With `heads` = M, head m
 * follows member m. With one head, this head follows each member by that member's own outcomes:
 *
 *   loss = T^2/(batch M) * sum_{b,m} KL( p_T,bm || q_T,bm )      [nats]
 *   du   = T/(batch M)   * ( q_T - p_T ),  dz_c = du_c for a member's classes,  dz_i = du_tail exp(z_i - u_tail) for
 *          the others; with one head, dz is the sum of these over m
 *
 * With k = K, the gradient of one head is that of trb_loss_soft() for the mean of the members, up to rounding. The loss
 * is larger than that one's by the mean divergence of the members from their mean, which no student can change.
 *
 * \param[in] heads  M or 1   \param[in] z  [rows][heads][K] the student's logits
 * \param[in] t  [rows][M][TRB_TOP(k, K)]; classes are below K, and different in a row   \param[out] dz  as z
 */
trb_status trb_loss_top(size_t rows, size_t heads, size_t M, size_t K, size_t k, size_t batch, float T, const float *z,
                        const float *t, float *work, double *loss, float *dz);

#endif
