/* A member is trained on what its configuration says that it sees: its first loss of every epoch, worked out here from
 * the parts, is the one that the stage reports. The learning rate is too small to change a weight. */
#include "mpi/scene.h"
#include "tribikos/h5.h"
#include "tribikos/loss.h"

enum { MEMBERS = 2, EPOCHS = 3, BATCH = 30, K = D };

/* One step an epoch: 35 samples to train on, of which the order leaves out five. Up to 5 ranks. */
static const char *const text =
    "run: {dir: %s/run, seed: 3}\n"
    "data: {root: %s, train: [x, y], test: [x, y], validation: 5, normalize: given, mean: 0.25, std: 0.125}\n"
    "members: {count: 2, overrides: {1: {seed: 9}}}\n"
    "train: {layers: [dense 36], batch: 30, lanes: 5, epochs: 3, optimizer: sgd, lr: 1e-30, schedule: constant,\n"
    "        augment: [%s]}\n"
    "students: []\n";

/* The loss of member m in an epoch. */
static double loss_of(const scene *of, size_t m, uint64_t epoch)
{
    const trb__dataset *s = &of->s;
    const trb_fit_opts *o = &of->c->member[m];
    trb_net *net = NULL;
    trb_work *work = NULL;
    trb_augment *a = NULL;
    float *params = NULL, x[BATCH * D], weight[BATCH];
    const float *z = NULL;
    int64_t order[N];
    int32_t label[BATCH], other[BATCH];
    trb_mix mix[BATCH];
    double loss = 0.0;
    CHECK(s->n_train == 35);
    CHECK(trb__member_net(of->c, m, &s->data, &net) == TRB_OK);
    CHECK(trb_work_create(net, BATCH, true, &work) == TRB_OK);
    CHECK(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params) == TRB_OK);
    CHECK(trb_augment_create(&s->data, 1, &o->augment, o->seed, TRB_USE_AUGMENT, m, s->n_train, s->train, &a) ==
          TRB_OK);
    trb_net_init(net, o->init, o->seed, m, params);
    trb_data_order(o->seed, m, epoch, s->n_train, s->train, order);
    trb_augment_rows(a, epoch, BATCH, order, x, mix);
    CHECK(trb_net_forward(net, work, params, BATCH, x, NULL, &z) == TRB_OK);
    for (size_t i = 0; i < BATCH; i++) label[i] = s->data.label[order[i]];
    if (o->augment.mixup > 0.0) {
        for (size_t i = 0; i < BATCH; i++) {
            other[i] = s->data.label[mix[i].partner];
            weight[i] = mix[i].weight;
        }
        CHECK(trb_loss_ce_mixed(BATCH, 1, K, BATCH, z, label, other, weight, &loss, NULL) == TRB_OK);
    } else {
        CHECK(trb_loss_ce(BATCH, 1, K, BATCH, z, label, &loss, NULL) == TRB_OK);
    }
    trb_augment_destroy(a);
    trb_free(params);
    trb_work_destroy(work);
    trb_net_destroy(net);
    return loss;
}

static void losses_are_those_of_the_parts(trb_comm *w)
{
    static const char *const recipes[] = {"", "crop 2, flip, cutout 3", "mixup 0.5", "crop 2, flip, mixup 1"};
    for (size_t r = 0; r < sizeof recipes / sizeof *recipes; r++) {
        scene of;
        char config[1024];
        scene_make(w, &of);
        (void)snprintf(config, sizeof config, text, of.folder, of.folder, recipes[r]);
        scene_open(w, config, &of);
        CHECK(trb_stage_train(w, of.c) == TRB_OK);
        for (size_t m = 0; m < MEMBERS && trb_comm_rank(w) == 0; m++) {
            FILE *f = fopen(trb__run_path(of.c, "members/m%03zu/metrics.jsonl", m).text, "r");
            char line[256];
            CHECK(f != NULL);
            for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
                CHECK(fgets(line, sizeof line, f) != NULL && strstr(line, "\"loss\": ") != NULL);
                const double found = strtod(strstr(line, "\"loss\": ") + 8, NULL), wanted = loss_of(&of, m, epoch);
                /* A call of another shape sums in another order: 36 products of a few units, rounded to 2^-24. */
                CHECK(found > wanted - 1e-4 && found < wanted + 1e-4);
            }
            CHECK(fgets(line, sizeof line, f) == NULL && fclose(f) == 0);
        }
        scene_strike(w, &of);
    }
}

/* What a user needs to feed such a network stands in its file: bytes count as 0 to 1 there, as 0 to 255 here. */
static void given_constants_are_used(trb_comm *w)
{
    scene of;
    char config[1024];
    scene_make(w, &of);
    (void)snprintf(config, sizeof config, text, of.folder, of.folder, "");
    scene_open(w, config, &of);
    CHECK(trb_stage_train(w, of.c) == TRB_OK);
    for (size_t m = 0; m < MEMBERS && trb_comm_rank(w) == 0; m++) {
        trb_h5 *h = NULL;
        float mean = 0.0F, scale = 0.0F;
        CHECK(trb_h5_open(trb__run_path(of.c, "members/m%03zu/weights.h5", m).text, &h) == TRB_OK);
        CHECK(trb_h5_read_rows(h, "input.mean", TRB_F32, 0, 1, &mean) == TRB_OK && mean == 63.75F);
        CHECK(trb_h5_read_rows(h, "input.scale", TRB_F32, 0, 1, &scale) == TRB_OK && scale == (float)(8.0 / 255.0));
        trb_h5_close(h);
    }
    scene_strike(w, &of);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {scene_begin, losses_are_those_of_the_parts, given_constants_are_used};
    return run_tests(argc, argv, 3, tests);
}
