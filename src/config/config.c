/* Parsing: defaults, file and flags become one checked configuration.
 *
 * The order matters: read the three sources, settle them, fill the structures (members copy train, students copy
 * student), refuse items that nothing has taken, and only then check contradictions. So a mistyped key is named before
 * a contradiction that it may have caused. */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/memory.h"

/* ---- the three sources */

/* Defaults go through the same reader as a file, so that the table has them as users write them. Keys of ood.NAME.*
 * have none here: they take the values of data.* (resolve_ood). */
static trb_status read_defaults(trb__items *items)
{
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        if (o->value == NULL || o->scope == TRB__OOD) continue;
        char key[64];
        if (o->scope == TRB__CONFIG) {
            TRB_TRY(trb__items_read(items, TRB__DEFAULT, o->key, o->value));
            continue;
        }
        if (o->scope == TRB__FIT) {
            (void)snprintf(key, sizeof key, "train.%s", o->key);
            TRB_TRY(trb__items_read(items, TRB__DEFAULT, key, o->value));
        }
        (void)snprintf(key, sizeof key, "student.%s", o->key);
        TRB_TRY(trb__items_read(items, TRB__DEFAULT, key, o->student_value != NULL ? o->student_value : o->value));
    }
    return TRB_OK;
}

/* ---- from items to structures */

/* Set the fields of one scope in `base` from the items whose key is PREFIXkey, and mark these items as used. */
static trb_status fill(const trb__items *items, trb__scope scope, const char *prefix, void *base)
{
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        if (o->scope != scope) continue;
        char key[256];
        (void)snprintf(key, sizeof key, "%s%s", prefix, o->key);
        trb__item *item = trb__items_find(items, key);
        if (item == NULL) continue;
        item->used = true;
        trb__option_clear(o, base);
        TRB_TRY(trb__option_set(o, items, item, base));
    }
    return TRB_OK;
}

static void clear(trb__scope scope, void *base)
{
    for (size_t i = 0; i < trb__n_options; i++)
        if (trb__options[i].scope == scope) trb__option_clear(&trb__options[i], base);
}

static trb_status copy_fit(const trb_fit_opts *from, trb_fit_opts *to)
{
    *to = *from;
    to->layers = NULL;
    return trb_strdup(from->layers, &to->layers);
}

/* Every member begins with the options of `train`; then its overrides replace some. */
static trb_status resolve_members(trb_config *c, const trb__items *items)
{
    c->train.seed = c->run.seed;
    TRB_TRY(fill(items, TRB__FIT, "train.", &c->train));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->members.count, sizeof *c->member, &c->member));
    for (uint64_t m = 0; m < c->members.count; m++) {
        char prefix[64];
        (void)snprintf(prefix, sizeof prefix, "members.overrides.%" PRIu64 ".", m);
        TRB_TRY(copy_fit(&c->train, &c->member[m]));
        TRB_TRY(fill(items, TRB__FIT, prefix, &c->member[m]));
    }
    return TRB_OK;
}

/* Refuse names that would make a key ambiguous (student.lr), or collide with names in the report. */
static trb_status check_name(const trb_config *c, const trb__items *items, size_t s)
{
    const char *name = c->student[s].name;
    const trb__item *item = trb__items_find(items, "students");
    TRB_TRY(trb__name_check(items, item, name));
    if (strcmp(name, "grid") == 0)
        return trb__item_fail(items, item, "the name `grid` is taken by the key `student.grid`");
    for (size_t i = 0; i < trb__n_options; i++)
        if ((trb__options[i].scope == TRB__FIT || trb__options[i].scope == TRB__STUDENT) &&
            strcmp(trb__options[i].key, name) == 0)
            return trb__item_fail(items, item, "the name `%s` is taken by the key `student.%s`", name, name);
    static const char *const rows[] = {"member_mean", "ensemble", "label", "sample_id", "uncertainty"};
    const size_t n = strlen(name);
    const bool member = name[0] == 'm' && n > 1 && strspn(name + 1, "0123456789") == n - 1;
    const bool target = c->data.task == TRB_TASK_REGRESSION && strcmp(name, "target") == 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (member || target || strcmp(rows[i], name) == 0)
            return trb__item_fail(items, item, "the name `%s` is one that the report itself uses", name);
    for (size_t other = 0; other < s; other++)
        if (strcmp(c->student[other].name, name) == 0)
            return trb__item_fail(items, item, "the name `%s` is given twice", name);
    return trb__name_says(items, item, name);
}

