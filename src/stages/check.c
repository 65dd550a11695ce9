#include <string.h>

#include "eval.h"

static trb_status check(const trb_config *c, const trb__samples *s, int ranks)
{
    size_t K = 0;
    TRB_TRY(trb__common_outputs(c, &s->data, &K));
    for (size_t i = 0; i < c->cache.n_recipes; i++)
        TRB_TRY(trb_fail_of(trb_recipe_check(&c->cache.recipe[i], s->data.shape), "cache.view_recipes: "));
    for (size_t i = 0; i < c->n_students; i++) TRB_TRY(trb__student_check(c, i, s, ranks, c->members.count, K));
    return TRB_OK;
}

trb_status trb_stage_check(trb_comm *world, const trb_config *c)
{
    trb__samples s = {0}, test = {0};
    TRB_TRY(trb__samples_load(world, c, &s));
    trb_status st = trb_agree(world, check(c, &s, trb_comm_size(world)));
    if (st == TRB_OK) st = trb__test_load(world, c, &s, &test);
    if (st == TRB_OK)
        st = trb_agree(world, trb__corruptions_check(c, strcmp(c->eval.split, "test") == 0 ? &test.data : &s.data));
    trb__samples_clear(&test);
    for (size_t i = 0; st == TRB_OK && i < c->eval.n_ood; i++) {
        trb__samples alien = {0};
        st = trb__ood_load(world, c, i, &s.data, &alien);
        trb__samples_clear(&alien);
    }
    trb__samples_clear(&s);
    return st;
}
