/* Presets: the lists that they stand for, what is refused and how, and the size of the networks. */
#include "numbers.h"

#include "tribikos/net.h"

static const trb_shape cifar = {3, 32, 32}, mnist = {1, 28, 28};

/* Not inlined, because GCC 12 then takes the text for a local of this function. */
__attribute__((noinline)) static char *expand(const char *list)
{
    char *out = NULL;
    assert_ok(trb_net_expand(list, &out));
    return out;
}

#define LENET5(K)                                                                                                      \
    "name conv1, conv 6 5 pad 2 bias, relu, maxpool 2, name conv2, conv 16 5 bias, relu, maxpool 2, "                  \
    "name fc1, dense 120, relu, name fc2, dense 84, relu, name fc3, dense " K
#define RESNET8(K)                                                                                                     \
    "name stem, conv 16 3 pad 1, norm, relu, "                                                                         \
    "name stage1.block1, fork, conv 16 3 pad 1, norm, relu, conv 16 3 pad 1, norm, add, relu, "                        \
    "name stage2.block1, fork, conv 32 3 stride 2 pad 1, norm, relu, conv 32 3 pad 1, norm, "                          \
    "shortcut, conv 32 1 stride 2, norm, add, relu, "                                                                  \
    "name stage3.block1, fork, conv 64 3 stride 2 pad 1, norm, relu, conv 64 3 pad 1, norm, "                          \
    "shortcut, conv 64 1 stride 2, norm, add, relu, "                                                                  \
    "name pool, globalpool, name fc, dense " K

static void presets_are_lists(void **state)
{
    (void)state;
    static const char *const lists[][2] = {
        {"lenet5 10", LENET5("10")},
        {"cifar-resnet8 100", RESNET8("100")},
        {"resnet8 100", RESNET8("100")},
        {"wrn10-1 3", "name stem, conv 16 3 pad 1, "
                      "name stage1.block1, fork, norm, relu, conv 16 3 pad 1, norm, relu, conv 16 3 pad 1, add, "
                      "name stage2.block1, norm, relu, fork, conv 32 3 stride 2 pad 1, norm, relu, conv 32 3 pad 1, "
                      "shortcut, conv 32 1 stride 2, add, "
                      "name stage3.block1, norm, relu, fork, conv 64 3 stride 2 pad 1, norm, relu, conv 64 3 pad 1, "
                      "shortcut, conv 64 1 stride 2, add, "
                      "name pool, norm, relu, globalpool, name fc, dense 3"},
        {"wrn16-2 10", "name stem, conv 16 3 pad 1, "
                       "name stage1.block1, norm, relu, fork, conv 32 3 pad 1, norm, relu, conv 32 3 pad 1, shortcut, "
                       "conv 32 1, add, "
                       "name stage1.block2, fork, norm, relu, conv 32 3 pad 1, norm, relu, conv 32 3 pad 1, add, "
                       "name stage2.block1, norm, relu, fork, conv 64 3 stride 2 pad 1, norm, relu, conv 64 3 pad 1, "
                       "shortcut, conv 64 1 stride 2, add, "
                       "name stage2.block2, fork, norm, relu, conv 64 3 pad 1, norm, relu, conv 64 3 pad 1, add, "
                       "name stage3.block1, norm, relu, fork, conv 128 3 stride 2 pad 1, norm, relu, conv 128 3 pad 1, "
                       "shortcut, conv 128 1 stride 2, add, "
                       "name stage3.block2, fork, norm, relu, conv 128 3 pad 1, norm, relu, conv 128 3 pad 1, add, "
                       "name pool, norm, relu, globalpool, name fc, dense 10"},
        /* Among other items, in any spelling. */
        {" dropout .1 ,\tlenet5\n 010 , relu", "dropout 0.1, " LENET5("10") ", relu"},
        {"conv 3 1, split,resnet8  5", "conv 3 1, split, " RESNET8("5")},
        {"lenet5 16777216,resnet8 1", LENET5("16777216") ", " RESNET8("1")},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char *once = expand(lists[i][0]), *twice = expand(once);
        assert_string_equal(once, lists[i][1]);
        assert_string_equal(twice, once);
        trb_free(once), trb_free(twice);
    }
}

static size_t count(const char *list, const char *part)
{
    size_t n = 0;
    for (const char *at = strstr(list, part); at != NULL; at = strstr(at + 1, part)) n++;
    return n;
}

/* A depth counts the convolutions on the way and the last layer; two projections (three if even the first stage is
 * wider than the stem) lie beside it. */
