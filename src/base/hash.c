/* Digests of bytes, texts and files by XXH3 of the xxHash library. */
#include "tribikos/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"

uint64_t trb_hash_bytes(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

uint64_t trb_hash_text(const char *text)
{
    return trb_hash_bytes(text, strlen(text));
}

trb_status trb_hash_open(trb_hash **out)
{
    TRB_TRY(trb_fault("alloc"));
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL || XXH3_64bits_reset(state) == XXH_ERROR) {
        (void)XXH3_freeState(state);
        return trb_fail(TRB_ENOMEM, "no memory for a digest");
    }
    *out = (trb_hash *)state;
    return TRB_OK;
}

void trb_hash_add(trb_hash *h, const void *bytes, size_t n)
{
    /* The bytes of a whole data set take seconds: after each piece this thread gives a sign of life. */
    enum { PIECE = 1 << 24 };
    for (size_t at = 0; at < n; at += PIECE) {
        (void)XXH3_64bits_update((XXH3_state_t *)h, (const char *)bytes + at, n - at < PIECE ? n - at : PIECE);
        trb_alive();
    }
}

uint64_t trb_hash_value(const trb_hash *h)
{
    return XXH3_64bits_digest((const XXH3_state_t *)h);
}

void trb_hash_close(trb_hash *h)
{
    (void)XXH3_freeState((XXH3_state_t *)h);
}

static trb_status add_file(trb_hash *h, const char *path, int fd, size_t room, void *bytes)
{
    for (;;) {
        TRB_TRY(trb_fault("file.read"));
        const ssize_t n = read(fd, bytes, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return trb_fail(TRB_EIO, "%s: cannot be read: %s", path, strerror(errno));
        if (n == 0) return TRB_OK;
        trb_hash_add(h, bytes, (size_t)n);
    }
}

trb_status trb_hash_file(const char *path, uint64_t *digest)
{
    enum { PIECE = 1 << 20 };
    trb_status st = TRB_OK;
    trb_hash *h = NULL;
    void *bytes = NULL;
    TRB_TRY(trb_fault("file.open"));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return trb_fail(TRB_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, PIECE, 1, &bytes));
    TRB_GO(trb_hash_open(&h));
    TRB_GO(add_file(h, path, fd, PIECE, bytes));
    *digest = trb_hash_value(h);
done:
    trb_hash_close(h);
    trb_free(bytes);
    (void)close(fd);
    return st;
}

void trb_hash_hex(uint64_t digest, char text[17])
{
    (void)snprintf(text, 17, "%016" PRIx64, digest);
}

#define TEXT_OF(number) #number
#define VERSION(major, minor, release) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(release)

const char *trb_hash_library(void)
{
    return "xxHash " VERSION(XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE);
}
