/* Reading: defaults, file, flags, what is more specific, and every way to write a value. */
#include "asserts.h"
#include "config_fixture.h"

static void defaults(void **state)
{
    (void)state;
    (void)unsetenv("TRIBIKOS_DATA");
    trb_config *c = parse(SMALL, 0, NULL);
    assert_string_equal(c->run.dir, "runs/t");
    assert_int_equal(c->run.seed, 1);
    assert_true(c->run.progress == 10.0);
    assert_int_equal(c->data.task, TRB_TASK_CLASSES);
    assert_int_equal(c->data.format, TRB_FORMAT_IDX);
    assert_string_equal(c->data.root, ".");
    assert_int_equal(c->data.n_train, 2);
    assert_string_equal(c->data.train[1], "y");
    assert_int_equal(c->data.n_test, 2);
    assert_string_equal(c->data.test[0], "u");
    assert_int_equal(c->data.validation, 0);
    assert_int_equal(c->data.normalize, TRB_NORMALIZE_STANDARD);
    assert_int_equal(c->members.count, 5);
    for (size_t m = 0; m < 5; m++) {
        assert_true(c->members.only[m]);
        assert_string_equal(c->member[m].layers, "dense 20, relu, dense 10");
        assert_int_equal(c->member[m].seed, 1);
        assert_int_equal(c->member[m].epochs, 10);
    }
    const trb_fit_opts *f = &c->train;
    assert_string_equal(f->layers, "dense 20, relu, dense 10");
    assert_int_equal(f->seed, 1);
    assert_int_equal(f->epochs, 10);
    assert_int_equal(f->batch, 128);
    assert_int_equal(f->lanes, 4);
    assert_int_equal(f->optimizer, TRB_OPTIM_ADAM);
    assert_true(f->lr == 1e-3 && f->momentum == 0.9 && f->beta1 == 0.9 && f->beta2 == 0.999 && f->eps == 1e-8);
    assert_true(f->weight_decay == 0.0 && f->clip == 0.0 && !f->nesterov);
    assert_int_equal(f->schedule, TRB_SCHEDULE_COSINE);
    assert_true(f->warmup == 0.0 && f->decay_epochs == 30.0 && f->gamma == 0.1);
    assert_int_equal(f->init, TRB_INIT_HE);
    assert_true(trb_recipe_empty(&f->augment));
    assert_int_equal(c->cache.n_recipes, 0);
    assert_int_equal(c->cache.view_seed, 1);
    assert_int_equal(c->cache.dtype, TRB_F32);
    assert_int_equal(c->cache.views, 1);
    assert_int_equal(c->cache.block, 256);
    assert_int_equal(c->cache.shard_rows, 16384);
    assert_int_equal(c->cache.deflate, 0);
    assert_int_equal(c->cache.memory, 1024UL << 20);
    assert_int_equal(c->n_students, 2);
    assert_string_equal(c->student[0].name, "hydra");
    assert_string_equal(c->student[1].name, "kd");
    assert_string_equal(c->student[0].method->name, "hydra");
    assert_string_equal(c->student[1].method->name, "kd");
    for (size_t s = 0; s < 2; s++) {
        assert_string_equal(c->student[s].split, "2");
        assert_string_equal(c->student[s].fit.layers, "");
        assert_true(c->student[s].tempering.temperature == 4.0);
        assert_int_equal(c->student[s].phase1_epochs, 20);
        assert_int_equal(c->student[s].views, 1); /* all */
        assert_int_equal(c->student[s].fit.epochs, 20);
        assert_int_equal(c->student[s].fit.seed, 1);
    }
    assert_int_equal(c->exchange.kind, TRB_EXCHANGE_ORDERED);
    assert_string_equal(c->eval.split, "test");
    assert_int_equal(c->eval.batch, 256);
    assert_int_equal(c->eval.bins, 15);
    assert_int_equal(c->math.threads, 1);
    trb_config_destroy(c);
}

