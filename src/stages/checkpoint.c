/* Checkpoints of a training: which one it goes on from, and writing new ones beside the steps. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "internal.h"
#include "tribikos/alive.h"
#include "tribikos/clock.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
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

static trb_status find(const trb_config *c, const trb__place *place, trb_checkpoint *out, size_t *next)
{
    const char *how = c->run.resume;
    char path[TRB_CHECKPOINT_PATH] = "";
    size_t slot = 0;
    *next = 0;
    if (strcmp(how, "never") == 0) { /* nor shall the next run, which would take the farthest for the newest */
        trb_checkpoint_remove(place->folder.text, c->checkpoint.keep);
        return TRB_OK;
    }
    if (strcmp(how, "auto") != 0) {
        (void)snprintf(path, sizeof path, "%s", how);
        TRB_TRY(trb_checkpoint_read(path, out));
    } else if (c->checkpoint.keep > 0) {
        TRB_TRY(trb_checkpoint_newest(place->folder.text, c->checkpoint.keep, tell_damage, out, &slot, path));
        if (out->config == NULL) return TRB_OK;
        *next = (slot + 1) % c->checkpoint.keep;
    } else {
        return TRB_OK;
    }
    TRB_TRY(expect_config(path, out, place->config));
    trb_info("%s: goes on from %s, phase %llu, step %llu", place->who, path, (unsigned long long)out->phase,
             (unsigned long long)out->step);
    return TRB_OK;
}

/* Rank 0's checkpoint to all. */
static trb_status share(trb_comm *group, trb_checkpoint *c)
{
    const bool leads = trb_comm_rank(group) == 0;
    uint64_t head[5] = {c->phase, c->step, c->n_sums, c->n_slabs, leads ? trb_net_size(c->net) : 0};
    TRB_TRY(trb_comm_bcast(group, head, sizeof head, 0));
    if (!leads) {
        c->phase = head[0];
        c->step = head[1];
        c->n_sums = head[2];
        c->n_slabs = head[3];
    }
    trb_status st = leads ? TRB_OK : trb_alloc(TRB_MEM_CHECKPOINT, c->n_sums, sizeof *c->sum, &c->sum);
    if (st == TRB_OK && !leads) st = trb_alloc(TRB_MEM_CHECKPOINT, c->n_slabs * head[4], sizeof *c->held, &c->held);
    TRB_TRY(trb_agree(group, st));
    for (size_t i = 0; i < c->n_slabs; i++) c->slab[i] = c->held + i * head[4];
    TRB_TRY(trb_comm_bcast(group, c->sum, c->n_sums * sizeof *c->sum, 0));
    return trb_comm_bcast(group, c->held, c->n_slabs * head[4] * sizeof *c->held, 0);
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
    if (trb_comm_rank(group) == 0) st = find(c, place, out, &place->slot);
    found = out->config != NULL;
    st = trb_agree(group, st);
    if (st == TRB_OK) st = trb_comm_bcast(group, &found, sizeof found, 0);
    if (st == TRB_OK && found != 0) st = share(group, out);
    if (st != TRB_OK) trb_checkpoint_clear(out);
    return st;
}

/* What a part of the network has of it: parameters, and through its exchange the moments. */
static trb_status take(const trb_checkpoint *c, const trb_net *from, const trb_net *part, float *params,
                       trb_exchange *x)
{
    float *slab[TRB_CHECKPOINT_SLABS] = {params};
    trb_status st = TRB_OK;
    for (size_t i = 0; st == TRB_OK && i < c->n_slabs; i++) {
        if (i > 0) st = trb_alloc(TRB_MEM_CHECKPOINT, trb_net_size(part), sizeof **slab, &slab[i]);
        if (st == TRB_OK) st = trb_net_copy(from, c->slab[i], part, 0, trb_net_heads(part), slab[i]);
    }
    if (st == TRB_OK) trb_exchange_resume(x, c->step, (const float *const *)(slab + 1));
    for (size_t i = 1; i < TRB_CHECKPOINT_SLABS; i++) trb_free(slab[i]);
    return st;
}

trb_status trb__checkpoint_check(const trb_checkpoint *c, const trb__fit *f, uint64_t steps)
{
    const trb_net *whole = f->heads == NULL ? f->net : f->place->net;
    const size_t H = f->heads == NULL ? 1 : f->heads->lanes;
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

trb_status trb__checkpoint_use(const trb_checkpoint *c, const trb__fit *f, trb_exchange *x, trb_exchange *heads)
{
    if (heads == NULL) return take(c, f->net, f->net, f->params, x);
    trb_net *own = NULL;
    const size_t n = trb_net_heads(f->heads->net);
    trb_status st = take(c, f->place->net, f->net, f->params, x);
    if (st == TRB_OK) st = trb_net_window(f->place->net, (size_t)trb_comm_rank(f->heads->row) * n, n, &own);
    if (st == TRB_OK) st = take(c, own, f->heads->net, f->heads->params, heads);
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
    const size_t H = heads == NULL ? 1 : heads->lanes;
    const trb_net *whole = s->place->net != NULL ? s->place->net : s->fit->net;
    s->at.n_sums = H * s->fit->opts->lanes;
    s->at.n_slabs = slabs_of(s->fit->opts);
    s->at.phase = (uint64_t)s->fit->phase;
    s->at.net = whole;
    s->at.config = s->place->config;
    TRB_TRY(trb_alloc(TRB_MEM_CHECKPOINT, s->at.n_sums, sizeof *s->at.sum, &s->at.sum));
    if (!s->writes || heads == NULL) return TRB_OK;
    return trb_alloc(TRB_MEM_CHECKPOINT, TRB_CHECKPOINT_SLABS * trb_net_size(whole), sizeof *s->joined, &s->joined);
}

trb_status trb__saver_open(trb_comm *group, const trb__fit *f, trb_exchange *x, trb_exchange *heads, size_t steps,
                           trb__saver **out)
{
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
    if (st == TRB_OK && heads != NULL)
        st = trb_exchange_keep_open(heads, group, (size_t)trb_comm_rank(f->heads->row),
                                    (size_t)trb_comm_size(f->heads->row));
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
