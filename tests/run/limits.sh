# What runs out: address space, time, the range of numbers. One line and an exit status each time, never a wait without end.
source "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
one=(--members.count=1 --members.overrides={} --train.epochs=1 '--students=[hydra]')

# ---- address space: some queues limit it. OpenBLAS asks for its buffers for ever if they are refused.
under() { # KIB COMMAND...: within this limit, and within a minute
    local kib=$1
    shift
    (ulimit -v "$kib"; exec timeout 60 "$TRB_BUILD/tribikos" "$@") >/dev/null 2>"$work/err" </dev/null
}
if grep -q '^TRB_SANITIZE:BOOL=ON' "$TRB_BUILD/CMakeCache.txt"; then
    echo "skipped: a sanitizer takes more address space than any limit"
else
    for threads in 1 2; do
        refused=0 done=0 wrong=
        for kib in {200000..900000..50000}; do
            rm -rf "$work/run"
            under $kib train "$conf" --run.dir="$work/run" "${one[@]}" --math.threads=$threads
            status=$?
            lines=$(grep -c 'error: ' "$work/err")
            case $status in
            0) done=$((done + 1)) ;;
            1) refused=$((refused + 1)); [ "$lines" = 1 ] || wrong+=" $kib: $(head -n 3 "$work/err")" ;;
            *) wrong+=" $kib: exit status $status: $(tail -n 1 "$work/err")" ;;
            esac
        done
        check "$threads threads, from 200 to 900 MB: $refused refusals with one line each, $done runs$wrong" \
            test -z "$wrong" -a $refused -gt 0 -a $done -gt 0
    done
fi

# ---- time: the job began long ago, so that its limit is over before it has read anything
export SLURM_JOB_START_TIME=1000
restarts() { # WHAT MOST COMMAND...: it gets through in the end
    local what=$1 most=$2 n=0 status=75
    shift 2
    while [ $status = 75 ] && [ $n -le "$most" ]; do
        mpi 2 "$@" --run.time_limit=1
        status=$?
        n=$((n + 1))
    done
    check "$what: done after $n starts, each of which gets on" test $status = 0 -a $n -gt 1 || cat "$work/err"
}
rm -rf "$work/run"
restarts "training" 30 train "$conf" --run.dir="$work/run" "${one[@]}" --members.count=2
restarts "caching" 12 cache "$conf" --run.dir="$work/run" "${one[@]}" --members.count=2 --cache.shard_rows=128
unset SLURM_JOB_START_TIME
mpi 1 run "$conf" --run.dir="$work/other" "${one[@]}" --members.count=2 || cat "$work/err"
check "the bits of a run without a limit" diff -r "$work/run/members" "$work/other/members"

# ---- numbers: a gradient of 1e25 has a square that single precision does not hold
$python - "$work/huge.csv" <<'END'
import random, sys
random.seed(1)
with open(sys.argv[1], "w") as f:
    for _ in range(200):
        print(random.choice((-1, 1)) * 1e25, random.random(), random.randrange(3), sep=",", file=f)
END
huge=(--data.format=table --data.root="$work" '--data.train=[huge.csv]' '--data.test=[huge.csv]' --data.normalize=none --data.validation=0
      '--train.layers=[dense 8, relu, dense 3]' --train.batch=40 --train.lanes=4 --train.optimizer=adam)
for seconds in 0 1000; do
    refused "a moment that overflows, checkpoints every $seconds s" 1 "the second moment of parameter" \
        train "$conf" --run.dir="$work/huge" "${one[@]}" "${huge[@]}" --checkpoint.seconds=$seconds
    rm -rf "$work/huge"
done
finish
