/** Evaluation: walks over sets of rows, block by block, with all models at once, and figures from these walks.
 *
 * Each rank takes a run of blocks and keeps the results of its own rows. Rank 0 joins the results of one model after
 * another, in the order of blocks, so that the figures do not depend on which rank computed which block. A *slot* is
 * one model: the M members come first, then the ensemble, then the students. Functions are local unless they say
 * otherwise.
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
    trb_predict *predict; /* turns its logits into a prediction */
    bool several;         /* has model uncertainty */
    double temperature;   /* of its weights file; 0: it has none */
    double seconds;       /* time of this rank's forward passes over timed sets */
} trb__loaded;

typedef struct {
    size_t M, S, K, batch;
    trb__loaded *member;      /* [M]; NULL if the members' logits come from caches */
    trb__loaded *student;     /* [S] */
    uint64_t *member_digest;  /* [M] of the members' weights, also if their logits come from caches */
    uint64_t *student_digest; /* [S] */
    size_t n_caches, memory;  /* memory: cache.memory */
    trb_cache **cache;        /* [n_caches] */
    trb__reading reading;     /* of the set that is walked over, if its members' logits come from a cache */
} trb__models;

/** Rows to evaluate. Plain data, except that it owns id, label and target. */
typedef struct {
    char name[TRB_NAME_MAX + 1];
    const trb_data *data; /* the data set in which `id` names samples */
    size_t n;
    int64_t *id;            /* [n] */
    trb_corruption corrupt; /* applied to the inputs first */
    unsigned strength;
    uint64_t seed;          /* of the corruption */
    bool alien;             /* out of distribution: its labels mean other classes than those of the models */
    bool members;           /* logits of the members are available for these rows */
    const trb_cache *cache; /* where they are; NULL: they are computed, or not available. Borrowed from trb__models */
    bool timed;             /* forward passes count for ms_per_sample */
    bool keep, keep_members, keep_rows; /* which results are kept: predictions; also those of members; row figures */
    bool by_class;                      /* the calibration error of all classes is wanted */
    size_t batch, blocks, bins;
    size_t first, count; /* this rank's blocks */
    size_t at, rows;     /* this rank's rows: [at, at + rows) of the n */
    int32_t *label;      /* [rows]; classes only */
    float *target;       /* [rows]; regression only */
} trb__set;

/** Results of one slot on one set, for this rank's rows; NULL for a result that is not wanted. */
typedef struct {
    double *sums;         /* [count][sums of the task] */
    float *kept;          /* [rows][width of the task] predictions: log p, or Gaussians */
    trb_row_figures *row; /* [rows] */
    int64_t *by_class;    /* [K][bins] sums over all rows, see trb_classwise_ece() */
    /* After the walk, the same on every rank: how many rows of the set have a prediction that is not finite, and the
     * first of them as a sample's id. Their predictions and row figures are NaN, and so are sums of their blocks. */
    size_t lost;
    int64_t first_lost;
} trb__result;

/** A row's prediction set. */
typedef struct {
    double covers; /* 1 if the row's label is in it, else 0 */
    double size;   /* number of classes; regression: width, in the target's unit */
} trb__prediction_set;

/** The functions that a walk needs for one task. */
typedef struct {
    size_t sums; /* numbers for each block */
    size_t (*width)(size_t heads, size_t K);
    /** Results of one slot on this rank's rows [at, at + rows), which are in one block.
     * \param[in] z  [rows][heads][K]   \param[in] r  where their results go; NULL for what is not wanted
     * \return TRB_OK; TRB_ENUM if there is a prediction that is not finite; TRB_ENOMEM */
    trb_status (*block)(const trb__set *set, trb_predict *predict, size_t at, size_t rows, size_t heads, size_t K,
                        const float *z, const trb__result *r);
    /** How far a student's heads are from the members that they follow; NULL if the task has no such figure.
     * \param[in] members,z  [rows][M][K] */
    void (*follow)(const trb__set *set, size_t i, size_t M, size_t K, const float *members, const float *z,
                   const trb__result *r);
    trb_metrics (*from)(size_t blocks, const double *sums, size_t n, size_t bins);
    /** Convert what was kept of n rows to the form of predictions.h5. \param[in,out] kept  \return its shape */
    trb_h5_shape (*show)(size_t n, size_t heads, size_t K, float *kept);
    /** Split-conformal prediction (trb_conformal_threshold): the score of this rank's row i, and its prediction set. */
    double (*conformal_score)(const trb__set *set, size_t i, size_t K, const trb__result *r);
    trb__prediction_set (*conformal_set)(const trb__set *set, size_t i, size_t K, const trb__result *r, double q);
} trb__eval_task;
extern const trb__eval_task trb__task_classes, trb__task_regression;

/* ---- eval_models.c */

/** Load the weights of members and of all students, and reserve workspaces for blocks of `batch` rows. Local.
 * \param[in] digest    [M] digests that the members' weights must still have; NULL: members are not loaded
 * \param[in] followed  the end of the identity that a student must have: the digests of the members that it followed;
 *                      "" if they are not known */
trb_status trb__models_load(const trb_config *c, const trb_data *trained_on, const uint64_t *digest,
                            const char *followed, trb__models *models);
/** Find the members' logits of some sets in caches, if there are no weights: those of the training set in RUN/cache,
 * those of other sets below it. Fills in `members` and `cache` of each set. Collective over world; the status is
 * agreed.
 * \param[in] set  [n] the one that is reported first; if it has no members, the others are not looked for
 * \param[in,out] digest  [M] of the members' weights, 0 if unknown; out: of all whose logits are used */