static void specific_over_general(void **state)
{
    (void)state;
    const char *text = SMALL "train.epochs: 7\n"
                             "run.seed: 5\n"
                             "members: {count: 3, overrides: {1: {seed: 9, lr: 0.5, layers: 'dense 4,dense 10'}}}\n"
                             "students: [kd, a-b_3, c]\n"
                             "student:\n"
                             "  lr: 0.25\n"
                             "  a-b_3: {split: 2}\n"
                             "  kd: {layers: [dense 8, relu, split, dense 10], lr: 0.125}\n"
                             "  c: {method: kd, seed: 3}\n";
    const char *flags[] = {"--student.lr=0.75", "--train.lr=2"};
    trb_config *c = parse(text, 2, flags);
    assert_int_equal(c->member[0].seed, 5);
    assert_int_equal(c->member[1].seed, 9);
    assert_int_equal(c->member[1].epochs, 7);
    /* What is said for one member stands against a flag for all. */
    assert_true(c->member[0].lr == 2.0 && c->member[1].lr == 0.5);
    assert_string_equal(c->member[1].layers, "dense 4, dense 10");
    assert_string_equal(c->member[2].layers, "dense 20, relu, dense 10");
    assert_int_equal(c->n_students, 3);
    assert_true(c->student[0].fit.lr == 0.125 && c->student[1].fit.lr == 0.75);
    /* A student's own layers replace the split of all. */
    assert_string_equal(c->student[0].fit.layers, "dense 8, relu, split, dense 10");
    assert_string_equal(c->student[0].split, "");
    assert_string_equal(c->student[1].split, "2");
    assert_string_equal(c->student[0].method->name, "kd");
    assert_string_equal(c->student[1].method->name, "hydra");
    assert_string_equal(c->student[2].method->name, "kd");
    assert_int_equal(c->student[1].fit.seed, 5);
    assert_int_equal(c->student[2].fit.seed, 3);
    /* Students do not inherit from train. */
    assert_int_equal(c->student[1].fit.epochs, 20);
    trb_config_destroy(c);

    /* And a student's own split the layers of all; its own method the method of its name. */
    const char *more[] = {"--student.split=", "--student.layers=dense 8, split, dense 10", "--student.kd.split=0",
                          "--student.kd.method=hydra", "--student.method=kd"};
    c = parse(SMALL, 5, more);
    assert_string_equal(c->student[0].fit.layers, "dense 8, split, dense 10");
    assert_string_equal(c->student[0].split, "");
    assert_string_equal(c->student[1].fit.layers, "");
    assert_string_equal(c->student[1].split, "0");
    assert_string_equal(c->student[0].method->name, "hydra");
    assert_string_equal(c->student[1].method->name, "hydra");
    trb_config_destroy(c);

    /* Every method by its name, and what only some of them use. */
    const char *all[] = {"--students=[hydra, endd, proxy-endd, kd]", "--student.endd.anneal_from=20",
                         "--student.kd.label_weight=0.25", "--student.hydra.match_uncertainty=true",
                         "--data.validation=5"};
    c = parse(SMALL, 5, all);
    assert_string_equal(c->student[1].method->name, "endd");
    assert_string_equal(c->student[2].method->name, "proxy-endd");
    assert_true(c->student[1].tempering.anneal_from == 20.0 && c->student[0].tempering.anneal_from == 10.0);
    assert_true(c->student[1].tempering.anneal_share == 0.5 && c->student[0].label_weight == 0.0);
    /* What decides says what is not as it always was. */
    assert_non_null(strstr(of_student(c, 1), "anneal_from: 20\n"));
    assert_non_null(strstr(of_student(c, 3), "label_weight: 0.25\n"));
    assert_non_null(strstr(of_student(c, 0), "match_uncertainty: true\n"));
    assert_null(strstr(of_student(c, 3), "match_uncertainty"));
    assert_null(strstr(of_student(c, 0), "anneal"));
    assert_null(strstr(of_student(c, 0), "label_weight"));
    trb_config_destroy(c);
}

static bool same_recipe(const trb_recipe *r, const char *text)
{
    char own[TRB_RECIPE_BYTES];
    trb_recipe_text(r, own);
    return strcmp(own, text) == 0;
}

