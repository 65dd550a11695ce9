#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "tribikos/hash.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"

/* The training set, or the test set. */
static trb_data_files files_of(const trb_config *c, bool test)
{
    return (trb_data_files){.task = c->data.task,
                            .format = c->data.format,
                            .root = c->data.root,
                            .n_files = test ? c->data.n_test : c->data.n_train,
                            .files = test ? c->data.test : c->data.train,
                            .n_rows = test ? c->data.n_test_rows : c->data.n_train_rows,
                            .rows = test ? c->data.test_rows : c->data.train_rows,
                            .n_features = c->data.n_features,
                            .features = c->data.features,
                            .target = c->data.target};
}

static trb_status prepare(const trb_config *c, trb__samples *s)
{
    const size_t N = s->data.n;
    s->n_val = c->data.validation;
    if (s->n_val >= N)
        return trb_fail(TRB_ECONFIG, "data.validation: %zu samples cannot be held out of %zu; use at most %zu",
                        s->n_val, N, N - 1);
    s->n_train = N - s->n_val;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, s->n_train, sizeof *s->train, &s->train));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, s->n_val, sizeof *s->val, &s->val));
    TRB_TRY(trb_data_split(c->run.seed, N, s->n_val, s->train, s->val));
    TRB_TRY(trb_data_normalize(&s->data, c->data.normalize, s->n_train, s->train));
    if (c->data.normalize != TRB_NORMALIZE_GIVEN) return TRB_OK;
    return trb_data_normalize_by(&s->data, c->data.n_mean, c->data.mean, c->data.n_std, c->data.std);
}

trb_status trb__samples_load(trb_comm *world, const trb_config *c, trb__samples *s)
{
    *s = (trb__samples){0};
    const trb_data_files files = files_of(c, false);
    trb_status st = trb__set_load(world, &files, s);
    if (st == TRB_OK) st = trb_agree(world, prepare(c, s));
    if (st == TRB_OK) st = trb_comm_same(world, s->data.digest, "the data set (data.train)");
    if (st != TRB_OK) trb__samples_clear(s);
    return st;
}

void trb__samples_clear(trb__samples *s)
{
    trb_data_clear(&s->data);
    trb_shared_close(s->block);
    trb_free(s->train);
    trb_free(s->val);
    *s = (trb__samples){0};
}

trb_norm trb__samples_norm(const trb__samples *s)
{
    const trb_data *d = &s->data;
    trb_norm norm = {.mean = d->mean, .scale = d->scale};
    if (d->task == TRB_TASK_REGRESSION) {
        norm.target_mean = d->target_mean;
        norm.target_scale = d->target_scale;
    }
    return norm;
}

trb_status trb__test_load(trb_comm *world, const trb_config *c, const trb__samples *s, trb__samples *test)
{
    *test = (trb__samples){0};
    const trb_data_files files = files_of(c, true);
    trb_status st = trb__set_load(world, &files, test);
    if (st == TRB_OK) st = trb_agree(world, trb_data_normalize_as(&test->data, &s->data));
    if (st == TRB_OK) st = trb_comm_same(world, test->data.digest, "the test set (data.test)");
    if (st != TRB_OK) trb__samples_clear(test);
    return st;
}

/* The outputs a network needs: classes, or mean and log variance. */
static trb_status check_outputs(const trb_net *net, const trb_data *data)
{
    const size_t K = trb_net_outputs(net);
    if (data->task == TRB_TASK_REGRESSION && K != 2)
        return trb_fail(TRB_ECONFIG, "layers end in %zu outputs; regression needs `dense 2` (mean, log variance)", K);
    if (data->task == TRB_TASK_CLASSES && K < data->classes)
        return trb_fail(TRB_ECONFIG,
                        "layers end in %zu outputs, but the data set has labels 0 to %zu; end in `dense %zu`", K,
                        data->classes - 1, data->classes);
    if (K > TRB_LOSS_K_MAX)
        return trb_fail(TRB_ECONFIG, "layers end in %zu outputs; at most %d are supported", K, TRB_LOSS_K_MAX);
    return TRB_OK;
}

static trb_status make_net(const char *layers, const trb_data *data, size_t M, trb_net **net)
{
    enum { LARGEST = 1 << 20 }; /* what a weights file may say of its inputs; see store.h */
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

trb__path trb__run_path(const trb_config *c, const char *fmt, ...)
{
    trb__path p;
    const int n = snprintf(p.text, sizeof p.text, "%s/", c->run.dir);
    if (n > 0 && (size_t)n < sizeof p.text) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(p.text + n, sizeof p.text - (size_t)n, fmt, args);
        va_end(args);
    }
    return p;
}

