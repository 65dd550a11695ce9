/* The feed serves what a call would make, in the order of the plan, whatever the timing; and it stops when it is told.
 */
#include "augment_fixture.h"

#include <time.h>

#include "tribikos/clock.h"
#include "tribikos/hash.h"

enum { N = 60, ROWS = 4, PARTS = 40 };
static const trb_shape shape = {3, 8, 8};
static int64_t sample[2][PARTS * ROWS];
static uint16_t view[2][PARTS * ROWS];

static void draw_plan(uint64_t epoch, size_t which)
{
    trb_rng rng = trb_rng_open(2, TRB_USE_TEST, 0, epoch, 0);
    for (size_t i = 0; i < PARTS * ROWS; i++) {
        sample[which][i] = (int64_t)trb_rng_below(&rng, N);
        view[which][i] = (uint16_t)trb_rng_below(&rng, 3);
    }
}

static void pause_ns(long ns)
{
    (void)nanosleep(&(struct timespec){0, ns}, NULL);
}

static void serve(const char *recipe, bool views)
{
    const size_t D = trb_shape_size(shape);
    trb_data d = fixture_data(TRB_U8, N, shape);
    const trb_use use = views ? TRB_USE_VIEW : TRB_USE_AUGMENT;
    int64_t all[N];
    for (size_t i = 0; i < N; i++) all[i] = (int64_t)i;
    trb_augment *a = fixture_augment(&d, recipe, 3, use, 0, N, all);
    trb_augment *same = fixture_augment(&d, recipe, 3, use, 0, N, all);
    trb_feed *f = NULL;
    const float *x = NULL;
    const trb_mix *mix = NULL;
    float *expected = room(ROWS * D, sizeof *expected);
    trb_mix pairs[ROWS] = {{0, 0.0F}};
    const bool mixes = trb_augment_mixes(a);
    const size_t before = trb_mem_bytes(TRB_MEM_DATA);
    assert_ok(trb_feed_open(a, ROWS, NULL, &f));
    assert_int_equal(trb_mem_bytes(TRB_MEM_DATA) > before, mixes); /* room for partners, where there are any */
    const size_t allocations = trb_mem_allocations();
    assert_fails(trb_feed_next(f, &x, &mix), TRB_EINTERNAL, "only 0 parts");
    for (uint64_t epoch = 0; epoch < 60; epoch++) {
        const size_t w = epoch % 2, parts = epoch % 7 == 0 ? 1 : epoch % 7 == 1 ? 0 : PARTS - epoch % 7;
        draw_plan(epoch, w); /* the array of the plan before the last: nobody reads it any more */
        assert_ok(trb_feed_plan(f, epoch, parts, sample[w], views ? view[w] : NULL));
        /* Plans are dropped at any moment. */
        const size_t wanted = epoch % 3 == 2 ? parts / 2 : parts;
        for (size_t p = 0; p < wanted; p++) {
            if (epoch % 4 == 3) pause_ns(50000); /* now the thread waits for the steps, now they for it */
            assert_ok(trb_feed_next(f, &x, &mix));
            if (views)
                trb_augment_views(same, ROWS, sample[w] + p * ROWS, view[w] + p * ROWS, NULL, expected);
            else
                trb_augment_rows(same, epoch, ROWS, sample[w] + p * ROWS, expected, pairs);
            assert_true(trb_hash_bytes(x, ROWS * D * sizeof *x) ==
                        trb_hash_bytes(expected, ROWS * D * sizeof *expected));
            if (!mixes) {
                assert_null(mix);
            } else {
                for (size_t i = 0; i < ROWS; i++)
                    assert_true(mix[i].partner == pairs[i].partner && mix[i].weight == pairs[i].weight);
            }
        }
        if (wanted == parts) assert_fails(trb_feed_next(f, &x, &mix), TRB_EINTERNAL, "of the feed has only");
        if (epoch % 5 == 0) {
            assert_ok(trb_feed_plan(f, 0, 0, NULL, NULL));
            memset(sample[w], 0xff, sizeof sample[w]); /* ids that would crash whoever reads them */
        }
    }
    assert_int_equal(trb_mem_allocations(), allocations);
    draw_plan(0, 0);
    assert_ok(trb_feed_plan(f, 0, PARTS, sample[0], views ? view[0] : NULL));
    trb_feed_close(f); /* in the midst of a plan */
    trb_free(expected);
    trb_augment_destroy(a);
    trb_augment_destroy(same);
    trb_data_clear(&d);
}

