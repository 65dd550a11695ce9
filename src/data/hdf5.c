/* Reader of HDF5 data sets: samples and labels or targets by their names. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

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

/* ---- files of trb_pack(), which name their classes */

static trb_status read_own_schema(trb_h5 *h, trb_schema *s)
{
    char *text = NULL;
    trb_status st = TRB_OK;
    if (!trb_h5_has_attr(h, "format")) return TRB_OK;
    TRB_GO(trb_h5_get_text(h, "format", &text));
    if (strcmp(text, TRB__PACK_FORMAT) != 0) goto done;
    trb_free(text);
    text = NULL;
    TRB_GO(trb_h5_get_text(h, "schema", &text));
    st = trb_schema_read(trb_h5_path(h), text, s);
done:
    trb_free(text);
    return st;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Match the classes of a file with those of the training files, by name. \param[out] class_of  trb_free() */
static trb_status match_classes(const char *path, const trb_schema *own, const trb_schema *of, int32_t **class_of)
{
    TRB_TRY(trb_alloc(TRB_MEM_DATA, own->n_classes, sizeof **class_of, class_of));
    for (size_t k = 0; k < own->n_classes; k++) {
        char *const *found =
            bsearch(&own->class_name[k], of->class_name, of->n_classes, sizeof *of->class_name, by_bytes);
        if (found == NULL)
            return trb_fail(TRB_EINPUT, "%s: its class `%s` is none of the %s of the training files", path,
                            own->class_name[k], TRB_COUNT(of->n_classes, "class"));
        (*class_of)[k] = (int32_t)(found - of->class_name);
    }
    return TRB_OK;
}

/* New images for a prediction lie in folders that name no class. */
static bool no_class_is_known(const trb_schema *own, const trb_schema *of)
{
    bool known = own->n_classes == 0 || of == NULL || of->n_classes == 0;
    for (size_t k = 0; !known && k < own->n_classes; k++)
        known = bsearch(&own->class_name[k], of->class_name, of->n_classes, sizeof *of->class_name, by_bytes) != NULL;
    return !known;
}

/* What such a file says of its arrays, once they have been described. */
static trb_status apply_own_schema(const trb__unit *u, trb__arrays *a)
{
    trb_schema own = {0};
    const trb_schema *of = u->of->schema;
    int32_t *class_of = NULL;
    trb_status st = read_own_schema(a->of[0], &own);
    a->x.layout = own.layout;
    a->y.n_classes = own.n_classes;
    if (u->of->predicted && no_class_is_known(&own, of)) a->labelled = false;
    if (st == TRB_OK && a->labelled && own.n_classes > 0 && of != NULL && of->n_classes > 0)
        st = match_classes(u->path[0], &own, of, &class_of);
    a->y.class_of = a->of[1] = class_of;
    trb_schema_clear(&own);
    return st;
}

/* The names of classes, which all training files must have in common. */
static trb_status survey_classes(const char *path, size_t i, trb_schema *s)
{
    trb_h5 *h = NULL;
    trb_schema own = {0};
    TRB_TRY(trb_h5_open(path, &h));
    trb_status st = read_own_schema(h, &own);
    trb_h5_close(h);
    bool same = own.n_classes == s->n_classes;
    for (size_t k = 0; same && k < own.n_classes; k++) same = strcmp(own.class_name[k], s->class_name[k]) == 0;
    if (st == TRB_OK && i > 0 && !same)
        st = trb_fail(TRB_EINPUT, "%s: names other classes than the training files before; pack all images together",
                      path);
    if (st == TRB_OK && i == 0) {
        s->n_classes = own.n_classes;
        s->class_name = own.class_name;
        own = (trb_schema){.n_classes = 0};
    }
    trb_schema_clear(&own);
    return st;
}

/* ---- all files */

static void close_file(trb__arrays *a)
{
    trb_h5_close(a->of[0]);
    trb_free(a->of[1]);
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
    st = apply_own_schema(u, a);
done:
    if (st != TRB_OK) close_file(a);
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
    trb_status st = trb__arrays_survey(f, open_hdf5, s);
    for (size_t i = 0; st == TRB_OK && f->task == TRB_TASK_CLASSES && i < f->n_files; i++) {
        char *path = NULL;
        st = trb__data_path(f->root, f->files[i], &path);
        if (st == TRB_OK) st = survey_classes(path, i, s);
        trb_free(path);
    }
    return st;
}
