# Runs side by side: only runs, and students of a grid, that differ in their seed are averaged, others stand in rows of their own with the keys that differ;
# other tasks, data and member counts are refused, and the same run twice, be it as a copy.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
table_run 120 40
table other.csv 30 3
both=(--data.validation=20 --run.dir=r1)
run() { mpi 1 run base.yaml "${both[@]}" "$@" || { cat err; bad "run $*"; }; }
run
run --run.dir=r2 --run.seed=2 --comm.timeout=100 --cache.memory=7
run --run.dir=r3 --run.seed=3
run --run.dir=cold --student.temperature=1 --students='[hydra]'
run --run.dir=three --members.count=3 --students='[]'
run --run.dir=regression --data.task=regression --train.layers='[dense 8, relu, dense 2]' --students='[]'
run --run.dir=tested --data.test='[other.csv]' --students='[]'
run --run.dir=g1 --students='[kd]' --student.grid.seed='[1, 2]'
run --run.dir=g2 --run.seed=2 --students='[kd]' --student.grid.seed='[1, 2]'
cp train.csv kept.csv && sed -i '1s/^/1/' train.csv
run --run.dir=trained --students='[]'
mv kept.csv train.csv
mpi 1 eval base.yaml "${both[@]}" --eval.split=train || cat err

compare() { tribikos compare "$@" >out 2>err </dev/null; }
compare r1 r2 r3 cold
check "seeds are one group, another temperature is another one" test $? = 0 -a "$(head -n 2 out)" = \
    $'A: r1 (seed 1) r2 (seed 2) r3 (seed 3)\nB: cold (seed 1)' || cat out err
check "what differs: key and values" test "$(sed -n '4,$p' out | sed '/^$/,$d')" = \
    $'| key | A | B |\n| --- | --- | --- |\n| student.hydra.temperature | 4 | 1 |\n| students | [hydra, kd] | [hydra] |' || cat out
check "the figures are means over seeds, with their range, in every format" $python - "$TRB_BUILD/tribikos" <<'END'
import csv, io, json, subprocess, sys
runs = ["r1", "r2", "r3", "cold"]
out = lambda *flags: subprocess.run([sys.argv[1], "compare", *runs, *flags], stdout=subprocess.PIPE, text=True, check=True).stdout
models = {run: json.load(open(f"{run}/report/report.json"))["models"] for run in runs}
groups = {"A": runs[:3], "B": runs[3:]}
near = lambda a, b: a == b == None or abs(a - b) <= 1e-12 * max(abs(a), abs(b))
ratio = lambda m, r: None if m == "ensemble" else models[r][m]["nll"] / models[r]["ensemble"]["nll"]
wanted = {(g, m): [models[r][m]["nll"] for r in rs] for g, rs in groups.items() for m in models[rs[0]]}
found = json.loads(out("--format=json"))
assert [[r["folder"] for r in g["runs"]] for g in found["groups"]] == list(groups.values())
assert found["groups"][1]["differs"] == {"student.hydra.temperature": "1", "students": "[hydra]"}
assert [(r["group"], r["model"]) for r in found["models"]] == [(g, m) for m in models["r1"] for g in groups if m in models[groups[g][0]]]
for row in found["models"]:
    g, m = row["group"], row["model"]
    for figure, values in (("nll", wanted[g, m]), ("nll_ratio", [ratio(m, r) for r in groups[g]])):
        want = [None] * 3 if None in values else [sum(values) / len(values), min(values), max(values)]
        assert all(near(a, b) for a, b in zip(row[figure], want)), (row, want)
rows = list(csv.DictReader(io.StringIO(out("--format", "csv"))))
assert len(rows) == len(found["models"])
for row, other in zip(rows, found["models"]):
    for figure, values in other.items():
        if isinstance(values, list):
            got = [row[figure + end] for end in ("", "_least", "_largest")]
            assert all(float(a) == b if b is not None else a == "" for a, b in zip(got, values)), (figure, row)
