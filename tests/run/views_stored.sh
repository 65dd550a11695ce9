# Views that follow the members' gradients: their inputs are PyTorch's to a rounding, members and students see what is stored, the
# bytes are the same for every rank count and after a death on the way, and what is damaged, missing or of others is found.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
recipes='["ods 16", "crop 2, flip, rotate 10, shift 1.5, confods 25 2", "flip, mixup 0.4, gaussian 8"]'
views=(--cache.views=6 --cache.view_recipes="$recipes" --cache.view_seed=7 --students="[hydra, two]" --student.two.views=2
       --student.two.method=kd --members.overrides.2.layers="[conv 4 3 pad 1, norm, relu, maxpool 2, dense 10]")

one=("$conf" --run.dir="$work/one" "${views[@]}")
mpi 1 run "${one[@]}" || { cat "$work/err"; bad "run on one rank"; finish; }
digest "$work/one" >"$work/expected"
check "inputs of the views that need them" test "$(cd "$work/one/cache" && echo v0?/x-s00002.h5)" = \
    "v01/x-s00002.h5 v02/x-s00002.h5 v04/x-s00002.h5 v05/x-s00002.h5"
for n in 2 3 5; do
    cp -r "$work/one" "$work/n$n" && rm -r "$work/n$n/cache" "$work/n$n/student"
    { mpi $n cache "$conf" --run.dir="$work/n$n" "${views[@]}" &&
      mpi $((n < 5 ? n : 4)) distill "$conf" --run.dir="$work/n$n" "${views[@]}"; } || cat "$work/err"
    same "cache and students on $n ranks" "$work/n$n"
    rm -rf "$work/n$n"
done

# A death while inputs are written, between inputs and logits, and while a student reads.
cp -r "$work/one" "$work/hurt"
for fault in cache.unit:{3,60}:1:kill file.rename:7:0:kill thread.start:1:0; do
    rm -rf "$work/hurt/cache" "$work/hurt/student"
    hurt=("$conf" --run.dir="$work/hurt" "${views[@]}")
    TRB_FAULT=$fault mpi 2 cache "${hurt[@]}" && TRB_FAULT=$fault mpi 2 distill "${hurt[@]}"
    check "$fault: it fails" test $? -ne 0
    { mpi 3 cache "${hurt[@]}" && mpi 2 distill "${hurt[@]}"; } || cat "$work/err"
    same "$fault: the rerun has the same bytes" "$work/hurt"
done

# Damage to inputs is found and mended; logits of other inputs are not taken for these.
again() { mpi 2 cache "$conf" --run.dir="$work/hurt" "${views[@]}" || cat "$work/err"; same "$1: written anew" "$work/hurt"; }
other=(--students="[other, two]" --student.other.method=hydra) # other, which is not there yet, sees all views
x=$work/hurt/cache/v02/x-s00001.h5
cp "$x" "$work/x"
printf '\x5a' | dd of="$x" bs=1 seek=$(($(stat -c %s "$x") / 2)) conv=notrunc status=none
tribikos verify "$work/hurt/cache" >"$work/out" 2>"$work/err"
check "a flipped byte of inputs: exit status" test $? = 3
check "a flipped byte of inputs: the file is named" grep -q '^bad: .*v02/x-s00001.h5' "$work/out"
refused "a student of damaged inputs" 3 v02/x-s00001.h5 distill "$conf" --run.dir="$work/hurt" "${views[@]}" "${other[@]}"
again "a flipped byte of inputs"
rm "$x"
refused "a student without its inputs" 3 "v02/x-s00001.h5: the shard is missing" \
    distill "$conf" --run.dir="$work/hurt" "${views[@]}" "${other[@]}"
again "inputs that are gone"
check "and only they" grep -q '11 of 12 shards of inputs are there already' "$work/err"
mv "$work/hurt/cache/v01/x-s00000.h5" "$work/aside"
cp "$work/hurt/cache/v04/x-s00000.h5" "$work/hurt/cache/v01/x-s00000.h5"
refused "inputs of another view" 3 "view is 4, expected 1" cache "$conf" --run.dir="$work/hurt" "${views[@]}"
mv "$work/aside" "$work/hurt/cache/v01/x-s00000.h5"
refused "inputs of another recipe" 3 "is of the view [ods 16, mean" cache "$conf" --run.dir="$work/hurt" "${views[@]}" \
    --cache.view_recipes="${recipes/ods 16/ods 17}"
