/* A data set that several ranks read into shared memory, one part each. data.h lists the steps. */
#include <string.h>

#include "internal.h"
#include "tribikos/alive.h"
#include "tribikos/memory.h"

struct trb_data_part {
    trb_data_files files;
    size_t width, n_units, first, step; /* the part: units first, first + step, ... */
    trb_data_unit *unit;                /* [n_units] */
    trb__samples *own;                  /* [n_units] what was read */
    trb_schema schema;                  /* of its own, if the caller gave none */
};

/* Where the values of unit i begin or, for i = n_units, where all values end. Samples begin at byte 0; labels or
 * targets follow them from the next multiple of 64. */
static void place(const trb_data_part *p, size_t i, size_t *x, size_t *y)
{
    const size_t row = trb_shape_size(p->unit[0].shape) * trb_dtype_bytes(p->unit[0].type);
    size_t before = 0, all = 0;
    for (size_t k = 0; k < p->n_units; k++) {
        if (k < i) before += p->unit[k].n;
        all += p->unit[k].n;
    }
    *x = before * row;
    *y = (all * row + 63) / 64 * 64 + before * sizeof(int32_t);
}

trb_status trb_data_part_open(const trb_data_files *files, size_t r, size_t P, trb_data_part **out)
{
    trb_status st = TRB_OK;
    trb_data_part *p = NULL;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *p, &p));
    *p = (trb_data_part){.files = *files, .first = r, .step = P};
    if (files->schema == NULL && trb_data_surveyed(files->format)) {
        TRB_GO(trb_data_survey(files, &p->schema));
        p->files.schema = &p->schema;
    }
    TRB_GO(trb__data_units(files, &p->width, &p->n_units));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, p->n_units, sizeof *p->unit, &p->unit));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, p->n_units, sizeof *p->own, &p->own));
    for (size_t i = r; i < p->n_units; i += P) {
        trb__samples *s = &p->own[i];
        s->task = files->task;
        TRB_GO(trb__data_unit_read(&p->files, i, s));
        p->unit[i] = (trb_data_unit){.n = s->n,
                                     .shape = s->shape,
                                     .type = s->type,
                                     .unlabelled = s->unlabelled,
                                     .n_missing = s->n_missing,
                                     .n_dropped = s->n_dropped,
                                     .n_headerless = s->n_headerless};
    }
    *out = p;
    p = NULL;
done:
    trb_data_part_close(p);
    return st;
}

size_t trb_data_part_units(const trb_data_part *p)
{
    return p->n_units;
}

trb_data_unit *trb_data_part_unit(trb_data_part *p, size_t i)
{
    return &p->unit[i];
}

trb_status trb_data_part_room(const trb_data_part *p, size_t *bytes)
{
    size_t x = 0;
    trb__samples first = {
        .n = 1, .shape = p->unit[0].shape, .type = p->unit[0].type, .unlabelled = p->unit[0].unlabelled};
    for (size_t i = 1; i < p->n_units; i++) {
        char *path = NULL;
        TRB_TRY(trb__data_path(p->files.root, p->files.files[i * p->width], &path));
        trb_status st = trb__samples_expect(&first, path, p->unit[i].type, p->unit[i].shape);
        if (st == TRB_OK) st = trb__samples_expect_labels(&first, path, p->unit[i].unlabelled);
        trb_free(path);
        TRB_TRY(st);
    }
    place(p, p->n_units, &x, bytes);
    return TRB_OK;
}

static void drop(trb__samples *s)
{
    trb_free(s->x.at);
    trb_free(s->y.at);
    *s = (trb__samples){0};
}

void trb_data_part_put(trb_data_part *p, void *room)
{
    for (size_t i = p->first; i < p->n_units; i += p->step) {
        size_t x = 0, y = 0;
        place(p, i, &x, &y);
        memcpy((char *)room + x, p->own[i].x.at, p->own[i].x.n);
        if (p->own[i].y.n > 0) memcpy((char *)room + y, p->own[i].y.at, p->own[i].y.n);
        trb_alive();
        drop(&p->own[i]);
    }
}

trb_status trb_data_part_join(trb_data_part *p, void *room, trb_data *out)
{
    trb_schema *own = NULL;
    size_t x = 0, y = 0;
    trb_data d = {.task = p->files.task,
                  .shape = p->unit[0].shape,
                  .type = p->unit[0].type,
                  .lent = true,
                  .x = room,
                  .labels_from = p->files.labels_from};
    place(p, 0, &x, &y);
    d.schema = p->files.schema;
    for (size_t i = 0; i < p->n_units; i++) {
        d.n += p->unit[i].n;
        d.n_missing += p->unit[i].n_missing;
        d.n_dropped += p->unit[i].n_dropped;
        d.n_headerless += p->unit[i].n_headerless;
    }
    if (d.schema == &p->schema) TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *own, &own));
    const trb_status st = trb__data_describe(&d, p->unit[0].unlabelled ? NULL : (char *)room + y);
    if (st != TRB_OK) {
        trb_free(own);
        return st;
    }
    if (own != NULL) { /* the part's own, which the set takes along */
        *own = p->schema;
        p->schema = (trb_schema){0};
        d.schema = d.own = own;
    }
    *out = d;
    return TRB_OK;
}

void trb_data_part_close(trb_data_part *p)
{
    if (p == NULL) return;
    for (size_t i = 0; p->own != NULL && i < p->n_units; i++) drop(&p->own[i]);
    trb_schema_clear(&p->schema);
    trb_free(p->own);
    trb_free(p->unit);
    trb_free(p);
}
