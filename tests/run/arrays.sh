# Arrays as other programs write them: NumPy's npy and npz, h5py's HDF5 and a NetCDF-4 file, of all types, orders and layouts.
# The digest of what was read is compared with NumPy's. Packed files, patterns, sets without labels, and what is refused.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
cd "$work"
cat >set.yaml <<'END_OF_SET'
run: {dir: run}
data: {root: ., normalize: none}
members: {count: 1}
train: {layers: [dense 3], epochs: 1, batch: 8, lanes: 1, optimizer: sgd, lr: 1e-9}
students: []
eval: {split: train}
END_OF_SET
PYTHONDONTWRITEBYTECODE=1 $python - "$TRB_BUILD/tribikos" "$TRB_SOURCE" <<'END' | tee cases
import gzip, h5py, lzma, numpy as np, re, shutil, subprocess, sys, xxhash
rng = np.random.default_rng(1)
N = 24
x = rng.integers(0, 100, (N, 6)).astype("u1")
image = rng.integers(0, 100, (N, 8, 8, 3)).astype("u1")
y = np.arange(N) % 3
one_hot = np.eye(3)[y]

def digest(x, y):
    x = x if x.dtype == np.uint8 else x.astype("<f4")
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(x).tobytes() + np.asarray(y).astype("<i4").tobytes())

def train(files, *flags):
    shutil.rmtree("run", ignore_errors=True)
    r = subprocess.run([sys.argv[1], "train", "set.yaml", f"--data.train={files}", *flags], capture_output=True, text=True)
    if r.returncode != 0:
        return r.returncode, r.stderr
    with h5py.File("run/members/m000/weights.h5") as f:
        config = f.attrs["config"]
    return 0, re.search(r"data_digest: (\w+)", config.decode() if isinstance(config, bytes) else config)[1] + r.stderr

def same(what, wanted, files, *flags, words=""):
    status, said = train(files, *flags)
    good = status == 0 and said.startswith(wanted) and words in said
    print(("ok: " if good else "FAILED: ") + what + ("" if good else f": {status} {said}, expected {wanted} {words}"))

def refused(what, words, files, *flags):
    status, said = train(files, *flags)
    good = status in (2, 3) and said.count("error: ") == 1 and re.search(words, said)
    print(("ok: " if good else "FAILED: ") + what + ("" if good else f": {status} {said}"))

npy = "--data.format=npy"
np.save("y.npy", y)
for kind in ">i2", "<u4", "<f2", ">f8", "?":
    v = (x % 2).astype(kind) if kind == "?" else x.astype(kind)
    np.save("x.npy", v)
    same(f"npy of {v.dtype}", digest(v.astype("f4"), y), "[x.npy, y.npy]", npy)
np.save("x.npy", np.asfortranarray(image))
same("npy in Fortran's order, channels last", digest(image.transpose(0, 3, 1, 2), y), "[x.npy, y.npy]", npy,
     words="./x.npy: [24][8][8][3] are taken for images of 8 x 8 pixels with the 3 channels last")
same("as it says, without a word", digest(image, y), "[x.npy, y.npy]", npy, "--data.layout=nchw")
for name, save in ("stored", np.savez), ("deflated", np.savez_compressed):
    save("a.npz", labels=one_hot, y=y, x=x, images=image[:, :, :, 0])
    same(f"npz, {name}", digest(x, y), "[a.npz]", npy)
    same(f"npz, {name}, by names", digest(image[:, :, :, 0], y), "[a.npz]", npy, "--data.x=images", "--data.y=labels")
    whole = open("a.npz", "rb").read()
    at = whole.find(x.tobytes()) # in the samples; where they are packed, in the labels
    at = at if at > 0 else whole.index(b"PK\3\4", 40) - 20
    open("b.npz", "wb").write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
    refused(f"npz, {name}, damaged", "damaged", "[b.npz]", npy, "--data.y=labels")
refused("npz without that name", "there is no array `X` in it; it holds labels, y, x, images; set `data.x`", "[a.npz]", npy, "--data.x=X")
open("b.npz", "wb").write(whole[:-30])
refused("npz, truncated", "its list of contents is missing", "[b.npz]", npy)
np.save("x.npy", np.array([{}] * N, dtype=object))
refused("npy of objects", "Python objects .a pickle.", "[x.npy, y.npy]", npy)

