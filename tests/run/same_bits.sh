# The same weights, cached logits and figures for every rank count, whichever stage runs on how many ranks.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
on_ranks "2 3 4"
check "every kind of file is compared" [ "$(wc -l <"$work/expected")" -ge 17 ]
# Arrow by arrow, each on its own rank count; 5 ranks are more than members, and more than lanes.
{ mpi 5 train "$conf" --run.dir="$work/mixed" && mpi 5 cache "$conf" --run.dir="$work/mixed" &&
  mpi 2 distill "$conf" --run.dir="$work/mixed" && mpi 5 eval "$conf" --run.dir="$work/mixed"; } || cat "$work/err"
same "train 5, cache 5, distill 2, eval 5 ranks" "$work/mixed"
# Members one by one, as an array of jobs trains them.
for m in 2 0 1; do mpi 1 train "$conf" --run.dir="$work/array" --members $m || cat "$work/err"; done
mpi 2 run "$conf" --run.dir="$work/array" || cat "$work/err"
same "members trained one by one" "$work/array"
# Another seed must give other bits, or the comparison would prove nothing.
mpi 2 run "$conf" --run.dir="$work/seed" --run.seed=4 || cat "$work/err"
digest "$work/seed" >"$work/got"
check "another seed gives another result" \
    test "$(wc -l <"$work/got")" = "$(wc -l <"$work/expected")" -a "$(comm -12 <(sort "$work/expected") <(sort "$work/got") | wc -l)" = 0
# A streamed cache serves what a kept one serves: here it is somewhat larger than the smallest memory, 1 MiB.
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 10000 500
large=(--train.epochs=1 --student.epochs=1 --student.phase1_epochs=1 --train.batch=500 --student.batch=500)
mpi 2 run "$conf" --run.dir="$work/kept" "${large[@]}" || cat "$work/err"
cp -r "$work/kept" "$work/stream" && rm -r "$work/stream/student" "$work/stream/report"
mpi 1 run "$conf" --run.dir="$work/stream" "${large[@]}" --cache.memory=1 || cat "$work/err"
digest "$work/kept" >"$work/expected"
same "a cache read by stream" "$work/stream"
finish
