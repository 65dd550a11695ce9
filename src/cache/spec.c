#include "impl.h"

#include <string.h>

#include "tribikos/memory.h"

static size_t shards_per_member(const trb_cache_spec *spec)
{
    return (spec->N + spec->shard_rows - 1) / spec->shard_rows;
}

const char *trb__spec_fault(const trb_cache_spec *spec)
{
    size_t product = 8; /* room for any element and for 64-bit tables */
    if (spec->N == 0 || spec->K == 0 || spec->M == 0 || spec->V == 0) return "a size is 0";
    if (spec->block == 0 || spec->shard_rows == 0) return "block or shard_rows is 0";
    if (spec->shard_rows % spec->block != 0) return "shard_rows is not a multiple of block";
    if (spec->dtype != TRB_F16 && spec->dtype != TRB_F32) return "dtype is neither float16 nor float32";
    if (spec->V > 1000) return "more than 1000 views";
    if (__builtin_mul_overflow(product, spec->V, &product) || __builtin_mul_overflow(product, spec->M, &product) ||
        __builtin_mul_overflow(product, spec->N, &product) || __builtin_mul_overflow(product, spec->K, &product) ||
        product > SIZE_MAX / 2 || spec->shard_rows > SIZE_MAX / 2 / spec->K / 8)
        return "the sizes are impossibly large";
    return NULL;
}

size_t trb__row_bytes(const trb_cache_spec *spec)
{
    return spec->K * trb_dtype_bytes(spec->dtype);
}

size_t trb_cache_units(const trb_cache_spec *spec)
{
    return spec->V * spec->M * shards_per_member(spec);
}

trb_cache_unit trb_cache_unit_at(const trb_cache_spec *spec, size_t i)
{
    const size_t per_member = shards_per_member(spec), first = i % per_member * spec->shard_rows;
    const size_t left = spec->N - first;
    return (trb_cache_unit){.view = i / per_member / spec->M,
                            .member = i / per_member % spec->M,
                            .first_row = first,
                            .rows = left < spec->shard_rows ? left : spec->shard_rows};
}

void trb__shard_name(const trb_cache_spec *spec, size_t unit, char name[TRB__NAME_BYTES])
{
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    (void)snprintf(name, TRB__NAME_BYTES, "v%02zu/m%03zu-s%05zu.h5", u.view, u.member, u.first_row / spec->shard_rows);
}

trb_status trb__path_in(const char *dir, const char *name, char **path)
{
    const size_t bytes = strlen(dir) + 1 + strlen(name) + 1;
    char *full = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, bytes, 1, &full));
    (void)snprintf(full, bytes, "%s/%s", dir, name);
    *path = full;
    return TRB_OK;
}

trb_status trb__shard_path(const char *dir, const trb_cache_spec *spec, size_t unit, char **path)
{
    char name[TRB__NAME_BYTES];
    trb__shard_name(spec, unit, name);
    return trb__path_in(dir, name, path);
}
