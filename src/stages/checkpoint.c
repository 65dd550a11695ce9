/* Checkpoints of a training: finding the one to resume from, and writing new ones while steps go on.
 *
 * The saver's states on rank 0. Other ranks only copy the kept step and send it.
 *
 * | state | meaning | left when |
 * | idle | nothing to do | trb__saver_due() says that a step shall be kept: asked |
 * | asked | all ranks learn it with the end of this step and keep the next one | trb__saver_kept(): pending |
 * | pending | the step is over, copies of other ranks arrive | all copies are here: running |
 * | running | a thread writes the file | trb__saver_go_on() finds it done: idle |
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "checkpoint.h"
#include "tribikos/alive.h"
#include "tribikos/clock.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/machine.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

static size_t slabs_of(const trb_fit_opts *o)
{
    return 1 + trb_optim_moments(&(trb_optim){.kind = o->optimizer, .momentum = o->momentum});
}

/* ---- going on */

static void tell_damage(const char *why)
{
    trb_warn("%s; the checkpoint before it is taken, if there is one", why);
}

static trb_status find_newest(const trb_config *c, trb__place *place, trb_checkpoint *out)
{
    const char *how = c->run.resume;
    char *path = place->from;
    char what[TRB_CHECKPOINT_PATH + 128];
    size_t slot = 0;
    place->slot = 0;
    if (strcmp(how, "never") == 0) { /* remove them, or the next run would take an old one with more steps as newest */
        trb_checkpoint_remove(place->folder.text, c->checkpoint.keep);
        return TRB_OK;
    }
    if (strcmp(how, "auto") != 0) {
        (void)snprintf(path, TRB_CHECKPOINT_PATH, "%s", how);
        TRB_TRY(trb_checkpoint_read(path, NULL, NULL, out));
    } else if (c->checkpoint.keep > 0) {
        TRB_TRY(trb_checkpoint_newest(place->folder.text, c->checkpoint.keep, tell_damage, out, &slot, path));
        if (out->config == NULL) return TRB_OK;
        place->slot = (slot + 1) % c->checkpoint.keep;
    } else {
        return TRB_OK;
    }
    TRB_TRY(trb_identity_resume(path, out->config, place->config));
    trb_info("%s: goes on from %s, phase %llu, step %llu", place->who, path, (unsigned long long)out->phase,
             (unsigned long long)out->step);
    (void)snprintf(what, sizeof what, "%s: %s", place->who, path);
    return trb__makers(what, out->blas, out->processor, &place->blas);
}

/* Broadcast what rank 0 has found, except texts, network and slabs. */
static trb_status share_found(trb_comm *group, trb_checkpoint *c)
{
    const bool leads = trb_comm_rank(group) == 0;
    uint64_t head[6] = {c->phase, c->step, c->n_sums, c->n_slabs, c->best_epoch, c->has_best};
    TRB_TRY(trb_comm_bcast(group, head, sizeof head, 0));
    if (!leads) {
        c->phase = head[0];
        c->step = head[1];
        c->n_sums = head[2];
        c->n_slabs = head[3];
        c->best_epoch = head[4];
        c->has_best = head[5] != 0;
    }
    TRB_TRY(trb_comm_bcast(group, &c->best_loss, sizeof c->best_loss, 0));
    TRB_TRY(trb_agree(group, leads ? TRB_OK : trb_alloc(TRB_MEM_CHECKPOINT, c->n_sums, sizeof *c->sum, &c->sum)));
    return trb_comm_bcast(group, c->sum, c->n_sums * sizeof *c->sum, 0);
}

trb_status trb__resume_check(const trb_config *c, size_t n)
{
    if (n == 1 || strcmp(c->run.resume, "auto") == 0 || strcmp(c->run.resume, "never") == 0) return TRB_OK;
    return trb_fail(TRB_ECONFIG,
                    "`run.resume` names one checkpoint, %s, but %zu networks are to be trained; choose one (--members, "
                    "students), or say auto",
                    c->run.resume, n);
}