static void rows_of_an_epoch(void **state)
{
    (void)state;
    serve("crop 3, flip", false);
    serve("crop 3, flip, cutout 4, mixup 0.2", false);
}

static void rows_of_views(void **state)
{
    (void)state;
    serve("crop 3, flip", true);
    serve("mixup 1", true);
}

/* Without a thread. */
static void rows_as_they_are(void **state)
{
    (void)state;
    serve("", false);
}

/* A plan is dropped while its last part is in the making: what is behind its end is never read, and after the drop
 * nothing of it is. The parts are large, so that the drop comes in the midst of one. */
static void a_dropped_plan_is_forgotten(void **state)
{
    (void)state;
    enum { MANY = 64 };
    trb_data d = fixture_data(TRB_U8, N, (trb_shape){3, 32, 32});
    trb_augment *a = fixture_augment(&d, "crop 3", 3, TRB_USE_AUGMENT, 0, 0, NULL);
    trb_feed *f = NULL;
    int64_t ids[2 * MANY];
    assert_ok(trb_feed_open(a, MANY, NULL, &f));
    for (long i = 0; i < 400; i++) {
        memset(ids, 0x7f, sizeof ids); /* ids that would crash whoever reads them */
        for (size_t k = 0; k < MANY; k++) ids[k] = (int64_t)(k % N);
        assert_ok(trb_feed_plan(f, 0, 1, ids, NULL));
        for (const double until = trb_now_s() + 1e-6 * (double)(i % 200); trb_now_s() < until;) continue;
        assert_ok(trb_feed_plan(f, 0, 0, NULL, NULL));
        memset(ids, 0x7f, sizeof ids);
        pause_ns(300000);
    }
    trb_feed_close(f);
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

/* The thread is ahead by one part: while the first is held, the second gets ready, and the held one stays. */
static void the_part_in_use_stays(void **state)
{
    (void)state;
    const size_t D = trb_shape_size(shape);
    trb_data d = fixture_data(TRB_U8, N, shape);
    trb_augment *a = fixture_augment(&d, "crop 3", 3, TRB_USE_AUGMENT, 0, 0, NULL);
    trb_feed *f = NULL;
    const float *x = NULL;
    const trb_mix *mix = NULL;
    draw_plan(0, 0);
    assert_ok(trb_feed_open(a, ROWS, NULL, &f));
    assert_ok(trb_feed_plan(f, 0, PARTS, sample[0], NULL));
    for (size_t p = 0; p < PARTS; p++) {
        assert_ok(trb_feed_next(f, &x, &mix));
        const uint64_t digest = trb_hash_bytes(x, ROWS * D * sizeof *x);
        pause_ns(300000);
        assert_true(trb_hash_bytes(x, ROWS * D * sizeof *x) == digest);
    }
    /* `x` is where every second part lies, from the second on. */
    const float *first = NULL, *second = x;
    float expected[ROWS * 3 * 8 * 8];
    trb_augment *same = fixture_augment(&d, "crop 3", 3, TRB_USE_AUGMENT, 0, 0, NULL);
    trb_augment_rows(same, 1, ROWS, sample[0] + ROWS, expected, NULL);
    assert_ok(trb_feed_plan(f, 1, PARTS, sample[0], NULL));
    assert_ok(trb_feed_next(f, &first, &mix));
    assert_ptr_not_equal(first, second);
    const double begin = trb_now_s();
    while (memcmp(second, expected, sizeof expected) != 0 && trb_now_s() - begin < 20.0) pause_ns(1000000);
    assert_memory_equal(second, expected, sizeof expected);
    trb_feed_close(f);
    trb_feed_close(NULL);
    trb_augment_destroy(same);
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

/* Rows of a cache: byte i of row r of part p is p + r + i. */
typedef struct {
    size_t parts, part, fails_at, plans;
    uint8_t rows[ROWS * 3 * 8 * 8];
} shelf;

static trb_status plan_rows(void *ctx, size_t parts, const int64_t *ids, const uint16_t *of)
{
    shelf *s = ctx;
    assert_true(parts == 0 || (ids == sample[0] && of == view[0]));
    s->parts = parts;
    s->part = 0;
    s->plans++;
    return TRB_OK;
}

static trb_status next_rows(void *ctx, const void **stored)
{
    shelf *s = ctx;
    const size_t D = trb_shape_size(shape);
    if (s->part == s->fails_at) return trb_fail(TRB_EINTEGRITY, "the shelf is empty");
    assert_true(s->part < s->parts);
    for (size_t i = 0; i < sizeof s->rows; i++) s->rows[i] = (uint8_t)(s->part + i / D + i % D);
    s->part++;
    *stored = s->rows;
    return TRB_OK;
}

/* Stored rows come part by part beside those that are made; a failure of theirs reaches whoever asks, and stays. */
static void stored_rows(void **state)
{
    (void)state;
    enum { D = 3 * 8 * 8 };
    trb_data d = fixture_data(TRB_U8, N, shape);
    trb_augment *a = fixture_augment(&d, "ods 8", 3, TRB_USE_VIEW, 0, 0, NULL); /* views 1 and 2 */
    shelf s = {.fails_at = PARTS};
    trb_feed *f = NULL;
    const float *x = NULL;
    const trb_mix *mix = NULL;
    float own[D];
    assert_ok(trb_feed_open(a, ROWS, &(trb_stored_rows){plan_rows, next_rows, &s}, &f));
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        draw_plan(epoch, 0);
        s.fails_at = epoch == 3 ? 30 : PARTS;
        assert_ok(trb_feed_plan(f, epoch, PARTS, sample[0], view[0]));
        for (size_t p = 0; p < (epoch == 1 ? PARTS / 2 : epoch == 3 ? 30 : PARTS); p++) {
            assert_ok(trb_feed_next(f, &x, &mix));
            for (size_t r = 0; r < ROWS; r++) {
                trb_data_rows(&d, 1, &sample[0][p * ROWS + r], own);
                for (size_t i = 0; i < D; i++) {
                    const float byte = (float)(uint8_t)(p + r + i), at = x[r * D + i];
                    assert_true(at ==
                                (view[0][p * ROWS + r] == 0 ? own[i] : (byte - d.mean[i / 64]) * d.scale[i / 64]));
                }
            }
        }
    }
    assert_int_equal(trb_feed_next(f, &x, &mix), TRB_EINTEGRITY);
    assert_string_equal(trb_fail_message(), "the shelf is empty");
    assert_int_equal(trb_feed_next(f, &x, &mix), TRB_EINTEGRITY);
    assert_int_equal(trb_feed_plan(f, 4, PARTS, sample[0], view[0]), TRB_EINTEGRITY);
    s.parts = 1;
    trb_feed_close(f);
    assert_int_equal(s.parts, 0); /* nothing is borrowed any more */
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_an_epoch),      cmocka_unit_test(rows_of_views),
        cmocka_unit_test(rows_as_they_are),      cmocka_unit_test(a_dropped_plan_is_forgotten),
        cmocka_unit_test(the_part_in_use_stays), cmocka_unit_test(stored_rows),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
