/* Data sets of HDF5 files: created, checked before memory is reserved for them, written and read by rows, mapped. */
#include "internal.h"

#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* Deflate cannot compress better than 1032 to 1. A filtered data set that claims more values than its bytes can hold is
 * damaged, and no memory may be reserved for it. */
enum { MAX_PACKING = 1100 };

/* The extent as text, "float32 [60000][10]", for messages. */
static const char *shape_text(const trb_h5_shape *s, char text[160])
{
    trb_text t = trb_text_in(text, 160);
    trb_text_add(&t, "%s ", trb_dtype_name(s->type));
    for (size_t d = 0; d < s->ndim; d++) trb_text_add(&t, "[%zu]", s->dim[d]);
    return text;
}

static void to_hsize(const trb_h5_shape *s, hsize_t dim[TRB_H5_MAX_DIM])
{
    for (size_t d = 0; d < s->ndim; d++) dim[d] = s->dim[d];
}

bool trb_h5_has(trb_h5 *h, const char *dataset)
{
    trb__h5_lock();
    const bool has = H5Lexists(h->file, dataset, trb__h5_set_access()) > 0;
    trb__h5_unlock();
    return has;
}

/* Close the data set that was used last, and note the name of the next one. */
static trb_status change_set(trb_h5 *h, const char *name)
{
    enum { PIECE = 128 };
    const size_t bytes = strlen(name) + 1;
    TRB_TRY(trb__h5_release_set(h));
    if (bytes > h->set_room) {
        const size_t more = (bytes + PIECE - 1) / PIECE * PIECE;
        char *room = NULL;
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, more, 1, &room));
        trb_free(h->set_name);
        h->set_name = room;
        h->set_room = more;
    }
    memcpy(h->set_name, name, bytes);
    return TRB_OK;
}

static trb_status open_set(trb_h5 *h, const char *name)
{
    if (h->set >= 0 && strcmp(name, h->set_name) == 0) return TRB_OK;
    TRB_TRY(change_set(h, name));
    const hid_t access = trb__h5_set_access();
    const char *file = NULL;
    const bool exists = H5Lexists(h->file, name, access) > 0;
    if (exists) h->set = H5Dopen2(h->file, name, access);
    if (h->set < 0 && trb__h5_is_elsewhere(&file))
        return trb_fail(
            TRB_EINTEGRITY,
            "%s: data set %s is a link into another file, %s, and such links are not followed; copy it into "
            "this file",
            h->path, name, file);
    if (!exists) return trb_fail(TRB_EINTEGRITY, "%s: there is no data set %s in it", h->path, name);
    return h->set < 0 ? trb__h5_fail(h, TRB_EINTEGRITY, "cannot open data set", name) : TRB_OK;
}

/* Create the groups in a data set's name. HDF5 could create them itself, but it would store the time in them. */
static trb_status make_groups(trb_h5 *h, const char *name)
{
    trb_status st = TRB_OK;
    char *part = NULL;
    if (strchr(name + 1, '/') == NULL) return TRB_OK;
    TRB_TRY(trb_strdup(name, &part));
    const hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    (void)H5Pset_obj_track_times(creation, 0);
    for (char *slash = strchr(part + 1, '/'); slash != NULL && st == TRB_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (H5Lexists(h->file, part, H5P_DEFAULT) <= 0) {
            const hid_t group = H5Gcreate2(h->file, part, H5P_DEFAULT, creation, H5P_DEFAULT);
            if (group < 0 || H5Gclose(group) < 0) st = trb__h5_fail(h, TRB_EIO, "cannot make group", part);
        }
        *slash = '/';
    }
    (void)H5Pclose(creation);
    trb_free(part);
    return st;
}

/* Create a data set and keep it open. */
static trb_status make(trb_h5 *h, const char *name, const trb_h5_shape *shape, bool grows, hid_t creation)
{
    trb_status st = TRB_OK;
    hsize_t dim[TRB_H5_MAX_DIM], most[TRB_H5_MAX_DIM];
    to_hsize(shape, dim);
    to_hsize(shape, most);
    if (grows) most[0] = H5S_UNLIMITED;
    TRB_TRY(trb_fault("file.write"));
    TRB_TRY(change_set(h, name));
    TRB_TRY(make_groups(h, name));
    (void)H5Pset_obj_track_times(creation, 0);
    const hid_t space = H5Screate_simple((int)shape->ndim, dim, most);
    h->set = H5Dcreate2(h->file, name, trb__h5_type(shape->type), space, H5P_DEFAULT, creation, H5P_DEFAULT);
    if (h->set < 0) st = trb__h5_fail(h, TRB_EIO, "cannot make data set", name);
    (void)H5Sclose(space);
    return st;
}

