/* Reading by batch: kept and streamed serve the same values, whatever the plan. */
#include "ensemble.h"

#include <hdf5.h>

enum { N = 1000, K = 5, M = 4, V = 2, ROWS = 32 };
static trb_cache_spec spec;

/* \return memory that lets a reader of m_count members stream with about `steps` steps a window */
static size_t memory_for(size_t m_count, size_t steps)
{
    const size_t row = m_count * K * trb_dtype_bytes(spec.dtype);
    const size_t fixed = ROWS * m_count * K * sizeof(float) + spec.block * row + V * (N / 16 + 1) * (4 + 8 * m_count);
    return fixed + steps * ROWS * (2 * row + 4);
}

static void expect_step(const float *t, trb_selection of, const int64_t *sample, const uint16_t *view)
{
    const size_t M_read = trb_shard_of_member(of.kind) ? of.m_count : 1, n = ensemble_width(&spec, of.kind);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t m = 0; m < M_read; m++)
            for (size_t k = 0; k < n; k++) {
                const float wanted =
                    ensemble_number(&spec, of.kind, view == NULL ? 0 : view[i], of.m0 + m, (size_t)sample[i], k);
                if (t[(i * M_read + m) * n + k] != wanted)
                    fail_msg("row %zu (sample %lld) member %zu output %zu: %g, expected %g", i, (long long)sample[i],
                             of.m0 + m, k, (double)t[(i * M_read + m) * n + k], (double)wanted);
            }
}

/* Epochs of shuffled plans with repetitions, over part of the members: an empty one, one in order, and two that are
 * dropped. */
static void serve(const char *dir, trb_selection of, size_t memory, bool streams)
{
    enum { STEPS = 24, EPOCHS = 7 };
    static int64_t samples[2][STEPS * ROWS]; /* a plan is borrowed until the next one */
    static uint16_t views_of[2][STEPS * ROWS];
    trb_cache *c = NULL;
    trb_reader *r = NULL;
    const float *t = NULL;
    assert_ok(trb_cache_open(dir, &c));
    assert_ok(trb_reader_open(c, of, ROWS, memory, &r));
    assert_int_equal(trb_reader_streams(r), streams);
    assert_true(trb_mem_bytes(TRB_MEM_CACHE) <= memory);
    unsigned seed = 1;
    for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
        int64_t *sample = samples[epoch % 2];
        uint16_t *view = views_of[epoch % 2];
        const size_t steps = epoch == 3 ? 1 : epoch == 4 ? 0 : STEPS - epoch;
        for (size_t i = 0; i < steps * ROWS; i++) {
            sample[i] = epoch == 5 ? (int64_t)(i % N) : rand_r(&seed) % N;
            view[i] = (uint16_t)(rand_r(&seed) % V);
        }
        const uint16_t *views = epoch % 3 == 2 ? NULL : view;
        assert_ok(trb_reader_plan(r, steps, sample, views));
        /* A plan that is dropped half-way leaves no trace. */
        const size_t served = epoch % 4 == 1 ? steps / 2 : steps;
        for (size_t s = 0; s < served; s++) {
            assert_ok(trb_reader_next(r, &t));
            expect_step(t, of, sample + s * ROWS, views == NULL ? NULL : views + s * ROWS);
        }
        if (served == steps) assert_fails(trb_reader_next(r, &t), TRB_EINTERNAL, "the plan has only");
    }
    assert_ok(trb_reader_plan(r, STEPS - EPOCHS, samples[1], views_of[1]));
    assert_ok(trb_reader_close(r));
    trb_cache_close(c);
}

static void same_values(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        spec = ensemble_spec(N, K, M, V);
        spec.dtype = half ? TRB_F16 : TRB_F32;
        spec.deflate = half;
        spec.shard_rows = 512;
        char dir[100];
        (void)snprintf(dir, sizeof dir, "%s", in_scratch("cache%d", half));
        ensemble_make(dir, &spec);
        serve(dir, ensemble_logits(V, 0, M), 1 << 24, false);
        serve(dir, ensemble_logits(V, 1, 2), 1 << 24, false);
        for (size_t steps = 2; steps < 20; steps *= brief() ? 8 : 2)
            serve(dir, ensemble_logits(V, 0, M), memory_for(M, steps), true);
        serve(dir, ensemble_logits(V, 3, 1), memory_for(1, 2), true);
        serve(dir, ensemble_logits(V, 1, 2), memory_for(2, 3), true);
    }
}

