# Every name at its longest goes the whole way: students, sets, layers, recipes, members, the folder of the run, the paths of
# configuration, data and checkpoints. What is longer is refused before anything is begun, in a line that says where and why.
. "$(dirname "$0")/lib.bash"
long() { printf "$1%.0s" $(seq "$2"); } # LETTER TIMES
# deep FOLDER LENGTH: a folder below it, whose whole path has so many characters
deep() {
    local path=$1
    while ((${#path} + 201 < $2)); do path+=/$(long d 198); done
    echo "$path/$(long e $(($2 - ${#path} - 1)))"
}
first=$(long a 64) second=$(long b 64) other=$(long c 64) layer=$(long n 40)
run=$(deep "$work" 800) place=$(deep "$work" 2000)
mkdir -p "$place"
mv "$work/data" "$place/data"
conf=$place/$(long f 200).yaml
cat >"$conf" <<END
run: {dir: $run, seed: 9007199254740991}
data:
  root: $place/data
  train: [train-images-idx3-ubyte, train-labels-idx1-ubyte]
  test: [t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte]
  validation: 500
members: {count: 2}
train: {layers: [conv 4 3 pad 1, name $layer, norm, relu, globalpool, dense 10], epochs: 1, batch: 500, lanes: 1}
cache:
  views: 2
  view_seed: 9007199254740991
  view_recipes: ["crop 10, flip, rotate 179.999999, zoom 0.899999, shift 26.999999, cutout 10, mixup 999.999999, confods 254.999999 999.999999"]
students: [$first, $second]
student:
  layers: [conv 4 3 pad 1, split, conv 4 3 pad 1, name $layer, norm, relu, globalpool, dense 10]
  phase1_epochs: 1
  epochs: 1
  batch: 500
  lanes: 2
  match_uncertainty: true
  $first: {method: hydra}
  $second: {method: endd, layers: [conv 4 3 pad 1, name $layer, norm, relu, globalpool, dense 10]}
eval: {ood: [$other], corruptions: [contrast, rotation]}
ood: {$other: {files: [t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte]}}
END
mpi 1 plan "$conf" || { cat "$work/err"; bad "plan"; finish; }
check "plan names all stages, with times and memory" test "$(grep -cE "^distill ($first|$second)  " "$work/out")" = 6 || cat "$work/out"
mpi 2 run "$conf" || { cat "$work/err"; bad "run"; finish; }
cp "$work/out" "$work/table"
check "the report names all of them" $python - "$run/report" $first $second $other <<'END'
import h5py, json, sys
folder, *students, other = sys.argv[1:]
report = json.load(open(f"{folder}/report.json"))
assert set(students) < set(report["models"]) and list(report["ood"]) == [other], report
with h5py.File(f"{folder}/predictions.h5") as f:
    for name in students:
        for what in ("total", "max_probability", "model"):
            assert f[f"uncertainty/{other}/{name}/{what}"].shape == (500,)
            assert f[f"uncertainty/test/{name}/{what}"].shape == (500,)
END
check "the table names all of them" test "$(grep -cE "^($first|$second)  " "$work/table")" = 8 -a "$(grep -c " $other\$" "$work/table")" = 1
check "columns stand below each other" $python - "$work/table" <<'END' || cat "$work/table"
import sys
for table in open(sys.argv[1]).read().strip().split("\n\n"):
    rows = table.rstrip().split("\n")
    rows = rows[[r.split()[0] for r in rows].index("model"):]
    assert len(rows) == 5 and len(set(map(len, rows))) == 1
END
mpi 1 run "$conf"
check "again: all of it is there" grep -q "student $second is there already" "$work/err" || cat "$work/err"
tribikos verify "$run/cache" >"$work/out" 2>&1
check "verify" test $? = 0 || cat "$work/out"
tribikos info "$run/student/$first/weights.h5" >"$work/out" 2>&1
check "info" grep -q "^  heads.$layer.0.running_mean" "$work/out" || cat "$work/out"

# A checkpoint by its whole name.
member=("$conf" --members.count=3 --members=2 --train.epochs=100 --checkpoint.seconds=0)
mpi 1 train "${member[@]}" --run.time_limit=1
check "a checkpoint is kept" test $? = 75 || cat "$work/err"
checkpoint=$(find "$run/members/m002/checkpoint" -name '*.h5' | head -n 1)
mpi 1 train "${member[@]}" --run.time_limit=1 --resume="$checkpoint"
check "and gone on from by its name" grep -q "m002/checkpoint/.*, phase 1, step" "$work/err" || cat "$work/err"

refused "a run.dir of 801" 2 '801 characters, expected at most 800' train "$conf" --run.dir="${run}e"
refused "a student of 65" 2 'a name is 1 to 64 letters, digits, - and _, got 65' train "$conf" --students="[${first}a]"
refused "a set of 65" 2 'a name is 1 to 64 letters, digits, - and _, got 65' train "$conf" --eval.ood="[${other}c]"
refused "a checkpoint's name of 1100" 2 '1100 characters, expected at most 1099' train "$conf" --resume="$(long r 1100)"
refused "a layer's name of 41" 2 'a name is 1 to 40 letters' train "$conf" --train.layers="[name ${layer}n, dense 10]"
sed -i 's/members: {count: 2}/members: {count: two}/' "$conf"
refused "a mistake in a file with a long name" 2 '.yaml:7: key `members.count`: expected a whole number' train "$conf"
refused "a name that the report of a regression uses" 2 'the name `target` is one that the report itself uses' train "$work/small.yaml" \
    --data.task=regression --students='[target]' --student.method=kd
finish
