/* Data sets: chooses the reader of a format, joins the units that it reads, and derives digest and classes. */
#include "tribikos/data.h"

#include "internal.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digests and files are of little-endian values");
_Static_assert(sizeof(int32_t) == sizeof(float), "labels and targets take the same room");

/* For each format: how many files make a unit, and the function that reads a unit. */
static const struct {
    size_t width;
    trb_status (*read)(const trb__unit *u, trb__samples *s);
} formats[] = {
    [TRB_FORMAT_IDX] = {2, trb__idx_read},
    [TRB_FORMAT_CIFAR10] = {1, trb__cifar10_read},
    [TRB_FORMAT_CIFAR100] = {1, trb__cifar100_read},
    [TRB_FORMAT_HDF5] = {1, trb__hdf5_read},
    [TRB_FORMAT_TABLE] = {1, trb__table_read},
};

trb_status trb__data_units(const trb_data_files *f, size_t *width, size_t *n_units)
{
    *width = formats[f->format].width;
    *n_units = f->n_files / *width;
    if (f->n_files == 0 || f->n_files % *width != 0)
        return trb_fail(TRB_ECONFIG, "data: expected %s, got %zu files",
                        *width == 2 ? "pairs of files, images and labels" : "at least one file", f->n_files);
    if (f->n_rows == 0 || f->n_rows == f->n_files) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "data: %zu tables, but %zu files that list rows of them; expected one a table, or none",
                    f->n_files, f->n_rows);
}

trb_status trb__data_unit_read(const trb_data_files *f, size_t i, trb__samples *s)
{
    const size_t width = formats[f->format].width;
    trb_status st = TRB_OK;
    trb__unit u = {.of = f, .rows = f->n_rows > 0 ? f->rows[i] : NULL};
    for (size_t k = 0; k < width; k++) TRB_GO(trb__data_path(f->root, f->files[width * i + k], &u.path[k]));
    st = formats[f->format].read(&u, s);
done:
    for (size_t k = 0; k < width; k++) trb_free(u.path[k]);
    return st;
}

static trb_status digests_of(trb_data *d, const void *y)
{
    trb_hash *hash = NULL;
    TRB_TRY(trb_hash_open(&hash));
    trb_hash_add(hash, d->x, d->n * trb_shape_size(d->shape) * trb_dtype_bytes(d->type));
    d->digest_x = trb_hash_value(hash);
    if (y != NULL) trb_hash_add(hash, y, d->n * sizeof(int32_t));
    d->digest = trb_hash_value(hash);
    trb_hash_close(hash);
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
    if (d->task == TRB_TASK_CLASSES) {
        d->label = y;
        for (size_t i = 0; y != NULL && i < d->n; i++)
            if ((size_t)d->label[i] >= d->classes) d->classes = (size_t)d->label[i] + 1;
    } else {
        d->target = y;
    }
    return TRB_OK;
done:
    trb_free(mean);
    trb_free(scale);
    return st;
}

trb_status trb_data_load(const trb_data_files *files, trb_data *out)
{
    trb_status st = TRB_OK;
    trb__samples s = {.task = files->task};
    size_t width = 0, n_units = 0;
    TRB_TRY(trb__data_units(files, &width, &n_units));
    for (size_t i = 0; i < n_units; i++) TRB_GO(trb__data_unit_read(files, i, &s));
    trb_data d = {.task = files->task, .n = s.n, .shape = s.shape, .type = s.type, .x = s.x.at};
    TRB_GO(trb__data_describe(&d, s.y.at));
    *out = d;
    return TRB_OK;
done:
    trb_free(s.x.at);
    trb_free(s.y.at);
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
    trb_free(d->mean);
    trb_free(d->scale);
    *d = (trb_data){.task = d->task};
}
