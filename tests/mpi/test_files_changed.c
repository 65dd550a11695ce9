/* Files that are opened again, or by several ranks, are those that were identified: members' weights that change after
 * that, caches and students that are not the same on all ranks, caches that only some ranks see. */
#include "mpi/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../../src/stages/eval.h"

static trb__path hidden; /* this rank does not see the file of this name */

/* Replaces that of the C library. */
int stat(const char *restrict path, struct stat *restrict info)
{
    if (strcmp(path, hidden.text) != 0) return fstatat(AT_FDCWD, path, info, 0);
    errno = ENOENT;
    return -1;
}

enum { M = 2 };

static const char *const text =
    "run: {dir: %s/%s, seed: 3}\n"
    "data: {root: %s, train: [x, y], test: [x, y], validation: 5}\n"
    "members.count: 2\n"
    "train: {layers: [dense 36], batch: 10, lanes: 5}\n"
    "cache: {dtype: %s, block: 2, shard_rows: 16}\n"
    "students: [hydra]\n"
    "student: {layers: [split, dense 36], batch: 10, lanes: 5, phase1_epochs: 0, epochs: 1}\n";

static void write_member(trb_comm *w, const scene *of, size_t m, float factor)
{
    char *config = NULL;
    float *params = NULL;
    trb_net *net = NULL;
    if (trb_comm_rank(w) == 0) {
        CHECK(trb_mkdirs(trb__run_path(of->c, "members/m%03zu", m).text) == TRB_OK);
        CHECK(trb_identity_member(of->c, m, &of->s.data, &config) == TRB_OK);
        CHECK(trb__member_net(of->c, m, &of->s.data, &net) == TRB_OK);
        CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
        for (size_t i = 0; i < trb_net_size(net); i++) params[i] = factor * (float)(i % 7 + m);
        CHECK(trb_weights_write(trb__run_path(of->c, "members/m%03zu/weights.h5", m).text, net, params,
                                trb__dataset_norm(&of->s), config, trb_blas_name(), NULL) == TRB_OK);
    }
    trb_free(params);
    trb_net_destroy(net);
    trb_free(config);
    CHECK(trb_comm_barrier(w) == TRB_OK);
}

/* A run with members and a cache of this type. */
static void make(trb_comm *w, scene *of, const char *run, const char *dtype)
{
    char config[1024];
    (void)snprintf(config, sizeof config, text, of->folder, run, of->folder, dtype);
    scene_open(w, config, of);
    for (size_t m = 0; m < M; m++) write_member(w, of, m, 0.01F);
    CHECK(trb_stage_cache(w, of->c) == TRB_OK);
}

static void a_member_changes(trb_comm *w)
{
    scene of;
    uint64_t digest[M];
    trb__models models = {.M = M, .batch = 4};
    scene_make(w, &of);
    make(w, &of, "run", "float32");
    CHECK(trb_stage_distill(w, of.c) == TRB_OK);
    CHECK(trb__member_digests(w, of.c, &of.s.data, true, digest) == TRB_OK);
    CHECK(trb__models_load(of.c, &of.s.data, digest, "", &models) == TRB_OK);
    trb__models_clear(&models);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    write_member(w, &of, 1, 0.02F);
    models = (trb__models){.M = M, .batch = 4};
    CHECK(trb__models_load(of.c, &of.s.data, digest, "", &models) == TRB_EINTEGRITY);
    CHECK(strstr(trb_fail_message(), "m001/weights.h5: its digest is") != NULL);
    trb__models_clear(&models);
    trb_fail_clear();
    scene_strike(w, &of);
}

/* Rank 0 writes the student again, with other weights under the same text. */
static void change_student(trb_comm *w, const scene *of)
{
    const trb__path path = trb__run_path(of->c, "student/hydra/weights.h5");
    trb_weights_info info = {0};
    trb_net *net = NULL;
    float *params = NULL;
    if (trb_comm_rank(w) == 0) {
        CHECK(trb_weights_read(path.text, &info, &net, &params) == TRB_OK);
        params[3] += 1.0F;
        CHECK(trb_weights_write(path.text, net, params, trb__dataset_norm(&of->s), info.config, info.blas, NULL) ==
              TRB_OK);
    }
    trb_weights_info_clear(&info);
    trb_net_destroy(net);
    trb_free(params);
    CHECK(trb_comm_barrier(w) == TRB_OK);
}

