# Reading that takes longer than comm.timeout is no death: of the data set, the members' weights, shards that are checked when a
# student begins, and shards that are streamed beside its steps. Readers give signs of life after each piece.
. "$(dirname "$0")/lib.bash"
command -v cc >/dev/null || skip "cc is not installed (package gcc)"
conf=$work/small.yaml
cc -O2 -shared -fPIC -o "$work/slow.so" "$(dirname "$0")/slow.c" -ldl || { bad "slow.c is compiled"; finish; }
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 20000 500
flags=(--run.dir="$work/run" --train.epochs=1 --train.batch=500 --student.batch=500 --cache.memory=1 --cache.block=2048
       --cache.shard_rows=4096 '--students=[kd]' --student.phase1_epochs=1 --student.epochs=1 --comm.timeout=3)
mpi 2 train "$conf" "${flags[@]}" && mpi 2 cache "$conf" "${flags[@]}" || { cat "$work/err"; bad "a run with a fast disk"; finish; }

slowly() { # WHAT RANK MILLISECONDS MOST PART COMMAND: two ranks, one of which reads slowly
    local what=$1 milliseconds=$3 took status
    rm -f "$work/reads"
    LD_PRELOAD=$work/slow.so SLOW_READS=$2:$3:$4:$5 SLOW_COUNT=$work/reads ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
        mpi 2 "$6" "$conf" "${flags[@]}"
    status=$?
    took=$(($(wc -c <"$work/reads") * milliseconds))
    check "$what: the command ends well" test $status = 0 || cat "$work/err"
    check "$what: reading took $took ms more" test $took -gt 4500
}
slowly "the data set" 0 500 100 /data/train-images train
slowly "the members' weights" 0 90 1000 /members/ cache
slowly "shards" 1 20 500 /cache/ distill
finish
