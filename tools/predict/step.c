/** The skeleton of a training step: all that src/stages/fit_step.c and src/net/work.c make the exchange do, and in the
 * place of layers only the seconds that they take. Built twice: against MPI, where a layer sleeps, and against SimGrid's
 * SMPI (simulated.c), where it takes the simulation's time.
 *
 * Usage: step MODEL EXCHANGE GROUPS SERVERS SPEED WARM-UP STEPS. MODEL is a file of tools/predict; each rank that
 * computes has one lane of the model's rows; GROUPS head groups; all computing SPEED times as fast as MODEL says.
 *
 * A step is measured from the end of one forward pass to the end of the next one. No message is in flight there, because
 * a forward pass waits for all parameters. So exactly the bytes of STEPS steps cross the network in the time that is
 * measured. (At the end of a step, what is in flight depends on when the ranks happened to agree on it.) After WARM-UP
 * steps it prints, of STEPS steps: seconds in each step, of the slowest rank; seconds of layers in each step; bytes that
 * all ranks together send in each step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/comm/internal.h"
#include "model.h"
#include "tribikos/clock.h"
#include "tribikos/exchange.h"
#include "tribikos/memory.h"

static void must(trb_status st)
{
    if (st != TRB_OK) trb_comm_panic(st);
}

static void must_mpi(int code, const char *call)
{
    must(trb__mpi(code, call));
}

/* Parameters that are exchanged together, by a group of ranks. */
typedef struct {
    const part *of;
    trb_net *net;
    float *params;
    trb_exchange *x;
} slab;

typedef struct {
    model m;
    int groups;
    trb_comm *world;
    trb_grid grid;
    slab body, heads; /* heads: with one head group, none */
    trb_rounds *rounds;
} job;

static void open_slab(slab *s, const part *of, const trb_grid *grid, trb_grid_part shared, const trb_exchange_opts *how)
{
    static const trb_optim sgd = {.kind = TRB_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true};
    s->of = of;
    must(model_net(of, &s->net));
    must(trb_alloc(TRB_MEM_WEIGHTS, of->size, sizeof *s->params, &s->params));
    must(trb_exchange_open(grid, shared, how, s->net, &sgd, 0, s->params, &s->x));
}

static void close_slab(slab *s)
{
    trb_exchange_close(s->x);
    trb_free(s->params);
    trb_free(s->net);
}

static void forward(slab *s)
{
    for (size_t i = 0; i < s->of->n_layers; i++) {
        const size_t end = i + 1 < s->of->n_layers ? s->of->layer[i + 1].from : s->of->trained;
        trb_exchange_needs(s->x, s->of->layer[i].from, end);
        model_compute(s->of->layer[i].forward_s);
    }
}

static void backward(slab *s)
{
    (void)trb_exchange_gradient(s->x);
    for (size_t i = s->of->n_layers; i-- > 0;) {
        model_compute(s->of->layer[i].backward_s);
        trb_exchange_ready(s->x, s->of->layer[i].from);
    }
    trb_exchange_lane_done(s->x);
}

static void push(slab *s)
{
    must(trb_exchange_push(s->x, TRB_OK, 0.0));
}

static void pull(slab *s)
{
    must(trb_exchange_pull(s->x));
}

/* Each rank of a row has passed the body of its lane. Everyone's features go to everyone; each computes its heads for
 * all lanes of the row, and their feature gradients go to who has the lane. */
static void features_of_the_row(job *j)
{
    const float *features = NULL;
    must(trb_rounds_gather(j->rounds, (size_t)j->groups, NULL, &features));
}

static void answer_the_row(job *j)
{
    const float *gradient = NULL;
    for (int c = 0; c < j->groups; c++) {
        if (c > 0) forward(&j->heads);
        backward(&j->heads);
        (void)trb_rounds_answer(j->rounds);
        must(trb_rounds_answered(j->rounds));
    }
    must(trb_rounds_sum(j->rounds, (size_t)j->groups, &gradient));
}

static bool computes(const job *j)
{
    return trb_exchange_lanes(j->body.x).count > 0;
}

