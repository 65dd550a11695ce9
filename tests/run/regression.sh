# Regression on a generic HDF5 file, through all stages: members learn mean and variance (Gaussian negative log-likelihood), the
# cache holds both, heads follow by the divergence of Gaussians, the report is in the target's unit.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
$python - "$work" <<'END'
import h5py, numpy as np, sys
rng = np.random.default_rng(1)
x = rng.uniform(-2, 2, (2500, 5)).astype(np.float32)
y = 50 + 20 * np.sin(x[:, 0]) + 5 * x[:, 1] + rng.normal(0, 2, 2500)  # noise of deviation 2 in the target's unit
for name, rows in ("table", slice(0, 2000)), ("test", slice(2000, 2500)):
    with h5py.File(f"{sys.argv[1]}/{name}.h5", "w") as f:
        f["x"], f["y"] = x[rows], y[rows]
with h5py.File(f"{sys.argv[1]}/constant.h5", "w") as f:
    f["x"], f["y"] = x[:50], np.full(50, 7.25)
with h5py.File(f"{sys.argv[1]}/classes.h5", "w") as f:
    f["x"], f["y"] = x[:2000], (y[:2000] > 50).astype(np.int32)
END
cat >"$work/table.yaml" <<END
run: {dir: $work/table}
data: {task: regression, format: hdf5, root: $work, train: [table.h5], test: [test.h5]}
members: {count: 4}
train: {layers: [dense 50, tanh, dense 2], epochs: 40, batch: 100, lanes: 5, lr: 1e-2}
students: [hydra, kd]
student: {layers: [dense 50, tanh, split, dense 2], phase1_epochs: 10, epochs: 10, batch: 100, lanes: 5, lr: 1e-2}
END
for n in 1 2 3 5; do
    mpi $n run "$work/table.yaml" --run.dir="$work/table$n" || cat "$work/err"
    digest "$work/table$n" >"$work/digest$n"
done
cp "$work/out" "$work/printed"
check "there is something to compare" test "$(grep -c . "$work/digest1")" -ge 13
for n in 2 3 5; do check "the same bits on 1 and $n ranks" cmp -s "$work/digest1" "$work/digest$n"; done
check "mean and deviation are those of the data" $python - "$work" <<'END'
import h5py, numpy as np, sys
work = sys.argv[1]
x, y = h5py.File(f"{work}/table.h5")["x"][...], h5py.File(f"{work}/table.h5")["y"][...]
w = h5py.File(f"{work}/table1/members/m000/weights.h5")
z = h5py.File(f"{work}/table1/cache/manifest.h5")["logits"][0, 0]
mean = w["target.mean"][0] + w["target.scale"][0] * z[:, 0]
deviation = w["target.scale"][0] * np.exp(z[:, 1] / 2)
rmse = np.sqrt(np.mean((mean - y) ** 2))
print(f"RMSE {rmse:.3f}, mean predicted deviation {deviation.mean():.3f}")
# The noise is 2; a fitted network stays within a tenth of it, and so does what it says of itself.
sys.exit(not (1.8 < rmse < 2.2 and 1.8 < deviation.mean() < 2.2))
END
check "the report is what NumPy makes of the predictions, and these are the networks'" $python - "$work" <<'END'
import h5py, json, math, numpy as np, sys
work = sys.argv[1]
f = h5py.File(f"{work}/table1/report/predictions.h5")
report = json.load(open(f"{work}/table1/report/report.json"))["models"]
test = h5py.File(f"{work}/test.h5")
y = f["target"][...].astype(float)
assert np.array_equal(f["target"][...], test["y"][...].astype("f4")) and np.array_equal(f["sample_id"][...], np.arange(500))

