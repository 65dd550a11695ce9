/* Networks that exist but are of another configuration: a stage collects them, and refuses all in one message. */
#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

trb_status trb__others_add(trb__others *o, const char *name, char *difference)
{
    struct trb__other *more = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, o->n + 1, sizeof *more, &more);
    if (st != TRB_OK) {
        trb_free(difference);
        return st;
    }
    if (o->n > 0) memcpy(more, o->one, o->n * sizeof *more);
    trb_free(o->one);
    o->one = more;
    (void)snprintf(more[o->n].name, sizeof more->name, "%s", name);
    more[o->n++].difference = difference;
    return TRB_OK;
}

void trb__others_clear(trb__others *o)
{
    for (size_t i = 0; i < o->n; i++) trb_free(o->one[i].difference);
    trb_free(o->one);
    *o = (trb__others){0};
}

/* Whether an earlier network differs in the same way, so that both are in one list. */
static bool is_listed(const trb__others *o, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(o->one[k].difference, o->one[i].difference) == 0) return true;
    return false;
}

/* "m000, m001: `train.lr` was 0.001 and is 0.002 now; m002: ...". A long list of names is cut off, so that the line
 * still says how they differ. */
static void list(const trb__others *o, trb_text *t)
{
    enum { MOST = 8 };
    for (size_t i = 0; i < o->n; i++) {
        size_t alike = 0;
        if (is_listed(o, i)) continue;
        for (size_t k = i; k < o->n; k++) {
            if (strcmp(o->one[k].difference, o->one[i].difference) != 0 || alike++ >= MOST) continue;
            trb_text_add(t, "%s%s", alike > 1 ? ", " : i > 0 ? "; " : "", o->one[k].name);
        }
        if (alike > MOST) trb_text_add(t, " and %zu more", alike - MOST);
        trb_text_add(t, ": %s", o->one[i].difference);
    }
}

trb_status trb__others_refuse_members(const trb__others *o, const char *folder)
{
    trb_text t = {0};
    char *which = NULL;
    if (o->n == 0) return TRB_OK;
    list(o, &t);
    TRB_TRY(trb_text_take(&t, &which));
    const trb_status st =
        trb_fail(TRB_EINTEGRITY,
                 "%zu trained %s in %s %s of another configuration (%s); use another run.dir, or set the values back; "
                 "removing %s to train anew loses the weights",
                 o->n, o->n == 1 ? "member" : "members", folder, o->n == 1 ? "is" : "are", which,
                 o->n == 1 ? "its folder" : "their folders");
    trb_free(which);
    return st;
}

trb_status trb__others_refuse_students(const trb__others *o, const char *folder, size_t n)
{
    trb_text t = {0};
    char *which = NULL;
    if (o->n == 0) return TRB_OK;
    list(o, &t);
    TRB_TRY(trb_text_take(&t, &which));
    for (size_t i = 0; i < o->n; i++) trb_text_add(&t, "%s%s", i > 0 ? "," : "", o->one[i].name);
    char *names = NULL;
    trb_status st = trb_text_take(&t, &names);
    if (st == TRB_OK)
        st = trb_fail(TRB_EINTEGRITY,
                      "%zu trained %s in %s %s of another configuration (%s); --retrain=%s of `tribikos distill` and "
                      "`tribikos run` trains %s again, and keeps the old weights until then; or use another run.dir",
                      o->n, o->n == 1 ? "student" : "students", folder, o->n == 1 ? "is" : "are", which,
                      o->n == n ? "all" : names, o->n == 1 ? "it" : "them");
    trb_free(names);
    trb_free(which);
    return st;
}
