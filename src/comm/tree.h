/** The fixed binary tree over lanes, as a list of additions.
 *
 * The sum over [a, b) is the sum over [a, m) plus the sum over [m, b), m = a + the largest power of two below b - a.
 * A rank that holds a run of lanes adds up the subtrees that are complete within the run. A rank that then holds all
 * subtrees, in lane order, adds up the rest. Both use the same method: push the next piece on a stack, and while the
 * two topmost pieces are siblings in the tree, add them.
 */
#ifndef TRB_COMM_TREE_H
#define TRB_COMM_TREE_H

#include <stdbool.h>

#include "tribikos/status.h"

typedef struct {
    size_t lo, hi;
} trb__span;

/** Whether two spans are the two children of one node of the tree over [0, lanes). */
bool trb__siblings(size_t lanes, trb__span left, trb__span right);

/** Push a span on the stack and merge siblings. \return the new depth of the stack, which may be smaller than before */
size_t trb__push_span(size_t lanes, trb__span *stack, size_t depth, trb__span next);

/** into += from; n numbers. */
void trb__add(size_t n, float *restrict into, const float *restrict from);

/** How several parties add up their lanes. The pieces are the complete subtrees within each party's lanes, in lane
 * order; the additions are those that the tree allows between them. If all lanes are there, one piece is left: the
 * first. */
typedef struct {
    size_t n_pieces, n_additions;
    int *whose; /* [n_pieces] which party holds it */
    bool *left; /* [n_pieces] whether the piece remains, that is, is not added to another one */
    struct {
        size_t into, from;
    } * addition; /* [n_additions] in this order, by indices of pieces */
} trb__meeting;

/** \param[in] party  [lanes] which party has the lane; -1: none of them
 * \param[out] m  zero before; the caller clears it, also after a failure */
trb_status trb__meet(size_t lanes, const int *party, trb__meeting *m);
void trb__meeting_clear(trb__meeting *m);

#endif
