/** Reading the cache while a student is trained or matched. */
#ifndef TRB_STAGES_READING_H
#define TRB_STAGES_READING_H

#include "tribikos/comm.h"
#include "tribikos/reader.h"

/** A reader of the cache, and where it keeps what a node's ranks keep together. */
typedef struct {
    trb_reader *reader; /* NULL for a rank without rows */
    trb_shared *block;
} trb__reading;

/** Open a reader of `rows` rows a step. The ranks of a node with the same colour and selection share what they keep, if
 * it and their steps fit in `memory` bytes a rank, and the reading of shards. Collective over world; the status is
 * agreed. \param[in] rows  0: this rank needs no reader */
trb_status trb__reading_open(trb_comm *world, int color, const trb_cache *cache, trb_selection of, size_t rows,
                             size_t memory, trb__reading *out);
trb_status trb__reading_close(trb__reading *r); /* Local; what trb_reader_close() returns. */

/** Splits `memory` bytes between what is read of the members and the stored inputs of the same views, in proportion to
 * their bytes; returns the share of the inputs. Local. */
size_t trb__inputs_share(const trb_cache *cache, trb_selection of, size_t memory);
/** Open a reader of stored inputs, by `rows` rows a part, for the feed of a training; where none of the views has some
 * nothing is opened. Collective over world; the status is agreed. \param[in] rows  0: this rank needs none
 * \param[out] out  trb__reading_close()   \param[out] stored  for trb__fit, reads from `out` where that lies */
trb_status trb__inputs_open(trb_comm *world, const trb_cache *cache, size_t views, size_t rows, size_t memory,
                            trb__reading *out, trb_stored_rows *stored);

#endif
