/* Checkpoint files: round trip, what is refused, and which of several is taken. (Flipped bits: test_cache_damage.c) */
#include "scratch.h"

#include <hdf5.h>
#include <math.h>

#include "tribikos/checkpoint.h"
#include "tribikos/weights.h"

static const char *const LAYERS = "dense 5, relu, split, dense 4, norm, relu, dense 3";
static char config[] = "seed: 1\nlayers: dense 5\n", metrics[] = "{\"epoch\": 1}\n", nothing[] = "";
static char blas[] = "A, 1 thread", processor[] = "Z80";
static double sums[4] = {0.5, 1.0 / 3, 0, 7};

typedef struct {
    trb_net *net;
    float *slab[3];
    trb_checkpoint c;
} kept;

static void make_of(const char *layers, kept *k, size_t n_slabs, uint64_t phase, uint64_t step)
{
    *k = (kept){.c = {.config = config,
                      .metrics = metrics,
                      .blas = blas,
                      .processor = processor,
                      .phase = phase,
                      .step = step,
                      .n_sums = 4,
                      .sum = sums,
                      .n_slabs = n_slabs}};
    assert_ok(trb_net_create(layers, (trb_shape){6, 1, 1}, 2, &k->net));
    k->c.net = k->net;
    for (size_t i = 0; i < n_slabs; i++) {
        assert_ok(trb_alloc(TRB_MEM_OTHER, trb_net_size(k->net), sizeof(float), &k->slab[i]));
        k->c.slab[i] = k->slab[i];
        for (size_t j = 0; j < trb_net_size(k->net); j++) k->slab[i][j] = 1.5F + sinf((float)(j + i + step));
    }
}

static void make(kept *k, size_t n_slabs, uint64_t phase, uint64_t step)
{
    make_of(LAYERS, k, n_slabs, phase, step);
}

static void drop(kept *k)
{
    for (size_t i = 0; i < 3; i++) trb_free(k->slab[i]);
    trb_net_destroy(k->net);
}

/* Slabs of one that is read. */
typedef struct {
    size_t pieces, slab, at; /* so many have come, of which the next one begins here */
    float *values[3];        /* [trb_net_size]; NULL: not wanted */
} taken;

static trb_status take(void *ctx, size_t slab, size_t at, size_t n, const float *values)
{
    taken *t = ctx;
    assert_true(n > 0 && n <= TRB_CHECKPOINT_PIECE);
    if (slab != t->slab) assert_true(slab == t->slab + 1 && at == 0);
    if (slab == t->slab) assert_int_equal(at, t->at);
    memcpy(t->values[slab] + at, values, n * sizeof *values);
    t->pieces++;
    t->slab = slab;
    t->at = at + n;
    return TRB_OK;
}

static void same(const trb_checkpoint *a, const trb_checkpoint *b)
{
    assert_string_equal(a->config, b->config);
    assert_string_equal(a->blas, b->blas);
    assert_string_equal(a->processor, b->processor);
    assert_string_equal(a->metrics, b->metrics);
    assert_true(a->phase == b->phase && a->step == b->step && a->n_sums == b->n_sums && a->n_slabs == b->n_slabs);
    assert_memory_equal(a->sum, b->sum, a->n_sums * sizeof *a->sum);
    assert_string_equal(trb_net_layers(a->net), trb_net_layers(b->net));
    assert_int_equal(trb_net_heads(a->net), trb_net_heads(b->net));
}