static void depths_are_depths(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 200; n += n < 10 ? 1 : 19) {
        char preset[32], last[48];
        (void)snprintf(preset, sizeof preset, "resnet%zu 10", 6 * n + 2);
        (void)snprintf(last, sizeof last, "name stage3.block%zu, fork", n);
        char *list = expand(preset);
        assert_int_equal(count(list, "conv "), 6 * n + 2 - 1 + 2);
        assert_int_equal(count(list, "add"), 3 * n);
        assert_int_equal(count(list, "shortcut"), 2);
        assert_int_equal(count(list, last), 1);
        trb_free(list);
        (void)snprintf(preset, sizeof preset, "wrn%zu-%zu 10", 6 * n + 4 <= 1202 ? 6 * n + 4 : 1198, n + 1);
        list = expand(preset);
        const size_t blocks = n < 200 ? n : 199;
        assert_int_equal(count(list, "conv "), 6 * blocks + 4 - 3 + 3);
        assert_int_equal(count(list, "shortcut"), 3);
        trb_free(list);
    }
    char *wide = expand("wrn10-1000 10");
    assert_int_equal(count(wide, "conv 64000 3"), 2);
    trb_free(wide);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"cifar-resnet21 10",
         "layers: item 1: cifar-resnet21: no residual network of that depth; 6n + 2 up to 1202, e.g. cifar-resnet20"},
        {"relu, resnet18 10",
         "item 2: resnet18: no network of this program; its residual networks are CIFAR's, of depth "
         "6n + 2 up to 1202, e.g. cifar-resnet20"},
        {"cifar-resnet2 10", "cifar-resnet2: no residual"},
        {"cifar-resnet0 10", "cifar-resnet0: no residual"},
        {"cifar-resnet1208 10", "cifar-resnet1208: no residual"},
        {"cifar-resnet18446744073709551636 10", "cifar-resnet18446744073709551636: no residual"},
        {"wrn20-4 10", "item 1: wrn20-4: no wide residual network of that depth; 6n + 4 up to 1202, e.g. wrn28-10"},
        {"wrn4-4 10", "wrn4-4: no wide residual"},
        {"wrn1204-4 10", "wrn1204-4: no wide residual"},
        {"cifar-resnet20", "layers: item 1, \"cifar-resnet20\": expected \"cifar-resnetD K\" with K outputs, 1 to "
                           "16777216, as in \"cifar-resnet20 10\""},
        {"lenet5", "item 1, \"lenet5\": expected \"lenet5 K\" with K outputs, 1 to 16777216, as in \"lenet5 10\""},
        {"relu, wrn28-10, relu",
         "item 2, \"wrn28-10\": expected \"wrnD-W K\" with a width W from 1 to 1000 and K outputs, 1 to "
         "16777216, as in \"wrn28-10 10\""},
        {"cifar-resnet20 0", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20 16777217", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20 99999999999999999999999", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20 -1", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20 ten", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20 10 10", "item 1, \"cifar-resnet20 10 10\": expected"},
        {"cifar-resnet20 10x", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20-4 10", "expected \"cifar-resnetD K\""},
        {"cifar-resnet20x 10", "expected \"cifar-resnetD K\""},
        {"lenet510", "expected \"lenet5 K\""},
        {"lenet50 10", "expected \"lenet5 K\""},
        {"wrn28 10", "expected \"wrnD-W K\""},
        {"wrn28- 10", "expected \"wrnD-W K\""},
        {"wrn28-0 10", "expected \"wrnD-W K\""},
        {"wrn28-1001 10", "expected \"wrnD-W K\""},
        {"wrn28-10x4 10", "expected \"wrnD-W K\""},
        {"cifar-resnet20 10,", "item 2 is empty"},
        {"cifar-resnet20 10, dense", "item 2, \"dense\""},
        {"cifar-resnet20 10, relu, resnet8 10", "the name \"stem\" is given twice"},
        {"name x, resnet8 10", "the name \"x\" names nothing"},
        {"resnet8 10, name stage1.block1, dense 3", "the name \"stage1.block1\" is given twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *out = NULL;
        assert_fails(trb_net_expand(bad[i][0], &out), TRB_ECONFIG, bad[i][1]);
        assert_null(out);
        assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    }
}

