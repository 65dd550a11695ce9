/** What a training has cost: bytes sent, time spent waiting, memory. */
#ifndef TRB_STAGES_COSTS_H
#define TRB_STAGES_COSTS_H

#include "heads.h"

/** Log the costs of all ranks. They help to decide whether more ranks, fewer ranks or more head groups are better.
 * Collective over the grid, before the exchanges are closed. \param[in] h  NULL if the network is in one part */
trb_status trb__costs_report(const trb__fit *f, const trb__heads *h);

#endif
