/* Grids of students: `student.grid: {temperature: [1, 2], seed: [1, 2]}` stands for four students of each one that
 * `students` names. They become ordinary items here, so all that follows sees ordinary students:
 *
 *   students: [hydra]                        students: [hydra-temperature-1-seed-1, hydra-temperature-1-seed-2, ...]
 *   student.hydra.lr: 0.1            ->      student.hydra-temperature-1-seed-1.lr: 0.1
 *   student.grid: {...}                      student.hydra-temperature-1-seed-1.temperature: 1
 *
 * Names have the keys in the order of the option table, those of students first and the seed last, however the grid was
 * given. Otherwise a flag that replaces one list of values would rename all students, and train them once more.
 *
 * `student.NAME.grid` is a grid of one student; where both have a key, it takes the place of the common one. A key that
 * the student's method does not read is left out. One student of a grid can be named in `students` alone, as
 * `--students=[hydra-temperature-1-seed-2]`; its own keys, as `student.hydra-temperature-1-seed-2.lr`, win. */
#include "internal.h"

#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/text.h"

enum { AXES = 8, STUDENTS_MAX = 1000 };

static const char *const COMMON = "student.grid.";

/* The keys of one student's grid, in the order of the names. */
typedef struct {
    size_t n;
    const trb__item *item[AXES];
    const trb__option *option[AXES];
} grid;

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The method of the students that a name stands for; NULL if the name or the method is wrong, which is said later. */
static const trb_method *method_of(const trb__items *items, const char *name)
{
    char key[TRB__KEY_BYTES];
    (void)snprintf(key, sizeof key, "student.%s.method", name);
    const trb__item *own = trb__items_find(items, key), *all = trb__items_find(items, "student.method");
    if (own != NULL && own->n > 0) return trb_method_find(own->value[0]);
    const trb_method *method = trb_method_find(name);
    return method != NULL || all == NULL || all->n == 0 ? method : trb_method_find(all->value[0]);
}

/* Check an item of a grid. \param[out] option  the row of its key */
static trb_status check_axis(const trb__items *items, const trb__item *item, const trb__option **option)
{
    const trb__option *o = trb__option_of(item->key);
    const char *key = strrchr(item->key, '.') + 1;
    if (item->kind == TRB__SECTION) return trb__item_fail(items, item, "expected a list of values, got a section");
    if (item->n == 0) return trb__item_fail(items, item, "expected a list of values, got none");
    if (o == NULL || o->scope == TRB__CONFIG)
        return trb__item_fail(items, item, "a student has no key `student.%s`, so no grid can vary it", key);
    if (o->type == &trb__type_method)
        return trb__item_fail(items, item, "a grid varies a method's settings; name several methods in `students`");
    *option = o;
    return TRB_OK;
}

/* The place of a key in names: students' own keys, keys of every training, the seed, which repeats all others. */
static size_t place_of(const trb__option *o)
{
    const size_t place = (size_t)(o - trb__options);
    if (o->scope == TRB__STUDENT) return place;
    return place + trb__n_options * (strcmp(o->key, "seed") == 0 ? 2 : 1);
}

static trb_status add_axis(const trb__items *items, const trb__item *item, const trb__option *o, grid *g)
{
    size_t i = g->n;
    if (g->n == AXES) return trb__item_fail(items, item, "a grid has at most %d keys", AXES);
    for (; i > 0 && place_of(g->option[i - 1]) > place_of(o); i--) {
        g->item[i] = g->item[i - 1];
        g->option[i] = g->option[i - 1];
    }
    g->item[i] = item;
    g->option[i] = o;
    g->n++;
    return TRB_OK;
}

