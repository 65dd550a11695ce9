/** Reading a cache by batch.
 *
 * A reader serves a selection of a cache in the order of a plan: step after step, `rows` rows each. A plan names
 * samples and, if there are several, views. If what the reader serves (all samples of the selection, in the stored
 * precision, and one step) fits `memory` bytes, it is read once and kept. Otherwise a thread reads ahead: it takes the
 * plan window by window, reads each chunk that a window needs once, in file order, and fills one window while the other
 * is served; the two windows, of at least two steps each, and their index fill `memory`. What is served is the same
 * either way.
 *
 * Nothing is served that is not the payload which the manifest lists. Every shard is read as a whole at the opening,
 * and checked by digest. A streamed one is opened again for each window: it must still be the shard that the manifest
 * lists, by its attributes, and each chunk must have the digest (its *mark*) that the same rows had at the opening.
 */
#ifndef TRB_READER_H
#define TRB_READER_H

#include "tribikos/cache.h"

/** What a reader serves: the shards of one kind, of the first `views` views; of logits those of the members
 * [m0, m0 + m_count), which are not looked at for other kinds. Rows of a plan whose view has no inputs are passed over
 * by a reader of inputs, and what is served in their place may be anything. */
typedef struct {
    trb_shard_kind kind;
    size_t views, m0, m_count;
} trb_selection;

typedef struct trb_reader trb_reader;

/** Local. Opens only the shards of its selection. \param[in] c borrowed until close
 * \return TRB_OK; TRB_EINTEGRITY naming the bad shard; TRB_ECONFIG, naming the least that works, if memory cannot hold
 * two windows */
trb_status trb_reader_open(const trb_cache *c, trb_selection of, size_t rows, size_t memory, trb_reader **out);
/** Bytes that a reader keeps, and how many of them `memory` has room for beside a step. Local. */
size_t trb_reader_bytes(const trb_cache *c, trb_selection of);
size_t trb_reader_room(const trb_cache *c, trb_selection of, size_t rows, size_t memory);
/** How many marks a reader has that streams. Local. */
size_t trb_reader_marks(const trb_cache *c, trb_selection of);
/** What readers of a node share that are opened together, with the same selection. Reader `part` of `parts` reads its
 * part of the shards at the opening, every parts-th one: nothing may be served before all are opened. */
typedef struct {
    size_t part, parts;
    void *kept;      /* NULL, or [trb_reader_bytes()] until their close: then they keep, whatever `memory` says */
    uint64_t *marks; /* NULL, or [trb_reader_marks()] until their close, for readers that stream */
} trb_reader_share;
/** Open a reader as one of several. Local. One that lacks shared room for what it finds out reads every shard itself.
 */
trb_status trb_reader_open_part(const trb_cache *c, trb_selection of, size_t rows, size_t memory,
                                trb_reader_share share, trb_reader **out);
/** Begin a plan (an epoch's). Local. Any plan before it is dropped.
 * \param[in] sample [steps][rows] ids   \param[in] view [steps][rows] or NULL for view 0; both borrowed until the next
 * plan or the close */
trb_status trb_reader_plan(trb_reader *r, size_t steps, const int64_t *sample, const uint16_t *view);
/** The next step's logits, or statistics. Local.
 * \param[out] t  [rows][m_count][K], or [rows][2K+1]; borrowed until the next call
 * \return TRB_OK; what went wrong in the thread (TRB_EINTEGRITY for a shard that has changed since the opening): then
 * only the close is left */
trb_status trb_reader_next(trb_reader *r, const float **t);
/** The same for inputs. \param[out] x  [rows][C][H][W] as stored */
trb_status trb_reader_next_inputs(trb_reader *r, const void **x);
bool trb_reader_streams(const trb_reader *r); /* Local. */
size_t trb_reader_read(const trb_reader *r);  /* Local. Bytes of rows that it has read from shards so far. */
/** End the thread after at most one chunk, release everything. Local. NULL allowed.
 * \return TRB_OK, or the thread's failure, also if no step met it */
trb_status trb_reader_close(trb_reader *r);

#endif
