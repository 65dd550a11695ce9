/* The models that are evaluated: members, from their weights or from the cache, the ensemble, and students. */
#include "eval.h"
#include <inttypes.h>
#include <string.h>

#include "tribikos/hash.h"
#include "tribikos/members.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

/* Check that a loaded network fits the data set and the other models, and create its workspace. */
static trb_status prepare(const char *path, size_t rows, size_t K, const trb_data *data, trb__loaded *m)
{
    m->predict = trb_predict_mixture;
    m->several = trb_net_heads(m->net) > 1;
    const trb_shape is = trb_net_shape(m->net), asked = data->shape;
    if (!trb_shape_same(is, asked))
        return trb_fail(TRB_EINTEGRITY, "%s takes samples of %zu x %zu x %zu, the data set has %zu x %zu x %zu", path,
                        is.c, is.h, is.w, asked.c, asked.h, asked.w);
    if (data->task == TRB_TASK_REGRESSION && trb_net_outputs(m->net) != 2)
        return trb_fail(TRB_EINTEGRITY, "%s has %s, regression has 2 (mean, log variance)", path,
                        TRB_COUNT(trb_net_outputs(m->net), "output"));
    if (trb_net_outputs(m->net) < data->classes)
        return trb_fail(TRB_EINTEGRITY, "%s has %s, the data set has labels 0 to %zu", path,
                        TRB_COUNT(trb_net_outputs(m->net), "output"), data->classes - 1);
    if (K != 0 && trb_net_outputs(m->net) != K)
        return trb_fail(TRB_EINTEGRITY, "%s has %s, the others have %zu", path,
                        TRB_COUNT(trb_net_outputs(m->net), "output"), K);
    return trb_work_create(m->net, rows, false, &m->work);
}

static trb_status load_members(const trb_config *c, const trb_data *trained_on, const uint64_t *digest,
                               trb__models *models)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, models->M, sizeof *models->member, &models->member));
    for (size_t m = 0; m < models->M; m++) {
        trb__loaded *member = &models->member[m];
        TRB_TRY(trb__member_load(c, m, digest[m], &member->temperature, &member->net, &member->params));
        TRB_TRY(prepare(trb__run_path(c, "members/m%03zu/weights.h5", m).text, models->batch, models->K, trained_on,
                        member));
        models->K = trb_net_outputs(member->net);
    }
    return TRB_OK;
}

static trb_status load_student(const trb_config *c, const trb_data *trained_on, size_t s, const char *followed,
                               trb__models *models, trb__others *others)
{
    const trb__path path = trb__run_path(c, "student/%s/weights.h5", c->student[s].name);
    trb__loaded *student = &models->student[s];
    char *config = NULL, *difference = NULL;
    bool found = false;
    TRB_TRY(trb_identity_student(c, s, trained_on, NULL, &config));
    const trb_status st =
        trb_identity_read(path.text, config, followed, &found, &difference, &models->student_digest[s],
                          &student->temperature, &student->net, &student->params);
    trb_free(config);
    TRB_TRY(st);
    if (difference != NULL) return trb__others_add(others, c->student[s].name, difference);
    if (!found)
        return trb_fail(TRB_ECONFIG, "student %s is not trained yet (no %s)%s%s; run `tribikos distill` first",
                        c->student[s].name, path.text, trb__retrain_lasts(c, s) ? ", its former weights are in " : "",
                        trb__retrain_lasts(c, s) ? trb__run_path(c, "student/%s.before", c->student[s].name).text : "");
    TRB_TRY(prepare(path.text, models->batch, models->K, trained_on, student));
    models->K = trb_net_outputs(student->net);
    const trb_dirichlet kind = c->student[s].method->dirichlet;
    if (kind == TRB_DIRICHLET_NONE) return TRB_OK;
    student->predict = trb_predict_of(kind);
    student->several = true;
    return TRB_OK;
}

trb_status trb__models_load(const trb_config *c, const trb_data *trained_on, const uint64_t *digest,
                            const char *followed, trb__models *models)
{
    trb__others others = {0};
    trb_status st = TRB_OK;
    if (digest != NULL) TRB_TRY(load_members(c, trained_on, digest, models));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->n_students, sizeof *models->student, &models->student));
    models->S = c->n_students;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, models->S, sizeof *models->student_digest, &models->student_digest));
    for (size_t s = 0; s < models->S; s++) TRB_GO(load_student(c, trained_on, s, followed, models, &others));
    st = trb__others_refuse_students(&others, trb__run_path(c, "student").text, c->n_students);