def h5(name="a.h5", **sets):
    with h5py.File(name, "w") as f:
        for key, value in sets.items():
            f.create_dataset(key, data=value)
hdf5 = "--data.format=hdf5"
for kind in "i1", ">u2", "i8", "f2", ">f4", "f8", "?":
    v = (x % 2).astype(kind) if kind == "?" else x.astype(kind)
    h5(x=v, y=y.astype("u2"))
    same(f"HDF5 of {v.dtype}", digest(v.astype("f4"), y), "[a.h5]", hdf5)
h5(inputs=x, labels=one_hot[:, None][:, 0], y=y.reshape(-1, 1).astype("f8"))
same("HDF5 by names, one-hot", digest(x, y), "[a.h5]", hdf5, "--data.x=inputs", "--data.y=labels")
same("HDF5, labels [N][1] of floats", digest(x, y), "[a.h5]", hdf5, "--data.x=/inputs")
refused("HDF5 without x", "there is no data set `x` in it; it holds inputs uint8 .24..6., labels float64 .24..3., y float64 .24..1.; "
        "set `data.x` to one of them, perhaps `inputs`", "[a.h5]", hdf5)
with h5py.File("n.nc", "w") as f: # as the NetCDF-4 library does it: dimensions as scales, an unlimited one, chunks, filters
    row, column = f.create_dataset("row", (N,), ">f4", maxshape=(None,), chunks=(8,)), f.create_dataset("column", data=np.zeros(6, ">f4"))
    row[...] = 0
    for d in row, column:
        d.make_scale("This is a netCDF dimension but not a netCDF variable")
    a = f.create_dataset("x", data=x.astype("f8"), maxshape=(None, 6), chunks=(8, 6), shuffle=True, compression=4, fletcher32=True)
    b = f.create_dataset("y", data=y.astype("i4"), maxshape=(None,), chunks=(8,), track_order=True)
    a.dims[0].attach_scale(row), a.dims[1].attach_scale(column), b.dims[0].attach_scale(row)
    f.attrs["_NCProperties"] = "version=2"
same("NetCDF-4", digest(x.astype("f4"), y), "[n.nc]", hdf5)
for i, rows in enumerate((slice(0, 8), slice(8, 16), slice(16, 24))):
    h5(f"part-{i}.h5", x=x[rows], y=y[rows])
same("files by a pattern", digest(x, y), '["part-*.h5"]', hdf5)
refused("a pattern that nothing matches", "no file matches `./part-9.`", '["part-9*"]', hdf5)
h5(x=np.zeros((N, 3, 8, 3), "u1"), y=y)
refused("an ambiguous layout", "3 channels of 8 x 3 pixels, or 3 x 8 pixels with 3 channels; set `data.layout`", "[a.h5]", hdf5)
refused("a name for tables", "only arrays of hdf5 and npz have names", "[a.h5]", "--data.format=table", "--data.x=X")
refused("a layout for tables", "only arrays of hdf5, npy and idx can have several layouts", "[a.h5]", "--data.format=table", "--data.layout=nhwc")
refused("a list that is a text", "a list is written .samples, labels.", "x.npy, y.npy", npy)

text = "".join("%d,%d,%d\n" % (a, b, c) for a, b, c in zip(x[:, 0], x[:, 1], y)).encode()
table, wanted = "--data.format=table", digest(x[:, :2].astype("f4"), y)
for end, pack in (".gz", gzip.compress), (".xz", lzma.compress):
    packed = pack(text[:50]) + pack(text[50:])
    open("t" + end, "wb").write(packed)
    same("two streams of " + end, wanted, f"[t{end}]", table)
    open("t" + end, "wb").write(packed[:-9])
    refused("truncated " + end, "damaged or truncated", f"[t{end}]", table)
