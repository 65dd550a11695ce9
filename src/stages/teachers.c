/* What a student's members say of the rows of each step, and the loss that follows them (teachers.h). */
#include "teachers.h"

#include <string.h>

#include "tribikos/dirichlet.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/top.h"

/* The numbers that one head follows. */
static size_t sum_width(const trb_lesson *lesson, const trb_cache_spec *spec)
{
    return spec->top > 0 ? spec->M * TRB_TOP(spec->top, spec->K) : lesson->sets * spec->K;
}

trb_status trb__teachers_open(const trb_student_opts *o, const trb_cache_spec *spec, const trb__dataset *s,
                              const trb_grid *grid, trb__teachers *t)
{
    const size_t K = spec->K, rows = o->fit.batch / o->fit.lanes, members = grid->n_members;
    const bool sums = spec->holds == TRB_SHARD_STATISTICS; /* then the grid has one column */
    const size_t member_width = spec->top > 0 ? TRB_TOP(spec->top, K) : K;
    const size_t lanes_at_once = grid->row != NULL ? grid->lanes.count : 1;
    const trb_lesson *lesson = trb_method_lesson(o->method, s->data.task);
    *t = (trb__teachers){.lesson = lesson,
                         .o = o,
                         .said_width = sums ? TRB_STATISTICS(K) : members * member_width,
                         .member_width = member_width,
                         .sum_width = sum_width(lesson, spec),
                         .top = spec->top,
                         .sums = sums,
                         .M = members,
                         .of = spec->M,
                         .K = K,
                         .rows = rows,
                         .steps = (o->phase1_epochs + o->fit.epochs) * (s->n_train / o->fit.batch),
                         .grid = grid,
                         .parts = grid->n_lanes,
                         .data = &s->data};
    if (o->label_weight > 0.0) TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *t->label, &t->label));
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, lanes_at_once * rows * t->sum_width, sizeof *t->statistics, &t->statistics));
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, TRB_STATISTICS_WORK(K), sizeof *t->work, &t->work));
    if (t->top > 0) TRB_TRY(trb_alloc(TRB_MEM_CACHE, TRB_TOP_WORK(K), sizeof *t->top_work, &t->top_work));
    if (grid->row == NULL) return TRB_OK;
    return trb_alloc(TRB_MEM_CACHE, rows * members / t->parts * member_width, sizeof *t->part, &t->part);
}

trb_status trb__teachers_join(trb__teachers *t)
{
    return trb_rounds_open(t->grid, t->rows * t->sum_width, &t->rounds);
}