static void recipes(void **state)
{
    (void)state;
    const char *text = SMALL "run.seed: 5\n"
                             "train.augment: [crop 4, 'flip,cutout  8']\n"
                             "members.overrides: {1: {augment: []}, 2: {augment: mixup 0.20}}\n"
                             "cache: {views: 4, view_recipes: [\"crop 2, mixup 0.4\", \"ods 16 2\", flip]}\n"
                             "student: {views: 3, kd: {views: 2}}\n";
    trb_config *c = parse(text, 0, NULL);
    assert_true(same_recipe(&c->train.augment, "crop 4, flip, cutout 8"));
    assert_true(same_recipe(&c->member[0].augment, "crop 4, flip, cutout 8"));
    assert_true(same_recipe(&c->member[1].augment, ""));
    assert_true(same_recipe(&c->member[2].augment, "mixup 0.2"));
    assert_int_equal(c->cache.n_recipes, 3);
    assert_true(same_recipe(&c->cache.recipe[0], "crop 2, mixup 0.4"));
    assert_true(same_recipe(&c->cache.recipe[1], "ods 16 2"));
    assert_true(same_recipe(&c->cache.recipe[2], "flip"));
    assert_int_equal(c->cache.view_seed, 5);
    assert_int_equal(c->student[0].views, 3);
    assert_int_equal(c->student[1].views, 2);
    /* Students have none, whatever the members have. */
    assert_true(trb_recipe_empty(&c->student[0].fit.augment));
    /* What decides a member's bits says so; what the views are does not. */
    assert_non_null(strstr(of_member(c, 0), "augment: [crop 4, flip, cutout 8]\n"));
    assert_null(strstr(of_member(c, 0), "view"));
    assert_non_null(strstr(of_student(c, 1), "views: 2\n"));
    trb_config_destroy(c);
    const char *flags[] = {"--cache.view_seed=7", "--run.seed=9", "--train.augment=", "--student.views=0"};
    c = parse(text, 4, flags);
    assert_int_equal(c->cache.view_seed, 7);
    assert_true(same_recipe(&c->train.augment, ""));
    /* Not how it was said how many views a student sees, but how many they are. */
    assert_int_equal(c->student[0].views, 4);
    assert_non_null(strstr(of_student(c, 0), "views: 4\n"));
    trb_config_destroy(c);
}

/* What the file describes of students, members and sets that a flag leaves out is no mistake; of those it names, a
 * mistake is one. */
static void flags_leave_out(void **state)
{
    (void)state;
    static const char text[] = SMALL "student: {kd: {lr: 1}}\nmembers.overrides: {4: {lr: 1}}\n"
                                     "eval.ood: [far]\nood.far: {files: [x]}\nood.near.files: [x]\n";
    const char *flags[] = {"--students=[hydra]", "--members.count=4", "--eval.ood=[]", "--student.kd.lr=2"};
    trb_config *c = parse(text, 3, flags);
    assert_int_equal(c->n_students, 1);
    assert_int_equal(c->members.count, 4);
    assert_int_equal(c->eval.n_ood, 0);
    trb_config_destroy(c);
    assert_fails(trb_config_parse("t.yaml", text, 4, (char *const *)flags, &c), TRB_ECONFIG,
                 "no student has the name `kd`");
    const char *wrong[] = {"--students=[kd]"};
    assert_fails(trb_config_parse("t.yaml", SMALL "student.kd.lt: 1\n", 1, (char *const *)wrong, &c), TRB_ECONFIG,
                 "key `student.kd.lt`: unknown");
}

