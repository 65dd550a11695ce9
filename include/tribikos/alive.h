/** Signs of life of long local work, such as reading a large file, in code that knows no other ranks.
 *
 * Such work calls trb_alive() after every piece. Where several ranks work together, comm.h's watch then tells the
 * others that this one lives; a single process does nothing with it.
 */
#ifndef TRB_ALIVE_H
#define TRB_ALIVE_H

/** From now on trb_alive() calls `sign` on this thread; NULL ends that. Other threads stay silent, because only one
 * thread may call MPI. Local. */
void trb_alive_open(void (*sign)(void));

/** Say that this thread is at work. Call it at least every few seconds: after a megabyte, a block, a tensor. Local,
 * cheap; may be called with locks held, which `sign` does not take. */
void trb_alive(void);

#endif
