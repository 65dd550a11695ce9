/** Time: seconds from a steady clock. Local. Never part of a result that must be the same for every rank count. */
#ifndef TRB_CLOCK_H
#define TRB_CLOCK_H

double trb_now_s(void);

#endif
