/** The commands of the program. Each returns a status; main() turns it into the exit status and prints the one line. */
#ifndef TRB_CLI_COMMANDS_H
#define TRB_CLI_COMMANDS_H

#include "tribikos/stages.h"

enum { TRB__STAGES = 5 };
typedef struct trb__command trb__command;

/** What a command is given: its operands, and flags as "--key=value", except those of its own. */
typedef struct {
    const trb__command *command; /* NULL: there is none of that name */
    size_t n_operands, n_flags;
    char **operand, **flag;
    size_t ranks; /* `plan`: 0 if nothing is said */
} trb__arguments;

/** A flag that one command alone takes, and that is no key of the configuration: --NAME=VALUE. */
typedef struct {
    const char *name, *value, *help;
    trb_status (*take)(const char *value, trb__arguments *a); /* Local. */
} trb__flag;

/** A command: what `tribikos --help`, the manual page and completion show, what it takes, and what it does. It is a
 * command of one process (`local`), or of all ranks, which read the configuration together. These either look at it
 * alone (`look`), or run stages, one after the other, that write into run.dir. */
struct trb__command {
    const char *name, *operands, *help;
    trb__flag flag; /* no name: it has no flag of its own */
    bool own_help;  /* --help is a flag that the command itself takes */
    trb_status (*local)(const trb__arguments *a);
    trb_status (*look)(trb_comm *world, const trb_config *c, const trb__arguments *a);
    trb_status (*stage[TRB__STAGES])(trb_comm *world, const trb_config *c);
};

enum { TRB__COMMANDS = 11 };
extern const trb__command trb__commands[TRB__COMMANDS];

/** Limit waiting (trb_comm_watch()) by what the flags say, or else by the defaults: for the time before the
 * configuration is read. Local. */
void trb__watch_by_flags(const trb__arguments *a);

/** Do what a command of all ranks does: read the configuration together, then look or run the stages. Collective over
 * world. */
trb_status trb__command_together(trb_comm *world, const trb__arguments *a);
/** eval, also the last stage of run: evaluate, and print the report. Collective over world. */
trb_status trb__evaluate(trb_comm *world, const trb_config *c);
/** plan CONFIG: print the plan for `a->ranks` ranks. Collective over world. */
trb_status trb__make_plan(trb_comm *world, const trb_config *c, const trb__arguments *a);
trb_status trb__take_ranks(const char *value, trb__arguments *a);

/** config CONFIG: print the resolved configuration; config --help: the reference. Local. */
trb_status trb__command_config(const trb__arguments *a);
/** verify CACHE: check every byte of a cache; names each bad shard. Local. */
trb_status trb__command_verify(const trb__arguments *a);
/** info FILE: say what a file of ours is. Local. */
trb_status trb__command_info(const trb__arguments *a);

/** page tribikos.1, tribikos_config.5, bash: print what is made of the tables of commands and options. Local. */
trb_status trb__command_page(const trb__arguments *a);
/** version: print trb_version(). Local. */
trb_status trb__command_version(const trb__arguments *a);
/** Give trb_version() its text, after trb_blas_open(). Local. */
void trb__version_compose(void);

/** A file's content as text. Local. \param[out] text  trb_free() */
trb_status trb__read_text(const char *path, char **text);

/** The plan as two aligned tables on stdout. Local. */
void trb__print_plan(const trb_plan *p);

/** The report as aligned tables on stdout. Local. */
void trb__print_report(const trb_report *r, const trb_config *c);

#endif
