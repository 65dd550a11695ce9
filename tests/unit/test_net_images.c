/* Convolutional networks against PyTorch in double (tools/develop/golden_torch.py): both modes, all gradients, running
 * statistics, and three steps of a ResNet-20. */
#include "numbers.h"

#include "tribikos/blas.h"
#include "tribikos/loss.h"
#include "tribikos/net.h"
#include "tribikos/optim.h"

enum { ROWS_MAX = 16 };

static const int64_t ids[ROWS_MAX] = {0};
static const trb_draw training = {.sample = ids};

/* Sums of up to some 600 products a layer, ten layers deep; independent roundings grow with the root of the count, and
 * normalisation divides by deviations that are themselves sums. A wrong term would show as 1e-2 or more. */
static const double near = 2000 * ROUNDING;

/* With bfloat16 every layer rounds to 8 bits, and a relu near its kink may fall to the other side: then the whole of a
 * tensor is compared, as the length of the difference relative to its own. Ten layers of 2^-9 make some 1e-2, the
 * relus of these small networks some 1e-1; a wrong term would show as 1. */
static bool rounds; /* the largest of a window may even be another one, and the gradient goes with it */
static const double roughly = 0.3;

/* One network of a golden file. */
typedef struct {
    trb_h5 *h;
    const char *prefix; /* "CASE/" or "" */
    trb_net *net;
    size_t rows, outputs; /* of all heads */
    float *params, *x;
} model;

static void path_of(const model *m, const char *what, char path[128])
{
    (void)snprintf(path, 128, "%s%s", m->prefix, what);
}

static void *values(const model *m, const char *what, trb_dtype type, size_t n)
{
    char path[128];
    path_of(m, what, path);
    return golden_read(m->h, path, type, n);
}

/* Relative to the largest value, or to the terms, of some 1e-1 or more, of those that cancel (a bias in front of a norm
 * has no gradient, nor have the factors s, whose terms are as many products as a channel has places). */
static void check_values(const model *m, const char *what, size_t n, const float *got)
{
    if (rounds && strchr(what, 'z') == NULL && strstr(trb_net_layers(m->net), "maxpool") != NULL) return;
    double *expected = values(m, what, TRB_F64, n), largest = 0.1;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(expected[i]));
    double difference = 0.0, length = (strstr(what, ".s") != NULL ? 1e-3 : 1e-4) * (double)n;
    for (size_t i = 0; i < n; i++) {
        if (!rounds) assert_near_at((double)got[i], expected[i], near * largest, what, i, m->prefix, 0);
        difference += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        length += expected[i] * expected[i];
    }
    assert_near_at(sqrt(difference / length), 0.0, roughly, what, 0, m->prefix, 0);
    trb_free(expected);
}

static model open_model(trb_h5 *h, const char *prefix, const char *layers, size_t heads)
{
    model m = {.h = h, .prefix = prefix};
    char path[128];
    trb_h5_shape shape;
    path_of(&m, "x", path);
    assert_ok(trb_h5_describe(h, path, &shape));
    assert_int_equal(shape.ndim, 4);
    assert_ok(trb_net_create(layers, (trb_shape){shape.dim[1], shape.dim[2], shape.dim[3]}, heads, &m.net));
    assert_string_equal(trb_net_layers(m.net), layers);
    m.rows = shape.dim[0];
    m.outputs = heads * trb_net_outputs(m.net);
    m.x = golden_read(h, path, TRB_F32, m.rows * trb_net_inputs(m.net));
    m.params = room(trb_net_size(m.net), sizeof *m.params);
    for (size_t i = 0; i < trb_net_n_params(m.net); i++) {
        const trb_param *p = trb_net_param(m.net, i);
        char what[96];
        (void)snprintf(what, sizeof what, "param/%s", p->name);
        path_of(&m, what, path);
        assert_ok(trb_h5_describe(h, path, &shape));
        assert_int_equal(shape.ndim, p->ndim);
        for (size_t k = 0; k < p->ndim; k++) assert_int_equal(shape.dim[k], p->shape[k]);
        float *tensor = golden_read(h, path, TRB_F32, p->count);
        memcpy(m.params + p->offset, tensor, p->count * sizeof *tensor);
        trb_free(tensor);
    }
    return m;
}

static void close_model(model *m)
{
    trb_net_destroy(m->net);
    trb_free(m->params);
    trb_free(m->x);
}

