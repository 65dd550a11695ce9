/** What was read of a data set: one line on stderr before anything is trained, and the `data` section of report.json.
 * Local. */
#ifndef TRB_STAGES_DESCRIBE_H
#define TRB_STAGES_DESCRIBE_H

#include "dataset.h"
#include "tribikos/text.h"

/** A set that was read. All pointers are borrowed. */
typedef struct {
    const char *name; /* "train", "test", or that of a set out of distribution */
    const trb_data *data;
    trb_format format;
    bool unlabelled;            /* its labels are not used */
    const trb__dataset *parts;  /* of the training set: which rows are held out; else NULL */
    const trb_data *trained_on; /* of another set: the training set; else NULL */
} trb__read_set;

/** Print the line of a set, unless this process has printed it before or prints nothing. E.g.
 *
 *     train: 60,000 samples of 1 x 28 x 28 uint8, 10 classes (5421 to 6742 each), 5,000 held out
 *     train: 1,599 samples of 11 float32 inputs (fixed acidity, ... alcohol), target quality from 3 to 8 (mean 5.636,
 *     deviation 0.807), header: names the columns
 *
 * It also warns if rows of the held-out part, or of another set, are copies of rows of the training part; copies that
 * are fewer than one in a hundred stand in the line instead. \return TRB_OK; TRB_ENOMEM */
trb_status trb__describe(const trb__read_set *set);

/** Add the same as an object of JSON: samples, shape, type, digest; counts of classes, or range of targets; names of
 * columns; constant inputs; held_out; copies_of_training_rows. */
trb_status trb__describe_json(const trb__read_set *set, trb_text *t);

#endif
