/** A producer: a thread that makes things ahead of their use, such as the next batch while this one is computed.
 *
 * A plan is a number of items 0, 1, ... The thread makes item i into slot i mod 2, so that one item is in use while the
 * next one is made. The slots belong to the caller. An item must follow from its number and the plan alone, so that it
 * never depends on timing.
 *
 *   state of the thread   what ends the state
 *   waits                 the plan has a next item, and its slot is free
 *   makes an item         make() returns, with the item or with a failure
 *   has failed            nothing: all calls return the failure until the producer is closed
 *
 * All functions are local. Threads that use a producer must take turns; the caller sees to that. A thread that waits
 * for an item gives signs of life (alive.h).
 */
#ifndef TRB_PRODUCER_H
#define TRB_PRODUCER_H

#include <stdbool.h>

#include "tribikos/status.h"

enum { TRB_PRODUCER_SLOTS = 2 };

typedef struct trb_producer trb_producer;

/** Start the thread. It does not call make() before there is a plan.
 * \param[in] what  the thread's name in an error message, e.g. "the thread that prepares samples"
 * \param[in] make  makes an item in a slot; the thread calls it, once at a time
 * \return TRB_OK; TRB_EIO if the thread cannot be started; TRB_ENOMEM */
trb_status trb_producer_open(const char *what, trb_status (*make)(void *ctx, size_t item, size_t slot), void *ctx,
                             trb_producer **out);

/** Drop the rest of the plan and begin a new one of `items` items; 0 only drops. After the return the thread no longer
 * reads anything of the old plan, so that the caller can change what make() reads.
 * \return TRB_OK; the failure of an item, even of one that the caller has not asked for */
trb_status trb_producer_plan(trb_producer *p, size_t items);

/** For make(): whether the item is still wanted. If not, make() may leave the slot unfinished and return TRB_OK. */
bool trb_producer_is_wanted(const trb_producer *p);

/** Give back the previous item and wait for the next one. \param[out] slot  where the item is, until the next call
 * \return TRB_OK; TRB_EINTERNAL if the plan has no more items; the failure of make() */
trb_status trb_producer_next(trb_producer *p, size_t *slot);

/** End the thread; waits until a running make() returns. NULL allowed. \return as trb_producer_plan() */
trb_status trb_producer_close(trb_producer *p);

#endif