trb_status trb__checkpoint_find(trb_comm *group, const trb_config *c, trb__place *place, trb_checkpoint *out)
{
    trb_status st = TRB_OK;
    uint64_t found = 0;
    if (trb_comm_rank(group) == 0) st = find_newest(c, place, out);
    found = out->config != NULL;
    st = trb_agree(group, st);
    if (st == TRB_OK) st = trb_comm_bcast(group, &found, sizeof found, 0);
    if (st == TRB_OK && found != 0) st = share_found(group, out);
    if (st != TRB_OK) trb_checkpoint_clear(out);
    return st;
}

trb_status trb__checkpoint_check(const trb_checkpoint *c, const trb__fit *f, uint64_t steps)
{
    const trb_net *net = f->network->net;
    if (c->net != NULL &&
        (strcmp(trb_net_layers(c->net), trb_net_layers(net)) != 0 || trb_net_heads(c->net) != trb_net_heads(net)))
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint's network is not that of its own configuration",
                        f->place->folder.text);
    if (c->phase != (uint64_t)f->phase || c->n_slabs != slabs_of(f->opts) ||
        c->n_sums != f->network->head_lanes * f->opts->lanes)
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint's phase or arrays are not those of its own configuration",
                        f->place->folder.text);
    const bool kept = f->opts->keep == TRB_KEEP_BEST && c->best_epoch > 0;
    const bool watched = kept || (f->opts->early_stopping > 0 && c->best_epoch > 0);
    if (c->best_epoch > 0 && (!watched || c->has_best != kept || c->best_epoch > c->step / (steps / f->epochs)))
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint's best epoch is not that of its own configuration",
                        f->place->folder.text);
    if (c->step > steps)
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint has step %llu, expected at most %llu", f->place->folder.text,
                        (unsigned long long)c->step, (unsigned long long)steps);
    return TRB_OK;
}

/* What is needed to pass the slabs of a checkpoint from rank 0 to all ranks. */
typedef struct {
    trb_comm *world;
    const trb__network *network;
    float *best;             /* where the best weights go; rank 0 only, NULL if they are not kept */
    const trb_net *whole[2]; /* for each part: the whole network, or a window on this part's heads in it */
} relay;

static const trb_param *param_named(const trb_net *net, const char *name)
{
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (strcmp(trb_net_param(net, i)->name, name) == 0) return trb_net_param(net, i);
    return NULL;
}

/* Copy to a part what it holds of the values [at, at + n) of a slab of the whole network. */
static void copy_piece(const trb_net *whole, const trb__network_part *part, size_t slab, size_t at, size_t n,
                       const float *values)
{
    for (size_t i = 0; i < trb_net_n_params(part->net); i++) {
        const trb_param *to = trb_net_param(part->net, i), *from = param_named(whole, to->name);
        if (from == NULL) continue;
        const size_t end = from->offset + from->count;
        const size_t lo = from->offset > at ? from->offset : at, hi = end < at + n ? end : at + n;
        if (lo < hi) trb_exchange_put(part->x, slab, to->offset + (lo - from->offset), hi - lo, values + (lo - at));
    }
}

static void land_all(const relay *r, const uint64_t head[3], const float *values)
{
    for (size_t i = 0; i < r->network->n_parts; i++)
        copy_piece(r->whole[i], &r->network->part[i], head[0], head[1], head[2], values);
}

/* Rank 0: broadcast a piece that it has read. */
static trb_status hand_round(void *ctx, size_t slab, size_t at, size_t n, const float *values)
{
    const relay *r = ctx;
    uint64_t head[3] = {slab, at, n};
    if (slab == TRB_CHECKPOINT_BEST) { /* only this rank needs them */
        if (r->best != NULL) memcpy(r->best + at, values, n * sizeof *values);
        return TRB_OK;
    }
    TRB_TRY(trb_comm_bcast(r->world, head, sizeof head, 0));
    TRB_TRY(trb_comm_bcast(r->world, (void *)(uintptr_t)values, n * sizeof *values, 0));
    land_all(r, head, values);
    return TRB_OK;
}

