/* A small cache whose logits are known: what test files of the cache share. */
#ifndef TRB_TEST_ENSEMBLE_H
#define TRB_TEST_ENSEMBLE_H

#include "scratch.h"
#include "tribikos/dirichlet.h"
#include "tribikos/reader.h"
#include "tribikos/rng.h"
#include "tribikos/shard.h"
#include "tribikos/top.h"

enum { ENSEMBLE_MAX_M = 8, ENSEMBLE_MAX_V = 4, ENSEMBLE_MAX_N = 4096 };

static const trb_view ensemble_view[ENSEMBLE_MAX_V] = {
    {"identity", 0, false}, {"mixup 0.5", 11, false}, {"jitter 0.1", 12, false}, {"mixup 0.2", 13, false}};
static uint64_t ensemble_digest[ENSEMBLE_MAX_M];
static int32_t ensemble_label[ENSEMBLE_MAX_N];
static float ensemble_target[ENSEMBLE_MAX_N];

/* Exact in half precision, different for every coordinate within reach of a mistake. Of member 0 it does for
 * statistics. */
__attribute__((unused)) static float ensemble_logit(size_t v, size_t m, size_t n, size_t k)
{
    return (float)((v * 977 + m * 131 + n * 17 + k * 5) % 2039) / 16 - 60;
}

/* Numbers in a row of a shard, as a writer gives and a reader gets them. */
__attribute__((unused)) static size_t ensemble_width(const trb_cache_spec *spec, trb_shard_kind kind)
{
    return kind == TRB_SHARD_STATISTICS ? TRB_STATISTICS(spec->K)
           : kind == TRB_SHARD_TOP      ? TRB_TOP(spec->top, spec->K)
                                        : spec->K;
}

/* Number k of such a row. Of the most probable classes: values that are at most 0, then different classes. */
__attribute__((unused)) static float ensemble_number(const trb_cache_spec *spec, trb_shard_kind kind, size_t v,
                                                     size_t m, size_t n, size_t k)
{
    if (kind != TRB_SHARD_TOP) return ensemble_logit(v, m, n, k);
    if (k < TRB_TOP_OUTCOMES(spec->top, spec->K)) return -(float)((v * 977 + m * 131 + n * 17 + k * 5) % 2039) / 16;
    return (float)((v + m * 3 + n * 7 + k) % spec->K);
}

__attribute__((unused)) static trb_cache_spec ensemble_spec(size_t N, size_t K, size_t M, size_t V)
{
    for (size_t i = 0; i < N; i++) {
        ensemble_label[i] = (int32_t)(i % K);
        ensemble_target[i] = (float)i / 4;
    }
    for (size_t m = 0; m < M; m++) ensemble_digest[m] = 0xfedcba9800000000u + m;
    return (trb_cache_spec){.task = TRB_TASK_CLASSES,
                            .dtype = TRB_F32,
                            .N = N,
                            .K = K,
                            .M = M,
                            .V = V,
                            .block = 16,
                            .shard_rows = 64,
                            .data_digest = 0xdadadadadadadadau,
                            .member_digest = ensemble_digest,
                            .view = ensemble_view,
                            .label = ensemble_label,
                            .target = ensemble_target};
}

/* The same cache, with inputs of the views 1 and 3: of bytes, or of halves. */
static const trb_view ensemble_stored_view[ENSEMBLE_MAX_V] = {
    {"identity", 0, false}, {"ods 8", 11, true}, {"jitter 0.1", 11, false}, {"confods 8", 11, true}};
enum { ENSEMBLE_D = 12 };
static uint64_t ensemble_inputs_payload[256];

__attribute__((unused)) static void ensemble_store(trb_cache_spec *spec, trb_dtype type)
{
    spec->view = ensemble_stored_view;
    spec->shape = (trb_shape){2, 3, 2};
    spec->x_dtype = type;
    spec->inputs_payload = ensemble_inputs_payload;
}

/* Bytes, or the bits of halves below 2. */
__attribute__((unused)) static unsigned ensemble_input(trb_dtype type, size_t v, size_t n, size_t i)
{
    return (unsigned)((v * 977 + n * 17 + i * 5) % (type == TRB_U8 ? 251 : 16381));
}

