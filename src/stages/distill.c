/* The stage that distils the students: what they learn from the cache, and the phases of their training.
 *
 * | the method's heads | phase 1 | phase 2 | at the end |
 * | TRB_ONE_HEAD | one head, epochs of both phases | | weights are written |
 * | TRB_COPIED_HEADS | one head | begins with a copy of it for each member; may be cut | heads are collected, matched |
 * | TRB_SHARING_HEADS | all heads, epochs of both phases | | heads are matched, or folded into one network |
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "costs.h"
#include "labels.h"
#include "outlook.h"
#include "reading.h"
#include "steps.h"
#include "teachers.h"
#include "temperature.h"
#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/stop.h"

/* Everything that the training of one student holds on this rank. */
typedef struct {
    trb_grid grid;
    const trb_config *c;
    const trb_student_opts *o;
    const trb__dataset *s;
    const trb_cache_spec *spec;
    trb__reading reading, inputs;
    trb_stored_rows stored;
    trb__teachers t;
    trb_augment *views;
    trb_jsonl *metrics;
    trb__place place;
    trb_checkpoint from;
    trb__network one, many;   /* phase 1 (one head, or all heads if they share weights); phase 2 (copies of the head) */
    trb_net *plain, *matched; /* the network into which heads are folded; heads with matched model uncertainty */
    float *params_plain;
    double temperature; /* of calibration; 0: none */
    char label[TRB_NAME_MAX + 48];
    double work, later; /* of this student; of those after it (outlook.h); rank 0 only */
} student;

static bool is_cut(const student *d)
{
    return d->grid.row != NULL;
}

static bool has_heads(const student *d)
{
    return d->o->method->heads == TRB_COPIED_HEADS;
}

static bool shares_weights(const student *d)
{
    return d->o->method->heads == TRB_SHARING_HEADS;
}

static const trb__network *trained_network(const student *d)
{
    return has_heads(d) ? &d->many : &d->one;
}

static void release(student *d)
{
    (void)trb_jsonl_close(d->metrics);
    trb_checkpoint_clear(&d->from);
    trb_augment_destroy(d->views);
    trb__teachers_close(&d->t);
    trb__network_close(&d->one);
    trb__network_close(&d->many);
    trb_net_destroy(d->plain);
    trb_net_destroy(d->matched);
    trb_free(d->params_plain);
    trb_grid_close(&d->grid);
}

static trb_status open_networks(student *d, size_t index)
{
    const trb_data *data = &d->s->data;
    trb_net *net = NULL;
    TRB_TRY(trb__student_net(d->c, index, data, trb_method_heads(d->o->method, 1, d->spec->M), &net));
    TRB_TRY(trb__network_open(net, NULL, &d->one));
    TRB_TRY(trb__network_reserve(&d->one));
    if (!has_heads(d)) return TRB_OK;
    TRB_TRY(trb__student_net(d->c, index, data, d->spec->M, &net));
    return trb__network_open(net, is_cut(d) ? &d->grid : NULL, &d->many);
}

/* Open the networks and files of this rank. */
static trb_status prepare(student *d, size_t index)
{
    TRB_TRY(open_networks(d, index));
    TRB_TRY(trb__views_create(d->c, d->s, d->o->views, &d->views));
    TRB_TRY(trb__teachers_open(d->o, d->spec, d->s, &d->grid, &d->t));
    if (trb_comm_rank(d->grid.world) > 0) return TRB_OK;
    TRB_TRY(trb_mkdirs(trb__run_path(d->c, "student/%s", d->o->name).text));
    return trb_jsonl_open(trb__run_path(d->c, "student/%s/metrics.jsonl", d->o->name).text, d->from.metrics,
                          &d->metrics);
}

static trb__fit first_phase(student *d)
{
    const trb_student_opts *o = d->o;
    return (trb__fit){.grid = &d->grid,
                      .opts = &o->fit,
                      .epochs = o->phase1_epochs + (has_heads(d) ? 0 : o->fit.epochs),
                      .schedule_epochs = o->phase1_epochs + (has_heads(d) && o->restart ? 0 : o->fit.epochs),
                      .stream = TRB_STUDENT_STREAM,
                      .exchange = &d->c->exchange,
                      .network = &d->one,
                      .place = &d->place,
                      .from = &d->from,
                      .samples = d->s,
                      .augment = d->views,
                      .stored = d->stored.next == NULL ? NULL : &d->stored,
                      .views = o->views,
                      .clean = o->clean,
                      .plan = trb__teachers_plan,
                      .next = trb__teachers_next,
                      .loss = shares_weights(d) ? trb__teachers_loss_of_each : trb__teachers_loss_of_one,
                      .ctx = &d->t,
                      .predict = trb_predict_of(o->method->dirichlet),
                      .follows = true,
                      .metrics = d->metrics,
                      .label = d->label,
                      .phase = 1};
}

