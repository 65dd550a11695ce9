/** The grid of ranks that train one network: which rank computes which lanes of a batch, and which heads.
 *
 * A batch is cut into L lanes. A student's heads may be cut into H head lanes of equally many heads, which are to heads
 * what lanes are to a batch: the unit of work, whose calls have the same shape whichever rank computes it. The ranks
 * stand in rows of G columns; rank = row * G + column. Each row has a run of neighbouring lanes (trb_share). A rank
 * computes the body for every G-th of its row's lanes. It holds the head lanes trb_share(H, column, G), their heads and
 * the members that these follow, and computes them for all lanes of its row. So bits depend on L and H, but not on G.
 *
 * Most trainings have one column. With servers (exchange.h) the first ranks stand in no row.
 *
 * A row works on its lanes in rounds of up to G items, item j being the lane of column j. The item's features go to all
 * columns. What their head lanes answer, a gradient by the features or a part of a soft target, comes back as a sum
 * over head lanes in the tree of exchange.h. A rank that fails takes part all the same, whatever its numbers hold: all
 * calls of a round are collective over the row.
 */
#ifndef TRB_GRID_H
#define TRB_GRID_H

#include "tribikos/comm.h"

typedef struct {
    size_t lanes;      /* L */
    size_t servers;    /* this many ranks, the first ones, have no lanes; above 0 only with one column */
    size_t columns;    /* G */
    size_t head_lanes; /* H, a multiple of G; 1: heads are not cut */
    size_t members;    /* M, a multiple of H */
} trb_grid_shape;

/** Lanes first, first + step, ...; `count` of them. */
typedef struct {
    size_t first, count, step;
} trb_lanes;

/** A part of a network, which some ranks share. All ranks share the body, or all of a network that is not cut; a rank
 * computes it for `lanes` of trb_grid. The ranks of a column share its heads; a rank computes them for `row_lanes`. */
typedef enum { TRB_BODY, TRB_HEADS } trb_grid_part;

typedef struct {
    trb_grid_shape shape;
    trb_comm *world;           /* all ranks; borrowed */
    trb_comm *row, *column;    /* this rank's; NULL if heads are not cut */
    size_t at;                 /* the number of its column, which is its place in the row */
    trb_lanes lanes;           /* this rank's */
    trb_lanes row_lanes;       /* all of its row, in steps of 1 */
    size_t head_lane, n_lanes; /* its head lanes: the first one, how many */
    size_t member, n_members;  /* likewise the members that its heads follow */
} trb_grid;

/** Whether `ranks` ranks can form a grid without servers. Local. \return TRB_OK; TRB_ECONFIG with the numbers and the
 * nearest ones that work */
trb_status trb_grid_check(const trb_grid_shape *shape, int ranks);

/** A grid of one column for heads that are not cut. Local; it needs no close. */
trb_grid trb_grid_plain(trb_comm *world, size_t lanes, size_t servers);

/** Collective over world. \param[in] shape  one that trb_exchange_check() lets pass for so many ranks
 * \param[in] world  borrowed until the close   \param[out] out  closed by trb_grid_close(), also after a failure */
trb_status trb_grid_open(trb_comm *world, const trb_grid_shape *shape, trb_grid *out);
/** The same in a group without others (trb_comm_pretend()); row and column are such groups too. Local.
 * \param[in] shape  any; what is opened in a grid that the ranks do not fill will be refused */
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

/** Everyone's item to everyone. Collective over the row.
 * \param[in] items  of this round, 1..G   \param[in] mine  [n]; NULL of a column that has no item or failed
 * \param[out] all  [items][n], borrowed until the next gather */
trb_status trb_rounds_gather(trb_rounds *r, size_t items, const float *mine, const float **all);

/** Where this column's answer to the next item goes, head lane by head lane: [n]. First all head lanes of item 0.
 * Local. */
float *trb_rounds_answer(trb_rounds *r);
/** Say that the last trb_rounds_answer() is complete. Local, does not wait. */
trb_status trb_rounds_answered(trb_rounds *r);

/** End the round, in which every head lane of every item was answered. Collective over the row.
 * \param[out] sum  [n] of this column's item, borrowed until the next answer; NULL if it has none */
trb_status trb_rounds_sum(trb_rounds *r, size_t items, const float **sum);

/** What rounds have cost this rank up to now: seconds waited, bytes given to MPI. Local. */
void trb_rounds_worked(const trb_rounds *r, double *waited_s, uint64_t *bytes_sent);

#endif
