#include "tree.h"

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
