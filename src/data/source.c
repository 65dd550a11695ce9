/* Files that a reader reads from beginning to end, plain or packed with gzip, and the bytes that grow meanwhile. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

enum { PIECE = 1 << 20 };

trb_status trb__bytes_room(trb__bytes *b, size_t more)
{
    size_t need = 0;
    if (__builtin_add_overflow(b->n, more, &need))
        return trb_fail(TRB_ENOMEM, "memory for data: %zu and %zu bytes are more than an address can hold", b->n, more);
    if (need <= b->capacity) return TRB_OK;
    uint8_t *at = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, need, 1, &at));
    if (b->n > 0) memcpy(at, b->at, b->n);
    trb_free(b->at);
    b->at = at;
    b->capacity = need;
    return TRB_OK;
}

trb_status trb__source_open(const char *path, trb__source *s)
{
    trb_status st = TRB_OK;
    struct stat info;
    unsigned char magic[2] = {0, 0};
    TRB_TRY(trb_fault("file.open"));
    int fd = -1;
    if (!trb_file_exists(path))
        return trb_fail(TRB_ECONFIG,
                        "%s: cannot be read: %s; see `data.root` (or TRIBIKOS_DATA) and the names in `data`", path,
                        strerror(ENOENT));
    TRB_TRY(trb_file_open(path, O_RDONLY, &fd));
    if (fstat(fd, &info) != 0) {
        st = trb_fail(TRB_EIO, "%s: cannot be examined: %s", path, strerror(errno));
        goto done;
    }
    const ssize_t got = pread(fd, magic, sizeof magic, 0);
    gzFile gz = gzdopen(fd, "rb");
    if (got < 0 || gz == NULL) {
        st = trb_fail(TRB_EIO, "%s: cannot be read: %s", path, strerror(errno));
        if (gz != NULL) (void)gzclose_r(gz);
        fd = gz != NULL ? -1 : fd;
        goto done;
    }
    fd = -1;
    (void)gzbuffer(gz, PIECE);
    *s = (trb__source){.gz = gz,
                       .path = path,
                       .file_bytes = (size_t)info.st_size,
                       .packed = got == 2 && magic[0] == 0x1f && magic[1] == 0x8b};
done:
    if (fd >= 0) (void)close(fd);
    return st;
}

void trb__source_close(trb__source *s)
{
    /* Nothing was written, so nothing can be lost by closing. */
    if (s->gz != NULL) (void)gzclose_r(s->gz);
    s->gz = NULL;
}

/* Read up to n bytes; fewer only at the end of the file. */
static trb_status read_some(trb__source *s, size_t n, uint8_t *out, size_t *got)
{
    size_t have = 0;
    TRB_TRY(trb_fault("file.read"));
    while (have < n) {
        const size_t left = n - have;
        const int r = gzread(s->gz, out + have, left < PIECE ? (unsigned)left : PIECE);
        int code = Z_OK;
        const char *why = gzerror(s->gz, &code);
        if (r < 0 && code == Z_ERRNO) return trb_fail(TRB_EIO, "%s: reading failed: %s", s->path, strerror(errno));
        /* For a truncated stream, gzread() returns the bytes that it got and reports the error separately. */
        if (r < 0 || code == Z_BUF_ERROR || code == Z_DATA_ERROR)
            return trb_fail(TRB_EINPUT, "%s: damaged or truncated gzip file (%s)", s->path, why);
        if (r == 0) break;
        have += (size_t)r;
        trb_alive();
    }
    *got = have;
    return TRB_OK;
}

trb_status trb__source_read(trb__source *s, size_t n, void *out)
{
    size_t got = 0;
    TRB_TRY(read_some(s, n, out, &got));
    if (got == n) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: truncated: expected %zu more bytes, got %zu", s->path, n, got);
}

trb_status trb__source_append(trb__source *s, size_t n, trb__bytes *b)
{
    /* Packed images are seldom smaller than an eighth of their size. If a header claims more than that, memory grows
     * only as far as bytes really arrive. */
    size_t room = 0;
    if (__builtin_mul_overflow(s->file_bytes, 8U, &room)) room = SIZE_MAX;
    for (size_t left = n; left > 0;) {
        const size_t piece = left < room ? left : room;
        TRB_TRY(trb__bytes_room(b, piece));
        size_t got = 0;
        TRB_TRY(read_some(s, piece, b->at + b->n, &got));
        b->n += got;
        left -= got;
        if (got < piece)
            return trb_fail(TRB_EINPUT, "%s: truncated: its header promises %zu bytes of data, got %zu", s->path, n,
                            n - left);
        room = b->n;
    }
    return TRB_OK;
}

trb_status trb__source_append_all(trb__source *s, trb__bytes *b)
{
    size_t got = 0, piece = s->packed ? PIECE : s->file_bytes + 1;
    do {
        TRB_TRY(trb__bytes_room(b, piece));
        TRB_TRY(read_some(s, piece, b->at + b->n, &got));
        b->n += got;
        if (got < piece) return TRB_OK;
        piece = b->n;
    } while (true);
}

trb_status trb__source_expect_end(trb__source *s)
{
    uint8_t byte = 0;
    size_t got = 0;
    TRB_TRY(read_some(s, 1, &byte, &got));
    return got == 0 ? TRB_OK : trb_fail(TRB_EINPUT, "%s: more bytes than its header promises", s->path);
}

const char *trb_data_library(void)
{
    static char text[40];
    (void)snprintf(text, sizeof text, "zlib %s", zlibVersion());
    return text;
}
