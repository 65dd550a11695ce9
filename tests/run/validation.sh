# Held-out samples: each epoch's figures are right, and the same on every number of ranks; early stopping and the best weights are the
# same after a stop or a kill, and on other ranks. A quiet run prints results only, a verbose one what each rank does.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
lines() { (cd "$1" && cat members/*/metrics.jsonl student/*/metrics.jsonl); }
alike() { # WHAT RUN: the files and lines of $work/run
    same "$1" "$2"
    check "$1: the same lines" test "$(lines "$2")" = "$(lines "$work/run")"
}

# ---- the figures, against those of the report in blocks of a lane's rows, and against NumPy
figures=(--data.validation=90 --eval.split=validation --eval.batch=15)
mpi 1 run "$conf" --run.dir="$work/plain" "${figures[@]}" || { cat "$work/err"; bad "a run"; finish; }
check "figures of the last epoch" $python - "$work/plain" <<'PYTHON'
import h5py, json, numpy as np, sys
run = sys.argv[1]
last = lambda of: json.loads(open(f"{run}/{of}/metrics.jsonl").read().splitlines()[-1])
report = json.load(open(f"{run}/report/report.json"))["models"]
for name, of in ("m000", "members/m000"), ("m001", "members/m001"), ("hydra", "student/hydra"), ("kd", "student/kd"):
    for key in "nll", "accuracy":
        print(name, key, last(of)["validation_" + key], report[name][key])
        assert last(of)["validation_" + key] == report[name][key], "the report differs"
assert last("members/m000")["validation_loss"] == last("members/m000")["validation_nll"]
# The loss of kd: T^2 KL of the members' mean softmax at T = 4 to the student's, over the held-out samples.
with h5py.File(f"{run}/report/predictions.h5") as f:
    p, sample = f["kd"][...].astype(float).reshape(90, 10), f["sample_id"][...]
with h5py.File(f"{run}/cache/manifest.h5") as f:
    members = f["logits"][0][:, sample].astype(float)
softmax = lambda z: np.exp(z - z.max(-1, keepdims=True)) / np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)
t, s = softmax(members / 4).mean(0), softmax(np.log(p) / 4)
loss = 16 * (t * np.log(t / s)).sum(1).mean()
print("kd loss", loss, last("student/kd")["validation_loss"])
assert abs(loss - last("student/kd")["validation_loss"]) < 1e-5  # predictions and logits are float32
PYTHON
check "without held-out samples no line has figures of them" \
    sh -c 'mpirun -n 1 "$0" train "$1" --run.dir="$2" --data.validation=0 2>/dev/null && ! grep -q validation "$2"/members/*/metrics.jsonl' \
    "$TRB_BUILD/tribikos" "$conf" "$work/none"

# ---- regression: NLL and RMSE in the target's unit, the loss in that of the training
$python - "$work" <<'PYTHON'
import h5py, numpy as np, sys
rng = np.random.default_rng(1)
x = rng.uniform(-2, 2, (700, 3)).astype(np.float32)
with h5py.File(f"{sys.argv[1]}/table.h5", "w") as f:
    f["x"], f["y"] = x, 50 + 20 * np.sin(x[:, 0]) + rng.normal(0, 2, 700)
PYTHON
cat >"$work/table.yaml" <<END
run: {dir: $work/table}
data: {task: regression, format: hdf5, root: $work, train: [table.h5], validation: 100}
members: {count: 2}
train: {layers: [dense 20, tanh, dense 2], epochs: 4, batch: 100, lanes: 4, lr: 1e-2}
students: [kd]
student: {layers: [dense 20, tanh, dense 2], phase1_epochs: 2, epochs: 2, batch: 100, lanes: 4, lr: 1e-2}
eval: {split: validation, batch: 25}
END
for stage in train cache distill eval; do mpi 2 $stage "$work/table.yaml" || cat "$work/err"; done
check "regression: figures of the last epoch" $python - "$work/table" <<'PYTHON'
import h5py, json, math, sys
run = sys.argv[1]
report = json.load(open(f"{run}/report/report.json"))["models"]
last = lambda of: json.loads(open(f"{run}/{of}/metrics.jsonl").read().splitlines()[-1])
for key in "nll", "rmse":
    print("kd", key, last("student/kd")["validation_" + key], report["kd"][key])
    assert last("student/kd")["validation_" + key] == report["kd"][key], "the report differs"
    mean = sum(last(f"members/m00{m}")["validation_" + key] for m in (0, 1)) / 2
    assert abs(mean - report["member_mean"][key]) < 1e-12, "the members' report differs"
