/* Matrix products against a reference in double, and the promise that the shape alone decides the bits. */
#include "numbers.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tribikos/blas.h"

typedef struct {
    bool ta, tb;
    size_t m, n, k, pad; /* pad: strides beyond the row length */
} shape;

static size_t a_rows(shape s)
{
    return s.ta ? s.k : s.m;
}

static size_t b_rows(shape s)
{
    return s.tb ? s.n : s.k;
}

static size_t a_stride(shape s)
{
    return (s.ta ? s.m : s.k) + s.pad;
}

static size_t b_stride(shape s)
{
    return (s.tb ? s.k : s.n) + s.pad;
}

static size_t c_stride(shape s)
{
    return s.n + s.pad;
}

static void multiply(shape s, const float *a, const float *b, float beta, float *c)
{
    assert_ok(trb_gemm(s.ta, s.tb, s.m, s.n, s.k, a, a_stride(s), b, b_stride(s), beta, c, c_stride(s)));
}

/* Of numbers that bfloat16 holds, the products are exact and the sums single, in either precision. */
static void keep_upper_halves(size_t n, float *x)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0xFFFF0000U;
        memcpy(x + i, &bits, sizeof bits);
    }
}

/* A sum of k products, in whatever order and with or without fused operations, is wrong by at most k roundings of the
 * sum of the magnitudes (Higham, Accuracy and Stability, sec. 3.1); adding beta C is one rounding more. */
static void check_against_reference(shape s, float beta)
{
    float *a = normals(a_rows(s) * a_stride(s), 1.0F, 1), *b = normals(b_rows(s) * b_stride(s), 1.0F, 2);
    float *before = normals(s.m * c_stride(s), 1.0F, 3), *c = room(s.m * c_stride(s), sizeof *c);
    if (trb_precision_get() == TRB_PRECISION_BF16) {
        keep_upper_halves(a_rows(s) * a_stride(s), a);
        keep_upper_halves(b_rows(s) * b_stride(s), b);
    }
    memcpy(c, before, s.m * c_stride(s) * sizeof *c);
    for (size_t i = 0; i < s.m && beta == 0.0F; i++) /* overwritten, never read */
        for (size_t j = 0; j < s.n; j++) c[i * c_stride(s) + j] = NAN;
    multiply(s, a, b, beta, c);
    for (size_t i = 0; i < s.m; i++) {
        for (size_t j = 0; j < s.n; j++) {
            double sum = (double)beta * (double)before[i * c_stride(s) + j], magnitude = fabs(sum);
            for (size_t l = 0; l < s.k; l++) {
                const double product = (double)a[s.ta ? l * a_stride(s) + i : i * a_stride(s) + l] *
                                       (double)b[s.tb ? j * b_stride(s) + l : l * b_stride(s) + j];
                sum += product;
                magnitude += fabs(product);
            }
            assert_near((double)c[i * c_stride(s) + j], sum, ((double)s.k + 1.0) * ROUNDING * magnitude);
        }
        for (size_t j = s.n; j < c_stride(s); j++)
            assert_memory_equal(&c[i * c_stride(s) + j], &before[i * c_stride(s) + j], sizeof *c);
    }
    trb_free(a), trb_free(b), trb_free(before), trb_free(c);
}

/* Shapes on both sides of every border of the choice in src/math/blas.c: layers of 10 to 1500 units, narrow and wide
 * products that are cut into pieces, single rows. */
static const size_t sizes[][3] = {{1, 1, 1},      {1, 10, 200},  {3, 5, 7},      {8, 33, 65},    {32, 10, 200},
                                  {128, 10, 200}, {125, 32, 40}, {128, 10, 20},  {128, 200, 10}, {10, 200, 128},
                                  {64, 100, 200}, {32, 200, 84}, {20, 1500, 30}, {5, 1300, 60},  {70, 1, 900}};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static void all_shapes_match_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        for (int variant = 0; variant < 16; variant += brief() ? 5 : 1) { /* each bit at least once, and once not */
            const shape s = {variant & 1, variant & 2, sizes[i][0], sizes[i][1], sizes[i][2], variant & 4 ? 13 : 0};
            check_against_reference(s, variant & 8 ? 1.0F : 0.0F);
        }
    }
}

static void all_shapes_match_the_reference_in_bfloat16(void **state)
{
    bfloat16_or_skip();
    all_shapes_match_the_reference(state);
    all_shapes_match_the_reference(state); /* with what the first round has kept */
    /* Operands are rounded where it pays and nowhere else. */
    enum { M = 128, N = 200, K = 200 };
    float *a = normals(M * K, 1.0F, 1), *b = normals(K * N, 1.0F, 2);
    float *rounded = room(M * N, sizeof *rounded), *single = room(M * N, sizeof *single);
    const shape large = {false, true, M, N, K, 0}, narrow = {false, true, M, 10, K, 0};
    multiply(large, a, b, 0.0F, rounded);
    assert_ok(trb_precision_set(TRB_PRECISION_F32));
    multiply(large, a, b, 0.0F, single);
    double difference = 0.0;
    for (size_t i = 0; i < M * N; i++) difference += fabs((double)rounded[i] - (double)single[i]) / (M * N);
    assert_true(difference > 1e-3 && difference < 1e-1); /* sqrt(K) products, each wrong by some 2^-9 */
    multiply(narrow, a, b, 0.0F, single);
    assert_ok(trb_precision_set(TRB_PRECISION_BF16));
    multiply(narrow, a, b, 0.0F, rounded);
    assert_memory_equal(rounded, single, M * 10 * sizeof *single);
    assert_ok(trb_precision_set(TRB_PRECISION_F32));
    trb_free(a), trb_free(b), trb_free(rounded), trb_free(single);
}

