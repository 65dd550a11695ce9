/** Faults on purpose, for tests that check which failures a run survives.
 *
 * The code passes named points (below). The environment variable TRB_FAULT chooses one passage of one of them:
 *
 *   POINT:NTH            the NTH passage (from 1) of the point fails on every rank, with TRB_ENOMEM at alloc and
 *                        TRB_EIO elsewhere
 *   POINT:NTH:RANK       the same on one rank, `*` for every rank; a rank counts its own passages from when it knows
 *                        its number
 *   POINT:NTH:RANK:kill  ends the process there with SIGKILL, as if its node had died
 *   POINT:NTH:RANK:usr1  sends the process SIGUSR1
 *   POINT:NTH:RANK:sleep makes the passage take a second, as if a disk were slow, and prints a warning
 *   POINT:NTH:RANK:stop  stops the process until SIGCONT, as if its node hung
 *   count:FILE           nothing fails; at its end each process appends a line `RANK POINT PASSAGES` to FILE for every
 *                        point. Rank -1 has the passages before the rank was known, which a fault without a rank counts
 *                        too. So a test can walk all points of a run
 *   trace:FILE           nothing fails; each process appends a line `RANK POINT NTH STACK CHANGES` to FILE at every
 *                        passage: a hash of the call stack, and how often this process has changed files before. Of
 *                        passages with the same stack between two changes, a test can take the first and the last
 *
 * Faults are compiled into every build. Without the variable a passage costs one load.
 *
 * Points: alloc, agree (before ranks agree on how something went, or on a step), file.folder, file.create, file.write,
 * file.sync, file.rename, file.open, file.read, train.step (of members and students), cache.unit, cache.chunk (of a
 * cache that is streamed), eval.unit, match.unit, validate.step (of the held-out samples), thread.start. Any other name
 * or action makes every passage fail with TRB_ECONFIG.
 */
#ifndef TRB_FAULT_H
#define TRB_FAULT_H

#include "tribikos/status.h"

/** Tell this process's rank. Before this call a fault with a rank never fires. Local. */
void trb_fault_rank(int rank);

/** Set how to know that this process has taken a signal: the action usr1 waits until `taken` returns a value other than
 * 0. Local. */
void trb_fault_signals(int (*taken)(void));

/** Pass a point. Local, thread-safe. \return TRB_OK, or a failure if this passage is the chosen one */
trb_status trb_fault(const char *point);

#endif
