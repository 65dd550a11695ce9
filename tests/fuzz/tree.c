/* report.json, and any other YAML or JSON that is read as keys and values. */
#include "common/fuzz.h"

#include "tribikos/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = calloc(n + 1, 1);
    trb_tree *t = NULL;
    FUZZ_MUST(text != NULL);
    if (n > 0) memcpy(text, data, n);
    const trb_status st = trb_tree_read("report.json", text, &t);
    FUZZ_MUST(st == TRB_OK || st == TRB_ECONFIG);
    for (size_t i = 0; st == TRB_OK && i < trb_tree_n(t); i++) {
        char *line = NULL;
        FUZZ_MUST(trb_tree_find(t, trb_tree_key(t, i)) == i);
        FUZZ_MUST(trb_tree_line(t, i, &line) == TRB_OK);
        (void)trb_tree_number(t, trb_tree_key(t, i));
        trb_free(line);
    }
    trb_tree_destroy(t);
    free(text);
    fuzz_settle(st);
    return 0;
}
