/* The fixed binary tree over lanes (tree.h): which spans are siblings, and which additions several parties make. */
#include "tree.h"

#include "tribikos/memory.h"

/* Walks down from the root of the tree to the node [a, b), if there is such a node. */
bool trb__siblings(size_t lanes, trb__span left, trb__span right)
{
    const size_t a = left.lo, m = right.lo, b = right.hi;
    size_t lo = 0, hi = lanes;
    if (left.hi != m) return false;
    while (hi - lo > 1) {
        size_t half = 1;
        while (2 * half < hi - lo) half *= 2;
        const size_t mid = lo + half;
        if (lo == a && hi == b) return mid == m;
        if (b <= mid)
            hi = mid;
        else if (a >= mid)
            lo = mid;
        else
            return false;
    }
    return false;
}

size_t trb__push_span(size_t lanes, trb__span *stack, size_t depth, trb__span next)
{
    for (; depth > 0 && trb__siblings(lanes, stack[depth - 1], next); depth--) next.lo = stack[depth - 1].lo;
    stack[depth] = next;
    return depth + 1;
}

trb_status trb__meet(size_t lanes, const int *party, trb__meeting *m)
{
    trb_status st = TRB_OK;
    trb__span *piece = NULL, *waiting = NULL;
    size_t *index = NULL, depth = 0;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *piece, &piece));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *waiting, &waiting));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *index, &index));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *m->whose, &m->whose));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *m->left, &m->left));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *m->addition, &m->addition));
    /* First the pieces, which each party adds up by itself; then the additions between them. */
    for (size_t lane = 0; lane < lanes; lane++) {
        if (party[lane] < 0) continue;
        piece[m->n_pieces] = (trb__span){lane, lane + 1};
        m->left[m->n_pieces] = true;
        m->whose[m->n_pieces++] = party[lane];
        while (m->n_pieces >= 2 && m->whose[m->n_pieces - 2] == party[lane] &&
               trb__siblings(lanes, piece[m->n_pieces - 2], piece[m->n_pieces - 1])) {
            piece[m->n_pieces - 2].hi = lane + 1;
            m->n_pieces--;
        }
    }
    for (size_t i = 0; i < m->n_pieces; i++) {
        waiting[depth] = piece[i];
        index[depth++] = i;
        while (depth >= 2 && trb__siblings(lanes, waiting[depth - 2], waiting[depth - 1])) {
            m->addition[m->n_additions].into = index[depth - 2];
            m->addition[m->n_additions++].from = index[depth - 1];
            m->left[index[depth - 1]] = false;
            waiting[depth - 2].hi = waiting[depth - 1].hi;
            depth--;
        }
    }
done:
    trb_free(index);
    trb_free(waiting);
    trb_free(piece);
    return st;
}

void trb__meeting_clear(trb__meeting *m)
{
    trb_free(m->whose);
    trb_free(m->left);
    trb_free(m->addition);
    *m = (trb__meeting){0};
}
