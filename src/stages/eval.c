/* The stage that evaluates: loads sets and models, walks over the sets, computes figures, writes the report. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval.h"
#include "labels.h"
#include "report.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

/* What is evaluated, and the results. */
typedef struct {
    const trb_config *c;
    trb__dataset train, test, *alien; /* alien [eval.ood] */
    trb__models models;
    trb__set set, held, *ood;         /* reported rows; held-out rows; eval.ood */
    trb__result *r, *r_held, **r_ood; /* NULL for a set without a walk */
    bool holds, calibrates;           /* there are held-out rows; temperatures are fitted on them */
    const trb__eval_task *task;
    trb_metrics *each, *corrupted; /* [slots], [eval.corruptions][STRENGTHS][slots] */
    trb_metrics *alien_each;       /* [eval.ood][slots] only correlations are known */
    trb_detection *found;          /* [eval.ood][slots][TRB_SCORES] */
    double *nll;                   /* [M] by the size of the ensemble */
} evaluation;

/* ---- the sets */

/* Choose the rows to evaluate: the test set, or a part of the training set. */
static trb_status choose_rows(trb_comm *world, evaluation *e)
{
    const trb_config *c = e->c;
    const bool of_train = strcmp(c->eval.split, "test") != 0, val = strcmp(c->eval.split, "validation") == 0;
    const trb__dataset *s = &e->train;
    (void)snprintf(e->set.name, sizeof e->set.name, "%s", c->eval.split);
    e->set.data = of_train ? &s->data : &e->test.data;
    e->set.n = !of_train ? e->test.data.n : val ? s->n_val : s->n_train;
    e->set.timed = e->set.keep = e->set.keep_rows = true;
    e->holds = s->n_val > 0 && !val && trb_data_labelled(&s->data);
    e->calibrates = e->holds && e->task == &trb__task_classes;
    e->set.by_class = e->task == &trb__task_classes;
    if (of_train && !trb_data_labelled(&s->data))
        return trb_fail(TRB_ECONFIG, "eval.split: %s is a part of data.train, which has no labels; set it to test",
                        c->eval.split);
    e->set.keep_members = e->calibrates;
    TRB_TRY(trb__set_open(world, c, !of_train ? NULL : val ? s->val : s->train, &e->set));
    (void)snprintf(e->held.name, sizeof e->held.name, "validation");
    e->held.data = &s->data;
    e->held.n = s->n_val;
    e->held.keep = e->held.keep_members = e->calibrates;
    e->held.keep_rows = !e->calibrates;
    if (e->holds) TRB_TRY(trb__set_open(world, c, s->val, &e->held));
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        trb__set *set = &e->ood[i];
        (void)snprintf(set->name, sizeof set->name, "%s", c->eval.ood[i].name);
        set->data = &e->alien[i].data;
        set->n = set->data->n;
        set->alien = set->keep_rows = true;
        TRB_TRY(trb__set_open(world, c, NULL, set));
    }
    return trb__corruptions_check(c, e->set.data);
}

/* Collective over world; the status is agreed. */
static trb_status load_sets(trb_comm *world, evaluation *e)
{
    const trb_config *c = e->c;
    TRB_TRY(trb_agree(world, trb__reported_check(c)));
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_IF_THERE, &e->train));
    e->task = c->data.task == TRB_TASK_REGRESSION ? &trb__task_regression : &trb__task_classes;
    if (strcmp(c->eval.split, "test") == 0) TRB_TRY(trb__dataset_load_test(world, c, &e->train, &e->test));
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->eval.n_ood, sizeof *e->alien, &e->alien);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, c->eval.n_ood, sizeof(trb__result *), &e->r_ood);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, c->eval.n_ood, sizeof *e->ood, &e->ood);
    TRB_TRY(trb_agree(world, st));
    for (size_t i = 0; i < c->eval.n_ood; i++) TRB_TRY(trb__ood_load(world, c, i, &e->train.data, &e->alien[i]));
    return trb_agree(world, choose_rows(world, e));
}

