/** Signs of life during long local work, such as reading a large file, in code that knows nothing of other ranks.
 *
 * Such work calls trb_alive() after every piece. If there are several ranks, the watch of comm.h then tells the others
 * that this rank is alive. In a single process the call does nothing.
 */
#ifndef TRB_ALIVE_H
#define TRB_ALIVE_H

#include <pthread.h>
#include <stddef.h>

/** Make trb_alive() call `sign` on this thread, until this is called with NULL. On other threads trb_alive() does
 * nothing, because only one thread may call MPI. Local. */
void trb_alive_open(void (*sign)(void));

/** Show that this thread works. Call it at least every few seconds: after a megabyte, a block, a tensor. Local, cheap.
 * It may be called while locks are held that `sign` does not take. */
void trb_alive(void);

/** The same for a loop with short rounds: only every 1024th round gives a sign. Local.
 * \param[in] i  the number of the round */
static inline void trb_alive_at(size_t i)
{
    if (i % 1024 == 0) trb_alive();
}

/** pthread_cond_wait() and pthread_join() with signs of life, for a thread that waits for another one which reads or
 * writes. trb_alive_wait() may return before anything has changed. Local. */
void trb_alive_wait(pthread_cond_t *changed, pthread_mutex_t *lock);
void trb_alive_join(pthread_t thread);

#endif
