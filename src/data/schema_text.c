/* The text form of a schema (schema.h): JSON, of which only what a schema has is read. The reader goes through the text
 * once, without recursion beyond the three levels of a schema, and copies what it finds. */
#include "tribikos/schema.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

static const char *const layouts[] = {"auto", "nchw", "nhwc"};

/* ---- writing */

static void put_named(trb_text *t, const char *name, double offset)
{
    char number[TRB_NUMBER_BYTES];
    if (name != NULL) {
        trb_text_add(t, ", \"name\": ");
        trb_text_quoted(t, name);
    }
    if (fpclassify(offset) == FP_ZERO) return;
    trb_number_shortest(offset, 1, number);
    trb_text_add(t, ", \"offset\": %s", number);
}

static void put_input(trb_text *t, const trb_schema_input *in)
{
    char number[TRB_NUMBER_BYTES];
    trb_text_add(t, "{\"column\": %zu", in->column);
    put_named(t, in->name, in->offset);
    if (in->category != NULL) {
        trb_text_add(t, ", \"category\": ");
        trb_text_quoted(t, in->category);
    }
    if (!isnan(in->fill)) {
        trb_number_shortest(in->fill, 1, number);
        trb_text_add(t, ", \"fill\": %s", number);
    }
    trb_text_add(t, "}");
}

trb_status trb_schema_write(const trb_schema *s, char **text)
{
    trb_text t = {0};
    trb_text_add(&t, "{\"header\": %s, \"layout\": \"%s\", \"columns\": %zu, \"inputs\": [",
                 s->header ? "true" : "false", layouts[s->layout], s->n_columns);
    for (size_t i = 0; i < s->n_inputs; i++) {
        trb_text_add(&t, "%s\n", i > 0 ? "," : "");
        put_input(&t, &s->input[i]);
    }
    trb_text_add(&t, "],\n\"target\": {");
    if (s->target_column != TRB_NO_COLUMN) {
        trb_text_add(&t, "\"column\": %zu", s->target_column);
        put_named(&t, s->target, s->target_offset);
    }
    trb_text_add(&t, "}, \"classes\": [");
    for (size_t k = 0; k < s->n_classes; k++) {
        trb_text_add(&t, "%s\n", k > 0 ? "," : "");
        trb_text_quoted(&t, s->class_name[k]);
    }
    trb_text_add(&t, "]}");
    return trb_text_take(&t, text);
}

/* ---- reading */

typedef struct {
    const char *where, *text, *at;
} reader;

static trb_status wrong(const reader *r, const char *expected)
{
    char got[2] = {*r->at, '\0'};
    return trb_fail(TRB_EINTEGRITY, "%s: schema: expected %s at byte %zu, got %s%s%s", r->where, expected,
                    (size_t)(r->at - r->text), *r->at == '\0' ? "the end" : "`", got, *r->at == '\0' ? "" : "`");
}

static void skip(reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r') r->at++;
}

/* Take a character if it is the next one. */
static bool take(reader *r, char c)
{
    skip(r);
    if (*r->at != c) return false;
    r->at++;
    return true;
}

static trb_status expect(reader *r, char c)
{
    const char what[] = {'`', c, '`', '\0'};
    return take(r, c) ? TRB_OK : wrong(r, what);
}

/* The four hexadecimal digits of an escape. Only characters below 0x80 are written in this way. */
static bool read_escape(const char *at, char *c)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = at[i] != '\0' ? strchr(digits, at[i]) : NULL;
        if (digit == NULL) return false;
        code = 16 * code + (unsigned)(digit - digits);
    }
    *c = (char)code;
    return code > 0 && code < 0x80;
}

