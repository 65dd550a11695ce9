/** The fixed binary tree over lanes, as a program of additions.
 *
 * The sum over [a, b) is the sum over [a, m) plus the sum over [m, b), m = a + the largest power of two below b - a.
 * Whoever holds a run of lanes adds what is complete within the run ("subtrees"); whoever then holds all subtrees, in
 * lane order, adds the rest. Both do the same: push the next piece on a stack, and while the two topmost are siblings
 * in the tree, add them.
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

/** A span more on the stack, which grows by it or, as what is complete becomes one, shrinks. \return its depth */
size_t trb__push_span(size_t lanes, trb__span *stack, size_t depth, trb__span next);

/** into += from; n numbers. */
void trb__add(size_t n, float *restrict into, const float *restrict from);

/** How the pieces of several parties meet: the complete subtrees of what lanes each has, in lane order, and the
 * additions that the tree then allows. Where all lanes meet, one piece is left: the first. */
typedef struct {
    size_t n_pieces, n_additions;
    int *whose; /* [n_pieces] which party holds it */
    bool *left; /* [n_pieces] not added to another */
    struct {
        size_t into, from;
    } * addition; /* [n_additions] in this order, by indices of pieces */
} trb__meeting;

/** \param[in] party  [lanes] who has a lane; -1 for nobody who is here
 * \param[out] m  to be cleared by the caller, also after a failure */
trb_status trb__meet(size_t lanes, const int *party, trb__meeting *m);
void trb__meeting_clear(trb__meeting *m);

#endif
