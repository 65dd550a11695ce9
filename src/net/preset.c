/* Presets: names such as cifar-resnet20 that expand into a plain list of layers. */
#include "layer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/memory.h"

/* Depth: the deepest network of He et al. 2016. */
enum { DEPTH_MAX = 1202, WIDTH_MAX = 1000, OUTPUTS_MAX = 1 << 24 };

static void write_lenet(trb_text *t, size_t n, size_t width, size_t outputs)
{
    (void)n, (void)width;
    trb_text_add(t,
                 "name conv1, conv 6 5 pad 2 bias, relu, maxpool 2, name conv2, conv 16 5 bias, relu, maxpool 2, "
                 "name fc1, dense 120, relu, name fc2, dense 84, relu, name fc3, dense %zu",
                 outputs);
}

static void write_resnet(trb_text *t, size_t n, size_t width, size_t outputs)
{
    (void)width;
    trb_text_add(t, "name stem, conv 16 3 pad 1, norm, relu");
    for (size_t i = 0; i < 3 * n; i++) {
        const size_t stage = i / n, block = i % n, filters = (size_t)16 << stage;
        const bool changed = stage > 0 && block == 0;
        trb_text_add(t, ", name stage%zu.block%zu, fork, conv %zu 3%s pad 1, norm, relu, conv %zu 3 pad 1, norm",
                     stage + 1, block + 1, filters, changed ? " stride 2" : "", filters);
        if (changed) trb_text_add(t, ", shortcut, conv %zu 1 stride 2, norm", filters);
        trb_text_add(t, ", add, relu");
    }
    trb_text_add(t, ", name pool, globalpool, name fc, dense %zu", outputs);
}

/* Where the shape changes, both branches of a block read the normalised input; elsewhere the shortcut is the raw input.
 */
static void write_wide(trb_text *t, size_t n, size_t width, size_t outputs)
{
    trb_text_add(t, "name stem, conv 16 3 pad 1");
    for (size_t i = 0; i < 3 * n; i++) {
        const size_t stage = i / n, block = i % n, filters = 16 * width << stage;
        const bool changed = block == 0 && (stage > 0 || width > 1);
        const char *stride = block == 0 && stage > 0 ? " stride 2" : "";
        trb_text_add(t, ", name stage%zu.block%zu, %s, conv %zu 3%s pad 1, norm, relu, conv %zu 3 pad 1", stage + 1,
                     block + 1, changed ? "norm, relu, fork" : "fork, norm, relu", filters, stride, filters);
        if (changed) trb_text_add(t, ", shortcut, conv %zu 1%s", filters, stride);
        trb_text_add(t, ", add");
    }
    trb_text_add(t, ", name pool, norm, relu, globalpool, name fc, dense %zu", outputs);
}

/* In `word`, D stands for the depth and W for the width. A depth is 6n + `rest` with n >= 1. */
typedef struct {
    const char *word, *example;
    size_t rest;
    const char *depths;
    void (*write)(trb_text *t, size_t n, size_t width, size_t outputs);
} preset;

static const preset presets[] = {
    {"lenet5", "lenet5", 0, NULL, write_lenet},
    {"cifar-resnetD", "cifar-resnet20", 2, "no residual network of that depth; 6n + 2", write_resnet},
    /* The name in files of earlier versions. */
    {"resnetD", "cifar-resnet20", 2, "no network of this program; its residual networks are CIFAR's, of depth 6n + 2",
     write_resnet},
    {"wrnD-W", "wrn28-10", 4, "no wide residual network of that depth; 6n + 4", write_wide},
};

static const char *behind_blanks(const char *at)
{
    while (isspace((unsigned char)*at)) at++;
    return at;
}

/* The preset whose word, up to its first number, stands at `at`. */
static const preset *find(const char *at)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const char *word = presets[i].word;
        const size_t n = strcspn(word, "D");
        if (strncmp(at, word, n) == 0 && (word[n] == '\0' || isdigit((unsigned char)at[n]))) return &presets[i];
    }
    return NULL;
}

/* Reads decimal digits; a number that is too large becomes the largest integer. */
static bool take_number(const char **at, size_t *value)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**at)) return false;
    *value = strtoull(*at, &end, 10);
    *at = end;
    return true;
}

