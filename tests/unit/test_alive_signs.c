/* Signs of life: they reach the hook from the thread that opened it, and from no other; and whatever takes long gives
 * them on its way: reading files of each format, digests, waiting for another thread. */
#include "data_fixture.h"
#include "scratch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tribikos/alive.h"
#include "tribikos/hash.h"

static int signs;

static void count(void)
{
    signs++;
}

static void *live(void *unused)
{
    trb_alive();
    return unused;
}

static void one_thread(void **state)
{
    (void)state;
    pthread_t other;
    signs = 0;
    trb_alive(); /* nobody listens */
    trb_alive_open(count);
    trb_alive();
    assert_int_equal(signs, 1);
    assert_int_equal(pthread_create(&other, NULL, live, NULL), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(signs, 1);
    trb_alive_open(NULL);
    trb_alive();
    assert_int_equal(signs, 1);
}

/* Signs while the data set of one file, or two, is read. */
static int signs_of(trb_format format, size_t n_files, char **files)
{
    const trb_data_files f = {
        .task = TRB_TASK_CLASSES, .format = format, .root = scratch, .n_files = n_files, .files = files};
    trb_data d;
    signs = 0;
    trb_alive_open(count);
    const trb_status st = trb_data_load(&f, &d);
    trb_alive_open(NULL);
    assert_ok(st);
    trb_data_clear(&d);
    return signs;
}

enum { N = 5000, SIDE = 32, D = SIDE * SIDE };

static void images(void **state)
{
    (void)state;
    uint8_t *x = calloc(1, 16 + N * D), y[8 + N] = {0, 0, 8, 1};
    char *files[] = {"x", "y"};
    assert_non_null(x);
    memcpy(x, (const uint8_t[]){0, 0, 8, 3}, 4);
    fixture_put_u32(x + 4, N);
    fixture_put_u32(x + 8, SIDE);
    fixture_put_u32(x + 12, SIDE);
    fixture_put_u32(y + 4, N);
    for (int packed = 0; packed < 2; packed++) {
        fixture_write(scratch, "x", packed, 16 + N * D, x);
        fixture_write(scratch, "y", packed, sizeof y, y);
        assert_true(signs_of(TRB_FORMAT_IDX, 2, files) > N * D >> 20);
    }
    free(x);
}

static void rows(void **state)
{
    (void)state;
    char *files[] = {"table"};
    FILE *f = fopen(in_scratch("table"), "w");
    assert_non_null(f);
    for (int i = 0; i < N; i++) (void)fprintf(f, "%d %d\n", i, i % 3);
    assert_int_equal(fclose(f), 0);
    assert_true(signs_of(TRB_FORMAT_TABLE, 1, files) > 2 * (N / 1024));
}

static void values(void **state)
{
    (void)state;
    char *files[] = {"h5"};
    float *x = calloc(N * D, sizeof *x);
    uint8_t y[N] = {0};
    trb_h5 *h = NULL;
    assert_non_null(x);
    assert_ok(trb_h5_create(in_scratch("h5"), &h));
    assert_ok(trb_h5_put(h, "/x", (trb_h5_shape){TRB_F32, 2, {N, D}}, x));
    assert_ok(trb_h5_put(h, "/y", (trb_h5_shape){TRB_U8, 1, {N}}, y));
    assert_ok(trb_h5_publish(h));
    free(x);
    /* Six while it is read, five while it is looked at, three of the digest. */
    assert_true(signs_of(TRB_FORMAT_HDF5, 1, files) > 12);
}

static void digests(void **state)
{
    (void)state;
    enum { BYTES = 40 << 20 };
    trb_hash *h = NULL;
    char *bytes = calloc(BYTES, 1);
    assert_non_null(bytes);
    assert_ok(trb_hash_open(&h));
    signs = 0;
    trb_alive_open(count);
    trb_hash_add(h, bytes, BYTES);
    trb_alive_open(NULL);
    assert_true(trb_hash_value(h) == trb_hash_bytes(bytes, BYTES));
    assert_true(signs >= 2);
    trb_hash_close(h);
    free(bytes);
}

/* Works until the waiting thread has given some signs. */
static atomic_bool enough;

static void *work(void *unused)
{
    while (!atomic_load(&enough)) (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return unused;
}

static void count_some(void)
{
    if (++signs == 3) atomic_store(&enough, true);
}

static void waiting(void **state)
{
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    pthread_t other;
    signs = 0;
    trb_alive_open(count_some);
    assert_int_equal(pthread_create(&other, NULL, work, NULL), 0);
    trb_alive_join(other); /* for ever, if it gives none */
    assert_true(signs >= 3);
    atomic_store(&enough, false);
    signs = 0;
    (void)pthread_mutex_lock(&lock);
    while (!atomic_load(&enough)) trb_alive_wait(&changed, &lock);
    (void)pthread_mutex_unlock(&lock);
    trb_alive_open(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread), cmocka_unit_test(images),  cmocka_unit_test(rows),
        cmocka_unit_test(values),     cmocka_unit_test(digests), cmocka_unit_test(waiting),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
