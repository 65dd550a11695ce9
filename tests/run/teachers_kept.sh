# How much of an ensemble from elsewhere did a student keep? The teachers' logits of test sets lie below the cache, and eval takes
# them in the place of networks.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
export PYTHONPATH=$TRB_SOURCE/tools/python PYTHONDONTWRITEBYTECODE=1
cd "$work" || exit 1
$python - <<'END'
import h5py
import numpy as np
with h5py.File("noise.h5", "w") as f:
    f["x"] = np.random.default_rng(1).integers(0, 256, (200, 28, 28), dtype=np.uint8)
END
cat >>small.yaml <<'END'
eval: {ood: [noise]}
ood: {noise: {format: hdf5, files: [noise.h5], root: .}}
END
mpi 2 run small.yaml --run.dir=run || cat err
cp run/report/report.json networks.json
rm -rf run/report
cp -r run theirs && rm -r theirs/members

# The members' logits of both sets, by numpy.
$python - <<'END'
import h5py
import numpy as np
images = lambda stem: np.fromfile(f"data/{stem}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
labels = lambda stem: np.fromfile(f"data/{stem}-labels-idx1-ubyte", np.uint8, offset=8)
def says(m, x):
    with h5py.File(f"run/members/m{m:03d}/weights.h5") as f:
        h = (x.reshape(len(x), -1).astype("f8") - f["input.mean"][:]) * f["input.scale"][:]
        for i, layer in enumerate(("body.0", "body.2") if m == 1 else ("body.0", "body.3", "body.5")):
            h = h if i == 0 else np.tanh(h) if m == 1 else np.maximum(h, 0)
            h = h @ f[f"{layer}.weight"][:].T.astype("f8") + f[f"{layer}.bias"][:]
    return h.astype("f4")
for name, x in ("test", images("t10k")), ("noise", h5py.File("noise.h5")["x"][:]):
    np.save(f"{name}_x.npy", x)
    np.save(f"{name}_logits.npy", np.stack([says(m, x) for m in range(3)]))
np.save("test_y.npy", labels("t10k"))
END
mpi 2 eval small.yaml --run.dir=theirs || cat err
check "without logits of the test set students alone are evaluated" test "$(grep -cE '^(ensemble|member_mean)' out)" = 0
check "and it is said what lacks" grep -q 'theirs/members lacks weights of all members, and theirs/cache/eval has no logits of them for test' err

# Sets below the cache that is there: the same members, by their digests.
cat >sets.py <<'END'
import sys
import h5py
import numpy as np
from cache_write import data_digest, set_folder, write_set
cache, members = sys.argv[1], [int(n) for n in sys.argv[2:]]
members = members or list(h5py.File(f"{cache}/manifest.h5")["member_digest"][:])
load = lambda name: np.load(f"{name}.npy")
for name, y in ("test", load("test_y")), ("noise", None):
    write_set(set_folder(cache, name), name, load(f"{name}_logits"), y, data_digest(load(f"{name}_x"), y), "classes", members, "float32", 64,
              128, 0, False, None)
END
$python sets.py theirs/cache
check "they verify" tribikos verify theirs/cache/eval/test
check "a set out of distribution has no labels" test "$(tribikos verify theirs/cache/eval/noise 2>&1 | grep -c 'no labels: all good')" = 1
for n in 1 2 3; do
    mpi $n eval small.yaml --run.dir=theirs || cat err
    digest theirs >"digest$n"
done
check "the ensemble is evaluated: $(grep '^ensemble' out)" grep -q '^ensemble ' out
check "it is said where its logits come from" grep -q "the members' logits of noise are those of theirs/cache/eval/noise" err
for n in 2 3; do check "the same bits on 1 and $n ranks" cmp digest1 digest$n; done
check "the figures are those of the networks" $python - <<'END'
import json
import h5py
networks, kept = (json.load(open(path)) for path in ("networks.json", "theirs/report/report.json"))
rows = 0
for name, figures in kept["models"].items():
    for key, value in figures.items():
        # Logits of numpy differ by some 1e-6; in a calibration error that may move a row into another bin.
        known = networks["models"][name][key]
        if key in ("ms_per_sample", "params") or "ece" in key or value is None or known is None:
            continue
        if isinstance(value, dict):  # a row may move in an order, or into a prediction set
            assert all(known[k] is v is None or abs(known[k] - v) < 5e-3 for k, v in value.items()), (name, key, known, value)
            continue
        assert abs(value - known) <= 1e-4 * max(1, abs(known)), (name, key, known, value)
        rows += 1
for name, scores in networks["ood"]["noise"]["models"].items():
    for score, figures in scores.items() if name in kept["models"] else ():
        for key, value in figures.items():
            assert value is None or abs(kept["ood"]["noise"]["models"][name][score][key] - value) < 1e-3, (name, score, key)
            rows += value is not None
assert all(abs(a - b) < 1e-4 for a, b in zip(networks["ensembles"]["calibrated_nll"], kept["ensembles"]["calibrated_nll"]))
assert {"member_mean", "ensemble", "hydra", "kd"} <= set(kept["models"])
assert kept["models"]["hydra"]["mu_ratio"] > 0 and kept["models"]["hydra"]["fidelity_kl"] > 0
assert h5py.File("theirs/report/predictions.h5")["ensemble"].shape == (500, 10)
print(rows, "figures compared")
assert rows > 60
END

# What is not of these members or samples, is damaged, or is no set at all.
mv theirs/cache/eval/test theirs/cache/eval/other
tribikos eval small.yaml --run.dir=theirs >out 2>err
check "a set is found by its samples, whatever its name is" grep -q '^ensemble ' out
$python - <<'END'
import h5py
with h5py.File("theirs/cache/eval/other/v00/m001-s00002.h5", "r+") as f:
    f["logits"][17, 3] += 1
END
refused "a damaged shard" 3 "eval/other/v00/m001-s00002.h5: payload_digest is" eval small.yaml --run.dir=theirs
rm -r theirs/cache/eval/other
$python sets.py theirs/cache 1 2 3
refused "logits of other members" 3 "these are two networks" eval small.yaml --run.dir=theirs
rm theirs/cache/eval/test/manifest.h5
mpi 2 eval small.yaml --run.dir=theirs
check "a set that is not finished is not taken" test $? = 0 -a "$(grep -c '^ensemble' out)" = 0

finish
