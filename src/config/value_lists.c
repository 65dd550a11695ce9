/* Values that are lists with a grammar of their own: layers, recipes, members. */
#include "internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "tribikos/memory.h"

/* ---- layers */

/* Layers are given as a list, as one text with commas, or as a mixture. Blanks do not matter. */
static trb_status parse_layers(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    size_t bytes = 1;
    char *list = NULL;
    for (size_t i = 0; i < item->n; i++)
        bytes += 2 * strlen(item->value[i]) + 2; /* at most, if every "," becomes ", " */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, bytes, 1, &list));
    *(char **)trb__value_field(o, base) = list;
    char *to = list;
    size_t layer = 0;
    for (size_t i = 0; i < item->n; i++) {
        const char *from = item->value[i];
        if (item->kind == TRB__SCALAR && from[0] == '\0') continue;
        for (bool more = true; more; layer++) {
            const char *begin = to;
            if (layer > 0) to = stpcpy(to, ", ");
            const char *first = to;
            for (; *from != '\0' && *from != ','; from++) {
                if (isspace((unsigned char)*from)) {
                    if (to > first && to[-1] != ' ') *to++ = ' ';
                } else if (isalnum((unsigned char)*from) || strchr("._+-", *from) != NULL) {
                    *to++ = *from;
                } else {
                    return trb__item_fail(items, item,
                                          "expected layers such as [dense 200, relu, dense 10], got `%c` in `%s`",
                                          *from, item->value[i]);
                }
            }
            while (to > first && to[-1] == ' ') to--;
            if (to == first)
                return trb__item_fail(items, item, "layer %zu of the list is empty%s%s", layer,
                                      begin > list ? ", after " : "", begin > list ? list : "");
            *to = '\0';
            more = *from++ == ',';
        }
    }
    return TRB_OK;
}

static void print_layers(FILE *f, const trb__option *o, const void *base)
{
    (void)fprintf(f, "[%s]", *(char *const *)trb__value_field_of(o, base));
}

const trb__type trb__type_layers = {
    .lists = true, .range = "layers", .parse = parse_layers, .print = print_layers, .clear = trb__value_clear};

size_t trb__layers_count(const char *layers, const char *word)
{
    size_t n = 0;
    const size_t length = strlen(word);
    for (const char *at = layers; at != NULL; at = strchr(at, ',')) {
        at += strspn(at, ", ");
        n += strncmp(at, word, length) == 0 && (at[length] == '\0' || at[length] == ',');
        if (*at == '\0') break;
    }
    return n;
}

/* ---- recipes */

static trb_status read_recipe(const trb__items *items, const trb__item *item, const char *text, trb_recipe *r)
{
    char why[TRB_FAIL_BYTES];
    if (trb_recipe_parse(text, r) == TRB_OK) return TRB_OK;
    (void)snprintf(why, sizeof why, "%s", trb_fail_message());
    trb_fail_clear();
    return trb__item_fail(items, item, "%s", why);
}

/* A recipe is given as a list or as one text with commas, as layers are. */
static trb_status parse_recipe(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    char text[TRB_RECIPE_BYTES] = "";
    size_t n = 0;
    for (size_t i = 0; i < item->n && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? ", " : "", item->value[i]);
    if (n >= sizeof text)
        return trb__item_fail(items, item, "expected a recipe such as [crop 4, flip], got more than %zu characters",
                              sizeof text - 1);
    return read_recipe(items, item, text, trb__value_field(o, base));
}

static void print_recipe(FILE *f, const trb__option *o, const void *base)
{
    char text[TRB_RECIPE_BYTES];
    trb_recipe_text(trb__value_field_of(o, base), text);
    (void)fprintf(f, "[%s]", text);
}

const trb__type trb__type_recipe = {
    .lists = true, .range = "e.g. [crop 4, flip]", .parse = parse_recipe, .print = print_recipe};

