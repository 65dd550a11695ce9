/* Values of the configuration, one type after the other: first its functions, then its row of functions (trb__type).
 * A new type needs such a row, and no switch elsewhere. */
#include "internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

static void *field(const trb__option *o, void *base)
{
    return (char *)base + o->offset;
}

static const void *field_of(const trb__option *o, const void *base)
{
    return (const char *)base + o->offset;
}

static size_t count_of(const trb__option *o, const void *base)
{
    _Static_assert(sizeof(size_t) == sizeof(uint64_t), "counts are read as size_t, whichever of the two they are");
    size_t n = 0;
    memcpy(&n, (const char *)base + o->count_offset, sizeof n);
    return n;
}

void trb__value_clear(const trb__option *o, void *base)
{
    char **slot = field(o, base);
    trb_free(*slot);
    *slot = NULL;
}

/* ---- true or false */

static trb_status parse_bool(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const char *text = item->value[0];
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return trb__item_fail(items, item, "expected true or false, got `%s`", text);
    *(bool *)field(o, base) = text[0] == 't';
    return TRB_OK;
}

static void print_bool(FILE *f, const trb__option *o, const void *base)
{
    (void)fputs(*(const bool *)field_of(o, base) ? "true" : "false", f);
}

const trb__type trb__type_bool = {.words = true, .range = "true|false", .parse = parse_bool, .print = print_bool};

/* ---- whole numbers */

static bool in_range(const trb__option *o, double v)
{
    return (o->above_min ? v > o->min : v >= o->min) && (o->below_max ? v < o->max : v <= o->max);
}

/* Read decimal digits and nothing else: no sign, space, separator or exponent. */
static bool read_digits(const char *from, const char *end, uint64_t *value)
{
    uint64_t v = 0;
    if (from == end) return false;
    for (; from < end; from++) {
        if (*from < '0' || *from > '9') return false;
        if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (uint64_t)(*from - '0'), &v)) return false;
    }
    *value = v;
    return true;
}

static void describe_whole(const trb__option *o, size_t n, char *text)
{
    if (o->max >= 1e9)
        (void)snprintf(text, n, "whole >= %.0f", o->min);
    else
        (void)snprintf(text, n, "whole %.0f..%.0f%s", o->min, o->max, o->endless ? "|unbounded" : "");
}

static trb_status parse_whole(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const char *text = item->value[0];
    uint64_t whole = 0;
    if (o->endless && strcmp(text, "unbounded") == 0)
        whole = UINT64_MAX;
    else if (!read_digits(text, text + strlen(text), &whole) || !in_range(o, (double)whole))
        return trb__item_fail(items, item, "expected a whole number from %.0f to %.0f%s, got `%s`", o->min, o->max,
                              o->endless ? ", or unbounded" : "", text);
    else if (o->factor > 0)
        whole *= o->factor;
    if (o->bytes == sizeof(int))
        *(int *)field(o, base) = (int)whole;
    else
        *(uint64_t *)field(o, base) = whole;
    return TRB_OK;
}

static void print_whole(FILE *f, const trb__option *o, const void *base)
{
    const void *at = field_of(o, base);
    if (o->bytes == sizeof(int))
        (void)fprintf(f, "%d", *(const int *)at);
    else if (o->endless && *(const uint64_t *)at == UINT64_MAX)
        (void)fputs("unbounded", f);
    else
        (void)fprintf(f, "%" PRIu64, *(const uint64_t *)at / (o->factor > 0 ? o->factor : 1));
}

const trb__type trb__type_whole = {.describe = describe_whole, .parse = parse_whole, .print = print_whole};

/* ---- real numbers */

static bool read_real(const char *text, double *value)
{
    return trb_number_read(text, strlen(text), value);
}

/* Write the shortest decimal that reads back to the same double, in a form that every YAML reader takes for a number:
 * "0.001", "10", "1.0e-8". (YAML 1.1 takes "1e-8" for a text.) */
