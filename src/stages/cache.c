#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "tribikos/blas.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

/* The member whose weights are loaded; units come member by member, so it seldom changes. */
typedef struct {
    bool loaded;
    size_t member;
    trb_net *net;
    float *params;
    trb_work *work;
    trb_augment *views;
    int64_t *sample; /* [block] */
    uint16_t *view;  /* [block] */
    float *input;    /* [block][D] */
} worker;

static void unload(worker *w)
{
    trb_work_destroy(w->work);
    trb_free(w->params);
    trb_net_destroy(w->net);
    w->work = NULL;
    w->params = NULL;
    w->net = NULL;
    w->loaded = false;
}

static trb_status load_member(const trb_config *c, const trb_cache_spec *spec, size_t m, worker *w)
{
    if (w->loaded && w->member == m) return TRB_OK;
    unload(w);
    trb_weights_info info = {0};
    const trb__path path = trb__run_path(c, "members/m%03zu/weights.h5", m);
    TRB_TRY(trb_weights_read(path.text, &info, &w->net, &w->params));
    const uint64_t digest = info.digest;
    trb_weights_info_clear(&info);
    if (digest != spec->member_digest[m])
        return trb_fail(TRB_EINTEGRITY, "%s changed while the cache was written; run again when nothing trains",
                        path.text);
    TRB_TRY(trb_work_create(w->net, spec->block, false, &w->work));
    w->member = m;
    w->loaded = true;
    return TRB_OK;
}

static trb_status write_unit(const trb_config *c, const trb_cache_spec *spec, const char *dir, size_t unit, worker *w,
                             trb_queue *queue, uint64_t *payload)
{
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    trb_shard *shard = NULL;
    trb_status st = TRB_OK;
    TRB_GO(load_member(c, spec, u.member, w));
    TRB_GO(trb_mkdirs(trb__run_path(c, "cache/v%02zu", u.view).text));
    TRB_GO(trb_shard_create(dir, spec, unit, &shard));
    for (size_t i = 0; i < spec->block; i++) w->view[i] = (uint16_t)u.view;
    for (size_t at = 0; at < u.rows; at += spec->block) {
        const size_t rows = u.rows - at < spec->block ? u.rows - at : spec->block;
        const float *z = NULL;
        TRB_GO(trb_fault("cache.unit"));
        TRB_GO(trb_stop_check());
        for (size_t i = 0; i < rows; i++) w->sample[i] = (int64_t)(u.first_row + at + i);
        trb_augment_views(w->views, rows, w->sample, w->view, w->input);
        TRB_GO(trb_net_forward(w->net, w->work, w->params, rows, w->input, NULL, &z));
        TRB_GO(trb_shard_write(shard, rows, z));
        trb_queue_serve(queue);
    }
    st = trb_shard_publish(shard, payload);
    shard = NULL;
done:
    trb_shard_abandon(shard);
    return st;
}

/* Which shards are there and whole: every rank looks at its share, rank 0 collects. {good, payload digest} a unit. */
typedef struct {
    uint64_t good, payload;
} shard_state;

static trb_status check_shards(trb_comm *world, const trb_cache_spec *spec, const char *dir, shard_state *all)
{
    size_t first = 0, count = 0;
    const size_t S = trb_cache_units(spec);
    shard_state *mine = NULL;
    trb_share(S, trb_comm_rank(world), trb_comm_size(world), &first, &count);
    trb_status st = trb_alloc(TRB_MEM_OTHER, count, sizeof *mine, &mine);
    for (size_t i = 0; st == TRB_OK && i < count; i++) {
        bool good = false;
        st = trb_stop_check();
        if (st == TRB_OK) st = trb_shard_check(dir, spec, first + i, &good, &mine[i].payload);
        mine[i].good = good;
    }
    if (st == TRB_EINTEGRITY)
        (void)trb_fail_of(st, "shards that the configuration does not ask for are kept; use another run.dir, or remove "
                              "the cache: ");
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_comm_gather(world, mine, count, sizeof *mine, all));
    st = trb_comm_bcast(world, all, S * sizeof *all, 0);
done:
    trb_free(mine);
    return st;
}

/* The units that are missing, those of the members that are dear to compute first, so that none of them is begun when
 * the others are done. Which rank computes a unit decides nothing. */
