/** The data set as training and evaluation see it. */
#ifndef TRB_STAGES_DATASET_H
#define TRB_STAGES_DATASET_H

#include "tribikos/comm.h"
#include "tribikos/config.h"
#include "tribikos/weights.h"

/** A training set: its samples, the ids to train on, and the constants of normalisation that follow from them. A test
 * set has only `data` and `block`. */
typedef struct {
    trb_data data;
    trb_shared *block; /* the shared memory that holds `data`; NULL if the rank has a copy of its own */
    size_t n_train, n_val;
    int64_t *train, *val; /* ids, ascending */
} trb__dataset;

/** Read the data set of these files. The ranks of a node read it once and share it. Collective over world.
 * \param[out] s  data and block */
trb_status trb__dataset_read(trb_comm *world, const trb_data_files *files, trb__dataset *s);

/** Read data.train, hold out data.validation samples, fix the normalisation. Collective over world.
 * \param[in] labels  whether the stage needs labels or targets */
trb_status trb__dataset_load(trb_comm *world, const trb_config *c, trb_labels labels, trb__dataset *s);
void trb__dataset_clear(trb__dataset *s);

/** The constants of normalisation, without which a network trained on these samples cannot be used. Borrowed. Local. */
trb_norm trb__dataset_norm(const trb__dataset *s);

/** Read the test set and normalise it as the training set. Collective over world.
 * \param[out] test  released with trb__dataset_clear() */
trb_status trb__dataset_load_test(trb_comm *world, const trb_config *c, const trb__dataset *s, trb__dataset *test);

#endif