# Values far from zero: the offsets and the digest are those of cache_write.py.
sys.path.insert(0, sys.argv[2] + "/tools/python")
from cache_write import data_digest, layout_of
far = 1e7 + 0.125 * image
for what, v in ("images", far), ("rows", 1.6e9 + x / 7), ("whole numbers", 3_000_000_001 + x.astype("i8")), ("near zero", x / 7.):
    np.save("x.npy", v), np.save("y.npy", y)
    same(f"{v.dtype}, {what}", f"{data_digest(v, y):016x}", "[x.npy, y.npy]", npy)
np.save("y.npy", 5e8 + 0.3 * y)
regression = "--data.task=regression", "--train.layers=[dense 2]", "--data.normalize=standard"
for what, v in ("rows", 1.6e9 + x / 7), ("none of inputs", x):
    np.save("x.npy", v)
    same(f"targets far from zero, {what}", f"{data_digest(v, 5e8 + 0.3 * y, 'regression'):016x}", "[x.npy, y.npy]", npy, *regression)
# The table of layouts in configs/README.md: each array that it names, as the program and as cache_write.py take it.
for taken, named in re.findall(r"^\| (channels first|channels last|neither)[^|]*\|[^|]*\| (\[N\].*) \|$",
                               open(sys.argv[2] + "/configs/README.md").read(), re.M):
    for shape in re.findall(r"\[N\]\[(\d+)\]\[(\d+)\]\[(\d+)\]", named):
        a, b, c = map(int, shape)
        h5(x=rng.integers(0, 9, (N, a, b, c)).astype("u1"), y=y)
        status, said = train("[a.h5]", hdf5)
        try:
            theirs = {"nchw": "channels first", "nhwc": "channels last"}[layout_of((N, a, b, c))]
        except ValueError as fault:
            theirs = "neither" if "channels first or last?" in str(fault) else fault
        words = {"channels first": f"24 samples of {a} x {b} x {c} uint8, ", "neither": "set `data.layout` to nchw or to nhwc",
                 "channels last": f"24 samples of {c} x {a} x {b} uint8 (read as [N][H][W][C]), "}[taken]
        good = words in said and (status == 0) == (taken != "neither") and theirs == taken
        print(("ok: " if good else "FAILED: ") + f"{taken}: [{a}][{b}][{c}]" + ("" if good else f": {status} {said}, {theirs}"))
np.save("x.npy", x), np.save("y.npy", y), h5(x=x, y=y)
END
passed=$(grep -c ^ok cases) failed=$(grep -c ^FAILED cases)
check "all cases were tried" test $((passed + failed)) = 53
if command -v zstd >/dev/null && "$TRB_BUILD/tribikos" --version | grep -q libzstd; then
    seq 24 | awk '{ print $1 "," $1 % 3 }' | zstd -q -o t.zst
    mpi 1 train set.yaml --data.format=table --data.train=[t.zst] --run.dir=z
    check "a zstd file" test $? = 0 || cat err
fi
# Sets out of distribution without labels, on one rank and on three; rank 0 expands patterns for all.
$python - <<'END'
import h5py, numpy as np, struct
with h5py.File("alone.h5", "w") as f: f["images"] = np.ones((9, 6), "u1")
np.save("alone-1.npy", np.ones((4, 6), "u1")); np.save("alone-2.npy", np.ones((5, 6), "u1")); np.save("minus.npy", -np.ones(4))
open("alone.idx", "wb").write(struct.pack(">HBBII", 0, 8, 2, 9, 6) + bytes(54))
END
cp x.npy part-x.npy
for n in 1 3; do
    mpi $n run set.yaml --data.format=npy '--data.train=["part-*.npy", "y.np[y]"]' --run.dir=ood$n '--eval.ood=[h, i, n, m]' \
        --ood.h.format=hdf5 --ood.h.files=[alone.h5] --ood.h.x=images --ood.i.format=idx --ood.i.files=[alone.idx] \
        '--ood.n.files=["alone-*.npy"]' '--ood.m.files=[alone-1.npy, minus.npy]' || { cat err; bad "sets without labels on $n ranks"; }
    digest ood$n >digest$n
done
check "sets without labels are evaluated" grep -q '"m"' ood1/report/report.json
check "the same on 1 and 3 ranks" cmp -s digest1 digest3
finish