static void round_trip(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        kept k;
        trb_checkpoint read;
        size_t bytes[2];
        make(&k, n, 1, 17);
        if (n == 2) k.c.metrics = nothing;
        assert_ok(trb_checkpoint_write(in_scratch("a.h5"), &k.c, NULL));
        assert_ok(trb_checkpoint_write(in_scratch("b.h5"), &k.c, NULL));
        char *a = slurp(in_scratch("a.h5"), &bytes[0]), *b = slurp(in_scratch("b.h5"), &bytes[1]);
        assert_true(bytes[0] == bytes[1] && memcmp(a, b, bytes[0]) == 0);
        free(a);
        free(b);
        taken t = {.pieces = 0};
        float *slabs = NULL;
        const size_t size = trb_net_size(k.net);
        assert_ok(trb_alloc(TRB_MEM_OTHER, n * size, sizeof *slabs, &slabs));
        for (size_t i = 0; i < n; i++) t.values[i] = slabs + i * size;
        assert_ok(trb_checkpoint_read(in_scratch("a.h5"), take, &t, &read));
        same(&read, &k.c);
        assert_int_equal(t.pieces, n);
        for (size_t i = 0; i < n; i++) assert_memory_equal(t.values[i], k.slab[i], size * sizeof *slabs);
        trb_checkpoint_clear(&read);
        trb_free(slabs);
        drop(&k);
    }
}

/* The best weights, and the loss that makes them the best. */
static trb_status take_best(void *ctx, size_t slab, size_t at, size_t n, const float *values)
{
    if (slab == TRB_CHECKPOINT_BEST) memcpy((float *)ctx + at, values, n * sizeof *values);
    return TRB_OK;
}

static void best(void **state)
{
    (void)state;
    kept k;
    trb_checkpoint read;
    float *values = NULL;
    uint64_t digest[4];
    make(&k, 2, 1, 17);
    const size_t size = trb_net_size(k.net);
    assert_ok(trb_alloc(TRB_MEM_OTHER, size, sizeof *values, &values));
    assert_ok(trb_checkpoint_write(in_scratch("a.h5"), &k.c, &digest[0]));
    k.c.best_epoch = 3;
    k.c.best_loss = -1.0 / 3;
    assert_ok(trb_checkpoint_write(in_scratch("a.h5"), &k.c, &digest[1]));
    assert_ok(trb_checkpoint_read(in_scratch("a.h5"), take_best, values, &read));
    assert_true(read.best_epoch == 3 && !read.has_best && read.n_slabs == 2);
    assert_memory_equal(&read.best_loss, &k.c.best_loss, sizeof read.best_loss);
    trb_checkpoint_clear(&read);
    k.c.has_best = true;
    k.c.best = k.slab[1];
    assert_ok(trb_checkpoint_write(in_scratch("a.h5"), &k.c, &digest[2]));
    assert_ok(trb_checkpoint_read(in_scratch("a.h5"), take_best, values, &read));
    assert_true(read.best_epoch == 3 && read.has_best && read.n_slabs == 2);
    assert_memory_equal(values, k.slab[1], size * sizeof *values);
    trb_checkpoint_clear(&read);
    k.c.best_loss = -0.25;
    assert_ok(trb_checkpoint_write(in_scratch("a.h5"), &k.c, &digest[3]));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++) assert_true(digest[i] != digest[j]);
    k.slab[1][3] = NAN;
    k.c.slab[1] = k.slab[0];
    assert_fails(trb_checkpoint_write(in_scratch("n.h5"), &k.c, NULL), TRB_ENUM, "tensor body.0.weight is not finite");
    trb_free(values);
    drop(&k);
}

static trb_status refuse(void *ctx, size_t slab, size_t at, size_t n, const float *values)
{
    (void)at, (void)n, (void)values;
    return slab == *(size_t *)ctx ? trb_fail(TRB_ENUM, "no room") : TRB_OK;
}

