/* One head that stands for a Dirichlet distribution over what the members say (dirichlet.h). */
#include "internal.h"

/* From anneal_from to 1 over the first anneal_share of the training, linearly; then 1. */
static double annealed(const trb_tempering *o, double done)
{
    return done < o->anneal_share ? o->anneal_from + (1.0 - o->anneal_from) * (done / o->anneal_share) : 1.0;
}

const trb_method trb__endd = {
    .name = "endd",
    .help =
        "One head gives a Dirichlet distribution with alpha = exp(z). It is fitted by likelihood to the members' "
        "tempered probabilities, while the temperature falls from `student.anneal_from` to 1 (Malinin et al. 2019).",
    .heads = TRB_ONE_HEAD,
    .dirichlet = TRB_DIRICHLET_EXP,
    .classes = {.sets = 1,
                .cached = TRB_CACHED_LOGS,
                .temperature = annealed,
                .tempered_by = "anneal_from",
                .statistics = trb_endd_statistics,
                .loss = trb_loss_endd}};

const trb_method trb__proxy_endd = {
    .name = "proxy-endd",
    .help = "One head gives a Dirichlet distribution with alpha = exp(z) + 1. It is fitted by reverse KL divergence to "
            "a Dirichlet made of the members' mean and precision (Ryabinin et al. 2021).",
    .heads = TRB_ONE_HEAD,
    .dirichlet = TRB_DIRICHLET_EXP_PLUS_1,
    .classes = {.sets = 2,
                .cached = TRB_CACHED_MEANS,
                .statistics = trb_proxy_endd_statistics,
                .targets = trb_proxy_endd_targets,
                .loss = trb_loss_proxy_endd}};
