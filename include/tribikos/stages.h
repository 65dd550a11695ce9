/** The stages: train -> cache -> distil -> evaluate. Each stage can be a job of its own, and can be run again.
 *
 * All are collective over `world` and return the agreed status. They keep finished files of earlier runs:
 *
 * | a member, shard or student | the stage |
 * | is complete and of this configuration | keeps it |
 * | is complete, but of another configuration | stops with an error that names all of them and what differs |
 * | is a student that is to be trained again | keeps it aside until the new one is there |
 * | is damaged | stops with an error for weights; writes a shard again |
 * | is missing | makes it |
 *
 * A stage locks the folders that it will write (lock.h). If two jobs want to write the same folder, the second one is
 * refused.
 *
 *     RUN/config.yaml   RUN/members/m000/{weights.h5, metrics.jsonl}   RUN/cache/
 *     RUN/student/NAME/{weights.h5, metrics.jsonl}   RUN/report/[NAME/]{report.json, predictions.h5}
 */
#ifndef TRB_STAGES_H
#define TRB_STAGES_H

#include "tribikos/comm.h"
#include "tribikos/config.h"
#include "tribikos/corrupt.h"
#include "tribikos/data.h"
#include "tribikos/metrics.h"
#include "tribikos/ranks.h"
#include "tribikos/tree.h"

/** The files of data.train, or of data.test, with all that the keys of `data` say of how to read them. Local. The
 * strings are borrowed from the configuration.
 * \param[in] labels  whether the caller needs labels or targets */
trb_data_files trb_run_files(const trb_config *c, bool test, trb_labels labels);

/** Check what all four stages need before the first one runs for hours: data files, labels, layer lists, batches,
 * ranks, memory for the cache, the kind of a cache that is there, room on the disk. */
trb_status trb_stage_check(trb_comm *world, const trb_config *c);

/** Train the wanted members that are missing. Groups of ranks take members from a queue, the most expensive ones first.
 * If there are more ranks than members, a group has several ranks, which train one member data-parallel by lanes (equal
 * parts of a batch). */
trb_status trb_stage_train(trb_comm *world, const trb_config *c);

/** Write the missing shards of all members over all views, then the manifest. */
trb_status trb_stage_cache(trb_comm *world, const trb_config *c);

/** A way to store a row of a member: all logits, in float32, float16 or 8 bits (256 values at equal distances between
 * the smallest and the largest one of the row); or the most probable classes (top.h) in float16. */
typedef enum { TRB_STORED_F32, TRB_STORED_F16, TRB_STORED_8_BITS, TRB_STORED_TOP } trb_stored_form;
/** What it costs: figures of the members' predictions after that way. From the most probable classes, all classes of the
 * tail get equal shares of it. */
typedef struct {
    trb_stored_form form;
    size_t top; /* classes of TRB_STORED_TOP */
    char name[40];
    size_t bytes;       /* of a row, before packing */
    trb_metrics *model; /* [M + 1]: accuracy, nll, brier, ece and uncertainties; the last one is the ensemble */
} trb_storage;
enum { TRB_STORAGES = 10 };
typedef struct {
    size_t M, K, samples, n;
    trb_storage form[TRB_STORAGES]; /* float32 is the first one */
} trb_storages;

/** Compute what each way to store the cache costs, from the members' weights, on the held-out samples of data.train. It
 * writes nothing. The weights of all members are in memory.
 * \param[out] out  trb_storages_clear(), after a failure too
 * \return TRB_ECONFIG if there are no held-out samples, or no classes */
trb_status trb_stage_storage(trb_comm *world, const trb_config *c, trb_storages *out);
void trb_storages_clear(trb_storages *s); /* Local. */

/** Train the students. The cache replaces the members. */
trb_status trb_stage_distill(trb_comm *world, const trb_config *c);

/** Remove the former ones of students that were trained again. The last stage of a command, so that a command which is
 * stopped after the training does not train them once more when it is repeated. */
trb_status trb_stage_settle(trb_comm *world, const trb_config *c);

/** What one view of the cache will need on disk. */
typedef struct {
    char recipe[TRB_RECIPE_BYTES];
    bool stored; /* the inputs of this view are stored */
    size_t files;
    double bytes; /* before packing */
} trb_plan_view;

typedef struct {
    char name[TRB_NAME_MAX + 16]; /* "distill NAME" */
    double one_s, all_s;          /* seconds with one rank; with all ranks */
    /* Peak memory of rank 0, which holds most: of a training from the beginning, and of one resumed from a checkpoint.
     * NaN if so many ranks cannot share the training; 0 for the stages of the cache. */
    double begin_bytes, resume_bytes;
    double shared_bytes; /* the part of them that the ranks of a node hold together */
} trb_plan_stage;

typedef struct {
    size_t ranks, node_ranks; /* node_ranks: of one node, as the batch system says, or one for each processor */
    size_t samples, n_views, n_stages;
    trb_plan_view *view;
    trb_plan_stage *stage; /* members, inputs, logits, then the students */
} trb_plan;

/** Predict what the whole configuration will need, as if no file existed yet. Nothing is written.
 *   - Files and bytes of the cache follow from their layout.
 *   - Times follow from calls of the configured networks, which are measured here, once for each different network.
 *     They do not include the exchange between ranks, reading and augmentation, which overlap with the steps, nor
 *     evaluation.
 *   - Memory is measured by opening the trainings as they will be opened, which needs about as much memory here. It
 *     does not include what libraries hold (MPI, HDF5, oneDNN).
 * What a stage would refuse is refused here too. For a number of ranks, their memory and the room on the disk there is
 * a warning only, because the run may have others. Collective over world.
 * \param[in] ranks  the number of ranks to plan for; 0: as many as world has
 * \param[out] plan  released with trb_plan_clear() */
