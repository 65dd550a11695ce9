/** Evaluation: sets of rows, walked block by block by all models at once, and what is made of the walks.
 *
 * Ranks take runs of blocks. What a rank keeps of a walk is of its own rows; rank 0 joins models' results one after
 * another in block order, so that the figures do not depend on who computed which. Slots are numbered like this: the M
 * members, the ensemble, the students. Functions are local unless they say otherwise.
 */
#ifndef TRB_STAGES_EVAL_H
#define TRB_STAGES_EVAL_H

#include "internal.h"
#include "reading.h"
#include "tribikos/corrupt.h"
#include "tribikos/h5.h"
#include "tribikos/log.h"
#include "tribikos/metrics.h"
#include "tribikos/ranks.h"

/** A network under evaluation. */
typedef struct {
    trb_net *net;
    float *params;
    trb_work *work;
    trb_predict *predict; /* what its logits state */
    bool several;         /* has model uncertainty */
    double seconds;       /* this rank's forward passes over timed sets */
} trb__model;

typedef struct {
    size_t M, S, K, batch;
    trb__model *member;       /* [M]; NULL if the members' logits come from the cache */
    trb__model *student;      /* [S] */
    uint64_t students_digest; /* of all their weights' digests */
    trb_cache *cache;         /* or NULL */
    trb__reading reading;
} trb__models;

/** Rows to evaluate. Plain data but for id and label. */
typedef struct {
    char name[TRB_NAME_MAX + 1];
    const trb_data *data; /* the set that `id` counts in */
    size_t n;
    int64_t *id;            /* [n] */
    trb_corruption corrupt; /* what is done to them first */
    unsigned strength;
    uint64_t seed; /* of that */
    bool alien;    /* the labels are of other classes than the models' */
    bool members;  /* the members' logits can be had */
    bool timed;
    bool keep, keep_members, keep_rows;
    size_t batch, blocks, bins;
    size_t first, count; /* this rank's blocks */
    size_t at, rows;     /* this rank's rows: [at, at + rows) of the n */
    int32_t *label;      /* [rows] of classes */
    float *target;       /* [rows] of regression */
} trb__set;

/** Results of one slot on one set, of this rank's rows; NULL where nobody asks. */
typedef struct {
    double *sums;         /* [count][sums of the task] */
    float *kept;          /* [rows][width of the task], what is predicted: log p, or Gaussians */
    trb_row_figures *row; /* [rows] */
} trb__result;

/** What a walk asks of a task. */
typedef struct {
    size_t sums; /* a block */
    size_t (*width)(size_t heads, size_t K);
    /** One slot on one block, `i` of this rank's. \param[in] z [rows][heads][K] */
    trb_status (*block)(const trb__set *set, trb_predict *predict, size_t i, size_t heads, size_t K, const float *z,
                        const trb__result *r);
    /** How far a student's heads, one a member, are from the members; NULL if nobody asks.
     * \param[in] members,z  [rows][M][K] */
    void (*follow)(const trb__set *set, size_t i, size_t M, size_t K, const float *members, const float *z,
                   const trb__result *r);
    trb_metrics (*from)(size_t blocks, const double *sums, size_t n, size_t bins);
    /** What was kept of n rows, as predictions.h5 has it. \param[in,out] kept  \return its shape */
    trb_h5_shape (*show)(size_t n, size_t heads, size_t K, float *kept);
} trb__eval_task;
extern const trb__eval_task trb__task_classes, trb__task_regression;

/* ---- eval_models.c */

/** The weights of members, and of all students, and what they need for blocks of `batch` rows. Local.
 * \param[in] digest  [M] of the members' weights, which must still be those; NULL: members are not loaded
 * \param[in] followed  how a student's text must end: the members that are there; "" if they are not known */
trb_status trb__models_load(const trb_config *c, const trb_data *trained_on, const uint64_t *digest,
                            const char *followed, trb__models *models);
/** Members' logits of the training set from the cache, for want of weights. Collective over world; the status is
 * agreed. */
