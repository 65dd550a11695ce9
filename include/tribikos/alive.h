/** Signs of life of long local work, such as reading a large file, in code that knows no other ranks.
 *
 * Such work calls trb_alive() after every piece. Where several ranks work together, comm.h's watch then tells the
 * others that this one lives; a single process does nothing with it.
 */
#ifndef TRB_ALIVE_H
#define TRB_ALIVE_H

#include <pthread.h>
#include <stddef.h>

/** From now on trb_alive() calls `sign` on this thread; NULL ends that. Other threads stay silent, because only one
 * thread may call MPI. Local. */
void trb_alive_open(void (*sign)(void));

/** Say that this thread is at work. Call it at least every few seconds: after a megabyte, a block, a tensor. Local,
 * cheap; may be called with locks held, which `sign` does not take. */
void trb_alive(void);

/** The same in a loop whose rounds are short: in one of a thousand. \param[in] i  the number of the round. Local. */
static inline void trb_alive_at(size_t i)
{
    if (i % 1024 == 0) trb_alive();
}

/** pthread_cond_wait() and pthread_join() with signs of life, for a thread that waits for what another one reads or
 * writes. trb_alive_wait() also returns when nothing has changed. Local. */
void trb_alive_wait(pthread_cond_t *changed, pthread_mutex_t *lock);
void trb_alive_join(pthread_t thread);

#endif
