/** Measures what computing a ResNet-20 Hydra takes on this machine: 20 linear heads of 10 classes, a lane of 128 rows.
 *
 * Usage: measure SECONDS. Prints a model's file for step.c: for each layer with weights its floats, running
 * statistics, and least seconds forwards and backwards; seconds that adding and updating a float takes; and, as
 * comments, the multiply-adds a second that the step makes. Layers report backwards (trb_work_watch()); the seconds
 * forwards are shared out in proportion. */
#include <stdio.h>
#include <stdlib.h>

#include "tribikos/blas.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"
#include "tribikos/net.h"
#include "tribikos/optim.h"
#include "tribikos/rng.h"

enum { ROWS = 128, HEADS = 20, CLASSES = 10, MOST_LAYERS = 128, STEPS = 200, FLOATS = 1 << 18 };

static void must(trb_status st)
{
    if (st == TRB_OK) return;
    (void)fprintf(stderr, "measure: %s\n", trb_fail_message());
    exit(trb_status_exit(st));
}

static struct {
    size_t from[MOST_LAYERS];
    double seconds[MOST_LAYERS][STEPS], last;
    size_t n, step;
} seen;

static void layer_is_ready(void *ctx, size_t from)
{
    (void)ctx;
    const double now = trb_now_s();
    if (seen.n == MOST_LAYERS) must(trb_fail(TRB_EINTERNAL, "more than %d layers", MOST_LAYERS));
    seen.from[seen.n] = from;
    seen.seconds[seen.n++][seen.step] = now - seen.last;
    seen.last = now;
}

/* Neighbours on the machine only ever add time. */
static double least(const double *values, size_t n)
{
    double best = values[0];
    for (size_t i = 1; i < n; i++) best = values[i] < best ? values[i] : best;
    return best;
}

/* Of the trained layer that begins at `from`: where it ends, and the running statistics that belong to it (two for
 * each scale and shift of a batch normalisation, which are floats of that layer). */
static void report_layer(const trb_net *net, size_t from, size_t to, double forward, double backward)
{
    size_t statistics = 0;
    bool head = false;
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        if (p->statistic || p->offset < from || p->offset >= to) continue;
        head = p->head;
        if (!p->decays && !p->head) statistics += p->count;
    }
    printf("%s %zu %zu %.4e %.4e\n", head ? "head" : "body", to - from, statistics, forward, backward);
}

static void measure_floats(void)
{
    static const trb_optim sgd = {.kind = TRB_OPTIM_SGD, .lr = 1e-9, .momentum = 0.9, .nesterov = true, .lanes = 1};
    float *a[4] = {0};
    trb_net *net = NULL;
    double add[STEPS], update[STEPS];
    must(trb_net_create("dense 512", (trb_shape){1, 1, FLOATS / 512}, 1, &net));
    for (size_t i = 0; i < 4; i++) must(trb_alloc(TRB_MEM_OTHER, FLOATS, sizeof(float), &a[i]));
    for (size_t s = 0; s < STEPS; s++) {
        const double start = trb_now_s();
        for (size_t i = 0; i < FLOATS; i++) a[0][i] += a[1][i];
        const double middle = trb_now_s();
        trb_optim_update(&sgd, net, s + 1, 1.0F, 0, FLOATS, a[0], a[1], a[2], a[3]);
        add[s] = middle - start;
        update[s] = trb_now_s() - middle;
    }
    printf("add %.3e\nupdate %.3e\n", least(add, STEPS) / FLOATS, least(update, STEPS) / FLOATS);
    for (size_t i = 0; i < 4; i++) trb_free(a[i]);
    trb_net_destroy(net);
}

int main(int argc, char **argv)
{
    const double budget_s = argc == 2 ? strtod(argv[1], NULL) : 5.0;
    char *list = NULL, *split = NULL;
    trb_net *net = NULL;
    trb_work *work = NULL;
    float *params = NULL, *grad = NULL, *x = NULL, *dz = NULL;
    int64_t sample[ROWS] = {0};
    static double forward[STEPS], whole[STEPS];
    trb_rng rng = trb_rng_open(1, TRB_USE_TEST, 0, 0, 0);
    must(trb_blas_open(1));
    must(trb_net_expand("cifar-resnet20 10", &list));
    must(trb_net_insert_split(list, "fc", &split));
    must(trb_net_create(split, (trb_shape){3, 32, 32}, HEADS, &net));
    must(trb_work_create(net, ROWS, true, &work));
    must(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params));
    must(trb_alloc(TRB_MEM_GRADIENTS, trb_net_size(net), sizeof *grad, &grad));
    must(trb_alloc(TRB_MEM_DATA, ROWS * trb_net_inputs(net), sizeof *x, &x));
    must(trb_alloc(TRB_MEM_ACTIVATIONS, (size_t)ROWS * HEADS * CLASSES, sizeof *dz, &dz));
    for (size_t i = 0; i < ROWS * trb_net_inputs(net); i++) x[i] = trb_rng_normal(&rng);
    for (size_t i = 0; i < (size_t)ROWS * HEADS * CLASSES; i++) dz[i] = 1e-3F * trb_rng_normal(&rng);
    trb_net_init(net, TRB_INIT_HE, 1, 0, params);
    trb_work_watch(work, layer_is_ready, NULL);
    const trb_draw draw = {.seed = 1, .sample = sample};
    const double begin = trb_now_s();
    size_t n = 0, layers = 0;
    for (; n < STEPS && (n < 5 || trb_now_s() - begin < budget_s); n++) {
        const float *z = NULL;
        const double start = trb_now_s();
        seen.n = 0;
        seen.step = n;
        must(trb_net_forward(net, work, params, ROWS, x, &draw, &z));
        seen.last = trb_now_s();
        forward[n] = seen.last - start;
        must(trb_net_backward(net, work, params, dz, grad, NULL));
        layers = seen.n;
        whole[n] = trb_now_s() - start;
    }
    double backward = 0.0, each[MOST_LAYERS];
    for (size_t i = 0; i < layers; i++) backward += each[i] = least(seen.seconds[i], n);
    const double forwards = least(forward, n), step = least(whole, n);
    printf("# ResNet-20 with %d linear heads of %d classes, measured: %.1f ms for %d rows, %.0f GFLOP/s\n", HEADS,
           CLASSES, 1e3 * step, ROWS, 1e-9 * 6.0 * ROWS * trb_net_macs(net) / step);
    printf("rows %d\nfeatures 64\n", ROWS);
    measure_floats();
    size_t to = 0;
    for (size_t i = layers; i-- > 0;) {
        to = i > 0 ? seen.from[i - 1] : trb_net_trained(net);
        report_layer(net, i == layers - 1 ? 0 : seen.from[i], to, each[i] * forwards / backward, each[i]);
    }
    trb_work_destroy(work);
    trb_net_destroy(net);
    void *const blocks[] = {list, split, params, grad, x, dz};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    return 0;
}
