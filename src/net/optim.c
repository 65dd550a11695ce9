/* Optimisers and learning-rate schedules (optim.h). */
#include "tribikos/optim.h"

#include <math.h>

#include "tribikos/wide.h"

double trb_optim_rate(const trb_optim *o, uint64_t t)
{
    t += o->first_step;
    if (t <= o->warmup_steps) return o->lr * ((double)t / (double)o->warmup_steps);
    const uint64_t done = t - 1 - o->warmup_steps; /* steps after the warm-up, before this one */
    switch (o->schedule) {
    case TRB_SCHEDULE_CONSTANT:
        break;
    case TRB_SCHEDULE_STEP:
        return o->decay_steps == 0 ? o->lr : o->lr * pow(o->gamma, (double)(done / o->decay_steps));
    case TRB_SCHEDULE_COSINE:
        if (o->total_steps <= o->warmup_steps + done) return 0.0;
        return 0.5 * o->lr *
               (1.0 + cos(3.14159265358979323846 * (double)done / (double)(o->total_steps - o->warmup_steps)));
    }
    return o->lr;
}

size_t trb_optim_moments(const trb_optim *o)
{
    if (o->kind != TRB_OPTIM_SGD) return 2;
    return o->momentum != 0.0 ? 1 : 0;
}

/* The loops below update n values, the part of one tensor in a slice. Constants are computed in double and rounded
 * once. */

TRB_WIDE static void sgd(size_t n, float rate, float decay, float scale, float *restrict w, const float *restrict g)
{
    for (size_t i = 0; i < n; i++) w[i] -= rate * (scale * g[i] + decay * w[i]);
}

/* Plain momentum steps along v, Nesterov's along g + momentum v. */
TRB_WIDE static void momentum(const trb_optim *o, size_t n, float rate, float decay, float scale, float *restrict w,
                              const float *restrict g, float *restrict v)
{
    const float mu = (float)o->momentum, along_g = o->nesterov ? 1.0F : 0.0F, along_v = o->nesterov ? mu : 1.0F;
    for (size_t i = 0; i < n; i++) {
        const float gi = scale * g[i] + decay * w[i];
        v[i] = mu * v[i] + gi;
        w[i] -= rate * (along_g * gi + along_v * v[i]);
    }
}

TRB_WIDE static void adam(const trb_optim *o, uint64_t t, size_t n, double lr, float decay, float shrink, float scale,
                          float *restrict w, const float *restrict g, float *restrict m, float *restrict v)
{
    /* Bias corrections are factors, so that an element takes only one square root and one division. */
    const float rate = (float)(lr / (1.0 - pow(o->beta1, (double)t)));
    const float correct = (float)(1.0 / sqrt(1.0 - pow(o->beta2, (double)t)));
    const float b1 = (float)o->beta1, c1 = (float)(1.0 - o->beta1), b2 = (float)o->beta2, c2 = (float)(1.0 - o->beta2);
    const float eps = (float)o->eps;
    for (size_t i = 0; i < n; i++) {
        const float gi = scale * g[i] + decay * w[i];
        m[i] = b1 * m[i] + c1 * gi;
        v[i] = b2 * v[i] + c2 * (gi * gi);
        w[i] = shrink * w[i] - rate * m[i] / (sqrtf(v[i]) * correct + eps);
    }
}

TRB_WIDE static void average(const trb_optim *o, size_t n, float *restrict r, const float *restrict g)
{
    const float a = (float)TRB_STATISTICS_MOMENTUM, each = (float)(1.0 / (double)o->lanes);
    for (size_t i = 0; i < n; i++) r[i] += a * (g[i] * each - r[i]);
}

void trb_optim_update(const trb_optim *o, const trb_net *net, uint64_t t, float scale, size_t lo, size_t hi, float *w,
                      const float *g, float *m, float *v)
{
    const double lr = trb_optim_rate(o, t);
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        const size_t begin = p->offset > lo ? p->offset : lo,
                     end = p->offset + p->count < hi ? p->offset + p->count : hi;
        if (begin >= end) continue;
        const size_t at = begin - lo, n = end - begin;
        if (p->statistic) {
            average(o, n, w + at, g + at);
            continue;
        }
        const double decay = p->decays ? o->weight_decay : 0.0;
        switch (o->kind) {
        case TRB_OPTIM_SGD:
            if (trb_optim_moments(o) == 0)
                sgd(n, (float)lr, (float)decay, scale, w + at, g + at);
            else
                momentum(o, n, (float)lr, (float)decay, scale, w + at, g + at, m + at);
            break;
        case TRB_OPTIM_ADAM:
            adam(o, t, n, lr, (float)decay, 1.0F, scale, w + at, g + at, m + at, v + at);
            break;
        case TRB_OPTIM_ADAMW:
            adam(o, t, n, lr, 0.0F, (float)(1.0 - lr * decay), scale, w + at, g + at, m + at, v + at);
            break;
        }
    }
}
