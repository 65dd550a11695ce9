/* Shards: one is written by blocks, published, and read again from beginning to end, with every byte checked. */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"

struct trb_shard {
    trb_h5 *h;
    const trb_cache_spec *spec;
    trb_cache_unit unit;
    const trb__form *form;
    trb_h5_shape shape;             /* of the values */
    size_t row_bytes, served_bytes; /* of a row as stored, and as callers write it */
    size_t written, held;           /* rows on disk; rows after them, in `block` */
    char *block;                    /* [block] rows as stored; HDF5 gets whole chunks, whatever the runs of rows are */
    trb_hash *hash;
};

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Fill in the ids of n samples from `first` on. */
static void ids_from(size_t first, size_t n, int64_t *ids)
{
    for (size_t i = 0; i < n; i++) ids[i] = (int64_t)(first + i);
}

/* The digest of the inputs from which the logits of a view with stored inputs are computed. */
static uint64_t inputs_digest(const trb_cache_spec *spec, trb_cache_unit u)
{
    return spec->inputs_payload[trb_cache_inputs_unit(spec, u) - trb_cache_logits_units(spec)];
}

static trb_status put_attributes(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit u)
{
    TRB_TRY(trb_h5_put_text(h, "format", trb__form_of[u.kind].format));
    TRB_TRY(trb_h5_put_u64(h, "version", TRB__VERSION));
    TRB_TRY(trb_h5_put_u64(h, "member", trb__unit_member(u)));
    TRB_TRY(trb_h5_put_u64(h, "view", u.view));
    TRB_TRY(trb_h5_put_text(h, "view_recipe", spec->view[u.view].recipe));
    TRB_TRY(trb_h5_put_u64(h, "view_seed", spec->view[u.view].seed));
    TRB_TRY(trb_h5_put_u64(h, "first_row", u.first_row));
    TRB_TRY(trb_h5_put_u64(h, "rows", u.rows));
    TRB_TRY(trb_h5_put_u64(h, "block", spec->block));
    TRB_TRY(trb_h5_put_u64(h, "member_digest", trb__unit_member_digest(spec, u)));
    if (spec->view[u.view].stored && u.kind != TRB_SHARD_INPUTS)
        TRB_TRY(trb_h5_put_u64(h, "inputs_digest", inputs_digest(spec, u)));
    return trb_h5_put_u64(h, "data_digest", spec->data_digest);
}

trb_status trb_shard_create(const char *dir, const trb_cache_spec *spec, size_t unit, trb_shard **out)
{
    trb_status st = TRB_OK;
    trb_shard *s = NULL;
    char *path = NULL;
    const char *fault = trb__spec_fault(spec);
    if (fault != NULL) return trb_fail(TRB_ECONFIG, "%s: cannot make such a cache: %s", dir, fault);
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *s, &s));
    s->spec = spec;
    s->unit = trb_cache_unit_at(spec, unit);
    s->form = &trb__form_of[s->unit.kind];
    s->shape = s->form->shape(spec, s->unit.rows);
    s->row_bytes = trb_shard_row_bytes(spec, s->unit.kind);
    s->served_bytes = trb__served_bytes(spec, s->unit.kind);
    TRB_GO(trb_alloc(TRB_MEM_CACHE, min(spec->block, s->unit.rows), s->row_bytes, &s->block));
    TRB_GO(trb_hash_open(&s->hash));
    TRB_GO(trb_shard_path(dir, spec, unit, &path));
    char *name = strrchr(path, '/');
    *name = '\0';
    TRB_GO(trb_mkdirs(path));
    *name = '/';
    TRB_GO(trb_h5_create(path, &s->h));
    TRB_GO(put_attributes(s->h, spec, s->unit));
    TRB_GO(
        trb_h5_make(s->h, "sample_id", (trb_h5_shape){TRB_I64, 1, {s->unit.rows}}, (trb_h5_layout){.chunk_rows = 0}));
    const trb_h5_layout blocks = {.chunk_rows = spec->block, .deflate = spec->deflate, .fletcher32 = true};
    TRB_GO(trb_h5_make(s->h, s->form->dataset, s->shape, blocks));
    if (s->form->classes != NULL) TRB_GO(trb_h5_make(s->h, TRB__CLASS, s->form->classes(spec, s->unit.rows), blocks));
    *out = s;
    s = NULL;
done:
    trb_shard_abandon(s);
    trb_free(path);
    return st;
}

