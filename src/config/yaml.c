/* YAML into a flat list of items.
 *
 * A configuration needs no aliases, anchors, tags or second documents, so they are refused. This is why the reader uses
 * libyaml's events: its document interface resolves aliases before the caller sees them.
 *
 *   node     events                                becomes
 *   value    scalar                                an item with one value
 *   list     sequence start, scalars, end          an item with n values; lists in lists are refused
 *   section  mapping start, (key, node)..., end    an item without values, and one item for each node in it
 */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

typedef struct {
    yaml_parser_t parser;
    trb__items *items;
    trb__item_source source;
    const char *text;         /* that is being read */
    bool any;                 /* null is a value, and lists may hold lists and sections, as in JSON */
    char key[TRB__KEY_BYTES]; /* dotted, of the node that is being read */
} reader;

const char *trb_config_library(void)
{
    static char text[40];
    (void)snprintf(text, sizeof text, "libyaml %s", yaml_get_version_string());
    return text;
}

const char *trb__item_where(const trb__items *items, const trb__item *item, char text[TRB__WHERE])
{
    if (item->source == TRB__FILE)
        (void)snprintf(text, TRB__WHERE, "%s:%zu", items->name, item->line);
    else
        (void)snprintf(text, TRB__WHERE, "%s", item->source == TRB__FLAG ? "command line" : "default");
    return text;
}

trb_status trb__item_fail(const trb__items *items, const trb__item *item, const char *fmt, ...)
{
    char where[TRB__WHERE], why[TRB_FAIL_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return trb_fail(TRB_ECONFIG, "%s: key `%s`: %s", trb__item_where(items, item, where), item->key, why);
}

/* Make room for one more element after the n elements of an array. */
static trb_status grow(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) return TRB_OK;
    void *more = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * n + 4, size, &more));
    void *old = *(void **)array;
    if (n > 0) memcpy(more, old, n * size);
    trb_free(old);
    *(void **)array = more;
    *capacity = 2 * n + 4;
    return TRB_OK;
}

/* Append an item without values. \param[in] like  source, kind and line */
static trb_status append(trb__items *items, const trb__item *like, const char *key, trb__item **out)
{
    TRB_TRY(grow(&items->item, items->n, &items->capacity, sizeof *items->item));
    trb__item *item = &items->item[items->n];
    *item = (trb__item){.source = like->source, .kind = like->kind, .line = like->line, .order = items->n};
    TRB_TRY(trb_strdup(key, &item->key));
    items->n++;
    *out = item;
    return TRB_OK;
}

static trb_status add_item(reader *r, trb__item_kind kind, size_t line, trb__item **out)
{
    const trb__item like = {.source = r->source, .kind = kind, .line = line};
    return append(r->items, &like, r->key, out);
}

static trb_status add_value(trb__item *item, const char *text)
{
    TRB_TRY(grow(&item->value, item->n, &item->capacity, sizeof *item->value));
    TRB_TRY(trb_strdup(text, &item->value[item->n]));
    item->n++;
    return TRB_OK;
}

trb_status trb__items_add(trb__items *items, trb__item_source source, const char *key, const char *value)
{
    const trb__item like = {.source = source, .kind = TRB__SCALAR};
    trb__item *item = NULL;
    if (strlen(key) >= TRB__KEY_BYTES)
        return trb_fail(TRB_ECONFIG, "command line: a key of %zu characters", strlen(key));
    TRB_TRY(append(items, &like, key, &item));
    return add_value(item, value);
}

trb_status trb__items_copy(trb__items *items, const trb__item *like, const char *key, const char *value)
{
    trb__item *item = NULL;
    TRB_TRY(append(items, like, key, &item));
    if (value != NULL) item->kind = TRB__SCALAR;
    if (value != NULL) return add_value(item, value);
    for (size_t i = 0; i < like->n; i++) TRB_TRY(add_value(item, like->value[i]));
    return TRB_OK;
}

trb_status trb__items_join(trb__items *items, trb__items *more)
{
    for (; more->n > 0; more->n--) {
        TRB_TRY(grow(&items->item, items->n, &items->capacity, sizeof *items->item));
        items->item[items->n++] = more->item[more->n - 1];
    }
    return trb__items_settle(items);
}

