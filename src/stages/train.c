/* The stage that trains the members: groups of ranks take members from a queue.
 *
 * | a wanted member | what happens |
 * | weights of this configuration exist | kept; its old checkpoints are removed |
 * | damaged weights, or weights of another configuration exist | the stage fails before anything is trained |
 * | no weights, another job has the lock | the stage fails before anything is trained |
 * | no weights | locked, put into the queue, trained, published |
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "labels.h"
#include "outlook.h"
#include "steps.h"
#include "temperature.h"
#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

/* The members that this job trains, in the order in which the queue hands them out. */
typedef struct {
    uint64_t n;
    uint64_t *member; /* [members.count] */
    double *cost;     /* [members.count] multiply-adds; rank 0 only */
} todo_list;

/* Rank 0: find the wanted members that are missing, and lock them. Every wanted member's network is built once, so
 * that a layer list that does not fit is reported before anything is trained. */
static trb_status find_todo(const trb_config *c, const trb__dataset *s, todo_list *todo, trb_lock **lock)
{
    trb__others others = {0};
    trb_status st = TRB_OK;
    todo->n = 0;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *todo->cost, &todo->cost));
    for (size_t m = 0; m < c->members.count; m++) {
        if (!c->members.only[m]) continue;
        char who[32], folder[32], *config = NULL, *difference = NULL;
        bool found = false;
        trb_net *net = NULL;
        (void)snprintf(who, sizeof who, "member %zu", m);
        (void)snprintf(folder, sizeof folder, "members/m%03zu", m);
        TRB_GO(trb__member_net(c, m, &s->data, &net));
        const double cost = trb__work_of_training(&c->member[m], s, net, c->member[m].epochs);
        st = trb__steps_check(net, &c->member[m], s, who);
        trb_net_destroy(net);
        TRB_GO(st);
        TRB_GO(trb__fit_check(&c->member[m], s, who));
        TRB_GO(trb_identity_member(c, m, &s->data, &config));
        st = trb__run_lock_missing(c, folder, config, lock, &found, &difference);
        trb_free(config);
        TRB_GO(st);
        if (difference != NULL) TRB_GO(trb__others_add(&others, strrchr(folder, '/') + 1, difference));
        if (found && difference == NULL) {
            trb_checkpoint_remove(trb__run_path(c, "%s/checkpoint", folder).text, c->checkpoint.keep);
        }
        if (found) continue;
        /* Sort by multiply-adds, most expensive first, so that no long training begins when the others are done. */
        size_t at = todo->n++;
        for (; at > 0 && todo->cost[at - 1] < cost; at--) {
            todo->cost[at] = todo->cost[at - 1];
            todo->member[at] = todo->member[at - 1];
        }
        todo->cost[at] = cost;
        todo->member[at] = m;
    }
    TRB_GO(trb__others_refuse_members(&others, trb__run_path(c, "members").text));
    for (size_t i = 0; i < todo->n; i++)
        TRB_GO(trb_mkdirs(trb__run_path(c, "members/m%03zu", (size_t)todo->member[i]).text));
done:
    trb__others_clear(&others);
    return st;
}

typedef struct {
    const trb__dataset *s;
    size_t K;
    float *target; /* regression targets of a lane, standardised */
    int32_t *label, *other;
    float *weight; /* weight of `label` in a row that is mixed with a row of label `other` */
    /* With class weights or label smoothing; else NULL. */
    float *class_weight; /* [K] */
    double smoothing;
    float *q; /* [rows][K] */
} member_loss;

static trb_status reserve_targets(size_t rows, const trb_fit_opts *o, member_loss *m)
{
    if (o->class_weight == TRB_CLASS_WEIGHT_NONE && o->label_smoothing <= 0.0) return TRB_OK;
    m->smoothing = o->label_smoothing;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, rows * m->K, sizeof *m->q, &m->q));
    if (o->class_weight == TRB_CLASS_WEIGHT_NONE) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, m->K, sizeof *m->class_weight, &m->class_weight));
    return trb__labels_balance(m->s, m->K, m->class_weight);
}

