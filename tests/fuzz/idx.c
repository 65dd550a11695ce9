/* IDX: two files in one input, the length of the first in front. */
#include "common/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_input in = {data, n};
    const size_t images = (size_t)fuzz_number(&in, 2);
    char *files[] = {(char *)(uintptr_t)fuzz_put("x", fuzz_bytes(&in, images)), (char *)(uintptr_t)fuzz_put("y", in)};
    const trb_data_files of = {.format = TRB_FORMAT_IDX, .root = "", .n_files = 2, .files = files};
    trb_data d;
    const trb_status st = trb_data_load(&of, &d);
    if (st == TRB_OK) trb_data_clear(&d);
    fuzz_settle(st);
    return 0;
}
