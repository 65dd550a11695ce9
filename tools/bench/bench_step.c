/** Times training steps, or passes of inference, part by part: what fit.c does, with a stopwatch between the parts and
 * around each kind of layer.
 *
 * Usage: [mpirun -n P] bench_step WORK LANES SECONDS [bf16] [allreduce] [alone]. A rank has a batch of 128, in LANES
 * lanes; alone: each rank by itself, so that only computing takes time; the data are bytes, served by a feed in the
 * order of epochs. Images to train on are cropped and flipped, as they are in practice: by the feed's thread, which
 * shares the core, so that "gather" shows what is left to wait for and the rest of that work lies in the other parts.
 * Labels are at hand, and so are the members' logits, which a student's run reads from its cache. Prints the median
 * step, what it makes of the ranks' batches, the most memory that rank 0 held so far; then the parts of the step, and
 * of each kind of layer its share of the step and its rate. Rates stand beside what this processor was measured to do
 * at its best: kinds that multiply beside a large matrix product in the same precision (a convolution may beat it: some
 * algorithms need fewer operations than are counted, and in bf16 a product first rounds its operands), the others, by
 * the bytes that they have to read and write, beside a copy of memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>

#include "tribikos/augment.h"
#include "tribikos/blas.h"
#include "tribikos/clock.h"
#include "tribikos/data.h"
#include "tribikos/exchange.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/net.h"
#include "tribikos/precision.h"
#include "tribikos/rng.h"

enum { MOST_ROWS = 576, CLASSES = 10, SAMPLES = 4 * MOST_ROWS, WARM_UP = 3, LEAST_STEPS = 5, MOST_STEPS = 100000 };

typedef struct {
    const char *name, *layers, *split;
    trb_shape shape;
    size_t heads, batch;
    bool trains;
    trb_optim optim;
} bench;

#define ADAM                                                                                                           \
    {                                                                                                                  \
        .kind = TRB_OPTIM_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8                                  \
    }
#define SGD                                                                                                            \
    {                                                                                                                  \
        .kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 5e-4                      \
    }
/* As many layers of one size as there are in a network whose sending can hide behind its computing. */
#define FOUR "dense 400, relu, dense 400, relu, dense 400, relu, dense 400, relu, "
#define DEEP FOUR FOUR FOUR "dense 10"
static const bench benches[] = {
    {"mlp", "dense 200, relu, dense 200, relu, dense 10", NULL, {1, 28, 28}, 1, 128, true, ADAM},
    {"hydra", "dense 200, relu, dense 200, relu, dense 10", "2", {1, 28, 28}, 20, 128, true, ADAM},
    {"deep", DEEP, NULL, {1, 20, 20}, 1, MOST_ROWS, true, ADAM},
    {"resnet20", "cifar-resnet20 10", NULL, {3, 32, 32}, 1, 128, true, SGD},
    {"resnet20_infer", "cifar-resnet20 10", NULL, {3, 32, 32}, 1, 128, false, SGD},
    {"hydra_fc", "cifar-resnet20 10", "fc", {3, 32, 32}, 20, 128, true, SGD},
    {"hydra_fc_1", "cifar-resnet20 10", "fc", {3, 32, 32}, 1, 128, true, SGD},
    {"hydra_block", "cifar-resnet20 10", "stage3.block3", {3, 32, 32}, 10, 128, true, SGD},
};

static void must(trb_status st)
{
    if (st == TRB_OK) return;
    fprintf(stderr, "bench_step: %s\n", trb_fail_message());
    exit(trb_status_exit(st));
}

/* ---- what the processor does at its best */

typedef struct {
    double flops, bytes; /* a second */
} rates;

