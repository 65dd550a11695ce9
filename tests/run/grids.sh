# A grid makes ordinary students of one cache: those that one would write by hand, for every number of ranks; each is resumed,
# planned and chosen by its name; the table has mean and range over seeds.
. "$(dirname "$0")/lib.bash"
conf=$work/grid.yaml
sed 's/^students: .*/students: [hydra, kd]/; s/^student: {/student: {grid: {temperature: [2, 0.5], seed: [4, 5]}, /' "$work/small.yaml" >"$conf"
names=$(for m in hydra kd; do for t in 2 0_5; do echo $m-temperature-$t-seed-{4,5}; done; done)
on_ranks "3" --train.epochs=1
cp "$work/out" "$work/table"
check "a folder for each" test "$(ls "$work/run/student" | sort)" = "$(tr ' ' '\n' <<<"$names" | sort)"
check "a row for each in two tables" test "$(grep -cE "^(hydra|kd)-temperature-(2|0_5)-seed-[45] " "$work/table")" = 16 || cat "$work/table"
check "mean and range over seeds" $python - "$work/table" "$work/run/report/report.json" <<'END' || cat "$work/table"
import json, sys
lines = open(sys.argv[1]).read().splitlines()
models = json.load(open(sys.argv[2]))["models"]
head = [i for i, l in enumerate(lines) if l.startswith("students that differ in their seed alone")][0] + 1
assert len(set(map(len, lines[head:head + 13]))) == 1
for g, name in enumerate(f"{m}-temperature-{t}" for m in ("hydra", "kd") for t in ("2", "0_5")):
    rows = lines[head + 1 + 3 * g:head + 4 + 3 * g]
    assert rows[0].startswith(f"{name}, 2 seeds "), rows
    assert rows[1].split()[0] == "least" and rows[2].split()[0] == "largest", rows
    of = [models[f"{name}-seed-{s}"]["nll"] for s in (4, 5)]
    assert of[0] != of[1]
    shown = [float(r[len(name) + 9:].split()[1] if i == 0 else r.split()[2]) for i, r in enumerate(rows)]
    for a, b in zip(shown, (sum(of) / 2, min(of), max(of))):
        assert abs(a - b) < 6e-5, (shown, of)
END

# By hand: the same bytes.
one=hydra-temperature-0_5-seed-5
mkdir "$work/hand" && cp -r "$work/run/members" "$work/run/cache" "$work/hand"
mpi 2 distill "$work/small.yaml" --train.epochs=1 --run.dir="$work/hand" --students=[$one] --student.$one.method=hydra \
    --student.$one.temperature=0.5 --student.$one.seed=5 || cat "$work/err"
check "by hand: the same bytes" cmp "$work/"{run,hand}/student/$one/weights.h5
# One of a grid, in a job of its own; and the resolved configuration.
rm -r "$work/hand/student"
mpi 2 distill "$conf" --train.epochs=1 --run.dir="$work/hand" --students='[kd-temperature-2-seed-5]' || cat "$work/err"
check "one of a grid" test "$(ls "$work/hand/student")" = kd-temperature-2-seed-5
check "one of a grid: the same bytes" cmp "$work/"{run,hand}/student/kd-temperature-2-seed-5/weights.h5
mpi 1 distill "$work/run/config.yaml"
check "again by the resolved configuration: all is there" test $? = 0 -a "$(grep -c 'is there already' "$work/err")" = 8 || cat "$work/err"
mpi 1 distill "$conf" --train.epochs=1 --student.grid.temperature='[2, 0.5]' --run.dir="$work/run"
check "a flag for a part of the grid: all is there" test $? = 0 -a "$(grep -c 'is there already' "$work/err")" = 8 || cat "$work/err"
mpi 1 distill "$conf" --train.epochs=1 --run.dir="$work/run" --retrain=kd
check "the name of a grid: its family is trained again" test $? = 0 -a "$(grep -c 'student kd-.* is trained again' "$work/err") $(grep -c 'student hydra-.* is there already' "$work/err")" = "4 4" ||
    cat "$work/err"
mpi 1 plan "$conf"
check "plan names each" test "$(grep -cE '^distill (hydra|kd)-temperature-(2|0_5)-seed-[45]  ' "$work/out")" = 24 || cat "$work/out"
# One of a grid that has a key of its own: it is still that one.
own=(--students='[kd-temperature-2-seed-5]' --student.kd-temperature-2-seed-5.lr=0.02)
tribikos config "$conf" "${own[@]}" >"$work/out" 2>"$work/err"
check "one of a grid, with a key of its own" test "$(sed -n '/^  kd-temperature-2-seed-5:/,$p' "$work/out" |
    grep -E '^    (method|seed|temperature|lr): ' | sort | paste -sd,)" = "    lr: 0.02,    method: kd,    seed: 5,    temperature: 2" || cat "$work/out" "$work/err"
refused "a grid that varies what is fixed" 2 'contradicts `student.kd.seed`' train "$conf" --student.kd.seed=3
refused "a grid of no key" 2 'a student has no key `student.rate`' train "$conf" --student.grid.rate='[1]'
finish
