/* Shared inside src/cli: the option table, the items that a file and the flags give, and values by type.
 *
 * A configuration comes from three sources: the table's defaults, the file, the command line. All three are YAML, are
 * flattened to items of one list, and the list holds at most one item a key: the one of the strongest source. */
#ifndef TRB__OPTIONS_H
#define TRB__OPTIONS_H

#include <limits.h>
#include <stdio.h>

#include "tribikos/config.h"

/* Where a row of the table is stored: once in the configuration, or in every set of training options (keys train.*,
 * members.overrides.M.*, student.*, student.NAME.*), or in every student (student.*, student.NAME.*), or in every set
 * out of distribution (ood.NAME.*). */
typedef enum { TRB__CONFIG, TRB__FIT, TRB__STUDENT, TRB__OOD } trb__scope;

typedef enum {
    TRB__BOOL,
    TRB__WHOLE,   /* uint64_t or int */
    TRB__REAL,    /* double */
    TRB__TEXT,    /* char *; with choices only these */
    TRB__CHOICE,  /* an enum */
    TRB__METHOD,  /* const trb_method * */
    TRB__TEXTS,   /* array of structures that begin with a char * */
    TRB__REALS,   /* array of double */
    TRB__LAYERS,  /* char *, canonical list */
    TRB__RECIPE,  /* trb_recipe */
    TRB__RECIPES, /* array of trb_recipe */
    TRB__MEMBERS  /* bool [members.count] */
} trb__type;

typedef struct {
    const char *name;
    int value;
} trb__choice;

typedef struct {
    trb__scope scope;
    const char *key; /* dotted; rows of the other scopes without their prefix */
    trb__type type;
    const char *unit;
    const char *value;         /* default, as YAML; NULL: that of run.seed; ood.*: in words */
    const char *student_value; /* default of student.KEY where it is another one */
    double min, max;
    bool above_min, below_max; /* the bound itself is excluded */
    bool endless;              /* "unbounded" may be said, and is UINT64_MAX */
    const trb__choice *choices;
    uint64_t factor; /* stored = given * factor; 0 stands for 1 */
    size_t offset, bytes, count_offset;
    bool
        decides; /* the bits of members and students depend on it, as on all options of a training but `bitless` ones */
    bool bitless;
    bool unsaid; /* where it has its default it is not said: so files from before there was the option stay good */
    bool (*read_by)(const trb_method *m); /* of students: which methods read it; NULL: all */
    const char *help;
} trb__option;

extern const trb__option trb__options[];
extern const size_t trb__n_options;

typedef enum { TRB__DEFAULT, TRB__FILE, TRB__FLAG } trb__source;
typedef enum { TRB__SCALAR, TRB__LIST, TRB__SECTION } trb__kind;

typedef struct {
    char *key;
    trb__source source;
    trb__kind kind;
    size_t line; /* of the file, from 1 */
    size_t n, capacity;
    char **value; /* [n] */
    size_t order; /* in which it was read */
    bool used;
} trb__item;

typedef struct {
    const char *name; /* of the file; borrowed */
    size_t n, capacity;
    trb__item *item; /* sorted by key after trb__items_settle() */
} trb__items;

/* Flatten a YAML document. `key` stands in front of every key found ("" for a file). */
trb_status trb__items_read(trb__items *items, trb__source source, const char *key, const char *text);
/* Sort; refuse a key that the file has twice; keep the strongest source's item of every key. */
trb_status trb__items_settle(trb__items *items);
void trb__items_clear(trb__items *items);
trb__item *trb__items_find(const trb__items *items, const char *key); /* NULL if absent */

/* "mnist.yaml:3", "command line" or "default". */
enum { TRB__WHERE = PATH_MAX + 24 };
const char *trb__item_where(const trb__items *items, const trb__item *item, char text[TRB__WHERE]);
/* Fail with TRB_ECONFIG; the line begins with the place and the key. */
trb_status trb__item_fail(const trb__items *items, const trb__item *item, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Read an item's value into `base`, the structure of the row's scope, where the field holds nothing yet. */
trb_status trb__option_set(const trb__option *o, const trb__items *items, const trb__item *item, void *base);
/* The value as YAML that reads back to the same value; released with trb_free(). */
trb_status trb__option_text(const trb__option *o, const void *base, char **out);
void trb__option_clear(const trb__option *o, void *base);
/* The whole key as the reference names it: "train.lr", "student.split", "ood.NAME.files". \return text */
enum { TRB__KEY = 64 };
const char *trb__option_key(const trb__option *o, char text[TRB__KEY]);
/* The default as the reference shows it, with its unit. \return text */
const char *trb__option_default(const trb__option *o, char text[TRB__KEY]);
/* The help line, behind the names of the methods where not all read it: "hydra, kd: ...". \return text */
enum { TRB__HELP = 512 };
const char *trb__option_help(const trb__option *o, char text[TRB__HELP]);
/* Whether two rows stand under one heading: rows of one scope, or keys that are equal up to the dot. */
bool trb__option_neighbours(const trb__option *a, const trb__option *b);
/* "whole 1..100000", "real > 0", "sgd|adam|adamw", ... */
void trb__option_range(const trb__option *o, size_t n, char *text);

/* How often the layer `word` occurs in a canonical list. */
size_t trb__layers_count(const char *layers, const char *word);

/* Contradictions between values that are fine by themselves. */
trb_status trb__config_check(const trb_config *c, const trb__items *items);

/* What decides member m's, student s's weights; see trb_fit_opts.decides. The texts are the caller's (trb_free). */
trb_status trb__config_member_text(const trb_config *c, size_t m, char **out);
trb_status trb__config_student_text(const trb_config *c, size_t s, char **out);

#endif
