/* Layer lists: what is understood, what is refused and how, and the table of parameters that follows. */
#include "numbers.h"

#include "tribikos/net.h"

static const trb_shape ten = {10, 1, 1};

static void lists_get_one_form(void **state)
{
    (void)state;
    static const char *const lists[][2] = {
        {"dense 10", "dense 10"},
        {"  dense   200,relu ,\n dense 010 ", "dense 200, relu, dense 10"},
        {"dense 4,split,dense 3,tanh,dropout .250,dense 2", "dense 4, split, dense 3, tanh, dropout 0.25, dense 2"},
        {"split, dense 3", "split, dense 3"},
        {"dropout 0, dense 3, dropout 0.1", "dropout 0, dense 3, dropout 0.1"},
        {"dense 16777216", "dense 16777216"},
        {"conv 16 3,norm,relu", "conv 16 3, norm, relu"},
        {"conv 16 3 stride 1 pad 0", "conv 16 3"},
        {"conv 16 03 bias\tpad 1 stride\n2", "conv 16 3 stride 2 pad 1 bias"},
        {"conv 16777216 4096 stride 4096 pad 4096 bias", "conv 16777216 4096 stride 4096 pad 4096 bias"},
        {"maxpool 2, avgpool 3 stride 3", "maxpool 2, avgpool 3"},
        {"maxpool 3 pad 1 stride 2, avgpool 2 stride 1, globalpool",
         "maxpool 3 stride 2 pad 1, avgpool 2 stride 1, globalpool"},
        {"name  a-1_B.2.c ,fork,conv 2 1,shortcut,conv 2 1,add",
         "name a-1_B.2.c, fork, conv 2 1, shortcut, conv 2 1, add"},
        {"name a123456789b123456789c123456789d123456789, relu", "name a123456789b123456789c123456789d123456789, relu"},
        {"name split, relu, split, name name, relu", "name split, relu, split, name name, relu"},
        {"split,rank1  dense 010, rank1 conv 4 3 bias pad 1", "split, rank1 dense 10, rank1 conv 4 3 pad 1 bias"},
        {"split, dense 4, spread 01.70, spread 1000, spread .001",
         "split, dense 4, spread 1.7, spread 1000, spread 0.001"},
        {"name a, relu, name a.b, relu, name b, relu", "name a, relu, name a.b, relu, name b, relu"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char *once = NULL, *twice = NULL;
        assert_ok(trb_net_expand(lists[i][0], &once));
        assert_string_equal(once, lists[i][1]);
        assert_ok(trb_net_expand(once, &twice));
        assert_string_equal(twice, once);
        trb_free(once), trb_free(twice);
    }
    trb_net *net = NULL;
    assert_ok(trb_net_create(lists[2][0], ten, 1, &net));
    assert_string_equal(trb_net_layers(net), lists[2][1]);
    trb_net_destroy(net);
}

/* A weights file says which network it is of by this text. */
static void probabilities_read_back(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1.0 / 3.0, 0.5, 1e-9, 5e-324, 0.30000000000000004, 0.99999999999999989};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char list[64], *out = NULL;
        (void)snprintf(list, sizeof list, "dropout %.25g", values[i]);
        assert_ok(trb_net_expand(list, &out));
        assert_true(strtod(out + 8, NULL) == values[i]);
        assert_true(strlen(out) <= 8 + 23 && (i != 0 || strcmp(out, "dropout 0.1") == 0));
        trb_free(out);
    }
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *list, *says;
    } bad[] = {
        {"", "item 1 is empty"},
        {" ", "item 1 is empty"},
        {"dense 3,, relu", "item 2 is empty"},
        {"dense 3, relu,", "item 3 is empty"},
        {"dense 3, rleu", "item 2, \"rleu\": there is no layer \"rleu\"; did you mean \"relu\""},
        {"dens 3", "did you mean \"dense\""},
        {"dense 3, splt, dense 2", "did you mean \"split\""},
        {"nmae x, dense 2", "did you mean \"name\""},
        {"resnet 10", "did you mean \"cifar-resnet20\""},
        {"wrn 10", "there is no layer \"wrn\""},
        {"dense 3, softmax", "item 2, \"softmax\": there is no layer \"softmax\": the last layer gives logits, and no "
                             "softmax is needed; leave it out"},
        {"dense 3, LogSoftmax", "there is no layer \"LogSoftmax\": the last layer gives logits"},
        {"flatten, dense 3", "there is no layer \"flatten\": dense takes images as they are; leave it out"},
        {"linear 3", "did you mean \"dense\"?"},
        {"Dense 3", "did you mean \"dense\"?"},
        {"attention 8", "there is no layer \"attention\"; expected one of split, name, rank1, lenet5"},
        {"lenet 10", "did you mean \"lenet5\""},
        {"maxpol 2", "did you mean \"maxpool\""},
        {"dense 3, abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
         "item 2, \"abcdefghijklmnopqrstuvwxyzabcdef...\": longer than any layer"},
        {"dense", "item 1, \"dense\": dense takes a number of units from 1 to 16777216, as in \"dense 200\", got \"\""},
        {"dense 0", "got \"0\""},
        {"dense -3", "got \"-3\""},
        {"dense +3", "got \"+3\""},
        {"dense 3.5", "got \"3.5\""},
        {"dense 16777217", "got \"16777217\""},
        {"dense 99999999999999999999999", "takes a number of units"},
        {"dense 18446744073709551617", "got \"18446744073709551617\""},
        {"dense  3  4", "got \"3 4\""},
        {"relu 3, dense 2", "item 1, \"relu 3\": relu stands alone, got \"3\""},
        {"norm 16", "norm stands alone"},
        {"fork 1, relu, add", "fork stands alone"},
        {"dense 3, split 2, dense 2", "item 2, \"split 2\": split stands alone, got \"2\""},
        {"dropout, dense 3", "takes a probability from 0 to below 1, as in \"dropout 0.1\", got \"\""},
        {"dropout 1, dense 3", "got \"1\""},
        {"dropout -0.1, dense 3", "got \"-0.1\""},
        {"dropout -0, dense 3", "got \"-0\""},
        {"dropout nan, dense 3", "got \"nan\""},
        {"dropout 0.5x, dense 3", "got \"0.5x\""},
        {"conv", "conv takes a number of filters from 1 to 16777216, as in \"conv 16 3 stride 2 pad 1\", got \"\""},
        {"conv x 3", "a number of filters from 1 to 16777216, as in \"conv 16 3 stride 2 pad 1\", got \"x\""},
        {"conv 0 3", "a number of filters from 1"},
        {"conv 16777217 3", "got \"16777217\""},
        {"relu, conv 16",
         "item 2, \"conv 16\": conv takes a window from 1 to 4096, as in \"conv 16 3 stride 2 pad 1\", got \"\""},
        {"conv 16 0", "conv takes a window from 1 to 4096"},
        {"conv 16 4097", "got \"4097\""},
        {"conv 16 3x3", "got \"3x3\""},
        {"conv 16 3 stride", "conv takes a stride from 1 to 4096, as in \"conv 16 3 stride 2 pad 1\", got \"\""},
        {"conv 16 3 stride 0", "a stride from 1 to 4096, as in \"conv 16 3 stride 2 pad 1\", got \"0\""},
        {"conv 16 3 stride 4097", "got \"4097\""},
        {"conv 16 3 stride pad 1", "a stride from 1 to 4096, as in \"conv 16 3 stride 2 pad 1\", got \"pad\""},
        {"conv 16 3 pad", "conv takes a pad from 0 to 4096, as in \"conv 16 3 stride 2 pad 1\", got \"\""},
        {"conv 16 3 pad -1", "got \"-1\""},
        {"conv 16 3 pad 4097", "got \"4097\""},
        {"conv 16 3 padding 1",
         "item 1, \"conv 16 3 padding 1\": conv has no option \"padding\"; did you mean \"pad\"?"},
        {"conv 16 3 strde 1", "did you mean \"stride\"?"},
        {"conv 16 3 1", "conv has no option \"1\""},
        {"conv 16 3 biass", "did you mean \"bias\"?"},
        {"conv 16 3 bias 1", "conv has no option \"1\""},
        {"conv 16 3 stride 2 pad 1 stride 2", "\"stride\" is given twice"},
        {"conv 16 3 pad 1 pad 1", "\"pad\" is given twice"},
        {"conv 16 3 bias pad 1 bias", "\"bias\" is given twice"},
        {"maxpool", "maxpool takes a window from 1 to 4096, as in \"maxpool 3 stride 2 pad 1\", got \"\""},
        {"maxpool 0", "got \"0\""},
        {"maxpool 2 2", "maxpool has no option \"2\""},
        {"avgpool 2 bias", "avgpool has no option \"bias\""},
        {"avgpool 2 stride 0", "avgpool takes a stride from 1 to 4096"},
        {"maxpool 3 pad 2", "item 1, \"maxpool 3 pad 2\": a pad of at most half the window, 1, fits"},
        {"globalpool 2", "globalpool stands alone"},
        {"name, dense 3",
         "item 1, \"name\": a name is 1 to 40 letters, digits, ., - and _, begins with a letter and has no "
         "empty part between dots, got \"\""},
        {"name 3x, dense 3", "got \"3x\""},
        {"name .x, dense 3", "got \".x\""},
        {"name x., dense 3", "got \"x.\""},
        {"name x..y, dense 3", "got \"x..y\""},
        {"name x y, dense 3", "got \"x y\""},
        {"name x/y, dense 3", "got \"x/y\""},
        {"name \xc3\xa4, dense 3", "a name is 1 to 40"},
        {"name a123456789b123456789c123456789d123456789x, relu", "a name is 1 to 40"},
        {"name a, dense 3, name ab, relu, name a, relu", "the name \"a\" is given twice"},
        {"name a.b, dense 3, name a.b, relu", "the name \"a.b\" is given twice"},
        {"name a, name b, dense 3", "the name \"a\" names nothing; expected a layer behind it"},
        {"name a, split, dense 3", "the name \"a\" names nothing"},
        {"dense 3, name a", "the name \"a\" names nothing"},
        {"split, rank1",
         "item 2, \"rank1\": rank1 stands in front of dense or conv, as in \"rank1 dense 200\", got \"\""},
        {"split, relu, rank1 relu", "item 3, \"rank1 relu\": rank1 stands in front of dense or conv"},
        {"split, rank1 norm", "got \"norm\""},
        {"rank1 split, dense 3", "got \"split\""},
        {"split, rank1 rank1 dense 3", "got \"rank1\""},
        {"split, rank1 resnet20 10", "got \"resnet20\""},
        {"split, rank1 dense", "item 2, \"rank1 dense\": dense takes a number of units"},
        {"split, rank1 conv 16 3 padding 1", "item 2, \"rank1 conv 16 3 padding 1\": conv has no option"},
        {"split, dense 3, spread",
         "item 3, \"spread\": spread takes a factor from 0.001 to 1000, as in \"spread 1.7\", got \"\""},
        {"split, dense 3, spread 0", "got \"0\""},
        {"split, dense 3, spread 0.0009", "got \"0.0009\""},
        {"split, dense 3, spread 1000.1", "got \"1000.1\""},
        {"split, dense 3, spread -1", "got \"-1\""},
        {"split, dense 3, spread 1e2", "got \"1e2\""},
        {"split, dense 3, spread 0x1", "got \"0x1\""},
        {"split, dense 3, spread .", "got \".\""},
        {"split, dense 3, spread 1.7 2", "got \"1.7 2\""},
        {"split, dense 3, spraed 1.7", "did you mean \"spread\"?"},
        {"split, rank1 spread 1.7", "rank1 stands in front of dense or conv"},
        {"split, rank2 dense 3", "did you mean \"rank1\"?"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *out = NULL;
        assert_fails(trb_net_expand(bad[i].list, &out), TRB_ECONFIG, bad[i].says);
        assert_null(out);
        assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    }
}

