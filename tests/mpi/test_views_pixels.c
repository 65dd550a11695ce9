/* A student is fed the pixels that the members saw when their logits were cached. The stages themselves are run on
 * networks that show it: one whose outputs are its inputs, and a student that starts as a copy of its member. */
#include "mpi/scene.h"
#include "../../src/stages/fit.h"
#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/weights.h"

enum { SEED = 13, M = 2, V = 3, EPOCHS = 8, FIRST_EPOCH = 4 };

/* Batches of 10 in 5 lanes: up to 5 ranks. Two rows a lane and two a block: a call of the same shape for both. */
static const char *const text =
    "run: {dir: %s/run, seed: 3}\n"
    "data: {root: %s, train: [x, y], test: [x, y], validation: 5}\n"
    "members.count: %d\n"
    "train: {layers: [dense 36], batch: 10, lanes: 5}\n"
    "cache: {views: 3, view_recipes: [\"%s\"], view_seed: 11, block: 2, shard_rows: 16}\n"
    "students: [hydra]\n"
    "student: {layers: [split, dense 36], batch: 10, lanes: 5, phase1_epochs: 0, epochs: 8,\n"
    "          optimizer: sgd, lr: 0.1, views: %d, seed: 13}\n";

static void set(trb_comm *w, const char *recipe, int members, int views, scene *of)
{
    char config[1024];
    scene_make(w, of);
    (void)snprintf(config, sizeof config, text, of->folder, of->folder, members, recipe, views);
    scene_open(w, config, of);
}

/* Rank 0 writes a member as if it had been trained. */
static void write_member(trb_comm *w, const scene *of, size_t m, const trb_net *net, const float *params)
{
    char *config = NULL;
    if (trb_comm_rank(w) != 0) return;
    CHECK(trb_mkdirs(trb__run_path(of->c, "members/m%03zu", m).text) == TRB_OK);
    CHECK(trb_identity_member(of->c, m, &of->s.data, &config) == TRB_OK);
    CHECK(trb_weights_write(trb__run_path(of->c, "members/m%03zu/weights.h5", m).text, net, params,
                            trb__dataset_norm(&of->s), config, trb_blas_name(), NULL) == TRB_OK);
    trb_free(config);
}

/* y = factor x: a power of two scales without rounding. */
static void identity(const trb_net *net, float factor, float *params)
{
    const trb_param *weight = trb_net_param(net, 0);
    CHECK(weight->ndim == 2 && weight->shape[0] == D && weight->shape[1] == D);
    memset(params, 0, trb_net_size(net) * sizeof *params);
    for (size_t i = 0; i < D; i++) params[weight->offset + i * D + i] = factor;
}

/* What a training of an identity shows: its outputs are the pixels it is fed. */
typedef struct {
    trb_reader *reader;
    trb_augment *views; /* of its own: the training's is in use by its feed */
    const trb_data *data;
    const float *logits; /* [rows][M][D] */
    size_t row;          /* the next one of the plan */
    uint64_t plans;      /* epochs begun */
    uint64_t steps;      /* begun */
    const int64_t *sample;
    const uint16_t *view;
    bool planned;
    size_t seen[V], lanes, fails_at;
    double clean;
} student;

static trb_status plan(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view)
{
    (void)rows;
    student *s = ctx;
    s->planned = steps > 0;
    s->plans += s->planned;
    s->sample = sample;
    s->view = view;
    s->row = 0;
    return trb_reader_plan(s->reader, steps, sample, view);
}

static trb_status next(void *ctx, uint64_t step, trb_status st)
{
    student *s = ctx;
    CHECK(step == s->steps++);
    return st == TRB_OK ? trb_reader_next(s->reader, &s->logits) : st;
}

