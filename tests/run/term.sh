# TERM reaches the ranks of tools/quickstart and of the job scripts as USR1, and they have the time that their step takes;
# mpirun by itself kills them, whatever they are at. In place of the program: ranks whose steps take $step seconds.
. "$(dirname "$0")/lib.bash"
tree=$work/tree
mkdir -p "$tree"/{tools,build,configs}
cp -r "$TRB_SOURCE/jobs" "$tree"
cp "$TRB_SOURCE/tools/quickstart" "$tree/tools"
printf '#!/bin/bash\n' | tee "$tree/tools/install" >"$tree/tools/build"
cat >"$tree/build/tribikos" <<END
#!$python
import os, signal, time
folder = os.path.dirname(__file__)
def note(what):
    with open(folder + "/" + what, "a") as f:
        f.write("rank\n")
def stop(*signal_and_frame):
    note("asked")
    time.sleep(float(os.environ["step"]))
    for number in signal.SIGUSR1, signal.SIGTERM:
        signal.signal(number, signal.SIG_IGN)
    note("kept")
    while len(open(folder + "/kept").readlines()) < 2:  # mpirun ends the others when one has left
        time.sleep(0.01)
    os._exit(75)
for number in signal.SIGUSR1, signal.SIGTERM:
    signal.signal(number, stop)
note("started")
while True:
    time.sleep(60)
END
chmod +x "$tree"/tools/* "$tree/build/tribikos"
export RANKS=2
unset SLURM_JOB_ID
noted() { [ "$(cat "$tree/build/$1" 2>/dev/null | wc -l)" = "$2" ]; } # WHAT TIMES
gone() { ! pgrep -f -- "$tree/build/tribikos|build/tribikos run configs/quickstart.yaml --run.dir=$work/" >/dev/null; }
begin() { # COMMAND...: $pid leads a process group of its own
    rm -f "$tree"/build/{started,asked,kept}
    env --default-signal=INT setsid "$@" >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    until noted started 2 || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
}
export step=2.5
for script in tools/quickstart jobs/train.sbatch; do
    begin bash "$tree/$script" --run.dir="$work/run"
    kill $pid
    wait $pid
    check "TERM to $script: exit status 75" test $? = 75
    check "TERM to $script: the ranks' step has its time" noted kept 2
    check "TERM to $script: asked once" noted asked 2
    check "TERM to $script: what to do is said" grep -q 'the same command goes on' "$work/err"
done
begin bash "$tree/jobs/train.sbatch" --run.dir="$work/run"
kill -- -$pid # as `timeout` does
wait $pid
check "TERM to all that the script started on its own: exit status 75" test $? = 75
check "TERM to all that the script started on its own: the ranks' step has its time" noted kept 2

export step=60
begin bash "$tree/tools/quickstart" --run.dir="$work/run"
kill -INT -- -$pid
wait $pid
check "Ctrl-C on tools/quickstart ends it" test $? -gt 0
check "Ctrl-C on tools/quickstart: nothing is left" gone
begin mpirun -n 2 "$tree/build/tribikos"
kill $pid
wait $pid
check "TERM to mpirun by itself: it kills the ranks, and the exit status is not 75" test $? != 75
check "TERM to mpirun by itself: the ranks' step had no time" noted kept 0
export step=0
begin mpirun -n 2 "$tree/build/tribikos"
kill -USR1 $pid
wait $pid
check "USR1 to mpirun by itself: exit status 75" test $? = 75
check "USR1 to mpirun by itself reaches the ranks" noted kept 2

# Ranks that share a core are to yield; the quickstart tells Open MPI so, unless the user has.
mkdir "$work/stub"
printf '#!/bin/sh\necho "yields: $OMPI_MCA_mpi_yield_when_idle"\n' >"$work/stub/mpirun"
chmod +x "$work/stub/mpirun"
yields() { # RANKS [SETTING...]: on one core
    (unset OMPI_MCA_mpi_yield_when_idle; RANKS=$1 PATH=$work/stub:$PATH env "${@:2}" taskset -c 0 bash "$tree/tools/quickstart")
}
check "fewer cores than ranks: a rank that waits yields" grep -qx 'yields: 1' <(yields 2)
check "as many cores: it does not" grep -qx 'yields: ' <(yields 1)
check "what the user says wins" grep -qx 'yields: 0' <(yields 2 OMPI_MCA_mpi_yield_when_idle=0)
finish