static void impossible_networks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        size_t heads;
        const char *says;
    } bad[] = {
        {"dense 3, rleu", 1, "did you mean \"relu\""},
        {"resnet21 10", 1, "resnet21"},
        {"dense 3, name a", 1, "names nothing"},
        {"relu, tanh", 1, "nothing to train"},
        {"dense 3, split", 2, "no layer with weights behind the split"},
        {"dense 3, split, relu, tanh", 2, "no layer with weights behind the split"},
        {"dense 3, split, dense 2, split, dense 2", 2, "item 4: a second split; the first is item 2"},
        {"dense 3, split, split, dense 2", 2, "item 3: a second split"},
        {"conv 4 2", 1, "item 1: conv 4 2: a window of 2 x 2 does not fit into 1 x 1 with padding 0"},
        {"relu, maxpool 3", 1, "item 2: maxpool 3: a window of 3 x 3 does not fit into 1 x 1 with padding 0"},
        {"dense 3, add", 1, "item 2, \"add\": there is no fork before it"},
        {"dense 3, shortcut", 1, "item 2, \"shortcut\": there is no fork before it"},
        {"fork, dense 10, add, add", 1, "item 4, \"add\": there is no fork before it"},
        {"fork, relu, fork, dense 10, add", 1, "item 3, \"fork\": the fork before it has no add yet"},
        {"fork, dense 10, shortcut, relu, shortcut, add", 1, "the fork before it has a shortcut already"},
        {"dense 10, fork, relu", 1, "the last fork of \"dense 10, fork, relu\" has no add"},
        {"fork, dense 3, add", 1, "item 3, \"add\": 3 x 1 x 1 cannot be added to 10 x 1 x 1"},
        {"fork, dense 3, shortcut, dense 4, add", 1, "item 5, \"add\": 4 x 1 x 1 cannot be added to 3 x 1 x 1"},
        {"fork, dense 10, split, add, dense 3", 2, "item 3: a split between fork and add"},
        {"relu, rank1 dense 3", 1, "item 2, \"rank1 dense 3\": rank1 stands behind the split"},
        {"rank1 dense 4, split, dense 3", 2, "item 1, \"rank1 dense 4\": rank1 stands behind the split"},
        {"dense 3, spread 1.7", 1, "item 2, \"spread 1.7\": spread stands behind the split, where there are heads"},
        {"dense 4, spread 2, split, dense 3", 2, "item 2, \"spread 2\": spread stands behind the split"},
        {"dense 3", 5, "no split, so it has one head, not 5"},
        {"dense 3", 0, "at least one head"},
        {"dense 9, split, dense 16777216, dense 16777216", (size_t)1 << 40, "address can hold"},
    };
    trb_net *net = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(trb_net_create(bad[i].list, ten, bad[i].heads, &net), TRB_ECONFIG, bad[i].says);
        assert_null(net);
        assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    }
    assert_fails(trb_net_create("dense 3", (trb_shape){3, 0, 1}, 1, &net), TRB_ECONFIG, "3 x 0 x 1");
    assert_fails(trb_net_create("dense 3", (trb_shape){SIZE_MAX, 2, 1}, 1, &net), TRB_ECONFIG, "inputs of shape");
}

