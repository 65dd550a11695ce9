# The cache as h5py users meet it: tools/python/cache_write.py and the program agree on the format, both ways.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
$python -c 'import xxhash' 2>/dev/null || skip "python3-xxhash is not installed"
export PYTHONPATH=$TRB_SOURCE/tools/python
write() { $python "$TRB_SOURCE/tools/python/cache_write.py" "$@"; }
# status WANTED COMMAND...: the command exits with this status.
status() { local wanted=$1; shift; "$@" >"$work/out" 2>"$work/err"; [ $? = "$wanted" ] || { cat "$work/err"; false; }; }

$python - "$work" <<'END'
import sys
import numpy as np
rng = np.random.default_rng(7)
x = rng.integers(0, 256, (1000, 12), dtype=np.uint8)
logits = rng.normal(0, 4, (2, 3, 1000, 5)).astype(np.float32)
y = logits[0, 0].argmax(1)  # teachers that are never right are refused
for name, values in (("x", x), ("y", y), ("views", logits), ("one", logits[0]), ("target", rng.normal(size=1000)),
                     ("pairs", rng.normal(size=(3, 1000, 2)))):
    np.save(f"{sys.argv[1]}/{name}.npy", values)
logits[1, 2, 345, 1] = np.nan
np.save(f"{sys.argv[1]}/nan.npy", logits)
logits[1, 2, 345, 1] = 1e5
np.save(f"{sys.argv[1]}/large.npy", logits)
END
cd "$work" || exit 1

# Ours is the judge of theirs.
for dtype in float32 float16; do
    for deflate in 0 1; do
        check "views, $dtype, deflate $deflate: written" write --logits views.npy --x x.npy --y y.npy --dtype $dtype \
            --deflate $deflate --view identity 0 --view "mixup 0.5" 9 --block 64 --shard-rows 256 "from-$dtype-$deflate"
        check "views, $dtype, deflate $deflate: verified" status 0 tribikos verify "from-$dtype-$deflate"
    done
done
check "one shard smaller than a block" write --logits one.npy --x x.npy --y y.npy --block 4096 single
check "is verified" status 0 tribikos verify single
check "regression" write --logits pairs.npy --x x.npy --y target.npy --task regression regression
check "is verified" status 0 tribikos verify regression
check "a logit that is not finite is refused" status 1 write --logits nan.npy --x x.npy --y y.npy --view identity 0 --view "crop 4" 1 nan
check "with member, view and sample" grep -q "member 2, view 1: sample 345 is not finite" err
check "and no manifest" test ! -e nan/manifest.h5
check "view 0 is the sample itself" status 1 write --logits views.npy --x x.npy --y y.npy --view flip 0 --view flip 1 no
check "a recipe is checked" status 1 write --logits views.npy --x x.npy --y y.npy --view identity 0 --view "crap 4" 1 no
check "with what is expected" grep -qF '`crap 4` in [crap 4]: expected' err
check "beyond float16" status 1 write --logits large.npy --x x.npy --y y.npy --view identity 0 --view "crop 4" 1 --dtype float16 large

check "views are named and made as the program does, and refused as it would" $python - <<'END'
import h5py
import numpy as np
from cache_write import data_digest, view_text, write_cache
from views import canonical, rows
def refused(why, call, *args, **options):
    try:
        call(*args, **options)
    except ValueError as error:
        assert why in str(error), error
    else:
        raise AssertionError(f"not refused: {why}")
for recipe in ("crop", "crop 0", "crop 10000", "flip 1", "cutout 8.5", "mixup 0", "mixup 1e-1", "mixup 1000.5", "flip, crop 4",
               "flip, flip", "crop 4,", "blur 3", "identity", "gaussian 3, ods 3", "zoom 1", "ods 3 0", "rotate 181", "shift 1.1234567"):
    refused("expected at most one of each kind, in the order crop 4, flip, rotate 15, zoom 0.1, shift 1.5, cutout 8", canonical, recipe)
