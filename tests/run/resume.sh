# A run that is stopped, or killed, goes on where it was: on other numbers of ranks, by another exchange, from a checkpoint that is
# named, past one that is damaged; weights, metrics and report are those of a run left alone.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
often=(--checkpoint.steps=4 --checkpoint.seconds=0)
resumed=0

metrics() { (cd "$1" && cat members/*/metrics.jsonl student/*/metrics.jsonl 2>/dev/null); }
compare() { # WHAT FOLDER CALM
    digest "$3" >"$work/expected"
    same "$1: the same bytes" "$2"
    check "$1: the same metrics" test "$(metrics "$2")" = "$(metrics "$3")"
    check "$1: no checkpoint is left" test -z "$(find "$2" -name checkpoint)"
    resumed=$((resumed + 1))
}

# ---- stopped by a signal on one rank, on p ranks, and gone on with on q
mpi 2 run "$conf" --run.dir="$work/calm" || { cat "$work/err"; bad "run left alone"; finish; }
i=0
for p in 1 2 3; do
    for q in 1 2 3; do
        i=$((i + 1))
        # Steps of members and of students, in both phases: with p ranks p members are trained at a time.
        nth=$((3 + i * 41 / p % 120))
        rm -rf "$work/hurt"
        TRB_FAULT=train.step:$nth:$((p - 1)):usr1 mpi $p run "$conf" --run.dir="$work/hurt"
        check "$p to $q ranks, step $nth: exit status 75" test $? = 75
        check "$p to $q ranks, step $nth: the reason" grep -q '^\(member\|student\|before\).*stopped by SIGUSR1' "$work/err"
        check "$p to $q ranks, step $nth: a checkpoint is there" test -n "$(find "$work/hurt" -path '*/checkpoint/0.h5')"
        mpi $q run "$conf" --run.dir="$work/hurt" || cat "$work/err"
        compare "$p to $q ranks, step $nth" "$work/hurt" "$work/calm"
    done
done

# ---- stopped in the other stages
for stage in cache eval; do
    mkdir "$work/$stage"
    cp -r "$work/calm/members" "$work/$stage"
    [ $stage = cache ] || cp -r "$work/calm/cache" "$work/calm/student" "$work/$stage"
    TRB_FAULT=$stage.unit:1:1:usr1 mpi 2 $stage "$conf" --run.dir="$work/$stage"
    check "$stage: exit status 75" test $? = 75
    mpi 1 run "$conf" --run.dir="$work/$stage" || cat "$work/err"
    compare "$stage" "$work/$stage" "$work/calm"
done

# Shards are read as a whole, to see whether they are good, and for a student: a signal does not wait for the last of them.
mkdir "$work/reading"
cp -r "$work/calm/members" "$work/calm/cache" "$work/reading"
for at in "cache 3" "distill 5"; do
    read -r stage nth <<<"$at"
    TRB_FAULT=file.open:$nth:1:usr1 mpi 2 $stage "$conf" --run.dir="$work/reading"
    check "$stage, while shards are read: exit status 75" test $? = 75
    check "$stage, while shards are read: nothing is begun" grep -q '^stopped by SIGUSR1' "$work/err"
done

# ---- heads in three lanes, on one column and on three; killed, with checkpoints by steps
grid=(--student.head_lanes=3 '--students=[hydra]')
mkdir "$work/grid"
cp -r "$work/calm/members" "$work/calm/cache" "$work/grid"
mpi 1 run "$conf" --run.dir="$work/grid" "${grid[@]}" || cat "$work/err"
for nth in 20 70; do
    for way in "3 3 2 1" "2 1 3 3"; do
        read -r p from q to <<<"$way"
        rm -rf "$work/hurt"
        mkdir "$work/hurt"
        cp -r "$work/calm/members" "$work/calm/cache" "$work/hurt"
        TRB_FAULT=train.step:$nth:1:usr1 mpi $p distill "$conf" --run.dir="$work/hurt" "${grid[@]}" --student.head_groups=$from
        check "grid of $from columns, stopped at step $nth: exit status 75" test $? = 75
        TRB_FAULT=train.step:15:0:kill mpi $q distill "$conf" --run.dir="$work/hurt" "${grid[@]}" "${often[@]}" --student.head_groups=$to
        mpi $q run "$conf" --run.dir="$work/hurt" "${grid[@]}" --student.head_groups=$to || cat "$work/err"
        check "grid of $from columns, stopped at step $nth: goes on" grep -q 'student hydra: goes on from .*phase [12], step' "$work/err"
        compare "grid of $from columns, stopped at step $nth, killed and gone on with on $to" "$work/hurt" "$work/grid"
    done
