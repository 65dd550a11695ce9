#include "layer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/text.h"

enum { UNITS_MAX = 1 << 24, WORDS_MAX = 32 };

static bool blank(char c)
{
    return isspace((unsigned char)c) != 0;
}

trb_status trb__list_next(const char **cursor, trb__item *item)
{
    const char *begin = *cursor, *comma = strchr(begin, ',');
    const char *end = comma == NULL ? begin + strlen(begin) : comma;
    item->number++;
    *cursor = comma == NULL ? NULL : comma + 1;
    while (begin < end && blank(*begin)) begin++;
    while (end > begin && blank(end[-1])) end--;
    const size_t n = (size_t)(end - begin);
    if (n == 0)
        return trb_fail(TRB_ECONFIG, "layers: item %zu is empty; expected a layer, e.g. \"dense 10\"", item->number);
    if (n >= sizeof item->text)
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%.32s...\": longer than any layer", item->number, begin);
    memcpy(item->text, begin, n);
    item->text[n] = '\0';
    size_t word = 0;
    while (word < n && !blank(item->text[word])) word++;
    memcpy(item->word, item->text, word);
    item->word[word] = '\0';
    while (word < n && blank(item->text[word])) word++;
    memcpy(item->argument, item->text + word, n - word + 1);
    return TRB_OK;
}

bool trb__item_is_split(const trb__item *item)
{
    return strcmp(item->text, "split") == 0;
}

static trb_status unknown(const trb__item *item)
{
    const char *words[WORDS_MAX] = {"split"};
    size_t n = 1;
    for (size_t i = 0; i < trb__n_kinds && n < WORDS_MAX; i++) words[n++] = trb__kinds[i].name;
    return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": there is no layer \"%s\"; did you mean \"%s\"?",
                    item->number, item->text, item->word, trb_nearest(item->word, n, words));
}

trb_status trb__item_kind(const trb__item *item, const trb__kind **kind, double *argument)
{
    const trb__kind *found = NULL;
    for (size_t i = 0; i < trb__n_kinds; i++)
        if (strcmp(item->word, trb__kinds[i].name) == 0) found = &trb__kinds[i];
    if (found == NULL && strcmp(item->word, "split") != 0) return unknown(item);

    const trb__argument takes = found == NULL ? TRB__NOTHING : found->takes;
    char *end = item->argument[0] == '\0' ? NULL : "";
    double value = 0.0;
    bool good = false;
    switch (takes) {
    case TRB__NOTHING:
        good = item->argument[0] == '\0';
        break;
    case TRB__UNITS:
        good = isdigit((unsigned char)item->argument[0]) != 0;
        value = (double)strtoull(item->argument, &end, 10);
        good = good && *end == '\0' && value >= 1.0 && value <= UNITS_MAX;
        break;
    case TRB__PROBABILITY:
        value = strtod(item->argument, &end);
        good = item->argument[0] != '\0' && *end == '\0' && value >= 0.0 && value < 1.0;
        break;
    }
    if (!good) {
        static const char *const fits[] = {"stands alone", "takes a number of units from 1 to 16777216 (\"dense 200\")",
                                           "takes a probability from 0 to below 1 (\"dropout 0.1\")"};
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": %s %s, got \"%s\"", item->number, item->text,
                        item->word, fits[takes], item->argument);
    }
    *kind = found;
    *argument = value;
    return TRB_OK;
}

trb_status trb_net_insert_split(const char *layers, size_t at, char **out)
{
    char *text = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 2 * strlen(layers) + 16, 1, &text);
    if (st != TRB_OK) return st;
    trb__item item = {0};
    size_t used = 0;
    bool inserted = false;
    for (const char *cursor = layers; cursor != NULL;) {
        TRB_GO(trb__list_next(&cursor, &item));
        if (trb__item_is_split(&item)) {
            st = trb_fail(TRB_ECONFIG, "split: \"%s\" has a split already, as item %zu", layers, item.number);
            goto done;
        }
        const bool here = item.number == at + 1;
        if (here && strcmp(item.word, "dense") != 0) {
            st = trb_fail(TRB_ECONFIG,
                          "split: position %zu of \"%s\" is \"%s\"; the heads must begin with a dense layer", at,
                          layers, item.text);
            goto done;
        }
        inserted = inserted || here;
        used += (size_t)sprintf(text + used, "%s%s%s", used > 0 ? ", " : "", here ? "split, " : "", item.text);
    }
    if (!inserted)
        st = trb_fail(TRB_ECONFIG, "split: position %zu is behind the last layer of \"%s\" (positions count from 0)",
                      at, layers);
done:
    if (st == TRB_OK)
        *out = text;
    else
        trb_free(text);
    return st;
}
