#include "tribikos/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "tribikos/fault.h"

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
    (void)XXH3_64bits_update((XXH3_state_t *)h, bytes, n);
}

uint64_t trb_hash_value(const trb_hash *h)
{
    return XXH3_64bits_digest((const XXH3_state_t *)h);
}

void trb_hash_close(trb_hash *h)
{
    (void)XXH3_freeState((XXH3_state_t *)h);
}

void trb_hash_hex(uint64_t digest, char text[17])
{
    (void)snprintf(text, 17, "%016" PRIx64, digest);
}
