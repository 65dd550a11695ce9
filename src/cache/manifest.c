/* The manifest: written last, read and checked first. cache.h describes every attribute and data set. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/augment.h"
#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

static const char *const FORMAT = "tribikos cache", *const NAME = "manifest.h5";

/* The feature of a cache without labels or targets. */
static const char *const UNLABELLED = "unlabelled";

/* From this version on, a manifest names its features. Versions 2 to 4 were numbers for combinations of features. */
enum { NAMES_FEATURES = 5, FEATURES_BYTES = 64 };

/* The columns of the table of shards. The first four follow from the spec; they are stored for people who read the
 * file. */
enum { MEMBER, VIEW, FIRST_ROW, ROWS, PAYLOAD, COLUMNS };
static const char *const column_name[COLUMNS] = {"shard/member", "shard/view", "shard/first_row", "shard/rows",
                                                 "shard/payload_digest"};

const char *trb__task_name(trb_task task)
{
    return task == TRB_TASK_CLASSES ? "classes" : "regression";
}

/* \param[out] table  [COLUMNS][S], released by the caller */
static trb_status make_table(const trb_cache_spec *spec, const uint64_t *payload, uint64_t **table)
{
    const size_t S = trb_cache_units(spec);
    uint64_t *t = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, COLUMNS * S, sizeof *t, &t));
    for (size_t i = 0; i < S; i++) {
        const trb_cache_unit u = trb_cache_unit_at(spec, i);
        t[MEMBER * S + i] = trb__unit_member(u);
        t[VIEW * S + i] = u.view;
        t[FIRST_ROW * S + i] = u.first_row;
        t[ROWS * S + i] = u.rows;
        t[PAYLOAD * S + i] = payload[i];
    }
    *table = t;
    return TRB_OK;
}

/* The digest of the manifest, in the order that cache.h defines. */
static trb_status digest_of(const trb_cache_spec *spec, const uint64_t *table, uint64_t *digest)
{
    trb_hash *h = NULL;
    const char *task = trb__task_name(spec->task), *dtype = trb_dtype_name(spec->dtype);
    const uint64_t sizes[7] = {spec->N, spec->K, spec->M, spec->V, spec->block, spec->shard_rows, spec->data_digest};
    TRB_TRY(trb_hash_open(&h));
    trb_hash_add(h, task, strlen(task));
    trb_hash_add(h, dtype, strlen(dtype));
    if (spec->holds != TRB_SHARD_LOGITS)
        trb_hash_add(h, trb_shard_kind_name(spec->holds), strlen(trb_shard_kind_name(spec->holds)));
    if (spec->holds == TRB_SHARD_TOP) trb_hash_add(h, &(uint64_t){spec->top}, sizeof(uint64_t));
    if (!trb_cache_labelled(spec)) trb_hash_add(h, UNLABELLED, strlen(UNLABELLED));
    trb_hash_add(h, sizes, sizeof sizes);
    for (size_t v = 0; v < spec->V; v++) {
        trb_hash_add(h, spec->view[v].recipe, strlen(spec->view[v].recipe));
        trb_hash_add(h, &spec->view[v].seed, sizeof spec->view[v].seed);
    }
    if (trb__has(spec, TRB_SHARD_INPUTS)) {
        const char *type = trb_dtype_name(spec->x_dtype);
        const uint64_t shape[3] = {spec->shape.c, spec->shape.h, spec->shape.w};
        trb_hash_add(h, type, strlen(type));
        trb_hash_add(h, shape, sizeof shape);
        for (size_t v = 0; v < spec->V; v++) trb_hash_add(h, &(uint64_t){spec->view[v].stored}, sizeof(uint64_t));
    }
    trb_hash_add(h, table, COLUMNS * trb_cache_units(spec) * sizeof *table);
    trb_hash_add(h, spec->member_digest, spec->M * sizeof *spec->member_digest);
    if (trb_cache_labelled(spec) && spec->task == TRB_TASK_CLASSES)
        trb_hash_add(h, spec->label, spec->N * sizeof *spec->label);
    else if (trb_cache_labelled(spec))
        trb_hash_add(h, spec->target, spec->N * sizeof *spec->target);
    *digest = trb_hash_value(h);
    trb_hash_close(h);
    return TRB_OK;
}

