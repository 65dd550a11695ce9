/** Losses and their gradients.
 *
 * All are local, read rows of logits [rows][M][K] and add up in double. `batch` is the number of rows over which the
 * loss is a mean; it is larger than `rows` when a lane computes its share of a batch, so that the sum over lanes is the
 * batch's mean. Each returns TRB_OK, TRB_ECONFIG if K exceeds TRB_LOSS_K_MAX, or TRB_ENUM with a line that names row
 * and head if a logit is not finite; the outputs are then not defined. dz does not overlap an input
 * unless it is said to.
 */
#ifndef TRB_LOSS_H
#define TRB_LOSS_H

#include <stdint.h>

#include "tribikos/status.h"

/** The most outputs a head may have: a row of exponentials is kept on the stack. */
enum { TRB_LOSS_K_MAX = 32768 };

/** p = softmax(z / T) over K, row by row, computed as exp((z - max z) / T) / sum. p may be z.
 * \param[in] z  [rows][K], finite  \param[in] T  temperature, > 0  \param[out] p  [rows][K] */
void trb_softmax(size_t rows, size_t K, float T, const float *z, float *p);

/** Cross entropy with labels, for every head.
 *
 *   loss = 1/(batch M) * sum_{b,m} -log softmax(z_bm)[label_b]      [nats]
 *   dz   = 1/(batch M) * (softmax(z_bm) - onehot(label_b))
 *
 * \param[in]  z      [rows][M][K]   \param[in] label [rows], each in [0, K)
 * \param[out] loss   this lane's share   \param[out] dz [rows][M][K]; NULL to skip
 */
trb_status trb_loss_ce(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                       double *loss, float *dz);

/** Cross entropy of samples that were mixed of two (mixup; Zhang et al. 2018, arXiv:1710.09412).
 *
 *   loss = 1/(batch M) * sum_{b,m} ( w_b CE(z_bm, label_b) + (1 - w_b) CE(z_bm, other_b) ),
 *   CE(z, y) = -log softmax(z)[y]      [nats]
 *   dz   = 1/(batch M) * (softmax(z_bm) - w_b onehot(label_b) - (1 - w_b) onehot(other_b))
 *
 * \param[in]  label,other  [rows], each in [0, K); may be equal   \param[in] weight [rows] of `label`, in [0, 1]
 */
trb_status trb_loss_ce_mixed(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                             const int32_t *other, const float *weight, double *loss, float *dz);

/** Soft targets, head m follows member m. Source: Hinton et al. 2015, arXiv:1503.02531, sec. 2; one head a member:
 * Hydra, arXiv:2001.04694, eq. 3.
 *
 *   loss = T^2/(batch M) * sum_{b,m} KL( softmax(t_bm/T) || softmax(z_bm/T) )      [nats]
 *   dz   = T/(batch M)   * ( softmax(z_bm/T) - softmax(t_bm/T) )
 *
 * \param[in] z,t  [rows][M][K] student's and members' logits
 */
trb_status trb_loss_kd(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                       double *loss, float *dz);

/** Soft targets: the mean of the members' tempered probabilities (Hinton et al. 2015 on an ensemble; phase 1 of Hydra,
 * arXiv:2001.04694, sec. 3), or the part of it that some of the members have.
 *
 *   q_b = 1/of sum_{m < M} softmax(t_bm/T)
 *
 * \param[in] M  members here   \param[in] of  members of the ensemble
 * \param[in] t  [rows][M][K]   \param[out] q [rows][K]
 */
trb_status trb_soft_targets(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, float *q);

/** One head follows soft targets (ibid.).
 *
 *   loss = T^2/batch * sum_b KL( q_b || softmax(z_b/T) )      [nats]
 *   dz   = T/batch   * ( softmax(z_b/T) - q_b )
 *
 * \param[in] z  [rows][K]   \param[in] q [rows][K]; may be dz
 */
trb_status trb_loss_soft(size_t rows, size_t K, size_t batch, float T, const float *z, const float *q, double *loss,
                         float *dz);

/** Gaussian negative log-likelihood; outputs are mean and log variance (Nix and Weigend 1994; Lakshminarayanan et al.
 * 2017, arXiv:1612.01474, eq. 1, with the constant).
 *
 *   loss = 1/(batch M) * sum_{b,m} 1/2 ( log(2 pi) + s + (y - mu)^2 exp(-s) ),  (mu, s) = z_bm   [nats]
 *
 * \param[in] z  [rows][M][2]   \param[in] y [rows] targets, finite, in the unit the network is trained in
 */
trb_status trb_loss_gaussian(size_t rows, size_t M, size_t batch, const float *z, const float *y, double *loss,
                             float *dz);

#endif