/* A value is what the shell hands over; only lists and sections are YAML. */
static void values_of_flags(void **state)
{
    (void)state;
    const char *flags[] = {"--train.layers=[dense 200, relu, dense 10]",
                           "--students=[hydra]",
                           "--members={count: 8, overrides: {7: {lr: 1e-2}}}",
                           "--members=0-2,5",
                           "--data.train=one.h5",
                           "--run.dir=a=b",
                           "--data.test=[\"a, b\", 'it''s', x]",
                           "--student.layers=",
                           "--train.epochs=3",
                           "--train.epochs=4"};
    trb_config *c = parse(SMALL, sizeof flags / sizeof flags[0], flags);
    assert_string_equal(c->train.layers, "dense 200, relu, dense 10");
    assert_int_equal(c->n_students, 1);
    assert_int_equal(c->members.count, 8);
    for (size_t m = 0; m < 8; m++) assert_int_equal(c->members.only[m], m <= 2 || m == 5);
    assert_true(c->member[7].lr == 1e-2);
    assert_int_equal(c->data.n_train, 1);
    assert_string_equal(c->data.train[0], "one.h5");
    assert_string_equal(c->run.dir, "a=b");
    assert_int_equal(c->data.n_test, 3);
    assert_string_equal(c->data.test[0], "a, b");
    assert_string_equal(c->data.test[1], "it's");
    assert_string_equal(c->student[0].fit.layers, "");
    assert_int_equal(c->train.epochs, 4); /* the last flag wins */
    trb_config_destroy(c);

    const char *list[] = {"--members=[0, 3]", "--students=[]"};
    c = parse(SMALL, 2, list);
    assert_true(c->members.only[0] && !c->members.only[1] && c->members.only[3]);
    assert_int_equal(c->n_students, 0);
    trb_config_destroy(c);

    /* Also by 64 digits. */
    const char *one[] = {"--members=3", "--members=0000000000000000000000000000000000000000000000000000000000000003"};
    for (size_t i = 0; i < 2; i++) {
        c = parse(SMALL, 1, one + i);
        for (size_t m = 0; m < 5; m++) assert_int_equal(c->members.only[m], m == 3);
        trb_config_destroy(c);
    }
}

static void layers_in_every_spelling(void **state)
{
    (void)state;
    const char *spellings[] = {"[dense 20, relu, dropout 0.5, dense 10]", "\"dense 20,relu , dropout   0.5,dense 10\"",
                               "\n- dense 20\n- relu\n- dropout 0.5\n- \" dense\\t10 \"",
                               "[\"dense 20, relu\", \"dropout 0.5,dense 10\"]"};
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "run.dir: r\ndata: {train: x, test: y}\nstudents: []\ntrain.layers: %s\n",
                       spellings[i]);
        trb_config *c = parse(text, 0, NULL);
        assert_string_equal(c->train.layers, "dense 20, relu, dropout 0.5, dense 10");
        trb_config_destroy(c);
    }
}

/* A preset stays a preset, and a split may be a name in it. Where its text decides bits, CIFAR's residual networks have
 * their earlier name, whichever is given. */
static void presets_are_kept(void **state)
{
    (void)state;
    const char *text =
        SMALL "members.overrides: {1: {layers: ['wrn16-4  10']}}\n"
              "student.kd: {layers: [conv 16 3 stride 2 pad 1, split, name head_1.x-2, relu, resnet8 10]}\n";
    const char *flags[2][2] = {{"--train.layers=[resnet20 10]", "--student.split=stage3.block3"},
                               {"--train.layers=[cifar-resnet20 10]", "--student.split=stage3.block3"}};
    for (size_t i = 0; i < 2; i++) {
        trb_config *c = parse(text, 2, flags[i]);
        assert_string_equal(c->train.layers, "cifar-resnet20 10");
        assert_string_equal(c->member[1].layers, "wrn16-4 10");
        assert_non_null(strstr(of_member(c, 0), "\nlayers: [resnet20 10]\n"));
        assert_string_equal(c->student[0].split, "stage3.block3");
        assert_non_null(strstr(of_student(c, 0), "\nsplit: stage3.block3\n"));
        assert_non_null(strstr(of_student(c, 0), "\ntrain.layers: [resnet20 10]\n"));
        assert_string_equal(c->student[1].fit.layers,
                            "conv 16 3 stride 2 pad 1, split, name head_1.x-2, relu, cifar-resnet8 10");
        assert_non_null(strstr(of_student(c, 1), "\nlayers: [conv 16 3 stride 2 pad 1, split, name head_1.x-2, relu, "
                                                 "resnet8 10]\n"));
        trb_config_destroy(c);
    }
    /* A depth that does not exist keeps its name, which the refusal of the network then has. */
    const char *none = "--train.layers=[resnet18 10]";
    trb_config *c = parse(SMALL, 1, &none);
    assert_string_equal(c->train.layers, "resnet18 10");
    trb_config_destroy(c);
}

