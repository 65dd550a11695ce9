/** Labels against outputs: what cannot be learnt is refused, and what looks like a mistake gets a warning. Local. */
#ifndef TRB_STAGES_LABELS_H
#define TRB_STAGES_LABELS_H

#include "dataset.h"

/** Refuse to train members on one class only. Students may learn from outside members on samples without meaningful
 * labels; for them trb__labels_warn() suffices. \return TRB_OK, also for regression; TRB_EINPUT, and what to do */
trb_status trb__labels_check(const trb_config *c, const trb__dataset *s);

/** Warn of a single class, of classes without samples in the training part, and of classes that occur there but not in
 * the held-out part. Each warning is printed once. Call it after the networks are checked, because refusals say the
 * same and more.
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb__labels_warn(const trb__dataset *s);

/** Refuse labels of a set to be reported for which networks have no outputs, and say how many samples have them. Warn
 * once of labels of which the training set has no sample: their figures are those of classes that nobody has learnt.
 * \param[in] what  of the set, e.g. "data.test"   \param[in] outputs  0: not known
 * \return TRB_OK, also for regression and without labels; TRB_ECONFIG; TRB_ENOMEM */
trb_status trb__labels_check_reported(const char *what, const trb_data *trained_on, const trb_data *d, size_t outputs);

/** Refuse a network of fewer outputs than labels need. The message says which labels occur, and what to do.
 * \return TRB_ECONFIG */
trb_status trb__labels_refuse(const trb_data *d, size_t outputs);

/** The weight of each class in a member's loss: n / (k n_y), where n are the samples of the training part, n_y those of
 * class y, and k the number of classes that occur. So a class counts as much as any other, and the mean weight of a
 * sample is 1. A class without samples has weight 0.
 * \param[out] weight  [classes]   \return TRB_OK; TRB_ENOMEM */
trb_status trb__labels_balance(const trb__dataset *s, size_t classes, float *weight);

#endif
