/* Files that a reader reads from beginning to end, plain or packed, and the bytes that grow meanwhile. A packed file is
 * read to its last byte: each of its streams must be whole, and nothing but zero bytes, as tapes and gzip(1) have them,
 * may stand between streams or after the last one. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "unpack.h"

enum { PIECE = 1 << 20 };

struct trb__stream {
    int fd;
    size_t left; /* bytes of the file that may still be read; SIZE_MAX: up to its end */
    const trb__codec *codec;
    void *state;                   /* of the codec; NULL for a plain file */
    uint8_t *in;                   /* [PIECE] packed bytes */
    size_t in_at, in_n, in_before; /* used, there, and read in earlier pieces */
    bool between;                  /* no stream has begun yet, or the last one has ended */
    size_t streams;                /* that have ended */
    uint8_t head[TRB__HEAD];       /* the first unpacked bytes */
    size_t head_n, head_at;
    size_t given;                /* unpacked bytes handed out */
    size_t promised, promise_at; /* what a header promises, and after how many bytes it stood */
    bool checked;                /* an entry of a zip archive: one stream, whose CRC is known */
    uLong crc, crc_wanted;
    uint8_t *waste; /* [PIECE] bytes that nobody wants; NULL: none yet */
};

trb_status trb__bytes_room(trb__bytes *b, size_t more)
{
    size_t need = 0;
    if (__builtin_add_overflow(b->n, more, &need))
        return trb_fail(TRB_ENOMEM, "memory for data: %zu and %zu bytes are more than an address can hold", b->n, more);
    if (need <= b->capacity) return TRB_OK;
    TRB_TRY(trb_resize(TRB_MEM_DATA, need, &b->at));
    b->capacity = need;
    return TRB_OK;
}

/* Read up to n bytes as they are in the file; fewer only at its end. */
static trb_status read_file(const trb__source *s, size_t n, uint8_t *out, size_t *got)
{
    trb__stream *z = s->stream;
    size_t have = 0;
    TRB_TRY(trb_fault("file.read"));
    if (n > z->left) n = z->left;
    while (have < n) {
        const size_t rest = n - have;
        const ssize_t r = read(z->fd, out + have, rest < PIECE ? rest : PIECE);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return trb_fail(TRB_EIO, "%s: reading failed: %s", s->path, strerror(errno));
        if (r == 0) break;
        have += (size_t)r;
        trb_alive();
    }
    if (z->left != SIZE_MAX) z->left -= have;
    *got = have;
    return TRB_OK;
}

static trb_status refill(const trb__source *s)
{
    trb__stream *z = s->stream;
    z->in_before += z->in_n;
    z->in_at = z->in_n = 0;
    return read_file(s, PIECE, z->in, &z->in_n);
}

static trb_status damaged(const trb__source *s, const char *why)
{
    const trb__stream *z = s->stream;
    return trb_fail(TRB_EINPUT, "%s: damaged or truncated %s file (%s; byte %zu of the file, stream %zu in it)",
                    s->path, z->codec->name, why, z->in_before + z->in_at, z->streams + 1);
}

/* Whether a further stream begins at the next packed byte. Zero bytes in front of it are skipped. */
static trb_status next_stream(const trb__source *s, bool *more)
{
    trb__stream *z = s->stream;
    for (;;) {
        while (z->in_at < z->in_n && z->streams > 0 && z->in[z->in_at] == 0) z->in_at++;
        *more = z->in_at < z->in_n;
        if (*more) return TRB_OK;
        TRB_TRY(refill(s));
        if (z->in_n == 0) return TRB_OK;
    }
}

static trb_status unpack(const trb__source *s, size_t n, uint8_t *out, size_t *got)
{
    trb__stream *z = s->stream;
    trb__piece p = {.out = out, .n_out = n};
    while (p.n_out > 0) {
        if (z->between) {
            bool more = false;
            TRB_TRY(next_stream(s, &more));
            if (!more) break;
            if (z->checked && z->streams > 0) return damaged(s, "bytes follow its end");
            z->between = false;
        }
        const size_t room = p.n_out;
        p.in = z->in + z->in_at;
        p.n_in = z->in_n - z->in_at;
        const trb__unpacked step = z->codec->step(z->state, &p);
        const bool moved = p.n_in != z->in_n - z->in_at || p.n_out != room;
        z->in_at = z->in_n - p.n_in;
        trb_alive();
        if (step == TRB__DAMAGED) return damaged(s, p.why);
        z->between = step == TRB__ENDED;
        z->streams += step == TRB__ENDED;
        if (moved || z->between) continue;
        if (z->in_at < z->in_n) return damaged(s, "it cannot be unpacked further");
        TRB_TRY(refill(s));
        if (z->in_n == 0) return damaged(s, "it ends too early");
    }
    *got = n - p.n_out;
    return TRB_OK;
}

