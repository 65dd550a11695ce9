/* The runs of `tribikos compare`: reads the reports of several runs, refuses what must not stand side by side, and
 * groups runs that differ in their seed alone.
 *
 * | two runs | what happens |
 * | same folder, same configuration and seed, or same figures | refused: one run would count twice |
 * | a report of other weights than the run has now | refused: its figures are those of networks that are gone |
 * | another task, training set, evaluated set, or number of members | refused: their figures mean other things |
 * | another seed (run.seed), all else the same | one group: mean and range |
 * | another configuration | two groups, side by side, with the keys that differ |
 */
#include "compare.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* ---- reading */

static trb_status read_tree(const char *path, size_t most, trb_tree **out)
{
    char *text = NULL;
    TRB_TRY(trb_file_read_text(path, most, &text));
    const trb_status st = trb_tree_read(path, text, out);
    trb_free(text);
    return st;
}

static trb_status read_report(trb__run *run, const char *name)
{
    char path[TRB__PATH];
    const char *in = name == NULL ? "" : name;
    (void)snprintf(path, sizeof path, "%s/report/%s%sreport.json", run->dir, in, in[0] != '\0' ? "/" : "");
    if (!trb_file_exists(path))
        return trb_fail(TRB_ECONFIG, "there is no %s; give the folders of runs that `tribikos eval` has evaluated%s",
                        path, name == NULL ? "" : ", and the name of a report that they have");
    const trb_status st = read_tree(path, TRB__REPORT_BYTES, &run->report);
    if (st == TRB_OK && trb_tree_find(run->report, "models") < trb_tree_n(run->report)) return TRB_OK;
    if (st != TRB_OK && st != TRB_ECONFIG) return st;
    trb_fail_clear();
    return trb_fail(TRB_EINTEGRITY, "%s is no report of tribikos; run `tribikos eval` again", path);
}

/* Refuse a report of networks that were trained again since. */
static trb_status expect_current(const trb__run *run, const char *name)
{
    char *older = NULL;
    TRB_TRY(trb_report_older(run->dir, run->report, &older));
    if (older == NULL) return TRB_OK;
    const trb_status st = trb_fail(TRB_EINTEGRITY,
                                   "%s/report%s%s is of other weights of %s than are there now; run `tribikos eval` "
                                   "again, with the same options as for this report",
                                   run->dir, name == NULL ? "" : "/", name == NULL ? "" : name, older);
    trb_free(older);
    return st;
}

/* Whether the report has a row of a student. */
static bool is_reported(const trb__run *run, size_t s)
{
    char key[TRB_NAME_MAX + 16];
    (void)snprintf(key, sizeof key, "models.%s", run->c->student[s].name);
    return trb_tree_find(run->report, key) < trb_tree_n(run->report);
}

/* Name the rows of students: those that differ in their seed alone share one. */
static trb_status name_rows(trb__run *run)
{
    const size_t n = run->c->n_students;
    size_t *first = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *first, &first);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n, sizeof *run->row, &run->row);
    for (size_t s = 0; st == TRB_OK && s < n; s++) st = trb_config_but_seed(run->c, s, &first[s]);
    for (size_t s = 0; st == TRB_OK && s < n; s++) {
        size_t seeds = 0;
        for (size_t i = 0; i < n; i++) seeds += first[i] == first[s] && is_reported(run, i);
        if (seeds > 1 && is_reported(run, s))
            trb__name_seeds(run->c->student[first[s]].name, seeds, run->row[s]);
        else
            (void)snprintf(run->row[s], sizeof run->row[s], "%s", run->c->student[s].name);
    }
    trb_free(first);
    return st;
}

static trb_status read_run(const char *dir, const char *report, trb__run *run)
{
    struct stat info;
    char *resolved = NULL;
    run->dir = dir;
    if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode))
        return trb_fail(TRB_ECONFIG, "there is no folder %s; give the folders of runs", dir);
    run->device = info.st_dev;
    run->inode = info.st_ino;
    TRB_TRY(read_report(run, report));
    TRB_TRY(trb__run_config(dir, &run->c));
    trb_status st = trb_config_print(run->c, &resolved); /* with keys that are newer than the file */
    if (st == TRB_OK) st = trb_tree_read(dir, resolved, &run->config);
    trb_free(resolved);
    if (st == TRB_OK) st = expect_current(run, report);
    return st == TRB_OK ? name_rows(run) : st;
}

