/* One value of the configuration: from text, to text, by the type in its row of the table. */
#include "options.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"

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

/* ---- numbers */

/* Decimal digits and nothing else: no sign, space, separator or exponent. */
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

static bool read_whole(const char *text, uint64_t *value)
{
    return read_digits(text, text + strlen(text), value);
}

/* strtod() and printf() follow the process's locale, in which a decimal point may be a comma. */
static locale_t enter_c_locale(locale_t *old)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c != (locale_t)0) *old = uselocale(c);
    return c;
}

static void leave_c_locale(locale_t c, locale_t old)
{
    if (c == (locale_t)0) return;
    (void)uselocale(old);
    freelocale(c);
}

static bool read_real(const char *text, double *value)
{
    /* Keeps out what strtod() also takes: spaces, hexadecimal, inf, nan. */
    if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text)) return false;
    locale_t old = (locale_t)0;
    const locale_t c = enter_c_locale(&old);
    char *end = NULL;
    const double v = strtod(text, &end);
    leave_c_locale(c, old);
    if (*end != '\0') return false;
    *value = v;
    return true;
}

/* The shortest decimal that reads back to the same double, spelt so that every YAML reader takes it for a number:
 * "0.001", "10", "1.0e-8". */
static void write_real(FILE *f, double value)
{
    char text[40];
    locale_t old = (locale_t)0;
    const locale_t c = enter_c_locale(&old);
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (value == floor(value) && fabs(value) < 1e15) (void)snprintf(text, sizeof text, "%.0f", value);
    char *exponent = strchr(text, 'e');
    if (exponent == NULL) {
        (void)fputs(text, f);
    } else {
        const long power = strtol(exponent + 1, NULL, 10);
        *exponent = '\0';
        (void)fprintf(f, "%s%se%+ld", text, strchr(text, '.') == NULL ? ".0" : "", power);
    }
    leave_c_locale(c, old);
}

static bool in_range(const trb__option *o, double v)
{
    return (o->above_min ? v > o->min : v >= o->min) && (o->below_max ? v < o->max : v <= o->max);
}

void trb__option_range(const trb__option *o, size_t n, char *text)
{
    size_t used = 0;
    text[0] = '\0';
    switch (o->type) {
    case TRB__BOOL:
        (void)snprintf(text, n, "true|false");
        return;
    case TRB__WHOLE:
        if (o->max >= 1e9)
            (void)snprintf(text, n, "whole >= %.0f", o->min);
        else
            (void)snprintf(text, n, "whole %.0f..%.0f%s", o->min, o->max, o->endless ? "|unbounded" : "");
        return;
    case TRB__REAL:
        if (o->max >= 1e6)
            (void)snprintf(text, n, "real %s %g", o->above_min ? ">" : ">=", o->min);
        else
            (void)snprintf(text, n, "real %c%g, %g%c", o->above_min ? '(' : '[', o->min, o->max,
                           o->below_max ? ')' : ']');
        return;
    case TRB__TEXTS:
        (void)snprintf(text, n, "list");
        return;
    case TRB__REALS:
        (void)snprintf(text, n, "e.g. [0.49, 0.48, 0.45]");
        return;
    case TRB__LAYERS:
        (void)snprintf(text, n, "layers");
        return;
    case TRB__RECIPE:
        (void)snprintf(text, n, "e.g. [crop 4, flip]");
        return;
    case TRB__RECIPES:
        (void)snprintf(text, n, "e.g. [\"flip\", \"ods 9\"]");
        return;
    case TRB__MEMBERS:
        (void)snprintf(text, n, "members");
        return;
    case TRB__METHOD:
        (void)trb_method_names(NULL, "|", n, text);
        return;
    case TRB__TEXT:
    case TRB__CHOICE:
        break;
    }
    if (o->choices == NULL) (void)snprintf(text, n, "text");
    for (const trb__choice *c = o->choices; c != NULL && c->name != NULL && used < n; c++)
        used += (size_t)snprintf(text + used, n - used, "%s%s", c == o->choices ? "" : "|", c->name);
}

/* ---- reading */

