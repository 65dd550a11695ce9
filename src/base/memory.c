/* Allocates zeroed memory aligned to 64 bytes, and counts it by kind. */
#include "tribikos/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tribikos/fault.h"

/* Each block has a header with its size and kind. The header takes a whole cache line before the block, so that the
 * block keeps its alignment. */
typedef struct {
    size_t bytes;
    trb_mem kind;
    size_t mapped; /* bytes of the block's own mapping; 0: it has none */
} header;

enum { ALIGN = 64 };

static atomic_size_t held[TRB_MEM_KINDS];
static atomic_size_t allocations, peak, chosen_limit;

static const char *const names[TRB_MEM_KINDS + 1] = {"other", "weights", "gradients",  "moments", "activations",
                                                     "data",  "cache",   "checkpoint", "all"};

static trb_status refused(trb_mem kind, size_t bytes)
{
    return trb_fail(TRB_ENOMEM, "memory for %s: %zu bytes refused by the system (%zu bytes held so far)", names[kind],
                    bytes, trb_mem_bytes(TRB_MEM_KINDS));
}

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
    if (base == NULL) return refused(kind, bytes);
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
    if (h->mapped > 0)
        (void)munmap(base, h->mapped);
    else
        free(base);
}

/* Where the mapping of a large block is resized, its pages move, and nothing is copied. New pages are zero; what a block
 * gave up of its last page is made so. */
static trb_status remap(trb_mem kind, size_t bytes, char *base, header was, void *block)
{
    const size_t total = ALIGN + bytes;
    TRB_TRY(trb_fault("alloc"));
    char *at = base == NULL ? mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                            : mremap(base, was.mapped, total, MREMAP_MAYMOVE);
    if (at == MAP_FAILED) return refused(kind, bytes);
    if (base != NULL) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE), end = (total + page - 1) / page * page;
        if (total < was.mapped) memset(at + total, 0, (end < was.mapped ? end : was.mapped) - total);
        trb_mem_release(was.kind, was.bytes);
    }
    *(header *)(void *)at = (header){.bytes = bytes, .kind = kind, .mapped = total};
    trb_mem_hold(kind, bytes);
    atomic_fetch_add(&allocations, 1);
    *(char **)block = at + ALIGN;
    return TRB_OK;
}

trb_status trb_resize(trb_mem kind, size_t bytes, void *block)
{
    enum { LARGE = 1 << 20 };
    char *old = *(char **)block, *fresh = NULL;
    const header was = old != NULL ? *(const header *)(const void *)(old - ALIGN) : (header){.kind = kind};
    if (bytes >= LARGE && bytes <= SIZE_MAX - 2 * ALIGN && was.mapped > 0)
        return remap(was.kind, bytes, old - ALIGN, was, block);
    if (bytes >= LARGE && bytes <= SIZE_MAX - 2 * ALIGN)
        TRB_TRY(remap(was.kind, bytes, NULL, was, &fresh));
    else
        TRB_TRY(trb_alloc(was.kind, bytes, 1, &fresh));
    if (old != NULL) memcpy(fresh, old, was.bytes < bytes ? was.bytes : bytes);
    trb_free(old);
    *(char **)block = fresh;
    return TRB_OK;
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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A number in a file; SIZE_MAX if there is none, as in `max`. */
static size_t limit_in(const char *path)
{
    unsigned long long value = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL) return SIZE_MAX;
    const bool is = fscanf(f, "%llu", &value) == 1;
    (void)fclose(f);
    return is ? (size_t)value : SIZE_MAX;
}

/* The least limit of this process's control group and those above it, for which Slurm, systemd and containers set one.
 * Lines of /proc/self/cgroup are N:CONTROLLERS:/PATH; version 2 has the line 0::/PATH. */
static size_t limit_of_group(void)
{
    char line[1024], path[1200];
    size_t limit =
        least(limit_in("/sys/fs/cgroup/memory.max"), limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const bool first = strstr(line, ":memory:") != NULL;
        char *at = strchr(line, '/');
        if (at == NULL || (!first && strncmp(line, "0::", 3) != 0)) continue;
        at[strcspn(at, "\n")] = '\0';
        for (char *end = at + strlen(at); end > at; end = strrchr(at, '/')) {
            *end = '\0';
            (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s%s/%s", first ? "/memory" : "", at,
                           first ? "memory.limit_in_bytes" : "memory.max");
            limit = least(limit, limit_in(path));
        }
    }
    if (f != NULL) (void)fclose(f);
    return limit;
}

size_t trb_mem_limit(void)
{
    size_t limit = atomic_load(&chosen_limit);
    if (limit != 0) return limit;
    struct rlimit r;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    limit = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY) limit = least(limit, (size_t)r.rlim_cur);
    if (getrlimit(RLIMIT_DATA, &r) == 0 && r.rlim_cur != RLIM_INFINITY) limit = least(limit, (size_t)r.rlim_cur);
    limit = least(limit, limit_of_group());
    return limit - limit / 8; /* the system, and what others allocate, need the rest */
}

void trb_mem_limit_set(size_t bytes)
{
    atomic_store(&chosen_limit, bytes);
}

size_t trb_mem_allocations(void)
{
    return atomic_load(&allocations);
}

const char *trb_mem_name(trb_mem kind)
{
    return names[kind];
}