/* A student's list may be its own, with the split in it or beside it; one head needs none. */
static void layers_of_students(void **state)
{
    (void)state;
    const char *text =
        SMALL "students: [hydra, kd, whole, other]\n"
              "student: {hydra: {layers: [resnet8 10], split: stage3}, kd: {layers: [dense 4, dense 10]},\n"
              "          whole: {method: kd, split: ''}, other: {layers: [dense 4, split, dense 10]}}\n";
    trb_config *c = parse(text, 0, NULL);
    assert_string_equal(c->student[0].fit.layers, "cifar-resnet8 10");
    assert_string_equal(c->student[0].split, "stage3");
    assert_non_null(strstr(of_student(c, 0), "\nsplit: stage3\n"));
    assert_non_null(strstr(of_student(c, 0), "\nlayers: [resnet8 10]\n"));
    assert_null(strstr(of_student(c, 0), "train.layers"));
    assert_string_equal(c->student[1].fit.layers, "dense 4, dense 10");
    assert_string_equal(c->student[1].split, "");
    assert_string_equal(c->student[3].split, "");
    trb_config_destroy(c);

    /* A split of its own is one in the list of all students, if that has none. */
    const char *flags[] = {"--student.layers=[resnet8 10]", "--student.split=", "--student.hydra.split=stage3",
                           "--student.kd.split=fc"};
    c = parse(SMALL, 4, flags);
    assert_string_equal(c->student[0].fit.layers, "cifar-resnet8 10");
    assert_string_equal(c->student[0].split, "stage3");
    assert_string_equal(c->student[1].split, "fc");
    trb_config_destroy(c);
    flags[0] = "--student.layers=[dense 3, split, dense 10]";
    c = parse(SMALL, 4, flags);
    assert_string_equal(c->student[0].fit.layers, "");
    trb_config_destroy(c);
}

/* Members that are all from elsewhere have no layers; or each may have its own. */
static void layers_of_members(void **state)
{
    (void)state;
    const char *none[] = {"--train.layers=[]", "--student.layers=[dense 4, split, dense 10]", "--student.split="};
    trb_config *c = parse(SMALL, 3, none);
    assert_string_equal(c->member[0].layers, "");
    trb_config_destroy(c);
    const char *all[] = {none[0],
                         none[1],
                         none[2],
                         "--members.count=2",
                         "--members.overrides.0.layers=[dense 10]",
                         "--members.overrides.1.layers=[lenet5 10]"};
    c = parse(SMALL, 6, all);
    assert_string_equal(c->member[1].layers, "lenet5 10");
    trb_config_destroy(c);
}

static void lists_of_numbers(void **state)
{
    (void)state;
    const char *flags[] = {"--data.normalize=given", "--data.mean=[0.5, -1e-3, 2]", "--data.std=0.25"};
    trb_config *c = parse(SMALL, 3, flags);
    assert_int_equal(c->data.n_mean, 3);
    assert_true(c->data.mean[0] == 0.5 && c->data.mean[1] == -1e-3 && c->data.mean[2] == 2.0);
    assert_int_equal(c->data.n_std, 1);
    assert_true(c->data.std[0] == 0.25);
    assert_non_null(strstr(of_member(c, 0), "data.mean: [0.5, -0.001, 2]\n"));
    trb_config_destroy(c);
    c = parse(SMALL, 0, NULL);
    assert_null(strstr(of_member(c, 0), "data.mean"));
    trb_config_destroy(c);
}

