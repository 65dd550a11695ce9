/* The models that are evaluated: members, from their weights or from the cache, the ensemble, and students. */
#include "eval.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"

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
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, regression has 2 (mean, log variance)", path,
                        trb_net_outputs(m->net));
    if (trb_net_outputs(m->net) < data->classes)
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, the data set has labels 0 to %zu", path,
                        trb_net_outputs(m->net), data->classes - 1);
    if (K != 0 && trb_net_outputs(m->net) != K)
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, the others have %zu", path, trb_net_outputs(m->net), K);
    return trb_work_create(m->net, rows, false, &m->work);
}

static trb_status load_members(const trb_config *c, const trb_data *trained_on, const uint64_t *digest,
                               trb__models *models)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, models->M, sizeof *models->member, &models->member));
    for (size_t m = 0; m < models->M; m++) {
        trb__loaded *member = &models->member[m];
        TRB_TRY(trb__member_load(c, m, digest[m], &member->net, &member->params));
        TRB_TRY(prepare(trb__run_path(c, "members/m%03zu/weights.h5", m).text, models->batch, models->K, trained_on,
                        member));
        models->K = trb_net_outputs(member->net);
    }
    return TRB_OK;
}

static trb_status load_student(const trb_config *c, const trb_data *trained_on, size_t s, const char *followed,
                               trb__models *models, uint64_t *digest)
{
    const trb__path path = trb__run_path(c, "student/%s/weights.h5", c->student[s].name);
    trb__loaded *student = &models->student[s];
    char *config = NULL;
    bool found = false;
    TRB_TRY(trb_identity_student(c, s, trained_on, NULL, &config));
    const trb_status st =
        trb_identity_load(path.text, config, followed, &found, digest, &student->net, &student->params);
    trb_free(config);
    TRB_TRY(st);
    if (!found)
        return trb_fail(TRB_ECONFIG, "student %s is not trained yet (no %s); run `tribikos distill` first",
                        c->student[s].name, path.text);
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
    if (digest != NULL) TRB_TRY(load_members(c, trained_on, digest, models));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->n_students, sizeof *models->student, &models->student));
    models->S = c->n_students;
    for (size_t s = 0; s < models->S; s++) {
        uint64_t of[2] = {models->students_digest, 0};
        TRB_TRY(load_student(c, trained_on, s, followed, models, &of[1]));
        models->students_digest = trb_hash_bytes(of, sizeof of);
    }
    return TRB_OK;
}

trb_status trb__models_read(trb_comm *world, const trb_config *c, const trb_data *trained_on, trb__models *models)
{
    TRB_TRY(trb__run_cache_open(world, c, trained_on, &models->cache));
    const trb_cache_spec *spec = trb_cache_spec_of(models->cache);
    models->M = spec->M;
    models->K = spec->K;
    if (spec->holds != TRB_SHARD_LOGITS)
        return trb_fail(TRB_ECONFIG,
                        "%s holds %s, from which members cannot be evaluated, and not all of them have weights in %s; "
                        "set `eval.split` to test, where only students are evaluated",
                        trb_cache_dir(models->cache), trb_shard_kind_name(spec->holds),
                        trb__run_path(c, "members").text);
    return trb__reading_open(world, 0, models->cache, (trb_selection){TRB_SHARD_LOGITS, 1, 0, models->M}, models->batch,
                             c->cache.memory, &models->reading);
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
    trb_cache_close(models->cache);
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
