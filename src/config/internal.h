/* What the files of this folder share: the option table, the items of the sources, and values by type.
 *
 * A configuration comes from three sources: the table's defaults, the file, the command line. The first two are YAML.
 * They are flattened into one list of items, each a dotted key with its value. The list is then settled: of the items
 * of one key it keeps that of the strongest source (a flag before the file before a default). So one checker and one
 * kind of message serve all three. Grids are replaced by ordinary students within this list.
 *
 *   options.c     the table                          value.c        values by type: read, print, describe, clear
 *   yaml.c        YAML into items, and settling      value_lists.c  the types of layers, recipes and members
 *   flags.c       flags into items                   path.c         the types of paths: ~ and $VARIABLE are replaced
 *   grid.c        grids into students                names.c        keys, and names of students
 *   config.c      items into the typed structures    presets.c      earlier names of presets
 *   check.c       contradictions between keys        unknown.c      keys that nothing has taken
 *   reference.c   the reference of all keys          print.c        the configuration as YAML
 *   difference.c  how two identities differ          identity.c     what decides a network's bits
 *   tree.c        YAML and JSON as keys and values   words.c        what a wrong word may mean
 */
#ifndef TRB_CONFIG_INTERNAL_H
#define TRB_CONFIG_INTERNAL_H

#include <limits.h>
#include <stdio.h>

#include "tribikos/config.h"

/* The structure that has the field of a row, and the keys that set it. */
typedef enum {
    TRB__CONFIG,  /* trb_config: one key */
    TRB__FIT,     /* trb_fit_opts: train.*, members.overrides.M.*, student.*, student.NAME.* */
    TRB__STUDENT, /* trb_student_opts: student.*, student.NAME.* */
    TRB__OOD      /* trb_ood_opts: ood.NAME.* */
} trb__scope;

/* Whether a key is part of the identity of networks (identity.h). */
typedef enum {
    TRB__BY_SCOPE, /* yes for options of a training or a student, no for all others */
    TRB__PART,
    TRB__NO_PART,
    TRB__PART_IF_SET /* only if it is not at its default; so files that are older than the key stay good */
} trb__part;

typedef struct {
    const char *name;
    int value;
} trb__choice;

typedef struct trb__type trb__type;

typedef struct {
    trb__scope scope;
    const char *key; /* dotted; without the prefix in the scopes FIT, STUDENT and OOD */
    const trb__type *type;
    const char *unit;
    const char *value;         /* default, as YAML; NULL: the value of run.seed; for ood.*: in words */
    const char *student_value; /* default of student.KEY, if it differs; else NULL */
    double min, max;
    bool above_min, below_max; /* the bound itself is not allowed */
    bool endless;              /* "unbounded" is allowed, and stored as UINT64_MAX */
    const trb__choice *choices;
    uint64_t factor; /* stored value = given value * factor; 0 means 1 */
    size_t offset, bytes, count_offset;
    trb__part identity;
    bool (*read_by)(const trb_method *m); /* for students: which methods read it; NULL: all */
    const char *help;
} trb__option;

extern const trb__option trb__options[];
extern const size_t trb__n_options;

/* Room for a dotted key, with its zero byte. */
enum { TRB__KEY_BYTES = 256 };

typedef enum { TRB__DEFAULT, TRB__FILE, TRB__FLAG } trb__item_source;
typedef enum { TRB__SCALAR, TRB__LIST, TRB__SECTION } trb__item_kind;

typedef struct {
    char *key;
    trb__item_source source;
    trb__item_kind kind;
    size_t line; /* in the file, from 1 */
    size_t n, capacity;
    char **value; /* [n] */
    size_t order; /* its place among all items, in the order of reading */
    bool used;    /* a row, member, student or set has taken it; what remains false is an unknown key */
} trb__item;

typedef struct {
    const char *name; /* of the file, for messages; borrowed */
    size_t n, capacity;
    trb__item *item; /* sorted by key after trb__items_settle() */
} trb__items;

/* Flatten a YAML document and append its items. `key` is put in front of every key found ("" for a file). */
trb_status trb__items_read(trb__items *items, trb__item_source source, const char *key, const char *text);
/* Append an item with one value. */
trb_status trb__items_add(trb__items *items, trb__item_source source, const char *key, const char *value);
/* Append a copy of an item under another key. \param[in] value  its one value; NULL: those of `like` */
trb_status trb__items_copy(trb__items *items, const trb__item *like, const char *key, const char *value);
/* Append items to others, and settle. \param[in,out] more  is empty afterwards; after a failure it may keep some */
trb_status trb__items_join(trb__items *items, trb__items *more);
/* Replace the values of an item by names. \param[in] names  a comma follows each of them, also the last */
trb_status trb__item_replace(trb__item *item, const char *names);
/* Read a flag, --KEY=VALUE, and append its items. */
trb_status trb__flag_read(trb__items *items, const char *flag);
/* The same for a file that is no configuration: null is a value, and lists may hold lists and sections. */
trb_status trb__items_read_any(trb__items *items, const char *text);
/* Sort; refuse a key that the file has twice; keep for every key the item of the strongest source. */
trb_status trb__items_settle(trb__items *items);
void trb__items_clear(trb__items *items);
trb__item *trb__items_find(const trb__items *items, const char *key); /* NULL if absent */