/* Expands the item that begins at `item`, number `number` of the list. */
static trb_status write_preset(trb_text *t, const preset *p, const char *item, size_t number)
{
    const char *at = item;
    size_t depth = 6 + p->rest, width = 1, outputs = 0; /* defaults for words without these numbers */
    bool good = true;
    for (const char *word = p->word; good && *word != '\0'; word++) {
        if (*word == 'D' || *word == 'W')
            good = take_number(&at, *word == 'D' ? &depth : &width);
        else
            good = *at == *word, at += good;
    }
    const int length = (int)(at - item);
    good = good && isspace((unsigned char)*at);
    if (good) at = behind_blanks(at);
    good = good && take_number(&at, &outputs);
    if (good) at = behind_blanks(at);
    if (!good || (*at != ',' && *at != '\0') || outputs < 1 || outputs > OUTPUTS_MAX || width < 1 || width > WIDTH_MAX)
        return trb_fail(TRB_ECONFIG,
                        "layers: item %zu, \"%.*s\": expected \"%s K\" with%s K outputs, 1 to %d, as in \"%s 10\"",
                        number, (int)strcspn(item, ",\n"), item, p->word,
                        strchr(p->word, 'W') != NULL ? " a width W from 1 to 1000 and" : "", OUTPUTS_MAX, p->example);
    if (depth < 6 + p->rest || depth > DEPTH_MAX || depth % 6 != p->rest)
        return trb_fail(TRB_ECONFIG, "layers: item %zu: %.*s: %s up to %d, e.g. %s", number, length, item, p->depths,
                        DEPTH_MAX, p->example);
    p->write(t, depth / 6, width, outputs);
    return TRB_OK;
}

static trb_status write_list(trb_text *t, const char *layers)
{
    trb__list_item item = {0};
    for (const char *cursor = layers; cursor != NULL;) {
        const char *at = behind_blanks(cursor);
        const preset *p = find(at);
        if (item.number > 0) trb_text_add(t, ", ");
        if (p != NULL) {
            TRB_TRY(write_preset(t, p, at, ++item.number));
            cursor = strchr(at, ',');
            if (cursor != NULL) cursor++;
        } else {
            TRB_TRY(trb__list_next(&cursor, &item));
            trb__list_item_print(&item, t);
        }
    }
    return TRB_OK;
}

/* Checks that each name is followed by a layer and given only once, because the names of parameters must differ. */
static trb_status check_names(const char *list)
{
    char name[TRB__ITEM_BYTES] = ""; /* a name that no layer has followed yet */
    trb__list_item item = {0};
    for (const char *cursor = list; cursor != NULL;) {
        const char *here = cursor + (*cursor == ' '), *first = list;
        TRB_TRY(trb__list_next(&cursor, &item));
        if (name[0] != '\0' && item.is != TRB__LAYER) break;
        name[0] = '\0';
        if (item.is != TRB__NAME) continue;
        memcpy(name, item.name, sizeof name);
        const size_t n = strlen(item.text);
        while ((first = strstr(first, item.text)) < here && first[n] != ',') first++;
        if (first < here) return trb_fail(TRB_ECONFIG, "layers: the name \"%s\" is given twice", name);
    }
    if (name[0] == '\0') return TRB_OK;
    return trb_fail(TRB_ECONFIG, "layers: the name \"%s\" names nothing; expected a layer behind it", name);
}

trb_status trb_net_expand(const char *layers, char **out)
{
    enum { LONGEST = 1 << 16 }; /* a list may come from a hostile file, and each name is searched for in all of it */
    const size_t n = strlen(layers);
    trb_text list = {0};
    char *text = NULL;
    if (n > LONGEST) return trb_fail(TRB_ECONFIG, "layers: a list of %zu characters, expected at most %d", n, LONGEST);
    trb_status st = write_list(&list, layers);
    const trb_status written = trb_text_take(&list, &text);
    if (st == TRB_OK) st = written;
    if (st == TRB_OK) st = check_names(text);
    if (st == TRB_OK)
        *out = text;
    else
        trb_free(text);
    return st;
}
