/* Going on takes no more memory than beginning, whatever the student's heads are shared among: the whole stage is stopped
 * in its second phase and goes on, and the student is that of a run left alone. */
#include <signal.h>

#include "mpi/scene.h"
#include "tribikos/stop.h"

enum { M = 30, CLASSES = 36, STEPS = 3, PHASES = 2 }; /* 35 samples in batches of 10 */

/* As many columns as ranks, up to 5; 30 heads of 512 units take 4.5 MB, and with their moments 13.5. */
static const char *const text =
    "run: {dir: %s/run, seed: 3}\n"
    "data: {root: %s, train: [x, y], test: [x, y], validation: 5}\n"
    "members.count: 30\n"
    "train: {layers: [dense 36], batch: 10, lanes: 5}\n"
    "cache: {block: 2, shard_rows: 40}\n"
    "students: [hydra]\n"
    "student: {layers: [dense 36, relu, split, dense 512, relu, dense 36], batch: 10, lanes: 5, phase1_epochs: 1,\n"
    "          epochs: 1, head_lanes: 30, head_groups: %d}\n";

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
        CHECK(trb__member_text(of->c, m, &of->s.data, &config) == TRB_OK);
        CHECK(trb_weights_write(trb__run_path(of->c, "members/m%03zu/weights.h5", m).text, net, params,
                                trb__samples_norm(&of->s), config, trb_blas_name(), NULL) == TRB_OK);
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

/* As a process that begins. */
static void begin_signals(void)
{
    static const int signals[] = {SIGUSR1};
    CHECK(trb_stop_start(_exit) == TRB_OK);
    trb_stop_open(1, signals, 0.0, 0);
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
    CHECK(trb_stage_distill(w, of.c) == TRB_STOPPED);
    CHECK(trb_file_exists(trb__run_path(of.c, "student/hydra/checkpoint/0.h5").text));
    trb_fail_clear();
    trb_stop_close();
    begin_signals();
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
    /* Rank 0 is signalled in the second phase of its second training, before the last step but one. */
    char fault[64];
    (void)snprintf(fault, sizeof fault, "train.step:%d:0:usr1", PHASES * STEPS + STEPS + 1);
    CHECK(setenv("TRB_FAULT", fault, 1) == 0);
    begin_signals(); /* before MPI starts threads */
    const mpi_test tests[] = {scene_begin, no_more_than_beginning};
    const int status = run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
    trb_stop_close();
    return status;
}
