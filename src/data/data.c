/* Data sets: chooses the reader of a format, joins the units that it reads, and derives digest and classes. */
#include "tribikos/data.h"

#include <math.h>

#include "internal.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digests and files are of little-endian values");
_Static_assert(sizeof(int32_t) == sizeof(float), "labels and targets take the same room");

/* For each format: the function that reads a unit, the one that opens it for reading by pieces, and the one that surveys
 * all of them, if there is anything to decide. */
static const struct {
    trb_status (*read)(const trb__unit *u, trb__samples *s);
    trb__rows_open *rows;
    trb_status (*survey)(const trb_data_files *f, trb_schema *out);
} formats[] = {
    [TRB_FORMAT_IDX] = {trb__idx_read, trb__idx_rows, trb__idx_survey},
    [TRB_FORMAT_CIFAR10] = {trb__cifar10_read, trb__cifar10_rows, NULL},
    [TRB_FORMAT_CIFAR100] = {trb__cifar100_read, trb__cifar100_rows, NULL},
    [TRB_FORMAT_HDF5] = {trb__hdf5_read, trb__hdf5_rows, trb__hdf5_survey},
    [TRB_FORMAT_TABLE] = {trb__table_read, trb__table_rows, trb__table_survey},
    [TRB_FORMAT_NPY] = {trb__npy_read, trb__npy_rows, trb__npy_survey},
};

trb__rows_open *trb__rows_of(trb_format format)
{
    return formats[format].rows;
}

bool trb_data_surveyed(trb_format format)
{
    return formats[format].survey != NULL;
}

trb_status trb_data_survey(const trb_data_files *files, trb_schema *out)
{
    size_t width = 0, n_units = 0;
    trb_schema s = {0};
    TRB_TRY(trb__data_units(files, &width, &n_units));
    const trb_status st = trb_data_surveyed(files->format) ? formats[files->format].survey(files, &s) : TRB_OK;
    if (st == TRB_OK)
        *out = s;
    else
        trb_schema_clear(&s);
    return st;
}

trb_status trb__labels_shift(const trb_data_files *f, const char *path, size_t first, size_t row, trb__samples *s)
{
    const size_t n = (s->y.n - first) / sizeof(int32_t);
    if (f->task != TRB_TASK_CLASSES || f->labels_from == 0 || n == 0) return TRB_OK;
    int32_t *label = (int32_t *)(void *)(s->y.at + first);
    if (f->schema != NULL && f->schema->n_classes > 0)
        return trb_fail(TRB_ECONFIG, "%s: its labels are words, which no number counts; leave out `data.labels_from`",
                        path);
    for (size_t i = 0; i < n; i++) {
        if ((size_t)label[i] < f->labels_from)
            return trb_fail(TRB_EINPUT,
                            "%s: sample %zu, counted from 0, has label %d; expected at least %zu "
                            "(`data.labels_from`)",
                            path, row + i, (int)label[i], f->labels_from);
        label[i] -= (int32_t)f->labels_from;
    }
    return TRB_OK;
}

trb_status trb__data_unit_read(const trb_data_files *f, size_t i, trb__samples *s)
{
    size_t width = 0, n_units = 0;
    trb__unit u;
    TRB_TRY(trb__data_units(f, &width, &n_units));
    const size_t before = s->y.n;
    trb_status st = trb__unit_open(f, width, i, &u);
    if (st == TRB_OK) st = formats[f->format].read(&u, s);
    if (st == TRB_OK) st = trb__labels_shift(f, u.path[width - 1], before, 0, s);
    trb__unit_close(&u);
    return st;
}

/* Values are stored as differences from offsets, so the same differences from others are other values. */
static void add_offsets(trb_hash *hash, const trb_schema *s, bool target)
{
    for (size_t i = 0; i < s->n_inputs; i++) trb_hash_add(hash, &s->input[i].offset, sizeof s->input[i].offset);
    if (target) trb_hash_add(hash, &s->target_offset, sizeof s->target_offset);
}

static bool inputs_move(const trb_schema *s)
{
    for (size_t i = 0; s != NULL && i < s->n_inputs; i++)
        if (fpclassify(s->input[i].offset) != FP_ZERO) return true;
    return false;
}

