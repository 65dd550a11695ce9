/* The walk over a set: each block of rows is loaded once and given to all models. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval.h"
#include "tribikos/clock.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

static trb_status reserve(const trb__models *models, const trb__set *set, const trb__eval_task *task, size_t slot,
                          trb__result *r)
{
    const bool member = slot < models->M;
    if (slot <= models->M && !set->members) return TRB_OK;
    if (!set->alien) TRB_TRY(trb_alloc(TRB_MEM_OTHER, set->count * task->sums, sizeof *r->sums, &r->sums));
    if (member ? set->keep_members : set->keep)
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, set->rows * task->width(trb__slot_heads(models, slot), models->K),
                          sizeof *r->kept, &r->kept));
    if (set->by_class) TRB_TRY(trb_alloc(TRB_MEM_OTHER, models->K * set->bins, sizeof *r->by_class, &r->by_class));
    if (set->keep_rows) TRB_TRY(trb_alloc(TRB_MEM_OTHER, set->rows, sizeof *r->row, &r->row));
    return TRB_OK;
}

/* Plan the reader for this rank's rows. The last block is filled up by repeating the last row. */
static trb_status plan_reader(trb__models *models, const trb__set *set, int64_t **plan)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, set->count * set->batch, sizeof **plan, plan));
    for (size_t i = 0; i < set->count * set->batch; i++)
        (*plan)[i] = set->id[set->at + i < set->n ? set->at + i : set->n - 1];
    return trb_reader_plan(models->reading.reader, set->count, *plan, NULL);
}

/* Time a forward pass. The first call of a network is not timed but repeated, because libraries generate their kernels
 * in it (0.3 s and more). */
static trb_status timed_forward(trb__loaded *m, const trb__set *set, size_t rows, const float *x, const float **z)
{
    if (set->timed && m->seconds == 0.0) TRB_TRY(trb_net_forward(m->net, m->work, m->params, rows, x, NULL, z));
    const double start = trb_now_s();
    const trb_status st = trb_net_forward(m->net, m->work, m->params, rows, x, NULL, z);
    if (set->timed) m->seconds += trb_now_s() - start;
    return st;
}

/* The part of a slot's results that rows from `at` on have; `sums` of block i. */
static trb__result part_of(const trb__result *r, const trb__eval_task *task, size_t i, size_t at, size_t width)
{
    return (trb__result){.sums = r->sums == NULL ? NULL : r->sums + i * task->sums,
                         .kept = r->kept == NULL ? NULL : r->kept + at * width,
                         .row = r->row == NULL ? NULL : r->row + at,
                         .by_class = r->by_class};
}

/* Count the rows of a block whose predictions are not finite, and keep the results of the others. */
static trb_status spare(const trb__set *set, const trb__eval_task *task, trb_predict *predict, size_t i, size_t heads,
                        size_t K, const float *z, trb__result *r)
{
    const size_t begin = i * set->batch, width = task->width(heads, K);
    for (size_t b = 0; b < trb__set_rows(set, i); b++) {
        trb__result one = part_of(r, task, i, begin + b, width);
        one.sums = NULL;
        const trb_status st = task->block(set, predict, begin + b, 1, heads, K, z + b * heads * K, &one);
        if (st == TRB_OK) continue;
        if (st != TRB_ENUM) return st;
        trb_fail_clear();
        if (r->lost++ == 0) r->first_lost = set->id[set->at + begin + b];
        for (size_t k = 0; one.kept != NULL && k < width; k++) one.kept[k] = NAN;
        if (one.row != NULL) *one.row = (trb_row_figures){.total = NAN, .data = NAN, .doubt = NAN, .loss = NAN};
    }
    for (size_t k = 0; r->sums != NULL && k < task->sums; k++) r->sums[i * task->sums + k] = NAN;
    return TRB_OK;
}

/* The results of one slot on this rank's block i. */
static trb_status judge(const trb__set *set, const trb__eval_task *task, trb_predict *predict, size_t i, size_t heads,
                        size_t K, const float *z, trb__result *r)
{
    const trb__result part = part_of(r, task, i, i * set->batch, task->width(heads, K));
    const trb_status st = task->block(set, predict, i * set->batch, trb__set_rows(set, i), heads, K, z, &part);
    if (st != TRB_ENUM) return st;
    trb_fail_clear();
    return spare(set, task, predict, i, heads, K, z, r);
}

/* The values of a block while models are evaluated on it. */
typedef struct {
    float *x;   /* [batch][D] */
    float *all; /* [batch][M][K] members' logits */
    float *own; /* [batch][K] one member's */
} room;

static trb_status walk_block(trb__models *models, const trb__set *set, const trb__eval_task *task, size_t i,
                             const room *at, trb__result *r)
{
    const size_t rows = trb__set_rows(set, i), K = models->K, M = models->M;
    const float *z = NULL, *members = at->all;
    TRB_TRY(trb_fault("eval.unit"));
    TRB_TRY(trb_stop_check());
    trb_stop_progress();
    TRB_TRY(trb_corrupt_rows(set->data, set->corrupt, set->strength, set->seed, rows,
                             set->id + set->at + i * set->batch, at->x));
    if (set->members && set->cache != NULL) TRB_TRY(trb_reader_next(models->reading.reader, &members));
    for (size_t m = 0; set->members && m < M; m++) {
        if (set->cache == NULL) {
            TRB_TRY(timed_forward(&models->member[m], set, rows, at->x, &z));
            for (size_t b = 0; b < rows; b++) memcpy(at->all + (b * M + m) * K, z + b * K, K * sizeof *z);
        }
        for (size_t b = 0; b < rows; b++) memcpy(at->own + b * K, members + (b * M + m) * K, K * sizeof *z);
        TRB_TRY(judge(set, task, trb_predict_mixture, i, 1, K, at->own, &r[m]));
    }
    if (set->members) TRB_TRY(judge(set, task, trb_predict_mixture, i, M, K, members, &r[M]));
    for (size_t s = 0; s < models->S; s++) {
        trb__loaded *student = &models->student[s];
        trb__result *mine = &r[M + 1 + s];
        const size_t heads = trb_net_heads(student->net);
        TRB_TRY(timed_forward(student, set, rows, at->x, &z));
        TRB_TRY(judge(set, task, student->predict, i, heads, K, z, mine));
        if (set->members && heads == M && task->follow != NULL) task->follow(set, i, M, K, members, z, mine);
    }
    return TRB_OK;
}