trb_status trb__models_read(trb_comm *world, const trb_config *c, const trb_data *trained_on, trb__models *models);
void trb__models_clear(trb__models *models);
size_t trb__slots(const trb__models *models);
/** The network of a slot; NULL for the ensemble, and where there is none. */
const trb__model *trb__slot_model(const trb__models *models, size_t slot);
size_t trb__slot_heads(const trb__models *models, size_t slot);
bool trb__slot_several(const trb__models *models, size_t slot);

/* ---- eval_sets.c */

/** Make the run of rows of this rank from name, data and n. \param[in] id  [n]; NULL for all rows of the data */
trb_status trb__set_open(trb_comm *world, const trb_config *c, const int64_t *id, trb__set *set);
void trb__set_close(trb__set *set);
size_t trb__set_rows(const trb__set *set, size_t i); /* in this rank's block i */

/** The data set eval.ood[i], normalised as the training set. Collective over world.
 * \param[out] out  trb__dataset_clear() */
trb_status trb__ood_load(trb_comm *world, const trb_config *c, size_t i, const trb_data *trained_on, trb__dataset *out);
/** Whether eval.corruptions can be made of these samples. */
trb_status trb__corruptions_check(const trb_config *c, const trb_data *data);

/* ---- eval_walk.c */

/** All models on all of this rank's rows. \param[in,out] progress  its `done` counts this rank's blocks of all walks
 * \param[out] r  [slots], trb__results_free() also on failure */
trb_status trb__walk(trb__models *models, const trb__set *set, const trb__eval_task *task, trb_progress *progress,
                     trb__result **r);
void trb__results_free(const trb__models *models, trb__result *r);

/** Something of every block, or of every row, in order at rank 0. Collective over world.
 * \param[in] mine  [count][size], [rows][size]   \param[out] all  [blocks][size], [n][size] at rank 0 */
trb_status trb__join_blocks(trb_comm *world, const trb__set *set, const void *mine, size_t size, void *all);
trb_status trb__join_rows(trb_comm *world, const trb__set *set, const void *mine, size_t size, void *all);

/** Milliseconds a sample of n networks on a timed set, over all ranks; NaN if nothing was computed. Collective over
 * world. */
trb_status trb__measure(trb_comm *world, const trb__set *set, size_t n, const trb__model *m, double *ms);

/* ---- eval_classes.c, eval_gaussians.c have a task each; what all slots' figures are, at rank 0, is in eval_figures.c */

/** The figures of every slot from its sums. Collective over world; the status is agreed. \param[out] each  [slots] */
trb_status trb__figures(trb_comm *world, const trb__models *models, const trb__set *set, const trb__eval_task *task,
                        const trb__result *r, trb_metrics *each);
/** What takes the figures of rows: the adaptive calibration error, and how students' model uncertainty compares with
 * the ensemble's. Collective over world; the status is agreed. */
trb_status trb__figures_by_row(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                               trb_metrics *each);
/** How well each slot's scores tell a set from those in distribution. Collective over world; the status is agreed.
 * \param[out] found  [slots][TRB_SCORES]; NaN where there is no such score */
trb_status trb__figures_of_ood(trb_comm *world, const trb__models *models, const trb__set *in, const trb__result *r_in,
                               const trb__set *out, const trb__result *r_out, trb_detection *found);

/* ---- eval_calibrate.c */

/** The calibrated figures of every slot, and the deep-ensemble equivalents. Collective over world; the status is
 * agreed.
 * \param[in] fit  the rows that temperatures are fitted on   \param[in,out] each  [slots]
 * \param[out] nll [M] at rank 0: of ensembles of 1..M members, the mean of at most 16 windows on the circle of members
 */
trb_status trb__calibrate(trb_comm *world, const trb__models *models, const trb__set *fit, const trb__result *r_fit,
                          const trb__set *set, const trb__result *r, trb_metrics *each, double *nll);

#endif
