# A rank is killed in each stage: the job ends within seconds, says who died, leaves nothing half-written under a final name, and
# the next run gives the same bytes as a run left alone. A rank that fails is named with its cause.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
mpi 2 run "$conf" --run.dir="$work/calm" || { cat "$work/err"; bad "run left alone"; finish; }
digest "$work/calm" >"$work/expected"

for fault in train.step:20 cache.unit:3 file.write:12 file.rename:1 file.rename:2 eval.unit:1; do
    start=$(date +%s)
    TRB_FAULT=$fault:1:kill mpi 2 run "$conf" --run.dir="$work/hurt"
    status=$?
    took=$(($(date +%s) - start))
    check "$fault: killed job ends non-zero ($status) within 20 s ($took s)" test $status -ne 0 -a $took -lt 20
    check "$fault: the message names rank and signal" grep -q "process rank 1 .*signal 9" "$work/err"
    mpi 2 run "$conf" --run.dir="$work/hurt" || cat "$work/err"
    same "$fault: the rerun has the same bytes" "$work/hurt"
    check "$fault: no temporary file is left" test -z "$(find "$work/hurt" -name '*.tmp.*')"
    rm -rf "$work/hurt"
done

# The students' steps are the same loop as the members'; this passage lies in distillation.
mpi 2 train "$conf" --run.dir="$work/hurt" && mpi 2 cache "$conf" --run.dir="$work/hurt" || cat "$work/err"
TRB_FAULT=train.step:60:0:kill mpi 2 distill "$conf" --run.dir="$work/hurt"
check "distill: killed job ends non-zero" test $? -ne 0
check "distill: the message names rank and signal" grep -q "process rank 0 .*signal 9" "$work/err"
mpi 3 run "$conf" --run.dir="$work/hurt" || cat "$work/err"
same "distill: the rerun on 3 ranks has the same bytes" "$work/hurt"
rm -rf "$work/hurt"

# A rank that fails by itself: every rank leaves together, and the line says who and why.
for fault in train.step:20 cache.unit:3 file.write:12 file.rename:2 eval.unit:1 alloc:40; do
    rm -rf "$work/hurt"
    TRB_FAULT=$fault:1 mpi 2 run "$conf" --run.dir="$work/hurt"
    check "$fault fails on rank 1: exit status 1" test $? = 1
    check "$fault fails on rank 1: named with its cause" grep -q "error: rank 1 (.*fault injected at ${fault%:*}" "$work/err"
    check "$fault fails on rank 1: one line" test "$(grep -c 'tribikos: error' "$work/err")" = 1
    mpi 2 run "$conf" --run.dir="$work/hurt" || cat "$work/err"
    same "$fault fails on rank 1: the rerun has the same bytes" "$work/hurt"
done

# A cache that is streamed, since two ranks cannot keep it together: a thread reads ahead of the steps.
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 20000 500
large=(--run.dir="$work/large" --train.epochs=1 --train.batch=500 --student.batch=500 --cache.memory=1)
mpi 2 train "$conf" "${large[@]}" && mpi 2 cache "$conf" "${large[@]}" || cat "$work/err"
for nth in 1 3 7 21; do
    TRB_FAULT=train.step:$nth:0 mpi 1 distill "$conf" "${large[@]}"
    check "a step fails beside a reading thread: exit status 1" test $? = 1
    check "a step fails beside a reading thread: the reason" grep -q 'error: fault injected at train.step' "$work/err"
done
for nth in 1 100 300; do
    TRB_FAULT=cache.chunk:$nth:1 mpi 2 distill "$conf" "${large[@]}"
    check "chunk $nth cannot be read: exit status 1" test $? = 1
    check "chunk $nth cannot be read: the reason" grep -q 'error: rank 1 .*fault injected at cache.chunk' "$work/err"
done
TRB_FAULT=thread.start:1:1 mpi 2 distill "$conf" "${large[@]}"
check "no reading thread can be started: exit status 1" test $? = 1
check "no reading thread can be started: the reason" grep -q 'error: rank 1 .*fault injected at thread.start' "$work/err"
TRB_FAULT=thread.start:1:1 mpi 2 train "$conf" --run.dir="$work/thread" --train.augment='[crop 2]'
check "no preparing thread can be started: exit status 1" test $? = 1
check "no preparing thread can be started: the reason" grep -q 'error: rank 1 .*fault injected at thread.start' "$work/err"
# Rank 0's thread is in the midst of its second window when rank 1 fails; what it reads from then on must still be there. The first
# window has at most every block of every member, and the third is not begun before the steps of the first are done.
# Memory that is released is overwritten here, so that a stale sample number would be a wild one.
second=$((3 * ((20000 + 127) / 128) + 8))
one() { echo "-n 1 -x TRB_FAULT=$1 $TRB_BUILD/tribikos distill $conf ${large[*]}"; }
# shellcheck disable=SC2046
MALLOC_PERTURB_=165 mpirun $(one cache.chunk:$second:0:sleep) : $(one train.step:5:1) >/dev/null 2>"$work/err" </dev/null
check "a step fails beside a thread that is reading: exit status 1" test $? = 1
check "a step fails beside a thread that is reading: it is" grep -q "asleep for a second at cache.chunk, passage $second" "$work/err"
check "a step fails beside a thread that is reading: the reason" grep -q 'error: rank 1 .*fault injected at train.step' "$work/err"
finish
