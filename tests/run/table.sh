# Tables: a plain CSV file with a header, and the UCI collection's files with their lists of columns and rows.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
$python - "$work" <<'END'
import numpy as np, sys
rng = np.random.default_rng(1)
x = rng.uniform(-2, 2, (600, 3))
kind = (x[:, 0] > 0).astype(int) + (x[:, 1] > x[:, 0])
for name, rows in ("train.csv", slice(0, 400)), ("test.csv", slice(400, 600)):
    np.savetxt(f"{sys.argv[1]}/{name}", np.c_[x, kind][rows], "%.5g", ",", newline="\r\n", header="height, width, depth, kind")
END
cat >"$work/plain.yaml" <<END
run: {dir: $work/plain}
data: {format: table, root: $work, train: [train.csv], test: [test.csv]}
members: {count: 2}
train: {layers: [dense 30, relu, dense 3], epochs: 30, batch: 50, lanes: 2, lr: 1e-2}
student: {split: 2, phase1_epochs: 20, epochs: 20, batch: 50, lanes: 2, lr: 1e-2}
END
mpi 2 run "$work/plain.yaml" || cat "$work/err"
check "classes in a CSV file, through all stages" test -s "$work/plain/report/report.json"
# A third of the area is each class's; what is learnt is nearly all.
check "they are learnt: $(grep '^ensemble' "$work/out")" awk '$1 == "ensemble" { exit !($2 > 0.93) }' "$work/out"
sed -i '7s/,[^,]*$/,many\r/' "$work/train.csv"
mpi 2 train "$work/plain.yaml" --run.dir="$work/other"
check "what is no label: exit 3" test $? = 3
check "file, line, column, expected, got" \
    grep -q "error: $work/train.csv:7: column 3 (kind): expected a label, a whole number from 0 to 32767, got .many." "$work/err"
tribikos train "$work/plain.yaml" --data.format=hdf5 --data.target=2 >/dev/null 2>"$work/err"
check "columns of another format: exit 2" test $? = 2
check "says why" grep -q 'key `data.target`: 2 contradicts `data.format`: hdf5 .*only tables' "$work/err"

uci=${TRIBIKOS_DATA:-$TRB_SOURCE/../shared/data}/uci
if [ ! -r "$uci/bostonHousing/data.txt" ]; then
    echo "SKIPPED: no uci/bostonHousing in \$TRIBIKOS_DATA or ../shared/data"
    finish
fi
cat >"$work/boston.yaml" <<END
run: {dir: $work/boston}
data:
  task: regression
  format: table
  root: $uci/bostonHousing
  train: [data.txt]
  train_rows: [index_train_0.txt]
  test: [data.txt]
  test_rows: [index_test_0.txt]
  features: [index_features.txt]
  target: index_target.txt
members: {count: 3}
train: {layers: [dense 50, relu, dense 2], epochs: 40, batch: 91, lanes: 1, lr: 1e-2}
students: []
END
for n in 1 2; do
    mpi $n train "$work/boston.yaml" --run.dir="$work/boston$n" || cat "$work/err"
    digest "$work/boston$n" >"$work/digest$n"
done
check "regression members are trained" test -s "$work/boston1/members/m002/weights.h5"
check "the same bits on 1 and 2 ranks" cmp -s "$work/digest1" "$work/digest2"
check "inputs and target are standardised by the training rows, and the test rows are predicted" $python - "$work" "$uci" <<'END'
import h5py, numpy as np, sys
work, uci = sys.argv[1:]
data = np.loadtxt(f"{uci}/bostonHousing/data.txt")
rows = {k: np.loadtxt(f"{uci}/bostonHousing/index_{k}_0.txt", dtype=int) for k in ("train", "test")}
train, test = data[rows["train"]], data[rows["test"]]
means = []
for m in range(3):
    w = h5py.File(f"{work}/boston1/members/m00{m}/weights.h5")
    mean, scale, t_mean, t_scale = (w[k][...] for k in ("input.mean", "input.scale", "target.mean", "target.scale"))
    assert np.allclose(mean, train[:, :13].mean(0), rtol=1e-6) and np.allclose(scale, 1 / train[:, :13].std(0), rtol=1e-5)
    assert np.allclose(t_mean, train[:, 13].mean()) and np.allclose(t_scale, train[:, 13].std())
    h = np.maximum((test[:, :13] - mean) * scale @ w["body.0.weight"][...].T + w["body.0.bias"][...], 0)
    z = h @ w["body.2.weight"][...].T + w["body.2.bias"][...]
    means.append(t_mean + t_scale * z[:, 0])
rmse = np.sqrt(np.mean((np.mean(means, 0) - test[:, 13]) ** 2))
print(f"RMSE {rmse:.2f} on 51 test rows; of the training rows' mean {np.sqrt(np.mean((test[:, 13] - train[:, 13].mean()) ** 2)):.2f}")
sys.exit(not rmse < 4)
END
finish