/* Without the weights' gradients, that by the inputs has the same bits. */
static void check_alone(const model *m, trb_work *work, const float *dz, const float *dx)
{
    const size_t n = m->rows * trb_net_inputs(m->net);
    float *alone = room(n, sizeof *alone);
    assert_ok(trb_net_backward(m->net, work, m->params, dz, NULL, alone));
    assert_memory_equal(alone, dx, n * sizeof *dx);
    trb_free(alone);
}

static void check_training(const model *m, trb_work *work)
{
    const size_t size = trb_net_size(m->net), D = trb_net_inputs(m->net);
    float *grad = room(size, sizeof *grad), *dx = room(m->rows * D, sizeof *dx), *alone = room(size, sizeof *alone);
    float *dz = values(m, "dz", TRB_F32, m->rows * m->outputs), *after = room(size, sizeof *after);
    const float *z = NULL;
    for (size_t i = 0; i < size; i++) grad[i] = NAN; /* every element is overwritten */
    assert_ok(trb_net_forward(m->net, work, m->params, m->rows, m->x, &training, &z));
    check_values(m, "z", m->rows * m->outputs, z);
    assert_ok(trb_net_backward(m->net, work, m->params, dz, grad, dx));
    check_values(m, "dx", m->rows * D, dx);
    assert_ok(trb_net_backward(m->net, work, m->params, dz, alone, NULL));
    assert_memory_equal(alone, grad, size * sizeof *grad);
    check_alone(m, work, dz, dx);

    const trb_optim still = {.kind = TRB_OPTIM_SGD, .lanes = 1};
    memcpy(after, m->params, size * sizeof *after);
    const size_t trained = trb_net_trained(m->net);
    trb_optim_update(&still, m->net, 1, 1.0F, trained, size, after + trained, grad + trained, NULL, NULL);
    for (size_t i = 0; i < trb_net_n_params(m->net); i++) {
        const trb_param *p = trb_net_param(m->net, i);
        char what[96];
        (void)snprintf(what, sizeof what, "grad/%s", p->name);
        check_values(m, what, p->count, grad + p->offset);
        (void)snprintf(what, sizeof what, "after/%s", p->name);
        if (p->statistic) check_values(m, what, p->count, after + p->offset);
    }
    trb_free(grad), trb_free(dx), trb_free(alone), trb_free(dz), trb_free(after);
}

/* With running statistics: in the training workspace, where a gradient can follow, and in one for inference, which
 * folds normalisation into convolutions; there also with more room than rows. */
static void check_inference(const model *m, trb_work *work)
{
    const size_t size = trb_net_size(m->net), D = trb_net_inputs(m->net), statistics = size - trb_net_trained(m->net);
    float *grad = room(size, sizeof *grad), *dx = room(m->rows * D, sizeof *dx);
    float *dz = values(m, "dz", TRB_F32, m->rows * m->outputs);
    const float *z = NULL;
    const char *expected_z = statistics > 0 ? "eval/z" : "z", *expected_dx = statistics > 0 ? "eval/dx" : "dx";
    assert_ok(trb_net_forward(m->net, work, m->params, m->rows, m->x, NULL, &z));
    check_values(m, expected_z, m->rows * m->outputs, z);
    assert_ok(trb_net_backward(m->net, work, m->params, dz, grad, dx));
    check_values(m, expected_dx, m->rows * D, dx);
    check_alone(m, work, dz, dx);
    /* The average stays as it is. */
    assert_memory_equal(grad + trb_net_trained(m->net), m->params + trb_net_trained(m->net), statistics * sizeof *grad);
    for (size_t more = 0; more < 3; more += 2) {
        trb_work *inference = NULL;
        assert_ok(trb_work_create(m->net, m->rows + more, false, &inference));
        assert_ok(trb_net_forward(m->net, inference, m->params, m->rows, m->x, NULL, &z));
        check_values(m, expected_z, m->rows * m->outputs, z);
        trb_work_destroy(inference);
    }
    trb_free(grad), trb_free(dx), trb_free(dz);
}

