# Every file in configs/ and jobs/ runs as committed: the quickstart whole, the longer ones with fewer epochs.
. "$(dirname "$0")/lib.bash"
cd "$TRB_SOURCE"
for config in configs/*.yaml; do
    tribikos config "$config" >"$work/resolved.yaml" 2>"$work/err" || cat "$work/err"
    tribikos config "$work/resolved.yaml" >"$work/again.yaml" 2>"$work/err" || cat "$work/err"
    check "$config: the resolved configuration resolves to itself" cmp -s "$work/resolved.yaml" "$work/again.yaml"
done
start=$(date +%s)
mpi 2 run configs/quickstart.yaml --run.dir="$work/quick" || cat "$work/err"
echo "quickstart took $(($(date +%s) - start)) s"
check "quickstart prints two tables with a row for members, ensemble and both students" \
    test "$(grep -cE '^(member_mean|ensemble|hydra|kd) ' "$work/out")" = 8
check "the report has the table's figures" $python - "$work" <<'END'
import json, re, sys
work = sys.argv[1]
models = json.load(open(f"{work}/quick/report/report.json"))["models"]
for line in open(f"{work}/out"):
    words = line.split()
    if words and words[0] in models:
        model = models.pop(words[0])  # the second table has other figures
        assert f"{model['nll']:.4f}" == words[2] and 0.8 < model["accuracy"] < 1, line
        assert abs(model["brier"] - 1 - model["brier_minus_1"]) < 1e-12 and model["parameters"] == int(words[-2])
END
mnist=$TRB_SOURCE/../shared/data
if [ -r "$mnist/mnist/train-images-idx3-ubyte.gz" ]; then
    TRIBIKOS_DATA=$mnist mpi 2 run configs/mnist.yaml --run.dir="$work/mnist" --train.epochs=1 --student.epochs=1 \
        --student.phase1_epochs=1 --members.count=2 || cat "$work/err"
    check "configs/mnist.yaml with fewer epochs" grep -q '^hydra' "$work/out"
    TRIBIKOS_DATA=$mnist mpi 2 run configs/diversity.yaml --run.dir="$work/diversity" --train.epochs=1 --members.count=2 \
        --students='[hydra-views]' --student.epochs=1 \
        --eval.corruptions='[noise]' --ood.fashion.root="$work/data" \
        --ood.fashion.files='[t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte]' || cat "$work/err"
    check "configs/diversity.yaml with fewer epochs" grep -q '^hydra-views' "$work/out"
else
    echo "SKIPPED: configs/mnist.yaml (no MNIST under $mnist)"
fi
tools/user/uci "$work" 2>"$work/err"
check "tools/user/uci without RUNS: exit 2, in one line behind its usage" \
    test $? = 2 -a "$(tail -n 1 "$work/err")" = "uci: error: the following arguments are required: RUNS"
tools/user/uci "$work" "$work/uci" --splits 3-1 2>"$work/err"
check "tools/user/uci refuses splits from behind" \
    test $? = 2 -a "$(tail -n 1 "$work/err")" = "uci: error: argument --splits: expected a number, or two such as 0-4, got 3-1"
tools/user/uci "$work" "$work/uci" 2>"$work/err"
check "tools/user/uci on a folder of something else says what it misses" \
    test $? = 1 -a "$(cat "$work/err")" = "uci: there is no $work/bostonHousing/n_splits.txt; DATA is the folder that holds bostonHousing"
uci=$TRB_SOURCE/../shared/data/uci
if [ -r "$uci/bostonHousing/data.txt" ]; then
    few=(--train.epochs=1 --student.epochs=1 --student.phase1_epochs=1 --members.count=2)
    TRIBIKOS_DATA=$uci/bostonHousing mpi 2 run configs/uci.yaml --run.dir="$work/boston" "${few[@]}" || cat "$work/err"
    check "configs/uci.yaml with fewer epochs" grep -q '^hydra' "$work/out"
    uci() { TRIBIKOS=$TRB_BUILD/tribikos tools/user/uci "$uci" "$work/uci" --sets "$@" --train.batch=450 --student.batch=450 "${few[@]}"; }
    uci boston,protein --splits 0-1 >"$work/out" || cat "$work/out"
    check "tools/user/uci averages over splits" $python - "$work" <<'END'
import json, sys
work = sys.argv[1]
table = json.load(open(f"{work}/uci/uci.json"))
for name in "boston", "protein":
    assert table[name]["splits"] == 2 and table[name]["seconds"][0] > 0
    reports = [json.load(open(f"{work}/uci/{name}/{k}/report/report.json"))["models"] for k in (0, 1)]
    for model in "member_mean", "ensemble", "hydra", "kd":
        for figure in "rmse", "nll", "crps", "coverage":
            a, b = (r[model][figure] for r in reports)
            mean, error = table[name]["models"][model][figure]
            near = 1e-12 * max(abs(a), abs(b))
            assert abs(mean - (a + b) / 2) <= near and abs(error - abs(a - b) / 2) <= near, (name, model, figure)
a, b = (json.load(open(f"{work}/uci/boston/{k}/report/report.json"))["models"]["ensemble"]["nll"] for k in (0, 1))
assert a != b and f"{table['boston']['models']['hydra']['nll'][0]:.3f} ±" in open(f"{work}/out").read()
END
    uci boston,protein --splits 0-1 >"$work/again" 2>"$work/err"
    check "tools/user/uci again: the same table, and nothing is run" test "$(cat "$work/out")" = "$(cat "$work/again" "$work/err")"
    few+=(--train.epochs=2)
    for other in --ranks=2 --table; do
        uci boston $other >"$work/out" 2>"$work/err"
        check "tools/user/uci again with other flags, and $other: no table of the former" test $? = 1 -a ! -s "$work/out"
        check "tools/user/uci again with other flags, and $other: which" \
            test "$(wc -l <"$work/err")" = 1 -a "$(grep -c '^uci: boston, split 0: .*`.*epochs.*[12]' "$work/err")" = 1
    done
    few[-1]=--students='[kd]'
    uci boston --splits 0 >"$work/out" 2>"$work/err" || cat "$work/err"
    check "tools/user/uci again with fewer students: a new table" test "$(grep -c 'hydra\|kd' "$work/out")" = 1
else
    echo "SKIPPED: configs/uci.yaml (no uci/bostonHousing under $TRB_SOURCE/../shared/data)"
fi
# CIFAR-10's format with what is at hand: pictures of clothes, padded to 32 x 32, in three colours.
mkdir "$work/cifar10"
$python - "$work" <<'END'
import numpy as np, sys
work = sys.argv[1]
for name, stem, rows in (("data_batch", "train", 80), ("test_batch", "t10k", 100)):
    pixels = np.fromfile(f"{work}/data/{stem}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
    label = np.fromfile(f"{work}/data/{stem}-labels-idx1-ubyte", np.uint8, offset=8)
    for i, file in enumerate([f"{name}_{k}" for k in range(1, 6)] if stem == "train" else [name]):
        part = slice(i * rows, (i + 1) * rows)
        images = np.pad(pixels[part], ((0, 0), (2, 2), (2, 2)))[:, None].repeat(3, 1).reshape(rows, -1)
        np.concatenate([label[part, None], images], 1).tofile(f"{work}/cifar10/{file}.bin")
        if stem == "t10k":  # CIFAR-100's format: two labels
            np.concatenate([label[part, None], label[part, None], images], 1).tofile(f"{work}/cifar10/test_by_class.bin")
END
precision=f32
has_bf16 && precision=bf16
TRIBIKOS_DATA=$work/cifar10 mpi 2 run configs/cifar10.yaml --run.dir="$work/cifar" --math.precision=$precision --members.count=2 \
    --train.epochs=2 --student.phase1_epochs=2 --student.epochs=2 --cache.views=2 || cat "$work/err"
check "configs/cifar10.yaml on a few hundred images" grep -q '^hydra' "$work/out"
TRIBIKOS_DATA=$work/cifar10 mpi 2 run configs/diversity-cifar10.yaml --run.dir="$work/diversity10" --math.precision=$precision \
    --data.validation=64 --members.count=2 --train.epochs=2 --student.phase1_epochs=1 --student.epochs=1 \
    --students='[hydra-views]' --student.hydra-views.phase1_epochs=1 --student.hydra-views.epochs=1 --student.warmup=0 || cat "$work/err"
check "configs/diversity-cifar10.yaml on a few hundred images" grep -q '^hydra-views' "$work/out"
export RANKS=2 TRIBIKOS=$TRB_BUILD/tribikos
bash jobs/run.sbatch "$work/small.yaml" >"$work/out" 2>"$work/err" || cat "$work/err"
check "jobs/run.sbatch without a batch system" grep -q '^hydra' "$work/out"
for job in train-array train cache distill eval; do
    bash jobs/$job.sbatch "$work/small.yaml" --run.dir="$work/by_hand" >"$work/out" 2>"$work/err" || cat "$work/err"
done
check "the jobs of the stages without a batch system" diff <(digest "$work/run") <(digest "$work/by_hand")
bash jobs/train.sbatch "$work/small.yaml" --run.dir="$work/long" --train.epochs=5000 --checkpoint.seconds=0 >"$work/out" 2>"$work/err" &
for _ in $(seq 200); do [ -e "$work/long/members/m000/checkpoint/0.h5" ] && break; sleep 0.1; done
kill $!
wait $!
check "a job that is ended without a batch system: exit status 75" test $? = 75
check "a job that is ended without a batch system: what to do" grep -q 'the same command goes on' "$work/err"
mkdir "$work/bin" # all programs but sbatch, which may be here
ln -s /usr/bin/* "$work/bin"
rm -f "$work/bin/sbatch"
PATH=$work/bin jobs/submit "$work/small.yaml" --run.dir="$work/submitted" >"$work/out" 2>"$work/err" || cat "$work/err"
check "jobs/submit without a batch system" diff <(digest "$work/run") <(digest "$work/submitted")
finish
