# FIFOs, links, folders and devices where the program looks for its files: each is refused in one line, and none is waited for
# or written through.
. "$(dirname "$0")/lib.bash"
cd "$work"
awk 'BEGIN { srand(1); for (i = 0; i < 60; i++) printf "%.3f,%.3f,%d\n", rand() + i % 3, rand(), i % 3 }' >table.csv
cat >set.yaml <<'END'
run: {dir: run}
data: {format: table, root: ., train: [table.csv], test: [table.csv]}
members: {count: 2}
train: {layers: [dense 4, relu, dense 3], epochs: 1, batch: 20}
students: [kd]
student: {epochs: 1, batch: 20}
END
mkfifo fifo
mpi 1 run set.yaml || { cat err; bad "run"; finish; }
# turned_away WHAT WORDS COMMAND...
turned_away() {
    local what=$1 words=$2 status
    shift 2
    timeout 20 "$TRB_BUILD/tribikos" "$@" >out 2>err </dev/null
    status=$?
    check "$what: exit status 2" test $status = 2 || cat err
    check "$what: one line" test "$(grep -c 'error: ' err)" = 1 -a "$(grep -cE -e "$words" err)" = 1 || cat err
}
fifo='fifo: expected a file, got a FIFO'
for command in config info verify train; do
    place=fifo
    [ $command = verify ] && { mkdir cache && mkfifo cache/manifest.h5 && place=cache; }
    turned_away "$command FIFO" "expected a file, got a FIFO" $command $place
done
turned_away "a folder as configuration" 'run: expected a file, got a folder' train run
turned_away "a device as configuration" '/dev/null: expected a file, got a device' train /dev/null
turned_away "a table" "$fifo" train set.yaml --data.train=[fifo]
turned_away "rows of a table" "$fifo" train set.yaml --data.train_rows=[fifo]
turned_away "HDF5 data" "$fifo" train set.yaml --data.train=[fifo] --data.format=hdf5
turned_away "CIFAR data" "$fifo" train set.yaml --data.train=[fifo] --data.format=cifar10
turned_away "IDX data" "$fifo" train set.yaml --data.train=[fifo,fifo] --data.format=idx
turned_away "test data" "$fifo" eval set.yaml --data.test=[fifo]
turned_away "other data" "$fifo" eval set.yaml --eval.ood=[x] --ood.x.files=[fifo]
# instead FILE WHAT COMMAND...: a FIFO in the place of a file of the run
instead() {
    local file=run/$1 what=$2
    shift 2
    mv "$file" kept
    mkfifo "$file"
    turned_away "$what" "$file: expected a file, got a FIFO" "$@"
    mv kept "$file"
}
instead members/m001/weights.h5 "a member" cache set.yaml
instead student/kd/weights.h5 "a student" eval set.yaml
instead cache/manifest.h5 "a manifest" distill set.yaml --students=[other] --student.method=kd
instead cache/v00/m001-s00000.h5 "a shard" distill set.yaml --students=[other] --student.method=kd
mkdir -p run/members/m002/checkpoint run/.lock
mkfifo run/members/m002/checkpoint/0.h5
turned_away "a checkpoint" '0.h5: expected a file, got a FIFO' train set.yaml --members.count=3
rm run/members/m002/checkpoint/0.h5
turned_away "a checkpoint by its name" "$fifo" train set.yaml --members.count=3 --resume=fifo
mkfifo run/.lock/members.m002
turned_away "a lock" 'members.m002: expected a file, got a FIFO' train set.yaml --members.count=3
rm run/.lock/members.m002
mkfifo run/members/m002/metrics.jsonl
turned_away "metrics" 'metrics.jsonl: expected a file, got a FIFO' train set.yaml --members.count=3
rm run/members/m002/metrics.jsonl
echo mine >mine
ln -s ../../../mine run/members/m002/metrics.jsonl
turned_away "metrics through a link" 'metrics.jsonl: expected a file, got a symbolic link' train set.yaml --members.count=3
check "metrics through a link: what it leads to" test "$(cat mine)" = mine
rm run/members/m002/metrics.jsonl
ln -s ../../mine run/.lock/members.m002
turned_away "a lock that is a link" 'members.m002: expected a file, got a symbolic link' train set.yaml --members.count=3
rm run/.lock/members.m002
mpi 1 train set.yaml --members.count=3
check "without them all goes well" test $? = 0 || cat err
finish
