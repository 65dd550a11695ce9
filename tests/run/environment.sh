# What surrounds a run does not change it without a word: a small stack, limits of OpenMP's.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
short=(--train.epochs=1 --student.phase1_epochs=1 --student.epochs=1)
methods=("${short[@]}" --students="[hydra, kd, endd, proxy-endd]" --student.kd.label_weight=0.3 --student.hydra.label_weight=0.3)
mpi 1 run "$conf" "${methods[@]}" || { cat "$work/err"; bad "run"; finish; }
digest "$work/run" >"$work/expected"
(ulimit -s 512; mpi 1 run "$conf" --run.dir="$work/small" "${methods[@]}")
check "512 kB of stack are enough" test $? = 0 || cat "$work/err"
same "512 kB of stack: the same bits" "$work/small"
sums=("${short[@]}" --cache.holds=statistics --cache.dtype=float32 --students="[endd, proxy-endd]" --student.anneal_from=1)
(ulimit -s 512; mpi 1 run "$conf" --run.dir="$work/sums" "${sums[@]}")
check "512 kB of stack are enough for statistics" test $? = 0 || cat "$work/err"

# What OpenMP is told by the environment.
threads=("${short[@]}" --members.count=1 --students="[]" --train.layers="[dense 400, relu, dense 400, relu, dense 10]" --math.threads=2)
mpi 1 train "$conf" --run.dir="$work/two" "${threads[@]}" || cat "$work/err"
digest "$work/two" >"$work/expected"
OMP_DYNAMIC=true mpi 1 train "$conf" --run.dir="$work/dynamic" "${threads[@]}" || cat "$work/err"
same "OMP_DYNAMIC: the same bits" "$work/dynamic"
export OMP_THREAD_LIMIT=1
refused "OMP_THREAD_LIMIT" 2 'math.threads: expected 2 threads, got 1 of OpenMP' train "$conf" --run.dir="$work/less" "${threads[@]}"
unset OMP_THREAD_LIMIT
export OMP_MAX_ACTIVE_LEVELS=0
refused "OMP_MAX_ACTIVE_LEVELS" 2 'math.threads: expected 2 threads, got 1 of OpenMP' train "$conf" --run.dir="$work/less" "${threads[@]}"
mpi 1 train "$conf" --run.dir="$work/one" "${short[@]}" --members.count=1 --students="[]"
check "one thread is no matter of theirs" test $? = 0 || cat "$work/err"
finish