trb_status trb_h5_make(trb_h5 *h, const char *name, trb_h5_shape shape, trb_h5_layout layout)
{
    trb__h5_lock();
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (layout.chunk_rows > 0) {
        hsize_t chunk[TRB_H5_MAX_DIM];
        to_hsize(&shape, chunk);
        if (layout.chunk_rows < shape.dim[0] || layout.grows) chunk[0] = layout.chunk_rows;
        (void)H5Pset_chunk(creation, (int)shape.ndim, chunk);
        if (layout.deflate > 0) {
            (void)H5Pset_shuffle(creation);
            (void)H5Pset_deflate(creation, (unsigned)layout.deflate);
        }
        if (layout.fletcher32) (void)H5Pset_fletcher32(creation);
    }
    const trb_status st = make(h, name, &shape, layout.grows, creation);
    (void)H5Pclose(creation);
    trb__h5_unlock();
    return st;
}

/* Refuse data sets that are dangerous to read:
 *   - one that claims more values than are stored, or chunks larger than that, because HDF5 reserves memory for them;
 *   - a virtual one: it shows zeros if its sources are missing, and exhausts the stack if it is its own source;
 *   - one with external files, which may be any file that this user can read;
 *   - one with filters that this project does not use: they trust what the file says, or HDF5 loads them as plugins. */
static trb_status check_storage(trb_h5 *h, const char *name, const trb_h5_shape *shape, size_t bytes, hid_t creation)
{
    const H5D_layout_t layout = H5Pget_layout(creation);
    if (layout == H5D_VIRTUAL || H5Pget_external_count(creation) != 0)
        return trb_fail(TRB_EINTEGRITY, "%s: data set %s is %s: its values are in other files; copy them into this one",
                        h->path, name, layout == H5D_VIRTUAL ? "virtual" : "external");
    const int n_filters = H5Pget_nfilters(creation);
    for (int i = 0; i < n_filters; i++) {
        size_t n = 0;
        unsigned flags = 0;
        char filter[32] = "";
        const H5Z_filter_t id = H5Pget_filter2(creation, (unsigned)i, &flags, &n, NULL, sizeof filter, filter, NULL);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32)
            return trb_fail(TRB_EINTEGRITY,
                            "%s: data set %s is packed by filter %d (%s), expected deflate, shuffle or fletcher32; "
                            "`h5repack -f GZIP=4 OLD NEW` packs it anew",
                            h->path, name, (int)id, filter);
    }
    const size_t stored = (size_t)H5Dget_storage_size(h->set);
    size_t room = 0;
    if (__builtin_mul_overflow(stored, n_filters > 0 ? MAX_PACKING : 1U, &room)) room = SIZE_MAX;
    char text[160];
    if (room < bytes)
        return trb_fail(TRB_EINTEGRITY, "%s: data set %s claims %s, but only %zu bytes of it are stored", h->path, name,
                        shape_text(shape, text), stored);
    if (layout != H5D_CHUNKED) return TRB_OK;
    hsize_t chunk[H5S_MAX_RANK];
    size_t chunk_bytes = trb_dtype_bytes(shape->type);
    bool absurd = H5Pget_chunk(creation, H5S_MAX_RANK, chunk) != (int)shape->ndim;
    for (size_t d = 0; !absurd && d < shape->ndim; d++)
        absurd = __builtin_mul_overflow(chunk_bytes, (size_t)chunk[d], &chunk_bytes);
    if (!absurd && chunk_bytes <= room) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: data set %s claims chunks that its %zu stored bytes cannot fill", h->path,
                    name, stored);
}

