# What surrounds a run does not change it: a small stack.
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
finish
