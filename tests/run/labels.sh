# Class weights and label smoothing: the loss is NumPy's, the bits are the same for any number of ranks, older networks stay good.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
$python - <<'E'
import numpy as np
draw = np.random.RandomState(1)
y = np.repeat([0, 2, 3], [60, 40, 20])  # no sample of class 1
x = draw.randn(120, 4) + y[:, None]
for name in "train", "test":
    order = draw.permutation(120)
    np.savetxt(f"{name}.csv", np.c_[x, y][order], fmt="%.6g", delimiter=",")
E
cat >base.yaml <<'Y'
run: {dir: r}
data: {format: table, root: ., train: [train.csv], test: [test.csv]}
members: {count: 2}
train: {layers: [dense 8, tanh, dense 4], epochs: 2, batch: 60, lanes: 4}
students: []
Y
both=(--train.class_weight=balanced --train.label_smoothing=0.2)

# With a learning rate of next to nothing, the loss of the first epoch is that of the weights in the file.
for keys in "" "--train.class_weight=balanced" "--train.label_smoothing=0.2" "${both[*]}"; do
    rm -rf r && tribikos train base.yaml $keys --train.lr=1e-30 --train.epochs=1 --train.batch=120 >out 2>err </dev/null || cat err
    check "the loss with [$keys] is NumPy's" $python - "$keys" <<'E'
import json, sys, h5py, numpy as np
f = h5py.File("r/members/m000/weights.h5")
w = {k: f[f"body.{k}"][()].astype(float) for k in ("0.weight", "0.bias", "2.weight", "2.bias")}
x, y = np.split(np.loadtxt("train.csv", delimiter=","), [4], 1)
y = y[:, 0].astype(int)
x = (x - x.mean(0)) / x.std(0)
z = np.tanh(x @ w["0.weight"].T + w["0.bias"]) @ w["2.weight"].T + w["2.bias"]
log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
count = np.bincount(y, minlength=4)
weight = np.where(count > 0, 120 / (3 * np.maximum(count, 1)), 0) if "balanced" in sys.argv[1] else np.ones(4)
share = 0.2 if "smoothing" in sys.argv[1] else 0
loss = -(1 - share) * weight[y] * log_p[np.arange(120), y] - share / 4 * (log_p * weight).sum(1)
got = json.loads(open("r/members/m000/metrics.jsonl").readline())["loss"]
print(got, loss.mean())
assert abs(got - loss.mean()) < 1e-5
E
done

mpi 1 train base.yaml --run.dir=one "${both[@]}" --train.augment='[mixup 0.3]' || cat err
for n in 2 3; do
    mpi $n train base.yaml --run.dir=many-$n "${both[@]}" --train.augment='[mixup 0.3]' || cat err
    for m in 0 1; do
        check "member $m on $n ranks has the bits of one rank" cmp -s one/members/m00$m/weights.h5 many-$n/members/m00$m/weights.h5
    done
done
refused "another weighting" 3 '(m000, m001: `train.class_weight` was balanced and is at its default now)' train base.yaml --run.dir=one \
    --train.label_smoothing=0.2 --train.augment='[mixup 0.3]'
mpi 1 train base.yaml --run.dir=plain || cat err
check "a network without these keys says nothing of them" test "$(tribikos info plain/members/m000/weights.h5 | grep -cE 'class_weight|smoothing')" = 0
refused "a student" 2 'student.label_smoothing`: it changes the loss of labels' run base.yaml --students='[kd]' --student.split=2 \
    --student.label_smoothing=0.1
refused "regression" 2 'regression has no labels' train base.yaml --data.task=regression --train.layers='[dense 2]' --train.class_weight=balanced
finish