/* Most probable classes are kept or streamed likewise, of any type and number, which leaves rows at odd addresses. */
static void top(void **state)
{
    (void)state;
    for (size_t k = 1; k <= K; k += 2)
        for (int half = 0; half < 2; half++) {
            spec = ensemble_spec(N, K, M, V);
            spec.holds = TRB_SHARD_TOP;
            spec.top = k;
            spec.dtype = half ? TRB_F16 : TRB_F32;
            spec.deflate = half;
            spec.shard_rows = 512;
            char dir[100];
            (void)snprintf(dir, sizeof dir, "%s", in_scratch("top%zu-%d", k, half));
            ensemble_make(dir, &spec);
            const size_t outcomes = k + (k < K), row = 2 * (outcomes * trb_dtype_bytes(spec.dtype) + 2 * k);
            const size_t step = ROWS * 2 * (outcomes + k) * sizeof(float);
            const size_t fixed = step + spec.block * (row / 2) + V * (N / 16 + 1) * (4 + 8 * 2);
            serve(dir, ensemble_top(V, 0, M), 1 << 24, false);
            serve(dir, ensemble_top(V, 1, 2), V * N * row + step, false);
            serve(dir, ensemble_top(V, 1, 2), fixed + 2 * ROWS * (2 * row + 4), true);
            serve(dir, ensemble_top(V, 1, 2), fixed + 9 * ROWS * (2 * row + 4), true);
            assert_ok(ensemble_verify(dir));
        }
}

/* Statistics are kept or streamed likewise, and are all that such a cache has. */
static void statistics(void **state)
{
    (void)state;
    spec = ensemble_spec(N, K, M, V);
    spec.holds = TRB_SHARD_STATISTICS;
    spec.shard_rows = 256;
    char dir[100];
    (void)snprintf(dir, sizeof dir, "%s", in_scratch("statistics"));
    ensemble_make(dir, &spec);
    const size_t row = TRB_STATISTICS(K) * sizeof(float), step = ROWS * row;
    serve(dir, ensemble_all(TRB_SHARD_STATISTICS, V), V * N * row + step, false);
    const size_t fixed = spec.block * row + V * (N / 16 + 1) * 12 + 2 * ROWS * 4;
    serve(dir, ensemble_all(TRB_SHARD_STATISTICS, V), fixed + 4 * step, true);
    serve(dir, ensemble_all(TRB_SHARD_STATISTICS, V), fixed + 9 * step, true);
    trb_cache *c = NULL;
    trb_reader *r = NULL;
    assert_ok(trb_cache_open(dir, &c));
    assert_int_equal(trb_reader_bytes(c, ensemble_all(TRB_SHARD_STATISTICS, V)), V * N * row);
    assert_fails(trb_reader_open(c, ensemble_logits(V, 0, 1), ROWS, 1 << 20, &r), TRB_EINTERNAL, "members 0 to 1");
    trb_cache_close(c);
    spec.holds = TRB_SHARD_LOGITS;
    c = ensemble_open(in_scratch("logits"), &spec);
    assert_fails(trb_reader_open(c, ensemble_all(TRB_SHARD_STATISTICS, V), ROWS, 1 << 20, &r), TRB_EINTERNAL,
                 "statistics of 2 views");
    trb_cache_close(c);
}