static void parameters_are_a_table(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t ndim, shape[3], offset, fan_in, fan_out;
        bool head, decays;
    } expected[] = {
        {"body.1.weight", 2, {4, 12}, 0, 12, 4, false, true},    {"body.1.bias", 1, {4}, 48, 0, 0, false, false},
        {"heads.0.weight", 3, {3, 5, 4}, 52, 4, 5, true, true},  {"heads.0.bias", 2, {3, 5}, 112, 0, 0, true, false},
        {"heads.3.weight", 3, {3, 2, 5}, 127, 5, 2, true, true}, {"heads.3.bias", 2, {3, 2}, 157, 0, 0, true, false},
    };
    trb_net *net = NULL;
    const char *list = "relu, dense 4, relu, split, dense 5, relu, dropout 0.5, dense 2";
    assert_ok(trb_net_create(list, (trb_shape){3, 2, 2}, 3, &net));
    assert_int_equal(trb_net_inputs(net), 12);
    assert_int_equal(trb_net_outputs(net), 2);
    assert_int_equal(trb_net_heads(net), 3);
    assert_int_equal(trb_net_shape(net).h, 2);
    assert_int_equal(trb_net_size(net), 163);
    assert_int_equal(trb_net_n_params(net), 6);
    for (size_t i = 0; i < 6; i++) {
        const trb_param *p = trb_net_param(net, i);
        size_t count = 1;
        assert_string_equal(p->name, expected[i].name);
        assert_int_equal(p->ndim, expected[i].ndim);
        for (size_t d = 0; d < p->ndim; d++) {
            assert_int_equal(p->shape[d], expected[i].shape[d]);
            count *= p->shape[d];
        }
        assert_int_equal(p->count, count);
        assert_int_equal(p->offset, expected[i].offset);
        assert_int_equal(p->fan_in, expected[i].fan_in);
        assert_int_equal(p->fan_out, expected[i].fan_out);
        assert_true(p->head == expected[i].head && p->decays == expected[i].decays);
    }
    trb_net_destroy(net);
    assert_ok(trb_net_create("dense 4, split, dense 5", ten, 1, &net)); /* one head is still a stack of heads */
    assert_int_equal(trb_net_param(net, 2)->ndim, 3);
    assert_int_equal(trb_net_param(net, 2)->shape[0], 1);
    trb_net_destroy(net);
}

