# A cache of statistics: endd and proxy-endd are the students of logits to the last bit, kd to a rounding; the bytes are the same for
# every rank count, however much is held at once and after a death on the way; the other kind of cache and what does not fit it are
# refused, damage is found, and the file is a fraction of the logits'.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
views=(--cache.views=3 --cache.view_recipes='["crop 2, flip", "confods 25"]' --cache.view_seed=7 --students="[endd, proxy-endd, kd]"
       --student.anneal_from=1 --student.temperature=1)
sums=("${views[@]}" --cache.holds=statistics)

mpi 1 train "$conf" --run.dir="$work/sums" "${views[@]}" || { cat "$work/err"; bad "train"; finish; }
mkdir "$work/logits" && cp -r "$work/sums/members" "$work/logits/"
mpi 2 run "$conf" --run.dir="$work/logits" "${views[@]}" || cat "$work/err"
mpi 1 run "$conf" --run.dir="$work/sums" "${sums[@]}" || { cat "$work/err"; bad "run on one rank"; finish; }
digest "$work/sums" >"$work/expected"
for name in endd proxy-endd; do
    check "student $name is that of the logits" cmp -s "$work/logits/student/$name/weights.h5" "$work/sums/student/$name/weights.h5"
done
check "files" test "$(cd "$work/sums/cache" && echo v0?/*-s00002.h5)" = "v00/all-s00002.h5 v01/all-s00002.h5 v02/all-s00002.h5 v02/x-s00002.h5"

# Members that were computed in the order of the configuration, several blocks at once or one: no bit depends on it.
for n in 2 3 5; do
    mkdir "$work/n$n" && cp -r "$work/sums/members" "$work/n$n/"
    mpi $n cache "$conf" --run.dir="$work/n$n" "${sums[@]}" || cat "$work/err"
    mpi $((n < 5 ? n : 4)) run "$conf" --run.dir="$work/n$n" "${sums[@]}" || cat "$work/err"
    same "cache, students and report on $n ranks" "$work/n$n"
    rm -rf "$work/n$n"
done
wide=(--run.dir="$work/wide" --members.count=8 --train.layers="[dense 300]" --members.overrides.1.layers="[dense 8, tanh, dense 300]"
      --train.epochs=1 --students="[]" --cache.holds=statistics)
mpi 2 train "$conf" "${wide[@]}" && mpi 2 cache "$conf" "${wide[@]}" || cat "$work/err"
digest "$work/wide" >"$work/expected.wide"
rm -r "$work/wide/cache"
mpi 2 cache "$conf" "${wide[@]}" --cache.memory=1 || cat "$work/err"
digest "$work/wide" >"$work/got"
check "no bit depends on the memory" cmp -s "$work/expected.wide" "$work/got"

# A death while they are computed, while one is written, while a student reads.
cp -r "$work/sums" "$work/hurt"
hurt=("$conf" --run.dir="$work/hurt" "${sums[@]}")
for fault in cache.unit:{4,20}:1:kill file.rename:5:0:kill train.step:9:0:kill; do
    rm -rf "$work/hurt/cache" "$work/hurt/student"
    TRB_FAULT=$fault mpi 2 cache "${hurt[@]}" && TRB_FAULT=$fault mpi 2 distill "${hurt[@]}"
    check "$fault: it fails" test $? -ne 0
    { mpi 3 cache "${hurt[@]}" && mpi 2 distill "${hurt[@]}"; } || cat "$work/err"
    same "$fault: the rerun has the same bytes" "$work/hurt"
done

# Damage.
x=$work/hurt/cache/v01/all-s00001.h5
printf '\x5a' | dd of="$x" bs=1 seek=$(($(stat -c %s "$x") / 2)) conv=notrunc status=none
tribikos verify "$work/hurt/cache" >"$work/out" 2>"$work/err"
check "a flipped byte: exit status" test $? = 3
check "a flipped byte: the file is named" grep -q '^bad: .*v01/all-s00001.h5' "$work/out"
mv "$work/hurt/student" "$work/aside"
refused "a student of damaged statistics" 3 v01/all-s00001.h5 distill "${hurt[@]}"
mpi 2 cache "${hurt[@]}" || cat "$work/err"
check "only what is damaged is written anew" grep -q '8 of 9 shards are there already' "$work/err"
rm -rf "$work/hurt/student" && mv "$work/aside" "$work/hurt/student"
same "a flipped byte: written anew" "$work/hurt"

