/* Data sets in HDF5: the first byte says the task, and whether labels are needed. */
#include "common/fuzz.h"

static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const float x[6] = {0, 1, 2, 3, 4, 5};
    const int32_t y[3] = {0, 2, 1};
    trb_h5 *h = NULL;
    FUZZ_MUST(trb_h5_create(fuzz_path("base.h5"), &h) == TRB_OK);
    FUZZ_MUST(trb_h5_put(h, "x", (trb_h5_shape){TRB_F32, 2, {3, 2}}, x) == TRB_OK);
    FUZZ_MUST(trb_h5_put(h, "y", (trb_h5_shape){TRB_I32, 1, {3}}, y) == TRB_OK);
    FUZZ_MUST(trb_h5_publish(h) == TRB_OK);
    fuzz_base_keep(&base, fuzz_path("base.h5"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_input in = {data, n};
    const uint64_t kind = n > 0 && data[0] != 0x89 ? fuzz_number(&in, 1) : 0;
    char *files[] = {(char *)(uintptr_t)fuzz_base_edit(&base, "x.h5", in)};
    const trb_data_files of = {.task = kind % 2 == 1 ? TRB_TASK_REGRESSION : TRB_TASK_CLASSES,
                               .labels = (trb_labels)(kind / 2 % 3),
                               .format = TRB_FORMAT_HDF5,
                               .root = "",
                               .n_files = 1,
                               .files = files};
    trb_data d;
    const trb_status st = trb_data_load(&of, &d);
    if (st == TRB_OK) trb_data_clear(&d);
    fuzz_settle(st);
    return 0;
}
