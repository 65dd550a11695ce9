/* Commands of all ranks: they read the configuration together, compare what could differ between ranks, and run the
 * stages. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "tribikos/blas.h"
#include "tribikos/clock.h"
#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/stop.h"
#include "tribikos/text.h"

/* Give all ranks rank 0's value of a variable. A launcher's remote shell may not pass it on, and then paths would
 * differ between ranks. */
static trb_status share_variable(trb_comm *world, const char *name)
{
    const char *mine = getenv(name);
    char *shared = NULL;
    TRB_TRY(trb_comm_bcast_text(world, mine == NULL ? "" : mine, &shared));
    if (trb_comm_rank(world) != 0) (void)(shared[0] == '\0' ? unsetenv(name) : setenv(name, shared, 1));
    trb_free(shared);
    return TRB_OK;
}

/* Share what paths may contain: the default of data.root, the variables that rank 0 finds in the file and the flags,
 * and the home folder if there is a ~. */
static trb_status share_variables(trb_comm *world, const char *text, const trb__arguments *a)
{
    trb_text names = {0};
    char *mine = NULL, *all = NULL, *rest = NULL;
    trb_status st = TRB_OK;
    bool home = strchr(text, '~') != NULL;
    trb_text_add(&names, "TRIBIKOS_DATA\n");
    st = trb_config_variables(text, &names);
    for (size_t i = 0; i < a->n_flags && st == TRB_OK; i++) {
        home = home || strchr(a->flag[i], '~') != NULL;
        st = trb_config_variables(a->flag[i], &names);
    }
    if (home) trb_text_add(&names, "HOME\n");
    const trb_status taken = trb_text_take(&names, &mine);
    TRB_GO(trb_agree(world, st == TRB_OK ? taken : st));
    TRB_GO(trb_comm_bcast_text(world, mine, &all));
    for (char *name = strtok_r(all, "\n", &rest); name != NULL; name = strtok_r(NULL, "\n", &rest))
        TRB_GO(share_variable(world, name));
done:
    trb_free(mine);
    trb_free(all);
    return st;
}

/* The first relative name in a list; NULL if there is none. */
static const char *relative_in(size_t n, char *const *name)
{
    for (size_t i = 0; i < n; i++)
        if (name[i][0] != '/') return name[i];
    return NULL;
}

/* A path that is relative to the current folder; NULL if there is none. Names of data are relative to their root. */
static const char *relative_path(const trb_config *c)
{
    const char *resume = c->run.resume, *name = relative_in(c->data.n_train, c->data.train);
    const bool checkpoint = strcmp(resume, "auto") != 0 && strcmp(resume, "never") != 0;
    if (c->run.dir[0] != '/') return c->run.dir;
    if (checkpoint && resume[0] != '/') return resume;
    if (name == NULL) name = relative_in(c->data.n_test, c->data.test);
    if (name == NULL) name = relative_in(c->data.n_train_rows, c->data.train_rows);
    if (name == NULL) name = relative_in(c->data.n_test_rows, c->data.test_rows);
    if (name != NULL && c->data.root[0] != '/') return name;
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        const trb_ood_opts *set = &c->eval.ood[i];
        name = relative_in(set->n_files, set->files);
        if (name != NULL && set->root[0] != '/') return name;
    }
    return NULL;
}

/* Take all ranks to rank 0's folder, since relative paths would name other files on ranks that started elsewhere. A
 * rank that cannot go there may stay if no path is relative. */
static trb_status meet(trb_comm *world, const trb_config *c)
{
    char mine[PATH_MAX] = "";
    char *folder = NULL;
    const char *path = relative_path(c);
    trb_status st = TRB_OK;
    if (trb_comm_size(world) == 1) return TRB_OK;
    if (getcwd(mine, sizeof mine) == NULL) mine[0] = '\0';
    TRB_TRY(trb_comm_bcast_text(world, mine, &folder));
    if (folder[0] != '\0' && strcmp(folder, mine) != 0 && chdir(folder) != 0 && path != NULL)
        st = trb_fail(
            TRB_ECONFIG,
            "rank %d started in %s and cannot go to rank 0's folder %s: %s; `%s` is relative to it, so give an "
            "absolute path",
            trb_comm_rank(world), mine[0] != '\0' ? mine : "a folder without a name", folder, strerror(errno), path);
    trb_free(folder);
    return trb_agree(world, st);
}

/* Rank 0 reads the file, and all ranks parse the same text. They compare the result, because ranks can be started with
 * different flags. */