/* The name of one of a view's attributes. */
static const char *view_name(size_t v, const char *what, char name[40])
{
    (void)snprintf(name, 40, "view_%02zu_%s", v, what);
    return name;
}

static trb_status put_inputs(trb_h5 *h, const trb_cache_spec *spec)
{
    char name[40];
    TRB_TRY(trb_h5_put_text(h, "inputs_dtype", trb_dtype_name(spec->x_dtype)));
    TRB_TRY(trb_h5_put_u64(h, "channels", spec->shape.c));
    TRB_TRY(trb_h5_put_u64(h, "height", spec->shape.h));
    TRB_TRY(trb_h5_put_u64(h, "width", spec->shape.w));
    for (size_t v = 0; v < spec->V; v++) TRB_TRY(trb_h5_put_u64(h, view_name(v, "stored", name), spec->view[v].stored));
    return TRB_OK;
}

/* The features of a cache: all its kinds of shards except logits, which every reader supports; and what it lacks. */
static const char *features_of(const trb_cache_spec *spec, char text[FEATURES_BYTES])
{
    trb_text t = trb_text_in(text, FEATURES_BYTES);
    for (trb_shard_kind k = 0; k < TRB_SHARD_KINDS; k++)
        if (k != TRB_SHARD_LOGITS && trb__has(spec, k))
            trb_text_add(&t, "%s%s", t.n > 0 ? " " : "", trb_shard_kind_name(k));
    if (!trb_cache_labelled(spec)) trb_text_add(&t, "%s%s", t.n > 0 ? " " : "", UNLABELLED);
    return text;
}

static trb_status put_attributes(trb_h5 *h, const trb_cache_spec *spec, const char *blas, const char *processor,
                                 uint64_t digest)
{
    char name[40], text[FEATURES_BYTES];
    const char *features = features_of(spec, text);
    const bool several = features[0] != '\0';
    TRB_TRY(trb_h5_put_text(h, "format", FORMAT));
    TRB_TRY(trb_h5_put_u64(h, "version", several ? NAMES_FEATURES : TRB__VERSION));
    if (several) TRB_TRY(trb_h5_put_text(h, "features", features));
    TRB_TRY(trb_h5_put_text(h, "task", trb__task_name(spec->task)));
    TRB_TRY(trb_h5_put_text(h, "dtype", trb_dtype_name(spec->dtype)));
    TRB_TRY(trb_h5_put_u64(h, "samples", spec->N));
    TRB_TRY(trb_h5_put_u64(h, "outputs", spec->K));
    if (spec->holds == TRB_SHARD_TOP) TRB_TRY(trb_h5_put_u64(h, "top", spec->top));
    TRB_TRY(trb_h5_put_u64(h, "members", spec->M));
    TRB_TRY(trb_h5_put_u64(h, "views", spec->V));
    TRB_TRY(trb_h5_put_u64(h, "block", spec->block));
    TRB_TRY(trb_h5_put_u64(h, "shard_rows", spec->shard_rows));
    TRB_TRY(trb_h5_put_u64(h, "data_digest", spec->data_digest));
    if (spec->schema != NULL) TRB_TRY(trb_h5_put_text(h, "schema", spec->schema));
    TRB_TRY(trb_h5_put_text(h, "blas", blas));
    if (processor[0] != '\0') TRB_TRY(trb_h5_put_text(h, "processor", processor));
    for (size_t v = 0; v < spec->V; v++) {
        TRB_TRY(trb_h5_put_text(h, view_name(v, "recipe", name), spec->view[v].recipe));
        TRB_TRY(trb_h5_put_u64(h, view_name(v, "seed", name), spec->view[v].seed));
    }
    if (trb__has(spec, TRB_SHARD_INPUTS)) TRB_TRY(put_inputs(h, spec));
    return trb_h5_put_u64(h, "digest", digest);
}

