/* Rows of shards: as callers write and get them, as they are stored, and what a row must not contain. */
#include "internal.h"

#include <string.h>

#include "tribikos/memory.h"

static size_t value_bytes(const trb_cache_spec *spec, trb_shard_kind kind)
{
    return trb_dtype_bytes(trb__form_of[kind].shape(spec, 1).type);
}

static bool is_half(const trb_cache_spec *spec, trb_shard_kind kind)
{
    return trb__form_of[kind].floats && spec->dtype == TRB_F16;
}

bool trb__rows_differ(const trb_cache_spec *spec, trb_shard_kind kind)
{
    return is_half(spec, kind) || trb__classes(spec, kind) > 0;
}

size_t trb__served_bytes(const trb_cache_spec *spec, trb_shard_kind kind)
{
    if (!trb__form_of[kind].floats) return trb_shard_row_bytes(spec, kind);
    return (trb__values(spec, kind) + trb__classes(spec, kind)) * sizeof(float);
}

/* ---- to the stored form and back */

static void store_values(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const void *from, char *to)
{
    if (is_half(spec, kind))
        trb_f16_from_f32(n, from, (uint16_t *)(void *)to);
    else
        memcpy(to, from, n * value_bytes(spec, kind));
}

static void load_values(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const char *from, float *to)
{
    if (is_half(spec, kind))
        trb_f32_from_f16(n, (const uint16_t *)(const void *)from, to);
    else
        memcpy(to, from, n * sizeof *to);
}

/* A row of float32 values and an odd number of classes leaves the next row's values unaligned, so classes and such
 * values are copied byte by byte. Halves are always aligned. */
void trb__rows_store(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const void *from, char *to)
{
    const size_t values = trb__values(spec, kind), classes = trb__classes(spec, kind);
    const float *row = from;
    if (classes == 0) {
        store_values(spec, kind, n * values, from, to);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        store_values(spec, kind, values, row, to);
        row += values;
        to += values * value_bytes(spec, kind);
        for (size_t j = 0; j < classes; j++, to += sizeof(uint16_t)) {
            const uint16_t class = (uint16_t)*row++;
            memcpy(to, &class, sizeof class);
        }
    }
}

static uint16_t class_at(const char *classes, size_t j)
{
    uint16_t class;
    memcpy(&class, classes + j * sizeof class, sizeof class);
    return class;
}

void trb__rows_load(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const char *from, float *to)
{
    const size_t values = trb__values(spec, kind), classes = trb__classes(spec, kind);
    if (classes == 0) {
        load_values(spec, kind, n * values, from, to);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        load_values(spec, kind, values, from, to);
        from += values * value_bytes(spec, kind);
        to += values;
        for (size_t j = 0; j < classes; j++) *to++ = (float)class_at(from, j);
        from += classes * sizeof(uint16_t);
    }
}

/* ---- files */

/* Copy n pieces of `bytes` bytes; those of each side begin at multiples of its own stride. */
static void copy_pieces(size_t n, size_t bytes, const char *from, size_t from_stride, char *to, size_t to_stride)
{
    for (size_t i = 0; i < n; i++) memcpy(to + i * to_stride, from + i * from_stride, bytes);
}

trb_status trb__rows_put(trb_h5 *h, const trb_cache_spec *spec, trb_shard_kind kind, size_t first, size_t n,
                         const char *rows)
{
    const trb__form *form = &trb__form_of[kind];
    const size_t row = trb_shard_row_bytes(spec, kind), classes = trb__classes(spec, kind) * sizeof(uint16_t);
    char *apart = NULL;
    if (classes == 0) return trb_h5_write_rows(h, form->dataset, first, n, rows);
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, n, row, &apart));
    copy_pieces(n, row - classes, rows, row, apart, row - classes);
    trb_status st = trb_h5_write_rows(h, form->dataset, first, n, apart);
    copy_pieces(n, classes, rows + (row - classes), row, apart, classes);
    if (st == TRB_OK) st = trb_h5_write_rows(h, TRB__CLASS, first, n, apart);
    trb_free(apart);
    return st;
}

