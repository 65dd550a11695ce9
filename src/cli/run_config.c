/* RUN/config.yaml: the configuration of what is finished in a run.
 *
 * | a command | RUN/config.yaml afterwards |
 * | has succeeded | the configuration of the command, with all members (members.only: all), and with the students that
 *   the file had before and that are finished: jobs of an array that distil one student each leave a file with all |
 * | has trained only some members, with other options than the file has for the others | as before |
 * | has evaluated another set than the run's own | the same, but data.test, data.test_rows and eval.* as before |
 *
 * The run's own set is that of RUN/report. As long as there is no report, it can still change.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "tribikos/alive.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/identity.h"
#include "tribikos/lock.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

trb_status trb__run_config(const char *dir, trb_config **out)
{
    char path[TRB__PATH], *text = NULL;
    (void)snprintf(path, sizeof path, "%s/config.yaml", dir);
    trb_status st = trb_file_read_text(path, TRB__CONFIG_BYTES, &text);
    if (st == TRB_OK) st = trb_config_parse(path, text, 0, NULL, out);
    trb_free(text);
    return st;
}

/* The configuration of what is finished; NULL if there is none, or none that this version can read. */
static trb_status before(const trb_config *c, trb_config **found)
{
    *found = NULL;
    const trb_status st = trb__run_config(c->run.dir, found);
    if (st == TRB_OK || trb_status_is_failure(st)) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* ---- the name of a report */

/* The absolute path of a file of a data set. If its root is gone, the name hangs on the root as it was written. */
static trb_status full_name(const trb_config *c, const char *name, char **out)
{
    char root[PATH_MAX];
    if (name[0] == '/') return trb_strdup(name, out);
    return trb_text_of(out, "%s/%s", realpath(c->data.root, root) != NULL ? root : c->data.root, name);
}

/* Make names absolute, which hang on the root of `c`. */
static trb_status make_full(const trb_config *c, size_t n, char **name)
{
    for (size_t i = 0; i < n; i++) {
        char *full = NULL;
        TRB_TRY(full_name(c, name[i], &full));
        trb_free(name[i]);
        name[i] = full;
    }
    return TRB_OK;
}

static trb_status same_files(const trb_config *a, size_t n, char *const *of_a, const trb_config *b, size_t n_b,
                             char *const *of_b, bool *same)
{
    *same = *same && n == n_b;
    for (size_t i = 0; *same && i < n; i++) {
        char *x = NULL, *y = NULL;
        trb_status st = full_name(a, of_a[i], &x);
        if (st == TRB_OK) st = full_name(b, of_b[i], &y);
        if (st == TRB_OK) *same = strcmp(x, y) == 0;
        trb_free(x);
        trb_free(y);
        TRB_TRY(st);
    }
    return TRB_OK;
}

static trb_status same_set(const trb_config *a, const trb_config *b, bool *same)
{
    *same = strcmp(a->eval.split, b->eval.split) == 0;
    if (strcmp(a->eval.split, "test") != 0) return TRB_OK;
    TRB_TRY(same_files(a, a->data.n_test, a->data.test, b, b->data.n_test, b->data.test, same));
    return same_files(a, a->data.n_test_rows, a->data.test_rows, b, b->data.n_test_rows, b->data.test_rows, same);
}

/* The name of a file without its folder and ending, in characters that a name may have. A list of rows says more than
 * the table from which it takes them. */
static void name_of_file(const trb_config *c, char name[TRB_NAME_MAX + 1])
{
    const char *file = c->data.n_test_rows > 0 ? c->data.test_rows[0] : c->data.n_test > 0 ? c->data.test[0] : "test";
    const char *slash = strrchr(file, '/'), *from = slash == NULL ? file : slash + 1;
    const size_t n = strcspn(from, ".");
    (void)snprintf(name, TRB_NAME_MAX + 1, "%.*s", n > TRB_NAME_MAX ? TRB_NAME_MAX : (int)n, from);
    if (name[0] == '\0') (void)strcpy(name, "other");
    for (char *p = name; *p != '\0'; p++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *p) == NULL) *p = '_';
}

