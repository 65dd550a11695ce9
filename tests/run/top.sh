# A cache of the most probable classes. hydra and kd have the same bytes on every rank count, in a grid, and after a death on the
# way. With as many classes as outputs the students are those of logits to a rounding. The file holds what NumPy computes from the
# logits. Damage is found and mended, and what cannot be computed is refused before the first step.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
views=(--cache.views=2 --cache.view_recipes='["crop 2, flip"]' --cache.view_seed=7)
top=("${views[@]}" --cache.holds=top --cache.top=4 --cache.dtype=float16)

mpi 1 run "$conf" --run.dir="$work/top" "${top[@]}" || { cat "$work/err"; bad "run on one rank"; finish; }
digest "$work/top" >"$work/expected"
for n in 2 3 5; do
    mkdir "$work/n$n" && cp -r "$work/top/members" "$work/n$n/"
    mpi $n cache "$conf" --run.dir="$work/n$n" "${top[@]}" || cat "$work/err"
    mpi $((n < 5 ? n : 4)) run "$conf" --run.dir="$work/n$n" "${top[@]}" || cat "$work/err"
    same "cache, students and report on $n ranks" "$work/n$n"
    rm -rf "$work/n$n"
done

# The file, and the limit of all classes.
mkdir "$work/logits" "$work/all"
cp -r "$work/top/members" "$work/logits/" && cp -r "$work/top/members" "$work/all/"
mpi 2 run "$conf" --run.dir="$work/logits" "${views[@]}" || cat "$work/err"
mpi 2 run "$conf" --run.dir="$work/all" "${views[@]}" --cache.holds=top --cache.top=10 || cat "$work/err"
mpi 2 plan "$conf" --run.dir="$work/no" "${top[@]}" || cat "$work/err"
check "a plan names it" grep -q '^cache, top ' "$work/out"
cp "$work/out" "$work/plan"

# Head groups and head lanes: the rows of all members are joined before one head follows them.
mkdir "$work/grid" && cp -r "$work/top/members" "$work/top/cache" "$work/grid/"
short=(--student.epochs=1 --student.phase1_epochs=1)
mpi 3 distill "$conf" --run.dir="$work/grid" "${top[@]}" "${short[@]}" --student.head_lanes=3 --student.head_groups=3 || cat "$work/err"
mkdir "$work/grid1" && cp -r "$work/top/members" "$work/top/cache" "$work/grid1/"
mpi 1 distill "$conf" --run.dir="$work/grid1" "${top[@]}" "${short[@]}" --student.head_lanes=3 || cat "$work/err"
for name in hydra kd; do
    check "$name in a grid" cmp -s "$work/grid/student/$name/weights.h5" "$work/grid1/student/$name/weights.h5"
done

# A death while the cache is written, and while a student reads it.
cp -r "$work/top" "$work/hurt"
hurt=("$conf" --run.dir="$work/hurt" "${top[@]}")
for fault in cache.unit:11:1:kill train.step:9:0:kill; do
    rm -rf "$work/hurt/cache" "$work/hurt/student"
    TRB_FAULT=$fault mpi 2 cache "${hurt[@]}" && TRB_FAULT=$fault mpi 2 distill "${hurt[@]}"
    check "$fault: it fails" test $? -ne 0
    { mpi 3 cache "${hurt[@]}" && mpi 2 distill "${hurt[@]}"; } || cat "$work/err"
    same "$fault: the rerun has the same bytes" "$work/hurt"
done

