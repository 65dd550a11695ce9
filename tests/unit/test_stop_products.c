/* Training steps of all kinds of networks while signals rain on the process: not a bit of the gradients changes. With a
 * handler on the thread that computes, oneDNN 2.6 and 3.7 let it overwrite the heap within a second (see stop.h). */
#include "numbers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tribikos/net.h"
#include "tribikos/stop.h"

enum { ROWS = 32 };

static const struct {
    const char *layers;
    const char *split; /* NULL: one head, or a split in the list */
    trb_shape input;
    size_t heads;
} networks[] = {
    {"dense 200, relu, dense 200, relu, dense 10", NULL, {784, 1, 1}, 1},
    {"dense 512, relu, dense 128, relu, dense 10", NULL, {784, 1, 1}, 1},
    {"dense 200, relu, split, dense 200, relu, dense 10", NULL, {784, 1, 1}, 5},
    {"lenet5 10", NULL, {1, 28, 28}, 1},
    {"resnet8 10", NULL, {3, 32, 32}, 1},
    {"resnet8 10", "stage3.block1", {3, 32, 32}, 3},
    {"wrn10-2 10", NULL, {3, 32, 32}, 1},
};

static atomic_int fallen;
static atomic_bool dry;

/* Hang-ups, which this process ignores, one after the other has been taken. */
static void *rain(void *unused)
{
    while (!atomic_load(&dry)) {
        sigset_t pending;
        (void)sigpending(&pending);
        if (sigismember(&pending, SIGHUP) == 0) {
            (void)kill(getpid(), SIGHUP);
            atomic_fetch_add(&fallen, 1);
        }
        (void)usleep(50);
    }
    return unused;
}

typedef struct {
    trb_net *net;
    trb_work *work;
    size_t params, values;
    float *weights, *x, *dz;
} model;

static model make(size_t i)
{
    model m = {0};
    char *layers = NULL;
    if (networks[i].split != NULL) assert_ok(trb_net_insert_split(networks[i].layers, networks[i].split, &layers));
    assert_ok(trb_net_create(layers != NULL ? layers : networks[i].layers, networks[i].input, networks[i].heads, &m.net));
    trb_free(layers);
    assert_ok(trb_work_create(m.net, ROWS, true, &m.work));
    m.params = trb_net_size(m.net);
    m.values = ROWS * trb_net_heads(m.net) * trb_net_outputs(m.net);
    m.weights = room(m.params, sizeof *m.weights);
    trb_net_init(m.net, TRB_INIT_HE, 3, 0, m.weights);
    m.x = normals(ROWS * trb_net_inputs(m.net), 1.0F, 1);
    m.dz = normals(m.values, 1.0F, 2);
    return m;
}

static void clear(model *m)
{
    trb_work_destroy(m->work);
    trb_net_destroy(m->net);
    trb_free(m->weights), trb_free(m->x), trb_free(m->dz);
}

/* \param[out] z  [values]   \param[out] grad  [params] */
static void step(const model *m, float *z, float *grad)
{
    static const int64_t ids[ROWS] = {0};
    static const trb_draw draw = {.seed = 1, .sample = ids};
    const float *out = NULL;
    assert_ok(trb_net_forward(m->net, m->work, m->weights, ROWS, m->x, &draw, &out));
    memcpy(z, out, m->values * sizeof *z);
    assert_ok(trb_net_backward(m->net, m->work, m->weights, m->dz, grad, NULL));
}

/* As many steps as it takes for `signals` of them, and at least three. */
static void steps_in_the_rain(const model *m, const float *z, const float *grad, int signals)
{
    pthread_t sender;
    float *z2 = room(m->values, sizeof *z2), *grad2 = room(m->params, sizeof *grad2);
    atomic_store(&fallen, 0);
    atomic_store(&dry, false);
    assert_int_equal(pthread_create(&sender, NULL, rain, NULL), 0);
    for (int i = 0; i < 3 || atomic_load(&fallen) < signals; i++) {
        step(m, z2, grad2);
        assert_memory_equal(z2, z, m->values * sizeof *z);
        assert_memory_equal(grad2, grad, m->params * sizeof *grad);
    }
    atomic_store(&dry, true);
    assert_int_equal(pthread_join(sender, NULL), 0);
    trb_free(z2), trb_free(grad2);
}

static void all_networks(trb_precision precision, int signals)
{
    assert_ok(trb_precision_set(precision));
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        model m = make(i);
        float *z = room(m.values, sizeof *z), *grad = room(m.params, sizeof *grad);
        step(&m, z, grad);
        steps_in_the_rain(&m, z, grad, signals);
        trb_free(z), trb_free(grad);
        clear(&m);
    }
    assert_ok(trb_precision_set(TRB_PRECISION_F32));
}

static int signals_each(void)
{
    return getenv("TRB_BRIEF") != NULL ? 5 : 2000; /* under valgrind a step takes seconds */
}

static void single_precision(void **state)
{
    (void)state;
    all_networks(TRB_PRECISION_F32, signals_each());
}

static void two_threads(void **state)
{
    (void)state;
    assert_ok(trb_blas_open(2));
    all_networks(TRB_PRECISION_F32, signals_each());
    assert_ok(trb_blas_open(1));
}

static void bfloat16(void **state)
{
    (void)state;
    if (trb_precision_set(TRB_PRECISION_BF16) != TRB_OK) {
        print_message("skipped: this processor has no bfloat16 products\n");
        trb_fail_clear();
        return;
    }
    all_networks(TRB_PRECISION_BF16, signals_each());
}

static int start(void **state)
{
    (void)state;
    (void)signal(SIGHUP, SIG_IGN);
    return trb_stop_start(_exit) == TRB_OK && trb_blas_open(1) == TRB_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    trb_blas_close();
    trb_stop_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_precision), cmocka_unit_test(two_threads),
                                       cmocka_unit_test(bfloat16)};
    return cmocka_run_group_tests(tests, start, stop);
}
