/** Rows of the grid data x heads: what the ranks of a row, its columns, pass to each other.
 *
 * A student's heads are cut into H head lanes of equally many heads, which are to heads what lanes are to a batch: the
 * unit of work, whose calls have the same shape whoever computes it. Of the G columns of a row, column c holds the head
 * lanes trb_share(H, c, G), and the heads in them. The lanes of a batch that belong to the row are worked on in rounds
 * of up to G items, item j being the lane of column j: its features go to all columns, and what their head lanes
 * answer, a gradient by the features or a part of a soft target, comes back as a sum over head lanes in the tree of
 * exchange.h. So bits depend on H, but not on G.
 *
 * A rank that fails takes part all the same, whatever its numbers hold: all calls of a round are collective over the
 * row.
 */
#ifndef TRB_ROW_H
#define TRB_ROW_H

#include "tribikos/comm.h"

typedef struct trb_row trb_row;

/** Collective over the row. \param[in] row  borrowed until the close   \param[in] H  a multiple of the row's size
 * \param[in] n  numbers an item \return the agreed status */
trb_status trb_row_open(trb_comm *row, size_t H, size_t n, trb_row **out);
void trb_row_close(trb_row *r); /* Local. NULL allowed. */

/** How many head lanes this column holds. Local. */
size_t trb_row_own(const trb_row *r);

/** Everyone's item to everyone. Collective over the row.
 * \param[in] items  of this round, 1..G   \param[in] mine  [n]; NULL of a column that has no item or failed
 * \param[out] all  [items][n], borrowed until the next gather */
trb_status trb_row_gather(trb_row *r, size_t items, const float *mine, const float **all);

/** Where this column's answer to the next item goes, head lane by head lane: [n]. First all head lanes of item 0.
 * Local. */
float *trb_row_answer(trb_row *r);
/** Say that the last trb_row_answer() is complete. Local, does not wait. */
trb_status trb_row_answered(trb_row *r);

/** End the round, in which every head lane of every item was answered. Collective over the row.
 * \param[out] sum  [n] of this column's item, borrowed until the next answer; NULL if it has none */
trb_status trb_row_sum(trb_row *r, size_t items, const float **sum);

/** What rows have cost this rank up to now: seconds waited, bytes given to MPI. Local. */
void trb_row_worked(const trb_row *r, double *waited_s, uint64_t *bytes_sent);

#endif