done:
    trb__others_clear(&others);
    return st;
}

/* Whether a cache has the members' logits of a set; they must all be of the same members. */
static trb_status expect_members(const trb_config *c, const trb_cache *cache, uint64_t *digest, trb__models *models)
{
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    const char *dir = trb_cache_dir(cache);
    if (spec->M != c->members.count)
        return trb_fail(TRB_EINTEGRITY, "%s holds %s, members.count is %zu; write it anew, with all members", dir,
                        TRB_COUNT(spec->M, "member"), (size_t)c->members.count);
    if (models->K != 0 && spec->K != models->K)
        return trb_fail(TRB_EINTEGRITY, "%s has logits of %zu outputs, %s of %zu", dir, spec->K,
                        trb_cache_dir(models->cache[0]), models->K);
    for (size_t m = 0; m < spec->M; m++) {
        if (digest[m] != 0 && digest[m] != spec->member_digest[m])
            return trb_fail(TRB_EINTEGRITY,
                            "%s: member %zu has digest %016" PRIx64 ", but %016" PRIx64
                            " in %s; these are two networks: write the logits of all sets with the same members",
                            dir, m, spec->member_digest[m], digest[m],
                            models->n_caches > 0 ? trb_cache_dir(models->cache[0]) : trb__run_path(c, "members").text);
        digest[m] = spec->member_digest[m];
    }
    models->K = spec->K;
    return TRB_OK;
}

/* Keep an opened cache of this run. */
static trb_status keep(const trb_config *c, trb_cache *cache, uint64_t *digest, trb__models *models)
{
    const trb_status st = expect_members(c, cache, digest, models);
    models->cache[models->n_caches++] = cache;
    return st;
}

/* The cache of the training set, for sets that are parts of it. Collective over world; the status is agreed. */
static trb_status find_trained_on(trb_comm *world, const trb_config *c, const trb_data *trained_on, bool reported,
                                  uint64_t *digest, trb__models *models, const trb_cache **found)
{
    trb_cache *cache = NULL;
    bool there = trb_comm_rank(world) == 0 && trb_file_exists(trb__run_path(c, "cache/manifest.h5").text);
    TRB_TRY(trb_comm_bcast(world, &there, sizeof there, 0)); /* another rank may see a new file later */
    /* The temperatures of students can be fitted without members. */
    if (!reported && (!there || c->cache.holds != TRB_SHARD_LOGITS)) return TRB_OK;
    TRB_TRY(trb__run_cache_open(world, c, trained_on, &cache));
    trb_status st = keep(c, cache, digest, models);
    if (st == TRB_OK && trb_cache_spec_of(cache)->holds != TRB_SHARD_LOGITS)
        st = trb_fail(TRB_ECONFIG,
                      "%s holds %s, from which members cannot be evaluated, and not all of them have weights in %s; "
                      "set `eval.split` to test, where only students are evaluated",
                      trb_cache_dir(cache), trb_shard_kind_name(trb_cache_spec_of(cache)->holds),
                      trb__run_path(c, "members").text);
    *found = cache;
    return trb_agree(world, st);
}

/* The cache of another set, below that of the training set. Collective over world; the status is agreed. */
static trb_status find_other(trb_comm *world, const trb_config *c, const trb__set *set, uint64_t *digest,
                             trb__models *models, const trb_cache **found)
{
    trb_cache *cache = NULL;
    trb_status st = trb_cache_find_set(trb__run_path(c, "cache").text, set->data, &cache);
    if (cache != NULL && st == TRB_OK) st = keep(c, cache, digest, models);
    for (size_t m = 0; cache != NULL && st == TRB_OK && trb_comm_rank(world) == 0 && m < c->members.count; m++)
        st = trb_members_expect_logits(cache, m);
    TRB_TRY(trb_agree(world, st));
    *found = cache;
    return trb_comm_same(world, cache == NULL ? 0 : trb_cache_digest(cache), "the members' logits of a set");
}

/* Which members have no weights; empty if none has any. Looked at before caches fill in digests. */
typedef struct {
    size_t n;
    char names[256];
} lacking;

static void find_lacking(const trb_config *c, const uint64_t *digest, lacking *l)
{
    trb_text t = trb_text_in(l->names, sizeof l->names);
    l->n = 0;
    for (size_t m = 0; m < c->members.count; m++)
        if (digest[m] == 0) trb_text_add(&t, "%sm%03zu", l->n++ > 0 ? ", " : "", m);
    if (l->n == c->members.count) l->n = 0;
}