static void write_real(FILE *f, double value)
{
    char text[TRB_NUMBER_BYTES];
    trb_number_shortest(value, 1, text);
    if (value == floor(value) && fabs(value) < 1e15) (void)snprintf(text, sizeof text, "%.0f", value);
    char *exponent = strchr(text, 'e');
    if (exponent == NULL) {
        (void)fputs(text, f);
    } else {
        const long power = strtol(exponent + 1, NULL, 10);
        *exponent = '\0';
        (void)fprintf(f, "%s%se%+ld", text, strchr(text, '.') == NULL ? ".0" : "", power);
    }
}

static void describe_real(const trb__option *o, size_t n, char *text)
{
    if (o->max >= 1e6)
        (void)snprintf(text, n, "real %s %g", o->above_min ? ">" : ">=", o->min);
    else
        (void)snprintf(text, n, "real %c%g, %g%c", o->above_min ? '(' : '[', o->min, o->max, o->below_max ? ')' : ']');
}

static trb_status parse_real(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    double real = 0.0;
    if (!read_real(item->value[0], &real) || !in_range(o, real)) {
        char range[TRB__RANGE];
        describe_real(o, sizeof range, range);
        return trb__item_fail(items, item, "expected a number, %s, got `%s`", range, item->value[0]);
    }
    *(double *)field(o, base) = real;
    return TRB_OK;
}

static void print_real(FILE *f, const trb__option *o, const void *base)
{
    write_real(f, *(const double *)field_of(o, base));
}

const trb__type trb__type_real = {.describe = describe_real, .parse = parse_real, .print = print_real};

static trb_status parse_reals(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    double *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, item->n, sizeof *array, &array));
    *(double **)field(o, base) = array;
    memcpy((char *)base + o->count_offset, &item->n, sizeof item->n);
    for (size_t i = 0; i < item->n; i++)
        if (!read_real(item->value[i], &array[i]) || !in_range(o, array[i]))
            return trb__item_fail(items, item, "expected numbers%s such as [0.49, 0.48, 0.45], got `%s`",
                                  o->above_min ? " above 0" : "", item->value[i]);
    return TRB_OK;
}

static void print_reals(FILE *f, const trb__option *o, const void *base)
{
    const double *array = *(double *const *)field_of(o, base);
    (void)fputc('[', f);
    for (size_t i = 0; i < count_of(o, base); i++) {
        if (i > 0) (void)fputs(", ", f);
        write_real(f, array[i]);
    }
    (void)fputc(']', f);
}

const trb__type trb__type_reals = {.lists = true,
                                   .range = "e.g. [0.49, 0.48, 0.45]",
                                   .parse = parse_reals,
                                   .print = print_reals,
                                   .clear = trb__value_clear};

/* ---- texts */

static trb_status parse_text(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    (void)items;
    return trb_strdup(item->value[0], field(o, base));
}

/* Characters that a reader of YAML takes for a line break or a byte order mark, or refuses: U+2028, U+2029, U+FEFF,
 * U+FFFE, U+FFFF. \return the number of the character that begins at `at`; 0 if it is none of them */
static unsigned special(const char *at)
{
    static const unsigned code[] = {0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff};
    const unsigned char *p = (const unsigned char *)at;
    if ((p[0] & 0xf0) != 0xe0 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80) return 0;
    const unsigned is = (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
    for (size_t i = 0; i < sizeof code / sizeof *code; i++)
        if (is == code[i]) return is;
    return 0;
}

void trb__text_write(FILE *f, const char *text, bool path)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    bool plain = isalpha((unsigned char)text[0]) || text[0] == '/' || text[0] == '_';
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("/._-", *p) == NULL) plain = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0) plain = false;
    if (plain) {
        (void)fputs(text, f);
        return;
    }
    (void)fputs(path && text[0] == '~' ? "\"./" : "\"", f);
    for (const char *p = text; *p != '\0'; p++) {
        const unsigned code = special(p);
        if (*p == '"' || *p == '\\')
            (void)fprintf(f, "\\%c", *p);
        else if (path && *p == '$')
            (void)fputs("$$", f);
        else if ((unsigned char)*p < 0x20 || *p == 0x7f)
            (void)fprintf(f, "\\x%02x", (unsigned char)*p);
        else if ((unsigned char)p[0] == 0xc2 &&
                 (unsigned char)p[1] < 0xa0) /* C1 control characters, which YAML allows only escaped */
            (void)fprintf(f, "\\x%02x", (unsigned char)*++p);
        else if (code != 0)
            (void)fprintf(f, "\\u%04x", code), p += 2;
        else
            (void)fputc(*p, f);
    }
    (void)fputc('"', f);
}