/* ---- the models */

/* Find the members' logits of all sets in caches. Collective over world; the status is agreed. */
static trb_status find_members(trb_comm *world, evaluation *e, uint64_t *digest)
{
    const size_t n_ood = e->c->eval.n_ood;
    trb__set **set = NULL;
    trb_status st = trb_agree(world, trb_alloc(TRB_MEM_OTHER, 2 + n_ood, sizeof *set, &set));
    TRB_TRY(st);
    size_t n = 0;
    set[n++] = &e->set;
    if (e->holds) set[n++] = &e->held;
    for (size_t i = 0; i < n_ood; i++) set[n++] = &e->ood[i];
    st = trb__models_find(world, e->c, &e->train.data, n, set, digest, &e->models);
    trb_free(set);
    return st;
}

/* Load the models. Members are evaluated from their weights if all of them exist, otherwise from logits in caches.
 * Collective over world; the status is agreed. */
static trb_status load_models(trb_comm *world, evaluation *e)
{
    const trb_config *c = e->c;
    trb__models *models = &e->models;
    char *followed = NULL;
    bool weights = true;
    models->M = c->members.count;
    models->batch = c->eval.batch;
    models->memory = c->cache.memory;
    trb_status st = trb_alloc(TRB_MEM_OTHER, models->M, sizeof *models->member_digest, &models->member_digest);
    st = trb_agree(world, st);
    uint64_t *digest = models->member_digest;
    if (st == TRB_OK) st = trb__member_digests(world, c, &e->train.data, false, digest);
    if (st != TRB_OK) goto done;
    for (size_t m = 0; m < models->M; m++) weights = weights && digest[m] != 0;
    e->set.members = e->held.members = weights;
    for (size_t i = 0; i < c->eval.n_ood; i++) e->ood[i].members = weights;
    if (!weights) TRB_GO(find_members(world, e, digest));
    if (!e->set.members) models->M = 0;
    st = trb_identity_followed(c->members.count, digest, &followed);
    if (st == TRB_OK) st = trb__models_load(c, &e->train.data, weights ? digest : NULL, followed, models);
    /* The training set need not have labels, so networks may know fewer classes than the rows that are reported. */
    if (st == TRB_OK)
        st = trb__labels_check_reported(e->set.data == &e->test.data ? "data.test" : "data.train", &e->train.data,
                                        e->set.data, models->K);
    TRB_GO(trb_agree(world, st));
    st = trb_comm_same(world, trb_hash_bytes(models->student_digest, models->S * sizeof *models->student_digest),
                       "the students' weights");
done:
    trb_free(followed);
    return st;
}

/* ---- the walks */

/* Say whose figures on a set are unknown, because there are predictions that are not finite. */
static void warn_of_lost(const evaluation *e, const trb__set *set, const trb__result *r)
{
    const size_t M = e->models.M;
    char room[256];
    trb_text names = trb_text_in(room, sizeof room);
    const trb__result *most = NULL;
    for (size_t slot = 0; slot < trb__slots(&e->models); slot++) {
        if (r[slot].lost == 0) continue;
        if (slot < M) trb_text_add(&names, "%smember %zu", names.n > 0 ? ", " : "", slot);
        if (slot >= M)
            trb_text_add(&names, "%s%s", names.n > 0 ? ", " : "",
                         slot == M ? "ensemble" : e->c->student[slot - M - 1].name);
        if (most == NULL || r[slot].lost > most->lost) most = &r[slot];
    }
    if (most != NULL)
        trb_warn("%s: predictions of up to %zu of %s are not finite, the first for sample %" PRId64
                 ", counted from 0; the figures of these models on this set are null (%s). Look at the inputs of these "
                 "samples",
                 set->name, most->lost, TRB_COUNT(set->n, "sample"), most->first_lost, room);
}

/* Evaluate the corrupted copies one after another, and keep only their figures. Collective over world; the status is
 * agreed. */
