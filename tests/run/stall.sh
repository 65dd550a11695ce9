# A rank that is stuck is named, with host and what it was at, also while nobody waits for it; if it stays silent the job ends
# within comm.timeout, and the rerun has the same bytes; if it comes back the job goes on.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
host=$(hostname)
watch=(--comm.stall_seconds=1 --comm.timeout=4)
mpi 2 run "$conf" --run.dir="$work/calm" "${watch[@]}" || { cat "$work/err"; bad "run left alone"; finish; }
digest "$work/calm" >"$work/expected"
check "nobody is named where nobody is slow" test "$(grep -c 'waiting for rank' "$work/err")" = 0

# The queue's rank 0 waits at the end of the members for all, in a student's step for its neighbours.
for fault in train.step:20:1 train.step:70:2 cache.unit:2:1 eval.unit:1:2; do
    rank=${fault##*:}
    start=$EPOCHREALTIME
    TRB_FAULT=$fault:stop mpi 3 run "$conf" --run.dir="$work/hurt" "${watch[@]}"
    status=$?
    took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    check "$fault stops: exit status 1" test $status = 1
    check "$fault stops: the job ends, after $took s" awk -v t="$took" 'BEGIN { exit !(t < 30) }'
    check "$fault stops: it is named first" grep -qE "waiting for rank $rank \($host\), [0-9]+ s behind: .*last heard of" "$work/err"
    check "$fault stops: nobody else is" test "$(grep 'waiting for rank' "$work/err" | grep -vc "for rank $rank ")" = 0
    check "$fault stops: and in the end" grep -qE "rank 0: no sign of life from rank $rank \($host\) for [45] s" "$work/err"
    mpi 3 run "$conf" --run.dir="$work/hurt" || cat "$work/err"
    same "$fault stops: the rerun has the same bytes" "$work/hurt"
    rm -rf "$work/hurt"
done

# Shards that are there are checked with signs of life, or a large cache would outlast comm.timeout. (A short stall: often a sign.)
TRB_FAULT=file.open:4:2:stop mpi 3 cache "$conf" --run.dir="$work/calm" --comm.stall_seconds=0.001 --comm.timeout=4
check "a check of shards stops: exit status 1" test $? = 1
check "a check of shards stops: at which" grep -qE "waiting for rank 2 \($host\), .* s behind: checking shards, step [012]," "$work/err" ||
    cat "$work/err"

TRB_FAULT=train.step:70:0:stop mpi 3 run "$conf" --run.dir="$work/hurt" "${watch[@]}"
check "rank 0 stops: exit status 1" test $? = 1
check "rank 0 stops: the others say so" grep -qE "no sign of life from rank 0 for [45] s" "$work/err"
rm -rf "$work/hurt"

# The flags hold before the configuration is read: from the first time that all ranks agree, on the program, to the last.
for nth in 1 4 8; do
    TRB_FAULT=agree:$nth:1:stop mpi 3 run "$conf" --run.dir="$work/hurt" --comm.stall_seconds=0.5 --comm.timeout=2
    check "agreement $nth stops: exit status 1" test $? = 1
    check "agreement $nth stops: who" grep -qE "no sign of life from rank 1 \($host\) for [23] s .*at .starting.," "$work/err"
done

# Every rank trains a member of its own, and one of them stops: nobody waits for it.
long=(--run.dir="$work/long" --train.epochs=1000000 --comm.stall_seconds=1)
until_said() { # PATTERN: wait until the running job says so
    for _ in $(seq 600); do grep -qE "$1" "$work/err" 2>/dev/null && return; sleep 0.1; done
    return 1
}
TRB_FAULT=train.step:20:1:stop mpi 3 train "$conf" "${long[@]}" &
job=$!
check "a member's training stops: it is named while the others train" \
    until_said "nothing has been heard of rank 1 \($host\) for [0-9]+ s; it was last at: member [0-2], step [0-9]+" || cat "$work/err"
pkill -KILL -f -- "--run.dir=$work/long"
wait $job 2>/dev/null
rm -rf "$work/long"

# Two members, the second of which two ranks train: one of them waits for the other, which rank 0 has no need of.
TRB_FAULT=train.step:20:2:stop mpi 3 train "$conf" "${long[@]}" --members.count=2 --comm.timeout=4 &
job=$!
check "half of a group stops: rank 1, which waits for rank 2, hears so from rank 0" \
    until_said "rank 1: no sign of life from rank 2 for [4-6] s .*at .member [01]., step" || cat "$work/err"
wait $job
check "half of a group stops: exit status 1" test $? = 1

# A job that is suspended as a whole, as Slurm does, is not dead afterwards, whichever rank goes on first.
rm -rf "$work/hurt"
TRB_FAULT=train.step:70:1:stop mpi 3 run "$conf" --run.dir="$work/hurt" --comm.stall_seconds=0.5 --comm.timeout=4 &
job=$!
until_said 'waiting for rank 1'
pkill -STOP -f -- "--run.dir=$work/hurt"
sleep 4
for process in $(pgrep -f -- "--run.dir=$work/hurt"); do
    grep -qzE '^(OMPI_COMM_WORLD|PMI)_RANK=0$' "/proc/$process/environ" && kill -CONT "$process"
done
sleep 0.5
pkill -CONT -f -- "--run.dir=$work/hurt"
wait $job
check "suspended for longer than comm.timeout: the run ends well" test $? = 0 || cat "$work/err"
rm -rf "$work/hurt"

TRB_FAULT=train.step:70:1:stop mpi 3 run "$conf" --run.dir="$work/hurt" "${watch[@]}" &
job=$!
for _ in $(seq 200); do grep -q 'waiting for rank 1' "$work/err" 2>/dev/null && break; sleep 0.1; done
pkill -CONT -f -- "--run.dir=$work/hurt"
wait $job
check "a rank that comes back in time: the run ends well" test $? = 0
same "a rank that comes back in time: same bytes" "$work/hurt"
finish
