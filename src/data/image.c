/* Image files: read whole, told apart by their first bytes, decoded, turned. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"

static trb_status read_all(const char *path, int fd, trb__bytes *b)
{
    enum { PIECE = 1 << 20 };
    struct stat info;
    if (fstat(fd, &info) != 0) return trb_fail(TRB_EIO, "%s: reading failed: %s", path, strerror(errno));
    if (info.st_size > 4 * (off_t)TRB__PIXELS_MOST)
        return trb_fail(TRB_EINPUT, "%s: has %zu bytes, too many for an image", path, (size_t)info.st_size);
    TRB_TRY(trb_fault("file.read"));
    b->n = 0;
    TRB_TRY(trb__bytes_room(b, (size_t)info.st_size));
    b->n = (size_t)info.st_size;
    for (size_t at = 0; at < b->n;) {
        const size_t rest = b->n - at;
        const ssize_t got = read(fd, b->at + at, rest < PIECE ? rest : PIECE);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return trb_fail(TRB_EIO, "%s: reading failed: %s", path, strerror(errno));
        if (got == 0) b->n = at;
        at += (size_t)got;
        trb_alive();
    }
    return TRB_OK;
}

trb_status trb__image_read(const char *path, trb__image *im)
{
    int fd = -1;
    TRB_TRY(trb_fault("file.open"));
    trb_status st = trb_file_open(path, O_RDONLY, &fd);
    if (st == TRB_ECONFIG) return TRB_EINPUT; /* the user has named its folder, not this file */
    if (st == TRB_OK) st = read_all(path, fd, &im->file);
    if (fd >= 0) (void)close(fd);
    TRB_TRY(st);
    const uint8_t *at = im->file.at;
    const size_t n = im->file.n;
    im->turn = 1;
    if (n >= 8 && memcmp(at, "\x89PNG\r\n\x1a\n", 8) == 0)
        TRB_TRY(trb__png_decode(path, im));
    else if (n >= 3 && memcmp(at, "\xff\xd8\xff", 3) == 0)
        TRB_TRY(trb__jpeg_decode(path, im));
    else
        return trb__unlike(TRB_EINPUT, path, "a PNG or JPEG image", at, n < TRB__HEAD ? n : TRB__HEAD);
    return trb__image_turn(im);
}
