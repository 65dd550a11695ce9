#include "tree.h"

#include "tribikos/memory.h"

bool trb__siblings(size_t lanes, size_t a, size_t m, size_t b)
{
    size_t lo = 0, hi = lanes;
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

size_t trb__subtrees(size_t lanes, size_t first, size_t count, trb__span *spans, size_t *deepest)
{
    size_t n = 0, most = 0;
    for (size_t lane = first; lane < first + count; lane++) {
        spans[n++] = (trb__span){lane, lane + 1};
        if (n > most) most = n;
        while (n >= 2 && trb__siblings(lanes, spans[n - 2].lo, spans[n - 1].lo, spans[n - 1].hi)) {
            spans[n - 2].hi = spans[n - 1].hi;
            n--;
        }
    }
    if (deepest != NULL) *deepest = most;
    return n;
}

trb_status trb__meet(size_t lanes, int n, const trb__span *run, trb__meeting *m)
{
    trb_status st = TRB_OK;
    trb__span *pieces = NULL, *waiting = NULL;
    size_t *index = NULL, depth = 0;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *pieces, &pieces));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *waiting, &waiting));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *index, &index));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *m->whose, &m->whose));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *m->left, &m->left));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, lanes, sizeof *m->addition, &m->addition));
    for (int party = 0; party < n; party++) {
        const size_t theirs = trb__subtrees(lanes, run[party].lo, run[party].hi - run[party].lo, pieces, NULL);
        for (size_t i = 0; i < theirs; i++) {
            waiting[depth] = pieces[i];
            index[depth++] = m->n_pieces;
            m->left[m->n_pieces] = true;
            m->whose[m->n_pieces++] = party;
            while (depth >= 2 &&
                   trb__siblings(lanes, waiting[depth - 2].lo, waiting[depth - 1].lo, waiting[depth - 1].hi)) {
                m->addition[m->n_additions].into = index[depth - 2];
                m->addition[m->n_additions++].from = index[depth - 1];
                m->left[index[depth - 1]] = false;
                waiting[depth - 2].hi = waiting[depth - 1].hi;
                depth--;
            }
        }
    }
done:
    trb_free(index);
    trb_free(waiting);
    trb_free(pieces);
    return st;
}

void trb__meeting_clear(trb__meeting *m)
{
    trb_free(m->whose);
    trb_free(m->left);
    trb_free(m->addition);
    *m = (trb__meeting){0};
}
