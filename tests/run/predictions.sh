# tribikos predict: new samples of every format get what eval has in predictions.h5, to the bit, in the same bytes on any number of
# ranks; inputs larger than the memory; a killed prediction leaves nothing; what is wrong with an input is said in one line.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
sed -i 's/^students: .*/students: [hydra, kd, endd]/' "$work/small.yaml"
echo "eval: {batch: 20}" >>"$work/small.yaml" # several groups of blocks, also for five ranks
mpi 2 run "$work/small.yaml" || { cat "$work/err"; bad "run"; finish; }
run=$work/run images=$work/data/t10k-images-idx3-ubyte labels=$work/data/t10k-labels-idx1-ubyte
# predict OUTPUT ARGUMENTS...: on one rank
predict() { mpi 1 predict "${@:2}" --output="$1" --force || { cat "$work/err"; bad "predict ${*:2}"; }; }

# ---- the numbers
for model in hydra kd endd ensemble; do predict "$work/$model.h5" "$run" "$images" --model=$model --heads; done
for m in 0 1 2; do predict "$work/member$m.h5" "$run" "$images" --model=member:$m; done
check "probabilities and uncertainties are those of eval, to the bit" $python - "$work" <<'END'
import h5py, json, numpy as np, sys
work = sys.argv[1]
f = h5py.File(f"{work}/run/report/predictions.h5")
for m in "hydra", "kd", "endd", "ensemble":
    p = h5py.File(f"{work}/{m}.h5")
    of = lambda k: f[f"uncertainty/test/{m}/{k}"][...]
    assert np.array_equal(p["probabilities"][...], f[m][...]), m
    assert np.array_equal(p["total_uncertainty"][...], of("total"))
    model = of("model") if m != "kd" else np.zeros(500)
    assert np.array_equal(p["model_uncertainty"][...], model)
    assert np.array_equal(p["id"][...], np.arange(500))
    assert np.array_equal(p["label"][...], p["probabilities"][...].argmax(1))
    assert np.allclose(p["data_uncertainty"][...] + p["model_uncertainty"][...], of("total"), atol=1e-12 if m != "kd" else 1e-6)
    assert p["heads"].shape == (500, 1 if m in ("kd", "endd") else 3, 10)
report = json.load(open(f"{work}/run/report/report.json"))["models"]
p = h5py.File(f"{work}/ensemble.h5")
z = np.log(p["probabilities"][...].astype("f8")) / report["ensemble"]["temperature"]
z = np.exp(z - z.max(1, keepdims=True))
assert abs(p["calibrated"][...] - z / z.sum(1, keepdims=True)).max() < 1e-6, "calibrated, ensemble"
heads = h5py.File(f"{work}/ensemble.h5")["heads"][...]
for m in range(3):
    assert np.array_equal(heads[:, m], h5py.File(f"{work}/member{m}.h5")["probabilities"][...])
assert np.allclose(h5py.File(f"{work}/hydra.h5")["heads"][...].mean(1), f["hydra"][...], atol=1e-6)
END
for n in 2 3 5; do
    for end in h5 csv; do
        [ -e "$work/one.$end" ] || predict "$work/one.$end" "$run" "$images" --heads
        mpi $n predict "$run" "$images" --heads --output="$work/many.$end" --force || cat "$work/err"
        check "$end: the same bytes on $n ranks" cmp "$work/one.$end" "$work/many.$end"
    done
done
check "CSV has the same numbers" $python - "$work" <<'END'
import csv, h5py, numpy as np, sys
work = sys.argv[1]
rows = list(csv.reader(open(f"{work}/one.csv")))
f = h5py.File(f"{work}/one.h5")
names = ["id", "label"] + [f"probabilities.{k}" for k in range(10)] + [f"{k}_uncertainty" for k in ("total", "model", "data")]
names += [f"calibrated.{k}" for k in range(10)]
assert rows[0] == names + [f"heads.{m}.{k}" for m in range(3) for k in range(10)], rows[0]
v = np.array(rows[1:], float)
assert np.array_equal(v[:, 0], f["id"][...]) and np.array_equal(v[:, 1], f["label"][...])
assert np.array_equal(v[:, 2:12].astype("f4"), f["probabilities"][...])
for i, k in enumerate(("total", "model", "data")):
    assert np.array_equal(v[:, 12 + i], f[f"{k}_uncertainty"][...])
