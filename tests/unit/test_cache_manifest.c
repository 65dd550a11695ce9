/* The manifest: round trip, refusals, raw edits to absurd sizes, the virtual data set. */
#include "ensemble.h"

#include "tribikos/hash.h"

static trb_cache_spec fault_spec;

static int publish_must_fail(void)
{
    const uint64_t payload[2] = {1, 2};
    return is_fault(trb_manifest_publish(scratch, &fault_spec, payload, "", "")) ? 0 : 1;
}

static void faults(void **state)
{
    (void)state;
    fault_spec = ensemble_spec(50, 3, 2, 1);
    const char *points[] = {"file.create:1", "file.write:3", "file.sync:1", "file.rename:1", "alloc:1", "alloc:2"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        assert_int_equal(with_fault(points[i], publish_must_fail), 0);
        assert_int_equal(count_files(scratch, "manifest"), 0);
    }
}

static void round_trip(void **state)
{
    (void)state;
    for (int task = 0; task < 2; task++) {
        trb_cache_spec spec = ensemble_spec(150, 3, 2, 3);
        spec.task = task == 0 ? TRB_TASK_CLASSES : TRB_TASK_REGRESSION;
        spec.dtype = task == 0 ? TRB_F32 : TRB_F16;
        trb_cache *c = ensemble_open(in_scratch("rt%d", task), &spec);
        assert_string_equal(trb_cache_dir(c), in_scratch("rt%d", task));
        const trb_cache_spec *read = trb_cache_spec_of(c);
        assert_true(read->task == spec.task && read->dtype == spec.dtype && read->N == 150 && read->K == 3 &&
                    read->M == 2 && read->V == 3 && read->block == 16 && read->shard_rows == 64);
        assert_true(read->data_digest == spec.data_digest);
        assert_memory_equal(read->member_digest, ensemble_digest, 2 * sizeof *ensemble_digest);
        for (size_t v = 0; v < 3; v++) {
            assert_string_equal(read->view[v].recipe, ensemble_view[v].recipe);
            assert_true(read->view[v].seed == ensemble_view[v].seed);
        }
        if (task == 0)
            assert_memory_equal(read->label, ensemble_label, 150 * sizeof *ensemble_label);
        else
            assert_memory_equal(read->target, ensemble_target, 150 * sizeof *ensemble_target);
        assert_true((read->label == NULL) == (task == 1) && (read->target == NULL) == (task == 0));
        for (size_t i = 0; i < trb_cache_units(read); i++) assert_ok(trb_cache_verify_unit(c, i));
        trb_cache_close(c);
    }
    trb_cache_close(NULL);
}

static void refusals(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(100, 3, 2, 1);
    trb_cache *c = NULL;
    assert_fails(trb_cache_open(in_scratch("nothing"), &c), TRB_ECONFIG, "nothing/manifest.h5: there is no manifest");
    assert_null(c);
    c = ensemble_open(in_scratch("cache"), &spec);
    trb_data data = {.task = TRB_TASK_CLASSES, .n = 100, .digest = spec.data_digest, .label = ensemble_label};
    assert_ok(trb_cache_expect_data(c, &data));
    data.label = NULL;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY, "the cache has labels, the data set has none");
    data.label = ensemble_label;
    data.digest = 1;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY,
                 "digest dadadadadadadada, the configured one has 0000000000000001");
    data.n = 99;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY, "has 100 samples, the data set has 99");
    data.task = TRB_TASK_REGRESSION;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY, "task classes, the data set of task regression");
    assert_ok(trb_cache_expect_member(c, 1, ensemble_digest[1]));
    assert_fails(trb_cache_expect_member(c, 1, 2), TRB_EINTEGRITY,
                 "member 1 of the cache has digest fedcba9800000001, its weights file 0000000000000002");
    assert_fails(trb_cache_expect_member(c, 2, 2), TRB_EINTEGRITY, "has 2 members, member 2 wanted");
    trb_cache_close(c);
}

