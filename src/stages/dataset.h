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
    trb_shared *block;  /* the shared memory that holds `data`; NULL if the rank has a copy of its own */
    trb_schema *schema; /* of a training set: by which it and all other sets are read; data.schema points to it */
    char *schema_text;  /* the schema's text form; NULL: it says nothing */
    double *offset;     /* [shape.c] what has been subtracted from inputs; NULL: nothing from any value */
    size_t n_train, n_val;
    int64_t *train, *val; /* ids, ascending */
} trb__dataset;

/** Names of files that patterns have been replaced by. */
typedef struct {
    char *text, **name;
} trb__matches;
/** Replace the patterns in names of files by what rank 0 finds. Without any, nothing is done. Collective over world;
 * the status is agreed.
 * \param[in,out] files  its names are then borrowed from `names`, which is to be cleared after a failure too */
trb_status trb__files_match(trb_comm *world, trb_data_files *files, trb__matches *names);
void trb__matches_clear(trb__matches *names);

/** Read the data set of these files, whose names may be patterns, by their schema. The ranks of a node read it once and
 * share it. Says how many missing values and rows there were. Collective over world.
 * \param[in] what  "data.test", for messages
 * \param[out] s  data and block */
trb_status trb__dataset_read(trb_comm *world, const char *what, const trb_data_files *files, trb__dataset *s);

/** Let rank 0 look at the training files, and tell all ranks how to read them and all later files. Collective over
 * world.
 * \param[out] schema  trb_schema_clear(), then trb_free() */
trb_status trb__schema_decide(trb_comm *world, const trb_data_files *files, trb_schema **schema);

/** For `data.format: images`: pack the training folder, or that of the test set, into RUN/data if that has not been done
 * before; otherwise check that the folder has not changed. Ranks wait with signs of life for rank 0. For other formats
 * nothing is done. Collective over world.
 * \param[in] writes  false: a folder that is not packed yet is refused */
trb_status trb__images_ready(trb_comm *world, const trb_config *c, bool test, bool writes);

/** What separates the fields of tables, for trb_data_files.separator. Local. */
char trb__separator(const trb_config *c);

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
