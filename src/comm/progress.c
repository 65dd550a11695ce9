/* The list of everything that makes progress on this rank while it waits: its exchanges. There is one list a process,
 * because MPI serves the whole process. */
#include "internal.h"

static trb__ongoing *first;

void trb__progress_add(trb__ongoing *o)
{
    o->next = first;
    first = o;
}

void trb__progress_remove(trb__ongoing *o)
{
    trb__ongoing **at = &first;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
}

void trb__move_all(void)
{
    for (trb__ongoing *o = first; o != NULL; o = o->next) o->move(o->ctx);
}
