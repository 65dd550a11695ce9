/* Layer lists: reading one item with its errors, and printing it in canonical form. */
#include "layer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/number.h"
#include "tribikos/text.h"

enum { UNITS_MAX = 1 << 24, WINDOW_MAX = 4096, NAME_BYTES = 40, WORDS_MAX = 32 };

static bool blank(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* ---- reading */

/* Copies the text up to the next comma, with every run of blanks as one blank. */
static trb_status take_text(const char **cursor, trb__list_item *item)
{
    const char *from = *cursor, *comma = strchr(from, ',');
    const char *end = comma == NULL ? from + strlen(from) : comma;
    size_t n = 0;
    item->number++;
    *cursor = comma == NULL ? NULL : comma + 1;
    while (from < end && blank(*from)) from++;
    for (; from < end && n < sizeof item->text; from++) {
        if (!blank(*from))
            item->text[n++] = *from;
        else if (from + 1 < end && !blank(from[1]))
            item->text[n++] = ' ';
    }
    if (n == 0)
        return trb_fail(TRB_ECONFIG, "layers: item %zu is empty; expected a layer, e.g. \"dense 10\"", item->number);
    if (n == sizeof item->text)
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%.32s...\": longer than any layer", item->number, item->text);
    item->text[n] = '\0';
    return TRB_OK;
}

/* Copies the next word of an item's text, "" after the last one. \return the text after it */
static const char *take_word(const char *text, char word[TRB__ITEM_BYTES])
{
    const size_t n = strcspn(text, " ");
    (void)snprintf(word, TRB__ITEM_BYTES, "%.*s", (int)n, text);
    return text + n + (text[n] == ' ');
}

/* Layers of other programs. The word of this one, or why there is none. */
static const struct {
    const char *other, *word, *why;
} elsewhere[] = {
    {"linear", "dense", NULL},
    {"fc", "dense", NULL},
    {"fully_connected", "dense", NULL},
    {"affine", "dense", NULL},
    {"conv2d", "conv", NULL},
    {"convolution", "conv", NULL},
    {"batchnorm", "norm", NULL},
    {"batchnorm2d", "norm", NULL},
    {"bn", "norm", NULL},
    {"batch_norm", "norm", NULL},
    {"maxpool2d", "maxpool", NULL},
    {"avgpool2d", "avgpool", NULL},
    {"gap", "globalpool", NULL},
    {"softmax", NULL, "the last layer gives logits, and no softmax is needed; leave it out"},
    {"logsoftmax", NULL, "the last layer gives logits, and no softmax is needed; leave it out"},
    {"log_softmax", NULL, "the last layer gives logits, and no softmax is needed; leave it out"},
    {"flatten", NULL, "dense takes images as they are; leave it out"},
    {"identity", NULL, "leave it out"},
};

static trb_status unknown(const trb__list_item *item, const char *word)
{
    const char *words[WORDS_MAX] = {"split", "name", "rank1", "lenet5", "cifar-resnet20", "wrn28-10"}, *why = NULL;
    char known[512], small[TRB__ITEM_BYTES];
    size_t n = 6;
    for (size_t i = 0; i < trb__n_layer_kinds && n < WORDS_MAX; i++) words[n++] = trb__layer_kinds[i].name;
    (void)snprintf(small, sizeof small, "%s", word);
    for (char *at = small; *at != '\0'; at++) *at = (char)tolower((unsigned char)*at);
    const char *meant = strncmp(small, "resnet", 6) == 0 ? "cifar-resnet20" : trb_text_meant(small, n, words);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        if (strcmp(elsewhere[i].other, small) != 0) continue;
        meant = elsewhere[i].word;
        why = elsewhere[i].why;
    }
    if (why != NULL)
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": there is no layer \"%s\": %s", item->number, item->text,
                        word, why);
    if (meant != NULL)
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": there is no layer \"%s\"; did you mean \"%s\"?",
                        item->number, item->text, word, meant);
    trb_text t = trb_text_in(known, sizeof known);
    for (size_t i = 0; i < n; i++) trb_text_add(&t, "%s%s", i > 0 ? ", " : "", words[i]);
    return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": there is no layer \"%s\"; expected one of %s, ...",
                    item->number, item->text, word, known);
}

