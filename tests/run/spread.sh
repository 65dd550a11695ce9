# Heads that are spread after training until they are as uncertain as the members: the number is that of NumPy, the bytes are those
# of any number of ranks, also after a death on the way; and PyTorch gives the report's figures of such a student.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
students=(--students='[hydra, batchensemble, kd]' --student.batchensemble.layers='[dense 24, relu, dense 10]' --student.match_uncertainty=true)
on_ranks "2 3" "${students[@]}"
grep 'spread' "$work/err"
check "it is said" test "$(grep -c 'student [a-z]*: spread [0-9.]*: mean model uncertainty of 100 validation samples is' "$work/err")" = 2
mpi 2 distill "$conf" --run.dir="$work/other" "${students[@]}" || cat "$work/err"
check "run again: the students are there" test "$(grep -c 'student [a-z]* is there already' "$work/err")" = 3
same "run again: nothing is changed" "$work/other"
rm -rf "$work/other/student" "$work/other/report"
TRB_FAULT=match.unit:2:1:kill mpi 2 distill "$conf" --run.dir="$work/other" "${students[@]}" --checkpoint.steps=4 --checkpoint.seconds=0
check "a death while heads are looked at: it fails" test $? -ne 0
check "a death while heads are looked at: no weights" test ! -e "$work/other/student/hydra/weights.h5"
mpi 3 run "$conf" --run.dir="$work/other" "${students[@]}" || cat "$work/err"
check "a death while heads are looked at: goes on behind the training's middle" \
    grep -q 'student hydra: goes on from .*phase 2, step' "$work/err"
same "a death while heads are looked at: the same bytes" "$work/other"

layers() { tribikos info "$work/$1/weights.h5" | sed -n 's/^  layers  *//p'; }
hydra=$(layers run/student/hydra)
check "layers of hydra: $hydra" test "${hydra%, spread *}" = "dense 32, relu, split, dense 32, relu, dense 10"
check "layers of kd" test "$(layers run/student/kd)" = "dense 32, relu, split, dense 32, relu, dense 10"

# What stands there already is multiplied.
rm -rf "$work/other/student" "$work/other/report"
once=(--students='[hydra]' --student.layers='[dense 32, relu, split, dense 32, relu, dense 10, spread 1.50]')
mpi 2 run "$conf" --run.dir="$work/other" "${once[@]}" --student.match_uncertainty=true || cat "$work/err"
other=$(layers other/student/hydra)
check "a spread that stands there: one in its place: $other" test "${other%, spread *}" = "${hydra%, spread *}"
mpi 2 distill "$conf" --run.dir="$work/other" "${once[@]}"
check "without matching it is another student" test $? = 3
check "without matching: what differs" \
    grep -q 'hydra: `student.match_uncertainty` was true and is at its default now)' "$work/err" || cat "$work/err"
mpi 2 distill "$conf" --run.dir="$work/other" "${once[@]}" --student.match_uncertainty=true --student.label_weight=0.5
check "with labels: what differs" \
    grep -q '`student.label_weight` was at its default and is 0.5 now)' "$work/err" || cat "$work/err"

refuses() { # WHAT REASON FLAGS...
    mpi 2 distill "$conf" --run.dir="$work/run" "${@:3}"
    check "$1: exit status" test $? = 2
    check "$1: one line with the reason" test "$(grep -c "^tribikos: error: .*$2" "$work/err") $(grep -c ^tribikos: "$work/err")" = "1 1" ||
        cat "$work/err"
}
refuses "no validation part" 'student.match_uncertainty.*student `hydra` is matched on samples that are held out' \
    "${students[@]}" --data.validation=0
refuses "heads in lanes" '`student.hydra.head_lanes` to 1' "${students[@]}" --student.hydra.head_lanes=3
refuses "a list with spread, heads in lanes" 'student hydra: head_lanes above 1: .*cannot be cut: spread takes the mean' \
    "${once[@]}" --student.head_lanes=3
refuses "a list with spread, to be folded" 'student latentbe: .*does not fold: one head has nothing for spread' \
    --students='[latentbe]' --student.layers='[dense 24, relu, dense 10, spread 2]'

$python -c 'import torch, h5py' 2>/dev/null || { echo "without PyTorch"; finish; }
check "PyTorch gives the figures" $python "$TRB_SOURCE/tools/develop/check_torch.py" "$work/run" "$work/data"
mpi 2 eval "$conf" --run.dir="$work/run" "${students[@]}" --eval.split=validation || cat "$work/err"
mpi 2 eval "$conf" --run.dir="$work/other" "${once[@]}" --student.match_uncertainty=true --eval.split=validation || cat "$work/err"
for of in "run hydra 1" "run batchensemble 1" "other hydra 1.5"; do
    read -r run name was <<<"$of"
    check "the number is NumPy's: $of" env PYTHONPATH="$TRB_SOURCE/tools/python" $python - "$work/$run" "$work/data" $name $was <<'EOF'
import json
import sys

import h5py
import numpy as np
import torch

from network_torch import Network, load

run, data, name, was = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
pixels = np.fromfile(f"{data}/train-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 784)
held_out = h5py.File(f"{run}/report/validation/predictions.h5")["sample_id"][...]
assert len(held_out) == 100


def mu(z):
    """Mean over rows of H(mean p) - mean H(p), of [rows][M][K] logits."""
    z = z.astype("f8")
    log_p = z - z.max(-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(-1, keepdims=True))
    p = np.exp(log_p)
    mean = p.mean(1)
    return (-(mean * np.log(mean)).sum(-1) + (p * log_p).sum(-1).mean(1)).mean()


net = load(f"{run}/student/{name}/weights.h5")
layers, _, S = net.layers.rpartition(", spread ")
as_trained = Network(layers + (f", spread {was}" if was != 1 else ""), net.shape, len(net.heads)).eval()
as_trained.load_tensors(net.tensors())
with torch.no_grad():
    x = net.normalise(torch.from_numpy(pixels[held_out]))
    z, final = as_trained(x).numpy(), net(x).numpy()
members = mu(h5py.File(f"{run}/cache/manifest.h5")["logits"][0][:, held_out].transpose(1, 0, 2))
lo, hi, mean = 0.25, 4.0, z.mean(1, keepdims=True)
for _ in range(40):
    s = (lo + hi) / 2
    lo, hi = (s, hi) if mu(mean + s * (z - mean)) < members else (lo, s)
ratio, before = mu(final) / members, mu(z) / members
print(f"{name}: spread {S}, by NumPy {was * s:.5f}; model uncertainty {ratio:.6f} times the members', before {before:.3f}")
assert abs(float(S) - was * s) < 2e-4
assert abs(ratio - 1) < 1e-3 and abs(before - 1) > 0.02
assert abs(json.load(open(f"{run}/report/validation/report.json"))["models"][name]["mu_ratio"] - 1) < 1e-3
EOF
done
finish
