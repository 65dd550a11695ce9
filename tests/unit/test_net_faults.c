/* Memory may be refused at any allocation of a network and its workspaces: nothing half made stays. */
#include "fault_walk.h"
#include "numbers.h"

#include "tribikos/blas.h"
#include "tribikos/net.h"

static const char shared[] = "split, rank1 conv 8 3 pad 1, norm, relu, rank1 dense 5, relu, rank1 dense 2";
static const char layers[] = "conv 32 3 pad 1, norm, relu, maxpool 2, split, fork, conv 32 3 pad 1, norm, relu, "
                             "conv 32 3 pad 1, add, globalpool, tanh, dropout 0.1, dense 2";

static trb_status make(void *training)
{
    trb_net *net = NULL;
    trb_work *work = NULL;
    trb_status st = trb_net_create(layers, (trb_shape){3, 8, 8}, 2, &net);
    if (st == TRB_OK) st = trb_work_create(net, 3, training != NULL, &work);
    trb_work_destroy(work);
    trb_net_destroy(net);
    return st;
}

static trb_status make_parts(void *ctx)
{
    (void)ctx;
    trb_net *net = NULL, *body = NULL, *behind = NULL, *window = NULL;
    trb_status st = trb_net_create(layers, (trb_shape){3, 8, 8}, 2, &net);
    if (st == TRB_OK) st = trb_net_cut(net, 3, &body, &behind);
    if (st == TRB_OK) st = trb_net_window(behind, 1, 2, &window);
    trb_net_destroy(net);
    trb_net_destroy(body);
    trb_net_destroy(behind);
    trb_net_destroy(window);
    return st;
}

static trb_status fold(void *ctx)
{
    (void)ctx;
    trb_net *net = NULL, *plain = NULL;
    trb_work *work = NULL, *inference = NULL;
    char *list = NULL;
    trb_status st = trb_net_rank1("conv 8 3 pad 1, norm, relu, dense 5", &list);
    if (st == TRB_OK) st = trb_net_create(shared, (trb_shape){3, 8, 8}, 2, &net);
    if (st == TRB_OK) st = trb_work_create(net, 3, true, &work);
    if (st == TRB_OK) st = trb_work_create(net, 3, false, &inference);
    if (st == TRB_OK) st = trb_net_plain(net, &plain);
    trb_work_destroy(work);
    trb_work_destroy(inference);
    trb_net_destroy(net);
    trb_net_destroy(plain);
    trb_free(list);
    return st;
}

static trb_status multiply(void *ctx)
{
    (void)ctx;
    enum { SIDE = 64 };
    static float a[SIDE * SIDE], c[SIDE * SIDE];
    /* Here, not before all tests: TRB_FAULT is looked at once, at the first allocation of a process. */
    trb_status st = trb_blas_open(1);
    if (st == TRB_OK) st = trb_precision_set(TRB_PRECISION_BF16);
    if (st == TRB_ECONFIG) return TRB_OK; /* not on this processor */
    if (st == TRB_OK) st = trb_gemm(false, true, SIDE, SIDE, SIDE, a, SIDE, a, SIDE, 0.0F, c, SIDE);
    trb_blas_close();
    return st;
}

static void each_allocation(void **state)
{
    (void)state;
    assert_true(fault_walk("alloc", make, NULL) > 20);
    assert_true(fault_walk("alloc", make, (void *)layers) > 30);
    assert_true(fault_walk("alloc", make_parts, NULL) > 20);
    assert_true(fault_walk("alloc", fold, NULL) > 40);
    (void)fault_walk("alloc", multiply, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation), cmocka_unit_test(nothing_is_held)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
