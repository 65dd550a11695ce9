# A transfer set: teachers are asked about samples that nobody has labelled, and students follow them alone. cache_write.py writes
# the caches, with and without labels, and the sets on which students are compared with their teachers.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
export PYTHONDONTWRITEBYTECODE=1
cd "$work" || exit 1
write() { $python "$TRB_SOURCE/tools/python/cache_write.py" "$@" >out 2>err || { cat err; false; }; }
$python - <<'END'
import h5py
import numpy as np
images = lambda stem: np.fromfile(f"data/{stem}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
labels = lambda stem: np.fromfile(f"data/{stem}-labels-idx1-ubyte", np.uint8, offset=8)
rng = np.random.default_rng(1)
noise = rng.integers(0, 256, (200, 28, 28), dtype=np.uint8)
x, y = images("train"), labels("train")
a = lambda x: np.c_[x.reshape(len(x), -1) / 255.0, np.ones(len(x))]
weights = []
for m in range(3):  # linear teachers, fitted by least squares to different halves of the data
    half = rng.permutation(len(x))[:750]
    weights.append(np.linalg.solve(a(x[half]).T @ a(x[half]) + 10 * np.eye(785), a(x[half]).T @ (12 * np.eye(10)[y[half]])))
for name, samples in ("train", x), ("test", images("t10k")), ("noise", noise):
    np.save(f"{name}_x.npy", samples)
    np.save(f"{name}_logits.npy", np.stack([a(samples) @ w for w in weights]).astype("f4"))
np.save("test_y.npy", labels("t10k"))
np.save("train_y.npy", y)
for name, samples, truth in ("free", x, None), ("test", images("t10k"), labels("t10k")), ("eleven", images("t10k"), labels("t10k") + 1), \
        ("noise", noise, None):
    with h5py.File(f"{name}.h5", "w") as f:
        f["x"] = samples
        if truth is not None:
            f["y"] = truth
END
cat >>small.yaml <<'END'
eval: {ood: [noise]}
ood: {noise: {format: hdf5, files: [noise.h5], root: .}}
END

# With labels.
check "a cache and its sets" write --logits train_logits.npy --x train_x.npy --y train_y.npy --test test_logits.npy test_x.npy test_y.npy \
    --set noise noise_logits.npy noise_x.npy --block 128 --shard-rows 512 all/cache
check "each member's figures, of each set with labels" test "$(grep -cE '^cache: (set test|training set): member [012]: accuracy 0[.]' err)" = 6
mpi 2 distill small.yaml --run.dir=all && mpi 2 eval small.yaml --run.dir=all || cat err
check "distilled and compared: $(grep '^hydra' out)" grep -q '^ensemble ' out
cp -r all again && rm -r again/report
check "written again without sets" write --logits train_logits.npy --x train_x.npy --y train_y.npy again/cache
check "no manifest is left below it" test "$(find again/cache/eval -name manifest.h5 | wc -l)" = 0

# Without.
cat >unlabelled.yaml <<'END'
run: {dir: free, seed: 3}
data: {format: hdf5, root: ., train: [free.h5], test: [test.h5], validation: 100}
members: {count: 3}
train: {layers: [dense 32, relu, dense 10]}
eval: {ood: [noise]}
ood: {noise: {files: [noise.h5]}}
students: [hydra, kd]
student: {layers: [dense 32, relu, split, dense 32, relu, dense 10], phase1_epochs: 2, epochs: 2, batch: 60, lanes: 4}
END
check "teachers of samples without labels" write --logits train_logits.npy --x train_x.npy --no-labels --test test_logits.npy test_x.npy \
    test_y.npy --set noise noise_logits.npy noise_x.npy --block 128 --shard-rows 512 free/cache
check "are verified" test "$(tribikos verify free/cache 2>&1 | grep -c 'no labels: all good')" = 1
for n in 1 3; do
    rm -rf free/student free/report
    mpi $n distill unlabelled.yaml --verbose || cat err
    check "$n ranks: no labels, and no figure of them" test "$(grep -c '^train: .*, no labels' err) $(grep -c "epoch 2 of 2 (loss [0-9.]*, validation [0-9.]*)" err) $(grep -cw nan err)" = "1 2 0" || cat err
    mpi $n eval unlabelled.yaml || cat err
    digest free >"free$n"
done
check "students of them are compared with the ensemble: $(grep '^kd' out)" grep -q '^ensemble ' out
check "the same bits on 1 and 3 ranks" cmp free1 free3
check "they are the students that the labelled samples give" $python - <<'END'
import h5py
for student in "hydra", "kd":
    a, b = (h5py.File(f"{run}/student/{student}/weights.h5") for run in ("all", "free"))
    tensors = []
    a.visititems(lambda name, d: tensors.append(name) if isinstance(d, h5py.Dataset) else None)
    assert tensors and all((a[name][()] == b[name][()]).all() for name in tensors)
END
check "it is said why there are no calibrated figures" grep -q 'no calibrated figures: they need labels of the validation part' err
mkdir new && cp -r free/cache new/
refused "labels that a loss needs" 2 '`label_weight` is 0.3, but data.train has no labels' distill unlabelled.yaml --run.dir=new \
    --student.kd.label_weight=0.3
refused "figures that need labels" 2 "which has no labels; set it to test" eval unlabelled.yaml --eval.split=validation
refused "labels beyond the outputs" 2 "of 500 samples have label 10, but the networks have 10 outputs, for labels 0 to 9" eval unlabelled.yaml '--data.test=[eleven.h5]'
refused "members need labels" 3 "free.h5: " train unlabelled.yaml
refused "labels of some files" 3 "labels or targets, but the files before" distill unlabelled.yaml '--data.train=[free.h5, test.h5]'
check "a cache without labels is of labelled samples too" write --logits train_logits.npy --x train_x.npy --no-labels --block 128 \
    --shard-rows 512 new/cache
mpi 2 distill small.yaml --run.dir=new --students=[kd] || cat err
check "and a student learns from it" test -s new/student/kd/weights.h5
write --logits train_logits.npy --x train_x.npy --y train_y.npy --block 128 --shard-rows 512 free/cache
refused "a cache with labels is not of samples without" 3 "the cache has labels, the data set has none" distill unlabelled.yaml
finish
