/* Reader of HDF5 data sets: samples and labels or targets by their names. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/memory.h"

/* The names that other programs give to samples and to labels. They are offered, not taken. */
static const char *const samples[] = {"X", "images", "data", "inputs", "features", "x_train", "X_train", "image", NULL};
static const char *const labels[] = {"Y",       "labels",  "label",   "targets", "target",
                                     "y_train", "Y_train", "classes", NULL};

/* HDF5 says only that a file is none of its own. */
static trb_status open_file(const char *path, trb_h5 **h)
{
    uint8_t head[TRB__HEAD];
    int fd = -1;
    const trb_status st = trb_h5_open(path, h);
    if (st != TRB_EINTEGRITY || trb_file_open(path, O_RDONLY, &fd) != TRB_OK) return st;
    const ssize_t n = pread(fd, head, sizeof head, 0);
    (void)close(fd);
    if (n < 0 || trb__looks_like(head, (size_t)n) == NULL || (n >= 4 && memcmp(head, "\x89HDF", 4) == 0)) return st;
    trb_fail_clear();
    return trb__unlike(st, path, "an HDF5 file", head, (size_t)n);
}

static trb_status missing(trb_h5 *h, const char *name, const char *key, const char *const *offer)
{
    char text[400];
    trb_text sets = trb_text_in(text, sizeof text);
    trb_h5_list(h, &sets);
    while (*offer != NULL && !trb_h5_has(h, *offer)) offer++;
    return trb_fail(TRB_EINTEGRITY, "%s: there is no data set `%s` in it; it holds %s; set `%s` to one of them%s%s%s",
                    trb_h5_path(h), name, sets.n > 0 ? text : "none", key, *offer != NULL ? ", perhaps `" : "",
                    *offer != NULL ? *offer : "", *offer != NULL ? "`" : "");
}

static trb_status read_rows(const trb__array *a, size_t first, size_t n, trb__bytes *rows)
{
    size_t bytes = n * trb_dtype_bytes(a->type);
    for (size_t d = 1; d < a->ndim; d++) bytes *= a->dim[d]; /* fits: trb_h5_describe() has compared it with the file */
    TRB_TRY(trb__bytes_room(rows, bytes));
    TRB_TRY(trb_h5_read_rows(a->of, a->name, a->type, first, n, rows->at + rows->n));
    rows->n += bytes;
    return TRB_OK;
}

static trb_status describe(trb_h5 *h, const char *path, const char *name, trb__array *a)
{
    trb_h5_shape shape;
    TRB_TRY(trb_h5_describe(h, name, &shape));
    *a = (trb__array){.path = path, .name = name, .type = shape.type, .ndim = shape.ndim, .sure = true};
    memcpy(a->dim, shape.dim, shape.ndim * sizeof *a->dim);
    for (size_t d = 0; d < a->ndim; d++)
        if (a->dim[d] == 0) return trb_fail(TRB_EINPUT, "%s: %s is empty", path, name);
    a->read = read_rows;
    a->of = h;
    return trb_h5_rows_a_call(h, name, &a->rows);
}

static void close_file(trb__arrays *a)
{
    trb_h5_close(a->of[0]);
}

static trb_status open_hdf5(const trb__unit *u, trb__arrays *a)
{
    const trb_data_files *f = u->of;
    const char *x = trb__name_of(f->x, "x"), *y = trb__name_of(f->y, "y");
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    *a = (trb__arrays){.close = close_file};
    TRB_GO(open_file(u->path[0], &h));
    a->of[0] = h;
    if (!trb_h5_has(h, x)) TRB_GO(missing(h, x, "data.x", samples));
    TRB_GO(describe(h, u->path[0], x, &a->x));
    a->labelled = f->labels != TRB_LABELS_IGNORED && trb_h5_has(h, y);
    if (f->labels == TRB_LABELS_NEEDED && !a->labelled) TRB_GO(missing(h, y, "data.y", labels));
    if (a->labelled) TRB_GO(describe(h, u->path[0], y, &a->y));
done:
    if (st != TRB_OK) trb_h5_close(h);
    return st;
}

trb_status trb__hdf5_read(const trb__unit *u, trb__samples *s)
{
    return trb__arrays_read(u, open_hdf5, s);
}

trb_status trb__hdf5_rows(const trb__unit *u, trb__samples *like, trb__rows *r)
{
    return trb__arrays_rows(u, open_hdf5, like, r);
}

trb_status trb__hdf5_survey(const trb_data_files *f, trb_schema *s)
{
    return trb__arrays_survey(f, open_hdf5, s);
}