static trb_status stands_alone(const trb__list_item *item, const char *word, const char *rest)
{
    if (rest[0] == '\0') return TRB_OK;
    return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": %s stands alone, got \"%s\"", item->number, item->text,
                    word, rest);
}

static trb_status wrong(const trb__list_item *item, const char *takes, const char *got)
{
    static const char *const as_in[] = {
        [TRB__UNITS] = "dense 200",
        [TRB__PROBABILITY] = "dropout 0.1",
        [TRB__FACTOR] = "spread 1.7",
        [TRB__FILTERS] = "conv 16 3 stride 2 pad 1",
        [TRB__WINDOW] = "maxpool 3 stride 2 pad 1",
    };
    return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": %s takes %s, as in \"%s\", got \"%s\"", item->number,
                    item->text, item->kind->name, takes, as_in[item->kind->takes], got);
}

/* Reads a whole number; `text` must contain nothing else. */
static trb_status read_size(const trb__list_item *item, const char *what, const char *text, size_t lo, size_t hi,
                            size_t *value)
{
    char *end = NULL, takes[80];
    const unsigned long long read = strtoull(text, &end, 10); /* gives the largest number if the text is beyond it */
    *value = (size_t)read;
    if (isdigit((unsigned char)text[0]) && *end == '\0' && read >= lo && read <= hi) return TRB_OK;
    (void)snprintf(takes, sizeof takes, "%s from %zu to %zu", what, lo, hi);
    return wrong(item, takes, text);
}

static trb_status read_probability(const trb__list_item *item, const char *text, double *value)
{
    const bool number = trb_number_read(text, strlen(text), value);
    if (number && (isdigit((unsigned char)text[0]) || text[0] == '.') && *value < 1.0) return TRB_OK;
    return wrong(item, "a probability from 0 to below 1", text);
}

static trb_status read_factor(const trb__list_item *item, const char *text, double *value)
{
    const size_t n = strlen(text);
    const bool decimal = strspn(text, "0123456789.") == n && trb_number_read(text, n, value);
    if (decimal && *value >= TRB_SPREAD_MIN && *value <= TRB_SPREAD_MAX) return TRB_OK;
    return wrong(item, "a factor from 0.001 to 1000", text);
}

/* "N K [stride S] [pad P] [bias]" of a convolution, "K [stride S] [pad P]" of a pooling. */
static trb_status read_window(const trb__list_item *item, const char *rest, trb__argument *a)
{
    static const char *const options[] = {"stride", "pad", "bias"};
    const bool filters = item->kind->takes == TRB__FILTERS;
    char word[TRB__ITEM_BYTES];
    bool given[3] = {false};
    if (filters) {
        rest = take_word(rest, word);
        TRB_TRY(read_size(item, "a number of filters", word, 1, UNITS_MAX, &a->units));
    }
    rest = take_word(rest, word);
    TRB_TRY(read_size(item, "a window", word, 1, WINDOW_MAX, &a->kernel));
    a->stride = filters ? 1 : a->kernel;
    while (rest[0] != '\0') {
        const size_t n = filters ? 3 : 2;
        size_t i = 0;
        rest = take_word(rest, word);
        while (i < n && strcmp(word, options[i]) != 0) i++;
        if (i == n)
            return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": %s has no option \"%s\"; did you mean \"%s\"?",
                            item->number, item->text, item->kind->name, word, trb_nearest(word, n, options));
        if (given[i])
            return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": \"%s\" is given twice", item->number, item->text,
                            word);
        given[i] = true;
        if (i < 2) rest = take_word(rest, word);
        if (i == 0) TRB_TRY(read_size(item, "a stride", word, 1, WINDOW_MAX, &a->stride));
        if (i == 1) TRB_TRY(read_size(item, "a pad", word, 0, WINDOW_MAX, &a->pad));
    }
    a->bias = given[2];
    /* With more padding a window could hold nothing but padding, which has no maximum. */
    if (!filters && a->pad > a->kernel / 2)
        return trb_fail(TRB_ECONFIG, "layers: item %zu, \"%s\": a pad of at most half the window, %zu, fits",
                        item->number, item->text, a->kernel / 2);
    return TRB_OK;
}

