/* Identity: the text of what decides a network's bits, and its comparison with the text in a file (identity.h). */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/identity.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/weights.h"

/* ---- the text */

static trb_status is_default(const trb__option *o, const void *base, bool *same)
{
    char *value = NULL;
    TRB_TRY(trb__option_text(o, base, &value));
    *same = strcmp(value, o->value) == 0;
    trb_free(value);
    return TRB_OK;
}

/* Write a line `KEY: [LAYERS]`. CIFAR's residual networks are written as they were once named, resnet20 for
 * cifar-resnet20, so that what was trained under the earlier name goes on. */
static void say_layers(FILE *f, const char *key, const char *layers)
{
    static const char later[] = "cifar-resnet";
    (void)fprintf(f, "%s: [", key);
    for (const char *at = layers; *at != '\0';) {
        if (strncmp(at, later, sizeof later - 1) == 0) at += strlen("cifar-");
        const size_t n = strcspn(at, ","), between = at[n] == ',' ? n + 1 + (at[n + 1] == ' ') : n;
        (void)fwrite(at, 1, between, f);
        at += between;
    }
    (void)fputs("]\n", f);
}

/* Write the rows of one scope that are part of an identity. */
static trb_status say_keys(FILE *f, trb__scope scope, const void *base)
{
    const trb__part by_scope = scope == TRB__CONFIG ? TRB__NO_PART : TRB__PART;
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        const trb__part part = o->identity == TRB__BY_SCOPE ? by_scope : o->identity;
        bool silent = part == TRB__NO_PART;
        if (o->scope != scope) continue;
        if (part == TRB__PART_IF_SET) TRB_TRY(is_default(o, base, &silent));
        if (silent) continue;
        if (o->type == &trb__type_layers) {
            say_layers(f, o->key, ((const trb_fit_opts *)base)->layers);
            continue;
        }
        (void)fprintf(f, "%s: ", o->key);
        o->type->print(f, o, base);
        (void)fputc('\n', f);
    }
    return TRB_OK;
}

/* Write the lines that all networks of a run have in common. */
static trb_status say_run(FILE *f, const trb_config *of)
{
    trb_config c = *of;
    /* Servers without staleness give the same bits as `ordered`, so they have its identity. */
    if (c.exchange.kind == TRB_EXCHANGE_SERVER && c.exchange.staleness == 0) c.exchange.kind = TRB_EXCHANGE_ORDERED;
    if (c.exchange.kind == TRB_EXCHANGE_SERVER)
        (void)fprintf(f, "server.staleness: %" PRIu64 "\n", c.exchange.staleness);
    TRB_TRY(say_keys(f, TRB__CONFIG, &c));
    /* The seed of the run decides which samples are held out. All else that it decides is in lines of other seeds. */
    if (c.data.validation > 0) (void)fprintf(f, "run.seed: %" PRIu64 "\n", c.run.seed);
    return TRB_OK;
}

/* The digest covers the bytes of a data set, not its shape and type, so these are written too. */
static void say_data(FILE *f, const trb_data *data)
{
    char hex[17];
    trb_hash_hex(data->digest, hex);
    (void)fprintf(f, "data: %zu x %zu x %zu %s\ndata_digest: %s\n", data->shape.c, data->shape.h, data->shape.w,
                  trb_dtype_name(data->type), hex);
}

trb_status trb_identity_member(const trb_config *c, size_t m, const trb_data *data, char **text)
{
    trb__page p;
    trb_status st = TRB_OK;
    TRB_TRY(trb__page_open(&p));
    (void)fprintf(p.f, "member: %zu\n", m);
    TRB_GO(say_run(p.f, c));
    TRB_GO(say_keys(p.f, TRB__FIT, &c->member[m]));
    if (data != NULL) say_data(p.f, data);
done:
    return trb__page_close(&p, st, text);
}

/* Write only the views that the student sees. So views can be added to a cache without changing the identity of
 * students that do not see them. A student that sees only the samples themselves has no such lines. */
static void say_views(FILE *f, const trb_config *c, const trb_student_opts *s, const trb_data *data)
{
    char recipe[TRB_RECIPE_BYTES];
    const size_t others = s->views - 1;
    if (others == 0) return;
    (void)fputs("cache.view_recipes: [", f);
    for (size_t i = 0; i < others && i < c->cache.n_recipes; i++) {
        trb_view_text(&c->cache.recipe[i], data, c->data.validation, c->run.seed, recipe);
        (void)fprintf(f, "%s%s", i > 0 ? "; " : "", recipe);
    }
    (void)fprintf(f, "]\ncache.view_seed: %" PRIu64 "\n", c->cache.view_seed);
}

