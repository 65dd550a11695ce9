/* How good the members of a cache are by its labels, and outputs that are no logits; sets for evaluation below a cache. */
#include "ensemble.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "tribikos/members.h"

enum { N = 120, K = 3, M = 5 };
enum { GOOD, TWIN, SHARES, CONSTANT, SHUFFLED };

/* Softmax of z is 0.8 at `top`, 0.1 elsewhere. */
static void row_of(size_t member, size_t n, float z[K])
{
    static const double p[2] = {0.1, 0.8};
    const size_t label = n % K, wrong = (n + 1) % K, top = n % 10 == 0 ? wrong : label;
    for (size_t k = 0; k < K; k++) {
        z[k] = (float)log(p[k == (member == SHUFFLED ? n / 3 % K : top)]);
        if (member == SHARES) z[k] = (float)p[k == top];
        if (member == CONSTANT) z[k] = (float)k;
    }
}

static trb_cache *make(const char *dir, size_t members, const size_t *kind, trb_dtype type, bool labelled)
{
    trb_cache_spec spec = ensemble_spec(N, K, members, 1);
    uint64_t payload[M * 2];
    trb_cache *c = NULL;
    spec.dtype = type;
    if (!labelled) spec.label = NULL;
    for (size_t i = 0; i < trb_cache_units(&spec); i++) {
        const trb_cache_unit u = trb_cache_unit_at(&spec, i);
        trb_shard *s = NULL;
        float z[K];
        assert_ok(trb_shard_create(dir, &spec, i, &s));
        for (size_t n = u.first_row; n < u.first_row + u.rows; n++) {
            row_of(kind[u.member], n, z);
            assert_ok(trb_shard_write(s, 1, z));
        }
        assert_ok(trb_shard_publish(s, &payload[i]));
    }
    assert_ok(trb_manifest_publish(dir, &spec, payload, "", ""));
    assert_ok(trb_cache_open(dir, &c));
    return c;
}

static trb_members *read_all(const trb_cache *c)
{
    trb_members *f = NULL;
    assert_ok(trb_members_create(c, &f));
    for (size_t i = 0; i < trb_cache_units(trb_cache_spec_of(c)); i++) assert_ok(trb_members_read(f, i));
    return f;
}

static void figures(void **state)
{
    (void)state;
    const size_t kinds[M] = {GOOD, TWIN, SHARES, CONSTANT, SHUFFLED};
    for (int half = 0; half < 2; half++) {
        trb_cache *c = make(in_scratch("figures%d", half), M, kinds, half ? TRB_F16 : TRB_F32, true);
        trb_members *f = read_all(c);
        const trb_member_figures good = trb_members_figures(f, GOOD);
        assert_true(good.accuracy == 0.9);
        /* float16 holds log 0.1 within 2^-11 of it. */
        assert_true(fabs(good.nll - -(0.9 * log(0.8) + 0.1 * log(0.1))) < (half ? 2e-3 : 1e-6));
        assert_true(good.chance > 1.0 / 3 && good.chance < 0.5);
        char text[TRB_MEMBERS_DOUBT];
        assert_null(trb_members_doubt(f, GOOD, text));
        assert_non_null(strstr(trb_members_doubt(f, TWIN, text), "has the same logits as member 0"));
        assert_non_null(strstr(trb_members_doubt(f, SHARES, text), "gives probabilities"));
        assert_non_null(strstr(trb_members_doubt(f, CONSTANT, text), "the same outputs for all samples"));
        assert_non_null(strstr(trb_members_doubt(f, SHUFFLED, text), "as often as by chance"));
        trb_members_destroy(f);
        assert_ok(trb_members_expect_logits(c, GOOD));
        assert_ok(trb_members_expect_logits(c, SHUFFLED));
        assert_fails(trb_members_expect_logits(c, SHARES), TRB_EINTEGRITY, "member 2 gives probabilities");
        trb_cache_close(c);
    }
    trb_members_destroy(NULL);
}

static void without_labels(void **state)
{
    (void)state;
    const size_t kinds[2] = {GOOD, SHARES};
    trb_cache *c = make(in_scratch("without"), 2, kinds, TRB_F32, false);
    trb_members *f = read_all(c);
    char text[TRB_MEMBERS_DOUBT];
    assert_true(isnan(trb_members_figures(f, 0).accuracy) && isnan(trb_members_figures(f, 0).nll));
    assert_null(trb_members_doubt(f, 0, text));
    assert_non_null(strstr(trb_members_doubt(f, 1, text), "gives probabilities"));
    trb_members_destroy(f);

    /* It is of these samples, whatever their labels are, and of no others. */
    trb_data data = {.n = N, .digest_x = 0xdadadadadadadadau, .digest = 1, .label = ensemble_label};
    assert_null(trb_cache_spec_of(c)->label);
    assert_ok(trb_cache_expect_data(c, &data));
    data.label = NULL;
    assert_ok(trb_cache_expect_data(c, &data));
    data.digest_x = 2;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY,
                 "belongs to the samples with digest dadadadadadadada, the configured ones have 0000000000000002");
    const trb_schema table = {.n_columns = 4};
    data.schema = &table;
    data.label = ensemble_label;
    assert_fails(trb_cache_expect_data(c, &data), TRB_EINTEGRITY,
                 "0000000000000002; a column of the table was read as labels or targets; if it has none, set "
                 "`data.target: none`");
    trb_cache_close(c);
}

