# Two jobs on one run directory: the second is refused and changes nothing; members side by side are not refused; who died is no
# obstacle, at once on this system, after run.lock_seconds elsewhere (a namespace of process numbers is another system); who was
# taken for dead and lives on publishes nothing.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
run=$work/run
quick=(--run.lock_seconds=6) # signs of life come every second
hasty=(--run.lock_seconds=3)
# hold LOG FAULT COMMAND...: begin a job of two ranks in the background that stops itself at the fault; $held is its launcher.
hold() {
    local log=$1 fault=$2
    shift 2
    TRB_FAULT=$fault mpirun -n 2 "$TRB_BUILD/tribikos" "$@" >/dev/null 2>"$work/$log" </dev/null &
    held=$!
    for _ in $(seq 100); do [ -z "$(stopped)" ] || break; sleep 0.1; done
}
ranks() { pgrep -f -- "$TRB_BUILD/tribikos .*--run.dir=$run( |\$)" | while read -r pid; do [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = tribikos ] && echo "$pid"; done; }
stopped() { local pid; for pid in $(ranks); do grep -q '^State:.T' "/proc/$pid/status" 2>/dev/null && echo "$pid"; done; }
files() { (cd "$run" && find . -type f ! -path './.lock/beat.*' -exec sha256sum {} + | sort); }
# quiet: what is there when the rank that was not stopped has come to wait for the other one.
quiet() {
    local now before=
    for _ in $(seq 20); do
        now=$(files)
        [ "$now" != "$before" ] || break
        before=$now
        sleep 0.4
    done
    echo "$now"
}
locks() { find "$run/.lock" -type f 2>/dev/null | wc -l; }
seconds() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

mpi 2 run "$conf" --run.dir="$work/calm" || { cat "$work/err"; bad "run left alone"; finish; }
digest "$work/calm" >"$work/expected"
check "a run leaves no lock" test "$(find "$work/calm/.lock" -type f | wc -l)" = 0

# Rank 1 is stopped in each stage, so that the job is alive and cannot go on; then it goes on.
for fault in train:train.step:20 cache:cache.unit:1 distill:train.step:5 eval:eval.unit:1; do
    stage=${fault%%:*}
    hold first "${fault#*:}:1:stop" $stage "$conf" --run.dir="$run" "${quick[@]}"
    before=$(quiet)
    mpi 2 $stage "$conf" --run.dir="$run" "${quick[@]}"
    check "$stage beside $stage: exit status 2" test $? = 2
    check "$stage beside $stage: one line names lock, holder and remedy" grep -qE \
        "error: $run/\.lock/[a-z.0-9]+ is held by process [0-9]+ on $(hostname), since 20.*alive.*wait until it ends" "$work/err"
    check "$stage beside $stage: no other error" test "$(grep -c 'error' "$work/err")" = 1
    check "$stage beside $stage: nothing is changed" test "$before" = "$(files)"
    kill -CONT $(stopped)
    wait $held
    check "$stage beside $stage: the first ends well" test $? = 0
    check "$stage beside $stage: its locks are gone" test "$(locks)" = 0
done
same "after all four stages: the bytes of a run left alone" "$run"
rm -rf "$run"

# Members of a job array live side by side; a job for a member that another one trains does not.
hold first train.step:20:1:stop train "$conf" --run.dir="$run" --members=0 "${quick[@]}"
mpi 2 train "$conf" --run.dir="$run" --members=1-2 || cat "$work/err"
check "other members are trained meanwhile" test -f "$run/members/m001/weights.h5" -a -f "$run/members/m002/weights.h5"
mpi 2 train "$conf" --run.dir="$run" --members=0-1 "${quick[@]}"
check "the same member is refused" test $? = 2
kill -CONT $(stopped)
wait $held
mpi 2 run "$conf" --run.dir="$run" || cat "$work/err"
same "members side by side: the bytes of a run left alone" "$run"
rm -rf "$run"

# All of a job is killed: the next one goes on at once.
hold first train.step:20:1:stop run "$conf" --run.dir="$run"
kill -9 $held $(ranks)
wait $held 2>/dev/null
check "a killed job leaves its locks" test "$(locks)" = 4
start=$EPOCHREALTIME
mpi 2 run "$conf" --run.dir="$run" || cat "$work/err"
took=$(seconds "$start")
check "a killed job: the rerun does not wait ($took s)" below "$took" 20
check "a killed job: its locks are taken over, with a warning" grep -q 'warning: .*is taken over from process .*ended without releasing' "$work/err"
same "a killed job: the bytes of a run left alone" "$run"
check "a killed job: no lock is left" test "$(locks)" = 0
rm -rf "$run"

