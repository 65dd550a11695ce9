/** A student's teachers: the cached values of the rows of each step, and the loss that follows them. */
#ifndef TRB_STAGES_TEACHERS_H
#define TRB_STAGES_TEACHERS_H

#include "fit.h"
#include "tribikos/grid.h"
#include "tribikos/reader.h"

/** In a grid, a rank reads the values of its column's members for the lanes of its row, head lane by head lane.
 *
 * A student with one head follows the sum of what all members say. Of logits that sum is a row of statistics. Of the
 * most probable classes there is no such sum, because the outcomes of each member are its own (top.h). So the rows of
 * all members take its place, and the student follows each of them. */
typedef struct {
    const trb_lesson *lesson;
    const trb_student_opts *o;
    trb_reader *reader;
    const float *said; /* [rows of the step][said_width]: the members' rows [M][member_width], or statistics */
    size_t said_width;
    size_t member_width; /* numbers of one member: K logits, or TRB_TOP(top, K) */
    size_t sum_width;    /* numbers that one head follows: statistics, or the rows of all members */
    size_t top;          /* classes of a row, in a cache of the most probable ones; else 0 */
    bool sums;           /* `said` has statistics of all members */
    size_t M, of, K;     /* members that this rank reads; members of the ensemble; outputs */
    size_t rows;         /* of a lane */
    uint64_t steps;      /* of the training with one head */
    float T;             /* temperature of this step */
    const trb_grid *grid;
    trb_rounds *rounds; /* adds up statistics of all columns in phase 1 if heads will be cut; else NULL */
    float *statistics;  /* [rows][sum_width] of a lane; with rounds [own lanes][rows][sum_width] of the step */
    double *work;       /* [TRB_STATISTICS_WORK(K)] */
    float *top_work;    /* [TRB_TOP_WORK(K)]; NULL unless there are most probable classes */
    size_t parts;       /* this rank's head lanes */
    float *part;        /* [rows][M / parts][member_width] */
    const trb_data *data;
    int32_t *label; /* [rows] of a lane; NULL if labels have no weight */
    /* Views of the plan, [steps][planned_rows], and of this step; NULL: all rows show view 0. */
    const uint16_t *planned, *view;
    size_t planned_rows;
} trb__teachers;

/** Reserve what this rank needs; `reader` and `rounds` are not opened. Local. On failure, close it too. */
trb_status trb__teachers_open(const trb_student_opts *o, const trb_cache_spec *spec, const trb__dataset *s,
                              const trb_grid *grid, trb__teachers *t);
/** Open the rounds in which columns join what their members say. Local. */
trb_status trb__teachers_join(trb__teachers *t);
void trb__teachers_close(trb__teachers *t); /* Local. The reader is the caller's. */

/** Functions of a trb__fit (fit.h) whose ctx is a trb__teachers: its plan, its next step, and the losses of one head
 * that follows all members and of heads that follow one member each. */
trb_status trb__teachers_plan(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view);
trb_status trb__teachers_next(void *ctx, uint64_t step, trb_status st);
trb_status trb__teachers_loss_of_one(void *ctx, const trb__lane *l, const float *z, double *loss, float *dz);
trb_status trb__teachers_loss_of_each(void *ctx, const trb__lane *l, const float *z, double *loss, float *dz);

#endif
