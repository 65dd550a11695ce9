/* A call of MPI that nobody can poll: after a while rank 0 says that it waits, and in the end the process ends; a call
 * that returns in time has neither. And which processes are launchers, that may be killed behind a job. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mpi/check.h"

#include "../../src/comm/internal.h"

/* A process that makes a call of so many seconds. \param[out] said  what it said   \return its exit status */
static int call_for(unsigned s, double timeout_s, char said[2048])
{
    FILE *screen = tmpfile();
    int status = -1;
    CHECK(screen != NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(fileno(screen), STDERR_FILENO);
        trb__guard("MPI_Long", 0.05, timeout_s);
        for (unsigned i = 0; i < 10 * s; i++) (void)usleep(100000);
        trb__unguard();
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    rewind(screen);
    said[fread(said, 1, 2047, screen)] = '\0';
    CHECK(fclose(screen) == 0);
    return WEXITSTATUS(status);
}

static void calls_have_limits(trb_comm *w)
{
    char said[2048];
    const bool speaks = trb_comm_rank(w) == 0;
    CHECK(call_for(60, 0.5, said) == trb_status_exit(TRB_ECOMM));
    CHECK((strstr(said, "warning: MPI_Long has not returned for ") != NULL) == speaks);
    CHECK(strstr(said, ": MPI_Long has not returned for ") != NULL && strstr(said, " s (comm.timeout)") != NULL);
    CHECK(call_for(1, 0.0, said) == 0);
    CHECK((strstr(said, "warning: MPI_Long has not returned for ") != NULL) == speaks);
    CHECK(call_for(0, 60.0, said) == 0);
    CHECK(said[0] == '\0');
}

static void launchers_are_known(trb_comm *w)
{
    /* As /proc/PID/comm has them: with a newline, and at most 15 characters of the name. */
    static const char *const all[] = {"mpirun\n",          "mpiexec\n",       "orterun\n",         "orted\n",
                                      "mpirun.openmpi\n",  "prterun\n",       "prted\n",           "prte\n",
                                      "mpiexec.openmpi\n", "mpiexec.hydra\n", "hydra_pmi_proxy\n", "hydra_bstrap_pr\n"};
    static const char *const others[] = {"bash\n", "srun\n", "slurmstepd\n", "tribikos\n", "python3\n", ""};
    (void)w;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) CHECK(trb__is_launcher(all[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) CHECK(!trb__is_launcher(others[i]));
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {calls_have_limits, launchers_are_known};
    return run_tests(argc, argv, 2, tests);
}