/* Read up to n bytes; fewer only at the end of the file. */
static trb_status read_some(trb__source *s, size_t n, uint8_t *out, size_t *got)
{
    trb__stream *z = s->stream;
    const size_t kept = z->head_n - z->head_at, first = n < kept ? n : kept;
    size_t more = 0;
    if (first > 0) memcpy(out, z->head + z->head_at, first);
    z->head_at += first;
    if (first < n) {
        TRB_TRY(z->codec != NULL ? unpack(s, n - first, out + first, &more)
                                 : read_file(s, n - first, out + first, &more));
        if (z->checked)
            for (size_t at = 0; at < more; at += PIECE)
                z->crc = crc32(z->crc, out + first + at, (uInt)(more - at < PIECE ? more - at : PIECE));
    }
    *got = first + more;
    z->given += *got;
    return TRB_OK;
}

/* Find out how the file is packed, and read its first bytes. */
static trb_status begin(trb__source *s, const trb__codec *codec)
{
    trb__stream *z = s->stream;
    z->between = true;
    z->codec = codec;
    s->packed = codec != NULL;
    if (codec != NULL) {
        if (codec->open == NULL)
            return trb_fail(
                TRB_ECONFIG,
                "%s: is packed by %s, and this program was built without %s; unpack the file, or build again "
                "where %s and its headers are installed",
                s->path, codec->name, codec->library, codec->library);
        TRB_TRY(trb_alloc(TRB_MEM_DATA, PIECE, 1, &z->in));
        TRB_TRY(codec->open(&z->state));
    }
    TRB_TRY(read_some(s, TRB__HEAD, z->head, &z->head_n));
    z->given = z->head_at = 0;
    return TRB_OK;
}

static trb_status open_file(const char *path, trb__source *s)
{
    trb__stream *z = NULL;
    struct stat info;
    TRB_TRY(trb_fault("file.open"));
    if (!trb_file_exists(path))
        return trb_fail(TRB_ECONFIG,
                        "%s: cannot be read: %s; see `data.root` (or TRIBIKOS_DATA) and the names in `data`", path,
                        strerror(ENOENT));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *z, &z));
    z->fd = -1;
    z->left = SIZE_MAX;
    *s = (trb__source){.stream = z, .path = path};
    TRB_TRY(trb_file_open(path, O_RDONLY, &z->fd));
    if (fstat(z->fd, &info) != 0) return trb_fail(TRB_EIO, "%s: cannot be examined: %s", path, strerror(errno));
    s->file_bytes = (size_t)info.st_size;
    return TRB_OK;
}

trb_status trb__source_open(const char *path, trb__source *s)
{
    trb_status st = TRB_OK;
    uint8_t magic[6];
    *s = (trb__source){NULL, NULL, 0, false};
    TRB_GO(open_file(path, s));
    const ssize_t got = pread(s->stream->fd, magic, sizeof magic, 0);
    if (got < 0) TRB_GO(trb_fail(TRB_EIO, "%s: cannot be read: %s", path, strerror(errno)));
    st = begin(s, trb__codec_of(magic, (size_t)got));
done:
    if (st != TRB_OK) trb__source_close(s);
    return st;
}

trb_status trb__source_open_part(const char *path, size_t from, size_t bytes, bool deflated, uint32_t crc,
                                 trb__source *s)
{
    trb_status st = TRB_OK;
    *s = (trb__source){NULL, NULL, 0, false};
    TRB_GO(open_file(path, s));
    if (lseek(s->stream->fd, (off_t)from, SEEK_SET) < 0)
        TRB_GO(trb_fail(TRB_EIO, "%s: reading failed: %s", path, strerror(errno)));
    s->file_bytes = s->stream->left = bytes;
    s->stream->checked = true;
    s->stream->crc_wanted = crc;
    st = begin(s, deflated ? &trb__deflate : NULL);
done:
    if (st != TRB_OK) trb__source_close(s);
    return st;
}

void trb__source_close(trb__source *s)
{
    trb__stream *z = s->stream;
    if (z == NULL) return;
    /* Nothing was written, so nothing can be lost by closing. */
    if (z->state != NULL) z->codec->close(z->state);
    if (z->fd >= 0) (void)close(z->fd);
    trb_free(z->waste);
    trb_free(z->in);
    trb_free(z);
    s->stream = NULL;
}

const uint8_t *trb__source_head(const trb__source *s, size_t *n)
{
    *n = s->stream->head_n;
    return s->stream->head;
}

trb_status trb__source_unlike(const trb__source *s, const char *expected)
{
    return trb__unlike(TRB_EINPUT, s->path, expected, s->stream->head, s->stream->head_n);
}

trb_status trb__source_read(trb__source *s, size_t n, void *out)
{
    size_t got = 0;
    TRB_TRY(read_some(s, n, out, &got));
    if (got == n) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: truncated: expected %zu more bytes, got %zu", s->path, n, got);
}

/* The size of a plain file is known before it is read, so it can be compared with the header at once. */
trb_status trb__source_promise(trb__source *s, size_t bytes)
{
    trb__stream *z = s->stream;
    z->promised = bytes;
    z->promise_at = z->given;
    if (s->packed || (s->file_bytes >= z->given && s->file_bytes - z->given == bytes)) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: its header promises %zu bytes of data, the file has %zu", s->path, bytes,
                    s->file_bytes - z->given);
}