/* The configuration's part, then what the data set is (the digest sees its bytes, not their arrangement). */
static trb_status with_data(const char *head, const trb_data *data, size_t more, char **text, int *used)
{
    const size_t room = strlen(head) + 160 + more;
    char hex[17];
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, 1, text));
    trb_hash_hex(data->digest, hex);
    *used = snprintf(*text, room, "%sdata: %zu x %zu x %zu %s\ndata_digest: %s\n", head, data->shape.c, data->shape.h,
                     data->shape.w, trb_dtype_name(data->type), hex);
    return TRB_OK;
}

trb_status trb__member_text(const trb_config *c, size_t m, const trb_data *data, char **text)
{
    int used = 0;
    return with_data(c->member[m].decides, data, 0, text, &used);
}

enum { DIGEST_LINE = 64 };

trb_status trb__members_text(size_t M, const uint64_t *digest, char **text)
{
    char *t = NULL, hex[17];
    int used = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, M * DIGEST_LINE + 1, 1, &t));
    for (size_t m = 0; m < M; m++) {
        trb_hash_hex(digest[m], hex);
        used += snprintf(t + used, DIGEST_LINE, "member_digest.%zu: %s\n", m, hex);
    }
    *text = t;
    return TRB_OK;
}

trb_status trb__student_text(const trb_config *c, size_t s, const trb_data *data, const trb_cache_spec *cache,
                             char **text)
{
    int used = 0;
    char *members = NULL, recipe[TRB_RECIPE_BYTES];
    /* Of the recipes those that make views which it sees. */
    const size_t others = c->student[s].views - 1;
    const size_t recipes = others < c->cache.n_recipes ? others : c->cache.n_recipes;
    const size_t more = recipes * (sizeof recipe + 2) + ((cache != NULL ? cache->M : 0) + 4) * DIGEST_LINE;
    if (cache != NULL) TRB_TRY(trb__members_text(cache->M, cache->member_digest, &members));
    const trb_status st = with_data(c->student[s].fit.decides, data, more, text, &used);
    /* What a student does not see of a cache is nothing to it, so that views can be added: neither how many there are
     * nor, if it sees the samples alone, how they are made. */
    if (st == TRB_OK && c->student[s].views > 1) {
        used += snprintf(*text + used, more, "cache.view_recipes: [");
        for (size_t i = 0; i < recipes; i++) {
            trb_view_text(&c->cache.recipe[i], data, c->data.validation, c->run.seed, recipe);
            used += snprintf(*text + used, more, "%s%s", i > 0 ? "; " : "", recipe);
        }
        used += snprintf(*text + used, more, "]\ncache.view_seed: %" PRIu64 "\n", c->cache.view_seed);
    }
    if (st == TRB_OK && cache != NULL)
        (void)snprintf(*text + used, more, "cache: %s, blocks of %zu\n%s", trb_dtype_name(cache->dtype), cache->block,
                       members);
    trb_free(members);
    return st;
}

/* Whether a text has a line with the key of this one. */
static bool has_key(const char *text, const char *line)
{
    const size_t n = strcspn(line, ":\n") + 1;
    while (*text != '\0' && strncmp(text, line, n) != 0) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return *text != '\0';
}

/* The first line in which two "key: value" texts differ, so that the user sees what to change. A key that only one of
 * them has is at its default in the other. */
trb_status trb__config_refuse(const char *path, const char *found, const char *asked, const char *instead)
{
    while (*found != '\0' && *asked != '\0') {
        const size_t f = strcspn(found, "\n"), a = strcspn(asked, "\n");
        if (f == a && strncmp(found, asked, f) == 0) {
            found += f + (found[f] == '\n');
            asked += a + (asked[a] == '\n');
            continue;
        }
        if (!has_key(asked, found))
            return trb_fail(TRB_EINTEGRITY,
                            "%s was trained with `%.*s`, the configuration asks for the default; use another run.dir, "
                            "or %s",
                            path, (int)f, found, instead);
        if (!has_key(found, asked))
            return trb_fail(TRB_EINTEGRITY,
                            "%s was trained with the default of `%.*s`, the configuration asks for `%.*s`; use another "
                            "run.dir, or %s",
                            path, (int)strcspn(asked, ":\n"), asked, (int)a, asked, instead);
        return trb_fail(TRB_EINTEGRITY,
                        "%s was trained with `%.*s`, the configuration asks for `%.*s`; use another run.dir, or %s",
                        path, (int)f, found, (int)a, asked, instead);
    }
    return trb_fail(TRB_EINTEGRITY, "%s was trained with another configuration; use another run.dir, or %s", path,
                    instead);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), e = strlen(end);
    return n >= e && strcmp(text + n - e, end) == 0;
}

