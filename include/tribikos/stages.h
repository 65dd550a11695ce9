/** The stages: train -> cache -> distil -> evaluate. Each joins the parts; each is a job of its own and can be rerun.
 *
 * All are collective over `world`, return the agreed status, and leave finished files of earlier runs alone: a member,
 * a shard or a student that is there, whole and of the configuration asked for is kept; one of another configuration is
 * refused. What is going to be written is locked (lock.h): of two jobs that would write the same folder the second is
 * refused.
 *
 *     RUN/config.yaml   RUN/members/m000/{weights.h5, metrics.jsonl}   RUN/cache/
 *     RUN/student/NAME/{weights.h5, metrics.jsonl}   RUN/report/{report.json, predictions.h5}
 */
#ifndef TRB_STAGES_H
#define TRB_STAGES_H

#include "tribikos/comm.h"
#include "tribikos/config.h"
#include "tribikos/corrupt.h"
#include "tribikos/metrics.h"
#include "tribikos/ranks.h"

/** Look at what all four stages will need, before the first one takes its hours: data files, layer lists, batches, ranks.
 */
trb_status trb_stage_check(trb_comm *world, const trb_config *c);

/** Train the members that are asked for and missing. Groups of ranks take members from a queue, the costliest first;
 * with more ranks than members a group is several ranks, which train one member data-parallel by lanes. */
trb_status trb_stage_train(trb_comm *world, const trb_config *c);

/** Write the missing shards of all members over all views, then the manifest. */
trb_status trb_stage_cache(trb_comm *world, const trb_config *c);

/** Train the students from the cache alone. */
trb_status trb_stage_distill(trb_comm *world, const trb_config *c);

/** What a configuration takes, before anything is done. */
typedef struct {
    char recipe[TRB_RECIPE_BYTES];
    bool stored; /* with its inputs */
    size_t files;
    double bytes; /* before packing */
} trb_plan_view;

typedef struct {
    char name[TRB_NAME_MAX + 16]; /* "distill NAME" */
    double one_s, all_s;          /* of one rank; of all */
    /* Most bytes of rank 0, which holds most, from the beginning of a training and going on from a checkpoint; NaN if so
     * many ranks cannot share it; 0 of the stages of the cache. */
    double begin_bytes, resume_bytes;
} trb_plan_stage;

typedef struct {
    size_t ranks, samples, n_views, n_stages;
    trb_plan_view *view;
    trb_plan_stage *stage; /* members, inputs, logits, then the students */
} trb_plan;

/** Say what all that is configured will take, as if nothing were there yet: files and bytes of the cache by their
 * layout; times from calls of the configured networks that are measured here, so much for each that no other is like;
 * memory by opening the trainings as they will be, which takes about as much here. Not counted are, of time, exchange
 * between ranks, reading and augmentation, which run beside the steps, and evaluation; of memory, what libraries hold
 * (MPI, HDF5, oneDNN). What a stage would refuse is refused, but for the number of ranks, which is said. Nothing is
 * written. Collective over world. \param[in] ranks  for so many; 0: as many as world has
 * \param[out] plan  trb_plan_clear() */
trb_status trb_stage_plan(trb_comm *world, const trb_config *c, size_t ranks, trb_plan *plan);
void trb_plan_clear(trb_plan *p);

/** One row of the report. */
typedef struct {
    char name[TRB_NAME_MAX + 1];
    bool several; /* has model uncertainty: more than one head or member, or a Dirichlet */
    trb_metrics metrics;
    uint64_t params;      /* trained ones; 0: not known (members from elsewhere) */
    double ms_per_sample; /* measured a rank (math.threads threads) in batches of eval.batch; NaN if nothing was
                           * computed here; not the same bits from run to run */
} trb_report_row;

/** Scores by which a set is told to be out of distribution: model uncertainty, total uncertainty, 1 - max p. */
enum { TRB_SCORE_MODEL, TRB_SCORE_TOTAL, TRB_SCORE_MAX, TRB_SCORES };

/** NaN in the arrays stands for what cannot be known: members of which there are logits of the training set alone. */
typedef struct {
    trb_task task;
    size_t n, samples, members; /* members: how many were evaluated; 0 if none could be */
    trb_report_row *row;        /* [n] if there are members m000, ... (of different kinds only), member_mean, ensemble;
                                 * then the students */
    size_t *ood_samples;        /* [eval.ood] */
    trb_detection *ood;         /* [eval.ood][n][TRB_SCORES] */
    trb_metrics *corrupted;     /* [eval.corruptions][TRB_CORRUPT_STRENGTHS][n] */
    double *nll_by_size;        /* [members] calibrated NLL of ensembles of 1..M members; NULL if not calibrated */
} trb_report;

/** Evaluate and publish RUN/report.
 *
 * The figures have the same bits on any number of ranks, since every call is of eval.batch rows. Members whose weights
 * are missing are evaluated by the cache's logits, which calls of cache.block rows made. The figures then equal those
 * of the weights up to rounding (net.h): bit for bit only if both calls take the same rows at once.
 * \param[out] report  on every rank; cleared by trb_report_clear() */
trb_status trb_stage_eval(trb_comm *world, const trb_config *c, trb_report *report);
void trb_report_clear(trb_report *r);

#endif
