/* What launchers and batch systems say about a job in the environment, and how a hanging launcher is ended. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/log.h"

/* The first of these variables that is set, or NULL. */
static const char *first_set(const char *const *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (getenv(name[i]) != NULL) return name[i];
    return NULL;
}

/* The launcher's variables are asked before the batch system's: in an allocation of many tasks `mpirun -n 1` starts
 * one. */
long trb__announced_size(const char **variable)
{
    static const char *const name[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"};
    *variable = first_set(name, sizeof name / sizeof *name);
    return *variable == NULL ? 1 : strtol(getenv(*variable), NULL, 10);
}

long trb__announced_rank(void)
{
    static const char *const name[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    const char *variable = first_set(name, sizeof name / sizeof *name);
    return variable == NULL ? 0 : strtol(getenv(variable), NULL, 10);
}

long trb__announced_on_node(void)
{
    static const char *const name[] = {"SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE"}; /* e.g. "8", or "8(x3),4" */
    const char *variable = first_set(name, sizeof name / sizeof *name);
    return variable == NULL ? 0 : strtol(getenv(variable), NULL, 10);
}

bool trb__is_launcher(const char *command)
{
    /* For example mpirun.openmpi, orted, prterun, hydra_bstrap_proxy. The system keeps 15 characters of a name. */
    static const char *const begin[] = {"mpirun", "mpiexec", "orte", "prte", "hydra_"};
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (strncmp(command, begin[i], strlen(begin[i])) == 0) return true;
    return false;
}

void trb__see_to_the_end(void)
{
    enum { GRACE_S = 10 };
    const pid_t launcher = getppid();
    char path[40], command[32] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)launcher);
    if (fork() != 0) return;
    (void)setsid();
    (void)close_range(0, ~0U, 0); /* closes the job's output, so that its reader does not wait for this process */
    (void)sleep(GRACE_S);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, command, sizeof command - 1) < 0) _exit(0);
    if (trb__is_launcher(command)) (void)kill(launcher, SIGKILL);
    _exit(0);
}

bool trb_comm_leads(void)
{
    const long rank = trb__announced_rank();
    if (rank != 0)
        trb_warn("process %ld of this job does nothing: process 0 does the work of a command that needs no MPI; start "
                 "such commands without a launcher",
                 rank);
    return rank == 0;
}

bool trb_comm_crowded(void)
{
    static const char *const name[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"};
    const char *variable = first_set(name, sizeof name / sizeof *name);
    return variable != NULL && strtol(getenv(variable), NULL, 10) > sysconf(_SC_NPROCESSORS_ONLN);
}

size_t trb_comm_node_ranks(size_t ranks, size_t threads)
{
    const long said = trb__announced_on_node(), processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t room = said > 0 ? (size_t)said : processors > 0 ? (size_t)processors / threads : 1;
    return room < 1 ? 1 : room < ranks ? room : ranks;
}