static trb_status flush(trb_shard *s)
{
    if (s->held == 0) return TRB_OK;
    trb_hash_add(s->hash, s->block, s->held * s->row_bytes);
    TRB_TRY(trb__rows_put(s->h, s->spec, s->unit.kind, s->written, s->held, s->block));
    s->written += s->held;
    s->held = 0;
    return TRB_OK;
}

/* Report which value of a block cannot be stored. \param[in] rows  those of the run, as the caller gave them */
static trb_status refuse(const trb_shard *s, trb__row_fault fault, size_t bad, const char *rows)
{
    const trb_cache_unit u = s->unit;
    const size_t n = trb__values(s->spec, u.kind), sample = u.first_row + s->written + s->held + bad / n;
    const char *type = trb_dtype_name(s->shape.type), *what = s->form->value;
    const float *value = (const float *)(const void *)(rows + bad / n * s->served_bytes) + bad % n;
    if (fault != TRB__NOT_FINITE)
        return trb_fail(TRB_EINTERNAL, "%s: rows that are no log-probabilities of different classes were written",
                        trb_h5_path(s->h));
    if (!s->form->floats)
        return trb_fail(TRB_ENUM, "%s %zu of sample %zu (view %zu) is not a finite number that %s can hold", what,
                        bad % n, sample, u.view, type);
    if (!trb_shard_of_member(u.kind))
        return trb_fail(TRB_ENUM, "%s %zu of sample %zu (view %zu) is %g, which %s cannot hold as a finite number",
                        what, bad % n, sample, u.view, (double)*value, type);
    return trb_fail(TRB_ENUM,
                    "member %zu says %g for %s %zu of sample %zu (view %zu), which %s cannot hold as a finite number",
                    u.member, (double)*value, what, bad % n, sample, u.view, type);
}

trb_status trb_shard_write(trb_shard *s, size_t rows, const void *values)
{
    const trb_cache_spec *spec = s->spec;
    const char *from = values;
    if (rows > s->unit.rows - s->written - s->held)
        return trb_fail(TRB_EINTERNAL, "%s: more rows written than its %zu", trb_h5_path(s->h), s->unit.rows);
    while (rows > 0) {
        const size_t n = min(rows, min(spec->block, s->unit.rows) - s->held);
        char *to = s->block + s->held * s->row_bytes;
        size_t bad = 0;
        trb__rows_store(spec, s->unit.kind, n, from, to);
        const trb__row_fault fault = trb__rows_fault(spec, s->unit.kind, n, to, &bad);
        if (fault != TRB__SOUND) return refuse(s, fault, bad, from);
        s->held += n;
        if (s->held == spec->block) TRB_TRY(flush(s));
        from += n * s->served_bytes;
        rows -= n;
    }
    return TRB_OK;
}

static trb_status put_ids(trb_shard *s)
{
    trb_status st = TRB_OK;
    const size_t block = min(s->spec->block, s->unit.rows);
    int64_t *ids = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, block, sizeof *ids, &ids));
    for (size_t first = 0; first < s->unit.rows && st == TRB_OK; first += block) {
        const size_t n = min(block, s->unit.rows - first);
        ids_from(s->unit.first_row + first, n, ids);
        trb_hash_add(s->hash, ids, n * sizeof *ids);
        st = trb_h5_write_rows(s->h, "sample_id", first, n, ids);
    }
    trb_free(ids);
    return st;
}

trb_status trb_shard_publish(trb_shard *s, uint64_t *payload)
{
    trb_status st = TRB_OK;
    TRB_GO(flush(s));
    if (s->written != s->unit.rows) {
        st = trb_fail(TRB_EINTERNAL, "%s: %zu rows written, expected %zu", trb_h5_path(s->h), s->written, s->unit.rows);
        goto done;
    }
    TRB_GO(put_ids(s));
    const uint64_t digest = trb_hash_value(s->hash);
    TRB_GO(trb_h5_put_u64(s->h, "payload_digest", digest));
    st = trb_h5_publish(s->h);
    s->h = NULL;
    if (st == TRB_OK) *payload = digest;
done:
    trb_shard_abandon(s);
    return st;
}

void trb_shard_abandon(trb_shard *s)
{
    if (s == NULL) return;
    trb_h5_close(s->h);
    trb_hash_close(s->hash);
    trb_free(s->block);
    trb_free(s);
}

