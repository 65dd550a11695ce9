/* Checkpoints. */
#include "common/fuzz.h"

static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    static float values[64];
    static const double sum[2] = {0.5, 0.25};
    static char config[] = "seed: 1\n", metrics[] = "{\"epoch\": 1}\n", nothing[] = "";
    trb_net *net = NULL;
    FUZZ_MUST(trb_net_create("dense 3, relu, dense 2", (trb_shape){2, 1, 1}, 1, &net) == TRB_OK);
    FUZZ_MUST(trb_net_size(net) <= 64);
    for (size_t i = 0; i < 64; i++) values[i] = (float)i;
    trb_checkpoint c = {.net = net,
                        .config = config,
                        .metrics = metrics,
                        .blas = nothing,
                        .processor = nothing,
                        .phase = 1,
                        .step = 7,
                        .n_sums = 2,
                        .sum = (double *)(uintptr_t)sum,
                        .n_slabs = 3,
                        .best_epoch = 1,
                        .best_loss = 0.5,
                        .has_best = true,
                        .best = values};
    for (size_t i = 0; i < 3; i++) c.slab[i] = values;
    FUZZ_MUST(trb_checkpoint_write(fuzz_path("base.h5"), &c, NULL) == TRB_OK);
    trb_net_destroy(net);
    fuzz_base_keep(&base, fuzz_path("base.h5"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    trb_checkpoint c;
    const trb_status st = trb_checkpoint_read(fuzz_base_edit(&base, "c.h5", (fuzz_input){data, n}), NULL, NULL, &c);
    if (st == TRB_OK) trb_checkpoint_clear(&c);
    fuzz_settle(st);
    return 0;
}
