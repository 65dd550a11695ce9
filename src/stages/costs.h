/** What a training has cost: bytes sent, time spent waiting, memory. */
#ifndef TRB_STAGES_COSTS_H
#define TRB_STAGES_COSTS_H

#include "heads.h"

/** Log the costs of all ranks. They help to decide whether more ranks, fewer ranks or more head groups are better.
 * Collective over the grid, before the exchanges are closed. If ranks wait for most of
 * the time, one line advises what to do, once in a job.
 * \param[in] h  NULL if the network is in one part   \param[in] work  NULL on a server; measured in a verbose run
 * \param[in] took_s,steps  of the training in this job */
trb_status trb__costs_report(const trb__fit *f, const trb__heads *h, const trb_work *work, double took_s,
                             uint64_t steps);

/** Bytes for a line: "3.1 MB", "4.0 kB", "nothing". Local. \return text */
const char *trb__amount(double bytes, char text[32]);

#endif
