/** Time: seconds from a steady clock. Local. Never part of a result that must be the same for every rank count. */
#ifndef TRB_CLOCK_H
#define TRB_CLOCK_H

double trb_now_s(void);

/** Seconds that a processor has spent on this thread, from whenever: what others compute there is not in it. */
double trb_busy_s(void);

#endif
