/* The stage that writes the cache: missing inputs, then missing logits, statistics or most probable classes, then the
 * manifest.
 *
 * | step | who | what |
 * | 1 | rank 0 | takes the lock of RUN/cache unless it may only be read, refuses a cache that holds another kind |
 * | 2 | one rank of each node | removes files that crashed writers left |
 * | 3 | all ranks | check a share of the shards that exist; foreign ones stop the stage |
 * | 4 | each rank, from a queue | writes the next missing shard, until none is left |
 * | 5 | rank 0 | writes the manifest, unless the one that exists says the same |
 *
 * Steps 3 and 4 are done for the shards of inputs first, because logits are computed from them, then for the others. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/blas.h"
#include "tribikos/dirichlet.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/machine.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/stop.h"
#include "tribikos/top.h"
#include "outlook.h"
#include "units.h"

void trb__writer_unload(trb__writer *w)
{
    trb_work_destroy(w->work);
    trb_free(w->params);
    trb_net_destroy(w->net);
    w->work = NULL;
    w->params = NULL;
    w->net = NULL;
    w->loaded = false;
}

trb_status trb__writer_load(trb__writer *w, size_t m, size_t rows)
{
    const bool trains = rows > 0;
    if (w->loaded && w->member == m && w->trains == trains) return TRB_OK;
    trb__writer_unload(w);
    TRB_TRY(trb__member_load(w->c, m, w->spec->member_digest[m], NULL, &w->net, &w->params));
    TRB_TRY(trb_work_create(w->net, trains ? rows : w->spec->block, trains, &w->work));
    w->member = m;
    w->trains = trains;
    w->loaded = true;
    return TRB_OK;
}

trb_status trb__writer_go_on(trb__writer *w)
{
    trb_progress_update(&w->progress, w->blocks++, "");
    TRB_TRY(trb_fault("cache.unit"));
    TRB_TRY(trb_stop_check());
    trb_queue_serve(w->queue);
    return TRB_OK;
}

/* Read the stored inputs of a unit's logits, unless they are in memory. Neighbours in the queue seldom have the same
 * inputs, so only one unit's inputs are kept. */
static trb_status load_inputs(trb__writer *w, trb_cache_unit u)
{
    const size_t unit = trb_cache_inputs_unit(w->spec, u);
    if (w->stored_is == unit) return TRB_OK;
    w->stored_is = SIZE_MAX;
    TRB_TRY(trb_inputs_read(w->dir, w->spec, unit, w->stored));
    w->stored_is = unit;
    return TRB_OK;
}

/* Logits of the loaded member for the block at row `at` of a unit. \param[out] z  [rows][K], borrowed */
static trb_status member_logits(trb__writer *w, trb_cache_unit u, size_t at, size_t *rows, const float **z)
{
    const trb_cache_spec *spec = w->spec;
    const char *stored = NULL;
    *rows = u.rows - at < spec->block ? u.rows - at : spec->block;
    TRB_TRY(trb__writer_go_on(w));
    for (size_t i = 0; i < *rows; i++) {
        w->sample[i] = (int64_t)(u.first_row + at + i);
        w->view[i] = (uint16_t)u.view;
    }
    if (spec->view[u.view].stored) {
        TRB_TRY(load_inputs(w, u));
        stored = w->stored + at * trb_shape_size(spec->shape) * trb_dtype_bytes(spec->x_dtype);
    }
    trb_augment_views(w->views, *rows, w->sample, w->view, stored, w->input);
    return trb_net_forward(w->net, w->work, w->params, *rows, w->input, NULL, z);
}

static trb_status write_logits(trb__writer *w, trb_cache_unit u, trb_shard *shard)
{
    size_t rows = 0;
    const float *z = NULL;
    TRB_TRY(trb__writer_load(w, u.member, 0));
    for (size_t at = 0; at < u.rows; at += rows) {
        TRB_TRY(member_logits(w, u, at, &rows, &z));
        TRB_TRY(trb_shard_write(shard, rows, z));
    }
    return TRB_OK;
}

/* Check member m's logits of a block, before others are computed from them. */
static trb_status expect_finite(const trb_cache_spec *spec, trb_cache_unit u, size_t m, size_t at, size_t rows,
                                const float *z)
{
    const size_t K = spec->K;
    for (size_t i = 0; i < rows * K; i++)
        if (!isfinite(z[i]))
            return trb_fail(TRB_ENUM, "member %zu says %g for output %zu of sample %zu (view %zu), which is not finite",
                            m, (double)z[i], i % K, u.first_row + at + i / K, u.view);
    return TRB_OK;
}

