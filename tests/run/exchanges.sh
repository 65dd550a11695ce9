# The exchanges as a user meets them: servers without staleness have the bits of ordered; with staleness, and by allreduce,
# the students are about as good.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
nll() { sed -nE "s/^ *\"$2\": .*\"nll\": ([0-9.]+).*/\1/p" "$work/$1/report/report.json"; }
near() { awk -v a="$1" -v b="$2" -v by="$3" 'BEGIN { exit !(a > 0 && b > 0 && a / b < 1 + by && b / a < 1 + by) }'; }
epochs() { # RUN: every epoch of both phases has its line
    [ "$(sed -nE 's/.*"phase": ([0-9]+), "epoch": ([0-9]+).*/\1.\2/p' "$work/$1/student/hydra/metrics.jsonl" | paste -sd,)" = 1.1,1.2,2.1,2.2 ]
}

mpi 2 run "$conf" --run.dir="$work/ordered" || cat "$work/err"
digest "$work/ordered" >"$work/expected"
for way in "3 1" "5 2" "4 3"; do
    read -r n servers <<<"$way"
    mpi "$n" run "$conf" --run.dir="$work/server$n" --exchange=server --server.ranks="$servers" || cat "$work/err"
    same "$servers of $n ranks are servers: the bits of ordered" "$work/server$n"
done
for staleness in 1 unbounded; do
    mpi 3 run "$conf" --run.dir="$work/free$staleness" --exchange=server --server.staleness=$staleness || cat "$work/err"
    for model in ensemble hydra kd; do
        check "staleness $staleness: $model, NLL $(nll "free$staleness" $model), ordered $(nll ordered $model)" \
            near "$(nll "free$staleness" $model)" "$(nll ordered $model)" 0.15
    done
    check "staleness $staleness: the loss of every epoch" epochs "free$staleness"
done
# Where nothing is learned, the losses tell which samples a step's shares have had, whoever took them.
still=(--train.lr=1e-30 --student.lr=1e-30)
mpi 2 run "$conf" --run.dir="$work/still" "${still[@]}" || cat "$work/err"
mpi 3 run "$conf" --run.dir="$work/stillfree" "${still[@]}" --exchange=server --server.staleness=2 || cat "$work/err"
losses() { cat "$work/$1"/{members,student}/*/metrics.jsonl | sed -nE 's/.*"loss": ([-+.e0-9]+).*/\1/p'; }
check "staleness 2: each share has its own samples" awk '{ n++; if ($2 <= 0 || ($1 / $2 - 1) ^ 2 > 1e-12) exit 1 } END { exit n != 14 }' \
    <(paste <(losses still) <(losses stillfree))
mpi 3 run "$conf" --run.dir="$work/reduced" --exchange=allreduce || cat "$work/err"
for model in ensemble hydra kd; do
    check "allreduce: $model, NLL $(nll reduced $model)" near "$(nll reduced $model)" "$(nll ordered $model)" 0.05
done

refuses() { # RANKS PATTERN ARGUMENT...
    local n=$1 pattern=$2 status=0
    shift 2
    mpi "$n" run "$conf" --run.dir="$work/refused" "$@" || status=$?
    check "exit 2: $pattern" test $status = 2 -a "$(grep -cE "$pattern" "$work/err")" -ge 1
}
refuses 1 'leaves no worker; start at least 2 ranks' --exchange=server
refuses 2 'leaves no worker; start at least 3 ranks' --exchange=server --server.ranks=2
refuses 4 '4 lanes are no multiple of 3 workers; use 3 ranks, or 6 lanes' --exchange=server --server.staleness=1
refuses 4 "clip: 2 servers.*use server.ranks: 1" --exchange=server --server.ranks=2 --server.staleness=1 --train.clip=1
finish