/* Views that are not those asked for are refused, view 0 among them, with both, the keys, and what to do. */
static void other_views(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(100, 3, 1, 3);
    trb_cache *c = ensemble_open(in_scratch("views"), &spec);
    assert_ok(trb_cache_expect_views(c, 3, ensemble_view));
    assert_fails(trb_cache_expect_views(c, 2, ensemble_view), TRB_EINTEGRITY,
                 "the cache holds 3 views, `cache.views` is 2; set it, or write the cache anew");
    assert_fails(trb_cache_expect_views(c, 4, ensemble_view), TRB_EINTEGRITY, "holds 3 views, `cache.views` is 4");
    for (size_t v = 0; v < 3; v++) {
        trb_view view[3];
        char which[40];
        memcpy(view, ensemble_view, sizeof view);
        view[v].seed = 77;
        (void)snprintf(which, sizeof which, "view %zu of the cache is of [", v);
        assert_fails(trb_cache_expect_views(c, 3, view), TRB_EINTEGRITY, which);
        assert_fails(trb_cache_expect_views(c, 3, view), TRB_EINTEGRITY,
                     v == 1 ? "[mixup 0.5], seed 11, `cache.view_recipes` and `cache.view_seed` ask for [mixup 0.5], "
                              "seed 77; set them, or use another run.dir"
                            : "seed 77");
        view[v] = ensemble_view[v];
        (void)strcpy(view[v].recipe, "flip");
        assert_fails(trb_cache_expect_views(c, 3, view), TRB_EINTEGRITY, "ask for [flip], seed");
    }
    trb_cache_close(c);
}

/* A virtual data set shows the shards through the library as h5py would, and zeros where one is missing. */
static void virtual_view(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 2);
    spec.dtype = TRB_F16;
    trb_h5 *h = NULL;
    uint16_t stored[2][2][100][3];
    float read[2][2][100][3];
    ensemble_make(in_scratch("virtual"), &spec);
    assert_int_equal(unlink(in_scratch("virtual/v01/m001-s00000.h5")), 0);
    assert_ok(trb_h5_open(in_scratch("virtual/manifest.h5"), &h));
    assert_ok(trb_h5_read_rows(h, "logits", TRB_F16, 0, 2, stored));
    trb_f32_from_f16(2 * 2 * 100 * 3, &stored[0][0][0][0], &read[0][0][0][0]);
    for (size_t v = 0; v < 2; v++)
        for (size_t m = 0; m < 2; m++)
            for (size_t n = 0; n < 100; n++)
                for (size_t k = 0; k < 3; k++)
                    assert_true(read[v][m][n][k] == (v == 1 && m == 1 && n < 64 ? 0 : ensemble_logit(v, m, n, k)));
    trb_h5_close(h);
    assert_fails(ensemble_verify(in_scratch("virtual")), TRB_EINTEGRITY, "v01/m001-s00000.h5: the shard is missing");
}

/* A cache of this test: statistics or logits, with or without stored inputs. */
static trb_cache_spec spec_of(bool statistics, bool inputs)
{
    trb_cache_spec spec = ensemble_spec(100, 3, 2, 2);
    spec.holds = statistics ? TRB_SHARD_STATISTICS : TRB_SHARD_LOGITS;
    if (inputs) ensemble_store(&spec, TRB_U8);
    return spec;
}

/* What a cache holds is told by its manifest, with and without stored inputs; the other kind is refused with both. */
static void kinds(void **state)
{
    (void)state;
    static const char *const features[4] = {"", "inputs", "statistics", "statistics inputs"};
    for (unsigned k = 0; k < 4; k++) {
        const bool statistics = k >= 2, inputs = k % 2 == 1;
        const trb_cache_spec spec = spec_of(statistics, inputs);
        trb_cache *c = ensemble_open(in_scratch("kind%u", k), &spec);
        assert_true(trb_cache_spec_of(c)->holds == spec.holds && trb_cache_spec_of(c)->view[1].stored == inputs);
        assert_ok(ensemble_verify(in_scratch("kind%u", k)));
        assert_ok(trb_cache_expect_holds(c, spec.holds));
        assert_fails(trb_cache_expect_holds(c, statistics ? TRB_SHARD_LOGITS : TRB_SHARD_STATISTICS), TRB_EINTEGRITY,
                     statistics ? "the cache holds statistics, `cache.holds` is logits; set it, or use another run.dir"
                                : "the cache holds logits, `cache.holds` is statistics; set it");
        trb_cache_close(c);
        trb_h5 *h = NULL;
        uint64_t is = 0;
        assert_ok(trb_h5_open(in_scratch("kind%u/manifest.h5", k), &h));
        assert_ok(trb_h5_get_u64(h, "version", &is));
        assert_int_equal(is, k == 0 ? 1 : 5);
        assert_true(trb_h5_has_attr(h, "features") == (k > 0));
        if (k > 0) expect_text(h, "features", features[k]);
        if (statistics) {
            float read[2][100][7];
            assert_ok(trb_h5_read_rows(h, "statistics", TRB_F32, 0, 2, read));
            for (size_t i = 0; i < 2 * 100 * 7; i++)
                assert_true((&read[0][0][0])[i] == ensemble_logit(i / 700, 0, i / 7 % 100, i % 7));
        }
        trb_h5_close(h);
    }
}

