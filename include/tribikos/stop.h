/** Stopping a run from outside, so that the same command goes on where it was.
 *
 * A signal, or the end of the time that a run was given, only sets a flag. Trainings look at it at the end of each
 * step, agree, keep a checkpoint of the next step and end with TRB_STOPPED; caching and evaluation end between two
 * blocks of samples. What follows a student's last step, matching included, is finished first: it takes seconds, and
 * what a stop would lose is the training since the last checkpoint. comm.h's signs of life spread the flag, so that one
 * rank's signal stops all.
 *
 * A second signal, or the end of run.grace, ends the process at once: files appear under their names when they are
 * whole, so what is lost is what was computed since the last checkpoint.
 */
#ifndef TRB_STOP_H
#define TRB_STOP_H

#include <stddef.h>

#include "tribikos/status.h"

/** The signal of a name ("USR1", "TERM"), 0 if it is none that can stop a run. Local. */
int trb_stop_signal(const char *name);

/** Catch these signals from now on, and watch the time. Local.
 * \param[in] limit_s  0: none; else seconds from the beginning of the job ($SLURM_JOB_START_TIME; without it from now)
 * \param[in] grace_s  whole seconds that the program has to end after the first signal; 0: as many as it takes
 * \param[in] end  ends the process at once; called in a signal's handler */
trb_status trb_stop_open(size_t n, const int *signals, double limit_s, unsigned grace_s, void (*end)(int status));
/** Signals have their effect of before again. Local. */
void trb_stop_close(void);

/** Why the run is to stop: 0 if it is not, a signal's number, or -1 for the time. Local, cheap. */
int trb_stop_reason(void);
/** Say that another rank has this reason; 0 is none. Local. */
void trb_stop_heard(int reason);

/** TRB_OK, or TRB_STOPPED with a line that says why, if the run is to stop. Local. */
trb_status trb_stop_check(void);

#endif
