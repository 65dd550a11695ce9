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
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        trb_net *net = NULL, *again = NULL;
        assert_ok(trb_net_create(lists[i][0], ten, 1, &net));
        assert_string_equal(trb_net_layers(net), lists[i][1]);
        assert_ok(trb_net_create(trb_net_layers(net), ten, 1, &again));
        assert_string_equal(trb_net_layers(again), lists[i][1]);
        trb_net_destroy(net);
        trb_net_destroy(again);
    }
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        size_t heads;
        const char *says;
    } bad[] = {
        {"", 1, "item 1 is empty"},
        {"dense 3,, relu", 1, "item 2 is empty"},
        {"dense 3, relu,", 1, "item 3 is empty"},
        {"dense 3, rleu", 1, "item 2, \"rleu\": there is no layer \"rleu\"; did you mean \"relu\""},
        {"dens 3", 1, "did you mean \"dense\""},
        {"dense 3, splt, dense 2", 2, "did you mean \"split\""},
        {"dense", 1, "item 1, \"dense\": dense takes a number of units from 1 to 16777216"},
        {"dense 0", 1, "got \"0\""},
        {"dense -3", 1, "got \"-3\""},
        {"dense 3.5", 1, "got \"3.5\""},
        {"dense 16777217", 1, "got \"16777217\""},
        {"dense 99999999999999999999999", 1, "takes a number of units"},
        {"dense 3 4", 1, "got \"3 4\""},
        {"relu 3, dense 2", 1, "item 1, \"relu 3\": relu stands alone"},
        {"dense 3, split 2, dense 2", 2, "split stands alone"},
        {"dropout, dense 3", 1, "takes a probability from 0 to below 1"},
        {"dropout 1, dense 3", 1, "got \"1\""},
        {"dropout -0.1, dense 3", 1, "got \"-0.1\""},
        {"dropout nan, dense 3", 1, "got \"nan\""},
        {"dropout 0.5x, dense 3", 1, "got \"0.5x\""},
        {"relu, tanh", 1, "no dense layer"},
        {"dense 3, split", 2, "nothing behind the split"},
        {"dense 3, split, relu, dense 2", 2, "item 3, \"relu\": the layer behind the split must be dense"},
        {"dense 3, split, dense 2, split, dense 2", 2, "item 4: a second split; the first is item 2"},
        {"dense 3, split, split, dense 2", 2, "item 3: a second split"},
        {"dense 3", 5, "no split, so it has one head, not 5"},
        {"dense 3", 0, "at least one head"},
        {"dense 3, abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 1,
         "longer than any layer"},
        {"dense 9, split, dense 16777216, dense 16777216", (size_t)1 << 40, "address can hold"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        trb_net *net = NULL;
        assert_fails(trb_net_create(bad[i].list, ten, bad[i].heads, &net), TRB_ECONFIG, bad[i].says);
        assert_null(net);
        assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    }
    trb_net *net = NULL;
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
        {"body.1.weight", 2, {4, 12}, 0, 12, 4, false, true},    {"body.1.bias", 1, {4}, 48, 12, 4, false, false},
        {"heads.0.weight", 3, {3, 5, 4}, 52, 4, 5, true, true},  {"heads.0.bias", 2, {3, 5}, 112, 4, 5, true, false},
        {"heads.3.weight", 3, {3, 2, 5}, 127, 5, 2, true, true}, {"heads.3.bias", 2, {3, 2}, 157, 5, 2, true, false},
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

static void a_split_can_be_put_in(void **state)
{
    (void)state;
    char *out = NULL;
    assert_ok(trb_net_insert_split("dense 200,relu, dense 200, relu, dense 10", 2, &out));
    assert_string_equal(out, "dense 200, relu, split, dense 200, relu, dense 10");
    trb_free(out);
    assert_ok(trb_net_insert_split("dense 9", 0, &out));
    assert_string_equal(out, "split, dense 9");
    trb_free(out);
    out = NULL;
    const char *list = "dense 200, relu, dense 10";
    assert_fails(trb_net_insert_split(list, 1, &out), TRB_ECONFIG,
                 "position 1 of \"dense 200, relu, dense 10\" is \"relu\"");
    assert_fails(trb_net_insert_split(list, 3, &out), TRB_ECONFIG, "position 3 is behind the last layer");
    assert_fails(trb_net_insert_split("dense 2, split, dense 1", 0, &out), TRB_ECONFIG, "split already, as item 2");
    assert_fails(trb_net_insert_split("dense 2,, dense 1", 0, &out), TRB_ECONFIG, "item 2 is empty");
    assert_null(out);
}

static void every_head_becomes_the_one(void **state)
{
    (void)state;
    const char *list = "dense 4, relu, split, dense 5, relu, dense 2";
    trb_net *one = NULL, *many = NULL, *other = NULL;
    assert_ok(trb_net_create(list, ten, 1, &one));
    assert_ok(trb_net_create(list, ten, 3, &many));
    assert_ok(trb_net_create("dense 4, tanh, split, dense 5, relu, dense 2", ten, 3, &other));
    float *from = normals(trb_net_size(one), 1.0F, 1), *to = room(trb_net_size(many), sizeof *to);
    assert_ok(trb_net_spread(one, from, many, to));
    for (size_t i = 0; i < trb_net_n_params(many); i++) {
        const trb_param *p = trb_net_param(one, i), *q = trb_net_param(many, i);
        assert_int_equal(q->count, p->head ? 3 * p->count : p->count);
        for (size_t j = 0; j < q->count; j++) assert_true(to[q->offset + j] == from[p->offset + j % p->count]);
    }
    assert_fails(trb_net_spread(one, from, other, to), TRB_EINTERNAL, "tanh");
    assert_fails(trb_net_spread(many, to, many, to), TRB_EINTERNAL, "3 heads");
    trb_net_destroy(one), trb_net_destroy(many), trb_net_destroy(other);
    trb_free(from), trb_free(to);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_get_one_form),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(parameters_are_a_table),
        cmocka_unit_test(a_split_can_be_put_in),
        cmocka_unit_test(every_head_becomes_the_one),
        cmocka_unit_test(initial_weights_have_their_spread),
        cmocka_unit_test(initial_weights_have_their_own_streams),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