table = [[c.strip() for c in line.strip("|").split("|")] for line in out().splitlines() if line.startswith("|")]
head = next(row for row in table if row[0] == "model")
hydra = [dict(zip(head, row)) for row in table if row[0] == "hydra"]
values = [ratio("hydra", r) for r in runs[:3]]
assert hydra[0]["NLL / ensemble's"] == f"{sum(values) / 3:.3f} ({min(values):.3f} to {max(values):.3f})", hydra
assert hydra[1]["runs"] == "B" and hydra[1]["NLL"] == f"{models['cold']['hydra']['nll']:.4f}", hydra
END
compare g1 g2
check "a grid over seeds, in runs of two seeds: one group" test $? = 0 -a "$(head -n 1 out)" = "A: g1 (seed 1) g2 (seed 2)" || cat out err
check "the students of a grid that differ in their seed alone share a row: mean and range over runs and seeds" $python - "$TRB_BUILD/tribikos" <<'END' || cat out
import csv, io, json, subprocess, sys
out = lambda *words: subprocess.run([sys.argv[1], "compare", *words], stdout=subprocess.PIPE, text=True, check=True).stdout
models = {run: json.load(open(f"{run}/report/report.json"))["models"] for run in ("g1", "g2", "r1")}
for runs in ["g1"], ["g1", "g2"]:
    students = [row for row in json.loads(out(*runs, "--format=json"))["models"] if row["model"].startswith("kd")]
    assert [row["model"] for row in students] == ["kd, 2 seeds"], students
    values = [models[run][f"kd-seed-{s}"]["nll"] for run in runs for s in (1, 2)]
    assert len(set(values)) == len(values)
    for a, b in zip(students[0]["nll"], (sum(values) / len(values), min(values), max(values))):
        assert abs(a - b) < 1e-12, (students, values)
rows = [row for row in csv.DictReader(io.StringIO(out("g1", "r1", "--format=csv"))) if row["model"].startswith("kd")]
assert [(row["runs"], row["model"]) for row in rows] == [("A", "kd, 2 seeds"), ("B", "kd")], rows
assert float(rows[1]["nll"]) == models["r1"]["kd"]["nll"]
text = [line for line in out("g1", "g2").splitlines() if line.startswith("| kd")]
assert len(text) == 1 and text[0].startswith("| kd, 2 seeds | ") and " to " in text[0], text
END
compare r1
check "one run alone" test $? = 0 -a "$(grep -c '^| hydra ' out)" = 1

# cannot WHAT STATUS WORDS ARGUMENTS...
cannot() {
    local what=$1 status=$2 words=$3
    shift 3
    compare "$@"
    check "$what" test "$? $(grep -c 'error: ' err) $(grep -cF -e "$words" err)" = "$status 1 1" -a ! -s out || cat out err
}
cp -r r1 copy
cp -r r1 edited && sed -i -E 's/seed: 1( |$)/seed: 9/' edited/config.yaml
ln -s r1 link
mkdir empty bare && cp -r r1/report bare
cp -r r1 words && echo words >words/report/report.json
cannot "another number of members" 2 'r1 and three cannot be compared: members.count is 2 and 3' r1 three
cannot "another task" 2 'r1 and regression cannot be compared: data.task is classes and regression' r1 r2 regression
cannot "another test set" 2 'r1 and tested cannot be compared: the digest of the evaluated set is ' r1 tested
cannot "another training set" 2 'r1 and trained cannot be compared: the digest of the training set is ' r1 trained
cannot "the same folder" 2 'r1 and link would count one run twice: they are the same folder' r1 r2 link
cannot "a copy" 2 'r1 and copy would count one run twice: they have the same configuration and the same run.seed' r1 copy
cannot "a copy with another seed in its file" 2 'r1 and edited would count one run twice: all their figures are the same' r1 edited
cannot "no folder" 2 'there is no folder nowhere' r1 nowhere
cannot "a folder without a report" 2 'there is no empty/report/report.json; give the folders of runs' r1 empty
cannot "a folder without a configuration" 2 'bare/config.yaml: cannot be read' r1 bare
cannot "something else" 3 'words/report/report.json is no report of tribikos' r1 words
cannot "another format" 2 '`--format`: expected text, csv or json, got `xml`' r1 --format=xml
cannot "nothing" 2 '`tribikos compare` takes folders of runs' --format=csv
cannot "a name that not all have" 2 'there is no r2/report/train/report.json' r1 r2 --report=train
compare r1 --report train
check "reports of a name" test $? = 0
# Reports of earlier versions have no digests: then the names of files tell the sets apart.
sed -i '/^"digests"/d' {r1,r2,tested}/report/report.json
cannot "another test set, without digests" 2 'r1 and tested cannot be compared: data.test is [test.csv] and [other.csv]' r1 tested
compare r1 r2
check "and the same set" test $? = 0 || cat err
finish