static trb_status set_number(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const char *text = item->value[0];
    uint64_t whole = 0;
    double real = 0.0;
    if (o->type == TRB__WHOLE) {
        if (o->endless && strcmp(text, "unbounded") == 0)
            whole = UINT64_MAX;
        else if (!read_whole(text, &whole) || !in_range(o, (double)whole))
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
    if (!read_real(text, &real) || !in_range(o, real)) {
        char range[80];
        trb__option_range(o, sizeof range, range);
        return trb__item_fail(items, item, "expected a number, %s, got `%s`", range, text);
    }
    *(double *)field(o, base) = real;
    return TRB_OK;
}

static trb_status refuse_choice(const trb__option *o, const trb__items *items, const trb__item *item)
{
    char known[120];
    trb__option_range(o, sizeof known, known);
    return trb__item_fail(items, item, "expected %s%s, got `%s`", strchr(known, '|') != NULL ? "one of " : "", known,
                          item->value[0]);
}

static trb_status set_choice(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const char *text = item->value[0];
    const trb__choice *c = o->choices;
    while (c->name != NULL && strcmp(c->name, text) != 0) c++;
    if (c->name == NULL) return refuse_choice(o, items, item);
    if (o->type == TRB__TEXT) return trb_strdup(text, field(o, base));
    memcpy(field(o, base), &c->value, o->bytes);
    return TRB_OK;
}

static trb_status set_method(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const trb_method *method = trb_method_find(item->value[0]);
    if (method == NULL) return refuse_choice(o, items, item);
    *(const trb_method **)field(o, base) = method;
    return TRB_OK;
}

static trb_status set_texts(const trb__option *o, const trb__item *item, void *base)
{
    char *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, item->n, o->bytes, &array));
    *(void **)field(o, base) = array;
    memcpy((char *)base + o->count_offset, &item->n, sizeof item->n);
    for (size_t i = 0; i < item->n; i++) TRB_TRY(trb_strdup(item->value[i], (char **)(array + i * o->bytes)));
    return TRB_OK;
}

static trb_status set_reals(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
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

/* Layers may come as a list, as one text with commas, or mixed; blanks do not count. */
static trb_status set_layers(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    size_t bytes = 1;
    char *list = NULL;
    for (size_t i = 0; i < item->n; i++) bytes += 2 * strlen(item->value[i]) + 2; /* at worst "," becomes ", " */
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
                                      begin > list ? ", behind " : "", begin > list ? list : "");
            *to = '\0';
            more = *from++ == ',';
        }
    }
    return TRB_OK;
}

static trb_status parse_recipe(const trb__items *items, const trb__item *item, const char *text, trb_recipe *r)
{
    char why[TRB_FAIL_BYTES];
    if (trb_recipe_parse(text, r) == TRB_OK) return TRB_OK;
    (void)snprintf(why, sizeof why, "%s", trb_fail_message());
    trb_fail_clear();
    return trb__item_fail(items, item, "%s", why);
}

/* Like layers, a recipe may come as a list or as one text with commas. */
static trb_status set_recipe(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    char text[TRB_RECIPE_BYTES] = "";
    size_t n = 0;
    for (size_t i = 0; i < item->n && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? ", " : "", item->value[i]);
    if (n >= sizeof text)
        return trb__item_fail(items, item, "expected a recipe such as [crop 4, flip], got more than %zu characters",
                              sizeof text - 1);
    return parse_recipe(items, item, text, field(o, base));
}

/* A list of texts, each a recipe with commas; one text is one recipe. */
static trb_status set_recipes(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const size_t n = item->n == 1 && item->kind == TRB__SCALAR && item->value[0][0] == '\0' ? 0 : item->n;
    trb_recipe *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *array, &array));
    *(trb_recipe **)field(o, base) = array;
    memcpy((char *)base + o->count_offset, &n, sizeof n);
    for (size_t i = 0; i < n; i++) {
        TRB_TRY(parse_recipe(items, item, item->value[i], &array[i]));
        if (trb_recipe_empty(&array[i]))
            return trb__item_fail(
                items, item, "recipe %zu of the list is empty; the sample itself is the first view without one", i);
    }
    return TRB_OK;
}

/* "all", or numbers and runs of numbers: "0-4,7". */
static trb_status set_members(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
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

trb_status trb__option_set(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const bool takes_list = o->type == TRB__TEXTS || o->type == TRB__REALS || o->type == TRB__LAYERS ||
                            o->type == TRB__RECIPE || o->type == TRB__RECIPES || o->type == TRB__MEMBERS;
    if (item->kind == TRB__SECTION || (item->kind == TRB__LIST && !takes_list)) {
        char range[120];
        trb__option_range(o, sizeof range, range);
        return trb__item_fail(items, item, "expected %s, got a %s", range,
                              item->kind == TRB__LIST ? "list" : "section");
    }
    switch (o->type) {
    case TRB__BOOL:
        if (strcmp(item->value[0], "true") != 0 && strcmp(item->value[0], "false") != 0)
            return trb__item_fail(items, item, "expected true or false, got `%s`", item->value[0]);
        *(bool *)field(o, base) = item->value[0][0] == 't';
        return TRB_OK;
    case TRB__WHOLE:
    case TRB__REAL:
        return set_number(o, items, item, base);
    case TRB__TEXT:
        if (o->choices == NULL) return trb_strdup(item->value[0], field(o, base));
        return set_choice(o, items, item, base);
    case TRB__CHOICE:
        return set_choice(o, items, item, base);
    case TRB__METHOD:
        return set_method(o, items, item, base);
    case TRB__TEXTS:
        return set_texts(o, item, base);
    case TRB__REALS:
        return set_reals(o, items, item, base);
    case TRB__LAYERS:
        return set_layers(o, items, item, base);
    case TRB__RECIPE:
        return set_recipe(o, items, item, base);
    case TRB__RECIPES:
        return set_recipes(o, items, item, base);
    case TRB__MEMBERS:
        return set_members(o, items, item, base);
    }
    return trb_fail(TRB_EINTERNAL, "key `%s` has no type", o->key);
}

void trb__option_clear(const trb__option *o, void *base)
{
    const bool texts = o->type == TRB__TEXTS;
    if (o->type != TRB__TEXT && o->type != TRB__LAYERS && o->type != TRB__MEMBERS && o->type != TRB__REALS &&
        o->type != TRB__RECIPES && !texts)
        return;
    char **slot = field(o, base);
    if (texts && *slot != NULL)
        for (size_t i = 0; i < count_of(o, base); i++) trb_free(*(char **)(*slot + i * o->bytes));
    trb_free(*slot);
    *slot = NULL;
}

/* ---- writing */

/* Plain where no reader can take the text for anything else, else in double quotes. */
static void write_text(FILE *f, const char *text)
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
    (void)fputc('"', f);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            (void)fprintf(f, "\\%c", *p);
        else if ((unsigned char)*p < 0x20 || *p == 0x7f)
            (void)fprintf(f, "\\x%02x", (unsigned char)*p);
        else if ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0) /* C1, which YAML takes escaped alone */
            (void)fprintf(f, "\\x%02x", (unsigned char)*++p);
        else
            (void)fputc(*p, f);
    }
    (void)fputc('"', f);
}