assert np.array_equal(v[:, 15:25].astype("f4"), f["calibrated"][...])
assert np.array_equal(v[:, 25:].astype("f4").reshape(-1, 3, 10), f["heads"][...])
END
predict "$work/plain.csv" "$run" "$images"
mpi 2 predict "$run" "$images"
check "without --output the same on stdout" cmp "$work/plain.csv" "$work/out"
check "nothing is said of labels" test "$(grep -c accuracy "$work/err")" = 0
mpi 3 predict "$run" "$images" "$labels"
check "labels do not change predictions" cmp "$work/plain.csv" "$work/out"
check "with labels the last line says accuracy and NLL of the report" $python - "$work" <<'END'
import json, re, sys
m = json.load(open(f"{sys.argv[1]}/run/report/report.json"))["models"]["hydra"]
line = open(f"{sys.argv[1]}/err").read().strip().split("\n")[-1]
assert line == f"predict: by the labels of the input: accuracy {m['accuracy']:.4f}, NLL {m['nll']:.4f} (500 rows)", line
END
mpi 2 predict "$run/student/hydra/weights.h5" "$images" --eval.batch=20
check "which says how it counts labels" grep -q 'warning: labels count from 0; --data.labels_from=1 if the training files count from 1' "$work/err"
check "a weights file alone predicts the same" cmp "$work/plain.csv" "$work/out"

# ---- the temperature of an ensemble stands in the report
uncalibrated() { # WHAT WORDS
    predict "$work/ensemble.csv" "$run" "$images" --model=ensemble
    check "$1: nothing is calibrated" sh -c '! head -1 "$0" | grep -q calibrated' "$work/ensemble.csv"
    check "$1: which is said" grep -qF "no \`calibrated\` probabilities of the ensemble: $2; \`tribikos eval\` fits its" "$work/err"
}
mv "$run/report/report.json" "$work/report.json"
uncalibrated "no report" "the run has no report"
sed 's/"members": \["[0-9a-f]*"/"members": ["0123456789abcdef"/' "$work/report.json" >"$run/report/report.json"
uncalibrated "members trained again" "the report of the run is about other weights"
echo '{"weights": [' >"$run/report/report.json"
uncalibrated "a damaged report" "the report of the run is damaged"
mv "$work/report.json" "$run/report/report.json"

# ---- a reader that goes away
leave() { # FILES...: the exit status of a prediction whose reader leaves after a line
    ("$TRB_BUILD/tribikos" predict "$run" "$@" 2>"$work/err"; echo $? >"$work/status") | head -1 >"$work/first"
    cat "$work/status"
}
many=$(for _ in $(seq 40); do echo "$images"; done)
check "head -1: no error" test "$(leave $many)" = 0 -a "$(grep -c error "$work/err")" = 0 || cat "$work/err"
check "and the first line" test "$(cat "$work/first")" = "$(head -1 "$work/plain.csv")"
"$TRB_BUILD/tribikos" predict "$run" "$images" >/dev/full 2>"$work/err"
check "a full disk is an error" test $? = 1 -a "$(grep -c 'stdout: the output could not be written' "$work/err")" = 1
(sleep 0.2; "$TRB_BUILD/tribikos" plan "$work/small.yaml" --quiet 2>"$work/err"; echo $? >"$work/status") | true
check "other commands, too, do not mind a reader that has gone" test "$(cat "$work/status")" = 0 -a ! -s "$work/err"

# ---- other files of the same samples
$python - "$work" <<'END'
import gzip, h5py, numpy as np, sys
work = sys.argv[1]
x = np.frombuffer(open(f"{work}/data/t10k-images-idx3-ubyte", "rb").read()[16:], "u1").reshape(-1, 28, 28)
y = np.frombuffer(open(f"{work}/data/t10k-labels-idx1-ubyte", "rb").read()[8:], "u1")
np.save(f"{work}/x.npy", x), np.save(f"{work}/fortran.npy", np.asfortranarray(x)), np.savez_compressed(f"{work}/x.npz", x=x, y=y)
with h5py.File(f"{work}/x.h5", "w") as f:
    f.create_dataset("x", data=x, chunks=(100, 28, 28), compression=4)
for i, rows in enumerate((slice(0, 130), slice(130, 131), slice(131, 500))):
    np.save(f"{work}/part{i}.npy", x[rows])
