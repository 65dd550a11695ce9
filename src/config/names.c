/* Names: which row of the table a key names; the form of the names of students and sets; whether a student's name says
 * how it is trained. */
#include "internal.h"

#include <string.h>

#include "tribikos/text.h"

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

const trb__option *trb__option_of(const char *key)
{
    const char *dot = strrchr(key, '.'), *last = dot == NULL ? key : dot + 1;
    const bool student = begins(key, "student."), member = begins(key, "train.") || begins(key, "members.overrides.");
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        const bool fits = o->scope == TRB__FIT       ? student || member
                          : o->scope == TRB__STUDENT ? student
                          : o->scope == TRB__OOD     ? begins(key, "ood.")
                                                     : true;
        if (fits && strcmp(o->key, o->scope == TRB__CONFIG ? key : last) == 0) return o;
    }
    return NULL;
}

bool trb__in_grid(const char *key)
{
    const char *dot = strrchr(key, '.');
    return strncmp(key, "student.", 8) == 0 && dot != NULL && dot - key >= 12 && memcmp(dot - 5, ".grid", 5) == 0;
}

/* A name becomes a part of keys and of file names, so only harmless characters are allowed. */
trb_status trb__name_check(const trb__items *items, const trb__item *item, const char *name)
{
    const size_t n = strlen(name);
    if (n > 0 && n <= TRB_NAME_MAX && strspn(name, TRB__NAME_LETTERS) == n) return TRB_OK;
    if (n > TRB_NAME_MAX && strspn(name, TRB__NAME_LETTERS) == n)
        return trb__item_fail(items, item, "a name is 1 to %d letters, digits, - and _, got %zu: `%s`", TRB_NAME_MAX, n,
                              name);
    return trb__item_fail(items, item, "a name is 1 to %d letters, digits, - and _, got `%s`", TRB_NAME_MAX, name);
}

bool trb__name_has_keys(const trb__items *items, const char *name)
{
    char prefix[TRB__KEY_BYTES];
    const int n = snprintf(prefix, sizeof prefix, "student.%s.", name);
    for (size_t i = 0; i < items->n; i++)
        if (strncmp(items->item[i].key, prefix, (size_t)n) == 0) return true;
    return false;
}

/* A name that is a method sets the method. Another name needs keys that describe the student. Otherwise a misspelt
 * method would be trained as the default method, under a name that promises another one. */
trb_status trb__name_says(const trb__items *items, const trb__item *item, const char *name)
{
    enum { MOST = 32 };
    const char *method[MOST];
    char all[TRB__RANGE];
    size_t n = 0;
    if (trb_method_find(name) != NULL || trb__name_has_keys(items, name)) return TRB_OK;
    for (const trb_method *m = NULL; n < MOST && (m = trb_method_at(n)) != NULL; n++) method[n] = m->name;
    const trb__item *given = trb__items_find(items, "student.method");
    const bool common = given != NULL && given->source != TRB__DEFAULT;
    const char *meant = trb_text_meant(name, n, method);
    if (meant != NULL && !(common && given->n > 0 && strcmp(meant, given->value[0]) == 0))
        return trb__item_fail(items, item,
                              "no method has the name `%s`, did you mean `%s`? A student of your own name needs "
                              "`student.%s.method`",
                              name, meant, name);
    if (common) return TRB_OK;
    (void)trb_method_names(NULL, ", ", sizeof all, all);
    return trb__item_fail(items, item,
                          "no method has the name `%s`; take one of %s, or set `student.%s.method` to one of them",
                          name, all, name);
}

const char *trb__students_listed(const trb_config *c, size_t n, char *text)
{
    trb_text t = trb_text_in(text, n);
    for (size_t s = 0; s < c->n_students; s++) trb_text_add(&t, "%s%s", s > 0 ? ", " : "", c->student[s].name);
    return text;
}