static trb_status read_name(trb__list_item *item, const char *rest)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const size_t n = strlen(rest);
    if (n > NAME_BYTES || strspn(rest, characters) != n || isalpha((unsigned char)rest[0]) == 0 ||
        strstr(rest, "..") != NULL || rest[n - 1] == '.')
        return trb_fail(TRB_ECONFIG,
                        "layers: item %zu, \"%s\": a name is 1 to %d letters, digits, ., - and _, begins with a letter "
                        "and has no empty part between dots, got \"%s\"",
                        item->number, item->text, NAME_BYTES, rest);
    memcpy(item->name, rest, n + 1);
    return TRB_OK;
}

static trb_status read_layer(trb__list_item *item, const char *word, const char *rest)
{
    size_t i = 0;
    while (i < trb__n_layer_kinds && strcmp(word, trb__layer_kinds[i].name) != 0) i++;
    if (i == trb__n_layer_kinds) return unknown(item, word);
    item->kind = &trb__layer_kinds[i];
    item->argument = (trb__argument){0};
    switch (item->kind->takes) {
    case TRB__NO_ARGUMENT:
        break;
    case TRB__UNITS:
        return read_size(item, "a number of units", rest, 1, UNITS_MAX, &item->argument.units);
    case TRB__PROBABILITY:
        return read_probability(item, rest, &item->argument.probability);
    case TRB__FACTOR:
        return read_factor(item, rest, &item->argument.factor);
    case TRB__FILTERS:
    case TRB__WINDOW:
        return read_window(item, rest, &item->argument);
    }
    return stands_alone(item, word, rest);
}

/* Reads what follows the word rank1. */
static trb_status read_rank1(trb__list_item *item, const char *rest)
{
    char word[TRB__ITEM_BYTES];
    rest = take_word(rest, word);
    for (size_t i = 0; i < trb__n_layer_kinds; i++) {
        if (!trb__layer_kinds[i].takes_rank1 || strcmp(word, trb__layer_kinds[i].name) != 0) continue;
        TRB_TRY(read_layer(item, word, rest));
        item->argument.rank1 = true;
        return TRB_OK;
    }
    return trb_fail(TRB_ECONFIG,
                    "layers: item %zu, \"%s\": rank1 stands in front of dense or conv, as in \"rank1 dense 200\", got "
                    "\"%s\"",
                    item->number, item->text, word);
}

trb_status trb__list_next(const char **cursor, trb__list_item *item)
{
    char word[TRB__ITEM_BYTES];
    TRB_TRY(take_text(cursor, item));
    const char *rest = take_word(item->text, word);
    item->is = strcmp(word, "split") == 0 ? TRB__SPLIT : strcmp(word, "name") == 0 ? TRB__NAME : TRB__LAYER;
    if (item->is == TRB__SPLIT) return stands_alone(item, word, rest);
    if (item->is == TRB__NAME) return read_name(item, rest);
    if (strcmp(word, "rank1") == 0) return read_rank1(item, rest);
    return read_layer(item, word, rest);
}

/* ---- printing */

void trb__list_item_print(const trb__list_item *item, trb_text *t)
{
    const trb__argument *a = &item->argument;
    char number[TRB_NUMBER_BYTES];
    if (item->is != TRB__LAYER) {
        trb_text_add(t, "%s%s", item->is == TRB__SPLIT ? "split" : "name ", item->is == TRB__SPLIT ? "" : item->name);
        return;
    }
    const trb__takes takes = item->kind->takes;
    trb_text_add(t, "%s%s", a->rank1 ? "rank1 " : "", item->kind->name);
    switch (takes) {
    case TRB__NO_ARGUMENT:
        return;
    case TRB__UNITS:
        trb_text_add(t, " %zu", a->units);
        return;
    case TRB__PROBABILITY:
        trb_number_shortest(a->probability, 1, number);
        trb_text_add(t, " %s", number);
        return;
    case TRB__FACTOR: /* with four digits neither 0.001 nor 1000 is printed with an exponent */
        trb_number_shortest(a->factor, 4, number);
        trb_text_add(t, " %s", number);
        return;
    case TRB__FILTERS:
        trb_text_add(t, " %zu", a->units);
        break;
    case TRB__WINDOW:
        break;
    }
    trb_text_add(t, " %zu", a->kernel);
    if (a->stride != (takes == TRB__FILTERS ? 1 : a->kernel)) trb_text_add(t, " stride %zu", a->stride);
    if (a->pad != 0) trb_text_add(t, " pad %zu", a->pad);
    if (a->bias) trb_text_add(t, " bias");
}