# The same on another system, of whose processes nothing is known here: its silence is waited out, once for all its locks.
if unshare --pid --fork --mount-proc --uts true 2>/dev/null; then
    TRB_FAULT=train.step:20:1:stop unshare --pid --fork --mount-proc --uts --kill-child sh -c \
        'hostname node7; exec "$0" "$@"' mpirun -n 2 "$TRB_BUILD/tribikos" train "$conf" --run.dir="$run" "${hasty[@]}" \
        >/dev/null 2>&1 </dev/null &
    held=$!
    for _ in $(seq 100); do [ -z "$(stopped)" ] || break; sleep 0.1; done
    mpi 2 train "$conf" --run.dir="$run" "${hasty[@]}"
    check "a living job elsewhere: exit status 2" test $? = 2
    check "a living job elsewhere: its host is named" grep -q 'error: .*is held by process [0-9]* on node7, since' "$work/err"
    kill -9 $held $(ranks)
    wait $held 2>/dev/null
    start=$EPOCHREALTIME
    mpi 2 train "$conf" --run.dir="$run" "${hasty[@]}" --comm.timeout=1 || cat "$work/err"
    took=$(seconds "$start")
    check "a dead job elsewhere: its silence is waited out once ($took s)" below 3 "$took"
    check "a dead job elsewhere: no lock is left" test "$(locks)" = 0
    check "a dead job elsewhere: one line says what is waited for" test "$(grep -c 'on node7.*watched for signs of life' "$work/err")" = 1
    check "a dead job elsewhere: taken over, with a warning" grep -q 'warning: .*taken over from process .* on node7.*gave no sign' "$work/err"
    mpi 2 run "$conf" --run.dir="$run" || cat "$work/err"
    same "a dead job elsewhere: the bytes of a run left alone" "$run"
    rm -rf "$run"
else
    echo "SKIPPED: a job on another system: no namespaces for process numbers here (not root?)"
fi

# A job is stopped as a whole, taken for dead, and lives on when its members are being trained by another, or have been. Of the
# members of the first each rank trains one, so each has to see it; if both have, none is named.
for moment in during after; do
    [ $moment = during ] && rank=0 || rank=1
    hold first train.step:20:$rank:stop train "$conf" --run.dir="$run" "${hasty[@]}" --members=0-1 --comm.timeout=0
    old="$held $(ranks)"
    kill -STOP $(ranks)
    if [ $moment = during ]; then
        # The second is held up in its training, while the first ends its own.
        TRB_FAULT=train.step:30:1:stop mpirun -n 2 "$TRB_BUILD/tribikos" train "$conf" --run.dir="$run" "${hasty[@]}" \
            --comm.timeout=0 >/dev/null 2>"$work/second" </dev/null &
        second=$!
        for _ in $(seq 100); do [ "$(stopped | wc -l)" != 3 ] || break; sleep 0.1; done
    else
        mpi 2 train "$conf" --run.dir="$run" "${hasty[@]}" || cat "$work/err"
        cp "$work/err" "$work/second"
        before=$(files)
    fi
    check "$moment: a stopped job is taken over, with a warning" grep -q 'warning: .*taken over from process .*gave no sign of life' "$work/second"
    for pid in $old; do kill -CONT "$pid"; done
    wait "${old%% *}"
    check "$moment: it lives on and ends with exit status 1" test $? = 1
    check "$moment: its line says what happened" \
        grep -qE "error: (rank $rank \([^)]*\): )?/.*/members/m00[01]/.* is not written: this job.* lock .* (was taken over by process|is gone)" "$work/first"
    if [ $moment = during ]; then
        kill -CONT $(stopped)
        wait $second
        check "$moment: the second ends well" test $? = 0
    else
        check "$moment: nothing is changed" test "$before" = "$(files)"
    fi
    for m in 0 1 2; do
        check "$moment: member $m has only its own lines of metrics" cmp -s "$work/calm/members/m00$m/metrics.jsonl" "$run/members/m00$m/metrics.jsonl"
    done
    mpi 2 run "$conf" --run.dir="$run" || cat "$work/err"
    same "$moment: the bytes of a run left alone" "$run"
    check "$moment: no lock is left" test "$(locks)" = 0
    rm -rf "$run"
done

# Who is told to stop while it watches a silent lock does not watch it to the end.
mkdir -p "$run/.lock"
printf 'tribikos lock 1\nhost node7\nmachine -\nprocess 1\nstarted 0\nsince -\njob -\nseconds 60\ntoken %032d\n' 7 >"$run/.lock/members.m001"
start=$EPOCHREALTIME
mpi 2 train "$conf" --run.dir="$run" --run.time_limit=1
check "stopped while it waits for a lock: exit status 75" test $? = 75
took=$(seconds "$start")
check "stopped while it waits for a lock: at once ($took s)" below "$took" 20
check "stopped while it waits for a lock: it stays the other's" grep -q node7 "$run/.lock/members.m001"
check "stopped while it waits for a lock: its own are gone" test "$(locks)" = 1
rm -rf "$run"

mkdir -p "$run/.lock" && head -c 100 /dev/zero >"$run/.lock/members.m001"
mpi 1 train "$conf" --run.dir="$run" --run.lock_seconds=0 || cat "$work/err"
check "run.lock_seconds: 0 looks at no lock" test -f "$run/members/m001/weights.h5" -a "$(locks)" = 1
finish