trb_status trb__item_replace(trb__item *item, const char *names)
{
    while (item->n > 0) trb_free(item->value[--item->n]);
    item->kind = TRB__LIST;
    for (size_t n = 0; *names != '\0'; names += n + 1) {
        char name[TRB__KEY_BYTES];
        n = strcspn(names, ",");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, names);
        TRB_TRY(add_value(item, name));
    }
    return TRB_OK;
}

static trb_status refuse(const reader *r, size_t line, const char *what)
{
    const trb__item here = {.source = r->source, .line = line};
    char where[TRB__WHERE];
    return trb_fail(TRB_ECONFIG, "%s: %s%s%s%s", trb__item_where(r->items, &here, where),
                    r->key[0] != '\0' ? "key `" : "", r->key, r->key[0] != '\0' ? "`: " : "", what);
}

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

/* The reader of bytes is ahead of the parser, and its errors have an offset instead of a line. The key that is being
 * read is not the place either. */
static trb_status refuse_bytes(reader *r)
{
    const char *bad = trb_text_not_utf8(r->text), *end = bad;
    const size_t all = strlen(r->text), offset = r->parser.problem_offset;
    char what[200];
    size_t line = 1;
    if (bad == NULL) end = r->text + (offset < all ? offset : all);
    for (const char *at = r->text; at < end; at++) line += *at == '\n';
    if (r->source == TRB__FILE) r->key[0] = '\0';
    if (bad != NULL)
        (void)snprintf(what, sizeof what,
                       "not valid YAML: byte %02x is not UTF-8, perhaps a letter of Latin-1; save the file as UTF-8",
                       (unsigned)(unsigned char)*bad);
    else
        (void)snprintf(what, sizeof what, "not valid YAML: %s", r->parser.problem);
    return refuse(r, line, what);
}

/* The beginning of a line of the text; lines are counted from 1. */
static const char *line_at(const char *text, size_t line)
{
    for (; line > 1 && *text != '\0'; line--) text += strcspn(text, "\n"), text += *text == '\n';
    return text;
}

/* Refuse what libyaml cannot read. Two mistakes are common, and libyaml's words for them do not help. */
static trb_status refuse_form(reader *r)
{
    const size_t line = r->parser.problem_mark.line + 1;
    char what[200];
    (void)snprintf(what, sizeof what, "not valid YAML: %s", r->parser.problem);
    for (size_t back = 0; back < 2 && back < line; back++) { /* it notices some tabs only in the line after them */
        const char *at = line_at(r->text, line - back), *blank = at + strspn(at, " ");
        if (*blank != '\t' || r->source != TRB__FILE) continue;
        r->key[0] = '\0';
        return refuse(r, line - back, "not valid YAML: a TAB in the indentation; use spaces");
    }
    const char *at = line_at(r->text, line);
    const size_t n = strcspn(at, "\n"), brace = strcspn(at, "{[");
    for (const char *name = at + brace; name + 1 < at + n; name++)
        if (name[0] == '$' && name[1] == '{' && name[-1] != '"' && name[-1] != '\'')
            return refuse(r, line,
                          "not valid YAML: within { } or [ ] a value with ${NAME} must stand between quotes, as in "
                          "\"${NAME}/x\"");
    return refuse(r, line, what);
}

/* Take the next event and refuse what is no plain YAML. On success the caller deletes the event. */
static trb_status next(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event) == 0) {
        if (r->parser.error == YAML_MEMORY_ERROR) return trb_fail(TRB_ENOMEM, "no memory to read %s", r->items->name);
        if (r->parser.error == YAML_READER_ERROR) return refuse_bytes(r);
        return refuse_form(r);
    }
    const char *what = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        what = "an alias (*name); write the value itself";
        break;
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor != NULL) what = "an anchor (&name); write values out";
        if (event->data.scalar.tag != NULL) what = "a tag (!name); types are known from the key";
        if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length) what = "a zero byte";
        break;
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor != NULL) what = "an anchor (&name); write values out";
        if (event->data.sequence_start.tag != NULL) what = "a tag (!name); types are known from the key";
        break;
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor != NULL) what = "an anchor (&name); write values out";
        if (event->data.mapping_start.tag != NULL) what = "a tag (!name); types are known from the key";
        break;
    default:
        break;
    }
    if (what == NULL) return TRB_OK;
    char text[200];
    (void)snprintf(text, sizeof text, "expected plain YAML, got %s", what);
    const size_t line = line_of(event);
    yaml_event_delete(event);
    return refuse(r, line, text);
}