# The other kind, and what a cache of statistics cannot do.
refused "logits where statistics are" 3 "the cache holds statistics, \`cache.holds\` is logits; set it" cache "$conf" --run.dir="$work/sums" "${views[@]}"
refused "statistics where logits are" 3 "the cache holds logits, \`cache.holds\` is statistics; set it" cache "$conf" --run.dir="$work/logits" "${sums[@]}"
check "and nothing is written" test ! -e "$work/logits/cache/v00/all-s00000.h5"
refused "a student of the other kind" 3 "the cache holds statistics, \`cache.holds\` is logits" distill "$conf" --run.dir="$work/sums" "${views[@]}"
refused "a hydra" 2 "student \`hydra\` needs the logits of each" run "$conf" --run.dir="$work/no" "${sums[@]}" --students="[hydra]"
refused "a temperature" 2 "set \`student.kd.temperature\` to 1" run "$conf" --run.dir="$work/no" "${sums[@]}" --student.temperature=2
check "before anything is done" test ! -e "$work/no"
mv "$work/sums/members" "$work/aside"
refused "members by their statistics" 2 "holds statistics, from which members cannot be evaluated" \
    eval "$conf" --run.dir="$work/sums" "${sums[@]}" --eval.split=validation
mpi 2 eval "$conf" --run.dir="$work/sums" "${sums[@]}" || cat "$work/err"
check "students without their members" grep -q 'only students are evaluated' "$work/err"
mv "$work/aside" "$work/sums/members"

# In a grid the columns' sums are joined before they become targets.
grid=("${views[@]}" --students="[proxy-endd]" --student.head_lanes=3)
for g in 1:1 6:3; do
    mkdir "$work/grid$g" && cp -r "$work/logits/members" "$work/logits/cache" "$work/grid$g/"
    mpi ${g%:*} distill "$conf" --run.dir="$work/grid$g" "${grid[@]}" --student.head_groups=${g#*:} || cat "$work/err"
done
check "proxy-endd in a grid" cmp -s "$work/grid1:1/student/proxy-endd/weights.h5" "$work/grid6:3/student/proxy-endd/weights.h5"

# Files and bytes are as planned.
mpi 2 plan "$conf" --run.dir="$work/no" "${sums[@]}" || cat "$work/err"
check "a plan names them" grep -q '^cache, statistics ' "$work/out"
cp "$work/out" "$work/plan"
check "files and bytes are as planned; kd, and a grid, are those of the logits to a rounding" $python - "$work" <<'PYTHON'
import os
import re
import sys
work = sys.argv[1]
planned = {}
for line in open(f"{work}/plan"):
    row = re.match(r" *(\d+)  .* (\d+) +([\d.]+) (B|kB|MB)", line)
    if row:
        planned[int(row[1])] = int(row[2]), float(row[3]) * {"B": 1, "kB": 1e3, "MB": 1e6}[row[4]]
for view in range(3):
    folder = f"{work}/sums/cache/v{view:02d}"
    sizes = [os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder)]
    print(f"view {view}: {len(sizes)} files, {sum(sizes)} bytes; planned {planned[view]}")
    assert len(sizes) == planned[view][0] and abs(sum(sizes) / planned[view][1] - 1) < 0.06  # two digits, and a last chunk is stored whole
try:
    import h5py
    import numpy as np
except ImportError:
    sys.exit()
with h5py.File(f"{work}/logits/cache/manifest.h5") as f, h5py.File(f"{work}/sums/cache/manifest.h5") as g:
    z, said = f["logits"][:].astype(np.float64), g["statistics"][:, 0]
z -= z.max(-1, keepdims=True)
log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
p, K = np.exp(log_p).mean(1), z.shape[-1]
s = np.log((1 - 1e-4) * np.exp(log_p) + 1e-4 / K).mean(1)
w = 2 / (K - 1) * (p * (np.log(p) - log_p.mean(1))).sum(-1)
off = [np.abs(said[..., :K] - s).max(), np.abs(said[..., K:2 * K] - p).max(), np.abs(said[..., 2 * K] - w).max()]
print("s, pi, w are off by up to", *off)
assert off[0] < 1e-6 and off[1] < 1e-7 and off[2] < 1e-6 and w.max() > 0.1


def weights(path):
    values = {}
    with h5py.File(path) as f:
        f.visititems(lambda name, at: values.update({name: at[()]}) if isinstance(at, h5py.Dataset) else None)
    return values


for name, other in ("kd", "sums"), ("proxy-endd", "grid1:1"):
    a, b = (weights(f"{work}/{run}/student/{name}/weights.h5") for run in ("logits", other))
    off = max(np.abs(a[tensor].astype(float) - b[tensor]).max() for tensor in a)
    print(f"weights of {name} differ by up to {off:.1e}, logits against {other}")
    assert off < 1e-5
PYTHON
finish
