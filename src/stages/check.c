/* Checks what all stages need before the first one runs for hours. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "eval.h"
#include "fit.h"
#include "labels.h"
#include "outlook.h"
#include "report.h"
#include "space.h"
#include "steps.h"

static trb_status check_member(const trb_config *c, const trb__dataset *s, size_t m, const char *who)
{
    trb_net *net = NULL;
    TRB_TRY(trb__fit_check(&c->member[m], s, who));
    TRB_TRY(trb__member_net(c, m, &s->data, &net));
    const trb_status st = trb__steps_check(net, &c->member[m], s, who);
    trb_net_destroy(net);
    return st;
}

/* Check networks, their trainings and the recipes of views. Local. */
static trb_status check_networks(const trb_config *c, const trb__dataset *s)
{
    size_t K = 0;
    TRB_TRY(trb__labels_check(c, s));
    TRB_TRY(trb__common_outputs(c, &s->data, &K));
    for (size_t m = 0; m < c->members.count; m++) {
        char who[32];
        (void)snprintf(who, sizeof who, "member %zu", m);
        if (c->members.only[m]) TRB_TRY(check_member(c, s, m, who));
    }
    for (size_t i = 0; i < c->cache.n_recipes; i++)
        TRB_TRY(trb_fail_of(trb_recipe_check(&c->cache.recipe[i], s->data.shape), "cache.view_recipes: "));
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(trb__student_check(c, i, s, c->members.count, K));
    return trb__labels_warn(s);
}

/* Check the data sets that will be evaluated. Collective over world; the status is agreed.
 * \param[out] evaluated_on  the digest of the set that is reported on */
static trb_status check_sets(trb_comm *world, const trb_config *c, const trb__dataset *s, uint64_t *evaluated_on)
{
    trb__dataset test = {0};
    const bool tests = strcmp(c->eval.split, "test") == 0;
    trb_status st = tests ? trb__dataset_load_test(world, c, s, &test) : TRB_OK;
    size_t K = 0;
    if (st == TRB_OK && tests) st = trb_agree(world, trb__common_outputs(c, &s->data, &K));
    if (st == TRB_OK && tests) st = trb_agree(world, trb__labels_check_reported("data.test", &s->data, &test.data, K));
    if (st == TRB_OK) st = trb_agree(world, trb__corruptions_check(c, tests ? &test.data : &s->data));
    *evaluated_on = tests ? test.data.digest : s->data.digest;
    trb__dataset_clear(&test);
    for (size_t i = 0; st == TRB_OK && i < c->eval.n_ood; i++) {
        trb__dataset alien = {0};
        st = trb__ood_load(world, c, i, &s->data, &alien);
        trb__dataset_clear(&alien);
    }
    return st;
}

static trb_status check(trb_comm *world, const trb_config *c, const trb__dataset *s, uint64_t *evaluated_on)
{
    TRB_TRY(trb_agree(world, check_networks(c, s)));
    return check_sets(world, c, s, evaluated_on);
}

trb_status trb__check(trb_comm *world, const trb_config *c, const trb__dataset *s)
{
    uint64_t evaluated_on = 0;
    TRB_TRY(trb_agree(world, trb__reported_check(c)));
    return check(world, c, s, &evaluated_on);
}

/* Refuse a `cache.memory` that cannot hold the windows of a student's reader. Whether a rank keeps its part of the
 * cache depends on how many ranks a node has; here all may be on one. */
static trb_status check_memory(const trb_config *c, const trb__dataset *s, size_t i, size_t ranks)
{
    static const double MIB = 1.0 / (1 << 20);
    const trb_student_opts *o = &c->student[i];
    const size_t servers = trb_exchange_servers(&c->exchange), columns = o->head_groups;
    const size_t rows = ranks > servers + columns ? (ranks - servers) / columns : 1; /* of the grid */
    const size_t lanes = rows < o->fit.lanes ? (o->fit.lanes + rows - 1) / rows : 1, batch = o->fit.batch;
    trb_cache_spec spec = trb__run_cache_spec(c, &s->data);
    size_t least = 0;
    TRB_TRY(trb__common_outputs(c, &s->data, &spec.K));
    const trb_selection of = {spec.holds, o->views, 0, spec.M / columns};
    if (trb_reader_serves(&spec, of, lanes * (batch / o->fit.lanes), c->cache.memory, ranks, &least)) return TRB_OK;
    return trb_fail(
        TRB_ECONFIG,
        "student %s: `cache.memory` of %.0f MiB cannot hold the members' values of two windows of its steps; "
        "give at least %.0f, or take a smaller batch, more ranks or head groups",
        o->name, (double)c->cache.memory * MIB, ceil((double)least * MIB));
}

static trb_status check_ranks(const trb_config *c, int ranks)
{
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(trb__student_ranks(c, i, ranks));
    return TRB_OK;
}

/* Count the networks that all stages together have to train. Members that are not wanted must be there, because the
 * cache needs all of them. */
static trb_status count_missing(const trb_config *c, size_t *missing)
{
    *missing = 0;
    for (size_t m = 0; m < c->members.count; m++) {
        const trb__path weights = trb__run_path(c, "members/m%03zu/weights.h5", m);
        if (trb_file_exists(weights.text)) continue;
        if (!c->members.only[m])
            return trb_fail(TRB_ECONFIG,
                            "members.only leaves out member %zu, and %s is not there, but `run` needs all members; "
                            "choose members for `tribikos train` only",
                            m, weights.text);
        ++*missing;
    }
    for (size_t i = 0; i < c->n_students; i++)
        *missing += !trb_file_exists(trb__run_path(c, "student/%s/weights.h5", c->student[i].name).text);
    return TRB_OK;
}

/* Rank 0: what later stages would find out about the files of the run and about the disk. */
static trb_status check_files(const trb_config *c, const trb__dataset *s)
{
    size_t K = 0, missing = 0;
    TRB_TRY(count_missing(c, &missing));
    if (missing > 0) TRB_TRY(trb__resume_check(c, missing));
    TRB_TRY(trb__common_outputs(c, &s->data, &K));
    const trb_cache_spec spec = trb__run_cache_spec(c, &s->data);
    TRB_TRY(trb__cache_goes_on(trb__run_path(c, "cache").text, &spec, &s->data));
    return trb__space_check(c, s, K);
}

trb_status trb__memory_check(const trb_config *c, const trb__dataset *s, size_t ranks)
{
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(check_memory(c, s, i, ranks));
    return TRB_OK;
}

/* What exists is compared in the order in which it was made: a report on other samples often follows from members of
 * another data set, which is then what the user has to know. */
trb_status trb_stage_check(trb_comm *world, const trb_config *c)
{
    trb__dataset s = {0};
    uint64_t evaluated_on = 0;
    trb__outlook_whole();
    TRB_TRY(trb_agree(world, trb__reported_check(c)));
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_NEEDED, &s));
    trb_status st = trb_agree(world, check_ranks(c, trb_comm_size(world)));
    if (st == TRB_OK) st = check(world, c, &s, &evaluated_on);
    if (st == TRB_OK) st = trb_agree(world, trb__memory_check(c, &s, (size_t)trb_comm_size(world)));
    if (st == TRB_OK) st = trb__others_check(world, c, &s.data);
    if (st == TRB_OK) st = trb_agree(world, trb_comm_rank(world) == 0 ? check_files(c, &s) : TRB_OK);
    if (st == TRB_OK) st = trb_agree(world, trb_comm_rank(world) == 0 ? trb__report_expect(c, evaluated_on) : TRB_OK);
    trb__dataset_clear(&s);
    return st;
}