static trb_status write_top(trb__writer *w, trb_cache_unit u, trb_shard *shard)
{
    const trb_cache_spec *spec = w->spec;
    const size_t K = spec->K, k = spec->top;
    trb_status st = TRB_OK;
    float *work = NULL, *t = NULL; /* t [block][TRB_TOP(k, K)] */
    size_t rows = 0;
    const float *z = NULL;
    TRB_GO(trb_alloc(TRB_MEM_CACHE, TRB_TOP_WORK(K), sizeof *work, &work));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, spec->block, TRB_TOP(k, K) * sizeof *t, &t));
    TRB_GO(trb__writer_load(w, u.member, 0));
    for (size_t at = 0; at < u.rows; at += rows) {
        TRB_GO(member_logits(w, u, at, &rows, &z));
        TRB_GO(expect_finite(spec, u, u.member, at, rows, z));
        TRB_GO(trb_top_select(rows, K, k, z, work, t));
        TRB_GO(trb_shard_write(shard, rows, t));
    }
done:
    trb_free(t);
    trb_free(work);
    return st;
}

/* Copy member m's logits of a block to their place among those of all members. \param[out] t  [rows][M][K] */
static trb_status put_beside(const trb_cache_spec *spec, trb_cache_unit u, size_t m, size_t at, size_t rows,
                             const float *z, float *t)
{
    const size_t K = spec->K;
    TRB_TRY(expect_finite(spec, u, m, at, rows, z));
    for (size_t r = 0; r < rows; r++) memcpy(t + (r * spec->M + m) * K, z + r * K, K * sizeof *z);
    return TRB_OK;
}

/* How many rows a rank handles at once, with the logits of all members: whole blocks, as many as `cache.memory` has
 * room for. The number decides how often weights are loaded, but does not change bits. */
static size_t rows_at_once(const trb__writer *w, trb_cache_unit u)
{
    const trb_cache_spec *spec = w->spec;
    const size_t a_row = (spec->M * spec->K + TRB_STATISTICS(spec->K)) * sizeof(float);
    const size_t blocks = w->c->cache.memory / a_row / spec->block;
    const size_t rows = (blocks > 0 ? blocks : 1) * spec->block;
    return rows < u.rows ? rows : u.rows;
}

/* The sums of a row are computed in one go, over all members in their order, so they do not depend on ranks. */
static trb_status write_statistics(trb__writer *w, trb_cache_unit u, trb_shard *shard)
{
    const trb_cache_spec *spec = w->spec;
    const size_t M = spec->M, K = spec->K, most = rows_at_once(w, u);
    trb_status st = TRB_OK;
    float *t = NULL, *s = NULL; /* [most][M][K], [most][2K+1] */
    double *work = NULL;
    TRB_GO(trb_alloc(TRB_MEM_CACHE, most * M, K * sizeof *t, &t));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, most, TRB_STATISTICS(K) * sizeof *s, &s));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, TRB_STATISTICS_WORK(K), sizeof *work, &work));
    for (size_t first = 0; first < u.rows; first += most) {
        const size_t n = u.rows - first < most ? u.rows - first : most;
        for (size_t m = 0; m < M; m++) {
            size_t rows = 0;
            const float *z = NULL;
            TRB_GO(trb__writer_load(w, m, 0));
            for (size_t at = 0; at < n; at += rows) {
                TRB_GO(member_logits(w, u, first + at, &rows, &z));
                TRB_GO(put_beside(spec, u, m, first + at, rows, z, t + at * M * K));
            }
        }
        TRB_GO(trb_statistics(n, M, K, t, work, s));
        TRB_GO(trb_shard_write(shard, n, s));
    }
done:
    trb_free(work);
    trb_free(s);
    trb_free(t);
    return st;
}

static trb_status write_unit(trb__writer *w, size_t unit, uint64_t *payload)
{
    const trb_cache_unit u = trb_cache_unit_at(w->spec, unit);
    trb_shard *shard = NULL;
    trb_status st = trb_shard_create(w->dir, w->spec, unit, &shard);
    if (st == TRB_OK)
        st = u.kind == TRB_SHARD_STATISTICS ? write_statistics(w, u, shard)
             : u.kind == TRB_SHARD_TOP      ? write_top(w, u, shard)
                                            : write_logits(w, u, shard);
    if (st == TRB_OK) {
        st = trb_shard_publish(shard, payload);
        shard = NULL;
    }
    trb_shard_abandon(shard);
    return st;
}

