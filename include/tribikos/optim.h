/** Optimisers and learning-rate schedules, on any slice of the parameters.
 *
 * Every update is elementwise and computed in single precision with separately rounded operations, so an element's bits
 * do not depend on where a slice begins. All functions are local. Definitions follow PyTorch's, so that results can be
 * compared: t is the step from 1, g the gradient (after clipping), w the weight, lr_t the scheduled rate.
 *
 *   sgd    g += wd w; v = momentum v + g (v = g at t = 1); w -= lr_t v, or with nesterov w -= lr_t (g + momentum v)
 *   adam   g += wd w; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
 *          w -= lr_t (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)         (Kingma and Ba 2015, arXiv:1412.6980, alg. 1)
 *   adamw  w *= 1 - lr_t wd; then adam without wd                        (Loshchilov and Hutter 2019, arXiv:1711.05101)
 *
 * Weight decay wd applies only to parameters with `decays` in the table: not to biases, factors, and the scales of
 * batch normalisation.
 *
 * Running statistics r are not trained. With every optimiser r += a (g / lanes - r), where a = TRB_STATISTICS_MOMENTUM
 * and g is the sum over lanes of the statistics of each lane's rows. Each lane normalises by its own rows: this is
 * ghost batch normalisation (Hoffer et al. 2017, arXiv:1705.08741, alg. 1), here with the lanes of a step averaged.
 * With one lane it is PyTorch's rule.
 */
#ifndef TRB_OPTIM_H
#define TRB_OPTIM_H

#include <stdbool.h>
#include <stdint.h>

#include "tribikos/net.h"

#define TRB_STATISTICS_MOMENTUM 0.1

typedef enum { TRB_OPTIM_SGD, TRB_OPTIM_ADAM, TRB_OPTIM_ADAMW } trb_optim_kind;
typedef enum { TRB_SCHEDULE_CONSTANT, TRB_SCHEDULE_STEP, TRB_SCHEDULE_COSINE } trb_schedule;

typedef struct {
    trb_optim_kind kind;
    double lr, momentum, beta1, beta2, eps, weight_decay;
    bool nesterov;
    double clip; /* largest global L2 norm of the gradient; 0: no clipping */
    trb_schedule schedule;
    uint64_t first_step;   /* steps of the schedule that an earlier phase took; moments start from zero anyway */
    uint64_t warmup_steps; /* the rate rises linearly over these: lr * t / warmup_steps */
    uint64_t total_steps;  /* cosine falls to 0 at this step: lr/2 (1 + cos(pi (t-1-warmup)/(total-warmup))) */
    uint64_t lanes;        /* lanes whose gradients are summed, at least 1; used for running statistics only */
    uint64_t decay_steps;  /* step schedule: after the warm-up, the rate is multiplied by gamma every so many steps */
    double gamma;
} trb_optim;

/** The scheduled learning rate of step t = 1, 2, ... */
double trb_optim_rate(const trb_optim *o, uint64_t t);

/** How many moment slabs an optimiser keeps: 0 (plain SGD), 1 or 2. */
size_t trb_optim_moments(const trb_optim *o);

/** Update the parameters [lo, hi) of the slab.
 *
 * \param[in]     t      step, from 1
 * \param[in]     scale  factor on the gradient, for clipping; 1 for none
 * \param[in,out] w      [hi-lo] weights of the slice   \param[in] g [hi-lo] gradients of the slice
 * \param[in,out] m,v    [hi-lo] moments of the slice, zero before step 1; unused ones may be NULL
 */
void trb_optim_update(const trb_optim *o, const trb_net *net, uint64_t t, float scale, size_t lo, size_t hi, float *w,
                      const float *g, float *m, float *v);

#endif
