# tribikos export --format=onnx: ONNX Runtime gives the library's predictions, for every kind of layer, preset and task, rank-one
# heads, spread, Dirichlet students and whole ensembles; onnx.checker accepts the files.
. "$(dirname "$0")/lib.bash"
[ -e "$TRB_BUILD/libtribikos.so" ] || skip "this build has no library"
# Another Python may have ONNX Runtime: TRB_ONNX_PYTHON is a command that sees the same folders.
onnx=${TRB_ONNX_PYTHON:-$python}
{ $onnx -c 'import onnx' && $onnx -c 'import onnxruntime, numpy'; } 2>/dev/null || skip "python3-onnx and python3-onnxruntime are not installed"
cd "$work" || exit 1
"$TRB_BUILD/tests/networks" . >list || { bad "networks"; finish; }
write() { tribikos export "$@" >out 2>err; }
wrong=0
while read -r name _; do write $name.h5 --format=onnx --output=$name.onnx || { cat err; wrong=1; }; done <list
check "all networks are exported" test $wrong = 0 -a "$(ls ./*.onnx | wc -l)" -ge 20 -a "$(ls ./*.json | wc -l)" -ge 20
check "nothing is said" test ! -s out -a ! -s err
# Three members, one of them with other layers.
mpi 1 train "$work/small.yaml" --train.epochs=1 || { cat err; bad "training"; finish; }
write run/members/m*/weights.h5 --format onnx --output members.onnx
check "members become one file" test -s members.onnx
PYTHONPATH=$TRB_SOURCE/tools/python TRIBIKOS_LIBRARY=$TRB_BUILD/libtribikos.so $python - <<'END' || bad "the library's predictions"
import glob, numpy as np
from tribikos import Model
rng = np.random.default_rng(5)
for line in open("list"):
    name, *shape = line.split()
    c, h, w = map(int, shape)
    x = rng.uniform(0, 255, (256, c, h, w))
    x = x + 1.6e9 if name.startswith("far") else x.astype("f4")
    rows = {}
    with Model(f"{name}.h5", 256) as model:
        for n in 1, 7, 256:
            rows.update({f"{k}.{n}": v for k, v in model.predict(x[:n]).items()})
    np.savez(f"{name}.npz", x=x if h * w > 1 else x.reshape(256, c), **rows)
x = rng.uniform(0, 255, (256, 1, 28, 28)).astype("f4")
rows = {}
models = [Model(path) for path in sorted(glob.glob("run/members/m*/weights.h5"))]
for n in 1, 7, 256:
    z = np.concatenate([m.predict(x[:n])["logits"] for m in models], 1).astype("f8")
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    p = np.exp(log_p).mean(1)
    rows[f"logits.{n}"], rows[f"probabilities.{n}"] = z, p
    rows[f"total_uncertainty.{n}"] = -(p * np.log(p)).sum(-1)
    rows[f"model_uncertainty.{n}"] = rows[f"total_uncertainty.{n}"] + (np.exp(log_p) * log_p).sum(-1).mean(-1)
np.savez("members.npz", x=x, **rows)
END
cat >accept.py <<'END'
import json, sys
import onnx
for name in sys.argv[1:]:
    model = onnx.load(f"{name}.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17
    said = {p.key: p.value for p in model.metadata_props}
    assert json.loads(said["description"]) == json.load(open(f"{name}.json")), name
    assert all(said[key] for key in (("layers.2", "config.0", "digest.1", "program.0") if name == "members" else ("layers", "digest"))), name
END
# What both libraries say when one process loads them is not ours, so each has its own.
cat >compare.py <<'END'
import json, sys
import numpy as np, onnxruntime
name = sys.argv[1]
said = json.load(open(f"{name}.json"))
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(f"{name}.onnx", options, providers=["CPUExecutionProvider"])
assert [(p.name, p.type, [d if isinstance(d, int) else "N" for d in p.shape]) for p in session.get_inputs() + session.get_outputs()] == \
    [(p["name"], {"float32": "tensor(float)", "float64": "tensor(double)"}[p["type"]], p["shape"]) for p in said["inputs"] + said["outputs"]]
types = {p["name"]: p["type"] for p in said["inputs"] + said["outputs"]}
assert all(p["unit"] and p["meaning"] for p in said["inputs"] + said["outputs"])
expected = np.load(f"{name}.npz")
worst = {}
for n in 1, 7, 256:
    outputs = [o.name for o in session.get_outputs()]
    for what, got in zip(outputs, session.run(outputs, {"x": expected["x"][:n]})):
        want = expected[f"{what}.{n}"]
        assert got.shape == want.shape and got.dtype == types[what], (what, got.shape, want.shape)
        off = abs(got.astype("f8") - want)
        # Logits differ in the last bits of float32, as the kernels' sums do; a difference of heads shows that more than they do.
        limit = {"logits": 1e-4 * np.maximum(1, abs(want)), "probabilities": 1e-5}.get(what, 1e-4 * abs(want) + 1e-6)
        if name == "far_numbers" and what == "mean":
            limit = 1e-4 * abs(want - 1.7e9) + 1e-3  # float32 would be off by 64
        worst[what] = max(worst.get(what, 0), (off / limit).max())
print(name, {k: float(f"{v:.2g}") for k, v in worst.items()})
assert max(worst.values()) <= 1, worst
END
names="$(cut -d' ' -f1 list) members"
check "onnx.checker accepts all" $onnx accept.py $names 2>err || grep -v '^Schema error\|^$' err
for name in $names; do check "$name" $onnx compare.py $name 2>err || grep -v '^Schema error\|^$' err; done

finish