/* The state of a unit's shard: whether it is complete, and then its payload digest. */
typedef struct {
    uint64_t good, payload;
} shard_state;

/* Rank 0: name the shards that exist and yet have to be written, because they are damaged. */
static trb_status name_damaged(const char *dir, const trb_cache_spec *spec, size_t from, size_t n,
                               const shard_state *all)
{
    for (size_t i = 0; i < n; i++) {
        char *path = NULL;
        if (all[i].good) continue;
        TRB_TRY(trb_shard_path(dir, spec, from + i, &path));
        if (trb_file_exists(path)) trb_warn("%s is damaged; it is written anew", path);
        trb_free(path);
    }
    return TRB_OK;
}

/* Find out which shards of the units [from, from + n) are complete. Every rank checks its share, rank 0 collects, and
 * all ranks get the result. \param[out] all  [n] */
static trb_status check_shards(trb_comm *world, const trb_cache_spec *spec, const char *dir, size_t from, size_t n,
                               shard_state *all)
{
    size_t first = 0, count = 0;
    shard_state *mine = NULL;
    trb_progress progress;
    trb_share(n, trb_comm_rank(world), trb_comm_size(world), &first, &count);
    trb_status st = trb_alloc(TRB_MEM_OTHER, count, sizeof *mine, &mine);
    trb_progress_begin(&progress, count, "shards", "cache, checking what is there");
    for (size_t i = 0; st == TRB_OK && i < count; i++) {
        bool good = false;
        trb_progress_update(&progress, i, "");
        trb_comm_phase("checking shards", i);
        st = trb_stop_check();
        if (st == TRB_OK) st = trb_shard_check(dir, spec, from + first + i, &good, &mine[i].payload);
        mine[i].good = good;
    }
    if (st == TRB_EINTEGRITY)
        (void)trb_fail_of(st,
                          "shards that the configuration does not ask for are kept; set its keys back (`cache.dtype`, "
                          "`cache.block` and `cache.shard_rows` say how shards are stored), use another run.dir, or "
                          "remove the cache: ");
    TRB_GO(trb_agree(world, st));
    progress.done = count;
    trb_progress_end(&progress, "");
    TRB_GO(trb_comm_gather(world, mine, count, sizeof *mine, all));
    TRB_GO(trb_comm_bcast(world, all, n * sizeof *all, 0));
    st = trb_agree(world, trb_comm_rank(world) == 0 ? name_damaged(dir, spec, from, n, all) : TRB_OK);
done:
    trb_free(mine);
    return st;
}

/* A missing unit and its cost. Units that are expensive to compute come first, so that none of them begins when the
 * others are done. Which rank computes a unit does not change bits. */
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

/* List the missing ones of the units [from, from + n), most expensive first. */
static trb_status find_missing(const trb__writer *w, const trb_data *data, size_t from, size_t n,
                               const shard_state *all, missing_unit *missing, size_t *n_missing)
{
    const trb_cache_spec *spec = w->spec;
    double *macs = NULL;
    trb_status st = TRB_OK;
    *n_missing = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, spec->M, sizeof *macs, &macs));
    for (size_t m = 0; m < spec->M; m++) {
        trb_net *net = NULL;
        TRB_GO(trb__member_net(w->c, m, data, &net));
        macs[m] = trb_net_macs(net);
        trb_net_destroy(net);
    }
    for (size_t i = 0; i < n; i++) {
        const trb_cache_unit u = trb_cache_unit_at(spec, from + i);
        const double cost = trb_shard_of_member(u.kind) ? macs[u.member] : 1.0; /* other units cost the same */
        if (!all[i].good) missing[(*n_missing)++] = (missing_unit){.cost = cost * (double)u.rows, .unit = i};
    }
    qsort(missing, *n_missing, sizeof *missing, dearest_first);
done:
    trb_free(macs);
    return st;
}

