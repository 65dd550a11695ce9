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

trb_status trb__samples_expect_labels(trb__samples *s, const char *path, bool unlabelled)
{
    if (s->n == 0) s->unlabelled = unlabelled;
    if (s->unlabelled == unlabelled) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: has %s, but the files before have %s", path,
                    unlabelled ? "no labels or targets" : "labels or targets", unlabelled ? "some" : "none");
}

trb_status trb__samples_add_labels(trb__samples *s, const char *path, trb_labels wanted, size_t n, const uint8_t *label)
{
    TRB_TRY(trb__samples_expect_labels(s, path, wanted == TRB_LABELS_IGNORED));
    if (wanted == TRB_LABELS_IGNORED) {
        s->n += n;
        return TRB_OK;
    }
    if (s->task != TRB_TASK_CLASSES)
        return trb_fail(TRB_ECONFIG,
                        "%s: has labels; `data.task: regression` needs `data.format: hdf5`, `npy` or `table`", path);
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
