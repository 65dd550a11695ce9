/** The files of an evaluation: report.json and predictions.h5. All functions are local. */
#ifndef TRB_STAGES_REPORT_H
#define TRB_STAGES_REPORT_H

#include "tribikos/data.h"
#include "tribikos/stages.h"

/** report.json: {"split": ..., "samples": N, "models": {"member_mean": {"accuracy": ..., ...}, ...}}. Numbers
 * round-trip; brier_minus_1 is the form that the Hydra paper prints; ms_per_sample is the only figure that is measured
 * time. */
trb_status trb__report_publish(const char *path, const char *split, const trb_report *r);

/** predictions.h5: /sample_id [N], and of classes /label [N] and a model's mean probabilities as /NAME [N][K] float32;
 * of regression /target [N] and all Gaussians of a model's mixture as /NAME [N][heads][2] float32, mean and standard
 * deviation in the target's unit. */
typedef struct trb_h5 trb__predictions;
trb_status trb__predictions_create(const char *path, const trb_data *data, size_t n, const int64_t *id,
                                   trb__predictions **out);
trb_status trb__predictions_add(trb__predictions *f, const char *name, trb_h5_shape shape, const float *p);
trb_status trb__predictions_publish(trb__predictions *f);
void trb__predictions_abandon(trb__predictions *f); /* NULL allowed */

#endif