with h5py.File(f"{run}/members/m000/weights.h5") as f:
    line = last("members/m000")
    assert abs(line["validation_loss"] - line["validation_nll"] + math.log(f["target.scale"][0])) < 1e-6
PYTHON

# ---- early stopping and the best weights
watch=(--train.lr=0.01 --train.epochs=12 --train.schedule=constant --train.early_stopping=2 --train.keep=best --student.lr=0.02
       --student.epochs=4 --student.schedule=constant --student.early_stopping=1 --student.keep=best)
on_ranks "2 3" "${watch[@]}"
check "the same lines on 3 ranks" test "$(lines "$work/other")" = "$(lines "$work/run")"
rm -rf "$work/other"
mpi 3 run "$conf" --run.dir="$work/other" "${watch[@]}" --exchange=server || cat "$work/err"
alike "with a server" "$work/other"
check "a member ends early" test "$(wc -l <"$work/run/members/m000/metrics.jsonl")" -lt 12
check "it is said" grep -q '^member [0-2]: stopped early after epoch [0-9]* of 12; the validation loss is lowest after epoch [0-9]*, 0\.' "$work/err"
check "the weights are those of the best epoch, and the last epoch is two later" $python - "$work/run" "$conf" <<'PYTHON'
import json, os, subprocess, sys
run, conf = sys.argv[1:]
flags = [a for a in """--train.lr=0.01 --train.epochs=12 --train.schedule=constant --train.early_stopping=2 --train.keep=best
--student.lr=0.02 --student.epochs=4 --student.schedule=constant --student.early_stopping=1 --student.keep=best""".split()]
subprocess.run([os.environ["TRB_BUILD"] + "/tribikos", "eval", conf, f"--run.dir={run}", "--eval.split=validation", *flags],
               check=True, capture_output=True)
report = json.load(open(f"{run}/report/validation/report.json"))["models"]
for name in "m000", "m001", "m002", "hydra", "kd":
    folder = f"{run}/members/{name}" if name[0] == "m" else f"{run}/student/{name}"
    lines = [json.loads(line) for line in open(f"{folder}/metrics.jsonl")]
    phase = [line for line in lines if line["phase"] == lines[-1]["phase"]]
    best = min(phase, key=lambda line: line["validation_loss"])
    print(name, best["epoch"], "of", len(phase), best["validation_nll"], report[name]["nll"])
    assert abs(best["validation_nll"] - report[name]["nll"]) < 1e-6, "these are other weights"
    if name[0] == "m" and len(phase) < 12: assert len(phase) == best["epoch"] + 2
assert min(report[name]["nll"] for name in report) < 1
PYTHON

# A row that is too large for float32: if it is held out, no epoch has a validation loss that is a number.
hits=0
for row in 1 2 3 4 5 6 7 8 9 10; do
    $python - "$row" >"$work/large.csv" <<'PYTHON'
import random, sys
random.seed(1)
for i in range(80):
    x = [random.gauss(i % 2, 1) if i != int(sys.argv[1]) else 3e38 for k in range(4)]
    print(*(f"{v:.6g}" for v in x), i % 2, sep=",")
PYTHON
    cat >"$work/large.yaml" <<END
run: {dir: $work/large}
data: {format: table, root: $work, train: [large.csv], test: [large.csv], validation: 40, normalize: none}
members: {count: 1}
students: []
train: {layers: [dense 8, relu, dense 2], epochs: 3, batch: 20, keep: best, early_stopping: 1}
END
    rm -rf "$work/large"
    mpi 1 train "$work/large.yaml"
    grep -q 'the validation loss was no finite number after any of the . epochs' "$work/err" && hits=$((hits + 1))
    [ "$hits" = 0 ] || break
done
check "no epoch with a validation loss that is a number: refused, and said" test "$hits" = 1 -a ! -e "$work/large/members/m000/weights.h5" || cat "$work/err"

# ---- stopped or killed, and gone on with on other ranks
often=(--checkpoint.steps=7 --checkpoint.seconds=0)
rm -rf "$work/run/report"
mpi 1 run "$conf" --run.dir="$work/run" "${watch[@]}" || cat "$work/err"
digest "$work/run" >"$work/expected"
for at in "2 3 train.step:150:1:usr1" "3 1 train.step:60:0:kill" "1 2 validate.step:19:0:kill" "1 3 train.step:600:0:usr1" \
    "1 2 train.step:180:0:usr1"; do
    read -r p q fault <<<"$at"
    rm -rf "$work/hurt"
    TRB_FAULT=$fault mpi "$p" run "$conf" --run.dir="$work/hurt" "${watch[@]}" "${often[@]}"
    check "$fault: it does not end" test $? != 0
    # Only a signal waits for a checkpoint.
    [[ $fault = *kill ]] || check "$fault: a checkpoint is there" test -n "$(find "$work/hurt" -path '*/checkpoint/*.h5')"
    mpi "$q" run "$conf" --run.dir="$work/hurt" "${watch[@]}" || cat "$work/err"
    alike "$fault, $p to $q ranks" "$work/hurt"