/* "RUN/members lacks weights of 1 of 4 members (m003)", or of all. */
static void add_lacking(const trb_config *c, const lacking *l, trb_text *t)
{
    trb_text_add(t, "%s lacks weights of ", trb__run_path(c, "members").text);
    if (l->n > 0)
        trb_text_add(t, "%zu of %zu members (%s)", l->n, (size_t)c->members.count, l->names);
    else
        trb_text_add(t, "all members");
}

/* Say where a set's logits of members come from. \param[in] own  it is a part of the training set */
static void say_source(const trb_config *c, const trb__set *set, bool own, const lacking *l)
{
    char text[2048];
    trb_text t = trb_text_in(text, sizeof text);
    if (set->members) {
        trb_info("evaluate: the members' logits of %s are those of %s", set->name, trb_cache_dir(set->cache));
        return;
    }
    add_lacking(c, l, &t);
    trb_text_add(&t, l->n > 0 ? "; `tribikos train` trains those that are missing;" : ", and");
    if (own)
        trb_text_add(&t, " %s has no logits of them: only students are evaluated on %s", trb__run_path(c, "cache").text,
                     set->name);
    else
        trb_text_add(&t, " %s has no logits of them for %s: only students are evaluated on it%s",
                     trb__run_path(c, "cache/eval").text, set->name,
                     l->n > 0 ? "" : "; write_cache() of tools/python can write these logits");
    trb_warn("%s", text);
}

trb_status trb__models_find(trb_comm *world, const trb_config *c, const trb_data *trained_on, size_t n,
                            trb__set *const *set, uint64_t *digest, trb__models *models)
{
    const trb_cache *of_train = NULL;
    lacking lacks;
    bool warned = false;
    find_lacking(c, digest, &lacks);
    TRB_TRY(trb_agree(world, trb_alloc(TRB_MEM_OTHER, n, sizeof(trb_cache *), &models->cache)));
    for (size_t i = 0; i < n; i++) {
        const trb_cache *other = NULL;
        const bool own = set[i]->data == trained_on;
        if (own && of_train == NULL)
            TRB_TRY(find_trained_on(world, c, trained_on, i == 0, digest, models, &of_train));
        else if (!own)
            TRB_TRY(find_other(world, c, set[i], digest, models, &other));
        set[i]->cache = own ? of_train : other;
        set[i]->members = set[i]->cache != NULL;
        say_source(c, set[i], own, &lacks);
        warned = warned || !set[i]->members;
        if (i == 0 && !set[i]->members) break; /* figures of other sets compare them with this one */
    }
    if (lacks.n > 0 && !warned)
        trb_warn("%s lacks weights of %zu of %zu members (%s); `tribikos train` trains those that are missing",
                 trb__run_path(c, "members").text, lacks.n, (size_t)c->members.count, lacks.names);
    return TRB_OK;
}

static void unload(size_t n, trb__loaded *m)
{
    for (size_t i = 0; m != NULL && i < n; i++) {
        trb_work_destroy(m[i].work);
        trb_free(m[i].params);
        trb_net_destroy(m[i].net);
    }
    trb_free(m);
}

void trb__models_clear(trb__models *models)
{
    (void)trb__reading_close(&models->reading);
    for (size_t i = 0; i < models->n_caches; i++) trb_cache_close(models->cache[i]);
    trb_free(models->cache);
    trb_free(models->member_digest);
    trb_free(models->student_digest);
    unload(models->M, models->member);
    unload(models->S, models->student);
    *models = (trb__models){0};
}

size_t trb__slots(const trb__models *models)
{
    return models->M + 1 + models->S;
}

const trb__loaded *trb__slot_model(const trb__models *models, size_t slot)
{
    if (slot > models->M) return &models->student[slot - models->M - 1];
    return slot < models->M && models->member != NULL ? &models->member[slot] : NULL;
}

size_t trb__slot_heads(const trb__models *models, size_t slot)
{
    if (slot <= models->M) return slot < models->M ? 1 : models->M;
    return trb_net_heads(trb__slot_model(models, slot)->net);
}

bool trb__slot_several(const trb__models *models, size_t slot)
{
    return slot > models->M ? trb__slot_model(models, slot)->several : slot == models->M && models->M > 1;
}
