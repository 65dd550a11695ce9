/** `tribikos compare`: what its files share. compare_runs.c reads the runs, refuses what cannot be compared, and puts
 * runs that differ in their seed alone into one group, and students of a run that differ in their seed alone into one
 * row. compare_table.c computes and prints the figures. All functions
 * are local. */
#ifndef TRB_CLI_COMPARE_H
#define TRB_CLI_COMPARE_H

#include <sys/types.h>

#include "commands.h"
#include "tribikos/tree.h"

/** One run, as its files describe it. */
typedef struct {
    const char *dir; /* as the user gave it; borrowed */
    dev_t device;
    ino_t inode;
    trb_config *c;
    trb_tree *config; /* the same, with all defaults of this version */
    trb_tree *report;
    /* [students of c] the row in which a student stands: its own name, or that of all students that differ from it in
     * their seed alone, as a grid makes them */
    char (*row)[TRB__ROW_BYTES];
    size_t group;
} trb__run;

typedef struct {
    size_t n, groups;
    trb__run *run;      /* [n] */
    size_t n_different; /* keys that are not the same in all groups */
    char **different;   /* [n_different] */
} trb__runs;

/** Read the runs, put them into groups, and refuse what cannot be compared.
 * \param[in] report  the name of the reports; NULL: those of the runs' own samples
 * \param[in,out] r   empty at first; trb__runs_close(), after a failure too */
trb_status trb__runs_open(size_t n, char *const *dir, const char *report, trb__runs *r);
void trb__runs_close(trb__runs *r);
/** The first run of a group. */
const trb__run *trb__run_of(const trb__runs *r, size_t group);
/** The value of a key as it is compared: a seed that is the run's own is "run.seed".
 * \param[out] text  trb_free() */
trb_status trb__run_value(const trb__run *run, const char *key, char **text);

/** Print the table in this format. */
trb_status trb__compare_print(const trb__runs *r, trb__table_format format);

#endif