static trb_status walk_corrupted(trb_comm *world, evaluation *e, trb_progress *progress)
{
    const trb_config *c = e->c;
    const size_t slots = trb__slots(&e->models);
    for (size_t i = 0; i < c->eval.n_corruptions * TRB_CORRUPT_STRENGTHS; i++) {
        trb__set set = e->set;
        trb__result *r = NULL;
        trb_status st = trb_corrupt_find(c->eval.corruptions[i / TRB_CORRUPT_STRENGTHS], &set.corrupt);
        set.strength = (unsigned)(i % TRB_CORRUPT_STRENGTHS) + 1;
        set.timed = set.keep = set.keep_members = set.by_class = false;
        set.members = e->set.members && e->models.member != NULL; /* a cache has no logits of corrupted rows */
        (void)snprintf(set.name, sizeof set.name, "%s %u", trb_corrupt_name(set.corrupt), set.strength);
        st = trb_agree(world, st);
        if (st == TRB_OK) st = trb__walk(world, &e->models, &set, e->task, progress, &r);
        if (st == TRB_OK) warn_of_lost(e, &set, r);
        if (st == TRB_OK) st = trb__figures(world, &e->models, &set, e->task, r, e->corrupted + i * slots);
        if (st == TRB_OK) st = trb__correlate(world, &e->models, &set, r, e->corrupted + i * slots);
        trb__results_free(&e->models, r);
        TRB_TRY(st);
    }
    return TRB_OK;
}

static void free_metrics(size_t n, trb_metrics *m)
{
    for (size_t i = 0; i < n; i++) m[i] = trb_metrics_unknown();
}

/* Compute the figures of all slots from the walks. Collective over world; the status is agreed. */
static trb_status judge(trb_comm *world, evaluation *e)
{
    const trb_config *c = e->c;
    trb__models *models = &e->models;
    const size_t slots = trb__slots(models);
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        TRB_TRY(trb__figures_of_ood(world, models, &e->set, e->r, &e->ood[i], e->r_ood[i],
                                    e->found + i * slots * TRB_SCORES));
        TRB_TRY(trb__correlate(world, models, &e->ood[i], e->r_ood[i], e->alien_each + i * slots));
    }
    TRB_TRY(trb__figures(world, models, &e->set, e->task, e->r, e->each));
    TRB_TRY(trb__figures_by_row(world, models, &e->set, e->r, e->each));
    TRB_TRY(trb__correlate(world, models, &e->set, e->r, e->each));
    if (e->holds) TRB_TRY(trb__conformal(world, models, e->task, &e->held, e->r_held, &e->set, e->r, e->each));
    if (c->data.task == TRB_TASK_REGRESSION) return TRB_OK;
    TRB_TRY(trb__figures_by_class(world, models, &e->set, e->r, e->each));
    if (e->calibrates) return trb__calibrate(world, c, models, &e->held, e->r_held, &e->set, e->r, e->each, e->nll);
    trb_info("no calibrated figures: %s",
             !trb_data_labelled(&e->train.data) ? "they need labels of the validation part, and data.train has none"
             : strcmp(c->eval.split, "validation") == 0 ? "they need a validation part that is not the one reported"
                                                        : "they need a validation part (data.validation)");
    return TRB_OK;
}

/* Walk over all sets, and compute the figures of all slots. Collective over world; the status is agreed. */
static trb_status evaluate(trb_comm *world, evaluation *e)
{
    const trb_config *c = e->c;
    trb__models *models = &e->models;
    const size_t slots = trb__slots(models), copies = c->eval.n_corruptions * TRB_CORRUPT_STRENGTHS;
    size_t blocks = (1 + copies) * e->set.count + e->held.count;
    for (size_t i = 0; i < c->eval.n_ood; i++) blocks += e->ood[i].count;
    trb_progress progress;
    trb_progress_begin(&progress, blocks, "blocks", "evaluate");
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, slots, sizeof *e->each, &e->each));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, copies * slots, sizeof *e->corrupted, &e->corrupted));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, c->eval.n_ood * slots, sizeof *e->alien_each, &e->alien_each));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, c->eval.n_ood * slots * TRB_SCORES, sizeof *e->found, &e->found));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, models->M, sizeof *e->nll, &e->nll));
    free_metrics(slots, e->each);
    free_metrics(copies * slots, e->corrupted);
    free_metrics(c->eval.n_ood * slots, e->alien_each);
