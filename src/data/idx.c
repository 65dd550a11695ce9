/* Reader of IDX, the format of the MNIST family. A file has the bytes 00 00, a type (08: unsigned byte), the number of
 * dimensions, each dimension as a big-endian 32-bit number, then the values. */
#include "internal.h"

#include <inttypes.h>

#include "tribikos/memory.h"

/* Read a header. \param[out] dim  [ndim] */
static trb_status read_header(trb__source *s, unsigned ndim, const char *what, uint32_t *dim)
{
    uint8_t h[4];
    TRB_TRY(trb__source_read(s, sizeof h, h));
    if (h[0] != 0 || h[1] != 0 || h[2] != 8 || h[3] != ndim)
        return trb_fail(TRB_EINPUT, "%s: expected IDX %s, which begin with 00 00 08 %02x, got %02x %02x %02x %02x",
                        s->path, what, ndim, h[0], h[1], h[2], h[3]);
    for (unsigned i = 0; i < ndim; i++) {
        TRB_TRY(trb__source_read(s, sizeof h, h));
        dim[i] = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
        if (dim[i] == 0) return trb_fail(TRB_EINPUT, "%s: dimension %u is 0", s->path, i);
    }
    return TRB_OK;
}

/* The size of a plain file is known before it is read, so it can be compared with the header at once. */
static trb_status check_size(const trb__source *s, size_t header, size_t bytes)
{
    if (s->packed || (s->file_bytes >= header && s->file_bytes - header == bytes)) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: its header promises %zu bytes of data, the file has %zu", s->path, bytes,
                    s->file_bytes - header);
}

static trb_status read_images(const char *path, trb__samples *all, uint32_t *n)
{
    trb_status st = TRB_OK;
    trb__source s = {NULL, NULL, 0, false};
    uint32_t dim[3];
    size_t bytes = 0;
    TRB_TRY(trb__source_open(path, &s));
    TRB_GO(read_header(&s, 3, "images", dim));
    TRB_GO(trb__samples_expect(all, path, TRB_U8, (trb_shape){1, dim[1], dim[2]}));
    if (__builtin_mul_overflow((size_t)dim[1] * dim[2], (size_t)dim[0], &bytes))
        TRB_GO(trb_fail(TRB_EINPUT, "%s: %" PRIu32 " images of %" PRIu32 " x %" PRIu32 " are too many to address", path,
                        dim[0], dim[1], dim[2]));
    TRB_GO(check_size(&s, 16, bytes));
    TRB_GO(trb__source_append(&s, bytes, &all->x));
    TRB_GO(trb__source_expect_end(&s));
    *n = dim[0];
done:
    trb__source_close(&s);
    return st;
}

trb_status trb__idx_read(const trb__unit *u, trb__samples *all)
{
    const char *images = u->path[0], *labels = u->path[1];
    trb_status st = TRB_OK;
    trb__source s = {NULL, NULL, 0, false};
    trb__bytes label = {NULL, 0, 0};
    uint32_t n = 0, n_labels = 0;
    TRB_GO(read_images(images, all, &n));
    TRB_GO(trb__source_open(labels, &s));
    TRB_GO(read_header(&s, 1, "labels", &n_labels));
    if (n_labels != n)
        TRB_GO(
            trb_fail(TRB_EINPUT, "%s: %" PRIu32 " labels, but %" PRIu32 " images in %s", labels, n_labels, n, images));
    TRB_GO(check_size(&s, 8, n_labels));
    TRB_GO(trb__source_append(&s, n_labels, &label));
    TRB_GO(trb__source_expect_end(&s));
    st = trb__samples_add_labels(all, labels, n, label.at);
done:
    trb_free(label.at);
    trb__source_close(&s);
    return st;
}