/* The counts of PyTorch implementations with 1x1 projections. As published: 0.27M, 0.46M, 0.85M (He et al. 2016, table
 * 6, without projections), 2.7M, 36.5M (Zagoruyko and Komodakis 2016, tables 4 and 5); LeNet-5 with full connections
 * has 6*26 + 16*151 + 120*401 + 84*121 + 10*85. */
static void networks_have_the_published_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *preset;
        const trb_shape *input;
        size_t parameters;
    } published[] = {
        {"lenet5 10", &mnist, 61706},     {"resnet20 10", &cifar, 272474}, {"resnet32 10", &cifar, 466906},
        {"resnet56 10", &cifar, 855770},  {"wrn16-4 10", &cifar, 2748890}, {"wrn28-10 10", &cifar, 36479194},
        {"resnet20 100", &cifar, 278324},
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        trb_net *net = NULL;
        char *list = expand(published[i].preset);
        assert_ok(trb_net_create(published[i].preset, *published[i].input, 1, &net));
        assert_int_equal(trb_net_trained(net), published[i].parameters);
        assert_string_equal(trb_net_layers(net), list);
        trb_net_destroy(net);
        trb_free(list);
    }
    trb_net *net = NULL;
    assert_ok(trb_net_create("lenet5 10", (trb_shape){3, 32, 32}, 1, &net)); /* 6 x 6 maps in the end */
    assert_int_equal(trb_net_trained(net), 6 * 76 + 16 * 151 + 120 * (16 * 36 + 1) + 84 * 121 + 10 * 85);
    trb_net_destroy(net);
}

static bool has(const trb_net *net, const char *name)
{
    for (size_t i = 0; i < trb_net_n_params(net); i++)
        if (strcmp(trb_net_param(net, i)->name, name) == 0) return true;
    return false;
}

/* Heads from a stage, a block, a layer or a position; parameters are counted once in the body and M times in heads. */
static void presets_can_be_split(void **state)
{
    (void)state;
    static const struct {
        const char *at, *behind, *body, *head;
        size_t head_parameters; /* of one */
    } places[] = {
        {"fc", "globalpool, split, name fc", "body.stage3.block3.4.weight", "heads.fc.0.bias", 650},
        {"82", "globalpool, split, name fc", "body.stage3.block3.4.weight", "heads.fc.0.weight", 650},
        {"pool", "relu, split, name pool", "body.stage3.block3.4.weight", "heads.fc.0.weight", 650},
        {"stage3.block3", "relu, split, name stage3.block3", "body.stage3.block2.1.weight",
         "heads.stage3.block3.1.weight", 650 + 2 * (64 * 64 * 9 + 128)},
        {"stage3", "relu, split, name stage3.block1", "body.stage2.block3.1.weight", "heads.stage3.block1.8.weight",
         650 + 5 * (64 * 64 * 9 + 128) + (32 * 64 * 9 + 128) + (32 * 64 + 128)},
        {"stem", "split, name stem", NULL, "heads.stem.0.weight", 272474},
        {"0", "split, name stem", NULL, "heads.stem.0.weight", 272474},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *list = NULL;
        trb_net *net = NULL;
        assert_ok(trb_net_insert_split("resnet20 10", places[i].at, &list));
        assert_non_null(strstr(list, places[i].behind));
        assert_ok(trb_net_create(list, cifar, 3, &net));
        assert_string_equal(trb_net_layers(net), list);
        assert_int_equal(trb_net_trained(net), 272474 + 2 * places[i].head_parameters);
        assert_true(places[i].body == NULL || has(net, places[i].body));
        assert_true(has(net, places[i].head));
        trb_net_destroy(net);
        trb_free(list);
    }
    char *list = NULL;
    assert_fails(
        trb_net_insert_split("resnet20 10", "stage4", &list), TRB_ECONFIG,
        "no layer of \"resnet20 10\" has the name \"stage4\"; names are stem, stage1.block1 ... stage1.block3, "
        "stage2.block1 ... stage2.block3, stage3.block1 ... stage3.block3, pool, fc");
    assert_fails(trb_net_insert_split("resnet20 10", "83", &list), TRB_ECONFIG,
                 "position 83 is behind the last layer of \"resnet20 10\", 82 ");
    assert_fails(trb_net_insert_split("resnet20 10", "68", &list), TRB_ECONFIG, "the fork's position, 65,");
    assert_null(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_are_lists),    cmocka_unit_test(depths_are_depths),
        cmocka_unit_test(mistakes_are_named),   cmocka_unit_test(networks_have_the_published_sizes),
        cmocka_unit_test(presets_can_be_split), cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