/* Type and extent of the open data set. */
static trb_status describe(trb_h5 *h, const char *name, trb_h5_shape *shape)
{
    trb_status st = TRB_OK;
    trb_h5_shape s = {.ndim = 0};
    hsize_t dim[H5S_MAX_RANK];
    const hid_t type = H5Dget_type(h->set), space = H5Dget_space(h->set), creation = H5Dget_create_plist(h->set);
    if (type < 0 || space < 0 || creation < 0) {
        st = trb__h5_fail(h, TRB_EINTEGRITY, "cannot describe data set", name);
        goto done;
    }
    if (!trb__h5_known(type, &s.type)) {
        st = trb_fail(TRB_EINTEGRITY, "%s: data set %s holds neither bool, whole numbers nor floats of 16 to 64 bits",
                      h->path, name);
        goto done;
    }
    const int ndim = H5Sget_simple_extent_dims(space, dim, NULL);
    if (ndim < 1 || ndim > TRB_H5_MAX_DIM) {
        st = trb_fail(TRB_EINTEGRITY, "%s: data set %s has %d dimensions, expected 1 to %d", h->path, name, ndim,
                      TRB_H5_MAX_DIM);
        goto done;
    }
    s.ndim = (size_t)ndim;
    size_t bytes = trb_dtype_bytes(s.type);
    for (size_t d = 0; d < s.ndim; d++) {
        s.dim[d] = dim[d];
        if (__builtin_mul_overflow(bytes, s.dim[d], &bytes)) {
            st = trb_fail(TRB_EINTEGRITY, "%s: data set %s claims an impossible extent", h->path, name);
            goto done;
        }
    }
    TRB_GO(check_storage(h, name, &s, bytes, creation));
    *shape = s;
done:
    if (creation >= 0) (void)H5Pclose(creation);
    if (space >= 0) (void)H5Sclose(space);
    if (type >= 0) (void)H5Tclose(type);
    return st;
}

trb_status trb_h5_describe(trb_h5 *h, const char *name, trb_h5_shape *shape)
{
    trb__h5_lock();
    trb_status st = open_set(h, name);
    if (st == TRB_OK) st = describe(h, name, shape);
    trb_alive();
    trb__h5_unlock();
    return st;
}

trb_status trb_h5_expect(trb_h5 *h, const char *name, trb_h5_shape shape)
{
    trb_h5_shape found;
    TRB_TRY(trb_h5_describe(h, name, &found));
    bool same = found.type == shape.type && found.ndim == shape.ndim;
    for (size_t d = 0; same && d < shape.ndim; d++) same = found.dim[d] == shape.dim[d];
    if (same) return TRB_OK;
    char is[160], wanted[160];
    return trb_fail(TRB_EINTEGRITY, "%s: data set %s is %s, expected %s", h->path, name, shape_text(&found, is),
                    shape_text(&shape, wanted));
}

static size_t row_bytes(trb_dtype type, int ndim, const hsize_t *dim)
{
    size_t bytes = trb_dtype_bytes(type);
    for (int d = 1; d < ndim; d++)
        if (__builtin_mul_overflow(bytes, (size_t)dim[d], &bytes)) return SIZE_MAX;
    return bytes;
}

/* How many rows one call reads: a few megabytes, and whole chunks, because HDF5 unpacks a chunk again for each call
 * that needs a part of it. */
static size_t rows_a_call(const trb_h5 *h, size_t bytes)
{
    enum { PIECE = 1 << 22 };
    hsize_t chunk[H5S_MAX_RANK] = {1};
    const hid_t creation = H5Dget_create_plist(h->set);
    if (creation >= 0 && H5Pget_layout(creation) == H5D_CHUNKED) (void)H5Pget_chunk(creation, H5S_MAX_RANK, chunk);
    if (creation >= 0) (void)H5Pclose(creation);
    const size_t rows = bytes > 0 ? PIECE / bytes : PIECE, whole = (size_t)chunk[0];
    return rows < whole ? whole : rows / whole * whole;
}

/* Transfer rows [first, first + n) of the open data set, which `space`, `ndim` and `dim` describe. `type` is the type
 * in memory. */
static trb_status move(trb_h5 *h, hid_t type, hid_t space, int ndim, const hsize_t *dim, size_t first, size_t n,
                       const void *from, void *to)
{
    trb_status st = TRB_OK;
    hsize_t start[H5S_MAX_RANK] = {first}, count[H5S_MAX_RANK];
    memcpy(count, dim, (size_t)ndim * sizeof *count);
    count[0] = n;
    const hid_t memory = H5Screate_simple(ndim, count, NULL);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        (from != NULL ? H5Dwrite(h->set, type, memory, space, H5P_DEFAULT, from)
                      : H5Dread(h->set, type, memory, space, H5P_DEFAULT, to)) < 0)
        st = trb__h5_fail(h, TRB_EINTEGRITY, from != NULL ? "cannot write to data set" : "cannot read data set",
                          h->set_name);
    if (memory >= 0) (void)H5Sclose(memory);
    trb_alive();
    return st;
}