/* Larger than a piece: as many as it takes, and never more than one is held. */
static void pieces(void **state)
{
    (void)state;
    kept k;
    trb_checkpoint read = {.config = NULL};
    taken t = {.pieces = 0};
    float *slabs = NULL;
    make_of("dense 400, relu, split, dense 400, relu, dense 3", &k, 3, 1, 17);
    const size_t size = trb_net_size(k.net), a_piece = TRB_CHECKPOINT_PIECE * sizeof(float);
    assert_true(size > TRB_CHECKPOINT_PIECE && size < 2 * TRB_CHECKPOINT_PIECE);
    assert_ok(trb_checkpoint_write(in_scratch("l.h5"), &k.c, NULL));
    assert_ok(trb_alloc(TRB_MEM_OTHER, 3 * size, sizeof *slabs, &slabs));
    for (size_t i = 0; i < 3; i++) t.values[i] = slabs + i * size;
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS);
    trb_mem_peak_begin();
    assert_ok(trb_checkpoint_read(in_scratch("l.h5"), take, &t, &read));
    assert_in_range(trb_mem_peak() - before, a_piece, a_piece + 65536);
    assert_int_equal(t.pieces, 6);
    for (size_t i = 0; i < 3; i++) assert_memory_equal(t.values[i], k.slab[i], size * sizeof *slabs);
    trb_checkpoint_clear(&read);
    size_t slab = 1;
    assert_fails(trb_checkpoint_read(in_scratch("l.h5"), refuse, &slab, &read), TRB_ENUM, "no room");
    assert_null(read.config);
    trb_free(slabs);
    drop(&k);
}

static void refused(void **state)
{
    (void)state;
    kept k;
    trb_checkpoint read = {.config = NULL};
    make(&k, 3, 1, 17);
    assert_fails(trb_checkpoint_read(in_scratch("none.h5"), NULL, NULL, &read), TRB_ECONFIG, "none.h5: cannot be read");
    const char *const places[] = {"tensor body.0.weight is not finite", "value 3 of moment1", "value 3 of moment2"};
    for (size_t i = 0; i < 3; i++) {
        const float was = k.slab[i][3];
        k.slab[i][3] = NAN;
        assert_fails(trb_checkpoint_write(in_scratch("n.h5"), &k.c, NULL), TRB_ENUM, places[i]);
        k.slab[i][3] = was;
        assert_int_equal(count_files(scratch, "n.h5"), 0);
    }
    const trb_norm norm = {.mean = (const float[6]){0}, .scale = (const float[6]){1, 1, 1, 1, 1, 1}};
    assert_ok(trb_weights_write(in_scratch("w.h5"), k.net, k.slab[0], norm, config, "none", NULL));
    assert_fails(trb_checkpoint_read(in_scratch("w.h5"), NULL, NULL, &read), TRB_EINTEGRITY,
                 "expected \"tribikos checkpoint\"");
    assert_null(read.config);
    drop(&k);
}

/* Another program replaces a data set of a file; n = 0: removes it. */
static void replace_set(const char *path, const char *name, hid_t type, hsize_t n, const void *values)
{
    const hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(f >= 0 && H5Ldelete(f, name, H5P_DEFAULT) >= 0);
    if (n > 0) {
        const hid_t space = H5Screate_simple(1, &n, NULL);
        const hid_t set = H5Dcreate2(f, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
        assert_true(H5Dclose(set) >= 0 && H5Sclose(space) >= 0);
    }
    assert_true(H5Fclose(f) >= 0);
}

static void replace_best_epoch(const char *path, uint64_t epoch)
{
    const hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), attr = H5Aopen(f, "best_epoch", H5P_DEFAULT);
    assert_true(attr >= 0 && H5Awrite(attr, H5T_NATIVE_UINT64, &epoch) >= 0);
    assert_true(H5Aclose(attr) >= 0 && H5Fclose(f) >= 0);
}

