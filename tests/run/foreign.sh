# Teachers from elsewhere: a cache written through h5py by cache_write.py, from logits that no member of ours computed, verifies
# and is distilled from.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
conf=$work/small.yaml
$python - "$work" <<'END'
import numpy as np, sys
work = sys.argv[1]
x = np.fromfile(f"{work}/data/train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784)
y = np.fromfile(f"{work}/data/train-labels-idx1-ubyte", np.uint8)[8:]
rng = np.random.default_rng(1)
# Three linear teachers, fitted by least squares to different halves of the data.
logits = []
for m in range(3):
    half = rng.permutation(len(x))[: len(x) // 2]
    a = np.c_[x / 255.0, np.ones(len(x))]
    w = np.linalg.lstsq(a[half].T @ a[half] + 10 * np.eye(785), a[half].T @ (12 * np.eye(10)[y[half]]), rcond=None)[0]
    logits.append(a @ w)
np.save(f"{work}/logits.npy", np.stack(logits).astype(np.float32))
np.save(f"{work}/x.npy", x)
np.save(f"{work}/y.npy", y.astype(np.int32))
END
check "tools/python/cache_write.py writes a cache" $python "$TRB_SOURCE/tools/python/cache_write.py" --logits "$work/logits.npy" \
    --x "$work/x.npy" --y "$work/y.npy" --shard-rows 512 --block 128 "$work/run/cache"
check "it verifies" tribikos verify "$work/run/cache"
mpi 2 distill "$conf" || cat "$work/err"
check "students are distilled from it" test -f "$work/run/student/hydra/weights.h5"
mpi 2 eval "$conf" || cat "$work/err"
check "students alone are evaluated on the test set" grep -q '^hydra .*' "$work/out"
check "the teachers are not" test "$(grep -c '^ensemble' "$work/out")" = 0
mpi 2 eval "$conf" --eval.split=validation || cat "$work/err"
check "on the training data the cache speaks for the teachers" grep -q '^ensemble .*' "$work/out"

# Other teachers in the place of these are not those that the students have followed.
rm -r "$work/run/cache"
$python -c 'import numpy as np, sys; z = np.load(sys.argv[1]); z[0, 0] += 1; np.save(sys.argv[1], z)' "$work/logits.npy"
$python "$TRB_SOURCE/tools/python/cache_write.py" --logits "$work/logits.npy" --x "$work/x.npy" --y "$work/y.npy" \
    --shard-rows 512 --block 128 "$work/run/cache"
mpi 2 eval "$conf" --eval.split=validation
check "students of other teachers are not evaluated beside these: exit status" test $? = 3
check "students of other teachers: why" grep -q 'hydra, kd: of other weights of member 0)' "$work/err"
check "students of other teachers: what to do" grep -q -e '--retrain=all of `tribikos distill`' "$work/err"
finish
