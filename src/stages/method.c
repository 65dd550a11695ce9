#include "internal.h"
#include "tribikos/loss.h"

static double constant(const trb_student_opts *o, double done)
{
    (void)done;
    return o->temperature;
}

/* From anneal_from to 1 over the first anneal_share of the training, linearly; then 1. */
static double annealed(const trb_student_opts *o, double done)
{
    return done < o->anneal_share ? o->anneal_from + (1.0 - o->anneal_from) * (done / o->anneal_share) : 1.0;
}

static double one(const trb_student_opts *o, double done)
{
    (void)o;
    (void)done;
    return 1.0;
}

static trb_status soft_targets(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                               float *s)
{
    (void)work;
    return trb_soft_targets(rows, M, of, K, T, t, s);
}

static const trb__method methods[] = {
    [TRB_METHOD_HYDRA] = {"hydra", TRB__COPIED_HEADS, TRB_DIRICHLET_NONE, 1, 1, constant, soft_targets, NULL,
                          trb_loss_soft, trb_loss_kd},
    [TRB_METHOD_KD] = {"kd", TRB__ONE_HEAD, TRB_DIRICHLET_NONE, 1, 1, constant, soft_targets, NULL, trb_loss_soft,
                       NULL},
    [TRB_METHOD_ENDD] = {"endd", TRB__ONE_HEAD, TRB_DIRICHLET_EXP, 1, 0, annealed, trb_endd_statistics, NULL,
                         trb_loss_endd, NULL},
    [TRB_METHOD_PROXY_ENDD] = {"proxy-endd", TRB__ONE_HEAD, TRB_DIRICHLET_EXP_PLUS_1, 2, 1, one,
                               trb_proxy_endd_statistics, trb_proxy_endd_targets, trb_loss_proxy_endd, NULL},
    [TRB_METHOD_BATCHENSEMBLE] = {"batchensemble", TRB__SHARING_HEADS, TRB_DIRICHLET_NONE, 1, 0, constant, NULL, NULL,
                                  NULL, trb_loss_kd},
    [TRB_METHOD_LATENTBE] = {"latentbe", TRB__FOLDED_HEADS, TRB_DIRICHLET_NONE, 1, 0, constant, NULL, NULL, NULL,
                             trb_loss_kd},
};

/* Regression: two outputs, and nothing to temper. */
static trb_status moments(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work, float *s)
{
    (void)K;
    (void)T;
    (void)work;
    return trb_gaussian_moments(rows, M, of, t, s);
}

static trb_status loss_moments(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s,
                               double *loss, float *dz)
{
    (void)K;
    (void)T;
    return trb_loss_moments(rows, batch, z, s, loss, dz);
}

static trb_status each_gaussian(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                                double *loss, float *dz)
{
    (void)K;
    (void)T;
    return trb_loss_gaussian_kl(rows, M, batch, z, t, loss, dz);
}

static const trb__method of_regression[] = {
    [TRB_METHOD_HYDRA] = {"hydra", TRB__COPIED_HEADS, TRB_DIRICHLET_NONE, 1, 0, constant, moments, NULL, loss_moments,
                          each_gaussian},
    [TRB_METHOD_KD] = {"kd", TRB__ONE_HEAD, TRB_DIRICHLET_NONE, 1, 0, constant, moments, NULL, loss_moments, NULL},
    [TRB_METHOD_BATCHENSEMBLE] = {"batchensemble", TRB__SHARING_HEADS, TRB_DIRICHLET_NONE, 1, 0, constant, NULL, NULL,
                                  NULL, each_gaussian},
    [TRB_METHOD_LATENTBE] = {"latentbe", TRB__FOLDED_HEADS, TRB_DIRICHLET_NONE, 1, 0, constant, NULL, NULL, NULL,
                             each_gaussian},
};

const trb__method *trb__method_of(trb_method m, trb_task task)
{
    return task == TRB_TASK_REGRESSION ? &of_regression[m] : &methods[m];
}
