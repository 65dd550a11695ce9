/* Keys that nothing has taken: what the user may have meant. A mistyped key would otherwise leave a default in force
 * without a message. */
#include "internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/text.h"

/* Names that other programs give to keys of this one. A key without a dot stands for that key of all sections. */
static const struct {
    const char *alias, *key;
} aliases[] = {
    {"learning_rate", "lr"},
    {"lr0", "lr"},
    {"step_size", "decay_epochs"},
    {"batch_size", "batch"},
    {"batchsize", "batch"},
    {"bs", "batch"},
    {"minibatch", "batch"},
    {"num_epochs", "epochs"},
    {"n_epochs", "epochs"},
    {"max_epochs", "epochs"},
    {"optim", "optimizer"},
    {"optimiser", "optimizer"},
    {"wd", "weight_decay"},
    {"l2", "weight_decay"},
    {"betas", "beta1"},
    {"epsilon", "eps"},
    {"patience", "early_stopping"},
    {"path", "data.root"},
    {"num_classes", "layers"}, /* the number of the last `dense` */
    {"n_classes", "layers"},
    {"out_features", "layers"},
    {"target_column", "data.target"},
    {"label_column", "data.target"},
    {"sep", "data.separator"},
    {"delimiter", "data.separator"},
    {"delim", "data.separator"},
    {"grad_clip", "clip"},
    {"clip_norm", "clip"},
    {"max_grad_norm", "clip"},
    {"gradient_clip_val", "clip"},
    {"scheduler", "schedule"},
    {"lr_scheduler", "schedule"},
    {"lr_schedule", "schedule"},
    {"warmup_epochs", "warmup"},
    {"initializer", "init"},
    {"augmentation", "augment"},
    {"augmentations", "augment"},
    {"transforms", "augment"},
    {"model", "layers"},
    {"arch", "layers"},
    {"architecture", "layers"},
    {"network", "layers"},
    {"hidden_layers", "layers"},
    {"temp", "student.temperature"},
    {"t", "student.temperature"},
    {"tau", "student.temperature"},
    {"alpha", "student.label_weight"},
    {"random_seed", "run.seed"},
    {"manual_seed", "run.seed"},
    {"output", "run.dir"},
    {"out", "run.dir"},
    {"outdir", "run.dir"},
    {"out_dir", "run.dir"},
    {"output_dir", "run.dir"},
    {"save_dir", "run.dir"},
    {"log_dir", "run.dir"},
    {"logdir", "run.dir"},
    {"work_dir", "run.dir"},
    {"workdir", "run.dir"},
    {"run_dir", "run.dir"},
    {"ckpt", "run.resume"},
    {"checkpoint_path", "run.resume"},
    {"resume_from", "run.resume"},
    {"data_dir", "data.root"},
    {"data_path", "data.root"},
    {"dataset", "data.train"},
    {"train_data", "data.train"},
    {"test_data", "data.test"},
    {"val_split", "data.validation"},
    {"validation_split", "data.validation"},
    {"val_size", "data.validation"},
    {"num_members", "members.count"},
    {"n_members", "members.count"},
    {"ensemble_size", "members.count"},
    {"num_models", "members.count"},
    {"n_models", "members.count"},
    {"n_estimators", "members.count"},
    {"threads", "math.threads"},
    {"num_threads", "math.threads"},
    {"nthreads", "math.threads"},
    {"amp", "math.precision"},
    {"fp16", "math.precision"},
    {"bf16", "math.precision"},
    {"time_limit", "run.time_limit"},
};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_inside(const char *key, const char *section)
{
    const size_t n = strlen(section);
    return strncmp(key, section, n) == 0 && key[n] == '.';
}

/* The last part of a key, in the spelling of this program: small letters, and `_` for `-`. */
static const char *last_part(const char *key, char text[TRB__KEY_BYTES])
{
    const char *dot = strrchr(key, '.');
    (void)snprintf(text, TRB__KEY_BYTES, "%s", dot == NULL ? key : dot + 1);
    for (char *at = text; *at != '\0'; at++) *at = *at == '-' ? '_' : (char)tolower((unsigned char)*at);
    return text;
}

static const char *alias_of(const char *last)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i].alias, last) == 0) return aliases[i].key;
    return NULL;
}

static void add_choice(trb_text *t, const char *section, const char *key)
{
    trb_text_add(t, "%s`%s%s`", t->n > 0 ? " or " : "", section, key);
}

/* List the keys that have the last part `word`, or the one key `word`. If the user named the section of members or
 * students, only those of the section count. \param[in] prefix  as for suggest()   \return whether there are any */