with gzip.open(f"{work}/x.gz", "w") as f:
    f.write(open(f"{work}/data/t10k-images-idx3-ubyte", "rb").read())
END
for file in x.npy fortran.npy x.npz x.h5 x.gz 'part*.npy'; do
    case $file in *.npy|*.npz) format=npy ;; *.h5) format=hdf5 ;; *) format=idx ;; esac
    mpi 3 predict "$run" "$work/$file" --data.format=$format || cat "$work/err"
    check "$file: the same predictions" cmp "$work/plain.csv" "$work/out"
done

# ---- rows without a prediction: inputs that are not finite
$python - "$work" <<'END'
import h5py, numpy as np, sys
work = sys.argv[1]
x = np.load(f"{work}/x.npy").astype("f8")
x[3, 5, 5], x[4, 0, 0], x[207, 9, 9], x[499, 27, 27] = np.nan, np.inf, -1e300, 1e39
np.save(f"{work}/bad.npy", x)
with h5py.File(f"{work}/bad.h5", "w") as f:
    f["x"], f["y"] = x, np.frombuffer(open(f"{work}/data/t10k-labels-idx1-ubyte", "rb").read()[8:], "u1")
END
lost="4 of 500 rows have no prediction, the first is row 3 of the input, counted from 0: it has a value that is not finite, or that float32 cannot hold."
for n in 1 3; do
    mpi $n predict "$run" "$work/bad.npy" --data.format=npy --heads --output="$work/bad$n.csv" || cat "$work/err"
    check "rows that are not finite are counted ($n ranks)" grep -qF "$lost Such rows have empty fields" "$work/err" || cat "$work/err"
    mpi $n predict "$run" "$work/bad.h5" --data.format=hdf5 --heads --output="$work/bad$n-out.h5" || cat "$work/err"
    check "in HDF5, too ($n ranks)" grep -qF "$lost Such rows have NaN as their numbers, and -1 as their label" "$work/err"
    check "the same bytes ($n ranks)" sh -c 'cmp "$0/bad1.csv" "$0/bad$1.csv" && cmp "$0/bad1-out.h5" "$0/bad$1-out.h5"' "$work" $n
done
cp "$work/err" "$work/bad-said"
check "these rows are empty, and all others as they were" $python - "$work" <<'END'
import h5py, numpy as np, sys
work = sys.argv[1]
bad = [3, 4, 207, 499]
a, b = (open(f"{work}/{f}.csv").read().split("\n") for f in ("one", "bad1"))
assert len(a) == len(b) and a[0] == b[0]
for i, (x, y) in enumerate(zip(a[1:-1], b[1:-1])):
    assert y == (f"{i}" + "," * x.count(",") if i in bad else x), (i, y)
f, g = h5py.File(f"{work}/one.h5"), h5py.File(f"{work}/bad1-out.h5")
keep = np.setdiff1d(np.arange(500), bad)
for k in f:
    assert np.array_equal(f[k][...][keep], g[k][...][keep]), k
    lost = g[k][...][bad]
    assert np.isnan(lost).all() if lost.dtype.kind == "f" else (lost == (bad if k == "id" else -1)).all(), (k, lost)
right = (g["label"][...] == h5py.File(f"{work}/bad.h5")["y"][...])[keep].mean()
line = open(f"{work}/bad-said").read().strip().split("\n")[-1]
assert line.startswith(f"predict: by the labels of the input: accuracy {right:.4f}, NLL ") and line.endswith("(496 rows)"), line
END

# ---- the output
check "an output is there" test -s "$work/one.csv"
cp "$work/one.csv" "$work/kept.csv"
refused "an output that exists" 2 "one.csv exists; --force overwrites it" predict "$run" "$images" --output="$work/one.csv"
check "it is as it was" cmp "$work/one.csv" "$work/kept.csv"
for end in csv h5; do
    TRB_FAULT=eval.unit:9:1:kill mpi 2 predict "$run" "$images" --heads --output="$work/killed.$end"
    check "$end: killed: no output" test ! -e "$work/killed.$end"
    mpi 2 predict "$run" "$images" --heads --output="$work/killed.$end" || cat "$work/err"
    check "$end: again: the same bytes" cmp "$work/one.$end" "$work/killed.$end"
    check "$end: and nothing else is left" test "$(ls "$work" | grep -c 'killed.*tmp')" = 0
