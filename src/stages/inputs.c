/* Inputs of views whose samples are moved along gradients of members (augment.h: ods, confods). */
#include <string.h>

#include "tribikos/memory.h"
#include "units.h"

/* Rows in each call, independent of cache.block: gradients need several times the memory of an inference. */
enum { ROWS = 64 };

/* Scratch memory for a unit. */
typedef struct {
    float *x, *fed, *dx; /* [ROWS][D] in the unit of the step, normalised, the gradient */
    float *w, *dz;       /* [ROWS][K] */
    float *share;        /* [ROWS] */
    char *made;          /* [rows of the unit][D] as stored */
} rooms;

static trb_status reserve(const trb_cache_spec *spec, size_t rows, rooms *r)
{
    const size_t D = trb_shape_size(spec->shape), K = spec->K;
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, ROWS * D, sizeof *r->x, &r->x));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, ROWS * D, sizeof *r->fed, &r->fed));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, ROWS * D, sizeof *r->dx, &r->dx));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, ROWS * K, sizeof *r->w, &r->w));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, ROWS * K, sizeof *r->dz, &r->dz));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, ROWS, sizeof *r->share, &r->share));
    return trb_alloc(TRB_MEM_CACHE, rows * D, trb_dtype_bytes(spec->x_dtype), &r->made);
}

static void release(rooms *r)
{
    void *const blocks[] = {r->x, r->fed, r->dx, r->w, r->dz, r->share, r->made};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

/* Make rows [at, at + rows) of a unit. The call always has ROWS rows, padded with zeros, so that its bits do not depend
 * on where a unit ends. */
static trb_status make(trb__writer *w, trb_cache_unit u, size_t at, size_t rows, rooms *r)
{
    const size_t D = trb_shape_size(w->spec->shape), K = w->spec->K;
    const float *z = NULL;
    for (size_t i = 0; i < rows; i++) w->sample[i] = (int64_t)(u.first_row + at + i);
    trb_augment_begin(w->views, u.view, rows, w->sample, K, r->x, r->w);
    trb_augment_normalise(w->views, rows, r->x, r->fed);
    memset(r->fed + rows * D, 0, (ROWS - rows) * D * sizeof *r->fed);
    TRB_TRY(trb_net_forward(w->net, w->work, w->params, ROWS, r->fed, NULL, &z));
    trb_augment_direction(w->views, u.view, rows, K, z, r->w, r->dz, r->share);
    memset(r->dz + rows * K, 0, (ROWS - rows) * K * sizeof *r->dz);
    TRB_TRY(trb_net_backward(w->net, w->work, w->params, r->dz, NULL, r->dx));
    trb_augment_end(w->views, u.view, rows, r->x, r->dx, r->share,
                    r->made + at * D * trb_dtype_bytes(w->spec->x_dtype));
    return TRB_OK;
}

static trb_status make_unit(trb__writer *w, trb_cache_unit u, rooms *r)
{
    const trb_cache_spec *spec = w->spec;
    for (size_t m = 0; m < spec->M; m++) {
        for (size_t at = 0; at < u.rows; at += spec->block) {
            const size_t block = (u.first_row + at) / spec->block;
            trb_rng rng = trb_rng_open(spec->view[u.view].seed, TRB_USE_MEMBER, 0, u.view, block);
            if (trb_rng_below(&rng, spec->M) != m) continue;
            TRB_TRY(trb__writer_load(w, m, ROWS));
            TRB_TRY(trb__writer_go_on(w));
            const size_t end = u.rows - at < spec->block ? u.rows : at + spec->block;
            for (size_t first = at; first < end; first += ROWS)
                TRB_TRY(make(w, u, first, end - first < ROWS ? end - first : ROWS, r));
        }
    }
    return TRB_OK;
}

trb_status trb__inputs_write(trb__writer *w, size_t unit, uint64_t *payload)
{
    const trb_cache_unit u = trb_cache_unit_at(w->spec, unit);
    rooms r = {0};
    trb_shard *shard = NULL;
    trb_status st = reserve(w->spec, u.rows, &r);
    if (st == TRB_OK) st = make_unit(w, u, &r);
    if (st == TRB_OK) st = trb_shard_create(w->dir, w->spec, unit, &shard);
    if (st == TRB_OK) st = trb_shard_write(shard, u.rows, r.made);
    if (st == TRB_OK) {
        st = trb_shard_publish(shard, payload);
        shard = NULL;
    }
    trb_shard_abandon(shard);
    release(&r);
    return st;
}