/* Inputs are kept or streamed as logits are; rows of views without any are passed over. */
static void inputs(void **state)
{
    (void)state;
    enum { STEPS = 24, VIEWS = 4 };
    static int64_t sample[STEPS * ROWS];
    static uint16_t view[STEPS * ROWS];
    unsigned seed = 3;
    for (int half = 0; half < 2; half++) {
        const trb_dtype type = half ? TRB_F16 : TRB_U8;
        const size_t row = ENSEMBLE_D * trb_dtype_bytes(type);
        spec = ensemble_spec(N, K, 2, VIEWS);
        spec.shard_rows = 256;
        spec.deflate = half;
        ensemble_store(&spec, type);
        trb_cache *c = ensemble_open(in_scratch("inputs%d", half), &spec);
        assert_int_equal(trb_reader_bytes(c, ensemble_all(TRB_SHARD_INPUTS, VIEWS)), 2 * N * row);
        assert_int_equal(trb_reader_bytes(c, ensemble_all(TRB_SHARD_INPUTS, 3)), N * row);
        assert_int_equal(trb_reader_bytes(c, ensemble_all(TRB_SHARD_INPUTS, 1)), 0);
        const size_t fixed = spec.block * row + (VIEWS * 4 + 2 * 8) * (N / 16 + 1), all = 2 * N * row + ROWS * row;
        const size_t memory[] = {all, fixed + 2 * ROWS * (2 * row + 4), fixed + 7 * ROWS * (2 * row + 4)};
        for (size_t k = 0; k < 3; k++) {
            trb_reader *r = NULL;
            const void *x = NULL;
            assert_ok(trb_reader_open(c, ensemble_all(TRB_SHARD_INPUTS, VIEWS), ROWS, memory[k], &r));
            assert_int_equal(trb_reader_streams(r), k > 0);
            assert_true(trb_mem_bytes(TRB_MEM_CACHE) <= memory[k]);
            for (size_t epoch = 0; epoch < 3; epoch++) {
                for (size_t i = 0; i < STEPS * ROWS; i++) {
                    sample[i] = rand_r(&seed) % N;
                    view[i] = (uint16_t)(epoch == 1 ? 2 : rand_r(&seed) % VIEWS);
                }
                assert_ok(trb_reader_plan(r, STEPS, sample, view));
                for (size_t s = 0; s < STEPS; s++) {
                    assert_ok(trb_reader_next_inputs(r, &x));
                    for (size_t i = 0; i < ROWS * ENSEMBLE_D; i++) {
                        const size_t at = s * ROWS + i / ENSEMBLE_D;
                        const unsigned is = half ? ((const uint16_t *)x)[i] : ((const uint8_t *)x)[i];
                        if (view[at] % 2 == 0) continue;
                        if (is != ensemble_input(type, view[at], (size_t)sample[at], i % ENSEMBLE_D))
                            fail_msg("view %d of sample %d: other inputs", (int)view[at], (int)sample[at]);
                    }
                }
            }
            assert_ok(trb_reader_plan(r, 0, NULL, NULL));
            assert_ok(trb_reader_close(r));
        }
        uint16_t rows[256 * ENSEMBLE_D];
        const size_t unit = trb_cache_inputs_unit(&spec, (trb_cache_unit){.view = 3, .first_row = 256});
        assert_ok(trb_inputs_read(in_scratch("inputs%d", half), &spec, unit, rows));
        for (size_t i = 0; i < 256 * ENSEMBLE_D; i++)
            assert_int_equal(half ? rows[i] : ((uint8_t *)rows)[i],
                             ensemble_input(type, 3, 256 + i / ENSEMBLE_D, i % ENSEMBLE_D));
        trb_cache_close(c);
    }
}

