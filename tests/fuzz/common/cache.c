#include "fuzz.h"

void fuzz_cache_make(void)
{
    enum { N = 5, K = 3, M = 2, V = 2 };
    static const int32_t label[N] = {0, 1, 2, 1, 0};
    static const uint64_t digest[M] = {11, 12};
    static const trb_view view[V] = {{"identity", 0, false}, {"flip", 7, false}};
    const trb_cache_spec spec = {.task = TRB_TASK_CLASSES,
                                 .dtype = TRB_F32,
                                 .N = N,
                                 .K = K,
                                 .M = M,
                                 .V = V,
                                 .block = 2,
                                 .shard_rows = 4,
                                 .data_digest = 13,
                                 .member_digest = digest,
                                 .view = view,
                                 .label = label};
    float logits[N * K];
    uint64_t payload[V * M * 2];
    for (size_t i = 0; i < N * K; i++) logits[i] = (float)i / 4;
    for (size_t i = 0; i < trb_cache_units(&spec); i++) {
        trb_shard *s = NULL;
        FUZZ_MUST(trb_shard_create(fuzz_path("cache"), &spec, i, &s) == TRB_OK);
        FUZZ_MUST(trb_shard_write(s, trb_cache_unit_at(&spec, i).rows, logits) == TRB_OK);
        FUZZ_MUST(trb_shard_publish(s, &payload[i]) == TRB_OK);
    }
    FUZZ_MUST(trb_manifest_publish(fuzz_path("cache"), &spec, payload, "") == TRB_OK);
}
