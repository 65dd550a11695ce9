/** The grid of ranks that train one network: which rank computes which lanes of a batch, and which heads.
 *
 * A batch is cut into L lanes of equally many samples. A student's heads may be cut into H head lanes of equally many
 * heads. A lane, or a head lane, is a unit of work: its calls have the same shape whichever rank computes it. The ranks
 * form rows of G columns; rank = row * G + column. Each row has a run of neighbouring lanes (trb_share). A rank
 * computes the body for every G-th of its row's lanes. It holds the head lanes trb_share(H, column, G), their heads,
 * and the members that these follow, and computes them for all lanes of its row. So bits depend on L and H, but not on
 * G.
 *
 * Most trainings have one column. Servers (exchange.h) are the first ranks, and belong to no row.
 *
 * A row computes its lanes in rounds of up to G items, where item j is the lane of column j. The features of an item
 * are sent to all columns. Their head lanes answer, with a gradient by the features or a part of a soft target, and the
 * item's column receives the sum of the answers over head lanes, added in the tree of exchange.h. All calls of a round
 * are collective over the row, so a rank that has failed must make them too, whatever its numbers are.
 */
#ifndef TRB_GRID_H
#define TRB_GRID_H

#include "tribikos/comm.h"

typedef struct {
    size_t lanes;      /* L */
    size_t servers;    /* the first `servers` ranks have no lanes; above 0 only with one column */
    size_t columns;    /* G */
    size_t head_lanes; /* H, a multiple of G; 1: the heads are not cut */
    size_t members;    /* M, a multiple of H */
} trb_grid_shape;

/** Lanes first, first + step, ...; `count` of them. */
typedef struct {
    size_t first, count, step;
} trb_lanes;

/** A part of a network. TRB_BODY is the body, or the whole of a network that is not cut: all ranks share it, and a rank
 * computes it for the `lanes` of its trb_grid. TRB_HEADS are the heads of one column: the ranks of the column share
 * them, and a rank computes them for its `row_lanes`. */
typedef enum { TRB_BODY, TRB_HEADS } trb_grid_part;

typedef struct {
    trb_grid_shape shape;
    trb_comm *world;           /* all ranks; borrowed */
    trb_comm *row, *column;    /* those of this rank; NULL if the heads are not cut */
    size_t at;                 /* the number of its column, which is its rank in the row */
    trb_lanes lanes;           /* this rank's */
    trb_lanes row_lanes;       /* all lanes of its row, in steps of 1 */
    size_t head_lane, n_lanes; /* its head lanes: the first one, and how many */
    size_t member, n_members;  /* the members that its heads follow: the same */
} trb_grid;

/** Check that this number of ranks can form a grid without servers. Local. \return TRB_OK; TRB_ECONFIG with the numbers
 * and the nearest ones that work */
trb_status trb_grid_check(const trb_grid_shape *shape, int ranks);

/** A grid of one column, for heads that are not cut. Local; it needs no close. */
trb_grid trb_grid_plain(trb_comm *world, size_t lanes, size_t servers);

/** Collective over world. \param[in] shape  one that trb_exchange_check() accepts for the size of `world`
 * \param[in] world  borrowed until the close   \param[out] out  closed by trb_grid_close(), also after a failure */
trb_status trb_grid_open(trb_comm *world, const trb_grid_shape *shape, trb_grid *out);
/** The same in a pretended group (trb_comm_pretend()); row and column are pretended too. Local.
 * \param[in] shape  any; if the ranks do not fill the grid, opening something in it fails */
trb_status trb_grid_pretend(trb_comm *world, const trb_grid_shape *shape, trb_grid *out);
void trb_grid_close(trb_grid *g); /* Collective over world; Local if it was pretended. */

/** The ranks that share this part. Local; borrowed. */
trb_comm *trb_grid_group(const trb_grid *g, trb_grid_part part);
/** The lanes for which rank r of that group computes the part. Local. */
trb_lanes trb_grid_lanes(const trb_grid *g, trb_grid_part part, int r);

/** The rounds of a row. */
typedef struct trb_rounds trb_rounds;

/** Collective over the row. \param[in] g  borrowed until the close; its heads are cut   \param[in] n  numbers an item
 * \return the agreed status */
trb_status trb_rounds_open(const trb_grid *g, size_t n, trb_rounds **out);
void trb_rounds_close(trb_rounds *r); /* Local. NULL allowed. */

/** Send every column's item to all columns. Collective over the row.
 * \param[in] items  how many this round has, 1..G   \param[in] mine  [n]; NULL if this column has no item, or failed
 * \param[out] all  [items][n], borrowed until the next gather */
trb_status trb_rounds_gather(trb_rounds *r, size_t items, const float *mine, const float **all);

/** Where to write this column's next answer: [n]. Answers are given item by item, and for each item head lane by head
 * lane. Local. */
float *trb_rounds_answer(trb_rounds *r);
/** Report that the last trb_rounds_answer() is complete. Local, does not wait. */
trb_status trb_rounds_answered(trb_rounds *r);

/** End the round, after all head lanes have answered all items. Collective over the row.
 * \param[out] sum  [n] of this column's item, borrowed until the next answer; NULL if it has none */
trb_status trb_rounds_sum(trb_rounds *r, size_t items, const float **sum);

/** What the rounds have cost this rank so far: seconds waited, bytes given to MPI. Local. */
void trb_rounds_worked(const trb_rounds *r, double *waited_s, uint64_t *bytes_sent);

#endif