static void memory_limits(void **state)
{
    (void)state;
    spec = ensemble_spec(N, K, M, V);
    spec.shard_rows = 256;
    trb_reader *r = NULL;
    const float *t = NULL;
    const int64_t sample[2 * ROWS] = {0};
    trb_cache *c = ensemble_open(in_scratch("limits"), &spec);
    assert_fails(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, memory_for(M, 1) - ROWS * M * K * 4, &r),
                 TRB_ECONFIG, "give at least");
    assert_fails(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, 0, &r), TRB_ECONFIG,
                 "cannot hold two windows of 2 steps");
    assert_fails(trb_reader_open(c, ensemble_logits(V, 2, 3), ROWS, 1 << 24, &r), TRB_EINTERNAL,
                 "of a cache of 2 views and 4 members");
    assert_null(r);
    /* The message names the least that works, and that works. */
    (void)trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, 0, &r);
    const size_t least = strtoul(strstr(trb_fail_message(), "give at least ") + 14, NULL, 10);
    assert_fails(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, least - 1, &r), TRB_ECONFIG, "give at least");
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, least, &r));
    assert_true(trb_reader_streams(r));
    /* The cache's description says the same before there is a cache, and when all ranks of a node keep it together. */
    size_t foreseen = 0;
    const trb_selection of = ensemble_logits(V, 0, M);
    const size_t share = ((size_t)V * N * M * K * 4 + 4) / 5 + ROWS * M * K * 4;
    assert_true(trb_reader_serves(&spec, of, ROWS, least, 1, &foreseen));
    assert_int_equal(foreseen, least);
    assert_false(trb_reader_serves(&spec, of, ROWS, least - 1, 1, &foreseen));
    assert_true(trb_reader_serves(&spec, of, ROWS, share, 5, &foreseen));
    assert_false(trb_reader_serves(&spec, of, UINT32_MAX, SIZE_MAX, 1, &foreseen));
    assert_ok(trb_reader_plan(r, 2, sample, NULL));
    assert_ok(trb_reader_next(r, &t));
    assert_ok(trb_reader_close(r));
    /* Exactly what it serves, and the step: kept. */
    const size_t all = (size_t)V * N * M * K * 4, step = ROWS * M * K * 4;
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, all + step, &r));
    assert_false(trb_reader_streams(r));
    assert_int_equal(trb_reader_read(r), all);
    assert_ok(trb_reader_close(r));
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, all + step - 1, &r));
    assert_true(trb_reader_streams(r));
    const int64_t beyond[ROWS] = {[7] = N}, before[ROWS] = {[7] = -1};
    const uint16_t unseen[ROWS] = {[8] = V};
    assert_fails(trb_reader_plan(r, 1, beyond, NULL), TRB_EINTERNAL, "row 7 of the plan names sample 1000");
    assert_fails(trb_reader_plan(r, 1, before, NULL), TRB_EINTERNAL, "row 7 of the plan names sample -1");
    assert_fails(trb_reader_plan(r, 1, sample, unseen), TRB_EINTERNAL, "row 8 of the plan names sample 0, view 2");
    assert_fails(trb_reader_next(r, &t), TRB_EINTERNAL, "the plan has only 0 steps");
    assert_ok(trb_reader_close(r));
    assert_ok(trb_reader_close(NULL));
    trb_cache_close(c);
}

/* A reader of the first view alone needs neither the others' shards nor memory for them. */
static void first_views(void **state)
{
    (void)state;
    spec = ensemble_spec(N, K, M, V);
    spec.shard_rows = 256;
    trb_cache *c = NULL;
    trb_reader *r = NULL;
    const float *t = NULL;
    int64_t sample[20 * ROWS];
    const uint16_t first[20 * ROWS] = {0}, second[20 * ROWS] = {[8] = 1};
    for (size_t i = 0; i < 20 * ROWS; i++) sample[i] = (int64_t)(7 * i % N);
    ensemble_make(in_scratch("first"), &spec);
    assert_int_equal(unlink(in_scratch("first/v01/m000-s00000.h5")), 0);
    assert_ok(trb_cache_open(in_scratch("first"), &c));
    const size_t all = (size_t)N * M * K * 4, step = ROWS * M * K * 4;
    for (int streams = 0; streams < 2; streams++) {
        assert_ok(trb_reader_open(c, ensemble_logits(1, 0, M), ROWS, all + step - (size_t)streams, &r));
        assert_int_equal(trb_reader_streams(r), streams);
        assert_true(trb_mem_bytes(TRB_MEM_CACHE) <= all + step);
        assert_ok(trb_reader_plan(r, 20, sample, first));
        for (size_t s = 0; s < 20; s++) {
            assert_ok(trb_reader_next(r, &t));
            expect_step(t, ensemble_logits(V, 0, M), sample + s * ROWS, NULL);
        }
        assert_fails(trb_reader_plan(r, 20, sample, second), TRB_EINTERNAL,
                     "row 8 of the plan names sample 56, view 1");
        assert_ok(trb_reader_close(r));
    }
    assert_fails(trb_reader_open(c, ensemble_logits(2, 0, M), ROWS, 1 << 24, &r), TRB_EINTEGRITY, "v01/m000-s00000.h5");
    assert_fails(trb_reader_open(c, ensemble_logits(0, 0, M), ROWS, 1 << 24, &r), TRB_EINTERNAL,
                 "0 views and members 0 to 4");
    assert_fails(trb_reader_open(c, ensemble_logits(3, 0, M), ROWS, 1 << 24, &r), TRB_EINTERNAL,
                 "of a cache of 2 views and 4 members");
    trb_cache_close(c);
}