static trb_status read_string(reader *r, char **out)
{
    char *to = NULL, *copy = NULL;
    TRB_TRY(expect(r, '"'));
    size_t n = 0;
    while (r->at[n] != '"' && r->at[n] != '\0') n += r->at[n] == '\\' && r->at[n + 1] != '\0' ? 2 : 1;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n + 1, 1, &copy));
    for (to = copy; *r->at != '"' && *r->at != '\0'; r->at++) {
        if (*r->at != '\\') {
            *to++ = *r->at;
            continue;
        }
        r->at++;
        if (*r->at == '"' || *r->at == '\\')
            *to++ = *r->at;
        else if (*r->at == 'n')
            *to++ = '\n';
        else if (*r->at == 'u' && read_escape(r->at + 1, to))
            r->at += 4, to++;
        else
            break;
    }
    if (*r->at == '"') {
        r->at++;
        *out = copy;
        return TRB_OK;
    }
    trb_free(copy);
    return wrong(r, "the rest of a string");
}

static trb_status read_number(reader *r, double *value)
{
    skip(r);
    const size_t n = strspn(r->at, "0123456789.eE+-");
    if (!trb_number_read(r->at, n, value) || !isfinite(*value)) return wrong(r, "a finite number");
    r->at += n;
    return TRB_OK;
}

static trb_status read_size(reader *r, size_t *value)
{
    const char *at = r->at;
    double number = 0.0;
    TRB_TRY(read_number(r, &number));
    if (number >= 0.0 && number < 0x1p53 && number == floor(number)) {
        *value = (size_t)number;
        return TRB_OK;
    }
    r->at = at;
    return wrong(r, "a whole number");
}

/* The next key of an object. \param[in,out] first  true at the object's beginning   \return false at its end */
static trb_status next_key(reader *r, bool *first, char **key, bool *more)
{
    *more = !take(r, '}');
    if (!*more) return TRB_OK;
    if (!*first) TRB_TRY(expect(r, ','));
    *first = false;
    TRB_TRY(read_string(r, key));
    return expect(r, ':');
}

/* Release a key, and set a field that must not have been set before. */
static trb_status read_text(reader *r, char **field)
{
    return *field == NULL ? read_string(r, field) : wrong(r, "each key once");
}

static trb_status read_input_value(reader *r, const char *key, trb_schema_input *in)
{
    if (strcmp(key, "column") == 0) return read_size(r, &in->column);
    if (strcmp(key, "name") == 0) return read_text(r, &in->name);
    if (strcmp(key, "category") == 0) return read_text(r, &in->category);
    if (strcmp(key, "offset") == 0) return read_number(r, &in->offset);
    if (strcmp(key, "fill") == 0) return read_number(r, &in->fill);
    return wrong(r, "a key of an input");
}

static trb_status read_target_value(reader *r, const char *key, trb_schema *s)
{
    if (strcmp(key, "column") == 0) return read_size(r, &s->target_column);
    if (strcmp(key, "name") == 0) return read_text(r, &s->target);
    if (strcmp(key, "offset") == 0) return read_number(r, &s->target_offset);
    return wrong(r, "a key of the target");
}

/* An object: that of input `in`, or of the target if `in` is NULL. */
static trb_status read_object(reader *r, trb_schema_input *in, trb_schema *s)
{
    bool first = true, more = true;
    TRB_TRY(expect(r, '{'));
    while (more) {
        char *key = NULL;
        trb_status st = next_key(r, &first, &key, &more);
        if (st == TRB_OK && more) st = in != NULL ? read_input_value(r, key, in) : read_target_value(r, key, s);
        trb_free(key);
        TRB_TRY(st);
    }
    return TRB_OK;
}

/* How many elements a list can have at most: one more than commas up to the end of the text, and each has two characters
 * of its own, as `{}`. */
static size_t most_elements(const char *at)
{
    const size_t most = strlen(at) / 3 + 1;
    size_t n = 1;
    for (; (at = strchr(at, ',')) != NULL; at++) n++;
    return n < most ? n : most;
}