static trb_status reserve(trb__writer *w, const trb__dataset *s)
{
    const trb_cache_spec *spec = w->spec;
    const size_t D = trb_shape_size(s->data.shape);
    bool stored = false;
    for (size_t v = 0; v < spec->V; v++) stored = stored || spec->view[v].stored;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, spec->block, sizeof *w->sample, &w->sample));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, spec->block, sizeof *w->view, &w->view));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, spec->block * D, sizeof *w->input, &w->input));
    const size_t rows = spec->shard_rows < spec->N ? spec->shard_rows : spec->N;
    w->stored_is = SIZE_MAX;
    if (stored) TRB_TRY(trb_alloc(TRB_MEM_CACHE, rows * D, trb_dtype_bytes(spec->x_dtype), &w->stored));
    return trb__views_create(w->c, s, spec->V, &w->views);
}

static void release(trb__writer *w)
{
    trb__writer_unload(w);
    trb_augment_destroy(w->views);
    void *const blocks[] = {w->sample, w->view, w->input, w->stored};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

/* How many blocks are computed for a unit; for statistics, every member computes each block. */
static size_t blocks_of(const trb_cache_spec *spec, size_t unit)
{
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    return (u.rows + spec->block - 1) / spec->block * (u.kind == TRB_SHARD_STATISTICS ? spec->M : 1);
}

/* Write the missing ones of the units [from, from + n). Each rank takes the next one when it is free. */
static trb_status write_shards(trb_comm *world, trb__writer *w, const trb_data *data, const char *what,
                               trb_status (*write)(trb__writer *w, size_t unit, uint64_t *payload), size_t from,
                               size_t n, shard_state *all)
{
    typedef struct {
        uint64_t unit, payload;
    } written;
    trb_comm *alone = NULL;
    written *mine = NULL, *everyone = NULL;
    missing_unit *missing = NULL;
    size_t n_missing = 0, n_mine = 0, blocks = 0;

    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *missing, &missing);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n, sizeof *mine, &mine);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n, sizeof *everyone, &everyone);
    if (st == TRB_OK) st = find_missing(w, data, from, n, all, missing, &n_missing);
    TRB_GO(trb_agree(world, st));
    if (n_missing < n) trb_info("cache: %zu of %zu %s are there already", n - n_missing, n, what);
    if (n_missing == 0) goto done;
    st = trb_folder_forbidden(w->dir)
             ? trb_fail(TRB_EIO, "%s: no permission to write here, and %zu of %zu %s are missing", w->dir, n_missing, n,
                        what)
             : TRB_OK;
    TRB_GO(trb_agree(world, st));

    TRB_GO(trb_comm_split(world, trb_comm_rank(world), &alone));
    TRB_GO(trb_queue_open(world, alone, n_missing, &w->queue));
    for (size_t i = 0; i < n_missing; i++) blocks += blocks_of(w->spec, from + missing[i].unit);
    trb_progress_begin(&w->progress, blocks, "blocks", "cache, %s", what);
    w->progress.work = w->all;
    w->progress.later = w->later;
    trb_status own = TRB_OK;
    for (;;) {
        size_t item = 0;
        TRB_GO(trb_queue_next(w->queue, own, &item));
        w->blocks = 0;
        for (size_t i = 0; i < item; i++) w->blocks += blocks_of(w->spec, from + missing[i].unit);
        trb_progress_update(&w->progress, w->blocks, "");
        trb_comm_phase("caching, shards", item);
        if (item == n_missing) break;
        trb_detail("cache: writes number %zu of %zu %s", item + 1, n_missing, what);
        mine[n_mine].unit = missing[item].unit;
        own = write(w, from + missing[item].unit, &mine[n_mine].payload);
        if (own == TRB_OK) n_mine++;
        trb_stop_progress();
    }
    trb_queue_close(w->queue);
    w->queue = NULL;
    TRB_GO(trb_agree(world, own));
    trb_progress_end(&w->progress, "");
    TRB_GO(trb_comm_gather(world, mine, n_mine, sizeof *mine, everyone));
    for (size_t i = 0; i < n_missing && trb_comm_rank(world) == 0; i++)
        all[everyone[i].unit] = (shard_state){.good = 1, .payload = everyone[i].payload};
    st = trb_comm_bcast(world, all, n * sizeof *all, 0);
done:
    trb_free(everyone);
    trb_free(mine);
    trb_free(missing);
    trb_comm_close(alone);
    return st;
}

/* Write all missing shards. Inputs come first, because logits are computed from them.
 * \param[in,out] kept  increased by the number of shards, except those of inputs, that existed already */