done

# ---- a temperature that falls with the steps, and labels
methods=('--students=[endd, kd]' --student.kd.label_weight=0.3)
mkdir "$work/methods"
cp -r "$work/calm/members" "$work/calm/cache" "$work/methods"
mpi 1 run "$conf" --run.dir="$work/methods" "${methods[@]}" || cat "$work/err"
for nth in 30 110; do
    rm -rf "$work/hurt"
    mkdir "$work/hurt"
    cp -r "$work/calm/members" "$work/calm/cache" "$work/hurt"
    TRB_FAULT=train.step:$nth:1:usr1 mpi 2 distill "$conf" --run.dir="$work/hurt" "${methods[@]}"
    check "endd and kd, stopped at step $nth: exit status 75" test $? = 75
    mpi 3 run "$conf" --run.dir="$work/hurt" "${methods[@]}" || cat "$work/err"
    check "endd and kd, stopped at step $nth: one goes on" grep -q 'student [a-z]*: goes on from ' "$work/err"
    compare "endd and kd, stopped at step $nth" "$work/hurt" "$work/methods"
done

# From here on there is one member, like all others.
sed 's/^members: .*/members: {count: 3}/' "$conf" >"$work/alike.yaml"
conf=$work/alike.yaml

# ---- a residual network with batch normalisation; the exchange may change
images=(--members.count=1 '--train.layers=[cifar-resnet8 10]' '--students=[]' --train.batch=120 --data.validation=1140)
mpi 1 train "$conf" --run.dir="$work/res" "${images[@]}" || cat "$work/err"
for way in "2 3 ordered" "3 1 server" "2 2 allreduce"; do
    read -r p q exchange <<<"$way"
    rm -rf "$work/hurt"
    TRB_FAULT=train.step:3:0:usr1 mpi $p train "$conf" --run.dir="$work/hurt" "${images[@]}" --exchange=$exchange
    check "resnet8 by $exchange: exit status 75" test $? = 75
    mpi $q train "$conf" --run.dir="$work/hurt" "${images[@]}" || cat "$work/err"
    check "resnet8 from $exchange: goes on" grep -q 'member 0: goes on from .*step 4' "$work/err"
    [ $exchange = allreduce ] || compare "resnet8 from $exchange on $p ranks to ordered on $q" "$work/hurt" "$work/res"
done

# A student of it, whose heads are blocks, in its second phase.
images=(--members.count=2 '--train.layers=[cifar-resnet8 10]' '--students=[hydra]' --student.layers= --student.split=stage3 --student.epochs=1
    --student.phase1_epochs=1 --train.epochs=1 --train.batch=120 --student.batch=120 --data.validation=1140)
mpi 2 run "$conf" --run.dir="$work/heads" "${images[@]}" || cat "$work/err"
mkdir "$work/hurt3"
cp -r "$work/heads/members" "$work/heads/cache" "$work/hurt3"
TRB_FAULT=train.step:4:1:usr1 mpi 2 distill "$conf" --run.dir="$work/hurt3" "${images[@]}"
check "heads of blocks: exit status 75" test $? = 75
mpi 3 run "$conf" --run.dir="$work/hurt3" "${images[@]}" || cat "$work/err"
check "heads of blocks: goes on" grep -q 'student hydra: goes on from .*phase 2, step 2' "$work/err"
compare "heads of blocks" "$work/hurt3" "$work/heads"

