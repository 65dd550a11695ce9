/* Matrix products (blas.h): loading OpenBLAS with the right kernels, and choosing the library and the pieces for each
 * product. */
#include "tribikos/blas.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include <dnnl.h>
#include <omp.h>

#include "gemm_bf16.h"
#include "onednn.h"
#include "tribikos/memory.h"
#include "tribikos/precision.h"

/* OpenBLAS is loaded by dlopen(). With cblas.h its functions would have to be linked; these few declarations are
 * enough. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
typedef void set_threads_fn(int threads);
typedef int get_threads_fn(void);
typedef char *text_fn(void);

static sgemm_fn *sgemm;
static set_threads_fn *set_threads;
static get_threads_fn *get_threads;
static text_fn *corename, *config;
static char libraries[120], names[TRB_PRECISION_BF16 + 1][160];

#if defined(__x86_64__)
/* OpenBLAS takes a processor that is newer than itself for an old one. Every processor with these five features can run
 * the SkylakeX kernels, which are up to twice as fast as the Haswell ones. */
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}

/* Checks the user's choice, because the library does not check whether the processor can run it. */
static trb_status choose_kernels(void)
{
    static const struct {
        const char *core;
        bool avx512;
    } known[] = {
        {"Haswell", false}, {"Zen", false}, {"SkylakeX", true}, {"Cooperlake", true}, {"SapphireRapids", true}};
    const char *asked = getenv("OPENBLAS_CORETYPE");
    if (asked == NULL && has_avx512()) (void)setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    for (size_t i = 0; asked != NULL && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(asked, known[i].core) == 0 &&
            !(known[i].avx512 ? has_avx512() : __builtin_cpu_supports("avx2") != 0))
            return trb_fail(TRB_ECONFIG,
                            "OPENBLAS_CORETYPE=%s: these kernels need %s, which this processor lacks; unset it", asked,
                            known[i].avx512 ? "AVX-512" : "AVX2");
    return TRB_OK;
}
#else
static trb_status choose_kernels(void)
{
    return TRB_OK;
}
#endif

/* The library allocates this much for each thread at the thread's first product. If it is refused, the library retries
 * for ever (0.3.21 to 0.3.29, x86-64 and arm64). malloc() in a thread takes as much again if it can. */
static const size_t buffer_bytes = (size_t)129 << 20;

static size_t address_space(int threads)
{
    return (2 * (size_t)threads - 1) * buffer_bytes;
}

/* Reserves the address space of the buffers while the library is loaded, which takes more; it is freed just before the
 * buffers are allocated. So a limit that is too low gives an error here. */
static trb_status hold_address_space(int threads, void **out)
{
    const size_t bytes = address_space(threads);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return trb_fail(TRB_ENOMEM,
                        "OpenBLAS cannot reserve the %zu MB that its buffers take with %d thread%s: %s; raise the "
                        "limit on the address space (ulimit -v, or the queue's), or lower math.threads",
                        bytes >> 20, threads, threads == 1 ? "" : "s", strerror(errno));
    *out = at;
    return TRB_OK;
}

trb_status trb_blas_room(size_t more)
{
    void *held = NULL, *rest = NULL;
    TRB_TRY(hold_address_space(1, &held));
    rest = mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)munmap(held, address_space(1));
    if (rest == MAP_FAILED)
        return trb_fail(
            TRB_ENOMEM,
            "the address space has no room for %zu MB beside OpenBLAS's buffers: %s; raise the limit on the "
            "address space (ulimit -v, or the queue's)",
            more >> 20, strerror(errno));
    (void)munmap(rest, more);
    return TRB_OK;
}

static void *wait_for(void *mutex)
{
    (void)pthread_mutex_lock(mutex);
    (void)pthread_mutex_unlock(mutex);
    return NULL;
}

/* Checks that so many threads can be started: the library would wait for ever for one that could not. */
static trb_status probe_threads(int threads)
{
    pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *thread = NULL;
    int n = 1, why = 0; /* threads so far; this one is the first */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)threads, sizeof *thread, &thread));
    (void)pthread_mutex_lock(&hold);
    while (why == 0 && n < threads) {
        why = pthread_create(&thread[n], NULL, wait_for, &hold);
        n += why == 0;
    }
    (void)pthread_mutex_unlock(&hold);
    for (int i = 1; i < n; i++) (void)pthread_join(thread[i], NULL);
    trb_free(thread);
    if (why == 0) return TRB_OK;
    return trb_fail(TRB_ENOMEM,
                    "math.threads: only %d of %d BLAS threads can be started: %s; raise the limit on processes "
                    "(ulimit -u) or on the address space (ulimit -v), or lower math.threads",
                    n, threads, strerror(why));
}

/* Makes each thread allocate its buffer now, by a product of 128 rows a thread. Smaller products the library computes
 * without buffers, or on fewer threads. */
