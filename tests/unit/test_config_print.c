/* Printing: what is printed reads back to the same configuration; the reference names every key. */
#include "config_fixture.h"

/* Every byte of the printed text follows from the configuration, and every field of it is printed: equal texts of two
 * configurations are equal configurations. */
static void prints_back(const char *text, size_t n_flags, const char *const *flags, const char *const *fragments)
{
    trb_config *c = parse(text, n_flags, flags);
    char *first = NULL, *second = NULL;
    assert_int_equal(trb_config_print(c, &first), TRB_OK);
    trb_config *again = parse(first, 0, NULL);
    assert_int_equal(trb_config_print(again, &second), TRB_OK);
    assert_string_equal(first, second);
    for (; *fragments != NULL; fragments++)
        if (strstr(first, *fragments) == NULL) fail_msg("expected `%s` in\n%s", *fragments, first);

    /* Not by way of the printer. */
    assert_int_equal(again->members.count, c->members.count);
    assert_memory_equal(again->members.only, c->members.only, c->members.count * sizeof *c->members.only);
    assert_string_equal(again->run.dir, c->run.dir);
    assert_string_equal(again->data.root, c->data.root);
    assert_true(again->run.progress == c->run.progress);
    assert_int_equal(again->cache.memory, c->cache.memory);
    assert_int_equal(again->cache.holds, c->cache.holds);
    assert_int_equal(again->cache.dtype, c->cache.dtype);
    assert_int_equal(again->n_students, c->n_students);
    for (uint64_t m = 0; m < c->members.count; m++) {
        const trb_fit_opts *a = &c->member[m], *b = &again->member[m];
        assert_string_equal(a->layers, b->layers);
        assert_true(a->lr == b->lr && a->eps == b->eps && a->seed == b->seed && a->warmup == b->warmup);
        assert_true(a->nesterov == b->nesterov && a->optimizer == b->optimizer && a->epochs == b->epochs);
        assert_true(a->augment.crop == b->augment.crop && a->augment.mixup == b->augment.mixup);
    }
    for (size_t s = 0; s < c->n_students; s++) {
        const trb_student_opts *a = &c->student[s], *b = &again->student[s];
        assert_string_equal(a->name, b->name);
        assert_string_equal(a->split, b->split);
        assert_string_equal(a->fit.layers, b->fit.layers);
        assert_ptr_equal(a->method, b->method);
        assert_true(a->tempering.anneal_from == b->tempering.anneal_from &&
                    a->tempering.anneal_share == b->tempering.anneal_share);
        assert_true(a->label_weight == b->label_weight && a->match_uncertainty == b->match_uncertainty);
        assert_true(a->tempering.temperature == b->tempering.temperature && a->fit.lr == b->fit.lr &&
                    a->fit.seed == b->fit.seed);
    }
    trb_free(first);
    trb_free(second);
    trb_config_destroy(c);
    trb_config_destroy(again);
}

static void plain(void **state)
{
    (void)state;
    const char *fragments[] = {"run:\n  dir: runs/t\n  seed: 1\n  progress: 10 # s\n",
                               "  layers: [dense 20, relu, dense 10]\n",
                               "  lr: 0.001\n",
                               "  eps: 1.0e-8\n",
                               "students: [hydra, kd]\nstudent:\n  hydra:\n    method: hydra\n    split: \"2\"\n",
                               "  memory: 1024 # MiB\n",
                               NULL};
    prints_back(SMALL, 0, NULL, fragments);
}

static void everything_else(void **state)
{
    (void)state;
    const char *flags[] = {
        "--run.dir=a \"b\\ c\t: #'$$HOME\xe2\x80\xa8\xef\xbb\xbf\xc2\x9b",
        "--data.root=null",
        "--data.train=[\"it's\", 'true', '12', \"\\u00fc\", \"-x\", \"./~y\", \"a, b\", '[x]']",
        "--members={count: 12, overrides: {10: {seed: 9, nesterov: true, optimizer: sgd}, 2: {eps: 3e-7}}}",
        "--members=0,2-4,11",
        "--train.lr=0.1234567890123456789",
        "--train.clip=1e20",
        "--train.warmup=0.30000000000000004",
        "--cache.dtype=float16",
        "--cache.memory=3",
        "--students=[x, kd]",
        "--student.x.method=hydra",
        "--student.x.layers=dense 3, split, dense 4",
        "--student.kd.method=hydra",
        "--student.kd.temperature=1.5",
        "--student.kd.label_weight=0.1",
        "--student.x.match_uncertainty=true",
        "--data.validation=7",
        "--student.x.anneal_from=3.25",
        "--student.anneal_share=0.3",
        "--student.x.seed=77",
        "--train.seed=5",
        "--train.layers=[name a-b.c, relu, wrn10-2 10]",
        "--student.kd.split=stage2",
        "--train.augment=[crop 4, flip]",
        "--members.overrides.2.augment=mixup 0.20",
        "--cache.views=5",
        "--cache.view_recipes=flip, cutout 3",
        "--student.kd.views=2",
        "--eval.ood=[far, near-by]",
        "--eval.corruptions=[shift, noise]",
        "--ood={far: {files: [a, b], root: /x}, near-by: {files: c, format: cifar100}}",
        "--run.seed=9007199254740991"};
    const char *fragments[] = {
        "  only: \"0,2-4,11\"\n",
        "  overrides:\n    2:\n      eps: 3.0e-7\n      augment: [mixup 0.2]\n    10:\n      "
        "seed: 9\n      optimizer: sgd\n"
        "      nesterov: true\n",
        "  dir: \"a \\\"b\\\\ c\\x09: #'$$HOME\\u2028\\ufeff\\x9b\"\n",
        "  root: \"null\"\n",
        "  layers: [name a-b.c, relu, wrn10-2 10]\n",
        "    split: stage2\n",
        "  lr: 0.12345678901234568\n",
        "  clip: 1.0e+20\n",
        "  warmup: 0.30000000000000004 # epochs\n",
        "  seed: 9007199254740991\n",
        "  augment: [crop 4, flip]\n",
        "  views: 5\n  view_recipes: [\"flip, cutout 3\"]\n  view_seed: 9007199254740991\n",
        "    views: 2\n",
        "  ood: [far, near-by]\n  corruptions: [shift, noise]\n",
        "ood:\n  far:\n    files: [a, b]\n    format: idx\n    root: /x\n    layout: auto\n    x: x\n"
        "  near-by:\n    files: [c]\n    format: cifar100\n    root: \"null\"\n    layout: auto\n    x: x\n",
        "\"it's\", \"true\", \"12\", \"\xc3\xbc\", \"-x\", \"./~y\", \"a, b\", \"[x]\"]\n",
        NULL};
    prints_back(SMALL, sizeof flags / sizeof flags[0], flags, fragments);
    const char *none[] = {"--students=[]"}, *empty[] = {"students: []\n", NULL};
    prints_back(SMALL, 1, none, empty);
}

