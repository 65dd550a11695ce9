/* The program: it sorts the command line, starts MPI where the command needs it, runs the command, and turns its status
 * into one line and an exit status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/processor.h"
#include "tribikos/stop.h"
#include "tribikos/text.h"

static void usage(FILE *to)
{
    (void)fputs("usage: mpirun -n RANKS tribikos COMMAND CONFIG [--key=value ...]\n\n", to);
    for (size_t i = 0; i < TRB__COMMANDS; i++)
        (void)fprintf(to, "  %-8s %-13s %s\n", trb__commands[i].name, trb__commands[i].operands, trb__commands[i].help);
    (void)fputs("\nRANKS is the number of MPI processes, CONFIG a YAML file. Any key of it is a flag as well, as\n"
                "--train.epochs=3; a flag wins over the file. A command can be repeated: it keeps what is finished.\n"
                "--quiet prints only warnings, errors and results; --verbose also what each rank does, and times.\n"
                "Exit status: 0 done; 1 failed; 2 wrong usage or configuration; 3 a file is not what it says;\n"
                "75 stopped by a signal or run.time_limit after a checkpoint: the same command goes on.\n",
                to);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static const trb__command *find(const char *name)
{
    const char *names[TRB__COMMANDS];
    for (size_t i = 0; i < TRB__COMMANDS; i++) {
        if (strcmp(trb__commands[i].name, name) == 0) return &trb__commands[i];
        names[i] = trb__commands[i].name;
    }
    const char *meant = trb_text_meant(name, TRB__COMMANDS, names);
    if (meant == NULL)
        (void)trb_fail(TRB_ECONFIG, "unknown command `%s`; `tribikos --help` lists all", name);
    else
        (void)trb_fail(TRB_ECONFIG, "unknown command `%s`; nearest is `%s`; `tribikos --help` lists all", name, meant);
    return NULL;
}

/* The command's own flag that a word "--NAME" or "--NAME=VALUE" is; NULL if it is none. */
static const trb__flag *own_flag(const trb__command *c, const char *word)
{
    const size_t n = strcspn(word + 2, "=");
    for (const trb__flag *f = c->flag; f < c->flag + TRB__FLAGS && f->name != NULL; f++)
        if (strlen(f->name) == n && strncmp(word + 2, f->name, n) == 0) return f;
    return NULL;
}

/* --quiet and --verbose take no value, and belong to no configuration. */
static bool take_level(const char *word)
{
    const bool quiet = strcmp(word, "--quiet") == 0, verbose = strcmp(word, "--verbose") == 0;
    if (quiet || verbose) trb_log_set(quiet ? TRB_LOG_QUIET : TRB_LOG_VERBOSE);
    return quiet || verbose;
}

/* Sort the words after the command into operands and flags; `--key value` becomes `--key=value`. */
static trb_status sort_arguments(int argc, char **argv, trb__arguments *a)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)argc, sizeof *a->operand, &a->operand));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)argc, sizeof *a->flag, &a->flag));
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (take_level(word)) continue;
        if (strncmp(word, "--", 2) != 0) {
            TRB_TRY(trb_strdup(word, &a->operand[a->n_operands++]));
            continue;
        }
        const trb__flag *own = own_flag(a->command, word);
        const bool alone = own != NULL && own->value[0] == '\0';
        const bool takes_next =
            !alone && strchr(word, '=') == NULL && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0;
        const char *value = takes_next ? argv[++i] : NULL;
        const size_t bytes = strlen(word) + (value == NULL ? 0 : strlen(value) + 1) + 1;
        char **flag = &a->flag[a->n_flags];
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, bytes, 1, flag));
        (void)snprintf(*flag, bytes, "%s%s%s", word, value == NULL ? "" : "=", value == NULL ? "" : value);
        const char *given = strchr(*flag, '=');
        if (own == NULL || (given == NULL) != alone) { /* what lacks its value, or has one too many, is no own flag */
            a->n_flags++;
            continue;
        }
        const trb_status st = own->take(given == NULL ? "" : given + 1, a);
        trb_free(*flag);
        TRB_TRY(st);
    }
    return TRB_OK;
}