static trb_status take_buffers(int threads)
{
    enum { SIDE = 128 };
    const int rows = SIDE * threads;
    float *zeros = NULL; /* A, B and C */
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)(2 * rows + SIDE) * SIDE, sizeof *zeros, &zeros));
    sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, rows, SIDE, SIDE, 1.0F, zeros, SIDE, zeros + rows * SIDE, SIDE, 0.0F,
          zeros + (rows + SIDE) * SIDE, SIDE);
    trb_free(zeros);
    return TRB_OK;
}

static trb_status load(int threads)
{
    static const char *const places[] = {TRB_OPENBLAS, "libopenblas.so.0"};
    char count[16];
    (void)snprintf(count, sizeof count, "%d", threads);
    (void)setenv("OPENBLAS_NUM_THREADS", count, 1); /* otherwise the library starts one thread a core when it loads */
    TRB_TRY(choose_kernels());

    void *library = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places && library == NULL; i++)
        library = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return trb_fail(TRB_EIO,
                        "OpenBLAS cannot be loaded: %s; install it (Debian: libopenblas0) or set LD_LIBRARY_PATH",
                        dlerror());
    sgemm_fn *gemm = (sgemm_fn *)dlsym(library, "cblas_sgemm");
    set_threads = (set_threads_fn *)dlsym(library, "openblas_set_num_threads");
    get_threads = (get_threads_fn *)dlsym(library, "openblas_get_num_threads");
    corename = (text_fn *)dlsym(library, "openblas_get_corename");
    config = (text_fn *)dlsym(library, "openblas_get_config");
    if (gemm == NULL || set_threads == NULL || get_threads == NULL || corename == NULL || config == NULL)
        return trb_fail(TRB_EIO, "the OpenBLAS found (%s) lacks a function: %s", TRB_OPENBLAS, dlerror());
    /* Without this the environment variable ONEDNN_DEFAULT_FPMATH_MODE could make oneDNN round float32 operands. */
    if (dnnl_set_default_fpmath_mode(dnnl_fpmath_mode_strict) != dnnl_success)
        return trb_fail(TRB_EINTERNAL, "oneDNN refuses strict single precision");
    sgemm = gemm; /* set last, because it shows that the library is loaded */
    return TRB_OK;
}

/* Writes the names of everything that bits depend on. */
static void describe(int threads)
{
    const dnnl_version_t *v = dnnl_version();
    const char *openblas = config(); /* its first words are name and version */
    const size_t version = strcspn(openblas, " ") + 1;
    (void)snprintf(libraries, sizeof libraries, "%.*s %s, oneDNN %d.%d.%d isa 0x%x%s",
                   (int)(version + strcspn(openblas + version, " ")), openblas, corename(), v->major, v->minor,
                   v->patch, (unsigned)dnnl_get_effective_cpu_isa(),
                   trb__pads_wrongly() ? " without padded weights" : "");
    for (int p = 0; p <= TRB_PRECISION_BF16; p++)
        (void)snprintf(names[p], sizeof names[p], "%s, %d thread%s%s", libraries, threads, threads == 1 ? "" : "s",
                       p == TRB_PRECISION_BF16 ? ", bf16" : "");
}

/* Checks the number of threads, because bits depend on it and the environment may limit it silently. */
static trb_status expect_threads(int threads)
{
    int got = get_threads();
    if (got != threads)
        return trb_fail(TRB_ECONFIG, "math.threads: expected %d threads, got %d of OpenBLAS; set it to %d", threads,
                        got, got);
#pragma omp parallel
#pragma omp single
    got = omp_get_num_threads();
    if (got == threads) return TRB_OK;
    return trb_fail(TRB_ECONFIG,
                    "math.threads: expected %d threads, got %d of OpenMP; unset OMP_THREAD_LIMIT and "
                    "OMP_MAX_ACTIVE_LEVELS, or set it to %d",
                    threads, got, got);
}

trb_status trb_blas_open(int threads)
{
    if (threads < 1) return trb_fail(TRB_ECONFIG, "BLAS threads a rank: expected at least 1, got %d", threads);
    void *held = NULL;
    TRB_TRY(probe_threads(threads));
    TRB_TRY(hold_address_space(threads, &held));
    const trb_status st = sgemm == NULL ? load(threads) : TRB_OK;
    (void)munmap(held, address_space(threads));
    TRB_TRY(st);
    set_threads(threads);
    omp_set_dynamic(0); /* with OMP_DYNAMIC the number of threads would depend on the load of the machine */
    omp_set_num_threads(threads);
    TRB_TRY(expect_threads(threads));
    describe(threads);
    return take_buffers(threads);
}

void trb_blas_close(void)
{
    trb__gemm_bf16_release();
}

const char *trb_blas_name(void)
{
    return names[trb_precision_get()];
}

const char *trb_blas_libraries(void)
{
    return libraries;
}