/* Where an item was given: "mnist.yaml:3", "command line" or "default". \return text */
enum { TRB__WHERE = PATH_MAX + 24 };
const char *trb__item_where(const trb__items *items, const trb__item *item, char text[TRB__WHERE]);
/* Fail with TRB_ECONFIG. The message begins with the place and the key. */
trb_status trb__item_fail(const trb__items *items, const trb__item *item, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The row of a key as users write it: "train.lr", "student.NAME.lr", "ood.NAME.root"; NULL if there is none. */
const trb__option *trb__option_of(const char *key);

/* Replace the students of grids by ordinary ones. */
trb_status trb__grids_expand(trb__items *items);
/* Whether this is a key of a grid: "student.grid.KEY" or "student.NAME.grid.KEY". */
bool trb__in_grid(const char *key);

#define TRB__NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
/* Refuse a name of a student or set that is too long, or has other characters. \param[in] item  that has the name */
trb_status trb__name_check(const trb__items *items, const trb__item *item, const char *name);
/* Refuse the name of a student from which nobody can tell how it is trained. */
trb_status trb__name_says(const trb__items *items, const trb__item *item, const char *name);
/* Whether there are keys student.NAME.* */
bool trb__name_has_keys(const trb__items *items, const char *name);

/* The names of all students, for a message. \param[out] text  [n], which is returned */
const char *trb__students_listed(const trb_config *c, size_t n, char *text);

/* The value that is meant by a wrong one. \param[in] known  all values, with | between them
 * \return NULL if none is near; valid until the next call */
const char *trb__word_meant(const char *known, const char *given);

/* Refuse items that nothing has taken. */
trb_status trb__unknown_check(const trb_config *c, const trb__items *items);

/* Rewrite earlier names of presets in lists of layers, with a note for each. */
trb_status trb__presets_rename(trb__items *items);

/* The functions of one type of values. `base` is the structure of the row's scope. */
struct trb__type {
    bool lists;        /* the value may be a YAML list */
    bool words;        /* `range` is the list of all values, with | between them */
    const char *range; /* as the reference shows it; NULL: it differs between rows, and `describe` writes it */
    void (*describe)(const trb__option *o, size_t n, char *text);
    /* Read an item into a field that holds nothing yet. `clear` releases the field, also after a failure. */
    trb_status (*parse)(const trb__option *o, const trb__items *items, const trb__item *item, void *base);
    void (*print)(FILE *f, const trb__option *o, const void *base); /* as YAML that reads back to the same value */
    void (*clear)(const trb__option *o, void *base);                /* NULL: the field holds no memory */
};

extern const trb__type trb__type_bool;
extern const trb__type trb__type_whole;   /* uint64_t or int */
extern const trb__type trb__type_real;    /* double */
extern const trb__type trb__type_reals;   /* array of double */
extern const trb__type trb__type_text;    /* char * */
extern const trb__type trb__type_texts;   /* array of structures that begin with a char * */
extern const trb__type trb__type_path;    /* char *, in which ~ and $VARIABLE are replaced */
extern const trb__type trb__type_paths;   /* array of char *, the same */
extern const trb__type trb__type_choice;  /* an enum, out of `choices` */
extern const trb__type trb__type_word;    /* char *, out of `choices` */
extern const trb__type trb__type_method;  /* const trb_method * */
extern const trb__type trb__type_layers;  /* char *, canonical list */
extern const trb__type trb__type_recipe;  /* trb_recipe */
extern const trb__type trb__type_recipes; /* array of trb_recipe */
extern const trb__type trb__type_members; /* bool [members.count] */

/* The field of a row in `base`; and for arrays, the number of its elements. */
void *trb__value_field(const trb__option *o, void *base);
const void *trb__value_field_of(const trb__option *o, const void *base);
size_t trb__value_count(const trb__option *o, const void *base);
/* Read decimal digits and nothing else: no sign, space, separator or exponent. \return whether [from, end) is such a
 * number that fits */
bool trb__digits_read(const char *from, const char *end, uint64_t *value);
/* Write a text as YAML: without quotes only if no reader can take it for anything else. A path is written so that
 * nothing is replaced when it is read. */
void trb__text_write(FILE *f, const char *text, bool path);
/* Release the memory to which a field points, which is NULL if nothing was read; of a list of texts, these too. */
void trb__value_clear(const trb__option *o, void *base);
void trb__values_clear(const trb__option *o, void *base);

/* Read an item into the field of `o` in `base`, which holds nothing yet. */
trb_status trb__option_set(const trb__option *o, const trb__items *items, const trb__item *item, void *base);
void trb__option_clear(const trb__option *o, void *base);
/* The value as YAML. \param[out] out  trb_free() */
trb_status trb__option_text(const trb__option *o, const void *base, char **out);
/* Type and range for people: "whole 1..100000", "real > 0", "sgd|adam|adamw", ... */
enum { TRB__RANGE = sizeof(((trb_config_key *)NULL)->range) };
void trb__option_range(const trb__option *o, size_t n, char *text);
/* Whether two rows belong under one heading: same scope and, in TRB__CONFIG, keys that are equal up to the dot. */
bool trb__option_neighbours(const trb__option *a, const trb__option *b);

/* How often the layer `word` occurs in a canonical list. */
size_t trb__layers_count(const char *layers, const char *word);

/* Refuse contradictions between values that are each valid. */
trb_status trb__config_check(const trb_config *c, const trb__items *items);

/* How two identities differ, in words. A key that only one of them has is at its default in the other one.
 * \param[in]  leave_out  kinds of lines that may differ   \param[out] out  NULL if they do not differ; trb_free() */
enum { TRB__EXCHANGE = 1, TRB__CACHE = 2, TRB__FOLLOWED = 4 };
trb_status trb__difference(const char *found, const char *asked, unsigned leave_out, char **out);

/* Text that grows. open_memstream() owns its memory until the close copies it into memory of ours. */
typedef struct {
    FILE *f;
    char *text;
    size_t n;
} trb__page;
trb_status trb__page_open(trb__page *p);
/* \param[in] st  status of the writing, passed on   \param[out] out  set only on success; trb_free() */
trb_status trb__page_close(trb__page *p, trb_status st, char **out);

#endif
