/* CIFAR-10's binary files, which have no header. Records are of 3073 bytes: an input is one short record, and says how
 * often it comes and what is missing from the last. */
#include "common/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { RECORD = 3073, MOST = 4 };
    static uint8_t bytes[MOST * RECORD + 256];
    fuzz_input in = {data, n};
    const char *path = NULL;
    if (n >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
        path = fuzz_put("x", in);
    } else {
        const size_t records = (size_t)fuzz_number(&in, 1) % (MOST + 1), more = (size_t)fuzz_number(&in, 1);
        memset(bytes, 0, sizeof bytes);
        for (size_t r = 0; r < MOST; r++) {
            const fuzz_input part = fuzz_bytes(&in, 4);
            if (part.n > 0) memcpy(bytes + r * RECORD, part.at, part.n);
        }
        path = fuzz_put("x", (fuzz_input){bytes, records * RECORD + more});
    }
    char *files[] = {(char *)(uintptr_t)path};
    const trb_data_files of = {.format = TRB_FORMAT_CIFAR10, .root = "", .n_files = 1, .files = files};
    trb_data d;
    const trb_status st = trb_data_load(&of, &d);
    if (st == TRB_OK) {
        FUZZ_MUST(d.n <= MOST && d.classes <= 10);
        trb_data_clear(&d);
    }
    fuzz_settle(st);
    return 0;
}
