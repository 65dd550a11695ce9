/* Data sets, networks and views of a configuration, and the cache of a run: opened, and checked against each other. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "internal.h"
#include "labels.h"
#include "tribikos/h5.h"
#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/members.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

char trb__separator(const trb_config *c)
{
    char by = '\0';
    (void)trb_data_separator(c->data.separator, &by); /* the configuration has been checked */
    return by;
}

/* Images are read from the files into which trb__images_ready() has packed them. */
static trb_data_files packed_files(const trb_config *c, bool test, trb_labels labels)
{
    static char train[] = "data/train.h5", tests[] = "data/test.h5";
    static char *const name[] = {train, tests};
    return (trb_data_files){.task = c->data.task,
                            .format = TRB_FORMAT_HDF5,
                            .root = c->run.dir,
                            .n_files = (test ? c->data.n_test : c->data.n_train) > 0,
                            .files = &name[test],
                            .labels_from = c->data.labels_from,
                            .labels = labels};
}

trb_data_files trb_run_files(const trb_config *c, bool test, trb_labels labels)
{
    if (c->data.format == TRB_FORMAT_IMAGES) return packed_files(c, test, labels);
    return (trb_data_files){.task = c->data.task,
                            .format = c->data.format,
                            .root = c->data.root,
                            .n_files = test ? c->data.n_test : c->data.n_train,
                            .files = test ? c->data.test : c->data.train,
                            .n_rows = test ? c->data.n_test_rows : c->data.n_train_rows,
                            .rows = test ? c->data.test_rows : c->data.train_rows,
                            .n_features = c->data.n_features,
                            .features = c->data.features,
                            .target = c->data.target,
                            .n_drop = c->data.n_drop,
                            .drop = c->data.drop,
                            .n_categories = c->data.n_categories,
                            .categories = c->data.categories,
                            .header = c->data.header,
                            .separator = trb__separator(c),
                            .missing = c->data.missing,
                            .layout = c->data.layout,
                            .x = c->data.x,
                            .y = c->data.y,
                            .labels_from = c->data.labels_from,
                            .labels = labels};
}

/* What weights files and manifests say of the schema. */
static trb_status describe_schema(trb__dataset *s)
{
    const trb_schema *schema = s->data.schema;
    if (!trb_schema_says(schema)) return TRB_OK;
    TRB_TRY(trb_schema_write(schema, &s->schema_text));
    if (strlen(s->schema_text) > TRB_H5_TEXT_MAX)
        return trb_fail(
            TRB_ECONFIG,
            "data.train: names and words of %zu inputs and %zu classes take %zu bytes, and weights files have "
            "room for %d; choose some inputs (`data.features`), or shorten the names",
            schema->n_inputs, schema->n_classes, strlen(s->schema_text), TRB_H5_TEXT_MAX);
    if (!trb_schema_moves(schema)) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->data.shape.c, sizeof *s->offset, &s->offset));
    for (size_t i = 0; i < s->data.shape.c && i < schema->n_inputs; i++) s->offset[i] = schema->input[i].offset;
    return TRB_OK;
}

static trb_status prepare(const trb_config *c, trb__dataset *s)
{
    const size_t N = s->data.n;
    TRB_TRY(describe_schema(s));
    s->n_val = c->data.validation;
    if (s->n_val >= N)
        return trb_fail(TRB_ECONFIG, "data.validation: %zu samples cannot be held out of %zu; use at most %zu",
                        s->n_val, N, N - 1);
    s->n_train = N - s->n_val;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, s->n_train, sizeof *s->train, &s->train));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, s->n_val, sizeof *s->val, &s->val));
    TRB_TRY(trb_data_split(c->run.seed, N, s->n_val, s->train, s->val));
    TRB_TRY(trb__describe(&(trb__read_set){.name = "train", .data = &s->data, .format = c->data.format, .parts = s}));
    TRB_TRY(trb_data_normalize(&s->data, c->data.normalize, s->n_train, s->train));
    if (c->data.normalize != TRB_NORMALIZE_GIVEN) return TRB_OK;
    return trb_data_normalize_by(&s->data, c->data.n_mean, c->data.mean, c->data.n_std, c->data.std);
}