/* Other ranks: receive pieces until rank 0 sends an empty one. \param[in] piece  [TRB_CHECKPOINT_PIECE] */
static trb_status receive_pieces(const relay *r, float *piece)
{
    for (;;) {
        uint64_t head[3] = {0};
        TRB_TRY(trb_comm_bcast(r->world, head, sizeof head, 0));
        if (head[2] == 0) return TRB_OK;
        TRB_TRY(trb_comm_bcast(r->world, piece, head[2] * sizeof *piece, 0));
        land_all(r, head, piece);
    }
}

/* Rank 0: read the file again and broadcast it. Even if reading fails, the others are told of its end. */
static trb_status read_again(const char *path, const trb_checkpoint *c, relay *r)
{
    trb_checkpoint again = {.config = NULL};
    uint64_t end[3] = {0};
    trb_status st = trb_checkpoint_read(path, hand_round, r, &again);
    if (st == TRB_OK && again.digest != c->digest)
        st = trb_fail(TRB_EINTEGRITY, "%s: changed while it was read; run again when no other job writes it", path);
    trb_checkpoint_clear(&again);
    if (st == TRB_ECOMM) return st;
    const trb_status told = trb_comm_bcast(r->world, end, sizeof end, 0);
    return st != TRB_OK ? st : told;
}

trb_status trb__checkpoint_use(const trb_checkpoint *c, const trb__fit *f, trb__best *best)
{
    trb_comm *world = f->grid->world;
    const trb__network *n = f->network;
    const bool leads = trb_comm_rank(world) == 0;
    relay r = {.world = world, .network = n, .best = best->params};
    trb_net *window = NULL;
    float *piece = NULL;
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < n->n_parts; i++) {
        const trb__network_part *p = &n->part[i];
        const size_t heads = trb_net_heads(p->net);
        if (p->of > 1) st = trb_net_window(n->net, p->at * heads, heads, &window);
        r.whole[i] = p->of > 1 ? window : n->net;
    }
    if (st == TRB_OK && !leads) st = trb_alloc(TRB_MEM_CHECKPOINT, TRB_CHECKPOINT_PIECE, sizeof *piece, &piece);
    TRB_GO(trb_agree(world, st));
    st = trb_agree(world, leads ? read_again(f->place->from, c, &r) : receive_pieces(&r, piece));
    for (size_t i = 0; i < n->n_parts; i++) trb_exchange_resume(n->part[i].x, c->step);
    best->epoch = c->best_epoch;
    best->loss = c->best_loss;
    best->taken++;
done:
    trb_free(piece);
    trb_net_destroy(window);
    return st;
}

/* ---- writing */

struct trb__saver {
    const trb_config *c;
    trb__place *place;
    const trb__fit *fit;
    const trb__network *network;
    size_t steps;          /* in each epoch */
    double last_s;         /* when the last checkpoint was kept */
    uint64_t due;          /* the first step after which a checkpoint is wanted */
    bool writes;           /* this rank writes the files */
    bool asked;            /* a step will be kept, but it is not over yet */
    bool pending, running; /* kept and not yet written; being written */
    atomic_bool done;
    pthread_t thread;
    trb_status st; /* of the thread */
    uint64_t written;
    double held_s; /* delay of steps by all checkpoints, without copying */
    trb_checkpoint at;
    const trb__best *best;
    float *best_params;  /* [size] of the kept step, because training goes on while they are written */
    uint64_t best_taken; /* their number in `best` */
    float *joined;       /* [slabs][size] of the whole network, if it is cut; only on the rank that writes */
};

static uint64_t next_due(const trb__saver *s, uint64_t taken)
{
    const uint64_t epoch = (taken / s->steps + 1) * s->steps, every = s->c->checkpoint.steps;
    const uint64_t step = every == 0 ? epoch : (taken / every + 1) * every;
    return step < epoch ? step : epoch;
}

