/* Lists of kernels and processors that computed a result, because these decide its bits. */
#include <string.h>

#include "internal.h"
#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/machine.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

static const char between[] = "; ";

/* Whether a list contains this name. */
static bool is_in(const char *list, const char *name, size_t n)
{
    for (;;) {
        const char *end = strstr(list, between);
        const size_t length = end == NULL ? strlen(list) : (size_t)(end - list);
        if (length == n && strncmp(list, name, n) == 0) return true;
        if (end == NULL) return false;
        list = end + sizeof between - 1;
    }
}

/* Append those names of a list that the text does not contain yet. */
static void add(trb_text *text, const char *list)
{
    while (*list != '\0') {
        const char *end = strstr(list, between);
        const size_t n = end == NULL ? strlen(list) : (size_t)(end - list);
        if (text->n == 0 || !is_in(text->at, list, n))
            trb_text_add(text, "%s%.*s", text->n == 0 ? "" : between, (int)n, list);
        list = end == NULL ? list + n : end + sizeof between - 1;
    }
}

/* The name of the kernels, followed by the processor, unless it is not known or the name contains it already. */
static trb_status with_processor(const char *blas, const char *processor, char **out)
{
    const bool alone = processor[0] != '\0' && strstr(blas, " on ") == NULL;
    return trb_text_of(out, "%s%s%s", blas, alone ? " on " : "", alone ? processor : "");
}

trb_status trb__makers(const char *what, const char *blas, const char *processor, char **makers)
{
    const char *here = trb_machine_name();
    char *before = NULL, *now = NULL, *joined = NULL;
    trb_text all = {0};
    trb_status st = TRB_OK;
    if (blas[0] == '\0') return TRB_OK;
    if (strcmp(blas, *makers) == 0 && (processor[0] == '\0' || strcmp(processor, here) == 0)) return TRB_OK;
    TRB_GO(with_processor(blas, processor, &before));
    TRB_GO(with_processor(*makers, here, &now));
    add(&all, before);
    add(&all, now);
    TRB_GO(trb_text_take(&all, &joined));
    trb_warn("%s was computed by %.600s, this run computes by %s on %s: bits may differ from those of a run on one of "
             "them, and the files that it writes name both",
             what, before, trb_blas_name(), here);
    trb_free(*makers);
    *makers = joined;
done:
    trb_free(now);
    trb_free(before);
    return st;
}