static bool list_keys(const char *word, const char *key, const char *prefix, trb_text *t)
{
    const bool whole = strchr(word, '.') != NULL, own = prefix[0] != '\0';
    const bool student = begins(key, "student."), train = begins(key, "train.") || begins(key, "members.");
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        const char *dot = strrchr(o->key, '.');
        char full[TRB__KEY_BYTES];
        (void)snprintf(full, sizeof full, "%s%s", o->scope == TRB__STUDENT ? "student." : "", o->key);
        if (strcmp(whole ? full : dot == NULL ? o->key : dot + 1, word) != 0) continue;
        if (o->scope == TRB__CONFIG && !own && (whole || !(student || train)))
            add_choice(t, "", o->key);
        else if (o->scope == TRB__FIT && own && !begins(prefix, "ood."))
            add_choice(t, prefix, o->key);
        else if (o->scope == TRB__FIT && !own && !student)
            add_choice(t, "train.", o->key);
        if (o->scope == TRB__STUDENT || (o->scope == TRB__FIT && !own && !train))
            add_choice(t, own && student ? prefix : "student.", o->key);
    }
    return t->n > 0;
}

/* Choose the known key that is nearest: a key of the same member, student or set, else a section or any key of the
 * table. \param[out] nearest  "" if none is near */
static trb_status find_nearest(const char *key, const char *prefix, char nearest[TRB__KEY_BYTES])
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
    const char *meant = trb_text_meant(key, n, word);
    (void)snprintf(nearest, TRB__KEY_BYTES, "%s", meant != NULL ? meant : "");
done:
    trb_free(text);
    trb_free(word);
    return st;
}

static const char *end_of_word(const char *at)
{
    return at + strcspn(at, "_");
}

/* Find the longest known key of the same section that is made of whole words of this one, as `lr` is in `lr_rate`.
 * \param[out] contained  "" if there is none */
static void find_contained(const char *key, char contained[TRB__KEY_BYTES])
{
    const char *dot = strrchr(key, '.'), *last = dot == NULL ? key : dot + 1;
    size_t longest = 0;
    contained[0] = '\0';
    for (const char *at = last; *at != '\0'; at = end_of_word(at), at += *at == '_') {
        const char *end = end_of_word(at);
        for (bool more = end > at; more; end = more ? end_of_word(end + 1) : end) {
            char full[2 * TRB__KEY_BYTES];
            const size_t n = (size_t)(end - at);
            (void)snprintf(full, sizeof full, "%.*s%.*s", (int)(last - key), key, (int)n, at);
            more = *end != '\0';
            if (n <= longest || trb__option_of(full) == NULL) continue;
            longest = n;
            (void)snprintf(contained, TRB__KEY_BYTES, "%.200s", full);
        }
    }
}

/* Refuse a key, and suggest what may be meant.
 * \param[in] prefix  "student.NAME." if the key is one of a student, member or set that exists; else "" */
static trb_status suggest(const trb__items *items, const trb__item *item, const char *prefix)
{
    char last[TRB__KEY_BYTES], nearest[TRB__KEY_BYTES], contained[TRB__KEY_BYTES], choices[TRB_FAIL_BYTES];
    trb_text t = trb_text_in(choices, sizeof choices);
    const char *alias = alias_of(last_part(item->key, last)), *word = alias != NULL ? alias : last;
    const bool bare = strchr(item->key, '.') == NULL;
    if ((alias != NULL || bare) && list_keys(word, item->key, prefix, &t))
        return trb__item_fail(items, item, "unknown; did you mean %s?", choices);
    TRB_TRY(find_nearest(item->key, prefix, nearest));
    /* A slip of the finger or two is meant before a key that is a part of this one. */
    if (nearest[0] == '\0' || trb_text_distance(item->key, nearest) > 2) {
        find_contained(item->key, contained);
        if (contained[0] != '\0') return trb__item_fail(items, item, "unknown; did you mean `%s`?", contained);
    }
    if (nearest[0] != '\0') return trb__item_fail(items, item, "unknown; nearest known key is `%s`", nearest);
    if (list_keys(word, item->key, prefix, &t) || list_keys(word, "", "", &t))
        return trb__item_fail(items, item, "unknown; did you mean %s?", choices);
    return trb__item_fail(items, item, "unknown, and no known key is near it; `tribikos config --help` lists all");
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
                              trb__students_listed(c, sizeof names, names));
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
trb_status trb__unknown_check(const trb_config *c, const trb__items *items)
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