typedef struct {
    double cost;
    uint64_t unit;
} missing_unit;

static int dearest_first(const void *a, const void *b)
{
    const missing_unit *p = a, *q = b;
    if (p->cost > q->cost || p->cost < q->cost) return p->cost > q->cost ? -1 : 1;
    return p->unit < q->unit ? -1 : 1;
}

static trb_status find_missing(const trb_config *c, const trb_cache_spec *spec, const trb_data *data,
                               const shard_state *all, missing_unit *missing, size_t *n)
{
    const size_t S = trb_cache_units(spec);
    double *macs = NULL;
    trb_status st = TRB_OK;
    *n = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, spec->M, sizeof *macs, &macs));
    for (size_t m = 0; m < spec->M; m++) {
        trb_net *net = NULL;
        TRB_GO(trb__member_net(c, m, data, &net));
        macs[m] = trb_net_macs(net);
        trb_net_destroy(net);
    }
    for (size_t i = 0; i < S; i++) {
        const trb_cache_unit u = trb_cache_unit_at(spec, i);
        if (!all[i].good) missing[(*n)++] = (missing_unit){.cost = macs[u.member] * (double)u.rows, .unit = i};
    }
    qsort(missing, *n, sizeof *missing, dearest_first);
done:
    trb_free(macs);
    return st;
}

/* Write what is missing: each rank takes the next unit when it is free. */
static trb_status write_shards(trb_comm *world, const trb_config *c, const trb_cache_spec *spec, const trb__samples *s,
                               const char *dir, shard_state *all)
{
    typedef struct {
        uint64_t unit, payload;
    } written;
    const size_t S = trb_cache_units(spec), D = trb_shape_size(s->data.shape);
    trb_comm *alone = NULL;
    trb_queue *queue = NULL;
    worker w = {0};
    written *mine = NULL, *everyone = NULL;
    missing_unit *missing = NULL;
    size_t n_missing = 0, n_mine = 0;
    trb_progress progress;

    trb_status st = trb_alloc(TRB_MEM_OTHER, S, sizeof *missing, &missing);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, S, sizeof *mine, &mine);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, S, sizeof *everyone, &everyone);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_DATA, spec->block, sizeof *w.sample, &w.sample);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_DATA, spec->block, sizeof *w.view, &w.view);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_ACTIVATIONS, spec->block * D, sizeof *w.input, &w.input);
    if (st == TRB_OK) st = trb__views_create(c, s, spec->V, &w.views);
    if (st == TRB_OK) st = find_missing(c, spec, &s->data, all, missing, &n_missing);
    TRB_GO(trb_agree(world, st));
    if (n_missing < S) trb_info("cache: %zu of %zu shards are there already", S - n_missing, S);
    if (n_missing == 0) goto done;

    TRB_GO(trb_comm_split(world, trb_comm_rank(world), &alone));
    TRB_GO(trb_queue_open(world, alone, n_missing, &queue));
    trb_progress_begin(&progress, n_missing, "shards", "cache");
    trb_status own = TRB_OK;
    for (;;) {
        size_t item = 0;
        TRB_GO(trb_queue_next(queue, own, &item));
        trb_progress_update(&progress, item, "");
        trb_comm_phase("caching, shards", item);
        if (item == n_missing) break;
        mine[n_mine].unit = missing[item].unit;
        own = write_unit(c, spec, dir, missing[item].unit, &w, queue, &mine[n_mine].payload);
        if (own == TRB_OK) n_mine++;
    }
    trb_queue_close(queue);
    queue = NULL;
    TRB_GO(trb_agree(world, own));
    trb_progress_end(&progress, "");
    TRB_GO(trb_comm_gather(world, mine, n_mine, sizeof *mine, everyone));
    for (size_t i = 0; i < n_missing && trb_comm_rank(world) == 0; i++)
        all[everyone[i].unit] = (shard_state){.good = 1, .payload = everyone[i].payload};
done:
    unload(&w);
    trb_augment_destroy(w.views);
    trb_free(w.input);
    trb_free(w.view);
    trb_free(w.sample);
    trb_free(everyone);
    trb_free(mine);
    trb_free(missing);
    trb_comm_close(alone);
    return st;
}