/* Named as in the list, running statistics behind everything that is trained, and what each begins with. */
static void names_and_statistics_are_in_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t ndim, shape[5], offset;
        bool head, decays, statistic;
        float start;
    } expected[] = {
        {"body.0.weight", 4, {2, 3, 1, 1}, 0, false, true, false, 0.0F},
        {"body.1.weight", 1, {2}, 6, false, false, false, 1.0F},
        {"body.1.bias", 1, {2}, 8, false, false, false, 0.0F},
        {"body.a.b.1.weight", 4, {4, 2, 2, 2}, 10, false, true, false, 0.0F},
        {"body.a.b.1.bias", 1, {4}, 42, false, false, false, 0.0F},
        {"heads.0.weight", 2, {3, 4}, 46, true, false, false, 1.0F},
        {"heads.0.bias", 2, {3, 4}, 58, true, false, false, 0.0F},
        {"heads.c.0.weight", 5, {3, 5, 4, 1, 1}, 70, true, true, false, 0.0F},
        {"heads.c.2.weight", 3, {3, 2, 5}, 130, true, true, false, 0.0F},
        {"heads.c.2.bias", 2, {3, 2}, 160, true, false, false, 0.0F},
        {"body.1.running_mean", 1, {2}, 166, false, false, true, 0.0F},
        {"body.1.running_var", 1, {2}, 168, false, false, true, 1.0F},
        {"heads.0.running_mean", 2, {3, 4}, 170, true, false, true, 0.0F},
        {"heads.0.running_var", 2, {3, 4}, 182, true, false, true, 1.0F},
    };
    trb_net *net = NULL;
    assert_ok(
        trb_net_create("conv 2 1, norm, name a.b, relu, conv 4 2 bias, split, norm, name c, conv 5 1, relu, dense 2",
                       (trb_shape){3, 2, 2}, 3, &net));
    assert_int_equal(trb_net_n_params(net), sizeof expected / sizeof *expected);
    assert_int_equal(trb_net_trained(net), 166);
    assert_int_equal(trb_net_size(net), 194);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const trb_param *p = trb_net_param(net, i);
        assert_string_equal(p->name, expected[i].name);
        assert_int_equal(p->ndim, expected[i].ndim);
        for (size_t d = 0; d < p->ndim; d++) assert_int_equal(p->shape[d], expected[i].shape[d]);
        assert_int_equal(p->offset, expected[i].offset);
        assert_true(p->head == expected[i].head && p->decays == expected[i].decays);
        assert_true(p->statistic == expected[i].statistic && p->start == expected[i].start);
    }
    trb_net_destroy(net);
}

