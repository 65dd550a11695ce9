/* Gradients of every kind of layer and every loss against central differences. */
#include "numbers.h"

#include "tribikos/loss.h"
#include "tribikos/net.h"

enum { B = 5, D = 6, MEMBERS = 3 };
static const int64_t samples[B] = {11, 3, 8, 500, 0};
static const trb_draw masks = {.seed = 1, .member = 2, .epoch = 3, .sample = samples};

typedef enum { CE, KD, KD_MEAN, GAUSSIAN } loss_kind;

typedef struct {
    const char *layers;
    size_t heads;
    loss_kind loss;
    bool drops; /* a training pass: by the statistics of the batch, with fixed dropout masks, which make the loss a
                     function of the parameters again */
    bool images;
} gradient_case;

static const gradient_case cases[] = {
    {"dense 6, relu, dense 5, tanh, dense 4", 1, CE, false, false},
    {"tanh, dense 5, relu, dense 3", 1, CE, false, false},
    {"relu, tanh, relu, dense 3", 1, CE, false, false},
    {"dense 5, tanh, relu, dense 4, tanh", 1, CE, false, false},
    {"dense 5, tanh, tanh, dense 3", 1, CE, false, false},
    {"dense 5, tanh, dense 3, relu", 1, CE, false, false},
    {"dense 4, dropout 0.5, relu", 1, CE, false, false},
    {"dense 4, dropout 0.5, dense 3", 1, CE, false, false},
    {"dropout 0.3, dense 6, dropout 0.2, relu, dense 4, dropout 0.4", 1, CE, true, false},
    {"dense 6, relu, split, dense 5, relu, dense 4", 3, KD, false, false},
    {"dense 6, tanh, dropout 0.5, relu, split, dense 5, relu, dropout 0.25, dense 4, tanh", 3, KD, true, false},
    {"split, dense 5, relu, dense 3", 3, KD, false, false},
    {"dense 5, relu, split, dense 5, tanh, dense 4, tanh, dense 3", 3, CE, false, false},
    {"dense 5, relu, split, dense 5, relu, dense 4", 1, KD_MEAN, false, false},
    {"dense 6, relu, dense 2", 1, GAUSSIAN, false, false},
    {"dense 6, tanh, split, dense 2", 2, GAUSSIAN, false, false},
    {"dense 6, norm, tanh, dense 4", 1, CE, true, false},
    {"fork, dense 6, add, fork, dense 4, relu, shortcut, dense 4, add", 1, CE, false, false},
    {"conv 3 3 pad 1 bias, tanh, conv 4 2 stride 2, dense 4", 1, CE, false, true},
    {"conv 3 3 pad 1, norm, relu, maxpool 2, dense 4", 1, CE, true, true},
    {"conv 3 3 pad 1, norm, tanh, avgpool 3 stride 2 pad 1, dense 4", 1, CE, true, true},
    {"norm, conv 3 1, relu, globalpool, dense 4", 1, CE, false, true},
    {"conv 3 3 pad 1, norm, fork, conv 3 3 pad 1, norm, add, tanh, globalpool, dense 4", 1, CE, true, true},
    {"fork, conv 4 3 stride 2 pad 1, norm, shortcut, conv 4 1 stride 2, norm, add, relu, dense 4", 1, CE, true, true},
    {"conv 3 3 pad 1, split, norm, tanh, conv 2 3, dropout 0.2, dense 4", 3, KD, true, true},
    {"conv 3 3 pad 1, norm, tanh, split, fork, conv 3 3 pad 1, norm, tanh, conv 3 3 pad 1, norm, add, globalpool, "
     "dense 4",
     3, KD, true, true},
    {"split, rank1 dense 5, relu, rank1 dense 4, tanh, rank1 dense 3", 3, KD, false, false},
    {"dense 6, tanh, split, rank1 dense 5, dropout 0.25, relu, dense 4, relu, rank1 dense 4", 3, KD, true, false},
    {"split, rank1 conv 3 3 pad 1, norm, tanh, fork, rank1 conv 4 3 pad 1 bias, norm, shortcut, rank1 conv 4 1, add, "
     "tanh, globalpool, rank1 dense 4",
     3, KD, true, true},
    {"split, rank1 conv 4 3 stride 2 pad 1 bias, tanh, rank1 dense 4", 2, CE, false, true},
    {"dense 6, relu, split, dense 70, spread 0.4, relu, dense 5, spread 2.5, tanh, dense 4, spread 1.7", 3, KD, false,
     false},
    {"dense 6, relu, split, dense 5, spread 3, tanh, dense 4, spread 1.7", 1, CE, false, false},
    {"split, spread 3, dense 4, dropout 0.2, spread 1.7, fork, dense 4, spread 2, add", 3, KD, true, false},
    {"split, rank1 dense 5, relu, spread 3, rank1 dense 4, spread 0.5", 3, KD, false, false},
    {"conv 3 3 pad 1, split, conv 3 3 pad 1, spread 1.5, norm, tanh, maxpool 2, spread 2, dense 4, spread 1.7", 3, KD,
     true, true},
    {"conv 3 3 pad 1, split, fork, shortcut, conv 3 1, add, tanh, conv 2 2, dense 4", 3, KD, false, true},
};

/* Small enough for a difference by every parameter. */
static trb_shape shape_of(const gradient_case *c)
{
    return c->images ? (trb_shape){2, 4, 5} : (trb_shape){D, 1, 1};
}

/* A case made ready: parameters and inputs are what is differentiated by. */
typedef struct {
    const gradient_case *c;
    trb_net *net;
    trb_work *work;
    size_t K;
    float *params, *x, *t, *y, *dz;
    int32_t label[B];
} bench;