done:
    TRB_TRY(trb_agree(world, st));
    TRB_TRY(trb__walk(world, models, &e->set, e->task, &progress, &e->r));
    if (e->holds) TRB_TRY(trb__walk(world, models, &e->held, e->task, &progress, &e->r_held));
    for (size_t i = 0; i < c->eval.n_ood; i++)
        TRB_TRY(trb__walk(world, models, &e->ood[i], e->task, &progress, &e->r_ood[i]));
    warn_of_lost(e, &e->set, e->r);
    if (e->holds) warn_of_lost(e, &e->held, e->r_held);
    for (size_t i = 0; i < c->eval.n_ood; i++) warn_of_lost(e, &e->ood[i], e->r_ood[i]);
    TRB_TRY(walk_corrupted(world, e, &progress));
    trb_progress_end(&progress, "");
    return judge(world, e);
}

/* ---- the report */

static trb_detection mean_detection(size_t n, const trb_detection *d, size_t stride)
{
    trb_detection mean = {0};
    for (size_t i = 0; i < n; i++) {
        mean.auroc += d[i * stride].auroc / (double)n;
        mean.aupr += d[i * stride].aupr / (double)n;
        mean.fpr95 += d[i * stride].fpr95 / (double)n;
    }
    return mean;
}

/* Fill a row of the report with the mean over slots [slot, slot + n). */
static void fill_row(const evaluation *e, size_t slot, size_t n, size_t row, trb_report *report)
{
    const size_t slots = trb__slots(&e->models), copies = e->c->eval.n_corruptions * TRB_CORRUPT_STRENGTHS;
    report->row[row].metrics = trb_metrics_mean(n, &e->each[slot]);
    for (size_t i = 0; i < e->c->eval.n_ood; i++)
        report->ood_metrics[i * report->n + row] = trb_metrics_mean(n, &e->alien_each[i * slots + slot]);
    for (size_t i = 0; i < copies; i++)
        report->corrupted[i * report->n + row] = trb_metrics_mean(n, &e->corrupted[i * slots + slot]);
    for (size_t i = 0; i < e->c->eval.n_ood; i++)
        for (size_t k = 0; k < TRB_SCORES; k++)
            report->ood[(i * report->n + row) * TRB_SCORES + k] =
                mean_detection(n, &e->found[(i * slots + slot) * TRB_SCORES + k], TRB_SCORES);
}

/* How many members have rows of their own: all if their layers differ, because then their mean says little; else
 * none. */
static size_t single_rows(const trb__models *models)
{
    for (size_t m = 1; models->member != NULL && m < models->M; m++)
        if (strcmp(trb_net_layers(models->member[m].net), trb_net_layers(models->member[0].net)) != 0) return models->M;
    return 0;
}

/* Fill names, sizes and times of the rows. Collective over world; the status is agreed. */
static trb_status fill_models(trb_comm *world, const evaluation *e, trb_report *report)
{
    const trb__models *models = &e->models;
    const size_t M = models->M;
    trb_report_row *row = report->row;
    for (size_t m = 0; m < single_rows(models); m++, row++) {
        (void)snprintf(row->name, sizeof row->name, "m%03zu", m);
        row->params = trb_net_trained(models->member[m].net);
        TRB_TRY(trb__measure(world, &e->set, 1, &models->member[m], &row->ms_per_sample));
    }
    if (M > 0) {
        trb_report_row *mean = row++, *ensemble = row++;
        for (size_t m = 0; m < M && models->member != NULL; m++)
            ensemble->params += trb_net_trained(models->member[m].net);
        (void)snprintf(mean->name, sizeof mean->name, "member_mean");
        mean->params = (ensemble->params + M / 2) / M;
        (void)snprintf(ensemble->name, sizeof ensemble->name, "ensemble");
        ensemble->several = M > 1;
        TRB_TRY(trb__measure(world, &e->set, M, models->member, &ensemble->ms_per_sample));
        mean->ms_per_sample = ensemble->ms_per_sample / (double)M;
    }
    for (size_t s = 0; s < models->S; s++, row++) {
        (void)snprintf(row->name, sizeof row->name, "%s", e->c->student[s].name);
        row->several = models->student[s].several;
        row->params = trb_net_trained(models->student[s].net);
        TRB_TRY(trb__measure(world, &e->set, 1, &models->student[s], &row->ms_per_sample));
    }
    return TRB_OK;
}