static trb_status reserve_loss(size_t rows, const trb_fit_opts *o, member_loss *m)
{
    if (m->s->data.task == TRB_TASK_REGRESSION) return trb_alloc(TRB_MEM_DATA, rows, sizeof *m->target, &m->target);
    TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *m->label, &m->label));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *m->other, &m->other));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, rows, sizeof *m->weight, &m->weight));
    return reserve_targets(rows, o, m);
}

static void release_loss(member_loss *m)
{
    trb_free(m->target);
    trb_free(m->label);
    trb_free(m->other);
    trb_free(m->weight);
    trb_free(m->class_weight);
    trb_free(m->q);
}

static trb_status loss_of_member(void *ctx, const trb__lane *lane, const float *z, double *loss, float *dz)
{
    member_loss *m = ctx;
    const size_t rows = lane->rows, batch = lane->batch;
    const int64_t *sample = lane->sample;
    const trb_mix *mix = lane->mix;
    const trb_data *d = &m->s->data;
    if (d->task == TRB_TASK_REGRESSION) {
        for (size_t i = 0; i < rows; i++)
            m->target[i] = (float)(((double)d->target[sample[i]] - d->target_mean) / d->target_scale);
        return trb_loss_gaussian(rows, 1, batch, z, m->target, loss, dz);
    }
    for (size_t i = 0; i < rows; i++) m->label[i] = d->label[sample[i]];
    for (size_t i = 0; mix != NULL && i < rows; i++) {
        m->other[i] = d->label[mix[i].partner];
        m->weight[i] = mix[i].weight;
    }
    if (m->q != NULL) {
        trb_label_targets(rows, m->K, m->label, mix == NULL ? NULL : m->other, m->weight, m->class_weight, m->smoothing,
                          m->q);
        return trb_loss_targets(rows, m->K, batch, z, m->q, loss, dz);
    }
    if (mix == NULL) return trb_loss_ce(rows, 1, m->K, batch, z, m->label, loss, dz);
    return trb_loss_ce_mixed(rows, 1, m->K, batch, z, m->label, m->other, m->weight, loss, dz);
}

/* Everything that the training of one member holds on this rank. */
typedef struct {
    char label[48];
    trb_grid grid;
    trb__network network;
    trb_jsonl *metrics;
    trb_augment *augment;
    trb_checkpoint from;
    trb__place place;
    member_loss loss;
} training;

static trb_status prepare(training *t, const trb_config *c, size_t m)
{
    const trb_fit_opts *o = &c->member[m];
    const trb__dataset *s = t->loss.s;
    trb_net *net = NULL;
    TRB_TRY(trb_fail_of(trb_stop_check(), "before %s: ", t->label));
    TRB_TRY(trb__member_net(c, m, &s->data, &net));
    TRB_TRY(trb__network_open(net, NULL, &t->network));
    TRB_TRY(trb__network_reserve(&t->network));
    t->loss.K = trb_net_outputs(net);
    TRB_TRY(reserve_loss(o->batch / o->lanes, o, &t->loss));
    TRB_TRY(
        trb_augment_create(&s->data, 1, &o->augment, o->seed, TRB_USE_AUGMENT, m, s->n_train, s->train, &t->augment));
    TRB_TRY(trb_identity_member(c, m, &s->data, &t->place.config));
    return trb_strdup(trb_blas_name(), &t->place.blas);
}

/* Rank 0 of the group: write the weights; the checkpoints are not needed any more. */
static trb_status publish_weights(training *t, const trb_config *c, size_t m, double temperature)
{
    trb_status st = trb_jsonl_close(t->metrics);
    trb_norm norm = trb__dataset_norm(t->loss.s);
    t->metrics = NULL;
    norm.temperature = temperature;
    if (st == TRB_OK)
        st = trb_weights_write(trb__run_path(c, "members/m%03zu/weights.h5", m).text, t->network.net, t->network.params,
                               norm, t->place.config, t->place.blas, NULL);
    if (st == TRB_OK) trb_checkpoint_remove(t->place.folder.text, c->checkpoint.keep);
    return st;
}