static bench set_up(const gradient_case *c)
{
    bench b = {.c = c};
    assert_ok(trb_net_create(c->layers, shape_of(c), c->heads, &b.net));
    assert_ok(trb_work_create(b.net, B, true, &b.work));
    b.K = trb_net_outputs(b.net);
    b.params = room(trb_net_size(b.net), sizeof(float));
    trb_net_init(b.net, TRB_INIT_GLOROT, 5, 0, b.params);
    float *noise = normals(trb_net_size(b.net), 0.2F, 1); /* so that biases take part */
    for (size_t i = 0; i < trb_net_trained(b.net); i++) b.params[i] += noise[i];
    trb_free(noise);
    for (size_t i = trb_net_trained(b.net); i < trb_net_size(b.net); i++)
        b.params[i] = 0.5F + 0.1F * (float)(i % 7); /* running means and variances */
    b.x = normals(B * trb_net_inputs(b.net), 1.0F, 2);
    b.t = normals(B * MEMBERS * b.K, 4.0F, 3);
    b.y = normals(B, 1.0F, 4);
    b.dz = room(B * c->heads * b.K, sizeof(float));
    for (size_t i = 0; i < B; i++) b.label[i] = (int32_t)(i % b.K);
    return b;
}

static void tear_down(bench b)
{
    trb_work_destroy(b.work);
    trb_net_destroy(b.net);
    trb_free(b.params), trb_free(b.x), trb_free(b.t), trb_free(b.y), trb_free(b.dz);
}

static double loss_at(bench *b)
{
    const float *z = NULL;
    double loss = 0.0;
    assert_ok(trb_net_forward(b->net, b->work, b->params, B, b->x, b->c->drops ? &masks : NULL, &z));
    switch (b->c->loss) {
    case CE:
        assert_ok(trb_loss_ce(B, b->c->heads, b->K, B, z, b->label, &loss, b->dz));
        break;
    case KD:
        assert_ok(trb_loss_kd(B, b->c->heads, b->K, B, 2.0F, z, b->t, &loss, b->dz));
        break;
    case KD_MEAN:
        assert_ok(loss_kd_mean(B, MEMBERS, b->K, B, 2.0F, z, b->t, &loss, b->dz));
        break;
    case GAUSSIAN:
        assert_ok(trb_loss_gaussian(B, b->c->heads, B, z, b->y, &loss, b->dz));
        break;
    }
    return loss;
}

typedef struct {
    double slope, bend; /* (f(h) - f(-h)) / 2h and (f(h) - 2 f(0) + f(-h)) / h */
} difference;

static difference differ(bench *b, float *at, float h, double here)
{
    const float kept = *at;
    *at = kept + h;
    const double after = loss_at(b);
    *at = kept - h;
    const double before = loss_at(b);
    *at = kept;
    return (difference){(after - before) / (2.0 * (double)h), (after - 2.0 * here + before) / (double)h};
}

/* The loss is a function of magnitude 1 computed with roundings of 2^-24 in every logit: about 2^-22 in all. A step of
 * h = 2^-6 makes that 2^-22 / 2^-6 = 1.5e-5 of the slope; cutting the series off adds h^2/6 |f'''| = 4e-5 |f'''|, with
 * third derivatives of a few. So a smooth point agrees within 1e-3.
 *
 * A point whose interval holds a kink of a relu need not, and is skipped. Where the slope jumps by a at a distance
 * d < h/2, the slopes at h and h/2 differ by a d/2h, and the bend at h and twice that at h/2 (equal on a smooth
 * function up to h^3 f'''') differ by a |3 d/h - 1|: one of the two shows any jump that matters.
 * A unit near its kink takes all its weights along, hence up to three tenths of a small network. */
static const float h = 0x1p-6F;
static const double near = 1e-3;

static void compare(bench *b, size_t n, float *at, const float *gradient, size_t *skipped, double *largest)
{
    const double here = loss_at(b);
    for (size_t i = 0; i < n; i++) *largest = fmax(*largest, fabs((double)gradient[i]));
    for (size_t i = 0; i < n; i += brief() ? 7 : 1) {
        const difference wide = differ(b, at + i, h, here), narrow = differ(b, at + i, h / 2, here);
        if (fabs(wide.slope - narrow.slope) > near / 4 || fabs(wide.bend - 2.0 * narrow.bend) > near / 4)
            ++*skipped;
        else
            assert_near_at((double)gradient[i], narrow.slope, near, b->c->layers, i, __FILE__, __LINE__);
    }
}

static void gradients_are_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b = set_up(&cases[i]);
        const size_t n = trb_net_size(b.net), trained = trb_net_trained(b.net), inputs = B * trb_net_inputs(b.net);
        float *grad = room(n, sizeof *grad), *dx = room(inputs, sizeof *dx), *alone = room(n, sizeof *alone);
        float *dx_alone = room(inputs, sizeof *dx);
        (void)loss_at(&b);
        assert_ok(trb_net_backward(b.net, b.work, b.params, b.dz, grad, dx));
        assert_ok(trb_net_backward(b.net, b.work, b.params, b.dz, alone, NULL));
        assert_memory_equal(alone, grad, n * sizeof *grad);
        assert_ok(trb_net_backward(b.net, b.work, b.params, b.dz, NULL, dx_alone));
        assert_memory_equal(dx_alone, dx, inputs * sizeof *dx);
        size_t skipped = 0;
        double largest = 0.0;
        compare(&b, trained, b.params, grad, &skipped, &largest);
        compare(&b, inputs, b.x, dx, &skipped, &largest);
        assert_true(largest > 50 * near); /* a missing term would be seen */
        assert_in_range(skipped, 0, 3 * (trained + inputs) / 10);
        trb_free(grad), trb_free(dx), trb_free(alone), trb_free(dx_alone);
        tear_down(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