trb_status trb__common_outputs(const trb_config *c, const trb_data *data, size_t *K)
{
    for (size_t m = 0; m < c->members.count; m++) {
        trb_net *net = NULL;
        TRB_TRY(trb__member_net(c, m, data, &net));
        const size_t mine = trb_net_outputs(net);
        trb_net_destroy(net);
        if (m > 0 && mine != *K)
            return trb_fail(TRB_ECONFIG, "member %zu has %zu outputs, member 0 has %zu; all must have the same", m,
                            mine, *K);
        *K = mine;
    }
    return TRB_OK;
}

/* Whether the manifest that is there says what a new one would. Then it stays: it names the kernels that computed the
 * logits, and they may have been another machine's. That there is none, or a damaged one, is an answer; that it could
 * not be read is not. */
static trb_status manifest_stands(const char *dir, const trb_cache_spec *spec, const shard_state *all, bool *stands)
{
    trb_cache *cache = NULL;
    bool same = false;
    const trb_status st = trb_cache_open(dir, &cache);
    if (st != TRB_OK && st != TRB_ECONFIG && st != TRB_EINTEGRITY) return st;
    if (st == TRB_OK) {
        const trb_cache_spec *is = trb_cache_spec_of(cache);
        same = is->task == spec->task && is->dtype == spec->dtype && is->N == spec->N && is->K == spec->K &&
               is->M == spec->M && is->V == spec->V && is->block == spec->block && is->shard_rows == spec->shard_rows &&
               is->data_digest == spec->data_digest &&
               memcmp(is->member_digest, spec->member_digest, spec->M * sizeof *spec->member_digest) == 0 &&
               trb_cache_expect_views(cache, spec->V, spec->view) == TRB_OK;
        for (size_t i = 0; same && i < trb_cache_units(spec); i++) same = trb_cache_payload(cache, i) == all[i].payload;
    }
    trb_cache_close(cache);
    trb_fail_clear();
    *stands = same;
    return TRB_OK;
}

trb_status trb_stage_cache(trb_comm *world, const trb_config *c)
{
    trb__samples s = {0};
    uint64_t *digest = NULL, *payload = NULL;
    shard_state *all = NULL;
    trb_view *view = NULL;
    trb_lock *lock = NULL;
    const trb__path dir = trb__run_path(c, "cache");
    TRB_TRY(trb__samples_load(world, c, &s));
    trb_cache_spec spec = {.task = s.data.task,
                           .dtype = c->cache.dtype,
                           .deflate = c->cache.deflate,
                           .N = s.data.n,
                           .M = c->members.count,
                           .V = c->cache.views,
                           .block = c->cache.block,
                           .shard_rows = c->cache.shard_rows,
                           .data_digest = s.data.digest,
                           .label = s.data.label,
                           .target = s.data.target};
    trb_status st = trb_agree(world, trb__common_outputs(c, &s.data, &spec.K));
    if (st != TRB_OK) goto done;
    st = trb_alloc(TRB_MEM_OTHER, spec.M, sizeof *digest, &digest);
    const size_t S = trb_cache_units(&spec);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, S, sizeof *payload, &payload);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, S, sizeof *all, &all);
    if (st == TRB_OK) st = trb__views(c, &s.data, &view);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__member_digests(world, c, &s.data, true, digest));
    spec.member_digest = digest;
    spec.view = view;
    if (trb_comm_rank(world) == 0) st = trb__lock(c, "cache", &lock);
    if (trb_comm_rank(world) == 0 && st == TRB_OK) st = trb_mkdirs(dir.text);
    TRB_GO(trb__lock_share(world, c, st, &lock));
    TRB_GO(check_shards(world, &spec, dir.text, all));
    TRB_GO(write_shards(world, c, &spec, &s, dir.text, all));
    bool stands = trb_comm_rank(world) > 0;
    if (!stands) st = manifest_stands(dir.text, &spec, all, &stands);
    if (st == TRB_OK && !stands) {
        for (size_t i = 0; i < S; i++) payload[i] = all[i].payload;
        st = trb_manifest_publish(dir.text, &spec, payload, trb_blas_name());
    }
    st = trb_agree(world, st);
done:
    trb_lock_close(lock);
    trb_free(all);
    trb_free(payload);
    trb_free(view);
    trb_free(digest);
    trb__samples_clear(&s);
    return st;
}