# Damage.
x=$work/hurt/cache/v01/m001-s00001.h5
printf '\x5a' | dd of="$x" bs=1 seek=$(($(stat -c %s "$x") / 2)) conv=notrunc status=none
tribikos verify "$work/hurt/cache" >"$work/out" 2>"$work/err"
check "a flipped byte: exit status" test $? = 3
check "a flipped byte: the file is named" grep -q '^bad: .*v01/m001-s00001.h5' "$work/out"
mv "$work/hurt/student" "$work/aside"
refused "a student of a damaged shard" 3 v01/m001-s00001.h5 distill "${hurt[@]}"
mpi 2 cache "${hurt[@]}" || cat "$work/err"
check "only what is damaged is written anew" grep -q '17 of 18 shards are there already' "$work/err"
rm -rf "$work/hurt/student" && mv "$work/aside" "$work/hurt/student"
same "a flipped byte: written anew" "$work/hurt"
tribikos info "$work/hurt/cache/manifest.h5" >"$work/out" 2>"$work/err" || cat "$work/err"
check "info says how many classes" grep -q '^  top  *4$' "$work/out" || cat "$work/out"

# Another kind or number, and what cannot be computed.
refused "logits where top is" 3 "the cache holds top, \`cache.holds\` is logits; set it" cache "$conf" --run.dir="$work/top" "${views[@]}"
refused "another number of classes" 3 '`cache.top` was 4 when the cache was written and is 5 now' \
    cache "$conf" --run.dir="$work/top" "${top[@]}" --cache.top=5
rm -rf "$work/hurt/cache"
mpi 2 cache "${hurt[@]}" --cache.top=5 || cat "$work/err"
refused "students of another number of classes" 3 '`cache.top` was 4 and is 5 now' distill "${hurt[@]}" --cache.top=5
refused "more classes than outputs" 2 "cache.top: expected at most the 10 outputs of the members, got 11" \
    run "$conf" --run.dir="$work/no" "${top[@]}" --cache.top=11
for name in endd proxy-endd; do
    refused "$name" 2 "student \`$name\` ($name) needs all members' probabilities of every class" \
        run "$conf" --run.dir="$work/no" "${top[@]}" --students="[$name]"
done
refused "uncertainty that is matched" 2 "set \`student.hydra.match_uncertainty\` to false" \
    run "$conf" --run.dir="$work/no" "${top[@]}" --student.match_uncertainty=true
check "before anything is done" test ! -e "$work/no/members"
mv "$work/top/members" "$work/aside"
refused "members by their most probable classes" 2 "holds top, from which members cannot be evaluated" \
    eval "$conf" --run.dir="$work/top" "${top[@]}" --eval.split=train
mv "$work/aside" "$work/top/members"

# What smaller caches lose.
mpi 1 eval "$conf" --run.dir="$work/logits" "${views[@]}" --eval.split=validation --eval.name=held || cat "$work/err"
for n in 1 3; do
    mpi $n cache "$conf" --run.dir="$work/logits" "${views[@]}" --cache.holds=top --cache.top=6 --report || cat "$work/err"
    cp "$work/out" "$work/report$n"
done
check "the report of storage is the same on 3 ranks" cmp -s "$work/report1" "$work/report3"
refused "a report without held-out samples" 2 "cache --report: it needs held-out samples" \
    cache "$conf" --run.dir="$work/logits" --data.validation=0 --report

check "files are what NumPy computes; bytes are as planned; all classes give the students of logits" $python - "$work" <<'PYTHON'
import os
import re
import sys
work = sys.argv[1]
planned = {}
for line in open(f"{work}/plan"):
    row = re.match(r" *(\d+)  .* (\d+) +([\d.]+) (B|kB|MB)", line)
    if row:
        planned[int(row[1])] = int(row[2]), float(row[3]) * {"B": 1, "kB": 1e3, "MB": 1e6}[row[4]]
for view in range(2):
    folder = f"{work}/top/cache/v{view:02d}"
    sizes = [os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder)]
    print(f"view {view}: {len(sizes)} files, {sum(sizes)} bytes; planned {planned[view]}")
    assert len(sizes) == planned[view][0] and abs(sum(sizes) / planned[view][1] - 1) < 0.06
try:
    import h5py
    import numpy as np
except ImportError:
    sys.exit()