/* A cache of the most probable classes: how many is in the manifest and its digest, and another number is refused. */
static void top(void **state)
{
    (void)state;
    trb_cache_spec spec = spec_of(false, true), other;
    trb_h5 *h = NULL;
    float values[2][2][100][3];
    uint16_t classes[2][2][100][2];
    spec.holds = TRB_SHARD_TOP;
    spec.top = 2;
    trb_cache *c = ensemble_open(in_scratch("top"), &spec);
    const uint64_t digest = trb_cache_digest(c);
    assert_true(trb_cache_spec_of(c)->holds == TRB_SHARD_TOP && trb_cache_spec_of(c)->top == 2);
    assert_ok(ensemble_verify(in_scratch("top")));
    assert_ok(trb_cache_expect_form(c, &spec));
    other = spec;
    other.top = 3;
    assert_fails(trb_cache_expect_form(c, &other), TRB_EINTEGRITY,
                 "`cache.top` was 2 when the cache was written and is 3 now; set it back");
    other = spec_of(false, true);
    assert_fails(trb_cache_expect_form(c, &other), TRB_EINTEGRITY, "the cache holds top, `cache.holds` is logits");
    trb_cache_close(c);
    assert_ok(trb_h5_open(in_scratch("top/manifest.h5"), &h));
    expect_text(h, "features", "top inputs");
    assert_ok(trb_h5_read_rows(h, "top", TRB_F32, 0, 2, values));
    assert_ok(trb_h5_read_rows(h, "class", TRB_U16, 0, 2, classes));
    trb_h5_close(h);
    for (size_t i = 0; i < 2 * 2 * 100; i++) {
        const size_t v = i / 200, m = i / 100 % 2, n = i % 100;
        for (size_t k = 0; k < 3; k++)
            assert_true(values[v][m][n][k] == ensemble_number(&spec, TRB_SHARD_TOP, v, m, n, k));
        for (size_t k = 0; k < 2; k++)
            assert_true((float)classes[v][m][n][k] == ensemble_number(&spec, TRB_SHARD_TOP, v, m, n, 3 + k));
    }
    spec.dtype = TRB_F16;
    c = ensemble_open(in_scratch("half"), &spec);
    assert_true(trb_cache_digest(c) != digest);
    trb_cache_close(c);
}

/* Manifests of the versions 1 to 4, written for these caches by the program of before features had names: they are
 * read, list shards with the payloads that shards have today, and have the digests of today's manifests. */
static void earlier_versions(void **state)
{
    (void)state;
    const char *golden = getenv("TRB_GOLDEN");
    assert_non_null(golden);
    for (unsigned version = 1; version <= 4; version++) {
        const bool statistics = version > 2, inputs = version % 2 == 0;
        const trb_cache_spec spec = spec_of(statistics, inputs);
        char *dir = strdup(in_scratch("v%u", version)), path[512];
        size_t n = 0;
        uint64_t is = 0;
        trb_h5 *h = NULL;
        trb_cache *c = ensemble_open(dir, &spec);
        const uint64_t digest = trb_cache_digest(c);
        trb_cache_close(c);
        (void)snprintf(path, sizeof path, "%s/manifest_v%u.h5", golden, version);
        char *bytes = slurp(path, &n);
        spill(in_scratch("v%u/manifest.h5", version), bytes, n);
        free(bytes);
        assert_ok(trb_h5_open(in_scratch("v%u/manifest.h5", version), &h));
        assert_ok(trb_h5_get_u64(h, "version", &is));
        assert_int_equal(is, version);
        trb_h5_close(h);
        assert_ok(ensemble_verify(dir));
        assert_ok(trb_cache_open(dir, &c));
        assert_true(trb_cache_spec_of(c)->holds == spec.holds && trb_cache_spec_of(c)->view[1].stored == inputs);
        assert_true(trb_cache_digest(c) == digest);
        assert_string_equal(trb_cache_blas(c), "none, 1 thread");
        assert_string_equal(trb_cache_processor(c), "");
        trb_cache_close(c);
        free(dir);
    }
}