trb_status trb__weights_load(const char *path, const char *config, const char *end, bool *found, uint64_t *digest,
                             trb_net **net, float **params)
{
    *found = false;
    if (!trb_file_exists(path)) return TRB_OK;
    trb_weights_info info = {0};
    TRB_TRY(trb_weights_read(path, &info, net, params));
    trb_status st = TRB_OK;
    if (end == NULL ? strcmp(info.config, config) != 0 : strncmp(info.config, config, strlen(config)) != 0) {
        st = trb__config_refuse(path, info.config, config, "remove the file to train it anew");
    } else if (end != NULL && !ends_with(info.config, end)) {
        st = trb_fail(TRB_EINTEGRITY,
                      "%s was distilled from other members than those that are there; remove it, and run `tribikos "
                      "distill` (behind `tribikos cache`, if members were trained anew)",
                      path);
    } else {
        *found = true;
        if (digest != NULL) *digest = info.digest;
    }
    trb_weights_info_clear(&info);
    return st;
}

trb_status trb__weights_found(const char *path, const char *config, const char *end, bool *found, uint64_t *digest)
{
    return trb__weights_load(path, config, end, found, digest, NULL, NULL);
}

trb_status trb__member_load(const trb_config *c, size_t m, uint64_t digest, trb_net **net, float **params)
{
    trb_weights_info info = {0};
    const trb__path path = trb__run_path(c, "members/m%03zu/weights.h5", m);
    TRB_TRY(trb_weights_read(path.text, &info, net, params));
    const uint64_t is = info.digest;
    trb_weights_info_clear(&info);
    if (is == digest) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY,
                    "%s: its digest is %016" PRIx64 ", but was %016" PRIx64
                    " when this stage began; run again when nothing trains",
                    path.text, is, digest);
}

static trb_status read_digests(const trb_config *c, const trb_data *data, bool needed, uint64_t *digest)
{
    for (size_t m = 0; m < c->members.count; m++) {
        const trb__path path = trb__run_path(c, "members/m%03zu/weights.h5", m);
        char *config = NULL;
        bool found = false;
        digest[m] = 0;
        TRB_TRY(trb__member_text(c, m, data, &config));
        const trb_status st = trb__weights_found(path.text, config, NULL, &found, &digest[m]);
        trb_free(config);
        TRB_TRY(st);
        if (!found && needed)
            return trb_fail(TRB_ECONFIG, "member %zu is not trained yet (no %s); run `tribikos train` first", m,
                            path.text);
    }
    return TRB_OK;
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

trb_status trb__views_create(const trb_config *c, const trb__samples *s, size_t n, trb_augment **out)
{
    const trb_recipe none = {0};
    const bool several = n > 1;
    return trb_fail_of(trb_augment_create(&s->data, several ? c->cache.n_recipes : 1, several ? c->cache.recipe : &none,
                                          c->cache.view_seed, TRB_USE_VIEW, 0, s->n_train, s->train, out),
                       "cache.view_recipes: ");
}

trb_status trb__cache_open(trb_comm *world, const trb_config *c, const trb_data *data, trb_cache **cache)
{
    trb_cache *found = NULL;
    const trb_cache_spec *spec = NULL;
    trb_view *view = NULL;
    uint64_t *digest = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *digest, &digest);
    if (st == TRB_OK) st = trb_cache_open(trb__run_path(c, "cache").text, &found);
    if (st == TRB_OK) st = trb_cache_expect_data(found, data);
    if (st == TRB_OK && trb_cache_spec_of(found)->M != c->members.count)
        st = trb_fail(TRB_EINTEGRITY, "%s holds %zu members, members.count is %zu; set it, or write the cache anew",
                      trb_cache_dir(found), trb_cache_spec_of(found)->M, (size_t)c->members.count);
    if (st == TRB_OK) st = trb_cache_expect_holds(found, c->cache.holds);
    if (st == TRB_OK) st = trb__views(c, data, &view);
    if (st == TRB_OK) st = trb_cache_expect_views(found, c->cache.views, view);
    TRB_GO(trb_agree(world, st));
    spec = trb_cache_spec_of(found);
    TRB_GO(trb_comm_same(world, trb_cache_digest(found), "the cache's manifest"));
    /* Members from elsewhere have no weights file here; then the cache's word is all there is. */
    TRB_GO(trb__member_digests(world, c, data, false, digest));
    for (size_t m = 0; st == TRB_OK && m < spec->M; m++)
        if (digest[m] != 0) st = trb_cache_expect_member(found, m, digest[m]);
    TRB_GO(trb_agree(world, st));
    *cache = found;
    found = NULL;
done:
    trb_cache_close(found);
    trb_free(view);
    trb_free(digest);
    return st;
}
