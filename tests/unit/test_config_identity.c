/* What decides a network's bits: which keys do, and what is said of a file of another network. */
#include <stdio.h>

#include "asserts.h"
#include "config_fixture.h"

#include "../../src/config/internal.h"

static void what_decides_bits(void **state)
{
    (void)state;
    /* Same member, same student; other places and speeds. */
    const char *same[] = {"--run.dir=x",       "--run.progress=1",       "--cache.memory=7",     "--math.threads=2",
                          "--eval.batch=3",    "--eval.bins=9",          "--data.root=/r",       "--members=2",
                          "--cache.deflate=1", "--cache.shard_rows=256", "--cache.dtype=float16"};
    trb_config *a = parse(SMALL, 0, NULL), *b = parse(SMALL, sizeof same / sizeof same[0], same);
    char of_a[4096], student_a[4096];
    (void)strcpy(of_a, of_member(a, 1));
    (void)strcpy(student_a, of_student(a, 0));
    assert_string_equal(of_a, of_member(b, 1));
    assert_string_equal(student_a, of_student(b, 0));
    assert_non_null(strstr(of_a, "\nlr: 0.001\n"));
    assert_non_null(strstr(student_a, "\ntemperature: 4\n"));
    assert_string_not_equal(of_a, of_member(a, 2));
    trb_config_destroy(b);

    /* Other bits. */
    const char *member_flags[] = {"--train.lr=2",        "--train.seed=4",        "--train.layers=dense 10",
                                  "--data.validation=5", "--data.normalize=unit", "--members.overrides.1.epochs=3",
                                  "--train.lanes=2"};
    for (size_t i = 0; i < sizeof member_flags / sizeof member_flags[0]; i++) {
        b = parse(SMALL, 1, &member_flags[i]);
        assert_string_not_equal(of_a, of_member(b, 1));
        trb_config_destroy(b);
    }
    const char *student_flags[] = {"--student.lr=2",
                                   "--run.seed=4",
                                   "--student.temperature=3",
                                   "--student.split=0",
                                   "--student.hydra.method=kd",
                                   "--train.layers=dense 10, relu, dense 10"};
    for (size_t i = 0; i < sizeof student_flags / sizeof student_flags[0]; i++) {
        b = parse(SMALL, 1, &student_flags[i]);
        assert_string_not_equal(student_a, of_student(b, 0));
        trb_config_destroy(b);
    }
    /* The run's seed decides a member whose own seed is given only if samples are held out. */
    const char *seeds[] = {"--train.seed=1", "--run.seed=2", "--data.validation=9"};
    b = parse(SMALL, 2, seeds);
    assert_string_equal(of_a, of_member(b, 1));
    trb_config_destroy(b);
    b = parse(SMALL, 3, seeds);
    assert_non_null(strstr(of_member(b, 1), "run.seed: 2\n"));
    trb_config_destroy(b);
    trb_config_destroy(a);
}

/* Servers without staleness give the bits of the ordered exchange; with some, their staleness decides. */
static void exchanges(void **state)
{
    (void)state;
    const char *flags[] = {"--exchange=server", "--server.staleness=unbounded"};
    trb_config *ordered = parse(SMALL, 0, NULL), *exact = parse(SMALL, 1, flags), *stale = parse(SMALL, 2, flags);
    assert_string_equal(of_member(ordered, 0), of_member(exact, 0));
    assert_non_null(strstr(of_member(stale, 0), "member: 0\nserver.staleness: 18446744073709551615\n"));
    assert_non_null(strstr(of_member(stale, 0), "\nexchange: server\n"));
    /* A training may go on by another one. */
    assert_ok(trb_identity_resume("f", of_member(stale, 0), of_member(ordered, 0)));
    assert_ok(trb_identity_resume("f", of_member(ordered, 0), of_member(stale, 0)));
    trb_config_destroy(ordered);
    trb_config_destroy(exact);
    trb_config_destroy(stale);
}