/* Every member's head begins as a copy of the head of phase 1. */
static trb_status begin_heads(student *d)
{
    TRB_TRY(trb__network_reserve(&d->many));
    for (size_t i = 0; i < d->many.n_parts; i++) {
        const trb__network_part *p = &d->many.part[i];
        TRB_TRY(trb_net_copy(d->one.net, d->one.params, p->net, 0, trb_net_heads(p->net), p->params));
    }
    return TRB_OK;
}

static trb_status second_phase(student *d, trb__fit *fit)
{
    fit->first_epoch = fit->epochs;
    fit->schedule_from = d->o->restart ? 0 : fit->epochs;
    if (d->o->restart) fit->schedule_epochs = d->o->fit.epochs;
    fit->epochs = d->o->fit.epochs;
    fit->loss = trb__teachers_loss_of_each;
    fit->phase = 2;
    fit->network = &d->many;
    (void)snprintf(d->label, sizeof d->label, "student %s, %s", d->o->name, TRB_COUNT(d->spec->M, "head"));
    TRB_TRY(trb_agree(d->grid.world, begin_heads(d)));
    TRB_TRY(trb__fit_run(fit));
    return trb__network_join(&d->many, &d->grid);
}

static void init(student *d)
{
    const trb_fit_opts *o = &d->o->fit;
    const double deviation = d->o->factors > 0.0 ? d->o->factors : d->o->method->factors;
    trb_net_init(d->one.net, o->init, o->seed, TRB_STUDENT_STREAM, d->one.params);
    if (deviation > 0.0) trb_net_init_factors(d->one.net, deviation, o->seed, TRB_STUDENT_STREAM, d->one.params);
}

static trb_status fold(student *d)
{
    TRB_TRY(trb_net_plain(d->one.net, &d->plain));
    TRB_TRY(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(d->plain), sizeof *d->params_plain, &d->params_plain));
    trb_net_fold(d->one.net, d->one.params, d->plain, d->params_plain);
    return TRB_OK;
}

/* The network that the weights file will have. If it is cut, rank 0 alone has all heads. */
static trb__finished finished(const student *d)
{
    const trb__network *n = trained_network(d);
    return (trb__finished){.s = d->s,
                           .net = d->plain != NULL     ? d->plain
                                  : d->matched != NULL ? d->matched
                                                       : n->net,
                           .params = d->plain != NULL ? d->params_plain : n->params,
                           .alone = n->n_parts > 1,
                           .predict = trb_predict_of(d->o->method->dirichlet),
                           .rows = d->t.rows,
                           .who = d->place.who};
}

static trb_status write_weights(const student *d)
{
    const trb__finished f = finished(d);
    trb_norm norm = trb__dataset_norm(d->s);
    norm.temperature = d->temperature;
    return trb_weights_write(trb__run_path(d->c, "student/%s/weights.h5", d->o->name).text, f.net, f.params, norm,
                             d->place.config, d->place.blas, NULL);
}

/* Phase 1 trains one head on all members together. Phase 2 gives every member a copy of it. A student whose heads are
 * not copied has only phase 1, with the epochs of both, so that methods are compared after equal training. */
static trb_status train_student(student *d)
{
    init(d);
    (void)snprintf(d->label, sizeof d->label, has_heads(d) ? "student %s, one head" : "student %s", d->o->name);
    trb__fit fit = first_phase(d);
    const double second = has_heads(d) ? d->work - trb__work_of_training(fit.opts, d->s, d->one.net, fit.epochs) : 0.0;
    fit.work = d->work - second;
    fit.later = second + d->later;
    if (d->from.phase <= 1 || !has_heads(d)) TRB_TRY(trb__fit_run(&fit));
    trb_rounds_close(d->t.rounds);
    d->t.rounds = NULL;
    fit.work = second;
    fit.later = d->later;
    return has_heads(d) ? second_phase(d, &fit) : TRB_OK;
}

