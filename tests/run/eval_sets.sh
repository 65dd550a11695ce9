# Evaluation on several sets: what is reported is what NumPy makes of the predictions, the cached logits and the weights; the same
# bytes on any number of ranks; what cannot be evaluated is refused before anything long begins.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
# Out of distribution: noise whose labels are none of ours, and the test set's own images with shuffled pixels in HDF5.
$python - "$work" <<'END'
import h5py, numpy as np, struct, sys
work = sys.argv[1]
rng = np.random.default_rng(2)
def idx(name, images, labels):
    with open(f"{work}/data/{name}", "wb") as f:
        f.write(struct.pack(">IIII", 0x803, *images.shape) + images.astype("u1").tobytes())
    with open(f"{work}/data/{name}-labels", "wb") as f:
        f.write(struct.pack(">II", 0x801, len(labels)) + labels.astype("u1").tobytes())
idx("noise", rng.integers(0, 256, (140, 28, 28)), rng.integers(0, 100, 140))
idx("small", rng.integers(0, 256, (30, 20, 28)), rng.integers(0, 10, 30))
images = np.frombuffer(open(f"{work}/data/t10k-images-idx3-ubyte", "rb").read()[16:], "u1").reshape(-1, 784)
with h5py.File(f"{work}/data/shuffled.h5", "w") as f:
    f["x"], f["y"] = images[:, rng.permutation(784)].reshape(-1, 28, 28), np.zeros(len(images), "i4")
END
sed -i 's/^students: .*/students: [hydra, kd, endd]/' "$work/small.yaml"
cp "$work/small.yaml" "$work/plain.yaml"
cat >>"$work/small.yaml" <<END
eval: {batch: 32, ood: [noise, shuffled], corruptions: [noise, blur, contrast, rotation, shift]}
ood:
  noise: {files: [noise, noise-labels]}
  shuffled: {format: hdf5, files: [shuffled.h5]}
END
conf=$work/small.yaml
mpi 2 run "$conf" || { cat "$work/err"; bad "run"; finish; }
cp "$work/out" "$work/printed"
digest "$work/run" >"$work/expected"
cp -r "$work/run/report" "$work/test"
for n in 1 3 5; do
    mpi $n eval "$conf" || cat "$work/err"
    same "the same report on $n ranks" "$work/run"
done
for split in validation train; do
    mpi 2 eval "$work/plain.yaml" --eval.split=$split || cat "$work/err"
    cp -r "$work/run/report/$split" "$work/$split"
    [ $split = train ] || check "on the validation part nothing is calibrated, and why is said" \
        grep -q 'no calibrated figures: .*not the one reported' "$work/err"
done

check "figures, scores and correlations follow from the predictions" $python - "$work" <<'END'
import h5py, json, numpy as np, sys
work = sys.argv[1]
report, f = json.load(open(f"{work}/test/report.json")), h5py.File(f"{work}/test/predictions.h5")
models, y, n = report["models"], f["label"][...], 500
assert list(models) == ["m000", "m001", "m002", "member_mean", "ensemble", "hydra", "kd", "endd"] and report["samples"] == n
def near(a, b, by=1e-9):
    assert abs(a - b) <= by, f"{a} is not {b}"