__attribute__((unused)) static trb_status ensemble_write_inputs(const char *dir, const trb_cache_spec *spec,
                                                                size_t unit, uint64_t *payload)
{
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    trb_shard *s = NULL;
    trb_status st = trb_shard_create(dir, spec, unit, &s);
    for (size_t n = 0; n < u.rows && st == TRB_OK; n++) {
        uint8_t bytes[ENSEMBLE_D];
        uint16_t halves[ENSEMBLE_D];
        for (size_t i = 0; i < ENSEMBLE_D; i++) {
            halves[i] = (uint16_t)ensemble_input(spec->x_dtype, u.view, u.first_row + n, i);
            bytes[i] = (uint8_t)halves[i];
        }
        st = trb_shard_write(s, 1, spec->x_dtype == TRB_U8 ? (void *)bytes : halves);
    }
    if (st == TRB_OK) return trb_shard_publish(s, payload);
    trb_shard_abandon(s);
    return st;
}

/* Write one shard in runs of `run` rows. */
__attribute__((unused)) static trb_status ensemble_write(const char *dir, const trb_cache_spec *spec, size_t unit,
                                                         size_t run, uint64_t *payload)
{
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    const size_t width = ensemble_width(spec, u.kind);
    trb_shard *s = NULL;
    float *rows = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, run * width, sizeof *rows, &rows));
    TRB_GO(trb_shard_create(dir, spec, unit, &s));
    for (size_t first = 0; first < u.rows; first += run) {
        const size_t n = u.rows - first < run ? u.rows - first : run;
        for (size_t i = 0; i < n * width; i++)
            rows[i] = ensemble_number(spec, u.kind, u.view, u.member, u.first_row + first + i / width, i % width);
        TRB_GO(trb_shard_write(s, n, rows));
    }
    st = trb_shard_publish(s, payload);
    s = NULL;
done:
    trb_shard_abandon(s);
    trb_free(rows);
    return st;
}

/* What readers are asked for: some members' logits, or most probable classes; what is of all members. */
__attribute__((unused)) static trb_selection ensemble_logits(size_t views, size_t m0, size_t m_count)
{
    return (trb_selection){TRB_SHARD_LOGITS, views, m0, m_count};
}
__attribute__((unused)) static trb_selection ensemble_top(size_t views, size_t m0, size_t m_count)
{
    return (trb_selection){TRB_SHARD_TOP, views, m0, m_count};
}
__attribute__((unused)) static trb_selection ensemble_all(trb_shard_kind kind, size_t views)
{
    return (trb_selection){kind, .views = views};
}

/* Write all shards and the manifest. */
__attribute__((unused)) static void ensemble_make(const char *dir, const trb_cache_spec *spec)
{
    uint64_t *payload = NULL;
    assert_ok(trb_alloc(TRB_MEM_OTHER, trb_cache_units(spec), sizeof *payload, &payload));
    const size_t logits = trb_cache_logits_units(spec);
    for (size_t i = logits; i < trb_cache_units(spec); i++) {
        assert_ok(ensemble_write_inputs(dir, spec, i, &payload[i]));
        ensemble_inputs_payload[i - logits] = payload[i];
    }
    for (size_t i = 0; i < logits; i++) assert_ok(ensemble_write(dir, spec, i, spec->block, &payload[i]));
    assert_ok(trb_manifest_publish(dir, spec, payload, "none, 1 thread", ""));
    trb_free(payload);
}

/* The same, opened. */
__attribute__((unused)) static trb_cache *ensemble_open(const char *dir, const trb_cache_spec *spec)
{
    trb_cache *c = NULL;
    ensemble_make(dir, spec);
    assert_ok(trb_cache_open(dir, &c));
    return c;
}

__attribute__((unused)) static trb_status ensemble_verify(const char *dir)
{
    trb_cache *c = NULL;
    TRB_TRY(trb_cache_open(dir, &c));
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < trb_cache_units(trb_cache_spec_of(c)); i++) st = trb_cache_verify_unit(c, i);
    trb_cache_close(c);
    return st;
}

#endif
