# A finished run of a colleague, which may only be read: what has nothing to do says so and ends well; what would write, or
# may not read, says that it has no permission.
. "$(dirname "$0")/lib.bash"
[ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null || skip "only root can become somebody else"
conf=$work/small.yaml
run=$work/run
mpi 2 run "$conf" || { cat "$work/err"; bad "run"; finish; }
chmod 755 "$work"
digest "$run" >"$work/expected"
before=$(find "$run" -printf '%P %T@\n' | sort)
as() { # RANKS COMMAND...: as somebody else
    local n=$1
    shift
    setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ TMPDIR=/tmp "${TRB_MPIRUN:-mpirun}" -n "$n" "$TRB_BUILD/tribikos" "$@" \
        >"$work/out" 2>"$work/err" </dev/null
}
nothing() { # COMMAND WORDS: nothing is left to do
    as 2 "$1" "$conf"
    check "$1 with nothing to do" test $? = 0 || cat "$work/err"
    check "$1 says so" grep -qE "$2" "$work/err" || cat "$work/err"
    check "$1 says that nothing was written" grep -q "^$run may only be read: nothing was left to do" "$work/err" || cat "$work/err"
}
denied() { # WHAT STATUS WORDS COMMAND...
    as 1 "${@:4}"
    check "$1: status $2" test $? = "$2" || cat "$work/err"
    check "$1: says why" test "$(grep -c 'error: ' "$work/err")" = 1 -a "$(grep -cE "error: .*$3" "$work/err")" = 1 || cat "$work/err"
}
nothing train '3 of 3 members are there already'
nothing cache 'shards are there already'
nothing distill 'student kd is there already'
as 1 verify "$run/cache"
check "verify" test $? = 0 || cat "$work/err"
denied "another member" 1 "/\.lock/members\.m003: cannot write: Permission denied" train "$conf" --members.count=4
denied "another student" 1 "/\.lock/student\.new: cannot write: Permission denied" distill "$conf" --students=[new] --student.new.method=kd
denied "a report" 1 "Permission denied" eval "$conf"
check "nothing was changed" test "$before" = "$(find "$run" -printf '%P %T@\n' | sort)"
shard=$run/cache/v00/m001-s00001.h5
mv "$shard" "$work/shard"
denied "a shard that is missing" 1 "cache: no permission to write here, and 1 of 9 shards are missing" cache "$conf"
mv "$work/shard" "$shard"

# Files and folders that may not be read: no permission, and not damage.
locked() { # PATH COMMAND...
    chmod 000 "$1"
    denied "no permission for ${1#"$work"/}" "${S:-1}" "cannot be (read|written|examined): Permission denied" "${@:2}"
    chmod "$([ -d "$1" ] && echo 755 || echo 644)" "$1"
}
locked "$run/members/m000/weights.h5" distill "$conf"
locked "$run/members/m000/weights.h5" train "$conf"
locked "$run/members/m000/weights.h5" info "$run/members/m000/weights.h5"
locked "$run/members/m000" train "$conf"
locked "$run/student/kd/weights.h5" distill "$conf"
locked "$run/cache/manifest.h5" distill "$conf"
locked "$run/cache/manifest.h5" verify "$run/cache"
locked "$shard" cache "$conf"
S=2 locked "$conf" train "$conf"
locked "$work/data/train-images-idx3-ubyte" train "$conf"
locked "$work/data" train "$conf"
same "all of it is as it was" "$run"
finish