/* Rank 0: choose the name of the report of this command; "" is that of the run's own set. */
static trb_status choose_name(const trb_config *c, char name[TRB_NAME_MAX + 1])
{
    char path[TRB__PATH];
    trb_config *own = NULL;
    (void)snprintf(name, TRB_NAME_MAX + 1, "%s", c->eval.name);
    (void)snprintf(path, sizeof path, "%s/report/report.json", c->run.dir);
    if (name[0] != '\0' || !trb_file_exists(path)) return TRB_OK;
    TRB_TRY(before(c, &own));
    bool same = true;
    const trb_status st = own != NULL ? same_set(own, c, &same) : TRB_OK;
    if (st == TRB_OK && !same) {
        if (strcmp(c->eval.split, "test") == 0)
            name_of_file(c, name);
        else
            (void)snprintf(name, TRB_NAME_MAX + 1, "%s", c->eval.split);
    }
    trb_config_destroy(own);
    return st;
}

trb_status trb__name_report(trb_comm *world, trb_config *c)
{
    char name[TRB_NAME_MAX + 1] = "", *copy = NULL;
    TRB_TRY(trb_agree(world, trb_comm_rank(world) == 0 ? choose_name(c, name) : TRB_OK));
    TRB_TRY(trb_comm_bcast(world, name, sizeof name, 0));
    TRB_TRY(trb_agree(world, trb_strdup(name, &copy)));
    trb_free(c->eval.name);
    c->eval.name = copy;
    return TRB_OK;
}

/* ---- the file */

static bool trains_all(const trb_config *c)
{
    for (uint64_t m = 0; m < c->members.count; m++)
        if (!c->members.only[m]) return false;
    return true;
}

/* Whether the file has other options for a member that this job did not train. */
static trb_status differs_for_others(const trb_config *was, const trb_config *is, bool *differs)
{
    for (uint64_t m = 0; m < is->members.count && m < was->members.count && !*differs; m++) {
        char *a = NULL, *b = NULL;
        if (is->members.only[m]) continue;
        trb_status st = trb_identity_member(was, m, NULL, &a);
        if (st == TRB_OK) st = trb_identity_member(is, m, NULL, &b);
        if (st == TRB_OK) *differs = strcmp(a, b) != 0;
        trb_free(a);
        trb_free(b);
        TRB_TRY(st);
    }
    return TRB_OK;
}

/* Exchange what describes the evaluated set. */
static void exchange_sets(trb_config *a, trb_config *b)
{
    const trb_config kept = *a;
    a->data.n_test = b->data.n_test;
    a->data.test = b->data.test;
    a->data.n_test_rows = b->data.n_test_rows;
    a->data.test_rows = b->data.test_rows;
    a->eval = b->eval;
    b->data.n_test = kept.data.n_test;
    b->data.test = kept.data.test;
    b->data.n_test_rows = kept.data.n_test_rows;
    b->data.test_rows = kept.data.test_rows;
    b->eval = kept.eval;
}

/* ---- students of earlier commands */

