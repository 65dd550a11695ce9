# Weights, a checkpoint and a cache written by the program of one Debian are read by that of the other, both ways. Called by
# run.sh: TRB_BUILD is the build of this machine, TRB_OTHER_BUILD that of the tree TRB_TREE.
. "$(dirname "$0")/../run/lib.bash"
export OMP_NUM_THREADS=1
conf=$work/small.yaml
sed -i 's/^members: .*/members: {count: 3, overrides: {1: {layers: [lenet5 10]}}}/' "$conf"

# own, other ARGUMENTS...: the one program and the other, on two ranks.
own() { mpirun --oversubscribe -n 2 "$TRB_BUILD/tribikos" "$@" >"$work/out" 2>"$work/err" </dev/null; }
other() {
    chroot "$TRB_TREE" mpirun --oversubscribe -n 2 "$TRB_OTHER_BUILD/tribikos" "$@" >"$work/out" 2>"$work/err" </dev/null
}
# The same networks by other kernels: as many right, within two of 500 samples, and the same losses but for rounding.
near() {
    $python - "$@" <<'END'
import json, sys
a, b = (json.load(open(f"{run}/report/report.json"))["models"] for run in sys.argv[1:])
apart = [name for name in a if abs(a[name]["nll"] - b[name]["nll"]) > 1e-3 * a[name]["nll"]
         or abs(a[name]["accuracy"] - b[name]["accuracy"]) > 0.004]
sys.exit(f"{apart} differ: {a} {b}" if apart or a.keys() != b.keys() or len(a) < 5 else 0)
END
}

reads() { # READER WRITER
    local reader=$1 writer=$2 run=$work/$1-reads
    $writer run "$conf" --run.dir="$run" || cat "$work/err"
    cp -r "$run" "$run.again"
    rm -r "$run.again/report"
    for file in members/m000/weights.h5 members/m001/weights.h5 student/hydra/weights.h5; do
        $reader info "$run/$file"
        check "$reader: info $file" test $? = 0
    done
    $reader verify "$run/cache"
    check "$reader: verify" test $? = 0 || cat "$work/err"
    $reader eval "$conf" --run.dir="$run.again"
    check "$reader: eval" test $? = 0 || cat "$work/err"
    check "$reader: the figures of $writer" near "$run" "$run.again"
    rm -r "$run.again/student"
    $reader distill "$conf" --run.dir="$run.again"
    check "$reader: distill" test $? = 0 || cat "$work/err"

    TRB_FAULT=train.step:20:0:usr1 $writer train "$conf" --run.dir="$run.stopped"
    check "$writer: stops" test $? = 75
    check "$writer: leaves a checkpoint" compgen -G "$run.stopped/members/m*/checkpoint/0.h5"
    $reader train "$conf" --run.dir="$run.stopped"
    check "$reader: goes on" test $? = 0 || cat "$work/err"
    check "$reader: from the checkpoint" grep -q 'member [0-9]: goes on from ' "$work/err"
    check "$reader: says that other kernels have begun" grep -q 'oneDNN [23].*oneDNN [23]' "$work/err" || cat "$work/err"
}
reads own other
reads other own
finish
