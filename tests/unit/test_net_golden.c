/* Forward pass, loss and all gradients against PyTorch in double (tools/develop/golden_torch.py). */
#include "numbers.h"

#include "tribikos/loss.h"
#include "tribikos/net.h"

enum { B = 6, D = 9, K = 4, M = 3 };

/* Every layer adds products of its width (at most 9 here, behind the heads 21) and rounds each; over at most 5 layers
 * forward and 5 back an element gathers some 2 * 5 * (21 + 2) = 230 roundings in the worst case, which are relative to
 * the sum of magnitudes, a few times the largest element. Independent roundings partly cancel: what is seen is
 * about 10. A wrong term would show as 1e-2 or more. */
static const double near = 256 * ROUNDING;

typedef struct {
    const char *name, *file;
    size_t heads, outputs;
} golden_case;

/* The case's tensor of one kind ("param", "grad") as PyTorch names it. */
static void *tensor(trb_h5 *h, const char *name, const char *kind, const trb_param *p, trb_dtype type)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s/%s", name, kind, p->name);
    trb_h5_shape shape;
    assert_ok(trb_h5_describe(h, path, &shape));
    assert_int_equal(shape.ndim, p->ndim);
    for (size_t i = 0; i < p->ndim; i++) assert_int_equal(shape.dim[i], p->shape[i]);
    return golden_read(h, path, type, p->count);
}

static void check_array(trb_h5 *h, const char *name, const char *what, size_t n, const float *got)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", name, what);
    double *expected = golden_read(h, path, TRB_F64, n);
    assert_all_near(n, got, expected, near);
    trb_free(expected);
}

static double loss_of(trb_h5 *h, const golden_case *c, const float *z, float *dz)
{
    float *t = golden_read(h, "t", TRB_F32, B * M * K), *y = NULL;
    int32_t *label = golden_read(h, "label", TRB_I32, B);
    double loss = 0.0;
    if (strcmp(c->name, "member") == 0 || strstr(c->name, "of_one") != NULL)
        assert_ok(trb_loss_ce(B, 1, K, B, z, label, &loss, dz));
    else if (c->heads == M)
        assert_ok(trb_loss_kd(B, M, K, B, 4.0F, z, t, &loss, dz));
    else if (strcmp(c->name, "phase1") == 0)
        assert_ok(loss_kd_mean(B, M, K, B, 4.0F, z, t, &loss, dz));
    else {
        y = golden_read(h, "y", TRB_F32, B);
        assert_ok(trb_loss_gaussian(B, 1, B, z, y, &loss, dz));
    }
    trb_free(t), trb_free(y), trb_free(label);
    return loss;
}

static void check(const golden_case *c)
{
    trb_h5 *h = golden_open(c->file);
    char path[64], *layers = NULL;
    (void)snprintf(path, sizeof path, "%s.layers", c->name);
    assert_ok(trb_h5_get_text(h, path, &layers));
    trb_net *net = NULL;
    trb_work *work = NULL;
    assert_ok(trb_net_create(layers, (trb_shape){D, 1, 1}, c->heads, &net));
    assert_ok(trb_work_create(net, B, true, &work));
    assert_string_equal(trb_net_layers(net), layers);

    const size_t n = B * c->heads * c->outputs;
    float *x = golden_read(h, "x", TRB_F32, B * D), *dz = room(n, sizeof *dz), *dx = room(B * D, sizeof *dx);
    float *params = room(trb_net_size(net), sizeof *params), *grad = room(trb_net_size(net), sizeof *grad);
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        float *values = tensor(h, c->name, "param", p, TRB_F32);
        memcpy(params + p->offset, values, p->count * sizeof *values);
        trb_free(values);
    }
    for (size_t i = 0; i < trb_net_size(net); i++) grad[i] = NAN; /* every element is overwritten */

    const float *z = NULL;
    assert_ok(trb_net_forward(net, work, params, B, x, NULL, &z));
    check_array(h, c->name, "z", n, z);
    (void)snprintf(path, sizeof path, "%s/loss", c->name);
    const double expected = golden_number(h, path);
    assert_near(loss_of(h, c, z, dz), expected, near * fabs(expected));
    assert_ok(trb_net_backward(net, work, params, dz, grad, dx));
    check_array(h, c->name, "dx", B * D, dx);
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        double *values = tensor(h, c->name, "grad", p, TRB_F64);
        assert_all_near(p->count, grad + p->offset, values, near);
        trb_free(values);
    }
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_free(x), trb_free(dz), trb_free(dx), trb_free(params), trb_free(grad), trb_free(layers);
    trb_h5_close(h);
}

static void member_with_cross_entropy(void **state)
{
    (void)state;
    check(&(golden_case){"member", "net.h5", 1, K});
}

static void three_heads_with_soft_targets(void **state)
{
    (void)state;
    check(&(golden_case){"hydra", "net.h5", M, K});
}

static void one_head_with_the_mean_of_the_members(void **state)
{
    (void)state;
    check(&(golden_case){"phase1", "net.h5", 1, K});
}

static void regression(void **state)
{
    (void)state;
    check(&(golden_case){"gaussian", "net.h5", 1, 2});
}

static void heads_of_rank_one(void **state)
{
    (void)state;
    check(&(golden_case){"rank1", "rank1.h5", M, K});
    check(&(golden_case){"rank1_behind", "rank1.h5", M, K});
    check(&(golden_case){"rank1_of_one", "rank1.h5", 1, K});
}

static void heads_spread_around_their_mean(void **state)
{
    (void)state;
    check(&(golden_case){"last", "spread.h5", M, K});
    check(&(golden_case){"between", "spread.h5", M, K});
    check(&(golden_case){"of_one", "spread.h5", 1, K});
    check(&(golden_case){"rank1", "spread.h5", M, K});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(member_with_cross_entropy),
        cmocka_unit_test(three_heads_with_soft_targets),
        cmocka_unit_test(one_head_with_the_mean_of_the_members),
        cmocka_unit_test(regression),
        cmocka_unit_test(heads_of_rank_one),
        cmocka_unit_test(heads_spread_around_their_mean),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