/* A student named after a method has that method, unless its own key says otherwise (read after this). */
static void name_method(trb_student_opts *s)
{
    const trb_method *method = trb_method_find(s->name);
    if (method != NULL) s->method = method;
}

static bool gives(const trb__items *items, const char *prefix, const char *key)
{
    char name[TRB_NAME_MAX + 32];
    (void)snprintf(name, sizeof name, "%s%s", prefix, key);
    const trb__item *item = trb__items_find(items, name);
    return item != NULL && item->n > 0 && item->value[0][0] != '\0';
}

static trb_status resolve_student(trb_student_opts *s, const trb__items *items)
{
    char prefix[TRB_NAME_MAX + 16];
    TRB_TRY(fill(items, TRB__STUDENT, "student.", s));
    TRB_TRY(fill(items, TRB__FIT, "student.", &s->fit));
    name_method(s);
    (void)snprintf(prefix, sizeof prefix, "student.%s.", s->name);
    /* Both `layers` with a `split` in it and the key `split` say where heads begin. If only one of the two is given for
     * this student alone, it replaces the other one that is given for all students. */
    const bool layers = gives(items, prefix, "layers"), split = gives(items, prefix, "split");
    if (layers && !split) s->split[0] = '\0';
    if (split && !layers && trb__layers_count(s->fit.layers, "split") > 0) s->fit.layers[0] = '\0';
    TRB_TRY(fill(items, TRB__STUDENT, prefix, s));
    return fill(items, TRB__FIT, prefix, &s->fit);
}

static trb_status resolve_students(trb_config *c, const trb__items *items)
{
    /* Without students nothing would read student.*: this marks the keys as known and checks their values. */
    trb_student_opts all = {.fit.seed = c->run.seed};
    trb_status st = TRB_OK;
    TRB_GO(fill(items, TRB__STUDENT, "student.", &all));
    TRB_GO(fill(items, TRB__FIT, "student.", &all.fit));
    for (size_t s = 0; s < c->n_students; s++) {
        TRB_GO(check_name(c, items, s));
        c->student[s].fit.seed = c->run.seed;
        TRB_GO(resolve_student(&c->student[s], items));
    }
done:
    clear(TRB__STUDENT, &all);
    clear(TRB__FIT, &all.fit);
    return st;
}

/* Replace an empty data.root. The resolved configuration then has the folder itself, not a variable that may change. */
static trb_status resolve_root(trb_config *c)
{
    if (c->data.root[0] != '\0') return TRB_OK;
    const char *root = getenv("TRIBIKOS_DATA");
    trb_free(c->data.root);
    c->data.root = NULL;
    return trb_strdup(root != NULL && root[0] != '\0' ? root : ".", &c->data.root);
}

/* A set out of distribution has the format and the root of data.* unless its own keys say otherwise. */
static trb_status resolve_ood(trb_config *c, const trb__items *items)
{
    const trb__item *item = trb__items_find(items, "eval.ood");
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        trb_ood_opts *set = &c->eval.ood[i];
        char prefix[TRB_NAME_MAX + 16];
        TRB_TRY(trb__name_check(items, item, set->name));
        if (strcmp(set->name, "test") == 0 || strcmp(set->name, "validation") == 0 || strcmp(set->name, "train") == 0)
            return trb__item_fail(items, item, "the name `%s` is one that the report itself uses", set->name);
        for (size_t other = 0; other < i; other++)
            if (strcmp(c->eval.ood[other].name, set->name) == 0)
                return trb__item_fail(items, item, "the name `%s` is given twice", set->name);
        set->format = c->data.format;
        set->layout = c->data.layout;
        TRB_TRY(trb_strdup(c->data.root, &set->root));
        TRB_TRY(trb_strdup(c->data.x, &set->x));
        (void)snprintf(prefix, sizeof prefix, "ood.%s.", set->name);
        TRB_TRY(fill(items, TRB__OOD, prefix, set));
        if (set->n_files == 0)
            return trb__item_fail(items, item, "nothing says what `%s` is; set `ood.%s.files`", set->name, set->name);
    }
    return TRB_OK;
}

/* The name of the report becomes a folder. */
static trb_status check_report(const trb_config *c, const trb__items *items)
{
    return c->eval.name[0] == '\0' ? TRB_OK : trb__name_check(items, trb__items_find(items, "eval.name"), c->eval.name);
}

