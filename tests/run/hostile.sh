# HDF5 files that others made, through h5py: of other shapes and types, with absurd sizes, with links elsewhere. Each is
# refused with exit 3 and a line that names file and object, and before memory is reserved for what it claims.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
cat >"$work/set.yaml" <<END
run: {dir: $work/set}
data: {format: hdf5, root: $work, train: [set.h5]}
members: {count: 2}
train: {layers: [dense 8, relu, dense 3], epochs: 1, batch: 10, lanes: 1}
cache: {shard_rows: 16, block: 8}
students: []
eval: {split: train}
END
$python - "$work" <<'END'
import h5py, numpy as np, sys
with h5py.File(f"{sys.argv[1]}/set.h5", "w") as f:
    f["x"] = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    f["y"] = (np.arange(20) % 3).astype(np.uint8)
END
mpi 1 train "$work/set.yaml" && mpi 1 cache "$work/set.yaml" || cat "$work/err"
check "the sound files are taken" "$TRB_BUILD/tribikos" verify "$work/set/cache"
$python - "$work" "$TRB_BUILD/tribikos" <<'END' | tee "$work/cases"
import h5py, numpy as np, os, resource, shutil, subprocess, sys
work, program = sys.argv[1:]
run = f"{work}/set"
HUGE = (1 << 30, 1 << 20)

def anew(name, *args, **more):
    """Another data set under the same name."""
    def change(f):
        del f[name]
        f.create_dataset(name, *args, **more)
    return change

def attribute(name, value, **more):
    def change(f):
        if name in f.attrs: del f.attrs[name]
        if value is not None: f.attrs.create(name, value, **more)
    return change

def link(name, value):
    def change(f):
        del f[name]
        if value == "group": f.create_group(name)
        elif value == "type": f[name] = np.dtype("<f4")
        elif value == "cycle": f[name] = f["/"]
        elif value is not None: f[name] = value
    return change

def low(name, space, dtype, prepare):
    """A data set by HDF5's own interface, for what h5py would not write."""
    def change(f):
        del f[name]
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        prepare(how)
        h5py.h5d.create(f.id, name.encode(), dtype, h5py.h5s.create_simple(*space), how)
    return change

def virtual(name, shape, dtype, source):
    def change(f):
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(source, name, shape)
        del f[name]
        f.create_virtual_dataset(name, layout)
    return change

def bomb(how):
    how.set_chunk((1 << 14, 1 << 14)); how.set_deflate(1)

def endless(how):
    how.set_external(b"/dev/zero", 0, h5py.h5f.UNLIMITED)

def wide_chunk(f):
    """Two rows in a chunk of a gigabyte that is hardly stored: packed zeros."""
    del f["x"]
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_chunk((1 << 10, 1 << 18)); how.set_deflate(9)
    space = h5py.h5s.create_simple((20, 4), (h5py.h5s.UNLIMITED,) * 2)
    d = h5py.h5d.create(f.id, b"x", h5py.h5t.IEEE_F32LE, space, how)
    d.write_direct_chunk((0, 0), b"\x78\x9c\x03\x00\x00\x00\x00\x01")

