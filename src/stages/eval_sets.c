/* The sets of rows that are evaluated, and the part of each set that a rank has. */
#include <string.h>

#include "describe.h"
#include "eval.h"
#include "tribikos/memory.h"

size_t trb__set_rows(const trb__set *set, size_t i)
{
    const size_t at = (set->first + i) * set->batch;
    return set->n - at < set->batch ? set->n - at : set->batch;
}

trb_status trb__set_open(trb_comm *world, const trb_config *c, const int64_t *id, trb__set *set)
{
    if (set->n == 0) return trb_fail(TRB_ECONFIG, "eval.split: the %s part has no samples", set->name);
    set->batch = c->eval.batch;
    set->bins = c->eval.bins;
    set->seed = c->run.seed;
    set->blocks = (set->n + set->batch - 1) / set->batch;
    trb_share(set->blocks, trb_comm_rank(world), trb_comm_size(world), &set->first, &set->count);
    set->at = set->first * set->batch;
    for (size_t i = 0; i < set->count; i++) set->rows += trb__set_rows(set, i);
    TRB_TRY(trb_alloc(TRB_MEM_DATA, set->n, sizeof *set->id, &set->id));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, set->rows, sizeof *set->label, &set->label));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, set->rows, sizeof *set->target, &set->target));
    for (size_t i = 0; i < set->n; i++) set->id[i] = id != NULL ? id[i] : (int64_t)i;
    for (size_t i = 0; i < set->rows; i++) {
        const int64_t id = set->id[set->at + i];
        if (set->data->target != NULL) set->target[i] = set->data->target[id];
        if (set->data->label != NULL) set->label[i] = set->data->label[id];
    }
    return TRB_OK;
}

void trb__set_close(trb__set *set)
{
    trb_free(set->target);
    trb_free(set->label);
    trb_free(set->id);
    *set = (trb__set){0};
}

static trb_status prepare_ood(const trb_ood_opts *o, const trb_data *trained_on, trb_data *d)
{
    const trb__read_set set = {
        .name = o->name, .data = d, .format = o->format, .unlabelled = true, .trained_on = trained_on};
    TRB_TRY(trb_data_normalize_as(d, trained_on));
    return trb__describe(&set);
}

trb_status trb__ood_load(trb_comm *world, const trb_config *c, size_t i, const trb_data *trained_on, trb__dataset *out)
{
    const trb_ood_opts *o = &c->eval.ood[i];
    const bool tables = c->data.format == TRB_FORMAT_TABLE;
    const trb_data_files files = {.task = c->data.task,
                                  .format = o->format,
                                  .root = o->root,
                                  .n_files = o->n_files,
                                  .files = o->files,
                                  .header = c->data.header,
                                  .separator = trb__separator(c),
                                  .missing = c->data.missing,
                                  .labels = TRB_LABELS_IGNORED,
                                  .layout = o->layout,
                                  .x = o->x,
                                  .schema = tables || o->format != TRB_FORMAT_TABLE ? trained_on->schema : NULL};
    *out = (trb__dataset){0};
    char what[TRB_NAME_MAX + 8];
    (void)snprintf(what, sizeof what, "ood.%s", o->name);
    trb_status st = trb__dataset_read(world, what, &files, out);
    if (st == TRB_OK) st = trb_agree(world, prepare_ood(o, trained_on, &out->data));
    if (st == TRB_OK) st = trb_comm_same(world, out->data.digest, "a set of eval.ood");
    if (st != TRB_OK) trb__dataset_clear(out);
    return trb_fail_of(st, "ood.%s: ", o->name);
}

trb_status trb__reported_check(const trb_config *c)
{
    if (strcmp(c->eval.split, "test") == 0 && c->data.n_test == 0)
        return trb_fail(
            TRB_ECONFIG,
            "key `data.test`: [] contradicts `eval.split`: test: there is no test set to report on; give its "
            "files, or hold samples out (`data.validation`) and set `eval.split` to validation");
    if (strcmp(c->eval.split, "validation") == 0 && c->data.validation == 0)
        return trb_fail(TRB_ECONFIG,
                        "key `eval.split`: validation contradicts `data.validation`: 0: no samples are held out to "
                        "report on");
    return TRB_OK;
}

trb_status trb__corruptions_check(const trb_config *c, const trb_data *data)
{
    if (c->eval.n_corruptions == 0) return TRB_OK;
    return trb_fail_of(trb_corrupt_check(data), "eval.corruptions: ");
}
