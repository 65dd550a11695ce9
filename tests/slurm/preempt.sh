# Jobs that lose their nodes in the middle of a training: one whose time is nearly over, one that Slurm requeues without
# a warning, one that a more urgent job preempts, one that is cancelled. All but the last come back and go on from a
# checkpoint, and the run has the bits of one that nobody disturbed.
. "$(dirname "$0")/cluster.bash"
cluster_up 2 6
export RANKS=2
long=(--train.epochs=150 --student.phase1_epochs=700 --students='[hydra]' --checkpoint.seconds=0)
trains() { [ -e "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -gt 10 ]; } # FOLDER
restarts() { scontrol show job "$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p'; }
# In place of the program: ranks that were just started, and do not know the signal yet, and ranks that stop slowly.
cat >odd <<'END2'
#!/bin/bash
[ "$1" != config ] || exit 1
[ -z "${SLURM_RESTART_COUNT:-}" ] || exit 0
[ "$1" = cache ] || trap 'sleep 1; squeue -h -j $SLURM_JOB_ID -o %T >kept; exit 75' USR1
touch "$1.started"
sleep 60 & wait
END2
chmod +x odd
odd=()
export TRIBIKOS_HOME=$TRB_SOURCE
for job in "$TRB_SOURCE"/jobs/{cache,eval}.sbatch; do
    odd+=("$(TRIBIKOS=$work/odd sbatch --parsable --output=odd-%j.out --ntasks=1 "$job" small.yaml)")
done
check "odd ranks are started" wait_for test -e cache.started -a -e eval.started
scancel --batch --signal=USR1 "${odd[@]}"

submit "${long[@]}"
train=$(number train) distill=$(number distill)

# Tasks 0 and 1 are first. Task 2, the array's last one, has the array's own number.
check "a member is trained" wait_for trains run/members/m000
scontrol requeue "${train}_0"
check "requeued: it waits" wait_for is "${train}_0" PENDING
check "the last member is trained" wait_for trains run/members/m002
scancel --batch --signal=USR1 "${train}_2"
check "USR1: it waits" wait_for is "${train}_2" PENDING

# Under srun the ranks stop with a checkpoint when they get TERM, too: the job must not queue itself again.
cancelled=$(LAUNCHER="srun --mpi=pmix" sbatch --parsable --output=cancelled.out --nodes=1 --ntasks=2 \
    "$TRB_SOURCE/jobs/train.sbatch" small.yaml --run.dir="$work/cancelled" "${long[@]}")
check "a job that will be cancelled trains" wait_for trains cancelled/members/m000
scancel "$cancelled"

# Under mpirun, on both nodes, the ranks have the time of their step, too: here two and a half seconds.
cat >slow <<END2
#!$python
import os, signal, sys, time
if sys.argv[1] == "config": sys.exit(1)
def stop(*signal_and_frame):
    time.sleep(2.5)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open("slow.kept." + os.uname().nodename, "w")
    time.sleep(0.5) # mpirun ends the others when one has left
    os._exit(75)
signal.signal(signal.SIGTERM, stop)
open("slow.started." + os.uname().nodename, "w")
while True:
    time.sleep(60)
END2
chmod +x slow
slow=$(TRIBIKOS=$work/slow sbatch --parsable --output=slow.out --nodes=2 --ntasks=2 --ntasks-per-node=1 \
    "$TRB_SOURCE/jobs/train.sbatch" small.yaml)
check "slow ranks are started on two nodes" wait_for test -e slow.started.n1 -a -e slow.started.n2
scancel "$slow"

check "a student is trained" wait_for trains run/student/hydra
urgent=$(sbatch --parsable --partition=urgent --nodes=2 --exclusive --output=/dev/null --wrap true)
check "preempted: the more urgent job has run" wait_for is "$urgent" COMPLETED
check "everything ends" wait_for all_over
for id in "${odd[@]}"; do
    check "job $id was started again, and ended well" test "$(state "$id") $(restarts "$id")" = "COMPLETED 1"
done
check "slow ranks were waited for" grep -qx RUNNING kept
for id in "${train}_0" "${train}_2" "$distill"; do
    check "job $id was started again, once" grep -q "^job .* started again (SLURM_RESTART_COUNT=1)" run/jobs/*-"$id".out
    check "job $id went on from a checkpoint" grep -q ": goes on from .*/checkpoint/" run/jobs/*-"$id".out
    check "job $id ended well" is "$id" COMPLETED
done
check "what was said before is still there" grep -q 'stopped by SIGUSR1' "run/jobs/train-${train}_2.out"
check "job ${train}_1 was left alone" test "$(restarts "${train}_1")" = 0
check "the cancelled job stayed where it was" test "$(state "$cancelled") $(restarts "$cancelled")" = "CANCELLED 0"
check "the cancelled ranks of mpirun had the time of their step" test -e slow.kept.n1 -a -e slow.kept.n2
check "their job stayed where it was" test "$(state "$slow") $(restarts "$slow")" = "CANCELLED 0"

mpi 2 run "$work/small.yaml" --run.dir="$work/calm" "${long[@]}" || cat err
digest calm >expected
digest run >got
check "the bits of a run that nobody disturbed" cmp -s expected got
finish_jobs