/* What computed the logits is told as it was; who does not know says nothing. */
static void makers(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(50, 3, 2, 1);
    const uint64_t payload[2] = {1, 2};
    static const char *const known[2] = {"", "Zilog Z80 (1/1), L2 0 KiB"};
    for (size_t i = 0; i < 2; i++) {
        trb_cache *c = NULL;
        trb_h5 *h = NULL;
        assert_ok(trb_mkdirs(in_scratch("makers")));
        assert_ok(trb_manifest_publish(in_scratch("makers"), &spec, payload, "A on B; C on D", known[i]));
        assert_ok(trb_cache_open(in_scratch("makers"), &c));
        assert_string_equal(trb_cache_blas(c), "A on B; C on D");
        assert_string_equal(trb_cache_processor(c), known[i]);
        trb_cache_close(c);
        assert_ok(trb_h5_open(in_scratch("makers/manifest.h5"), &h));
        assert_true(trb_h5_has_attr(h, "processor") == (i == 1));
        trb_h5_close(h);
    }
}

/* What inputs and classes are called is there as it was written, or not at all; what is no schema is refused. */
static void schemas(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(50, 3, 2, 1);
    const uint64_t payload[2] = {1, 2};
    static const char *const text[3] = {NULL, "{\"header\": false, \"classes\": [\"a\", \"b\"]}", "{\"header\": 7}"};
    uint64_t digest = 0;
    assert_ok(trb_mkdirs(in_scratch("schemas")));
    for (size_t i = 0; i < 3; i++) {
        trb_cache *c = NULL;
        spec.schema = text[i];
        assert_ok(trb_manifest_publish(in_scratch("schemas"), &spec, payload, "", ""));
        if (i == 2) {
            assert_fails(trb_cache_open(in_scratch("schemas"), &c), TRB_EINTEGRITY,
                         "manifest.h5: schema: expected true");
            continue;
        }
        assert_ok(trb_cache_open(in_scratch("schemas"), &c));
        if (i == 0)
            assert_null(trb_cache_spec_of(c)->schema);
        else
            assert_string_equal(trb_cache_spec_of(c)->schema, text[1]);
        assert_true(i == 0 || trb_cache_digest(c) == digest);
        digest = trb_cache_digest(c);
        trb_cache_close(c);
    }
}

/* What a manifest of somebody else's hand says; HDF5 finds no fault in it. */
typedef struct {
    uint64_t N, K, M, V, block, R, first_row, version;
    const char *features;
} claims;

static void write_manifest(const claims *c)
{
    enum { N = 149, M = 2, S = 6 };
    const uint64_t column[5][S] = {
        {0, 0, 0, 1, 1, 1}, {0}, {0, c->first_row, 128, 0, 64, 128}, {64, 64, 21, 64, 64, 21}};
    const char *names[5] = {"shard/member", "shard/view", "shard/first_row", "shard/rows", "shard/payload_digest"};
    trb_h5 *h = NULL;
    trb_hash *hash = NULL;
    assert_ok(trb_hash_open(&hash));
    const uint64_t sizes[7] = {c->N, c->K, c->M, c->V, c->block, c->R, 1}, seed = 0;
    trb_hash_add(hash, "classesfloat32", 14);
    trb_hash_add(hash, sizes, sizeof sizes);
    trb_hash_add(hash, "identity", 8);
    trb_hash_add(hash, &seed, sizeof seed);
    trb_hash_add(hash, column, sizeof column);
    trb_hash_add(hash, ensemble_digest, M * sizeof *ensemble_digest);
    trb_hash_add(hash, ensemble_label, N * sizeof *ensemble_label);
    assert_ok(trb_mkdirs(in_scratch("claims")));
    assert_ok(trb_h5_create(in_scratch("claims/manifest.h5"), &h));
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"version", c->version}, {"samples", c->N},
                   {"outputs", c->K},       {"members", c->M},
                   {"views", c->V},         {"block", c->block},
                   {"shard_rows", c->R},    {"data_digest", 1},
                   {"view_00_seed", seed},  {"digest", trb_hash_value(hash)}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_ok(trb_h5_put_u64(h, numbers[i].name, numbers[i].value));
    assert_ok(trb_h5_put_text(h, "format", "tribikos cache"));
    assert_ok(trb_h5_put_text(h, "task", "classes"));
    assert_ok(trb_h5_put_text(h, "dtype", "float32"));
    if (c->features != NULL) assert_ok(trb_h5_put_text(h, "features", c->features));
    assert_ok(trb_h5_put_text(h, "view_00_recipe", "identity"));
    for (size_t i = 0; i < 5; i++) assert_ok(trb_h5_put(h, names[i], (trb_h5_shape){TRB_U64, 1, {S}}, column[i]));
    assert_ok(trb_h5_put(h, "member_digest", (trb_h5_shape){TRB_U64, 1, {M}}, ensemble_digest));
    assert_ok(trb_h5_put(h, "label", (trb_h5_shape){TRB_I32, 1, {N}}, ensemble_label));
    assert_ok(trb_h5_publish(h));
    trb_hash_close(hash);
}

