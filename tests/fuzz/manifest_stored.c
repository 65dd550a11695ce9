/* The same where inputs are stored: a manifest of version 2. */
#include "common/fuzz.h"

static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fuzz_cache_make(true, TRB_SHARD_LOGITS);
    fuzz_base_keep(&base, fuzz_path("cache/manifest.h5"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_cache_manifest(&base, (fuzz_input){data, n});
    return 0;
}
