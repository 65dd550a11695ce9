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
check "quickstart prints a row for members, ensemble and both students" \
    test "$(grep -cE '^(member_mean|ensemble|hydra|kd) ' "$work/out")" = 4
check "the report has the table's figures" $python - "$work" <<'END'
import json, re, sys
work = sys.argv[1]
models = json.load(open(f"{work}/quick/report/report.json"))["models"]
for line in open(f"{work}/out"):
    words = line.split()
    if words and words[0] in models:
        model = models[words[0]]
        assert f"{model['nll']:.4f}" == words[2] and 0.8 < model["accuracy"] < 1, line
        assert abs(model["brier"] - 1 - model["brier_minus_1"]) < 1e-12 and model["parameters"] == int(words[6])
END
mnist=$TRB_SOURCE/../shared/data
if [ -r "$mnist/mnist/train-images-idx3-ubyte.gz" ]; then
    TRIBIKOS_DATA=$mnist mpi 2 run configs/mnist.yaml --run.dir="$work/mnist" --train.epochs=1 --student.epochs=1 \
        --student.phase1_epochs=1 --members.count=2 || cat "$work/err"
    check "configs/mnist.yaml with fewer epochs" grep -q '^hydra' "$work/out"
else
    echo "SKIPPED: configs/mnist.yaml (no MNIST under $mnist)"
fi
RANKS=2 TRIBIKOS=$TRB_BUILD/tribikos bash jobs/run.sbatch "$work/small.yaml" >"$work/out" 2>"$work/err" || cat "$work/err"
check "jobs/run.sbatch without a batch system" grep -q '^hydra' "$work/out"
finish