static trb_status read_config(trb_comm *world, const trb__arguments *a, trb_config **c, char **resolved)
{
    char *text = NULL, *shared = NULL;
    trb_status st = TRB_OK;
    if (a->command->of_run && a->n_operands < 2)
        st =
            trb_fail(TRB_ECONFIG, "`tribikos %s` takes a run or a weights file, and files of samples, got %zu operands",
                     a->command->name, a->n_operands);
    if (!a->command->of_run && a->n_operands != 1)
        st = trb_fail(TRB_ECONFIG, "`tribikos %s` takes one configuration file, got %zu operands", a->command->name,
                      a->n_operands);
    if (st == TRB_OK && trb_comm_rank(world) == 0)
        st = a->command->of_run ? trb__source_config(a, &text)
                                : trb_file_read_text(a->operand[0], TRB__CONFIG_BYTES, &text);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_comm_bcast_text(world, text, &shared));
    TRB_GO(share_variables(world, shared, a));
    st = trb_config_parse(a->operand[0], shared, a->n_flags, a->flag, c);
    if (st == TRB_OK) st = trb_config_print(*c, resolved);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_comm_same(world, trb_hash_text(*resolved), "the configuration"));
    st = meet(world, *c);
done:
    trb_free(shared);
    trb_free(text);
    return st;
}

trb_status trb__evaluate(trb_comm *world, const trb_config *c)
{
    trb_report report;
    TRB_TRY(trb_stage_eval(world, c, &report));
    if (trb_comm_rank(world) == 0) trb__print_report(&report, c);
    trb_report_clear(&report);
    return TRB_OK;
}

trb_status trb__make_plan(trb_comm *world, const trb_config *c, const trb__arguments *a)
{
    trb_plan p;
    TRB_TRY(trb_stage_plan(world, c, a->ranks, &p));
    if (trb_comm_rank(world) == 0) trb__print_plan(&p);
    trb_plan_clear(&p);
    return TRB_OK;
}

trb_status trb__take_ranks(const char *value, trb__arguments *a)
{
    enum { MOST = 1000000 };
    const size_t n = strlen(value);
    a->ranks = strtoul(value, NULL, 10);
    if (n > 0 && n <= 7 && strspn(value, "0123456789") == n && a->ranks >= 1 && a->ranks <= MOST) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "command line: `--ranks`: expected a whole number from 1 to %d, got `%s`", MOST,
                    value);
}

static trb_status take_text(const char *value, char **text)
{
    trb_free(*text);
    *text = NULL;
    return trb_strdup(value, text);
}

trb_status trb__take_retrain(const char *value, trb__arguments *a)
{
    return take_text(value, &a->retrain);
}

trb_status trb__take_report(const char *value, trb__arguments *a)
{
    return take_text(value, &a->report);
}

/* Mark the students that the command line names for another training. Ranks can be started with different flags. */
static trb_status retrain(trb_comm *world, const trb__arguments *a, trb_config *c)
{
    const char *names = a->retrain == NULL ? "" : a->retrain;
    TRB_TRY(trb_comm_same(world, trb_hash_text(names), "the flag --retrain"));
    return a->retrain == NULL ? TRB_OK : trb_agree(world, trb_config_retrain(c, names));
}

/* From here on the signals of `run.signals` stop the run with a checkpoint (stop.h). */
static trb_status mind_signals(const trb_config *c)
{
    int *number = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->run.n_signals, sizeof *number, &number));
    for (size_t i = 0; i < c->run.n_signals; i++) number[i] = trb_stop_signal(c->run.signals[i]);
    trb_stop_open(c->run.n_signals, number, c->run.time_limit, (unsigned)c->run.grace);
    trb_free(number);
    return TRB_OK;
}

/* The value of a key in the flags, or else its default. A wrong text is refused later, when the configuration is read.
 * */
static double seconds_of(const trb__arguments *a, const char *key)
{
    const size_t n = strlen(key);
    trb_config_key option;
    for (size_t i = 0; trb_config_reference(i, &option) && strcmp(option.name, key) != 0;) i++;
    const char *text = option.value;
    for (size_t i = 0; i < a->n_flags; i++)
        if (strncmp(a->flag[i] + 2, key, n) == 0 && a->flag[i][2 + n] == '=') text = a->flag[i] + 2 + n + 1;
    double seconds = 0.0;
    (void)trb_number_read(text, strlen(text), &seconds);
    return seconds;
}

void trb__watch_by_flags(const trb__arguments *a)
{
    trb_comm_watch(seconds_of(a, "comm.stall_seconds"), seconds_of(a, "comm.timeout"));
}

