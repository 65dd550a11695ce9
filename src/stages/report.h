/** The files of an evaluation: report.json and predictions.h5. All functions are local. */
#ifndef TRB_STAGES_REPORT_H
#define TRB_STAGES_REPORT_H

#include "describe.h"
#include "internal.h"
#include "tribikos/h5.h"
#include "tribikos/tree.h"

/** The weights that were evaluated, for report.json; all borrowed. */
typedef struct {
    size_t M, S;
    const uint64_t *member; /* [M] digests */
    const uint64_t *student;
    const char *const *name; /* [S] of the students */
} trb__weights_of;

/** report.json:
 *
 *   "program": trb_version(), "name": eval.name, "task": ..., "members": how many the ensemble has, 0 if there is none
 *   "split": ..., "digests": {"trained_on": ..., "evaluated_on": ...} of the data sets, "samples": N
 *   "weights": {"members": [...], "students": {STUDENT: ...}}    digests of the weights that were evaluated
 *   "schema": {...}                                 names of inputs and classes (schema.h); absent if there are none
 *   "data": {SET: {...}}                            what was read of each set (describe.h)
 *   "models": {MODEL: {"accuracy": ..., ...}}       the figures of metrics.h, and more; among them objects:
 *       "auroc_errors": {"model_uncertainty", "total_uncertainty"}     classes only
 *       "aurc": {"model_uncertainty", "total_uncertainty"}             regression: of the squared error
 *       "model_uncertainty_correlation": {"pearson", "spearman"}       of a student with the ensemble, as in mu_pearson
 *       "conformal": {"coverage", "mean_size"}                         at 90 %; regression: mean width of intervals
 *   "ensembles": {"calibrated_nll": [...]}          of 1..M members; null if not calibrated
 *   "ood": {SET: {"samples": N, "models": {MODEL: {SCORE: {"auroc": ..., "aupr": ..., "fpr95": ...},
 *       "model_uncertainty_correlation": {"pearson", "spearman"}}}}}
 *   "corruptions": {NAME: {MODEL: {"accuracy": [...], "nll": [...], "ece": [...],
 *       "model_uncertainty_correlation": {"pearson": [...], "spearman": [...]}}}}   by strength
 *
 * SCORE is model_uncertainty, total_uncertainty or max_probability. Numbers are written with enough digits to read the
 * same double again; an unknown figure is null. A model that predicts something that is not finite in a row of a set
 * has no figures on that set; a warning says so, and the exit status is that of the others. brier_minus_1 is the form that the Hydra paper prints. ms_per_sample is
 * the only figure that is a measured time.
 * \param[in] set     [n_sets] the sets that were read
 * \param[in] schema  its text (schema.h), NULL if it says nothing */
trb_status trb__report_publish(const char *path, const trb_config *c, size_t n_sets, const trb__read_set *set,
                               const char *schema, const trb__weights_of *weights, const trb_report *r);
void trb__report_weights(const trb__weights_of *w, trb_text *t);

/** As trb_report_older(), for the report in a file, which need not be there.
 * \param[in] dir  the run   \param[out] older  NULL also if the file cannot be read as a report */
trb_status trb__report_older_at(const char *dir, const char *path, char **older);

/** The folder of the report that this configuration asks for, below the run. */
trb__path trb__report_folder(const trb_config *c);
/** Refuse to replace a report of other samples that would have the same name.
 * \param[in] evaluated_on  the digest of the data set with the samples
 * \return TRB_OK, also if there is no report, or one of an earlier version, which has no digest; TRB_EINTEGRITY */
trb_status trb__report_expect(const trb_config *c, uint64_t evaluated_on);

/** predictions.h5:
 *
 *   /sample_id [N]
 *   classes: /label [N]; the mean probabilities of a model as /NAME [N][K] float32
 *   regression: /target [N]; all Gaussians of a model's mixture as /NAME [N][heads][2] float32, mean and standard
 *   deviation in the target's unit; both are float64 if the schema has a target_offset
 *   the attribute `schema`, as in weights files
 *   a row whose prediction is not finite is NaN
 *   for this set and the sets out of distribution, float64: /uncertainty/SET/NAME/total [n]; .../model [n] if the model
 *   has model uncertainty; for classes .../max_probability [n]. In regression, uncertainties are variances */
typedef struct trb_h5 trb__predictions;
trb_status trb__predictions_create(const char *path, const trb_data *data, size_t n, const int64_t *id,
                                   trb__predictions **out);
/** \param[in] offset  what has been subtracted from targets: it is added to means   \param[in] p  shape */
trb_status trb__predictions_add(trb__predictions *f, const char *name, trb_h5_shape shape, double offset,
                                const float *p);
trb_status trb__predictions_add_uncertainty(trb__predictions *f, const char *set, const char *name, bool several,
                                            size_t n, const trb_row_figures *row);
trb_status trb__predictions_publish(trb__predictions *f);
void trb__predictions_abandon(trb__predictions *f); /* NULL allowed */

#endif