/* Absurd sizes are refused before memory is reserved for them, and a table that does not follow from the sizes is too.
 */
static void absurd_claims(void **state)
{
    (void)state;
    (void)ensemble_spec(149, 3, 2, 1);
    const claims good = {149, 3, 2, 1, 16, 64, 64, 1, NULL};
    trb_cache *c = NULL;
    write_manifest(&good);
    assert_ok(trb_cache_open(in_scratch("claims"), &c));
    trb_cache_close(c);
    c = NULL;
    const uint64_t values[] = {0, 1 << 20, 1ull << 33, 1ull << 40, 1ull << 62, UINT64_MAX - 1, UINT64_MAX};
    for (size_t field = 0; field < 6; field++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            claims bad = good;
            (&bad.N)[field] = values[k];
            if (field == 1 && values[k] > 0 && values[k] <= 1ull << 40) continue; /* any number of outputs is well */
            write_manifest(&bad);
            const size_t before = trb_mem_allocations();
            assert_fails(trb_cache_open(in_scratch("claims"), &c), TRB_EINTEGRITY, "claims/manifest.h5: ");
            assert_true(trb_mem_allocations() - before < 14);
            assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
        }
    claims bad = good;
    bad.first_row = 65;
    write_manifest(&bad);
    assert_fails(trb_cache_open(in_scratch("claims"), &c), TRB_EINTEGRITY,
                 "shard/first_row of shard 1 is 65, expected 64");
    bad = good;
    bad.K = 4; /* the digest is of these sizes: only the labels and the shards can tell */
    write_manifest(&bad);
    assert_ok(trb_cache_open(in_scratch("claims"), &c));
    assert_fails(trb_cache_verify_unit(c, 0), TRB_EINTEGRITY, "v00/m000-s00000.h5: the shard is missing");
    trb_cache_close(c);
}

/* A manifest of a later version, or with a feature that is not known here, is refused, and so is one whose features
 * are not those of its contents. */
static void unknown_features(void **state)
{
    (void)state;
    (void)ensemble_spec(149, 3, 2, 1);
    claims claim = {149, 3, 2, 1, 16, 64, 64, 5, ""};
    trb_cache *c = NULL;
    write_manifest(&claim);
    assert_ok(trb_cache_open(in_scratch("claims"), &c));
    trb_cache_close(c);
    c = NULL;
    static const struct {
        uint64_t version;
        const char *features, *says;
    } wrong[] = {{0, NULL, "version is 0, expected 1 to 5"},
                 {6, "", "version is 6, expected 1 to 5"},
                 {5, NULL, "features"},
                 {5, "inputs gradients", "the feature `gradients`, which this version of the program does not know"},
                 {5, "inputs", "inputs_dtype"},
                 {5, "unlabelled", "its digest is"},
                 {5, "top", "attribute top"},
                 {5, "statistics", "data set shard/member is uint64 [6], expected uint64 [3]"},
                 {3, NULL, "data set shard/member is uint64 [6], expected uint64 [3]"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        claim.version = wrong[i].version;
        claim.features = wrong[i].features;
        write_manifest(&claim);
        assert_fails(trb_cache_open(in_scratch("claims"), &c), TRB_EINTEGRITY, wrong[i].says);
    }
    assert_null(c);
}

/* Many shards: a manifest of ten thousand stays quick to write and to open. */
static void many(void **state)
{
    (void)state;
    static uint64_t payload[20000], digests[5000];
    trb_cache_spec spec = ensemble_spec(64, 2, 1, 2);
    spec.M = 5000;
    spec.member_digest = digests;
    spec.block = spec.shard_rows = 32;
    trb_cache *c = NULL;
    assert_ok(trb_mkdirs(in_scratch("many")));
    assert_ok(trb_manifest_publish(in_scratch("many"), &spec, payload, "", ""));
    assert_ok(trb_cache_open(in_scratch("many"), &c));
    assert_int_equal(trb_cache_units(trb_cache_spec_of(c)), 20000);
    trb_cache_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refusals),
        cmocka_unit_test(other_views),
        cmocka_unit_test(virtual_view),
        cmocka_unit_test(absurd_claims),
        cmocka_unit_test(many),
        cmocka_unit_test(kinds),
        cmocka_unit_test(top),
        cmocka_unit_test(makers),
        cmocka_unit_test(schemas),
        cmocka_unit_test(earlier_versions),
        cmocka_unit_test(unknown_features),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
