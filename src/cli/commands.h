/** The commands of the program. Each returns a status. main() turns it into the exit status, and on failure prints the
 * one line that says why. */
#ifndef TRB_CLI_COMMANDS_H
#define TRB_CLI_COMMANDS_H

#include "tribikos/export.h"
#include "tribikos/pack.h"
#include "tribikos/stages.h"

enum { TRB__STAGES = 6, TRB__FLAGS = 5 };
typedef enum { TRB__TEXT, TRB__CSV, TRB__JSON } trb__table_format;
typedef struct trb__command trb__command;

/** The arguments of a command: operands, and flags as "--key=value". The command's own flags are taken out. */
typedef struct {
    const trb__command *command; /* NULL: no command has that name */
    size_t n_operands, n_flags;
    char **operand, **flag;
    size_t ranks;                    /* of `plan --ranks`; 0 if it is not given */
    char *retrain;                   /* names of students; NULL: none */
    char *report;                    /* of `compare --report`, `report --name`; NULL: that of the run's own set */
    trb__table_format table;         /* of `compare --format` */
    const trb_export_format *format; /* of `export`: of weights; NULL if it is not given */
    const char *curves;              /* the same: of metrics, "tensorboard" or "csv" */
    bool storage;                    /* of `cache`: --report */
    char *output;                    /* of `export`, `report`, `predict` and `pack`; NULL if it is not given */
    char *model;                     /* of `predict`; NULL: the first student */
    bool heads;                      /* the same */
    bool force;
    trb_pack_options pack; /* of `pack` */
} trb__arguments;

/** A flag --NAME=VALUE that only one command takes. It is not a key of the configuration. A flag whose value is "" is
 * given as --NAME alone. A value with bars lists all words that are possible. */
typedef struct {
    const char *name, *value, *help;
    trb_status (*take)(const char *value, trb__arguments *a); /* Local. `value` lives for the call */
} trb__flag;

/** A command: its help, its arguments, and its functions. Exactly one kind of function is set:
 *
 *   local   the command runs in one process, without MPI
 *   look    all ranks read the configuration together; the function looks at it and writes no file
 *   stage   all ranks read it together; the stages run one after the other and write into run.dir
 */
struct trb__command {
    const char *name, *operands, *help;
    trb__flag flag[TRB__FLAGS]; /* one without a name ends them */
    bool own_help;              /* the command itself handles --help */
    bool of_run;                /* its first operand is a run or a weights file, which takes the place of the
                                 * configuration; others follow it, and it uses the ranks that were launched */
    trb_status (*local)(const trb__arguments *a);
    trb_status (*look)(trb_comm *world, const trb_config *c, const trb__arguments *a);
    trb_status (*stage[TRB__STAGES])(trb_comm *world, const trb_config *c);
};

enum { TRB__COMMANDS = 17 };
extern const trb__command trb__commands[TRB__COMMANDS];

/** Set the limits of waiting (trb_comm_watch()) from the flags, or else the defaults. They hold until the configuration
 * is read, because ranks wait for each other before that. Local. */
void trb__watch_by_flags(const trb__arguments *a);

/** Run a command of all ranks: read the configuration together, then look or run the stages. Collective over world. */
trb_status trb__command_together(trb_comm *world, const trb__arguments *a);
/** eval, and the last stage of run: evaluate, and print the report. Collective over world. */
trb_status trb__evaluate(trb_comm *world, const trb_config *c);
/** cache CONFIG --report: print what each way to store the cache costs. Collective over world. */
trb_status trb__show_storage(trb_comm *world, const trb_config *c);
trb_status trb__take_storage(const char *value, trb__arguments *a);
/** plan CONFIG: print the plan for `a->ranks` ranks. Collective over world. */
trb_status trb__make_plan(trb_comm *world, const trb_config *c, const trb__arguments *a);
trb_status trb__take_ranks(const char *value, trb__arguments *a);
trb_status trb__take_retrain(const char *value, trb__arguments *a);

/** Whether the reader of a pipe on stdout has gone, so that writing to it fails. That is no error: `head` does so. Local. */
bool trb__stdout_unread(void);

/** predict RUN INPUT ...: predict new samples. Collective over world. */
trb_status trb__command_predict(trb_comm *world, const trb_config *c, const trb__arguments *a);
trb_status trb__take_model(const char *value, trb__arguments *a);
trb_status trb__take_heads(const char *value, trb__arguments *a);
/** The configuration by which such a command reads its input: that of the run; or, for a weights file, a short one that
 * follows from the file, and from the first bytes of the input. Local. \param[out] text  trb_free() */