/* Refuse ranks of different builds: they would train together without a message, and give other weights. */
static trb_status compare_programs(trb_comm *world)
{
    uint64_t digest = 0;
    if (trb_comm_size(world) == 1) return TRB_OK;
    TRB_TRY(trb_agree(world, trb_hash_file("/proc/self/exe", &digest)));
    return trb_comm_same(world, digest, "the program");
}

enum { SAID_S = 2 }; /* seconds; shorter commands are not timed, as shorter work shows no progress */

/* The name of a stage in the line of times; NULL for those that only look or tidy up. */
static const char *name_of(trb_status (*stage)(trb_comm *world, const trb_config *c))
{
    static const struct {
        trb_status (*stage)(trb_comm *world, const trb_config *c);
        const char *name;
    } names[] = {{trb_stage_check, "check"},
                 {trb_stage_train, "train"},
                 {trb_stage_cache, "cache"},
                 {trb_stage_distill, "distill"},
                 {trb__evaluate, "eval"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].stage == stage) return names[i].name;
    return NULL;
}

/* Whether the recorded failure has the text of this errno. */
static bool is_because(int error)
{
    return strstr(trb_fail_message(), strerror(error)) != NULL;
}

/* Run the stages of a command, and say how long each took if it is worth a line. The times are in no file of the run:
 * its files are the same whenever and wherever they are made. */
static trb_status run_stages(trb_comm *world, const trb_config *c, const trb__command *command)
{
    char line[256];
    trb_text times = trb_text_in(line, sizeof line);
    const double begun = trb_now_s();
    for (size_t i = 0; i < TRB__STAGES && command->stage[i] != NULL; i++) {
        const double start = trb_now_s();
        TRB_TRY(command->stage[i](world, c));
        const char *name = name_of(command->stage[i]);
        if (name != NULL) trb_text_add(&times, "%s%s %.1f s", times.n > 0 ? ", " : "", name, trb_now_s() - start);
    }
    const double all = trb_now_s() - begun;
    if (all >= SAID_S || trb_log_verbose()) trb_info("took %.1f s: %s", all, line);
    return TRB_OK;
}

trb_status trb__command_together(trb_comm *world, const trb__arguments *a)
{
    trb_config *c = NULL;
    char *resolved = NULL;
    trb_log_rank(trb_comm_rank(world));
    trb_log_open(trb_comm_rank(world) == 0, 10.0); /* until the configuration is read, which has run.progress */
    trb_status st = TRB_OK;
    if (a->command->look == NULL || a->command->of_run) TRB_GO(trb_comm_expect_launched(world));
    TRB_GO(compare_programs(world));
    TRB_GO(read_config(world, a, &c, &resolved));
    TRB_GO(retrain(world, a, c));
    trb_log_open(trb_comm_rank(world) == 0, c->run.progress);
    if (a->command->of_run) c->run.time_limit = 0.0; /* of the run; a command that starts anew each time has none */
    TRB_GO(trb_agree(world, mind_signals(c)));
    trb_comm_watch(c->comm.stall_seconds, c->comm.timeout);
    st = trb_blas_open(c->math.threads);
    if (st == TRB_OK) st = trb_precision_set(c->math.precision);
    TRB_GO(trb_agree(world, st));
    trb__version_compose();
    st = trb_comm_same(world, trb_hash_text(trb_blas_name()), "the BLAS kernels");
    if (st != TRB_OK && st != TRB_ECONFIG) goto done;
    if (st != TRB_OK) {
        trb_fail_clear();
        trb_warn(
            "the nodes' processors differ, and so do their BLAS kernels: results depend on which node computes what");
    }
    if (a->command->look != NULL) {
        st = a->command->look(world, c, a);
        goto done;
    }
    if (a->storage) {
        st = trb__show_storage(world, c);
        goto done;
    }
    st = trb_comm_rank(world) == 0 ? trb_mkdirs(c->run.dir) : TRB_OK;
    /* If the folder cannot be made, `run.dir` is wrong, unless the disk is full or broken. */
    if (st == TRB_EIO && !is_because(ENOSPC) && !is_because(EDQUOT) && !is_because(EIO)) st = TRB_ECONFIG;
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb__name_report(world, c));
    TRB_GO(run_stages(world, c, a->command));
    TRB_GO(trb_agree(world, trb_comm_rank(world) == 0 ? trb__publish_config(c) : TRB_OK));
done:
    trb_blas_close();
    trb_free(resolved);
    trb_config_destroy(c);
    return st;
}
