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
#include "tribikos/text.h"

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

static trb_status read_flag(trb__items *items, const char *flag)
{
    const char *equals = strchr(flag, '=');
    if (strncmp(flag, "--", 2) != 0 || equals == NULL || equals == flag + 2)
        return trb_fail(TRB_ECONFIG, "command line: expected --key=value, got `%s`", flag);
    const size_t n = (size_t)(equals - flag - 2);
    const char *value = equals[1] == '\0' ? "\"\"" : equals + 1; /* the shell takes the quotes of --key="" away */
    char *key = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_strdup(flag + 2, &key));
    key[n] = '\0';
    const size_t before = items->n;
    TRB_GO(trb__items_read(items, TRB__FLAG, key, value));
    if (items->n == before)
        TRB_GO(trb_fail(TRB_ECONFIG, "command line: key `%s`: expected a value, got `%s`", key, value));
    /* --members=3, which a job array writes, is short for members.only. A section --members={count: 3} keeps its keys.
     * */
    trb__item *item = &items->item[before];
    const char *whole = strcmp(item->key, "members") == 0 ? "members.only" : NULL;
    if (strcmp(item->key, "resume") == 0) whole = "run.resume";
    if (whole != NULL && item->kind != TRB__SECTION) {
        trb_free(item->key);
        item->key = NULL;
        TRB_GO(trb_strdup(whole, &item->key));
    }
done:
    trb_free(key);
    return st;
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

/* A name becomes a part of keys and of file names, so only harmless characters are allowed. */
static trb_status check_word(const trb__items *items, const trb__item *item, const char *name)
{
    const size_t n = strlen(name);
    if (n > 0 && n <= TRB_NAME_MAX &&
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n)
        return TRB_OK;
    return trb__item_fail(items, item, "a name is 1 to %d letters, digits, - and _, got `%s`", TRB_NAME_MAX, name);
}

/* Refuse names that would make a key ambiguous (student.lr), or collide with names in the report. */
static trb_status check_name(const trb_config *c, const trb__items *items, size_t s)
{
    const char *name = c->student[s].name;
    const trb__item *item = trb__items_find(items, "students");
    TRB_TRY(check_word(items, item, name));
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
    return TRB_OK;
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
        TRB_TRY(check_word(items, item, set->name));
        if (strcmp(set->name, "test") == 0 || strcmp(set->name, "validation") == 0 || strcmp(set->name, "train") == 0)
            return trb__item_fail(items, item, "the name `%s` is one that the report itself uses", set->name);
        for (size_t other = 0; other < i; other++)
            if (strcmp(c->eval.ood[other].name, set->name) == 0)
                return trb__item_fail(items, item, "the name `%s` is given twice", set->name);
        set->format = c->data.format;
        TRB_TRY(trb_strdup(c->data.root, &set->root));
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
    return c->eval.name[0] == '\0' ? TRB_OK : check_word(items, trb__items_find(items, "eval.name"), c->eval.name);
}

/* ---- keys that nobody asked for */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_inside(const char *key, const char *section)
{
    const size_t n = strlen(section);
    return strncmp(key, section, n) == 0 && key[n] == '.';
}

/* Refuse a key and suggest the nearest one that would fit in its place: a key of the same member, student or set, else
 * a section or any key of the table. */
static trb_status suggest(const trb__items *items, const trb__item *item, const char *prefix)
{
    trb_status st = TRB_OK;
    char(*text)[160] = NULL;
    const char **word = NULL;
    size_t n = 0;
    const bool global = prefix[0] == '\0', member = begins(prefix, "members."), ood = begins(prefix, "ood.");
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 3 * trb__n_options, sizeof *text, &text));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 3 * trb__n_options, sizeof *word, &word));
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        if (global) {
            const char *section = o->scope == TRB__FIT       ? "train."
                                  : o->scope == TRB__STUDENT ? "student."
                                  : o->scope == TRB__OOD     ? "ood.NAME."
                                                             : "";
            const char *full = section[0] != '\0' ? section : o->key;
            (void)snprintf(text[n++], sizeof *text, "%.*s", (int)strcspn(full, "."), full);
            (void)snprintf(text[n++], sizeof *text, "%s%s", section, o->key);
            if (o->scope == TRB__FIT) (void)snprintf(text[n++], sizeof *text, "student.%s", o->key);
        } else if (ood ? o->scope == TRB__OOD : o->scope == TRB__FIT || (o->scope == TRB__STUDENT && !member)) {
            (void)snprintf(text[n++], sizeof *text, "%s%s", prefix, o->key);
        }
    }
    for (size_t i = 0; i < n; i++) word[i] = text[i];
    st = trb__item_fail(items, item, "unknown; nearest known key is `%s`", trb_nearest(item->key, n, word));
