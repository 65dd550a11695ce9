# A task of the members' array fails: what depends on it is not run, and jobs/submit goes on with exactly what is left,
# whether the other tasks are over or not.
. "$(dirname "$0")/cluster.bash"
cluster_up 2 4
mpi 2 run "$work/small.yaml" --run.dir="$work/calm" || cat err
digest calm >expected
# Member 1 fails, and member 2 is late.
cat >faulty <<'END2'
#!/bin/bash
[ "$SLURM_ARRAY_TASK_ID" != 2 ] || sleep 2
[ "$SLURM_ARRAY_TASK_ID" != 1 ] || export TRB_FAULT=train.step:20
exec "$TRB_BUILD/tribikos" "$@"
END2
chmod +x faulty
export RANKS=2

TRIBIKOS=$work/faulty submit
train=$(number train) behind="$(number cache) $(number distill) $(number eval)"
check "jobs/submit says what to do" grep -q 'the same command submits what is left' submit
check "a task fails" wait_for is "${train}_1" FAILED
check "what depends on it is cancelled" wait_for all_over
for id in $behind; do
    check "job $id: CANCELLED" is "$id" CANCELLED
done
check "its members are finished but for one" test "$(echo run/members/m00*/weights.h5)" = \
    "run/members/m000/weights.h5 run/members/m002/weights.h5"
check "its reason is in the output" grep -q 'fault injected at train.step' "run/jobs/train-${train}_1.out"
submit
train=$(number train)
check "submitted again: the member that is left" test "$(squeue -h -r -j "$train" -o %K)" = 1
check "submitted again: everything ends" wait_for all_over
check "submitted again: it was trained in job $train" is "$train" COMPLETED
digest run >got
check "submitted again: the bits of a run without Slurm" cmp -s expected got

soon='back\slash'
TRIBIKOS=$work/faulty submit --run.dir="$work/$soon"
train=$(number train) behind="$(number cache) $(number distill) $(number eval)"
check "another task fails" wait_for is "${train}_1" FAILED
check "while one is still there" test -n "$(squeue -h -j "${train}_2")"
submit --run.dir="$work/$soon"
for id in $behind; do
    check "job $id was replaced" is "$id" CANCELLED
done
check "member 1 is submitted anew" test "$(squeue -h -r -j "$(number train)" -o %K)" = 1
check "the next stage waits for it and for member 2" grep -q "^cache .* after $(number train) ${train}_2$" submit
check "everything ends" wait_for all_over
check "member 2 was left alone" is "${train}_2" COMPLETED
digest "$soon" >got
check "the bits of a run without Slurm" cmp -s expected got
check "in a folder named $soon: a stage's output is in one file" grep -q '^ensemble' "$soon/jobs/eval.out"
finish_jobs