static void say_followed(FILE *f, size_t M, const uint64_t *digest)
{
    char hex[17];
    for (size_t m = 0; m < M; m++) {
        trb_hash_hex(digest[m], hex);
        (void)fprintf(f, "member_digest.%zu: %s\n", m, hex);
    }
}

trb_status trb_identity_student(const trb_config *c, size_t s, const trb_data *data, const trb_cache_spec *cache,
                                char **text)
{
    trb__page p;
    trb_status st = TRB_OK;
    const trb_student_opts *student = &c->student[s];
    TRB_TRY(trb__page_open(&p));
    TRB_GO(say_run(p.f, c));
    TRB_GO(say_keys(p.f, TRB__STUDENT, student));
    TRB_GO(say_keys(p.f, TRB__FIT, &student->fit));
    if (student->fit.layers[0] == '\0') say_layers(p.f, "train.layers", c->train.layers);
    if (data != NULL) {
        say_data(p.f, data);
        say_views(p.f, c, student, data);
    }
    if (cache != NULL) {
        (void)fprintf(p.f, "cache: %s, ", trb_dtype_name(cache->dtype));
        if (cache->holds == TRB_SHARD_TOP) (void)fprintf(p.f, "top %zu, ", cache->top);
        (void)fprintf(p.f, "blocks of %zu\n", cache->block);
        say_followed(p.f, cache->M, cache->member_digest);
    }
done:
    return trb__page_close(&p, st, text);
}

trb_status trb_identity_followed(size_t M, const uint64_t *digest, char **text)
{
    trb__page p;
    TRB_TRY(trb__page_open(&p));
    say_followed(p.f, M, digest);
    return trb__page_close(&p, TRB_OK, text);
}

/* ---- what a file says */

trb_status trb_identity_agrees(const char *found, const char *asked, bool *agrees)
{
    char *difference = NULL;
    TRB_TRY(trb__difference(found, asked, TRB__CACHE, &difference));
    *agrees = difference == NULL;
    trb_free(difference);
    return TRB_OK;
}

trb_status trb_identity_resume(const char *path, const char *found, const char *asked)
{
    char *difference = NULL;
    TRB_TRY(trb__difference(found, asked, TRB__EXCHANGE, &difference));
    if (difference == NULL) return TRB_OK;
    const trb_status st = trb_fail(
        TRB_EINTEGRITY, "%s is of another configuration: %s; use another run.dir, or --resume=never begins anew", path,
        difference);
    trb_free(difference);
    return st;
}

/* Compare two identities. `followed` is NULL, or the end of the text that a student must have. What stands between the
 * configuration's part and this end describes the cache, which may be gone. */
static trb_status compare(const char *is, const char *identity, const char *followed, char **difference)
{
    char *asked = NULL;
    if (followed == NULL) return trb__difference(is, identity, 0, difference);
    TRB_TRY(trb_text_of(&asked, "%s%s", identity, followed));
    const trb_status st =
        trb__difference(is, asked, TRB__CACHE | (followed[0] == '\0' ? TRB__FOLLOWED : 0U), difference);
    trb_free(asked);
    return st;
}

trb_status trb_identity_read(const char *path, const char *identity, const char *followed, bool *found,
                             char **difference, uint64_t *digest, double *temperature, trb_net **net, float **params)
{
    *found = false;
    *difference = NULL;
    if (!trb_file_exists(path)) return TRB_OK;
    trb_weights_info info = {0};
    trb_status st = trb_weights_read(path, &info, net, params);
    if (st == TRB_EINTEGRITY)
        (void)trb_fail_of(st,
                          "weights cannot be used; put a copy in their place, or remove the file, and `tribikos run` "
                          "trains the network again: ");
    TRB_TRY(st);
    st = compare(info.config, identity, followed, difference);
    *found = st == TRB_OK;
    if (digest != NULL) *digest = info.digest;
    if (temperature != NULL) *temperature = info.norm.temperature;
    trb_weights_info_clear(&info);
    return st;
}