done:
    trb_free(text);
    trb_free(word);
    return st;
}

/* The names that `students` lists, for a message. */
static const char *list_students(const trb_config *c, size_t n, char *text)
{
    trb_text t = trb_text_in(text, n);
    for (size_t s = 0; s < c->n_students; s++) trb_text_add(&t, "%s%s", s > 0 ? ", " : "", c->student[s].name);
    return text;
}

static bool is_name(const char *name, const char *at, size_t n)
{
    return strlen(name) == n && memcmp(name, at, n) == 0;
}

/* Take apart a key of one member, student or set: "student.NAME.KEY".
 * \param[out] prefix  "student.NAME.", or "" if nothing has this name   \param[out] name,n  the name, borrowed from key
 * \return the key that lists the names ("students"); NULL if the key belongs to no member, student or set */
static const char *owner(const trb_config *c, const char *key, char prefix[160], const char **name, size_t *n)
{
    static const struct {
        const char *section, *list;
    } named[] = {{"members.overrides.", "members.count"}, {"student.", "students"}, {"ood.", "eval.ood"}};
    size_t i = 0;
    while (i < 3 && !begins(key, named[i].section)) i++;
    *name = i < 3 ? key + strlen(named[i].section) : key;
    *n = strcspn(*name, ".");
    prefix[0] = '\0';
    if (i == 3 || (i == 1 && (*name)[*n] == '\0')) return NULL; /* student.lr belongs to all students */
    for (uint64_t m = 0; i == 0 && m < c->members.count && prefix[0] == '\0'; m++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%" PRIu64, m);
        if (is_name(number, *name, *n)) (void)snprintf(prefix, 160, "%s%s.", named[i].section, number);
    }
    for (size_t k = 0; i == 1 && k < c->n_students; k++)
        if (is_name(c->student[k].name, *name, *n))
            (void)snprintf(prefix, 160, "%s%s.", named[i].section, c->student[k].name);
    for (size_t k = 0; i == 2 && k < c->eval.n_ood; k++)
        if (is_name(c->eval.ood[k].name, *name, *n))
            (void)snprintf(prefix, 160, "%s%s.", named[i].section, c->eval.ood[k].name);
    return named[i].list;
}

/* Say what is wrong with a key that nothing has taken. */
static trb_status refuse_unknown(const trb_config *c, const trb__items *items, const trb__item *item)
{
    char prefix[160], names[TRB_FAIL_BYTES];
    const char *name = NULL;
    size_t n = 0;
    for (size_t i = 0; i < items->n; i++)
        if (items->item[i].used && is_inside(items->item[i].key, item->key))
            return trb__item_fail(items, item, "a section, expected keys in it such as `%s`, got a value",
                                  items->item[i].key);
    const char *list = owner(c, item->key, prefix, &name, &n);
    if (list == NULL || prefix[0] != '\0') return suggest(items, item, prefix);
    if (strcmp(list, "members.count") == 0)
        return trb__item_fail(items, item,
                              "there is no member `%.*s`: `members.count` is %" PRIu64 ", the last is %" PRIu64, (int)n,
                              name, c->members.count, c->members.count - 1);
    if (strcmp(list, "students") == 0)
        return trb__item_fail(items, item, "no student has the name `%.*s`; `students` is [%s]", (int)n, name,
                              list_students(c, sizeof names, names));
    return trb__item_fail(items, item, "no set has the name `%.*s`; name it in `eval.ood`", (int)n, name);
}

