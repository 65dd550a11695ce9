/* A thread that prepares the next rows while others are worked on. */
#include "tribikos/augment.h"

#include <pthread.h>
#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"

/* One part is served while the next is prepared. */
enum { BUFFERS = 2 };

struct trb_feed {
    trb_augment *a;
    size_t rows;
    float *x[BUFFERS];      /* [rows][C*H*W] */
    trb_mix *mix[BUFFERS];  /* [rows]; NULL without mixup, and for views */
    bool threaded;          /* nothing below the plan is used otherwise */
    size_t served;          /* parts */
    trb_stored_rows stored; /* all NULL without stored views */

    /* The plan. The thread reads it between two holds of the lock only while `busy`. */
    uint64_t epoch;
    size_t parts;
    const int64_t *sample;
    const uint16_t *view;

    pthread_t thread;
    pthread_mutex_t lock; /* of what follows, and of `parts` */
    pthread_cond_t changed;
    size_t made, released; /* parts prepared; parts given back */
    bool busy, stop;
    trb_status st; /* of stored rows; a failure stays */
};

static trb_status prepare(trb_feed *f, size_t part, size_t buffer)
{
    const size_t at = part * f->rows;
    const void *stored = NULL;
    if (f->view == NULL) {
        trb_augment_rows(f->a, f->epoch, f->rows, f->sample + at, f->x[buffer], f->mix[buffer]);
        return TRB_OK;
    }
    if (f->stored.next != NULL) TRB_TRY(f->stored.next(f->stored.ctx, &stored));
    trb_augment_views(f->a, f->rows, f->sample + at, f->view + at, stored, f->x[buffer]);
    return TRB_OK;
}

static void *work_ahead(void *ctx)
{
    trb_feed *f = ctx;
    (void)pthread_mutex_lock(&f->lock);
    while (!f->stop) {
        if (f->made >= f->parts || f->made == f->released + BUFFERS || f->st != TRB_OK) {
            (void)pthread_cond_wait(&f->changed, &f->lock);
            continue;
        }
        f->busy = true;
        (void)pthread_mutex_unlock(&f->lock);
        const trb_status st = prepare(f, f->made, f->made % BUFFERS); /* `made` changes only here, or while not busy */
        (void)pthread_mutex_lock(&f->lock);
        f->busy = false;
        f->st = st;
        f->made += st == TRB_OK;
        (void)pthread_cond_broadcast(&f->changed);
    }
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

static trb_status start(trb_feed *f)
{
    TRB_TRY(trb_fault("thread.start"));
    const int why = pthread_create(&f->thread, NULL, work_ahead, f);
    if (why != 0) return trb_fail(TRB_EIO, "cannot start the thread that prepares samples: %s", strerror(why));
    f->threaded = true;
    return TRB_OK;
}

trb_status trb_feed_open(trb_augment *a, size_t rows, const trb_stored_rows *stored, trb_feed **out)
{
    trb_status st = TRB_OK;
    trb_feed *f = NULL;
    const bool ahead = !trb_augment_nothing(a);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *f, &f));
    f->a = a;
    f->rows = rows;
    if (stored != NULL) f->stored = *stored;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->changed, NULL);
    for (size_t b = 0; b < (ahead ? BUFFERS : 1); b++) {
        TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, rows * trb_augment_inputs(a), sizeof *f->x[b], &f->x[b]));
        if (trb_augment_mixes(a)) TRB_GO(trb_alloc(TRB_MEM_DATA, rows, sizeof *f->mix[b], &f->mix[b]));
    }
    if (ahead) TRB_GO(start(f));
    *out = f;
    f = NULL;
done:
    trb_feed_close(f);
    return st;
}

trb_status trb_feed_plan(trb_feed *f, uint64_t epoch, size_t parts, const int64_t *sample, const uint16_t *view)
{
    (void)pthread_mutex_lock(&f->lock);
    f->parts = f->made; /* nothing more of the old plan is begun */
    while (f->busy) trb_alive_wait(&f->changed, &f->lock);
    if (f->stored.plan != NULL && f->st == TRB_OK) f->st = f->stored.plan(f->stored.ctx, parts, sample, view);
    f->epoch = epoch;
    f->parts = parts;
    f->sample = sample;
    f->view = view;
    f->served = f->made = f->released = 0;
    (void)pthread_cond_broadcast(&f->changed);
    const trb_status st = f->st;
    (void)pthread_mutex_unlock(&f->lock);
    return st;
}

trb_status trb_feed_next(trb_feed *f, const float **x, const trb_mix **mix)
{
    if (f->served == f->parts) return trb_fail(TRB_EINTERNAL, "the plan of the feed has only %zu parts", f->parts);
    const size_t part = f->served++, buffer = f->threaded ? part % BUFFERS : 0;
    trb_status st = TRB_OK;
    if (f->threaded) {
        (void)pthread_mutex_lock(&f->lock);
        f->released = part;
        (void)pthread_cond_broadcast(&f->changed);
        while (f->made <= part && f->st == TRB_OK) trb_alive_wait(&f->changed, &f->lock);
        if (f->made <= part) st = f->st;
        (void)pthread_mutex_unlock(&f->lock);
    } else {
        st = prepare(f, part, buffer);
    }
    if (st != TRB_OK) return st;
    *x = f->x[buffer];
    *mix = f->mix[buffer];
    return TRB_OK;
}

void trb_feed_close(trb_feed *f)
{
    if (f == NULL) return;
    if (f->threaded) {
        (void)pthread_mutex_lock(&f->lock);
        f->stop = true;
        (void)pthread_cond_broadcast(&f->changed);
        (void)pthread_mutex_unlock(&f->lock);
        trb_alive_join(f->thread);
    }
    if (f->stored.plan != NULL) (void)f->stored.plan(f->stored.ctx, 0, NULL, NULL);
    (void)pthread_cond_destroy(&f->changed);
    (void)pthread_mutex_destroy(&f->lock);
    for (size_t b = 0; b < BUFFERS; b++) {
        trb_free(f->x[b]);
        trb_free(f->mix[b]);
    }
    trb_free(f);
}
