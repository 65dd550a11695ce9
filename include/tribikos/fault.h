/** Faults on purpose, for tests of what a run survives.
 *
 * TRB_FAULT=POINT:NTH[:RANK] makes the NTH passage (from 1) of the named point fail on that rank (any rank if none is
 * given): with TRB_ENOMEM at alloc, with TRB_EIO elsewhere. TRB_FAULT=POINT:NTH:RANK:kill ends the process there with
 * SIGKILL instead, as a dying node would (RANK may be `*`); TRB_FAULT=POINT:NTH:RANK:usr1 sends the process this
 * signal; TRB_FAULT=POINT:NTH:RANK:sleep makes the passage take a second, as a slow disk would, with a line about it;
 * TRB_FAULT=POINT:NTH:RANK:stop stops the process there until SIGCONT, as a node that hangs would. A rank counts its
 * own passages, from when it knows its number.
 *
 * TRB_FAULT=count:FILE fails nothing: at its end each process appends a line `RANK POINT PASSAGES` to FILE for every
 * point, with rank -1 for what was passed before the rank was known (which a fault without a rank counts too). So a
 * test can walk all points of a run.
 *
 * Always compiled in, off unless the variable is set; a passage costs one load when it is off.
 *
 * Points: alloc, agree (before ranks agree on how something went, or on a step), file.folder, file.create, file.write,
 * file.sync, file.rename, file.open, file.read, train.step (of members and students), cache.unit, cache.chunk (of a
 * cache that is streamed), eval.unit, match.unit, thread.start. Any other name, and anything else in the place of kill,
 * usr1, sleep and stop, makes every passage fail with TRB_ECONFIG.
 */
#ifndef TRB_FAULT_H
#define TRB_FAULT_H

#include "tribikos/status.h"

/** Tell the points which rank they are on; before that, a fault with a rank never fires. Local. */
void trb_fault_rank(int rank);

/** Say how to know that this process has taken a signal: usr1 waits until `taken` returns something else than 0. Local. */
void trb_fault_signals(int (*taken)(void));

/** Pass a point. Local, thread-safe. \return TRB_OK, or a failure if this passage is the chosen one */
trb_status trb_fault(const char *point);

#endif
