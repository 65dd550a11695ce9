# Tables as people have them: headers, names, words, missing values, offsets. What is read is said or refused, and every
# later file is read as the training files were.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, numpy' 2>/dev/null || skip "python3-h5py is not installed"
cat >"$work/tiny.py" <<'END'
import numpy as np, sys
def rows(N=200, K=3, D=4, seed=0):
    r = np.random.RandomState(seed)
    y = r.randint(0, K, N)
    return r.randn(N, D) + 1.5 * y[:, None], y
def write(path, x, y, head=None, sep=",", end="\n", enc="utf-8"):
    lines = ([head] if head else []) + [sep.join(["%.3f" % v for v in a] + [str(b)]) for a, b in zip(x, y)]
    open(path, "wb").write((end.join(lines) + end).encode(enc))
END
py() { (cd "$work" && PYTHONPATH=$work PYTHONDONTWRITEBYTECODE=1 $python -c "from tiny import *
$1"); }
cat >"$work/base.yaml" <<END
run: {dir: $work/run}
data: {format: table, root: $work, train: [train.csv], test: [test.csv]}
members: {count: 1}
train: {layers: [dense 8, relu, dense 3], epochs: 2, batch: 40}
students: []
END
plan() { tribikos plan "$work/base.yaml" "$@" >"$work/out" 2>"$work/err"; }
# reads WHAT WORDS FLAGS...: the tables are read, and a line has these words ("": no line at all).
reads() {
    local what=$1 words=$2
    shift 2
    plan "$@"
    check "$what: exit 0" test $? = 0 || cat "$work/err"
    if [ -n "$words" ]; then
        check "$what: says so" grep -qF -e "$words" "$work/err" || cat "$work/err"
    else
        # The test set has the rows of the training set here.
        check "$what: no warning" test "$(grep warning "$work/err" | grep -vc "have the same inputs")" = 0 || cat "$work/err"
    fi
}
# no WHAT STATUS WORDS FLAGS...: they are refused.
no() {
    local what=$1 status=$2 words=$3
    shift 3
    plan "$@"
    check "$what: exit $status" test $? = "$status"
    check "$what: says why" test "$(grep -c 'error: ' "$work/err")" = 1 -a "$(grep -cF -e "$words" "$work/err")" = 1 || cat "$work/err"
}

py "write('train.csv', *rows(), 'a,b,c,d,kind')
x, y = rows(60, seed=1)
write('test.csv', x, y, 'a,b,c,d,kind'); write('other.csv', x[:, ::-1], y, 'd,c,b,a,kind'); write('new.csv', x, y, 'a,b,c,e,kind')
write('none.csv', x, y); write('x.csv', x[:, :3], ['%.3f' % v for v in x[:, 3]], 'a,b,c,d'); write('minus.csv', x + 9, [-1] * 60, 'a,b,c,d,kind')"
reads "names" ""
no "other names" 3 "new.csv: its header lacks the column d, which the training files have, and it has the column e, which they do not have; " --data.test=[new.csv]
no "other names in a training file" 3 "its header lacks the column d, which the training files have, and it has the column e" "--data.train=[train.csv, new.csv]"
reads "a test file without a header" "data.test: 1 of 1 file has no header, unlike the training files" --data.test=[none.csv]
reads "out of distribution: no labels" "" --eval.ood=[o] --ood.o.files=[x.csv]
reads "out of distribution: labels that are none" "" --eval.ood=[o] --ood.o.files=[minus.csv]
no "no labels in a test set" 3 "x.csv: its header lacks the column kind, which the training files have; " --data.test=[x.csv]
no "a column that is not there" 2 "data.target: expected a column, counted from 0 to 4 (-1 is the last), a range such as 0-4, a name (a, b, c, d, kind)" --data.target=4.0
reads "columns by name" "" --data.target=kind "--data.features=[a, 1-2, -2]"
no "keys of tables elsewhere" 2 "only tables (\`data.format: table\`) have such rows and columns" --data.format=hdf5 --data.missing=drop

for n in 1 2 3; do
    mpi $n run "$work/base.yaml" --run.dir="$work/run$n" "--data.train=[train.csv, other.csv, test.csv]" || cat "$work/err"
    digest "$work/run$n" >"$work/digest$n"
done
for n in 2 3; do check "three files, the same bits on 1 and $n ranks" cmp -s "$work/digest1" "$work/digest$n"; done
mpi 1 eval "$work/base.yaml" --run.dir="$work/run1" "--data.train=[train.csv, other.csv, test.csv]" --data.test=[other.csv]
check "another order of columns: the same predictions" $python - "$work" <<'END'
import h5py, numpy as np, sys
a, b = (h5py.File(f"{sys.argv[1]}/run{i}/report/predictions.h5") for i in (1, 2))
sys.exit(not np.array_equal(a["ensemble"][...], b["ensemble"][...]))
END
tribikos info "$work/run2/report/predictions.h5" >"$work/out" 2>"$work/err"
check "info shows the names of what predictions are made of" grep -q '^  schema .*"inputs"' "$work/out" || cat "$work/out" "$work/err"
check "weights, cache, predictions and report have the names" $python - "$work/run2" <<'END'
import h5py, json, sys
texts = [h5py.File(f"{sys.argv[1]}/{name}").attrs["schema"]
         for name in ("members/m000/weights.h5", "cache/manifest.h5", "report/predictions.h5")]
found = [json.loads(t.decode() if isinstance(t, bytes) else t) for t in texts]
found.append(json.load(open(f"{sys.argv[1]}/report/report.json"))["schema"])
for s in found:
    assert [i["name"] for i in s["inputs"]] == list("abcd") and s["target"]["name"] == "kind" and s["header"] is True, s
END

# Headers.
py "write('train.csv', *rows(), '0,1,2,3,4'); write('test.csv', *rows(60, seed=1), '0,1,2,3,4')"
reads "a header of whole numbers" "warning: $work/train.csv: its first line, 0 to 4, is taken for a header"
py "write('train.csv', *rows(), '400,410,420,430,440')"
no "a line that may be a header" 3 "train.csv:1: it cannot be told whether this line, with \`440\` in it, is a header or a row; set \`data.header\`"
for first in ,,,, nan,nan,nan,nan,nan '?,?,?,?,?'; do
    py "write('train.csv', *rows(), '$first'); write('test.csv', *rows(60, seed=1))"
    no "a first row of $first" 3 "train.csv:1: column 0: expected a number, got "
    plan --data.missing=drop
    check "it is left out" grep -qF "data.train: values are missing in 1 of 201 rows (columns 0: 1, 1: 1, 2: 1, 3: 1, the target: 1); these rows are left out" "$work/err"
done

# Columns that are seldom meant as inputs.
number() { for f in train test; do
    py "write('$f.csv', *rows(${2:-200}))"
    { echo "$1"; nl -v0 -s, -w1 "$work/$f.csv" | if [ "$1" = 'a b c d y' ]; then tr , ' '; else cat; fi; } >"$work/x" && mv "$work/x" "$work/$f.csv"
done; }
number ,a,b,c,d,y
reads "pandas' index" "warning: data.train: column 0 (no name) counts the rows, and is an input; leave it out with \`data.drop: [0]\`"
reads "it is dropped" "" --data.drop=[0]
number 'a b c d y'
reads "R's names of rows" "warning: data.train: column 0 (no name) counts the rows, and is an input"
py "x, y = rows()
for f in 'train', 'test': write(f + '.csv', np.c_[x[:, :3], 2 * y - 1], y, 'a,b,c,twice,y')"
reads "a second target" "warning: data.train: column 3 (twice) is the target up to scale and offset, and is an input"

py "x, y = rows()
r = np.random.RandomState(7)
for f in 'train', 'test': write(f + '.csv', np.c_[x[:, :2], 7 + r.permutation(len(y)) * 11 % 1009, x[:, 3]], y, 'a,b,sample_id,c,y')"
reads "an index by its name" "warning: data.train: column 2 (sample_id) has the name of an index of rows, and is an input; leave it out with \`data.drop: [2]\`"
py "x, y = rows()
r = np.random.RandomState(7)
for f in 'train', 'test': write(f + '.csv', np.c_[x[:, :2], r.permutation(len(y)), x[:, 3]], y, 'a,b,c,d,y')"
reads "shuffled rows" "warning: data.train: column 2 (c) has each whole number of a range once, as an index of rows, and is an input"
py "x, y = rows()
for f in 'train', 'test': write(f + '.csv', np.c_[x[:, :3], np.array([4, 9, 1])[y]], np.array(['ash', 'fir', 'oak'])[y], 'a,b,c,code,y')"
reads "a target under other names" "warning: data.train: column 3 (code) is the target under other names: each has one value of its own, and is an input; leave it out with \`data.drop: [3]\`"
no "words where numbers are predicted" 3 "column 4 (y): expected a number, got \`ash\`; the target has words: set \`data.task: classes\`" --data.task=regression
py "x, y = rows()
for f in 'train', 'test': write(f + '.csv', x, ['%.2f' % v for v in y + .5], 'a,b,c,d,y')"
no "numbers where classes are" 3 "; for numbers to be predicted set \`data.task: regression\`"

# Separators.
py "x, y = rows()
for f in 'train', 'test': write(f + '.csv', x, ['%d,' % k for k in y], 'a,b,c,d,y')"
no "a comma at the end of each row" 3 "train.csv: its rows end in a separator, so the last column, 5, is empty; leave it out with \`data.drop: [-1]\`"
reads "it is dropped, too" "" --data.drop=[-1]
py "x, y = rows()
for f in 'train', 'test': write(f + '.csv', x, ['%d;%d' % (k, 1 - k % 2) for k in y], 'a,b,c,d,y')"
no "labels with a semicolon" 3 "if ; separates fields, set \`data.separator: \";\"\`, else \`data.separator: \",\"\`"
reads "they are words" "" --data.separator=,
no "no separator" 2 'expected one of the characters , ; | or one of the words tab, blank, auto, got `::`' --data.separator=::
no "a separator between quotes" 2 'got `","`, with quotes; leave them out' '--data.separator=","'
no "a separator that is not there" 3 "train.csv:1: \`data.separator\` says that a vertical bar separates fields, but the first row has none; a comma seems to separate them" "--data.separator=|"
no "a separator elsewhere" 2 "only tables (\`data.format: table\`)" --data.format=hdf5 "--data.separator=;"

# Numbers with points and with commas, columns of one name, labels below 0.
py "x, y = rows()
rows_of = lambda mark: [';'.join(['%.3f' % v for v in a]).replace('.', mark) + ';%d' % k for a, k in zip(x, y)]
points, commas = rows_of('.'), rows_of(',')
open('points.csv', 'w').write('\n'.join(points[:9] + commas[9:]) + '\n'); open('commas.csv', 'w').write('\n'.join(commas[:4] + points[4:]) + '\n')
for f in 'train', 'test': write(f + '.csv', x, ['%+d' % (2 * (k > 0) - 1) for k in y], 'x,x,b,c,y')
write('whole.csv', x, ['%d.0' % (2 * (k > 0) - 1) for k in y], 'x,x,b,c,y')"
no "commas after points" 3 "points.csv:10: a number has a decimal comma, but line 1 has one with a decimal point" --data.train=[points.csv]
no "points after commas" 3 "commas.csv:5: a number has a decimal point, but line 1 has one with a decimal comma" --data.train=[commas.csv]
no "labels below 0" 3 "; \`data.categories: [4]\` takes the labels as words"
reads "they are words" "data.train: columns 0 and 1 are both called x; in other files, columns of one name must stand in the same places" \
    --data.categories=[y] "--train.layers=[dense 8, relu, dense 2]"
reads "one number is one word" "test: 200 samples" --data.categories=[y] "--train.layers=[dense 8, relu, dense 2]" --data.test=[whole.csv]
no "a name that two columns have" 2 "data.drop: columns 0 and 1 are both called x; give a number" --data.drop=[x] --data.categories=[y]

# Samples without labels, and a cache that was filled by others.
py "x, y = rows()
write('free.csv', x[:, :3], ['%.3f' % v for v in x[:, 3]], 'a,b,c,d'); write('test.csv', *rows(60, seed=1), 'a,b,c,d,y')
np.save('x.npy', np.loadtxt('free.csv', delimiter=',', skiprows=1).astype('f4'))
np.save('logits.npy', (4 * np.eye(3)[y] + np.random.RandomState(3).randn(2, 200, 3)).astype('f4'))"
(cd "$work" && PYTHONDONTWRITEBYTECODE=1 $python "$TRB_SOURCE/tools/python/cache_write.py" --logits logits.npy --x x.npy --no-labels free/cache >out 2>err) || cat "$work/err"
free=(--run.dir="$work/free" --data.train=[free.csv] --members.count=2 --students=[kd] --student.split=2 --student.phase1_epochs=0
    --student.epochs=1 --student.batch=40)
mpi 2 distill "$work/base.yaml" "${free[@]}" --data.target=none || cat "$work/err"
check "a student of a table without labels" test -s "$work/free/student/kd/weights.h5"
mpi 1 distill "$work/base.yaml" "${free[@]}" --data.target=none --cache.dtype=float16
check "a cache of another type is named" grep -qF "free/cache holds float32, and \`cache.dtype\` is float16; its values are used as they are" "$work/err"
mpi 2 eval "$work/base.yaml" "${free[@]}" --data.target=none || cat "$work/err"
check "is compared on a table with labels" grep -q '^kd' "$work/out"
sed '1!s/,0$/,maybe/' "$work/test.csv" >"$work/maybe.csv"
refused "a label that is none, where training had none: no advice that is followed already" 3 \
    "column 4 (y): expected a label, a whole number, got \`maybe\`; leave this column out to predict without labels" predict "$work/free" "$work/maybe.csv"
cut -d, -f1-4 "$work/maybe.csv" >"$work/without.csv"
check "which helps" mpi 1 predict "$work/free" "$work/without.csv" --output="$work/without-out.csv" || cat "$work/err"
refused "its last column is no label" 3 "d): expected a label" distill "$work/base.yaml" "${free[@]}"
refused "members need labels" 2 "data.target: none: tables without labels or targets train no members" train "$work/base.yaml" "${free[@]}" \
    --data.target=none

# Many names: what is written can be read.
py "r = np.random.RandomState(0)
lines = [','.join(['%d' % i + 'x' * 700 for i in range(1600)] + ['y'])] + [','.join(map(str, [*r.randint(0, 9, 1600), k % 3])) for k in range(40)]
open('train.csv', 'w').write('\\n'.join(lines) + '\\n')"
mpi 1 run "$work/base.yaml" --run.dir="$work/many" --data.test=[train.csv] --train.epochs=1 --train.batch=20 || cat "$work/err"
check "names of more than a megabyte are written and read" test -s "$work/many/report/report.json"

# Words.
py "import random
city = ['Oslo', 'Rome', 'Bern']
for f, s in ('train', 0), ('test', 1):
    x, y = rows(60, seed=s)
    open(f + '.csv', 'w').write('city;a;b;kind\n' + ''.join('\"%s\";%s;%.3f;%s\n' % (city[i % 3], ('%.3f' % v[0]).replace('.', ','), 7, 'ABC'[k]) for i, (v, k) in enumerate(zip(x, y))))"
no "a number with a point beside numbers with commas" 3 "a number has a decimal point, but line 2 has one with a decimal comma" --data.categories=[city]
sed -i 's/7\.000/7,000/' "$work/train.csv" "$work/test.csv"
no "words without data.categories" 3 "train.csv:2: column 0 (city): expected a number, got \`Oslo\`; \`data.categories\` reads columns of words"
mpi 1 run "$work/base.yaml" --data.categories=[city] --run.dir="$work/words" || cat "$work/err"
check "words as inputs and labels" $python - "$work/words" <<'END'
import h5py, json, sys
f = h5py.File(f"{sys.argv[1]}/members/m000/weights.h5")
s = json.loads(bytes(f.attrs["schema"]).decode())
assert f.attrs["input_c"] == 5 and s["classes"] == ["A", "B", "C"], s
assert [i.get("category") for i in s["inputs"]] == ["Bern", "Oslo", "Rome", None, None], s
END
sed -i '3s/Rome/Paris/' "$work/test.csv"
no "a word that training files do not have" 3 "test.csv:3: column 0 (city): expected one of the 3 words of the training files, got \`Paris\`" --data.categories=[city]

# Values far from zero: the differences keep their digits.
py "r = np.random.RandomState(0)
for n, N in ('train', 400), ('test', 100):
    t = np.sort(r.rand(N)) * 1000; y = t / 100 + r.randn(N) * .01
    for o, k in (1.6e9, 'big'), (0, 'small'):
        open(f'{n}_in_{k}.csv', 'w').write(''.join('%.3f,%.5f\n' % (a + o, b) for a, b in zip(t, y)))
        open(f'{n}_out_{k}.csv', 'w').write(''.join('%.5f,%.3f\n' % (b, a + o) for a, b in zip(t, y)))"
for side in in out; do
    for size in big small; do
        mpi 1 run "$work/base.yaml" --data.task=regression '--train.layers=[dense 20, relu, dense 2]' --train.epochs=20 --train.lr=1e-2 \
            --data.train=[train_${side}_$size.csv] --data.test=[test_${side}_$size.csv] --run.dir="$work/$side$size" || cat "$work/err"
    done
done
check "inputs and targets far from zero are learnt, and predictions are in the file's unit" $python - "$work" <<'END'
import h5py, json, numpy as np, sys
work = sys.argv[1]
rmse = {k: json.load(open(f"{work}/{k}/report/report.json"))["models"]["ensemble"]["rmse"] for k in ("inbig", "insmall", "outbig", "outsmall")}
print(rmse)
assert rmse["inbig"] < 1.5 * rmse["insmall"] + 0.05 and rmse["outbig"] < 1.2 * rmse["outsmall"] + 0.5
t = np.loadtxt(f"{work}/test_out_big.csv", delimiter=",")[:, 1]
p = h5py.File(f"{work}/outbig/report/predictions.h5")
assert p["target"].dtype == "f8" and np.abs(p["target"][...] - t).max() < 1e-3
assert p["ensemble"].dtype == "f8" and abs(np.sqrt(np.mean((p["ensemble"][:, 0, 0] - t) ** 2)) / rmse["outbig"] - 1) < 1e-4
w = h5py.File(f"{work}/outbig/members/m000/weights.h5")
assert abs(w["target.mean"][0] - np.loadtxt(f"{work}/train_out_big.csv", delimiter=",")[:, 1].mean()) < 1e-3
w = h5py.File(f"{work}/inbig/members/m000/weights.h5")
x = np.loadtxt(f"{work}/train_in_big.csv", delimiter=",")[:, 0]
z = ((x - w["input.offset"][0]).astype("f4") - w["input.mean"][0]) * w["input.scale"][0]
assert w["input.offset"].dtype == "f8" and abs(z.mean()) < 1e-4 and abs(z.std() - 1) < 1e-4
assert "input.offset" not in h5py.File(f"{work}/insmall/members/m000/weights.h5")
END
finish