static void release_arguments(trb__arguments *a)
{
    for (size_t i = 0; i < a->n_operands; i++) trb_free(a->operand[i]);
    for (size_t i = 0; i < a->n_flags; i++) trb_free(a->flag[i]);
    trb_free(a->operand);
    trb_free(a->flag);
    trb_free(a->retrain);
    trb_free(a->report);
    trb_free(a->output);
    trb_free(a->model);
}

/* Bytes of address space that MPI may need to start. */
enum { MPI_ROOM = 64 << 20 };

/* Run a command. \param[out] world  set if MPI was started, also after a failure: the caller then ends it */
static trb_status run(int argc, char **argv, const trb__command *c, trb_comm **world)
{
    trb__arguments a = {.command = c};
    const trb_status fits = trb_processor_check(); /* first, because all else may use its instructions */
    trb_status st = fits;
    if (st == TRB_OK) st = c == NULL ? TRB_ECONFIG : sort_arguments(argc, argv, &a);
    /* mpirun may have given an unknown command to several ranks. MPI is started all the same, so that only rank 0
     * reports it. */
    if (c == NULL || c->local == NULL) {
        if (st == TRB_OK) st = trb_stop_start(_exit);
        if (fits == TRB_OK) trb__watch_by_flags(&a);
        const trb_status room = fits == TRB_OK ? trb_blas_room(MPI_ROOM) : TRB_OK;
        if (room != TRB_OK) {
            release_arguments(&a);
            return room;
        }
        const trb_status started = trb_comm_start(&argc, &argv, world);
        st = started != TRB_OK ? started : trb_agree(*world, st);
    }
    if (st == TRB_OK) st = c->local != NULL ? c->local(&a) : trb__command_together(*world, &a);
    release_arguments(&a);
    return st;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return trb_status_exit(TRB_ECONFIG);
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) argv[1] = "version";
    trb_comm *world = NULL;
    const trb__command *c = find(argv[1]);
    if (c != NULL && !c->own_help && argc == 3 && is_help(argv[2])) {
        (void)printf("tribikos %s %s%s\n  %s\n", c->name, c->operands,
                     c->local != NULL ? "" : " [--key=value ...]      (tribikos config --help: all keys)", c->help);
        for (const trb__flag *f = c->flag; f < c->flag + TRB__FLAGS && f->name != NULL; f++)
            (void)printf("  --%s%s%s  %s\n", f->name, f->value[0] != '\0' ? "=" : "", f->value, f->help);
        return 0;
    }
    trb_status st = run(argc, argv, c, &world);
    /* MPI itself failed on this rank. The others may wait for it inside MPI, so only an abort ends them. */
    if (st == TRB_ECOMM && world != NULL) trb_comm_panic(st);
    const bool written = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (st == TRB_OK && !written && !trb__stdout_unread())
        st = trb_fail(TRB_EIO, "stdout: the output could not be written");
    const bool speaks = world == NULL || trb_comm_rank(world) == 0;
    if (st == TRB_STOPPED && speaks) trb_notice("%s", trb_fail_message());
    if (st != TRB_OK && st != TRB_STOPPED && speaks) trb_error("%s", trb_fail_message());
    trb_comm_stop(world);
    trb_stop_close(); /* after MPI, which may end slowly: a signal then must not end a finished run as if it failed */
    if (st == TRB_OK && trb_mem_bytes(TRB_MEM_KINDS) != 0) {
        (void)fprintf(stderr, "tribikos: error: %zu bytes were not released\n", trb_mem_bytes(TRB_MEM_KINDS));
        st = TRB_EINTERNAL;
    }
    return trb_status_exit(st);
}
