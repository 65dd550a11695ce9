/* Reader of HDF5 data sets: /x [N][...] samples and /y [N] labels or targets. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/h5.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"

/* Bytes in one row. The products cannot overflow: trb_h5_describe() has compared the extent with the stored bytes. */
static trb_status row_bytes_of(const char *path, const char *name, const trb_h5_shape *shape, size_t *row_bytes)
{
    size_t row = trb_dtype_bytes(shape->type);
    for (size_t i = 1; i < shape->ndim; i++) row *= shape->dim[i];
    if (row == 0 || shape->dim[0] == 0) return trb_fail(TRB_EINPUT, "%s: %s is empty", path, name);
    *row_bytes = row;
    return TRB_OK;
}

static trb_status describe_x(trb_h5 *h, const char *path, trb__samples *s, trb_h5_shape *x, size_t *row_bytes)
{
    TRB_TRY(trb_h5_describe(h, "/x", x));
    if (x->type != TRB_U8 && x->type != TRB_F32)
        return trb_fail(TRB_EINPUT, "%s: /x: expected uint8 or float32, got %s", path, trb_dtype_name(x->type));
    if (x->ndim < 2 || x->ndim > 4)
        return trb_fail(TRB_EINPUT, "%s: /x: expected [N][D], [N][H][W] or [N][C][H][W], got %zu dimensions", path,
                        x->ndim);
    TRB_TRY(row_bytes_of(path, "/x", x, row_bytes));
    const size_t *d = x->dim;
    const trb_shape shapes[] = {{d[1], 1, 1}, {1, d[1], d[2]}, {d[1], d[2], d[3]}};
    return trb__samples_expect(s, path, x->type, shapes[x->ndim - 2]);
}

static trb_status describe_y(trb_h5 *h, const char *path, trb_task task, size_t n, trb_h5_shape *y, size_t *row_bytes)
{
    TRB_TRY(trb_h5_describe(h, "/y", y));
    const bool labels = y->type == TRB_U8 || y->type == TRB_I32 || y->type == TRB_I64;
    const bool targets = y->type == TRB_F32 || y->type == TRB_F64;
    if (task == TRB_TASK_CLASSES ? !labels : !targets)
        return trb_fail(TRB_EINPUT, "%s: /y: expected %s, got %s", path,
                        task == TRB_TASK_CLASSES ? "labels of uint8, int32 or int64" : "targets of float32 or float64",
                        trb_dtype_name(y->type));
    if (y->ndim != 1 || y->dim[0] != n)
        return trb_fail(TRB_EINPUT, "%s: /y: expected [%zu], one value a row of /x, got %zu dimensions, the first %zu",
                        path, n, y->ndim, y->dim[0]);
    return row_bytes_of(path, "/y", y, row_bytes);
}

/* Convert value i of /y to a label or a target. */
static trb_status convert(const char *path, const trb_h5_shape *y, const uint8_t *raw, size_t i, void *out)
{
    int64_t label = 0;
    double target = 0.0;
    switch (y->type) {
    case TRB_U8:
        label = raw[i];
        break;
    case TRB_I32:
        label = ((const int32_t *)(const void *)raw)[i];
        break;
    case TRB_I64:
        label = ((const int64_t *)(const void *)raw)[i];
        break;
    case TRB_F32:
        target = (double)((const float *)(const void *)raw)[i];
        break;
    default:
        target = ((const double *)(const void *)raw)[i];
    }
    if (y->type == TRB_F32 || y->type == TRB_F64) {
        if (!isfinite((float)target)) return trb_fail(TRB_EINPUT, "%s: /y: target of row %zu is not finite", path, i);
        ((float *)out)[i] = (float)target;
        return TRB_OK;
    }
    if (label < 0 || label >= TRB_LOSS_K_MAX)
        return trb_fail(TRB_EINPUT, "%s: /y: label %" PRId64 " in row %zu, expected 0 to %d", path, label, i,
                        TRB_LOSS_K_MAX - 1);
    ((int32_t *)out)[i] = (int32_t)label;
    return TRB_OK;
}

static trb_status check_finite(const char *path, size_t n, size_t columns, const float *x)
{
    for (size_t i = 0; i < n; i++) {
        trb_alive_at(i);
        for (size_t j = 0; j < columns; j++)
            if (!isfinite(x[i * columns + j]))
                return trb_fail(TRB_EINPUT, "%s: /x: value %zu of row %zu is not finite", path, j, i);
    }
    return TRB_OK;
}

trb_status trb__hdf5_read(const trb__unit *u, trb__samples *s)
{
    const char *path = u->path[0];
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    trb_h5_shape x, y;
    size_t x_row = 0, y_row = 0;
    uint8_t *raw = NULL;
    TRB_GO(trb_h5_open(path, &h));
    const bool labelled =
        u->of->labels == TRB_LABELS_NEEDED || (u->of->labels == TRB_LABELS_IF_THERE && trb_h5_has(h, "/y"));
    TRB_GO(trb__samples_labelled(s, path, labelled));
    TRB_GO(describe_x(h, path, s, &x, &x_row));
    const size_t n = x.dim[0];
    if (labelled) TRB_GO(describe_y(h, path, s->task, n, &y, &y_row));

    TRB_GO(trb__bytes_room(&s->x, n * x_row));
    uint8_t *x_at = s->x.at + s->x.n;
    TRB_GO(trb_h5_read_rows(h, "/x", x.type, 0, n, x_at));
    if (x.type == TRB_F32) TRB_GO(check_finite(path, n, x_row / sizeof(float), (const float *)(const void *)x_at));

    if (labelled) {
        TRB_GO(trb_alloc(TRB_MEM_DATA, n, y_row, &raw));
        TRB_GO(trb_h5_read_rows(h, "/y", y.type, 0, n, raw));
        TRB_GO(trb__bytes_room(&s->y, n * sizeof(int32_t)));
        uint8_t *y_at = s->y.at + s->y.n;
        for (size_t i = 0; i < n; i++) TRB_GO(convert(path, &y, raw, i, y_at));
        s->y.n += n * sizeof(int32_t);
    }
    s->x.n += n * x_row;
    s->n += n;
done:
    trb_free(raw);
    trb_h5_close(h);
    return st;
}
