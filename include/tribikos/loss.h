/** Losses and their gradients.
 *
 * All functions are local, read rows of logits [rows][M][K], and add up in double. `batch` is the number of rows over
 * which the loss is a mean. It is larger than `rows` if a lane computes its share of a batch; the sum over lanes is
 * then the mean over the batch. Each returns TRB_OK; TRB_ECONFIG if K exceeds TRB_LOSS_K_MAX; or TRB_ENUM with a line
 * that names row and head if a logit is not finite. After a failure the outputs are not defined. dz must not overlap an
 * input, unless the function allows it.
 */
#ifndef TRB_LOSS_H
#define TRB_LOSS_H

#include <stdint.h>

#include "tribikos/status.h"

/** The most outputs that a head may have. The reader of tables refuses a label that is not below it. */
enum { TRB_LOSS_K_MAX = 32768 };

/** p = softmax(z / T) over K, for each row, computed as exp((z - max z) / T) / sum. p may be z.
 * \param[in] z  [rows][K], finite  \param[in] T  temperature, > 0  \param[out] p  [rows][K] */
void trb_softmax(size_t rows, size_t K, float T, const float *z, float *p);

/** Cross entropy with labels, averaged over heads.
 *
 *   loss = 1/(batch M) * sum_{b,m} -log softmax(z_bm)[label_b]      [nats]
 *   dz   = 1/(batch M) * (softmax(z_bm) - onehot(label_b))
 *
 * \param[in]  z      [rows][M][K]   \param[in] label [rows], each in [0, K)
 * \param[out] loss   this lane's share   \param[out] dz [rows][M][K]; NULL to skip
 */
trb_status trb_loss_ce(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                       double *loss, float *dz);

/** Cross entropy of samples that are mixtures of two (mixup; Zhang et al. 2018, arXiv:1710.09412).
 *
 *   loss = 1/(batch M) * sum_{b,m} ( w_b CE(z_bm, label_b) + (1 - w_b) CE(z_bm, other_b) ),
 *   CE(z, y) = -log softmax(z)[y]      [nats]
 *   dz   = 1/(batch M) * (softmax(z_bm) - w_b onehot(label_b) - (1 - w_b) onehot(other_b))
 *
 * \param[in]  label,other  [rows], each in [0, K); may be equal   \param[in] weight [rows] the weight of `label`, in
 * [0, 1]
 */
trb_status trb_loss_ce_mixed(size_t rows, size_t M, size_t K, size_t batch, const float *z, const int32_t *label,
                             const int32_t *other, const float *weight, double *loss, float *dz);

/** Targets for trb_loss_targets(): labels with weights of classes and label smoothing (Szegedy et al. 2016,
 * arXiv:1512.00567, sec. 7), of samples that may be mixtures of two.
 *
 *   q_bk = mix_b own(label_b)_k + (1 - mix_b) own(other_b)_k,   own(y)_k = (1 - e) w_y [k = y] + e w_k / K
 *
 * With trb_loss_targets() this is the loss of PyTorch's cross_entropy(weight=w, label_smoothing=e), but divided by the
 * batch instead of by the sum of its weights. So the share of a lane does not depend on the labels of other lanes.
 *
 * \param[in] other,mix  [rows]; other NULL: no sample is mixed   \param[in] class_weight  w [K]; NULL: all are 1
 * \param[in] smoothing  e, in [0, 1)   \param[out] q [rows][K] */
void trb_label_targets(size_t rows, size_t K, const int32_t *label, const int32_t *other, const float *mix,
                       const float *class_weight, double smoothing, float *q);

/** Cross entropy of one head with targets of any sum.
 *
 *   loss = 1/batch * sum_{b,k} -q_bk log softmax(z_b)_k      [nats]
 *   dz   = 1/batch * (sum_k q_bk softmax(z_b) - q_b)
 *
 * \param[in] z  [rows][K]   \param[in] q [rows][K], 0 or above */
trb_status trb_loss_targets(size_t rows, size_t K, size_t batch, const float *z, const float *q, double *loss,
                            float *dz);

/** Distillation with soft targets, where head m follows member m. Source: Hinton et al. 2015, arXiv:1503.02531, sec. 2;
 * one head for each member: Hydra, arXiv:2001.04694, eq. 3.
 *
 *   loss = T^2/(batch M) * sum_{b,m} KL( softmax(t_bm/T) || softmax(z_bm/T) )      [nats]
 *   dz   = T/(batch M)   * ( softmax(z_bm/T) - softmax(t_bm/T) )
 *
 * \param[in] z,t  [rows][M][K] student's and members' logits
 */
trb_status trb_loss_kd(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                       double *loss, float *dz);

