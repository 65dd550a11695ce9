#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "tribikos/blas.h"
#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/stop.h"

/* The environment of a launcher's remote shell lacks what rank 0's has; the data root must not depend on that. */
static trb_status share_data_root(trb_comm *world)
{
    static const char *const name = "TRIBIKOS_DATA";
    const char *mine = getenv(name);
    char *shared = NULL;
    TRB_TRY(trb_comm_bcast_text(world, mine == NULL ? "" : mine, &shared));
    if (trb_comm_rank(world) != 0) (void)(shared[0] == '\0' ? unsetenv(name) : setenv(name, shared, 1));
    trb_free(shared);
    return TRB_OK;
}

/* Rank 0 reads, all parse the same text, and what they made of it is compared. */
static trb_status read_config(trb_comm *world, const trb__arguments *a, trb_config **c, char **resolved)
{
    char *text = NULL, *shared = NULL;
    trb_status st = TRB_OK;
    if (a->n_operands != 1)
        st = trb_fail(TRB_ECONFIG, "`tribikos %s` takes one configuration file, got %zu operands", a->command,
                      a->n_operands);
    if (st == TRB_OK && trb_comm_rank(world) == 0) st = trb__read_text(a->operand[0], &text);
    TRB_GO(trb_agree(world, st));
    TRB_GO(trb_comm_bcast_text(world, text, &shared));
    TRB_GO(share_data_root(world));
    st = trb_config_parse(a->operand[0], shared, a->n_flags, a->flag, c);
    if (st == TRB_OK) st = trb_config_print(*c, resolved);
    TRB_GO(trb_agree(world, st));
    st = trb_comm_same(world, trb_hash_text(*resolved), "the configuration");
done:
    trb_free(shared);
    trb_free(text);
    return st;
}

/* RUN/config.yaml is what the finished files are of: it is written when a command has succeeded, and names all members,
 * whichever this job was asked for. */
static trb_status publish_config(trb_config *c)
{
    char path[1024], *resolved = NULL;
    (void)snprintf(path, sizeof path, "%s/config.yaml", c->run.dir);
    for (uint64_t m = 0; m < c->members.count; m++) c->members.only[m] = true;
    TRB_TRY(trb_config_print(c, &resolved));
    trb_folder_sweep(c->run.dir);
    const trb_status st = trb_file_publish_text(path, resolved);
    trb_free(resolved);
    return st;
}

static trb_status evaluate(trb_comm *world, const trb_config *c)
{
    trb_report report;
    TRB_TRY(trb_stage_eval(world, c, &report));
    if (trb_comm_rank(world) == 0) trb__print_report(&report, c);
    trb_report_clear(&report);
    return TRB_OK;
}

static trb_status plan(trb_comm *world, const trb_config *c, size_t ranks)
{
    trb_plan p;
    TRB_TRY(trb_stage_plan(world, c, ranks, &p));
    if (trb_comm_rank(world) == 0) trb__print_plan(&p);
    trb_plan_clear(&p);
    return TRB_OK;
}

/* --ranks is no key of a configuration. \param[in,out] a  loses the flag   \param[out] ranks  0 if there is none */
static trb_status take_ranks(trb__arguments *a, size_t *ranks)
{
    enum { MOST = 1000000 };
    static const char name[] = "--ranks=";
    size_t kept = 0;
    *ranks = 0;
    for (size_t i = 0; i < a->n_flags; i++) {
        if (strncmp(a->flag[i], name, sizeof name - 1) != 0) {
            a->flag[kept++] = a->flag[i];
            continue;
        }
        const char *digits = a->flag[i] + sizeof name - 1;
        const size_t n = strlen(digits);
        *ranks = strtoul(digits, NULL, 10);
        if (n == 0 || n > 7 || strspn(digits, "0123456789") != n || *ranks < 1 || *ranks > MOST)
            return trb_fail(TRB_ECONFIG, "command line: `--ranks`: expected a whole number from 1 to %d, got `%s`",
                            MOST, digits);
    }
    a->n_flags = kept;
    return TRB_OK;
}

static trb_status mind_signals(const trb_config *c)
{
    int *number = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, c->run.n_signals, sizeof *number, &number));
    for (size_t i = 0; i < c->run.n_signals; i++) number[i] = trb_stop_signal(c->run.signals[i]);
    trb_stop_open(c->run.n_signals, number, c->run.time_limit, (unsigned)c->run.grace);
    trb_free(number);
    return TRB_OK;
}

/* Whether the text is right is seen when the configuration is read. */
static double seconds_of(const trb__arguments *a, const char *key)
{
    const size_t n = strlen(key);
    const char *text = "0";
    for (size_t i = 0; i < trb__n_options; i++)
        if (strcmp(trb__options[i].key, key) == 0) text = trb__options[i].value;
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

/* Ranks of different builds would train together without a word, and give other weights. */
static trb_status compare_programs(trb_comm *world)
{
    uint64_t digest = 0;
    if (trb_comm_size(world) == 1) return TRB_OK;
    TRB_TRY(trb_agree(world, trb_hash_file("/proc/self/exe", &digest)));
    return trb_comm_same(world, digest, "the program");
}

static bool is_because(int error)
{
    return strstr(trb_fail_message(), strerror(error)) != NULL;
}

trb_status trb__command_stages(trb_comm *world, const trb__arguments *a)
{
    trb_config *c = NULL;
    char *resolved = NULL;
    trb__arguments own = *a;
    own.flag = NULL;
    const bool plans = strcmp(a->command, "plan") == 0;
    size_t ranks = 0;
    trb_log_open(trb_comm_rank(world) == 0, 10.0);
    trb_status st = TRB_OK;
    TRB_GO(compare_programs(world));
    st = trb_alloc(TRB_MEM_OTHER, a->n_flags, sizeof *own.flag, &own.flag);
    if (st == TRB_OK && a->n_flags > 0) memcpy(own.flag, a->flag, a->n_flags * sizeof *own.flag);
    if (st == TRB_OK && plans) st = take_ranks(&own, &ranks);
    TRB_GO(trb_agree(world, st));
    TRB_GO(read_config(world, &own, &c, &resolved));
    trb_log_open(trb_comm_rank(world) == 0, c->run.progress);
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
    if (plans) {
        st = plan(world, c, ranks);
        goto done;
    }
    st = trb_comm_rank(world) == 0 ? trb_mkdirs(c->run.dir) : TRB_OK;
    /* Here the mistake is the key's, but for a disk that is full or broken. */
    if (st == TRB_EIO && !is_because(ENOSPC) && !is_because(EDQUOT) && !is_because(EIO)) st = TRB_ECONFIG;
    TRB_GO(trb_agree(world, st));

    const bool all = strcmp(a->command, "run") == 0;
    if (all) TRB_GO(trb_stage_check(world, c));
    if (all || strcmp(a->command, "train") == 0) TRB_GO(trb_stage_train(world, c));
    if (all || strcmp(a->command, "cache") == 0) TRB_GO(trb_stage_cache(world, c));
    if (all || strcmp(a->command, "distill") == 0) TRB_GO(trb_stage_distill(world, c));
    if (all || strcmp(a->command, "eval") == 0) TRB_GO(evaluate(world, c));
    TRB_GO(trb_agree(world, trb_comm_rank(world) == 0 ? publish_config(c) : TRB_OK));
done:
    trb_blas_close();
    trb_free(resolved);
    trb_free(own.flag);
    trb_config_destroy(c);
    return st;
}