trb_status trb__dataset_load(trb_comm *world, const trb_config *c, trb_labels labels, trb__dataset *s)
{
    *s = (trb__dataset){0};
    trb_data_files files = trb_run_files(c, false, labels);
    trb__matches names;
    TRB_TRY(trb__images_ready(world, c, false, true));
    trb_status st = trb__files_match(world, &files, &names);
    if (st == TRB_OK && trb_data_surveyed(files.format)) st = trb__schema_decide(world, &files, &s->schema);
    files.schema = s->schema;
    if (st == TRB_OK) st = trb__dataset_read(world, "data.train", &files, s);
    trb__matches_clear(&names);
    if (st == TRB_OK) st = trb_agree(world, prepare(c, s));
    if (st == TRB_OK) st = trb_comm_same(world, s->data.digest, "the data set (data.train)");
    if (st != TRB_OK) trb__dataset_clear(s);
    return st;
}

void trb__dataset_clear(trb__dataset *s)
{
    trb_data_clear(&s->data);
    trb_shared_close(s->block);
    trb_schema_clear(s->schema);
    trb_free(s->schema);
    trb_free(s->schema_text);
    trb_free(s->offset);
    trb_free(s->train);
    trb_free(s->val);
    *s = (trb__dataset){0};
}

trb_norm trb__dataset_norm(const trb__dataset *s)
{
    const trb_data *d = &s->data;
    trb_norm norm = {.mean = d->mean, .scale = d->scale, .offset = s->offset, .schema = s->schema_text};
    if (d->task == TRB_TASK_REGRESSION) {
        norm.target_mean = d->target_mean + (d->schema != NULL ? d->schema->target_offset : 0.0);
        norm.target_scale = d->target_scale;
    }
    return norm;
}

static trb_status prepare_test(const trb_config *c, const trb_data *trained_on, trb_data *d)
{
    const trb__read_set set = {.name = "test", .data = d, .format = c->data.format, .trained_on = trained_on};
    TRB_TRY(trb_data_normalize_as(d, trained_on));
    return trb__describe(&set);
}

trb_status trb__dataset_load_test(trb_comm *world, const trb_config *c, const trb__dataset *s, trb__dataset *test)
{
    *test = (trb__dataset){0};
    trb_data_files files = trb_run_files(c, true, TRB_LABELS_NEEDED);
    files.schema = s->data.schema;
    TRB_TRY(trb__images_ready(world, c, true, true));
    trb_status st = trb__dataset_read(world, "data.test", &files, test);
    if (st == TRB_OK) st = trb_agree(world, prepare_test(c, &s->data, &test->data));
    if (st == TRB_OK) st = trb_comm_same(world, test->data.digest, "the test set (data.test)");
    if (st != TRB_OK) trb__dataset_clear(test);
    return st;
}

/* Say that a network has more outputs than there are classes. */
static void warn_of_outputs(const trb_data *data, size_t K)
{
    char has[64];
    const size_t more = K - data->classes;
    if (data->schema != NULL && data->schema->n_classes > 0)
        (void)snprintf(has, sizeof has, "%s", TRB_COUNT(data->classes, "class"));
    else
        (void)snprintf(has, sizeof has, "labels up to %zu", data->classes - 1 + data->labels_from);
    trb_warn_once("layers end in %s, but the data set has %s: %s %s no sample, and %s only to be small",
                  TRB_COUNT(K, "output"), has, TRB_COUNT(more, "output"), more == 1 ? "has" : "have",
                  more == 1 ? "learns" : "learn");
}

/* Check the number of outputs: one for each class, or mean and log variance. */
static trb_status check_outputs(const trb_net *net, const trb_data *data)
{
    const size_t K = trb_net_outputs(net);
    if (data->task == TRB_TASK_REGRESSION && K != 2)
        return trb_fail(TRB_ECONFIG, "layers end in %s; regression needs `dense 2` (mean, log variance)",
                        TRB_COUNT(K, "output"));
    if (data->task == TRB_TASK_CLASSES && K < data->classes) return trb__labels_refuse(data, K);
    if (K > TRB_LOSS_K_MAX)
        return trb_fail(TRB_ECONFIG, "layers end in %zu outputs; at most %d are supported", K, TRB_LOSS_K_MAX);
    if (data->task == TRB_TASK_CLASSES && data->label != NULL && K > data->classes) warn_of_outputs(data, K);
    return TRB_OK;
}

