/* Going on takes no more memory than beginning, whatever the student's heads are shared among: the whole stage fails in
 * its second phase and goes on, and the student is that of a run left alone. */
#include "mpi/scene.h"

enum { M = 30, STEPS = 3, EPOCHS = 3 }; /* an epoch: 35 samples in batches of 10 */

/* As many columns as ranks, up to 5; 30 heads of 256 units take 2.2 MB, and with their moments 6.7. */
static const char *const text =
    "run: {dir: %s/run, seed: 3}\n"
    "data: {root: %s, train: [x, y], test: [x, y], validation: 5}\n"
    "members.count: 30\n"
    "train: {layers: [dense 36], batch: 10, lanes: 5}\n"
    "cache: {block: 2, shard_rows: 40}\n"
    "students: [hydra]\n"
    "checkpoint: {steps: 1, seconds: 0}\n"
    "student: {layers: [dense 36, relu, split, dense 256, relu, dense 36], batch: 10, lanes: 5, phase1_epochs: 1,\n"
    "          epochs: 3, head_lanes: 30, head_groups: %d}\n";

static void write_members(trb_comm *w, const scene *of)
{
    float *params = NULL;
    trb_net *net = NULL;
    CHECK(trb__member_net(of->c, 0, &of->s.data, &net) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    for (size_t m = 0; m < M && trb_comm_rank(w) == 0; m++) {
        char *config = NULL;
        trb_net_init(net, TRB_INIT_HE, 1, m, params);
        CHECK(trb_mkdirs(trb__run_path(of->c, "members/m%03zu", m).text) == TRB_OK);
        CHECK(trb_identity_member(of->c, m, &of->s.data, &config) == TRB_OK);
        CHECK(trb_weights_write(trb__run_path(of->c, "members/m%03zu/weights.h5", m).text, net, params,
                                trb__dataset_norm(&of->s), config, trb_blas_name(), NULL) == TRB_OK);
        trb_free(config);
    }
    trb_free(params);
    trb_net_destroy(net);
    CHECK(trb_comm_barrier(w) == TRB_OK);
}

/* Of the student; its file goes away. */
static uint64_t digest(trb_comm *w, const scene *of)
{
    const trb__path path = trb__run_path(of->c, "student/hydra/weights.h5");
    trb_weights_info info = {0};
    CHECK(trb_weights_read(path.text, &info, NULL, NULL) == TRB_OK);
    const uint64_t value = info.digest;
    trb_weights_info_clear(&info);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    if (trb_comm_rank(w) == 0) CHECK(unlink(path.text) == 0);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    return value;
}

static void ignore(const char *why)
{
    (void)why;
}

/* There is a checkpoint; of the second phase, unless the disk is slower than some steps. */
static void expect_checkpoint(const scene *of)
{
    trb_checkpoint c;
    size_t slot = 0;
    char path[TRB_CHECKPOINT_PATH];
    CHECK(trb_checkpoint_newest(trb__run_path(of->c, "student/hydra/checkpoint").text, 2, ignore, &c, &slot, path) ==
          TRB_OK);
    CHECK(c.config != NULL && c.phase <= 2 && c.step < STEPS * EPOCHS);
    trb_checkpoint_clear(&c);
}

static void no_more_than_beginning(trb_comm *w)
{
    enum { SMALL = 1 << 16 };
    char config[1024];
    scene of;
    scene_make(w, &of);
    (void)snprintf(config, sizeof config, text, of.folder, of.folder, trb_comm_size(w));
    scene_open(w, config, &of);
    write_members(w, &of);
    CHECK(trb_stage_cache(w, of.c) == TRB_OK);
    CHECK(trb_stage_distill(w, of.c) == TRB_OK);
    const size_t begun = trb_mem_peak();
    const uint64_t calm = digest(w, &of);
    CHECK(trb_stage_distill(w, of.c) == TRB_EIO);
    trb_fail_clear();
    expect_checkpoint(&of);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    trb_mem_peak_begin();
    CHECK(trb_stage_distill(w, of.c) == TRB_OK);
    const size_t gone_on = trb_mem_peak();
    CHECK(digest(w, &of) == calm);
    if (gone_on > begun + TRB_CHECKPOINT_PIECE * sizeof(float) + SMALL)
        (void)fprintf(stderr, "rank %d: %zu bytes to begin, %zu to go on\n", trb_comm_rank(w), begun, gone_on);
    CHECK(gone_on <= begun + TRB_CHECKPOINT_PIECE * sizeof(float) + SMALL);
    scene_strike(w, &of);
}

int main(int argc, char **argv)
{
    /* The last step but one of the second training fails on rank 0. */
    char fault[64];
    (void)snprintf(fault, sizeof fault, "train.step:%d:0", 2 * STEPS * (1 + EPOCHS) - 1);
    CHECK(setenv("TRB_FAULT", fault, 1) == 0);
    const mpi_test tests[] = {scene_begin, no_more_than_beginning};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
