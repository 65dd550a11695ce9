/* The fit of a temperature by all ranks together (temperature.h). Each rank predicts its blocks once. Each step of the fit
 * then adds up the sums of all blocks, in their order. */
#include "temperature.h"

#include "tribikos/alive.h"
#include "tribikos/calibration.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

enum { SUMS = TRB__TEMPERATURE_SUMS };

static size_t rows_of(const trb__held *h, size_t i)
{
    const size_t at = (h->first + i) * h->rows;
    return h->n - at < h->rows ? h->n - at : h->rows;
}

trb_status trb__held_sums(trb_comm *world, const trb__held *h, double b, double sums[SUMS])
{
    for (size_t i = 0; i < h->count; i++)
        trb_temperature_sums(rows_of(h, i), h->K, h->log_p + i * h->rows * h->K, h->label + i * h->rows, b,
                             h->mine + i * SUMS);
    TRB_TRY(trb_comm_allgather(world, h->mine, h->count * SUMS, h->all));
    sums[0] = sums[1] = sums[2] = 0.0;
    for (size_t i = 0; i < h->blocks * SUMS; i++) sums[i % SUMS] += h->all[i];
    return TRB_OK;
}

trb_status trb__held_fit(trb_comm *world, const trb__held *h, double *b, bool *open)
{
    trb_temperature t = trb_temperature_begin();
    double sums[SUMS];
    do TRB_TRY(trb__held_sums(world, h, t.b, sums));
    while (!trb_temperature_step(&t, sums));
    *b = t.b;
    *open = t.open;
    return TRB_OK;
}

/* What a fit needs on this rank. */
typedef struct {
    trb__held held;
    trb_work *work;
    float *x, *log_p; /* [rows][D], [own rows][K] */
    int32_t *label;   /* [own rows] */
} room;

static trb_status reserve(trb_comm *world, const trb__finished *f, room *at)
{
    trb__held *h = &at->held;
    const int P = f->alone ? 1 : trb_comm_size(world), r = trb_comm_rank(world);
    *h = (trb__held){.n = f->s->n_val, .rows = f->rows, .K = trb_net_outputs(f->net)};
    h->blocks = (h->n + h->rows - 1) / h->rows;
    if (r < P) trb_share(h->blocks, r, P, &h->first, &h->count);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->blocks * SUMS, sizeof *h->all, &h->all));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->count * SUMS, sizeof *h->mine, &h->mine));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->count * h->rows * h->K, sizeof *at->log_p, &at->log_p));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h->count * h->rows, sizeof *at->label, &at->label));
    h->log_p = at->log_p;
    h->label = at->label;
    if (h->count == 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, h->rows * trb_net_inputs(f->net), sizeof *at->x, &at->x));
    return trb_work_create(f->net, h->rows, false, &at->work);
}

static void release(room *at)
{
    trb_work_destroy(at->work);
    trb_free(at->x);
    trb_free(at->label);
    trb_free(at->log_p);
    trb_free(at->held.mine);
    trb_free(at->held.all);
}

static trb_status predict_blocks(const trb__finished *f, room *at)
{
    const trb__held *h = &at->held;
    const trb_data *d = &f->s->data;
    for (size_t i = 0; i < h->count; i++) {
        const size_t rows = rows_of(h, i);
        const int64_t *sample = f->s->val + (h->first + i) * h->rows;
        const float *z = NULL;
        trb_comm_phase(f->who, i);
        trb_stop_progress();
        trb_alive();
        if (f->between != NULL) f->between(f->between_ctx);
        for (size_t b = 0; b < rows; b++) at->label[i * h->rows + b] = d->label[sample[b]];
        trb_data_rows(d, rows, sample, at->x);
        TRB_TRY(trb_net_forward(f->net, at->work, f->params, rows, at->x, NULL, &z));
        TRB_TRY(trb_metrics_block(f->predict, rows, trb_net_heads(f->net), h->K, z, NULL, 1,
                                  &(trb_metrics_out){.log_p = at->log_p + i * h->rows * h->K}));
    }
    return TRB_OK;
}

trb_status trb__temperature_fit(trb_comm *world, const trb__finished *f, double *T)
{
    room at = {.work = NULL};
    double b = 1.0;
    bool open = false;
    *T = 0.0;
    if (f->s->n_val == 0 || f->s->data.label == NULL || f->s->data.task != TRB_TASK_CLASSES) return TRB_OK;
    trb_status st = trb_agree(world, reserve(world, f, &at));
    if (st == TRB_OK) st = trb_agree(world, predict_blocks(f, &at));
    if (st == TRB_OK) st = trb__held_fit(world, &at.held, &b, &open);
    release(&at);
    if (st == TRB_ENUM) { /* what overflows on held-out samples alone was no failure of the training */
        trb_fail_clear();
        return TRB_OK;
    }
    TRB_TRY(st);
    if (open) return TRB_OK; /* eval warns of it */
    *T = 1.0 / b;
    if (trb_comm_rank(world) == 0)
        trb_detail("%s: temperature %.4g, fitted on %zu held-out samples", f->who, *T, f->s->n_val);
    return TRB_OK;
}