static void every_layer_and_block(void **state)
{
    (void)state;
    trb_h5 *h = golden_open("conv.h5");
    char *cases = NULL, *rest = NULL;
    assert_ok(trb_h5_get_text(h, "cases", &cases));
    size_t n = 0;
    for (char *name = strtok_r(cases, ", ", &rest); name != NULL; name = strtok_r(NULL, ", ", &rest), n++) {
        char key[64], prefix[64], *layers = NULL;
        uint64_t heads = 0;
        (void)snprintf(key, sizeof key, "%s.layers", name);
        assert_ok(trb_h5_get_text(h, key, &layers));
        (void)snprintf(key, sizeof key, "%s.heads", name);
        assert_ok(trb_h5_get_u64(h, key, &heads));
        (void)snprintf(prefix, sizeof prefix, "%s/", name);
        model m = open_model(h, prefix, layers, heads);
        trb_work *work = NULL;
        assert_ok(trb_work_create(m.net, m.rows, true, &work));
        check_training(&m, work);
        check_inference(&m, work);
        if (!brief()) check_training(&m, work); /* inference has left nothing behind */
        trb_work_destroy(work);
        close_model(&m);
        trb_free(layers);
    }
    assert_true(n >= 20);
    trb_free(cases);
    trb_h5_close(h);
}

static void every_layer_and_block_in_bfloat16(void **state)
{
    bfloat16_or_skip();
    rounds = true;
    every_layer_and_block(state);
    rounds = false;
    assert_ok(trb_precision_set(TRB_PRECISION_F32));
}

/* Batch statistics of one lane are those of PyTorch's batch. What rounding does to these steps was measured on
 * PyTorch's own side as `near`; ours may be a few times that, as Winograd's convolutions round more. */
static void three_steps_of_a_resnet(void **state)
{
    (void)state;
    enum { HEAD = 64, WHOLE = 1000, STRIDE = 1009, STEPS = 3 };
    const trb_optim rule = {
        .kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 5e-4, .lanes = 1};
    trb_h5 *h = golden_open("resnet20.h5");
    char *layers = NULL;
    assert_ok(trb_h5_get_text(h, "layers", &layers));
    model m = open_model(h, "", layers, 1);
    const size_t size = trb_net_size(m.net);
    float *grad = room(size, sizeof *grad), *momentum = room(size, sizeof *momentum), *dz = room(m.rows * 10, 4);
    int32_t *label = values(&m, "label", TRB_I32, m.rows);
    double *losses = values(&m, "loss", TRB_F64, STEPS);
    trb_work *work = NULL;
    assert_ok(trb_work_create(m.net, m.rows, true, &work));
    const uint64_t steps = brief() ? 1 : STEPS;
    for (uint64_t t = 1; t <= steps; t++) {
        const float *z = NULL;
        double loss = 0.0;
        assert_ok(trb_net_forward(m.net, work, m.params, m.rows, m.x, &training, &z));
        if (t == 1) check_values(&m, "z", m.rows * 10, z);
        assert_ok(trb_loss_ce(m.rows, 1, 10, m.rows, z, label, &loss, dz));
        assert_near(loss, losses[t - 1], 1e-4 * losses[t - 1]);
        assert_ok(trb_net_backward(m.net, work, m.params, dz, grad, NULL));
        trb_optim_update(&rule, m.net, t, 1.0F, 0, size, m.params, grad, momentum, NULL);
    }
    for (size_t i = 0; i < trb_net_n_params(m.net) && steps == STEPS; i++) {
        const trb_param *p = trb_net_param(m.net, i);
        const size_t n = p->count < WHOLE ? p->count : HEAD;
        char what[96];
        (void)snprintf(what, sizeof what, "near/%s", p->name);
        double *rounding = values(&m, what, TRB_F64, 1);
        (void)snprintf(what, sizeof what, "after/%s", p->name);
        double *expected = values(&m, what, TRB_F64, n);
        const double allowed = 50 * rounding[0] + 1e-6;
        for (size_t k = 0; k < n; k++) {
            const size_t at = p->count < WHOLE ? k : k * STRIDE % p->count;
            assert_near_at((double)m.params[p->offset + at], expected[k], allowed, p->name, at, __FILE__, __LINE__);
        }
        trb_free(rounding), trb_free(expected);
    }
    trb_work_destroy(work);
    close_model(&m);
    trb_free(grad), trb_free(momentum), trb_free(dz), trb_free(label), trb_free(losses), trb_free(layers);
    trb_h5_close(h);
}

/* A student with M heads is M networks that share a body: outputs and gradients of head m are those of the network with
 * that head alone, and the body's gradient is their sum. With these widths a head's convolution is one by Winograd. */