/* Whether there are calibrated figures of members, which need their logits of both sets. */
static bool calibrates_members(const evaluation *e)
{
    return e->calibrates && e->held.members && e->models.M > 0;
}

/* Fill the report on every rank. Collective over world; the status is agreed. */
static trb_status fill_report(trb_comm *world, const evaluation *e, trb_report *report)
{
    const trb_config *c = e->c;
    const size_t M = e->models.M, S = e->models.S, single = single_rows(&e->models),
                 copies = c->eval.n_corruptions * TRB_CORRUPT_STRENGTHS;
    report->task = c->data.task;
    report->samples = e->set.n;
    report->trained_on = e->train.data.digest;
    report->evaluated_on = e->set.data->digest;
    report->members = M;
    report->n = single + (M > 0 ? 2 : 0) + S;
    const size_t aliens = c->eval.n_ood * report->n, ood = aliens * TRB_SCORES;
    trb_status st = trb_alloc(TRB_MEM_OTHER, report->n, sizeof *report->row, &report->row);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, c->eval.n_ood, sizeof *report->ood_samples, &report->ood_samples);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, ood, sizeof *report->ood, &report->ood);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, aliens, sizeof *report->ood_metrics, &report->ood_metrics);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, copies * report->n, sizeof *report->corrupted, &report->corrupted);
    if (st == TRB_OK && calibrates_members(e))
        st = trb_alloc(TRB_MEM_OTHER, M, sizeof *report->nll_by_size, &report->nll_by_size);
    TRB_TRY(trb_agree(world, st));
    for (size_t i = 0; i < c->eval.n_ood; i++) report->ood_samples[i] = e->ood[i].n;
    TRB_TRY(fill_models(world, e, report));
    if (M > 0) {
        for (size_t m = 0; m < single; m++) fill_row(e, m, 1, m, report);
        fill_row(e, 0, M, single, report);
        fill_row(e, M, 1, single + 1, report);
        /* A single member is worth one member by definition. The mean over members would differ, since each value is
         * limited to at least 1. */
        trb_metrics *mean = &report->row[single].metrics;
        if (calibrates_members(e) && !isnan(mean->deep_ensemble_equivalent)) mean->deep_ensemble_equivalent = 1.0;
        if (calibrates_members(e)) memcpy(report->nll_by_size, e->nll, M * sizeof *e->nll);
    }
    for (size_t s = 0; s < S; s++) fill_row(e, M + 1 + s, 1, report->n - S + s, report);
    /* Only rank 0 has the figures. */
    TRB_TRY(trb_comm_bcast(world, report->row, report->n * sizeof *report->row, 0));
    TRB_TRY(trb_comm_bcast(world, report->ood, ood * sizeof *report->ood, 0));
    TRB_TRY(trb_comm_bcast(world, report->ood_metrics, aliens * sizeof *report->ood_metrics, 0));
    TRB_TRY(trb_comm_bcast(world, report->corrupted, copies * report->n * sizeof *report->corrupted, 0));
    if (report->nll_by_size == NULL) return TRB_OK;
    return trb_comm_bcast(world, report->nll_by_size, M * sizeof *report->nll_by_size, 0);
}

/* Write predictions and uncertainties of the ensemble and the students, one model at a time at rank 0. Collective over
 * world; the status is agreed. */
