/* CIFAR-10's binary version: records of a label byte and 32 x 32 red, green, blue bytes, no header. */
#include "internal.h"

#include <string.h>

#include "tribikos/memory.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, RECORD = 1 + PIXELS, CLASSES = 10 };

trb_status trb__cifar10_read(const char *path, trb__samples *all)
{
    trb_status st = TRB_OK;
    trb__source s = {NULL, NULL, 0, false};
    trb__bytes label = {NULL, 0, 0};
    TRB_TRY(trb__source_open(path, &s));
    TRB_GO(trb__samples_expect(all, path, TRB_U8, (trb_shape){3, SIDE, SIDE}));
    const size_t before = all->x.n;
    TRB_GO(trb__source_append_all(&s, &all->x));
    const size_t bytes = all->x.n - before, n = bytes / RECORD;
    if (n == 0 || bytes % RECORD != 0)
        TRB_GO(trb_fail(TRB_EINPUT, "%s: expected whole records of %d bytes, got %zu bytes", path, RECORD, bytes));
    TRB_GO(trb__bytes_room(&label, n));
    /* The labels are taken out, the pixels move together in place. */
    uint8_t *to = all->x.at + before;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *record = all->x.at + before + i * RECORD;
        if (record[0] >= CLASSES)
            TRB_GO(
                trb_fail(TRB_EINPUT, "%s: label %d in record %zu, expected 0 to %d", path, record[0], i, CLASSES - 1));
        label.at[i] = record[0];
        memmove(to + i * PIXELS, record + 1, PIXELS);
    }
    all->x.n = before + n * PIXELS;
    st = trb__samples_add_labels(all, path, n, label.at);
done:
    trb_free(label.at);
    trb__source_close(&s);
    return st;
}
