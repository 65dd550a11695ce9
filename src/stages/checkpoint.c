/* Checkpoints of a training: which one it goes on from, and writing new ones beside the steps. */
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

/* A training may go on by another exchange: parameters and moments are the same. */
static trb_status without_exchange(const char *text, char **out)
{
    TRB_TRY(trb_strdup(text, out));
    char *to = *out;
    for (const char *line = text, *next = text; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (strncmp(line, "exchange:", 9) == 0 || strncmp(line, "server.", 7) == 0) continue;
        memcpy(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = '\0';
    return TRB_OK;
}

static trb_status expect_config(const char *path, const trb_checkpoint *c, const char *config)
{
    char *found = NULL, *asked = NULL;
    trb_status st = without_exchange(c->config, &found);
    if (st == TRB_OK) st = without_exchange(config, &asked);
    if (st == TRB_OK && strcmp(found, asked) != 0)
        st = trb__config_refuse(path, found, asked, "--resume=never begins anew");
    trb_free(found);
    trb_free(asked);
    return st;
}

static trb_status find(const trb_config *c, trb__place *place, trb_checkpoint *out)
{
    const char *how = c->run.resume;
    char *path = place->from;
    char what[TRB_CHECKPOINT_PATH + 128];
    size_t slot = 0;
    place->slot = 0;
    if (strcmp(how, "never") == 0) { /* nor shall the next run, which would take the farthest for the newest */
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
    TRB_TRY(expect_config(path, out, place->config));
    trb_info("%s: goes on from %s, phase %llu, step %llu", place->who, path, (unsigned long long)out->phase,
             (unsigned long long)out->step);
    (void)snprintf(what, sizeof what, "%s: %s", place->who, path);
    return trb__makers(what, out->blas, out->processor, &place->blas);
}

/* What rank 0 has found to all. */
static trb_status share(trb_comm *group, trb_checkpoint *c)
{
    const bool leads = trb_comm_rank(group) == 0;
    uint64_t head[4] = {c->phase, c->step, c->n_sums, c->n_slabs};
    TRB_TRY(trb_comm_bcast(group, head, sizeof head, 0));
    if (!leads) {
        c->phase = head[0];
        c->step = head[1];
        c->n_sums = head[2];
        c->n_slabs = head[3];
    }
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
    if (trb_comm_rank(group) == 0) st = find(c, place, out);
    found = out->config != NULL;
    st = trb_agree(group, st);
    if (st == TRB_OK) st = trb_comm_bcast(group, &found, sizeof found, 0);
    if (st == TRB_OK && found != 0) st = share(group, out);
    if (st != TRB_OK) trb_checkpoint_clear(out);
    return st;
}

trb_status trb__checkpoint_check(const trb_checkpoint *c, const trb__fit *f, uint64_t steps)
{
    const trb_net *whole = f->heads == NULL ? f->net : f->place->net;
    const size_t H = f->heads == NULL ? 1 : f->grid->shape.head_lanes;
    if (c->net != NULL &&
        (strcmp(trb_net_layers(c->net), trb_net_layers(whole)) != 0 || trb_net_heads(c->net) != trb_net_heads(whole)))
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint's network is not that of its own configuration",
                        f->place->folder.text);
    if (c->phase != (uint64_t)f->phase || c->n_slabs != slabs_of(f->opts) || c->n_sums != H * f->opts->lanes)
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint's phase or arrays are not those of its own configuration",
                        f->place->folder.text);
    if (c->step > steps)
        return trb_fail(TRB_EINTEGRITY, "%s: a checkpoint says step %llu of %llu", f->place->folder.text,
                        (unsigned long long)c->step, (unsigned long long)steps);
    return TRB_OK;
}

/* Where what a rank holds is in the slabs of the whole network: all of it, or a body and some of the heads. */
typedef struct {
    const trb_net *whole, *part; /* whole: through a window on the part's heads */
    trb_exchange *x;
} landing;

typedef struct {
    trb_comm *group;
    landing part[2];
    size_t n_parts;
} relay;

static const trb_param *named(const trb_net *net, const char *name)
{
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (strcmp(trb_net_param(net, i)->name, name) == 0) return trb_net_param(net, i);
    return NULL;
}

/* Values [at, at + n) of a slab of the whole network: what the part has of them. */
static void land(const landing *l, size_t slab, size_t at, size_t n, const float *values)
{
    for (size_t i = 0; i < trb_net_n_params(l->part); i++) {
        const trb_param *to = trb_net_param(l->part, i), *from = named(l->whole, to->name);
        if (from == NULL) continue;
        const size_t end = from->offset + from->count;
        const size_t lo = from->offset > at ? from->offset : at, hi = end < at + n ? end : at + n;
        if (lo < hi) trb_exchange_put(l->x, slab, to->offset + (lo - from->offset), hi - lo, values + (lo - at));
    }
}

static void land_all(const relay *r, const uint64_t head[3], const float *values)
{
    for (size_t i = 0; i < r->n_parts; i++) land(&r->part[i], head[0], head[1], head[2], values);
}

/* Rank 0, for each piece that it has read. */
static trb_status hand_round(void *ctx, size_t slab, size_t at, size_t n, const float *values)
{
    const relay *r = ctx;
    uint64_t head[3] = {slab, at, n};
    TRB_TRY(trb_comm_bcast(r->group, head, sizeof head, 0));
    TRB_TRY(trb_comm_bcast(r->group, (void *)(uintptr_t)values, n * sizeof *values, 0));
    land_all(r, head, values);
    return TRB_OK;
}

/* The others, until rank 0 says that there are no more. \param[in] piece  [TRB_CHECKPOINT_PIECE] */
static trb_status receive(const relay *r, float *piece)
{
    for (;;) {
        uint64_t head[3] = {0};
        TRB_TRY(trb_comm_bcast(r->group, head, sizeof head, 0));
        if (head[2] == 0) return TRB_OK;
        TRB_TRY(trb_comm_bcast(r->group, piece, head[2] * sizeof *piece, 0));
        land_all(r, head, piece);
    }
}

/* Whatever becomes of the reading, the others hear of its end. */
static trb_status read_again(const char *path, const trb_checkpoint *c, relay *r)
{
    trb_checkpoint again = {.config = NULL};
    uint64_t end[3] = {0};
    trb_status st = trb_checkpoint_read(path, hand_round, r, &again);
    if (st == TRB_OK && again.digest != c->digest)
        st = trb_fail(TRB_EINTEGRITY, "%s: changed while it was read; run again when no other job writes it", path);
    trb_checkpoint_clear(&again);
    if (st == TRB_ECOMM) return st;
    const trb_status told = trb_comm_bcast(r->group, end, sizeof end, 0);
    return st != TRB_OK ? st : told;
}

trb_status trb__checkpoint_use(const trb_checkpoint *c, const trb__fit *f, trb_exchange *x, trb_exchange *heads)
{
    trb_comm *group = f->grid->world;
    const bool leads = trb_comm_rank(group) == 0, cut = heads != NULL;
    relay r = {.group = group, .n_parts = cut ? 2 : 1};
    trb_net *own = NULL;
    float *piece = NULL;
    trb_status st = TRB_OK;
    r.part[0] = (landing){.whole = cut ? f->place->net : f->net, .part = f->net, .x = x};
    if (cut) {
        st = trb_net_window(f->place->net, f->grid->member, f->grid->n_members, &own);
        r.part[1] = (landing){.whole = own, .part = f->heads->net, .x = heads};
    }
    if (st == TRB_OK && !leads) st = trb_alloc(TRB_MEM_CHECKPOINT, TRB_CHECKPOINT_PIECE, sizeof *piece, &piece);
    TRB_GO(trb_agree(group, st));
    st = trb_agree(group, leads ? read_again(f->place->from, c, &r) : receive(&r, piece));
    trb_exchange_resume(x, c->step);
    if (cut) trb_exchange_resume(heads, c->step);
done:
    trb_free(piece);
    trb_net_destroy(own);
    return st;
}

/* ---- writing */

struct trb__saver {
    const trb_config *c;
    trb__place *place;
    const trb__fit *fit;
    trb_exchange *x, *heads; /* heads: of a network whose heads are cut, else NULL */
    size_t steps;            /* an epoch */
    double last_s;           /* when the last one was begun */
    uint64_t due;            /* the first step after which one is wanted */
    bool writes;             /* this rank does */
    bool asked;              /* for a step to be kept, which is not over */
    bool pending, running;   /* kept and not yet written; being written */
    atomic_bool done;
    pthread_t thread;
    trb_status st; /* of the thread */
    uint64_t written;
    double held_s; /* by all of them, but for copying */
    trb_checkpoint at;
    float *joined; /* [slabs][size] of the whole network, if its heads are cut; on the rank that writes */
};

static uint64_t next_due(const trb__saver *s, uint64_t taken)
{
    const uint64_t epoch = (taken / s->steps + 1) * s->steps, every = s->c->checkpoint.steps;
    const uint64_t step = every == 0 ? epoch : (taken / every + 1) * every;
    return step < epoch ? step : epoch;
}

static trb_status reserve(trb__saver *s)
{
    const trb__heads *heads = s->fit->heads;
    const size_t H = heads == NULL ? 1 : s->fit->grid->shape.head_lanes;
    const trb_net *whole = s->place->net != NULL ? s->place->net : s->fit->net;
    s->at.n_sums = H * s->fit->opts->lanes;
    s->at.n_slabs = slabs_of(s->fit->opts);
    s->at.phase = (uint64_t)s->fit->phase;
    s->at.net = whole;
    s->at.config = s->place->config;
    s->at.blas = s->place->blas;
    s->at.processor = (char *)(uintptr_t)trb_machine_name();
    TRB_TRY(trb_alloc(TRB_MEM_CHECKPOINT, s->at.n_sums, sizeof *s->at.sum, &s->at.sum));
    if (!s->writes || heads == NULL) return TRB_OK;
    return trb_alloc(TRB_MEM_CHECKPOINT, TRB_CHECKPOINT_SLABS * trb_net_size(whole), sizeof *s->joined, &s->joined);
}

size_t trb__saver_bytes(const trb__fit *f)
{
    const size_t slabs = slabs_of(f->opts);
    if (f->place->c->checkpoint.keep == 0) return 0;
    size_t floats = slabs * trb_net_size(f->net);
    if (f->heads != NULL)
        floats += f->grid->shape.columns * slabs * trb_net_size(f->heads->net) +
                  TRB_CHECKPOINT_SLABS * trb_net_size(f->place->net);
    return floats * sizeof(float);
}

trb_status trb__saver_open(const trb__fit *f, trb_exchange *x, trb_exchange *heads, size_t steps, trb__saver **out)
{
    trb_comm *group = f->grid->world;
    trb__saver *s = NULL;
    if (f->place == NULL || f->place->c->checkpoint.keep == 0) return TRB_OK;
    trb_status st = trb_agree(group, trb_alloc(TRB_MEM_OTHER, 1, sizeof *s, &s));
    if (st != TRB_OK) {
        trb_free(s);
        return st;
    }
    *s = (trb__saver){.c = f->place->c, .place = f->place, .fit = f, .x = x, .heads = heads, .steps = steps};
    s->writes = trb_comm_rank(group) == 0;
    s->last_s = trb_now_s();
    s->due = next_due(s, f->from == NULL ? 0 : f->from->step);
    st = trb_agree(group, reserve(s));
    if (st == TRB_OK) st = trb_exchange_keep_open(x, group, 0, 1);
    if (st == TRB_OK && heads != NULL) st = trb_exchange_keep_open(heads, group, f->grid->at, f->grid->shape.columns);
    if (st == TRB_OK)
        *out = s;
    else
        trb__saver_close(s);
    return st;
}

/* Heads' parts come by columns. */
static trb_status join(trb__saver *s)
{
    const trb_net *body = s->fit->net, *behind = s->fit->heads->net, *whole = s->at.net;
    const size_t n = trb_net_heads(behind);
    for (size_t i = 0; i < s->at.n_slabs; i++) {
        float *to = s->joined + i * trb_net_size(whole);
        TRB_TRY(trb_net_copy(body, trb_exchange_kept_slab(s->x, 0, i), whole, 0, 0, to));
        for (size_t g = 0; g * n < trb_net_heads(whole); g++)
            TRB_TRY(trb_net_copy(behind, trb_exchange_kept_slab(s->heads, g, i), whole, g * n, n, to));
        s->at.slab[i] = to;
    }
    return TRB_OK;
}

static void *write_file(void *saver)
{
    trb__saver *s = saver;
    s->st = s->joined == NULL ? TRB_OK : join(s);
    if (s->st == TRB_OK) s->st = trb_checkpoint_publish(s->place->folder.text, s->place->slot, &s->at);
    atomic_store(&s->done, true);
    return NULL;
}

static trb_status begin_writing(trb__saver *s)
{
    s->pending = false;
    for (size_t i = 0; s->joined == NULL && i < s->at.n_slabs; i++) s->at.slab[i] = trb_exchange_kept_slab(s->x, 0, i);
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
    const trb_status st = end_writing(s); /* it reads what the next one fills */
    trb_exchange_keep(s->x);
    if (s->heads != NULL) trb_exchange_keep(s->heads);
    return st;
}

double *trb__saver_sums(trb__saver *s)
{
    memset(s->at.sum, 0, s->at.n_sums * sizeof *s->at.sum);
    return s->at.sum;
}

trb_status trb__saver_kept(trb__saver *s, uint64_t taken)
{
    if (!s->writes) return TRB_OK;
    s->last_s = trb_now_s();
    s->due = next_due(s, taken);
    s->at.step = taken;
    s->asked = false;
    trb_free(s->at.metrics);
    s->at.metrics = NULL;
    TRB_TRY(trb_jsonl_text(s->fit->metrics, &s->at.metrics));
    s->pending = true; /* only now is there all that is written */
    return TRB_OK;
}

trb_status trb__saver_go_on(trb__saver *s)
{
    bool through = true, heads_through = true;
    if (s == NULL) return TRB_OK;
    if (s->running && atomic_load(&s->done)) TRB_TRY(end_writing(s));
    TRB_TRY(trb_exchange_kept(s->x, &through));
    if (s->heads != NULL) TRB_TRY(trb_exchange_kept(s->heads, &heads_through));
    return s->pending && through && heads_through ? begin_writing(s) : TRB_OK;
}

trb_status trb__saver_finish(trb__saver *s)
{
    if (s == NULL) return TRB_OK;
    TRB_TRY(trb_exchange_kept_wait(s->x));
    if (s->heads != NULL) TRB_TRY(trb_exchange_kept_wait(s->heads));
    trb_status st = end_writing(s);
    if (st == TRB_OK && s->pending) st = begin_writing(s);
    if (st == TRB_OK) st = end_writing(s);
    return st;
}

void trb__saver_hold(trb__saver *s, double seconds)
{
    if (s != NULL) s->held_s += seconds;
}

void trb__saver_report(const trb__saver *s, double step_s)
{
    if (s == NULL || s->written == 0 || step_s <= 0.0) return;
    const double copied =
        trb_exchange_worked(s->x).kept_s + (s->heads == NULL ? 0.0 : trb_exchange_worked(s->heads).kept_s);
    const double each = (copied + s->held_s) / (double)s->written;
    trb_info("%s: %llu checkpoints, for each of which rank 0's steps were held up by %.2f ms, %.1f %% of a step",
             s->place->who, (unsigned long long)s->written, 1e3 * each, 100.0 * each / step_s);
}

void trb__saver_close(trb__saver *s)
{
    if (s == NULL) return;
    (void)end_writing(s);
    trb_free(s->at.metrics);
    trb_free(s->at.sum);
    trb_free(s->joined);
    trb_free(s);
}