static void paths(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOME", "/home/me", 1), 0);
    assert_int_equal(setenv("TRB_A", "/scratch", 1), 0);
    assert_int_equal(setenv("TRB_B", "b$c", 1), 0); /* what a variable holds is not replaced again */
    static const struct {
        const char *given, *is, *printed;
    } each[] = {{"~", "/home/me", "/home/me"},
                {"~/x", "/home/me/x", "/home/me/x"},
                {"~root/x", "/root/x", "/root/x"},
                {"x~", "x~", "\"x~\""},
                {"./~x", "./~x", "\"./~x\""},
                {"$TRB_A/x", "/scratch/x", "/scratch/x"},
                {"${TRB_A}x", "/scratchx", "/scratchx"},
                {"a/$TRB_B-$TRB_B", "a/b$c-b$c", "\"a/b$$c-b$$c\""},
                {"a$$b", "a$b", "\"a$$b\""},
                {"$$HOME", "$HOME", "\"$$HOME\""},
                {"exp #3", "exp #3", "\"exp #3\""},
                {"a: b", "a: b", "\"a: b\""},
                {"@x", "@x", "\"@x\""},
                {"[x]", "[x]", "\"[x]\""},
                {"{x: 1}", "{x: 1}", "\"{x: 1}\""},
                {"'a'", "'a'", "\"'a'\""},
                {"null", "null", "\"null\""}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        char flag[64], line[64], *text = NULL;
        const char *flags[] = {flag};
        (void)snprintf(flag, sizeof flag, "--run.dir=%s", each[i].given);
        (void)snprintf(line, sizeof line, "  dir: %s\n", each[i].printed);
        trb_config *c = parse(SMALL, 1, flags);
        assert_string_equal(c->run.dir, each[i].is);
        assert_int_equal(trb_config_print(c, &text), TRB_OK);
        if (strstr(text, line) == NULL) fail_msg("expected `%s` in %s", line, text);
        trb_config *again = parse(text, 0, NULL);
        assert_string_equal(again->run.dir, each[i].is);
        trb_free(text);
        trb_config_destroy(c);
        trb_config_destroy(again);
    }
    const char *lists[] = {"--data.train=[$TRB_A/x, ~/y]", "--eval.ood=[far]", "--ood.far.files=~/z",
                           "--ood.far.root=$TRB_A", "--run.resume=$TRB_A/c.h5"};
    trb_config *c = parse(SMALL "data.root: ~/data\n", 5, lists);
    assert_string_equal(c->data.root, "/home/me/data");
    assert_string_equal(c->data.train[0], "/scratch/x");
    assert_string_equal(c->data.train[1], "/home/me/y");
    assert_string_equal(c->eval.ood[0].files[0], "/home/me/z");
    assert_string_equal(c->eval.ood[0].root, "/scratch");
    assert_string_equal(c->run.resume, "/scratch/c.h5");
    trb_config_destroy(c);

    /* What other ranks need to read the same. */
    trb_text names = {0};
    char *all = NULL;
    assert_ok(trb_config_variables("a: $A/${B_1}x $$C $ ${D $1\nb: '$E'", &names));
    assert_ok(trb_text_take(&names, &all));
    assert_string_equal(all, "A\nB_1\nE\n");
    trb_free(all);
}

static void byte_order_marks(void **state)
{
    (void)state;
    trb_config *c = parse("\xef\xbb\xbf" SMALL, 0, NULL);
    assert_string_equal(c->run.dir, "runs/t");
    trb_config_destroy(c);
}