static trb_status make_net(const char *layers, const trb_data *data, size_t M, trb_net **net)
{
    enum { LARGEST = 1 << 20 }; /* a weights file cannot describe larger inputs; see weights.c */
    const trb_shape s = data->shape;
    trb_net *n = NULL;
    if (s.c >= LARGEST || s.h >= LARGEST || s.w >= LARGEST)
        return trb_fail(TRB_ECONFIG, "samples are %zu x %zu x %zu; each size must be below %d", s.c, s.h, s.w, LARGEST);
    TRB_TRY(trb_net_create(layers, data->shape, M, &n));
    const trb_status st = check_outputs(n, data);
    if (st == TRB_OK)
        *net = n;
    else
        trb_net_destroy(n);
    return st;
}

trb_status trb__member_net(const trb_config *c, size_t m, const trb_data *data, trb_net **net)
{
    if (c->member[m].layers[0] == '\0')
        return trb_fail(TRB_ECONFIG,
                        "member %zu has no layers; set `train.layers`, e.g. [dense 200, relu, dense 10], or, if all "
                        "members are from elsewhere, go on with `tribikos distill`",
                        m);
    return trb_fail_of(make_net(c->member[m].layers, data, 1, net), "member %zu: ", m);
}

trb_status trb__student_net(const trb_config *c, size_t s, const trb_data *data, size_t M, trb_net **net)
{
    const trb_student_opts *o = &c->student[s];
    char *layers = NULL;
    trb_status st = TRB_OK;
    const char *list = o->fit.layers[0] != '\0' ? o->fit.layers : c->train.layers;
    if (o->method->heads == TRB_SHARING_HEADS)
        st = trb_net_rank1(list, &layers);
    else if (o->split[0] != '\0')
        st = trb_net_insert_split(list, o->split, &layers);
    if (st == TRB_OK) st = make_net(layers != NULL ? layers : list, data, M, net);
    trb_free(layers);
    return trb_fail_of(st, "student %s: ", o->name);
}

trb_status trb__member_load(const trb_config *c, size_t m, uint64_t digest, double *temperature, trb_net **net,
                            float **params)
{
    trb_weights_info info = {0};
    const trb__path path = trb__run_path(c, "members/m%03zu/weights.h5", m);
    TRB_TRY(trb_weights_read(path.text, &info, net, params));
    const uint64_t is = info.digest;
    if (temperature != NULL) *temperature = info.norm.temperature;
    trb_weights_info_clear(&info);
    if (is == digest) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY,
                    "%s: its digest is %016" PRIx64 ", but was %016" PRIx64
                    " when this stage began; run again when no training is running",
                    path.text, is, digest);
}

static trb_status read_digests(const trb_config *c, const trb_data *data, bool needed, uint64_t *digest)
{
    trb__others others = {0};
    trb_status st = TRB_OK;
    size_t missing = c->members.count;
    for (size_t m = 0; m < c->members.count; m++) {
        char *config = NULL, *difference = NULL, name[32];
        bool found = false;
        digest[m] = 0;
        (void)snprintf(name, sizeof name, "m%03zu", m);
        TRB_GO(trb_identity_member(c, m, data, &config));
        st = trb_identity_read(trb__run_path(c, "members/%s/weights.h5", name).text, config, NULL, &found, &difference,
                               &digest[m], NULL, NULL, NULL);
        trb_free(config);
        TRB_GO(st);
        if (difference != NULL) TRB_GO(trb__others_add(&others, name, difference));
        if (!found && missing == c->members.count) missing = m;
    }
    TRB_GO(trb__others_refuse_members(&others, trb__run_path(c, "members").text));
    if (missing < c->members.count && needed)
        st = trb_fail(TRB_ECONFIG, "member %zu is not trained yet (no %s); run `tribikos train` first", missing,
                      trb__run_path(c, "members/m%03zu/weights.h5", missing).text);
done:
    trb__others_clear(&others);
    return st;
}

