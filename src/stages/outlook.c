/* How much work a run has left, and how far all members are. */
#include "outlook.h"

#include <stdio.h>

#include "tribikos/comm.h"
#include "tribikos/memory.h"

static bool whole; /* this process runs all stages */

double trb__work_of_training(const trb_fit_opts *o, const trb__dataset *s, const trb_net *net, uint64_t epochs)
{
    enum { PASSES = 3 }; /* a backward pass takes about twice the time of a forward pass */
    const double passes = PASSES * (o->adversarial > 0.0 ? 2.0 : 1.0);
    return passes * trb_net_macs(net) * (double)epochs * (double)s->n_train;
}

void trb__outlook_whole(void)
{
    whole = true;
}

/* A network that is refused here is refused elsewhere too, with a message. */
static trb_status unless_refused(trb_status st)
{
    if (st == TRB_OK || trb_status_is_failure(st)) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* Add the work of a phase. */
static trb_status phase(const trb_config *c, const trb__dataset *s, size_t i, size_t heads, uint64_t epochs,
                        double *work)
{
    trb_net *net = NULL;
    const trb_status st = trb__student_net(c, i, &s->data, heads, &net);
    if (st == TRB_OK) *work += trb__work_of_training(&c->student[i].fit, s, net, epochs);
    trb_net_destroy(net);
    return unless_refused(st);
}

trb_status trb__outlook_students(const trb_config *c, const trb__dataset *s, size_t first, double *work)
{
    const size_t M = c->members.count;
    *work = 0.0;
    for (size_t i = first; i < c->n_students; i++) {
        const trb_student_opts *o = &c->student[i];
        if (trb_file_exists(trb__run_path(c, "student/%s/weights.h5", o->name).text)) continue;
        TRB_TRY(phase(c, s, i, trb_method_heads(o->method, 1, M), o->phase1_epochs, work));
        TRB_TRY(phase(c, s, i, trb_method_heads(o->method, 2, M), o->fit.epochs, work));
    }
    return TRB_OK;
}

/* Add the work of the cache. */
static trb_status cache(const trb_config *c, const trb__dataset *s, double *work)
{
    double macs = 0.0;
    if (trb_file_exists(trb__run_path(c, "cache/manifest.h5").text)) return TRB_OK;
    for (size_t m = 0; m < c->members.count; m++) {
        trb_net *net = NULL;
        const trb_status st = trb__member_net(c, m, &s->data, &net);
        if (st == TRB_OK) macs += trb_net_macs(net);
        trb_net_destroy(net);
        TRB_TRY(unless_refused(st));
    }
    *work += macs * (double)c->cache.views * (double)s->data.n;
    return TRB_OK;
}

trb_status trb__outlook(const trb_config *c, const trb__dataset *s, trb__outlook_after after, double *work)
{
    *work = 0.0;
    if (!whole) return TRB_OK;
    TRB_TRY(trb__outlook_students(c, s, 0, work));
    return after == TRB__AFTER_MEMBERS ? cache(c, s, work) : TRB_OK;
}

/* ---- the members */

trb_status trb__overview_begin(trb__overview *o, double work, double later)
{
    trb_progress_begin(&o->progress, o->n, "members", "members");
    o->progress.work = work;
    o->progress.later = later;
    return trb_alloc(TRB_MEM_OTHER, o->n, sizeof *o->before, &o->before);
}

void trb__overview_end(trb__overview *o)
{
    trb_free(o->before);
    o->before = NULL;
}

void trb__overview_take(trb__overview *o, size_t item, bool leads)
{
    o->item = item;
    o->leads = leads && item < o->n;
    trb_comm_work(o->leads, item, 0.0, 0.0);
}

/* Rank 0: show all members. \param[in] own  what to say of this rank's own member */
static void show_all(trb__overview *o, const char *own)
{
    const size_t handed = trb_queue_handed(o->queue);
    size_t under_way = 0;
    double total = 0.0, done = 0.0, before = 0.0;
    char state[256];
    for (size_t i = 0; i < o->n; i++) total += o->cost[i];
    for (size_t i = 0; i < handed; i++) done += o->cost[i];
    for (int r = 0; r < trb_comm_size(o->world); r++) {
        size_t item = 0, heard = 0;
        double from = 0.0, share = 0.0;
        if (!trb_queue_holds(o->queue, r, &item)) continue;
        under_way++;
        const bool known = trb_comm_work_of(r, &heard, &from, &share) && heard == item; /* signs come a second late */
        if (known) o->before[item] = from;
        done -= o->cost[item] * (known ? 1.0 - share : 1.0);
    }
    for (size_t i = 0; i < o->n; i++) before += o->cost[i] * o->before[i];
    (void)snprintf(state, sizeof state, "%zu of %zu done, %zu under way%s", handed - under_way, o->n, under_way, own);
    trb_progress_share(&o->progress, done > 0.0 ? done / total : 0.0, before / total, state);
}

bool trb__overview_show(void *overview, uint64_t before, uint64_t done, uint64_t steps, uint64_t each, const char *note)
{
    trb__overview *o = overview;
    char own[192];
    if (o->leads) trb_comm_work(true, o->item, (double)before / (double)steps, (double)done / (double)steps);
    if (trb_comm_rank(o->world) != 0 || !trb_progress_due(&o->progress)) return false;
    const uint64_t epochs = steps / each, epoch = done / each + 1;
    (void)snprintf(own, sizeof own, "; member %llu: epoch %llu of %llu%s%s", (unsigned long long)o->member[o->item],
                   (unsigned long long)(epoch < epochs ? epoch : epochs), (unsigned long long)epochs,
                   note[0] == '\0' ? "" : " ", note);
    show_all(o, own);
    return true;
}

void trb__overview_wait(void *overview)
{
    trb__overview *o = overview;
    if (trb_progress_due(&o->progress)) show_all(o, "");
}