# ---- shares in no common steps: as many steps in all, and a sound student
free=(--exchange=server --server.staleness=3 --members.count=1 --train.epochs=20)
published() { # FOLDER CHECKPOINTS...: the files that rank 0 publishes
    rm -f "$work/passages"
    TRB_FAULT=count:$work/passages mpi 3 train "$conf" --run.dir="$1" "${free[@]}" "${@:2}" || cat "$work/err"
    awk '$1 == 0 && $2 == "file.rename" { print $3 }' "$work/passages"
}
without=$(published "$work/unkept" --checkpoint.keep=0)
renames=$(published "$work/free" "${often[@]}")
check "free shares: checkpoints ($renames files are published, $without without them)" test "$renames" -gt "$without"
TRB_FAULT=train.step:30:2:usr1 mpi 3 train "$conf" --run.dir="$work/hurt2" "${free[@]}" "${often[@]}"
check "free shares: exit status 75" test $? = 75
TRB_FAULT=train.step:40:1:kill mpi 3 train "$conf" --run.dir="$work/hurt2" "${free[@]}" "${often[@]}"
mpi 2 train "$conf" --run.dir="$work/hurt2" "${free[@]}" || cat "$work/err"
check "free shares: gone on with" grep -q 'member 0: goes on from' "$work/err"
check "free shares: a line an epoch" test "$(wc -l <"$work/hurt2/members/m000/metrics.jsonl")" = 20
check "free shares: losses near those of a run left alone" $python - "$work/free" "$work/hurt2" <<'END'
import json, sys
a, b = ([json.loads(line)["loss"] for line in open(f"{run}/members/m000/metrics.jsonl")] for run in sys.argv[1:])
sys.exit(not all(abs(x - y) < 0.25 * x for x, y in zip(a, b)))
END

# ---- which checkpoint
rm -rf "$work/hurt"
one=(--members.count=1)
mpi 1 train "$conf" --run.dir="$work/one" "${one[@]}" || cat "$work/err"
for nth in 20 10; do TRB_FAULT=train.step:$nth:0:usr1 mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}"; done
slots=$work/hurt/members/m000/checkpoint
check "two are kept" test "$(ls "$slots" | wc -l)" = 2
cp -r "$work/hurt" "$work/kept"
newest=$(tribikos info "$slots/0.h5" | awk '$1 == "step" { print $2 }') other=$(tribikos info "$slots/1.h5" | awk '$1 == "step" { print $2 }')
new=0 old=1
[ "$newest" -gt "$other" ] || { new=1 old=0; }
check "info: $newest and $other steps" test "$newest" != "$other"
printf '\x55' | dd of="$slots/$new.h5" bs=1 seek=$(($(stat -c %s "$slots/$new.h5") - 500)) conv=notrunc status=none
mpi 2 train "$conf" --run.dir="$work/hurt" "${one[@]}" || cat "$work/err"
check "damaged: named" grep -q "warning: $slots/$new.h5: .*; the checkpoint before it is taken" "$work/err"
check "damaged: the one before is taken" grep -q "goes on from $slots/$old.h5" "$work/err"
compare "damaged" "$work/hurt" "$work/one"

again() { rm -rf "$work/hurt"; cp -r "$work/kept" "$work/hurt"; }
again
mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}" --resume=never || cat "$work/err"
check "never: begins anew" test "$(grep -c 'goes on' "$work/err")" = 0
compare "never" "$work/hurt" "$work/one"
again
TRB_FAULT=train.step:5:0:usr1 mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}" --resume=never --train.lr=0.5
mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}" --train.lr=0.5 || cat "$work/err"
check "never, and stopped: gone on with" grep -q 'goes on from .*step 6' "$work/err"
mpi 1 train "$conf" --run.dir="$work/other" "${one[@]}" --resume "$work/kept/members/m000/checkpoint/$old.h5" || cat "$work/err"
check "a path: taken" grep -q "goes on from $work/kept/members/m000/checkpoint/$old.h5" "$work/err"
compare "a path" "$work/other" "$work/one"