f4, u1, u8 = h5py.h5t.IEEE_F32LE, h5py.h5t.STD_U8LE, h5py.h5t.STD_U64LE
x, y = np.zeros((20, 4), np.float32), np.zeros(20, np.uint8)
pair = np.zeros(20, np.dtype([("a", "<f4"), ("b", "<f4")]))
sets = [
    ("x of float64, too large", anew("x", data=x.astype("<f8") + 1e300), "x: value 0 of row 0 is beyond what float32 can hold"),
    ("x of int64, too large", anew("x", data=x.astype("<i8") + (1 << 60)), "x: value 0 of row 0 is beyond 2.53"),
    ("x of 80 bits", anew("x", data=x.astype(np.longdouble)), "data set x holds neither"),
    ("x of texts", anew("x", data=np.full((20, 4), b"1.5")), "data set x holds neither bool, whole numbers nor floats"),
    ("x of str", anew("x", data=[["a"] * 4] * 20, dtype=h5py.string_dtype()), "data set x holds neither bool, whole numbers nor floats"),
    ("x of pairs", anew("x", data=pair), "data set x holds neither bool, whole numbers nor floats"),
    ("x a single number", anew("x", data=np.float32(1)), "data set x has 0 dimensions"),
    ("x of six dimensions", anew("x", data=x.reshape(20, 1, 1, 1, 2, 2)), "data set x has 6 dimensions"),
    ("x empty", anew("x", data=h5py.Empty("<f4")), "data set x"),
    ("x of no rows", anew("x", data=x[:0]), ": x is empty"),
    ("x claims a petabyte", low("x", (HUGE,), f4, lambda how: None), "claims .* bytes of it are stored"),
    ("x claims it in chunks", low("x", (HUGE,), f4, bomb), "claims .* bytes of it are stored"),
    ("x claims chunks of a gigabyte", wide_chunk, "claims chunks that its .* stored bytes cannot fill"),
    ("x lies elsewhere", low("x", ((20, 4),), f4, endless), "is external"),
    ("x is a view of what is gone", virtual("x", (20, 4), "<f4", "gone.h5"), "is virtual"),
    ("x is a view of itself", virtual("x", (20, 4), "<f4", "."), "is virtual"),
    ("x packed by scaling", anew("x", data=x.astype("u1"), scaleoffset=0), r"is packed by filter 6 \(scaleoffset"),
    ("x packed by lzf", anew("x", data=x, compression="lzf"), r"is packed by filter 32000 \(lzf"),
    ("x a group", link("x", "group"), "cannot open data set x"),
    ("x a type", link("x", "type"), "cannot open data set x"),
    ("x the root", link("x", "cycle"), "cannot open data set x"),
    ("x a link to nothing", link("x", h5py.SoftLink("/nowhere")), "data set x"),
    ("x in a file that is gone", link("x", h5py.ExternalLink("gone.h5", "/x")), "data set x"),
    ("x not there", link("x", None), "there is no data set `x` in it; it holds y uint8 .20.; set `data.x`"),
    ("x not finite", anew("x", data=x * np.nan), "x: value 0 of row 0 is not finite"),
    ("y shorter", anew("y", data=y[:19]), ": y: 19 labels, but 20 samples in .*: x"),
    ("y of targets", anew("y", data=x[:, 0] + 0.5), "y: label 0.5 in row 0, expected a whole number"),
    ("y claims a petabyte", low("y", ((1 << 50,),), u1, lambda how: None), "data set y claims"),
    ("y below zero", anew("y", data=y.astype("<i4") - 1), "y: label -1 in row 0"),
]
logits, ids = np.zeros((16, 3), np.float32), np.arange(16)
shard = "cache/v00/m000-s00000.h5"
shards = [
    ("logits of float64", anew("logits", data=logits.astype("<f8")), "logits is float64"),
    ("logits of integers", anew("logits", data=logits.astype("<i4")), "logits is int32"),
    ("logits turned round", anew("logits", data=logits.T), r"logits is float32 \[3\]\[16\], expected"),
    ("logits of more outputs", anew("logits", data=np.zeros((16, 4), "<f4")), r"is float32 \[16\]\[4\], expected"),
    ("logits claim a petabyte", low("logits", (HUGE,), f4, bomb), "claims .* bytes of it are stored"),
    ("logits are a view", virtual("logits", (16, 3), "<f4", "."), "is virtual"),
    ("logits not finite", anew("logits", data=logits + np.inf), "output 0 of sample 0 is not finite"),
    ("ids of int32", anew("sample_id", data=ids.astype("<i4")), "logits and sample_id do not have"),
    ("other ids", anew("sample_id", data=ids + 1), "sample_id does not run from first_row upwards"),
    ("a number of int64", attribute("rows", 16, dtype="<i8"), "attribute rows is no uint64"),
    ("two numbers", attribute("rows", [16, 16], dtype="<u8"), "attribute rows is no single value"),
    ("absurd rows", attribute("rows", (1 << 64) - 1, dtype="<u8"), "rows is 18446744073709551615, expected 16"),
    ("no digest", attribute("payload_digest", None), "no attribute payload_digest"),
    ("a text where a number belongs", attribute("member", b"0"), "attribute member is no uint64"),
    ("a number where a text belongs", attribute("format", 1, dtype="<u8"), "attribute format is no text"),
    ("another format", attribute("format", np.bytes_("tribikos weights")), "its format is not"),
]
manifest = "cache/manifest.h5"
manifests = [
    ("absurd samples", attribute("samples", 1 << 60, dtype="<u8"), "impossibly large|expected"),
    ("many samples", attribute("samples", 1 << 40, dtype="<u8"), r"is uint64 \[4\], expected"),
    ("many views", attribute("views", 1000, dtype="<u8"), "no attribute view_01_seed"),
    ("absurd views", attribute("views", 1 << 50, dtype="<u8"), "more than 1000 views"),
    ("absurd outputs", attribute("outputs", (1 << 64) - 1, dtype="<u8"), "impossibly large"),
    ("no block", attribute("block", 0, dtype="<u8"), "block or shard_rows is 0"),
    ("a table that claims a petabyte", low("shard/member", ((1 << 47,),), u8, lambda how: None), "claims"),
    ("labels of uint8", anew("label", data=y), r"data set label is uint8 \[20\], expected int32 \[20\]"),
    ("labels beyond the outputs", anew("label", data=np.full(20, 3, "<i4")), "label 0 is 3, expected 0 to 2"),
    ("other labels", anew("label", data=np.zeros(20, "<i4")), "its digest is"),
    ("digests as a table", anew("member_digest", data=np.zeros((2, 1), "<u8")), "expected uint64"),
    ("a recipe that is too long", attribute("view_00_recipe", np.bytes_("x" * 5000)), "is longer than 255 bytes"),
    ("a task of its own", attribute("task", np.bytes_("poetry")), 'task is "poetry"'),
]
weights = "members/m000/weights.h5"
tensor = np.zeros((8, 4), np.float32)
files = [
    ("a layer of a billion units", attribute("layers", np.bytes_("dense 999999999, relu, dense 3")), "layers|expected"),
    ("layers of a million units", attribute("layers", np.bytes_("dense 999999, dense 999999")), "layers|expected"),
    ("no network", attribute("layers", np.bytes_("pour tea")), "its layers do not make a network"),
    ("absurd inputs", attribute("input_c", 1 << 40, dtype="<u8"), "input_c is 1099511627776"),
    ("many heads", attribute("heads", (1 << 20) - 1, dtype="<u8"), "expected|heads"),
    ("a text of 17 MiB", attribute("config", np.bytes_("x" * (17 << 20))), "attribute config claims a text of"),
    ("a tensor of float64", anew("body.0.weight", data=tensor.astype("<f8")), "body.0.weight is float64"),
    ("a tensor turned round", anew("body.0.weight", data=tensor.T), r"float32 \[4\]\[8\], expected float32 \[8\]\[4\]"),
    ("a tensor that claims a petabyte", low("body.0.weight", (HUGE,), f4, lambda how: None), "claims"),
    ("a tensor elsewhere", link("body.0.weight", h5py.ExternalLink("/dev/zero", "/x")), "body.0.weight"),
    ("another tensor", lambda f: f.create_dataset("body.9.weight", data=tensor), "holds a tensor body.9.weight"),
    ("no tensor", link("body.2.bias", None), "there is no data set body.2.bias"),
    ("values that are not finite", anew("body.0.weight", data=tensor * np.nan), "is not finite"),
    ("other values", anew("body.0.weight", data=tensor), "its digest is"),
]

import re
def walk(kind, path, cases, command):
    good = open(path, "rb").read()
    for what, change, line in cases:
        with h5py.File(path, "r+", libver=("v110", "v110")) as f: change(f)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        p = subprocess.run([program, *command], capture_output=True, text=True, timeout=120)
        said = p.stdout + p.stderr
        ok = p.returncode == 3 and os.path.basename(path) in said and re.search(line, said)
        print(f"{'ok' if ok else 'FAILED'}: {kind}: {what}{'' if ok else f': exit {p.returncode}: {said}'}")
        open(path, "wb").write(good)

walk("data set", f"{work}/set.h5", sets, ["train", f"{work}/set.yaml", f"--run.dir={work}/none"])
walk("shard", f"{run}/{shard}", shards, ["verify", f"{run}/cache"])
walk("manifest", f"{run}/{manifest}", manifests, ["verify", f"{run}/cache"])
walk("weights", f"{run}/{weights}", files, ["info", f"{run}/{weights}"])
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{'ok' if most < 512 else 'FAILED'}: the most memory that any of them took: {most:.0f} MiB")
END
passed=$((passed + $(grep -c '^ok' "$work/cases"))) failed=$((failed + $(grep -c '^FAILED' "$work/cases")))
finish
