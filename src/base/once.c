/* Lines that a process says once (log.h). */
#include "tribikos/hash.h"
#include "tribikos/log.h"

/* Lines are remembered by their digests. A process that says more than `MOST` different ones may repeat itself. */
bool trb_log_first(const char *line)
{
    enum { MOST = 256 };
    static uint64_t said[MOST];
    static size_t n;
    const uint64_t digest = trb_hash_text(line);
    for (size_t i = 0; i < n; i++)
        if (said[i] == digest) return false;
    if (n < MOST) said[n++] = digest;
    return true;
}