trb_status trb_config_parse(const char *name, const char *text, size_t n_flags, char *const *flags, trb_config **out)
{
    trb_status st = TRB_OK;
    trb_config *c = NULL;
    trb__items items = {.name = name};
    TRB_GO(read_defaults(&items));
    TRB_GO(trb__items_read(&items, TRB__FILE, "", text));
    for (size_t i = 0; i < n_flags; i++) TRB_GO(trb__flag_read(&items, flags[i]));
    TRB_GO(trb__items_settle(&items));
    TRB_GO(trb__presets_rename(&items));
    TRB_GO(trb__grids_expand(&items));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *c, &c));
    TRB_GO(fill(&items, TRB__CONFIG, "", c));
    if (trb__items_find(&items, "cache.view_seed") == NULL) c->cache.view_seed = c->run.seed;
    TRB_GO(resolve_root(c));
    TRB_GO(resolve_members(c, &items));
    TRB_GO(resolve_students(c, &items));
    TRB_GO(resolve_ood(c, &items));
    TRB_GO(check_report(c, &items));
    TRB_GO(trb__unknown_check(c, &items));
    TRB_GO(trb__config_check(c, &items));
    for (size_t s = 0; s < c->n_students; s++) /* 0 means all views */
        if (c->student[s].views == 0) c->student[s].views = c->cache.views;
    *out = c;
    c = NULL;
done:
    trb_config_destroy(c);
    trb__items_clear(&items);
    return st;
}

static bool is_key_of_student(const char *at, size_t n)
{
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        if (o->scope != TRB__FIT && o->scope != TRB__STUDENT) continue;
        if (strlen(o->key) == n && memcmp(o->key, at, n) == 0) return true;
    }
    return false;
}

/* Whether a grid has made this name of the other one: NAME-KEY-VALUE. The resolved configuration has no grid, so that
 * the name alone must tell. */
static bool is_of_family(const char *student, const char *name, size_t n)
{
    if (strncmp(student, name, n) != 0 || student[n] != '-') return false;
    const char *key = student + n + 1;
    const size_t length = strcspn(key, "-");
    return key[length] == '-' && is_key_of_student(key, length);
}

/* Mark the student of this name, or else all students that a grid has made of it. \return how many */
static size_t mark_again(trb_config *c, const char *name, size_t n)
{
    size_t marked = 0;
    for (size_t s = 0; s < c->n_students; s++) {
        if (strlen(c->student[s].name) != n || memcmp(c->student[s].name, name, n) != 0) continue;
        c->student[s].retrain = true;
        return 1;
    }
    for (size_t s = 0; s < c->n_students; s++) {
        if (!is_of_family(c->student[s].name, name, n)) continue;
        c->student[s].retrain = true;
        marked++;
    }
    return marked;
}

trb_status trb_config_retrain(trb_config *c, const char *names)
{
    const bool all = strcmp(names, "all") == 0;
    for (size_t s = 0; all && s < c->n_students; s++) c->student[s].retrain = true;
    for (size_t n = 0; !all; names += n + 1) {
        char known[TRB_FAIL_BYTES];
        n = strcspn(names, ",");
        if (mark_again(c, names, n) == 0)
            return trb_fail(TRB_ECONFIG,
                            "command line: `--retrain`: no student has the name `%.*s`; `students` is [%s], and all "
                            "means all of them",
                            (int)n, names, trb__students_listed(c, sizeof known, known));
        if (names[n] == '\0') break;
    }
    return TRB_OK;
}

void trb_config_destroy(trb_config *c)
{
    if (c == NULL) return;
    if (c->member != NULL)
        for (uint64_t m = 0; m < c->members.count; m++) clear(TRB__FIT, &c->member[m]);
    trb_free(c->member);
    if (c->student != NULL) {
        for (size_t s = 0; s < c->n_students; s++) {
            clear(TRB__STUDENT, &c->student[s]);
            clear(TRB__FIT, &c->student[s].fit);
        }
    }
    for (size_t i = 0; c->eval.ood != NULL && i < c->eval.n_ood; i++) clear(TRB__OOD, &c->eval.ood[i]);
    clear(TRB__FIT, &c->train);
    clear(TRB__CONFIG, c);
    trb_free(c);
}
