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

static trb_status plan(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view)
{
    (void)rows;
    teachers *t = ctx;
    return trb_reader_plan(t->reader, steps, sample, view);
}

static trb_status next(void *ctx)
{
    teachers *t = ctx;
    return trb_reader_next(t->reader, &t->logits);
}

static trb_status loss_on_mean(void *ctx, size_t at, size_t rows, size_t batch, const int64_t *sample,
                               const trb_mix *mix, const float *z, double *loss, float *dz)
{
    (void)sample, (void)mix;
    const teachers *t = ctx;
    return trb_loss_kd_mean(rows, t->M, t->K, batch, t->T, z, t->logits + at * t->M * t->K, loss, dz);
}

static trb_status loss_on_own(void *ctx, size_t at, size_t rows, size_t batch, const int64_t *sample,
                              const trb_mix *mix, const float *z, double *loss, float *dz)
{
    (void)sample, (void)mix;
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
    trb_augment *views = NULL;
    teachers t = {.reader = reader, .M = spec->M, .K = spec->K, .T = (float)o->temperature};

    trb_status st = trb__student_net(c, index, &s->data, 1, &one);
    if (st == TRB_OK && hydra) st = trb__student_net(c, index, &s->data, spec->M, &many);
    if (st == TRB_OK) st = trb__views_create(c, s, o->views, &views);
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
                    .schedule_epochs = o->phase1_epochs + (hydra && o->restart ? 0 : o->fit.epochs),
                    .stream = TRB_STUDENT_STREAM,
                    .exchange = &c->exchange,
                    .net = one,
                    .params = params_one,
                    .samples = s,
                    .augment = views,
                    .views = o->views,
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
        TRB_GO(trb_agree(world, trb_net_copy(one, params_one, many, 0, spec->M, params_many)));
        fit.first_epoch = fit.epochs;
        fit.schedule_from = o->restart ? 0 : fit.epochs;
        if (o->restart) fit.schedule_epochs = o->fit.epochs;
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
    trb_augment_destroy(views);
    trb_free(params_many);
    trb_free(params_one);
    trb_net_destroy(many);
    trb_net_destroy(one);
    return st;
}

trb_status trb__student_check(const trb_config *c, size_t index, const trb__samples *samples, int ranks, size_t M,
                              size_t K)
{
    const trb_student_opts *o = &c->student[index];
    char who[128];
    trb_net *net = NULL;
    (void)snprintf(who, sizeof who, "student %s", o->name);
    TRB_TRY(trb__student_net(c, index, &samples->data, M, &net));
    const size_t outputs = trb_net_outputs(net);
    trb_net_destroy(net);
    if (outputs != K) return trb_fail(TRB_ECONFIG, "%s has %zu outputs, the members have %zu", who, outputs, K);
    TRB_TRY(trb_fail_of(trb_exchange_check(&c->exchange, o->fit.lanes, ranks), "%s: ", who));
    return trb__fit_check(&o->fit, samples, who);
}

/* What is known before the first student is trained: whether each can be, and whether it is there already. */
static trb_status check_students(trb_comm *world, const trb_config *c, const trb__samples *s,
                                 const trb_cache_spec *spec, uint64_t *found)
{
    for (size_t i = 0; i < c->n_students; i++) {
        bool there = false;
        char *config = NULL;
        TRB_TRY(trb__student_check(c, i, s, trb_comm_size(world), spec->M, spec->K));
        if (trb_comm_rank(world) != 0) continue;
        TRB_TRY(trb__student_text(c, i, &s->data, spec, &config));
        const trb_status st = trb__weights_found(trb__run_path(c, "student/%s/weights.h5", c->student[i].name).text,
                                                 config, NULL, &there, NULL);
        trb_free(config);
        TRB_TRY(st);
        found[i] = there;
        if (there) trb_info("distill: student %s is there already", c->student[i].name);
    }
    return TRB_OK;
}

/* One student, with a reader for the rows of this rank's lanes, which are neighbours in a batch. */
static trb_status distill(trb_comm *world, const trb_config *c, const trb__samples *s, const trb_cache *cache, size_t i)
{
    const trb_student_opts *o = &c->student[i];
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    char *config = NULL;
    trb_reader *reader = NULL;
    const size_t count =
        trb_exchange_share(&c->exchange, o->fit.lanes, trb_comm_rank(world), trb_comm_size(world)).count;
    trb_status st = trb__student_text(c, i, &s->data, spec, &config);
    if (st == TRB_OK && count > 0)
        st = trb_reader_open(cache, o->views, 0, spec->M, count * (o->fit.batch / o->fit.lanes), c->cache.memory,
                             &reader);
    TRB_GO(trb_agree(world, st));
    st = train_student(world, c, s, reader, spec, i, config);
done:
    trb_free(config);
    const trb_status closed = trb_reader_close(reader);
    return st != TRB_OK ? st : trb_agree(world, closed);
}

trb_status trb_stage_distill(trb_comm *world, const trb_config *c)
{
    trb__samples s = {0};
    trb_cache *cache = NULL;
    uint64_t *found = NULL;
    TRB_TRY(trb__samples_load(world, c, &s));
    trb_status st = trb__classes_only(&s.data);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, c->n_students, sizeof *found, &found);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__cache_open(world, c, &s.data, &cache));
    TRB_GO(trb_agree(world, check_students(world, c, &s, trb_cache_spec_of(cache), found)));
    TRB_GO(trb_comm_bcast(world, found, c->n_students * sizeof *found, 0));
    for (size_t i = 0; i < c->n_students; i++)
        if (!found[i]) TRB_GO(distill(world, c, &s, cache, i));
done:
    trb_free(found);
    trb_cache_close(cache);
    trb__samples_clear(&s);
    return st;
}
