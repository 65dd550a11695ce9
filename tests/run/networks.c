/* Usage: networks FOLDER [NAME]: writes weights files FOLDER/NAME.h5 of every kind of network, with drawn parameters, and
 * prints NAME and the shape of the inputs of each. The tests of exporting read them. `large` is written only if it is
 * asked for by its name. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/rng.h"
#include "tribikos/schema.h"
#include "tribikos/weights.h"

enum { CHANNELS_MAX = 100 };

static const struct {
    const char *name, *layers;
    trb_shape input;
    size_t heads;
    double spread; /* 0: none */
    bool regression;
    const char *config;
} network[] = {
    {"mlp", "dense 20, relu, dropout 0.1, dense 16, tanh, dense 4", {6, 1, 1}, 1, 0, false, ""},
    {"hydra", "dense 20, relu, split, dense 12, relu, dense 4", {6, 1, 1}, 3, 0, false, ""},
    {"split_first", "split, dense 12, tanh, dense 4", {6, 1, 1}, 3, 0, false, ""},
    {"spread", "dense 20, relu, split, dense 12, relu, dense 4", {6, 1, 1}, 3, 2.5, false, ""},
    {"spread_one", "dense 20, relu, split, dense 4", {6, 1, 1}, 1, 2.5, false, ""},
    {"spread_middle", "dense 20, split, dense 12, spread 1.5, relu, dense 4", {6, 1, 1}, 3, 0, false, ""},
    {"rank1", "dense 20, relu, split, rank1 dense 12, relu, rank1 dense 4", {6, 1, 1}, 3, 0, false, ""},
    {"skip",
     "dense 8, fork, dense 8, relu, shortcut, dense 8, add, split, fork, dense 8, tanh, add, dense 4",
     {6, 1, 1},
     3,
     0,
     false,
     ""},
    {"endd", "dense 20, relu, dense 4", {6, 1, 1}, 1, 0, false, "method: endd\n"},
    {"proxy_endd", "dense 20, relu, dense 4", {6, 1, 1}, 1, 0, false, "method: proxy-endd\n"},
    {"numbers", "dense 20, tanh, split, dense 2", {6, 1, 1}, 3, 0, true, ""},
    {"numbers_one", "dense 20, tanh, dense 2", {6, 1, 1}, 1, 0, true, ""},
    {"numbers_spread", "dense 20, tanh, split, dense 8, relu, dense 2", {6, 1, 1}, 3, 3.0, true, ""},
    {"conv",
     "conv 4 3 pad 1 bias, relu, maxpool 3 stride 2 pad 1, conv 6 3 stride 2, norm, tanh, avgpool 2 stride 1 pad 1, "
     "dense 4",
     {3, 9, 11},
     1,
     0,
     false,
     ""},
    {"conv_heads",
     "conv 4 3, norm, relu, split, conv 5 3 pad 1, norm, relu, maxpool 2, conv 4 2 bias, relu, globalpool, dense 4",
     {2, 9, 9},
     3,
     0,
     false,
     ""},
    {"norm_heads", "conv 4 3, split, norm, relu, avgpool 3 pad 1, dense 4", {2, 9, 9}, 3, 0, false, ""},
    {"pool_heads",
     "conv 4 3, split, maxpool 2, conv 3 2, fork, relu, conv 3 1, add, globalpool, dense 4",
     {1, 9, 9},
     3,
     0,
     false,
     ""},
    {"rank1_conv",
     "conv 4 3, relu, split, rank1 conv 5 3 pad 1, norm, relu, rank1 conv 4 2 stride 2 bias, relu, globalpool, rank1 "
     "dense 4",
     {2, 9, 9},
     3,
     0,
     false,
     ""},
    {"pixels_first", "split, rank1 conv 4 3, relu, rank1 dense 4", {1, 7, 7}, 2, 1.3, false, ""},
    {"lenet", "lenet5 10", {1, 28, 28}, 1, 0, false, ""},
    {"resnet", "resnet8 10", {3, 16, 16}, 1, 0, false, ""},
    {"wrn", "wrn10-2 10", {3, 16, 16}, 1, 0, false, ""},
    {"large", "dense 1200, relu, dense 900, relu, dense 10", {100, 1, 1}, 1, 0, false, ""},
    {"far", "dense 20, relu, split, dense 4", {6, 1, 1}, 3, 0, false, ""},
    {"far_image", "conv 4 3, relu, globalpool, dense 4", {2, 5, 5}, 1, 0, false, ""},
    {"far_numbers", "dense 20, tanh, split, dense 2", {6, 1, 1}, 3, 0, true, ""},
    {"named", "dense 8, relu, dense 3", {4, 1, 1}, 1, 0, false, ""},
    {"resnet_heads", "resnet14 10", {3, 16, 16}, 2, 1.5, false, "stage3"},
};

static trb_status list_of(size_t i, char **layers)
{
    if (network[i].config[0] != 's') return trb_strdup(network[i].layers, layers);
    return trb_net_insert_split(network[i].layers, network[i].config, layers);
}

