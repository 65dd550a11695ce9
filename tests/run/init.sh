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
city = ["Oslo", "Rome", "Bern"]
def mixed(name, head, sep=",", end="", ids=False, target=lambda i: words[y[i]], gap=None, text=None):
    with open(name, "w") as f:
        f.write(sep.join(head) + end + "\n")
        for i, a in enumerate(x):
            row = ([str(10 * i + 3 if ids == "id" else i)] if ids else []) + ["%.3f" % v for v in a] + [city[i % 3]]
            row += ["seen by %d on day %d" % (i % 7, i)] if text else []
            if gap is not None and i % 20 == 0: row[gap] = "NA"
            f.write(sep.join(row + [target(i)]) + end + "\n")
mixed("categories.csv", ["a", "b", "c", "d", "city", "kind"])
mixed("gaps.csv", ["a", "b", "c", "d", "city", "kind"], gap=1)
mixed("missing_words.csv", ["a", "b", "c", "d", "city", "sum"], sep=";", gap=4, target=lambda i: "%.4f" % x[i].sum())
mixed("no_label.csv", ["a", "b", "c", "d", "city", "kind"], target=lambda i: "" if i % 9 == 0 else words[y[i]])
mixed("pandas.csv", ["", "a", "b", "c", "d", "city", "kind"], ids=True)
mixed("ids.csv", ["PassengerId", "a", "b", "c", "d", "city", "remark", "kind"], ids="id", text=True)
mixed("trailing.csv", ["a", "b", "c", "d", "city", "kind"], end=",")
mixed("counted.csv", ['"1"', '"0"', '"2"', '"3"', '"4"', "city", "kind"], ids=True)
def made(name, head, *columns):
    lines = [head] + [",".join(str(c(i)) for c in columns) for i in range(300)]
    open(name, "w").write("\n".join(lines) + "\n")
number = [lambda i, j=j: "%.3f" % x[i, j] for j in range(4)]
two = (y > 0).astype(int)
made("minus.csv", "a,b,y", number[0], number[1], lambda i: "%+d" % (2 * two[i] - 1))
made("apart.csv", "a,b,y", number[0], number[1], lambda i: 100 * two[i])
made("count.csv", "a,b,y,n", number[0], number[1], lambda i: two[i], lambda i: i + 1)
made("count_alone.csv", "a,n", number[0], lambda i: i)
made("odd.csv", "a,price,day,share,far,y", number[0], lambda i: '"$%d,%03d"' % (i % 7 + 1, i), lambda i: "2024-%02d-%02d" % (i % 12 + 1, i % 28 + 1),
     lambda i: "%d%%" % (i % 5 * 10), lambda i: "inf" if i == 3 else number[1](i), lambda i: two[i])
made("amount.csv", "a,b,price", number[0], number[1], lambda i: '"$%d,%03d"' % (i % 7 + 1, i))
np.savez("minus.npz", x=x, y=2 * two - 1)
np.save("either.npy", r.randint(0, 256, (300, 3, 8, 3)).astype("u1"))
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
begins "columns of words" 'categories: ["4"] # words: column 4 (city)' categories.csv
begins "missing values" 'missing: mean # missing values, by columns: 1 (b): 15' gaps.csv
begins "missing words, targets to be predicted" 'missing: mean # missing values, by columns: 4 (city): 15' missing_words.csv
begins "missing labels" 'missing: drop # missing values, by columns: 5 (kind): 34' no_label.csv
begins "an index of rows" 'drop: ["0"] # column 0 (no name) counts the rows' pandas.csv
begins "names of rows and texts" 'drop: ["0", "6"] # column 0 (PassengerId) has the name of an index of rows, 6 (remark) has texts' ids.csv
begins "a separator at the end" 'drop: ["6"] # column 6 (no name) is empty' trailing.csv
begins "names that are numbers" 'drop: ["0-0"] # column 0 (1) counts the rows' counted.csv
begins "an npz archive" "format: npy" pairs.npz
begins "npy files" "lenet5 3" x.npy y.npy
begins "HDF5" "cifar-resnet8 3" images.h5
begins "IDX" "format: idx" images.idx labels.idx
begins "labels -1 and 1" 'categories: ["2"] # words: column 2 (y), labels that do not count from 0' minus.csv
check "two classes, by their names" grep -qF "# 2 classes: -1, 1" made.yaml
check "the names are in the report" grep -q '"-1"' run/report/report.json
begins "a last column that counts the rows" 'drop: ["3"] # column 3 (n) counts the rows' count.csv
check "another target, and it is said" test "$(grep -cF "column 3 (n) counts the rows, so column 2 (y) is the one to predict" made.yaml)" = 1
check "the target is that column" grep -qF "the column to predict: y" made.yaml
begins "an order of sizes by a flag" "layout: nhwc" either.npy y.npy --data.layout=nhwc
check "it is the order" grep -qF "samples of 3 x 3 x 8" made.yaml
# says WHAT WORDS FILES...: the configuration has these words; it is not run.
says() {
    local what=$1 words=$2
    shift 2
    tribikos init "$@" >made.yaml 2>err
    check "$what: exit 0" test $? = 0 || cat err
    check "$what: says $words" grep -qF -- "$words" made.yaml || cat made.yaml
}
says "labels 0 and 100" "# 2 classes: 0, 100" apart.csv
says "a column and a count" 'target: "0"' count_alone.csv
says "amounts, dates and infinite values" 'drop: ["1", "2", "4"] # column 1 (price) has no plain numbers, 2 (day)' odd.csv
for words in 'column 1 (price) is left out, because it has amounts of money, such as `$1,000`; to use it, write plain numbers, such as 1200' \
    'column 2 (day) is left out, because it has dates or times, such as `2024-01-01`; to use it, write numbers, such as days' \
    'column 3 (share) is read as words, but it has percentages, such as `0%`; to have one input, write plain numbers' \
    'column 4 (far) is left out, because it has infinite values, such as `inf`; to use it, write finite numbers'; do
    check "a comment and a warning: ${words%%;*}" test "$(grep -cF -e "  # $words" made.yaml)$(grep -cF -e "warning: odd.csv: $words" err)" = 11
done
says "targets that may be labels" "# the targets are -1, 1 only; if they are labels, store them as 0, 1, ..." minus.npz
says "a separator by a flag" 'separator: ","' minus.csv --data.separator=,
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
no "an amount to predict" 3 "amount.csv: column 2 (price) would be predicted, but it has amounts of money, such as" amount.csv
no "an order of sizes in doubt" 3 'set `data.layout` to nchw or to nhwc (`--data.layout=nhwc`)' either.npy y.npy
no "a wrong flag" 2 "takes --data.layout, --data.x, --data.y, --data.header and --data.separator" words.csv --train.epochs=2
no "a flag of arrays" 2 "only arrays of hdf5, npy and idx can have several layouts" words.csv --data.layout=nhwc
no "no file" 2 "takes the files of a training set"
no "a file that is not there" 2 "cannot be read" nowhere.csv
finish