/* The text that old readers look at: they refuse a feature that they do not know. */
static void says_so(void **state)
{
    (void)state;
    const size_t kind = GOOD;
    trb_h5 *h = NULL;
    char *text = NULL;
    trb_cache_close(make(in_scratch("text"), 1, &kind, TRB_F32, false));
    assert_ok(trb_h5_open(in_scratch("text/manifest.h5"), &h));
    assert_ok(trb_h5_get_text(h, "features", &text));
    assert_string_equal(text, "unlabelled");
    assert_false(trb_h5_has(h, "label") || trb_h5_has(h, "target"));
    trb_free(text);
    trb_h5_close(h);
}

static void sets(void **state)
{
    (void)state;
    const size_t kind = GOOD;
    const char *dir = in_scratch("sets");
    char path[160];
    trb_data data = {.n = N, .digest = 0xdadadadadadadadau, .digest_x = 5, .label = ensemble_label};
    trb_cache *c = NULL;
    (void)snprintf(path, sizeof path, "%s", dir);
    assert_ok(trb_cache_find_set(path, &data, &c));
    assert_null(c);
    trb_cache_close(make(in_scratch("sets/eval/second"), 1, &kind, TRB_F32, true));
    trb_cache_close(make(in_scratch("sets/eval/first"), 1, &kind, TRB_F32, true));
    trb_cache_close(make(in_scratch("sets/eval/a-without"), 1, &kind, TRB_F32, false));
    assert_ok(trb_mkdirs(in_scratch("sets/eval/empty")));
    assert_ok(trb_cache_find_set(path, &data, &c));
    assert_string_equal(trb_cache_dir(c), in_scratch("sets/eval/first"));
    trb_cache_close(c);
    data.digest_x = data.digest;
    data.digest = 7;
    assert_ok(trb_cache_find_set(path, &data, &c));
    assert_string_equal(trb_cache_dir(c), in_scratch("sets/eval/a-without"));
    trb_cache_close(c);
    c = NULL;
    data.n--;
    assert_ok(trb_cache_find_set(path, &data, &c));
    assert_null(c);
    FILE *f = fopen(in_scratch("sets/eval/empty/manifest.h5"), "w");
    assert_non_null(f);
    (void)fclose(f);
    assert_fails(trb_cache_find_set(path, &data, &c), TRB_EINTEGRITY, "sets/eval/empty/manifest.h5");
    assert_null(c);
}

static int unread = -1; /* how many more entries of folders are read before reading fails; -1: it never fails */

/* Replaces that of the C library. */
struct dirent *readdir(DIR *dir)
{
    _Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "they are the same");
    if (unread != 0) {
        unread -= unread > 0;
        return (struct dirent *)(void *)readdir64(dir);
    }
    errno = EIO;
    return NULL;
}

static void sets_that_are_not_all_read(void **state)
{
    (void)state;
    const size_t kind = GOOD;
    char path[160];
    trb_data data = {.n = N, .digest = 0xdadadadadadadadau, .label = ensemble_label};
    trb_cache *c = NULL;
    (void)snprintf(path, sizeof path, "%s", in_scratch("unread"));
    trb_cache_close(make(in_scratch("unread/eval/one"), 1, &kind, TRB_F32, true));
    for (unread = 0; unread < 4; unread++) {
        const int before = unread;
        assert_fails(trb_cache_find_set(path, &data, &c), TRB_EIO, "/unread/eval: cannot be read: Input/output error");
        assert_null(c);
        unread = before;
    }
    unread = -1;
    assert_ok(trb_cache_find_set(path, &data, &c));
    assert_string_equal(trb_cache_dir(c), in_scratch("unread/eval/one"));
    trb_cache_close(c);
}

/* Only a folder that is not there has no sets. A folder that cannot be opened may have some. */
static void sets_behind_errors(void **state)
{
    (void)state;
    const trb_data data = {.n = N, .label = ensemble_label};
    char dir[PATH_MAX], name[NAME_MAX + 2];
    trb_cache *c = NULL;
    (void)snprintf(dir, sizeof dir, "%s", in_scratch("loop"));
    assert_ok(trb_mkdirs(dir));
    assert_int_equal(symlink("eval", in_scratch("loop/eval")), 0);
    assert_fails(trb_cache_find_set(dir, &data, &c), TRB_EIO, "/loop/eval: cannot be opened: Too many levels");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(dir, sizeof dir, "%s", in_scratch("%s", name));
    assert_fails(trb_cache_find_set(dir, &data, &c), TRB_EIO, "n/eval: cannot be opened: File name too long");
    (void)snprintf(dir, sizeof dir, "%s", in_scratch("none"));
    assert_ok(trb_cache_find_set(dir, &data, &c));
    assert_null(c);
    spill(in_scratch("a-file"), "", 0);
    (void)snprintf(dir, sizeof dir, "%s", in_scratch("a-file"));
    assert_ok(trb_cache_find_set(dir, &data, &c));
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures), cmocka_unit_test(without_labels),     cmocka_unit_test(says_so),
        cmocka_unit_test(sets),    cmocka_unit_test(sets_behind_errors), cmocka_unit_test(sets_that_are_not_all_read)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