done

# ---- tables: names, words, missing values, keys; regression
$python - "$work" <<'END'
import numpy as np, sys
work, r = sys.argv[1], np.random.RandomState(3)
names = np.array(["iris, blue", 'the "red"', "white"])
def table(path, n, columns, seed):
    r = np.random.RandomState(seed)
    y = r.randint(0, 3, n)
    v = {c: ["%.4f" % (u + k + i) for u, k in zip(r.randn(n), y)] for i, c in enumerate("abc")}
    v["colour"] = list(np.array(["x", "y", "z"])[r.randint(0, 3, n)])
    v["plant"] = ["p %d" % i for i in range(n)]
    v["kind"] = ['"' + names[k].replace('"', '""') + '"' for k in y]
    v["height"] = ["%.3f" % (2e9 + 3 * k + float(a)) for k, a in zip(y, v["a"])]
    v["a"][7] = "NA"
    with open(path, "w") as f:
        f.write(",".join(columns) + "\n")
        f.writelines(",".join(v[c][i] for c in columns) + "\n" for i in range(n))
    return v
table(f"{work}/train.csv", 400, ["plant", "a", "b", "c", "colour", "kind"], 1)
table(f"{work}/test.csv", 700, ["plant", "a", "b", "c", "colour", "kind"], 2)
table(f"{work}/new.csv", 700, ["plant", "colour", "c", "b", "a"], 2)
table(f"{work}/nokey.csv", 700, ["colour", "c", "b", "a"], 2)
table(f"{work}/h-train.csv", 400, ["plant", "a", "b", "c", "height"], 1)
table(f"{work}/h-test.csv", 700, ["plant", "a", "b", "c", "height"], 2)
END
cat >"$work/table.yaml" <<END
run: {dir: $work/table}
data: {format: table, root: $work, train: [train.csv], test: [test.csv], drop: [plant], categories: [colour], missing: mean}
members: {count: 2}
train: {layers: [dense 8, relu, dense 3], epochs: 3, batch: 40}
students: [hydra]
student: {layers: [dense 8, relu, split, dense 3], phase1_epochs: 2, epochs: 2, batch: 40}
eval: {batch: 2}
END
mpi 2 run "$work/table.yaml" || cat "$work/err"
for n in 1 2 3 5; do mpi $n predict "$work/table" "$work/new.csv" --output="$work/table$n.csv" || cat "$work/err"; done
for n in 2 3 5; do check "a table: the same bytes on $n ranks" cmp "$work/table1.csv" "$work/table$n.csv"; done
mpi 2 predict "$work/table" "$work/test.csv" --output="$work/labelled.csv"
check "with the target's column the same" cmp "$work/table1.csv" "$work/labelled.csv"
check "and accuracy" grep -q "accuracy 0\..*(700 rows)" "$work/err"
mpi 2 predict "$work/table/student/hydra/weights.h5" "$work/new.csv" --eval.batch=2 --output="$work/alone.csv" || cat "$work/err"
check "a weights file alone reads the table in the same way" cmp "$work/table1.csv" "$work/alone.csv"
mpi 1 predict "$work/table" "$work/nokey.csv"
check "class names, keys and numbers are those of the report" $python - "$work" <<'END'
import csv, h5py, numpy as np, sys
work = sys.argv[1]
rows, plain = (list(csv.reader(open(f"{work}/{f}"))) for f in ("table1.csv", "out"))
names = sorted(["iris, blue", 'the "red"', "white"])
assert rows[0][:5] == ["plant", "label"] + ["probabilities." + k for k in names], rows[0]
assert [r[0] for r in rows[1:]] == ["p %d" % i for i in range(700)]
assert plain[0][0] == "id" and [r[0] for r in plain[1:]] == [str(i) for i in range(700)]
assert [r[1:] for r in plain] == [r[1:] for r in rows]
p = np.array([r[2:5] for r in rows[1:]], float).astype("f4")
assert np.array_equal(p, h5py.File(f"{work}/table/report/predictions.h5")["hydra"][...])
assert [r[1] for r in rows[1:]] == [names[k] for k in p.argmax(1)]
END
sed 's/^\(p 9,[^,]*,\)[^,]*/\11e300/' "$work/new.csv" >"$work/huge.csv"
mpi 2 predict "$work/table" "$work/huge.csv" --output="$work/huge-out.csv" || cat "$work/err"
check "a number that float32 cannot hold makes its own row empty, and no other" \
    test "$(grep -c '^p 9,,,' "$work/huge-out.csv")$(diff "$work/table1.csv" "$work/huge-out.csv" | grep -c '^[<>]')" = 12
