# The chain by jobs/submit on two nodes, with either launcher, and the whole pipeline as one job: the bits of the same
# configuration run by mpirun alone. While it is in the queue, jobs/submit changes nothing.
. "$(dirname "$0")/cluster.bash"
cluster_up 2 4
submit
ids="$(number train) $(number cache) $(number distill) $(number eval)"
check "jobs/submit prints four numbers: $ids" test "$(wc -w <<<"$ids")" = 4
submit
# Tasks of the first job may have begun, and even ended, by now.
check "a second call submits nothing" test "$(squeue -h -t all -o %F | sort -u | wc -l)" = 4 -a "$(grep -c '^[cde].* in the queue' submit)" = 3
"$TRB_SOURCE/jobs/submit" "$work/small.yaml" --members=1 >refused 2>err
check "some of the members are not submitted by themselves" test $? = 2 -a ! -s refused -a -s err
odd="it's 50% \"done\""
# Starts of srun over several nodes crash now and then, inside MPI_Init.
LAUNCHER="srun --mpi=pmix --nodes=1" RANKS=3 MEMBERS=together submit --run.dir="$work/$odd"
(cd "$TRB_SOURCE" && RANKS=2 sbatch --output="$work/one.out" jobs/run.sbatch "$work/small.yaml" --run.dir="$work/one") \
    >/dev/null
mpi 2 run "$work/small.yaml" --run.dir="$work/calm" || cat err
digest calm >expected

check "all jobs end" wait_for all_over
for id in $ids; do
    check "job $id: COMPLETED" test "$(state "$id" | sort -u)" = COMPLETED
done
check "distil had a rank a task" grep -q ': 4 ranks sent' run/jobs/distill-*.out
check "cache had the ranks of both nodes" grep -q "Name=cache-[0-9a-f]* .*NodeList=n\[1-2\] .*ProcCnt=8" cluster/log/jobs
digest run >got
check "mpirun, an array: the bits of a run without Slurm" cmp -s expected got
check "mpirun, an array: the table is in eval's output" grep -q '^ensemble' run/jobs/eval-*.out
digest "$odd" >got
check "srun --mpi=pmix, members together: the bits of a run without Slurm" cmp -s expected got
check "in a folder named $odd: there is an output of every job" test "$(find "$odd/jobs" -name '*-[0-9]*.out' | wc -l)" = 4
digest one >got
check "jobs/run.sbatch, one allocation: the bits of a run without Slurm" cmp -s expected got || cat one.out
finish_jobs