refused "inputs of another seed" 3 "seed 7, expected [ods 16, mean" cache "$conf" --run.dir="$work/hurt" "${views[@]}" --cache.view_seed=8
refused "a student of another recipe" 3 "ask for [ods 16 2, mean" distill "$conf" --run.dir="$work/hurt" "${views[@]}" \
    --cache.view_recipes="${recipes/ods 16/ods 16 2}"
rm -rf "$work/hurt/members" && mpi 2 train "$conf" --run.dir="$work/hurt" "${views[@]}" --run.seed=4 || cat "$work/err"
refused "inputs of other members" 3 "x-s0000" cache "$conf" --run.dir="$work/hurt" "${views[@]}" --run.seed=4
check "are of members with another digest" grep -q "is of members with digest" "$work/err"
refused "gradients in training" 2 'ods and confods need trained members' train "$conf" --run.dir="$work/no" --train.augment='[ods 3]'
refused "two steps" 2 'key `cache.view_recipes`: `ods 3` stands behind `gaussian`' cache "$conf" --run.dir="$work/no" \
    --cache.views=2 --cache.view_recipes='gaussian 3, ods 3'

# A student that streams inputs and logits, on another number of ranks, is the one that keeps them.
mkdir "$work/stream" && cp -r "$work/one/members" "$work/one/cache" "$work/stream/"
mpi 3 distill "$conf" --run.dir="$work/stream" "${views[@]}" --cache.memory=1 || cat "$work/err"
check "what is streamed is read more than once" test "$(sed -n 's/.*: \([0-9]*\)\.[0-9] MB of the cache were read.*/\1/p' "$work/err" | head -n 1)" -gt 6
for name in hydra two; do
    check "student $name reads by stream what it would keep" cmp -s "$work/one/student/$name/weights.h5" "$work/stream/student/$name/weights.h5"
done
refused "too little memory for both" 2 '`cache.memory`, of whose 1048576 bytes ' distill "$conf" --run.dir="$work/stream" "${views[@]}" \
    "${other[@]}" --student.other.batch=1200 --student.other.lanes=2 --cache.memory=1

