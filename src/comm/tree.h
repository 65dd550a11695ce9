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
#include <stddef.h>

typedef struct {
    size_t lo, hi;
} trb__span;

/** Whether [a, m) and [m, b) are the two children of one node of the tree over [0, lanes). */
bool trb__siblings(size_t lanes, size_t a, size_t m, size_t b);

/** The complete subtrees of the run [first, first + count), in lane order; at most 2 log2(lanes) + 1.
 * \param[out] spans  [count] at most  \param[out] deepest  the most pieces that wait at one time; may be NULL
 * \return how many */
size_t trb__subtrees(size_t lanes, size_t first, size_t count, trb__span *spans, size_t *deepest);

#endif