/* A kept reader allocates nothing after it was opened. */
static void no_allocation(void **state)
{
    (void)state;
    spec = ensemble_spec(N, K, M, V);
    spec.shard_rows = 256;
    spec.dtype = TRB_F16;
    trb_reader *r = NULL;
    const float *t = NULL;
    static int64_t sample[20 * ROWS];
    trb_cache *c = ensemble_open(in_scratch("alloc"), &spec);
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, 1 << 24, &r));
    const size_t before = trb_mem_allocations();
    assert_ok(trb_reader_plan(r, 20, sample, NULL));
    for (int s = 0; s < 20; s++) assert_ok(trb_reader_next(r, &t));
    assert_int_equal(trb_mem_allocations(), before);
    assert_ok(trb_reader_close(r));
    trb_cache_close(c);
}

/* A shard that goes bad after the opening: the thread's failure reaches the step, and stays. */
static void late_damage(void **state)
{
    (void)state;
    spec = ensemble_spec(N, K, M, V);
    trb_reader *r = NULL;
    const float *t = NULL;
    static int64_t sample[30 * ROWS];
    for (size_t i = 0; i < 30 * ROWS; i++) sample[i] = (int64_t)i % N;
    trb_cache *c = ensemble_open(in_scratch("late"), &spec);
    /* Windows of two steps: the shard of rows 320 to 383 is first needed in the fifth. */
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, memory_for(M, 2), &r));
    assert_int_equal(unlink(in_scratch("late/v00/m003-s00005.h5")), 0);
    assert_ok(trb_reader_plan(r, 30, sample, NULL));
    for (int s = 0; s < 10; s++) {
        assert_ok(trb_reader_next(r, &t));
        expect_step(t, ensemble_logits(V, 0, M), sample + s * ROWS, NULL);
    }
    /* The thread may have failed long before: its line must not be cleared here. */
    assert_int_equal(trb_reader_next(r, &t), TRB_EINTEGRITY);
    assert_non_null(strstr(trb_fail_message(), "late/v00/m003-s00005.h5"));
    assert_int_equal(trb_reader_next(r, &t), TRB_EINTEGRITY);
    assert_int_equal(trb_reader_close(r), TRB_EINTEGRITY);
    /* A reader that is opened now says so at once. */
    r = NULL;
    assert_fails(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, memory_for(M, 2), &r), TRB_EINTEGRITY,
                 "m003-s00005.h5: the shard is missing");
    assert_fails(trb_reader_open(c, ensemble_logits(V, 3, 1), ROWS, 1 << 24, &r), TRB_EINTEGRITY,
                 "m003-s00005.h5: the shard is missing");
    assert_null(r);
    /* Members whose shards are whole can be read: nobody else's are opened. */
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, 3), ROWS, 1 << 24, &r));
    assert_ok(trb_reader_close(r));
    trb_cache_close(c);
}

/* Other values in the place of a shard's, under attributes, digests and checksums that are still those of the manifest:
 * nothing but the values themselves says so. */
