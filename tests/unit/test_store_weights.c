/* Weights files: round trip, and everything that makes one be refused. */
#include "scratch.h"

#include <math.h>
#include <stdlib.h>

#include "tribikos/hash.h"
#include "tribikos/version.h"
#include "tribikos/weights.h"

static const char *const LAYERS = "dense 5, relu, split, dense 4, relu, dense 3";
static const char *const CONFIG = "seed: 1\nlayers: dense 5\n";
static const trb_shape INPUT = {6, 1, 1};
static const float MEAN[6] = {1, 2, 3, 4, 5, 6}, SCALE[6] = {6, 5, 4, 3, 2, 1};
static const trb_norm NORM = {.mean = MEAN, .scale = SCALE, .target_mean = 0.5, .target_scale = 7.0};

static trb_net *make_net(float **params)
{
    trb_net *net = NULL;
    assert_ok(trb_net_create(LAYERS, INPUT, 3, &net));
    assert_ok(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof **params, params));
    for (size_t i = 0; i < trb_net_size(net); i++) (*params)[i] = sinf((float)i);
    return net;
}

static void round_trip(void **state)
{
    (void)state;
    float *params = NULL, *read = NULL;
    trb_net *net = make_net(&params), *built = NULL;
    trb_weights_info info = {.layers = NULL};
    uint64_t digest = 0;
    assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, NORM, CONFIG, "A, 1 thread", &digest));
    assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, NORM, CONFIG, "A, 1 thread", NULL));
    assert_ok(trb_weights_read(in_scratch("w.h5"), &info, &built, &read));
    assert_string_equal(info.layers, trb_net_layers(net));
    assert_string_equal(info.config, CONFIG);
    assert_true(info.config_digest == trb_hash_text(CONFIG));
    assert_true(info.digest == digest && info.heads == 3 && info.input.c == 6 && info.input.h == 1 &&
                info.input.w == 1);
    assert_int_equal(trb_net_size(built), trb_net_size(net));
    assert_memory_equal(read, params, trb_net_size(net) * sizeof *params);
    /* The digest is the one that the manual page describes. */
    const uint64_t sizes[4] = {6, 1, 1, 3};
    trb_hash *hash = NULL;
    assert_ok(trb_hash_open(&hash));
    trb_hash_add(hash, info.layers, strlen(info.layers));
    trb_hash_add(hash, sizes, sizeof sizes);
    trb_hash_add(hash, MEAN, sizeof MEAN);
    trb_hash_add(hash, SCALE, sizeof SCALE);
    trb_hash_add(hash, &NORM.target_mean, sizeof(double));
    trb_hash_add(hash, &NORM.target_scale, sizeof(double));
    trb_hash_add(hash, params, trb_net_size(net) * sizeof *params);
    assert_true(trb_hash_value(hash) == digest);
    trb_hash_close(hash);
    assert_ok(trb_weights_read(in_scratch("w.h5"), NULL, NULL, NULL));
    trb_weights_info_clear(&info);
    trb_net_destroy(built);
    trb_net_destroy(net);
    trb_free(read);
    trb_free(params);
}

/* Files from before there was the attribute have none, and are read all the same. */
static void the_program_is_recorded(void **state)
{
    (void)state;
    static const char *const said[] = {"", "tribikos 1\nlibraries: \"some\""};
    float *params = NULL;
    uint64_t digest[2] = {0, 1};
    trb_net *net = make_net(&params);
    for (size_t i = 0; i < 2; i++) {
        trb_h5 *h = NULL;
        char *found = NULL;
        trb_version_set(said[i]);
        assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, NORM, CONFIG, "", &digest[i]));
        assert_ok(trb_weights_read(in_scratch("w.h5"), NULL, NULL, NULL));
        assert_ok(trb_h5_open(in_scratch("w.h5"), &h));
        if (i == 0) assert_fails(trb_h5_get_text(h, "program", &found), TRB_EINTEGRITY, "program");
        if (i == 1) assert_ok(trb_h5_get_text(h, "program", &found));
        if (i == 1) assert_string_equal(found, said[i]);
        trb_free(found);
        trb_h5_close(h);
    }
    assert_true(digest[0] == digest[1]);
    trb_version_set("");
    trb_net_destroy(net);
    trb_free(params);
}

