/* Losses of as many outputs as there may be, on a small stack, and the same numbers however a row is cut into pieces. */
#include "numbers.h"

#include <pthread.h>
#include <unistd.h>

#include "tribikos/dirichlet.h"
#include "tribikos/loss.h"
#include "tribikos/top.h"

enum { K = TRB_LOSS_K_MAX, M = 2, ROWS = 2, STACK = 96 * 1024 };

typedef struct {
    float *z, *t, *s, *dz;
    double *work;
    trb_status st;
} numbers;

static trb_status all_losses(const numbers *n)
{
    const int32_t label[ROWS] = {K - 1, 7}, other[ROWS] = {0, 7};
    const float weight[ROWS] = {0.25F, 1.0F};
    double loss = 0.0;
    trb_softmax(ROWS * M, K, 2.0F, n->z, n->dz);
    TRB_TRY(trb_loss_ce(ROWS, M, K, ROWS, n->z, label, &loss, NULL));
    TRB_TRY(trb_loss_ce(ROWS, M, K, ROWS, n->z, label, &loss, n->dz));
    TRB_TRY(trb_loss_ce_mixed(ROWS, M, K, ROWS, n->z, label, other, weight, &loss, n->dz));
    trb_label_targets(ROWS, K, label, other, weight, NULL, 0.5, n->s);
    TRB_TRY(trb_loss_targets(ROWS, K, ROWS, n->z, n->s, &loss, n->dz));
    TRB_TRY(trb_loss_kd(ROWS, M, K, ROWS, 4.0F, n->z, n->t, &loss, n->dz));
    TRB_TRY(trb_loss_add_labels(ROWS, M, K, ROWS, 0.5F, n->z, label, &loss, n->dz));
    TRB_TRY(trb_soft_targets(ROWS, M, M, K, 4.0F, n->t, n->s));
    TRB_TRY(trb_loss_soft(ROWS, K, ROWS, 4.0F, n->z, n->s, &loss, n->dz));
    TRB_TRY(trb_endd_statistics(ROWS, M, M, K, 2.0F, n->t, n->work, n->s));
    TRB_TRY(trb_loss_endd(ROWS, K, ROWS, 2.0F, n->z, n->s, &loss, n->dz));
    TRB_TRY(trb_proxy_endd_statistics(ROWS, M, M, K, 1.0F, n->t, n->work, n->s));
    trb_proxy_endd_targets(ROWS, K, n->s);
    TRB_TRY(trb_loss_proxy_endd(ROWS, K, ROWS, 1.0F, n->z, n->s, &loss, n->dz));
    TRB_TRY(trb_statistics(ROWS, M, K, n->t, n->work, n->s));
    float *top = (float *)n->work; /* room for TRB_TOP_WORK(K) numbers, which are fewer bytes */
    TRB_TRY(trb_top_select(1, K, K - 1, n->t, top, n->s));
    return trb_loss_top(1, 1, 1, K, K - 1, 1, 4.0F, n->z, n->s, top, &loss, n->dz);
}

static void *run(void *ctx)
{
    numbers *n = ctx;
    n->st = all_losses(n);
    return NULL;
}

static void small_stack(void **state)
{
    (void)state;
    numbers n = {.z = normals(ROWS * M * K, 3.0F, 1),
                 .t = normals(ROWS * M * K, 3.0F, 2),
                 .s = room(ROWS * TRB_STATISTICS(K), sizeof(float)),
                 .dz = room(ROWS * M * K, sizeof(float)),
                 .work = room(TRB_STATISTICS_WORK(K), sizeof(double)),
                 .st = TRB_EINTERNAL};
    pthread_attr_t small;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&small), 0);
    const long least = sysconf(_SC_THREAD_STACK_MIN); /* on 64-bit Arm more than STACK */
    assert_int_equal(pthread_attr_setstacksize(&small, least > STACK ? (size_t)least : STACK), 0);
    assert_int_equal(pthread_create(&thread, &small, run, &n), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&small);
    assert_ok(n.st);
    trb_free(n.z), trb_free(n.t), trb_free(n.s), trb_free(n.dz), trb_free(n.work);
}

/* Outputs that are as good as impossible add nothing to a sum: a row that is filled up with them has the same numbers as
 * the shorter one, to the last bit, though it is made in pieces. */
static void pieces(void **state)
{
    (void)state;
    enum { SHORT = 1000, LONG = 5000 };
    const int32_t label[1] = {3};
    float *z = normals(SHORT, 3.0F, 3), *t = normals(SHORT, 3.0F, 4);
    enum { Z, T, Q, BY_HEADS, BY_ONE, ARRAYS };
    float *row[2][ARRAYS]; /* of SHORT, of LONG */
    double loss[2][3];
    for (size_t i = 0; i < 2; i++) {
        const size_t k = i == 0 ? SHORT : LONG;
        for (size_t j = 0; j < ARRAYS; j++) row[i][j] = room(k, sizeof(float));
        float *const *r = row[i];
        for (size_t j = 0; j < k; j++) {
            r[Z][j] = j < SHORT ? z[j] : -1e9F;
            r[T][j] = j < SHORT ? t[j] : -1e9F;
        }
        assert_ok(trb_loss_kd(1, 1, k, 1, 4.0F, r[Z], r[T], &loss[i][0], r[BY_HEADS]));
        assert_ok(trb_loss_add_labels(1, 1, k, 1, 0.5F, r[Z], label, &loss[i][0], r[BY_HEADS]));
        assert_ok(trb_loss_ce(1, 1, k, 1, r[Z], label, &loss[i][1], NULL));
        assert_ok(trb_soft_targets(1, 1, 1, k, 4.0F, r[T], r[Q]));
        assert_ok(trb_loss_soft(1, k, 1, 4.0F, r[Z], r[Q], &loss[i][2], r[BY_ONE]));
    }
    assert_memory_equal(loss[0], loss[1], sizeof loss[0]);
    for (size_t j = 0; j < ARRAYS; j++) assert_memory_equal(row[0][j], row[1][j], SHORT * sizeof *z);
    for (size_t i = 0; i < 2 * ARRAYS; i++) trb_free(row[i / ARRAYS][i % ARRAYS]);
    trb_free(z), trb_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(small_stack), cmocka_unit_test(pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