/* Whether a flag has shortened a list of names, so that the file describes a student or set that is left out. This is
 * no mistake. A section is left out if a key in it is. */
static bool is_left_out(const trb_config *c, const trb__items *items, const trb__item *item)
{
    char prefix[160];
    const char *name = NULL;
    size_t n = 0;
    for (size_t i = 0; i < items->n && item->kind == TRB__SECTION; i++)
        if (is_inside(items->item[i].key, item->key)) return is_left_out(c, items, &items->item[i]);
    const char *list = owner(c, item->key, prefix, &name, &n);
    return item->source == TRB__FILE && list != NULL && prefix[0] == '\0' &&
           trb__items_find(items, list)->source == TRB__FLAG;
}

/* Whether a section can have keys. Such a section may be empty. */
static bool section_known(const trb_config *c, const trb__items *items, const char *key)
{
    for (size_t i = 0; i < items->n; i++)
        if (items->item[i].used && is_inside(items->item[i].key, key)) return true;
    for (size_t s = 0; s < c->n_students; s++)
        if (begins(key, "student.") && strcmp(key + 8, c->student[s].name) == 0) return true;
    return strcmp(key, "members.overrides") == 0 || strcmp(key, "ood") == 0;
}

/* Refuse items that nothing has taken. A mistyped key would otherwise leave a default in force without a message. */
static trb_status check_unknown(const trb_config *c, const trb__items *items)
{
    /* Report the first one in the order of the file. A key comes before sections, because a wrong key says more. */
    const trb__item *first = NULL;
    for (size_t i = 0; i < items->n; i++) {
        const trb__item *item = &items->item[i];
        if (item->used || is_left_out(c, items, item)) continue;
        if (item->kind == TRB__SECTION && section_known(c, items, item->key)) continue;
        if (first == NULL || (item->kind != TRB__SECTION && first->kind == TRB__SECTION) ||
            ((item->kind != TRB__SECTION || first->kind == TRB__SECTION) && item->order < first->order))
            first = item;
    }
    return first == NULL ? TRB_OK : refuse_unknown(c, items, first);
}

trb_status trb_config_parse(const char *name, const char *text, size_t n_flags, char *const *flags, trb_config **out)
{
    trb_status st = TRB_OK;
    trb_config *c = NULL;
    trb__items items = {.name = name};
    TRB_GO(read_defaults(&items));
    TRB_GO(trb__items_read(&items, TRB__FILE, "", text));
    for (size_t i = 0; i < n_flags; i++) TRB_GO(read_flag(&items, flags[i]));
    TRB_GO(trb__items_settle(&items));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *c, &c));
    TRB_GO(fill(&items, TRB__CONFIG, "", c));
    if (trb__items_find(&items, "cache.view_seed") == NULL) c->cache.view_seed = c->run.seed;
    TRB_GO(resolve_root(c));
    TRB_GO(resolve_members(c, &items));
    TRB_GO(resolve_students(c, &items));
    TRB_GO(resolve_ood(c, &items));
    TRB_GO(check_report(c, &items));
    TRB_GO(check_unknown(c, &items));
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

trb_status trb_config_retrain(trb_config *c, const char *names)
{
    const bool all = strcmp(names, "all") == 0;
    for (size_t s = 0; all && s < c->n_students; s++) c->student[s].retrain = true;
    for (size_t n = 0; !all; names += n + 1) {
        char known[TRB_FAIL_BYTES];
        size_t s = 0;
        n = strcspn(names, ",");
        while (s < c->n_students && !is_name(c->student[s].name, names, n)) s++;
        if (s == c->n_students)
            return trb_fail(TRB_ECONFIG,
                            "command line: `--retrain`: no student has the name `%.*s`; `students` is [%s], and all "
                            "means all of them",
                            (int)n, names, list_students(c, sizeof known, known));
        c->student[s].retrain = true;
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