/* ---- reading */

static trb_status open_shard(const char *dir, const trb_cache_spec *spec, size_t unit, trb_h5 **h)
{
    trb_status st = TRB_OK;
    char *path = NULL;
    TRB_TRY(trb_shard_path(dir, spec, unit, &path));
    /* A shard that the cache lists but does not have is damage, not a wrong path that a user gave. */
    st = trb_file_exists(path) ? trb_h5_open(path, h) : trb_fail(TRB_EINTEGRITY, "%s: the shard is missing", path);
    trb_free(path);
    return st;
}

trb_status trb__shard_rows(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit unit, size_t first, size_t n,
                           void *rows)
{
    const char *what = trb__form_of[unit.kind].value;
    size_t bad = 0;
    TRB_TRY(trb__rows_get(h, spec, unit.kind, first, n, rows));
    const trb__row_fault fault = trb__rows_fault(spec, unit.kind, n, rows, &bad);
    const bool of_class = fault == TRB__NO_CLASS || fault == TRB__CLASS_TWICE;
    const size_t width = of_class ? trb__classes(spec, unit.kind) : trb__values(spec, unit.kind);
    const size_t sample = unit.first_row + first + bad / width, at = bad % width;
    switch (fault) {
    case TRB__SOUND:
        return TRB_OK;
    case TRB__ABOVE_0:
        return trb_fail(TRB_EINTEGRITY, "%s: %s %zu of sample %zu is above 0", trb_h5_path(h), what, at, sample);
    case TRB__NO_CLASS:
        return trb_fail(TRB_EINTEGRITY, "%s: class %zu of sample %zu is not below the %zu outputs", trb_h5_path(h), at,
                        sample, spec->K);
    case TRB__CLASS_TWICE:
        return trb_fail(TRB_EINTEGRITY, "%s: class %zu of sample %zu is there twice", trb_h5_path(h), at, sample);
    case TRB__NOT_FINITE:
        break;
    }
    return trb_fail(TRB_EINTEGRITY, "%s: %s %zu of sample %zu is not finite", trb_h5_path(h), what, at, sample);
}

/* What a shard's attributes say about it. */
typedef struct {
    uint64_t version, member, view, view_seed, first_row, rows, block, member_digest, data_digest, payload_digest;
    char *recipe;
} identity;

static trb_status get_identity(trb_h5 *h, const char *wanted, identity *id)
{
    char *format = NULL;
    TRB_TRY(trb_h5_get_text(h, "format", &format));
    const bool ours = strcmp(format, wanted) == 0;
    trb_free(format);
    if (!ours) return trb_fail(TRB_EINTEGRITY, "%s: its format is not \"%s\"", trb_h5_path(h), wanted);
    TRB_TRY(trb_h5_get_u64(h, "version", &id->version));
    TRB_TRY(trb_h5_get_u64(h, "member", &id->member));
    TRB_TRY(trb_h5_get_u64(h, "view", &id->view));
    TRB_TRY(trb_h5_get_u64(h, "view_seed", &id->view_seed));
    TRB_TRY(trb_h5_get_u64(h, "first_row", &id->first_row));
    TRB_TRY(trb_h5_get_u64(h, "rows", &id->rows));
    TRB_TRY(trb_h5_get_u64(h, "block", &id->block));
    TRB_TRY(trb_h5_get_u64(h, "member_digest", &id->member_digest));
    TRB_TRY(trb_h5_get_u64(h, "data_digest", &id->data_digest));
    TRB_TRY(trb_h5_get_u64(h, "payload_digest", &id->payload_digest));
    return trb_h5_get_text(h, "view_recipe", &id->recipe);
}