trb_status trb__member_digests(trb_comm *world, const trb_config *c, const trb_data *data, bool needed,
                               uint64_t *digest)
{
    trb_status st = TRB_OK;
    if (trb_comm_rank(world) == 0) st = read_digests(c, data, needed, digest);
    TRB_TRY(trb_agree(world, st));
    return trb_comm_bcast(world, digest, c->members.count * sizeof *digest, 0);
}

_Static_assert(sizeof((trb_view *)NULL)->recipe == TRB_RECIPE_BYTES, "a view's name is a recipe");

trb_status trb__views(const trb_config *c, const trb_data *data, trb_view **out)
{
    trb_view *view = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->cache.views, sizeof *view, &view));
    (void)strcpy(view[0].recipe, "identity");
    for (size_t v = 1; v < c->cache.views; v++) {
        trb_view_text(&c->cache.recipe[(v - 1) % c->cache.n_recipes], data, c->data.validation, c->run.seed,
                      view[v].recipe);
        view[v].seed = c->cache.view_seed;
        view[v].stored = trb_recipe_stored(&c->cache.recipe[(v - 1) % c->cache.n_recipes]);
    }
    *out = view;
    return TRB_OK;
}

trb_status trb__views_create(const trb_config *c, const trb__dataset *s, size_t n, trb_augment **out)
{
    const trb_recipe none = {0};
    const bool several = n > 1;
    return trb_fail_of(trb_augment_create(&s->data, several ? c->cache.n_recipes : 1, several ? c->cache.recipe : &none,
                                          c->cache.view_seed, TRB_USE_VIEW, 0, s->n_train, s->train, out),
                       "cache.view_recipes: ");
}

trb_status trb__run_cache_open(trb_comm *world, const trb_config *c, const trb_data *data, trb_cache **cache)
{
    trb_cache *found = NULL;
    const trb_cache_spec *spec = NULL;
    trb_view *view = NULL;
    uint64_t *digest = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *digest, &digest);
    if (st == TRB_OK) st = trb_cache_open(trb__run_path(c, "cache").text, &found);
    if (st == TRB_EINTEGRITY)
        (void)trb_fail_of(st, "the cache's manifest cannot be used; remove it, and `tribikos cache` or `tribikos run` "
                              "writes it again (for members from elsewhere, write the cache anew): ");
    if (st == TRB_OK) st = trb_cache_expect_data(found, data);
    if (st == TRB_OK && trb_cache_spec_of(found)->M != c->members.count)
        st = trb_fail(TRB_EINTEGRITY,
                      "%s holds %s, members.count is %zu; set it back, or write the cache of these members "
                      "(`tribikos cache` keeps the shards that are there)",
                      trb_cache_dir(found), TRB_COUNT(trb_cache_spec_of(found)->M, "member"), (size_t)c->members.count);
    if (st == TRB_OK) st = trb_cache_expect_holds(found, c->cache.holds);
    if (st == TRB_OK) st = trb__views(c, data, &view);
    if (st == TRB_OK) st = trb_cache_expect_views(found, c->cache.views, view);
    TRB_GO(trb_agree(world, st));
    spec = trb_cache_spec_of(found);
    if (spec->dtype != c->cache.dtype)
        trb_warn_once("%s holds %s, and `cache.dtype` is %s; its values are used as they are", trb_cache_dir(found),
                      trb_dtype_name(spec->dtype), trb_dtype_name(c->cache.dtype));
    TRB_GO(trb_comm_same(world, trb_cache_digest(found), "the cache's manifest"));
    /* Members from elsewhere have no weights file here. Then only the cache knows their digests. */
    TRB_GO(trb__member_digests(world, c, data, false, digest));
    for (size_t m = 0; st == TRB_OK && m < spec->M; m++)
        if (digest[m] != 0)
            st = trb_cache_expect_member(found, m, digest[m]);
        else if (trb_comm_rank(world) == 0)
            st = trb_members_expect_logits(found, m);
    TRB_GO(trb_agree(world, st));
    *cache = found;
    found = NULL;
done:
    trb_cache_close(found);
    trb_free(view);
    trb_free(digest);
    return st;
}
