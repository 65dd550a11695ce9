/* Allocates zeroed memory aligned to 64 bytes, and counts it by kind. */
#include "tribikos/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/fault.h"

/* Each block has a header with its size and kind. The header takes a whole cache line before the block, so that the
 * block keeps its alignment. */
typedef struct {
    size_t bytes;
    trb_mem kind;
} header;

enum { ALIGN = 64 };

static atomic_size_t held[TRB_MEM_KINDS];
static atomic_size_t allocations, peak;

static const char *const names[TRB_MEM_KINDS + 1] = {"other", "weights", "gradients",  "moments", "activations",
                                                     "data",  "cache",   "checkpoint", "all"};

trb_status trb_alloc(trb_mem kind, size_t count, size_t size, void *out)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 2 * ALIGN)
        return trb_fail(TRB_ENOMEM, "memory for %s: %zu x %zu bytes is more than an address can hold", names[kind],
                        count, size);
    TRB_TRY(trb_fault("alloc"));
    /* aligned_alloc requires a multiple of the alignment. */
    const size_t total = ALIGN + (bytes + ALIGN - 1) / ALIGN * ALIGN;
    char *base = aligned_alloc(ALIGN, total);
    if (base == NULL)
        return trb_fail(TRB_ENOMEM, "memory for %s: %zu bytes refused by the system (%zu bytes held so far)",
                        names[kind], bytes, trb_mem_bytes(TRB_MEM_KINDS));
    memset(base, 0, total);
    *(header *)base = (header){.bytes = bytes, .kind = kind};
    trb_mem_hold(kind, bytes);
    atomic_fetch_add(&allocations, 1);
    *(void **)out = base + ALIGN;
    return TRB_OK;
}

void trb_free(void *block)
{
    if (block == NULL) return;
    char *base = (char *)block - ALIGN;
    const header *h = (const header *)base;
    trb_mem_release(h->kind, h->bytes);
    free(base);
}

trb_status trb_strdup(const char *text, char **out)
{
    const size_t n = strlen(text) + 1;
    char *copy = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, 1, &copy));
    memcpy(copy, text, n);
    *out = copy;
    return TRB_OK;
}

void trb_mem_hold(trb_mem kind, size_t bytes)
{
    atomic_fetch_add(&held[kind], bytes);
    const size_t now = trb_mem_bytes(TRB_MEM_KINDS);
    size_t most = atomic_load(&peak);
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
    }
}

void trb_mem_release(trb_mem kind, size_t bytes)
{
    atomic_fetch_sub(&held[kind], bytes);
}

size_t trb_mem_bytes(trb_mem kind)
{
    if (kind != TRB_MEM_KINDS) return atomic_load(&held[kind]);
    size_t sum = 0;
    for (int k = 0; k < TRB_MEM_KINDS; k++) sum += atomic_load(&held[k]);
    return sum;
}

size_t trb_mem_peak(void)
{
    return atomic_load(&peak);
}

void trb_mem_peak_begin(void)
{
    atomic_store(&peak, trb_mem_bytes(TRB_MEM_KINDS));
}

size_t trb_mem_allocations(void)
{
    return atomic_load(&allocations);
}

const char *trb_mem_name(trb_mem kind)
{
    return names[kind];
}
