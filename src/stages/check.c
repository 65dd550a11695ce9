/* Checks what all stages need before the first one runs for hours. */
#include <stdio.h>
#include <string.h>

#include "eval.h"
#include "fit.h"

/* Check networks, their trainings and the recipes of views. Local. */
static trb_status check_networks(const trb_config *c, const trb__dataset *s)
{
    size_t K = 0;
    TRB_TRY(trb__common_outputs(c, &s->data, &K));
    for (size_t m = 0; m < c->members.count; m++) {
        char who[32];
        (void)snprintf(who, sizeof who, "member %zu", m);
        if (c->members.only[m]) TRB_TRY(trb__fit_check(&c->member[m], s, who));
    }
    for (size_t i = 0; i < c->cache.n_recipes; i++)
        TRB_TRY(trb_fail_of(trb_recipe_check(&c->cache.recipe[i], s->data.shape), "cache.view_recipes: "));
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(trb__student_check(c, i, s, c->members.count, K));
    return TRB_OK;
}

/* Check the data sets that will be evaluated. Collective over world; the status is agreed. */
static trb_status check_sets(trb_comm *world, const trb_config *c, const trb__dataset *s)
{
    trb__dataset test = {0};
    const bool tests = strcmp(c->eval.split, "test") == 0;
    trb_status st = tests ? trb__dataset_load_test(world, c, s, &test) : TRB_OK;
    if (st == TRB_OK) st = trb_agree(world, trb__corruptions_check(c, tests ? &test.data : &s->data));
    trb__dataset_clear(&test);
    for (size_t i = 0; st == TRB_OK && i < c->eval.n_ood; i++) {
        trb__dataset alien = {0};
        st = trb__ood_load(world, c, i, &s->data, &alien);
        trb__dataset_clear(&alien);
    }
    return st;
}

trb_status trb__check(trb_comm *world, const trb_config *c, const trb__dataset *s)
{
    TRB_TRY(trb_agree(world, check_networks(c, s)));
    return check_sets(world, c, s);
}

static trb_status check_ranks(const trb_config *c, int ranks)
{
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(trb__student_ranks(c, i, ranks));
    return TRB_OK;
}

trb_status trb_stage_check(trb_comm *world, const trb_config *c)
{
    trb__dataset s = {0};
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_NEEDED, &s));
    trb_status st = trb_agree(world, check_ranks(c, trb_comm_size(world)));
    if (st == TRB_OK) st = trb__check(world, c, &s);
    trb__dataset_clear(&s);
    return st;
}