static trb_status put_virtual(trb_h5 *h, const trb_cache_spec *spec)
{
    const size_t S = trb_cache_logits_units(spec);
    trb_h5_piece *pieces = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, S, sizeof *pieces, &pieces));
    for (size_t i = 0; i < S; i++) {
        const trb_cache_unit u = trb_cache_unit_at(spec, i);
        pieces[i] = (trb_h5_piece){.v = u.view, .m = u.member, .first = u.first_row, .rows = u.rows};
        trb__shard_name(spec, i, pieces[i].path);
    }
    const char *name = trb__form_of[spec->holds].dataset;
    const size_t members = trb_shard_of_member(spec->holds) ? spec->M : 1, values = trb__values(spec, spec->holds);
    const size_t classes = trb__classes(spec, spec->holds);
    trb_status st = trb_h5_make_virtual(h, name, (trb_h5_shape){spec->dtype, 4, {spec->V, members, spec->N, values}},
                                        name, S, pieces);
    if (st == TRB_OK && classes > 0)
        st = trb_h5_make_virtual(h, TRB__CLASS, (trb_h5_shape){TRB_U16, 4, {spec->V, members, spec->N, classes}},
                                 TRB__CLASS, S, pieces);
    trb_free(pieces);
    return st;
}

trb_status trb_manifest_publish(const char *dir, const trb_cache_spec *spec, const uint64_t *payload, const char *blas,
                                const char *processor)
{
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    uint64_t *table = NULL, digest = 0;
    char *path = NULL;
    const char *fault = trb__spec_fault(spec);
    if (fault != NULL) return trb_fail(TRB_ECONFIG, "%s: cannot make such a cache: %s", dir, fault);
    const size_t S = trb_cache_units(spec);
    TRB_GO(trb__path_in(dir, NAME, &path));
    TRB_GO(make_table(spec, payload, &table));
    TRB_GO(digest_of(spec, table, &digest));
    TRB_GO(trb_h5_create(path, &h));
    TRB_GO(put_attributes(h, spec, blas, processor, digest));
    for (size_t c = 0; c < COLUMNS; c++)
        TRB_GO(trb_h5_put(h, column_name[c], (trb_h5_shape){TRB_U64, 1, {S}}, table + c * S));
    TRB_GO(trb_h5_put(h, "member_digest", (trb_h5_shape){TRB_U64, 1, {spec->M}}, spec->member_digest));
    if (trb_cache_labelled(spec) && spec->task == TRB_TASK_CLASSES)
        TRB_GO(trb_h5_put(h, "label", (trb_h5_shape){TRB_I32, 1, {spec->N}}, spec->label));
    else if (trb_cache_labelled(spec))
        TRB_GO(trb_h5_put(h, "target", (trb_h5_shape){TRB_F32, 1, {spec->N}}, spec->target));
    TRB_GO(put_virtual(h, spec));
    st = trb_h5_publish(h);
    h = NULL;
done:
    trb_h5_close(h);
    trb_free(table);
    trb_free(path);
    return st;
}

/* ---- reading */

static trb_status get_size(trb_h5 *h, const char *name, size_t *size)
{
    uint64_t value = 0;
    TRB_TRY(trb_h5_get_u64(h, name, &value));
    *size = (size_t)value;
    return TRB_OK;
}

/* Read a text that must be `a` or `b`. \param[out] which  0 or 1 */
static trb_status get_choice(trb_h5 *h, const char *name, const char *a, const char *b, int *which)
{
    trb_status st = TRB_OK;
    char *text = NULL;
    TRB_TRY(trb_h5_get_text(h, name, &text));
    if (strcmp(text, a) == 0)
        *which = 0;
    else if (strcmp(text, b) == 0)
        *which = 1;
    else
        st = trb_fail(TRB_EINTEGRITY, "%s: %s is \"%s\", expected \"%s\" or \"%s\"", trb_h5_path(h), name, text, a, b);
    trb_free(text);
    return st;
}

static trb_status expect_sizes(trb_h5 *h, const trb_cache_spec *spec)
{
    const char *fault = trb__spec_fault(spec);
    return fault == NULL ? TRB_OK : trb_fail(TRB_EINTEGRITY, "%s: %s", trb_h5_path(h), fault);
}

/* Read which kinds of shards there are besides logits, and whether there are labels, from the version or from the
 * features. */