static trb_status write_predictions(trb_comm *world, const evaluation *e, trb__predictions *file)
{
    const bool leads = trb_comm_rank(world) == 0;
    const trb__models *models = &e->models;
    const double offset = e->set.data->schema != NULL ? e->set.data->schema->target_offset : 0.0;
    size_t most = e->set.n, width = 0;
    for (size_t slot = models->M; slot < trb__slots(models); slot++) {
        const size_t is = e->task->width(trb__slot_heads(models, slot), models->K);
        width = is > width ? is : width;
    }
    for (size_t i = 0; i < e->c->eval.n_ood; i++) most = e->ood[i].n > most ? e->ood[i].n : most;
    float *p = NULL;
    trb_row_figures *row = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, leads ? e->set.n * width : 0, sizeof *p, &p);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, leads ? most : 0, sizeof *row, &row);
    TRB_GO(trb_agree(world, st));
    for (size_t slot = models->M > 0 ? models->M : 1 + models->M; slot < trb__slots(models); slot++) {
        const char *name = slot == models->M ? "ensemble" : e->c->student[slot - models->M - 1].name;
        const bool several = trb__slot_several(models, slot);
        const size_t heads = trb__slot_heads(models, slot);
        TRB_GO(trb__join_rows(world, &e->set, e->r[slot].kept, e->task->width(heads, models->K) * sizeof *p, p));
        if (leads) st = trb__predictions_add(file, name, e->task->show(e->set.n, heads, models->K, p), offset, p);
        TRB_GO(trb_agree(world, st));
        for (size_t i = 0; i <= e->c->eval.n_ood; i++) {
            const trb__set *set = i == 0 ? &e->set : &e->ood[i - 1];
            const trb__result *r = i == 0 ? &e->r[slot] : &e->r_ood[i - 1][slot];
            if (slot == models->M && !set->members) continue;
            TRB_GO(trb__join_rows(world, set, r->row, sizeof *row, row));
            if (leads) st = trb__predictions_add_uncertainty(file, set->name, name, several, set->n, row);
            TRB_GO(trb_agree(world, st));
        }
    }
done:
    trb_free(row);
    trb_free(p);
    return st;
}

static trb_status publish_figures(const evaluation *e, const char *path, const trb_report *report)
{
    const trb_config *c = e->c;
    const trb_data *train = &e->train.data;
    trb__read_set *set = NULL;
    size_t n = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 + c->eval.n_ood, sizeof *set, &set));
    set[n++] = (trb__read_set){.name = "train", .data = train, .format = c->data.format, .parts = &e->train};
    if (e->set.data != train)
        set[n++] =
            (trb__read_set){.name = "test", .data = &e->test.data, .format = c->data.format, .trained_on = train};
    for (size_t i = 0; i < c->eval.n_ood; i++)
        set[n++] = (trb__read_set){.name = c->eval.ood[i].name,
                                   .data = &e->alien[i].data,
                                   .format = c->eval.ood[i].format,
                                   .unlabelled = true,
                                   .trained_on = train};
    const char **name = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, e->models.S, sizeof *name, &name);
    for (size_t s = 0; st == TRB_OK && s < e->models.S; s++) name[s] = c->student[s].name;
    const trb__weights_of weights = {.M = e->models.M,
                                     .S = e->models.S,
                                     .member = e->models.member_digest,
                                     .student = e->models.student_digest,
                                     .name = name};
    if (st == TRB_OK) st = trb__report_publish(path, c, n, set, e->train.schema_text, &weights, report);
    trb_free(name);
    trb_free(set);
    return st;
}

