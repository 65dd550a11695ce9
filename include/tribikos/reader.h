/** Reading a cache by batch.
 *
 * A reader serves a selection of a cache in the order of a plan: step after step, `rows` rows each. A plan names
 * samples and, if there are several views, a view for each sample. If all samples of the selection, in the stored
 * precision, and one step fit into `memory` bytes, the reader *keeps* them: it reads all shards once, when it is
 * opened. Otherwise it *streams*: a thread reads ahead. Both ways serve the same values.
 *
 * The plan of a reader that streams is divided into *windows* of steps. The thread fills one window while the other one
 * is served. It reads each chunk that a window needs once, in file order. The two windows, of at least two steps each,
 * and their index fill `memory`.
 *
 * A reader serves only the payload that the manifest lists. When it is opened, it reads every shard as a whole and
 * checks its digest. If it streams, it opens a shard again for each window. The attributes must still be those that the
 * manifest lists, and each chunk must have the digest (its *mark*) that the same rows had at the opening.
 */
#ifndef TRB_READER_H
#define TRB_READER_H

#include "tribikos/cache.h"

/** What a reader serves: the shards of one kind, for the first `views` views. For logits and top, those of the members
 * [m0, m0 + m_count); for other kinds, m0 and m_count are ignored. A reader of inputs skips rows of the plan whose view
 * has no stored inputs; the values that it serves for them are undefined. */
typedef struct {
    trb_shard_kind kind;
    size_t views, m0, m_count;
} trb_selection;

typedef struct trb_reader trb_reader;

/** Open a reader. It opens only the shards of its selection. Local. \param[in] c  borrowed until the close
 * \return TRB_OK; TRB_EINTEGRITY, naming the bad shard; TRB_ECONFIG, naming the least memory that works, if memory
 * cannot hold two windows */
trb_status trb_reader_open(const trb_cache *c, trb_selection of, size_t rows, size_t memory, trb_reader **out);
/** The bytes that a reader keeps if it does not stream; and the bytes that are left of `memory` after one step.
 * Local. */
size_t trb_reader_bytes(const trb_cache *c, trb_selection of);
size_t trb_reader_room(const trb_cache *c, trb_selection of, size_t rows, size_t memory);
/** Whether readers of such a cache, one on each of `ranks` ranks of a node, can be opened: they stream, or keep the
 * selection together. Local. \param[out] least  the memory with which each could stream */
bool trb_reader_serves(const trb_cache_spec *spec, trb_selection of, size_t rows, size_t memory, size_t ranks,
                       size_t *least);
/** How many marks a reader has if it streams. Local. */
size_t trb_reader_marks(const trb_cache *c, trb_selection of);
/** What the readers of one node share if they are opened together with the same selection. At the opening, reader
 * `part` of `parts` reads every parts-th shard. So no reader may serve before all of them are open. */
typedef struct {
    size_t part, parts;
    void *kept;      /* NULL, or [trb_reader_bytes()], borrowed until the close: they keep, whatever `memory` is */
    uint64_t *marks; /* NULL, or [trb_reader_marks()], borrowed until the close, for readers that stream */
} trb_reader_share;
/** Open a reader as one of several. Local. Without shared memory for its results, the reader reads every shard
 * itself. */
trb_status trb_reader_open_part(const trb_cache *c, trb_selection of, size_t rows, size_t memory,
                                trb_reader_share share, trb_reader **out);
/** Begin a plan, for example for an epoch. Local. The plan before it is dropped.
 * \param[in] sample [steps][rows] ids   \param[in] view [steps][rows] or NULL for view 0; both borrowed until the next
 * plan or the close */
trb_status trb_reader_plan(trb_reader *r, size_t steps, const int64_t *sample, const uint16_t *view);
/** The next step's logits, statistics, or most probable classes (top.h). Local.
 * \param[out] t  [rows][m_count][K], [rows][2K+1], or [rows][m_count][TRB_TOP(k, K)]; borrowed until the next call
 * \return TRB_OK; a failure of the thread (TRB_EINTEGRITY for a shard that has changed since the opening), after which
 * only the close is allowed */
trb_status trb_reader_next(trb_reader *r, const float **t);
/** The same for inputs. \param[out] x  [rows][C][H][W] as stored */
trb_status trb_reader_next_inputs(trb_reader *r, const void **x);
bool trb_reader_streams(const trb_reader *r); /* Local. */
size_t trb_reader_read(const trb_reader *r);  /* Local. Bytes of rows that were read from shards so far. */
/** End the thread after at most one chunk, and release everything. Local. NULL allowed.
 * \return TRB_OK; a failure of the thread, even if no step has returned it */
trb_status trb_reader_close(trb_reader *r);

#endif
