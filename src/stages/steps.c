/* The steps of a training, before it begins (steps.h). */
#include "steps.h"

#include <inttypes.h>
#include <string.h>

#include "tribikos/log.h"
#include "tribikos/number.h"

/* The batch, at most as large as this one and more than half of it, that leaves out the fewest samples. */
static uint64_t better_batch(const trb_fit_opts *o, uint64_t n)
{
    uint64_t best = o->batch;
    for (uint64_t b = o->batch; b > o->batch / 2 && b >= o->lanes; b -= o->lanes)
        if (n % b < n % best) best = b;
    return best;
}

static void warn_of_rest(const trb_fit_opts *o, uint64_t n)
{
    enum { TENTH = 10 };
    const uint64_t rest = n % o->batch, best = better_batch(o, n);
    char advice[96] = "";
    if (rest * TENTH <= n) return;
    if (best != o->batch)
        (void)snprintf(advice, sizeof advice, "; a batch of %" PRIu64 " leaves out %" PRIu64, best, n % best);
    trb_warn_once("a batch of %" PRIu64 " leaves %" PRIu64 " of %" PRIu64
                  " training samples out of each epoch, others in "
                  "each%s",
                  o->batch, rest, n, advice);
}

trb_status trb__steps_check(const trb_net *net, const trb_fit_opts *o, const trb__dataset *s, const char *who)
{
    const uint64_t rows = o->batch / o->lanes;
    warn_of_rest(o, s->n_train);
    return trb_fail_of(trb_net_check_norms(net, rows),
                       "%s: a batch of %" PRIu64 " in %" PRIu64 " lanes has %" PRIu64
                       " row a lane (2 need a batch of %" PRIu64 " or fewer lanes): ",
                       who, o->batch, o->lanes, rows, 2 * o->lanes);
}

/* \param[in] layers  as configured   \param[in] split  where the heads begin in `layers`; "": not said there */
static void say(const trb_net *net, const char *layers, const char *split, const trb_fit_opts *o, const trb__dataset *s,
                const char *who)
{
    const uint64_t steps = s->n_train / o->batch, rest = s->n_train % o->batch;
    char left[64] = "", heads[64] = "", parameters[TRB_NUMBER_BYTES];
    const size_t M = trb_net_heads(net), weighted = trb_net_weighted(net);
    if (rest > 0) (void)snprintf(left, sizeof left, ", %" PRIu64 " samples left out of each", rest);
    if (M > 1) (void)snprintf(heads, sizeof heads, ", %zu heads", M);
    if (M == 1) split = ""; /* one head begins nowhere */
    trb_info("%s: [%s]%s%s%s: %zu dense or convolution layer%s, %s parameters; %" PRIu64 " step%s of %" PRIu64
             " in an epoch%s",
             who, layers, split[0] != '\0' ? ", split at " : "", split, heads, weighted, weighted == 1 ? "" : "s",
             trb_number_grouped(trb_net_trained(net), parameters), steps, steps == 1 ? "" : "s", o->batch, left);
}

static bool is_alike(const trb_fit_opts *a, const trb_fit_opts *b)
{
    return strcmp(a->layers, b->layers) == 0 && a->batch == b->batch;
}

trb_status trb__steps_say_members(const trb_config *c, const trb__dataset *s, const bool *chosen)
{
    for (size_t m = 0, next = 0; m < c->members.count; m = next) {
        char who[64];
        trb_net *net = NULL;
        next = m + 1;
        if (!chosen[m]) continue;
        while (next < c->members.count && chosen[next] && is_alike(&c->member[m], &c->member[next])) next++;
        if (next == m + 1)
            (void)snprintf(who, sizeof who, "member %zu", m);
        else
            (void)snprintf(who, sizeof who, "members %zu to %zu", m, next - 1);
        TRB_TRY(trb__member_net(c, m, &s->data, &net));
        say(net, c->member[m].layers, "", &c->member[m], s, who);
        trb_net_destroy(net);
    }
    return TRB_OK;
}

trb_status trb__steps_say_student(const trb_config *c, size_t i, const trb__dataset *s, size_t M)
{
    const trb_student_opts *o = &c->student[i];
    char who[TRB_NAME_MAX + 16];
    trb_net *net = NULL;
    (void)snprintf(who, sizeof who, "student %s", o->name);
    TRB_TRY(trb__student_net(c, i, &s->data, trb_method_heads(o->method, 2, M), &net));
    say(net, o->fit.layers[0] != '\0' ? o->fit.layers : c->train.layers, o->split, &o->fit, s, who);
    trb_net_destroy(net);
    return TRB_OK;
}