trb_status trb__rows_get(trb_h5 *h, const trb_cache_spec *spec, trb_shard_kind kind, size_t first, size_t n, char *rows)
{
    const trb__form *form = &trb__form_of[kind];
    const size_t row = trb_shard_row_bytes(spec, kind), classes = trb__classes(spec, kind) * sizeof(uint16_t);
    const trb_dtype type = form->shape(spec, n).type;
    char *apart = NULL;
    if (classes == 0) return trb_h5_read_rows(h, form->dataset, type, first, n, rows);
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, n, row, &apart));
    trb_status st = trb_h5_read_rows(h, form->dataset, type, first, n, apart);
    copy_pieces(n, row - classes, apart, row - classes, rows, row);
    if (st == TRB_OK) st = trb_h5_read_rows(h, TRB__CLASS, TRB_U16, first, n, apart);
    copy_pieces(n, classes, apart, classes, rows + (row - classes), row);
    trb_free(apart);
    return st;
}

/* ---- checks */

/* Whether a stored value is a number above 0: its sign bit is not set, and another bit is. */
static bool is_above_0(const trb_cache_spec *spec, const char *value)
{
    uint16_t half;
    uint32_t whole;
    if (spec->dtype == TRB_F16) {
        memcpy(&half, value, sizeof half);
        return half != 0 && (half & 0x8000U) == 0;
    }
    memcpy(&whole, value, sizeof whole);
    return whole != 0 && (whole & 0x80000000U) == 0;
}

static size_t bad_value(const trb_cache_spec *spec, size_t n, const char *values, trb__row_fault *fault)
{
    const size_t bytes = trb_dtype_bytes(spec->dtype);
    for (size_t i = 0; i < n; i++) {
        uint32_t aligned;
        memcpy(&aligned, values + i * bytes, bytes);
        *fault = trb__find_nonfinite(spec->dtype, 1, &aligned) == 0 ? TRB__NOT_FINITE
                 : is_above_0(spec, values + i * bytes)             ? TRB__ABOVE_0
                                                                    : TRB__SOUND;
        if (*fault != TRB__SOUND) return i;
    }
    return n;
}

/* \param[in,out] seen  a bit for each class; all are 0 before and after */
static size_t bad_class(const trb_cache_spec *spec, size_t k, const char *classes, uint64_t *seen,
                        trb__row_fault *fault)
{
    size_t j = 0;
    *fault = TRB__SOUND;
    for (; j < k && *fault == TRB__SOUND; j++) {
        const uint16_t class = class_at(classes, j);
        const uint64_t bit = UINT64_C(1) << (class % 64);
        *fault = class >= spec->K ? TRB__NO_CLASS : (seen[class / 64] & bit) != 0 ? TRB__CLASS_TWICE : TRB__SOUND;
        seen[class / 64] |= bit;
    }
    for (size_t i = 0; i < j; i++) seen[class_at(classes, i) / 64] = 0;
    return *fault == TRB__SOUND ? k : j - 1;
}

size_t trb__find_nonfinite(trb_dtype type, size_t n, const void *values)
{
    /* A value is not finite if all bits of its exponent are set. The first loop only asks whether there is one: without
     * an early exit it vectorises. */
    unsigned any = 0;
    size_t i = 0;
    if (type == TRB_U8) return n;
    if (type == TRB_F16) {
        const uint16_t *v = values;
        for (size_t k = 0; k < n; k++) any |= (v[k] & 0x7c00u) == 0x7c00u;
        while (any && (v[i] & 0x7c00u) != 0x7c00u) i++;
    } else {
        const uint32_t *v = values;
        for (size_t k = 0; k < n; k++) any |= (v[k] & 0x7f800000u) == 0x7f800000u;
        while (any && (v[i] & 0x7f800000u) != 0x7f800000u) i++;
    }
    return any ? i : n;
}

trb__row_fault trb__rows_fault(const trb_cache_spec *spec, trb_shard_kind kind, size_t n, const char *rows, size_t *bad)
{
    const trb_dtype type = trb__form_of[kind].shape(spec, 1).type;
    const size_t values = trb__values(spec, kind), classes = trb__classes(spec, kind);
    uint64_t seen[(UINT16_MAX + 1) / 64] = {0};
    trb__row_fault fault = TRB__SOUND;
    if (classes == 0) {
        *bad = trb__find_nonfinite(type, n * values, rows);
        return *bad < n * values ? TRB__NOT_FINITE : TRB__SOUND;
    }
    for (size_t i = 0; i < n && fault == TRB__SOUND; i++, rows += trb_shard_row_bytes(spec, kind)) {
        *bad = i * values + bad_value(spec, values, rows, &fault);
        if (fault != TRB__SOUND) break;
        *bad = i * classes + bad_class(spec, classes, rows + values * trb_dtype_bytes(type), seen, &fault);
    }
    return fault;
}
