# Heads spread over ranks: the same bits, of weights and of losses, for every number of rows and of head groups, for dense
# heads and for blocks, where some ranks of a row have no lane, and with views; a rank opens its own members' shards only;
# settings that do not fit are refused with those that do.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
sed -i 's/^members:.*/members: {count: 6}/; s/dropout 0.1, //; s/epochs: 2, batch/epochs: 1, batch/
        s/block: 128/&, views: 2, view_recipes: ["crop 3, flip"]/' "$conf"
mpi 2 run "$conf" --students='[]' || { cat "$work/err"; bad "six members and their cache"; finish; }
students() { (cd "$1" && find student -name '*.h5' -o -name '*.jsonl' | sort | xargs -r sha256sum); }
# distil FOLDER RANKS GROUPS ARGUMENT...: students on a copy of the cache
distil() {
    local dir=$work/$1 n=$2 groups=$3
    shift 3
    mkdir "$dir"
    ln -s "$work/run/members" "$work/run/cache" "$dir"
    mpi "$n" distill "$conf" --run.dir="$dir" --student.head_groups="$groups" "$@" || cat "$work/err" >&2
    students "$dir"
    rm -rf "$dir"
}
dense='[dense 32, relu, dropout 0.1, split, dropout 0.2, dense 32, relu, dense 10]'
blocks='[conv 8 3 stride 2, norm, relu, maxpool 4, split, fork, conv 8 3 pad 1, norm, relu, conv 8 3 pad 1, norm, add, relu, dense 10]'
more=() files=4 # further arguments; files of the students
compare() { # NAME LAYERS HEAD_LANES LANES "RANKS GROUPS" ...
    local name="$1, $4 lanes" lanes=$3 shape n groups
    local -a cut=(--student.layers="$2" --student.head_lanes="$3" --student.lanes="$4" "${more[@]}")
    shift 4
    distil one 1 1 "${cut[@]}" >"$work/expected"
    check "$name, $lanes head lanes: all students" [ "$(wc -l <"$work/expected")" = "$files" ]
    for shape in "$@"; do
        read -r n groups <<<"$shape"
        distil other "$n" "$groups" "${cut[@]}" >"$work/got"
        check "$name, $lanes head lanes: $n ranks in rows of $groups" cmp -s "$work/expected" "$work/got"
    done
}
compare dense "$dense" 6 4 "2 1" "2 2" "4 2" "3 1" "6 2" "3 3" "6 6"
compare dense "$dense" 2 4 "2 2" "4 1"
compare dense "$dense" 6 2 "2 2" "4 2" "3 3" "6 3"
compare blocks "$blocks" 3 3 "3 3" "2 1" "6 3"
# Every method, with labels where they are known, in lanes of heads and without.
more=(--students='[hydra, kd, endd, proxy-endd]' --student.hydra.label_weight=0.3 --student.kd.label_weight=0.3) files=8
compare methods "$dense" 2 4 "2 2" "4 2" "3 1"
compare methods "$dense" 1 4 "2 1" "3 1"
nll() { sed -nE 's/^ *"hydra": .*"nll": ([0-9.]+).*/\1/p' "$work/$1/report/report.json"; }
near() { awk -v a="$(nll "$1")" -v b="$(nll "$2")" -v by="$3" 'BEGIN { exit !(a > 0 && a < (1 + by) * b && b < (1 + by) * a) }'; }
for exchange in ordered allreduce; do
    mpi 4 run "$conf" --run.dir="$work/$exchange" --exchange=$exchange --student.head_lanes=2 --student.head_groups=2 \
        --student.epochs=2 || cat "$work/err"
