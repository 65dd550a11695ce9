/* Students that are trained again, and students of another configuration that would have to be.
 *
 * | RUN/student/NAME.before | weights in RUN/student/NAME | state of NAME |
 * | no | any | as usual: kept, refused or trained |
 * | yes | no | it is trained again; a rerun goes on, with or without --retrain |
 * | yes | yes | it is trained again already; the old one is removed at the end of the command |
 *
 * The old ones are removed at the end of the command, so that a run that is stopped while it evaluates does not train
 * them once more when it is repeated. The folder RUN/student/.retrained exists meanwhile: after a job that was killed
 * then, a student whose old one is gone already is not trained once more either. */
#include "report.h"

#include <stdio.h>

#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stages.h"

static trb__path before(const trb_config *c, size_t i)
{
    return trb__run_path(c, "student/%s.before", c->student[i].name);
}

/* Whether a student of the configuration is set aside. */
static bool any_before(const trb_config *c)
{
    bool any = false;
    for (size_t i = 0; i < c->n_students; i++) any = any || trb_file_exists(before(c, i).text);
    return any;
}

bool trb__retrain_begins(const trb_config *c, size_t i)
{
    if (!c->student[i].retrain || trb_file_exists(before(c, i).text)) return false;
    return !trb_file_exists(trb__run_path(c, "student/.retrained").text) || !any_before(c);
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

/* Rank 0: remove the former ones of all students that are trained. \param[in,out] lock  of their folders */
static trb_status remove_former(const trb_config *c, trb_lock **lock)
{
    const trb__path mark = trb__run_path(c, "student/.retrained");
    if (trb_folder_forbidden(c->run.dir) || (!any_before(c) && !trb_file_exists(mark.text))) return TRB_OK;
    for (size_t i = 0; i < c->n_students; i++) {
        char folder[TRB_NAME_MAX + 16];
        (void)snprintf(folder, sizeof folder, "student/%s", c->student[i].name);
        if (trb_file_exists(before(c, i).text)) TRB_TRY(trb__run_lock(c, folder, lock));
    }
    TRB_TRY(trb_mkdirs(mark.text));
    for (size_t i = 0; i < c->n_students; i++)
        if (trb_file_exists(trb__run_path(c, "student/%s/weights.h5", c->student[i].name).text))
            TRB_TRY(trb_folder_remove(before(c, i).text));
    return trb_folder_remove(mark.text);
}

/* Rank 0: say that the run's report is about former weights. */
static trb_status say_older(const trb_config *c)
{
    char *older = NULL;
    TRB_TRY(trb__report_older_at(c->run.dir, trb__run_path(c, "report/report.json").text, &older));
    if (older != NULL)
        trb_info("%s is of other weights of %s than are there now; `tribikos eval` makes it anew",
                 trb__run_path(c, "report").text, older);
    trb_free(older);
    return TRB_OK;
}

trb_status trb_stage_settle(trb_comm *world, const trb_config *c)
{
    trb_lock *lock = NULL;
    trb_status st = trb_comm_rank(world) == 0 ? remove_former(c, &lock) : TRB_OK;
    if (st == TRB_OK && trb_comm_rank(world) == 0) st = say_older(c);
    trb_lock_close(lock);
    return trb_agree(world, st);
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
                                   &found, &difference, NULL, NULL, NULL, NULL);
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
    if (st == TRB_OK) st = trb__others_refuse_students(&others, trb__run_path(c, "student").text, c->n_students);
    trb__others_clear(&others);
    trb_free(digest);
    return trb_agree(world, st);
}