static void release(training *t)
{
    trb_checkpoint_clear(&t->from);
    (void)trb_jsonl_close(t->metrics);
    trb_free(t->place.blas);
    trb_free(t->place.config);
    release_loss(&t->loss);
    trb_augment_destroy(t->augment);
    trb__network_close(&t->network);
}

static trb_status train_member(trb_comm *group, const trb_config *c, const trb__dataset *s, size_t m,
                               trb__overview *all)
{
    const trb_fit_opts *o = &c->member[m];
    const bool leads = trb_comm_rank(group) == 0;
    training t = {.grid = trb_grid_plain(group, o->lanes, trb_exchange_servers(&c->exchange)),
                  .place = {.c = c, .folder = trb__run_path(c, "members/m%03zu/checkpoint", m), .who = t.label},
                  .loss = {.s = s}};
    (void)snprintf(t.label, sizeof t.label, "member %zu", m);
    double temperature = 0.0;
    trb_status st = TRB_OK;
    TRB_GO(trb_agree(group, prepare(&t, c, m)));
    trb_detail("%s: trained by a group of %d ranks, of which this is number %d", t.label, trb_comm_size(group),
               trb_comm_rank(group));
    if (leads) trb_folder_sweep(trb__run_path(c, "members/m%03zu", m).text);
    if (leads) trb_folder_sweep(t.place.folder.text);
    TRB_GO(trb__checkpoint_find(group, c, &t.place, &t.from));
    trb_net_init(t.network.net, o->init, o->seed, m, t.network.params);
    if (leads)
        st = trb_jsonl_open(trb__run_path(c, "members/m%03zu/metrics.jsonl", m).text, t.from.metrics, &t.metrics);
    TRB_GO(trb_agree(group, st));
    const trb__fit fit = {.grid = &t.grid,
                          .opts = o,
                          .epochs = o->epochs,
                          .schedule_epochs = o->epochs,
                          .stream = m,
                          .exchange = &c->exchange,
                          .network = &t.network,
                          .place = &t.place,
                          .from = &t.from,
                          .samples = s,
                          .augment = t.augment,
                          .loss = loss_of_member,
                          .ctx = &t.loss,
                          .predict = trb_predict_mixture,
                          .between = trb_queue_serve,
                          .between_ctx = all->queue,
                          .show = trb__overview_show,
                          .show_ctx = all,
                          .metrics = t.metrics,
                          .label = t.label,
                          .phase = 1};
    TRB_GO(trb__fit_run(&fit));
    const trb__finished finished = {.s = s,
                                    .net = t.network.net,
                                    .params = t.network.params,
                                    .predict = trb_predict_mixture,
                                    .rows = o->batch / o->lanes,
                                    .between = trb_queue_serve,
                                    .between_ctx = all->queue,
                                    .who = t.label};
    TRB_GO(trb__temperature_fit(group, &finished, &temperature));
    st = trb_agree(group, leads ? publish_weights(&t, c, m, temperature) : TRB_OK);
done:
    release(&t);
    return st;
}

/* Rank 0: one line for each network that this job trains. */
static trb_status say_members(const trb_config *c, const trb__dataset *s, const todo_list *todo)
{
    bool *chosen = NULL;
    TRB_TRY(trb__labels_warn(s));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *chosen, &chosen));
    for (size_t i = 0; i < todo->n; i++) chosen[todo->member[i]] = true;
    const trb_status st = trb__steps_say_members(c, s, chosen);
    trb_free(chosen);
    return st;
}

/* Divide the ranks evenly into as many groups as there are members. Any group may get any member, so a group has at
 * most as many ranks as the smallest number of lanes of a member, plus the exchange's servers. Other ranks get no work
 * (colour n). */