static void forge(const char *file, float by)
{
    float rows[64 * K];
    trb_h5 *h = NULL;
    assert_ok(trb_h5_open(file, &h));
    assert_ok(trb_h5_read_rows(h, "logits", TRB_F32, 0, 64, rows));
    trb_h5_close(h);
    const hid_t f = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(f, "logits", H5P_DEFAULT);
    rows[63 * K] += by;
    assert_true(f >= 0 && set >= 0 && H5Dwrite(set, H5T_IEEE_F32LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    assert_true(H5Dclose(set) >= 0 && H5Fclose(f) >= 0);
}

static void exchange(const char *a, const char *b)
{
    assert_int_equal(rename(a, in_scratch("aside")), 0);
    assert_int_equal(rename(b, a), 0);
    assert_int_equal(rename(in_scratch("aside"), b), 0);
}

/* Shards of something else in the place of those that were there at the opening, as whole as these. */
static void late_exchange(void **state)
{
    (void)state;
    static const char *const says[] = {
        "v00/m000-s00005.h5: member is 1, expected 0",
        "v00/m000-s00005.h5: is of the view [mixup 0.5], seed 11, expected [identity]",
        "v00/m000-s00005.h5: is of the data set with digest",
        "v00/m000-s00005.h5: is of a member with digest",
        "v00/m000-s00005.h5: its payload digest is",
        "v00/m000-s00005.h5: samples 368 to 383 have other values than when the file was checked",
    };
    enum { STEPS = 30, UNIT = 5, FORGED = sizeof says / sizeof *says - 1 };
    spec = ensemble_spec(N, K, M, V);
    static int64_t sample[STEPS * ROWS];
    for (size_t i = 0; i < STEPS * ROWS; i++) sample[i] = (int64_t)i % N;
    for (size_t flaw = 0; flaw <= FORGED; flaw++) {
        trb_reader *r = NULL;
        const float *t = NULL;
        uint64_t payload = 0;
        trb_cache *c = ensemble_open(in_scratch("late"), &spec);
        const char *file = in_scratch("late/v00/m000-s00005.h5");
        assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, memory_for(M, 2), &r));
        trb_cache_spec other = spec;
        const trb_view views[V] = {ensemble_view[1], ensemble_view[0]};
        if (flaw == 0) exchange(file, in_scratch("late/v00/m001-s00005.h5"));
        if (flaw == 1) other.view = views;
        if (flaw == 2) other.data_digest++;
        if (flaw == 3) ensemble_digest[0]++;
        if (flaw > 0 && flaw < 4) assert_ok(ensemble_write(in_scratch("late"), &other, UNIT, 16, &payload));
        if (flaw == 3) ensemble_digest[0]--;
        if (flaw == 4) {
            trb_shard *s = NULL;
            const float rows[64 * K] = {1};
            assert_ok(trb_shard_create(in_scratch("late"), &spec, UNIT, &s));
            assert_ok(trb_shard_write(s, 64, rows));
            assert_ok(trb_shard_publish(s, &payload));
        }
        if (flaw == FORGED) forge(file, 0.5F);
        /* Windows of two steps: the shard of samples 320 to 383 is first needed in the fifth. */
        assert_ok(trb_reader_plan(r, STEPS, sample, NULL));
        for (int s = 0; s < 10; s++) {
            assert_ok(trb_reader_next(r, &t));
            expect_step(t, ensemble_logits(V, 0, M), sample + s * ROWS, NULL);
        }
        const trb_status st = trb_reader_next(r, &t);
        if (st != TRB_EINTEGRITY || strstr(trb_fail_message(), says[flaw]) == NULL)
            fail_msg("flaw %zu: %d \"%s\", expected \"%s\"", flaw, st, trb_fail_message(), says[flaw]);
        assert_int_equal(trb_reader_close(r), TRB_EINTEGRITY);
        trb_fail_clear();
        trb_cache_close(c);
    }
}

