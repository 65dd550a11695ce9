# Signals: no handler runs on a thread that computes; a reader of stderr that goes away ends nothing; and jobs that are stopped at
# random moments, again and again, end with 75 each time and in the bits of a job that was left alone.
#     tests/run/signals.sh [STOPS]      how many stops each of the five jobs takes at least (default 8)
source "$(dirname "$0")/lib.bash"
stops=${1:-8}
conf=$work/small.yaml

# ---- who catches what
# of PID: the signals that a handler of this process could take on one of its threads, as numbers; those that a fault of the thread
# itself raises are left out (Open MPI reports a crash by them: 4 ILL, 6 ABRT, 7 BUS, 8 FPE, 11 SEGV), and so is 33, glibc's own for
# setuid(), which nobody calls.
unblocked() {
    $python - "$1" <<'END'
import glob, sys
own = sum(1 << s - 1 for s in (4, 6, 7, 8, 11, 33))
seen = set()
for path in glob.glob(f"/proc/{sys.argv[1]}/task/*/status"):
    f = dict(line.split(":", 1) for line in open(path) if line.startswith("Sig"))
    open_to = int(f["SigCgt"], 16) & ~int(f["SigBlk"], 16) & ~own
    seen |= {s for s in range(1, 65) if open_to >> s - 1 & 1}
    assert "SigBlk" in f and "SigIgn" in f
    print("pipe ignored" if int(f["SigIgn"], 16) >> 12 & 1 else "pipe not ignored", file=sys.stderr)
print(*sorted(seen))
END
}
ranks() { pgrep -f -- "^$TRB_BUILD/tribikos .*--run.dir=$1( |\$)"; }
stopped() { for pid in $(ranks "$1"); do ps -o stat=,pid= -p "$pid"; done | awk '$1 ~ /^T/ {print $2}'; }
TRB_FAULT=train.step:5:*:stop mpi 2 train "$conf" --run.dir="$work/look" --train.epochs=3 &
job=$!
until [ "$(stopped "$work/look" | wc -l)" = 2 ] || ! kill -0 $job 2>/dev/null; do sleep 0.1; done
check "two ranks are at work" test "$(stopped "$work/look" | wc -l)" = 2
for pid in $(stopped "$work/look"); do
    check "no handler can run on a thread of a rank: $(unblocked "$pid" 2>"$work/pipe")" test -z "$(unblocked "$pid" 2>/dev/null)"
    check "SIGPIPE is ignored" test "$(sort -u "$work/pipe")" = "pipe ignored"
    kill -CONT "$pid"
done
wait $job
check "and the ranks go on" test $? = 0

# ---- nobody reads stderr any more
{ tribikos train "$conf" --run.dir="$work/deaf" --run.progress=0.01 2>&3; echo $? >"$work/status"; } 3> >(head -n 1 >"$work/line")
check "the reader of stderr goes away: exit status 0" test "$(cat "$work/status")" = 0
check "the reader of stderr goes away: all members are there" test "$(ls "$work"/deaf/members/*/weights.h5 | wc -l)" = 3

# ---- stopped at random moments
mkdir "$work/mnist"
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/mnist" 6000 1000
short=('--data.train=[mnist/train-images-idx3-ubyte, mnist/train-labels-idx1-ubyte]' --members.count=2 '--students=[hydra]'
       '--data.test=[mnist/t10k-images-idx3-ubyte, mnist/t10k-labels-idx1-ubyte]' --data.root="$work" --train.epochs=8
       --student.phase1_epochs=8 --student.epochs=8 --checkpoint.seconds=1)
is_minding() { # PID: it has blocked the signals, and so is beyond the very beginning
    local blocked
    blocked=$(awk '/^SigBlk/ {print $2}' "/proc/$1/status" 2>/dev/null) && [ -n "$blocked" ] && [ $((0x$blocked >> 9 & 1)) = 1 ]
}
all_mind() { local n=0 pid; for pid in $(ranks "$1"); do is_minding "$pid" || return 1; n=$((n + 1)); done; [ $n = "$2" ]; }
total=0
# walk WHAT RANKS FLAGS...: until it is done, and for $stops stops at least; a run that is done is begun again.
walk() {
    local what=$1 n=$2 done=0 wrong=0 whole=0
    shift 2
    digest "$work/alone" >"$work/expected"
    rm -rf "$work/hurt"
    while [ $wrong = 0 ] && { [ $done -lt "$stops" ] || [ $whole = 0 ]; }; do
        [ $whole = 0 ] || rm -rf "$work/hurt"
        whole=0
        mpi "$n" run "$TRB_SOURCE/configs/mnist.yaml" "${short[@]}" --run.dir="$work/hurt" "$@" &
        local job=$! status signal=USR1
        [ $((RANDOM % 2)) = 0 ] || signal=TERM
        until all_mind "$work/hurt" "$n" || ! kill -0 $job 2>/dev/null; do sleep 0.02; done
        sleep "0.$((RANDOM % 900 + 100))"
        [ $done -ge "$stops" ] || kill -$signal $(ranks "$work/hurt") 2>/dev/null
        wait $job
        status=$?
        case $status in
        75) done=$((done + 1)) ;;
        0) whole=1; same "$what: done after $done stops" "$work/hurt" || wrong=1 ;;
        *) wrong=1; bad "$what: SIG$signal, exit status $status"; cat "$work/err" ;;
        esac
    done
    total=$((total + done))
    check "$what: $done stops" test $done -ge "$stops"
}
alone() { rm -rf "$work/alone"; mpi 1 run "$TRB_SOURCE/configs/mnist.yaml" "${short[@]}" --run.dir="$work/alone" "$@" || cat "$work/err"; }
for threads in 1 2; do
    alone --math.threads=$threads
    walk "1 rank, $threads BLAS threads" 1 --math.threads=$threads
    walk "2 ranks, $threads BLAS threads" 2 --math.threads=$threads
done
wide=('--train.layers=[dense 512, relu, dense 512, relu, dense 10]' '--student.layers=[dense 512, relu, split, dense 100, relu, dense 10]')
alone "${wide[@]}"
walk "a wide network" 2 "${wide[@]}"
echo "tally: stops at random moments: $total"
finish