/* (A B)^T = B^T A^T, within twice the bound above; needs no reference. */
static void transposition_swaps_the_factors(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        const shape s = {false, false, sizes[i][0], sizes[i][1], sizes[i][2], 0};
        const shape t = {true, true, s.n, s.m, s.k, 0}; /* reads the same A and B */
        float *a = normals(s.m * s.k, 1.0F, 1), *b = normals(s.k * s.n, 1.0F, 2);
        float *c = room(s.m * s.n, sizeof *c), *d = room(s.m * s.n, sizeof *d);
        multiply(s, a, b, 0.0F, c);
        multiply(t, b, a, 0.0F, d);
        for (size_t r = 0; r < s.m; r++) {
            for (size_t q = 0; q < s.n; q++) {
                double magnitude = 0.0;
                for (size_t l = 0; l < s.k; l++) magnitude += fabs((double)a[r * s.k + l] * (double)b[l * s.n + q]);
                assert_near((double)c[r * s.n + q], (double)d[q * s.m + r], 2.0 * (double)s.k * ROUNDING * magnitude);
            }
        }
        trb_free(a), trb_free(b), trb_free(c), trb_free(d);
    }
}

/* A lane's buffers may begin anywhere. */
static void bits_do_not_depend_on_alignment(void **state)
{
    (void)state;
    enum { OFFSETS = 16 };
    for (size_t i = 0; i < N_SIZES; i++) {
        for (int variant = 0; variant < 8; variant += brief() ? 3 : 1) {
            const shape s = {variant & 1, variant & 2, sizes[i][0], sizes[i][1], sizes[i][2], 0};
            const size_t na = s.m * s.k, nb = s.k * s.n, nc = s.m * s.n;
            const float beta = variant & 4 ? 1.0F : 0.0F;
            float *a = normals(na, 1.0F, 1), *b = normals(nb, 1.0F, 2), *c = normals(nc, 1.0F, 3);
            float *a2 = room(na + OFFSETS, sizeof *a), *b2 = room(nb + OFFSETS, sizeof *b);
            float *c2 = room(nc + OFFSETS, sizeof *c), *first = room(nc, sizeof *first);
            memcpy(first, c, nc * sizeof *c);
            multiply(s, a, b, beta, first);
            for (size_t o = 1; o < OFFSETS; o += brief() ? 7 : 1) {
                float *ao = memcpy(a2 + o, a, na * sizeof *a), *bo = memcpy(b2 + (5 * o) % OFFSETS, b, nb * sizeof *b);
                float *co = memcpy(c2 + (3 * o) % OFFSETS, c, nc * sizeof *c);
                multiply(s, ao, bo, beta, co);
                assert_memory_equal(co, first, nc * sizeof *c);
            }
            trb_free(a), trb_free(b), trb_free(c), trb_free(a2), trb_free(b2), trb_free(c2), trb_free(first);
        }
    }
}

static void errors_are_told(void **state)
{
    (void)state;
    float x = 0.0F;
    assert_fails(trb_gemm(false, false, (size_t)1 << 31, 1, 1, &x, 1, &x, 1, 0.0F, &x, 1), TRB_ECONFIG, "2147483648");
    assert_fails(trb_gemm(false, false, 1, 1, 1, &x, 1, &x, 1, 0.0F, &x, (size_t)1 << 40), TRB_ECONFIG,
                 "1099511627776");
    assert_fails(trb_blas_open(0), TRB_ECONFIG, "got 0");
}

static void nothing_is_computed_before_opening(void **state)
{
    (void)state;
    float x = 0.0F;
    assert_string_equal(trb_blas_name(), "");
    assert_fails(trb_gemm(false, false, 1, 1, 1, &x, 1, &x, 1, 0.0F, &x, 1), TRB_EINTERNAL, "trb_blas_open");
}

/* The library can be loaded once a process only, hence the child. */
static void a_user_may_choose_the_kernels(void **state)
{
    (void)state;
#if defined(__x86_64__)
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("OPENBLAS_CORETYPE", "Sandybridge", 1);
        _exit(trb_blas_open(1) == TRB_OK && strstr(trb_blas_name(), " Sandybridge, ") != NULL ? 0 : 1);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
#endif
}

static void the_name_says_kernels_and_threads(void **state)
{
    (void)state;
    assert_ok(trb_blas_open(2));
    assert_int_equal(strncmp(trb_blas_name(), "OpenBLAS ", strlen("OpenBLAS ")), 0);
    assert_non_null(strstr(trb_blas_name(), ", oneDNN "));
    assert_non_null(strstr(trb_blas_name(), ", 2 threads"));
    assert_ok(trb_blas_open(1));
    assert_non_null(strstr(trb_blas_name(), ", 1 thread"));
    assert_null(strstr(trb_blas_name(), "threads"));
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        assert_non_null(strstr(trb_blas_name(), " SkylakeX, "));
#endif
}

int main(void)
{
    (void)unsetenv("OPENBLAS_CORETYPE");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_computed_before_opening),
        cmocka_unit_test(a_user_may_choose_the_kernels),
        cmocka_unit_test(the_name_says_kernels_and_threads),
        cmocka_unit_test(all_shapes_match_the_reference),
        cmocka_unit_test(all_shapes_match_the_reference_in_bfloat16),
        cmocka_unit_test(transposition_swaps_the_factors),
        cmocka_unit_test(bits_do_not_depend_on_alignment),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
