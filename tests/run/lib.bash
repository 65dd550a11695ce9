# What the tests of the whole program share. Source it; then $work is a folder of this test's own, with a small real data
# set in $work/data (the first rows of Fashion-MNIST) and a configuration in $work/small.yaml.
set -uo pipefail
python=/usr/bin/python3
passed=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/tribikos-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

skip() { echo "SKIPPED: $*"; exit 77; }
ok() { passed=$((passed + 1)); echo "ok: $*"; }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; return 1; }
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what"; fi; }
finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ] && [ "$passed" -gt 0 ]; exit; }

# Whether math.precision: bf16 can be had here.
has_bf16() { grep -qw avx512_bf16 /proc/cpuinfo && [ -z "${ONEDNN_MAX_CPU_ISA:-}" ]; }

tribikos() { "$TRB_BUILD/tribikos" "$@"; }
# mpi RANKS COMMAND...: run the program on several ranks, its output in $work/out and $work/err.
mpi() { local n=$1; shift; "${TRB_MPIRUN:-mpirun}" -n "$n" "$TRB_BUILD/tribikos" "$@" >"$work/out" 2>"$work/err" </dev/null; }

fashion=/usr/share/datasets/fashion-mnist
[ -r $fashion/train-images-idx3-ubyte.gz ] || skip "the package dataset-fashion-mnist is not installed"
[ -x $python ] || skip "python3 is not installed"
mkdir "$work/data"
mkdir -m 1777 "$work/mpi"
# mpirun removes the folder that all jobs of a user share, /tmp/ompi.HOST.USER, while another test's mpirun makes it.
export OMPI_MCA_orte_tmpdir_base=$work/mpi PRTE_MCA_prte_tmpdir_base=$work/mpi
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 1500 500
cat >"$work/small.yaml" <<END
run: {dir: $work/run, seed: 3}
data:
  root: $work/data
  train: [train-images-idx3-ubyte, train-labels-idx1-ubyte]
  test: [t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte]
  validation: 100
members: {count: 3, overrides: {1: {layers: [dense 24, tanh, dense 10]}}}
train: {layers: [dense 32, relu, dropout 0.1, dense 32, relu, dense 10], epochs: 2, batch: 60, lanes: 4}
cache: {shard_rows: 512, block: 128}
students: [hydra, kd]
student: {layers: [dense 32, relu, split, dense 32, relu, dense 10], phase1_epochs: 2, epochs: 2, batch: 60, lanes: 4}
END

# table FILE ROWS SEED [COLUMN...]: four inputs, then what awk makes of the row's class k, which is 0, 1 or 2.
table() {
    awk -v n="$2" -v s="$3" 'function draw() { s = s * 16807 % 2147483647; return s / 2147483647 }
        BEGIN { draw(); draw(); for (i = 0; i < n; i++) { k = int(3 * draw())
        for (j = 0; j < 4; j++) printf "%.4f,", 0.7 * k + draw() + draw()
        print '"${4:-k}"' } }' >"$1"
}
# table_run TRAIN TEST: in this folder, train.csv and test.csv of so many rows, and base.yaml, a run in r that takes a second.
table_run() {
    table train.csv "$1" 1
    table test.csv "$2" 2
    cat >base.yaml <<END
run: {dir: r}
data: {format: table, root: ., train: [train.csv], test: [test.csv]}
members: {count: 2}
train: {layers: [dense 8, relu, dense 3], epochs: 2, batch: 32}
students: [hydra, kd]
student: {split: 2, phase1_epochs: 1, epochs: 1, batch: 32}
END
}

# refused WHAT STATUS WORDS COMMAND...: two ranks leave with this status and say why in one line, which has these words.
refused() {
    local what=$1 status=$2 words=$3
    shift 3
    mpi 2 "$@"
    check "$what: exit $status" test $? = "$status"
    check "$what: one line that says why" \
        test "$(grep -c 'error: ' "$work/err")" = 1 -a "$(grep -cF -e "$words" "$work/err")" = 1 || cat "$work/err"
}

# Digest of everything of a run that must not depend on who computed it: files by content, the report without its times.
digest() {
    (cd "$1" && find members cache student -name '*.h5' 2>/dev/null | sort | xargs -r sha256sum
     find report -name predictions.h5 2>/dev/null | sort | xargs -r sha256sum
     find report -name report.json 2>/dev/null | sort | xargs -r sed -E 's/"ms_per_sample": [^,]*, //' | sha256sum)
}
# same WHAT RUN: it has the digest that is in $work/expected.
same() { digest "$2" >"$work/got"; check "$1" cmp -s "$work/expected" "$work/got"; }
# on_ranks "2 3" FLAGS...: the whole run on one rank, $work/run with its digest in $work/expected, then on others, $work/other.
on_ranks() {
    mpi 1 run "$conf" --run.dir="$work/run" "${@:2}" || { cat "$work/err"; bad "run on one rank"; finish; }
    digest "$work/run" >"$work/expected"
    for n in $1; do
        rm -rf "$work/other"
        mpi $n run "$conf" --run.dir="$work/other" "${@:2}" || cat "$work/err"
        same "the whole run on $n ranks" "$work/other"
    done
}