static rates measure_best(void)
{
    enum { SIDE = 1024, TIMES = 20 };
    const size_t bytes = (size_t)SIDE * SIDE * sizeof(float); /* as much as a layer's activations */
    float *a = NULL, *b = NULL, *c = NULL;
    rates best = {0};
    trb_rng r = trb_rng_open(1, TRB_USE_TEST, 0, 0, 1);
    must(trb_alloc(TRB_MEM_OTHER, bytes, 1, &a));
    must(trb_alloc(TRB_MEM_OTHER, bytes, 1, &b));
    must(trb_alloc(TRB_MEM_OTHER, bytes, 1, &c));
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) a[i] = b[i] = trb_rng_normal(&r);
    for (int i = 0; i < TIMES; i++) {
        const double start = trb_now_s();
        must(trb_gemm(false, false, SIDE, SIDE, SIDE, a, SIDE, b, SIDE, 0.0F, c, SIDE));
        const double middle = trb_now_s();
        memcpy(c, a, bytes);
        const double end = trb_now_s();
        best.flops = fmax(best.flops, 2.0 * SIDE * SIDE * SIDE / (middle - start));
        best.bytes = fmax(best.bytes, 2.0 * (double)bytes / (end - middle));
    }
    trb_free(a);
    trb_free(b);
    trb_free(c);
    return best;
}

/* ---- the step */

enum { GATHER, FORWARD, LOSS, BACKWARD, UPDATE, PARTS };
static const char *const part_name[PARTS] = {"gather", "forward", "loss", "backward and update", "end of update"};

typedef struct {
    const bench *b;
    size_t lanes, rows;
    trb_net *net;
    trb_work *work;
    trb_exchange *x;
    trb_data data;
    trb_augment *augment;
    trb_feed *feed; /* a lane a part */
    uint64_t epoch;
    size_t at; /* samples of the epoch that were served */
    float *params, *dz, *teacher;
    int64_t all[SAMPLES], order[SAMPLES];
    int32_t label[MOST_ROWS];
} job;

static void plan_epoch(job *j)
{
    trb_data_order(1, 0, ++j->epoch, SAMPLES, j->all, j->order);
    must(trb_feed_plan(j->feed, j->epoch, SAMPLES / j->rows, j->order, NULL));
    j->at = 0;
}

/* Adds the seconds of each part. */
static void step(job *j, double *part)
{
    const size_t M = j->b->heads, K = CLASSES, lane_batch = j->rows * j->lanes;
    double at = trb_now_s(), now = 0.0;
#define LAP(p) (now = trb_now_s(), part[p] += now - at, at = now)
    for (size_t l = 0; l < j->lanes; l++) {
        const float *x = NULL, *z = NULL;
        const trb_mix *mix = NULL;
        double loss = 0.0;
        if (j->at == SAMPLES) plan_epoch(j);
        const trb_draw draw = {.seed = 1, .epoch = j->epoch, .sample = j->order + j->at};
        must(trb_feed_next(j->feed, &x, &mix));
        j->at += j->rows;
        LAP(GATHER);
        must(trb_net_forward(j->net, j->work, j->params, j->rows, x, j->b->trains ? &draw : NULL, &z));
        LAP(FORWARD);
        if (!j->b->trains) continue;
        if (j->b->split != NULL)
            must(trb_loss_kd(j->rows, M, K, lane_batch, 4.0F, z, j->teacher + l * j->rows * M * K, &loss, j->dz));
        else
            must(trb_loss_ce(j->rows, 1, K, lane_batch, z, j->label + l * j->rows, &loss, j->dz));
        LAP(LOSS);
        must(trb_net_backward(j->net, j->work, j->params, j->dz, trb_exchange_gradient(j->x), NULL));
        LAP(BACKWARD);
        trb_exchange_lane_done(j->x);
        LAP(UPDATE);
    }
    if (!j->b->trains) return;
    must(trb_exchange_push(j->x, TRB_OK, 0.0));
    must(trb_exchange_pull(j->x));
    LAP(UPDATE);
}