void trb__teachers_close(trb__teachers *t)
{
    void *const blocks[] = {t->statistics, t->work, t->top_work, t->part, t->label};
    trb_rounds_close(t->rounds);
    t->rounds = NULL;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

trb_status trb__teachers_plan(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view)
{
    trb__teachers *t = ctx;
    t->planned = view;
    t->planned_rows = rows;
    return trb_reader_plan(t->reader, steps, sample, view);
}

/* What one head lane's members say for a lane: [rows][M / parts][member_width]. */
static const float *part_of(const trb__teachers *t, size_t at, size_t i)
{
    const size_t n = t->M / t->parts * t->member_width;
    const float *from = t->said + at * t->said_width + i * n;
    if (t->parts == 1) return from;
    for (size_t r = 0; r < t->rows; r++) memcpy(t->part + r * n, from + r * t->said_width, n * sizeof *from);
    return t->part;
}

/* The part of one head lane's members in what one head follows. The rows of members are joined by the sum of the
 * columns' parts: each has zeros where the others have their rows, so the sum is exact. */
static trb_status sum_part(const trb__teachers *t, size_t at, size_t i, float *s)
{
    const size_t M = t->M / t->parts, n = M * t->member_width, first = (t->grid->member + i * M) * t->member_width;
    const float *said = part_of(t, at, i);
    if (t->top == 0) return t->lesson->statistics(t->rows, M, t->of, t->K, t->T, said, t->work, s);
    memset(s, 0, t->rows * t->sum_width * sizeof *s);
    for (size_t r = 0; r < t->rows; r++) memcpy(s + r * t->sum_width + first, said + r * n, n * sizeof *s);
    return TRB_OK;
}

/* Add up the statistics of this rank's lanes: each column of the row contributes the part of its own members. */
static trb_status gather_statistics(trb__teachers *t, trb_status st)
{
    const size_t n = t->rows * t->sum_width, lanes = t->grid->row_lanes.count, columns = t->grid->shape.columns;
    for (size_t first = 0, round = 0; first < lanes; first += columns, round++) {
        const size_t items = lanes - first < columns ? lanes - first : columns;
        const float *sum = NULL;
        for (size_t j = 0; j < items; j++) {
            for (size_t i = 0; i < t->parts; i++) {
                float *s = trb_rounds_answer(t->rounds);
                if (st == TRB_OK) st = sum_part(t, (first + j) * t->rows, i, s);
                const trb_status answered = trb_rounds_answered(t->rounds);
                if (st == TRB_OK) st = answered;
            }
        }
        const trb_status summed = trb_rounds_sum(t->rounds, items, &sum);
        if (st == TRB_OK) st = summed;
        if (st == TRB_OK && sum != NULL) memcpy(t->statistics + round * n, sum, n * sizeof *sum);
    }
    return st;
}

trb_status trb__teachers_next(void *ctx, uint64_t step, trb_status st)
{
    trb__teachers *t = ctx;
    t->T = (float)trb_lesson_temperature(t->lesson, &t->o->tempering, (double)step / (double)t->steps);
    t->view = t->planned;
    if (t->planned != NULL) t->planned += t->planned_rows;
    if (st == TRB_OK) st = trb_reader_next(t->reader, &t->said);
    return t->rounds == NULL ? st : gather_statistics(t, st);
}

/* Add the loss of the labels. A label belongs to the sample itself, so only rows that show view 0 have one. */
static trb_status add_labels(const trb__teachers *t, const trb__lane *l, size_t M, const float *z, double *loss,
                             float *dz)
{
    if (t->label == NULL) return TRB_OK;
    for (size_t r = 0; r < l->rows; r++)
        t->label[r] = t->view == NULL || t->view[l->at + r] == 0 ? t->data->label[l->sample[r]] : -1;
    return trb_loss_add_labels(l->rows, M, t->K, l->batch, (float)t->o->label_weight, z, t->label, loss, dz);
}

/* Copy those numbers of the cached statistics that the loss needs. */
static void pick_statistics(const trb__teachers *t, size_t rows, const float *said, float *s)
{
    const size_t n = t->K + (t->lesson->targets != NULL), from = t->lesson->cached == TRB_CACHED_MEANS ? t->K : 0;
    for (size_t r = 0; r < rows; r++) memcpy(s + r * n, said + r * t->said_width + from, n * sizeof *s);
}

/* One head that follows the most probable classes of each member. */
static trb_status top_of_one(const trb__teachers *t, const trb__lane *l, const float *z, double *loss, float *dz)
{
    const float *said =
        t->rounds != NULL ? t->statistics + l->number * t->rows * t->sum_width : t->said + l->at * t->said_width;
    TRB_TRY(t->lesson->top(l->rows, 1, t->of, t->K, t->top, l->batch, t->T, z, said, t->top_work, loss, dz));
    return add_labels(t, l, 1, z, loss, dz);
}

trb_status trb__teachers_loss_of_one(void *ctx, const trb__lane *l, const float *z, double *loss, float *dz)
{
    const trb__teachers *t = ctx;
    const trb_lesson *lesson = t->lesson;
    if (t->top > 0) return top_of_one(t, l, z, loss, dz);
    const float *said = t->said + l->at * t->said_width;
    float *s = t->statistics;
    if (t->rounds != NULL)
        s += l->number * t->rows * t->sum_width;
    else if (t->sums)
        pick_statistics(t, l->rows, said, s);
    else
        TRB_TRY(lesson->statistics(l->rows, t->M, t->of, t->K, t->T, said, t->work, s));
    if (lesson->targets != NULL && !t->sums) lesson->targets(l->rows, t->K, s);
    TRB_TRY(lesson->loss(l->rows, t->K, l->batch, t->T, z, s, loss, dz));
    return add_labels(t, l, 1, z, loss, dz);
}

trb_status trb__teachers_loss_of_each(void *ctx, const trb__lane *l, const float *z, double *loss, float *dz)
{
    const trb__teachers *t = ctx;
    const size_t M = t->M / t->parts;
    const float *said = part_of(t, l->at, l->heads);
    if (t->top > 0)
        TRB_TRY(t->lesson->top(l->rows, M, M, t->K, t->top, l->batch, t->T, z, said, t->top_work, loss, dz));
    else
        TRB_TRY(t->lesson->each(l->rows, M, t->K, l->batch, t->T, z, said, loss, dz));
    return add_labels(t, l, M, z, loss, dz);
}