mpi 2 predict "$work/table" "$work/new.csv" --data.missing=drop
check "rows with missing values are left out, and the others keep their names" \
    test "$(wc -l <"$work/out")" = 700 -a "$(grep -c '^p 7,' "$work/out")" = 0 -a "$(grep -c '^p 699,' "$work/out")" = 1

# Labels that are not there, or are none: a prediction needs none.
awk '/"white"$/ && ++n == 9 { sub(/"white"$/, "maybe") } { print }' "$work/test.csv" >"$work/maybe.csv"
sed 's/,maybe$/,/' "$work/maybe.csv" >"$work/gap.csv"
for input in maybe gap; do
    refused "$input: a label that is none" 3 "--data.target=none predicts without labels" predict "$work/table" "$work/$input.csv" --data.missing=drop
    mpi 2 predict "$work/table" "$work/$input.csv" --data.target=none --output="$work/$input-out.csv" || cat "$work/err"
    check "$input: without labels" cmp "$work/table1.csv" "$work/$input-out.csv"
done
cp "$work/new.csv" "$work/both.csv"
refused "an output that is the input" 2 "both.csv is read here" predict "$work/table" "$work/both.csv" --output="$work/both.csv" --force
check "which is still there" cmp "$work/new.csv" "$work/both.csv"
# Fields that only tabs separate, since some are empty; and a target in front of the inputs.
awk 'BEGIN { srand(1); for (i = 0; i < 60; i++) printf "%d\t%.3f\t%s\t%.3f\n", i % 2, rand() + i % 2, i % 3 ? rand() : "", rand() }' >"$work/tabs.tsv"
cat >"$work/tabs.yaml" <<END
run: {dir: $work/tabs}
data: {format: table, root: $work, train: [tabs.tsv], test: [tabs.tsv], header: no, target: "0", separator: tab, missing: mean}
members: {count: 1}
train: {layers: [dense 8, relu, dense 2], epochs: 9, batch: 20}
students: []
END
mpi 1 run "$work/tabs.yaml" || cat "$work/err"
mpi 2 predict "$work/tabs" "$work/tabs.tsv" --output="$work/tabs.csv"
check "the run's separator, and its own training file" test $? = 0 -a "$(wc -l <"$work/tabs.csv")" = 61 || cat "$work/err"
check "a weights file knows where the target stands" mpi 1 predict "$work/tabs/members/m000/weights.h5" "$work/tabs.tsv" \
    --data.separator=tab --data.missing=mean --output="$work/tabs-alone.csv" || cat "$work/err"
check "with the same bytes" cmp "$work/tabs.csv" "$work/tabs-alone.csv"

# A table without names whose target is the last column: then the weights file knows nothing of columns.
tr '\t' , <"$work/tabs.tsv" | awk -F, '{ print $2 "," $4 "," $1 }' >"$work/bare.csv"
mpi 1 run "$work/tabs.yaml" --run.dir="$work/bare" --data.train=bare.csv --data.test=bare.csv --data.target=-1 --data.separator=, --data.missing=refuse || cat "$work/err"
bare=$work/bare/members/m000/weights.h5
refused "one column more than a network without names has inputs" 3 \
    "expected the 2 inputs alone, since nothing says which columns of the training files they were, got 3 columns; if only one is no input, --data.target=COLUMN names it" \
    predict "$bare" "$work/bare.csv"
mpi 1 predict "$work/bare" "$work/bare.csv" --output="$work/bare-out.csv" || cat "$work/err"
mpi 1 predict "$bare" "$work/bare.csv" --data.target=2 --output="$work/bare-alone.csv" || cat "$work/err"
check "which helps" cmp "$work/bare-out.csv" "$work/bare-alone.csv"
# Ranks that see other files by one name.
rank='r=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; exec 9<"$0/members/m00$r/weights.h5"; exec "$TRB_BUILD/tribikos" predict /proc/self/fd/9 "$1"'
"$TRB_MPIRUN" -n 2 bash -c "$rank" "$run" "$images" >"$work/out" 2>"$work/err" </dev/null
check "ranks with other weights: exit 2" test $? = 2 || cat "$work/err"
check "which say so" grep -q 'error: .*the weights' "$work/err" || cat "$work/err"
check "and predict nothing" test ! -s "$work/out"

