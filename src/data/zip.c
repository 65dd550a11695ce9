/* The list of contents at the end of a zip archive, as NumPy's npz files have it. Entries are stored or deflated; large
 * ones have their sizes in a further field (zip64). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

enum {
    END = 22,         /* bytes of the record at the end of the file, which a comment may follow */
    END_MOST = 65557, /* with the longest comment */
    LOCATOR = 20,     /* in front of it: where the record of zip64 is */
    END64 = 56,
    CONTENTS = 46, /* of an item of the list, before its name */
    LOCAL = 30     /* in front of an entry's bytes, before its name */
};

typedef struct {
    const char *path;
    int fd;
    size_t bytes; /* of the file */
} archive;

static uint64_t number(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static trb_status broken(const archive *z, const char *what)
{
    return trb_fail(TRB_EINPUT, "%s: damaged or truncated zip archive: %s", z->path, what);
}

/* Read n bytes at a place, which must be inside the file. */
static trb_status read_at(const archive *z, uint64_t from, size_t n, uint8_t *out)
{
    TRB_TRY(trb_fault("file.read"));
    if (from > z->bytes || n > z->bytes - from) return broken(z, "it points beyond its end");
    for (size_t have = 0; have < n;) {
        const ssize_t r = pread(z->fd, out + have, n - have, (off_t)(from + have));
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return trb_fail(TRB_EIO, "%s: reading failed: %s", z->path, strerror(errno));
        if (r == 0) return broken(z, "it has become shorter");
        have += (size_t)r;
    }
    return TRB_OK;
}

/* Where the list of contents is, and how long. */
static trb_status find_list(const archive *z, uint64_t *from, uint64_t *bytes)
{
    trb_status st = TRB_OK;
    uint8_t *tail = NULL, end64[END64];
    const size_t n = z->bytes < END_MOST ? z->bytes : END_MOST;
    size_t at = n < END ? 0 : n - END;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, n + END, 1, &tail));
    TRB_GO(read_at(z, z->bytes - n, n, tail));
    while (at > 0 && memcmp(tail + at, "PK\5\6", 4) != 0) at--;
    if (n < END || memcmp(tail + at, "PK\5\6", 4) != 0) TRB_GO(broken(z, "its list of contents is missing"));
    *bytes = number(tail + at + 12, 4);
    *from = number(tail + at + 16, 4);
    if ((*from == UINT32_MAX || *bytes == UINT32_MAX) && at >= LOCATOR) {
        const uint8_t *locator = tail + at - LOCATOR;
        if (memcmp(locator, "PK\6\7", 4) != 0) TRB_GO(broken(z, "it names no place of its list"));
        TRB_GO(read_at(z, number(locator + 8, 8), END64, end64));
        *bytes = number(end64 + 40, 8);
        *from = number(end64 + 48, 8);
    }
done:
    trb_free(tail);
    return st;
}

/* Take what an item of the list says about its entry. Sizes that do not fit are in a further field, in this order. */
static trb_status take(const archive *z, const uint8_t *item, const uint8_t *extra, size_t n_extra, trb__entry *e)
{
    const uint64_t method = number(item + 10, 2);
    uint64_t packed = number(item + 20, 4), plain = number(item + 24, 4), local = number(item + 42, 4);
    uint8_t head[LOCAL];
    for (size_t at = 0; at + 4 <= n_extra;) {
        const size_t id = (size_t)number(extra + at, 2), n = (size_t)number(extra + at + 2, 2);
        if (n > n_extra - at - 4) return broken(z, "a field of its list is too long");
        size_t next = at + 4;
        const size_t end = next + n;
        uint64_t *const large[] = {&plain, &packed, &local};
        for (size_t i = 0; id == 1 && i < 3; i++)
            if (*large[i] == UINT32_MAX && next + 8 <= end) {
                *large[i] = number(extra + next, 8);
                next += 8;
            }
        at = end;
    }
    if ((number(item + 8, 2) & 1) != 0) return trb_fail(TRB_EINPUT, "%s: is encrypted; unpack it", z->path);
    if (method != 0 && method != 8)
        return trb_fail(TRB_EINPUT,
                        "%s: is packed by method %d of zip, expected stored or deflated; save it anew with "
                        "numpy.savez() or numpy.savez_compressed()",
                        z->path, (int)method);
    TRB_TRY(read_at(z, local, LOCAL, head));
    if (memcmp(head, "PK\3\4", 4) != 0) return broken(z, "an entry is not where its list says");
    const uint64_t from = local + LOCAL + number(head + 26, 2) + number(head + 28, 2);
    if (from > z->bytes || packed > z->bytes - from) return broken(z, "it points beyond its end");
    *e = (trb__entry){
        .from = (size_t)from, .packed = (size_t)packed, .deflated = method == 8, .crc = (uint32_t)number(item + 16, 4)};
    return TRB_OK;
}

/* \param[in] list  [n] the list of contents */
static trb_status look_through(const archive *z, const uint8_t *list, size_t n, const char *name, bool *found,
                               trb__entry *e, trb_text *names)
{
    static const char end[] = ".npy";
    const size_t wanted = strlen(name);
    for (size_t at = 0, count = 0; at + CONTENTS <= n; count++) {
        const uint8_t *item = list + at;
        if (memcmp(item, "PK\1\2", 4) != 0) return broken(z, "its list of contents is damaged");
        const size_t n_name = (size_t)number(item + 28, 2), n_extra = (size_t)number(item + 30, 2);
        const size_t all = CONTENTS + n_name + n_extra + (size_t)number(item + 32, 2);
        if (all > n - at) return broken(z, "its list of contents is damaged");
        const char *is = (const char *)item + CONTENTS;
        const size_t stem = n_name > 4 && memcmp(is + n_name - 4, end, 4) == 0 ? n_name - 4 : n_name;
        trb_text_add(names, "%s%.*s", count > 0 ? ", " : "", (int)stem, is);
        if (!*found && ((stem == wanted && memcmp(is, name, wanted) == 0))) {
            *found = true;
            TRB_TRY(take(z, item, item + CONTENTS + n_name, n_extra, e));
        }
        at += all;
    }
    return TRB_OK;
}

trb_status trb__zip_find(const char *path, const char *name, bool *found, trb__entry *e, trb_text *names)
{
    enum { LIST_MOST = 1 << 24 };
    trb_status st = TRB_OK;
    archive z = {.path = path, .fd = -1};
    struct stat info;
    uint8_t *list = NULL;
    uint64_t from = 0, bytes = 0;
    *found = false;
    TRB_GO(trb_file_open(path, O_RDONLY, &z.fd));
    if (fstat(z.fd, &info) != 0) TRB_GO(trb_fail(TRB_EIO, "%s: cannot be examined: %s", path, strerror(errno)));
    z.bytes = (size_t)info.st_size;
    TRB_GO(find_list(&z, &from, &bytes));
    if (bytes > z.bytes || bytes > LIST_MOST) TRB_GO(broken(&z, "its list of contents is too long"));
    TRB_GO(trb_alloc(TRB_MEM_DATA, (size_t)bytes, 1, &list));
    TRB_GO(read_at(&z, from, (size_t)bytes, list));
    TRB_GO(look_through(&z, list, (size_t)bytes, name, found, e, names));
done:
    trb_free(list);
    if (z.fd >= 0) (void)close(z.fd);
    return st;
}
