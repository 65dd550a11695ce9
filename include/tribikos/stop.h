/** Stopping a run by a signal or a time limit, so that the same command can continue it.
 *
 * A signal, or the end of run.time_limit, only sets a flag. A training looks at the flag at the end of each step; all
 * ranks agree, save a checkpoint of the next step and end with TRB_STOPPED. Caching and evaluation end between two
 * blocks of samples. The work after a student's last step, matching included, is finished first: it takes seconds, and
 * stopping there would lose the training since the last checkpoint. The signs of life of comm.h spread the flag, so
 * that a signal to one rank stops all ranks.
 *
 * A second signal, or the end of run.grace, ends the process at once. This loses what was computed since the last
 * checkpoint, but leaves no broken file: files get their names when they are complete. A signal within a second of the
 * first one does not count as a second, because a batch system, a launcher and a job script often deliver one each.
 *
 * There is no signal handler, because oneDNN uses the stack pointer as a pointer into a workspace while it multiplies:
 * the kernel would write the handler's frame into the heap (oneDNN issue 4845). Instead all signals that end or stop a
 * run are blocked in every thread, and one thread of this module waits for them.
 *
 * Other libraries install handlers in the process (SigCgt in /proc/PID/status), which do no harm:
 *   ILL, BUS, FPE, SEGV  Open MPI 4 and 5, MPICH: they report a crash. The thread itself raises them, and it is lost
 *                        then
 *   ABRT                 Open MPI 4 and 5: the same
 *   HUP, USR1            Open MPI 5 (HUP), MPICH (both): blocked here
 *   33                   glibc: for setuid(), which nothing here calls
 */
#ifndef TRB_STOP_H
#define TRB_STOP_H

#include <stddef.h>

#include "tribikos/status.h"

/** The number of a signal by its name ("USR1", "TERM"); 0 if it cannot stop a run. Local. */
int trb_stop_signal(const char *name);

/** Block USR1, USR2, TERM, INT and HUP, ignore PIPE, and start the thread that waits for signals. Local; call it before
 * anything starts a thread (MPI does), because threads inherit what is blocked. Until trb_stop_open() it
 * remembers USR1, USR2 and TERM, while INT and HUP have their default effect.
 * \param[in] end  ends the process at once, with this exit status; called on the thread
 * \return TRB_OK; TRB_EIO if the thread cannot be started: the signals then stay blocked */
trb_status trb_stop_start(void (*end)(int status));

/** Set which signals stop the run from now on, and its time limit. The other signals have their default effect, even
 * one that was remembered. Local, after trb_stop_start(). A later call replaces these settings and forgets every reason
 * to stop except a signal.
 * \param[in] limit_s  seconds from the beginning of the job ($SLURM_JOB_START_TIME; without it from now), 0 for no
 * limit. The limit only counts after trb_stop_progress()
 * \param[in] grace_s  seconds in which the program must end after the first signal or the limit, 0 for no such limit */
void trb_stop_open(size_t n, const int *signals, double limit_s, unsigned grace_s);

/** Report that a step, a shard or a block is done, or that this run waits for another job. The time limit can end the
 * run only after this call. Otherwise a limit shorter than the start would make a job restart for ever. Local. */
void trb_stop_progress(void);

/** End the thread. Local. Signals stay blocked, so that a run that has done its work does not end as if killed. */
void trb_stop_close(void);

/** Why the run is to stop: a signal's number, -1 for the time limit, 0 if it is not to stop. Local, cheap, from any
 * thread. */
int trb_stop_reason(void);
/** Report that another rank is to stop for this reason; 0 means that it is not. Local. */
void trb_stop_heard(int reason);

/** Local. \return TRB_STOPPED, with a line that says why, if the run is to stop; otherwise TRB_OK */
trb_status trb_stop_check(void);

#endif
