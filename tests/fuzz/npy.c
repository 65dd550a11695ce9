/* NumPy's files: the first byte says the task and whether there are labels; then an npz archive, or a pair of npy files
 * with the length of the first in front. */
#include "common/fuzz.h"

#include <math.h>

#include "tribikos/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_input in = {data, n};
    const uint64_t how = fuzz_number(&in, 1);
    const bool archive = in.n >= 2 && memcmp(in.at, "PK", 2) == 0;
    char *files[2] = {NULL, NULL};
    if (archive) {
        files[0] = (char *)(uintptr_t)fuzz_put("a.npz", in);
    } else {
        const size_t samples = (size_t)fuzz_number(&in, 2);
        files[0] = (char *)(uintptr_t)fuzz_put("x.npy", fuzz_bytes(&in, samples));
        files[1] = (char *)(uintptr_t)fuzz_put("y.npy", in);
    }
    trb_data_files of = {.task = how % 2 == 1 ? TRB_TASK_REGRESSION : TRB_TASK_CLASSES,
                         .format = TRB_FORMAT_NPY,
                         .root = "",
                         .n_files = archive ? 1 : 2,
                         .files = files,
                         .labels = (trb_labels)(how / 2 % 3),
                         .layout = (trb_axes)(how / 8 % 3)};
    trb_schema s = {0};
    trb_data d;
    trb_status st = trb_data_survey(&of, &s);
    if (st == TRB_OK) {
        of.schema = &s;
        st = trb_data_load(&of, &d);
    }
    if (st == TRB_OK) {
        const size_t values = d.n * trb_shape_size(d.shape);
        FUZZ_MUST(values > 0);
        for (size_t i = 0; d.type == TRB_F32 && i < values; i++) FUZZ_MUST(isfinite(((float *)d.x)[i]));
        for (size_t i = 0; i < d.n; i++) {
            if (d.label != NULL) FUZZ_MUST(d.label[i] >= 0 && (size_t)d.label[i] < d.classes);
            if (d.target != NULL) FUZZ_MUST(isfinite(d.target[i]));
        }
        trb_data_clear(&d);
    }
    trb_schema_clear(&s);
    fuzz_settle(st);
    return 0;
}