static int group_color(const trb_comm *world, const trb_config *c, const todo_list *todo)
{
    const size_t P = (size_t)trb_comm_size(world), r = (size_t)trb_comm_rank(world);
    const size_t servers = trb_exchange_servers(&c->exchange);
    const size_t n = todo->n;
    size_t lanes = c->member[todo->member[0]].lanes;
    for (size_t i = 1; i < n; i++)
        if (c->member[todo->member[i]].lanes < lanes) lanes = c->member[todo->member[i]].lanes;
    const size_t most = P / (servers + 1) > 0 ? P / (servers + 1) : 1; /* too small a group fails at its exchange */
    const size_t groups = n < most ? n : most;
    const size_t used = P < groups * (lanes + servers) ? P : groups * (lanes + servers);
    for (size_t g = 0; g < groups; g++) {
        size_t first = 0, count = 0;
        trb_share(used, (int)g, (int)groups, &first, &count);
        if (r < first + count) return (int)g;
    }
    return (int)n;
}

/* Begin the progress of all members. */
static trb_status oversee(const trb_config *c, const trb__dataset *s, const todo_list *todo, trb__overview *all)
{
    const bool leads = trb_comm_rank(all->world) == 0;
    double work = 0.0, later = 0.0;
    all->n = todo->n;
    all->member = todo->member;
    all->cost = todo->cost;
    for (size_t i = 0; leads && i < todo->n; i++) work += todo->cost[i];
    if (leads) TRB_TRY(trb__outlook(c, s, TRB__AFTER_MEMBERS, &later));
    return trb__overview_begin(all, work, later);
}

trb_status trb_stage_train(trb_comm *world, const trb_config *c)
{
    trb__dataset s = {0};
    todo_list todo = {0};
    trb_lock *lock = NULL;
    trb_comm *group = NULL;
    trb__overview all = {.world = world};
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_NEEDED, &s));
    trb_status st = trb__labels_check(c, &s);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *todo.member, &todo.member);
    TRB_GO(trb_agree(world, st));
    if (trb_comm_rank(world) == 0) st = find_todo(c, &s, &todo, &lock);
    if (st == TRB_OK && todo.n > 0) st = trb__resume_check(c, todo.n);
    if (st == TRB_OK && todo.n > 0) st = say_members(c, &s, &todo);
    TRB_GO(trb__run_lock_share(world, c, st, &lock));
    TRB_GO(trb_comm_bcast(world, &todo.n, sizeof todo.n, 0));
    TRB_GO(trb_comm_bcast(world, todo.member, c->members.count * sizeof *todo.member, 0));
    size_t wanted = 0;
    for (size_t m = 0; m < c->members.count; m++) wanted += c->members.only[m];
    if (todo.n < wanted) trb_info("train: %zu of %zu members are there already", wanted - (size_t)todo.n, wanted);
    if (todo.n == 0) goto done;

    const int color = group_color(world, c, &todo);
    const bool works = (size_t)color < todo.n;
    TRB_GO(trb_comm_split(world, color, &group));
    TRB_GO(trb_agree(world, oversee(c, &s, &todo, &all)));
    TRB_GO(trb_queue_open(world, works ? group : NULL, todo.n, &all.queue));
    trb_queue_idle(all.queue, trb__overview_wait, &all);
    trb_status mine = TRB_OK;
    while (works) {
        size_t item = 0;
        TRB_GO(trb_queue_next(all.queue, mine, &item));
        trb__overview_take(&all, item, trb_comm_rank(group) == 0);
        if (item == todo.n) break;
        mine = train_member(group, c, &s, todo.member[item], &all);
        if (mine == TRB_ECOMM) trb_comm_panic(mine); /* other ranks of the group may be waiting inside a step */
    }
    trb_queue_close(all.queue);
    all.queue = NULL;
    st = trb_agree(world, mine);
done:
    trb__overview_end(&all);
    trb_comm_close(group);
    trb_lock_close(lock);
    trb_free(todo.cost);
    trb_free(todo.member);
    trb__dataset_clear(&s);
    return st;
}