/* An attribute of a weights file; NULL if there is no such file, or none that can be read. */
static trb_status get_attribute(const trb_config *c, const char *folder, const char *name, char **text)
{
    char path[TRB__PATH];
    uint64_t digest = 0;
    trb_h5 *h = NULL;
    *text = NULL;
    (void)snprintf(path, sizeof path, "%s/%s/weights.h5", c->run.dir, folder);
    if (!trb_file_exists(path)) return TRB_OK;
    trb_status st = trb_h5_open(path, &h);
    if (st == TRB_OK && strcmp(name, "digest") != 0) st = trb_h5_get_text(h, name, text);
    if (st == TRB_OK && strcmp(name, "digest") == 0) st = trb_h5_get_u64(h, name, &digest);
    if (st == TRB_OK && strcmp(name, "digest") == 0) st = trb_text_of(text, "%016" PRIx64, digest);
    trb_h5_close(h);
    if (st == TRB_OK || trb_status_is_failure(st)) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* The digests of the members that students follow. Members that are not here agree with any. */
static trb_status read_followed(const trb_config *c, char **followed)
{
    uint64_t *digest = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *digest, &digest);
    for (size_t m = 0; st == TRB_OK && m < c->members.count; m++) {
        char folder[32], *text = NULL;
        (void)snprintf(folder, sizeof folder, "members/m%03zu", m);
        st = get_attribute(c, folder, "digest", &text);
        if (text != NULL) digest[m] = strtoull(text, NULL, 16);
        trb_free(text);
    }
    if (st == TRB_OK) st = trb_identity_followed(c->members.count, digest, followed);
    trb_free(digest);
    return st;
}

static bool same_views(const trb_config *a, const trb_config *b)
{
    bool same = a->cache.view_seed == b->cache.view_seed && a->cache.n_recipes == b->cache.n_recipes;
    for (size_t i = 0; same && i < a->cache.n_recipes; i++) {
        char of_a[TRB_RECIPE_BYTES], of_b[TRB_RECIPE_BYTES];
        trb_recipe_text(&a->cache.recipe[i], of_a);
        trb_recipe_text(&b->cache.recipe[i], of_b);
        same = strcmp(of_a, of_b) == 0;
    }
    return same;
}

/* Whether student s of an earlier command is finished, and is still what the run's configuration asks for. */
static trb_status still_good(const trb_config *c, const trb_config *was, size_t s, const char *followed, bool *good)
{
    trb_config both = *c;
    char folder[TRB_NAME_MAX + 16], *found = NULL, *asked = NULL, *all = NULL;
    trb_status st = TRB_OK;
    *good = false;
    if (was->student[s].views > 1 && !same_views(c, was)) return TRB_OK;
    (void)snprintf(folder, sizeof folder, "student/%s", was->student[s].name);
    TRB_TRY(get_attribute(c, folder, "config", &found));
    if (found == NULL) return TRB_OK;
    both.n_students = was->n_students;
    both.student = was->student;
    TRB_GO(trb_identity_student(&both, s, NULL, NULL, &asked));
    TRB_GO(trb_text_of(&all, "%s%s", asked, followed));
    st = trb_identity_agrees(found, all, good);
done:
    trb_free(all);
    trb_free(asked);
    trb_free(found);
    return st;
}

static size_t find_student(const trb_config *c, const char *name)
{
    size_t s = 0;
    while (s < c->n_students && strcmp(c->student[s].name, name) != 0) s++;
    return s;
}

/* Add the finished students of earlier commands to those of this one. The order stays that of the file.
 * \param[in,out] was  hands over what is added */
static trb_status add_students(trb_config *c, trb_config *was)
{
    trb_student_opts *all = NULL;
    char *followed = NULL;
    size_t n = 0;
    trb_status st = read_followed(c, &followed);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, c->n_students + was->n_students, sizeof *all, &all);
    bool *good = NULL;
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, was->n_students, sizeof *good, &good);
    for (size_t s = 0; st == TRB_OK && s < was->n_students; s++)
        if (find_student(c, was->student[s].name) == c->n_students) st = still_good(c, was, s, followed, &good[s]);
    for (size_t s = 0; st == TRB_OK && s < was->n_students; s++) {
        const size_t own = find_student(c, was->student[s].name);
        if (own < c->n_students) all[n++] = c->student[own];
        if (!good[s]) continue;
        all[n++] = was->student[s];
        was->student[s] = (trb_student_opts){0};
    }
    for (size_t s = 0; st == TRB_OK && s < c->n_students; s++) {
        bool known = false;
        for (size_t k = 0; k < n; k++) known = known || all[k].name == c->student[s].name;
        if (!known) all[n++] = c->student[s];
    }
    if (st == TRB_OK) {
        trb_free(c->student);
        c->student = all;
        c->n_students = n;
        all = NULL;
    }
    trb_free(good);
    trb_free(all);
    trb_free(followed);
    return st;
}