/* Doubles of every size come back bit by bit, in at most 17 digits. */
static void numbers(void **state)
{
    (void)state;
    const double values[] = {0.1, 1.0 / 3.0, 5e-324, 1e-8, 123456.75, 1e15, 1e16, 9.999999999999999e22, 2.5e-5, 100};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char flag[64];
        const char *flags[] = {flag};
        char *text = NULL;
        (void)snprintf(flag, sizeof flag, "--train.lr=%.17g", values[i]);
        trb_config *c = parse(SMALL, 1, flags);
        assert_true(c->train.lr == values[i]);
        assert_int_equal(trb_config_print(c, &text), TRB_OK);
        trb_config *again = parse(text, 0, NULL);
        assert_true(again->train.lr == values[i]);
        trb_free(text);
        trb_config_destroy(c);
        trb_config_destroy(again);
    }
}

static void reference(void **state)
{
    (void)state;
    char *text = NULL;
    assert_int_equal(trb_config_help(&text), TRB_OK);
    const char *const keys[] = {"run.dir",
                                "run.seed",
                                "run.progress",
                                "data.task",
                                "data.format",
                                "data.root",
                                "data.train",
                                "data.test",
                                "data.validation",
                                "data.normalize",
                                "data.mean",
                                "data.std",
                                "math.precision",
                                "members.count",
                                "members.only",
                                "members.overrides",
                                "train.layers",
                                "train.epochs",
                                "train.batch",
                                "train.lanes",
                                "train.optimizer",
                                "train.lr",
                                "train.momentum",
                                "train.nesterov",
                                "train.beta1",
                                "train.beta2",
                                "train.eps",
                                "train.weight_decay",
                                "train.clip",
                                "train.schedule",
                                "train.warmup",
                                "train.decay_epochs",
                                "train.gamma",
                                "train.init",
                                "train.seed",
                                "cache.dtype",
                                "cache.holds",
                                "train.augment",
                                "cache.views",
                                "cache.view_recipes",
                                "cache.view_seed",
                                "student.views",
                                "cache.block",
                                "cache.shard_rows",
                                "cache.deflate",
                                "cache.memory",
                                "students",
                                "student.method",
                                "student.split",
                                "student.temperature",
                                "student.anneal_from",
                                "student.anneal_share",
                                "student.label_weight",
                                "student.match_uncertainty",
                                "student.restart",
                                "student.phase1_epochs",
                                "student.epochs 20",
                                "exchange",
                                "eval.split",
                                "eval.batch",
                                "eval.bins",
                                "math.threads"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strstr(text, keys[i]) == NULL) fail_msg("the reference lacks %s", keys[i]);
    assert_non_null(strstr(text, "train.lr               real > 0                1e-3           "
                                 "This is the learning rate at its peak,\n"));
    assert_non_null(strstr(text, " e.g. [dense 200, relu, dense 10] or\n"));
    assert_non_null(strstr(text, " a position, counted from 0, or a name\n"));
    /* What methods say of themselves. */
    assert_non_null(strstr(text, "hydra|kd|endd|proxy-endd|batchensemble|latentbe "));
    assert_non_null(strstr(text, " hydra, kd, batchensemble, latentbe:\n"));
    assert_non_null(strstr(text, " endd: The temperature begins at this\n"));
    assert_non_null(strstr(text, " hydra, batchensemble: After the\n"));
    assert_non_null(
        strstr(text, "\n  kd            One head imitates the mean of the tempered members (Hinton et al. 2015).\n"
                     "                Needs: classes or regression; logits, or for classes top, or statistics with\n"
                     "                `temperature: 1`\n"));
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_in_range(strcspn(line, "\n"), 0, 100);
    trb_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(everything_else),
                                       cmocka_unit_test(numbers), cmocka_unit_test(reference)};
    return cmocka_run_group_tests(tests, NULL, nothing_held);
}