static trb_status read_inputs(reader *r, trb_schema *s)
{
    if (s->input != NULL) return wrong(r, "each key once");
    TRB_TRY(expect(r, '['));
    if (take(r, ']')) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, most_elements(r->at), sizeof *s->input, &s->input));
    do {
        trb_schema_input *in = &s->input[s->n_inputs++];
        in->fill = NAN;
        TRB_TRY(read_object(r, in, NULL));
    } while (take(r, ','));
    return expect(r, ']');
}

static trb_status read_classes(reader *r, trb_schema *s)
{
    if (s->class_name != NULL) return wrong(r, "each key once");
    TRB_TRY(expect(r, '['));
    if (take(r, ']')) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, most_elements(r->at), sizeof *s->class_name, &s->class_name));
    do TRB_TRY(read_string(r, &s->class_name[s->n_classes++]));
    while (take(r, ','));
    return expect(r, ']');
}

static trb_status read_layout(reader *r, trb_axes *layout)
{
    char *word = NULL;
    TRB_TRY(read_string(r, &word));
    size_t i = 0;
    while (i < 3 && strcmp(word, layouts[i]) != 0) i++;
    trb_free(word);
    if (i == 3) return wrong(r, "the layout auto, nchw or nhwc before this place");
    *layout = (trb_axes)i;
    return TRB_OK;
}

static trb_status read_bool(reader *r, bool *value)
{
    skip(r);
    *value = strncmp(r->at, "true", 4) == 0;
    if (!*value && strncmp(r->at, "false", 5) != 0) return wrong(r, "true or false");
    r->at += *value ? 4 : 5;
    return TRB_OK;
}

static trb_status read_value(reader *r, const char *key, trb_schema *s)
{
    if (strcmp(key, "header") == 0) return read_bool(r, &s->header);
    if (strcmp(key, "layout") == 0) return read_layout(r, &s->layout);
    if (strcmp(key, "columns") == 0) return read_size(r, &s->n_columns);
    if (strcmp(key, "inputs") == 0) return read_inputs(r, s);
    if (strcmp(key, "target") == 0) return read_object(r, NULL, s);
    if (strcmp(key, "classes") == 0) return read_classes(r, s);
    return wrong(r, "a key of a schema");
}

/* Readers of tables look up words by bisection and use columns as indices, so both must be in order. */
static trb_status check(const reader *r, const trb_schema *s)
{
    bool good = s->n_columns == 0 || s->target_column < s->n_columns || s->target_column == TRB_NO_COLUMN;
    for (size_t i = 0; good && i < s->n_inputs; i++) {
        const trb_schema_input *in = &s->input[i], *last = i > 0 ? in - 1 : in;
        good = s->n_columns == 0 || in->column < s->n_columns;
        if (i > 0 && in->category != NULL && last->category != NULL && in->column == last->column)
            good = good && strcmp(last->category, in->category) < 0;
        if (s->header) good = good && in->name != NULL;
    }
    for (size_t k = 1; good && k < s->n_classes; k++) good = strcmp(s->class_name[k - 1], s->class_name[k]) < 0;
    return good ? TRB_OK
                : trb_fail(TRB_EINTEGRITY, "%s: schema: its columns, names or words contradict each other", r->where);
}

trb_status trb_schema_read(const char *where, const char *text, trb_schema *out)
{
    reader r = {where, text, text};
    trb_schema s = {.target_column = TRB_NO_COLUMN};
    bool first = true, more = true;
    trb_status st = expect(&r, '{');
    while (st == TRB_OK && more) {
        char *key = NULL;
        st = next_key(&r, &first, &key, &more);
        if (st == TRB_OK && more) st = read_value(&r, key, &s);
        trb_free(key);
    }
    skip(&r);
    if (st == TRB_OK && *r.at != '\0') st = wrong(&r, "the end");
    if (s.n_columns == 0 && s.target_column == TRB_NO_COLUMN) s.target_column = 0; /* arrays have no columns */
    if (st == TRB_OK) st = check(&r, &s);
    if (st == TRB_OK)
        *out = s;
    else
        trb_schema_clear(&s);
    return st;
}
