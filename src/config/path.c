/* Paths: a text in which `~`, `~USER`, `$VARIABLE` and `${VARIABLE}` are replaced, as a shell does it. `$$` is a dollar
 * sign. A variable that is not set is an error, since the rest would be another path. What is kept and printed is the
 * whole path, so a resolved configuration means the same everywhere. */
#include "internal.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tribikos/file.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* The length of the variable's name at `at`; 0 if there is none. */
static size_t name_length(const char *at)
{
    size_t n = 0;
    while (isalpha((unsigned char)at[n]) || at[n] == '_' || (n > 0 && isdigit((unsigned char)at[n]))) n++;
    return n;
}

/* The variable that follows a dollar sign. \param[out] name,n  its name, borrowed   \return the text after it;
 * NULL if there is no variable */
static const char *variable(const char *at, const char **name, size_t *n)
{
    const bool braces = *at == '{';
    *name = at + braces;
    *n = name_length(*name);
    const char *end = *name + *n;
    if (*n == 0 || (braces && *end != '}')) return NULL;
    return end + braces;
}

trb_status trb_config_variables(const char *text, trb_text *names)
{
    const char *name = NULL;
    size_t n = 0;
    for (const char *at = strchr(text, '$'); at != NULL; at = strchr(at, '$')) {
        const char *after = at[1] == '$' ? NULL : variable(at + 1, &name, &n);
        if (after != NULL) trb_text_add(names, "%.*s\n", (int)n, name);
        at = after != NULL ? after : at + 1 + (at[1] == '$');
    }
    return names->st;
}

/* The home folder that a path begins with. \param[in,out] at  in: the path; out: the text after it */
static trb_status add_home(const trb__items *items, const trb__item *item, const char **at, trb_text *t)
{
    const size_t n = strcspn(*at, "/");
    char user[256];
    (void)snprintf(user, sizeof user, "%.*s", (int)n - 1, *at + 1);
    const char *home = n == 1 ? getenv("HOME") : NULL;
    if (home == NULL || home[0] == '\0') {
        const struct passwd *who = n == 1 ? getpwuid(geteuid()) : getpwnam(user);
        home = who == NULL ? NULL : who->pw_dir;
    }
    if (home == NULL)
        return trb__item_fail(items, item, "`%.*s`: there is no such user; a name that begins with ~ is written ./~",
                              (int)n, *at);
    trb_text_add(t, "%s", home);
    *at += n;
    return TRB_OK;
}

/* \param[in,out] at  in: the text after a dollar sign; out: the text after the variable */
static trb_status add_variable(const trb__items *items, const trb__item *item, const char **at, trb_text *t)
{
    const char *name = NULL;
    char own[256];
    size_t n = 0;
    const char *after = variable(*at, &name, &n);
    if (after == NULL || n >= sizeof own)
        return trb__item_fail(items, item,
                              "expected $VARIABLE or ${VARIABLE} in a path, got `$%s`; a dollar sign is $$", *at);
    (void)snprintf(own, sizeof own, "%.*s", (int)n, name);
    const char *value = getenv(own);
    if (value == NULL || value[0] == '\0')
        return trb__item_fail(items, item, "the variable `%s` is %s; set it, or write $$ for a dollar sign", own,
                              value == NULL ? "not set" : "empty");
    if (trb_text_not_utf8(value) != NULL)
        return trb__item_fail(items, item, "the variable `%s`: expected UTF-8, got other bytes", own);
    trb_text_add(t, "%s", value);
    *at = after;
    return TRB_OK;
}

static trb_status expand(const trb__items *items, const trb__item *item, const char *text, char **out)
{
    trb_text t = {0};
    trb_status st = TRB_OK;
    const char *at = text;
    trb_text_add(&t, "%s", "");
    if (*at == '~') TRB_GO(add_home(items, item, &at, &t));
    while (*at != '\0') {
        const size_t n = strcspn(at, "$");
        trb_text_add(&t, "%.*s", (int)n, at);
        at += n;
        if (*at == '\0') break;
        at++;
        if (*at == '$')
            trb_text_add(&t, "$"), at++;
        else
            TRB_GO(add_variable(items, item, &at, &t));
    }
    return trb_text_take(&t, out);
done:
    trb_text_clear(&t);
    return st;
}

/* Earlier versions took `~` and `$` literally, and made folders of such names. */
static void tell_literal(const trb__items *items, const trb__item *item, const char *text, const char *path)
{
    char where[TRB__WHERE];
    if (item->source == TRB__DEFAULT || strcmp(text, path) == 0 || !trb_file_exists(text)) return;
    trb_warn("%s: key `%s`: `%s` now means %s; what an earlier version wrote into the folder of that literal name is "
             "still there, and is not used; move it to %s",
             trb__item_where(items, item, where), item->key, text, path, path);
}

static trb_status parse_path(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    char **slot = trb__value_field(o, base);
    TRB_TRY(expand(items, item, item->value[0], slot));
    tell_literal(items, item, item->value[0], *slot);
    return TRB_OK;
}

static trb_status parse_paths(const trb__option *o, const trb__items *items, const trb__item *item, void *base)
{
    char **array = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, item->n, sizeof *array, &array));
    *(char ***)trb__value_field(o, base) = array;
    memcpy((char *)base + o->count_offset, &item->n, sizeof item->n);
    for (size_t i = 0; i < item->n; i++) TRB_TRY(expand(items, item, item->value[i], &array[i]));
    return TRB_OK;
}

static void print_path(FILE *f, const trb__option *o, const void *base)
{
    trb__text_write(f, *(char *const *)trb__value_field_of(o, base), true);
}

static void print_paths(FILE *f, const trb__option *o, const void *base)
{
    char *const *array = *(char **const *)trb__value_field_of(o, base);
    (void)fputc('[', f);
    for (size_t i = 0; i < trb__value_count(o, base); i++) {
        (void)fputs(i > 0 ? ", " : "", f);
        trb__text_write(f, array[i], true);
    }
    (void)fputc(']', f);
}

const trb__type trb__type_path = {.range = "path", .parse = parse_path, .print = print_path, .clear = trb__value_clear};
const trb__type trb__type_paths = {
    .lists = true, .range = "list of paths", .parse = parse_paths, .print = print_paths, .clear = trb__values_clear};