/* Files that are whole, but say what no checkpoint says. */
static void edited(void **state)
{
    (void)state;
    static const char *const said[] = {"its best epoch is 0; they count from 1", "its digest is ",
                                       "there are no weights in it", "data set best_loss is float64 [2], expected",
                                       "data set best is float32 ["};
    kept k;
    trb_checkpoint read = {.config = NULL};
    const char *path = in_scratch("e.h5");
    make(&k, 2, 1, 17);
    const size_t size = trb_net_size(k.net);
    k.c.best_epoch = 3;
    k.c.best_loss = 0.5;
    k.c.has_best = true;
    k.c.best = k.slab[1];
    const double losses[2] = {k.c.best_loss, 0.0};
    float *longer = NULL;
    assert_ok(trb_alloc(TRB_MEM_OTHER, size + 1, sizeof *longer, &longer));
    memcpy(longer, k.slab[1], size * sizeof *longer);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        assert_ok(trb_checkpoint_write(path, &k.c, NULL));
        if (i < 2) replace_best_epoch(path, i == 0 ? 0 : 4);
        if (i == 2) replace_set(path, "weights", H5T_IEEE_F32LE, 0, NULL);
        if (i == 3) replace_set(path, "best_loss", H5T_IEEE_F64LE, 2, losses);
        if (i == 4) replace_set(path, "best", H5T_IEEE_F32LE, size + 1, longer);
        assert_fails(trb_checkpoint_read(path, NULL, NULL, &read), TRB_EINTEGRITY, said[i]);
        assert_null(read.config);
    }
    trb_free(longer);
    drop(&k);
}

static int n_damaged;

static void count(const char *why)
{
    assert_non_null(strstr(why, ".h5"));
    n_damaged++;
}

static void newest(void **state)
{
    (void)state;
    kept k[4];
    trb_checkpoint found;
    size_t slot = 99;
    char path[TRB_CHECKPOINT_PATH] = "", folder[TRB_CHECKPOINT_PATH];
    (void)strcpy(folder, in_scratch("some/where"));
    assert_ok(trb_checkpoint_newest(folder, 2, count, &found, &slot, path));
    assert_true(found.config == NULL && slot == 99);
    const uint64_t at[4][2] = {{1, 30}, {2, 5}, {2, 10}, {1, 40}};
    for (size_t i = 0; i < 4; i++) {
        make(&k[i], 2, at[i][0], at[i][1]);
        assert_ok(trb_checkpoint_publish(folder, i, &k[i].c));
    }
    /* Slots beyond those that are asked for are looked at too: there may have been more of them. */
    assert_ok(trb_checkpoint_newest(folder, 1, count, &found, &slot, path));
    same(&found, &k[2].c);
    assert_int_equal(slot, 2);
    assert_string_equal(path, in_scratch("some/where/2.h5"));
    trb_checkpoint_clear(&found);
    size_t bytes = 0;
    char *text = slurp(path, &bytes);
    text[bytes - 9] ^= 1;
    spill(path, text, bytes);
    free(text);
    spill(in_scratch("some/where/1.h5"), "", 0);
    assert_ok(trb_checkpoint_newest(folder, 2, count, &found, &slot, path));
    same(&found, &k[3].c);
    assert_true(n_damaged == 2 && slot == 3);
    trb_checkpoint_clear(&found);
    /* A slot may be empty. */
    assert_int_equal(remove(in_scratch("some/where/0.h5")), 0);
    assert_ok(trb_checkpoint_newest(folder, 2, count, &found, &slot, path));
    same(&found, &k[3].c);
    trb_checkpoint_clear(&found);
    spill(in_scratch("some/where/0.h5.tmp.nobody.1"), "x", 1);
    trb_checkpoint_remove(folder, 2);
    assert_int_equal(count_files(folder, ".h5"), 1); /* another host's file that is not a day old stays */
    assert_int_equal(count_files(folder, "tmp"), 1);
    assert_int_equal(remove(in_scratch("some/where/0.h5.tmp.nobody.1")), 0);
    trb_checkpoint_remove(folder, 2);
    assert_int_equal(count_files(folder, ""), -1);
    trb_checkpoint_remove(folder, 2);
    for (size_t i = 0; i < 4; i++) drop(&k[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(pieces),
                                       cmocka_unit_test(refused),    cmocka_unit_test(edited),
                                       cmocka_unit_test(newest),     cmocka_unit_test(best)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