assert canonical(" crop  04,flip , cutout 8,mixup 0.20") == "crop 4, flip, cutout 8, mixup 0.2" and canonical("") == ""
assert canonical("rotate 5.50,ods 3 2.0") == "rotate 5.5, ods 3 2" and canonical("confods 8.0 1") == "confods 8"
assert view_text("crop 4", [1.0], 100, 3) == "crop 4" and view_text("mixup 0.2", None, 0, 3) == "mixup 0.2"
refused("needs mean", view_text, "cutout 8")
refused("needs scale", view_text, "ods 8", [1.0])
x = np.arange(10 * 36, dtype="u2").astype("u1").reshape(10, 6, 6)
refused("need mean and scale", rows, x, [1], 1, "cutout 3", 5)
refused("need mean and scale", rows, x, [1], 1, "cutout 3", 5, mean=1)
refused("mixup needs train", rows, x, [1], 1, "mixup 0.2", 5)
# Beta(A, A) of small A is 0 or 1: each sample stays itself, or becomes its partner.
mixed = rows(x, range(10), 1, "mixup 0.0001", 5, train=np.array([0]))[:, 0]
kinds = ["itself" if (m == i).all() else "partner" if (m == x[0]).all() else "?" for m, i in zip(mixed, x)]
assert set(kinds) == {"itself", "partner"}, kinds
logits, y = np.random.default_rng(3).normal(size=(3, 2, 10, 2)).astype("f4"), np.zeros(10, int)
def write(*views):
    write_cache("named", logits, y, data_digest(x, y), views=[("identity", 0), *views])
refused("several seeds, expected one", write, ("flip", 1), ("flip", 2))
refused("expected those with ods or confods", write, ("flip", 1), ("ods 8, mean 0123456789abcdef, scale 0123456789abcdef", 1))
for text in ("cutout 8", "crop 1, mean 0123456789abcdef", "crop 1, without 3 by seed 4", ""):
    refused("is not what view_text() gives", write, (text, 1), (text, 1))
write(("crop 4,flip", 7), ("crop 04, flip", 7))
assert h5py.File("named/manifest.h5").attrs["view_02_recipe"] == b"crop 4, flip"
assert h5py.File("named/v01/m000-s00000.h5").attrs["view_recipe"] == b"crop 4, flip"
END
check "and the program takes them" status 0 tribikos verify named

# Values far from zero, in the training set and, less the offsets of that, in the test set.
$python - <<'END'
import numpy as np
rng = np.random.default_rng(5)
for name, n in ("far", 300), ("far-test", 100):
    y = rng.integers(0, 3, n)
    np.save(f"{name}.npy", np.c_[1.6e9 + y + rng.normal(0, .1, n), rng.normal(size=(n, 2))])
    np.save(f"{name}-y.npy", y)
    np.save(f"{name}-logits.npy", (4 * np.eye(3)[y] + rng.normal(size=(2, n, 3))).astype("f4"))
    target = 5e8 + y + rng.normal(0, .1, n)
    np.save(f"{name}-target.npy", target)
    np.save(f"{name}-pairs.npy", np.stack([(target - 5e8 + rng.normal(0, .1, (2, n)) - 1) / .8, np.full((2, n), -4.)], -1).astype("f4"))
END
cat >far.yaml <<'END'
run: {dir: far}
data: {format: npy, root: ., train: [far.npy, far-y.npy], test: [far-test.npy, far-test-y.npy]}
members: {count: 2}
students: [kd]
student: {layers: [dense 8, relu, dense 3], epochs: 2, batch: 60}
END
check "values far from zero: written" write --logits far-logits.npy --x far.npy --y far-y.npy \
    --test far-test-logits.npy far-test.npy far-test-y.npy far/cache
check "a student learns from it" status 0 tribikos distill far.yaml
check "and is compared with its ensemble" status 0 tribikos eval far.yaml
check "which is there" grep -q '^ensemble' out || cat out err
check "targets far from zero: written" write --task regression --logits far-pairs.npy --x far.npy --y far-target.npy \
    --test far-test-pairs.npy far-test.npy far-test-target.npy away/cache
regression=(far.yaml --run.dir=away --data.task=regression '--data.train=[far.npy, far-target.npy]' '--data.test=[far-test.npy, far-test-target.npy]'
    '--student.layers=[dense 8, relu, dense 2]')
check "a student learns from them" status 0 tribikos distill "${regression[@]}"
check "and is compared with its ensemble" status 0 tribikos eval "${regression[@]}"
check "whose error is that of the teachers" awk '$1 == "ensemble" && !rows++ { found = $2 > 0.03 && $2 < 0.3 } END { exit !found }' out || cat out
check "without labels: written" write --no-labels --logits far-logits.npy --x far.npy free/cache
check "a student learns from it" status 0 tribikos distill far.yaml --run.dir=free '--data.train=[far.npy]'

# Changed by other hands, it is refused.
$python - <<'END'
import h5py
with h5py.File("from-float32-0/v01/m002-s00001.h5", "r+") as f:
    f["logits"][17, 3] += 1
with h5py.File("from-float32-1/manifest.h5", "r+") as f:
    f["label"][5] = (f["label"][5] + 1) % 5
END
check "a changed logit is found" status 3 tribikos verify from-float32-0
check "and the shard named" grep -q "v01/m002-s00001.h5: payload_digest is" out
check "a changed label is found" status 3 tribikos verify from-float32-1
check "and the manifest named" grep -q "manifest.h5" err

