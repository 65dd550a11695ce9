/* A cache whose manifest is not to be trusted: opening it, checking its shards, serving from it. */
#include "common/fuzz.h"

static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fuzz_cache_make();
    fuzz_base_keep(&base, fuzz_path("cache/manifest.h5"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    trb_cache *c = NULL;
    (void)fuzz_base_edit(&base, "cache/manifest.h5", (fuzz_input){data, n});
    trb_status st = trb_cache_open(fuzz_path("cache"), &c);
    if (st == TRB_OK) {
        const size_t units = trb_cache_units(trb_cache_spec_of(c));
        for (size_t i = 0; st == TRB_OK && i < units && i < 16; i++) st = trb_cache_verify_unit(c, i);
    }
    trb_cache_close(c);
    fuzz_settle(st);
    return 0;
}