static const char *const blocks = "name stem, conv 4 3, norm, relu, name s1.b1, fork, norm, conv 4 1, add, name s1.b2, "
                                  "fork, conv 4 1, name s1.side, shortcut, norm, add, relu, name fc, dense 2";

static void a_split_can_be_put_in(void **state)
{
    (void)state;
    static const char *const good[][3] = {
        {"dense 200,relu, dense 200, relu, dense 10", "2", "dense 200, relu, split, dense 200, relu, dense 10"},
        {"dense 200, relu, dense 10", "1", "dense 200, split, relu, dense 10"},
        {"dense 9", "0", "split, dense 9"},
        {"dense 9, relu", "01", "dense 9, split, relu"},
        {"name a, dense 9, relu, name b, dense 3", "0", "split, name a, dense 9, relu, name b, dense 3"},
        {"name a, dense 9, relu, name b, dense 3", "1", "name a, dense 9, split, relu, name b, dense 3"},
        {"name a, dense 9, relu, name b, dense 3", "2", "name a, dense 9, relu, split, name b, dense 3"},
        {"name a, dense 9, relu, name b, dense 3", "b", "name a, dense 9, relu, split, name b, dense 3"},
        {"name ab.c, dense 9, name a, relu, name a.b, tanh", "a",
         "name ab.c, dense 9, split, name a, relu, name a.b, tanh"},
        {"relu, name a.b, dense 9, name a, relu", "a", "relu, name a.b, dense 9, split, name a, relu"},
        {"relu, name a.b.c, dense 9, name a.b.d, relu", "a.b", "relu, split, name a.b.c, dense 9, name a.b.d, relu"},
        {"relu, name a.b.c, dense 9, name a.b.d, relu", "a.b.d", "relu, name a.b.c, dense 9, split, name a.b.d, relu"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *out = NULL;
        assert_ok(trb_net_insert_split(good[i][0], good[i][1], &out));
        assert_string_equal(out, good[i][2]);
        trb_free(out);
    }
    /* At a fork, behind an add, by stage and by name; the whole rest is kept. */
    static const char *const places[][2] = {{"3", "relu, split, name s1.b1"}, {"s1", "relu, split, name s1.b1"},
                                            {"7", "add, split, name s1.b2"},  {"s1.b2", "add, split, name s1.b2"},
                                            {"12", "add, split, relu"},       {"fc", "relu, split, name fc"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *out = NULL;
        assert_ok(trb_net_insert_split(blocks, places[i][0], &out));
        assert_non_null(strstr(out, places[i][1]));
        assert_int_equal(strlen(out), strlen(blocks) + 7);
        trb_free(out);
    }
}

static void a_split_without_a_place_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        {"dense 200, relu, dense 10", "3",
         "position 3 is behind the last layer of \"dense 200, relu, dense 10\", 2 (counted from 0)"},
        {"name a, dense 200", "1", "position 1 is behind the last layer of \"name a, dense 200\", 0 (counted"},
        {"dense 10", "99999999999999999999999", "position 99999999999999999999999 is behind the last layer"},
        {"dense 10", "18446744073709551616", "position 18446744073709551616 is behind"},
        {"dense 2, split, dense 1", "0", "split already, as item 2"},
        {"dense 2,, dense 1", "0", "item 2 is empty"},
        {"dense 2, rleu", "0", "did you mean \"relu\""},
        {"dense 2, relu", "fc",
         "no layer of \"dense 2, relu\" has the name \"fc\"; none has a name, so give a position, counted from 0"},
        {"dense 2, relu", "", "has the name \"\""},
        {"dense 2, relu", "-1", "has the name \"-1\""},
        {"dense 2, relu", "1x", "has the name \"1x\""},
        {"name s1.b1, relu, name s1.b2, relu, name s2.b1, relu, name fc, dense 3, name fc2, dense 3", "s",
         "has the name \"s\"; names are s1.b1 ... s1.b2, s2.b1, fc, fc2"},
        {"name s1.b1, relu, name s1.b2, relu", "s1.b", "names are s1.b1 ... s1.b2"},
        {"name s1.b1, relu, name s1.b2, relu", "s1.", "names are s1.b1 ... s1.b2"},
        {"name s1.b1, relu, name s1.b2, relu", "s1.b1.c", "names are s1.b1 ... s1.b2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *out = NULL;
        assert_fails(trb_net_insert_split(bad[i][0], bad[i][1], &out), TRB_ECONFIG, bad[i][2]);
        assert_null(out);
    }
    static const char *const inside[][2] = {{"4", "\"4\" lies between a fork and its add, which one side of the split "
                                                  "must hold; give the fork's position, 3, or"},
                                            {"6", "position, 3,"},
                                            {"8", "position, 7,"},
                                            {"11", "position, 7,"},
                                            {"s1.side", "\"s1.side\" lies between a fork and its add, which one side "
                                                        "of the split must hold; give the fork's position, 7,"}};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        char *out = NULL;
        assert_fails(trb_net_insert_split(blocks, inside[i][0], &out), TRB_ECONFIG, inside[i][1]);
        assert_null(out);
    }
    /* As many names as fit into a line. */
    char list[4000] = "", *out = NULL;
    for (size_t i = 0, used = 0; i < 100; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%sname a-long-name-%zu, relu", i > 0 ? ", " : "", i);
    assert_fails(trb_net_insert_split(list, "x", &out), TRB_ECONFIG, "...");
    assert_null(out);
}

/* Deviation of n weights drawn with deviation s: s / sqrt(2 n) away from s, of the mean: s / sqrt(n). Five such
 * deviations; a uniform number in (-a, a) has deviation a / sqrt(3). */
static void initial_weights_have_their_spread(void **state)
{
    (void)state;
    trb_net *net = NULL;
    assert_ok(trb_net_create("dense 150, relu, split, dense 50", (trb_shape){60, 1, 1}, 2, &net));
    float *w = room(trb_net_size(net), sizeof *w);
    for (trb_init how = TRB_INIT_HE; how <= TRB_INIT_GLOROT; how++) {
        trb_net_init(net, how, 1, 0, w);
        for (size_t i = 0; i < trb_net_n_params(net); i++) {
            const trb_param *p = trb_net_param(net, i);
            double sum = 0.0, squares = 0.0, largest = 0.0;
            for (size_t j = 0; j < p->count; j++) {
                const double v = (double)w[p->offset + j];
                sum += v, squares += v * v, largest = fmax(largest, fabs(v));
            }
            if (!p->decays) {
                assert_true(largest == 0.0);
                continue;
            }
            const double limit = sqrt(6.0 / (double)(p->fan_in + p->fan_out)), n = (double)p->count;
            const double s = how == TRB_INIT_HE ? sqrt(2.0 / (double)p->fan_in) : limit / sqrt(3.0);
            assert_near(sum / n, 0.0, 5.0 * s / sqrt(n));
            assert_near(sqrt(squares / n), s, 5.0 * s / sqrt(2.0 * n));
            if (how == TRB_INIT_GLOROT)
                assert_in_range((int)(1e6 * largest), (int)(0.99e6 * limit), (int)(1e6 * limit));
        }
    }
    trb_net_destroy(net);
    trb_free(w);
}

/* Members differ, a body's weights do not depend on what is behind it, and the first heads not on how many there are.
 */
static void initial_weights_have_their_own_streams(void **state)
{
    (void)state;
    trb_net *member = NULL, *two = NULL, *four = NULL;
    assert_ok(trb_net_create("dense 8, relu, dense 6", ten, 1, &member));
    assert_ok(trb_net_create("dense 8, relu, split, dense 6", ten, 2, &two));
    assert_ok(trb_net_create("dense 8, relu, split, dense 6", ten, 4, &four));
    float *a = room(trb_net_size(four), sizeof *a), *b = room(trb_net_size(four), sizeof *b);
    trb_net_init(member, TRB_INIT_HE, 1, 0, a);
    trb_net_init(member, TRB_INIT_HE, 1, 1, b);
    assert_memory_not_equal(a, b, 80 * sizeof *a);
    trb_net_init(two, TRB_INIT_HE, 1, 0, b);
    assert_memory_equal(a, b, 80 * sizeof *a);
    trb_net_init(four, TRB_INIT_HE, 1, 0, a);
    const size_t at = trb_net_param(two, 2)->offset;
    assert_memory_equal(a + at, b + at, trb_net_param(two, 2)->count * sizeof *a);
    assert_memory_not_equal(a + at, a + at + 48, 48 * sizeof *a); /* heads differ */
    trb_net_destroy(member), trb_net_destroy(two), trb_net_destroy(four);
    trb_free(a), trb_free(b);
}

/* A batch normalisation over one value gives 0 whatever the value is. */
static void norms_need_two_values(void **state)
{
    (void)state;
    static const struct {
        const char *layers;
        trb_shape in;
        size_t M, rows;
        const char *refusal; /* NULL: it can be trained */
    } cases[] = {
        {"dense 8, norm, relu, dense 3", {4, 1, 1}, 1, 1, "layer body.1, a norm over 8 channels, would see one value"},
        {"dense 8, norm, relu, dense 3", {4, 1, 1}, 1, 2, NULL},
        {"conv 4 3, norm, dense 3", {1, 5, 5}, 1, 1, NULL}, /* nine pixels */
        {"conv 4 3, norm, globalpool, norm, dense 3", {1, 5, 5}, 1, 1, "layer body.3, a norm over 4 channels"},
        {"dense 8, split, name top, dense 5, norm, dense 3", {4, 1, 1}, 3, 1, "layer heads.top.1, a norm over 5"},
        {"dense 8, relu, dense 3", {4, 1, 1}, 1, 1, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trb_net *net = NULL;
        assert_ok(trb_net_create(cases[i].layers, cases[i].in, cases[i].M, &net));
        if (cases[i].refusal == NULL)
            assert_ok(trb_net_check_norms(net, cases[i].rows));
        else
            assert_fails(trb_net_check_norms(net, cases[i].rows), TRB_ECONFIG, cases[i].refusal);
        trb_net_destroy(net);
    }
}

static void layers_with_weights_are_counted(void **state)
{
    (void)state;
    trb_net *net = NULL;
    assert_ok(trb_net_create("resnet20 10", (trb_shape){3, 32, 32}, 1, &net));
    assert_int_equal(trb_net_weighted(net), 22); /* 20, and two projections */
    trb_net_destroy(net);
    assert_ok(trb_net_create("dense 8, relu, split, dense 5, norm, tanh, dense 3", (trb_shape){4, 1, 1}, 7, &net));
    assert_int_equal(trb_net_weighted(net), 3);
    trb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_need_two_values),
        cmocka_unit_test(layers_with_weights_are_counted),
        cmocka_unit_test(lists_get_one_form),
        cmocka_unit_test(probabilities_read_back),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(impossible_networks_are_refused),
        cmocka_unit_test(parameters_are_a_table),
        cmocka_unit_test(names_and_statistics_are_in_the_table),
        cmocka_unit_test(a_split_can_be_put_in),
        cmocka_unit_test(a_split_without_a_place_is_refused),
        cmocka_unit_test(initial_weights_have_their_spread),
        cmocka_unit_test(initial_weights_have_their_own_streams),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
