# The job scripts and tools/quickstart source this file. `launch COMMAND CONFIG [--key=value ...]` runs a command of the
# program on the ranks of the allocation, or without Slurm on this machine. It returns when the command has succeeded. A
# signal that Slurm sends to the script is passed on to the ranks. A job that stopped with a checkpoint (exit status 75)
# is queued again, and goes on from the checkpoint.
#
# From the environment, which sbatch hands on to the jobs, or from the site's settings (jobs/site.example):
#   LAUNCHER       "mpirun" (default) or "srun --mpi=pmix"
#   RANKS          number of ranks; by default the tasks of the allocation, without Slurm 1
#   TRIBIKOS, TRIBIKOS_SITE: see jobs/setup.bash
#   TRIBIKOS_HOME  the folder that has jobs/; by default the one in which sbatch was called, since Slurm runs a copy of
#                  the script
. "$(dirname "${BASH_SOURCE[0]}")/setup.bash" || return
set -u
ranks=${RANKS:-${SLURM_NTASKS:-1}}
job=${SLURM_JOB_ID:-}
# The last task of an array has the job number of the whole array. With it, scontrol would queue all tasks again.
id=${SLURM_ARRAY_JOB_ID:-$job}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}
began=$(date +%s) words=()
asked='' interrupted='' child=''
# run.time_limit counts from the start of the job. Slurm sets this variable since 23.02.
export SLURM_JOB_START_TIME=${SLURM_JOB_START_TIME:-$(date +%s)}
[ -z "${SLURM_RESTART_COUNT:-}" ] || echo "job ${job} started again (SLURM_RESTART_COUNT=$SLURM_RESTART_COUNT)"

# On TERM, Open MPI's mpirun and its daemons on other nodes kill the ranks a second later. That is too soon for the
# checkpoint of a long step, so env starts mpirun and daemons with TERM blocked. Ranks start with no signal blocked: Slurm
# sends TERM to them itself; without Slurm `heed` makes mpirun pass USR1 on to them.
block=()
if env --block-signal=TERM true 2>/dev/null; then # needs coreutils 8.31
    block=(env --block-signal=TERM)
    if [ -n "$job" ]; then # Open MPI 4, and 5
        export OMPI_MCA_orte_launch_agent=${OMPI_MCA_orte_launch_agent:-${block[*]} orted}
        export PRTE_MCA_prte_launch_agent=${PRTE_MCA_prte_launch_agent:-${block[*]} prted}
    fi
fi

# USR1 announces the time limit or a preemption. TERM ends the job: Slurm sends it to the ranks as well, and has already
# decided whether the job runs again. So after TERM the job must not queue itself: the user may have cancelled it.
heed() { # SIGNAL
    interrupted=yes
    [ "$asked" = TERM ] || asked=$1
    if [ -n "$child" ] && { [ "$1" = USR1 ] || [ -z "$job" ]; }; then kill -s USR1 "$child" || true; fi
}
trap 'heed USR1' USR1
trap 'heed TERM' TERM INT

# Succeeds if the last starts left no new file in the run, `most` of them in a row. A job whose time is shorter than its
# start would queue itself again for ever.
in_vain() {
    local most=5 run record
    run=$(run_dir "${words[@]:1}") || return 1
    record=$run/jobs/in-vain-$id
    if [ -n "$(find "$run" -name '*.h5' -newermt "@$began" -print -quit)" ]; then
        rm -f "$record"
        return 1
    fi
    mkdir -p "$run/jobs"
    date >>"$record"
    [ "$(wc -l <"$record")" -ge $most ] || return 1
    echo "job $id was started $most times in a row and stopped before it had a new checkpoint or file; give it more time" \
        "(--time), or checkpoints more often (checkpoint.steps); the same command goes on" >&2
    rm -f "$record"
}

leave() { # STATUS
    local status=$1
    # Ranks that were still starting did not handle the signal yet, so it ended them.
    if [ -n "$asked" ] && [ "$status" -gt 128 ]; then status=75; fi
    if [ "$status" = 75 ] && [ -z "$job" ]; then
        echo "stopped; the same command goes on from the last checkpoint" >&2
    elif [ "$status" = 75 ] && [ "$asked" != TERM ]; then
        if in_vain; then exit 1; fi
        scontrol requeue "$id" ||
            echo "job $id was stopped and could not be queued again; submitted anew, it goes on from there" >&2
    fi
    exit "$status"
}

launch() { # COMMAND CONFIG [--key=value ...]
    local status
    words=("$@")
    [ -z "$asked" ] || leave 75
    "${block[@]}" ${LAUNCHER:-mpirun} -n "$ranks" "$tribikos" "$@" &
    child=$!
    [ -z "$asked" ] || kill -s USR1 "$child"
    # A signal interrupts `wait`, so wait again. It returns the status of an ended child as often as it is called.
    while
        interrupted=''
        wait "$child"
        status=$?
        [ -n "$interrupted" ]
    do :; done
    child=''
    [ "$status" = 0 ] || leave "$status"
}