static void write_members(FILE *f, size_t count, const bool *only)
{
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

static void write_value(FILE *f, const trb__option *o, const void *base)
{
    const void *at = field_of(o, base);
    int value = 0;
    switch (o->type) {
    case TRB__BOOL:
        (void)fputs(*(const bool *)at ? "true" : "false", f);
        return;
    case TRB__WHOLE:
        if (o->bytes == sizeof(int))
            (void)fprintf(f, "%d", *(const int *)at);
        else if (o->endless && *(const uint64_t *)at == UINT64_MAX)
            (void)fputs("unbounded", f);
        else
            (void)fprintf(f, "%" PRIu64, *(const uint64_t *)at / (o->factor > 0 ? o->factor : 1));
        return;
    case TRB__REAL:
        write_real(f, *(const double *)at);
        return;
    case TRB__TEXT:
        write_text(f, *(char *const *)at);
        return;
    case TRB__CHOICE:
        memcpy(&value, at, sizeof value);
        for (const trb__choice *c = o->choices; c->name != NULL; c++)
            if (c->value == value) (void)fputs(c->name, f);
        return;
    case TRB__METHOD:
        (void)fputs((*(const trb_method *const *)at)->name, f);
        return;
    case TRB__TEXTS: {
        const char *array = *(char *const *)at;
        (void)fputc('[', f);
        for (size_t i = 0; i < count_of(o, base); i++) {
            if (i > 0) (void)fputs(", ", f);
            write_text(f, *(char *const *)(array + i * o->bytes));
        }
        (void)fputc(']', f);
        return;
    }
    case TRB__REALS: {
        const double *array = *(double *const *)at;
        (void)fputc('[', f);
        for (size_t i = 0; i < count_of(o, base); i++) {
            if (i > 0) (void)fputs(", ", f);
            write_real(f, array[i]);
        }
        (void)fputc(']', f);
        return;
    }
    case TRB__LAYERS:
        (void)fprintf(f, "[%s]", *(char *const *)at);
        return;
    case TRB__RECIPE: {
        char text[TRB_RECIPE_BYTES];
        trb_recipe_text(at, text);
        (void)fprintf(f, "[%s]", text);
        return;
    }
    case TRB__RECIPES: {
        const trb_recipe *array = *(trb_recipe *const *)at;
        char text[TRB_RECIPE_BYTES];
        for (size_t i = 0; i < count_of(o, base); i++) {
            trb_recipe_text(&array[i], text);
            (void)fprintf(f, "%s\"%s\"", i > 0 ? ", " : "[", text);
        }
        (void)fputs(count_of(o, base) > 0 ? "]" : "[]", f);
        return;
    }
    case TRB__MEMBERS:
        write_members(f, count_of(o, base), *(bool *const *)at);
        return;
    }
}

trb_status trb__option_text(const trb__option *o, const void *base, char **out)
{
    char *text = NULL;
    size_t n = 0;
    TRB_TRY(trb_fault("alloc"));
    FILE *f = open_memstream(&text, &n);
    if (f == NULL) return trb_fail(TRB_ENOMEM, "no memory to print `%s`", o->key);
    write_value(f, o, base);
    const bool failed = ferror(f) != 0;
    trb_status st = TRB_OK;
    if (fclose(f) != 0 || failed)
        st = trb_fail(TRB_ENOMEM, "no memory to print `%s`", o->key);
    else
        st = trb_strdup(text, out);
    free(text);
    return st;
}

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
