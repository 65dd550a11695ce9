/* Which files of a data set belong together: one file, or a pair of samples and labels. */
#include <string.h>

#include "array.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), length = strlen(end);
    return n >= length && strcmp(name + n - length, end) == 0;
}

/* The sizes of an array. A file that cannot be opened has none; reading it will say why. */
static trb_status sizes_of(const trb_data_files *f, const char *name, trb__array *a)
{
    char *path = NULL;
    trb__stored s;
    TRB_TRY(trb__data_path(f->root, name, &path));
    const trb_status st = trb__stored_open(f, path, &s, a);
    if (st == TRB_OK) trb__stored_close(&s);
    trb_free(path);
    if (st == TRB_OK) return TRB_OK;
    *a = (trb__array){0};
    if (trb_status_is_failure(st)) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* Whether the second file holds labels of the first one: a value a row, or a row for each sample that is no sample. */
static trb_status holds_labels(const trb_data_files *f, bool *labels)
{
    trb__array x, y;
    TRB_TRY(sizes_of(f, f->files[1], &y));
    *labels = y.ndim == 1;
    if (y.ndim != 2) return TRB_OK;
    TRB_TRY(sizes_of(f, f->files[0], &x));
    *labels = x.ndim > 0 && x.dim[0] == y.dim[0] && (x.ndim != 2 || x.dim[1] != y.dim[1]);
    return TRB_OK;
}

/* idx and npy come in pairs, samples and labels. Where no labels are needed there may be samples alone. An npz holds
 * both. */
static trb_status find_width(const trb_data_files *f, size_t *width)
{
    const bool paired = f->format == TRB_FORMAT_IDX || (f->format == TRB_FORMAT_NPY && !ends_in(f->files[0], ".npz"));
    bool labels = paired && f->labels == TRB_LABELS_NEEDED;
    if (paired && !labels && f->n_files % 2 == 0) TRB_TRY(holds_labels(f, &labels));
    *width = labels ? 2 : 1;
    return TRB_OK;
}

trb_status trb__data_units(const trb_data_files *f, size_t *width, size_t *n_units)
{
    if (f->n_files == 0) return trb_fail(TRB_ECONFIG, "data: expected at least one file, got 0 files");
    if (f->format == TRB_FORMAT_IMAGES)
        return trb_fail(TRB_ECONFIG, "%s: a folder of images is to be packed first; `tribikos pack` does it",
                        f->files[0]);
    TRB_TRY(find_width(f, width));
    *n_units = f->n_files / *width;
    if (f->n_files % *width != 0)
        return trb_fail(
            TRB_ECONFIG,
            "data: expected pairs of files, samples and labels, got %s; a list is written [samples, labels]",
            TRB_COUNT(f->n_files, "file"));
    if (f->n_rows == 0 || f->n_rows == f->n_files) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "data: %s, but %s that %s rows of them; expected one a table, or none",
                    TRB_COUNT(f->n_files, "table"), TRB_COUNT(f->n_rows, "file"), f->n_rows == 1 ? "lists" : "list");
}

trb_status trb__unit_open(const trb_data_files *f, size_t width, size_t i, trb__unit *u)
{
    *u = (trb__unit){.of = f, .i = i, .rows = f->n_rows > 0 ? f->rows[i] : NULL};
    for (size_t k = 0; k < width; k++) TRB_TRY(trb__data_path(f->root, f->files[width * i + k], &u->path[k]));
    return TRB_OK;
}

void trb__unit_close(trb__unit *u)
{
    trb_free(u->path[0]);
    trb_free(u->path[1]);
}