/* A weights file with one thing wrong. */
enum flaw {
    NO_FLAW,
    OTHER_FORMAT,
    OTHER_VERSION,
    NO_TENSOR,
    EXTRA_TENSOR,
    OTHER_SHAPE,
    NOT_FINITE,
    OTHER_VALUE,
    OTHER_LAYERS,
    BROKEN_LAYERS,
    NO_INPUT,
    HUGE_INPUT,
    OTHER_HEADS,
    OTHER_CONFIG,
    OTHER_SCALE,
    NO_SCALE
};

static void write_flawed_with(const char *path, const trb_net *net, const float *params, uint64_t digest,
                              enum flaw flaw, const char *temperature, const char *temperature_digest_of)
{
    trb_h5 *h = NULL;
    assert_ok(trb_h5_create(path, &h));
    if (temperature != NULL) {
        assert_ok(trb_h5_put_text(h, "temperature", temperature));
        assert_ok(trb_h5_put_u64(h, "temperature_digest", trb_hash_text(temperature_digest_of)));
    }
    assert_ok(trb_h5_put_text(h, "format", flaw == OTHER_FORMAT ? "tribikos shard" : "tribikos weights"));
    assert_ok(trb_h5_put_u64(h, "version", flaw == OTHER_VERSION ? 2 : 1));
    assert_ok(trb_h5_put_text(h, "layers",
                              flaw == OTHER_LAYERS    ? "dense 5, tanh, split, dense 4, relu, dense 3"
                              : flaw == BROKEN_LAYERS ? "dense 5, rely"
                                                      : trb_net_layers(net)));
    if (flaw != NO_INPUT) assert_ok(trb_h5_put_u64(h, "input_c", flaw == HUGE_INPUT ? UINT64_MAX : 6));
    assert_ok(trb_h5_put_u64(h, "input_h", 1));
    assert_ok(trb_h5_put_u64(h, "input_w", 1));
    assert_ok(trb_h5_put_u64(h, "heads", flaw == OTHER_HEADS ? 4 : 3));
    assert_ok(trb_h5_put_text(h, "config", flaw == OTHER_CONFIG ? "seed: 2\n" : CONFIG));
    assert_ok(trb_h5_put_u64(h, "config_digest", trb_hash_text(CONFIG)));
    assert_ok(trb_h5_put_text(h, "blas", ""));
    assert_ok(trb_h5_put_u64(h, "digest", digest));
    const float scale[6] = {6, 5, 4, 3, 2, flaw == OTHER_SCALE ? 2 : 1};
    const trb_h5_shape inputs = {TRB_F32, 1, {6}}, one = {TRB_F64, 1, {1}};
    assert_ok(trb_h5_put(h, "input.mean", inputs, MEAN));
    if (flaw != NO_SCALE) assert_ok(trb_h5_put(h, "input.scale", inputs, scale));
    assert_ok(trb_h5_put(h, "target.mean", one, &NORM.target_mean));
    assert_ok(trb_h5_put(h, "target.scale", one, &NORM.target_scale));
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        trb_h5_shape shape = {.type = TRB_F32, .ndim = p->ndim};
        for (size_t d = 0; d < p->ndim; d++) shape.dim[d] = p->shape[d];
        if (flaw == NO_TENSOR && i == 2) continue;
        if (flaw == OTHER_SHAPE && i == 2) shape.dim[0]--;
        float values[1000];
        memcpy(values, params + p->offset, p->count * sizeof *values);
        if (flaw == NOT_FINITE && i == 2) values[7] = NAN;
        if (flaw == OTHER_VALUE && i == 2) values[7] += 1;
        assert_ok(trb_h5_put(h, p->name, shape, values));
    }
    if (flaw == EXTRA_TENSOR) assert_ok(trb_h5_put(h, "body.9.weight", (trb_h5_shape){TRB_F32, 1, {3}}, params));
    assert_ok(trb_h5_publish(h));
}

static void write_flawed(const char *path, const trb_net *net, const float *params, uint64_t digest, enum flaw flaw)
{
    write_flawed_with(path, net, params, digest, flaw, NULL, NULL);
}