/* Make room for rows up to `end` in the open data set, if it grows. */
static trb_status extend(trb_h5 *h, size_t end)
{
    trb_status st = TRB_OK;
    hsize_t dim[H5S_MAX_RANK], most[H5S_MAX_RANK];
    const hid_t space = H5Dget_space(h->set);
    const int ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dim, most);
    if (ndim > 0 && most[0] == H5S_UNLIMITED && dim[0] < end) {
        dim[0] = end;
        if (H5Dset_extent(h->set, dim) < 0) st = trb__h5_fail(h, TRB_EIO, "cannot extend data set", h->set_name);
    }
    if (space >= 0) (void)H5Sclose(space);
    return st;
}

/* Transfer rows `from` memory or `to` memory. Memory and file have the same type, so HDF5 converts at most the order of
 * bytes. */
static trb_status transfer(trb_h5 *h, const char *name, trb_dtype type, size_t first, size_t n, const void *from,
                           void *to)
{
    trb_status st = TRB_OK;
    hsize_t dim[H5S_MAX_RANK];
    TRB_TRY(trb_fault(from != NULL ? "file.write" : "file.read"));
    TRB_TRY(open_set(h, name));
    if (from != NULL) TRB_TRY(extend(h, first + n));
    const hid_t stored = H5Dget_type(h->set), space = H5Dget_space(h->set);
    const int ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dim, NULL);
    const char *what = from != NULL ? "cannot write to data set" : "cannot read data set";
    if (stored < 0 || ndim < 1) {
        st = trb__h5_fail(h, TRB_EINTEGRITY, what, name);
        goto done;
    }
    trb_dtype known = TRB_U8;
    if (to != NULL && (!trb__h5_known(stored, &known) || known != type)) {
        st = trb_fail(TRB_EINTEGRITY, "%s: data set %s is not %s", h->path, name, trb_dtype_name(type));
        goto done;
    }
    if (first > dim[0] || n > dim[0] - first) {
        st = trb_fail(TRB_EINTEGRITY, "%s: data set %s has %llu rows, but rows %zu to %zu are needed", h->path, name,
                      (unsigned long long)dim[0], first, first + n);
        goto done;
    }
    /* An enumeration is read as itself: HDF5 would look each value up. */
    const hid_t memory = to == NULL || type == TRB_BOOL ? stored : trb__h5_type(type);
    const size_t bytes = row_bytes(type, ndim, dim), step = to != NULL ? rows_a_call(h, bytes) : SIZE_MAX;
    for (size_t at = 0, rows = 0; at < n && st == TRB_OK; at += rows) {
        const size_t left = step - (first + at) % step;
        rows = left < n - at ? left : n - at;
        st = move(h, memory, space, ndim, dim, first + at, rows, from, to != NULL ? (char *)to + at * bytes : NULL);
    }
done:
    if (space >= 0) (void)H5Sclose(space);
    if (stored >= 0) (void)H5Tclose(stored);
    return st;
}

trb_status trb_h5_rows_a_call(trb_h5 *h, const char *name, size_t *rows)
{
    trb_h5_shape s;
    hsize_t dim[TRB_H5_MAX_DIM];
    trb__h5_lock();
    trb_status st = open_set(h, name);
    if (st == TRB_OK) st = describe(h, name, &s);
    if (st == TRB_OK) {
        to_hsize(&s, dim);
        *rows = rows_a_call(h, row_bytes(s.type, (int)s.ndim, dim));
    }
    trb__h5_unlock();
    return st;
}

trb_status trb_h5_write_rows(trb_h5 *h, const char *name, size_t first, size_t n, const void *rows)
{
    trb__h5_lock();
    const trb_status st = transfer(h, name, TRB_U8, first, n, rows, NULL);
    trb__h5_unlock();
    return st;
}

trb_status trb_h5_read_rows(trb_h5 *h, const char *name, trb_dtype type, size_t first, size_t n, void *rows)
{
    trb__h5_lock();
    const trb_status st = transfer(h, name, type, first, n, NULL, rows);
    trb__h5_unlock();
    return st;
}

