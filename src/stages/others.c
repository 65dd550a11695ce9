/* Networks that exist but are of another configuration: a stage collects them, and refuses all in one message. Students
 * among them can be trained again.
 *
 * | RUN/student/NAME.before | weights in RUN/student/NAME | state of NAME |
 * | no | any | as usual: kept, refused or trained |
 * | yes | no | it is trained again; a rerun goes on, with or without --retrain |
 * | yes | yes | it is trained again already; the old one is removed at the end of the stage |
 *
 * Folders are set aside in the order of the students, and removed in this order. So if the first of those that
 * --retrain names has none and a later one has one, a job was killed while it removed them, and all are trained. */
#include <string.h>

#include "internal.h"
#include "tribikos/log.h"
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

trb_status trb__others_refuse_members(const trb__others *o, const trb_config *c)
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
                 o->n, o->n == 1 ? "member" : "members", trb__run_path(c, "members").text, o->n == 1 ? "is" : "are",
                 which, o->n == 1 ? "its folder" : "their folders");
    trb_free(which);
    return st;
}

trb_status trb__others_refuse_students(const trb__others *o, const trb_config *c)
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
                      o->n, o->n == 1 ? "student" : "students", trb__run_path(c, "student").text,
                      o->n == 1 ? "is" : "are", which, o->n == c->n_students ? "all" : names,
                      o->n == 1 ? "it" : "them");
    trb_free(names);
    trb_free(which);
    return st;
}

static trb__path before(const trb_config *c, size_t i)
{
    return trb__run_path(c, "student/%s.before", c->student[i].name);
}

bool trb__retrain_begins(const trb_config *c, size_t i)
{
    if (!c->student[i].retrain) return false;
    for (size_t k = i; k < c->n_students; k++)
        if (c->student[k].retrain && trb_file_exists(before(c, k).text)) return false;
    return true;
}

trb_status trb__retrain_begin(const trb_config *c, size_t i)
{
    const trb__path is = trb__run_path(c, "student/%s", c->student[i].name), aside = before(c, i);
    if (!trb_file_exists(is.text)) return trb_mkdirs(aside.text); /* nothing to keep; the folder notes the beginning */
    TRB_TRY(trb_folder_move(is.text, aside.text));
    trb_info("student %s is trained again; until the new one is there, the old one is kept in %s", c->student[i].name,
             aside.text);
    return TRB_OK;
}

bool trb__retrain_lasts(const trb_config *c, size_t i)
{
    return trb_file_exists(before(c, i).text);
}

trb_status trb__retrain_end(const trb_config *c)
{
    for (size_t i = 0; i < c->n_students; i++)
        if (trb_file_exists(trb__run_path(c, "student/%s/weights.h5", c->student[i].name).text))
            TRB_TRY(trb_folder_remove(before(c, i).text));
    return TRB_OK;
}

/* A member that is not trained yet has the digest 0, which agrees with any. */
static trb_status find_others(const trb_config *c, const trb_data *data, const uint64_t *digest, trb__others *others)
{
    char *followed = NULL;
    trb_status st = trb_identity_followed(c->members.count, digest, &followed);
    for (size_t i = 0; st == TRB_OK && i < c->n_students; i++) {
        char *config = NULL, *difference = NULL;
        bool found = false;
        if (trb__retrain_begins(c, i)) continue;
        st = trb_identity_student(c, i, data, NULL, &config);
        if (st == TRB_OK)
            st = trb_identity_read(trb__run_path(c, "student/%s/weights.h5", c->student[i].name).text, config, followed,
                                   &found, &difference, NULL, NULL, NULL);
        trb_free(config);
        if (st == TRB_OK && difference != NULL) st = trb__others_add(others, c->student[i].name, difference);
    }
    trb_free(followed);
    return st;
}

trb_status trb__others_check(trb_comm *world, const trb_config *c, const trb_data *data)
{
    trb__others others = {0};
    uint64_t *digest = NULL;
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *digest, &digest));
    if (st == TRB_OK) st = trb__member_digests(world, c, data, false, digest);
    if (st == TRB_OK && trb_comm_rank(world) == 0) st = find_others(c, data, digest, &others);
    if (st == TRB_OK) st = trb__others_refuse_students(&others, c);
    trb__others_clear(&others);
    trb_free(digest);
    return trb_agree(world, st);
}