static void refusals(void **state)
{
    (void)state;
    float *params = NULL, *read = NULL;
    trb_net *net = make_net(&params), *built = NULL;
    trb_weights_info info = {.layers = NULL};
    uint64_t digest = 0;
    assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, NORM, CONFIG, "A, 1 thread", &digest));
    write_flawed(in_scratch("f.h5"), net, params, digest, NO_FLAW);
    assert_ok(trb_weights_read(in_scratch("f.h5"), NULL, NULL, NULL));
    const struct {
        enum flaw flaw;
        const char *says;
    } cases[] = {{OTHER_FORMAT, "is \"tribikos shard\" version 1, expected \"tribikos weights\""},
                 {OTHER_VERSION, "version 2"},
                 {NO_TENSOR, "there is no data set heads.0.weight"},
                 {EXTRA_TENSOR, "holds a tensor body.9.weight"},
                 {OTHER_SHAPE, "heads.0.weight is float32 [2][4][5], expected float32 [3][4][5]"},
                 {NOT_FINITE, "value 7 of tensor heads.0.weight is not finite"},
                 {OTHER_VALUE, "but its contents give"},
                 {OTHER_LAYERS, "but its contents give"},
                 {BROKEN_LAYERS, "its layers do not make a network"},
                 {NO_INPUT, "no attribute input_c"},
                 {HUGE_INPUT, "input_c is 18446744073709551615"},
                 {OTHER_HEADS, "expected float32 [4][4][5]"},
                 {OTHER_CONFIG, "digest of its config is not its config_digest"},
                 {OTHER_SCALE, "but its contents give"},
                 {NO_SCALE, "no data set input.scale"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_flawed(in_scratch("f.h5"), net, params, digest, cases[i].flaw);
        assert_fails(trb_weights_read(in_scratch("f.h5"), &info, &built, &read), TRB_EINTEGRITY, cases[i].says);
        assert_fails(trb_weights_read(in_scratch("f.h5"), &info, &built, &read), TRB_EINTEGRITY, "/f.h5: ");
    }
    assert_fails(trb_weights_read(in_scratch("none.h5"), &info, &built, &read), TRB_ECONFIG, "none.h5");
    assert_true(info.layers == NULL && built == NULL && read == NULL);
    params[40] = INFINITY;
    digest = 5;
    assert_fails(trb_weights_write(in_scratch("bad.h5"), net, params, NORM, CONFIG, "A, 1 thread", &digest), TRB_ENUM,
                 "is not finite");
    assert_int_equal(count_files(scratch, "bad"), 0);
    assert_true(digest == 5);
    trb_net_destroy(net);
    trb_free(params);
}

/* Offsets and a schema are stored only if there are some; a program that ignored offsets would be wrong, so they are a
 * tensor that older programs do not know. */
static void schema_and_offsets(void **state)
{
    (void)state;
    static const double OFFSET[6] = {0, 1.6e9, 0, 0, 0, 0.125}, OTHER[6] = {0, 1.7e9, 0, 0, 0, 0.125};
    static const char *const SCHEMA = "{\"header\": true}";
    float *params = NULL;
    trb_net *net = make_net(&params);
    trb_weights_info info = {.layers = NULL};
    uint64_t plain = 0, digest[2] = {0, 0};
    trb_h5 *h = NULL;
    double read[6];
    trb_norm norm = NORM;
    assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, NORM, CONFIG, "", &plain));
    assert_ok(trb_h5_open(in_scratch("w.h5"), &h));
    assert_false(trb_h5_has_attr(h, "schema") || trb_h5_has_attr(h, "schema_digest") || trb_h5_has(h, "input.offset"));
    trb_h5_close(h);
    assert_ok(trb_weights_read(in_scratch("w.h5"), &info, NULL, NULL));
    assert_string_equal(info.schema, "");
    trb_weights_info_clear(&info);
    norm.schema = SCHEMA;
    for (size_t i = 0; i < 2; i++) {
        norm.offset = i == 0 ? OTHER : OFFSET;
        assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, norm, CONFIG, "", &digest[i]));
        assert_ok(trb_weights_read(in_scratch("w.h5"), &info, NULL, NULL));
        assert_string_equal(info.schema, SCHEMA);
        assert_true(info.digest == digest[i] && digest[i] != plain);
        trb_weights_info_clear(&info);
    }
    assert_true(digest[0] != digest[1]);
    assert_ok(trb_h5_open(in_scratch("w.h5"), &h));
    assert_ok(trb_h5_expect(h, "input.offset", (trb_h5_shape){TRB_F64, 1, {6}}));
    assert_ok(trb_h5_read_rows(h, "input.offset", TRB_F64, 0, 6, read));
    assert_memory_equal(read, OFFSET, sizeof read);
    trb_h5_close(h);
    trb_net_destroy(net);
    trb_free(params);
}

