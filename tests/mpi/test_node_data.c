/* A data set that a node's ranks read together: what one rank would read, each file opened by one of them. */
#include <sys/resource.h>

#include "mpi/scene.h"

#include "mpi/opens.h"

enum { UNITS = 4 };
static const size_t rows_of[UNITS] = {3, 1, 7, 2};

static char config[4096];

/* idx: x0, y0 ... x3, y3; \param[in] side  of unit 2 */
static void write_units(const scene *of, uint8_t side)
{
    for (size_t u = 0; u < UNITS; u++) {
        const uint8_t s = u == 2 ? side : SIDE, n = (uint8_t)rows_of[u];
        const uint8_t x_head[16] = {0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, s, 0, 0, 0, s};
        const uint8_t y_head[8] = {0, 0, 8, 1, 0, 0, 0, n};
        uint8_t x[10 * 64], y[10];
        char name[8];
        for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 37 + u * 11);
        for (size_t i = 0; i < sizeof y; i++) y[i] = (uint8_t)(i + 2 * u);
        (void)snprintf(name, sizeof name, "x%zu", u);
        scene_put(of->folder, name, x_head, sizeof x_head, x, (size_t)n * s * s);
        (void)snprintf(name, sizeof name, "y%zu", u);
        scene_put(of->folder, name, y_head, sizeof y_head, y, n);
    }
}

static void begin(trb_comm *w, uint8_t side, const char *train, const char *test, scene *of)
{
    scene_make(w, of);
    if (trb_comm_rank(w) == 0) write_units(of, side);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    (void)snprintf(config, sizeof config,
                   "run: {dir: %s/run}\ndata: {root: %s, train: [%s], test: [%s], validation: 4}\n"
                   "train: {layers: [dense 36]}\nstudents: []\n",
                   of->folder, of->folder, train, test);
    CHECK(trb_config_parse("scene", config, 0, NULL, &of->c) == TRB_OK);
}

static void read_alone(const scene *of, size_t n_files, char *const *files, trb_data *d)
{
    const trb_data_files all = {.root = of->folder, .n_files = n_files, .files = files};
    CHECK(trb_data_load(&all, d) == TRB_OK);
}

static const char *const four = "x0, y0, x1, y1, x2, y2, x3, y3";

static void same(const trb_data *a, const trb_data *b)
{
    const size_t D_ = trb_shape_size(a->shape);
    CHECK(a->n == b->n && a->type == b->type && trb_shape_same(a->shape, b->shape) && a->classes == b->classes);
    CHECK(a->digest == b->digest && memcmp(a->x, b->x, a->n * D_) == 0);
    CHECK(memcmp(a->label, b->label, a->n * sizeof *a->label) == 0);
}

static void the_set_is_what_one_would_read(trb_comm *w)
{
    scene of;
    trb_data alone;
    const int P = trb_comm_size(w);
    begin(w, SIDE, four, "x3, y3, x1, y1", &of);
    read_alone(&of, of.c->data.n_train, of.c->data.train, &alone);
    CHECK(trb__dataset_load(w, of.c, TRB_LABELS_NEEDED, &of.s) == TRB_OK);
    same(&of.s.data, &alone);
    CHECK((of.s.block != NULL) == (P > 1));
    CHECK(trb_data_normalize(&alone, of.c->data.normalize, of.s.n_train, of.s.train) == TRB_OK);
    CHECK(memcmp(alone.mean, of.s.data.mean, sizeof(float)) == 0);
    CHECK(memcmp(alone.scale, of.s.data.scale, sizeof(float)) == 0);
    trb_data_clear(&alone);

    trb__dataset test;
    read_alone(&of, of.c->data.n_test, of.c->data.test, &alone);
    CHECK(trb__dataset_load_test(w, of.c, &of.s, &test) == TRB_OK);
    same(&test.data, &alone);
    CHECK(memcmp(test.data.mean, of.s.data.mean, sizeof(float)) == 0);
    trb_data_clear(&alone);
    trb__dataset_clear(&test);
    scene_strike(w, &of);
}

