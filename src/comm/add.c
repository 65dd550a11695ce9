/* The addition of gradients. It has a file of its own, so that a simulation of the exchange can replace it by the
 * seconds that it takes. */
#include "tree.h"

#include "tribikos/wide.h"

TRB_WIDE static void add(size_t n, float *restrict into, const float *restrict from)
{
    for (size_t i = 0; i < n; i++) into[i] += from[i];
}

void trb__add(size_t n, float *restrict into, const float *restrict from)
{
    add(n, into, from);
}