static trb_status compare(void *ctx, const trb__lane *lane, const float *z, double *loss, float *dz)
{
    student *s = ctx;
    const size_t rows = lane->rows, at = lane->at;
    const int64_t *sample = lane->sample;
    CHECK(lane->mix == NULL && rows == 2);
    for (size_t b = 0; b < rows; b++, s->row++) {
        const float *fed = z + b * D, *seen = s->logits + (at + b) * M * D;
        const uint16_t v = s->view[s->row];
        float direct[D], doubled[D], plain[D];
        trb_rng draw =
            trb_rng_open(SEED, TRB_USE_CHOICE, TRB_STUDENT_STREAM, FIRST_EPOCH + s->plans - 1, (uint64_t)sample[b]);
        CHECK(sample[b] == s->sample[s->row]);
        if (s->clean == 0.0)
            CHECK(v == trb_rng_below(&draw, V));
        else
            CHECK(v == (trb_rng_uniform(&draw) < s->clean ? 0 : 1 + trb_rng_below(&draw, V - 1)));
        CHECK(trb_hash_bytes(fed, D * sizeof *fed) == trb_hash_bytes(seen, D * sizeof *seen));
        for (size_t i = 0; i < D; i++) doubled[i] = 2.0F * fed[i];
        CHECK(memcmp(doubled, seen + D, sizeof doubled) == 0); /* the second member's */
        trb_augment_views(s->views, 1, &sample[b], &v, NULL, direct);
        for (size_t i = 0; i < D; i++) CHECK(direct[i] == fed[i]);
        trb_data_rows(s->data, 1, &sample[b], plain);
        CHECK((memcmp(plain, fed, sizeof plain) == 0) == (v == 0)); /* a square is always cut out */
        s->seen[v]++;
    }
    *loss = 0.0;
    memset(dz, 0, rows * D * sizeof *dz);
    return ++s->lanes == s->fails_at ? trb_fail(TRB_EIO, "on purpose") : TRB_OK;
}

/* \return what the training returned; `s` says what was seen */
static trb_status train(trb_comm *w, const scene *of, student *s)
{
    const trb_student_opts *o = &of->c->student[0];
    trb_cache *cache = NULL;
    trb_net *net = NULL;
    trb_augment *views = NULL;
    const trb_grid grid = trb_grid_plain(w, o->fit.lanes, 0);
    CHECK(trb__run_cache_open(w, of->c, &of->s.data, &cache) == TRB_OK);
    CHECK(trb_reader_open(cache, (trb_selection){TRB_SHARD_LOGITS, V, 0, M}, 2 * grid.lanes.count, 1 << 20,
                          &s->reader) == TRB_OK);
    CHECK(trb__member_net(of->c, 0, &of->s.data, &net) == TRB_OK);
    CHECK(trb__views_create(of->c, &of->s, V, &views) == TRB_OK);
    CHECK(trb__views_create(of->c, &of->s, V, &s->views) == TRB_OK);
    s->data = &of->s.data;
    trb__network network;
    CHECK(trb__network_open(net, NULL, &network) == TRB_OK && trb__network_reserve(&network) == TRB_OK);
    identity(net, 1.0F, network.params);
    const trb__fit fit = {.grid = &grid,
                          .opts = &o->fit,
                          .epochs = EPOCHS,
                          .first_epoch = FIRST_EPOCH,
                          .stream = TRB_STUDENT_STREAM,
                          .exchange = &of->c->exchange,
                          .network = &network,
                          .samples = &of->s,
                          .augment = views,
                          .views = V,
                          .clean = s->clean,
                          .plan = plan,
                          .next = next,
                          .loss = compare,
                          .ctx = s,
                          .label = "test"};
    const trb_status st = trb__fit_run(&fit);
    trb_augment_destroy(views);
    trb_augment_destroy(s->views);
    trb__network_close(&network);
    CHECK(trb_reader_close(s->reader) == TRB_OK);
    trb_cache_close(cache);
    return st;
}

