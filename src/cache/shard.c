#include "impl.h"

#include <inttypes.h>
#include <string.h>

#include "tribikos/hash.h"
#include "tribikos/memory.h"

static const char *const FORMAT = "tribikos shard";

struct trb_shard {
    trb_h5 *h;
    const trb_cache_spec *spec;
    trb_cache_unit unit;
    size_t written, held; /* rows on disk, and behind them in `block` */
    char *block;          /* [block][K] as stored: whole chunks reach HDF5, however the rows arrive */
    trb_hash *hash;
};

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t trb__find_nonfinite(trb_dtype type, size_t n, const void *values)
{
    /* Not finite: all bits of the exponent set. First whether there is any, in a loop without a way out, which
     * vectorises. */
    unsigned any = 0;
    size_t i = 0;
    if (type == TRB_F16) {
        const uint16_t *v = values;
        for (size_t k = 0; k < n; k++) any |= (v[k] & 0x7c00u) == 0x7c00u;
        while (any && (v[i] & 0x7c00u) != 0x7c00u) i++;
    } else {
        const uint32_t *v = values;
        for (size_t k = 0; k < n; k++) any |= (v[k] & 0x7f800000u) == 0x7f800000u;
        while (any && (v[i] & 0x7f800000u) != 0x7f800000u) i++;
    }
    return any ? i : n;
}

/* The ids of a run of samples. */
static void ids_from(size_t first, size_t n, int64_t *ids)
{
    for (size_t i = 0; i < n; i++) ids[i] = (int64_t)(first + i);
}

static trb_status put_attributes(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit u)
{
    TRB_TRY(trb_h5_put_text(h, "format", FORMAT));
    TRB_TRY(trb_h5_put_u64(h, "version", TRB__VERSION));
    TRB_TRY(trb_h5_put_u64(h, "member", u.member));
    TRB_TRY(trb_h5_put_u64(h, "view", u.view));
    TRB_TRY(trb_h5_put_text(h, "view_recipe", spec->view[u.view].recipe));
    TRB_TRY(trb_h5_put_u64(h, "view_seed", spec->view[u.view].seed));
    TRB_TRY(trb_h5_put_u64(h, "first_row", u.first_row));
    TRB_TRY(trb_h5_put_u64(h, "rows", u.rows));
    TRB_TRY(trb_h5_put_u64(h, "block", spec->block));
    TRB_TRY(trb_h5_put_u64(h, "member_digest", spec->member_digest[u.member]));
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
    TRB_GO(trb_alloc(TRB_MEM_CACHE, min(spec->block, s->unit.rows), trb__row_bytes(spec), &s->block));
    TRB_GO(trb_hash_open(&s->hash));
    TRB_GO(trb__shard_path(dir, spec, unit, &path));
    char *name = strrchr(path, '/');
    *name = '\0';
    TRB_GO(trb_mkdirs(path));
    *name = '/';
    TRB_GO(trb_h5_create(path, &s->h));
    TRB_GO(put_attributes(s->h, spec, s->unit));
    TRB_GO(
        trb_h5_make(s->h, "sample_id", (trb_h5_shape){TRB_I64, 1, {s->unit.rows}}, (trb_h5_layout){.chunk_rows = 0}));
    TRB_GO(trb_h5_make(s->h, "logits", (trb_h5_shape){spec->dtype, 2, {s->unit.rows, spec->K}},
                       (trb_h5_layout){.chunk_rows = spec->block, .deflate = spec->deflate, .fletcher32 = true}));
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
    trb_hash_add(s->hash, s->block, s->held * trb__row_bytes(s->spec));
    TRB_TRY(trb_h5_write_rows(s->h, "logits", s->written, s->held, s->block));
    s->written += s->held;
    s->held = 0;
    return TRB_OK;
}