/* ---- how configurations differ */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Keys that decide where and how fast a run goes, not what comes out. The data are compared by their digests. */
static bool is_ignored(const char *key)
{
    static const char *const sections[] = {"run.", "checkpoint.", "comm."};
    static const char *const keys[] = {"cache.memory", "cache.deflate", "members.only", "data.root", "eval.name"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (begins(key, sections[i])) return true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static bool is_seed(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot != NULL && (strcmp(dot, ".seed") == 0 || strcmp(dot, ".view_seed") == 0);
}

trb_status trb__run_value(const trb__run *run, const char *key, char **text)
{
    const size_t at = trb_tree_find(run->config, key);
    if (at == trb_tree_n(run->config)) return trb_strdup("-", text);
    const char *own = trb_tree_text(run->config, "run.seed"), *value = trb_tree_text(run->config, key);
    if (is_seed(key) && own != NULL && value != NULL && strcmp(own, value) == 0) return trb_strdup("run.seed", text);
    return trb_tree_line(run->config, at, text);
}

/* The text of a seed, or of any other key that has one value; NULL if there is none. */
static const char *plain_value(const trb__run *run, const char *key)
{
    return trb_tree_find(run->config, key) < trb_tree_n(run->config) ? trb_tree_text(run->config, key) : NULL;
}

/* Seeds are the same if they are one number in both runs, or the run.seed of each. */
static trb_status same_value(const trb__run *a, const trb__run *b, const char *key, bool *same)
{
    char *of_a = NULL, *of_b = NULL;
    const char *plain_a = plain_value(a, key), *plain_b = plain_value(b, key);
    *same = is_seed(key) && plain_a != NULL && plain_b != NULL && strcmp(plain_a, plain_b) == 0;
    if (*same) return TRB_OK;
    trb_status st = trb__run_value(a, key, &of_a);
    if (st == TRB_OK) st = trb__run_value(b, key, &of_b);
    if (st == TRB_OK) *same = strcmp(of_a, of_b) == 0;
    trb_free(of_a);
    trb_free(of_b);
    return st;
}

/* Whether a key belongs to a student that this run does not have. `students` says that already. */
static bool is_of_another(const trb__run *run, const char *key)
{
    if (!begins(key, "student.")) return false;
    for (size_t s = 0; s < run->c->n_students; s++) {
        const size_t n = strlen(run->c->student[s].name);
        if (strncmp(key + 8, run->c->student[s].name, n) == 0 && (key[8 + n] == '.' || key[8 + n] == '\0'))
            return false;
    }
    return true;
}

/* Visit the keys of `a` that count and differ in `b`; with `only`, those that b does not have. */
static trb_status each_difference(const trb__run *a, const trb__run *b, bool only,
                                  trb_status (*visit)(void *ctx, const char *key), void *ctx)
{
    for (size_t i = 0; i < trb_tree_n(a->config); i++) {
        const char *key = trb_tree_key(a->config, i);
        bool same = false;
        if (is_ignored(key) || trb_tree_is_section(a->config, i) || is_of_another(a, key) || is_of_another(b, key))
            continue;
        if (only && trb_tree_find(b->config, key) < trb_tree_n(b->config)) continue;
        TRB_TRY(same_value(a, b, key, &same));
        if (!same) TRB_TRY(visit(ctx, key));
    }
    return TRB_OK;
}

static trb_status count(void *ctx, const char *key)
{
    (void)key;
    ++*(size_t *)ctx;
    return TRB_OK;
}

static trb_status same_but_seed(const trb__run *a, const trb__run *b, bool *same)
{
    size_t n = 0;
    TRB_TRY(each_difference(a, b, false, count, &n));
    TRB_TRY(each_difference(b, a, true, count, &n));
    *same = n == 0;
    return TRB_OK;
}

static trb_status add_key(void *ctx, const char *key)
{
    trb__runs *r = ctx;
    char **more = NULL;
    for (size_t i = 0; i < r->n_different; i++)
        if (strcmp(r->different[i], key) == 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, r->n_different + 1, sizeof *more, &more));
    if (r->n_different > 0) memcpy(more, r->different, r->n_different * sizeof *more);
    trb_free(r->different);
    r->different = more;
    TRB_TRY(trb_strdup(key, &r->different[r->n_different]));
    r->n_different++;
    return TRB_OK;
}

const trb__run *trb__run_of(const trb__runs *r, size_t group)
{
    const trb__run *run = r->run;
    while (run->group != group) run++;
    return run;
}

static trb_status group(trb__runs *r)
{
    for (size_t i = 0; i < r->n; i++) {
        bool same = false;
        r->run[i].group = r->groups;
        for (size_t g = 0; g < r->groups && !same; g++) {
            TRB_TRY(same_but_seed(trb__run_of(r, g), &r->run[i], &same));
            if (same) r->run[i].group = g;
        }
        r->groups += !same;
    }
    for (size_t g = 1; g < r->groups; g++) {
        TRB_TRY(each_difference(trb__run_of(r, 0), trb__run_of(r, g), false, add_key, r));
        TRB_TRY(each_difference(trb__run_of(r, g), trb__run_of(r, 0), true, add_key, r));
    }
    return TRB_OK;
}

/* ---- refusing */

static trb_status refuse(const trb__run *a, const trb__run *b, const char *what, const char *of_a, const char *of_b)
{
    return trb_fail(TRB_ECONFIG, "%s and %s cannot be compared: %s is %s and %s", a->dir, b->dir, what, of_a, of_b);
}

/* Compare a value of the reports. Reports of earlier versions do not have all of them. */
static trb_status expect_same(const trb__run *a, const trb__run *b, const char *key, const char *what)
{
    const char *of_a = trb_tree_text(a->report, key), *of_b = trb_tree_text(b->report, key);
    if (of_a == NULL || of_b == NULL || strcmp(of_a, of_b) == 0) return TRB_OK;
    return refuse(a, b, what, of_a, of_b);
}

/* Without digests the names of the files tell data sets apart. */
static trb_status expect_same_files(const trb__run *a, const trb__run *b, const char *digest, const char *key)
{
    char *of_a = NULL, *of_b = NULL;
    if (trb_tree_text(a->report, digest) != NULL && trb_tree_text(b->report, digest) != NULL) return TRB_OK;
    trb_status st = trb__run_value(a, key, &of_a);
    if (st == TRB_OK) st = trb__run_value(b, key, &of_b);
    if (st == TRB_OK && strcmp(of_a, of_b) != 0) st = refuse(a, b, key, of_a, of_b);
    trb_free(of_a);
    trb_free(of_b);
    return st;
}

static const char *task_of(const trb__run *run)
{
    return run->c->data.task == TRB_TASK_REGRESSION ? "regression" : "classes";
}

static trb_status expect_comparable(const trb__run *a, const trb__run *b)
{
    char of_a[24], of_b[24];
    if (a->c->data.task != b->c->data.task) return refuse(a, b, "data.task", task_of(a), task_of(b));
    (void)snprintf(of_a, sizeof of_a, "%zu", (size_t)a->c->members.count);
    (void)snprintf(of_b, sizeof of_b, "%zu", (size_t)b->c->members.count);
    if (strcmp(of_a, of_b) != 0) return refuse(a, b, "members.count", of_a, of_b);
    TRB_TRY(expect_same(a, b, "digests.trained_on", "the digest of the training set"));
    TRB_TRY(expect_same_files(a, b, "digests.trained_on", "data.train"));
    TRB_TRY(expect_same_files(a, b, "digests.trained_on", "data.train_rows"));
    TRB_TRY(expect_same(a, b, "split", "the evaluated part (eval.split)"));
    TRB_TRY(expect_same(a, b, "digests.evaluated_on", "the digest of the evaluated set"));
    TRB_TRY(expect_same_files(a, b, "digests.evaluated_on", "data.test"));
    TRB_TRY(expect_same_files(a, b, "digests.evaluated_on", "data.test_rows"));
    return expect_same(a, b, "samples", "the number of evaluated samples");
}

/* Whether all figures are the same, except measured times. */
static bool same_figures(const trb__run *a, const trb__run *b)
{
    static const char time[] = ".ms_per_sample";
    if (trb_tree_n(a->report) != trb_tree_n(b->report)) return false;
    for (size_t i = 0; i < trb_tree_n(a->report); i++) {
        const char *key = trb_tree_key(a->report, i);
        const size_t n = strlen(key);
        if (strcmp(key, trb_tree_key(b->report, i)) != 0 || trb_tree_size(a->report, i) != trb_tree_size(b->report, i))
            return false;
        if (strcmp(key, "program") == 0 || begins(key, "weights.") ||
            (n > sizeof time && strcmp(key + n - sizeof time + 1, time) == 0))
            continue;
        for (size_t k = 0; k < trb_tree_size(a->report, i); k++)
            if (strcmp(trb_tree_at(a->report, i, k), trb_tree_at(b->report, i, k)) != 0) return false;
    }
    return true;
}

static trb_status expect_two(const trb__run *a, const trb__run *b)
{
    const char *why = NULL;
    if (a->device == b->device && a->inode == b->inode)
        why = "they are the same folder";
    else if (a->group == b->group && a->c->run.seed == b->c->run.seed)
        why = "they have the same configuration and the same run.seed";
    else if (a->group == b->group && same_figures(a, b))
        why = "all their figures are the same, although their seeds differ";
    if (why == NULL) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "%s and %s would count one run twice: %s; give each run once", a->dir, b->dir, why);
}

static trb_status check(const trb__runs *r)
{
    for (size_t i = 1; i < r->n; i++) TRB_TRY(expect_comparable(&r->run[0], &r->run[i]));
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < i; k++) TRB_TRY(expect_two(&r->run[k], &r->run[i]));
    return TRB_OK;
}

trb_status trb__runs_open(size_t n, char *const *dir, const char *report, trb__runs *r)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *r->run, &r->run));
    r->n = n;
    for (size_t i = 0; i < n; i++) TRB_TRY(read_run(dir[i], report, &r->run[i]));
    TRB_TRY(group(r));
    return check(r);
}

void trb__runs_close(trb__runs *r)
{
    for (size_t i = 0; i < r->n; i++) {
        trb_config_destroy(r->run[i].c);
        trb_tree_destroy(r->run[i].config);
        trb_tree_destroy(r->run[i].report);
        trb_free(r->run[i].row);
    }
    for (size_t i = 0; i < r->n_different; i++) trb_free(r->different[i]);
    trb_free(r->different);
    trb_free(r->run);
}