done

# ---- heads in lanes: the loss only, the same on a grid; a cache of statistics: the same loss
mkdir "$work/sums"
for shape in "1 1 1" "1 3 1" "3 3 3"; do # ranks, head lanes, columns; the last lane that has held-out samples has only some
    read -r n lanes columns <<<"$shape"
    mkdir "$work/grid.$n.$lanes"
    cp -r "$work/plain/members" "$work/plain/cache" "$work/grid.$n.$lanes"
    mpi $n distill "$conf" --run.dir="$work/grid.$n.$lanes" "${figures[@]}" '--students=[hydra]' --student.head_lanes=$lanes \
        --student.head_groups=$columns --student.batch=100 --student.early_stopping=2 || cat "$work/err"
done
check "heads in lanes: the same lines in one column and in three" \
    cmp "$work/grid.1.3/student/hydra/metrics.jsonl" "$work/grid.3.3/student/hydra/metrics.jsonl"
check "heads in lanes: the loss of all heads" $python - "$work" <<'PYTHON'
import json, sys
a, b = ([json.loads(line) for line in open(f"{sys.argv[1]}/{run}/student/hydra/metrics.jsonl")] for run in ("grid.1.1", "grid.3.3"))
assert len(b) == 4 and "validation_nll" in b[0] and set(b[-1]) == {"phase", "epoch", "steps", "loss", "lr", "validation_loss"}
for x, y in zip(a, b):
    print(x["validation_loss"], y["validation_loss"])
    assert abs(x["validation_loss"] - y["validation_loss"]) < 1e-4  # dropout has other streams; this network has none
PYTHON
cp -r "$work/plain/members" "$work/sums"
for holds in logits statistics; do
    mpi 2 run "$conf" --run.dir="$work/sums" "${figures[@]}" '--students=[kd]' --student.temperature=1 --cache.holds=$holds || cat "$work/err"
    mv "$work/sums/student/kd/metrics.jsonl" "$work/sums/$holds"
    rm -rf "$work/sums/cache" "$work/sums/student"
done
check "statistics: the same loss" $python -c '
import json, sys
a, b = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
for x, y in zip(a, b): assert abs(x["validation_loss"] - y["validation_loss"]) < 1e-5, (x, y)' "$work/sums/logits" "$work/sums/statistics"

# ---- what contradicts it
refused "early stopping without held-out samples" 2 'key `train.early_stopping`: 3 contradicts `data.validation`: 0' \
    train "$conf" --data.validation=0 --train.early_stopping=3
refused "the best weights without held-out samples" 2 'key `student.kd.keep`: best contradicts `data.validation`: 0' \
    distill "$conf" --data.validation=0 --student.kd.keep=best
refused "no common steps" 2 'without common steps no epoch has weights of its own' \
    train "$conf" --train.keep=best --exchange=server --server.staleness=1
refused "the best heads in lanes" 2 'no rank holds all heads of the best epoch' distill "$conf" --student.keep=best --student.head_lanes=3
refused "another way of ending" 3 '(m000, m001, m002: `train.early_stopping` was 2 and is at its default now)' \
    train "$conf" --run.dir="$work/run" "${watch[@]}" --train.early_stopping=0

# ---- quiet and verbose
mpi 2 run "$conf" --run.dir="$work/quiet" --quiet --run.progress=0 || cat "$work/err"
check "quiet: nothing but results" test ! -s "$work/err" -a -s "$work/out"
mpi 2 run --verbose "$conf" --run.dir="$work/verbose" || cat "$work/err"
check "verbose: each epoch" test "$(grep -c '^student kd: epoch [1-4] of 4 (loss .*, validation .*, accuracy .*) in ' "$work/err")" = 4
check "verbose: nothing is 0.0" test "$(grep -cE '[^0-9.]0\.0+ [kMG]?B' "$work/err")" = 0 || grep -E '[^0-9.]0\.0+ [kMG]?B' "$work/err"
check "verbose: each rank" grep -q '^rank 1: student kd: waited ' "$work/err"
check "the same bytes" test "$(digest "$work/quiet")" = "$(digest "$work/verbose")"
finish