/* Recipes are given as a list of texts, each a recipe with commas. One text alone is one recipe. */
static trb_status parse_recipes(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const size_t n = item->n == 1 && item->kind == TRB__SCALAR && item->value[0][0] == '\0' ? 0 : item->n;
    trb_recipe *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *array, &array));
    *(trb_recipe **)trb__value_field(o, base) = array;
    memcpy((char *)base + o->count_offset, &n, sizeof n);
    for (size_t i = 0; i < n; i++) {
        TRB_TRY(read_recipe(items, item, item->value[i], &array[i]));
        if (trb_recipe_empty(&array[i]))
            return trb__item_fail(
                items, item, "recipe %zu of the list is empty; the sample itself is the first view without one", i);
    }
    return TRB_OK;
}

static void print_recipes(FILE *f, const trb__option *o, const void *base)
{
    const trb_recipe *array = *(trb_recipe *const *)trb__value_field_of(o, base);
    char text[TRB_RECIPE_BYTES];
    for (size_t i = 0; i < trb__value_count(o, base); i++) {
        trb_recipe_text(&array[i], text);
        (void)fprintf(f, "%s\"%s\"", i > 0 ? ", " : "[", text);
    }
    (void)fputs(trb__value_count(o, base) > 0 ? "]" : "[]", f);
}

const trb__type trb__type_recipes = {.lists = true,
                                     .range = "e.g. [\"flip\", \"ods 9\"]",
                                     .parse = parse_recipes,
                                     .print = print_recipes,
                                     .clear = trb__value_clear};

/* ---- members */

/* "all", or numbers and runs of numbers: "0-4,7". The field is an array of members.count flags, so that key is read
 * before this one. */
static trb_status parse_members(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const size_t count = trb__value_count(o, base);
    bool *only = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, count, sizeof *only, &only));
    *(bool **)trb__value_field(o, base) = only;
    if (item->n == 0) return trb__item_fail(items, item, "expected all or members such as 0-4,7, got an empty list");
    if (strcmp(item->value[0], "all") == 0) {
        memset(only, true, count * sizeof *only);
        return TRB_OK;
    }
    for (size_t i = 0; i < item->n; i++) {
        for (const char *from = item->value[i];;) {
            const char *end = from + strcspn(from, ","), *dash = memchr(from, '-', (size_t)(end - from));
            uint64_t lo = 0, hi = 0;
            if (!trb__digits_read(from, dash != NULL ? dash : end, &lo) ||
                !trb__digits_read(dash != NULL ? dash + 1 : from, end, &hi) || hi < lo)
                return trb__item_fail(items, item, "expected all or members such as 3 or 0-4,7, got `%s`",
                                      item->value[i]);
            if (hi >= count)
                return trb__item_fail(items, item,
                                      "there is no member %" PRIu64 ": `members.count` is %zu, the last is %zu", hi,
                                      count, count - 1);
            memset(only + lo, true, hi - lo + 1);
            if (*end == '\0') break;
            from = end + 1;
        }
    }
    return TRB_OK;
}

/* Print runs of members as a quoted text, which no YAML reader takes for a number. */
static void print_members(FILE *f, const trb__option *o, const void *base)
{
    const bool *only = *(bool *const *)trb__value_field_of(o, base);
    const size_t count = trb__value_count(o, base);
    size_t chosen = 0;
    for (size_t m = 0; m < count; m++) chosen += only[m];
    if (chosen == count) {
        (void)fputs("all", f);
        return;
    }
    const char *between = "\"";
    for (size_t m = 0; m < count; m++) {
        if (!only[m]) continue;
        const size_t first = m;
        while (m + 1 < count && only[m + 1]) m++;
        (void)fprintf(f, "%s%zu", between, first);
        if (m > first) (void)fprintf(f, "-%zu", m);
        between = ",";
    }
    (void)fputc('"', f);
}

const trb__type trb__type_members = {
    .lists = true, .range = "members", .parse = parse_members, .print = print_members, .clear = trb__value_clear};
