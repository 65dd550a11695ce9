/* The feed: a thread (producer.h) prepares the next rows while the training works on the last ones. */
#include "tribikos/augment.h"

#include "tribikos/memory.h"
#include "tribikos/producer.h"

struct trb_feed {
    trb_augment *a;
    size_t rows;
    float *x[TRB_PRODUCER_SLOTS];     /* [rows][C*H*W] */
    trb_mix *mix[TRB_PRODUCER_SLOTS]; /* [rows]; NULL without mixup, and for views */
    trb_producer *ahead;              /* NULL: parts are prepared when they are asked for */
    size_t served;                    /* parts of the plan that were served */
    trb_stored_rows stored;           /* all NULL without stored views */

    /* The plan, borrowed from the caller of trb_feed_plan(). */
    uint64_t epoch;
    size_t parts;
    const int64_t *sample;
    const uint16_t *view;
};

static trb_status prepare(void *feed, size_t part, size_t slot)
{
    trb_feed *f = feed;
    const size_t at = part * f->rows;
    const void *stored = NULL;
    if (f->view == NULL) {
        trb_augment_rows(f->a, f->epoch, f->rows, f->sample + at, f->x[slot], f->mix[slot]);
        return TRB_OK;
    }
    if (f->stored.next != NULL) TRB_TRY(f->stored.next(f->stored.ctx, &stored));
    trb_augment_views(f->a, f->rows, f->sample + at, f->view + at, stored, f->x[slot]);
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
    for (size_t s = 0; s < (ahead ? TRB_PRODUCER_SLOTS : 1); s++) {
        TRB_GO(trb_alloc(TRB_MEM_ACTIVATIONS, rows * trb_augment_inputs(a), sizeof *f->x[s], &f->x[s]));
        if (trb_augment_mixes(a)) TRB_GO(trb_alloc(TRB_MEM_DATA, rows, sizeof *f->mix[s], &f->mix[s]));
    }
    if (ahead) TRB_GO(trb_producer_open("the thread that prepares samples", prepare, f, &f->ahead));
    *out = f;
    f = NULL;
done:
    trb_feed_close(f);
    return st;
}

trb_status trb_feed_plan(trb_feed *f, uint64_t epoch, size_t parts, const int64_t *sample, const uint16_t *view)
{
    if (f->ahead != NULL) TRB_TRY(trb_producer_plan(f->ahead, 0));
    f->parts = f->served = 0;
    if (f->stored.plan != NULL) TRB_TRY(f->stored.plan(f->stored.ctx, parts, sample, view));
    f->epoch = epoch;
    f->parts = parts;
    f->sample = sample;
    f->view = view;
    return f->ahead != NULL ? trb_producer_plan(f->ahead, parts) : TRB_OK;
}

trb_status trb_feed_next(trb_feed *f, const float **x, const trb_mix **mix)
{
    if (f->served == f->parts) return trb_fail(TRB_EINTERNAL, "the plan of the feed has only %zu parts", f->parts);
    size_t slot = 0;
    TRB_TRY(f->ahead != NULL ? trb_producer_next(f->ahead, &slot) : prepare(f, f->served, slot));
    f->served++;
    *x = f->x[slot];
    *mix = f->mix[slot];
    return TRB_OK;
}

void trb_feed_close(trb_feed *f)
{
    if (f == NULL) return;
    (void)trb_producer_close(f->ahead);
    if (f->stored.plan != NULL) (void)f->stored.plan(f->stored.ctx, 0, NULL, NULL);
    for (size_t s = 0; s < TRB_PRODUCER_SLOTS; s++) {
        trb_free(f->x[s]);
        trb_free(f->mix[s]);
    }
    trb_free(f);
}
