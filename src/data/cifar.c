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

trb_status trb__cifar10_read(const trb__unit *u, trb__samples *s)
{
    return read_records(u, &cifar10, s);
}

trb_status trb__cifar100_read(const trb__unit *u, trb__samples *s)
{
    return read_records(u, &cifar100, s);
}