for run, k, off in ("top", 4, 2**-11), ("all", 10, 2**-22):
    with h5py.File(f"{work}/logits/cache/manifest.h5") as f, h5py.File(f"{work}/{run}/cache/manifest.h5") as g:
        z, top, label = f["logits"][:].astype(np.float64), g["top"][:].astype(np.float64), g["class"][:]
    z -= z.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    order = np.argsort(-z, axis=-1, kind="stable")
    assert (label == order[..., :k]).all() and label.dtype == np.uint16
    said = np.take_along_axis(log_p, order, -1)
    wanted = said[..., :k]
    if k < 10:
        wanted = np.concatenate([wanted, np.log(np.exp(said[..., k:]).sum(-1, keepdims=True))], -1)
    assert top.shape == wanted.shape
    error = np.abs(top - wanted) / (1e-3 + np.abs(wanted))
    print(run, "is off by up to", error.max())
    assert error.max() < 1.1 * off


# The report of storage.
with h5py.File(f"{work}/logits/report/held/predictions.h5") as f, h5py.File(f"{work}/logits/cache/manifest.h5") as g:
    ids, label, z = f["sample_id"][:], f["label"][:], g["logits"][0]
z = z[:, ids]


def log_softmax(z):
    z = z.astype(np.float64) - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def top_of(k):
    log_p, order = log_softmax(z), np.argsort(-z, axis=-1, kind="stable")
    said = np.take_along_axis(log_p, order, -1)
    tail = np.log(np.exp(said[..., k:]).sum(-1, keepdims=True)).astype(np.float16).astype(np.float64) - np.log(10 - k)
    said[..., :k] = said[..., :k].astype(np.float16)
    said[..., k:] = tail
    np.put_along_axis(log_p, order, said, -1)
    return log_p


low, step = z.min(-1, keepdims=True).astype(np.float64), np.ptp(z, axis=-1)[..., None] / 255.0
forms = {"float32": z, "float16": z.astype(np.float16), "8 bits": low + step * np.rint((z - low) / step),
         **{f"top {k}, float16": top_of(k) for k in (4, 6, 8)}}
lines = [line.rstrip() for line in open(f"{work}/report1")][2:]
assert len(lines) == len(forms) * 4, lines
for i, line in enumerate(lines):
    name, (size, model, nll, lost) = line[:16].strip(), line[16:].split()[:4]
    log_p = log_softmax(forms[name])
    log_p = np.log(np.exp(log_p).mean(0)) if model == "ensemble" else log_p[i % 4]
    wanted = -log_p[np.arange(len(ids)), label].mean()
    assert abs(wanted - float(nll)) < 1e-4, (line, wanted)
    assert size == {"float32": "40", "float16": "20", "8 bits": "18"}.get(name, str(4 * int("0" + name[4:6].strip(", ")) + 2 if name[0] == "t" else 0)), line
    if model == "ensemble":
        p = np.exp(log_softmax(forms[name]))
        mean = p.mean(0)
        mu = (-(mean * np.log(mean)).sum(-1) + (p * np.log(p)).sum(-1).mean(0)).mean()
        assert abs(mu - float(line.split()[-2])) < 2e-5, (line, mu)


def weights(path):
    values = {}
    with h5py.File(path) as f:
        f.visititems(lambda name, at: values.update({name: at[()]}) if isinstance(at, h5py.Dataset) else None)
    return values


for name in "hydra", "kd":
    a, b, c = (weights(f"{work}/{run}/student/{name}/weights.h5") for run in ("logits", "all", "top"))
    off, other = (max(np.abs(a[tensor].astype(float) - x[tensor]).max() for tensor in a) for x in (b, c))
    print(f"weights of {name}: logits and all classes differ by up to {off:.1e}, logits and 4 classes by {other:.1e}")
    assert off < 1e-3 < other  # steps of Adam enlarge roundings: 3e-5 was seen
PYTHON
finish
