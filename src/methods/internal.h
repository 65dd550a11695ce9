/* The list of all methods, and functions that several families use. A new method is a line in TRB__METHODS and a
 * file. */
#ifndef TRB_METHODS_INTERNAL_H
#define TRB_METHODS_INTERNAL_H

#include "tribikos/loss.h"
#include "tribikos/method.h"
#include "tribikos/top.h"

/* The order in which help and pages list the methods. */
#define TRB__METHODS(METHOD)                                                                                           \
    METHOD(hydra)                                                                                                      \
    METHOD(kd)                                                                                                         \
    METHOD(endd)                                                                                                       \
    METHOD(proxy_endd)                                                                                                 \
    METHOD(batchensemble)                                                                                              \
    METHOD(latentbe)

#define TRB__DECLARED(name) extern const trb_method trb__##name;
TRB__METHODS(TRB__DECLARED)

/* A lesson's `temperature`: student.temperature during the whole training. */
double trb__constant(const trb_tempering *o, double done);
/* trb_loss_gaussian_kl() as a lesson's `each`. */
trb_status trb__follow_gaussians(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                                 double *loss, float *dz);

#endif