static void prepare(trb_comm *group, job *j, trb_exchange_kind exchange)
{
    static float mean[3] = {125.0F, 125.0F, 125.0F}, scale[3] = {0.016F, 0.016F, 0.016F};
    const bench *b = j->b;
    const trb_recipe empty = {0}, crop_and_flip = {.crop = 4, .flip = true};
    const trb_recipe *recipe = b->trains && b->shape.c == 3 ? &crop_and_flip : &empty;
    trb_rng rng = trb_rng_open(1, TRB_USE_TEST, 0, 0, 0);
    const size_t D = trb_shape_size(b->shape), answers = b->batch * b->heads * CLASSES;
    char *list = NULL, *split = NULL;
    must(trb_net_expand(b->layers, &list));
    if (b->split != NULL) must(trb_net_insert_split(list, b->split, &split));
    must(trb_net_create(split != NULL ? split : list, b->shape, b->heads, &j->net));
    trb_free(list);
    trb_free(split);
    must(trb_work_create(j->net, j->rows, b->trains, &j->work));
    must(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(j->net), sizeof(float), &j->params));
    j->data = (trb_data){.n = SAMPLES, .shape = b->shape, .type = TRB_U8, .classes = CLASSES};
    j->data.mean = mean;
    j->data.scale = scale;
    must(trb_alloc(TRB_MEM_DATA, SAMPLES * D, 1, &j->data.x));
    must(trb_alloc(TRB_MEM_ACTIVATIONS, answers, sizeof(float), &j->teacher));
    must(trb_alloc(TRB_MEM_ACTIVATIONS, answers, sizeof(float), &j->dz));
    for (size_t i = 0; i < SAMPLES * D; i++) ((uint8_t *)j->data.x)[i] = (uint8_t)(trb_rng_u64(&rng) & 255);
    for (size_t i = 0; i < answers; i++) j->teacher[i] = 3.0F * trb_rng_normal(&rng);
    for (size_t i = 0; i < b->batch; i++) j->label[i] = (int32_t)trb_rng_below(&rng, CLASSES);
    for (size_t i = 0; i < SAMPLES; i++) j->all[i] = (int64_t)i;
    must(trb_augment_create(&j->data, 1, recipe, 1, TRB_USE_AUGMENT, 0, SAMPLES, j->all, &j->augment));
    must(trb_feed_open(j->augment, j->rows, NULL, &j->feed));
    plan_epoch(j);
    trb_net_init(j->net, TRB_INIT_HE, 1, 0, j->params);
    const trb_grid grid = trb_grid_plain(group, j->lanes * (size_t)trb_comm_size(group), 0);
    if (b->trains)
        must(trb_exchange_open(&grid, TRB_BODY, &(trb_exchange_opts){.kind = exchange}, j->net, &b->optim, 0, j->params,
                               &j->x));
    if (b->trains) trb_work_watch(j->work, trb_exchange_needs, trb_exchange_ready, j->x);
}

