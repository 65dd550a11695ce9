# A cache that is streamed: shards of other members, as whole as these, take their places while a student is distilled. Nothing of
# them is learned: the job ends with 3 and names the file; put back, the same command gives the student of a run left alone.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
stream=(--run.dir="$work/run" --cache.views=8 '--cache.view_recipes=["crop 2"]' --cache.memory=1 '--students=[hydra]')
mpi 2 run "$conf" "${stream[@]}" || { cat "$work/err"; bad "run left alone"; finish; }
digest "$work/run" >"$work/expected"
rm -r "$work/run/student"

exchange() { # members 0 and 1
    for file in "$work"/run/cache/v*/m000-*; do
        mv "$file" "$work/aside" && mv "${file/m000/m001}" "$file" && mv "$work/aside" "${file/m000/m001}"
    done
}
TRB_FAULT=cache.chunk:400:0:stop "$TRB_BUILD/tribikos" distill "$conf" "${stream[@]}" >/dev/null 2>"$work/err" </dev/null &
pid=$!
until grep -q '^State:.*T' /proc/$pid/status 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
check "it streams, and stands still" grep -q '^State:.*T' /proc/$pid/status
exchange
kill -CONT $pid
wait $pid
check "shards exchanged while it streams: exit status 3" test $? = 3
check "shards exchanged while it streams: named" grep -qE 'v0[0-7]/m00[01]-s0000[0-2].h5: member is [01], expected [01]' "$work/err" ||
    cat "$work/err"
check "shards exchanged while it streams: no student" test ! -e "$work/run/student/hydra/weights.h5"
exchange
mpi 2 run "$conf" "${stream[@]}" || cat "$work/err"
same "shards put back: the student of a run left alone" "$work/run"
finish
