/* Ten steps of every optimiser, and the schedules, against PyTorch in double (tools/develop/golden_torch.py). */
#include "numbers.h"

#include "tribikos/optim.h"

enum { STEPS = 10, SIZE = 16, RATES = 30 };

/* "dense 4" on 3 inputs: 12 weights, then 4 biases, which no weight decay touches. */
static trb_net *small_net(void)
{
    trb_net *net = NULL;
    assert_ok(trb_net_create("dense 4", (trb_shape){3, 1, 1}, 1, &net));
    assert_int_equal(trb_net_size(net), SIZE);
    return net;
}

static trb_optim adam(trb_optim_kind kind, double decay)
{
    return (trb_optim){.kind = kind, .lr = 0.05, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = decay};
}

static const trb_optim sgd = {.kind = TRB_OPTIM_SGD, .lr = 0.05};

/* Weights are of magnitude 1 and a step changes them by about lr. A step makes a dozen roundings of the change and one
 * of the weight; Adam's first steps divide by sqrt(v (1 - b2^t)^-1), in which v = 0.001 g^2 keeps full relative
 * precision. Ten steps: below 10 * (1 + 12 * 0.05) * 2^-24 * 4 (largest weight). */
static const double near = 64 * ROUNDING;

static void check(const char *name, trb_optim o)
{
    trb_h5 *h = golden_open("optim.h5");
    char path[64];
    (void)snprintf(path, sizeof path, "path/%s", name);
    float *w = golden_read(h, "start", TRB_F32, SIZE), *g = golden_read(h, "gradients", TRB_F32, STEPS * SIZE);
    double *expected = golden_read(h, path, TRB_F64, STEPS * SIZE);
    float *m = room(SIZE, sizeof *m), *v = room(SIZE, sizeof *v);
    const size_t moments = trb_optim_moments(&o);
    trb_net *net = small_net();
    for (size_t t = 1; t <= STEPS; t++) {
        trb_optim_update(&o, net, t, 1.0F, 0, SIZE, w, g + (t - 1) * SIZE, moments > 0 ? m : NULL,
                         moments > 1 ? v : NULL);
        for (size_t i = 0; i < SIZE; i++) assert_near((double)w[i], expected[(t - 1) * SIZE + i], near);
    }
    trb_net_destroy(net);
    trb_free(w), trb_free(g), trb_free(expected), trb_free(m), trb_free(v);
    trb_h5_close(h);
}

static void sgd_is_pytorchs(void **state)
{
    (void)state;
    trb_optim o = sgd;
    assert_int_equal(trb_optim_moments(&o), 0);
    check("sgd", o);
    o.weight_decay = 0.1;
    check("sgd_decay", o);
    o.momentum = 0.9;
    assert_int_equal(trb_optim_moments(&o), 1);
    check("momentum", o);
    o.nesterov = true;
    check("nesterov", o);
}

static void adam_is_pytorchs(void **state)
{
    (void)state;
    const trb_optim o = adam(TRB_OPTIM_ADAM, 0.0);
    assert_int_equal(trb_optim_moments(&o), 2);
    check("adam", o);
    check("adam_decay", adam(TRB_OPTIM_ADAM, 0.1));
    check("adamw", adam(TRB_OPTIM_ADAMW, 0.1));
}

/* However the slab is cut into slices, the bits are the same: this is what lets every rank own one. */
static void slices_give_the_same_bits(void **state)
{
    (void)state;
    trb_net *net = NULL;
    assert_ok(trb_net_create("dense 21, relu, dense 13", (trb_shape){17, 1, 1}, 1, &net));
    const size_t n = trb_net_size(net), bytes = n * sizeof(float);
    float *start = normals(n, 1.0F, 1), *g = normals(n, 1.0F, 2), *whole[3], *part[3];
    for (size_t i = 0; i < 3; i++) whole[i] = room(n, sizeof(float)), part[i] = room(n, sizeof(float));
    trb_optim nesterov = sgd;
    nesterov.momentum = 0.9, nesterov.nesterov = true, nesterov.weight_decay = 0.1;
    const trb_optim kinds[] = {sgd, nesterov, adam(TRB_OPTIM_ADAM, 0.1), adam(TRB_OPTIM_ADAMW, 0.1)};
    for (size_t k = 0; k < 4; k++) {
        for (size_t slices = 1; slices <= 11; slices += 2) {
            for (size_t i = 1; i < 3; i++) memset(whole[i], 0, bytes), memset(part[i], 0, bytes);
            memcpy(whole[0], start, bytes), memcpy(part[0], start, bytes);
            for (uint64_t t = 1; t <= 3; t++) {
                trb_optim_update(&kinds[k], net, t, 0.7F, 0, n, whole[0], g, whole[1], whole[2]);
                for (size_t s = 0; s < slices; s++) {
                    const size_t lo = n * s / slices, hi = n * (s + 1) / slices;
                    trb_optim_update(&kinds[k], net, t, 0.7F, lo, hi, part[0] + lo, g + lo, part[1] + lo, part[2] + lo);
                }
            }
            for (size_t i = 0; i < 3; i++) assert_memory_equal(whole[i], part[i], bytes);
        }
    }
    for (size_t i = 0; i < 3; i++) trb_free(whole[i]), trb_free(part[i]);
    trb_free(start), trb_free(g);
    trb_net_destroy(net);
}

