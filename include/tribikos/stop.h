/** Stopping a run from outside, so that the same command goes on where it was.
 *
 * A signal, or the end of the time that a run was given, only sets a flag. Trainings look at it at the end of each
 * step, agree, keep a checkpoint of the next step and end with TRB_STOPPED; caching and evaluation end between two
 * blocks of samples. What follows a student's last step, matching included, is finished first: it takes seconds, and
 * what a stop would lose is the training since the last checkpoint. comm.h's signs of life spread the flag, so that one
 * rank's signal stops all.
 *
 * A second signal, or the end of run.grace, ends the process at once: files appear under their names when they are
 * whole, so what is lost is what was computed since the last checkpoint. Signals within a second of the first are no
 * second one, because a batch system, a launcher and a job script often each deliver one.
 *
 * No signal handler runs. While oneDNN multiplies it uses the stack pointer as a pointer into a workspace, so that the
 * kernel would write a handler's frame into the heap (oneDNN issue 4845). All signals that end or stop a run are
 * therefore blocked in every thread, and one thread of this module waits for them.
 */
#ifndef TRB_STOP_H
#define TRB_STOP_H

#include <stddef.h>

#include "tribikos/status.h"

/** The signal of a name ("USR1", "TERM"), 0 if it is none that can stop a run. Local. */
int trb_stop_signal(const char *name);

/** Block USR1, USR2, TERM, INT and HUP, ignore PIPE, and start the thread that waits for signals. Local; call it before
 * anything starts a thread (MPI does), because threads inherit what is blocked. Until trb_stop_open() USR1, USR2 and
 * TERM are remembered, INT and HUP have their default effect.
 * \param[in] end  ends the process at once, with this exit status; called on the thread
 * \return TRB_OK; TRB_EIO if the thread cannot be started: the signals then stay blocked */
trb_status trb_stop_start(void (*end)(int status));

/** Say which signals stop the run from now on (the others have their default effect, also one that was remembered), and
 * watch the time. Local, after trb_stop_start(); again to change them, which forgets all reasons but remembered signals.
 * \param[in] limit_s  0: none; else seconds from the beginning of the job ($SLURM_JOB_START_TIME; without it from now).
 * It takes effect after trb_stop_progress(), not before
 * \param[in] grace_s  seconds that the program has to end after the first signal or the limit; 0: as many as it takes */
void trb_stop_open(size_t n, const int *signals, double limit_s, unsigned grace_s);

/** Say that a step, a shard or a block is done, or that another job is waited for: only now may the time limit end this run, so that a limit that is shorter
 * than the start does not make a job begin again for ever. Local. */
void trb_stop_progress(void);

/** End the thread. Local. Signals stay blocked: a run that has done its work is not to end as if it were killed. */
void trb_stop_close(void);

/** Why the run is to stop: 0 if it is not, a signal's number, or -1 for the time. Local, cheap, from any thread. */
int trb_stop_reason(void);
/** Say that another rank has this reason; 0 is none. Local. */
void trb_stop_heard(int reason);

/** TRB_OK, or TRB_STOPPED with a line that says why, if the run is to stop. Local. */
trb_status trb_stop_check(void);

#endif