/* A plain empty value, ~ or null is a forgotten value far more often than an empty text. */
static trb_status scalar_text(const reader *r, const yaml_event_t *event, const char **out)
{
    const char *text = (const char *)event->data.scalar.value;
    const bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && !r->any && (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return refuse(r, line_of(event), "expected a value, got nothing; an empty text is \"\"");
    *out = text;
    return TRB_OK;
}

static trb_status read_node(reader *r, const yaml_event_t *event);

/* A list or section in a list has the key LIST.PLACE. */
static trb_status read_inside(reader *r, size_t place, const yaml_event_t *event)
{
    const size_t length = strlen(r->key);
    const int n = snprintf(r->key + length, TRB__KEY_BYTES - length, ".%zu", place);
    if (n < 0 || (size_t)n >= TRB__KEY_BYTES - length) return refuse(r, line_of(event), "the key is too long");
    TRB_TRY(read_node(r, event));
    r->key[length] = '\0';
    return TRB_OK;
}

static trb_status read_list(reader *r, size_t line)
{
    trb__item *item = NULL;
    TRB_TRY(add_item(r, TRB__LIST, line, &item));
    const size_t at = r->items->n - 1; /* items move when their array grows */
    size_t place = 0;
    for (bool more = true; more; place++) {
        yaml_event_t event;
        const char *text = NULL;
        TRB_TRY(next(r, &event));
        trb_status st = TRB_OK;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            more = false;
        else if (event.type != YAML_SCALAR_EVENT && r->any)
            st = read_inside(r, place, &event);
        else if (event.type != YAML_SCALAR_EVENT)
            st = refuse(r, line_of(&event), "expected single values in the list, got a list or section in it");
        else if ((st = scalar_text(r, &event, &text)) == TRB_OK)
            st = add_value(&r->items->item[at], text);
        yaml_event_delete(&event);
        TRB_TRY(st);
    }
    return TRB_OK;
}

/* Append a key of a section to the dotted key. `length` is the length of the section's own key. */
static trb_status enter(reader *r, size_t length, const yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT) return refuse(r, line_of(event), "expected a key, got a list or section");
    const char *dot = length > 0 ? "." : "", *name = (const char *)event->data.scalar.value;
    if (name[0] == '\0') return refuse(r, line_of(event), "an empty key");
    const int n = snprintf(r->key + length, TRB__KEY_BYTES - length, "%s%s", dot, name);
    if (n < 0 || (size_t)n >= TRB__KEY_BYTES - length) return refuse(r, line_of(event), "the key is too long");
    return TRB_OK;
}

/* A section is an item as well, so that a section given twice is noticed. The length of keys bounds the depth. */
static trb_status read_section(reader *r, size_t line)
{
    trb__item *item = NULL;
    const size_t length = strlen(r->key);
    if (length > 0) TRB_TRY(add_item(r, TRB__SECTION, line, &item));
    for (;;) {
        yaml_event_t event;
        TRB_TRY(next(r, &event));
        const bool ends = event.type == YAML_MAPPING_END_EVENT;
        trb_status st = ends ? TRB_OK : enter(r, length, &event);
        yaml_event_delete(&event);
        if (ends || st != TRB_OK) return st;
        TRB_TRY(next(r, &event));
        st = read_node(r, &event);
        yaml_event_delete(&event);
        TRB_TRY(st);
        r->key[length] = '\0';
    }
}

