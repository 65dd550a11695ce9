/** Configuration: files and flags are read, checked, printed and explained by one table.
 *
 * A YAML file is flattened to dotted keys ("student.temperature"). Flags `--key=value` win over the file; a value is
 * taken as it is, but for lists in brackets. The table
 * (src/config/options.c) has key, type, unit, default, range and help of every option, and is the only place that knows
 * them. Stages see only the typed structures of this header.
 */
#ifndef TRB_CONFIG_H
#define TRB_CONFIG_H

#include "tribikos/augment.h"
#include "tribikos/cache.h"
#include "tribikos/exchange.h"
#include "tribikos/method.h"
#include "tribikos/pack.h"
#include "tribikos/precision.h"
#include "tribikos/text.h"

/** The most characters that the name of a student, or of a set out of distribution, may have. */
enum { TRB_NAME_MAX = 64 };

/** How much a sample's loss counts: as any other's, or so that each class counts as much as any other. */
typedef enum { TRB_CLASS_WEIGHT_NONE, TRB_CLASS_WEIGHT_BALANCED } trb_class_weight;
/** Which weights a training ends with: those of its last step, or those of the epoch with the least validation loss. */
typedef enum { TRB_KEEP_LAST, TRB_KEEP_BEST } trb_ending;

/** How one network is trained: a member's (train.*, members.overrides.M.*) or a student's (student.*, student.NAME.*).
 */
typedef struct {
    char *layers; /* as given, in canonical spacing, presets not expanded; "" for a student that takes train.layers, and
                   * for members if all of them come from elsewhere */
    uint64_t seed;
    uint64_t epochs, batch, lanes;
    trb_optim_kind optimizer;
    double lr, momentum, beta1, beta2, eps, weight_decay, clip;
    bool nesterov;
    trb_schedule schedule;
    double warmup;       /* epochs */
    double decay_epochs; /* step schedule */
    double gamma;
    trb_init init;
    trb_recipe augment;            /* members only */
    double adversarial;            /* members only; share of each input's range; 0: none */
    trb_class_weight class_weight; /* members only */
    double label_smoothing;        /* members only; 0: none */
    uint64_t early_stopping;       /* epochs without a lower validation loss; 0: off */
    trb_ending keep;
} trb_fit_opts;

typedef struct {
    char *name;
    const trb_method *method;
    char *split; /* where the heads begin in its own layers, or else in train.layers: a position or a name; or "" */
    trb_tempering tempering;
    double factors;      /* deviation around 1 of the first factors of rank one; 0: the method's own */
    double label_weight; /* share of the labels' cross entropy in the loss */
    uint64_t phase1_epochs;
    bool restart;                     /* phase 2 begins the schedule anew */
    uint64_t views;                   /* how many of the cache's views it sees, the first ones */
    double clean;                     /* share of rows that show view 0; 0: as often as any other */
    bool match_uncertainty;           /* spread the heads until theirs is the members' */
    uint64_t head_lanes, head_groups; /* see grid.h */
    trb_fit_opts fit;
    bool retrain; /* train it again although it is there: trb_config_retrain(), no key */
} trb_student_opts;

/** A data set out of distribution: its samples belong to none of the training set's classes. */
typedef struct {
    char *name;
    trb_format format;
    char *root;
    size_t n_files;
    char **files;
    trb_axes layout;
    char *x; /* the name of an array */
} trb_ood_opts;

