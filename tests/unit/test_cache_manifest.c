/* The manifest: round trip, refusals, raw edits to absurd sizes, the virtual data set. */
#include "ensemble.h"

#include "tribikos/hash.h"

static trb_cache_spec fault_spec;

static int publish_must_fail(void)
{
    const uint64_t payload[2] = {1, 2};
    return trb_manifest_publish(scratch, &fault_spec, payload, "") == TRB_EIO ? 0 : 1;
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
        trb_cache *c = NULL;
        ensemble_make(in_scratch("rt%d", task), &spec);
        assert_ok(trb_cache_open(in_scratch("rt%d", task), &c));
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
    ensemble_make(in_scratch("cache"), &spec);
    assert_ok(trb_cache_open(in_scratch("cache"), &c));
    trb_data data = {.task = TRB_TASK_CLASSES, .n = 100, .digest = spec.data_digest};
    assert_ok(trb_cache_expect_data(c, &data));
    data.digest = 1;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY,
                 "digest dadadadadadadada, the configured one has 0000000000000001");
    data.n = 99;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY, "of 100 samples, the data set has 99");
    data.task = TRB_TASK_REGRESSION;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY, "task classes, the data set of task regression");
    assert_ok(trb_cache_expect_member(c, 1, ensemble_digest[1]));
    assert_fails(trb_cache_expect_member(c, 1, 2), TRB_EINTEGRITY,
                 "member 1 of the cache has digest fedcba9800000001, its weights file 0000000000000002");
    assert_fails(trb_cache_expect_member(c, 2, 2), TRB_EINTEGRITY, "has 2 members, member 2 wanted");
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

/* Change a uint64 attribute or table entry of the manifest in place, wherever it stands in the file. */
static bool replace_u64(const char *from, const char *to, const char *attribute, uint64_t old, uint64_t value)
{
    size_t n = 0;
    char *bytes = slurp(from, &n);
    char *name = memmem(bytes, n, attribute, strlen(attribute) + 1);
    char *at = name == NULL ? NULL : memmem(name, 200, &old, sizeof old);
    if (at != NULL) memcpy(at, &value, sizeof value);
    spill(to, bytes, n);
    free(bytes);
    return at != NULL;
}

/* Absurd sizes are refused before memory is reserved for them. */
static void absurd_sizes(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(149, 3, 2, 1);
    trb_cache *c = NULL;
    ensemble_make(in_scratch("absurd"), &spec);
    char *path = strdup(in_scratch("absurd/manifest.h5")), *whole = strdup(in_scratch("absurd/whole.h5"));
    assert_int_equal(rename(path, whole), 0);
    const struct {
        const char *name;
        uint64_t is;
    } sizes[] = {{"samples", 149}, {"outputs", 3}, {"members", 2}, {"views", 1}, {"block", 16}, {"shard_rows", 64}};
    const uint64_t values[] = {0, 1ull << 20, 1ull << 33, 1ull << 40, 1ull << 62, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            assert_true(replace_u64(whole, path, sizes[i].name, sizes[i].is, values[k]));
            const size_t before = trb_mem_allocations();
            assert_fails(trb_cache_open(in_scratch("absurd"), &c), TRB_EINTEGRITY, "absurd/manifest.h5");
            assert_true(trb_mem_allocations() - before < 40);
            assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
        }
    assert_null(c);
    free(path);
    free(whole);
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
    assert_ok(trb_manifest_publish(in_scratch("many"), &spec, payload, ""));
    assert_ok(trb_cache_open(in_scratch("many"), &c));
    assert_int_equal(trb_cache_units(trb_cache_spec_of(c)), 20000);
    trb_cache_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),       cmocka_unit_test(round_trip),   cmocka_unit_test(refusals),
        cmocka_unit_test(virtual_view), cmocka_unit_test(absurd_sizes), cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
