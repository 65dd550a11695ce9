/* Contradictions: values that are each valid, but not together. A message names both keys and where each was given. */
#include "internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tribikos/checkpoint.h"
#include "tribikos/corrupt.h"
#include "tribikos/stop.h"

/* A set of training options, by the prefixes of its keys: its own ("student.kd."), then the common one ("student."). */
typedef struct {
    const trb__items *items;
    const char *own, *common;
} place;

/* The item from which a set of options has the value of a key. */
static const trb__item *source_of(const place *p, const char *key)
{
    char name[256];
    (void)snprintf(name, sizeof name, "%s%s", p->own, key);
    const trb__item *item = trb__items_find(p->items, name);
    if (item != NULL) return item;
    (void)snprintf(name, sizeof name, "%s%s", p->common, key);
    item = trb__items_find(p->items, name);
    return item != NULL ? item : trb__items_find(p->items, key); /* `key` is a whole key, of another section */
}

static trb_status clash(const place *p, const char *key_a, const char *key_b, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A value as a message shows it. */
static const char *shown(const trb__item *item)
{
    return item->kind != TRB__LIST ? item->value[0] : item->n == 0 ? "[]" : "[...]";
}

static trb_status clash(const place *p, const char *key_a, const char *key_b, const char *fmt, ...)
{
    const trb__item *a = source_of(p, key_a), *b = source_of(p, key_b);
    /* The message begins with what the user wrote, not with a default. */
    if (b->source > a->source) {
        const trb__item *swap = a;
        a = b;
        b = swap;
    }
    char why[TRB_FAIL_BYTES], where[TRB__WHERE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return trb__item_fail(p->items, a, "%s contradicts `%s`: %s (%s): %s", shown(a), b->key, shown(b),
                          trb__item_where(p->items, b, where), why);
}

/* Regression has targets instead of labels. */
static trb_status check_labels(const trb_config *c, const place *p, const trb_fit_opts *f)
{
    if (c->data.task == TRB_TASK_CLASSES) return TRB_OK;
    const char *key = c->data.labels_from > 0                    ? "data.labels_from"
                      : f->class_weight != TRB_CLASS_WEIGHT_NONE ? "class_weight"
                      : f->label_smoothing > 0.0                 ? "label_smoothing"
                                                                 : NULL;
    return key == NULL ? TRB_OK : clash(p, key, "data.task", "regression has no labels");
}

/* What follows the validation loss needs held-out samples, and ends of epochs at which all ranks meet. */
static trb_status check_watched(const trb_config *c, const place *p, const trb_fit_opts *f)
{
    const char *key = f->early_stopping > 0 ? "early_stopping" : f->keep == TRB_KEEP_BEST ? "keep" : NULL;
    if (key == NULL) return TRB_OK;
    if (c->data.validation == 0)
        return clash(p, key, "data.validation",
                     "it follows the loss on samples that are held out; hold out e.g. a tenth of them");
    if (c->exchange.kind == TRB_EXCHANGE_SERVER && c->exchange.staleness > 0)
        return clash(p, key, "server.staleness", "without common steps no epoch has weights of its own; set 0");
    return TRB_OK;
}

static trb_status check_fit(const trb_config *c, const place *p, const trb_fit_opts *f)
{
    TRB_TRY(check_watched(c, p, f));
    if (f->batch % f->lanes != 0) {
        const uint64_t below = f->batch / f->lanes * f->lanes, above = below + f->lanes;
        char nearest[64];
        if (below > 0)
            (void)snprintf(nearest, sizeof nearest, "%" PRIu64 " or %" PRIu64, below, above);
        else
            (void)snprintf(nearest, sizeof nearest, "%" PRIu64, above);
        return clash(p, "batch", "lanes", "a batch is cut into lanes of one size; nearest batch that works: %s",
                     nearest);
    }
    if (f->nesterov && f->optimizer != TRB_OPTIM_SGD)
        return clash(p, "nesterov", "optimizer", "Nesterov's momentum belongs to sgd");
    if (f->nesterov && f->momentum <= 0.0)
        return clash(p, "nesterov", "momentum", "Nesterov's momentum needs a momentum above 0");
    if (f->schedule == TRB_SCHEDULE_STEP && f->decay_epochs <= 0.0)
        return clash(p, "schedule", "decay_epochs", "the step schedule needs a length of its steps above 0");
    if (trb_recipe_stored(&f->augment))
        return trb__item_fail(p->items, source_of(p, "augment"),
                              "ods and confods need trained members; they make views (`cache.view_recipes`)");
    TRB_TRY(check_labels(c, p, f));
    if (f->warmup >= (double)f->epochs)
        return clash(p, "warmup", "epochs", "the warm-up has to end before the training does");
    return TRB_OK;
}

/* Each head lane has equally many heads, and each head group equally many head lanes. */
static trb_status check_grid(const trb_config *c, const place *p, const trb_student_opts *s)
{
    const uint64_t M = c->members.count, H = s->head_lanes, G = s->head_groups;
    uint64_t lanes = H, groups = G;
    if (H > 1 && s->method->heads == TRB_SHARING_HEADS)
        return trb__item_fail(p->items, source_of(p, "head_lanes"),
                              "the heads of student `%s` share their weights, so no rank can hold some of them; set "
                              "`student.%s.head_lanes` to 1",
                              s->name, s->name);
    while (M % lanes != 0) lanes = lanes > M ? M : lanes - 1;
    if (lanes != H)
        return trb__item_fail(p->items, source_of(p, "head_lanes"),
                              "%" PRIu64 " head lanes cannot share `members.count` = %" PRIu64
                              " heads evenly; nearest that works: %" PRIu64,
                              H, M, lanes);
    while (H % groups != 0) groups = groups > H ? H : groups - 1;
    if (groups != G && M % G != 0)
        return clash(p, "head_groups", "head_lanes",
                     "groups share head lanes evenly, and head lanes the %" PRIu64
                     " heads; nearest head_groups that works: %" PRIu64,
                     M, groups);
    if (groups != G)
        return clash(p, "head_groups", "head_lanes",
                     "groups share head lanes evenly; nearest head_groups that works: %" PRIu64
                     "; or head_lanes: %" PRIu64,
                     groups, G);
    if (H > 1 && c->exchange.kind == TRB_EXCHANGE_SERVER)
        return trb__item_fail(p->items, source_of(p, "head_lanes"),
                              "heads in lanes are exchanged by `exchange: ordered` or `allreduce`, not by servers; set "
                              "one of them, or head_lanes: 1");
    if (H > 1 && s->fit.keep == TRB_KEEP_BEST)
        return clash(p, "keep", "head_lanes", "no rank holds all heads of the best epoch; set last, or head_lanes: 1");
    if (H > 1 && s->fit.clip > 0.0)
        return clash(p, "head_lanes", "clip", "the norm of a gradient is not known across head lanes; set clip: 0");
    return TRB_OK;
}

static bool is_for_classes(const trb_method *m)
{
    return trb_method_lesson(m, TRB_TASK_CLASSES) != NULL;
}

static bool is_for_regression(const trb_method *m)
{
    return trb_method_lesson(m, TRB_TASK_REGRESSION) != NULL;
}

/* Regression has no class labels. A Dirichlet distribution describes what several members say, so one is too few. */
static trb_status check_method(const trb_config *c, const place *p, const trb_student_opts *s)
{
    const bool regression = c->data.task == TRB_TASK_REGRESSION;
    char methods[160];
    (void)trb_method_names(regression ? is_for_regression : is_for_classes, ", ", sizeof methods, methods);
    if (trb_method_lesson(s->method, c->data.task) == NULL)
        return trb__item_fail(p->items, trb__items_find(p->items, "students"),
                              "the method of student `%s`, %s, is for %s; `data.task: %s` has %s", s->name,
                              s->method->name, regression ? "classes" : "regression",
                              regression ? "regression" : "classes", methods);
    if (regression && s->label_weight > 0.0)
        return trb__item_fail(p->items, source_of(p, "label_weight"),
                              "`data.task: regression` has no class labels; set 0");
    if (s->method->dirichlet == TRB_DIRICHLET_NONE) return TRB_OK;
    if (s->label_weight > 0.0)
        return trb__item_fail(p->items, source_of(p, "label_weight"),
                              "student `%s` learns a distribution over what members say, and labels are not part of "
                              "it; set `student.%s.label_weight` to 0",
                              s->name, s->name);
    if (c->members.count < 2)
        return trb__item_fail(p->items, trb__items_find(p->items, "members.count"),
                              "student `%s` learns a distribution over what members say; expected 2 or more, got 1",
                              s->name);
    return TRB_OK;
}

/* match_uncertainty finds its factor on held-out samples, from the outputs of all heads and all members there. */
static trb_status check_match(const trb_config *c, const place *p, const trb_student_opts *s)
{
    const trb__item *item = source_of(p, "match_uncertainty");
    if (!s->match_uncertainty || !trb_method_several(s->method)) return TRB_OK;
    if (c->data.task == TRB_TASK_REGRESSION)
        return trb__item_fail(p->items, item,
                              "`data.task: regression` has means and variances, which one factor cannot spread; set "
                              "false");
    if (c->data.validation == 0)
        return trb__item_fail(
            p->items, item,
            "student `%s` is matched on samples that are held out, but `data.validation` is 0; set it, "
            "e.g. to a tenth of the samples",
            s->name);
    if (c->members.count < 2)
        return trb__item_fail(p->items, item, "one member has no model uncertainty to be matched; set false");
    if (s->head_lanes > 1)
        return trb__item_fail(
            p->items, item,
            "student `%s` has its heads in lanes, and matching takes all of them together; set false, or "
            "`student.%s.head_lanes` to 1",
            s->name, s->name);
    return TRB_OK;
}

/* A student's layers are its own or train.layers. Its heads begin at a `split` in its own list, or where the key
 * `split` says. Only heads that are copied need a beginning. */
static trb_status check_heads(const trb_config *c, const place *p, const trb_student_opts *s)
{
    const trb__item *layers = source_of(p, "layers"), *split = source_of(p, "split");
    const bool own = s->fit.layers[0] != '\0', placed = s->split[0] != '\0';
    const size_t splits = trb__layers_count(s->fit.layers, "split");
    const bool needed = s->method->heads == TRB_COPIED_HEADS;
    if (!own && c->train.layers[0] == '\0')
        return trb_fail(TRB_ECONFIG,
                        "%s: key `train.layers`: required, e.g. [dense 200, relu, dense 10]; or give student `%s` "
                        "layers of its own",
                        p->items->name, s->name);
    if (splits > 0 && placed)
        return clash(p, "layers", "split", "both say where the heads begin; drop one, or set it to \"\"");
    if (splits > 1 || (own && splits == 0 && !placed && needed))
        return trb__item_fail(p->items, layers,
                              "expected one `split` in the list, where the heads begin, or `student.split` beside it, "
                              "got [%s]",
                              s->fit.layers);
    if (!own && !placed && needed)
        return trb_fail(TRB_ECONFIG,
                        "%s: student `%s`: nothing says where its heads begin; set `student.split` to a position or a "
                        "name in `train.layers`, or `student.layers` to a list with `split` in it, or `students` to []",
                        p->items->name, s->name);
    /* Any word may be a name in the list. It is looked up later, when the network is built. */
    if (strspn(s->split, "0123456789") != strlen(s->split) && isalpha((unsigned char)s->split[0]) == 0)
        return trb__item_fail(p->items, split,
                              "expected a position in `%s.layers`, counted from 0, or a name in it, got `%s`",
                              own ? "student" : "train", s->split);
    return TRB_OK;
}

/* A cache of the most probable classes says nothing of the others but their common probability. */
static trb_status check_top(const trb_config *c, const place *p, const trb_student_opts *s)
{
    if (trb_method_lesson(s->method, c->data.task)->top == NULL)
        return trb__item_fail(p->items, source_of(p, "cache.holds"),
                              "top has the most probable classes of each member, but student `%s` (%s) needs all "
                              "members' probabilities of every class; set logits or statistics, or leave it out of "
                              "`students`",
                              s->name, s->method->name);
    if (s->match_uncertainty && trb_method_several(s->method))
        return clash(p, "cache.holds", "match_uncertainty",
                     "the members' model uncertainty needs all their classes, and top has only the most probable ones; "
                     "set `student.%s.match_uncertainty` to false, or `cache.holds` to logits",
                     s->name);
    return TRB_OK;
}

/* A cache of statistics has means over all members at temperature 1. The single members cannot be told from it. */
static trb_status check_holds(const trb_config *c, const place *p, const trb_student_opts *s)
{
    if (c->cache.holds == TRB_SHARD_TOP) return check_top(c, p, s);
    if (c->cache.holds != TRB_SHARD_STATISTICS) return TRB_OK;
    const trb_lesson *lesson = trb_method_lesson(s->method, c->data.task);
    const double first = trb_lesson_temperature(lesson, &s->tempering, 0.0);
    if (lesson->cached == TRB_CACHED_NOT)
        return trb__item_fail(p->items, source_of(p, "cache.holds"),
                              "statistics are of all members together, but student `%s` needs the logits of each; set "
                              "logits, or leave it out of `students`",
                              s->name);
    if (first < 1.0 || first > 1.0)
        return clash(p, "cache.holds", lesson->tempered_by,
                     "statistics are of temperature 1; set `student.%s.%s` to 1, or `cache.holds` to logits", s->name,
                     lesson->tempered_by);
    if (s->head_lanes > 1)
        return clash(p, "cache.holds", "head_lanes",
                     "statistics are of all members together, so no rank can read those of some; set "
                     "`student.%s.head_lanes` to 1",
                     s->name);
    return TRB_OK;
}

static trb_status check_student(const trb_config *c, const place *p, const trb_student_opts *s)
{
    if (s->views > c->cache.views)
        return trb__item_fail(p->items, source_of(p, "views"),
                              "expected at most `cache.views` = %" PRIu64 ", got %" PRIu64, c->cache.views, s->views);
    if (!trb_recipe_empty(&s->fit.augment))
        return trb__item_fail(p->items, source_of(p, "augment"),
                              "a student sees what its members saw, or their logits would not belong to its pixels; "
                              "cache variants of the samples instead (`cache.views`, `cache.view_recipes`)");
    if (s->fit.adversarial > 0.0)
        return trb__item_fail(p->items, source_of(p, "adversarial"),
                              "a student sees what its members saw, or their logits would not belong to its inputs; "
                              "set 0");
    if (s->fit.class_weight != TRB_CLASS_WEIGHT_NONE || s->fit.label_smoothing > 0.0)
        return trb__item_fail(
            p->items, source_of(p, s->fit.label_smoothing > 0.0 ? "label_smoothing" : "class_weight"),
            "it changes the loss of labels, but a student learns from its members' logits; set `train.%s` instead",
            s->fit.label_smoothing > 0.0 ? "label_smoothing" : "class_weight");
    TRB_TRY(check_heads(c, p, s));
    if (s->method->heads == TRB_COPIED_HEADS && s->phase1_epochs > 0 && s->fit.warmup >= (double)s->phase1_epochs)
        return clash(p, "warmup", "phase1_epochs", "the warm-up has to end before the phase does");
    TRB_TRY(check_method(c, p, s));
    TRB_TRY(check_grid(c, p, s));
    TRB_TRY(check_match(c, p, s));
    TRB_TRY(check_holds(c, p, s));
    return check_fit(c, p, &s->fit);
}

/* Keys that choose rows and columns exist for tables only. */
static trb_status check_table(const trb_config *c, const place *top)
{
    char by = '\0';
    if (!trb_data_separator(c->data.separator, &by))
        return trb__item_fail(top->items, source_of(top, "data.separator"),
                              "expected one of the characters , ; | or one of the words tab, blank, auto, got `%s`%s",
                              c->data.separator,
                              strpbrk(c->data.separator, "\"'") != NULL ? ", with quotes; leave them out" : "");
    const char *key = c->data.n_train_rows > 0                ? "data.train_rows"
                      : c->data.n_test_rows > 0               ? "data.test_rows"
                      : c->data.n_features > 0                ? "data.features"
                      : c->data.target[0] != '\0'             ? "data.target"
                      : c->data.n_drop > 0                    ? "data.drop"
                      : c->data.n_categories > 0              ? "data.categories"
                      : c->data.header != TRB_HEADER_AUTO     ? "data.header"
                      : c->data.missing != TRB_MISSING_REFUSE ? "data.missing"
                      : by != '\0'                            ? "data.separator"
                                                              : NULL;
    if (key == NULL) return TRB_OK;
    if (c->data.format != TRB_FORMAT_TABLE)
        return clash(top, key, "data.format", "only tables (`data.format: table`) have such rows and columns");
    if (c->data.n_train_rows > 0 && c->data.n_train_rows != c->data.n_train)
        return clash(top, "data.train_rows", "data.train", "expected a file of rows for each table: %zu, got %zu",
                     c->data.n_train, c->data.n_train_rows);
    if (c->data.n_test_rows > 0 && c->data.n_test_rows != c->data.n_test)
        return clash(top, "data.test_rows", "data.test", "expected a file of rows for each table: %zu, got %zu",
                     c->data.n_test, c->data.n_test_rows);
    return TRB_OK;
}

/* A set of images is one folder, whose subfolders are classes. */
static trb_status check_images(const trb_config *c, const place *top)
{
    const bool images = c->data.format == TRB_FORMAT_IMAGES, channels = c->data.image_channels != TRB_IMAGE_AS_IS;
    const char *key = c->data.image_size != 0 ? "data.image_size"
                      : channels              ? "data.image_channels"
                      : c->data.skip_bad      ? "data.skip_bad"
                                              : NULL;
    if (!images && key != NULL) return clash(top, key, "data.format", "only images (`data.format: images`) have this");
    if (images && c->data.task != TRB_TASK_CLASSES)
        return clash(top, "data.format", "data.task", "folders of images name classes; set classes");
    if (images && (c->data.n_train > 1 || c->data.n_test > 1))
        return clash(top, c->data.n_train > 1 ? "data.train" : "data.test", "data.format",
                     "a set of images is one folder, got %zu names",
                     c->data.n_train > 1 ? c->data.n_train : c->data.n_test);
    for (size_t i = 0; i < c->eval.n_ood; i++)
        if (c->eval.ood[i].format == TRB_FORMAT_IMAGES)
            return clash(top, "eval.ood", "data.format",
                         "set %s: pack its images (`tribikos pack`), and set `ood.%s.format: hdf5`",
                         c->eval.ood[i].name, c->eval.ood[i].name);
    return TRB_OK;
}

/* Names and layouts exist for arrays only. */
static trb_status check_arrays(const trb_config *c, const place *top)
{
    const trb_format format = c->data.format;
    const bool named = format == TRB_FORMAT_HDF5 || format == TRB_FORMAT_NPY,
               arrays = named || format == TRB_FORMAT_IDX;
    const bool x = strcmp(c->data.x, "x") != 0, y = strcmp(c->data.y, "y") != 0;
    if (!named && (x || y))
        return clash(top, x ? "data.x" : "data.y", "data.format", "only arrays of hdf5 and npz have names");
    if (!arrays && c->data.layout != TRB_AXES_AUTO)
        return clash(top, "data.layout", "data.format", "only arrays of hdf5, npy and idx can have several layouts");
    return TRB_OK;
}

/* Refuse unknown corruptions here, because evaluation comes last in a run, after hours of training. */
static trb_status check_corruptions(const trb_config *c, const place *top)
{
    if (c->eval.n_corruptions > 0 && c->data.task == TRB_TASK_REGRESSION)
        return clash(top, "eval.corruptions", "data.task",
                     "corrupted samples are evaluated for classes only; set it to []");
    for (size_t i = 0; i < c->eval.n_corruptions; i++) {
        trb_corruption how;
        char why[TRB_FAIL_BYTES];
        const trb__item *item = source_of(top, "eval.corruptions");
        if (trb_corrupt_find(c->eval.corruptions[i], &how) != TRB_OK) {
            (void)snprintf(why, sizeof why, "%s", trb_fail_message());
            trb_fail_clear();
            return trb__item_fail(top->items, item, "%s", why);
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->eval.corruptions[i], c->eval.corruptions[j]) == 0)
                return trb__item_fail(top->items, item, "`%s` is given twice", c->eval.corruptions[i]);
    }
    return TRB_OK;
}

/* A cache with one view has only the samples themselves. Other views need at least
 * one recipe, and every recipe needs a view. */
static trb_status check_views(const trb_config *c, const place *top)
{
    if (c->cache.views > 1 && c->cache.n_recipes == 0)
        return clash(top, "cache.views", "cache.view_recipes", "nothing says how the views are made");
    if (c->cache.views == 1 && c->cache.n_recipes > 0)
        return clash(top, "cache.view_recipes", "cache.views",
                     "the one view is the sample itself; set `cache.views` to 2 or more");
    if (c->cache.n_recipes > c->cache.views - 1)
        return clash(top, "cache.view_recipes", "cache.views",
                     "%zu recipes need as many views besides the sample itself; set `cache.views` to %zu or more",
                     c->cache.n_recipes, c->cache.n_recipes + 1);
    for (size_t i = 0; i < c->cache.n_recipes; i++)
        if (trb_recipe_stored(&c->cache.recipe[i]) && c->data.task != TRB_TASK_CLASSES)
            return clash(top, "cache.view_recipes", "data.task", "ods and confods follow probabilities of classes");
    return TRB_OK;
}

static trb_status check_run(const trb_config *c, const place *top)
{
    if (c->run.dir[0] == '\0')
        return trb_fail(TRB_ECONFIG, "%s: key `run.dir`: required, the folder of the run", top->items->name);
    if (strlen(c->run.dir) > 800)
        return trb_fail(TRB_ECONFIG, "%s: key `run.dir`: %zu characters, expected at most 800", top->items->name,
                        strlen(c->run.dir));
    if (strlen(c->run.resume) >= TRB_CHECKPOINT_PATH)
        return trb__item_fail(top->items, source_of(top, "run.resume"), "%zu characters, expected at most %d",
                              strlen(c->run.resume), TRB_CHECKPOINT_PATH - 1);
    for (size_t i = 0; i < c->run.n_signals; i++)
        if (trb_stop_signal(c->run.signals[i]) == 0)
            return trb__item_fail(top->items, source_of(top, "run.signals"),
                                  "expected names out of USR1, USR2, TERM, INT, HUP, got `%s`", c->run.signals[i]);
    if (c->run.resume[0] == '\0')
        return trb__item_fail(top->items, source_of(top, "run.resume"), "expected auto, never or a path, got nothing");
    return TRB_OK;
}

/* Checks of the whole run come first, then those of each member, then those of each student. */
trb_status trb__config_check(const trb_config *c, const trb__items *items)
{
    const place top = {items, "", ""}, train = {items, "train.", "train."};
    TRB_TRY(check_run(c, &top));
    if (c->data.n_train == 0)
        return trb_fail(TRB_ECONFIG, "%s: key `data.train`: required, the files of the training set", items->name);
    /* If all members come from elsewhere and are in the cache already, no member needs layers; else every member does.
     * */
    bool layers = false;
    for (uint64_t m = 0; m < c->members.count; m++) layers = layers || c->member[m].layers[0] != '\0';
    for (uint64_t m = 0; layers && m < c->members.count; m++)
        if (c->member[m].layers[0] == '\0')
            return trb_fail(TRB_ECONFIG,
                            "%s: member %" PRIu64 " has no layers; give it `members.overrides.%" PRIu64
                            ".layers`, or all `train.layers`",
                            items->name, m, m);
    TRB_TRY(check_table(c, &top));
    TRB_TRY(check_arrays(c, &top));
    TRB_TRY(check_images(c, &top));
    TRB_TRY(check_corruptions(c, &top));
    if (c->data.normalize == TRB_NORMALIZE_GIVEN && (c->data.n_mean == 0 || c->data.n_std == 0))
        return clash(&top, "data.normalize", c->data.n_mean == 0 ? "data.mean" : "data.std",
                     "the constants are to be given; e.g. [0.4914, 0.4822, 0.4465]");
    if (c->data.normalize != TRB_NORMALIZE_GIVEN && (c->data.n_mean > 0 || c->data.n_std > 0))
        return clash(&top, c->data.n_mean > 0 ? "data.mean" : "data.std", "data.normalize",
                     "these constants are used by `data.normalize: given` only");
    TRB_TRY(check_views(c, &top));
    if (c->cache.holds == TRB_SHARD_TOP && c->data.task != TRB_TASK_CLASSES)
        return clash(&top, "cache.holds", "data.task", "top is the most probable classes; set logits");
    if (c->cache.holds == TRB_SHARD_STATISTICS && c->data.task != TRB_TASK_CLASSES)
        return clash(&top, "cache.holds", "data.task", "statistics are of probabilities of classes; set logits");
    if (c->cache.holds == TRB_SHARD_STATISTICS && c->cache.dtype != TRB_F32)
        return clash(&top, "cache.holds", "cache.dtype",
                     "float16 would lose small probabilities and digits of the precision; set float32");
    if (c->cache.shard_rows % c->cache.block != 0) {
        const uint64_t below = c->cache.shard_rows / c->cache.block * c->cache.block;
        return clash(&top, "cache.shard_rows", "cache.block",
                     "a shard holds whole blocks; nearest `cache.shard_rows` that works: %" PRIu64,
                     below > 0 ? below : c->cache.block);
    }

    TRB_TRY(check_fit(c, &train, &c->train));
    for (uint64_t m = 0; m < c->members.count; m++) {
        char own[64];
        (void)snprintf(own, sizeof own, "members.overrides.%" PRIu64 ".", m);
        const place p = {items, own, "train."};
        if (trb__layers_count(c->member[m].layers, "split") > 0)
            return trb__item_fail(items, source_of(&p, "layers"),
                                  "a member is one network; `split` belongs in `student.layers`, got [%s]",
                                  c->member[m].layers);
        TRB_TRY(check_fit(c, &p, &c->member[m]));
    }

    for (size_t s = 0; s < c->n_students; s++) {
        char own[TRB_NAME_MAX + 16];
        (void)snprintf(own, sizeof own, "student.%s.", c->student[s].name);
        const place p = {items, own, "student."};
        TRB_TRY(check_student(c, &p, &c->student[s]));
    }
    return TRB_OK;
}