# In a grid each column feeds lanes of its own; of two lanes a row the third column has none.
cut=("${views[@]:0:3}" "${views[6]}" --students="[cut]" --student.cut.head_lanes=3)
for grid in 1:1 6:3 2:1; do
    mkdir "$work/grid$grid" && cp -r "$work/one/members" "$work/one/cache" "$work/grid$grid/"
    mpi ${grid%:*} distill "$conf" --run.dir="$work/grid$grid" "${cut[@]}" --student.cut.head_groups=${grid#*:} || cat "$work/err"
    check "a grid of ${grid%:*} ranks in rows of ${grid#*:}" \
        cmp -s "$work/grid1:1/student/cut/weights.h5" "$work/grid$grid/student/cut/weights.h5"
done
mpi 3 run "$conf" --run.dir="$work/free" "${views[@]}" --exchange=server --server.staleness=1 || cat "$work/err"
check "workers that run ahead" test -f "$work/free/report/report.json"

# Inputs that are sound and are others: the logits that are there are not theirs.
if $python -c 'import h5py, xxhash' 2>/dev/null; then
    mkdir "$work/others" && cp -r "$work/one/members" "$work/one/cache" "$work/others/"
    $python - "$work/others/cache/v02/x-s00001.h5" "$TRB_SOURCE/tools/python" <<'PYTHON'
import sys
import h5py
import numpy as np
sys.path.insert(0, sys.argv[2])
from cache_write import digest
with h5py.File(sys.argv[1], "r+") as f:
    x = f["x"][:]
    x[7] ^= 1
    f["x"][:] = x
    f.attrs["payload_digest"] = np.uint64(digest(x, f["sample_id"][:]))
PYTHON
    mpi 2 cache "$conf" --run.dir="$work/others" "${views[@]}" || cat "$work/err"
    check "other inputs are taken as they are" grep -q '12 of 12 shards of inputs are there already' "$work/err"
    check "and the logits of all members are made of them" grep -q '51 of 54 shards are there already' "$work/err"
fi

# Against PyTorch: inputs by its gradients in double precision, logits by what is stored. And the same cache from elsewhere.
if $python -c 'import torch, h5py, xxhash' 2>/dev/null; then
    check "inputs and logits are PyTorch's, and a cache from elsewhere" $python - "$work" "$TRB_SOURCE/tools/python" "$recipes" <<'PYTHON'
import json
import sys
import h5py
import numpy as np
import torch
work, tools, recipes = sys.argv[1:]
sys.path.insert(0, tools)
from cache_write import data_digest, view_text, write_cache
from network_torch import load
from views import member_of, rows, split, stored
recipes = json.loads(recipes)
x = np.fromfile(f"{work}/data/train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
y = np.fromfile(f"{work}/data/train-labels-idx1-ubyte", np.uint8)[8:]
train, M, block, R = split(3, len(x), 100), 3, 128, 512
nets = [load(f"{work}/one/members/m{m:03d}/weights.h5").double() for m in range(M)]
with h5py.File(f"{work}/one/members/m000/weights.h5") as f:
    mean, scale = f["input.mean"][:], f["input.scale"][:]
inputs, used = {}, set()
for v in range(1, 6):
    recipe = recipes[(v - 1) % 3]
    if "ods" not in recipe:
        continue
    made = np.concatenate([h5py.File(f"{work}/one/cache/v{v:02d}/x-s{s:05d}.h5")["x"][:] for s in range(3)])
    assert made.dtype == np.uint8 and made.shape == (1500, 1, 28, 28)
    inputs[v] = made
    for b, first in ((0, 40), (3, 384), (4, 512), (11, 1460)):
        m = member_of(v, b, M, 7)
        used.add(m)

        def gradient(at, w, T):
            at = torch.tensor(at, dtype=torch.float64, requires_grad=True)
            z = nets[m](at)[:, 0]
            (torch.tensor(w) * (z / T).softmax(-1)).sum().backward()
            return at.grad.numpy(), z.softmax(-1).amax(-1).detach().numpy()

        ids = np.arange(first, first + 24)
        theirs = stored(x, ids, v, recipe, 7, mean, scale, gradient, train)
        away = np.abs(theirs.astype(int) - made[ids])
        moved = np.abs(made[ids, 0].astype(int) - x[ids]).mean()
        print(f"view {v}, block {b}, member {m}: {(away > 0).mean():.1e} of bytes differ, by up to {away.max()}; "
              f"they are {moved:.1f} from the sample's")
        # What lies at the border between two bytes may go either way.
        assert away.max() <= 1 and (away > 0).mean() < 1e-3 and moved > 4
assert len(used) == M
logits = h5py.File(f"{work}/one/cache/manifest.h5")["logits"][:]
with torch.no_grad():
    for v, made in inputs.items():
        for m, net in enumerate(nets):
            z = net((torch.from_numpy(made).double() - float(mean)) * float(scale))[:, 0].numpy()
            assert np.abs(z - logits[v, m]).max() < 1e-4, (v, m)
for text in (recipes[0], recipes[1]):
    a = torch.from_numpy(inputs[1 + recipes.index(text)]).double()
    print(f"[{text}]: the members' mean largest probability is",
          float(np.mean([net((a - float(mean)) * float(scale))[:, 0].softmax(-1).amax(-1).mean().item() for net in nets])))
with h5py.File(f"{work}/one/cache/manifest.h5") as f:
    digests = f["member_digest"][:]
    names = [view_text(recipes[(v - 1) % 3], mean, 100, 3, scale) for v in range(1, 6)]
    assert [f.attrs[f"view_{v:02d}_recipe"].decode() for v in range(1, 6)] == names
write_cache(f"{work}/theirs/cache", logits, y, data_digest(x, y), views=[("identity", 0)] + [(name, 7) for name in names],
            member_digests=digests, block=block, shard_rows=R, inputs=inputs)
PYTHON
    check "the program takes it" tribikos verify "$work/theirs/cache"
    mpi 2 distill "$conf" --run.dir="$work/theirs" "${views[@]}" || cat "$work/err"
    for name in hydra two; do
        check "and student $name is the same" cmp -s "$work/one/student/$name/weights.h5" "$work/theirs/student/$name/weights.h5"
    done
fi
finish
