# What a node's ranks hold once: the bytes of a run do not depend on whether they can; a rank that is stuck while files are read is
# named.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
mpi 1 run "$conf" --run.dir="$work/one" || { cat "$work/err"; bad "run on one rank"; finish; }
digest "$work/one" >"$work/expected"

# as WHAT COMMAND...: the whole run on three ranks, each started by the command
as() {
    local what=$1; shift
    rm -rf "$work/run"
    mpirun -n 3 "$@" "$TRB_BUILD/tribikos" run "$conf" >"$work/out" 2>"$work/err" </dev/null || cat "$work/err"
    same "$what: the same bytes as one rank's" "$work/run"
}
as "three ranks"
check "three ranks: they share" test "$(grep -c 'cannot share memory' "$work/err")" = 0

# Rank 1 is in the midst of its shards, the others wait until theirs and its are read.
rm -r "$work/run/student"
TRB_FAULT=file.open:4:1:stop mpi 3 distill "$conf" --comm.stall_seconds=1 --comm.timeout=4
check "stuck while it reads shards: exit status 1" test $? = 1
check "stuck while it reads shards: it is named" grep -qE "rank 0: no sign of life from rank 1 \(.*\) for [45] s .* at .reading the cache" "$work/err"

if unshare -p -f -m true 2>/dev/null; then
    # As in containers: each rank is process 1 of its own, and where the others look for the first one's memory they find another
    # file.
    touch "$work/other"
    cat >"$work/contained" <<END
[ \$OMPI_COMM_WORLD_RANK = 0 ] || for fd in {10..99}; do eval "exec \$fd<>$work/other"; done
exec unshare -p -f --mount-proc "\$@"
END
    as "processes that do not see each other" --mca btl self,tcp bash "$work/contained"
    check "processes that do not see each other: one line says so" \
        test "$(grep -cE "node's ranks cannot share memory and hold their own \(rank 1 .*: is something else here" "$work/err")" = 1
    # And with as little shared memory as they often have: enough for MPI, not for the data.
    small() { unshare -m bash -c 'mount -t tmpfs -o size=20m none /dev/shm && "$@"' small "$@"; }
    $python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 30000 500
    for n in 1 3; do
        small mpirun -n $n "$TRB_BUILD/tribikos" train "$conf" --run.dir="$work/small$n" --train.epochs=1 --members 0 \
            >"$work/out" 2>"$work/err" </dev/null || cat "$work/err"
    done
    check "a small /dev/shm: they share" test "$(grep -c 'cannot share memory' "$work/err")" = 0
    check "a small /dev/shm: the same bytes" cmp -s "$work"/small[13]/members/m000/weights.h5
else
    echo "SKIPPED: no right to make namespaces; run as root to test ranks that do not see each other"
fi
finish
