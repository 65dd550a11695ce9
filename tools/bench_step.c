/** Times one training step, part by part, on one rank: what fit.c does, with a stopwatch between the parts.
 *
 * Usage: bench_step mlp|hydra LANES SECONDS. Prints the median and the best step in ms, the parts of the median step,
 * the time that the step's matrix products take alone, and the rate of both. The data are bytes, gathered by random ids
 * as in training.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/blas.h"
#include "tribikos/clock.h"
#include "tribikos/data.h"
#include "tribikos/exchange.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/rng.h"

enum { BATCH = 128, INPUTS = 784, CLASSES = 10, SAMPLES = 60000, MAX_STEPS = 100000, PARTS = 5 };
static const char *const part_name[PARTS] = {"gather and normalise", "forward", "loss", "backward", "sum and update"};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void must(trb_status st)
{
    if (st == TRB_OK) return;
    fprintf(stderr, "bench_step: %s\n", trb_fail_message());
    exit(trb_status_exit(st));
}

/* The products of one lane's step: forward and both backward ones; the first layer needs no gradient by its input. */
static double products(size_t rows, size_t M, const float *a, const float *b, float *c, double *flops)
{
    typedef struct {
        size_t in, out, heads;
    } layer;
    const layer mlp[] = {{784, 200, 1}, {200, 200, 1}, {200, 10, 1}};
    const layer hydra[] = {{784, 200, 1}, {200, 200 * M, 1}, {200, 10, M}};
    const layer *l = M == 1 ? mlp : hydra;
    const double start = trb_now_s();
    *flops = 0.0;
    for (int i = 0; i < 3; i++) {
        for (size_t h = 0; h < l[i].heads; h++) {
            must(trb_gemm(false, true, rows, l[i].out, l[i].in, a, l[i].in, b, l[i].in, 0.0F, c, l[i].out));
            must(trb_gemm(true, false, l[i].out, l[i].in, rows, a, l[i].out, b, l[i].in, 0.0F, c, l[i].in));
            if (i > 0) must(trb_gemm(false, false, rows, l[i].in, l[i].out, a, l[i].out, b, l[i].in, 0.0F, c, l[i].in));
            *flops += (i > 0 ? 6.0 : 4.0) * (double)(rows * l[i].in * l[i].out);
        }
    }
    return trb_now_s() - start;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_step mlp|hydra LANES SECONDS\n");
        return 2;
    }
    const bool hydra = strcmp(argv[1], "hydra") == 0;
    const size_t M = hydra ? 20 : 1, lanes = strtoul(argv[2], NULL, 10), rows = BATCH / lanes;
    const double budget = strtod(argv[3], NULL);
    const char *layers =
        hydra ? "dense 200, relu, split, dense 200, relu, dense 10" : "dense 200, relu, dense 200, relu, dense 10";
    trb_comm *world = NULL;
    trb_net *net = NULL;
    trb_work *work = NULL;
    trb_exchange *x = NULL;
    float *params = NULL, *input = NULL, *dz = NULL, *teacher = NULL, *a = NULL, *b = NULL, *c = NULL;
    double *times = NULL;
    int64_t *id = NULL;
    int32_t label[BATCH];
    const trb_optim opt = {.kind = TRB_OPTIM_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    trb_data data = {.task = TRB_TASK_CLASSES, .n = SAMPLES, .shape = {1, 28, 28}, .type = TRB_U8, .classes = CLASSES};
    float mean = 33.0F, scale = 0.0127F;
    data.mean = &mean;
    data.scale = &scale;

    must(trb_comm_start(&argc, &argv, &world));
    must(trb_blas_open(1));
    must(trb_net_create(layers, data.shape, M, &net));
    must(trb_work_create(net, rows, true, &work));
    must(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof(float), &params));
    must(trb_alloc(TRB_MEM_DATA, (size_t)SAMPLES * INPUTS, 1, &data.x));
    must(trb_alloc(TRB_MEM_ACTIVATIONS, rows * INPUTS, sizeof(float), &input));
    must(trb_alloc(TRB_MEM_ACTIVATIONS, BATCH * M * CLASSES, sizeof(float), &teacher));
    must(trb_alloc(TRB_MEM_ACTIVATIONS, rows * M * CLASSES, sizeof(float), &dz));
    must(trb_alloc(TRB_MEM_OTHER, (size_t)MAX_STEPS * (PARTS + 1), sizeof(double), &times));
    must(trb_alloc(TRB_MEM_OTHER, BATCH, sizeof *id, &id));
    must(trb_alloc(TRB_MEM_OTHER, 1000000, sizeof(float), &a));
    must(trb_alloc(TRB_MEM_OTHER, 1000000, sizeof(float), &b));
    must(trb_alloc(TRB_MEM_OTHER, 1000000, sizeof(float), &c));
    trb_rng r = trb_rng_open(1, TRB_USE_TEST, 0, 0, 0);
    for (size_t i = 0; i < (size_t)SAMPLES * INPUTS; i++) ((uint8_t *)data.x)[i] = (uint8_t)(trb_rng_u64(&r) & 255);
    for (size_t i = 0; i < BATCH * M * CLASSES; i++) teacher[i] = 3.0F * trb_rng_normal(&r);
    for (size_t i = 0; i < 1000000; i++) a[i] = b[i] = trb_rng_normal(&r);
    for (size_t i = 0; i < BATCH; i++) label[i] = (int32_t)trb_rng_below(&r, CLASSES);
    trb_net_init(net, TRB_INIT_HE, 1, 0, params);
    must(trb_exchange_open(world, TRB_EXCHANGE_ORDERED, net, &opt, lanes, params, &x));

    size_t n = 0;
    for (const double start = trb_now_s(); trb_now_s() - start < budget && n < MAX_STEPS; n++) {
        double *t = times + n * (PARTS + 1), at = trb_now_s();
        for (size_t i = 0; i < BATCH; i++) id[i] = (int64_t)trb_rng_below(&r, SAMPLES);
        const double begin = at;
        for (size_t l = 0; l < lanes; l++) {
            const float *z = NULL;
            double loss = 0.0, now = 0.0;
#define LAP(part) (now = trb_now_s(), t[part] += now - at, at = now)
            trb_data_rows(&data, rows, id + l * rows, input);
            LAP(0);
            must(trb_net_forward(net, work, params, rows, input, NULL, &z));
            LAP(1);
            must(hydra ? trb_loss_kd(rows, M, CLASSES, BATCH, 4.0F, z, teacher + l * rows * M * CLASSES, &loss, dz)
                       : trb_loss_ce(rows, 1, CLASSES, BATCH, z, label + l * rows, &loss, dz));
            LAP(2);
            must(trb_net_backward(net, work, params, dz, trb_exchange_gradient(x), NULL));
            LAP(3);
            trb_exchange_lane_done(x);
            LAP(4);
        }
        must(trb_exchange_push(x, TRB_OK));
        must(trb_exchange_pull(x));
        t[4] += trb_now_s() - at;
        t[PARTS] = trb_now_s() - begin;
    }
    double *step = NULL, flops = 0.0, alone = 1e9;
    must(trb_alloc(TRB_MEM_OTHER, n, sizeof *step, &step));
    for (size_t i = 0; i < n; i++) step[i] = times[i * (PARTS + 1) + PARTS];
    qsort(step, n, sizeof *step, compare);
    for (int i = 0; i < 50; i++) {
        double sum = 0.0, f = 0.0;
        for (size_t l = 0; l < lanes; l++) sum += products(rows, M, a, b, c, &f);
        if (sum < alone) alone = sum;
        flops = f * (double)lanes;
    }
    printf("median_ms %.4f best_ms %.4f steps %zu\n", 1e3 * step[n / 2], 1e3 * step[0], n);
    for (int p = 0; p < PARTS; p++) {
        for (size_t i = 0; i < n; i++) step[i] = times[i * (PARTS + 1) + (size_t)p];
        qsort(step, n, sizeof *step, compare);
        printf("  %-22s %8.4f ms\n", part_name[p], 1e3 * step[n / 2]);
    }
    printf("  %-22s %8.4f ms alone, %.0f GFLOP/s (%s)\n", "its matrix products", 1e3 * alone, 1e-9 * flops / alone,
           trb_blas_name());

    void *const blocks[] = {step, times, id, a, b, c, teacher, dz, input, data.x, params};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_exchange_close(x);
    trb_work_destroy(work);
    trb_net_destroy(net);
    trb_comm_stop(world);
    return 0;
}