static trb_status read_node(reader *r, const yaml_event_t *event)
{
    const size_t line = line_of(event);
    if (event->type == YAML_MAPPING_START_EVENT) return read_section(r, line);
    if (r->key[0] == '\0') return refuse(r, line, "expected a section (key: value), got a single value or list");
    if (event->type == YAML_SEQUENCE_START_EVENT) return read_list(r, line);
    const char *text = NULL;
    trb__item *item = NULL;
    TRB_TRY(scalar_text(r, event, &text));
    TRB_TRY(add_item(r, TRB__SCALAR, line, &item));
    return add_value(item, text);
}

static trb_status read_all(trb__items *items, trb__item_source source, bool any, const char *key, const char *text)
{
    trb_status st = TRB_OK;
    static const char mark[] = "\xef\xbb\xbf"; /* byte order mark, which editors of Windows write */
    if (strncmp(text, mark, 3) == 0) text += 3;
    reader r = {.items = items, .source = source, .text = text, .any = any};
    yaml_event_t event = {.type = YAML_NO_EVENT};
    const int n = snprintf(r.key, sizeof r.key, "%s", key);
    if (n < 0 || (size_t)n >= sizeof r.key) return trb_fail(TRB_ECONFIG, "command line: a key of %d characters", n);
    TRB_TRY(trb_fault("alloc"));
    if (yaml_parser_initialize(&r.parser) == 0) return trb_fail(TRB_ENOMEM, "no memory to read %s", items->name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, strlen(text));
    for (size_t documents = 0; event.type != YAML_STREAM_END_EVENT;) {
        yaml_event_delete(&event);
        TRB_GO(next(&r, &event));
        switch (event.type) {
        case YAML_DOCUMENT_START_EVENT:
            if (documents++ > 0) TRB_GO(refuse(&r, line_of(&event), "expected one document, got a second one"));
            break;
        case YAML_STREAM_START_EVENT:
        case YAML_STREAM_END_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        default:
            TRB_GO(read_node(&r, &event));
        }
    }
done:
    yaml_event_delete(&event);
    yaml_parser_delete(&r.parser);
    return st;
}

trb_status trb__items_read(trb__items *items, trb__item_source source, const char *key, const char *text)
{
    return read_all(items, source, false, key, text);
}

trb_status trb__items_read_any(trb__items *items, const char *text)
{
    return read_all(items, TRB__FILE, true, "", text);
}

static void clear_item(trb__item *item)
{
    for (size_t i = 0; i < item->n; i++) trb_free(item->value[i]);
    trb_free(item->value);
    trb_free(item->key);
}

/* The strongest item of a key comes last, so that settling keeps the last one. Among flags the later one is stronger.
 * */
static int by_key_then_strength(const void *a, const void *b)
{
    const trb__item *x = a, *y = b;
    const int keys = strcmp(x->key, y->key);
    if (keys != 0) return keys;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

trb_status trb__items_settle(trb__items *items)
{
    if (items->n > 1) qsort(items->item, items->n, sizeof *items->item, by_key_then_strength);
    const trb__item *twice = NULL, *first = NULL;
    for (size_t i = 1; i < items->n; i++) {
        const trb__item *last = &items->item[i - 1], *item = &items->item[i];
        if (item->source == TRB__FILE && last->source == TRB__FILE && strcmp(item->key, last->key) == 0 &&
            (twice == NULL || item->line < twice->line)) {
            twice = item;
            first = last;
        }
    }
    if (twice != NULL) return trb__item_fail(items, twice, "given twice, first in line %zu", first->line);
    size_t n = 0;
    for (size_t i = 0; i < items->n; i++) {
        if (n > 0 && strcmp(items->item[n - 1].key, items->item[i].key) == 0) clear_item(&items->item[--n]);
        items->item[n++] = items->item[i];
    }
    items->n = n;
    return TRB_OK;
}

void trb__items_clear(trb__items *items)
{
    for (size_t i = 0; i < items->n; i++) clear_item(&items->item[i]);
    trb_free(items->item);
    *items = (trb__items){.name = items->name};
}

static int against_key(const void *key, const void *item)
{
    return strcmp(key, ((const trb__item *)item)->key);
}

trb__item *trb__items_find(const trb__items *items, const char *key)
{
    return items->n == 0 ? NULL : bsearch(key, items->item, items->n, sizeof *items->item, against_key);
}