/* Where a job's nodes see different disks, ranks other than 0 see the second run. */
static void ranks_see_different_files(trb_comm *w)
{
    const bool several = trb_comm_size(w) > 1;
    scene first, second;
    trb_cache *cache = NULL;
    trb_report report;
    scene_make(w, &first);
    second = first;
    make(w, &first, "one", "float32");
    make(w, &second, "two", "float16");
    const scene *mine = trb_comm_rank(w) == 0 ? &first : &second;
    CHECK(trb__run_cache_open(w, mine->c, &mine->s.data, &cache) == (several ? TRB_ECONFIG : TRB_OK));
    CHECK(!several || strstr(trb_fail_message(), "the cache's manifest on rank 1") != NULL);
    trb_cache_close(cache);
    trb_fail_clear();
    CHECK(trb_stage_distill(w, first.c) == TRB_OK && trb_stage_distill(w, second.c) == TRB_OK);
    change_student(w, &second);
    CHECK(trb_stage_eval(w, mine->c, &report) == (several ? TRB_ECONFIG : TRB_OK));
    CHECK(!several || strstr(trb_fail_message(), "the students' weights on rank 1") != NULL);
    trb_report_clear(&report);
    trb_fail_clear();
    trb_config_destroy(second.c);
    trb__dataset_clear(&second.s);
    scene_strike(w, &first);
}

/* A run whose members have left their logits: those of the training set in its cache, those of the test set, which has
 * the same samples, below it. */
static void leave_logits(trb_comm *w, scene *of)
{
    char command[512];
    scene_make(w, of);
    make(w, of, "run", "float32");
    CHECK(trb_stage_distill(w, of->c) == TRB_OK);
    (void)snprintf(command, sizeof command,
                   "cd '%s' && cp -r cache test && mkdir cache/eval && mv test cache/eval && rm -r members",
                   of->c->run.dir);
    if (trb_comm_rank(w) == 0) CHECK(system(command) == 0); /* NOLINT(cert-env33-c): the names are ours */
    CHECK(trb_comm_barrier(w) == TRB_OK);
}

/* Whether the validation part is evaluated by the training set's cache is for rank 0 to see. If another rank does not
 * see that cache, all fail. */
static void some_ranks_see_the_cache(trb_comm *w)
{
    enum { ALL_SEE, RANK_0_DOES_NOT, ONLY_RANK_0_DOES, CASES };
    const bool leads = trb_comm_rank(w) == 0;
    scene of;
    leave_logits(w, &of);
    for (int i = 0; i < CASES; i++) {
        const bool hides = (i == RANK_0_DOES_NOT && leads) || (i == ONLY_RANK_0_DOES && !leads);
        const bool fails = i == ONLY_RANK_0_DOES && trb_comm_size(w) > 1;
        trb_report report;
        hidden = hides ? trb__run_path(of.c, "cache/manifest.h5") : (trb__path){.text = ""};
        CHECK(trb_stage_eval(w, of.c, &report) == (fails ? TRB_ECONFIG : TRB_OK));
        hidden = (trb__path){.text = ""};
        CHECK(!fails || strstr(trb_fail_message(), "/run/cache/manifest.h5: there is no manifest") != NULL);
        CHECK(fails || report.members == M);
        CHECK(fails || (report.nll_by_size == NULL) == (i == RANK_0_DOES_NOT));
        trb_report_clear(&report);
        trb_fail_clear();
        CHECK(trb_comm_barrier(w) == TRB_OK);
    }
    scene_strike(w, &of);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {scene_begin, a_member_changes, ranks_see_different_files, some_ranks_see_the_cache};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