static void print_text(FILE *f, const trb__option *o, const void *base)
{
    trb__text_write(f, *(char *const *)field_of(o, base), false);
}

const trb__type trb__type_text = {.range = "text", .parse = parse_text, .print = print_text, .clear = trb__value_clear};

static trb_status parse_texts(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    (void)items;
    char *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, item->n, o->bytes, &array));
    *(void **)field(o, base) = array;
    memcpy((char *)base + o->count_offset, &item->n, sizeof item->n);
    for (size_t i = 0; i < item->n; i++) TRB_TRY(trb_strdup(item->value[i], (char **)(array + i * o->bytes)));
    return TRB_OK;
}

static void print_texts(FILE *f, const trb__option *o, const void *base)
{
    const char *array = *(char *const *)field_of(o, base);
    (void)fputc('[', f);
    for (size_t i = 0; i < count_of(o, base); i++) {
        if (i > 0) (void)fputs(", ", f);
        trb__text_write(f, *(char *const *)(array + i * o->bytes), false);
    }
    (void)fputc(']', f);
}

void trb__values_clear(const trb__option *o, void *base)
{
    char *array = *(char **)field(o, base);
    for (size_t i = 0; array != NULL && i < count_of(o, base); i++) trb_free(*(char **)(array + i * o->bytes));
    trb__value_clear(o, base);
}

const trb__type trb__type_texts = {
    .lists = true, .range = "list", .parse = parse_texts, .print = print_texts, .clear = trb__values_clear};

/* ---- words out of a few */

static trb_status refuse_word(const trb__option *o, const trb__items *items, const trb__item *item)
{
    char known[TRB__RANGE];
    trb__option_range(o, sizeof known, known);
    const char *meant = strchr(known, '|') != NULL ? trb__word_meant(known, item->value[0]) : NULL;
    return trb__item_fail(items, item, "expected %s%s, got `%s`%s%s%s", strchr(known, '|') != NULL ? "one of " : "",
                          known, item->value[0], meant != NULL ? "; did you mean `" : "", meant != NULL ? meant : "",
                          meant != NULL ? "`?" : "");
}

static void describe_choice(const trb__option *o, size_t n, char *text)
{
    trb_text t = trb_text_in(text, n);
    for (const trb__choice *c = o->choices; c->name != NULL; c++)
        trb_text_add(&t, "%s%s", c == o->choices ? "" : "|", c->name);
}

static trb_status find_choice(const trb__option *o, const trb__items *items, const trb__item *item,
                              const trb__choice **found)
{
    const trb__choice *c = o->choices;
    while (c->name != NULL && strcmp(c->name, item->value[0]) != 0) c++;
    *found = c;
    return c->name != NULL ? TRB_OK : refuse_word(o, items, item);
}

static trb_status parse_choice(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const trb__choice *c = NULL;
    TRB_TRY(find_choice(o, items, item, &c));
    memcpy(field(o, base), &c->value, o->bytes);
    return TRB_OK;
}

static void print_choice(FILE *f, const trb__option *o, const void *base)
{
    int value = 0;
    memcpy(&value, field_of(o, base), sizeof value);
    for (const trb__choice *c = o->choices; c->name != NULL; c++)
        if (c->value == value) (void)fputs(c->name, f);
}

const trb__type trb__type_choice = {
    .words = true, .describe = describe_choice, .parse = parse_choice, .print = print_choice};