static trb_status complete(trb_comm *world, const trb_config *c, trb_cache_spec *spec, const trb__dataset *s,
                           const char *dir, uint64_t *payload, size_t *kept)
{
    const size_t S = trb_cache_units(spec), logits = trb_cache_logits_units(spec);
    trb__writer w = {.c = c, .spec = spec, .dir = dir};
    shard_state *all = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, S, sizeof *all, &all);
    if (st == TRB_OK) st = reserve(&w, s);
    TRB_GO(trb_agree(world, st));
    if (S > logits) {
        TRB_GO(check_shards(world, spec, dir, logits, S - logits, all + logits));
        TRB_GO(
            write_shards(world, &w, &s->data, "shards of inputs", trb__inputs_write, logits, S - logits, all + logits));
        for (size_t i = logits; i < S; i++) payload[i] = all[i].payload;
        spec->inputs_payload = payload + logits;
    }
    TRB_GO(check_shards(world, spec, dir, 0, logits, all));
    for (size_t i = 0; i < logits; i++) *kept += all[i].good;
    if (trb_comm_rank(world) == 0) st = trb__outlook(c, s, TRB__AFTER_CACHE, &w.later);
    if (trb_comm_rank(world) == 0 && st == TRB_OK) st = trb__outlook(c, s, TRB__AFTER_MEMBERS, &w.all);
    TRB_GO(trb_agree(world, st));
    w.all -= w.later;
    TRB_GO(write_shards(world, &w, &s->data, "shards", write_unit, 0, logits, all));
    for (size_t i = 0; i < logits; i++) payload[i] = all[i].payload;
done:
    release(&w);
    trb_free(all);
    return st;
}

trb_cache_spec trb__run_cache_spec(const trb_config *c, const trb_data *data)
{
    return (trb_cache_spec){.task = data->task,
                            .holds = c->cache.holds,
                            .top = c->cache.holds == TRB_SHARD_TOP ? c->cache.top : 0,
                            .dtype = c->cache.dtype,
                            .deflate = c->cache.deflate,
                            .N = data->n,
                            .M = c->members.count,
                            .V = c->cache.views,
                            .block = c->cache.block,
                            .shard_rows = c->cache.shard_rows,
                            .data_digest = data->digest,
                            .shape = data->shape,
                            .x_dtype = trb_stored_type(data),
                            .label = data->label,
                            .target = data->target};
}

trb_status trb__common_outputs(const trb_config *c, const trb_data *data, size_t *K)
{
    for (size_t m = 0; m < c->members.count; m++) {
        trb_net *net = NULL;
        TRB_TRY(trb__member_net(c, m, data, &net));
        const size_t mine = trb_net_outputs(net);
        trb_net_destroy(net);
        if (m > 0 && mine != *K)
            return trb_fail(TRB_ECONFIG, "member %zu has %s, member 0 has %zu; all must have the same", m,
                            TRB_COUNT(mine, "output"), *K);
        *K = mine;
    }
    if (c->cache.holds == TRB_SHARD_STATISTICS && *K < 2)
        return trb_fail(TRB_ECONFIG,
                        "cache.holds: statistics are of 2 or more classes, but the members have %zu output", *K);
    if (c->cache.holds == TRB_SHARD_TOP && c->cache.top > *K)
        return trb_fail(TRB_ECONFIG,
                        "cache.top: expected at most the %s of the members, got %" PRIu64 "; with %zu, all classes are "
                        "stored and there is no tail",
                        TRB_COUNT(*K, "output"), c->cache.top, *K);
    return TRB_OK;
}