/** Soft targets: the mean of the members' tempered probabilities (Hinton et al. 2015 on an ensemble; phase 1 of Hydra,
 * arXiv:2001.04694, sec. 3), or the part of the mean that comes from some of the members.
 *
 *   q_b = 1/of sum_{m < M} softmax(t_bm/T)
 *
 * \param[in] M  members here   \param[in] of  members of the ensemble
 * \param[in] t  [rows][M][K]   \param[out] q [rows][K]
 */
trb_status trb_soft_targets(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, float *q);

/** The loss of one head that follows soft targets (same sources).
 *
 *   loss = T^2/batch * sum_b KL( q_b || softmax(z_b/T) )      [nats]
 *   dz   = T/batch   * ( softmax(z_b/T) - q_b )
 *
 * \param[in] z  [rows][K]   \param[in] q [rows][K]; may be dz
 */
trb_status trb_loss_soft(size_t rows, size_t K, size_t batch, float T, const float *z, const float *q, double *loss,
                         float *dz);

/** Mix a distillation loss that was just computed with the cross entropy of labels, for every head (Hinton et al. 2015,
 * sec. 2).
 *
 *   loss = (1 - w) loss + w/(batch M) * sum_{b of known label, m} -log softmax(z_bm)[label_b]      [nats]
 *   dz   = (1 - w) dz   + w/(batch M) * (softmax(z_bm) - onehot(label_b)), the latter where the label is known
 *
 * \param[in] w  in [0, 1]   \param[in] z  [rows][M][K]   \param[in] label  [rows], each below K; negative if the label
 * is not known
 * \param[in,out] loss  this lane's share   \param[in,out] dz  [rows][M][K]
 */
trb_status trb_loss_add_labels(size_t rows, size_t M, size_t K, size_t batch, float w, const float *z,
                               const int32_t *label, double *loss, float *dz);

/** Gaussian negative log-likelihood; outputs are mean and log variance (Nix and Weigend 1994; Lakshminarayanan et al.
 * 2017, arXiv:1612.01474, eq. 1, with the constant).
 *
 *   loss = 1/(batch M) * sum_{b,m} 1/2 ( log(2 pi) + s + (y - mu)^2 exp(-s) ),  (mu, s) = z_bm   [nats]
 *
 * This loss and those below also return TRB_ENUM if a gradient is not finite, as with a log variance far below -88.
 *
 * \param[in] z  [rows][M][2]   \param[in] y [rows] targets, finite, in the unit the network is trained in
 */
trb_status trb_loss_gaussian(size_t rows, size_t M, size_t batch, const float *z, const float *y, double *loss,
                             float *dz);

/** Distillation in regression, where head m follows member m and both give mean and log variance: Hydra
 * (arXiv:2001.04694, sec. 3) with the divergence of two Gaussians instead of two distributions over classes. There is
 * no temperature.
 *
 *   loss = 1/(batch M) * sum_{b,m} KL( N(mu_t, e^s_t) || N(mu, e^s) ),  (mu, s) = z_bm, (mu_t, s_t) = t_bm   [nats]
 *   KL   = 1/2 ( e^d - 1 - d + (mu - mu_t)^2 e^-s ),  d = s_t - s
 *   dKL/dmu = (mu - mu_t) e^-s,   dKL/ds = -1/2 ( e^d - 1 + (mu - mu_t)^2 e^-s )
 *
 * \param[in] z,t  [rows][M][2] student's and members' outputs
 */
trb_status trb_loss_gaussian_kl(size_t rows, size_t M, size_t batch, const float *z, const float *t, double *loss,
                                float *dz);

/** What one head needs of all members in order to follow them: the first two moments of their mixture, or the part of
 * the moments that comes from some of the members.
 *
 *   q_b = 1/of sum_{m < M} ( mu_bm, e^s_bm + mu_bm^2 )
 *
 * \param[in] M  members here   \param[in] of  members of the ensemble
 * \param[in] t  [rows][M][2]   \param[out] q [rows][2]
 * \return also TRB_ENUM if a moment is beyond single precision
 */
trb_status trb_gaussian_moments(size_t rows, size_t M, size_t of, const float *t, float *q);

/** The loss of one head that follows all members. Its gradient is that of the mean over m of KL(member m || head),
 * which depends on the members only through their first two moments and a constant. The mean is smallest if the head is
 * the Gaussian with the same moments. The loss that is returned is the divergence of that Gaussian from the head, so it
 * is 0 when nothing is left to learn.
 *
 *   loss = 1/batch * sum_b KL( N(q_b0, v_b) || N(mu_b, e^s_b) ),  v_b = q_b1 - q_b0^2   [nats]
 *
 * Because moments are in single precision, v_b has an error of about 1e-7 (v_b + q_b0^2).
 *
 * \param[in] z  [rows][2]   \param[in] q [rows][2]; may be dz
 */
trb_status trb_loss_moments(size_t rows, size_t batch, const float *z, const float *q, double *loss, float *dz);

#endif
