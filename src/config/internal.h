/* What the files of this folder share: the option table, the items that a file and the flags give, and values by type.
 *
 * A configuration comes from three sources: the table's defaults, the file, the command line. All three are YAML, are
 * flattened to items of one list, and the list holds at most one item a key: the one of the strongest source. */
#ifndef TRB_CONFIG_INTERNAL_H
#define TRB_CONFIG_INTERNAL_H

#include <limits.h>
#include <stdio.h>

#include "tribikos/config.h"

/* Where a row of the table is stored: once in the configuration, or in every set of training options (keys train.*,
 * members.overrides.M.*, student.*, student.NAME.*), or in every student (student.*, student.NAME.*), or in every set
 * out of distribution (ood.NAME.*). */
typedef enum { TRB__CONFIG, TRB__FIT, TRB__STUDENT, TRB__OOD } trb__scope;

/* Whether a key is part of the identity of networks (identity.h). */
typedef enum {
    TRB__BY_SCOPE, /* options of a training and of a student are, all others are not */
    TRB__PART,
    TRB__NO_PART,
    TRB__PART_IF_SET /* only where it is not at its default: so files from before there was the key stay good */
} trb__part;

typedef struct {
    const char *name;
    int value;
} trb__choice;

typedef struct trb__type trb__type;

typedef struct {
    trb__scope scope;
    const char *key; /* dotted; rows of the other scopes without their prefix */
    const trb__type *type;
    const char *unit;
    const char *value;         /* default, as YAML; NULL: that of run.seed; ood.*: in words */
    const char *student_value; /* default of student.KEY where it is another one */
    double min, max;
    bool above_min, below_max; /* the bound itself is excluded */
    bool endless;              /* "unbounded" may be said, and is UINT64_MAX */
    const trb__choice *choices;
    uint64_t factor; /* stored = given * factor; 0 stands for 1 */
    size_t offset, bytes, count_offset;
    trb__part identity;
    bool (*read_by)(const trb_method *m); /* of students: which methods read it; NULL: all */
    const char *help;
} trb__option;

extern const trb__option trb__options[];
extern const size_t trb__n_options;

typedef enum { TRB__DEFAULT, TRB__FILE, TRB__FLAG } trb__item_source;
typedef enum { TRB__SCALAR, TRB__LIST, TRB__SECTION } trb__item_kind;

typedef struct {
    char *key;
    trb__item_source source;
    trb__item_kind kind;
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
trb_status trb__items_read(trb__items *items, trb__item_source source, const char *key, const char *text);
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

/* What is done with values of one type. `base` is the structure of the row's scope. */
struct trb__type {
    bool lists;        /* a list may be given */
    bool words;        /* `range` is all values, with | between them */
    const char *range; /* as the reference shows it, where it is the same for all rows; else describe */
    void (*describe)(const trb__option *o, size_t n, char *text);
    /* Read an item into a field that holds nothing yet. After a failure, too, clear releases what the field has. */
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
extern const trb__type trb__type_choice;  /* an enum, out of `choices` */
extern const trb__type trb__type_word;    /* char *, out of `choices` */
extern const trb__type trb__type_method;  /* const trb_method * */
extern const trb__type trb__type_layers;  /* char *, canonical list */
extern const trb__type trb__type_recipe;  /* trb_recipe */
extern const trb__type trb__type_recipes; /* array of trb_recipe */
extern const trb__type trb__type_members; /* bool [members.count] */

/* Read an item's value into `base`, where the field holds nothing yet. */
trb_status trb__option_set(const trb__option *o, const trb__items *items, const trb__item *item, void *base);
void trb__option_clear(const trb__option *o, void *base);
/* The value as YAML. \param[out] out  trb_free() */
trb_status trb__option_text(const trb__option *o, const void *base, char **out);
/* "whole 1..100000", "real > 0", "sgd|adam|adamw", ... */
enum { TRB__RANGE = sizeof(((trb_config_key *)NULL)->range) };
void trb__option_range(const trb__option *o, size_t n, char *text);
/* Whether two rows stand under one heading: rows of one scope, or keys that are equal up to the dot. */
bool trb__option_neighbours(const trb__option *a, const trb__option *b);

/* How often the layer `word` occurs in a canonical list. */
size_t trb__layers_count(const char *layers, const char *word);

/* Contradictions between values that are fine by themselves. */
trb_status trb__config_check(const trb_config *c, const trb__items *items);

/* Text that grows; its memory comes from the C library until it is handed out. */
typedef struct {
    FILE *f;
    char *text;
    size_t n;
} trb__page;
trb_status trb__page_open(trb__page *p);
/* \param[in] st  how the writing went   \param[out] out  if that and the page are well: trb_free() */
trb_status trb__page_close(trb__page *p, trb_status st, char **out);

#endif
