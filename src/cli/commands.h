/** The commands of the program. Each returns a status. main() turns it into the exit status, and on failure prints the
 * one line that says why. */
#ifndef TRB_CLI_COMMANDS_H
#define TRB_CLI_COMMANDS_H

#include "tribikos/export.h"
#include "tribikos/stages.h"

enum { TRB__STAGES = 5, TRB__FLAGS = 4 };
typedef struct trb__command trb__command;

/** The arguments of a command: operands, and flags as "--key=value". The command's own flag is taken out. */
typedef struct {
    const trb__command *command; /* NULL: no command has that name */
    size_t n_operands, n_flags;
    char **operand, **flag;
    size_t ranks;                    /* of `plan --ranks`; 0 if it is not given */
    const trb_export_format *format; /* of `export`; NULL if it is not given */
    char *output;                    /* the same */
    bool force;
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
    trb_status (*local)(const trb__arguments *a);
    trb_status (*look)(trb_comm *world, const trb_config *c, const trb__arguments *a);
    trb_status (*stage[TRB__STAGES])(trb_comm *world, const trb_config *c);
};

enum { TRB__COMMANDS = 12 };
extern const trb__command trb__commands[TRB__COMMANDS];

/** Set the limits of waiting (trb_comm_watch()) from the flags, or else the defaults. They hold until the configuration
 * is read, because ranks wait for each other before that. Local. */
void trb__watch_by_flags(const trb__arguments *a);

/** Run a command of all ranks: read the configuration together, then look or run the stages. Collective over world. */
trb_status trb__command_together(trb_comm *world, const trb__arguments *a);
/** eval, and the last stage of run: evaluate, and print the report. Collective over world. */
trb_status trb__evaluate(trb_comm *world, const trb_config *c);
/** plan CONFIG: print the plan for `a->ranks` ranks. Collective over world. */
trb_status trb__make_plan(trb_comm *world, const trb_config *c, const trb__arguments *a);
trb_status trb__take_ranks(const char *value, trb__arguments *a);

/** config CONFIG: print the resolved configuration; config --help: the reference. Local. */
trb_status trb__command_config(const trb__arguments *a);
/** verify CACHE: check every byte of a cache, and name each bad shard. Local. */
trb_status trb__command_verify(const trb__arguments *a);
/** info FILE: print what a file of this program holds. Local. */
trb_status trb__command_info(const trb__arguments *a);

/** export WEIGHTS ...: write weights files in the format of another program. Local. */
trb_status trb__command_export(const trb__arguments *a);
trb_status trb__take_format(const char *value, trb__arguments *a);
trb_status trb__take_output(const char *value, trb__arguments *a);
trb_status trb__take_force(const char *value, trb__arguments *a);

/** page PAGE: print a manual page, or completion for bash, from the tables of commands and options. Local. */
trb_status trb__command_page(const trb__arguments *a);
/** version: print trb_version(). Local. */
trb_status trb__command_version(const trb__arguments *a);
/** Compose the text of trb_version(). Call it after trb_blas_open(), which knows the kernels. Local. */
void trb__version_compose(void);

/** Read a file of text, at most 1 MiB. Local. \param[out] text  trb_free() */
trb_status trb__read_text(const char *path, char **text);

/** Print the plan on stdout, as aligned tables. Local. */
void trb__print_plan(const trb_plan *p);

/** Print the report on stdout, as aligned tables. Local. */
void trb__print_report(const trb_report *r, const trb_config *c);

#endif