rank = lambda x: np.array([(x < v).sum() + 0.5 * ((x == v).sum() - 1) for v in x])
of = lambda s, m, k: f[f"uncertainty/{s}/{m}/{k}"][...]
mu = of("test", "ensemble", "model")
for m in "ensemble", "hydra", "kd", "endd":
    p, r, several = f[m][...].astype(float), models[m], m != "kd"
    near(r["total_uncertainty"], of("test", m, "total").mean())
    near(r["accuracy"], (p.argmax(1) == y).mean())
    near(r["nll"], -np.log(p[np.arange(n), y]).mean(), 1e-6)
    # log p is kept in single precision.
    assert np.allclose(of("test", m, "total"), -(p * np.log(np.maximum(p, 1e-30))).sum(1), atol=1e-5)
    assert np.allclose(of("test", m, "max_probability"), p.max(1), atol=1e-6)
    order = np.argsort(-of("test", m, "max_probability"), kind="stable")
    gap = ((p.argmax(1) == y) - of("test", m, "max_probability"))[order]
    near(r["adaptive_ece"], sum(abs(gap[b * n // 15:(b + 1) * n // 15].sum()) for b in range(15)) / n, 1e-4)
    if several:
        near(r["mu"], of("test", m, "model").mean())
        near(r["mu_ratio"], r["mu"] / models["ensemble"]["mu"])
    else:
        assert r["mu_ratio"] is None and "model" not in f[f"uncertainty/test/{m}"]
    if m in ("hydra", "endd"):
        near(r["mu_pearson"], np.corrcoef(mu, of("test", m, "model"))[0, 1])
        near(r["mu_spearman"], np.corrcoef(rank(mu), rank(of("test", m, "model")))[0, 1])
        assert r["model_uncertainty_correlation"] == {"pearson": r["mu_pearson"], "spearman": r["mu_spearman"]}
        for s in "noise", "shuffled":
            got, a, b = report["ood"][s]["models"][m]["model_uncertainty_correlation"], of(s, "ensemble", "model"), of(s, m, "model")
            near(got["pearson"], np.corrcoef(a, b)[0, 1])
            near(got["spearman"], np.corrcoef(rank(a), rank(b))[0, 1])
        assert abs(got["spearman"] - r["mu_spearman"]) > 1e-3, "the sets apart"
        for name, of_copies in report["corruptions"].items():
            both = of_copies[m]["model_uncertainty_correlation"]
            assert all(-1 <= v <= 1 for v in both["pearson"] + both["spearman"]) and len(set(both["spearman"])) == 5, (name, both)
    else:
        assert r["model_uncertainty_correlation"] == {"pearson": None, "spearman": None}
    # Errors found by uncertainty, over all pairs of a wrong and a right prediction; risk over coverages, where equals share
    # their losses.
    wrong = p.argmax(1) != y
    for k, name in ("model", "model_uncertainty"), ("total", "total_uncertainty"):
        if k == "model" and not several:
            assert r["auroc_errors"][name] is None and r["aurc"][name] is None
            continue
        u = of("test", m, k)
        near(r["auroc_errors"][name], (u[wrong][:, None] > u[~wrong]).mean() + 0.5 * (u[wrong][:, None] == u[~wrong]).mean())
        mean_of_equals = np.array([wrong[u == v].mean() for v in u])
        near(r["aurc"][name], (np.cumsum(mean_of_equals[np.argsort(u)]) / np.arange(1, n + 1)).mean())
    bins = np.minimum((p * 15).astype(int), 14)
    gaps = [abs(((y == k) - p[:, k])[bins[:, k] == b].sum()) for k in range(10) for b in range(15)]
    near(r["classwise_ece"], sum(gaps) / n / 10, 1e-6)
    assert r["auroc_errors"]["total_uncertainty"] > 0.6 and r["aurc"]["total_uncertainty"] < wrong.mean()
    for s, size in ("noise", 140), ("shuffled", 500):
        assert report["ood"][s]["samples"] == size
        for k, name, sign in ("model", "model_uncertainty", 1), ("total", "total_uncertainty", 1), ("max_probability",) * 2 + (-1,):
            got = report["ood"][s]["models"][m][name]
            if k == "model" and not several:
                assert got == {"auroc": None, "aupr": None, "fpr95": None}
                continue
            a, b = sign * of("test", m, k), sign * of(s, m, k)
            # Probabilities near 1 have equals that 1 - max p does not have.
            near(got["auroc"], ((b[:, None] > a).mean() + 0.5 * (b[:, None] == a).mean()), 1e-9 if sign > 0 else 1e-3)
            threshold = np.sort(b)[::-1][int(np.ceil(0.95 * size)) - 1]
            near(got["fpr95"], (a >= threshold).mean(), 1e-9 if sign > 0 else 5e-3)
mean = report["ood"]["noise"]["models"]["member_mean"]
assert mean["model_uncertainty"]["auroc"] is None and 0 < mean["total_uncertainty"]["auroc"] <= 1
for name in "ensemble", "hydra", "endd":
    print(name, {s: round(report["ood"][s]["models"][name]["model_uncertainty"]["auroc"], 3) for s in report["ood"]})
END
check "calibrated figures are NumPy's" $python - "$work" <<'END'
import h5py, json, numpy as np, sys
work = sys.argv[1]
read = lambda s: (json.load(open(f"{work}/{s}/report.json"))["models"], h5py.File(f"{work}/{s}/predictions.h5"))
(models, f), (_, held) = read("test"), read("validation")
def tempered(p, T):
    q = np.maximum(p.astype(float), 1e-38)**(1 / T)
    return q / q.sum(-1, keepdims=True)
nll = lambda p, y, T: -np.log(tempered(p, T)[np.arange(len(y)), y]).mean()
def fit(p, y):
    low, high, ratio = np.log(0.01), np.log(100), (5**0.5 - 1) / 2
    while high - low > 1e-9:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if nll(p, y, np.exp(a)) < nll(p, y, np.exp(b)) else (a, high)
    return np.exp(low)
for m in "ensemble", "hydra", "kd", "endd":
    T, y = fit(held[m][...], held["label"][...]), f["label"][...]
    q = tempered(f[m][...], T)
    brier = ((q - np.eye(10)[y])**2).sum(1).mean()
    r = models[m]
    print(m, r["temperature"], T, r["calibrated_nll"], r["nll"])
    assert abs(r["temperature"] - T) < 1e-4 * T and abs(r["calibrated_nll"] - nll(f[m][...], y, T)) < 1e-5
    assert abs(r["calibrated_brier"] - brier) < 1e-5 and 0 <= r["calibrated_ece"] < 1
    # Sets of all classes whose score is among the 91 lowest of 100 held-out labels' (0.9 * 101, rounded up).
    score = 1 - held[m][...].astype(float)
    q = np.sort(score[np.arange(100), held["label"][...]])[90]
    has = 1 - f[m][...].astype(float) <= q
    print(m, r["conformal"], has[np.arange(500), y].mean(), has.sum(1).mean())
    # 1 - p has equals that log p does not have.
    assert abs(r["conformal"]["coverage"] - has[np.arange(500), y].mean()) <= 0.004 >= abs(r["conformal"]["mean_size"] - has.sum(1).mean())
    assert 0.8 < r["conformal"]["coverage"] < 1 and models["member_mean"]["conformal"]["mean_size"] > 0
    # The weights file has the temperature that is reported.
    if m != "ensemble":
        w = h5py.File(f"{work}/run/student/{m}/weights.h5").attrs
        assert float(w["temperature"]) == r["temperature"], (w["temperature"], r["temperature"])
of = [h5py.File(f"{work}/run/members/m00{i}/weights.h5").attrs["temperature"] for i in range(3)]
assert [float(t) for t in of] == [models[f"m00{i}"]["temperature"] for i in range(3)], of
assert read("validation")[0]["hydra"]["conformal"] == {"coverage": None, "mean_size": None}
assert models["member_mean"]["deep_ensemble_equivalent"] == 1
END
check "equivalents, fidelity and corruption follow from the cache and the student's weights" $python - "$work" <<'END'
import h5py, json, numpy as np, sys
work = sys.argv[1]
report = json.load(open(f"{work}/train/report.json"))
models = report["models"]
ids, held = (h5py.File(f"{work}/{s}/predictions.h5")["sample_id"][...] for s in ("train", "validation"))
cache = h5py.File(f"{work}/run/cache/manifest.h5")
z, label = cache["logits"][0].astype(float), cache["label"][...]  # [M][N][K]
softmax = lambda z: np.exp(z - z.max(-1, keepdims=True)) / np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)
p = softmax(z)
def tempered(p, T):
    q = np.maximum(p, 1e-300)**(1 / T)
    return q / q.sum(-1, keepdims=True)
nll = lambda p, y, T: -np.log(tempered(p, T)[np.arange(len(y)), y]).mean()
def calibrated(p):
    low, high, ratio, on = np.log(0.01), np.log(100), (5**0.5 - 1) / 2, lambda s: nll(p[held], label[held], np.exp(s))
    while high - low > 1e-9:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if on(a) < on(b) else (a, high)
    return nll(p[ids], label[ids], np.exp(low))
sizes = [np.mean([calibrated(p[[(w + i) % 3 for i in range(m)]].mean(0)) for w in range(3)]) for m in (1, 2, 3)]
print(sizes, report["ensembles"]["calibrated_nll"])
assert np.allclose(sizes, report["ensembles"]["calibrated_nll"], atol=1e-5)
for m in "hydra", "kd", "endd":
    got, c, s = models[m]["deep_ensemble_equivalent"], models[m]["calibrated_nll"], sizes
    want = 1 if c >= s[0] else next((i + (s[i - 1] - c) / (s[i - 1] - s[i]) for i in (1, 2) if s[i] <= c), 3)
    assert abs(got - want) < 1e-2, (m, got, want)
w = h5py.File(f"{work}/run/student/hydra/weights.h5")
images = lambda name: np.frombuffer(open(f"{work}/data/{name}", "rb").read()[16:], "u1").reshape(-1, 28, 28)
def heads(x):
    x = (x.reshape(len(x), 784) - w["input.mean"][0]) * w["input.scale"][0]
    h = np.maximum(x @ w["body.0.weight"][...].T + w["body.0.bias"][...], 0)
    h = [np.maximum(h @ a.T + b, 0) for a, b in zip(w["heads.0.weight"][...], w["heads.0.bias"][...])]
    return np.stack([g @ a.T + b for g, a, b in zip(h, w["heads.2.weight"][...], w["heads.2.bias"][...])]).astype(float)
q = softmax(heads(images("train-images-idx3-ubyte")[ids]))
kl = (p[:, ids] * np.log(p[:, ids] / q)).sum(-1).mean()
print("fidelity", kl, models["hydra"]["fidelity_kl"])
assert abs(kl - models["hydra"]["fidelity_kl"]) < 1e-4 * kl
assert all(models[m]["fidelity_kl"] is None for m in ("kd", "endd", "ensemble", "member_mean"))
got = json.load(open(f"{work}/test/report.json"))["corruptions"]
assert list(got) == ["noise", "blur", "contrast", "rotation", "shift"]
y = h5py.File(f"{work}/test/predictions.h5")["label"][...]
test = images("t10k-images-idx3-ubyte")
for s in range(1, 6):
    r = softmax(heads(np.roll(test, 2 * s, 2))).mean(0)
    assert abs((r.argmax(1) == y).mean() - got["shift"]["hydra"]["accuracy"][s - 1]) < 0.003
    assert abs(-np.log(r[np.arange(500), y]).mean() - got["shift"]["hydra"]["nll"][s - 1]) < 1e-3
END
check "four tables are printed" test "$(grep -c '^hydra ' "$work/printed")" = 4

# Members' logits of the cache are of the training set alone: of other sets only students have figures.
cp -r "$work/run" "$work/cached" && rm -r "$work/cached/members" "$work/cached/student"
mpi 3 eval "$work/plain.yaml" --run.dir="$work/cached" --eval.split=train --students='[]' || cat "$work/err"
# Their calls were of other rows (cache.block) than the evaluation's: figures differ by rounding, shares by a sample that it moves.
check "an ensemble from its cache alone has the figures of its weights, up to rounding" $python - "$work" <<'END'
import json, numpy as np, sys
a, b = (json.load(open(f"{sys.argv[1]}/{r}/report.json")) for r in ("cached/report/train", "train"))
assert list(a["models"]) == ["member_mean", "ensemble"] and None not in a["ensembles"]["calibrated_nll"]
assert np.allclose(a["ensembles"]["calibrated_nll"], b["ensembles"]["calibrated_nll"], rtol=1e-5)
a, b = a["models"]["ensemble"], b["models"]["ensemble"]
assert a.keys() == b.keys() and a["temperature"] is not None
for key in a.keys() - {"ms_per_sample", "parameters"}:
    # A sample or two may move: by a share of the samples, and in the order of uncertainties.
    share = key == "accuracy" or key.endswith("ece") or isinstance(a[key], dict)
    for u, v in zip(a[key].values(), b[key].values()) if isinstance(a[key], dict) else [(a[key], b[key])]:
        assert u == v or np.isclose(u, v, rtol=1e-5, atol=2 / 1400 if share else 0), (key, u, v)
END
mpi 2 eval "$conf" --run.dir="$work/cached" --eval.split=train --students='[]' || cat "$work/err"
check "and none of other sets" $python - "$work" <<'END'
import json, sys
r = json.load(open(f"{sys.argv[1]}/cached/report/train/report.json"))
assert r["ood"]["noise"]["models"]["ensemble"]["model_uncertainty"]["auroc"] is None
assert r["corruptions"]["noise"]["ensemble"]["accuracy"] == [None] * 5
END

# No validation part: nothing is calibrated, and one line says why.
mpi 2 run "$work/plain.yaml" --run.dir="$work/whole" --data.validation=0 --train.epochs=1 --student.epochs=1 --students='[kd]' ||
    cat "$work/err"
check "without a validation part the reason is said once" \
    test "$(grep -c 'no calibrated figures: they need a validation part (data.validation)' "$work/err")" = 1
check "and the figures are null" grep -q '"kd": .*"temperature": null, "calibrated_nll": null' "$work/whole/report/report.json"
# In calls of the same rows logits have the same bits, whether they come from weights or from the cache.
same_rows=(eval "$work/plain.yaml" --run.dir="$work/whole" --data.validation=0 --train.epochs=1 --students='[]' --eval.split=train --eval.batch=128)
figures() { $python - "$work" <<'END'
import h5py, json, sys
report, f = json.load(open(f"{sys.argv[1]}/whole/report/train/report.json")), h5py.File(f"{sys.argv[1]}/whole/report/train/predictions.h5")
for name in "member_mean", "ensemble":
    print(name, {k: v for k, v in report["models"][name].items() if k not in ("ms_per_sample", "parameters")})
f.visititems(lambda name, at: print(name, hash(at[...].tobytes())) if isinstance(at, h5py.Dataset) else None)
END
}
export PYTHONHASHSEED=1
mpi 2 "${same_rows[@]}" || cat "$work/err"
figures >"$work/of_weights" || bad "figures from weights"
rm -r "$work/whole/members"
mpi 3 "${same_rows[@]}" || cat "$work/err"
figures >"$work/of_cache" || bad "figures from the cache"
check "in calls of the same rows the figures from the cache have the bits of those from weights" \
    cmp "$work/of_weights" "$work/of_cache"

# The time of a sample is that of its products, not of the library's making its kernels for them: 0.5 ms of 500 samples and more.
wide=("$work/plain.yaml" --run.dir="$work/wide" --train.layers='[dense 400, relu, dense 400, relu, dense 10]' --train.epochs=1 --students='[]')
mpi 2 train "${wide[@]}" || cat "$work/err"
for _ in 1 2 3; do mpi 1 eval "${wide[@]}" || cat "$work/err"; awk '$1 == "m000" { print $NF; exit }' "$work/out"; done | sort -g >"$work/times"
check "a network's first call is not timed: $(head -n 1 "$work/times") ms a sample" \
    awk 'NR == 1 { found = $1 < 0.3 } END { exit !found }' "$work/times"

# The table of several runs that differ in their seed: means of ratios, with their range.
check "compare averages over seeds" $python - "$work" "$TRB_BUILD/tribikos" <<'END'
import json, os, re, subprocess, sys
work, program = sys.argv[1:]
config, ratio, dee = open(f"{work}/run/config.yaml").read(), [], []
for run in ("one", "two"):
    r = json.load(open(f"{work}/test/report.json"))
    if run == "two":
        r["models"]["hydra"]["nll"] *= 1.5
        r["models"]["hydra"]["deep_ensemble_equivalent"] += 3
    ratio.append(r["models"]["hydra"]["nll"] / r["models"]["ensemble"]["nll"])
    dee.append(r["models"]["hydra"]["deep_ensemble_equivalent"])
    os.makedirs(f"{work}/{run}/report")
    json.dump(r, open(f"{work}/{run}/report/report.json", "w"))
    open(f"{work}/{run}/config.yaml", "w").write(re.sub("seed: 3$", "seed: 4", config, flags=re.M) if run == "two" else config)
def compare(*runs):
    return subprocess.run([program, "compare", *(f"{work}/{run}" for run in runs)], stdout=subprocess.PIPE, text=True, check=True).stdout
rows = [[c.strip() for c in line.strip("|").split("|")] for line in compare("one", "two").splitlines() if line.startswith("|")]
hydra, kd = (dict(zip(rows[0], next(row for row in rows if row[0] == model))) for model in ("hydra", "kd"))
assert hydra["NLL / ensemble's"] == f"{sum(ratio) / 2:.3f} ({ratio[0]:.3f} to {ratio[1]:.3f})", hydra
assert hydra["DEE"] == f"{sum(dee) / 2:.1f} ({dee[0]:.1f} to {dee[1]:.1f})", hydra
auroc = json.load(open(f"{work}/one/report/report.json"))["ood"]["noise"]["models"]["hydra"]["model_uncertainty"]["auroc"]
assert hydra["AUROC noise"] == f"{auroc:.4f}" and kd["AUROC noise"] == kd["MU"] == "-", (hydra, kd)

# Students of teachers from elsewhere have no ensemble beside them.
for name in "member_mean", "ensemble":
    del r["models"][name]
json.dump(r, open(f"{work}/two/report/report.json", "w"))
row = next(line for line in compare("two").splitlines() if line.startswith("| hydra"))
cells = [c.strip() for c in row.strip("|").split("|")]
assert cells[1:4] == [f"{r['models']['hydra']['accuracy']:.4f}", f"{r['models']['hydra']['nll']:.4f}", "-"], row
END

other=(run "$conf" --run.dir="$work/other")
refused "another shape" 2 'error: ood.noise: ' "${other[@]}" --ood.noise.files='[small, small-labels]'
refused "a missing file" 2 'error: ood.shuffled: ' "${other[@]}" --ood.shuffled.files='[nowhere.h5]'
refused "an unknown corruption" 2 'got `rotatoin`; did you mean `rotation`' "${other[@]}" --eval.corruptions='[rotatoin]'
echo '<html>403 Forbidden</html>' >"$work/data/page"
refused "a web page" 3 'error: ood.noise: ' "${other[@]}" --ood.noise.files='[noise, page]'
check "before anything is trained" test ! -e "$work/other/members"
finish