/* Which library computes a product, and in which pieces, depends on the shape alone, so that the same product always
 * has the same bits.
 *
 * Measured on one core of a Zen 4 (AVX-512, at best 118 GFLOP/s; OpenBLAS 0.3.21 as SkylakeX, oneDNN 2.6) on some 300
 * shapes of layers, 1 to 1024 rows. Numbers are GFLOP/s of OpenBLAS/oneDNN; N (plain) and T (transposed) are op(A),
 * op(B):
 *   - OpenBLAS has kernels that do not pack operands, for at most a million multiplications and, for NT, at most 1200
 *     results: 128x200x10 NN 99/83, 10x200x128 TN 100/97, 32x10x200 NT 94/32, 128x50x50 NN 105/77. A narrow NT product
 *     of many rows is cut into pieces that fit: 128x10x200 48/45, in pieces 86.
 *   - Above that oneDNN is faster for NN and TN: 32x200x200 NN 90/107, 128x784x200 NN 105/115, 4000x200x128 TN 94/102,
 *     128x200x4000 NN 89/103.
 *   - For NT it is faster from 128 columns (32x200x784 80/92, 128x400x200 100/110, 8x512x784 37/75; but 128x100x784
 *     95/84) to 1000. A wider product is cut into panels. The best panel has a multiple of 48 columns, the width of the
 *     kernel, and its rows of B fit into the second-level cache with room to spare (32x4000x200 72/59, in panels of 384
 *     columns 82; 128x4000x200 77/82, in panels 97; all with B not in that cache before).
 *
 * Measured again on one core of a Zen 5 (at best 250 GFLOP/s) on 30 of these shapes, with this pair and with OpenBLAS
 * 0.3.29 and oneDNN 3.7.2. Each library has the same rate in both versions, within 4 %, or 7 % for four shapes, so one
 * rule serves both: 128x200x10 NN 208/194 with the newer pair, 32x10x200 NT 186/67, 32x200x200 NN 164/235,
 * 4000x200x128 TN 214/232, 32x200x784 NT 132/188, 128x100x784 NT 187/180, 32x4000x200 NT 103/55 and in panels 109. */
enum { UNPACKED_PRODUCT = 1000000, UNPACKED_DOTS = 1200, NARROW = 32, MIDDLING = 128, WIDE = 1024, PANEL = 384 };

static bool openblas_leads(bool dots, size_t m, size_t n, size_t k)
{
    const bool unpacked = (double)m * (double)n * (double)k <= UNPACKED_PRODUCT;
    return dots ? (unpacked && m * n <= UNPACKED_DOTS && k >= NARROW) || (n < MIDDLING && m > 8) : unpacked;
}

/* The size of the pieces, in rows and columns of C. */
static void cut(bool dots, size_t m, size_t n, size_t k, size_t *rows, size_t *columns)
{
    *rows = m;
    *columns = n;
    if (dots && n > WIDE) *columns = PANEL;
    if (dots && n <= NARROW && k >= NARROW && k <= UNPACKED_PRODUCT / UNPACKED_DOTS) *rows = UNPACKED_DOTS / n;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

trb_status trb_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                    size_t ldb, float beta, float *c, size_t ldc)
{
    int ik, ilda, ildb, ildc, fits;
    TRB_TRY(trb_to_int(m, &fits)); /* checked here, because only pieces of it are converted below */
    TRB_TRY(trb_to_int(n, &fits));
    TRB_TRY(trb_to_int(k, &ik));
    TRB_TRY(trb_to_int(lda, &ilda));
    TRB_TRY(trb_to_int(ldb, &ildb));
    TRB_TRY(trb_to_int(ldc, &ildc));
    if (sgemm == NULL) return trb_fail(TRB_EINTERNAL, "a matrix product before trb_blas_open()");
    if (trb_precision_get() == TRB_PRECISION_BF16 && beta == 0.0F && trb__gemm_bf16_leads(ta, m, n, k))
        return trb__gemm_bf16(ta, tb, m, n, k, a, lda, b, ldb, c, ldc);
    const bool dots = tb && !ta; /* rows of A times rows of B */
    size_t rows, columns;
    cut(dots, m, n, k, &rows, &columns);
    for (size_t i = 0; i < m; i += rows) {
        for (size_t j = 0; j < n; j += columns) {
            const int im = (int)least(rows, m - i), in = (int)least(columns, n - j);
            const float *a_i = a + i * (ta ? 1 : lda), *b_j = b + j * (tb ? ldb : 1);
            float *c_ij = c + i * ldc + j;
            if (openblas_leads(dots, (size_t)im, (size_t)in, k)) {
                sgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, im, in, ik, 1.0F, a_i, ilda, b_j, ildb,
                      beta, c_ij, ildc);
                continue;
            }
            const dnnl_status_t st =
                dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', im, in, ik, 1.0F, a_i, ilda, b_j, ildb, beta, c_ij, ildc);
            if (st != dnnl_success)
                return trb_fail(TRB_EINTERNAL,
                                "oneDNN refuses a product of %zu x %zu x %zu (strides %zu, %zu, %zu): %d", m, n, k, lda,
                                ldb, ldc, (int)st);
        }
    }
    return TRB_OK;
}