# Theirs reads ours: shards, attributes, the virtual data set, and every digest by the manual page.
for stage in train cache; do
    tribikos $stage small.yaml >out 2>err || { cat err; bad "$stage"; finish; }
done
check "h5py and numpy read a cache of ours" $python - run/cache data <<'END'
import sys
import h5py
import numpy as np
from cache_write import data_digest, digest
cache, data = sys.argv[1:]
x = np.fromfile(f"{data}/train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
y = np.fromfile(f"{data}/train-labels-idx1-ubyte", np.uint8)[8:]
with h5py.File(f"{cache}/manifest.h5") as f:
    a = {name: value.decode() if isinstance(value, bytes) else value for name, value in f.attrs.items()}
    V, M, N, K = f["logits"].shape
    assert f["logits"].is_virtual and f["logits"].dtype == a["dtype"]
    assert (V, M, N, K) == (a["views"], a["members"], a["samples"], a["outputs"]) and len(x) == N
    assert a["format"] == "tribikos cache" and a["version"] == 1 and a["data_digest"] == data_digest(x, y)
    assert np.array_equal(f["label"][:], y)
    columns = [f["shard/" + name][:] for name in ("member", "view", "first_row", "rows", "payload_digest")]
    sizes = [a[name] for name in ("samples", "outputs", "members", "views", "block", "shard_rows", "data_digest")]
    recipes = [a[f"view_{v:02d}_{part}"] for v in range(V) for part in ("recipe", "seed")]
    assert a["digest"] == digest(a["task"], a["dtype"], *sizes, *recipes, *columns, f["member_digest"][:], f["label"][:])
    for member, view, first, rows, payload in np.array(columns).T:
        with h5py.File(f"{cache}/v{view:02d}/m{member:03d}-s{first // a['shard_rows']:05d}.h5") as s:
            logits, ids = s["logits"][:], s["sample_id"][:]
            assert s["logits"].fletcher32 and s["logits"].chunks[0] == min(a["block"], rows)
            assert np.array_equal(f["logits"][view, member, first:first + rows], logits)
            assert np.isfinite(logits).all() and np.array_equal(ids, np.arange(first, first + rows))
            assert payload == s.attrs["payload_digest"] == digest(logits, ids)
            assert s.attrs["member_digest"] == f["member_digest"][member]
    print(f"{len(columns[0])} shards, logits {(V, M, N, K)} {a['dtype']}")
END

# What the members were shown when the views were cached: the pixels by the manual page, put through their weights by numpy.
recipe="crop 3, flip, cutout 6, mixup 0.4"
moved="crop 2, flip, rotate 25, zoom 0.2, shift 2.5, cutout 4, mixup 0.4, gaussian 12.5"
for stage in train cache; do
    tribikos $stage small.yaml --run.dir=views --cache.views=4 --cache.view_recipes="[\"$recipe\", \"$moved\"]" --cache.view_seed=11 >out 2>err ||
        { cat err; bad "$stage"; finish; }
done
check "the views of tools/python/views.py give the cached logits" $python - views data "$recipe" "$moved" <<'END'
import sys
import h5py
import numpy as np
from cache_write import view_text
from views import rows, split
run, data, recipe, moved = sys.argv[1:]
x = np.fromfile(f"{data}/train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
train = split(3, len(x), 100)
ids = np.r_[0:40, 1460:1500]
with h5py.File(f"{run}/cache/manifest.h5") as f:
    cached, recipes = f["logits"][:], [f.attrs[f"view_{v:02d}_recipe"].decode() for v in range(4)]
mean = np.float32(x[train].mean())
own = [view_text(r, mean, 100, 3) for r in (recipe, moved)]
assert recipes == ["identity", own[0], own[1], own[0]] and "mean" in recipes[1], recipes
for m, layers in ((0, ("body.0", "body.3", "body.5")), (1, ("body.0", "body.2"))):
    with h5py.File(f"{run}/members/m{m:03d}/weights.h5") as f:
        assert f["input.mean"][:] == mean
        scale = f["input.scale"][:]
        weights = [(f[f"{layer}.weight"][:], f[f"{layer}.bias"][:]) for layer in layers]
    for v in range(4):
        h = rows(x, ids, v, moved if v == 2 else recipe, 11, mean, scale, train).reshape(len(ids), -1).astype("f8")
        for i, (weight, bias) in enumerate(weights):
            h = h if i == 0 else np.maximum(h, 0) if m == 0 else np.tanh(h)
            h = h @ weight.T + bias
        error = np.abs(h - cached[v, m, ids]).max()
        assert error < 1e-4, (m, v, error)
        if v:
            assert np.abs(h - cached[0, m, ids]).max() > 0.1
END
finish