static void release(job *j)
{
    trb_feed_close(j->feed);
    trb_augment_destroy(j->augment);
    trb_exchange_close(j->x);
    trb_work_destroy(j->work);
    trb_net_destroy(j->net);
    void *const blocks[] = {j->params, j->data.x, j->teacher, j->dz};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

/* ---- the report */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static void report_kind(const char *kind, const char *way, double seconds, double flops, double bytes, double steps,
                        double total, rates best)
{
    static const double NOTABLE = 0.01; /* what takes less works in the cache, or is done by a neighbour */
    if (seconds == 0.0) return;
    printf("  %-11s %-8s %10.4f ms %5.1f %% of the step", kind, way, 1e3 * seconds / steps, 100.0 * seconds / total);
    const double rate = (flops > 0.0 ? flops : bytes) / seconds;
    if (seconds > NOTABLE * total)
        printf(", %6.1f %s, %.2f of the best", 1e-9 * rate, flops > 0.0 ? "GFLOP/s" : "GB/s",
               rate / (flops > 0.0 ? best.flops : best.bytes));
    printf("\n");
}

static void report_kinds(const trb_work *work, size_t batch, double steps, double total)
{
    trb_time t[TRB_TIMES_MAX];
    const size_t n = trb_work_measured(work, t);
    const rates best = measure_best();
    const double rows = steps * (double)batch;
    double rest = total;
    printf("  at best %.0f GFLOP/s multiplying, %.1f GB/s copying (%s)\n", 1e-9 * best.flops, 1e-9 * best.bytes,
           trb_blas_name());
    for (size_t i = 0; i < n; i++) {
        report_kind(t[i].kind, "forward", t[i].forward_s, 2.0 * t[i].forward_macs * rows, t[i].forward_bytes * rows,
                    steps, total, best);
        report_kind(t[i].kind, "backward", t[i].backward_s, 2.0 * t[i].backward_macs * rows, t[i].backward_bytes * rows,
                    steps, total, best);
        rest -= t[i].forward_s + t[i].backward_s;
    }
    printf("  %-20s %10.4f ms %5.1f %% of the step\n", "all else", 1e3 * rest / steps, 100.0 * rest / total);
}

int main(int argc, char **argv)
{
    job j = {0};
    for (size_t i = 0; argc >= 4 && i < sizeof benches / sizeof *benches; i++)
        if (strcmp(argv[1], benches[i].name) == 0) j.b = &benches[i];
    j.lanes = argc >= 4 ? strtoul(argv[2], NULL, 10) : 0;
    bool bf16 = false, alone = false, known = true;
    trb_exchange_kind exchange = TRB_EXCHANGE_ORDERED;
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "bf16") == 0)
            bf16 = true;
        else if (strcmp(argv[i], "alone") == 0)
            alone = true;
        else if (strcmp(argv[i], "allreduce") == 0)
            exchange = TRB_EXCHANGE_ALLREDUCE;
        else
            known = false;
    }
    if (j.b == NULL || j.lanes == 0 || j.b->batch % j.lanes != 0 || !known) {
        fprintf(stderr,
                "usage: bench_step WORK LANES SECONDS [bf16] [allreduce] [alone]; LANES divides 128; WORK is one of");
        for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) fprintf(stderr, " %s", benches[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    j.rows = j.b->batch / j.lanes;
    trb_comm *world = NULL, *group = NULL;
    must(trb_comm_start(&argc, &argv, &world));
    must(trb_comm_split(world, alone ? trb_comm_rank(world) : 0, &group));
    must(trb_blas_open(1));
    must(trb_precision_set(bf16 ? TRB_PRECISION_BF16 : TRB_PRECISION_F32));
    prepare(group, &j, exchange);

    /* The number of steps must be the same on all ranks. */
    double ignored[PARTS] = {0}, warm = 1e9;
    for (int i = 0; i < WARM_UP; i++) {
        const double start = trb_now_s();
        step(&j, ignored);
        if (trb_now_s() - start < warm) warm = trb_now_s() - start;
    }
    const double wanted = strtod(argv[3], NULL) / warm;
    size_t n = wanted < LEAST_STEPS ? LEAST_STEPS : wanted < MOST_STEPS ? (size_t)wanted : MOST_STEPS;
    must(trb_comm_bcast(world, &n, sizeof n, 0));
    double *times = NULL, *one = NULL, total = 0.0;
    must(trb_alloc(TRB_MEM_OTHER, n * (PARTS + 1), sizeof *times, &times));
    must(trb_alloc(TRB_MEM_OTHER, n, sizeof *one, &one));
    trb_work_measure(j.work);
    for (size_t i = 0; i < n; i++) {
        double *t = times + i * (PARTS + 1);
        const double start = trb_now_s();
        step(&j, t);
        t[PARTS] = trb_now_s() - start;
        total += t[PARTS];
    }
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);

    if (trb_comm_rank(world) == 0) {
        for (size_t i = 0; i < n; i++) one[i] = times[i * (PARTS + 1) + PARTS];
        const double s = median(one, n);
        printf("median_ms %.4f images_s %.0f peak_mb %.0f (%zu steps, best %.4f ms)\n", 1e3 * s,
               (double)j.b->batch * trb_comm_size(world) / s, (double)used.ru_maxrss / 1024.0, n, 1e3 * one[0]);
        for (size_t p = 0; p < PARTS; p++) {
            for (size_t i = 0; i < n; i++) one[i] = times[i * (PARTS + 1) + p];
            const double part = median(one, n);
            if (part > 0.0) printf("  %-20s %10.4f ms\n", part_name[p], 1e3 * part);
        }
        if (j.x != NULL && trb_comm_size(group) > 1)
            printf("  waited %.4f ms and sent %.3f MB a step\n",
                   1e3 * trb_exchange_worked(j.x).waited_s / (double)(n + WARM_UP),
                   1e-6 * (double)trb_exchange_worked(j.x).bytes_sent / (double)(n + WARM_UP));
        report_kinds(j.work, j.b->batch, (double)n, total);
    }
    trb_free(times);
    trb_free(one);
    release(&j);
    trb_comm_close(group);
    trb_comm_stop(world);
    return 0;
}
