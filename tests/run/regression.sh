# A regression ensemble on a generic HDF5 file: members learn mean and variance (Gaussian negative log-likelihood), the cache holds
# both; distillation and evaluation say that they are for classes.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
$python - "$work" <<'END'
import h5py, numpy as np, sys
rng = np.random.default_rng(1)
x = rng.uniform(-2, 2, (2000, 5)).astype(np.float32)
y = 50 + 20 * np.sin(x[:, 0]) + 5 * x[:, 1] + rng.normal(0, 2, 2000)  # noise of deviation 2 in the target's unit
with h5py.File(f"{sys.argv[1]}/table.h5", "w") as f:
    f["x"], f["y"] = x, y
END
cat >"$work/table.yaml" <<END
run: {dir: $work/table}
data: {task: regression, format: hdf5, root: $work, train: [table.h5], test: [table.h5]}
members: {count: 2}
train: {layers: [dense 50, tanh, dense 2], epochs: 40, batch: 100, lanes: 4, lr: 1e-2}
students: []
END
for n in 1 3; do
    mpi $n train "$work/table.yaml" --run.dir="$work/table$n" && mpi $n cache "$work/table.yaml" --run.dir="$work/table$n" ||
        cat "$work/err"
    digest "$work/table$n" >"$work/digest$n"
done
check "there is something to compare" test -s "$work/digest1"
check "the same bits on 1 and 3 ranks" cmp -s "$work/digest1" "$work/digest3"
check "mean and deviation are those of the data" $python - "$work" <<'END'
import h5py, numpy as np, sys
work = sys.argv[1]
x, y = h5py.File(f"{work}/table.h5")["x"][...], h5py.File(f"{work}/table.h5")["y"][...]
w = h5py.File(f"{work}/table1/members/m000/weights.h5")
z = h5py.File(f"{work}/table1/cache/manifest.h5")["logits"][0, 0]
mean = w["target.mean"][0] + w["target.scale"][0] * z[:, 0]
deviation = w["target.scale"][0] * np.exp(z[:, 1] / 2)
rmse = np.sqrt(np.mean((mean - y) ** 2))
print(f"RMSE {rmse:.3f}, mean predicted deviation {deviation.mean():.3f}")
# The noise is 2; a fitted network stays within a tenth of it, and so does what it says of itself.
sys.exit(not (1.8 < rmse < 2.2 and 1.8 < deviation.mean() < 2.2))
END
tribikos train "$work/table.yaml" --run.dir="$work/mixed" --train.augment='[mixup 0.2]' >"$work/out" 2>"$work/err"
check "mixup: exit 2" test $? = 2
check "mixup: says why" grep -q 'error: member 0: augment: mixup mixes the losses of two labels; data.task is regression' "$work/err"
check "mixup: before anything is trained" test ! -e "$work/mixed/members/m000"
for command in run distill eval; do
    mpi 2 $command "$work/table.yaml" --run.dir="$work/other" --students='[hydra]' --student.split=2
    check "$command: exit 2" test $? = 2
    check "$command: says that it is for classes" grep -q 'error: data.task: members of a regression ensemble' "$work/err"
done
finish