Phi = np.vectorize(lambda u: 0.5 * math.erfc(-u / math.sqrt(2)))
def figures(p):  # [N][M][2]
    mu, s = p[..., 0].astype(float), p[..., 1].astype(float)
    F = lambda t: Phi((t[:, None] - mu) / s).mean(1)
    mean, data, model = mu.mean(1), (s**2).mean(1), mu.var(1)
    def quantile(q):
        low, high = (mu - 9 * s).min(1), (mu + 9 * s).max(1)
        for _ in range(40):
            middle = (low + high) / 2
            below = F(middle) < q
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low
    low, high = quantile(0.025), quantile(0.975)
    # CRPS by its definition: the integral over t of (F(t) - [y <= t])^2, by trapezia on either side of y.
    crps = 0.0
    for u in np.linspace(0, 1, 401)[None]:
        for to, step in (np.minimum((mu - 9 * s).min(1), y), 0.0), (np.maximum((mu + 9 * s).max(1), y), 1.0):
            t = y[:, None] + (to - y)[:, None] * u
            square = (np.stack([F(t[:, i]) for i in range(len(u))], 1) - step) ** 2
            crps += np.abs(np.trapz(square, t, axis=1)).mean()
    density = (np.exp(-0.5 * ((y[:, None] - mu) / s) ** 2) / (s * math.sqrt(2 * math.pi))).mean(1)
    return {"rmse": math.sqrt(((mean - y) ** 2).mean()), "nll": -np.log(density).mean(), "crps": crps,
            "nll_moments": (0.5 * np.log(2 * math.pi * (data + model)) + (y - mean) ** 2 / (2 * (data + model))).mean(),
            "coverage": ((low <= y) & (y <= high)).mean(), "width": (high - low).mean(), "model_variance": model.mean(),
            "data_variance": data.mean()}

assert list(report) == ["member_mean", "ensemble", "hydra", "kd"]
assert f["ensemble"].shape == f["hydra"].shape == (500, 4, 2) and f["kd"].shape == (500, 1, 2)
def expect(name, got, want):
    for k, v in want.items():
        # Predictions are single precision; trapezia of a hundredth of the width see the score to a thousandth of it.
        assert abs(got[k] - v) <= (2e-3 if k == "crps" else 1e-5) * max(1, abs(v)), (name, k, got[k], v)
for name in "ensemble", "hydra", "kd":
    expect(name, report[name], figures(f[name][...]))
each = [figures(f["ensemble"][:, m:m + 1]) for m in range(4)]
expect("member_mean", report["member_mean"], {k: np.mean([e[k] for e in each]) for k in each[0]})

def forward(w, m):
    x = (test["x"][...] - w["input.mean"][...]) * w["input.scale"][...]
    h = np.tanh(x @ w["body.0.weight"][...].T + w["body.0.bias"][...])
    last = ("heads.0.weight", "heads.0.bias") if "heads.0.weight" in w else ("body.2.weight", "body.2.bias")
    a, b = (w[k][...] for k in last)
    z = h @ (a if a.ndim == 2 else a[m]).T + (b if b.ndim == 1 else b[m])
    return np.stack([w["target.mean"][0] + w["target.scale"][0] * z[:, 0], w["target.scale"][0] * np.exp(z[:, 1] / 2)], -1)
for m in range(4):
    assert np.allclose(f["ensemble"][:, m], forward(h5py.File(f"{work}/table1/members/m00{m}/weights.h5"), 0), rtol=1e-4)
    assert np.allclose(f["hydra"][:, m], forward(h5py.File(f"{work}/table1/student/hydra/weights.h5"), m), rtol=1e-4)
assert np.allclose(f["kd"][:, 0], forward(h5py.File(f"{work}/table1/student/kd/weights.h5"), 0), rtol=1e-4)

e, h = report["ensemble"], report["hydra"]
print(f"NLL ensemble {e['nll']:.4f}, hydra {h['nll']:.4f}, kd {report['kd']['nll']:.4f}; "
      f"model variance {e['model_variance']:.4f}, hydra {h['model_variance']:.4f}; coverage {e['coverage']:.3f}")
# Noise of deviation 2 alone has the entropy log(2 sqrt(2 pi e)) = 2.112.
assert 2.0 < e["nll"] < 2.3 and h["nll"] < 1.03 * e["nll"] and 0.9 < e["coverage"] < 0.99
END
check "the printed table is in the target's unit" \
    awk '$1 == "hydra" && !n++ { found = $2 > 1.8 && $2 < 2.5 && $9 > 1.8 && $9 < 2.5 } END { exit !found }' "$work/printed"
