/* Reader of IDX, the format of the MNIST family: pairs of files, samples and labels. */
#include "array.h"
#include "tribikos/memory.h"

static void close_pair(trb__arrays *a)
{
    for (size_t i = 0; i < 2; i++)
        if (a->of[i] != NULL) trb__stored_close(a->of[i]);
    trb_free(a->of[0]);
}

trb_status trb__pair_open(const trb__unit *u, trb__arrays *a)
{
    trb_status st = TRB_OK;
    trb__stored *s = NULL; /* of samples, of labels */
    *a = (trb__arrays){.close = close_pair};
    TRB_GO(trb_alloc(TRB_MEM_DATA, 2, sizeof *s, &s));
    a->of[0] = s;
    TRB_GO(trb__stored_open(u->of, u->path[0], &s[0], &a->x));
    if (u->path[1] == NULL || u->of->labels == TRB_LABELS_IGNORED) return TRB_OK;
    TRB_GO(trb__stored_open(u->of, u->path[1], &s[1], &a->y));
    a->of[1] = &s[1];
    a->labelled = true;
done:
    if (st != TRB_OK) close_pair(a);
    return st;
}

static trb_status open_idx(const trb__unit *u, trb__arrays *a)
{
    TRB_TRY(trb__pair_open(u, a));
    if (!a->labelled || u->of->task == TRB_TASK_CLASSES || a->y.type != TRB_U8) return TRB_OK;
    a->close(a);
    return trb_fail(TRB_ECONFIG,
                    "%s: has labels; `data.task: regression` needs numbers, as `data.format: hdf5`, `npy` or `table` "
                    "have them",
                    u->path[1]);
}

trb_status trb__idx_read(const trb__unit *u, trb__samples *s)
{
    return trb__arrays_read(u, open_idx, s);
}

trb_status trb__idx_rows(const trb__unit *u, trb__samples *like, trb__rows *r)
{
    return trb__arrays_rows(u, open_idx, like, r);
}

trb_status trb__idx_survey(const trb_data_files *f, trb_schema *s)
{
    return trb__arrays_survey(f, open_idx, s);
}