static trb_status reserve(trb__saver *s)
{
    const trb__network *n = s->network;
    s->at.n_sums = n->head_lanes * s->fit->opts->lanes;
    s->at.n_slabs = slabs_of(s->fit->opts);
    s->at.phase = (uint64_t)s->fit->phase;
    s->at.net = n->net;
    s->at.config = s->place->config;
    s->at.blas = s->place->blas;
    s->at.processor = (char *)(uintptr_t)trb_machine_name();
    TRB_TRY(trb_alloc(TRB_MEM_CHECKPOINT, s->at.n_sums, sizeof *s->at.sum, &s->at.sum));
    if (s->best->params != NULL)
        TRB_TRY(trb_alloc(TRB_MEM_CHECKPOINT, trb_net_size(n->net), sizeof *s->best_params, &s->best_params));
    if (!s->writes || n->n_parts == 1) return TRB_OK;
    return trb_alloc(TRB_MEM_CHECKPOINT, TRB_CHECKPOINT_SLABS * trb_net_size(n->net), sizeof *s->joined, &s->joined);
}

size_t trb__saver_bytes(const trb__fit *f)
{
    const trb__network *n = f->network;
    if (f->place->c->checkpoint.keep == 0) return 0;
    size_t floats = n->n_parts == 1 ? 0 : TRB_CHECKPOINT_SLABS * trb_net_size(n->net);
    for (size_t i = 0; i < n->n_parts; i++) floats += slabs_of(f->opts) * n->part[i].of * trb_net_size(n->part[i].net);
    if (f->opts->keep == TRB_KEEP_BEST) floats += trb_net_size(n->net);
    return floats * sizeof(float);
}

trb_status trb__saver_open(const trb__fit *f, size_t steps, const trb__best *best, trb__saver **out)
{
    trb_comm *group = f->grid->world;
    trb__saver *s = NULL;
    if (f->place == NULL || f->place->c->checkpoint.keep == 0) return TRB_OK;
    trb_status st = trb_agree(group, trb_alloc(TRB_MEM_OTHER, 1, sizeof *s, &s));
    if (st != TRB_OK) {
        trb_free(s);
        return st;
    }
    *s = (trb__saver){.c = f->place->c, .place = f->place, .fit = f, .network = f->network, .steps = steps};
    s->best = best;
    s->writes = trb_comm_rank(group) == 0;
    s->last_s = trb_now_s();
    s->due = next_due(s, f->from == NULL ? 0 : f->from->step);
    st = trb_agree(group, reserve(s));
    for (size_t i = 0; st == TRB_OK && i < f->network->n_parts; i++) {
        const trb__network_part *p = &f->network->part[i];
        st = trb_exchange_keep_open(p->x, group, p->at, p->of);
    }
    if (st == TRB_OK)
        *out = s;
    else
        trb__saver_close(s);
    return st;
}

/* Set the slabs that will be written: the kept ones or, if the network is cut, those joined from all parts. */
static trb_status find_slabs(trb__saver *s)
{
    const trb__network *n = s->network;
    for (size_t i = 0; i < s->at.n_slabs; i++) {
        const float *kept[2] = {NULL, NULL};
        for (size_t p = 0; p < n->n_parts; p++) kept[p] = trb_exchange_kept_slab(n->part[p].x, 0, i);
        if (s->joined != NULL) {
            float *to = s->joined + i * trb_net_size(n->net);
            TRB_TRY(trb__network_fill(n, kept, s->at.n_slabs, to));
            kept[0] = to;
        }
        s->at.slab[i] = kept[0];
    }
    return TRB_OK;
}

static void *write_file(void *saver)
{
    trb__saver *s = saver;
    s->st = find_slabs(s);
    if (s->st == TRB_OK) s->st = trb_checkpoint_publish(s->place->folder.text, s->place->slot, &s->at);
    atomic_store(&s->done, true);
    return NULL;
}

static trb_status begin_writing(trb__saver *s)
{
    s->pending = false;
    TRB_TRY(trb_fault("thread.start"));
    atomic_store(&s->done, false);
    const int why = pthread_create(&s->thread, NULL, write_file, s);
    if (why != 0) return trb_fail(TRB_EIO, "no thread can be started: %s", strerror(why));
    s->running = true;
    return TRB_OK;
}

static trb_status end_writing(trb__saver *s)
{
    if (!s->running) return TRB_OK;
    trb_alive_join(s->thread);
    s->running = false;
    s->written += s->st == TRB_OK;
    s->place->slot = (s->place->slot + 1) % s->c->checkpoint.keep;
    return s->st;
}