/* Compare a shard's attributes with what they should be. */
static trb_status expect_identity(const char *path, const trb_cache_spec *spec, trb_cache_unit u, const identity *id)
{
    const trb_view *view = &spec->view[u.view];
    const struct {
        const char *name;
        uint64_t is, wanted;
    } number[] = {{"version", id->version, TRB__VERSION},
                  {"member", id->member, trb__unit_member(u)},
                  {"view", id->view, u.view},
                  {"first_row", id->first_row, u.first_row},
                  {"rows", id->rows, u.rows},
                  {"block", id->block, spec->block}};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        if (number[i].is != number[i].wanted)
            return trb_fail(TRB_EINTEGRITY, "%s: %s is %" PRIu64 ", expected %" PRIu64, path, number[i].name,
                            number[i].is, number[i].wanted);
    if (id->data_digest != spec->data_digest)
        return trb_fail(TRB_EINTEGRITY, "%s: is of the data set with digest %016" PRIx64 ", expected %016" PRIx64, path,
                        id->data_digest, spec->data_digest);
    const uint64_t member = trb__unit_member_digest(spec, u);
    if (id->member_digest != member)
        return trb_fail(TRB_EINTEGRITY, "%s: is of %s with digest %016" PRIx64 ", expected %016" PRIx64, path,
                        trb__form_of[u.kind].whose, id->member_digest, member);
    if (strcmp(id->recipe, view->recipe) != 0 || id->view_seed != view->seed)
        return trb_fail(TRB_EINTEGRITY,
                        "%s: is of the view [%s], seed %" PRIu64 ", expected [%s], seed %" PRIu64
                        " (`cache.view_recipes`, `cache.view_seed`)",
                        path, id->recipe, id->view_seed, view->recipe, view->seed);
    return TRB_OK;
}

/* Check that the logits of a view with stored inputs were computed from the inputs that are in the cache. */
static trb_status expect_inputs(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit u)
{
    uint64_t is = 0;
    if (!spec->view[u.view].stored || u.kind == TRB_SHARD_INPUTS || spec->inputs_payload == NULL) return TRB_OK;
    TRB_TRY(trb_h5_get_u64(h, "inputs_digest", &is));
    const uint64_t wanted = inputs_digest(spec, u);
    if (is == wanted) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: is of inputs with digest %016" PRIx64 ", expected %016" PRIx64, trb_h5_path(h),
                    is, wanted);
}

trb_status trb__payload_expect(const char *dir, const trb_cache_spec *spec, size_t unit, uint64_t is, uint64_t wanted,
                               const char *says)
{
    char name[TRB__NAME_BYTES];
    if (is == wanted) return TRB_OK;
    trb__shard_name(spec, unit, name);
    return trb_fail(TRB_EINTEGRITY, "%s/%s: its payload digest is %016" PRIx64 ", %s %016" PRIx64, dir, name, is, says,
                    wanted);
}

/* Check type and extent of the data sets with the values. */
static trb_status expect_shapes(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit u)
{
    const trb__form *form = &trb__form_of[u.kind];
    TRB_TRY(trb_h5_expect(h, form->dataset, form->shape(spec, u.rows)));
    return form->classes == NULL ? TRB_OK : trb_h5_expect(h, TRB__CLASS, form->classes(spec, u.rows));
}

trb_status trb__shard_reopen(const trb_cache *c, size_t unit, trb_h5 **out)
{
    trb_status st = TRB_OK;
    const trb_cache_spec *spec = &c->spec;
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    const trb__form *form = &trb__form_of[u.kind];
    trb_h5 *h = NULL;
    identity id = {.recipe = NULL};
    TRB_GO(open_shard(c->dir, spec, unit, &h));
    TRB_GO(get_identity(h, form->format, &id));
    TRB_GO(expect_identity(trb_h5_path(h), spec, u, &id));
    TRB_GO(expect_inputs(h, spec, u));
    TRB_GO(trb__payload_expect(c->dir, spec, unit, id.payload_digest, c->payload[unit], "the manifest lists"));
    TRB_GO(expect_shapes(h, spec, u));
    *out = h;
    h = NULL;
done:
    trb_free(id.recipe);
    trb_h5_close(h);
    return st;
}

/* Compute the digest of the values, then of the ids, block by block, and pass the values on to the sink. */
static trb_status read_payload(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit u, uint64_t own_first,
                               trb__sink sink, void *ctx, uint64_t *digest)
{
    trb_status st = TRB_OK;
    trb_hash *hash = NULL;
    char *rows = NULL;
    int64_t *ids = NULL, *wanted = NULL;
    const size_t block = min(spec->block, u.rows), row_bytes = trb_shard_row_bytes(spec, u.kind);
    TRB_GO(trb_hash_open(&hash));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, block, row_bytes, &rows));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, 2 * block, sizeof *ids, &ids));
    wanted = ids + block;
    for (size_t first = 0; first < u.rows; first += block) {
        const size_t n = min(block, u.rows - first);
        TRB_GO(trb__shard_rows(h, spec, u, first, n, rows));
        trb_hash_add(hash, rows, n * row_bytes);
        if (sink != NULL) sink(ctx, u, first, n, rows);
    }
    for (size_t first = 0; first < u.rows; first += block) {
        const size_t n = min(block, u.rows - first);
        TRB_GO(trb_h5_read_rows(h, "sample_id", TRB_I64, first, n, ids));
        ids_from(own_first + first, n, wanted);
        if (memcmp(ids, wanted, n * sizeof *ids) != 0) {
            st = trb_fail(TRB_EINTEGRITY, "%s: sample_id does not run from first_row upwards by one", trb_h5_path(h));
            goto done;
        }
        trb_hash_add(hash, ids, n * sizeof *ids);
    }
    *digest = trb_hash_value(hash);