/* \param[in] y  [n] labels or targets; NULL: none */
static trb_status digests_of(trb_data *d, const void *y)
{
    trb_hash *hash = NULL, *inputs = NULL;
    const bool moves = trb_schema_moves(d->schema);
    TRB_TRY(trb_hash_open(&hash));
    trb_hash_add(hash, d->x, d->n * trb_shape_size(d->shape) * trb_dtype_bytes(d->type));
    d->digest_x = trb_hash_value(hash);
    if (y != NULL) trb_hash_add(hash, y, d->n * sizeof(int32_t));
    if (moves) add_offsets(hash, d->schema, true);
    d->digest = trb_hash_value(hash);
    trb_hash_close(hash);
    if (inputs_move(d->schema)) {
        TRB_TRY(trb_hash_open(&inputs));
        trb_hash_add(inputs, &d->digest_x, sizeof d->digest_x);
        add_offsets(inputs, d->schema, false);
        d->digest_x = trb_hash_value(inputs);
        trb_hash_close(inputs);
    }
    if (y == NULL) d->digest = d->digest_x;
    return TRB_OK;
}

trb_status trb__data_describe(trb_data *d, void *y)
{
    trb_status st = TRB_OK;
    float *mean = NULL, *scale = NULL;
    TRB_GO(digests_of(d, y));
    TRB_GO(trb_alloc(TRB_MEM_DATA, d->shape.c, sizeof *mean, &mean));
    TRB_GO(trb_alloc(TRB_MEM_DATA, d->shape.c, sizeof *scale, &scale));
    for (size_t c = 0; c < d->shape.c; c++) scale[c] = 1.0F;
    d->mean = mean;
    d->scale = scale;
    d->target_scale = 1.0;
    if (d->task == TRB_TASK_REGRESSION) {
        d->target = y;
        return TRB_OK;
    }
    d->label = y;
    for (size_t i = 0; y != NULL && i < d->n; i++)
        if ((size_t)d->label[i] >= d->classes) d->classes = (size_t)d->label[i] + 1;
    if (y != NULL && d->schema != NULL && d->schema->n_classes > 0) d->classes = d->schema->n_classes;
    return TRB_OK;
done:
    trb_free(mean);
    trb_free(scale);
    return st;
}

/* Read by a schema that is known. */
static trb_status load(const trb_data_files *files, trb_data *out)
{
    trb_status st = TRB_OK;
    trb__samples s = {.task = files->task};
    size_t width = 0, n_units = 0;
    TRB_TRY(trb__data_units(files, &width, &n_units));
    for (size_t i = 0; i < n_units; i++) TRB_GO(trb__data_unit_read(files, i, &s));
    trb_data d = {.task = files->task,
                  .n = s.n,
                  .shape = s.shape,
                  .type = s.type,
                  .x = s.x.at,
                  .labels_from = files->labels_from,
                  .schema = files->schema,
                  .n_missing = s.n_missing,
                  .n_dropped = s.n_dropped,
                  .n_headerless = s.n_headerless};
    TRB_GO(trb__data_describe(&d, s.unlabelled ? NULL : s.y.at));
    *out = d;
    return TRB_OK;
done:
    trb_free(s.x.at);
    trb_free(s.y.at);
    return st;
}

trb_status trb_data_load(const trb_data_files *files, trb_data *out)
{
    trb_data_files by = *files;
    trb_schema *own = NULL;
    if (files->schema != NULL || !trb_data_surveyed(files->format)) return load(files, out);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *own, &own));
    by.schema = own;
    trb_status st = trb_data_survey(files, own);
    if (st == TRB_OK) st = load(&by, out);
    if (st == TRB_OK) {
        out->own = own;
        return TRB_OK;
    }
    trb_schema_clear(own);
    trb_free(own);
    return st;
}

bool trb_data_labelled(const trb_data *d)
{
    return d->label != NULL || d->target != NULL;
}

void trb_data_clear(trb_data *d)
{
    if (!d->lent) {
        trb_free(d->x);
        trb_free(d->label);
        trb_free(d->target);
    }
    trb_schema_clear(d->own);
    trb_free(d->own);
    trb_free(d->mean);
    trb_free(d->scale);
    *d = (trb_data){.task = d->task};
}
