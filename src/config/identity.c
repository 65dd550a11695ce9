/* Identity: the text of what decides a network's bits, and its comparison with the text in a file (identity.h). */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/identity.h"
#include "tribikos/memory.h"
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
        (void)fprintf(p.f, "cache: %s, blocks of %zu\n", trb_dtype_name(cache->dtype), cache->block);
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

static const char *line_behind(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

static bool is_exchange(const char *line)
{
    return strncmp(line, "exchange:", 9) == 0 || strncmp(line, "server.", 7) == 0;
}

/* Step over the lines that both texts begin with. With `any_exchange`, also step over lines about the exchange. */
static void skip_common(const char **found, const char **asked, bool any_exchange)
{
    for (;;) {
        while (any_exchange && is_exchange(*found)) *found = line_behind(*found);
        while (any_exchange && is_exchange(*asked)) *asked = line_behind(*asked);
        const size_t n = strcspn(*found, "\n");
        if (**found == '\0' || n != strcspn(*asked, "\n") || strncmp(*found, *asked, n) != 0) return;
        *found = line_behind(*found);
        *asked = line_behind(*asked);
    }
}

/* Whether a text has a line with the key of this one. */
static bool has_key(const char *text, const char *line)
{
    const size_t n = strcspn(line, ":\n") + 1;
    while (*text != '\0' && strncmp(text, line, n) != 0) text = line_behind(text);
    return *text != '\0';
}

/* Name the lines in which the two texts differ, so that the user sees what to change. If only one text has a key, the
 * key is at its default in the other one. */
static trb_status refuse(const char *path, const char *found, const char *asked, const char *instead)
{
    const int f = (int)strcspn(found, "\n"), a = (int)strcspn(asked, "\n");
    if (*found == '\0' || *asked == '\0')
        return trb_fail(TRB_EINTEGRITY, "%s was trained with another configuration; use another run.dir, or %s", path,
                        instead);
    if (!has_key(asked, found))
        return trb_fail(TRB_EINTEGRITY,
                        "%s was trained with `%.*s`, the configuration asks for the default; use another run.dir, or "
                        "%s",
                        path, f, found, instead);
    if (!has_key(found, asked))
        return trb_fail(TRB_EINTEGRITY,
                        "%s was trained with the default of `%.*s`, the configuration asks for `%.*s`; use another "
                        "run.dir, or %s",
                        path, (int)strcspn(asked, ":\n"), asked, a, asked, instead);
    return trb_fail(TRB_EINTEGRITY,
                    "%s was trained with `%.*s`, the configuration asks for `%.*s`; use another run.dir, or %s", path,
                    f, found, a, asked, instead);
}

trb_status trb_identity_resume(const char *path, const char *found, const char *asked)
{
    skip_common(&found, &asked, true);
    if (*found == '\0' && *asked == '\0') return TRB_OK;
    return refuse(path, found, asked, "--resume=never begins anew");
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), e = strlen(end);
    return n >= e && strcmp(text + n - e, end) == 0;
}

trb_status trb_identity_load(const char *path, const char *identity, const char *followed, bool *found,
                             uint64_t *digest, trb_net **net, float **params)
{
    *found = false;
    if (!trb_file_exists(path)) return TRB_OK;
    trb_weights_info info = {0};
    TRB_TRY(trb_weights_read(path, &info, net, params));
    trb_status st = TRB_OK;
    const char *is = info.config, *asked = identity;
    if (followed == NULL ? strcmp(is, asked) != 0 : strncmp(is, asked, strlen(asked)) != 0) {
        skip_common(&is, &asked, false);
        st = refuse(path, is, asked, "remove the file to train it anew");
    } else if (followed != NULL && !ends_with(is, followed)) {
        st = trb_fail(TRB_EINTEGRITY,
                      "%s was distilled from other members than those that are there; remove it, and run `tribikos "
                      "distill` (after `tribikos cache`, if members were trained anew)",
                      path);
    } else {
        *found = true;
        if (digest != NULL) *digest = info.digest;
    }
    trb_weights_info_clear(&info);
    return st;
}