static void heads_are_networks(void **state)
{
    (void)state;
    enum { M = 3, ROWS = 8, K = 4 };
    static const char layers[] = "conv 32 3 pad 1, norm, relu, split, fork, conv 32 3 pad 1, norm, relu, "
                                 "conv 32 3 pad 1 bias, norm, add, relu, globalpool, dense 4";
    const trb_shape shape = {3, 12, 12};
    trb_net *many = NULL, *one = NULL;
    trb_work *work_many = NULL, *work_one = NULL, *inference_many = NULL, *inference_one = NULL;
    assert_ok(trb_net_create(layers, shape, M, &many));
    assert_ok(trb_net_create(layers, shape, 1, &one));
    assert_ok(trb_work_create(many, ROWS, true, &work_many));
    assert_ok(trb_work_create(one, ROWS, true, &work_one));
    assert_ok(trb_work_create(many, ROWS, false, &inference_many));
    assert_ok(trb_work_create(one, ROWS, false, &inference_one));
    const size_t size = trb_net_size(many);
    float *params = normals(size, 0.2F, 1), *own = room(trb_net_size(one), sizeof *own);
    float *grad = room(size, sizeof *grad), *own_grad = room(trb_net_size(one), sizeof *grad);
    float *x = normals(ROWS * trb_net_inputs(one), 1.0F, 2), *dz = normals(ROWS * M * K, 1.0F, 3);
    float *dx = room(ROWS * trb_net_inputs(one), sizeof *dx);
    double *sum = room(size, sizeof *sum);
    for (size_t i = trb_net_trained(many); i < size; i++)
        params[i] = fabsf(params[i]) + 0.5F; /* variances among them */
    const float *z = NULL, *own_z = NULL, *folded = NULL, *own_folded = NULL;
    assert_ok(trb_net_forward(many, inference_many, params, ROWS, x, NULL, &folded));
    assert_ok(trb_net_forward(many, work_many, params, ROWS, x, &training, &z));
    assert_ok(trb_net_backward(many, work_many, params, dz, grad, dx));
    for (size_t m = 0; m < M; m++) {
        float own_dz[ROWS * K];
        for (size_t i = 0; i < trb_net_n_params(one); i++) {
            const trb_param *p = trb_net_param(one, i), *q = trb_net_param(many, i);
            assert_string_equal(p->name, q->name);
            memcpy(own + p->offset, params + q->offset + (q->head ? m * p->count : 0), p->count * sizeof *own);
        }
        for (size_t b = 0; b < ROWS; b++) memcpy(own_dz + b * K, dz + (b * M + m) * K, K * sizeof *dz);
        assert_ok(trb_net_forward(one, inference_one, own, ROWS, x, NULL, &own_folded));
        assert_ok(trb_net_forward(one, work_one, own, ROWS, x, &training, &own_z));
        assert_ok(trb_net_backward(one, work_one, own, own_dz, own_grad, NULL));
        for (size_t b = 0; b < ROWS; b++)
            for (size_t k = 0; k < K; k++) {
                const size_t at = (b * M + m) * K + k;
                assert_near((double)z[at], (double)own_z[b * K + k], near * 10);
                assert_near((double)folded[at], (double)own_folded[b * K + k], near * 10);
            }
        for (size_t i = 0; i < trb_net_n_params(one); i++) {
            const trb_param *p = trb_net_param(one, i), *q = trb_net_param(many, i);
            for (size_t k = 0; k < p->count; k++) {
                if (q->head)
                    assert_near_at((double)grad[q->offset + m * p->count + k], (double)own_grad[p->offset + k],
                                   near * 100, p->name, k, __FILE__, __LINE__);
                else
                    sum[q->offset + k] += (double)own_grad[p->offset + k];
            }
        }
    }
    for (size_t i = 0; i < trb_net_n_params(many); i++) {
        const trb_param *q = trb_net_param(many, i);
        for (size_t k = 0; k < q->count && !q->head && !q->statistic; k++)
            assert_near_at((double)grad[q->offset + k], sum[q->offset + k], near * 100, q->name, k, __FILE__, __LINE__);
    }
    trb_work_destroy(work_many), trb_work_destroy(work_one);
    trb_work_destroy(inference_many), trb_work_destroy(inference_one);
    trb_net_destroy(many), trb_net_destroy(one);
    trb_free(params), trb_free(own), trb_free(grad), trb_free(own_grad), trb_free(x), trb_free(dz), trb_free(dx);
    trb_free(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_and_block), cmocka_unit_test(every_layer_and_block_in_bfloat16),
        cmocka_unit_test(heads_are_networks),    cmocka_unit_test(three_steps_of_a_resnet),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