trb_status trb_shard_write(trb_shard *s, size_t rows, const float *logits)
{
    const trb_cache_spec *spec = s->spec;
    const size_t K = spec->K, row_bytes = trb__row_bytes(spec);
    if (rows > s->unit.rows - s->written - s->held)
        return trb_fail(TRB_EINTERNAL, "%s: more rows written than its %zu", trb_h5_path(s->h), s->unit.rows);
    while (rows > 0) {
        const size_t n = min(rows, min(spec->block, s->unit.rows) - s->held);
        char *to = s->block + s->held * row_bytes;
        if (spec->dtype == TRB_F16)
            trb_f16_from_f32(n * K, logits, (uint16_t *)(void *)to);
        else
            memcpy(to, logits, n * row_bytes);
        const size_t bad = trb__find_nonfinite(spec->dtype, n * K, to);
        if (bad < n * K)
            return trb_fail(TRB_ENUM,
                            "member %zu says %g for output %zu of sample %zu (view %zu), which %s cannot hold as a "
                            "finite number",
                            s->unit.member, (double)logits[bad], bad % K,
                            s->unit.first_row + s->written + s->held + bad / K, s->unit.view,
                            trb_dtype_name(spec->dtype));
        s->held += n;
        if (s->held == spec->block) TRB_TRY(flush(s));
        logits += n * K;
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

trb_status trb__shard_open(const char *dir, const trb_cache_spec *spec, size_t unit, trb_h5 **h)
{
    trb_status st = TRB_OK;
    char *path = NULL;
    TRB_TRY(trb__shard_path(dir, spec, unit, &path));
    /* What a cache lists and does not have is damage, not a wrong path given by a user. */
    st = trb_file_exists(path) ? trb_h5_open(path, h) : trb_fail(TRB_EINTEGRITY, "%s: the shard is missing", path);
    trb_free(path);
    return st;
}

trb_status trb__shard_rows(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit unit, size_t first, size_t n,
                           void *rows)
{
    TRB_TRY(trb_h5_read_rows(h, "logits", spec->dtype, first, n, rows));
    const size_t bad = trb__find_nonfinite(spec->dtype, n * spec->K, rows);
    if (bad == n * spec->K) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: output %zu of sample %zu is not finite", trb_h5_path(h), bad % spec->K,
                    unit.first_row + first + bad / spec->K);
}

/* What a shard says it is of. */
typedef struct {
    uint64_t version, member, view, view_seed, first_row, rows, block, member_digest, data_digest, payload_digest;
    char *recipe;
} identity;

static trb_status get_identity(trb_h5 *h, identity *id)
{
    char *format = NULL;
    TRB_TRY(trb_h5_get_text(h, "format", &format));
    const bool ours = strcmp(format, FORMAT) == 0;
    trb_free(format);
    if (!ours) return trb_fail(TRB_EINTEGRITY, "%s: its format is not \"%s\"", trb_h5_path(h), FORMAT);
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

/* Compare with what the shard should be of. */
static trb_status expect_identity(const char *path, const trb_cache_spec *spec, trb_cache_unit u, const identity *id)
{
    const trb_view *view = &spec->view[u.view];
    const struct {
        const char *name;
        uint64_t is, wanted;
    } number[] = {
        {"version", id->version, TRB__VERSION},    {"member", id->member, u.member}, {"view", id->view, u.view},
        {"first_row", id->first_row, u.first_row}, {"rows", id->rows, u.rows},       {"block", id->block, spec->block}};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        if (number[i].is != number[i].wanted)
            return trb_fail(TRB_EINTEGRITY, "%s: %s is %" PRIu64 ", expected %" PRIu64, path, number[i].name,
                            number[i].is, number[i].wanted);
    if (id->data_digest != spec->data_digest)
        return trb_fail(TRB_EINTEGRITY, "%s: is of the data set with digest %016" PRIx64 ", expected %016" PRIx64, path,
                        id->data_digest, spec->data_digest);
    if (id->member_digest != spec->member_digest[u.member])
        return trb_fail(TRB_EINTEGRITY, "%s: is of a member with digest %016" PRIx64 ", expected %016" PRIx64, path,
                        id->member_digest, spec->member_digest[u.member]);
    if (strcmp(id->recipe, view->recipe) != 0 || id->view_seed != view->seed)
        return trb_fail(TRB_EINTEGRITY,
                        "%s: is of the view [%s], seed %" PRIu64 ", expected [%s], seed %" PRIu64
                        " (`cache.view_recipe`, `cache.view_seed`)",
                        path, id->recipe, id->view_seed, view->recipe, view->seed);
    return TRB_OK;
}

/* Take the digest of the logits, then of the ids, in runs of a block, and pass the logits on. */
static trb_status read_payload(trb_h5 *h, const trb_cache_spec *spec, trb_cache_unit u, uint64_t own_first,
                               trb__sink sink, void *ctx, uint64_t *digest)
{
    trb_status st = TRB_OK;
    trb_hash *hash = NULL;
    char *rows = NULL;
    int64_t *ids = NULL, *wanted = NULL;
    const size_t block = min(spec->block, u.rows);
    TRB_GO(trb_hash_open(&hash));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, block, trb__row_bytes(spec), &rows));
    TRB_GO(trb_alloc(TRB_MEM_CACHE, 2 * block, sizeof *ids, &ids));
    wanted = ids + block;
    for (size_t first = 0; first < u.rows; first += block) {
        const size_t n = min(block, u.rows - first);
        TRB_GO(trb__shard_rows(h, spec, u, first, n, rows));
        trb_hash_add(hash, rows, n * trb__row_bytes(spec));
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
    trb_h5 *h = NULL;
    const char *path = NULL;
    identity id = {.recipe = NULL};
    trb_h5_shape logits, ids;
    uint64_t digest = 0;
    *foreign = false;
    TRB_GO(trb__shard_open(dir, spec, unit, &h));
    path = trb_h5_path(h);
    TRB_GO(get_identity(h, &id));
    TRB_GO(trb_h5_describe(h, "logits", &logits));
    TRB_GO(trb_h5_describe(h, "sample_id", &ids));
    if (logits.ndim != 2 || logits.dim[0] != id.rows || ids.type != TRB_I64 || ids.ndim != 1 || ids.dim[0] != id.rows) {
        st = trb_fail(TRB_EINTEGRITY, "%s: logits and sample_id do not have the %" PRIu64 " rows that it says", path,
                      id.rows);
        goto done;
    }
    /* A shard of another extent cannot be read as this one; it says of itself consistently what it is, so it is a
     * result. */
    if (logits.type != spec->dtype || logits.dim[1] != spec->K || id.rows != u.rows) {
        *foreign = true;
        st = trb_fail(TRB_EINTEGRITY, "%s: logits are %s [%zu][%zu], expected %s [%zu][%zu]", path,
                      trb_dtype_name(logits.type), logits.dim[0], logits.dim[1], trb_dtype_name(spec->dtype), u.rows,
                      spec->K);
        goto done;
    }
    TRB_GO(read_payload(h, spec, u, id.first_row, sink, ctx, &digest));
    if (digest != id.payload_digest) {
        st = trb_fail(TRB_EINTEGRITY, "%s: payload_digest is %016" PRIx64 ", but the payload gives %016" PRIx64, path,
                      id.payload_digest, digest);
        goto done;
    }
    *foreign = true;
    TRB_GO(expect_identity(path, spec, u, &id));
    *foreign = false;
    *payload = digest;
done:
    trb_free(id.recipe);
    trb_h5_close(h);
    return st;
}

trb_status trb_shard_check(const char *dir, const trb_cache_spec *spec, size_t unit, bool *good, uint64_t *payload)
{
    bool foreign = false;
    uint64_t digest = 0;
    const trb_status st = trb__shard_read(dir, spec, unit, NULL, NULL, &digest, &foreign);
    if (st == TRB_OK) *payload = digest;
    if (st != TRB_OK && (st != TRB_EINTEGRITY || foreign)) return st;
    /* Missing or damaged is an answer here, not a failure. */
    if (st != TRB_OK) trb_fail_clear();
    *good = st == TRB_OK;
    return TRB_OK;
}