/* Each call has as many rows as a lane, so memory that sufficed for the training suffices here too. */
static trb_status match_uncertainty(student *d, const trb_cache *cache, const char *who)
{
    const trb__network *n = trained_network(d);
    double S = 1.0;
    TRB_TRY(
        trb__match_uncertainty(d->grid.world, cache, d->c->cache.memory, d->s, n->net, n->params, d->t.rows, who, &S));
    return trb_agree(d->grid.world, trb_net_respread(n->net, S, &d->matched));
}

static trb_status write_student(student *d)
{
    trb_status st = TRB_OK;
    if (trb_comm_rank(d->grid.world) == 0) {
        st = trb_jsonl_close(d->metrics);
        d->metrics = NULL;
        if (st == TRB_OK) st = write_weights(d);
        if (st == TRB_OK) trb_checkpoint_remove(d->place.folder.text, d->c->checkpoint.keep);
    }
    return trb_agree(d->grid.world, st);
}

trb_grid_shape trb__student_grid(const trb_config *c, size_t index)
{
    const trb_student_opts *o = &c->student[index];
    return (trb_grid_shape){.lanes = o->fit.lanes,
                            .servers = trb_exchange_servers(&c->exchange),
                            .columns = o->head_groups,
                            .head_lanes = o->head_lanes,
                            .members = c->members.count};
}

trb_status trb__student_ranks(const trb_config *c, size_t index, int ranks)
{
    const trb_grid_shape shape = trb__student_grid(c, index);
    return trb_fail_of(trb_exchange_check(&c->exchange, &shape, ranks), "student %s: ", c->student[index].name);
}

trb_status trb__student_check(const trb_config *c, size_t index, const trb__dataset *samples, size_t M, size_t K)
{
    const trb_student_opts *o = &c->student[index];
    char who[TRB_NAME_MAX + 16];
    trb_net *net = NULL;
    (void)snprintf(who, sizeof who, "student %s", o->name);
    const trb_method *method = o->method;
    if (o->label_weight > 0.0 && !trb_data_labelled(&samples->data))
        return trb_fail(
            TRB_ECONFIG,
            "%s: `label_weight` is %g, but data.train has no labels; set it to 0, and the student follows its "
            "members alone",
            who, o->label_weight);
    TRB_TRY(trb__student_net(c, index, &samples->data, trb_method_heads(method, 2, M), &net));
    const size_t outputs = trb_net_outputs(net);
    trb_net *body = NULL, *behind = NULL, *plain = NULL;
    trb_status st = trb__steps_check(net, &o->fit, samples, who);
    if (st == TRB_OK) st = method->folded ? trb_fail_of(trb_net_plain(net, &plain), "%s: ", who) : TRB_OK;
    trb_net_destroy(plain);
    if (st == TRB_OK && method->heads != TRB_ONE_HEAD && o->head_lanes > 1)
        st = trb_fail_of(trb_net_cut(net, 1, &body, &behind), "%s: head_lanes above 1: ", who);
    int fits = 0; /* rank 0 gathers all heads at the end, so their size must fit into an int */
    if (st == TRB_OK && behind != NULL)
        st = trb_fail_of(trb_to_int(trb_net_size(behind) * M, &fits), "%s: head_lanes above 1: ", who);
    trb_net_destroy(body);
    trb_net_destroy(behind);
    trb_net_destroy(net);
    TRB_TRY(st);
    if (outputs != K)
        return trb_fail(TRB_ECONFIG, "%s has %s, the members have %zu", who, TRB_COUNT(outputs, "output"), K);
    if (method->dirichlet != TRB_DIRICHLET_NONE && K < 2)
        return trb_fail(TRB_ECONFIG, "%s: method %s fits a distribution over 2 or more classes, got %zu output", who,
                        method->name, K);
    return trb__fit_check(&o->fit, samples, who);
}