static void make_cache(trb_comm *w, const scene *of)
{
    trb_net *net = NULL;
    float *params = NULL;
    CHECK(trb__member_net(of->c, 0, &of->s.data, &net) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    for (size_t m = 0; m < M; m++) {
        identity(net, m == 0 ? 1.0F : 2.0F, params);
        write_member(w, of, m, net, params);
    }
    trb_free(params);
    trb_net_destroy(net);
    CHECK(trb_stage_cache(w, of->c) == TRB_OK);
}

static void digests_are_equal(trb_comm *w)
{
    scene of;
    set(w, "crop 2, flip, cutout 3, mixup 0.5", M, 0, &of);
    make_cache(w, &of);
    student s = {0};
    CHECK(train(w, &of, &s) == TRB_OK);
    /* 3 steps of 5 lanes an epoch, two rows a lane; each view a third of the time, within 5 deviations. */
    double mine[1 + V] = {(double)s.lanes}, all[5 * (1 + V)] = {0}, sum[1 + V] = {0};
    for (size_t v = 0; v < V; v++) mine[1 + v] = (double)s.seen[v];
    CHECK(trb_comm_allgather(w, mine, 1 + V, all) == TRB_OK);
    for (int i = 0; i < trb_comm_size(w) * (1 + V); i++) sum[i % (1 + V)] += all[i];
    CHECK(sum[0] == 15 * EPOCHS);
    for (size_t v = 0; v < V; v++) CHECK(sum[1 + v] > 80 - 5 * 7.3 && sum[1 + v] < 80 + 5 * 7.3);
    for (double clean = 0.5; clean <= 1.0; clean += 0.5) {
        s = (student){.clean = clean};
        CHECK(train(w, &of, &s) == TRB_OK);
        CHECK(clean < 1.0 || s.seen[0] == 2 * s.lanes);
        CHECK(clean == 1.0 || trb_comm_size(w) > 2 || (s.seen[0] < 2 * s.lanes && s.seen[0] > s.seen[1]));
    }
    scene_strike(w, &of);
}

/* However a training ends, nobody reads its plan any more. */
static void the_plan_is_dropped(trb_comm *w)
{
    scene of;
    set(w, "crop 2, cutout 3", M, 0, &of);
    make_cache(w, &of);
    student s = {0};
    CHECK(train(w, &of, &s) == TRB_OK);
    CHECK(!s.planned);
    s = (student){.fails_at = trb_comm_rank(w) == 0 ? 2 : 0};
    CHECK(train(w, &of, &s) == TRB_EIO);
    CHECK(!s.planned);
    trb_fail_clear();
    scene_strike(w, &of);
}

/* The whole stage: the student begins as the member that it follows, so that it has nothing to learn, to the last bit,
 * as long as it is fed what the member saw, and a lot if it is not. */
static void nothing_to_learn(trb_comm *w)
{
    for (int views = 0; views < 3; views++) {
        scene of;
        set(w, "crop 2, flip, mixup 0.5", 1, views, &of);
        const trb_fit_opts *o = &of.c->student[0].fit;
        trb_net *one = NULL;
        float *params = NULL;
        CHECK(trb__student_net(of.c, 0, &of.s.data, 1, &one) == TRB_OK);
        CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(one), sizeof *params, &params) == TRB_OK);
        trb_net_init(one, o->init, o->seed, TRB_STUDENT_STREAM, params);
        trb_net *member = NULL;
        CHECK(trb__member_net(of.c, 0, &of.s.data, &member) == TRB_OK && trb_net_size(member) == trb_net_size(one));
        write_member(w, &of, 0, member, params);
        trb_net_destroy(member);
        trb_net_destroy(one);
        trb_free(params);
        CHECK(trb_stage_cache(w, of.c) == TRB_OK);
        /* It does not look at views that it does not see. */
        for (size_t v = of.c->student[0].views; v < V && trb_comm_rank(w) == 0; v++)
            CHECK(unlink(trb__run_path(of.c, "cache/v%02zu/m000-s00001.h5", v).text) == 0);
        CHECK(trb_comm_barrier(w) == TRB_OK);
        CHECK(trb_stage_distill(w, of.c) == TRB_OK);
        if (trb_comm_rank(w) == 0) {
            FILE *f = fopen(trb__run_path(of.c, "student/hydra/metrics.jsonl").text, "r");
            char line[256];
            int epochs = 0;
            CHECK(f != NULL);
            for (; fgets(line, sizeof line, f) != NULL; epochs++) CHECK(strstr(line, "\"loss\": 0,") != NULL);
            CHECK(epochs == EPOCHS && fclose(f) == 0);
        }
        scene_strike(w, &of);
    }
}

static void expect_text(const scene *of, bool sees_all, const char *views)
{
    char *own = NULL;
    CHECK(trb_identity_student(of->c, 0, &of->s.data, NULL, &own) == TRB_OK);
    const char *at = strstr(own, "data_digest: ");
    CHECK(at != NULL && strcmp(strchr(at, '\n') + 1, views) == 0);
    CHECK((strstr(own, "\nviews: 3\n") != NULL) == sees_all);
    trb_free(own);
}

/* What a student sees is part of what it is, and nothing else of the views that a cache holds. */
static void a_student_is_of_its_views(trb_comm *w)
{
    char hex[17], views[256];
    for (int n = 0; n < 3; n++) {
        scene of;
        set(w, "cutout 3, mixup 0.5", 1, n, &of);
        trb_hash_hex(trb_hash_bytes(of.s.data.mean, sizeof(float)), hex);
        (void)snprintf(views, sizeof views,
                       "cache.view_recipes: [cutout 3, mixup 0.5, mean %s, without 5 by seed 3]\ncache.view_seed: 11\n",
                       hex);
        expect_text(&of, n == 0, n == 1 ? "" : views);
        of.c->cache.views += 2;
        expect_text(&of, n == 0, n == 1 ? "" : views);
        scene_strike(w, &of);
    }
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {scene_begin, digests_are_equal, the_plan_is_dropped, nothing_to_learn,
                              a_student_is_of_its_views};
    return run_tests(argc, argv, 5, tests);
}
