/* Cached logits that a node's ranks hold together: what a reader of one's own serves, each shard read by one of
 * them. */
#include <sys/resource.h>

#include "mpi/scene.h"

#include "../../src/stages/reading.h"

#include "mpi/opens.h"
#include "tribikos/shard.h"

enum { ROWS_IN_CACHE = 500, K = 5, M = 4, V = 2, SHARD = 128, SHARDS = 4, ROWS = 12, STEPS = 9 };
enum { LOTS = 1 << 24 };
static const trb_selection all_members = {TRB_SHARD_LOGITS, V, 0, M};

static char folder[] = "/tmp/trb-node-XXXXXX";

static float logit(size_t v, size_t m, size_t n, size_t k)
{
    return (float)((v * 977 + m * 131 + n * 17 + k * 5) % 2039) / 16 - 60;
}

static trb_cache *make(trb_comm *w, trb_dtype dtype)
{
    static const trb_view view[V] = {{"identity", 0, false}, {"flip", 11, false}};
    static const uint64_t digest[M] = {5, 6, 7, 8};
    static int32_t label[ROWS_IN_CACHE];
    const trb_cache_spec spec = {.dtype = dtype,
                                 .N = ROWS_IN_CACHE,
                                 .K = K,
                                 .M = M,
                                 .V = V,
                                 .block = 32,
                                 .shard_rows = SHARD,
                                 .member_digest = digest,
                                 .view = view,
                                 .label = label};
    (void)strcpy(folder, "/tmp/trb-node-XXXXXX");
    if (trb_comm_rank(w) == 0) {
        uint64_t payload[V * M * SHARDS];
        CHECK(mkdtemp(folder) != NULL && trb_cache_units(&spec) == V * M * SHARDS);
        for (size_t i = 0; i < trb_cache_units(&spec); i++) {
            const trb_cache_unit u = trb_cache_unit_at(&spec, i);
            float rows[SHARD * K];
            trb_shard *s = NULL;
            for (size_t r = 0; r < u.rows * K; r++) rows[r] = logit(u.view, u.member, u.first_row + r / K, r % K);
            CHECK(trb_shard_create(folder, &spec, i, &s) == TRB_OK && trb_shard_write(s, u.rows, rows) == TRB_OK);
            CHECK(trb_shard_publish(s, &payload[i]) == TRB_OK);
        }
        CHECK(trb_manifest_publish(folder, &spec, payload, "none", "") == TRB_OK);
    }
    CHECK(trb_comm_bcast(w, folder, sizeof folder, 0) == TRB_OK);
    trb_cache *c = NULL;
    CHECK(trb_cache_open(folder, &c) == TRB_OK);
    return c;
}

static void unmake(trb_comm *w, trb_cache *c)
{
    trb_cache_close(c);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    if (trb_comm_rank(w) == 0) CHECK(system(command) == 0); /* NOLINT(cert-env33-c): the name is ours */
}

/* Every rank another plan. */
static void serve(trb_comm *w, trb_reader *r, size_t m0, size_t m_count, size_t rows)
{
    int64_t sample[STEPS * ROWS];
    uint16_t view[STEPS * ROWS];
    const float *t = NULL;
    unsigned seed = 1 + (unsigned)trb_comm_rank(w);
    for (size_t i = 0; i < STEPS * rows; i++) {
        sample[i] = rand_r(&seed) % ROWS_IN_CACHE;
        view[i] = (uint16_t)(rand_r(&seed) % V);
    }
    CHECK(trb_reader_plan(r, STEPS, sample, view) == TRB_OK);
    for (size_t s = 0; s < STEPS; s++) {
        CHECK(trb_reader_next(r, &t) == TRB_OK);
        for (size_t i = 0; i < rows * m_count * K; i++) {
            const size_t row = s * rows + i / (m_count * K);
            CHECK(t[i] == logit(view[row], m0 + i / K % m_count, (size_t)sample[row], i % K));
        }
    }
    CHECK(trb_reader_plan(r, 0, NULL, NULL) == TRB_OK);
}

static size_t bytes(trb_dtype dtype, size_t m_count)
{
    return V * ROWS_IN_CACHE * m_count * K * trb_dtype_bytes(dtype);
}

static void kept_once(trb_comm *w)
{
    for (int half = 0; half < 2; half++) {
        const trb_dtype dtype = half ? TRB_F16 : TRB_F32;
        trb_cache *c = make(w, dtype);
        trb__reading r;
        const size_t before = trb_mem_bytes(TRB_MEM_CACHE), step = ROWS * M * K * sizeof(float);
        CHECK(trb__reading_open(w, 0, c, all_members, ROWS, LOTS, &r) == TRB_OK);
        CHECK(!trb_reader_streams(r.reader) && (r.block != NULL) == (trb_comm_size(w) > 1));
        CHECK(trb_mem_bytes(TRB_MEM_CACHE) - before == step + (trb_comm_rank(w) == 0 ? bytes(dtype, M) : 0));
        serve(w, r.reader, 0, M, ROWS);
        CHECK(trb__reading_close(&r) == TRB_OK);
        unmake(w, c);
    }
}

/* Each reading opens a file twice: the store looks at what it is, and HDF5 reads it. */
enum { OPENS = 2 };

/* One colour reads the first member alone, the other the last two, and those shards are all that it opens. The last
 * rank has no rows, and another rank fewer than the others. */