check "compare has the figures of regression" $python - "$work/table1" "$TRB_BUILD/tribikos" <<'END'
import json, subprocess, sys
run, program = sys.argv[1:]
m = json.load(open(f"{run}/report/report.json"))["models"]
e, h = m["ensemble"], m["hydra"]
want = [f"{h['rmse']:.4g}", f"{h['nll']:.4g}", f"{h['nll'] - e['nll']:.4f}", f"{h['crps']:.4g}", f"{h['coverage']:.4f}",
        f"{h['model_variance'] / e['model_variance']:.3f}", f"{h['parameters']:,}"]
text = subprocess.run([program, "compare", run], stdout=subprocess.PIPE, text=True, check=True).stdout
rows = {cells[0]: cells[1:] for cells in ([c.strip() for c in line.strip("|").split("|")] for line in text.splitlines())}
assert rows["hydra"] == want, (rows["hydra"], want)
assert rows["kd"][5] == rows["member_mean"][5] == "-" and rows["ensemble"][2] == "-", rows
END

# Two columns of head lanes, each of which reads two members: RANKS COLUMNS.
for grid in "1 1" "2 2" "3 1" "4 2"; do
    read -r ranks columns <<<"$grid"
    at=$work/grid$ranks$columns
    cp -r "$work/table1" "$at" && rm -r "$at/student" "$at/report"
    mpi "$ranks" distill "$work/table.yaml" --run.dir="$at" --student.head_lanes=2 --student.head_groups="$columns" ||
        cat "$work/err"
    (cd "$at" && sha256sum student/*/weights.h5) >"$at.sums"
done
check "students of a grid are there" test "$(grep -c . "$work/grid11.sums")" = 2
for at in 22 31 42; do
    check "the same bits in a grid: ${at:0:1} ranks, ${at:1} columns" cmp -s "$work/grid11.sums" "$work/grid$at.sums"
done
check "head lanes change nothing but rounding" $python - "$work" <<'END'
import h5py, numpy as np, sys
for name in "hydra", "kd":
    a, b = (h5py.File(f"{sys.argv[1]}/{run}/student/{name}/weights.h5") for run in ("table1", "grid11"))
    off = max(float(np.abs(a[k][...] - b[k][...]).max()) for k in a if "weight" in k)
    print(f"{name}: {off:.2g}")
    assert off < 0.01, name
END

# From the cache alone, on the rows that it has.
mpi 2 eval "$work/table.yaml" --run.dir="$work/table1" --eval.split=train || cat "$work/err"
cp "$work/table1/report/train/report.json" "$work/with.json"
mv "$work/table1/members" "$work/elsewhere"
mpi 1 eval "$work/table.yaml" --run.dir="$work/table1" --eval.split=train --students='[]' || cat "$work/err"
check "members' figures from the cache are those of their weights" $python - "$work" <<'END'
import json, sys
a, b = (json.load(open(f"{sys.argv[1]}/{f}"))["models"]["ensemble"] for f in ("with.json", "table1/report/train/report.json"))
assert b["parameters"] is None and a["nll"] == b["nll"] and a["crps"] == b["crps"], (a, b)
END
mv "$work/elsewhere" "$work/table1/members"

# Adversarial training: three steps of the whole set are PyTorch's, and the lanes may be anyone's.
cat >"$work/adversary.yaml" <<END
run: {dir: $work/adversary}
data: {task: regression, format: hdf5, root: $work, train: [test.h5]}
members: {count: 1}
train: {layers: [dense 20, tanh, dense 2], epochs: 3, batch: 500, lanes: 5, lr: 0.2, optimizer: sgd, momentum: 0, schedule: constant,
        adversarial: 0.02}
students: []
eval: {split: train}
END
for n in 1 2 3 5; do
    mpi $n train "$work/adversary.yaml" --run.dir="$work/adversary$n" || cat "$work/err"
    (cd "$work/adversary$n" && sha256sum members/m000/weights.h5) >"$work/adversary.$n"
done
mpi 3 train "$work/adversary.yaml" --run.dir="$work/adversary6" --exchange=server --server.ranks=1 || cat "$work/err"
mpi 1 train "$work/adversary.yaml" --run.dir="$work/adversary0" --train.adversarial=0 || cat "$work/err"
mpi 1 train "$work/adversary.yaml" --run.dir="$work/start" --train.lr=1e-30 --train.epochs=1 || cat "$work/err"
mpi 1 train "$work/adversary.yaml" --run.dir="$work/norm" --train.layers='[norm, dense 20, tanh, dense 2]' --train.lanes=1 \
    --train.epochs=1 --train.lr=1e-30 || cat "$work/err"
check "adversarial: there is something to compare" test -s "$work/adversary.1"
for n in 2 3 5; do check "adversarial: the same bits on 1 and $n ranks" cmp -s "$work/adversary.1" "$work/adversary.$n"; done
if $python -c 'import torch' 2>/dev/null; then
    check "adversarial: weights, and the averages of a norm, are PyTorch's" $python - "$work" <<'END'
import h5py, sys, torch
work = sys.argv[1]
names = ["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]
read = lambda run: [torch.tensor(h5py.File(f"{work}/{run}/members/m000/weights.h5")[k][...]).double() for k in names]
data = h5py.File(f"{work}/test.h5")
x, y = torch.tensor(data["x"][...]).double(), torch.tensor(data["y"][...].astype("f4")).double()
x, y = ((v - v.mean(0)) / v.std(0, unbiased=False) for v in (x, y))

def loss(p, x):
    z = torch.tanh(x @ p[0].T + p[1]) @ p[2].T + p[3]
    return torch.nn.functional.gaussian_nll_loss(z[:, 0], y, z[:, 1].exp(), full=True, eps=1e-12)

distance = lambda a, b: max(float((u - v).abs().max()) for u, v in zip(a, b))
apart = distance(read("adversary0"), read("adversary1"))
for run, eps in ("adversary1", 0.02), ("adversary6", 0.02), ("adversary0", 0.0):
    p = [w.clone().requires_grad_() for w in read("start")]
    for _ in range(3):
        inputs = x.clone().requires_grad_()
        moved = x + eps * (x.max(0).values - x.min(0).values) * torch.autograd.grad(loss(p, inputs), inputs)[0].sign()
        gradients = torch.autograd.grad(0.5 * loss(p, x) + 0.5 * loss(p, moved), p)
        p = [(w - 0.2 * g).detach().requires_grad_() for w, g in zip(p, gradients)]
    off = distance(p, read(run))
    print(f"{run}: off by {off:.2g}; what is adversarial moves weights by {apart:.2g}")
    # Single precision; a sign that falls otherwise would move one input of 2500 by a fiftieth of its range.
    assert off < 1e-5 < apart / 100, run

# A norm's running mean takes the mean of both passes: of samples, whose mean is 0, and of moved ones.
w = {k: torch.tensor(v[...]).double() for k, v in h5py.File(f"{work}/norm/members/m000/weights.h5").items()}
inputs = x.clone().requires_grad_()
h = torch.nn.functional.batch_norm(inputs, None, None, w["body.0.weight"], w["body.0.bias"], training=True, eps=1e-5)
z = torch.tanh(h @ w["body.1.weight"].T + w["body.1.bias"]) @ w["body.3.weight"].T + w["body.3.bias"]
signs = torch.autograd.grad(torch.nn.functional.gaussian_nll_loss(z[:, 0], y, z[:, 1].exp()), inputs)[0].sign()
mean = 0.1 * 0.5 * (0.02 * (x.max(0).values - x.min(0).values) * signs).mean(0)
off = float((mean - w["body.0.running_mean"]).abs().max())
print(f"norm: running means {mean.numpy()}, off by {off:.2g}")
assert off < 1e-6 < float(mean.abs().max()) / 100
END
fi

other=(--run.dir="$work/other")
table1=(distill "$work/table.yaml" --run.dir="$work/table1")
refused "one output" 2 'error: member 0: layers end in 1 output; regression needs `dense 2` (mean, log variance)' \
    run "$work/table.yaml" "${other[@]}" '--train.layers=[dense 5, tanh, dense 1]'
refused "three outputs of a student" 2 'error: student hydra: layers end in 3 outputs' \
    "${table1[@]}" '--student.layers=[dense 5, tanh, split, dense 3]' '--students=[hydra]'
refused "a constant target" 3 'error: data: the targets of all 50 training rows are 7.25' \
    run "$work/table.yaml" "${other[@]}" '--data.train=[constant.h5]' --train.batch=10 --student.batch=10
refused "a cache of another task" 3 'task' \
    "${table1[@]}" --data.task=classes '--data.train=[classes.h5]' '--data.test=[classes.h5]'
refused "an adversary of a student" 2 'a student sees what its members saw' \
    distill "$work/table.yaml" "${other[@]}" --student.adversarial=0.01
refused "mixup" 2 'error: member 0: augment: mixup mixes the losses of two labels; data.task is regression' \
    train "$work/table.yaml" "${other[@]}" --train.augment='[mixup 0.2]'
check "before anything is trained" test ! -e "$work/other/members/m000"
# Held-out samples: intervals that hold in nine of ten cases, and what the uncertainties are worth.
held=(--data.validation=199 --eval.batch=64 --members.count=3 --train.epochs=12 --student.phase1_epochs=4 --student.epochs=4)
for n in 1 2 3 5; do
    mpi $n run "$work/table.yaml" --run.dir="$work/held$n" "${held[@]}" || cat "$work/err"
    digest "$work/held$n" >"$work/held_digest$n"
    [ $n = 1 ] || check "with held-out samples the same bits on 1 and $n ranks" cmp -s "$work/held_digest1" "$work/held_digest$n"
done
mpi 2 eval "$work/table.yaml" --run.dir="$work/held1" "${held[@]}" --eval.split=validation || cat "$work/err"
check "intervals, risks and correlations are NumPy's" $python - "$work/held1" <<'END'
import h5py, json, numpy as np, sys
run = sys.argv[1]
f, v = h5py.File(f"{run}/report/predictions.h5"), h5py.File(f"{run}/report/validation/predictions.h5")
report = json.load(open(f"{run}/report/report.json"))["models"]
def read(f, m):
    mu, s, y = f[m][..., 0].astype(float), f[m][..., 1].astype(float), f["target"][...].astype(float)
    return (mu.mean(1) - y) ** 2, (s**2).mean(1) + mu.var(1)
def near(a, b, by=1e-5):  # predictions are single precision
    assert abs(a - b) <= by * abs(b), f"{a} is not {b}"
def rank(x):
    return np.array([(x < v).sum() + 0.5 * ((x == v).sum() - 1) for v in x])
for m in "ensemble", "hydra", "kd":
    (error, variance), (held, of_held), r = read(f, m), read(v, m), report[m]
    q = np.sort(held / of_held)[179]  # 0.9 * 200
    print(m, r["conformal"], r["aurc"], r["model_uncertainty_correlation"])
    near(r["conformal"]["coverage"], (error / variance <= q).mean(), 2 / 450)
    near(r["conformal"]["mean_size"], 2 * np.sqrt(q * variance).mean())
    assert 0.83 < r["conformal"]["coverage"] < 0.97 and "auroc_errors" not in r and "classwise_ece" not in r
    of = lambda m, k: f[f"uncertainty/test/{m}/{k}"][...]
    for k, name in ("total", "total_uncertainty"), ("model", "model_uncertainty"):
        if k == "model" and m == "kd":
            assert r["aurc"][name] is None
            continue
        risk = np.cumsum(error[np.argsort(of(m, k), kind="stable")]) / np.arange(1, len(error) + 1)
        near(r["aurc"][name], risk.mean())
    a, b = of("ensemble", "model"), of(m, "model") if m != "kd" else None
    if m == "hydra":
        near(r["model_uncertainty_correlation"]["pearson"], np.corrcoef(a, b)[0, 1], 1e-9)
        near(r["model_uncertainty_correlation"]["spearman"], np.corrcoef(rank(a), rank(b))[0, 1], 1e-9)
    else:
        assert r["model_uncertainty_correlation"] == {"pearson": None, "spearman": None}
assert report["member_mean"]["conformal"]["mean_size"] > 0 and json.load(
    open(f"{run}/report/validation/report.json"))["models"]["hydra"]["conformal"]["coverage"] is None
assert "temperature" not in h5py.File(f"{run}/student/hydra/weights.h5").attrs
END
finish