static trb_status get_features(trb_h5 *h, bool has[TRB_SHARD_KINDS], bool *labelled)
{
    uint64_t version = 0;
    char *text = NULL, *rest = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_h5_get_u64(h, "version", &version));
    if (version < TRB__VERSION || version > NAMES_FEATURES)
        return trb_fail(TRB_EINTEGRITY, "%s: version is %" PRIu64 ", expected %d to %d", trb_h5_path(h), version,
                        TRB__VERSION, NAMES_FEATURES);
    has[TRB_SHARD_INPUTS] = version == 2 || version == 4;
    has[TRB_SHARD_STATISTICS] = version == 3 || version == 4;
    if (version < NAMES_FEATURES) return TRB_OK;
    TRB_TRY(trb_h5_get_text(h, "features", &text));
    for (char *word = strtok_r(text, " ", &rest); word != NULL && st == TRB_OK; word = strtok_r(NULL, " ", &rest)) {
        trb_shard_kind k = TRB_SHARD_LOGITS + 1;
        while (k < TRB_SHARD_KINDS && strcmp(word, trb_shard_kind_name(k)) != 0) k++;
        if (k < TRB_SHARD_KINDS)
            has[k] = true;
        else if (strcmp(word, UNLABELLED) == 0)
            *labelled = false;
        else
            st =
                trb_fail(TRB_EINTEGRITY, "%s: it has the feature `%s`, which this version of the program does not know",
                         trb_h5_path(h), word);
    }
    trb_free(text);
    return st;
}

static trb_status get_header(trb_h5 *h, trb_cache_spec *spec, bool *inputs, bool *labelled)
{
    int which = 0;
    bool has[TRB_SHARD_KINDS] = {false};
    TRB_TRY(get_choice(h, "format", FORMAT, FORMAT, &which));
    TRB_TRY(get_features(h, has, labelled));
    *inputs = has[TRB_SHARD_INPUTS];
    spec->holds = has[TRB_SHARD_TOP]          ? TRB_SHARD_TOP
                  : has[TRB_SHARD_STATISTICS] ? TRB_SHARD_STATISTICS
                                              : TRB_SHARD_LOGITS;
    if (has[TRB_SHARD_TOP]) TRB_TRY(get_size(h, "top", &spec->top));
    TRB_TRY(get_choice(h, "task", trb__task_name(TRB_TASK_CLASSES), trb__task_name(TRB_TASK_REGRESSION), &which));
    spec->task = which == 0 ? TRB_TASK_CLASSES : TRB_TASK_REGRESSION;
    TRB_TRY(get_choice(h, "dtype", trb_dtype_name(TRB_F16), trb_dtype_name(TRB_F32), &which));
    spec->dtype = which == 0 ? TRB_F16 : TRB_F32;
    TRB_TRY(get_size(h, "samples", &spec->N));
    TRB_TRY(get_size(h, "outputs", &spec->K));
    TRB_TRY(get_size(h, "members", &spec->M));
    TRB_TRY(get_size(h, "views", &spec->V));
    TRB_TRY(get_size(h, "block", &spec->block));
    TRB_TRY(get_size(h, "shard_rows", &spec->shard_rows));
    if (*inputs) {
        TRB_TRY(get_choice(h, "inputs_dtype", trb_dtype_name(TRB_U8), trb_dtype_name(TRB_F16), &which));
        spec->x_dtype = which == 0 ? TRB_U8 : TRB_F16;
        TRB_TRY(get_size(h, "channels", &spec->shape.c));
        TRB_TRY(get_size(h, "height", &spec->shape.h));
        TRB_TRY(get_size(h, "width", &spec->shape.w));
    }
    TRB_TRY(trb_h5_get_u64(h, "data_digest", &spec->data_digest));
    return expect_sizes(h, spec);
}

/* Check every extent before memory is reserved for any of them. The virtual data set is not touched: nothing here reads
 * it, and its mapping is the one part of a file in which HDF5 does not survive a flipped bit. */
static trb_status expect_extents(trb_h5 *h, const trb_cache_spec *spec, bool labelled)
{
    for (size_t c = 0; c < COLUMNS; c++)
        TRB_TRY(trb_h5_expect(h, column_name[c], (trb_h5_shape){TRB_U64, 1, {trb_cache_units(spec)}}));
    TRB_TRY(trb_h5_expect(h, "member_digest", (trb_h5_shape){TRB_U64, 1, {spec->M}}));
    if (!labelled) return TRB_OK;
    if (spec->task == TRB_TASK_CLASSES) return trb_h5_expect(h, "label", (trb_h5_shape){TRB_I32, 1, {spec->N}});
    return trb_h5_expect(h, "target", (trb_h5_shape){TRB_F32, 1, {spec->N}});
}

