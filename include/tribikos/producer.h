/** A producer: a thread that makes things ahead of their use, such as the next batch while this one is computed.
 *
 * It follows a plan of items 0, 1, ... and makes each into one of two slots, item i into slot i mod 2: one item is in use
 * while the next is made. The slots themselves are the caller's. What an item is must follow from its number and the
 * plan, so that it never depends on timing.
 *
 *   state of the thread   leaves it when
 *   waits                 there is a plan whose next item has a free slot, and nothing has failed
 *   makes an item         make() returns; the plan may have been dropped meanwhile
 *   has failed            never: every call returns the failure until the close
 *
 * All functions are local. One thread uses a producer. While it waits it gives signs of life (alive.h).
 */
#ifndef TRB_PRODUCER_H
#define TRB_PRODUCER_H

#include <stdbool.h>

#include "tribikos/status.h"

enum { TRB_PRODUCER_SLOTS = 2 };

typedef struct trb_producer trb_producer;

/** Start the thread. It calls nothing before there is a plan.
 * \param[in] what  for a message: "the thread that prepares samples"
 * \param[in] make  makes an item into a slot; called on the thread, one call at a time
 * \return TRB_OK; TRB_EIO if the thread cannot be started; TRB_ENOMEM */
trb_status trb_producer_open(const char *what, trb_status (*make)(void *ctx, size_t item, size_t slot), void *ctx,
                             trb_producer **out);

/** Drop what is left of the plan and begin one of so many items. With 0 items it only drops: from the return on the
 * thread reads nothing that belongs to the old plan, so that the caller can change what make() looks at.
 * \return TRB_OK; the failure of an item, also of one that nobody has asked for */
trb_status trb_producer_plan(trb_producer *p, size_t items);

/** For make(): whether the item is still wanted. If not, it may leave the slot unfinished and return TRB_OK. */
bool trb_producer_is_wanted(const trb_producer *p);

/** Give back the item before, wait for the next one. \param[out] slot  where it is, until the next call
 * \return TRB_OK; TRB_EINTERNAL if the plan is over; what make() failed with */
trb_status trb_producer_next(trb_producer *p, size_t *slot);

/** End the thread, at the latest when make() returns. NULL allowed. \return as trb_producer_plan() */
trb_status trb_producer_close(trb_producer *p);

#endif