cat >"$work/height.yaml" <<END
run: {dir: $work/height}
data: {task: regression, format: table, root: $work, train: [h-train.csv], test: [h-test.csv], drop: [plant], missing: mean}
members: {count: 3}
train: {layers: [dense 8, tanh, dense 2], epochs: 5, batch: 40}
students: [hydra]
student: {layers: [dense 8, tanh, split, dense 2], phase1_epochs: 2, epochs: 2, batch: 40}
eval: {batch: 3}
END
mpi 2 run "$work/height.yaml" || cat "$work/err"
for m in hydra ensemble; do
    mpi 2 predict "$work/height" "$work/h-test.csv" --model=$m --heads --output="$work/$m-height.h5" || cat "$work/err"
    cp "$work/err" "$work/$m-said"
done
check "regression: means, deviations and intervals are those of the report" $python - "$work" <<'END'
import h5py, json, numpy as np, sys
work = sys.argv[1]
f, report = h5py.File(f"{work}/height/report/predictions.h5"), json.load(open(f"{work}/height/report/report.json"))["models"]
y = f["target"][...]
for m in "hydra", "ensemble":
    p = h5py.File(f"{work}/{m}-height.h5")
    g = lambda k: p[k][...]
    # The offset of the target is 2e9, so means are compared as differences from it.
    assert np.array_equal((g("heads")[..., 1]).astype("f4"), f[m][..., 1].astype("f4")) and abs(g("heads")[..., 0] - f[m][..., 0]).max() < 1e-6
    assert np.array_equal(g("std"), np.sqrt(f[f"uncertainty/test/{m}/total"][...]))
    assert np.array_equal(g("model_std") ** 2 > 0, f[f"uncertainty/test/{m}/model"][...] > 0)
    assert np.allclose(g("model_std") ** 2 + g("data_std") ** 2, g("std") ** 2)
    assert abs(g("mean") - g("heads")[..., 0].mean(1)).max() < 1e-6
    inside = ((y >= g("low")) & (y <= g("high"))).mean()
    assert abs(inside - report[m]["coverage"]) < 1e-9, (inside, report[m]["coverage"])
    assert abs((g("high") - g("low")).mean() - report[m]["width"]) < 1e-5
    line = open(f"{work}/{m}-said").read().strip().split("\n")[-1]
    said = float(line.split("RMSE ")[1].split(",")[0]), float(line.split("NLL ")[1].split(" ")[0])
    assert np.allclose(said, (report[m]["rmse"], report[m]["nll"]), rtol=1e-5), line
END

# ---- an input of ten times the memory that is left
$python - "$work" <<'END'
import numpy as np, sys
work, D = sys.argv[1], 6000
r = np.random.RandomState(5)
head = ",".join(f"x{i}" for i in range(D))
lines = [",".join("%.1f" % v for v in r.randn(D)) for _ in range(60)]
with open(f"{work}/wide-train.csv", "w") as f:
    f.write(head + ",y\n" + "".join(f"{l},{i % 2}\n" for i, l in enumerate(lines)))
with open(f"{work}/wide-small.csv", "w") as f:
    f.write(head + "\n" + "".join(l + "\n" for l in lines))
with open(f"{work}/wide.csv", "w") as f:
    f.write(head + "\n" + "".join(lines[i % 60] + "\n" for i in range(10000)))
END
cat >"$work/wide.yaml" <<END
run: {dir: $work/wide}
data: {format: table, root: $work, train: [wide-train.csv], test: [wide-train.csv]}
members: {count: 1}
train: {layers: [dense 4, relu, dense 2], epochs: 1, batch: 20}
students: []
eval: {batch: 20}
END
mpi 1 run "$work/wide.yaml" || cat "$work/err"
limited() { (ulimit -v "$1"; exec "$TRB_BUILD/tribikos" "${@:2}") >"$work/limited" 2>"$work/err" </dev/null; }
low=100000 high=4000000 # KiB: the least address space with which a small input is predicted
while [ $((high - low)) -gt 8000 ]; do
    middle=$(((low + high) / 2))
    if limited $middle predict "$work/wide" "$work/wide-small.csv"; then high=$middle; else low=$middle; fi
