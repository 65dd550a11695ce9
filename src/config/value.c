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

void *trb__value_field(const trb__option *o, void *base)
{
    return (char *)base + o->offset;
}

const void *trb__value_field_of(const trb__option *o, const void *base)
{
    return (const char *)base + o->offset;
}

size_t trb__value_count(const trb__option *o, const void *base)
{
    _Static_assert(sizeof(size_t) == sizeof(uint64_t), "counts are read as size_t, whichever of the two they are");
    size_t n = 0;
    memcpy(&n, (const char *)base + o->count_offset, sizeof n);
    return n;
}

void trb__value_clear(const trb__option *o, void *base)
{
    char **slot = trb__value_field(o, base);
    trb_free(*slot);
    *slot = NULL;
}

/* ---- true or false */

static trb_status parse_bool(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const char *text = item->value[0];
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return trb__item_fail(items, item, "expected true or false, got `%s`", text);
    *(bool *)trb__value_field(o, base) = text[0] == 't';
    return TRB_OK;
}

static void print_bool(FILE *f, const trb__option *o, const void *base)
{
    (void)fputs(*(const bool *)trb__value_field_of(o, base) ? "true" : "false", f);
}

const trb__type trb__type_bool = {.words = true, .range = "true|false", .parse = parse_bool, .print = print_bool};

/* ---- whole numbers */

static bool in_range(const trb__option *o, double v)
{
    return (o->above_min ? v > o->min : v >= o->min) && (o->below_max ? v < o->max : v <= o->max);
}

bool trb__digits_read(const char *from, const char *end, uint64_t *value)
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
    else if (!trb__digits_read(text, text + strlen(text), &whole) || !in_range(o, (double)whole))
        return trb__item_fail(items, item, "expected a whole number from %.0f to %.0f%s, got `%s`", o->min, o->max,
                              o->endless ? ", or unbounded" : "", text);
    else if (o->factor > 0)
        whole *= o->factor;
    if (o->bytes == sizeof(int))
        *(int *)trb__value_field(o, base) = (int)whole;
    else
        *(uint64_t *)trb__value_field(o, base) = whole;
    return TRB_OK;
}

static void print_whole(FILE *f, const trb__option *o, const void *base)
{
    const void *at = trb__value_field_of(o, base);
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
    *(double *)trb__value_field(o, base) = real;
    return TRB_OK;
}

static void print_real(FILE *f, const trb__option *o, const void *base)
{
    write_real(f, *(const double *)trb__value_field_of(o, base));
}

const trb__type trb__type_real = {.describe = describe_real, .parse = parse_real, .print = print_real};

static trb_status parse_reals(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    double *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, item->n, sizeof *array, &array));
    *(double **)trb__value_field(o, base) = array;
    memcpy((char *)base + o->count_offset, &item->n, sizeof item->n);
    for (size_t i = 0; i < item->n; i++)
        if (!read_real(item->value[i], &array[i]) || !in_range(o, array[i]))
            return trb__item_fail(items, item, "expected numbers%s such as [0.49, 0.48, 0.45], got `%s`",
                                  o->above_min ? " above 0" : "", item->value[i]);
    return TRB_OK;
}

static void print_reals(FILE *f, const trb__option *o, const void *base)
{
    const double *array = *(double *const *)trb__value_field_of(o, base);
    (void)fputc('[', f);
    for (size_t i = 0; i < trb__value_count(o, base); i++) {
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
    return trb_strdup(item->value[0], trb__value_field(o, base));
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
    trb__text_write(f, *(char *const *)trb__value_field_of(o, base), false);
}

const trb__type trb__type_text = {.range = "text", .parse = parse_text, .print = print_text, .clear = trb__value_clear};

static trb_status parse_texts(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    (void)items;
    char *array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, item->n, o->bytes, &array));
    *(void **)trb__value_field(o, base) = array;
    memcpy((char *)base + o->count_offset, &item->n, sizeof item->n);
    for (size_t i = 0; i < item->n; i++) TRB_TRY(trb_strdup(item->value[i], (char **)(array + i * o->bytes)));
    return TRB_OK;
}

static void print_texts(FILE *f, const trb__option *o, const void *base)
{
    const char *array = *(char *const *)trb__value_field_of(o, base);
    (void)fputc('[', f);
    for (size_t i = 0; i < trb__value_count(o, base); i++) {
        if (i > 0) (void)fputs(", ", f);
        trb__text_write(f, *(char *const *)(array + i * o->bytes), false);
    }
    (void)fputc(']', f);
}

void trb__values_clear(const trb__option *o, void *base)
{
    char *array = *(char **)trb__value_field(o, base);
    for (size_t i = 0; array != NULL && i < trb__value_count(o, base); i++) trb_free(*(char **)(array + i * o->bytes));
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
    memcpy(trb__value_field(o, base), &c->value, o->bytes);
    return TRB_OK;
}

static void print_choice(FILE *f, const trb__option *o, const void *base)
{
    int value = 0;
    memcpy(&value, trb__value_field_of(o, base), sizeof value);
    for (const trb__choice *c = o->choices; c->name != NULL; c++)
        if (c->value == value) (void)fputs(c->name, f);
}

const trb__type trb__type_choice = {
    .words = true, .describe = describe_choice, .parse = parse_choice, .print = print_choice};

static trb_status parse_word(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    const trb__choice *c = NULL;
    TRB_TRY(find_choice(o, items, item, &c));
    return trb_strdup(c->name, trb__value_field(o, base));
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
    *(const trb_method **)trb__value_field(o, base) = method;
    return TRB_OK;
}

static void print_method(FILE *f, const trb__option *o, const void *base)
{
    (void)fputs((*(const trb_method *const *)trb__value_field_of(o, base))->name, f);
}

const trb__type trb__type_method = {
    .words = true, .describe = describe_method, .parse = parse_method, .print = print_method};

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
