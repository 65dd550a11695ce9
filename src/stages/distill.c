#include <inttypes.h>
#include <stdio.h>

#include "internal.h"
#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"

/* A student's teachers: what the cache says of each row, step by step. */
typedef struct {
    trb_reader *reader;
    const float *logits; /* [rows of the step][M][K] */
    size_t M, K;
    float T;
} teachers;

static trb_status plan(void *ctx, size_t steps, size_t rows, const int64_t *sample)
{
    (void)rows;
    teachers *t = ctx;
    return trb_reader_plan(t->reader, steps, sample, NULL);
}

static trb_status next(void *ctx)
{
    teachers *t = ctx;
    return trb_reader_next(t->reader, &t->logits);
}

static trb_status loss_on_mean(void *ctx, size_t at, size_t rows, size_t batch, const int64_t *sample, const float *z,
                               double *loss, float *dz)
{
    (void)sample;
    const teachers *t = ctx;
    return trb_loss_kd_mean(rows, t->M, t->K, batch, t->T, z, t->logits + at * t->M * t->K, loss, dz);
}

static trb_status loss_on_own(void *ctx, size_t at, size_t rows, size_t batch, const int64_t *sample, const float *z,
                              double *loss, float *dz)
{
    (void)sample;
    const teachers *t = ctx;
    return trb_loss_kd(rows, t->M, t->K, batch, t->T, z, t->logits + at * t->M * t->K, loss, dz);
}

/* Phase 1 trains one head on the mean of the members; phase 2 gives every member a copy of it. A kd student is phase 1
 * alone, for as many epochs as both phases have, so that the two methods are compared at equal training. */
static trb_status train_student(trb_comm *world, const trb_config *c, const trb__samples *s, trb_reader *reader,
                                const trb_cache_spec *spec, size_t index, const char *config)
{
    const trb_student_opts *o = &c->student[index];
    const bool leads = trb_comm_rank(world) == 0, hydra = o->method == TRB_METHOD_HYDRA;
    char label[96];
    trb_net *one = NULL, *many = NULL;
    float *params_one = NULL, *params_many = NULL;
    trb_jsonl *metrics = NULL;
    teachers t = {.reader = reader, .M = spec->M, .K = spec->K, .T = (float)o->temperature};

    trb_status st = trb__student_net(c, index, &s->data, 1, &one);
    if (st == TRB_OK && trb_net_outputs(one) != spec->K)
        st = trb_fail(TRB_ECONFIG, "student %s has %zu outputs, the cached members have %zu", o->name,
                      trb_net_outputs(one), spec->K);
    if (st == TRB_OK && hydra) st = trb__student_net(c, index, &s->data, spec->M, &many);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(one), sizeof *params_one, &params_one);
    if (st == TRB_OK && hydra) st = trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(many), sizeof *params_many, &params_many);
    if (st == TRB_OK && leads) {
        st = trb_mkdirs(trb__run_path(c, "student/%s", o->name).text);
        if (st == TRB_OK) st = trb_jsonl_open(trb__run_path(c, "student/%s/metrics.jsonl", o->name).text, &metrics);
    }
    TRB_GO(trb_agree(world, st));
    trb_net_init(one, o->fit.init, o->fit.seed, TRB_STUDENT_STREAM, params_one);

    trb__fit fit = {.opts = &o->fit,
                    .epochs = o->phase1_epochs + (hydra ? 0 : o->fit.epochs),
                    .stream = TRB_STUDENT_STREAM,
                    .exchange = c->exchange,
                    .net = one,
                    .params = params_one,
                    .samples = s,
                    .plan = plan,
                    .next = next,
                    .loss = loss_on_mean,
                    .ctx = &t,
                    .metrics = metrics,
                    .label = label,
                    .phase = 1};
    (void)snprintf(label, sizeof label, hydra ? "student %s, one head" : "student %s", o->name);
    TRB_GO(trb__fit_run(world, &fit));
    if (hydra) {
        TRB_GO(trb_agree(world, trb_net_spread(one, params_one, many, params_many)));
        fit.first_epoch = fit.epochs;
        fit.epochs = o->fit.epochs;
        fit.net = many;
        fit.params = params_many;
        fit.loss = loss_on_own;
        fit.phase = 2;
        (void)snprintf(label, sizeof label, "student %s, %zu heads", o->name, spec->M);
        TRB_GO(trb__fit_run(world, &fit));
    }
    if (leads) {
        st = trb_jsonl_close(metrics);
        metrics = NULL;
        if (st == TRB_OK)
            st = trb_weights_write(trb__run_path(c, "student/%s/weights.h5", o->name).text, hydra ? many : one,
                                   hydra ? params_many : params_one, trb__samples_norm(s), config, NULL);
    }
    st = trb_agree(world, st);