trb_status trb__cache_goes_on(const char *dir, const trb_cache_spec *spec, const trb_data *data)
{
    trb_cache *cache = NULL;
    trb_status st = trb_cache_open(dir, &cache);
    if (st == TRB_OK) {
        st = trb_cache_expect_data(cache, data);
        if (st == TRB_OK) st = trb_cache_expect_form(cache, spec);
        trb_cache_close(cache);
        return st;
    }
    if (st != TRB_ECONFIG && st != TRB_EINTEGRITY) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* Whether the existing manifest says the same as a new one would. Then it stays, because it names the kernels and the
 * processor that computed the logits, perhaps on another machine. A new manifest names these too if shards of theirs
 * were kept, and no processor if the old one names none. A missing or damaged manifest is an answer; an error of
 * reading is not. */
static trb_status manifest_stands(const char *dir, const trb_cache_spec *spec, const uint64_t *payload, size_t kept,
                                  bool *stands, char **makers, const char **processor)
{
    trb_cache *cache = NULL;
    bool same = false;
    trb_status st = trb_cache_open(dir, &cache);
    if (st != TRB_OK && st != TRB_ECONFIG && st != TRB_EINTEGRITY) return st;
    if (st == TRB_OK) {
        const trb_cache_spec *is = trb_cache_spec_of(cache);
        same = is->task == spec->task && is->holds == spec->holds && is->top == spec->top && is->dtype == spec->dtype &&
               is->N == spec->N && is->K == spec->K && is->M == spec->M && is->V == spec->V &&
               is->block == spec->block && is->shard_rows == spec->shard_rows && is->data_digest == spec->data_digest &&
               memcmp(is->member_digest, spec->member_digest, spec->M * sizeof *spec->member_digest) == 0 &&
               trb_cache_expect_views(cache, spec->V, spec->view) == TRB_OK;
        for (size_t i = 0; same && i < trb_cache_units(spec); i++) same = trb_cache_payload(cache, i) == payload[i];
    }
    trb_fail_clear();
    st = cache == NULL || same || kept == 0
             ? TRB_OK
             : trb__makers(dir, trb_cache_blas(cache), trb_cache_processor(cache), makers);
    if (cache != NULL && kept > 0 && trb_cache_processor(cache)[0] == '\0') *processor = "";
    trb_cache_close(cache);
    *stands = same;
    return st;
}

/* The last step of the stage, on rank 0: write the manifest. */
static trb_status publish_manifest(const char *dir, const trb_cache_spec *spec, const uint64_t *payload, size_t kept)
{
    char *makers = NULL;
    const char *processor = trb_machine_name();
    bool stands = false;
    trb_status st = trb_strdup(trb_blas_name(), &makers);
    if (st == TRB_OK) st = manifest_stands(dir, spec, payload, kept, &stands, &makers, &processor);
    if (st == TRB_OK && !stands) st = trb_manifest_publish(dir, spec, payload, makers, processor);
    trb_free(makers);
    return st;
}

/* One rank of each node removes temporary files that crashed processes of this node left: only the same host can tell
 * that a process has ended. */
static trb_status sweep_once_a_node(trb_comm *world, const trb_config *c, const char *dir)
{
    trb_comm *node = NULL;
    TRB_TRY(trb_comm_node(world, 0, &node));
    if (trb_comm_rank(node) == 0) {
        trb_folder_sweep(dir);
        for (size_t v = 0; v < c->cache.views; v++) trb_folder_sweep(trb__run_path(c, "cache/v%02zu", v).text);
    }
    trb_comm_close(node);
    return TRB_OK;
}

trb_status trb_stage_cache(trb_comm *world, const trb_config *c)
{
    trb__dataset s = {0};
    uint64_t *digest = NULL, *payload = NULL;
    size_t kept = 0;
    trb_view *view = NULL;
    trb_lock *lock = NULL;
    const trb__path dir = trb__run_path(c, "cache");
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_NEEDED, &s));
    trb_cache_spec spec = trb__run_cache_spec(c, &s.data);
    spec.schema = s.schema_text;
    trb_status st = trb_agree(world, trb__common_outputs(c, &s.data, &spec.K));
    if (st != TRB_OK) goto done;
    st = trb_alloc(TRB_MEM_OTHER, spec.M, sizeof *digest, &digest);
    if (st == TRB_OK) st = trb__views(c, &s.data, &view);
    spec.view = view;
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, trb_cache_units(&spec), sizeof *payload, &payload);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__member_digests(world, c, &s.data, true, digest));
    spec.member_digest = digest;
    if (trb_comm_rank(world) == 0 && !trb_folder_forbidden(dir.text)) st = trb__run_lock(c, "cache", &lock);
    if (trb_comm_rank(world) == 0 && st == TRB_OK) st = trb__cache_goes_on(dir.text, &spec, &s.data);
    if (trb_comm_rank(world) == 0 && st == TRB_OK) st = trb_mkdirs(dir.text);
    TRB_GO(trb__run_lock_share(world, c, st, &lock));
    TRB_GO(sweep_once_a_node(world, c, dir.text));
    TRB_GO(complete(world, c, &spec, &s, dir.text, payload, &kept));
    st = trb_agree(world, trb_comm_rank(world) == 0 ? publish_manifest(dir.text, &spec, payload, kept) : TRB_OK);
done:
    trb_lock_close(lock);
    trb_free(payload);
    trb_free(view);
    trb_free(digest);
    trb__dataset_clear(&s);
    return st;
}