done
bytes=$(stat -c %s "$work/wide.csv") limit=$((high + 24000))
check "the input ($bytes bytes) is ten times what $limit KiB leave free" test "$bytes" -ge 245760000
check "it is predicted with so little memory" limited $limit predict "$work/wide" "$work/wide.csv" || cat "$work/err"
check "with a line for each row" test "$(wc -l <"$work/limited")" = 10001
check "which repeat as the rows do" $python - "$work/limited" <<'END'
import sys
rows = [l.split(",")[1:] for l in open(sys.argv[1])][1:]
sys.exit(any(rows[i] != rows[i % 60] for i in range(len(rows))))
END

# ---- what is wrong
printf 'a,b,c,colour\n1,2,3,x\n1,2,three,x\n' >"$work/word.csv"
printf 'a,b,c,colour\n1,2,3,purple\n' >"$work/purple.csv"
printf 'a,b,d,colour\n1,2,3,x\n' >"$work/other.csv"
printf 'a,b,c,colour\n1,2,3,x\n1,2,3\n' >"$work/short.csv"
head -c 5000 "$images" >"$work/truncated"
: >"$work/empty.csv"
$python -c "import sys; x = open('$images', 'rb').read(); open('$work/wide-idx', 'wb').write(x[:8] + bytes([0, 0, 0, 14, 0, 0, 0, 56]) + x[16:])"
sed 's/0/0/' "$labels" >"$work/labels-bad"
$python -c "d = bytearray(open('$labels', 'rb').read()); d[100] = 77; open('$work/labels-bad', 'wb').write(d)"
sed '1!s/,[^,]*$/,/' "$work/new.csv" >"$work/gaps.csv"
refused "values are missing in all rows" 3 "gaps.csv: no rows are left: values are missing in all of them" predict "$work/table" "$work/gaps.csv" --data.missing=drop
refused "no such file" 2 "nothing: cannot be read" predict "$run" "$work/nothing"
refused "no input" 2 "takes a run or a weights file, and files of samples" predict "$run"
refused "no run" 2 "is no run, nor a weights file" predict "$work/data" "$images"
refused "a file that holds no weights" 3 "is no whole HDF5 file" predict "$images" "$images"
refused "an unknown network" 2 "expected one of hydra, kd, endd, ensemble, member:0 to member:2, got \`hydras\`" predict "$run" "$images" --model=hydras
refused "an unknown member" 2 "got \`member:3\`" predict "$run" "$images" --model=member:3
refused "a network of a weights file" 2 "is one network" predict "$run/student/kd/weights.h5" "$images" --model=kd
refused "another ending" 2 "ends in .csv or .h5" predict "$run" "$images" --output="$work/a.txt"
refused "another shape" 3 "samples of 1 x 14 x 56, but hydra takes samples of 1 x 28 x 28" predict "$run" "$work/wide-idx"
refused "a truncated file" 3 "truncated: " predict "$run" "$work/truncated"
refused "another format" 3 "expected an IDX file" predict "$run" "$work/new.csv"
refused "a label that no class has" 3 "row 92 of the input has label 77, but hydra knows labels 0 to 9" predict "$run" "$images" "$work/labels-bad"
refused "a word among numbers" 3 "word.csv:3: column 2 (c): expected a number" predict "$work/table" "$work/word.csv"
refused "a new word" 3 "expected one of the 3 words of the training files, got \`purple\`" predict "$work/table" "$work/purple.csv"
refused "another name" 3 "its header lacks the column c, which the training files have, and it has the column d" predict "$work/table" "$work/other.csv"
refused "a short row" 3 "short.csv:3: expected 4 columns" predict "$work/table" "$work/short.csv"
refused "an empty file" 3 "empty.csv" predict "$work/table" "$work/empty.csv"
refused "a wrong row in the second file" 3 "word.csv:3: " predict "$work/table" "$work/nokey.csv" "$work/word.csv" --output="$work/never.csv"
check "and no output" test ! -e "$work/never.csv" -a "$(ls "$work" | grep -c 'never.*tmp')" = 0
finish
