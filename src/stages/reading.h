/** Reading the cache while a student is trained, matched or evaluated. The ranks of a node share what they read. */
#ifndef TRB_STAGES_READING_H
#define TRB_STAGES_READING_H

#include "tribikos/comm.h"
#include "tribikos/reader.h"

/** A reader of the cache, and the memory that it shares with other ranks of the node. */
typedef struct {
    trb_reader *reader; /* NULL for a rank without rows */
    trb_shared *block;
} trb__reading;

/** Open a reader of `rows` rows in each step. The ranks of a node that have the same colour and selection share the
 * work of reading shards. They also keep the rows together, if these and their steps fit into `memory` bytes for each
 * rank. Collective over world; the status is agreed. \param[in] rows  0: this rank needs no reader */
trb_status trb__reading_open(trb_comm *world, int color, const trb_cache *cache, trb_selection of, size_t rows,
                             size_t memory, trb__reading *out);
trb_status trb__reading_close(trb__reading *r); /* Local. Returns what trb_reader_close() returns. */

/** Split `memory` bytes between the members' values and the stored inputs of the same views, in proportion to their
 * sizes. Returns the share of the inputs, in bytes. Local. */
size_t trb__inputs_share(const trb_cache *cache, trb_selection of, size_t memory);
/** Open a reader of stored inputs, `rows` rows in each part, for the feed of a training. If no view has stored inputs,
 * nothing is opened. Collective over world; the status is agreed.
 * \param[in] rows     0: this rank needs no reader
 * \param[out] out     closed by trb__reading_close()
 * \param[out] stored  for trb__fit; it points to `out`, which must therefore stay where it is */
trb_status trb__inputs_open(trb_comm *world, const trb_cache *cache, size_t views, size_t rows, size_t memory,
                            trb__reading *out, trb_stored_rows *stored);

#endif
