/* Answers questions about methods from their descriptions, in the same way for all families. */
#include "internal.h"
#include "tribikos/text.h"

#include <stdio.h>
#include <string.h>

#define LISTED(name) &trb__##name,
static const trb_method *const methods[] = {TRB__METHODS(LISTED)};

const trb_method *trb_method_at(size_t i)
{
    return i < sizeof methods / sizeof *methods ? methods[i] : NULL;
}

const trb_method *trb_method_find(const char *name)
{
    size_t i = 0;
    while (trb_method_at(i) != NULL && strcmp(methods[i]->name, name) != 0) i++;
    return trb_method_at(i);
}

size_t trb_method_names(bool (*which)(const trb_method *m), const char *between, size_t n, char *text)
{
    const trb_method *m = NULL;
    trb_text t = trb_text_in(text, n);
    for (size_t i = 0; (m = trb_method_at(i)) != NULL; i++)
        if (which == NULL || which(m)) trb_text_add(&t, "%s%s", t.n == 0 ? "" : between, m->name);
    return t.n;
}

const trb_lesson *trb_method_lesson(const trb_method *m, trb_task task)
{
    const trb_lesson *l = task == TRB_TASK_REGRESSION ? &m->regression : &m->classes;
    return l->loss != NULL || l->each != NULL ? l : NULL;
}

double trb_lesson_temperature(const trb_lesson *l, const trb_tempering *o, double done)
{
    return l->temperature == NULL ? 1.0 : l->temperature(o, done);
}

size_t trb_method_heads(const trb_method *m, int phase, size_t M)
{
    return m->heads == TRB_SHARING_HEADS || (m->heads == TRB_COPIED_HEADS && phase == 2) ? M : 1;
}

bool trb_method_several(const trb_method *m)
{
    return m->heads != TRB_ONE_HEAD && !m->folded;
}

const char *trb_method_needs(const trb_method *m, char text[TRB_METHOD_NEEDS])
{
    const trb_lesson *l = trb_method_lesson(m, TRB_TASK_CLASSES);
    const bool regression = trb_method_lesson(m, TRB_TASK_REGRESSION) != NULL;
    const int used = snprintf(text, TRB_METHOD_NEEDS, "%s%s; ",
                              l == NULL    ? "regression"
                              : regression ? "classes or regression"
                                           : "classes",
                              m->dirichlet != TRB_DIRICHLET_NONE ? "; 2 or more members" : "");
    char *end = text + used;
    const size_t left = TRB_METHOD_NEEDS - (size_t)used;
    const char *top = l == NULL || l->top == NULL ? "" : regression ? ", or for classes top" : ", or top";
    if (l == NULL || l->cached == TRB_CACHED_NOT)
        (void)snprintf(end, left, "each member's logits%s%s", top, m->heads == TRB_COPIED_HEADS ? "; a `split`" : "");
    else if (l->tempered_by != NULL)
        (void)snprintf(end, left, "logits%s, or%s statistics with `%s: 1`", top,
                       regression && top[0] == '\0' ? " for classes" : "", l->tempered_by);
    else
        (void)snprintf(end, left, "logits or statistics");
    return text;
}