bool trb__saver_due(trb__saver *s, uint64_t taken)
{
    if (s == NULL || !s->writes || taken < s->due || s->asked || s->pending || s->running) return false;
    s->asked = trb_now_s() - s->last_s >= s->c->checkpoint.seconds;
    return s->asked;
}

trb_status trb__saver_keep(trb__saver *s)
{
    if (s == NULL) return TRB_OK;
    const trb_status st = end_writing(s); /* the thread reads the memory that the next copy overwrites */
    for (size_t i = 0; i < s->network->n_parts; i++) trb_exchange_keep(s->network->part[i].x);
    return st;
}

double *trb__saver_sums(trb__saver *s)
{
    memset(s->at.sum, 0, s->at.n_sums * sizeof *s->at.sum);
    return s->at.sum;
}

/* The best weights of the kept step. They seldom change, so they are seldom copied. */
static void keep_best(trb__saver *s)
{
    s->at.best_epoch = s->best->epoch;
    s->at.best_loss = s->best->loss;
    s->at.has_best = s->best_params != NULL && s->best->epoch > 0;
    s->at.best = s->best_params;
    if (!s->at.has_best || s->best_taken == s->best->taken) return;
    memcpy(s->best_params, s->best->params, trb_net_size(s->network->net) * sizeof *s->best_params);
    s->best_taken = s->best->taken;
}

trb_status trb__saver_kept(trb__saver *s, uint64_t taken)
{
    if (!s->writes) return TRB_OK;
    s->last_s = trb_now_s();
    s->due = next_due(s, taken);
    s->at.step = taken;
    s->asked = false;
    keep_best(s);
    trb_free(s->at.metrics);
    s->at.metrics = NULL;
    TRB_TRY(trb_jsonl_text(s->fit->metrics, &s->at.metrics));
    s->pending = true; /* only now everything that the file contains exists */
    return TRB_OK;
}

trb_status trb__saver_go_on(trb__saver *s)
{
    bool all = true;
    if (s == NULL) return TRB_OK;
    if (s->running && atomic_load(&s->done)) TRB_TRY(end_writing(s));
    for (size_t i = 0; i < s->network->n_parts; i++) {
        bool through = true;
        TRB_TRY(trb_exchange_kept(s->network->part[i].x, &through));
        all = all && through;
    }
    return s->pending && all ? begin_writing(s) : TRB_OK;
}

trb_status trb__saver_finish(trb__saver *s)
{
    if (s == NULL) return TRB_OK;
    for (size_t i = 0; i < s->network->n_parts; i++) TRB_TRY(trb_exchange_kept_wait(s->network->part[i].x));
    trb_status st = end_writing(s);
    if (st == TRB_OK && s->pending) st = begin_writing(s);
    if (st == TRB_OK) st = end_writing(s);
    return st;
}

void trb__saver_hold(trb__saver *s, double seconds)
{
    if (s != NULL) s->held_s += seconds;
}

void trb__saver_report(const trb__saver *s, double step_s, uint64_t steps)
{
    if (s == NULL || s->written == 0 || step_s <= 0.0) return;
    double held_s = s->held_s;
    for (size_t i = 0; i < s->network->n_parts; i++) held_s += trb_exchange_worked(s->network->part[i].x).kept_s;
    const double each_s = held_s / (double)s->written, share = held_s / (step_s * (double)steps);
    const bool matters = share >= 0.05;
    if (!matters && !trb_log_verbose()) return;
    trb_info("%s: steps waited %.1f s for %llu checkpoints, %.2f ms for each, %.1f %% of the training%s", s->place->who,
             held_s, (unsigned long long)s->written, 1e3 * each_s, 100.0 * share,
             matters ? "; to save fewer, raise `checkpoint.seconds`" : "");
}

void trb__saver_close(trb__saver *s)
{
    if (s == NULL) return;
    (void)end_writing(s);
    trb_free(s->at.metrics);
    trb_free(s->at.sum);
    trb_free(s->best_params);
    trb_free(s->joined);
    trb_free(s);
}
