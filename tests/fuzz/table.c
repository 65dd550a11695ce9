/* Tables: the first line of the input says what is chosen, the file that lists rows follows up to a zero byte, then the
 * table, which may be packed. What follows a second zero byte is another table, which is read by the first one's schema.
 * The line's first letter is r, c (classes), 2 (the table twice), d (missing values are dropped), m (means) or w (classes,
 * and the last entry is a column of words). */
#include "common/fuzz.h"

#include <math.h>

static void check(const trb_data *d, bool classes)
{
    FUZZ_MUST(d->n > 0 && d->shape.c > 0);
    for (size_t i = 0; i < d->n * d->shape.c; i++) FUZZ_MUST(isfinite(((float *)d->x)[i]));
    for (size_t i = 0; d->label != NULL && i < d->n; i++)
        FUZZ_MUST(d->label[i] >= 0 && (size_t)d->label[i] < d->classes);
    for (size_t i = 0; d->target != NULL && i < d->n; i++) FUZZ_MUST(isfinite(d->target[i]));
    FUZZ_MUST(d->label == NULL || classes);
}

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

    const uint8_t *second = in.n > 0 ? memchr(in.at, '\0', in.n) : NULL;
    const bool packed = in.n > 1 && (in.at[0] == 0x1f || in.at[0] >= 0xfe); /* has zero bytes of its own */
    const fuzz_input table = fuzz_bytes(&in, second != NULL && !packed ? (size_t)(second - in.at) : in.n);
    if (in.n > 0) (void)fuzz_bytes(&in, 1);
    (void)fuzz_put("rows", rows);
    (void)fuzz_put("table", table);
    (void)fuzz_put("later", in);
    char *files[] = {(char *)(uintptr_t) "table", (char *)(uintptr_t) "table"};
    char *lists[] = {(char *)(uintptr_t) "rows", (char *)(uintptr_t) "rows"};
    const bool twice = line[0] == '2', words = line[0] == 'w', classes = line[0] == 'c' || words;
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
    trb_data_files of = {.task = classes ? TRB_TASK_CLASSES : TRB_TASK_REGRESSION,
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
                         .n_categories = words && n_features > 0,
                         .categories = n_features > 0 ? features + n_features - 1 : NULL,
                         .missing = line[0] == 'd'   ? TRB_MISSING_DROP
                                    : line[0] == 'm' ? TRB_MISSING_MEAN
                                                     : TRB_MISSING_REFUSE,
                         .target = target != NULL && strcmp(target, "_") == 0 ? NULL : target};
    trb_data d;
    trb_schema schema = {0}, again = {0};
    char *text = NULL;
    trb_status st = trb_data_survey(&of, &schema);
    if (st == TRB_OK) {
        /* The text form says all of it. */
        FUZZ_MUST(trb_schema_write(&schema, &text) == TRB_OK && trb_schema_read("text", text, &again) == TRB_OK);
        trb_schema_clear(&schema);
        of.schema = &again;
        st = trb_data_load(&of, &d);
    }
    if (st == TRB_OK) {
        check(&d, classes);
        trb_data_clear(&d);
        char *later[] = {(char *)(uintptr_t) "later"};
        of.files = later;
        of.n_files = 1;
        of.n_rows = 0;
        of.labels = TRB_LABELS_IF_THERE;
        st = trb_data_load(&of, &d);
        if (st == TRB_OK) {
            check(&d, classes);
            trb_data_clear(&d);
        }
    }
    trb_free(text);
    trb_schema_clear(&again);
    fuzz_settle(st);
    return 0;
}
