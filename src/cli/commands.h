/** The commands of the program. Each returns a status; main() turns it into the exit status and prints the one line. */
#ifndef TRB_CLI_COMMANDS_H
#define TRB_CLI_COMMANDS_H

#include "tribikos/stages.h"

/** What a command is given: its operands, and flags as "--key=value". */
typedef struct {
    const char *command;
    size_t n_operands, n_flags;
    char **operand, **flag;
} trb__arguments;

/** A command as `tribikos --help`, the manual page and completion show it. */
typedef struct {
    const char *name, *operands, *help;
    trb_status (*local)(const trb__arguments *a); /* NULL: a job of all ranks */
} trb__command;

enum { TRB__COMMANDS = 11 };
extern const trb__command trb__commands[TRB__COMMANDS];

/** Limit waiting (trb_comm_watch()) by what the flags say, or else by the defaults: for the time before the
 * configuration is read. Local. */
void trb__watch_by_flags(const trb__arguments *a);

/** run, train, cache, distill, eval, plan: read the configuration together, then walk the stages. Collective over
 * world. */
trb_status trb__command_stages(trb_comm *world, const trb__arguments *a);

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