static trb_status get_views(trb_h5 *h, size_t V, bool inputs, trb_view **out)
{
    trb_status st = TRB_OK;
    trb_view *view = NULL;
    char *text = NULL, name[40];
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, V, sizeof *view, &view));
    *out = view;
    for (size_t v = 0; v < V && st == TRB_OK; v++) {
        uint64_t stored = 0;
        if (inputs) TRB_TRY(trb_h5_get_u64(h, view_name(v, "stored", name), &stored));
        if (stored > 1)
            return trb_fail(TRB_EINTEGRITY, "%s: %s is %" PRIu64 ", expected 0 or 1", trb_h5_path(h), name, stored);
        view[v].stored = stored == 1;
        TRB_TRY(trb_h5_get_u64(h, view_name(v, "seed", name), &view[v].seed));
        TRB_TRY(trb_h5_get_text(h, view_name(v, "recipe", name), &text));
        const int length = snprintf(view[v].recipe, sizeof view[v].recipe, "%s", text);
        trb_free(text);
        if (length >= (int)sizeof view[v].recipe)
            st = trb_fail(TRB_EINTEGRITY, "%s: %s is longer than %zu bytes", trb_h5_path(h), name,
                          sizeof view[v].recipe - 1);
    }
    return st;
}

/* Read labels or targets and check them: labels are used as indices of outputs, and targets enter sums. */
static trb_status get_truth(trb_h5 *h, trb_cache *c)
{
    const trb_cache_spec *spec = &c->spec;
    if (spec->task == TRB_TASK_REGRESSION) {
        TRB_TRY(trb_alloc(TRB_MEM_DATA, spec->N, sizeof *c->target, &c->target));
        TRB_TRY(trb_h5_read_rows(h, "target", TRB_F32, 0, spec->N, c->target));
        const size_t bad = trb__find_nonfinite(TRB_F32, spec->N, c->target);
        if (bad < spec->N) return trb_fail(TRB_EINTEGRITY, "%s: target %zu is not finite", trb_h5_path(h), bad);
        return TRB_OK;
    }
    TRB_TRY(trb_alloc(TRB_MEM_DATA, spec->N, sizeof *c->label, &c->label));
    TRB_TRY(trb_h5_read_rows(h, "label", TRB_I32, 0, spec->N, c->label));
    for (size_t i = 0; i < spec->N; i++)
        if (c->label[i] < 0 || (size_t)c->label[i] >= spec->K)
            return trb_fail(TRB_EINTEGRITY, "%s: label %zu is %" PRId32 ", expected 0 to %zu", trb_h5_path(h), i,
                            c->label[i], spec->K - 1);
    return TRB_OK;
}

/* Read the table. Compare the four columns that follow from the sizes, then the digest of everything. */
static trb_status get_table(trb_h5 *h, trb_cache *c)
{
    trb_status st = TRB_OK;
    const size_t S = trb_cache_units(&c->spec);
    uint64_t *wanted = NULL, *column = NULL, found = 0;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, S, sizeof *column, &column));
    TRB_GO(trb_h5_read_rows(h, column_name[PAYLOAD], TRB_U64, 0, S, c->payload));
    TRB_GO(make_table(&c->spec, c->payload, &wanted));
    for (size_t k = 0; k < PAYLOAD; k++) {
        TRB_GO(trb_h5_read_rows(h, column_name[k], TRB_U64, 0, S, column));
        for (size_t i = 0; i < S; i++)
            if (column[i] != wanted[k * S + i]) {
                st = trb_fail(TRB_EINTEGRITY, "%s: %s of shard %zu is %" PRIu64 ", expected %" PRIu64, trb_h5_path(h),
                              column_name[k], i, column[i], wanted[k * S + i]);
                goto done;
            }
    }
    TRB_GO(trb_h5_get_u64(h, "digest", &c->digest));
    TRB_GO(digest_of(&c->spec, wanted, &found));
    if (c->digest != found)
        st = trb_fail(TRB_EINTEGRITY, "%s: its digest is %016" PRIx64 ", but its contents give %016" PRIx64,
                      trb_h5_path(h), c->digest, found);
