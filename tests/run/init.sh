# `tribikos init` looks at a data set and prints a configuration; each of them is run as it is, with one epoch.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, numpy' 2>/dev/null || skip "python3-h5py is not installed"
cd "$work" || exit 1
$python - <<'END'
import struct
import h5py, numpy as np
r = np.random.RandomState(0)
y = r.randint(0, 3, 300)
x = r.randn(300, 4) + y[:, None]
words = np.array(["setosa", "versicolor", "virginica"])
open("words.csv", "w").write("a,b,c,d,kind\n" + "".join(",".join("%.3f" % v for v in a) + f",{words[k]}\n" for a, k in zip(x, y)))
np.savetxt("one.txt", np.c_[x, y + 1], fmt="%.3f %.3f %.3f %.3f %d")
np.savetxt("targets.csv", np.c_[x, x.sum(1)], fmt="%.4f", delimiter=",", header="a,b,c,d,sum", comments="")
np.savez("pairs.npz", x=x, y=y)
images = r.randint(0, 256, (300, 28, 28)).astype("u1")
np.save("x.npy", images)
np.save("y.npy", y)
with h5py.File("images.h5", "w") as f: f["x"], f["y"] = r.randint(0, 256, (300, 3, 32, 32)).astype("u1"), y
open("images.idx", "wb").write(struct.pack(">IIII", 0x803, 300, 28, 28) + images.tobytes())
open("labels.idx", "wb").write(struct.pack(">II", 0x801, 300) + y.astype("u1").tobytes())
open("page.csv", "w").write("<!doctype html><html><body>404</body></html>")
np.savetxt("few.csv", np.c_[x[:12], y[:12]], fmt="%.3f", delimiter=",")
END
# begins WHAT WORDS FILES...: the configuration has these words, and runs.
begins() {
    local what=$1 words=$2
    shift 2
    tribikos init "$@" >made.yaml 2>err
    check "$what: exit 0" test $? = 0 || cat err
    check "$what: says $words" grep -qF -- "$words" made.yaml || cat made.yaml
    rm -rf run
    tribikos run made.yaml --run.dir=run --members.count=2 --train.epochs=1 --student.phase1_epochs=1 --student.epochs=1 >out 2>err
    check "$what: runs" test $? = 0 || cat err made.yaml
    check "$what: and is reported" test -s run/report/report.json
}
begins "words" "# inputs: a, b, c, d" words.csv
begins "labels from 1" "labels_from: 1" one.txt
begins "targets" "task: regression" targets.csv
begins "an npz archive" "format: npy" pairs.npz
begins "npy files" "lenet5 3" x.npy y.npy
begins "HDF5" "cifar-resnet8 3" images.h5
begins "IDX" "format: idx" images.idx labels.idx
# no WHAT STATUS WORDS FILES...: one line says why.
no() {
    local what=$1 status=$2 words=$3
    shift 3
    tribikos init "$@" >out 2>err
    check "$what: exit $status" test $? = "$status"
    check "$what: one line that says why" test "$(wc -l <err)" = 1 -a "$(grep -cF -- "$words" err)" = 1 || cat err
}
no "a web page" 3 "looks like a web page" page.csv
no "a few samples" 3 "at least 20 are needed" few.csv
no "no file" 2 "takes the files of a training set"
no "a file that is not there" 2 "cannot be read" nowhere.csv
finish