done:
    (void)trb_jsonl_close(metrics);
    trb_free(params_many);
    trb_free(params_one);
    trb_net_destroy(many);
    trb_net_destroy(one);
    return st;
}

/* Everything about a student that can be wrong is looked at before the first one is trained. */
static trb_status check_student(trb_comm *world, const trb_config *c, const trb__samples *s, const trb_cache_spec *spec,
                                size_t index)
{
    const trb_student_opts *o = &c->student[index];
    char who[128];
    trb_net *net = NULL;
    (void)snprintf(who, sizeof who, "student %s", o->name);
    TRB_TRY(trb__student_net(c, index, &s->data, spec->M, &net));
    trb_net_destroy(net);
    TRB_TRY(trb__fit_check(&o->fit, s, who));
    if ((uint64_t)trb_comm_size(world) > o->fit.lanes)
        return trb_fail(TRB_ECONFIG,
                        "%s: %d ranks share a batch of %" PRIu64 " lanes; use at most %" PRIu64
                        " ranks, or set student.lanes to at least %d (a divisor of student.batch = %" PRIu64 ")",
                        who, trb_comm_size(world), o->fit.lanes, o->fit.lanes, trb_comm_size(world), o->fit.batch);
    return TRB_OK;
}

/* Reads the cache's manifest and refuses it if it is of other data or other members than the configuration names. */
static trb_status open_cache(trb_comm *world, const trb_config *c, const trb_data *data, trb_cache **cache)
{
    uint64_t *digest = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *digest, &digest);
    if (st == TRB_OK) st = trb_cache_open(trb__run_path(c, "cache").text, cache);
    if (st == TRB_OK) st = trb_cache_expect_data(*cache, data);
    if (st == TRB_OK && trb_cache_spec_of(*cache)->M != c->members.count)
        st = trb_fail(TRB_EINTEGRITY, "%s holds %zu members, members.count is %" PRIu64 "; run `tribikos cache`",
                      trb_cache_dir(*cache), trb_cache_spec_of(*cache)->M, c->members.count);
    TRB_GO(trb_agree(world, st));
    /* Members from elsewhere have no weights file here; then the cache's word is all there is. */
    TRB_GO(trb__member_digests(world, c, data->digest, false, digest));
    for (size_t m = 0; st == TRB_OK && m < c->members.count; m++)
        if (digest[m] != 0) st = trb_cache_expect_member(*cache, m, digest[m]);
    st = trb_agree(world, st);
done:
    trb_free(digest);
    return st;
}

trb_status trb_stage_distill(trb_comm *world, const trb_config *c)
{
    trb__samples s = {0};
    trb_cache *cache = NULL;
    TRB_TRY(trb__samples_load(world, c, &s));
    trb_status st = TRB_OK;
    if (s.data.task != TRB_TASK_CLASSES)
        st = trb_fail(TRB_ECONFIG, "data.task: regression ensembles can be trained and cached, but not distilled");
    if (st != TRB_OK) goto done;
    TRB_GO(open_cache(world, c, &s.data, &cache));
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    for (size_t i = 0; i < c->n_students; i++) TRB_GO(trb_agree(world, check_student(world, c, &s, spec, i)));
    for (size_t i = 0; i < c->n_students; i++) {
        const trb_student_opts *o = &c->student[i];
        char *config = NULL;
        uint64_t found = 0;
        st = trb__student_text(c, i, spec, &config);
        if (st == TRB_OK && trb_comm_rank(world) == 0) {
            bool there = false;
            st = trb__weights_found(trb__run_path(c, "student/%s/weights.h5", o->name).text, config, &there, NULL);
            found = there;
        }
        st = trb_agree(world, st);
        if (st == TRB_OK) st = trb_comm_bcast(world, &found, sizeof found, 0);
        if (st == TRB_OK && found) trb_info("distill: student %s is there already", o->name);
        if (st == TRB_OK && !found) {
            /* The rank's lanes are neighbours in a batch; the reader serves their rows. */
            size_t first = 0, count = 0;
            trb_reader *reader = NULL;
            trb_share(o->fit.lanes, trb_comm_rank(world), trb_comm_size(world), &first, &count);
            st = trb_agree(world, trb_reader_open(cache, 0, spec->M, count * (o->fit.batch / o->fit.lanes),
                                                  c->cache.memory, &reader));
            if (st == TRB_OK) st = train_student(world, c, &s, reader, spec, i, config);
            const trb_status closed = trb_reader_close(reader);
            if (st == TRB_OK) st = trb_agree(world, closed);
        }
        trb_free(config);
        if (st != TRB_OK) goto done;
    }
done:
    trb_cache_close(cache);
    trb__samples_clear(&s);
    return st;
}
