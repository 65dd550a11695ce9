/* The configuration: the file's text, and behind a zero byte flags, one a line. What is accepted is printed, and the
 * print is read to the same again. */
#include "common/fuzz.h"

#include "tribikos/identity.h"

static trb_status parse_and_print(const char *text, size_t n_flags, char *const *flags, trb_config **c, char **page,
                                  char **identity)
{
    TRB_TRY(trb_config_parse("fuzz.yaml", text, n_flags, flags, c));
    TRB_TRY(trb_config_print(*c, page));
    return trb_identity_member(*c, 0, NULL, identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { FLAGS = 8 };
    char *text = calloc(n + 1, 1), *flag[FLAGS], *save = NULL, *page = NULL, *again = NULL, *one = NULL, *other = NULL;
    size_t n_flags = 0;
    trb_config *c = NULL, *same = NULL;
    FUZZ_MUST(text != NULL);
    if (n > 0) memcpy(text, data, n);
    if (strlen(text) < n)
        for (char *f = strtok_r(text + strlen(text) + 1, "\n", &save); f != NULL && n_flags < FLAGS;
             f = strtok_r(NULL, "\n", &save))
            flag[n_flags++] = f;
    const trb_status st = parse_and_print(text, n_flags, flag, &c, &page, &one);
    if (st == TRB_OK) {
        FUZZ_MUST(parse_and_print(page, 0, NULL, &same, &again, &other) == TRB_OK);
        FUZZ_MUST(strcmp(page, again) == 0);
        FUZZ_MUST(strcmp(one, other) == 0);
    } else {
        FUZZ_MUST(st == TRB_ECONFIG);
    }
    trb_config_destroy(c);
    trb_config_destroy(same);
    trb_free(page);
    trb_free(again);
    trb_free(one);
    trb_free(other);
    free(text);
    fuzz_settle(st);
    return 0;
}