/* All that differs is said, with the key as the user writes it and with both values. */
static void differences(void **state)
{
    (void)state;
    const char *a = "member: 3\nexchange: ordered\nlr: 1\nclip: 0\ndata: 1 x 2 x 3 uint8\ndata_digest: 12\n";
    const char *data = "data: 1 x 2 x 3 uint8\ndata_digest: 12\n";
    char asked[256];
    const struct {
        const char *keys, *said;
    } member[] = {
        {"server.staleness: 1\nlr: 2\nclip: 1\n",
         "f is of another configuration: `train.lr` was 1 and is 2 now; `train.clip` was 0 and is 1 now; use another "
         "run.dir, or --resume=never begins anew"},
        {"clip: 0\n", "configuration: `train.lr` was 1 and is at its default now;"},
        {"lr: 1\nadversarial: 2\nclip: 0\n", "configuration: `train.adversarial` was at its default and is 2 now;"},
        {"data.task: classes\nlr: 1\nclip: 0\n", "configuration: `data.task` was at its default and is classes now;"},
    };
    (void)snprintf(asked, sizeof asked, "member: 3\nlr: 1\nclip: 0\n%s", data);
    assert_ok(trb_identity_resume("f", a, asked));
    for (size_t i = 0; i < sizeof member / sizeof *member; i++) {
        (void)snprintf(asked, sizeof asked, "member: 3\n%s%s", member[i].keys, data);
        assert_fails(trb_identity_resume("f", a, asked), TRB_EINTEGRITY, member[i].said);
    }
    static const char *const other[][2] = {
        {"data: 1 x 2 x 4 uint8\ndata_digest: 13\n",
         "configuration: the training set (data.train) is another one: its samples were 1 x 2 x 3 uint8 and are "
         "1 x 2 x 4 uint8 now (of tables, data.features and data.drop choose the inputs); use"},
        {"data: 1 x 2 x 4 uint8\ndata_digest: 12\n",
         "configuration: the training set (data.train) is another one: its samples were 1 x 2 x 3 uint8 and are "
         "1 x 2 x 4 uint8 now (of tables, data.features and data.drop choose the inputs); use"},
        {"data: 1 x 2 x 3 uint8\ndata_digest: 13\n",
         "configuration: the training set (data.train) is another one; use"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        (void)snprintf(asked, sizeof asked, "member: 3\nlr: 1\nclip: 0\n%s", other[i][0]);
        assert_fails(trb_identity_resume("f", a, asked), TRB_EINTEGRITY, other[i][1]);
    }

    const char *student = "lr: 1\ncache: float32, blocks of 2\nmember_digest.0: 0a\nmember_digest.1: 0b\n";
    assert_fails(trb_identity_resume("f", student, "lr: 2\ncache: float16, blocks of 2\nmember_digest.0: 0a\n"),
                 TRB_EINTEGRITY,
                 "configuration: of 2 members, members.count is 1 now; `student.lr` was 1 and is 2 now; `cache.dtype` "
                 "was float32 and is float16 now;");
    assert_fails(trb_identity_resume("f", student,
                                     "lr: 1\ncache: float16, blocks of 3\nmember_digest.0: 0a\nmember_digest.1: 0b\n"),
                 TRB_EINTEGRITY,
                 "configuration: `cache.dtype` was float32 and is float16 now; `cache.block` was 2 and is 3 now;");
    assert_fails(trb_identity_resume("f", student,
                                     "lr: 1\ncache: float32, blocks of 2\nmember_digest.0: 0c\nmember_digest.1: 0d\n"),
                 TRB_EINTEGRITY, "configuration: of other weights of member 0, 1;");
    assert_fails(
        trb_identity_resume("f", "lr: 1\nmember_digest.0: 0a\n", "lr: 1\nmember_digest.0: 0a\nmember_digest.1: 0b\n"),
        TRB_EINTEGRITY, "configuration: of 1 member, members.count is 2 now;");
    /* A member that is not trained yet has no digest to compare. */
    assert_ok(trb_identity_resume("f", student,
                                  "lr: 1\ncache: float32, blocks of 2\nmember_digest.0: 0a\nmember_digest.1: 00\n"));
}

/* What an evaluation does not compare: the type of the cache, and members that it does not have. */
static void left_out(void **state)
{
    (void)state;
    const char *student = "lr: 1\ncache: float32\nmember_digest.0: 0a\n", *other = "lr: 1\ncache: float16\n";
    char *difference = NULL;
    assert_ok(trb__difference(student, other, TRB__CACHE | TRB__FOLLOWED, &difference));
    assert_null(difference);
    assert_ok(trb__difference(student, other, TRB__CACHE, &difference));
    assert_string_equal(difference, "of 1 member, members.count is 0 now");
    trb_free(difference);
    assert_ok(trb__difference(student, other, TRB__FOLLOWED, &difference));
    assert_string_equal(difference, "`cache.dtype` was float32 and is float16 now");
    trb_free(difference);
}

/* A line that follows from another key is not said to be at its default if that key has removed it. */
static void conditional_lines(void **state)
{
    (void)state;
    static const struct {
        const char *found, *asked, *said;
    } table[] = {
        {"member: 3\ndata.validation: 20\nrun.seed: 1\n", "member: 3\ndata.validation: 0\n",
         "configuration: `data.validation` was 20 and is 0 now; use another"},
        {"member: 3\ndata.validation: 0\n", "member: 3\ndata.validation: 20\nrun.seed: 1\n",
         "configuration: `data.validation` was 0 and is 20 now; use another"},
        {"member: 3\ndata.validation: 20\nrun.seed: 1\n", "member: 3\ndata.validation: 20\nrun.seed: 2\n",
         "configuration: `run.seed` was 1 and is 2 now; use another"},
        {"layers: []\ntrain.layers: [dense 2]\n", "layers: [dense 3]\n",
         "configuration: `student.layers` was [] and is [dense 3] now; use another"},
        {"views: 1\n", "views: 2\ncache.view_recipes: [flip]\ncache.view_seed: 1\n",
         "configuration: `student.views` was 1 and is 2 now; use another"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_fails(trb_identity_resume("f", table[i].found, table[i].asked), TRB_EINTEGRITY, table[i].said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_decides_bits), cmocka_unit_test(exchanges),
                                       cmocka_unit_test(differences), cmocka_unit_test(left_out),
                                       cmocka_unit_test(conditional_lines)};
    return cmocka_run_group_tests(tests, NULL, nothing_held);
}
