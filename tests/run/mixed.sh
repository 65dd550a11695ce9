# Members of different kinds in one ensemble, a plain network, LeNet-5 and ResNet-8, each trained in its own way, and students of
# layers of their own: the same bits for every rank count and after a death, a report that tells the members apart, weights that mean the
# same to PyTorch; and configs/mixed.yaml.
. "$(dirname "$0")/lib.bash"
conf=$work/mixed.yaml
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 260 100
cat >"$conf" <<END
run: {dir: $work/run, seed: 3}
data:
  root: $work/data
  train: [train-images-idx3-ubyte, train-labels-idx1-ubyte]
  test: [t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte]
  validation: 20
members:
  count: 3
  overrides:
    1: {layers: [lenet5 10], epochs: 2, batch: 40, lr: 2e-3}
    2: {layers: [cifar-resnet8 10], epochs: 1, batch: 48, lanes: 3, optimizer: sgd, lr: 0.1, nesterov: true, augment: [crop 2, flip]}
train: {layers: [dense 24, relu, dense 10], epochs: 4, batch: 60, lanes: 4}
cache: {shard_rows: 128, block: 64}
students: [hydra, kd, like]
student:
  {phase1_epochs: 1, epochs: 1, batch: 60, hydra: {layers: [lenet5 10], split: fc2}, kd: {layers: [dense 20, relu, dense 10]},
   like: {split: 1}}
checkpoint: {seconds: 0, steps: 2}
END
mpi 1 run "$conf" --run.dir="$work/one" --verbose || { cat "$work/err"; bad "run on one rank"; finish; }
cp "$work/out" "$work/table"
cp "$work/err" "$work/said"
digest "$work/one" >"$work/expected"
check "every kind of file is compared" [ "$(wc -l <"$work/expected")" = 18 ]
for n in 2 3; do
    mpi $n run "$conf" --run.dir="$work/n$n" || cat "$work/err"
    same "the whole run on $n ranks" "$work/n$n"
done
{ mpi 5 train "$conf" --run.dir="$work/arrows" && mpi 3 cache "$conf" --run.dir="$work/arrows" &&
  mpi 2 distill "$conf" --run.dir="$work/arrows" && mpi 3 eval "$conf" --run.dir="$work/arrows"; } || cat "$work/err"
same "train 5, cache 3, distill 2, eval 3 ranks" "$work/arrows"

# The dearest first: the residual network before the others, in training and in the cache.
check "members in the order of their cost" test \
    "$(sed -nE 's/^rank 0: member ([0-9]): trained by .*/\1/p' "$work/said" | tr -d '\n')" = 210
mkdir "$work/part" && cp -r "$work/one/members" "$work/part"
TRB_FAULT=cache.unit:11 mpi 1 cache "$conf" --run.dir="$work/part" # behind ten blocks; each last shard has 4 rows
check "shards in that order too" test "$(cd "$work/part/cache/v00" && echo m*)" = \
    "m001-s00000.h5 m001-s00001.h5 m002-s00000.h5 m002-s00001.h5 m002-s00002.h5"
mpi 2 run "$conf" --run.dir="$work/part" || cat "$work/err"
same "a cache gone on with" "$work/part"

# Ranks share a member by the lanes of those that are to be trained: the fewest lanes of others do not matter.
mpi 3 train "$conf" --run.dir="$work/wide" --members=2 --members.overrides.0.lanes=1 || cat "$work/err"
check "three ranks share three lanes" grep -q '^member 2: 3 ranks sent' "$work/err"
check "with the same bits" cmp -s "$work/wide/members/m002/weights.h5" "$work/one/members/m002/weights.h5"

# Killed in each member, each kind of student, the cache and the report.
for fault in train.step:3 train.step:9 train.step:25 cache.unit:3 train.step:33 train.step:37 eval.unit:1; do
    TRB_FAULT=$fault:0:kill mpi 1 run "$conf" --run.dir="$work/hurt"
    check "killed at $fault" test $? != 0
    mpi 3 run "$conf" --run.dir="$work/hurt" || cat "$work/err"
    same "killed at $fault, gone on with on 3 ranks" "$work/hurt"
    rm -rf "$work/hurt"
