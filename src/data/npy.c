/* Reader of NumPy's files: pairs of npy files, samples and labels, or npz archives that hold both by their names. */
#include <string.h>

#include "array.h"
#include "tribikos/memory.h"

/* Open an array of an archive. */
static trb_status open_entry(const trb__unit *u, const char *name, const char *key, bool needed, trb__stored *s,
                             trb__array *a, bool *found)
{
    char text[300];
    trb_text names = trb_text_in(text, sizeof text);
    trb__entry e;
    TRB_TRY(trb__zip_find(u->path[0], name, found, &e, &names));
    if (!*found && needed)
        return trb_fail(TRB_EINTEGRITY, "%s: there is no array `%s` in it; it holds %s; set `%s` to one of them",
                        u->path[0], name, names.n > 0 ? text : "nothing", key);
    if (!*found) return TRB_OK;
    TRB_TRY(trb__source_open_part(u->path[0], e.from, e.packed, e.deflated, e.crc, &s->source));
    TRB_TRY(trb_fail_of(trb__stored_npy(s, a), "array `%s` of ", name));
    a->name = name;
    return TRB_OK;
}

static void close_archive(trb__arrays *a)
{
    trb__stored *s = a->of[0];
    for (size_t i = 0; s != NULL && i < 2; i++) trb__stored_close(&s[i]);
    trb_free(s);
}

static trb_status open_archive(const trb__unit *u, trb__arrays *a)
{
    const trb_data_files *f = u->of;
    trb_status st = TRB_OK;
    trb__stored *s = NULL;
    bool found = false;
    *a = (trb__arrays){.close = close_archive};
    TRB_GO(trb_alloc(TRB_MEM_DATA, 2, sizeof *s, &s));
    a->of[0] = s;
    TRB_GO(open_entry(u, trb__name_of(f->x, "x"), "data.x", true, &s[0], &a->x, &found));
    if (f->labels != TRB_LABELS_IGNORED)
        TRB_GO(open_entry(u, trb__name_of(f->y, "y"), "data.y", f->labels == TRB_LABELS_NEEDED, &s[1], &a->y,
                          &a->labelled));
done:
    if (st != TRB_OK) close_archive(a);
    return st;
}

static trb_status open_npy(const trb__unit *u, trb__arrays *a)
{
    trb__source s;
    size_t n = 0;
    if (u->path[1] != NULL) return trb__pair_open(u, a);
    TRB_TRY(trb__source_open(u->path[0], &s));
    const uint8_t *head = trb__source_head(&s, &n);
    const bool zip = n >= 4 && memcmp(head, "PK\3\4", 4) == 0, array = n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0;
    const trb_status st = zip || array ? TRB_OK : trb__source_unlike(&s, "a NumPy array (.npy) or archive (.npz)");
    trb__source_close(&s);
    TRB_TRY(st);
    return zip ? open_archive(u, a) : trb__pair_open(u, a);
}

trb_status trb__npy_read(const trb__unit *u, trb__samples *s)
{
    return trb__arrays_read(u, open_npy, s);
}

trb_status trb__npy_rows(const trb__unit *u, trb__samples *like, trb__rows *r)
{
    return trb__arrays_rows(u, open_npy, like, r);
}

trb_status trb__npy_survey(const trb_data_files *f, trb_schema *s)
{
    return trb__arrays_survey(f, open_npy, s);
}
