/* A shard of stored inputs that is not to be trusted, in a sound cache: checked, read, and served. */
#include "common/fuzz.h"

#include <math.h>

enum { VIEW = 1, UNIT = 8, ROWS = 4 }; /* the first shard after those of logits, and its rows */
static const char file[] = "cache/v01/x-s00000.h5";
static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fuzz_cache_make(true, TRB_SHARD_LOGITS);
    fuzz_base_keep(&base, fuzz_path(file));
    return 0;
}

static void must_be_finite(size_t n, const uint16_t *x)
{
    float values[ROWS * FUZZ_D];
    trb_f32_from_f16(n, x, values);
    for (size_t i = 0; i < n; i++) FUZZ_MUST(isfinite(values[i]));
}

static trb_status serve(const trb_cache *c)
{
    static const int64_t sample[ROWS] = {3, 0, 4, 1};
    static const uint16_t view[ROWS] = {VIEW, VIEW, VIEW, VIEW};
    trb_reader *r = NULL;
    const void *x = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_reader_open(c, (trb_selection){TRB_SHARD_INPUTS, .views = VIEW + 1}, ROWS, 1 << 20, &r));
    TRB_GO(trb_reader_plan(r, 1, sample, view));
    TRB_GO(trb_reader_next_inputs(r, &x));
    must_be_finite(ROWS * FUZZ_D, x);
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
    uint16_t rows[ROWS * FUZZ_D];
    (void)fuzz_base_edit(&base, file, (fuzz_input){data, n});
    FUZZ_MUST(trb_cache_open(fuzz_path("cache"), &c) == TRB_OK);
    const trb_cache_spec *spec = trb_cache_spec_of(c);
    trb_status st = trb_shard_check(fuzz_path("cache"), spec, UNIT, &good, &payload);
    FUZZ_MUST(st != TRB_OK || !good || payload == trb_cache_payload(c, UNIT));
    trb_fail_clear();
    if (trb_inputs_read(fuzz_path("cache"), spec, UNIT, rows) == TRB_OK) {
        FUZZ_MUST(good);
        must_be_finite(ROWS * FUZZ_D, rows);
    }
    trb_fail_clear();
    st = serve(c);
    FUZZ_MUST(st != TRB_OK || good);
    trb_cache_close(c);
    fuzz_settle(st);
    return 0;
}