static trb_status parse_word(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const trb__choice *c = NULL;
    TRB_TRY(find_choice(o, items, item, &c));
    return trb_strdup(c->name, field(o, base));
}

const trb__type trb__type_word = {
    .words = true, .describe = describe_choice, .parse = parse_word, .print = print_text, .clear = trb__value_clear};

static void describe_method(const trb__option *o, size_t n, char *text)
{
    (void)o;
    (void)trb_method_names(NULL, "|", n, text);
}

static trb_status parse_method(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const trb_method *method = trb_method_find(item->value[0]);
    if (method == NULL) return refuse_word(o, items, item);
    *(const trb_method **)field(o, base) = method;
    return TRB_OK;
}

static void print_method(FILE *f, const trb__option *o, const void *base)
{
    (void)fputs((*(const trb_method *const *)field_of(o, base))->name, f);
}

const trb__type trb__type_method = {
    .words = true, .describe = describe_method, .parse = parse_method, .print = print_method};

/* ---- layers */

/* Layers are given as a list, as one text with commas, or as a mixture. Blanks do not matter. */
static trb_status parse_layers(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    size_t bytes = 1;
    char *list = NULL;
    for (size_t i = 0; i < item->n; i++)
        bytes += 2 * strlen(item->value[i]) + 2; /* at most, if every "," becomes ", " */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, bytes, 1, &list));
    *(char **)field(o, base) = list;
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
    (void)fprintf(f, "[%s]", *(char *const *)field_of(o, base));
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
    return read_recipe(items, item, text, field(o, base));
}

static void print_recipe(FILE *f, const trb__option *o, const void *base)
{
    char text[TRB_RECIPE_BYTES];
    trb_recipe_text(field_of(o, base), text);
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
    *(trb_recipe **)field(o, base) = array;
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
    const trb_recipe *array = *(trb_recipe *const *)field_of(o, base);
    char text[TRB_RECIPE_BYTES];
    for (size_t i = 0; i < count_of(o, base); i++) {
        trb_recipe_text(&array[i], text);
        (void)fprintf(f, "%s\"%s\"", i > 0 ? ", " : "[", text);
    }
    (void)fputs(count_of(o, base) > 0 ? "]" : "[]", f);
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
    const size_t count = count_of(o, base);
    bool *only = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, count, sizeof *only, &only));
    *(bool **)field(o, base) = only;
    if (item->n == 0) return trb__item_fail(items, item, "expected all or members such as 0-4,7, got an empty list");
    if (strcmp(item->value[0], "all") == 0) {
        memset(only, true, count * sizeof *only);
        return TRB_OK;
    }
    for (size_t i = 0; i < item->n; i++) {
        for (const char *from = item->value[i];;) {
            const char *end = from + strcspn(from, ","), *dash = memchr(from, '-', (size_t)(end - from));
            uint64_t lo = 0, hi = 0;
            if (!read_digits(from, dash != NULL ? dash : end, &lo) ||
                !read_digits(dash != NULL ? dash + 1 : from, end, &hi) || hi < lo)
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
    const bool *only = *(bool *const *)field_of(o, base);
    const size_t count = count_of(o, base);
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

/* ---- values of any type */

void trb__option_range(const trb__option *o, size_t n, char *text)
{
    if (o->type->describe != NULL)
        o->type->describe(o, n, text);
    else
        (void)snprintf(text, n, "%s", o->type->range);
}

trb_status trb__option_set(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    if (item->kind == TRB__SECTION || (item->kind == TRB__LIST && !o->type->lists)) {
        char range[TRB__RANGE];
        trb__option_range(o, sizeof range, range);
        return trb__item_fail(items, item, "expected %s, got a %s", range,
                              item->kind == TRB__LIST ? "list" : "section");
    }
    return o->type->parse(o, items, item, base);
}

void trb__option_clear(const trb__option *o, void *base)
{
    if (o->type->clear != NULL) o->type->clear(o, base);
}