trb_status trb_stage_plan(trb_comm *world, const trb_config *c, size_t ranks, trb_plan *plan);
void trb_plan_clear(trb_plan *p);

/** One row of the report. */
typedef struct {
    char name[TRB_NAME_MAX + 1];
    bool several; /* has model uncertainty: more than one head or member, or a Dirichlet distribution */
    trb_metrics metrics;
    uint64_t params;      /* trained parameters; 0: not known (members from elsewhere) */
    double ms_per_sample; /* measured on one rank (math.threads threads) in batches of eval.batch; NaN if nothing was
                           * computed here; differs from run to run */
} trb_report_row;

/** Scores that detect out-of-distribution samples: model uncertainty, total uncertainty, 1 - max p. */
enum { TRB_SCORE_MODEL, TRB_SCORE_TOTAL, TRB_SCORE_MAX, TRB_SCORES };

/** NaN in the arrays means that a figure cannot be known, for example if a member has only cached logits, which are
 * those of the training set. */
typedef struct {
    trb_task task;
    size_t n, samples, members; /* members: how many were evaluated; 0 if none could be */
    trb_report_row *row;        /* [n]; with members: m000, ... (only if their layers differ), member_mean, ensemble;
                                 * then the students */
    size_t *ood_samples;        /* [eval.ood] */
    trb_detection *ood;         /* [eval.ood][n][TRB_SCORES] */
    trb_metrics *ood_metrics;   /* [eval.ood][n] mu_pearson and mu_spearman are known at most */
    trb_metrics *corrupted;     /* [eval.corruptions][TRB_CORRUPT_STRENGTHS][n] */
    double *nll_by_size;        /* [members] calibrated NLL of ensembles of 1..M members; NULL if not calibrated */
    /* Digests of the training set, and of the set with the evaluated samples. */
    uint64_t trained_on, evaluated_on;
} trb_report;

/** Evaluate and publish RUN/report, or RUN/report/NAME if `eval.name` is set. A report of other samples than these is
 * never replaced.
 *
 * The figures have the same bits on any number of ranks, since every call has eval.batch rows. If weights of members
 * are missing, members are evaluated from the cache's logits, which were computed in calls of cache.block rows. The
 * figures then equal those of the weights up to rounding (net.h), and bit for bit only if both calls take the same
 * rows at once.
 * \param[out] report  on every rank; released with trb_report_clear() */
trb_status trb_stage_eval(trb_comm *world, const trb_config *c, trb_report *report);
void trb_report_clear(trb_report *r);

/** Find networks of a run that were trained again after a report was made. Local.
 * \param[in]  dir     the run   \param[in] report  report.json; one of an earlier version has no digests to compare
 * \param[out] older   their names, "m003, hydra"; NULL if there are none; trb_free() */
trb_status trb_report_older(const char *dir, const trb_tree *report, char **older);

/** A request for predictions: the network, the input files and the output. The caller keeps all pointers valid until the
 * stage returns. */
typedef struct {
    const char *source; /* the folder of a run, or a weights file */
    bool of_run;        /* it is a run */
    const char *model;  /* "ensemble", "member:3", or the name of a student; NULL: the first student, or without one the
                         * ensemble */
    size_t n_inputs;
    char *const *inputs;                           /* names of files, or patterns */
    const char *output;                            /* ends in .csv or .h5; NULL: CSV by `put` */
    trb_status (*put)(const char *text, size_t n); /* called on rank 0 */
    bool heads;                                    /* add the prediction of each head or member */
    bool force;                                    /* overwrite the output */
} trb_prediction_request;

/** Predict new samples, which need no labels, and write a row for each. Files are read by the schema of the network and
 * the keys data.* of the configuration, but for data.root. The output has these columns, which are data sets of the
 * same names in HDF5; N rows, K classes, M heads or members:
 *
 *   id                 the number of the row in the input, from 0 (int64); in CSV the names of rows, if a table has them
 *   label              the class with the largest probability, the first of several: its name, in HDF5 its number, as
 *                      the input counts them
 *   probabilities      [N][K] float32, in CSV a column for each class, probabilities.CLASS
 *   total_uncertainty, model_uncertainty, data_uncertainty    [N] nats
 *   calibrated         [N][K] as probabilities; only if the network has a temperature. That of the ensemble is the one
 *                      of RUN/report/report.json, if this report is about the same weights
 *   heads              [N][M][K] probabilities of each head; if asked for. In CSV heads.M.CLASS
 *
 * and for regression, all float64 and in the unit of the target:
 *
 *   mean, std, model_std, data_std    [N] of the mixture
 *   low, high                         [N] its central 95 % interval, between exact quantiles
 *   heads                             [N][M][2] mean and standard deviation of each head, in CSV heads.M.mean ...
 *
 * Probabilities and uncertainties have the bits of predictions.h5 for the same samples, and the output has the same
 * bytes for any number of ranks: blocks of eval.batch rows, counted over all files, are computed in one call each. A
 * rank takes groups of blocks in turn, and passes over the others. After each turn rank 0 gathers the rows and writes
 * them. So no rank holds more than one group, and rank 0 one of each rank. Nothing is left of a prediction that fails.
 * A row with an input that is NaN, infinite or beyond float32 has no prediction, nor has one whose outputs are not
 * finite: its label is -1, its numbers are NaN, and in CSV its fields are empty. A warning counts such rows. If the
 * input has labels, accuracy and NLL are printed; in regression RMSE and NLL. */
trb_status trb_stage_predict(trb_comm *world, const trb_config *c, const trb_prediction_request *request);

#endif
