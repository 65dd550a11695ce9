/* What the readers of all formats have in common: joining samples, adding labels, paths. */
#include "internal.h"

#include "tribikos/memory.h"
#include "tribikos/text.h"

trb_status trb__samples_expect(trb__samples *s, const char *path, trb_dtype type, trb_shape shape)
{
    if (s->n == 0) {
        s->type = type;
        s->shape = shape;
        return TRB_OK;
    }
    const trb_shape e = s->shape;
    if (type == s->type && shape.c == e.c && shape.h == e.h && shape.w == e.w) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: samples of %zu x %zu x %zu %s, but %zu x %zu x %zu %s in the files before", path,
                    shape.c, shape.h, shape.w, trb_dtype_name(type), e.c, e.h, e.w, trb_dtype_name(s->type));
}

trb_status trb__samples_labelled(const trb__samples *s, const char *path, bool labelled)
{
    if (s->n == 0 || labelled == (s->y.n > 0)) return TRB_OK;
    return trb_fail(TRB_EINPUT,
                    "%s: has %slabels or targets, but the files before have %s; expected them in all files or in none", path,
                    labelled ? "" : "no ", labelled ? "none" : "some");
}

trb_status trb__samples_add_labels(trb__samples *s, const char *path, size_t n, const uint8_t *label)
{
    if (s->task != TRB_TASK_CLASSES)
        return trb_fail(TRB_ECONFIG, "%s: has labels; `data.task: regression` needs `data.format: hdf5` or `table`", path);
    TRB_TRY(trb__bytes_room(&s->y, n * sizeof(int32_t)));
    int32_t *to = (int32_t *)(void *)(s->y.at + s->y.n);
    for (size_t i = 0; i < n; i++) to[i] = label[i];
    s->y.n += n * sizeof(int32_t);
    s->n += n;
    return TRB_OK;
}

trb_status trb__data_path(const char *root, const char *name, char **out)
{
    if (root[0] == '\0' || name[0] == '/') return trb_strdup(name, out);
    return trb_text_of(out, "%s/%s", root, name);
}