trb_status trb__models_find(trb_comm *world, const trb_config *c, const trb_data *trained_on, size_t n,
                            trb__set *const *set, uint64_t *digest, trb__models *models);
void trb__models_clear(trb__models *models);
size_t trb__slots(const trb__models *models);
/** The network of a slot; NULL for the ensemble, and for members without weights. */
const trb__loaded *trb__slot_model(const trb__models *models, size_t slot);
size_t trb__slot_heads(const trb__models *models, size_t slot);
bool trb__slot_several(const trb__models *models, size_t slot);

/* ---- eval_sets.c */

/** Choose this rank's run of rows of a set whose name, data and n are filled in.
 * \param[in] id  [n]; NULL for all rows of the data */
trb_status trb__set_open(trb_comm *world, const trb_config *c, const int64_t *id, trb__set *set);
void trb__set_close(trb__set *set);
size_t trb__set_rows(const trb__set *set, size_t i); /* how many rows this rank's block i has */

/** Read the data set eval.ood[i] and normalise it as the training set. Collective over world.
 * \param[out] out  released with trb__dataset_clear() */
trb_status trb__ood_load(trb_comm *world, const trb_config *c, size_t i, const trb_data *trained_on, trb__dataset *out);
/** Refuse a configuration that has no samples to report on. Only an evaluation needs them, so that a job that trains
 * members or writes a cache is not asked for a test set. */
trb_status trb__reported_check(const trb_config *c);
/** Refuse samples to which eval.corruptions cannot be applied. */
trb_status trb__corruptions_check(const trb_config *c, const trb_data *data);

/* ---- eval_walk.c */

/** Evaluate all models on all rows of a set, each rank on its own. A row whose prediction is not finite is counted, not
 * refused: the models that have one lose their figures on this set, and nothing else. Collective over world; the status
 * is agreed.
 * \param[in,out] progress  its `done` counts this rank's blocks of all walks
 * \param[out] r  [slots], released with trb__results_free(), after a failure too */
trb_status trb__walk(trb_comm *world, trb__models *models, const trb__set *set, const trb__eval_task *task,
                     trb_progress *progress, trb__result **r);
void trb__results_free(const trb__models *models, trb__result *r);

/** Gather `size` bytes for every block, or for every row, in order at rank 0. Collective over world.
 * \param[in] mine  [count][size], [rows][size]   \param[out] all  [blocks][size], [n][size] at rank 0 */
trb_status trb__join_blocks(trb_comm *world, const trb__set *set, const void *mine, size_t size, void *all);
trb_status trb__join_rows(trb_comm *world, const trb__set *set, const void *mine, size_t size, void *all);

/** Milliseconds that n networks together need for a sample of a timed set, averaged over all ranks; NaN if nothing was
 * computed. Collective over world. */
trb_status trb__measure(trb_comm *world, const trb__set *set, size_t n, const trb__loaded *m, double *ms);

/* ---- eval_figures.c; eval_classes.c and eval_gaussians.c have the functions of a task each */

/** The figures of every slot from its sums, at rank 0; unknown for a slot that has lost rows. Collective over world;
 * the status is agreed.
 * \param[out] each  [slots] */
trb_status trb__figures(trb_comm *world, const trb__models *models, const trb__set *set, const trb__eval_task *task,
                        const trb__result *r, trb_metrics *each);
/** The figures that need every row: adaptive calibration error, how well uncertainty finds errors, the ratio of model
 * uncertainties. Collective over world; the status is agreed.
 * \param[in,out] each  [slots] at rank 0 */
trb_status trb__figures_by_row(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                               trb_metrics *each);
/** The calibration error of all classes. Collective over world; the status is agreed. */
trb_status trb__figures_by_class(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                                 trb_metrics *each);
/** mu_pearson and mu_spearman of every student with model uncertainty, if there is an ensemble of several members.
 * Collective over world; the status is agreed. */
trb_status trb__correlate(trb_comm *world, const trb__models *models, const trb__set *set, const trb__result *r,
                          trb_metrics *each);
/** How well each slot's scores separate an out-of-distribution set from the one in distribution. Collective over world;
 * the status is agreed. \param[out] found  [slots][TRB_SCORES]; NaN if a slot has no such score */
trb_status trb__figures_of_ood(trb_comm *world, const trb__models *models, const trb__set *in, const trb__result *r_in,
                               const trb__set *out, const trb__result *r_out, trb_detection *found);

/* ---- eval_conformal.c */

/** Coverage and mean size of split-conformal prediction sets. Collective over world; the status is agreed.
 * \param[in] held  the rows that set the threshold   \param[in,out] each  [slots] at rank 0 */
trb_status trb__conformal(trb_comm *world, const trb__models *models, const trb__eval_task *task, const trb__set *held,
                          const trb__result *r_held, const trb__set *set, const trb__result *r, trb_metrics *each);

/* ---- eval_calibrate.c */

/** The calibrated figures of every slot, and the deep-ensemble equivalents. Collective over world; the status is
 * agreed.
 * \param[in] fit  the rows on which temperatures are fitted   \param[in,out] each  [slots]
 * \param[out] nll [M] at rank 0: calibrated NLL of ensembles of 1..M members. Members are thought of as a circle; the
 *                 value is the mean over at most 16 windows of neighbours on it */
trb_status trb__calibrate(trb_comm *world, const trb_config *c, const trb__models *models, const trb__set *fit,
                          const trb__result *r_fit, const trb__set *set, const trb__result *r, trb_metrics *each,
                          double *nll);

#endif