/* Held once: all ranks but the first hold ids and constants alone. */
static void it_is_held_once(trb_comm *w)
{
    scene of;
    begin(w, SIDE, four, "x0, y0", &of);
    const size_t before = trb_mem_bytes(TRB_MEM_DATA);
    CHECK(trb__dataset_load(w, of.c, TRB_LABELS_NEEDED, &of.s) == TRB_OK);
    const size_t n = 3 + 1 + 7 + 2, values = n * D + 64 + n * sizeof(int32_t), ids = n * sizeof(int64_t);
    const size_t mine = trb_mem_bytes(TRB_MEM_DATA) - before;
    CHECK(mine <= ids + 2 * sizeof(float) + (trb_comm_rank(w) == 0 ? values : 0));
    scene_strike(w, &of);
}

/* By one rank; and by rank 0, which looks at all of them first to see how they are to be read. */
static void each_file_is_opened_once(trb_comm *w)
{
    scene of;
    begin(w, SIDE, four, "x0, y0", &of);
    opens_begin();
    CHECK(trb__dataset_load(w, of.c, TRB_LABELS_NEEDED, &of.s) == TRB_OK);
    for (size_t u = 0; u < UNITS; u++) {
        char x[8], y[8];
        (void)snprintf(x, sizeof x, "/x%zu", u);
        (void)snprintf(y, sizeof y, "/y%zu", u);
        const int mine = (int)u % trb_comm_size(w) == trb_comm_rank(w), looks = trb_comm_rank(w) == 0;
        CHECK(opens_of(x) == mine + looks && opens_of(y) == mine + looks);
    }
    scene_strike(w, &of);
}

/* Where a rank may not share, each reads for itself. */
static void or_each_holds_its_own(trb_comm *w)
{
    struct rlimit limit, less;
    scene of;
    trb_data alone;
    begin(w, SIDE, four, "x0, y0", &of);
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    less = (struct rlimit){.rlim_cur = 10, .rlim_max = limit.rlim_max};
    CHECK(setrlimit(RLIMIT_FSIZE, &less) == 0);
    CHECK(trb__dataset_load(w, of.c, TRB_LABELS_NEEDED, &of.s) == TRB_OK);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    read_alone(&of, of.c->data.n_train, of.c->data.train, &alone);
    same(&of.s.data, &alone);
    CHECK(of.s.block == NULL);
    trb_data_clear(&alone);
    scene_strike(w, &of);
}

static void expect_failure(trb_comm *w, scene *of, trb_status status, const char *line)
{
    CHECK(trb__dataset_load(w, of->c, TRB_LABELS_NEEDED, &of->s) == status);
    char wanted[256];
    (void)snprintf(wanted, sizeof wanted, "%s/%s", of->folder, line);
    if (strcmp(trb_fail_message(), wanted) != 0) (void)fprintf(stderr, "expected: %s\n", wanted);
    CHECK(strcmp(trb_fail_message(), wanted) == 0);
    trb_fail_clear();
}

/* Whoever met it: the line is the one that a rank alone would have. */
static void wrong_files_have_one_line(trb_comm *w)
{
    scene of;
    begin(w, SIDE + 1, four, "x0, y0", &of);
    expect_failure(w, &of, TRB_EINPUT, "x2: samples of 1 x 7 x 7 uint8, but 1 x 6 x 6 uint8 in the files before");
    scene_strike(w, &of);
    begin(w, SIDE, "x0, y0, x1, y2, x2, y2", "x0, y0", &of);
    char line[256];
    (void)snprintf(line, sizeof line, "y2: 7 labels, but 1 sample in %s/x1", of.folder);
    expect_failure(w, &of, TRB_EINPUT, line);
    scene_strike(w, &of);
    begin(w, SIDE, "x0, y0, gone, y1", "x0, y0", &of);
    expect_failure(w, &of, TRB_ECONFIG,
                   "gone: cannot be read: No such file or directory; see `data.root` (or TRIBIKOS_DATA) and the names "
                   "in `data`");
    scene_strike(w, &of);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {scene_begin,           the_set_is_what_one_would_read,
                              it_is_held_once,       each_file_is_opened_once,
                              or_each_holds_its_own, wrong_files_have_one_line};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
