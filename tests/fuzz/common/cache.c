#include "fuzz.h"

static void write_shard(const trb_cache_spec *spec, size_t unit, const void *rows, uint64_t *payload)
{
    trb_shard *s = NULL;
    FUZZ_MUST(trb_shard_create(fuzz_path("cache"), spec, unit, &s) == TRB_OK);
    FUZZ_MUST(trb_shard_write(s, trb_cache_unit_at(spec, unit).rows, rows) == TRB_OK);
    FUZZ_MUST(trb_shard_publish(s, payload) == TRB_OK);
}

void fuzz_cache_make(bool stored, trb_shard_kind holds)
{
    enum { N = 5, K = 3, M = 2, V = 2, SHARDS = 2 };
    static const int32_t label[N] = {0, 1, 2, 1, 0};
    static const uint64_t digest[M] = {11, 12};
    static const trb_view plain[V] = {{"identity", 0, false}, {"flip", 7, false}};
    static const trb_view with_inputs[V] = {{"identity", 0, false}, {"ods 8", 7, true}};
    float outputs[N * (2 * K + 1)];
    uint16_t halves[N * FUZZ_D];
    uint64_t payload[(V * M + 1) * SHARDS];
    const trb_cache_spec spec = {.task = TRB_TASK_CLASSES,
                                 .holds = holds,
                                 .dtype = TRB_F32,
                                 .N = N,
                                 .K = K,
                                 .M = M,
                                 .V = V,
                                 .block = 2,
                                 .shard_rows = 4,
                                 .data_digest = 13,
                                 .member_digest = digest,
                                 .view = stored ? with_inputs : plain,
                                 .shape = {FUZZ_D / 4, 2, 2},
                                 .x_dtype = TRB_F16,
                                 .inputs_payload = payload + V * M * SHARDS,
                                 .label = label};
    for (size_t i = 0; i < N * (2 * K + 1); i++) outputs[i] = (float)i / 4;
    for (size_t i = 0; i < N * FUZZ_D; i++) halves[i] = (uint16_t)(257 * i);
    /* Shards of outputs name the inputs that they are of. */
    for (size_t i = trb_cache_units(&spec); i-- > 0;)
        write_shard(&spec, i, i < trb_cache_logits_units(&spec) ? (void *)outputs : halves, &payload[i]);
    FUZZ_MUST(trb_manifest_publish(fuzz_path("cache"), &spec, payload, "", "Z80") == TRB_OK);
}

void fuzz_cache_manifest(const fuzz_base *base, fuzz_input in)
{
    trb_cache *c = NULL;
    (void)fuzz_base_edit(base, "cache/manifest.h5", in);
    trb_status st = trb_cache_open(fuzz_path("cache"), &c);
    trb_members *members = NULL;
    if (st == TRB_OK) st = trb_members_create(c, &members);
    if (st == TRB_OK) {
        const size_t units = trb_cache_units(trb_cache_spec_of(c));
        char text[TRB_MEMBERS_DOUBT];
        for (size_t i = 0; st == TRB_OK && i < units && i < 16; i++) st = trb_members_read(members, i);
        (void)trb_members_doubt(members, 0, text);
    }
    FUZZ_MUST(st == TRB_OK || in.n > 0);
    trb_members_destroy(members);
    trb_cache_close(c);
    fuzz_settle(st);
}
