/* Damage: whatever happens to a file is found and the file named, or what is read is what was written. */
#include "ensemble.h"

#include <math.h>

#include "tribikos/checkpoint.h"
#include "tribikos/hash.h"
#include "tribikos/weights.h"

enum { N = 100, K = 3, M = 2, V = 2, FLIPS = 250 };

static trb_status read_weights(uint64_t *sum)
{
    trb_weights_info info = {.layers = NULL};
    float *params = NULL;
    trb_net *net = NULL;
    TRB_TRY(trb_weights_read(in_scratch("w.h5"), &info, &net, &params));
    *sum = trb_hash_bytes(params, trb_net_size(net) * sizeof *params) ^ trb_hash_text(info.layers) ^
           trb_hash_text(info.config) * 3 ^ info.digest * 5 ^ info.heads * 7 ^ trb_shape_size(info.input) * 11 ^
           info.config_digest * 13 ^ trb_hash_text(info.blas) * 17;
    trb_weights_info_clear(&info);
    trb_net_destroy(net);
    trb_free(params);
    return TRB_OK;
}

/* All that members say in all views, through a reader, and all that the manifest says. */
static trb_status read_cache(uint64_t *sum)
{
    int64_t sample[V * N];
    uint16_t view[V * N];
    const float *t = NULL;
    trb_cache *c = NULL;
    trb_reader *r = NULL;
    trb_h5 *h = NULL;
    char *blas = NULL;
    trb_status st = TRB_OK;
    for (size_t i = 0; i < V * N; i++) {
        sample[i] = (int64_t)(i % N);
        view[i] = (uint16_t)(i / N);
    }
    TRB_GO(trb_cache_open(in_scratch("cache"), &c));
    const trb_cache_spec *spec = trb_cache_spec_of(c);
    const size_t width = (trb_shard_of_member(spec->holds) ? M : 1) * ensemble_width(spec, spec->holds);
    TRB_GO(trb_reader_open(c, (trb_selection){spec->holds, V, 0, M}, V * N, 1 << 20, &r));
    TRB_GO(trb_reader_plan(r, 1, sample, view));
    TRB_GO(trb_reader_next(r, &t));
    *sum = trb_hash_bytes(t, sizeof(float) * V * N * width) ^ trb_hash_bytes(spec->label, N * sizeof *spec->label) * 3 ^
           trb_hash_bytes(spec->member_digest, M * sizeof *spec->member_digest) * 5 ^ spec->data_digest * 7 ^
           trb_hash_text(spec->view[1].recipe) * 11 ^ spec->view[1].seed * 13 ^ (uint64_t)spec->task * 17;
    TRB_GO(trb_h5_open(in_scratch("cache/manifest.h5"), &h));
    TRB_GO(trb_h5_get_text(h, "blas", &blas));
    *sum ^= trb_hash_text(blas) * 19;
done:
    trb_free(blas);
    trb_h5_close(h);
    (void)trb_reader_close(r);
    trb_cache_close(c);
    return st;
}

/* The inputs of all stored views too, of the cache and by its manifest. */
static trb_status read_stored_cache(uint64_t *sum)
{
    enum { VIEWS = 4 };
    int64_t sample[VIEWS * N];
    uint16_t view[VIEWS * N];
    uint64_t logits = 0;
    const void *x = NULL;
    trb_cache *c = NULL;
    trb_reader *r = NULL;
    trb_status st = TRB_OK;
    for (size_t i = 0; i < VIEWS * N; i++) {
        sample[i] = (int64_t)(i % N);
        view[i] = (uint16_t)(i / N);
    }
    TRB_TRY(read_cache(&logits));
    TRB_GO(trb_cache_open(in_scratch("cache"), &c));
    for (size_t i = 0; i < trb_cache_units(trb_cache_spec_of(c)); i++) TRB_GO(trb_cache_verify_unit(c, i));
    TRB_GO(trb_reader_open(c, ensemble_all(TRB_SHARD_INPUTS, VIEWS), VIEWS * N, 1 << 20, &r));
    TRB_GO(trb_reader_plan(r, 1, sample, view));
    TRB_GO(trb_reader_next_inputs(r, &x));
    const trb_cache_spec *spec = trb_cache_spec_of(c);
    *sum = logits ^ trb_hash_bytes(x, (size_t)VIEWS * N * ENSEMBLE_D) * 23 ^ spec->shape.c * 29 ^ spec->shape.h * 31 ^
           spec->shape.w * 37 ^ (uint64_t)spec->x_dtype * 41;
    for (size_t v = 0; v < VIEWS; v++) *sum ^= (uint64_t)spec->view[v].stored << v;
done:
    (void)trb_reader_close(r);
    trb_cache_close(c);
    return st;
}

