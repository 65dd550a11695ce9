/** What a training has cost: bytes sent, time spent waiting, memory. */
#ifndef TRB_STAGES_COSTS_H
#define TRB_STAGES_COSTS_H

#include "heads.h"

/** Log the costs of all ranks. They help to decide whether more ranks, fewer ranks or more head groups are better.
 * Collective over the grid, before the exchanges are closed. If ranks wait for most of
 * the time, one line advises what to do, once in a job.
 * \param[in] h  NULL if the network is in one part   \param[in] took_s  seconds of the training */
trb_status trb__costs_report(const trb__fit *f, const trb__heads *h, double took_s);

#endif