static trb_status walk(trb__models *models, const trb__set *set, const trb__eval_task *task, trb_progress *progress,
                       trb__result **out)
{
    room at = {0};
    int64_t *plan = NULL;
    trb__result *r = NULL;
    char note[TRB_NAME_MAX + 8];
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, trb__slots(models), sizeof *r, &r));
    *out = r;
    for (size_t slot = 0; slot < trb__slots(models); slot++) TRB_GO(reserve(models, set, task, slot, &r[slot]));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, set->batch * trb_shape_size(set->data->shape), sizeof *at.x, &at.x));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, set->batch * models->M * models->K, sizeof *at.all, &at.all));
    TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, set->batch * models->K, sizeof *at.own, &at.own));
    if (set->members && set->cache != NULL) TRB_GO(plan_reader(models, set, &plan));
    (void)snprintf(note, sizeof note, "on %s", set->name);
    for (size_t i = 0; i < set->count; i++) {
        TRB_GO(walk_block(models, set, task, i, &at, r));
        trb_progress_update(progress, progress->done + 1, note);
        trb_comm_phase("evaluating, blocks", progress->done);
    }
done:
    trb_free(at.own);
    trb_free(at.all);
    trb_free(at.x);
    if (plan != NULL) { /* the reader borrows the plan, so it must drop it first */
        const trb_status ended = trb_reader_plan(models->reading.reader, 0, NULL, NULL);
        st = st == TRB_OK ? ended : st;
    }
    trb_free(plan);
    return st;
}

/* Add up the rows that all ranks have lost, and find the first one. Collective over world. */
static trb_status share_lost(trb_comm *world, size_t slots, trb__result *r)
{
    const size_t P = (size_t)trb_comm_size(world);
    double *mine = NULL, *all = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 2 * slots, sizeof *mine, &mine);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, P * 2 * slots, sizeof *all, &all);
    TRB_GO(trb_agree(world, st));
    for (size_t k = 0; k < slots; k++) {
        mine[2 * k] = (double)r[k].lost;
        mine[2 * k + 1] = (double)r[k].first_lost;
        r[k].lost = 0;
    }
    TRB_GO(trb_comm_allgather(world, mine, 2 * slots, all));
    for (size_t i = 0; i < P * slots; i++) { /* ranks have their rows in order */
        trb__result *of = &r[i % slots];
        if (all[2 * i] > 0.0 && of->lost == 0) of->first_lost = (int64_t)all[2 * i + 1];
        of->lost += (size_t)all[2 * i];
    }
done:
    trb_free(all);
    trb_free(mine);
    return st;
}

/* The reader is opened for one walk, so that sets do not add up their parts of cache.memory. */
trb_status trb__walk(trb_comm *world, trb__models *models, const trb__set *set, const trb__eval_task *task,
                     trb_progress *progress, trb__result **out)
{
    const trb_selection of = {TRB_SHARD_LOGITS, 1, 0, models->M};
    if (set->members && set->cache != NULL)
        TRB_TRY(trb__reading_open(world, 0, set->cache, of, models->batch, models->memory, &models->reading));
    const trb_status st = walk(models, set, task, progress, out), closed = trb__reading_close(&models->reading);
    TRB_TRY(trb_agree(world, st != TRB_OK ? st : closed));
    return share_lost(world, trb__slots(models), *out);
}

void trb__results_free(const trb__models *models, trb__result *r)
{
    for (size_t i = 0; r != NULL && i < trb__slots(models); i++) {
        trb_free(r[i].sums);
        trb_free(r[i].kept);
        trb_free(r[i].row);
        trb_free(r[i].by_class);
    }
    trb_free(r);
}

trb_status trb__join_blocks(trb_comm *world, const trb__set *set, const void *mine, size_t size, void *all)
{
    return trb_comm_gather(world, mine, set->count, size, all);
}

trb_status trb__join_rows(trb_comm *world, const trb__set *set, const void *mine, size_t size, void *all)
{
    return trb_comm_gather(world, mine, set->rows, size, all);
}

trb_status trb__measure(trb_comm *world, const trb__set *set, size_t n, const trb__loaded *m, double *ms)
{
    double mine[2] = {0.0, m != NULL ? (double)set->rows : 0.0}, *all = NULL, seconds = 0.0, rows = 0.0;
    for (size_t i = 0; m != NULL && i < n; i++) mine[0] += m[i].seconds;
    const size_t P = (size_t)trb_comm_size(world);
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, 2 * P, sizeof *all, &all));
    if (st == TRB_OK) st = trb_comm_allgather(world, mine, 2, all);
    for (size_t r = 0; st == TRB_OK && r < P; r++) {
        seconds += all[2 * r];
        rows += all[2 * r + 1];
    }
    *ms = rows > 0.0 ? 1e3 * seconds / rows : NAN;
    trb_free(all);
    return st;
}