static void colours_read_their_members(trb_comm *w)
{
    const int r = trb_comm_rank(w), P = trb_comm_size(w), color = r % 2;
    const size_t m0 = color == 0 ? 0 : 2, m_count = color == 0 ? 1 : 2;
    const size_t rows = P > 1 && r == P - 1 ? 0 : r == 1 ? ROWS / 2 : ROWS;
    trb_cache *c = make(w, TRB_F32);
    trb__reading reading;
    opens_begin();
    CHECK(trb__reading_open(w, color, c, (trb_selection){TRB_SHARD_LOGITS, V, m0, m_count}, rows, LOTS, &reading) ==
          TRB_OK);
    const int count = opens_of(".h5") / OPENS;
    CHECK((reading.reader == NULL) == (rows == 0));
    CHECK(rows > 0 || count == 0);
    if (rows > 0) serve(w, reading.reader, m0, m_count, rows);
    CHECK(trb__reading_close(&reading) == TRB_OK);
    double mine[2] = {0.0, 0.0}, all[2 * 8], opened[2] = {0.0, 0.0};
    mine[color] = count;
    CHECK(trb_comm_allgather(w, mine, 2, all) == TRB_OK);
    for (int i = 0; i < 2 * P; i++) opened[i % 2] += all[i];
    CHECK((int)opened[0] == V * SHARDS && (int)opened[1] == (P > 2 ? 2 * V * SHARDS : 0));
    unmake(w, c);
}

/* Each shard is read by one rank, whether to keep it or to know that it is good. */
static void each_shard_is_read_once(trb_comm *w)
{
    trb_cache *c = make(w, TRB_F32);
    for (int streams = 0; streams < 2; streams++) {
        trb__reading r;
        opens_begin();
        CHECK(trb__reading_open(w, 0, c, all_members, ROWS, streams ? bytes(TRB_F32, M) / 6 : LOTS, &r) == TRB_OK);
        CHECK(trb_reader_streams(r.reader) == (streams == 1));
        for (size_t i = 0; i < V * M * SHARDS; i++) {
            char name[64];
            (void)snprintf(name, sizeof name, "v%02zu/m%03zu-s%05zu.h5", i / (M * SHARDS), i / SHARDS % M, i % SHARDS);
            CHECK(opens_of(name) == OPENS * ((int)i % trb_comm_size(w) == trb_comm_rank(w)));
        }
        CHECK(trb__reading_close(&r) == TRB_OK);
    }
    unmake(w, c);
}

/* What one rank may not keep alone, several may keep together: to the byte. */
static void ranks_put_their_memory_together(trb_comm *w)
{
    const size_t P = (size_t)trb_comm_size(w), all = bytes(TRB_F32, M), step = ROWS * M * K * sizeof(float);
    const size_t least = (all + P - 1) / P + step;
    trb_cache *c = make(w, TRB_F32);
    for (size_t less = 0; less < 2; less++) {
        trb__reading r;
        CHECK(trb__reading_open(w, 0, c, all_members, ROWS, least - less, &r) == TRB_OK);
        CHECK(trb_reader_streams(r.reader) == (less == 1));
        serve(w, r.reader, 0, M, ROWS);
        CHECK(trb__reading_close(&r) == TRB_OK);
    }
    unmake(w, c);
}

/* Without memory to share every rank keeps what it may, or streams, as alone. */
static void each_keeps_its_own(trb_comm *w)
{
    struct rlimit limit, less;
    trb_cache *c = make(w, TRB_F32);
    for (int streams = 0; streams < 2; streams++) {
        trb__reading r;
        CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
        less = (struct rlimit){.rlim_cur = 1000, .rlim_max = limit.rlim_max};
        CHECK(setrlimit(RLIMIT_FSIZE, &less) == 0);
        CHECK(trb__reading_open(w, 0, c, all_members, ROWS, streams ? bytes(TRB_F32, M) : LOTS, &r) == TRB_OK);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHECK(r.block == NULL && trb_reader_streams(r.reader) == (streams == 1));
        serve(w, r.reader, 0, M, ROWS);
        CHECK(trb__reading_close(&r) == TRB_OK);
    }
    unmake(w, c);
}

static void a_damaged_shard_fails_all(trb_comm *w)
{
    static const char *const names[] = {"v00/m000-s00000.h5", "v00/m002-s00003.h5", "v01/m003-s00002.h5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        trb_cache *c = make(w, TRB_F32);
        char path[64], wanted[128];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)snprintf(wanted, sizeof wanted, "%s: the shard is missing", path);
        if (trb_comm_rank(w) == 0) CHECK(unlink(path) == 0);
        CHECK(trb_comm_barrier(w) == TRB_OK);
        for (int streams = 0; streams < 2; streams++) {
            trb__reading r;
            CHECK(trb__reading_open(w, 0, c, all_members, ROWS, streams ? bytes(TRB_F32, M) / 6 : LOTS, &r) ==
                  TRB_EINTEGRITY);
            CHECK(strstr(trb_fail_message(), wanted) != NULL && r.reader == NULL && r.block == NULL);
            trb_fail_clear();
        }
        unmake(w, c);
    }
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {scene_begin,
                              kept_once,
                              colours_read_their_members,
                              each_shard_is_read_once,
                              ranks_put_their_memory_together,
                              each_keeps_its_own,
                              a_damaged_shard_fails_all};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