/* Until all parameters have been needed: with several head groups, the first lane's heads too. */
static void begin(job *j)
{
    if (computes(j)) forward(&j->body);
    if (j->groups == 1) return;
    features_of_the_row(j);
    forward(&j->heads);
}

static void step(job *j)
{
    if (j->groups > 1) answer_the_row(j);
    if (j->groups > 1) push(&j->heads);
    if (computes(j)) backward(&j->body);
    push(&j->body);
    pull(&j->body);
    if (j->groups > 1) pull(&j->heads);
    begin(j);
}

static void prepare(job *j, const trb_exchange_opts *how)
{
    const size_t G = (size_t)j->groups, servers = trb_exchange_servers(how);
    const trb_grid_shape shape = {.lanes = (size_t)trb_comm_size(j->world) - servers,
                                  .servers = servers,
                                  .columns = G,
                                  .head_lanes = G,
                                  .members = G};
    must(trb_grid_open(j->world, &shape, &j->grid));
    open_slab(&j->body, &j->m.body, &j->grid, TRB_BODY, how);
    if (G == 1) return;
    open_slab(&j->heads, &j->m.heads, &j->grid, TRB_HEADS, how);
    must(trb_rounds_open(&j->grid, j->m.rows * j->m.features, &j->rounds));
}

static void release(job *j)
{
    close_slab(&j->body);
    if (j->groups > 1) close_slab(&j->heads);
    trb_rounds_close(j->rounds);
    trb_grid_close(&j->grid);
    model_clear(&j->m);
}

static double layers_of(const part *p)
{
    double s = 0.0;
    for (size_t i = 0; i < p->n_layers; i++) s += p->layer[i].forward_s + p->layer[i].backward_s;
    return s;
}

/* Until all that others still want of this rank is done. */
static void end(job *j)
{
    must(trb_exchange_gather(j->body.x));
    if (j->groups > 1) must(trb_exchange_gather(j->heads.x));
}

static double sent(const job *j)
{
    double bytes = (double)trb_exchange_worked(j->body.x).bytes_sent;
    if (j->groups > 1) bytes += (double)trb_exchange_worked(j->heads.x).bytes_sent;
    return bytes;
}

static double of_all(double mine, MPI_Op op)
{
    double all = 0.0;
    must_mpi(MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, op, MPI_COMM_WORLD), "MPI_Allreduce");
    return all;
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {
        [TRB_EXCHANGE_ORDERED] = "ordered", [TRB_EXCHANGE_ALLREDUCE] = "allreduce", [TRB_EXCHANGE_SERVER] = "server"};
    job j = {0};
    must(trb_comm_start(&argc, &argv, &j.world));
    if (argc != 8) must(trb_fail(TRB_ECONFIG, "usage: step MODEL EXCHANGE GROUPS SERVERS SPEED WARM-UP STEPS"));
    trb_exchange_opts how = {.servers = strtoul(argv[4], NULL, 10)};
    while (how.kind < TRB_EXCHANGE_SERVER && strcmp(argv[2], kinds[how.kind]) != 0) how.kind++;
    j.groups = (int)strtol(argv[3], NULL, 10);
    const int steps = (int)strtol(argv[7], NULL, 10), warm_up = (int)strtol(argv[6], NULL, 10);
    must(model_read(argv[1], (size_t)j.groups, strtod(argv[5], NULL), &j.m));
    prepare(&j, &how);
    begin(&j);
    for (int i = 0; i < warm_up; i++) step(&j);
    const double start = trb_now_s();
    for (int i = 0; i < steps; i++) step(&j);
    const double mine = (trb_now_s() - start) / steps;
    end(&j);
    const double took = of_all(mine, MPI_MAX), bytes = of_all(sent(&j), MPI_SUM) / (warm_up + steps);
    /* The heads of a rank compute all lanes of its row. */
    const double layers = layers_of(&j.m.body) + j.groups * layers_of(&j.m.heads);
    if (trb_comm_rank(j.world) == 0) printf("%.9g %.9g %.0f\n", took, layers, bytes);
    release(&j);
    trb_comm_stop(j.world);
    return 0;
}
