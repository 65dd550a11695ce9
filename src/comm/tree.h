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

/** Whether [a, m) and [m, b) are the two children of one node of the tree over [0, lanes). */
bool trb__siblings(size_t lanes, size_t a, size_t m, size_t b);

/** The complete subtrees of the run [first, first + count), in lane order; at most 2 log2(lanes) + 1.
 * \param[out] spans  [count] at most  \param[out] deepest  the most pieces that wait at one time; may be NULL
 * \return how many */
size_t trb__subtrees(size_t lanes, size_t first, size_t count, trb__span *spans, size_t *deepest);

/** How the pieces of several parties meet: the complete subtrees of each one's run of lanes, in lane order, and the
 * additions that the tree then allows. Where all lanes meet, one piece is left: the first. */
typedef struct {
    size_t n_pieces, n_additions;
    int *whose; /* [n_pieces] which party holds it */
    bool *left; /* [n_pieces] not added to another */
    struct {
        size_t into, from;
    } * addition; /* [n_additions] in this order, by indices of pieces */
} trb__meeting;

/** \param[in] run  [n] the parties' lanes, each beginning where the one before ends
 * \param[out] m  to be cleared by the caller, also after a failure */
trb_status trb__meet(size_t lanes, int n, const trb__span *run, trb__meeting *m);
void trb__meeting_clear(trb__meeting *m);

#endif
