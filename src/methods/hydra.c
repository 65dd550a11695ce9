/* Soft targets: one head for the mean of all members (kd), and copies of this head for each of them (hydra). */
#include "internal.h"

static trb_status soft_targets(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                               float *s)
{
    (void)work;
    return trb_soft_targets(rows, M, of, K, T, t, s);
}

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

const trb_method trb__hydra = {
    .name = "hydra",
    .help = "The student has a shared body and a head for each member, which imitates it (Tran et al. 2020).",
    .heads = TRB_COPIED_HEADS,
    .classes = {.sets = 1,
                .temperature = trb__constant,
                .tempered_by = "temperature",
                .statistics = soft_targets,
                .loss = trb_loss_soft,
                .each = trb_loss_kd,
                .top = trb_loss_top},
    .regression = {.sets = 1, .statistics = moments, .loss = loss_moments, .each = trb__follow_gaussians}};

const trb_method trb__kd = {.name = "kd",
                            .help = "One head imitates the mean of the tempered members (Hinton et al. 2015).",
                            .heads = TRB_ONE_HEAD,
                            .classes = {.sets = 1,
                                        .cached = TRB_CACHED_MEANS,
                                        .temperature = trb__constant,
                                        .tempered_by = "temperature",
                                        .statistics = soft_targets,
                                        .loss = trb_loss_soft,
                                        .top = trb_loss_top},
                            .regression = {.sets = 1, .statistics = moments, .loss = loss_moments}};