/* Write the files of the report on rank 0. Collective over world; the status is agreed. */
static trb_status publish_report(trb_comm *world, const evaluation *e, const trb_report *report)
{
    const trb_config *c = e->c;
    const bool leads = trb_comm_rank(world) == 0;
    trb__predictions *file = NULL;
    const trb__path folder = trb__report_folder(c);
    char predictions[TRB_PATH_BYTES + 16], figures[TRB_PATH_BYTES + 16];
    (void)snprintf(predictions, sizeof predictions, "%s/predictions.h5", folder.text);
    (void)snprintf(figures, sizeof figures, "%s/report.json", folder.text);
    trb_status st = leads ? trb_mkdirs(folder.text) : TRB_OK;
    if (leads) trb_folder_sweep(folder.text);
    if (st == TRB_OK && leads) st = trb__predictions_create(predictions, e->set.data, e->set.n, e->set.id, &file);
    st = trb_agree(world, st);
    if (st == TRB_OK) st = write_predictions(world, e, file);
    if (st != TRB_OK || !leads) {
        trb__predictions_abandon(file);
    } else {
        st = trb__predictions_publish(file);
        if (st == TRB_OK) st = publish_figures(e, figures, report);
        if (st == TRB_OK && c->eval.name[0] != '\0') trb_info("eval: the report is in %s", folder.text);
    }
    return trb_agree(world, st);
}

/* ---- the stage */

static void release(evaluation *e)
{
    trb__results_free(&e->models, e->r);
    trb__results_free(&e->models, e->r_held);
    for (size_t i = 0; i < e->c->eval.n_ood; i++) {
        if (e->r_ood != NULL) trb__results_free(&e->models, e->r_ood[i]);
        if (e->ood != NULL) trb__set_close(&e->ood[i]);
        if (e->alien != NULL) trb__dataset_clear(&e->alien[i]);
    }
    trb_free(e->r_ood);
    trb_free(e->ood);
    trb_free(e->alien);
    trb_free(e->nll);
    trb_free(e->found);
    trb_free(e->alien_each);
    trb_free(e->corrupted);
    trb_free(e->each);
    trb__models_clear(&e->models);
    trb__set_close(&e->held);
    trb__set_close(&e->set);
    trb__dataset_clear(&e->test);
    trb__dataset_clear(&e->train);
}

/* Say whose weights have changed since the report was made that this one replaces. */
static trb_status say_older(const evaluation *e, const char *folder)
{
    char path[TRB_PATH_BYTES + 16], *older = NULL;
    (void)snprintf(path, sizeof path, "%s/report.json", folder);
    TRB_TRY(trb__report_older_at(e->c->run.dir, path, &older));
    if (older != NULL) trb_info("eval: the report in %s was of other weights of %s; it is made anew", folder, older);
    trb_free(older);
    return TRB_OK;
}

/* Rank 0: lock the folder of the report, whose path begins with that of the run. */
static trb_status lock_report(const evaluation *e, trb_lock **lock)
{
    const trb__path folder = trb__report_folder(e->c);
    TRB_TRY(trb__run_lock(e->c, folder.text + strlen(e->c->run.dir) + 1, lock));
    TRB_TRY(trb__report_expect(e->c, e->set.data->digest));
    return say_older(e, folder.text);
}

trb_status trb_stage_eval(trb_comm *world, const trb_config *c, trb_report *report)
{
    evaluation e = {.c = c};
    trb_lock *lock = NULL;
    *report = (trb_report){0};
    trb_status st = load_sets(world, &e);
    if (st == TRB_OK) {
        st = load_models(world, &e);
        if (st == TRB_OK && trb_comm_rank(world) == 0) st = lock_report(&e, &lock);
        st = trb__run_lock_share(world, c, st, &lock);
    }
    if (st == TRB_OK) st = evaluate(world, &e);
    if (st == TRB_OK) st = fill_report(world, &e, report);
    if (st == TRB_OK) st = publish_report(world, &e, report);
    trb_lock_close(lock);
    release(&e);
    if (st != TRB_OK) trb_report_clear(report);
    return st;
}

void trb_report_clear(trb_report *r)
{
    trb_free(r->nll_by_size);
    trb_free(r->corrupted);
    trb_free(r->ood_metrics);
    trb_free(r->ood);
    trb_free(r->ood_samples);
    trb_free(r->row);
    *r = (trb_report){0};
}
