/* Flags of the command line. A value is what the shell hands over, and no YAML: `--run.dir='exp #3'` is a folder of
 * that name. Only two forms are read as YAML, because a value with several parts needs them: `[a, b]` for a key that
 * takes a list, and `{key: value}` for a section. */
#include "internal.h"

#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/text.h"

/* Whether a value is read as YAML. A grid takes lists of all keys. */
static bool is_yaml(const char *key, const char *value)
{
    const trb__option *o = trb__option_of(key);
    if (value[0] == '{') return o == NULL;
    return value[0] == '[' && (o == NULL || o->type->lists || trb__in_grid(key));
}

/* --members=3, which a job array writes, is short for members.only. A section --members={count: 3} keeps its keys. */
static const char *whole_key(const char *key, const char *value)
{
    if (strcmp(key, "resume") == 0) return "run.resume";
    return strcmp(key, "members") == 0 && value[0] != '{' ? "members.only" : key;
}

trb_status trb__flag_read(trb__items *items, const char *flag)
{
    const char *equals = strchr(flag, '=');
    if (strncmp(flag, "--", 2) != 0 || equals == NULL || equals == flag + 2)
        return trb_fail(TRB_ECONFIG, "command line: expected --key=value, got `%s`", flag);
    const char *value = equals + 1;
    char *own = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_strdup(flag + 2, &own));
    own[equals - flag - 2] = '\0';
    const char *key = whole_key(own, value);
    if (trb_text_not_utf8(value) != NULL)
        st = trb_fail(TRB_ECONFIG, "command line: key `%s`: expected UTF-8, got other bytes", key);
    else if (is_yaml(key, value))
        st = trb__items_read(items, TRB__FLAG, key, value);
    else
        st = trb__items_add(items, TRB__FLAG, key, value);
done:
    trb_free(own);
    return st;
}