static void make_stored_cache(void)
{
    trb_cache_spec spec = ensemble_spec(N, K, M, 4);
    ensemble_store(&spec, TRB_U8);
    ensemble_make(in_scratch("cache"), &spec);
}

static void make_statistics_cache(void)
{
    trb_cache_spec spec = ensemble_spec(N, K, M, 4);
    spec.holds = TRB_SHARD_STATISTICS;
    ensemble_store(&spec, TRB_U8);
    ensemble_make(in_scratch("cache"), &spec);
}

static void make_top_cache(void)
{
    trb_cache_spec spec = ensemble_spec(N, K, M, 4);
    spec.holds = TRB_SHARD_TOP;
    spec.top = 2;
    ensemble_store(&spec, TRB_U8);
    ensemble_make(in_scratch("cache"), &spec);
}

static void make_weights(void)
{
    const float mean[6] = {1, 2, 3, 4, 5, 6}, scale[6] = {6, 5, 4, 3, 2, 1};
    trb_net *net = NULL;
    float *params = NULL;
    assert_ok(trb_net_create("dense 5, relu, split, dense 4, relu, dense 3", (trb_shape){6, 1, 1}, 3, &net));
    assert_ok(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params));
    for (size_t i = 0; i < trb_net_size(net); i++) params[i] = sinf((float)i);
    assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, (trb_norm){.mean = mean, .scale = scale}, "seed: 1\n",
                                "none", NULL));
    trb_net_destroy(net);
    trb_free(params);
}

static void make_checkpoint(void)
{
    char config[] = "seed: 1\n", metrics[] = "{\"epoch\": 1}\n", blas[] = "none", processor[] = "Z80";
    double sum[3] = {1.0, 2.0, 0.5};
    trb_checkpoint c = {.config = config,
                        .metrics = metrics,
                        .blas = blas,
                        .processor = processor,
                        .phase = 2,
                        .step = 77,
                        .n_sums = 3,
                        .sum = sum,
                        .n_slabs = 3};
    trb_net *net = NULL;
    float *slab = NULL;
    assert_ok(trb_net_create("dense 5, relu, split, dense 4, relu, dense 3", (trb_shape){6, 1, 1}, 3, &net));
    assert_ok(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net) + 2, sizeof *slab, &slab));
    for (size_t i = 0; i < trb_net_size(net) + 2; i++) slab[i] = sinf((float)i);
    for (size_t i = 0; i < 3; i++) c.slab[i] = slab + i;
    c.net = net;
    assert_ok(trb_checkpoint_write(in_scratch("p.h5"), &c, NULL));
    trb_net_destroy(net);
    trb_free(slab);
}

static trb_status add_piece(void *ctx, size_t slab, size_t at, size_t n, const float *values)
{
    *(uint64_t *)ctx += trb_hash_bytes(values, n * sizeof *values) * (2 * (slab + at) + 1);
    return TRB_OK;
}