static void expect_names(const trb_config *c, size_t n, const char *const *names)
{
    assert_int_equal(c->n_students, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(c->student[i].name, names[i]);
}

static void grids(void **state)
{
    (void)state;
    const char *text = SMALL "students: [hydra, endd, mine, kd]\n"
                             "student:\n"
                             "  grid: {temperature: [1, 0.5], seed: [7, 8]}\n"
                             "  hydra: {lr: 0.125}\n"
                             "  mine: {method: kd, grid: {temperature: 3}}\n"
                             "  kd-temperature-1-seed-8: {lr: 0.5}\n";
    static const char *const names[] = {"hydra-temperature-1-seed-7",
                                        "hydra-temperature-1-seed-8",
                                        "hydra-temperature-0_5-seed-7",
                                        "hydra-temperature-0_5-seed-8",
                                        "endd-seed-7", /* which reads no temperature */
                                        "endd-seed-8",
                                        "mine-temperature-3-seed-7", /* one key is the common grid's, one its own */
                                        "mine-temperature-3-seed-8",
                                        "kd-temperature-1-seed-7",
                                        "kd-temperature-1-seed-8",
                                        "kd-temperature-0_5-seed-7",
                                        "kd-temperature-0_5-seed-8"};
    char *printed = NULL;
    size_t first = 9;
    trb_config *c = parse(text, 0, NULL);
    expect_names(c, 12, names);
    const trb_student_opts *s = c->student;
    assert_true(s[3].tempering.temperature == 0.5 && s[3].fit.seed == 8 && s[3].fit.lr == 0.125);
    assert_string_equal(s[3].method->name, "hydra");
    assert_string_equal(s[4].method->name, "endd");
    assert_string_equal(s[6].method->name, "kd");
    assert_true(s[6].tempering.temperature == 3.0 && s[6].fit.seed == 7);
    assert_true(s[9].fit.lr == 0.5 && s[8].fit.lr == 0.001);
    /* Students of a grid are those that one would have written by hand. */
    const char *by_hand[] = {"--students=[x]", "--student.x.method=hydra", "--student.x.temperature=0.5",
                             "--student.x.seed=8", "--student.x.lr=0.125"};
    trb_config *one = parse(SMALL, 5, by_hand);
    assert_string_equal(of_student(c, 3), of_student(one, 0));
    trb_config_destroy(one);
    /* What differs in its seed alone. */
    const size_t groups[] = {0, 0, 2, 2, 4, 4, 6, 6, 8, 9, 10, 10};
    for (size_t i = 0; i < 12; i++) {
        assert_ok(trb_config_but_seed(c, i, &first));
        assert_int_equal(first, groups[i]);
    }
    /* The resolved configuration has no grid. */
    assert_ok(trb_config_print(c, &printed));
    assert_null(strstr(printed, "grid"));
    trb_config *again = parse(printed, 0, NULL);
    expect_names(again, 12, names);
    for (size_t i = 0; i < 12; i++) assert_string_equal(of_student(again, i), of_student(c, i));
    trb_config_destroy(again);
    trb_config_destroy(c);
    trb_free(printed);
    /* A flag names a student of the grid, or a method whose grid it is. */
    const char *few[] = {"--students=[hydra-temperature-0_5-seed-8, endd]"};
    static const char *const chosen[] = {"hydra-temperature-0_5-seed-8", "endd-seed-7", "endd-seed-8"};
    c = parse(text, 1, few);
    expect_names(c, 3, chosen);
    assert_true(c->student[0].tempering.temperature == 0.5 && c->student[0].fit.lr == 0.125);
    trb_config_destroy(c);
    /* A grid by flags. */
    const char *flags[] = {"--students=[kd]", "--student.grid.seed=[1, 2]", "--student.kd.grid.lr=[0.1]"};
    static const char *const flagged[] = {"kd-lr-0_1-seed-1", "kd-lr-0_1-seed-2"};
    c = parse(SMALL, 3, flags);
    expect_names(c, 2, flagged);
    trb_config_destroy(c);
}

/* Names do not depend on where, or in which order, the lists of a grid are given. */
static void grids_names(void **state)
{
    (void)state;
    static const char *const names[] = {"hydra-split-1-temperature-2-lr-0_1-seed-7",
                                        "hydra-split-1-temperature-2-lr-0_1-seed-8"};
    static const char *const texts[] = {
        SMALL "students: [hydra]\nstudent.grid: {split: [1], temperature: [2], lr: [0.1], seed: [7, 8]}\n",
        SMALL "students: [hydra]\nstudent.grid: {seed: [7, 8], lr: [0.1], temperature: [2], split: [1]}\n",
        SMALL "students: [hydra]\nstudent.hydra.grid.seed: [7, 8]\nstudent.grid: {lr: [0.1], temperature: [2], split: "
              "[1]}\n",
        SMALL "students: [hydra]\nstudent.grid: {temperature: [5, 6], seed: [7, 8], split: [1], lr: [0.1]}\n",
    };
    const char *flag = "--student.grid.temperature=[2]";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        trb_config *c = parse(texts[i], i == 3 ? 1 : 0, &flag);
        expect_names(c, 2, names);
        trb_config_destroy(c);
    }
}

/* The name of a student that a grid has replaced stands for all that the grid has made of it, also in the resolved
 * configuration, which has no grid. */
