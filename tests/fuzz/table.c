/* Tables: the first line of the input says what is chosen, the file that lists rows follows up to a zero byte, then the
 * table, which may be packed. */
#include "common/fuzz.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char line[64] = "", *features[2], *target = NULL;
    fuzz_input in = {data, n};
    const uint8_t *newline = n > 0 ? memchr(data, '\n', n) : NULL;
    if (newline == NULL || newline - data >= 64) return -1;
    memcpy(line, data, (size_t)(newline - data));
    (void)fuzz_bytes(&in, (size_t)(newline - data) + 1);
    const uint8_t *zero = in.n > 0 ? memchr(in.at, '\0', in.n) : NULL;
    const fuzz_input rows = fuzz_bytes(&in, zero != NULL ? (size_t)(zero - in.at) : 0);
    if (zero != NULL) (void)fuzz_bytes(&in, 1);

    (void)fuzz_put("rows", rows);
    (void)fuzz_put("table", in);
    char *files[] = {(char *)(uintptr_t) "table", (char *)(uintptr_t) "table"};
    char *lists[] = {(char *)(uintptr_t) "rows", (char *)(uintptr_t) "rows"};
    const bool twice = line[0] == '2', classes = line[0] == 'c';
    char *rest = line[0] != '\0' ? line + 1 : line, *save = NULL;
    size_t n_features = 0;
    target = strtok_r(rest, " ", &save);
    while (n_features < 2 && (features[n_features] = strtok_r(NULL, " ", &save)) != NULL) {
        if (strchr(features[n_features], '/') != NULL) return -1;
        n_features++;
    }
    if (target != NULL && strchr(target, '/') != NULL) return -1;
    const char *path = fuzz_path("table");
    char root[128] = "";
    memcpy(root, path, (size_t)(strrchr(path, '/') - path));
    const trb_data_files of = {.task = classes ? TRB_TASK_CLASSES : TRB_TASK_REGRESSION,
                               .format = TRB_FORMAT_TABLE,
                               .root = root,
                               .n_files = twice ? 2 : 1,
                               .files = files,
                               .n_rows = rows.n == 0 ? 0
                                         : twice     ? 2
                                                     : 1,
                               .rows = lists,
                               .n_features = n_features,
                               .features = features,
                               .target = target != NULL && strcmp(target, "_") == 0 ? NULL : target};
    trb_data d;
    const trb_status st = trb_data_load(&of, &d);
    if (st == TRB_OK) {
        FUZZ_MUST(d.n > 0 && d.shape.c > 0);
        for (size_t i = 0; i < d.n * d.shape.c; i++) FUZZ_MUST(isfinite(((float *)d.x)[i]));
        for (size_t i = 0; i < d.n; i++)
            FUZZ_MUST(classes ? d.label[i] >= 0 && (size_t)d.label[i] < d.classes : isfinite(d.target[i]));
        trb_data_clear(&d);
    }
    fuzz_settle(st);
    return 0;
}