typedef struct {
    struct {
        char *dir;
        uint64_t seed;
        double progress;     /* seconds between progress lines */
        double lock_seconds; /* see lock.h */
        char *resume;        /* "auto", "never", or a checkpoint's path */
        double time_limit;   /* seconds; 0: none */
        uint64_t grace;      /* seconds; 0: no limit */
        size_t n_signals;
        char **signals;
    } run;
    struct {
        uint64_t steps; /* 0: only at the ends of epochs */
        double seconds;
        uint64_t keep;
    } checkpoint;
    struct {
        trb_task task;
        trb_format format;
        char *root;
        size_t n_train, n_test;
        char **train, **test;
        trb_axes layout;                                                    /* for arrays only */
        char *x, *y;                                                        /* names of arrays, for hdf5 and npy only */
        size_t n_train_rows, n_test_rows, n_features, n_drop, n_categories; /* for tables only */
        char **train_rows, **test_rows, **features, *target, **drop, **categories;
        char *separator; /* as trb_data_separator() reads it */
        trb_header header;
        trb_missing missing;
        uint64_t validation;  /* samples held out */
        uint64_t labels_from; /* the label of class 0 in the files */
        trb_normalize normalize;
        size_t n_mean, n_std;
        double *mean, *std; /* for normalize: given */
        /* for images only, see trb_pack_options */
        uint64_t image_size;
        trb_image_channels image_channels;
        bool skip_bad;
    } data;
    struct {
        uint64_t count;
        bool *only; /* [count]; whether `train` is to train this member */
    } members;
    trb_fit_opts train;   /* options of every member without overrides */
    trb_fit_opts *member; /* [members.count] with overrides applied */
    struct {
        trb_shard_kind holds; /* TRB_SHARD_LOGITS, TRB_SHARD_STATISTICS or TRB_SHARD_TOP */
        uint64_t top;         /* classes a row, for TRB_SHARD_TOP */
        trb_dtype dtype;
        uint64_t views, block, shard_rows;
        size_t n_recipes;
        trb_recipe *recipe; /* view v > 0 follows recipe (v - 1) % n_recipes; the first is the sample itself */
        uint64_t view_seed;
        int deflate;
        uint64_t memory; /* bytes a rank (the key is in MiB) */
    } cache;
    size_t n_students;
    trb_student_opts *student;
    trb_exchange_opts exchange;
    struct {
        double stall_seconds, timeout; /* 0: never */
    } comm;
    struct {
        char *name;  /* of the report: RUN/report/NAME; "": RUN/report */
        char *split; /* "test", "validation", "train" */
        uint64_t batch, bins;
        size_t n_ood, n_corruptions;
        trb_ood_opts *ood;
        char **corruptions; /* names, see corrupt.h */
    } eval;
    struct {
        int threads;
        trb_precision precision;
    } math;
} trb_config;

/** Read defaults, file and flags, merge them, and check the result. Local: the caller broadcasts the file's text, so
 * only rank 0 reads the file.
 *
 * \param[in] name   of the file, for messages   \param[in] text  its content
 * \param[in] flags  "--key=value" each
 * \return TRB_OK; TRB_ECONFIG with file and line (or the flag), the key, what was expected, what was found and, for an
 * unknown key, the nearest known one
 */
trb_status trb_config_parse(const char *name, const char *text, size_t n_flags, char *const *flags, trb_config **out);
void trb_config_destroy(trb_config *c);

/** List the environment variables that may be replaced in paths of a configuration, from its text and from flags: those
 * that follow a dollar sign. Ranks with the same values of these variables read the same paths. Local.
 * \param[in,out] names  each variable is added, with a line break after it   \return the status of `names` */
trb_status trb_config_variables(const char *text, trb_text *names);

/** The first student that differs from student s in nothing but its name and its seed; s itself if there is none before
 * it. Local. */
trb_status trb_config_but_seed(const trb_config *c, size_t s, size_t *first);
/** Mark the students that are to be trained again. Local.
 * \param[in] names  "hydra,kd", or "all"; a name that a grid has replaced means all students of that grid   \return TRB_OK; TRB_ECONFIG if there is no such student */
trb_status trb_config_retrain(trb_config *c, const char *names);

/** The resolved configuration as YAML: every key, ready to be read again. Local. \param[out] out  trb_free() */
trb_status trb_config_print(const trb_config *c, char **out);

/** A key, as the reference of all keys shows it. */
typedef struct {
    char name[64];             /* "train.lr", "student.split", "ood.NAME.files" */
    char range[120];           /* type and range */
    const char *value;         /* default */
    const char *student_value; /* default of student.KEY, if it differs from that of train.KEY; else NULL */
    const char *unit;          /* "" for none */
    char help[512];            /* begins with names of methods if only these read the key: "hydra, kd: ..." */
    bool begins;               /* the first key under its heading */
    bool of_students;          /* train.KEY also exists as student.KEY */
    bool words;                /* `range` is all values, with | between them */
} trb_config_key;
/** Key i of the table, from 0. Local. \return false after the last key */
bool trb_config_reference(size_t i, trb_config_key *key);
/** The reference of all keys as one text. Local. \param[out] out  trb_free() */
trb_status trb_config_help(char **out);

/** Name and version of the library that reads YAML. Local. */
const char *trb_config_library(void);

#endif