/* A temperature is beside what the digest covers. A file without one has no such attribute: that is what files of earlier
 * versions are. */
static void temperature(void **state)
{
    (void)state;
    float *params = NULL;
    trb_net *net = make_net(&params);
    trb_weights_info info = {.layers = NULL};
    trb_norm norm = NORM;
    uint64_t digest[2] = {0, 1};
    trb_h5 *h = NULL;
    for (size_t i = 0; i < 2; i++) {
        norm.temperature = i == 0 ? 0.0 : 1.0 / 0.7;
        assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, norm, CONFIG, "", &digest[i]));
        assert_ok(trb_h5_open(in_scratch("w.h5"), &h));
        assert_true(trb_h5_has_attr(h, "temperature") == (i == 1) &&
                    trb_h5_has_attr(h, "temperature_digest") == (i == 1));
        trb_h5_close(h);
        assert_ok(trb_weights_read(in_scratch("w.h5"), &info, NULL, NULL));
        assert_true(info.norm.temperature == norm.temperature); /* every bit */
        trb_weights_info_clear(&info);
    }
    assert_true(digest[0] == digest[1]);
    trb_net_destroy(net);
    trb_free(params);
}

static void flawed_temperatures(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest_of, *says;
    } cases[] = {{"1.5", "1.6", "digest of its temperature"},
                 {"-1.5", "-1.5", "its temperature is `-1.5`, expected a number above 0"},
                 {"1e999", "1e999", "its temperature is `1e999`"},
                 {"", "", "its temperature is ``"},
                 {"1.5 K", "1.5 K", "its temperature is `1.5 K`"}};
    float *params = NULL;
    trb_net *net = make_net(&params);
    uint64_t digest = 0;
    assert_ok(trb_weights_write(in_scratch("w.h5"), net, params, NORM, CONFIG, "A, 1 thread", &digest));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_flawed_with(in_scratch("f.h5"), net, params, digest, NO_FLAW, cases[i].text, cases[i].digest_of);
        assert_fails(trb_weights_read(in_scratch("f.h5"), NULL, NULL, NULL), TRB_EINTEGRITY, cases[i].says);
    }
    trb_net_destroy(net);
    trb_free(params);
}

/* A file of version 0.1, from before there were temperatures: a member that was trained with held-out samples. */
static void an_earlier_file(void **state)
{
    (void)state;
    const char *folder = getenv("TRB_GOLDEN");
    char path[1024];
    trb_weights_info info = {.layers = NULL};
    trb_net *net = NULL;
    float *params = NULL;
    (void)snprintf(path, sizeof path, "%s/weights_v1.h5", folder == NULL ? "tests/golden" : folder);
    assert_ok(trb_weights_read(path, &info, &net, &params));
    assert_string_equal(info.layers, "dense 6, relu, dense 3");
    assert_non_null(strstr(info.config, "data.validation: 8\n"));
    assert_true(info.digest == UINT64_C(3121428973912133835) && info.norm.temperature == 0.0);
    trb_weights_info_clear(&info);
    trb_net_destroy(net);
    trb_free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip),     cmocka_unit_test(the_program_is_recorded),
                                       cmocka_unit_test(refusals),       cmocka_unit_test(schema_and_offsets),
                                       cmocka_unit_test(temperature),    cmocka_unit_test(flawed_temperatures),
                                       cmocka_unit_test(an_earlier_file)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