/* Rank 0: find out which students exist already, and lock the others. */
static trb_status find_students(const trb_config *c, const trb__dataset *s, const trb_cache_spec *spec, uint64_t *found,
                                trb_lock **lock)
{
    trb__others others = {0};
    trb_status st = TRB_OK;
    for (size_t i = 0; i < c->n_students; i++) {
        bool there = false;
        char folder[TRB_NAME_MAX + 16], *config = NULL, *difference = NULL;
        (void)snprintf(folder, sizeof folder, "student/%s", c->student[i].name);
        if (trb__retrain_begins(c, i) || trb__retrain_lasts(c, i)) TRB_GO(trb__run_lock(c, folder, lock));
        if (trb__retrain_begins(c, i)) continue;
        TRB_GO(trb_identity_student(c, i, &s->data, spec, &config));
        st = trb__run_lock_missing(c, folder, config, lock, &there, &difference);
        trb_free(config);
        TRB_GO(st);
        if (difference != NULL) TRB_GO(trb__others_add(&others, c->student[i].name, difference));
        found[i] = there;
    }
    TRB_GO(trb__others_refuse_students(&others, trb__run_path(c, "student").text, c->n_students));
done:
    trb__others_clear(&others);
    return st;
}

/* Check before the first student is trained that each of them can be trained, and which ones exist already. Rank 0
 * locks the others, and sets those aside that are to be trained again. */
static trb_status check_students(trb_comm *world, const trb_config *c, const trb__dataset *s,
                                 const trb_cache_spec *spec, uint64_t *found, trb_lock **lock)
{
    size_t left = 0;
    for (size_t i = 0; i < c->n_students; i++) {
        TRB_TRY(trb__student_check(c, i, s, spec->M, spec->K));
        TRB_TRY(trb__student_ranks(c, i, trb_comm_size(world)));
    }
    if (trb_comm_rank(world) != 0) return TRB_OK;
    TRB_TRY(find_students(c, s, spec, found, lock));
    for (size_t i = 0; i < c->n_students; i++) left += !found[i];
    if (left > 0) TRB_TRY(trb__labels_warn(s));
    if (left > 0) TRB_TRY(trb__resume_check(c, left));
    for (size_t i = 0; i < c->n_students; i++) {
        if (trb__retrain_begins(c, i)) TRB_TRY(trb__retrain_begin(c, i));
        if (!found[i]) continue;
        trb_info("distill: student %s is there already", c->student[i].name);
        trb_checkpoint_remove(trb__run_path(c, "student/%s/checkpoint", c->student[i].name).text, c->checkpoint.keep);
    }
    return TRB_OK;
}

/* Log how much was read from the cache: with head groups, each rank reads less. */
static trb_status report_reading(const student *d)
{
    trb_comm *world = d->grid.world;
    const size_t P = (size_t)trb_comm_size(world);
    double *all = NULL, most = 0.0, total = 0.0;
    char all_of_it[32], of_one[32];
    TRB_TRY(trb_agree(world, trb_alloc(TRB_MEM_OTHER, P, sizeof *all, &all)));
    const double mine = (d->reading.reader == NULL ? 0.0 : (double)trb_reader_read(d->reading.reader)) +
                        (d->inputs.reader == NULL ? 0.0 : (double)trb_reader_read(d->inputs.reader));
    const trb_status st = trb_comm_allgather(world, &mine, 1, all);
    for (size_t r = 0; st == TRB_OK && r < P; r++) {
        total += all[r];
        most = all[r] > most ? all[r] : most;
    }
    trb_free(all);
    if (st == TRB_OK && (total >= 5e4 || (total > 0.0 && trb_log_verbose())))
        trb_info("student %s: %s of the cache were read, by a rank up to %s", d->o->name, trb__amount(total, all_of_it),
                 trb__amount(most, of_one));
    return st;
}

/* Open the readers of members' values and of stored inputs, which share `cache.memory`. Collective over world; the
 * status is agreed. */
static trb_status open_readings(student *d, const trb_cache *cache)
{
    const trb_grid *g = &d->grid;
    const trb_selection said = {d->spec->holds, d->o->views, g->member, g->n_members};
    const size_t memory = d->c->cache.memory, for_inputs = trb__inputs_share(cache, said, memory);
    trb_status st = trb__reading_open(g->world, (int)g->at, cache, said, g->row_lanes.count * d->t.rows,
                                      memory - for_inputs, &d->reading);
    if (st == TRB_OK)
        st = trb__inputs_open(g->world, cache, said.views, g->lanes.count > 0 ? d->t.rows : 0, for_inputs, &d->inputs,
                              &d->stored);
    if (st != TRB_ECONFIG) return st;
    return trb_fail_of(st, "`cache.memory`, of whose %zu bytes %zu are for %s and %zu for stored inputs: ", memory,
                       memory - for_inputs, trb_shard_kind_name(said.kind), for_inputs);
}

