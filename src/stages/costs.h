/** What a training has cost: messages, waiting, memory. */
#ifndef TRB_STAGES_COSTS_H
#define TRB_STAGES_COSTS_H

#include "heads.h"

/** Log the costs of all ranks, for those who ask whether more ranks, fewer, or more head groups would do. Collective over
 * the grid, before the exchanges are closed. \param[in] h  NULL if the network is in one part */
trb_status trb__costs_report(const trb__fit *f, const trb__heads *h);

#endif