again
mpi 2 train "$conf" --run.dir="$work/hurt" "${one[@]}" --train.lr=0.5
check "another configuration: exit status 3" test $? = 3
check "another configuration: what differs" grep -q 'error: .*checkpoint/[01].h5 is of another configuration: `train.lr` was 0.001 and is 0.5 now; .*--resume=never' "$work/err"
check "another configuration: nothing is lost" diff -r "$work/kept" "$work/hurt"
mpi 1 train "$conf" --run.dir="$work/hurt" --resume="$slots/0.h5"
check "a path for three members: exit status 2" test $? = 2
check "a path for three members: what to do" grep -q 'error: `run.resume` names one checkpoint, .*but 3 networks are to be trained' "$work/err"
mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}" --resume=nowhere.h5
check "a path to nothing: exit status 2" test $? = 2
mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}" --run.signals='[KILL]'
check "a signal that cannot be caught: exit status 2" test $? = 2

# ---- time, and impatience
again
SLURM_JOB_START_TIME=$(($(date +%s) - 100)) mpi 2 train "$conf" --run.dir="$work/hurt" "${one[@]}" --run.time_limit=90
check "time limit, counted from the job's beginning: exit status 75" test $? = 75
check "time limit: said" grep -q 'stopped at the end of run.time_limit' "$work/err"
mpi 1 train "$conf" --run.dir="$work/hurt" "${one[@]}" --run.time_limit=3600 || cat "$work/err"
compare "time limit" "$work/hurt" "$work/one"

long=(--train.epochs=100000)
impatient() { # SIGNALS...: send them to a long training, one after the other
    rm -rf "$work/hurt"
    "$TRB_BUILD/tribikos" train "$conf" --run.dir="$work/hurt" "${one[@]}" "${long[@]}" "${extra[@]}" >/dev/null 2>"$work/err" </dev/null &
    local pid=$!
    until [ -s "$work/hurt/members/m000/metrics.jsonl" ]; do sleep 0.05; done
    for signal in "$@"; do kill -"$signal" $pid; done
    wait $pid
}
for signal in USR1 USR2 TERM; do
    extra=()
    impatient $signal
    check "SIG$signal: exit status 75" test $? = 75
done
# The first sync is that of the checkpoint after the signal, and takes longer than it may; or than a user waits.
held() { # SECONDS SIGNALS...: the program is stopped there for so long, and gets these signals meanwhile
    local seconds=$1 impatience signal
    shift
    TRB_FAULT=file.sync:1:0:stop impatient USR1 &
    impatience=$!
    until ps -eo stat,args | grep -q -- "^T.*--run.dir=$work/hurt" || ! kill -0 $impatience; do sleep 0.1; done
    sleep "$seconds"
    for signal in "$@" CONT; do pkill -$signal -f -- "--run.dir=$work/hurt"; done
    wait $impatience
}
extra=(--run.grace=1)
held 3
check "no end within run.grace: exit status 1" test $? = 1
check "no end within run.grace: said" grep -q 'no end within run.grace' "$work/err"
extra=()
held 1.5 USR2
check "a second signal: ends at once" test $? -gt 128
for slot in "$work"/hurt/members/m000/checkpoint/[01].h5; do
    [ ! -e "$slot" ] || check "a second signal: nothing half-written is taken for whole" tribikos info "$slot" >/dev/null
done
tribikos train "$conf" --run.dir="$work/hurt" "${one[@]}" "${long[@]}" --run.time_limit=1 2>"$work/err"
check "a second signal: gone on with" test $? = 75
echo "tally: resumes compared: $resumed"
finish