static void grids_again(void **state)
{
    (void)state;
    const char *text = SMALL "students: [hydra, hydra-big, kd]\n"
                             "student:\n"
                             "  hydra: {grid: {temperature: [1, 2], seed: [7, 8]}}\n"
                             "  hydra-big: {method: hydra, lr: 0.5}\n";
    static const struct {
        const char *names;
        bool again[6]; /* four of the grid, hydra-big, kd */
    } table[] = {{"hydra", {true, true, true, true, false, false}},
                 {"kd,hydra-temperature-2", {false, false, true, true, false, true}},
                 {"hydra-temperature-1-seed-8", {false, true, false, false, false, false}},
                 {"hydra-big", {false, false, false, false, true, false}}};
    for (size_t i = 0; i < 2 * (sizeof table / sizeof *table); i++) {
        char *printed = NULL;
        trb_config *c = parse(text, 0, NULL);
        if (i % 2 == 1) {
            assert_ok(trb_config_print(c, &printed));
            trb_config_destroy(c);
            c = parse(printed, 0, NULL);
            trb_free(printed);
        }
        assert_ok(trb_config_retrain(c, table[i / 2].names));
        for (size_t s = 0; s < 6; s++) assert_int_equal(c->student[s].retrain, table[i / 2].again[s]);
        trb_config_destroy(c);
    }
    trb_config *c = parse(text, 0, NULL);
    assert_fails(trb_config_retrain(c, "hydra-temp"), TRB_ECONFIG, "no student has the name `hydra-temp`");
    assert_fails(trb_config_retrain(c, "hydra-"), TRB_ECONFIG, "no student has the name `hydra-`");
    trb_config_destroy(c);
}

static void root_falls_back(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRIBIKOS_DATA", "/some/where", 1), 0);
    trb_config *c = parse(SMALL, 0, NULL);
    assert_string_equal(c->data.root, "/some/where");
    trb_config_destroy(c);
    const char *flags[] = {"--data.root=/else"};
    c = parse(SMALL, 1, flags);
    assert_string_equal(c->data.root, "/else");
    trb_config_destroy(c);
    assert_int_equal(unsetenv("TRIBIKOS_DATA"), 0);
}

/* Students of statistics are those whose targets do not change with what a cache cannot know; which they are trained
 * from is told by their text no more than the precision of logits is. */
static void statistics(void **state)
{
    (void)state;
    static const char *const of_them[] = {
        "students: [proxy-endd]\n", "students: [endd]\nstudent.anneal_from: 1\n",
        "students: [endd]\nstudent.anneal_share: 0\n",
        "students: [endd, kd]\nstudent: {endd: {anneal_from: 1}, kd: {temperature: 1, label_weight: 0.5}}\n",
        "students: []\n"};
    const char *flag = "--cache.holds=statistics";
    for (size_t i = 0; i < sizeof of_them / sizeof *of_them; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "%s%s", SMALL, of_them[i]);
        trb_config *a = parse(text, 0, NULL), *b = parse(text, 1, &flag);
        assert_true(a->cache.holds == TRB_SHARD_LOGITS && b->cache.holds == TRB_SHARD_STATISTICS);
        assert_string_equal(trb_shard_kind_name(b->cache.holds), strchr(flag, '=') + 1);
        for (size_t s = 0; s < a->n_students; s++) assert_string_equal(of_student(a, s), of_student(b, s));
        trb_config_destroy(a);
        trb_config_destroy(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults),
                                       cmocka_unit_test(specific_over_general),
                                       cmocka_unit_test(recipes),
                                       cmocka_unit_test(flags_leave_out),
                                       cmocka_unit_test(values_of_flags),
                                       cmocka_unit_test(layers_in_every_spelling),
                                       cmocka_unit_test(presets_are_kept),
                                       cmocka_unit_test(layers_of_students),
                                       cmocka_unit_test(layers_of_members),
                                       cmocka_unit_test(lists_of_numbers),
                                       cmocka_unit_test(paths),
                                       cmocka_unit_test(byte_order_marks),
                                       cmocka_unit_test(grids),
                                       cmocka_unit_test(grids_names),
                                       cmocka_unit_test(grids_again),
                                       cmocka_unit_test(root_falls_back),
                                       cmocka_unit_test(statistics)};
    return cmocka_run_group_tests(tests, NULL, nothing_held);
}