/* Collect the axes of the student `name`. */
static trb_status find_grid(const trb__items *items, const char *name, grid *g)
{
    char own[TRB__KEY_BYTES], key[TRB__KEY_BYTES];
    const trb_method *method = method_of(items, name);
    *g = (grid){.n = 0};
    (void)snprintf(own, sizeof own, "student.%s.grid.", name);
    for (size_t i = 0; i < items->n; i++) {
        const trb__item *item = &items->item[i];
        const trb__option *o = NULL;
        const bool common = begins(item->key, COMMON);
        if (!common && !begins(item->key, own)) continue;
        TRB_TRY(check_axis(items, item, &o));
        if (o->read_by != NULL && method != NULL && !o->read_by(method)) continue;
        (void)snprintf(key, sizeof key, "%s%s", own, o->key);
        if (common && trb__items_find(items, key) != NULL) continue;
        (void)snprintf(key, sizeof key, "student.%s.%s", name, o->key);
        const trb__item *fixed = trb__items_find(items, key);
        if (fixed != NULL)
            return trb__item_fail(items, item, "contradicts `%s`, which fixes the value; drop one of them", fixed->key);
        TRB_TRY(add_axis(items, item, o, g));
    }
    return TRB_OK;
}

/* The name of one student of a grid. Characters that a name cannot have become `_`. */
static void name_student(const grid *g, const char *base, const size_t *choice, trb_text *t)
{
    trb_text_add(t, "%s", base);
    for (size_t i = 0; i < g->n; i++) {
        trb_text_add(t, "-%s-", g->option[i]->key);
        for (const char *at = g->item[i]->value[choice[i]]; *at != '\0'; at++)
            trb_text_add(t, "%c", strchr(TRB__NAME_LETTERS, *at) != NULL ? *at : '_');
    }
}

/* What the expansion reads and makes. */
typedef struct {
    trb__items *items; /* as they were found, sorted */
    trb__items made;   /* the items of the students of grids */
    trb_text names;    /* of all students, a comma after each */
    size_t count;      /* of students of grids */
} expansion;

/* Make `student.NAME.KEY` of an item, unless it was given. \param[in] value  one value; NULL: all values of `like` */
static trb_status make(expansion *e, const trb__item *like, const char *name, const char *rest, const char *value)
{
    char key[TRB__KEY_BYTES];
    const int n = snprintf(key, sizeof key, "student.%s.%s", name, rest);
    if (n < 0 || (size_t)n >= sizeof key) return trb__item_fail(e->items, like, "the key is too long for `%s`", name);
    return trb__items_find(e->items, key) != NULL ? TRB_OK : trb__items_copy(&e->made, like, key, value);
}

static trb_status make_student(expansion *e, const grid *g, const char *base, const size_t *choice, const char *name)
{
    char prefix[TRB__KEY_BYTES];
    const size_t n = (size_t)snprintf(prefix, sizeof prefix, "student.%s.", base);
    for (size_t i = 0; i < g->n; i++)
        TRB_TRY(make(e, g->item[i], name, g->option[i]->key, g->item[i]->value[choice[i]]));
    for (size_t i = 0; i < e->items->n; i++) {
        const trb__item *item = &e->items->item[i];
        if (item->kind == TRB__SECTION || !begins(item->key, prefix) || trb__in_grid(item->key)) continue;
        TRB_TRY(make(e, item, name, item->key + n, NULL));
    }
    (void)snprintf(prefix, sizeof prefix, "student.%s.method", base);
    if (trb_method_find(base) == NULL || trb__items_find(e->items, prefix) != NULL) return TRB_OK;
    return make(e, g->item[0], name, "method", base);
}

/* The next choice of values, the last axis first. \return false after the last choice */
static bool advance(const grid *g, size_t *choice)
{
    for (size_t i = g->n; i-- > 0;) {
        if (++choice[i] < g->item[i]->n) return true;
        choice[i] = 0;
    }
    return false;
}

/* Make the students of one grid. \param[in] only  the one to make; NULL: all */
static trb_status make_students(expansion *e, const grid *g, const char *base, const char *only)
{
    size_t choice[AXES] = {0};
    trb_status st = TRB_OK;
    bool more = true;
    for (; st == TRB_OK && more; more = advance(g, choice)) {
        trb_text t = {0};
        name_student(g, base, choice, &t);
        st = t.st;
        if (st == TRB_OK && (only == NULL || strcmp(only, t.at) == 0)) {
            if (++e->count > STUDENTS_MAX)
                st = trb__item_fail(e->items, g->item[0], "grids of more than %d students", STUDENTS_MAX);
            if (st == TRB_OK) st = trb__name_check(e->items, g->item[0], t.at);
            if (st == TRB_OK) st = make_student(e, g, base, choice, t.at);
            trb_text_add(&e->names, "%s,", t.at);
        }
        trb_text_clear(&t);
    }
    return st;
}

