/* What follows from a cache's description: whether its sizes are possible, how shards are numbered, and their names. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/hash.h"
#include "tribikos/memory.h"

static size_t shards_per_member(const trb_cache_spec *spec)
{
    return (spec->N + spec->shard_rows - 1) / spec->shard_rows;
}

/* How many members have shards of their own; in a cache of statistics, the shards of all members count as one. */
static size_t members(const trb_cache_spec *spec)
{
    return trb_shard_of_member(spec->holds) ? spec->M : 1;
}

static const char *top_fault(const trb_cache_spec *spec)
{
    if (spec->holds != TRB_SHARD_TOP) return spec->top == 0 ? NULL : "top is not 0";
    if (spec->task != TRB_TASK_CLASSES) return "top is of classes";
    if (spec->K > UINT16_MAX + 1) return "classes beyond 65535 do not fit into 16 bits";
    return spec->top >= 1 && spec->top <= spec->K ? NULL : "top is not a number from 1 to the number of outputs";
}

const char *trb__spec_fault(const trb_cache_spec *spec)
{
    size_t product = 8 * 3; /* 8 bytes for any element; 3, because statistics and top have rows of up to 3K numbers */
    if (spec->N == 0 || spec->K == 0 || spec->M == 0 || spec->V == 0) return "a size is 0";
    if (spec->block == 0 || spec->shard_rows == 0) return "block or shard_rows is 0";
    if (spec->shard_rows % spec->block != 0) return "shard_rows is not a multiple of block";
    if (spec->dtype != TRB_F16 && spec->dtype != TRB_F32) return "dtype is neither float16 nor float32";
    if (spec->V > 1000) return "more than 1000 views";
    if (__builtin_mul_overflow(product, spec->V, &product) || __builtin_mul_overflow(product, spec->M, &product) ||
        __builtin_mul_overflow(product, spec->N, &product) || __builtin_mul_overflow(product, spec->K, &product) ||
        product > SIZE_MAX / 2 || spec->shard_rows > SIZE_MAX / 2 / spec->K / 8 / 3)
        return "the sizes are impossibly large";
    if (spec->holds == TRB_SHARD_STATISTICS && (spec->dtype != TRB_F32 || spec->task != TRB_TASK_CLASSES))
        return "statistics are of classes, and float32";
    if (top_fault(spec) != NULL) return top_fault(spec);
    if (trb__stored_views(spec, spec->V) == 0) return NULL;
    if (spec->view[0].stored) return "view 0, the sample itself, has stored inputs";
    if (spec->x_dtype != TRB_U8 && spec->x_dtype != TRB_F16) return "stored inputs are neither uint8 nor float16";
    product = 8;
    if (spec->shape.c == 0 || spec->shape.h == 0 || spec->shape.w == 0 ||
        __builtin_mul_overflow(product, spec->shape.c, &product) ||
        __builtin_mul_overflow(product, spec->shape.h, &product) ||
        __builtin_mul_overflow(product, spec->shape.w, &product) ||
        __builtin_mul_overflow(product, spec->V, &product) || __builtin_mul_overflow(product, spec->N, &product) ||
        product > SIZE_MAX / 2 || spec->shard_rows > SIZE_MAX / 2 / product)
        return "the sizes of stored inputs are impossible";
    return NULL;
}

bool trb_cache_labelled(const trb_cache_spec *spec)
{
    return spec->task == TRB_TASK_CLASSES ? spec->label != NULL : spec->target != NULL;
}

size_t trb__stored_views(const trb_cache_spec *spec, size_t views)
{
    size_t n = 0;
    for (size_t v = 0; spec->view != NULL && v < views; v++) n += spec->view[v].stored;
    return n;
}

bool trb__has(const trb_cache_spec *spec, trb_shard_kind kind)
{
    return kind == TRB_SHARD_INPUTS ? trb__stored_views(spec, spec->V) > 0 : kind == spec->holds;
}

uint64_t trb__unit_member(trb_cache_unit u)
{
    return trb_shard_of_member(u.kind) ? u.member : trb__form_of[u.kind].member;
}

uint64_t trb__unit_member_digest(const trb_cache_spec *spec, trb_cache_unit u)
{
    if (trb_shard_of_member(u.kind)) return spec->member_digest[u.member];
    return trb_hash_bytes(spec->member_digest, spec->M * sizeof *spec->member_digest);
}

size_t trb_cache_logits_units(const trb_cache_spec *spec)
{
    return spec->V * members(spec) * shards_per_member(spec);
}

size_t trb_cache_units(const trb_cache_spec *spec)
{
    return trb_cache_logits_units(spec) + trb__stored_views(spec, spec->V) * shards_per_member(spec);
}

size_t trb_cache_inputs_unit(const trb_cache_spec *spec, trb_cache_unit u)
{
    return trb_cache_logits_units(spec) + trb__stored_views(spec, u.view) * shards_per_member(spec) +
           u.first_row / spec->shard_rows;
}

trb_cache_unit trb_cache_unit_at(const trb_cache_spec *spec, size_t i)
{
    const size_t per_member = shards_per_member(spec), first = i % per_member * spec->shard_rows;
    const size_t left = spec->N - first, logits = trb_cache_logits_units(spec);
    trb_cache_unit u = {.kind = spec->holds,
                        .view = i / per_member / members(spec),
                        .member = i / per_member % members(spec),
                        .first_row = first,
                        .rows = left < spec->shard_rows ? left : spec->shard_rows};
    if (i < logits) return u;
    /* The units after the logits are the inputs of the views that have stored inputs. */
    u.kind = TRB_SHARD_INPUTS;
    u.view = u.member = 0;
    for (size_t before = (i - logits) / per_member + 1; before > 0; u.view++) before -= spec->view[u.view].stored;
    u.view--;
    return u;
}

void trb__shard_name(const trb_cache_spec *spec, size_t unit, char name[TRB__NAME_BYTES])
{
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    const size_t shard = u.first_row / spec->shard_rows;
    const char *prefix = trb__form_of[u.kind].prefix;
    if (prefix != NULL)
        (void)snprintf(name, TRB__NAME_BYTES, "v%02zu/%s-s%05zu.h5", u.view, prefix, shard);
    else
        (void)snprintf(name, TRB__NAME_BYTES, "v%02zu/m%03zu-s%05zu.h5", u.view, u.member, shard);
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

trb_status trb_shard_path(const char *dir, const trb_cache_spec *spec, size_t unit, char **path)
{
    char name[TRB__NAME_BYTES];
    trb__shard_name(spec, unit, name);
    return trb__path_in(dir, name, path);
}