done:
    trb_free(ids);
    trb_free(rows);
    trb_hash_close(hash);
    return st;
}

trb_status trb__shard_read(const char *dir, const trb_cache_spec *spec, size_t unit, trb__sink sink, void *ctx,
                           uint64_t *payload, bool *foreign)
{
    trb_status st = TRB_OK;
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    const trb__form *form = &trb__form_of[u.kind];
    const trb_h5_shape shape = form->shape(spec, u.rows);
    trb_h5 *h = NULL;
    const char *path = NULL;
    identity id = {.recipe = NULL};
    trb_h5_shape values, ids;
    uint64_t digest = 0;
    *foreign = false;
    TRB_GO(open_shard(dir, spec, unit, &h));
    path = trb_h5_path(h);
    TRB_GO(get_identity(h, form->format, &id));
    TRB_GO(trb_h5_describe(h, form->dataset, &values));
    TRB_GO(trb_h5_describe(h, "sample_id", &ids));
    if (values.ndim != shape.ndim || values.dim[0] != id.rows || ids.type != TRB_I64 || ids.ndim != 1 ||
        ids.dim[0] != id.rows) {
        st = trb_fail(TRB_EINTEGRITY, "%s: %s and sample_id do not have the %" PRIu64 " rows that it says", path,
                      form->dataset, id.rows);
        goto done;
    }
    /* A shard of another type or extent cannot be read as this one. But its attributes agree with its data sets, so it
     * is a result that must be kept. */
    st = expect_shapes(h, spec, u);
    *foreign = st != TRB_OK;
    if (st != TRB_OK) goto done;
    TRB_GO(read_payload(h, spec, u, id.first_row, sink, ctx, &digest));
    if (digest != id.payload_digest) {
        st = trb_fail(TRB_EINTEGRITY, "%s: payload_digest is %016" PRIx64 ", but the payload gives %016" PRIx64, path,
                      id.payload_digest, digest);
        goto done;
    }
    *foreign = true;
    TRB_GO(expect_identity(path, spec, u, &id));
    *foreign = false;
    TRB_GO(expect_inputs(h, spec, u));
    *payload = digest;
done:
    trb_free(id.recipe);
    trb_h5_close(h);
    return st;
}

typedef struct {
    char *to;
    size_t row_bytes;
} room;

static void put_rows(void *ctx, trb_cache_unit u, size_t first, size_t n, const void *rows)
{
    const room *r = ctx;
    (void)u;
    memcpy(r->to + first * r->row_bytes, rows, n * r->row_bytes);
}

trb_status trb_inputs_read(const char *dir, const trb_cache_spec *spec, size_t unit, void *x)
{
    room r = {.to = x, .row_bytes = trb_shard_row_bytes(spec, TRB_SHARD_INPUTS)};
    uint64_t payload = 0;
    bool foreign = false;
    TRB_TRY(trb__shard_read(dir, spec, unit, put_rows, &r, &payload, &foreign));
    return trb__payload_expect(dir, spec, unit, payload, spec->inputs_payload[unit - trb_cache_logits_units(spec)],
                               "expected");
}

trb_status trb_shard_check(const char *dir, const trb_cache_spec *spec, size_t unit, bool *good, uint64_t *payload)
{
    bool foreign = false;
    uint64_t digest = 0;
    const trb_status st = trb__shard_read(dir, spec, unit, NULL, NULL, &digest, &foreign);
    if (st == TRB_OK) *payload = digest;
    if (st != TRB_OK && (st != TRB_EINTEGRITY || foreign)) return st;
    /* A missing or damaged shard is an answer here, not a failure. */
    if (st != TRB_OK) trb_fail_clear();
    *good = st == TRB_OK;
    return TRB_OK;
}