/* Mark the keys of a name that stands for a grid as used: their copies are read instead. */
static void mark(trb__items *items, const char *base)
{
    char key[TRB__KEY_BYTES];
    const size_t n = (size_t)snprintf(key, sizeof key, "student.%s", base);
    for (size_t i = 0; i < items->n; i++) {
        const char *is = items->item[i].key;
        if (strncmp(is, key, n) == 0 && (is[n] == '\0' || is[n] == '.')) items->item[i].used = true;
    }
}

/* Make the one student of a grid that has this name. The name begins with its base, a method or a described student.
 * \param[out] found  whether there is such a student */
static trb_status make_named(expansion *e, const char *name, bool *found)
{
    *found = false;
    for (const char *dash = strchr(name, '-'); dash != NULL && !*found; dash = strchr(dash + 1, '-')) {
        char base[TRB_NAME_MAX + 1];
        grid g;
        const size_t n = (size_t)(dash - name), before = e->count;
        if (n > TRB_NAME_MAX) break;
        (void)snprintf(base, sizeof base, "%.*s", (int)n, name);
        if (trb_method_find(base) == NULL && !trb__name_has_keys(e->items, base)) continue;
        TRB_TRY(find_grid(e->items, base, &g));
        if (g.n > 0) TRB_TRY(make_students(e, &g, base, name));
        *found = e->count > before;
        if (*found) mark(e->items, base);
    }
    return TRB_OK;
}

/* Whether a name is a method, or has a method of its own. Any other name may be that of one student of a grid, also if
 * it has keys of its own, which then win. */
static bool stands_alone(const trb__items *items, const char *name)
{
    char key[TRB__KEY_BYTES];
    (void)snprintf(key, sizeof key, "student.%s.method", name);
    return trb_method_find(name) != NULL || trb__items_find(items, key) != NULL;
}

static trb_status expand(expansion *e, const trb__item *students)
{
    for (size_t i = 0; i < students->n; i++) {
        const char *name = students->value[i];
        bool found = false;
        grid g;
        if (!stands_alone(e->items, name)) TRB_TRY(make_named(e, name, &found));
        if (found) continue;
        TRB_TRY(find_grid(e->items, name, &g));
        if (g.n == 0) {
            trb_text_add(&e->names, "%s,", name);
            continue;
        }
        TRB_TRY(trb__name_check(e->items, students, name));
        TRB_TRY(trb__name_says(e->items, students, name));
        TRB_TRY(make_students(e, &g, name, NULL));
        mark(e->items, name);
    }
    return e->names.st;
}

/* Whether there is a grid. Each of its keys is checked, also if no student takes it. */
static trb_status check_grids(const trb__items *items, bool *any)
{
    const trb__option *o = NULL;
    *any = false;
    for (size_t i = 0; i < items->n; i++) {
        const trb__item *item = &items->item[i];
        if (strcmp(item->key, "student.grid") == 0 && item->kind != TRB__SECTION)
            return trb__item_fail(items, item, "expected a section such as {seed: [1, 2, 3]}, got a value");
        if (!trb__in_grid(item->key)) continue;
        TRB_TRY(check_axis(items, item, &o));
        *any = true;
    }
    return TRB_OK;
}

trb_status trb__grids_expand(trb__items *items)
{
    expansion e = {.items = items, .made = {.name = items->name}};
    trb__item *students = trb__items_find(items, "students");
    bool any = false;
    trb_status st = TRB_OK;
    TRB_GO(check_grids(items, &any));
    if (!any || students->kind == TRB__SECTION) return TRB_OK;
    TRB_GO(expand(&e, students));
    mark(items, "grid");
    if (e.count > 0) TRB_GO(trb__item_replace(students, e.names.at));
    st = trb__items_join(items, &e.made);
done:
    trb_text_clear(&e.names);
    trb__items_clear(&e.made);
    return st;
}
