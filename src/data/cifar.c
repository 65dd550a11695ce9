/* Reader of CIFAR's binary versions: records of label bytes and 32 x 32 red, green and blue bytes, without a header. */
#include "internal.h"

#include <string.h>

#include "tribikos/memory.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE };

/* How many label bytes precede the pixels, and how many classes each has. The last one is the label of the sample. */
typedef struct {
    size_t labels, classes[2];
} kind;
static const kind cifar10 = {1, {10}}, cifar100 = {2, {20, 100}}; /* coarse, then fine */

static trb_status read_records(const trb__unit *u, const kind *k, trb__samples *all)
{
    const char *path = u->path[0];
    trb_status st = TRB_OK;
    trb__source s = {NULL, NULL, 0, false};
    trb__bytes label = {NULL, 0, 0};
    size_t n_head = 0;
    const size_t record_bytes = k->labels + PIXELS;
    TRB_TRY(trb__source_open(path, &s));
    TRB_GO(trb__samples_expect(all, path, TRB_U8, (trb_shape){3, SIDE, SIDE}));
    const size_t before = all->x.n;
    TRB_GO(trb__source_append_all(&s, &all->x));
    const size_t bytes = all->x.n - before, n = bytes / record_bytes;
    const uint8_t *head = trb__source_head(&s, &n_head);
    if ((n == 0 || bytes % record_bytes != 0) && n_head > 0 && trb__looks_like(head, n_head) != NULL)
        TRB_GO(trb__source_unlike(&s, k->labels == 1 ? "records of CIFAR-10" : "records of CIFAR-100"));
    if (n == 0 || bytes % record_bytes != 0)
        TRB_GO(
            trb_fail(TRB_EINPUT, "%s: expected whole records of %zu bytes, got %zu bytes", path, record_bytes, bytes));
    TRB_GO(trb__bytes_room(&label, n));
    /* Remove the labels from the records and close the gaps between the pixels, in place. */
    uint8_t *to = all->x.at + before;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *record = all->x.at + before + i * record_bytes;
        for (size_t j = 0; j < k->labels; j++)
            if (record[j] >= k->classes[j])
                TRB_GO(trb_fail(TRB_EINPUT, "%s: label %d in record %zu, expected 0 to %zu", path, record[j], i,
                                k->classes[j] - 1));
        label.at[i] = record[k->labels - 1];
        memmove(to + i * PIXELS, record + k->labels, PIXELS);
    }
    all->x.n = before + n * PIXELS;
    st = trb__samples_add_labels(all, path, u->of->labels, n, label.at);
done:
    trb_free(label.at);
    trb__source_close(&s);
    return st;
}

/* ---- records, piece by piece */

typedef struct {
    const kind *k;
    trb__source s;
    trb__bytes record, label;
    trb_labels labels;
} pieces;

/* Add n records to the samples. */
static trb_status add_records(pieces *t, size_t first, size_t n, trb__samples *s)
{
    const size_t bytes = t->k->labels + PIXELS;
    TRB_TRY(trb__bytes_room(&s->x, n * PIXELS));
    TRB_TRY(trb__bytes_room(&t->label, n));
    for (size_t i = 0; i < n; i++) {
        const uint8_t *record = t->record.at + i * bytes;
        for (size_t j = 0; j < t->k->labels; j++)
            if (record[j] >= t->k->classes[j])
                return trb_fail(TRB_EINPUT, "%s: label %d in record %zu, expected 0 to %zu", t->s.path, record[j],
                                first + i, t->k->classes[j] - 1);
        t->label.at[i] = record[t->k->labels - 1];
        memcpy(s->x.at + s->x.n, record + t->k->labels, PIXELS);
        s->x.n += PIXELS;
    }
    return trb__samples_add_labels(s, t->s.path, t->labels, n, t->label.at);
}

static trb_status next_records(trb__rows *r, size_t n, bool wanted, trb__samples *s, size_t *got)
{
    pieces *t = r->of;
    const size_t bytes = t->k->labels + PIXELS;
    size_t read = 0;
    t->record.n = 0;
    if (wanted) TRB_TRY(trb__bytes_room(&t->record, n * bytes));
    TRB_TRY(wanted ? trb__source_some(&t->s, n * bytes, t->record.at, &read)
                   : trb__source_skip(&t->s, n * bytes, &read));
    *got = read / bytes;
    if (read % bytes != 0 || r->at + *got == 0)
        return trb_fail(TRB_EINPUT, "%s: expected whole records of %zu bytes, got %zu bytes", t->s.path, bytes,
                        r->at * bytes + read);
    if (wanted) TRB_TRY(add_records(t, r->at, *got, s));
    r->at += *got;
    return TRB_OK;
}

static double share_of(const trb__rows *r)
{
    const pieces *t = r->of;
    return trb__source_share(&t->s);
}

static void close_records(trb__rows *r)
{
    pieces *t = r->of;
    trb__source_close(&t->s);
    trb_free(t->record.at);
    trb_free(t->label.at);
    trb_free(t);
}

static trb_status open_records(const trb__unit *u, const kind *k, trb__samples *like, trb__rows *r)
{
    trb_status st = TRB_OK;
    pieces *t = NULL;
    size_t n = 0;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *t, &t));
    t->k = k;
    t->labels = u->of->labels;
    *r = (trb__rows){.next = next_records, .share = share_of, .close = close_records, .of = t};
    TRB_GO(trb__source_open(u->path[0], &t->s));
    const uint8_t *head = trb__source_head(&t->s, &n);
    if (!t->s.packed && t->s.file_bytes % (k->labels + PIXELS) != 0 && n > 0 && trb__looks_like(head, n) != NULL)
        TRB_GO(trb__source_unlike(&t->s, k->labels == 1 ? "records of CIFAR-10" : "records of CIFAR-100"));
    TRB_GO(trb__samples_expect(like, u->path[0], TRB_U8, (trb_shape){3, SIDE, SIDE}));
    st = trb__samples_expect_labels(like, u->path[0], t->labels == TRB_LABELS_IGNORED);
done:
    if (st != TRB_OK) close_records(r);
    return st;
}

trb_status trb__cifar10_rows(const trb__unit *u, trb__samples *like, trb__rows *r)
{
    return open_records(u, &cifar10, like, r);
}

trb_status trb__cifar100_rows(const trb__unit *u, trb__samples *like, trb__rows *r)
{
    return open_records(u, &cifar100, like, r);
}

trb_status trb__cifar10_read(const trb__unit *u, trb__samples *s)
{
    return read_records(u, &cifar10, s);
}

trb_status trb__cifar100_read(const trb__unit *u, trb__samples *s)
{
    return read_records(u, &cifar100, s);
}
