/** What tests of numbers share: comparing, random inputs, golden files, the balance at the end. */
#ifndef TRB_TEST_NUMBERS_H
#define TRB_TEST_NUMBERS_H

#include "asserts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tribikos/blas.h"
#include "tribikos/h5.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/precision.h"
#include "tribikos/rng.h"

/** Half a unit in the last place of 1.0F: the relative error of one rounding. */
#define ROUNDING 0x1p-24

#define assert_near(got, expected, tolerance) assert_near_at((got), (expected), (tolerance), "", 0, __FILE__, __LINE__)
static inline void assert_near_at(double got, double expected, double tolerance, const char *what, size_t i,
                                  const char *file, int line)
{
    if (fabs(got - expected) <= tolerance) return; /* not with a NaN */
    print_error("%s[%zu]: got %.9g, expected %.9g within %.3g\n", what, i, got, expected, tolerance);
    _fail(file, line);
}

/** One head on the mean of all members, with dz as the place of the soft targets. */
static inline trb_status loss_kd_mean(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z,
                                      const float *t, double *loss, float *dz)
{
    TRB_TRY(trb_soft_targets(rows, M, M, K, T, t, dz));
    return trb_loss_soft(rows, K, batch, T, z, dz, loss, dz);
}

/** Each of n singles is within `tolerance` times the largest expected magnitude. */
#define assert_all_near(n, got, expected, tolerance)                                                                   \
    assert_all_near_at((n), (got), (expected), (tolerance), #got, __FILE__, __LINE__)
static inline void assert_all_near_at(size_t n, const float *got, const double *expected, double tolerance,
                                      const char *what, const char *file, int line)
{
    double largest = 0.0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(expected[i]));
    assert_true(largest > 0.0);
    for (size_t i = 0; i < n; i++)
        assert_near_at((double)got[i], expected[i], tolerance * largest, what, i, file, line);
}

/** Room for `count` items of `size` bytes. (Not inlined, because GCC 12 then takes the block for a local of this
 * function.) */
__attribute__((noinline, unused)) static void *room(size_t count, size_t size)
{
    void *block = NULL;
    assert_ok(trb_alloc(TRB_MEM_OTHER, count, size, &block));
    return block;
}

/** n normal numbers times `scale`, the same for the same stream number. */
static inline float *normals(size_t n, float scale, uint64_t stream)
{
    float *x = room(n, sizeof *x);
    trb_rng rng = trb_rng_open(7, TRB_USE_TEST, 0, 0, stream);
    for (size_t i = 0; i < n; i++) x[i] = scale * trb_rng_normal(&rng);
    return x;
}

/** A golden file (tools/develop/golden_torch.py); the folder is TRB_GOLDEN. */
static inline trb_h5 *golden_open(const char *name)
{
    const char *folder = getenv("TRB_GOLDEN");
    char path[1024];
    trb_h5 *h = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", folder == NULL ? "tests/golden" : folder, name);
    assert_ok(trb_h5_open(path, &h));
    return h;
}

/** A whole data set of `type`, which must hold `count` items. */
static inline void *golden_read(trb_h5 *h, const char *name, trb_dtype type, size_t count)
{
    trb_h5_shape shape;
    assert_ok(trb_h5_describe(h, name, &shape));
    size_t found = 1;
    for (size_t i = 0; i < shape.ndim; i++) found *= shape.dim[i];
    assert_int_equal(shape.type, type);
    assert_int_equal(found, count);
    void *values = room(count, trb_dtype_bytes(type));
    assert_ok(trb_h5_read_rows(h, name, type, 0, shape.dim[0], values));
    return values;
}

static inline double golden_number(trb_h5 *h, const char *name)
{
    double *values = golden_read(h, name, TRB_F64, 1), value = values[0];
    trb_free(values);
    return value;
}

/** The setup of a program that multiplies. */
static inline int open_blas(void **state)
{
    (void)state;
    return trb_blas_open(1);
}

/** Compute in bfloat16 from here on; the test is skipped where the processor cannot. */
static inline void bfloat16_or_skip(void)
{
    if (trb_precision_set(TRB_PRECISION_BF16) != TRB_OK) {
        assert_non_null(strstr(trb_fail_message(), "math.precision"));
        trb_fail_clear();
        skip();
    }
    assert_non_null(strstr(trb_blas_name(), ", bf16"));
}

/** The last test of a program. */
static inline void nothing_is_held(void **state)
{
    (void)state;
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
}

#endif
