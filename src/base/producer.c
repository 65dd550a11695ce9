/* A producer (producer.h): a thread that makes the next item while the caller uses the one before.
 *
 * The thread runs work(), the caller everything else. `lock` guards the counters; the slots need no lock, because
 * released <= made <= released + 2: the thread only writes a slot that the caller has given back. */
#include "tribikos/producer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"

struct trb_producer {
    trb_status (*make)(void *ctx, size_t item, size_t slot);
    void *ctx;
    pthread_t thread;
    atomic_bool dropped;  /* the item that the thread is making is no longer wanted */
    pthread_mutex_t lock; /* guards all below, except `served` */
    pthread_cond_t changed;
    size_t items, made, served; /* of the plan; `served` belongs to the caller */
    size_t released;            /* items that the caller has given back */
    bool busy, ends;
    trb_status st; /* of the item made last; after a failure no more are made */
};

static void *work(void *ctx)
{
    trb_producer *p = ctx;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->ends) {
        if (p->made >= p->items || p->made == p->released + TRB_PRODUCER_SLOTS || p->st != TRB_OK) {
            (void)pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        const size_t item = p->made;
        p->busy = true;
        (void)pthread_mutex_unlock(&p->lock);
        const trb_status st = p->make(p->ctx, item, item % TRB_PRODUCER_SLOTS);
        (void)pthread_mutex_lock(&p->lock);
        p->busy = false;
        p->st = st;
        p->made += st == TRB_OK;
        (void)pthread_cond_broadcast(&p->changed);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

trb_status trb_producer_open(const char *what, trb_status (*make)(void *ctx, size_t item, size_t slot), void *ctx,
                             trb_producer **out)
{
    trb_producer *p = NULL;
    TRB_TRY(trb_fault("thread.start"));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *p, &p));
    p->make = make;
    p->ctx = ctx;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    const int why = pthread_create(&p->thread, NULL, work, p);
    if (why == 0) {
        *out = p;
        return TRB_OK;
    }
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    trb_free(p);
    return trb_fail(TRB_EIO, "cannot start %s: %s", what, strerror(why));
}

trb_status trb_producer_plan(trb_producer *p, size_t items)
{
    (void)pthread_mutex_lock(&p->lock);
    p->items = p->made; /* so that the thread begins no other item of the old plan */
    atomic_store(&p->dropped, true);
    while (p->busy) trb_alive_wait(&p->changed, &p->lock);
    atomic_store(&p->dropped, false);
    p->items = items;
    p->made = p->served = p->released = 0;
    (void)pthread_cond_broadcast(&p->changed);
    const trb_status st = p->st;
    (void)pthread_mutex_unlock(&p->lock);
    return st;
}

bool trb_producer_is_wanted(const trb_producer *p)
{
    return !atomic_load(&p->dropped);
}

trb_status trb_producer_next(trb_producer *p, size_t *slot)
{
    const size_t item = p->served;
    if (item == p->items) return trb_fail(TRB_EINTERNAL, "the plan of a producer has only %zu items", item);
    (void)pthread_mutex_lock(&p->lock);
    p->released = item;
    (void)pthread_cond_broadcast(&p->changed);
    while (p->made <= item && p->st == TRB_OK) trb_alive_wait(&p->changed, &p->lock);
    const trb_status st = p->made > item ? TRB_OK : p->st; /* if a later item has failed, this one is still good */
    (void)pthread_mutex_unlock(&p->lock);
    if (st != TRB_OK) return st;
    *slot = item % TRB_PRODUCER_SLOTS;
    p->served++;
    return TRB_OK;
}

trb_status trb_producer_close(trb_producer *p)
{
    if (p == NULL) return TRB_OK;
    (void)pthread_mutex_lock(&p->lock);
    p->ends = true;
    atomic_store(&p->dropped, true);
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    trb_alive_join(p->thread);
    const trb_status st = p->st;
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    trb_free(p);
    return st;
}