static trb_status read_checkpoint(uint64_t *sum)
{
    trb_checkpoint c = {.config = NULL};
    uint64_t slabs = 0;
    TRB_TRY(trb_checkpoint_read(in_scratch("p.h5"), add_piece, &slabs, &c));
    *sum = slabs ^ trb_hash_bytes(c.sum, c.n_sums * sizeof *c.sum) * 3 ^ trb_hash_text(c.config) * 5 ^
           trb_hash_text(c.metrics) * 7 ^ c.phase * 11 ^ c.step * 13 ^ trb_hash_text(trb_net_layers(c.net)) * 17 ^
           trb_hash_text(c.blas) * 19 ^ trb_hash_text(c.processor) * 23;
    trb_checkpoint_clear(&c);
    return TRB_OK;
}

static void make_cache(void)
{
    const trb_cache_spec spec = ensemble_spec(N, K, M, V);
    ensemble_make(in_scratch("cache"), &spec);
}

static void make_packed_cache(void)
{
    trb_cache_spec spec = ensemble_spec(N, K, M, V);
    spec.deflate = 1;
    ensemble_make(in_scratch("cache"), &spec);
}

/* Every kind of file. */
static const struct {
    const char *file; /* the one to be damaged */
    void (*make)(void);
    trb_status (*read)(uint64_t *sum); /* \param[out] sum  a digest of everything that a user gets from it */
} kinds[] = {
    {"w.h5", make_weights, read_weights},
    {"p.h5", make_checkpoint, read_checkpoint},
    {"cache/manifest.h5", make_cache, read_cache},
    {"cache/v01/m001-s00000.h5", make_cache, read_cache},
    {"cache/v01/m001-s00000.h5", make_packed_cache, read_cache},
    {"cache/manifest.h5", make_stored_cache, read_stored_cache},
    {"cache/v03/x-s00001.h5", make_stored_cache, read_stored_cache},
    {"cache/v01/m001-s00000.h5", make_stored_cache, read_stored_cache},
    {"cache/manifest.h5", make_statistics_cache, read_stored_cache},
    {"cache/v01/all-s00000.h5", make_statistics_cache, read_stored_cache},
    {"cache/manifest.h5", make_top_cache, read_stored_cache},
    {"cache/v01/m001-s00000.h5", make_top_cache, read_stored_cache},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* \return how many flips were found out; the others made no difference */
static int flip(const char *file, trb_status (*read)(uint64_t *sum), unsigned seed)
{
    int found = 0;
    size_t n = 0;
    uint64_t wanted = 0, sum = 0;
    char *path = strdup(in_scratch("%s", file)), *bytes = slurp(path, &n);
    assert_ok(read(&wanted));
    for (int i = 0; i < FLIPS; i++) {
        const size_t bit = ((size_t)rand_r(&seed) << 16 ^ (size_t)rand_r(&seed)) % (8 * n);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        spill(path, bytes, n);
        trb_fail_clear();
        const trb_status st = read(&sum);
        if (st == TRB_OK) {
            if (sum != wanted) fail_msg("%s: bit %zu flipped: other values were read without a word", file, bit);
        } else {
            found++;
            if (trb_status_exit(st) != 3 || strstr(trb_fail_message(), file) == NULL)
                fail_msg("%s: bit %zu flipped: %d \"%s\"", file, bit, st, trb_fail_message());
        }
        if (trb_mem_bytes(TRB_MEM_KINDS) != 0) fail_msg("%s: bit %zu flipped: memory is left behind", file, bit);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    spill(path, bytes, n);
    trb_fail_clear();
    assert_ok(read(&sum));
    assert_true(sum == wanted);
    print_message("%s: %d bits flipped one at a time, %d found, the others without effect\n", file, FLIPS, found);
    assert_true(found > FLIPS / 5);
    free(bytes);
    free(path);
    return found;
}

static void flips(void **state)
{
    (void)state;
    int found = 0;
    for (int k = 0; k < KINDS; k++) {
        kinds[k].make();
        found += flip(kinds[k].file, kinds[k].read, (unsigned)k + 1);
    }
    print_message("tally: bits flipped: %d\ntally: bit flips detected: %d\ntally: bit flips without effect: %d\n",
                  KINDS * FLIPS, found, KINDS * FLIPS - found);
    assert_true(KINDS * FLIPS >= 1000);
}

/* Cut anywhere, a file is refused. */
static void truncations(void **state)
{
    (void)state;
    const trb_cache_spec spec = ensemble_spec(N, K, M, V);
    uint64_t sum = 0;
    const char *files[] = {"cache/manifest.h5", "cache/v00/m000-s00001.h5"};
    ensemble_make(in_scratch("cache"), &spec);
    for (int f = 0; f < 2; f++) {
        size_t n = 0;
        char *path = strdup(in_scratch("%s", files[f])), *bytes = slurp(path, &n);
        for (size_t cut = 1; cut <= n; cut += cut < 20 ? 1 : 97) {
            spill(path, bytes, n - cut);
            assert_fails(read_cache(&sum), TRB_EINTEGRITY, files[f]);
        }
        spill(path, bytes, n);
        assert_ok(read_cache(&sum));
        free(bytes);
        free(path);
    }
}

static void exchange(const char *a, const char *b)
{
    assert_int_equal(rename(in_scratch("%s", a), in_scratch("aside")), 0);
    assert_int_equal(rename(in_scratch("%s", b), in_scratch("%s", a)), 0);
    assert_int_equal(rename(in_scratch("aside"), in_scratch("%s", b)), 0);
}

/* Whole shards in the wrong place. */
static void swapped(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(N, K, M, V);
    ensemble_make(in_scratch("cache"), &spec);
    assert_ok(ensemble_verify(in_scratch("cache")));
    const struct {
        const char *a, *b, *says;
    } pairs[] = {{"cache/v00/m000-s00000.h5", "cache/v00/m001-s00000.h5", "m000-s00000.h5: member is 1, expected 0"},
                 {"cache/v00/m000-s00000.h5", "cache/v01/m000-s00000.h5", "v00/m000-s00000.h5: view is 1, expected 0"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        exchange(pairs[i].a, pairs[i].b);
        assert_fails(ensemble_verify(in_scratch("cache")), TRB_EINTEGRITY, pairs[i].says);
        exchange(pairs[i].a, pairs[i].b);
    }
    /* The same member, view and rows, but of another data set, another member's training, or another run. */
    uint64_t payload = 0;
    spec.data_digest++;
    assert_ok(ensemble_write(in_scratch("cache"), &spec, 2, 16, &payload));
    assert_fails(ensemble_verify(in_scratch("cache")), TRB_EINTEGRITY,
                 "m001-s00000.h5: is of the data set with digest");
    spec.data_digest--;
    ensemble_digest[1]++;
    assert_ok(ensemble_write(in_scratch("cache"), &spec, 2, 16, &payload));
    ensemble_digest[1]--;
    assert_fails(ensemble_verify(in_scratch("cache")), TRB_EINTEGRITY, "m001-s00000.h5: is of a member with digest");
    trb_shard *s = NULL;
    const float rows[64 * K] = {1};
    assert_ok(trb_shard_create(in_scratch("cache"), &spec, 2, &s));
    assert_ok(trb_shard_write(s, 64, rows));
    assert_ok(trb_shard_publish(s, &payload));
    assert_fails(ensemble_verify(in_scratch("cache")), TRB_EINTEGRITY, "the manifest lists");
    assert_ok(ensemble_write(in_scratch("cache"), &spec, 2, 16, &payload));
    assert_ok(ensemble_verify(in_scratch("cache")));
    assert_int_equal(unlink(in_scratch("cache/v01/m001-s00001.h5")), 0);
    assert_fails(ensemble_verify(in_scratch("cache")), TRB_EINTEGRITY, "v01/m001-s00001.h5: the shard is missing");
}

/* Shards in which HDF5 finds no fault, written by somebody else's hand. */
static void consistent_nonsense(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(40, K, 1, 1);
    for (int flaw = 0; flaw < 4; flaw++) {
        trb_h5 *h = NULL;
        trb_hash *hash = NULL;
        float rows[40 * K];
        int64_t ids[40];
        for (size_t i = 0; i < 40 * K; i++) rows[i] = ensemble_logit(0, 0, i / K, i % K);
        for (size_t i = 0; i < 40; i++) ids[i] = (int64_t)i;
        if (flaw == 1) rows[17 * K + 2] = NAN;
        if (flaw == 2) ids[5] = 6;
        ensemble_make(in_scratch("nonsense"), &spec);
        assert_ok(trb_h5_create(in_scratch("nonsense/v00/m000-s00000.h5"), &h));
        assert_ok(trb_hash_open(&hash));
        trb_hash_add(hash, rows, sizeof rows);
        trb_hash_add(hash, ids, sizeof ids);
        const uint64_t payload = trb_hash_value(hash) + (flaw == 3);
        trb_hash_close(hash);
        assert_ok(trb_h5_put_text(h, "format", "tribikos shard"));
        assert_ok(trb_h5_put_text(h, "view_recipe", "identity"));
        const struct {
            const char *name;
            uint64_t value;
        } attributes[] = {{"version", 1},
                          {"member", 0},
                          {"view", 0},
                          {"view_seed", 0},
                          {"first_row", 0},
                          {"rows", 40},
                          {"block", spec.block},
                          {"member_digest", ensemble_digest[0]},
                          {"data_digest", spec.data_digest},
                          {"payload_digest", payload}};
        for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
            assert_ok(trb_h5_put_u64(h, attributes[i].name, attributes[i].value));
        assert_ok(trb_h5_put(h, "logits", (trb_h5_shape){TRB_F32, 2, {40, K}}, rows));
        assert_ok(trb_h5_put(h, "sample_id", (trb_h5_shape){TRB_I64, 1, {40}}, ids));
        assert_ok(trb_h5_publish(h));
        assert_ok(trb_manifest_publish(in_scratch("nonsense"), &spec, &payload, "", ""));
        if (flaw == 0) assert_ok(ensemble_verify(in_scratch("nonsense")));
        if (flaw == 1)
            assert_fails(ensemble_verify(in_scratch("nonsense")), TRB_EINTEGRITY,
                         "m000-s00000.h5: output 2 of sample 17 is not finite");
        if (flaw == 2)
            assert_fails(ensemble_verify(in_scratch("nonsense")), TRB_EINTEGRITY,
                         "m000-s00000.h5: sample_id does not run from first_row");
        if (flaw == 3)
            assert_fails(ensemble_verify(in_scratch("nonsense")), TRB_EINTEGRITY, "m000-s00000.h5: payload_digest is");
    }
}

/* Labels that point beyond the outputs, targets that are not finite. */
static void untruths(void **state)
{
    (void)state;
    trb_cache_spec spec = ensemble_spec(40, K, 1, 1);
    trb_cache *c = NULL;
    ensemble_label[8] = K;
    ensemble_make(in_scratch("truth"), &spec);
    assert_fails(trb_cache_open(in_scratch("truth"), &c), TRB_EINTEGRITY, "manifest.h5: label 8 is 3, expected 0 to 2");
    spec.task = TRB_TASK_REGRESSION;
    ensemble_target[9] = NAN;
    ensemble_make(in_scratch("truth"), &spec);
    assert_fails(trb_cache_open(in_scratch("truth"), &c), TRB_EINTEGRITY, "manifest.h5: target 9 is not finite");
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips),    cmocka_unit_test(truncations),
        cmocka_unit_test(swapped),  cmocka_unit_test(consistent_nonsense),
        cmocka_unit_test(untruths),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
