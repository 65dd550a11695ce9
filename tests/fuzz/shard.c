/* A shard that is not to be trusted, in a sound cache: checked, and served. */
#include "common/fuzz.h"

#include <math.h>

static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fuzz_cache_make(false, TRB_SHARD_LOGITS);
    fuzz_base_keep(&base, fuzz_path("cache/v00/m000-s00000.h5"));
    return 0;
}

static trb_status serve(const trb_cache *c, size_t memory)
{
    static const int64_t sample[4] = {3, 0, 4, 1};
    trb_reader *r = NULL;
    const float *t = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_reader_open(c, (trb_selection){TRB_SHARD_LOGITS, 1, 0, 2}, 2, memory, &r));
    TRB_GO(trb_reader_plan(r, 2, sample, NULL));
    for (int step = 0; step < 2; step++) {
        TRB_GO(trb_reader_next(r, &t));
        for (size_t i = 0; i < 2 * 2 * 3; i++) FUZZ_MUST(isfinite(t[i]));
    }
done:
    if (st != TRB_OK)
        (void)trb_reader_close(r);
    else
        st = trb_reader_close(r);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    trb_cache *c = NULL;
    bool good = false;
    uint64_t payload = 0;
    (void)fuzz_base_edit(&base, "cache/v00/m000-s00000.h5", (fuzz_input){data, n});
    FUZZ_MUST(trb_cache_open(fuzz_path("cache"), &c) == TRB_OK);
    trb_status st = trb_shard_check(fuzz_path("cache"), trb_cache_spec_of(c), 0, &good, &payload);
    FUZZ_MUST(st != TRB_OK || !good || payload == trb_cache_payload(c, 0));
    trb_fail_clear();
    st = serve(c, 1 << 20);
    FUZZ_MUST(st != TRB_OK || good);
    trb_cache_close(c);
    fuzz_settle(st);
    return 0;
}