/* The same of stored inputs, which are read as a whole or streamed, and of the logits that are of other inputs. */
static void late_inputs(void **state)
{
    (void)state;
    enum { VIEWS = 4, STEPS = 8, STORED = 3, UNIT = 2 * VIEWS * 16 + 16 };
    spec = ensemble_spec(N, K, 2, VIEWS);
    ensemble_store(&spec, TRB_U8);
    static int64_t sample[STEPS * ROWS];
    static uint16_t view[STEPS * ROWS];
    uint8_t rows[64 * ENSEMBLE_D];
    for (size_t i = 0; i < STEPS * ROWS; i++) view[i] = STORED;
    trb_cache *c = ensemble_open(in_scratch("x"), &spec);
    assert_int_equal(trb_cache_unit_at(&spec, UNIT).view, STORED);
    const size_t row = ENSEMBLE_D, fixed = spec.block * row + (VIEWS * 4 + 2 * 8) * (N / 16 + 1);
    trb_reader *inputs = NULL, *logits = NULL;
    const void *x = NULL;
    const float *t = NULL;
    assert_ok(trb_inputs_read(in_scratch("x"), &spec, UNIT, rows));
    assert_ok(
        trb_reader_open(c, ensemble_all(TRB_SHARD_INPUTS, VIEWS), ROWS, fixed + 2 * ROWS * (2 * row + 4), &inputs));
    assert_ok(trb_reader_open(c, ensemble_logits(VIEWS, 0, 1), ROWS, memory_for(1, 9), &logits));
    assert_true(trb_reader_streams(inputs) && trb_reader_streams(logits));
    /* Another writer's inputs, and logits that are of them. */
    uint64_t payload = 0;
    trb_shard *s = NULL;
    for (size_t i = 0; i < sizeof rows; i++) rows[i] ^= 1;
    assert_ok(trb_shard_create(in_scratch("x"), &spec, UNIT, &s));
    assert_ok(trb_shard_write(s, 64, rows));
    assert_ok(trb_shard_publish(s, &payload));
    assert_fails(trb_inputs_read(in_scratch("x"), &spec, UNIT, rows), TRB_EINTEGRITY,
                 "v03/x-s00000.h5: its payload digest is");
    const uint64_t was = ensemble_inputs_payload[16];
    ensemble_inputs_payload[16] = payload;
    assert_ok(ensemble_write(in_scratch("x"), &spec, STORED * 2 * 16, 16, &payload));
    ensemble_inputs_payload[16] = was;
    assert_ok(trb_reader_plan(inputs, STEPS, sample, view));
    assert_int_equal(trb_reader_next_inputs(inputs, &x), TRB_EINTEGRITY);
    assert_non_null(strstr(trb_fail_message(), "v03/x-s00000.h5: its payload digest is"));
    assert_int_equal(trb_reader_close(inputs), TRB_EINTEGRITY);
    trb_fail_clear();
    assert_ok(trb_reader_plan(logits, STEPS, sample, view));
    assert_int_equal(trb_reader_next(logits, &t), TRB_EINTEGRITY);
    assert_non_null(strstr(trb_fail_message(), "v03/m000-s00000.h5: is of inputs with digest"));
    assert_int_equal(trb_reader_close(logits), TRB_EINTEGRITY);
    trb_fail_clear();
    trb_cache_close(c);
}

/* Closing and dropping do not wait for the plan to be read, of which nobody takes a step; if they waited for the
 * thread, it would be for ever. Each time it reads at most the two windows that there are. */
static void prompt(void **state)
{
    (void)state;
    enum { LONG = 2000, TIMES = 10 };
    spec = ensemble_spec(N, K, M, V);
    spec.shard_rows = 256;
    trb_reader *r = NULL;
    int64_t *sample = calloc(LONG * ROWS, sizeof *sample);
    unsigned seed = 3;
    for (size_t i = 0; i < (size_t)LONG * ROWS; i++) sample[i] = rand_r(&seed) % N;
    trb_cache *c = ensemble_open(in_scratch("prompt"), &spec);
    assert_ok(trb_reader_open(c, ensemble_logits(V, 0, M), ROWS, memory_for(M, 5), &r));
    const size_t all = trb_reader_read(r), view = all / V; /* the opening has read everything */
    for (int i = 0; i < TIMES; i++) assert_ok(trb_reader_plan(r, LONG, sample, NULL));
    assert_ok(trb_reader_plan(r, 0, NULL, NULL));
    assert_in_range(trb_reader_read(r), all, all + TIMES * 2 * view);
    assert_ok(trb_reader_plan(r, LONG, sample, NULL));
    assert_ok(trb_reader_close(r));
    trb_cache_close(c);
    free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_values), cmocka_unit_test(inputs),        cmocka_unit_test(memory_limits),
        cmocka_unit_test(first_views), cmocka_unit_test(no_allocation), cmocka_unit_test(late_damage),
        cmocka_unit_test(prompt),      cmocka_unit_test(statistics),    cmocka_unit_test(late_exchange),
        cmocka_unit_test(top),         cmocka_unit_test(late_inputs),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
