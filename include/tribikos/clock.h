/** Clocks, for progress, timing and time limits. All functions are local. Times never enter a result, because results
 * must be the same for every number of ranks. */
#ifndef TRB_CLOCK_H
#define TRB_CLOCK_H

/** Seconds on a steady clock, since an arbitrary moment. */
double trb_now_s(void);

/** Processor time of this thread in seconds: the time that other threads and processes take is not counted. */
double trb_busy_s(void);

#endif