done:
    trb_free(wanted);
    trb_free(column);
    return st;
}

static trb_status get_maker(trb_h5 *h, const char *name, char **text)
{
    return trb_h5_has_attr(h, name) ? trb_h5_get_text(h, name, text) : trb_strdup("", text);
}

static trb_status get_schema(trb_h5 *h, trb_cache *c)
{
    trb_schema s = {0};
    if (!trb_h5_has_attr(h, "schema")) return TRB_OK;
    TRB_TRY(trb_h5_get_text(h, "schema", &c->schema));
    TRB_TRY(trb_schema_read(trb_h5_path(h), c->schema, &s));
    trb_schema_clear(&s);
    c->spec.schema = c->schema;
    return TRB_OK;
}

trb_status trb_cache_open(const char *dir, trb_cache **out)
{
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    trb_cache *c = NULL;
    char *path = NULL;
    bool inputs = false, labelled = true;
    TRB_GO(trb__path_in(dir, NAME, &path));
    if (!trb_file_exists(path)) {
        st = trb_fail(TRB_ECONFIG, "%s: there is no manifest: the folder holds no cache, or one that is not finished",
                      path);
        goto done;
    }
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *c, &c));
    TRB_GO(trb_strdup(dir, &c->dir));
    TRB_GO(trb_h5_open(path, &h));
    TRB_GO(get_header(h, &c->spec, &inputs, &labelled));
    TRB_GO(get_maker(h, "blas", &c->blas));
    TRB_GO(get_maker(h, "processor", &c->processor));
    TRB_GO(get_schema(h, c));
    TRB_GO(get_views(h, c->spec.V, inputs, &c->view));
    c->spec.view = c->view;
    TRB_GO(expect_sizes(h, &c->spec));
    TRB_GO(expect_extents(h, &c->spec, labelled));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, c->spec.M, sizeof *c->member_digest, &c->member_digest));
    TRB_GO(trb_h5_read_rows(h, "member_digest", TRB_U64, 0, c->spec.M, c->member_digest));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, trb_cache_units(&c->spec), sizeof *c->payload, &c->payload));
    if (labelled) TRB_GO(get_truth(h, c));
    c->spec.member_digest = c->member_digest;
    c->spec.inputs_payload = c->payload + trb_cache_logits_units(&c->spec);
    c->spec.label = c->label;
    c->spec.target = c->target;
    TRB_GO(get_table(h, c));
    *out = c;
    c = NULL;
done:
    trb_h5_close(h);
    trb_cache_close(c);
    trb_free(path);
    return st;
}

void trb_cache_close(trb_cache *c)
{
    if (c == NULL) return;
    trb_free(c->label);
    trb_free(c->target);
    trb_free(c->payload);
    trb_free(c->member_digest);
    trb_free(c->view);
    trb_free(c->schema);
    trb_free(c->processor);
    trb_free(c->blas);
    trb_free(c->dir);
    trb_free(c);
}

const trb_cache_spec *trb_cache_spec_of(const trb_cache *c)
{
    return &c->spec;
}

uint64_t trb_cache_payload(const trb_cache *c, size_t unit)
{
    return c->payload[unit];
}

const char *trb_cache_blas(const trb_cache *c)
{
    return c->blas;
}

const char *trb_cache_processor(const trb_cache *c)
{
    return c->processor;
}

uint64_t trb_cache_digest(const trb_cache *c)
{
    return c->digest;
}

const char *trb_cache_dir(const trb_cache *c)
{
    return c->dir;
}

trb_status trb__unit_read(const trb_cache *c, size_t unit, trb__sink sink, void *ctx)
{
    uint64_t payload = 0;
    bool foreign = false;
    TRB_TRY(trb__shard_read(c->dir, &c->spec, unit, sink, ctx, &payload, &foreign));
    return trb__payload_expect(c->dir, &c->spec, unit, payload, c->payload[unit], "the manifest lists");
}

trb_status trb_cache_verify_unit(const trb_cache *c, size_t unit)
{
    return trb__unit_read(c, unit, NULL, NULL);
}