/* Clipping enters as a factor on the gradient, before weight decay is added to it. */
static void scale_applies_to_the_gradient_alone(void **state)
{
    (void)state;
    trb_net *net = small_net();
    trb_optim o = sgd;
    o.weight_decay = 0.5;
    float w[SIZE], g[SIZE];
    for (size_t i = 0; i < SIZE; i++) w[i] = 2.0F, g[i] = 4.0F;
    trb_optim_update(&o, net, 1, 0.25F, 0, SIZE, w, g, NULL, NULL);
    for (size_t i = 0; i < SIZE; i++)
        assert_near((double)w[i], 2.0 - 0.05 * (0.25 * 4.0 + (i < 12 ? 0.5 * 2.0 : 0.0)), 4 * ROUNDING);
    trb_net_destroy(net);
}

static void check_rates(const char *name, trb_optim o)
{
    trb_h5 *h = golden_open("optim.h5");
    char path[64];
    (void)snprintf(path, sizeof path, "rate/%s", name);
    double *expected = golden_read(h, path, TRB_F64, RATES);
    /* Both compute in double; PyTorch's recursive forms gather an error a step. */
    for (uint64_t t = 1; t <= RATES; t++) assert_near(trb_optim_rate(&o, t), expected[t - 1], 1e-14);
    trb_free(expected);
    trb_h5_close(h);
}

static void schedules_are_pytorchs(void **state)
{
    (void)state;
    trb_optim o = sgd;
    o.schedule = TRB_SCHEDULE_STEP, o.decay_steps = 7, o.gamma = 0.3;
    check_rates("step", o);
    o.schedule = TRB_SCHEDULE_COSINE, o.total_steps = 30;
    check_rates("cosine", o);
    o.warmup_steps = 5;
    check_rates("warmup_cosine", o);
    o.schedule = TRB_SCHEDULE_CONSTANT;
    check_rates("warmup", o);
}

static void schedules_have_sane_ends(void **state)
{
    (void)state;
    trb_optim o = sgd;
    o.schedule = TRB_SCHEDULE_COSINE, o.total_steps = 10, o.warmup_steps = 3;
    assert_true(trb_optim_rate(&o, 3) == o.lr && trb_optim_rate(&o, 4) == o.lr);
    assert_true(trb_optim_rate(&o, 10) > 0.0 && trb_optim_rate(&o, 11) == 0.0 && trb_optim_rate(&o, 99) == 0.0);
    o.total_steps = 3; /* nothing but warm-up */
    assert_true(trb_optim_rate(&o, 3) == o.lr && trb_optim_rate(&o, 4) == 0.0);
}

/* A second phase goes on where the first one stopped. */
static void a_schedule_may_have_begun_before(void **state)
{
    (void)state;
    const trb_optim whole = {.lr = 0.3, .schedule = TRB_SCHEDULE_COSINE, .warmup_steps = 3, .total_steps = 20};
    trb_optim rest = whole;
    rest.first_step = 12;
    for (uint64_t t = 1; t <= 8; t++) assert_true(trb_optim_rate(&rest, t) == trb_optim_rate(&whole, t + 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schedule_may_have_begun_before),
        cmocka_unit_test(sgd_is_pytorchs),
        cmocka_unit_test(adam_is_pytorchs),
        cmocka_unit_test(slices_give_the_same_bits),
        cmocka_unit_test(scale_applies_to_the_gradient_alone),
        cmocka_unit_test(schedules_are_pytorchs),
        cmocka_unit_test(schedules_have_sane_ends),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
