#include "internal.h"
#include "tribikos/loss.h"

static double constant(const trb_student_opts *o, double done)
{
    (void)done;
    return o->temperature;
}

static const trb__method methods[] = {
    [TRB_METHOD_HYDRA] = {"hydra", true, 1, constant, trb_soft_targets, trb_loss_soft, trb_loss_kd},
    [TRB_METHOD_KD] = {"kd", false, 1, constant, trb_soft_targets, trb_loss_soft, NULL},
};

/* Regression: two outputs, and nothing to temper. */
static trb_status moments(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, float *s)
{
    (void)K;
    (void)T;
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
    [TRB_METHOD_HYDRA] = {.name = "hydra",
                          .heads = true,
                          .sets = 1,
                          .temperature = constant,
                          .statistics = moments,
                          .loss = loss_moments,
                          .each = each_gaussian},
    [TRB_METHOD_KD] = {.name = "kd", .sets = 1, .temperature = constant, .statistics = moments, .loss = loss_moments},
};

const trb__method *trb__method_of(trb_method m, trb_task task)
{
    if (task == TRB_TASK_CLASSES) return &methods[m];
    const bool known = (size_t)m < sizeof of_regression / sizeof *of_regression && of_regression[m].name != NULL;
    return known ? &of_regression[m] : NULL;
}
