/* The text form of a schema: what can be read is written, and reads back as the same text. */
#include "common/fuzz.h"

#include "tribikos/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = NULL, *first = NULL, *second = NULL;
    trb_schema s = {0}, again = {0};
    if (n > 0 && memchr(data, '\0', n) != NULL) return -1;
    FUZZ_MUST(trb_alloc(TRB_MEM_OTHER, n + 1, 1, &text) == TRB_OK);
    if (n > 0) memcpy(text, data, n);
    const trb_status st = trb_schema_read("input", text, &s);
    if (st == TRB_OK) {
        FUZZ_MUST(trb_schema_write(&s, &first) == TRB_OK && trb_schema_read("written", first, &again) == TRB_OK);
        FUZZ_MUST(trb_schema_write(&again, &second) == TRB_OK && strcmp(first, second) == 0);
        FUZZ_MUST(trb_schema_says(&s) == trb_schema_says(&again) && trb_schema_moves(&s) == trb_schema_moves(&again));
    }
    trb_schema_clear(&s);
    trb_schema_clear(&again);
    trb_free(second);
    trb_free(first);
    trb_free(text);
    fuzz_settle(st);
    return 0;
}