trb_status trb_h5_put(trb_h5 *h, const char *name, trb_h5_shape shape, const void *values)
{
    TRB_TRY(trb_h5_make(h, name, shape, (trb_h5_layout){.chunk_rows = 0}));
    return trb_h5_write_rows(h, name, 0, shape.dim[0], values);
}

trb_status trb_h5_make_virtual(trb_h5 *h, const char *name, trb_h5_shape shape, const char *source, size_t n,
                               const trb_h5_piece *pieces)
{
    trb_status st = TRB_OK;
    hsize_t dim[TRB_H5_MAX_DIM];
    to_hsize(&shape, dim);
    trb__h5_lock();
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE), whole = H5Screate_simple(4, dim, NULL);
    for (size_t i = 0; i < n && st == TRB_OK; i++) {
        const trb_h5_piece *p = &pieces[i];
        const hsize_t start[4] = {p->v, p->m, p->first, 0}, count[4] = {1, 1, p->rows, dim[3]};
        const hid_t part = H5Screate_simple(2, count + 2, NULL);
        if (H5Sselect_hyperslab(whole, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
            H5Pset_virtual(creation, whole, p->path, source, part) < 0)
            st = trb__h5_fail(h, TRB_EINTERNAL, "cannot map into data set", name);
        (void)H5Sclose(part);
    }
    if (st == TRB_OK) st = make(h, name, &shape, false, creation);
    (void)H5Sclose(whole);
    (void)H5Pclose(creation);
    trb__h5_unlock();
    return st;
}

typedef struct {
    trb_h5 *h;
    trb_status (*visit)(void *ctx, const char *name, const trb_h5_shape *shape);
    void *ctx;
    trb_status st;
} set_visit;

static herr_t visit_object(hid_t group, const char *name, const H5O_info_t *info, void *data)
{
    set_visit *v = data;
    trb_h5_shape shape;
    (void)group;
    if (info->type != H5O_TYPE_DATASET) return 0;
    v->st = trb_h5_describe(v->h, name, &shape);
    if (v->st == TRB_OK) v->st = v->visit(v->ctx, name, &shape);
    return v->st == TRB_OK ? 0 : -1;
}

trb_status trb_h5_each(trb_h5 *h, trb_status (*visit)(void *ctx, const char *name, const trb_h5_shape *shape),
                       void *ctx)
{
    set_visit v = {.h = h, .visit = visit, .ctx = ctx};
    trb__h5_lock();
    if (H5Ovisit2(h->file, H5_INDEX_NAME, H5_ITER_INC, visit_object, &v, H5O_INFO_BASIC) < 0 && v.st == TRB_OK)
        v.st = trb__h5_fail(h, TRB_EINTEGRITY, "cannot list the data sets", NULL);
    trb__h5_unlock();
    return v.st;
}

typedef struct {
    trb_h5 *h;
    trb_text *t;
} listing;

static herr_t list_object(hid_t group, const char *name, const H5O_info_t *info, void *data)
{
    const listing *l = data;
    hsize_t dim[H5S_MAX_RANK];
    trb_dtype type = TRB_U8;
    (void)group;
    if (info->type != H5O_TYPE_DATASET) return 0;
    const hid_t set = H5Dopen2(l->h->file, name, trb__h5_set_access());
    if (set < 0) return 0;
    const hid_t stored = H5Dget_type(set), space = H5Dget_space(set);
    const int ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dim, NULL);
    trb_text_add(l->t, "%s%s %s", l->t->n > 0 ? ", " : "", name,
                 stored >= 0 && trb__h5_known(stored, &type) ? trb_dtype_name(type) : "of another type");
    for (int d = 0; d < ndim; d++) trb_text_add(l->t, "%s[%llu]", d == 0 ? " " : "", (unsigned long long)dim[d]);
    if (space >= 0) (void)H5Sclose(space);
    if (stored >= 0) (void)H5Tclose(stored);
    (void)H5Dclose(set);
    return 0;
}

void trb_h5_list(trb_h5 *h, trb_text *t)
{
    listing l = {.h = h, .t = t};
    trb__h5_lock();
    (void)H5Ovisit2(h->file, H5_INDEX_NAME, H5_ITER_INC, list_object, &l, H5O_INFO_BASIC);
    trb__h5_unlock();
}