/* Train one student. \param[in] makers  kernels and processors that compute it, and that computed the cache */
static trb_status distill(trb_comm *world, const trb_config *c, const trb__dataset *s, const trb_cache *cache,
                          const char *makers, size_t i)
{
    const trb_student_opts *o = &c->student[i];
    const trb_grid_shape shape = trb__student_grid(c, i);
    const bool leads = trb_comm_rank(world) == 0;
    student d = {.c = c, .o = o, .s = s, .spec = trb_cache_spec_of(cache)};
    char who[TRB_NAME_MAX + 16];
    (void)snprintf(who, sizeof who, "student %s", o->name);
    d.place = (trb__place){.c = c, .folder = trb__run_path(c, "student/%s/checkpoint", o->name), .who = who};
    trb_status st = trb_fail_of(trb_stop_check(), "before %s: ", who);
    if (st == TRB_OK) st = trb_identity_student(c, i, &s->data, d.spec, &d.place.config);
    if (st == TRB_OK) st = trb_strdup(makers, &d.place.blas);
    if (st == TRB_OK) st = trb__steps_say_student(c, i, s, d.spec->M);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_grid_open(world, &shape, &d.grid));
    if (leads) trb_folder_sweep(trb__run_path(c, "student/%s", o->name).text);
    if (leads) trb_folder_sweep(d.place.folder.text);
    TRB_GO(trb__checkpoint_find(world, c, &d.place, &d.from));
    st = prepare(&d, i);
    if (leads && st == TRB_OK) st = trb__outlook_students(c, s, i + 1, &d.later);
    if (leads && st == TRB_OK) st = trb__outlook_students(c, s, i, &d.work);
    TRB_GO(trb_agree(world, st));
    d.work -= d.later;
    TRB_GO(open_readings(&d, cache));
    d.t.reader = d.reading.reader;
    if (is_cut(&d)) TRB_GO(trb_agree(world, trb__teachers_join(&d.t)));
    TRB_GO(train_student(&d));
    TRB_GO(report_reading(&d));
    st = trb__reading_close(&d.reading);
    const trb_status also = trb__reading_close(&d.inputs);
    TRB_GO(trb_agree(world, st != TRB_OK ? st : also));
    if (o->match_uncertainty && trb_method_several(o->method)) TRB_GO(match_uncertainty(&d, cache, who));
    if (o->method->folded) TRB_GO(trb_agree(world, fold(&d)));
    const trb__finished f = finished(&d);
    TRB_GO(trb__temperature_fit(world, &f, &d.temperature));
    st = write_student(&d);
done:
    (void)trb__reading_close(&d.reading);
    (void)trb__reading_close(&d.inputs);
    release(&d);
    trb_free(d.place.config);
    trb_free(d.place.blas);
    return st;
}

trb_status trb_stage_distill(trb_comm *world, const trb_config *c)
{
    trb__dataset s = {0};
    trb_cache *cache = NULL;
    uint64_t *found = NULL;
    char *makers = NULL;
    trb_lock *lock = NULL;
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_IF_THERE, &s));
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->n_students, sizeof *found, &found);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__run_cache_open(world, c, &s.data, &cache));
    st = check_students(world, c, &s, trb_cache_spec_of(cache), found, &lock);
    TRB_GO(trb__run_lock_share(world, c, st, &lock));
    TRB_GO(trb_comm_bcast(world, found, c->n_students * sizeof *found, 0));
    size_t first = 0;
    while (first < c->n_students && found[first]) first++;
    st = trb_strdup(trb_blas_name(), &makers);
    if (st == TRB_OK && first < c->n_students)
        st = trb__makers(trb_cache_dir(cache), trb_cache_blas(cache), trb_cache_processor(cache), &makers);
    TRB_GO(trb_agree(world, st));
    for (size_t i = first; i < c->n_students; i++)
        if (!found[i]) TRB_GO(distill(world, c, &s, cache, makers, i));
done:
    trb_free(makers);
    trb_lock_close(lock);
    trb_free(found);
    trb_cache_close(cache);
    trb__dataset_clear(&s);
    return st;
}
