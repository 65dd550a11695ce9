# A plan tells files and bytes of the cache, and the memory of trainings, as they are going to be, and writes nothing; refusals come before it measures.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
views=(--cache.views=4 --cache.view_recipes='["crop 2, flip", "confods 25"]' --cache.dtype=float16)
start=$SECONDS
mpi 2 plan "$conf" --run.dir="$work/run" "${views[@]}" || { cat "$work/err"; bad "plan"; finish; }
check "in a few seconds" test $((SECONDS - start)) -lt 20
cat "$work/out"
check "nothing is written" test ! -e "$work/run"
check "each view is there" test "$(grep -c 'crop 2, flip' "$work/out")" = 2 -a "$(grep -c 'confods 25.*with inputs' "$work/out")" = 1
check "each stage is there" grep -qzP 'train .*\ncache, inputs .*\ncache, logits .*\ndistill hydra .*\ndistill kd .*\nall ' "$work/out"
check "for the ranks that there are" grep -q '1 rank *2 ranks' "$work/out"
# Seconds of a row's first column.
seconds() { awk -v row="$1 " 'BEGIN { unit["s"] = 1; unit["min"] = 60; unit["h"] = 3600 }
            index($0, row) == 1 { print $(NF - 3) * unit[$(NF - 2)]; exit }' "$work/out"; }
check "what libraries do in their first call is not taken for the work" \
    awk -v t="$(seconds 'cache, inputs')" 'BEGIN { exit !(t < 1) }'
wide=(--run.dir="$work/run" --train.layers="[dense 800, relu, dense 10]" --students="[]" --train.epochs=1000
      --train.batch=700 --train.lanes=1) # so that updates are little of it
# The least of three, for this machine may be busy.
training() { for _ in 1 2 3; do mpi 1 plan "$conf" "${wide[@]}" "$@" || cat "$work/err" >&2; seconds train; done | sort -g | head -n 1; }
once=$(training) twice=$(training --train.adversarial=0.01)
check "adversarial training takes two passes: $once s, $twice s" awk -v a="$once" -v b="$twice" 'BEGIN { exit !(b > 1.4 * a && b < 3 * a) }'
mpi 1 plan "$conf" --run.dir="$work/run" --ranks=64 --run.progress=0 || cat "$work/err"
check "for other ranks" grep -q '1 rank *64 ranks' "$work/out"
check "what so many ranks cannot do is said" test "$(grep -c '^warning: on so many ranks `distill` refuses student [a-z]*: 64 ranks share a batch of 4 lanes' "$work/err")" = 2
check "progress has an end" grep -q '^plan: 5 networks in ' "$work/err"
check "without views no inputs" test "$(grep -c 'cache, inputs' "$work/out")" = 0
mpi 2 plan "$conf" --run.dir="$work/run" "${views[@]}" || cat "$work/err"
cp "$work/out" "$work/plan"
mpi 2 train "$conf" --run.dir="$work/run" "${views[@]}" && mpi 2 cache "$conf" --run.dir="$work/run" "${views[@]}" || cat "$work/err"
check "files and bytes are as planned" $python - "$work/plan" "$work/run/cache" <<'PYTHON'
import os
import re
import sys
planned = {}
for line in open(sys.argv[1]):
    row = re.match(r" *(\d+|all)  .* (\d+) +([\d.]+) (B|kB|MB)", line)
    if row:
        planned[row[1]] = int(row[2]), float(row[3]) * {"B": 1, "kB": 1e3, "MB": 1e6}[row[4]]
files = [os.path.join(folder, name) for folder, _, names in os.walk(sys.argv[2]) for name in names]
for view in list(range(4)) + ["all"]:
    mine = [os.path.getsize(f) for f in files if view == "all" or f"/v{view:02d}/" in f]
    print(f"view {view}: {len(mine)} files, {sum(mine)} bytes; planned {planned[str(view)]}")
    assert len(mine) == planned[str(view)][0]
    assert abs(sum(mine) / planned[str(view)][1] - 1) < (0.06 if view == "all" else 0.02)  # the manifest's bytes are not counted
PYTHON
# A call of a wide network takes longer than its turn where others compute too, as they do on a login node.
wide=("$conf" --run.dir="$work/no" --members.count=1 --members.overrides.0.layers="[dense 3000, relu, dense 3000, relu, dense 10]"
      --train.layers="[dense 3000, relu, dense 3000, relu, dense 10]" --train.batch=240 --students="[]")
planned() { mpi 1 plan "${wide[@]}" || cat "$work/err"; cp "$work/out" "$work/$1"; }
planned alone
busy=()
for ((i = 0; i < 4 * $(nproc); i++)); do timeout 300 sh -c 'while :; do :; done' & busy+=($!); done
planned beside
kill "${busy[@]}"
check "the same times beside others who compute" $python - "$work/alone" "$work/beside" <<'PYTHON'
import re
import sys
unit = {"s": 1, "min": 60, "h": 3600}
alone, beside = (re.search(r"train +([\d.]+) (s|min|h) ", open(path).read()) for path in sys.argv[1:])
ratio = float(beside[1]) * unit[beside[2]] / (float(alone[1]) * unit[alone[2]])
print(f"training {alone[1]} {alone[2]}; beside four a core {beside[1]} {beside[2]}, {ratio:.2f} times")
assert 0.4 < ratio < 2.5
PYTHON
# Memory, from the beginning and resuming, is what a rank then says that it held.
megabytes() { # ROW COLUMN: of the plan in $work/planned
    awk -v row="$1 " -v from_end=$((2 * (2 - $2))) 'BEGIN { unit["kB"] = 1e-3; unit["MB"] = 1; unit["GB"] = 1e3 }
        /^memory/ { on = /a rank/ } on && index($0, row) == 1 { print $(NF - 1 - from_end) * unit[$(NF - from_end)] }' "$work/planned"
}
held() { sed -nE "s/^$1.*: a rank held up to ([0-9.]+) MB.*/\\1/p" "$work/err" | sort -g | tail -n 1; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0.95 * b && a < 1.05 * b) }'; }
memory() { # WHAT RANKS STEP STAGE ROW LINE FLAGS...: stopped at that step
    local what=$1 n=$2 at=$3 stage=$4 row=$5 line=$6
    shift 6
    mpi 1 plan "$conf" --run.dir="$work/run" --ranks="$n" "$@" || cat "$work/err"
    cp "$work/out" "$work/planned"
    rm -rf "$work/run/student" "$work/run/members/m000"
    mpi "$n" $stage "$conf" --run.dir="$work/run" "$@" || cat "$work/err"
    local begin=$(megabytes "$row" 1) resume=$(megabytes "$row" 2)
    check "$what, memory: $(held "$line") MB, planned $begin" near "$(held "$line")" "$begin"
    rm -rf "$work/run/student" "$work/run/members/m000"
    TRB_FAULT=train.step:$at:0:usr1 mpi "$n" $stage "$conf" --run.dir="$work/run" "$@"
    check "$what: stopped" test $? = 75
    mpi "$n" $stage "$conf" --run.dir="$work/run" "$@" || cat "$work/err"
    check "$what, memory when it goes on: $(held "$line") MB, planned $resume" near "$(held "$line")" "$resume"
}
member=(--members.count=1 --students='[]' --train.layers='[dense 500, relu, dense 500, relu, dense 10]' --train.epochs=1)
sed -i 's/^members: .*/members: {count: 4}/' "$conf"
memory "a member" 2 12 train train 'member 0' "${member[@]}"
rm -rf "$work/run"
mpi 2 run "$conf" --run.dir="$work/run" --students='[]' || cat "$work/err"
wide=(--students='[hydra]' --student.layers='[dense 64, relu, split, dense 1000, relu, dense 10]' --student.phase1_epochs=1 --student.epochs=1)
memory "heads in one piece" 2 35 distill 'distill hydra' 'student hydra' "${wide[@]}"
memory "heads in groups" 2 35 distill 'distill hydra' 'student hydra' "${wide[@]}" --student.head_lanes=2 --student.head_groups=2
mpi 1 plan "$conf" --run.dir="$work/run" --ranks=3 "${wide[@]}" --student.head_lanes=2 --student.head_groups=2 || cat "$work/err"
check "ranks that cannot share a training: not known" grep -qE '^distill hydra +- +-$' "$work/out"
mpi 1 plan "$conf" --run.dir="$work/run" --ranks=4 "${wide[@]}" --exchange=server --server.ranks=2 --server.staleness=2 || cat "$work/err"
check "servers have some too" grep -qE '^distill hydra +[0-9.]+ MB +[0-9.]+ MB$' "$work/out"
# A node's memory: what its ranks share counts once. Inside an allocation, without mpirun.
SLURM_JOB_ID=7 SLURM_NTASKS=4 SLURM_TASKS_PER_NODE='2(x2)' tribikos plan "$conf" --run.dir="$work/run" --ranks=4 "${wide[@]}" >"$work/planned" 2>"$work/err"
check "a plan inside an allocation" test $? = 0 || cat "$work/err"
check "the ranks of its nodes" grep -qE '^memory of a node at most +2 ranks$' "$work/planned" || cat "$work/planned"
node=$(awk '/^memory of a node/ { on = 1 } on && /^distill hydra/ { print $3 }' "$work/planned") rank=$(megabytes 'distill hydra' 2)
check "two ranks share the cache: $node MB, a rank $rank" awk -v a="$node" -v b="$rank" 'BEGIN { exit !(a > 1.2 * b && a < 1.95 * b) }'
mpi 2 plan "$conf" --run.dir="$work/no" --ranks=0
check "no ranks: exit status" test $? = 2
check "no ranks: the reason" grep -q 'expected a whole number from 1 to 1000000, got `0`' "$work/err"
mpi 2 train "$conf" --run.dir="$work/no" --ranks=3
check "of a plan alone" grep -q 'unknown' "$work/err"
mpi 2 plan "$conf" --run.dir="$work/no" --cache.views=2 --cache.view_recipes='shift 28'
check "a view that does not fit is refused" grep -q 'cache.view_recipes: `shift 28` could move an image of 28 x 28' "$work/err"
finish