done
check "by allreduce: NLL $(nll allreduce), ordered $(nll ordered)" near allreduce ordered 0.05
# Without dropout, what the heads are cut into changes the rounding and nothing else.
mpi 2 run "$conf" --run.dir="$work/whole" --student.epochs=2 || cat "$work/err"
check "heads in one piece: NLL $(nll whole), in two: $(nll ordered)" near whole ordered 1e-4
losses() { sed -nE 's/.*"loss": ([-+.e0-9]+).*/\1/p' "$1/student/hydra/metrics.jsonl"; }
check "and the losses of four epochs" awk '{ n++; if (!($1 > 0 && $1 < 1.0001 * $2 && $2 < 1.0001 * $1)) exit 1 } END { exit n != 4 }' \
    <(paste <(losses "$work/whole") <(losses "$work/ordered"))
# Where nothing is learned, epochs over the same samples differ by what their heads drop, and by nothing else.
still() { # FOLDER ARGUMENT...: loss and rate of each epoch of a student on the cache
    mkdir "$work/$1"
    ln -s "$work/run/members" "$work/run/cache" "$work/$1"
    mpi 2 distill "$conf" --run.dir="$work/$1" --students='[hydra]' --student.lr=1e-30 --student.batch=70 --student.lanes=2 \
        --student.views=1 --student.head_lanes=2 --student.head_groups=2 "${@:2}" || cat "$work/err"
    sed -nE 's/.*"loss": ([-+.e0-9]+), "lr": ([-+.e0-9]+).*/\1 \2/p' "$work/$1/student/hydra/metrics.jsonl" >"$work/$1/epochs"
}
# close A B: two words for whether two epochs are the same: by loss, and by rate
close() { paste -d' ' <(sed -n "${1#*:}p" "$work/${1%:*}/epochs") <(sed -n "${2#*:}p" "$work/${2%:*}/epochs") |
          awk 'function same(x, y) { return x > 0 && (x / y - 1) ^ 2 < 1e-12 ? "same" : "other" } { print same($1, $3), same($2, $4) }'; }
masks=--student.layers='[dense 32, relu, split, dropout 0.2, dense 10]'
still plain --student.phase1_epochs=0 --student.epochs=2 --student.layers='[dense 32, relu, split, dense 10]'
still masked --student.phase1_epochs=0 --student.epochs=2 "$masks"
still phases --student.phase1_epochs=1 --student.epochs=1 --student.restart=false "$masks"
still cold --student.phase1_epochs=0 --student.epochs=2 --student.temperature=3 "$masks"
check "without masks epochs are the same" [ "$(close plain:1 plain:2)" = "same other" ]
check "masks of heads are drawn anew in every epoch" [ "$(close masked:1 masked:2)" = "other other" ]
check "a second phase goes on where the first ended" [ "$(close phases:2 masked:2)" = "same same" ]
check "the temperature decides the loss" [ "$(close cold:1 masked:1)" = "other same" ]
# Of two views one is the sample itself: half of the rows have a label.
labels=(--student.phase1_epochs=1 --student.epochs=1 --student.layers='[dense 32, relu, split, dense 10]')
still all "${labels[@]}" --student.label_weight=1
still some "${labels[@]}" --student.label_weight=1 --student.views=2
still none "${labels[@]}"
still both "${labels[@]}" --student.label_weight=0.25
check "with all the weight on labels, of two views half of the loss is left, in both phases" awk '
    { n++; if (!($3 > 0.4 * $1 && $3 < 0.6 * $1)) exit 1 } END { exit n != 2 }' <(paste -d' ' "$work/all/epochs" "$work/some/epochs")
check "a quarter of it is a quarter of both losses" awk '
    { n++; d = $5 - 0.25 * $1 - 0.75 * $3; if (!(d * d < 1e-12 * $5 * $5)) exit 1 } END { exit n != 2 }' \
    <(paste -d' ' "$work/all/epochs" "$work/none/epochs" "$work/both/epochs")

# Each of two ranks sees the shards of its own three members alone: one folder is another on each, as on two machines.
for r in 0 1; do
    mkdir -p "$work/host$r/run/cache"
    cp -r "$work/run/cache" "$work/host$r/run"
    ln -s "$work/run/members" "$work/host$r/run"