/* Whether an earlier command had students that this one does not have. */
static bool has_others(const trb_config *c, const trb_config *was)
{
    for (size_t s = 0; s < was->n_students; s++)
        if (find_student(c, was->student[s].name) == c->n_students) return true;
    return false;
}

/* Compose the file. A student of an earlier command can contradict the rest of the configuration, for example by more
 * views than the cache has now; then it is left out. */
static trb_status compose(const char *path, trb_config *c, trb_config *was, char **out)
{
    char *alone = NULL;
    trb_config *again = NULL;
    TRB_TRY(trb_config_print(c, &alone));
    *out = alone;
    if (was == NULL || !has_others(c, was)) return TRB_OK;
    char *all = NULL;
    TRB_TRY(add_students(c, was));
    TRB_TRY(trb_config_print(c, &all));
    const trb_status st = trb_config_parse(path, all, 0, NULL, &again);
    trb_config_destroy(again);
    trb_free(st == TRB_OK ? alone : all);
    if (st == TRB_OK) *out = all;
    if (st != TRB_ECONFIG) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* Take the lock of the file: jobs of an array end at the same time, and each adds to what it reads. */
static trb_status lock_file(const trb_config *c, trb_lock **lock)
{
    enum { TRIES = 3 };
    trb_status st = trb_lock_open(c->run.dir, c->run.lock_seconds, trb_alive, lock);
    for (int i = 0; st == TRB_OK && i < TRIES; i++) {
        st = trb_lock_take(*lock, "config.yaml");
        if (st != TRB_ECONFIG || i + 1 == TRIES) return st;
        trb_fail_clear(); /* the other job is alive and only writes the file, so it releases the lock soon */
        st = TRB_OK;
    }
    return st;
}

static trb_status publish(trb_config *c)
{
    char path[TRB__PATH], *resolved = NULL;
    trb_status st = TRB_OK;
    bool differs = false;
    trb_config *was = NULL;
    (void)snprintf(path, sizeof path, "%s/config.yaml", c->run.dir);
    TRB_TRY(before(c, &was));
    if (was != NULL && !trains_all(c)) TRB_GO(differs_for_others(was, c, &differs));
    if (differs) {
        trb_info("%s stays as it is, because it is the configuration of the other members; what these were trained "
                 "with, `tribikos info` of their weights says",
                 path);
        goto done;
    }
    if (was != NULL && c->eval.name[0] != '\0') {
        if (strcmp(c->data.root, was->data.root) != 0) { /* the names that are kept hang on the other root */
            TRB_GO(make_full(was, was->data.n_test, was->data.test));
            TRB_GO(make_full(was, was->data.n_test_rows, was->data.test_rows));
        }
        exchange_sets(c, was);
    }
    for (uint64_t m = 0; m < c->members.count; m++) c->members.only[m] = true;
    TRB_GO(compose(path, c, was, &resolved));
    trb_folder_sweep(c->run.dir);
    st = trb_file_publish_text(path, resolved);
done:
    trb_free(resolved);
    trb_config_destroy(was);
    return st;
}

trb_status trb__publish_config(trb_config *c)
{
    trb_lock *lock = NULL;
    if (trb_folder_forbidden(c->run.dir)) { /* then no stage has written anything either */
        trb_info("%s may only be read: nothing was left to do, and nothing was written", c->run.dir);
        return TRB_OK;
    }
    trb_status st = lock_file(c, &lock);
    if (st == TRB_OK) st = publish(c);
    trb_lock_close(lock);
    return st;
}