done

check "a row for each member, their mean, the ensemble, the students" test \
    "$(sed -nE '/^what uncertainty/q; s/^([a-z_0-9]+) +[0-9.]+ .*/\1/p' "$work/table" | grep -v '^100$' | tr '\n' ' ')" = \
    "m000 m001 m002 member_mean ensemble hydra kd like "
check "the rows are the members'" $python - "$work" <<'END'
import json, sys
work = sys.argv[1]
models = json.load(open(f"{work}/one/report/report.json"))["models"]
members = [models[f"m{m:03d}"] for m in range(3)]
parameters = [785 * 24 + 25 * 10, 61706, 77754]
assert [m["parameters"] for m in members] == parameters, [m["parameters"] for m in members]
assert models["ensemble"]["parameters"] == sum(parameters)
assert models["member_mean"]["parameters"] == round(sum(parameters) / 3)
for key in ("accuracy", "nll", "brier"):
    assert abs(sum(m[key] for m in members) / 3 - models["member_mean"][key]) < 1e-12
    assert len({m[key] for m in members}) > 1
END
$python -c 'import torch, h5py' 2>/dev/null &&
    check "PyTorch gives the cached logits and the figures" $python "$TRB_SOURCE/tools/develop/check_torch.py" "$work/one" "$work/data"
$python -c 'import matplotlib, h5py' 2>/dev/null &&
    check "and the run is drawn" $python "$TRB_SOURCE/tools/user/plot.py" "$work/one" "$work/run.png"
mpi 2 run "$work/small.yaml" --members.overrides.1.layers='[dense 32, relu, dropout 0.1, dense 32, relu, dense 10]' --students='[]' || cat "$work/err"
check "members of one kind have no rows" test "$(grep -oE '^(m0|member_mean)' "$work/out" | sort -u)" = member_mean
tribikos info "$work/one/members/m002/weights.h5" >"$work/info"
check "what a member is" grep -q 'name stage3.block1' "$work/info"
tribikos info "$work/one/student/hydra/weights.h5" >"$work/info"
check "heads from a name in the student's own list" grep -q 'heads.fc2.*weight .*\[3\]' "$work/info" || cat "$work/info"

# What does not fit is said before anything is trained.
whole=(run "$conf" --run.dir="$work/bad")
refused "other outputs" 2 'member 1 has 12 outputs, member 0 has 10' "${whole[@]}" --members.overrides.1.layers='[lenet5 12]'
refused "a kind that does not fit the samples" 2 'member 1: layers' "${whole[@]}" --members.overrides.1.layers='[conv 4 40, dense 10]'
refused "a name in no list of the student's" 2 'student hydra: split: no layer of "lenet5 10" has the name "stage3"' \
    "${whole[@]}" --student.hydra.split=stage3
refused "a batch too large for one" 2 'member 2: a batch of 480 rows' "${whole[@]}" --members.overrides.2.batch=480
check "before anything is trained" test -z "$(find "$work/bad" -name metrics.jsonl 2>/dev/null)"

# The committed example, briefly.
$python - "$TRB_SOURCE/configs/mixed.yaml" "$work/data" "$work/brief.yaml" <<'END'
import sys
text = open(sys.argv[1]).read()
assert text.count("/usr/share/datasets/fashion-mnist") == 1 and text.count(".gz") == 4
open(sys.argv[3], "w").write(text.replace("/usr/share/datasets/fashion-mnist", sys.argv[2]).replace(".gz", ""))
END
mpi 2 run "$work/brief.yaml" --run.dir="$work/brief" || cat "$work/err"
check "configs/mixed.yaml on a few hundred images" test \
    "$(grep -oE '^(m00[012]|member_mean|ensemble|hydra|kd) ' "$work/out" | sort -u | wc -l)" = 7
finish