done
rm "$work"/host0/run/cache/v0?/m00[345]-* "$work"/host1/run/cache/v0?/m00[012]-*
mkdir "$work/here"
printf '#!/bin/bash\nmount --bind "$1" "%s/here" && exec "${@:2}"\n' "$work" >"$work/there"
chmod +x "$work/there"
place() { echo "-n 1 unshare --mount $work/there $work/host$1 $TRB_BUILD/tribikos distill $conf --run.dir=$work/here/run --student.head_lanes=6 --student.head_groups=$2"; }
if unshare --mount true 2>/dev/null; then
    mpirun $(place 0 2) : $(place 1 2) >"$work/out" 2>"$work/err" </dev/null || cat "$work/err"
    distil one 1 1 --student.head_lanes=6 >"$work/expected"
    students "$work/host0/run" >"$work/got"
    check "other members' shards may be absent" cmp -s "$work/expected" "$work/got"
    rm -r "$work/host0/run/student"
    status=0
    mpirun $(place 0 1) : $(place 1 1) >"$work/out" 2>"$work/err" </dev/null || status=$?
    check "in one group they may not (exit $status)" test $status != 0
else
    echo "SKIPPED: ranks that see other shards: this machine allows no namespaces"
fi

refuses() { # RANKS PATTERN ARGUMENT...
    local n=$1 pattern=$2 status=0
    shift 2
    mpi "$n" distill "$conf" --run.dir="$work/run" "$@" || status=$?
    check "exit 2: $pattern" test $status = 2 -a "$(grep -cE "$pattern" "$work/err")" -ge 1
    [ $status = 2 ] || cat "$work/err"
}
refuses 1 'head_lanes.*4 head lanes cannot share `members.count` = 6 heads evenly; nearest that works: 3' --student.head_lanes=4
refuses 2 'head_groups.*nearest head_groups that works: 1; or head_lanes: 2' --student.head_lanes=3 --student.head_groups=2
refuses 3 '3 ranks in rows of 2 head groups; use 2 ranks' --student.head_lanes=2 --student.head_groups=2
refuses 10 '10 ranks share a batch of 4 lanes; use at most 8 ranks, or at least 5 lanes' --student.head_lanes=2 --student.head_groups=2
refuses 2 'clip.*head_lanes|head_lanes.*clip' --student.head_lanes=2 --student.clip=1
refuses 2 'not by servers' --student.head_lanes=2 --exchange=server
refuses 1 'no layer before the split has weights' --student.head_lanes=2 --student.layers='[split, dense 32, relu, dense 10]'
refuses 2 'head_lanes above 1: a size of .* exceeds what BLAS and MPI can count' --student.head_lanes=2 --student.layers='[dense 32, relu, split, dense 10000000, relu, dense 10]'

# Memory is refused to one rank at its last allocations, where the phase behind the cut begins and ends: all leave, those of the
# other column too. Of each three allocations one is taken; TRB_ALL=1 takes all.
mkdir "$work/alloc"
ln -s "$work/run/members" "$work/run/cache" "$work/alloc"
refused() { # TRB_FAULT: one training with it
    rm -rf "$work/alloc/student" # the last allocations come when it is there already
    TRB_FAULT=$1 timeout 30 mpirun -n 4 "$TRB_BUILD/tribikos" distill "$conf" --run.dir="$work/alloc" --students='[hydra]' \
        --student.epochs=1 --student.phase1_epochs=1 --student.head_lanes=2 --student.head_groups=2 >/dev/null 2>"$work/err" </dev/null
}
refused count:"$work/count" || cat "$work/err"
last=$(sed -n 's/^3 alloc //p' "$work/count")
each=$([ -n "${TRB_ALL:-}" ] && echo 1 || echo 3)
for n in $(seq $((last - 125)) $each "$last"); do
    refused alloc:$n:3
    status=$?
    [ $status = 1 ] && grep -q 'tribikos: error: rank 3 .*fault injected at alloc' "$work/err" || bad "alloc $n: exit $status, $(grep -m1 error "$work/err")"
done
ok "memory refused at one in $each of the last 126 allocations of rank 3, which are $last"
finish