trb_status trb__source_config(const trb__arguments *a, char **text);

/** config CONFIG: print the resolved configuration; config --help: the reference. Local. */
trb_status trb__command_config(const trb__arguments *a);
/** verify RUN: check every byte of a run, or of a cache alone, and name what is bad or missing. Local. */
trb_status trb__command_verify(const trb__arguments *a);
/** info FILE: print what a file of this program holds, or a summary of a run. Local. */
trb_status trb__command_info(const trb__arguments *a);
/** init FILE ...: print a commented configuration for the data set in these files. Local. */
trb_status trb__command_init(const trb__arguments *a);
/** pack FOLDER: write the images of a folder into an HDF5 file. Local. */
trb_status trb__command_pack(const trb__arguments *a);
trb_status trb__take_size(const char *value, trb__arguments *a);
trb_status trb__take_channels(const char *value, trb__arguments *a);
trb_status trb__take_skip_bad(const char *value, trb__arguments *a);
/** compare RUN RUN ...: print the figures of several runs side by side, and what differs in their configurations.
 * Local. */
trb_status trb__command_compare(const trb__arguments *a);
trb_status trb__take_table(const char *value, trb__arguments *a);
trb_status trb__take_report(const char *value, trb__arguments *a);
/** report RUN: write an HTML page that shows a run. Local; if a launcher has started several processes, only rank 0
 * does it. */
trb_status trb__command_report(const trb__arguments *a);

/** export WEIGHTS ...: write weights files in the format of another program. export RUN: write the metrics of a run's
 * trainings. Local. */
trb_status trb__command_export(const trb__arguments *a);
trb_status trb__take_format(const char *value, trb__arguments *a);
trb_status trb__take_output(const char *value, trb__arguments *a);
trb_status trb__take_force(const char *value, trb__arguments *a);

/** Write the metrics of a run's trainings: as a folder with one event file a training, or as one CSV file with a row for
 * each value. Local. \param[in] force  overwrite what exists */
trb_status trb__export_curves(bool csv, const char *run, const char *output, bool force);

/** page PAGE: print a manual page, or completion for bash, from the tables of commands and options. Local. */
trb_status trb__command_page(const trb__arguments *a);
/** version: print trb_version(). Local. */
trb_status trb__command_version(const trb__arguments *a);
/** Compose the text of trb_version(). Call it after trb_blas_open(), which knows the kernels. Local. */
void trb__version_compose(void);

enum { TRB__PATH = 1100, TRB__CONFIG_BYTES = 1 << 20, TRB__REPORT_BYTES = 1 << 26 };
/** Read RUN/config.yaml. Local. \param[out] out  trb_config_destroy() */
trb_status trb__run_config(const char *dir, trb_config **out);
/** Set `eval.name` to the name of this command's report; "" for the run's own set. Collective over world. */
trb_status trb__name_report(trb_comm *world, trb_config *c);
/** Write RUN/config.yaml, after a command has succeeded. Local. \param[in,out] c  changed to what is written */
trb_status trb__publish_config(trb_config *c);

/** Refuse anything but one operand. Local. */
trb_status trb__one_operand(const trb__arguments *a, const char *what);
/** Print a line on stdout. What a file says of itself may hold escape sequences; they do not reach the terminal.
 * Local. */
trb_status trb__show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Bytes with a unit: "5.6 MB". Local. \return text */
const char *trb__size_text(double bytes, char text[24]);
/** Whether this is the folder of a run. Local. */
bool trb__is_run(const char *dir);
/** Print what a run holds. Local. */
trb_status trb__info_run(const char *dir);
/** The folders of networks in `under`, sorted: "m000", "hydra", "hydra.before". Local.
 * \param[out] n,name  none if there is no such folder; released with trb__names_free() */
trb_status trb__names_in(const char *under, size_t *n, char ***name);
void trb__names_free(size_t n, char **name);

enum { TRB__ROW_BYTES = TRB_NAME_MAX + 32 };
/** The name of n students that differ in their seed alone: that of the first one, without the seed that a grid has put
 * into it, as in "kd-temperature-2, 3 seeds". Local. */
void trb__name_seeds(const char *student, size_t n, char text[TRB__ROW_BYTES]);

/** Print the plan on stdout, as aligned tables. Local. */
void trb__print_plan(const trb_plan *p);

/** Print the report on stdout, as aligned tables. Local. */
void trb__print_report(const trb_report *r, const trb_config *c);

#endif