/* Inputs, and for regression targets, that lie so far from zero that float32 cannot hold them. */
static trb_status move_far(size_t i, double *offset, trb_norm *norm, char **schema)
{
    trb_schema_input input[CHANNELS_MAX] = {{0}};
    const size_t C = network[i].input.c;
    for (size_t c = 0; c < C; c++) {
        offset[c] = 1600000000.5 - 100.0 * (double)c;
        input[c] = (trb_schema_input){.offset = offset[c], .fill = (double)NAN, .column = c};
    }
    norm->offset = offset;
    if (network[i].regression) norm->target_mean = 1700000000.25;
    const trb_schema s = {.n_columns = network[i].input.h == 1 ? C + 1 : 0,
                          .n_inputs = C,
                          .input = input,
                          .target_column = network[i].input.h == 1 ? C : 0,
                          .target_offset = network[i].regression ? 1700000000.0 : 0.0};
    TRB_TRY(trb_schema_write(&s, schema));
    norm->schema = *schema;
    return TRB_OK;
}

/* Names with everything that a text of C or JSON could take for its end. */
static trb_status name_all(trb_norm *norm, char **schema)
{
    static char *column[] = {"a \"b\" ?\?/", "*/ \\n", "h\303\266he", "kind"},
                *class_name[] = {"blue, \"x\"", "red", "w%d"};
    trb_schema_input input[4] = {{0}};
    for (size_t c = 0; c < 4; c++) input[c] = (trb_schema_input){.name = column[c], .fill = (double)NAN, .column = c};
    input[3].category = "O'Hara";
    const trb_schema s = {.header = true,
                          .n_columns = 5,
                          .n_inputs = 4,
                          .input = input,
                          .target = "y",
                          .target_column = 4,
                          .n_classes = 3,
                          .class_name = class_name};
    TRB_TRY(trb_schema_write(&s, schema));
    norm->schema = *schema;
    return TRB_OK;
}

/* Weights as a training begins; factors around 1; biases, scales and statistics that are not neutral. */
static void draw(const trb_net *net, uint64_t seed, float *params)
{
    trb_net_init(net, TRB_INIT_HE, seed, 0, params);
    trb_net_init_factors(net, 0.4, seed, 0, params);
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        trb_rng rng = trb_rng_open(seed, TRB_USE_INIT, 1, 0, i);
        for (size_t j = 0; !p->decays && !p->factor && j < p->count; j++)
            params[p->offset + j] = p->start > 0.0F ? 0.5F + trb_rng_uniform(&rng) : 0.3F * trb_rng_normal(&rng);
    }
}

static trb_status write_one(const char *folder, size_t i)
{
    float mean[CHANNELS_MAX], scale[CHANNELS_MAX], *params = NULL;
    double offset[CHANNELS_MAX];
    char path[512], *layers = NULL, *schema = NULL;
    trb_net *net = NULL, *wide = NULL;
    trb_status st = TRB_OK;
    trb_norm norm = {.mean = mean, .scale = scale};
    for (size_t c = 0; c < network[i].input.c; c++) {
        mean[c] = 100.0F + 3.0F * (float)c;
        scale[c] = 0.02F + 0.001F * (float)c;
    }
    if (network[i].regression) norm.target_mean = -40.0, norm.target_scale = 7.5;
    if (!network[i].regression) norm.temperature = 1.25;
    if (strncmp(network[i].name, "far", 3) == 0) TRB_GO(move_far(i, offset, &norm, &schema));
    if (strcmp(network[i].name, "named") == 0) TRB_GO(name_all(&norm, &schema));
    TRB_GO(list_of(i, &layers));
    TRB_GO(trb_net_create(layers, network[i].input, network[i].heads, &net));
    TRB_GO(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params));
    draw(net, 7 + i, params);
    if (network[i].spread > 0.0) TRB_GO(trb_net_respread(net, network[i].spread, &wide));
    (void)snprintf(path, sizeof path, "%s/%s.h5", folder, network[i].name);
    TRB_GO(trb_weights_write(path, wide != NULL ? wide : net, params, norm,
                             network[i].config[0] == 'm' ? network[i].config : "data_digest: 0123\n", "", NULL));
    const trb_shape in = network[i].input;
    (void)printf("%s %zu %zu %zu\n", network[i].name, in.c, in.h, in.w);
done:
    trb_net_destroy(wide);
    trb_net_destroy(net);
    trb_free(params);
    trb_free(layers);
    trb_free(schema);
    return st;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof network / sizeof *network; i++) {
        const bool wanted = argc == 3 ? strcmp(network[i].name, argv[2]) == 0 : strcmp(network[i].name, "large") != 0;
        if (wanted && write_one(argv[1], i) != TRB_OK) {
            (void)fprintf(stderr, "networks: %s: %s\n", network[i].name, trb_fail_message());
            return 1;
        }
    }
    return argc >= 2 ? 0 : 2;
}