/* Reserve room for a piece of a file, unless all of this process would then take more than the memory that there is: a
 * small packed file may unpack to any size, and where memory ends, the system ends some process without a word. */
static trb_status reserve(const trb__source *s, size_t piece, trb__bytes *b)
{
    const size_t limit = trb_mem_limit(), held = trb_mem_bytes(TRB_MEM_KINDS);
    if (b->n + piece <= b->capacity || held + piece <= limit) return trb__bytes_room(b, piece);
    return trb_fail(
        TRB_ENOMEM, "%s: %s %zu MiB, and %zu MiB are held already, of %zu MiB that this process can have; %s", s->path,
        s->packed ? "unpacks to more than" : "has", (s->packed ? s->stream->given : s->file_bytes) >> 20, held >> 20,
        limit >> 20,
        s->packed ? "unpack it and see whether it is what you expect; then cut it into parts, use a part of "
                    "it, or a node with more memory"
                  : "use a part of it, or a node with more memory");
}

trb_status trb__source_append(trb__source *s, size_t n, trb__bytes *b)
{
    /* Packed images are seldom smaller than an eighth of their size. If a header claims more than that, memory grows
     * only as far as bytes really arrive. */
    size_t room = 0;
    if (__builtin_mul_overflow(s->file_bytes, 8U, &room)) room = SIZE_MAX;
    if (room < PIECE) room = PIECE;
    for (size_t left = n; left > 0;) {
        const size_t piece = left < room ? left : room;
        TRB_TRY(reserve(s, piece, b));
        size_t got = 0;
        TRB_TRY(read_some(s, piece, b->at + b->n, &got));
        b->n += got;
        left -= got;
        if (got < piece)
            return trb_fail(TRB_EINPUT, "%s: truncated: its header promises %zu bytes of data, got %zu", s->path,
                            s->stream->promised, s->stream->given - s->stream->promise_at);
        room = b->n;
    }
    return TRB_OK;
}

/* After the last byte the end must be there: unpacking up to it shows whether the last stream is whole. */
static trb_status check_sum(const trb__source *s)
{
    const trb__stream *z = s->stream;
    if (!z->checked || z->crc == z->crc_wanted) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: damaged archive: the CRC of an entry is %08lx, expected %08lx", s->path, z->crc,
                    z->crc_wanted);
}

trb_status trb__source_some(trb__source *s, size_t n, void *out, size_t *got)
{
    TRB_TRY(read_some(s, n, out, got));
    return *got < n ? check_sum(s) : TRB_OK;
}

/* In a plain file the next bytes need not be read. */
static trb_status seek(trb__source *s, size_t n)
{
    trb__stream *z = s->stream;
    const size_t kept = z->head_n - z->head_at, first = n < kept ? n : kept;
    z->head_at += first;
    z->given += n;
    if (first == n || lseek(z->fd, (off_t)(n - first), SEEK_CUR) >= 0) return TRB_OK;
    return trb_fail(TRB_EIO, "%s: reading failed: %s", s->path, strerror(errno));
}

trb_status trb__source_skip(trb__source *s, size_t n, size_t *got)
{
    trb__stream *z = s->stream;
    size_t piece = 0;
    *got = 0;
    if (!s->packed && !z->checked) {
        const size_t left = s->file_bytes > z->given ? s->file_bytes - z->given : 0;
        *got = n < left ? n : left;
        return seek(s, *got);
    }
    if (z->waste == NULL) TRB_TRY(trb_alloc(TRB_MEM_DATA, PIECE, 1, &z->waste));
    do {
        const size_t wanted = n - *got < PIECE ? n - *got : PIECE;
        TRB_TRY(trb__source_some(s, wanted, z->waste, &piece));
        *got += piece;
        if (piece < wanted) return TRB_OK;
    } while (*got < n);
    return TRB_OK;
}

double trb__source_share(const trb__source *s)
{
    const trb__stream *z = s->stream;
    const size_t at = s->packed ? z->in_before + z->in_at : z->given;
    return s->file_bytes > at ? (double)at / (double)s->file_bytes : 1.0;
}

trb_status trb__source_append_all(trb__source *s, trb__bytes *b)
{
    size_t got = 0, piece = s->packed ? PIECE : s->file_bytes + 1;
    do {
        TRB_TRY(reserve(s, piece, b));
        TRB_TRY(read_some(s, piece, b->at + b->n, &got));
        b->n += got;
        if (got < piece) return check_sum(s);
        piece = b->n / 4 > PIECE ? b->n / 4 : PIECE; /* at most a quarter is reserved in vain */
    } while (true);
}

trb_status trb__source_expect_end(trb__source *s)
{
    uint8_t byte = 0;
    size_t got = 0;
    TRB_TRY(read_some(s, 1, &byte, &got));
    return got == 0 ? check_sum(s) : trb_fail(TRB_EINPUT, "%s: more bytes than its header promises", s->path);
}
